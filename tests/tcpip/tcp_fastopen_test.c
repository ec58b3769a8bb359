/* SPDX-License-Identifier: BSD-3-Clause */
/* Fast Open: cookies, data on the SYN, both ways. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

#define A TCP_ACK

static struct desk d;
static struct peer p;
static const uint8_t given[6] = {1, 2, 3, 4, 5, 6}; /* the peer's cookie for us */
static uint16_t mss;				    /* the peer's */

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	mss = 1460;
}

static void teardown(void)
{
	desk_drop_sent(&d, 0);
	peer_desk_close(&d);
}

/* ---- server ---- */

static void listening_at(uint16_t port, int queue)
{
	p.stack_port = port;
	p.listener = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_bind(p.listener, 0, port), 0);
	ck_assert_int_eq(sock_listen(p.listener, 16), 0);
	if (queue)
		ck_assert_int_eq(
			sock_setopt(p.listener, IPPROTO_TCP, TCPO_FASTOPEN, &queue, sizeof(queue)),
			0);
}

static void listening(int queue)
{
	listening_at(80, queue);
}

static void syn(const uint8_t *cookie, uint8_t cookie_len, uint32_t len)
{
	struct tcp_opts o = {.has_mss = true, .mss = 1460, .fo = cookie, .fo_len = cookie_len};

	/* The peer's payload bytes count from the SYN's number: the first is 0 here. */
	peer_send_opts(&p, TCP_SYN, 0, 0, len, &o);
}

static void get_cookie(uint8_t cookie[8])
{
	static const uint8_t none[1];
	struct segment s;

	syn(none, 0, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_ptr_nonnull(s.h.opts.fo);
	ck_assert_uint_eq(s.h.opts.fo_len, 8);
	memcpy(cookie, s.h.opts.fo, 8);
	peer_send(&p, TCP_RST, 1, 0, 0);
	p.port++;
}

static int accepted(void)
{
	struct sock_addr from;

	return sock_accept(p.listener, &p.so, &from);
}

START_TEST(data_on_the_syn_is_read_at_once)
{
	uint8_t cookie[8];
	struct segment s;

	listening(5);
	get_cookie(cookie);
	syn(cookie, 8, 100);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN | A);
	ck_assert_uint_eq(s.ack, 101);
	ck_assert_ptr_null(s.h.opts.fo);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_SYN_RCVD);
	ck_assert(sock_events(p.so) & POLLIN);
	ck_assert_int_eq(peer_read(&p, 1000), 100);
	ck_assert_uint_eq(peer_info(&p).options & TCPI_SYN_DATA, TCPI_SYN_DATA);
	/* The answer does not wait for the handshake. */
	ck_assert_int_eq(peer_write(&p, 50), 50);
	peer_expect(&p, A | TCP_PSH, 1, 101, 50);
	ck_assert_uint_eq(d.st->tcp->fo_n, 1);
	peer_send(&p, A, 101, 1, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(d.st->tcp->fo_n, 0);
	peer_send(&p, A, 101, 51, 10);
	ck_assert_int_eq(peer_read(&p, 1000), 10);
}
END_TEST

START_TEST(a_server_may_answer_and_close_before_the_handshake_ends)
{
	uint8_t cookie[8];

	listening(5);
	get_cookie(cookie);
	syn(cookie, 8, 100);
	(void)peer_get(&p);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_int_eq(peer_read(&p, 1000), 100);
	ck_assert_int_eq(peer_write(&p, 50), 50);
	peer_expect(&p, A | TCP_PSH, 1, 101, 50);
	sock_close(p.so);
	desk_flush(&d);
	peer_quiet(&p);
	peer_send(&p, A, 101, 1, 0);
	peer_expect(&p, A | TCP_FIN, 51, 101, 0);
}
END_TEST

