/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "tcpip/dhcp4.h"
#include "tests/tcpip/cases.h"
#include "tests/tcpip/test_stack.h"

static uint8_t buf[600];
static struct dhcp_msg m;

static void setup(void)
{
	memset(buf, 0, sizeof(buf));
	memset(&m, 0xee, sizeof(m));
}

static void teardown(void)
{
}

/* A reply with these options; its length. */
static size_t reply(const void *options, size_t len)
{
	buf[0] = 2;
	buf[1] = 1;
	buf[2] = 6;
	wire_put32(buf + 236, 0x63825363);
	memcpy(buf + 240, options, len);
	return 240 + len;
}
#define REPLY(...)                                                                                 \
	reply((const uint8_t[]){53, 1, 2, __VA_ARGS__}, sizeof((uint8_t[]){53, 1, 2, __VA_ARGS__}))

START_TEST(what_is_built_is_read_again)
{
	struct dhcp_msg in = {.type = DHCP_REQUEST,
			      .xid = 0x12345678,
			      .secs = 7,
			      .ciaddr = ip(10, 0, 0, 1),
			      .chaddr = {2, 3, 4, 5, 6, 7},
			      .server = ip(10, 0, 0, 2),
			      .requested = ip(10, 0, 0, 3)};

	dhcp_build(buf, &in);
	ck_assert_int_eq(dhcp_parse(&m, buf, DHCP_MSG_LEN), 0);
	ck_assert_mem_eq(&m, &in, sizeof(m));
	ck_assert_uint_eq(buf[DHCP_MSG_LEN - 1], 0); /* the longest one ends before */
}
END_TEST

START_TEST(a_servers_options_are_read)
{
	size_t len = REPLY(1, 4, 255, 255, 255, 0, 3, 4, 10, 0, 0, 254, 6, 8, 1, 1, 1, 1, 9, 9, 9,
			   9, 15, 3, 'l', 'a', 'n', 26, 2, 5, 0x78, 51, 4, 0, 0, 0x0e, 0x10, 54, 4,
			   10, 0, 0, 2, 58, 4, 0, 0, 7, 8, 59, 4, 0, 0, 0x0c, 0x4e, 255);

	ck_assert_int_eq(dhcp_parse(&m, buf, len), 0);
	ck_assert(m.reply);
	ck_assert_uint_eq(m.type, DHCP_OFFER);
	ck_assert_uint_eq(m.mask, ip(255, 255, 255, 0));
	ck_assert_uint_eq(m.n_routes, 1);
	ck_assert_uint_eq(m.routes[0].prefix, 0);
	ck_assert_uint_eq(m.routes[0].gateway, ip(10, 0, 0, 254));
	ck_assert_uint_eq(m.n_dns, 2);
	ck_assert_uint_eq(m.dns[1], ip(9, 9, 9, 9));
	ck_assert_str_eq(m.domain, "lan");
	ck_assert_uint_eq(m.mtu, 1400);
	ck_assert_uint_eq(m.lease, 3600);
	ck_assert_uint_eq(m.t1, 1800);
	ck_assert_uint_eq(m.t2, 3150);
	ck_assert_uint_eq(m.server, ip(10, 0, 0, 2));
}
END_TEST

START_TEST(classless_routes_are_read_and_hide_the_router)
{
	/* Option 121 in two parts: RFC 3396. */
	size_t len = REPLY(3, 4, 10, 0, 0, 254, 121, 18, 32, 10, 0, 0, 9, 0, 0, 0, 0, 16, 172, 16,
			   10, 0, 0, 9, 0, 10, 121, 3, 0, 0, 9, 255);
	ck_assert_int_eq(dhcp_parse(&m, buf, len), 0);
	ck_assert_uint_eq(m.n_routes, 3);
	ck_assert_uint_eq(m.routes[0].dst, ip(10, 0, 0, 9));
	ck_assert_uint_eq(m.routes[0].prefix, 32);
	ck_assert_uint_eq(m.routes[0].gateway, 0);
	ck_assert_uint_eq(m.routes[1].dst, ip(172, 16, 0, 0));
	ck_assert_uint_eq(m.routes[1].prefix, 16);
	ck_assert_uint_eq(m.routes[2].prefix, 0);
	ck_assert_uint_eq(m.routes[2].gateway, ip(10, 0, 0, 9));
}
END_TEST

START_TEST(routes_that_do_not_fit_together_are_none)
{
	ck_assert_int_eq(dhcp_parse(&m, buf, REPLY(121, 5, 33, 1, 2, 3, 4, 255)), 0);
	ck_assert_uint_eq(m.n_routes, 0);
	ck_assert_int_eq(dhcp_parse(&m, buf, REPLY(121, 4, 0, 1, 2, 3, 255)), 0);
	ck_assert_uint_eq(m.n_routes, 0);
}
END_TEST

START_TEST(options_go_on_in_the_names_where_52_says_so)
{
	size_t len = REPLY(52, 1, 3, 255);

	memcpy(buf + 108, (const uint8_t[]){51, 4, 0, 0, 0, 60, 255}, 7);
	memcpy(buf + 44, (const uint8_t[]){54, 4, 10, 0, 0, 2, 52, 1, 3}, 9);
	ck_assert_int_eq(dhcp_parse(&m, buf, len), 0);
	ck_assert_uint_eq(m.lease, 60);
	ck_assert_uint_eq(m.server, ip(10, 0, 0, 2));
	len = REPLY(255);
	ck_assert_int_eq(dhcp_parse(&m, buf, len), 0);
	ck_assert_uint_eq(m.lease, 0);
}
END_TEST

START_TEST(lengths_that_are_wrong_are_as_if_nothing_were_there)
{
	ck_assert_int_eq(dhcp_parse(&m, buf,
				    REPLY(1, 3, 255, 255, 255, 51, 2, 0, 60, 54, 5, 1, 2, 3, 4, 5,
					  26, 1, 9, 3, 3, 1, 2, 3, 255)),
			 0);
	ck_assert_uint_eq(m.mask | m.lease | m.server | m.mtu | m.n_routes, 0);
	/* a name with what no name has */
	ck_assert_int_eq(dhcp_parse(&m, buf, REPLY(15, 3, 'a', '\n', 'b', 255)), 0);
	ck_assert_str_eq(m.domain, "");
}
END_TEST

START_TEST(cut_anywhere_it_is_read_within_its_bounds)
{
	size_t whole = REPLY(1, 4, 255, 255, 255, 0, 121, 5, 0, 10, 0, 0, 9, 6, 4, 1, 1, 1, 1, 52,
			     1, 3, 255);

	for (size_t len = 0; len <= whole; len++) {
		uint8_t *exact = malloc(len ? len : 1); /* ASan knows its end */

		memcpy(exact, buf, len);
		ck_assert_int_eq(dhcp_parse(&m, exact, len) == 0, len >= 243);
		free(exact);
	}
	buf[236] ^= 1;
	ck_assert_int_lt(dhcp_parse(&m, buf, whole), 0);
}
END_TEST

int main(void)
{
	return run_cases("dhcp4_msg",
			 CASES(what_is_built_is_read_again, a_servers_options_are_read,
			       classless_routes_are_read_and_hide_the_router,
			       routes_that_do_not_fit_together_are_none,
			       options_go_on_in_the_names_where_52_says_so,
			       lengths_that_are_wrong_are_as_if_nothing_were_there,
			       cut_anywhere_it_is_read_within_its_bounds),
			 setup, teardown);
}
