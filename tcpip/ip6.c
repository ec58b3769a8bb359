/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 (RFC 8200): input checks and delivery, output. Called by eth.c (ip6_in), ip4.c (ip6_out, as
 * the transports send both families through ip4_out; ip6_loop_in), nd.c and mld.c (ip6_send); calls
 * the transports, icmp6.c, neigh.c. To the transports a packet is a struct ip4_hdr whose addresses
 * are handles. Fragments go by way of reass.c. No forwarding; strict host model: an address is
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
	bool fragment; /* it came as one, or as several */
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

/* To a group of ours, but nobody here hears it from there. What routers ask has an alert. */
static bool unwanted(const struct stack *st, const struct incoming *in)
{
	return ip6_is_multicast(in->h.dst) && !in->e.router_alert &&
	       !group_hears(st, in->port, in->h.dst, in->h.src);
}

/* csum_add over the first `len` bytes of a packet in pieces. */
static uint64_t csum_first(uint64_t sum, const struct pktbuf *p, uint32_t len)
{
	uint32_t n;

	for (; p && len; p = p->more, len -= n) {
		n = p->len < len ? p->len : len;
		sum = csum_add(sum, pktbuf_data(p), n);
	}
	return sum;
}

/* TCP's and UDP's checksum, here because the pseudo header is. RFC 8200 8.1: UDP must have one. */
static bool l4_checksum_ok(struct stack *st, const struct incoming *in)
{
	const struct pktbuf *p = in->p;
	bool udp = in->e.next == IP6_UDP;
	uint32_t len = pktbuf_total(p);

	if (p->flags & PKTBUF_RX_L4_CSUM_OK && !udp)
		return true;
	if (udp) {
		if (p->len < UDP_HDR_LEN)
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
	if (csum_fold(csum_first(csum_pseudo6(in->h.src, in->h.dst, in->e.next, len), p, len)) == 0)
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
	icmp6_error(st, in->port, in->p, ICMP6_PARAM, code, at);
	pktbuf_free(in->p);
}

/* Neighbour discovery, which no honest sender cuts up: RFC 6980 5. */
static bool of_discovery(const struct pktbuf *p)
{
	uint8_t type = p->len ? pktbuf_data(p)[0] : 0;

	return type >= ICMP6_RS && type <= ICMP6_REDIRECT;
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
		.df = true,
		.src = src,
		.dst = dst,
	};

	p->l4_off = p->off;
	COUNT(st, Ip6InDelivers);
	if (in->e.next == IP6_ICMP && !(in->fragment && of_discovery(p))) {
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
		else if (p->more)
			ip_tcp_pieces(st, in->port, p, &ip);
		else
			tcp_in(st, in->port, p, &ip);
		return;
	}
	if (in->e.next == IP6_NONE || in->e.next == IP6_ICMP) {
		pktbuf_free(p);
		return;
	}
	COUNT(st, Ip6InUnknownProtos);
	pktbuf_push(p, (uint16_t)(p->off - p->l3_off));
	problem(st, in, ICMP6_BAD_NEXT, in->e.next_at);
}

/* A fragment's headers become its datagram's: over the fragment header moves what is before it.
 * Data from the IPv6 header then. False: in->p is gone. */
static bool unfragment(struct stack *st, struct incoming *in, const struct fragment *f)
{
	struct pktbuf *p = in->p;
	uint8_t *head = p->buf + p->l3_off;
	uint16_t len = (uint16_t)(p->off - p->l3_off);
	struct ip6_hdr h;
	struct ip6_ext e;

	(void)ip6_parse_quoted(&h, head, len); /* they were sound */
	(void)ip6_walk(&e, &h, head, len);
	len -= IP6_FRAG_LEN;
	memmove(head + IP6_FRAG_LEN, head, len);
	head += IP6_FRAG_LEN;
	p->l3_off += IP6_FRAG_LEN;
	head[e.frag_next] = e.next;
	wire_put16(head + 4, (uint16_t)(len - IP6_HDR_LEN + f->total));
	if (f->ce)
		head[1] |= IP_CE << 4;
	pktbuf_push(p, len);
	/* A fragment in a fragment is nobody's business. */
	if (ip6_parse_quoted(&in->h, head, p->len) == 0 &&
	    ip6_walk(&in->e, &in->h, head, p->len) == 0 && !in->e.fragment)
		return true;
	COUNT(st, Ip6InHdrErrors);
	pktbuf_free(p);
	return false;
}

