/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What UDP and echo sockets send (RFC 768, 1122 4.1): where to, from where, how long, in how many
 * pieces. Called by socket.c; calls route.c and ip4.c, which hands on to ip6.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tcpip/socket.h"

#define SHUT_NO_SEND 2u

static int destination(struct socket *so, const struct sock_addr *to, uint32_t *ip, uint16_t *port)
{
	if (to) {
		int r = sock_addr_in(so, to, ip);

		*port = to->port;
		if (r < 0)
			return r;
		return so->kind == SOCK_KIND_UDP && to->port == 0 ? -EINVAL : 0;
	}
	*ip = so->remote_ip;
	*port = so->remote_port;
	return so->connected ? 0 : -EDESTADDRREQ;
}

/* A group of IPv4, for which a socket can name the port. */
static bool to_group4(uint32_t ip)
{
	return !ip_is6(ip) && addr_multicast4(ip);
}

int udp_route(struct socket *so, uint32_t ip, struct route_hit *hit)
{
	if (to_group4(ip))
		return route_group4(so->st, ip, so->mcast_if ? so->mcast_if : so->local_ip, hit);
	return route_lookup(so->st, ip, hit);
}

static uint16_t header_len(const struct socket *so)
{
	return so->kind == SOCK_KIND_UDP ? UDP_HDR_LEN : 0; /* an echo brings its header */
}

/* Linux's ip_sk_ignore_df. */
static bool may_fragment(const struct socket *so)
{
	return so->mtu_discover < IP_PMTUDISC_DO || so->mtu_discover == IP_PMTUDISC_OMIT;
}

/* The longest packet, as if it had an IPv4 header; IPv6's is not part of what 16 bits count. */
static uint32_t most_of(const struct socket *so, uint32_t ip, const struct route_hit *hit)
{
	if (may_fragment(so))
		return 0xffff + (ip_is6(ip) ? IP4_HDR_LEN : 0);
	if (ip_is6(ip))
		return ip4_mtu(so->st, ip);
	/* A probe is to find out whether the path takes more than is known. */
	return so->mtu_discover == IP_PMTUDISC_DO ? ip4_mtu(so->st, ip) : hit->port->mtu;
}

static int too_big(struct socket *so, uint32_t ip, uint16_t port)
{
	struct sock_addr to;

	if (so->recverr) {
		sock_addr_out(so, &to, ip, port);
		note_local(so, &to, EMSGSIZE,
			   ip_is6(ip) ? ip6_mtu(so->st, ip) : ip4_mtu(so->st, ip));
	}
	return -EMSGSIZE;
}

static int check_send(struct socket *so, uint64_t len, const struct sock_addr *to, int flags)
{
	struct route_hit hit;
	uint32_t ip;
	uint16_t port;
	int r = destination(so, to, &ip, &port);

	if (len > 0xffff)
		return -EMSGSIZE;
	if (flags & (MSG_OOB | MSG_MORE)) /* datagrams in pieces are not built here */
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	if (so->kind == SOCK_KIND_PING && len < ICMP_HDR_LEN)
		return -EINVAL;
	if (so->error) {
		r = -so->error;
		so->error = 0;
		sock_ready(so, false);
		return r;
	}
	if (so->shut & SHUT_NO_SEND)
		return -EPIPE;
	r = udp_route(so, ip, &hit);
	if (r < 0)
		return r;
	if (addr_broadcast4(so->st, ip) && !so->broadcast)
		return -EACCES;
	if (len + header_len(so) + IP4_HDR_LEN > most_of(so, ip, &hit))
		return too_big(so, ip, port);
	return udp_autobind(so);
}

int64_t udp_send_reserve(struct socket *so, uint64_t len, const struct sock_addr *to, int flags,
			 struct pktbuf **out)
{
	int r = check_send(so, len, to, flags);
	uint64_t left = len, most = PKTBUF_SIZE - PKTBUF_HEADROOM;
	struct pktbuf *p, **at = out;

	if (r < 0)
		return r;
	do {
		p = quota_pktbuf(so->st, so->owner) ? pktbuf_alloc(so->st->pool) : NULL;
		if (!p) {
			pktbuf_free_list(*out);
			*out = NULL;
			return -ENOBUFS;
		}
		pktbuf_charge(p, so->owner);
		p->len = (uint16_t)(left < most ? left : most);
		left -= p->len;
		*at = p;
		at = &p->next;
	} while (left > 0);
	return (int64_t)len;
}

/* The list of udp_send_reserve becomes one packet. */
static void join(struct pktbuf *p)
{
	for (; p; p = p->more) {
		p->more = p->next;
		p->next = NULL;
	}
}

static void build_udp(const struct socket *so, struct pktbuf *p, uint16_t port)
{
	struct udp_hdr h = {.sport = so->local_port, .dport = port};

	h.len = (uint16_t)(pktbuf_total(p) + UDP_HDR_LEN);
	udp_build(pktbuf_push(p, UDP_HDR_LEN), &h);
}

