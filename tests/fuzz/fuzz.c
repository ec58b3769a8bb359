/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/fuzz.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tests/tcpip/tcp_check.h"

#define ARENA_SIZE (4u << 20)
#define PKTBUFS	   192u
#define SOCKETS	   32u

struct stack *fz;
uint64_t fz_in, fz_out;
struct tcp_hdr fz_last;
uint8_t fz_udp[FUZZ_UDP];
uint32_t fz_us, fz_peer;
bool net_v6;
uint8_t net_tos;
void (*net_heard)(const struct tcp_hdr *h);

static const uint8_t us6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
static const uint8_t peer6[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
static uint64_t counted[2][CNT_COUNT]; /* by net_v6 */
static struct pktbuf headers[PKTBUFS];
static uint8_t *buffers[PKTBUFS]; /* one allocation each: the sanitizer sees their ends */
static struct pktbuf_pool pool;
static struct arena arena;
static struct port port;

_Noreturn void fuzz_abort(const char *what)
{
	fprintf(stderr, "fuzz: not so: %s\n", what);
	abort();
}

/* ---- input ---- */

uint8_t in8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

uint16_t in16(struct input *in)
{
	uint16_t hi = in8(in);

	return (uint16_t)(hi << 8 | in8(in));
}

uint32_t in32(struct input *in)
{
	uint32_t hi = in16(in);

	return hi << 16 | in16(in);
}

size_t in_bytes(struct input *in, uint8_t *to, size_t n)
{
	if (n > in->left)
		n = in->left;
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
	return n;
}

/* ---- the port: what the stack sends must be well formed ---- */

static int start(struct port *p)
{
	p->link_up = true;
	return 0;
}

static void stop(struct port *p)
{
	(void)p;
}

static unsigned rx(struct port *p, struct pktbuf **batch, unsigned max)
{
	(void)p;
	(void)batch;
	(void)max;
	return 0;
}

static void check_tcp(const uint8_t *p, size_t len)
{
	FUZZ_MUST(tcp_parse(&fz_last, p, len) == 0);
	if (net_heard)
		net_heard(&fz_last);
}

static void check_ip(const uint8_t *p, size_t len)
{
	struct ip4_hdr ip;
	size_t n;
	uint64_t pseudo;

	FUZZ_MUST(ip4_parse(&ip, p, len) == 0);
	FUZZ_MUST(ip.total_len == len && len <= port.mtu);
	FUZZ_MUST(csum_fold(csum_add(0, p, ip.hdr_len)) == 0);
	if (ip.frag_off || ip.mf)
		return;
	n = len - ip.hdr_len;
	p += ip.hdr_len;
	pseudo = csum_pseudo4(ip.src, ip.dst, ip.protocol, (uint16_t)n);
	if (ip.protocol == IPPROTO_TCP) {
		check_tcp(p, n);
		FUZZ_MUST(csum_fold(csum_add(pseudo, p, n)) == 0);
	} else if (ip.protocol == IPPROTO_UDP) {
		memcpy(fz_udp, p, n < FUZZ_UDP ? n : FUZZ_UDP);
		FUZZ_MUST(csum_fold(csum_add(pseudo, p, n)) == 0);
	} else if (ip.protocol == IPPROTO_ICMP) {
		FUZZ_MUST(csum_fold(csum_add(0, p, n)) == 0);
	}
}

static void check_ip6(const uint8_t *p, size_t len)
{
	struct ip6_hdr h;
	struct ip6_ext e;

	FUZZ_MUST(ip6_parse(&h, p, len) == 0 && ip6_walk(&e, &h, p, len) == 0);
	FUZZ_MUST(h.payload_len + IP6_HDR_LEN == len && len <= port.mtu);
	FUZZ_MUST(!ip6_is_multicast(h.src) && !ip6_is_unspecified(h.dst));
	p += IP6_HDR_LEN + e.len;
	len -= IP6_HDR_LEN + e.len;
	if (e.fragment) { /* the checksum is the datagram's */
		FUZZ_MUST(e.next == IP6_UDP || e.next == IP6_ICMP);
		FUZZ_MUST(len > 0 && (e.more ? len % 8 == 0 : e.frag_off > 0));
		return;
	}
	if (e.next == IP6_TCP)
		check_tcp(p, len);
	if (e.next == IP6_TCP || e.next == IP6_UDP || e.next == IP6_ICMP)
		FUZZ_MUST(csum_fold(csum_add(csum_pseudo6(h.src, h.dst, e.next, (uint32_t)len), p,
					     len)) == 0);
}

static void check_frame(const struct port *p, const uint8_t *at, size_t len)
{
	struct eth_hdr eth;

	FUZZ_MUST(eth_parse(&eth, at, len) == 0);
	FUZZ_MUST(memcmp(eth.src, p->mac, 6) == 0);
	fz_out += len;
	if (eth.type == ETH_TYPE_IP4)
		check_ip(at + ETH_HDR_LEN, len - ETH_HDR_LEN);
	else if (eth.type == ETH_TYPE_IP6)
		check_ip6(at + ETH_HDR_LEN, len - ETH_HDR_LEN);
}

/* Of an even length each but the last, and none empty. */
static void check_pieces(const struct port *p, const struct pktbuf *frame)
{
	static uint8_t whole[ETH_HDR_LEN + PORT_MTU_MAX];
	size_t len = 0;

	FUZZ_MUST(p->caps & PORT_CAP_PIECES && pktbuf_total(frame) <= sizeof(whole));
	for (; frame; frame = frame->more) {
		FUZZ_MUST(frame->len && (!frame->more || frame->len % 2 == 0));
		memcpy(whole + len, pktbuf_data(frame), frame->len);
		len += frame->len;
	}
	check_frame(p, whole, len);
}

static unsigned tx(struct port *p, struct pktbuf **batch, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (batch[i]->more)
			check_pieces(p, batch[i]);
		else
			check_frame(p, pktbuf_data(batch[i]), batch[i]->len);
		pktbuf_free(batch[i]);
	}
	return n;
}

