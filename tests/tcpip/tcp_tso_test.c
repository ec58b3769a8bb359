/* SPDX-License-Identifier: BSD-3-Clause */
/* Trains: what leaves as one frame for the port to cut up, and what must not. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_peer.h"

#define A  TCP_ACK
#define PA (TCP_ACK | TCP_PSH)

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	d.port[0].port.caps |= PORT_CAP_TX_L4_CSUM;
	d.port[0].port.tso_max = 16;
	d.port[0].finishes = true;
	p = peer_make(&d);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static void expect_segments(unsigned first, unsigned n, uint32_t len)
{
	for (unsigned i = first; i < first + n; i++)
		peer_expect(&p, A, 1 + i * len, 1, len);
}

/* Numbers first to first + n - 1; the last of a train has a PSH. */
static void expect_train(unsigned first, unsigned n, uint32_t len)
{
	expect_segments(first, n - 1, len);
	peer_expect(&p, PA, 1 + (first + n - 1) * len, 1, len);
}

START_TEST(the_first_window_is_two_frames)
{
	peer_accepted(&p);
	ck_assert_int_eq(peer_write(&p, 30 * 1460), 30 * 1460);
	expect_train(0, 5, 1460);
	expect_train(5, 5, 1460);
	peer_quiet(&p);
	ck_assert_uint_eq(d.port[0].trains, 2);
	ck_assert_uint_eq(p.so->tcp->packets_out, 10);
	ck_assert_uint_eq(peer_info(&p).data_segs_out, 10);
	ck_assert_uint_eq(desk_count(&d, "TcpOutSegs"), 11);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

START_TEST(timestamps_take_their_room)
{
	p.ts = true;
	peer_accepted(&p);
	peer_write(&p, 5 * 1448);
	expect_train(0, 5, 1448);
	ck_assert_uint_eq(d.port[0].trains, 1);
}
END_TEST

START_TEST(what_is_not_full_goes_alone_behind)
{
	peer_accepted(&p);
	peer_write(&p, 3 * 1460 + 100);
	expect_train(0, 3, 1460);
	peer_expect(&p, PA, 1 + 3 * 1460, 1, 100);
	ck_assert_uint_eq(d.port[0].trains, 1);
	ck_assert_uint_eq(p.so->tcp->snd_sml, p.so->tcp->snd_nxt);
}
END_TEST

START_TEST(one_segment_is_no_train)
{
	peer_accepted(&p);
	peer_write(&p, 1460);
	peer_expect(&p, PA, 1, 1, 1460);
	ck_assert_uint_eq(d.port[0].trains, 0);
}
END_TEST

START_TEST(the_windows_of_both_ends_are_kept)
{
	p.wscale = false;
	p.window = 4 * 1460 + 700;
	peer_accepted(&p);
	peer_write(&p, 20 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 4);
	p.window = 65535;
	peer_send(&p, A, 1, 1 + 4 * 1460, 0);
	ck_assert_uint_eq(peer_drain(&p), 10); /* not more: the first ten were never used */
	ck_assert_uint_ge(d.port[0].trains, 2);
}
END_TEST

START_TEST(no_train_is_longer_than_the_port_takes)
{
	d.port[0].port.tso_max = 4;
	peer_accepted(&p);
	peer_write(&p, 10 * 1460);
	expect_train(0, 4, 1460);
	expect_train(4, 4, 1460);
	expect_train(8, 2, 1460);
	ck_assert_uint_eq(d.port[0].trains, 3);
}
END_TEST

START_TEST(a_lost_one_is_sent_again_alone)
{
	struct tcp_opts o = {.n_sack = 1};

	p.sack = true;
	peer_accepted(&p);
	peer_write(&p, 10 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	o.sack[0].start = p.stack_iss + 1 + 1460;
	o.sack[0].end = o.sack[0].start + 4 * 1460;
	desk_pass(&d, MS_NS);
	peer_send_opts(&p, A, 1, 1, 0, &o);
	peer_expect(&p, A, 1, 1, 1460);
	ck_assert_uint_eq(d.port[0].trains, 2);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	ck_assert_ptr_null(p.so->tcp->snd_head);
}
END_TEST

START_TEST(a_cwr_and_urgent_data_are_not_for_all_segments)
{
	peer_accepted(&p);
	p.so->tcp->ecn_ok = p.so->tcp->ecn_cwr = true;
	peer_write(&p, 3 * 1460);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | TCP_CWR);
	ck_assert_uint_eq(peer_drain(&p), 2);
	ck_assert_uint_eq(d.port[0].trains, 0);
	p.so->tcp->snd_up = p.so->tcp->snd_end + 2 * 1460;
	p.so->tcp->snd_urg = true;
	peer_write(&p, 3 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 3);
	ck_assert_uint_eq(d.port[0].trains, 0);
}
END_TEST

START_TEST(those_that_go_one_by_one_end_like_trains)
{
	d.port[0].port.tso_max = 2;
	peer_accepted(&p);
	p.so->tcp->ecn_ok = p.so->tcp->ecn_cwr = true;
	peer_write(&p, 11 * 1460);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | TCP_CWR);
	peer_expect(&p, PA, 1 + 1460, 1, 1460);
	for (unsigned i = 2; i < 10; i += 2)
		expect_train(i, 2, 1460);
	ck_assert_uint_eq(d.port[0].trains, 0);
}
END_TEST

