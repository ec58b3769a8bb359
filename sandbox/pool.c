/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arena and fixed-size objects. Called by the stack's constructors and at packet rate; calls
 * nothing. Under the stack lock.
 */
#include "sandbox/pool.h"

#include <errno.h>
#include <string.h>

#define OBJECT_ALIGN 64u

void *arena_take(struct arena *a, size_t size, size_t align)
{
	uintptr_t at = (uintptr_t)a->base + a->used;
	size_t pad = (size_t)(-at & (align - 1));
	void *mem;

	if (pad > a->size - a->used || size > a->size - a->used - pad)
		return NULL;
	mem = a->base + a->used + pad;
	a->used += pad + size;
	memset(mem, 0, size);
	return mem;
}

/*
 * Objects are carved in order when the free list is empty, so a pool touches only the memory that
 * was ever in use: `high` is both the high-water mark and the first object never handed out.
 */
int pool_init(struct pool *p, struct arena *a, const char *name, uint32_t size, uint32_t count)
{
	size_t i;

	memset(p, 0, sizeof(*p));
	for (i = 0; name[i] && i < sizeof(p->name) - 1; i++)
		p->name[i] = name[i];
	if (size > UINT32_MAX - OBJECT_ALIGN)
		return -ENOMEM;
	p->size = (size + OBJECT_ALIGN - 1) & ~(OBJECT_ALIGN - 1);
	p->count = count;
	p->base = arena_take(a, (size_t)p->size * count, OBJECT_ALIGN);
	return p->base ? 0 : -ENOMEM;
}

void *pool_get(struct pool *p)
{
	void *object = p->free;

	if (object) {
		memcpy(&p->free, object, sizeof(p->free));
		memset(object, 0, p->size);
	} else if (p->high < p->count) {
		object = pool_at(p, p->high++); /* zeroed by the arena */
	} else {
		p->failed++;
		return NULL;
	}
	p->used++;
	return object;
}

void pool_put(struct pool *p, void *object)
{
	memcpy(object, &p->free, sizeof(p->free));
	p->free = object;
	p->used--;
}
