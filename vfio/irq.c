// SPDX-License-Identifier: BSD-3-Clause
/*
 * Interrupts as eventfds: MSI-X where the device has it, else MSI, else the shared INTx line. The
 * daemon sleeps on them; nothing else does. Called by the daemon, and by device.c at the end.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio/device.h"

static unsigned vfio_index(enum vfio_irq_kind kind)
{
	switch (kind) {
	case VFIO_IRQ_MSIX:
		return VFIO_PCI_MSIX_IRQ_INDEX;
	case VFIO_IRQ_MSI:
		return VFIO_PCI_MSI_IRQ_INDEX;
	default:
		return VFIO_PCI_INTX_IRQ_INDEX;
	}
}

static unsigned available(struct vfio_device *dev, enum vfio_irq_kind kind)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = vfio_index(kind)};

	if (ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return info.count;
}

/* One VFIO_DEVICE_SET_IRQS. A positive result of the ioctl is how many vectors there would be. */
static int set_irqs(struct vfio_device *dev, enum vfio_irq_kind kind, uint32_t flags,
		    unsigned start, unsigned count, const int *fds)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + VFIO_IRQ_MAX * sizeof(int32_t)];
	} u = {.set = {.argsz = sizeof(u.set),
		       .flags = flags,
		       .index = vfio_index(kind),
		       .start = start,
		       .count = count}};
	int n;

	if (fds) {
		u.set.argsz += count * (uint32_t)sizeof(int32_t);
		memcpy(u.set.data, fds, count * sizeof(int32_t));
	}
	n = ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &u.set);
	return n < 0 ? -errno : n;
}

static void close_fds(int *fds, unsigned count)
{
	while (count > 0)
		close(fds[--count]);
}

static int make_fds(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fds[i] < 0) {
			int err = -errno;
			close_fds(fds, i);
			return err;
		}
	}
	return 0;
}

/* Enables `count` vectors of one kind, or fewer where the kernel has not so many: how many. */
static int enable_kind(struct vfio_device *dev, enum vfio_irq_kind kind, unsigned count)
{
	int err = make_fds(dev->irq_fds, count);

	if (err)
		return err;
	for (;;) {
		int n = set_irqs(dev, kind, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				 0, count, dev->irq_fds);
		if (n == 0)
			return (int)count;
		if (n < 0 || (unsigned)n >= count) {
			close_fds(dev->irq_fds, count);
			return n < 0 ? n : -EIO;
		}
		close_fds(dev->irq_fds + n, count - (unsigned)n);
		count = (unsigned)n;
	}
}

int vfio_irq_enable(struct vfio_device *dev, enum vfio_irq_kind best, unsigned wanted, int *fds,
		    enum vfio_irq_kind *kind)
{
	int result = -ENODEV;

	if (wanted == 0 || wanted > VFIO_IRQ_MAX || best == VFIO_IRQ_NONE)
		return -EINVAL;
	if (dev->irq_kind != VFIO_IRQ_NONE)
		return -EBUSY;
	for (enum vfio_irq_kind k = best; k != VFIO_IRQ_NONE; k--) {
		unsigned have = available(dev, k);
		if (!have)
			continue;
		result = enable_kind(dev, k, wanted < have ? wanted : have);
		if (result < 0)
			continue;
		dev->irq_kind = k;
		dev->irq_count = (unsigned)result;
		memcpy(fds, dev->irq_fds, dev->irq_count * sizeof(*fds));
		if (kind)
			*kind = k;
		break;
	}
	return result;
}

void vfio_irq_disable(struct vfio_device *dev)
{
	if (dev->irq_kind == VFIO_IRQ_NONE)
		return;
	/* No vectors at all is VFIO's way of saying off. */
	(void)set_irqs(dev, dev->irq_kind, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0,
		       0, NULL);
	close_fds(dev->irq_fds, dev->irq_count);
	dev->irq_kind = VFIO_IRQ_NONE;
	dev->irq_count = 0;
}

int vfio_irq_mask_intx(struct vfio_device *dev)
{
	if (dev->irq_kind != VFIO_IRQ_INTX)
		return -EINVAL;
	return set_irqs(dev, VFIO_IRQ_INTX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 0, 1,
			NULL);
}

int vfio_irq_unmask_intx(struct vfio_device *dev)
{
	if (dev->irq_kind != VFIO_IRQ_INTX)
		return -EINVAL;
	return set_irqs(dev, VFIO_IRQ_INTX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0,
			1, NULL);
}

int vfio_irq_trigger(struct vfio_device *dev, unsigned n)
{
	if (n >= dev->irq_count)
		return -EINVAL;
	return set_irqs(dev, dev->irq_kind, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, n,
			1, NULL);
}
