/* SPDX-License-Identifier: BSD-3-Clause */
/* What a receiver does with a train: takes it, or has it taken apart, as segment by segment. Which
 * segments make one is in tcp_gro_test.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/twin_desk.h"

#define A   TCP_ACK
#define MSS TWIN_MSS

/* Buffers of both pools, so that `left` are free: whoever holds them. */
static void use_up(uint32_t left, struct pktbuf **list)
{
	for (unsigned k = 0; k < 2; k++)
		while (twin[k].pool.avail > left) {
			struct pktbuf *b = pktbuf_alloc(&twin[k].pool);

			b->next = list[k];
			list[k] = b;
		}
}

START_TEST(two_full_segments_are_acknowledged_at_once_and_one_is_not)
{
	uint32_t seq = 1;

	twin_accepted();
	for (unsigned i = 0; i < 20; i++) { /* the first are acknowledged at once anyway */
		seq = twin_put_full(seq, 1);
		twin_arrive();
		twin_pass(50 * MS_NS);
		(void)twin_read_all(seq - MSS);
	}
	ck_assert_uint_eq(twin_trains(), 0);
	seq = twin_put_full(seq, 1);
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 0);
	twin_pass(50 * MS_NS);
	twin_last_ack(seq);
	seq = twin_put_full(seq, 2);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1);
	twin_last_ack(seq);
}
END_TEST

START_TEST(small_segments_are_no_full_ones_and_are_put_together)
{
	twin_accepted();
	twin_peer[0].so->tcp->quick_acks = twin_peer[1].so->tcp->quick_acks = 0;
	for (unsigned i = 0; i < 5; i++)
		twin_put(twin_at(1 + i * 100, i < 4 ? 100 : 60));
	twin_put(twin_at(461, 50)); /* behind the end */
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1);
	ck_assert_uint_eq(twin_n_sent, 0);
	ck_assert_uint_eq(twin_peer[0].so->tcp->rcv_bufs, 1);
	ck_assert_int_eq(twin_read_all(1), 510);
}
END_TEST

START_TEST(nobody_listens_to_a_train)
{
	for (unsigned i = 0; i < 4; i++)
		twin_put(twin_at(1 + i * MSS, MSS));
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 4); /* a RST each */
	ck_assert(twin_sent[0][3].h.flags & TCP_RST);
	peer_listener(&twin_peer[0], 4);
	peer_listener(&twin_peer[1], 4);
	(void)twin_put_full(1, 4);
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 4);
	ck_assert_uint_eq(twin_trains(), 0);
}
END_TEST

static void syn_to_both(void)
{
	for (unsigned k = 0; k < 2; k++) {
		peer_listener(&twin_peer[k], 4);
		peer_send(&twin_peer[k], TCP_SYN, 0, 0, 0);
		peer_expect(&twin_peer[k], TCP_SYN | TCP_ACK, 0, 1, 0);
	}
}

static void accept_both(void)
{
	struct sock_addr from;

	for (unsigned k = 0; k < 2; k++)
		ck_assert_int_eq(sock_accept(twin_peer[k].listener, &twin_peer[k].so, &from), 0);
}

START_TEST(a_handshake_and_its_data_may_be_one_batch)
{
	uint32_t seq;

	syn_to_both();
	seq = twin_put_full(1, 5);
	twin_arrive();
	accept_both();
	(void)twin_put_full(seq, 3);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1); /* the first was none: in SYN-RECEIVED */
	ck_assert_int_eq(twin_read_all(1), 8 * MSS);
}
END_TEST

START_TEST(a_connection_not_yet_accepted_takes_a_train)
{
	uint32_t seq;

	syn_to_both();
	for (unsigned k = 0; k < 2; k++)
		peer_send(&twin_peer[k], A, 1, 1, 0);
	seq = twin_put_full(1, 5);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 1);
	twin_last_ack(seq);
	accept_both();
	ck_assert_int_eq(twin_read_all(1), 5 * MSS);
}
END_TEST

/* The first train acknowledges our FIN. */
START_TEST(who_has_sent_a_fin_takes_trains)
{
	twin_accepted();
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_int_eq(sock_shutdown(twin_peer[k].so, SHUT_WR), 0);
		desk_flush(&twin[k]);
	}
	for (unsigned i = 0; i < 8; i++) {
		struct twin_seg s = twin_at(1 + i * MSS, MSS);

		s.ack = 2;
		twin_put(s);
		if (i % 4 == 3) {
			twin_arrive();
			ck_assert_uint_eq(twin_peer[0].so->tcp->state, TCPS_FIN_WAIT_2);
			ck_assert_uint_eq(twin_trains(), i / 4 + 1);
		}
	}
	ck_assert_int_eq(twin_read_all(1), 8 * MSS);
}
END_TEST

