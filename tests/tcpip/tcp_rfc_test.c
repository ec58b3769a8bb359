/* SPDX-License-Identifier: BSD-3-Clause */
/* Requirements of RFC 9293 and its companions that tcpip/COMPLIANCE.md lists and no other test has.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

#define M 1460u

static struct socket *listening(void)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);

	ck_assert_int_eq(desk_bind(so, 0, 80), 0);
	ck_assert_int_eq(sock_listen(so, 16), 0);
	return so;
}

/* An active open that got as far as its SYN. */
static struct segment syn_sent(void)
{
	struct segment s;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	return s;
}

/* Options as bytes, which tcp_build would not write. */
static void send_raw_options(uint8_t flags, uint32_t seq, uint32_t ack, const uint8_t *opts,
			     unsigned n)
{
	struct ip4_hdr iph = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	struct tcp_hdr h = {
		.sport = p.port, .dport = p.stack_port, .flags = flags, .window = 65535};
	uint8_t l4[60];
	uint16_t len = (uint16_t)(TCP_HDR_LEN + n), sum;

	h.seq = p.iss + seq;
	h.ack = flags & A ? p.stack_iss + ack : 0;
	(void)tcp_build(l4, &h);
	memcpy(l4 + TCP_HDR_LEN, opts, n);
	l4[12] = (uint8_t)(len / 4 << 4);
	sum = csum_fold(csum_add(csum_pseudo4(iph.src, iph.dst, 6, len), l4, len));
	memcpy(l4 + 16, &sum, 2);
	desk_ip4(&d, &iph, l4, len);
}

