/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 (RFC 8200): input checks and delivery, output. Called by eth.c (ip6_in), ip4.c (ip6_out, as
 * the transports send both families through ip4_out; ip6_loop_in), nd.c and mld.c (ip6_send); calls
 * the transports, icmp6.c, neigh.c. To the transports a packet is a struct ip4_hdr whose addresses
 * are handles. Fragments go by way of reass6.c. No forwarding; strict host model: an address is
 * heard on its own port alone.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/group.h"
#include "tcpip/ip6.h"

#define DEFAULT_HOPS 64

/* A packet on its way up. */
struct incoming {
	struct port *port;
	struct pktbuf *p;
	struct ip6_hdr h;
	struct ip6_ext e;
	bool looped;
};

/* ---- input -------------------------------------------------------------------------------- */

static bool source_ok(struct stack *st, const struct incoming *in)
{
	const uint8_t *src = in->h.src;
	const struct ip6_addr *own;

	if (ip6_is_multicast(src) || ip6_is_martian(src))
		return false;
	if (in->looped)
		return true;
	own = addr6_find(st, in->port, src); /* what is ours comes by the loop alone */
	return !own || own->state != IP6_VALID;
}

/* The handle of the destination; 0: not for us. */
static uint32_t for_us(struct stack *st, const struct incoming *in)
{
	uint32_t ip = ip6_handle(st, in->h.dst, ip6_scope(in->h.dst, in->port));
	const struct ip6_addr *a;

	if (!ip)
		return 0;
	if (ip6_is_multicast(in->h.dst))
		return group_heard(st, in->port, in->h.dst) ? ip : 0;
	if (in->p->flags & PKTBUF_BROADCAST) /* unicast in a group's frame, as RFC 1122 3.3.6 */
		return 0;
	a = addr6_of(st, ip);
	return a && a->port == in->port ? ip : 0;
}

/* TCP's and UDP's checksum, here because the pseudo header is. RFC 8200 8.1: UDP must have one. */
static bool l4_checksum_ok(struct stack *st, const struct incoming *in)
{
	const struct pktbuf *p = in->p;
	bool udp = in->e.next == IP6_UDP;
	uint32_t len = p->len;

	if (p->flags & PKTBUF_RX_L4_CSUM_OK && !udp)
		return true;
	if (udp) {
		if (len < UDP_HDR_LEN)
			return true; /* udp_in says what is wrong */
		if (wire_get16(pktbuf_data(p) + 6) == 0) {
			COUNT(st, UdpInCsumErrors);
			return false;
		}
		if (p->flags & PKTBUF_RX_L4_CSUM_OK)
			return true;
		if (wire_get16(pktbuf_data(p) + 4) < len)
			len = wire_get16(pktbuf_data(p) + 4);
	}
	if (csum_fold(csum_add(csum_pseudo6(in->h.src, in->h.dst, in->e.next, len), pktbuf_data(p),
			       len)) == 0)
		return true;
	if (udp) {
		COUNT(st, UdpInCsumErrors);
	} else {
		COUNT(st, TcpInErrs);
		COUNT(st, TcpInCsumErrors);
	}
	return false;
}

/* Data from the IPv6 header again, as errors quote it. */
static void problem(struct stack *st, const struct incoming *in, uint8_t code, uint32_t at)
{
	COUNT(st, Ip6InHdrErrors);
	icmp6_error(st, in->p, ICMP6_PARAM, code, at);
	pktbuf_free(in->p);
}

/* Takes over in->p, whose data is what follows the extension headers. */
static void deliver(struct stack *st, struct incoming *in, uint32_t src, uint32_t dst)
{
	struct pktbuf *p = in->p;
	struct ip4_hdr ip = {
		.hdr_len = IP4_HDR_LEN,
		.tos = in->h.tclass,
		.ttl = in->h.hop_limit,
		.protocol = in->e.next,
		.total_len = (uint16_t)(p->len + IP4_HDR_LEN),
		.df = true,
		.src = src,
		.dst = dst,
	};

	p->l4_off = p->off;
	COUNT(st, Ip6InDelivers);
	if (in->e.next == IP6_ICMP) {
		icmp6_in(st, in->port, p, &in->h, &ip);
		return;
	}
	if (in->e.next == IP6_TCP || in->e.next == IP6_UDP) {
		/* From nobody is for neighbour discovery alone. */
		if (ip6_is_unspecified(in->h.src) || !l4_checksum_ok(st, in)) {
			pktbuf_free(p);
			return;
		}
		p->flags |= PKTBUF_RX_L4_CSUM_OK;
		if (in->e.next == IP6_UDP)
			udp_in(st, in->port, p, &ip);
		else if (ip6_is_multicast(in->h.dst))
			pktbuf_free(p);
		else
			tcp_in(st, in->port, p, &ip);
		return;
	}
	if (in->e.next == IP6_NONE) {
		pktbuf_free(p);
		return;
	}
	COUNT(st, Ip6InUnknownProtos);
	pktbuf_push(p, (uint16_t)(p->off - p->l3_off));
	problem(st, in, ICMP6_BAD_NEXT, in->e.next_at);
}

