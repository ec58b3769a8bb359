/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sandbox by plain call, for those who map it: the daemon (context 0, client 0, every call and
 * all ADMIN_ calls) and direct-mode programs (a context they took, their client id).
 *
 * `slot` may lie anywhere the caller can reach; it is filled like a slot of the channel: nr, sock,
 * arg, inl in; ret, ret2, sock, events, inl out. Bulk data is in the caller's memory. The result is
 * slot->ret, also returned. All signals must be blocked by callers other than the daemon: a handler
 * that ran in the middle would find the stack lock held.
 */
#ifndef UPCALL_IMAGE_CALL_H
#define UPCALL_IMAGE_CALL_H

#include "sandbox/ctx.h"
#include "upcall/upcall_abi.h"

typedef int64_t image_call_fn(struct ctx *ctx, uint32_t client, struct call_slot *slot);

static inline int64_t image_call(struct ctx *ctx, uint32_t client, struct call_slot *slot)
{
	const struct seg_header *hdr = (const struct seg_header *)(uintptr_t)SEG_BASE;

	return ((image_call_fn *)(uintptr_t)hdr->call)(ctx, client, slot);
}

#endif
