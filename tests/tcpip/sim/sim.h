/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two stacks or more, a network between them and a clock, all in one thread: a minute of TCP takes
 * milliseconds, and a seed replays it. The network is a star: IP packets go over the sender's line,
 * and then, if that has properties of its own, over the receiver's, each with delay, rate, a queue,
 * a router's MTU and what else real ones do to packets.
 *
 *	host 0 --path[0]--+        +--down[0]--> host 0
 *	host 1 --path[1]--+- hub --+--down[1]--> host 1		down: nothing, if all zero
 *	host 2 --path[2]--+        +--down[2]--> host 2
 */
#ifndef TESTS_TCPIP_SIM_SIM_H
#define TESTS_TCPIP_SIM_SIM_H

#include "tcpip/tcp.h"

#define SIM_MS 1000000ull
#define SIM_S  1000000000ull

#define SIM_HOSTS 4u

/* One direction of a line. Shares are per 10,000 packets. */
struct sim_path {
	uint64_t delay;	 /* ns, one way */
	uint64_t jitter; /* ns, uniform on top; keeps the order */
	uint64_t rate;	 /* bits a second; 0: infinite */
	uint32_t queue;	 /* packets that wait for the rate before the tail is dropped */
	uint32_t loss, reorder, duplicate, corrupt;
	uint64_t reorder_delay; /* ns more for a reordered packet */
	uint32_t burst;		/* packets lost in a row, 0 or 1: single */
	/* Gilbert-Elliott's two states: `loss` is the good one's; from a packet to the next the
	 * state turns bad, or good again, with these shares. bad_loss 0: always good. */
	uint32_t bad_loss, turns_bad, turns_good;
	uint32_t mark;	 /* packets: ECT gets CE where the queue is longer (RFC 3168 5); 0: never */
	uint32_t mtu;	 /* bytes: what is longer vanishes, and nobody says so; 0: nothing does */
	uint32_t router; /* bytes: what is longer is answered, RFC 1191 4, RFC 4443 3.2; 0: none */
	uint64_t later;	 /* ns, simulated: from then on router_later is the router's; 0: never */
	uint32_t router_later;
	uint32_t strip; /* options a middlebox takes out of SYNs: 1 SACK, 2 timestamps, 4 scale */
};

struct sim_line {
	uint64_t free; /* ns: when the rate lets the next packet go */
	uint32_t burst_left;
	bool bad;      /* Gilbert-Elliott's state */
	uint64_t seen; /* ns: its last packet; a second later all is good */
	uint64_t dropped, lost, marked, too_big;
};

struct sim_host {
	struct stack *st;
	struct port port;
	struct pktbuf_pool pool;
	struct arena arena;
	void *headers, *data;
	struct sim *sim;
	uint32_t ip;
	bool dirty; /* something became ready since the application last looked */
	struct sim_line up, down;
	uint64_t sent;
};

struct sim_packet {
	uint64_t at, order;
	uint8_t to;
	bool hub; /* it is there, to go down to `to` */
	uint16_t len;
	uint8_t *bytes;
};

struct sim {
	uint64_t now, rng, order;
	int family; /* of flows: AF_INET, or AF_INET6 where the MTU is 1,280 and more */
	bool tso;   /* the ports cut trains up: with a third of the seeds */
	struct sim_path path[SIM_HOSTS]; /* from host i */
	struct sim_path down[SIM_HOSTS]; /* from the hub to host i */
	struct sim_host host[SIM_HOSTS];
	uint32_t n_hosts, pktbufs;
	uint16_t mtu;
	struct sim_packet *heap;
	uint32_t n, room;
	/* Every packet as it is put on the wire; for tests that look. May drop it: false. */
	bool (*tap)(struct sim *s, int from, const uint8_t *ip, uint16_t len);
	void *tap_arg;
};

extern const uint8_t sim_net6[8]; /* the hosts' prefix, 64 bits */

void sim_open(struct sim *s, uint64_t seed, uint32_t pktbufs, uint16_t mtu); /* two hosts */
void sim_add_host(struct sim *s); /* one more, like those */
void sim_ip6(struct sim *s); /* flows are of IPv6 from here on; MTU 1,280 or more; no more hosts */
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
	struct sim_end end[2]; /* the client, the server */
	int host[2];	       /* where they are */
	struct socket *listener;
	uint16_t port;
	uint32_t key;
	uint64_t started, finished;
	bool connected;
};

/* From host 0 to host 1; or between any two. */
void sim_flow_open(struct sim_flow *f, struct sim *s, uint16_t port, uint64_t up, uint64_t down);
void sim_flow_between(struct sim_flow *f, struct sim *s, int from, int to, uint16_t port,
		      uint64_t up, uint64_t down);
bool sim_flow_pump(struct sim_flow *f);	      /* true when both ends are through */
void sim_flow_dump(const struct sim_flow *f); /* both ends' blocks, to stderr */
void sim_flow_close(struct sim_flow *f);
/* Runs one flow to its end; false: not done at `limit` ns of simulated time. */
bool sim_flow_run(struct sim_flow *f, uint64_t limit);
bool sim_flows_run(struct sim_flow *f, unsigned n, uint64_t limit);	 /* n of one network */
struct sock_addr sim_addr(const struct sim *s, int host, uint16_t port); /* of flows' family */
bool sim_dirty(struct sim *s); /* something became ready somewhere; asked once */
/* Lets TIME-WAIT end; true if nothing is left in either stack. */
bool sim_all_returned(struct sim *s);

#endif
