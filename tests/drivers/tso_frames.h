/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for the device to cut up, of many shapes, and what their segments must look like. */
#ifndef TESTS_DRIVERS_TSO_FRAMES_H
#define TESTS_DRIVERS_TSO_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/pktbuf.h"

#define TSO_FIN 0x01u
#define TSO_PSH 0x08u
#define TSO_ACK 0x10u
#define TSO_CWR 0x80u

struct tso_shape {
	bool ip6, vlan;
	uint8_t ip_options, tcp_options; /* bytes, a multiple of 4 */
	uint8_t flags;			 /* of TCP */
	uint16_t gso, last;		 /* bytes of payload: of each segment, of the last */
	unsigned segments;
};

/* Both families with and without a tag and options; a last segment that is full, odd, tiny. */
#define TSO_SHAPES 10u
extern const struct tso_shape tso_shapes[TSO_SHAPES];

/* The frame; NULL if the pool has too few buffers. */
struct pktbuf *tso_frame(struct pktbuf_pool *pool, const struct tso_shape *s);
/* Fails the test unless this is segment n. */
void tso_expect(const struct tso_shape *s, unsigned n, const uint8_t *frame, size_t len);
/* Bytes of headers. */
uint16_t tso_headers(const struct tso_shape *s);

#endif
