/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls without libc: no errno, no cancellation point, and not intercepted by our own shim,
 * which stands before libc for libsandwire too. x86-64. Used by everything in libsandwire.
 */
#ifndef UPCALL_RAW_H
#define UPCALL_RAW_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long raw3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Pointers and integers alike. */
#define RAW3(nr, a, b, c) raw3(nr, (long)(a), (long)(b), (long)(c))
#define RAW6(nr, a, b, c, d, e, f)                                                                 \
	raw6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* All signals blocked: sets of 64 bits, as the kernel sees them. */
static inline uint64_t raw_block_signals(void)
{
	uint64_t all = ~0ull, old = 0;

	RAW6(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, &old, 8, 0, 0);
	return old;
}

static inline void raw_restore_signals(uint64_t old)
{
	RAW6(SYS_rt_sigprocmask, 2, &old, 0, 8, 0, 0);
}

/*
 * Can a program's array of n words of 8 bytes be read? The kernel is the judge: it reads a mask
 * before it refuses what shall be done with it. A word of each page that the array touches.
 */
static inline bool raw_readable(const void *words, uint64_t n)
{
	const char *p = words, *last;

	if (!n || !words)
		return !n;
	last = p + 8 * (n - 1);
	for (; p < last; p += 4096)
		if (RAW6(SYS_rt_sigprocmask, -1, p, 0, 8, 0, 0) == -EFAULT)
			return false;
	return RAW6(SYS_rt_sigprocmask, -1, last, 0, 8, 0, 0) != -EFAULT;
}

#endif
