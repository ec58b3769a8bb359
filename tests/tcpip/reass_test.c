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
static uint8_t whole[70000], got[70000];

static void setup(void)
{
	desk_open(&d);
	so = desk_socket(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(desk_bind(so, 0, 7), 0);
	desk_know(&d, PEER);
}

static void teardown(void)
{
	desk_close(&d);
}

/* A datagram of `len` bytes of payload to port 7, from its UDP header on, in `whole`. */
static size_t make(uint32_t src, size_t len)
{
	struct udp_hdr u = {.sport = 9, .dport = 7, .len = (uint16_t)(len + UDP_HDR_LEN)};
	uint16_t sum;

	for (size_t i = 0; i < len; i++)
		whole[UDP_HDR_LEN + i] = (uint8_t)(i * 7 + i / 251);
	udp_build(whole, &u);
	sum = csum_fold(csum_add(csum_pseudo4(src, US, IPPROTO_UDP, u.len), whole, u.len));
	memcpy(whole + 6, &sum, 2);
	return len + UDP_HDR_LEN;
}

static void fragment(uint32_t src, uint16_t id, size_t from, size_t to, bool last)
{
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = src, .dst = US, .id = id};

	h.frag_off = (uint16_t)from;
	h.mf = !last;
	desk_ip4(&d, &h, whole + from, to - from);
}

static void piece(size_t i, size_t size, size_t total)
{
	size_t to = (i + 1) * size < total ? (i + 1) * size : total;

	fragment(PEER, 1, i * size, to, to == total);
}

static bool arrived(size_t len)
{
	uint64_t full;
	int64_t n = desk_recv(so, got, sizeof(got), 0, NULL, &full);

	return n == (int64_t)len && full == len && memcmp(got, whole + UDP_HDR_LEN, len) == 0;
}

START_TEST(fragments_in_order_become_the_datagram)
{
	size_t total = make(PEER, 4000);

	for (size_t i = 0; i * 1480 < total; i++)
		piece(i, 1480, total);
	ck_assert(arrived(4000));
	ck_assert_uint_eq(desk_count(&d, "IpReasmOKs"), 1);
	ck_assert_uint_eq(desk_count(&d, "IpReasmReqds"), 3);
}
END_TEST

START_TEST(the_largest_datagram_there_is_arrives)
{
	size_t total = make(PEER, BIG);

	for (size_t i = 0; i * 1480 < total; i++)
		piece(i, 1480, total);
	ck_assert(arrived(BIG));
}
END_TEST

START_TEST(any_order_and_size_of_fragments_will_do)
{
	const size_t sizes[] = {8, 24, 552, 1024, 1480};
	size_t order[512], total, n, i, j, t;

	srand(11);
	for (unsigned round = 0; round < 40; round++) {
		size_t size = sizes[round % 5];

		total = make(PEER, size == 8 ? 200 : 20 * size + round);
		n = (total + size - 1) / size;
		for (i = 0; i < n; i++)
			order[i] = round < 5 ? n - 1 - i : i;
		for (i = n - 1; round >= 5 && i > 0; i--) {
			j = (size_t)rand() % (i + 1);
			t = order[i], order[i] = order[j], order[j] = t;
		}
		for (i = 0; i < n; i++) {
			piece(order[i], size, total);
			if (i % 3 == 0 && i + 1 < n)
				piece(order[i], size, total); /* and again */
		}
		ck_assert_msg(arrived(total - UDP_HDR_LEN), "size %zu, round %u", size, round);
	}
}
END_TEST

START_TEST(a_peek_and_a_short_read_leave_and_drop_the_rest)
{
	size_t total = make(PEER, 4000);
	uint64_t full;

	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i * 1480 < total; i++)
			fragment(PEER, (uint16_t)k, i * 1480,
				 (i + 1) * 1480 < total ? (i + 1) * 1480 : total,
				 (i + 1) * 1480 >= total);
	ck_assert_int_eq(desk_recv(so, got, sizeof(got), MSG_PEEK, NULL, &full), 4000);
	ck_assert_int_eq(sock_readable(so), 4000);
	ck_assert_int_eq(desk_recv(so, got, 1500, 0, NULL, &full), 1500);
	ck_assert_uint_eq(full, 4000);
	ck_assert(arrived(4000));
	ck_assert_int_eq(desk_recv(so, got, 1, 0, NULL, &full), -EAGAIN);
}
END_TEST

