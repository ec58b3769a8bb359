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

/* packetdrill looks at the IP checksum alone; a wrong one above ends the script too. */
static bool l4_checksum_ok(const uint8_t *p, size_t len)
{
	size_t ihl = (size_t)(p[0] & 15) * 4;
	uint32_t src, dst;

	if (p[0] >> 4 != 4 || p[9] != IPPROTO_TCP || len < ihl || (wire_get16(p + 6) & 0x3fff))
		return true;
	memcpy(&src, p + 12, 4);
	memcpy(&dst, p + 16, 4);
	return csum_fold(csum_add(csum_pseudo4(src, dst, IPPROTO_TCP, (uint16_t)(len - ihl)),
				  p + ihl, len - ihl)) == 0;
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
	if (!l4_checksum_ok(bytes, len)) {
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

void world_add_addr(struct world *w, uint32_t ip)
{
	struct ip_addr a = {.family = AF_INET, .prefix = 32};

	memcpy(a.bytes, &ip, 4);
	if (!stack_addr_is_local(w->st, &a))
		(void)stack_addr_add(w->st, &w->port, &a);
}

void world_open(struct world *w, uint16_t mtu, uint32_t ip)
{
	struct stack_conf conf = {.max_sockets = SOCKETS, .max_pcbs = SOCKETS};
	struct ip_addr all = {.family = AF_INET};
	unsigned i;

	w->now = w->real ? real_now() : EPOCH;
	w->out_tail = &w->out;
	w->headers = calloc(PKTBUFS, sizeof(struct pktbuf));
	w->data = calloc(PKTBUFS, PKTBUF_SIZE);
	w->arena.base = calloc(1, ARENA_SIZE);
	w->arena.size = ARENA_SIZE;
	if (!w->headers || !w->data || !w->arena.base)
		abort();
	pktbuf_pool_init(&w->pool, w->headers, w->data, 0, PKTBUFS);
	conf.env = (struct stack_env){.ready = on_ready, .arg = w};
	conf.pool = &w->pool;
	conf.now = w->now;
	for (i = 0; i < sizeof(conf.seed); i++)
		conf.seed[i] = (uint8_t)(i * 7 + 1);
	w->st = stack_create(&w->arena, &conf);
	if (!w->st)
		abort();
	(void)stack_tcp_set(w->st, "recovery_probes", 0); /* scripts expect Linux's timeouts */
	w->port.pool = &w->pool;
	w->port.conf.mtu = mtu;
	w->port.clock_ns = no_clock;
	if (port_start(&w->port, &link_ops, w) < 0)
		abort();
	w->port.mtu = mtu;
	stack_port_add(w->st, &w->port);
	world_add_addr(w, ip);
	if (stack_route_add(w->st, &all, NULL, &w->port, 0) < 0)
		abort();
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
	size_t ihl = (size_t)(packet[0] & 15) * 4;
	uint32_t src, dst;
	uint16_t sum;

	memcpy(piece, packet, hdrs);
	memcpy(piece + hdrs, packet + hdrs + at, len);
	tcp = piece + ihl;
	wire_put16(piece + 2, (uint16_t)(hdrs + len));
	wire_put16(piece + 10, 0);
	sum = csum_fold(csum_add(0, piece, ihl));
	memcpy(piece + 10, &sum, 2);
	wire_put32(tcp + 4, wire_get32(tcp + 4) + (uint32_t)at);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (at)
		tcp[13] &= (uint8_t)~TCP_CWR;
	wire_put16(tcp + 16, 0);
	memcpy(&src, piece + 12, 4);
	memcpy(&dst, piece + 16, 4);
	sum = csum_fold(csum_add(csum_pseudo4(src, dst, IPPROTO_TCP, (uint16_t)(hdrs - ihl + len)),
				 tcp, hdrs - ihl + len));
	memcpy(tcp + 16, &sum, 2);
	hand_in(w, piece, hdrs + len);
}

/* Scripts inject what a NIC's receive offload would make of several segments. */
int world_inject(struct world *w, const uint8_t *packet, size_t n)
{
	size_t ihl, hdrs, at, len, mss;
	uint32_t dst;

	if (n >= IP4_HDR_LEN && packet[0] >> 4 == 4 && w->any_ip) {
		memcpy(&dst, packet + 16, 4);
		if (!addr_multicast4(dst) && dst != INADDR_BROADCAST)
			world_add_addr(w, dst);
	}
	if (n <= w->port.mtu) {
		hand_in(w, packet, n);
		return 0;
	}
	ihl = (size_t)(packet[0] & 15) * 4;
	if (packet[0] >> 4 != 4 || packet[9] != IPPROTO_TCP || n < ihl + TCP_HDR_LEN)
		return -EMSGSIZE;
	hdrs = ihl + (size_t)(packet[ihl + 12] >> 4) * 4;
	if (hdrs >= n || hdrs >= w->port.mtu)
		return -EMSGSIZE;
	mss = w->port.mtu - hdrs;
	for (at = 0; hdrs + at < n; at += len) {
		len = n - hdrs - at < mss ? n - hdrs - at : mss;
		hand_in_piece(w, packet, hdrs, at, len, hdrs + at + len == n);
	}
	return 0;
}
