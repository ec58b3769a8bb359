/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the host would lose with an interface: a default route, or connections that are established
 * over it. Looks at the interface and at all stacked on it (bonds, bridges, VLANs).
 */
#ifndef TOOLS_NETUSE_H
#define TOOLS_NETUSE_H

#include <linux/netlink.h>
#include <stdbool.h>

struct netuse {
	bool default_route;
	char route_dev[16];   /* the interface that carries it */
	unsigned connections; /* established, with someone who is not this host itself */
	char example[128];    /* one of them: "192.0.2.1:22 from 192.0.2.77:51234" */
};

/* 0 or -errno. */
int netuse_find(const char *netdev, struct netuse *use);

/* Asks the kernel for all objects of a kind (RTM_GETROUTE, RTM_GETADDR) and hands each answer to
 * `each`. Tests put their own here. */
extern int (*netuse_dump)(int type, void (*each)(const struct nlmsghdr *msg, void *arg), void *arg);

#endif
