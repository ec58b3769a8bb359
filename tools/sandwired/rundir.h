/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /run/sandwire/NAME: the one place where a net shows in the file system.
 *
 *	control	 socket		pid   the daemon's		log	what it says
 *	ports	 one KIND:NAME a line: which NICs are taken
 *
 * The daemon holds a lock (flock) on the directory itself as long as it lives; a directory without
 * a lock is what a crash left. Claims are made under a lock of /run/sandwire.
 */
#ifndef SANDWIRED_RUNDIR_H
#define SANDWIRED_RUNDIR_H

#include "tools/failure.h"
#include "tools/sandwired/port_spec.h"

#define RUNDIR_TOP "/run/sandwire"

struct rundir {
	int fd; /* of the directory, locked; -1: none */
	char path[96];
};

/* $SANDWIRE_RUNDIR in tests, else /run/sandwire. */
const char *rundir_top(void);
/* Claims the name and the ports, clearing away what a crash left. */
int rundir_claim(struct rundir *r, const char *name, const struct port_spec *ports, unsigned n,
		 struct failure *f);
void rundir_release(struct rundir *r); /* removes everything */
/* A fresh file in it, mode 0640, group sandwire where there is one; fd or -errno. */
int rundir_create(struct rundir *r, const char *file);
/* Gives fd's or the path's group to "sandwire" where there is such a group. */
void rundir_give_group(const char *path);
/* Removes what a crash left of a net: 0, -EBUSY (it lives) or -ENOENT. */
int rundir_clear_stale(const char *name);

#endif
