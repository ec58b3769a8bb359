/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a relocatable object to an extension in the segment. Hosted; called by the daemon
 * (tools/sandwired/extensions.c), which then tells the image (ext_host.h). The file may be
 * anything; what it contains is trusted once it runs.
 */
#ifndef SANDBOX_EXT_LOAD_H
#define SANDBOX_EXT_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/ext.h"
#include "sandbox/segment.h"

enum ext_part { EXT_TEXT, EXT_CONST, EXT_DATA, EXT_PARTS };

/* An extension linked for one place. Offsets from its base; page aligned. */
struct ext_plan {
	struct {
		uint64_t off, len; /* len 0: there is none */
		int prot;
	} part[EXT_PARTS]; /* EXT_DATA: with the pool behind it */
	uint64_t size;	   /* of all */
	uint8_t *bytes;	   /* `filled` of them, malloc */
	uint64_t filled;
	struct ext_desc desc;
	uint64_t pool_off, pool_size;
};

/* The address of a symbol of the runtime, or 0. */
typedef uint64_t ext_resolve_fn(const char *name);

/*
 * Checks an ELF file in memory and links it for `base`: relocatable, x86-64, nothing undefined but
 * the runtime (what is gets named), no thread-local data, constructors, or vector code as far as
 * its notes tell, nothing writable and executable, a sound description. 0, or -ENOEXEC or -ENOMEM
 * with err filled. ext_plan_free, also after a failure.
 */
int ext_link(const void *elf, size_t size, uint64_t base, ext_resolve_fn *resolve,
	     struct ext_plan *plan, struct segment_error *err) __attribute__((warn_unused_result));
void ext_plan_free(struct ext_plan *plan);

/* Puts it in place for the daemon, with its final protections: a descriptor of its memory, the
 * caller's, or -errno with nothing left. */
int ext_place(const struct ext_plan *plan, uint64_t off) __attribute__((warn_unused_result));

#endif
