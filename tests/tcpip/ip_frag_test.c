/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

#define PEER ip(10, 0, 0, 9)
#define US   ip(10, 0, 0, 1)
#define BIG  65507u

static struct desk d;
static struct packet pk;
static struct socket *so;
static uint8_t data[70000], got[70000];

static void setup(void)
{
	desk_open(&d);
	so = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(desk_bind(so, 0, 7), 0);
	desk_know(&d, PEER);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

static void teardown(void)
{
	desk_close(&d);
}

static int64_t send_to(uint32_t addr, size_t len)
{
	struct sock_addr to = name(addr, 7);
	int64_t n = desk_send(&d, so, data, len, &to);

	desk_flush(&d);
	return n;
}

static void discover(int how)
{
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how)), 0);
}

/* What was sent, from the transport header on; checks that the fragments are one packet's. */
static size_t collect(void)
{
	size_t len = 0;
	uint16_t id = 0;
	bool more = true;

	while (more) {
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_uint_le(pk.ip.total_len, 1500);
		ck_assert(!pk.ip.df);
		ck_assert_uint_eq(pk.ip.frag_off, len);
		ck_assert(len == 0 || pk.ip.id == id);
		id = pk.ip.id;
		more = pk.ip.mf;
		ck_assert(!more || pk.l4_len % 8 == 0);
		memcpy(got + len, pk.l4, pk.l4_len);
		len += pk.l4_len;
	}
	return len;
}

START_TEST(a_large_datagram_leaves_in_fragments)
{
	const size_t sizes[] = {1473, 1920, 1921, 2960, 9000, BIG};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n;

		ck_assert_int_eq(send_to(PEER, sizes[i]), (int64_t)sizes[i]);
		n = collect();
		ck_assert_uint_eq(n, sizes[i] + UDP_HDR_LEN);
		ck_assert_mem_eq(got + UDP_HDR_LEN, data, sizes[i]);
		ck_assert_uint_eq(
			csum_fold(
				csum_add(csum_pseudo4(US, PEER, IPPROTO_UDP, (uint16_t)n), got, n)),
			0);
		ck_assert(!desk_sent(&d, 0, &pk));
	}
	ck_assert_uint_eq(desk_count(&d, "IpFragOKs"), 6);
	ck_assert_int_eq(send_to(PEER, BIG + 1), -EMSGSIZE);
}
END_TEST

START_TEST(two_datagrams_to_one_host_are_not_mixed_up)
{
	uint16_t id;

	send_to(PEER, 2000);
	collect();
	id = pk.ip.id;
	send_to(PEER, 2000);
	collect();
	ck_assert_uint_ne(pk.ip.id, id);
}
END_TEST

/* RFC 6864 4.1; chance would bring one again among a thousand, and RFC 7739: to another host it
 * tells nothing. */
START_TEST(an_identifier_comes_again_only_after_all_others)
{
	uint16_t last;
	unsigned i;

	send_to(PEER, 1500);
	collect();
	for (i = 0, last = pk.ip.id; i < 1000; i++, last = pk.ip.id) {
		send_to(PEER, 1500);
		collect();
		ck_assert_uint_eq(pk.ip.id, (uint16_t)(last + 1));
	}
	desk_know(&d, ip(10, 0, 0, 8));
	send_to(ip(10, 0, 0, 8), 1500);
	collect();
	ck_assert_uint_gt((uint16_t)(pk.ip.id - last + 2000), 4000);
}
END_TEST

START_TEST(what_fits_says_that_it_must_not_be_cut)
{
	ck_assert_int_eq(send_to(PEER, 1472), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.ip.total_len, 1500);
	ck_assert(pk.ip.df);
	discover(IP_PMTUDISC_DONT);
	ck_assert_int_eq(send_to(PEER, 1472), 1472);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert(!pk.ip.df);
	ck_assert_int_eq(send_to(PEER, 1473), 1473);
	ck_assert_uint_eq(collect(), 1481);
}
END_TEST

