/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 6298: round trips, which of them count, and the timeout that follows. */
#include "tests/tcpip/peer_case.h"

#define M 1460u

static void accepted_without_sack(uint64_t rtt)
{
	p.rtt = rtt;
	p.sack = false;
	peer_accepted(&p);
}

START_TEST(the_timeout_follows_rfc_6298)
{
	p.rtt = 80 * MS_NS;
	peer_accepted(&p);
	ck_assert_uint_eq(peer_info(&p).rtt, 80000);
	ck_assert_uint_eq(peer_info(&p).rttvar, 40000);
	ck_assert_uint_eq(peer_info(&p).rto, 80000 + 200000); /* 4 * 40 is less than the floor */
	peer_write(&p, 10);
	peer_drain(&p);
	desk_pass(&d, 160 * MS_NS);
	peer_send(&p, A, 1, 11, 0);
	ck_assert_uint_eq(peer_info(&p).rtt, 90000);	/* 7/8 * 80 + 1/8 * 160 */
	ck_assert_uint_eq(peer_info(&p).rttvar, 50000); /* 3/4 * 40 + 1/4 * 80 */
	ck_assert_uint_eq(peer_info(&p).rto, 290000);
}
END_TEST

/* RFC 6298 5.3, and 5.2: with nothing out it is off. */
START_TEST(an_ack_of_new_data_begins_the_timeout_anew)
{
	accepted_without_sack(80 * MS_NS);
	peer_write(&p, 2 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 2);
	desk_pass(&d, 160 * MS_NS);
	peer_send(&p, A, 1, 1 + 1460, 0);
	ck_assert_uint_eq(peer_info(&p).rto, 290000);
	desk_pass(&d, 289 * MS_NS); /* 449 ms after it was sent */
	peer_quiet(&p);
	desk_pass(&d, 3 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 1460);
	peer_send(&p, A, 1, 1 + 2 * 1460, 0);
	desk_pass(&d, 60 * SEC_NS);
	peer_quiet(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 1);
}
END_TEST

START_TEST(a_repeated_segment_gives_no_round_trip)
{
	uint32_t rtt;

	accepted_without_sack(50 * MS_NS);
	rtt = peer_info(&p).rtt;
	peer_write(&p, 10);
	desk_pass(&d, 400 * MS_NS);
	ck_assert_uint_ge(peer_drain(&p), 2);
	peer_send(&p, A, 1, 11, 0);
	ck_assert_uint_eq(peer_info(&p).rtt, rtt);
}
END_TEST

/* The second of ten waited at the receiver for the first, which came a round trip late. */
START_TEST(what_waited_for_a_repetition_gives_no_round_trip)
{
	uint32_t rtt;

	accepted_without_sack(50 * MS_NS);
	rtt = peer_info(&p).rtt;
	peer_write(&p, 10 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 50 * MS_NS);
	for (unsigned i = 0; i < 3; i++)
		peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	ck_assert_uint_eq(peer_info(&p).rtt, rtt);
}
END_TEST

int main(void)
{
	return run_cases("tcp_rto",
			 CASES(the_timeout_follows_rfc_6298,
			       an_ack_of_new_data_begins_the_timeout_anew,
			       a_repeated_segment_gives_no_round_trip,
			       what_waited_for_a_repetition_gives_no_round_trip),
			 setup, teardown);
}
