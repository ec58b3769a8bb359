/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two rings of frames in shared memory between the sandbox and whoever stands for its device: the
 * daemon with a tap descriptor ("tap:"), later a packet socket or another net. One producer and one
 * consumer a ring, no locks.
 * A leaf header, used hosted (the pump) and freestanding (ring_port.c).
 *
 *	struct frame_rings | rx: struct frame_ring, slots | tx: struct frame_ring, slots
 *
 *	pump:     frame_ring_room .. frame_ring_commit   --rx-->   frame_ring_get    :sandbox
 *	          frame_ring_peek .. frame_ring_drop     <--tx--   frame_ring_put
 *
 * Each side works through a struct frame_end of its own, private memory, and reads of the shared
 * part only the other's position and the lengths, once each, checked: a hostile other side loses
 * or garbles frames, no more.
 *
 * Ordering: the producer stores a slot, then head (release); the consumer loads head (acquire),
 * then the slot. The consumer is done with a slot, then stores tail (release); the producer loads
 * tail (acquire), then writes the slot.
 *
 * Sleep: the pump stores `asleep`, then loads tx.head (frame_rings_sleep); the sandbox stores
 * tx.head, then loads `asleep` (frame_rings_kick); both put a full barrier between, so at least
 * one of them sees the other, and a frame is never left while the pump sleeps.
 */
#ifndef DRIVERS_FRAME_RING_H
#define DRIVERS_FRAME_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAME_RINGS_MAGIC 0x474e5246u
#define FRAME_SLOT_SIZE	  2048u /* bytes of a slot, as long as that holds the link's frames */
#define FRAME_SLOT_JUMBO  9216u /* else */
#define FRAME_SLOT_HEAD	  8u
#define FRAME_LEN_MAX	  (FRAME_SLOT_JUMBO - FRAME_SLOT_HEAD)
#define FRAME_LINK_HEADER 18u  /* Ethernet's, with a VLAN tag */
#define FRAME_RING_COUNT  256u /* slots a ring, unless asked otherwise */

struct frame_slot {
	uint32_t len;
	uint32_t pad;
	uint8_t data[];
};
_Static_assert(sizeof(struct frame_slot) == FRAME_SLOT_HEAD, "slot head");

/* Positions count slots and wrap at 2^32; count is a power of two. */
struct frame_ring {
	uint32_t head __attribute__((aligned(64))); /* producer */
	uint32_t tail __attribute__((aligned(64))); /* consumer */
	uint8_t slots[] __attribute__((aligned(64)));
};

struct frame_rings {
	uint32_t magic, count;	 /* written once by frame_rings_init */
	uint32_t asleep;	 /* set by the pump; taken by the sandbox when it kicks */
	uint32_t link_up;	 /* written by the pump; 1 to begin with */
	uint64_t rx_off, tx_off; /* written once, for debuggers: both sides compute them */
	uint32_t slot_size;	 /* written once by frame_rings_init */
};
_Static_assert(sizeof(struct frame_rings) <= 64, "the rings follow");

/* One side's view of one ring. */
struct frame_end {
	struct frame_ring *ring;
	uint32_t count, pos, slot_size;
};

/* What the slots of a link whose IP packets have up to `mtu` bytes are; 0: none is that large. */
static inline uint32_t frame_slot_size(uint32_t mtu)
{
	uint32_t need = mtu + FRAME_LINK_HEADER + FRAME_SLOT_HEAD;

	return need <= FRAME_SLOT_SIZE	  ? FRAME_SLOT_SIZE
	       : need <= FRAME_SLOT_JUMBO ? FRAME_SLOT_JUMBO
					  : 0;
}

static inline bool frame_shape_ok(uint32_t count, uint32_t slot_size)
{
	return count >= 2 && count <= 65536 && !(count & (count - 1)) &&
	       (slot_size == FRAME_SLOT_SIZE || slot_size == FRAME_SLOT_JUMBO);
}

static inline uint64_t frame_ring_size(uint32_t count, uint32_t slot_size)
{
	return sizeof(struct frame_ring) + (uint64_t)count * slot_size;
}

/* Bytes for both rings; the memory must be 64-byte aligned. */
static inline uint64_t frame_rings_size(uint32_t count, uint32_t slot_size)
{
	return 64 + 2 * frame_ring_size(count, slot_size);
}

static inline struct frame_end frame_end_at(struct frame_rings *r, uint32_t count,
					    uint32_t slot_size, unsigned which)
{
	uint8_t *at = (uint8_t *)r + 64 + which * frame_ring_size(count, slot_size);

	return (struct frame_end){
		.ring = (struct frame_ring *)(void *)at, .count = count, .slot_size = slot_size};
}

/* count: a power of two; slot_size: as frame_slot_size() says. Both ends are then at position 0. */
static inline int frame_rings_init(struct frame_rings *r, uint32_t count, uint32_t slot_size)
{
	if (!frame_shape_ok(count, slot_size))
		return -EINVAL;
	memset(r, 0, sizeof(*r));
	r->count = count;
	r->slot_size = slot_size;
	r->link_up = 1;
	r->rx_off = 64;
	r->tx_off = 64 + frame_ring_size(count, slot_size);
	for (unsigned i = 0; i < 2; i++) {
		struct frame_ring *ring = frame_end_at(r, count, slot_size, i).ring;

		ring->head = ring->tail = 0;
	}
	r->magic = FRAME_RINGS_MAGIC;
	return 0;
}

