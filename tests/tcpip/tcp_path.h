/* SPDX-License-Identifier: BSD-3-Clause */
/* A peer that receives behind a path which swallows what is too long for it. */
#ifndef TESTS_TCPIP_TCP_PATH_H
#define TESTS_TCPIP_TCP_PATH_H

#include "tests/tcpip/tcp_peer.h"

struct path {
	struct peer *p;
	uint32_t chunk;		/* the application writes that much at once */
	unsigned tries;		/* windows after which a transfer has failed */
	uint32_t next;		/* the first byte that is missing */
	uint8_t have[4u << 20]; /* by sequence number */
};

/* Of a connection on which nothing has been sent yet. */
void path_begin(struct path *w, struct peer *p, uint32_t chunk, unsigned tries);
/* One segment has come through, and is answered. */
void path_take(struct path *w, const struct segment *s);
/* `len` bytes more get across a path that takes segments of `most`. */
void path_transfer(struct path *w, uint32_t len, uint32_t most);

#endif
