// SPDX-License-Identifier: BSD-3-Clause
/*
 * The pool of packet buffers: a free list over headers that never move. Called by drivers, the
 * stack and calls, under the stack lock; calls nothing.
 */
#include "sandbox/pktbuf.h"

#include <stddef.h>
#include <string.h>

void pktbuf_pool_init(struct pktbuf_pool *pool, struct pktbuf *headers, uint8_t *data,
		      uint64_t iova, uint32_t count)
{
	pool->free = NULL;
	pool->all = headers;
	memset(pool->held, 0, sizeof(pool->held));
	pool->count = pool->avail = pool->low_water = count;
	/* Backwards, so that the first allocations are the first buffers: neighbours in memory. */
	for (uint32_t i = count; i-- > 0;) {
		struct pktbuf *p = &headers[i];

		*p = (struct pktbuf){.next = pool->free,
				     .buf = data + (size_t)i * PKTBUF_SIZE,
				     .iova = iova + (uint64_t)i * PKTBUF_SIZE,
				     .pool = pool};
		pool->free = p;
	}
}

struct pktbuf *pktbuf_alloc(struct pktbuf_pool *pool)
{
	struct pktbuf *p = pool->free;

	if (!p)
		return NULL;
	pool->free = p->next;
	pool->avail--;
	if (pool->avail < pool->low_water)
		pool->low_water = pool->avail;
	p->next = p->more = NULL;
	p->off = PKTBUF_HEADROOM;
	p->len = 0;
	p->refs = 1;
	p->flags = p->owner = 0;
	p->csum_start = p->csum_offset = 0;
	p->l3_off = p->l4_off = 0;
	p->time = 0;
	return p;
}

void pktbuf_free(struct pktbuf *p)
{
	struct pktbuf_pool *pool = p->pool;
	struct pktbuf *more;

	/* A free too many must not put a buffer on the list twice: two owners would write into it.
	 * It shows in the counts instead. */
	if (p->refs == 0 || --p->refs)
		return;
	pool->held[p->owner]--;
	p->next = pool->free;
	pool->free = p;
	pool->avail++;
	/* The first piece holds the one reference that the packet has of each further one. */
	while ((more = p->more)) {
		p->more = more->more;
		more->more = NULL;
		pktbuf_free(more);
	}
}

void pktbuf_trim_pieces(struct pktbuf *p, uint32_t len)
{
	for (; p->len < len && p->more; p = p->more)
		len -= p->len;
	if (len < p->len)
		p->len = (uint16_t)len;
	if (p->more)
		pktbuf_free(p->more);
	p->more = NULL;
}

void pktbuf_free_list(struct pktbuf *p)
{
	while (p) {
		struct pktbuf *next = p->next;

		pktbuf_free(p);
		p = next;
	}
}
