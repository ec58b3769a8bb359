/* SPDX-License-Identifier: BSD-3-Clause */
/* What TCP_INFO tells of a sender: its rate, what it waited for, its timeouts. */
#include <errno.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	p.rtt = 50 * MS_NS;
}

static void teardown(void)
{
	peer_desk_close(&d);
}

#define A TCP_ACK
#define M 1460u

/* `n` segments written, and seen. */
static void send_out(uint32_t n)
{
	ck_assert_int_eq(peer_write(&p, n * M), n * M);
	ck_assert_uint_eq(peer_drain(&p), n);
}

START_TEST(the_delivery_rate_is_what_arrived_in_a_round_trip)
{
	struct tcp_info_abi i;

	peer_accepted(&p);
	ck_assert_uint_eq(peer_info(&p).delivery_rate, 0);
	ck_assert_int_eq(peer_write(&p, 60 * M), 60 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	i = peer_info(&p);
	ck_assert_uint_eq(i.delivery_rate, 10 * M * 20);
	ck_assert_uint_eq(i.app_limited & 1, 1); /* there was nothing before this write */
	ck_assert_uint_eq(peer_drain(&p), 20);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 30 * M, 0);
	i = peer_info(&p);
	ck_assert_uint_eq(i.delivery_rate, 20 * M * 20);
	ck_assert_uint_eq(i.app_limited & 1, 0);
}
END_TEST

START_TEST(a_slow_application_does_not_lower_the_rate)
{
	struct tcp_info_abi i;

	peer_accepted(&p);
	send_out(10);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	send_out(1);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 11 * M, 0);
	ck_assert_uint_eq(peer_info(&p).delivery_rate, 10 * M * 20);
	send_out(12); /* but may raise it */
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 23 * M, 0);
	i = peer_info(&p);
	ck_assert_uint_eq(i.delivery_rate, 12 * M * 20);
	ck_assert_uint_eq(i.app_limited & 1, 1);
}
END_TEST

/* The draft's 3.3: the ACK of the first was held up, that of the third comes soon after. */
START_TEST(the_time_that_sending_took_counts_where_it_is_longer)
{
	peer_accepted(&p);
	send_out(1);
	desk_pass(&d, 40 * MS_NS);
	send_out(1);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + M, 0);
	ck_assert_uint_eq(peer_info(&p).delivery_rate, M * 1000 / 90);
	send_out(1);
	desk_pass(&d, 50 * MS_NS);
	peer_send(&p, A, 1, 1 + 3 * M, 0);
	ck_assert_uint_eq(peer_info(&p).delivery_rate, 2 * M * 1000 / 90);
}
END_TEST

START_TEST(a_sample_ends_with_a_sack_too)
{
	peer_accepted(&p);
	send_out(10);
	desk_pass(&d, 50 * MS_NS);
	peer_sack(&p, 1, 1 + 4 * M, 1 + 10 * M);
	ck_assert_uint_eq(peer_info(&p).delivery_rate, 6 * M * 20);
}
END_TEST

START_TEST(the_sender_is_busy_while_something_is_queued)
{
	peer_accepted(&p);
	desk_pass(&d, 70 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).busy_time, 0);
	send_out(1);
	desk_pass(&d, 30 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).busy_time, 30000);
	peer_send(&p, A, 1, 1 + M, 0);
	desk_pass(&d, 100 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).busy_time, 30000);
	ck_assert_uint_eq(peer_info(&p).rwnd_limited, 0);
	ck_assert_uint_eq(peer_info(&p).sndbuf_limited, 0);
}
END_TEST

START_TEST(time_in_which_the_peers_window_was_in_the_way_is_told)
{
	p.wscale = false;
	p.window = 2 * M;
	peer_accepted(&p);
	peer_write(&p, 4 * M);
	ck_assert_uint_eq(peer_drain(&p), 2);
	desk_pass(&d, 40 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).rwnd_limited, 40000);
	peer_send(&p, A, 1, 1 + 2 * M, 0);
	ck_assert_uint_eq(peer_drain(&p), 2);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).rwnd_limited, 40000);
	ck_assert_uint_eq(peer_info(&p).busy_time, 50000);
}
END_TEST

/* A window of congestion that is used up is no window of the peer's. */
START_TEST(the_congestion_window_is_not_the_peers)
{
	p.wscale = false;
	p.window = 10 * M;
	peer_accepted(&p);
	peer_write(&p, 20 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	desk_pass(&d, 40 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).rwnd_limited, 0);
	ck_assert_uint_eq(peer_info(&p).busy_time, 40000);
}
END_TEST

