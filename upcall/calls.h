/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to the image's side of upcall/: one call on its way through the sandbox.
 *
 *	entry.S, entry.c  how it comes in: an upcall, or a plain call
 *	calls.c		  takes the call block, finds the socket, runs it, hands the result back
 *	io_calls.c	  send and receive, which touch application memory (app_copy.S)
 *	service_calls.c	  services of extensions
 *	admin_calls.c	  what only the daemon may do
 *	grants.c	  server mode: which process may name which socket
 */
#ifndef UPCALL_CALLS_H
#define UPCALL_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sandbox/turn.h"
#include "tcpip/tcpip.h"
#include "upcall/upcall_abi.h"

/* Where the bulk data of a call lies. */
enum call_data {
	CALL_DATA_APP = 0,    /* at application addresses */
	CALL_DATA_STAGED = 1, /* at offsets in the slot's data area */
};

struct call {
	struct ctx *ctx;
	uint32_t client;
	uint32_t sock; /* id the caller proved, or claims and must have been granted; 0: none */
	enum call_data where;
	uint8_t *area;	     /* CALL_DATA_STAGED: CHANNEL_DATA_SIZE bytes */
	struct socket *so;   /* between call_begin and call_end, for calls on a socket */
	struct call_slot in; /* the caller's block, copied once; also the results */
	uint32_t inl_out;    /* bytes of in.inl that are results */
	uint32_t made;	     /* id of a socket made, or 0 */
	uint32_t made_flags; /* O_NONBLOCK, O_CLOEXEC for its descriptor */
};

/* The image's one sandbox. */
extern struct sandbox sandbox;

/* ---- calls.c -------------------------------------------------------------------------------- */

/* Runs c->in; the result is c->in.ret. */
void call_run(struct call *c);
/* For entry.c and ADMIN_SERVE: the block out of a slot, the results back into it. call_take: the
 * socket id the caller claims. */
uint32_t call_take(struct call *c, const struct call_slot *slot);
void call_give(const struct call *c, struct call_slot *slot);

/* Lock, time; c->so from c->sock. 0, or -EBADF (then nothing is held). */
int call_begin(struct call *c);
/* Notes the socket's readiness for the caller, ends the turn. */
void call_end(struct call *c);
/* A turn, if there is anything to do for one: worth a second look? */
bool call_retry(int64_t ret);

/* For struct turn_ops.closed. */
void call_closed(void *stack, uint32_t sock_id);
/* The socket that a call of ctx made gets no descriptor: back to the listener that had it, or
 * closed. */
void call_unmake(struct ctx *ctx, uint32_t sock_id);

static inline struct sock_addr call_addr_in(const struct call_addr *from)
{
	struct sock_addr a = {.family = from->family, .port = from->port, .scope = from->scope};

	memcpy(a.addr, from->addr, sizeof(a.addr));
	return a;
}

static inline struct call_addr call_addr_out(const struct sock_addr *from)
{
	struct call_addr a = {.family = from->family, .port = from->port, .scope = from->scope};

	memcpy(a.addr, from->addr, sizeof(a.addr));
	return a;
}

/* i if it is below n, else 0, also where the CPU goes on before it knows (speculation). */
static inline uint64_t index_nospec(uint64_t i, uint64_t n)
{
	uint64_t mask;

	__asm__ volatile("cmpq %1, %2\n\tsbbq %0, %0" : "=r"(mask) : "r"(n), "r"(i) : "cc");
	return i & mask;
}

/* ---- io_calls.c ----------------------------------------------------------------------------- */

/* Bytes in the application's memory, or in the slot's data area where the call is staged there. */
bool call_in_reach(const struct call *c, uint64_t at, uint64_t n);
int call_copy_in(const struct call *c, void *to, uint64_t at, uint64_t n); /* 0 or -EFAULT */
int call_copy_out(const struct call *c, uint64_t at, const void *from, uint64_t n);
int64_t call_send(struct call *c);
int64_t call_recv(struct call *c);

/* ---- service_calls.c ------------------------------------------------------------------------ */

int64_t call_service(struct call *c);
int64_t call_service_name(struct call *c);

/* ---- admin_calls.c -------------------------------------------------------------------------- */

int64_t admin_call(struct ctx *ctx, struct call_slot *slot);

/* ---- grants.c: under the stack lock --------------------------------------------------------- */

struct grants {
	uint64_t (*may)[SEG_CLIENT_MAX / 64]; /* by socket index; NULL: everybody may everything */
	uint32_t sockets;
};

/* 0 or -ENOMEM. */
int grants_init(struct grants *g, struct arena *arena, uint32_t sockets);
void grants_add(struct grants *g, uint32_t client, uint32_t sock_id);
bool grants_have(const struct grants *g, uint32_t client, uint32_t sock_id);
void grants_drop_socket(struct grants *g, uint32_t sock_id);
void grants_drop_client(struct grants *g, uint32_t client);

extern struct grants grants;

#endif