START_TEST(after_the_end_there_are_no_trains)
{
	struct twin_seg fin;

	twin_accepted();
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_int_eq(sock_shutdown(twin_peer[k].so, SHUT_WR), 0);
		desk_flush(&twin[k]);
	}
	fin = twin_at(1, 0);
	fin.ack = 2;
	fin.flags |= TCP_FIN;
	twin_put(fin);
	twin_arrive();
	ck_assert_uint_eq(twin_peer[0].so->tcp->state, TCPS_TIME_WAIT);
	(void)twin_put_full(1, 4);
	(void)twin_put_full(2, 4);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
}
END_TEST

START_TEST(nobody_is_there_to_read_a_train)
{
	twin_accepted();
	for (unsigned k = 0; k < 2; k++) {
		sock_close(twin_peer[k].so);
		twin_peer[k].so = NULL;
		desk_flush(&twin[k]);
	}
	(void)twin_put_full(1, 6);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
}
END_TEST

/* The FIN of close() waits for a buffer: to the peer the connection is as it was. */
START_TEST(nobody_is_there_but_the_fin_is_not_out)
{
	struct pktbuf *list[2] = {NULL, NULL};

	twin_accepted();
	use_up(0, list);
	for (unsigned k = 0; k < 2; k++) {
		struct tcp_pcb *pcb = twin_peer[k].so->tcp;

		sock_close(twin_peer[k].so);
		twin_peer[k].so = NULL;
		ck_assert_uint_eq(pcb->state, TCPS_ESTABLISHED);
		pktbuf_free_list(list[k]);
	}
	(void)twin_put_full(1, 6);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
	ck_assert_uint_eq(twin[0].pool.avail, twin[0].pool.count);
}
END_TEST

START_TEST(a_train_whose_ack_is_nobodys_is_answered_segment_by_segment)
{
	twin_accepted();
	for (unsigned i = 0; i < 4; i++) {
		struct twin_seg s = twin_at(1 + i * MSS, MSS);

		s.ack = 3000;
		twin_put(s);
	}
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 4);
	ck_assert_uint_eq(twin_trains(), 0);
}
END_TEST

START_TEST(a_train_beyond_the_end_is_cut)
{
	struct twin_seg fin = twin_at(1 + 3 * MSS + 700, 0);

	twin_accepted();
	fin.flags |= TCP_FIN;
	twin_put(fin);
	(void)twin_put_full(1, 6);
	twin_arrive();
	ck_assert_uint_eq(twin_trains(), 0);
	ck_assert_uint_eq(twin_peer[0].so->tcp->state, TCPS_CLOSE_WAIT);
	ck_assert_int_eq(twin_read_all(1), 3 * MSS + 700);
}
END_TEST

START_TEST(a_gap_before_a_train_is_told_segment_by_segment)
{
	twin_accepted();
	(void)twin_put_full(1 + MSS, 5);
	twin_arrive();
	ck_assert_uint_eq(twin_n_sent, 5); /* duplicate ACKs, which the peer counts */
	ck_assert_uint_eq(twin_trains(), 0);
	(void)twin_put_full(1, 8); /* the gap, five duplicates, two new ones */
	twin_arrive();
	ck_assert_int_eq(twin_read_all(1), 8 * MSS);
}
END_TEST

START_TEST(urgent_data_that_is_awaited_is_found_in_a_train)
{
	struct twin_seg s = twin_at(1, MSS);
	uint8_t byte;

	twin_accepted();
	s.flags |= TCP_URG;
	s.urgent = 3 * MSS + 100; /* two segments on */
	twin_put(s);
	(void)twin_put_full(1 + MSS, 6);
	twin_arrive();
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_int_eq(desk_recv(twin_peer[k].so, &byte, 1, MSG_OOB, NULL, NULL), 1);
		ck_assert_uint_eq(byte, (uint8_t)((3 * MSS + 100) * 7 + (3 * MSS + 100) / 256));
	}
}
END_TEST

