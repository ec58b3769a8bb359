/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving a NIC to vfio-pci and back: the steps behind `sandwire bind` and `unbind`, and the two
 * places where they touch the kernel, which tests replace.
 */
#ifndef TOOLS_BIND_H
#define TOOLS_BIND_H

#include <stdbool.h>

#include "vfio/vfio.h"

/* Where the former driver of ADDR is remembered, until unbind. */
#define BIND_STATE_DIR "/run/sandwire/bind"

struct bind_state {
	char driver[32];   /* "": had none */
	char module[32];   /* of that driver, "" if built in */
	char netdev[16];   /* as it was called */
	char override[32]; /* its driver_override before */
};

/* 0 done, 1 nothing to do, -errno with err filled. `pci` is what it was before. */
int bind_device(struct pci_device *pci, const char *name, bool force, struct vfio_error *err);
int unbind_device(struct pci_device *pci, const char *name, struct bind_state *former,
		  struct vfio_error *err);

/* 0, or -errno with err filled: why the host should not lose this NIC. */
int bind_refusal(const struct pci_device *pci, struct vfio_error *err);

/* One write to one file of sysfs. */
extern int (*bind_sysfs_write)(const char *text, const char *path);
/* Loads a module: 0 or -errno. */
extern int (*bind_modprobe)(const char *module);

#endif
