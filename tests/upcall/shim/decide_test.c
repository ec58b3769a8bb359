/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/shim/decide.c: which addresses belong to the net, which to the kernel. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "upcall/shim/shim.h"

static bool begins(const struct sockaddr *sa, const char *text, size_t bytes)
{
	struct in6_addr a;

	inet_pton(AF_INET6, text, &a);
	return !memcmp(&((const struct sockaddr_in6 *)sa)->sin6_addr, &a, bytes);
}

/* The net: 192.0.2.0/24 with the address 192.0.2.1, and 2001:db8::/64 with 2001:db8::1. */
static int route(const struct sockaddr *dst, socklen_t len, struct sockaddr_storage *src)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)dst;

	if (dst->sa_family == AF_INET6) /* fe80::/10: whatever is asked */
		return begins(dst, "2001:db8::", 8) || begins(dst, "::ffff:192.0.2.0", 15) ||
				       begins(dst, "fe80::", 2)
			       ? 0
			       : -ENETUNREACH;
	return ntohl(sin->sin_addr.s_addr) >> 8 == 0xc00002 || /* and 239.1.1.1 */
			       sin->sin_addr.s_addr == htonl(0xef010101)
		       ? 0
		       : -ENETUNREACH;
}

static int is_local(const struct sockaddr *addr, socklen_t len)
{
	if (addr->sa_family == AF_INET6)
		return begins(addr, "2001:db8::1", 16);
	return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(0xc0000201);
}

static const struct decider loose = {false, true, route, is_local};
static const struct decider strict = {true, true, route, is_local};
static const struct decider down = {false, false, route, is_local};
static const struct decider strict_down = {true, false, route, is_local};

static struct sockaddr_in in4(const char *text, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &sin.sin_addr);
	return sin;
}

static int dest(const struct decider *d, const char *text)
{
	struct sockaddr_in sin = in4(text, 80);

	return decide_destination(d, (struct sockaddr *)&sin, sizeof(sin));
}

static int local(const struct decider *d, const char *text, uint16_t port)
{
	struct sockaddr_in sin = in4(text, port);

	return decide_bind(d, (struct sockaddr *)&sin, sizeof(sin));
}

static struct sockaddr_in6 in6(const char *text, uint16_t port)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	inet_pton(AF_INET6, text, &sin6.sin6_addr);
	return sin6;
}

static int dest6(const struct decider *d, const char *text)
{
	struct sockaddr_in6 sin6 = in6(text, 80);

	return decide_destination(d, (struct sockaddr *)&sin6, sizeof(sin6));
}

static int local6(const struct decider *d, const char *text, uint16_t port)
{
	struct sockaddr_in6 sin6 = in6(text, port);

	return decide_bind(d, (struct sockaddr *)&sin6, sizeof(sin6));
}

START_TEST(addresses_of_ipv6_are_decided_as_those_of_ipv4_are)
{
	static const char *const others[] = {
		"2001:db9::1", "::1", "::", "fe80::1", "::ffff:198.51.100.1", "::ffff:127.0.0.1"};

	ck_assert_int_eq(dest6(&loose, "2001:db8::77"), GOES_NET);
	ck_assert_int_eq(dest6(&loose, "::ffff:192.0.2.77"), GOES_NET);
	ck_assert_int_eq(dest6(&strict_down, "2001:db8::77"), -ENETUNREACH);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_int_eq(dest6(&loose, others[i]), GOES_KERNEL);
		ck_assert_int_eq(dest6(&strict, others[i]), -ENETUNREACH);
	}
	ck_assert_int_eq(local6(&loose, "2001:db8::1", 80), GOES_NET);
	ck_assert_int_eq(local6(&loose, "2001:db8::2", 80), GOES_KERNEL);
	ck_assert_int_eq(local6(&loose, "::", 80), GOES_NET);
	ck_assert_int_eq(local6(&loose, "::", 0), GOES_LATER);
	ck_assert_int_eq(local6(&strict, "::1", 80), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(what_the_net_routes_goes_there)
{
	ck_assert_int_eq(dest(&loose, "192.0.2.77"), GOES_NET);
	ck_assert_int_eq(dest(&strict, "192.0.2.77"), GOES_NET);
	ck_assert_int_eq(dest(&down, "192.0.2.77"), GOES_KERNEL);
	ck_assert_int_eq(dest(&strict_down, "192.0.2.77"), -ENETUNREACH);
}
END_TEST

START_TEST(the_rest_is_the_kernels_unless_strict)
{
	static const char *const others[] = {"198.51.100.1", "127.0.0.1", "127.9.9.9", "0.0.0.0"};

	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(dest(&loose, others[i]), GOES_KERNEL);
		ck_assert_int_eq(dest(&strict, others[i]), -ENETUNREACH);
	}
}
END_TEST

START_TEST(other_families_and_broken_addresses_are_the_kernels_to_judge)
{
	struct sockaddr_in sin = in4("192.0.2.77", 80);
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	ck_assert_int_eq(decide_destination(&strict, (struct sockaddr *)&sin, 8), GOES_KERNEL);
	ck_assert_int_eq(decide_destination(&strict, &none, sizeof(none)), GOES_KERNEL);
	ck_assert_int_eq(decide_destination(&loose, NULL, 0), GOES_KERNEL);
	ck_assert_int_eq(decide_bind(&loose, &none, sizeof(none)), GOES_KERNEL);
}
END_TEST

