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

#include "tests/tools/sandwired/fake_image.h"
#include "tools/sandwired/net.h"
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

/* ---- the stack behind it: a place in the segment, and what it answers ----------------------- */

static struct net net;
static struct seg_kshared *ks;
static unsigned asked, owed, later; /* later: comes to be owed when all else is taken */

/* It owes signals of a socket whose owner went away meanwhile. */
static int64_t stack(struct ctx *ctx, uint32_t client, struct call_slot *s)
{
	ck_assert_uint_eq(s->nr, ADMIN_SIGNAL_TAKE);
	asked++;
	if (owed) {
		owed--;
		return 7;
	}
	owed = later;
	later = 0;
	if (owed)
		ks->signals_owed = 1;
	return 0;
}

static void stack_up(void)
{
	ks = fake_image_up(stack);
	asked = owed = later = 0;
	net.owners.n = 1;
}

START_TEST(the_stack_is_asked_only_when_it_owes_something)
{
	ck_assert_uint_eq(owners_signal(&net), 0);
	ck_assert_uint_eq(asked, 0);
	owed = 2;
	ks->signals_owed = 1;
	ck_assert_uint_eq(owners_signal(&net), 2);
	ck_assert_uint_eq(asked, 3);
	ck_assert_uint_eq(owners_signal(&net), 0);
	ck_assert_uint_eq(asked, 3);
}
END_TEST

START_TEST(what_is_more_than_a_pass_takes_is_left_for_the_next)
{
	unsigned first;

	owed = 100;
	ks->signals_owed = 1;
	first = owners_signal(&net);
	ck_assert_uint_lt(first, 100);
	ck_assert_uint_eq(owners_signal(&net), 100 - first);
	ck_assert_uint_eq(owners_signal(&net), 0);
	ck_assert_uint_eq(asked, 101);
}
END_TEST

START_TEST(what_comes_to_be_owed_meanwhile_is_not_lost)
{
	owed = 1;
	later = 1;
	ks->signals_owed = 1;
	ck_assert_uint_eq(owners_signal(&net), 1);
	ck_assert_uint_eq(owners_signal(&net), 1);
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
	if (fake_image_fits()) {
		c = tcase_create("asking");
		tcase_add_checked_fixture(c, stack_up, fake_image_down);
		tcase_add_test(c, the_stack_is_asked_only_when_it_owes_something);
		tcase_add_test(c, what_is_more_than_a_pass_takes_is_left_for_the_next);
		tcase_add_test(c, what_comes_to_be_owed_meanwhile_is_not_lost);
		suite_add_tcase(s, c);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
