// SPDX-License-Identifier: BSD-3-Clause
/*
 * Links a native extension: a relocatable object, as a compiler or `ld -r` makes it. Called by the
 * daemon. Follows the System V ABI, chapter 4, and its AMD64 supplement, 4.4.1 (relocations).
 *
 *	lay_out	   each section that occupies memory goes to text, constants or data
 *	resolve	   each symbol gets an address; the undefined ones must be the runtime's
 *	relocate   fills in the addresses
 *	find_desc  the description, which must make sense
 *
 * Every number of the file is hostile until checked: it may have been cut, or be something else.
 */
#include "sandbox/ext_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/elf_file.h"
#include "sandbox/ext_host.h"
#include "sandbox/segment_map.h"

#define PAGE	     4096ull
#define ALIGN_MAX    4096ull
#define SYMBOLS_MAX  65536ull
#define UNPLACED     UINT64_MAX
#define SIZE_MAX_EXT SEG_EXT_STRIDE

#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif
#define NOTE_X86_FEATURE_2_USED 0xc0010001u
#define NOTE_X86_VECTOR		0x3feu /* x87, MMX, XMM, YMM, ZMM, FXSR, XSAVE*, TMM, MASK */

struct link {
	struct elf_file e;
	uint64_t base;
	ext_resolve_fn *resolve;
	struct ext_plan *plan;
	uint64_t *place;  /* by section: its offset from base, or UNPLACED */
	uint64_t *symbol; /* by symbol: its address; UNPLACED: in nothing that is loaded */
	uint64_t n_symbols;
	Elf64_Shdr symtab, strtab;
	uint64_t desc; /* offset from base, or UNPLACED */
	uint64_t got, got_end;
	uint64_t tables; /* bytes of relocations and notes seen so far */
};

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* ---- sections ------------------------------------------------------------------------------ */

