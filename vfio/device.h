/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to vfio/: an open device, and what one way of opening (container and group now, iommufd
 * and no-IOMMU later) must provide. Everything after opening is the same for all ways.
 */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <sys/types.h>

#include "vfio/vfio.h"

#define VFIO_BARS     6u
#define VFIO_MAPS_MAX 8u
#define VFIO_RANGES   16u

struct vfio_device;

struct vfio_range {
	uint64_t first, last;
};

/* An I/O address space: what the devices of one IOMMU group see of memory. */
struct vfio_space {
	struct vfio_space *next; /* of this process's spaces, see open_group.c */
	int group;		 /* number */
	int group_fd;
	int container;
	unsigned refs; /* open devices */
	unsigned nmaps;
	struct vfio_map {
		void *va;
		uint64_t len, iova;
	} maps[VFIO_MAPS_MAX];
	unsigned nranges; /* usable I/O addresses; 0: the kernel does not say */
	struct vfio_range ranges[VFIO_RANGES];
};

/* One way of opening. */
struct vfio_way {
	const char *name;
	/* Sets dev->fd and dev->space. */
	int (*open)(struct vfio_device *dev, struct vfio_error *err);
	void (*close)(struct vfio_device *dev);
	int (*map)(struct vfio_space *space, void *va, uint64_t len, uint64_t iova);
	int (*unmap)(struct vfio_space *space, uint64_t iova, uint64_t len);
};

extern const struct vfio_way vfio_way_group;

struct vfio_device {
	struct pci_device pci;
	const struct vfio_way *way;
	struct vfio_space *space;
	int fd;
	bool can_reset;
	uint64_t config_off, config_size; /* the config region in fd */
	struct vfio_bar {
		uint8_t *at; /* NULL: not mapped */
		uint64_t len;
	} bars[VFIO_BARS];
	enum vfio_irq_kind irq_kind;
	unsigned irq_count;
	int irq_fds[VFIO_IRQ_MAX];
};

/* bar.c: touches every mapped page of registers; unmaps all. */
void vfio_bars_populate(struct vfio_device *dev);
void vfio_bars_unmap(struct vfio_device *dev);

/* dma.c: reads the space's usable I/O addresses out of VFIO_IOMMU_GET_INFO's answer. */
struct vfio_iommu_type1_info;
void vfio_ranges_parse(struct vfio_space *space, const struct vfio_iommu_type1_info *info);
/* Is [iova, iova + len) usable? If not, `hole` is the first stretch of it that is not. */
bool vfio_ranges_hold(const struct vfio_space *space, uint64_t iova, uint64_t len,
		      struct vfio_range *hole);

/* bar.c: the same for VFIO_DEVICE_GET_REGION_INFO. */
struct vfio_region_info;
int vfio_areas_parse(const struct vfio_region_info *info, struct vfio_area *areas, unsigned max);

#endif
