/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A NIC behind vfio-pci: registers into the segment's window, the DMA part of the heap to the
 * device at IOVA = offset, interrupts as eventfds. Called through port_pci's ops by ports.c; calls
 * vfio/. The driver in the image only sees mapped registers and rings.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/ports.h"
#include "vfio/vfio.h"

#define BARS 6u

static int vfio_failed(struct net_port *p, const struct vfio_error *e, int r, struct failure *f)
{
	failed(f, e->what[0] ? e->what : p->spec->text, "%s", e->why[0] ? e->why : strerror(-r));
	if (e->hint[0])
		failure_hint(f, "%s", e->hint);
	return -1;
}

/* The next window of the segment, by position: the image's index is not known yet. */
static unsigned window_of(const struct net_port *p)
{
	return (unsigned)(p - p->net->ports);
}

/* Notes the mapped parts of a BAR, for the module and for direct-mode programs. */
static int note_areas(struct net_port *p, unsigned bar, uint64_t off)
{
	struct vfio_area areas[8];
	int n = vfio_bar_areas(p->vfio, bar, areas, 8);

	for (int i = 0; i < n && i < 8; i++) {
		struct segment_region r = {
			.off = off + areas[i].bar_off,
			.len = areas[i].len,
			.prot = PROT_READ | PROT_WRITE,
			.fd = vfio_fd(p->vfio),
			.fd_off = areas[i].fd_off,
			.use = SEGMENT_UPCALL | SEGMENT_DIRECT,
			.name = "window",
		};
		int e = segment_region_add(&p->net->seg, &r);

		if (!e)
			e = module_map(p->net, &r);
		if (e)
			return e;
	}
	return n < 0 ? n : 0;
}

/* All memory BARs one after the other in the port's window, each aligned to its size. */
static int map_bars(struct net_port *p, struct failure *f)
{
	uint64_t off = 0, base = SEG_WINDOW_OFF + window_of(p) * SEG_WINDOW_STRIDE;

	for (unsigned b = 0; b < BARS; b++) {
		uint64_t size = vfio_bar_size(p->vfio, b), mapped;
		int r;

		if (!size)
			continue;
		off = (off + size - 1) & ~(size - 1);
		if (off + size > SEG_WINDOW_STRIDE)
			return failed(f, p->spec->text,
				      "its registers (BAR %u, %llu KiB) do not fit", b,
				      (unsigned long long)size >> 10);
		r = vfio_map_bar(p->vfio, b, (void *)(uintptr_t)(SEG_BASE + base + off), &mapped);
		if (r == -EOPNOTSUPP) /* I/O ports; drivers here use memory */
			continue;
		if (!r)
			r = note_areas(p, b, base + off);
		if (r < 0)
			return failed(f, p->spec->text, "mapping BAR %u: %s", b, strerror(-r));
		p->conf.bar[b] = (volatile uint8_t *)(uintptr_t)(SEG_BASE + base + off);
		p->conf.bar_size[b] = size;
		off += (size + 4095) & ~4095ull;
	}
	return 0;
}

static int pci_open(struct net_port *p, struct failure *f)
{
	const struct seg_header *hdr = image_header();
	struct vfio_error e = {.what = ""};
	int r = vfio_open(&p->vfio, p->spec->name, &e);

	if (r) {
		p->vfio = NULL;
		return vfio_failed(p, &e, r, f);
	}
	p->conf.pci_vendor = vfio_pci(p->vfio)->vendor;
	p->conf.pci_device = vfio_pci(p->vfio)->device;
	r = vfio_reset(p->vfio);
	if (r && r != -EOPNOTSUPP)
		return failed(f, p->spec->text, "reset: %s", strerror(-r));
	if (map_bars(p, f))
		return -1;
	r = vfio_map_dma(p->vfio, (void *)(uintptr_t)(SEG_BASE + hdr->dma_off), hdr->dma_size,
			 hdr->dma_off, &e);
	/* Devices of one IOMMU group share a container, and with it the mapping. */
	if (r && r != -EEXIST)
		return vfio_failed(p, &e, r, f);
	r = vfio_bus_master(p->vfio, true);
	if (r)
		return failed(f, p->spec->text, "bus mastering: %s", strerror(-r));
	return 0;
}

static void irq_fired(void *arg, uint32_t events)
{
	struct net_port *p = arg;
	uint64_t count;

	(void)events;
	if (read(p->irq_fd, &count, sizeof(count)) > 0)
		p->fired = true;
}

static int enable_irqs(struct net_port *p, struct failure *f)
{
	enum vfio_irq_kind kind;
	int fds[1], n = vfio_irq_enable(p->vfio, VFIO_IRQ_MSIX, 1, fds, &kind);

	if (n <= 0)
		return failed(f, p->spec->text, "interrupts: %s", strerror(n ? -n : ENODEV));
	p->intx = kind == VFIO_IRQ_INTX;
	p->conf.irq_msi = kind == VFIO_IRQ_MSI;
	p->conf.irq_vectors = p->intx ? 0 : (uint16_t)n;
	p->irq_fd = fds[0];
	return 0;
}

static int pci_open_all(struct net_port *p, struct failure *f)
{
	return pci_open(p, f) || enable_irqs(p, f) ? -1 : 0;
}

/* INTx stays with the daemon: only it can unmask that after each interrupt. */
static int pci_started(struct net_port *p, struct failure *f)
{
	int r;

	p->fired = true; /* armed by the first pass of the loop */
	if (!p->intx && !module_irq(p->net, p->irq_fd, p->index))
		return 0;
	r = loop_add(&p->net->loop, &p->irq, p->irq_fd, EPOLLIN, irq_fired, p);
	if (r)
		return failed(f, p->spec->text, "interrupts: %s", strerror(-r));
	p->irq_watched = true;
	return 0;
}

static bool pci_arm(struct net_port *p)
{
	if (!p->fired)
		return false;
	p->fired = false;
	image_admin(ADMIN_PORT_IRQ, (uint64_t)p->index, 1, 0, 0);
	if (p->intx)
		vfio_irq_unmask_intx(p->vfio);
	return true;
}

static void pci_close(struct net_port *p)
{
	uint64_t base = SEG_WINDOW_OFF + window_of(p) * SEG_WINDOW_STRIDE;
	struct segment *seg = &p->net->seg;

	if (p->irq_watched)
		loop_del(&p->net->loop, &p->irq);
	p->irq_watched = false;
	for (unsigned i = seg->n_regions; i-- > 0;) {
		uint64_t off = seg->region[i].off, len = seg->region[i].len;

		if (off < base || off >= base + SEG_WINDOW_STRIDE)
			continue;
		module_unmap(p->net, off, len);
		segment_region_del(seg, off);
	}
	vfio_close(p->vfio);
	p->vfio = NULL;
}

const struct net_port_ops port_pci = {
	.open = pci_open_all,
	.started = pci_started,
	.close = pci_close,
	.arm = pci_arm,
};
