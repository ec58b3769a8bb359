/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 in and out: who is heard, what extension headers do, what goes on the wire. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;

static void setup(void)
{
	desk6_open(&d);
	desk6_know(&d, 9);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct socket *bound(uint16_t port)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr any = name6("::", port);

	ck_assert_int_eq(sock_bind(so, &any), 0);
	return so;
}

static int64_t got(struct socket *so)
{
	struct sock_addr from;
	uint64_t full;
	char buf[2048];

	return desk_recv(so, buf, sizeof(buf), 0, &from, &full);
}

START_TEST(a_datagram_for_us_is_heard_and_one_for_others_is_not)
{
	struct socket *so = bound(7);

	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 7, "abc", 3);
	ck_assert_int_eq(got(so), 3);
	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::2", 7, "abc", 3);
	desk6_udp(&d, 9, "2001:db8::9", 5, "ff02::99", 7, "abc", 3);
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "Ip6InAddrErrors"), 2);
}
END_TEST

START_TEST(sources_that_no_host_has_are_dropped)
{
	static const char *const bad[] = {"::1", "ff02::5", "::ffff:10.0.0.9", "2001:db8::1", "::"};
	struct socket *so = bound(7);
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		desk6_udp(&d, 9, bad[i], 5, "2001:db8::1", 7, "abc", 3);
		ck_assert_int_eq(got(so), -EAGAIN);
	}
	ck_assert(!desk6_sent(&d, &pk));
}
END_TEST

/* Strict host model: the second port has no IPv6, and an address is its port's. */
START_TEST(a_port_without_ipv6_hears_none)
{
	uint8_t frame[60] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_IP6, .src = {2, 9}};
	struct ip6_hdr h = {.next = IP6_NONE, .hop_limit = 3};

	memcpy(e.dst, d.port[1].port.mac, 6);
	ip6(h.dst, "2001:db8::1");
	ip6(h.src, "2001:db8::9");
	eth_build(frame, &e);
	ip6_build(frame + ETH_HDR_LEN, &h);
	desk_frame(&d, 1, frame, sizeof(frame));
	ck_assert_uint_eq(desk_count(&d, "EthInUnknown"), 1);
	ck_assert_uint_eq(desk_count(&d, "Ip6InDelivers"), desk_count(&d, "Ip6InReceives"));
}
END_TEST

/* h.next and l4 with a UDP datagram "abc" behind `ext`. */
static void with_headers(uint8_t first, const uint8_t *ext, size_t ext_len)
{
	struct ip6_hdr h = {.next = first};
	struct udp_hdr u = {.sport = 5, .dport = 7, .len = 11};
	uint8_t l4[600];
	uint16_t sum;

	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	memcpy(l4, ext, ext_len);
	udp_build(l4 + ext_len, &u);
	memcpy(l4 + ext_len + 8, "abc", 3);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_UDP, 11), l4 + ext_len, 11));
	memcpy(l4 + ext_len + 6, &sum, 2);
	desk6_packet(&d, 9, &h, l4, ext_len + 11);
}

START_TEST(a_datagram_behind_options_is_heard)
{
	static const uint8_t ext[] = {IP6_DSTOPTS, 0, 1, 4, 0, 0, 0, 0,
				      IP6_UDP,	   0, 1, 4, 0, 0, 0, 0};
	struct socket *so = bound(7);

	with_headers(IP6_HOPOPTS, ext, sizeof(ext));
	ck_assert_int_eq(got(so), 3);
}
END_TEST

START_TEST(an_atomic_fragment_is_a_packet)
{
	static const uint8_t ext[] = {IP6_UDP, 0, 0, 0, 1, 2, 3, 4};
	struct socket *so = bound(7);

	with_headers(IP6_FRAGMENT, ext, sizeof(ext));
	ck_assert_int_eq(got(so), 3);
}
END_TEST

START_TEST(an_option_that_wants_an_answer_gets_one_with_the_place)
{
	static const uint8_t ext[] = {IP6_UDP, 0, 0x9e, 4, 0, 0, 0, 0};
	struct socket *so = bound(7);

	with_headers(IP6_DSTOPTS, ext, sizeof(ext));
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_OPTION);
	ck_assert_uint_eq(pk.icmp.rest, 42);
	ck_assert(pk.csum_ok);
}
END_TEST

START_TEST(a_protocol_that_nobody_speaks_is_a_problem_at_its_place)
{
	struct ip6_hdr h = {.next = 200};

	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, "12345678", 8);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_NEXT);
	ck_assert_uint_eq(pk.icmp.rest, 6);
	h.next = IP6_NONE;
	desk6_packet(&d, 9, &h, "12345678", 8);
	ck_assert(!desk6_sent(&d, &pk));
}
END_TEST