START_TEST(what_went_before_the_handshakes_end_is_repaired_after_it)
{
	uint8_t cookie[8];

	listening(5);
	get_cookie(cookie);
	syn(cookie, 8, 100);
	(void)peer_get(&p);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_int_eq(peer_write(&p, 3000), 3000);
	ck_assert_uint_eq(peer_drain(&p), 3);
	desk_pass(&d, 1001 * MS_NS);
	peer_expect(&p, TCP_SYN | A, 0, 101, 0); /* that alone */
	peer_quiet(&p);
	peer_send(&p, A, 101, 1461, 0); /* what acknowledges data acknowledges the SYN-ACK */
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	ck_assert_uint_eq(p.so->tcp->packets_out, 2);
	desk_pass(&d, 4 * SEC_NS);
	ck_assert_uint_ge(peer_drain(&p), 1);
	peer_send(&p, A, 101, 3001, 0);
	ck_assert_ptr_null(p.so->tcp->snd_head);
}
END_TEST

START_TEST(more_than_was_sent_before_the_handshakes_end_is_not_acknowledged)
{
	uint8_t cookie[8];

	listening(5);
	get_cookie(cookie);
	syn(cookie, 8, 100);
	(void)peer_get(&p);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_int_eq(peer_write(&p, 50), 50);
	ck_assert_uint_eq(peer_drain(&p), 1);
	peer_send(&p, A, 101, 52, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_SYN_RCVD);
}
END_TEST

/* As another implementation made it of the key and both addresses: Linux's. */
START_TEST(who_shares_the_key_gives_the_same_cookies)
{
	static const uint8_t key[16] = {0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2,
					0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4};
	static const uint8_t want[8] = {0x8c, 0x81, 0x42, 0xd7, 0x73, 0x82, 0xe7, 0x2d};
	uint8_t cookie[8];

	listening(5);
	get_cookie(cookie);
	ck_assert_mem_ne(cookie, want, 8);
	stack_tcp_fo_key(d.st, key);
	get_cookie(cookie);
	ck_assert_mem_eq(cookie, want, 8);
}
END_TEST

START_TEST(who_asks_by_the_experimental_option_is_answered_by_it)
{
	static const uint8_t none[1];
	struct tcp_opts o = {.has_mss = true, .mss = 1460, .fo = none, .fo_exp = true};
	struct segment s;
	uint8_t cookie[8];

	listening(5);
	peer_send_opts(&p, TCP_SYN, 0, 0, 0, &o);
	s = peer_get(&p);
	ck_assert_ptr_nonnull(s.h.opts.fo);
	ck_assert(s.h.opts.fo_exp);
	ck_assert_uint_eq(s.h.opts.fo_len, 8);
	memcpy(cookie, s.h.opts.fo, 8);
	peer_send(&p, TCP_RST, 1, 0, 0);
	p.port++;
	o.fo = cookie;
	o.fo_len = 8;
	peer_send_opts(&p, TCP_SYN, 0, 0, 100, &o);
	ck_assert_uint_eq(peer_get(&p).ack, 101);
}
END_TEST

START_TEST(a_wrong_cookie_gets_a_new_one_and_its_data_again)
{
	uint8_t cookie[8];
	struct segment s;

	listening(5);
	get_cookie(cookie);
	cookie[3] ^= 1;
	syn(cookie, 8, 100);
	s = peer_get(&p);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_uint_eq(s.h.opts.fo_len, 8);
	ck_assert_int_eq(accepted(), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "TcpFastOpenPassiveFail"), 1);
}
END_TEST

START_TEST(no_more_than_the_program_said_are_pending)
{
	uint8_t cookie[8];

	listening(2);
	get_cookie(cookie);
	syn(cookie, 8, 10);
	ck_assert_uint_eq(peer_get(&p).ack, 11);
	p.port++;
	syn(cookie, 8, 10);
	ck_assert_uint_eq(peer_get(&p).ack, 11);
	p.port++;
	syn(cookie, 8, 10);
	ck_assert_uint_eq(peer_get(&p).ack, 1); /* as without Fast Open */
	ck_assert_uint_eq(d.st->tcp->fo_n, 2);
	p.port--;
	peer_send(&p, TCP_RST, 11, 0, 0);
	ck_assert_uint_eq(d.st->tcp->fo_n, 1);
}
END_TEST

