/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of IPv6: extension headers, fragments, ICMPv6, neighbour discovery, routers, MLD, UDP and
 * TCP; addresses, lengths and checksums made right where a record says so. A stream listens,
 * datagram sockets send and are members of groups.
 *
 *	input: records: what, then the record's own
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS 100

enum { TO_US = 1, LENGTH = 2, SUM = 4, HOPS = 8 };

static struct socket *udp, *connected;

/* By a byte: of ours, of the neighbour, of many, of anybody. */
static void address(uint8_t out[16], uint8_t which)
{
	static const uint8_t known[][16] = {
		{0x20, 1, 0xd, 0xb8, [15] = 1},
		{0x20, 1, 0xd, 0xb8, [15] = 9},
		{0xfe, 0x80, [15] = 9},
		{0xff, 2, [15] = 1},
		{0xff, 2, [11] = 1, 0xff, [15] = 1},
		{0xff, 5, [15] = 0x42},
		{0x20, 1, 0xd, 0xb9, [15] = 9},
		{0},
	};

	memcpy(out, known[which % 8], 16);
	if (which & 0x80)
		out[14] = which;
}

static struct sock_addr name(uint8_t which, uint16_t portno)
{
	struct sock_addr a = {.family = AF_INET6, .port = portno, .scope = 1};

	address(a.addr, which);
	return a;
}

static void sockets(void)
{
	struct sock_addr any = {.family = AF_INET6, .port = 53}, peer = name(1, 5353);
	struct ipv6_mreq group = {.ipv6mr_multiaddr.s6_addr = {0xff, 5, [15] = 0x42}};
	struct socket *tcp;
	int on = 1;

	FUZZ_MUST(sock_create(fz, AF_INET6, SOCK_DGRAM, 0, 1, &udp) == 0);
	FUZZ_MUST(sock_bind(udp, &any) == 0);
	(void)sock_setopt(udp, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group));
	FUZZ_MUST(sock_create(fz, AF_INET6, SOCK_DGRAM, 0, 1, &connected) == 0);
	(void)sock_setopt(connected, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	FUZZ_MUST(sock_connect(connected, &peer) == 0);
	FUZZ_MUST(sock_create(fz, AF_INET6, SOCK_STREAM, 0, 1, &tcp) == 0);
	any.port = 80;
	FUZZ_MUST(sock_bind(tcp, &any) == 0 && sock_listen(tcp, 8) == 0);
}

static void sum(const uint8_t *ip, size_t len)
{
	struct ip6_hdr h;
	struct ip6_ext e;
	uint8_t *l4;
	size_t n, at;
	uint16_t v;

	if (ip6_parse(&h, ip, len) < 0 || ip6_walk(&e, &h, ip, h.payload_len + IP6_HDR_LEN) < 0 ||
	    e.fragment)
		return;
	l4 = (uint8_t *)(uintptr_t)ip + IP6_HDR_LEN + e.len;
	n = h.payload_len - e.len;
	at = e.next == IP6_TCP ? 16 : e.next == IP6_UDP ? 6 : e.next == IP6_ICMP ? 2 : n;
	if (at + 2 > n)
		return;
	l4[at] = l4[at + 1] = 0;
	v = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, e.next, (uint32_t)n), l4, n));
	memcpy(l4 + at, &v, 2);
}

/* frame: room for an Ethernet header, then the packet; `len` of both. */
static void give(struct input *in, uint8_t *frame, size_t len, unsigned fix)
{
	uint8_t *ip = frame + ETH_HDR_LEN;

	if (len >= ETH_HDR_LEN + IP6_HDR_LEN) {
		static const uint8_t us[6] = {2, 0, 0, 0, 0, 1};

		wire_put16(frame + 12, ETH_TYPE_IP6);
		if (fix & TO_US) {
			address(ip + 8, in8(in));
			address(ip + 24, in8(in));
			memcpy(frame, us, 6);
			if (ip6_is_multicast(ip + 24))
				ip6_group_mac(frame, ip + 24);
			ip[0] = (uint8_t)(0x60 | (ip[0] & 15));
		}
		if (fix & LENGTH)
			wire_put16(ip + 4, (uint16_t)(len - ETH_HDR_LEN - IP6_HDR_LEN));
		if (fix & HOPS)
			ip[7] = 255;
		if (fix & SUM)
			sum(ip, len - ETH_HDR_LEN);
	}
	net_frame(frame, len);
}

