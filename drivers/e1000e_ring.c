// SPDX-License-Identifier: BSD-3-Clause
/*
 * Intel 82574: frames in and out of the two descriptor rings. Called by port.c through the ops in
 * e1000e.c; calls e1000e_tso.c for frames that the device cuts up. Follows the datasheet's 7.1
 * (receive) and 7.2 (transmit).
 *
 * Receive buffers, MTU up to 1,500. The device is told 2048 bytes, its smallest size that holds a
 * frame in one descriptor, yet a buffer has PKTBUF_SIZE - PKTBUF_HEADROOM = 1920 bytes from where
 * DMA begins. It writes no more than a frame has, and with long packets off (RCTL.LPE = 0) it
 * discards frames over 1522 bytes, CRC included: it never gets near the end. (Sizes of 1024 would
 * spread frames over two descriptors.)
 *
 * Larger MTUs: long packets on, and then a buffer may be filled up to the size that was told. So it
 * is 1024 bytes: the next size is too much behind the headroom, and each piece needs one, as it may
 * become a TCP segment of its own. A frame is spread over as many descriptors as it takes, all full
 * but the last, and is gathered in rx_frame until that one comes, in this call or a later one.
 *
 * A device that breaks these rules can reach any DMA memory of the segment anyway, but nothing
 * outside it: the IOMMU sees to that, and headers of buffers are not in the DMA part.
 *
 * What the device writes into a descriptor is a claim: length, end and errors are checked before a
 * frame is believed; nothing else of it is used.
 */
#include "drivers/e1000e.h"

#include <errno.h>
#include <string.h>

#define DESC_SIZE     16u
#define FRAME_MIN     14u /* an Ethernet header */
#define FRAME_TX_MIN  17u /* 7.2: the device does not take less, though it pads to 60 */
#define FRAME_EXTRA   18u /* Ethernet header and VLAN tag over the IP packet */
#define RX_REFILL_MIN 16u /* slots refilled before the doorbell is worth ringing */
#define STALL_NS      1000000000ull

_Static_assert(sizeof(struct e1000e_rx_desc) == DESC_SIZE, "receive descriptor");
_Static_assert(sizeof(struct e1000e_tx_desc) == DESC_SIZE, "transmit descriptor");
_Static_assert(PKTBUF_SIZE - PKTBUF_HEADROOM >= 1522, "a frame fits behind the headroom");
_Static_assert(PKTBUF_SIZE - PKTBUF_HEADROOM >= E1000E_RX_PIECE, "so does a piece of one");
_Static_assert(E1000E_RX_PIECE % 2 == 0 && E1000E_RX_PIECE >= PKTBUF_FIRST_MIN + FRAME_EXTRA,
	       "pktbuf.h wants this of pieces");

static int ring_memory(struct port *port, struct dma_mem *mem, uint16_t wanted, uint32_t *count)
{
	uint32_t n = wanted ? wanted : E1000E_RING_DEFAULT;

	/* RDLEN and TDLEN count 128-byte units; powers of two make indices cheap to wrap. */
	if (n < E1000E_RING_MIN || n > E1000E_RING_MAX || (n & (n - 1)))
		return -EINVAL;
	*count = n;
	if (!mem->va)
		*mem = port->dma_alloc(port->dma_arg, (size_t)n * DESC_SIZE);
	return mem->va ? 0 : -ENOMEM;
}

int e1000e_rings_alloc(struct port *port)
{
	struct e1000e *e = port->priv;
	int err = ring_memory(port, &e->rx_mem, port->conf.rx_ring, &e->rx_count);

	if (!err)
		err = ring_memory(port, &e->tx_mem, port->conf.tx_ring, &e->tx_count);
	e->rx = e->rx_mem.va;
	e->tx = e->tx_mem.va;
	port->tso_max = e1000e_tso_max(port);
	return err;
}

