/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only code of the sandbox that touches application memory (app_copy.S). The caller holds no
 * lock and has checked the range (app_range_ok). Each returns 0, or -EFAULT when the memory is not
 * there. An upcall that was adopted has no application memory at all (the module resumes it on a
 * view that holds the segment alone), so it never touches the adopter's.
 */
#ifndef UPCALL_APP_COPY_H
#define UPCALL_APP_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/layout.h"

#define APP_END 0x7ffffffff000ull /* end of user addresses with four-level paging */

int app_copy_in(void *to, uint64_t from, size_t n);
int app_copy_out(uint64_t to, const void *from, size_t n);

/* In image_exports: the range of the above, and where the module lets a fault go on. */
extern const char app_copy_start[], app_copy_end[], app_fault_fixup[];

/* Application memory, none of it the segment's? */
static inline bool app_range_ok(uint64_t at, uint64_t n)
{
	if (at > APP_END || n > APP_END - at)
		return false;
	return !n || at >= SEG_BASE + SEG_SLOT_SIZE || at + n <= SEG_BASE;
}

#endif
