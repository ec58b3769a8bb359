/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket, /run/sandwire/NAME/control: SOCK_SEQPACKET, one JSON object a packet (see
 * request.h), descriptors beside it by SCM_RIGHTS. Programs attach over it, the tools ask over it.
 * Whoever may connect (mode 0660, group sandwire) may attach; what changes the net or looks into
 * others' sockets wants uid 0 or the daemon's own uid.
 */
#ifndef SANDWIRED_CONTROL_H
#define SANDWIRED_CONTROL_H

#include <jansson.h>
#include <sys/types.h>

#include "tools/failure.h"
#include "tools/sandwired/loop.h"

#define CONTROL_FDS 16u	  /* descriptors in one packet */
#define CONTROL_MAX 4096u /* connections at once */
#define CONTROL_UID 512u  /* of them, of one user other than root */

struct net;
struct client;

/* One connection. */
struct conn {
	struct watch watch;
	struct net *net;
	struct conn *next, **link;
	pid_t pid; /* at connect() */
	uid_t uid;
	struct client *client; /* attached over it, or NULL */
	uint32_t captures;     /* bits: capture slots it runs */
	int got_fd;	       /* came with the request; -1: none, or taken by the handler */
	bool closing;
};

struct control {
	struct watch watch;
	struct conn *conns;
	unsigned n_conns;
};

int control_open(struct net *net, struct failure *f);
void control_close(struct net *net);

/* For a handler whose answer takes several packets: all but the last. fds stay the caller's.
 * -EAGAIN: the other side does not read. */
int control_send(struct conn *c, const json_t *answer, const int *fds, unsigned n_fds);

/* A handler answers with an object of its own making, NULL with f filled for an error, and may
 * leave descriptors to send in `out`, which are closed after sending where own is set. */
struct reply {
	int fds[CONTROL_FDS];
	bool own[CONTROL_FDS];
	unsigned n_fds;
};
typedef json_t *(*control_handler)(struct conn *c, const json_t *req, struct reply *out,
				   struct failure *f);
struct control_command {
	const char *name;
	bool admin;
	control_handler run;
};
/* The tables, each ended by a NULL name. */
extern const struct control_command control_attach_commands[];	/* control_attach.c */
extern const struct control_command control_show_commands[];	/* control_show.c */
extern const struct control_command control_change_commands[];	/* control_change.c */
extern const struct control_command control_capture_commands[]; /* control_capture.c */
extern const struct control_command control_ext_commands[];	/* control_ext.c */

#endif
