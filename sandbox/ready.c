// SPDX-License-Identifier: BSD-3-Clause
/*
 * Telling the outside what a socket is ready for, and whom to wake. Called by the stack through
 * struct stack_env, and by turn.c; what it writes is read by the kernel module (or, where there is
 * none, the daemon). All under the stack lock.
 */
#include "sandbox/turn.h"

void wake_push(struct sandbox *sb, uint32_t id)
{
	struct seg_kshared *ks = sb->ks;
	uint32_t head = ks->wake_head;

	if (head - __atomic_load_n(&ks->wake_tail, __ATOMIC_ACQUIRE) >= SEG_WAKE_ENTRIES) {
		/* Whoever drains it takes this first (exchange), then wakes everybody. */
		__atomic_store_n(&ks->wake_overflow, 1, __ATOMIC_RELEASE);
		return;
	}
	ks->wake[head % SEG_WAKE_ENTRIES] = id;
	/* Release: the drainer that sees the new head (acquire) sees the entry. */
	__atomic_store_n(&ks->wake_head, head + 1, __ATOMIC_RELEASE);
}

void sock_ready_publish(void *sandbox, uint32_t sock_id, uint32_t events, bool wake)
{
	struct sandbox *sb = sandbox;
	struct seg_ready *r = &sb->ks->ready[SEG_SOCK_INDEX(sock_id)];
	uint32_t before = r->events;

	__atomic_store_n(&r->events, events, __ATOMIC_RELAXED);
	if (!wake && !(events & ~before))
		return;
	/*
	 * Sleep and wake (layout.h): this store of events, the barrier, this load of waiters; the
	 * sleeper stores waiters, has its barrier, loads events (the module's sock_poll).
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&r->waiters, __ATOMIC_RELAXED))
		return;
	/* Taken, so that one sleep is one entry, however often it is published meanwhile. */
	__atomic_exchange_n(&r->waiters, 0, __ATOMIC_ACQ_REL);
	wake_push(sb, sock_id);
}
