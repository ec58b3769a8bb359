/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static struct desk d;
static struct port *p0, *p1;
static struct route_hit hit;

static void setup(void)
{
	desk_open(&d);
	p0 = &d.port[0].port;
	p1 = &d.port[1].port;
}

static void teardown(void)
{
	desk_close(&d);
}

static struct ip_addr net(uint32_t addr, unsigned prefix)
{
	struct ip_addr a = {.family = AF_INET, .prefix = (uint8_t)prefix};

	memcpy(a.bytes, &addr, 4);
	return a;
}

static int add(uint32_t dst, unsigned prefix, uint32_t gateway, struct port *port, uint32_t metric)
{
	struct ip_addr a = net(dst, prefix), g = net(gateway, 32);

	return stack_route_add(d.st, &a, gateway ? &g : NULL, port, metric);
}

static int add_addr(uint32_t addr, unsigned prefix, struct port *port)
{
	struct ip_addr a = net(addr, prefix);

	return stack_addr_add(d.st, port, &a);
}

START_TEST(an_address_brings_its_subnets_route)
{
	ck_assert_int_eq(route_lookup4(d.st, ip(192, 168, 5, 77), &hit), 0);
	ck_assert_ptr_eq(hit.port, p1);
	ck_assert_uint_eq(hit.next_hop, ip(192, 168, 5, 77));
	ck_assert_uint_eq(hit.src, ip(192, 168, 5, 1));
	ck_assert_int_eq(route_lookup4(d.st, ip(8, 8, 8, 8), &hit), -ENETUNREACH);
}
END_TEST

START_TEST(the_longest_prefix_wins_then_the_lowest_metric)
{
	ck_assert_int_eq(add(0, 0, ip(10, 0, 0, 254), p0, 0), 0);
	ck_assert_int_eq(add(ip(172, 16, 0, 0), 12, ip(10, 0, 0, 253), p0, 5), 0);
	ck_assert_int_eq(add(ip(172, 16, 0, 0), 12, ip(192, 168, 5, 2), p1, 4), 0);
	ck_assert_int_eq(add(ip(172, 16, 3, 4), 32, ip(10, 0, 0, 252), p0, 9), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(9, 9, 9, 9), &hit), 0);
	ck_assert_uint_eq(hit.next_hop, ip(10, 0, 0, 254));
	ck_assert_int_eq(route_lookup4(d.st, ip(172, 31, 0, 1), &hit), 0);
	ck_assert_uint_eq(hit.next_hop, ip(192, 168, 5, 2));
	ck_assert_uint_eq(hit.src, ip(192, 168, 5, 1));
	ck_assert_int_eq(route_lookup4(d.st, ip(172, 16, 3, 4), &hit), 0);
	ck_assert_uint_eq(hit.next_hop, ip(10, 0, 0, 252));
}
END_TEST

START_TEST(the_source_is_the_address_on_the_next_hops_subnet)
{
	ck_assert_int_eq(add_addr(ip(10, 9, 0, 1), 16, p0), 0);
	ck_assert_int_eq(add(0, 0, ip(10, 9, 3, 3), p0, 0), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(1, 1, 1, 1), &hit), 0);
	ck_assert_uint_eq(hit.src, ip(10, 9, 0, 1));
	ck_assert_int_eq(route_lookup4(d.st, ip(10, 0, 0, 3), &hit), 0);
	ck_assert_uint_eq(hit.src, ip(10, 0, 0, 1));
}
END_TEST

START_TEST(our_own_addresses_route_to_ourselves)
{
	ck_assert_int_eq(route_lookup4(d.st, ip(192, 168, 5, 1), &hit), 0);
	ck_assert_ptr_eq(hit.port, p1);
	ck_assert_uint_eq(hit.src, ip(192, 168, 5, 1));
}
END_TEST

