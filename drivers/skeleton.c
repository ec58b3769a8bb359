// SPDX-License-Identifier: BSD-3-Clause
/*
 * A complete driver of a device that does not exist: copy it to begin a new one. It also serves as
 * two port kinds: "loop" (a cable from the device's output to its input) and "null" (an open end).
 * Called by port.c under the stack lock; calls port_link, pktbuf_alloc and pktbuf_free.
 *
 * A real driver begins this comment with the chapters of the datasheet it follows, and cites the
 * section at each spot where the datasheet is the reason.
 */
#include <errno.h>
#include <string.h>

#include "drivers/drivers.h"

#define RING_DEFAULT 64u
#define RING_MAX     1024u
#define FRAME_MIN    14u /* an Ethernet header */

/*
 * All the driver knows, zeroed before the first start. Frames the "device" has: `ring` is what a
 * real driver shares with its device by dma_alloc; here it holds frames on their way back.
 * Positions count frames and wrap at 2^32; count is a power of two.
 */
struct skeleton {
	bool loop;
	uint32_t count;
	uint32_t head; /* next to be sent into */
	uint32_t tail; /* next to be received from */
	struct pktbuf *ring[RING_MAX];
};

static void skeleton_stop(struct port *port)
{
	struct skeleton *s = port->priv;

	/* Real: first make the device stop reaching memory, and only then free what it had. */
	while (s->tail != s->head)
		pktbuf_free(s->ring[s->tail++ % s->count]);
}

static int skeleton_start(struct port *port)
{
	struct skeleton *s = port->priv;
	uint32_t wanted = port->conf.rx_ring ? port->conf.rx_ring : RING_DEFAULT;

	/* Refuse what cannot work before the device is touched. */
	if (wanted < 2 || wanted > RING_MAX || (wanted & (wanted - 1)))
		return -EINVAL;
	s->loop = port->ops == &loop_ops;
	s->count = wanted;
	/* Real: reset, wait for it (bounded by port->clock_ns), ring memory from port->dma_alloc
	 * unless a start before this one got it, fill the rx ring, enable. On any failure undo in
	 * reverse and return -errno: the caller will not call stop. */
	s->head = s->tail = 0;
	/* Capability bits are data: the stack reads them, the framework acts on CAP_IRQ. Without
	 * it the daemon polls; here nothing ever arrives by itself. */
	port->caps = 0;	     /* and tso_max stays 0: this device cuts nothing into segments */
	port_soft_mac(port); /* real: the device's own address into port->mac */
	port_link(port, true, 1000);
	return 0;
}

static unsigned skeleton_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	struct skeleton *s = port->priv;
	unsigned n = 0;

	/* Real: while the next descriptor is done (an acquire load, with a proof line saying which
	 * write of the device it pairs with), check length and error bits, give the slot a new
	 * buffer; then one doorbell for all. */
	while (n < max && s->tail != s->head)
		batch[n++] = s->ring[s->tail++ % s->count];
	return n;
}

static unsigned skeleton_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct skeleton *s = port->priv;
	unsigned i;

	for (i = 0; i < n; i++) {
		struct pktbuf *copy;

		/* A sender's mistake must not stop the rest. Frames to be cut up (drivers/tso.h)
		 * are for drivers that set tso_max. */
		if (batch[i]->len < FRAME_MIN || batch[i]->flags & PKTBUF_TX_TSO) {
			port->stats.out_errors++;
			pktbuf_free(batch[i]);
			continue;
		}
		if (s->loop) {
			if (s->head - s->tail == s->count)
				break; /* ring full: port.c keeps the rest and comes again */
			/* A copy, as on a wire: the sender may hold a reference and keep the
			 * frame in a list of its own. */
			copy = pktbuf_alloc(port->pool);
			if (copy) {
				copy->len = batch[i]->len;
				memcpy(pktbuf_data(copy), pktbuf_data(batch[i]), copy->len);
				s->ring[s->head++ % s->count] = copy;
			} else {
				port->stats.in_no_buffer++;
			}
		}
		/* Real: when the device is done with it, at a later tx or rx. */
		pktbuf_free(batch[i]);
	}
	return i;
}

static bool skeleton_pending(struct port *port)
{
	const struct skeleton *s = port->priv;

	return s->tail != s->head;
}

static bool skeleton_watch(struct port *port)
{
	/* Real: port_link() from a status register, error counters into port->stats, and true when
	 * frames have been waiting in the device for a second without progress. */
	return false;
}

const struct port_ops loop_ops = {
	.name = "loop",
	.priv_size = sizeof(struct skeleton),
	.start = skeleton_start,
	.stop = skeleton_stop,
	.rx = skeleton_rx,
	.tx = skeleton_tx,
	.pending = skeleton_pending,
	.watch = skeleton_watch,
};

const struct port_ops null_ops = {
	.name = "null",
	.priv_size = sizeof(struct skeleton),
	.start = skeleton_start,
	.stop = skeleton_stop,
	.rx = skeleton_rx,
	.tx = skeleton_tx,
	.pending = skeleton_pending,
	.watch = skeleton_watch,
};
