/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups: heard while somebody is in them, reported in MLDv2's way, bounded. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/tcpip/cases.h"
#include "tcpip/group.h"
#include "tests/tcpip/desk6.h"

static struct desk d;
static struct packet6 pk;

static void setup(void)
{
	desk6_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

/* The record type that reports sent so far have for a group; 0: none. */
static uint8_t reported(const char *group, unsigned *times)
{
	uint8_t a[16], type = 0;
	unsigned i, n;

	*times = 0;
	ip6(a, group);
	while (desk6_sent(&d, &pk)) {
		if (pk.ext.next != IP6_ICMP || pk.icmp.type != ICMP6_MLD2_REPORT)
			continue;
		ck_assert(pk.csum_ok && pk.ext.router_alert);
		ck_assert_uint_eq(pk.ip.hop_limit, 1);
		ck_assert_uint_eq(pk.ip.dst[15], 0x16);
		n = wire_get16(pk.l4 + 6);
		ck_assert_uint_eq(pk.l4_len, 8 + n * MLD_RECORD_LEN); /* no sources */
		for (i = 0; i < n; i++)
			if (memcmp(pk.l4 + 8 + i * MLD_RECORD_LEN + 4, a, 16) == 0) {
				type = pk.l4[8 + i * MLD_RECORD_LEN];
				++*times;
			}
	}
	return type;
}

static int join(struct socket *so, const char *group, int name)
{
	struct ipv6_mreq req = {.ipv6mr_interface = 0};

	ip6((uint8_t *)&req.ipv6mr_multiaddr, group);
	return sock_setopt(so, IPPROTO_IPV6, name, &req, sizeof(req));
}

/* len: 28 of version 2, 24 of version 1. */
static void query_of(size_t len, uint16_t max, const char *src, uint8_t hops, bool alert)
{
	struct ip6_hdr h = {.next = IP6_HOPOPTS, .hop_limit = hops};
	uint8_t l4[36] = {IP6_ICMP, 0, 5, 2, 0, 0, 1, 0, ICMP6_MLD_QUERY};
	uint16_t sum;

	ip6(h.src, src);
	memcpy(h.dst, ip6_all_nodes, 16);
	if (!alert)
		l4[2] = 1, l4[3] = 4;
	wire_put16(l4 + 12, max);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, (uint32_t)len), l4 + 8, len));
	memcpy(l4 + 10, &sum, 2);
	desk6_packet(&d, 9, &h, l4, 8 + len);
}

static void query(uint16_t max, const char *src, uint8_t hops, bool alert)
{
	query_of(28, max, src, hops, alert);
}

/* The next message of version 1, of this type. */
static bool sent_old(uint8_t type)
{
	while (desk6_sent(&d, &pk))
		if (pk.ext.next == IP6_ICMP && pk.icmp.type == type && pk.l4_len == 24)
			return pk.csum_ok && pk.ext.router_alert && pk.ip.hop_limit == 1;
	return false;
}

START_TEST(a_join_is_reported_twice_and_a_leave_too)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	unsigned times;

	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), -EADDRINUSE);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::77", &times), 4);
	ck_assert_uint_eq(times, 2);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_LEAVE_GROUP), 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_LEAVE_GROUP), -EADDRNOTAVAIL);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::77", &times), 3);
	ck_assert_uint_eq(times, 2);
}
END_TEST

START_TEST(while_the_link_local_address_is_not_ours_reports_are_from_nobody)
{
	struct ip6_addr *a;
	uint8_t own[16];

	link_local(&d, own);
	a = addr6_find(d.st, &d.port[0].port, own);
	ck_assert_ptr_nonnull(a);
	a->state = IP6_TENTATIVE; /* as it may be for a second longer than the other */
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(join(socket6(&d, SOCK_DGRAM, 0), "ff02::77", IPV6_JOIN_GROUP), 0);
	desk_flush(&d);
	desk_pass(&d, 10 * MS_NS);
	while (desk6_sent(&d, &pk))
		if (pk.ext.next == IP6_ICMP && pk.icmp.type == ICMP6_MLD2_REPORT)
			break;
	ck_assert_uint_eq(pk.icmp.type, ICMP6_MLD2_REPORT);
	ck_assert(pk.csum_ok);
	ck_assert(ip6_is_unspecified(pk.ip.src));
	a->state = IP6_VALID;
}
END_TEST