/* How much of a SYN with 10 bytes from a port of its own is acknowledged. */
static uint32_t taken(const uint8_t cookie[8])
{
	p.port++;
	syn(cookie, 8, 10);
	return peer_get(&p).ack - 1;
}

START_TEST(what_is_pending_at_one_listener_is_not_counted_at_another)
{
	uint8_t cookie[8];

	listening_at(81, 2);
	get_cookie(cookie);
	ck_assert_uint_eq(taken(cookie), 10);
	ck_assert_uint_eq(taken(cookie), 10);
	ck_assert_uint_eq(taken(cookie), 0);
	listening(1);
	ck_assert_uint_eq(taken(cookie), 10);
	ck_assert_uint_eq(taken(cookie), 0);
}
END_TEST

START_TEST(a_listener_that_stops_leaves_those_it_accepted_and_one_that_follows_counts_anew)
{
	struct peer first, second;
	uint8_t cookie[8];

	listening(1);
	get_cookie(cookie);
	ck_assert_uint_eq(taken(cookie), 10);
	first = p;
	ck_assert_int_eq(accepted(), 0);
	sock_close(p.listener);
	ck_assert_uint_eq(d.st->tcp->fo_n, 1);
	listening_at(82, 1);
	ck_assert_uint_eq(taken(cookie), 10);
	second = p;
	ck_assert_uint_eq(taken(cookie), 0);
	peer_send(&first, A, 11, 1, 0);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	ck_assert_uint_eq(d.st->tcp->fo_n, 1);
	peer_send(&second, A, 11, 1, 0);
	ck_assert_uint_eq(taken(cookie), 10);
}
END_TEST

START_TEST(all_listeners_together_have_the_bound_of_handshakes)
{
	uint8_t cookie[8];

	listening(16);
	get_cookie(cookie);
	d.st->tcp->syn_max = 2;
	ck_assert_uint_eq(taken(cookie), 10);
	ck_assert_uint_eq(taken(cookie), 10);
	ck_assert_uint_eq(taken(cookie), 0);
}
END_TEST

START_TEST(who_did_not_ask_for_it_has_it_not)
{
	static const uint8_t none[1];
	struct segment s;

	listening(0);
	syn(none, 0, 0);
	s = peer_get(&p);
	ck_assert_ptr_null(s.h.opts.fo);
	ck_assert_int_eq(stack_tcp_set(d.st, "fastopen", 1), 0);
}
END_TEST

START_TEST(the_syn_again_brings_the_syn_ack_again)
{
	uint8_t cookie[8];

	listening(5);
	get_cookie(cookie);
	syn(cookie, 8, 100);
	(void)peer_get(&p);
	syn(cookie, 8, 100);
	peer_expect(&p, TCP_SYN | A, 0, 101, 0);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_int_eq(peer_read(&p, 1000), 100);
}
END_TEST

/* ---- client ---- */

static int64_t send_fast(const char *text)
{
	struct sock_addr a = name(ip(10, 0, 0, 9), p.port);
	struct pktbuf *list;
	int64_t n;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	n = sock_send_reserve(p.so, strlen(text), &a, MSG_FASTOPEN, &list);
	if (n > 0) {
		memcpy(pktbuf_data(list), text, (size_t)n);
		n = sock_send_commit(p.so, list, (uint64_t)n, &a, MSG_FASTOPEN);
	}
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	return n;
}

static void syn_ack(uint32_t ack, bool cookie)
{
	struct tcp_opts o = {.has_mss = true, .mss = mss, .sack_ok = true};

	if (cookie) {
		o.fo = given;
		o.fo_len = sizeof(given);
	}
	peer_send_opts(&p, TCP_SYN | A, 0, ack, 0, &o);
}

