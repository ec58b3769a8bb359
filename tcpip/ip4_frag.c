/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets larger than the link: RFC 791 2.3, 3.2. Called by ip4.c's ip4_out; what it makes is new
 * packets, the large one is gone. Nothing here is at packet rate: TCP never comes this way.
 */
#include "tcpip/stack.h"

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
static uint16_t next_id(struct stack *st, const struct ip4_hdr *ip)
{
	uint32_t flow[3] = {ip->src, ip->dst, ip->protocol};
	uint64_t hash = siphash24(st->secret, flow, sizeof(flow));

	return (uint16_t)((hash >> 32) + st->ip_ids[hash % STACK_IP_IDS]++);
}

bool ip4_frag_room(const struct stack *st, uint8_t owner, uint32_t n)
{
	uint32_t avail = st->pool->avail;

	return avail > n && quota_left(st, owner, st->pool->held[owner], avail) >= n;
}

int ip4_frag_out(struct stack *st, struct pktbuf *p, struct ip4_hdr *ip, uint16_t mtu,
		 const struct route_hit *hit,
		 int (*out)(struct stack *st, struct pktbuf *p, const struct route_hit *hit))
{
	uint32_t total = pktbuf_total(p), at, len;
	uint32_t most = (mtu - IP4_HDR_LEN) & ~7u;
	struct reader r = {p, 0};
	struct pktbuf *q;
	int ret = -ENOBUFS;

	if (!ip4_frag_room(st, p->owner, (total + most - 1) / most))
		goto done;
	ip->id = next_id(st, ip);
	for (at = 0; at < total; at += len) {
		q = pktbuf_alloc(st->pool);
		if (!q)
			goto done;
		pktbuf_charge(q, p->owner);
		len = total - at < most ? total - at : most;
		read_bytes(&r, pktbuf_data(q), len);
		q->len = (uint16_t)len;
		ip->frag_off = (uint16_t)at;
		ip->mf = at + len < total;
		ip->total_len = (uint16_t)(IP4_HDR_LEN + len);
		ip4_build(pktbuf_push(q, IP4_HDR_LEN), ip);
		q->time = st->now;
		COUNT(st, IpFragCreates);
		out(st, q, hit);
	}
	COUNT(st, IpFragOKs);
	ret = 0;
done:
	if (ret < 0)
		COUNT(st, IpFragFails);
	pktbuf_free(p);
	return ret;
}
