/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the daemon does whenever it is awake: serve calls, move frames of software ports, run turns
 * until nothing is left, signal, pass on wake-ups, re-arm interrupts; then how long it may sleep.
 * Called by loop.c after each batch of events; calls serve.c, ports.c, owners.c, pair_fd.c or
 * module.c.
 */
#include <errno.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"

#define ROUNDS	  16u		/* before the loop looks at descriptors again */
#define SLEEP_MAX 1000000000ull /* ns: links and clocks are looked at once a second */

uint64_t net_now(const struct net *net)
{
	return clock_now(&net->clock.clock);
}

static void refresh_clock(struct net *net)
{
	if (net_now(net) >= net->clock.refresh_at && clock_refresh(&net->clock, clock_sample()))
		image_admin(ADMIN_CLOCK, IMAGE_PTR(&net->clock.clock), 0, 0, 0);
}

static void pass_wakes(struct net *net)
{
	if (net->mode == SEG_MODE_UPCALL)
		module_wake(net);
	else
		pairs_wake(net);
}

static void broken(struct net *net)
{
	/* A program in direct mode can break the net; better down than spinning on the debris. */
	log_error("the net is broken (%d), going down", (int)image_header()->failed);
	net->loop.stop = true;
}

uint64_t net_after(void *arg)
{
	struct net *net = arg;
	uint64_t deadline = 0, now, dhcp;
	unsigned rounds = 0, work;

	refresh_clock(net);
	do {
		int64_t frames;

		work = ports_take(net);
		work += serve_posted(net);
		frames = image_admin(ADMIN_TURN, IMAGE_PTR(&deadline), 0, 0, 0);
		if (frames > 0)
			work += (unsigned)frames;
		work += owners_signal(net);
		work += ports_give(net);
		pass_wakes(net);
		net->turns++;
	} while (work && ++rounds < ROUNDS);
	if (image_header()->failed) {
		broken(net);
		return 0;
	}
	dhcp = dhcp_watch(net, net_now(net));
	/* An interrupt that was re-armed may have been due meanwhile: one more turn. */
	if (work || ports_arm(net) || !serve_may_sleep(net))
		return 0;
	net->sleeps++;
	now = net_now(net);
	if (deadline <= now)
		return 1000;
	deadline -= now;
	if (deadline > dhcp)
		deadline = dhcp;
	return deadline < SLEEP_MAX ? deadline : SLEEP_MAX;
}
