/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket layer: the verbs of tcpip.h, each checked as Linux checks it, then handed to TCP
 * (tcp_user.c) or to UDP and echo (udp.c). Called by upcall/calls.c, sandbox/turn.c (close) and
 * tests.
 *
 * An id is generation << SEG_SOCK_BITS | index: the index is free for the next socket at once, the
 * id of a dead one never names the living.
 */
#include "tcpip/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/layout.h"
#include "tcpip/ip6.h"
#include "tcpip/tcp.h"

#define TYPE_MASK	0xf	/* without SOCK_NONBLOCK and SOCK_CLOEXEC */
#define TYPE_MAX	10	/* SOCK_PACKET: what is above is not a type at all */
#define DEFAULT_BUF	212992u /* Linux's net.core.[rw]mem_default */
#define DEFAULT_TCP_BUF 131072u

/* ---- birth and death ---------------------------------------------------------------------- */

int sock_alloc(struct stack *st, int kind, uint32_t client, uint8_t owner, struct socket **out)
{
	struct socket *so;
	uint32_t index;

	if (!quota_socket(st, owner))
		return -EMFILE;
	so = pool_get(&st->sockets);
	if (!so)
		return -ENFILE;
	st->users[owner].sockets++;
	index = pool_index(&st->sockets, so);
	if (st->sock_gen[index] == 0)
		st->sock_gen[index] = 1;
	so->st = st;
	so->id = (uint32_t)st->sock_gen[index] << SEG_SOCK_BITS | index;
	so->client = client;
	so->owner = owner;
	so->kind = (uint8_t)kind;
	so->domain = AF_INET;
	so->families = FAMILY_4;
	so->rcvbuf = so->sndbuf = kind == SOCK_KIND_TCP ? DEFAULT_TCP_BUF : DEFAULT_BUF;
	so->mtu_discover = IP_PMTUDISC_WANT;
	so->rcvlowat = 1;
	so->mcast_ttl = 1; /* RFC 1112 6.1 */
	so->mcast_loop = so->mcast_all = true;
	pktbuf_queue_init(&so->rxq);
	pktbuf_queue_init(&so->errq);
	COUNT(st, SockOpened);
	*out = so;
	return 0;
}

/* The generation changes now, so that the id is stale before the index is used again. */
void sock_release(struct socket *so)
{
	struct stack *st = so->st;
	uint16_t *gen = &st->sock_gen[SEG_SOCK_INDEX(so->id)];

	if (++*gen == 0)
		*gen = 1;
	so->kind = 0;
	if (so->groups)
		member_close(so);
	signal_forget(so);
	note_drop(so);
	ip_set(st, &so->local_ip, 0);
	ip_set(st, &so->remote_ip, 0);
	st->users[so->owner].sockets--;
	pool_put(&st->sockets, so);
	COUNT(st, SockClosed);
}

