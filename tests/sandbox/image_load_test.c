// SPDX-License-Identifier: BSD-3-Clause
/* sandbox/image_load.c: a good image made by hand, and one case for each way to spoil it. */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/image_load.h"
#include "sandbox/segment_map.h"

#define START (SEG_BASE + SEG_IMAGE_OFF)

/* Text on the first page, constants (the exports) on the second, data and zeros on the third. */
static struct {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4];
	uint8_t text[64];
	struct image_exports exports;
	uint8_t data[32];
	char names[64];
	char symbols[32];
	Elf64_Sym sym[3];
	Elf64_Shdr sh[7];
	Elf64_Rela rela;
} img;
enum { SH_NULL, SH_TEXT, SH_EXPORTS, SH_NAMES, SH_SYMBOLS, SH_SYMTAB, SH_RELA };

static struct segment_error err;
static struct image_plan plan;

#define OFF(member) ((uint64_t)((uint8_t *)&img.member - (uint8_t *)&img))

static void load(unsigned i, uint64_t vaddr, uint64_t off, uint64_t size, uint32_t flags)
{
	img.ph[i] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_flags = flags,
				 .p_offset = off,
				 .p_vaddr = vaddr,
				 .p_filesz = size,
				 .p_memsz = size};
}

static void setup(void)
{
	memset(&img, 0, sizeof(img));
	memcpy(img.eh.e_ident, ELFMAG, SELFMAG);
	img.eh.e_ident[EI_CLASS] = ELFCLASS64;
	img.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	img.eh.e_type = ET_EXEC;
	img.eh.e_machine = EM_X86_64;
	img.eh.e_phoff = OFF(ph);
	img.eh.e_phnum = 3;
	img.eh.e_phentsize = sizeof(Elf64_Phdr);
	img.eh.e_shoff = OFF(sh);
	img.eh.e_shnum = 6;
	img.eh.e_shentsize = sizeof(Elf64_Shdr);
	img.eh.e_shstrndx = SH_NAMES;
	load(0, START, OFF(text), sizeof(img.text), PF_R | PF_X);
	load(1, START + 0x1000, OFF(exports), sizeof(img.exports), PF_R);
	load(2, START + 0x2010, OFF(data), sizeof(img.data), PF_R | PF_W);
	img.ph[2].p_memsz = 0x3000;
	memset(img.text, 0xc3, sizeof(img.text));
	memset(img.data, 0x5a, sizeof(img.data));
	img.exports = (struct image_exports){.magic = IMAGE_EXPORTS_MAGIC,
					     .seg_version = SEG_VERSION,
					     .header_size = sizeof(struct seg_header),
					     .entry = START,
					     .call = START + 1,
					     .fault_fixup = START + 30,
					     .copy_start = START + 10,
					     .copy_end = START + 30};
	memcpy(img.names, "\0.exports\0.rela.text", 21);
	memcpy(img.symbols, "\0image_entry\0printf", 20);
	img.sym[1] = (Elf64_Sym){.st_name = 1, .st_shndx = SH_TEXT, .st_value = START};
	img.sh[SH_TEXT] = (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = OFF(text)};
	img.sh[SH_EXPORTS] = (Elf64_Shdr){.sh_type = SHT_PROGBITS,
					  .sh_name = 1,
					  .sh_offset = OFF(exports),
					  .sh_size = sizeof(img.exports)};
	img.sh[SH_NAMES] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = OFF(names), .sh_size = sizeof(img.names)};
	img.sh[SH_SYMBOLS] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = OFF(symbols), .sh_size = sizeof(img.symbols)};
	img.sh[SH_SYMTAB] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
					 .sh_offset = OFF(sym),
					 .sh_size = 2 * sizeof(Elf64_Sym),
					 .sh_link = SH_SYMBOLS};
	img.sh[SH_RELA] = (Elf64_Shdr){.sh_type = SHT_RELA,
				       .sh_name = 10,
				       .sh_offset = OFF(rela),
				       .sh_size = sizeof(img.rela)};
}

