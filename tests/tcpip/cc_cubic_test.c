/* SPDX-License-Identifier: BSD-3-Clause */
/* CUBIC beside its formula: windows acknowledged round trip by round trip on the test's clock. */
#include <string.h>

#include "tcpip/tcp.h"
#include "tests/tcpip/cases.h"

static struct stack st;
static struct tcp_pcb pcb;

static void setup(void)
{
	memset(&pcb, 0, sizeof(pcb));
	memset(&st, 0, sizeof(st));
	st.now = 1000 * TCP_S;
	pcb.st = &st;
	pcb.cc = &tcp_cc_cubic;
	pcb.cc->init(&pcb);
}

static void teardown(void)
{
}

/* The path took that many segments, and one was lost. */
static void lose_at(uint32_t cwnd)
{
	pcb.prior_cwnd = pcb.cwnd = cwnd;
	pcb.cwnd = pcb.ssthresh = pcb.cc->ssthresh(&pcb);
}

/* Windows go out and are acknowledged, `stretch` segments an ACK, for so long. */
static void pass(uint32_t ms, uint32_t rtt_ms, uint32_t stretch)
{
	uint64_t end = st.now + ms * TCP_MS;
	uint32_t left, n;

	pcb.srtt_us = rtt_ms * 1000;
	for (; st.now < end; st.now += rtt_ms * TCP_MS) {
		for (left = pcb.cwnd; left; left -= n) {
			n = left < stretch ? left : stretch;
			pcb.cc->grow(&pcb, n);
		}
	}
}

static void expect_cwnd(uint32_t least, uint32_t most)
{
	ck_assert_uint_ge(pcb.cwnd, least);
	ck_assert_uint_le(pcb.cwnd, most);
}

START_TEST(a_loss_leaves_seven_tenths)
{
	lose_at(1000);
	expect_cwnd(699, 700);
	lose_at(2); /* but never less than two */
	ck_assert_uint_eq(pcb.cwnd, 2);
}
END_TEST

/* K = cbrt(300 / 0.4) = 9.09 s: W(K / 2) = 1000 - 300 / 8, W(K) = 1000, W(2 K) = 1000 + 300. */
START_TEST(the_window_follows_the_cubic_function_around_the_old_peak)
{
	lose_at(1000);
	pass(4500, 100, 2);
	expect_cwnd(955, 968);
	pass(4600, 100, 2);
	expect_cwnd(995, 1003);
	pass(1000, 100, 2); /* the plateau */
	expect_cwnd(997, 1004);
	pass(8100, 100, 2);
	expect_cwnd(1280, 1310);
}
END_TEST

START_TEST(how_many_segments_an_ack_covers_makes_no_difference)
{
	uint32_t alone;

	lose_at(1000);
	pass(15000, 100, 1);
	alone = pcb.cwnd;
	setup();
	lose_at(1000);
	pass(15000, 100, 16);
	expect_cwnd(alone - 5, alone + 5);
}
END_TEST

/* 0.53 segments a round trip, which the cubic function does not reach in so short a time. */
START_TEST(on_short_round_trips_it_grows_as_reno_would)
{
	static const uint32_t windows[] = {20, 143, 500, 1571, 4000};

	for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		for (uint32_t stretch = 1; stretch <= 4; stretch *= 2) {
			uint32_t start;

			setup();
			lose_at(windows[i]);
			start = pcb.cwnd;
			pass(10, 1, stretch);
			expect_cwnd(start + 4, start + 6);
		}
	}
}
END_TEST

START_TEST(beyond_the_old_window_it_grows_by_one_a_round_trip_as_reno_does)
{
	lose_at(20);
	pass(12, 1, 2); /* 14 + 12 * 0.53: back at 20 */
	expect_cwnd(19, 21);
	pass(20, 1, 2);
	expect_cwnd(38, 41);
}
END_TEST

START_TEST(a_flow_that_did_not_reach_its_old_peak_gives_way)
{
	lose_at(1000);
	lose_at(800); /* the plateau lies at 800 * 0.85 now, K = cbrt(120 / 0.4) = 6.7 s */
	expect_cwnd(559, 560);
	pass(6700, 100, 2);
	expect_cwnd(675, 686);
	pass(1000, 100, 2);
	expect_cwnd(676, 690);
}
END_TEST

START_TEST(what_is_acknowledged_at_once_raises_the_window_by_half_of_that)
{
	lose_at(100);
	pass(100, 100, 2);
	st.now += 300 * TCP_S; /* the function is far above */
	for (unsigned i = 0; i < 10; i++)
		pcb.cc->grow(&pcb, 2);
	expect_cwnd(70 + 10, 72 + 10);
}
END_TEST

START_TEST(time_without_sending_is_no_growth)
{
	uint32_t before;

	lose_at(1000);
	pass(5000, 100, 2);
	before = pcb.cwnd;
	st.now += 60 * TCP_S;
	pcb.cc->restart(&pcb, 60 * TCP_S);
	pass(100, 100, 2);
	expect_cwnd(before, before + 3);
}
END_TEST

START_TEST(a_needless_reduction_is_taken_back_and_the_peak_with_it)
{
	lose_at(1000);
	lose_at(800);
	pcb.cwnd = pcb.cc->undo(&pcb);
	ck_assert_uint_eq(pcb.cwnd, 800);
	pcb.ssthresh = pcb.cwnd;
	pass(1000, 100,
	     2); /* near the plateau of 800 again: not at 680, from where it would climb */
	expect_cwnd(800, 812);
}
END_TEST

START_TEST(after_a_timeout_it_climbs_from_where_slow_start_ended)
{
	lose_at(1000);
	pass(3000, 100, 2);
	pcb.cwnd = 1;
	pcb.cc->timeout(&pcb);
	pcb.ssthresh = 500;
	pass(900, 100, 2); /* doubles to 500, a new stretch begins there */
	expect_cwnd(500, 505);
	pass(3000, 100, 2); /* K = cbrt(500 / 0.4) = 10.8 s: 1000 - 0.4 * 7.7^3 */
	expect_cwnd(780, 830);
}
END_TEST

int main(void)
{
	return run_cases("cc_cubic",
			 CASES(a_loss_leaves_seven_tenths,
			       the_window_follows_the_cubic_function_around_the_old_peak,
			       how_many_segments_an_ack_covers_makes_no_difference,
			       on_short_round_trips_it_grows_as_reno_would,
			       beyond_the_old_window_it_grows_by_one_a_round_trip_as_reno_does,
			       a_flow_that_did_not_reach_its_old_peak_gives_way,
			       what_is_acknowledged_at_once_raises_the_window_by_half_of_that,
			       time_without_sending_is_no_growth,
			       a_needless_reduction_is_taken_back_and_the_peak_with_it,
			       after_a_timeout_it_climbs_from_where_slow_start_ended),
			 setup, teardown);
}
