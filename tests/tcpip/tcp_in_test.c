/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment arrives: RFC 9293 3.10.7, RFC 5961, RFC 7323. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

START_TEST(a_segment_for_nobody_is_answered_with_a_reset_it_believes)
{
	struct segment s;

	peer_send(&p, A, 7, 300, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_RST);
	ck_assert_uint_eq(s.h.seq, 300);
	peer_send(&p, TCP_SYN, 7, 0, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_RST | A);
	ck_assert_uint_eq(s.h.seq, 0);
	ck_assert_uint_eq(s.h.ack, PEER_ISS + 8);
	peer_send(&p, TCP_RST, 7, 0, 0);
	peer_quiet(&p);
}
END_TEST

START_TEST(a_damaged_segment_is_dropped)
{
	struct ip4_hdr h = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	uint8_t l4[20] = {0, 80, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2};

	desk_ip4(&d, &h, l4, sizeof(l4));
	desk_ip4(&d, &h, l4, 12);
	peer_quiet(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpInErrs"), 2);
}
END_TEST

START_TEST(the_syn_offers_what_linux_offers)
{
	struct segment s;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
	desk_flush(&d);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.h.opts.mss, 1460);
	ck_assert(s.h.opts.sack_ok && s.h.opts.has_ts && s.h.opts.has_wscale);
	ck_assert_uint_eq(s.h.opts.wscale, 8);
	ck_assert_uint_eq(s.h.window, 65535);
}
END_TEST

START_TEST(the_syn_ack_answers_only_what_was_offered)
{
	struct segment s;

	peer_listener(&p, 5);
	p.sack = p.wscale = false;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN | A);
	ck_assert(s.h.opts.has_mss && !s.h.opts.sack_ok && !s.h.opts.has_ts);
	ck_assert(!s.h.opts.has_wscale);
}
END_TEST

/* RFC 9293 3.9.1.1, MUST-44 and 45. */
START_TEST(segments_leave_from_the_connections_own_address)
{
	struct ip_addr more = {AF_INET, 24, {10, 0, 0, 2}};
	struct socket *so;
	struct packet pk;
	uint32_t i;

	ck_assert_int_eq(stack_addr_add(d.st, &d.port[0].port, &more), 0);
	for (i = 1; i <= 2; i++) {
		so = desk_socket(&d, SOCK_STREAM, 0);
		if (i == 2)
			ck_assert_int_eq(desk_bind(so, ip(10, 0, 0, 2), 0), 0);
		ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
		desk_flush(&d);
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_uint_eq(pk.ip.src, ip(10, 0, 0, i));
		ck_assert_uint_eq(so->local_ip, ip(10, 0, 0, i));
	}
	peer_connected(&p);
	ck_assert_int_eq(peer_write(&p, 10), 10);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.src, p.so->local_ip);
}
END_TEST

/* RFC 7323 2.2. */
START_TEST(the_window_of_a_syn_is_not_scaled)
{
	struct segment s;
	uint32_t sent = 0;

	p.window = 1000;
	peer_connected(&p);
	ck_assert_uint_eq(p.so->tcp->snd_wscale, 7);
	ck_assert_uint_eq(p.so->tcp->snd_wnd, 1000);
	ck_assert_int_eq(peer_write(&p, 4000), 4000);
	while (peer_got(&p, &s))
		sent += s.len;
	ck_assert_uint_gt(sent, 0);
	ck_assert_uint_le(sent, 1000);
	peer_send(&p, A, 1, 1 + sent, 0);
	ck_assert_uint_eq(p.so->tcp->snd_wnd, 128000);
	while (peer_got(&p, &s))
		sent += s.len;
	ck_assert_uint_gt(sent, 3000);
	p.port++;
	p.stack_port = 80;
	peer_listener(&p, 1);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	(void)peer_get(&p);
	ck_assert_uint_eq(tcp_lookup(d.st, ip(10, 0, 0, 1), 80, ip(10, 0, 0, 9), p.port)->snd_wnd,
			  1000);
}
END_TEST

