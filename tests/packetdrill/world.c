/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stack behind the table: made anew for each script, fed whole IP packets, run on a clock that
 * is moved from event to event. Called by the slots in adapter.c, by threads.c and by calls.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drivers/capture.h"
#include "tcpip/ip6.h"
#include "tests/packetdrill/adapter.h"
#include "tests/tcpip/cut.h"

#define ARENA_SIZE (16u << 20)
#define PKTBUFS	   4096u
#define SOCKETS	   256u
#define EPOCH	   (1000000ull * 1000000000ull) /* of the virtual clock */

/* ---- the port ---- */

static int link_start(struct port *port)
{
	const struct world *w = port->priv;

	port->link_up = true;
	port->caps = PORT_CAP_RAW_IP;
	if (w->tso) {
		port->caps |= PORT_CAP_TX_L4_CSUM; /* one does not go without the other */
		port->tso_max = w->tso;
	}
	return 0;
}

static void link_stop(struct port *port)
{
	(void)port;
}

static unsigned link_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	(void)port;
	(void)batch;
	(void)max;
	return 0;
}

static bool is6(const uint8_t *packet)
{
	return packet[0] >> 4 == 6;
}

static size_t ip_len(const uint8_t *packet)
{
	return is6(packet) ? IP6_HDR_LEN : (size_t)(packet[0] & 15) * 4;
}

static bool is_tcp(const uint8_t *packet, size_t n)
{
	if (n < IP4_HDR_LEN || n < ip_len(packet) + TCP_HDR_LEN)
		return false;
	if (is6(packet))
		return packet[6] == IPPROTO_TCP;
	return packet[0] >> 4 == 4 && packet[9] == IPPROTO_TCP &&
	       !(wire_get16(packet + 6) & 0x3fff);
}

/* What belongs into the checksum field, as it lies in memory; 0 where that is right already. */
static uint16_t tcp_sum(const uint8_t *packet, size_t n)
{
	size_t ihl = ip_len(packet);
	uint32_t src, dst;
	uint64_t sum;

	memcpy(&src, packet + 12, 4);
	memcpy(&dst, packet + 16, 4);
	sum = is6(packet) ? csum_pseudo6(packet + 8, packet + 24, IPPROTO_TCP, (uint32_t)(n - ihl))
			  : csum_pseudo4(src, dst, IPPROTO_TCP, (uint16_t)(n - ihl));
	return csum_fold(csum_add(sum, packet + ihl, n - ihl));
}

static void keep(struct world *w, const uint8_t *bytes, size_t len)
{
	struct out_packet *o = malloc(sizeof(*o) + len);

	if (!o)
		abort();
	o->next = NULL;
	o->time = w->now;
	o->len = len;
	memcpy(o->bytes, bytes, len);
	/* packetdrill looks at the IP checksum alone; a wrong one above ends the script too. */
	if (is_tcp(bytes, len) && tcp_sum(bytes, len) != 0) {
		fprintf(stderr, "sandwire: the stack sent a wrong TCP checksum\n");
		o->len = 0;
	}
	*w->out_tail = o;
	w->out_tail = &o->next;
}

static void keep_segment(void *arg, const uint8_t *packet, uint16_t len)
{
	keep(arg, packet, len);
}

/* Trains are those of a device that cuts them up: so PSH is where Linux has it. */
static unsigned link_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (batch[i]->flags & PKTBUF_TX_TSO) {
			cut_train(batch[i], 0, keep_segment, port->priv);
		} else {
			capture_checksum(batch[i]);
			keep(port->priv, pktbuf_data(batch[i]), batch[i]->len);
		}
		pktbuf_free(batch[i]);
	}
	return n;
}

static bool link_pending(struct port *port)
{
	(void)port;
	return false;
}

static bool link_watch(struct port *port)
{
	(void)port;
	return false;
}

static const struct port_ops link_ops = {
	.name = "packetdrill",
	.start = link_start,
	.stop = link_stop,
	.rx = link_rx,
	.tx = link_tx,
	.pending = link_pending,
	.watch = link_watch,
};

