// SPDX-License-Identifier: BSD-3-Clause
/* sandbox/rt.c, under other names: the functions against libc's, at all small lengths and
 * alignments, and around the length from which rep is used. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

void *rt_memcpy(void *to, const void *from, size_t n);
void *rt_memmove(void *to, const void *from, size_t n);
void *rt_memset(void *to, int byte, size_t n);
int rt_memcmp(const void *a, const void *b, size_t n);
int rt_strcmp(const char *a, const char *b);

#define ROOM 700u

static uint8_t src[ROOM], want[ROOM], got[ROOM];

static void setup(void)
{
	for (unsigned i = 0; i < ROOM; i++) {
		src[i] = (uint8_t)(i * 7 + 3);
		want[i] = got[i] = (uint8_t)~i;
	}
}

/* All lengths up to 300, then some. */
#define EACH_LENGTH(n) for (size_t n = 0; n < 560; n += n < 300 ? 1 : 13)

START_TEST(memcpy_copies_exactly)
{
	EACH_LENGTH(n)
	for (unsigned off = 0; off < 9; off++) {
		memcpy(want + off, src + 8 - off, n);
		ck_assert_ptr_eq(rt_memcpy(got + off, src + 8 - off, n), got + off);
		ck_assert_mem_eq(got, want, ROOM);
	}
}
END_TEST

START_TEST(memmove_copies_overlapping_bytes)
{
	EACH_LENGTH(n)
	for (unsigned a = 0; a < 40; a += 3)
		for (unsigned b = 0; b < 40; b += 7) {
			memcpy(want, src, ROOM);
			memcpy(got, src, ROOM);
			memmove(want + a, want + b, n);
			rt_memmove(got + a, got + b, n);
			ck_assert_mem_eq(got, want, ROOM);
		}
}
END_TEST

START_TEST(memset_fills_exactly)
{
	EACH_LENGTH(n)
	for (unsigned off = 0; off < 9; off++) {
		memset(want + off, 0x1a5 + (int)off, n);
		ck_assert_ptr_eq(rt_memset(got + off, 0x1a5 + (int)off, n), got + off);
		ck_assert_mem_eq(got, want, ROOM);
	}
}
END_TEST

START_TEST(strcmp_orders_words)
{
	static const char *const words[] = {"", "a", "ab", "abc", "b", "\x80", "\xff"};

	for (unsigned i = 0; i < 7; i++)
		for (unsigned k = 0; k < 7; k++) {
			ck_assert_int_eq(rt_strcmp(words[i], words[k]) < 0, i < k);
			ck_assert_int_eq(rt_strcmp(words[i], words[k]) == 0, i == k);
		}
}
END_TEST

START_TEST(memcmp_finds_the_first_difference)
{
	memcpy(got, src, ROOM);
	EACH_LENGTH(n)
	{
		ck_assert_int_eq(rt_memcmp(got, src, n), 0);
		for (size_t at = 0; at < n; at += 1 + n / 17) {
			got[at] = (uint8_t)(src[at] + 1);
			ck_assert_int_eq(rt_memcmp(got, src, n) > 0, got[at] > src[at]);
			ck_assert_int_eq(rt_memcmp(got, src, n) < 0, got[at] < src[at]);
			got[at] = src[at];
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rt");
	TCase *c = tcase_create("rt");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, memcpy_copies_exactly);
	tcase_add_test(c, memmove_copies_overlapping_bytes);
	tcase_add_test(c, memset_fills_exactly);
	tcase_add_test(c, memcmp_finds_the_first_difference);
	tcase_add_test(c, strcmp_orders_words);
	suite_add_tcase(s, c);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
