/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/sim/sim.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "drivers/capture.h"
#include "tests/tcpip/splitmix.h"
#include "tests/tcpip/cut.h"
#include "tests/tcpip/test_memory.h"

#define ARENA_SIZE (24u << 20)
#define SIM_SOCKS  256u

uint64_t sim_random(struct sim *s)
{
	return splitmix64(&s->rng);
}

uint32_t sim_below(struct sim *s, uint32_t n)
{
	return n ? (uint32_t)(sim_random(s) % n) : 0;
}

/* ---- packets on their way: a heap by time ---- */

static bool earlier(const struct sim_packet *a, const struct sim_packet *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void heap_put(struct sim *s, struct sim_packet p)
{
	uint32_t i;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->heap = realloc(s->heap, s->room * sizeof(*s->heap));
		if (!s->heap)
			abort();
	}
	for (i = s->n++; i && earlier(&p, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = p;
}

static struct sim_packet heap_take(struct sim *s)
{
	struct sim_packet top = s->heap[0], last = s->heap[--s->n];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n && earlier(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!earlier(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	if (s->n)
		s->heap[i] = last;
	return top;
}

/* ---- the link ---- */

static bool chance(struct sim *s, uint32_t share)
{
	return share && sim_below(s, 10000) < share;
}

static bool is_lost(struct sim_host *h, const struct sim_path *path)
{
	if (h->burst_left) {
		h->burst_left--;
		return true;
	}
	if (!chance(h->sim, path->loss))
		return false;
	h->burst_left = path->burst ? path->burst - 1 : 0;
	return true;
}

/* Replaces options of a SYN by NOPs, as some middleboxes do. */
static void strip_options(uint8_t *bytes, uint16_t len, uint32_t strip)
{
	uint8_t *tcp = bytes + IP4_HDR_LEN, *o = tcp + TCP_HDR_LEN, *end = tcp + (tcp[12] >> 4) * 4;
	uint32_t src, dst;
	uint16_t n, sum;

	if (bytes[0] >> 4 != 4 || !(tcp[13] & TCP_SYN))
		return;
	for (; o < end && *o; o += n) {
		n = *o == 1 ? 1 : o[1];
		if ((*o == 4 && (strip & 1)) || (*o == 8 && (strip & 2)) ||
		    (*o == 3 && (strip & 4)))
			memset(o, 1, n);
	}
	memcpy(&src, bytes + 12, 4);
	memcpy(&dst, bytes + 16, 4);
	tcp[16] = tcp[17] = 0;
	n = (uint16_t)(len - IP4_HDR_LEN);
	sum = csum_fold(csum_add(csum_pseudo4(src, dst, 6, n), tcp, n));
	memcpy(tcp + 16, &sum, 2);
}

static void put_on_wire(struct sim *s, int from, const uint8_t *bytes, uint16_t len, uint64_t leave)
{
	const struct sim_path *path = &s->path[from];
	struct sim_packet p = {.order = s->order++, .to = (uint8_t)!from, .len = len};

	p.at = leave + path->delay;
	if (path->jitter)
		p.at += sim_random(s) % path->jitter;
	if (chance(s, path->reorder))
		p.at += path->reorder_delay;
	p.bytes = malloc(len);
	if (!p.bytes)
		abort();
	memcpy(p.bytes, bytes, len);
	if (path->strip)
		strip_options(p.bytes, len, path->strip);
	if (chance(s, path->corrupt))
		p.bytes[sim_below(s, len)] ^= (uint8_t)(1u << sim_below(s, 8));
	heap_put(s, p);
}

static void transmit(void *host, const uint8_t *bytes, uint16_t len)
{
	struct sim_host *h = host;
	struct sim *s = h->sim;
	int from = h == &s->host[1];
	const struct sim_path *path = &s->path[from];
	uint64_t take = path->rate ? (uint64_t)len * 8 * SIM_S / path->rate : 0;

	h->sent++;
	if (s->tap && !s->tap(s, from, bytes, len))
		return;
	if (h->line_free < s->now)
		h->line_free = s->now;
	/* The queue is as long in bytes as that many full packets. */
	if (take && path->queue &&
	    (h->line_free - s->now) >= path->queue * (12000 * SIM_S / path->rate)) {
		h->dropped++;
		return;
	}
	h->line_free += take;
	if (is_lost(h, path) || (path->mtu && len > path->mtu)) {
		h->lost++;
		return;
	}
	put_on_wire(s, from, bytes, len, h->line_free);
	if (chance(s, path->duplicate))
		put_on_wire(s, from, bytes, len, h->line_free);
}

/* ---- hosts ---- */

static int link_start(struct port *port)
{
	const struct sim_host *h = port->priv;

	port->link_up = true;
	port->caps = PORT_CAP_RAW_IP;
	if (h->sim->tso) {
		port->caps |= PORT_CAP_TX_L4_CSUM;
		port->tso_max = 20;
	}
	return 0;
}

static void link_stop(struct port *port)
{
}

static unsigned link_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	return 0;
}

static unsigned link_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (batch[i]->flags & PKTBUF_TX_TSO) {
			cut_train(batch[i], 0, transmit, port->priv);
		} else {
			capture_checksum(batch[i]);
			transmit(port->priv, pktbuf_data(batch[i]), batch[i]->len);
		}
		pktbuf_free(batch[i]);
	}
	return n;
}

static bool link_pending(struct port *port)
{
	return false;
}

static const struct port_ops link_ops = {
	.name = "simulated link",
	.start = link_start,
	.stop = link_stop,
	.rx = link_rx,
	.tx = link_tx,
	.pending = link_pending,
};

static void on_ready(void *arg, uint32_t id, uint32_t events, bool wake)
{
	((struct sim_host *)arg)->dirty = true;
}

static void host_open(struct sim *s, int i, uint32_t pktbufs, uint16_t mtu)
{
	struct sim_host *h = &s->host[i];
	struct stack_conf conf = {.max_sockets = SIM_SOCKS, .max_pcbs = SIM_SOCKS};
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, (uint8_t)(i + 1)}};
	uint64_t seed = sim_random(s);

	h->sim = s;
	h->headers = test_memory(pktbufs * sizeof(struct pktbuf));
	h->data = test_memory((size_t)pktbufs * PKTBUF_SIZE);
	h->arena.base = test_memory(ARENA_SIZE);
	h->arena.size = ARENA_SIZE;
	pktbuf_pool_init(&h->pool, h->headers, h->data, 0, pktbufs);
	conf.env.ready = on_ready;
	conf.env.arg = h;
	conf.pool = &h->pool;
	conf.now = s->now;
	memcpy(conf.seed, &seed, sizeof(seed));
	h->st = stack_create(&h->arena, &conf);
	if (!h->st)
		abort();
	h->port.pool = &h->pool;
	h->port.index = (uint32_t)i;
	h->port.conf.mtu = mtu;
	if (port_start(&h->port, &link_ops, h) < 0)
		abort();
	h->port.mtu = mtu;
	stack_port_add(h->st, &h->port);
	if (stack_addr_add(h->st, &h->port, &a) < 0)
		abort();
	memcpy(&h->ip, a.bytes, 4);
}

