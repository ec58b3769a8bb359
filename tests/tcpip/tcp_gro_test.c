/* SPDX-License-Identifier: BSD-3-Clause */
/* Which segments make a train, and that but for the time it takes nobody can tell. What a receiver
 * does with one is in tcp_train_test.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"
#include "tests/tcpip/twin_desk.h"

#define A   TCP_ACK
#define MSS TWIN_MSS

START_TEST(segments_that_follow_one_another_go_up_as_one)
{
	unsigned wakes;
	struct tcp_info_abi i;

	twin_accepted();
	wakes = twin[0].wakes;
	(void)twin_put_full(1, 8);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1);
	ck_assert_uint_eq(twin[0].wakes, wakes + 1);
	ck_assert_uint_eq(twin_n_sent, 1);
	twin_last_ack(1 + 8 * MSS);
	i = peer_info(&twin_peer[0]);
	ck_assert_uint_eq(i.data_segs_in, 8);
	ck_assert_uint_eq(i.segs_in, 1 + 8); /* a SYN is its listener's */
	ck_assert_uint_eq(i.rcv_mss, MSS);
	ck_assert_uint_eq(desk_count(&twin[0], "TcpInSegs"), 2 + 8);
	ck_assert_int_eq(twin_read_all(1), 8 * MSS);
}
END_TEST

START_TEST(a_push_ends_a_train)
{
	struct twin_seg s = twin_at(1 + 2 * MSS, MSS);

	twin_accepted();
	(void)twin_put_full(1, 2);
	s.flags |= TCP_PSH;
	twin_put(s);
	(void)twin_put_full(1 + 3 * MSS, 3);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 2);
	ck_assert_int_eq(twin_read_all(1), 6 * MSS);
}
END_TEST

/* What may come in the middle of a train, 8 segments of which the fifth is odd. */
static struct twin_seg odd(unsigned kind, uint32_t seq)
{
	struct twin_seg s = twin_at(seq, MSS);

	switch (kind) {
	case 0:
		s.seq += MSS; /* a gap */
		break;
	case 1:
		s.seq -= MSS; /* a duplicate */
		break;
	case 2:
		s.seq -= 500; /* an overlap */
		break;
	case 3:
		s.window = 400;
		break;
	case 4:
		s.flags |= TCP_URG;
		s.urgent = 700;
		break;
	case 5:
		s.flags |= TCP_SYN;
		break;
	case 6:
		s.flags = A | TCP_RST;
		s.seq += 10; /* not the very next: it is asked back */
		break;
	case 7:
		s.tos = 8;
		break;
	case 8:
		s.flags |= TCP_ECE;
		break;
	case 9:
		s.sack = true;
		break;
	case 10:
		s.ack = 0; /* an old ACK */
		break;
	case 11:
		s.ack = 3000; /* of what was never sent */
		break;
	case 12:
		s.len = 0; /* no data */
		break;
	case 13:
		s.flags = 0; /* no ACK */
		break;
	case 14:
		s.seq -= 100000; /* outside the window */
		break;
	case 15:
		s.dport = 81; /* where nobody listens */
		break;
	case 16:
		s.src = 8; /* who has no connection */
		break;
	case 17:
		s.flags |= TCP_FIN;
		break;
	default:
		s.flags = A | TCP_RST;
		break;
	}
	return s;
}
#define ODD 19

START_TEST(whatever_else_comes_keeps_its_place_in_the_flow)
{
	uint32_t seq;

	twin_accepted();
	for (unsigned k = 0; k < 2; k++) { /* something that ACKs and SACKs may be about */
		ck_assert_int_eq(peer_write(&twin_peer[k], 4 * MSS), 4 * MSS);
		(void)peer_drain(&twin_peer[k]);
	}
	seq = twin_put_full(1, 4);
	twin_put(odd((unsigned)_i, seq));
	seq = twin_put_full(seq, 3);
	twin_arrive();
	ck_assert_uint_ge(twin_trains(), 1);
	twin_put(twin_at(1 + 4 * MSS, MSS)); /* what may be missing */
	(void)twin_put_full(seq, 4);
	twin_arrive();
	twin_pass(100 * MS_NS);
	ck_assert_int_ge(desk_recv(twin_peer[0].so, twin_got[0], 4 * MSS, MSG_PEEK, NULL, NULL),
			 700);
}
END_TEST

