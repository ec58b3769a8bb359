/* SPDX-License-Identifier: BSD-3-Clause */
/* When a connection's time is up. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

#define PA (TCP_ACK | TCP_PSH)

/* ms until the next segment, at most `max`; it stays unread. */
static unsigned wait_for_segment(unsigned max)
{
	unsigned ms;

	for (ms = 1; ms <= max; ms++) {
		desk_pass(&d, MS_NS);
		if (d.port[0].count)
			return ms;
	}
	ck_abort_msg("nothing came in %u ms", max);
	return 0;
}

static unsigned arp_requests(void)
{
	unsigned n = 0;
	struct packet pk;

	while (desk_sent(&d, 0, &pk))
		n += pk.eth.type == ETH_TYPE_ARP;
	return n;
}

/* RFC 9293 3.8.3, R1: the MAC may be another's by now. */
START_TEST(after_three_timeouts_the_next_hop_is_asked)
{
	teardown();
	desk_open(&d); /* with Ethernet */
	p = peer_make(&d);
	desk_know(&d, ip(10, 0, 0, 9));
	peer_accepted(&p);
	peer_write(&p, 100);
	peer_send(&p, A, 1, 101, 0);
	peer_write(&p, 100); /* says that the last one arrived: the next hop is beyond doubt */
	ck_assert_uint_eq(arp_requests(), 0);
	desk_pass(&d, 1000 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).backoff, 2);
	ck_assert_uint_eq(arp_requests(), 0);
	desk_pass(&d, 1000 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).backoff, 3);
	desk_pass(&d, 1700 * MS_NS);
	ck_assert_uint_ge(arp_requests(), 1);
}
END_TEST

START_TEST(while_data_is_acknowledged_nobody_asks_for_the_next_hop)
{
	uint32_t at = 1;

	teardown();
	desk_open(&d);
	p = peer_make(&d);
	desk_know(&d, ip(10, 0, 0, 9));
	peer_accepted(&p);
	for (unsigned i = 0; i < 100; i++, at += 100) {
		peer_write(&p, 100);
		desk_pass(&d, 10 * MS_NS);
		peer_send(&p, A, 1, at + 100, 0);
		desk_pass(&d, SEC_NS);
		ck_assert_uint_eq(arp_requests(), 0);
	}
}
END_TEST

START_TEST(a_syn_goes_again_after_1_2_4_seconds_and_gives_up)
{
	static const unsigned gaps[] = {1000, 2000, 4000, 8000, 16000, 32000};
	unsigned i;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
	desk_flush(&d);
	peer_expect(&p, TCP_SYN, 0, 0, 0);
	for (i = 0; i < 6; i++) {
		unsigned ms = wait_for_segment(gaps[i] + 10);

		ck_assert_uint_ge(ms, gaps[i]);
		peer_expect(&p, TCP_SYN, 0, 0, 0);
	}
	desk_pass(&d, 65 * SEC_NS);
	peer_quiet(&p);
	ck_assert_int_eq(p.so->error, ETIMEDOUT);
	ck_assert(sock_events(p.so) & POLLERR);
}
END_TEST

START_TEST(a_lost_segment_goes_again_with_doubled_time)
{
	unsigned ms, last;

	p.sack = false;
	peer_accepted(&p);
	peer_write(&p, 100);
	peer_expect(&p, PA, 1, 1, 100);
	last = wait_for_segment(300);
	ck_assert_uint_ge(last, 199);
	ck_assert_uint_le(last, 205);
	peer_expect(&p, PA, 1, 1, 100);
	ms = wait_for_segment(1000);
	ck_assert_uint_ge(ms, 2 * last - 5);
	peer_expect(&p, PA, 1, 1, 100);
	peer_send(&p, A, 1, 101, 0);
	desk_pass(&d, 60 * SEC_NS);
	peer_quiet(&p);
}
END_TEST

START_TEST(a_silent_peer_is_given_up_after_15_minutes)
{
	peer_accepted(&p);
	peer_write(&p, 100);
	desk_pass(&d, 900 * SEC_NS);
	ck_assert_int_eq(p.so->error, 0);
	desk_pass(&d, 200 * SEC_NS);
	ck_assert_int_eq(p.so->error, ETIMEDOUT);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_CLOSED);
}
END_TEST

START_TEST(user_timeout_is_shorter)
{
	peer_accepted(&p);
	peer_option(&p, TCPO_USER_TIMEOUT, 3000);
	peer_write(&p, 100);
	desk_pass(&d, 2500 * MS_NS);
	ck_assert_int_eq(p.so->error, 0);
	desk_pass(&d, 1500 * MS_NS);
	ck_assert_int_eq(p.so->error, ETIMEDOUT);
}
END_TEST

START_TEST(a_shut_window_is_asked_again_and_again)
{
	unsigned i, ms, last = 0;

	p.wscale = false;
	p.window = 0;
	peer_accepted(&p);
	peer_write(&p, 100);
	for (i = 0; i < 12; i++) {
		ms = wait_for_segment(130000);
		ck_assert_uint_ge(ms, last);
		last = ms;
		peer_expect(&p, A, 0, 1, 0); /* an old number: must be answered */
		peer_send(&p, A, 1, 1, 0);
		peer_quiet(&p);
	}
	ck_assert_uint_ge(last, 119000);
	p.window = 1000;
	peer_send(&p, A, 1, 1, 0);
	peer_expect(&p, PA, 1, 1, 100);
}
END_TEST

