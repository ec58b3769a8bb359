// SPDX-License-Identifier: BSD-3-Clause
/*
 * A software port: frames go to and come from two rings in shared memory, at whose other side the
 * daemon moves them to and from a tap descriptor (kind "tap"). Called by port.c; frame_ring.h has
 * the rings and their ordering proof. conf.shared is the struct frame_rings, conf.mac the address.
 *
 * There is no interrupt to arm: the descriptor in the daemon's epoll set is the interrupt.
 */
#include <errno.h>
#include <string.h>

#include "drivers/drivers.h"
#include "drivers/frame_ring.h"

#define TAP_MBPS 10000

struct ring_port {
	struct frame_rings *rings;
	struct frame_end rx, tx;
};

void port_soft_mac(struct port *port)
{
	static const uint8_t none[6];

	memcpy(port->mac, port->conf.mac, 6);
	if (!memcmp(port->mac, none, 6))
		memcpy(port->mac, (const uint8_t[]){2, 'S', 'W', 0, 0, (uint8_t)port->index}, 6);
}

static void ring_port_link(struct port *port)
{
	struct ring_port *rp = port->priv;

	port_link(port, __atomic_load_n(&rp->rings->link_up, __ATOMIC_RELAXED) == 1, TAP_MBPS);
}

static int ring_port_start(struct port *port)
{
	struct ring_port *rp = port->priv;
	struct frame_rings *r = port->conf.shared;
	uint32_t count;

	if (!r || r->magic != FRAME_RINGS_MAGIC)
		return -EINVAL;
	count = r->count;
	if (count < 2 || count > 65536 || (count & (count - 1)))
		return -EINVAL;
	rp->rings = r;
	rp->rx = frame_rings_rx(r, count);
	rp->rx.pos = rp->rx.ring->tail;
	rp->tx = frame_rings_tx(r, count);
	rp->tx.pos = rp->tx.ring->head;
	port->caps = PORT_CAP_IRQ;
	port_soft_mac(port);
	ring_port_link(port);
	return 0;
}

static void ring_port_stop(struct port *port)
{
	/* Frames in the rings are copies: no buffer is held. */
}

static unsigned ring_port_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	struct ring_port *rp = port->priv;
	unsigned n = 0;

	/* Bad slots count towards the batch too: a hostile other side must not keep us here. */
	for (unsigned tries = 0; tries < max && !frame_ring_empty(&rp->rx); tries++) {
		struct pktbuf *p = pktbuf_alloc(port->pool);
		int len;

		if (!p) {
			port->stats.in_no_buffer++;
			break;
		}
		len = frame_ring_get(&rp->rx, pktbuf_data(p), pktbuf_tailroom(p));
		if (len > 0) {
			p->len = (uint16_t)len;
			batch[n++] = p;
			continue;
		}
		pktbuf_free(p);
		port->stats.in_errors++;
		if (len == -EPROTO)
			break;
	}
	return n;
}

static unsigned ring_port_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct ring_port *rp = port->priv;
	unsigned i;

	for (i = 0; i < n; i++) {
		int err = -EINVAL; /* to be cut up, which nobody at the other side can */

		if (!(batch[i]->flags & PKTBUF_TX_TSO))
			err = frame_ring_put(&rp->tx, pktbuf_data(batch[i]), batch[i]->len);
		if (err == -ENOSPC)
			break;
		if (err)
			port->stats.out_errors++;
		pktbuf_free(batch[i]);
	}
	/* A full ring asks for the pump too: it alone can make room. */
	if (frame_rings_kick(rp->rings))
		port->kick = true;
	return i;
}

static bool ring_port_pending(struct port *port)
{
	struct ring_port *rp = port->priv;

	return !frame_ring_empty(&rp->rx);
}

static void ring_port_irq(struct port *port, bool on)
{
}

static bool ring_port_watch(struct port *port)
{
	ring_port_link(port);
	return false;
}

const struct port_ops ring_port_ops = {
	.name = "tap",
	.priv_size = sizeof(struct ring_port),
	.start = ring_port_start,
	.stop = ring_port_stop,
	.rx = ring_port_rx,
	.tx = ring_port_tx,
	.pending = ring_port_pending,
	.irq = ring_port_irq,
	.watch = ring_port_watch,
};
