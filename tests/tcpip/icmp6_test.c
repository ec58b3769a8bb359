/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMPv6: echo, errors out with their limits, errors in to who they are for, path MTU. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
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

static void send_icmp(uint8_t type, uint8_t code, uint32_t rest, const char *dst, const void *data,
		      size_t len)
{
	struct ip6_hdr h = {.next = IP6_ICMP};
	struct icmp_hdr m = {.type = type, .code = code, .rest = rest};
	uint8_t l4[1500];

	ip6(h.src, "2001:db8::9");
	ip6(h.dst, dst);
	icmp_build(l4, &m);
	memcpy(l4 + 8, data, len);
	desk6_packet(&d, 9, &h, l4, len + 8);
}

START_TEST(an_echo_comes_back_as_it_was)
{
	send_icmp(ICMP6_ECHO_ASK, 0, 0x12345678, "2001:db8::1", "hello", 5);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_ECHO_ANSWER);
	ck_assert_uint_eq(pk.icmp.rest, 0x12345678);
	ck_assert(pk.csum_ok);
	ck_assert_mem_eq(pk.l4 + 8, "hello", 5);
	ck_assert_uint_eq(pk.ip.dst[15], 9);
}
END_TEST

START_TEST(an_echo_to_all_is_answered_from_our_address_and_not_without_limit)
{
	unsigned i, n = 0;

	for (i = 0; i < 200; i++)
		send_icmp(ICMP6_ECHO_ASK, 0, i, "ff02::1", "hello", 5);
	while (desk6_sent(&d, &pk)) {
		ck_assert_uint_ne(pk.ip.src[0], 0xff);
		n++;
	}
	ck_assert_uint_gt(n, 0);
	ck_assert_uint_le(n, 11);
}
END_TEST

START_TEST(a_closed_port_is_said_and_not_without_limit_nor_to_groups)
{
	unsigned i, n = 0;

	desk6_udp(&d, 9, "2001:db8::9", 5, "ff02::1", 9999, "x", 1);
	ck_assert(!desk6_sent(&d, &pk));
	desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 9999, "x", 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_UNREACH);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_NO_PORT);
	ck_assert_uint_eq(pk.l4_len, 8 + 40 + 9);
	for (i = 0; i < 200; i++)
		desk6_udp(&d, 9, "2001:db8::9", 5, "2001:db8::1", 9999, "x", 1);
	while (desk6_sent(&d, &pk))
		n++;
	ck_assert_uint_le(n, 11);
	desk6_know(&d, 8); /* who asks too often takes nothing from others */
	desk6_udp(&d, 8, "2001:db8::8", 5, "2001:db8::1", 9999, "x", 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.dst[15], 8);
}
END_TEST

START_TEST(ipv4_and_ipv6_share_the_limit_of_all_hosts)
{
	unsigned i, n = 0;

	for (i = 0; i < 200; i++) {
		char src[32];

		snprintf(src, sizeof(src), "2001:db8::2:%x", i);
		desk6_udp(&d, 9, src, 5, "2001:db8::1", 9999, "x", 1);
	}
	n = (unsigned)desk_count(&d, "IcmpOutRateLimited");
	ck_assert_uint_ge(n, 110);
	ck_assert_uint_le(n, 174);
	desk_know(&d, ip(10, 0, 0, 9));
	desk_udp(&d, ip(10, 0, 0, 9), 9, ip(10, 0, 0, 1), 9999, "x", 1);
	ck_assert_uint_eq(desk_count(&d, "IcmpOutRateLimited"), n + 1);
}
END_TEST

/* RFC 4443 2.4 e 1. */
START_TEST(an_error_is_not_answered)
{
	struct ip6_hdr h = {.next = 200, .hop_limit = 9, .payload_len = 8};
	uint8_t quoted[48] = {0};
	uint8_t ext[100] = {IP6_ICMP, 0, 0x9e, 4};
	struct icmp_hdr m = {.type = ICMP6_UNREACH};

	ip6_build(quoted, &h);
	send_icmp(ICMP6_UNREACH, 4, 0, "2001:db8::1", quoted, sizeof(quoted));
	ck_assert(!desk6_sent(&d, &pk));
	/* Nor where its own options would ask for an answer. */
	h.next = IP6_DSTOPTS;
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	icmp_build(ext + 8, &m);
	desk6_packet(&d, 9, &h, ext, 64);
	while (desk6_sent(&d, &pk))
		ck_assert_uint_eq(pk.icmp.type,
				  ICMP6_PARAM); /* the option's place: 4.2 asks for it */
}
END_TEST

