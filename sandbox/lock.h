/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stack lock: one a net, over everything in tcpip/ and drivers/. Its owner is an upcall
 * context, not a process: whoever finishes the context's upcall gives the lock back, and relax sees
 * to it that somebody does when its thread is off the CPU (upcall/entry.c). Held for
 * bounded work only: no application memory, no system call, no page fault.
 * Taken and given back by turn.c and upcall/admin_calls.c.
 */
#ifndef SANDBOX_LOCK_H
#define SANDBOX_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/turn.h"

/* The most looks, and ticks of the time stamp counter, before the waiter lets others run: tens of
 * us, also where a pause takes long. */
#define LOCK_SPINS 1000u
#define LOCK_TICKS 100000u

void stack_lock(struct sandbox *sb, struct ctx *ctx);
bool stack_trylock(struct sandbox *sb, struct ctx *ctx);
void stack_unlock(struct sandbox *sb, struct ctx *ctx);

/* The context that owns it, or UINT32_MAX: for waiters and for a look from outside. */
static inline uint32_t stack_lock_owner(const struct sandbox *sb)
{
	return __atomic_load_n(&sb->lock, __ATOMIC_RELAXED) - 1;
}

#endif
