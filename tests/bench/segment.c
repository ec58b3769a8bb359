/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moves segments through one stack, for callgrind to count: `segment rx|tx N [timestamps]` receives
 * or sends N full segments on one connection, in batches of 32, as a turn does; `segment
 * rx-gaps|tx-gaps N` a window of N of which each 50th is lost: receives the others, or the ACKs for
 * them. What is to be counted runs below measured_rx(), measured_tx() and measured_tx_acks(): from
 * the driver's batch to the socket's queue and out of it, or the other way round, with the ACKs
 * that go with it and Ethernet, checksums, timers. Not counted: the driver, the wire, the other end
 * (a second stack), the copy to or from the application. Prints how many segments there were. Run
 * by tests/bench/segment.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tcpip/stack.h"

#define BATCH	 32u
#define PKTBUFS	 16384u
#define ARENA	 (8u << 20)
#define WIRE_MAX 4096u
#define ROUND_NS 100000ull
#define MSS	 1460u

struct end {
	struct stack *st;
	struct port port;
	struct pktbuf_pool pool;
	struct pktbuf *sent[WIRE_MAX]; /* given to the driver */
	unsigned n_sent;
	struct socket *so;
};

static struct end near, far; /* near is measured */
static uint64_t now = 1000000000000ull;

static void die(const char *what)
{
	fprintf(stderr, "segment: %s\n", what);
	exit(1);
}

static int port_up(struct port *port)
{
	port->link_up = true;
	return 0;
}

static void port_down(struct port *port)
{
}

static unsigned port_none(struct port *port, struct pktbuf **batch, unsigned max)
{
	return 0;
}

static unsigned port_take(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct end *e = port->priv;

	if (e->n_sent + n > WIRE_MAX)
		die("the wire is full");
	memcpy(&e->sent[e->n_sent], batch, n * sizeof(batch[0]));
	e->n_sent += n;
	return n;
}

static bool port_has(struct port *port)
{
	return false;
}

static const struct port_ops ops = {
	.name = "bench",
	.start = port_up,
	.stop = port_down,
	.rx = port_none,
	.tx = port_take,
	.pending = port_has,
	.watch = port_has,
};

static uint64_t clock_ns(void)
{
	return now;
}

static void end_open(struct end *e, uint8_t number)
{
	struct stack_conf conf = {.max_sockets = 64, .max_pcbs = 64, .now = now, .pool = &e->pool};
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, number}};
	struct arena *arena = calloc(1, sizeof(*arena));
	void *headers = calloc(PKTBUFS, sizeof(struct pktbuf)),
	     *data = malloc(PKTBUFS * PKTBUF_SIZE);

	if (!arena || !headers || !data)
		die("no memory");
	arena->base = calloc(1, ARENA);
	arena->size = ARENA;
	memset(data, number, PKTBUFS * PKTBUF_SIZE);
	pktbuf_pool_init(&e->pool, headers, data, 0, PKTBUFS);
	conf.seed[0] = number;
	e->st = stack_create(arena, &conf);
	e->port.pool = &e->pool;
	e->port.clock_ns = clock_ns;
	if (!e->st || port_start(&e->port, &ops, e) < 0)
		die("no stack");
	e->port.mac[0] = 2;
	e->port.mac[5] = number;
	e->port.mtu = 1500;
	stack_port_add(e->st, &e->port);
	if (stack_addr_add(e->st, &e->port, &a) < 0)
		die("no address");
}

static void set_now(uint64_t t)
{
	now = t;
	stack_set_now(near.st, t);
	stack_set_now(far.st, t);
}

/* The frames that `from` sent, as `to`'s driver would find them: in buffers of its own. */
static unsigned carry(struct end *from, struct end *to, struct pktbuf **batch)
{
	unsigned n = from->n_sent, i;

	for (i = 0; i < n; i++) {
		struct pktbuf *p = from->sent[i];

		batch[i] = pktbuf_alloc(&to->pool);
		if (!batch[i])
			die("no buffer");
		memcpy(pktbuf_data(batch[i]), pktbuf_data(p), p->len);
		batch[i]->len = p->len;
		pktbuf_free(p);
	}
	from->n_sent = 0;
	return n;
}

