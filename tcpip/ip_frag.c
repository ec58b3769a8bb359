/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets larger than the link or the path: RFC 791 2.3, 3.2, RFC 8200 4.5. Called by ip4_out and
 * ip6_out; what it makes is new packets, the large one is gone. Nothing here is at packet rate: TCP
 * comes this way only where it lets routers cut (PMTUDISC_DONT) and the route has become narrower.
 */
#include "tcpip/ip6.h"

#include <errno.h>
#include <string.h>

/* Reads a packet in pieces from its beginning to its end. */
struct reader {
	const struct pktbuf *p;
	uint32_t done; /* bytes of this piece */
};

static void read_bytes(struct reader *r, uint8_t *to, uint32_t len)
{
	while (len > 0) {
		uint32_t n = r->p->len - r->done;

		if (n > len)
			n = len;
		memcpy(to, pktbuf_data(r->p) + r->done, n);
		to += n;
		len -= n;
		r->done += n;
		if (r->done == r->p->len) {
			r->p = r->p->more;
			r->done = 0;
		}
	}
}

/* RFC 6864: unique for a while for source, destination and protocol, and RFC 7739: of no use to
 * others. One counter serves a part of all destinations. */
static uint32_t next_id(struct stack *st, const void *flow, size_t len)
{
	uint64_t hash = siphash24(st->secret, flow, len);

	return (uint32_t)(hash >> 32) + st->ip_ids[hash % STACK_IP_IDS]++;
}

/* May `owner` have n buffers more? */
static bool room(const struct stack *st, uint8_t owner, uint32_t n)
{
	uint32_t avail = st->pool->avail;

	return avail > n && quota_left(st, owner, st->pool->held[owner], avail) >= n;
}

/* Of a packet, what a fragment of the link's size brings; each is one buffer, however wide the
 * link: what is cut is at no packet rate. */
static uint32_t most_of(uint32_t room)
{
	uint32_t buffer = PKTBUF_SIZE - PKTBUF_HEADROOM;

	return (room < buffer ? room : buffer) & ~7u;
}

/* A packet that is being cut: `most` bytes a fragment. */
struct cut {
	struct reader r;
	uint32_t at, total, most;
};

/* The next fragment's data in a buffer of its own; NULL: none is free. */
static struct pktbuf *next_fragment(struct stack *st, struct cut *c, uint8_t owner)
{
	struct pktbuf *q = pktbuf_alloc(st->pool);

	if (!q)
		return NULL;
	pktbuf_charge(q, owner);
	q->len = (uint16_t)(c->total - c->at < c->most ? c->total - c->at : c->most);
	read_bytes(&c->r, pktbuf_data(q), q->len);
	c->at += q->len;
	q->time = st->now;
	return q;
}

int ip4_frag_out(struct stack *st, struct pktbuf *p, struct ip4_hdr *h, uint16_t mtu,
		 const struct route_hit *hit)
{
	uint32_t flow[3] = {h->src, h->dst, h->protocol};
	struct cut c = {{p, 0}, 0, pktbuf_total(p), most_of(mtu - IP4_HDR_LEN)};
	struct pktbuf *q;
	int ret = -ENOBUFS;

	if (!room(st, p->owner, (c.total + c.most - 1) / c.most))
		goto done;
	h->id = (uint16_t)next_id(st, flow, sizeof(flow));
	while (c.at < c.total) {
		h->frag_off = (uint16_t)c.at;
		q = next_fragment(st, &c, p->owner);
		if (!q)
			goto done;
		h->mf = c.at < c.total;
		h->total_len = (uint16_t)(IP4_HDR_LEN + q->len);
		ip4_build(pktbuf_push(q, IP4_HDR_LEN), h);
		COUNT(st, IpFragCreates);
		ip_send_by(st, q, hit);
	}
	COUNT(st, IpFragOKs);
	ret = 0;
done:
	if (ret < 0)
		COUNT(st, IpFragFails);
	pktbuf_free(p);
	return ret;
}

int ip6_frag_out(struct stack *st, struct pktbuf *p, struct ip6_hdr *h, uint16_t mtu,
		 const struct route_hit *hit)
{
	uint8_t flow[32], next = h->next;
	struct cut c = {{p, 0}, 0, pktbuf_total(p), most_of(mtu - IP6_HDR_LEN - IP6_FRAG_LEN)};
	struct pktbuf *q;
	uint32_t id;
	uint16_t off;
	int ret = -ENOBUFS;

	if (!room(st, p->owner, (c.total + c.most - 1) / c.most))
		goto done;
	memcpy(flow, h->src, 16);
	memcpy(flow + 16, h->dst, 16);
	id = next_id(st, flow, sizeof(flow));
	h->next = IP6_FRAGMENT;
	COUNT(st, Ip6OutRequests);
	while (c.at < c.total) {
		off = (uint16_t)c.at;
		q = next_fragment(st, &c, p->owner);
		if (!q)
			goto done;
		ip6_frag_build(pktbuf_push(q, IP6_FRAG_LEN), next, off, c.at < c.total, id);
		h->payload_len = q->len;
		ip6_build(pktbuf_push(q, IP6_HDR_LEN), h);
		COUNT(st, Ip6FragCreates);
		ip_send_by(st, q, hit);
	}
	COUNT(st, Ip6FragOKs);
	ret = 0;
done:
	if (ret < 0)
		COUNT(st, Ip6FragFails);
	pktbuf_free(p);
	return ret;
}
