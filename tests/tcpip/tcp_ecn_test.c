/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification: agreeing on it, echoing marks, obeying them. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A    TCP_ACK
#define ECE  TCP_ECE
#define CWR  TCP_CWR
#define M    1460u
#define ECT0 2
#define CE   3

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	peer_listener(&p, 4);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static uint8_t answer_to(uint8_t flags)
{
	struct segment s;

	peer_send(&p, TCP_SYN | flags, 0, 0, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.tos & 3, 0);
	return s.h.flags & (ECE | CWR);
}

static void ecn_accepted(void)
{
	struct sock_addr from;

	ck_assert_uint_eq(answer_to(ECE | CWR), ECE);
	peer_send(&p, A, 1, 1, 0);
	ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, TCPO_CONGESTION, "reno", 5), 0);
	ck_assert(peer_info(&p).options & TCPI_ECN);
}

START_TEST(the_server_agrees_when_asked)
{
	ecn_accepted();
}
END_TEST

START_TEST(half_an_offer_is_none)
{
	ck_assert_uint_eq(answer_to(ECE), 0);
	p.port++;
	ck_assert_uint_eq(answer_to(CWR), 0);
	p.port++;
	p.tos = ECT0; /* a SYN must not be markable */
	ck_assert_uint_eq(answer_to(ECE | CWR), 0);
	p.port++;
	p.tos = 0;
	ck_assert_int_eq(stack_tcp_set(d.st, "ecn", 0), 0);
	ck_assert_uint_eq(answer_to(ECE | CWR), 0);
}
END_TEST

/* AE is the last bit of the byte before the flags; the answer without it refuses accurate ECN. */
START_TEST(accurate_ecn_is_refused_with_plain_ecn)
{
	struct ip4_hdr iph = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	struct tcp_hdr h = {.sport = 4000, .dport = 80, .seq = PEER_ISS};
	uint8_t l4[60];
	struct packet pk;
	uint16_t n, sum;

	h.flags = TCP_SYN | ECE | CWR;
	n = (uint16_t)tcp_build(l4, &h);
	l4[12] |= 1;
	sum = csum_fold(csum_add(csum_pseudo4(iph.src, iph.dst, 6, n), l4, n));
	memcpy(l4 + 16, &sum, 2);
	desk_ip4(&d, &iph, l4, n);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.l4[12] & 0xf, 0);
	ck_assert_uint_eq(pk.l4[13], TCP_SYN | A | ECE);
}
END_TEST

static uint8_t syn_of_a_client(void)
{
	struct segment s;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	s = peer_get(&p);
	ck_assert_uint_eq(s.tos & 3, 0);
	return s.h.flags;
}

START_TEST(the_client_asks_only_when_told_to)
{
	ck_assert_uint_eq(syn_of_a_client(), TCP_SYN);
	ck_assert_int_eq(stack_tcp_set(d.st, "ecn", 1), 0);
	ck_assert_uint_eq(syn_of_a_client(), TCP_SYN | ECE | CWR);
	peer_send(&p, TCP_SYN | A | ECE, 0, 1, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, A);
	ck_assert(p.so->tcp->ecn_ok);
}
END_TEST

START_TEST(flags_thrown_back_are_no_agreement)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "ecn", 1), 0);
	ck_assert_uint_eq(syn_of_a_client(), TCP_SYN | ECE | CWR);
	peer_send(&p, TCP_SYN | A | ECE | CWR, 0, 1, 0);
	ck_assert(!p.so->tcp->ecn_ok);
}
END_TEST

START_TEST(the_second_syn_does_not_ask)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "ecn", 1), 0);
	(void)syn_of_a_client();
	desk_pass(&d, 1001 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_SYN);
	peer_send(&p, TCP_SYN | A | ECE, 0, 1, 0);
	ck_assert(!p.so->tcp->ecn_ok);
}
END_TEST

START_TEST(only_new_data_may_be_marked)
{
	ecn_accepted();
	peer_write(&p, M);
	ck_assert_uint_eq(peer_get(&p).tos & 3, ECT0);
	desk_pass(&d, 1001 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).tos & 3, 0); /* again */
	peer_send(&p, A, 1, 1 + M, 10);
	desk_pass(&d, 50 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).tos & 3, 0); /* an ACK */
}
END_TEST