static void icmp_about(uint8_t type, uint8_t code, uint32_t seq)
{
	struct ip4_hdr h = {
		.protocol = 6, .dst = ip(10, 0, 0, 9), .src = ip(10, 0, 0, 1), .ttl = 60};
	struct icmp_hdr icmp = {.type = type, .code = code};
	uint8_t quote[28] = {0};

	h.total_len = 60;
	ip4_build(quote, &h);
	wire_put16(quote + 20, p.stack_port);
	wire_put16(quote + 22, p.port);
	wire_put32(quote + 24, seq);
	desk_icmp(&d, ip(10, 0, 0, 9), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
}

/* ---- numbers, windows, options ---- */

START_TEST(a_window_above_half_of_its_field_counts_whole)
{
	p.wscale = false;
	p.window = 65000;
	peer_accepted(&p);
	ck_assert_uint_eq(p.so->tcp->snd_wnd, 65000);
	p.so->tcp->cwnd = 100;
	peer_write(&p, 60000);
	ck_assert_uint_ge(peer_drain(&p), 60000 / M);
}
END_TEST

START_TEST(options_may_come_anywhere_and_unknown_ones_are_skipped)
{
	/* Unknown of 5 bytes, so that the MSS is not aligned; then the end of the list. */
	static const uint8_t syn[] = {253, 5, 1, 2, 3, 2, 4, 0x03, 0xe8, 1, 0, 0};
	static const uint8_t data[] = {1, 254, 6, 9, 9, 9, 9, 0};

	p.listener = listening();
	send_raw_options(TCP_SYN, 0, 0, syn, sizeof(syn));
	(void)peer_get(&p);
	send_raw_options(A, 1, 1, data, sizeof(data));
	ck_assert_int_eq(sock_accept(p.listener, &p.so, NULL), 0);
	ck_assert_uint_eq(p.so->tcp->peer_mss, 1000);
}
END_TEST

START_TEST(a_scale_above_14_counts_as_14)
{
	static const uint8_t syn[] = {3, 3, 200, 1};

	p.listener = listening();
	send_raw_options(TCP_SYN, 0, 0, syn, sizeof(syn));
	(void)peer_get(&p);
	peer_send(&p, A, 1, 1, 0);
	ck_assert_int_eq(sock_accept(p.listener, &p.so, NULL), 0);
	ck_assert_uint_eq(p.so->tcp->snd_wscale, 14);
}
END_TEST

START_TEST(initial_sequence_numbers_move_with_the_clock_and_differ_by_flow)
{
	uint32_t first, other, later;

	p.listener = listening();
	peer_send(&p, TCP_SYN, 0, 0, 0);
	first = peer_get(&p).h.seq;
	peer_send(&p, TCP_RST, 1, 0, 0);
	p.port++;
	peer_send(&p, TCP_SYN, 0, 0, 0);
	other = peer_get(&p).h.seq;
	peer_send(&p, TCP_RST, 1, 0, 0);
	p.port--;
	desk_pass(&d, 64000);
	peer_send(&p, TCP_SYN, 0, 0, 0);
	later = peer_get(&p).h.seq;
	ck_assert_uint_eq(later - first, 1000); /* a tick is 64 ns */
	ck_assert_uint_gt(other - first + 100000, 200000);
}
END_TEST

START_TEST(the_mss_follows_the_mtu)
{
	struct segment s;

	d.port[0].port.mtu = 1000;
	s = syn_sent();
	ck_assert_uint_eq(s.h.opts.mss, 960);
	peer_send(&p, TCP_SYN | A, 0, 1, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 960);
	peer_drain(&p);
}
END_TEST

START_TEST(a_window_that_shrinks_is_survived)
{
	p.wscale = false;
	p.window = 10 * M;
	peer_accepted(&p);
	peer_write(&p, 20 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	p.window = 2 * M; /* the edge moves left by six segments */
	peer_send(&p, A, 1, 1 + 2 * M, 0);
	peer_quiet(&p);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	/* What lies within goes again in time; nothing beyond does. */
	desk_pass(&d, 500 * MS_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 2 * M);
	p.window = 20 * M;
	peer_send(&p, A, 1, 1 + 10 * M, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 10 * M);
	peer_drain(&p);
}
END_TEST

START_TEST(a_shut_window_that_answers_is_waited_for)
{
	unsigned minutes;

	peer_accepted(&p);
	p.window = 0;
	peer_send(&p, A, 1, 1, 0);
	peer_write(&p, 100);
	for (minutes = 0; minutes < 120; minutes++) {
		desk_pass(&d, 60 * SEC_NS);
		if (peer_drain(&p))
			peer_send(&p, A, 1, 1, 0);
	}
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	p.window = 1000;
	peer_send(&p, A, 1, 1, 0);
	peer_expect(&p, A | TCP_PSH, 1, 1, 100);
}
END_TEST

/* ---- timers ---- */

START_TEST(a_lost_syn_begins_with_one_segment)
{
	(void)syn_sent();
	desk_pass(&d, 1001 * MS_NS);
	(void)peer_get(&p);
	peer_send(&p, TCP_SYN | A, 0, 1, 0);
	peer_drain(&p);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, 1);
	ck_assert_uint_eq(peer_info(&p).rto, 3000000);
	peer_write(&p, 10 * M);
	ck_assert_uint_eq(peer_drain(&p), 1);
}
END_TEST

START_TEST(an_idle_connection_says_nothing)
{
	peer_accepted(&p);
	desk_pass(&d, 30ull * 24 * 3600 * SEC_NS);
	peer_quiet(&p);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
}
END_TEST

START_TEST(keepalive_waits_two_hours)
{
	int on = 1;

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
	desk_pass(&d, 7199 * SEC_NS);
	peer_quiet(&p);
	desk_pass(&d, 2 * SEC_NS);
	peer_expect(&p, A, 0, 1, 0);
}
END_TEST

START_TEST(a_window_unused_for_long_is_not_believed)
{
	p.rtt = 50 * MS_NS;
	peer_accepted(&p);
	p.so->tcp->cwnd = 80;
	peer_write(&p, 10);
	peer_drain(&p);
	desk_pass(&d, 20 * MS_NS);
	peer_send(&p, A, 1, 11, 0);
	desk_pass(&d, 60 * SEC_NS);
	peer_write(&p, 40 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
}
END_TEST

/* ---- acknowledging and repeating ---- */

/* Full segments that come in one batch, from the peer's first byte on. */
static void batch_in(uint32_t from, unsigned n)
{
	struct pktbuf *batch[8];
	unsigned i;

	for (i = 0; i < n; i++) {
		struct tcp_hdr h = {.sport = p.port, .dport = 80, .flags = A, .window = 65535};
		struct ip4_hdr iph = {.protocol = 6, .ttl = 64};
		struct pktbuf *b = pktbuf_alloc(&d.pool);

		iph.src = ip(10, 0, 0, 9);
		iph.dst = ip(10, 0, 0, 1);
		h.seq = p.iss + from + i * 1000;
		h.ack = p.stack_iss + 1;
		if (p.ts)
			h.opts = (struct tcp_opts){
				.has_ts = true, .ts_val = p.ts_val, .ts_ecr = p.ts_ecr};
		b->len = 1000;
		memset(pktbuf_data(b), 0, 1000);
		(void)tcp_build(pktbuf_push(b, tcp_build_len(&h)), &h);
		iph.total_len = (uint16_t)(b->len + IP4_HDR_LEN);
		ip4_build(pktbuf_push(b, IP4_HDR_LEN), &iph);
		b->flags = PKTBUF_RX_L4_CSUM_OK;
		batch[i] = b;
	}
	stack_input(d.st, &d.port[0].port, batch, n);
	desk_flush(&d);
}

START_TEST(a_batch_is_acknowledged_once)
{
	struct packet pk;

	peer_accepted(&p);
	desk_pass(&d, SEC_NS);
	batch_in(1, 8);
	peer_expect(&p, A, 1, 8001, 0);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

START_TEST(while_the_wire_loses_each_second_segment_of_a_batch_is_acknowledged)
{
	struct packet pk;
	unsigned i;

	peer_accepted(&p);
	desk_pass(&d, SEC_NS);
	batch_in(1001, 1);
	peer_expect(&p, A, 1, 1, 0); /* a duplicate: the first is missing */
	batch_in(1, 1);
	peer_expect(&p, A, 1, 2001, 0);
	batch_in(2001, 5);
	peer_expect(&p, A, 1, 4001, 0);
	peer_expect(&p, A, 1, 6001, 0);
	peer_expect(&p, A, 1, 7001, 0);
	ck_assert(!desk_sent(&d, 0, &pk));
	/* Of 16 ACKs these were 5. */
	for (i = 0; i < 11; i++)
		batch_in(7001 + i * 2000, 2);
	desk_drop_sent(&d, 0);
	batch_in(29001, 8);
	peer_expect(&p, A, 1, 37001, 0);
	ck_assert(!desk_sent(&d, 0, &pk));
}
END_TEST

/* The last segment before `next` comes again, taken for a copy: eight more have one ACK. */
static void copied_by_the_wire(uint32_t next)
{
	batch_in(next - 1000, 1);
	peer_expect(&p, A, 1, next, 0);
	batch_in(next, 8);
	peer_expect(&p, A, 1, next + 8000, 0);
	peer_quiet(&p);
}

/* It comes again, taken for a timer's: of the next each second is acknowledged. */
static void repeated_by_a_timer(uint32_t next)
{
	batch_in(next - 1000, 1);
	peer_expect(&p, A, 1, next, 0);
	batch_in(next, 4);
	peer_expect(&p, A, 1, next + 2000, 0);
	peer_expect(&p, A, 1, next + 4000, 0);
	peer_quiet(&p);
}

/* A copy that the wire made says nothing of ACKs; what a timer repeated shows that they get lost.
 */
START_TEST(what_comes_twice_after_a_silence_shows_that_acks_get_lost)
{
	peer_accepted(&p);
	desk_pass(&d, SEC_NS);
	batch_in(1, 8);
	peer_expect(&p, A, 1, 8001, 0);
	copied_by_the_wire(8001);
	desk_pass(&d, 200 * MS_NS);
	repeated_by_a_timer(16001);
}
END_TEST

/* We may have come late to a copy. Its time stamp is that of the last; a timer's is a later one. */
START_TEST(what_comes_twice_with_an_old_time_stamp_is_the_wires_copy)
{
	p.ts = true;
	peer_accepted(&p);
	desk_pass(&d, SEC_NS);
	batch_in(1, 8);
	peer_expect(&p, A, 1, 8001, 0);
	desk_pass(&d, 200 * MS_NS);
	copied_by_the_wire(8001);
	desk_pass(&d, 200 * MS_NS);
	p.ts_val += 200;
	repeated_by_a_timer(16001);
}
END_TEST

START_TEST(small_writes_collapse_into_one_pushed_segment)
{
	struct segment s;
	unsigned i;

	peer_accepted(&p);
	peer_write(&p, 10);
	peer_expect(&p, A | TCP_PSH, 1, 1, 10);
	for (i = 0; i < 20; i++)
		peer_write(&p, 10);
	peer_send(&p, A, 1, 11, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.len, 200);
	ck_assert_uint_eq(s.h.flags, A | TCP_PSH);
	peer_quiet(&p);
}
END_TEST

START_TEST(a_partial_ack_repeats_the_next_hole)
{
	unsigned i;

	p.rtt = 50 * MS_NS;
	p.sack = false;
	peer_accepted(&p);
	peer_write(&p, 40 * M);
	ck_assert_uint_eq(peer_drain(&p), 10);
	for (i = 0; i < 3; i++)
		peer_send(&p, A, 1, 1, 0);
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + 4 * M, 0);
	ck_assert_uint_eq(peer_get(&p).seq, 1 + 4 * M);
	peer_drain(&p);
}
END_TEST

START_TEST(timestamps_come_in_every_segment)
{
	struct segment s;
	uint32_t before;

	p.ts = true;
	peer_accepted(&p);
	peer_write(&p, 100);
	s = peer_get(&p);
	ck_assert(s.h.opts.has_ts);
	ck_assert_uint_eq(s.h.opts.ts_ecr, p.ts_val);
	before = s.h.opts.ts_val;
	desk_pass(&d, 100 * MS_NS);
	peer_drain(&p);
	p.ts_val += 7;
	peer_send(&p, A, 1, 101, 10);
	p.ts_val += 7; /* a delayed ACK echoes the first it covers */
	peer_send(&p, A, 11, 101, 0);
	desk_pass(&d, 50 * MS_NS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.opts.ts_ecr, p.ts_val - 7);
	ck_assert_uint_ge(s.h.opts.ts_val - before, 100); /* milliseconds */
}
END_TEST

START_TEST(an_old_timestamp_is_forgotten)
{
	p.ts = true;
	peer_accepted(&p);
	desk_pass(&d, 25ull * 24 * 3600 * SEC_NS);
	p.ts_val -= 1000; /* the peer's clock has wrapped */
	peer_send(&p, A, 1, 1, 50);
	ck_assert_int_eq(peer_read(&p, 100), 50);
	peer_drain(&p);
}
END_TEST

/* ---- resets, opens, errors ---- */

START_TEST(a_reset_in_syn_received_depends_on_where_it_came_from)
{
	struct peer q = p;

	q.listener = listening();
	peer_send(&q, TCP_SYN, 0, 0, 0);
	(void)peer_get(&q);
	peer_send(&q, TCP_RST, 1, 0, 0); /* from LISTEN: the listener goes on */
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 1);
	ck_assert_uint_eq(q.listener->tcp->state, TCPS_LISTEN);
	(void)syn_sent(); /* from an active OPEN: refused */
	peer_send(&p, TCP_SYN, 0, 0, 0);
	(void)peer_get(&p);
	peer_send(&p, TCP_RST, 1, 0, 0);
	ck_assert_int_eq(p.so->error, ECONNREFUSED);
}
END_TEST

START_TEST(a_reset_may_carry_data)
{
	peer_accepted(&p);
	peer_send(&p, TCP_RST, 1, 0, 20);
	ck_assert_int_eq(p.so->error, ECONNRESET);
}
END_TEST

START_TEST(a_reset_counts_while_the_window_is_shut)
{
	uint32_t at, small = 2000;

	p.listener = listening();
	ck_assert_int_eq(sock_setopt(p.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	peer_accepted(&p);
	for (at = 1; p.so->tcp->rcv_adv != p.so->tcp->rcv_nxt; at = p.so->tcp->rcv_nxt - p.iss)
		peer_send(&p, A, at, 1, 500);
	peer_drain(&p);
	peer_send(&p, TCP_RST, at, 0, 0);
	ck_assert_int_eq(p.so->error, ECONNRESET);
}
END_TEST

START_TEST(listening_again_disturbs_no_connection)
{
	struct socket *other;

	peer_accepted(&p);
	ck_assert_int_eq(sock_listen(p.listener, 5), 0);
	other = desk_socket(&d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_bind(other, 0, 81), 0);
	ck_assert_int_eq(sock_listen(other, 5), 0);
	peer_send(&p, A, 1, 1, 10);
	ck_assert_int_eq(peer_read(&p, 100), 10);
	peer_drain(&p);
}
END_TEST

START_TEST(groups_and_broadcasts_are_no_peers)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	struct ip4_hdr iph = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 255)};
	struct tcp_hdr h = {.sport = 9, .dport = 80, .flags = TCP_SYN};
	uint32_t bad[] = {ip(10, 0, 0, 255), ip(224, 0, 0, 1), ip(255, 255, 255, 255),
			  ip(127, 0, 0, 1)};
	struct packet pk;
	uint8_t l4[60];
	uint16_t n, sum, i;

	ck_assert_int_eq(desk_connect(so, ip(10, 0, 0, 255), 80), -ENETUNREACH);
	ck_assert_int_eq(desk_connect(so, ip(224, 0, 0, 1), 80), -ENETUNREACH);
	(void)listening();
	for (i = 0; i < 5; i++) { /* to a broadcast, then from such as nobody can be */
		if (i) {
			iph.dst = ip(10, 0, 0, 1);
			iph.src = bad[i - 1];
		}
		n = (uint16_t)tcp_build(l4, &h);
		sum = csum_fold(csum_add(csum_pseudo4(iph.src, iph.dst, 6, n), l4, n));
		memcpy(l4 + 16, &sum, 2);
		desk_ip4(&d, &iph, l4, n);
		ck_assert(!desk_sent(&d, 0, &pk));
	}
	ck_assert_uint_eq(d.st->tcp_pcbs.used, 2);
}
END_TEST

