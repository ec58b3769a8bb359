/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crossing in upcall mode: this thread itself goes on in the sandbox, through sandwire.ko
 * (kmod/sandwire_uapi.h). The call is made on the socket's own descriptor, so that the kernel
 * vouches for the caller's right to it. Called by api.c through struct mode_ops.
 */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "sandbox/layout.h"
#include "upcall/client.h"
#include "upcall/enter.h"
#include "upcall/raw.h"

/*
 * This thread was stopped, frozen or traced in mid-upcall, and somebody else finishes the call: it
 * must not be made again. Its result comes into the slot, within milliseconds unless the daemon is
 * gone. -ERESTART: it was undone, for want of this thread: a socket that it made would have had no
 * descriptor, what it received or sent lay in this process's memory. Not so a service: it may have
 * acted before its result could not be stored.
 */
static int64_t finished_elsewhere(struct call *c)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int64_t cut_off = c->slot->nr == CALL_SERVICE ? -EINTR : -ERESTART;

	for (unsigned waited = 0; waited < 1000; waited++) {
		if (__atomic_load_n(&c->slot->state, __ATOMIC_ACQUIRE) == CALL_DONE)
			return c->slot->ret == -EFAULT ? cut_off : c->slot->ret;
		RAW3(SYS_nanosleep, &ms, 0, 0);
	}
	return -EINTR;
}

__attribute__((hot)) static int64_t cross(struct call *c, int *crossing)
{
	int fd = c->fd >= 0 ? c->fd : c->at->client_fd;
	int64_t result = 0;
	long ret;

	do {
		__atomic_store_n(&c->slot->state, CALL_POSTED, __ATOMIC_RELEASE);
		/* All contexts in use: for the length of a few calls of others. */
		for (unsigned tries = 0;
		     (ret = raw_enter(fd, c->n, &result)) == -EAGAIN && tries < 1000; tries++)
			RAW3(SYS_sched_yield, 0, 0, 0);
		if (ret == -EINTR) {
			result = finished_elsewhere(c);
			ret = 0;
		}
	} while (!ret && result == -ERESTART);
	*crossing = (int)ret;
	return result;
}

static int attach(struct attachment *at, const char *reply, int *fds, unsigned n_fds)
{
	if (at->uninterrupted)
		return (int)RAW3(SYS_ioctl, at->client_fd, SW_IOC_INTERRUPTS, SW_INTERRUPTS_NEVER);
	return 0;
}

static void detach(struct attachment *at)
{
}

const struct mode_ops mode_upcall = {
	.name = "upcall",
	.drives = true,
	.attach = attach,
	.detach = detach,
	.cross = cross,
};
