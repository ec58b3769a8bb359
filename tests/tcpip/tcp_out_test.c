/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be sent now, and what it looks like. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/peer_case.h"

#define PA (TCP_ACK | TCP_PSH)

START_TEST(ten_segments_go_at_first)
{
	unsigned i;

	peer_accepted(&p);
	ck_assert_int_eq(peer_write(&p, 30 * 1460), 30 * 1460);
	for (i = 0; i < 10; i++)
		peer_expect(&p, A, 1 + i * 1460, 1, 1460);
	peer_quiet(&p);
	peer_send(&p, A, 1, 1 + 2 * 1460, 0);
	ck_assert_uint_eq(peer_drain(&p), 4); /* slow start: two for each acknowledged */
}
END_TEST

START_TEST(the_end_of_a_write_is_pushed)
{
	peer_accepted(&p);
	peer_write(&p, 2000);
	peer_expect(&p, A, 1, 1, 1460);
	peer_expect(&p, PA, 1461, 1, 540);
}
END_TEST

START_TEST(small_writes_wait_for_the_ack_of_a_small_segment)
{
	peer_accepted(&p);
	peer_write(&p, 10);
	peer_expect(&p, PA, 1, 1, 10);
	peer_write(&p, 10);
	peer_write(&p, 10);
	peer_quiet(&p);
	peer_send(&p, A, 1, 11, 0);
	peer_expect(&p, PA, 11, 1, 20); /* as one */
	ck_assert_uint_eq(p.so->tcp->snd_bufs, 1);
}
END_TEST

START_TEST(nodelay_sends_at_once)
{
	peer_accepted(&p);
	peer_option(&p, TCPO_NODELAY, 1);
	peer_write(&p, 10);
	peer_write(&p, 10);
	peer_expect(&p, PA, 1, 1, 10);
	peer_expect(&p, PA, 11, 1, 10);
}
END_TEST

START_TEST(a_corked_part_waits_200_ms_at_most)
{
	peer_accepted(&p);
	peer_option(&p, TCPO_CORK, 1);
	peer_write(&p, 1500);
	peer_expect(&p, A, 1, 1, 1460);
	peer_send(&p, A, 1, 1461, 0);
	peer_quiet(&p);
	desk_pass(&d, 150 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 100 * MS_NS);
	peer_expect(&p, PA, 1461, 1, 40);
}
END_TEST

START_TEST(uncorking_sends)
{
	peer_accepted(&p);
	peer_option(&p, TCPO_CORK, 1);
	peer_write(&p, 100);
	peer_quiet(&p);
	peer_option(&p, TCPO_CORK, 0);
	peer_expect(&p, PA, 1, 1, 100);
}
END_TEST

START_TEST(the_window_of_the_peer_is_kept)
{
	p.wscale = false;
	p.window = 3000;
	peer_accepted(&p);
	peer_write(&p, 10000);
	peer_expect(&p, A, 1, 1, 1460);
	peer_expect(&p, PA, 1461, 1, 1460); /* a window without PSH is enough */
	peer_quiet(&p);			    /* 80 bytes more would be silly */
	p.window = 0;
	peer_send(&p, A, 1, 2921, 0);
	peer_quiet(&p);
	p.window = 6000;
	peer_send(&p, A, 1, 2921, 0);
	ck_assert_uint_eq(peer_drain(&p), 4);
}
END_TEST

static unsigned sent_after_a_pause(void)
{
	peer_accepted(&p);
	peer_write(&p, 10 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 10);
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	peer_write(&p, 20 * 1460);
	ck_assert_uint_eq(peer_drain(&p), 20);
	peer_send(&p, A, 1, 1 + 30 * 1460, 0);
	desk_pass(&d, 10 * SEC_NS);
	peer_write(&p, 30 * 1460);
	return peer_drain(&p);
}

START_TEST(after_a_pause_the_window_is_the_first_one)
{
	ck_assert_uint_eq(sent_after_a_pause(), 10);
}
END_TEST

START_TEST(after_a_pause_the_window_stays_where_that_is_wanted)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "slow_start_after_idle", 0), 0);
	ck_assert_uint_eq(sent_after_a_pause(), 30);
}
END_TEST

START_TEST(the_fin_rides_on_the_last_data)
{
	peer_accepted(&p);
	peer_write(&p, 20 * 1460);
	peer_drain(&p);
	sock_shutdown(p.so, SHUT_WR);
	desk_flush(&d);
	peer_quiet(&p);
	peer_send(&p, A, 1, 1 + 10 * 1460, 0);
	for (unsigned i = 10; i < 19; i++)
		peer_expect(&p, A, 1 + i * 1460, 1, 1460);
	peer_expect(&p, PA | TCP_FIN, 1 + 19 * 1460, 1, 1460);
}
END_TEST

START_TEST(options_take_their_room_from_the_payload)
{
	p.ts = true;
	peer_accepted(&p);
	peer_write(&p, 3000);
	peer_expect(&p, A, 1, 1, 1448);
	ck_assert_uint_eq(peer_info(&p).snd_mss, 1448);
}
END_TEST

START_TEST(a_smaller_mss_of_the_peer_is_kept)
{
	p.mss = 600;
	peer_accepted(&p);
	peer_write(&p, 1000);
	peer_expect(&p, A, 1, 1, 600);
	peer_expect(&p, PA, 601, 1, 400);
}
END_TEST