START_TEST(a_soft_error_is_told_when_giving_up)
{
	peer_accepted(&p);
	peer_write(&p, 10);
	peer_drain(&p);
	icmp_about(3, 1, p.stack_iss + 1); /* host unreachable */
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	icmp_about(11, 0, p.stack_iss + 1); /* time exceeded */
	icmp_about(12, 0, p.stack_iss + 1); /* parameter problem */
	ck_assert_uint_eq(p.so->tcp->state, TCPS_ESTABLISHED);
	icmp_about(3, 1, p.stack_iss + 1);
	desk_pass(&d, 2000 * SEC_NS);
	ck_assert_int_eq(p.so->error, EHOSTUNREACH);
	desk_drop_sent(&d, 0);
}
END_TEST

START_TEST(source_quench_does_nothing)
{
	uint32_t cwnd;

	peer_accepted(&p);
	peer_write(&p, 10);
	peer_drain(&p);
	cwnd = peer_info(&p).snd_cwnd;
	icmp_about(4, 0, p.stack_iss + 1);
	ck_assert_uint_eq(peer_info(&p).snd_cwnd, cwnd);
	ck_assert_int_eq(p.so->tcp->soft_error, 0);
}
END_TEST

static void recverr(int on)
{
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
}

START_TEST(with_recverr_an_icmp_error_is_told_at_once_to_a_call_that_goes_on)
{
	int v = 0;
	uint32_t len = sizeof(v);

	peer_accepted(&p);
	recverr(1);
	peer_write(&p, 10);
	peer_drain(&p);
	icmp_about(3, 1, p.stack_iss + 1);
	ck_assert_uint_eq(sock_events(p.so) & POLLERR, POLLERR);
	ck_assert_int_eq(peer_read(&p, 10), -EHOSTUNREACH);
	ck_assert_int_eq(peer_read(&p, 10), -EAGAIN);
	ck_assert_uint_eq(sock_events(p.so) & (POLLERR | POLLHUP), 0);
	icmp_about(3, 0, p.stack_iss + 1);
	ck_assert_int_eq(peer_write(&p, 10), -ENETUNREACH);
	icmp_about(3, 1, p.stack_iss + 1);
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	ck_assert_int_eq(v, EHOSTUNREACH);
	ck_assert_ptr_null(p.so->errq.head); /* of connections nothing is queued */
	peer_send(&p, A, 1, 11, 5);
	ck_assert_int_eq(peer_read(&p, 10), 5);
	ck_assert_int_eq(peer_write(&p, 10), 10);
	ck_assert_int_eq(p.so->tcp->soft_error, 0);
	desk_drop_sent(&d, 0);
}
END_TEST