START_TEST(groups_and_everybody_are_not_behind_a_gateway)
{
	ck_assert_int_eq(add(0, 0, ip(10, 0, 0, 254), p0, 0), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(255, 255, 255, 255), &hit), 0);
	ck_assert_uint_eq(hit.next_hop, ip(255, 255, 255, 255));
	ck_assert_int_eq(route_lookup4(d.st, ip(224, 0, 0, 251), &hit), 0);
	ck_assert_uint_eq(hit.next_hop, ip(224, 0, 0, 251));
}
END_TEST

START_TEST(a_port_without_addresses_borrows_one)
{
	struct ip_addr a = net(ip(192, 168, 5, 1), 24);

	ck_assert_int_eq(stack_addr_del(d.st, p1, &a), 0);
	ck_assert_int_eq(add(ip(172, 16, 0, 0), 12, 0, p1, 0), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(172, 16, 0, 1), &hit), 0);
	ck_assert_ptr_eq(hit.port, p1);
	ck_assert_uint_eq(hit.src, ip(10, 0, 0, 1));
}
END_TEST

START_TEST(a_gateway_must_be_on_a_net_of_ours_and_not_ourselves)
{
	ck_assert_int_eq(add(0, 0, ip(77, 0, 0, 1), p0, 0), -ENETUNREACH);
	ck_assert_int_eq(add(0, 0, ip(10, 0, 0, 1), p0, 0), -EINVAL);
	ck_assert_int_eq(add(0, 33, ip(10, 0, 0, 2), p0, 0), -EINVAL);
}
END_TEST

START_TEST(a_route_twice_is_refused_and_one_unknown_cannot_be_deleted)
{
	struct ip_addr a = net(ip(172, 16, 0, 0), 12);

	ck_assert_int_eq(add(ip(172, 16, 5, 0), 12, ip(10, 0, 0, 2), p0, 0), 0);
	ck_assert_int_eq(add(ip(172, 16, 0, 0), 12, ip(10, 0, 0, 2), p0, 3), -EEXIST);
	ck_assert_int_eq(stack_route_del(d.st, &a, NULL), -ESRCH);
	ck_assert_int_eq(stack_route_del(d.st, &a, &(struct ip_addr){AF_INET, 32, {10, 0, 0, 2}}),
			 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(172, 16, 5, 5), &hit), -ENETUNREACH);
}
END_TEST

START_TEST(the_tables_are_bounded)
{
	unsigned n = 0;

	while (add(ip(100, 0, n, 0), 24, ip(10, 0, 0, 2), p0, 0) == 0)
		n++;
	ck_assert_uint_eq(n, STACK_ROUTE_MAX - 2);
	for (n = 0; add_addr(ip(10, 0, 0, 2 + n), 24, p0) == 0; n++)
		;
	ck_assert_uint_eq(n, STACK_ADDR_MAX - 2);
}
END_TEST

START_TEST(addresses_no_host_may_have_are_refused)
{
	ck_assert_int_eq(add_addr(0, 24, p0), -EINVAL);
	ck_assert_int_eq(add_addr(ip(10, 1, 0, 0), 24, p0), -EINVAL);
	ck_assert_int_eq(add_addr(ip(10, 1, 0, 255), 24, p0), -EINVAL);
	ck_assert_int_eq(add_addr(ip(224, 0, 0, 1), 24, p0), -EINVAL);
	ck_assert_int_eq(add_addr(ip(10, 1, 0, 1), 33, p0), -EINVAL);
	ck_assert_int_eq(add_addr(ip(10, 0, 0, 1), 24, p0), -EEXIST);
	ck_assert_int_eq(add_addr(ip(10, 1, 0, 0), 31, p0), 0);
	ck_assert_int_eq(add_addr(ip(10, 1, 2, 255), 32, p0), 0);
}
END_TEST

START_TEST(a_shared_subnets_route_goes_with_its_last_address)
{
	struct ip_addr a = net(ip(10, 0, 0, 1), 24), b = net(ip(10, 0, 0, 2), 24);

	ck_assert_int_eq(add_addr(ip(10, 0, 0, 2), 24, p0), 0);
	ck_assert_int_eq(stack_addr_del(d.st, p0, &a), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(10, 0, 0, 3), &hit), 0);
	ck_assert_uint_eq(hit.src, ip(10, 0, 0, 2));
	ck_assert_int_eq(stack_addr_del(d.st, p0, &b), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(10, 0, 0, 3), &hit), -ENETUNREACH);
	ck_assert_int_eq(stack_addr_del(d.st, p0, &b), -EADDRNOTAVAIL);
}
END_TEST

