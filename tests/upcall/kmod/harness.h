/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every test program of the module uses: a net with the test image, a daemon thread that
 * admits clients and (when told to) adopts orphans, and the client's side of a crossing.
 */
#ifndef TESTS_UPCALL_KMOD_HARNESS_H
#define TESTS_UPCALL_KMOD_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/upcall/kmod/image.h"
#include "tests/upcall/pc_test.h"
#include "upcall/enter.h"
#include "upcall/kmod/sandwire_uapi.h"

/* Shared with every child. */
struct shared {
	atomic_uint next_slot, failed, next_client;
	atomic_ulong words[64]; /* a test's own */
};
extern struct shared *sh;
extern struct t_req *reqs;    /* the app's mapping of the requests */
extern int net_fd;	      /* the daemon's */
extern atomic_bool adopting;  /* the daemon thread adopts orphans as they come */
extern atomic_uint events[8]; /* seen by the daemon thread, by type */
extern atomic_uint last_gone;

#define DATA ((volatile struct t_data *)(SEG_BASE + T_DATA_OFF)) /* the daemon's native view */

/* ok NAME, or FAIL NAME: why */
void result(const char *name, bool good, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define CHECK(name, cond, ...)                                                                     \
	do {                                                                                       \
		bool good_ = (cond);                                                               \
		result(name, good_, __VA_ARGS__);                                                  \
	} while (0)

void net_up(const char *image);
void net_down(void);
/* In the daemon's process: starts one that is a client of nothing yet; fn runs there. */
pid_t child(int (*fn)(void *), void *arg);
int wait_child(pid_t pid); /* its wait status */
/* Both; anything but a clean exit is a failure. */
void run_case(int (*fn)(void *), void *arg);
/* In a client: open, have it admitted, reserve the slot. */
int attach(void);
int open_client(void); /* as attach, without the reservation */
void *reserve(int fd);

/* One upcall through a request slot of this thread; -errno of the crossing or its result. */
long up(int fd, enum t_op op, uint64_t a, uint64_t b, uint64_t c);
uint32_t my_slot(void);

int probe_read(uint64_t addr); /* the signal it brings, 0 if it can be read */
int probe_write(uint64_t addr);
int probe_exec(uint64_t addr);

struct sw_info stats(void);

#endif
