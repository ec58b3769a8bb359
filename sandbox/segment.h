/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment as the daemon makes it: memory of several kinds, mapped at SEG_BASE in the places
 * that layout.h names, and a list of regions from which it can be shown to others: to the kernel
 * module (SW_IOC_NET_MAP) and to direct-mode programs (descriptors over the control socket).
 *
 * Hosted; called by the daemon alone, one segment a process. Order: segment_create, image_load
 * (image_load.h), then whoever shares goes over region[]; device windows and channels come and go
 * with segment_region_add/del and channel.h; segment_destroy gives everything back.
 */
#ifndef SANDBOX_SEGMENT_H
#define SANDBOX_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/layout.h"

#define SEGMENT_SIZE_DEFAULT (128ull << 20)
#define SEGMENT_SIZE_MIN     (16ull << 20)

/* "WHAT: WHY", and the command that mends it in `hint` ("" when none is known). */
struct segment_error {
	char what[64];
	char why[320];
	char hint[256];
};

struct segment_conf {
	uint64_t size;	    /* of the heap, bytes, rounded up to pages; 0: SEGMENT_SIZE_DEFAULT */
	uint64_t page_size; /* 4 KiB, 2 MiB or 1 GiB; 0: 2 MiB */
	int numa_node;	    /* where the heap shall lie; -1: no matter */
	enum seg_mode mode;
	const char *net;
};

/* Who else than the daemon maps a region. */
enum segment_use {
	SEGMENT_UPCALL = 1u << 0, /* threads in an upcall: hand it to the module */
	SEGMENT_DIRECT = 1u << 1, /* direct-mode programs: send `fd` */
};

/* [off, off + len) from SEG_BASE shows [fd_off, fd_off + len) of fd. Page aligned, all of it. */
struct segment_region {
	uint64_t off, len;
	int prot; /* for the others; the daemon's own mapping may allow more */
	int fd;	  /* owned by the segment; regions share descriptors */
	uint64_t fd_off;
	uint32_t use; /* enum segment_use */
	char name[16];
};

/* 256 stacks, the image's parts, captures, windows. */
#define SEGMENT_REGIONS 512u
#define SEGMENT_FDS	16u

struct segment {
	struct seg_header *hdr; /* at SEG_BASE; NULL: there is no segment */
	struct segment_region region[SEGMENT_REGIONS];
	unsigned n_regions;
	int fd[SEGMENT_FDS]; /* the memfds, -1 where none */
	unsigned n_fds;
	int image_fd;	/* one of them: image_load adds its regions from it */
	char warn[200]; /* something the administrator should know, or "" */
};

/*
 * Reserves the slot, makes and maps and touches all memory, fills the header except for what
 * image_load knows, sets up ctx[] ids. 0, or -errno with err filled and nothing left behind:
 * -EEXIST (the address range is taken), -ENOMEM (too few huge pages, or memory), -EINVAL.
 */
int segment_create(struct segment *seg, const struct segment_conf *conf, struct segment_error *err)
	__attribute__((warn_unused_result));
/* Unmaps the slot, windows and channels with it, and closes every descriptor. Idempotent. */
void segment_destroy(struct segment *seg);

/*
 * Notes a region that somebody else has mapped (a device window); `fd` stays the caller's.
 * 0, -EINVAL (outside the slot, misaligned, overlapping), -ENOSPC.
 */
int segment_region_add(struct segment *seg, const struct segment_region *r);
/* Forgets the region that begins at `off`; its mapping becomes inaccessible address space again. */
void segment_region_del(struct segment *seg, uint64_t off);

/* The address reserved for a port's device window; map BARs there with MAP_FIXED. */
static inline void *segment_window(unsigned port_index)
{
	return (void *)(uintptr_t)(SEG_BASE + SEG_WINDOW_OFF + port_index * SEG_WINDOW_STRIDE);
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif
/* Sealed memory of fixed size, executable only with MFD_EXEC; other flags as memfd_create's. A
 * descriptor, the caller's, or -errno. */
int segment_memfd(const char *name, uint64_t size, unsigned flags);
/* Makes all pages be there now, as a touch under the stack lock must not fault: 0, -ENOMEM. */
int segment_touch(void *addr, uint64_t len, uint64_t page);

/* For those who fill one (NULL is fine): sets what and why, no hint, and returns -code. */
int segment_fail(struct segment_error *err, int code, const char *what, const char *why, ...)
	__attribute__((format(printf, 4, 5)));

#endif
