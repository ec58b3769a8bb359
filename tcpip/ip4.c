/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 (RFC 791, 1122 3.2): which packets are for us and sound, and the header in front of outgoing
 * ones. Called by eth.c on input and the transports on output; calls icmp.c, udp.c, tcp_in.c up,
 * reass.c for fragments, route.c and neigh.c down. Options are skipped, but what has a source route
 * is dropped (RFC 7126 4.3, 4.4: it leads around filters); nothing is forwarded.
 */
#include "tcpip/dhcp4.h"
#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/stack.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define DEFAULT_TTL 64
#define LOOP_MAX    256u /* packets to ourselves that may wait */

/* ---- input -------------------------------------------------------------------------------- */

static uint8_t first_byte(uint32_t addr)
{
	uint8_t b[4];

	memcpy(b, &addr, 4);
	return b[0];
}

/* RFC 1122 3.2.1.3, RFC 1812 5.3.7: no host may send with this source. Ours only comes by way of
 * the loop. 0.0.0.0 is for a client of DHCP, which this net does not serve; of 0/8 is nobody. */
static bool martian_source(const struct stack *st, uint32_t src, bool looped)
{
	uint8_t top = first_byte(src);

	/* 224 and above: groups, and what is reserved (RFC 1112 4), which holds IPv6's handles */
	if (top == 0 || top == 127 || top >> 4 >= 14 || addr_broadcast4(st, src))
		return true;
	return !looped && addr_local4(st, src);
}

/* Apart: inside the path of every segment it would cost each five instructions. */
__attribute__((noinline)) static bool hears_group(const struct stack *st, const struct port *port,
						  const struct ip4_hdr *ip)
{
	uint8_t group[16], source[16];

	group_of4(group, ip->dst);
	if (ip->protocol == IPPROTO_IGMP) /* of routers, who are no sources */
		return group_heard(st, port, group);
	group_of4(source, ip->src);
	return group_hears(st, port, group, source);
}

/* Strict host model: an address belongs to its port. */
static bool for_us(struct stack *st, const struct port *port, const struct ip4_hdr *ip,
		   const struct pktbuf *p, bool mine)
{
	if (mine)
		return !(p->flags & PKTBUF_BROADCAST); /* RFC 1122 3.3.6 */
	return addr_multicast4(ip->dst) ? hears_group(st, port, ip) : addr_broadcast4(st, ip->dst);
}

/* A switch that asks in a router's place may have no address; Linux takes that, too. */
static bool nobody_asks(const struct ip4_hdr *ip)
{
	return ip->src == 0 && ip->protocol == IPPROTO_IGMP && addr_multicast4(ip->dst);
}

/*
 * TCP gets each piece as a segment of its own, as if the sender had cut it there. What may be told
 * once (SACK blocks, CWR) goes with the first, what ends it (FIN, PSH) with the last. Of a SYN
 * (Fast Open's may bring as much as the MSS) only the first is taken: the rest is sent again.
 */
void ip_tcp_pieces(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	struct tcp_hdr whole, h;
	uint8_t cookie[TCP_FO_MAX];
	struct pktbuf *rest;
	uint32_t at = 0;

	if (tcp_parse(&whole, pktbuf_data(p), p->len) < 0 || whole.flags & TCP_RST) {
		COUNT(st, TcpInErrs);
		pktbuf_free(p);
		return;
	}
	if (whole.flags & TCP_SYN) {
		if (whole.opts.fo) /* in the header, which is built anew where it is */
			whole.opts.fo = memcpy(cookie, whole.opts.fo, whole.opts.fo_len);
		pktbuf_trim_total(p, p->len);
		whole.flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	}
	pktbuf_pull(p, whole.hdr_len);
	tcp_gro_flush(st); /* what gathered is no part of this */
	st->piece.of = pktbuf_total(p);
	for (h = whole; p; p = rest) {
		rest = p->more;
		p->more = NULL;
		h.seq = whole.seq + at;
		h.flags = whole.flags &
			  (uint8_t) ~((rest ? TCP_FIN | TCP_PSH : 0) | (at ? TCP_CWR : 0) |
				      (whole.urgent <= at ? TCP_URG : 0));
		h.urgent = h.flags & TCP_URG ? (uint16_t)(whole.urgent - at) : 0;
		h.opts.n_sack = at ? 0 : h.opts.n_sack;
		at += p->len;
		if (p->off < tcp_build_len(&h)) { /* a driver that leaves no headroom */
			pktbuf_free(p);
			continue;
		}
		tcp_build(pktbuf_push(p, (uint16_t)tcp_build_len(&h)), &h);
		p->l4_off = p->off;
		p->flags |= PKTBUF_RX_L4_CSUM_OK;
		st->piece.follows = rest != NULL;
		tcp_in(st, port, p, ip);
	}
	st->piece.of = 0;
	st->piece.follows = false;
}

