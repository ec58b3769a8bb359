/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that we send and no buffer holds, on a link of 9,000 bytes: several buffers leave as
 * one, and what is lost goes again buffer by buffer. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_path.h"

#define A  TCP_ACK
#define PA (TCP_ACK | TCP_PSH)
#define B  1788u     /* a full buffer: 8,948 bytes, as timestamps leave them, by five, and even */
#define L  (5u * B)  /* a full segment */
#define IW (10u * B) /* the first window */

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	desk_wide(&d);
	p = peer_make(&d);
	p.ts = true;
	p.mss = 8960;
	p.rtt = 20 * MS_NS;
	peer_accepted(&p);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static void write_exactly(uint32_t len)
{
	ck_assert_int_eq(peer_write(&p, len), len);
}

/* The next segment is this, and its bytes are those of peer_write(), which count up. */
static void expect_bytes(uint8_t flags, uint32_t seq, uint32_t len)
{
	struct segment s = peer_get(&p);

	ck_assert_uint_eq(s.h.flags, flags);
	ck_assert_uint_eq(s.seq, seq);
	ck_assert_uint_eq(s.len, len);
	for (uint32_t i = 1; i < len; i++)
		ck_assert_uint_eq(s.payload[i], (uint8_t)(s.payload[0] + i));
}

static void books_are_right(void)
{
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}

/* ---- what one is made of ---- */

START_TEST(the_first_window_is_two_segments)
{
	struct tcp_info_abi i;

	write_exactly(30 * B);
	expect_bytes(A, 1, L);
	expect_bytes(A, 1 + L, L);
	peer_quiet(&p);
	i = peer_info(&p);
	ck_assert_uint_eq(i.unacked, 10);
	ck_assert_uint_eq(i.snd_mss, B); /* what unacked and cwnd count */
	ck_assert_uint_eq(i.data_segs_out, 2);
	ck_assert_uint_eq(i.segs_out, 3);
	ck_assert_uint_eq(i.bytes_sent, IW);
	ck_assert_uint_eq(desk_count(&d, "TcpOutSegs"), 3);
	books_are_right();
}
END_TEST

START_TEST(its_buffers_share_it_alike)
{
	static const struct {
		uint16_t mtu, buffer, segment;
	} want[] = {{9000, 1788, 8948}, {8000, 1588, 7948}, {5812, 1920, 5760},
		    {4000, 1316, 3948}, {2932, 1440, 2880}, {2931, 1920, 1920},
		    {1501, 1448, 1448}, {1500, 1448, 1448}, {1499, 1447, 1447}};

	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		d.port[0].port.mtu = want[i].mtu;
		tcp_sync_mss(p.so->tcp);
		ck_assert_uint_eq(p.so->tcp->snd_mss, want[i].buffer);
		ck_assert_uint_eq(p.so->tcp->wire_mss, want[i].segment);
	}
}
END_TEST

START_TEST(a_message_is_one_with_its_end)
{
	int mss = 0;
	uint32_t len = sizeof(mss);

	write_exactly(5000);
	expect_bytes(PA, 1, 5000);
	ck_assert_uint_eq(p.so->tcp->snd_sml, p.so->tcp->snd_nxt);
	ck_assert_int_eq(sock_getopt(p.so, IPPROTO_TCP, TCPO_MAXSEG, &mss, &len), 0);
	ck_assert_int_eq(mss, 8948);
}
END_TEST

START_TEST(nagle_and_cork_hold_its_end_back)
{
	write_exactly(100);
	write_exactly(2 * B + 7);
	peer_expect(&p, PA, 1, 1, 100);
	expect_bytes(A, 101, 2 * B);
	peer_quiet(&p);
	peer_send(&p, A, 1, 101 + 2 * B, 0);
	peer_expect(&p, PA, 101 + 2 * B, 1, 7);
	peer_send(&p, A, 1, 108 + 2 * B, 0);
	peer_option(&p, TCPO_CORK, 1);
	write_exactly(2 * B + 7);
	expect_bytes(A, 108 + 2 * B, 2 * B);
	peer_quiet(&p);
}
END_TEST

