/* SPDX-License-Identifier: BSD-3-Clause */
/* Attached processes: their channel, their doorbell, their end. */
#ifndef SANDWIRED_CLIENTS_H
#define SANDWIRED_CLIENTS_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/channel.h"
#include "tools/failure.h"
#include "tools/sandwired/control.h"
#include "tools/sandwired/loop.h"
#include "upcall/upcall_abi.h"

struct client {
	uint32_t id;
	struct net *net;
	struct conn *conn; /* over which it attached; NULL when that is closed */
	struct channel_memory memory;
	struct channel *channel;
	struct watch doorbell; /* server and direct mode */
	bool active;	       /* in net->active */
	uint64_t active_until; /* ns */
	pid_t pid;
	uid_t uid;
	uint32_t share;		 /* sw_net_admit.share: one a user */
	char comm[17], exe[128]; /* as at attach; names for people, nothing depends on them */
};

/* Makes client, channel and doorbell; in upcall mode takes the process's /dev/sandwire file. */
struct client *client_attach(struct conn *conn, int client_fd, struct failure *f);
void client_gone(struct client *c);
void clients_conn_closed(struct conn *conn);
/* Tells all channels that the net is going, so that nobody sleeps on an answer. */
void clients_net_down(struct net *net);
void clients_routes_changed(struct net *net);

#endif
