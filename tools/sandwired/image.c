/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's way into the image. Called by everything in the daemon that asks the stack; calls
 * image_call() in the image (upcall/entry.c).
 */
#include "tools/sandwired/image.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

static bool given_up;

void image_give_up(void)
{
	given_up = true;
	__atomic_store_n(&image_header()->failed, ENETDOWN, __ATOMIC_SEQ_CST);
}

static int64_t enter(uint32_t client, struct call_slot *slot)
{
	return given_up ? -ENETDOWN : image_call(ctx_at(0), client, slot);
}

int64_t image_admin(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct call_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.nr = nr;
	slot.arg[0] = a0;
	slot.arg[1] = a1;
	slot.arg[2] = a2;
	slot.arg[3] = a3;
	return enter(0, &slot);
}

uint32_t image_serve(uint32_t client, struct channel *channel, unsigned n)
{
	struct call_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.nr = ADMIN_SERVE;
	slot.arg[0] = client;
	slot.arg[1] = IMAGE_PTR(channel);
	slot.arg[2] = n;
	return enter(0, &slot) < 0 ? 0 : (uint32_t)slot.ret2;
}

int image_sock_type(uint32_t client, uint32_t sock)
{
	struct call_slot slot;
	int64_t r;
	int type;

	memset(&slot, 0, sizeof(slot));
	slot.nr = CALL_GETSOCKOPT;
	slot.sock = sock;
	slot.arg[0] = SOL_SOCKET;
	slot.arg[1] = SO_TYPE;
	slot.arg[2] = sizeof(type);
	r = enter(client, &slot);
	if (r < 0)
		return (int)r;
	memcpy(&type, slot.inl, sizeof(type));
	return type;
}