/* Only a request may be sent, under the socket's own identifier. */
static int build_echo(const struct socket *so, struct pktbuf *p)
{
	struct icmp_hdr h;
	uint16_t sum;

	if (icmp_parse(&h, pktbuf_data(p), p->len) < 0 ||
	    h.type != (so->domain == AF_INET6 ? ICMP6_ECHO_ASK : ICMP4_ECHO) || h.code != 0)
		return -EINVAL;
	h.rest = (uint32_t)so->local_port << 16 | (h.rest & 0xffff);
	h.checksum = 0;
	icmp_build(pktbuf_data(p), &h);
	sum = csum_fold(csum_packet(0, p));
	memcpy(pktbuf_data(p) + 2, &sum, 2);
	return 0;
}

/* The source: what the note says, or what the socket is bound to, unless that is no address to send
 * from. */
static int source(struct socket *so, const struct sock_note *note, uint32_t dst, uint32_t *src)
{
	const struct port *port;
	int r;

	*src = 0;
	if (note && note->have & NOTE_PKTINFO) {
		r = sock_addr_in(so, &note->at, src);
		port = note->scope ? stack_port(so->st, note->scope) : NULL;
		if (r < 0 || (*src && !addr_local(so->st, *src)))
			return -EINVAL;
		if (note->scope && !port)
			return -ENODEV;
		if (!*src && port && !ip_is6(dst))
			*src = addr4_source(so->st, port);
	}
	if (!*src)
		*src = so->local_ip;
	if (*src && ip_is6(*src) != ip_is6(dst))
		return -ENETUNREACH;
	if (*src == 0 || addr_local(so->st, *src))
		return 0;
	if (!addr_to_many(so->st, *src))
		return -EINVAL; /* it was taken from the port since */
	*src = 0;
	return 0;
}

/* DF on what fits, unless the program wants none; on what does not fit where it must not be cut. */
static bool dont_fragment(const struct socket *so, const struct pktbuf *p, uint32_t dst)
{
	if (so->mtu_discover == IP_PMTUDISC_WANT)
		return pktbuf_total(p) + IP4_HDR_LEN <= ip4_mtu(so->st, dst);
	return so->mtu_discover == IP_PMTUDISC_DO || so->mtu_discover == IP_PMTUDISC_PROBE;
}

/* What a note says beats the socket's options. */
static void mark(const struct sock_note *note, struct ip4_args *args)
{
	if (note && note->have & NOTE_TTL)
		args->ttl = note->ttl;
	if (note && note->have & NOTE_TOS)
		args->tos = note->tos;
}

/* via: a note names the address to send by. */
static int send_packet(struct socket *so, struct pktbuf *p, const struct ip4_args *args, bool via)
{
	struct route_hit hit;
	int r;

	if (!to_group4(args->dst)) {
		/* dont_fragment found it too long for its path. */
		if (so->mtu_discover == IP_PMTUDISC_WANT && !args->df && !ip_is6(args->dst))
			return ip4_out_narrow(so->st, p, args, ip4_mtu(so->st, args->dst));
		return ip4_out(so->st, p, args);
	}
	r = via ? route_group4(so->st, args->dst, args->src, &hit) : udp_route(so, args->dst, &hit);
	if (r == 0)
		return ip4_out_group(so->st, p, args, &hit);
	pktbuf_free(p);
	return r;
}

int64_t udp_send_commit(struct socket *so, struct pktbuf *p, const struct sock_addr *to, int flags,
			const struct sock_note *note)
{
	struct ip4_args args = {.ttl = so->ttl, .tos = so->tos};
	int64_t len;
	uint16_t port;
	int r;

	(void)flags;
	join(p);
	len = pktbuf_total(p);
	args.protocol = so->kind == SOCK_KIND_UDP ? IPPROTO_UDP
			: so->domain == AF_INET6  ? IPPROTO_ICMPV6
						  : IPPROTO_ICMP;
	r = destination(so, to, &args.dst, &port);
	if (r == 0)
		r = source(so, note, args.dst, &args.src);
	if (r == 0 && so->kind == SOCK_KIND_PING)
		r = build_echo(so, p);
	if (r < 0) {
		pktbuf_free(p);
		return r;
	}
	if (so->kind == SOCK_KIND_UDP)
		build_udp(so, p, port);
	args.df = dont_fragment(so, p, args.dst);
	if (addr_multicast(so->st, args.dst)) {
		args.ttl = so->mcast_ttl;
		args.no_loop = !so->mcast_loop;
	}
	mark(note, &args);
	if (so->kind == SOCK_KIND_UDP)
		COUNT(so->st, UdpOutDatagrams);
	else
		COUNT(so->st, IcmpOutMsgs);
	r = send_packet(so, p, &args, note && note->have & NOTE_PKTINFO && args.src);
	return r < 0 ? r : len;
}
