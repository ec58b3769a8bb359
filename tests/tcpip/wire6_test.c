/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6's formats: built and read back, cut short at every length, extension headers that lie. */
#include <errno.h>
#include <string.h>

#include "tcpip/wire6.h"
#include "tests/tcpip/cases.h"

static uint8_t buf[2048];
static struct ip6_hdr h;
static struct ip6_ext e;

static void setup(void)
{
	memset(buf, 0, sizeof(buf));
	h = (struct ip6_hdr){.tclass = 0xb9, .next = IP6_UDP, .hop_limit = 63, .flow = 0xabcde};
	h.payload_len = 8;
	memset(h.src, 0x11, 16);
	memset(h.dst, 0x22, 16);
}

static void teardown(void)
{
}

START_TEST(a_header_comes_back_as_it_was_built)
{
	struct ip6_hdr r = {0};

	ip6_build(buf, &h);
	ck_assert_uint_eq(buf[0] >> 4, 6);
	ck_assert_int_eq(ip6_parse(&r, buf, 48), 0);
	ck_assert_uint_eq(r.tclass, 0xb9);
	ck_assert_uint_eq(r.flow, 0xabcde);
	ck_assert_uint_eq(r.payload_len, 8);
	ck_assert_uint_eq(r.next, IP6_UDP);
	ck_assert_uint_eq(r.hop_limit, 63);
	ck_assert_mem_eq(r.src, h.src, 16);
	ck_assert_mem_eq(r.dst, h.dst, 16);
}
END_TEST

START_TEST(a_header_cut_short_or_of_another_version_is_refused)
{
	struct ip6_hdr r;
	size_t len;

	ip6_build(buf, &h);
	for (len = 0; len < 48; len++)
		ck_assert_int_eq(ip6_parse(&r, buf, len), -EBADMSG);
	ck_assert_int_eq(ip6_parse_quoted(&r, buf, 40), 0);
	buf[0] = 0x45;
	ck_assert_int_eq(ip6_parse(&r, buf, 48), -EBADMSG);
}
END_TEST

/* Puts headers of `kinds` (8 bytes each, options padded) behind the IPv6 header. */
static int walk(const uint8_t *kinds, unsigned n, size_t len)
{
	unsigned i;

	h.next = n ? kinds[0] : IP6_UDP;
	for (i = 0; i < n; i++) {
		uint8_t *x = buf + IP6_HDR_LEN + 8 * i;

		x[0] = i + 1 < n ? kinds[i + 1] : IP6_UDP;
		if (kinds[i] == IP6_HOPOPTS || kinds[i] == IP6_DSTOPTS) {
			if (x[2] == 0) {
				x[2] = 1;
				x[3] = 4;
			}
		}
	}
	return ip6_walk(&e, &h, buf, len);
}

START_TEST(extension_headers_are_walked_over)
{
	uint8_t kinds[] = {IP6_HOPOPTS, IP6_DSTOPTS, IP6_ROUTING};

	ck_assert_int_eq(walk(kinds, 0, 48), 0);
	ck_assert_uint_eq(e.len, 0);
	ck_assert_int_eq(walk(kinds, 3, 72), 0);
	ck_assert_uint_eq(e.next, IP6_UDP);
	ck_assert_uint_eq(e.len, 24);
	ck_assert_uint_eq(e.next_at, 40 + 16);
}
END_TEST

START_TEST(headers_cut_short_at_any_byte_are_refused)
{
	uint8_t kinds[] = {IP6_HOPOPTS, IP6_DSTOPTS, IP6_ROUTING};
	size_t len;

	for (len = IP6_HDR_LEN; len < 64; len++)
		ck_assert_int_eq(walk(kinds, 3, len), -EBADMSG);
	buf[IP6_HDR_LEN + 1] = 200; /* longer than the packet */
	ck_assert_int_eq(walk(kinds, 3, 80), -EBADMSG);
}
END_TEST

START_TEST(too_many_headers_are_refused)
{
	uint8_t kinds[9];

	memset(kinds, IP6_DSTOPTS, sizeof(kinds));
	ck_assert_int_eq(walk(kinds, 8, 200), 0);
	ck_assert_int_eq(walk(kinds, 9, 200), -EBADMSG);
}
END_TEST

