/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments of IPv6: put together in any order, refused where they overlap or lie, bounded. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;
static struct socket *so;
static uint8_t datagram[1900]; /* UDP header and data */
static const char *from = "2001:db8::9";

static void setup(void)
{
	struct sock_addr any = name6("::", 7);

	desk6_open(&d);
	desk6_know(&d, 9);
	so = socket6(&d, SOCK_DGRAM, 0);
	ck_assert_int_eq(sock_bind(so, &any), 0);
}

static void teardown(void)
{
	desk_close(&d);
}

/* len bytes of UDP datagram from 2001:db8::9 to port 7. */
static void make(uint16_t len)
{
	struct udp_hdr u = {.sport = 5, .dport = 7, .len = len};
	struct ip6_hdr h;
	uint16_t sum, i;

	for (i = 0; i < len; i++)
		datagram[i] = (uint8_t)(i * 7);
	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	udp_build(datagram, &u);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_UDP, len), datagram, len));
	memcpy(datagram + 6, &sum, 2);
}

static void fragment(uint32_t id, uint16_t off, uint16_t len, bool more)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[1500] = {IP6_UDP};

	wire_put16(l4 + 2, (uint16_t)(off | more));
	wire_put32(l4 + 4, id);
	memcpy(l4 + 8, datagram + off, len);
	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, l4, len + 8u);
}

static int64_t got(void)
{
	struct sock_addr peer;
	uint64_t full;
	static uint8_t buf[2048];
	int64_t n = desk_recv(so, buf, sizeof(buf), 0, &peer, &full);

	if (n > 0) {
		ck_assert_mem_eq(buf, datagram + UDP_HDR_LEN, (size_t)n);
		ck_assert_uint_eq(peer.addr[15], 9);
		ck_assert_uint_eq(peer.port, 5);
	}
	return n;
}

START_TEST(fragments_in_any_order_are_one_datagram)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const uint16_t off[3] = {0, 800, 1200}, len[3] = {800, 400, 501};
	unsigned i;

	make(1701);
	for (i = 0; i < 3; i++) {
		unsigned k = orders[_i][i];

		ck_assert_int_eq(got(), -EAGAIN);
		fragment(1, off[k], len[k], k < 2);
	}
	ck_assert_int_eq(got(), 1693);
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmOKs"), 1);
}
END_TEST

/* RFC 5722 4. */
START_TEST(fragments_that_overlap_end_the_datagram)
{
	make(1600);
	fragment(1, 0, 800, true);
	fragment(1, 792, 808, false);
	fragment(1, 800, 800, false);
	ck_assert_int_eq(got(), -EAGAIN);
	ck_assert_uint_ge(desk_count(&d, "Ip6ReasmFails"), 1);
	fragment(2, 0, 800, true); /* the same one twice is an overlap, too */
	fragment(2, 0, 800, true);
	fragment(2, 800, 800, false);
	ck_assert_int_eq(got(), -EAGAIN);
}
END_TEST

START_TEST(what_lies_beyond_the_last_fragment_ends_the_datagram)
{
	make(1600);
	fragment(1, 800, 400, false);
	fragment(1, 1200, 400, true);
	fragment(1, 0, 800, true);
	ck_assert_int_eq(got(), -EAGAIN);
	fragment(2, 1200, 400, true);
	fragment(2, 800, 400, false);
	fragment(2, 0, 800, true);
	ck_assert_int_eq(got(), -EAGAIN);
	fragment(3, 800, 400, false); /* two ends */
	fragment(3, 1200, 400, false);
	fragment(3, 0, 800, true);
	ck_assert_int_eq(got(), -EAGAIN);
}
END_TEST

START_TEST(fragments_of_different_datagrams_do_not_meet)
{
	make(1600);
	fragment(1, 0, 800, true);
	fragment(2, 800, 800, false);
	ck_assert_int_eq(got(), -EAGAIN);
	from = "2001:db8::19";
	fragment(1, 800, 800, false);
	from = "2001:db8::9";
	ck_assert_int_eq(got(), -EAGAIN);
	fragment(1, 800, 800, false);
	ck_assert_int_eq(got(), 1592);
}
END_TEST

START_TEST(a_fragment_of_an_odd_length_is_a_problem_with_its_place)
{
	make(1600);
	fragment(1, 0, 801, true);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_FIELD);
	ck_assert_uint_eq(pk.icmp.rest, 4);
	memset(datagram, 0, sizeof(datagram));
}
END_TEST

START_TEST(a_datagram_that_stays_incomplete_is_dropped_and_told_of_after_a_minute)
{
	unsigned told = 0;

	make(1600);
	fragment(1, 0, 800, true);
	fragment(2, 800, 800, false); /* without its first: nobody is told */
	desk_pass(&d, 59 * SEC_NS);
	while (desk6_sent(&d, &pk))
		ck_assert_uint_ne(pk.icmp.type, ICMP6_TIME);
	desk_pass(&d, 10 * SEC_NS);
	while (desk6_sent(&d, &pk))
		if (pk.icmp.type == ICMP6_TIME) {
			ck_assert_uint_eq(pk.icmp.code, 1);
			ck_assert_mem_eq(pk.l4 + 8 + IP6_HDR_LEN, datagram, 8);
			told++;
		}
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmFails"), 2);
	fragment(1, 800, 800, false);
	ck_assert_int_eq(got(), -EAGAIN);
}
END_TEST

START_TEST(what_is_larger_than_a_buffer_is_dropped)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[1408] = {IP6_UDP};

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	wire_put16(l4 + 2, 1400);
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
	wire_put16(l4 + 2, 0xfff8);
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
	ck_assert_int_eq(got(), -EAGAIN);
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmFails"), 1);
}
END_TEST

START_TEST(a_flood_of_first_fragments_holds_sixteen_buffers)
{
	uint32_t before = d.pool.avail, i;

	make(1600);
	for (i = 0; i < 1000; i++)
		fragment(i, 0, 800, true);
	ck_assert_uint_eq(before - d.pool.avail, IP6_REASS_MAX);
	fragment(999, 800, 800, false);
	ck_assert_int_eq(got(), 1592);
}
END_TEST

START_TEST(a_fragment_within_a_fragment_is_dropped)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[80] = {IP6_FRAGMENT, 0, 0, 1, 0, 0, 0, 1, IP6_UDP};

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, l4, 16);
	wire_put16(l4 + 2, 8);
	desk6_packet(&d, 9, &h, l4, 72);
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmOKs"), 1);
	ck_assert_uint_eq(desk_count(&d, "Ip6InHdrErrors"), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reass6");
	TCase *tc = tcase_create("reass6");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, fragments_in_any_order_are_one_datagram, 0, 6);
	tcase_add_test(tc, fragments_that_overlap_end_the_datagram);
	tcase_add_test(tc, what_lies_beyond_the_last_fragment_ends_the_datagram);
	tcase_add_test(tc, fragments_of_different_datagrams_do_not_meet);
	tcase_add_test(tc, a_fragment_of_an_odd_length_is_a_problem_with_its_place);
	tcase_add_test(tc, a_datagram_that_stays_incomplete_is_dropped_and_told_of_after_a_minute);
	tcase_add_test(tc, what_is_larger_than_a_buffer_is_dropped);
	tcase_add_test(tc, a_flood_of_first_fragments_holds_sixteen_buffers);
	tcase_add_test(tc, a_fragment_within_a_fragment_is_dropped);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