void sim_open(struct sim *s, uint64_t seed, uint32_t pktbufs, uint16_t mtu)
{
	memset(s, 0, sizeof(*s));
	s->rng = seed * 0x2545f4914f6cdd1dull + 1;
	s->family = AF_INET;
	s->tso = seed % 3 == 2;
	s->now = 1000 * SIM_S + seed % 1000 * SIM_MS;
	host_open(s, 0, pktbufs, mtu);
	host_open(s, 1, pktbufs, mtu);
}

static const uint8_t net6[8] = {0x20, 1, 0xd, 0xb8};

static void host_ip6(struct sim_host *h, int i)
{
	struct stack_ip6_conf conf = {.secret = {(uint8_t)i}};
	struct ip_addr a = {.family = AF_INET6, .prefix = 64};

	memcpy(a.bytes, net6, sizeof(net6));
	a.bytes[15] = (uint8_t)(i + 1);
	if (stack_ip6_up(h->st, &h->port, &conf) < 0 || stack_addr_add(h->st, &h->port, &a) < 0)
		abort();
}

void sim_ip6(struct sim *s)
{
	host_ip6(&s->host[0], 0);
	host_ip6(&s->host[1], 1);
	s->family = AF_INET6;
}

void sim_close(struct sim *s)
{
	int i;

	while (s->n)
		free(heap_take(s).bytes);
	free(s->heap);
	for (i = 0; i < 2; i++) {
		struct sim_host *h = &s->host[i];

		port_stop(&h->port);
		test_memory_free(h->headers, h->pool.count * sizeof(struct pktbuf));
		test_memory_free(h->data, (size_t)h->pool.count * PKTBUF_SIZE);
		test_memory_free(h->arena.base, ARENA_SIZE);
	}
}

