/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole frames, also in pieces: ARP, IP with options, fragments, ICMP, IGMP, UDP; lengths and
 *checksums made right where a record says so. Some sockets listen, some calls are made. The stack
 *may not send much more than it was sent.
 *
 *	input: records: what (fix bits, or a call), length, bytes
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"

#define RECORDS 100

static struct socket *udp, *connected, *echo;

static void sockets(void)
{
	struct sock_addr at = net_name(0, 53), peer = net_name(fz_peer, 5353);
	int on = 1;

	FUZZ_MUST(sock_create(fz, AF_INET, SOCK_DGRAM, 0, 1, &udp) == 0);
	FUZZ_MUST(sock_bind(udp, &at) == 0);
	FUZZ_MUST(sock_create(fz, AF_INET, SOCK_DGRAM, 0, 1, &connected) == 0);
	(void)sock_setopt(connected, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	FUZZ_MUST(sock_connect(connected, &peer) == 0);
	FUZZ_MUST(sock_create(fz, AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 1, &echo) == 0);
	at = net_name(0, 7);
	FUZZ_MUST(sock_bind(echo, &at) == 0);
}

/* A frame that no buffer holds, in pieces as a driver makes them, or not quite. */
static void in_pieces(struct input *in)
{
	static uint8_t frame[9018];
	uint8_t fix = in8(in) & 7, cut = in8(in);
	size_t len = in16(in) % sizeof(frame), piece = cut < 64 ? 2u + cut * 4u : 1920u - cut % 16;

	memset(frame, 0, sizeof(frame));
	(void)in_bytes(in, frame, len < 200 ? len : 200);
	net_fix(frame, len, fix);
	net_frame_in_pieces(frame, len, piece);
}

/* A fragment of a datagram to a port of ours; offsets in units of 8. */
static void fragment(struct input *in)
{
	uint8_t frame[PKTBUF_SIZE] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45};
	uint8_t *ip = frame + ETH_HDR_LEN;
	size_t n;

	ip[5] = in8(in) % 4;		       /* identifier */
	wire_put16(ip + 6, in16(in) & 0x3fff); /* MF and offset */
	ip[8] = 64;
	ip[9] = in8(in) & 1 ? IPPROTO_UDP : IPPROTO_ICMP;
	n = in8(in) * 8u;
	if (n > 1480)
		n = 1480;
	(void)in_bytes(in, ip + IP4_HDR_LEN, n < 16 ? n : 16);
	wire_put16(ip + 2, (uint16_t)(IP4_HDR_LEN + n));
	net_fix(frame, ETH_HDR_LEN + IP4_HDR_LEN + n, FIX_TO_US | FIX_IP);
	net_frame(frame, ETH_HDR_LEN + IP4_HDR_LEN + n);
}

/* A router's question about groups, or what passes for one. */
static void group_query(struct input *in)
{
	uint8_t frame[128] = {1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0};
	uint8_t *l3 = frame + ETH_HDR_LEN;
	struct ip4_hdr h = {.ttl = 1, .protocol = IPPROTO_IGMP, .src = fz_peer};
	size_t n = in8(in) % 64, len = ETH_HDR_LEN + IP4_ALERT_HDR_LEN + n;

	h.dst = in8(in) & 3 ? wire_addr4(224, 0, 0, 1) : wire_addr4(239, 0, 0, in8(in) % 4);
	h.total_len = (uint16_t)(IP4_ALERT_HDR_LEN + n);
	ip4_build_alert(l3, &h);
	l3[IP4_ALERT_HDR_LEN] = IGMP_QUERY;
	if (n > 1)
		(void)in_bytes(in, l3 + IP4_ALERT_HDR_LEN + 1, n - 1);
	net_fix(frame, len, FIX_IP | FIX_L4);
	net_frame(frame, len);
}

/* The filter of a member, all of it at once. */
static void filter(struct input *in, struct socket *so, uint32_t group, uint8_t what)
{
	uint32_t f[4 + 17] = {group, fz_us, what & 2 ? MCAST_INCLUDE : MCAST_EXCLUDE, in8(in) % 18};
	uint32_t i, first = in8(in), len = sizeof(f);

	for (i = 0; i < 17; i++)
		f[4 + i] = fz_peer + ((first + i) << 24);
	(void)sock_setopt(so, IPPROTO_IP, IP_MSFILTER, f, len);
	(void)sock_getopt(so, IPPROTO_IP, IP_MSFILTER, f, &len);
}

static void membership(struct input *in)
{
	static const int sources[] = {IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP,
				      IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE};
	uint8_t what = in8(in);
	struct socket *so = what & 1 ? udp : connected;
	struct ip_mreq_source one = {.imr_interface = {fz_us}};
	struct ip_mreq req = {.imr_interface = {fz_us}};

	one.imr_multiaddr.s_addr = req.imr_multiaddr.s_addr = wire_addr4(239, 0, 0, in8(in) % 4);
	if (what & 8) {
		filter(in, so, req.imr_multiaddr.s_addr, what);
	} else if (what & 4) {
		one.imr_sourceaddr.s_addr = fz_peer + ((uint32_t)(what >> 6) << 24);
		(void)sock_setopt(so, IPPROTO_IP, sources[what >> 4 & 3], &one, sizeof(one));
	} else {
		(void)sock_setopt(so, IPPROTO_IP, what & 2 ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
				  &req, sizeof(req));
	}
}

static void call(struct input *in)
{
	struct socket *so = in8(in) & 1 ? udp : connected;
	struct sock_addr to = net_name(fz_us, 9);
	uint8_t what = in8(in);
	int64_t n;

	if (what & 4)
		membership(in);
	to.addr[3] = in8(in); /* somebody to be asked for by ARP, or ourselves */
	n = net_send(so, in16(in), what & 1 ? &to : NULL, 0);
	if (n > 0)
		fz_in += (uint64_t)n + 100; /* asked for by the program */
	(void)net_recv(udp, 2000, 0);
	(void)net_recv(connected, 2000, 0);
	(void)net_recv(echo, 2000, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t frame[PKTBUF_SIZE], what;
	size_t len;
	unsigned n;

	net_open();
	sockets();
	for (n = 0; in.left && n < RECORDS; n++) {
		what = in8(&in);
		if (what < 160) {
			len = in16(&in) % 1600;
			memset(frame, 0, sizeof(frame));
			(void)in_bytes(&in, frame, len);
			net_fix(frame, len, what & 7);
			net_frame(frame, len);
		} else if (what < 224) {
			fragment(&in);
		} else if (what < 240) {
			call(&in);
		} else if (what < 246) {
			group_query(&in);
		} else if (what < 250) {
			in_pieces(&in);
		} else {
			net_pass(FUZZ_MS << in8(&in) % 16);
		}
	}
	/* An error quotes what caused it, an address is asked for some times: no more than that. */
	FUZZ_MUST(fz_out <= 4 * fz_in + 60000);
	net_close();
	return 0;
}