static const char *section_name(const struct link *l, const Elf64_Shdr *sh)
{
	Elf64_Shdr names;

	elf_section(&l->e, l->e.eh.e_shstrndx, &names);
	return elf_string(&l->e, &names, sh->sh_name);
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Is it one that occupies memory in the sandbox? */
static bool loaded(const struct link *l, const Elf64_Shdr *sh)
{
	return sh->sh_flags & SHF_ALLOC && sh->sh_type != SHT_NOTE &&
	       sh->sh_type != SHT_X86_64_UNWIND && strcmp(section_name(l, sh), ".eh_frame") != 0 &&
	       sh->sh_size;
}

static int check_section(struct link *l, const Elf64_Shdr *sh)
{
	const char *name = section_name(l, sh);

	if (sh->sh_flags & SHF_TLS)
		return ELF_REFUSE(&l->e, "has thread-local data (%s)", name);
	if (sh->sh_type == SHT_INIT_ARRAY || sh->sh_type == SHT_FINI_ARRAY ||
	    sh->sh_type == SHT_PREINIT_ARRAY || begins(name, ".ctors") || begins(name, ".dtors") ||
	    begins(name, ".init") || begins(name, ".fini"))
		return ELF_REFUSE(&l->e, "has constructors or destructors (%s): use init and exit",
				  name);
	if ((sh->sh_type != SHT_PROGBITS && sh->sh_type != SHT_NOBITS) ||
	    sh->sh_flags & SHF_COMPRESSED)
		return ELF_REFUSE(&l->e, "a section of an unknown kind (%s)", name);
	if (sh->sh_flags & SHF_WRITE && sh->sh_flags & SHF_EXECINSTR)
		return ELF_REFUSE(&l->e, "a section is writable and executable (%s)", name);
	if (sh->sh_type == SHT_PROGBITS && !elf_inside(&l->e, sh->sh_offset, sh->sh_size))
		return ELF_REFUSE(&l->e, "a section lies outside the file (%s)", name);
	if (sh->sh_addralign & (sh->sh_addralign - 1) || sh->sh_addralign > ALIGN_MAX)
		return ELF_REFUSE(&l->e, "a section wants an alignment that is not to be had (%s)",
				  name);
	return 0;
}

/* Constants with addresses in them are writable for an ordinary linker only, until it is done. */
static enum ext_part part_of(const struct link *l, const Elf64_Shdr *sh)
{
	if (sh->sh_flags & SHF_EXECINSTR)
		return EXT_TEXT;
	return sh->sh_flags & SHF_WRITE && !begins(section_name(l, sh), ".data.rel.ro") ? EXT_DATA
											: EXT_CONST;
}

/* Places the sections of one part from *at on. */
static int lay_out_part(struct link *l, enum ext_part part, uint64_t *at)
{
	Elf64_Shdr sh;

	for (unsigned i = 1; i < l->e.eh.e_shnum; i++) {
		uint64_t start;

		elf_section(&l->e, i, &sh);
		if (!loaded(l, &sh) || part_of(l, &sh) != part)
			continue;
		start = round_up(*at, sh.sh_addralign ? sh.sh_addralign : 1);
		if (sh.sh_size > SIZE_MAX_EXT || start + sh.sh_size > SIZE_MAX_EXT)
			return ELF_REFUSE(&l->e, "larger than %llu KiB", SIZE_MAX_EXT >> 10);
		l->place[i] = start;
		*at = start + sh.sh_size;
	}
	return 0;
}

/* Tables that lie on top of each other would make a small file a long work. */
static bool too_many_tables(struct link *l, const Elf64_Shdr *sh)
{
	if (!elf_inside(&l->e, sh->sh_offset, sh->sh_size))
		return true;
	l->tables += sh->sh_size;
	return l->tables > l->e.size;
}

static bool via_got(uint64_t type)
{
	return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
	       type == R_X86_64_REX_GOTPCRELX;
}

/* Relocations of a section that is loaded? Then its place and size, too. */
static bool relocates(const struct link *l, const Elf64_Shdr *rel, Elf64_Shdr *target)
{
	return (rel->sh_type == SHT_RELA || rel->sh_type == SHT_REL) && rel->sh_size &&
	       elf_section(&l->e, rel->sh_info, target) && loaded(l, target);
}

/* An entry each, even where several are alike. */
static int count_got(struct link *l, uint64_t *n)
{
	Elf64_Shdr rel, target;
	Elf64_Rela r;

	*n = 0;
	for (unsigned i = 1; i < l->e.eh.e_shnum; i++) {
		elf_section(&l->e, i, &rel);
		if (!relocates(l, &rel, &target))
			continue;
		if (too_many_tables(l, &rel))
			return ELF_REFUSE(&l->e, "its relocations are broken (%s)",
					  section_name(l, &target));
		for (uint64_t at = 0; at + sizeof(r) <= rel.sh_size; at += sizeof(r)) {
			elf_take(&l->e, rel.sh_offset + at, &r, sizeof(r));
			*n += via_got(ELF64_R_TYPE(r.r_info));
		}
	}
	return 0;
}

static int lay_out(struct link *l)
{
	static const int prots[] = {[EXT_TEXT] = PROT_READ | PROT_EXEC,
				    [EXT_CONST] = PROT_READ,
				    [EXT_DATA] = PROT_READ | PROT_WRITE};
	uint64_t at = 0, n_got = 0;
	Elf64_Shdr sh;
	int ret = 0;

	for (unsigned i = 0; i < l->e.eh.e_shnum && !ret; i++) {
		l->place[i] = UNPLACED;
		elf_section(&l->e, i, &sh);
		if (i && (loaded(l, &sh) || sh.sh_flags & SHF_TLS))
			ret = check_section(l, &sh);
	}
	for (enum ext_part p = 0; p < EXT_PARTS && !ret; p++) {
		l->plan->part[p].off = at;
		l->plan->part[p].prot = prots[p];
		ret = lay_out_part(l, p, &at);
		if (p == EXT_CONST && !ret) {
			l->got = round_up(at, 8);
			ret = count_got(l, &n_got);
			at = l->got_end = l->got + 8 * n_got;
		}
		at = round_up(at, PAGE);
		if (!ret && at > SIZE_MAX_EXT)
			ret = ELF_REFUSE(&l->e, "larger than %llu KiB", SIZE_MAX_EXT >> 10);
		l->plan->part[p].len = at - l->plan->part[p].off;
	}
	if (ret)
		return ret;
	l->plan->filled = l->plan->size = at;
	l->plan->bytes = calloc(1, at ? at : 1);
	if (!l->plan->bytes)
		return segment_fail(l->e.err, ENOMEM, l->e.what, "no memory");
	for (unsigned i = 1; i < l->e.eh.e_shnum; i++) {
		elf_section(&l->e, i, &sh);
		if (l->place[i] != UNPLACED && sh.sh_type == SHT_PROGBITS)
			memcpy(l->plan->bytes + l->place[i], l->e.bytes + sh.sh_offset, sh.sh_size);
	}
	return 0;
}

/* ---- symbols ------------------------------------------------------------------------------- */

static int find_symtab(struct link *l)
{
	Elf64_Shdr sh;

	for (unsigned i = 1; i < l->e.eh.e_shnum; i++) {
		elf_section(&l->e, i, &sh);
		if (sh.sh_type != SHT_SYMTAB)
			continue;
		l->symtab = sh;
		l->n_symbols = sh.sh_size / sizeof(Elf64_Sym);
		if (!elf_inside(&l->e, sh.sh_offset, sh.sh_size) || l->n_symbols > SYMBOLS_MAX ||
		    !elf_section(&l->e, sh.sh_link, &l->strtab))
			return ELF_REFUSE(&l->e, "its symbol table is broken");
		return 0;
	}
	return ELF_REFUSE(&l->e, "it has no symbols");
}

#define NAME_SHOWN 64

static void name_undefined(char *list, size_t room, const char *name)
{
	size_t len = strlen(list);

	if (len + NAME_SHOWN + 8 < room)
		snprintf(list + len, room - len, "%s%.*s", len ? ", " : "", NAME_SHOWN, name);
	else if (list[len - 1] != '.')
		strcpy(list + len, " ...");
}

static int resolve_one(struct link *l, const Elf64_Sym *sym, uint64_t *addr, char *undefined,
		       size_t room)
{
	const char *name = elf_string(&l->e, &l->strtab, sym->st_name);
	Elf64_Shdr sh;

	*addr = UNPLACED;
	if (ELF64_ST_TYPE(sym->st_info) == STT_TLS)
		return ELF_REFUSE(&l->e, "has thread-local data (%s)", name);
	if (ELF64_ST_TYPE(sym->st_info) == STT_GNU_IFUNC)
		return ELF_REFUSE(&l->e, "chooses %s at run time", name);
	if (sym->st_shndx == SHN_COMMON)
		return ELF_REFUSE(&l->e, "%s has no section (compile with -fno-common)", name);
	if (sym->st_shndx == SHN_ABS) {
		*addr = sym->st_value;
	} else if (sym->st_shndx == SHN_UNDEF) {
		*addr = *name ? l->resolve(name) : 0;
		if (*name && !*addr)
			name_undefined(undefined, room, name);
	} else if (!elf_section(&l->e, sym->st_shndx, &sh)) {
		return ELF_REFUSE(&l->e, "%s lies in no section", *name ? name : "a symbol");
	} else if (l->place[sym->st_shndx] != UNPLACED) {
		if (sym->st_value > sh.sh_size || sym->st_size > sh.sh_size - sym->st_value)
			return ELF_REFUSE(&l->e, "%s lies outside its section", name);
		*addr = l->base + l->place[sym->st_shndx] + sym->st_value;
		if (!strcmp(name, "sandwire_ext") && sym->st_size == sizeof(struct ext_desc))
			l->desc = *addr - l->base;
	}
	return 0;
}

static int resolve(struct link *l)
{
	char undefined[200] = "";
	Elf64_Sym sym;
	int ret = find_symtab(l);

	if (ret)
		return ret;
	l->symbol = calloc(l->n_symbols + 1, sizeof(*l->symbol));
	if (!l->symbol)
		return segment_fail(l->e.err, ENOMEM, l->e.what, "no memory");
	for (uint64_t i = 1; i < l->n_symbols && !ret; i++) {
		elf_take(&l->e, l->symtab.sh_offset + i * sizeof(sym), &sym, sizeof(sym));
		ret = resolve_one(l, &sym, &l->symbol[i], undefined, sizeof(undefined));
	}
	if (!ret && *undefined)
		return ELF_REFUSE(&l->e, "undefined symbols, not of the runtime: %s", undefined);
	return ret;
}

/* ---- relocations --------------------------------------------------------------------------- */

static int bad_type(struct link *l, uint64_t type, const char *where)
{
	if (type == R_X86_64_32 || type == R_X86_64_32S)
		return ELF_REFUSE(&l->e, "32-bit addresses do not reach (%s): compile with -fPIC",
				  where);
	if ((type >= R_X86_64_DTPMOD64 && type <= R_X86_64_TPOFF32) ||
	    (type >= R_X86_64_GOTPC32_TLSDESC && type <= R_X86_64_TLSDESC))
		return ELF_REFUSE(&l->e, "has thread-local data (%s)", where);
	return ELF_REFUSE(&l->e, "a relocation of type %u (%s)", (unsigned)type, where);
}

/* S + A - P and so on, the letters of the ABI. */
static int relocate_one(struct link *l, const Elf64_Rela *r, uint64_t place, uint64_t size,
			const char *where)
{
	uint64_t type = ELF64_R_TYPE(r->r_info), sym = ELF64_R_SYM(r->r_info), value;
	unsigned width = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
	uint64_t p = l->base + place + r->r_offset;

	if (type == R_X86_64_NONE)
		return 0;
	if (type != R_X86_64_64 && type != R_X86_64_PC64 && type != R_X86_64_PC32 &&
	    type != R_X86_64_PLT32 && !via_got(type))
		return bad_type(l, type, where);
	if (r->r_offset > size || width > size - r->r_offset)
		return ELF_REFUSE(&l->e, "a relocation lies outside its section (%s)", where);
	if (sym >= l->n_symbols || l->symbol[sym] == UNPLACED)
		return ELF_REFUSE(&l->e, "a relocation refers to nothing that is loaded (%s)",
				  where);
	value = l->symbol[sym];
	if (via_got(type)) {
		memcpy(l->plan->bytes + l->got, &value, 8);
		value = l->base + l->got;
		l->got += 8;
	}
	value += (uint64_t)r->r_addend;
	if (type != R_X86_64_64)
		value -= p;
	if (width == 4 && (int64_t)value != (int32_t)value)
		return ELF_REFUSE(&l->e, "a relocation does not reach (%s)", where);
	memcpy(l->plan->bytes + place + r->r_offset, &value, width);
	return 0;
}

static int relocate_section(struct link *l, const Elf64_Shdr *rel, const Elf64_Shdr *target)
{
	const char *where = section_name(l, target);
	Elf64_Rela r;
	int ret = 0;

	if (rel->sh_type != SHT_RELA || rel->sh_size % sizeof(r) || target->sh_type != SHT_PROGBITS)
		return ELF_REFUSE(&l->e, "its relocations are broken (%s)", where);
	for (uint64_t at = 0; at < rel->sh_size && !ret; at += sizeof(r)) {
		elf_take(&l->e, rel->sh_offset + at, &r, sizeof(r));
		if (via_got(ELF64_R_TYPE(r.r_info)) && l->got + 8 > l->got_end)
			return ELF_REFUSE(&l->e, "its relocations are broken (%s)", where);
		ret = relocate_one(l, &r, l->place[rel->sh_info], target->sh_size, where);
	}
	return ret;
}

static int relocate(struct link *l)
{
	Elf64_Shdr rel, target;
	int ret = 0;

	for (unsigned i = 1; i < l->e.eh.e_shnum && !ret; i++) {
		elf_section(&l->e, i, &rel);
		if (relocates(l, &rel, &target))
			ret = relocate_section(l, &rel, &target);
	}
	return ret;
}

/* ---- notes --------------------------------------------------------------------------------- */

/* The properties of one GNU note (gABI extension, "x86 feature used"): does it use vectors? */
static bool vectors_in(const struct elf_file *e, uint64_t at, uint64_t end)
{
	struct {
		uint32_t type, size, bits;
	} p;

	while (at + 8 <= end && elf_take(e, at, &p, 8)) {
		if (p.type == NOTE_X86_FEATURE_2_USED && p.size == 4 &&
		    elf_take(e, at, &p, sizeof(p)) && p.bits & NOTE_X86_VECTOR)
			return true;
		at += 8 + round_up(p.size, 8);
	}
	return false;
}

static int check_notes(struct link *l)
{
	Elf64_Shdr sh;
	Elf64_Nhdr n;

	for (unsigned i = 1; i < l->e.eh.e_shnum; i++) {
		uint64_t at, end;

		elf_section(&l->e, i, &sh);
		if (sh.sh_type != SHT_NOTE)
			continue;
		if (too_many_tables(l, &sh))
			return ELF_REFUSE(&l->e, "its notes are broken");
		end = sh.sh_offset + sh.sh_size;
		for (at = sh.sh_offset; at + sizeof(n) <= end;) {
			elf_take(&l->e, at, &n, sizeof(n));
			at += sizeof(n) + round_up(n.n_namesz, 4);
			if (n.n_type == NT_GNU_PROPERTY_TYPE_0 && n.n_namesz == 4 &&
			    vectors_in(&l->e, at, at + n.n_descsz < end ? at + n.n_descsz : end))
				return ELF_REFUSE(&l->e, "uses vector or floating point registers: "
							 "compile with -mgeneral-regs-only");
			at += round_up(n.n_descsz, 8);
		}
	}
	return 0;
}

/* ---- the description ----------------------------------------------------------------------- */

static bool good_name(const char *name)
{
	unsigned n = 0;

	for (; n < EXT_NAME && name[n]; n++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
			    name[n]))
			return false;
	return n && n < EXT_NAME;
}

