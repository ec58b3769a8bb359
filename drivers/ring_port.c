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
	uint32_t count, slot_size;

	if (!r || r->magic != FRAME_RINGS_MAGIC)
		return -EINVAL;
	count = r->count;
	slot_size = r->slot_size;
	if (!frame_shape_ok(count, slot_size) || frame_slot_size(port->mtu) > slot_size)
		return -EINVAL;
	rp->rings = r;
	rp->rx = frame_rings_rx(r, count, slot_size);
	rp->rx.pos = rp->rx.ring->tail;
	rp->tx = frame_rings_tx(r, count, slot_size);
	rp->tx.pos = rp->tx.ring->head;
	port->caps = PORT_CAP_IRQ | PORT_CAP_PIECES;
	port_soft_mac(port);
	ring_port_link(port);
	return 0;
}

static void ring_port_stop(struct port *port)
{
	/* Frames in the rings are copies: no buffer is held. */
}

/* A frame in as many buffers as it takes; NULL: there are not as many. */
static struct pktbuf *copy_in(struct port *port, const uint8_t *from, uint32_t len)
{
	struct pktbuf *head = NULL, **at = &head;

	while (len > 0) {
		struct pktbuf *p = *at = pktbuf_alloc(port->pool);

		if (!p) {
			if (head)
				pktbuf_free(head);
			return NULL;
		}
		p->len = pktbuf_tailroom(p);
		pktbuf_trim(p, (uint16_t)len);
		memcpy(pktbuf_data(p), from, p->len);
		from += p->len;
		len -= p->len;
		at = &p->more;
	}
	return head;
}

static int copy_out(struct frame_end *tx, const struct pktbuf *p)
{
	uint8_t *to = frame_ring_room(tx);
	uint32_t len = pktbuf_total(p);

	if (!to)
		return -ENOSPC;
	if (len > frame_ring_most(tx))
		return -EMSGSIZE;
	for (; p; p = p->more) {
		memcpy(to, pktbuf_data(p), p->len);
		to += p->len;
	}
	frame_ring_commit(tx, len);
	return 0;
}

static unsigned ring_port_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	struct ring_port *rp = port->priv;
	unsigned n = 0;

	/* Bad slots count towards the batch too: a hostile other side must not keep us here. */
	for (unsigned tries = 0; tries < max; tries++) {
		const uint8_t *frame = NULL;
		int len = frame_ring_peek(&rp->rx, &frame);

		if (len == 0)
			break;
		if (len == -EPROTO) {
			port->stats.in_errors++;
			break;
		}
		if (len < 0) {
			port->stats.in_errors++;
		} else {
			batch[n] = copy_in(port, frame, (uint32_t)len);
			if (!batch[n]) { /* it stays where it is */
				port->stats.in_no_buffer++;
				break;
			}
			n++;
		}
		frame_ring_drop(&rp->rx);
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
			err = copy_out(&rp->tx, batch[i]);
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
