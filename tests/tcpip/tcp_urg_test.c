/* SPDX-License-Identifier: BSD-3-Clause */
/* Urgent data: one byte beside the stream, or in it. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

static void connected(void)
{
	setup();
	peer_accepted(&p);
}

static void dropped(void)
{
	desk_drop_sent(&d, 0);
	teardown();
}

/* Data with an urgent pointer; byte i of the stream has the value of its number. */
static void send_urgent(uint32_t seq, uint32_t len, uint16_t urgent)
{
	struct ip4_hdr iph = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	struct tcp_hdr h = {.sport = p.port, .dport = 80, .flags = A | TCP_URG, .window = 65535};
	uint8_t l4[600];
	uint16_t n, sum;
	uint32_t i;

	h.seq = p.iss + seq;
	h.ack = p.stack_iss + 1;
	h.urgent = urgent;
	n = (uint16_t)tcp_build(l4, &h);
	for (i = 0; i < len; i++)
		l4[n++] = (uint8_t)(seq + i);
	sum = csum_fold(csum_add(csum_pseudo4(iph.src, iph.dst, 6, n), l4, n));
	memcpy(l4 + 16, &sum, 2);
	desk_ip4(&d, &iph, l4, n);
}

/* Reads; returns the length, the first byte in *first. */
static int64_t get(int flags, uint32_t len, uint8_t *first)
{
	uint8_t data[1000] = {0};
	uint64_t full;
	int64_t n = desk_recv(p.so, data, len, flags, NULL, &full);

	*first = data[0];
	return n;
}

START_TEST(one_byte_is_taken_out_of_the_stream)
{
	uint8_t b;

	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
	send_urgent(1, 20, 11); /* byte 11 is the urgent one */
	ck_assert(sock_events(p.so) & POLLPRI);
	ck_assert_int_eq(get(MSG_OOB | MSG_PEEK, 1, &b), 1);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 11);
	ck_assert(!(sock_events(p.so) & POLLPRI));
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
	ck_assert_int_eq(get(0, 100, &b), 10); /* up to the mark */
	ck_assert_uint_eq(b, 1);
	ck_assert_int_eq(get(0, 100, &b), 9); /* behind it */
	ck_assert_uint_eq(b, 12);
}
END_TEST

START_TEST(alone_it_is_not_readable_unless_in_line)
{
	int on = 1;
	uint8_t b;

	send_urgent(1, 11, 11); /* the last byte is the urgent one */
	ck_assert(sock_events(p.so) & POLLIN);
	ck_assert_int_eq(get(0, 100, &b), 10);
	ck_assert_uint_eq(sock_events(p.so) & (POLLIN | POLLRDNORM | POLLPRI), POLLPRI);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	ck_assert(sock_events(p.so) & POLLIN);
	on = 0;
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert(!(sock_events(p.so) & POLLIN));
	peer_send(&p, A, 12, 1, 1);
	ck_assert(sock_events(p.so) & POLLIN);
	ck_assert_int_eq(get(0, 100, &b), 1);
	ck_assert_uint_eq(b, 12);
	ck_assert(!(sock_events(p.so) & (POLLIN | POLLPRI)));
}
END_TEST

START_TEST(without_room_it_is_taken_and_goes_nowhere)
{
	uint8_t b;

	send_urgent(1, 20, 11);
	ck_assert_int_eq(get(MSG_OOB | MSG_PEEK, 0, &b), 0);
	ck_assert(sock_events(p.so) & POLLPRI);
	ck_assert_int_eq(get(MSG_OOB, 0, &b), 0);
	ck_assert_uint_eq(b, 0);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
}
END_TEST

START_TEST(inline_it_stays_where_it_was)
{
	int on = 1;
	uint8_t b;

	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	send_urgent(1, 20, 11);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
	ck_assert_int_eq(get(0, 100, &b), 10);
	ck_assert(sock_at_mark(p.so));
	ck_assert_int_eq(get(0, 100, &b), 10);
	ck_assert_uint_eq(b, 11);
	ck_assert(!sock_at_mark(p.so));
}
END_TEST

