/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every attack is made of: a client that joined the net by hand (no libsandwire in the way),
 * upcalls with any slot on any descriptor, probes that survive their signal, and `park`: a thread
 * that stands still in the middle of an upcall for as long as the attacker likes.
 *
 * An attack is a function run in a process of its own. When it is over the canary, another user's
 * client of the same net, must have done two more exact transfers, and two processes of that user
 * must have attached for one, else the attack has hurt.
 */
#ifndef TESTS_UPCALL_ATTACK_H
#define TESTS_UPCALL_ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/layout.h"
#include "tests/upcall/pc_test.h"
#include "upcall/enter.h"
#include "upcall/upcall_abi.h"

#define NOWHERE 0x500000000000ul /* a top-level slot with nothing in it */

struct attacker {
	int fd; /* client file */
	int control;
	struct channel *channel;
	uint32_t id;
	char why[200]; /* the daemon's refusal */
};

/* Of the command line: NET ADDRESS-OF-THE-NET PEER CANARY-FILE. */
extern const char *net;
extern uint32_t net_ip, peer_ip; /* network byte order */
extern bool thorough;		 /* SW_FULL: longer loops */

/* ok WHAT, or FAIL WHAT: why. */
void expect(bool good, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The canary and its newcomers do two more transfers now, while the attack goes on. */
void bystander(const char *what);

/* main() of each attack program: an array that ends with {NULL}. */
struct attack {
	const char *name;
	void (*run)(void); /* in a child; what it expects it says itself */
	int signal;	   /* that ends the child, 0: it ends by itself */
};
int attack_main(int argc, char **argv, const struct attack *list);
int status_of(pid_t pid); /* as of waitpid(), of any kind of child */

/* ---- joining -------------------------------------------------------------------------------- */

/* 0 or -errno, also where the daemon refuses. `reserve`: the mapping over the slot, too (one a
 * process). */
int join_net(struct attacker *a, bool reserve);
int join_with(struct attacker *a, int fd); /* with an open file of the module's */
/* The same; ends the process if it fails. */
struct attacker *join(void);
int reserve_slot(int fd);

/* ---- calls ---------------------------------------------------------------------------------- */

/*
 * raw_enter() made again where the crossing is -EINTR: that comes to who was kept waiting, whatever
 * the descriptor is. Inline: a caller may have no thread-local memory.
 */
static inline __attribute__((always_inline)) long enter(int fd, uint32_t slot, int64_t *result)
{
	long rc;

	do
		rc = raw_enter(fd, slot, result);
	while (rc == -EINTR);
	return rc;
}

/* One call in a slot of this thread: -errno of the crossing or the result. a0..a2 are arguments. */
int64_t call(struct attacker *a, int fd, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2);
/*
 * A crossing was -EINTR: a lock was waited for, or it was a signal, and the daemon finishes the
 * call. Its result; false if it came to none: the daemon has none of this process's memory.
 */
bool finished_elsewhere(const struct call_slot *s, int64_t *result);
struct call_slot *my_slot(struct attacker *a); /* of this thread; its inl may be filled before */
unsigned my_slot_number(void);
int udp_socket(struct attacker *a); /* a descriptor */
int udp_bind_any(struct attacker *a, int fd, uint16_t port);
/* The inline block of this thread's slot: to ip:port, no buffers yet. */
struct call_io *io_to(struct attacker *a, uint32_t ip, uint16_t port);
/* Send or receive (nr) a datagram with any buffer; send goes to ip:port. */
int64_t udp_io_once(struct attacker *a, int fd, uint32_t nr, uint64_t base, uint64_t len,
		    uint32_t ip, uint16_t port);
/* The same, made again as long as it is EINTR, as who was kept waiting is told. */
int64_t udp_io(struct attacker *a, int fd, uint32_t nr, uint64_t base, uint64_t len, uint32_t ip,
	       uint16_t port);
/* A call that must work: the client is still whole. */
bool works(struct attacker *a);

/* ---- probes --------------------------------------------------------------------------------- */

enum probe { PROBE_READ, PROBE_WRITE, PROBE_EXEC };
int probe(enum probe how, uint64_t addr); /* the signal it brings, 0: it got through */
/* Every part of the segment with all three: how many got through. *n counts the probes. */
unsigned probe_all(const struct attacker *a, unsigned *n);
unsigned part_count(void);
uint64_t part_addr(const struct attacker *a, unsigned i);

/* ---- standing still in mid-call ------------------------------------------------------------- */

struct park {
	struct attacker *a;
	int sock, uffd;
	char *page;
	uint32_t nr; /* CALL_SEND or CALL_RECV */
	pthread_t thread;
	atomic_int tid;
	atomic_bool stands, over;
	int64_t result;
};
/* Returns when another thread is in an upcall and waits there for a page of ours. */
void park(struct park *p, struct attacker *a, uint32_t nr);
/* Gives it the page; returns when the call is over. */
int64_t unpark(struct park *p);
void park_release(struct park *p); /* the page only */
char *uffd_page(int *uffd);	   /* a page that nobody gets past until uffd_give() */
bool uffd_wait(int uffd, int ms);
void uffd_give(int uffd, char *page);

int cpus(void);

#endif