START_TEST(a_train_beyond_the_window_is_cut_as_segments_are)
{
	int size = 32768;
	uint32_t seq;

	for (unsigned k = 0; k < 2; k++) {
		twin_peer[k].listener = desk_socket(&twin[k], SOCK_STREAM, 0);
		ck_assert_int_eq(desk_bind(twin_peer[k].listener, 0, 80), 0);
		sock_setopt(twin_peer[k].listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		sock_listen(twin_peer[k].listener, 4);
	}
	twin_accepted();
	seq = twin_put_full(1, 60); /* in one go, past the right edge */
	twin_arrive();
	twin_put(twin_at(seq, MSS));
	twin_arrive();
	ck_assert_int_gt(twin_read_all(1), 16 * (int)MSS);
}
END_TEST

START_TEST(the_last_buffers_are_not_given_to_a_train)
{
	struct pktbuf *list[2] = {NULL, NULL};
	uint32_t seq = 1;

	twin_accepted();
	use_up(DESK_PKTBUFS / 16 + 30, list);
	for (unsigned i = 0; i < 6; i++) {
		seq = twin_put_full(seq, 12);
		twin_arrive();
		if (twin_n_sent)
			seq = twin_sent[0][twin_n_sent - 1].h.ack - PEER_ISS;
	}
	ck_assert_uint_ge(
		desk_count(&twin[0], "TcpRcvQDrops") + desk_count(&twin[0], "QuotaPktbufs"), 1);
	(void)twin_read_all(1);
	pktbuf_free_list(list[0]);
	pktbuf_free_list(list[1]);
	(void)twin_put_full(seq, 12);
	twin_arrive();
}
END_TEST

START_TEST(who_has_much_unread_gets_none_of_the_very_last_buffers)
{
	struct pktbuf *list[2] = {NULL, NULL};
	uint32_t seq;

	for (unsigned k = 0; k < 2; k++)
		stack_client_add(twin[k].st, 1, 0); /* root: no quota */
	twin_accepted();
	seq = twin_put_full(1, 40);
	twin_arrive();
	use_up(14, list);
	(void)twin_put_full(seq, 4);
	twin_arrive();
	ck_assert_uint_eq(desk_count(&twin[0], "TcpRcvQDrops"), 4);
	pktbuf_free_list(list[0]);
	pktbuf_free_list(list[1]);
}
END_TEST

START_TEST(a_train_takes_no_more_than_the_receive_buffer_has)
{
	twin_accepted();
	for (unsigned k = 0; k < 2; k++)
		twin_peer[k].so->tcp->rcvbuf = 4096; /* the window that was told stays */
	(void)twin_put_full(1, 40);
	twin_arrive();
	ck_assert_uint_ge(desk_count(&twin[0], "TcpRcvQDrops"), 1);
	ck_assert_uint_eq(twin_trains(), 0);
}
END_TEST

START_TEST(a_users_share_of_the_buffers_holds_for_trains)
{
	struct pktbuf *list[2] = {NULL, NULL};
	uint32_t seq = 1;

	twin_accepted();
	for (unsigned k = 0; k < 2; k++)
		twin_peer[k].so->tcp->rcvbuf = 4u << 20;
	use_up(DESK_PKTBUFS / 2, list);
	for (unsigned i = 0; i < 30; i++) {
		seq = twin_put_full(seq, 10);
		twin_arrive();
		seq = twin_sent[0][twin_n_sent - 1].h.ack - PEER_ISS;
		ck_assert_uint_le(twin[0].pool.held[twin[0].st->client_owner[1]],
				  twin[0].pool.avail + 1);
	}
	ck_assert_uint_ge(twin_trains(), 1);
	pktbuf_free_list(list[0]);
	pktbuf_free_list(list[1]);
	ck_assert_int_eq(twin_read_all(1), seq - 1);
}
END_TEST

int main(void)
{
	return run_cases("tcp_train",
			 CASES(two_full_segments_are_acknowledged_at_once_and_one_is_not,
			       small_segments_are_no_full_ones_and_are_put_together,
			       nobody_listens_to_a_train, a_handshake_and_its_data_may_be_one_batch,
			       a_connection_not_yet_accepted_takes_a_train,
			       who_has_sent_a_fin_takes_trains, after_the_end_there_are_no_trains,
			       nobody_is_there_to_read_a_train,
			       nobody_is_there_but_the_fin_is_not_out,
			       a_train_whose_ack_is_nobodys_is_answered_segment_by_segment,
			       a_train_beyond_the_end_is_cut,
			       a_gap_before_a_train_is_told_segment_by_segment,
			       urgent_data_that_is_awaited_is_found_in_a_train,
			       a_train_beyond_the_window_is_cut_as_segments_are,
			       the_last_buffers_are_not_given_to_a_train,
			       who_has_much_unread_gets_none_of_the_very_last_buffers,
			       a_train_takes_no_more_than_the_receive_buffer_has,
			       a_users_share_of_the_buffers_holds_for_trains),
			 twin_setup, twin_teardown);
}