/* Raw bytes, from the Ethernet header on. */
static void any_frame(struct input *in)
{
	uint8_t frame[PKTBUF_SIZE] = {0}, fix = in8(in);
	size_t len = in16(in) % 1600;

	(void)in_bytes(in, frame, len);
	give(in, frame, len, fix);
}

/* A message in a sound packet: the first byte of ICMPv6, ports of UDP and TCP are chosen. */
static void message(struct input *in)
{
	static const uint8_t types[] = {ICMP6_RA,      ICMP6_NS,      ICMP6_NA,	   ICMP6_MLD_QUERY,
					ICMP6_TOO_BIG, ICMP6_UNREACH, ICMP6_PARAM, ICMP6_ECHO_ASK};
	uint8_t frame[PKTBUF_SIZE] = {0}, kind = in8(in);
	uint8_t *ip = frame + ETH_HDR_LEN, *l4 = ip + IP6_HDR_LEN;
	size_t len = in8(in) * 2u;

	(void)in_bytes(in, l4, len);
	ip[6] = kind & 8 ? IP6_ICMP : kind & 16 ? IP6_UDP : IP6_TCP;
	if (ip[6] == IP6_ICMP && len >= 4) {
		l4[0] = types[kind % 8];
		l4[1] = kind & 32 ? l4[1] : 0;
	} else if (len >= 4) {
		wire_put16(l4 + 2, ip[6] == IP6_UDP ? 53 : 80);
	}
	if (ip[6] == IP6_UDP && len >= 6)
		wire_put16(l4 + 4, (uint16_t)len);
	give(in, frame, ETH_HDR_LEN + IP6_HDR_LEN + len, TO_US | LENGTH | SUM | HOPS);
}

/* A fragment, behind destination options now and then; offsets in units of 8. */
static void fragment(struct input *in)
{
	uint8_t frame[PKTBUF_SIZE] = {0}, what = in8(in);
	uint8_t *ip = frame + ETH_HDR_LEN, *f = ip + IP6_HDR_LEN;
	size_t n = in8(in) * 8u;

	ip[6] = IP6_FRAGMENT;
	if (what & 1) {
		ip[6] = IP6_DSTOPTS;
		f[0] = IP6_FRAGMENT;
		f[2] = 1; /* PadN */
		f[3] = 4;
		f += 8;
	}
	f[0] = what & 2 ? IP6_UDP : what & 4 ? IP6_DSTOPTS : IP6_ICMP;
	wire_put16(f + 2, in16(in) & 0x3ff9);
	f[7] = what >> 6;
	f += 8;
	if (n > 1400)
		n = 1400;
	(void)in_bytes(in, f, n < 24 ? n : 24);
	if (what & 8)
		n += 3; /* only the last may be of any length */
	give(in, frame, (size_t)(f - frame) + n, TO_US | LENGTH);
}

static void call(struct input *in)
{
	struct socket *so = in8(in) & 1 ? udp : connected;
	uint8_t what = in8(in);
	struct sock_addr to = name(in8(in), 9);
	int64_t n = net_send(so, in16(in), what & 1 ? &to : NULL, 0);

	if (n > 0)
		fz_in += (uint64_t)n + 100; /* asked for by the program */
	(void)net_recv(udp, 2000, 0);
	(void)net_recv(connected, 2000, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t what;
	unsigned n;

	net_open();
	net_ip6();
	sockets();
	for (n = 0; in.left && n < RECORDS; n++) {
		what = in8(&in);
		if (what < 80)
			any_frame(&in);
		else if (what < 160)
			message(&in);
		else if (what < 210)
			fragment(&in);
		else if (what < 240)
			call(&in);
		else
			net_pass(FUZZ_MS << in8(&in) % 16);
	}
	/* A router's message can make 16 addresses, each of which is asked for and joined. */
	FUZZ_MUST(fz_out <= 12 * fz_in + 100000);
	net_close();
	return 0;
}