static bool pending(struct port *p)
{
	(void)p;
	return false;
}

static const struct port_ops ops = {
	.name = "fuzz",
	.start = start,
	.stop = stop,
	.rx = rx,
	.tx = tx,
	.pending = pending,
	.watch = pending,
};

static uint64_t no_clock(void)
{
	return 0;
}

/* ---- the net ---- */

static void know_peer(void)
{
	uint8_t frame[ETH_HDR_LEN + ARP_LEN];
	struct eth_hdr eth = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_ARP};
	struct arp_msg m = {.op = 1, .sha = {2, 0, 0, 0, 0, 9}, .spa = fz_peer, .tpa = fz_us};

	memcpy(eth.dst, port.mac, 6);
	eth_build(frame, &eth);
	arp_build(frame + ETH_HDR_LEN, &m);
	net_frame(frame, sizeof(frame));
}

static void make_pool(void)
{
	static uint8_t none[1];
	unsigned i;

	pktbuf_pool_init(&pool, headers, none, 0, PKTBUFS);
	for (i = 0; i < PKTBUFS; i++) {
		if (!buffers[i])
			buffers[i] = malloc(PKTBUF_SIZE);
		headers[i].buf = buffers[i];
	}
}

void net_open(void)
{
	static const uint8_t us[4] = {10, 0, 0, 1}, peer[4] = {10, 0, 0, 9};
	struct stack_conf conf = {.max_sockets = SOCKETS,
				  .max_pcbs = SOCKETS,
				  .pool = &pool,
				  .now = 1000 * FUZZ_S,
				  .seed = {1, 2, 3}};
	struct ip_addr a = {.family = AF_INET, .prefix = 24, .bytes = {10, 0, 0, 1}};
	struct ip_addr all = {.family = AF_INET};
	struct ip_addr gw = {.family = AF_INET, .bytes = {10, 0, 0, 254}};

	memcpy(&fz_us, us, 4);
	memcpy(&fz_peer, peer, 4);
	if (!arena.base)
		arena.base = malloc(ARENA_SIZE);
	arena.size = ARENA_SIZE;
	arena.used = 0; /* arena_take clears what it gives */
	make_pool();
	net_v6 = false;
	net_tos = 0;
	net_heard = NULL;
	fz = stack_create(&arena, &conf);
	FUZZ_MUST(fz != NULL);
	memset(&port, 0, sizeof(port));
	port.pool = &pool;
	port.clock_ns = no_clock;
	FUZZ_MUST(port_start(&port, &ops, NULL) == 0);
	port.mac[0] = 2;
	port.mac[5] = 1;
	port.mtu = 1500;
	stack_port_add(fz, &port);
	FUZZ_MUST(stack_addr_add(fz, &port, &a) == 0);
	FUZZ_MUST(stack_route_add(fz, &all, &gw, &port, 0) == 0);
	know_peer();
	net_flush();
	fz_in = fz_out = 0;
	memset(&fz_last, 0, sizeof(fz_last));
}

