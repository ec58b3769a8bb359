// SPDX-License-Identifier: BSD-3-Clause
/*
 * sandbox/ext_load.c: the extensions of the tree are linked, each of tests/sandbox/ext/bad.c is
 * refused for its reason, and what is cut or spoiled anywhere does no harm. The folders of both are
 * the arguments.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sandbox/elf_file.h"
#include "sandbox/ext_load.h"

#define BASE   (SEG_BASE + SEG_EXT_OFF + SEG_EXT_STRIDE)
#define ROUNDS 30000

static const char *good_dir, *bad_dir;
static struct segment_error err;
static struct ext_plan plan;
static uint8_t *file;
static size_t size;

static uint64_t resolve(const char *name)
{
	return !strncmp(name, "ext_", 4) || !strncmp(name, "mem", 3) ? SEG_BASE + SEG_IMAGE_OFF : 0;
}

static void read_object(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.o", dir, name);
	free(file);
	file = elf_read_file(path, &size);
	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
}

static int link_it(void)
{
	memset(&err, 0, sizeof(err));
	return ext_link(file, size, BASE, resolve, &plan, &err);
}

/* What must hold of every plan, whatever the file was. */
static void check_plan(void)
{
	uint64_t at = 0, run;

	for (unsigned i = 0; i < EXT_PARTS; i++) {
		ck_assert_uint_eq(plan.part[i].off, at);
		ck_assert_uint_eq(plan.part[i].len % 4096, 0);
		ck_assert_int_ne(plan.part[i].prot & (PROT_WRITE | PROT_EXEC),
				 PROT_WRITE | PROT_EXEC);
		at += plan.part[i].len;
	}
	ck_assert_uint_eq(at, plan.size);
	ck_assert_uint_le(plan.size, SEG_EXT_STRIDE);
	ck_assert_uint_le(plan.filled, plan.size);
	ck_assert_uint_eq(plan.pool_off + plan.pool_size, plan.size);
	run = (uint64_t)(uintptr_t)plan.desc.service[0].run;
	ck_assert_uint_ge(run, BASE);
	ck_assert_uint_lt(run, BASE + plan.part[EXT_TEXT].len);
	ck_assert_uint_gt(strlen(plan.desc.name), 0);
}

START_TEST(extensions_of_the_tree_are_linked)
{
	static const char *const names[] = {"echo", "counter"};

	for (unsigned i = 0; i < 2; i++) {
		read_object(good_dir, names[i]);
		ck_assert_msg(!link_it(), "%s: %s", names[i], err.why);
		check_plan();
		ck_assert_str_eq(plan.desc.name, names[i]);
		ck_assert_str_eq(plan.desc.service[0].name, names[i]);
		ck_assert_int_eq(plan.part[EXT_TEXT].prot, PROT_READ | PROT_EXEC);
		ck_assert_int_eq(plan.part[EXT_CONST].prot, PROT_READ);
		ext_plan_free(&plan);
	}
	/* The counter's clients: 16 bytes each, in cells of 64, and a table. */
	ck_assert_uint_ge(plan.pool_size, SEG_CLIENT_MAX * (64 + 8));
}
END_TEST

static void refused(const char *name, const char *why)
{
	read_object(bad_dir, name);
	ck_assert_msg(link_it() == -ENOEXEC, "%s is taken", name);
	ck_assert_msg(strstr(err.why, why) != NULL, "%s: \"%s\" does not say \"%s\"", name, err.why,
		      why);
	ext_plan_free(&plan);
}

START_TEST(each_bad_one_is_refused_for_its_reason)
{
	refused("bad_undefined", "undefined symbols");
	ck_assert_ptr_nonnull(strstr(err.why, "printf"));
	ck_assert_ptr_nonnull(strstr(err.why, "sw_nowhere"));
	refused("bad_tls", "thread-local");
	refused("bad_constructor", "constructors");
	refused("bad_wx", "writable and executable (.wx)");
	refused("bad_absolute", "-fPIC");
	refused("bad_no_desc", "sandwire_ext");
	refused("bad_abi", "another version");
	refused("bad_name", "name of service 0");
	refused("bad_twice", "service a is there twice");
	refused("bad_pool", "larger than");
	refused("bad_clients", "larger than");
	refused("bad_run", "not in its text");
}
END_TEST

START_TEST(vector_code_is_refused)
{
	refused("bad_vector", "vector");
}
END_TEST