/* The first time: asks, connects, gets a cookie. */
static void learn(void)
{
	struct segment s;

	ck_assert_int_eq(send_fast("hello"), -EINPROGRESS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_ptr_nonnull(s.h.opts.fo);
	ck_assert_uint_eq(s.h.opts.fo_len, 0);
	syn_ack(1, true);
	peer_expect(&p, A, 1, 1, 0);
	sock_close(p.so);
	peer_send(&p, TCP_RST, 1, 0, 0);
	desk_drop_sent(&d, 0);
	p.port++;
}

static void second_syn(void)
{
	struct segment s;

	learn();
	ck_assert_int_eq(send_fast("hello"), 5);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 5);
	ck_assert_int_eq(memcmp(s.payload, "hello", 5), 0);
	ck_assert_uint_eq(s.h.opts.fo_len, sizeof(given));
	ck_assert_int_eq(memcmp(s.h.opts.fo, given, sizeof(given)), 0);
}

START_TEST(the_second_time_data_goes_on_the_syn)
{
	second_syn();
	syn_ack(6, false);
	peer_expect(&p, A, 6, 1, 0);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	ck_assert_uint_eq(peer_info(&p).options & TCPI_SYN_DATA, TCPI_SYN_DATA);
	ck_assert_uint_eq(peer_info(&p).app_limited >> 1, TCP_FO_FAIL_NONE);
	ck_assert_int_eq(peer_write(&p, 10), 10);
	peer_expect(&p, A | TCP_PSH, 6, 1, 10);
}
END_TEST

START_TEST(data_that_was_not_taken_goes_again)
{
	second_syn();
	syn_ack(1, true);
	peer_expect(&p, A | TCP_PSH, 1, 1, 5);
	ck_assert_uint_eq(desk_count(&d, "TcpFastOpenActiveFail"), 1);
	ck_assert_uint_eq(peer_info(&p).app_limited >> 1, TCP_FO_NOT_ACKED);
	peer_send(&p, A, 1, 6, 0);
	ck_assert_int_eq(sock_unsent(p.so), 0);
}
END_TEST

/* A link of 9000 bytes and a peer that takes as much: a SYN is one buffer all the same. */
START_TEST(the_data_of_a_syn_is_no_more_than_a_buffer_holds)
{
	struct pktbuf *list;
	struct sock_addr a;
	int64_t n;

	desk_wide(&d);
	mss = 8960;
	learn();
	a = name(ip(10, 0, 0, 9), p.port);
	p.so = desk_socket(&d, SOCK_STREAM, 0);
	n = sock_send_reserve(p.so, 8000, &a, MSG_FASTOPEN, &list);
	ck_assert_int_gt(n, 1460);
	ck_assert_uint_eq(list->len, n);
	ck_assert_int_le(n, PKTBUF_SIZE - PKTBUF_HEADROOM);
	ck_assert_int_eq(sock_send_commit(p.so, list, (uint64_t)n, &a, MSG_FASTOPEN), n);
	desk_flush(&d);
	ck_assert_uint_eq(peer_get(&p).len, n);
}
END_TEST

START_TEST(when_both_open_at_once_the_program_is_told_when_it_has_succeeded)
{
	unsigned wakes;

	second_syn();
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	ck_assert_uint_eq(sock_events(p.so) & POLLOUT, 0);
	wakes = d.wakes;
	peer_send(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_get(&p).len, 5);
	ck_assert_uint_gt(d.wakes, wakes);
	ck_assert_uint_eq(sock_events(p.so) & POLLOUT, POLLOUT);
	ck_assert_uint_eq(d.st->tcp->fo_n, 0);
}
END_TEST

START_TEST(a_second_send_while_it_connects_says_so)
{
	struct sock_addr a = name(ip(10, 0, 0, 9), p.port);
	struct pktbuf *list;

	ck_assert_int_eq(send_fast("hello"), -EINPROGRESS);
	ck_assert_int_eq(sock_send_reserve(p.so, 5, &a, MSG_FASTOPEN, &list), -EALREADY);
	ck_assert_int_eq(sock_send_reserve(p.so, 5, NULL, 0, &list), -EAGAIN);
}
END_TEST