/* A fragment goes to reass.c; with the last of them in->p becomes the datagram. False: not yet, or
 * never; in->p is gone. An atomic one is whole by itself, RFC 6946. */
static bool whole(struct stack *st, struct incoming *in, uint32_t src, uint32_t dst)
{
	const struct ip6_ext *e = &in->e;
	struct fragment f = {
		.src = src,
		.dst = dst,
		.id = e->frag_id,
		.off = e->frag_off,
		.tos = in->h.tclass,
		.last = !e->more,
	};
	struct pktbuf *p = in->p;

	if (!e->fragment)
		return true;
	in->fragment = true;
	f.total = pktbuf_total(p) - IP6_HDR_LEN - e->len;
	if (e->more && f.total % 8) { /* RFC 8200 4.5; the payload's length is to blame */
		problem(st, in, ICMP6_BAD_FIELD, 4);
		return false;
	}
	if (e->frag_off + f.total > UINT16_MAX) {
		problem(st, in, ICMP6_BAD_FIELD, IP6_HDR_LEN + e->len - 6u);
		return false;
	}
	if (e->frag_off == 0 && !ip6_chain_whole(e, pktbuf_data(p), p->len)) {
		problem(st, in, ICMP6_BAD_CHAIN, 0);
		return false;
	}
	pktbuf_pull(p, (uint16_t)(IP6_HDR_LEN + e->len));
	if (e->frag_off || e->more) {
		COUNT(st, Ip6InFragments);
		in->p = reass_in(st, p, &f);
	}
	return in->p && unfragment(st, in, &f);
}

