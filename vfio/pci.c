// SPDX-License-Identifier: BSD-3-Clause
/*
 * What a PCI device is, as sysfs tells it: identity, driver, interface, IOMMU group and who else is
 * in that group. Opens no device. Called by device.c, tools/bind.c and tools/doctor*.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio/device.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

/* "[DOMAIN:]BUS:DEVICE.FUNCTION" in hexadecimal, nothing after it. */
static bool addr_parse(const char *text, char addr[PCI_ADDR_LEN])
{
	unsigned domain = 0, bus, slot, fn;
	int end = 0;

	/* Only these characters, or sscanf would take signs, blanks and "0x" too. */
	if (text[strspn(text, "0123456789abcdefABCDEF:.")] || strlen(text) >= PCI_ADDR_LEN)
		return false;
	if (sscanf(text, "%x:%x:%x.%x%n", &domain, &bus, &slot, &fn, &end) != 4) {
		domain = 0;
		if (sscanf(text, "%x:%x.%x%n", &bus, &slot, &fn, &end) != 3)
			return false;
	}
	if (text[end] != '\0' || bus > 0xff || slot > 0x1f || fn > 7)
		return false;
	/* Domains above 16 bits exist (Intel VMD): sysfs prints them with more digits. */
	return snprintf(addr, PCI_ADDR_LEN, "%04x:%02x:%02x.%x", domain, bus, slot, fn) <
	       PCI_ADDR_LEN;
}

/* The PCI device below which an interface sits: the last address in its path, for a virtio NIC is
 * .../0000:00:03.0/virtio0/net/eth0. */
static int addr_of_netdev(const char *netdev, char addr[PCI_ADDR_LEN])
{
	char link[PATH_MAX], real[PATH_MAX], *save = NULL, *part;
	int err = host_path(link, sizeof(link), "/sys/class/net/%s", netdev);

	if (err)
		return err;
	if (!realpath(link, real))
		return -ENODEV;
	addr[0] = '\0';
	for (part = strtok_r(real, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		char found[PCI_ADDR_LEN];
		/* The form without a domain never occurs in sysfs. */
		if (addr_parse(part, found) && !strcmp(found, part))
			memcpy(addr, found, PCI_ADDR_LEN);
	}
	return addr[0] ? 0 : -ENXIO;
}

static int resolve(const char *name, char addr[PCI_ADDR_LEN])
{
	if (!name[0] || strchr(name, '/') || name[0] == '.')
		return -EINVAL;
	if (addr_parse(name, addr))
		return host_exists(PCI_DEVICES "/%s", addr) ? 0 : -ENODEV;
	if (strchr(name, ':') || strlen(name) >= 16)
		return -EINVAL;
	return addr_of_netdev(name, addr);
}

/* First entry of a folder that is not a dot file and starts with `prefix`. */
static bool first_entry(char *buf, size_t size, const char *path, const char *prefix)
{
	struct dirent *ent;
	DIR *dir = opendir(path);

	buf[0] = '\0';
	while (dir && (ent = readdir(dir))) {
		if (ent->d_name[0] == '.' || strncmp(ent->d_name, prefix, strlen(prefix)) != 0 ||
		    strlen(ent->d_name) >= size)
			continue;
		if (!buf[0] || strcmp(ent->d_name, buf) < 0)
			memcpy(buf, ent->d_name, strlen(ent->d_name) + 1);
	}
	if (dir)
		closedir(dir);
	return buf[0] != '\0';
}

static void find_netdev(struct pci_device *pci)
{
	char path[PATH_MAX], virtio[32];

	if (host_path(path, sizeof(path), PCI_DEVICES "/%s/net", pci->addr) == 0 &&
	    first_entry(pci->netdev, sizeof(pci->netdev), path, ""))
		return;
	if (host_path(path, sizeof(path), PCI_DEVICES "/%s", pci->addr) ||
	    !first_entry(virtio, sizeof(virtio), path, "virtio"))
		return;
	if (host_path(path, sizeof(path), PCI_DEVICES "/%s/%s/net", pci->addr, virtio) == 0)
		first_entry(pci->netdev, sizeof(pci->netdev), path, "");
}

int pci_identify(struct pci_device *pci, const char *name)
{
	char group[16], addr[PCI_ADDR_LEN] = "";
	int err = resolve(name, addr);

	/* Only now: name may lie in pci. */
	memset(pci, 0, sizeof(*pci));
	if (err)
		return err;
	memcpy(pci->addr, addr, sizeof(addr));
	pci->vendor = (uint16_t)host_number(0, PCI_DEVICES "/%s/vendor", pci->addr);
	pci->device = (uint16_t)host_number(0, PCI_DEVICES "/%s/device", pci->addr);
	pci->class_code = (uint32_t)host_number(0, PCI_DEVICES "/%s/class", pci->addr);
	pci->numa_node = (int)host_number(-1, PCI_DEVICES "/%s/numa_node", pci->addr);
	pci->vfs = (int)host_number(0, PCI_DEVICES "/%s/sriov_numvfs", pci->addr);
	host_link(pci->driver, sizeof(pci->driver), PCI_DEVICES "/%s/driver", pci->addr);
	pci->iommu_group = -1;
	if (host_link(group, sizeof(group), PCI_DEVICES "/%s/iommu_group", pci->addr) == 0 &&
	    isdigit((unsigned char)group[0]))
		pci->iommu_group = atoi(group);
	find_netdev(pci);
	return 0;
}

int pci_identify_error(struct vfio_error *err, const char *name, int code)
{
	switch (code) {
	case -EINVAL:
		vfio_fail(err, EINVAL, name, "neither a PCI address nor an interface name");
		vfio_hint(err, "write it like 0000:00:03.0, 00:03.0 or eth1");
		break;
	case -ENXIO:
		vfio_fail(err, ENXIO, name, "this interface is not a PCI device");
		vfio_hint(err, "use it with --port packet:%s or --port tap:%s", name, name);
		break;
	default:
		vfio_fail(err, -code, name, "no such PCI device or interface");
		vfio_hint(err, "sandwire doctor lists the NICs; an interface in another network "
			       "namespace is only known by its PCI address");
	}
	return code;
}

static int by_addr(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->addr, ((const struct pci_device *)b)->addr);
}