static void turn(struct end *e, struct pktbuf **batch, unsigned n)
{
	stack_input(e->st, &e->port, batch, n);
	(void)stack_timers(e->st, 64);
	stack_output(e->st);
	port_flush(&e->port);
}

static int64_t put(struct end *e, uint64_t len)
{
	struct pktbuf *list;
	int64_t n = sock_send_reserve(e->so, len, NULL, 0, &list);

	return n < 0 ? n : sock_send_commit(e->so, list, (uint64_t)n, NULL, 0);
}

static int64_t get(struct end *e)
{
	struct sock_slice slices[SOCK_SLICES];
	int64_t n, sum = 0;
	uint64_t full;
	unsigned k;

	while ((n = sock_recv_take(e->so, 65536, 0, slices, &k, NULL, &full)) > 0) {
		sock_recv_done(e->so, slices, k);
		sum += n;
	}
	return sum;
}

/* A batch came: to the socket, out of it, and the ACKs away. */
__attribute__((noinline)) static int64_t measured_rx(struct pktbuf **batch, unsigned n)
{
	int64_t sum;

	turn(&near, batch, n);
	sum = get(&near);
	stack_output(near.st);
	port_flush(&near.port);
	return sum;
}

/* A write goes out, */
__attribute__((noinline)) static int64_t measured_tx(uint64_t len)
{
	int64_t n = put(&near, len);

	stack_output(near.st);
	port_flush(&near.port);
	return n;
}

/* and its ACKs come back. */
__attribute__((noinline)) static void measured_tx_acks(struct pktbuf **batch, unsigned n)
{
	turn(&near, batch, n);
}

/* Until nobody has anything more to say. */
static void settle(void)
{
	struct pktbuf *batch[WIRE_MAX];
	unsigned n, quiet = 0;

	while (quiet < 3) {
		n = carry(&near, &far, batch);
		turn(&far, batch, n);
		(void)get(&far);
		quiet = n ? 0 : quiet + 1;
		n = carry(&far, &near, batch);
		turn(&near, batch, n);
		(void)get(&near);
		set_now(now + ROUND_NS);
		quiet = n ? 0 : quiet;
	}
}

static void connect_both(void)
{
	struct sock_addr a = {.family = AF_INET, .port = 7, .addr = {10, 0, 0, 1}}, from;
	struct socket *listener;

	stack_client_add(near.st, 1, 1000); /* charged, as every user but root */
	if (sock_create(near.st, AF_INET, SOCK_STREAM, 0, 1, &listener) < 0 ||
	    sock_create(far.st, AF_INET, SOCK_STREAM, 0, 1, &far.so) < 0 ||
	    sock_bind(listener, &a) < 0 || sock_listen(listener, 1) < 0)
		die("no socket");
	near.so = listener;
	(void)sock_connect(far.so, &a);
	stack_output(far.st);
	port_flush(&far.port);
	for (int i = 0; i < 10; i++) {
		struct pktbuf *batch[WIRE_MAX];
		unsigned n = carry(&far, &near, batch);

		turn(&near, batch, n);
		n = carry(&near, &far, batch);
		turn(&far, batch, n);
		set_now(now + ROUND_NS);
	}
	if (sock_accept(listener, &near.so, &from) < 0)
		die("no connection");
}

static void far_flush(void)
{
	stack_output(far.st);
	port_flush(&far.port);
}

