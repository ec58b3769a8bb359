/* SPDX-License-Identifier: BSD-3-Clause */
/* A listener under a flood of SYNs: cookies, what they remember, what they refuse. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A     TCP_ACK
#define FLOOD 1000u

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

static void flood(unsigned n)
{
	struct peer other = p;
	unsigned i;

	for (i = 0; i < n; i++) {
		other.port = (uint16_t)(1000 + i);
		peer_send(&other, TCP_SYN, 0, 0, 0);
		desk_drop_sent(&d, 0);
	}
}

/* The peer's handshake while the queue is full. */
static struct segment cookie_syn_ack(void)
{
	flood(10);
	p.port = 60000;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	return peer_get(&p);
}

static struct tcp_pcb *accepted(void)
{
	struct sock_addr from;

	ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	ck_assert_uint_eq(from.port, 60000);
	return p.so->tcp;
}

START_TEST(a_flood_costs_no_more_than_the_backlog)
{
	flood(FLOOD);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1 + 5);
	ck_assert_uint_eq(desk_count(&d, "TcpSyncookiesSent"), FLOOD - 5);
	ck_assert_uint_eq(d.pool.avail, d.pool.count);
}
END_TEST

START_TEST(who_completes_the_handshake_is_let_in)
{
	struct segment s = cookie_syn_ack();
	uint32_t used = d.st->tcp_pcbs.used;

	ck_assert_uint_eq(s.h.flags, TCP_SYN | A);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert(!s.h.opts.has_ts && !s.h.opts.sack_ok && !s.h.opts.has_wscale);
	peer_send(&p, A | TCP_PSH, 1, 1, 100); /* data may ride on it */
	ck_assert_uint_eq(d.st->tcp_pcbs.used, used + 1);
	ck_assert_uint_eq(accepted()->peer_mss, 1460);
	ck_assert_uint_eq(peer_read(&p, 1000), 100);
	peer_drain(&p);
	ck_assert_int_eq(peer_write(&p, 300), 300);
	peer_expect(&p, A | TCP_PSH, 1, 101, 300);
}
END_TEST

START_TEST(the_timestamp_remembers_options)
{
	struct segment s;
	struct tcp_pcb *pcb;

	p.ts = true;
	s = cookie_syn_ack();
	ck_assert(s.h.opts.has_ts && s.h.opts.sack_ok && s.h.opts.has_wscale);
	ck_assert_uint_eq(s.h.opts.ts_ecr, p.ts_val);
	p.ts_val += 5;
	peer_send(&p, A, 1, 1, 0);
	pcb = accepted();
	ck_assert(pcb->ts_ok && pcb->sack_ok && pcb->wscale_ok && !pcb->ecn_ok);
	ck_assert_uint_eq(pcb->snd_wscale, 7);
	ck_assert_uint_eq(pcb->snd_wnd, 65535u << 7);
	ck_assert_uint_eq(pcb->snd_mss, 1448);
	/* Its clock does not go back behind what the cookie showed. */
	ck_assert_int_eq(peer_write(&p, 10), 10);
	ck_assert_int_ge((int32_t)(peer_get(&p).h.opts.ts_val - s.h.opts.ts_val), 0);
}
END_TEST

START_TEST(ecn_is_remembered_too)
{
	p.ts = true;
	flood(10);
	p.port = 60000;
	peer_send(&p, TCP_SYN | TCP_ECE | TCP_CWR, 0, 0, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_SYN | A | TCP_ECE);
	peer_send(&p, A, 1, 1, 0);
	ck_assert(accepted()->ecn_ok);
}
END_TEST

START_TEST(each_mss_comes_back_no_larger)
{
	static const uint16_t mss[] = {100, 536, 1000, 1300, 1460, 9000};
	static const uint16_t want[] = {48, 536, 536, 1220, 1460, 1460};

	unsigned i;

	for (i = 0; i < 6; i++) {
		p.mss = mss[i];
		(void)cookie_syn_ack();
		peer_send(&p, A, 1, 1, 0);
		ck_assert_uint_eq(accepted()->peer_mss, want[i]);
		sock_close(p.so);
		peer_drain(&p);
		peer_send(&p, TCP_RST, 1, 1, 0);
	}
}
END_TEST

