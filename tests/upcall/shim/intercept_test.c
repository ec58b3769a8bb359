/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/shim/intercept.c: ioctl. The sandbox is a few lines here; descriptors are eventfds. */
#include <check.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/upcall/fake_attachment.h"

#define PAGE 4096

static int fd, control[2];
static int *read_only; /* the last int before memory that is not there */

static int64_t sandbox(struct call *c)
{
	switch (c->slot->nr) {
	case CALL_READABLE:
		return 11;
	case CALL_UNSENT:
		return c->slot->arg[0] ? 22 : 33;
	case CALL_AT_MARK:
		return 1;
	}
	return 0; /* CALL_SIGNAL: nothing is urgent here */
}

static void start(void)
{
	char *map =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, control), 0);
	fake_attach(sandbox, false)->control_fd = control[0];
	fd = eventfd(0, 0);
	fake_socket(fd, 0);
	ck_assert(map != MAP_FAILED);
	ck_assert_int_eq(munmap(map + PAGE, PAGE), 0);
	read_only = (int *)(map + PAGE) - 1;
	*read_only = getpid();
	ck_assert_int_eq(mprotect(map, PAGE, PROT_READ), 0);
}

static void stop(void)
{
	munmap((char *)(read_only + 1) - PAGE, PAGE);
	close(fd);
	close(control[0]);
	close(control[1]);
}

static const struct {
	unsigned long request;
	int answer;
} questions[] = {
	{SIOCINQ, 11},	 {SIOCOUTQ, 33}, {SIOCOUTQNSD, 22},
	{SIOCATMARK, 1}, {FIOGETOWN, 0}, {SIOCGPGRP, 0},
};
#define N_QUESTIONS (sizeof(questions) / sizeof(questions[0]))

START_TEST(an_answer_lies_where_the_program_said)
{
	for (unsigned i = 0; i < N_QUESTIONS; i++) {
		int answer[2] = {-1, -1};

		ck_assert_int_eq(ioctl(fd, questions[i].request, answer), 0);
		ck_assert_int_eq(answer[0], questions[i].answer);
		ck_assert_int_eq(answer[1], -1);
	}
}
END_TEST

START_TEST(an_answer_for_a_bad_address_is_efault)
{
	for (unsigned i = 0; i < N_QUESTIONS; i++) {
		int *const bad[] = {NULL, (int *)8, read_only, read_only + 1};

		for (unsigned k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			errno = 0;
			ck_assert_int_eq(ioctl(fd, questions[i].request, bad[k]), -1);
			ck_assert_int_eq(errno, EFAULT);
		}
	}
	ck_assert_int_eq(*read_only, getpid());
}
END_TEST

START_TEST(an_owner_is_read_from_where_memory_can_be_read)
{
	static const unsigned long requests[] = {FIOSETOWN, SIOCSPGRP};
	int who;

	for (unsigned i = 0; i < 2; i++) {
		int none = 0;

		ck_assert_int_eq(ioctl(fd, requests[i], read_only), 0);
		ck_assert_int_eq(ioctl(fd, FIOGETOWN, &who), 0);
		ck_assert_int_eq(who, getpid());
		ck_assert_int_eq(ioctl(fd, requests[i], NULL), -1);
		ck_assert_int_eq(errno, EFAULT);
		ck_assert_int_eq(ioctl(fd, requests[i], read_only + 1), -1);
		ck_assert_int_eq(errno, EFAULT);
		ck_assert_int_eq(ioctl(fd, FIOGETOWN, &who), 0);
		ck_assert_int_eq(who, getpid());
		ck_assert_int_eq(ioctl(fd, requests[i], &none), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("intercept");
	TCase *tc = tcase_create("intercept");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_test(tc, an_answer_lies_where_the_program_said);
	tcase_add_test(tc, an_answer_for_a_bad_address_is_efault);
	tcase_add_test(tc, an_owner_is_read_from_where_memory_can_be_read);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