static uint64_t no_clock(void)
{
	return 0;
}

static void on_ready(void *arg, uint32_t id, uint32_t events, bool wake)
{
	struct world *w = arg;

	(void)events;
	(void)wake;
	w->dirty = true;
	watch_ready(w, id);
}

/* ---- birth and death ---- */

static uint64_t real_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void world_add_addr(struct world *w, int family, const uint8_t *addr)
{
	static const uint8_t none[16];
	struct ip_addr a = {.family = (uint8_t)family, .prefix = family == AF_INET6 ? 128 : 32};
	size_t n = a.prefix / 8;
	uint32_t ip;

	memcpy(&ip, addr, 4);
	if (memcmp(addr, none, n) == 0 || (family == AF_INET6 && addr[0] == 0xff) ||
	    (family == AF_INET && (addr_multicast4(ip) || ip == INADDR_BROADCAST)))
		return;
	memcpy(a.bytes, addr, n);
	if (!stack_addr_is_local(w->st, &a))
		(void)stack_addr_add(w->st, &w->port, &a);
}

static void make_stack(struct world *w)
{
	struct stack_conf conf = {.max_sockets = SOCKETS, .max_pcbs = SOCKETS};
	unsigned i;

	conf.env = (struct stack_env){.ready = on_ready, .arg = w};
	conf.pool = &w->pool;
	conf.now = w->now;
	for (i = 0; i < sizeof(conf.seed); i++)
		conf.seed[i] = (uint8_t)(i * 7 + 1);
	w->st = stack_create(&w->arena, &conf);
	if (!w->st)
		abort();
	(void)stack_tcp_set(w->st, "recovery_probes", 0); /* scripts expect Linux's timeouts */
}

/* Raw IP has no neighbours to ask and no routers to hear: nothing of its own shows on the wire. A
 * link too narrow for IPv6 has none. */
static void add_ip6(struct world *w)
{
	const struct stack_ip6_conf conf = {.accept_ra = false};
	const struct ip_addr all = {.family = AF_INET6};

	if (stack_ip6_up(w->st, &w->port, &conf) < 0)
		return;
	ip6_port(w->st, &w->port)->mtu = w->mtu6;
	world_add_addr(w, AF_INET6, w->ip6);
	if (stack_route_add(w->st, &all, NULL, &w->port, 0) < 0)
		abort();
}

void world_open(struct world *w)
{
	const struct ip_addr all = {.family = AF_INET};

	w->now = w->real ? real_now() : EPOCH;
	w->out_tail = &w->out;
	w->headers = calloc(PKTBUFS, sizeof(struct pktbuf));
	w->data = calloc(PKTBUFS, PKTBUF_SIZE);
	w->arena.base = calloc(1, ARENA_SIZE);
	w->arena.size = ARENA_SIZE;
	if (!w->headers || !w->data || !w->arena.base)
		abort();
	pktbuf_pool_init(&w->pool, w->headers, w->data, 0, PKTBUFS);
	make_stack(w);
	w->port.pool = &w->pool;
	w->port.conf.mtu = w->mtu;
	w->port.clock_ns = no_clock;
	if (port_start(&w->port, &link_ops, w) < 0)
		abort();
	w->port.mtu = w->mtu;
	stack_port_add(w->st, &w->port);
	world_add_addr(w, AF_INET, (const uint8_t *)&w->ip);
	if (stack_route_add(w->st, &all, NULL, &w->port, 0) < 0)
		abort();
	add_ip6(w);
}

void world_close(struct world *w)
{
	struct out_packet *o;

	while ((o = w->out)) {
		w->out = o->next;
		free(o);
	}
	port_stop(&w->port);
	free(w->headers);
	free(w->data);
	free(w->arena.base);
}

/* ---- time ---- */

void world_flush(struct world *w)
{
	if (w->fast_opening)
		world_settle(w);
	stack_output(w->st);
	port_flush(&w->port);
	world_settle(w);
}