static void check(void)
{
	const char *bad = tcp_check_all(fz);

	if (bad)
		fuzz_abort(bad);
}

/* Frames that come in one batch with the next, as from a ring. */
#define BATCH 32u
static struct pktbuf *held[BATCH];
static unsigned n_held;
bool net_hold;

static void hand_in(void)
{
	unsigned n = n_held;

	n_held = 0;
	if (n)
		stack_input(fz, &port, held, n);
}

void net_flush(void)
{
	hand_in();
	stack_output(fz);
	port_flush(&port);
	check();
}

/* A timer that sets itself again without end would hold the time still. */
void net_pass(uint64_t ns)
{
	uint64_t now = fz->now, end = now + ns, next;
	unsigned steps = 0;

	hand_in();
	while ((next = stack_deadline(fz)) <= end) {
		FUZZ_MUST(++steps < 200000);
		if (next > now)
			now = next;
		stack_set_now(fz, now);
		while (stack_timers(fz, 64))
			;
		net_flush();
	}
	stack_set_now(fz, end);
	net_flush();
}

struct socket *net_sock(uint32_t i)
{
	struct socket *so = i < fz->sockets.high ? pool_at(&fz->sockets, i) : NULL;

	return so && so->kind ? so : NULL;
}

void net_close(void)
{
	uint32_t i;

	for (i = 0; i < SOCKETS; i++)
		if (net_sock(i))
			sock_close(net_sock(i));
	net_flush();
	net_pass(600 * FUZZ_S);
	FUZZ_MUST(fz->sockets.used == 0);
	if (fz->tcp_pcbs.used) /* a send buffer at a byte a second: SO_MAX_PACING_RATE */
		net_pass(1000000 * FUZZ_S);
	FUZZ_MUST(fz->tcp_pcbs.used == 0);
	FUZZ_MUST(pool.avail == pool.count);
	for (i = 0; i < CNT_COUNT; i++)
		counted[net_v6][i] += fz->counters[i];
	port_stop(&port);
	net_hold = false;
}

/* ---- frames ---- */

/* Each piece ends where its allocation does. */
static struct pktbuf *piece_of(const uint8_t *bytes, size_t len)
{
	struct pktbuf *p = pktbuf_alloc(&pool);

	if (!p)
		return NULL;
	p->off = (uint16_t)(PKTBUF_SIZE - len);
	p->len = (uint16_t)len;
	if (len)
		memcpy(pktbuf_data(p), bytes, len);
	return p;
}

void net_frame_in_pieces(const uint8_t *frame, size_t len, size_t piece)
{
	struct pktbuf *p = NULL, **at = &p;
	size_t done = 0, n;

	fz_in += len;
	do {
		n = len - done < piece ? len - done : piece;
		*at = piece_of(frame + done, n);
		if (!*at) {
			if (p)
				pktbuf_free(p);
			return;
		}
		at = &(*at)->more;
		done += n;
	} while (done < len);
	held[n_held++] = p;
	if (!net_hold || n_held == BATCH)
		net_flush();
}

void net_frame(const uint8_t *frame, size_t len)
{
	if (len > PKTBUF_SIZE - PKTBUF_HEADROOM)
		len = PKTBUF_SIZE - PKTBUF_HEADROOM;
	net_frame_in_pieces(frame, len, len);
}

