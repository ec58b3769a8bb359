/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define PEER ip(10, 0, 0, 9)

static struct desk d;
static struct packet pk;
static struct socket *so;

static void setup(void)
{
	desk_open(&d);
	so = desk_socket(&d, SOCK_DGRAM, 0);
}

static void teardown(void)
{
	desk_close(&d);
}

static void send_to(uint32_t addr, char c)
{
	struct sock_addr to = name(addr, 7);

	ck_assert_int_eq(desk_send(&d, so, &c, 1, &to), 1);
}

static int state_of(uint32_t addr)
{
	struct neigh_row row;
	uint32_t cursor = 0, a;

	while (stack_neigh_row(d.st, &cursor, &row)) {
		memcpy(&a, row.addr.bytes, 4);
		if (a == addr)
			return row.state;
	}
	return 0;
}

static void answer(uint32_t addr)
{
	desk_arp(&d, 2, addr, ip(10, 0, 0, 1));
}

START_TEST(the_first_packet_asks_by_broadcast_and_waits)
{
	send_to(PEER, 'a');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
	ck_assert_uint_eq(pk.eth.dst[0], 0xff);
	ck_assert_uint_eq(pk.arp.op, 1);
	ck_assert_uint_eq(pk.arp.tpa, PEER);
	ck_assert_uint_eq(pk.arp.spa, ip(10, 0, 0, 1));
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_int_eq(state_of(PEER), NEIGH_INCOMPLETE);
}
END_TEST

START_TEST(the_answer_releases_what_waited_in_order)
{
	uint8_t mac[6];

	mac_of(PEER, mac);
	send_to(PEER, 'a');
	send_to(PEER, 'b');
	desk_drop_sent(&d, 0);
	answer(PEER);
	for (char c = 'a'; c <= 'b'; c++) {
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert(pk.csum_ok);
		ck_assert_mem_eq(pk.eth.dst, mac, 6);
		ck_assert_int_eq(pk.payload[0], c);
	}
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
}
END_TEST

START_TEST(forty_eight_packets_wait_and_the_oldest_is_dropped)
{
	for (char c = 0; c < 52; c++)
		send_to(PEER, c);
	desk_drop_sent(&d, 0);
	answer(PEER);
	for (char c = 4; c < 52; c++) {
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_int_eq(pk.payload[0], c);
	}
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "NeighQueueDrops"), 4);
}
END_TEST

START_TEST(three_requests_a_second_apart_then_it_has_failed)
{
	send_to(PEER, 'a');
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 1);
	desk_pass(&d, 1001 * MS_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 1);
	desk_pass(&d, 1001 * MS_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 1);
	ck_assert_int_eq(state_of(PEER), NEIGH_INCOMPLETE);
	desk_pass(&d, 1001 * MS_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
	ck_assert_int_eq(state_of(PEER), NEIGH_FAILED);
	ck_assert_uint_eq(desk_count(&d, "NeighFailed"), 1);
}
END_TEST

/* RFC 1122 2.3.2.1: no flood of requests. */
START_TEST(however_many_packets_there_are_a_host_is_asked_for_once_a_second)
{
	unsigned i, asked = 0;

	for (i = 0; i < 1000; i++) {
		send_to(PEER, 'a');
		desk_pass(&d, 10 * MS_NS);
		asked += desk_drop_sent(&d, 0);
	}
	ck_assert_uint_ge(asked, 8);
	ck_assert_uint_le(asked, 11);
}
END_TEST

START_TEST(failure_is_told_to_a_socket_that_asked_for_errors)
{
	int one = 1, err = 0;
	uint32_t len = sizeof(err);

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, 11 /* IP_RECVERR */, &one, sizeof(one)), 0);
	send_to(PEER, 'a');
	desk_pass(&d, 4 * SEC_NS);
	ck_assert_int_eq(sock_getopt(so, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	ck_assert_int_eq(err, EHOSTUNREACH);
}
END_TEST

START_TEST(a_packet_to_a_failed_neighbour_asks_anew)
{
	send_to(PEER, 'a');
	desk_pass(&d, 4 * SEC_NS);
	desk_drop_sent(&d, 0);
	send_to(PEER, 'b');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.arp.tpa, PEER);
	answer(PEER);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_int_eq(pk.payload[0], 'b');
}
END_TEST