START_TEST(a_damaged_segment_is_dropped_alone)
{
	struct twin_seg s = twin_at(1 + 4 * MSS, MSS);

	twin_accepted();
	(void)twin_put_full(1, 4);
	s.bad = true;
	twin_put(s);
	(void)twin_put_full(1 + 5 * MSS, 3);
	twin_arrive();
	ck_assert_uint_eq(desk_count(&twin[0], "TcpInCsumErrors"), 1);
	twin_last_ack(1 + 4 * MSS);
	ck_assert_int_eq(twin_read_all(1), 4 * MSS);
	(void)twin_put_full(1 + 4 * MSS, 1);
	twin_arrive();
	twin_last_ack(1 + 8 * MSS);
	ck_assert_int_eq(twin_read_all(1 + 4 * MSS), 4 * MSS);
}
END_TEST

START_TEST(timestamps_must_be_the_same)
{
	uint32_t seq = 1;

	twin_peer[0].ts = twin_peer[1].ts = true;
	twin_accepted();
	for (unsigned i = 0; i < 12; i++, seq += 1448) {
		struct twin_seg s = twin_at(seq, 1448);

		s.ts = 1000 + i / 6;
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 2);
	ck_assert_uint_eq(twin_sent[0][0].h.opts.ts_ecr,
			  1000); /* of what was not yet acknowledged */
	for (unsigned i = 0; i < 4; i++, seq += 1448) {
		struct twin_seg s = twin_at(seq, 1448);

		s.ts = 500; /* old duplicates, by their time */
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(desk_count(&twin[0], "TcpPawsDrops"), 4);
	ck_assert_uint_eq(twin_trains(), 2);
	ck_assert_int_eq(twin_read_all(1), 12 * 1448);
	twin_pass(300 * MS_NS);
	for (unsigned i = 0; i < 10; i++) { /* small ones may have waited: no round trip */
		struct twin_seg s = twin_at(1 + 12 * 1448 + i * 200, 200);

		s.ts = 1001;
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 3);
	ck_assert_int_eq(twin_read_all(1 + 12 * 1448), 2000);
}
END_TEST

START_TEST(a_segment_without_timestamps_and_one_whose_are_zero_do_not_join)
{
	struct twin_seg s;

	twin_peer[0].ts = twin_peer[1].ts = true;
	twin_accepted();
	twin_put(twin_at(1, MSS));
	s = twin_at(1 + MSS, MSS);
	s.zero_ts = true; /* an old duplicate, by its time */
	twin_put(s);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
	ck_assert_uint_eq(desk_count(&twin[0], "TcpPawsDrops"), 1);
	ck_assert_int_eq(twin_read_all(1), MSS);
}
END_TEST

START_TEST(an_echo_of_another_time_is_another_round_trip)
{
	twin_peer[0].ts = twin_peer[1].ts = true;
	twin_accepted();
	twin_pass(1000 * MS_NS);
	for (unsigned i = 0; i < 2; i++) {
		struct twin_seg s = twin_at(1 + i * 1448, 1448);

		s.ts = 1001;
		s.ecr_ago = i * 500;
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
	ck_assert_uint_gt(peer_info(&twin_peer[0]).rcv_rtt, 1050000);
	ck_assert_int_eq(twin_read_all(1), 2 * 1448);
}
END_TEST

START_TEST(a_train_has_64_segments)
{
	twin_accepted();
	for (unsigned i = 0; i < 70; i++)
		twin_put(twin_at(1 + i * 200, 200));
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 2);
	ck_assert_int_eq(twin_read_all(1), 70 * 200);
}
END_TEST

/* Behind a gap, where a train is taken apart: the others did not say it. */
START_TEST(what_a_first_segment_reports_is_told_once)
{
	struct twin_seg s = twin_at(1 + MSS, MSS);

	twin_accepted();
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_int_eq(peer_write(&twin_peer[k], MSS), MSS);
		(void)peer_drain(&twin_peer[k]);
	}
	s.dsack = true;
	twin_put(s);
	(void)twin_put_full(1 + 2 * MSS, 3);
	twin_arrive();
	ck_assert_uint_eq(peer_info(&twin_peer[0]).dsack_dups, 1);
}
END_TEST

