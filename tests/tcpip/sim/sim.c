/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/sim/sim.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "drivers/capture.h"
#include "tcpip/wire6.h"
#include "tests/tcpip/cut.h"
#include "tests/tcpip/splitmix.h"
#include "tests/tcpip/test_memory.h"

#define ARENA_SIZE (24u << 20)
#define SIM_SOCKS  256u

const uint8_t sim_net6[8] = {0x20, 1, 0xd, 0xb8};

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

static bool is_lost(struct sim *s, struct sim_line *line, const struct sim_path *path)
{
	if (path->bad_loss) {
		if (s->now - line->seen > SIM_S)
			line->bad = false; /* else who backs off would meet the same bad time */
		line->seen = s->now;
		line->bad ^= chance(s, line->bad ? path->turns_good : path->turns_bad);
		if (line->bad)
			return chance(s, path->bad_loss);
	}
	if (line->burst_left) {
		line->burst_left--;
		return true;
	}
	if (!chance(s, path->loss))
		return false;
	line->burst_left = path->burst ? path->burst - 1 : 0;
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

/* Congestion experienced, for who can hear of it. */
static bool mark(uint8_t *ip)
{
	uint16_t sum;

	if (ip[0] >> 4 == 6) {
		if (!(ip[1] & 0x30))
			return false;
		ip[1] |= 0x30;
		return true;
	}
	if (!(ip[1] & 3))
		return false;
	ip[1] |= 3;
	ip[10] = ip[11] = 0;
	sum = csum_fold(csum_add(0, ip, (ip[0] & 15) * 4u));
	memcpy(ip + 10, &sum, 2);
	return true;
}

/* The packet is the sim's from here on: at the hub, if that has a line to `to`, or there. */
static void put_on_wire(struct sim *s, const struct sim_path *path, struct sim_packet p,
			uint64_t leave)
{
	static const struct sim_path none;

	p.order = s->order++;
	p.at = leave + path->delay;
	if (path->jitter)
		p.at += sim_random(s) % path->jitter;
	if (chance(s, path->reorder))
		p.at += path->reorder_delay;
	if (path->strip)
		strip_options(p.bytes, p.len, path->strip);
	if (chance(s, path->corrupt))
		p.bytes[sim_below(s, p.len)] ^= (uint8_t)(1u << sim_below(s, 8));
	p.hub = path != &s->down[p.to] && memcmp(&s->down[p.to], &none, sizeof(none)) != 0;
	heap_put(s, p);
}

static struct sim_packet copy_of(const uint8_t *bytes, uint16_t len, int to)
{
	struct sim_packet p = {.to = (uint8_t)to, .len = len, .bytes = malloc(len)};

	if (!p.bytes)
		abort();
	memcpy(p.bytes, bytes, len);
	return p;
}

/* Whom it is for, or comes from; -1: nobody here. */
static int host_of(const struct sim *s, const uint8_t *ip, bool src)
{
	const uint8_t *a = ip[0] >> 4 == 6 ? ip + (src ? 8 : 24) : ip + (src ? 12 : 16);
	uint8_t n = ip[0] >> 4 == 6 ? a[15] : a[3];
	bool ours = ip[0] >> 4 == 6 ? memcmp(a, sim_net6, sizeof(sim_net6)) == 0
				    : memcmp(a, &s->host[0].ip, 3) == 0;

	return ours && n && n <= s->n_hosts ? n - 1 : -1;
}

/*
 * A router tells the sender, `at` ns, that it takes no more than `mtu` bytes. False: it does not,
 * as it may cut the packet up, which is as if it had let it pass.
 */
static bool too_big(struct sim *s, const struct sim_packet *p, uint32_t mtu, uint64_t at)
{
	bool v6 = p->bytes[0] >> 4 == 6;
	uint16_t hdr = v6 ? IP6_HDR_LEN : IP4_HDR_LEN, quote = hdr + 8;
	uint16_t n = ICMP_HDR_LEN + quote, sum;
	struct icmp_hdr icmp = {.type = v6 ? ICMP6_TOO_BIG : ICMP4_DEST_UNREACH,
				.code = v6 ? 0 : ICMP4_FRAG_NEEDED,
				.rest = mtu};
	uint8_t answer[2 * IP6_HDR_LEN + 2 * ICMP_HDR_LEN], *m = answer + hdr;
	struct ip6_hdr h6 = {.next = IP6_ICMP, .hop_limit = 64, .payload_len = n};
	struct ip4_hdr h4 = {.protocol = IPPROTO_ICMP, .ttl = 64, .total_len = hdr + n};
	struct sim_packet a;
	int to = host_of(s, p->bytes, true);

	if (to < 0 || p->len < quote || (!v6 && !(p->bytes[6] & 0x40)))
		return false;
	memcpy(h6.src, sim_net6, sizeof(sim_net6));
	h6.src[15] = 0xfe;
	memcpy(h6.dst, p->bytes + 8, 16);
	memcpy(&h4.dst, p->bytes + 12, 4);
	h4.src = (h4.dst & htonl(0xffffff00)) | htonl(0xfe);
	if (v6)
		ip6_build(answer, &h6);
	else
		ip4_build(answer, &h4);
	icmp_build(m, &icmp);
	memcpy(m + ICMP_HDR_LEN, p->bytes, quote);
	m[2] = m[3] = 0;
	sum = csum_fold(csum_add(v6 ? csum_pseudo6(h6.src, h6.dst, IP6_ICMP, n) : 0, m, n));
	memcpy(m + 2, &sum, 2);
	a = copy_of(answer, hdr + n, to);
	a.at = at;
	a.order = s->order++;
	heap_put(s, a);
	return true;
}

/* Frees the packet, or puts it on the way to where it goes. */
static void line_send(struct sim *s, struct sim_line *line, const struct sim_path *path,
		      struct sim_packet p)
{
	uint64_t take = path->rate ? (uint64_t)p.len * 8 * SIM_S / path->rate : 0, waits;
	uint32_t router = path->later && s->now >= path->later ? path->router_later : path->router;

	if (line->free < s->now)
		line->free = s->now;
	/* The queue is as long in bytes as that many full packets. */
	waits = take ? (line->free - s->now) / (12000 * SIM_S / path->rate) : 0;
	if (take && path->queue && waits >= path->queue) {
		line->dropped++;
		free(p.bytes);
		return;
	}
	if (path->mark && waits >= path->mark)
		line->marked += mark(p.bytes);
	line->free += take;
	if (router && p.len > router && too_big(s, &p, router, line->free + path->delay)) {
		line->too_big++;
		free(p.bytes);
		return;
	}
	if (is_lost(s, line, path) || (path->mtu && p.len > path->mtu)) {
		line->lost++;
		free(p.bytes);
		return;
	}
	if (chance(s, path->duplicate))
		put_on_wire(s, path, copy_of(p.bytes, p.len, p.to), line->free);
	put_on_wire(s, path, p, line->free);
}

/* What is for a group, or for nobody, comes to all others. */
static void transmit(void *host, const uint8_t *bytes, uint16_t len)
{
	struct sim_host *h = host;
	struct sim *s = h->sim;
	int from = (int)(h - s->host), to = host_of(s, bytes, false), i;

	h->sent++;
	if (s->tap && !s->tap(s, from, bytes, len))
		return;
	for (i = 0; i < (int)s->n_hosts; i++)
		if (to < 0 || to == from ? i != from : i == to)
			line_send(s, &h->up, &s->path[from], copy_of(bytes, len, i));
}

/* ---- hosts ---- */

static int link_start(struct port *port)
{
	const struct sim_host *h = port->priv;

	port->link_up = true;
	port->caps = PORT_CAP_RAW_IP | (port->mtu > PORT_MTU_WHOLE ? PORT_CAP_PIECES : 0);
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

static void transmit_pieces(struct sim_host *h, const struct pktbuf *p)
{
	uint8_t bytes[PORT_MTU_MAX];
	uint16_t len = 0;

	if (pktbuf_total(p) > sizeof(bytes))
		abort();
	for (; p; len += p->len, p = p->more)
		memcpy(bytes + len, pktbuf_data(p), p->len);
	transmit(h, bytes, len);
}

static unsigned link_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (batch[i]->flags & PKTBUF_TX_TSO) {
			cut_train(batch[i], 0, transmit, port->priv);
		} else if (batch[i]->more) {
			transmit_pieces(port->priv, batch[i]);
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

static void host_open(struct sim *s, int i)
{
	struct sim_host *h = &s->host[i];
	struct stack_conf conf = {.max_sockets = SIM_SOCKS, .max_pcbs = SIM_SOCKS};
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, (uint8_t)(i + 1)}};
	uint64_t seed = sim_random(s);

	h->sim = s;
	h->headers = test_memory(s->pktbufs * sizeof(struct pktbuf));
	h->data = test_memory((size_t)s->pktbufs * PKTBUF_SIZE);
	h->arena.base = test_memory(ARENA_SIZE);
	h->arena.size = ARENA_SIZE;
	pktbuf_pool_init(&h->pool, h->headers, h->data, 0, s->pktbufs);
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
	h->port.conf.mtu = s->mtu;
	if (port_start(&h->port, &link_ops, h) < 0)
		abort();
	h->port.mtu = s->mtu;
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
	s->pktbufs = pktbufs;
	s->mtu = mtu;
	sim_add_host(s);
	sim_add_host(s);
}

void sim_add_host(struct sim *s)
{
	if (s->n_hosts == SIM_HOSTS || s->family != AF_INET)
		abort();
	host_open(s, (int)s->n_hosts++);
}

static void host_ip6(struct sim_host *h, int i)
{
	struct stack_ip6_conf conf = {.secret = {(uint8_t)i}};
	struct ip_addr a = {.family = AF_INET6, .prefix = 64};

	memcpy(a.bytes, sim_net6, sizeof(sim_net6));
	a.bytes[15] = (uint8_t)(i + 1);
	if (stack_ip6_up(h->st, &h->port, &conf) < 0 || stack_addr_add(h->st, &h->port, &a) < 0)
		abort();
}

void sim_ip6(struct sim *s)
{
	int i;

	for (i = 0; i < (int)s->n_hosts; i++)
		host_ip6(&s->host[i], i);
	s->family = AF_INET6;
}

void sim_close(struct sim *s)
{
	uint32_t i;

	while (s->n)
		free(heap_take(s).bytes);
	free(s->heap);
	for (i = 0; i < s->n_hosts; i++) {
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
	uint32_t i;

	for (i = 0; i < s->n_hosts; i++) {
		stack_output(s->host[i].st);
		port_flush(&s->host[i].port);
	}
}

static void set_now(struct sim *s, uint64_t now)
{
	uint32_t i;

	if (now > s->now)
		s->now = now;
	for (i = 0; i < s->n_hosts; i++)
		stack_set_now(s->host[i].st, s->now);
}

/* In buffers of the host it is for; NULL: it has not as many. */
static struct pktbuf *receive(struct sim *s, struct sim_packet p)
{
	struct pktbuf *head = NULL, **at = &head, *b = NULL;
	uint16_t done = 0;

	while (done < p.len && (b = *at = pktbuf_alloc(&s->host[p.to].pool))) {
		b->len = pktbuf_tailroom(b);
		pktbuf_trim(b, p.len - done);
		memcpy(pktbuf_data(b), p.bytes + done, b->len);
		done += b->len;
		at = &b->more;
	}
	free(p.bytes);
	if (head && !b) {
		pktbuf_free(head);
		head = NULL;
	}
	return head;
}

static void deliver(struct sim *s, int to, struct pktbuf **batch, unsigned n)
{
	if (n)
		stack_input(s->host[to].st, &s->host[to].port, batch, n);
}

/* What comes at the same time comes in batches, as from a ring. */
static void deliver_due(struct sim *s)
{
	struct pktbuf *batch[SIM_HOSTS][PORT_BATCH], *b;
	unsigned n[SIM_HOSTS] = {0}, i;
	struct sim_packet p;

	while (s->n && s->heap[0].at <= s->now) {
		p = heap_take(s);
		if (p.hub) {
			line_send(s, &s->host[p.to].down, &s->down[p.to], p);
			continue;
		}
		b = receive(s, p);
		if (b)
			batch[p.to][n[p.to]++] = b;
		if (n[p.to] == PORT_BATCH) {
			deliver(s, p.to, batch[p.to], PORT_BATCH);
			n[p.to] = 0;
		}
	}
	for (i = 0; i < s->n_hosts; i++)
		deliver(s, (int)i, batch[i], n[i]);
}

void sim_inject(struct sim *s, int to, const uint8_t *bytes, uint16_t len)
{
	struct pktbuf *b = receive(s, copy_of(bytes, len, to));

	deliver(s, to, &b, b ? 1 : 0);
	sim_flush(s);
}

bool sim_step(struct sim *s, uint64_t until)
{
	uint64_t next = s->n ? s->heap[0].at : UINT64_MAX, d;
	uint32_t i;

	for (i = 0; i < s->n_hosts; i++) {
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
	for (i = 0; i < s->n_hosts; i++)
		(void)stack_timers(s->host[i].st, 64);
	sim_flush(s);
	return true;
}

bool sim_all_returned(struct sim *s)
{
	uint64_t end = s->now + 1500 * SIM_S; /* an orphan may try for long */
	uint32_t i;

	while (sim_step(s, end))
		;
	for (i = 0; i < s->n_hosts; i++) {
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