/* A fragment goes to reass6.c; with the last of them in->p becomes the datagram. False: not yet, or
 * never; in->p is gone. An atomic one is whole by itself, RFC 6946. */
static bool whole(struct stack *st, struct incoming *in, uint32_t src, uint32_t dst)
{
	const struct ip6_ext *e = &in->e;
	struct pktbuf *p = in->p;
	uint16_t data;

	if (!e->fragment || (e->frag_off == 0 && !e->more))
		return true;
	COUNT(st, Ip6InFragments);
	data = (uint16_t)(p->len - IP6_HDR_LEN - e->len);
	if (e->more && data % 8) { /* RFC 8200 4.5; the payload's length is to blame */
		problem(st, in, ICMP6_BAD_FIELD, 4);
		return false;
	}
	if (e->frag_off + data > UINT16_MAX) {
		problem(st, in, ICMP6_BAD_FIELD, IP6_HDR_LEN + e->len - 6u);
		return false;
	}
	in->p = data ? reass6_in(st, p, &in->h, e, src, dst) : NULL;
	pktbuf_free(p);
	if (!in->p)
		return false;
	/* Its headers anew; a fragment in a fragment is nobody's business. */
	if (ip6_parse(&in->h, pktbuf_data(in->p), in->p->len) == 0 &&
	    ip6_walk(&in->e, &in->h, pktbuf_data(in->p), in->p->len) == 0 && !in->e.fragment)
		return true;
	COUNT(st, Ip6InHdrErrors);
	pktbuf_free(in->p);
	return false;
}

static void receive(struct stack *st, struct incoming *in)
{
	struct pktbuf *p = in->p;
	uint32_t src, dst;
	int r;

	COUNT(st, Ip6InReceives);
	if (ip6_parse(&in->h, pktbuf_data(p), p->len) < 0) {
		COUNT(st, Ip6InHdrErrors);
		goto drop;
	}
	dst = source_ok(st, in) ? for_us(st, in) : 0;
	src = dst ? ip6_handle(st, in->h.src, ip6_scope(in->h.src, in->port)) : 0;
	if (!dst || !src) {
		COUNT(st, Ip6InAddrErrors);
		goto drop;
	}
	pktbuf_trim(p, (uint16_t)(in->h.payload_len + IP6_HDR_LEN));
	r = ip6_walk(&in->e, &in->h, pktbuf_data(p), p->len);
	if (r == -EPROTO) {
		problem(st, in, in->e.problem, in->e.problem_at);
		return;
	}
	if (r < 0) {
		COUNT(st, Ip6InHdrErrors);
		goto drop;
	}
	if (!whole(st, in, src, dst))
		return;
	pktbuf_pull(in->p, (uint16_t)(IP6_HDR_LEN + in->e.len));
	deliver(st, in, src, dst);
	return;
drop:
	pktbuf_free(p);
}

void ip6_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	struct incoming in = {.port = port, .p = p};

	if (!ip6_port(st, port)) { /* off */
		COUNT(st, EthInUnknown);
		pktbuf_free(p);
		return;
	}
	receive(st, &in);
}

/* What ip6_out sent to an address of ours, or a group that is heard here. */
void ip6_loop_in(struct stack *st, struct pktbuf *p)
{
	struct incoming in = {.p = p, .looped = true};
	const struct ip6_addr *a;

	if (ip6_parse(&in.h, pktbuf_data(p), p->len) == 0) {
		a = addr6_find(st, NULL, in.h.dst);
		in.port = ip6_is_multicast(in.h.dst) ? stack_port(st, p->udp.port + 1u)
			  : a			     ? a->port
						     : NULL;
	}
	if (in.port)
		receive(st, &in);
	else
		pktbuf_free(p); /* the address went away meanwhile */
}

/* ---- output ------------------------------------------------------------------------------- */

/* RFC 6437: one label a flow, which tells nothing of the addresses. */
static uint32_t flow_label(const struct stack *st, const struct pktbuf *p,
			   const struct ip4_args *args)
{
	uint64_t v = ip6_name(st, args->dst)->hash;

	if (p->len >= 4 && (args->protocol == IP6_TCP || args->protocol == IP6_UDP))
		v ^= wire_get32(pktbuf_data(p));
	return (uint32_t)((v * 0x9e3779b97f4a7c15ull) >> 44);
}

