/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths that take less than their first hop does: told by ICMP, found out by timeouts and by probes
 * (RFC 4821), raised again. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_path.h"

#define A TCP_ACK
#define M 1460u

static struct desk d;
static struct peer p;

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	p.rtt = 20 * MS_NS;
	peer_accepted(&p);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static void frag_needed(uint16_t mtu, uint32_t seq)
{
	struct ip4_hdr h = {
		.protocol = 6, .src = ip(10, 0, 0, 1), .dst = ip(10, 0, 0, 9), .ttl = 60};
	struct icmp_hdr icmp = {.type = 3, .code = 4, .rest = mtu};
	uint8_t quote[28] = {0};

	h.total_len = 1500;
	ip4_build(quote, &h);
	wire_put16(quote + 20, p.stack_port);
	wire_put16(quote + 22, p.port);
	wire_put32(quote + 24, p.stack_iss + seq);
	desk_icmp(&d, ip(10, 0, 0, 7), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
}

START_TEST(a_black_hole_is_found_without_icmp)
{
	uint32_t got = 0, seq = 1, tries;
	struct segment s;

	peer_write(&p, 4 * M);
	peer_drain(&p);
	/* Only what is no longer than 1,100 bytes arrives. */
	for (tries = 0; tries < 40 && seq < 1 + 4 * M; tries++) {
		desk_pass(&d, 500 * MS_NS);
		while (peer_got(&p, &s)) {
			if (s.len + 40 > 1100 || s.seq != seq)
				continue;
			seq += s.len;
			got++;
			peer_send(&p, A, 1, seq, 0);
		}
	}
	ck_assert_uint_eq(seq, 1 + 4 * M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 1024);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_ge(got, 5);
}
END_TEST

START_TEST(small_segments_that_are_lost_are_no_black_hole)
{
	peer_write(&p, 200);
	desk_pass(&d, 30 * SEC_NS);
	ck_assert_uint_ge(peer_drain(&p), 5);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 0);
}
END_TEST

START_TEST(the_search_can_be_turned_off)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 0), 0);
	peer_write(&p, M);
	desk_pass(&d, 30 * SEC_NS);
	peer_drain(&p);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
}
END_TEST

START_TEST(a_router_further_on_may_take_less_again)
{
	peer_write(&p, 4 * M);
	peer_drain(&p);
	frag_needed(1000, 1);
	ck_assert_uint_eq(peer_get(&p).len, 960);
	peer_drain(&p);
	frag_needed(800, 1);
	for (uint32_t i = 0; i < 2; i++) { /* at once, all that is too long */
		peer_expect(&p, A, 1 + i * M, 1, 760);
		peer_expect(&p, A, 761 + i * M, 1, 200);
	}
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

/* SACK blocks for what is out and of a few bytes. */
static void take_crumbs(void)
{
	const struct tcp_pcb *pcb = p.so->tcp;
	struct tcp_opts o = {.n_sack = 1};
	const struct pktbuf *b;

	for (b = pcb->snd_head; b != pcb->snd_next; b = b->tcp.link) {
		if (b->tcp.payload_len > 100 || b->tcp.sacked & TCP_SACKED)
			continue;
		o.sack[0] = (struct tcp_sack_block){b->tcp.seq, b->tcp.seq_end};
		peer_send_opts(&p, A, 1, 1, 0, &o);
	}
	peer_drain(&p);
}

/* A byte less each time: what is out is cut again and again, and the crumbs are kept. */
START_TEST(errors_without_end_do_not_fill_the_memory)
{
	uint32_t room = p.so->tcp->sndbuf / PKTBUF_SIZE;

	peer_write(&p, 10 * M);
	peer_drain(&p);
	for (uint16_t mtu = 1499; mtu > 1300; mtu--) {
		frag_needed(mtu, 1);
		take_crumbs();
		ck_assert_uint_le(p.so->tcp->snd_bufs, 2 * room + 16);
		ck_assert_ptr_null(tcp_check(p.so->tcp));
	}
}
END_TEST

/* A quarter of what a probe needs arrives and is answered; then enough for one. */
static void ten_minutes_after_1000(void)
{
	peer_write(&p, M);
	peer_drain(&p);
	frag_needed(1000, 1);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 960);
	ck_assert_uint_eq(peer_get(&p).len, 960);
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + M, 0);
	desk_pass(&d, 599 * SEC_NS);
	peer_write(&p, 10);
	peer_drain(&p);
	peer_send(&p, A, 1, 11 + M, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 960);
	desk_pass(&d, 2 * SEC_NS);
	peer_write(&p, 10);
	peer_drain(&p);
	peer_send(&p, A, 1, 21 + M, 0);
}

