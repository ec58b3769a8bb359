/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring between the sandbox, which captures frames, and the program that reads the capture: one
 * producer (capture.c), one consumer (this header's reader, hosted), no locks, no system calls.
 * A leaf header: includes nothing of the project.
 *
 *   0     struct capture_ring                  one page
 *   4096  records, `size` bytes, used as a circle; a record may wrap around the end
 *
 *	     tail                 head
 *	  ----|==record==|==record==|----		head - tail <= size
 *
 * Both positions count bytes and never wrap (64 bits). A record is a struct capture_record, then
 * caplen bytes of frame, then padding to 8. Neither side believes the other: the producer keeps
 * head and size to itself and treats a nonsensical tail as a full ring; the reader keeps tail and
 * size to itself, copies each record's head once and checks the copy.
 *
 * Ordering: capture_write stores a record, then head (release); capture_next loads head (acquire),
 * then the record. capture_next copies a record out, then stores tail (release); capture_write
 * loads tail (acquire), then overwrites.
 */
#ifndef DRIVERS_CAPTURE_RING_H
#define DRIVERS_CAPTURE_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CAPTURE_MAGIC	   0x5049525553444e53ull
#define CAPTURE_DATA_OFF   4096u
#define CAPTURE_CAPLEN_MAX 9216u /* no frame is longer */

enum capture_direction { CAPTURE_IN = 0, CAPTURE_OUT = 1 };

struct capture_ring {
	/* Written once by the producer. */
	uint64_t magic;
	uint64_t size; /* bytes of records */
	uint32_t snaplen;
	uint8_t pad0[44];
	/* Written by the producer. */
	uint64_t head __attribute__((aligned(64)));
	uint64_t captured; /* frames put in */
	uint64_t dropped;  /* frames that did not fit */
	uint8_t pad1[40];
	/* Written by the consumer. */
	uint64_t tail __attribute__((aligned(64)));
	uint8_t pad2[56];
};
_Static_assert(sizeof(struct capture_ring) <= CAPTURE_DATA_OFF, "the head fits its page");

struct capture_record {
	uint64_t ns;	 /* CLOCK_MONOTONIC */
	uint32_t caplen; /* bytes that follow */
	uint32_t len;	 /* bytes the frame had */
	uint8_t direction, port;
	uint8_t pad[6];
};
_Static_assert(sizeof(struct capture_record) % 8 == 0, "records stay aligned");

static inline uint64_t capture_record_size(uint32_t caplen)
{
	return (sizeof(struct capture_record) + caplen + 7u) & ~7ull;
}

/* Copies len bytes between the circle at position `at` and linear memory. */
static inline void capture_copy_out(const struct capture_ring *ring, uint64_t size, uint64_t at,
				    void *to, uint64_t len)
{
	const uint8_t *data = (const uint8_t *)ring + CAPTURE_DATA_OFF;
	uint64_t off = at % size, first = len < size - off ? len : size - off;

	memcpy(to, data + off, first);
	memcpy((uint8_t *)to + first, data, len - first);
}

/* ---- The consumer ---- */

struct capture_reader {
	struct capture_ring *ring;
	uint64_t size, tail;
};

/* `bytes`: of the mapping. -EPROTO: that is no capture ring. */
static inline int capture_reader_init(struct capture_reader *r, void *memory, uint64_t bytes)
{
	struct capture_ring *ring = (struct capture_ring *)memory;

	r->ring = ring;
	if (bytes <= CAPTURE_DATA_OFF || ring->magic != CAPTURE_MAGIC)
		return -EPROTO;
	r->size = ring->size;
	r->tail = ring->tail;
	if (!r->size || r->size % 8 || r->size > bytes - CAPTURE_DATA_OFF)
		return -EPROTO;
	return 0;
}

/* The next record into *rec and buf[CAPTURE_CAPLEN_MAX]: 1; 0: there is none yet; -EPROTO: the
 * ring holds nonsense, stop reading. */
static inline int capture_next(struct capture_reader *r, struct capture_record *rec, uint8_t *buf)
{
	uint64_t avail = __atomic_load_n(&r->ring->head, __ATOMIC_ACQUIRE) - r->tail;

	if (!avail)
		return 0;
	if (avail > r->size || avail < sizeof(*rec))
		return -EPROTO;
	capture_copy_out(r->ring, r->size, r->tail, rec, sizeof(*rec));
	if (rec->caplen > CAPTURE_CAPLEN_MAX || rec->caplen > rec->len ||
	    capture_record_size(rec->caplen) > avail)
		return -EPROTO;
	capture_copy_out(r->ring, r->size, r->tail + sizeof(*rec), buf, rec->caplen);
	r->tail += capture_record_size(rec->caplen);
	__atomic_store_n(&r->ring->tail, r->tail, __ATOMIC_RELEASE);
	return 1;
}

/* Frames that did not fit, so far. */
static inline uint64_t capture_dropped(const struct capture_reader *r)
{
	return __atomic_load_n(&r->ring->dropped, __ATOMIC_RELAXED);
}

#endif
