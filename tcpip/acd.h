/* SPDX-License-Identifier: BSD-3-Clause */
/* Address conflict detection, RFC 5227. Private to tcpip/. */
#ifndef TCPIP_ACD_H
#define TCPIP_ACD_H

#include "tcpip/stack.h"

/* One address being asked for; in its owner's struct, first the timer. */
struct acd {
	struct timer timer;
	struct acd *next; /* of stack.acds, while it runs */
	struct port *port;
	uint32_t addr; /* network byte order */
	uint8_t step;
	/* Once, some 4 to 7 s after the start, or when somebody else turns out to have it. */
	void (*done)(struct stack *st, struct acd *a, bool conflict);
};

/* Asks whether anybody has `addr` on the port. */
void acd_start(struct stack *st, struct acd *a, struct port *port, uint32_t addr);
/* Tells everybody that it is ours now, twice. */
void acd_announce(struct stack *st, struct acd *a);
void acd_stop(struct stack *st, struct acd *a);
/* Every ARP message: ends the probing of an address that it shows to be in use. */
void acd_heard(struct stack *st, struct port *port, const struct arp_msg *m);
/* Somebody else uses `addr`, which is ours: says so on the wire, at most every 10 s (2.4 c). */
void acd_defend(struct stack *st, struct port *port, uint32_t addr);

#endif
