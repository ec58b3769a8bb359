// SPDX-License-Identifier: BSD-3-Clause
/*
 * Makes the segment: memfds in small and huge pages, mapped at SEG_BASE, touched, on the wished
 * NUMA node, sealed against change of size. Called by the daemon; the layout is layout.h's.
 */
#include "sandbox/segment.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "sandbox/ctx.h"
#include "sandbox/segment_map.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SMALL_PAGE 4096ull
#define MIB2	   (2ull << 20)
#define HUGE_SHIFT 26 /* MFD_HUGE_SHIFT: log2 of the page size goes there */

#define ALL_USERS (SEGMENT_UPCALL | SEGMENT_DIRECT)

int segment_fail(struct segment_error *err, int code, const char *what, const char *why, ...)
{
	va_list ap;

	if (!err)
		return -code;
	snprintf(err->what, sizeof(err->what), "%s", what);
	va_start(ap, why);
	vsnprintf(err->why, sizeof(err->why), why, ap);
	va_end(ap);
	err->hint[0] = 0;
	return -code;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Kernels before 6.3 know no MFD_EXEC. */
int segment_memfd(const char *name, uint64_t size, unsigned flags)
{
	unsigned exec = flags & MFD_HUGETLB ? 0 : flags & MFD_EXEC ? MFD_EXEC : MFD_NOEXEC_SEAL;
	int fd, err;

	flags = (flags & ~MFD_EXEC) | MFD_CLOEXEC | MFD_ALLOW_SEALING;
	fd = memfd_create(name, flags | exec);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		return -errno;
	/* Nobody who gets the descriptor can make a mapped page go away. */
	if (!ftruncate(fd, (off_t)size) &&
	    (!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) || errno == EINVAL))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* One that goes with the segment. */
static int memfd(struct segment *seg, const char *name, uint64_t size, unsigned flags)
{
	int fd = seg->n_fds == SEGMENT_FDS ? -EMFILE : segment_memfd(name, size, flags);

	if (fd >= 0)
		seg->fd[seg->n_fds++] = fd;
	return fd;
}

/* All pages there, now: -ENOMEM where a touch would be SIGBUS. */
int segment_touch(void *addr, uint64_t len, uint64_t page)
{
	volatile uint8_t *p = addr;

	if (!madvise(addr, len, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return errno == EFAULT || errno == EHWPOISON ? -ENOMEM : -errno;
	for (uint64_t i = 0; i < len; i += page) /* before Linux 5.14 */
		p[i] = 0;
	return 0;
}

static int add(struct segment *seg, const char *name, uint64_t off, uint64_t len, int prot, int fd,
	       uint64_t fd_off, uint32_t use)
{
	struct segment_region r = {
		.off = off, .len = len, .prot = prot, .fd = fd, .fd_off = fd_off, .use = use};

	snprintf(r.name, sizeof(r.name), "%s", name);
	return segment_region_add(seg, &r);
}

/* Maps a part for the daemon (read+write), touches it and notes it with the others' rights. */
static int part(struct segment *seg, const char *name, uint64_t off, uint64_t len, int prot, int fd,
		uint64_t fd_off, uint32_t use)
{
	int ret = segment_map(off, len, PROT_READ | PROT_WRITE, fd, fd_off);

	if (!ret)
		ret = segment_touch((void *)(uintptr_t)(SEG_BASE + off), len, SMALL_PAGE);
	return ret ? ret : add(seg, name, off, len, prot, fd, fd_off, use);
}

/* Everything below the heap. */
static int small_parts(struct segment *seg)
{
	const uint64_t kshared = round_up(sizeof(struct seg_kshared), SMALL_PAGE);
	const uint64_t ctxs = SEG_CTX_COUNT * SEG_CTX_STRIDE;
	const uint64_t stack = SEG_STACK_STRIDE - SEG_STACK_GUARD;
	const int rw = PROT_READ | PROT_WRITE;
	int fd, ret;

	fd = memfd(seg, "sandwire-header", SEG_HEADER_SIZE, 0);
	if (fd < 0)
		return fd;
	ret = part(seg, "header", 0, SEG_HEADER_SIZE, PROT_READ, fd, 0, ALL_USERS);
	if (ret)
		return ret;

	fd = seg->image_fd = memfd(seg, "sandwire-image", SEG_IMAGE_MAX, MFD_EXEC);
	if (fd < 0)
		return fd;

	fd = memfd(seg, "sandwire-shared", kshared + ctxs, 0);
	if (fd < 0)
		return fd;
	ret = part(seg, "kshared", SEG_KSHARED_OFF, kshared, rw, fd, 0, ALL_USERS);
	if (!ret)
		ret = part(seg, "contexts", SEG_CTX_OFF, ctxs, rw, fd, kshared, ALL_USERS);
	if (ret)
		return ret;

	fd = memfd(seg, "sandwire-stacks", SEG_CTX_COUNT * stack, 0);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < SEG_CTX_COUNT; i++) { /* the guard stays as reserved: no access */
		ret = part(seg, "stack", SEG_STACK_OFF + i * SEG_STACK_STRIDE + SEG_STACK_GUARD,
			   stack, rw, fd, i * stack, SEGMENT_UPCALL);
		if (ret)
			return ret;
	}

	/* Not touched: most are never used, whoever starts a capture writes it over first. */
	fd = memfd(seg, "sandwire-captures", SEG_CAPTURE_COUNT * SEG_CAPTURE_SIZE, 0);
	if (fd < 0)
		return fd;
	ret = segment_map(SEG_CAPTURE_OFF, SEG_CAPTURE_COUNT * SEG_CAPTURE_SIZE, rw, fd, 0);
	for (unsigned i = 0; i < SEG_CAPTURE_COUNT && !ret; i++)
		ret = add(seg, "capture", SEG_CAPTURE_OFF + i * SEG_CAPTURE_SIZE, SEG_CAPTURE_SIZE,
			  rw, fd, i * SEG_CAPTURE_SIZE, ALL_USERS);
	return ret;
}

/* ---- the heap ------------------------------------------------------------------------------ */

/* A number in a file of one line, or -1. */
static long long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%lld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static long long hugepages(uint64_t page, int node, const char *which)
{
	char path[160];

	if (node >= 0)
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%llukB/%s_hugepages",
			 node, (unsigned long long)page >> 10, which);
	else
		snprintf(path, sizeof(path),
			 "/sys/kernel/mm/hugepages/hugepages-%llukB/%s_hugepages",
			 (unsigned long long)page >> 10, which);
	return read_number(path);
}

static const char *page_name(uint64_t page)
{
	return page == 1ull << 30 ? "1 GiB" : page == MIB2 ? "2 MiB" : "4 KiB";
}

/* Why the heap did not get its pages. node: where they were wanted, -1: anywhere. */
static int heap_error(const struct segment_conf *conf, uint64_t size, int node, int code,
		      struct segment_error *err)
{
	const uint64_t page = conf->page_size, want = size / page;
	long long nr, avail, resv;

	if (page == SMALL_PAGE)
		return segment_fail(err, code, "segment", "%llu MiB of memory wanted: %s",
				    (unsigned long long)size >> 20, strerror(code));
	nr = hugepages(page, node, "nr");
	avail = hugepages(page, node, "free");
	resv = node >= 0 ? 0 : hugepages(page, node, "resv");
	if (nr < 0 || avail < 0) {
		segment_fail(err, code, "segment", "this kernel has no huge pages of %s (%s)",
			     page_name(page), strerror(code));
		if (err)
			snprintf(err->hint, sizeof(err->hint), "use --pages %s",
				 page == MIB2 ? "4K" : "2M");
		return -code;
	}
	avail -= resv > 0 ? resv : 0;
	if ((uint64_t)avail >= want)
		return segment_fail(err, code, "segment", "%llu huge pages of %s: %s",
				    (unsigned long long)want, page_name(page), strerror(code));
	segment_fail(err, code, "segment", "%llu huge pages of %s wanted%s, %lld free",
		     (unsigned long long)want, page_name(page),
		     node >= 0 ? " on the NIC's NUMA node" : "", avail);
	if (err && node >= 0)
		snprintf(err->hint, sizeof(err->hint),
			 "echo %lld > /sys/devices/system/node/node%d/hugepages/hugepages-%llukB/"
			 "nr_hugepages",
			 nr + (long long)want - avail, node, (unsigned long long)page >> 10);
	else if (err)
		snprintf(err->hint, sizeof(err->hint),
			 "echo %lld > /sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
			 nr + (long long)want - avail, (unsigned long long)page >> 10);
	return -code;
}

/* Before the first touch. A machine without NUMA, or a kernel that forbids it, is no failure. */
static int place(struct segment *seg, void *addr, uint64_t size, int node)
{
	struct bitmask *mask;
	long ret;

	if (node < 0 || numa_available() < 0 || numa_max_node() == 0)
		return 0;
	if (node > numa_max_node()) {
		snprintf(seg->warn, sizeof(seg->warn), "no NUMA node %d: memory is anywhere", node);
		return 0;
	}
	mask = numa_allocate_nodemask();
	if (!mask)
		return -ENOMEM;
	numa_bitmask_setbit(mask, (unsigned)node);
	ret = mbind(addr, size, MPOL_BIND, mask->maskp, mask->size + 1, 0);
	if (ret < 0)
		snprintf(seg->warn, sizeof(seg->warn), "memory on NUMA node %d: %s", node,
			 strerror(errno));
	numa_free_nodemask(mask);
	return ret < 0 ? 0 : 1;
}

/* MiB of small pages to be had, or -1: taking more would set the kernel's OOM killer off. */
static long long small_pages_mib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long long kib = -1;

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "MemAvailable: %lld", &kib) != 1)
		;
	if (f)
		fclose(f);
	return kib < 0 ? -1 : kib >> 10;
}

