// SPDX-License-Identifier: BSD-3-Clause
/*
 * Checks the sandbox image (an ELF executable at a fixed address, made by upcall/meson.build) and
 * puts it into the segment. Called by the daemon. Follows the System V ABI, chapter 4 (object
 * files) and 5 (program loading).
 *
 * The image is trusted, but a wrong file must be named as such and not run: everything is checked
 * that could differ between two builds.
 */
#include "sandbox/image_load.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/elf_file.h"
#include "sandbox/segment_map.h"

#define PAGE	    4096ull
#define IMAGE_START (SEG_BASE + SEG_IMAGE_OFF)
#define IMAGE_END   (IMAGE_START + SEG_IMAGE_MAX)

#define REFUSE ELF_REFUSE

static int check_header(struct elf_file *e)
{
	int ret = elf_header(e);

	if (ret)
		return ret;
	if (e->eh.e_type != ET_EXEC)
		return REFUSE(e, "not linked at a fixed address");
	if (e->eh.e_phentsize != sizeof(Elf64_Phdr) || !e->eh.e_phnum || e->eh.e_phnum > 64 ||
	    !elf_inside(e, e->eh.e_phoff, (uint64_t)e->eh.e_phnum * sizeof(Elf64_Phdr)))
		return REFUSE(e, "its program headers are broken");
	return 0;
}

static int add_part(struct elf_file *e, struct image_plan *plan, const Elf64_Phdr *ph)
{
	uint64_t start = ph->p_vaddr & ~(PAGE - 1), end;
	int prot = (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
		   (ph->p_flags & PF_X ? PROT_EXEC : 0);

	if (!ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz || !elf_inside(e, ph->p_offset, ph->p_filesz))
		return REFUSE(e, "a segment lies outside the file");
	if (ph->p_vaddr < IMAGE_START || ph->p_vaddr >= IMAGE_END ||
	    ph->p_memsz > IMAGE_END - ph->p_vaddr)
		return REFUSE(e, "not linked for 0x%llx", IMAGE_START);
	end = (ph->p_vaddr + ph->p_memsz + PAGE - 1) & ~(PAGE - 1);
	if ((prot & PROT_WRITE) && (prot & PROT_EXEC))
		return REFUSE(e, "a segment is writable and executable");
	if (plan->n_parts == IMAGE_PARTS)
		return REFUSE(e, "more than %u segments", IMAGE_PARTS);
	/* Ascending (System V ABI) and on pages of their own: a page has one protection. */
	if (start < IMAGE_START + plan->size)
		return REFUSE(e, "two segments share a page, or are out of order");
	plan->part[plan->n_parts].off = start - SEG_BASE;
	plan->part[plan->n_parts].len = end - start;
	plan->part[plan->n_parts].file_off = ph->p_offset;
	plan->part[plan->n_parts].file_len = ph->p_filesz;
	plan->part[plan->n_parts].skip = ph->p_vaddr - start;
	plan->part[plan->n_parts].prot = prot;
	plan->n_parts++;
	plan->size = end - IMAGE_START;
	return 0;
}

static int check_segments(struct elf_file *e, struct image_plan *plan)
{
	Elf64_Phdr ph;
	int ret = 0;

	for (unsigned i = 0; i < e->eh.e_phnum && !ret; i++) {
		elf_take(e, e->eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph));
		if (ph.p_type == PT_LOAD)
			ret = add_part(e, plan, &ph);
		else if (ph.p_type == PT_INTERP || ph.p_type == PT_DYNAMIC)
			return REFUSE(e, "needs a dynamic linker");
		else if (ph.p_type == PT_TLS)
			return REFUSE(e, "has thread-local data");
	}
	if (!ret && !plan->n_parts)
		return REFUSE(e, "nothing in it to load");
	return ret;
}

static int check_symbols(struct elf_file *e, const Elf64_Shdr *table)
{
	Elf64_Shdr names;
	Elf64_Sym sym;

	if (!elf_section(e, table->sh_link, &names) ||
	    !elf_inside(e, table->sh_offset, table->sh_size))
		return REFUSE(e, "its symbol table is broken");
	for (uint64_t at = sizeof(sym); at + sizeof(sym) <= table->sh_size; at += sizeof(sym)) {
		elf_take(e, table->sh_offset + at, &sym, sizeof(sym));
		if (sym.st_shndx == SHN_UNDEF && *elf_string(e, &names, sym.st_name))
			return REFUSE(e, "undefined symbol %s", elf_string(e, &names, sym.st_name));
	}
	return 0;
}

static bool in_text(const struct image_plan *plan, uint64_t addr)
{
	for (unsigned i = 0; i < plan->n_parts; i++) {
		uint64_t start = SEG_BASE + plan->part[i].off + plan->part[i].skip;

		if ((plan->part[i].prot & PROT_EXEC) && addr >= start &&
		    addr - start < plan->part[i].file_len)
			return true;
	}
	return false;
}

