/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking a place in the address range of the segment, and mapping what was received as
 * descriptors there. Hosted, compiled into the daemon (segment.c) and into libsandwire
 * (mode_direct.c); makes raw system calls only, so that the shim never sees them.
 */
#ifndef SANDBOX_SEGMENT_MAP_H
#define SANDBOX_SEGMENT_MAP_H

#include <stdint.h>

#include "sandbox/layout.h"

/* Reserves the whole slot, inaccessible. 0, -EEXIST when something lies in it, -ENOMEM. */
int segment_reserve(void);
/* Gives it back, with everything mapped in it. */
void segment_unreserve(void);
/*
 * Maps [off, off + len) of the segment from the descriptor (which may be closed afterwards).
 * -EINVAL: outside the slot, misaligned, or writable and executable at once.
 */
int segment_map(uint64_t off, uint64_t len, int prot, int fd, uint64_t fd_off);
/* Makes it inaccessible again. */
int segment_unmap(uint64_t off, uint64_t len);
/* After all regions are mapped: -EPROTO when there is no segment or one of another version. */
int segment_check(void);

#endif
