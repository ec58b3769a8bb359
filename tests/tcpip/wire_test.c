/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcpip/wire.h"

#include <errno.h>
#include <string.h>

#include "tests/tcpip/cases.h"

static uint8_t buf[128];

static void setup(void)
{
	memset(buf, 0, sizeof(buf));
}

/* ---- checksum */

START_TEST(the_checksum_of_rfc_1071s_example_is_right)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint16_t sum = csum_fold(csum_add(0, data, sizeof(data)));

	memcpy(buf, &sum, 2);
	ck_assert_uint_eq(buf[0], 0x22); /* ~0xddf2 */
	ck_assert_uint_eq(buf[1], 0x0d);
}
END_TEST

static uint16_t plain_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

START_TEST(checksums_of_every_length_agree_with_the_plain_sum)
{
	static uint8_t data[300];
	uint8_t field[2];

	srand(7);
	for (size_t len = 0; len < sizeof(data); len++) {
		uint16_t sum;

		for (size_t i = 0; i < len; i++)
			data[i] = len % 3 ? (uint8_t)rand() : 0xff;
		sum = csum_fold(csum_add(0, data, len));
		memcpy(field, &sum, 2);
		ck_assert_uint_eq(wire_get16(field), plain_sum(data, len));
		/* In two pieces, the first of even length, at an odd address. */
		if (len > 9) {
			sum = csum_fold(csum_add(csum_add(0, data + 1, 8), data + 9, len - 9));
			memcpy(field, &sum, 2);
			ck_assert_uint_eq(wire_get16(field), plain_sum(data + 1, len - 1));
		}
	}
}
END_TEST

START_TEST(a_sum_with_its_checksum_in_place_folds_to_zero)
{
	uint16_t sum;

	for (size_t i = 0; i < 60; i++)
		buf[i] = (uint8_t)(i * 37);
	buf[16] = buf[17] = 0;
	sum = csum_fold(csum_add(csum_pseudo4(1, 2, 6, 60), buf, 60));
	memcpy(buf + 16, &sum, 2);
	ck_assert_uint_eq(csum_fold(csum_add(csum_pseudo4(1, 2, 6, 60), buf, 60)), 0);
}
END_TEST

/* ---- round trips and short input */

START_TEST(ethernet_round_trips)
{
	struct eth_hdr in = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}, 0x0806}, out;

	eth_build(buf, &in);
	ck_assert_int_eq(eth_parse(&out, buf, 14), 0);
	ck_assert_mem_eq(&in, &out, sizeof(in));
	ck_assert_int_eq(eth_parse(&out, buf, 13), -EBADMSG);
}
END_TEST

START_TEST(a_vlan_tag_round_trips)
{
	struct vlan_tag in = {.vid = 4094, .pcp = 5, .type = ETH_TYPE_ARP}, out;
	uint8_t b[VLAN_TAG_LEN];

	vlan_build(b, &in);
	ck_assert_int_eq(vlan_parse(&out, b, sizeof(b)), 0);
	ck_assert_uint_eq(out.vid, 4094);
	ck_assert_uint_eq(out.pcp, 5);
	ck_assert_uint_eq(out.type, ETH_TYPE_ARP);
	ck_assert_int_lt(vlan_parse(&out, b, sizeof(b) - 1), 0);
}
END_TEST

START_TEST(arp_round_trips_and_other_hardware_is_refused)
{
	struct arp_msg in = {.op = 2,
			     .sha = {1, 2, 3, 4, 5, 6},
			     .tha = {9},
			     .spa = 0x01020304,
			     .tpa = 5},
		       out;

	arp_build(buf, &in);
	ck_assert_int_eq(arp_parse(&out, buf, 28), 0);
	ck_assert_uint_eq(out.op, 2);
	ck_assert_uint_eq(out.spa, in.spa);
	ck_assert_uint_eq(out.tpa, in.tpa);
	ck_assert_mem_eq(out.sha, in.sha, 6);
	ck_assert_mem_eq(out.tha, in.tha, 6);
	ck_assert_int_eq(arp_parse(&out, buf, 27), -EBADMSG);
	for (int i = 0; i < 6; i++) {
		arp_build(buf, &in);
		buf[i] ^= 0x10;
		ck_assert_int_eq(arp_parse(&out, buf, 28), -EBADMSG);
	}
}
END_TEST

