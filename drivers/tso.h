/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame that a device is to cut into TCP segments (PKTBUF_TX_TSO in sandbox/pktbuf.h): whether it
 * is one, and what its segments look like on the wire. For drivers, which check a frame before they
 * make descriptors of it, and for captures, which show what the device made of it.
 *
 *	frame	| Ethernet [802.1Q] | IP | TCP, options |	headers of all segments
 *	more	| gso_size bytes | gso_size bytes | 1 to gso_size bytes |
 */
#ifndef DRIVERS_TSO_H
#define DRIVERS_TSO_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/pktbuf.h"

/* A frame as tso_parse() found it. */
struct tso {
	const struct pktbuf *frame;
	bool ip6;
	uint16_t ip, tcp;  /* where these headers begin, bytes from the frame's start */
	uint32_t segments; /* 1 or more */
	uint32_t payload;  /* bytes, of all segments */
};

/*
 * False if this is not such a frame, with one to `max` segments, which all fit a buffer and an IP
 * packet. Reads nothing that a driver or its device changes (the two lengths and checksums), so it
 * says the same of a frame that has been sent.
 */
bool tso_parse(struct tso *t, const struct pktbuf *frame, unsigned max);

/*
 * Writes segment n (from 0), whose payload is `piece`, as it goes on the wire: at most PKTBUF_SIZE
 * bytes. Its length. RFC 9293 3.1, RFC 3168 6.1.2: FIN and PSH go with the last, CWR with the
 * first.
 */
uint16_t tso_segment(const struct tso *t, uint32_t n, const struct pktbuf *piece, uint8_t *to);

#endif
