/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two stacks, a link between them and a clock, all in one thread: a minute of TCP takes
 * milliseconds, and a seed replays it. The link is IP packets on a wire with delay, rate, a queue,
 * and what real ones do to packets.
 */
#ifndef TESTS_TCPIP_SIM_SIM_H
#define TESTS_TCPIP_SIM_SIM_H

#include "tcpip/tcp.h"

#define SIM_MS 1000000ull
#define SIM_S  1000000000ull

/* One direction of the link. Shares are per 10,000 packets. */
struct sim_path {
	uint64_t delay;	 /* ns, one way */
	uint64_t jitter; /* ns, uniform on top; keeps the order */
	uint64_t rate;	 /* bits a second; 0: infinite */
	uint32_t queue;	 /* packets that wait for the rate before the tail is dropped */
	uint32_t loss, reorder, duplicate, corrupt;
	uint64_t reorder_delay; /* ns more for a reordered packet */
	uint32_t burst;		/* packets lost in a row, 0 or 1: single */
	uint32_t mtu;	/* bytes: what is longer vanishes, and nobody says so; 0: nothing does */
	uint32_t strip; /* options a middlebox takes out of SYNs: 1 SACK, 2 timestamps, 4 scale */
};

struct sim_host {
	struct stack *st;
	struct port port;
	struct pktbuf_pool pool;
	struct arena arena;
	void *headers, *data;
	struct sim *sim;
	uint32_t ip;
	bool dirty;	    /* something became ready since the application last looked */
	uint64_t line_free; /* ns: when the rate lets the next packet go */
	uint32_t burst_left;
	uint64_t sent, dropped, lost;
};

struct sim_packet {
	uint64_t at, order;
	uint8_t to;
	uint16_t len;
	uint8_t *bytes;
};

struct sim {
	uint64_t now, rng, order;
	int family; /* of flows: AF_INET, or AF_INET6 where the MTU is 1,280 and more */
	bool tso;   /* the ports cut trains up: with a third of the seeds */
	struct sim_path path[2]; /* from host i */
	struct sim_host host[2];
	struct sim_packet *heap;
	uint32_t n, room;
	/* Every packet as it is put on the wire; for tests that look. May drop it: false. */
	bool (*tap)(struct sim *s, int from, const uint8_t *ip, uint16_t len);
	void *tap_arg;
};

void sim_open(struct sim *s, uint64_t seed, uint32_t pktbufs, uint16_t mtu);
void sim_ip6(struct sim *s); /* flows are of IPv6 from here on; the MTU is 1,280 or more */
void sim_close(struct sim *s);
uint64_t sim_random(struct sim *s);
uint32_t sim_below(struct sim *s, uint32_t n);
/* The next thing that happens before `until`; false: nothing, and it is `until` now. */
bool sim_step(struct sim *s, uint64_t until);
/* A packet of somebody else's arrives at host `to` now. */
void sim_inject(struct sim *s, int to, const uint8_t *bytes, uint16_t len);
void sim_flush(struct sim *s); /* what the stacks want to send after calls from outside */

/* ---- a transfer: bytes both ways over one connection, checked as they arrive */
struct sim_end {
	struct socket *so;
	uint64_t to_send, sent, to_get, got;
	uint64_t pause_until; /* a reader that takes its time */
	uint32_t max_write, max_read;
	uint64_t pause;
	bool shut, eof;
	int error;
};

struct sim_flow {
	struct sim *sim;
	struct sim_end end[2]; /* client on host 0, server on host 1 */
	struct socket *listener;
	uint16_t port;
	uint32_t key;
	uint64_t started, finished;
	bool connected;
};

void sim_flow_open(struct sim_flow *f, struct sim *s, uint16_t port, uint64_t up, uint64_t down);
bool sim_flow_pump(struct sim_flow *f);	      /* true when both ends are through */
void sim_flow_dump(const struct sim_flow *f); /* both ends' blocks, to stderr */
void sim_flow_close(struct sim_flow *f);
/* Runs one flow to its end; false: not done at `limit` ns of simulated time. */
bool sim_flow_run(struct sim_flow *f, uint64_t limit);
/* Lets TIME-WAIT end; true if nothing is left in either stack. */
bool sim_all_returned(struct sim *s);

#endif