static void pass(struct world *w, uint64_t to)
{
	struct timespec t = {.tv_sec = (time_t)(to / 1000000000u),
			     .tv_nsec = (long)(to % 1000000000u)};

	if (w->real) {
		pthread_mutex_unlock(&w->lock);
		while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR)
			;
		pthread_mutex_lock(&w->lock);
		to = real_now();
	}
	if (to > w->now)
		w->now = to;
	stack_set_now(w->st, w->now);
	while (stack_timers(w->st, 64))
		;
	world_flush(w);
}

bool world_step(struct world *w, uint64_t limit)
{
	uint64_t next = stack_deadline(w->st);
	struct waiter *a;

	for (a = w->waiters; a; a = a->next)
		if (a->deadline < next)
			next = a->deadline;
	if (limit < next)
		next = limit;
	if (next == PD_NEVER)
		return false;
	pass(w, next > w->now ? next : w->now);
	return true;
}

void world_advance(struct world *w, uint64_t to)
{
	do
		world_step(w, to);
	while (w->now < to);
}

/* ---- packets in ---- */

static void hand_in(struct world *w, const uint8_t *packet, size_t n)
{
	struct pktbuf *p = pktbuf_alloc(&w->pool);

	if (!p)
		return;
	memcpy(pktbuf_data(p), packet, n);
	p->len = (uint16_t)n;
	stack_input(w->st, &w->port, &p, 1);
}

/* One piece of a segment larger than the wire takes, with `len` bytes of its payload from `at`. */
static void hand_in_piece(struct world *w, const uint8_t *packet, size_t hdrs, size_t at,
			  size_t len, bool last)
{
	uint8_t piece[PKTBUF_SIZE], *tcp;
	size_t ihl = ip_len(packet);
	uint16_t sum;

	memcpy(piece, packet, hdrs);
	memcpy(piece + hdrs, packet + hdrs + at, len);
	tcp = piece + ihl;
	if (is6(packet)) {
		wire_put16(piece + 4, (uint16_t)(hdrs + len - ihl));
	} else {
		wire_put16(piece + 2, (uint16_t)(hdrs + len));
		wire_put16(piece + 10, 0);
		sum = csum_fold(csum_add(0, piece, ihl));
		memcpy(piece + 10, &sum, 2);
	}
	wire_put32(tcp + 4, wire_get32(tcp + 4) + (uint32_t)at);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (at)
		tcp[13] &= (uint8_t)~TCP_CWR;
	wire_put16(tcp + 16, 0);
	sum = tcp_sum(piece, hdrs + len);
	memcpy(tcp + 16, &sum, 2);
	hand_in(w, piece, hdrs + len);
}

/* Scripts inject what a NIC's receive offload would make of several segments. */
static int hand_in_large(struct world *w, const uint8_t *packet, size_t n)
{
	size_t ihl = ip_len(packet), hdrs, at, len, mss;

	if (!is_tcp(packet, n))
		return -EMSGSIZE;
	hdrs = ihl + (size_t)(packet[ihl + 12] >> 4) * 4;
	if (hdrs >= n || hdrs >= w->mtu)
		return -EMSGSIZE;
	mss = w->mtu - hdrs;
	for (at = 0; hdrs + at < n; at += len) {
		len = n - hdrs - at < mss ? n - hdrs - at : mss;
		hand_in_piece(w, packet, hdrs, at, len, hdrs + at + len == n);
	}
	return 0;
}

int world_inject(struct world *w, const uint8_t *packet, size_t n)
{
	if (n < IP4_HDR_LEN || n < ip_len(packet))
		return -EINVAL;
	if (w->any_ip)
		world_add_addr(w, is6(packet) ? AF_INET6 : AF_INET,
			       packet + (is6(packet) ? 24 : 16));
	if (n > (is6(packet) ? w->mtu6 : w->mtu))
		return hand_in_large(w, packet, n);
	hand_in(w, packet, n);
	return 0;
}