static void refused(const char *why)
{
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(image_check(&img, sizeof(img), &plan, &err), -ENOEXEC);
	ck_assert_str_eq(err.what, "sandbox image");
	ck_assert_msg(strstr(err.why, why) != NULL, "\"%s\" does not say \"%s\"", err.why, why);
}

START_TEST(a_good_image_is_taken)
{
	ck_assert_int_eq(image_check(&img, sizeof(img), &plan, &err), 0);
	ck_assert_uint_eq(plan.n_parts, 3);
	ck_assert_uint_eq(plan.size, 0x6000);
	ck_assert_uint_eq(plan.part[2].off, SEG_IMAGE_OFF + 0x2000);
	ck_assert_uint_eq(plan.part[2].len, 0x4000);
	ck_assert_uint_eq(plan.part[2].skip, 0x10);
	ck_assert_uint_eq(plan.exports.call, START + 1);
}
END_TEST

START_TEST(other_files_are_refused)
{
	ck_assert_int_eq(image_check("#!/bin/sh\n", 10, &plan, &err), -ENOEXEC);
	ck_assert_int_eq(image_check("", 0, &plan, NULL), -ENOEXEC);
	img.eh.e_ident[EI_CLASS] = ELFCLASS32;
	refused("not for x86-64");
	setup();
	img.eh.e_machine = EM_AARCH64;
	refused("not for x86-64");
	setup();
	img.eh.e_type = ET_DYN;
	refused("fixed address");
}
END_TEST

START_TEST(tables_outside_the_file_are_refused)
{
	img.eh.e_phoff = sizeof(img) - 8;
	refused("program headers");
	setup();
	img.eh.e_phoff = UINT64_MAX - 8;
	refused("program headers");
	setup();
	img.eh.e_shoff = UINT64_MAX - 8;
	refused("section headers");
	setup();
	img.eh.e_shstrndx = 9;
	refused("section headers");
	setup();
	img.sh[SH_SYMTAB].sh_offset = UINT64_MAX;
	refused("symbol table");
	setup();
	img.sh[SH_SYMTAB].sh_link = 77;
	refused("symbol table");
}
END_TEST

START_TEST(every_cut_of_the_file_is_survived)
{
	/* On the heap, so that a sanitizer sees a look behind the end. */
	for (size_t n = 0; n < OFF(sh[6]); n += 3) {
		uint8_t *cut = malloc(n + !n);

		memcpy(cut, &img, n);
		ck_assert_int_eq(image_check(cut, n, &plan, &err), -ENOEXEC);
		free(cut);
	}
}
END_TEST

START_TEST(segments_must_lie_in_the_images_range)
{
	img.ph[0].p_vaddr = 0x400000;
	refused("not linked for");
	setup();
	img.ph[2].p_memsz = SEG_IMAGE_MAX;
	refused("not linked for");
	setup();
	img.ph[2].p_memsz = UINT64_MAX;
	refused("not linked for");
	setup();
	img.ph[2].p_filesz = img.ph[2].p_memsz = sizeof(img);
	refused("outside the file");
	setup();
	img.ph[2].p_filesz = img.ph[2].p_memsz + 1;
	refused("outside the file");
}
END_TEST

START_TEST(no_page_is_writable_and_executable)
{
	img.ph[0].p_flags |= PF_W;
	refused("writable and executable");
	setup();
	img.ph[2].p_vaddr = START + 0x1800;
	refused("share a page");
	setup();
	img.ph[1].p_vaddr = START;
	refused("share a page");
}
END_TEST

START_TEST(dynamic_and_thread_local_things_are_refused)
{
	img.eh.e_phnum = 4;
	img.ph[3].p_type = PT_INTERP;
	refused("dynamic linker");
	img.ph[3].p_type = PT_DYNAMIC;
	refused("dynamic linker");
	img.ph[3].p_type = PT_TLS;
	refused("thread-local");
}
END_TEST

