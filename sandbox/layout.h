/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment's ABI: where everything lies in the sandbox segment, seen alike by the daemon, the
 * sandbox image, direct-mode programs and (as plain numbers) the kernel module.
 *
 * A leaf header: includes nothing of the project. Offsets are in bytes from SEG_BASE.
 *
 *   SEG_BASE +
 *   0x0000000000  header            struct seg_header            written by the daemon
 *   0x0000200000  image             text r-x, constants r--, data rw-
 *   0x0000a00000  kernel-shared     struct seg_kshared           written by image and module
 *   0x0000e00000  upcall contexts   struct ctx[SEG_CTX_COUNT]    written by the image
 *   0x0001000000  upcall stacks     one guard page below each
 *   0x0002000000  capture rings     SEG_CAPTURE_COUNT x SEG_CAPTURE_SIZE
 *   0x0004000000  extensions        SEG_EXT_COUNT x SEG_EXT_STRIDE: text, constants, data, pool
 *   0x0040000000  heap              objects, then the DMA part: descriptor rings, packet data
 *   0x4000000000  windows           device registers, SEG_WINDOW_STRIDE a port
 *   0x5000000000  channels          SEG_CHANNEL_STRIDE an attached process
 *
 * Everything below the heap is 4 KiB pages (it needs finer protection than a huge page gives); the
 * heap is huge pages. Only the DMA part of the heap is mapped for the device, at IOVA = offset.
 */
#ifndef SANDBOX_LAYOUT_H
#define SANDBOX_LAYOUT_H

#include <stdint.h>

#define SEG_BASE      0x600000000000ull
#define SEG_SLOT_SIZE (512ull << 30) /* one top-level page-table entry */

#define SEG_HEADER_OFF	0x0ull
#define SEG_HEADER_SIZE 0x10000ull

#define SEG_IMAGE_OFF 0x200000ull
#define SEG_IMAGE_MAX 0x800000ull

#define SEG_KSHARED_OFF 0xa00000ull

#define SEG_CTX_OFF    0xe00000ull
#define SEG_CTX_COUNT  256u
#define SEG_CTX_STRIDE 1024u

#define SEG_STACK_OFF	 0x1000000ull
#define SEG_STACK_STRIDE 0x8000ull /* the lowest page of each is the guard */
#define SEG_STACK_GUARD	 0x1000ull

#define SEG_CAPTURE_OFF	  0x2000000ull
#define SEG_CAPTURE_COUNT 4u
#define SEG_CAPTURE_SIZE  0x400000ull

/* Native extensions, each in a place of its own. Near the image: calls reach it with 32 bits. */
#define SEG_EXT_OFF    0x4000000ull
#define SEG_EXT_COUNT  16u
#define SEG_EXT_STRIDE 0x400000ull

#define SEG_HEAP_OFF 0x40000000ull
#define SEG_HEAP_MAX (0x4000000000ull - SEG_HEAP_OFF)

#define SEG_WINDOW_OFF	  0x4000000000ull
#define SEG_WINDOW_STRIDE 0x1000000ull
#define SEG_WINDOW_COUNT  64u

#define SEG_CHANNEL_OFF	   0x5000000000ull
#define SEG_CHANNEL_STRIDE 0x400000ull
#define SEG_CLIENT_MAX	   2048u /* client ids 1 .. SEG_CLIENT_MAX - 1; 0 is the daemon */

/* Sockets are named by a 32-bit id: index in the low bits, a generation that is never 0 above. */
#define SEG_SOCK_BITS	   15u
#define SEG_SOCK_COUNT	   (1u << SEG_SOCK_BITS)
#define SEG_SOCK_INDEX(id) ((id) & (SEG_SOCK_COUNT - 1))

#define SEG_MAGIC   0x45524957444e4153ull /* "SANDWIRE" in memory order */
#define SEG_VERSION 1u

#define SEG_CACHE_LINE 64

enum seg_mode {
	SEG_MODE_UPCALL = 1, /* only threads in an upcall and the daemon map the segment */
	SEG_MODE_SERVER = 2, /* only the daemon maps it */
	SEG_MODE_DIRECT = 3, /* every attached process maps it: no protection */
};

/*
 * CLOCK_MONOTONIC without a system call: ns = ns_base + ((tsc - tsc_base) * mult >> shift).
 * Written by the daemon under the stack lock, read under the stack lock.
 */
struct seg_clock {
	uint64_t tsc_base;
	uint64_t ns_base;
	uint32_t mult;
	uint32_t shift;
};