START_TEST(headers_that_are_too_long_together_are_refused)
{
	uint8_t kinds[] = {IP6_ROUTING};

	buf[IP6_HDR_LEN + 1] = 63;
	ck_assert_int_eq(walk(kinds, 1, 1024), 0);
	buf[IP6_HDR_LEN + 1] = 64;
	ck_assert_int_eq(walk(kinds, 1, 1024), -EBADMSG);
}
END_TEST

START_TEST(hop_by_hop_options_behind_another_header_are_a_problem)
{
	uint8_t kinds[] = {IP6_DSTOPTS, IP6_HOPOPTS};

	ck_assert_int_eq(walk(kinds, 2, 80), -EPROTO);
	ck_assert_uint_eq(e.problem, ICMP6_BAD_NEXT);
	ck_assert_uint_eq(e.problem_at, 40);
}
END_TEST

START_TEST(a_routing_header_with_segments_left_is_a_problem)
{
	uint8_t kinds[] = {IP6_ROUTING};

	buf[43] = 1;
	ck_assert_int_eq(walk(kinds, 1, 80), -EPROTO);
	ck_assert_uint_eq(e.problem, ICMP6_BAD_FIELD);
	ck_assert_uint_eq(e.problem_at, 42);
}
END_TEST

START_TEST(an_unknown_option_is_treated_as_its_high_bits_say)
{
	uint8_t kinds[] = {IP6_DSTOPTS};
	static const struct {
		uint8_t type;
		int unicast, multicast;
	} rows[] = {
		{0x1e, 0, 0},
		{0x5e, -EBADMSG, -EBADMSG},
		{0x9e, -EPROTO, -EPROTO},
		{0xde, -EPROTO, -EBADMSG},
	};
	unsigned i;

	for (i = 0; i < 4; i++) {
		buf[42] = rows[i].type;
		buf[43] = 4;
		h.dst[0] = 0x20;
		ck_assert_int_eq(walk(kinds, 1, 80), rows[i].unicast);
		if (rows[i].unicast == -EPROTO) {
			ck_assert_uint_eq(e.problem, ICMP6_BAD_OPTION);
			ck_assert_uint_eq(e.problem_at, 42);
		}
		h.dst[0] = 0xff;
		ck_assert_int_eq(walk(kinds, 1, 80), rows[i].multicast);
	}
}
END_TEST

START_TEST(options_that_lie_about_their_length_or_are_too_many_are_refused)
{
	uint8_t kinds[] = {IP6_DSTOPTS};
	unsigned i;

	buf[42] = 0x1e;
	buf[43] = 5;
	ck_assert_int_eq(walk(kinds, 1, 80), -EBADMSG);
	buf[41] = 7; /* 64 bytes: 62 of options */
	for (i = 0; i < 31; i++) {
		buf[42 + 2 * i] = 0x1e;
		buf[43 + 2 * i] = 0;
	}
	ck_assert_int_eq(walk(kinds, 1, 200), -EBADMSG);
	buf[42] = 1; /* a long pad hides a channel */
	buf[43] = 60;
	ck_assert_int_eq(walk(kinds, 1, 200), -EBADMSG);
}
END_TEST

START_TEST(a_router_alert_is_seen)
{
	uint8_t kinds[] = {IP6_HOPOPTS};

	buf[42] = 5;
	buf[43] = 2;
	buf[46] = 1;
	ck_assert_int_eq(walk(kinds, 1, 80), 0);
	ck_assert(e.router_alert);
}
END_TEST

START_TEST(a_fragment_header_ends_the_walk)
{
	uint8_t kinds[] = {IP6_DSTOPTS, IP6_FRAGMENT};

	wire_put16(buf + 50, 1480 | 1);
	wire_put32(buf + 52, 0x12345678);
	ck_assert_int_eq(walk(kinds, 2, 80), 0);
	ck_assert(e.fragment && e.more);
	ck_assert_uint_eq(e.frag_off, 1480);
	ck_assert_uint_eq(e.frag_id, 0x12345678);
	ck_assert_uint_eq(e.next, IP6_UDP);
	ck_assert_uint_eq(e.len, 16);
	ck_assert_uint_eq(e.frag_next, 40);
}
END_TEST

static struct nd_msg whole(uint8_t type)
{
	struct nd_msg m = {.type = type};

