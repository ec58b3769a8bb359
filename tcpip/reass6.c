/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly (RFC 8200 4.5) with limits: 16 datagrams at a time, 60 seconds each, and no datagram
 * larger than one packet buffer holds. Fragments that overlap end the datagram (RFC 5722); so does
 * one whose first fragment lacks its upper header (RFC 7112, checked by the walk afterwards).
 * A datagram is put together in one buffer, as if it had come without a fragment header.
 * Called by ip6.c; calls icmp6.c.
 */
#include <stddef.h>
#include <string.h>

#include "tcpip/ip6.h"

#define SEC   1000000000ull
#define LIFE  (60 * SEC)
#define START 64u /* of the packet in the buffer */
#define ROOM  (PKTBUF_SIZE - START)

static void timed_out(struct stack *st, struct timer *t);

static struct pktbuf *end(struct stack *st, struct ip6_reass *r)
{
	struct pktbuf *p = r->p;

	timer_cancel(&st->timers, &r->timer);
	ip_set(st, &r->src, 0);
	ip_set(st, &r->dst, 0);
	r->p = NULL;
	return p;
}

static void give_up(struct stack *st, struct ip6_reass *r)
{
	COUNT(st, Ip6ReasmFails);
	pktbuf_free(end(st, r));
}

/* RFC 8200 4.5: the sender is told if the first fragment came, which is what an error must quote.
 */
static void timed_out(struct stack *st, struct timer *t)
{
	struct ip6_reass *r =
		(struct ip6_reass *)((uint8_t *)t - offsetof(struct ip6_reass, timer));

	if (r->head_len) {
		memmove(r->p->buf + START + r->head_len, r->p->buf + START + IP6_REASS_HEAD, 8);
		r->p->len = (uint16_t)(r->head_len + 8);
		icmp6_error(st, r->p, ICMP6_TIME, 1, 0);
	}
	give_up(st, r);
}

static struct ip6_reass *find(struct stack *st, uint32_t src, uint32_t dst, uint32_t id)
{
	struct ip6_reass *r;

	for (r = st->ip6->reass; r < st->ip6->reass + IP6_REASS_MAX; r++)
		if (r->p && r->src == src && r->dst == dst && r->id == id)
			return r;
	return NULL;
}

/* A free place, else the oldest's: a flood of first fragments pushes out itself. */
static struct ip6_reass *place(struct stack *st)
{
	struct ip6_reass *r, *oldest = st->ip6->reass;

	for (r = st->ip6->reass; r < st->ip6->reass + IP6_REASS_MAX; r++) {
		if (!r->p)
			return r;
		if (r->timer.expires < oldest->timer.expires)
			oldest = r;
	}
	give_up(st, oldest);
	return oldest;
}

static struct ip6_reass *begin(struct stack *st, uint32_t src, uint32_t dst, uint32_t id,
			       const struct pktbuf *from)
{
	struct pktbuf *p = pktbuf_alloc(st->pool);
	struct ip6_reass *r;

	if (!p)
		return NULL;
	r = place(st);
	memset(r, 0, sizeof(*r));
	r->p = p;
	r->id = id;
	ip_set(st, &r->src, src);
	ip_set(st, &r->dst, dst);
	r->timer.fn = timed_out;
	timer_set(&st->timers, &r->timer, st->now + LIFE);
	p->off = START;
	p->l3_off = START;
	p->flags = from->flags & PKTBUF_BROADCAST;
	p->time = from->time;
	return r;
}

/* Marks blocks of 8 bytes; false: one was there. */
static bool mark(struct ip6_reass *r, unsigned first, unsigned count)
{
	unsigned i;

	for (i = first; i < first + count; i++)
		if (r->have[i / 8] & 1u << i % 8)
			return false;
	for (i = first; i < first + count; i++)
		r->have[i / 8] |= (uint8_t)(1u << i % 8);
	r->blocks += (uint16_t)count;
	return true;
}

/* The unfragmentable part is the first fragment's; it lies at the start of the buffer, and the data
 * behind the room for the longest there can be, until all is there. */
static bool take(struct ip6_reass *r, const struct ip6_hdr *h, const struct ip6_ext *e,
		 const uint8_t *packet, uint16_t len)
{
	unsigned head = IP6_HDR_LEN + e->len - 8u, data = len - head - 8u, off = e->frag_off;
	uint8_t *buf = r->p->buf + START;

	/* The last one says where the end is: once, and behind all that came. */
	if (!e->more && (r->total || off + data < r->seen_end))
		return false;
	if (!e->more)
		r->total = (uint16_t)(off + data);
	if (IP6_REASS_HEAD + off + data > ROOM || (r->total && off + data > r->total))
		return false;
	if (!mark(r, off / 8, (data + 7) / 8))
		return false;
	if (off + data > r->seen_end)
		r->seen_end = (uint16_t)(off + data);
	memcpy(buf + IP6_REASS_HEAD + off, packet + head + 8, data);
	r->ce |= (h->tclass & 3) == IP_CE; /* RFC 3168 5.3 */
	if (off == 0) {
		if (head > IP6_REASS_HEAD)
			return false;
		memcpy(buf, packet, head);
		buf[e->frag_next] = e->next;
		r->head_len = (uint16_t)head;
	}
	return true;
}

static struct pktbuf *finish(struct stack *st, struct ip6_reass *r)
{
	uint8_t *buf = r->p->buf + START;
	uint16_t head = r->head_len, total = r->total;
	bool ce = r->ce;
	struct pktbuf *p = end(st, r);

	memmove(buf + head, buf + IP6_REASS_HEAD, total);
	wire_put16(buf + 4, (uint16_t)(head - IP6_HDR_LEN + total));
	if (ce)
		buf[1] |= IP_CE << 4;
	p->len = (uint16_t)(head + total);
	COUNT(st, Ip6ReasmOKs);
	return p;
}

/* p: a fragment from its IPv6 header on, which is the caller's still. NULL: more is to come, or it
 * came to nothing; else the datagram. */
struct pktbuf *reass6_in(struct stack *st, const struct pktbuf *p, const struct ip6_hdr *h,
			 const struct ip6_ext *e, uint32_t src, uint32_t dst)
{
	struct ip6_reass *r = find(st, src, dst, e->frag_id);

	COUNT(st, Ip6ReasmReqds);
	if (!r)
		r = begin(st, src, dst, e->frag_id, p);
	if (!r)
		return NULL;
	if (!take(r, h, e, pktbuf_data(p), p->len)) {
		give_up(st, r);
		return NULL;
	}
	if (!r->total || !r->head_len || r->blocks != (r->total + 7u) / 8)
		return NULL;
	return finish(st, r);
}

void reass6_flush(struct stack *st)
{
	struct ip6_reass *r;

	for (r = st->ip6->reass; r < st->ip6->reass + IP6_REASS_MAX; r++)
		if (r->p)
			give_up(st, r);
}