START_TEST(what_is_odd_ends_one)
{
	p.window = 0;
	peer_send(&p, A, 1, 1, 0);
	write_exactly(6 * B);
	ck_assert(tcp_split(p.so->tcp, p.so->tcp->snd_next->tcp.link, 101));
	p.window = 65535;
	peer_send(&p, A, 1, 1, 0);
	expect_bytes(A, 1, B + 101);
	expect_bytes(A, 1 + B + 101, B - 101);
	expect_bytes(PA, 1 + 2 * B, 4 * B);
	books_are_right();
}
END_TEST

START_TEST(the_window_of_the_peer_is_kept)
{
	p.window = 0;
	peer_send(&p, A, 1, 1, 0);
	p.window = (3 * B + 100) / 128; /* scaled */
	peer_send(&p, A, 1, 1, 0);
	write_exactly(10 * B);
	expect_bytes(A, 1, 3 * B);
	peer_quiet(&p);
	p.window = 65535;
	peer_send(&p, A, 1, 1 + 3 * B, 0);
	expect_bytes(A, 1 + 3 * B, L);
}
END_TEST

/* Else what a window cuts short would stay short: each ACK would open room for as much. */
START_TEST(with_two_under_way_it_waits_until_cwnd_lets_a_whole_one)
{
	p.so->tcp->cwnd = 13;
	write_exactly(30 * B);
	ck_assert_uint_eq(peer_drain(&p), 2);
	ck_assert(p.so->tcp->cwnd_limited);
	peer_send(&p, A, 1, 1 + L, 0); /* cwnd is 18 */
	expect_bytes(A, 1 + IW, L);
	expect_bytes(A, 1 + IW + L, L);
	peer_quiet(&p);
	books_are_right();
}
END_TEST

START_TEST(with_less_under_way_it_does_not_wait)
{
	p.so->tcp->cwnd = 7;
	write_exactly(30 * B);
	expect_bytes(A, 1, L);
	expect_bytes(A, 1 + L, 2 * B);
	peer_quiet(&p);
}
END_TEST

START_TEST(the_fin_rides_on_the_last)
{
	write_exactly(14 * B + 5);
	ck_assert_uint_eq(peer_drain(&p), 2);
	sock_shutdown(p.so, SHUT_WR);
	peer_send(&p, A, 1, 1 + IW, 0);
	expect_bytes(PA | TCP_FIN, 1 + IW, 4 * B + 5);
	peer_send(&p, A, 1, 1 + IW + 4 * B + 6, 0);
	ck_assert_uint_eq(p.so->tcp->state, TCPS_FIN_WAIT_2);
}
END_TEST

START_TEST(a_cwr_and_an_urgent_pointer_are_said_in_one)
{
	struct segment s;

	p.so->tcp->ecn_ok = p.so->tcp->ecn_cwr = true;
	write_exactly(2 * L);
	ck_assert_uint_eq(peer_get(&p).h.flags, A | TCP_CWR);
	s = peer_get(&p);
	ck_assert_uint_eq(s.h.flags & TCP_CWR, 0);
	ck_assert_uint_eq(s.tos & 3, IP_ECT0);
	peer_send(&p, A, 1, 1 + 2 * L, 0);
	p.so->tcp->snd_up = p.so->tcp->snd_end + 3 * B;
	p.so->tcp->snd_urg = true;
	write_exactly(L);
	s = peer_get(&p);
	ck_assert_uint_eq(s.len, L);
	ck_assert(s.h.flags & TCP_URG);
	ck_assert_uint_eq(s.h.urgent, 3 * B);
}
END_TEST

/* 8,948 bytes with its blocks, or with 8,940 of data without. */
START_TEST(sack_blocks_have_what_room_there_is)
{
	struct segment s;

	peer_send(&p, A, 101, 1, 50); /* a hole of ours */
	peer_drain(&p);
	write_exactly(L + 5000);
	s = peer_get(&p);
	ck_assert_uint_eq(s.len, L);
	ck_assert_uint_eq(s.h.opts.n_sack, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.len, 5000);
	ck_assert_uint_eq(s.h.opts.n_sack, 1);
}
END_TEST