/* What is said of a packet in pieces (one answer, the size of all) is not of those before it. */
START_TEST(a_packet_in_pieces_says_nothing_of_the_segment_before_it)
{
	for (unsigned k = 0; k < 2; k++)
		desk_wide(&twin[k]);
	twin_accepted();
	twin_put(twin_at(1 + MSS, MSS)); /* behind a gap */
	twin_put(twin_at(1 + 2 * MSS, 6000));
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 2); /* a duplicate ACK each */
	(void)twin_put_full(1, 1);
	twin_arrive();
	ck_assert_int_eq(twin_read_all(1), 2 * MSS + 6000);
}
END_TEST

START_TEST(the_size_of_a_packet_in_pieces_is_not_that_of_the_segment_before_it)
{
	for (unsigned k = 0; k < 2; k++) {
		desk_wide(&twin[k]);
		twin_peer[k].mss = 8960;
	}
	twin_accepted();
	twin_put(twin_at(1, 1000));
	twin_put(twin_at(90000, 6000)); /* beyond the window */
	twin_arrive();
	ck_assert_uint_eq(peer_info(&twin_peer[0]).rcv_mss, 1000);
	ck_assert_int_eq(twin_read_all(1), 1000);
}
END_TEST

START_TEST(marks_of_congestion_are_counted_by_the_segment)
{
	struct sock_addr from;

	for (unsigned k = 0; k < 2; k++) {
		peer_listener(&twin_peer[k], 4);
		peer_send(&twin_peer[k], TCP_SYN | TCP_ECE | TCP_CWR, 0, 0, 0);
		peer_expect(&twin_peer[k], TCP_SYN | TCP_ACK | TCP_ECE, 0, 1, 0);
		peer_send(&twin_peer[k], A, 1, 1, 0);
		ck_assert_int_eq(sock_accept(twin_peer[k].listener, &twin_peer[k].so, &from), 0);
	}
	for (unsigned i = 0; i < 12; i++) {
		struct twin_seg s = twin_at(1 + i * MSS, MSS);

		s.tos = i >= 4 && i < 8 ? IP_CE : IP_ECT0;
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 2);
	ck_assert_uint_eq(twin_peer[0].so->tcp->ce_in, 4);
	ck_assert(twin_sent[0][twin_n_sent - 1].h.flags & TCP_ECE);
	ck_assert_int_eq(twin_read_all(1), 12 * MSS);
}
END_TEST

START_TEST(flows_that_take_turns_have_a_train_each)
{
	twin_connect_flows(3);
	for (unsigned i = 0; i < 24; i++)
		twin_put(twin_of_flow(i % 3, 1 + i / 3 * MSS, MSS));
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 3);
	ck_assert_uint_eq(twin_n_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(twin_read_from(twin_flows[0][i], twin_flows[1][i], 1), 8 * MSS);
}
END_TEST

START_TEST(more_flows_than_trains_lose_nothing)
{
	twin_connect_flows(TWIN_FLOWS);
	for (unsigned i = 0; i < 5 * TWIN_FLOWS; i++)
		twin_put(twin_of_flow(i % TWIN_FLOWS, 1 + i / TWIN_FLOWS * 1000, 1000));
	twin_arrive();
	for (unsigned i = 0; i < TWIN_FLOWS; i++)
		ck_assert_int_eq(twin_read_from(twin_flows[0][i], twin_flows[1][i], 1), 5000);
}
END_TEST

START_TEST(an_error_about_a_flow_finds_its_train_taken)
{
	uint32_t seq = 1;

	twin_accepted();
	ck_assert_int_eq(peer_write(&twin_peer[0], 4 * MSS), 4 * MSS);
	ck_assert_int_eq(peer_write(&twin_peer[1], 4 * MSS), 4 * MSS);
	(void)peer_drain(&twin_peer[0]);
	(void)peer_drain(&twin_peer[1]);
	for (unsigned i = 0; i < 4; i++, seq += MSS) {
		struct twin_seg s = twin_at(seq, MSS);

		s.ack = 1 + 2 * MSS; /* what the error quotes is not in flight any more */
		twin_put(s);
	}
	twin_put_icmp();
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1);
	ck_assert_uint_eq(twin_peer[0].so->tcp->path_mtu, 0);
	(void)twin_put_full(seq, 3);
	twin_arrive();
	ck_assert_int_eq(twin_read_all(1), 7 * MSS);
}
END_TEST

