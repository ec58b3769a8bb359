// SPDX-License-Identifier: BSD-3-Clause
/*
 * An open device from vfio_open() to vfio_close(): tries the ways of opening, reads what the device
 * has, and undoes in reverse what bar.c, dma.c and irq.c added. Called by the daemon.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vfio/device.h"

/* In the order in which they are tried. */
static const struct vfio_way *const ways[] = {&vfio_way_group};

int vfio_fail(struct vfio_error *err, int code, const char *what, const char *why, ...)
{
	va_list args;

	if (!err)
		return -code;
	snprintf(err->what, sizeof(err->what), "%s", what);
	va_start(args, why);
	vsnprintf(err->why, sizeof(err->why), why, args);
	va_end(args);
	err->hint[0] = '\0';
	return -code;
}

void vfio_hint(struct vfio_error *err, const char *hint, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, hint);
	vsnprintf(err->hint, sizeof(err->hint), hint, args);
	va_end(args);
}

/* What must be true of any device before a way of opening is tried. */
static int check_bound(const struct pci_device *pci, struct vfio_error *err)
{
	if (!strstr(pci->driver, "vfio")) {
		vfio_fail(err, ENODEV, pci->addr, "not bound to vfio-pci, but to %s",
			  pci->driver[0] ? pci->driver : "no driver");
		vfio_hint(err, "sandwire bind %s", pci->addr);
		return -ENODEV;
	}
	if (pci->iommu_group < 0 || pci_group_is_noiommu(pci->iommu_group)) {
		vfio_fail(err, ENOTSUP, pci->addr, "no IOMMU protects memory from this device");
		vfio_hint(err,
			  "switch on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on "
			  "iommu=pt (Intel) or iommu=pt (AMD)");
		return -ENOTSUP;
	}
	return 0;
}

static int read_device(struct vfio_device *dev, struct vfio_error *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};
	int code;

	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		return vfio_fail(err, errno, dev->pci.addr, "VFIO does not describe it: %m");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return vfio_fail(err, ENODEV, dev->pci.addr, "VFIO says it is not a PCI device");
	dev->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return vfio_fail(err, errno, dev->pci.addr, "no config space: %m");
	dev->config_off = config.offset;
	dev->config_size = config.size;
	/* Memory decoding on, and no DMA left over from a former life. */
	code = vfio_bus_master(dev, false);
	if (code < 0)
		return vfio_fail(err, -code, dev->pci.addr, "config space is not writable: %s",
				 strerror(-code));
	return 0;
}

int vfio_open(struct vfio_device **out, const char *name, struct vfio_error *err)
{
	struct vfio_device *dev = calloc(1, sizeof(*dev));
	int code;

	*out = NULL;
	if (!dev)
		return vfio_fail(err, ENOMEM, name, "out of memory");
	dev->fd = -1;
	code = pci_identify(&dev->pci, name);
	if (code < 0) {
		pci_identify_error(err, name, code);
		goto free_dev;
	}
	code = check_bound(&dev->pci, err);
	if (code < 0)
		goto free_dev;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		dev->way = ways[i];
		code = dev->way->open(dev, err);
		if (code != -EOPNOTSUPP)
			break;
	}
	if (code < 0)
		goto free_dev;
	code = read_device(dev, err);
	if (code < 0)
		goto close_way;
	*out = dev;
	return 0;

close_way:
	dev->way->close(dev);
free_dev:
	free(dev);
	return code;
}

void vfio_close(struct vfio_device *dev)
{
	if (!dev)
		return;
	vfio_irq_disable(dev);
	(void)vfio_bus_master(dev, false);
	vfio_bars_unmap(dev);
	/* The last device of the space takes the DMA mappings with it. */
	dev->way->close(dev);
	free(dev);
}

int vfio_reset(struct vfio_device *dev)
{
	if (!dev->can_reset)
		return -EOPNOTSUPP;
	if (ioctl(dev->fd, VFIO_DEVICE_RESET) < 0)
		return -errno;
	/* The kernel took the register mappings away during the reset. */
	vfio_bars_populate(dev);
	return 0;
}

const struct pci_device *vfio_pci(const struct vfio_device *dev)
{
	return &dev->pci;
}

int vfio_fd(const struct vfio_device *dev)
{
	return dev->fd;
}