static void put_sum(uint8_t *l4, size_t len, size_t at, uint64_t pseudo)
{
	uint16_t sum;

	if (len < at + 2)
		return;
	l4[at] = l4[at + 1] = 0;
	sum = csum_fold(csum_add(pseudo, l4, len));
	memcpy(l4 + at, &sum, 2);
}

void net_fix(uint8_t *frame, size_t len, unsigned what)
{
	uint8_t *ip = frame + ETH_HDR_LEN;
	size_t n, hdr;
	uint32_t src, dst;
	uint64_t pseudo;
	uint16_t sum;

	if (len < ETH_HDR_LEN + IP4_HDR_LEN || wire_get16(frame + 12) != ETH_TYPE_IP4)
		return;
	if (what & FIX_TO_US) {
		memcpy(frame, port.mac, 6);
		memcpy(ip + 12, &fz_peer, 4);
		memcpy(ip + 16, &fz_us, 4);
	}
	if (what & FIX_IP) {
		n = len - ETH_HDR_LEN;
		ip[0] = (uint8_t)(0x40 | (ip[0] & 15));
		if ((ip[0] & 15) < 5 || (size_t)(ip[0] & 15) * 4 > n)
			ip[0] = 0x45;
		if (wire_get16(ip + 2) > n || wire_get16(ip + 2) < (ip[0] & 15) * 4)
			wire_put16(ip + 2, (uint16_t)n);
	}
	hdr = (size_t)(ip[0] & 15) * 4;
	n = wire_get16(ip + 2);
	if (n > len - ETH_HDR_LEN || n < hdr || hdr < IP4_HDR_LEN)
		return;
	memcpy(&src, ip + 12, 4);
	memcpy(&dst, ip + 16, 4);
	pseudo = csum_pseudo4(src, dst, ip[9], (uint16_t)(n - hdr));
	if ((what & FIX_L4) && !(wire_get16(ip + 6) & 0x3fff)) {
		if (ip[9] == IPPROTO_TCP)
			put_sum(ip + hdr, n - hdr, 16, pseudo);
		else if (ip[9] == IPPROTO_UDP)
			put_sum(ip + hdr, n - hdr, 6, pseudo);
		else if (ip[9] == IPPROTO_ICMP || ip[9] == IPPROTO_IGMP)
			put_sum(ip + hdr, n - hdr, 2, 0);
	}
	if (what & FIX_IP) {
		ip[10] = ip[11] = 0;
		sum = csum_fold(csum_add(0, ip, hdr));
		memcpy(ip + 10, &sum, 2);
	}
}

static void ip6_from_peer(uint8_t next, const uint8_t *l4, size_t len)
{
	uint8_t frame[PKTBUF_SIZE] = {0}, *at = frame + ETH_HDR_LEN + IP6_HDR_LEN;
	struct eth_hdr eth = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_IP6};
	struct ip6_hdr ip = {.tclass = net_tos, .next = next, .hop_limit = 255};

	FUZZ_MUST(len <= PKTBUF_SIZE - PKTBUF_HEADROOM - ETH_HDR_LEN - IP6_HDR_LEN);
	memcpy(eth.dst, port.mac, 6);
	memcpy(ip.src, peer6, 16);
	memcpy(ip.dst, us6, 16);
	ip.payload_len = (uint16_t)len;
	eth_build(frame, &eth);
	ip6_build(frame + ETH_HDR_LEN, &ip);
	memcpy(at, l4, len);
	put_sum(at, len,
		next == IP6_TCP	  ? 16
		: next == IP6_UDP ? 6
				  : 2,
		csum_pseudo6(ip.src, ip.dst, next, (uint32_t)len));
	net_frame(frame, ETH_HDR_LEN + IP6_HDR_LEN + len);
}

void net_wide(void)
{
	port.mtu = PORT_MTU_MAX;
	port.caps |= PORT_CAP_PIECES;
}

void net_ip6(void)
{
	struct stack_ip6_conf conf = {.secret = {7}, .dad_transmits = 1, .accept_ra = true};
	struct ip_addr a = {.family = AF_INET6, .prefix = 64};

	memcpy(a.bytes, us6, 16);
	FUZZ_MUST(stack_ip6_up(fz, &port, &conf) == 0);
	FUZZ_MUST(stack_addr_add(fz, &port, &a) == 0);
	net_pass(20 * FUZZ_S); /* it is ours, routers were asked for */
	fz_in = fz_out = 0;
}

