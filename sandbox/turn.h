/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One turn of work, run to completion in whoever's thread is in the sandbox: poll the ports, feed
 * the stack, run due timers, send, wake. Called by upcall/calls.c; calls drivers/port.c and,
 * through struct turn_ops, the stack above (the sandbox knows no protocol).
 */
#ifndef SANDBOX_TURN_H
#define SANDBOX_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/port.h"
#include "sandbox/ctx.h"
#include "sandbox/layout.h"
#include "sandbox/pool.h"

struct turn_ops {
	void (*set_now)(void *stack, uint64_t now);
	void (*input)(void *stack, struct port *port, struct pktbuf **batch, unsigned n);
	bool (*timers)(void *stack, unsigned budget);
	void (*output)(void *stack);
	uint64_t (*deadline)(void *stack);
	void (*closed)(void *stack, uint32_t sock_id); /* from the closed ring */
};

/* The sandbox itself: lives in the image's data, one per net. */
struct sandbox {
	uint32_t lock; /* 0 free, else ctx id + 1; sandbox/lock.h */
	uint32_t lock_waiters;
	/* Called by whoever waits for the lock: lets others run. Set by upcall/entry.c. */
	void (*relax)(struct ctx *ctx);
	struct seg_header *hdr;
	struct seg_kshared *ks;
	void *stack;
	const struct turn_ops *ops;
	struct arena objects, dma; /* the two parts of the heap */
	struct pktbuf_pool pktbufs;
	struct port *ports[PORT_MAX];
	uint32_t n_ports;
	uint64_t now;
	uint64_t daemon_wakes_at; /* ns: when the daemon will look again by itself */
	bool kick_daemon;	  /* this section wants the daemon: pushed at turn_end */
	uint64_t turns, frames_in, lock_contended, kicks, interrupts;
};

/* The time now, ns; never goes back. Under the lock. */
uint64_t turn_clock(struct sandbox *sb);
/* Takes the lock, sets the time, drains the closed ring. */
void turn_begin(struct sandbox *sb, struct ctx *ctx);
/* Polls every port once (bounded) and runs due timers; returns frames handled. Between begin and
 * end, which does the output. */
unsigned turn_poll(struct sandbox *sb);
/*
 * What an interrupt of the port asks for, in a thread that has nothing to do with it: polls, and
 * arms the interrupt again, within so many frames and so much time, of which it waits half for the
 * lock at most. False: there may be more to do, or the interrupt is not armed.
 */
bool turn_interrupt(struct sandbox *sb, struct ctx *ctx, uint32_t port, uint32_t frames,
		    uint64_t ns);
/* Anything to do for a turn_poll? Memory reads only; under the lock. */
bool turn_pending(struct sandbox *sb);
/* stack output, port flush, kick of the daemon when a timer is due before it would wake; unlocks.
 */
void turn_end(struct sandbox *sb, struct ctx *ctx);

/* Puts an id (or SEG_WAKE_DAEMON) in the wake ring. Under the lock. */
void wake_push(struct sandbox *sb, uint32_t id);
/* For struct stack_env.ready: stores the bits and, if somebody sleeps, puts the id in the wake
 * ring. */
void sock_ready_publish(void *sandbox, uint32_t sock_id, uint32_t events, bool wake);

#endif
