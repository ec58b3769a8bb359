// SPDX-License-Identifier: BSD-3-Clause
/*
 * Opening by container and group (kernel Documentation/driver-api/vfio.rst, type-1 v2 IOMMU): works
 * on every kernel since 4.0. Called by device.c through vfio_way_group.
 *
 * A group can be opened by one file only, and a group has one address space. So a process keeps a
 * list of the spaces it has open, and further devices of the same group join.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio/device.h"

static struct vfio_space *spaces;

static int open_container(struct vfio_space *space, const char *addr, struct vfio_error *err)
{
	char path[PATH_MAX];
	int code;

	if (host_path(path, sizeof(path), "/dev/vfio/vfio"))
		return -ENAMETOOLONG;
	space->container = open(path, O_RDWR | O_CLOEXEC);
	if (space->container < 0) {
		code = errno;
		vfio_fail(err, code, addr, "cannot open %s: %s", path, strerror(code));
		if (code == ENOENT || code == ENODEV || code == ENXIO)
			vfio_hint(err, "modprobe vfio-pci");
		else if (code == EACCES || code == EPERM)
			vfio_hint(err, "run as root, or: chmod 0666 %s", path);
		return -code;
	}
	if (ioctl(space->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return vfio_fail(err, EOPNOTSUPP, addr, "%s speaks another VFIO version", path);
	if (ioctl(space->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
		vfio_fail(err, EOPNOTSUPP, addr, "VFIO has no type-1 IOMMU support");
		vfio_hint(err, "modprobe vfio_iommu_type1");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int group_not_viable(const struct pci_device *pci, struct vfio_error *err)
{
	struct pci_device members[16];
	char names[160], cmds[200] = "";
	int n = pci_list_group(pci->iommu_group, members, 16);

	if (pci_group_blockers(pci, names, sizeof(names)) == 0) {
		vfio_fail(err, EBUSY, pci->addr, "IOMMU group %d is in use by another program",
			  pci->iommu_group);
		vfio_hint(err, "fuser -v /dev/vfio/%d", pci->iommu_group);
		return -EBUSY;
	}
	vfio_fail(err, EPERM, pci->addr, "IOMMU group %d is not viable: other drivers hold %s",
		  pci->iommu_group, names);
	for (int i = 0; i < n && i < 16; i++) {
		size_t len = strlen(cmds);
		/* Only NICs are ours to bind; for the rest the slot is the problem. */
		if (!strcmp(members[i].addr, pci->addr) || !pci_blocks_group(&members[i]) ||
		    !pci_is_nic(&members[i]) || sizeof(cmds) - len < 48)
			continue;
		snprintf(cmds + len, sizeof(cmds) - len, "%ssandwire bind --force %.15s",
			 len ? " && " : "", members[i].addr);
	}
	vfio_hint(err, "%s%s", cmds,
		  cmds[0] ? "" : "move the NIC to another slot, where it has a group of its own");
	return -EPERM;
}

