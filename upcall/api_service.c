/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of services that extensions of the net registered. A small block goes in the slot itself;
 * a larger one lies in the caller's memory, or (server mode) in the slot's data area. Called by
 * programs; calls api.c's course of a call.
 */
#include <errno.h>
#include <string.h>

#include "upcall/client.h"
#include "upcall/sandwire.h"

_Static_assert(SANDWIRE_SERVICE_NAME == SERVICE_NAME && SANDWIRE_BLOCK_MAX == SERVICE_BLOCK_MAX &&
		       SANDWIRE_BLOCK_SMALL == SERVICE_INLINE,
	       "sandwire.h says what the ABI says");

ssize_t sandwire_call(const char *service, const void *arg, size_t len, void *result, size_t room)
{
	size_t name_len = service ? strlen(service) : 0;
	struct call_service *io;
	struct call c;
	uint8_t *data;
	int64_t ret;

	if (!name_len || name_len >= SERVICE_NAME)
		return -ENOENT;
	if (room > SERVICE_BLOCK_MAX)
		room = SERVICE_BLOCK_MAX;
	if (len > SERVICE_BLOCK_MAX)
		return -EMSGSIZE;
	ret = call_begin(&c, NO_FD, CALL_SERVICE);
	if (ret)
		return ret;
	io = (struct call_service *)c.slot->inl;
	data = c.at->ops->staged ? c.at->data + (size_t)c.n * CHANNEL_DATA_SIZE : NULL;
	memset(io->name, 0, sizeof(io->name));
	memcpy(io->name, service, name_len);
	c.slot->arg[0] = len;
	c.slot->arg[1] = room;
	io->arg_at = data ? 0 : (uint64_t)(uintptr_t)arg;
	io->result_at = data ? 0 : (uint64_t)(uintptr_t)result;
	if (len && (len <= SERVICE_INLINE || data))
		memcpy(len <= SERVICE_INLINE ? io->block : data, arg, len);
	ret = call_go(&c);
	if (ret > (int64_t)room)
		ret = -EPROTO;
	if (ret > 0 && (room <= SERVICE_INLINE || data))
		memcpy(result, room <= SERVICE_INLINE ? io->block : data, (size_t)ret);
	call_end(&c);
	return ret;
}

int sandwire_service(unsigned i, char name[SANDWIRE_SERVICE_NAME])
{
	struct call c;
	int64_t ret = call_begin(&c, NO_FD, CALL_SERVICE_NAME);

	if (ret)
		return (int)ret;
	c.slot->arg[0] = i;
	ret = call_go(&c);
	memcpy(name, c.slot->inl, SERVICE_NAME);
	call_end(&c);
	name[SERVICE_NAME - 1] = 0;
	return (int)ret;
}
