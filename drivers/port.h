/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract between a driver and everybody else: one port sends and receives frames.
 *
 * The framework (port.c) owns the port struct, queues of frames waiting to be sent, the stall
 * detector, link watch and counters; a driver knows registers and descriptors only. All entries
 * run under the stack lock, in whatever process happens to be in the sandbox; none may block, make
 * a system call, or wait for the device longer than 100 us, except start and stop, which may
 * busy-wait: the daemon calls them, and port_watch() does (some 30 ms) when a device has stalled.
 *
 * Order in port_start: ops->start, frames flow; in port_stop: ops->stop, waiting frames are freed.
 * A stalled device is stopped and started again with the same conf and priv; ring memory that
 * priv points to is used again, as dma_alloc never takes any back.
 */
#ifndef DRIVERS_PORT_H
#define DRIVERS_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/pktbuf.h"

#define PORT_MAX     16u
#define PORT_BATCH   64u  /* frames moved by one rx or tx call at most */
#define PORT_PENDING 512u /* frames waiting for room in the device before new ones are dropped */
/* Bytes of IP packet: the most where a frame must fit a buffer, and the most there is. */
#define PORT_MTU_WHOLE 1500u
#define PORT_MTU_MAX   9000u

struct port;

enum port_caps {
	PORT_CAP_RAW_IP = 1u << 0,     /* frames start at the IP header: no Ethernet, no ARP */
	PORT_CAP_TX_L4_CSUM = 1u << 1, /* honours PKTBUF_TX_L4_CSUM */
	PORT_CAP_RX_CSUM = 1u << 2,    /* sets PKTBUF_RX_*_CSUM_OK */
	PORT_CAP_IRQ = 1u << 3,	       /* interrupts announce frames; else the daemon must poll */
	PORT_CAP_PIECES = 1u << 4, /* frames in pieces, both ways: an MTU above PORT_MTU_WHOLE */
};

/*
 * Counters; one writer (the holder of the stack lock). Names are RFC 2863's; a frame that the
 * device cuts up counts as its segments, in out_errors as one. port.c counts packets, octets,
 * out_dropped, tx_stalls, resets and link_changes; drivers count the rest, `interrupts` as irq(on)
 * that found something to have come since the last: with MSI-X no cause is read.
 */
struct port_stats {
	uint64_t in_packets, in_octets, in_errors, in_no_buffer, in_missed;
	uint64_t out_packets, out_octets, out_errors, out_dropped;
	uint64_t interrupts, tx_stalls, resets, link_changes;
};

/* At most ten entries; `static const` at the bottom of the driver's file. */
struct port_ops {
	const char *name;
	size_t priv_size; /* bytes of driver state that port_start is given, zeroed, 64-aligned */
	/* Brings the device from reset to running: 0 or -errno. Reads port->conf. */
	int (*start)(struct port *port);
	/* Quiets the device and returns every pktbuf the driver holds. */
	void (*stop)(struct port *port);
	/* Up to max received frames into batch, which may be in pieces (pktbuf.h); the caller owns
	 * them. Refills the ring. */
	unsigned (*rx)(struct port *port, struct pktbuf **batch, unsigned max);
	/* Sends the first k of n frames, returns k (k < n: ring full); takes over one reference of
	 * each of those k. Reclaims what the device has finished. Rings the doorbell once. */
	unsigned (*tx)(struct port *port, struct pktbuf **batch, unsigned n);
	/* Is there probably something for rx, or are there finished tx frames? A memory read. */
	bool (*pending)(struct port *port);
	/* Acknowledges and re-arms the interrupt (on) or masks it (off). Optional without CAP_IRQ.
	 */
	void (*irq)(struct port *port, bool on);
	/* Refreshes port->link_up, link_mbps and device counters; called about once a second and
	 * after an interrupt that says the link changed. Returns true if TX has stalled. */
	bool (*watch)(struct port *port);
	/* Joins (on) or leaves a multicast MAC; promiscuous when mac is NULL. Optional. */
	int (*filter)(struct port *port, const uint8_t *mac, bool on);
};

/* Frames waiting for the device. Not a pktbuf_queue: a frame may at the same time be in a list of
 * the sender that keeps it for retransmission, and be here twice. */
