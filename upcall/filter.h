/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MCAST_MSFILTER of RFC 3678 5.2: Linux's struct group_filter, with 128 bytes an address, against
 * the one that crosses. For api.c.
 */
#ifndef UPCALL_FILTER_H
#define UPCALL_FILTER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "upcall/upcall_abi.h"

bool filter_option(int level, int name);
/* What a program sets, or (without sources) asks for: 0 or what Linux says is wrong with it. */
int filter_in(struct call_filter *filter, const void *value, socklen_t len, bool sources);
/* Fills as much of value as was asked for in it and *len has room for; sets *len. */
void filter_out(void *value, socklen_t *len, const struct call_filter *filter);

#endif
