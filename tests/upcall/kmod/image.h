/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the test programs and their little sandbox image share: requests and the image's data. The
 * image does no networking; it only does things that the module must cope with.
 */
#ifndef TESTS_UPCALL_KMOD_IMAGE_H
#define TESTS_UPCALL_KMOD_IMAGE_H

#include "sandbox/layout.h"

#define T_TEXT_OFF  SEG_IMAGE_OFF /* text and constants, r-x */
#define T_TEXT_SIZE 0x4000ull
#define T_DATA_OFF  (SEG_IMAGE_OFF + T_TEXT_SIZE) /* struct t_data, rw- */
#define T_DATA_SIZE 0x1000ull
#define T_REQ_OFF   SEG_CHANNEL_OFF /* struct t_req[T_REQ_COUNT], rw- */
#define T_REQ_COUNT 1024u
#define T_REQ_SIZE  (T_REQ_COUNT * 64ull)
#define T_HEAP_OFF  SEG_HEAP_OFF
#define T_HEAP_SIZE 0x400000ull

enum t_op {
	T_NULL,
	T_INC,	    /* result: the counter after it */
	T_SPIN,	    /* a: increments; result: of the last */
	T_SECTION,  /* a: loops between ++begun and ++done */
	T_READ,	    /* a: app address, b: bytes; result: sum of a byte a page, or -EFAULT */
	T_WRITE,    /* a: app address, b: bytes, c: value; 0 or -EFAULT */
	T_PEEK,	    /* a: any address; result: the 64-bit word there (not fault-proof) */
	T_POKE32,   /* a: any address, b: value */
	T_TRAP,	    /* ud2 */
	T_STACK,    /* runs into the guard page */
	T_REGS,	    /* result: OR of the registers that must be zero at entry, flags in the top */
	T_SOCK,	    /* a: id, b: flags: leaves with a new descriptor */
	T_READY,    /* a: id, b: events: publishes and wakes */
	T_KICK,	    /* wakes the daemon */
	T_CLOSED,   /* result: an id from the closed ring, or 0 */
	T_WHO,	    /* result: client id << 32 | socket id */
	T_NONBLOCK, /* result: 1 if SW_ENTER_NONBLOCK was set */
	T_YIELD,    /* a: times */
	T_HOLD,	    /* stays until the daemon sets scratch[0] */
	T_LOCKED,   /* a: loops in the middle of ++exact, under the lock; result: exact after it */
	T_BYPAGE,   /* leaves by the exit page */
	T_BADEXIT,  /* leaves with a descriptor that is not the module's: must fall back to the page
		     */
	T_SYSWRITE, /* a: fd, b: app address, c: bytes: the system call; result: its own */
};

struct t_req {
	uint64_t op, a, b, c;
	uint64_t pad[4];
};

struct t_data {
	uint64_t counter, begun, done;
	uint64_t exact; /* under the lock */
	uint64_t lock;	/* 1 + the number of the context that holds it */
	uint64_t scratch[32];
};

#endif