/* Port 1 has IPv6 as well, and fe80::1 like port 0. */
static void second_port(void)
{
	struct stack_ip6_conf conf = {.accept_ra = false};
	struct ip_addr a = {.family = AF_INET6, .prefix = 64};

	ip6(a.bytes, "fe80::1");
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &a), 0);
	ck_assert_int_eq(stack_ip6_up(d.st, &d.port[1].port, &conf), 0);
	ck_assert_int_eq(stack_addr_add(d.st, &d.port[1].port, &a), 0);
	desk_pass(&d, 20 * SEC_NS);
	desk_drop_sent(&d, 0);
	desk_drop_sent(&d, 1);
}

/* fe80::9, at port 1, is asked for its MAC, and tells it; what waited for that is in pk. */
static void answer_of_port_1(void)
{
	struct nd_msg m = {.type = ICMP6_NA, .flags = ND_NA_SOLICITED, .has_tlla = true};
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 255};
	uint8_t l4[64];

	ck_assert(!desk6_sent(&d, &pk));
	ck_assert(desk6_sent_on(&d, 1, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_NS);
	ip6(h.src, "fe80::9");
	ck_assert_mem_eq(pk.nd.target, h.src, 16);
	memcpy(h.dst, pk.ip.src, 16);
	memcpy(m.target, h.src, 16);
	mac6(m.tlla, 9);
	desk6_packet_on(&d, 1, 9, &h, l4, nd_build(l4, &m));
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert(desk6_sent_on(&d, 1, &pk));
	ck_assert_mem_eq(pk.ip.dst, h.src, 16);
}

/* RFC 4443 2.4 e 3: of all that is sent to many, such an option alone is answered. */
START_TEST(an_error_about_what_came_to_a_group_goes_out_by_the_port_it_came_in_by)
{
	struct ip6_hdr h = {.next = IP6_DSTOPTS};
	uint8_t ext[8] = {IP6_NONE, 0, 0x9e, 4};

	second_port();
	ip6(h.src, "fe80::9");
	ip6(h.dst, "ff02::1");
	desk6_packet_on(&d, 1, 9, &h, ext, sizeof(ext));
	answer_of_port_1();
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_OPTION);
	ck_assert(ip6_is_link_local(pk.ip.src));
}
END_TEST

START_TEST(an_error_about_an_address_that_two_ports_have_goes_out_by_the_one_it_came_in_by)
{
	struct ip6_hdr h = {.next = 200};
	uint8_t data[8] = {0};

	second_port();
	ip6(h.src, "fe80::9");
	ip6(h.dst, "fe80::1");
	desk6_packet_on(&d, 1, 9, &h, data, sizeof(data));
	answer_of_port_1();
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_NEXT);
	ck_assert_mem_eq(pk.ip.src, h.dst, 16);
}
END_TEST

/* The packet a socket just sent, sent back in an error. */
static void return_sent(uint8_t type, uint8_t code, uint32_t rest)
{
	uint8_t quoted[1500];
	size_t len;

	ck_assert(desk6_sent(&d, &pk));
	len = IP6_HDR_LEN + pk.ip.payload_len;
	if (len > 1200)
		len = 1200;
	memcpy(quoted, pk.l3, len);
	send_icmp(type, code, rest, "2001:db8::1", quoted, len);
}

static int error_of(struct socket *so)
{
	int err = 0;
	uint32_t len = sizeof(err);

	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	return err;
}

START_TEST(an_error_reaches_the_socket_that_it_is_about)
{
	static const struct {
		uint8_t type, code;
		int err;
	} rows[] = {
		{ICMP6_UNREACH, ICMP6_NO_PORT, ECONNREFUSED},
		{ICMP6_UNREACH, ICMP6_PROHIBITED, EACCES},
		{ICMP6_UNREACH, ICMP6_NO_ADDRESS, EHOSTUNREACH},
		{ICMP6_UNREACH, ICMP6_NO_ROUTE, ENETUNREACH},
		{ICMP6_TIME, 0, EHOSTUNREACH},
		{ICMP6_PARAM, 0, EPROTO},
	};
	struct socket *so = socket6(&d, SOCK_DGRAM, 0), *other = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	int on = 1;
	unsigned i;

	sock_setopt(so, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	ck_assert_int_eq(sock_connect(so, &to), 0);
	ck_assert_int_eq(sock_connect(other, &to), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), 1);
		return_sent(rows[i].type, rows[i].code, 0);
		ck_assert_int_eq(error_of(so), rows[i].err);
		ck_assert_int_eq(error_of(other), 0);
	}
}
END_TEST

