/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end of a TCP connection, played by the test, segment by segment: 10.0.0.9 talks to the
 * stack on the desk. Sequence numbers count from each side's SYN: the SYN is 0, the first byte 1.
 */
#ifndef TESTS_TCPIP_TCP_PEER_H
#define TESTS_TCPIP_TCP_PEER_H

#include "tcpip/tcp.h"
#include "tests/tcpip/test_stack.h"

#define PEER_ISS 5000000u

struct peer {
	struct desk *d;
	struct socket *so, *listener;
	uint16_t port, stack_port;
	uint32_t iss;	    /* the peer's */
	uint32_t stack_iss; /* learned */
	bool sack, ts, wscale;
	uint8_t tos; /* of what the peer sends */
	uint16_t mss, window;
	uint64_t rtt;		 /* ns, of the handshake */
	uint32_t ts_val, ts_ecr; /* ours to send; the stack's last */
};

struct segment {
	struct tcp_hdr h;
	uint32_t seq, ack; /* relative */
	uint32_t len;
	uint8_t tos;
	const uint8_t *payload;
};

void peer_desk_open(struct desk *d);
/* Kills all connections, then closes the desk, which counts the buffers. */
void peer_desk_close(struct desk *d);
struct peer peer_make(struct desk *d);

/* The stack listens for the peer. */
void peer_listener(struct peer *p, int backlog);
/* A connection the stack accepted (so) or began; nothing is left unread on the wire. */
void peer_accepted(struct peer *p);
void peer_connected(struct peer *p);

void peer_send(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
void peer_send_opts(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len,
		    const struct tcp_opts *opts);
/* An ACK with one SACK block, relative too; below `ack` it is a DSACK. */
void peer_sack(struct peer *p, uint32_t ack, uint32_t from, uint32_t to);
/* The next segment the stack sent; fails the test if there is none. */
struct segment peer_get(struct peer *p);
bool peer_got(struct peer *p, struct segment *s);
/* The next one is exactly this, and, for the second, nothing follows. */
void peer_expect(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
void peer_quiet(struct peer *p);
/* How many segments are there; they are forgotten. */
unsigned peer_drain(struct peer *p);

int64_t peer_write(struct peer *p, uint32_t len); /* the application writes */
int64_t peer_read(struct peer *p, uint32_t len);
/* One read brings that many, and they are those of their sequence numbers. */
void peer_read_exact(struct peer *p, uint32_t from, uint32_t len);
struct tcp_info_abi peer_info(struct peer *p);
void peer_option(struct peer *p, int name, int value);

#endif
