/* SPDX-License-Identifier: BSD-3-Clause */
/* HyStart++: a sender whose round trips the test makes longer or shorter, round by round. */
#include <string.h>

#include "tcpip/tcp.h"
#include "tests/tcpip/cases.h"

#define MSS 1000u

static struct stack st;
static struct tcp_pcb pcb;

static void setup(void)
{
	memset(&pcb, 0, sizeof(pcb));
	pcb.st = &st;
	pcb.cwnd = 10;
	pcb.ssthresh = TCP_SSTHRESH_INF;
	pcb.snd_una = pcb.snd_nxt = 0xffff0000u; /* the sequence space ends on the way */
}

static void teardown(void)
{
}

/* A window is sent, and acknowledged in pairs, each after rtt_ms. */
static void round_trip(uint32_t rtt_ms)
{
	uint32_t left = pcb.cwnd, n;

	pcb.snd_nxt = pcb.snd_una + left * MSS;
	pcb.last_rtt_us = rtt_ms * 1000;
	for (; left > 0; left -= n) {
		n = left < 2 ? left : 2;
		pcb.snd_una += n * MSS;
		pcb.snd_nxt += 2 * n * MSS; /* each ACK lets twice as much go */
		tcp_cc_newreno.grow(&pcb, n);
	}
}

/* Rounds as the window was when they began; what is in flight belongs to the next. */
static void rounds(unsigned n, uint32_t rtt_ms)
{
	while (n-- > 0)
		round_trip(rtt_ms);
}

START_TEST(the_window_doubles_while_round_trips_stay_as_they_are)
{
	rounds(5, 50);
	ck_assert_uint_eq(pcb.cwnd, 10 << 5);
	ck_assert_uint_eq(pcb.ssthresh, TCP_SSTHRESH_INF);
}
END_TEST

START_TEST(longer_round_trips_slow_growth_down_and_end_it_after_five_rounds)
{
	uint32_t before, i;

	rounds(3, 50);
	round_trip(60);
	before = pcb.cwnd;
	for (i = 0; i < 3; i++) {
		round_trip(60);
		ck_assert_uint_le(pcb.cwnd, before + before / 4 + 1);
		ck_assert_uint_ge(pcb.cwnd, before + before / 4 - 2);
		before = pcb.cwnd;
	}
	ck_assert_uint_eq(pcb.ssthresh, TCP_SSTHRESH_INF);
	rounds(3, 60);
	ck_assert_uint_lt(pcb.ssthresh, TCP_SSTHRESH_INF);
	ck_assert_uint_ge(pcb.cwnd, pcb.ssthresh);
	before = pcb.cwnd;
	round_trip(60); /* congestion avoidance */
	ck_assert_uint_eq(pcb.cwnd, before + 1);
}
END_TEST

START_TEST(round_trips_that_become_shorter_again_were_no_queue)
{
	uint32_t before;

	rounds(3, 50);
	rounds(2, 60);
	rounds(1, 50);
	before = pcb.cwnd;
	round_trip(50);
	ck_assert_uint_eq(pcb.cwnd, 2 * before);
	rounds(3, 50);
	ck_assert_uint_eq(pcb.ssthresh, TCP_SSTHRESH_INF);
}
END_TEST

/* An eighth longer, but not less than 4 ms and not more than 16. */
START_TEST(how_much_longer_they_must_be_has_bounds)
{
	static const struct {
		uint32_t from, to;
		bool noticed;
	} rows[] = {{1, 4, false},  {1, 5, true},      {80, 89, false},
		    {80, 90, true}, {300, 315, false}, {300, 316, true}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setup();
		rounds(3, rows[i].from);
		round_trip(rows[i].to);
		ck_assert_uint_eq(pcb.hystart.css_round != 0, rows[i].noticed);
	}
}
END_TEST

START_TEST(a_few_round_trips_say_nothing)
{
	pcb.cwnd = 7; /* four ACKs a round */
	round_trip(50);
	round_trip(90);
	ck_assert_uint_eq(pcb.cwnd, 28);
	ck_assert_uint_eq(pcb.hystart.css_round, 0);
}
END_TEST

START_TEST(after_the_first_loss_it_has_no_say)
{
	pcb.ssthresh = 1000;
	rounds(3, 50);
	rounds(3, 90);
	ck_assert_uint_eq(pcb.cwnd, 10 << 6);
	ck_assert_uint_eq(pcb.ssthresh, 1000);
}
END_TEST

int main(void)
{
	return run_cases("cc_hystart",
			 CASES(the_window_doubles_while_round_trips_stay_as_they_are,
			       longer_round_trips_slow_growth_down_and_end_it_after_five_rounds,
			       round_trips_that_become_shorter_again_were_no_queue,
			       how_much_longer_they_must_be_has_bounds,
			       a_few_round_trips_say_nothing, after_the_first_loss_it_has_no_say),
			 setup, teardown);
}
