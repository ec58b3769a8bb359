/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the sandbox image tells its loader, in its section ".exports" (upcall/entry.c).
 * A leaf header.
 */
#ifndef SANDBOX_IMAGE_EXPORTS_H
#define SANDBOX_IMAGE_EXPORTS_H

#include <stdint.h>

#include "sandbox/layout.h"

#define IMAGE_EXPORTS_MAGIC 0x3154524f50584553ull /* "SEXPORT1" in memory order */

struct image_exports {
	uint64_t magic;
	uint32_t seg_version; /* SEG_VERSION it was built with */
	uint32_t header_size; /* sizeof(struct seg_header), likewise */
	/* Addresses in its text. */
	uint64_t entry, call, fault_fixup, copy_start, copy_end;
};

#endif
