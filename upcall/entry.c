/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The image's doors: upcall_run, where the module lets a thread in (by way of entry.S), and
 * image_plain_call, for those who map the segment (image_call.h). Calls calls.c. Also what the
 * image tells its loader, and how a waiter for the stack lock lets others run.
 */
#include <errno.h>
#include <stddef.h>

#include "sandbox/channel.h"
#include "sandbox/image_exports.h"
#include "sandbox/lock.h"
#include "upcall/app_copy.h"
#include "upcall/calls.h"
#include "upcall/entry.h"
#include "upcall/kmod/sandwire_uapi.h"

#define SYS_LSEEK     8
#define SYS_IOCTL     16
#define SYS_NANOSLEEP 35

/* What the assembler files cannot ask the headers. */
_Static_assert(SEG_BASE + SW_EXIT_OFF == 0x6000001ff000, "entry.S: EXIT_ADDRESS");
_Static_assert(SEG_BASE + SEG_IMAGE_OFF == 0x600000200000, "image.ld: start");
_Static_assert(SEG_IMAGE_MAX == 0x800000, "image.ld: size");

static long sys(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/*
 * The module hears whose lock this is: the owner may be off the CPU for any time, and is then made
 * an orphan (sandwire_uapi.h, YIELD; what it calls context i is our i + 1). The daemon waits in the
 * one thread that adopts orphans: so it adopts from here, nested in its own call. The module brings
 * it back to this point.
 */
void sandbox_relax(struct ctx *ctx)
{
	uint32_t owner = stack_lock_owner(&sandbox);
	const int64_t nap[2] = {0, 50000}; /* struct timespec */
	long ret = -1;

	if (owner >= SEG_CTX_COUNT)
		owner = 0; /* nobody's */
	if (ctx->kind == CTX_DAEMON && ctx->fd)
		ret = sys(SYS_IOCTL, (int)ctx->fd, SW_IOC_NET_ADOPT, owner);
	else if (ctx->kind == CTX_UPCALL)
		ret = sys(SYS_IOCTL, (int)ctx->fd, SW_IOC_YIELD, owner);
	/* An adopter has other descriptors than the dead thread had; it is the daemon. */
	if (ret < 0 && ctx->kind == CTX_UPCALL)
		ret = sys(SYS_IOCTL, (int)ctx_at(0)->fd, SW_IOC_YIELD, owner);
	/* Asleep: sched_yield would not let a program run beside a daemon of higher priority. */
	if (ret < 0)
		sys(SYS_NANOSLEEP, (long)nap, 0, 0);
}

/*
 * For a thread that was stopped meanwhile and has the call finished by the daemon; pairs with the
 * acquire in mode_upcall.c, finished_elsewhere.
 */
static void done(struct call_slot *slot)
{
	__atomic_store_n(&slot->state, CALL_DONE, __ATOMIC_RELEASE);
}

/* EXIT; comes back where it fails. */
__attribute__((hot)) static long leave_by(uint32_t fd, struct crossing end)
{
	register int64_t result __asm__("r9") = end.ret;
	register uint64_t sock __asm__("r10") = (uint32_t)end.made;
	register uint64_t flags __asm__("r8") = end.made >> 32;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"((long)SYS_LSEEK), "D"((long)(int)fd), "S"(SW_SEEK_EXIT), "d"(0l),
			   "r"(result), "r"(sock), "r"(flags)
			 : "rcx", "r11", "memory");
	return ret;
}

/* 0, or 1: the daemon shall go on. `budget`: frames | us << 32. */
static int64_t interrupted(struct ctx *ctx, uint64_t index, uint64_t budget)
{
	struct sandbox *sb = &sandbox;

	if (index >= PORT_MAX || !sb->stack || sb->hdr->failed)
		return 0;
	return !turn_interrupt(sb, ctx, (uint32_t)index, (uint32_t)budget, (budget >> 32) * 1000);
}

