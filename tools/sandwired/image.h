/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of the sandbox image by the daemon: context 0, client 0, by plain call. */
#ifndef SANDWIRED_IMAGE_H
#define SANDWIRED_IMAGE_H

#include <stdint.h>

#include "upcall/image_call.h"

/* An ADMIN_ call: its result. */
int64_t image_admin(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
/* The image is broken or its lock lost with its owner: from now on every program gets ENETDOWN, and
 * the calls here return it without entering, as they might never come back. */
void image_give_up(void);
/* ADMIN_SERVE: id of the socket that the call made, or 0. */
uint32_t image_serve(uint32_t client, struct channel *channel, unsigned slot);
/* On behalf of a client, with its rights: SO_TYPE of a socket, or -errno (not its own). */
int image_sock_type(uint32_t client, uint32_t sock);

/* A pointer as an argument. */
#define IMAGE_PTR(p) ((uint64_t)(uintptr_t)(p))

static inline struct seg_header *image_header(void)
{
	return (struct seg_header *)(uintptr_t)SEG_BASE;
}

static inline struct seg_kshared *image_kshared(void)
{
	return (struct seg_kshared *)(uintptr_t)(SEG_BASE + SEG_KSHARED_OFF);
}

#endif