START_TEST(what_the_application_allows_is_not_exceeded)
{
	peer_option(&p, TCPO_MAXSEG, 3000);
	tcp_sync_mss(p.so->tcp);
	write_exactly(4 * 2988);
	expect_bytes(A, 1, 2988);
	ck_assert_uint_eq(peer_get(&p).len, 2988);
}
END_TEST

START_TEST(paced_ones_leave_one_by_one)
{
	uint64_t rate = 1000000; /* a segment each 9 ms */

	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
	write_exactly(IW);
	ck_assert_uint_eq(peer_drain(&p), 1);
	desk_pass(&d, 5 * MS_NS);
	peer_quiet(&p);
	desk_pass(&d, 5 * MS_NS);
	expect_bytes(PA, 1 + L, L);
}
END_TEST

START_TEST(without_a_buffer_for_the_header_buffers_go_alone)
{
	struct pktbuf *hold = NULL, *b;

	p.window = 0;
	peer_send(&p, A, 1, 1, 0);
	write_exactly(IW);
	p.window = 65535;
	while (d.pool.avail > 1) { /* one for the peer's ACK, and then for a header */
		b = pktbuf_alloc(&d.pool);
		b->next = hold;
		hold = b;
	}
	d.port[0].jammed = true; /* the device keeps what it has */
	peer_send(&p, A, 1, 1, 0);
	pktbuf_free_list(hold);
	d.port[0].jammed = false;
	desk_flush(&d);
	expect_bytes(A, 1, L);
	for (uint32_t i = 0; i < 5; i++)
		expect_bytes(i == 4 ? PA : A, 1 + L + i * B, B);
	books_are_right();
}
END_TEST

/* ---- what becomes of them ---- */

START_TEST(a_lost_one_goes_again_buffer_by_buffer)
{
	write_exactly(IW);
	ck_assert_uint_eq(peer_drain(&p), 2);
	desk_pass(&d, p.rtt);
	peer_sack(&p, 1, 1 + L, 1 + 2 * L);
	desk_pass(&d, p.rtt);
	for (uint32_t i = 0; i < 5; i++)
		expect_bytes(A, 1 + i * B, B);
	books_are_right();
	peer_send(&p, A, 1, 1 + IW, 0);
	ck_assert_ptr_null(p.so->tcp->snd_head);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 5);
	ck_assert_uint_eq(peer_info(&p).data_segs_out, 7);
}
END_TEST

START_TEST(of_one_that_arrived_in_part_the_rest_goes_again)
{
	write_exactly(IW);
	peer_drain(&p);
	desk_pass(&d, p.rtt);
	peer_sack(&p, 1 + B, 1 + 3 * B, 1 + IW); /* a middlebox that cuts */
	desk_pass(&d, p.rtt);
	expect_bytes(A, 1 + B, B);
	books_are_right();
	peer_send(&p, A, 1, 1 + IW, 0);
	books_are_right();
}
END_TEST

/* What it holds must not be written to: a copy goes, and the frame that waits is as it was. */
START_TEST(while_the_device_holds_one_its_buffers_go_again_as_copies)
{
	struct tcp_pcb *pcb = p.so->tcp;
	struct segment s;

	d.port[0].jammed = true;
	write_exactly(L);
	ck_assert_uint_gt(pcb->snd_head->refs, 1);
	ck_assert(tcp_retransmit(pcb, pcb->snd_head));
	peer_send(&p, A, 1, 1 + 2 * B, 0); /* the first two go, from our queue */
	d.port[0].jammed = false;
	desk_flush(&d);
	expect_bytes(PA, 1, L);
	s = peer_get(&p);
	ck_assert_uint_eq(s.seq, 1);
	ck_assert_uint_eq(s.len, B);
	books_are_right();
}
END_TEST

START_TEST(packets_to_ourselves_are_of_one_buffer)
{
	struct socket *l = desk_socket(&d, SOCK_STREAM, 0), *c = desk_socket(&d, SOCK_STREAM, 0);
	static char data[30000];

	ck_assert_int_eq(desk_bind(l, ip(10, 0, 0, 1), 99), 0);
	ck_assert_int_eq(sock_listen(l, 1), 0);
	(void)desk_connect(c, ip(10, 0, 0, 1), 99);
	desk_flush(&d);
	ck_assert_uint_eq(c->tcp->wire_mss, TCP_MSS_MAX);
	ck_assert_int_eq(desk_send(&d, c, data, sizeof(data), NULL), sizeof(data));
	ck_assert_uint_eq(c->tcp->packets_out, 0);
	ck_assert_uint_eq(desk_count(&d, "IpInHdrErrors"), 0);
	sock_close(c);
	sock_close(l);
}
END_TEST

