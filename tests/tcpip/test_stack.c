/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/test_stack.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/test_memory.h"

#define ARENA_SIZE (24u << 20)

uint32_t ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	uint8_t bytes[4] = {(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d};
	uint32_t addr;

	memcpy(&addr, bytes, 4);
	return addr;
}

void mac_of(uint32_t addr, uint8_t mac[6])
{
	mac[0] = 2;
	mac[1] = 0xaa;
	memcpy(mac + 2, &addr, 4);
}

static void ready(void *arg, uint32_t id, uint32_t events, bool wake)
{
	struct desk *d = arg;

	d->ready_id = id;
	d->ready_events = events;
	d->readies++;
	d->wakes += wake;
}

static void signal_owed(void *arg)
{
	((struct desk *)arg)->signals++;
}

static void add_addr(struct desk *d, unsigned port, uint32_t addr)
{
	struct ip_addr a = {.family = AF_INET, .prefix = 24};

	memcpy(a.bytes, &addr, 4);
	ck_assert_int_eq(stack_addr_add(d->st, &d->port[port].port, &a), 0);
}

void desk_open_with(struct desk *d, uint32_t caps, uint32_t pktbufs)
{
	struct stack_conf conf = {.max_sockets = 256, .max_pcbs = 256};
	unsigned i;

	memset(d, 0, sizeof(*d));
	d->now = 1000 * SEC_NS;
	d->headers = test_memory(pktbufs * sizeof(struct pktbuf));
	d->data = test_memory(pktbufs * PKTBUF_SIZE);
	d->arena.base = test_memory(ARENA_SIZE);
	d->arena.size = ARENA_SIZE;
	pktbuf_pool_init(&d->pool, d->headers, d->data, 0, pktbufs);
	conf.env.ready = ready;
	conf.env.signal = signal_owed;
	conf.env.arg = d;
	conf.pool = &d->pool;
	conf.now = d->now;
	for (i = 0; i < sizeof(conf.seed); i++)
		conf.seed[i] = (uint8_t)i;
	d->st = stack_create(&d->arena, &conf);
	ck_assert_ptr_nonnull(d->st);
	for (i = 0; i < DESK_PORTS; i++) {
		test_port_open(&d->port[i], &d->pool, i, i == 0 ? caps : 0, &d->now);
		stack_port_add(d->st, &d->port[i].port);
	}
	add_addr(d, 0, ip(10, 0, 0, 1));
	add_addr(d, 1, ip(192, 168, 5, 1));
}

void desk_open_caps(struct desk *d, uint32_t caps)
{
	desk_open_with(d, caps, DESK_PKTBUFS);
}

void desk_open(struct desk *d)
{
	desk_open_caps(d, 0);
}

void desk_close(struct desk *d)
{
	uint32_t i;
	struct socket *so;

	for (i = 0; i < 256; i++) /* ids of the first generations are enough: tests are short */
		for (uint32_t gen = 1; gen < 64; gen++) {
			so = sock_get(d->st, gen << 15 | i);
			if (so)
				sock_close(so);
		}
	desk_flush(d);
	for (i = 0; i < DESK_PORTS; i++) {
		stack_port_del(d->st, &d->port[i].port);
		test_port_close(&d->port[i]);
	}
	ck_assert_msg(d->pool.avail == d->pool.count, "%u buffers lost",
		      d->pool.count - d->pool.avail);
	test_memory_free(d->headers, d->pool.count * sizeof(struct pktbuf));
	test_memory_free(d->data, d->pool.count * PKTBUF_SIZE);
	test_memory_free(d->arena.base, ARENA_SIZE);
}

void desk_flush(struct desk *d)
{
	unsigned i;

	stack_output(d->st);
	for (i = 0; i < DESK_PORTS; i++)
		port_flush(&d->port[i].port);
}

void desk_pass(struct desk *d, uint64_t ns)
{
	uint64_t end = d->now + ns, next;

	for (;;) {
		next = stack_deadline(d->st);
		if (next > end)
			break;
		if (next > d->now)
			d->now = next;
		stack_set_now(d->st, d->now);
		while (stack_timers(d->st, 64))
			;
		desk_flush(d);
	}
	d->now = end;
	stack_set_now(d->st, d->now);
	stack_timers(d->st, 64);
	desk_flush(d);
}

void desk_wide(struct desk *d)
{
	d->port[0].port.mtu = 9000;
	d->port[0].port.caps |= PORT_CAP_PIECES;
}

struct pktbuf *desk_pieces(struct desk *d, const void *frame, size_t len)
{
	struct pktbuf *p = NULL, **at = &p;
	const uint8_t *from = frame;
	size_t left = len;

