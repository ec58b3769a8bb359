/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crossing in direct mode: a plain function call, the segment is mapped in this process. For
 * trusted programs: nothing is protected. Called by api.c through struct mode_ops.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "sandbox/ctx.h"
#include "sandbox/layout.h"
#include "upcall/client.h"
#include "upcall/image_call.h"
#include "upcall/raw.h"

#define MAX_REGIONS 64
#define EXT_AREA    (SEG_EXT_COUNT * SEG_EXT_STRIDE)

/* Contexts are few and calls short: a thread takes one for each call, mostly the same again. */
static _Thread_local unsigned ctx_hint;

static struct ctx *ctx_take(void)
{
	uint32_t tid = (uint32_t)RAW3(SYS_gettid, 0, 0, 0);
	unsigned first = ctx_hint ? ctx_hint : 1 + tid % (SEG_CTX_COUNT - 1);

	for (unsigned i = 0;; i++) {
		unsigned id = 1 + (first - 1 + i) % (SEG_CTX_COUNT - 1);
		struct ctx *ctx = ctx_at(id);
		uint32_t nobody = 0;

		/* acquire: pairs with the release in ctx_give() */
		if (!__atomic_load_n(&ctx->owner_tid, __ATOMIC_RELAXED) &&
		    __atomic_compare_exchange_n(&ctx->owner_tid, &nobody, tid, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			ctx_hint = id;
			return ctx;
		}
		if (i % SEG_CTX_COUNT == SEG_CTX_COUNT - 1)
			RAW3(SYS_sched_yield, 0, 0, 0);
	}
}

static void ctx_give(struct ctx *ctx)
{
	__atomic_store_n(&ctx->owner_tid, 0, __ATOMIC_RELEASE);
}

/* The daemon empties the wake ring where there is no module; its doorbell says there is something.
 */
static void wake_daemon(struct attachment *at)
{
	struct seg_kshared *ks = (struct seg_kshared *)(uintptr_t)(SEG_BASE + SEG_KSHARED_OFF);
	uint64_t one = 1;

	if (__atomic_load_n(&ks->wake_head, __ATOMIC_ACQUIRE) !=
		    __atomic_load_n(&ks->wake_tail, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&ks->wake_overflow, __ATOMIC_RELAXED))
		RAW3(SYS_write, at->doorbell_fd, &one, sizeof(one));
}

static void enter(struct call *c)
{
	struct call_slot *slot = c->slot;
	uint64_t mask;
	struct ctx *ctx;

	/* A handler that ran in the middle would find the stack lock held by its own thread. */
	mask = raw_block_signals();
	ctx = ctx_take();
	image_call(ctx, c->at->client, slot);
	ctx_give(ctx);
	wake_daemon(c->at);
	raw_restore_signals(mask);
}

static int map_region(const char *region, int fd, int fixed)
{
	uint64_t off, len, prot, fd_off;
	long map;

	if (!json_u64(region, "off", &off) || !json_u64(region, "len", &len) ||
	    !json_u64(region, "prot", &prot) || !json_u64(region, "fd_off", &fd_off) ||
	    off >= SEG_SLOT_SIZE || len > SEG_SLOT_SIZE - off)
		return -EPROTO;
	map = RAW6(SYS_mmap, SEG_BASE + off, len, prot, MAP_SHARED | fixed, fd, fd_off);
	if (map < 0 && map > -4096)
		return (int)map;
	/* A child would find the stack lock held by threads it does not have: it maps anew. */
	madvise((void *)map, len, MADV_DONTFORK);
	return 0;
}

/*
 * Extensions, place by place. What lay there is nobody's any more: the sandbox lets no one into an
 * extension that came after the generation he says.
 */
static int map_places(struct attachment *at, uint64_t *gen)
{
	char reply[CONTROL_MAX], ask[48];
	int ret = 0;

	*gen = UINT64_MAX;
	for (unsigned place = 0; place < SEG_EXT_COUNT && !ret; place++) {
		const char *region;
		uint64_t now;
		int fd;

		snprintf(ask, sizeof(ask), "{\"cmd\":\"ext-map\",\"place\":%u}", place);
		ret = control_ask(at, ask, -1, reply, &fd);
		if (ret)
			return ret;
		if (!json_u64(reply, "gen", &now))
			ret = -EPROTO;
		/* What came meanwhile may be missing. */
		else if (now < *gen)
			*gen = now;
		for (unsigned i = 0; !ret && (region = json_element(reply, "regions", i)); i++)
			ret = map_region(region, fd, MAP_FIXED);
		if (fd >= 0)
			RAW3(SYS_close, fd, 0, 0);
	}
	return ret;
}

static int map_extensions(struct attachment *at)
{
	uint64_t gen, mask = raw_block_signals();
	int ret;

	client_lock(&at->ext_lock);
	ret = map_places(at, &gen);
	if (!ret)
		atomic_store(&at->ext_gen, gen);
	client_unlock(&at->ext_lock);
	raw_restore_signals(mask);
	return ret;
}

/* A place where they can be mapped later. */
static int reserve_extensions(struct attachment *at)
{
	long area = RAW6(SYS_mmap, SEG_BASE + SEG_EXT_OFF, EXT_AREA, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (area < 0 && area > -4096)
		return (int)area;
	madvise((void *)area, EXT_AREA, MADV_DONTFORK);
	atomic_store(&at->ext_gen, 0);
	return 0;
}

static int64_t cross(struct call *c, int *crossing)
{
	struct call_slot *slot = c->slot;

	*crossing = 0;
	if (c->fd >= 0)
		slot->sock = FD_ID(c->word);
	if (slot->nr == CALL_SERVICE)
		slot->arg[2] = atomic_load(&c->at->ext_gen);
	enter(c);
	/* Its code is not mapped here yet: it was loaded after we last looked. */
	while (slot->nr == CALL_SERVICE && slot->ret == -ESTALE && slot->ret2) {
		*crossing = map_extensions(c->at);
		if (*crossing)
			return 0;
		slot->arg[2] = atomic_load(&c->at->ext_gen);
		enter(c);
	}
	if ((slot->nr != CALL_SOCKET && slot->nr != CALL_ACCEPT) || slot->ret < 0)
		return slot->ret;
	return pair_get(c->at, slot->sock, c->sock_flags);
}

static void detach(struct attachment *at)
{
	munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
}

/* The regions listed in one packet; each has a descriptor, which is used up. */
static int map_regions(const char *reply, int *fds, unsigned n_fds, unsigned *done)
{
	const char *region;
	unsigned i;
	int ret = 0;

	for (i = 0; !ret && (region = json_element(reply, "regions", i)); i++)
		ret = i < n_fds ? map_region(region, fds[i], MAP_FIXED_NOREPLACE) : -EPROTO;
	*done += i;
	for (unsigned k = 0; k < n_fds; k++) {
		RAW3(SYS_close, fds[k], 0, 0);
		fds[k] = -1;
	}
	return ret;
}

/* Regions come in as many packets as their descriptors take. */
static int attach(struct attachment *at, const char *reply, int *fds, unsigned n_fds)
{
	const struct seg_header *hdr = (const struct seg_header *)(uintptr_t)SEG_BASE;
	char packet[CONTROL_MAX];
	int more[CONTROL_FDS], ret;
	unsigned n = 0, done = 0;
	uint64_t total;

	if (!n_fds || !json_u64(reply, "n_regions", &total) || total > MAX_REGIONS)
		return -EPROTO;
	at->doorbell_fd = fds[0];
	fds[0] = -1;
	ret = map_regions(reply, fds + 1, n_fds - 1, &done);
	while (!ret && done < total) {
		ret = control_recv(at->control_fd, packet, more, &n);
		if (ret > 0)
			ret = map_regions(packet, more, n, &done);
	}
	if (!ret)
		ret = reserve_extensions(at);
	if (!ret && (hdr->magic != SEG_MAGIC || hdr->version != SEG_VERSION))
		ret = -EPROTO;
	return ret;
}

const struct mode_ops mode_direct = {
	.name = "direct",
	.drives = true,
	.pairs = true,
	.attach = attach,
	.detach = detach,
	.cross = cross,
};