START_TEST(a_query_is_answered_within_its_time_with_every_group_but_all_nodes)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	unsigned times;

	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	query(2000, "fe80::9", 1, true);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::77", &times), 2);
	query(2000, "fe80::9", 1, true);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::1:ff00:1", &times), 2);
	query(2000, "fe80::9", 1, true);
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::1", &times), 0);
}
END_TEST

/* RFC 3810 8.2.1, RFC 2710 3.4. */
START_TEST(a_router_of_version_1_is_spoken_to_in_its_way_for_260_seconds)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	unsigned times;
	uint8_t group[16];

	ip6(group, "ff02::77");
	query_of(24, 1000, "fe80::9", 1, true);
	desk_pass(&d, 2 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert(sent_old(ICMP6_MLD_REPORT));
	ck_assert_mem_eq(pk.ip.dst, group, 16);
	ck_assert_mem_eq(pk.l4 + 8, group, 16);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_LEAVE_GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert(sent_old(ICMP6_MLD_DONE));
	ck_assert_uint_eq(pk.ip.dst[15], 2);
	desk_pass(&d, 260 * SEC_NS);
	desk_drop_sent(&d, 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_uint_eq(reported("ff02::77", &times), 4);
}
END_TEST

/* RFC 3810 6.2. */
START_TEST(a_query_that_no_router_of_the_link_sent_is_not_answered)
{
	unsigned times;

	query(1000, "2001:db8::9", 1, true);
	query(1000, "fe80::9", 2, true);
	query(1000, "fe80::9", 1, false);
	desk_pass(&d, 3 * SEC_NS);
	reported("ff02::1:ff00:1", &times);
	ck_assert_uint_eq(times, 0);
	ck_assert_uint_eq(desk_count(&d, "MldInErrors"), 3);
}
END_TEST

START_TEST(a_datagram_to_a_group_is_heard_by_all_bound_and_only_while_one_is_in_it)
{
	struct socket *a = socket6(&d, SOCK_DGRAM, 0), *b = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr any = name6("::", 700), from;
	char buf[8];
	uint64_t full;
	int on = 1;

	sock_setopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sock_setopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(sock_bind(a, &any), 0);
	ck_assert_int_eq(sock_bind(b, &any), 0);
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert_int_eq(desk_recv(a, buf, 8, 0, &from, &full), -EAGAIN);
	ck_assert_int_eq(join(a, "ff02::77", IPV6_JOIN_GROUP), 0);
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert_int_eq(desk_recv(a, buf, 8, 0, &from, &full), 1);
	ck_assert_uint_eq(from.addr[15], 9);
	ck_assert_uint_eq(from.scope, 1);
	memset(&from, 0, sizeof(from));
	ck_assert_int_eq(desk_recv(b, buf, 8, 0, &from, &full), 1);
	ck_assert_uint_eq(from.addr[0], 0xfe);
	ck_assert_uint_eq(from.addr[15], 9);
	sock_close(a);
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert_int_eq(desk_recv(b, buf, 8, 0, &from, &full), -EAGAIN);
}
END_TEST

START_TEST(what_goes_to_a_group_has_its_own_hop_limit_and_port)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr to = name6("ff02::77", 9);
	struct stack_ip6_conf conf = {.accept_ra = false};
	int v = 7;

	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.hop_limit, 1);
	ck_assert_uint_eq(pk.eth.dst[5], 0x77);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &v, sizeof(v)), 0);
	v = 9;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &v, sizeof(v)), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(desk6_sent(&d, &pk));
	ck_assert_uint_eq(pk.ip.hop_limit, 9);
	ck_assert_int_eq(stack_ip6_up(d.st, &d.port[1].port, &conf), 0);
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	desk_drop_sent(&d, 1);
	v = 2;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v, sizeof(v)), 0);
	ck_assert_int_eq(desk_send(&d, so, "x", 1, &to), 1);
	ck_assert(!desk6_sent(&d, &pk));
	ck_assert_uint_eq(desk_drop_sent(&d, 1), 1);
	v = 3;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v, sizeof(v)), -ENODEV);
}
END_TEST

