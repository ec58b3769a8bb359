/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's part of upcall/pair_fd.h: B ends, by socket and by cookie. */
#ifndef SANDWIRED_PAIR_FD_H
#define SANDWIRED_PAIR_FD_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/layout.h"
#include "tools/failure.h"
#include "tools/sandwired/loop.h"

struct net;
struct pair;

#define PAIR_BUCKETS 4096u

/* A socket without a descriptor yet, and who made it. */
struct pair_made {
	uint32_t sock, client; /* client 0: it has a descriptor, or there is none */
};

struct pair_table {
	struct pair_made *made;		      /* server mode; SEG_SOCK_COUNT, by index */
	struct pair **by_index;		      /* SEG_SOCK_COUNT, by SEG_SOCK_INDEX(id) */
	struct pair *by_cookie[PAIR_BUCKETS]; /* of A's SO_COOKIE */
	unsigned count;
	struct loop closes; /* the B ends; a loop of their own, so that all can be heard at once */
	struct watch heard; /* its place in the net's */
};

int pairs_init(struct net *net); /* 0 or -errno */
void pairs_free(struct net *net);
/* Makes the pair of a client's socket: end A (to be sent, then closed), or -1 with f filled. */
int pair_make(struct net *net, uint32_t client, uint32_t sock, struct failure *f);
/* Whose end A is it? Socket id, or 0; urgent: does it say POLLPRI? */
uint32_t pair_prove(struct net *net, int fd, bool *urgent);
/* Whoever holds this end A waits for POLLPRI; false: it is none. */
bool pair_want_urgent(struct net *net, int fd);
/* SIGURG to the owner of end A by way of the urgent byte; false: not this way. */
bool pair_signal_urgent(struct net *net, uint32_t sock);
/* Hears of every descriptor closed before this call. */
void pairs_hear(struct net *net);
/* Takes the wake ring and passes on what it says. */
void pairs_wake(struct net *net);
/* Server mode: a client's call made this socket. */
void pairs_made(struct net *net, uint32_t client, uint32_t sock);
/* Sockets that a dead client made but never got a descriptor of. */
void pairs_client_gone(struct net *net, uint32_t client);

#endif
