/* SPDX-License-Identifier: BSD-3-Clause */
/* Handles: one an address, held ones stay, invented ones push out each other alone. */
#include <string.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/desk6.h"

static struct desk d;

static void setup(void)
{
	desk_open(&d);
}

static void teardown(void)
{
	desk_close(&d);
}

static uint32_t handle(uint32_t n)
{
	uint8_t a[16] = {0x20, 1};

	memcpy(a + 12, &n, 4);
	return ip6_handle(d.st, a, 0);
}

START_TEST(an_address_has_one_handle_and_a_handle_its_address)
{
	uint32_t h = handle(5);

	ck_assert(ip_is6(h));
	ck_assert_uint_eq(handle(5), h);
	ck_assert_uint_ne(handle(6), h);
	ck_assert_uint_eq(ip6_name(d.st, h)->addr[12], 5);
	ck_assert(!ip_is6(ip(10, 0, 0, 1)));
}
END_TEST

START_TEST(a_scope_makes_it_another_address)
{
	uint8_t a[16] = {0xfe, 0x80, [15] = 1};

	ck_assert_uint_ne(ip6_handle(d.st, a, 1), ip6_handle(d.st, a, 2));
}
END_TEST

START_TEST(a_held_handle_survives_a_flood_of_addresses_and_the_flood_ends_in_the_same_table)
{
	uint32_t slot = 0, i;
	uint64_t hash;

	ip_set(d.st, &slot, handle(1));
	hash = ip6_name(d.st, slot)->hash;
	for (i = 2; i < 100000; i++)
		ck_assert_uint_ne(handle(i), 0);
	ck_assert_uint_eq(handle(1), slot);
	ck_assert_uint_eq(ip6_name(d.st, slot)->hash, hash);
	ip_set(d.st, &slot, 0);
	ck_assert_uint_eq(d.st->ip6->spare, d.st->ip6->high);
}
END_TEST

START_TEST(a_handle_nobody_holds_is_good_for_the_next_hundreds)
{
	uint32_t h, i;

	for (i = 0; i < 50000; i++)
		handle(i);
	h = handle(60000);
	for (i = 0; i < NAME6_SPARE - 1; i++)
		handle(70000 + i);
	ck_assert_uint_eq(handle(60000), h);
}
END_TEST

START_TEST(when_all_are_held_there_is_no_handle_for_another)
{
	static uint32_t slot[8192];
	uint32_t i, n = d.st->ip6->n_names - NAME6_SPARE + 1, got = 0;

	ck_assert_uint_lt(n, 8192);
	for (i = 0; i < n; i++) {
		uint32_t h = handle(i);

		if (h) {
			ip_set(d.st, &slot[i], h);
			got++;
		}
	}
	for (i = 0; i < 2 * NAME6_SPARE; i++)
		(void)handle(1000000 + i);
	ck_assert_uint_eq(handle(2000000), 0);
	for (i = 0; i < n; i++)
		ip_set(d.st, &slot[i], 0);
	ck_assert_uint_ne(handle(2000000), 0);
}
END_TEST

START_TEST(addresses_of_the_handles_range_are_refused_from_outside)
{
	struct ip_addr a = {.family = 2, .prefix = 24, .bytes = {240, 0, 0, 1}};
	struct ip4_hdr h = {.protocol = 17, .src = ip(240, 0, 0, 1), .dst = ip(10, 0, 0, 1)};
	uint8_t data[8] = {0};
	struct sock_addr to = name(ip(240, 0, 0, 1), 9);
	struct socket *so = desk_socket(&d, 2, 0);

	handle(1);
	ck_assert_int_lt(stack_addr_add(d.st, &d.port[0].port, &a), 0);
	ck_assert_int_lt(stack_route_add(d.st, &a, NULL, &d.port[0].port, 0), 0);
	desk_ip4(&d, &h, data, sizeof(data));
	ck_assert_uint_eq(desk_count(&d, "IpInAddrErrors"), 1);
	ck_assert_int_eq(sock_connect(so, &to), -101 /* ENETUNREACH */);
	desk_arp(&d, 1, ip(240, 0, 0, 1), ip(10, 0, 0, 1));
	ck_assert_uint_eq(desk_count(&d, "ArpInErrors"), 1);
}
END_TEST

int main(void)
{
	return run_cases(
		"name6",
		CASES(an_address_has_one_handle_and_a_handle_its_address,
		      a_scope_makes_it_another_address,
		      a_held_handle_survives_a_flood_of_addresses_and_the_flood_ends_in_the_same_table,
		      a_handle_nobody_holds_is_good_for_the_next_hundreds,
		      when_all_are_held_there_is_no_handle_for_another,
		      addresses_of_the_handles_range_are_refused_from_outside),
		setup, teardown);
}
