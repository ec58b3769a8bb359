/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fuzzers share: reading the input, and a stack on an Ethernet whose every frame is
 * checked. A finding is an abort (or a sanitizer's). The stack is 10.0.0.1/24 at 02:00:00:00:00:01;
 * 10.0.0.9 is its known neighbour.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcpip/tcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MS 1000000ull
#define FUZZ_S	1000000000ull
#define FUZZ_MUST(what)                                                                            \
	do {                                                                                       \
		if (!(what))                                                                       \
			fuzz_abort(#what);                                                         \
	} while (0)

_Noreturn void fuzz_abort(const char *what);

/* The input, byte by byte; zeroes behind its end. */
struct input {
	const uint8_t *at;
	size_t left;
};
uint8_t in8(struct input *in);
uint16_t in16(struct input *in);
uint32_t in32(struct input *in);
size_t in_bytes(struct input *in, uint8_t *to, size_t n); /* how many there were */

extern struct stack *fz;       /* the stack of this run */
extern uint64_t fz_in, fz_out; /* bytes of frames */
extern struct tcp_hdr fz_last; /* the last TCP segment it sent */
#define FUZZ_UDP 16u
extern uint8_t fz_udp[FUZZ_UDP]; /* the head of the last UDP datagram */
extern uint32_t fz_us, fz_peer;	 /* 10.0.0.1, 10.0.0.9, network byte order */

void net_open(void);
void net_wide(void); /* the link takes 9,000 bytes, the port frames in pieces */
void net_ip6(void);  /* and 2001:db8::1/64, a link-local address, routers that are believed */
/* And 2001:db8::9 is a known neighbour, net_ip and net_at are of IPv6: net_v6. */
void net_use_ip6(void);
extern bool net_v6;
extern uint8_t net_tos; /* of net_ip's packets: DSCP and ECN */
/* Hears each TCP segment the stack sends, while its options are there; NULL: nobody. */
extern void (*net_heard)(const struct tcp_hdr *h);
/* Closes every socket, lets ten minutes pass: nothing may be left but what is known of neighbours.
 */
void net_close(void);
void net_flush(void);
void net_pass(uint64_t ns);
/* A frame, at the very end of its buffer, so that a read beyond it is seen. */
void net_frame(const uint8_t *frame, size_t len);
extern bool net_hold; /* frames wait for the next one, which comes in the same batch */
/* The same in pieces of `piece` bytes, at most what a buffer holds behind its headroom. */
void net_frame_in_pieces(const uint8_t *frame, size_t len, size_t piece);
/* From the neighbour: an IP header in front, checksums (also TCP's, UDP's, ICMP's) made right. */
void net_ip(uint8_t protocol, const uint8_t *l4, size_t len);
/* Makes lengths and checksums of an Ethernet frame right, as `what` says. */
enum { FIX_TO_US = 1, FIX_IP = 2, FIX_L4 = 4 };
void net_fix(uint8_t *frame, size_t len, unsigned what);
struct socket *net_sock(uint32_t i); /* number i of the pool, NULL: not in use */
int64_t net_send(struct socket *so, uint32_t len, const struct sock_addr *to, int flags);
int64_t net_recv(struct socket *so, uint32_t len, int flags);
struct sock_addr net_name(uint32_t ip, uint16_t port);
/* Of the family in use: the neighbour, or what a listener binds to. */
struct sock_addr net_at(bool neighbour, uint16_t port);
/* The counters of all runs summed up, by family, those that are not 0: to stdout. */
void net_counts(void);

#endif
