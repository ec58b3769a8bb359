/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole filters of sources against the form that crosses (upcall/filter.c), and the options that
 * ask with their value (upcall/api.c). */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/upcall/fake_attachment.h"
#include "upcall/filter.h"
#include "upcall/sandwire.h"

static int fd;
static struct call_slot seen;
static struct call_filter kept; /* what the sandbox says there is */

static struct {
	struct group_filter head;
	struct sockaddr_storage more[CALL_FILTER_MAX];
} value;

static int64_t sandbox(struct call *c)
{
	memcpy(&seen, c->slot, sizeof(seen));
	if (seen.nr == CALL_SETSOCKOPT)
		return 0;
	if ((int)seen.arg[1] != MCAST_MSFILTER)
		return (int64_t)seen.arg[2];
	memcpy(c->slot->inl, &kept, sizeof(kept));
	return sizeof(kept);
}

static void put_name(struct sockaddr_storage *ss, const char *text)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct sockaddr_in sin = {.sin_family = AF_INET};

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		memcpy(ss, &sin, sizeof(sin));
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
		memcpy(ss, &sin6, sizeof(sin6));
	}
}

static void start(void)
{
	memset(&value, 0, sizeof(value));
	memset(&kept, 0, sizeof(kept));
	value.head.gf_fmode = MCAST_INCLUDE;
	value.head.gf_numsrc = 2;
	put_name(&value.head.gf_group, "ff02::7");
	put_name(&value.head.gf_slist[0], "fe80::9");
	put_name(&value.more[0], "2001:db8::8");
	fake_attach(sandbox, false);
	fd = eventfd(0, 0);
	fake_socket(fd, 0);
}

START_TEST(a_filter_that_is_set_crosses_whole)
{
	struct call_filter *f = (struct call_filter *)seen.inl;

	ck_assert_int_eq(
		sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &value, GROUP_FILTER_SIZE(2)),
		0);
	ck_assert_uint_eq(seen.arg[2], sizeof(*f));
	ck_assert_uint_eq(f->mode, MCAST_INCLUDE);
	ck_assert_uint_eq(f->n, 2);
	ck_assert_uint_eq(f->family, AF_INET6);
	ck_assert_uint_eq(f->group[15], 7);
	ck_assert_uint_eq(f->source[0][0], 0xfe);
	ck_assert_uint_eq(f->source[1][15], 8);
}
END_TEST

START_TEST(a_filter_that_is_none_does_not_cross)
{
	seen.nr = CALL_MAX;
	ck_assert_int_eq(sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &value,
					     GROUP_FILTER_SIZE(0) - 1),
			 -EINVAL);
	ck_assert_int_eq(sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &value,
					     GROUP_FILTER_SIZE(2) - 1),
			 -EINVAL);
	ck_assert_int_eq(sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, NULL, 300), -EFAULT);
	value.head.gf_numsrc = UINT32_MAX;
	ck_assert_int_eq(
		sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &value, sizeof(value)),
		-ENOBUFS);
	value.head.gf_numsrc = 2;
	put_name(&value.more[0], "10.0.0.8");
	ck_assert_int_eq(
		sandwire_setsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &value, sizeof(value)),
		-EADDRNOTAVAIL);
	ck_assert_uint_eq(seen.nr, CALL_MAX);
}
END_TEST

START_TEST(a_filter_is_read_as_far_as_there_is_room_for_it)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(value);

	put_name(&value.head.gf_group, "239.1.2.3");
	value.head.gf_numsrc = 5;
	kept = (struct call_filter){.mode = MCAST_EXCLUDE, .n = 3, .family = AF_INET};
	memcpy(kept.source[1], "\x0a\0\0\x08", 4);
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &value, &len), 0);
	ck_assert_uint_eq(((struct call_filter *)seen.inl)->family, AF_INET);
	ck_assert_uint_eq(((struct call_filter *)seen.inl)->group[0], 239);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(3));
	ck_assert_uint_eq(value.head.gf_fmode, MCAST_EXCLUDE);
	ck_assert_uint_eq(value.head.gf_numsrc, 3);
	memcpy(&sin, &value.more[0], sizeof(sin));
	ck_assert_uint_eq(sin.sin_family, AF_INET);
	ck_assert_uint_eq(sin.sin_addr.s_addr, htonl(0x0a000008));
	len = GROUP_FILTER_SIZE(1) + 100;
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &value, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(1));
	value.head.gf_numsrc = 2;
	len = sizeof(value);
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &value, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(2));
	kept.n = value.head.gf_numsrc = UINT32_MAX; /* no more than there can be */
	len = INT32_MAX;
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &value, &len), 0);
	ck_assert_uint_eq(len, GROUP_FILTER_SIZE(CALL_FILTER_MAX));
	len = GROUP_FILTER_SIZE(0) - 1;
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &value, &len),
			 -EINVAL);
}
END_TEST

START_TEST(what_an_option_asks_with_crosses_and_of_others_nothing)
{
	uint8_t asked[20];
	socklen_t len = sizeof(asked);

	memset(asked, 9, sizeof(asked));
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, IP_MSFILTER, asked, &len), 0);
	ck_assert_mem_eq(seen.inl, asked, sizeof(asked));
	fd = eventfd(0, 0);
	fake_attach(sandbox, false);
	fake_socket(fd, 0);
	ck_assert_int_eq(sandwire_getsockopt(fd, IPPROTO_IP, IP_TTL, asked, &len), 0);
	ck_assert_uint_ne(seen.inl[0], 9);
}
END_TEST

START_TEST(an_option_without_a_value_is_a_fault)
{
	socklen_t len = 4;

	seen.nr = CALL_NULL;
	ck_assert_int_eq(sandwire_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, 4), -EFAULT);
	ck_assert_int_eq(sandwire_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, &len), -EFAULT);
	ck_assert_uint_eq(seen.nr, CALL_NULL);
	ck_assert_int_eq(sandwire_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, NULL, 0), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("filter");
	TCase *tc = tcase_create("filter");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, a_filter_that_is_set_crosses_whole);
	tcase_add_test(tc, a_filter_that_is_none_does_not_cross);
	tcase_add_test(tc, a_filter_is_read_as_far_as_there_is_room_for_it);
	tcase_add_test(tc, what_an_option_asks_with_crosses_and_of_others_nothing);
	tcase_add_test(tc, an_option_without_a_value_is_a_fault);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
