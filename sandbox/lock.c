// SPDX-License-Identifier: BSD-3-Clause
/*
 * The stack lock: a word that names its owner. Called by turn.c; calls sandbox.relax while
 * somebody else holds it.
 *
 * Ordering: the acquire of a successful exchange in stack_trylock pairs with the release store in
 * stack_unlock, so a new owner sees all that the last one wrote.
 *
 * ctx->lock_held is set after the lock is taken and cleared before it is given back, by the same
 * context: a context that was abandoned in between is finished by its adopter, so the word is
 * only a hint for whoever looks from outside; the truth is sandbox.lock.
 */
#include "sandbox/lock.h"

bool stack_trylock(struct sandbox *sb, struct ctx *ctx)
{
	uint32_t none = 0;

	/* Look first: a failed exchange would pull the line from its owner. */
	if (__atomic_load_n(&sb->lock, __ATOMIC_RELAXED) ||
	    !__atomic_compare_exchange_n(&sb->lock, &none, ctx->id + 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	ctx->lock_held = 1;
	return true;
}

static bool spin(struct sandbox *sb, struct ctx *ctx)
{
	uint64_t begun = __builtin_ia32_rdtsc();
	unsigned looks = 0;

	do {
		if (stack_trylock(sb, ctx))
			return true;
		__builtin_ia32_pause();
	} while (++looks < LOCK_SPINS && __builtin_ia32_rdtsc() - begun < LOCK_TICKS);
	return false;
}

void stack_lock(struct sandbox *sb, struct ctx *ctx)
{
	if (stack_trylock(sb, ctx))
		return;
	__atomic_fetch_add(&sb->lock_waiters, 1, __ATOMIC_RELAXED);
	while (!spin(sb, ctx))
		sb->relax(ctx);
	__atomic_fetch_sub(&sb->lock_waiters, 1, __ATOMIC_RELAXED);
	sb->lock_contended++;
}

void stack_unlock(struct sandbox *sb, struct ctx *ctx)
{
	ctx->lock_held = 0;
	__atomic_store_n(&sb->lock, 0, __ATOMIC_RELEASE);
}
