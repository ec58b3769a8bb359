/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server mode: calls that programs posted in their channels. Called by turn.c and by doorbells;
 * calls the image, which does the call in the slot.
 *
 * Posting and sleeping, the ordering proof: the library sets `posted`, then reads daemon_polling;
 * here daemon_polling is cleared, then `posted` is read once more (serve_may_sleep). Both
 * sequentially consistent, so at least one sees the other's store.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/sandwired/clients.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"

static uint64_t spin_ns(const struct net *net)
{
	return (uint64_t)net->conf.spin * 1000;
}

void serve_activate(struct client *c)
{
	struct net *net = c->net;

	c->active_until = net_now(net) + spin_ns(net);
	if (c->active)
		return;
	c->active = true;
	net->active[net->n_active++] = c;
	if (net->conf.spin)
		__atomic_store_n(&c->channel->daemon_polling, 1, __ATOMIC_SEQ_CST);
}

void serve_forget(struct client *c)
{
	struct net *net = c->net;

	for (unsigned i = 0; c->active && i < net->n_active; i++) {
		if (net->active[i] != c)
			continue;
		net->active[i] = net->active[--net->n_active];
		c->active = false;
	}
}

static unsigned serve_client(struct client *c)
{
	uint64_t posted = __atomic_exchange_n(&c->channel->posted, 0, __ATOMIC_SEQ_CST);
	unsigned n = 0;

	for (; posted; posted &= posted - 1, n++) {
		unsigned s = (unsigned)__builtin_ctzll(posted);
		struct call_slot *slot = &c->channel->slot[s];

		uint32_t made = image_serve(c->id, c->channel, s);

		if (made)
			pairs_made(c->net, c->id, made);
		/* release: pairs with the acquire load in mode_server.c, wait_done() */
		__atomic_store_n(&slot->state, CALL_DONE, __ATOMIC_RELEASE);
		syscall(SYS_futex, &slot->state, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
	return n;
}

unsigned serve_posted(struct net *net)
{
	unsigned total = 0;

	for (unsigned i = 0; i < net->n_active; i++) {
		unsigned n = serve_client(net->active[i]);

		if (n)
			net->active[i]->active_until = net_now(net) + spin_ns(net);
		total += n;
	}
	net->served += total;
	return total;
}

bool serve_may_sleep(struct net *net)
{
	bool served = false;
	uint64_t now;

	if (!net->n_active)
		return true;
	now = net_now(net);
	for (unsigned i = net->n_active; i-- > 0;) {
		struct client *c = net->active[i];

		if (c->active_until > now)
			continue;
		__atomic_store_n(&c->channel->daemon_polling, 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&c->channel->posted, __ATOMIC_SEQ_CST)) {
			serve_client(c);
			served = true; /* what that call sent and woke is seen to by another turn */
		}
		serve_forget(c);
	}
	return !served && !net->n_active;
}
