/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose segment is it, and which ports are free: 4-tuple hash (SipHash: a peer cannot aim at one
 * bucket), listeners, owners of local ports, ephemeral ports (RFC 6056 algorithm 3), and what else
 * is derived from a 4-tuple: initial sequence numbers (RFC 6528) and timestamp offsets.
 * Called by tcp_in.c, tcp_listen.c, tcp_user.c.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/ip6.h"
#include "tcpip/tcp.h"

struct four_tuple {
	uint32_t lip, rip;
	uint16_t lport, rport;
	uint32_t purpose; /* so that hash, ISN and offset tell nothing about each other */
};

enum { FOR_HASH, FOR_ISS, FOR_TS, FOR_PORT, FOR_LISTEN, FOR_COOKIE, FOR_FASTOPEN };

static uint64_t tuple_hash6(const struct stack *st, const struct four_tuple *t)
{
	struct {
		uint64_t lip, rip;
		struct four_tuple rest;
	} t6 = {.rest = *t};

	t6.lip = ip_is6(t->lip) ? ip6_name(st, t->lip)->hash : 0;
	t6.rip = ip_is6(t->rip) ? ip6_name(st, t->rip)->hash : 0;
	t6.rest.lip = t6.rest.rip = 0;
	return siphash24(st->secret, &t6, sizeof(t6));
}

static uint64_t tuple_hash(const struct stack *st, uint32_t lip, uint16_t lport, uint32_t rip,
			   uint16_t rport, uint32_t purpose)
{
	struct four_tuple t = {lip, rip, lport, rport, purpose};

	if (ip_is6(lip)) /* a handle says nothing tomorrow */
		return tuple_hash6(st, &t);
	return siphash24(st->secret, &t, sizeof(t));
}

int tcp_create_table(struct stack *st, uint32_t max_pcbs)
{
	struct tcp_table *t = arena_take(st->arena, sizeof(*t), 64);
	uint32_t slots = 64, i;

	if (!t)
		return -ENOMEM;
	while (slots < max_pcbs)
		slots <<= 1;
	t->mask = slots - 1;
	t->conn = arena_take(st->arena, slots * sizeof(struct tcp_pcb *), 64);
	t->bound = arena_take(st->arena, TCP_BOUND_SLOTS * sizeof(struct tcp_pcb *), 64);
	t->listen = arena_take(st->arena, TCP_LISTEN_SLOTS * sizeof(struct tcp_pcb *), 64);
	if (!t->conn || !t->bound || !t->listen)
		return -ENOMEM;
	t->pending_tail = &t->pending;
	t->tw_tail = &t->tw;
	t->tw_max = max_pcbs / 2 ? max_pcbs / 2 : 1;
	t->syn_max = max_pcbs / 4 ? max_pcbs / 4 : 1;
	tcp_settings_init(&t->set);
	t->port_counter = stack_random(st);
	for (i = 0; i < 2; i++) {
		uint32_t what[2] = {FOR_FASTOPEN, i};
		uint64_t half = siphash24(st->secret, what, sizeof(what));

		memcpy(t->fo_key + 8 * i, &half, 8);
	}
	st->tcp = t;
	return 0;
}

/* ---- connections and listeners ---- */

static void link_front(struct tcp_pcb **slot, struct tcp_pcb *pcb)
{
	pcb->hash_next = *slot;
	if (*slot)
		(*slot)->hash_pprev = &pcb->hash_next;
	pcb->hash_pprev = slot;
	*slot = pcb;
}

void tcp_hash_insert(struct tcp_pcb *pcb)
{
	struct tcp_table *t = pcb->st->tcp;
	uint64_t h = tuple_hash(pcb->st, pcb->local_ip, pcb->local_port, pcb->remote_ip,
				pcb->remote_port, FOR_HASH);

	link_front(&t->conn[h & t->mask], pcb);
}

/* Where the port's first listener is, or would be. The others, of SO_REUSEPORT or with other
 * addresses, hang from it: a crowd is in no other port's way. */
static struct tcp_pcb **first_listener(const struct stack *st, uint16_t port)
{
	struct tcp_pcb **at = &st->tcp->listen[port % TCP_LISTEN_SLOTS];

	while (*at && (*at)->local_port != port)
		at = &(*at)->hash_next;
	return at;
}

void tcp_listen_insert(struct tcp_pcb *pcb)
{
	struct tcp_pcb **at = first_listener(pcb->st, pcb->local_port), *first = *at;

	if (!first) {
		link_front(at, pcb);
		return;
	}
	pcb->queue_next = first->queue_next;
	if (pcb->queue_next)
		pcb->queue_next->queue_pprev = &pcb->queue_next;
	pcb->queue_pprev = &first->queue_next;
	first->queue_next = pcb;
}

bool tcp_listen_crowded(const struct tcp_pcb *pcb)
{
	const struct tcp_pcb *o = *first_listener(pcb->st, pcb->local_port);
	unsigned n = 0;

	for (; o; o = o->queue_next)
		n += o->owner == pcb->owner;
	return n >= SOCK_PORT_MAX && pcb->owner != 0; /* root is trusted */
}