/* Full segments of `unit` bytes, batch by batch: how many. */
static uint64_t move_rx(uint64_t want, uint64_t unit)
{
	struct pktbuf *batch[WIRE_MAX];
	uint64_t segments;
	unsigned n;

	for (segments = 0; segments < want; segments += BATCH) {
		if (put(&far, BATCH * unit) != (int64_t)(BATCH * unit))
			die("short write");
		far_flush();
		n = carry(&far, &near, batch);
		if (n != BATCH || measured_rx(batch, n) != (int64_t)(BATCH * unit))
			die("not one batch");
		n = carry(&near, &far, batch);
		turn(&far, batch, n);
		set_now(now + ROUND_NS);
		if (far.n_sent + near.n_sent)
			die("something is left on the wire");
	}
	return segments;
}

static uint64_t move_tx(uint64_t want, uint64_t unit)
{
	struct pktbuf *batch[WIRE_MAX];
	uint64_t segments;
	unsigned n;

	for (segments = 0; segments < want; segments += BATCH) {
		if (measured_tx(BATCH * unit) != (int64_t)(BATCH * unit))
			die("short write");
		n = carry(&near, &far, batch);
		if (n != BATCH)
			die("not one batch");
		turn(&far, batch, n);
		(void)get(&far);
		far_flush();
		n = carry(&far, &near, batch);
		measured_tx_acks(batch, n);
		set_now(now + ROUND_NS);
		if (far.n_sent + near.n_sent)
			die("something is left on the wire");
	}
	return segments;
}

/* Windows grow until `want` segments are on the wire at once; from `out`, nobody has had them. */
static unsigned fill_wire(struct end *out, struct end *in, uint64_t want, struct pktbuf **frames)
{
	for (unsigned tries = 0; tries < 200; tries++) {
		for (uint64_t left = want * MSS; left;) {
			int64_t n = put(out, left);

			if (n <= 0)
				break;
			left -= (uint64_t)n;
		}
		for (unsigned i = 0; i < 200; i++) { /* a burst has its bounds */
			stack_output(out->st);
			port_flush(&out->port);
		}
		if (out->n_sent >= want)
			return carry(out, in, frames);
		settle();
	}
	die("the window did not grow");
	return 0;
}

/* The wire carries `want` segments, and loses each 50th. */
static uint64_t move_gaps(bool rx, uint64_t want)
{
	static struct pktbuf *frames[WIRE_MAX], *acks[WIRE_MAX];
	struct end *out = rx ? &far : &near, *in = rx ? &near : &far;
	unsigned n = fill_wire(out, in, want, frames), kept = 0, i;

	for (i = 0; i < n; i++) {
		if (i % 50)
			frames[kept++] = frames[i];
		else
			pktbuf_free(frames[i]);
	}
	set_now(now + 100 * ROUND_NS);
	for (i = 0; i < kept; i += BATCH) {
		n = kept - i < BATCH ? kept - i : BATCH;
		if (rx) {
			(void)measured_rx(frames + i, n);
			continue;
		}
		turn(&far, frames + i, n);
		n = carry(&far, &near, acks);
		measured_tx_acks(acks, n);
	}
	return kept;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	bool rx = strcmp(kind, "rx") == 0 || strcmp(kind, "rx-gaps") == 0, ts = argc > 3;
	bool gaps = strcmp(kind, "rx-gaps") == 0 || strcmp(kind, "tx-gaps") == 0;
	uint64_t want = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, n;
	unsigned i;

	if (!rx && !gaps && strcmp(kind, "tx") != 0)
		die("usage: segment rx|tx|rx-gaps|tx-gaps COUNT [timestamps]");
	end_open(&near, 1);
	end_open(&far, 2);
	(void)stack_tcp_set(near.st, "timestamps", ts);
	connect_both();
	for (i = 0; i < 40; i++) { /* out of slow start */
		(void)put(rx ? &far : &near, 64 * MSS);
		settle();
	}
	if (gaps)
		n = move_gaps(rx, want);
	else
		n = rx ? move_rx(want, ts ? MSS - 12 : MSS) : move_tx(want, ts ? MSS - 12 : MSS);
	printf("%lu\n", (unsigned long)n);
	return 0;
}