START_TEST(a_part_may_be_taken)
{
	struct segment s;

	second_syn();
	syn_ack(4, false);
	s = peer_get(&p);
	ck_assert_uint_eq(s.seq, 4);
	ck_assert_uint_eq(s.len, 2);
	ck_assert_int_eq(memcmp(s.payload, "lo", 2), 0);
}
END_TEST

START_TEST(more_than_was_sent_is_not_believed)
{
	second_syn();
	syn_ack(7, false);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_SYN_SENT);
}
END_TEST

START_TEST(a_syn_without_an_answer_goes_again_bare)
{
	struct segment s;

	second_syn();
	desk_pass(&d, 1001 * MS_NS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_ptr_null(s.h.opts.fo);
	syn_ack(1, false);
	ck_assert_uint_eq(peer_get(&p).len, 5);
	ck_assert_uint_eq(peer_info(&p).app_limited >> 1, TCP_FO_SYN_AGAIN);
	peer_send(&p, A, 1, 6, 0);
	/* That server is left alone for an hour. */
	p.port++;
	ck_assert_int_eq(send_fast("hello"), -EINPROGRESS);
	ck_assert_ptr_null(peer_get(&p).h.opts.fo);
	sock_close(p.so);
	desk_pass(&d, 3601 * SEC_NS);
	desk_drop_sent(&d, 0);
	p.port++;
	ck_assert_int_eq(send_fast("hello"), 5);
}
END_TEST

START_TEST(no_more_than_a_segment_goes_on_the_syn)
{
	static char text[4000];
	struct segment s;

	memset(text, 'x', sizeof(text) - 1);
	learn();
	ck_assert_int_eq(send_fast(text), 1460 - 40);
	s = peer_get(&p);
	ck_assert_uint_le(s.h.hdr_len + s.len, 20 + 1460);
}
END_TEST

START_TEST(it_can_be_turned_off)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "fastopen", 2), 0);
	ck_assert_int_eq(send_fast("hello"), -EOPNOTSUPP);
	peer_quiet(&p);
}
END_TEST

/* ---- connect() with TCP_FASTOPEN_CONNECT ---- */

static int connect_fast(void)
{
	int r;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	peer_option(&p, TCPO_FASTOPEN_CONNECT, 1);
	r = desk_connect(p.so, ip(10, 0, 0, 9), p.port);
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	return r;
}

static int connect_again(void)
{
	return desk_connect(p.so, ip(10, 0, 0, 9), p.port);
}

START_TEST(connecting_without_a_cookie_asks_for_one)
{
	struct segment s;

	ck_assert_int_eq(connect_fast(), -EINPROGRESS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_ptr_nonnull(s.h.opts.fo);
	ck_assert_uint_eq(s.h.opts.fo_len, 0);
	ck_assert_uint_eq(sock_events(p.so) & POLLOUT, 0);
	ck_assert_int_eq(peer_write(&p, 5), -EAGAIN);
	ck_assert_int_eq(connect_again(), -EALREADY);
	syn_ack(1, true);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_uint_eq(peer_info(&p).app_limited >> 1, TCP_FO_NO_COOKIE);
	ck_assert_int_eq(peer_write(&p, 5), 5);
	peer_expect(&p, A | TCP_PSH, 1, 1, 5);
}
END_TEST

START_TEST(connecting_with_a_cookie_waits_for_the_first_write)
{
	struct segment s;

	learn();
	ck_assert_int_eq(connect_fast(), 0);
	desk_pass(&d, 10 * SEC_NS);
	peer_quiet(&p);
	ck_assert_uint_eq(sock_events(p.so), POLLOUT | POLLWRNORM);
	ck_assert_int_eq(connect_again(), -EISCONN);
	ck_assert_int_eq(peer_read(&p, 10), -EAGAIN);
	ck_assert_int_eq(peer_write(&p, 3000), 1460 - 40);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 1460 - 40);
	ck_assert_uint_eq(s.h.opts.fo_len, sizeof(given));
	ck_assert_uint_eq(sock_events(p.so) & POLLOUT, 0);
	ck_assert_int_eq(peer_write(&p, 10), -EAGAIN);
	ck_assert_int_eq(connect_again(), -EALREADY);
	syn_ack(1 + s.len, false);
	peer_expect(&p, A, 1 + s.len, 1, 0);
	ck_assert_uint_eq(peer_info(&p).options & TCPI_SYN_DATA, TCPI_SYN_DATA);
	ck_assert_uint_eq(peer_info(&p).rtt, 1); /* not since connect() */
	ck_assert_int_eq(peer_write(&p, 10), 10);
	peer_expect(&p, A | TCP_PSH, 1 + s.len, 1, 10);
}
END_TEST