struct port_txq {
	uint32_t head, count;
	struct pktbuf *frame[PORT_PENDING];
};

/* Memory for rings, from the DMA part of the heap; never freed while the net is up. */
struct dma_mem {
	void *va;
	uint64_t iova;
	size_t size;
};

/* What `--port KIND:NAME,key=value` became, plus what the daemon found out with VFIO. */
struct port_conf {
	char kind[16];
	char name[48];
	uint16_t rx_ring, tx_ring; /* descriptors; 0: the driver's default */
	uint16_t mtu;		   /* 0: 1500 */
	uint16_t vlan;		   /* 802.1Q: every frame has this tag, 1..4094; 0: none */
	bool offload;		   /* checksums, TCP segmentation */
	bool no_tso;		   /* the first alone */
	uint16_t pci_vendor, pci_device;
	volatile uint8_t *bar[6]; /* mapped in the segment's window for this port; NULL if absent */
	uint64_t bar_size[6];
	uint16_t irq_vectors; /* MSI-X/MSI vectors the daemon enabled; 0: INTx */
	bool irq_msi;	      /* they are of MSI, not of MSI-X */
	uint8_t mac[6];	      /* for software ports; hardware reads its own */
	void *shared;	      /* kind "tap": struct frame_rings, see drivers/frame_ring.h */
};

struct port {
	/* Read-mostly. */
	const struct port_ops *ops;
	void *priv;
	struct pktbuf_pool *pool;
	uint8_t mac[6];
	uint16_t mtu; /* bytes of IP packet */
	uint32_t caps;
	/* Segments that one PKTBUF_TX_TSO frame may have; 0: the driver drops such frames. By
	 * start(). */
	uint16_t tso_max;
	uint32_t index;
	struct port *next; /* of a stack's ports */
	struct port_conf conf;
	/* Gives ring memory, 4096-aligned; va NULL when the heap is full. Set by the framework. */
	struct dma_mem (*dma_alloc)(void *arg, size_t size);
	void *dma_arg;
	/* CLOCK_MONOTONIC without a system call: bounded waits, time stamps of captures. */
	uint64_t (*clock_ns)(void);

	/* Written on the data path. */
	bool link_up;
	bool running;
	uint32_t link_mbps;
	uint32_t rx_held;  /* pktbufs in the receive ring; kept by the driver */
	uint64_t watch_at; /* ns: next watch; 0: at once */
	struct port_stats stats;
	bool broken; /* being reset; if that failed, tried again at each watch, frames are dropped
		      */
	bool kick;   /* the driver's other side sleeps and has work; taken by port_wants_kick() */
	/* Ports over a port (capture, loss): called for each frame; see drivers/capture.h. */
	struct capture *captures;
	struct port_txq txq;
};

/* The driver for a PCI identity, or by kind ("tap", "null"); NULL if there is none. */
const struct port_ops *port_driver_pci(uint16_t vendor, uint16_t device);
const struct port_ops *port_driver_kind(const char *kind);

/*
 * Takes a port to running: zeroed but for pool, conf, index, dma_alloc, dma_arg and clock_ns. 0 or
 * -errno with nothing left behind (except ring memory, which has no way back).
 */
int port_start(struct port *port, const struct port_ops *ops, void *priv)
	__attribute__((warn_unused_result));
/* Returns every buffer; captures stay attached. Idempotent. */
void port_stop(struct port *port);

/* Receives a batch: driver, then captures. The caller owns the frames. */
unsigned port_rx(struct port *port, struct pktbuf **batch, unsigned max);

/* Queues one frame and takes over one reference, always: a full queue drops and counts it. Nothing
 * reaches the device before port_flush() (one doorbell for all). */
void port_send(struct port *port, struct pktbuf *frame);
void port_flush(struct port *port);

bool port_pending(const struct port *port);
/* Link, device counters, stall detection with reset; cheap when it is not yet time. */
void port_watch(struct port *port, uint64_t now);
/* Has port_flush() left something for a daemon that sleeps (kind "tap")? Asking takes it back. */
bool port_wants_kick(struct port *port);

/* For drivers: notes the state of the link and counts its changes. */
void port_link(struct port *port, bool up, uint32_t mbps);

#endif
