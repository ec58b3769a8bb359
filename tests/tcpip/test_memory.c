/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/test_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096u

static size_t whole_pages(size_t size)
{
	return (size + PAGE - 1) / PAGE * PAGE;
}

void *test_memory(size_t size)
{
	size_t pages = whole_pages(size);
	uint8_t *p = mmap(NULL, PAGE + pages + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + PAGE, pages, PROT_READ | PROT_WRITE))
		abort();
	return p + PAGE + (pages - size);
}

void test_memory_free(void *p, size_t size)
{
	size_t pages = whole_pages(size);

	if (p && munmap((uint8_t *)p - (pages - size) - PAGE, PAGE + pages + PAGE))
		abort();
}
