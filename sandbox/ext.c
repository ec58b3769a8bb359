// SPDX-License-Identifier: BSD-3-Clause
/*
 * Native extensions inside the image: the registry, a call's way into a service and out, and the
 * runtime that extensions call (ext.h). Called by upcall/service_calls.c and admin_calls.c, and by
 * the extensions; calls lock.c and pool.c. See ext_host.h for who is counted how.
 */
#include "sandbox/ext_host.h"

#include <errno.h>
#include <string.h>

#include "sandbox/lock.h"

static struct ext exts[SEG_EXT_COUNT];

/* ---- the registry -------------------------------------------------------------------------- */

/* Both of EXT_NAME bytes; what comes from callers may lack its zero. */
static bool same_name(const char *a, const char *b)
{
	for (unsigned i = 0; i < EXT_NAME; i++) {
		if (a[i] != b[i])
			return false;
		if (!a[i])
			return true;
	}
	return false;
}

static const struct ext_service *find(const char *name, struct ext **in)
{
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++)
		for (unsigned k = 0; exts[i].state && k < EXT_SERVICES; k++) {
			if (!exts[i].desc.service[k].name[0])
				break;
			if (!same_name(exts[i].desc.service[k].name, name))
				continue;
			*in = &exts[i];
			return &exts[i].desc.service[k];
		}
	return NULL;
}

/* Is one of its names in use already? */
static bool taken(const struct ext_desc *d, const char **name)
{
	struct ext *in;

	*name = d->name;
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++)
		if (exts[i].state && same_name(exts[i].desc.name, d->name))
			return true;
	for (unsigned k = 0; k < EXT_SERVICES && d->service[k].name[0]; k++) {
		*name = d->service[k].name;
		if (find(*name, &in))
			return true;
	}
	return false;
}

static int make_client_data(struct ext *ext)
{
	if (!ext->desc.client_size)
		return 0;
	ext->client_data = arena_take(&ext->pool, SEG_CLIENT_MAX * sizeof(void *), 64);
	if (!ext->client_data)
		return -ENOMEM;
	return pool_init(&ext->clients, &ext->pool, "clients", ext->desc.client_size,
			 SEG_CLIENT_MAX);
}

int ext_add(struct sandbox *sb, unsigned place, const struct ext_desc *desc, void *pool,
	    uint64_t pool_size, uint64_t gen, const char **clash)
{
	struct ext *ext;
	int ret;

	if (taken(desc, clash))
		return -EEXIST;
	*clash = NULL;
	if (place >= SEG_EXT_COUNT || exts[place].state)
		return -EBUSY;
	ext = &exts[place];
	memset(ext, 0, sizeof(*ext));
	ext->sb = sb;
	ext->gen = gen;
	ext->desc = *desc;
	ext->pool = (struct arena){.base = pool, .size = pool_size};
	ret = make_client_data(ext);
	if (!ret && desc->init)
		ret = desc->init(ext);
	if (!ret)
		ext->state = EXT_OPEN;
	return ret > 0 ? -EINVAL : ret;
}

int ext_close(unsigned place)
{
	struct ext *ext = &exts[place % SEG_EXT_COUNT];
	int inside = 0;

	if (place >= SEG_EXT_COUNT || !ext->state)
		return -ENOENT;
	ext->state = EXT_CLOSING;
	/* acquire: pairs with the release in ext_run, after the extension's last instruction */
	for (unsigned i = 0; i < SEG_CTX_COUNT; i++)
		inside += __atomic_load_n(&ctx_at(i)->in_ext, __ATOMIC_ACQUIRE) == place + 1;
	if (inside)
		return inside;
	if (ext->desc.exit)
		ext->desc.exit(ext);
	ext->state = EXT_FREE;
	return 0;
}

void ext_reopen(unsigned place)
{
	if (place < SEG_EXT_COUNT && exts[place].state == EXT_CLOSING)
		exts[place].state = EXT_OPEN;
}

void ext_client_gone(uint32_t client)
{
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++) {
		struct ext *ext = &exts[i];
		void *data;

		if (!ext->state || !client || client >= SEG_CLIENT_MAX)
			continue;
		data = ext_client_find(ext, client);
		if (ext->desc.client_gone)
			ext->desc.client_gone(ext, client, data);
		if (!data)
			continue;
		ext->client_data[client] = NULL;
		pool_put(&ext->clients, data);
	}
}

