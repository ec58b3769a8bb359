/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers: a header apart from 2 KiB of data that the device may reach by DMA.
 *
 * A leaf header: drivers, stack and calls include it. The headers live in the objects part of the
 * heap, out of the device's reach; only the data is in the DMA part. One buffer holds one frame
 * (or one TCP segment with room for its headers in front), or a piece of a large one. All of it
 *runs under the stack lock.
 *
 *	buf		  buf+off	      buf+off+len	 buf+PKTBUF_SIZE
 *	 |   headroom	  |   data	      |	   tailroom	 |
 *
 * Ownership: whoever holds a reference. pktbuf_free() drops one; the last returns the buffer to its
 * pool. A sender that keeps a buffer for retransmission takes a reference for the device with
 * pktbuf_hold(); while refs > 1 the headers in front of the data must not be rewritten.
 */
#ifndef SANDBOX_PKTBUF_H
#define SANDBOX_PKTBUF_H

#include <stdbool.h>
#include <stdint.h>

#define PKTBUF_SIZE	2048u
#define PKTBUF_HEADROOM 128u /* Ethernet + VLAN + IPv6 + TCP with 40 bytes of options */

/* A frame that one buffer does not hold comes in pieces, linked by `more`: all but the last of an
 * even length, so that sums of them add up, none empty, and the first with this much behind the
 * link's header, which is IPv4's and TCP's longest, and all of IPv6's but long extensions. One that
 * is sent may begin with its headers alone. */
#define PKTBUF_FIRST_MIN 128u

/* What a driver knows of a received frame's checksums, and what it must add to a sent one. */
enum pktbuf_flags {
	PKTBUF_RX_IP_CSUM_OK = 1u << 0,
	PKTBUF_RX_L4_CSUM_OK = 1u << 1,
	PKTBUF_TX_L4_CSUM = 1u << 2, /* csum_start/csum_offset say where; field holds the seed */
	PKTBUF_BROADCAST = 1u << 3,  /* link-layer broadcast or multicast (set by eth_in) */
	/* TCP segmentation by the device: this buffer holds the headers alone, each piece in `more`
	 * the payload of a segment, of gso_size bytes all but the last. IP's length is that of the
	 * whole; TCP's checksum field holds the pseudo header's sum without a length. Always
	 * together with PKTBUF_TX_L4_CSUM. */
	PKTBUF_TX_TSO = 1u << 4,
	/* What the sender knows of the next hop: it forwards; nothing has come back for long. */
	PKTBUF_TX_REACHED = 1u << 5,
	PKTBUF_TX_DOUBTED = 1u << 6,
};

#define PKTBUF_OWNERS 256u

struct pktbuf_pool;

struct pktbuf {
	struct pktbuf *next; /* list link of whoever owns it */
	struct pktbuf *more; /* the rest of a packet that came in pieces; goes when this goes */
	uint8_t *buf;	     /* PKTBUF_SIZE bytes */
	uint64_t iova;	     /* device address of buf[0] */
	struct pktbuf_pool *pool;
	uint16_t off, len; /* data = buf + off, len bytes */
	uint16_t refs;
	uint8_t flags;	      /* enum pktbuf_flags */
	uint8_t owner;	      /* who is charged for it, 0: nobody; pktbuf_charge() */
	uint16_t csum_start;  /* from data; with PKTBUF_TX_L4_CSUM */
	uint16_t csum_offset; /* from csum_start */
	uint16_t l3_off;      /* of the IP header from buf, set on input by eth_in */
	uint16_t l4_off;      /* of the transport header from buf, set on input by ip4_in */
	uint16_t gso_size;    /* with PKTBUF_TX_TSO: payload of a segment */
	uint64_t time;	      /* ns: received at, or last sent at */
	/* For the protocol that queues it. tcp: off and len above describe the frame as last sent,
	 * which the device may still hold; payload_* describe the data in it. */
	union {
		struct {
			uint32_t seq, seq_end;
			uint8_t flags, sacked, tx_count;
			uint8_t pieces; /* of the segment it was sent in; 0: by itself */
			uint16_t payload_off, payload_len; /* from buf; bytes */
			struct pktbuf *link; /* send queue; `next` is the device's meanwhile */
			struct pktbuf *run;  /* of several in a row, on the first: the last */
		} tcp;
		struct {
			uint32_t src, dst; /* network byte order */
			uint16_t sport, dport;
			uint8_t ttl, tos;
			uint8_t port; /* index of the port it came by, where IPv6 */
		} udp;
		struct {
			uint32_t start, end; /* bytes of the datagram it is a piece of */
		} frag;
		struct {
			uint32_t err, info; /* struct sock_note's; the names are in the headroom */
			uint8_t origin, type, code;
		} quote;
	};
};

