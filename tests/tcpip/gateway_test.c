/* SPDX-License-Identifier: BSD-3-Clause */
/* Gateways that are silent: who takes over, when they are back. Both families. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

#define FAR    ip(8, 8, 8, 8)
#define FIRST  ip(10, 0, 0, 254)
#define SECOND ip(10, 0, 0, 253)

static struct desk d;
static struct packet pk;
static struct packet6 pk6;
static struct socket *so;

static void add_default(uint32_t gateway, uint32_t metric)
{
	struct ip_addr any = {.family = AF_INET}, via = {.family = AF_INET, .prefix = 32};

	memcpy(via.bytes, &gateway, 4);
	ck_assert_int_eq(stack_route_add(d.st, &any, &via, NULL, metric), 0);
}

static void setup(void)
{
	desk6_open(&d);
	so = desk_socket(&d, SOCK_DGRAM, 0);
	add_default(SECOND, 20);
	add_default(FIRST, 10);
}

static void teardown(void)
{
	desk_close(&d);
}

static void send_far(char c)
{
	struct sock_addr to = name(FAR, 7);

	ck_assert_int_eq(desk_send(&d, so, &c, 1, &to), 1);
}

/* What was sent last was a question for it. */
static void expect_asked(uint32_t gateway)
{
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
	ck_assert_uint_eq(pk.arp.tpa, gateway);
}

static void expect_by(uint32_t gateway, char c)
{
	uint8_t mac[6];

	mac_of(gateway, mac);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.dst, FAR);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
	ck_assert_int_eq(pk.payload[0], c);
}

static unsigned questions_for(uint32_t gateway)
{
	unsigned n = 0;

	while (desk_sent(&d, 0, &pk))
		n += pk.eth.type == ETH_TYPE_ARP && pk.arp.tpa == gateway;
	return n;
}

static void answer(uint32_t gateway)
{
	desk_arp(&d, 2, gateway, ip(10, 0, 0, 1));
}

/* The first is dead, the second answered. */
static void lose_first(void)
{
	send_far('a');
	desk_pass(&d, 4 * SEC_NS);
	answer(SECOND);
	desk_drop_sent(&d, 0);
}

START_TEST(a_gateway_that_does_not_answer_gives_way_and_nothing_is_lost)
{
	send_far('a');
	expect_asked(FIRST);
	send_far('b');
	desk_pass(&d, 3500 * MS_NS);
	expect_asked(FIRST);
	expect_asked(FIRST);
	expect_asked(SECOND);
	answer(SECOND);
	expect_by(SECOND, 'a');
	expect_by(SECOND, 'b');
	send_far('c');
	expect_by(SECOND, 'c');
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(one_that_stops_answering_gives_way)
{
	desk_know(&d, FIRST);
	send_far('a');
	expect_by(FIRST, 'a');
	desk_pass(&d, 9 * SEC_NS); /* DELAY, PROBE */
	desk_drop_sent(&d, 0);
	send_far('b');
	expect_asked(SECOND);
}
END_TEST

START_TEST(a_dead_gateway_is_asked_for_every_30_s_and_takes_over_when_it_answers)
{
	lose_first();
	desk_pass(&d, 28 * SEC_NS);
	ck_assert_uint_eq(questions_for(FIRST), 0);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(questions_for(FIRST), 1);
	desk_pass(&d, 31 * SEC_NS);
	ck_assert_uint_eq(questions_for(FIRST), 1);
	send_far('b');
	expect_by(SECOND, 'b');
	answer(FIRST);
	send_far('c');
	expect_by(FIRST, 'c');
}
END_TEST

START_TEST(of_gateways_that_are_all_dead_each_has_its_turn_and_the_sender_is_told)
{
	int on = 1, err;
	uint32_t len = sizeof(err);
	unsigned i;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, 11 /* IP_RECVERR */, &on, sizeof(on)), 0);
	send_far('a');
	desk_pass(&d, 8 * SEC_NS);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, EHOSTUNREACH);
	ck_assert_uint_eq(desk_count(&d, "NeighFailed"), 2);
	desk_drop_sent(&d, 0);
	for (i = 0; i < 4; i++) {
		send_far('b');
		expect_asked(i % 2 ? SECOND : FIRST);
		desk_pass(&d, 4 * SEC_NS);
		desk_drop_sent(&d, 0);
		(void)sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len);
	}
}
END_TEST

START_TEST(a_gateway_without_another_is_not_asked_for_unless_it_is_needed)
{
	struct ip_addr any = {.family = AF_INET}, via = {AF_INET, 32, {10, 0, 0, 253}};

	ck_assert_int_eq(stack_route_del(d.st, &any, &via), 0);
	send_far('a');
	desk_pass(&d, 4 * SEC_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 3);
	desk_pass(&d, 100 * SEC_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
}
END_TEST

START_TEST(a_longer_prefix_is_not_given_up_for_another_gateway)
{
	struct ip_addr net = {AF_INET, 16, {8, 8}}, wider = {AF_INET, 13, {8, 8}};
	struct ip_addr via = {AF_INET, 32, {10, 0, 0, 252}};

	ck_assert_int_eq(stack_route_add(d.st, &net, &via, NULL, 0), 0);
	via.bytes[3] = 251;
	ck_assert_int_eq(stack_route_add(d.st, &wider, &via, NULL, 0), 0);
	send_far('a');
	desk_pass(&d, 4 * SEC_NS);
	desk_drop_sent(&d, 0);
	send_far('b');
	expect_asked(ip(10, 0, 0, 252));
	desk_pass(&d, 4 * SEC_NS);
	desk_drop_sent(&d, 0);
	desk_pass(&d, 100 * SEC_NS);
	ck_assert_uint_eq(questions_for(ip(10, 0, 0, 252)), 0);
}
END_TEST

/* Who is forgotten is not asked for: it must not stay dead. */
START_TEST(a_dead_gateway_that_is_pushed_out_of_the_table_is_used_again)
{
	struct ip_addr wide = {AF_INET, 16, {10, 1, 0, 1}};
	unsigned i;

	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &wide), 0);
	lose_first();
	for (i = 0; i < 1100; i++)
		desk_arp(&d, 1, ip(10, 1, 1 + (i >> 8), i & 255), ip(10, 1, 0, 1));
	desk_drop_sent(&d, 0);
	send_far('b');
	expect_asked(FIRST);
}
END_TEST