static int kind_of(int domain, int type, int protocol)
{
	if (type < 0 || type > TYPE_MAX)
		return -EINVAL;
	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (type == SOCK_STREAM)
		return protocol == 0 || protocol == IPPROTO_TCP ? SOCK_KIND_TCP : -EPROTONOSUPPORT;
	if (type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol == 0 || protocol == IPPROTO_UDP)
		return SOCK_KIND_UDP;
	if (protocol == (domain == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return SOCK_KIND_PING;
	return -EPROTONOSUPPORT;
}

int sock_create(struct stack *st, int domain, int type, int protocol, uint32_t client,
		struct socket **out)
{
	int kind = kind_of(domain, type & TYPE_MASK, protocol), r;
	struct socket *so;

	if (kind < 0)
		return kind;
	r = sock_alloc(st, kind, client, client < SEG_CLIENT_MAX ? st->client_owner[client] : 0,
		       &so);
	if (r < 0)
		return r;
	if (domain == AF_INET6) {
		so->domain = AF_INET6;
		so->families = kind == SOCK_KIND_PING ? FAMILY_6 : FAMILY_4 | FAMILY_6;
		so->v6only = kind == SOCK_KIND_PING;
	}
	if (kind == SOCK_KIND_TCP) {
		r = tcp_open(so);
		if (r < 0) {
			sock_release(so);
			return r;
		}
	}
	sock_ready(so, true); /* over what the last owner of the index left */
	*out = so;
	return 0;
}

struct socket *sock_get(struct stack *st, uint32_t id)
{
	uint32_t index = SEG_SOCK_INDEX(id);
	struct socket *so;

	if (index >= st->sockets.high || st->sock_gen[index] != id >> SEG_SOCK_BITS)
		return NULL;
	so = pool_at(&st->sockets, index);
	return so->kind ? so : NULL;
}

uint32_t sock_id(const struct socket *so)
{
	return so->id;
}

uint32_t sock_client(const struct socket *so)
{
	return so->client;
}

void sock_close(struct socket *so)
{
	if (so->kind == SOCK_KIND_TCP)
		tcp_close(so);
	else
		udp_close(so);
	sock_release(so);
}

/* ---- names -------------------------------------------------------------------------------- */

static int addr4_in(const uint8_t bytes[4], uint32_t *ip)
{
	memcpy(ip, bytes, 4);
	return ip_is6(*ip) ? -ENETUNREACH : 0; /* 240/8, reserved */
}

int sock_addr_in(struct socket *so, const struct sock_addr *a, uint32_t *ip)
{
	uint32_t scope = a->scope;
	const struct port *port;

	*ip = 0;
	if (a->family == AF_INET) {
		/* Linux's datagram sockets of IPv6 take it, its streams do not. */
		if (so->domain != AF_INET && (so->v6only || so->kind != SOCK_KIND_UDP))
			return -EAFNOSUPPORT;
		return addr4_in(a->addr, ip);
	}
	if (a->family != AF_INET6 || so->domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (ip6_is_mapped(a->addr))
		return so->v6only ? -ENETUNREACH : addr4_in(a->addr + 12, ip);
	if (ip6_is_unspecified(a->addr))
		return 0;
	if (ip6_is_martian(a->addr))
		return -ENETUNREACH;
	if (!scope && ip6_is_multicast(a->addr))
		scope = so->mcast_scope;
	port = ip6_port_by_scope(so->st, scope);
	if (scope && !port && ip6_of_link(a->addr))
		return -ENODEV;
	*ip = ip6_handle(so->st, a->addr, ip6_scope(a->addr, port));
	return *ip ? 0 : -ENOBUFS;
}

void sock_addr_out(const struct socket *so, struct sock_addr *a, uint32_t ip, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->family = so->domain;
	a->port = port;
	if (so->domain == AF_INET) {
		memcpy(a->addr, &ip, 4);
	} else if (ip_is6(ip)) {
		memcpy(a->addr, ip6_name(so->st, ip)->addr, 16);
		a->scope = ip6_name(so->st, ip)->scope;
	} else if (ip) {
		a->addr[10] = a->addr[11] = 0xff;
		memcpy(a->addr + 12, &ip, 4);
	}
}

/* Datagram sockets may take a group or broadcast address, to hear what is sent there. */
static bool may_bind_to(const struct socket *so, uint32_t ip)
{
	if (ip == 0 || addr_local(so->st, ip))
		return true;
	return so->kind != SOCK_KIND_TCP && addr_to_many(so->st, ip);
}

int sock_bind(struct socket *so, const struct sock_addr *addr)
{
	uint32_t ip = 0, first;
	int r;

	memcpy(&first, addr->addr, 4);
	if (addr->family != AF_UNSPEC || so->domain != AF_INET || first != 0) {
		r = sock_addr_in(so, addr, &ip);
		if (r < 0)
			return r == -ENETUNREACH ? -EADDRNOTAVAIL : r;
	}
	if (!may_bind_to(so, ip))
		return -EADDRNOTAVAIL;
	if (so->kind == SOCK_KIND_TCP)
		return tcp_bind(so, ip, addr->port);
	r = udp_bind(so, ip, addr->port);
	if (r == 0)
		so->ip_chosen = ip != 0;
	/* A bind without a port that finds none free is EADDRINUSE, a send EAGAIN: as in Linux. */
	return r == -EAGAIN ? -EADDRINUSE : r;
}

int sock_listen(struct socket *so, int backlog)
{
	return so->kind == SOCK_KIND_TCP ? tcp_listen(so, backlog) : -EOPNOTSUPP;
}

int sock_connect(struct socket *so, const struct sock_addr *addr)
{
	uint32_t ip;
	int r;

	if (addr->family == AF_UNSPEC && so->kind != SOCK_KIND_TCP)
		return udp_disconnect(so);
	r = sock_addr_in(so, addr, &ip);
	if (r < 0)
		return r;
	if (so->kind != SOCK_KIND_TCP)
		return udp_connect(so, ip, addr->port);
	if (addr_to_many(so->st, ip))
		return -ENETUNREACH;
	return tcp_connect(so, ip, addr->port);
}

int sock_accept(struct socket *so, struct socket **out, struct sock_addr *peer)
{
	struct socket *new_so;
	int r;

	if (so->kind != SOCK_KIND_TCP)
		return -EOPNOTSUPP;
	/* Nothing is lost where there is none: the connection waits. */
	r = sock_alloc(so->st, SOCK_KIND_TCP, so->client, so->owner, &new_so);
	if (r < 0)
		return r;
	new_so->domain = so->domain;
	new_so->families = so->families;
	new_so->v6only = so->v6only;
	r = tcp_accept(so, new_so);
	if (r < 0) {
		sock_release(new_so);
		return r;
	}
	if (peer)
		sock_addr_out(new_so, peer, new_so->remote_ip, new_so->remote_port);
	sock_ready(new_so, true);
	*out = new_so;
	return 0;
}

int sock_unaccept(struct socket *listener, struct socket *so)
{
	if (listener->kind != SOCK_KIND_TCP || so->kind != SOCK_KIND_TCP ||
	    tcp_unaccept(listener, so))
		return -EINVAL;
	sock_release(so);
	return 0;
}

int sock_shutdown(struct socket *so, int how)
{
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return so->kind == SOCK_KIND_TCP ? tcp_shutdown(so, how) : udp_shutdown(so, how);
}

int sock_name(struct socket *so, struct sock_addr *local)
{
	sock_addr_out(so, local, so->local_ip, so->local_port);
	return 0;
}

int sock_peer(struct socket *so, struct sock_addr *remote)
{
	bool none = !so->connected;

	if (so->kind == SOCK_KIND_TCP)
		none = so->tcp->state == TCPS_CLOSED || so->tcp->state == TCPS_SYN_SENT ||
		       so->tcp->state == TCPS_LISTEN;
	if (none)
		return -ENOTCONN;
	sock_addr_out(so, remote, so->remote_ip, so->remote_port);
	return 0;
}

/* ---- data --------------------------------------------------------------------------------- */

static bool fast_open(const struct socket *so, const struct sock_addr *to, int flags)
{
	return (flags & MSG_FASTOPEN) && to && to->family == so->domain &&
	       so->tcp->state == TCPS_CLOSED;
}

int64_t sock_send_reserve(struct socket *so, uint64_t len, const struct sock_addr *to, int flags,
			  struct pktbuf **out)
{
	uint32_t ip;

	*out = NULL;
	if (so->kind == SOCK_KIND_TCP && fast_open(so, to, flags)) {
		int r = sock_addr_in(so, to, &ip);

		return r < 0 ? r : tcp_fo_reserve(so, ip, to->port, len, out);
	}
	if (so->kind == SOCK_KIND_TCP) /* Linux ignores an address on a stream */
		return tcp_send_reserve(so, len, flags, out);
	return udp_send_reserve(so, len, to, flags, out);
}

int64_t sock_send_commit(struct socket *so, struct pktbuf *list, uint64_t len,
			 const struct sock_addr *to, int flags)
{
	return sock_send_noted(so, list, len, to, flags, NULL);
}

int64_t sock_send_noted(struct socket *so, struct pktbuf *list, uint64_t len,
			const struct sock_addr *to, int flags, const struct sock_note *note)
{
	uint32_t ip = 0;

	if (so->kind == SOCK_KIND_TCP && fast_open(so, to, flags)) {
		(void)sock_addr_in(so, to, &ip); /* 0: no cookie is known of it */
		return tcp_fo_commit(so, ip, to->port, list, len);
	}
	if (so->kind == SOCK_KIND_TCP)
		return tcp_send_commit(so, list, len, flags);
	if (!list)
		return -EINVAL;
	return udp_send_commit(so, list, to, flags, note);
}

int64_t sock_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		       unsigned *n_slices, struct sock_addr *from, uint64_t *full)
{
	int64_t n;

	*n_slices = 0;
	*full = 0;
	if (from)
		memset(from, 0, sizeof(*from));
	if (so->kind != SOCK_KIND_TCP)
		return udp_recv_take(so, max, flags, slices, n_slices, from, full);
	if (flags & MSG_ERRQUEUE)
		return note_take(so, max, flags, slices, n_slices, from, full);
	n = tcp_recv_take(so, max, flags, slices, n_slices);
	if (n > 0)
		*full = (uint64_t)n;
	return n;
}

void sock_recv_done(struct socket *so, struct sock_slice *slices, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		pktbuf_free(slices[i].buf);
	if (so->kind == SOCK_KIND_TCP)
		tcp_recv_done(so);
}

void sock_recv_undo(struct socket *so, int flags, struct sock_slice *slices, unsigned n)
{
	bool stream = so->kind == SOCK_KIND_TCP && !(flags & MSG_ERRQUEUE);
	bool whole = !stream && n > 0 && !(flags & MSG_PEEK);

	if (whole)
		udp_recv_undo(so, flags, slices, n);
	while (!whole && n--) {
		if (flags & MSG_OOB && so->kind == SOCK_KIND_TCP)
			tcp_urg_undo(so);
		if (flags & (MSG_PEEK | MSG_OOB))
			pktbuf_free(slices[n].buf);
		else
			tcp_recv_undo(so, &slices[n]);
	}
	sock_ready(so, true); /* others may sleep on it since it was taken */
}

/* FIONREAD on a datagram socket: the length of the next one. */
int64_t sock_readable(struct socket *so)
{
	if (so->kind == SOCK_KIND_TCP)
		return tcp_readable(so);
	return pktbuf_total(so->rxq.head);
}

int64_t sock_unsent(struct socket *so)
{
	return so->kind == SOCK_KIND_TCP ? tcp_unsent(so) : 0;
}

int64_t sock_not_sent(struct socket *so)
{
	return so->kind == SOCK_KIND_TCP ? tcp_not_sent(so) : -ENOTTY;
}

int sock_at_mark(const struct socket *so)
{
	if (so->kind != SOCK_KIND_TCP)
		return -ENOTTY;
	return so->tcp->urg_state && so->tcp->copied_seq == so->tcp->urg_seq;
}