static bool in_text(const struct link *l, uint64_t addr)
{
	return addr >= l->base && addr - l->base < l->plan->part[EXT_TEXT].len;
}

static int check_services(struct link *l)
{
	const struct ext_desc *d = &l->plan->desc;

	for (unsigned i = 0; i < EXT_SERVICES && d->service[i].name[0]; i++) {
		if (!good_name(d->service[i].name))
			return ELF_REFUSE(&l->e, "the name of service %u is not one", i);
		if (!in_text(l, (uintptr_t)d->service[i].run))
			return ELF_REFUSE(&l->e, "service %s is not in its text",
					  d->service[i].name);
		for (unsigned k = 0; k < i; k++)
			if (!strcmp(d->service[i].name, d->service[k].name))
				return ELF_REFUSE(&l->e, "service %s is there twice",
						  d->service[i].name);
	}
	return d->service[0].name[0] ? 0 : ELF_REFUSE(&l->e, "it has no services");
}

static int find_desc(struct link *l)
{
	struct ext_desc *d = &l->plan->desc;

	if (l->desc == UNPLACED)
		return ELF_REFUSE(&l->e, "not an extension: no sandwire_ext in it, or one of "
					 "another version (sandbox/ext.h)");
	memcpy(d, l->plan->bytes + l->desc, sizeof(*d));
	if (d->magic != EXT_MAGIC || d->abi != EXT_ABI)
		return ELF_REFUSE(&l->e,
				  "built for another version of sandbox/ext.h (%u, this is %u)",
				  d->magic == EXT_MAGIC ? d->abi : 0, EXT_ABI);
	if (!good_name(d->name))
		return ELF_REFUSE(&l->e, "its name is not one");
	if ((d->init && !in_text(l, (uintptr_t)d->init)) ||
	    (d->exit && !in_text(l, (uintptr_t)d->exit)) ||
	    (d->client_gone && !in_text(l, (uintptr_t)d->client_gone)))
		return ELF_REFUSE(&l->e, "a function of its description is not in its text");
	return check_services(l);
}

