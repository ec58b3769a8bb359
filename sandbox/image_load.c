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
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/segment_map.h"

#define PAGE	    4096ull
#define IMAGE_START (SEG_BASE + SEG_IMAGE_OFF)
#define IMAGE_END   (IMAGE_START + SEG_IMAGE_MAX)
#define FILE_MAX    (64u << 20)

/* The file under check, and where complaints go. */
struct elf {
	const uint8_t *bytes;
	size_t size;
	Elf64_Ehdr eh;
	struct segment_error *err;
};

#define REFUSE(e, ...) segment_fail((e)->err, ENOEXEC, "sandbox image", __VA_ARGS__)

static bool in_file(const struct elf *e, uint64_t off, uint64_t len)
{
	return off <= e->size && len <= e->size - off;
}

/* Copied, as nothing says that a file is aligned. Zeroes where the file has ended. */
static bool take(const struct elf *e, uint64_t off, void *to, size_t len)
{
	memset(to, 0, len);
	if (!in_file(e, off, len))
		return false;
	memcpy(to, e->bytes + off, len);
	return true;
}

static int check_header(struct elf *e)
{
	if (!take(e, 0, &e->eh, sizeof(e->eh)) || memcmp(e->eh.e_ident, ELFMAG, SELFMAG))
		return REFUSE(e, "not an ELF file");
	if (e->eh.e_ident[EI_CLASS] != ELFCLASS64 || e->eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e->eh.e_machine != EM_X86_64)
		return REFUSE(e, "not for x86-64");
	if (e->eh.e_type != ET_EXEC)
		return REFUSE(e, "not linked at a fixed address");
	if (e->eh.e_phentsize != sizeof(Elf64_Phdr) || !e->eh.e_phnum || e->eh.e_phnum > 64 ||
	    !in_file(e, e->eh.e_phoff, (uint64_t)e->eh.e_phnum * sizeof(Elf64_Phdr)))
		return REFUSE(e, "its program headers are broken");
	if (e->eh.e_shentsize != sizeof(Elf64_Shdr) || !e->eh.e_shnum || e->eh.e_shnum > 4096 ||
	    e->eh.e_shstrndx >= e->eh.e_shnum ||
	    !in_file(e, e->eh.e_shoff, (uint64_t)e->eh.e_shnum * sizeof(Elf64_Shdr)))
		return REFUSE(e, "its section headers are broken");
	return 0;
}

static int add_part(struct elf *e, struct image_plan *plan, const Elf64_Phdr *ph)
{
	uint64_t start = ph->p_vaddr & ~(PAGE - 1), end;
	int prot = (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
		   (ph->p_flags & PF_X ? PROT_EXEC : 0);

	if (!ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz || !in_file(e, ph->p_offset, ph->p_filesz))
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

static int check_segments(struct elf *e, struct image_plan *plan)
{
	Elf64_Phdr ph;
	int ret = 0;

	for (unsigned i = 0; i < e->eh.e_phnum && !ret; i++) {
		take(e, e->eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph));
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

/* A string of a string table that surely ends, or "". */
static const char *string_at(const struct elf *e, const Elf64_Shdr *table, uint64_t at)
{
	if (table->sh_type != SHT_STRTAB || !in_file(e, table->sh_offset, table->sh_size) ||
	    at >= table->sh_size || e->bytes[table->sh_offset + table->sh_size - 1])
		return "";
	return (const char *)e->bytes + table->sh_offset + at;
}

static bool section(const struct elf *e, uint64_t i, Elf64_Shdr *sh)
{
	memset(sh, 0, sizeof(*sh));
	return i < e->eh.e_shnum && take(e, e->eh.e_shoff + i * sizeof(*sh), sh, sizeof(*sh));
}

static int check_symbols(struct elf *e, const Elf64_Shdr *table)
{
	Elf64_Shdr names;
	Elf64_Sym sym;

	if (!section(e, table->sh_link, &names) || !in_file(e, table->sh_offset, table->sh_size))
		return REFUSE(e, "its symbol table is broken");
	for (uint64_t at = sizeof(sym); at + sizeof(sym) <= table->sh_size; at += sizeof(sym)) {
		take(e, table->sh_offset + at, &sym, sizeof(sym));
		if (sym.st_shndx == SHN_UNDEF && *string_at(e, &names, sym.st_name))
			return REFUSE(e, "undefined symbol %s", string_at(e, &names, sym.st_name));
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

static int check_exports(struct elf *e, const Elf64_Shdr *sh, struct image_plan *plan)
{
	struct image_exports *x = &plan->exports;

	if (sh->sh_size != sizeof(*x) || sh->sh_type != SHT_PROGBITS ||
	    !take(e, sh->sh_offset, x, sizeof(*x)) || x->magic != IMAGE_EXPORTS_MAGIC)
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

static int check_sections(struct elf *e, struct image_plan *plan)
{
	bool exports = false;
	Elf64_Shdr sh, names;
	int ret;

	section(e, e->eh.e_shstrndx, &names);
	for (unsigned i = 0; i < e->eh.e_shnum; i++) {
		section(e, i, &sh);
		if ((sh.sh_type == SHT_RELA || sh.sh_type == SHT_REL) && sh.sh_size)
			return REFUSE(e, "relocations are left in it (%s)",
				      string_at(e, &names, sh.sh_name));
		if (sh.sh_type == SHT_SYMTAB) {
			ret = check_symbols(e, &sh);
			if (ret)
				return ret;
		}
		if (!strcmp(string_at(e, &names, sh.sh_name), ".exports")) {
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
	struct elf e = {.bytes = elf, .size = size, .err = err};
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = check_header(&e);
	if (!ret)
		ret = check_segments(&e, plan);
	if (!ret)
		ret = check_sections(&e, plan);
	return ret;
}

/* The whole file in memory from malloc, or NULL with errno. */
static void *read_file(const char *path, size_t *size)
{
	struct stat st;
	uint8_t *bytes = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0)
		goto out;
	errno = ENOEXEC;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX)
		goto out;
	*size = (size_t)st.st_size;
	bytes = malloc(*size);
	while (bytes && have < *size) {
		n = read(fd, bytes + have, *size - have);
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	if (bytes && have < *size) {
		free(bytes);
		bytes = NULL;
		errno = n < 0 ? errno : EIO;
	}
out:
	saved = errno;
	close(fd);
	errno = saved;
	return bytes;
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
	uint8_t *bytes = read_file(path, &size);
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
