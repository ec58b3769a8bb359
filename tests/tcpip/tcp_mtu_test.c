/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths that take less than their first hop does: told by ICMP, found out by timeouts, raised
 * again. */
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

START_TEST(ten_minutes_later_the_larger_is_tried_again)
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

int main(void)
{
	return run_cases("tcp_mtu",
			 CASES(a_black_hole_is_found_without_icmp,
			       small_segments_that_are_lost_are_no_black_hole,
			       the_search_can_be_turned_off,
			       ten_minutes_later_the_larger_is_tried_again,
			       an_attacker_gets_no_smaller_than_552,
			       without_a_buffer_the_front_of_a_long_segment_goes,
			       ip_mtu_discover_rules_the_bit),
			 setup, teardown);
}
