/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP (RFC 768, 1122 4.1) and echo sockets (Linux's SOCK_DGRAM with IPPROTO_ICMP), which differ in
 * the header alone: an echo socket's port is its identifier. Names, input, receiving; sending is in
 * udp_out.c. Called by ip4.c, ip6.c, icmp.c and icmp6.c on input, socket.c for the verbs. Ports are
 * chosen after RFC 6056 3.3.1.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/dhcp4.h"
#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/socket.h"

#define BUCKETS	     4096u
#define PORT_FIRST   32768u /* ephemeral, as Linux's ip_local_port_range */
#define PORT_LAST    60999u
#define POOL_RESERVE 8u /* no datagram is queued when less than 1/8 of the buffers is free */
#define SHUT_NO_RECV 1u
#define TO_MANY_MAX  64u /* sockets of a user that hear one datagram to many */

/*
 * The sockets of one port and kind, the last bound first, follow the first by port_next, and only
 * the first is in the bucket: so a crowd on one port (SOCK_PORT_MAX of a user) is in no other
 * port's way, and a lookup meets 16 ports of each kind at most before its own.
 */
struct udp_table {
	struct socket *bucket[BUCKETS]; /* by local port */
};

/* What a datagram on its way in is looked up by; addresses network byte order. */
struct flow {
	uint8_t kind;
	uint32_t local_ip, remote_ip;
	uint16_t local_port, remote_port;
};

int udp_create_table(struct stack *st)
{
	st->udp = arena_take(st->arena, sizeof(*st->udp), 64);
	return st->udp ? 0 : -ENOMEM;
}

/* Where the port's first socket is, or would be. */
static struct socket **first_of(const struct stack *st, uint8_t kind, uint16_t port)
{
	struct socket **at = &st->udp->bucket[port % BUCKETS];

	while (*at && ((*at)->local_port != port || (*at)->kind != kind))
		at = &(*at)->hash_next;
	return at;
}

/* ---- lookup ------------------------------------------------------------------------------- */

/* How well a socket fits: -1 not at all, more for each name that is not a wildcard. */
static int score(const struct socket *so, const struct flow *f)
{
	int s = 0;

	if (so->local_ip) {
		if (so->local_ip != f->local_ip)
			return -1;
		s++;
	} else if (!(so->families & ip_family(f->local_ip))) {
		return -1;
	}
	if (so->connected) {
		if (so->remote_ip != f->remote_ip ||
		    (so->remote_port && so->remote_port != f->remote_port))
			return -1;
		s += 2;
	}
	return s;
}

/* The best; among equals with SO_REUSEPORT one by the flow's hash, else the last bound. */
static struct socket *lookup(struct stack *st, const struct flow *f)
{
	struct socket *so, *best = NULL;
	uint32_t equals = 0, hash = 0;
	int s, best_score = -1;
	struct {
		uint32_t ip[2];
		uint16_t port[2];
	} key = {{f->local_ip, f->remote_ip}, {f->local_port, f->remote_port}};

	for (so = *first_of(st, f->kind, f->local_port); so; so = so->port_next) {
		s = score(so, f);
		if (s < 0 || s < best_score)
			continue;
		if (s > best_score) {
			best = so;
			best_score = s;
			equals = 1;
			if (so->reuseport)
				hash = (uint32_t)siphash24(st->secret, &key, sizeof(key));
		} else if (best->reuseport && so->reuseport) {
			/* Each of n equals is left with chance 1/n, the same one for a flow. */
			if (((uint64_t)hash * ++equals) >> 32 == 0)
				best = so;
			hash = hash * 1664525u + 1013904223u;
		}
	}
	return best;
}

/* ---- names -------------------------------------------------------------------------------- */

/* As Linux: two may share a port with different addresses, or when both said SO_REUSEADDR, or
 * both SO_REUSEPORT and belong together. */
static bool conflict(const struct socket *so, uint32_t ip, uint16_t port, bool sharing)
{
	const struct socket *o;

	for (o = *first_of(so->st, so->kind, port); o; o = o->port_next) {
		if (o == so)
			continue;
		if (ip && o->local_ip && ip != o->local_ip)
			continue;
		if (!(ip_families(ip, so->families) & ip_families(o->local_ip, o->families)))
			continue;
		if (sharing && so->reuseaddr && o->reuseaddr)
			continue;
		if (sharing && so->reuseport && o->reuseport && so->client == o->client)
			continue;
		return true;
	}
	return false;
}

/* Has its user as many there as one may have? Whatever comes to the port looks at all of them,
 * under the lock. */
static bool crowded(const struct socket *so, uint16_t port)
{
	const struct socket *o = *first_of(so->st, so->kind, port);
	unsigned n = 0;

	for (; o; o = o->port_next)
		n += o->owner == so->owner;
	return n >= SOCK_PORT_MAX && so->owner != 0; /* root is trusted */
}

static uint16_t choose_port(struct socket *so, uint32_t ip)
{
	uint32_t n = PORT_LAST - PORT_FIRST + 1, start = stack_random(so->st) % n, i;
	uint16_t port;

	for (i = 0; i < n; i++) {
		port = (uint16_t)(PORT_FIRST + (start + i) % n);
		if (!conflict(so, ip, port, false))
			return port;
	}
	return 0;
}

static void hash_in(struct socket *so)
{
	struct socket **at = first_of(so->st, so->kind, so->local_port);

	so->port_next = *at;
	if (*at) {
		so->hash_next = (*at)->hash_next;
		(*at)->hash_next = NULL;
	}
	*at = so;
	so->bound = true;
}

static void unhash(struct socket *so)
{
	struct socket **at;

	if (!so->bound)
		return;
	at = first_of(so->st, so->kind, so->local_port);
	if (*at == so && so->port_next) {
		so->port_next->hash_next = so->hash_next;
		*at = so->port_next;
	} else if (*at == so) {
		*at = so->hash_next;
	} else {
		while (*at != so)
			at = &(*at)->port_next;
		*at = so->port_next;
	}
	so->hash_next = so->port_next = NULL;
	so->bound = false;
}

int udp_bind(struct socket *so, uint32_t ip, uint16_t port)
{
	bool chosen = port != 0;

	if (so->bound)
		return -EINVAL;
	if (!chosen)
		port = choose_port(so, ip);
	else if (conflict(so, ip, port, true) || crowded(so, port))
		port = 0;
	if (port == 0)
		return chosen ? -EADDRINUSE : -EAGAIN;
	ip_set(so->st, &so->local_ip, ip);
	so->local_port = port;
	so->port_chosen = chosen;
	hash_in(so);
	return 0;
}

int udp_autobind(struct socket *so)
{
	return so->bound ? 0 : udp_bind(so, so->local_ip, 0);
}

int udp_connect(struct socket *so, uint32_t ip, uint16_t port)
{
	struct route_hit hit;
	int r = udp_route(so, ip, &hit);

	if (r < 0)
		return r;
	if (addr_broadcast4(so->st, ip) && !so->broadcast)
		return -EACCES;
	if (so->ip_chosen && so->local_ip && ip_is6(so->local_ip) != ip_is6(ip))
		return -ENETUNREACH; /* bound to an address of the other family */
	r = udp_autobind(so);
	if (r < 0)
		return r;
	if (!so->ip_chosen)
		ip_set(so->st, &so->local_ip, hit.src);
	ip_set(so->st, &so->remote_ip, ip);
	so->remote_port = so->kind == SOCK_KIND_UDP ? port : 0;
	so->connected = true;
	return 0;
}

int udp_disconnect(struct socket *so)
{
	so->connected = false;
	ip_set(so->st, &so->remote_ip, 0);
	so->remote_port = 0;
	if (!so->ip_chosen)
		ip_set(so->st, &so->local_ip, 0);
	if (!so->port_chosen) {
		unhash(so);
		so->local_port = 0;
	}
	return 0;
}

/* Linux marks the socket even when it then says ENOTCONN. */
int udp_shutdown(struct socket *so, int how)
{
	so->shut |= (uint8_t)(how + 1); /* SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 */
	sock_ready(so, true);
	return so->connected ? 0 : -ENOTCONN;
}

void udp_close(struct socket *so)
{
	struct pktbuf *p;

	unhash(so);
	while ((p = pktbuf_queue_take(&so->rxq)))
		pktbuf_free(p);
	so->rxq_bytes = 0;
}

/* ---- input -------------------------------------------------------------------------------- */

/* What a datagram costs: whole buffers. */
static uint32_t memory_of(const struct pktbuf *p)
{
	return pktbuf_pieces(p) * PKTBUF_SIZE;
}

bool udp_charge(const struct socket *so, struct pktbuf *p)
{
	for (; p; p = p->more) {
		if (!quota_pktbuf(so->st, so->owner))
			return false;
		pktbuf_charge(p, so->owner);
	}
	return true;
}

/* Takes over p, whose data is what the application shall read. */
static void deliver(struct socket *so, struct pktbuf *p)
{
	struct stack *st = so->st;
	uint32_t memory = memory_of(p);

	if (so->shut & SHUT_NO_RECV || so->rxq_bytes + memory > so->rcvbuf ||
	    st->pool->avail < st->pool->count / POOL_RESERVE || !udp_charge(so, p)) {
		COUNT(st, UdpRcvbufErrors);
		pktbuf_free(p);
		return;
	}
	pktbuf_queue_put(&so->rxq, p);
	so->rxq_bytes += memory;
	if (so->kind == SOCK_KIND_UDP)
		COUNT(st, UdpInDatagrams);
	sock_ready(so, true);
}

static void note_names(struct pktbuf *p, const struct ip4_hdr *ip, uint16_t sport, uint16_t dport)
{
	p->udp.src = ip->src;
	p->udp.dst = ip->dst;
	p->udp.sport = sport;
	p->udp.dport = dport;
	p->udp.ttl = ip->ttl;
	p->udp.tos = ip->tos;
}

static struct pktbuf *copy_piece(struct stack *st, const struct pktbuf *p)
{
	struct pktbuf *c = ip_copy(st, p);

	if (!c)
		return NULL;
	c->time = p->time;
	c->udp = p->udp;
	return c;
}

static struct pktbuf *copy_of(struct stack *st, const struct pktbuf *p)
{
	struct pktbuf *head = NULL, **at = &head;
	const struct pktbuf *piece;

	for (piece = p; piece; piece = piece->more, at = &(*at)->more) {
		*at = copy_piece(st, piece);
		if (!*at) {
			if (head)
				pktbuf_free(head);
			return NULL;
		}
	}
	if (ip_is6(p->udp.src)) { /* who sent it is read from the header: udp_from */
		memcpy(head->buf, p->buf + p->l3_off, IP6_HDR_LEN);
		head->l3_off = 0;
	}
	return head;
}

/*
 * A broadcast goes to every socket it fits (RFC 1122 4.1.3.3's wildcards), what came to a group of
 * `port` likewise. Of a user who has thousands on one port to so many, those bound last: a copy for
 * each of them would be made here, under the lock.
 */
static void deliver_all(struct stack *st, struct port *port, const struct flow *f, struct pktbuf *p)
{
	bool group = addr_multicast(st, f->local_ip);
	uint8_t told[PKTBUF_OWNERS] = {0};
	struct socket *so, *last = NULL;
	uint8_t name[16], source[16];
	struct pktbuf *c;

	group_of(st, name, f->local_ip);
	group_of(st, source, f->remote_ip);
	for (so = *first_of(st, f->kind, f->local_port); so; so = so->port_next) {
		if (score(so, f) < 0 || told[so->owner] == TO_MANY_MAX ||
		    (group && !member_wants(so, port, name, source)))
			continue;
		told[so->owner] += so->owner != 0; /* root is trusted */
		c = last ? copy_of(st, p) : NULL;
		if (c)
			deliver(last, c);
		last = so;
	}
	if (last)
		deliver(last, p);
	else
		pktbuf_free(p);
}

static void no_port(struct stack *st, struct port *port, struct pktbuf *p)
{
	COUNT(st, UdpNoPorts);
	pktbuf_push(p, (uint16_t)(p->off - p->l3_off));
	icmp_error(st, port, p, ICMP4_DEST_UNREACH, ICMP4_PORT_UNREACH, 0);
	pktbuf_free(p);
}

void udp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	struct flow f = {SOCK_KIND_UDP, ip->dst, ip->src, 0, 0};
	bool broadcast = addr_to_many(st, ip->dst);
	struct socket *so = NULL;
	struct udp_hdr h;

	if (p->len < UDP_HDR_LEN || udp_parse(&h, pktbuf_data(p), pktbuf_total(p)) < 0) {
		COUNT(st, UdpInErrors);
		pktbuf_free(p);
		return;
	}
	pktbuf_trim_total(p, h.len);
	if (h.checksum != 0 && !(p->flags & PKTBUF_RX_L4_CSUM_OK) &&
	    csum_fold(csum_packet(csum_pseudo4(ip->src, ip->dst, IPPROTO_UDP, h.len), p)) != 0) {
		COUNT(st, UdpInCsumErrors);
		pktbuf_free(p);
		return;
	}
	if (h.dport == DHCP_CLIENT_PORT && !ip_is6(ip->dst) && dhcp4_in(st, port, p))
		return;
	f.local_port = h.dport;
	f.remote_port = h.sport;
	if (!broadcast)
		so = lookup(st, &f);
	if (!so && !broadcast) {
		no_port(st, port, p);
		return;
	}
	note_names(p, ip, h.sport, h.dport);
	p->udp.port = (uint8_t)port->index;
	pktbuf_pull(p, UDP_HDR_LEN);
	if (broadcast)
		deliver_all(st, port, &f, p);
	else
		deliver(so, p);
}