START_TEST(the_end_of_a_train_keeps_its_push)
{
	peer_accepted(&p);
	peer_write(&p, 4 * 1460);
	peer_write(&p, 1460);
	ck_assert_uint_eq(peer_drain(&p), 5);
	peer_send(&p, A, 1, 1 + 3 * 1460, 0);
	desk_pass(&d, SEC_NS);
	peer_expect(&p, PA, 1 + 4 * 1460, 1, 1460); /* the tail's probe */
	desk_pass(&d, SEC_NS);
	peer_expect(&p, PA, 1 + 3 * 1460, 1, 1460);
}
END_TEST

START_TEST(a_window_of_three_is_no_train)
{
	peer_accepted(&p);
	p.so->tcp->cwnd = 3;
	peer_write(&p, 8 * 1460);
	expect_segments(0, 3, 1460);
	peer_quiet(&p);
	ck_assert_uint_eq(d.port[0].trains, 0);
}
END_TEST

/* What was to be pushed then still waits: it is a part of what is pushed now. */
START_TEST(writes_that_wait_make_one_train)
{
	peer_accepted(&p);
	peer_write(&p, 10 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	peer_write(&p, 1460);
	peer_write(&p, 1460);
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	expect_train(10, 2, 1460);
	ck_assert_uint_eq(d.port[0].trains, 3);
}
END_TEST

START_TEST(the_fin_goes_behind_a_train)
{
	peer_accepted(&p);
	peer_write(&p, 20 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	sock_shutdown(p.so, SHUT_WR);
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	expect_train(10, 9, 1460);
	peer_expect(&p, PA | TCP_FIN, 1 + 19 * 1460, 1, 1460);
	ck_assert_uint_eq(d.port[0].trains, 3);
}
END_TEST

/* The port that the route has now cannot do it: lost on the way, and no more trains. What is left
 * of the window goes one by one. */
START_TEST(a_route_to_a_port_without_it_ends_trains)
{
	peer_accepted(&p);
	d.port[0].port.tso_max = 0;
	peer_write(&p, 10 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 5);
	ck_assert_uint_eq(p.so->tcp->train_max, 0);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_ge(peer_drain(&p), 1);
	ck_assert_uint_eq(d.port[0].trains, 0);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

START_TEST(without_a_buffer_for_the_header_they_go_one_by_one)
{
	struct pktbuf *hold = NULL, *b;

	peer_accepted(&p);
	d.port[0].port.tso_max = p.so->tcp->train_max = 0;
	peer_write(&p, 12 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	p.so->tcp->train_max = d.port[0].port.tso_max = 16;
	peer_write(&p, 10 * 1460);
	desk_flush(&d);
	while ((b = pktbuf_alloc(&d.pool))) {
		b->next = hold;
		hold = b;
	}
	b = hold; /* one for the ACK that the peer sends */
	hold = b->next;
	b->next = NULL;
	pktbuf_free(b);
	peer_send(&p, A, 1, 1 + 1460, 0);
	pktbuf_free_list(hold);
	ck_assert_uint_eq(peer_drain(&p), 2);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

/* As long as the device has them, what is sent again is a copy, and acknowledged ones stay its. */
START_TEST(the_device_may_be_slower_than_the_peer)
{
	struct tcp_pcb *pcb;
	struct pktbuf *first;

	peer_accepted(&p);
	pcb = p.so->tcp;
	peer_write(&p, 4 * 1460);
	peer_drain(&p);
	first = pcb->snd_head;
	pktbuf_hold(first); /* as a ring would */
	peer_send(&p, A, 1, 1 + 4 * 1460, 0);
	ck_assert_ptr_null(pcb->snd_head);
	ck_assert_uint_eq(first->refs, 1);
	pktbuf_free(first);
}
END_TEST

START_TEST(packets_to_ourselves_are_no_trains)
{
	struct socket *l = desk_socket(&d, SOCK_STREAM, 0), *c = desk_socket(&d, SOCK_STREAM, 0);
	static char data[8 * 1460];

	ck_assert_int_eq(desk_bind(l, ip(10, 0, 0, 1), 99), 0);
	ck_assert_int_eq(sock_listen(l, 1), 0);
	(void)desk_connect(c, ip(10, 0, 0, 1), 99);
	desk_flush(&d);
	ck_assert_int_eq(desk_send(&d, c, data, sizeof(data), NULL), sizeof(data));
	ck_assert_uint_eq(c->tcp->train_max, 0);
	ck_assert_uint_eq(c->tcp->packets_out, 0);
	sock_close(c);
	sock_close(l);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_tso",
		CASES(the_first_window_is_two_frames, timestamps_take_their_room,
		      what_is_not_full_goes_alone_behind, one_segment_is_no_train,
		      the_windows_of_both_ends_are_kept, no_train_is_longer_than_the_port_takes,
		      a_lost_one_is_sent_again_alone,
		      a_cwr_and_urgent_data_are_not_for_all_segments,
		      those_that_go_one_by_one_end_like_trains, the_end_of_a_train_keeps_its_push,
		      a_window_of_three_is_no_train, writes_that_wait_make_one_train,
		      the_fin_goes_behind_a_train, a_route_to_a_port_without_it_ends_trains,
		      without_a_buffer_for_the_header_they_go_one_by_one,
		      the_device_may_be_slower_than_the_peer, packets_to_ourselves_are_no_trains),
		setup, teardown);
}