START_TEST(time_in_which_a_full_buffer_was_in_the_way_is_told)
{
	int four = 4096; /* doubled: four packet buffers */

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_SNDBUF, &four, sizeof(four)), 0);
	ck_assert_int_eq(peer_write(&p, 10 * M), 4 * M);
	ck_assert_uint_eq(peer_drain(&p), 4);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).sndbuf_limited, 0); /* nobody waits */
	ck_assert_int_eq(peer_write(&p, M), -EAGAIN);
	desk_pass(&d, 40 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).sndbuf_limited, 40000);
	peer_send(&p, A, 1, 1 + 2 * M, 0); /* the writer is woken */
	desk_pass(&d, 7 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).sndbuf_limited, 40000);
	ck_assert_uint_eq(peer_info(&p).busy_time, 57000);
}
END_TEST

START_TEST(a_dead_connection_is_not_busy)
{
	peer_accepted(&p);
	send_out(1);
	desk_pass(&d, 30 * MS_NS);
	peer_send(&p, TCP_RST, 1, 0, 0);
	desk_pass(&d, 100 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).state, TCPS_CLOSED);
	ck_assert_uint_eq(peer_info(&p).busy_time, 30000);
}
END_TEST

static void until_timeouts_are(uint32_t n)
{
	unsigned ms = 0;

	while (peer_info(&p).total_rto < n && ++ms < 5000)
		desk_pass(&d, MS_NS);
	ck_assert_uint_eq(peer_info(&p).total_rto, n);
}

START_TEST(timeouts_and_what_they_cost_are_told)
{
	struct tcp_info_abi i;

	p.sack = false; /* no tail probe */
	peer_accepted(&p);
	send_out(2);
	until_timeouts_are(1);
	desk_pass(&d, 100 * MS_NS);
	i = peer_info(&p);
	ck_assert_uint_eq(i.total_rto_recoveries, 1);
	ck_assert_uint_eq(i.total_rto_time, 100);
	until_timeouts_are(2);
	i = peer_info(&p);
	ck_assert_uint_eq(i.total_rto_recoveries, 1);
	peer_send(&p, A, 1, 1 + 2 * M, 0);
	desk_pass(&d, 100 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).total_rto_time, i.total_rto_time);
	peer_drain(&p);
	send_out(1);
	until_timeouts_are(3);
	desk_pass(&d, 10 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).total_rto_recoveries, 2);
	ck_assert_uint_eq(peer_info(&p).total_rto_time, i.total_rto_time + 10);
}
END_TEST

START_TEST(a_lost_syn_is_a_timeout)
{
	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	p.stack_port = p.so->local_port;
	until_timeouts_are(1);
	peer_drain(&p);
	desk_pass(&d, 20 * MS_NS);
	peer_send(&p, TCP_SYN | A, 0, 1, 0);
	peer_expect(&p, A, 1, 1, 0);
	desk_pass(&d, 20 * MS_NS);
	ck_assert_uint_eq(peer_info(&p).state, TCPS_ESTABLISHED);
	ck_assert_uint_eq(peer_info(&p).total_rto_recoveries, 1);
	ck_assert_uint_eq(peer_info(&p).total_rto_time, 20);
}
END_TEST

START_TEST(how_far_segments_were_reordered_is_told)
{
	peer_accepted(&p);
	send_out(10);
	ck_assert_uint_eq(peer_info(&p).reordering, 3);
	desk_pass(&d, 50 * MS_NS);
	peer_sack(&p, 1, 1 + M, 1 + 2 * M);
	peer_send(&p, A, 1, 1 + 2 * M, 0); /* the first one came late, by one */
	ck_assert_uint_eq(peer_info(&p).reordering, 3);
	peer_sack(&p, 1 + 2 * M, 1 + 3 * M, 1 + 9 * M);
	peer_send(&p, A, 1, 1 + 9 * M, 0);
	ck_assert_uint_eq(peer_info(&p).reordering, 7);
	ck_assert_uint_eq(peer_info(&p).reord_seen, 2);
}
END_TEST

int main(void)
{
	return run_cases("tcp_info",
			 CASES(the_delivery_rate_is_what_arrived_in_a_round_trip,
			       a_slow_application_does_not_lower_the_rate,
			       the_time_that_sending_took_counts_where_it_is_longer,
			       a_sample_ends_with_a_sack_too,
			       the_sender_is_busy_while_something_is_queued,
			       time_in_which_the_peers_window_was_in_the_way_is_told,
			       the_congestion_window_is_not_the_peers,
			       time_in_which_a_full_buffer_was_in_the_way_is_told,
			       a_dead_connection_is_not_busy, timeouts_and_what_they_cost_are_told,
			       a_lost_syn_is_a_timeout, how_far_segments_were_reordered_is_told),
			 setup, teardown);
}
