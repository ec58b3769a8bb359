/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process attaches, and goes. Called by control_attach.c, module.c (the last descriptor of a
 * client is closed) and control.c (server, direct: its control connection is).
 *
 * Who is gone how: in upcall mode the module says so when nothing of the process is left; the
 * control connection may close long before. In the other modes the connection is the life.
 */
#include "tools/sandwired/clients.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "upcall/kmod/sandwire_uapi.h"

static void read_names(struct client *c)
{
	char path[64];
	ssize_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)c->pid);
	n = readlink(path, c->exe, sizeof(c->exe) - 1);
	c->exe[n > 0 ? n : 0] = 0;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)c->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(c->comm, sizeof(c->comm), f))
		c->comm[strcspn(c->comm, "\n")] = 0;
	fclose(f);
}

/* Ids are used in turn, so that a stale one stays free for as long as possible. */
static uint32_t free_id(struct net *net)
{
	for (unsigned i = 0; i < SEG_CLIENT_MAX - 1; i++) {
		net->next_client = net->next_client % (SEG_CLIENT_MAX - 1) + 1;
		if (!net->clients[net->next_client])
			return net->next_client;
	}
	return 0;
}

/* In upcall mode a client may outlive its connection, so connections alone are no limit. */
static bool may_have_more(const struct net *net, uid_t uid)
{
	unsigned same = 0;

	for (unsigned id = 1; uid && id < SEG_CLIENT_MAX; id++)
		same += net->clients[id] && net->clients[id]->uid == uid;
	return same < CONTROL_UID;
}

/*
 * What a user's processes take of what all share is counted together, under the lowest number that
 * no other user has now. Past SW_SHARES users some share a share.
 */
static uint32_t share_of(const struct net *net, uid_t uid)
{
	uint64_t taken[SW_SHARES / 64] = {0};

	for (unsigned id = 1; id < SEG_CLIENT_MAX; id++) {
		const struct client *c = net->clients[id];

		if (c && c->uid == uid)
			return c->share;
		if (c)
			taken[c->share / 64] |= 1ull << c->share % 64;
	}
	for (uint32_t i = 0; i < SW_SHARES; i++)
		if (!(taken[i / 64] >> i % 64 & 1))
			return i;
	return uid % SW_SHARES;
}

static void fill_channel(struct client *c)
{
	struct channel *ch = c->memory.addr;

	ch->magic = CHANNEL_MAGIC;
	ch->version = CHANNEL_VERSION;
	ch->client_id = c->id;
	ch->mode = c->net->mode;
	ch->size = (uint32_t)c->memory.size;
	ch->routes_gen = 1;
	c->channel = ch;
}

static void doorbell_rang(void *arg, uint32_t events)
{
	struct client *c = arg;
	uint64_t count;

	(void)events;
	if (read(c->doorbell.fd, &count, sizeof(count)) < 0)
		return;
	if (c->net->mode == SEG_MODE_SERVER)
		serve_activate(c);
}

/* Shows the channel to the threads in an upcall, and takes the process's file. */
static int admit(struct client *c, int client_fd)
{
	struct segment_region r = {.off = channel_off(c->id),
				   .len = c->memory.size,
				   .prot = 3 /* PROT_READ | PROT_WRITE */,
				   .use = SEGMENT_UPCALL};
	struct sw_net_admit a = {.client_fd = client_fd, .client_id = c->id, .share = c->share};
	int err = module_map(c->net, &r);

	if (err)
		return err;
	if (!ioctl(c->net->module.fd, SW_IOC_NET_ADMIT, &a))
		return 0;
	err = -errno;
	module_unmap(c->net, r.off, r.len);
	return err;
}

static int open_doorbell(struct client *c)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	r = loop_add(&c->net->loop, &c->doorbell, fd, EPOLLIN, doorbell_rang, c);
	if (r)
		close(fd);
	return r;
}