/* A pool of `count` buffers; the memory is the caller's. */
struct pktbuf_pool {
	struct pktbuf *free;
	uint32_t count, avail, low_water;
	struct pktbuf *all; /* array of count */
	/* Buffers an owner is charged for; [0] says nothing: it is not looked at, only spared a
	 * test. */
	uint32_t held[PKTBUF_OWNERS];
};

/*
 * Carves a pool out of memory the caller owns: `headers` holds count structs, `data` holds
 * count * PKTBUF_SIZE bytes whose first byte has device address `iova`.
 */
void pktbuf_pool_init(struct pktbuf_pool *pool, struct pktbuf *headers, uint8_t *data,
		      uint64_t iova, uint32_t count);

/* An empty buffer with off = PKTBUF_HEADROOM, len = 0, refs = 1; NULL when the pool is empty. */
struct pktbuf *pktbuf_alloc(struct pktbuf_pool *pool);
void pktbuf_free(struct pktbuf *p);	 /* with its pieces, of which only the first says `more` */
void pktbuf_free_list(struct pktbuf *p); /* along ->next; NULL is fine */

static inline void pktbuf_hold(struct pktbuf *p)
{
	p->refs++;
}

/* Until it is freed, wherever it is then: in a queue, at the device, in a call that copies it. Of a
 * packet in pieces, this one alone. */
static inline void pktbuf_charge(struct pktbuf *p, uint8_t owner)
{
	p->pool->held[p->owner]--;
	p->owner = owner;
	p->pool->held[owner]++;
}

/* Bytes of a packet with all its pieces; likewise how many pieces. */
static inline uint32_t pktbuf_total(const struct pktbuf *p)
{
	uint32_t n = 0;

	for (; p; p = p->more)
		n += p->len;
	return n;
}

static inline uint32_t pktbuf_pieces(const struct pktbuf *p)
{
	uint32_t n = 0;

	for (; p; p = p->more)
		n++;
	return n;
}

static inline uint8_t *pktbuf_data(const struct pktbuf *p)
{
	return p->buf + p->off;
}

static inline uint16_t pktbuf_tailroom(const struct pktbuf *p)
{
	return (uint16_t)(PKTBUF_SIZE - p->off - p->len);
}

/* Makes n more bytes in front part of the data. The caller knows there is headroom. */
static inline uint8_t *pktbuf_push(struct pktbuf *p, uint16_t n)
{
	p->off -= n;
	p->len += n;
	return pktbuf_data(p);
}

/* Drops n bytes from the front. The caller knows that len >= n. */
static inline uint8_t *pktbuf_pull(struct pktbuf *p, uint16_t n)
{
	p->off += n;
	p->len -= n;
	return pktbuf_data(p);
}

static inline void pktbuf_trim(struct pktbuf *p, uint16_t len)
{
	if (len < p->len)
		p->len = len;
}

/* Of a packet in pieces the first len bytes; pieces beyond are freed. */
void pktbuf_trim_pieces(struct pktbuf *p, uint32_t len);
static inline void pktbuf_trim_total(struct pktbuf *p, uint32_t len)
{
	if (p->more)
		pktbuf_trim_pieces(p, len);
	else if (len < p->len)
		p->len = (uint16_t)len;
}

/* A first-in first-out list along ->next. */
struct pktbuf_queue {
	struct pktbuf *head, **tail;
	uint32_t count;
};

static inline void pktbuf_queue_init(struct pktbuf_queue *q)
{
	q->head = 0;
	q->tail = &q->head;
	q->count = 0;
}

static inline void pktbuf_queue_put(struct pktbuf_queue *q, struct pktbuf *p)
{
	p->next = 0;
	*q->tail = p;
	q->tail = &p->next;
	q->count++;
}

static inline void pktbuf_queue_put_first(struct pktbuf_queue *q, struct pktbuf *p)
{
	p->next = q->head;
	if (!q->head)
		q->tail = &p->next;
	q->head = p;
	q->count++;
}

static inline struct pktbuf *pktbuf_queue_take(struct pktbuf_queue *q)
{
	struct pktbuf *p = q->head;

	if (!p)
		return 0;
	q->head = p->next;
	if (!q->head)
		q->tail = &q->head;
	q->count--;
	p->next = 0;
	return p;
}

#endif