/* The neighbour asks for our MAC address, and so tells its own. */
static void know_peer6(void)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true, .slla = {2, 0, 0, 0, 0, 9}};
	uint8_t l4[64];

	memcpy(m.target, us6, 16);
	ip6_from_peer(IP6_ICMP, l4, nd_build(l4, &m));
}

void net_use_ip6(void)
{
	net_ip6();
	know_peer6();
	net_v6 = true;
}

void net_ip(uint8_t protocol, const uint8_t *l4, size_t len)
{
	uint8_t frame[PKTBUF_SIZE] = {0};
	struct eth_hdr eth = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_IP4};
	struct ip4_hdr ip = {
		.hdr_len = IP4_HDR_LEN, .ttl = 64, .protocol = protocol, .tos = net_tos};

	if (net_v6) {
		ip6_from_peer(protocol, l4, len);
		return;
	}
	FUZZ_MUST(len <= PKTBUF_SIZE - PKTBUF_HEADROOM - ETH_HDR_LEN - IP4_HDR_LEN);
	ip.total_len = (uint16_t)(IP4_HDR_LEN + len);
	eth_build(frame, &eth);
	ip4_build(frame + ETH_HDR_LEN, &ip);
	if (len)
		memcpy(frame + ETH_HDR_LEN + IP4_HDR_LEN, l4, len);
	len += ETH_HDR_LEN + IP4_HDR_LEN;
	net_fix(frame, len, FIX_TO_US | FIX_IP | FIX_L4);
	net_frame(frame, len);
}

/* ---- calls ---- */

struct sock_addr net_name(uint32_t ip, uint16_t portno)
{
	struct sock_addr a = {.family = AF_INET, .port = portno};

	memcpy(a.addr, &ip, 4);
	return a;
}

struct sock_addr net_at(bool neighbour, uint16_t portno)
{
	struct sock_addr a = net_name(neighbour ? fz_peer : 0, portno);

	if (!net_v6)
		return a;
	a.family = AF_INET6;
	memset(a.addr, 0, 4);
	if (neighbour)
		memcpy(a.addr, peer6, 16);
	return a;
}

int64_t net_send(struct socket *so, uint32_t len, const struct sock_addr *to, int flags)
{
	struct pktbuf *list, *p;
	int64_t n = sock_send_reserve(so, len, to, flags, &list);
	uint64_t sum = 0;

	if (n < 0)
		return n;
	for (p = list; p; p = p->next) {
		FUZZ_MUST(p->len <= PKTBUF_SIZE - p->off);
		if (p->len)
			memset(pktbuf_data(p), 0x5a, p->len);
		sum += p->len;
	}
	FUZZ_MUST(!list || sum == (uint64_t)n);
	n = sock_send_commit(so, list, (uint64_t)n, to, flags);
	net_flush();
	return n;
}

int64_t net_recv(struct socket *so, uint32_t len, int flags)
{
	struct sock_slice slices[SOCK_SLICES];
	struct sock_addr from;
	uint64_t full, sum = 0;
	unsigned n = 0, i;
	volatile uint8_t last;
	int64_t r = sock_recv_take(so, len, flags, slices, &n, &from, &full);

	for (i = 0; i < n; i++) {
		sum += slices[i].len;
		if (slices[i].len)
			last = slices[i].data[slices[i].len - 1];
	}
	(void)last;
	FUZZ_MUST(r < 0 || sum == (uint64_t)r);
	FUZZ_MUST(r <= (int64_t)len);
	if (n)
		sock_recv_done(so, slices, n);
	net_flush();
	return r;
}

/* ---- what was reached ---- */

void net_counts(void)
{
	static const char *const names[] = {
#define X(name) #name,
		STACK_COUNTERS(X)
#undef X
	};
	unsigned v6, i;

	for (v6 = 0; v6 < 2; v6++)
		for (i = 0; i < CNT_COUNT; i++)
			if (counted[v6][i])
				printf("%c %s %llu\n", v6 ? '6' : '4', names[i],
				       (unsigned long long)counted[v6][i]);
}
