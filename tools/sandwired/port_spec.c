/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of a port: KIND:NAME,key=value,... Called by config.c.
 */
#include "tools/sandwired/port_spec.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cidr.h"

#define KINDS_TEXT "there are pci:ADDRESS, tap:INTERFACE and null"

static const char *const kinds[] = {[PORT_PCI] = "pci", [PORT_TAP] = "tap", [PORT_NULL] = "null"};

const char *port_kind_name(enum port_kind kind)
{
	return kinds[kind];
}

static int set_ring(struct port_spec *p, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || v < 64 || v > 4096 || (v & (v - 1)))
		return -1;
	p->ring = (uint16_t)v;
	return 0;
}

static int set_offload(struct port_spec *p, const char *value)
{
	p->offload = strcmp(value, "off") != 0;
	p->no_tso = strcmp(value, "on") != 0;
	return !p->offload || !p->no_tso || !strcmp(value, "csum") ? 0 : -1;
}

static int set_vlan(struct port_spec *p, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || v < 1 || v > 4094)
		return -1;
	p->vlan = (uint16_t)v;
	return 0;
}

static int set_mac(struct port_spec *p, const char *value)
{
	p->has_mac = true;
	return p->kind == PORT_PCI ? -1 : cidr_parse_mac(value, p->mac);
}

static int set_queues(struct port_spec *p, const char *value)
{
	return strcmp(value, "1") ? -1 : 0;
}

static const struct {
	const char *key, *range;
	int (*set)(struct port_spec *p, const char *value);
} keys[] = {
	{"ring", "a power of two from 64 to 4096", set_ring},
	{"offload", "on, csum or off", set_offload},
	{"vlan", "1 to 4094", set_vlan},
	{"mac", "six hex bytes, not a group address, on a software port", set_mac},
	{"queues", "1 (more than one is not available yet)", set_queues},
};

static int set_key(struct port_spec *p, const char *text, char *pair, struct failure *f)
{
	char *value = strchr(pair, '=');

	if (!value)
		return misused(f, text, "'%s' is not key=value", pair);
	*value++ = 0;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].key, pair))
			continue;
		if (keys[i].set(p, value))
			return misused(f, text, "%s=%s: %s", pair, value, keys[i].range);
		return 0;
	}
	return misused(f, text, "no setting '%s'; a port has ring, offload, vlan, mac, queues",
		       pair);
}

static bool name_fits(const struct port_spec *p, const char *name)
{
	size_t max = p->kind == PORT_TAP ? IFNAMSIZ : sizeof(p->name);

	if (p->kind == PORT_NULL)
		return strlen(name) < sizeof(p->name);
	if (!*name || strlen(name) >= max || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++) /* as the kernel's dev_valid_name(); "%" would be a pattern */
		if (*name == '/' || *name == '%' || isspace((unsigned char)*name) ||
		    !isprint((unsigned char)*name) || (*name == ':' && p->kind == PORT_TAP))
			return false;
	return true;
}

int port_spec_parse(const char *text, struct port_spec *p, struct failure *f)
{
	char copy[256], *rest, *name, *pair;
	unsigned k;

	memset(p, 0, sizeof(*p));
	p->offload = true;
	if (strlen(text) >= sizeof(copy))
		return misused(f, "--port", "too long: %.40s...", text);
	strcpy(copy, text);
	rest = copy;
	name = strsep(&rest, ",");
	pair = strchr(name, ':');
	if (pair)
		*pair++ = 0;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (!strcmp(kinds[k], name))
			break;
	if (k == sizeof(kinds) / sizeof(kinds[0])) {
		static const char *const later[] = {"packet", "xdp", "shm"};

		for (k = 0; k < sizeof(later) / sizeof(later[0]); k++)
			if (!strcmp(later[k], name))
				return misused(f, text, "port kind '%s' is not available yet; %s",
					       name, KINDS_TEXT);
		return misused(f, *text ? text : "--port", "no port kind '%s'; %s", name,
			       KINDS_TEXT);
	}
	p->kind = (enum port_kind)k;
	if (!name_fits(p, pair ? pair : ""))
		return misused(f, text, "'%s' cannot be the name of a %s port; %s",
			       pair ? pair : "", kinds[k], KINDS_TEXT);
	snprintf(p->name, sizeof(p->name), "%s", pair ? pair : "");
	snprintf(p->text, sizeof(p->text), "%s%s%s", kinds[k], *p->name ? ":" : "", p->name);
	while ((pair = strsep(&rest, ",")))
		if (set_key(p, text, pair, f))
			return -1;
	return 0;
}