/* ---- paths that take less ---- */

static void frag_needed(uint16_t mtu, uint32_t seq)
{
	struct ip4_hdr h = {
		.protocol = 6, .src = ip(10, 0, 0, 1), .dst = ip(10, 0, 0, 9), .ttl = 60};
	struct icmp_hdr icmp = {.type = 3, .code = 4, .rest = mtu};
	uint8_t quote[28] = {0};

	h.total_len = 9000;
	ip4_build(quote, &h);
	wire_put16(quote + 20, p.stack_port);
	wire_put16(quote + 22, p.port);
	wire_put32(quote + 24, p.stack_iss + seq);
	desk_icmp(&d, ip(10, 0, 0, 7), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
}

START_TEST(a_router_that_takes_less_has_them_shorter)
{
	uint32_t cwnd = p.so->tcp->cwnd, seq = 1;
	struct segment s;

	write_exactly(L);
	peer_drain(&p);
	frag_needed(4000, 1);
	ck_assert_uint_eq(p.so->tcp->wire_mss, 3948);
	ck_assert_uint_eq(p.so->tcp->cwnd, cwnd);
	while (peer_got(&p, &s)) { /* at once all that is out, cut as it must be */
		ck_assert_uint_eq(s.seq, seq);
		ck_assert_uint_le(s.len, 1316);
		seq += s.len;
	}
	ck_assert_uint_eq(seq, 1 + L);
	books_are_right();
	peer_send(&p, A, 1, seq, 0);
	write_exactly(3 * 1316);
	expect_bytes(PA, seq, 3 * 1316);
}
END_TEST

/* Each of its buffers would have fitted: the segment did not. */
START_TEST(that_buffers_would_have_fitted_helps_no_segment)
{
	write_exactly(L);
	peer_drain(&p);
	frag_needed(1900, 1);
	for (uint32_t i = 0; i < 5; i++)
		expect_bytes(i == 4 ? PA : A, 1 + i * B, B);
	frag_needed(1880, 1); /* these did go alone */
	peer_quiet(&p);
	books_are_right();
}
END_TEST

START_TEST(a_route_to_a_narrow_port_ends_them)
{
	struct segment s;

	d.port[0].port.mtu = 1500;
	write_exactly(IW);
	ck_assert_uint_eq(p.so->tcp->train_max, 0);
	s = peer_get(&p);
	ck_assert_uint_eq(s.seq, 1 + L); /* the first is lost, as on a wire */
	ck_assert_uint_eq(s.len, 1448);
	peer_drain(&p);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_ge(peer_drain(&p), 1);
	books_are_right();
}
END_TEST

/* Who lets routers cut has his segments cut: with a sum that is right. */
START_TEST(where_it_may_be_cut_it_leaves_in_fragments)
{
	int v = IP_PMTUDISC_DONT;
	static uint8_t whole[9000];
	struct packet pk;
	uint32_t n = 0;

	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
	d.port[0].port.mtu = 1500;
	write_exactly(L);
	while (desk_sent(&d, 0, &pk)) {
		ck_assert_uint_eq(pk.ip.frag_off, n);
		memcpy(whole + n, pk.l4, pk.l4_len);
		n += pk.l4_len;
	}
	ck_assert_uint_eq(n, L + 32);
	ck_assert_uint_eq(
		csum_fold(csum_add(csum_pseudo4(ip(10, 0, 0, 1), ip(10, 0, 0, 9), 6, (uint16_t)n),
				   whole, n)),
		0);
}
END_TEST

static struct path path;

START_TEST(a_path_that_swallows_them_is_found_out_by_the_second_loss)
{
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 100000, 1948);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpFastRetrans"), 2);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	ck_assert_uint_le(p.so->tcp->wire_mss, 1948);
	path_transfer(&path, 400000, 1948);
	ck_assert_uint_eq(desk_count(&d, "TcpFastRetrans"), 2); /* a lost probe is no congestion */
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	ck_assert_uint_gt(desk_count(&d, "TcpMtuProbesLost"), 1);
}
END_TEST