START_TEST(a_deferred_syn_that_was_lost_goes_again_bare)
{
	struct segment s;

	learn();
	ck_assert_int_eq(connect_fast(), 0);
	ck_assert_int_eq(peer_write(&p, 5), 5);
	ck_assert_uint_eq(peer_get(&p).len, 5);
	desk_pass(&d, 1001 * MS_NS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_ptr_null(s.h.opts.fo);
	syn_ack(1, false);
	ck_assert_uint_eq(peer_get(&p).len, 5);
	sock_close(p.so);
	desk_drop_sent(&d, 0);
	p.port++;
	ck_assert_int_eq(connect_fast(), -EINPROGRESS); /* for an hour as ever */
	ck_assert_ptr_null(peer_get(&p).h.opts.fo);
}
END_TEST

START_TEST(an_empty_write_sends_the_syn_alone)
{
	struct segment s;

	learn();
	ck_assert_int_eq(connect_fast(), 0);
	ck_assert_int_eq(peer_write(&p, 0), -EINPROGRESS);
	desk_flush(&d);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_uint_eq(s.h.opts.fo_len, sizeof(given));
	syn_ack(1, false);
	peer_expect(&p, A, 1, 1, 0);
	ck_assert_int_eq(peer_write(&p, 0), 0);
}
END_TEST

START_TEST(a_connection_given_up_before_its_first_write_was_never_heard_of)
{
	learn();
	ck_assert_int_eq(connect_fast(), 0);
	sock_close(p.so);
	desk_flush(&d);
	peer_quiet(&p);
	ck_assert_int_eq(connect_fast(), 0);
	ck_assert_int_eq(sock_shutdown(p.so, SHUT_WR), 0);
	desk_flush(&d);
	peer_quiet(&p);
	ck_assert_int_eq(peer_write(&p, 5), -EPIPE);
	ck_assert_int_eq(connect_again(), 0); /* the socket may begin anew */
	ck_assert_int_eq(peer_write(&p, 5), 5);
	desk_flush(&d);
	ck_assert_uint_eq(peer_get(&p).len, 5);
}
END_TEST

START_TEST(a_deferred_connection_answers_as_if_it_was_not_there)
{
	learn();
	ck_assert_int_eq(connect_fast(), 0);
	p.stack_iss = 0;
	syn_ack(1, false);
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST);
	peer_send(&p, TCP_SYN, 0, 0, 0); /* nor do both open at once */
	ck_assert_uint_eq(peer_get(&p).h.flags, TCP_RST | A);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_SYN_SENT);
	ck_assert_int_eq(peer_write(&p, 5), 5);
	ck_assert_uint_eq(peer_get(&p).len, 5);
}
END_TEST

START_TEST(its_options_take_what_linux_takes)
{
	static const int names[] = {TCPO_FASTOPEN_CONNECT, TCPO_FASTOPEN_NO_COOKIE};
	int v = 0;
	uint32_t len = sizeof(v);

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	for (unsigned i = 0; i < 2; i++) {
		for (v = -1; v <= 2; v++)
			ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, names[i], &v, sizeof(v)),
					 v < 0 || v > 1 ? -EINVAL : 0);
		ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, names[i], &v, &len), 0);
		ck_assert_int_eq(v, 1);
	}
	p.so = NULL;
	peer_connected(&p);
	v = 1;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, names[i], &v, sizeof(v)), -EINVAL);
	ck_assert_int_eq(stack_tcp_set(d.st, "fastopen", 2), 0);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_TCP, names[0], &v, sizeof(v)), -EOPNOTSUPP);
}
END_TEST