	if (type == ICMP6_NS || type == ICMP6_NA || type == ICMP6_REDIRECT)
		memset(m.target, 0x33, 16);
	if (type == ICMP6_REDIRECT)
		memset(m.dst, 0x22, 16);
	if (type == ICMP6_NA)
		m.flags = ND_NA_SOLICITED | ND_NA_OVERRIDE;
	if (type == ICMP6_NA || type == ICMP6_REDIRECT) {
		m.has_tlla = true;
		memset(m.tlla, 0x44, 6);
		return m;
	}
	m.has_slla = true;
	memset(m.slla, 0x55, 6);
	if (type == ICMP6_RA) {
		m.hop_limit = 61;
		m.lifetime = 1800;
		m.reachable = 30000;
		m.retrans = 1000;
		m.mtu = 1400;
		m.n_prefix = 2;
		m.prefix[0] = (struct nd_prefix){{0x20, 1}, 64, true, true, 7200, 3600};
		m.prefix[1] = (struct nd_prefix){{0x20, 2}, 48, true, false, 60, 0};
	}
	return m;
}

static const uint8_t nd_types[] = {ICMP6_RS, ICMP6_RA, ICMP6_NS, ICMP6_NA, ICMP6_REDIRECT};

START_TEST(neighbour_messages_come_back_as_they_were_built)
{
	struct nd_msg m = whole(nd_types[_i]), r;
	unsigned len = nd_build(buf, &m);

	ck_assert_int_eq(nd_parse(&r, buf, len), 0);
	ck_assert_mem_eq(r.target, m.target, 16);
	ck_assert_mem_eq(r.dst, m.dst, 16);
	ck_assert_uint_eq(r.flags, m.flags);
	ck_assert(r.has_slla == m.has_slla && r.has_tlla == m.has_tlla);
	ck_assert_mem_eq(r.slla, m.slla, 6);
	ck_assert_mem_eq(r.tlla, m.tlla, 6);
	ck_assert_uint_eq(r.hop_limit, m.hop_limit);
	ck_assert_uint_eq(r.lifetime, m.lifetime);
	ck_assert_uint_eq(r.reachable, m.reachable);
	ck_assert_uint_eq(r.retrans, m.retrans);
	ck_assert_uint_eq(r.mtu, m.mtu);
	ck_assert_uint_eq(r.n_prefix, m.n_prefix);
	ck_assert_uint_eq(r.prefix[0].valid, m.prefix[0].valid);
	ck_assert_uint_eq(r.prefix[1].preferred, m.prefix[1].preferred);
	ck_assert(r.prefix[1].on_link == m.prefix[1].on_link && !r.prefix[1].autonomous);
	ck_assert_mem_eq(r.prefix[1].prefix, m.prefix[1].prefix, 16);
}
END_TEST

/* Cut where an option ends it is a whole message with fewer options; anywhere else it is none. */
START_TEST(neighbour_messages_cut_short_are_refused)
{
	struct nd_msg m = whole(nd_types[_i]), r;
	static const unsigned fixed_len[] = {8, 16, 24, 24, 40};
	unsigned len = nd_build(buf, &m), cut, fixed = fixed_len[_i];

	for (cut = 0; cut < len; cut++)
		if (cut < fixed || cut % 8)
			ck_assert_int_eq(nd_parse(&r, buf, cut), -EBADMSG);
}
END_TEST

START_TEST(a_neighbour_message_with_an_empty_option_or_a_code_or_a_group_is_refused)
{
	struct nd_msg m = whole(ICMP6_NS), r;
	unsigned len = nd_build(buf, &m);

	buf[25] = 0;
	ck_assert_int_eq(nd_parse(&r, buf, len), -EBADMSG);
	buf[25] = 1;
	buf[1] = 1;
	ck_assert_int_eq(nd_parse(&r, buf, len), -EBADMSG);
	buf[1] = 0;
	buf[8] = 0xff;
	ck_assert_int_eq(nd_parse(&r, buf, len), -EBADMSG);
	m = whole(ICMP6_REDIRECT);
	m.dst[0] = 0xff;
	ck_assert_int_eq(nd_parse(&r, buf, nd_build(buf, &m)), -EBADMSG);
}
END_TEST

START_TEST(a_router_with_many_prefixes_fills_what_there_is)
{
	struct nd_msg m = whole(ICMP6_RA), r;
	unsigned len = nd_build(buf, &m), i;

	for (i = 0; i < 6; i++, len += 32)
		memcpy(buf + len, buf + len - 32, 32);
	ck_assert_int_eq(nd_parse(&r, buf, len), 0);
	ck_assert_uint_eq(r.n_prefix, ND_PREFIX_MAX);
}
END_TEST

