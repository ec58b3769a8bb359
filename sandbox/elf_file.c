// SPDX-License-Identifier: BSD-3-Clause
/* Reads ELF files that may be anything: see elf_file.h. Called by image_load.c and ext_load.c. */
#include "sandbox/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX     (64u << 20)
#define SECTIONS_MAX 4096

bool elf_inside(const struct elf_file *e, uint64_t off, uint64_t len)
{
	return off <= e->size && len <= e->size - off;
}

bool elf_take(const struct elf_file *e, uint64_t off, void *to, size_t len)
{
	memset(to, 0, len);
	if (!elf_inside(e, off, len))
		return false;
	memcpy(to, e->bytes + off, len);
	return true;
}

int elf_header(struct elf_file *e)
{
	if (!elf_take(e, 0, &e->eh, sizeof(e->eh)) || memcmp(e->eh.e_ident, ELFMAG, SELFMAG))
		return ELF_REFUSE(e, "not an ELF file");
	if (e->eh.e_ident[EI_CLASS] != ELFCLASS64 || e->eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e->eh.e_machine != EM_X86_64)
		return ELF_REFUSE(e, "not for x86-64");
	if (e->eh.e_shentsize != sizeof(Elf64_Shdr) || !e->eh.e_shnum ||
	    e->eh.e_shnum > SECTIONS_MAX || e->eh.e_shstrndx >= e->eh.e_shnum ||
	    !elf_inside(e, e->eh.e_shoff, (uint64_t)e->eh.e_shnum * sizeof(Elf64_Shdr)))
		return ELF_REFUSE(e, "its section headers are broken");
	return 0;
}

bool elf_section(const struct elf_file *e, uint64_t i, Elf64_Shdr *sh)
{
	memset(sh, 0, sizeof(*sh));
	return i < e->eh.e_shnum && elf_take(e, e->eh.e_shoff + i * sizeof(*sh), sh, sizeof(*sh));
}

const char *elf_string(const struct elf_file *e, const Elf64_Shdr *table, uint64_t at)
{
	if (table->sh_type != SHT_STRTAB || !elf_inside(e, table->sh_offset, table->sh_size) ||
	    at >= table->sh_size || e->bytes[table->sh_offset + table->sh_size - 1])
		return "";
	return (const char *)e->bytes + table->sh_offset + at;
}

void *elf_read_file(const char *path, size_t *size)
{
	struct stat st;
	uint8_t *bytes = NULL;
	/* A pipe must not make the daemon wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved;
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
