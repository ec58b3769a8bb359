/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports over a port: a chain of taps that see each frame as it passes, in and out. The capture tap
 * copies frames into a ring in shared memory (capture_ring.h), from which `sandwire dump` reads.
 *
 * Called by port.c under the stack lock. A tap may look and copy; it must not change a frame, keep
 * it, or wait: the ring counts what did not fit, so a slow reader never slows the net.
 */
#ifndef DRIVERS_CAPTURE_H
#define DRIVERS_CAPTURE_H

#include <stddef.h>

#include "drivers/capture_ring.h"
#include "drivers/port.h"

struct capture {
	struct capture *next; /* of the port's taps */
	void (*frame)(struct capture *tap, const struct port *port, const struct pktbuf *frame,
		      enum capture_direction dir, uint64_t now);
	void *arg; /* the tap's own */
};

/* Puts a tap on top of a port's chain; takes it out: false if it was not there. */
void capture_attach(struct port *port, struct capture *tap);
bool capture_detach(struct port *port, struct capture *tap);
/* For port.c: shows n frames to every tap; one that the device cuts up, segment by segment. */
void capture_frames(struct port *port, struct pktbuf **batch, unsigned n,
		    enum capture_direction dir);

/* For port.c: adds the checksum that was left to the device, before the device has a frame that
 * will be captured; not to one that the device cuts up. */
void capture_checksum(struct pktbuf *frame);

/*
 * The ring's one producer, for any number of ports. Nothing here is read back from the ring but
 * the tail, so a hostile reader can lose frames for itself and do nothing else.
 */
struct capture_writer {
	struct capture_ring *ring;
	uint64_t size; /* bytes of records the ring holds */
	uint64_t head; /* bytes ever written */
	uint64_t captured, dropped;
	uint32_t snaplen;
};

/* Lays out an empty ring over `bytes` of memory (SEG_CAPTURE_SIZE): 0 or -EINVAL. snaplen 0: whole
 * frames. */
int capture_writer_init(struct capture_writer *w, void *memory, size_t bytes, uint32_t snaplen)
	__attribute__((warn_unused_result));
void capture_write(struct capture_writer *w, uint32_t port_index, const struct pktbuf *frame,
		   enum capture_direction dir, uint64_t now);
/* A tap that writes to w; one tap for each port captured. */
void capture_tap_init(struct capture *tap, struct capture_writer *w);

#endif
