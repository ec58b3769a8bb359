// SPDX-License-Identifier: BSD-3-Clause
/* A host made of files; see fake_host.h. Any failure ends the test program: it is the test's own.
 */
#include <err.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/vfio/fake_host.h"
#include "vfio/vfio.h"

static char root[] = "/tmp/sandwire-fake-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fake_host_free(void)
{
	if (!host_root[0])
		return;
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	host_root = "";
}

void fake_host_new(void)
{
	fake_host_free();
	strcpy(root + strlen(root) - 6, "XXXXXX");
	if (!mkdtemp(root))
		err(1, "%s", root);
	host_root = root;
}

/* Makes every folder on the way to `path`, and path itself where it ends in a slash. */
static void make_folders(char *path)
{
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			err(1, "%s", path);
		*slash = '/';
	}
}

static void full_path(char *buf, const char *fmt, va_list args)
{
	int n = snprintf(buf, PATH_MAX, "%s", root);
	vsnprintf(buf + n, PATH_MAX - (size_t)n, fmt, args);
}

void fake_file(const char *text, const char *path, ...)
{
	char full[PATH_MAX];
	va_list args;
	FILE *f;

	va_start(args, path);
	full_path(full, path, args);
	va_end(args);
	make_folders(full);
	f = fopen(full, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		err(1, "%s", full);
}

void fake_folder(const char *path, ...)
{
	char full[PATH_MAX];
	va_list args;

	va_start(args, path);
	full_path(full, path, args);
	va_end(args);
	strcat(full, "/");
	make_folders(full);
}

void fake_link(const char *target, const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s%s", root, path);
	snprintf(to, sizeof(to), "%s%s", root, target);
	make_folders(from);
	unlink(from);
	if (symlink(to, from))
		err(1, "%s", from);
}

void fake_remove(const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	nftw(full, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fake_pci(const struct fake_pci *pci)
{
	char dir[64], path[512], target[256], text[32];

	/* As in sysfs: the device below its bus, and a link to it where all are listed. */
	snprintf(dir, sizeof(dir), "/sys/devices/pci0000:00/%s", pci->addr);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", pci->addr);
	snprintf(text, sizeof(text), "0x%04x\n", pci->vendor);
	fake_file(text, "%s/vendor", dir);
	snprintf(text, sizeof(text), "0x%04x\n", pci->device);
	fake_file(text, "%s/device", dir);
	snprintf(text, sizeof(text), "0x%06x\n", pci->class_code ? pci->class_code : 0x020000);
	fake_file(text, "%s/class", dir);
	fake_file("-1\n", "%s/numa_node", dir);
	fake_file("(null)\n", "%s/driver_override", dir);
	snprintf(text, sizeof(text), "%d\n", pci->vfs);
	fake_file(text, "%s/sriov_numvfs", dir);
	fake_link(dir, path);
	if (pci->driver) {
		snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s", pci->driver);
		fake_folder("%s", target);
		fake_file("", "%s/unbind", target);
		snprintf(path, sizeof(path), "%s/driver", dir);
		fake_link(target, path);
	}
	if (pci->group) {
		snprintf(target, sizeof(target), "/sys/kernel/iommu_groups/%d", pci->group);
		snprintf(path, sizeof(path), "%s/iommu_group", dir);
		fake_link(target, path);
		snprintf(path, sizeof(path), "%s/devices/%s", target, pci->addr);
		fake_link(dir, path);
	}
	if (pci->netdev) {
		snprintf(target, sizeof(target), "%s%s%s/net/%s", dir, pci->virtio ? "/" : "",
			 pci->virtio ? pci->virtio : "", pci->netdev);
		fake_folder("%s", target);
		snprintf(path, sizeof(path), "/sys/class/net/%s", pci->netdev);
		fake_link(target, path);
	}
}