START_TEST(a_receive_that_failed_leaves_the_datagram)
{
	struct sock_slice s[SOCK_SLICES];
	size_t total = make(PEER, 4000);
	uint64_t full;
	unsigned n;

	for (size_t i = 0; i * 1480 < total; i++)
		piece(i, 1480, total);
	ck_assert_int_eq(sock_recv_take(so, 5000, 0, s, &n, NULL, &full), 4000);
	ck_assert_uint_eq(n, 3);
	sock_recv_undo(so, 0, s, n);
	ck_assert(arrived(4000));
}
END_TEST

START_TEST(overlapping_fragments_drop_the_whole_datagram)
{
	size_t total = make(PEER, 4000);

	piece(0, 1480, total);
	fragment(PEER, 1, 1472, 2960, false); /* eight bytes too early */
	piece(1, 1480, total);
	piece(2, 1480, total);
	ck_assert(!arrived(4000));
	ck_assert_uint_eq(desk_count(&d, "IpReasmOverlaps"), 1);
	ck_assert_uint_eq(desk_count(&d, "IpReasmOKs"), 0);
}
END_TEST

START_TEST(fragments_that_contradict_the_end_drop_the_datagram)
{
	make(PEER, 4000);
	fragment(PEER, 1, 1480, 2000, true);
	fragment(PEER, 1, 2000, 2960, false); /* beyond the end */
	ck_assert_uint_eq(desk_count(&d, "IpReasmFails"), 1);
	fragment(PEER, 2, 1480, 2000, true);
	fragment(PEER, 2, 2000, 2960, true); /* another end */
	ck_assert_uint_eq(desk_count(&d, "IpReasmFails"), 2);
	fragment(PEER, 3, 2000, 2960, false);
	fragment(PEER, 3, 1480, 2000, true); /* an end before what is there */
	ck_assert_uint_eq(desk_count(&d, "IpReasmFails"), 3);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
}
END_TEST

START_TEST(fragments_no_sender_makes_are_dropped)
{
	make(PEER, 4000);
	fragment(PEER, 1, 0, 1479, false);     /* not a multiple of 8 */
	fragment(PEER, 1, 1480, 1480, true);   /* nothing in it */
	fragment(PEER, 1, 65520, 65540, true); /* the ping of death */
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
	/* All that an offset can say, but with its header more than a datagram. */
	fragment(PEER, 1, 0, 8, false);
	for (size_t at = 8; at < 65528; at += 1456)
		fragment(PEER, 1, at, at + 1456 < 65528 ? at + 1456 : 65528, at + 1456 >= 65528);
	ck_assert_uint_eq(desk_count(&d, "IpReasmOKs"), 0);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
}
END_TEST

