/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image's doors; private to its side of upcall/. See entry.S, entry.c, image_call.h.
 */
#ifndef UPCALL_ENTRY_H
#define UPCALL_ENTRY_H

#include <stdint.h>

#include "sandbox/ctx.h"
#include "upcall/upcall_abi.h"

/* In rax and rdx: the result; the socket to make a descriptor for | its O_ flags << 32. */
struct crossing {
	int64_t ret;
	uint64_t made;
};

struct crossing upcall_main(struct ctx *ctx, uint32_t client, uint64_t sock, uint64_t slot_flags,
			    uint32_t fd);

/*
 * The same and EXIT, after which the thread is not here any more. Comes back for an interrupt, and
 * if no descriptor of the thread's, nor the daemon's where that is the adopter, leads to the
 * module: then for the exit page. A socket that was made for a thread that is not here is undone,
 * and the thread, if it lives, told to make the call again.
 */
struct crossing upcall_run(struct ctx *ctx, uint32_t client, uint64_t sock, uint64_t slot_flags,
			   uint32_t fd);

typedef int64_t image_plain_call_fn(struct ctx *ctx, uint32_t client, struct call_slot *slot);
image_plain_call_fn image_plain_call;

/* For struct sandbox.relax. */
void sandbox_relax(struct ctx *ctx);

#endif
