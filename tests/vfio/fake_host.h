/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host made of files: a temporary folder that stands for / (host_root), filled by the test with
 * the parts of /sys, /proc and /dev that the code under test reads.
 */
#ifndef TESTS_VFIO_FAKE_HOST_H
#define TESTS_VFIO_FAKE_HOST_H

/* An empty host; ends the one before. */
void fake_host_new(void);
void fake_host_free(void);
/* Writes `text` into a file, making its folders. */
void fake_file(const char *text, const char *path, ...) __attribute__((format(printf, 2, 3)));
void fake_folder(const char *path, ...) __attribute__((format(printf, 1, 2)));
/* A symbolic link at `path` to `target`, both from the fake root. */
void fake_link(const char *target, const char *path);
void fake_remove(const char *path);

struct fake_pci {
	const char *addr;
	unsigned vendor, device;
	unsigned class_code; /* 0: Ethernet */
	const char *driver;  /* NULL: none */
	int group;	     /* 0: none */
	const char *netdev;  /* NULL: none */
	const char *virtio;  /* the device between, for a virtio NIC */
	int vfs;
};
void fake_pci(const struct fake_pci *pci);

#endif
