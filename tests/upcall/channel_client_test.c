/* SPDX-License-Identifier: BSD-3-Clause */
/* upcall/channel_client.c: slots are exclusive, and whoever waits for one gets it. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "upcall/client.h"

static struct attachment at;
static _Atomic int owner[CHANNEL_SLOTS];
static _Atomic int clashes, stop;

static void hold_one(void)
{
	unsigned slot = slot_claim(&at);

	if (atomic_fetch_add(&owner[slot], 1) != 0)
		atomic_fetch_add(&clashes, 1);
	for (volatile int i = 0; i < 50; i++)
		;
	if (slot % 7 == 0)
		sched_yield();
	atomic_fetch_sub(&owner[slot], 1);
	slot_release(&at, slot);
}

static void *claimer(void *arg)
{
	for (int i = 0; i < 3000; i++)
		hold_one();
	return NULL;
}

static void start(void)
{
	at.slots = 0;
	at.slot_waiters = 0;
	clashes = 0;
}

START_TEST(every_slot_is_handed_out_once)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < CHANNEL_SLOTS; i++) {
		unsigned slot = slot_claim(&at);

		ck_assert_uint_lt(slot, CHANNEL_SLOTS);
		ck_assert(!(seen & 1ull << slot));
		seen |= 1ull << slot;
	}
	ck_assert(seen == ~0ull);
	for (unsigned i = 0; i < CHANNEL_SLOTS; i++)
		slot_release(&at, i);
	ck_assert(at.slots == 0);
}
END_TEST

START_TEST(threads_never_share_a_slot)
{
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, claimer, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(clashes, 0);
	ck_assert(at.slots == 0);
}
END_TEST

START_TEST(with_two_slots_free_eight_threads_take_turns)
{
	pthread_t threads[8];

	at.slots = ~0ull << 2;
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, claimer, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(clashes, 0);
	ck_assert(at.slots == ~0ull << 2);
	ck_assert_int_eq(at.slot_waiters, 0);
}
END_TEST

static void on_signal(int sig)
{
	hold_one();
}

static void *pest(void *arg)
{
	while (!stop) {
		kill(getpid(), SIGUSR1);
		usleep(100);
	}
	return NULL;
}

START_TEST(a_signal_handler_may_take_a_slot_too)
{
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	pthread_create(&thread, NULL, pest, NULL);
	for (int i = 0; i < 20000; i++)
		hold_one();
	stop = 1;
	pthread_join(thread, NULL);
	ck_assert_int_eq(clashes, 0);
	ck_assert(at.slots == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channel_client");
	TCase *tc = tcase_create("slots");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, every_slot_is_handed_out_once);
	tcase_add_test(tc, threads_never_share_a_slot);
	tcase_add_test(tc, with_two_slots_free_eight_threads_take_turns);
	tcase_add_test(tc, a_signal_handler_may_take_a_slot_too);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