/* Of the first, the next takes the place. */
static void listen_remove(struct tcp_pcb *pcb)
{
	struct tcp_pcb *next = pcb->queue_next;

	if (pcb->queue_pprev) {
		*pcb->queue_pprev = next;
		if (next)
			next->queue_pprev = pcb->queue_pprev;
	} else {
		if (next) {
			next->queue_pprev = NULL;
			link_front(&pcb->hash_next, next);
		}
		*pcb->hash_pprev = pcb->hash_next;
		if (pcb->hash_next)
			pcb->hash_next->hash_pprev = pcb->hash_pprev;
	}
	pcb->hash_next = pcb->queue_next = NULL;
	pcb->hash_pprev = pcb->queue_pprev = NULL;
}

void tcp_hash_remove(struct tcp_pcb *pcb)
{
	if (pcb->state == TCPS_LISTEN) {
		listen_remove(pcb);
		return;
	}
	if (!pcb->hash_pprev)
		return;
	if (pcb->st->tcp->last == pcb)
		pcb->st->tcp->last = NULL;
	*pcb->hash_pprev = pcb->hash_next;
	if (pcb->hash_next)
		pcb->hash_next->hash_pprev = pcb->hash_pprev;
	pcb->hash_pprev = NULL;
	pcb->hash_next = NULL;
}

static bool is_tuple(const struct tcp_pcb *pcb, uint32_t lip, uint16_t lport, uint32_t rip,
		     uint16_t rport)
{
	return pcb->local_ip == lip && pcb->remote_ip == rip && pcb->local_port == lport &&
	       pcb->remote_port == rport;
}

/* Segments come in trains: the last answer is often the next. */
struct tcp_pcb *tcp_lookup(struct stack *st, uint32_t lip, uint16_t lport, uint32_t rip,
			   uint16_t rport)
{
	struct tcp_table *t = st->tcp;
	struct tcp_pcb *pcb = t->last;

	if (pcb && is_tuple(pcb, lip, lport, rip, rport))
		return pcb;
	pcb = t->conn[tuple_hash(st, lip, lport, rip, rport, FOR_HASH) & t->mask];
	for (; pcb; pcb = pcb->hash_next)
		if (is_tuple(pcb, lip, lport, rip, rport)) {
			t->last = pcb;
			return pcb;
		}
	return NULL;
}

/* An exact address beats a wildcard; among equals (SO_REUSEPORT) the flow's hash chooses. */
struct tcp_pcb *tcp_lookup_listener(struct stack *st, uint32_t lip, uint16_t lport, uint32_t rip,
				    uint16_t rport)
{
	struct tcp_pcb *first = *first_listener(st, lport), *pcb;
	uint32_t exact = 0, any = 0, want;
	bool want_exact;

	for (pcb = first; pcb; pcb = pcb->queue_next) {
		exact += pcb->local_ip == lip;
		any += pcb->local_ip == 0 && pcb->families & ip_family(lip);
	}
	if (exact + any == 0)
		return NULL;
	want_exact = exact > 0;
	want = want_exact ? exact : any;
	if (want > 1)
		want = 1 + (uint32_t)(tuple_hash(st, lip, lport, rip, rport, FOR_LISTEN) % want);
	for (pcb = first; pcb; pcb = pcb->queue_next)
		if (pcb->local_ip == (want_exact ? lip : 0) &&
		    (want_exact || pcb->families & ip_family(lip)) && --want == 0)
			return pcb;
	return NULL;
}

/* ---- local ports ---- */

void tcp_bind_insert(struct tcp_pcb *pcb)
{
	struct tcp_pcb **slot = &pcb->st->tcp->bound[pcb->local_port % TCP_BOUND_SLOTS];

	pcb->bind_next = *slot;
	if (*slot)
		(*slot)->bind_pprev = &pcb->bind_next;
	pcb->bind_pprev = slot;
	*slot = pcb;
}

void tcp_bind_remove(struct tcp_pcb *pcb)
{
	if (!pcb->bind_pprev)
		return;
	*pcb->bind_pprev = pcb->bind_next;
	if (pcb->bind_next)
		pcb->bind_next->bind_pprev = pcb->bind_pprev;
	pcb->bind_pprev = NULL;
	pcb->bind_next = NULL;
}

/*
 * Do the owners of (ip, port) stand in pcb's way? As on Linux: two owners get along if both
 * said SO_REUSEADDR and the other does not listen, or both said SO_REUSEPORT and belong to the same
 * client (a hostile program must not steal another's connections), or their addresses differ.
 */
static bool conflict(const struct tcp_pcb *pcb, uint32_t ip, uint16_t port, bool share)
{
	const struct tcp_pcb *o = pcb->st->tcp->bound[port % TCP_BOUND_SLOTS];

	for (; o; o = o->bind_next) {
		if (o == pcb || o->local_port != port)
			continue;
		if (ip && o->local_ip && ip != o->local_ip)
			continue;
		if (!(ip_families(ip, pcb->families) & ip_families(o->local_ip, o->families)))
			continue;
		if (share && pcb->reuse_at_bind && o->reuse_at_bind && o->state != TCPS_LISTEN)
			continue;
		if (share && pcb->reuseport_bind && o->reuseport_bind &&
		    (o->state == TCPS_TIME_WAIT || o->client == pcb->client))
			continue;
		return true;
	}
	return false;
}

