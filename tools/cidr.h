/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses as people write them: 192.0.2.1, 192.0.2.0/24, 2001:db8::1/64, 02:00:00:00:00:01. */
#ifndef TOOLS_CIDR_H
#define TOOLS_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcpip/tcpip.h"

#define CIDR_TEXT 64 /* room for any of the texts */

/* 0 or -EINVAL (not an address). */
int cidr_parse_addr(const char *text, struct ip_addr *out);
/* ADDR/PREFIX. A prefix is asked for: leaving it out is almost always a mistake. */
int cidr_parse(const char *text, struct ip_addr *out);
/* As cidr_parse, and "default"; -EDOM when bits are set beyond the prefix. */
int cidr_parse_dst(const char *text, struct ip_addr *out);
int cidr_parse_mac(const char *text, uint8_t mac[6]);
/* Is addr within the prefix of net? */
bool cidr_holds(const struct ip_addr *net, const struct ip_addr *addr);
/* May a port hold it? No: all zeros, multicast, broadcast, loopback. */
int cidr_is_host(const struct ip_addr *addr);

const char *cidr_addr_text(const struct ip_addr *addr, char *buf, size_t size);
const char *cidr_text(const struct ip_addr *addr, char *buf, size_t size); /* with /PREFIX */
const char *cidr_mac_text(const uint8_t mac[6], char *buf, size_t size);

#endif
