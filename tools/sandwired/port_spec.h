/* SPDX-License-Identifier: BSD-3-Clause */
/* What `--port KIND:NAME,key=value,...` says. */
#ifndef SANDWIRED_PORT_SPEC_H
#define SANDWIRED_PORT_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/failure.h"

enum port_kind { PORT_PCI, PORT_TAP, PORT_NULL };

struct port_spec {
	enum port_kind kind;
	char name[48];	/* PCI address or interface; "" for null */
	char text[64];	/* KIND:NAME, as shown and as locked */
	uint16_t ring;	/* descriptors; 0: the driver's default */
	uint16_t vlan;	/* 802.1Q tag of all frames; 0: none */
	bool offload;	/* let the device compute checksums and cut TCP segments */
	bool no_tso;	/* checksums alone */
	bool has_mac;	/* software ports: */
	uint8_t mac[6]; /* chosen by the user instead of at random */
};

const char *port_kind_name(enum port_kind kind);
int port_spec_parse(const char *text, struct port_spec *out, struct failure *f);

#endif
