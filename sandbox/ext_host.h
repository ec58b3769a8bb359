/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Native extensions inside the image: which are loaded, their services, who is in one. The other
 * side of ext.h; called by upcall/service_calls.c (programs) and upcall/admin_calls.c (the daemon,
 * which puts their memory in place: ext_load.h).
 *
 * Who is in an extension is written in his context (ctx->in_ext), not counted: nothing can be lost
 * with a caller that dies. It is set under the stack lock, where a closing extension lets nobody
 * in, and cleared without: so once none is seen after the closing, none will be.
 */
#ifndef SANDBOX_EXT_HOST_H
#define SANDBOX_EXT_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/ext.h"
#include "sandbox/pool.h"
#include "sandbox/turn.h"

#define EXT_CLASS_MIN 16u /* bytes: ext_alloc hands out powers of two */
#define EXT_CLASSES   20u

enum ext_state { EXT_FREE = 0, EXT_OPEN, EXT_CLOSING };

struct ext {
	struct sandbox *sb;
	uint32_t state; /* enum ext_state */
	uint64_t gen;	/* of loads and unloads in this net: which one is meant */
	struct ext_desc desc;
	struct arena pool;
	void *free[EXT_CLASSES]; /* lists through the first word */
	void **client_data;	 /* by client id; NULL: the extension wants none */
	struct pool clients;
	uint64_t calls;
};
_Static_assert(EXT_CLIENTS == SEG_CLIENT_MAX, "ext.h says how many clients there are");

/* Bytes of pool that a description asks for; UINT64_MAX: too many. */
static inline uint64_t ext_pool_size(const struct ext_desc *d)
{
	uint64_t clients = d->client_size;

	if (d->pool > SEG_EXT_STRIDE || clients > SEG_EXT_STRIDE)
		return UINT64_MAX;
	/* As arena_take and pool_init round. */
	if (clients)
		clients = ((clients + 63) & ~63ull) * SEG_CLIENT_MAX +
			  SEG_CLIENT_MAX * sizeof(void *) + 128;
	return (d->pool + clients + 4095) & ~4095ull;
}

/* All but ext_run under the stack lock. */

/* 0, -EEXIST (*clash: the name that is taken), -EBUSY, -ENOMEM, or what init says. */
int ext_add(struct sandbox *sb, unsigned place, const struct ext_desc *desc, void *pool,
	    uint64_t pool_size, uint64_t gen, const char **clash);
/* Lets nobody in any more. Callers still inside, or 0: exit() was called, it is gone; -ENOENT. */
int ext_close(unsigned place);
void ext_reopen(unsigned place);
void ext_client_gone(uint32_t client);
/* The i-th service there is: its name, or NULL. */
const char *ext_service_name(unsigned i);
uint64_t ext_calls(unsigned place);

/*
 * Runs the service: fills call->ext, and gives what it returned. No lock held. -ENOENT: there is
 * none of this name; -ESHUTDOWN: it is being unloaded; -ESTALE with *stale: loaded after `gen`,
 * when the caller last looked (direct mode: its code is not mapped there yet).
 */
int64_t ext_run(struct sandbox *sb, const char *name, uint64_t gen, struct ext_call *call,
		bool *stale);

/* The address of a name that extensions may refer to, or 0. */
uint64_t ext_symbol(const char *name);

#endif