/* p: an echo reply from its ICMP header on. False: nobody asked; p stays the caller's. */
bool ping_deliver(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip)
{
	struct flow f = {SOCK_KIND_PING, ip->dst, ip->src, wire_get16(pktbuf_data(p) + 4), 0};
	struct socket *so = lookup(st, &f);

	if (!so)
		return false;
	note_names(p, ip, 0, f.local_port);
	p->udp.port = (uint8_t)port->index;
	deliver(so, p);
	return true;
}

/* RFC 1122 4.1.3.3, with Linux's reserve: what may pass by itself (a net that does not answer for
 * a moment) is told only to who asked for it with IP_RECVERR. */
bool udp_icmp_error(struct stack *st, const struct icmp_quote *q)
{
	struct flow f = {SOCK_KIND_UDP, q->ip->src, q->ip->dst, wire_get16(q->l4),
			 wire_get16(q->l4 + 2)};
	struct sock_addr to;
	struct socket *so;
	bool hard;
	int err;

	if (q->ip->protocol == IPPROTO_ICMP) {
		if (q->l4[0] != (ip_is6(q->ip->src) ? ICMP6_ECHO_ASK : ICMP4_ECHO))
			return false;
		f = (struct flow){SOCK_KIND_PING, q->ip->src, q->ip->dst, wire_get16(q->l4 + 4), 0};
	}
	so = lookup(st, &f);
	err = icmp_errno(q->type, q->code, &hard);
	if (!so || err == 0)
		return so != NULL;
	if (err == EMSGSIZE) {
		if (so->mtu_discover == IP_PMTUDISC_DONT ||
		    so->mtu_discover >= IP_PMTUDISC_INTERFACE ||
		    !pmtu_learn(st, q->ip->dst, q->rest & 0xffff))
			return true;
		hard = true;
	}
	if (so->recverr) {
		sock_addr_out(so, &to, f.remote_ip, f.remote_port);
		note_icmp(so, q, &to, err);
	}
	if (so->recverr || (hard && so->connected))
		sock_set_error(so, err);
	return true;
}

