/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments that no buffer holds, received: they arrive as IP fragments, as QEMU's e1000e sends
 * what it was to segment, or in frames in pieces. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;
static uint8_t l4[9000], got[20000];

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	peer_accepted(&p);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

/* From the peer, sequence number 1 on, cut at 1480 bytes of IP payload. */
static void send_cut(uint8_t flags, size_t len, bool damaged)
{
	struct tcp_hdr h = {.sport = p.port, .dport = p.stack_port, .flags = flags};
	struct ip4_hdr ih = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	size_t n, at, to;
	uint16_t sum;

	h.seq = p.iss + 1;
	h.ack = p.stack_iss + 1;
	h.window = 65535;
	n = tcp_build(l4, &h);
	for (size_t i = 0; i < len; i++)
		l4[n + i] = (uint8_t)(i * 13 + i / 300);
	sum = csum_fold(
		csum_add(csum_pseudo4(ih.src, ih.dst, 6, (uint16_t)(n + len)), l4, n + len));
	memcpy(l4 + 16, &sum, 2);
	l4[3000] ^= damaged;
	ih.id = 77;
	for (at = 0; at < n + len; at = to) {
		to = at + 1480 < n + len ? at + 1480 : n + len;
		ih.frag_off = (uint16_t)at;
		ih.mf = to < n + len;
		desk_ip4(&d, &ih, l4 + at, to - at);
	}
}

START_TEST(a_segment_in_fragments_is_received_and_acknowledged)
{
	struct segment s;
	uint32_t acked = 0;

	send_cut(TCP_ACK | TCP_PSH | TCP_FIN, 8000, false);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), 8000);
	ck_assert_mem_eq(got, l4 + TCP_HDR_LEN, 8000);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), 0);
	desk_pass(&d, 50 * MS_NS);
	while (peer_got(&p, &s))
		acked = s.ack;
	ck_assert_uint_eq(acked, 8002);
}
END_TEST

START_TEST(a_damaged_one_is_dropped)
{
	send_cut(TCP_ACK | TCP_PSH, 8000, true);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "TcpInErrs"), 1);
}
END_TEST

START_TEST(a_reset_in_fragments_is_nobodys)
{
	send_cut(TCP_RST | TCP_ACK, 8000, false);
	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "TcpInErrs"), 1);
	peer_quiet(&p);
}
END_TEST

/* ---- frames in pieces: an MTU of 9000 */

#define JUMBO 8948u /* payload of a full segment with timestamps */

static void setup_jumbo(void)
{
	peer_desk_open(&d);
	desk_wide(&d);
	p = peer_make(&d);
	p.ts = true;
	p.mss = 8960;
	peer_accepted(&p);
}

static void read_all(uint32_t seq, uint32_t len)
{
	uint32_t same = 0;

	ck_assert_int_eq(desk_recv(p.so, got, sizeof(got), 0, NULL, NULL), len);
	while (same < len && got[same] == (uint8_t)(seq + same))
		same++;
	ck_assert_uint_eq(same, len);
}

START_TEST(the_mss_is_the_links)
{
	struct peer q = peer_make(&d);

	q.port++;
	q.mss = 8960;
	q.listener = p.listener;
	peer_send(&q, TCP_SYN, 0, 0, 0);
	ck_assert_uint_eq(peer_get(&q).h.opts.mss, 8960);
}
END_TEST

START_TEST(full_segments_are_acknowledged_at_every_second)
{
	for (uint32_t i = 0; i < 16; i++) { /* quick ones first */
		peer_send(&p, TCP_ACK, 1 + i * JUMBO, 1, JUMBO);
		read_all(1 + i * JUMBO, JUMBO);
		peer_drain(&p);
	}
	ck_assert_uint_eq(peer_info(&p).rcv_mss, JUMBO);
	ck_assert_int_eq(peer_write(&p, 1), 1); /* a dialogue: no more quick ACKs */
	peer_drain(&p);
	for (uint32_t i = 16; i < 20; i++) {
		peer_send(&p, TCP_ACK, 1 + i * JUMBO, 2, JUMBO);
		ck_assert_uint_eq(peer_drain(&p), i % 2);
	}
}
END_TEST

START_TEST(one_out_of_order_is_one_duplicate_ack_with_one_block)
{
	struct segment s;

	peer_send(&p, TCP_ACK, 1 + JUMBO, 1, JUMBO);
	s = peer_get(&p);
	ck_assert_uint_eq(s.ack, 1);
	ck_assert_uint_eq(s.h.opts.n_sack, 1);
	ck_assert_uint_eq(s.h.opts.sack[0].start, p.iss + 1 + JUMBO);
	ck_assert_uint_eq(s.h.opts.sack[0].end, p.iss + 1 + 2 * JUMBO);
	peer_quiet(&p);
	peer_send(&p, TCP_ACK, 1, 1, JUMBO);
	s = peer_get(&p);
	ck_assert_uint_eq(s.ack, 1 + 2 * JUMBO);
	peer_quiet(&p);
}
END_TEST

