/* SPDX-License-Identifier: BSD-3-Clause */
/* See caller.h. */
#include "tests/upcall/caller.h"

#include <check.h>
#include <poll.h>
#include <string.h>

#include "sandbox/lock.h"
#include "upcall/entry.h"

struct seg_header hdr;
struct seg_kshared ks;
struct ctx app = {.id = 9};
struct call_slot slot;
uint64_t may[FAKE_SOCKETS][SEG_CLIENT_MAX / 64];
uint8_t area[CHANNEL_DATA_SIZE];

/* Not called by these tests: the daemon's calls are tested on the real image (image_test.c). */
int64_t admin_call(struct ctx *ctx, struct call_slot *s)
{
	return 4711;
}

void caller_open(void)
{
	fake_faults(&app);
	memset(&hdr, 0, sizeof(hdr));
	memset(&ks, 0, sizeof(ks));
	memset(&slot, 0, sizeof(slot));
	memset(may, 0, sizeof(may));
	grants = (struct grants){0};
	fake_stack_init(&sandbox);
	sandbox = (struct sandbox){.hdr = &hdr,
				   .ks = &ks,
				   .ops = &fake_ops,
				   .stack = &fake,
				   .relax = sandbox_relax,
				   .daemon_wakes_at = UINT64_MAX};
	for (unsigned i = 0; i < 2; i++)
		fake.so[i] = (struct socket){.id = FAKE_ID(i), .open = true, .events = POLLOUT};
}

void caller_close(void)
{
	ck_assert_uint_eq(stack_lock_owner(&sandbox), UINT32_MAX);
	ck_assert_uint_eq(fake.pool.avail, 16); /* no buffer lost on any way */
}

int64_t call_as(uint32_t client, uint32_t nr, uint32_t sock)
{
	slot.nr = nr;
	slot.sock = sock;
	return image_plain_call(&app, client, &slot);
}

int64_t call(uint32_t nr)
{
	return call_as(1, nr, FAKE_ID(0));
}

int64_t staged(uint32_t nr, uint32_t client, uint32_t sock)
{
	struct call c = {.ctx = &app, .client = client, .where = CALL_DATA_STAGED, .area = area};

	slot.nr = nr;
	slot.sock = sock;
	c.sock = call_take(&c, &slot);
	call_run(&c);
	call_give(&c, &slot);
	return c.in.ret;
}

struct call_io *io(void)
{
	return (struct call_io *)slot.inl;
}

void iov(unsigned i, const void *base, uint64_t len)
{
	io()->iov[i] = (struct call_iov){.base = (uint64_t)(uintptr_t)base, .len = len};
	if (slot.arg[1] <= i)
		slot.arg[1] = i + 1;
}

void iov_at(uint64_t base, uint64_t len)
{
	iov(0, (void *)(uintptr_t)base, len);
}