struct client *client_attach(struct conn *conn, int client_fd, struct failure *f)
{
	struct net *net = conn->net;
	uint64_t size = net->mode == SEG_MODE_SERVER ? CHANNEL_SIZE_SERVER : CHANNEL_SIZE;
	struct client *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		goto fail;
	c->net = net;
	c->conn = conn;
	c->pid = conn->pid;
	c->uid = conn->uid;
	c->doorbell.fd = -1;
	c->memory.fd = -1;
	c->id = free_id(net);
	err = -EUSERS;
	if (!c->id || !may_have_more(net, c->uid))
		goto fail;
	c->share = share_of(net, c->uid);
	err = channel_create(&c->memory, c->id, size);
	if (err)
		goto fail;
	fill_channel(c);
	image_admin(ADMIN_CLIENT_ADD, c->id, c->uid, 0, 0);
	err = net->mode == SEG_MODE_UPCALL ? admit(c, client_fd) : open_doorbell(c);
	if (err)
		goto fail_client;
	read_names(c);
	net->clients[c->id] = c;
	net->n_clients++;
	conn->client = c;
	log_debug("client %u: process %d (%s) attached", c->id, (int)c->pid, c->comm);
	return c;
fail_client:
	image_admin(ADMIN_CLIENT_GONE, c->id, 0, 0, 0);
	channel_destroy(&c->memory);
fail:
	free(c);
	failed_errno(f, "attach", -err);
	return NULL;
}

/* Direct mode: a program that died in a call leaves its context, and perhaps the stack lock. */
static void free_contexts(struct client *c)
{
	for (unsigned i = 1; i < SEG_CTX_COUNT; i++) {
		struct ctx *ctx = ctx_at(i);

		if (!ctx->owner_tid || ctx->client != c->id)
			continue;
		if (ctx->lock_held) {
			log_error("process %d (%s) died in the middle of the stack", (int)c->pid,
				  c->comm);
			image_give_up();
		}
		ctx->in_ext = 0;
		/* release: pairs with the acquire in mode_direct.c, ctx_take() */
		__atomic_store_n(&ctx->owner_tid, 0, __ATOMIC_RELEASE);
	}
}

void client_gone(struct client *c)
{
	struct net *net = c->net;
	int fd = c->doorbell.fd;

	log_debug("client %u: process %d (%s) is gone", c->id, (int)c->pid, c->comm);
	/* What its threads left half done uses the channel: finish it before the channel goes. */
	if (net->mode == SEG_MODE_DIRECT)
		free_contexts(c);
	if (net->mode == SEG_MODE_UPCALL)
		module_adopt_all(net);
	else
		pairs_client_gone(net, c->id);
	image_admin(ADMIN_CLIENT_GONE, c->id, 0, 0, 0);
	if (net->mode == SEG_MODE_UPCALL)
		module_unmap(net, channel_off(c->id), c->memory.size);
	serve_forget(c);
	if (fd >= 0) {
		loop_del(&net->loop, &c->doorbell);
		close(fd);
	}
	channel_destroy(&c->memory);
	if (c->conn)
		c->conn->client = NULL;
	net->clients[c->id] = NULL;
	net->n_clients--;
	free(c);
}

void clients_conn_closed(struct conn *conn)
{
	struct client *c = conn->client;

	if (!c)
		return;
	c->conn = NULL;
	conn->client = NULL;
	if (c->net->mode != SEG_MODE_UPCALL)
		client_gone(c);
}

void clients_net_down(struct net *net)
{
	for (unsigned id = 1; id < SEG_CLIENT_MAX; id++) {
		struct client *c = net->clients[id];

		if (!c)
			continue;
		__atomic_store_n(&c->channel->net_down, 1, __ATOMIC_SEQ_CST);
		if (net->mode != SEG_MODE_SERVER)
			continue;
		for (unsigned s = 0; s < CHANNEL_SLOTS; s++) {
			struct call_slot *slot = &c->channel->slot[s];

			if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != CALL_POSTED)
				continue;
			slot->ret = -ENETDOWN;
			__atomic_store_n(&slot->state, CALL_DONE, __ATOMIC_RELEASE);
			syscall(SYS_futex, &slot->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
		}
	}
}

void clients_routes_changed(struct net *net)
{
	for (unsigned id = 1; id < SEG_CLIENT_MAX; id++)
		if (net->clients[id])
			__atomic_add_fetch(&net->clients[id]->channel->routes_gen, 1,
					   __ATOMIC_RELEASE);
}