START_TEST(ten_minutes_later_the_larger_is_tried_again)
{
	ten_minutes_after_1000();
	ck_assert_uint_eq(p.so->tcp->snd_mss, 960);
	peer_write(&p, M + 3 * 960);
	ck_assert_uint_eq(peer_get(&p).len, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 960);
	ck_assert_uint_ge(peer_drain(&p), 3);
	peer_send(&p, A, 1, 21 + M + M, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
}
END_TEST

/* No probe could tell: it is tried with whatever comes, as RFC 1191 6.3 has it. */
START_TEST(without_probes_it_is_tried_at_once)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 0), 0);
	ten_minutes_after_1000();
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
}
END_TEST

START_TEST(an_attacker_gets_no_smaller_than_552)
{
	peer_write(&p, M);
	peer_drain(&p);
	frag_needed(68, 1);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 512);
	frag_needed(600, 1); /* larger: no news */
	ck_assert_uint_eq(p.so->tcp->snd_mss, 512);
	peer_drain(&p);
}
END_TEST

START_TEST(without_a_buffer_the_front_of_a_long_segment_goes)
{
	struct pktbuf *taken = NULL, *b;
	struct segment s;

	peer_write(&p, 2 * M);
	peer_drain(&p);
	frag_needed(1000, 1);
	peer_drain(&p);
	p.so->tcp->path_mtu = 600; /* shorter still, and nothing left to split with */
	tcp_sync_mss(p.so->tcp);
	while (d.pool.avail > 6) {
		b = pktbuf_alloc(&d.pool);
		b->next = taken;
		taken = b;
	}
	desk_pass(&d, 2 * SEC_NS);
	s = peer_get(&p);
	ck_assert_uint_eq(s.seq, 1);
	ck_assert_uint_eq(s.len, 560);
	pktbuf_free_list(taken);
	peer_drain(&p);
	peer_send(&p, A, 1, 561, 0);
	ck_assert_uint_eq(p.so->tcp->snd_una - p.stack_iss, 561);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(peer_get(&p).seq, 561);
	peer_drain(&p);
}
END_TEST

START_TEST(ip_mtu_discover_rules_the_bit)
{
	int v = IP_PMTUDISC_DONT;
	struct packet pk;

	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
	peer_write(&p, M);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(!pk.ip.df);
	v = IP_PMTUDISC_INTERFACE;
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
	frag_needed(1000, 1); /* not listened to */
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	desk_drop_sent(&d, 0);
}
END_TEST

/* ---- probes, RFC 4821 ---- */

#define B 1024u /* base_mss */

/* A connection of a stack that probes always, and begins with B. */
static void probing(void)
{
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 2), 0);
	p.port++;
	p.so = NULL;
	peer_accepted(&p);
	ck_assert_uint_eq(p.so->tcp->snd_mss, B);
}

/* The probe and what followed it were sent: how much in all. */
static uint32_t probe_of(uint32_t seq, uint32_t len)
{
	struct segment s = peer_get(&p);
	uint32_t end = s.seq + s.len;

	ck_assert_uint_eq(s.seq, seq);
	ck_assert_uint_eq(s.len, len);
	while (peer_got(&p, &s)) {
		ck_assert_uint_le(s.len, B);
		ck_assert_uint_eq(s.seq, end);
		end += s.len;
	}
	return end;
}

