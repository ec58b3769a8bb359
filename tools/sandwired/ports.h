/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's half of a port: what the sandbox cannot do itself (open files, map registers, wait
 * for interrupts). The other half is the driver in the image. One ops table a kind.
 */
#ifndef SANDWIRED_PORTS_H
#define SANDWIRED_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/frame_ring.h"
#include "drivers/port.h"
#include "tools/failure.h"
#include "tools/sandwired/loop.h"
#include "tools/sandwired/port_spec.h"

struct net;
struct net_port;
struct vfio_device;

struct net_port_ops {
	/* Opens the device and fills conf for the driver; runs before ADMIN_PORT_ADD. 0 or -1. */
	int (*open)(struct net_port *p, struct failure *f);
	/* After the driver has started: begins to listen. 0 or -1. */
	int (*started)(struct net_port *p, struct failure *f);
	/* Gives everything back; the driver has stopped. Also after a failed open. */
	void (*close)(struct net_port *p);
	/* Software ports: frames from the file to the driver, and from the driver to the file.
	 * Frames moved. Optional. */
	unsigned (*take)(struct net_port *p);
	unsigned (*give)(struct net_port *p);
	/* Before the daemon sleeps: arms what shall wake it; true when there is something to do
	 * after all. Optional. */
	bool (*arm)(struct net_port *p);
};
extern const struct net_port_ops port_pci, port_tap, port_null;

struct net_port {
	const struct net_port_ops *ops;
	struct net *net;
	const struct port_spec *spec;
	struct port_conf conf;
	int index; /* the image's; -1: not added */

	/* pci */
	struct vfio_device *vfio;
	int irq_fd; /* of `vfio` */
	struct watch irq;
	bool fired, intx;
	bool irq_watched; /* by the loop; else the module watches it */

	/* tap */
	struct watch tap;
	int rings_fd; /* memory of the frame rings; -1: none */
	struct frame_rings *rings;
	struct frame_end rx, tx;
	bool tap_ready; /* there may be something to read */
	bool tap_gone;	/* the device was taken away */
};

int ports_open(struct net *net, struct failure *f); /* all of net->conf; 0, or -1, none left */
void ports_close(struct net *net);
unsigned ports_take(struct net *net);
unsigned ports_give(struct net *net);
bool ports_arm(struct net *net);
void ports_fired(struct net *net); /* some interrupt came that the module watches */
/* By number or by KIND:NAME or NAME; NULL: the first. NULL with f filled when there is none. */
struct net_port *ports_find(struct net *net, const char *name, struct failure *f);

#endif