START_TEST(a_failed_entry_goes_away_by_itself)
{
	send_to(PEER, 'a');
	desk_pass(&d, 20 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), 0);
}
END_TEST

START_TEST(reachable_ages_to_stale_and_stale_to_nothing)
{
	send_to(PEER, 'a');
	answer(PEER);
	desk_pass(&d, 29 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_STALE);
	desk_pass(&d, 601 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), 0);
}
END_TEST

START_TEST(a_stale_neighbour_is_used_then_probed_by_unicast_then_given_up)
{
	uint8_t mac[6];

	mac_of(PEER, mac);
	desk_know(&d, PEER);
	send_to(PEER, 'a');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_int_eq(pk.payload[0], 'a');
	ck_assert_int_eq(state_of(PEER), NEIGH_DELAY);
	desk_pass(&d, 5001 * MS_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_PROBE);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.arp.op, 1);
	ck_assert_mem_eq(pk.eth.dst, mac, 6);
	desk_pass(&d, 3 * SEC_NS);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 2);
	ck_assert_int_eq(state_of(PEER), NEIGH_FAILED);
}
END_TEST

START_TEST(the_answer_to_a_probe_makes_it_reachable_again)
{
	desk_know(&d, PEER);
	send_to(PEER, 'a');
	desk_pass(&d, 5001 * MS_NS);
	answer(PEER);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
}
END_TEST

/* A packet of which the sender knows how its path does. */
static void send_hint(uint8_t hint)
{
	struct pktbuf *p = pktbuf_alloc(&d.pool);

	ck_assert_ptr_nonnull(p);
	memset(pktbuf_data(p), 0, 40);
	p->len = 40;
	p->flags = hint;
	neigh_out(d.st, &d.port[0].port, PEER, p);
	desk_flush(&d);
	desk_drop_sent(&d, 0);
}

START_TEST(forward_progress_spares_the_probe)
{
	desk_know(&d, PEER);
	send_to(PEER, 'a');
	desk_drop_sent(&d, 0);
	desk_pass(&d, SEC_NS);
	send_hint(PKTBUF_TX_REACHED);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
}
END_TEST

START_TEST(progress_keeps_a_neighbour_reachable)
{
	send_to(PEER, 'a');
	answer(PEER);
	desk_pass(&d, 25 * SEC_NS);
	send_hint(PKTBUF_TX_REACHED);
	desk_pass(&d, 25 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	desk_pass(&d, 6 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_STALE);
}
END_TEST

START_TEST(who_is_doubted_is_asked_at_once_and_given_up_without_an_answer)
{
	send_to(PEER, 'a');
	answer(PEER);
	desk_drop_sent(&d, 0);
	desk_pass(&d, SEC_NS);
	send_hint(PKTBUF_TX_DOUBTED);
	ck_assert_int_eq(state_of(PEER), NEIGH_PROBE);
	send_hint(PKTBUF_TX_DOUBTED); /* is no second question */
	for (unsigned i = 0; i < 2; i++) {
		desk_pass(&d, SEC_NS);
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
		ck_assert(!desk_sent(&d, 0, &pk));
	}
	desk_pass(&d, SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_FAILED);
}
END_TEST

START_TEST(a_changed_mac_makes_a_reachable_neighbour_stale)
{
	uint8_t other[6] = {2, 5, 5, 5, 5, 5};

	send_to(PEER, 'a');
	answer(PEER);
	desk_pass(&d, SEC_NS);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	ck_assert_int_eq(state_of(PEER), NEIGH_STALE);
	desk_drop_sent(&d, 0);
	send_to(PEER, 'b');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_mem_eq(pk.eth.dst, other, 6);
}
END_TEST

/* Where PEER's packets go now. */
static uint8_t mac_used(void)
{
	desk_drop_sent(&d, 0);
	send_to(PEER, 'b');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_IP4);
	return pk.eth.dst[1];
}