/* Takes the first of the error queue: bytes quoted, or an error. */
static int64_t take_error(int flags, struct sock_note *note, struct sock_addr *from, bool undo)
{
	struct sock_slice slices[SOCK_SLICES];
	unsigned n;
	uint64_t full;
	int64_t r = sock_recv_take(p.so, 100, flags | MSG_ERRQUEUE, slices, &n, from, &full);

	if (r < 0)
		return r;
	sock_recv_note(p.so, slices[0].buf, flags | MSG_ERRQUEUE, note);
	if (undo)
		sock_recv_undo(p.so, flags | MSG_ERRQUEUE, slices, n);
	else
		sock_recv_done(p.so, slices, n);
	return r;
}

START_TEST(what_ended_an_attempt_is_queued_where_asked_for)
{
	struct sock_note note;
	struct sock_addr from;
	int v = 0;
	uint32_t len = sizeof(v);

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	recverr(1);
	ck_assert_int_eq(take_error(0, &note, &from, false), -EAGAIN);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	peer_drain(&p);
	icmp_about(3, 13, p.stack_iss);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_CLOSED);
	ck_assert_int_eq(sock_getopt(p.so, SOL_SOCKET, SO_ERROR, &v, &len), 0);
	ck_assert_int_eq(v, EHOSTUNREACH);
	ck_assert_uint_eq(sock_events(p.so) & POLLERR, POLLERR); /* the queue still has it */
	ck_assert_int_eq(take_error(MSG_PEEK, &note, &from, false), 8);
	ck_assert_int_eq(take_error(0, &note, &from, true), 8);
	ck_assert_int_eq(take_error(0, &note, &from, false), 8); /* as much of TCP as was quoted */
	ck_assert_uint_eq(note.have, NOTE_ERROR);
	ck_assert_uint_eq(note.err, EHOSTUNREACH);
	ck_assert_uint_eq(note.origin, 2);
	ck_assert_uint_eq(note.type, 3);
	ck_assert_uint_eq(note.code, 13);
	ck_assert_mem_eq(note.offender.addr, ((uint8_t[]){10, 0, 0, 9}), 4);
	ck_assert_mem_eq(from.addr, ((uint8_t[]){10, 0, 0, 9}), 4);
	ck_assert_uint_eq(from.port, p.port);
	ck_assert_uint_eq(sock_events(p.so) & POLLERR, 0);
	ck_assert_int_eq(take_error(0, &note, &from, false), -EAGAIN);
}
END_TEST

