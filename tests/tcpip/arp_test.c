/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;
static struct packet pk;

static void setup(void)
{
	desk_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

START_TEST(a_request_for_our_address_is_answered_to_the_asker)
{
	uint8_t mac[6];

	mac_of(ip(10, 0, 0, 9), mac);
	desk_arp(&d, 1, ip(10, 0, 0, 9), ip(10, 0, 0, 1));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
	ck_assert_uint_eq(pk.arp.op, 2);
	ck_assert_uint_eq(pk.arp.spa, ip(10, 0, 0, 1));
	ck_assert_mem_eq(pk.arp.sha, d.port[0].port.mac, 6);
	ck_assert_uint_eq(pk.arp.tpa, ip(10, 0, 0, 9));
	ck_assert_mem_eq(pk.arp.tha, mac, 6);
}
END_TEST

START_TEST(a_request_for_another_address_is_neither_answered_nor_remembered)
{
	struct neigh_row row;

	desk_arp(&d, 1, ip(10, 0, 0, 9), ip(10, 0, 0, 2));
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

START_TEST(an_address_of_another_port_is_not_answered_for)
{
	desk_arp(&d, 1, ip(10, 0, 0, 9), ip(192, 168, 5, 1));
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(who_asks_for_us_is_remembered_as_stale)
{
	struct neigh_row row;

	desk_arp(&d, 1, ip(10, 0, 0, 9), ip(10, 0, 0, 1));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
}
END_TEST

START_TEST(who_asks_from_another_net_is_answered_but_not_remembered)
{
	struct neigh_row row;

	desk_arp(&d, 1, ip(10, 3, 0, 9), ip(10, 0, 0, 1));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

START_TEST(an_answer_nobody_asked_for_makes_no_entry)
{
	struct neigh_row row;

	desk_arp(&d, 2, ip(10, 0, 0, 9), ip(10, 0, 0, 1));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

START_TEST(a_gratuitous_request_updates_what_is_known_and_makes_nothing_new)
{
	struct neigh_row row;
	uint8_t frame[60] = {0};
	struct eth_hdr e = {.dst = {255, 255, 255, 255, 255, 255},
			    .src = {2, 7, 7, 7, 7, 7},
			    .type = ETH_TYPE_ARP};
	struct arp_msg m = {.op = 1, .sha = {2, 7, 7, 7, 7, 7}};

	m.spa = m.tpa = ip(10, 0, 0, 9);
	eth_build(frame, &e);
	arp_build(frame + ETH_HDR_LEN, &m);
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
	desk_know(&d, ip(10, 0, 0, 9));
	desk_frame(&d, 0, frame, sizeof(frame));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1);
	ck_assert_mem_eq(row.mac, m.sha, 6);
	ck_assert_uint_eq(row.state, NEIGH_STALE);
}
END_TEST

START_TEST(a_probe_for_our_address_is_answered_and_leaves_nothing)
{
	struct neigh_row row;

	desk_arp(&d, 1, 0, ip(10, 0, 0, 1));
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.arp.op, 2);
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
}
END_TEST

START_TEST(somebody_with_our_address_teaches_us_nothing)
{
	struct neigh_row row;

	desk_arp(&d, 1, ip(10, 0, 0, 1), ip(10, 0, 0, 1));
	ck_assert(desk_sent(&d, 0, &pk)); /* acd.c defends it */
	ck_assert_uint_eq(pk.arp.op, 1);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_neighbours(&d, &row), 0);
	ck_assert_uint_eq(desk_count(&d, "ArpInErrors"), 1);
}
END_TEST

START_TEST(broadcast_and_group_senders_are_refused)
{
	desk_arp(&d, 1, ip(10, 0, 0, 255), ip(10, 0, 0, 1));
	desk_arp(&d, 1, ip(224, 0, 0, 5), ip(10, 0, 0, 1));
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "ArpInErrors"), 2);
}
END_TEST

START_TEST(a_short_message_is_refused)
{
	uint8_t frame[ETH_HDR_LEN + ARP_LEN] = {0};
	struct eth_hdr e = {
		.dst = {255, 255, 255, 255, 255, 255}, .src = {2, 7}, .type = ETH_TYPE_ARP};

	eth_build(frame, &e);
	desk_frame(&d, 0, frame, sizeof(frame) - 1);
	ck_assert_uint_eq(desk_count(&d, "ArpInErrors"), 1);
}
END_TEST

int main(void)
{
	return run_cases("arp",
			 CASES(a_request_for_our_address_is_answered_to_the_asker,
			       a_request_for_another_address_is_neither_answered_nor_remembered,
			       an_address_of_another_port_is_not_answered_for,
			       who_asks_for_us_is_remembered_as_stale,
			       who_asks_from_another_net_is_answered_but_not_remembered,
			       an_answer_nobody_asked_for_makes_no_entry,
			       a_gratuitous_request_updates_what_is_known_and_makes_nothing_new,
			       a_probe_for_our_address_is_answered_and_leaves_nothing,
			       somebody_with_our_address_teaches_us_nothing,
			       broadcast_and_group_senders_are_refused, a_short_message_is_refused),
			 setup, teardown);
}
