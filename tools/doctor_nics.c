// SPDX-License-Identifier: BSD-3-Clause
/*
 * The doctor looks at what brings frames in: IOMMU, vfio-pci, each NIC (do we drive it, who has it,
 * could the host spare it), and tap. Called by doctor.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "drivers/port.h"
#include "tools/bind.h"
#include "tools/doctor.h"
#include "vfio/vfio.h"

static unsigned count_groups(void)
{
	char path[PATH_MAX];
	struct dirent *ent;
	unsigned n = 0;
	DIR *dir;

	if (host_path(path, sizeof(path), "/sys/kernel/iommu_groups"))
		return 0;
	dir = opendir(path);
	while (dir && (ent = readdir(dir)))
		n += ent->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void iommu_fix(struct doctor *d)
{
	char cpuinfo[2048], args[2048];
	struct doctor_cpu cpu;
	bool intel;

	host_read(cpuinfo, sizeof(cpuinfo), "/proc/cpuinfo");
	host_read(args, sizeof(args), "/proc/cmdline");
	doctor_cpu(&cpu);
	intel = !strstr(cpuinfo, "AuthenticAMD");
	if (strstr(args, "iommu=off"))
		doctor_fix(d, "take intel_iommu=off, amd_iommu=off, iommu=off out of the kernel "
			      "arguments (/etc/default/grub, update-grub) and restart");
	else if (cpu.hypervisor[0])
		doctor_fix(d, "this is a virtual machine: its host must give it an IOMMU (QEMU: "
			      "-machine q35 -device intel-iommu,intremap=on,caching-mode=on); then "
			      "boot with intel_iommu=on iommu=pt");
	else if (intel && !strstr(args, "intel_iommu=on"))
		doctor_fix(d, "add intel_iommu=on iommu=pt to GRUB_CMDLINE_LINUX in "
			      "/etc/default/grub, update-grub, switch on VT-d in the firmware, "
			      "restart");
	else
		doctor_fix(d, "switch on %s in the firmware, restart",
			   intel ? "VT-d" : "AMD-Vi (IOMMU)");
}

static void look_at_iommu(struct doctor *d)
{
	unsigned groups = count_groups();

	if (groups) {
		doctor_add(d, FINDING_OK, "iommu", "on, %u groups", groups);
		return;
	}
	doctor_add(d, FINDING_MISSING, "iommu", "none is on: no NIC can be used safely");
	iommu_fix(d);
	verdict_no(&d->pci, "no IOMMU");
}

static void look_at_vfio(struct doctor *d)
{
	char path[PATH_MAX];

	if (host_exists("/sys/bus/pci/drivers/vfio-pci")) {
		doctor_add(d, FINDING_OK, "vfio-pci", "loaded");
	} else if (doctor_has_module(d, "vfio-pci")) {
		doctor_add(d, FINDING_OK, "vfio-pci", "installed; sandwire bind loads it");
		return;
	} else {
		doctor_add(d, FINDING_MISSING, "vfio-pci", "this kernel does not have it");
		doctor_fix(d, "boot a distribution's kernel: apt-get install linux-image-amd64");
		verdict_no(&d->pci, "no vfio-pci");
		return;
	}
	if (host_path(path, sizeof(path), "/dev/vfio/vfio") == 0 && access(path, R_OK | W_OK) < 0) {
		doctor_add(d, FINDING_MISSING, "vfio-pci", "%s: %s", path, strerror(errno));
		doctor_fix(d, "%s", errno == ENOENT ? "modprobe vfio" : "run it as root");
		verdict_no(&d->pci, "no access to /dev/vfio/vfio");
	}
}

struct nics {
	unsigned ready;
	char candidate[PCI_ADDR_LEN]; /* the first that could be bound */
};

static bool group_in_use(int group)
{
	char path[PATH_MAX];
	int fd;

	if (host_path(path, sizeof(path), "/dev/vfio/%d", group))
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}