static void tcp_pieces(struct stack *st, struct port *port, struct pktbuf *p,
		       const struct ip4_hdr *ip)
{
	uint64_t sum = csum_pseudo4(ip->src, ip->dst, ip->protocol, (uint16_t)pktbuf_total(p));

	if (csum_fold(csum_packet(sum, p)) == 0) {
		ip_tcp_pieces(st, port, p, ip);
		return;
	}
	COUNT(st, TcpInErrs);
	COUNT(st, TcpInCsumErrors);
	pktbuf_free(p);
}

/* mine: its destination is an address, not a broadcast. */
static void deliver(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip,
		    bool mine)
{
	COUNT(st, IpInDelivers);
	if (ip->protocol == IPPROTO_TCP && mine) {
		if (p->more)
			tcp_pieces(st, port, p, ip);
		else
			tcp_in(st, port, p, ip);
		return;
	}
	if (ip->protocol == IPPROTO_UDP) {
		udp_in(st, port, p, ip);
		return;
	}
	if (ip->protocol == IPPROTO_ICMP) {
		icmp_in(st, port, p, ip);
		return;
	}
	if (ip->protocol == IPPROTO_IGMP) {
		igmp_in(st, port, p, ip);
		return;
	}
	if (ip->protocol != IPPROTO_TCP) {
		COUNT(st, IpInUnknownProtos);
		pktbuf_push(p, ip->hdr_len);
		icmp_error(st, port, p, ICMP4_DEST_UNREACH, ICMP4_PROT_UNREACH, 0);
	}
	pktbuf_free(p);
}

/* A fragment goes to reass.c; with the last of them *ip becomes the datagram's header. NULL: not
 * yet, or never; p is gone. */
static struct pktbuf *whole(struct stack *st, struct pktbuf *p, struct ip4_hdr *ip)
{
	struct fragment f = {
		.src = ip->src,
		.dst = ip->dst,
		.id = ip->id,
		.off = ip->frag_off,
		.protocol = ip->protocol,
		.tos = ip->tos,
		.last = !ip->mf,
	};

	p = reass_in(st, p, &f);
	if (!p)
		return NULL;
	(void)ip4_parse_quoted(ip, p->buf + p->l3_off, p->off - p->l3_off); /* it was sound */
	ip->total_len = (uint16_t)(ip->hdr_len + f.total);
	ip->mf = false;
	if (f.ce)
		ip->tos |= IP_CE;
	return p;
}

uint32_t ip_pieces_len(const struct pktbuf *p)
{
	uint32_t len = pktbuf_total(p);

	if (p->len < PKTBUF_FIRST_MIN)
		return 0;
	for (; p->more; p = p->more)
		if (p->len == 0 || p->len % 2)
			return 0;
	return p->len ? len : 0;
}

/* Are its addresses what they may be? *mine: the destination is an address of ours. */
static bool addresses_ok(struct stack *st, struct port *port, const struct pktbuf *p,
			 const struct ip4_hdr *ip, bool looped, bool *mine)
{
	*mine = addr_port4(st, ip->dst) == port;
	if (martian_source(st, ip->src, looped) && !nobody_asks(ip))
		return false;
	return for_us(st, port, ip, p, *mine) || dhcp4_claims(st, port, p, ip);
}

/* Packets come in trains: what was found of the last pair of addresses holds for the next packet,
 * until an address of ours comes or goes. */
static bool heard_before(const struct stack *st, const struct port *port, const struct pktbuf *p,
			 const struct ip4_hdr *ip)
{
	return st->heard.src == ip->src && st->heard.dst == ip->dst && st->heard.port == port &&
	       !(p->flags & PKTBUF_BROADCAST);
}

