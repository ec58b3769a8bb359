/* SPDX-License-Identifier: BSD-3-Clause */
/* Native extensions of the net: loaded from a file, listed, unloaded. */
#ifndef SANDWIRED_EXTENSIONS_H
#define SANDWIRED_EXTENSIONS_H

#include <stdint.h>

#include "sandbox/ext_load.h"
#include "tools/failure.h"

struct net;
struct conn;

struct extension {
	char name[EXT_NAME], *file; /* file NULL: the place is free */
	int fd;			    /* its memory */
	uint64_t gen;
	struct conn *unloading; /* who waits for its callers to leave */
	struct ext_plan plan;	/* without its bytes */
};

/* 0, or -1 with f filled and nothing changed. */
int extension_load(struct net *net, const char *file, struct failure *f);
/* By name, or NULL with f filled. */
struct extension *extension_find(struct net *net, const char *name, struct failure *f);
/* Nobody is let in from now on. Callers still inside, to be asked for again over the same
 * connection (if that closes, all is as before); 0: it is gone; -1 with f filled. */
int extension_unload(struct net *net, struct extension *e, struct conn *c, struct failure *f);
void extensions_conn_closed(struct conn *c);
/* With the net: no exit() is called, nobody is inside. */
void extensions_free(struct net *net);

#endif
