/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots of the channel: a call holds one from its first argument to its last result, a few
 * microseconds; nobody sleeps on the network with one. Lock-free, so that signal handlers may make
 * calls; a slot belongs to a call, not to a thread, so that threads come and go without notice.
 * Called by api.c.
 */
#include <linux/futex.h>
#include <sched.h>

#include "upcall/client.h"
#include "upcall/raw.h"

_Static_assert(CHANNEL_SLOTS == 64, "one bit a slot");

/* Where this thread found its last slot: its cache lines are still here. */
static _Thread_local unsigned hint;

__attribute__((hot)) static int try_claim(struct attachment *at)
{
	uint64_t used = atomic_load_explicit(&at->slots, memory_order_relaxed);

	while (~used) {
		uint64_t free = ~used;
		unsigned at_hint = hint & 63;
		uint64_t later = free & (~0ull << at_hint);
		unsigned slot = (unsigned)__builtin_ctzll(later ? later : free);

		/* acquire: pairs with the release of slot_release(), the slot's last use */
		if (atomic_compare_exchange_weak_explicit(&at->slots, &used, used | 1ull << slot,
							  memory_order_acquire,
							  memory_order_relaxed)) {
			hint = slot;
			return (int)slot;
		}
	}
	return -1;
}

/*
 * The waiter stores slot_waiters then loads slots; the releaser clears the bit then loads
 * slot_waiters; both sequentially consistent, so one of them sees the other. slot_seq makes the
 * futex miss no release between the load and the sleep.
 */
__attribute__((hot)) unsigned slot_claim(struct attachment *at)
{
	int slot = try_claim(at);

	while (slot < 0) {
		uint32_t seq = atomic_load(&at->slot_seq);

		atomic_fetch_add(&at->slot_waiters, 1);
		slot = atomic_load(&at->slots) != ~0ull ? try_claim(at) : -1;
		if (slot < 0) {
			RAW6(SYS_futex, &at->slot_seq, FUTEX_WAIT_PRIVATE, seq, 0, 0, 0);
			slot = try_claim(at);
		}
		atomic_fetch_sub(&at->slot_waiters, 1);
	}
	return (unsigned)slot;
}

__attribute__((hot)) void slot_release(struct attachment *at, unsigned slot)
{
	atomic_fetch_and(&at->slots, ~(1ull << slot));
	if (atomic_load(&at->slot_waiters)) {
		atomic_fetch_add(&at->slot_seq, 1);
		RAW6(SYS_futex, &at->slot_seq, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	}
}
