/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/cidr.c: addresses as people write them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/cidr.h"

START_TEST(cidr_reads_address_and_prefix)
{
	struct ip_addr a;
	char text[CIDR_TEXT];

	ck_assert_int_eq(cidr_parse("192.0.2.10/24", &a), 0);
	ck_assert_int_eq(a.family, AF_INET);
	ck_assert_int_eq(a.prefix, 24);
	ck_assert_str_eq(cidr_text(&a, text, sizeof(text)), "192.0.2.10/24");
	ck_assert_str_eq(cidr_addr_text(&a, text, sizeof(text)), "192.0.2.10");
}
END_TEST

START_TEST(cidr_refuses_what_is_none)
{
	static const char *const bad[] = {"",
					  "1.2.3.4",
					  "1.2.3.4/",
					  "1.2.3.4/33",
					  "1.2.3.4/-1",
					  "1.2.3.4/024",
					  "1.2.3/24",
					  "1.2.3.4/2x",
					  "256.1.1.1/8",
					  "/24",
					  "1.2.3.4/ 8",
					  "1.2.3.4/+8",
					  "01.2.3.4/8",
					  "a/8",
					  "1.2.3.4//8",
					  "1.2.3.4/999999999999",
					  "2001:db8::1",
					  "2001:db8::1/129",
					  "2001:db8::1/1280",
					  "2001:db8::g/64",
					  "fe80::1%1/64"};
	struct ip_addr a;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(cidr_parse(bad[i], &a) == -EINVAL, "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(destination_may_not_have_host_bits)
{
	struct ip_addr a;

	ck_assert_int_eq(cidr_parse_dst("10.1.0.0/16", &a), 0);
	ck_assert_int_eq(cidr_parse_dst("10.1.0.1/16", &a), -EDOM);
	ck_assert_int_eq(cidr_parse_dst("10.1.0.1", &a), 0);
	ck_assert_int_eq(a.prefix, 32);
	ck_assert_int_eq(cidr_parse_dst("default", &a), 0);
	ck_assert_int_eq(a.prefix, 0);
	ck_assert_int_eq(cidr_parse_dst("0.0.0.1/0", &a), -EDOM);
	ck_assert_int_eq(cidr_parse_dst("2001:db8::/32", &a), 0);
	ck_assert_int_eq(cidr_parse_dst("2001:db8::1", &a), 0);
	ck_assert_int_eq(a.prefix, 128);
	ck_assert_int_eq(cidr_parse_dst("2001:db8::1/64", &a), -EDOM);
	ck_assert_int_eq(cidr_parse_dst("::/0", &a), 0);
}
END_TEST

START_TEST(host_address_is_no_network_broadcast_multicast_or_loopback)
{
	static const struct {
		const char *text;
		int host;
	} t[] = {{"10.0.0.1/24", 1},	{"10.0.0.0/24", 0},
		 {"10.0.0.255/24", 0},	{"10.0.0.0/31", 1},
		 {"10.0.0.1/32", 1},	{"224.0.0.1/24", 0},
		 {"127.0.0.1/8", 0},	{"0.0.0.1/8", 0},
		 {"255.1.1.1/24", 0},	{"10.0.1.0/16", 1},
		 {"2001:db8::1/64", 1}, {"fe80::1/64", 1},
		 {"::/64", 0},		{"::1/128", 0},
		 {"ff02::1/64", 0},	{"::ffff:10.0.0.1/128", 0}};
	struct ip_addr a;

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_int_eq(cidr_parse(t[i].text, &a), 0);
		ck_assert_msg(cidr_is_host(&a) == t[i].host, "%s", t[i].text);
	}
}
END_TEST

START_TEST(a_prefix_holds_the_addresses_that_begin_with_it)
{
	struct ip_addr net, a;

	ck_assert_int_eq(cidr_parse("2001:db8:0:8::/61", &net), 0);
	ck_assert_int_eq(cidr_parse_addr("2001:db8:0:f::9", &a), 0);
	ck_assert(cidr_holds(&net, &a));
	ck_assert_int_eq(cidr_parse_addr("2001:db8:0:10::9", &a), 0);
	ck_assert(!cidr_holds(&net, &a));
	ck_assert_int_eq(cidr_parse_addr("10.0.0.1", &a), 0);
	ck_assert(!cidr_holds(&net, &a));
}
END_TEST

START_TEST(mac_is_six_pairs_of_one_station)
{
	uint8_t mac[6];
	char text[CIDR_TEXT];

	ck_assert_int_eq(cidr_parse_mac("02:aB:00:01:02:ff", mac), 0);
	ck_assert_str_eq(cidr_mac_text(mac, text, sizeof(text)), "02:ab:00:01:02:ff");
	ck_assert_int_eq(cidr_parse_mac("03:ab:00:01:02:ff", mac), -EINVAL);
	ck_assert_int_eq(cidr_parse_mac("02:ab:00:01:02", mac), -EINVAL);
	ck_assert_int_eq(cidr_parse_mac("02:ab:00:01:02:f", mac), -EINVAL);
	ck_assert_int_eq(cidr_parse_mac("02:ab:00:01:02:ff:", mac), -EINVAL);
	ck_assert_int_eq(cidr_parse_mac("02-ab-00-01-02-ff", mac), -EINVAL);
	ck_assert_int_eq(cidr_parse_mac("", mac), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cidr");
	TCase *t = tcase_create("cidr");
	SRunner *r;
	int bad;

	tcase_add_test(t, cidr_reads_address_and_prefix);
	tcase_add_test(t, cidr_refuses_what_is_none);
	tcase_add_test(t, destination_may_not_have_host_bits);
	tcase_add_test(t, host_address_is_no_network_broadcast_multicast_or_loopback);
	tcase_add_test(t, a_prefix_holds_the_addresses_that_begin_with_it);
	tcase_add_test(t, mac_is_six_pairs_of_one_station);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