/* ---- time ---- */

void sim_flush(struct sim *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		stack_output(s->host[i].st);
		port_flush(&s->host[i].port);
	}
}

static void set_now(struct sim *s, uint64_t now)
{
	if (now > s->now)
		s->now = now;
	stack_set_now(s->host[0].st, s->now);
	stack_set_now(s->host[1].st, s->now);
}

/* In a buffer of the host it is for; NULL: it has none, or none so large. */
static struct pktbuf *receive(struct sim *s, struct sim_packet p)
{
	struct pktbuf *b = pktbuf_alloc(&s->host[p.to].pool);

	if (b && p.len <= pktbuf_tailroom(b)) {
		memcpy(pktbuf_data(b), p.bytes, p.len);
		b->len = p.len;
	} else if (b) {
		pktbuf_free(b);
		b = NULL;
	}
	free(p.bytes);
	return b;
}

static void deliver(struct sim *s, int to, struct pktbuf **batch, unsigned n)
{
	if (n)
		stack_input(s->host[to].st, &s->host[to].port, batch, n);
}

/* What comes at the same time comes in batches, as from a ring. */
static void deliver_due(struct sim *s)
{
	struct pktbuf *batch[2][PORT_BATCH], *b;
	unsigned n[2] = {0};
	struct sim_packet p;

	while (s->n && s->heap[0].at <= s->now) {
		p = heap_take(s);
		b = receive(s, p);
		if (b)
			batch[p.to][n[p.to]++] = b;
		if (n[p.to] == PORT_BATCH) {
			deliver(s, p.to, batch[p.to], PORT_BATCH);
			n[p.to] = 0;
		}
	}
	deliver(s, 0, batch[0], n[0]);
	deliver(s, 1, batch[1], n[1]);
}

void sim_inject(struct sim *s, int to, const uint8_t *bytes, uint16_t len)
{
	struct sim_packet p = {.to = (uint8_t)to, .len = len, .bytes = malloc(len)};
	struct pktbuf *b;

	if (!p.bytes)
		abort();
	memcpy(p.bytes, bytes, len);
	b = receive(s, p);
	deliver(s, to, &b, b ? 1 : 0);
	sim_flush(s);
}

bool sim_step(struct sim *s, uint64_t until)
{
	uint64_t next = s->n ? s->heap[0].at : UINT64_MAX, d;
	int i;

	for (i = 0; i < 2; i++) {
		d = stack_deadline(s->host[i].st);
		if (d < next)
			next = d;
	}
	if (next > until) {
		set_now(s, until);
		return false;
	}
	set_now(s, next);
	deliver_due(s);
	for (i = 0; i < 2; i++)
		(void)stack_timers(s->host[i].st, 64);
	sim_flush(s);
	return true;
}

/* ---- a transfer ---- */

static uint8_t byte_at(uint32_t key, uint64_t i)
{
	uint64_t z = (i / 8 + key) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ull;
	return (uint8_t)(z >> (i % 8 * 8));
}