/* Apart, as hears_group is. Behind a length that lies a source route could hide. */
__attribute__((noinline)) static bool options_ok(struct stack *st, const struct pktbuf *p,
						 const struct ip4_hdr *ip)
{
	int r = ip4_options(pktbuf_data(p), ip->hdr_len);

	if (r == -EPERM)
		COUNT(st, IpInSourceRoutes);
	else if (r < 0)
		COUNT(st, IpInHdrErrors);
	return r == 0;
}

static void receive(struct stack *st, struct port *port, struct pktbuf *p, bool looped)
{
	struct ip4_hdr ip;
	bool mine = true;
	uint32_t len;

	COUNT(st, IpInReceives);
	len = p->more ? ip_pieces_len(p) : p->len;
	if (ip4_parse(&ip, pktbuf_data(p), len) < 0) {
		COUNT(st, IpInHdrErrors);
		goto drop;
	}
	if (!(p->flags & PKTBUF_RX_IP_CSUM_OK) &&
	    csum_fold(csum_add(0, pktbuf_data(p), ip.hdr_len)) != 0) {
		COUNT(st, IpInCsumErrors);
		goto drop;
	}
	if (ip.hdr_len > IP4_HDR_LEN && !options_ok(st, p, &ip))
		goto drop;
	if (!heard_before(st, port, p, &ip)) {
		if (!addresses_ok(st, port, p, &ip, looped, &mine)) {
			COUNT(st, IpInAddrErrors);
			goto drop;
		}
		if (mine && !looped)
			st->heard = (struct heard){ip.src, ip.dst, port};
	}
	if (len > ip.total_len) /* Ethernet's padding */
		pktbuf_trim_total(p, ip.total_len);
	pktbuf_pull(p, ip.hdr_len);
	if (ip.mf || ip.frag_off) {
		p = whole(st, p, &ip);
		if (!p)
			return;
	}
	p->l4_off = p->off;
	deliver(st, port, p, &ip, mine);
	return;
drop:
	pktbuf_free(p);
}

void ip4_in(struct stack *st, struct port *port, struct pktbuf *p)
{
	receive(st, port, p, false);
}

/* ---- output ------------------------------------------------------------------------------- */

struct pktbuf *ip_copy(struct stack *st, const struct pktbuf *p)
{
	struct pktbuf *c = pktbuf_alloc(st->pool);

	if (!c)
		return NULL;
	c->off = p->off; /* where it was it fits */
	c->len = p->len;
	memcpy(pktbuf_data(c), pktbuf_data(p), p->len);
	return c;
}

/* What was sent to ourselves has no wire to be damaged on: checksums need no check. */
int ip_loop_put(struct stack *st, struct pktbuf *p)
{
	struct pktbuf *own = p;

	if (st->loop.count >= LOOP_MAX)
		goto full;
	if (p->refs > 1) { /* the sender keeps it, with its own off and len */
		own = ip_copy(st, p);
		if (!own)
			goto full;
		pktbuf_free(p);
	}
	own->flags = PKTBUF_RX_IP_CSUM_OK | PKTBUF_RX_L4_CSUM_OK;
	own->l3_off = own->off;
	pktbuf_queue_put(&st->loop, own);
	return 0;
full:
	COUNT(st, IpOutDiscards);
	pktbuf_free(p);
	return -ENOBUFS;
}

/* Feeds what was there at the start; what that provokes waits for the next call. */
void ip4_loop(struct stack *st)
{
	uint32_t n = st->loop.count;
	struct pktbuf *p;
	struct ip4_hdr ip;
	struct port *port;

	while (n-- > 0 && (p = pktbuf_queue_take(&st->loop))) {
		p->time = st->now;
		if (pktbuf_data(p)[0] >> 4 == 6) {
			ip6_loop_in(st, p);
			continue;
		}
		port = ip4_parse_quoted(&ip, pktbuf_data(p), p->len) < 0 ? NULL
		       : addr_multicast4(ip.dst) ? stack_port(st, p->udp.port + 1u)
						 : addr_port4(st, ip.dst);
		if (port)
			receive(st, port, p, true);
		else
			pktbuf_free(p); /* the address went away meanwhile */
	}
	tcp_gro_flush(st);
}