/* 10.2.5 and 10.2.6: base, length, head and tail are written while RCTL.EN and TCTL.EN are 0. */
void e1000e_rings_reset(struct port *port)
{
	struct e1000e *e = port->priv;

	memset(e->rx, 0, (size_t)e->rx_count * DESC_SIZE);
	memset(e->tx, 0, (size_t)e->tx_count * DESC_SIZE);
	e->rx_clean = e->rx_fill = e->tx_clean = e->tx_next = 0;
	e->rx_within = false;
	e->rx_most = port->mtu > PORT_MTU_WHOLE ? E1000E_RX_PIECE : port->mtu + FRAME_EXTRA;
	e->csum_start = e->csum_offset = 0;
	e->moved_at = 0;

	reg_write(e->regs, E1000E_RDBAL, (uint32_t)e->rx_mem.iova);
	reg_write(e->regs, E1000E_RDBAH, (uint32_t)(e->rx_mem.iova >> 32));
	reg_write(e->regs, E1000E_RDLEN, e->rx_count * DESC_SIZE);
	reg_write(e->regs, E1000E_RDH, 0);
	reg_write(e->regs, E1000E_RDT, 0);
	reg_write(e->regs, E1000E_TDBAL, (uint32_t)e->tx_mem.iova);
	reg_write(e->regs, E1000E_TDBAH, (uint32_t)(e->tx_mem.iova >> 32));
	reg_write(e->regs, E1000E_TDLEN, e->tx_count * DESC_SIZE);
	reg_write(e->regs, E1000E_TDH, 0);
	reg_write(e->regs, E1000E_TDT, 0);
}

void e1000e_rings_free(struct port *port)
{
	struct e1000e *e = port->priv;

	for (uint32_t i = 0; i < E1000E_RING_MAX; i++) {
		if (e->rx_buf[i])
			pktbuf_free(e->rx_buf[i]);
		if (e->tx_buf[i])
			pktbuf_free(e->tx_buf[i]);
		e->rx_buf[i] = e->tx_buf[i] = NULL;
	}
	if (e->rx_frame)
		pktbuf_free(e->rx_frame);
	e->rx_frame = NULL;
	e->rx_len = 0;
	e->rx_clean = e->rx_fill = e->tx_clean = e->tx_next = 0;
	port->rx_held = 0;
}

/* ---- Receive ---- */

static uint32_t next_slot(uint32_t i, uint32_t count)
{
	return (i + 1) & (count - 1);
}

/*
 * Buffers for every free slot but one: RDT = RDH would mean an empty ring. When the pool is dry
 * slots stay free until a later call; frames that are here go up all the same, since it may be an
 * acknowledgement among them that gives buffers back.
 */
void e1000e_rx_refill(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t free = (e->rx_clean - e->rx_fill - 1) & (e->rx_count - 1), n;

	if (free < RX_REFILL_MIN)
		return;
	for (n = 0; n < free; n++) {
		struct e1000e_rx_desc *d = &e->rx[e->rx_fill];
		struct pktbuf *p = pktbuf_alloc(port->pool);

		if (!p) {
			port->stats.in_no_buffer++;
			break;
		}
		e->rx_buf[e->rx_fill] = p;
		d->addr = p->iova + PKTBUF_HEADROOM;
		d->done = 0;
		e->rx_fill = next_slot(e->rx_fill, e->rx_count);
	}
	port->rx_held += n;
	if (!n)
		return;
	/* Release: descriptors are stored before the doorbell; pairs with the device's fetch of
	 * descriptors after it sees RDT. x86 keeps the order of stores to memory and to uncached
	 * registers, so this only holds the compiler. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	reg_write(e->regs, E1000E_RDT, e->rx_fill);
}

static uint16_t rx_flags(const struct port *port, uint64_t done)
{
	uint16_t flags = 0;

	if (!(port->caps & PORT_CAP_RX_CSUM) || done & RXD_IXSM)
		return 0;
	if (done & RXD_IPCS && !(done & RXD_ERR_IPE))
		flags |= PKTBUF_RX_IP_CSUM_OK;
	/* TCP only: for UDP the device also reports on fragments, whose sum is not the packet's. */
	if (done & RXD_TCPCS && !(done & RXD_ERR_TCPE))
		flags |= PKTBUF_RX_L4_CSUM_OK;
	return flags;
}