bool tcp_port_conflict(const struct tcp_pcb *pcb, uint32_t ip, uint16_t port)
{
	return conflict(pcb, ip, port, true);
}

/* A port that the stack chooses is shared with nobody, not even as SO_REUSEADDR would let it be. */
static bool unshared(const struct tcp_pcb *pcb, uint32_t ip, uint16_t port)
{
	return !conflict(pcb, ip, port, false);
}

int tcp_port_claim(struct tcp_pcb *pcb, uint32_t ip, uint16_t *port)
{
	uint32_t n = TCP_PORT_LAST - TCP_PORT_FIRST + 1, at, i;

	if (*port)
		return tcp_port_conflict(pcb, ip, *port) ? -EADDRINUSE : 0;
	at = stack_random(pcb->st) % n;
	for (i = 0; i < n; i++) {
		uint16_t try = (uint16_t)(TCP_PORT_FIRST + (at + i) % n);

		if (unshared(pcb, ip, try)) {
			*port = try;
			return 0;
		}
	}
	return -EADDRINUSE;
}

/* Somebody named this port in bind(): connections do not borrow it. */
static bool port_is_named(const struct stack *st, uint16_t port)
{
	const struct tcp_pcb *o = st->tcp->bound[port % TCP_BOUND_SLOTS];

	for (; o; o = o->bind_next)
		if (o->local_port == port && o->port_chosen)
			return true;
	return false;
}

/* RFC 6056 3.3.3: an offset that depends on the peer and a secret, and a counter; so ports to one
 * peer follow each other (long before one is used again) and tell nothing to another. */
int tcp_port_ephemeral(struct tcp_pcb *pcb)
{
	struct stack *st = pcb->st;
	uint32_t n = TCP_PORT_LAST - TCP_PORT_FIRST + 1, offset, i;

	offset = (uint32_t)tuple_hash(st, pcb->local_ip, 0, pcb->remote_ip, pcb->remote_port,
				      FOR_PORT);
	for (i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(TCP_PORT_FIRST + (offset + st->tcp->port_counter++) % n);

		if (port_is_named(st, port))
			continue;
		if (tcp_lookup(st, pcb->local_ip, port, pcb->remote_ip, pcb->remote_port))
			continue;
		pcb->local_port = port;
		return 0;
	}
	return -EADDRNOTAVAIL;
}

/* ---- what else a 4-tuple yields ---- */

/* RFC 6528 3: a clock that ticks every 64 ns (Linux's; the RFC's example has 4 us) plus a keyed
 * hash. */
uint32_t tcp_iss(struct tcp_pcb *pcb)
{
	uint64_t h = tuple_hash(pcb->st, pcb->local_ip, pcb->local_port, pcb->remote_ip,
				pcb->remote_port, FOR_ISS);

	return (uint32_t)h + (uint32_t)(pcb->st->now >> 6);
}

uint32_t tcp_ts_offset(const struct stack *st, uint32_t lip, uint32_t rip)
{
	/* By addresses alone: TIME-WAIT reuse (RFC 6191) needs one clock a pair of hosts. */
	return (uint32_t)tuple_hash(st, lip, 0, rip, 0, FOR_TS);
}

uint64_t tcp_fo_hash(const struct stack *st, uint32_t lip, uint32_t rip)
{
	struct four_tuple t = {lip, rip, 0, 0, FOR_FASTOPEN};

	return ip_is6(rip) ? tuple_hash6(st, &t) : siphash24(st->secret, &t, sizeof(t));
}

/* Linux's, so that machines of both kinds behind one address may share a key. */
uint64_t tcp_fo_cookie(const struct stack *st, uint32_t lip, uint32_t rip)
{
	uint8_t in[32];
	size_t n = ip_is6(rip) ? 16 : 4;

	memcpy(in, ip_is6(rip) ? (const void *)ip6_name(st, rip)->addr : &rip, n);
	memcpy(in + n, ip_is6(lip) ? (const void *)ip6_name(st, lip)->addr : &lip, n);
	return siphash24(st->tcp->fo_key, in, 2 * n);
}

void stack_tcp_fo_key(struct stack *st, const uint8_t key[16])
{
	memcpy(st->tcp->fo_key, key, 16);
}

uint32_t tcp_cookie_hash(const struct stack *st, const struct tcp_seg *seg, uint32_t irs,
			 uint32_t salt)
{
	uint32_t in[3] = {irs, salt, FOR_COOKIE};
	uint64_t h =
		tuple_hash(st, seg->ip->dst, seg->h.dport, seg->ip->src, seg->h.sport, FOR_COOKIE);
	uint8_t key[16];

	memcpy(key, &h, 8); /* the tuple's own key: neither part can be moved to another */
	memcpy(key + 8, st->secret, 8);
	return (uint32_t)siphash24(key, in, sizeof(in));
}
