/* SPDX-License-Identifier: BSD-3-Clause */
/* Received data: the window, memory, who reads. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

START_TEST(the_window_shuts_opens_and_its_edge_never_moves_left)
{
	uint32_t edge = 0, seq = 1, e;
	struct segment s;
	int buf = 16384;
	unsigned i;

	p.listener = desk_socket(&d, SOCK_STREAM, 0);
	desk_bind(p.listener, 0, 80);
	ck_assert_int_eq(sock_setopt(p.listener, SOL_SOCKET, SO_RCVBUF, &buf, sizeof(buf)), 0);
	sock_listen(p.listener, 5);
	peer_accepted(&p);
	for (i = 0; i < 40; i++) {
		peer_send(&p, A, seq, 1, 700);
		desk_pass(&d, 50 * MS_NS);
		if (!peer_got(&p, &s))
			continue;
		e = s.ack + ((uint32_t)s.h.window << 8);
		ck_assert_uint_ge(e, edge);
		edge = e;
		seq = s.ack;
		if (s.h.window == 0)
			break;
	}
	ck_assert_uint_eq(s.h.window, 0);
	ck_assert_uint_ge(seq, 16384 - 1460);
	ck_assert_int_gt(peer_read(&p, 1 << 20), 0);
	s = peer_get(&p); /* says that there is room */
	ck_assert_uint_gt(s.h.window, 0);
}
END_TEST

START_TEST(tiny_segments_cannot_pin_more_than_the_buffer)
{
	uint32_t seq;

	peer_accepted(&p);
	for (seq = 1; seq < 20000; seq++)
		peer_send(&p, A, seq, 1, 1);
	peer_drain(&p);
	ck_assert_int_eq(sock_readable(p.so), 19999);
	ck_assert_uint_le(p.so->tcp->rcv_bufs, 20);
}
END_TEST

START_TEST(data_beyond_the_window_is_cut_off)
{
	peer_accepted(&p);
	peer_send(&p, A, 900000, 1, 100);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 0);
}
END_TEST

START_TEST(peeking_leaves_the_data)
{
	uint8_t data[64];
	uint64_t full;

	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 30);
	ck_assert_int_eq(desk_recv(p.so, data, 10, MSG_PEEK, NULL, &full), 10);
	ck_assert_int_eq(desk_recv(p.so, data, 64, MSG_PEEK, NULL, &full), 30);
	ck_assert_int_eq(desk_recv(p.so, data, 10, 0, NULL, &full), 10);
	ck_assert_int_eq(sock_readable(p.so), 20);
	peer_read_exact(&p, 11, 20);
	ck_assert_int_eq(desk_recv(p.so, data, 10, 0, NULL, &full), -EAGAIN);
}
END_TEST

/* What a reader got and could not deliver. */
struct taken {
	struct sock_slice s[SOCK_SLICES];
	unsigned n;
};

static void take(struct taken *t, uint64_t max, int flags, int64_t want)
{
	uint64_t full;

	ck_assert_int_eq(sock_recv_take(p.so, max, flags, t->s, &t->n, NULL, &full), want);
}

static void undo(struct taken *t, int flags)
{
	sock_recv_undo(p.so, flags, t->s, t->n);
}

START_TEST(what_was_not_delivered_is_read_again)
{
	uint32_t avail = d.pool.avail;
	struct taken t;

	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 1000);
	peer_send(&p, A, 1001, 1, 1000);
	take(&t, 1500, 0, 1500); /* one buffer and a part of another */
	ck_assert_int_eq(sock_readable(p.so), 500);
	undo(&t, 0);
	take(&t, 300, MSG_PEEK, 300);
	undo(&t, MSG_PEEK);
	ck_assert_int_eq(sock_readable(p.so), 2000);
	take(&t, 4000, 0, 2000); /* all of it */
	ck_assert_uint_eq(sock_events(p.so) & POLLIN, 0);
	undo(&t, 0);
	ck_assert_uint_eq(sock_events(p.so) & POLLIN, POLLIN);
	peer_send(&p, A, 2001, 1, 500);
	peer_read_exact(&p, 1, 2500);
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 0);
	peer_drain(&p);
	ck_assert_uint_eq(d.pool.avail, avail);
}
END_TEST

START_TEST(two_readers_that_deliver_nothing_lose_nothing)
{
	uint32_t avail = d.pool.avail;
	uint8_t data[1000], seen[1000] = {0};
	struct taken a, b;
	uint64_t full;

	for (unsigned first = 0; first < 2; first++) {
		peer_accepted(&p);
		for (unsigned i = 0; i < 2; i++) {
			memset(seen, 0, sizeof(seen));
			peer_send(&p, A, 1 + 250 * i, 1, 250);
			take(&a, 100, 0, 100);
			take(&b, i ? 50 : 1000, 0, i ? 50 : 150); /* the rest, or a part of it */
			undo(first ? &a : &b, 0);
			undo(first ? &b : &a, 0);
			ck_assert_int_eq(desk_recv(p.so, data, 1000, 0, NULL, &full), 250);
			for (unsigned j = 0; j < 250; j++) /* in whatever order */
				seen[(uint8_t)(data[j] - 1 - 250 * i)]++;
			for (unsigned j = 0; j < 250; j++)
				ck_assert_uint_eq(seen[j], 1);
		}
		ck_assert_uint_eq(p.so->tcp->rcv_bufs, 0);
		teardown();
		setup();
	}
	peer_accepted(&p);
	peer_drain(&p);
	ck_assert_uint_eq(d.pool.avail, avail);
}
END_TEST

int main(void)
{
	return run_cases("tcp_rcv",
			 CASES(the_window_shuts_opens_and_its_edge_never_moves_left,
			       tiny_segments_cannot_pin_more_than_the_buffer,
			       data_beyond_the_window_is_cut_off, peeking_leaves_the_data,
			       what_was_not_delivered_is_read_again,
			       two_readers_that_deliver_nothing_lose_nothing),
			 setup, teardown);
}