START_TEST(broadcast_addresses_are_those_of_our_subnets)
{
	ck_assert(addr_broadcast4(d.st, ip(255, 255, 255, 255)));
	ck_assert(addr_broadcast4(d.st, ip(10, 0, 0, 255)));
	ck_assert(!addr_broadcast4(d.st, ip(10, 0, 1, 255)));
	ck_assert(!addr_broadcast4(d.st, ip(10, 0, 0, 1)));
}
END_TEST

START_TEST(the_public_lookup_says_what_the_net_does_not_route)
{
	struct ip_addr src, far = net(ip(127, 0, 0, 1), 32), near = net(ip(10, 0, 0, 7), 32);
	struct ip_addr six = {.family = AF_INET6};
	uint32_t a;

	ck_assert_int_eq(stack_route_lookup(d.st, &far, &src), -ENETUNREACH);
	ck_assert_int_eq(stack_route_lookup(d.st, &six, &src), -ENETUNREACH);
	ck_assert_int_eq(stack_route_lookup(d.st, &near, &src), 0);
	memcpy(&a, src.bytes, 4);
	ck_assert_uint_eq(a, ip(10, 0, 0, 1));
	ck_assert(stack_addr_is_local(d.st, &src));
	ck_assert(!stack_addr_is_local(d.st, &near));
}
END_TEST

START_TEST(this_net_and_this_host_are_nowhere_else_whatever_the_routes_say)
{
	ck_assert_int_eq(add(0, 0, ip(10, 0, 0, 254), p0, 0), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(1, 0, 0, 1), &hit), 0);
	ck_assert_int_eq(route_lookup4(d.st, ip(127, 0, 0, 1), &hit), -ENETUNREACH);
	ck_assert_int_eq(route_lookup4(d.st, ip(127, 255, 3, 4), &hit), -ENETUNREACH);
	ck_assert_int_eq(route_lookup4(d.st, ip(0, 0, 0, 9), &hit), -ENETUNREACH);
}
END_TEST

START_TEST(removing_a_port_removes_its_addresses_and_routes)
{
	struct route_row r;
	struct addr_row a;
	uint32_t rc = 0, ac = 0;

	ck_assert_int_eq(add(0, 0, ip(10, 0, 0, 254), p0, 0), 0);
	stack_port_del(d.st, p0);
	ck_assert(stack_route_row(d.st, &rc, &r));
	ck_assert_uint_eq(r.port_index, 1);
	ck_assert(!stack_route_row(d.st, &rc, &r));
	ck_assert(stack_addr_row(d.st, &ac, &a));
	ck_assert_uint_eq(a.port_index, 1);
	ck_assert(!stack_addr_row(d.st, &ac, &a));
}
END_TEST

int main(void)
{
	return run_cases("route",
			 CASES(an_address_brings_its_subnets_route,
			       the_longest_prefix_wins_then_the_lowest_metric,
			       the_source_is_the_address_on_the_next_hops_subnet,
			       our_own_addresses_route_to_ourselves,
			       groups_and_everybody_are_not_behind_a_gateway,
			       a_port_without_addresses_borrows_one,
			       a_gateway_must_be_on_a_net_of_ours_and_not_ourselves,
			       a_route_twice_is_refused_and_one_unknown_cannot_be_deleted,
			       the_tables_are_bounded, addresses_no_host_may_have_are_refused,
			       a_shared_subnets_route_goes_with_its_last_address,
			       broadcast_addresses_are_those_of_our_subnets,
			       the_public_lookup_says_what_the_net_does_not_route,
			       this_net_and_this_host_are_nowhere_else_whatever_the_routes_say,
			       removing_a_port_removes_its_addresses_and_routes),
			 setup, teardown);
}
