/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define PEER ip(10, 0, 0, 9)
#define US   ip(10, 0, 0, 1)

static struct desk d;
static struct packet pk;

static void setup(void)
{
	desk_open(&d);
	desk_know(&d, PEER);
}

static void teardown(void)
{
	desk_close(&d);
}

START_TEST(an_echo_request_is_answered_with_its_data)
{
	struct icmp_hdr h = {.type = 8, .rest = 0x12340001};
	uint8_t data[1400];

	memset(data, 0x5a, sizeof(data));
	desk_icmp(&d, PEER, US, &h, data, sizeof(data));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.ip.src, US);
	ck_assert_uint_eq(pk.ip.dst, PEER);
	ck_assert_uint_eq(pk.ip.ttl, 64);
	ck_assert_uint_eq(pk.icmp.type, 0);
	ck_assert_uint_eq(pk.icmp.rest, 0x12340001);
	ck_assert_uint_eq(pk.payload_len, sizeof(data));
	ck_assert_mem_eq(pk.payload, data, sizeof(data));
}
END_TEST

START_TEST(an_echo_request_to_broadcast_is_not_answered)
{
	struct icmp_hdr h = {.type = 8};

	desk_icmp(&d, PEER, ip(10, 0, 0, 255), &h, "x", 1);
	desk_icmp(&d, PEER, ip(255, 255, 255, 255), &h, "x", 1);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(a_wrong_checksum_is_dropped)
{
	struct ip4_hdr h = {.protocol = IPPROTO_ICMP, .src = PEER, .dst = US};

	desk_ip4(&d, &h, "\x08\0\0\0\0\0\0\0", 8);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "IcmpInErrors"), 1);
}
END_TEST

START_TEST(a_message_too_short_is_dropped)
{
	struct ip4_hdr h = {.protocol = IPPROTO_ICMP, .src = PEER, .dst = US};

	desk_ip4(&d, &h, "\x08\0\xf7\xff", 4);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(types_we_do_not_know_are_ignored)
{
	struct icmp_hdr h = {0};

	for (unsigned type = 0; type < 256; type++) {
		h.type = (uint8_t)type;
		if (type != 8)
			desk_icmp(&d, PEER, US, &h, "1234567890123456789012345678", 28);
	}
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

/* How many of `n` datagrams from src to a closed port are answered. */
static unsigned answered(uint32_t src, unsigned n)
{
	while (n--)
		desk_udp(&d, src, 9, US, 5555, "x", 1);
	return desk_drop_sent(&d, 0);
}

START_TEST(one_host_is_sent_some_errors_at_once_and_then_one_a_second)
{
	unsigned n = answered(PEER, 200), i;

	ck_assert_uint_ge(n, 4);
	ck_assert_uint_le(n, 11);
	ck_assert_uint_eq(desk_count(&d, "IcmpOutRateLimited"), 200 - n);
	for (n = 0, i = 0; i < 400; i++) {
		desk_pass(&d, SEC_NS / 4);
		desk_know(&d, PEER);
		n += answered(PEER, 5);
	}
	ck_assert_uint_ge(n, 90);
	ck_assert_uint_le(n, 130); /* now and then it has another place, with its own credit */
}
END_TEST

START_TEST(a_host_that_asks_for_errors_without_end_takes_no_other_hosts)
{
	desk_know(&d, ip(10, 0, 0, 8));
	answered(PEER, 10000);
	ck_assert_uint_ge(answered(ip(10, 0, 0, 8), 4), 4);
}
END_TEST

/* As many hosts as like, by one gateway, each once. */
static unsigned answered_all(unsigned hosts)
{
	unsigned i, n = 0;

	for (i = 0; i < hosts; i++)
		n += answered(ip(198, 18, i / 250, 1 + i % 250), 1);
	return n;
}

/* CVE-2020-25705: who spoofs can count what is left. */
START_TEST(errors_to_all_hosts_are_limited_and_how_many_go_is_not_to_be_guessed)
{
	struct ip_addr any = {.family = AF_INET};
	struct ip_addr via = {.family = AF_INET, .prefix = 32, .bytes = {10, 0, 0, 9}};
	unsigned i, n, first = 0, others = 0, sum = 0;

	ck_assert_int_eq(stack_route_add(d.st, &any, &via, NULL, 0), 0);
	for (i = 0; i < 30; i++) {
		n = answered_all(200);
		ck_assert_uint_ge(n, 26);
		ck_assert_uint_le(n, 90);
		first = i ? first : n;
		others += n != first;
		sum += n;
		desk_pass(&d, 2 * SEC_NS);
		desk_know(&d, PEER);
	}
	ck_assert_uint_ge(others, 15);
	ck_assert_uint_ge(sum / 30, 45); /* 50, in the mean */
	ck_assert_uint_le(sum / 30, 57);
	answered_all(200);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_uint_le(answered_all(200), 25);
}
END_TEST

START_TEST(a_program_of_this_host_hears_of_every_closed_port_and_takes_nobodys_errors)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);
	char buf[4];
	int i;

	ck_assert_int_eq(desk_connect(so, US, 5555), 0);
	for (i = 0; i < 200; i++) {
		ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), 1);
		ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -ECONNREFUSED);
	}
	ck_assert_uint_ge(answered(PEER, 4), 4);
}
END_TEST