START_TEST(ipv4_round_trips)
{
	struct ip4_hdr in = {.hdr_len = 20,
			     .tos = 0x10,
			     .ttl = 3,
			     .protocol = 17,
			     .total_len = 99,
			     .id = 0xbeef,
			     .df = true,
			     .src = 77,
			     .dst = 88},
		       out;

	ip4_build(buf, &in);
	ck_assert_uint_eq(csum_fold(csum_add(0, buf, 20)), 0);
	ck_assert_int_eq(ip4_parse(&out, buf, 99), 0);
	in.checksum = out.checksum;
	ck_assert_uint_eq(out.hdr_len, 20);
	ck_assert_uint_eq(out.total_len, 99);
	ck_assert_uint_eq(out.id, 0xbeef);
	ck_assert(out.df && !out.mf && out.frag_off == 0);
	ck_assert_uint_eq(out.src, 77);
	ck_assert_uint_eq(out.dst, 88);
	in.df = false;
	in.mf = true;
	in.frag_off = 1480;
	ip4_build(buf, &in);
	ck_assert_int_eq(ip4_parse(&out, buf, 99), 0);
	ck_assert(!out.df && out.mf);
	ck_assert_uint_eq(out.frag_off, 1480);
}
END_TEST

START_TEST(ipv4_with_wrong_lengths_is_refused)
{
	struct ip4_hdr h = {.total_len = 40, .ttl = 64}, out;

	ip4_build(buf, &h);
	ck_assert_int_eq(ip4_parse(&out, buf, 40), 0);
	ck_assert_int_eq(ip4_parse(&out, buf, 39), -EBADMSG);
	ck_assert_int_eq(ip4_parse_quoted(&out, buf, 28), 0);
	ck_assert_int_eq(ip4_parse_quoted(&out, buf, 19), -EBADMSG);
	buf[0] = 0x65;
	ck_assert_int_eq(ip4_parse(&out, buf, 40), -EBADMSG);
	buf[0] = 0x44; /* header of 16 bytes */
	ck_assert_int_eq(ip4_parse(&out, buf, 40), -EBADMSG);
	buf[0] = 0x4b; /* header of 44 bytes, packet of 40 */
	ck_assert_int_eq(ip4_parse(&out, buf, 100), -EBADMSG);
	buf[0] = 0x4a;
	ck_assert_int_eq(ip4_parse(&out, buf, 40), 0);
	ck_assert_int_eq(ip4_parse_quoted(&out, buf, 39), -EBADMSG);
}
END_TEST

START_TEST(udp_round_trips_and_checks_its_length)
{
	struct udp_hdr in = {1, 65535, 12, 0xabcd}, out;

	udp_build(buf, &in);
	ck_assert_int_eq(udp_parse(&out, buf, 12), 0);
	ck_assert_mem_eq(&in, &out, sizeof(in));
	ck_assert_int_eq(udp_parse(&out, buf, 11), -EBADMSG);
	ck_assert_int_eq(udp_parse(&out, buf, 7), -EBADMSG);
	in.len = 7;
	udp_build(buf, &in);
	ck_assert_int_eq(udp_parse(&out, buf, 12), -EBADMSG);
}
END_TEST

START_TEST(icmp_round_trips)
{
	struct icmp_hdr in = {8, 0, 0x1234, 0xdeadbeef}, out;

	icmp_build(buf, &in);
	ck_assert_int_eq(icmp_parse(&out, buf, 8), 0);
	ck_assert_mem_eq(&in, &out, sizeof(in));
	ck_assert_int_eq(icmp_parse(&out, buf, 7), -EBADMSG);
}
END_TEST

/* ---- TCP */

static void expect_opts(const struct tcp_hdr *h, const uint8_t *want, unsigned len)
{
	ck_assert_uint_eq(tcp_build_len(h), 20 + len);
	ck_assert_uint_eq(tcp_build(buf, h), 20 + len);
	ck_assert_mem_eq(buf + 20, want, len);
	ck_assert_uint_eq(buf[12] >> 4, 5 + len / 4);
}

