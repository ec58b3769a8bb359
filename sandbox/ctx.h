/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An upcall context: what one thread inside the sandbox carries with it. It lies in the segment,
 * with a stack of its own, so that an upcall begun by one process can be finished by another.
 * Context 0 is the daemon's; 1.. are handed out by the module (upcall mode) or taken by the library
 * (direct mode).
 */
#ifndef SANDBOX_CTX_H
#define SANDBOX_CTX_H

#include <stdint.h>

#include "sandbox/layout.h"

enum ctx_kind { CTX_DAEMON = 0, CTX_UPCALL = 1, CTX_DIRECT = 2 };

struct ctx {
	uint32_t id;	    /* written once by the daemon */
	uint32_t owner_tid; /* direct mode: who took it; 0: free (taken by compare-and-swap) */
	uint32_t kind;	    /* enum ctx_kind */
	uint32_t
		fd; /* upcall mode: for YIELD and EXIT, this crossing; the daemon's: its net file */
	uint32_t client;
	uint32_t lock_held; /* 1 while it owns the stack lock */
	uint32_t slot;	    /* upcall mode: of the client's channel, this crossing */
	uint32_t listener;  /* of the socket that this crossing made by accept, else 0 */
	uint32_t in_ext;    /* place + 1 of the extension whose service it is in; 0: none */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct ctx) <= SEG_CTX_STRIDE, "ctx fits");

static inline struct ctx *ctx_at(uint32_t i)
{
	return (struct ctx *)(uintptr_t)(SEG_BASE + SEG_CTX_OFF + (uint64_t)i * SEG_CTX_STRIDE);
}

#endif