START_TEST(the_way_to_ourselves_makes_trains_too)
{
	struct socket *l = desk_socket(&twin[0], SOCK_STREAM, 0), *so, *from;
	struct sock_addr name;
	static uint8_t data[20000];
	int64_t sum = 0, r;

	ck_assert_int_eq(desk_bind(l, ip(10, 0, 0, 1), 70), 0);
	ck_assert_int_eq(sock_listen(l, 4), 0);
	from = desk_socket(&twin[0], SOCK_STREAM, 0);
	(void)desk_connect(from, ip(10, 0, 0, 1), 70);
	for (unsigned i = 0; i < 4; i++)
		desk_flush(&twin[0]);
	ck_assert_int_eq(sock_accept(l, &so, &name), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 3);
	for (size_t at = 0; at < sizeof(data); at += (size_t)r) {
		r = desk_send(&twin[0], from, data + at, sizeof(data) - at, NULL);
		ck_assert_int_gt(r, 0);
		ck_assert_uint_eq(twin[0].st->tcp->gro.n, 0);
		desk_pass(&twin[0], 10 * MS_NS);
	}
	while ((r = desk_recv(so, twin_got[0] + sum, 65536, 0, NULL, NULL)) > 0)
		sum += r;
	ck_assert_int_eq(sum, sizeof(data));
	ck_assert_mem_eq(twin_got[0], data, sizeof(data));
	ck_assert_uint_ge(twin_trains(), 1);
}
END_TEST

/* One segment of 2001:db8::9 in a frame. */
static struct pktbuf *frame6(struct desk *six, struct tcp_hdr *h, uint32_t len)
{
	struct pktbuf *b = pktbuf_alloc(&six->pool);
	struct eth_hdr e = {.type = ETH_TYPE_IP6};
	struct ip6_hdr i = {.next = IP6_TCP, .hop_limit = 64};
	uint8_t *l4 = pktbuf_data(b) + ETH_HDR_LEN + IP6_HDR_LEN;
	unsigned hdr;
	uint16_t sum;

	mac6(e.src, 9);
	memcpy(e.dst, six->port[0].port.mac, 6);
	ip6(i.src, "2001:db8::9");
	ip6(i.dst, "2001:db8::1");
	hdr = tcp_build(l4, h);
	i.payload_len = (uint16_t)(hdr + len);
	memset(l4 + hdr, (int)(h->seq >> 8), len);
	eth_build(pktbuf_data(b), &e);
	ip6_build(pktbuf_data(b) + ETH_HDR_LEN, &i);
	sum = csum_fold(csum_add(csum_pseudo6(i.src, i.dst, 6, hdr + len), l4, hdr + len));
	memcpy(l4 + 16, &sum, 2);
	b->len = (uint16_t)(ETH_HDR_LEN + IP6_HDR_LEN + hdr + len);
	return b;
}

START_TEST(segments_over_ipv6_make_trains)
{
	struct tcp_hdr h = {.sport = 4000, .dport = 80, .flags = TCP_SYN, .window = 60000}, t;
	struct sock_addr any = name6("::", 80), from;
	static struct desk six;
	struct pktbuf *in[8];
	struct socket *l, *so;
	struct packet6 pk;

	desk6_open(&six);
	desk6_know(&six, 9);
	l = socket6(&six, SOCK_STREAM, 0);
	ck_assert_int_eq(sock_bind(l, &any), 0);
	ck_assert_int_eq(sock_listen(l, 4), 0);
	in[0] = frame6(&six, &h, 0);
	stack_input(six.st, &six.port[0].port, in, 1);
	desk_flush(&six);
	ck_assert(desk6_sent(&six, &pk));
	ck_assert_int_eq(tcp_parse(&t, pk.l4, pk.l4_len), 0);
	h.flags = A;
	h.ack = t.seq + 1;
	h.seq = 1;
	for (unsigned i = 0; i < 8; i++) { /* the first alone ends the handshake */
		in[i] = frame6(&six, &h, i ? 1400 : 0);
		h.seq += i ? 1400 : 0;
	}
	stack_input(six.st, &six.port[0].port, in, 1);
	ck_assert_int_eq(sock_accept(l, &so, &from), 0);
	stack_input(six.st, &six.port[0].port, in + 1, 7);
	desk_flush(&six);
	ck_assert_uint_eq(desk_count(&six, "TcpTrains"), 1);
	ck_assert_int_eq(sock_readable(so), 7 * 1400);
	ck_assert(desk6_sent(&six, &pk));
	ck_assert_int_eq(tcp_parse(&t, pk.l4, pk.l4_len), 0);
	ck_assert_uint_eq(t.ack, 1 + 7 * 1400);
	ck_assert(!desk6_sent(&six, &pk));
	tcp_done(so->tcp, 0);
	desk_close(&six);
}
END_TEST

