/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for a stack under test, like a segment's: zeroed, of whole pages that cost nothing until
 * they are touched, the last byte right before a page that faults. malloc()'s would be filled for
 * each test (meson sets MALLOC_PERTURB_), of which most use a few pages of megabytes.
 */
#ifndef TESTS_TCPIP_TEST_MEMORY_H
#define TESTS_TCPIP_TEST_MEMORY_H

#include <stddef.h>

/* At least `size` bytes, aligned to 64 if size is a multiple of it. Ends the program if there are
 * none. */
void *test_memory(size_t size);
void test_memory_free(void *p, size_t size); /* the size it was asked for */

#endif