START_TEST(the_mark_is_where_the_byte_was)
{
	struct socket *udp = desk_socket(&d, SOCK_DGRAM, 0);
	uint8_t b;

	ck_assert_int_eq(sock_at_mark(udp), -ENOTTY);
	send_urgent(1, 20, 11);
	ck_assert(!sock_at_mark(p.so));
	ck_assert_int_eq(get(0, 4, &b), 4);
	ck_assert(!sock_at_mark(p.so));
	ck_assert_int_eq(sock_readable(p.so), 6); /* no more in one read */
	ck_assert_int_eq(get(MSG_PEEK, 100, &b), 6);
	ck_assert_int_eq(get(0, 100, &b), 6);
	ck_assert(sock_at_mark(p.so));
	ck_assert_int_eq(get(0, 100, &b), 9);
	ck_assert(!sock_at_mark(p.so));
}
END_TEST

START_TEST(it_may_be_announced_before_it_comes)
{
	uint8_t b;

	send_urgent(1, 10, 30);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EAGAIN);
	send_urgent(11, 20, 20);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 30);
}
END_TEST

START_TEST(out_of_order_it_is_here_as_soon_as_it_comes)
{
	uint8_t b;

	send_urgent(11, 20, 20);
	ck_assert(sock_events(p.so) & POLLPRI);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 30);
	ck_assert_int_eq(get(0, 100, &b), -EAGAIN);
	peer_send(&p, A, 1, 1, 10);
	ck_assert_int_eq(get(0, 100, &b), 29);
	ck_assert_int_eq(get(0, 100, &b), -EAGAIN); /* it is not in the stream */
}
END_TEST

/* Linux looks into each segment as it comes, and not into what waits for a gap to close: the byte
 * is a mark then, which MSG_OOB does not get. No sender leaves the pointer out of the segment that
 * the byte is in. */
START_TEST(announced_when_it_waits_already_it_is_but_a_mark)
{
	uint8_t b;

	peer_send(&p, A, 11, 1, 20);
	send_urgent(1, 10, 30);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EAGAIN);
	ck_assert_int_eq(get(0, 100, &b), 29);
	ck_assert(sock_at_mark(p.so));
	ck_assert_int_eq(get(0, 100, &b), -EAGAIN);
	peer_send(&p, A, 31, 1, 10);
	ck_assert_int_eq(get(0, 100, &b), 10);
	ck_assert_uint_eq(b, 31);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
}
END_TEST

/* Its sender lacked the ACK: the second time it is looked into like any other. */
START_TEST(announced_when_it_waits_already_it_is_here_when_it_comes_again)
{
	uint8_t b;

	peer_send(&p, A, 11, 1, 20);
	send_urgent(5, 2, 26);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EAGAIN);
	send_urgent(11, 20, 20);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 30);
}
END_TEST

START_TEST(alone_it_leaves_nothing_to_read)
{
	uint8_t b;

	send_urgent(1, 1, 1);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_int_eq(get(0, 100, &b), -EAGAIN);
	peer_send(&p, A, 2, 1, 5);
	ck_assert_int_eq(get(0, 100, &b), 5);
	ck_assert_uint_eq(b, 2);
}
END_TEST

START_TEST(who_reads_past_it_is_told_that_it_is_gone)
{
	uint8_t b;

	send_urgent(1, 4, 4);
	ck_assert_int_eq(get(0, 100, &b), 3);
	ck_assert_uint_eq(d.ready_events & (POLLIN | POLLPRI), POLLPRI);
	ck_assert_int_eq(get(0, 100, &b), -EAGAIN);
	ck_assert_uint_eq(sock_events(p.so) & (POLLIN | POLLPRI), 0);
	ck_assert_uint_eq(d.ready_events & (POLLIN | POLLPRI), 0);
}
END_TEST