/* Written once by the daemon before anybody else may enter, except `clock` and `failed`. */
struct seg_header {
	uint64_t magic;
	uint32_t version;
	uint32_t mode; /* enum seg_mode */
	uint32_t daemon_pid;
	uint32_t failed;      /* nonzero: the net is broken, an errno; every call answers with it */
	uint64_t image_size;  /* bytes from SEG_IMAGE_OFF */
	uint64_t entry;	      /* address of the upcall entry (upcall/entry.S) */
	uint64_t call;	      /* address of image_call(), for callers that map the segment */
	uint64_t fault_fixup; /* address control goes to when app memory faults in a copy */
	uint64_t copy_start;  /* [copy_start, copy_end): the only code that touches app memory */
	uint64_t copy_end;
	uint64_t heap_size; /* bytes from SEG_HEAP_OFF */
	uint64_t dma_off;   /* offset of the DMA part of the heap, from SEG_BASE */
	uint64_t dma_size;  /* bytes */
	uint64_t page_size; /* of the heap, bytes */
	struct seg_clock clock;
	uint64_t stack; /* address of the struct stack (tcpip/stack.h) */
	char net[32];	/* the net's name, zero-terminated */
};
_Static_assert(sizeof(struct seg_header) <= SEG_HEADER_SIZE, "header fits");

/*
 * What the image and the kernel module share. The module never trusts an index it reads here: it
 * masks it. `ready` is indexed by SEG_SOCK_INDEX(id).
 *
 * Sleep and wake, the ordering proof: the image stores `events` then loads `waiters`
 * (sock_ready_publish); the module stores `waiters` then loads `events` (sock_poll). Both put a
 * full barrier between, so at least one of them sees the other.
 */
struct seg_ready {
	uint32_t events;  /* poll(2) bits, written by the image under the stack lock */
	uint32_t waiters; /* set by whoever will sleep, taken (xchg 0) by the image when it wakes */
};

#define SEG_WAKE_ENTRIES 4096u
#define SEG_WAKE_DAEMON	 0xffffffffu /* in the wake ring: poke the daemon, not a socket */

struct seg_kshared {
	/* Wake ring: ids whose sleepers must be woken. Producer: image under the stack lock
	 * (wake_head). Consumer: module at EXIT, or the daemon where there is no module. */
	uint32_t wake_head __attribute__((aligned(SEG_CACHE_LINE)));
	uint32_t wake_overflow; /* image sets it when the ring is full: wake everybody */
	uint32_t signals_owed;	/* image sets it: owners are owed SIGURG; the daemon takes it */
	uint32_t wake_tail __attribute__((aligned(SEG_CACHE_LINE)));
	/* Closed ring: ids whose last descriptor went away. Producer: module (or the daemon where
	 * there is no module) under its own lock. Consumer: image under the stack lock. An id is
	 * put here once in its life, so SEG_SOCK_COUNT entries never overflow. */
	uint32_t closed_head __attribute__((aligned(SEG_CACHE_LINE)));
	uint32_t closed_tail __attribute__((aligned(SEG_CACHE_LINE)));
	uint32_t wake[SEG_WAKE_ENTRIES] __attribute__((aligned(SEG_CACHE_LINE)));
	uint32_t closed[SEG_SOCK_COUNT];
	struct seg_ready ready[SEG_SOCK_COUNT];
};
_Static_assert(sizeof(struct seg_kshared) <= SEG_CTX_OFF - SEG_KSHARED_OFF, "kshared fits");
_Static_assert((uint64_t)SEG_CTX_COUNT *SEG_CTX_STRIDE <= SEG_STACK_OFF - SEG_CTX_OFF, "ctx fit");
_Static_assert(SEG_CTX_COUNT *SEG_STACK_STRIDE <= SEG_CAPTURE_OFF - SEG_STACK_OFF, "stacks fit");
_Static_assert(SEG_CAPTURE_OFF + SEG_CAPTURE_COUNT * SEG_CAPTURE_SIZE <= SEG_EXT_OFF,
	       "captures fit");
_Static_assert(SEG_EXT_OFF + SEG_EXT_COUNT * SEG_EXT_STRIDE <= SEG_HEAP_OFF, "extensions fit");
_Static_assert(SEG_CHANNEL_OFF + SEG_CLIENT_MAX * SEG_CHANNEL_STRIDE <= SEG_SLOT_SIZE, "slot");

#endif