START_TEST(another_mac_is_not_believed_within_a_second_of_proof_and_makes_doubt)
{
	uint8_t other[6] = {2, 5, 5, 5, 5, 5}, mac[6];

	mac_of(PEER, mac);
	send_to(PEER, 'a');
	answer(PEER);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	ck_assert_int_eq(state_of(PEER), NEIGH_STALE); /* its next use will tell */
	ck_assert_uint_eq(mac_used(), mac[1]);
	neigh_learn(d.st, &d.port[0].port, PEER, other, true, false); /* nobody asked */
	ck_assert_uint_eq(mac_used(), mac[1]);
	desk_pass(&d, SEC_NS - MS_NS);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	ck_assert_uint_eq(mac_used(), mac[1]);
	desk_pass(&d, 2 * MS_NS);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	ck_assert_uint_eq(mac_used(), 5);
}
END_TEST

START_TEST(who_takes_an_address_over_is_believed_though_the_last_ack_is_fresh)
{
	uint8_t other[6] = {2, 5, 5, 5, 5, 5};

	send_to(PEER, 'a');
	answer(PEER);
	desk_pass(&d, 10 * SEC_NS);
	send_hint(PKTBUF_TX_REACHED);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	send_to(PEER, 'b');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_mem_eq(pk.eth.dst, other, 6);
}
END_TEST

/* RFC 9293 3.8.3's R1: he may have been heard from just before. */
START_TEST(who_is_doubted_is_asked_and_another_mac_must_be_an_answer)
{
	uint8_t other[6] = {2, 5, 5, 5, 5, 5}, mac[6];

	mac_of(PEER, mac);
	send_to(PEER, 'a');
	answer(PEER);
	send_hint(PKTBUF_TX_DOUBTED);
	ck_assert_int_eq(state_of(PEER), NEIGH_PROBE);
	neigh_learn(d.st, &d.port[0].port, PEER, other, false, false);
	ck_assert_int_eq(state_of(PEER), NEIGH_PROBE);
	ck_assert_uint_eq(mac_used(), mac[1]);
	neigh_learn(d.st, &d.port[0].port, PEER, other, true, false);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	ck_assert_uint_eq(mac_used(), 5);
}
END_TEST

START_TEST(who_answers_a_question_is_believed_whatever_was_known)
{
	uint8_t other[6] = {2, 5, 5, 5, 5, 5};

	send_to(PEER, 'a');
	answer(PEER);
	desk_pass(&d, 31 * SEC_NS);
	send_to(PEER, 'a');
	desk_pass(&d, 6 * SEC_NS);
	ck_assert_int_eq(state_of(PEER), NEIGH_PROBE);
	neigh_learn(d.st, &d.port[0].port, PEER, other, true, false);
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	ck_assert_uint_eq(mac_used(), 5);
}
END_TEST

START_TEST(a_flood_of_askers_does_not_push_out_a_reachable_neighbour)
{
	struct neigh_row row;

	struct ip_addr wide = {AF_INET, 16, {10, 1, 0, 1}};

	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &wide), 0);
	send_to(PEER, 'a');
	answer(PEER);
	for (unsigned i = 0; i < 5000; i++) {
		desk_arp(&d, 1, ip(10, 1, 1 + (i >> 8), i & 255), ip(10, 1, 0, 1));
		desk_drop_sent(&d, 0);
	}
	ck_assert_int_eq(state_of(PEER), NEIGH_REACHABLE);
	ck_assert_uint_eq(desk_neighbours(&d, &row), 1024);
}
END_TEST

