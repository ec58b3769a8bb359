/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/fdtable.c: words for any number, lock-free; what is unknown is looked at. */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"

static int64_t sandbox(struct call *c)
{
	return 0;
}

static void start(void)
{
	fake_attach(sandbox, false);
}

START_TEST(any_number_has_a_word)
{
	static const int numbers[] = {0, 1, 4095, 4096, 65535, 1 << 20, (1 << 30) - 1};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		ck_assert_uint_eq(fd_get(numbers[i]), FD_UNKNOWN);
		fd_set_word(numbers[i], FD_WORD(FD_SOCK, FD_DGRAM, 7, 1000 + i));
	}
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t word = fd_get(numbers[i]);

		ck_assert_int_eq(FD_KIND(word), FD_SOCK);
		ck_assert_uint_eq(FD_EPOCH(word), 7);
		ck_assert_uint_eq(FD_ID(word), 1000 + i);
		ck_assert(word & FD_DGRAM);
		fd_forget(numbers[i]);
		ck_assert_uint_eq(fd_get(numbers[i]), FD_UNKNOWN);
	}
	ck_assert_int_eq(fd_limit(), 1 << 30);
}
END_TEST

START_TEST(no_number_is_the_kernels)
{
	ck_assert_int_eq(FD_KIND(fd_get(-1)), FD_KERNEL);
	fd_set_word(-1, FD_WORD(FD_SOCK, 0, 0, 1));
	ck_assert_int_eq(FD_KIND(fd_get(-1)), FD_KERNEL);
	ck_assert_int_eq(FD_KIND(fd_resolve(-1)), FD_KERNEL);
	ck_assert_int_eq(FD_KIND(fd_resolve(987654)), FD_KERNEL);
}
END_TEST

START_TEST(a_change_happens_once)
{
	fd_set_word(5, FD_WORD(FD_INET, 0, 0, 0));
	ck_assert(fd_change(5, FD_WORD(FD_INET, 0, 0, 0), FD_WORD(FD_INET, FD_USED, 0, 3)));
	ck_assert(!fd_change(5, FD_WORD(FD_INET, 0, 0, 0), FD_KERNEL));
	ck_assert_uint_eq(FD_ID(fd_get(5)), 3);
	fd_copy(5, 9);
	ck_assert_uint_eq(fd_get(9), fd_get(5));
}
END_TEST

START_TEST(kinds_of_files_are_told_apart)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int file = open("/dev/null", O_RDONLY), event = eventfd(0, 0), pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(FD_KIND(fd_resolve(tcp)), FD_INET);
	ck_assert(!(fd_get(tcp) & FD_DGRAM));
	ck_assert_uint_eq(FD_ID(fd_get(tcp)), ~0u);
	ck_assert_int_eq(FD_KIND(fd_resolve(udp)), FD_INET);
	ck_assert(fd_get(udp) & FD_DGRAM);
	ck_assert_int_eq(FD_KIND(fd_resolve(file)), FD_KERNEL);
	ck_assert_int_eq(FD_KIND(fd_resolve(event)), FD_KERNEL);
	ck_assert_int_eq(FD_KIND(fd_resolve(pair[0])), FD_KERNEL);
	/* and remembered */
	ck_assert_int_eq(FD_KIND(fd_get(file)), FD_KERNEL);
}
END_TEST

static void *writer(void *arg)
{
	int base = (int)(intptr_t)arg;

	for (int i = 0; i < 20000; i++)
		fd_set_word(base + i, FD_WORD(FD_SOCK, 0, 0, base + i));
	return NULL;
}

START_TEST(threads_may_grow_the_table_together)
{
	pthread_t threads[4];

	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, writer, (void *)(100000 + i * 5000));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int fd = 100000; fd < 135000; fd++)
		ck_assert_uint_eq(FD_ID(fd_get(fd)), (uint32_t)fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fdtable");
	TCase *tc = tcase_create("table");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, any_number_has_a_word);
	tcase_add_test(tc, no_number_is_the_kernels);
	tcase_add_test(tc, a_change_happens_once);
	tcase_add_test(tc, kinds_of_files_are_told_apart);
	tcase_add_test(tc, threads_may_grow_the_table_together);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