const char *ext_service_name(unsigned n)
{
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++)
		for (unsigned k = 0; exts[i].state == EXT_OPEN && k < EXT_SERVICES; k++) {
			if (!exts[i].desc.service[k].name[0])
				break;
			if (!n--)
				return exts[i].desc.service[k].name;
		}
	return NULL;
}

uint64_t ext_calls(unsigned place)
{
	return place < SEG_EXT_COUNT ? exts[place].calls : 0;
}

/* ---- a call -------------------------------------------------------------------------------- */

int64_t ext_run(struct sandbox *sb, const char *name, uint64_t gen, struct ext_call *call,
		bool *stale)
{
	const struct ext_service *service;
	struct ext *ext = NULL;
	int64_t ret = 0;

	stack_lock(sb, call->ctx);
	service = find(name, &ext);
	*stale = service && ext->gen > gen;
	if (!service)
		ret = -ENOENT;
	else if (ext->state != EXT_OPEN)
		ret = -ESHUTDOWN;
	else if (*stale)
		ret = -ESTALE;
	if (!ret) {
		call->ctx->in_ext = (uint32_t)(ext - exts) + 1;
		ext->calls++;
	}
	stack_unlock(sb, call->ctx);
	if (ret)
		return ret;
	call->ext = ext;
	ret = service->run(call);
	__atomic_store_n(&call->ctx->in_ext, 0, __ATOMIC_RELEASE);
	return ret;
}

/* ---- the runtime --------------------------------------------------------------------------- */

void ext_lock(const struct ext_call *call)
{
	stack_lock(call->ext->sb, call->ctx);
}

void ext_unlock(const struct ext_call *call)
{
	stack_unlock(call->ext->sb, call->ctx);
}

uint64_t ext_now(const struct ext *ext)
{
	return turn_clock(ext->sb);
}

/* Which list, and the size that its pieces have; EXT_CLASSES: too large. */
static unsigned size_class(size_t size, size_t *rounded)
{
	unsigned class = 0;

	for (*rounded = EXT_CLASS_MIN; *rounded < size && class < EXT_CLASSES; class ++)
		*rounded *= 2;
	return class;
}

void *ext_alloc(struct ext *ext, size_t size)
{
	unsigned class = size_class(size, &size);
	void *mem;

	if (class >= EXT_CLASSES)
		return NULL;
	mem = ext->free[class];
	if (!mem)
		return arena_take(&ext->pool, size, EXT_CLASS_MIN);
	memcpy(&ext->free[class], mem, sizeof(void *));
	memset(mem, 0, size);
	return mem;
}

void ext_free(struct ext *ext, void *mem, size_t size)
{
	unsigned class = size_class(size, &size);

	if (!mem || class >= EXT_CLASSES)
		return;
	memcpy(mem, &ext->free[class], sizeof(void *));
	ext->free[class] = mem;
}

void *ext_client_find(const struct ext *ext, uint32_t client)
{
	return ext->client_data && client < SEG_CLIENT_MAX ? ext->client_data[client] : NULL;
}

void *ext_client(struct ext *ext, uint32_t client)
{
	void *data = ext_client_find(ext, client);

	if (data || !ext->client_data || !client || client >= SEG_CLIENT_MAX)
		return data;
	return ext->client_data[client] = pool_get(&ext->clients);
}

/* ---- what extensions may refer to ---------------------------------------------------------- */

#define SYMBOL(name)                                                                               \
	{                                                                                          \
#name, (void (*)(void))(name)                                                      \
	}
static const struct {
	char name[EXT_NAME];
	void (*addr)(void);
} symbols[] = {
	SYMBOL(ext_lock), SYMBOL(ext_unlock), SYMBOL(ext_now),	       SYMBOL(ext_alloc),
	SYMBOL(ext_free), SYMBOL(ext_client), SYMBOL(ext_client_find), SYMBOL(memcpy),
	SYMBOL(memmove),  SYMBOL(memset),     SYMBOL(memcmp),
};

uint64_t ext_symbol(const char *name)
{
	for (unsigned i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (same_name(symbols[i].name, name))
			return (uint64_t)(uintptr_t)symbols[i].addr;
	return 0;
}