START_TEST(relocations_and_undefined_symbols_are_refused_by_name)
{
	img.eh.e_shnum = 7;
	refused("relocations are left in it (.rela.text)");
	setup();
	img.sym[2] = (Elf64_Sym){.st_name = 13, .st_shndx = SHN_UNDEF};
	img.sh[SH_SYMTAB].sh_size = sizeof(img.sym);
	refused("undefined symbol printf");
}
END_TEST

START_TEST(exports_must_be_there_and_right)
{
	img.sh[SH_EXPORTS].sh_name = 0;
	refused("no exports");
	setup();
	img.exports.magic++;
	refused("broken");
	setup();
	img.exports.seg_version++;
	refused("another version");
	setup();
	img.exports.header_size++;
	refused("another version");
	setup();
	img.exports.entry = START + sizeof(img.text);
	refused("outside its text");
	setup();
	img.exports.fault_fixup = START + 0x2010;
	refused("outside its text");
	setup();
	img.exports.copy_end = img.exports.copy_start;
	refused("outside its text");
}
END_TEST

static void write_image(char *path)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, &img, sizeof(img)), sizeof(img));
	close(fd);
}

START_TEST(a_good_image_is_put_in_its_place)
{
	static const struct segment_conf conf = {.size = SEGMENT_SIZE_MIN,
						 .page_size = 4096,
						 .numa_node = -1,
						 .mode = SEG_MODE_SERVER};
	static struct segment seg;
	char path[] = "/tmp/image_load_test.XXXXXX";
	const uint8_t *at = (const uint8_t *)(uintptr_t)START;
	unsigned before;

	write_image(path);
	ck_assert_int_eq(segment_create(&seg, &conf, &err), 0);
	before = seg.n_regions;
	ck_assert_int_eq(image_load(&seg, path, &err), 0);
	ck_assert_uint_eq(seg.n_regions, before + 3);
	ck_assert_int_eq(seg.region[before].prot, PROT_READ | PROT_EXEC);
	ck_assert_str_eq(seg.region[before + 2].name, "image data");
	ck_assert_uint_eq(seg.hdr->image_size, plan.size ? plan.size : 0x6000);
	ck_assert_uint_eq(seg.hdr->entry, START);
	ck_assert_uint_eq(seg.hdr->copy_end, START + 30);
	ck_assert_uint_eq(at[63], 0xc3);
	ck_assert_uint_eq(at[0x2010], 0x5a);
	ck_assert_uint_eq(at[0x2010 + 32], 0);
	((void (*)(void))(uintptr_t)seg.hdr->call)(); /* a ret */
	segment_destroy(&seg);
	unlink(path);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
	struct segment seg = {0};

	ck_assert_int_eq(image_load(&seg, "/nonexistent/sandbox.img", &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.why, "/nonexistent/sandbox.img"));
	ck_assert_int_eq(image_load(&seg, "/tmp", &err), -ENOEXEC);
	ck_assert_int_eq(image_load(&seg, "/dev/null", &err), -ENOEXEC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("image_load");
	TCase *c = tcase_create("image_load");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, a_good_image_is_taken);
	tcase_add_test(c, other_files_are_refused);
	tcase_add_test(c, tables_outside_the_file_are_refused);
	tcase_add_test(c, every_cut_of_the_file_is_survived);
	tcase_add_test(c, segments_must_lie_in_the_images_range);
	tcase_add_test(c, no_page_is_writable_and_executable);
	tcase_add_test(c, dynamic_and_thread_local_things_are_refused);
	tcase_add_test(c, relocations_and_undefined_symbols_are_refused_by_name);
	tcase_add_test(c, exports_must_be_there_and_right);
	tcase_add_test(c, a_missing_file_is_named);
	if (!segment_reserve()) { /* AddressSanitizer has taken the range for itself */
		segment_unreserve();
		tcase_add_test(c, a_good_image_is_put_in_its_place);
	}
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