static int open_group(struct vfio_space *space, const struct pci_device *pci,
		      struct vfio_error *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[PATH_MAX];
	int code;

	if (host_path(path, sizeof(path), "/dev/vfio/%d", pci->iommu_group))
		return -ENAMETOOLONG;
	space->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (space->group_fd < 0) {
		code = errno;
		vfio_fail(err, code, pci->addr, "cannot open %s: %s", path, strerror(code));
		if (code == EBUSY) {
			vfio_fail(err, code, pci->addr,
				  "IOMMU group %d is in use by another net or program",
				  pci->iommu_group);
			vfio_hint(err, "fuser -v %s", path);
		} else if (code == EACCES || code == EPERM) {
			vfio_hint(err, "run as root, or: chown $USER %s", path);
		}
		return -code;
	}
	if (ioctl(space->group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return vfio_fail(err, errno, pci->addr, "%s does not answer: %m", path);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return group_not_viable(pci, err);
	return 0;
}

static int join(struct vfio_space *space, const struct pci_device *pci, struct vfio_error *err)
{
	int code;

	if (ioctl(space->group_fd, VFIO_GROUP_SET_CONTAINER, &space->container) < 0) {
		code = errno;
		if (code == EBUSY || code == EPERM)
			return group_not_viable(pci, err);
		return vfio_fail(err, code, pci->addr, "group %d does not join a container: %s",
				 pci->iommu_group, strerror(code));
	}
	if (ioctl(space->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		code = errno;
		vfio_fail(err, code, pci->addr, "the IOMMU does not take it: %s", strerror(code));
		/* vfio_iommu_type1 asks for interrupt remapping, or a device could forge them. */
		if (code == EPERM)
			vfio_hint(err, "no interrupt remapping: switch it on in the firmware, or "
				       "accept forged interrupts with "
				       "vfio_iommu_type1.allow_unsafe_interrupts=1");
		return -code;
	}
	return 0;
}

static void read_ranges(struct vfio_space *space)
{
	struct vfio_iommu_type1_info head = {.argsz = sizeof(head)}, *info;

	if (ioctl(space->container, VFIO_IOMMU_GET_INFO, &head) < 0 || head.argsz < sizeof(head) ||
	    head.argsz > 1 << 20)
		return;
	info = calloc(1, head.argsz);
	if (!info)
		return;
	info->argsz = head.argsz;
	if (ioctl(space->container, VFIO_IOMMU_GET_INFO, info) == 0)
		vfio_ranges_parse(space, info);
	free(info);
}

static void space_put(struct vfio_space *space)
{
	if (--space->refs)
		return;
	for (struct vfio_space **p = &spaces; *p; p = &(*p)->next) {
		if (*p == space) {
			*p = space->next;
			break;
		}
	}
	while (space->nmaps) {
		struct vfio_map *map = &space->maps[--space->nmaps];
		(void)vfio_way_group.unmap(space, map->iova, map->len);
	}
	if (space->group_fd >= 0) {
		ioctl(space->group_fd, VFIO_GROUP_UNSET_CONTAINER);
		close(space->group_fd);
	}
	if (space->container >= 0)
		close(space->container);
	free(space);
}

static int space_get(struct vfio_space **out, const struct pci_device *pci, struct vfio_error *err)
{
	struct vfio_space *space;
	int code;

	for (space = spaces; space; space = space->next) {
		if (space->group == pci->iommu_group) {
			space->refs++;
			*out = space;
			return 0;
		}
	}
	space = calloc(1, sizeof(*space));
	if (!space)
		return vfio_fail(err, ENOMEM, pci->addr, "out of memory");
	*space = (struct vfio_space){
		.group = pci->iommu_group, .container = -1, .group_fd = -1, .refs = 1};
	space->next = spaces;
	spaces = space;

	code = open_container(space, pci->addr, err);
	if (code == 0)
		code = open_group(space, pci, err);
	if (code == 0)
		code = join(space, pci, err);
	if (code < 0) {
		space_put(space);
		return code;
	}
	read_ranges(space);
	*out = space;
	return 0;
}

static int group_open(struct vfio_device *dev, struct vfio_error *err)
{
	int code = space_get(&dev->space, &dev->pci, err);

	if (code < 0)
		return code;
	dev->fd = ioctl(dev->space->group_fd, VFIO_GROUP_GET_DEVICE_FD, dev->pci.addr);
	if (dev->fd < 0) {
		code = vfio_fail(err, errno, dev->pci.addr, "VFIO does not open it: %m");
		space_put(dev->space);
		dev->space = NULL;
		return code;
	}
	fcntl(dev->fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static void group_close(struct vfio_device *dev)
{
	close(dev->fd);
	dev->fd = -1;
	space_put(dev->space);
	dev->space = NULL;
}

static int group_map(struct vfio_space *space, void *va, uint64_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};
	return ioctl(space->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int group_unmap(struct vfio_space *space, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = len};
	return ioctl(space->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}

const struct vfio_way vfio_way_group = {
	.name = "group",
	.open = group_open,
	.close = group_close,
	.map = group_map,
	.unmap = group_unmap,
};