START_TEST(who_wants_no_fragments_is_told_that_it_is_too_large)
{
	const int how[] = {IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IP_PMTUDISC_INTERFACE};

	for (unsigned i = 0; i < 3; i++) {
		discover(how[i]);
		ck_assert_int_eq(send_to(PEER, 1473), -EMSGSIZE);
		ck_assert(!desk_sent(&d, 0, &pk));
		ck_assert_int_eq(send_to(PEER, 1472), 1472);
		ck_assert(desk_sent(&d, 0, &pk));
		ck_assert_int_eq(pk.ip.df, how[i] != IP_PMTUDISC_INTERFACE);
	}
}
END_TEST

START_TEST(to_ourselves_the_largest_arrives)
{
	uint64_t full;

	ck_assert_int_eq(send_to(US, BIG), BIG);
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), 0, NULL, &full), BIG);
	ck_assert_uint_eq(full, BIG);
	ck_assert_mem_eq(got, data, BIG);
}
END_TEST

START_TEST(to_an_unknown_neighbour_the_largest_waits_whole)
{
	ck_assert_int_eq(send_to(ip(10, 0, 0, 77), BIG), BIG);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.eth.type, ETH_TYPE_ARP);
	ck_assert(!desk_sent(&d, 0, &pk));
	desk_arp(&d, 2, ip(10, 0, 0, 77), US);
	ck_assert_uint_eq(collect(), BIG + UDP_HDR_LEN);
}
END_TEST

START_TEST(a_large_echo_is_answered_whole)
{
	static uint8_t request[4008];
	struct icmp_hdr h = {.type = ICMP4_ECHO, .rest = 0x12340001};
	struct ip4_hdr f = {.protocol = IPPROTO_ICMP, .src = PEER, .dst = US, .id = 3};
	uint16_t sum;

	memcpy(request + 8, data, 4000);
	icmp_build(request, &h);
	sum = csum_fold(csum_add(0, request, sizeof(request)));
	memcpy(request + 2, &sum, 2);
	for (size_t at = 0; at < sizeof(request); at += 1480) {
		size_t n = sizeof(request) - at < 1480 ? sizeof(request) - at : 1480;

		f.frag_off = (uint16_t)at;
		f.mf = at + n < sizeof(request);
		desk_ip4(&d, &f, request + at, n);
	}
	ck_assert_uint_eq(collect(), sizeof(request));
	ck_assert_uint_eq(got[0], ICMP4_ECHO_REPLY);
	ck_assert_uint_eq(csum_fold(csum_add(0, got, sizeof(request))), 0);
	ck_assert_mem_eq(got + 4, request + 4, sizeof(request) - 4);
}
END_TEST

START_TEST(without_room_nothing_goes)
{
	struct pktbuf *held[DESK_PKTBUFS];
	unsigned n = 0;

	/* Enough for the datagram, not for its fragments. */
	while (d.pool.avail > 60)
		held[n++] = pktbuf_alloc(&d.pool);
	ck_assert_int_eq(send_to(PEER, BIG), -ENOBUFS);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(d.pool.avail, 60);
	/* Nor for the datagram. */
	while (d.pool.avail > 20)
		held[n++] = pktbuf_alloc(&d.pool);
	ck_assert_int_eq(send_to(PEER, BIG), -ENOBUFS);
	ck_assert_uint_eq(d.pool.avail, 20);
	while (n > 0)
		pktbuf_free(held[--n]);
}
END_TEST

int main(void)
{
	return run_cases("ip_frag",
			 CASES(a_large_datagram_leaves_in_fragments,
			       two_datagrams_to_one_host_are_not_mixed_up,
			       an_identifier_comes_again_only_after_all_others,
			       what_fits_says_that_it_must_not_be_cut,
			       who_wants_no_fragments_is_told_that_it_is_too_large,
			       to_ourselves_the_largest_arrives,
			       to_an_unknown_neighbour_the_largest_waits_whole,
			       a_large_echo_is_answered_whole, without_room_nothing_goes),
			 setup, teardown);
}