static struct sock_addr addr_of(const struct sim *s, int host, uint16_t port)
{
	struct sock_addr a = {.family = (uint16_t)s->family, .port = port};

	if (s->family == AF_INET6) {
		memcpy(a.addr, net6, sizeof(net6));
		a.addr[15] = (uint8_t)(host + 1);
	} else {
		memcpy(a.addr, &s->host[host].ip, 4);
	}
	return a;
}

void sim_flow_open(struct sim_flow *f, struct sim *s, uint16_t port, uint64_t up, uint64_t down)
{
	struct sock_addr any = {.family = (uint16_t)s->family, .port = port};
	int i;

	memset(f, 0, sizeof(*f));
	f->sim = s;
	f->port = port;
	f->key = (uint32_t)sim_random(s);
	f->end[0].to_send = f->end[1].to_get = up;
	f->end[1].to_send = f->end[0].to_get = down;
	for (i = 0; i < 2; i++)
		f->end[i].max_write = f->end[i].max_read = 65536;
	if (sock_create(s->host[1].st, s->family, SOCK_STREAM, 0, 1, &f->listener) < 0 ||
	    sock_create(s->host[0].st, s->family, SOCK_STREAM, 0, 1, &f->end[0].so) < 0)
		abort();
	if (sock_bind(f->listener, &any) < 0 || sock_listen(f->listener, 8) < 0)
		abort();
	f->started = s->now;
}

static int send_some(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	struct pktbuf *list, *p;
	uint64_t want, at;
	int64_t n;
	uint16_t k;

	while (e->sent < e->to_send) {
		want = 1 + sim_below(f->sim, e->max_write);
		if (want > e->to_send - e->sent)
			want = e->to_send - e->sent;
		n = sock_send_reserve(e->so, want, NULL, 0, &list);
		if (n < 0)
			return (int)n;
		at = e->sent;
		for (p = list; p; p = p->next)
			for (k = 0; k < p->len; k++)
				pktbuf_data(p)[k] = byte_at(f->key + (uint32_t)i, at++);
		n = sock_send_commit(e->so, list, (uint64_t)n, NULL, 0);
		if (n < 0)
			return (int)n;
		e->sent += (uint64_t)n;
	}
	if (!e->shut) {
		e->shut = true;
		(void)sock_shutdown(e->so, 1);
	}
	return 0;
}

static int get_some(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	struct sock_slice slices[SOCK_SLICES];
	unsigned n, j;
	uint64_t full;
	uint32_t k;
	int64_t r;

	while (!e->eof && f->sim->now >= e->pause_until) {
		r = sock_recv_take(e->so, 1 + sim_below(f->sim, e->max_read), 0, slices, &n, NULL,
				   &full);
		if (r < 0)
			return (int)r;
		if (r == 0)
			e->eof = true;
		for (j = 0; j < n; j++)
			for (k = 0; k < slices[j].len; k++)
				if (slices[j].data[k] != byte_at(f->key + (uint32_t)!i, e->got++)) {
					fprintf(stderr, "byte %lu differs\n",
						(unsigned long)e->got - 1);
					return -EBADMSG;
				}
		sock_recv_done(e->so, slices, n);
		if (e->pause)
			e->pause_until = f->sim->now + e->pause;
	}
	return 0;
}

static void pump_end(struct sim_flow *f, int i)
{
	struct sim_end *e = &f->end[i];
	int r;

	if (!e->so || e->error)
		return;
	r = get_some(f, i);
	if (r < 0 && r != -EAGAIN)
		e->error = r;
	r = send_some(f, i);
	if (r < 0 && r != -EAGAIN)
		e->error = r;
}