START_TEST(groups_are_bounded_for_a_socket_and_for_all)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	char text[40];
	unsigned i, k, n = 0;

	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "ff02::%x", i + 0x100);
		n += join(so, text, IPV6_JOIN_GROUP) == 0;
	}
	ck_assert_uint_eq(n, GROUP_SOCK_MAX);
	for (k = 0; k < 20; k++) {
		so = socket6(&d, SOCK_DGRAM, 0);
		for (i = 0; i < 16; i++) {
			snprintf(text, sizeof(text), "ff02::%x:%x", k + 1, i);
			n += join(so, text, IPV6_JOIN_GROUP) == 0;
		}
	}
	ck_assert_uint_ge(GROUP_MEMBER_MAX, n);
	ck_assert_uint_gt(n, 100);
	ck_assert_int_eq(join(so, "ff02::9999", IPV6_JOIN_GROUP), -ENOBUFS);
	ck_assert_int_eq(join(so, "2001:db8::5", IPV6_JOIN_GROUP), -EINVAL);
}
END_TEST

START_TEST(groups_that_nobody_is_told_of_leave_no_slot_behind)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	char text[40];
	unsigned i;

	for (i = 0; i < 2 * GROUP_MAX; i++) {
		snprintf(text, sizeof(text), "ff01::%x", i + 0x100);
		ck_assert_int_eq(join(so, text, IPV6_JOIN_GROUP), 0);
		ck_assert_int_eq(join(so, text, IPV6_LEAVE_GROUP), 0);
	}
}
END_TEST

/* ---- sources: RFC 3810 4.2, 5, 6, RFC 3678 5 ------------------------------------------------ */

static void put_name(struct sockaddr_storage *ss, const char *text)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};

	ip6((uint8_t *)&sin6.sin6_addr, text);
	memset(ss, 0, sizeof(*ss));
	memcpy(ss, &sin6, sizeof(sin6));
}

static int one_of(struct socket *so, int option, const char *group, const char *source)
{
	struct group_source_req req = {.gsr_interface = 0};

	put_name(&req.gsr_group, group);
	put_name(&req.gsr_source, source);
	return sock_setopt(so, IPPROTO_IPV6, option, &req, sizeof(req));
}

static int one(struct socket *so, int option, const char *source)
{
	return one_of(so, option, "ff02::77", source);
}

/* For the usual group, of two sources. */
static void query_sources(const char *first, const char *second)
{
	struct ip6_hdr h = {.next = IP6_HOPOPTS, .hop_limit = 1};
	uint8_t l4[8 + 28 + 32] = {IP6_ICMP, 0, 5, 2, 0, 0, 1, 0, ICMP6_MLD_QUERY};
	const uint32_t len = sizeof(l4) - 8;
	uint16_t sum;

	ip6(h.src, "fe80::9");
	ip6(h.dst, "ff02::77");
	wire_put16(l4 + 12, 1000);
	memcpy(l4 + 16, h.dst, 16);
	wire_put16(l4 + 34, 2);
	ip6(l4 + 36, first);
	ip6(l4 + 52, second);
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_ICMP, len), l4 + 8, len));
	memcpy(l4 + 10, &sum, 2);
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
}

/* The next report: its first record's type, the last byte of each of its sources behind it. */
static const char *next_report(void)
{
	static char text[128];
	unsigned i;
	int at;

	while (desk6_sent(&d, &pk)) {
		if (pk.ext.next != IP6_ICMP || pk.icmp.type != ICMP6_MLD2_REPORT)
			continue;
		ck_assert(pk.csum_ok);
		at = snprintf(text, sizeof(text), "%u:", pk.l4[8]);
		for (i = 0; i < wire_get16(pk.l4 + 10); i++)
			at += snprintf(text + at, sizeof(text) - (size_t)at, " %x",
				       pk.l4[8 + MLD_RECORD_LEN + 16 * i + 15]);
		return text;
	}
	return "";
}