/* A stream with repetitions, losses and odd segments; the second desk says what is right. */
START_TEST(anything_in_batches_is_as_one_by_one)
{
	uint32_t next[3] = {1, 1, 1}, i;

	srand((unsigned)_i);
	twin_connect_flows(3);
	for (unsigned round = 0; round < 150; round++) {
		unsigned count = 1 + (unsigned)rand() % 40, f = 0;

		while (twin_batched() < count) {
			uint32_t len = rand() % 6 ? MSS : 1 + (uint32_t)rand() % MSS;
			struct twin_seg s;

			f = rand() % 4 ? f : (unsigned)rand() % 3;
			s = twin_of_flow(f, next[f], len);
			if (rand() % 12 == 0) {
				uint16_t port = s.port;
				uint32_t ack = s.ack, kind = (uint32_t)rand() % 17;

				s = odd(kind, s.seq);
				s.port = port;
				s.ack = ack;
			} else {
				next[f] += len;
			}
			if (rand() % 20 == 0)
				s.flags |= TCP_PSH;
			s.bad = rand() % 40 == 0;
			twin_put(s);
		}
		twin_arrive();
		for (i = 0; i < 3; i++) {
			next[i] = twin_flows[0][i]->tcp->rcv_nxt - PEER_ISS;
			if (rand() % 3 == 0) {
				(void)desk_recv(twin_flows[0][i], twin_got[0], 100000, 0, NULL,
						NULL);
				(void)desk_recv(twin_flows[1][i], twin_got[1], 100000, 0, NULL,
						NULL);
				ck_assert(memcmp(twin_got[0], twin_got[1], sizeof(twin_got[0])) ==
					  0);
			}
		}
		twin_pass((uint64_t)rand() % 60 * MS_NS);
	}
	ck_assert_uint_ge(twin_trains(), 50);
}
END_TEST

int main(void)
{
	const TTest *const *cases =
		CASES(segments_that_follow_one_another_go_up_as_one, a_push_ends_a_train,
		      a_damaged_segment_is_dropped_alone, timestamps_must_be_the_same,
		      a_segment_without_timestamps_and_one_whose_are_zero_do_not_join,
		      an_echo_of_another_time_is_another_round_trip, a_train_has_64_segments,
		      a_packet_in_pieces_says_nothing_of_the_segment_before_it,
		      the_size_of_a_packet_in_pieces_is_not_that_of_the_segment_before_it,

		      what_a_first_segment_reports_is_told_once,
		      marks_of_congestion_are_counted_by_the_segment,
		      flows_that_take_turns_have_a_train_each, more_flows_than_trains_lose_nothing,
		      an_error_about_a_flow_finds_its_train_taken,
		      the_way_to_ourselves_makes_trains_too, segments_over_ipv6_make_trains);
	Suite *su = suite_create("tcp_gro");
	TCase *tc = tcase_create("tcp_gro");
	SRunner *sr = srunner_create(su);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, twin_setup, twin_teardown);
	for (; *cases; cases++)
		tcase_add_test(tc, *cases);
	tcase_add_loop_test(tc, whatever_else_comes_keeps_its_place_in_the_flow, 0, ODD);
	tcase_add_loop_test(tc, anything_in_batches_is_as_one_by_one, 0, 8);
	suite_add_tcase(su, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
