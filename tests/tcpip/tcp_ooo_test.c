/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives out of order: put together, reported, and not at any price. */
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/splitmix.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;

static void setup(void)
{
	desk_open_with(&d, PORT_CAP_RAW_IP, 8192); /* room for large windows */
	p = peer_make(&d);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

#define A TCP_ACK

static void expect_sack(struct segment s, unsigned n, const uint32_t *edges)
{
	unsigned i;

	ck_assert_uint_eq(s.h.opts.n_sack, n);
	for (i = 0; i < n; i++) {
		ck_assert_uint_eq(s.h.opts.sack[i].start - PEER_ISS, edges[2 * i]);
		ck_assert_uint_eq(s.h.opts.sack[i].end - PEER_ISS, edges[2 * i + 1]);
	}
}

START_TEST(segments_out_of_order_are_put_together)
{
	peer_accepted(&p);
	peer_send(&p, A, 201, 1, 100);
	expect_sack(peer_get(&p), 1, (uint32_t[]){201, 301});
	peer_send(&p, A, 401, 1, 100);
	expect_sack(peer_get(&p), 2, (uint32_t[]){401, 501, 201, 301});
	peer_send(&p, A, 301, 1, 100);
	expect_sack(peer_get(&p), 1, (uint32_t[]){201, 501});
	ck_assert_int_eq(sock_readable(p.so), 0);
	peer_send(&p, A, 1, 1, 200);
	peer_expect(&p, A, 1, 501, 0);
	peer_read_exact(&p, 1, 500);
}
END_TEST

START_TEST(overlaps_are_cut)
{
	uint32_t i;

	peer_accepted(&p);
	peer_send(&p, A, 101, 1, 100);
	peer_send(&p, A, 151, 1, 100);
	peer_send(&p, A, 51, 1, 300);
	peer_send(&p, A, 301, 1, 100);
	for (i = 0; i < 4; i++)
		(void)peer_get(&p);
	peer_send(&p, A, 1, 1, 60);
	peer_expect(&p, A, 1, 401, 0);
	peer_read_exact(&p, 1, 400);
	peer_send(&p, A, 301, 1, 200); /* the front is old */
	peer_drain(&p);
	peer_read_exact(&p, 401, 100);
}
END_TEST

START_TEST(a_repetition_is_reported_as_such)
{
	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 100);
	peer_drain(&p);
	peer_send(&p, A, 1, 1, 100);
	expect_sack(peer_get(&p), 1, (uint32_t[]){1, 101});
}
END_TEST

/* RFC 2883 4: in front of what is still missing, and in one ACK only. */
START_TEST(a_repetition_is_reported_first_and_once)
{
	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 100);
	peer_drain(&p);
	peer_send(&p, A, 201, 1, 100);
	expect_sack(peer_get(&p), 1, (uint32_t[]){201, 301});
	peer_send(&p, A, 1, 1, 100);
	expect_sack(peer_get(&p), 2, (uint32_t[]){1, 101, 201, 301});
	peer_send(&p, A, 401, 1, 100);
	expect_sack(peer_get(&p), 2, (uint32_t[]){401, 501, 201, 301});
	/* Above the ACK: the block it lies in comes second. */
	peer_send(&p, A, 201, 1, 100);
	expect_sack(peer_get(&p), 3, (uint32_t[]){201, 301, 201, 301, 401, 501});
	/* A part: only that. */
	peer_send(&p, A, 51, 1, 100);
	expect_sack(peer_get(&p), 3, (uint32_t[]){51, 101, 201, 301, 401, 501});
}
END_TEST

START_TEST(without_sack_nothing_is_reported)
{
	struct segment s;

	p.sack = false;
	peer_accepted(&p);
	peer_send(&p, A, 101, 1, 100);
	s = peer_get(&p);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_uint_eq(s.h.hdr_len, 20);
}
END_TEST

/* A connection whose receive buffer holds a thousand small segments. */
static void accepted_with_room(void)
{
	p.listener = desk_socket(&d, SOCK_STREAM, 0);
	desk_bind(p.listener, 0, 80);
	ck_assert_int_eq(
		sock_setopt(p.listener, SOL_SOCKET, SO_RCVBUF, &(int){2 << 20}, sizeof(int)), 0);
	sock_listen(p.listener, 5);
	peer_accepted(&p);
}

static uint64_t rng;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(splitmix64(&rng) % n);
}

#define SPAN 6000u

/* The last ACK names the edges of what is there, in whatever order: no byte more, none less at
 * the edges of a block. */