static void look_at_bound(struct doctor *d, const struct pci_device *pci, const char *kind,
			  struct nics *nics)
{
	char others[160];

	if (pci_group_blockers(pci, others, sizeof(others)) > 0) {
		doctor_add(d, FINDING_MISSING, "nic",
			   "%s %s: with vfio-pci, but its IOMMU group %d is also held by %s",
			   pci->addr, kind, pci->iommu_group, others);
		doctor_fix(d, "sandwire bind --force for each of those, or another slot");
		return;
	}
	nics->ready++;
	doctor_add(d, FINDING_OK, "nic", "%s %s: with vfio-pci, IOMMU group %d, %s", pci->addr,
		   kind, pci->iommu_group, group_in_use(pci->iommu_group) ? "in use now" : "ready");
}

static void look_at_nic(struct doctor *d, const struct pci_device *pci, struct nics *nics)
{
	const struct port_ops *ours = port_driver_pci(pci->vendor, pci->device);
	struct vfio_error err;
	char who[64];

	snprintf(who, sizeof(who), "%s%s%s", pci->driver[0] ? pci->driver : "no driver",
		 pci->netdev[0] ? ", " : "", pci->netdev);
	if (!ours) {
		doctor_add(d, FINDING_OK, "nic", "%s %04x:%04x (%s): no driver of ours knows it",
			   pci->addr, pci->vendor, pci->device, who);
	} else if (!strcmp(pci->driver, "vfio-pci")) {
		look_at_bound(d, pci, ours->name, nics);
	} else if (bind_refusal(pci, &err) < 0) {
		doctor_add(d, FINDING_OK, "nic", "%s %s (%s): not to be taken: %s", pci->addr,
			   ours->name, who, err.why);
	} else {
		doctor_add(d, FINDING_OK, "nic", "%s %s (%s): the host can spare it", pci->addr,
			   ours->name, who);
		if (!nics->candidate[0])
			memcpy(nics->candidate, pci->addr, sizeof(nics->candidate));
	}
}

static void look_at_nics(struct doctor *d)
{
	static struct pci_device list[512];
	struct nics nics = {0};
	int n = pci_list(list, 512);

	for (int i = 0; i < n && i < 512; i++)
		if (pci_is_nic(&list[i]))
			look_at_nic(d, &list[i], &nics);
	if (nics.ready)
		return;
	verdict_no(&d->pci, "no NIC is bound to vfio-pci");
	doctor_add(d, FINDING_MISSING, "nic", "none is ready for us");
	if (nics.candidate[0])
		doctor_fix(d, "sandwire bind %s", nics.candidate);
	else
		doctor_fix(d, "a NIC that the host can spare and that we drive (such as an Intel "
			      "82574L), behind an IOMMU; without one: --port tap:sw0");
}

static void look_at_tap(struct doctor *d)
{
	char path[PATH_MAX];

	if (host_path(path, sizeof(path), "/dev/net/tun") == 0 && access(path, R_OK | W_OK) == 0) {
		doctor_add(d, FINDING_OK, "tap",
			   "/dev/net/tun is there: --port tap:sw0 needs no NIC and no IOMMU");
	} else if (host_exists("/dev/net/tun")) {
		doctor_add(d, FINDING_WARN, "tap", "you may not open /dev/net/tun");
		doctor_fix(d, "run it as root");
		verdict_no(&d->tap, "no permission for /dev/net/tun");
	} else {
		doctor_add(d, FINDING_WARN, "tap", "no /dev/net/tun: no --port tap:IF");
		doctor_fix(d, d->kernel_loads ? "modprobe tun" : "boot a kernel with CONFIG_TUN");
		verdict_no(&d->tap, "no /dev/net/tun");
	}
}

void doctor_nics(struct doctor *d)
{
	look_at_iommu(d);
	look_at_vfio(d);
	look_at_nics(d);
	look_at_tap(d);
}