/* Is this descriptor one whole good frame? */
static bool rx_whole(const struct e1000e *e, uint64_t done)
{
	uint32_t len = RXD_LENGTH(done);

	return !e->rx_within && done & RXD_EOP && !(done & RXD_ERR_FRAME) && len >= FRAME_MIN &&
	       len <= e->rx_most;
}

/*
 * May this piece, which is not one whole good frame, join those that came before it? `first`: none
 * did. What comes before others is full; behind one that is not there may still be an empty one,
 * which held but the CRC that the device has taken off. 7.1: errors are told with the last.
 */
static bool rx_joins(const struct port *port, uint64_t done, bool first)
{
	const struct e1000e *e = port->priv;
	uint32_t len = RXD_LENGTH(done), total = e->rx_len + len;
	bool last = done & RXD_EOP;

	if (!(port->caps & PORT_CAP_PIECES) || len > E1000E_RX_PIECE)
		return false;
	if (first)
		return !last && len;
	if (len ? e->rx_last->len != E1000E_RX_PIECE : !last)
		return false;
	return total <= (uint32_t)port->mtu + FRAME_EXTRA &&
	       (!last || (total >= FRAME_MIN && !(done & RXD_ERR_FRAME)));
}

static struct pktbuf *rx_frame_take(struct e1000e *e)
{
	struct pktbuf *frame = e->rx_frame;

	e->rx_frame = NULL;
	e->rx_len = 0;
	return frame;
}

static void rx_gather(struct e1000e *e, struct pktbuf *p)
{
	e->rx_len += p->len;
	if (!p->len) {
		pktbuf_free(p);
		return;
	}
	if (e->rx_frame)
		e->rx_last->more = p;
	else
		e->rx_frame = p;
	e->rx_last = p;
}

/* A descriptor that is not one whole good frame: a piece of one, or of what is dropped up to its
 * end, and counted once. The frame of which it was the last piece, else NULL. */
static struct pktbuf *rx_piece(struct port *port, struct pktbuf *p, uint64_t done)
{
	struct e1000e *e = port->priv;
	bool first = !e->rx_within, last = done & RXD_EOP, dropping = !first && !e->rx_frame;
	struct pktbuf *frame;

	e->rx_within = !last;
	if (dropping || !rx_joins(port, done, first)) {
		port->stats.in_errors += !dropping;
		pktbuf_free(p);
		frame = rx_frame_take(e);
		if (frame)
			pktbuf_free(frame);
		return NULL;
	}
	p->len = (uint16_t)RXD_LENGTH(done);
	rx_gather(e, p);
	if (!last)
		return NULL;
	frame = rx_frame_take(e);
	frame->flags = rx_flags(port, done);
	return frame;
}

static void tx_reclaim(struct e1000e *e);

unsigned e1000e_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	struct e1000e *e = port->priv;
	unsigned n = 0;

	tx_reclaim(e);
	/* Bounded by `max` descriptors, good or bad: a hostile device must not keep us here. */
	for (unsigned seen = 0; seen < max && e->rx_clean != e->rx_fill; seen++) {
		struct pktbuf *p = e->rx_buf[e->rx_clean];
		/* Acquire: pairs with the device's write-back of the descriptor, which it does
		 * after it wrote the frame (7.1); no byte of the frame is read before DD is seen.
		 */
		uint64_t done = __atomic_load_n(&e->rx[e->rx_clean].done, __ATOMIC_ACQUIRE);

		if (!(done & RXD_DD))
			break;
		e->rx_buf[e->rx_clean] = NULL;
		port->rx_held--;
		e->rx_clean = next_slot(e->rx_clean, e->rx_count);
		if (!rx_whole(e, done)) {
			p = rx_piece(port, p, done);
			if (p)
				batch[n++] = p;
			continue;
		}
		p->len = (uint16_t)RXD_LENGTH(done);
		p->flags = rx_flags(port, done);
		batch[n++] = p;
	}
	e1000e_rx_refill(port);
	return n;
}

