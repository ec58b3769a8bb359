/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery: solicitations answered, advertisements believed where they may be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;
static uint8_t us[16], our_group[16];

static void setup(void)
{
	desk6_open(&d);
	ip6(us, "2001:db8::1");
	ip6_solicited_node(our_group, us);
}

static void teardown(void)
{
	desk_close(&d);
}

static struct nd_msg solicitation(uint8_t n)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true};

	memcpy(m.target, us, 16);
	mac6(m.slla, n);
	return m;
}

static struct nd_msg advertisement(const char *target, uint8_t n, uint8_t flags)
{
	struct nd_msg m = {.type = ICMP6_NA, .has_tlla = true, .flags = flags};

	ip6(m.target, target);
	mac6(m.tlla, n);
	return m;
}

START_TEST(a_solicitation_for_us_is_answered_and_its_sender_remembered_as_stale)
{
	struct nd_msg m = solicitation(9);
	struct neigh_row row;
	uint8_t mac[6];

	desk6_nd(&d, 9, "2001:db8::9", our_group, &m);
	ck_assert(desk6_sent(&d, &pk));
	mac6(mac, 9);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
	ck_assert_uint_eq(pk.nd.type, ICMP6_NA);
	ck_assert_uint_eq(pk.nd.flags, ND_NA_SOLICITED | ND_NA_OVERRIDE);
	ck_assert_mem_eq(pk.nd.target, us, 16);
	ck_assert_mem_eq(pk.nd.tlla, d.port[0].port.mac, 6);
	ck_assert_uint_eq(pk.ip.hop_limit, 255);
	ck_assert_mem_eq(pk.ip.src, us, 16);
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
	ck_assert_uint_eq(row.addr.family, AF_INET6);
}
END_TEST

START_TEST(what_a_router_may_have_passed_on_is_ignored)
{
	struct nd_msg m = solicitation(9);
	struct ip6_hdr h = {.next = IP6_ICMP, .hop_limit = 254};
	uint8_t l4[64];
	struct neigh_row row;

	ip6(h.src, "2001:db8::9");
	memcpy(h.dst, our_group, 16);
	desk6_packet(&d, 9, &h, l4, nd_build(l4, &m));
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 1);
}
END_TEST

START_TEST(who_asks_from_another_net_is_answered_by_way_of_his_mac_and_not_remembered)
{
	struct nd_msg m = solicitation(9);
	struct neigh_row row;

	desk6_nd(&d, 9, "2001:db8:5::9", our_group, &m);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

START_TEST(a_probe_for_our_address_is_answered_to_all)
{
	struct nd_msg m = {.type = ICMP6_NS};

	memcpy(m.target, us, 16);
	desk6_nd(&d, 9, "::", our_group, &m);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_mem_eq(pk.ip.dst, ip6_all_nodes, 16);
	ck_assert_uint_eq(pk.nd.flags, ND_NA_OVERRIDE);
	m.has_slla = true; /* RFC 4861 7.1.1 */
	desk6_nd(&d, 9, "::", our_group, &m);
	ck_assert(!desk6_sent(&d, &pk));
}
END_TEST

/* A datagram waits; the answer lets it go. */
START_TEST(a_neighbour_is_asked_for_by_its_group_and_what_waited_goes_when_it_answers)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	struct nd_msg m = advertisement("2001:db8::9", 9, ND_NA_SOLICITED | ND_NA_OVERRIDE);
	struct neigh_row row;
	uint8_t group[16];

	ck_assert_int_eq(desk_send(&d, so, "hi", 2, &to), 2);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.nd.type, ICMP6_NS);
	ip6_solicited_node(group, to.addr);
	ck_assert_mem_eq(pk.ip.dst, group, 16);
	ck_assert_uint_eq(pk.eth.dst[0], 0x33);
	ck_assert_uint_eq(pk.eth.dst[5], 9);
	ck_assert(pk.nd.has_slla);
	desk6_nd(&d, 9, "2001:db8::9", us, &m);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.next, IP6_UDP);
	ck_assert_uint_eq(pk.eth.dst[5], 9);
	ck_assert(pk.csum_ok);
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1);
	ck_assert_uint_eq(row.state, NEIGH_REACHABLE);
}
END_TEST

