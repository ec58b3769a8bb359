// SPDX-License-Identifier: BSD-3-Clause
/* sandbox/lock.c: one owner at a time, waiters let others run. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "sandbox/lock.h"

static struct sandbox sb;
static unsigned relaxed;

static void relax(struct ctx *ctx)
{
	__atomic_fetch_add(&relaxed, 1, __ATOMIC_RELAXED);
	sched_yield();
}

static void setup(void)
{
	sb = (struct sandbox){.relax = relax};
	relaxed = 0;
}

START_TEST(the_lock_names_its_owner)
{
	struct ctx a = {.id = 7};

	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
	stack_lock(&sb, &a);
	ck_assert_uint_eq(stack_lock_owner(&sb), 7);
	ck_assert_uint_eq(a.lock_held, 1);
	stack_unlock(&sb, &a);
	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
	ck_assert_uint_eq(a.lock_held, 0);
	ck_assert_uint_eq(sb.lock_contended, 0);
}
END_TEST

START_TEST(nobody_takes_a_lock_that_is_held)
{
	struct ctx a = {.id = 0}, b = {.id = 1};

	ck_assert(stack_trylock(&sb, &a));
	ck_assert(!stack_trylock(&sb, &b));
	ck_assert_uint_eq(b.lock_held, 0);
	stack_unlock(&sb, &a);
	ck_assert(stack_trylock(&sb, &b));
	stack_unlock(&sb, &b);
}
END_TEST

static void *waiter(void *arg)
{
	struct ctx *ctx = arg;

	stack_lock(&sb, ctx);
	stack_unlock(&sb, ctx);
	return NULL;
}

START_TEST(a_waiter_lets_others_run_and_gets_it_in_the_end)
{
	struct ctx a = {.id = 1}, b = {.id = 2};
	pthread_t t;

	stack_lock(&sb, &a);
	ck_assert_int_eq(pthread_create(&t, NULL, waiter, &b), 0);
	while (!__atomic_load_n(&relaxed, __ATOMIC_RELAXED))
		sched_yield();
	ck_assert_uint_eq(__atomic_load_n(&sb.lock_waiters, __ATOMIC_RELAXED), 1);
	stack_unlock(&sb, &a);
	pthread_join(t, NULL);
	ck_assert_uint_eq(sb.lock_waiters, 0);
	ck_assert_uint_eq(sb.lock_contended, 1);
	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
}
END_TEST

#define THREADS 4
#define ROUNDS	20000
static uint64_t counter; /* not atomic: the lock must do it */

static void *adder(void *arg)
{
	struct ctx ctx = {.id = (uint32_t)(uintptr_t)arg};

	for (unsigned i = 0; i < ROUNDS; i++) {
		stack_lock(&sb, &ctx);
		counter++;
		stack_unlock(&sb, &ctx);
	}
	return NULL;
}

START_TEST(threads_exclude_each_other)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, adder, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(counter, THREADS * ROUNDS);
	ck_assert_uint_eq(sb.lock_waiters, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lock");
	TCase *c = tcase_create("lock");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, the_lock_names_its_owner);
	tcase_add_test(c, nobody_takes_a_lock_that_is_held);
	tcase_add_test(c, a_waiter_lets_others_run_and_gets_it_in_the_end);
	tcase_add_test(c, threads_exclude_each_other);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