bool sim_flow_pump(struct sim_flow *f)
{
	struct sock_addr a = addr_of(f->sim, 1, f->port);
	int r;

	if (!f->connected) {
		r = sock_connect(f->end[0].so, &a);
		if (r == 0)
			f->connected = true;
		else if (r != -EINPROGRESS && r != -EALREADY)
			f->end[0].error = r;
	}
	if (!f->end[1].so && f->listener) {
		(void)sock_accept(f->listener, &f->end[1].so, NULL);
	}
	if (f->connected)
		pump_end(f, 0);
	pump_end(f, 1);
	sim_flush(f->sim);
	return (f->end[0].eof && f->end[1].eof && f->end[0].shut && f->end[1].shut) ||
	       f->end[0].error || f->end[1].error;
}

void sim_flow_close(struct sim_flow *f)
{
	int i;

	for (i = 0; i < 2; i++)
		if (f->end[i].so)
			sock_close(f->end[i].so);
	if (f->listener)
		sock_close(f->listener);
	f->end[0].so = f->end[1].so = f->listener = NULL;
	sim_flush(f->sim);
}

bool sim_flow_run(struct sim_flow *f, uint64_t limit)
{
	struct sim *s = f->sim;
	uint64_t until, end = s->now + limit;
	bool slow;
	int i;

	while (!sim_flow_pump(f)) {
		if (s->now >= end)
			return false;
		until = end;
		slow = false;
		for (i = 0; i < 2; i++)
			if (f->end[i].pause_until > s->now && f->end[i].pause_until < until) {
				until = f->end[i].pause_until;
				slow = true;
			}
		s->host[0].dirty = s->host[1].dirty = false;
		while (!s->host[0].dirty && !s->host[1].dirty)
			if (!sim_step(s, until))
				break;
		if (s->now >= end && !slow)
			return false;
	}
	f->finished = s->now;
	return !f->end[0].error && !f->end[1].error && f->end[0].got == f->end[0].to_get &&
	       f->end[1].got == f->end[1].to_get;
}

void sim_flow_dump(const struct sim_flow *f)
{
	const struct tcp_pcb *p;
	int i;

	for (i = 0; i < 2; i++) {
		if (!f->end[i].so)
			continue;
		p = f->end[i].so->tcp;
		fprintf(stderr,
			"end %d: state %u una +%u nxt +%u end +%u wnd %u mss %u cwnd %u ssthresh "
			"%u\n"
			"  out %u sacked %u lost %u retrans %u ca %u bufs %u timer %u armed %d in "
			"%ld ms "
			"backoff %u rto %u us\n"
			"  rcv_nxt +%u adv +%u queue %u rcv_bufs %u ooo %d rcvbuf %u fin %d/%d "
			"owed %u\n",
			i, p->state, p->snd_una - p->iss, p->snd_nxt - p->iss, p->snd_end - p->iss,
			p->snd_wnd, p->snd_mss, p->cwnd, p->ssthresh, p->packets_out, p->sacked_out,
			p->lost_out, p->retrans_out, p->ca_state, p->snd_bufs, p->rexmit_kind,
			timer_armed(&p->rexmit),
			(long)(p->rexmit.expires - f->sim->now) / (long)SIM_MS, p->backoff,
			p->rto_us, p->rcv_nxt - p->irs, p->rcv_adv - p->irs, p->rcvq_bytes,
			p->rcv_bufs, p->ooo_head != NULL, p->rcvbuf, p->fin_known, p->fin_seen,
			p->ack_owed);
	}
}

bool sim_all_returned(struct sim *s)
{
	uint64_t end = s->now + 1500 * SIM_S; /* an orphan may try for long */
	int i;

	while (sim_step(s, end))
		;
	for (i = 0; i < 2; i++) {
		struct sim_host *h = &s->host[i];

		if (h->pool.avail != h->pool.count || h->st->tcp_pcbs.used || h->st->sockets.used ||
		    h->st->timers.armed) {
			fprintf(stderr,
				"host %d: %u buffers, %u blocks, %u sockets, %u timers left\n", i,
				h->pool.count - h->pool.avail, h->st->tcp_pcbs.used,
				h->st->sockets.used, h->st->timers.armed);
			return false;
		}
	}
	return true;
}