/* To a group: back in as well. */
static void loop_group(struct stack *st, const struct pktbuf *p, const struct route_hit *hit)
{
	uint8_t group[16];

	group_of(st, group, hit->next_hop);
	group_loop(st, hit->port, p, group);
}

int ip_send_by(struct stack *st, struct pktbuf *p, const struct route_hit *hit)
{
	if (hit->local == ROUTE_LOCAL)
		return ip_loop_put(st, p);
	if (hit->local != ROUTE_WIRE)
		loop_group(st, p, hit);
	if (hit->local == ROUTE_GROUP) {
		pktbuf_free(p);
		return 0;
	}
	neigh_out(st, hit->port, hit->next_hop, p);
	return 0;
}

bool ip_train_fits(const struct pktbuf *p, const struct route_hit *hit, uint32_t hdr_len,
		   uint16_t mtu)
{
	return hit->local == 0 && hit->port->tso_max && p->len + p->gso_size + hdr_len <= mtu &&
	       p->off >= ETH_HDR_LEN + VLAN_TAG_LEN + hdr_len;
}

/* `total` bytes with their header, as one packet. What fits one buffer goes by send_by, which has
 * this in line. */
static int send_whole(struct stack *st, struct pktbuf *p, struct ip4_hdr *ip, uint32_t total,
		      const struct route_hit *hit)
{
	ip->total_len = (uint16_t)total;
	ip->id = (uint16_t)stack_random(st); /* no fragments are made: it need not be unique */
	ip4_build(pktbuf_push(p, IP4_HDR_LEN), ip);
	p->csum_start += IP4_HDR_LEN;
	p->time = st->now;
	return ip_send_by(st, p, hit);
}

/* Segments that the port cuts: the header's length is that of all of them. */
static int out_train(struct stack *st, struct pktbuf *p, struct ip4_hdr *ip,
		     const struct route_hit *hit)
{
	uint32_t total = pktbuf_total(p) + IP4_HDR_LEN;

	if (!ip_train_fits(p, hit, IP4_HDR_LEN, hit->port->mtu) || total > 0xffff) {
		COUNT(st, IpOutDiscards);
		pktbuf_free(p);
		return -EMSGSIZE;
	}
	ip_l4_checksum(p, IPPROTO_TCP, csum_pseudo4(ip->src, ip->dst, IPPROTO_TCP, 0), true);
	return send_whole(st, p, ip, total, hit);
}

bool ip_pieces_fit(const struct pktbuf *p, const struct route_hit *hit, uint32_t len, uint16_t mtu)
{
	if (len > mtu || p->refs > 1 || p->off < ETH_HDR_LEN + VLAN_TAG_LEN + IP6_HDR_LEN)
		return false;
	/* Headers alone, in front of TCP's buffers, are no first piece of what is received. */
	if (hit->local == ROUTE_LOCAL)
		return p->len + IP4_HDR_LEN >= PKTBUF_FIRST_MIN;
	return hit->local == ROUTE_WIRE && hit->port->caps & PORT_CAP_PIECES;
}

static void large_checksum(struct pktbuf *p, const struct ip4_hdr *ip, uint32_t total)
{
	uint16_t sum = csum_fold(
		csum_packet(csum_pseudo4(ip->src, ip->dst, ip->protocol, (uint16_t)total), p));

	if (ip->protocol == IPPROTO_UDP && sum == 0)
		sum = 0xffff;
	memcpy(pktbuf_data(p) + (ip->protocol == IPPROTO_UDP ? 6 : 16), &sum, 2);
}

/* Its checksum is made here, whatever the port can: that does one buffer's. */
static int out_large(struct stack *st, struct pktbuf *p, struct ip4_hdr *ip, uint16_t mtu,
		     const struct route_hit *hit)
{
	uint32_t total = pktbuf_total(p);

	if (p->flags & PKTBUF_TX_TSO)
		return out_train(st, p, ip, hit);
	if (total > 0xffff - IP4_HDR_LEN || (ip->df && total + IP4_HDR_LEN > mtu)) {
		COUNT(st, IpFragFails);
		pktbuf_free(p);
		return -EMSGSIZE;
	}
	if (ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_TCP)
		large_checksum(p, ip, total);
	if (ip_pieces_fit(p, hit, total + IP4_HDR_LEN, mtu)) {
		p->flags = 0;
		return send_whole(st, p, ip, total + IP4_HDR_LEN, hit);
	}
	ip->df = false; /* the link would take it, its port takes what a buffer holds */
	return ip4_frag_out(st, p, ip, mtu, hit);
}

