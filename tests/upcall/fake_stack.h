/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket verbs of tcpip/tcpip.h without a stack behind them: two sockets that remember what
 * they were asked and answer what a test wants. For the tests of upcall/calls.c and io_calls.c.
 */
#ifndef TESTS_UPCALL_FAKE_STACK_H
#define TESTS_UPCALL_FAKE_STACK_H

#include "sandbox/turn.h"
#include "tcpip/tcpip.h"

#define FAKE_ID(i)   ((3u << SEG_SOCK_BITS) | (i)) /* ids of the sockets there can be */
#define FAKE_SOCKETS 4u
#define FAKE_SEG     1000u /* bytes a buffer */

struct socket {
	uint32_t id, client;
	bool open, at_mark, plain; /* plain: never has urgent data */
	uint32_t signal_client;
	uint32_t events;
	uint8_t sent[8192], queue[8192];
	size_t n_sent, n_queue;
	struct sock_addr to, peer;
	struct sock_note note; /* what came with the last send, what goes with a receive */
	bool had_to;
	int flags, backlog;
	uint32_t opt_len;
	uint8_t opt[2304];
};

struct fake_stack {
	struct sandbox *sb; /* to see that verbs are called under its lock */
	struct socket so[FAKE_SOCKETS];
	int64_t answer;	    /* of verbs without data, and of reserve and take when negative */
	uint64_t full;	    /* what sock_recv_take says of a datagram's length; 0: the result */
	bool echo;	    /* sock_getopt: one more than the byte asked with */
	bool close_between; /* the socket goes away after reserve or take */
	unsigned reserved, committed, taken, done, undone, turns, faults;
	struct pktbuf_pool pool;
	struct pktbuf headers[16];
	uint8_t data[16 * PKTBUF_SIZE];
};

extern struct fake_stack fake;
extern const struct turn_ops fake_ops;

void fake_stack_init(struct sandbox *sb);
/*
 * Faults of the copy routines go on as the module lets them, and are counted in fake.faults; any
 * other, or one with the lock held or app in an extension, aborts.
 */
void fake_faults(const struct ctx *app);

#endif