START_TEST(sources_are_told_when_they_come_and_when_they_are_asked_for)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);

	desk_drop_sent(&d, 0);
	ck_assert_int_eq(one(so, MCAST_JOIN_SOURCE_GROUP, "fe80::9"), 0);
	ck_assert_int_eq(one(so, MCAST_JOIN_SOURCE_GROUP, "2001:db8::8"), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_str_eq(next_report(), "5: 9 8");
	ck_assert_str_eq(next_report(), "5: 9 8");
	ck_assert_str_eq(next_report(), "");
	query_sources("fe80::8", "2001:db8::8");
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_str_eq(next_report(), "1: 8");
	ck_assert_int_eq(one(so, MCAST_LEAVE_SOURCE_GROUP, "fe80::9"), 0);
	desk_pass(&d, 5 * SEC_NS);
	ck_assert_str_eq(next_report(), "6: 9");
	sock_close(so);
	desk_pass(&d, 1 * SEC_NS);
	desk_drop_sent(&d, 0);
	query_sources("fe80::8", "2001:db8::8");
	desk_pass(&d, 2 * SEC_NS);
	ck_assert_str_eq(next_report(), "");
}
END_TEST

static bool heard(struct socket *so)
{
	struct sock_addr from;
	uint64_t full;
	char buf[8];

	return desk_recv(so, buf, sizeof(buf), 0, &from, &full) >= 0;
}

/* A datagram behind options of no hop's interest. */
static void udp_with_options(const char *src)
{
	struct ip6_hdr h = {.next = IP6_HOPOPTS};
	uint8_t l4[8 + 9] = {IP6_UDP, 0, 1, 4, 0, 0, 0, 0, 0, 5, 700 >> 8, 700 & 0xff, 0, 9};
	uint16_t sum;

	ip6(h.src, src);
	ip6(h.dst, "ff02::77");
	sum = csum_fold(csum_add(csum_pseudo6(h.src, h.dst, IP6_UDP, 9), l4 + 8, 9));
	memcpy(l4 + 14, &sum, 2);
	desk6_packet(&d, 9, &h, l4, sizeof(l4));
}

START_TEST(a_member_hears_the_sources_it_wants)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0), *bound = socket6(&d, SOCK_DGRAM, 0);
	struct sock_addr any = name6("::", 700);
	int on = 1;

	sock_setopt(so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	sock_setopt(bound, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(sock_bind(so, &any), 0);
	ck_assert_int_eq(sock_bind(bound, &any), 0);
	ck_assert_int_eq(one(so, MCAST_BLOCK_SOURCE, "fe80::9"), -EINVAL);
	ck_assert_int_eq(one(so, MCAST_JOIN_SOURCE_GROUP, "fe80::9"), 0);
	ck_assert_int_eq(one(so, MCAST_JOIN_SOURCE_GROUP, "fe80::9"), -EADDRNOTAVAIL);
	desk6_udp(&d, 9, "fe80::8", 5, "ff02::77", 700, "x", 1);
	udp_with_options("fe80::8");
	ck_assert(!heard(so) && !heard(bound));
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert(heard(so) && heard(bound));
	udp_with_options("fe80::9");
	ck_assert(heard(so) && heard(bound));
	ck_assert_int_eq(one(so, MCAST_LEAVE_SOURCE_GROUP, "fe80::9"), 0);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	ck_assert_int_eq(one(so, MCAST_BLOCK_SOURCE, "fe80::9"), 0);
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert(!heard(so));
	desk6_udp(&d, 9, "fe80::8", 5, "ff02::77", 700, "x", 1);
	ck_assert(heard(so));
	ck_assert_int_eq(one(so, MCAST_UNBLOCK_SOURCE, "fe80::9"), 0);
	desk6_udp(&d, 9, "fe80::9", 5, "ff02::77", 700, "x", 1);
	ck_assert(heard(so));
	ck_assert_int_eq(one(so, MCAST_BLOCK_SOURCE, "2001:db8::8"), 0);
	ck_assert_int_eq(one_of(so, MCAST_BLOCK_SOURCE, "2001:db8::7", "fe80::9"), -EINVAL);
}
END_TEST

START_TEST(a_whole_filter_is_set_and_read_at_once)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	struct {
		struct group_filter head;
		struct sockaddr_storage more[2];
	} f = {.head = {.gf_fmode = MCAST_EXCLUDE, .gf_numsrc = 2}}, back;
	uint32_t len = sizeof(back);

	put_name(&f.head.gf_group, "ff02::77");
	put_name(&f.head.gf_slist[0], "fe80::9");
	put_name(&f.more[0], "2001:db8::8");
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &f, sizeof(f)), -EINVAL);
	ck_assert_int_eq(join(so, "ff02::77", IPV6_JOIN_GROUP), 0);
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &f, sizeof(f)), 0);
	back = f;
	back.head.gf_fmode = 9;
	back.head.gf_numsrc = 3;
	memset(back.head.gf_slist, 7, sizeof(back.head.gf_slist));
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &back, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(2));
	ck_assert_mem_eq(&back, &f, GROUP_FILTER_SIZE(2));
	len = GROUP_FILTER_SIZE(1) + 100; /* room for one */
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &back, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(1));
	ck_assert_uint_eq(back.head.gf_numsrc, 2);
	len = GROUP_FILTER_SIZE(0) - 1;
	ck_assert_int_eq(sock_getopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &back, &len), -EINVAL);
	f.head.gf_group.ss_family = AF_INET;
	ck_assert_int_eq(sock_setopt(so, IPPROTO_IPV6, MCAST_MSFILTER, &f, sizeof(f)),
			 -EADDRNOTAVAIL);
}
END_TEST

