/* SPDX-License-Identifier: BSD-3-Clause */
/* The reordering window (RFC 8985 6.2): how long a hole may wait for a late segment. */
#include "tests/tcpip/peer_case.h"
#include "tests/tcpip/tcp_check.h"

#define M   1460u
#define RTT (40 * MS_NS)

static uint32_t una(void)
{
	return p.so->tcp->snd_una - p.stack_iss;
}

/* A round trip of 40 ms is known, and ten segments are out, sent one ago. */
static void ten_out(void)
{
	p.rtt = RTT;
	peer_accepted(&p);
	sock_setopt(p.so, 6, TCPO_CONGESTION, "reno", 5);
	peer_write(&p, 60 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, RTT);
}

/* The first came late, which shows that the path reorders. What is out has been so for a round
 * trip. */
static void reordered(void)
{
	ten_out();
	peer_sack(&p, 1, 1 + M, 1 + 2 * M);
	peer_send(&p, A, 1, 1 + 2 * M, 0);
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	ck_assert_uint_eq(peer_info(&p).reord_seen, 1);
	peer_drain(&p);
	desk_pass(&d, RTT);
}

/* Of what is out, all but the first arrived: ms until that goes again. */
static unsigned hole_waits(void)
{
	uint32_t hole = una(), again = peer_info(&p).total_retrans;
	struct segment s;
	unsigned ms = 0;

	peer_sack(&p, hole, hole + M, p.so->tcp->snd_nxt - p.stack_iss);
	while (peer_info(&p).total_retrans == again && ++ms < 200)
		desk_pass(&d, MS_NS);
	do /* new data may go meanwhile */
		s = peer_get(&p);
	while (s.seq != hole);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_RECOVERY);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
	return ms;
}

/* All that is out arrives after a round trip, and what follows is out for one. */
static void go_on(void)
{
	peer_drain(&p);
	desk_pass(&d, RTT);
	peer_send(&p, A, 1, p.so->tcp->snd_nxt - p.stack_iss, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	peer_write(&p, 40 * M); /* as much as there is room for */
	ck_assert_uint_ge(peer_drain(&p), 2);
	desk_pass(&d, RTT);
}

/* A quarter of the shortest round trip, and the timer's tick. */
#define QUARTER(ms) ((ms) >= 10 && (ms) <= 13)
#define HALF(ms)    ((ms) >= 20 && (ms) <= 23)

START_TEST(the_reordering_timer_declares_the_loss)
{
	uint32_t cwnd;
	unsigned ms;

	reordered();
	cwnd = p.so->tcp->cwnd;
	ms = hole_waits();
	ck_assert_msg(QUARTER(ms), "after %u ms", ms);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, cwnd / 2);
}
END_TEST

START_TEST(without_reordering_a_hole_below_three_segments_waits_not_at_all)
{
	ten_out();
	ck_assert_uint_eq(hole_waits(), 0);
}
END_TEST

START_TEST(a_dsack_widens_the_window_for_sixteen_recoveries)
{
	unsigned i, ms;

	reordered();
	peer_sack(&p, una(), una() - 2 * M, una() - M);
	for (i = 0; i < 16; i++) {
		ms = hole_waits();
		ck_assert_msg(HALF(ms), "recovery %u after %u ms", i, ms);
		go_on();
	}
	ms = hole_waits();
	ck_assert_msg(QUARTER(ms), "then after %u ms", ms);
}
END_TEST

START_TEST(the_window_grows_once_a_round_trip_and_no_further_than_srtt)
{
	unsigned i, ms;

	reordered();
	peer_sack(&p, una(), una() - 2 * M, una() - M);
	peer_sack(&p, una(), una() - 4 * M, una() - 3 * M);
	ms = hole_waits();
	ck_assert_msg(HALF(ms), "after %u ms", ms);
	go_on();
	for (i = 0; i < 8; i++) {
		peer_sack(&p, una(), una() - 2 * M, una() - M);
		go_on();
	}
	ms = hole_waits();
	ck_assert_msg(ms > 30 && ms * 1000 <= p.so->tcp->srtt_us + 4000, "after %u ms, SRTT %u us",
		      ms, p.so->tcp->srtt_us);
}
END_TEST

/* Step 2: the ACK comes too soon after the second copy to be its own. */
START_TEST(an_ack_of_the_first_copy_says_nothing_of_what_was_sent_after_it)
{
	uint64_t xmit;

	ten_out();
	peer_sack(&p, 1, 1 + M, 1 + 4 * M);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 1);
	peer_drain(&p);
	xmit = p.so->tcp->rack_xmit;
	desk_pass(&d, 5 * MS_NS);
	peer_send(&p, A, 1, 1 + 4 * M, 0);
	ck_assert_uint_eq(p.so->tcp->rack_xmit, xmit);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 1);
}
END_TEST

int main(void)
{
	return run_cases("tcp_rack",
			 CASES(the_reordering_timer_declares_the_loss,
			       without_reordering_a_hole_below_three_segments_waits_not_at_all,
			       a_dsack_widens_the_window_for_sixteen_recoveries,
			       the_window_grows_once_a_round_trip_and_no_further_than_srtt,
			       an_ack_of_the_first_copy_says_nothing_of_what_was_sent_after_it),
			 setup, teardown);
}
