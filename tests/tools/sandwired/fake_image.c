/* SPDX-License-Identifier: BSD-3-Clause */
/* An image that is a function of the test; see fake_image.h. */
#include "tests/tools/sandwired/fake_image.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "sandbox/segment_map.h"

bool fake_image_fits(void)
{
	if (segment_reserve())
		return false;
	segment_unreserve();
	return true;
}

struct seg_kshared *fake_image_up(image_call_fn *call)
{
	struct seg_header *hdr;

	if (segment_reserve())
		abort();
	hdr = mmap((void *)SEG_BASE, SEG_CTX_OFF, PROT_READ | PROT_WRITE,
		   MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hdr == MAP_FAILED)
		abort();
	hdr->call = (uint64_t)(uintptr_t)call;
	return (struct seg_kshared *)((char *)hdr + SEG_KSHARED_OFF);
}

void fake_image_down(void)
{
	segment_unreserve();
}