START_TEST(one_that_comes_twice_is_told_once_and_whole)
{
	struct segment s;

	peer_send(&p, TCP_ACK, 1, 1, JUMBO);
	peer_drain(&p);
	for (unsigned i = 0; i < 2; i++) { /* of the past; then half of the past */
		peer_send(&p, TCP_ACK, 1 + i * JUMBO / 2, 1, JUMBO);
		s = peer_get(&p);
		ck_assert_uint_eq(s.h.opts.n_sack, 1);
		ck_assert_uint_eq(s.h.opts.sack[0].start, p.iss + 1 + i * JUMBO / 2);
		ck_assert_uint_eq(s.h.opts.sack[0].end, p.iss + 1 + JUMBO);
		peer_quiet(&p);
	}
}
END_TEST

START_TEST(the_window_does_not_move_by_less_than_a_full_segment)
{
	struct segment s = {0};
	uint32_t at = 1, edge = 0;

	do { /* until it is closed */
		peer_send(&p, TCP_ACK, at, 1, JUMBO);
		at += JUMBO;
		while (peer_got(&p, &s))
			edge = s.ack + ((uint32_t)s.h.window << 7);
	} while (edge >= at + JUMBO);
	for (uint32_t read = 0; read < JUMBO; read += 1000) {
		ck_assert_int_eq(peer_read(&p, 1000), 1000);
		peer_send(&p, TCP_ACK, at, 1, 0);
		while (peer_got(&p, &s)) {
			uint32_t now = s.ack + ((uint32_t)s.h.window << 7);

			ck_assert(now == edge || now >= edge + JUMBO - 128);
			edge = now;
		}
	}
}
END_TEST

START_TEST(a_segment_to_a_port_where_nobody_is_is_reset_once)
{
	struct peer q = peer_make(&d);

	q.port += 9;
	q.stack_port = 99;
	peer_send(&q, TCP_ACK, 1, 1, JUMBO);
	ck_assert_uint_eq(peer_get(&q).h.flags, TCP_RST);
	peer_quiet(&q);
}
END_TEST

/* Its header is written anew where it was read from: the cookie must be the same one. */
START_TEST(the_first_buffer_of_a_fast_open_is_taken)
{
	struct tcp_opts o = {.has_mss = true, .mss = 8960, .fo = (const uint8_t *)""};
	struct peer q = peer_make(&d);
	uint8_t cookie[8];
	struct segment s;
	int queue = 5;

	sock_setopt(p.listener, IPPROTO_TCP, TCPO_FASTOPEN, &queue, sizeof(queue));
	for (unsigned i = 0; i < 2; i++) {
		q.port++;
		q.ts = i;
		peer_send_opts(&q, TCP_SYN, 0, 0, i ? JUMBO - 20 : 0, &o);
		s = peer_get(&q);
		if (!i) {
			ck_assert_uint_eq(s.h.opts.fo_len, 8);
			memcpy(cookie, s.h.opts.fo, 8);
			o.fo = cookie;
			o.fo_len = 8;
		}
	}
	ck_assert_uint_gt(s.ack, 1000);
	ck_assert_uint_eq(desk_count(&d, "TcpFastOpenPassive"), 1);
}
END_TEST

START_TEST(a_syn_with_more_than_a_buffer_holds_opens_a_connection)
{
	struct peer q = peer_make(&d);

	q.port++;
	q.listener = p.listener;
	peer_send(&q, TCP_SYN, 0, 0, JUMBO);
	ck_assert_uint_eq(peer_get(&q).h.flags & (TCP_SYN | TCP_ACK), TCP_SYN | TCP_ACK);
}
END_TEST

int main(void)
{
	int r = run_cases("tcp_pieces",
			  CASES(a_segment_in_fragments_is_received_and_acknowledged,
				a_damaged_one_is_dropped, a_reset_in_fragments_is_nobodys),
			  setup, teardown);

	return r |
	       run_cases("tcp_jumbo",
			 CASES(the_mss_is_the_links, full_segments_are_acknowledged_at_every_second,
			       one_out_of_order_is_one_duplicate_ack_with_one_block,
			       one_that_comes_twice_is_told_once_and_whole,
			       the_window_does_not_move_by_less_than_a_full_segment,
			       a_segment_to_a_port_where_nobody_is_is_reset_once,
			       the_first_buffer_of_a_fast_open_is_taken,
			       a_syn_with_more_than_a_buffer_holds_opens_a_connection),
			 setup_jumbo, teardown);
}
