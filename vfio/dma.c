// SPDX-License-Identifier: BSD-3-Clause
/*
 * Memory that the device may reach. One mapping covers the DMA part of the segment's heap, so
 * nothing here is on the data path. Called by the daemon once a port.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/resource.h>

#include "vfio/device.h"

void vfio_ranges_parse(struct vfio_space *space, const struct vfio_iommu_type1_info *info)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	uint32_t off;

	space->nranges = 0;
	if (!(info->flags & VFIO_IOMMU_INFO_CAPS) || info->argsz < sizeof(*info))
		return;
	off = info->cap_offset;
	for (int left = 32; off && left > 0; left--) {
		uint32_t room;
		if (off > info->argsz || info->argsz - off < sizeof(struct vfio_info_cap_header))
			return;
		cap = (const void *)((const uint8_t *)info + off);
		off = cap->header.next;
		if (cap->header.id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		room = info->argsz - (uint32_t)((const uint8_t *)cap - (const uint8_t *)info);
		if (room < sizeof(*cap))
			return;
		room = (uint32_t)((room - sizeof(*cap)) / sizeof(cap->iova_ranges[0]));
		for (uint32_t i = 0; i < cap->nr_iovas && i < room && i < VFIO_RANGES; i++)
			space->ranges[space->nranges++] = (struct vfio_range){
				cap->iova_ranges[i].start, cap->iova_ranges[i].end};
		return;
	}
}

/* Ranges come sorted and apart from each other (vfio_iommu_type1 keeps them so). */
bool vfio_ranges_hold(const struct vfio_space *space, uint64_t iova, uint64_t len,
		      struct vfio_range *hole)
{
	uint64_t at = iova, last = iova + len - 1;

	if (last < iova)
		goto end;
	if (!space->nranges)
		return true;
	for (unsigned i = 0; i < space->nranges; i++) {
		const struct vfio_range *r = &space->ranges[i];
		if (r->last < at)
			continue;
		if (r->first > at) {
			hole->first = at;
			hole->last = r->first - 1 < last ? r->first - 1 : last;
			return false;
		}
		if (r->last >= last)
			return true;
		at = r->last + 1;
	}
end:
	hole->first = at;
	hole->last = last < at ? UINT64_MAX : last;
	return false;
}

static int map_failed(struct vfio_device *dev, int code, uint64_t len, struct vfio_error *err)
{
	struct rlimit limit = {0, 0};
	uint64_t mib = (len + (1 << 20) - 1) >> 20;

	if (code == ENOMEM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY) {
		vfio_fail(err, code, dev->pci.addr,
			  "cannot lock the %" PRIu64 " MiB the device needs: the limit for locked "
			  "memory (memlock) is %" PRIu64 " KiB",
			  mib, (uint64_t)limit.rlim_cur / 1024);
		vfio_hint(err, "run as root, or: ulimit -l unlimited");
		return -code;
	}
	return vfio_fail(err, code, dev->pci.addr, "cannot map %" PRIu64 " MiB for the device: %s",
			 mib, strerror(code));
}

int vfio_map_dma(struct vfio_device *dev, void *va, uint64_t len, uint64_t iova,
		 struct vfio_error *err)
{
	struct vfio_space *space = dev->space;
	struct vfio_range hole;
	int code;

	if (!len)
		return vfio_fail(err, EINVAL, dev->pci.addr, "nothing to map");
	/* Another device of the group may have brought it along. */
	for (unsigned i = 0; i < space->nmaps; i++) {
		const struct vfio_map *map = &space->maps[i];
		if (map->va == va && map->len == len && map->iova == iova)
			return 0;
	}
	if (space->nmaps == VFIO_MAPS_MAX)
		return vfio_fail(err, ENOSPC, dev->pci.addr, "more than %u DMA mappings",
				 VFIO_MAPS_MAX);
	if (!vfio_ranges_hold(space, iova, len, &hole)) {
		vfio_fail(err, ERANGE, dev->pci.addr,
			  "the IOMMU cannot map I/O addresses 0x%" PRIx64 "-0x%" PRIx64
			  ": 0x%" PRIx64 "-0x%" PRIx64 " is reserved or out of its range",
			  iova, iova + len - 1, hole.first, hole.last);
		vfio_hint(err, "ask for less memory");
		return -ERANGE;
	}
	code = dev->way->map(space, va, len, iova);
	if (code < 0)
		return map_failed(dev, -code, len, err);
	space->maps[space->nmaps++] = (struct vfio_map){va, len, iova};
	return 0;
}

int vfio_unmap_dma(struct vfio_device *dev, uint64_t iova)
{
	struct vfio_space *space = dev->space;

	for (unsigned i = 0; i < space->nmaps; i++) {
		struct vfio_map map = space->maps[i];
		if (map.iova != iova)
			continue;
		space->maps[i] = space->maps[--space->nmaps];
		return dev->way->unmap(space, map.iova, map.len);
	}
	return -ENOENT;
}