/* ---- receiving ---------------------------------------------------------------------------- */

int64_t udp_slice_up(struct pktbuf *p, uint64_t max, struct sock_slice *slices, unsigned *n_slices)
{
	int64_t bytes = 0;
	unsigned n = 0;
	uint32_t len;

	for (; p && n < SOCK_SLICES && (n == 0 || max > 0); p = p->more) {
		len = p->len < max ? p->len : (uint32_t)max;
		if (n > 0)
			pktbuf_hold(p);
		slices[n++] = (struct sock_slice){p, pktbuf_data(p), len};
		bytes += len;
		max -= len;
	}
	*n_slices = n;
	return bytes;
}

void udp_from(const struct socket *so, const struct pktbuf *p, struct sock_addr *from)
{
	const uint8_t *src = p->buf + p->l3_off + 8; /* of the IPv6 header */

	if (!ip_is6(p->udp.src)) {
		sock_addr_out(so, from, p->udp.src, p->udp.sport);
		return;
	}
	sock_addr_out(so, from, 0, p->udp.sport);
	memcpy(from->addr, src, 16);
	if (ip6_is_link_local(src))
		from->scope = p->udp.port + 1u;
}

int64_t udp_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		      unsigned *n_slices, struct sock_addr *from, uint64_t *full)
{
	struct pktbuf *p = so->rxq.head;
	int r = -so->error;
	int64_t n;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_ERRQUEUE)
		return note_take(so, max, flags, slices, n_slices, from, full);
	if (r < 0) {
		so->error = 0;
		sock_ready(so, false);
		return r;
	}
	if (!p)
		return so->shut & SHUT_NO_RECV ? 0 : -EAGAIN;
	if (flags & MSG_PEEK) {
		pktbuf_hold(p);
	} else {
		pktbuf_queue_take(&so->rxq);
		so->rxq_bytes -= memory_of(p);
		sock_ready(so, false);
	}
	*full = pktbuf_total(p);
	n = udp_slice_up(p, max, slices, n_slices);
	if (from)
		udp_from(so, p, from);
	return n;
}

/* The datagram itself is whole, whatever was read of it. */
void udp_recv_undo(struct socket *so, int flags, const struct sock_slice *slices, unsigned n)
{
	while (n-- > 1)
		pktbuf_free(slices[n].buf);
	if (flags & MSG_ERRQUEUE) {
		pktbuf_queue_put_first(&so->errq, slices[0].buf);
		return;
	}
	pktbuf_queue_put_first(&so->rxq, slices[0].buf);
	so->rxq_bytes += memory_of(slices[0].buf);
}
