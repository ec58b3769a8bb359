/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/mode_upcall.c: crossings by descriptors that are not (any more) the module's. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upcall/client.h"

static int cross(int fd)
{
	struct call_slot slot = {0};
	struct call c = {.slot = &slot, .fd = fd};
	int crossing = 0;

	mode_upcall.cross(&c, &crossing);
	return crossing;
}

START_TEST(another_file_is_told_from_a_crossing)
{
	char name[] = "/tmp/mode_upcall.XXXXXX";
	int file = mkstemp(name), ends[2], pair[2];

	unlink(name);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(write(file, "12345", 5), 5);
	ck_assert_int_eq(cross(file), -ENOTTY);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 5);
	ck_assert_int_eq(cross(open("/dev/null", O_RDWR)), -ENOTTY); /* its lseek says 0 */
	ck_assert_int_eq(cross(open("/proc/self/mem", O_RDONLY)), -ENOTTY);
	ck_assert_int_eq(cross(open("/", O_RDONLY)), -ENOTTY);
	ck_assert_int_eq(cross(ends[0]), -ENOTTY);
	ck_assert_int_eq(cross(pair[0]), -ENOTTY);
	ck_assert_int_eq(cross(eventfd(0, 0)), -ENOTTY);
	close(file);
	ck_assert_int_eq(cross(file), -EBADF);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mode_upcall");
	TCase *tc = tcase_create("crossings");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, another_file_is_told_from_a_crossing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
