/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes and addresses of a fake host, in rtnetlink's own format: put fake_rtnetlink_dump into
 * netuse_dump. */
#ifndef TESTS_TOOLS_FAKE_RTNETLINK_H
#define TESTS_TOOLS_FAKE_RTNETLINK_H

#include "tools/netuse.h"

void fake_rtnetlink_clear(void);
/* A unicast IPv4 route with this prefix length over this interface. */
void fake_route(unsigned prefix_len, unsigned ifindex);
/* A default route over two. */
void fake_multipath_route(unsigned ifindex1, unsigned ifindex2);
void fake_addr(unsigned ifindex, const char *ip);
int fake_rtnetlink_dump(int type, void (*each)(const struct nlmsghdr *msg, void *arg), void *arg);

#endif
