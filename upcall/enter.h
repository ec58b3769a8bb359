/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ENTER (kmod/sandwire_uapi.h), the one system call with two results. Used by mode_upcall.c, and by
 * the tests that cross without libsandwire.
 */
#ifndef UPCALL_ENTER_H
#define UPCALL_ENTER_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "upcall/kmod/sandwire_uapi.h"

#define MAX_ERRNO 4095

/*
 * 0 or -errno of the crossing, -ENOTTY if the descriptor is another file's; *result, rdx: the
 * sandbox's. The sandbox reads and writes this process's memory like any function.
 */
static inline long raw_enter(int fd, uint32_t slot, int64_t *result)
{
	long rax = SYS_lseek;
	int64_t rdx = SEEK_SET;

	__asm__ volatile("syscall"
			 : "+a"(rax), "+d"(rdx)
			 : "D"((long)fd), "S"(SW_SEEK_ENTER | slot)
			 : "rcx", "r11", "memory");
	*result = rdx;
	if (rax == SW_CROSSED)
		return 0;
	return rax >= 0 || rax < -MAX_ERRNO || rax == -ESPIPE || rax == -EINVAL ? -ENOTTY : rax;
}

#endif