START_TEST(group_queries_are_read_in_both_versions)
{
	struct mld_query q;
	size_t len;

	buf[0] = ICMP6_MLD_QUERY;
	wire_put16(buf + 4, 0x9abc);
	memset(buf + 8, 0xff, 16);
	for (len = 0; len < 28; len++)
		ck_assert_int_eq(mld_query_parse(&q, buf, len), len == 24 ? 0 : -EBADMSG);
	ck_assert_int_eq(mld_query_parse(&q, buf, 24), 0);
	ck_assert_uint_eq(q.max_ms, 0x9abc);
	ck_assert_int_eq(mld_query_parse(&q, buf, 28), 0);
	ck_assert_uint_eq(q.max_ms, 0x1abc << 4);
	ck_assert_uint_eq(q.group[15], 0xff);
	buf[27] = 2, buf[44] = 0xfe; /* two sources */
	ck_assert_int_eq(mld_query_parse(&q, buf, 59), -EBADMSG);
	ck_assert_int_eq(mld_query_parse(&q, buf, 60), 0);
	ck_assert_uint_eq(q.n_sources, 2);
	ck_assert_uint_eq(mld_query_source(buf, 1)[0], 0xfe);
	ck_assert_int_eq(mld_query_parse(&q, buf, 24), 0);
	ck_assert_uint_eq(q.n_sources, 0);
}
END_TEST

START_TEST(a_group_report_has_its_records_where_they_belong)
{
	uint8_t g[16] = {0xff, 2, [15] = 5}, s[16] = {0xfe, 0x80, [15] = 9};

	ck_assert_uint_eq(mld_report_build(buf, 2), 8);
	ck_assert_uint_eq(mld_record_build(buf + 8, 4, g), 20);
	ck_assert_uint_eq(mld_record_source(buf + 8, g), 16);
	ck_assert_uint_eq(mld_record_source(buf + 8, s), 16);
	ck_assert_uint_eq(buf[0], ICMP6_MLD2_REPORT);
	ck_assert_uint_eq(wire_get16(buf + 6), 2);
	ck_assert_uint_eq(buf[8], 4);
	ck_assert_uint_eq(wire_get16(buf + 10), 2);
	ck_assert_mem_eq(buf + 12, g, 16);
	ck_assert_mem_eq(buf + 44, s, 16);
}
END_TEST

/* RFC 8200 8.1: the same words in another order give the same sum. */
START_TEST(the_pseudo_header_counts_addresses_length_and_protocol)
{
	uint8_t src[16] = {0x20, 1, [15] = 1}, dst[16] = {0x20, 1, [15] = 2};

	ck_assert_uint_eq(csum_fold(csum_pseudo6(src, dst, IP6_ICMP, 8)),
			  csum_fold(csum_add(0, (const uint8_t[]){0x40, 2, 0, 3, 0, 8, 0, 58}, 8)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire6");
	TCase *tc = tcase_create("wire6");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_header_comes_back_as_it_was_built);
	tcase_add_test(tc, a_header_cut_short_or_of_another_version_is_refused);
	tcase_add_test(tc, extension_headers_are_walked_over);
	tcase_add_test(tc, headers_cut_short_at_any_byte_are_refused);
	tcase_add_test(tc, too_many_headers_are_refused);
	tcase_add_test(tc, headers_that_are_too_long_together_are_refused);
	tcase_add_test(tc, hop_by_hop_options_behind_another_header_are_a_problem);
	tcase_add_test(tc, a_routing_header_with_segments_left_is_a_problem);
	tcase_add_test(tc, an_unknown_option_is_treated_as_its_high_bits_say);
	tcase_add_test(tc, options_that_lie_about_their_length_or_are_too_many_are_refused);
	tcase_add_test(tc, a_router_alert_is_seen);
	tcase_add_test(tc, a_fragment_header_ends_the_walk);
	tcase_add_loop_test(tc, neighbour_messages_come_back_as_they_were_built, 0, 5);
	tcase_add_loop_test(tc, neighbour_messages_cut_short_are_refused, 0, 5);
	tcase_add_test(tc,
		       a_neighbour_message_with_an_empty_option_or_a_code_or_a_group_is_refused);
	tcase_add_test(tc, a_router_with_many_prefixes_fills_what_there_is);
	tcase_add_test(tc, group_queries_are_read_in_both_versions);
	tcase_add_test(tc, a_group_report_has_its_records_where_they_belong);
	tcase_add_test(tc, the_pseudo_header_counts_addresses_length_and_protocol);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
