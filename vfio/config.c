// SPDX-License-Identifier: BSD-3-Clause
/*
 * Config space through VFIO's config region: reads, writes, the capability list, bus mastering.
 * vfio-pci virtualizes some of it (BARs, MSI, parts of the command register) and passes the rest.
 * Follows PCI Local Bus 3.0, section 6.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "vfio/device.h"

static bool config_in_range(const struct vfio_device *dev, unsigned off, size_t len)
{
	return off <= dev->config_size && len <= dev->config_size - off;
}

int vfio_config_read(struct vfio_device *dev, unsigned off, void *buf, size_t len)
{
	ssize_t n;

	if (!config_in_range(dev, off, len))
		return -EINVAL;
	n = pread(dev->fd, buf, len, (off_t)(dev->config_off + off));
	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

int vfio_config_write(struct vfio_device *dev, unsigned off, const void *buf, size_t len)
{
	ssize_t n;

	if (!config_in_range(dev, off, len))
		return -EINVAL;
	n = pwrite(dev->fd, buf, len, (off_t)(dev->config_off + off));
	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

unsigned vfio_config_cap(struct vfio_device *dev, uint8_t id, unsigned after)
{
	uint16_t status;
	uint8_t pos = 0, entry[2];
	unsigned at = after ? after + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST;

	if (vfio_config_read(dev, PCI_STATUS, &status, sizeof(status)) ||
	    !(status & PCI_STATUS_CAP_LIST) || vfio_config_read(dev, at, &pos, 1))
		return 0;
	/* A broken device may link its list into a circle: there is room for 48 entries. */
	for (int left = 48; left > 0; left--) {
		pos &= 0xfc;
		if (pos < PCI_STD_HEADER_SIZEOF || vfio_config_read(dev, pos, entry, 2))
			return 0;
		if (entry[0] == id)
			return pos;
		pos = entry[1];
	}
	return 0;
}

int vfio_bus_master(struct vfio_device *dev, bool on)
{
	uint16_t cmd, want;
	int err = vfio_config_read(dev, PCI_COMMAND, &cmd, sizeof(cmd));

	if (err)
		return err;
	want = (uint16_t)(on ? cmd | PCI_COMMAND_MASTER : cmd & ~PCI_COMMAND_MASTER);
	/* Register access belongs to an open device, whatever was there before. */
	want |= PCI_COMMAND_MEMORY;
	return want == cmd ? 0 : vfio_config_write(dev, PCI_COMMAND, &want, sizeof(want));
}