START_TEST(other_files_are_refused)
{
	ck_assert_int_eq(ext_link("#!/bin/sh\n", 10, BASE, resolve, &plan, &err), -ENOEXEC);
	ck_assert_int_eq(ext_link("", 0, BASE, resolve, &plan, NULL), -ENOEXEC);
	read_object(good_dir, "echo");
	((Elf64_Ehdr *)file)->e_type = ET_DYN;
	ck_assert_int_eq(link_it(), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.why, "relocatable"));
}
END_TEST

START_TEST(calls_that_do_not_reach_are_refused)
{
	read_object(good_dir, "counter");
	ck_assert_int_eq(ext_link(file, size, BASE + (8ull << 30), resolve, &plan, &err), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.why, "does not reach"));
	ext_plan_free(&plan);
}
END_TEST

START_TEST(every_cut_of_a_file_is_survived)
{
	read_object(good_dir, "counter");
	/* On the heap in its exact size, so that a sanitizer sees a look behind the end. */
	for (size_t n = 0; n < size; n += 5) {
		uint8_t *cut = malloc(n + !n);

		memcpy(cut, file, n);
		ck_assert_int_eq(ext_link(cut, n, BASE, resolve, &plan, &err), -ENOEXEC);
		ext_plan_free(&plan);
		free(cut);
	}
}
END_TEST

START_TEST(tables_on_top_of_each_other_are_refused)
{
	Elf64_Shdr *sh;
	unsigned n;

	read_object(good_dir, "counter");
	n = ((const Elf64_Ehdr *)file)->e_shnum;
	sh = (Elf64_Shdr *)(file + ((const Elf64_Ehdr *)file)->e_shoff);
	for (unsigned i = 1; i < n; i++) {
		if (sh[i].sh_type != SHT_RELA)
			continue;
		sh[i].sh_offset = 0;
		sh[i].sh_size = size - size % sizeof(Elf64_Rela);
	}
	ck_assert_int_eq(link_it(), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.why, "relocations are broken"));
	ext_plan_free(&plan);
}
END_TEST

static uint32_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* A few bytes anywhere, or a header field, become something else: mostly of the interesting kind.
 */
static void spoil(uint8_t *bytes)
{
	static const uint64_t values[] = {0,	      1,	  7,	      0xff,	  0x1000,
					  0x7fffffff, 0xffffffff, UINT64_MAX, 1ull << 63, 0x400000};
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;
	unsigned n = 1 + rnd() % 3;

	while (n--) {
		size_t at = rnd() % size, width = 1u << rnd() % 4;
		uint64_t value = rnd() % 2 ? values[rnd() % 10] : rnd();

		if (rnd() % 2) /* the section headers */
			at = eh->e_shoff + rnd() % (eh->e_shnum * sizeof(Elf64_Shdr));
		if (at + width <= size)
			memcpy(bytes + at, &value, width);
	}
}

START_TEST(spoiled_files_are_survived)
{
	unsigned taken = 0, refusals = 0;
	uint8_t *spoiled;

	read_object(good_dir, _i ? "counter" : "echo");
	spoiled = malloc(size);
	for (unsigned i = 0; i < ROUNDS; i++) {
		memcpy(spoiled, file, size);
		spoil(spoiled);
		if (ext_link(spoiled, size, BASE, resolve, &plan, &err)) {
			refusals++;
		} else {
			check_plan();
			taken++;
		}
		ext_plan_free(&plan);
	}
	free(spoiled);
	/* Both must happen, or the spoiling is not any good. */
	ck_assert_uint_gt(taken, ROUNDS / 100);
	ck_assert_uint_gt(refusals, ROUNDS / 100);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("ext_load");
	TCase *c = tcase_create("ext_load");
	SRunner *r = srunner_create(s);
	int failed;

	if (argc < 3)
		return 2;
	good_dir = argv[1];
	bad_dir = argv[2];
	tcase_add_test(c, extensions_of_the_tree_are_linked);
	tcase_add_test(c, each_bad_one_is_refused_for_its_reason);
	if (argc > 3) /* the assembler wrote the note */
		tcase_add_test(c, vector_code_is_refused);
	tcase_add_test(c, other_files_are_refused);
	tcase_add_test(c, calls_that_do_not_reach_are_refused);
	tcase_add_test(c, tables_on_top_of_each_other_are_refused);
	tcase_add_test(c, every_cut_of_a_file_is_survived);
	tcase_add_loop_test(c, spoiled_files_are_survived, 0, 2);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