/* RFC 4861 7.2.2: one at least, the newest. */
START_TEST(forty_eight_packets_wait_and_the_oldest_is_dropped)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	struct nd_msg m = advertisement("2001:db8::9", 9, ND_NA_SOLICITED | ND_NA_OVERRIDE);

	for (char c = 0; c < 52; c++)
		ck_assert_int_eq(desk_send(&d, so, &c, 1, &to), 1);
	desk_drop_sent(&d, 0);
	desk6_nd(&d, 9, "2001:db8::9", us, &m);
	for (char c = 4; c < 52; c++) {
		ck_assert(desk6_sent(&d, &pk));
		ck_assert_int_eq(pk.l4[8], c);
	}
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_count(&d, "NeighQueueDrops"), 4);
}
END_TEST

START_TEST(nobody_there_is_told_to_the_sender_after_three_questions)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	int on = 1, err;
	uint32_t len = sizeof(err);
	unsigned asked = 0;

	ck_assert_int_eq(sock_setopt(so, 41, 25 /* IPV6_RECVERR */, &on, sizeof(on)), 0);
	ck_assert_int_eq(sock_connect(so, &to), 0);
	ck_assert_int_eq(desk_send(&d, so, "hi", 2, NULL), 2);
	desk_pass(&d, 4 * SEC_NS);
	while (desk6_sent(&d, &pk))
		asked++;
	ck_assert_uint_eq(asked, 3);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, EHOSTUNREACH);
}
END_TEST

START_TEST(an_advertisement_nobody_asked_for_makes_no_entry)
{
	struct nd_msg m = advertisement("2001:db8::9", 9, ND_NA_OVERRIDE);
	struct neigh_row row;

	desk6_nd(&d, 9, "2001:db8::9", ip6_all_nodes, &m);
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

/* RFC 4861 7.2.5's rows for an entry that is there. */
START_TEST(an_advertisement_changes_what_its_flags_let_it_change)
{
	struct neigh_row row;
	struct nd_msg m;
	uint8_t mac9[6], mac8[6];

	mac6(mac9, 9);
	mac6(mac8, 8);
	desk6_know(&d, 9); /* STALE */
	m = advertisement("2001:db8::9", 8, ND_NA_SOLICITED);
	desk6_nd(&d, 8, "2001:db8::9", us, &m); /* another MAC, no override: nothing */
	desk_neighbours(&d, &row);
	ck_assert_mem_eq(row.mac, mac9, 6);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
	m = advertisement("2001:db8::9", 9, ND_NA_SOLICITED);
	desk6_nd(&d, 9, "2001:db8::9", us, &m); /* the same MAC: proof */
	desk_neighbours(&d, &row);
	ck_assert_uint_eq(row.state, NEIGH_REACHABLE);
	m = advertisement("2001:db8::9", 8, 0);
	desk6_nd(&d, 8, "2001:db8::9", us, &m); /* doubt */
	desk_neighbours(&d, &row);
	ck_assert_mem_eq(row.mac, mac9, 6);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
	m = advertisement("2001:db8::9", 8, ND_NA_OVERRIDE | ND_NA_SOLICITED);
	desk6_nd(&d, 8, "2001:db8::9", us, &m); /* nobody asked, and he was just heard */
	desk_neighbours(&d, &row);
	ck_assert_mem_eq(row.mac, mac9, 6);
	desk_pass(&d, SEC_NS);
	m = advertisement("2001:db8::9", 8, ND_NA_OVERRIDE);
	desk6_nd(&d, 8, "2001:db8::9", us, &m);
	desk_neighbours(&d, &row);
	ck_assert_mem_eq(row.mac, mac8, 6);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
}
END_TEST

START_TEST(a_flood_of_askers_does_not_push_out_a_reachable_neighbour)
{
	struct nd_msg m = advertisement("2001:db8::9", 9, ND_NA_SOLICITED);
	struct nd_msg ask = {.type = ICMP6_NS, .has_slla = true};
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);
	struct neigh_row row;
	struct packet6 pk6;
	uint32_t cursor = 0;
	bool there = false;
	char src[40];
	unsigned i;

	memcpy(ask.target, us, 16);
	mac6(ask.slla, 7);
	desk6_know(&d, 9);
	desk6_nd(&d, 9, "2001:db8::9", us, &m);
	for (i = 0; i < 5000; i++) {
		snprintf(src, sizeof(src), "2001:db8::f:%x", i);
		desk6_nd(&d, 7, src, us, &ask);
		desk_drop_sent(&d, 0);
	}
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1024);
	while (stack_neigh_row(d.st, &cursor, &row))
		there |= row.addr.bytes[15] == 9 && row.addr.bytes[13] == 0 &&
			 row.state == NEIGH_REACHABLE;
	ck_assert(there);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk6));
	ck_assert_uint_eq(pk6.ip.next, IP6_UDP);
}
END_TEST