START_TEST(what_it_does_take_is_searched_by_probes_of_several_buffers)
{
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 2000000, 5000);
	ck_assert_uint_le(p.so->tcp->wire_mss, 5000);
	ck_assert_uint_gt(p.so->tcp->wire_mss, 5000 - 8);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	ck_assert_uint_gt(desk_count(&d, "TcpMtuProbesLost"), 2);
}
END_TEST

START_TEST(after_a_false_suspicion_the_first_probe_brings_them_back)
{
	struct tcp_pcb *pcb = p.so->tcp;

	pcb->path_mtu = 1972;
	pcb->path_mtu_at = UINT64_MAX;
	pcb->mtu_search = pcb->mtu.top = true;
	tcp_sync_mss(pcb);
	ck_assert_uint_eq(pcb->wire_mss, 1920);
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 200000, 8948);
	ck_assert_uint_eq(pcb->wire_mss, 8948);
	ck_assert_uint_eq(pcb->path_mtu, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpRetransSegs"), 0);
}
END_TEST

START_TEST(a_narrow_path_that_says_nothing_is_used_in_the_end)
{
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 1000000, 1448);
	ck_assert_uint_eq(p.so->tcp->wire_mss, 1448); /* what most take is tried first */
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 3);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
}
END_TEST

START_TEST(without_sack_the_second_loss_tells_too_and_time_brings_them_back)
{
	p.sack = false;
	p.port++;
	peer_accepted(&p);
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 100000, 1948);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_eq(p.so->tcp->wire_mss, 1920);
	path_transfer(&path, 300000, 1948);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 0);
	desk_pass(&d, 601 * SEC_NS);
	path_transfer(&path, 200000, L + 8);
	ck_assert_uint_eq(p.so->tcp->wire_mss, 8948);
}
END_TEST

START_TEST(where_nothing_is_to_be_probed_they_stay)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 0), 0);
	path_begin(&path, &p, 60000, 4000);
	path_transfer(&path, 100000, 1948);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 0);
	ck_assert_uint_eq(p.so->tcp->wire_mss, 8948);
}
END_TEST

int main(void)
{
	return run_cases("tcp_jumbo",
			 CASES(the_first_window_is_two_segments, its_buffers_share_it_alike,
			       a_message_is_one_with_its_end, nagle_and_cork_hold_its_end_back,
			       what_is_odd_ends_one, the_window_of_the_peer_is_kept,
			       with_two_under_way_it_waits_until_cwnd_lets_a_whole_one,
			       with_less_under_way_it_does_not_wait, the_fin_rides_on_the_last,
			       a_cwr_and_an_urgent_pointer_are_said_in_one,
			       sack_blocks_have_what_room_there_is,
			       what_the_application_allows_is_not_exceeded,
			       paced_ones_leave_one_by_one,
			       without_a_buffer_for_the_header_buffers_go_alone,
			       a_lost_one_goes_again_buffer_by_buffer,
			       of_one_that_arrived_in_part_the_rest_goes_again,
			       while_the_device_holds_one_its_buffers_go_again_as_copies,
			       packets_to_ourselves_are_of_one_buffer,
			       a_router_that_takes_less_has_them_shorter,
			       that_buffers_would_have_fitted_helps_no_segment,
			       a_route_to_a_narrow_port_ends_them,
			       where_it_may_be_cut_it_leaves_in_fragments,
			       a_path_that_swallows_them_is_found_out_by_the_second_loss,
			       what_it_does_take_is_searched_by_probes_of_several_buffers,
			       after_a_false_suspicion_the_first_probe_brings_them_back,
			       a_narrow_path_that_says_nothing_is_used_in_the_end,
			       without_sack_the_second_loss_tells_too_and_time_brings_them_back,
			       where_nothing_is_to_be_probed_they_stay),
			 setup, teardown);
}