START_TEST(reports_fit_1280_bytes_however_many_groups_and_sources_there_are)
{
	struct socket *so = socket6(&d, SOCK_DGRAM, 0);
	unsigned i, k, sources = 0, reports = 0, at;
	char group[40], source[40];

	for (i = 0; i < 10; i++)
		for (k = 0; k < GROUP_FILTER_MAX; k++) {
			snprintf(group, sizeof(group), "ff05::%x", i + 1);
			snprintf(source, sizeof(source), "2001:db8::%x", k + 1);
			ck_assert_int_eq(one_of(so, MCAST_JOIN_SOURCE_GROUP, group, source), 0);
		}
	desk_pass(&d, 5 * SEC_NS);
	desk_drop_sent(&d, 0);
	query(1000, "fe80::9", 1, true);
	desk_pass(&d, 2 * SEC_NS);
	for (; *next_report(); reports++) {
		ck_assert_uint_le(IP6_HDR_LEN + 8u + pk.l4_len, 1280);
		for (i = 0, at = 8; i < wire_get16(pk.l4 + 6); i++) {
			k = wire_get16(pk.l4 + at + 2);
			at += MLD_RECORD_LEN + k * MLD_SOURCE_LEN;
			sources += k;
		}
		ck_assert_uint_eq(at, pk.l4_len);
	}
	ck_assert_uint_eq(sources, 160);
	ck_assert_uint_eq(reports, 3); /* four records of 276 bytes in each */
}
END_TEST

int main(void)
{
	return run_cases(
		"mld",
		CASES(a_join_is_reported_twice_and_a_leave_too,
		      while_the_link_local_address_is_not_ours_reports_are_from_nobody,
		      a_query_is_answered_within_its_time_with_every_group_but_all_nodes,
		      a_query_that_no_router_of_the_link_sent_is_not_answered,
		      a_router_of_version_1_is_spoken_to_in_its_way_for_260_seconds,
		      a_datagram_to_a_group_is_heard_by_all_bound_and_only_while_one_is_in_it,
		      what_goes_to_a_group_has_its_own_hop_limit_and_port,
		      groups_are_bounded_for_a_socket_and_for_all,
		      groups_that_nobody_is_told_of_leave_no_slot_behind,
		      sources_are_told_when_they_come_and_when_they_are_asked_for,
		      a_member_hears_the_sources_it_wants, a_whole_filter_is_set_and_read_at_once,
		      reports_fit_1280_bytes_however_many_groups_and_sources_there_are),
		setup, teardown);
}
