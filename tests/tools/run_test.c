/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/run.c: which programs LD_PRELOAD does not reach, and where a name is found. */
#include <check.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/run.h"

static char dir[] = "/tmp/run_test.XXXXXX", path[64];

static void start(void)
{
	strcpy(dir, "/tmp/run_test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/program", dir);
}

static void end(void)
{
	unlink(path);
	rmdir(dir);
}

static void put(const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	ck_assert(f != NULL);
	fwrite(data, 1, len, f);
	fclose(f);
	chmod(path, 0755);
}

static void put_elf(uint8_t class, uint16_t machine, uint32_t segment)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph;
	} elf = {.eh = {.e_machine = machine, .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 1},
		 .ph = {.p_type = segment}};

	memcpy(elf.eh.e_ident, ELFMAG, SELFMAG);
	elf.eh.e_ident[EI_CLASS] = class;
	put(&elf, sizeof(elf));
}

START_TEST(a_dynamic_program_is_reached)
{
	put_elf(ELFCLASS64, EM_X86_64, PT_INTERP);
	ck_assert(run_why_not(path) == NULL);
	ck_assert(run_why_not("/proc/self/exe") == NULL);
}
END_TEST

START_TEST(a_static_program_is_not)
{
	put_elf(ELFCLASS64, EM_X86_64, PT_LOAD);
	ck_assert_str_eq(run_why_not(path), "it is statically linked");
}
END_TEST

START_TEST(nor_one_for_another_machine)
{
	put_elf(ELFCLASS32, EM_386, PT_INTERP);
	ck_assert_str_eq(run_why_not(path), "it is not an x86-64 program");
}
END_TEST

START_TEST(a_scripts_interpreter_counts)
{
	static const char script[] = "#! /bin/sh -e\necho\n", loop[] = "#!/nonexistent\n";

	put(script, sizeof(script) - 1);
	ck_assert(run_why_not(path) == NULL);
	put(loop, sizeof(loop) - 1);
	ck_assert(run_why_not(path) == NULL); /* exec will say what is wrong */
}
END_TEST

START_TEST(short_and_empty_files_are_left_to_exec)
{
	put("", 0);
	ck_assert(run_why_not(path) == NULL);
	put("\177EL", 3);
	ck_assert(run_why_not(path) == NULL);
	ck_assert(run_why_not("/nonexistent") == NULL);
}
END_TEST

START_TEST(names_are_found_by_path)
{
	char found[128], dirs[128];

	put("x", 1);
	snprintf(dirs, sizeof(dirs), "/nonexistent:%s:/bin", dir);
	ck_assert(run_find("program", dirs, found, sizeof(found)));
	ck_assert_str_eq(found, path);
	ck_assert(!run_find("program", "/nonexistent", found, sizeof(found)));
	ck_assert(!run_find("program", NULL, found, sizeof(found)));
	ck_assert(run_find("./any/where", NULL, found, sizeof(found)));
	ck_assert_str_eq(found, "./any/where");
	chmod(path, 0644);
	ck_assert(!run_find("program", dirs, found, sizeof(found)) || getuid() == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("run");
	TCase *tc = tcase_create("programs");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, start, end);
	tcase_add_test(tc, a_dynamic_program_is_reached);
	tcase_add_test(tc, a_static_program_is_not);
	tcase_add_test(tc, nor_one_for_another_machine);
	tcase_add_test(tc, a_scripts_interpreter_counts);
	tcase_add_test(tc, short_and_empty_files_are_left_to_exec);
	tcase_add_test(tc, names_are_found_by_path);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
