/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers that size themselves, and what gives way when memory runs short. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A TCP_ACK
#define M 1460u

static struct desk d;
static struct peer p;
static uint32_t at; /* the peer's next byte */

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	p.rtt = 50 * MS_NS;
	at = 1;
}

static void teardown(void)
{
	peer_desk_close(&d);
}

/* A round trip of data as much as the window lets, read at once. */
static void fill_window(void)
{
	uint32_t edge = p.so->tcp->rcv_adv - p.iss;

	for (; at + M <= edge; at += M) {
		peer_send(&p, A, at, 1, M);
		(void)peer_read(&p, 10 * M);
	}
	desk_pass(&d, 50 * MS_NS);
	peer_drain(&p);
}

static uint32_t sock_number(int name)
{
	uint32_t v = 0, len = sizeof(v);

	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, name, &v, &len), 0);
	return v;
}

START_TEST(the_window_grows_with_what_is_read)
{
	uint32_t before, i;

	p.ts = true;
	peer_accepted(&p);
	before = sock_number(SO_RCVBUF);
	ck_assert_uint_eq(before, TCP_BUF_DEFAULT);
	for (i = 0; i < 6; i++)
		fill_window();
	/* A quarter of the desk's 512 buffers. */
	ck_assert_uint_eq(sock_number(SO_RCVBUF), DESK_PKTBUFS / 4 * PKTBUF_SIZE);
	ck_assert_uint_gt(p.so->tcp->rcv_adv - p.so->tcp->rcv_nxt, before / 2);
	ck_assert_uint_gt(peer_info(&p).rcv_space, before / 4);
}
END_TEST

START_TEST(the_receiver_knows_the_round_trip)
{
	p.ts = true;
	peer_accepted(&p);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1, M);
	ck_assert_uint_ge(peer_info(&p).rcv_rtt, 50000);
	ck_assert_uint_le(peer_info(&p).rcv_rtt, 101000);
}
END_TEST

START_TEST(a_reader_that_takes_nothing_gets_no_more)
{
	unsigned i;

	peer_accepted(&p);
	for (i = 0; i < 100; i++, at += M) {
		if (at + M > p.so->tcp->rcv_adv - p.iss)
			break;
		peer_send(&p, A, at, 1, M);
		desk_pass(&d, 20 * MS_NS);
	}
	ck_assert_uint_eq(p.so->tcp->rcvbuf, TCP_BUF_DEFAULT);
	ck_assert_uint_ge(at, TCP_BUF_DEFAULT / 2 - 2 * M);
}
END_TEST

START_TEST(what_the_application_set_stays)
{
	uint32_t v = 20000, i;

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), 0);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)), 0);
	for (i = 0; i < 6; i++)
		fill_window();
	p.so->tcp->cwnd = 1000;
	peer_write(&p, 10);
	peer_send(&p, A, at, 11, 0);
	ck_assert_uint_eq(sock_number(SO_RCVBUF), 40000);
	ck_assert_uint_eq(sock_number(SO_SNDBUF), 40000);
}
END_TEST

START_TEST(the_send_buffer_follows_the_congestion_window)
{
	peer_accepted(&p);
	p.so->tcp->cwnd = 20;
	peer_write(&p, 10);
	peer_send(&p, A, 1, 11, 0);
	ck_assert_uint_eq(sock_number(SO_SNDBUF), 4 * 20 * PKTBUF_SIZE);
	p.so->tcp->cwnd = 1000;
	peer_write(&p, 10);
	peer_send(&p, A, 1, 21, 0);
	ck_assert_uint_eq(sock_number(SO_SNDBUF), DESK_PKTBUFS / 4 * PKTBUF_SIZE);
}
END_TEST

/* Takes buffers away from the stack until so many are left. */
static struct pktbuf *take_all_but(uint32_t left)
{
	struct pktbuf *list = NULL, *b;

	while (d.pool.avail > left) {
		b = pktbuf_alloc(&d.pool);
		b->next = list;
		list = b;
	}
	return list;
}

START_TEST(growth_gives_way_first)
{
	struct pktbuf *taken;
	unsigned i;

	peer_accepted(&p);
	taken = take_all_but(DESK_PKTBUFS / 2 - 1);
	for (i = 0; i < 6; i++)
		fill_window();
	p.so->tcp->cwnd = 100;
	peer_write(&p, 10);
	peer_send(&p, A, at, 11, 0);
	ck_assert_uint_eq(sock_number(SO_RCVBUF), TCP_BUF_DEFAULT);
	ck_assert_uint_eq(sock_number(SO_SNDBUF), TCP_BUF_DEFAULT);
	pktbuf_free_list(taken);
}
END_TEST

START_TEST(then_what_came_out_of_order)
{
	struct pktbuf *taken;

	peer_accepted(&p);
	taken = take_all_but(DESK_PKTBUFS / 16);
	peer_send(&p, A, 1 + M, 1, M);
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 0);
	peer_send(&p, A, 1, 1, M); /* in order is still welcome */
	ck_assert_uint_eq(p.so->tcp->rcvq_bytes, M);
	pktbuf_free_list(taken);
	peer_drain(&p);
}
END_TEST

START_TEST(at_last_the_greedy_lose_data_in_order)
{
	struct pktbuf *taken;
	struct peer q = p;
	uint32_t held;

	peer_accepted(&p);
	for (; at < 45 * M; at += M)
		peer_send(&p, A, at, 1, M);
	peer_drain(&p);
	q.listener = p.listener;
	q.rtt = 0;
	q.port++;
	peer_accepted(&q);
	taken = take_all_but(DESK_PKTBUFS / 32 - 1);
	held = p.so->tcp->rcvq_bytes;
	peer_send(&p, A, at, 1, 100);
	desk_drop_sent(&d, 0);
	ck_assert_uint_eq(p.so->tcp->rcvq_bytes, held);
	peer_send(&q, A, 1, 1, M);
	ck_assert_uint_eq(q.so->tcp->rcvq_bytes, M);
	pktbuf_free_list(taken);
	peer_send(&p, A, at, 1, 100); /* and get it when there is room again */
	ck_assert_uint_eq(p.so->tcp->rcvq_bytes, held + 100);
	desk_drop_sent(&d, 0);
}
END_TEST

/* The edge of the window in a state of want: closed perhaps, never moved left. */
START_TEST(want_closes_the_window_without_shrinking_it)
{
	struct pktbuf *taken;
	struct segment s;
	uint32_t edge;

	p.wscale = false;
	peer_accepted(&p);
	edge = p.so->tcp->rcv_adv;
	taken = take_all_but(DESK_PKTBUFS / 16);
	for (; at + M <= 20 * M; at += M) {
		peer_send(&p, A, at, 1, M);
		(void)peer_read(&p, M);
		while (peer_got(&p, &s))
			ck_assert_uint_eq(s.h.ack + s.h.window, edge);
	}
	pktbuf_free_list(taken);
	(void)peer_read(&p, M);
	peer_send(&p, A, at, 1, M);
	s = peer_get(&p);
	ck_assert_int_gt((int32_t)(s.h.ack + s.h.window - edge), 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_tune",
		CASES(the_window_grows_with_what_is_read, the_receiver_knows_the_round_trip,
		      a_reader_that_takes_nothing_gets_no_more, what_the_application_set_stays,
		      the_send_buffer_follows_the_congestion_window, growth_gives_way_first,
		      then_what_came_out_of_order, at_last_the_greedy_lose_data_in_order,
		      want_closes_the_window_without_shrinking_it),
		setup, teardown);
}
