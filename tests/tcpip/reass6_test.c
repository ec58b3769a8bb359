/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments of IPv6: put together in any order, refused where they overlap or lie, bounded; made.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;
static struct socket *so;
static uint8_t datagram[66000]; /* UDP header and data */
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
	static uint8_t buf[66000];
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
	unsigned i, order;

	make(1701);
	for (order = 0; order < 6; order++) {
		for (i = 0; i < 3; i++) {
			unsigned k = orders[order][i];

			ck_assert_int_eq(got(), -EAGAIN);
			fragment(order, off[k], len[k], k < 2);
		}
		ck_assert_int_eq(got(), 1693);
	}
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmOKs"), 6);
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
	fragment(2, 0, 800, true); /* an exact repeat is none: RFC 8200 4.5 */
	fragment(2, 0, 800, true);
	fragment(2, 800, 800, false);
	ck_assert_int_eq(got(), 1592);
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
			/* As it came: with its fragment header. */
			ck_assert_mem_eq(pk.l4 + 8 + IP6_HDR_LEN + IP6_FRAG_LEN, datagram, 8);
			told++;
		}
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(desk_count(&d, "Ip6ReasmFails"), 2);
	fragment(1, 800, 800, false);
	ck_assert_int_eq(got(), -EAGAIN);
}
END_TEST

START_TEST(the_largest_datagram_there_is_arrives)
{
	make(UINT16_MAX);
	for (uint32_t at = 0; at < UINT16_MAX; at += 1232)
		fragment(1, (uint16_t)at,
			 at + 1232 < UINT16_MAX ? 1232 : (uint16_t)(UINT16_MAX - at),
			 at + 1232 < UINT16_MAX);
	ck_assert_int_eq(got(), UINT16_MAX - UDP_HDR_LEN);
}
END_TEST

START_TEST(what_is_larger_than_a_datagram_is_a_problem_with_its_place)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[1408] = {IP6_UDP};

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	wire_put16(l4 + 2, 0xfff8);
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_FIELD);
	ck_assert_uint_eq(pk.icmp.rest, IP6_HDR_LEN + 2);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
}
END_TEST

/* RFC 7112 5: else a filter that reads the first fragment alone can be fooled. */
START_TEST(a_first_fragment_without_its_upper_header_is_a_problem)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[24] = {IP6_DSTOPTS, 0, 0, 1, 0, 0, 0, 1, IP6_UDP, 0, 1, 4};

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	desk6_packet(&d, 9, &h, l4, 16);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.icmp.type, ICMP6_PARAM);
	ck_assert_uint_eq(pk.icmp.code, ICMP6_BAD_CHAIN);
	ck_assert_uint_eq(reass_pool(d.st)->used, 0);
	desk6_packet(&d, 9, &h, l4, 24);
	ck_assert_uint_eq(reass_pool(d.st)->used, 1);
}
END_TEST

/* Options before the data belong to what is cut up. */
START_TEST(headers_behind_the_fragment_header_are_walked_at_the_end)
{
	static const uint8_t none[8] = {IP6_UDP, 0, 1, 4};
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[1500] = {IP6_DSTOPTS, 0, 0, 1, 0, 0, 0, 1};

	make(1600);
	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	memcpy(l4 + 8, none, 8);
	memcpy(l4 + 16, datagram, 800);
	desk6_packet(&d, 9, &h, l4, 816);
	wire_put16(l4 + 2, 808);
	memcpy(l4 + 8, datagram + 800, 800);
	desk6_packet(&d, 9, &h, l4, 808);
	ck_assert_int_eq(got(), 1592);
}
END_TEST

START_TEST(one_source_has_sixteen_datagrams_in_pieces_at_most)
{
	uint32_t before = d.pool.avail, i;

	make(1600);
	for (i = 0; i < 1000; i++)
		fragment(i, 0, 800, true);
	ck_assert_uint_eq(before - d.pool.avail, 16);
	fragment(999, 800, 800, false);
	ck_assert_int_eq(got(), 1592);
}
END_TEST

/* RFC 3168 5.3. */
START_TEST(a_mark_of_congestion_survives)
{
	struct ip6_hdr h = {.next = IP6_FRAGMENT, .tclass = IP_ECT0};
	struct sock_slice slices[SOCK_SLICES];
	uint8_t l4[1500] = {IP6_UDP, 0, 0, 1, 0, 0, 0, 1};
	uint64_t full;
	unsigned n;

	make(1600);
	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	memcpy(l4 + 8, datagram, 800);
	desk6_packet(&d, 9, &h, l4, 808);
	h.tclass = IP_CE;
	wire_put16(l4 + 2, 800);
	memcpy(l4 + 8, datagram + 800, 800);
	desk6_packet(&d, 9, &h, l4, 808);
	ck_assert_int_eq(sock_recv_take(so, 5000, 0, slices, &n, NULL, &full), 1592);
	ck_assert_uint_eq(slices[0].buf->udp.tos & 3, IP_CE);
	sock_recv_done(so, slices, n);
}
END_TEST

