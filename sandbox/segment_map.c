// SPDX-License-Identifier: BSD-3-Clause
/*
 * Mapping into the segment's address range: reserve, map, unmap. Called by segment.c and channel.c
 * in the daemon and by upcall/mode_direct.c in programs.
 */
#include "sandbox/segment_map.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static long sys_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t off)
{
	register long r10 __asm__("r10") = flags;
	register long r8 __asm__("r8") = fd;
	register long r9 __asm__("r9") = (long)off;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(SYS_mmap), "D"(addr), "S"(len), "d"((long)prot), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long sys_munmap(uint64_t addr, uint64_t len)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(SYS_munmap), "D"(addr), "S"(len)
			 : "rcx", "r11", "memory");
	return ret;
}

static int in_slot(uint64_t off, uint64_t len)
{
	return !((off | len) & 4095) && len && off < SEG_SLOT_SIZE && len <= SEG_SLOT_SIZE - off;
}

int segment_reserve(void)
{
	long at =
		sys_mmap(SEG_BASE, SEG_SLOT_SIZE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (at < 0 && at > -4096)
		return (int)at;
	if ((uint64_t)at != SEG_BASE) { /* a kernel that takes NOREPLACE for a mere wish */
		sys_munmap((uint64_t)at, SEG_SLOT_SIZE);
		return -EEXIST;
	}
	return 0;
}

void segment_unreserve(void)
{
	sys_munmap(SEG_BASE, SEG_SLOT_SIZE);
}

int segment_map(uint64_t off, uint64_t len, int prot, int fd, uint64_t fd_off)
{
	long at;

	if (!in_slot(off, len) || (fd_off & 4095) || ((prot & PROT_WRITE) && (prot & PROT_EXEC)) ||
	    (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)))
		return -EINVAL;
	at = sys_mmap(SEG_BASE + off, len, prot, MAP_SHARED | MAP_FIXED, fd, fd_off);
	return at < 0 && at > -4096 ? (int)at : 0;
}

int segment_unmap(uint64_t off, uint64_t len)
{
	long at;

	if (!in_slot(off, len))
		return -EINVAL;
	at = sys_mmap(SEG_BASE + off, len, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return at < 0 && at > -4096 ? (int)at : 0;
}

int segment_check(void)
{
	const struct seg_header *hdr = (const struct seg_header *)(uintptr_t)SEG_BASE;

	if (hdr->magic != SEG_MAGIC || hdr->version != SEG_VERSION)
		return -EPROTO;
	return 0;
}