/* ---- without cookies, where both ends know each other ---- */

START_TEST(data_goes_on_the_first_syn_where_no_cookie_is_wanted)
{
	struct segment s;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	peer_option(&p, TCPO_FASTOPEN_CONNECT, 1);
	peer_option(&p, TCPO_FASTOPEN_NO_COOKIE, 1);
	ck_assert_int_eq(connect_again(), 0);
	p.stack_port = p.so->local_port;
	ck_assert_int_eq(peer_write(&p, 5), 5);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_uint_eq(s.len, 5);
	ck_assert_ptr_nonnull(s.h.opts.fo);
	ck_assert_uint_eq(s.h.opts.fo_len, 0);
	syn_ack(6, false);
	peer_expect(&p, A, 6, 1, 0);
}
END_TEST

START_TEST(data_of_a_syn_without_a_cookie_is_read_where_none_is_wanted)
{
	static const uint8_t none[1];
	struct tcp_opts o = {.has_mss = true, .mss = 1460};
	int one = 1;

	listening(5);
	ck_assert_int_eq(
		sock_setopt(p.listener, IPPROTO_TCP, TCPO_FASTOPEN_NO_COOKIE, &one, sizeof(one)),
		0);
	syn(none, 0, 100);
	ck_assert_uint_eq(peer_get(&p).ack, 101);
	ck_assert_int_eq(accepted(), 0);
	ck_assert_int_eq(peer_read(&p, 1000), 100);
	p.port++;
	peer_send_opts(&p, TCP_SYN, 0, 0, 50, &o); /* without the option, too */
	ck_assert_uint_eq(peer_get(&p).ack, 51);
	p.port++;
	peer_send_opts(&p, TCP_SYN, 0, 0, 0, &o);
	ck_assert_uint_eq(peer_get(&p).ack, 1);
	ck_assert_uint_eq(d.st->tcp->fo_n, 2);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_fastopen",
		CASES(data_on_the_syn_is_read_at_once,
		      what_went_before_the_handshakes_end_is_repaired_after_it,
		      more_than_was_sent_before_the_handshakes_end_is_not_acknowledged,
		      who_shares_the_key_gives_the_same_cookies,
		      a_second_send_while_it_connects_says_so,
		      who_asks_by_the_experimental_option_is_answered_by_it,
		      a_server_may_answer_and_close_before_the_handshake_ends,
		      a_wrong_cookie_gets_a_new_one_and_its_data_again,
		      no_more_than_the_program_said_are_pending,
		      what_is_pending_at_one_listener_is_not_counted_at_another,
		      a_listener_that_stops_leaves_those_it_accepted_and_one_that_follows_counts_anew,
		      all_listeners_together_have_the_bound_of_handshakes,
		      who_did_not_ask_for_it_has_it_not, the_syn_again_brings_the_syn_ack_again,
		      the_second_time_data_goes_on_the_syn, data_that_was_not_taken_goes_again,
		      the_data_of_a_syn_is_no_more_than_a_buffer_holds,
		      when_both_open_at_once_the_program_is_told_when_it_has_succeeded,
		      a_part_may_be_taken, more_than_was_sent_is_not_believed,
		      a_syn_without_an_answer_goes_again_bare,
		      no_more_than_a_segment_goes_on_the_syn, it_can_be_turned_off,
		      connecting_without_a_cookie_asks_for_one,
		      connecting_with_a_cookie_waits_for_the_first_write,
		      a_deferred_syn_that_was_lost_goes_again_bare,
		      an_empty_write_sends_the_syn_alone,
		      a_connection_given_up_before_its_first_write_was_never_heard_of,
		      a_deferred_connection_answers_as_if_it_was_not_there,
		      its_options_take_what_linux_takes,
		      data_goes_on_the_first_syn_where_no_cookie_is_wanted,
		      data_of_a_syn_without_a_cookie_is_read_where_none_is_wanted),
		setup, teardown);
}