#define FLIGHT (10 * B) /* a window: the probe, what it left of a buffer, eight segments */

/* Such a window is sent, just the probe is lost, which shows. */
static void lose_probe(void)
{
	peer_write(&p, FLIGHT);
	ck_assert_uint_eq(probe_of(1, M), 1 + FLIGHT);
	desk_pass(&d, p.rtt);
	peer_sack(&p, 1, 1 + M, 1 + 2 * B);
	peer_sack(&p, 1, 1 + M, 1 + 3 * B);
	peer_sack(&p, 1, 1 + M, 1 + 4 * B);
	desk_pass(&d, p.rtt);
}

START_TEST(a_probe_that_arrives_makes_segments_longer)
{
	uint32_t end;

	probing();
	peer_write(&p, 20 * B);
	end = probe_of(1, M);
	ck_assert_uint_eq(peer_info(&p).pmtu, B + 40);
	desk_pass(&d, p.rtt);
	peer_send(&p, A, 1, 1 + M, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	ck_assert_uint_eq(peer_info(&p).pmtu, 1500);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 1);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbesLost"), 0);
	peer_drain(&p);
	peer_send(&p, A, 1, end, 0);
}
END_TEST

START_TEST(the_bytes_of_a_probe_are_those_that_were_written)
{
	static uint8_t got[30 * B], want[sizeof(got)];
	struct segment s;
	uint32_t i, last = 1, at = 1;

	probing();
	peer_option(&p, TCPO_NODELAY, 1);
	for (i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7 + (i >> 8));
	/* Buffers of every length wait for the window to open. */
	p.window = 0;
	peer_send(&p, A, 1, 1, 0);
	for (i = 0; i < sizeof(want); i += 700)
		ck_assert_int_gt(desk_send(&d, p.so, want + i,
					   i + 700 > sizeof(want) ? sizeof(want) - i : 700, NULL),
				 0);
	p.window = 65535;
	peer_send(&p, A, 1, 1, 0);
	while (at < 1 + sizeof(got)) {
		while (peer_got(&p, &s)) {
			ck_assert_uint_eq(s.seq, at);
			memcpy(got + at - 1, s.payload, s.len);
			at += s.len;
		}
		ck_assert_uint_gt(at, last);
		last = at;
		desk_pass(&d, p.rtt);
		peer_send(&p, A, 1, at, 0);
	}
	ck_assert_mem_eq(got, want, sizeof(got));
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 1);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

/* The probe's data goes again at once, in segments that fit. */
static void expect_probe_again(void)
{
	struct segment s = peer_get(&p);

	ck_assert(s.seq == 1 && s.len == B);
	s = peer_get(&p);
	ck_assert(s.seq == 1 + B && s.len == M - B);
	peer_quiet(&p);
}

START_TEST(a_probe_that_alone_is_lost_is_no_congestion)
{
	uint32_t cwnd;

	probing();
	cwnd = p.so->tcp->cwnd;
	lose_probe();
	expect_probe_again();
	ck_assert_uint_eq(p.so->tcp->cwnd, cwnd);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_DISORDER);
	ck_assert_uint_eq(peer_info(&p).total_retrans, 2);
	ck_assert_uint_eq(desk_count(&d, "TcpFastRetrans"), 0);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbesLost"), 1);
	ck_assert_uint_eq(p.so->tcp->snd_mss, B);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
	peer_send(&p, A, 1, 1 + FLIGHT, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	ck_assert_uint_ge(p.so->tcp->cwnd, cwnd);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

START_TEST(what_a_lost_probe_carried_may_be_lost_as_any_segment)
{
	uint32_t cwnd;

	probing();
	cwnd = p.so->tcp->cwnd;
	lose_probe();
	expect_probe_again();
	desk_pass(&d, p.rtt);
	/* Its second half arrives, sent later than its first: that is congestion. */
	peer_sack(&p, 1, 1 + B, 1 + FLIGHT);
	desk_pass(&d, 3 * p.rtt);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_RECOVERY);
	ck_assert_uint_lt(p.so->tcp->ssthresh, cwnd);
	peer_expect(&p, A, 1, 1, B);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
}
END_TEST

