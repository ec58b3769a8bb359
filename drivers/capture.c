// SPDX-License-Identifier: BSD-3-Clause
/*
 * Taps on a port, and the tap that writes frames to a capture ring (capture_ring.h has the layout
 * and the ordering proof). Called by port.c under the stack lock; calls nothing outside.
 */
#include "drivers/capture.h"

#include <errno.h>
#include <string.h>

#include "drivers/tso.h"

void capture_attach(struct port *port, struct capture *tap)
{
	tap->next = port->captures;
	port->captures = tap;
}

bool capture_detach(struct port *port, struct capture *tap)
{
	for (struct capture **at = &port->captures; *at; at = &(*at)->next) {
		if (*at == tap) {
			*at = tap->next;
			tap->next = NULL;
			return true;
		}
	}
	return false;
}

static void show(const struct port *port, const struct pktbuf *frame, enum capture_direction dir,
		 uint64_t now)
{
	for (struct capture *tap = port->captures; tap; tap = tap->next)
		tap->frame(tap, port, frame, dir, now);
}

/* What the device makes of a frame that it cuts up: the reader wants to see the wire. The driver
 * drops one that cannot be read, so there is nothing to show of it. */
static void show_segments(const struct port *port, const struct pktbuf *frame,
			  enum capture_direction dir, uint64_t now)
{
	uint8_t bytes[PKTBUF_SIZE];
	struct pktbuf segment = {.buf = bytes, .refs = 1};
	const struct pktbuf *piece = frame->more;
	struct tso t;

	if (!tso_parse(&t, frame, port->tso_max))
		return;
	for (uint32_t n = 0; n < t.segments; n++, piece = piece->more) {
		segment.len = tso_segment(&t, n, piece, bytes);
		show(port, &segment, dir, now);
	}
}

void capture_frames(struct port *port, struct pktbuf **batch, unsigned n,
		    enum capture_direction dir)
{
	uint64_t now = port->clock_ns ? port->clock_ns() : 0;

	for (unsigned i = 0; i < n; i++) {
		if (batch[i]->flags & PKTBUF_TX_TSO)
			show_segments(port, batch[i], dir, now);
		else
			show(port, batch[i], dir, now);
	}
}

int capture_writer_init(struct capture_writer *w, void *memory, size_t bytes, uint32_t snaplen)
{
	struct capture_ring *ring = memory;

	if (bytes < 2 * CAPTURE_DATA_OFF)
		return -EINVAL;
	*w = (struct capture_writer){
		.ring = ring, .size = (bytes - CAPTURE_DATA_OFF) & ~7ull, .snaplen = snaplen};
	if (!snaplen || snaplen > CAPTURE_CAPLEN_MAX)
		w->snaplen = CAPTURE_CAPLEN_MAX;
	memset(ring, 0, sizeof(*ring));
	ring->size = w->size;
	ring->snaplen = w->snaplen;
	/* Release: capture_reader_init looks for the magic before it believes the rest. */
	__atomic_store_n(&ring->magic, CAPTURE_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static void copy_in(const struct capture_writer *w, uint64_t at, const void *from, uint64_t len)
{
	uint8_t *data = (uint8_t *)w->ring + CAPTURE_DATA_OFF;
	uint64_t off = at % w->size, first = len < w->size - off ? len : w->size - off;

	memcpy(data + off, from, first);
	memcpy(data, (const uint8_t *)from + first, len - first);
}

/*
 * RFC 1071; the field holds the sum of the pseudo header. Done before the device sees the frame:
 * some (QEMU's e1000e) write the sum into the frame's memory, so that afterwards nobody could tell
 * the seed from the sum. Of a frame that the device cuts up there is no such sum; it keeps its
 * flags, and tso_segment computes those of the segments.
 */
void capture_checksum(struct pktbuf *frame)
{
	uint8_t *data = pktbuf_data(frame);
	uint32_t sum = 0, i = frame->csum_start, field = i + frame->csum_offset;

	if ((frame->flags & (PKTBUF_TX_L4_CSUM | PKTBUF_TX_TSO)) != PKTBUF_TX_L4_CSUM ||
	    field + 2 > frame->len)
		return;
	for (; i + 1 < frame->len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (i < frame->len)
		sum += (uint32_t)data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (uint16_t) ~(sum + (sum >> 16));
	if (!sum)
		sum = 0xffff;
	data[field] = (uint8_t)(sum >> 8);
	data[field + 1] = (uint8_t)sum;
	frame->flags &= (uint8_t)~PKTBUF_TX_L4_CSUM;
}

void capture_write(struct capture_writer *w, uint32_t port_index, const struct pktbuf *frame,
		   enum capture_direction dir, uint64_t now)
{
	uint32_t len = pktbuf_total(frame), caplen = len < w->snaplen ? len : w->snaplen;
	struct capture_record rec = {.ns = now,
				     .caplen = caplen,
				     .len = len,
				     .direction = (uint8_t)dir,
				     .port = (uint8_t)port_index};
	/* Acquire: pairs with the release of tail by capture_next. */
	uint64_t used = w->head - __atomic_load_n(&w->ring->tail, __ATOMIC_ACQUIRE);
	uint64_t need = capture_record_size(caplen);

	/* A tail beyond head or far behind it makes `used` larger than the ring: full. */
	if (used > w->size || need > w->size - used) {
		__atomic_store_n(&w->ring->dropped, ++w->dropped, __ATOMIC_RELAXED);
		return;
	}
	copy_in(w, w->head, &rec, sizeof(rec));
	for (uint64_t at = w->head + sizeof(rec); caplen; frame = frame->more) {
		uint32_t n = frame->len < caplen ? frame->len : caplen;

		copy_in(w, at, pktbuf_data(frame), n);
		at += n;
		caplen -= n;
	}
	w->head += need;
	w->ring->captured = ++w->captured;
	/* Release: pairs with the acquire of head by capture_next. */
	__atomic_store_n(&w->ring->head, w->head, __ATOMIC_RELEASE);
}

static void tap_frame(struct capture *tap, const struct port *port, const struct pktbuf *frame,
		      enum capture_direction dir, uint64_t now)
{
	capture_write(tap->arg, port->index, frame, dir, now);
}

void capture_tap_init(struct capture *tap, struct capture_writer *w)
{
	*tap = (struct capture){.frame = tap_frame, .arg = w};
}