START_TEST(servers_bind_to_the_net)
{
	ck_assert_int_eq(local(&loose, "0.0.0.0", 80), GOES_NET);
	ck_assert_int_eq(local(&loose, "192.0.2.1", 80), GOES_NET);
	ck_assert_int_eq(local(&loose, "192.0.2.1", 0), GOES_NET);
	ck_assert_int_eq(local(&down, "0.0.0.0", 80), GOES_KERNEL);
	ck_assert_int_eq(local(&strict_down, "0.0.0.0", 80), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(any_address_and_port_waits_for_a_destination)
{
	ck_assert_int_eq(local(&loose, "0.0.0.0", 0), GOES_LATER);
}
END_TEST

START_TEST(other_local_addresses_are_the_kernels_unless_strict)
{
	ck_assert_int_eq(local(&loose, "127.0.0.1", 80), GOES_KERNEL);
	ck_assert_int_eq(local(&loose, "192.0.2.2", 80), GOES_KERNEL);
	ck_assert_int_eq(local(&strict, "127.0.0.1", 0), -EADDRNOTAVAIL);
}
END_TEST

static int mreq(const struct decider *d, int name, const char *group, const char *interface,
		int number)
{
	struct ip_mreqn req = {in4(group, 0).sin_addr, in4(interface, 0).sin_addr, number};

	return decide_option(d, IPPROTO_IP, name, &req, sizeof(req));
}

START_TEST(who_joins_a_group_of_the_net_belongs_to_it)
{
	struct in_addr us = in4("192.0.2.1", 0).sin_addr;
	struct group_req req = {.gr_interface = 0};
	struct sockaddr_in group = in4("239.1.1.1", 0);
	struct ipv6_mreq six = {.ipv6mr_interface = 0};

	ck_assert_int_eq(mreq(&loose, IP_ADD_MEMBERSHIP, "239.1.1.1", "0.0.0.0", 0), GOES_NET);
	ck_assert_int_eq(mreq(&loose, IP_ADD_MEMBERSHIP, "239.9.9.9", "0.0.0.0", 0), GOES_KERNEL);
	ck_assert_int_eq(mreq(&loose, IP_ADD_MEMBERSHIP, "239.9.9.9", "192.0.2.1", 0), GOES_NET);
	ck_assert_int_eq(mreq(&loose, IP_ADD_MEMBERSHIP, "239.1.1.1", "10.0.0.1", 0), GOES_KERNEL);
	ck_assert_int_eq(mreq(&loose, IP_ADD_MEMBERSHIP, "239.1.1.1", "0.0.0.0", 2), GOES_KERNEL);
	ck_assert_int_eq(mreq(&down, IP_ADD_MEMBERSHIP, "239.1.1.1", "0.0.0.0", 0), GOES_LATER);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_MULTICAST_IF, &us, sizeof(us)),
			 GOES_NET);
	ck_assert_int_eq(mreq(&loose, IP_MULTICAST_IF, "0.0.0.0", "0.0.0.0", 0), GOES_LATER);
	memcpy(&req.gr_group, &group, sizeof(group));
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)),
			 GOES_NET);
	inet_pton(AF_INET6, "2001:db8::7", &six.ipv6mr_multiaddr); /* the test's net routes it */
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof(six)),
			 GOES_NET);
	inet_pton(AF_INET6, "ff02::7", &six.ipv6mr_multiaddr);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof(six)),
			 GOES_KERNEL);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_TTL, &us, sizeof(us)), GOES_LATER);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_ADD_MEMBERSHIP, &us, 2), GOES_LATER);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_ADD_MEMBERSHIP, NULL, 8), GOES_LATER);
	ck_assert_int_eq(local(&loose, "239.1.1.1", 5000), GOES_NET);
	ck_assert_int_eq(local(&loose, "239.9.9.9", 5000), GOES_KERNEL);
}
END_TEST

START_TEST(who_joins_a_source_in_a_group_of_the_net_belongs_to_it)
{
	struct ip_mreq_source one = {
		in4("239.1.1.1", 0).sin_addr, {0}, in4("10.0.0.9", 0).sin_addr};
	struct group_source_req req = {.gsr_interface = 0};
	struct sockaddr_in group = in4("239.1.1.1", 0);

	ck_assert_int_eq(
		decide_option(&loose, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &one, sizeof(one)),
		GOES_NET);
	one.imr_interface = in4("10.0.0.1", 0).sin_addr;
	ck_assert_int_eq(
		decide_option(&loose, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &one, sizeof(one)),
		GOES_KERNEL);
	memcpy(&req.gsr_group, &group, sizeof(group));
	ck_assert_int_eq(
		decide_option(&loose, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req)),
		GOES_NET);
	req.gsr_interface = 2;
	ck_assert_int_eq(
		decide_option(&loose, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &req, sizeof(req)),
		GOES_KERNEL);
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_BLOCK_SOURCE, &one, sizeof(one)),
			 GOES_KERNEL);
	one.imr_interface.s_addr = 0; /* the net says that it is no member */
	ck_assert_int_eq(decide_option(&loose, IPPROTO_IP, IP_BLOCK_SOURCE, &one, sizeof(one)),
			 GOES_NET);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("decide");
	TCase *tc = tcase_create("addresses");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, addresses_of_ipv6_are_decided_as_those_of_ipv4_are);
	tcase_add_test(tc, what_the_net_routes_goes_there);
	tcase_add_test(tc, the_rest_is_the_kernels_unless_strict);
	tcase_add_test(tc, other_families_and_broken_addresses_are_the_kernels_to_judge);
	tcase_add_test(tc, servers_bind_to_the_net);
	tcase_add_test(tc, any_address_and_port_waits_for_a_destination);
	tcase_add_test(tc, other_local_addresses_are_the_kernels_unless_strict);
	tcase_add_test(tc, who_joins_a_group_of_the_net_belongs_to_it);
	tcase_add_test(tc, who_joins_a_source_in_a_group_of_the_net_belongs_to_it);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