START_TEST(the_syn_again_brings_the_syn_ack_again_and_its_time_begins_anew)
{
	peer_listener(&p, 5);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	desk_pass(&d, 900 * MS_NS);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	desk_pass(&d, 400 * MS_NS);
	peer_send(&p, TCP_SYN, 0, 0, 0); /* too soon, for an answer and for the time */
	desk_pass(&d, 590 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 20 * MS_NS);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	desk_pass(&d, 1990 * MS_NS); /* the answer took no step of the backoff, nor gave one back */
	peer_quiet(&p);
	desk_pass(&d, 20 * MS_NS);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
}
END_TEST

/* Whose answer the ACK is, nobody knows: RFC 6298 3 and 5.7, RFC 5681 3.1. */
START_TEST(a_handshake_whose_syn_came_again_measures_nothing)
{
	struct sock_addr from;
	struct tcp_info_abi i;

	peer_listener(&p, 5);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	desk_pass(&d, 900 * MS_NS);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	ck_assert_uint_eq(peer_drain(&p), 2);
	peer_send(&p, A, 1, 1, 0);
	ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	i = peer_info(&p);
	ck_assert_uint_eq(i.rtt, 0);
	ck_assert_uint_eq(i.rto, 3000000);
	ck_assert_uint_eq(i.snd_cwnd, 1);
	ck_assert_uint_eq(i.total_retrans, 1);
}
END_TEST

START_TEST(connecting_is_told_once_and_then_is_connected)
{
	peer_connected(&p);
	ck_assert_uint_eq(sock_events(p.so), POLLOUT | POLLWRNORM);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EISCONN);
}
END_TEST

START_TEST(a_reset_answers_a_connection_attempt_with_refused)
{
	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
	p.stack_port = p.so->local_port;
	desk_flush(&d);
	(void)peer_get(&p);
	peer_send(&p, TCP_RST | A, 0, 77, 0); /* not our SYN's number */
	ck_assert_int_eq(p.so->error, 0);
	peer_drain(&p);
	peer_send(&p, TCP_RST | A, 0, 1, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -ECONNREFUSED);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
}
END_TEST

START_TEST(both_may_open_at_once)
{
	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), 4000), -EINPROGRESS);
	p.stack_port = p.so->local_port;
	desk_flush(&d);
	peer_expect(&p, TCP_SYN, 0, 0, 0);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	peer_send(&p, TCP_SYN | A, 0, 1, 0);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	ck_assert_int_eq(peer_write(&p, 10), 10);
	peer_expect(&p, A | TCP_PSH, 1, 1, 10);
}
END_TEST

START_TEST(only_the_exact_number_resets)
{
	peer_accepted(&p);
	peer_send(&p, TCP_RST, 2, 0, 0);
	peer_expect(&p, A, 1, 1, 0); /* challenge */
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	peer_send(&p, TCP_RST, 900000, 0, 0);
	peer_quiet(&p);
	peer_send(&p, TCP_RST, 1, 0, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_CLOSED);
	ck_assert_int_eq(peer_read(&p, 10), -ECONNRESET);
	ck_assert_int_eq(peer_read(&p, 10), 0);
	ck_assert_int_eq(peer_write(&p, 10), -EPIPE);
}
END_TEST