START_TEST(a_window_too_small_for_a_segment_gets_a_part_after_a_while)
{
	p.wscale = false;
	p.window = 5000;
	peer_accepted(&p);
	p.window = 500;
	peer_send(&p, A, 1, 1, 1);
	peer_send(&p, A, 2, 1, 1); /* only a later number may take window back */
	peer_drain(&p);
	peer_write(&p, 1000);
	peer_quiet(&p);
	ck_assert_uint_ge(wait_for_segment(400), 199);
	peer_expect(&p, PA, 1, 3, 500);
}
END_TEST

START_TEST(keepalive_asks_and_gives_up)
{
	int on = 1;

	peer_accepted(&p);
	sock_setopt(p.so, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	peer_option(&p, TCPO_KEEPIDLE, 10);
	peer_option(&p, TCPO_KEEPINTVL, 5);
	peer_option(&p, TCPO_KEEPCNT, 3);
	desk_pass(&d, 9500 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, SEC_NS);
	peer_expect(&p, A, 0, 1, 0);
	peer_send(&p, A, 1, 1, 0); /* alive */
	desk_pass(&d, 9500 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, SEC_NS + 10 * SEC_NS + 500 * MS_NS);
	ck_assert_uint_eq(peer_drain(&p), 3);
	desk_pass(&d, 5 * SEC_NS);
	peer_expect(&p, A | TCP_RST, 1, 1, 0);
	ck_assert_int_eq(p.so->error, ETIMEDOUT);
}
END_TEST

START_TEST(a_lone_segment_is_acknowledged_after_40_ms)
{
	peer_accepted(&p);
	p.so->tcp->quick_acks = 0;
	peer_send(&p, A, 1, 1, 100);
	ck_assert_uint_ge(wait_for_segment(45), 39);
	peer_expect(&p, A, 1, 101, 0);
}
END_TEST

START_TEST(every_second_full_segment_is_acknowledged_at_once)
{
	peer_accepted(&p);
	p.so->tcp->quick_acks = 0;
	peer_send(&p, A, 1, 1, 1400);
	peer_quiet(&p);
	peer_send(&p, A, 1401, 1, 1400);
	peer_expect(&p, A, 1, 2801, 0);
}
END_TEST

START_TEST(at_the_start_every_segment_is_acknowledged)
{
	unsigned i;

	peer_accepted(&p);
	for (i = 0; i < 8; i++) {
		peer_send(&p, A, 1 + i * 100, 1, 100);
		peer_expect(&p, A, 1, 101 + i * 100, 0);
	}
}
END_TEST

START_TEST(an_ack_rides_on_an_answer)
{
	unsigned i;

	peer_accepted(&p);
	p.so->tcp->quick_acks = 0;
	for (i = 0; i < 5; i++) {
		peer_send(&p, A, 1 + i * 10, 1 + i * 10, 10);
		peer_quiet(&p);
		peer_write(&p, 10);
		peer_expect(&p, PA, 1 + i * 10, 11 + i * 10, 10);
	}
}
END_TEST

START_TEST(fin_wait_2_without_owner_ends)
{
	peer_accepted(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_send(&p, A, 1, 2, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 2);
	desk_pass(&d, 61 * SEC_NS);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

START_TEST(a_tail_loss_shows_after_two_round_trips)
{
	unsigned i;

	peer_accepted(&p);
	for (i = 0; i < 30; i++) { /* teach it a round trip of 20 ms */
		peer_write(&p, 1460);
		peer_drain(&p);
		desk_pass(&d, 20 * MS_NS);
		peer_send(&p, A, 1, 1 + (i + 1) * 1460, 0);
	}
	peer_write(&p, 2 * 1460);
	peer_drain(&p);
	ck_assert_uint_le(wait_for_segment(250), 60);
	peer_expect(&p, PA, 1 + 31 * 1460, 1, 1460); /* the last one */
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_timer",
		CASES(after_three_timeouts_the_next_hop_is_asked,
		      while_data_is_acknowledged_nobody_asks_for_the_next_hop,
		      a_syn_goes_again_after_1_2_4_seconds_and_gives_up,
		      a_lost_segment_goes_again_with_doubled_time,
		      a_silent_peer_is_given_up_after_15_minutes, user_timeout_is_shorter,
		      a_shut_window_is_asked_again_and_again,
		      a_window_too_small_for_a_segment_gets_a_part_after_a_while,
		      keepalive_asks_and_gives_up, a_lone_segment_is_acknowledged_after_40_ms,
		      every_second_full_segment_is_acknowledged_at_once,
		      at_the_start_every_segment_is_acknowledged, an_ack_rides_on_an_answer,
		      fin_wait_2_without_owner_ends, a_tail_loss_shows_after_two_round_trips),
		setup, teardown);
}