static struct path path;

START_TEST(the_search_ends_within_eight_bytes_and_rests)
{
	uint64_t probes;

	probing();
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 600000, 1300);
	ck_assert_uint_le(p.so->tcp->snd_mss, 1300);
	ck_assert_uint_gt(p.so->tcp->snd_mss, 1300 - 8);
	probes = desk_count(&d, "TcpMtuProbes");
	ck_assert_uint_le(probes, 8);
	ck_assert_uint_eq(desk_count(&d, "TcpTimeouts"), 0);
	ck_assert_uint_eq(desk_count(&d, "TcpFastRetrans"), 0);
	path_transfer(&path, 100000, 1300);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), probes);
	/* Meanwhile the path has become wider. */
	desk_pass(&d, 601 * SEC_NS);
	path_transfer(&path, 100000, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), probes + 1);
	path_transfer(&path, 10000, M);
}
END_TEST

START_TEST(what_the_search_found_is_known_to_the_next_connection)
{
	struct socket *first;

	probing();
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 600000, 1300);
	first = p.so;
	p.port++;
	p.so = NULL;
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 1), 0);
	peer_accepted(&p);
	ck_assert_uint_eq(p.so->tcp->snd_mss, first->tcp->snd_mss);
	desk_pass(&d, 601 * SEC_NS);
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 100000, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
}
END_TEST

/* RFC 4821 7.6.2: losses that nobody pays for must be rare. */
START_TEST(after_a_lost_probe_some_round_trips_go_by)
{
	uint32_t cwnd, trips = 0, seq = 1 + FLIGHT;

	probing();
	cwnd = p.so->tcp->cwnd;
	lose_probe();
	peer_drain(&p);
	peer_send(&p, A, 1, seq, 0);
	for (; desk_count(&d, "TcpMtuProbes") == 1 && trips < 100; trips++) {
		peer_write(&p, 8 * B);
		peer_drain(&p);
		seq += 8 * B;
		desk_pass(&d, p.rtt);
		peer_send(&p, A, 1, seq, 0);
	}
	ck_assert_uint_ge(trips, cwnd - 3);
	ck_assert_uint_le(trips, cwnd + 10);
	ck_assert_uint_eq(p.so->tcp->snd_mss, (B + M) / 2); /* it was of the middle, and arrived */
	ck_assert_uint_eq(p.so->tcp->mtu.high, M + 40 - 1);
}
END_TEST

START_TEST(a_probe_lost_among_others_says_nothing)
{
	uint32_t cwnd;

	probing();
	cwnd = p.so->tcp->cwnd;
	peer_write(&p, FLIGHT);
	(void)probe_of(1, M);
	desk_pass(&d, p.rtt);
	peer_sack(&p, 1, 1 + 2 * B, 1 + 5 * B); /* the one behind it is missing as well */
	desk_pass(&d, p.rtt);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_RECOVERY);
	ck_assert_uint_lt(p.so->tcp->ssthresh, cwnd);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbesLost"), 0);
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + FLIGHT, 0);
	desk_pass(&d, p.rtt);
	peer_write(&p, FLIGHT); /* the same again, when all is well */
	(void)probe_of(1 + FLIGHT, M);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 2);
}
END_TEST

