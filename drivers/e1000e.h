/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The e1000e driver's state, shared by e1000e.c (bring-up, link, interrupts), e1000e_ring.c
 * (frames) and e1000e_tso.c (frames that the device cuts up). Private to those and their tests.
 *
 *	rx:  clean <= fill		slots [clean, fill) belong to the device, each has a buffer;
 *					RDT = fill, so at most count - 1
 *	tx:  clean <= next		slots [clean, next) belong to the device; TDT = next
 */
#ifndef DRIVERS_E1000E_H
#define DRIVERS_E1000E_H

#include "drivers/e1000e_regs.h"
#include "drivers/port.h"
#include "drivers/tso.h"

#define E1000E_RING_DEFAULT 512u
#define E1000E_RING_MIN	    64u
#define E1000E_RING_MAX	    1024u
#define E1000E_MULTICAST    32u
#define E1000E_RX_PIECE	    1024u /* of a frame over several descriptors, each but the last */
/* Descriptors of a frame to be cut up, at most: context, headers, one a piece. */
#define E1000E_TSO_SLOTS(t) ((t)->segments + 2)

struct e1000e {
	volatile uint8_t *regs;
	struct dma_mem rx_mem, tx_mem; /* kept over a reset */

	/* Receive. Indices run from 0 to count - 1. */
	struct e1000e_rx_desc *rx;
	uint32_t rx_count, rx_clean, rx_fill;
	uint32_t rx_most;	 /* bytes that a frame in one descriptor has at most */
	bool rx_within;		 /* the last descriptor taken was not a frame's last */
	struct pktbuf *rx_frame; /* what has come of that frame; NULL: it is being dropped */
	struct pktbuf *rx_last;	 /* the last piece of that */
	uint32_t rx_len;	 /* its bytes; 0 when there is none */

	/* Transmit. */
	struct e1000e_tx_desc *tx;
	uint32_t tx_count, tx_clean, tx_next;
	uint32_t csum_start, csum_offset; /* of the last context descriptor; 0: none yet */

	/* Stall detection: the state when something last moved. */
	uint32_t seen_tdh, seen_clean;
	uint64_t moved_at; /* ns; 0: nothing was waiting */

	uint32_t counted[E1000E_COUNTERS]; /* last readings of those that do not clear */

	bool msix, armed;
	uint64_t frames_at_arm; /* in_packets when the interrupt was last armed */
	uint32_t irq_mask;

	/* Joined multicast addresses; counts how often, as several sockets may join one. */
	struct {
		uint8_t mac[6];
		uint16_t refs;
	} multicast[E1000E_MULTICAST];
	uint32_t multicast_more; /* joined but not in the table: all multicast comes in */
	uint32_t promiscuous;

	struct pktbuf *rx_buf[E1000E_RING_MAX];
	/* Where a frame's last descriptor is; NULL: its others, and context descriptors. */
	struct pktbuf *tx_buf[E1000E_RING_MAX];
};

/* e1000e_ring.c */
int e1000e_rings_alloc(struct port *port);  /* memory; 0 or -errno */
void e1000e_rings_reset(struct port *port); /* empty rings, their addresses in the device */
void e1000e_rx_refill(struct port *port);
void e1000e_rings_free(struct port *port); /* returns all buffers */
unsigned e1000e_rx(struct port *port, struct pktbuf **batch, unsigned max);
unsigned e1000e_tx(struct port *port, struct pktbuf **batch, unsigned n);
bool e1000e_pending(struct port *port);
bool e1000e_stalled(struct port *port, uint64_t now);
/* Fills the next slot, for which there is room; p goes when the device has done this one. */
void e1000e_tx_put(struct e1000e *e, struct pktbuf *p, uint64_t addr, uint64_t cmd);

/* e1000e_tso.c */
uint16_t e1000e_tso_max(const struct port *port);
/* Can the device cut it up? t says what it is, for e1000e_tso_put. */
bool e1000e_tso_valid(const struct port *port, const struct pktbuf *p, struct tso *t);
/* Fills E1000E_TSO_SLOTS at most, for which there is room. Takes over p; writes to its headers. */
void e1000e_tso_put(struct e1000e *e, struct pktbuf *p, const struct tso *t);

#endif