/* The pool follows the data. */
static int add_pool(struct link *l)
{
	struct ext_plan *plan = l->plan;

	plan->pool_off = plan->size;
	plan->pool_size = ext_pool_size(&plan->desc);
	if (plan->pool_size > SIZE_MAX_EXT - plan->size)
		return ELF_REFUSE(&l->e, "with its pool and its clients' data larger than %llu KiB",
				  SIZE_MAX_EXT >> 10);
	plan->size += plan->pool_size;
	plan->part[EXT_DATA].len += plan->pool_size;
	return 0;
}

int ext_link(const void *elf, size_t size, uint64_t base, ext_resolve_fn *resolve_symbol,
	     struct ext_plan *plan, struct segment_error *err)
{
	struct link l = {.e = {.bytes = elf, .size = size, .what = "extension", .err = err},
			 .base = base,
			 .resolve = resolve_symbol,
			 .plan = plan,
			 .desc = UNPLACED};
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = elf_header(&l.e);
	if (!ret && l.e.eh.e_type != ET_REL)
		ret = ELF_REFUSE(&l.e, "not a relocatable object (cc -c, or ld -r)");
	if (ret)
		return ret;
	l.place = calloc(l.e.eh.e_shnum, sizeof(*l.place));
	if (!l.place)
		return segment_fail(err, ENOMEM, "extension", "no memory");
	ret = check_notes(&l);
	if (!ret)
		ret = lay_out(&l);
	if (!ret)
		ret = resolve(&l);
	if (!ret)
		ret = relocate(&l);
	if (!ret)
		ret = find_desc(&l);
	if (!ret)
		ret = add_pool(&l);
	free(l.place);
	free(l.symbol);
	return ret;
}

void ext_plan_free(struct ext_plan *plan)
{
	free(plan->bytes);
	plan->bytes = NULL;
}

int ext_place(const struct ext_plan *plan, uint64_t off)
{
	int fd = segment_memfd("sandwire-extension", plan->size, MFD_EXEC), ret = 0;

	if (fd < 0)
		return fd;
	errno = ENOSPC;
	if (pwrite(fd, plan->bytes, plan->filled, 0) != (ssize_t)plan->filled)
		ret = -errno;
	for (unsigned i = 0; i < EXT_PARTS && !ret; i++)
		if (plan->part[i].len)
			ret = segment_map(off + plan->part[i].off, plan->part[i].len,
					  plan->part[i].prot, fd, plan->part[i].off);
	if (!ret && plan->part[EXT_DATA].len)
		ret = segment_touch((void *)(uintptr_t)(SEG_BASE + off + plan->part[EXT_DATA].off),
				    plan->part[EXT_DATA].len, PAGE);
	if (!ret)
		return fd;
	segment_unmap(off, SEG_EXT_STRIDE);
	close(fd);
	return ret;
}
