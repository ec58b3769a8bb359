/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly, of both families: RFC 791 3.2, 815 and 8200 4.5, with the limits that RFC 8900 and
 * 1858 ask for. Called by ip4.c and ip6.c, who make a packet of what is put together here; calls
 * icmp.c for what was never completed.
 *
 * Fragments stay in the buffers they came in, sorted by offset; small neighbours are copied
 * together, so that a datagram is REASS_PIECES buffers at most and crumbs do not fill the pool. As
 * in Linux a fragment that was there already is ignored, one that overlaps others ends its datagram
 * (RFC 5722's rule). What one sender and all together may hold is bounded; the oldest goes first.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tcpip/ip6.h"

#define REASS_MAX     256u /* datagrams */
#define REASS_SOURCE  16u  /* of one source */
#define REASS_PIECES  SOCK_SLICES
#define REASS_SHARE   8u	     /* at most 1/8 of the packet buffers */
#define REASS_TIMEOUT 60000000000ull /* ns: RFC 1122 3.3.2, RFC 8200 4.5 */
#define REASS_BUCKETS 256u
#define DATAGRAM_MAX  65535u

struct datagram {
	struct datagram *hash_next;
	struct datagram *newer, *older;
	uint32_t src, dst; /* addresses, or handles that are held */
	uint32_t id;
	uint8_t protocol;
	uint8_t ecn;	     /* bit (1 << codepoint) of each fragment */
	struct pktbuf *head; /* sorted, linked by `more`, no overlap */
	struct pktbuf *tail;
	uint32_t pieces, got, end; /* end: bytes in all; 0: the last fragment has not come */
	uint64_t expires;
};

struct reass_table {
	struct pool pool;
	struct datagram *bucket[REASS_BUCKETS]; /* by source, so that a chain is one source's */
	struct datagram *oldest, *newest;
	uint32_t pieces;
	struct timer timer;
};

/* Of the family that the source is of. */
#define COUNT_FOR(st, src, name)                                                                   \
	((st)->counters[ip_is6(src) ? CNT_Ip6Reasm##name : CNT_IpReasm##name]++)

/* ---- the table ---------------------------------------------------------------------------- */

static struct datagram **bucket_of(struct stack *st, uint32_t src)
{
	return &st->reass->bucket[siphash24(st->secret, &src, sizeof(src)) % REASS_BUCKETS];
}

static void watch_oldest(struct stack *st)
{
	struct reass_table *t = st->reass;

	if (t->oldest)
		timer_set(&st->timers, &t->timer, t->oldest->expires);
	else
		timer_cancel(&st->timers, &t->timer);
}

/* Out of the table; its pieces are the caller's. */
static struct pktbuf *forget(struct stack *st, struct datagram *d)
{
	struct datagram **at = bucket_of(st, d->src);
	struct reass_table *t = st->reass;
	struct pktbuf *p = d->head;

	while (*at != d)
		at = &(*at)->hash_next;
	*at = d->hash_next;
	*(d->older ? &d->older->newer : &t->oldest) = d->newer;
	*(d->newer ? &d->newer->older : &t->newest) = d->older;
	t->pieces -= d->pieces;
	ip_set(st, &d->src, 0);
	ip_set(st, &d->dst, 0);
	pool_put(&t->pool, d);
	watch_oldest(st);
	return p;
}

static void drop(struct stack *st, struct datagram *d)
{
	struct pktbuf *p;

	COUNT_FOR(st, d->src, Fails);
	p = forget(st, d);
	if (p)
		pktbuf_free(p);
}

/* The port that it came in on: IPv6's strict host model knows it by the address. NULL: it went away
 * meanwhile; or an IPv4 address, where nobody asks. */
static struct port *port_of(struct stack *st, const struct datagram *d)
{
	const struct ip6_addr *own = ip_is6(d->dst) ? addr6_of(st, d->dst) : NULL;

	return own ? own->port : NULL;
}

/* RFC 1122 3.3.2, RFC 8200 4.5: the sender hears it if the first fragment is there to be quoted. */
static void expired(struct stack *st, struct timer *timer)
{
	struct reass_table *t = st->reass;
	struct port *port;
	struct pktbuf *p;

	(void)timer;
	while (t->oldest && t->oldest->expires <= st->now) {
		COUNT_FOR(st, t->oldest->src, Timeout);
		COUNT_FOR(st, t->oldest->src, Fails);
		port = port_of(st, t->oldest);
		p = forget(st, t->oldest);
		if (p->frag.start == 0) {
			pktbuf_push(p, (uint16_t)(p->off - p->l3_off));
			icmp_error(st, port, p, ICMP4_TIME_EXCEEDED, ICMP4_REASS_TIME, 0);
		}
		pktbuf_free(p);
	}
}

static struct datagram *create(struct stack *st, const struct fragment *f)
{
	struct reass_table *t = st->reass;
	struct datagram *d, **at;

	if (t->oldest && t->pool.used == t->pool.count)
		drop(st, t->oldest);
	d = pool_get(&t->pool);
	at = bucket_of(st, f->src);
	ip_set(st, &d->src, f->src);
	ip_set(st, &d->dst, f->dst);
	d->id = f->id;
	d->protocol = f->protocol;
	d->expires = st->now + REASS_TIMEOUT;
	d->hash_next = *at;
	*at = d;
	d->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = d;
	t->newest = d;
	watch_oldest(st);
	return d;
}

/* A chain runs from the newest to the oldest: the last one seen of a source is its oldest. */
static struct datagram *find(struct stack *st, const struct fragment *f)
{
	struct datagram *d, *last = NULL;
	unsigned n = 0;

	for (d = *bucket_of(st, f->src); d; d = d->hash_next) {
		if (d->src != f->src)
			continue;
		if (d->id == f->id && d->dst == f->dst && d->protocol == f->protocol)
			return d;
		last = d;
		n++;
	}
	if (last && n >= REASS_SOURCE)
		drop(st, last);
	return create(st, f);
}

int reass_create(struct stack *st)
{
	st->reass = arena_take(st->arena, sizeof(*st->reass), 64);
	if (!st->reass)
		return -ENOMEM;
	st->reass->timer.fn = expired;
	return pool_init(&st->reass->pool, st->arena, "reassembly", sizeof(struct datagram),
			 REASS_MAX);
}

void reass_drop_all(struct stack *st)
{
	while (st->reass->oldest)
		drop(st, st->reass->oldest);
}

const struct pool *reass_pool(const struct stack *st)
{
	return &st->reass->pool;
}

/* ---- pieces ------------------------------------------------------------------------------- */

/* q follows p without a gap: one buffer, if it fits. */
static bool absorb(struct datagram *d, struct pktbuf *p, struct pktbuf *q)
{
	if (!p || !q || p->frag.end != q->frag.start || q->len > pktbuf_tailroom(p))
		return false;
	memcpy(pktbuf_data(p) + p->len, pktbuf_data(q), q->len);
	p->len = (uint16_t)(p->len + q->len);
	p->frag.end = q->frag.end;
	p->more = q->more;
	if (d->tail == q)
		d->tail = p;
	q->more = NULL;
	pktbuf_free(q);
	return true;
}

/* Is [start, end) there already, in `from` and those that follow it without a gap? */
static bool covered(const struct pktbuf *from, uint32_t end)
{
	uint32_t to = from->frag.end;

	while (to < end && from->more && from->more->frag.start == to) {
		from = from->more;
		to = from->frag.end;
	}
	return end <= to;
}

/* 0: p is in its place; -EEXIST: it was there; -EBADMSG: it overlaps. */
static int insert(struct stack *st, struct datagram *d, struct pktbuf *p)
{
	struct pktbuf *prev = NULL, *next = d->head;
	uint32_t before = d->pieces;

	if (d->tail && d->tail->frag.start <= p->frag.start) {
		prev = d->tail;
		next = NULL;
	}
	for (; next && next->frag.start <= p->frag.start; next = next->more)
		prev = next;
	if (prev && p->frag.start < prev->frag.end)
		return covered(prev, p->frag.end) ? -EEXIST : -EBADMSG;
	if (next && next->frag.start < p->frag.end)
		return -EBADMSG;
	p->more = next;
	*(prev ? &prev->more : &d->head) = p;
	if (!next)
		d->tail = p;
	d->got += p->len;
	d->pieces++;
	if (absorb(d, prev, p)) {
		d->pieces--;
		p = prev;
	}
	if (absorb(d, p, next))
		d->pieces--;
	st->reass->pieces += d->pieces - before;
	return 0;
}

/* What lies beyond the end is a lie somewhere. */
static bool bounds_ok(const struct datagram *d, const struct pktbuf *p, bool last)
{
	if (d->end)
		return last ? p->frag.end == d->end : p->frag.end <= d->end;
	return !last || !d->tail || d->tail->frag.end <= p->frag.end;
}

/* RFC 3168 5.3, as Linux: a mark stays, unless a sender who cannot be marked is mixed in. */
static bool ecn_ok(const struct datagram *d)
{
	return !(d->ecn & 1u << IP_CE) || !(d->ecn & 1u << IP_NOT_ECT);
}

/* What the length field of the datagram's header would have to count. */
static uint32_t length(const struct datagram *d)
{
	uint32_t head = (uint32_t)(d->head->off - d->head->l3_off);

	return d->end + head - (ip_is6(d->src) ? IP6_HDR_LEN + IP6_FRAG_LEN : 0);
}

static struct pktbuf *complete(struct stack *st, struct datagram *d, struct fragment *f)
{
	struct pktbuf *p;

	if (!ecn_ok(d) || length(d) > DATAGRAM_MAX) {
		drop(st, d);
		return NULL;
	}
	f->ce = d->ecn & 1u << IP_CE;
	f->total = d->end;
	COUNT_FOR(st, d->src, OKs);
	p = forget(st, d);
	p->flags &= (uint16_t)~PKTBUF_RX_L4_CSUM_OK; /* said of a fragment at best */
	return p;
}

/* Each piece of a fragment is as good as a fragment of its own. -EBADMSG: one overlaps. */
static int insert_all(struct stack *st, struct datagram *d, struct pktbuf *p,
		      const struct fragment *f)
{
	uint32_t at = f->off;
	struct pktbuf *rest;
	bool last;
	int r = 0;

	for (; p && r != -EBADMSG; p = rest) {
		rest = p->more;
		p->more = NULL;
		p->frag.start = at;
		p->frag.end = at += p->len;
		last = f->last && !rest;
		r = bounds_ok(d, p, last) ? insert(st, d, p) : -EBADMSG;
		if (r < 0)
			pktbuf_free(p);
		if (r == 0)
			d->ecn |= (uint8_t)(1u << (f->tos & 3));
		if (r == 0 && last)
			d->end = d->tail->frag.end;
	}
	if (p)
		pktbuf_free(p);
	return r;
}

struct pktbuf *reass_in(struct stack *st, struct pktbuf *p, struct fragment *f)
{
	struct reass_table *t = st->reass;
	uint32_t len = pktbuf_total(p);
	struct datagram *d;
	int r;

	COUNT_FOR(st, f->src, Reqds);
	/* RFC 791: all but the last are multiples of 8. */
	if (p->len == 0 || (!f->last && len % 8 != 0) || f->off + len > DATAGRAM_MAX) {
		COUNT_FOR(st, f->src, Fails);
		pktbuf_free(p);
		return NULL;
	}
	while (t->oldest && t->pieces >= st->pool->count / REASS_SHARE)
		drop(st, t->oldest);
	d = find(st, f);
	r = insert_all(st, d, p, f);
	if (r == -EBADMSG)
		COUNT_FOR(st, f->src, Overlaps);
	if (r == -EBADMSG || d->pieces > REASS_PIECES) {
		drop(st, d);
		return NULL;
	}
	return d->end && d->got == d->end ? complete(st, d, f) : NULL;
}

uint64_t csum_packet(uint64_t sum, const struct pktbuf *p)
{
	for (; p; p = p->more)
		sum = csum_add(sum, pktbuf_data(p), p->len);
	return sum;
}