START_TEST(a_newer_one_replaces_it)
{
	uint8_t b;

	send_urgent(1, 10, 5);
	send_urgent(11, 10, 5);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 15);
	ck_assert_int_eq(get(0, 100, &b), 14); /* the first is ordinary now, as on Linux */
	ck_assert_int_eq(get(0, 100, &b), 5);
}
END_TEST

START_TEST(pointers_of_nonsense_do_nothing)
{
	uint8_t b;

	peer_send(&p, A, 1, 1, 50);
	ck_assert_int_eq(get(0, 100, &b), 50);
	send_urgent(51, 10, 0);
	ck_assert_int_eq(get(0, 100, &b), 9); /* a pointer of 0 names the first byte, as on Linux */
	send_urgent(61, 10, 65535);
	ck_assert_int_eq(get(0, 100, &b), 10);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EAGAIN);
	peer_send(&p, A | TCP_FIN, 71, 1, 0);
	ck_assert_int_eq(get(0, 100, &b), 0);
}
END_TEST

/* RFC 9293 3.10.7.4: the ACK comes before the urgent pointer; a stranger does not know it. */
START_TEST(with_an_ack_of_what_was_never_sent_it_is_nobodys)
{
	uint8_t b;

	p.stack_iss += 3000;
	send_urgent(1, 20, 11);
	p.stack_iss -= 3000;
	ck_assert_int_eq(get(MSG_OOB, 1, &b), -EINVAL);
	peer_send(&p, A, 1, 1, 20);
	ck_assert_int_eq(get(0, 100, &b), 20);
}
END_TEST

START_TEST(it_may_come_with_the_ack_that_ends_the_handshake)
{
	struct peer first = p;
	struct sock_addr from;
	uint8_t b;

	p = peer_make(&d);
	p.listener = first.listener;
	p.port++;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	peer_expect(&p, TCP_SYN | A, 0, 1, 0);
	send_urgent(1, 20, 11);
	ck_assert_int_eq(sock_accept(p.listener, &p.so, &from), 0);
	ck_assert_int_eq(get(MSG_OOB, 1, &b), 1);
	ck_assert_uint_eq(b, 11);
}
END_TEST

START_TEST(an_urgent_byte_is_sent_with_its_pointer)
{
	struct pktbuf *list;
	struct segment s;

	ck_assert_int_eq(sock_send_reserve(p.so, 3, NULL, MSG_OOB, &list), 3);
	memcpy(pktbuf_data(list), "abc", 3);
	ck_assert_int_eq(sock_send_commit(p.so, list, 3, NULL, MSG_OOB), 3);
	desk_flush(&d);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, A | TCP_PSH | TCP_URG);
	ck_assert_uint_eq(s.h.urgent, 3); /* one past, as Linux */
	peer_write(&p, 5);
	peer_send(&p, A, 1, 4, 0);
	ck_assert_uint_eq(peer_get(&p).h.flags & TCP_URG, 0);
}
END_TEST

static void want_signals(struct socket *so)
{
	ck_assert(sock_signal_ask(so, 7, true));
	ck_assert_int_eq(stack_signal_start(d.st, sock_id(so), 7), 0);
}

START_TEST(the_owner_is_signalled_when_the_pointer_moves)
{
	send_urgent(1, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0); /* nobody asked */
	want_signals(p.so);
	send_urgent(1, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0); /* known already */
	send_urgent(11, 10, 5);
	ck_assert_uint_eq(d.signals, 1);
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(p.so));
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	peer_send(&p, A, 21, 1, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	send_urgent(26, 1, 100); /* announced is enough */
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(p.so));
	send_urgent(27, 100, 99);
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
}
END_TEST

/* Another connection; the first is in *first meanwhile. */
static void second_connection(struct peer *first)
{
	desk_flush(&d);
	desk_drop_sent(&d, 0);
	*first = p;
	p = peer_make(&d);
	p.port++;
	p.listener = first->listener;
	peer_accepted(&p);
}

