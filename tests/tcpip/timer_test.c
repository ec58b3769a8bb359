/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcpip/timer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define N  2000

static struct timer_wheel w;
static uint64_t now;
static unsigned fired;

/* The wheel hands `st` through untouched; these timers need none. */
static void count(struct stack *st, struct timer *t)
{
	(void)st;
	ck_assert_uint_le(t->expires, now);
	fired++;
}

static void again_now(struct stack *st, struct timer *t)
{
	(void)st;
	fired++;
	timer_set(&w, t, now);
}

static void start(uint64_t at)
{
	now = at;
	fired = 0;
	timer_wheel_init(&w, now);
}

static void run_to(uint64_t at)
{
	now = at;
	while (timer_run(NULL, &w, now, 16))
		;
}

START_TEST(a_timer_fires_at_its_time_and_not_before)
{
	struct timer t = {.fn = count};

	start(5 * MS);
	timer_set(&w, &t, 7 * MS + 1);
	run_to(7 * MS + 500);
	ck_assert_uint_eq(fired, 0);
	run_to(8 * MS);
	ck_assert_uint_eq(fired, 1);
	ck_assert(!timer_armed(&t));
	ck_assert_uint_eq(w.armed, 0);
}
END_TEST

START_TEST(a_timer_in_the_past_fires_at_the_next_run)
{
	struct timer t = {.fn = count};

	start(1000 * MS);
	run_to(1000 * MS);
	timer_set(&w, &t, 1 * MS);
	ck_assert_uint_le(timer_next(&w), 1001 * MS);
	run_to(1001 * MS);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

START_TEST(a_cancelled_timer_does_not_fire)
{
	struct timer t = {.fn = count}, u = {.fn = count};

	start(0);
	timer_set(&w, &t, 10 * MS);
	timer_set(&w, &u, 10 * MS);
	timer_cancel(&w, &t);
	timer_cancel(&w, &t);
	run_to(20 * MS);
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(timer_next(&w), UINT64_MAX);
}
END_TEST

START_TEST(setting_an_armed_timer_moves_it)
{
	struct timer t = {.fn = count};

	start(0);
	timer_set(&w, &t, 10 * MS);
	timer_set(&w, &t, 100000 * MS);
	run_to(99999 * MS);
	ck_assert_uint_eq(fired, 0);
	run_to(100000 * MS);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

START_TEST(a_timer_that_rearms_itself_now_does_not_hold_up_the_run)
{
	struct timer t = {.fn = again_now};

	start(0);
	timer_set(&w, &t, 3 * MS);
	now = 3 * MS;
	ck_assert(!timer_run(NULL, &w, now, 1000));
	ck_assert_uint_eq(fired, 1);
}
END_TEST

START_TEST(the_budget_bounds_a_run_and_nothing_is_lost)
{
	static struct timer t[100];
	unsigned runs = 0;

	start(0);
	memset(t, 0, sizeof(t));
	for (int i = 0; i < 100; i++) {
		t[i].fn = count;
		timer_set(&w, &t[i], 2 * MS);
	}
	now = 50 * MS;
	while (timer_run(NULL, &w, now, 7)) {
		ck_assert_uint_le(timer_next(&w), now);
		runs++;
	}
	ck_assert_uint_eq(fired, 100);
	ck_assert_uint_ge(runs, 14);
}
END_TEST

START_TEST(a_timer_on_the_due_list_can_be_cancelled)
{
	struct timer t[3] = {{.fn = count}, {.fn = count}, {.fn = count}};

	start(0);
	for (int i = 0; i < 3; i++)
		timer_set(&w, &t[i], 2 * MS);
	now = 5 * MS;
	ck_assert(timer_run(NULL, &w, now, 1));
	ck_assert_uint_eq(fired, 1);
	for (int i = 0; i < 3; i++)
		timer_cancel(&w, &t[i]);
	ck_assert(!timer_run(NULL, &w, now, 10));
	ck_assert_uint_eq(fired, 1);
	ck_assert_uint_eq(w.armed, 0);
}
END_TEST

START_TEST(a_near_timer_set_after_a_far_slot_was_entered_does_not_overtake_it)
{
	struct timer far_one = {.fn = count}, near_one = {.fn = count};

	start(0);
	timer_set(&w, &far_one, 65 * MS);
	run_to(63 * MS); /* the wheel now stands at 64, where the far slot begins */
	timer_set(&w, &near_one, 70 * MS);
	ck_assert_uint_le(timer_next(&w), 65 * MS);
	run_to(65 * MS);
	ck_assert_uint_eq(fired, 1);
	ck_assert(!timer_armed(&far_one));
}
END_TEST

START_TEST(a_timer_beyond_the_wheels_reach_still_fires_on_time)
{
	struct timer t = {.fn = count};
	uint64_t at = (1ull << 32) * MS;

	start(((1ull << 30) - 3) * MS);
	timer_set(&w, &t, at);
	run_to(at - MS);
	ck_assert_uint_eq(fired, 0);
	run_to(at);
	ck_assert_uint_eq(fired, 1);
}
END_TEST

/* Against a plain array: what must have fired has, what must not has not, and timer_next is never
 * late. */
START_TEST(random_timers_agree_with_a_plain_list)
{
	static struct timer t[N];
	uint64_t tick;
	unsigned due;

	srand((unsigned)_i);
	start((uint64_t)rand() * MS + 12345);
	memset(t, 0, sizeof(t));
	for (int i = 0; i < N; i++)
		t[i].fn = count;
	for (int step = 0; step < 3000; step++) {
		struct timer *x = &t[rand() % N];
		uint64_t first = UINT64_MAX;

		if (rand() % 4 == 0)
			timer_cancel(&w, x);
		else
			timer_set(&w, x, now + ((uint64_t)rand() >> (rand() % 31)) * 1000);
		if (step % 10)
			continue;
		now += ((uint64_t)rand() >> (rand() % 31)) * 1000;
		due = 0;
		for (int i = 0; i < N; i++) {
			tick = (t[i].expires + MS - 1) / MS;
			due += timer_armed(&t[i]) && tick <= now / MS;
		}
		fired = 0;
		run_to(now);
		ck_assert_uint_eq(fired, due);
		for (int i = 0; i < N; i++)
			if (timer_armed(&t[i]) && t[i].expires < first)
				first = t[i].expires;
		if (first != UINT64_MAX)
			ck_assert_uint_le(timer_next(&w), first + MS);
		else
			ck_assert_uint_eq(timer_next(&w), UINT64_MAX);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timer");
	TCase *t = tcase_create("timer");
	SRunner *r;
	int failed;

	tcase_add_test(t, a_timer_fires_at_its_time_and_not_before);
	tcase_add_test(t, a_timer_in_the_past_fires_at_the_next_run);
	tcase_add_test(t, a_cancelled_timer_does_not_fire);
	tcase_add_test(t, setting_an_armed_timer_moves_it);
	tcase_add_test(t, a_timer_that_rearms_itself_now_does_not_hold_up_the_run);
	tcase_add_test(t, the_budget_bounds_a_run_and_nothing_is_lost);
	tcase_add_test(t, a_timer_on_the_due_list_can_be_cancelled);
	tcase_add_test(t, a_near_timer_set_after_a_far_slot_was_entered_does_not_overtake_it);
	tcase_add_test(t, a_timer_beyond_the_wheels_reach_still_fires_on_time);
	tcase_add_loop_test(t, random_timers_agree_with_a_plain_list, 0, 8);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