static inline struct ip4_hdr header_of(const struct ip4_args *args, const struct route_hit *hit)
{
	return (struct ip4_hdr){
		.tos = args->tos,
		.ttl = args->ttl ? args->ttl : DEFAULT_TTL,
		.protocol = args->protocol,
		.df = args->df,
		.src = args->src ? args->src : hit->src,
		.dst = args->dst,
	};
}

/* Inlined in the two that know the route: TCP's way is straight. */
static inline __attribute__((always_inline)) int send_by(struct stack *st, struct pktbuf *p,
							 const struct ip4_args *args,
							 const struct route_hit *hit)
{
	struct ip4_hdr ip = header_of(args, hit);

	if (p->more || p->len + IP4_HDR_LEN > hit->port->mtu)
		return out_large(st, p, &ip, hit->port->mtu, hit);
	if (p->off < ETH_HDR_LEN + IP4_HDR_LEN) {
		COUNT(st, IpOutDiscards);
		pktbuf_free(p);
		return -ENOBUFS;
	}
	if (hit->local != ROUTE_LOCAL &&
	    (args->protocol == IPPROTO_TCP || args->protocol == IPPROTO_UDP))
		ip_l4_checksum(p, args->protocol,
			       csum_pseudo4(ip.src, args->dst, args->protocol, p->len),
			       hit->port->caps & PORT_CAP_TX_L4_CSUM);
	ip.total_len = (uint16_t)(p->len + IP4_HDR_LEN);
	ip.id = (uint16_t)stack_random(st);
	ip4_build(pktbuf_push(p, IP4_HDR_LEN), &ip);
	p->csum_start += IP4_HDR_LEN;
	p->time = st->now;
	if (hit->local)
		return ip_send_by(st, p, hit);
	neigh_out(st, hit->port, hit->next_hop, p);
	return 0;
}

int ip4_out(struct stack *st, struct pktbuf *p, const struct ip4_args *args)
{
	struct route_hit hit;
	int r;

	if (ip_is6(args->dst))
		return ip6_out(st, p, args);
	COUNT(st, IpOutRequests);
	r = route_lookup4(st, args->dst, &hit);
	if (r < 0) {
		COUNT(st, IpOutNoRoutes);
		pktbuf_free(p);
		return r;
	}
	return send_by(st, p, args, &hit);
}

int ip4_out_group(struct stack *st, struct pktbuf *p, const struct ip4_args *args,
		  struct route_hit *hit)
{
	COUNT(st, IpOutRequests);
	if (args->ttl == 0 && args->no_loop) {
		pktbuf_free(p);
		return 0;
	}
	hit->local = args->ttl == 0 ? ROUTE_GROUP : args->no_loop ? ROUTE_WIRE : ROUTE_BOTH;
	return send_by(st, p, args, hit);
}

int ip4_out_narrow(struct stack *st, struct pktbuf *p, const struct ip4_args *args, uint16_t mtu)
{
	struct route_hit hit;
	struct ip4_hdr ip;
	int r = route_lookup4(st, args->dst, &hit);

	COUNT(st, IpOutRequests);
	if (r < 0) {
		COUNT(st, IpOutNoRoutes);
		pktbuf_free(p);
		return r;
	}
	ip = header_of(args, &hit);
	return out_large(st, p, &ip, mtu, &hit);
}

uint16_t ip4_mtu(struct stack *st, uint32_t dst)
{
	struct route_hit hit;
	uint16_t mtu, path;

	if (ip_is6(dst))
		return ip6_mtu(st, dst) - (IP6_HDR_LEN - IP4_HDR_LEN);
	mtu = route_lookup4(st, dst, &hit) == 0 ? hit.port->mtu : 576;
	path = pmtu_of(st, dst);
	return path && path < mtu ? path : mtu;
}

struct port *ip4_port(struct stack *st, uint32_t dst)
{
	struct route_hit hit;

	return route_lookup(st, dst, &hit) < 0 || hit.local ? NULL : hit.port;
}
