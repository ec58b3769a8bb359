/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGURG to the owners of sockets (fcntl(2), F_SETOWN): in all modes, as the stack has no process
 * of its own to say it in, and the kernel knows nothing of the urgent data.
 *
 * The daemon sends no signals either: it knows nobody's rights. It makes the kernel send them, with
 * the rights of whoever named the owner. For each socket it makes a pair of AF_UNIX sockets; end A
 * raises SIGURG where others raise SIGIO (F_SETSIG, O_ASYNC). A process that proved it holds the
 * socket gets A, says F_SETOWN on it, and closes it. The kernel then has the owner, in A: a
 * process, not its number, and who named it. Whenever urgent data came the daemon makes something
 * happen to A, and the kernel looks who the owner is, whether he who named it may signal it, and
 * does.
 *
 * What happens to A is shutdown(B), over and over: A hears of it each time. Nothing travels, so
 * nothing fills up; and no lock is taken that a reader of A could hold as long as he likes, as
 * every receive on it would. Whoever keeps A can spoil no signals but those of his own socket.
 */
#ifndef SANDWIRED_OWNERS_H
#define SANDWIRED_OWNERS_H

#include <stdint.h>
#include <sys/types.h>

#include "tools/failure.h"

struct net;

#define OWNERS_MAX 1024u /* sockets with an owner; two descriptors each */
#define OWNERS_UID 256u	 /* of them, of one user other than root */

struct owner {
	uint32_t sock;
	uid_t uid; /* of whoever asked */
	int a, b;
};

struct owners {
	struct owner of[OWNERS_MAX];
	unsigned n;
	uint64_t looked; /* ns: for sockets that are closed */
};

/* One that nobody owns yet: 0 or -errno. */
int owner_open(struct owner *o);
void owner_close(struct owner *o);
/* SIGURG to the owner, if there is one. */
void owner_signal(const struct owner *o);

/* For the user's client, which did CALL_SIGNAL on the socket: end A, which stays the daemon's, or
 * -1 with f filled. Takes the place of what the socket had. */
int owners_make(struct net *net, uint32_t client, uid_t uid, uint32_t sock, struct failure *f);
/* After each turn: signals that are owed; how many. Enters the stack if there are. */
unsigned owners_signal(struct net *net);
void owners_free(struct net *net);

#endif
