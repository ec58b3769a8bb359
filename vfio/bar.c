// SPDX-License-Identifier: BSD-3-Clause
/*
 * The device's registers (base address registers, BARs) into the caller's address space at a given
 * place. Called by the daemon for the segment's windows, and by device.c around a reset.
 *
 * Pages are touched once after mapping and after a reset: VFIO maps registers at the first fault,
 * and in an upcall the fault would happen in a process whose kernel books know nothing of them.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio/device.h"

/* The chain of capabilities after a VFIO answer; NULL at its end or where it is out of bounds. */
static const struct vfio_info_cap_header *cap_find(const void *info, uint32_t size, uint32_t off,
						   uint16_t id)
{
	for (int left = 32; off && left > 0; left--) {
		const struct vfio_info_cap_header *cap;
		if (off > size || size - off < sizeof(*cap))
			return NULL;
		cap = (const void *)((const uint8_t *)info + off);
		if (cap->id == id)
			return cap;
		off = cap->next;
	}
	return NULL;
}

int vfio_areas_parse(const struct vfio_region_info *info, struct vfio_area *areas, unsigned max)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
	unsigned n = 0;

	if (!info->size)
		return 0;
	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -EOPNOTSUPP;
	if (info->flags & VFIO_REGION_INFO_FLAG_CAPS)
		sparse = (const void *)cap_find(info, info->argsz, info->cap_offset,
						VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	if (!sparse) {
		if (max > 0)
			areas[0] = (struct vfio_area){
				.bar_off = 0, .fd_off = info->offset, .len = info->size};
		return 1;
	}
	for (uint32_t i = 0; i < sparse->nr_areas; i++) {
		uint64_t off = sparse->areas[i].offset, len = sparse->areas[i].size;
		/* A device with nothing mappable lists one area of no size. */
		if (!len || off > info->size || len > info->size - off)
			continue;
		if (n < max)
			areas[n] = (struct vfio_area){
				.bar_off = off, .fd_off = info->offset + off, .len = len};
		n++;
	}
	return (int)n;
}

/* Asks twice: the first answer says how long the whole one is. The caller frees. */
static struct vfio_region_info *region_info(const struct vfio_device *dev, unsigned index)
{
	struct vfio_region_info head = {.argsz = sizeof(head), .index = index}, *info;

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &head) < 0 || head.argsz < sizeof(head) ||
	    head.argsz > 1 << 20)
		return NULL;
	info = calloc(1, head.argsz);
	if (!info)
		return NULL;
	info->argsz = head.argsz;
	info->index = index;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
		free(info);
		return NULL;
	}
	return info;
}

uint64_t vfio_bar_size(const struct vfio_device *dev, unsigned index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (index >= VFIO_BARS || ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		return 0;
	return info.size;
}

int vfio_bar_areas(const struct vfio_device *dev, unsigned index, struct vfio_area *areas,
		   unsigned max)
{
	struct vfio_region_info *info;
	int n;

	if (index >= VFIO_BARS)
		return -EINVAL;
	info = region_info(dev, index);
	if (!info)
		return -EIO;
	n = vfio_areas_parse(info, areas, max);
	free(info);
	return n;
}

static uint64_t page_up(uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	return (len + page - 1) & ~(page - 1);
}

/* Address space without access and without memory behind it, over whatever was there. */
static int reserve(void *at, uint64_t len)
{
	void *p = mmap(at, len, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	return p == MAP_FAILED ? -errno : 0;
}

static void area_populate(uint8_t *at, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	/* A 32-bit read at the start of a page is harmless in every device we drive. */
	for (uint64_t off = 0; off < len; off += page)
		(void)*(volatile uint32_t *)(at + off);
}

void vfio_bars_populate(struct vfio_device *dev)
{
	struct vfio_area areas[16];

	for (unsigned i = 0; i < VFIO_BARS; i++) {
		int n = dev->bars[i].at ? vfio_bar_areas(dev, i, areas, 16) : 0;
		for (int a = 0; a < n && a < 16; a++)
			area_populate(dev->bars[i].at + areas[a].bar_off, areas[a].len);
	}
}

int vfio_map_bar(struct vfio_device *dev, unsigned index, void *fixed, uint64_t *size)
{
	struct vfio_area areas[16];
	uint64_t len = vfio_bar_size(dev, index);
	int err, n;

	if (!len)
		return -ENODEV;
	if (dev->bars[index].at)
		return -EBUSY;
	n = vfio_bar_areas(dev, index, areas, 16);
	if (n <= 0 || n > 16)
		return n < 0 ? n : -EOPNOTSUPP;
	err = reserve(fixed, page_up(len));
	if (err)
		return err;
	for (int a = 0; a < n; a++) {
		void *at = (uint8_t *)fixed + areas[a].bar_off;
		if (mmap(at, areas[a].len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, dev->fd,
			 (off_t)areas[a].fd_off) == MAP_FAILED) {
			err = -errno;
			(void)reserve(fixed, page_up(len));
			return err;
		}
		area_populate(at, areas[a].len);
	}
	dev->bars[index].at = fixed;
	dev->bars[index].len = page_up(len);
	if (size)
		*size = len;
	return 0;
}

void vfio_bars_unmap(struct vfio_device *dev)
{
	for (unsigned i = VFIO_BARS; i-- > 0;) {
		if (dev->bars[i].at)
			(void)reserve(dev->bars[i].at, dev->bars[i].len);
		dev->bars[i].at = NULL;
	}
}
