/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/owners.c: what it counts on the kernel for. Processes stand for programs. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/sandwired/owners.h"

#define NOBODY 65534

static struct owner o;

static void setup(void)
{
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigprocmask(SIG_BLOCK, &urg, NULL);
	ck_assert_int_eq(owner_open(&o), 0);
}

static void teardown(void)
{
	owner_close(&o);
}

/* Within so many ms. */
static bool signalled(int ms)
{
	struct timespec limit = {ms / 1000, ms % 1000 * 1000000l};
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	return sigtimedwait(&urg, NULL, &limit) == SIGURG;
}

/* Another program, as such a user, says who the owner is. */
static void named_by(uid_t uid, pid_t owner)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(setuid(uid) || fcntl(o.a, F_SETOWN, owner));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(each_signal_comes_though_nobody_reads)
{
	owner_signal(&o);
	ck_assert(!signalled(20));
	ck_assert_int_eq(fcntl(o.a, F_SETOWN, getpid()), 0);
	for (unsigned i = 0; i < 5000; i++) {
		owner_signal(&o);
		ck_assert(signalled(1000));
	}
	ck_assert(!signalled(20));
}
END_TEST

START_TEST(whoever_named_the_owner_must_be_allowed_to_signal_him)
{
	if (geteuid())
		return;
	named_by(0, getpid());
	owner_signal(&o);
	ck_assert(signalled(1000));
	named_by(NOBODY, getpid()); /* we are root, and so is the daemon */
	owner_signal(&o);
	ck_assert(!signalled(20));
}
END_TEST

START_TEST(an_owner_that_is_dead_has_no_successor)
{
	pid_t pid = fork();

	if (!pid)
		_exit(fcntl(o.a, F_SETOWN, getpid()) != 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(fcntl(o.a, F_GETOWN), 0);
	owner_signal(&o);
	ck_assert(!signalled(20));
}
END_TEST

/* It keeps end A, fills what it can, and sits in a receive. */
START_TEST(a_program_can_neither_stall_nor_fill_it)
{
	char bytes[64] = "";

	ck_assert_int_eq(fcntl(o.a, F_SETOWN, getpid()), 0);
	ck_assert_int_eq(send(o.a, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(recv(o.a, bytes, sizeof(bytes), 0), 0); /* nothing to wait for */
	ck_assert_int_eq(shutdown(o.a, SHUT_RDWR), 0);
	owner_signal(&o);
	ck_assert(signalled(1000));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("owners");
	TCase *c = tcase_create("owners");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, each_signal_comes_though_nobody_reads);
	tcase_add_test(c, whoever_named_the_owner_must_be_allowed_to_signal_him);
	tcase_add_test(c, an_owner_that_is_dead_has_no_successor);
	tcase_add_test(c, a_program_can_neither_stall_nor_fill_it);
	suite_add_tcase(s, c);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