static void l4_checksum(struct pktbuf *p, uint8_t protocol, const struct ip6_hdr *h, bool offload)
{
	if (protocol == IP6_ICMP) { /* an echo was built as ICMP's; no port does these */
		memset(pktbuf_data(p) + 2, 0, 2);
		offload = false;
	}
	ip_l4_checksum(p, protocol, csum_pseudo6(h->src, h->dst, protocol, p->len), offload);
}

static void push_header(struct stack *st, struct pktbuf *p, const struct ip6_hdr *h)
{
	COUNT(st, Ip6OutRequests);
	ip6_build(pktbuf_push(p, IP6_HDR_LEN), h);
	p->csum_start += IP6_HDR_LEN;
	p->time = st->now;
}

void ip6_send(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h,
	      const uint8_t mac[6])
{
	struct ip6_hdr out = *h;
	uint8_t group[6];

	out.payload_len = p->len;
	p->flags = 0;
	if (h->next == IP6_ICMP)
		l4_checksum(p, IP6_ICMP, h, false);
	push_header(st, p, &out);
	if (!mac && !ip6_is_multicast(h->dst)) {
		uint32_t nh = ip6_handle(st, h->dst, ip6_scope(h->dst, port));

		if (nh)
			neigh_out(st, port, nh, p);
		else
			pktbuf_free(p);
		return;
	}
	if (!mac) {
		ip6_group_mac(group, h->dst);
		mac = group;
	}
	eth_out(st, port, mac, ETH_TYPE_IP6, p);
}

static uint16_t link_mtu(struct stack *st, const struct port *port)
{
	const struct ip6_port *i = ip6_port(st, port);

	return i && i->mtu ? i->mtu : port->mtu;
}

static uint8_t default_hops(struct stack *st, const struct port *port)
{
	const struct ip6_port *i = ip6_port(st, port);

	return i && i->hop_limit ? i->hop_limit : DEFAULT_HOPS;
}

/* What the path is known to take (RFC 8201): the link's, less what a router said since. */
static uint16_t path_mtu(struct stack *st, uint32_t dst, const struct port *port)
{
	const struct ip6_name *n = ip6_name(st, dst);
	uint16_t mtu = link_mtu(st, port);

	return n->pmtu && n->pmtu < mtu && st->now < n->pmtu_until ? (uint16_t)n->pmtu : mtu;
}

uint16_t ip6_mtu(struct stack *st, uint32_t dst)
{
	struct route_hit hit;

	return route6_lookup(st, dst, &hit) == 0 ? path_mtu(st, dst, hit.port) : IP6_MTU_MIN;
}

int ip6_out(struct stack *st, struct pktbuf *p, const struct ip4_args *args)
{
	struct ip6_hdr h = {.tclass = args->tos, .next = args->protocol};
	struct route_hit hit;
	bool loop;
	int r = route6_lookup(st, args->dst, &hit);

	if (r < 0) {
		COUNT(st, Ip6OutNoRoutes);
		goto drop;
	}
	r = -EMSGSIZE;
	if (p->more || p->len + IP6_HDR_LEN > path_mtu(st, args->dst, hit.port))
		goto discard;
	r = -ENOBUFS;
	if (p->off < ETH_HDR_LEN + IP6_HDR_LEN)
		goto discard;
	h.hop_limit = args->ttl ? args->ttl : default_hops(st, hit.port);
	h.payload_len = p->len;
	h.flow = flow_label(st, p, args);
	memcpy(h.src, ip6_name(st, ip_is6(args->src) ? args->src : hit.src)->addr, 16);
	memcpy(h.dst, ip6_name(st, args->dst)->addr, 16);
	loop = addr6_of(st, args->dst) != NULL;
	if (!loop || args->protocol == IP6_ICMP)
		l4_checksum(p, args->protocol, &h, hit.port->caps & PORT_CAP_TX_L4_CSUM);
	else if (args->protocol == IP6_UDP) /* not none: that is refused, also here */
		memset(pktbuf_data(p) + 6, 0xff, 2);
	push_header(st, p, &h);
	if (loop)
		return ip_loop_put(st, p);
	if (ip6_is_multicast(h.dst)) {
		if (!args->no_loop)
			group_loop(st, hit.port, p, h.dst);
		if (args->ttl == 0) { /* this host alone */
			pktbuf_free(p);
			return 0;
		}
	}
	neigh_out(st, hit.port, hit.next_hop, p);
	return 0;
discard:
	COUNT(st, Ip6OutDiscards);
drop:
	pktbuf_free(p);
	return r;
}
