/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/rundir.c: claims on names and ports, and what a crash leaves. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/sandwired/rundir.h"

static char top[] = "/tmp/sandwire-run-XXXXXX";
static struct failure f;

static struct port_spec port(const char *text)
{
	struct port_spec p;

	ck_assert_int_eq(port_spec_parse(text, &p, &f), 0);
	return p;
}

static int claim(struct rundir *r, const char *name, const char *text)
{
	struct port_spec p = port(text);

	return rundir_claim(r, name, &p, 1, &f);
}

static void setup(void)
{
	strcpy(top + sizeof(top) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	setenv("SANDWIRE_RUNDIR", top, 1);
}

static void teardown(void)
{
	rmdir(top);
}

static bool there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return !access(path, F_OK);
}

START_TEST(claim_and_release_leave_nothing)
{
	struct rundir r;

	ck_assert_int_eq(claim(&r, "a", "tap:x"), 0);
	ck_assert(there("a/pid") && there("a/ports"));
	close(rundir_create(&r, "log"));
	rundir_release(&r);
	ck_assert(!there("a") && access(top, F_OK));
}
END_TEST

START_TEST(name_in_use_is_refused)
{
	struct rundir r, again;

	ck_assert_int_eq(claim(&r, "a", "tap:x"), 0);
	ck_assert_int_eq(claim(&again, "a", "tap:y"), -1);
	ck_assert_str_eq(f.what, "net a");
	ck_assert(there("a/pid"));
	rundir_release(&r);
}
END_TEST

START_TEST(two_nets_do_not_share_a_port)
{
	struct rundir a, b;

	ck_assert_int_eq(claim(&a, "a", "tap:x,ring=64"), 0);
	ck_assert_int_eq(claim(&b, "b", "tap:x"), -1);
	ck_assert_ptr_nonnull(strstr(f.why, "'a' has it"));
	ck_assert(!there("b"));
	ck_assert_int_eq(claim(&b, "b", "tap:y"), 0);
	rundir_release(&b);
	rundir_release(&a);
}
END_TEST

START_TEST(null_ports_are_for_everybody)
{
	struct rundir a, b;

	ck_assert_int_eq(claim(&a, "a", "null"), 0);
	ck_assert_int_eq(claim(&b, "b", "null"), 0);
	rundir_release(&b);
	rundir_release(&a);
}
END_TEST

START_TEST(what_a_crash_left_is_cleared)
{
	struct rundir r;
	pid_t pid = fork();
	int status;

	if (!pid) {
		_exit(claim(&r, "a", "tap:x") ? 1 : 0); /* without release */
	}
	waitpid(pid, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert(there("a/pid"));
	ck_assert_int_eq(claim(&r, "b", "tap:x"), 0); /* the dead hold no port */
	rundir_release(&r);
	ck_assert_int_eq(claim(&r, "a", "tap:x"), 0);
	rundir_release(&r);
}
END_TEST

START_TEST(down_clears_the_dead_only)
{
	struct rundir r;
	pid_t pid;

	ck_assert_int_eq(claim(&r, "live", "null"), 0);
	ck_assert_int_eq(rundir_clear_stale("live"), -EBUSY);
	ck_assert_int_eq(rundir_clear_stale("never"), -ENOENT);
	pid = fork();
	if (!pid)
		_exit(claim(&r, "dead", "null") ? 1 : 0);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(rundir_clear_stale("dead"), 0);
	ck_assert(!there("dead"));
	rundir_release(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rundir");
	TCase *t = tcase_create("rundir");
	SRunner *r;
	int bad;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, claim_and_release_leave_nothing);
	tcase_add_test(t, name_in_use_is_refused);
	tcase_add_test(t, two_nets_do_not_share_a_port);
	tcase_add_test(t, null_ports_are_for_everybody);
	tcase_add_test(t, what_a_crash_left_is_cleared);
	tcase_add_test(t, down_clears_the_dead_only);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