/* RFC 5961 3.2 holds for all states with a peer: SYN-RECEIVED too, and after the FINs. */
START_TEST(in_syn_received_only_the_exact_number_resets)
{
	peer_listener(&p, 4);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	peer_send(&p, TCP_RST, 2, 0, 0);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpChallengeAcks"), 1);
	peer_send(&p, TCP_RST, 900000, 0, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 2);
	peer_send(&p, TCP_RST, 1, 0, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

/* 5.2: neither from before the largest window, nor beyond what was sent. */
START_TEST(an_ack_of_the_far_past_is_challenged)
{
	uint32_t ack;

	p.window = 1000;
	p.wscale = false;
	peer_accepted(&p);
	peer_write(&p, 3000);
	peer_drain(&p);
	for (ack = 501; ack <= 3001; ack += 500) {
		peer_send(&p, A, 1, ack, 0);
		peer_drain(&p);
	}
	ck_assert_uint_eq(peer_info(&p).unacked, 0);
	peer_send(&p, A, 1, 2001, 10); /* old, but it may be late */
	ck_assert_uint_eq(desk_count(&d, "TcpChallengeAcks"), 0);
	ck_assert_int_eq(sock_readable(p.so), 10);
	peer_drain(&p);
	peer_send(&p, A, 11, 2000, 10);
	peer_expect(&p, A, 3001, 11, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpChallengeAcks"), 1);
	ck_assert_int_eq(sock_readable(p.so), 10);
}
END_TEST

START_TEST(a_syn_on_a_connection_is_challenged)
{
	peer_accepted(&p);
	peer_send(&p, TCP_SYN, 1, 0, 0);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpChallengeAcks"), 1);
}
END_TEST

START_TEST(challenges_are_limited)
{
	unsigned i;

	peer_accepted(&p);
	for (i = 0; i < 3000; i++) {
		peer_send(&p, TCP_SYN, 1, 0, 0);
		peer_drain(&p);
	}
	ck_assert_uint_le(desk_count(&d, "TcpChallengeAcks"), 1500);
}
END_TEST

START_TEST(an_ack_of_what_was_never_sent_is_not_believed)
{
	peer_accepted(&p);
	peer_send(&p, A, 1, 100, 10);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_int_eq(sock_readable(p.so), 0);
}
END_TEST

START_TEST(old_duplicates_show_by_their_timestamp)
{
	p.ts = true;
	p.ts_val = 5000;
	peer_accepted(&p);
	peer_send(&p, A, 1, 1, 10);
	peer_drain(&p);
	p.ts_val = 4000;
	peer_send(&p, A, 11, 1, 10);
	peer_expect(&p, A, 1, 11, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpPawsDrops"), 1);
	ck_assert_int_eq(sock_readable(p.so), 10);
}
END_TEST

/* It would make all that the peer sends look old. */
START_TEST(a_timestamp_beside_an_ack_of_what_was_never_sent_is_not_remembered)
{
	struct tcp_opts o = {.has_ts = true, .ts_val = 1000000};

	p.ts = true;
	peer_accepted(&p);
	o.ts_ecr = p.ts_ecr;
	peer_send_opts(&p, A, 1, 3000, 10, &o);
	peer_drain(&p);
	peer_send(&p, A, 1, 1, 10);
	ck_assert_int_eq(peer_read(&p, 100), 10);
}
END_TEST

START_TEST(the_peer_closes_first)
{
	peer_accepted(&p);
	peer_send(&p, A | TCP_FIN, 1, 1, 5);
	peer_expect(&p, A, 1, 7, 0);
	ck_assert(sock_events(p.so) & POLLRDHUP);
	ck_assert_int_eq(peer_read(&p, 100), 5);
	ck_assert_int_eq(peer_read(&p, 100), 0);
	ck_assert_int_eq(peer_write(&p, 3), 3); /* half closed: this way still works */
	peer_expect(&p, A | TCP_PSH, 1, 7, 3);
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, A | TCP_FIN, 4, 7, 0);
	peer_send(&p, A, 7, 5, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1); /* the listener */
}
END_TEST

START_TEST(we_close_first_and_wait)
{
	peer_accepted(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, A | TCP_FIN, 1, 1, 0);
	peer_send(&p, A, 1, 2, 0);
	peer_send(&p, A | TCP_FIN, 1, 2, 0);
	peer_expect(&p, A, 2, 2, 0);
	peer_send(&p, A | TCP_FIN, 1, 2, 0); /* our ACK was lost */
	peer_expect(&p, A, 2, 2, 0);
	desk_pass(&d, 59 * SEC_NS);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 2);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

START_TEST(both_may_close_at_once)
{
	peer_accepted(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, A | TCP_FIN, 1, 1, 0);
	peer_send(&p, A | TCP_FIN, 1, 1, 0);
	peer_expect(&p, A, 2, 2, 0);
	peer_send(&p, A, 2, 2, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeWaits"), 1);
}
END_TEST

START_TEST(data_for_a_closed_socket_is_reset)
{
	peer_accepted(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_expect(&p, A | TCP_FIN, 1, 1, 0);
	peer_send(&p, A, 1, 2, 10);
	peer_expect(&p, A | TCP_RST, 2, 1, 0);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
}
END_TEST

static void into_time_wait(void)
{
	peer_accepted(&p);
	sock_close(p.so);
	desk_flush(&d);
	peer_send(&p, A | TCP_FIN, 1, 2, 0);
	peer_drain(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeWaits"), 1);
}

START_TEST(a_later_syn_begins_anew_in_time_wait)
{
	into_time_wait();
	p.iss += 100000;
	peer_accepted(&p);
	ck_assert_int_eq(peer_write(&p, 1), 1);
}
END_TEST

START_TEST(an_earlier_syn_does_not)
{
	into_time_wait();
	p.iss -= 100000;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	ck_assert(!(peer_get(&p).h.flags & TCP_SYN));
}
END_TEST

START_TEST(a_fin_ahead_of_its_data_is_kept)
{
	peer_accepted(&p);
	peer_send(&p, A | TCP_FIN, 11, 1, 10);
	ck_assert_uint_eq(peer_get(&p).h.opts.sack[0].end, PEER_ISS + 22);
	peer_send(&p, A, 1, 1, 10);
	peer_expect(&p, A, 1, 22, 0);
	ck_assert_int_eq(peer_read(&p, 100), 20);
	ck_assert_int_eq(peer_read(&p, 100), 0);
}
END_TEST

/* Not before the last ACK, so it may be a repetition; but of what, if not of the end? */
START_TEST(a_fin_in_the_midst_of_what_was_received_is_none)
{
	peer_accepted(&p);
	p.so->tcp->quick_acks = 0;
	peer_send(&p, A, 1, 1, 10);
	peer_quiet(&p);
	peer_send(&p, A | TCP_FIN, 5, 1, 0);
	peer_send(&p, A, 11, 1, 10);
	ck_assert_int_eq(peer_read(&p, 100), 20);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
}
END_TEST

START_TEST(a_port_unreachable_ends_only_an_attempt)
{
	uint8_t quote[28] = {0};
	struct ip4_hdr h = {.protocol = 6, .dst = ip(10, 0, 0, 9), .src = ip(10, 0, 0, 1)};
	struct icmp_hdr icmp = {.type = 3, .code = 3};

	peer_accepted(&p);
	h.total_len = 60;
	h.ttl = 64;
	ip4_build(quote, &h);
	wire_put16(quote + 20, 80);
	wire_put16(quote + 22, 4000);
	wire_put32(quote + 24, p.stack_iss + 1);
	desk_icmp(&d, ip(10, 0, 0, 9), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	ck_assert_int_eq(p.so->error, 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_in",
		CASES(a_segment_for_nobody_is_answered_with_a_reset_it_believes,
		      a_damaged_segment_is_dropped, the_syn_offers_what_linux_offers,
		      the_syn_ack_answers_only_what_was_offered,
		      segments_leave_from_the_connections_own_address,
		      the_window_of_a_syn_is_not_scaled,
		      the_syn_again_brings_the_syn_ack_again_and_its_time_begins_anew,
		      a_handshake_whose_syn_came_again_measures_nothing,
		      connecting_is_told_once_and_then_is_connected,
		      a_reset_answers_a_connection_attempt_with_refused, both_may_open_at_once,
		      only_the_exact_number_resets, in_syn_received_only_the_exact_number_resets,
		      an_ack_of_the_far_past_is_challenged, a_syn_on_a_connection_is_challenged,
		      challenges_are_limited, an_ack_of_what_was_never_sent_is_not_believed,
		      old_duplicates_show_by_their_timestamp,
		      a_timestamp_beside_an_ack_of_what_was_never_sent_is_not_remembered,
		      the_peer_closes_first, we_close_first_and_wait, both_may_close_at_once,
		      data_for_a_closed_socket_is_reset, a_later_syn_begins_anew_in_time_wait,
		      an_earlier_syn_does_not, a_fin_ahead_of_its_data_is_kept,
		      a_fin_in_the_midst_of_what_was_received_is_none,
		      a_port_unreachable_ends_only_an_attempt),
		setup, teardown);
}