static void receive(struct stack *st, struct incoming *in)
{
	struct pktbuf *p = in->p;
	uint32_t src, dst, len;
	int r;

	COUNT(st, Ip6InReceives);
	len = p->more ? ip_pieces_len(p) : p->len;
	if (ip6_parse(&in->h, pktbuf_data(p), len) < 0) {
		COUNT(st, Ip6InHdrErrors);
		goto drop;
	}
	dst = source_ok(st, in) ? for_us(st, in) : 0;
	src = dst ? ip6_handle(st, in->h.src, ip6_scope(in->h.src, in->port)) : 0;
	if (!dst || !src) {
		COUNT(st, Ip6InAddrErrors);
		goto drop;
	}
	pktbuf_trim_total(p, in->h.payload_len + IP6_HDR_LEN);
	r = ip6_walk(&in->e, &in->h, pktbuf_data(p), p->len);
	if (r == -EPROTO) {
		problem(st, in, in->e.problem, in->e.problem_at);
		return;
	}
	if (r < 0) {
		COUNT(st, Ip6InHdrErrors);
		goto drop;
	}
	if (unwanted(st, in)) {
		COUNT(st, Ip6InAddrErrors);
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

	if (ip6_parse_quoted(&in.h, pktbuf_data(p), p->len) == 0) {
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

/* Segments that the port cuts: the header's length is that of all of them. */
static int out_train(struct stack *st, struct pktbuf *p, struct ip6_hdr *h, uint16_t mtu,
		     const struct route_hit *hit)
{
	uint32_t total = pktbuf_total(p);

	if (!ip_train_fits(p, hit, IP6_HDR_LEN, mtu) || total > UINT16_MAX) {
		COUNT(st, Ip6OutDiscards);
		pktbuf_free(p);
		return -EMSGSIZE;
	}
	h->payload_len = (uint16_t)total;
	ip_l4_checksum(p, IP6_TCP, csum_pseudo6(h->src, h->dst, IP6_TCP, 0), true);
	push_header(st, p, h);
	return ip_send_by(st, p, hit);
}

/* The transport's checksum is made here, over all of it. */
static int out_large(struct stack *st, struct pktbuf *p, struct ip6_hdr *h,
		     const struct ip4_args *args, uint16_t mtu, const struct route_hit *hit)
{
	uint32_t total = pktbuf_total(p);
	uint8_t *field = pktbuf_data(p) + (h->next == IP6_UDP ? 6 : h->next == IP6_TCP ? 16 : 2);
	bool fits = ip_pieces_fit(p, hit, total + IP6_HDR_LEN, mtu);
	uint16_t sum;

	if (total > UINT16_MAX || (args->df && total + IP6_HDR_LEN > mtu) ||
	    (h->next != IP6_UDP && h->next != IP6_ICMP && !(h->next == IP6_TCP && fits))) {
		COUNT(st, Ip6FragFails);
		pktbuf_free(p);
		return -EMSGSIZE;
	}
	memset(field, 0, 2);
	sum = csum_fold(csum_packet(csum_pseudo6(h->src, h->dst, h->next, total), p));
	if (sum == 0 && h->next == IP6_UDP)
		sum = 0xffff;
	memcpy(field, &sum, 2);
	if (fits) {
		p->flags = 0;
		h->payload_len = (uint16_t)total;
		push_header(st, p, h);
		return ip_send_by(st, p, hit);
	}
	return ip6_frag_out(st, p, h, mtu, hit);
}

/* Where a packet goes, besides its next hop: enum route_local. */
static uint8_t to_whom(const struct ip4_args *args, const struct route_hit *hit,
		       const struct ip6_hdr *h)
{
	if (hit->local || !ip6_is_multicast(h->dst))
		return hit->local;
	if (args->ttl == 0) /* this host alone */
		return args->no_loop ? ROUTE_WIRE : ROUTE_GROUP;
	return args->no_loop ? ROUTE_WIRE : ROUTE_BOTH;
}

int ip6_out(struct stack *st, struct pktbuf *p, const struct ip4_args *args)
{
	struct ip6_hdr h = {.tclass = args->tos, .next = args->protocol};
	struct route_hit hit;
	uint16_t mtu;
	bool local;
	int r = route6_lookup(st, args->dst, &hit);

	if (r < 0) {
		COUNT(st, Ip6OutNoRoutes);
		goto drop;
	}
	memcpy(h.src, ip6_name(st, ip_is6(args->src) ? args->src : hit.src)->addr, 16);
	memcpy(h.dst, ip6_name(st, args->dst)->addr, 16);
	r = 0;
	if (args->ttl == 0 && args->no_loop && ip6_is_multicast(h.dst)) /* to nobody */
		goto drop;
	h.hop_limit = args->ttl ? args->ttl : default_hops(st, hit.port);
	h.flow = flow_label(st, p, args);
	hit.local = to_whom(args, &hit, &h);
	mtu = path_mtu(st, args->dst, hit.port);
	if (p->flags & PKTBUF_TX_TSO)
		return out_train(st, p, &h, mtu, &hit);
	if (p->more || p->len + IP6_HDR_LEN > mtu)
		return out_large(st, p, &h, args, mtu, &hit);
	r = -ENOBUFS;
	if (p->off < ETH_HDR_LEN + IP6_HDR_LEN)
		goto discard;
	h.payload_len = p->len;
	local = hit.local == ROUTE_LOCAL;
	if (!local || args->protocol == IP6_ICMP)
		l4_checksum(p, args->protocol, &h, hit.port->caps & PORT_CAP_TX_L4_CSUM);
	else if (args->protocol == IP6_UDP) /* not none: that is refused, also here */
		memset(pktbuf_data(p) + 6, 0xff, 2);
	push_header(st, p, &h);
	return ip_send_by(st, p, &hit);
discard:
	COUNT(st, Ip6OutDiscards);
drop:
	pktbuf_free(p);
	return r;
}
