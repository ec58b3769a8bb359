// SPDX-License-Identifier: BSD-3-Clause
/*
 * The framework around a driver: finds it, starts and stops it, keeps the frames that wait for
 * room in the device, counts, watches the link, resets a device that has stalled. Called by
 * sandbox/turn.c (in), the stack (out) and the daemon's calls; calls the driver's port_ops and the
 * captures stacked on the port.
 */
#include "drivers/port.h"

#include <errno.h>
#include <string.h>

#include "drivers/capture.h"
#include "drivers/drivers.h"

#define WATCH_INTERVAL 1000000000ull /* ns */

static const struct {
	uint16_t vendor, device;
	const struct port_ops *ops;
} pci_drivers[] = {
	{0x8086, 0x10d3, &e1000e_ops}, /* 82574L */
	{0x8086, 0x10f6, &e1000e_ops}, /* 82574LA */
};

static const struct port_ops *const kinds[] = {&ring_port_ops, &null_ops, &loop_ops};

const struct port_ops *port_driver_pci(uint16_t vendor, uint16_t device)
{
	for (unsigned i = 0; i < sizeof(pci_drivers) / sizeof(pci_drivers[0]); i++)
		if (pci_drivers[i].vendor == vendor && pci_drivers[i].device == device)
			return pci_drivers[i].ops;
	return NULL;
}

const struct port_ops *port_driver_kind(const char *kind)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i]->name, kind))
			return kinds[i];
	return NULL;
}

int port_start(struct port *port, const struct port_ops *ops, void *priv)
{
	int err;

	port->ops = ops;
	port->priv = priv;
	port->mtu = port->conf.mtu ? port->conf.mtu : 1500;
	port->caps = 0;
	port->tso_max = 0;
	port->link_up = port->broken = port->kick = false;
	port->link_mbps = 0;
	port->watch_at = 0;
	port->txq.head = port->txq.count = 0;
	err = ops->start(port);
	if (!err && port->mtu > PORT_MTU_WHOLE && !(port->caps & PORT_CAP_PIECES)) {
		ops->stop(port);
		err = -EMSGSIZE;
	}
	if (err) {
		port->ops = NULL;
		port->priv = NULL;
		port->link_up = false;
		return err;
	}
	port->running = true;
	return 0;
}

/* On the wire: of a frame that the device cuts up, each segment is one. */
static uint32_t packets(const struct pktbuf *frame)
{
	return frame->flags & PKTBUF_TX_TSO ? pktbuf_pieces(frame->more) : 1;
}

static void drop(struct port *port, struct pktbuf *frame)
{
	port->stats.out_dropped += packets(frame);
	pktbuf_free(frame);
}

static void txq_drop(struct port *port, uint32_t n)
{
	struct port_txq *q = &port->txq;

	for (; n; n--) {
		drop(port, q->frame[q->head]);
		q->head = (q->head + 1) % PORT_PENDING;
		q->count--;
	}
}

void port_stop(struct port *port)
{
	if (port->running)
		port->ops->stop(port);
	port->running = port->broken = port->link_up = false;
	txq_drop(port, port->txq.count);
}

static uint32_t octets_of(const struct port *port, const struct pktbuf *frame)
{
	return port->caps & PORT_CAP_PIECES ? pktbuf_total(frame) : frame->len;
}

unsigned port_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	unsigned n;

	if (!port->running)
		return 0;
	n = port->ops->rx(port, batch, max < PORT_BATCH ? max : PORT_BATCH);
	for (unsigned i = 0; i < n; i++)
		port->stats.in_octets += octets_of(port, batch[i]);
	port->stats.in_packets += n;
	if (port->captures && n)
		capture_frames(port, batch, n, CAPTURE_IN);
	return n;
}

void port_send(struct port *port, struct pktbuf *frame)
{
	struct port_txq *q = &port->txq;

	/* A device being reset (broken) keeps what already waits, but not for ever more. */
	if (!port->running || q->count == PORT_PENDING) {
		drop(port, frame);
		return;
	}
	q->frame[(q->head + q->count) % PORT_PENDING] = frame;
	q->count++;
}

struct wire {
	uint64_t packets, octets;
};

/* What frames are on the wire: one that the device cuts up is a packet a segment, each with the
 * headers. */
static struct wire on_wire(const struct port *port, struct pktbuf **batch, unsigned n)
{
	struct wire w = {n, 0};
	unsigned flags = 0;

	for (unsigned i = 0; i < n; i++) {
		w.octets +=
			batch[i]->flags & PKTBUF_TX_TSO ? batch[i]->len : octets_of(port, batch[i]);
		flags |= batch[i]->flags;
	}
	for (unsigned i = 0; flags & PKTBUF_TX_TSO && i < n; i++) {
		if (batch[i]->flags & PKTBUF_TX_TSO) {
			w.packets += packets(batch[i]) - 1ull;
			w.octets += pktbuf_total(batch[i]->more) +
				    (packets(batch[i]) - 1ull) * batch[i]->len;
		}
	}
	return w;
}

/* The driver may free what it takes at once: all is counted before, and what it did not take is
 * taken back. A capture looks at frames after the doorbell, so it holds them. Only what the device
 * took is captured. */
static unsigned send_batch(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct wire all = on_wire(port, batch, n), rest;
	unsigned sent;

	for (unsigned i = 0; port->captures && i < n; i++) {
		capture_checksum(batch[i]);
		pktbuf_hold(batch[i]);
	}
	sent = port->ops->tx(port, batch, n);
	rest = on_wire(port, batch + sent, n - sent);
	port->stats.out_packets += all.packets - rest.packets;
	port->stats.out_octets += all.octets - rest.octets;
	if (port->captures) {
		capture_frames(port, batch, sent, CAPTURE_OUT);
		for (unsigned i = 0; i < n; i++)
			pktbuf_free(batch[i]);
	}
	return sent;
}

void port_flush(struct port *port)
{
	struct port_txq *q = &port->txq;

	while (port->running && q->count) {
		unsigned sent, n = PORT_PENDING - q->head; /* up to where the array wraps */

		if (n > q->count)
			n = q->count;
		if (n > PORT_BATCH)
			n = PORT_BATCH;
		sent = send_batch(port, &q->frame[q->head], n);
		q->head = (q->head + sent) % PORT_PENDING;
		q->count -= sent;
		if (sent < n)
			break;
	}
}

bool port_pending(const struct port *port)
{
	/* A query, though the driver's entry takes a port it may write to like all others. */
	return port->running && port->ops->pending((struct port *)(uintptr_t)port);
}

bool port_wants_kick(struct port *port)
{
	bool kick = port->kick;

	port->kick = false;
	return kick;
}

void port_link(struct port *port, bool up, uint32_t mbps)
{
	if (port->link_up != up)
		port->stats.link_changes++;
	port->link_up = up;
	port->link_mbps = up ? mbps : 0;
}

/* Frames in the device's rings are lost, those that wait in txq are not. */
static void reset(struct port *port)
{
	port->broken = true; /* stop may leave out what only an end needs */
	if (port->running)
		port->ops->stop(port);
	port->running = port->ops->start(port) == 0;
	port->broken = !port->running;
	if (port->running)
		port->stats.resets++;
	else
		port_link(port, false, 0);
}

void port_watch(struct port *port, uint64_t now)
{
	if (now < port->watch_at || !(port->running || port->broken))
		return;
	port->watch_at = now + WATCH_INTERVAL;
	if (port->broken) {
		reset(port);
	} else if (port->ops->watch(port)) {
		port->stats.tx_stalls++;
		reset(port);
	}
}
