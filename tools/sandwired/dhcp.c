/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --dhcp, as the daemon sees it: the stack's client (tcpip/dhcp4.c) does the work, in whatever
 * process is in the sandbox; here its leases are noticed, told to the programs and logged. Called
 * by net_up.c, main.c and turn.c.
 */
#include <string.h>
#include <sys/socket.h>

#include "tools/cidr.h"
#include "tools/say.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"

#define LOOK_EVERY 200000000ull /* ns */
#define PATIENCE   20		/* s */

int dhcp_start(struct net *net, struct failure *f)
{
	int64_t r = image_admin(ADMIN_DHCP_START, (uint64_t)net->ports[0].index, 0, 0, 0);

	if (r < 0)
		return failed(f, "dhcp", "%s: %s", net->ports[0].spec->text, strerror((int)-r));
	return 0;
}

static void say_lease(const struct dhcp_row *row)
{
	char addr[CIDR_TEXT], server[CIDR_TEXT];

	if (row->addr.family)
		log_info("dhcp: %s from %s for %u s", cidr_text(&row->addr, addr, sizeof(addr)),
			 cidr_addr_text(&row->server, server, sizeof(server)), row->lease_s);
	else
		log_error("dhcp: no address any more");
}

uint64_t dhcp_watch(struct net *net, uint64_t now)
{
	struct dhcp_row row;
	uint32_t cursor = 0;

	if (!net->conf.dhcp)
		return UINT64_MAX;
	if (now < net->dhcp_look_at)
		return net->dhcp_look_at - now;
	net->dhcp_look_at = now + LOOK_EVERY;
	if (image_admin(ADMIN_DHCP_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) != 1)
		return LOOK_EVERY;
	if (row.changes != net->dhcp_changes) {
		net->dhcp_changes = row.changes;
		clients_routes_changed(net);
		say_lease(&row);
	}
	if (net->dhcp_wait_until && !row.addr.family && now > net->dhcp_wait_until) {
		log_error("dhcp: no server has answered yet");
		say_error("warning",
			  "dhcp: no address in %d s; the net is up without and goes on asking",
			  PATIENCE);
		row.addr.family = AF_INET;
	}
	if (net->dhcp_wait_until && row.addr.family) {
		net->dhcp_wait_until = 0;
		net->loop.stop = true;
	}
	return LOOK_EVERY;
}

bool dhcp_wait(struct net *net)
{
	net->dhcp_wait_until = net_now(net) + PATIENCE * 1000000000ull;
	loop_run(&net->loop);
	if (net->dhcp_wait_until)
		return false;
	net->loop.stop = false;
	return true;
}
