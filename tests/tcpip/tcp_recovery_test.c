/* SPDX-License-Identifier: BSD-3-Clause */
/* Losses found and repaired, and what they do to the window. */
#include <errno.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"
#include "tests/tcpip/tcp_check.h"

#define M 1460u

/* Ten segments are on the way, and a round trip of 50 ms is known. */
static void ten_out(void)
{
	p.rtt = 50 * MS_NS;
	peer_accepted(&p);
	sock_setopt(p.so, 6, TCPO_CONGESTION, "reno", 5);
	peer_write(&p, 60 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 50 * MS_NS);
}

static void dup_ack(uint32_t ack, uint32_t sack_from, uint32_t sack_to)
{
	struct tcp_opts o = {0};

	if (p.sack && sack_to) {
		o.n_sack = 1;
		o.sack[0].start = p.stack_iss + sack_from;
		o.sack[0].end = p.stack_iss + sack_to;
	}
	peer_send_opts(&p, A, 1, ack, 0, &o);
}

START_TEST(the_third_sack_brings_a_fast_retransmission)
{
	ten_out();
	dup_ack(1, 1 + M, 1 + 2 * M);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 10 * M); /* limited transmit */
	dup_ack(1, 1 + M, 1 + 3 * M);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 11 * M);
	dup_ack(1, 1 + M, 1 + 4 * M);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_RECOVERY);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 5);
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + 12 * M, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	ck_assert_uint_le(peer_info(&p).snd_cwnd, 7);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 1);
}
END_TEST

START_TEST(the_third_duplicate_does_so_without_sack)
{
	p.sack = false;
	ten_out();
	dup_ack(1, 0, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 10 * M);
	dup_ack(1, 0, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 11 * M);
	dup_ack(1, 0, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	peer_drain(&p);
	/* A partial ACK: the next hole at once. */
	dup_ack(1 + 4 * M, 0, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 4 * M);
	peer_drain(&p);
	dup_ack(1 + 12 * M, 0, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
}
END_TEST

START_TEST(all_holes_are_filled_in_one_round_trip)
{
	struct tcp_opts o = {.n_sack = 3};
	struct segment s;
	unsigned i, again = 0;

	ten_out();
	for (i = 0; i < 3; i++) { /* 1, 3, 5 arrived, and 7 to 9; 0, 2, 4, 6 did not */
		o.sack[i].start = p.stack_iss + 1 + (2 * i + 1) * M;
		o.sack[i].end = o.sack[i].start + M;
	}
	o.n_sack = 4;
	o.sack[3].start = p.stack_iss + 1 + 7 * M;
	o.sack[3].end = p.stack_iss + 1 + 10 * M;
	peer_send_opts(&p, A, 1, 1, 0, &o);
	while (peer_got(&p, &s))
		again += s.seq < 1 + 7 * M;
	ck_assert_uint_eq(again, 4);
}
END_TEST

START_TEST(reordering_is_not_loss_once_it_is_known)
{
	ten_out();
	dup_ack(1, 1 + M, 1 + 2 * M);
	peer_drain(&p);
	dup_ack(1 + 2 * M, 0, 0); /* the first one came late */
	peer_drain(&p);
	ck_assert(p.so->tcp->reord_seen);
	dup_ack(1 + 2 * M, 1 + 3 * M, 1 + 6 * M);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0); /* waits a quarter of a round trip */
	peer_drain(&p);
	dup_ack(1 + 6 * M, 0, 0);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0);
}
END_TEST

START_TEST(a_timeout_starts_again_with_one_segment)
{
	ten_out();
	p.so->tcp->tlp_high_seq = p.so->tcp->snd_nxt; /* no probe */
	tcp_rexmit_arm(p.so->tcp, TCP_T_RTO, 100 * MS_NS);
	desk_pass(&d, 110 * MS_NS);
	ck_assert_uint_eq(peer_drain(&p), 1);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_LOSS);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 1);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 5);
	peer_send(&p, A, 1, 1 + M, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + M);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 2 * M);
	peer_quiet(&p);
}
END_TEST

START_TEST(a_needless_timeout_is_taken_back)
{
	p.ts = true;
	ten_out();
	p.so->tcp->tlp_high_seq = p.so->tcp->snd_nxt;
	tcp_rexmit_arm(p.so->tcp, TCP_T_RTO, 100 * MS_NS);
	uint32_t first_ts = p.ts_ecr;

	desk_pass(&d, 110 * MS_NS);
	peer_drain(&p);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_LOSS);
	p.ts_ecr = first_ts; /* the ACK of the first copy, late */
	peer_send(&p, A, 1, 1 + 2 * (M - 12), 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	ck_assert_uint_ge(peer_info(&p).snd_cwnd, 10);
	ck_assert_uint_eq(peer_info(&p).lost, 0);
}
END_TEST