/* ---- Transmit ---- */

/* The last descriptor of the frame that waits longest: the one with a buffer, and the one that the
 * device was told to write back (RS). tx_next when none waits. */
static uint32_t tx_oldest(const struct e1000e *e)
{
	uint32_t i = e->tx_clean;

	while (i != e->tx_next && !e->tx_buf[i])
		i = next_slot(i, e->tx_count);
	return i;
}

/* Frees what the device is done with. */
static void tx_reclaim(struct e1000e *e)
{
	uint32_t at;

	while ((at = tx_oldest(e)) != e->tx_next) {
		/* Acquire: pairs with the device's write-back, which it does after it read the
		 * frame (7.2): no buffer is used again while the device may still read it. */
		if (!(__atomic_load_n(&e->tx[at].cmd, __ATOMIC_ACQUIRE) & TXD_DD))
			return;
		pktbuf_free(e->tx_buf[at]);
		e->tx_buf[at] = NULL;
		e->tx_clean = next_slot(at, e->tx_count);
	}
}

static uint32_t tx_room(const struct e1000e *e)
{
	return (e->tx_clean - e->tx_next - 1) & (e->tx_count - 1);
}

void e1000e_tx_put(struct e1000e *e, struct pktbuf *p, uint64_t addr, uint64_t cmd)
{
	e->tx[e->tx_next] = (struct e1000e_tx_desc){addr, cmd};
	e->tx_buf[e->tx_next] = p;
	e->tx_next = next_slot(e->tx_next, e->tx_count);
}

/* Positions are bytes in the context descriptor; the field is in the frame's first piece. A frame
 * to be cut up is no business of this. */
static bool sum_valid(const struct port *port, const struct pktbuf *p)
{
	return port->caps & PORT_CAP_TX_L4_CSUM && !(p->flags & PKTBUF_TX_TSO) &&
	       p->csum_start < 256 && p->csum_start + p->csum_offset < 256 &&
	       p->csum_start + p->csum_offset + 2u <= p->len;
}

static bool tx_valid(const struct port *port, const struct pktbuf *p, uint32_t len)
{
	return len >= FRAME_TX_MIN && len <= (uint32_t)port->mtu + FRAME_EXTRA &&
	       (!(p->flags & (PKTBUF_TX_L4_CSUM | PKTBUF_TX_TSO)) || sum_valid(port, p));
}

/* A quarter of the ring at most, so that it never stands still for want of room for one frame. */
static uint32_t tx_pieces_slots(const struct port *port, const struct pktbuf *p)
{
	const struct e1000e *e = port->priv;
	uint32_t slots = 1, len = 0;

	for (const struct pktbuf *piece = p; piece; piece = piece->more) {
		len += piece->len;
		if (++slots > e->tx_count / 4 || !piece->len)
			return 0;
	}
	return tx_valid(port, p, len) ? slots : 0;
}

/* Slots that a frame takes at most, with a context descriptor; 0: it cannot be sent. */
static uint32_t tx_slots(const struct port *port, const struct pktbuf *p, struct tso *t)
{
	if (!p->more)
		return tx_valid(port, p, p->len) ? 2 : 0;
	if (p->flags & PKTBUF_TX_TSO)
		return e1000e_tso_valid(port, p, t) ? E1000E_TSO_SLOTS(t) : 0;
	return tx_pieces_slots(port, p);
}

/* 7.2: the device keeps the last context, so a new one is needed only when positions change. It
 * adds the sum to what the field holds, as PKTBUF_TX_L4_CSUM promises. */