START_TEST(without_the_option_the_mss_is_536)
{
	p.mss = 0;
	peer_accepted(&p);
	peer_write(&p, 1000);
	peer_expect(&p, A, 1, 1, 536);
}
END_TEST

START_TEST(a_hop_that_needs_fragments_lowers_the_mss_and_is_repeated)
{
	uint8_t quote[28] = {0};
	struct ip4_hdr h = {.protocol = 6, .dst = ip(10, 0, 0, 9), .src = ip(10, 0, 0, 1)};
	struct icmp_hdr icmp = {.type = 3, .code = 4, .rest = 1000};

	peer_accepted(&p);
	peer_write(&p, 1460);
	peer_drain(&p);
	h.total_len = 1500;
	h.ttl = 64;
	ip4_build(quote, &h);
	wire_put16(quote + 20, 80);
	wire_put16(quote + 22, 4000);
	wire_put32(quote + 24, p.stack_iss + 1);
	desk_icmp(&d, ip(10, 0, 0, 9), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
	peer_expect(&p, A, 1, 1, 960);
	peer_expect(&p, PA, 961, 1, 500);
}
END_TEST

START_TEST(a_writer_is_told_when_a_third_is_free)
{
	int64_t n;
	int buf = 30000;

	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf)), 0);
	do
		n = peer_write(&p, 1460);
	while (n > 0);
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert(!(sock_events(p.so) & POLLOUT));
	peer_drain(&p);
	d.wakes = 0;
	peer_send(&p, A, 1, 1 + 2 * 1460, 0);
	ck_assert(!(sock_events(p.so) & POLLOUT));
	ck_assert_uint_eq(d.wakes, 0);
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + 14 * 1460, 0);
	ck_assert(sock_events(p.so) & POLLOUT);
	ck_assert_uint_ge(d.wakes, 1);
}
END_TEST

START_TEST(single_bytes_do_not_cost_a_buffer_each)
{
	unsigned i;

	peer_accepted(&p);
	for (i = 0; i < 500; i++)
		ck_assert_int_eq(peer_write(&p, 1), 1);
	ck_assert_uint_le(p.so->tcp->snd_bufs, 2);
}
END_TEST

START_TEST(a_frame_the_device_still_holds_is_sent_again_from_a_copy)
{
	struct pktbuf *held;

	peer_accepted(&p);
	peer_write(&p, 100);
	peer_expect(&p, PA, 1, 1, 100);
	held = p.so->tcp->snd_head;
	pktbuf_hold(held); /* as a device that is slow */
	uint16_t off = held->off, len = held->len;

	desk_pass(&d, 3 * SEC_NS);
	ck_assert_uint_ge(peer_drain(&p), 1);
	ck_assert_uint_eq(held->off, off);
	ck_assert_uint_eq(held->len, len);
	peer_send(&p, A, 1, 101, 0);
	ck_assert_uint_eq(held->refs, 1);
	pktbuf_free(held);
}
END_TEST

/* A device that is slower than we are: nothing is lost on our side of the wire. */
/* A device that takes nothing, and half a queue of frames for it. */
static void jam(void)
{
	struct socket *u = desk_socket(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name(ip(10, 0, 0, 9), 9);

	d.port[0].jammed = true;
	for (unsigned i = 0; i < PORT_PENDING / 2; i++)
		ck_assert_int_eq(desk_send(&d, u, "x", 1, &to), 1);
	sock_close(u);
}

START_TEST(data_waits_while_the_port_cannot_keep_up)
{
	peer_accepted(&p);
	jam();
	peer_write(&p, 3000);
	ck_assert_uint_eq(p.so->tcp->packets_out, 0);
	d.port[0].jammed = false;
	desk_flush(&d);
	desk_pass(&d, 2 * MS_NS); /* nobody has to call for that */
	ck_assert_uint_eq(desk_drop_sent(&d, 0), PORT_PENDING / 2 + 3);
	ck_assert_uint_eq(d.port[0].port.stats.out_dropped, 0);
}
END_TEST

START_TEST(a_link_that_is_down_holds_nobody_up)
{
	peer_accepted(&p);
	jam();
	d.port[0].port.link_up = false;
	peer_write(&p, 3000);
	ck_assert_uint_eq(p.so->tcp->packets_out, 3);
	d.port[0].jammed = false;
	desk_flush(&d);
	desk_drop_sent(&d, 0);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_out",
		CASES(ten_segments_go_at_first, the_end_of_a_write_is_pushed,
		      small_writes_wait_for_the_ack_of_a_small_segment, nodelay_sends_at_once,
		      a_corked_part_waits_200_ms_at_most, uncorking_sends,
		      the_window_of_the_peer_is_kept, the_fin_rides_on_the_last_data,
		      after_a_pause_the_window_is_the_first_one,
		      after_a_pause_the_window_stays_where_that_is_wanted,
		      options_take_their_room_from_the_payload, a_smaller_mss_of_the_peer_is_kept,
		      without_the_option_the_mss_is_536,
		      a_hop_that_needs_fragments_lowers_the_mss_and_is_repeated,
		      a_writer_is_told_when_a_third_is_free, single_bytes_do_not_cost_a_buffer_each,
		      a_frame_the_device_still_holds_is_sent_again_from_a_copy,
		      data_waits_while_the_port_cannot_keep_up,
		      a_link_that_is_down_holds_nobody_up),
		setup, teardown);
}