START_TEST(a_peer_that_reneges_gets_the_data_again)
{
	ten_out();
	dup_ack(1, 1 + M, 1 + 10 * M);
	peer_drain(&p);
	desk_pass(&d, 20 * MS_NS);
	peer_send(&p, A, 1, 1 + M, 0); /* the hole is filled, but the rest is gone */
	peer_drain(&p);
	desk_pass(&d, SEC_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + M);
}
END_TEST

START_TEST(sack_blocks_of_nonsense_are_ignored)
{
	ten_out();
	dup_ack(1, 1 + 50 * M, 1 + 60 * M);
	dup_ack(1, 1 + 5 * M, 1 + 2 * M);
	dup_ack(1, 0x80000000, 1 + 2 * M);
	ck_assert_uint_eq(peer_info(&p).sacked, 0);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0);
}
END_TEST

/* RFC 8985 7.2: a timeout due no later than the probe gives way to it, and cwnd is kept. */
START_TEST(a_lone_segment_is_probed_when_the_timeout_would_come_first)
{
	uint32_t cwnd;

	p.rtt = 100 * MS_NS;
	peer_accepted(&p);
	cwnd = peer_info(&p).snd_cwnd;
	peer_write(&p, 500);
	ck_assert_uint_eq(peer_drain(&p), 1);
	desk_pass(&d, 320 * MS_NS);
	ck_assert_uint_eq(peer_drain(&p), 1);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, cwnd);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	peer_send(&p, TCP_ACK, 1, 501, 0);
	ck_assert_uint_eq(peer_info(&p).unacked, 0);
}
END_TEST

/* ---- RFC 8985 7.4: did the probe repair a loss? ---- */

/* The last of ten has to be probed for. */
static void last_probed(void)
{
	p.rtt = 50 * MS_NS;
	peer_accepted(&p);
	sock_setopt(p.so, 6, TCPO_CONGESTION, "reno", 5);
	peer_write(&p, 10 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 9 * M, 0);
	desk_pass(&d, 310 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 9 * M);
	peer_quiet(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
}

/* What was written after the probe arrives: only that tells that one copy was lost. */
static void next_arrives(void)
{
	peer_write(&p, M);
	ck_assert_uint_eq(peer_drain(&p), 1);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 10); /* after so long without a new segment */
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 11 * M, 0);
}

START_TEST(a_probe_that_repaired_a_loss_reduces_the_window)
{
	last_probed();
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	next_arrives();
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 5);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 5);
	ck_assert_uint_eq(p.so->tcp->tlp_high_seq, 0);
}
END_TEST

START_TEST(a_probe_that_is_answered_by_a_dsack_reduces_nothing)
{
	last_probed();
	peer_send(&p, A, 1, 1 + 10 * M, 0); /* the first copy's ACK was late */
	dup_ack(1 + 10 * M, 1 + 9 * M, 1 + 10 * M);
	ck_assert_uint_eq(peer_info(&p).dsack_dups, 1);
	next_arrives();
	ck_assert_uint_ge(peer_info(&p).snd_cwnd, 10);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, TCP_SSTHRESH_INF);
}
END_TEST

START_TEST(a_probe_whose_both_copies_are_acknowledged_reduces_nothing)
{
	last_probed();
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	peer_send(&p, A, 1, 1 + 10 * M, 0); /* of a peer that has no DSACK */
	next_arrives();
	ck_assert_uint_ge(peer_info(&p).snd_cwnd, 10);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, TCP_SSTHRESH_INF);
}
END_TEST

START_TEST(a_probe_of_new_data_reduces_nothing)
{
	p.rtt = 50 * MS_NS;
	peer_accepted(&p);
	peer_option(&p, TCPO_CORK, 1);
	peer_write(&p, 2 * M + 100);
	ck_assert_uint_eq(peer_drain(&p), 2);
	desk_pass(&d, 110 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 2 * M); /* what was held back, RFC 8985 7.3 */
	peer_send(&p, A, 1, 1 + 2 * M + 100, 0);
	ck_assert_uint_eq(p.so->tcp->tlp_high_seq, 0);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, TCP_SSTHRESH_INF);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0);
}
END_TEST

START_TEST(there_is_one_probe_and_then_the_timeout)
{
	last_probed();
	desk_pass(&d, 150 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 100 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 9 * M);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 1);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_LOSS);
}
END_TEST

/* ---- RFC 6937 3: how many are sent for what is delivered ---- */

/* Twenty are out, sent a round trip ago. */
static void twenty_out(void)
{
	ten_out();
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	ck_assert_uint_eq(peer_drain(&p), 20);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 20);
	desk_pass(&d, 50 * MS_NS);
}

