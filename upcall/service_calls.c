/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of services that extensions registered (sandbox/ext_host.h). The argument block is copied
 * once into this upcall's own stack, the service works there, and the result is copied out: an
 * extension never sees application memory. Called by calls.c.
 *
 * A block that fits travels in the slot itself: then the result reaches a caller whose upcall was
 * finished by somebody else, too. A larger one is in application memory or in the slot's data area.
 */
#include <errno.h>
#include <string.h>

#include "sandbox/ext_host.h"
#include "upcall/app_copy.h"
#include "upcall/calls.h"

_Static_assert(EXT_BLOCK_MAX <= CHANNEL_DATA_SIZE, "a block fits in a data area");
_Static_assert(EXT_BLOCK_MAX == SERVICE_BLOCK_MAX && EXT_NAME == SERVICE_NAME, "as programs know");

static int block_in(struct call *c, uint8_t *block, uint64_t n)
{
	const struct call_service *in = (const struct call_service *)c->in.inl;

	if (n <= SERVICE_INLINE) {
		memcpy(block, in->block, n);
		return 0;
	}
	if (!call_in_reach(c, in->arg_at, n))
		return -EFAULT;
	return call_copy_in(c, block, in->arg_at, n);
}

/* Before the service acts, as a result that cannot be delivered would be lost: the place is written
 * with what its owner gave us. */
static int result_reach(struct call *c, const uint8_t *block, uint64_t room)
{
	const struct call_service *in = (const struct call_service *)c->in.inl;

	if (room <= SERVICE_INLINE)
		return 0;
	if (!call_in_reach(c, in->result_at, room))
		return -EFAULT;
	return c->where == CALL_DATA_STAGED ? 0 : app_copy_out(in->result_at, block, room);
}

static int block_out(struct call *c, const uint8_t *block, uint64_t n, uint64_t room)
{
	struct call_service *io = (struct call_service *)c->in.inl;

	if (room <= SERVICE_INLINE) {
		memcpy(io->block, block, n);
		c->inl_out = (uint32_t)(offsetof(struct call_service, block) + n);
		return 0;
	}
	return call_copy_out(c, io->result_at, block, n);
}

int64_t call_service(struct call *c)
{
	uint8_t block[EXT_BLOCK_MAX] __attribute__((aligned(16)));
	const struct call_service *in = (const struct call_service *)c->in.inl;
	uint64_t size = c->in.arg[0], room = c->in.arg[1];
	struct ext_call call = {.ctx = c->ctx,
				.client = c->client,
				.size = (uint32_t)size,
				.room = (uint32_t)room,
				.block = block};
	bool stale = false;
	int64_t ret;
	int err;

	if (size > EXT_BLOCK_MAX || room > EXT_BLOCK_MAX)
		return -EMSGSIZE;
	err = block_in(c, block, size);
	if (room > size)
		memset(block + size, 0, room - size); /* not what the stack held before */
	if (!err)
		err = result_reach(c, block, room);
	if (err)
		return err;
	/* Only a direct-mode program runs what it mapped itself. */
	ret = ext_run(&sandbox, in->name, c->ctx->kind == CTX_DIRECT ? c->in.arg[2] : UINT64_MAX,
		      &call, &stale);
	c->in.ret2 = stale;
	if (ret < 0)
		return ret < -4095 ? -EIO : ret;
	if ((uint64_t)ret > room)
		return -EMSGSIZE;
	err = block_out(c, block, (uint64_t)ret, room);
	return err ? err : ret;
}

int64_t call_service_name(struct call *c)
{
	const char *name;
	int64_t ret = -ENOENT;

	turn_begin(&sandbox, c->ctx);
	name = c->in.arg[0] <= UINT32_MAX ? ext_service_name((unsigned)c->in.arg[0]) : NULL;
	if (name) {
		memcpy(c->in.inl, name, EXT_NAME);
		c->inl_out = EXT_NAME;
		ret = 0;
	}
	turn_end(&sandbox, c->ctx);
	return ret;
}