/* ---- IPv6 --------------------------------------------------------------------------------- */

static void advertise_router(const char *src, uint8_t n)
{
	struct nd_msg m = {.type = ICMP6_RA, .lifetime = 1800, .has_slla = true};

	mac6(m.slla, n);
	desk6_nd(&d, n, src, ip6_all_nodes, &m);
}

/* By whom a packet to far away goes. */
static unsigned router_used(void)
{
	struct socket *so6 = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2a00::1", 53);

	desk_drop_sent(&d, 0);
	ck_assert_int_eq(desk_send(&d, so6, "hi", 2, &to), 2);
	sock_close(so6);
	return desk6_sent(&d, &pk6) && pk6.ip.next == IP6_UDP ? pk6.eth.dst[5] : 0;
}

START_TEST(a_router_that_does_not_answer_gives_way_until_it_advertises_itself)
{
	advertise_router("fe80::a", 10);
	advertise_router("fe80::b", 11);
	ck_assert_uint_eq(router_used(), 10);
	desk_pass(&d, 9 * SEC_NS);
	ck_assert_uint_eq(router_used(), 11);
	advertise_router("fe80::b", 11); /* changes nothing */
	ck_assert_uint_eq(router_used(), 11);
	advertise_router("fe80::a", 10);
	ck_assert_uint_eq(router_used(), 10);
}
END_TEST

START_TEST(of_routers_that_are_all_dead_each_has_its_turn)
{
	uint8_t asked[4];
	unsigned i;

	advertise_router("fe80::a", 10);
	advertise_router("fe80::b", 11);
	for (i = 0; i < 2; i++) {
		router_used();
		desk_pass(&d, 9 * SEC_NS);
	}
	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(router_used(), 0);
		ck_assert_uint_eq(pk6.nd.type, ICMP6_NS);
		asked[i] = pk6.nd.target[15];
		desk_pass(&d, 4 * SEC_NS);
	}
	ck_assert_mem_eq(asked, "\xa\xb\xa\xb", 4);
}
END_TEST

/* RFC 4861 7.2.5. */
START_TEST(a_router_that_says_it_is_a_host_loses_its_default_route)
{
	struct nd_msg m = {.type = ICMP6_NA, .has_tlla = true, .flags = ND_NA_ROUTER};
	struct route_hit hit;
	uint8_t far[16], us[16];

	ip6(far, "2a00::1");
	ip6(us, "2001:db8::1");
	advertise_router("fe80::a", 10);
	advertise_router("fe80::b", 11);
	ip6(m.target, "fe80::a");
	mac6(m.tlla, 10);
	desk6_nd(&d, 10, "fe80::a", ip6_all_nodes, &m);
	ck_assert_uint_eq(router_used(), 10);
	m.flags = 0;
	mac6(m.tlla, 12); /* of a MAC that it may not change: not believed */
	desk6_nd(&d, 10, "fe80::a", ip6_all_nodes, &m);
	ck_assert_uint_eq(router_used(), 10);
	mac6(m.tlla, 10);
	desk6_nd(&d, 10, "fe80::a", ip6_all_nodes, &m);
	ck_assert_uint_eq(router_used(), 11);
	m.flags = ND_NA_SOLICITED;
	ip6(m.target, "fe80::b");
	mac6(m.tlla, 11);
	desk6_nd(&d, 11, "fe80::b", us, &m);
	ck_assert_int_eq(route_lookup(d.st, ip6_handle(d.st, far, 0), &hit), -ENETUNREACH);
}
END_TEST

int main(void)
{
	return run_cases(
		"gateway",
		CASES(a_gateway_that_does_not_answer_gives_way_and_nothing_is_lost,
		      one_that_stops_answering_gives_way,
		      a_dead_gateway_is_asked_for_every_30_s_and_takes_over_when_it_answers,
		      of_gateways_that_are_all_dead_each_has_its_turn_and_the_sender_is_told,
		      a_gateway_without_another_is_not_asked_for_unless_it_is_needed,
		      a_longer_prefix_is_not_given_up_for_another_gateway,
		      a_dead_gateway_that_is_pushed_out_of_the_table_is_used_again,
		      a_router_that_does_not_answer_gives_way_until_it_advertises_itself,
		      of_routers_that_are_all_dead_each_has_its_turn,
		      a_router_that_says_it_is_a_host_loses_its_default_route),
		setup, teardown);
}