/* RFC 6980 5. */
START_TEST(neighbour_discovery_in_fragments_is_not_heard)
{
	struct nd_msg m = {.type = ICMP6_NS, .has_slla = true};
	struct ip6_hdr h = {.next = IP6_FRAGMENT, .hop_limit = 255};
	uint8_t l4[128] = {IP6_ICMP};
	unsigned len;
	uint16_t sum;

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	memcpy(m.target, h.dst, 16);
	mac6(m.slla, 9);
	len = nd_build(l4 + 8, &m);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, len), l4 + 8, len));
	memcpy(l4 + 10, &sum, 2);
	desk6_packet(&d, 9, &h, l4, len + 8);
	ck_assert_uint_eq(desk_count(&d, "Icmp6InMsgs"), 1); /* setup's */
	h.next = IP6_ICMP;				     /* whole it is heard */
	desk6_packet(&d, 9, &h, l4 + 8, len);
	ck_assert_uint_eq(desk_count(&d, "Icmp6InMsgs"), 2);
}
END_TEST

START_TEST(a_large_echo_is_answered_whole)
{
	static uint8_t request[4008], answer[8192];
	struct icmp_hdr e = {.type = ICMP6_ECHO_ASK, .rest = 0x12340001};
	size_t at, n, len = 0;
	struct ip6_hdr h = {.next = IP6_FRAGMENT};
	uint8_t l4[1500] = {IP6_ICMP, 0, 0, 0, 0, 0, 0, 5};
	uint16_t sum;
	bool more = true;

	ip6(h.src, from);
	ip6(h.dst, "2001:db8::1");
	for (at = 8; at < sizeof(request); at++)
		request[at] = (uint8_t)(at * 3);
	icmp_build(request, &e);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, sizeof(request)), request,
				 sizeof(request)));
	memcpy(request + 2, &sum, 2);
	for (at = 0; at < sizeof(request); at += n) {
		n = sizeof(request) - at < 1232 ? sizeof(request) - at : 1232;
		wire_put16(l4 + 2, (uint16_t)(at | (at + n < sizeof(request))));
		memcpy(l4 + 8, request + at, n);
		desk6_packet(&d, 9, &h, l4, n + 8);
	}
	while (more) {
		ck_assert(desk6_sent(&d, &pk));
		ck_assert(pk.ext.fragment);
		ck_assert_uint_eq(pk.ext.next, IP6_ICMP);
		ck_assert_uint_eq(pk.ext.frag_off, len);
		more = pk.ext.more;
		memcpy(answer + len, pk.l4, pk.l4_len);
		len += pk.l4_len;
	}
	ck_assert_uint_eq(len, sizeof(request));
	ck_assert_uint_eq(answer[0], ICMP6_ECHO_ANSWER);
	ck_assert_mem_eq(answer + 4, request + 4, len - 4);
	ck_assert_uint_eq(csum_fold(csum_add(csum_pseudo6(h.dst, h.src, IP6_ICMP, (uint32_t)len),
					     answer, len)),
			  0);
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

/* ---- out ---------------------------------------------------------------------------------- */

static uint8_t data[66000], out[66000];

static int64_t send_to(const char *to, size_t len)
{
	struct sock_addr a = name6(to, 7);
	int64_t n;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	n = desk_send(&d, so, data, len, &a);
	desk_flush(&d);
	return n;
}

/* What was sent, from the transport header on; checks that the fragments are one packet's. */
static size_t collect(uint16_t mtu)
{
	size_t len = 0;
	uint32_t id = 0;
	bool more = true;

	while (more) {
		ck_assert(desk6_sent(&d, &pk));
		ck_assert_uint_le(pk.ip.payload_len + IP6_HDR_LEN, mtu);
		ck_assert(pk.ext.fragment);
		ck_assert_uint_eq(pk.ext.next, IP6_UDP);
		ck_assert_uint_eq(pk.ext.frag_off, len);
		ck_assert(len == 0 || pk.ext.frag_id == id);
		id = pk.ext.frag_id;
		more = pk.ext.more;
		ck_assert(!more || pk.l4_len % 8 == 0);
		memcpy(out + len, pk.l4, pk.l4_len);
		len += pk.l4_len;
	}
	ck_assert_uint_eq(
		csum_fold(csum_add(csum_pseudo6(pk.ip.src, pk.ip.dst, IP6_UDP, (uint32_t)len), out,
				   len)),
		0);
	return len;
}

