/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fixed-size objects out of one arena: no allocation at packet rate beyond a free-list pop, and
 * counts that must return to where they were (leaks show in `sandwire stat`).
 * A leaf header. All under the stack lock.
 */
#ifndef SANDBOX_POOL_H
#define SANDBOX_POOL_H

#include <stddef.h>
#include <stdint.h>

/* Memory handed out once, front to back, never given back. */
struct arena {
	uint8_t *base;
	size_t size, used;
};

/* `size` zeroed bytes aligned to `align` (a power of two), or NULL. */
void *arena_take(struct arena *a, size_t size, size_t align);

struct pool {
	char name[16];
	void *free; /* list linked through the first word of each free object */
	uint8_t *base;
	uint32_t size;			    /* bytes an object, a multiple of 16 */
	uint32_t count, used, high, failed; /* objects */
};

/* 0, or -ENOMEM when the arena is too small. Objects are 64-byte aligned. */
int pool_init(struct pool *p, struct arena *a, const char *name, uint32_t size, uint32_t count);
/* A zeroed object, or NULL (counted in `failed`). */
void *pool_get(struct pool *p);
void pool_put(struct pool *p, void *object);
/* Objects by number, used or not: for tables indexed by id. */
static inline void *pool_at(const struct pool *p, uint32_t i)
{
	return p->base + (size_t)i * p->size;
}
static inline uint32_t pool_index(const struct pool *p, const void *object)
{
	return (uint32_t)(((const uint8_t *)object - p->base) / p->size);
}

#endif
