/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The adapter between packetdrill and the stack: one stack in this process, its wire is
 * netdev_send() and netdev_receive(), its clock is virtual (or the machine's). Private to the
 * library; README.md draws it.
 *
 * Two threads come: the main thread, which plays the script and alone moves time, and a helper that
 * makes the calls that may block. A blocked helper is woken at the very instant its wait ends, and
 * time stands still until it has left the library.
 */
#ifndef TESTS_PACKETDRILL_ADAPTER_H
#define TESTS_PACKETDRILL_ADAPTER_H

#include <pthread.h>

#include "tcpip/socket.h"
#include "tests/packetdrill/table.h"

#define PD_FDS	 1024
#define PD_KNOBS 16
#define PD_NEVER UINT64_MAX

/* A socket option that a sysctl would set the default of. */
struct knob {
	const char *name;
	int level, option;
	long value;
	char text[32]; /* tcp_congestion_control */
};

struct watch { /* one descriptor in an epoll set */
	int fd;
	uint32_t sock;
	struct epoll_event ev;
	bool edge; /* something happened since it was last told */
	struct watch *next;
};

struct file {
	bool is_epoll, nonblock;
	struct socket *so;
	struct watch *watches;
};

struct out_packet {
	struct out_packet *next;
	uint64_t time;
	size_t len;
	uint8_t bytes[];
};

/* A thread asleep in a call. */
struct waiter {
	uint64_t deadline;
	bool woken;
	struct waiter *next;
};

struct world {
	pthread_mutex_t lock;
	pthread_cond_t main_cond, helper_cond;
	pthread_t main;
	int running; /* helpers in here and not asleep */
	struct waiter *waiters;
	int fast_opening; /* of those asleep: their data shall go with the ACK of the SYN-ACK */
	bool dirty;	  /* readiness changed since the helpers last looked */

	uint64_t now; /* ns */
	bool real, log, any_ip;
	uint16_t mtu, mtu6; /* of IPv4 and IPv6 */
	uint32_t ip;	    /* an address the stack has from the start, and one of IPv6 */
	uint8_t ip6[16];
	uint32_t fastopen; /* bits of the sysctl */
	uint16_t tso;	   /* segments the stack sends as one, which are cut up here; 0: none */
	struct knob knobs[PD_KNOBS];
	unsigned n_knobs;
	bool proc; /* knobs come from /proc/sys/net/ipv4 at each socket() */

	struct stack *st;
	struct port port;
	struct pktbuf_pool pool;
	struct arena arena;
	void *headers, *data;
	struct out_packet *out, **out_tail;
	struct file *files[PD_FDS];
};

extern struct world *pd_world; /* NULL before the first init */

/* world.c: the stack, its packets, its time. The lock is held. */
void world_open(struct world *w);
void world_close(struct world *w);
/* What the stack wants to send goes out; helpers that have become ready run until they left. */
void world_flush(struct world *w);
void world_advance(struct world *w, uint64_t to);
/* The next thing that happens, at most until `limit`; false: nothing will ever happen. */
bool world_step(struct world *w, uint64_t limit);
int world_inject(struct world *w, const uint8_t *packet, size_t n);
/* AF_INET, AF_INET6; network byte order. A group or a wildcard is left out. */
void world_add_addr(struct world *w, int family, const uint8_t *addr);

/* threads.c: every slot begins with world_enter and ends with world_leave. */
void world_enter(struct world *w);
void world_leave(struct world *w);
/* Waits until something happened or `deadline`: 0, or -EDEADLK when nothing ever will. */
int world_wait(struct world *w, uint64_t deadline);
void world_settle(struct world *w);
/* The time a helper's call ended, once; 0: ask the clock. */
uint64_t world_woken_at(void);

/* calls.c, poll.c */
struct file *file_of(struct world *w, int fd); /* NULL: none of ours */
int file_new(struct world *w, struct file **out);
int file_close(struct world *w, int fd);
int pd_close(void *ud, int fd);
int pd_getsockopt(void *ud, int fd, int level, int name, void *value, socklen_t *len);
void calls_fill(struct pd_table *t);
void options_fill(struct pd_table *t);
void poll_fill(struct pd_table *t);
void watch_ready(struct world *w, uint32_t sock);
void watch_forget(struct world *w, int fd);
void watches_free(struct file *f);

/* knobs.c */
int knob_set(struct world *w, const char *name, const char *value); /* -ENOENT: no such */
void knobs_read_proc(struct world *w); /* nothing without the flag sysctl=proc */
void knobs_fastopen_client(struct world *w, struct socket *so);
void knobs_fastopen_server(struct world *w, struct socket *so, int backlog);
int knobs_apply(struct world *w, struct socket *so);

#endif
