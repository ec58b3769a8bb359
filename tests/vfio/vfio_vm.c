// SPDX-License-Identifier: BSD-3-Clause
/*
 * Opens a NIC that is bound to vfio-pci and uses all of vfio/ on it: registers, DMA, interrupts,
 * reset, close; as often as asked, and once through with a second opener that must be refused.
 * Run in the emulated PC by tests/vfio/vfio_vm.sh; prints "ok LINE" for each thing that held.
 *
 *   vfio_vm ADDR [ROUNDS]
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfio/vfio.h"

#define WINDOW_SIZE (96ull << 20)
#define BAR_STRIDE  (16ull << 20)
#define DMA_SIZE    (8ull << 20)
#define DMA_IOVA    0x40000000ull

#define REG_STATUS 0x8	/* device status: bit 1 is link up */
#define REG_ICS	   0xc8 /* interrupt cause set: raises an interrupt by hand */
#define REG_ICR	   0xc0 /* cause read, clears */
#define REG_IMS	   0xd0 /* mask set */
#define REG_RDBAL  0x2800

static int failures;

static void expect(bool good, const char *what, long long got)
{
	printf("%s %s (%lld)\n", good ? "ok" : "FAIL", what, got);
	failures += !good;
}

static uint32_t reg_read(volatile uint8_t *bar, unsigned off)
{
	return *(volatile uint32_t *)(bar + off);
}

static void reg_write(volatile uint8_t *bar, unsigned off, uint32_t value)
{
	*(volatile uint32_t *)(bar + off) = value;
}