START_TEST(above_ssthresh_one_is_sent_for_two_that_are_delivered)
{
	uint32_t base = 1 + 10 * M, i;

	twenty_out();
	for (i = 2; i < 4; i++) { /* limited transmit */
		dup_ack(base, base + M, base + i * M);
		ck_assert_uint_eq(peer_drain(&p), 1);
	}
	dup_ack(base, base + M, base + 4 * M);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 10);
	ck_assert_uint_eq(peer_get(&p).seq, base); /* the fast retransmission is the first */
	peer_quiet(&p);
	for (i = 5; i < 15; i++) {
		dup_ack(base, base + M, base + i * M);
		ck_assert_msg(peer_drain(&p) == (i + 1) % 2, "delivery %u", i - 2);
	}
	peer_send(&p, A, 1, base + 22 * M, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 10);
}
END_TEST

/* So much is lost that less is in flight than ssthresh: as many as are delivered, and one more for
 * an ACK that moves on and shows no new loss. What is lost goes first, in order (RFC 6675 4). */
START_TEST(below_ssthresh_it_is_slow_start)
{
	uint32_t base = 1 + 10 * M, i;

	twenty_out();
	dup_ack(base, base + 17 * M, base + 20 * M);
	ck_assert_uint_eq(peer_info(&p).lost, 17);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(peer_get(&p).seq, base + i * M);
	peer_quiet(&p);
	desk_pass(&d, 50 * MS_NS);
	dup_ack(base + M, base + 17 * M, base + 20 * M);
	for (; i < 5; i++)
		ck_assert_uint_eq(peer_get(&p).seq, base + i * M);
	peer_quiet(&p);
	dup_ack(base + 3 * M, base + 17 * M, base + 20 * M);
	for (; i < 8; i++)
		ck_assert_uint_eq(peer_get(&p).seq, base + i * M);
	peer_quiet(&p);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 10);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

/* The first of ten is lost on a path of 10 ms, and goes again. */
static void one_lost_on_a_short_path(void)
{
	p.rtt = 10 * MS_NS;
	p.sack = true;
	peer_accepted(&p);
	peer_write(&p, 10 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 10 * MS_NS);
	dup_ack(1, 1 + M, 1 + 10 * M);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	peer_quiet(&p);
}

/* Nothing was sent later whose ACK could tell. */
START_TEST(a_retransmission_that_is_lost_too_goes_again_after_two_round_trips)
{
	uint32_t cwnd;

	one_lost_on_a_short_path();
	desk_pass(&d, 35 * MS_NS);
	peer_quiet(&p);
	cwnd = p.so->tcp->cwnd;
	desk_pass(&d, 10 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	peer_quiet(&p);
	ck_assert_uint_eq(p.so->tcp->cwnd, cwnd);
	ck_assert_uint_eq(desk_count(&d, "TcpRecoveryProbes"), 1);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
	dup_ack(1 + 10 * M, 0, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	desk_pass(&d, SEC_NS);
	peer_quiet(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
}
END_TEST

START_TEST(probes_in_recovery_come_ever_later_and_then_the_timeout)
{
	one_lost_on_a_short_path();
	desk_pass(&d, 45 * MS_NS);
	ck_assert_uint_eq(peer_drain(&p), 1);
	desk_pass(&d, 60 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 15 * MS_NS);
	ck_assert_uint_eq(peer_drain(&p), 1);
	desk_pass(&d, 80 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 30 * MS_NS); /* 210 ms after the first retransmission */
	ck_assert_uint_eq(peer_get(&p).seq, 1);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpRecoveryProbes"), 2);
	ck_assert_uint_eq(p.so->tcp->cwnd, 1);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

START_TEST(without_the_setting_only_the_timeout_helps)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "recovery_probes", 0), 0);
	one_lost_on_a_short_path();
	desk_pass(&d, 205 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 20 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_recovery",
		CASES(the_third_sack_brings_a_fast_retransmission,
		      the_third_duplicate_does_so_without_sack,
		      all_holes_are_filled_in_one_round_trip,
		      reordering_is_not_loss_once_it_is_known,
		      a_timeout_starts_again_with_one_segment, a_needless_timeout_is_taken_back,
		      a_peer_that_reneges_gets_the_data_again, sack_blocks_of_nonsense_are_ignored,
		      a_lone_segment_is_probed_when_the_timeout_would_come_first,
		      a_retransmission_that_is_lost_too_goes_again_after_two_round_trips,
		      probes_in_recovery_come_ever_later_and_then_the_timeout,
		      without_the_setting_only_the_timeout_helps,
		      a_probe_that_repaired_a_loss_reduces_the_window,
		      a_probe_that_is_answered_by_a_dsack_reduces_nothing,
		      a_probe_whose_both_copies_are_acknowledged_reduces_nothing,
		      a_probe_of_new_data_reduces_nothing, there_is_one_probe_and_then_the_timeout,
		      above_ssthresh_one_is_sent_for_two_that_are_delivered,
		      below_ssthresh_it_is_slow_start),
		setup, teardown);
}
