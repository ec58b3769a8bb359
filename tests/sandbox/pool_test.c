/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox/pool.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static uint8_t memory[1 << 16] __attribute__((aligned(64)));

static struct arena fresh(size_t size)
{
	memset(memory, 0xee, sizeof(memory));
	return (struct arena){.base = memory, .size = size};
}

START_TEST(an_arena_gives_zeroed_aligned_memory)
{
	struct arena a = fresh(4096);
	uint8_t *one = arena_take(&a, 3, 1), *two = arena_take(&a, 100, 64);

	ck_assert_ptr_nonnull(one);
	ck_assert_uint_eq((uintptr_t)two % 64, 0);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(two[i], 0);
}
END_TEST

START_TEST(an_arena_that_is_too_small_gives_nothing_and_loses_nothing)
{
	struct arena a = fresh(128);

	ck_assert_ptr_null(arena_take(&a, 129, 1));
	ck_assert_ptr_null(arena_take(&a, SIZE_MAX, 64));
	ck_assert_ptr_nonnull(arena_take(&a, 128, 64));
	ck_assert_ptr_null(arena_take(&a, 1, 1));
}
END_TEST

START_TEST(objects_are_zeroed_again_when_reused)
{
	struct arena a = fresh(4096);
	struct pool p;
	uint8_t *x;

	ck_assert_int_eq(pool_init(&p, &a, "things", 40, 4), 0);
	x = pool_get(&p);
	memset(x, 0x55, 40);
	pool_put(&p, x);
	ck_assert_ptr_eq(pool_get(&p), x);
	for (int i = 0; i < 40; i++)
		ck_assert_uint_eq(x[i], 0);
}
END_TEST

START_TEST(an_empty_pool_says_so_and_counts_it)
{
	struct arena a = fresh(4096);
	struct pool p;
	void *x[3];

	ck_assert_int_eq(pool_init(&p, &a, "three", 64, 3), 0);
	for (int i = 0; i < 3; i++) {
		x[i] = pool_get(&p);
		ck_assert_ptr_nonnull(x[i]);
		ck_assert_uint_eq((uintptr_t)x[i] % 64, 0);
	}
	ck_assert_ptr_null(pool_get(&p));
	ck_assert_uint_eq(p.failed, 1);
	ck_assert_uint_eq(p.used, 3);
	pool_put(&p, x[1]);
	ck_assert_ptr_eq(pool_get(&p), x[1]);
	ck_assert_uint_eq(p.high, 3);
}
END_TEST

START_TEST(objects_have_numbers)
{
	struct arena a = fresh(4096);
	struct pool p;

	ck_assert_int_eq(pool_init(&p, &a, "a name longer than the field", 100, 8), 0);
	ck_assert_uint_eq(p.name[15], 0);
	for (uint32_t i = 0; i < 8; i++) {
		void *x = pool_get(&p);

		ck_assert_uint_eq(pool_index(&p, x), i);
		ck_assert_ptr_eq(pool_at(&p, i), x);
	}
}
END_TEST

START_TEST(a_pool_larger_than_its_arena_is_refused)
{
	struct arena a = fresh(1024);
	struct pool p;

	ck_assert_int_lt(pool_init(&p, &a, "big", 64, 17), 0);
	ck_assert_int_lt(pool_init(&p, &a, "huge", UINT32_MAX, UINT32_MAX), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool");
	TCase *t = tcase_create("pool");
	SRunner *r;
	int failed;

	tcase_add_test(t, an_arena_gives_zeroed_aligned_memory);
	tcase_add_test(t, an_arena_that_is_too_small_gives_nothing_and_loses_nothing);
	tcase_add_test(t, objects_are_zeroed_again_when_reused);
	tcase_add_test(t, an_empty_pool_says_so_and_counts_it);
	tcase_add_test(t, objects_have_numbers);
	tcase_add_test(t, a_pool_larger_than_its_arena_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
