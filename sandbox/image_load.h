/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Puts the sandbox image into the segment. Hosted; the daemon calls it once, after segment_create.
 */
#ifndef SANDBOX_IMAGE_LOAD_H
#define SANDBOX_IMAGE_LOAD_H

#include <stddef.h>

#include "sandbox/image_exports.h"
#include "sandbox/segment.h"

/* What is to go where, all of it checked. Offsets from SEG_BASE. */
#define IMAGE_PARTS 8u
struct image_plan {
	struct {
		uint64_t off, len;		   /* page aligned */
		uint64_t file_off, file_len, skip; /* bytes of the file go to off + skip */
		int prot;
	} part[IMAGE_PARTS];
	unsigned n_parts;
	uint64_t size; /* from SEG_IMAGE_OFF to the end of the last part */
	struct image_exports exports;
};

/*
 * Checks an ELF file in memory: class, machine, fixed addresses inside the image's range, no page
 * both writable and executable, nothing left to relocate or undefined, exports inside its text.
 * 0 or -ENOEXEC with err filled.
 */
int image_check(const void *elf, size_t size, struct image_plan *plan, struct segment_error *err)
	__attribute__((warn_unused_result));

/*
 * Reads the file, checks it, copies it in, sets the final protections, adds its regions and fills
 * the header's image_size, entry, call, fault_fixup, copy_start, copy_end. 0 or -errno.
 */
int image_load(struct segment *seg, const char *path, struct segment_error *err)
	__attribute__((warn_unused_result));

#endif
