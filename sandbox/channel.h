/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of one attached process's channel, in the daemon: made, mapped at its place in the
 * segment, sealed. What is in it is upcall/upcall_abi.h's business; the daemon fills the header.
 */
#ifndef SANDBOX_CHANNEL_H
#define SANDBOX_CHANNEL_H

#include <stdint.h>

#include "sandbox/layout.h"

struct channel_memory {
	uint32_t client;
	int fd; /* memfd, sealed against change of size; -1: none */
	void *addr;
	uint64_t size; /* bytes, whole pages */
};

static inline uint64_t channel_off(uint32_t client)
{
	return SEG_CHANNEL_OFF + (uint64_t)client * SEG_CHANNEL_STRIDE;
}

static inline void *channel_at(uint32_t client)
{
	return (void *)(uintptr_t)(SEG_BASE + channel_off(client));
}

/* Client ids 1 .. SEG_CLIENT_MAX - 1. 0, -EINVAL, -errno; zeroed and touched memory. */
int channel_create(struct channel_memory *ch, uint32_t client, uint64_t size)
	__attribute__((warn_unused_result));
/* Unmaps and closes. Idempotent. */
void channel_destroy(struct channel_memory *ch);

#endif
