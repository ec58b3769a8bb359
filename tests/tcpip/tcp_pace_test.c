/* SPDX-License-Identifier: BSD-3-Clause */
/* SO_MAX_PACING_RATE. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A TCP_ACK
#define M 1460u

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	p.rtt = 10 * MS_NS;
	peer_accepted(&p);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static void set_rate(uint64_t rate)
{
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
}

START_TEST(segments_go_at_the_rate_asked_for)
{
	unsigned ms, n = 0, burst, most = 0;

	set_rate(100 * M); /* a segment in 10 ms */
	p.so->tcp->cwnd = 100;
	peer_write(&p, 40 * M);
	n = peer_drain(&p);
	ck_assert_uint_eq(n, 1);
	for (ms = 0; ms < 200; ms++) {
		desk_pass(&d, MS_NS);
		burst = peer_drain(&p);
		most = burst > most ? burst : most;
		n += burst;
		if (burst)
			peer_send(&p, A, 1, 1 + n * M, 0);
	}
	ck_assert_uint_ge(n, 19);
	ck_assert_uint_le(n, 22);
	ck_assert_uint_eq(most, 1);
}
END_TEST

START_TEST(without_a_rate_the_window_goes_at_once)
{
	peer_write(&p, 40 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
}
END_TEST

START_TEST(lost_segments_are_paced_too)
{
	struct tcp_opts o = {.n_sack = 1};
	unsigned n;

	p.so->tcp->cwnd = 20;
	peer_write(&p, 20 * M);
	ck_assert_uint_eq(peer_drain(&p), 20);
	set_rate(100 * M);
	desk_pass(&d, 50 * MS_NS);
	o.sack[0].start = p.stack_iss + 1 + 10 * M;
	o.sack[0].end = p.stack_iss + 1 + 20 * M;
	peer_send_opts(&p, A, 1, 1, 0, &o);
	n = peer_drain(&p);
	ck_assert_uint_ge(n, 1);
	ck_assert_uint_le(n, 2);
	desk_pass(&d, 45 * MS_NS);
	ck_assert_uint_le(n + peer_drain(&p), 7);
}
END_TEST

START_TEST(the_rate_is_told_as_it_was_set)
{
	uint32_t small = 12345, len = sizeof(small);
	uint64_t large = 1ull << 40, back;

	ck_assert_uint_eq(peer_info(&p).max_pacing_rate, UINT64_MAX);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &small, len), 0);
	small = 0;
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &small, &len), 0);
	ck_assert_uint_eq(small, 12345);
	ck_assert_uint_eq(peer_info(&p).pacing_rate, 12345);
	set_rate(large);
	len = sizeof(back);
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &back, &len), 0);
	ck_assert_uint_eq(back, large);
	len = 4;
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &small, &len), 0);
	ck_assert_uint_eq(small, UINT32_MAX);
	small = UINT32_MAX; /* off again */
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &small, 4), 0);
	ck_assert_uint_eq(peer_info(&p).max_pacing_rate, UINT64_MAX);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &small, 3), -EINVAL);
}
END_TEST

START_TEST(the_end_alone_waits_for_no_rate)
{
	set_rate(1);
	peer_write(&p, 700);
	peer_expect(&p, A | TCP_PSH, 1, 1, 700);
	peer_send(&p, A, 1, 701, 0);
	sock_close(p.so);
	p.so = NULL;
	desk_flush(&d);
	peer_expect(&p, TCP_FIN | A, 701, 1, 0);
}
END_TEST

int main(void)
{
	return run_cases("tcp_pace",
			 CASES(segments_go_at_the_rate_asked_for,
			       without_a_rate_the_window_goes_at_once, lost_segments_are_paced_too,
			       the_rate_is_told_as_it_was_set, the_end_alone_waits_for_no_rate),
			 setup, teardown);
}