START_TEST(a_solicited_advertisement_to_a_group_is_an_error)
{
	struct nd_msg m = advertisement("2001:db8::9", 9, ND_NA_SOLICITED);

	desk6_know(&d, 9);
	desk6_nd(&d, 9, "2001:db8::9", ip6_all_nodes, &m);
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 1);
}
END_TEST

START_TEST(a_mac_that_is_nobodys_is_not_learned)
{
	static const uint8_t bad[2][6] = {{0}, {0x33, 0x33, 0, 0, 0, 1}};
	struct nd_msg m = solicitation(9);
	struct neigh_row row;
	unsigned i;

	for (i = 0; i < 3; i++) {
		memcpy(m.slla, i < 2 ? bad[i] : d.port[0].port.mac, 6);
		desk6_nd(&d, 9, "2001:db8::9", our_group, &m);
	}
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_count(&d, "NdInErrors"), 3);
}
END_TEST

START_TEST(a_probe_of_a_stale_neighbour_goes_to_its_mac)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("2001:db8::9", 53);

	desk6_know(&d, 9);
	ck_assert_int_eq(desk_send(&d, so, "hi", 2, &to), 2);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.next, IP6_UDP);
	desk_pass(&d, 5500 * MS_NS);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.nd.type, ICMP6_NS);
	ck_assert_uint_eq(pk.eth.dst[0], 2);
	ck_assert_uint_eq(pk.ip.dst[15], 9);
}
END_TEST

int main(void)
{
	return run_cases(
		"nd",
		CASES(a_solicitation_for_us_is_answered_and_its_sender_remembered_as_stale,
		      what_a_router_may_have_passed_on_is_ignored,
		      who_asks_from_another_net_is_answered_by_way_of_his_mac_and_not_remembered,
		      a_probe_for_our_address_is_answered_to_all,
		      a_neighbour_is_asked_for_by_its_group_and_what_waited_goes_when_it_answers,
		      forty_eight_packets_wait_and_the_oldest_is_dropped,
		      nobody_there_is_told_to_the_sender_after_three_questions,
		      an_advertisement_nobody_asked_for_makes_no_entry,
		      an_advertisement_changes_what_its_flags_let_it_change,
		      a_flood_of_askers_does_not_push_out_a_reachable_neighbour,
		      a_solicited_advertisement_to_a_group_is_an_error,
		      a_mac_that_is_nobodys_is_not_learned,
		      a_probe_of_a_stale_neighbour_goes_to_its_mac),
		setup, teardown);
}