START_TEST(who_no_longer_asks_for_errors_loses_the_queue)
{
	struct sock_note note;
	struct sock_addr from;

	p.so = desk_socket(&d, SOCK_STREAM, 0);
	recverr(1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port),
				 i ? -EHOSTUNREACH : -EINPROGRESS);
		if (i)
			ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
		desk_flush(&d);
		p.stack_port = p.so->local_port;
		peer_drain(&p);
		icmp_about(3, 1, p.stack_iss);
	}
	ck_assert_uint_eq(p.so->errq.count, 3);
	recverr(0);
	ck_assert_int_eq(take_error(0, &note, &from, false), -EAGAIN);
	recverr(1); /* and what is left in the end goes with the socket */
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EHOSTUNREACH);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	p.stack_port = p.so->local_port;
	peer_drain(&p);
	icmp_about(3, 1, p.stack_iss);
	ck_assert_uint_eq(p.so->errq.count, 1);
}
END_TEST

START_TEST(an_icmp_error_must_quote_what_is_in_flight)
{
	(void)syn_sent();
	icmp_about(3, 1, p.stack_iss + 70000);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_SYN_SENT);
	icmp_about(3, 1, p.stack_iss);
	ck_assert_int_eq(p.so->error, EHOSTUNREACH);
}
END_TEST

