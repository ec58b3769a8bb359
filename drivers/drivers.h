/* SPDX-License-Identifier: BSD-3-Clause */
/* The drivers there are: what port.c's tables list. Private to this folder and its tests. */
#ifndef DRIVERS_DRIVERS_H
#define DRIVERS_DRIVERS_H

#include "drivers/port.h"

extern const struct port_ops e1000e_ops;    /* e1000e.c */
extern const struct port_ops ring_port_ops; /* ring_port.c: kind "tap" */
extern const struct port_ops null_ops;	    /* skeleton.c: swallows what is sent */
extern const struct port_ops loop_ops;	    /* skeleton.c: what is sent comes back */

/* A software port's own address: conf.mac, or 02:53:57:00:00:INDEX where there is none. */
void port_soft_mac(struct port *port);

#endif