START_TEST(an_error_quotes_the_packet_up_to_576_bytes)
{
	uint8_t data[1400] = {0};

	desk_udp(&d, PEER, 9, US, 5555, data, sizeof(data));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.total_len, 576);
	ck_assert_uint_eq(pk.ip.tos, 0xc0);
	ck_assert(pk.csum_ok);
}
END_TEST

/* ---- echo sockets */

static struct socket *ping(void)
{
	return desk_socket(&d, SOCK_DGRAM, IPPROTO_ICMP);
}

static int64_t send_echo(struct socket *so, uint8_t type)
{
	uint8_t msg[12] = {type, 0, 9, 9, 0xaa, 0xbb, 0, 5, 'p', 'i', 'n', 'g'};
	struct sock_addr to = name(PEER, 0);

	return desk_send(&d, so, msg, sizeof(msg), &to);
}

START_TEST(an_echo_socket_sends_under_its_own_identifier)
{
	struct socket *so = ping();
	struct sock_addr me;

	ck_assert_int_eq(send_echo(so, 8), 12);
	sock_name(so, &me);
	ck_assert_uint_ne(me.port, 0);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(pk.icmp.type, 8);
	ck_assert_uint_eq(pk.icmp.rest, (uint32_t)me.port << 16 | 5);
	ck_assert_mem_eq(pk.payload, "ping", 4);
}
END_TEST

START_TEST(the_reply_comes_with_its_header)
{
	struct socket *so = ping();
	struct icmp_hdr h = {.type = 0};
	struct sock_addr from;
	uint8_t buf[64];

	send_echo(so, 8);
	ck_assert(desk_sent(&d, 0, &pk));
	h.rest = pk.icmp.rest;
	desk_icmp(&d, PEER, US, &h, "ping", 4);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, &from, NULL), 12);
	ck_assert_uint_eq(buf[0], 0);
	ck_assert_uint_eq(wire_get32(buf + 4), h.rest);
	ck_assert_mem_eq(buf + 8, "ping", 4);
	ck_assert_mem_eq(from.addr, &(uint32_t){PEER}, 4);
}
END_TEST

START_TEST(a_reply_with_another_identifier_is_not_for_us)
{
	struct socket *so = ping();
	struct icmp_hdr h = {.type = 0};
	uint8_t buf[64];

	send_echo(so, 8);
	ck_assert(desk_sent(&d, 0, &pk));
	h.rest = pk.icmp.rest ^ 0x10000;
	desk_icmp(&d, PEER, US, &h, "ping", 4);
	ck_assert_int_eq(desk_recv(so, buf, sizeof(buf), 0, NULL, NULL), -EAGAIN);
}
END_TEST

START_TEST(only_echo_requests_may_be_sent)
{
	struct socket *so = ping();
	struct sock_addr to = name(PEER, 0);

	ck_assert_int_eq(send_echo(so, 0), -EINVAL);
	ck_assert_int_eq(send_echo(so, 3), -EINVAL);
	ck_assert_int_eq(desk_send(&d, so, "\x08\0\0\0", 4, &to), -EINVAL);
}
END_TEST

START_TEST(two_echo_sockets_cannot_have_one_identifier)
{
	ck_assert_int_eq(desk_bind(ping(), 0, 77), 0);
	ck_assert_int_eq(desk_bind(ping(), 0, 77), -EADDRINUSE);
}
END_TEST

START_TEST(we_can_ping_ourselves)
{
	struct socket *so = ping();
	uint8_t msg[8] = {8}, buf[16];
	struct sock_addr to = name(US, 0);

	ck_assert_int_eq(desk_send(&d, so, msg, 8, &to), 8);
	ck_assert_int_eq(desk_recv(so, buf, 16, 0, NULL, NULL), 8);
	ck_assert_uint_eq(buf[0], 0);
}
END_TEST

/* ---- errors that come in */

/* An error from PEER about a datagram the stack sent it from `sport` to port 7. */
static void error(uint8_t type, uint8_t code, uint32_t quoted_src, uint16_t sport, uint16_t dport,
		  unsigned len)
{
	struct icmp_hdr h = {.type = type, .code = code};
	struct ip4_hdr q = {.protocol = IPPROTO_UDP,
			    .ttl = 60,
			    .total_len = 500,
			    .src = quoted_src,
			    .dst = PEER};
	struct udp_hdr u = {.sport = sport, .dport = dport, .len = 480};
	uint8_t quote[28];

	ip4_build(quote, &q);
	udp_build(quote + 20, &u);
	desk_icmp(&d, PEER, US, &h, quote, len);
}

static void unreachable(uint8_t code, uint32_t quoted_src, uint16_t sport, uint16_t dport,
			unsigned len)
{
	error(3, code, quoted_src, sport, dport, len);
}

