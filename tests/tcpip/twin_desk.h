/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two desks that get the same segments, the first a batch at a time, the second one by one: what
 * the stack sends, counts, tells and hands out must be the same on both, but for TcpTrains. Of
 * the peer's segments the byte at sequence number n is always the same.
 */
#ifndef TESTS_TCPIP_TWIN_DESK_H
#define TESTS_TCPIP_TWIN_DESK_H

#include "tests/tcpip/tcp_peer.h"

#define TWIN_MSS   1460u
#define TWIN_FLOWS 12u
#define TWIN_SENT  256u
#define TWIN_BYTES (1u << 20)

/* One that the peer sends; numbers are relative, as a peer's are. */
struct twin_seg {
	uint8_t src;	      /* 10.0.0. this */
	uint16_t port, dport; /* the peer's; the stack's */
	uint8_t flags, tos;
	uint32_t seq, ack, len, ts; /* ts 0: no timestamps */
	uint16_t window, urgent;
	uint32_t ecr_ago; /* the echo is of so many ms before the stack's last timestamp */
	bool zero_ts;	  /* timestamps that are both 0 */
	bool sack, bad;	  /* with a SACK block; damaged */
	bool dsack;	  /* with a SACK block of what was acknowledged */
};

/* One that the stack sent. */
struct twin_answer {
	struct tcp_hdr h;
	uint32_t dst; /* network byte order */
	uint16_t len;
	uint8_t tos;
};

extern struct desk twin[2];
extern struct peer twin_peer[2];
extern struct socket *twin_flows[2][TWIN_FLOWS];   /* instead of the peers' sockets */
extern struct twin_answer twin_sent[2][TWIN_SENT]; /* since the last step, flow by flow */
extern unsigned twin_n_sent;
extern uint8_t twin_got[2][TWIN_BYTES]; /* read last */

void twin_setup(void);
void twin_teardown(void);
void twin_accepted(void);
/* From ports 4000 on. */
void twin_connect_flows(unsigned count);

/* A plain segment of the peer, or of a flow. */
struct twin_seg twin_at(uint32_t seq, uint32_t len);
struct twin_seg twin_of_flow(unsigned i, uint32_t seq, uint32_t len);
/* Into the batch: a segment; as many full ones, returning what comes next; ICMP's "too big" for the
 * first byte that was written. */
void twin_put(struct twin_seg s);
uint32_t twin_put_full(uint32_t seq, unsigned count);
void twin_put_icmp(void);
unsigned twin_batched(void); /* how many are in it */

/* The batch comes; time passes; all there is is read, which begins at sequence number `from`: how
 * much. Each checks that all is the same afterwards. */
void twin_arrive(void);
void twin_pass(uint64_t ns);
int64_t twin_read_all(uint32_t from);
int64_t twin_read_from(struct socket *a, struct socket *b, uint32_t from);

uint64_t twin_trains(void);	  /* how many went up as one, of the first desk's */
void twin_last_ack(uint32_t ack); /* the stack's last segment has it */

#endif
