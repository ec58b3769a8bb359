/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One stack on a desk: two test ports (10.0.0.1/24 on the first, 192.168.5.1/24 on the second), a
 * fake clock, a fixed seed, and a count of what the stack said about readiness. Frames are built
 * and taken apart here so that a test case is the behaviour and nothing else.
 *
 * Addresses are written ip(10, 0, 0, 9). A neighbour at an address has the MAC that mac_of() makes
 * from it.
 */
#ifndef TESTS_TCPIP_TEST_STACK_H
#define TESTS_TCPIP_TEST_STACK_H

#include "tcpip/stack.h"
#include "tests/tcpip/test_port.h"

#define DESK_PORTS   2u
#define DESK_PKTBUFS 512u
#define MS_NS	     1000000ull
#define SEC_NS	     1000000000ull

struct desk {
	uint64_t now;
	struct stack *st;
	struct test_port port[DESK_PORTS];
	struct pktbuf_pool pool;
	struct arena arena;
	void *headers, *data;
	/* What stack_env.ready was told last, and how often. */
	uint32_t ready_id, ready_events;
	unsigned readies, wakes;
	unsigned signals; /* calls of stack_env.signal */
};

/* A packet as read back from a frame: headers, and the payload above the last one. */
struct packet {
	struct eth_hdr eth;
	struct arp_msg arp;
	struct ip4_hdr ip;
	struct udp_hdr udp;
	struct icmp_hdr icmp;
	const uint8_t *l3, *l4, *payload;
	uint16_t l4_len, payload_len;
	bool csum_ok; /* of IP and what is above */
};

uint32_t ip(unsigned a, unsigned b, unsigned c, unsigned d);
void mac_of(uint32_t addr, uint8_t mac[6]);

void desk_open(struct desk *d);
void desk_open_caps(struct desk *d, uint32_t caps); /* of port 0 */
void desk_open_with(struct desk *d, uint32_t caps, uint32_t pktbufs);
void desk_wide(struct desk *d);	 /* port 0: MTU 9000, frames in pieces */
void desk_close(struct desk *d); /* checks that no buffer is lost */
/* Time passes: timers run in their order, what they send is flushed. */
void desk_pass(struct desk *d, uint64_t ns);
void desk_flush(struct desk *d);

/* Hands in a frame, in pieces if it must be, and lets the stack answer. */
void desk_frame(struct desk *d, unsigned port, const void *frame, size_t len);
/* The frame as a driver hands it in. */
struct pktbuf *desk_pieces(struct desk *d, const void *frame, size_t len);
void desk_arp(struct desk *d, unsigned op, uint32_t spa, uint32_t tpa);
/* From the neighbour at src to the stack's MAC. `ip` gives what matters of the IP header; total_len
 * and checksum are filled in. */
void desk_ip4(struct desk *d, const struct ip4_hdr *h, const void *l4, size_t len);
void desk_udp(struct desk *d, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
	      const void *payload, size_t len);
void desk_icmp(struct desk *d, uint32_t src, uint32_t dst, const struct icmp_hdr *h,
	       const void *payload, size_t len);
/* Makes the neighbour known: the stack shall not ask for it in this test. */
void desk_know(struct desk *d, uint32_t addr);

/* The next packet the stack sent on a port; false: none. */
bool desk_sent(struct desk *d, unsigned port, struct packet *pk);
unsigned desk_drop_sent(struct desk *d, unsigned port); /* forgets what was sent: how many */
unsigned desk_neighbours(struct desk *d, struct neigh_row *last); /* how many there are */

/* Sockets in one line. */
struct socket *desk_socket(struct desk *d, int type, int protocol);
struct sock_addr name(uint32_t addr, uint16_t port);
int desk_bind(struct socket *so, uint32_t addr, uint16_t port);
int desk_connect(struct socket *so, uint32_t addr, uint16_t port);
int64_t desk_send(struct desk *d, struct socket *so, const void *data, size_t len,
		  const struct sock_addr *to);
int64_t desk_recv(struct socket *so, void *data, size_t len, int flags, struct sock_addr *from,
		  uint64_t *full);
uint64_t desk_count(const struct desk *d, const char *counter);

#endif