static void swap(struct peer *other)
{
	struct peer mine = p;

	p = *other;
	*other = mine;
}

START_TEST(signals_that_nobody_took_are_one)
{
	struct peer first;

	want_signals(p.so);
	second_connection(&first);
	want_signals(p.so);
	send_urgent(1, 10, 5);
	send_urgent(11, 10, 5);
	ck_assert_uint_eq(d.signals, 1);
	swap(&first);
	send_urgent(1, 10, 5);
	ck_assert_uint_eq(d.signals, 2);
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(first.so)); /* came first */
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(p.so));
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	send_urgent(11, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(p.so));
}
END_TEST

START_TEST(an_accepted_socket_has_no_owner)
{
	struct peer first;

	want_signals(p.listener);
	second_connection(&first);
	send_urgent(1, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
}
END_TEST

START_TEST(who_is_closed_is_owed_nothing)
{
	uint32_t id = sock_id(p.so);
	struct peer first;

	want_signals(p.so);
	ck_assert(stack_signal_kept(d.st, id));
	send_urgent(1, 10, 5);
	second_connection(&first);
	want_signals(p.so);
	send_urgent(1, 10, 5);
	sock_close(first.so);
	ck_assert(!stack_signal_kept(d.st, id));
	ck_assert_uint_eq(stack_signal_take(d.st), sock_id(p.so));
	send_urgent(11, 10, 5);
	sock_close(p.so);
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	ck_assert(!stack_signal_kept(d.st, id));
	ck_assert_int_eq(stack_signal_start(d.st, id, 7), -EBADF);
}
END_TEST

START_TEST(signals_begin_for_the_one_that_asked_and_end_for_all)
{
	struct socket *udp = desk_socket(&d, SOCK_DGRAM, 0);
	uint32_t id = sock_id(p.so);

	ck_assert_int_eq(stack_signal_start(d.st, id, 0), -EPERM);
	ck_assert_int_eq(stack_signal_start(d.st, id, 7), -EPERM);
	ck_assert(sock_signal_ask(p.so, 7, true));
	send_urgent(1, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0); /* asked is not begun */
	ck_assert_int_eq(stack_signal_start(d.st, id, 8), -EPERM);
	ck_assert_int_eq(stack_signal_start(d.st, id, 7), 0);
	ck_assert_int_eq(stack_signal_start(d.st, id, 7), -EPERM);
	send_urgent(11, 10, 5);
	ck_assert(!sock_signal_ask(p.so, 9, false));
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	send_urgent(21, 10, 5);
	ck_assert_uint_eq(stack_signal_take(d.st), 0);
	ck_assert(!stack_signal_kept(d.st, id));
	ck_assert(!sock_signal_ask(udp, 7, true)); /* never has any */
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_urg",
		CASES(one_byte_is_taken_out_of_the_stream, alone_it_is_not_readable_unless_in_line,
		      without_room_it_is_taken_and_goes_nowhere, inline_it_stays_where_it_was,
		      the_mark_is_where_the_byte_was, it_may_be_announced_before_it_comes,
		      out_of_order_it_is_here_as_soon_as_it_comes,
		      announced_when_it_waits_already_it_is_but_a_mark,
		      announced_when_it_waits_already_it_is_here_when_it_comes_again,
		      alone_it_leaves_nothing_to_read, who_reads_past_it_is_told_that_it_is_gone,
		      a_newer_one_replaces_it, with_an_ack_of_what_was_never_sent_it_is_nobodys,
		      it_may_come_with_the_ack_that_ends_the_handshake,
		      pointers_of_nonsense_do_nothing, an_urgent_byte_is_sent_with_its_pointer,
		      the_owner_is_signalled_when_the_pointer_moves,
		      signals_that_nobody_took_are_one, who_is_closed_is_owed_nothing,
		      an_accepted_socket_has_no_owner,
		      signals_begin_for_the_one_that_asked_and_end_for_all),
		connected, dropped);
}
