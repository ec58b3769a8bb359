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
		ck_assert_uint_eq(pk.l4_len, 8 + n * MLD_RECORD_LEN);
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

int main(void)
{
	return run_cases(
		"mld",
		CASES(a_join_is_reported_twice_and_a_leave_too,
		      a_query_is_answered_within_its_time_with_every_group_but_all_nodes,
		      a_query_that_no_router_of_the_link_sent_is_not_answered,
		      a_router_of_version_1_is_spoken_to_in_its_way_for_260_seconds,
		      a_datagram_to_a_group_is_heard_by_all_bound_and_only_while_one_is_in_it,
		      what_goes_to_a_group_has_its_own_hop_limit_and_port,
		      groups_are_bounded_for_a_socket_and_for_all),
		setup, teardown);
}