static int make_heap(struct segment *seg, const struct segment_conf *conf, uint64_t size,
		     struct segment_error *err)
{
	void *addr = (void *)(uintptr_t)(SEG_BASE + SEG_HEAP_OFF);
	unsigned flags = 0;
	int fd, ret, bound;
	long long mib;

	mib = conf->page_size == SMALL_PAGE ? small_pages_mib() : -1;
	if (mib >= 0 && (uint64_t)mib < size >> 20)
		return segment_fail(err, ENOMEM, "segment", "%llu MiB of memory wanted, %lld free",
				    (unsigned long long)size >> 20, mib);
	if (conf->page_size != SMALL_PAGE)
		flags = MFD_HUGETLB | (unsigned)__builtin_ctzll(conf->page_size) << HUGE_SHIFT;
	else
		snprintf(seg->warn, sizeof(seg->warn),
			 "the heap is in 4 KiB pages: slower; huge pages are --pages 2M");
	fd = memfd(seg, "sandwire-heap", size, flags);
	if (fd < 0)
		return heap_error(conf, size, -1, -fd, err);
	ret = segment_map(SEG_HEAP_OFF, size, PROT_READ | PROT_WRITE, fd, 0);
	if (ret)
		return heap_error(conf, size, -1, -ret, err);
	bound = place(seg, addr, size, conf->numa_node);
	if (bound < 0)
		return heap_error(conf, size, -1, -bound, err);
	ret = segment_touch(addr, size, conf->page_size);
	if (ret)
		return heap_error(conf, size, bound ? conf->numa_node : -1, -ret, err);
	return add(seg, "heap", SEG_HEAP_OFF, size, PROT_READ | PROT_WRITE, fd, 0, ALL_USERS);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void fill_header(struct segment *seg, const struct segment_conf *conf, uint64_t heap)
{
	struct seg_header *hdr = (struct seg_header *)(uintptr_t)SEG_BASE;
	uint64_t objects = round_up(heap / 5 * 2, MIB2); /* sockets and headers: 40% */

	hdr->version = SEG_VERSION;
	hdr->mode = conf->mode;
	hdr->daemon_pid = (uint32_t)getpid();
	hdr->heap_size = heap;
	hdr->dma_off = SEG_HEAP_OFF + objects;
	hdr->dma_size = heap - objects;
	hdr->page_size = conf->page_size;
	snprintf(hdr->net, sizeof(hdr->net), "%s", conf->net ? conf->net : "");
	for (uint32_t i = 0; i < SEG_CTX_COUNT; i++)
		ctx_at(i)->id = i;
	hdr->magic = SEG_MAGIC;
	seg->hdr = hdr;
}

int segment_create(struct segment *seg, const struct segment_conf *given, struct segment_error *err)
{
	struct segment_conf conf = *given;
	uint64_t size;
	int ret;

	memset(seg, 0, sizeof(*seg));
	seg->image_fd = -1;
	if (!conf.size)
		conf.size = SEGMENT_SIZE_DEFAULT;
	if (!conf.page_size)
		conf.page_size = MIB2;
	if (conf.page_size != SMALL_PAGE && conf.page_size != MIB2 && conf.page_size != 1ull << 30)
		return segment_fail(err, EINVAL, "segment", "pages are of 4K, 2M or 1G");
	if (conf.size < SEGMENT_SIZE_MIN || conf.size > SEG_HEAP_MAX)
		return segment_fail(err, EINVAL, "segment", "its size is from %llu MiB to %llu MiB",
				    SEGMENT_SIZE_MIN >> 20, SEG_HEAP_MAX >> 20);
	size = round_up(conf.size, conf.page_size < MIB2 ? MIB2 : conf.page_size);

	ret = segment_reserve();
	if (ret)
		return segment_fail(err, -ret, "segment", "addresses from 0x%llx: %s", SEG_BASE,
				    ret == -EEXIST ? "taken by something else" : strerror(-ret));
	ret = small_parts(seg);
	if (ret)
		segment_fail(err, -ret, "segment", "memory: %s", strerror(-ret));
	else
		ret = make_heap(seg, &conf, size, err);
	if (ret) {
		segment_destroy(seg);
		segment_unreserve();
		return ret;
	}
	fill_header(seg, &conf, size);
	/* A core of the daemon need not hold all sockets' data. */
	madvise((void *)(uintptr_t)(SEG_BASE + SEG_HEAP_OFF), size, MADV_DONTDUMP);
	return 0;
}

void segment_destroy(struct segment *seg)
{
	if (seg->hdr)
		segment_unreserve();
	for (unsigned i = 0; i < seg->n_fds; i++)
		close(seg->fd[i]);
	seg->hdr = NULL;
	seg->n_fds = seg->n_regions = 0;
	seg->image_fd = -1;
}

int segment_region_add(struct segment *seg, const struct segment_region *r)
{
	if (((r->off | r->len | r->fd_off) & (SMALL_PAGE - 1)) || !r->len ||
	    r->off >= SEG_SLOT_SIZE || r->len > SEG_SLOT_SIZE - r->off)
		return -EINVAL;
	for (unsigned i = 0; i < seg->n_regions; i++) {
		const struct segment_region *o = &seg->region[i];

		if (r->off < o->off + o->len && o->off < r->off + r->len)
			return -EINVAL;
	}
	if (seg->n_regions == SEGMENT_REGIONS)
		return -ENOSPC;
	seg->region[seg->n_regions++] = *r;
	return 0;
}

void segment_region_del(struct segment *seg, uint64_t off)
{
	for (unsigned i = 0; i < seg->n_regions; i++) {
		if (seg->region[i].off != off)
			continue;
		segment_unmap(off, seg->region[i].len);
		memmove(&seg->region[i], &seg->region[i + 1],
			(--seg->n_regions - i) * sizeof(seg->region[0]));
		return;
	}
}
