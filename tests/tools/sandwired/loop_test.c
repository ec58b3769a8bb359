/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/loop.c: waiting, sleeping, and watches that go away while events name them. */
#include <check.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/sandwired/loop.h"

static struct loop loop;
static struct watch *watches[3];
static unsigned fired, passes;
static uint64_t sleep_ns;

static uint64_t after(void *arg)
{
	passes++;
	if (passes == *(unsigned *)arg)
		loop.stop = true;
	return sleep_ns;
}

static void setup(void)
{
	fired = passes = 0;
	sleep_ns = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	loop.after = after;
	for (unsigned i = 0; i < 3; i++)
		watches[i] = calloc(1, sizeof(struct watch));
}

static void teardown(void)
{
	for (unsigned i = 0; i < 3; i++)
		free(watches[i]);
	loop_free(&loop);
}

/* Whichever fires first takes all the others away. */
static void removes_all(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	fired++;
	for (unsigned i = 0; i < 3; i++) {
		loop_del(&loop, watches[i]);
		free(watches[i]); /* touched again, the sanitizer would see it */
		watches[i] = NULL;
	}
}

START_TEST(watch_removed_in_the_batch_does_not_fire)
{
	unsigned n = 2;
	int fd[3];

	for (unsigned i = 0; i < 3; i++) {
		fd[i] = eventfd(1, EFD_NONBLOCK);
		ck_assert_int_eq(loop_add(&loop, watches[i], fd[i], EPOLLIN, removes_all, NULL), 0);
	}
	loop.arg = &n;
	loop_run(&loop);
	ck_assert_uint_eq(fired, 1);
	for (unsigned i = 0; i < 3; i++)
		close(fd[i]);
}
END_TEST

static void hear(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	fired++;
}

/* pairs_hear(): all that is ready, more than a batch of it, and no waiting. */
START_TEST(a_poll_takes_what_is_ready_and_no_more)
{
	static struct watch many[LOOP_BATCH + 2];
	int fd[LOOP_BATCH + 2];

	for (unsigned i = 0; i < LOOP_BATCH + 2; i++) {
		fd[i] = eventfd(i > 0, EFD_NONBLOCK); /* all but the first are ready */
		loop_add(&loop, &many[i], fd[i], EPOLLIN | EPOLLET, hear, NULL);
	}
	loop_poll(&loop);
	ck_assert_uint_eq(fired, LOOP_BATCH + 1);
	ck_assert_uint_eq(passes, 0);
	loop_poll(&loop);
	ck_assert_uint_eq(fired, LOOP_BATCH + 1);
	for (unsigned i = 0; i < LOOP_BATCH + 2; i++)
		close(fd[i]);
}
END_TEST

START_TEST(sleeps_as_long_as_it_is_told)
{
	struct timespec a, b;
	unsigned n = 3;
	double ms;

	sleep_ns = 20000000;
	loop.arg = &n;
	clock_gettime(CLOCK_MONOTONIC, &a);
	loop_run(&loop); /* the first pass comes at once, then two sleeps */
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	ck_assert_msg(ms >= 39, "%f ms", ms);
	ck_assert_uint_eq(passes, 3);
}
END_TEST

static double ms_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void works(void *arg, uint32_t events)
{
	double end = ms_of(CLOCK_PROCESS_CPUTIME_ID) + 8;

	(void)arg;
	(void)events;
	while (ms_of(CLOCK_PROCESS_CPUTIME_ID) < end)
		fired++;
}

/* Three long events in one batch: after each it sleeps, up to 2 ms. */
START_TEST(with_real_time_priority_others_get_their_part)
{
	double slept = ms_of(CLOCK_MONOTONIC) - ms_of(CLOCK_PROCESS_CPUTIME_ID);
	int fd[3];

	loop.realtime = true;
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = eventfd(1, EFD_NONBLOCK);
		ck_assert_int_eq(loop_add(&loop, watches[i], fd[i], EPOLLIN | EPOLLET, works, NULL),
				 0);
	}
	loop_poll(&loop);
	ck_assert_uint_gt(fired, 0);
	slept = ms_of(CLOCK_MONOTONIC) - ms_of(CLOCK_PROCESS_CPUTIME_ID) - slept;
	ck_assert_msg(slept >= 3 * 8 / 4.0 - 0.1, "%f ms", slept);
	for (unsigned i = 0; i < 3; i++)
		close(fd[i]);
}
END_TEST

static void stops(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	fired++;
	loop.stop = true;
}

START_TEST(stop_in_a_callback_ends_the_loop_without_a_pass)
{
	unsigned n = 100, before;
	int fd = eventfd(1, EFD_NONBLOCK);

	sleep_ns = 1000000000;
	loop.arg = &n;
	ck_assert_int_eq(loop_add(&loop, watches[0], fd, EPOLLIN, stops, NULL), 0);
	before = passes;
	loop_run(&loop);
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(passes, before);
	loop_del(&loop, watches[0]);
	loop_del(&loop, watches[0]); /* twice is harmless */
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *t = tcase_create("loop");
	SRunner *r;
	int bad;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, watch_removed_in_the_batch_does_not_fire);
	tcase_add_test(t, a_poll_takes_what_is_ready_and_no_more);
	tcase_add_test(t, sleeps_as_long_as_it_is_told);
	tcase_add_test(t, with_real_time_priority_others_get_their_part);
	tcase_add_test(t, stop_in_a_callback_ends_the_loop_without_a_pass);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