/* The ring towards the sandbox, and the one away from it. The sandbox checks count and slot_size
 * once and goes on with where the rings stand (a port that is reset keeps its rings). */
static inline struct frame_end frame_rings_rx(struct frame_rings *r, uint32_t count,
					      uint32_t slot_size)
{
	return frame_end_at(r, count, slot_size, 0);
}

static inline struct frame_end frame_rings_tx(struct frame_rings *r, uint32_t count,
					      uint32_t slot_size)
{
	return frame_end_at(r, count, slot_size, 1);
}

static inline struct frame_slot *frame_slot_at(const struct frame_end *e)
{
	uint64_t off = (uint64_t)(e->pos & (e->count - 1)) * e->slot_size;

	return (struct frame_slot *)(void *)(e->ring->slots + off);
}

/* Bytes of the longest frame. */
static inline uint32_t frame_ring_most(const struct frame_end *e)
{
	return e->slot_size - FRAME_SLOT_HEAD;
}

/* ---- Producer ---- */

/* Room for one frame of up to frame_ring_most() bytes, or NULL when the ring is full. */
static inline uint8_t *frame_ring_room(const struct frame_end *e)
{
	uint32_t used = e->pos - __atomic_load_n(&e->ring->tail, __ATOMIC_ACQUIRE);

	/* A tail that makes no sense gives more than count: full. */
	if (used >= e->count)
		return NULL;
	return frame_slot_at(e)->data;
}

static inline void frame_ring_commit(struct frame_end *e, uint32_t len)
{
	frame_slot_at(e)->len = len;
	e->pos++;
	__atomic_store_n(&e->ring->head, e->pos, __ATOMIC_RELEASE);
}

/* 0, -ENOSPC, or -EMSGSIZE. */
static inline int frame_ring_put(struct frame_end *e, const void *data, uint32_t len)
{
	uint8_t *to = frame_ring_room(e);

	if (!to)
		return -ENOSPC;
	if (len > frame_ring_most(e))
		return -EMSGSIZE;
	memcpy(to, data, len);
	frame_ring_commit(e, len);
	return 0;
}

/* ---- Consumer ---- */

/* Bytes of the frame at the front, which *data points to; 0: the ring is empty; -EMSGSIZE: what is
 * there is no frame, drop it; -EPROTO: nonsense, nothing to drop. */
static inline int frame_ring_peek(const struct frame_end *e, const uint8_t **data)
{
	uint32_t avail = __atomic_load_n(&e->ring->head, __ATOMIC_ACQUIRE) - e->pos, len;
	const struct frame_slot *slot = frame_slot_at(e);

	if (!avail)
		return 0;
	if (avail > e->count)
		return -EPROTO;
	len = __atomic_load_n(&slot->len, __ATOMIC_RELAXED); /* once */
	if (!len || len > frame_ring_most(e))
		return -EMSGSIZE;
	*data = slot->data;
	return (int)len;
}

static inline void frame_ring_drop(struct frame_end *e)
{
	e->pos++;
	__atomic_store_n(&e->ring->tail, e->pos, __ATOMIC_RELEASE);
}

/* As peek, but copies the frame to buf and drops it; -EMSGSIZE also for one longer than room, and
 * what has that result is dropped too. */
static inline int frame_ring_get(struct frame_end *e, void *buf, uint32_t room)
{
	const uint8_t *data = NULL;
	int len = frame_ring_peek(e, &data);

	if (len == 0 || len == -EPROTO)
		return len;
	if (len > 0 && (uint32_t)len > room)
		len = -EMSGSIZE;
	if (len > 0)
		memcpy(buf, data, (uint32_t)len);
	frame_ring_drop(e);
	return len;
}

static inline bool frame_ring_empty(const struct frame_end *e)
{
	return __atomic_load_n(&e->ring->head, __ATOMIC_ACQUIRE) == e->pos;
}

/* ---- Sleep ---- */

/* Pump, before it sleeps: true: it may; false: there are frames in tx, go on. */
static inline bool frame_rings_sleep(struct frame_rings *r, const struct frame_end *tx)
{
	__atomic_store_n(&r->asleep, 1, __ATOMIC_RELAXED);
	/* Full: orders the store of asleep before the load of head; pairs with frame_rings_kick. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (frame_ring_empty(tx))
		return true;
	__atomic_store_n(&r->asleep, 0, __ATOMIC_RELAXED);
	return false;
}

static inline void frame_rings_awake(struct frame_rings *r)
{
	__atomic_store_n(&r->asleep, 0, __ATOMIC_RELAXED);
}

/* Sandbox, after frames went into tx: must the pump be woken? True once a sleep. */
static inline bool frame_rings_kick(struct frame_rings *r)
{
	/* Full: orders the store of head before the load of asleep; pairs with frame_rings_sleep.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&r->asleep, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&r->asleep, 0, __ATOMIC_RELAXED);
}

#endif
