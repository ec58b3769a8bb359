/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crossing in upcall mode: this thread itself goes on in the sandbox, through sandwire.ko
 * (kmod/sandwire_uapi.h). The call is made on the socket's own descriptor, so that the kernel
 * vouches for the caller's right to it. Called by api.c through struct mode_ops.
 */
#include <errno.h>
#include <sys/mman.h>

#include "sandbox/layout.h"
#include "upcall/client.h"
#include "upcall/kmod/sandwire_uapi.h"
#include "upcall/raw.h"

/*
 * rax: of the crossing; rdx: the sandbox's result, 64 bits wide where an ioctl's own is cut to 32.
 * The sandbox reads and writes this process's memory like any function.
 */
static inline long enter(int fd, uint64_t slot, int64_t *result)
{
	long rax = SYS_ioctl;
	uint64_t rdx = slot;

	__asm__ volatile("syscall"
			 : "+a"(rax), "+d"(rdx)
			 : "D"((long)fd), "S"((long)SW_IOC_ENTER)
			 : "rcx", "r11", "memory");
	*result = (int64_t)rdx;
	return rax;
}

static int64_t cross(struct call *c, int *crossing)
{
	int fd = c->fd >= 0 ? c->fd : c->at->client_fd;
	int64_t result = 0;
	long ret;

	for (unsigned tries = 0;; tries++) {
		ret = enter(fd, c->n, &result);
		/* All contexts in use, for the length of a few calls of others. */
		if (ret != -EINTR && (ret != -EAGAIN || tries == 1000))
			break;
		if (ret == -EAGAIN)
			RAW3(SYS_sched_yield, 0, 0, 0);
	}
	*crossing = (int)ret;
	return result;
}

static int attach(struct attachment *at, const char *reply, int *fds, unsigned n_fds)
{
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