START_TEST(too_big_lowers_the_paths_mtu_for_ten_minutes_and_never_below_1280)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	uint8_t data[1452] = {0};
	int mtu, how = IPV6_PMTUDISC_DO;
	uint32_t len = sizeof(mtu);

	ck_assert_int_eq(sock_connect(so, &to), 0);
	ck_assert_int_eq(desk_send(&d, so, data, 1452, NULL), 1452);
	return_sent(ICMP6_TOO_BIG, 0, 1000); /* RFC 8201 4 */
	ck_assert_int_eq(desk_send(&d, so, data, 1452, NULL), 1452);
	return_sent(ICMP6_TOO_BIG, 0, 1300);
	ck_assert_int_eq(error_of(so), EMSGSIZE);
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IPV6, IPV6_MTU, &mtu, &len), 0);
	ck_assert_int_eq(mtu, 1300);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how)), 0);
	ck_assert_int_eq(desk_send(&d, so, data, 1300 - 47, NULL), -EMSGSIZE);
	ck_assert_int_eq(desk_send(&d, so, data, 1300 - 48, NULL), 1300 - 48);
	desk_pass(&d, 601 * SEC_NS);
	ck_assert_int_eq(desk_send(&d, so, data, 1452, NULL), 1452);
}
END_TEST

START_TEST(an_echo_socket_asks_and_is_answered_under_its_own_number)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, IPPROTO_ICMPV6);
	struct sock_addr to = name6("2001:db8::9", 0), from;
	uint8_t ask[12] = {ICMP6_ECHO_ASK, 0, 0, 0, 0, 0, 0, 5, 'p', 'i', 'n', 'g'}, buf[64];
	uint64_t full;

	ck_assert_int_eq(desk_send(&d, so, ask, sizeof(ask), &to), sizeof(ask));
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_ECHO_ASK);
	ck_assert(pk.csum_ok);
	send_icmp(ICMP6_ECHO_ANSWER, 0, pk.icmp.rest, "2001:db8::1", "ping", 4);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, &from, &full), 12);
	ck_assert_uint_eq(buf[0], ICMP6_ECHO_ANSWER);
	ck_assert_uint_eq(from.family, AF_INET6);
	ck_assert_uint_eq(from.addr[15], 9);
	ask[0] = 8;
	ck_assert_int_eq(desk_send(&d, so, ask, sizeof(ask), &to), -EINVAL);
}
END_TEST

START_TEST(a_wrong_checksum_is_dropped)
{
	uint8_t frame[100] = {0};
	struct eth_hdr e = {.type = ETH_TYPE_IP6};
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 3, .payload_len = 8};
	struct icmp_hdr m = {.type = ICMP6_ECHO_ASK, .checksum = 77};

	mac6(e.src, 9);
	memcpy(e.dst, d.port[0].port.mac, 6);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	eth_build(frame, &e);
	ip6_build(frame + 14, &h);
	icmp_build(frame + 54, &m);
	desk_frame(&d, 0, frame, 62);
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_count(&d, "Icmp6InErrors"), 1);
}
END_TEST

int main(void)
{
	return run_cases(
		"icmp6",
		CASES(an_echo_comes_back_as_it_was,
		      an_echo_to_all_is_answered_from_our_address_and_not_without_limit,
		      a_closed_port_is_said_and_not_without_limit_nor_to_groups,
		      ipv4_and_ipv6_share_the_limit_of_all_hosts, an_error_is_not_answered,
		      an_error_about_what_came_to_a_group_goes_out_by_the_port_it_came_in_by,
		      an_error_about_an_address_that_two_ports_have_goes_out_by_the_one_it_came_in_by,
		      an_error_reaches_the_socket_that_it_is_about,
		      too_big_lowers_the_paths_mtu_for_ten_minutes_and_never_below_1280,
		      an_echo_socket_asks_and_is_answered_under_its_own_number,
		      a_wrong_checksum_is_dropped),
		setup, teardown);
}