START_TEST(after_60_s_the_sender_hears_if_the_first_fragment_came)
{
	size_t total = make(PEER, 4000);

	piece(0, 1480, total);
	fragment(PEER, 2, 1480, 2960, false);
	desk_pass(&d, 59 * SEC_NS);
	ck_assert_uint_eq(reass_pool(d.st)->used, 2);
	ck_assert_uint_eq(desk_drop_sent(&d, 0), 0);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
	ck_assert(desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(pk.icmp.type, 11);
	ck_assert_uint_eq(pk.icmp.code, 1);
	ck_assert(pk.csum_ok);
	ck_assert_mem_eq(pk.payload + 20, whole, 8);
	ck_assert(!desk_sent(&d, 0, &pk));
	ck_assert_uint_eq(desk_count(&d, "IpReasmTimeout"), 2);
}
END_TEST

START_TEST(one_source_has_sixteen_datagrams_in_pieces_at_most)
{
	make(PEER, 4000);
	for (uint16_t id = 0; id < 200; id++)
		fragment(PEER, id, 0, 8, false);
	ck_assert_uint_eq(reass_pool(d.st)->used, 16);
	fragment(PEER, 199, 8, 1000, true); /* the youngest is still there */
	ck_assert_uint_eq(reass_pool(d.st)->used, 15);
}
END_TEST

START_TEST(a_flood_from_everywhere_holds_an_eighth_of_the_buffers)
{
	make(PEER, 4000);
	for (unsigned i = 0; i < 20000; i++)
		fragment(ip(10, 0, 1 + i % 200, i % 251), (uint16_t)i, 8 * (1 + i % 90),
			 8 * (1 + i % 90) + 8, i % 5 == 0);
	ck_assert_uint_le(d.pool.count - d.pool.avail, d.pool.count / 8);
	desk_pass(&d, 61 * SEC_NS);
	ck_assert_uint_eq(d.pool.count, d.pool.avail);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
}
END_TEST

START_TEST(crumbs_with_gaps_do_not_pile_up)
{
	make(PEER, 60000);
	for (size_t at = 0; at < 60000; at += 16)
		fragment(PEER, 1, at, at + 8, false);
	ck_assert_uint_le(d.pool.count - d.pool.avail, 64);
}
END_TEST

START_TEST(random_fragments_neither_crash_nor_leak)
{
	srand(5);
	make(PEER, 60000);
	for (int i = 0; i < 50000; i++) {
		size_t from = 8 * ((size_t)rand() % 40), len = 8 * (1 + (size_t)rand() % 20);

		fragment(PEER, (uint16_t)(rand() % 20), from,
			 from + len - (size_t)(rand() % 9 == 0), rand() % 4 == 0);
		if (i % 1000 == 0)
			desk_pass(&d, (uint64_t)(rand() % 20) * SEC_NS);
		while (desk_recv(so, got, sizeof(got), 0, NULL, NULL) >= 0)
			;
	}
	desk_pass(&d, 61 * SEC_NS);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
}
END_TEST

START_TEST(a_mark_of_congestion_survives)
{
	struct ip4_hdr h = {.protocol = IPPROTO_UDP, .src = PEER, .dst = US, .id = 4, .mf = true};
	struct sock_slice s[SOCK_SLICES];
	uint64_t full;
	unsigned n;

	make(PEER, 1000);
	h.tos = IP_ECT0;
	desk_ip4(&d, &h, whole, 504);
	h.mf = false;
	h.frag_off = 504;
	h.tos = IP_CE;
	desk_ip4(&d, &h, whole + 504, 504);
	ck_assert_int_eq(sock_recv_take(so, 5000, 0, s, &n, NULL, &full), 1000);
	ck_assert_uint_eq(s[0].buf->udp.tos & 3, IP_CE);
	sock_recv_done(so, s, n);
	h.id = 5; /* with one who cannot be marked: a lie */
	desk_ip4(&d, &h, whole + 504, 504);
	h.mf = true;
	h.frag_off = 0;
	h.tos = IP_NOT_ECT;
	desk_ip4(&d, &h, whole, 504);
	ck_assert(!arrived(1000));
}
END_TEST

int main(void)
{
	return run_cases(
		"reass",
		CASES(fragments_in_order_become_the_datagram, the_largest_datagram_there_is_arrives,
		      any_order_and_size_of_fragments_will_do,
		      a_peek_and_a_short_read_leave_and_drop_the_rest,
		      a_receive_that_failed_leaves_the_datagram,
		      overlapping_fragments_drop_the_whole_datagram,
		      fragments_that_contradict_the_end_drop_the_datagram,
		      fragments_no_sender_makes_are_dropped,
		      after_60_s_the_sender_hears_if_the_first_fragment_came,
		      one_source_has_sixteen_datagrams_in_pieces_at_most,
		      a_flood_from_everywhere_holds_an_eighth_of_the_buffers,
		      crumbs_with_gaps_do_not_pile_up, random_fragments_neither_crash_nor_leak,
		      a_mark_of_congestion_survives),
		setup, teardown);
}
