/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's settings: each has a default that works, a range, a unit and a reason, all in one
 * table (config.c) that also makes `--help`.
 */
#ifndef SANDWIRED_CONFIG_H
#define SANDWIRED_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sandbox/layout.h"
#include "tcpip/tcpip.h"
#include "tools/failure.h"
#include "tools/sandwired/port_spec.h"

#define CONFIG_ADDR_MAX 16u
#define CONFIG_NAME_MAX 31u

struct config {
	char name[CONFIG_NAME_MAX + 1];
	struct port_spec ports[PORT_MAX];
	struct ip_addr addrs[CONFIG_ADDR_MAX];
	struct ip_addr gateway, gateway6; /* family 0: none */
	uint32_t ipv6;			  /* enum config_ipv6 */
	uint32_t n_ports, n_addrs;
	uint32_t mode;	/* enum seg_mode; 0: the best there is */
	uint32_t pages; /* enum config_pages */
	uint32_t dhcp, foreground;
	uint32_t mtu, mem, quota, spin, log_level;
	uint32_t irq_frames, irq_time;
	char file[256];
};

enum config_pages { PAGES_2M, PAGES_1G, PAGES_4K };
enum config_ipv6 { IPV6_AUTO, IPV6_ON, IPV6_OFF };
uint64_t config_page_size(const struct config *c); /* bytes */

/* Names of /run/sandwire/NAME: letters, digits, "._-", not first "." or "-". */
bool config_name_ok(const char *name);

/* Defaults, then the file (--config), then the arguments. 0; 1 when help or version was printed;
 * or -1 with f filled. */
int config_read(struct config *c, int argc, char **argv, struct failure *f);
/* One setting by name, from where it was read; for config_read and tests. */
int config_set(struct config *c, const char *name, const char *value, struct failure *f);
void config_defaults(struct config *c);
/* Combinations that cannot work. */
int config_check(const struct config *c, struct failure *f);
void config_help(FILE *to);
/* A manual page: the template with its line @OPTIONS@ replaced by the settings. 0 or -errno. */
int config_man(const char *template, FILE *to);
const char *config_mode_name(uint32_t mode);

#endif