static int check_exports(struct elf_file *e, const Elf64_Shdr *sh, struct image_plan *plan)
{
	struct image_exports *x = &plan->exports;

	if (sh->sh_size != sizeof(*x) || sh->sh_type != SHT_PROGBITS ||
	    !elf_take(e, sh->sh_offset, x, sizeof(*x)) || x->magic != IMAGE_EXPORTS_MAGIC)
		return REFUSE(e, "its exports are broken");
	if (x->seg_version != SEG_VERSION || x->header_size != sizeof(struct seg_header))
		return REFUSE(e, "built for another version of the segment (%u, this is %u)",
			      x->seg_version, SEG_VERSION);
	if (!in_text(plan, x->entry) || !in_text(plan, x->call) || !in_text(plan, x->fault_fixup) ||
	    !in_text(plan, x->copy_start) || x->copy_end <= x->copy_start ||
	    !in_text(plan, x->copy_end - 1))
		return REFUSE(e, "its exports lie outside its text");
	return 0;
}

static int check_sections(struct elf_file *e, struct image_plan *plan)
{
	bool exports = false;
	Elf64_Shdr sh, names;
	int ret;

	elf_section(e, e->eh.e_shstrndx, &names);
	for (unsigned i = 0; i < e->eh.e_shnum; i++) {
		elf_section(e, i, &sh);
		if ((sh.sh_type == SHT_RELA || sh.sh_type == SHT_REL) && sh.sh_size)
			return REFUSE(e, "relocations are left in it (%s)",
				      elf_string(e, &names, sh.sh_name));
		if (sh.sh_type == SHT_SYMTAB) {
			ret = check_symbols(e, &sh);
			if (ret)
				return ret;
		}
		if (!strcmp(elf_string(e, &names, sh.sh_name), ".exports")) {
			ret = check_exports(e, &sh, plan);
			if (ret)
				return ret;
			exports = true;
		}
	}
	return exports ? 0 : REFUSE(e, "it has no exports: some other program");
}

int image_check(const void *elf, size_t size, struct image_plan *plan, struct segment_error *err)
{
	struct elf_file e = {.bytes = elf, .size = size, .what = "sandbox image", .err = err};
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = check_header(&e);
	if (!ret)
		ret = check_segments(&e, plan);
	if (!ret)
		ret = check_sections(&e, plan);
	return ret;
}

static int put_parts(struct segment *seg, const struct image_plan *plan, const uint8_t *bytes)
{
	static const char *const names[] = {[PROT_READ] = "image const",
					    [PROT_READ | PROT_WRITE] = "image data",
					    [PROT_READ | PROT_EXEC] = "image text"};

	for (unsigned i = 0; i < plan->n_parts; i++) {
		struct segment_region r = {
			.off = plan->part[i].off,
			.len = plan->part[i].len,
			.prot = plan->part[i].prot,
			.fd = seg->image_fd,
			.fd_off = plan->part[i].off - SEG_IMAGE_OFF,
			.use = SEGMENT_UPCALL | SEGMENT_DIRECT,
		};
		uint64_t len = plan->part[i].file_len;
		int ret;

		if (len && pwrite(seg->image_fd, bytes + plan->part[i].file_off, len,
				  (off_t)(r.fd_off + plan->part[i].skip)) != (ssize_t)len)
			return errno ? -errno : -ENOSPC;
		strncpy(r.name, (unsigned)r.prot < 6 && names[r.prot] ? names[r.prot] : "image",
			sizeof(r.name) - 1);
		ret = segment_map(r.off, r.len, r.prot, r.fd, r.fd_off);
		if (!ret)
			ret = segment_region_add(seg, &r);
		if (ret)
			return ret;
	}
	return 0;
}

int image_load(struct segment *seg, const char *path, struct segment_error *err)
{
	struct seg_header *hdr = seg->hdr;
	struct image_plan plan;
	size_t size = 0;
	uint8_t *bytes = elf_read_file(path, &size);
	int ret;

	if (!bytes)
		return segment_fail(err, errno, "sandbox image", "%s: %s", path, strerror(errno));
	ret = image_check(bytes, size, &plan, err);
	if (!ret) {
		errno = 0;
		ret = put_parts(seg, &plan, bytes);
		if (ret)
			segment_fail(err, -ret, "sandbox image", "putting it in: %s",
				     strerror(-ret));
	}
	free(bytes);
	if (ret)
		return ret;
	hdr->image_size = plan.size;
	hdr->entry = plan.exports.entry;
	hdr->call = plan.exports.call;
	hdr->fault_fixup = plan.exports.fault_fixup;
	hdr->copy_start = plan.exports.copy_start;
	hdr->copy_end = plan.exports.copy_end;
	return 0;
}