/* Else he guesses 24 bits who knows what time it is. */
START_TEST(what_a_cookie_says_of_time_and_size_shows_nowhere)
{
	bool seen[256] = {false};
	unsigned i, kinds = 0;
	uint8_t top;

	flood(10);
	p.port = 50000;
	for (i = 0; i < 64; i++, p.port++) {
		peer_send(&p, TCP_SYN, 0, 0, 0);
		top = (uint8_t)(peer_get(&p).h.seq >> 24);
		kinds += !seen[top];
		seen[top] = true;
	}
	ck_assert_uint_ge(kinds, 40);
}
END_TEST

START_TEST(a_guess_is_reset)
{
	struct segment s = cookie_syn_ack();
	uint32_t used = d.st->tcp_pcbs.used;
	unsigned i;

	for (i = 0; i < 32; i++) {
		p.stack_iss = s.h.seq ^ 1u << i;
		peer_send(&p, A, 1, 1, 0);
		ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	}
	p.stack_iss = s.h.seq;
	p.iss++; /* right cookie, wrong number of the peer's */
	peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	p.iss--;
	p.port++; /* another port */
	peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, used);
	ck_assert_uint_eq(desk_count(&d, "TcpSyncookiesFailed"), 34);
}
END_TEST

START_TEST(a_cookie_grows_old)
{
	(void)cookie_syn_ack();
	desk_pass(&d, 129 * SEC_NS);
	desk_drop_sent(&d, 0);
	peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
}
END_TEST

START_TEST(without_a_flood_no_cookie_is_looked_for)
{
	peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	ck_assert_uint_eq(desk_count(&d, "TcpSyncookiesFailed"), 0);
}
END_TEST

START_TEST(a_full_accept_queue_lets_the_peer_try_again)
{
	struct peer q[6];
	struct sock_addr from;
	unsigned i;

	ck_assert_int_eq(stack_tcp_set(d.st, "syncookies", 2), 0);
	for (i = 0; i < 6; i++) {
		q[i] = p;
		q[i].port = (uint16_t)(100 + i);
		peer_send(&q[i], TCP_SYN, 0, 0, 0);
		(void)peer_get(&q[i]);
	}
	for (i = 0; i < 6; i++)
		peer_send(&q[i], A, 1, 1, 0);
	peer_quiet(&q[5]);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1 + 5);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	peer_send(&q[5], A, 1, 1, 5); /* its first data */
	ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	ck_assert_uint_eq(peer_read(&p, 10), 5);
}
END_TEST

START_TEST(without_cookies_a_full_queue_drops)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "syncookies", 0), 0);
	flood(10);
	p.port = 60000;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpListenDrops"), 6);
}
END_TEST

START_TEST(settings_are_checked)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "syncookies", 3), -EINVAL);
	ck_assert_int_eq(stack_tcp_set(d.st, "syncookie", 1), -ENOENT);
	ck_assert_int_eq(stack_tcp_set(d.st, "syncookies", 2), 0);
	p.port = 60000;
	peer_send(&p, TCP_SYN, 0, 0, 0); /* the first SYN already */
	(void)peer_get(&p);
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
	ck_assert_uint_eq(desk_count(&d, "TcpSyncookiesSent"), 1);
}
END_TEST

int main(void)
{
	return run_cases("tcp_flood",
			 CASES(a_flood_costs_no_more_than_the_backlog,
			       who_completes_the_handshake_is_let_in,
			       the_timestamp_remembers_options, ecn_is_remembered_too,
			       each_mss_comes_back_no_larger,
			       what_a_cookie_says_of_time_and_size_shows_nowhere, a_guess_is_reset,
			       a_cookie_grows_old, without_a_flood_no_cookie_is_looked_for,
			       a_full_accept_queue_lets_the_peer_try_again,
			       without_cookies_a_full_queue_drops, settings_are_checked),
			 setup, teardown);
}