START_TEST(group_queries_are_read_in_three_versions)
{
	uint8_t m[20] = {IGMP_QUERY, 100, 0, 0, 239, 1, 2, 3};
	struct igmp_query q;

	ck_assert_int_eq(igmp_query_parse(&q, m, 8), 0);
	ck_assert_uint_eq(q.version, 2);
	ck_assert_uint_eq(q.max_ms, 10000);
	ck_assert_uint_eq(q.group, wire_addr4(239, 1, 2, 3));
	ck_assert_int_eq(igmp_query_parse(&q, m, 12), 0);
	ck_assert_uint_eq(q.version, 3);
	m[1] = 0xff; /* RFC 3376 4.1.1: the largest */
	ck_assert_int_eq(igmp_query_parse(&q, m, 14), 0);
	ck_assert_uint_eq(q.max_ms, 3174400);
	m[11] = 2, m[16] = 10; /* two sources */
	ck_assert_int_eq(igmp_query_parse(&q, m, 19), -EBADMSG);
	ck_assert_int_eq(igmp_query_parse(&q, m, 20), 0);
	ck_assert_uint_eq(q.n_sources, 2);
	ck_assert_uint_eq(igmp_query_source(m, 1), wire_addr4(10, 0, 0, 0));
	m[1] = 0;
	ck_assert_int_eq(igmp_query_parse(&q, m, 8), 0);
	ck_assert_uint_eq(q.version, 1);
	ck_assert_uint_eq(q.max_ms, 10000);
	ck_assert_int_eq(igmp_query_parse(&q, m, 7), -EBADMSG);
	ck_assert_int_eq(igmp_query_parse(&q, m, 11), -EBADMSG);
	m[0] = IGMP_V2_REPORT;
	ck_assert_int_eq(igmp_query_parse(&q, m, 8), -EBADMSG);
}
END_TEST

START_TEST(a_group_report_has_its_records_and_their_sources_where_they_belong)
{
	static const uint8_t want[] = {IGMP_V3_REPORT,
				       0,
				       0,
				       0,
				       0,
				       0,
				       0,
				       1,
				       5,
				       0,
				       0,
				       2,
				       239,
				       1,
				       2,
				       3,
				       10,
				       0,
				       0,
				       9,
				       10,
				       0,
				       0,
				       8};
	unsigned at = igmp_report_build(buf, 1);
	uint8_t *record = buf + at;

	at += igmp_record_build(record, 5, wire_addr4(239, 1, 2, 3));
	at += igmp_record_source(record, wire_addr4(10, 0, 0, 9));
	at += igmp_record_source(record, wire_addr4(10, 0, 0, 8));
	ck_assert_uint_eq(at, sizeof(want));
	ck_assert_mem_eq(buf, want, sizeof(want));
}
END_TEST

START_TEST(the_router_alert_is_found_among_options_that_may_lie)
{
	struct ip4_hdr h = {.total_len = 24, .ttl = 1};
	uint8_t data[60] = {0};

	ip4_build_alert(data, &h);
	ck_assert_uint_eq(csum_fold(csum_add(0, data, IP4_ALERT_HDR_LEN)), 0);
	ck_assert(ip4_router_alert(data, IP4_ALERT_HDR_LEN));
	ck_assert(!ip4_router_alert(data, IP4_HDR_LEN));
	memcpy(data + 20, (uint8_t[]){1, 7, 3, 0, 148, 4, 0, 0}, 8);
	ck_assert(ip4_router_alert(data, 28));
	data[22] = 0; /* an option of no length */
	ck_assert(!ip4_router_alert(data, 28));
	data[22] = 255;
	ck_assert(!ip4_router_alert(data, 28));
	memcpy(data + 20, (uint8_t[]){0, 148, 4, 0}, 4); /* behind the end */
	ck_assert(!ip4_router_alert(data, 24));
	data[23] = 148; /* cut short */
	memset(data + 20, 1, 3);
	ck_assert(!ip4_router_alert(data, 24));
}
END_TEST

START_TEST(a_syns_options_come_in_linuxs_order)
{
	static const uint8_t all[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
				      0, 1, 0, 0,    0, 0, 1, 3,  3, 8};
	static const uint8_t no_ts[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 8};
	static const uint8_t no_sack[] = {2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0};
	struct tcp_hdr h = {.flags = TCP_SYN};

	h.opts = (struct tcp_opts){.has_mss = true,
				   .mss = 1460,
				   .has_wscale = true,
				   .wscale = 8,
				   .has_ts = true,
				   .ts_val = 1,
				   .sack_ok = true};
	expect_opts(&h, all, sizeof(all));
	h.opts.has_ts = false;
	expect_opts(&h, no_ts, sizeof(no_ts));
	h.opts = (struct tcp_opts){.has_mss = true, .mss = 1460, .has_ts = true, .ts_val = 1};
	expect_opts(&h, no_sack, sizeof(no_sack));
	h.opts.has_ts = false;
	expect_opts(&h, no_ts, 4);
}
END_TEST

