/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/sandwired/clock.c: the line over the time stamp counter, on a counter of our own. */
#include <check.h>
#include <stdlib.h>

#include "tools/sandwired/clock.h"

#define SECOND 1000000000ull
#define TSC_HZ 2500000000ull

/* A machine whose counter runs at TSC_HZ and whose CLOCK_MONOTONIC is `ppm` faster. */
static struct clock_sample at(double seconds, double ppm)
{
	return (struct clock_sample){(uint64_t)(seconds * (double)TSC_HZ),
				     (uint64_t)(seconds * 1e9 * (1 + ppm / 1e6))};
}

static struct clock_state start(double error_ppm)
{
	struct clock_state s = {.interval = SECOND};

	s.first = s.last = at(1, 0);
	s.clock.tsc_base = s.first.tsc;
	s.clock.ns_base = s.first.ns;
	s.clock.shift = CLOCK_SHIFT;
	s.clock.mult =
		(uint32_t)((1e9 / (double)TSC_HZ) * (1 << CLOCK_SHIFT) * (1 + error_ppm / 1e6));
	return s;
}

START_TEST(real_clock_starts_and_runs)
{
	struct clock_state s;
	struct clock_sample now;
	int64_t off;

	ck_assert(clock_start(&s));
	now = clock_sample();
	off = (int64_t)(clock_ns(&s.clock, now.tsc) - now.ns);
	ck_assert_msg(off < 1000000 && off > -1000000, "off by %lld ns", (long long)off);
}
END_TEST

START_TEST(converges_to_the_true_rate)
{
	struct clock_state s = start(200);
	double t = 1;
	int64_t off = 0;

	for (unsigned i = 0; i < 12; i++) {
		t += (double)s.interval / 1e9;
		ck_assert(clock_refresh(&s, at(t, 50)));
		off = (int64_t)(clock_ns(&s.clock, at(t, 50).tsc) - at(t, 50).ns);
	}
	ck_assert_msg(off < 20000 && off > -20000, "off by %lld ns", (long long)off);
}
END_TEST

START_TEST(never_goes_back_and_never_jumps)
{
	struct clock_state s = start(500); /* runs ahead */
	double t = 1;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t before, after;
		struct clock_sample now;

		t += (double)s.interval / 1e9;
		now = at(t, 0);
		before = clock_ns(&s.clock, now.tsc);
		ck_assert(clock_refresh(&s, now));
		after = clock_ns(&s.clock, now.tsc);
		ck_assert_uint_ge(after, before);
		ck_assert_uint_le(after - before, 10);
	}
}
END_TEST

START_TEST(sleep_of_the_machine_steps_forward)
{
	struct clock_state s = start(0);
	struct clock_sample now = at(2, 0);

	now.ns += 3600 * SECOND;
	ck_assert(clock_refresh(&s, now));
	ck_assert_uint_eq(clock_ns(&s.clock, now.tsc), now.ns);
}
END_TEST

START_TEST(counter_that_stands_still_is_ignored)
{
	struct clock_state s = start(0);

	ck_assert(!clock_refresh(&s, s.last));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("clock");
	TCase *t = tcase_create("clock");
	SRunner *r;
	int bad;

	tcase_add_test(t, real_clock_starts_and_runs);
	tcase_add_test(t, converges_to_the_true_rate);
	tcase_add_test(t, never_goes_back_and_never_jumps);
	tcase_add_test(t, sleep_of_the_machine_steps_forward);
	tcase_add_test(t, counter_that_stands_still_is_ignored);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