START_TEST(a_probe_that_times_out_was_too_long_and_is_congestion)
{
	struct tcp_pcb *pcb;
	uint64_t wait;

	probing();
	pcb = p.so->tcp;
	peer_write(&p, FLIGHT);
	(void)probe_of(1, M);
	while (!desk_count(&d, "TcpTimeouts")) {
		peer_drain(&p);
		desk_pass(&d, MS_NS);
	}
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbesLost"), 1);
	ck_assert_uint_eq(pcb->cwnd, 1);
	ck_assert_uint_eq(pcb->mtu.high, M + 40 - 1);
	wait = 5ull * TCP_IW * pcb->srtt_us * 1000;
	ck_assert_uint_ge(pcb->path_mtu_at, d.st->now + wait - 2 * MS_NS);
	ck_assert_uint_le(pcb->path_mtu_at, d.st->now + wait);
	peer_expect(&p, A, 1, 1, B);
	ck_assert_ptr_null(tcp_check(pcb));
}
END_TEST

START_TEST(an_icmp_error_about_a_probe_says_the_size_to_try)
{
	uint32_t cwnd;

	probing();
	peer_write(&p, FLIGHT);
	(void)probe_of(1, M);
	cwnd = p.so->tcp->cwnd;
	frag_needed(1400, 1);
	desk_flush(&d);
	expect_probe_again();
	ck_assert_uint_eq(p.so->tcp->snd_mss, B);
	ck_assert_uint_eq(p.so->tcp->cwnd, cwnd);
	desk_pass(&d, p.rtt);
	peer_send(&p, A, 1, 1 + FLIGHT, 0);
	ck_assert_uint_eq(peer_info(&p).ca_state, TCP_CA_OPEN);
	desk_pass(&d, 30 * p.rtt);
	peer_write(&p, B); /* its ACK ends the rest */
	peer_drain(&p);
	peer_send(&p, A, 1, 1 + FLIGHT + B, 0);
	peer_write(&p, FLIGHT);
	(void)probe_of(1 + FLIGHT + B, 1360);
	desk_pass(&d, p.rtt);
	peer_send(&p, A, 1, 1 + FLIGHT + B + 1360, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 1360);
	peer_drain(&p);
}
END_TEST

/* Writes `len`; is there a probe among what is sent? */
static bool probed(uint32_t len)
{
	uint64_t before = desk_count(&d, "TcpMtuProbes");

	peer_write(&p, len);
	peer_drain(&p);
	return desk_count(&d, "TcpMtuProbes") != before;
}

START_TEST(a_probe_waits_for_data_and_window)
{
	probing();
	ck_assert(!probed(M + 3 * B - 1)); /* three segments are to follow it */
	peer_send(&p, A, 1, M + 3 * B, 0);
	p.window = 0;
	peer_send(&p, A, 1, M + 3 * B, 0);
	ck_assert(!probed(12 * B));
	p.window = (M + 3 * B - 1) / 128; /* scaled */
	peer_send(&p, A, 1, M + 3 * B, 0);
	peer_drain(&p);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 0);
}
END_TEST

START_TEST(nor_is_there_one_without_sack_or_where_routers_may_cut)
{
	int v = IP_PMTUDISC_DONT;

	p.sack = false;
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 2), 0);
	p.port++;
	peer_accepted(&p);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	ck_assert(!probed(12 * B));
	p.sack = true;
	probing();
	ck_assert_int_eq(sock_setopt(p.so, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
	ck_assert_int_gt(peer_write(&p, 12 * B), 0);
	desk_drop_sent(&d, 0);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 0);
}
END_TEST

START_TEST(timestamps_are_part_of_a_probes_size)
{
	p.ts = true;
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 2), 0);
	p.port++;
	peer_accepted(&p);
	ck_assert_uint_eq(p.so->tcp->snd_mss, B - 12);
	peer_write(&p, 12 * B);
	ck_assert_uint_eq(peer_get(&p).len, M - 12);
	peer_drain(&p);
	desk_pass(&d, p.rtt);
	peer_send(&p, A, 1, 1 + M - 12, 0);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M - 12);
	peer_drain(&p);
}
END_TEST