START_TEST(a_mark_is_echoed_until_the_peer_reduced)
{
	ecn_accepted();
	p.tos = CE;
	peer_send(&p, A, 1, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | ECE);
	p.tos = ECT0;
	peer_send(&p, A, 101, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | ECE);
	peer_send(&p, A | CWR, 201, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A);
	p.tos = CE; /* both in one: the mark is newer */
	peer_send(&p, A | CWR, 301, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | ECE);
	ck_assert_uint_eq(peer_info(&p).received_ce, 2);
	ck_assert(peer_info(&p).options & TCPI_ECN_SEEN);
}
END_TEST

START_TEST(a_mark_on_a_bare_ack_says_nothing)
{
	ecn_accepted();
	p.tos = CE;
	peer_send(&p, A, 1, 1, 0);
	p.tos = 0;
	peer_send(&p, A, 1, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A);
}
END_TEST

START_TEST(a_mark_outside_of_the_window_says_nothing)
{
	ecn_accepted();
	peer_send(&p, A, 1, 1, 100);
	peer_drain(&p);
	p.tos = CE;
	peer_send(&p, A, 900000, 1, 100);
	ck_assert_uint_eq(peer_get(&p).h.flags, A);
	ck_assert_uint_eq(peer_info(&p).received_ce, 0);
}
END_TEST

START_TEST(the_window_is_halved_once_a_round_trip)
{
	struct segment s;

	ecn_accepted();
	peer_write(&p, 40 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	peer_send(&p, A | ECE, 1, 1 + M, 0);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 5);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_CWR);
	peer_send(&p, A | ECE, 1, 1 + 5 * M, 0);
	peer_send(&p, A | ECE, 1, 1 + 10 * M, 0);
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 5);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0);
	ck_assert_uint_ge(peer_info(&p).delivered_ce, 10);
	s = peer_get(&p); /* the first data after the reduction says so, no other does */
	ck_assert_uint_eq(s.seq, 1 + 10 * M);
	ck_assert_uint_eq(s.h.flags & CWR, CWR);
	while (peer_got(&p, &s))
		ck_assert_uint_eq(s.h.flags & CWR, 0);
}
END_TEST

/* RFC 3168 6.1.2 wants a window of one, and then a timeout's wait for each segment. */
START_TEST(marks_leave_a_window_of_two)
{
	unsigned i;

	ecn_accepted();
	peer_write(&p, 60 * M);
	for (i = 0; i < 8; i++) {
		peer_drain(&p);
		desk_pass(&d, 20 * MS_NS);
		peer_send(&p, A | ECE, 1, p.so->tcp->snd_nxt - p.stack_iss, 0);
	}
	ck_assert_uint_eq(peer_info(&p).snd_ssthresh, 2);
	ck_assert_uint_eq(peer_drain(&p), 2);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 0);
}
END_TEST

/* 6.1.2: whatever the window was reduced for; here a tail loss that a probe repaired. */
START_TEST(a_reduction_for_another_reason_is_told_too)
{
	ecn_accepted();
	peer_write(&p, 4 * M);
	ck_assert_uint_eq(peer_drain(&p), 4);
	desk_pass(&d, MS_NS);
	peer_send(&p, A, 1, 1 + 3 * M, 0);
	desk_pass(&d, 210 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 3 * M);
	peer_quiet(&p);
	peer_send(&p, A, 1, 1 + 4 * M, 0);
	peer_write(&p, M);
	ck_assert_uint_eq(peer_get(&p).h.flags & CWR, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	peer_send(&p, A, 1, 1 + 5 * M, 0);
	peer_write(&p, M);
	ck_assert_uint_eq(peer_get(&p).h.flags & CWR, CWR);
}
END_TEST

START_TEST(without_agreement_ece_means_nothing)
{
	peer_accepted(&p);
	peer_write(&p, 20 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	p.tos = CE;
	peer_send(&p, A | ECE, 1, 1 + M, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	ck_assert_uint_eq(peer_get(&p).h.flags & (ECE | CWR), 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_ecn",
		CASES(the_server_agrees_when_asked, half_an_offer_is_none,
		      accurate_ecn_is_refused_with_plain_ecn, the_client_asks_only_when_told_to,
		      flags_thrown_back_are_no_agreement, the_second_syn_does_not_ask,
		      only_new_data_may_be_marked, a_mark_is_echoed_until_the_peer_reduced,
		      a_mark_on_a_bare_ack_says_nothing, a_mark_outside_of_the_window_says_nothing,
		      the_window_is_halved_once_a_round_trip, marks_leave_a_window_of_two,
		      a_reduction_for_another_reason_is_told_too,
		      without_agreement_ece_means_nothing),
		setup, teardown);
}
