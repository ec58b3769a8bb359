/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's one thread: waits for descriptors and for one deadline. A watch lives in its owner's
 * struct; it may be removed from any callback, its own included.
 */
#ifndef SANDWIRED_LOOP_H
#define SANDWIRED_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
	int fd; /* -1: not watched */
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

#define LOOP_BATCH 64

struct loop {
	int epoll_fd;
	bool stop;
	bool realtime; /* leaves the CPU to others now and then: nobody else can take it */
	uint64_t awake_since;
	/* Runs after each batch of events; returns ns to sleep at most (0: look again at once). */
	uint64_t (*after)(void *arg);
	void *arg;
	struct epoll_event batch[LOOP_BATCH];
	int n_batch;
};

int loop_init(struct loop *l); /* 0 or -errno */
void loop_free(struct loop *l);
int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events,
	     void (*ready)(void *arg, uint32_t events), void *arg);
int loop_change(struct loop *l, struct watch *w, uint32_t events);
void loop_del(struct loop *l, struct watch *w); /* leaves the descriptor open */
/* Until l->stop. */
void loop_run(struct loop *l);
/* What is ready now, and no more: for a loop within a loop. Does not call `after`. */
void loop_poll(struct loop *l);

#endif