__attribute__((hot)) struct crossing upcall_main(struct ctx *ctx, uint32_t client, uint64_t sock,
						 uint64_t slot_flags, uint32_t fd)
{
	uint64_t n = (uint32_t)slot_flags;
	struct channel *ch;
	struct call c; /* call_take fills in the rest */

	ctx->kind = CTX_UPCALL;
	ctx->fd = fd;
	ctx->client = client;
	if (slot_flags & SW_ENTER_INTERRUPT)
		return (struct crossing){.ret = interrupted(ctx, n, sock)};
	/* The id is the module's word; 0: a process that holds a socket but never attached. */
	if (!client || client >= SEG_CLIENT_MAX)
		return (struct crossing){.ret = -EPERM};
	if (n >= CHANNEL_SLOTS)
		return (struct crossing){.ret = -EINVAL};
	ch = channel_at((uint32_t)index_nospec(client, SEG_CLIENT_MAX));
	n = index_nospec(n, CHANNEL_SLOTS);
	c.ctx = ctx;
	c.client = client;
	c.sock = sock;
	c.where = CALL_DATA_APP;
	c.so = NULL;
	call_take(&c, &ch->slot[n]);
	call_run(&c);
	call_give(&c, &ch->slot[n]);
	ctx->slot = (uint32_t)n;
	ctx->listener = c.in.nr == CALL_ACCEPT ? c.sock : 0;
	if (!c.made) /* else upcall_run knows the end */
		done(&ch->slot[n]);
	return (struct crossing){.ret = c.in.ret, .made = c.made | (uint64_t)c.made_flags << 32};
}

__attribute__((hot)) struct crossing upcall_run(struct ctx *ctx, uint32_t client, uint64_t sock,
						uint64_t slot_flags, uint32_t fd)
{
	struct crossing end = upcall_main(ctx, client, sock, slot_flags, fd);
	struct call_slot *slot;
	struct channel *ch;
	bool undo;

	if (slot_flags & SW_ENTER_INTERRUPT)
		return end; /* no system call in the name of the interrupted */
	undo = leave_by(fd, end) == -ECANCELED;
	/* The thread's descriptors are not what they were, or this is the adopter: the daemon. */
	undo |= leave_by(ctx_at(0)->fd, end) == -ECANCELED;
	if (end.made && undo) {
		call_unmake(ctx, (uint32_t)end.made);
		ch = channel_at(client);
		slot = &ch->slot[ctx->slot];
		end = (struct crossing){.ret = -ERESTART};
		slot->ret = end.ret;
		done(slot);
		leave_by(ctx_at(0)->fd, end);
	}
	return end;
}

int64_t image_plain_call(struct ctx *ctx, uint32_t client, struct call_slot *slot)
{
	struct call c = {.ctx = ctx, .client = client, .where = CALL_DATA_APP};

	ctx->kind = ctx->id ? CTX_DIRECT : CTX_DAEMON;
	ctx->client = client;
	if (!client && slot->nr >= ADMIN_INIT)
		return slot->ret = admin_call(ctx, slot);
	c.sock = call_take(&c, slot);
	call_run(&c);
	call_give(&c, slot);
	return c.in.ret;
}

#ifndef SANDWIRE_HOSTED /* a hosted test has no such addresses */
void image_entry(void); /* entry.S */

__attribute__((section(".exports"), used)) static const struct {
	uint64_t magic;
	uint32_t seg_version, header_size;
	void (*entry)(void);
	image_plain_call_fn *call;
	const char *fault_fixup, *copy_start, *copy_end;
} exports = {
	.magic = IMAGE_EXPORTS_MAGIC,
	.seg_version = SEG_VERSION,
	.header_size = sizeof(struct seg_header),
	.entry = image_entry,
	.call = image_plain_call,
	.fault_fixup = app_fault_fixup,
	.copy_start = app_copy_start,
	.copy_end = app_copy_end,
};
_Static_assert(sizeof(exports) == sizeof(struct image_exports), "as image_load.c reads it");
#endif
