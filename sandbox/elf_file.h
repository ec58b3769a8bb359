/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ELF file in memory, read with no belief in it: every offset is checked against its size,
 * everything is copied out, as nothing says that a file is aligned. System V ABI, chapter 4.
 * Hosted; used by image_load.c and ext_load.c.
 */
#ifndef SANDBOX_ELF_FILE_H
#define SANDBOX_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/segment.h"

/* The file under check, and where complaints go. */
struct elf_file {
	const uint8_t *bytes;
	size_t size;
	Elf64_Ehdr eh;
	const char *what; /* of complaints */
	struct segment_error *err;
};

#define ELF_REFUSE(e, ...) segment_fail((e)->err, ENOEXEC, (e)->what, __VA_ARGS__)

/* Fills e->eh: for x86-64, section headers inside the file. 0 or -ENOEXEC. */
int elf_header(struct elf_file *e) __attribute__((warn_unused_result));
bool elf_inside(const struct elf_file *e, uint64_t off, uint64_t len);
/* Zeroes where the file has ended. */
bool elf_take(const struct elf_file *e, uint64_t off, void *to, size_t len);
/* Section header i; zeroes and false where there is none. */
bool elf_section(const struct elf_file *e, uint64_t i, Elf64_Shdr *sh);
/* A string of a string table that surely ends, or "". */
const char *elf_string(const struct elf_file *e, const Elf64_Shdr *table, uint64_t at);

/* The whole of a regular file in memory from malloc, or NULL with errno. */
void *elf_read_file(const char *path, size_t *size);

#endif