static struct socket *connected(void)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);

	ck_assert_int_eq(desk_bind(so, 0, 4000), 0);
	ck_assert_int_eq(desk_connect(so, PEER, 7), 0);
	return so;
}

START_TEST(port_unreachable_refuses_a_connected_socket_once)
{
	struct socket *so = connected();
	char buf[4];

	unreachable(3, US, 4000, 7, 28);
	ck_assert_uint_eq(sock_events(so) & 8, 8); /* POLLERR */
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -ECONNREFUSED);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EAGAIN);
	unreachable(3, US, 4000, 7, 28);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), -ECONNREFUSED);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, NULL), 1);
}
END_TEST

START_TEST(an_error_that_quotes_no_packet_of_ours_changes_nothing)
{
	struct socket *so = connected();
	char buf[4];

	unreachable(3, ip(10, 0, 0, 2), 4000, 7, 28); /* not our address */
	unreachable(3, US, 4001, 7, 28);	      /* not our port */
	unreachable(3, US, 4000, 8, 28);	      /* not its peer */
	unreachable(3, US, 4000, 7, 27);	      /* cut too short */
	unreachable(3, US, 4000, 7, 0);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EAGAIN);
}
END_TEST

START_TEST(passing_trouble_is_not_told_to_who_did_not_ask)
{
	struct socket *so = connected();
	char buf[4];
	int one = 1;

	unreachable(1, US, 4000, 7, 28);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EAGAIN);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, 11 /* IP_RECVERR */, &one, 4), 0);
	unreachable(1, US, 4000, 7, 28);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EHOSTUNREACH);
}
END_TEST

/* RFC 1122 3.2.2.4, 3.2.2.5. */
START_TEST(time_exceeded_and_parameter_problem_reach_the_socket)
{
	struct socket *so = connected();
	char buf[4];
	int one = 1;

	error(12, 0, US, 4000, 7, 28);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EPROTO);
	error(11, 0, US, 4000, 7, 28); /* that may pass by itself */
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EAGAIN);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, 11 /* IP_RECVERR */, &one, 4), 0);
	error(11, 0, US, 4000, 7, 28);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EHOSTUNREACH);
}
END_TEST

/* RFC 1122 3.2.2. A half datagram is told of after a minute; a half error is not. */
START_TEST(an_error_is_not_answered_with_an_error)
{
	struct ip4_hdr h = {.protocol = IPPROTO_ICMP, .src = PEER, .dst = US, .mf = true};
	static const uint8_t types[] = {3, 4, 5, 11, 12, 8};
	uint8_t l4[64] = {0};
	unsigned i;

	for (i = 0; i < sizeof(types); i++) {
		h.id = (uint16_t)i;
		l4[0] = types[i];
		desk_ip4(&d, &h, l4, sizeof(l4));
	}
	desk_pass(&d, 61 * SEC_NS);
	while (desk_sent(&d, 0, &pk) && pk.eth.type != ETH_TYPE_IP4)
		;
	ck_assert_uint_eq(pk.icmp.type, 11);
	ck_assert_uint_eq(pk.payload[20], 8); /* of the echo, and no other */
	while (desk_sent(&d, 0, &pk))
		ck_assert_uint_ne(pk.eth.type, ETH_TYPE_IP4);
}
END_TEST

START_TEST(an_unconnected_socket_hears_no_errors)
{
	struct socket *so = desk_socket(&d, SOCK_DGRAM, 0);
	char buf[4];

	ck_assert_int_eq(desk_bind(so, 0, 4000), 0);
	unreachable(3, US, 4000, 7, 28);
	ck_assert_int_eq(desk_recv(so, buf, 4, 0, NULL, NULL), -EAGAIN);
}
END_TEST

int main(void)
{
	return run_cases(
		"icmp",
		CASES(an_echo_request_is_answered_with_its_data,
		      an_echo_request_to_broadcast_is_not_answered, a_wrong_checksum_is_dropped,
		      a_message_too_short_is_dropped, types_we_do_not_know_are_ignored,
		      one_host_is_sent_some_errors_at_once_and_then_one_a_second,
		      a_host_that_asks_for_errors_without_end_takes_no_other_hosts,
		      errors_to_all_hosts_are_limited_and_how_many_go_is_not_to_be_guessed,
		      a_program_of_this_host_hears_of_every_closed_port_and_takes_nobodys_errors,
		      an_error_quotes_the_packet_up_to_576_bytes,
		      an_echo_socket_sends_under_its_own_identifier,
		      the_reply_comes_with_its_header,
		      a_reply_with_another_identifier_is_not_for_us, only_echo_requests_may_be_sent,
		      two_echo_sockets_cannot_have_one_identifier, we_can_ping_ourselves,
		      port_unreachable_refuses_a_connected_socket_once,
		      an_error_that_quotes_no_packet_of_ours_changes_nothing,
		      passing_trouble_is_not_told_to_who_did_not_ask,
		      time_exceeded_and_parameter_problem_reach_the_socket,
		      an_error_is_not_answered_with_an_error,
		      an_unconnected_socket_hears_no_errors),
		setup, teardown);
}