START_TEST(a_large_datagram_leaves_in_fragments)
{
	const size_t sizes[] = {1453, 1920, 1921, 2904, 9000, UINT16_MAX - UDP_HDR_LEN};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(send_to(from, sizes[i]), (int64_t)sizes[i]);
		ck_assert_uint_eq(collect(1500), sizes[i] + UDP_HDR_LEN);
		ck_assert_mem_eq(out + UDP_HDR_LEN, data, sizes[i]);
		ck_assert(!desk6_sent(&d, &pk));
	}
	ck_assert_uint_eq(desk_count(&d, "Ip6FragOKs"), 6);
	ck_assert_int_eq(send_to(from, UINT16_MAX - UDP_HDR_LEN + 1), -EMSGSIZE);
	ck_assert_int_eq(send_to(from, 1452), 1452);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert(!pk.ext.fragment && pk.csum_ok);
}
END_TEST

START_TEST(what_a_router_finds_too_big_leaves_in_smaller_fragments)
{
	struct ip6_hdr h = {.next = IP6_ICMP};
	struct icmp_hdr big = {.type = ICMP6_TOO_BIG, .rest = 1280};
	uint8_t l4[8 + 64];

	ck_assert_int_eq(send_to(from, 3000), 3000);
	ck_assert(desk6_sent(&d, &pk));
	icmp_build(l4, &big);
	memcpy(l4 + 8, pk.l3, 64);
	ip6(h.src, "2001:db8::9");
	ip6(h.dst, "2001:db8::1");
	while (desk6_sent(&d, &pk))
		;
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
	ck_assert_int_eq(send_to(from, 3000), 3000);
	ck_assert_uint_eq(collect(1280), 3008);
}
END_TEST

START_TEST(who_wants_no_fragments_is_told_that_it_is_too_large)
{
	int how = IPV6_PMTUDISC_DO;

	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how)), 0);
	ck_assert_int_eq(send_to(from, 1453), -EMSGSIZE);
	ck_assert_int_eq(send_to(from, 1452), 1452);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert(!desk6_sent(&d, &pk));
}
END_TEST

START_TEST(to_ourselves_the_largest_arrives)
{
	uint64_t full;
	const int64_t most = UINT16_MAX - UDP_HDR_LEN;

	ck_assert_int_eq(send_to("2001:db8::1", (size_t)most), most);
	ck_assert_int_eq(desk_recv(so, out, sizeof(out), 0, NULL, &full), most);
	ck_assert_mem_eq(out, data, (size_t)most);
}
END_TEST

START_TEST(without_room_nothing_goes)
{
	struct pktbuf *held[DESK_PKTBUFS];
	unsigned n = 0;

	while (d.pool.avail > 60) /* enough for the datagram, not for its fragments */
		held[n++] = pktbuf_alloc(&d.pool);
	ck_assert_int_eq(send_to(from, 60000), -ENOBUFS);
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(d.pool.avail, 60);
	while (n > 0)
		pktbuf_free(held[--n]);
}
END_TEST

int main(void)
{
	return run_cases(
		"reass6",
		CASES(fragments_that_overlap_end_the_datagram,
		      what_lies_beyond_the_last_fragment_ends_the_datagram,
		      fragments_of_different_datagrams_do_not_meet,
		      a_fragment_of_an_odd_length_is_a_problem_with_its_place,
		      a_datagram_that_stays_incomplete_is_dropped_and_told_of_after_a_minute,
		      the_largest_datagram_there_is_arrives,
		      what_is_larger_than_a_datagram_is_a_problem_with_its_place,
		      a_first_fragment_without_its_upper_header_is_a_problem,
		      headers_behind_the_fragment_header_are_walked_at_the_end,
		      one_source_has_sixteen_datagrams_in_pieces_at_most,
		      a_mark_of_congestion_survives, neighbour_discovery_in_fragments_is_not_heard,
		      a_large_echo_is_answered_whole, a_large_datagram_leaves_in_fragments,
		      what_a_router_finds_too_big_leaves_in_smaller_fragments,
		      who_wants_no_fragments_is_told_that_it_is_too_large,
		      to_ourselves_the_largest_arrives, without_room_nothing_goes,
		      a_fragment_within_a_fragment_is_dropped,
		      fragments_in_any_order_are_one_datagram),
		setup, teardown);
}
