/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's one net: everything it holds, in the order in which net_up.c takes it. What is here
 * is touched by one thread only; the sandbox behind it is shared with whoever is inside.
 */
#ifndef SANDWIRED_NET_H
#define SANDWIRED_NET_H

#include <stdint.h>

#include "sandbox/segment.h"
#include "tools/sandwired/clock.h"
#include "tools/sandwired/config.h"
#include "tools/sandwired/control.h"
#include "tools/sandwired/extensions.h"
#include "tools/sandwired/loop.h"
#include "tools/sandwired/owners.h"
#include "tools/sandwired/pair_fd.h"
#include "tools/sandwired/ports.h"
#include "tools/sandwired/rundir.h"

struct client;

struct net {
	struct config conf;
	uint32_t mode;	  /* enum seg_mode */
	uint64_t started; /* ns, CLOCK_MONOTONIC */

	/* taken in this order, given back in reverse */
	struct rundir dir;
	struct loop loop;
	struct watch signals;
	struct segment seg;
	struct clock_state clock;
	struct watch module; /* the net file of sandwire.ko; upcall mode */
	struct net_port ports[PORT_MAX];
	unsigned n_ports;
	struct pair_table pairs; /* server and direct mode */
	struct owners owners;	 /* who gets SIGURG */
	struct client *clients[SEG_CLIENT_MAX];
	unsigned n_clients, next_client;
	struct extension ext[SEG_EXT_COUNT];
	uint64_t ext_gen; /* loads and unloads so far */
	struct control control;
	bool image_up; /* ADMIN_INIT was done */

	/* server mode: who posted calls lately, and until when to look for more */
	struct client *active[SEG_CLIENT_MAX];
	unsigned n_active;
	uint64_t spin_until;

	/* --dhcp: dhcp.c */
	uint32_t dhcp_changes;			/* of the stack's addresses, known to the clients */
	uint64_t dhcp_look_at, dhcp_wait_until; /* ns, the segment's clock; 0: nobody waits */

	uint32_t captures; /* bits: slots in use */
	int spare_fd;	   /* given up to refuse a connection when there are no descriptors left */
	/* counters, shown by `stat` */
	uint64_t turns, sleeps, served, module_events, adopted, tap_drops;
};

/* net_up.c */
int net_up(struct net *net, struct failure *f); /* net->conf is filled; 0, or -1 with all undone */
void net_down(struct net *net);
void net_spare_fd(struct net *net); /* closes one waiting connection when descriptors ran out */

/* net_ip6.c: 0 or -errno; -EAFNOSUPPORT: --ipv6 off. Up already is no error. */
int64_t net_ip6_up(struct net *net, int port);
int64_t net_addr_add(struct net *net, int port,
		     const struct ip_addr *addr); /* with IPv6 where needed */

/* turn.c: what the loop does after each batch of events. */
uint64_t net_after(void *net);
uint64_t net_now(const struct net *net); /* ns, the segment's clock */

/* dhcp.c: --dhcp */
int dhcp_start(struct net *net, struct failure *f);
/* Runs the net until an address is there (true), 20 s are over (said, and true), or it goes down.
 */
bool dhcp_wait(struct net *net);
uint64_t dhcp_watch(struct net *net, uint64_t now); /* after each turn; ns until it looks again */

/* serve.c: server mode */
unsigned serve_posted(struct net *net); /* calls done */
bool serve_may_sleep(struct net *net);	/* false: a call came while we were about to */
void serve_activate(struct client *c);	/* it rang the doorbell */
void serve_forget(struct client *c);

/* module.c: sandwire.ko's net file */
int module_open(struct net *net, struct failure *f);
int module_map(struct net *net, const struct segment_region *r); /* 0 or -errno */
int module_unmap(struct net *net, uint64_t off, uint64_t len);
/* The interrupts that come by fd go to whoever runs when they come (or to us, ports_fired). */
int module_irq(struct net *net, int fd, int port); /* 0 or -errno */
void module_wake(struct net *net); /* drains the wake ring if there is something in it */
void module_adopt_all(struct net *net);
void module_close(struct net *net);

/* control_capture.c */
void capture_conn_closed(struct conn *c);

#endif