/* RFC 8200 8.1. */
START_TEST(a_datagram_without_a_checksum_or_with_a_wrong_one_is_dropped)
{
	struct socket *so = bound(7);
	uint8_t frame[80] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_IP6};
	struct ip6_hdr h = {.next = IP6_UDP, .hop_limit = 3, .payload_len = 9};
	struct udp_hdr u = {.sport = 5, .dport = 7, .len = 9};

	mac6(e.src, 9);
	memcpy(e.dst, d.port[0].port.mac, 6);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	eth_build(frame, &e);
	ip6_build(frame + 14, &h);
	udp_build(frame + 54, &u);
	desk_frame(&d, 0, frame, 63);
	u.checksum = 0x1234;
	udp_build(frame + 54, &u);
	desk_frame(&d, 0, frame, 63);
	ck_assert_int_eq(got(so), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "UdpInCsumErrors"), 2);
}
END_TEST

START_TEST(a_flow_has_one_label_and_another_flow_another)
{
	struct socket *a = bound(7), *b = bound(8);
	struct sock_addr to = name6("2001:db8::9", 53);
	uint32_t label;

	ck_assert_int_eq(desk_send(&d, a, "1", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk));
	label = pk.ip.flow;
	ck_assert_int_eq(desk_send(&d, a, "22", 2, &to), 2);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.flow, label);
	ck_assert_int_eq(desk_send(&d, b, "1", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_ne(pk.ip.flow, label);
}
END_TEST

START_TEST(what_is_sent_to_ourselves_comes_back_without_the_wire)
{
	struct socket *a = bound(7), *b = bound(8);
	struct sock_addr to = name6("2001:db8::1", 8);

	ck_assert_int_eq(desk_send(&d, a, "abcd", 4, &to), 4);
	desk_flush(&d);
	ck_assert_int_eq(got(b), 4);
	ck_assert(!desk6_sent(&d, &pk));
}
END_TEST

/* RFC 4291 2.5.2, 2.5.3. */
START_TEST(this_host_is_nowhere_else_whatever_the_routes_say)
{
	struct ip_addr any = {.family = AF_INET6}, via = {.family = AF_INET6, .prefix = 128};
	struct route_hit hit;
	uint8_t to[16];

	ip6(via.bytes, "fe80::9");
	ck_assert_int_eq(stack_route_add(d.st, &any, &via, &d.port[0].port, 0), 0);
	ip6(to, "2a00::1");
	ck_assert_int_eq(route_lookup(d.st, ip6_handle(d.st, to, 0), &hit), 0);
	ip6(to, "::1");
	ck_assert_int_eq(route_lookup(d.st, ip6_handle(d.st, to, 0), &hit), -ENETUNREACH);
	ip6(to, "::ffff:8.8.8.8");
	ck_assert_int_eq(route_lookup(d.st, ip6_handle(d.st, to, 0), &hit), -ENETUNREACH);
	ip6(to, "::");
	ck_assert_int_eq(route_lookup(d.st, ip6_handle(d.st, to, 0), &hit), -ENETUNREACH);
}
END_TEST

START_TEST(noise_does_no_harm)
{
	uint8_t frame[200];
	uint32_t seed = 12345, i, k;

	for (k = 0; k < 20000; k++) {
		struct eth_hdr e = {.type = ETH_TYPE_IP6};
		struct ip6_hdr h = {.hop_limit = 255};
		size_t len = 54 + k % 140;

		for (i = 0; i < sizeof(frame); i++) {
			seed = seed * 1664525u + 1013904223u;
			frame[i] = (uint8_t)(seed >> 24);
		}
		mac6(e.src, 9);
		memcpy(e.dst, d.port[0].port.mac, 6);
		ip6(h.src, k % 3 ? "2001:db8::9" : "fe80::9");
		ip6(h.dst, "2001:db8::1");
		h.next = (uint8_t[]){0, 43, 44, 60, 58, 17, 6}[k % 7];
		h.payload_len = (uint16_t)(len - 54);
		eth_build(frame, &e);
		ip6_build(frame + 14, &h);
		desk_frame(&d, 0, frame, len);
		desk_drop_sent(&d, 0);
	}
}
END_TEST

int main(void)
{
	return run_cases("ip6",
			 CASES(a_datagram_for_us_is_heard_and_one_for_others_is_not,
			       sources_that_no_host_has_are_dropped, a_port_without_ipv6_hears_none,
			       a_datagram_behind_options_is_heard, an_atomic_fragment_is_a_packet,
			       an_option_that_wants_an_answer_gets_one_with_the_place,
			       a_protocol_that_nobody_speaks_is_a_problem_at_its_place,
			       a_datagram_without_a_checksum_or_with_a_wrong_one_is_dropped,
			       a_flow_has_one_label_and_another_flow_another,
			       what_is_sent_to_ourselves_comes_back_without_the_wire,
			       this_host_is_nowhere_else_whatever_the_routes_say,
			       noise_does_no_harm),
			 setup, teardown);
}