static void expect_blocks_of(const bool *there)
{
	struct segment s, last = {0};

	while (peer_got(&p, &s))
		last = s;
	for (unsigned i = 0; i < last.h.opts.n_sack; i++) {
		uint32_t from = last.h.opts.sack[i].start - PEER_ISS;
		uint32_t to = last.h.opts.sack[i].end - PEER_ISS;

		ck_assert_uint_lt(from, to);
		for (uint32_t at = from; at < to; at++)
			if (!there[at])
				ck_abort_msg("%u is not there", at);
	}
}

/* The same in as many reads as it takes. */
static void read_all(uint32_t from, uint32_t len)
{
	uint8_t data[8192];
	uint64_t full;
	int64_t n;

	for (; len; from += (uint32_t)n, len -= (uint32_t)n) {
		n = desk_recv(p.so, data, len, 0, NULL, &full);
		ck_assert_int_gt(n, 0);
		for (uint32_t i = 0; i < n; i++)
			if (data[i] != (uint8_t)(from + i))
				ck_abort_msg("another byte at %u", from + i);
	}
}

static void random_pieces(unsigned seed)
{
	static bool there[SPAN + 1];
	const char *bad;

	rng = seed;
	memset(there, 0, sizeof(there));
	accepted_with_room();
	for (unsigned i = 0; i < 300; i++) {
		uint32_t from = 2 + below(SPAN - 2), len = 1 + below(seed % 2 ? 40 : 400);

		if (len > SPAN - from)
			len = SPAN - from;
		peer_send(&p, A, from, 1, len);
		memset(&there[from], 1, len);
		expect_blocks_of(there);
		bad = tcp_check(p.so->tcp);
		if (bad)
			ck_abort_msg("seed %u: not so: %s", seed, bad);
	}
	for (uint32_t from = 1; from < SPAN; from++) { /* the gaps that are left */
		if (!there[from])
			peer_send(&p, A, from, 1, 1);
	}
	peer_drain(&p);
	read_all(1, SPAN - 1);
	ck_assert_ptr_null(p.so->tcp->ooo_head);
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 0);
}

START_TEST(pieces_in_any_order_with_any_overlap_are_put_together)
{
	for (unsigned seed = 0; seed < 5; seed++) {
		random_pieces(seed);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(holes_cannot_pin_more_than_the_buffer)
{
	uint32_t i;

	peer_accepted(&p);
	for (i = 0; i < 5000; i++)
		peer_send(&p, A, 3 + 2 * i, 1, 1);
	peer_drain(&p);
	ck_assert_uint_le(p.so->tcp->rcv_bufs * PKTBUF_SIZE, p.so->tcp->rcvbuf);
	ck_assert_uint_gt(d.pool.avail, d.pool.count / 32);
	/* In order still works. */
	peer_send(&p, A, 1, 1, 2);
	ck_assert_int_ge(sock_readable(p.so), 2);
}
END_TEST

/* That many, each behind a byte. */
static void leave_gaps(unsigned gaps)
{
	accepted_with_room();
	for (unsigned i = 0; i < gaps; i++)
		peer_send(&p, A, 10 + 10 * i, 1, 1);
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, gaps);
	peer_drain(&p);
}

START_TEST(a_place_behind_ever_so_many_gaps_is_not_looked_for)
{
	leave_gaps(700);
	peer_send(&p, A, 15 + 10 * 100, 1, 1); /* among the first */
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 701);
	peer_send(&p, A, 15 + 10 * 600, 1, 1); /* far behind them: as if lost */
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 701);
	ck_assert_uint_eq(peer_drain(&p), 2);
	peer_send(&p, A, 10 + 10 * 700, 1, 1); /* at the end: no place to look for */
	ck_assert_uint_eq(p.so->tcp->rcv_bufs, 702);
	expect_sack(peer_get(&p), 4, (uint32_t[]){7010, 7011, 1015, 1016, 7000, 7001, 6990, 6991});
}
END_TEST

START_TEST(gaps_that_close_make_the_way_short_again)
{
	leave_gaps(700);
	for (unsigned i = 0; i < 400; i++) /* from the front: each run grows by the next */
		peer_send(&p, A, 11 + 10 * i, 1, 9);
	peer_drain(&p);
	peer_send(&p, A, 15 + 10 * 600, 1, 1);
	expect_sack(peer_get(&p), 4, (uint32_t[]){6015, 6016, 10, 4011, 7000, 7001, 6990, 6991});
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

int main(void)
{
	return run_cases("tcp_ooo",
			 CASES(segments_out_of_order_are_put_together, overlaps_are_cut,
			       a_repetition_is_reported_as_such,
			       a_repetition_is_reported_first_and_once,
			       without_sack_nothing_is_reported,
			       pieces_in_any_order_with_any_overlap_are_put_together,
			       holes_cannot_pin_more_than_the_buffer,
			       a_place_behind_ever_so_many_gaps_is_not_looked_for,
			       gaps_that_close_make_the_way_short_again),
			 setup, teardown);
}
