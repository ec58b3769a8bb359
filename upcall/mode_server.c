/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A crossing in server mode: the slot is posted to the daemon, which runs the sandbox and answers
 * in the slot. Called by api.c through struct mode_ops.
 *
 * Posting and the doorbell: here posted is set, then daemon_polling is read; the daemon clears
 * daemon_polling, then reads posted once more before it sleeps. Both sequentially consistent, so
 * at least one sees the other's store, and no post is left lying.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <time.h>

#include "upcall/client.h"
#include "upcall/pair_fd.h"
#include "upcall/raw.h"

#define SPINS 2000 /* pauses, some 20 us: what a daemon that runs on another core takes */

static bool daemon_gone(struct attachment *at)
{
	struct pollfd pfd = {.fd = at->control_fd};

	return __atomic_load_n(&at->channel->net_down, __ATOMIC_RELAXED) ||
	       RAW6(SYS_poll, &pfd, 1, 0, 0, 0, 0) == 1;
}

static int wait_done(struct attachment *at, struct call_slot *slot, unsigned spins)
{
	/* acquire: pairs with the daemon's release store of CALL_DONE, after the results */
	while (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != CALL_DONE) {
		struct timespec second = {.tv_sec = 1};

		if (spins) {
			spins--;
			__builtin_ia32_pause();
			continue;
		}
		if (RAW6(SYS_futex, &slot->state, FUTEX_WAIT, CALL_POSTED, &second, 0, 0) ==
			    -ETIMEDOUT &&
		    daemon_gone(at))
			return -ENETDOWN;
	}
	return 0;
}

static int64_t make_fd(struct call *c)
{
	struct call_slot *slot = c->slot;
	int fd;

	if ((slot->nr != CALL_SOCKET && slot->nr != CALL_ACCEPT) || slot->ret < 0)
		return slot->ret;
	fd = pair_get(c->at, slot->sock, c->sock_flags);
	return fd;
}

static int64_t cross(struct call *c, int *crossing)
{
	struct attachment *at = c->at;
	struct call_slot *slot = c->slot;
	struct channel *ch = at->channel;

	if (c->fd >= 0)
		slot->sock = FD_ID(c->word);
	__atomic_store_n(&slot->state, CALL_POSTED, __ATOMIC_RELEASE);
	__atomic_fetch_or(&ch->posted, 1ull << c->n, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&ch->daemon_polling, __ATOMIC_SEQ_CST)) {
		uint64_t one = 1;

		RAW3(SYS_write, at->doorbell_fd, &one, sizeof(one));
	}
	*crossing = wait_done(at, slot, spin_useful() ? SPINS : 0);
	if (*crossing)
		return 0;
	slot->state = CALL_FREE;
	return make_fd(c);
}

static int attach(struct attachment *at, const char *reply, int *fds, unsigned n_fds)
{
	if (!n_fds || at->channel_size < CHANNEL_SIZE_SERVER)
		return -EPROTO;
	at->doorbell_fd = fds[0];
	fds[0] = -1;
	at->data = (uint8_t *)at->channel + CHANNEL_SIZE;
	return 0;
}

static void detach(struct attachment *at)
{
	at->data = NULL;
}

const struct mode_ops mode_server = {
	.name = "server",
	.staged = true,
	.pairs = true,
	.attach = attach,
	.detach = detach,
	.cross = cross,
};