static int list_folder(const char *path, struct pci_device *list, unsigned max)
{
	struct dirent *ent;
	unsigned n = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	while ((ent = readdir(dir))) {
		struct pci_device pci;
		char addr[PCI_ADDR_LEN];
		/* A group may also hold devices that are not PCI; they have no such name. */
		if (!addr_parse(ent->d_name, addr) || pci_identify(&pci, ent->d_name))
			continue;
		if (n < max)
			list[n] = pci;
		n++;
	}
	closedir(dir);
	qsort(list, n < max ? n : max, sizeof(*list), by_addr);
	return (int)n;
}

int pci_list(struct pci_device *list, unsigned max)
{
	char path[PATH_MAX];
	int err = host_path(path, sizeof(path), PCI_DEVICES);
	return err ? err : list_folder(path, list, max);
}

int pci_list_group(int group, struct pci_device *list, unsigned max)
{
	char path[PATH_MAX];
	int err = host_path(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices", group);
	return err ? err : list_folder(path, list, max);
}

bool pci_is_nic(const struct pci_device *pci)
{
	return pci->class_code >> 16 == 0x02;
}

bool pci_group_is_noiommu(int group)
{
	char name[32];
	return host_read(name, sizeof(name), "/sys/kernel/iommu_groups/%d/name", group) > 0 &&
	       !strcmp(name, "vfio-noiommu");
}

/* The kernel's rule (drivers/vfio, iommu_device_use_default_domain): no driver, a VFIO driver,
 * pci-stub, and the bridge driver do not stand in the way. */
bool pci_blocks_group(const struct pci_device *pci)
{
	if (!pci->driver[0] || !strcmp(pci->driver, "pci-stub") || !strcmp(pci->driver, "pcieport"))
		return false;
	return !strstr(pci->driver, "vfio");
}

int pci_group_blockers(const struct pci_device *pci, char *text, size_t size)
{
	struct pci_device members[64] = {0};
	size_t len = 0;
	int n, blockers = 0;

	text[0] = '\0';
	if (pci->iommu_group < 0)
		return 0;
	n = pci_list_group(pci->iommu_group, members, 64);
	if (n < 0)
		return 0;
	for (int i = 0; i < n && i < 64; i++) {
		if (!strcmp(members[i].addr, pci->addr) || !pci_blocks_group(&members[i]))
			continue;
		int w = snprintf(text + len, size - len, "%s%s (%s)", blockers ? ", " : "",
				 members[i].addr, members[i].driver);
		if (w > 0 && (size_t)w < size - len)
			len += (size_t)w;
		else
			text[len] = '\0';
		blockers++;
	}
	return blockers;
}