START_TEST(what_peer_and_application_allow_bounds_the_search)
{
	p.mss = 1200;
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 2), 0);
	p.port++;
	peer_accepted(&p);
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 60000, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 1200);
	ck_assert_uint_eq(desk_count(&d, "TcpMtuProbes"), 1);
	p.mss = 1460;
	probing();
	peer_option(&p, TCPO_MAXSEG, 1100);
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 60000, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, 1100);
}
END_TEST

/* Half of several paths take less: each long segment on them is lost. */
START_TEST(a_raise_that_makes_losses_is_taken_back)
{
	struct segment s;
	uint32_t i, n = 0;

	probing();
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 12 * B, M);
	ck_assert_uint_eq(p.so->tcp->snd_mss, M);
	for (i = 0; i < 2000 && p.so->tcp->snd_mss == M; i++) {
		(void)peer_write(&p, 8 * M);
		while (peer_got(&p, &s)) {
			if (s.len > 1200 && n++ % 4 == 1)
				continue;
			path_take(&path, &s);
		}
		desk_pass(&d, p.rtt);
	}
	ck_assert_uint_eq(p.so->tcp->snd_mss, B);
	ck_assert_uint_eq(p.so->tcp->mtu.high, 1499);
	ck_assert_uint_lt(i, 300);
}
END_TEST

/* RFC 4821 7.7: what nearly every path takes, then half of it, and no less than any link takes. */
START_TEST(a_black_hole_halves_down_to_296)
{
	static const uint32_t want[] = {1064, 532, 296, 296};
	uint32_t i, holes = 0;

	peer_write(&p, M);
	for (i = 0; i < 1000 && holes < 4; i++) {
		desk_pass(&d, 100 * MS_NS);
		peer_drain(&p);
		if (desk_count(&d, "TcpBlackHoles") > holes)
			ck_assert_uint_eq(p.so->tcp->path_mtu, want[holes++]);
	}
	ck_assert_uint_eq(holes, 3);
	ck_assert_uint_eq(p.so->tcp->path_mtu, 296);
	peer_drain(&p);
}
END_TEST

START_TEST(behind_a_black_hole_the_search_goes_on)
{
	path_begin(&path, &p, 16 * B, 2000);
	path_transfer(&path, 600000, 1300);
	ck_assert_uint_eq(desk_count(&d, "TcpBlackHoles"), 1);
	ck_assert_uint_gt(p.so->tcp->snd_mss, 1300 - 8);
}
END_TEST

int main(void)
{
	return run_cases(
		"tcp_mtu",
		CASES(a_black_hole_is_found_without_icmp,
		      small_segments_that_are_lost_are_no_black_hole, the_search_can_be_turned_off,
		      ten_minutes_later_the_larger_is_tried_again,
		      without_probes_it_is_tried_at_once, an_attacker_gets_no_smaller_than_552,
		      a_router_further_on_may_take_less_again,
		      errors_without_end_do_not_fill_the_memory,
		      without_a_buffer_the_front_of_a_long_segment_goes,
		      ip_mtu_discover_rules_the_bit, a_probe_that_arrives_makes_segments_longer,
		      the_bytes_of_a_probe_are_those_that_were_written,
		      a_probe_that_alone_is_lost_is_no_congestion,
		      what_a_lost_probe_carried_may_be_lost_as_any_segment,
		      the_search_ends_within_eight_bytes_and_rests,
		      what_the_search_found_is_known_to_the_next_connection,
		      after_a_lost_probe_some_round_trips_go_by,
		      a_probe_lost_among_others_says_nothing,
		      a_probe_that_times_out_was_too_long_and_is_congestion,
		      an_icmp_error_about_a_probe_says_the_size_to_try,
		      a_probe_waits_for_data_and_window,
		      nor_is_there_one_without_sack_or_where_routers_may_cut,
		      timestamps_are_part_of_a_probes_size,
		      what_peer_and_application_allow_bounds_the_search,
		      a_raise_that_makes_losses_is_taken_back, a_black_hole_halves_down_to_296,
		      behind_a_black_hole_the_search_goes_on),
		setup, teardown);
}