static uint64_t tx_checksum(struct e1000e *e, const struct pktbuf *p)
{
	if (!(p->flags & PKTBUF_TX_L4_CSUM))
		return 0;
	if (e->csum_start != p->csum_start || e->csum_offset != p->csum_offset) {
		e->csum_start = p->csum_start;
		e->csum_offset = p->csum_offset;
		e1000e_tx_put(e, NULL,
			      TXC_TUCSS(p->csum_start) |
				      TXC_TUCSO((uint64_t)p->csum_start + p->csum_offset),
			      TXD_DEXT | (p->csum_offset == 16 ? TXC_TCP : 0));
	}
	return TXD_TXSM;
}

#define TX_PLAIN (TXD_DTYP_DATA | TXD_DEXT | TXD_IFCS)
#define TX_LAST	 (TXD_EOP | TXD_RS)

static void tx_frame(struct e1000e *e, struct pktbuf *p)
{
	uint64_t sum = tx_checksum(e, p);

	e1000e_tx_put(e, p, p->iova + p->off, TXD_LENGTH(p->len) | TX_PLAIN | TX_LAST | sum);
}

/* 7.2: of the options only the first descriptor's count; they are on all, as the commands are. */
static void tx_pieces(struct e1000e *e, struct pktbuf *p)
{
	uint64_t cmd = tx_checksum(e, p) | TX_PLAIN;

	for (const struct pktbuf *piece = p; piece; piece = piece->more)
		e1000e_tx_put(e, piece->more ? NULL : p, piece->iova + piece->off,
			      cmd | TXD_LENGTH(piece->len) | (piece->more ? 0 : TX_LAST));
}

unsigned e1000e_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	struct e1000e *e = port->priv;
	uint32_t before = e->tx_next;
	unsigned i;

	tx_reclaim(e);
	for (i = 0; i < n; i++) {
		struct pktbuf *p = batch[i];
		struct tso t;
		uint32_t slots = tx_slots(port, p, &t);

		if (!slots) {
			port->stats.out_errors++;
			pktbuf_free(p);
			continue;
		}
		if (tx_room(e) < slots)
			break;
		if (!p->more)
			tx_frame(e, p);
		else if (p->flags & PKTBUF_TX_TSO)
			e1000e_tso_put(e, p, &t);
		else
			tx_pieces(e, p);
	}
	if (e->tx_next != before) {
		/* Release: frames and descriptors are stored before the doorbell; pairs with the
		 * device's fetch after it sees TDT. Order on x86 as in e1000e_rx_refill. */
		__atomic_thread_fence(__ATOMIC_RELEASE);
		reg_write(e->regs, E1000E_TDT, e->tx_next);
	}
	return i;
}

bool e1000e_pending(struct port *port)
{
	const struct e1000e *e = port->priv;
	uint32_t tx;

	if (e->rx_clean != e->rx_fill &&
	    __atomic_load_n(&e->rx[e->rx_clean].done, __ATOMIC_RELAXED) & RXD_DD)
		return true;
	tx = tx_oldest(e);
	return tx != e->tx_next && __atomic_load_n(&e->tx[tx].cmd, __ATOMIC_RELAXED) & TXD_DD;
}

/* Frames wait, the link is up, nobody pauses us, and for a second neither TDH nor the first
 * unfinished descriptor has moved. */
bool e1000e_stalled(struct port *port, uint64_t now)
{
	struct e1000e *e = port->priv;
	uint32_t tdh;

	tx_reclaim(e);
	if (e->tx_clean == e->tx_next || !port->link_up ||
	    reg_read(e->regs, E1000E_STATUS) & STATUS_TXOFF) {
		e->moved_at = 0;
		return false;
	}
	tdh = reg_read(e->regs, E1000E_TDH);
	if (!e->moved_at || tdh != e->seen_tdh || e->tx_clean != e->seen_clean) {
		e->moved_at = now;
		e->seen_tdh = tdh;
		e->seen_clean = e->tx_clean;
		return false;
	}
	return now - e->moved_at >= STALL_NS;
}
