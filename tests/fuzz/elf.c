/* SPDX-License-Identifier: BSD-3-Clause */
/* The loaders of the sandbox image and of extensions, on any file. */
#include <sys/mman.h>

#include "sandbox/ext_load.h"
#include "sandbox/image_load.h"
#include "sandbox/layout.h"
#include "tests/fuzz/fuzz.h"

#define BASE (SEG_BASE + SEG_EXT_OFF + SEG_EXT_STRIDE)

static uint64_t resolve(const char *name)
{
	return !strncmp(name, "ext_", 4) || !strncmp(name, "mem", 3) ? SEG_BASE + SEG_IMAGE_OFF : 0;
}

static void check_extension(const struct ext_plan *plan)
{
	uint64_t at = 0;
	unsigned i;

	for (i = 0; i < EXT_PARTS; i++) {
		FUZZ_MUST(plan->part[i].off == at && plan->part[i].len % 4096 == 0);
		FUZZ_MUST((plan->part[i].prot & (PROT_WRITE | PROT_EXEC)) !=
			  (PROT_WRITE | PROT_EXEC));
		at += plan->part[i].len;
	}
	FUZZ_MUST(at == plan->size && plan->size <= SEG_EXT_STRIDE && plan->filled <= plan->size);
	FUZZ_MUST(plan->desc.name[0] != 0);
}

static void check_image(const struct image_plan *plan, size_t size)
{
	unsigned i;

	FUZZ_MUST(plan->n_parts <= IMAGE_PARTS);
	for (i = 0; i < plan->n_parts; i++) {
		FUZZ_MUST(plan->part[i].file_off <= size &&
			  plan->part[i].file_len <= size - plan->part[i].file_off);
		FUZZ_MUST(plan->part[i].skip + plan->part[i].file_len <= plan->part[i].len);
		FUZZ_MUST((plan->part[i].prot & (PROT_WRITE | PROT_EXEC)) !=
			  (PROT_WRITE | PROT_EXEC));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ext_plan ext;
	struct image_plan image;
	struct segment_error err;
	uint8_t *copy;

	if (size < 1)
		return -1;
	copy = malloc(size); /* aligned as a file in memory is */
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	memset(&ext, 0, sizeof(ext));
	if (ext_link(copy, size, BASE, resolve, &ext, &err) == 0)
		check_extension(&ext);
	ext_plan_free(&ext);
	if (image_check(copy, size, &image, &err) == 0)
		check_image(&image, size);
	free(copy);
	return 0;
}