START_TEST(what_waits_for_all_neighbours_is_an_eighth_of_the_buffers)
{
	struct icmp_hdr echo = {.type = ICMP4_ECHO};
	unsigned i, k;

	for (i = 0; i < 20; i++)
		for (k = 0; k < 30; k++)
			desk_icmp(&d, ip(10, 0, 0, 100 + i), ip(10, 0, 0, 1), &echo, "x", 1);
	desk_drop_sent(&d, 0);
	ck_assert_uint_eq(d.pool.count - d.pool.avail, DESK_PKTBUFS / 8);
	ck_assert_uint_eq(desk_count(&d, "NeighQueueDrops"), 20 * 30 - DESK_PKTBUFS / 8);
	send_to(PEER, 'a'); /* there is no room for it, but it asks: the next one goes */
	answer(PEER);
	desk_drop_sent(&d, 0);
	send_to(PEER, 'b');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.payload[0], 'b');
	desk_pass(&d, 4 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_uint_eq(d.pool.avail, d.pool.count);
	send_to(ip(10, 0, 0, 200), 'c');
	ck_assert_uint_eq(d.pool.count - d.pool.avail, 1);
}
END_TEST

START_TEST(broadcasts_and_groups_need_no_asking)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0x7f, 1, 2};
	int one = 1;

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)), 0);
	send_to(ip(10, 0, 0, 255), 'a');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.dst[0] & pk.eth.dst[5], 0xff);
	ck_assert_int_eq(stack_route_add(d.st, &(struct ip_addr){AF_INET, 4, {224}}, NULL,
					 &d.port[0].port, 0),
			 0);
	send_to(ip(224, 255, 1, 2), 'a');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_mem_eq(pk.eth.dst, group, 6);
	ck_assert_uint_eq(pk.ip.ttl, 1);
}
END_TEST

START_TEST(packets_by_a_gateway_ask_for_the_gateway)
{
	struct ip_addr any = {.family = AF_INET}, gw = {AF_INET, 32, {10, 0, 0, 254}};

	ck_assert_int_eq(stack_route_add(d.st, &any, &gw, &d.port[0].port, 0), 0);
	send_to(ip(8, 8, 8, 8), 'a');
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.arp.tpa, ip(10, 0, 0, 254));
}
END_TEST

START_TEST(removing_the_port_removes_its_neighbours_and_what_waited)
{
	send_to(PEER, 'a');
	stack_port_del(d.st, &d.port[0].port);
	ck_assert_int_eq(state_of(PEER), 0);
	desk_pass(&d, 10 * SEC_NS);
}
END_TEST

int main(void)
{
	return run_cases(
		"neigh",
		CASES(the_first_packet_asks_by_broadcast_and_waits,
		      the_answer_releases_what_waited_in_order,
		      forty_eight_packets_wait_and_the_oldest_is_dropped,
		      three_requests_a_second_apart_then_it_has_failed,
		      however_many_packets_there_are_a_host_is_asked_for_once_a_second,
		      failure_is_told_to_a_socket_that_asked_for_errors,
		      a_packet_to_a_failed_neighbour_asks_anew, a_failed_entry_goes_away_by_itself,
		      reachable_ages_to_stale_and_stale_to_nothing,
		      a_stale_neighbour_is_used_then_probed_by_unicast_then_given_up,
		      the_answer_to_a_probe_makes_it_reachable_again,
		      forward_progress_spares_the_probe, progress_keeps_a_neighbour_reachable,
		      who_is_doubted_is_asked_at_once_and_given_up_without_an_answer,
		      a_changed_mac_makes_a_reachable_neighbour_stale,
		      another_mac_is_not_believed_within_a_second_of_proof_and_makes_doubt,
		      who_takes_an_address_over_is_believed_though_the_last_ack_is_fresh,
		      who_is_doubted_is_asked_and_another_mac_must_be_an_answer,
		      who_answers_a_question_is_believed_whatever_was_known,
		      a_flood_of_askers_does_not_push_out_a_reachable_neighbour,
		      what_waits_for_all_neighbours_is_an_eighth_of_the_buffers,
		      broadcasts_and_groups_need_no_asking,
		      packets_by_a_gateway_ask_for_the_gateway,
		      removing_the_port_removes_its_neighbours_and_what_waited),
		setup, teardown);
}
