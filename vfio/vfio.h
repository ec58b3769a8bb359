/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI device seen from user space: find it, open it, map its registers, let it reach memory,
 * take its interrupts, reset it, give it back. Runs in the daemon; `bind` and `doctor` use the
 * part that only looks. All a caller needs; device.h is private to this folder.
 *
 * Order of a caller: vfio_open, vfio_map_bar, vfio_map_dma, vfio_irq_enable, vfio_bus_master(on),
 * ..., vfio_close (which undoes all of it in reverse). Not thread-safe.
 *
 * Every function that can fail returns 0 (or a count) or -errno. Where there is a struct
 * vfio_error, it is filled on failure, may be NULL, and is meant for a person.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_MUST_CHECK __attribute__((warn_unused_result))

/* "sandwire: WHAT: WHY", and the command that mends it in `hint` ("" when none is known). */
struct vfio_error {
	char what[64];
	char why[320];
	char hint[256];
};

/* For whoever fills one (NULL is fine): sets what and why, no hint, and returns -code. */
int vfio_fail(struct vfio_error *err, int code, const char *what, const char *why, ...)
	__attribute__((format(printf, 4, 5)));
void vfio_hint(struct vfio_error *err, const char *hint, ...) __attribute__((format(printf, 2, 3)));

/* ---- Files of this host: hostfs.c ---- */

/* Put before every path under /sys, /proc, /dev and /run; "" but in tests. */
extern const char *host_root;

/* All take the path as a format. host_read cuts trailing white space and returns the length. */
int host_path(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int host_read(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int host_write(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The last component of where a symbolic link points. */
int host_link(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool host_exists(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The number in the file (any base), or `absent`. */
long long host_number(long long absent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- What a device is, without opening it: pci.c ---- */

#define PCI_ADDR_LEN 16 /* "0000:00:03.0" and a longer domain */

struct pci_device {
	char addr[PCI_ADDR_LEN];
	uint16_t vendor, device;
	uint32_t class_code; /* base class << 16 | subclass << 8 | interface */
	char driver[32];     /* "" if unbound */
	char netdev[16];     /* its first network interface in this namespace, or "" */
	int iommu_group;     /* -1: none */
	int numa_node;	     /* -1: unknown */
	int vfs;	     /* SR-IOV virtual functions that hang on it */
};

/* `name`: PCI address with or without domain, or interface name. -EINVAL: neither; -ENODEV: not
 * there; -ENXIO: an interface that is not of a PCI device. */
int pci_identify(struct pci_device *pci, const char *name) VFIO_MUST_CHECK;
/* Fills err for a failed pci_identify, returns `code`. */
int pci_identify_error(struct vfio_error *err, const char *name, int code);
/* All PCI devices, or those of one IOMMU group, sorted by address: how many (may exceed max). */
int pci_list(struct pci_device *list, unsigned max);
int pci_list_group(int group, struct pci_device *list, unsigned max);
/* Does this device's driver keep others of its group from being used through VFIO? */
bool pci_blocks_group(const struct pci_device *pci);
/* Names of the other blockers of the group as "ADDR (DRIVER), ..."; returns how many. */
int pci_group_blockers(const struct pci_device *pci, char *text, size_t size);
bool pci_is_nic(const struct pci_device *pci);
/* The group exists but translates nothing (vfio's enable_unsafe_noiommu_mode). */
bool pci_group_is_noiommu(int group);

/* ---- An open device: device.c, open_group.c ---- */

struct vfio_device;

/* `name` as for pci_identify. The device must be bound to vfio-pci. Devices of one IOMMU group
 * may be opened one after the other in one process and then share their DMA mappings. */
int vfio_open(struct vfio_device **out, const char *name, struct vfio_error *err) VFIO_MUST_CHECK;
/* Interrupts off, bus mastering off, registers and memory unmapped, files closed. NULL is fine. */
void vfio_close(struct vfio_device *dev);

const struct pci_device *vfio_pci(const struct vfio_device *dev);
/* For handing to direct-mode programs together with vfio_bar_areas(). */
int vfio_fd(const struct vfio_device *dev);

/* Puts the device into its state after power-on; registers stay mapped. -EOPNOTSUPP where the
 * device has no way to be reset alone. */
int vfio_reset(struct vfio_device *dev) VFIO_MUST_CHECK;

/* ---- Registers: bar.c ---- */

struct vfio_area {
	uint64_t bar_off; /* in the BAR */
	uint64_t fd_off;  /* for mmap() of vfio_fd() */
	uint64_t len;
};

/* Bytes of BAR `index` (0 to 5), 0 if the device has none there. */
uint64_t vfio_bar_size(const struct vfio_device *dev, unsigned index);
/* The parts of a BAR that can be mapped, in order: how many, or -EOPNOTSUPP (I/O ports). */
int vfio_bar_areas(const struct vfio_device *dev, unsigned index, struct vfio_area *areas,
		   unsigned max) VFIO_MUST_CHECK;
/* Maps the BAR at `fixed`, over whatever is there, and makes its pages present, so that nobody
 * faults on them later. Parts that cannot be mapped (an MSI-X table on old kernels) stay without
 * access. vfio_close() leaves a reservation without access in its place. */
int vfio_map_bar(struct vfio_device *dev, unsigned index, void *fixed,
		 uint64_t *size) VFIO_MUST_CHECK;

/* ---- Memory: dma.c ---- */

/* Lets the device reach [va, va + len) at [iova, iova + len). */
int vfio_map_dma(struct vfio_device *dev, void *va, uint64_t len, uint64_t iova,
		 struct vfio_error *err) VFIO_MUST_CHECK;
int vfio_unmap_dma(struct vfio_device *dev, uint64_t iova);

/* ---- Interrupts: irq.c ---- */

enum vfio_irq_kind { VFIO_IRQ_NONE, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

#define VFIO_IRQ_MAX 64u

/* Enables up to `wanted` vectors of the best kind not above `best`, and fills fds[0 .. count) with
 * eventfds (non-blocking, closed by vfio_irq_disable). Returns the count. INTx counts as one, and
 * is masked by the kernel each time it fires until vfio_irq_unmask_intx(). */
int vfio_irq_enable(struct vfio_device *dev, enum vfio_irq_kind best, unsigned wanted, int *fds,
		    enum vfio_irq_kind *kind) VFIO_MUST_CHECK;
void vfio_irq_disable(struct vfio_device *dev);
int vfio_irq_mask_intx(struct vfio_device *dev);
int vfio_irq_unmask_intx(struct vfio_device *dev);
/* Makes vector `n` fire as if the device had: for tests of everything behind it. */
int vfio_irq_trigger(struct vfio_device *dev, unsigned n);

/* ---- Config space: config.c ---- */

int vfio_config_read(struct vfio_device *dev, unsigned off, void *buf, size_t len) VFIO_MUST_CHECK;
int vfio_config_write(struct vfio_device *dev, unsigned off, const void *buf,
		      size_t len) VFIO_MUST_CHECK;
/* Offset of the next capability with this id after `after` (0: from the start); 0: no more. */
unsigned vfio_config_cap(struct vfio_device *dev, uint8_t id, unsigned after);
/* May the device start memory transactions (and send MSI)? */
int vfio_bus_master(struct vfio_device *dev, bool on);

#endif