START_TEST(time_stamps_and_sack_blocks_are_preceded_by_two_nops)
{
	static const uint8_t want[] = {1, 1, 8, 10, 0, 0, 0, 1,	 0, 0, 0, 2,
				       1, 1, 5, 10, 0, 0, 0, 10, 0, 0, 0, 20};
	struct tcp_hdr h = {.flags = TCP_ACK};

	h.opts = (struct tcp_opts){
		.has_ts = true, .ts_val = 1, .ts_ecr = 2, .n_sack = 1, .sack = {{10, 20}}};
	expect_opts(&h, want, sizeof(want));
}
END_TEST

START_TEST(sack_blocks_that_do_not_fit_are_left_out)
{
	struct tcp_hdr h = {.flags = TCP_ACK, .opts = {.n_sack = 4}}, out;

	ck_assert_uint_eq(tcp_build(buf, &h), 20 + 36);
	h.opts.has_ts = true;
	ck_assert_uint_eq(tcp_build(buf, &h), 60);
	ck_assert_int_eq(tcp_parse(&out, buf, 60), 0);
	ck_assert_uint_eq(out.opts.n_sack, 3);
	h.opts.n_sack = 200;
	ck_assert_uint_eq(tcp_build(buf, &h), 60);
}
END_TEST

START_TEST(a_fast_open_cookie_round_trips)
{
	static const uint8_t cookie[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
	struct tcp_hdr in = {.flags = TCP_SYN}, out;
	uint8_t len, i;

	for (i = 0; i <= 17; i++) {
		len = i & 30;
		in.opts = (struct tcp_opts){
			.has_mss = true, .mss = 1460, .fo = cookie, .fo_len = len, .fo_exp = i & 1};
		ck_assert_uint_eq(tcp_build(buf, &in), tcp_build_len(&in));
		ck_assert_int_eq(tcp_parse(&out, buf, tcp_build_len(&in)), 0);
		if (len == 2) { /* RFC 7413 4.1.1: nothing, or 4 to 16 */
			ck_assert_ptr_null(out.opts.fo);
			continue;
		}
		ck_assert_ptr_nonnull(out.opts.fo);
		ck_assert_uint_eq(out.opts.fo_len, len);
		ck_assert_uint_eq(out.opts.fo_exp, i & 1);
		ck_assert_mem_eq(out.opts.fo, cookie, len);
		ck_assert_uint_eq(out.opts.mss, 1460);
	}
}
END_TEST

START_TEST(tcp_round_trips)
{
	struct tcp_hdr in = {.sport = 1,
			     .dport = 2,
			     .seq = 0xfffffff0,
			     .ack = 7,
			     .window = 512,
			     .flags = TCP_ACK | TCP_PSH | TCP_URG,
			     .urgent = 3},
		       out;

	in.opts = (struct tcp_opts){.has_ts = true, .ts_val = 0x80000001, .ts_ecr = 9, .n_sack = 2};
	in.opts.sack[0] = (struct tcp_sack_block){1, 2};
	in.opts.sack[1] = (struct tcp_sack_block){0xffffffff, 4};
	in.hdr_len = (uint8_t)tcp_build(buf, &in);
	ck_assert_int_eq(tcp_parse(&out, buf, in.hdr_len), 0);
	ck_assert_mem_eq(&in, &out, offsetof(struct tcp_hdr, urgent) + sizeof(in.urgent));
	ck_assert_mem_eq(&in.opts, &out.opts, sizeof(in.opts));
}
END_TEST

START_TEST(syn_options_on_another_segment_are_ignored)
{
	struct tcp_hdr in = {.flags = TCP_ACK}, out;

	in.opts = (struct tcp_opts){.has_mss = true, .mss = 1, .has_wscale = true, .sack_ok = true};
	in.hdr_len = (uint8_t)tcp_build(buf, &in);
	ck_assert_int_eq(tcp_parse(&out, buf, in.hdr_len), 0);
	ck_assert(!out.opts.has_mss && !out.opts.has_wscale && !out.opts.sack_ok);
}
END_TEST

START_TEST(a_tcp_header_longer_than_the_segment_is_refused)
{
	struct tcp_hdr out;

	buf[12] = 0x60;
	ck_assert_int_eq(tcp_parse(&out, buf, 23), -EBADMSG);
	ck_assert_int_eq(tcp_parse(&out, buf, 24), 0);
	buf[12] = 0x40;
	ck_assert_int_eq(tcp_parse(&out, buf, 60), -EBADMSG);
	buf[12] = 0x50;
	ck_assert_int_eq(tcp_parse(&out, buf, 19), -EBADMSG);
}
END_TEST

static struct tcp_opts opts_of(const uint8_t *o, unsigned len, uint8_t flags)
{
	struct tcp_hdr out;
	uint8_t *exact = malloc(20 + len); /* so that ASan sees a byte too far */

	memset(exact, 0, 20);
	exact[12] = (uint8_t)((20 + len) / 4 << 4);
	exact[13] = flags;
	memcpy(exact + 20, o, len);
	ck_assert_int_eq(tcp_parse(&out, exact, 20 + len), 0);
	free(exact);
	return out.opts;
}

START_TEST(an_option_with_an_illegal_length_ends_the_list)
{
	static const uint8_t zero[] = {2, 4, 5, 0xb4, 3, 0, 8, 8}, one[] = {3, 1, 2, 4, 9, 9, 0, 0},
			     past[] = {2, 4, 5, 0xb4, 1, 8, 10, 0}, last[] = {1, 1, 1, 2},
			     after_end[] = {0, 2, 4, 5, 0xb4, 0, 0, 0};
	struct tcp_opts o = opts_of(zero, 8, TCP_SYN);

	ck_assert(o.has_mss && o.mss == 1460 && !o.has_wscale);
	ck_assert(!opts_of(one, 8, TCP_SYN).has_mss);
	o = opts_of(past, 8, TCP_SYN);
	ck_assert(o.has_mss && !o.has_ts);
	ck_assert(!opts_of(last, 4, TCP_SYN).has_mss);
	ck_assert(!opts_of(after_end, 8, TCP_SYN).has_mss);
}
END_TEST

START_TEST(known_options_with_another_length_are_skipped)
{
	static const uint8_t o[] = {2, 3, 5, 3, 4, 7, 7, 4, 3, 0, 8, 4, 1, 1, 3, 3, 20, 0, 0, 0};
	struct tcp_opts got = opts_of(o, sizeof(o), TCP_SYN);

	ck_assert(!got.has_mss && !got.sack_ok && !got.has_ts);
	ck_assert(got.has_wscale && got.wscale == 14); /* RFC 7323 2.3: more counts as 14 */
}
END_TEST

START_TEST(broken_sack_options_are_ignored)
{
	static const uint8_t empty[] = {5, 2, 1, 1}, odd[] = {5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

	ck_assert_uint_eq(opts_of(empty, 4, TCP_ACK).n_sack, 0);
	ck_assert_uint_eq(opts_of(odd, 12, TCP_ACK).n_sack, 0);
}
END_TEST

START_TEST(random_options_never_read_too_far)
{
	uint8_t o[40];

	srand(1);
	for (int i = 0; i < 20000; i++) {
		unsigned len = (unsigned)(rand() % 11) * 4;

		for (unsigned j = 0; j < len; j++)
			o[j] = (uint8_t)(rand() % 12);
		ck_assert_uint_le(opts_of(o, len, rand() & 1 ? TCP_SYN : TCP_ACK).n_sack, 4);
	}
}
END_TEST

int main(void)
{
	return run_cases(
		"wire",
		CASES(the_checksum_of_rfc_1071s_example_is_right,
		      checksums_of_every_length_agree_with_the_plain_sum,
		      a_sum_with_its_checksum_in_place_folds_to_zero, ethernet_round_trips,
		      a_vlan_tag_round_trips, arp_round_trips_and_other_hardware_is_refused,
		      ipv4_round_trips, ipv4_with_wrong_lengths_is_refused,
		      udp_round_trips_and_checks_its_length, icmp_round_trips,
		      group_queries_are_read_in_three_versions,
		      a_group_report_has_its_records_and_their_sources_where_they_belong,
		      the_router_alert_is_found_among_options_that_may_lie,
		      a_syns_options_come_in_linuxs_order,
		      time_stamps_and_sack_blocks_are_preceded_by_two_nops,
		      sack_blocks_that_do_not_fit_are_left_out, tcp_round_trips,
		      a_fast_open_cookie_round_trips, syn_options_on_another_segment_are_ignored,
		      a_tcp_header_longer_than_the_segment_is_refused,
		      an_option_with_an_illegal_length_ends_the_list,
		      known_options_with_another_length_are_skipped,
		      broken_sack_options_are_ignored, random_options_never_read_too_far),
		setup, NULL);
}