	do {
		*at = pktbuf_alloc(&d->pool);
		ck_assert_ptr_nonnull(*at);
		(*at)->len = pktbuf_tailroom(*at);
		if (left < (*at)->len)
			(*at)->len = (uint16_t)left;
		memcpy(pktbuf_data(*at), from, (*at)->len);
		from += (*at)->len;
		left -= (*at)->len;
		at = &(*at)->more;
	} while (left);
	return p;
}

void desk_frame(struct desk *d, unsigned port, const void *frame, size_t len)
{
	struct pktbuf *p = desk_pieces(d, frame, len);

	stack_input(d->st, &d->port[port].port, &p, 1);
	desk_flush(d);
}

void desk_arp(struct desk *d, unsigned op, uint32_t spa, uint32_t tpa)
{
	uint8_t frame[60] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_ARP};
	struct arp_msg m = {.op = (uint16_t)op, .spa = spa, .tpa = tpa};

	mac_of(spa, m.sha);
	memcpy(e.src, m.sha, 6);
	if (op == 1)
		memset(e.dst, 0xff, 6);
	else
		memcpy(e.dst, d->port[0].port.mac, 6);
	if (op == 2)
		memcpy(m.tha, d->port[0].port.mac, 6);
	eth_build(frame, &e);
	arp_build(frame + ETH_HDR_LEN, &m);
	desk_frame(d, 0, frame, sizeof(frame));
}

void desk_know(struct desk *d, uint32_t addr)
{
	desk_arp(d, 1, addr, ip(10, 0, 0, 1));
	desk_drop_sent(d, 0);
}

void desk_ip4(struct desk *d, const struct ip4_hdr *h, const void *l4, size_t len)
{
	uint8_t frame[TEST_FRAME_MAX] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_IP4};
	struct ip4_hdr out = *h;
	size_t at = 0;

	if (!(d->port[0].port.caps & PORT_CAP_RAW_IP)) {
		mac_of(h->src, e.src);
		if (h->dst == ip(10, 0, 0, 255) || h->dst == ip(255, 255, 255, 255))
			memset(e.dst, 0xff, 6);
		else
			memcpy(e.dst, d->port[0].port.mac, 6);
		eth_build(frame, &e);
		at = ETH_HDR_LEN;
	}
	out.total_len = (uint16_t)(IP4_HDR_LEN + len);
	if (out.ttl == 0)
		out.ttl = 64;
	ip4_build(frame + at, &out);
	if (len)
		memcpy(frame + at + IP4_HDR_LEN, l4, len);
	desk_frame(d, 0, frame, at + IP4_HDR_LEN + len);
}

void desk_udp(struct desk *d, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
	      const void *payload, size_t len)
{
	uint8_t l4[TEST_FRAME_MAX];
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = src, .dst = dst};
	struct udp_hdr u = {.sport = sport, .dport = dport, .len = (uint16_t)(len + UDP_HDR_LEN)};
	uint16_t sum;

	udp_build(l4, &u);
	if (len)
		memcpy(l4 + UDP_HDR_LEN, payload, len);
	sum = csum_fold(csum_add(csum_pseudo4(src, dst, IPPROTO_UDP, u.len), l4, u.len));
	memcpy(l4 + 6, &sum, 2);
	desk_ip4(d, &h, l4, u.len);
}

void desk_icmp(struct desk *d, uint32_t src, uint32_t dst, const struct icmp_hdr *h,
	       const void *payload, size_t len)
{
	uint8_t l4[TEST_FRAME_MAX];
	struct ip4_hdr iph = {.protocol = IPPROTO_ICMP, .src = src, .dst = dst};
	uint16_t sum;

	icmp_build(l4, h);
	if (len)
		memcpy(l4 + ICMP_HDR_LEN, payload, len);
	sum = csum_fold(csum_add(0, l4, ICMP_HDR_LEN + len));
	memcpy(l4 + 2, &sum, 2);
	desk_ip4(d, &iph, l4, ICMP_HDR_LEN + len);
}