START_TEST(tos_and_ttl_are_the_applications)
{
	int tos = 0xb8 | 3, ttl = 9;
	struct packet pk;

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	peer_write(&p, 10);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.tos, 0xb8); /* the last two bits are TCP's own */
	ck_assert_uint_eq(pk.ip.ttl, 9);
}
END_TEST

/* A client's socket with a port of its own, that shares it with TIME-WAIT. */
static struct socket *client_at(uint16_t port)
{
	struct socket *so = desk_socket(&d, SOCK_STREAM, 0);
	int on = 1;

	ck_assert_int_eq(sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(desk_bind(so, 0, port), 0);
	return so;
}

START_TEST(a_client_goes_on_over_its_own_time_wait)
{
	struct tcp_pcb *old;
	struct segment s;
	uint32_t last;

	p.ts = true;
	p.stack_port = 5555;
	p.so = client_at(5555);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	(void)peer_get(&p);
	peer_send(&p, TCP_SYN | A, 0, 1, 0);
	old = p.so->tcp;
	sock_close(p.so);
	desk_flush(&d);
	peer_drain(&p);
	peer_send(&p, A | TCP_FIN, 1, 2, 0);
	peer_drain(&p);
	ck_assert_uint_eq(old->state, TCPS_TIME_WAIT);
	last = old->snd_nxt;
	p.so = client_at(5555);
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EADDRNOTAVAIL);
	desk_pass(&d, 1001 * MS_NS); /* now timestamps tell the two apart */
	ck_assert_int_eq(desk_connect(p.so, ip(10, 0, 0, 9), p.port), -EINPROGRESS);
	desk_flush(&d);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags, TCP_SYN);
	ck_assert_int_gt((int32_t)(s.h.seq - last), 0);
	ck_assert_uint_eq(d.st->tcp->tw_n, 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_rfc",
		CASES(a_window_above_half_of_its_field_counts_whole,
		      options_may_come_anywhere_and_unknown_ones_are_skipped,
		      a_scale_above_14_counts_as_14,
		      initial_sequence_numbers_move_with_the_clock_and_differ_by_flow,
		      the_mss_follows_the_mtu, a_window_that_shrinks_is_survived,
		      a_shut_window_that_answers_is_waited_for, a_lost_syn_begins_with_one_segment,
		      an_idle_connection_says_nothing, keepalive_waits_two_hours,
		      a_window_unused_for_long_is_not_believed, a_batch_is_acknowledged_once,
		      while_the_wire_loses_each_second_segment_of_a_batch_is_acknowledged,
		      what_comes_twice_after_a_silence_shows_that_acks_get_lost,
		      what_comes_twice_with_an_old_time_stamp_is_the_wires_copy,
		      small_writes_collapse_into_one_pushed_segment,
		      a_partial_ack_repeats_the_next_hole, timestamps_come_in_every_segment,
		      an_old_timestamp_is_forgotten,
		      a_reset_in_syn_received_depends_on_where_it_came_from, a_reset_may_carry_data,
		      a_reset_counts_while_the_window_is_shut,
		      listening_again_disturbs_no_connection, groups_and_broadcasts_are_no_peers,
		      a_soft_error_is_told_when_giving_up, source_quench_does_nothing,
		      with_recverr_an_icmp_error_is_told_at_once_to_a_call_that_goes_on,
		      what_ended_an_attempt_is_queued_where_asked_for,
		      who_no_longer_asks_for_errors_loses_the_queue,
		      an_icmp_error_must_quote_what_is_in_flight, tos_and_ttl_are_the_applications,
		      a_client_goes_on_over_its_own_time_wait),
		setup, teardown);
}