static void show(const struct vfio_error *err)
{
	printf("   %s: %s [%s]\n", err->what, err->why, err->hint);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t count;
	return poll(&p, 1, ms) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static void use_registers(struct vfio_device *dev, uint8_t *window)
{
	unsigned mapped = 0;

	for (unsigned i = 0; i < 6; i++) {
		struct vfio_area areas[16];
		uint64_t size = 0, want = vfio_bar_size(dev, i);
		uint8_t *at = window + i * BAR_STRIDE;
		int n = vfio_bar_areas(dev, i, areas, 16);
		int err = want > BAR_STRIDE ? -E2BIG : vfio_map_bar(dev, i, at, &size);

		printf("   BAR%u: %llu bytes, %d areas, mapping it: %d\n", i,
		       (unsigned long long)want, n, err);
		expect(want ? (err == 0) == (n > 0) : err == -ENODEV,
		       "a BAR is mapped if and only if it can be", i);
		if (err)
			continue;
		mapped++;
		expect(size == want, "its size is the region's", (long long)size);
		expect(vfio_map_bar(dev, i, at, &size) == -EBUSY, "twice is refused", i);
	}
	expect(mapped > 0, "there are registers", mapped);
	if (vfio_pci(dev)->device != 0x10d3)
		return;
	printf("   STATUS 0x%08x\n", reg_read(window, REG_STATUS));
	/* Full duplex is what it comes up with; all ones is no device. */
	expect((reg_read(window, REG_STATUS) & 0x80000001) == 1, "STATUS answers", 0);
}

static void use_reset(struct vfio_device *dev, uint8_t *window)
{
	int err;

	if (vfio_pci(dev)->device == 0x10d3)
		reg_write(window, REG_RDBAL, 0x1000);
	err = vfio_reset(dev);
	expect(err == 0 || err == -EOPNOTSUPP, "the device is reset, or says it cannot be", err);
	if (vfio_pci(dev)->device == 0x10d3)
		printf("   RDBAL after reset 0x%x, STATUS 0x%08x\n", reg_read(window, REG_RDBAL),
		       reg_read(window, REG_STATUS));
}

static void use_memory(struct vfio_device *dev)
{
	struct vfio_error err;
	void *mem = mmap(NULL, DMA_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int rc = vfio_map_dma(dev, mem, DMA_SIZE, DMA_IOVA, &err);

	expect(rc == 0, "memory is mapped for the device", rc);
	if (rc)
		show(&err);
	expect(vfio_map_dma(dev, mem, DMA_SIZE, DMA_IOVA, &err) == 0, "mapping it again is fine",
	       0);
	rc = vfio_map_dma(dev, mem, DMA_SIZE, 0xfee00000ull - 4096, &err);
	expect(rc == -ERANGE, "the interrupt window is refused", rc);
	show(&err);
	rc = vfio_map_dma(dev, mem, DMA_SIZE, 0x600000000000ull, &err);
	expect(rc == -ERANGE, "an address beyond the IOMMU's width is refused", rc);
	show(&err);
	expect(vfio_unmap_dma(dev, DMA_IOVA) == 0, "it is unmapped", 0);
	rc = vfio_map_dma(dev, mem, DMA_SIZE, DMA_IOVA, &err);
	expect(rc == 0, "and mapped again", rc);
	expect(vfio_bus_master(dev, true) == 0, "bus mastering goes on", 0);
}

static void use_irq(struct vfio_device *dev, enum vfio_irq_kind best, const char *name,
		    uint8_t *window)
{
	int fds[VFIO_IRQ_MAX];
	enum vfio_irq_kind kind = VFIO_IRQ_NONE;
	int n = vfio_irq_enable(dev, best, 3, fds, &kind);

	printf("   asked for %s: kind %d, %d vectors\n", name, kind, n);
	expect(n > 0 && kind == best, name, n);
	if (n <= 0)
		return;
	expect(!readable(fds[0], 0), "no interrupt before one is raised", 0);
	if (vfio_irq_trigger(dev, (unsigned)n - 1) == 0)
		expect(readable(fds[n - 1], 1000), "a vector triggered by hand arrives", n - 1);
	/* By the device itself: INTx and MSI of an 82574 need no vector table of its own. */
	if (vfio_pci(dev)->device == 0x10d3 && kind != VFIO_IRQ_MSIX) {
		reg_write(window, REG_IMS, 0x4);
		reg_write(window, REG_ICS, 0x4);
		expect(readable(fds[0], 2000), "the device raises it", 0);
		if (kind == VFIO_IRQ_INTX) {
			reg_read(window, REG_ICR);
			expect(vfio_irq_unmask_intx(dev) == 0, "INTx is unmasked", 0);
			reg_write(window, REG_ICS, 0x4);
			expect(readable(fds[0], 2000), "and fires again", 0);
		}
		reg_read(window, REG_ICR);
		reg_write(window, 0xd8, 0xffffffff);
	}
	vfio_irq_disable(dev);
}

static void second_opener(const char *addr)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct vfio_device *dev;
		struct vfio_error err;
		int rc;
		/* The list of spaces came along with fork: another program has none. */
		execl("/proc/self/exe", "vfio_vm", addr, "busy", (char *)NULL);
		rc = vfio_open(&dev, addr, &err);
		_exit(rc == -EBUSY ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	expect(status == 0, "another process is refused as busy", status);
}

static int busy(const char *addr)
{
	struct vfio_device *dev;
	struct vfio_error err;
	int rc = vfio_open(&dev, addr, &err);

	show(&err);
	return rc == -EBUSY ? 0 : 1;
}

static void one_round(const char *addr, uint8_t *window)
{
	struct vfio_device *dev;
	struct vfio_error err;
	uint8_t header = 0xff;
	int rc = vfio_open(&dev, addr, &err);

	expect(rc == 0, "the device opens", rc);
	if (rc) {
		show(&err);
		return;
	}
	printf("   %s %04x:%04x, NUMA node %d, group %d\n", vfio_pci(dev)->addr,
	       vfio_pci(dev)->vendor, vfio_pci(dev)->device, vfio_pci(dev)->numa_node,
	       vfio_pci(dev)->iommu_group);
	rc = vfio_config_read(dev, 0xe, &header, 1);
	expect(rc == 0 && (header & 0x7f) == 0, "config space is read: an ordinary header", header);
	expect(vfio_config_cap(dev, 0x11, 0) >= 0x40, "it has an MSI-X capability",
	       vfio_config_cap(dev, 0x11, 0));
	second_opener(addr);
	use_registers(dev, window);
	use_reset(dev, window);
	use_memory(dev);
	use_irq(dev, VFIO_IRQ_MSIX, "MSI-X", window);
	if (vfio_pci(dev)->device == 0x10d3) {
		use_irq(dev, VFIO_IRQ_MSI, "MSI", window);
		use_irq(dev, VFIO_IRQ_INTX, "INTx", window);
	}
	vfio_close(dev);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 2;
	uint8_t *window;

	if (argc < 2)
		return 2;
	if (argc > 2 && !strcmp(argv[2], "busy"))
		return busy(argv[1]);
	window = mmap((void *)0x604000000000ull, WINDOW_SIZE, PROT_NONE,
		      MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (window == MAP_FAILED)
		return 1;
	for (int i = 0; i < rounds; i++)
		one_round(argv[1], window);
	printf("vfio_vm: %s\n", failures ? "FAILED" : "ok");
	return failures != 0;
}