static void read_l4(struct packet *pk)
{
	uint64_t pseudo = csum_pseudo4(pk->ip.src, pk->ip.dst, pk->ip.protocol, pk->l4_len);

	if (pk->ip.protocol == IPPROTO_UDP && udp_parse(&pk->udp, pk->l4, pk->l4_len) == 0) {
		pk->payload = pk->l4 + UDP_HDR_LEN;
		pk->payload_len = (uint16_t)(pk->l4_len - UDP_HDR_LEN);
		pk->csum_ok &= csum_fold(csum_add(pseudo, pk->l4, pk->l4_len)) == 0;
	} else if (pk->ip.protocol == IPPROTO_ICMP &&
		   icmp_parse(&pk->icmp, pk->l4, pk->l4_len) == 0) {
		pk->payload = pk->l4 + ICMP_HDR_LEN;
		pk->payload_len = (uint16_t)(pk->l4_len - ICMP_HDR_LEN);
		pk->csum_ok &= csum_fold(csum_add(0, pk->l4, pk->l4_len)) == 0;
	} else if (pk->ip.protocol == IPPROTO_TCP) {
		pk->csum_ok &= csum_fold(csum_add(pseudo, pk->l4, pk->l4_len)) == 0;
	}
}

bool desk_sent(struct desk *d, unsigned port, struct packet *pk)
{
	const struct test_frame *f = test_port_sent(&d->port[port]);
	size_t at = 0;

	memset(pk, 0, sizeof(*pk));
	if (!f)
		return false;
	pk->eth.type = ETH_TYPE_IP4;
	if (!(d->port[port].port.caps & PORT_CAP_RAW_IP)) {
		ck_assert_int_eq(eth_parse(&pk->eth, f->data, f->len), 0);
		at = ETH_HDR_LEN;
	}
	pk->l3 = f->data + at;
	if (pk->eth.type == ETH_TYPE_ARP) {
		ck_assert_int_eq(arp_parse(&pk->arp, pk->l3, f->len - at), 0);
		return true;
	}
	ck_assert_int_eq(ip4_parse(&pk->ip, pk->l3, f->len - at), 0);
	ck_assert_uint_eq(pk->ip.total_len, f->len - at);
	pk->csum_ok = csum_fold(csum_add(0, pk->l3, pk->ip.hdr_len)) == 0;
	pk->l4 = pk->l3 + pk->ip.hdr_len;
	pk->l4_len = (uint16_t)(pk->ip.total_len - pk->ip.hdr_len);
	read_l4(pk);
	return true;
}

unsigned desk_neighbours(struct desk *d, struct neigh_row *last)
{
	uint32_t cursor = 0;
	unsigned n = 0;

	while (stack_neigh_row(d->st, &cursor, last))
		n++;
	return n;
}

unsigned desk_drop_sent(struct desk *d, unsigned port)
{
	unsigned n = 0;

	while (test_port_sent(&d->port[port]))
		n++;
	return n;
}

struct socket *desk_socket(struct desk *d, int type, int protocol)
{
	struct socket *so;

	ck_assert_int_eq(sock_create(d->st, AF_INET, type, protocol, 1, &so), 0);
	return so;
}

struct sock_addr name(uint32_t addr, uint16_t port)
{
	struct sock_addr a = {.family = AF_INET, .port = port};

	memcpy(a.addr, &addr, 4);
	return a;
}

int desk_bind(struct socket *so, uint32_t addr, uint16_t port)
{
	struct sock_addr a = name(addr, port);

	return sock_bind(so, &a);
}

int desk_connect(struct socket *so, uint32_t addr, uint16_t port)
{
	struct sock_addr a = name(addr, port);

	return sock_connect(so, &a);
}

int64_t desk_send(struct desk *d, struct socket *so, const void *data, size_t len,
		  const struct sock_addr *to)
{
	struct pktbuf *list, *p;
	const uint8_t *from = data;
	int64_t n = sock_send_reserve(so, len, to, 0, &list);

	if (n < 0)
		return n;
	for (p = list; p; p = p->next) {
		if (p->len)
			memcpy(pktbuf_data(p), from, p->len);
		from += p->len;
	}
	n = sock_send_commit(so, list, (uint64_t)n, to, 0);
	desk_flush(d);
	return n;
}

int64_t desk_recv(struct socket *so, void *data, size_t len, int flags, struct sock_addr *from,
		  uint64_t *full)
{
	struct sock_slice slices[SOCK_SLICES];
	uint64_t whole;
	uint8_t *to = data;
	unsigned n, i;
	int64_t r = sock_recv_take(so, len, flags, slices, &n, from, full ? full : &whole);

	for (i = 0; i < n; i++) {
		if (slices[i].len)
			memcpy(to, slices[i].data, slices[i].len);
		to += slices[i].len;
	}
	sock_recv_done(so, slices, n);
	return r;
}

uint64_t desk_count(const struct desk *d, const char *counter)
{
	uint64_t value;
	const char *n;
	uint32_t i;

	for (i = 0; (n = stack_counter(d->st, i, &value)); i++)
		if (strcmp(n, counter) == 0)
			return value;
	ck_abort_msg("no counter %s", counter);
	return 0;
}
