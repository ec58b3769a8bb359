/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 on the desk: port 0 has fe80::... and 2001:db8::1/64, no DAD unless the test asks for it. A
 * neighbour is 2001:db8::N or fe80::N with the MAC 02:66:0:0:0:N.
 */
#ifndef TESTS_TCPIP_DESK6_H
#define TESTS_TCPIP_DESK6_H

#include "tcpip/ip6.h"
#include "tests/tcpip/test_stack.h"

struct packet6 {
	struct eth_hdr eth;
	struct ip6_hdr ip;
	struct ip6_ext ext;
	struct icmp_hdr icmp;
	struct nd_msg nd; /* of neighbour discovery */
	const uint8_t *l3, *l4;
	uint16_t l4_len;
	bool csum_ok;
};

void desk6_open(struct desk *d);
/* Without an address; conf as given. */
void desk6_open_conf(struct desk *d, uint8_t dad_transmits, bool accept_ra);
void ip6(uint8_t out[16], const char *text);
void mac6(uint8_t mac[6], uint8_t n);
void link_local(struct desk *d, uint8_t out[16]); /* the stack's */
int desk6_addr(struct desk *d, const char *text, uint8_t prefix);
/* From neighbour n; h: next, src, dst, hop_limit (0: 64); checksum of what has one is made. */
void desk6_packet(struct desk *d, uint8_t n, const struct ip6_hdr *h, const void *l4, size_t len);
void desk6_packet_on(struct desk *d, unsigned port, uint8_t n, const struct ip6_hdr *h,
		     const void *l4, size_t len);
/* To the stack's 2001:db8::1 or, where `dst` says so, elsewhere. */
void desk6_nd(struct desk *d, uint8_t n, const char *src, const uint8_t dst[16],
	      const struct nd_msg *m);
void desk6_know(struct desk *d, uint8_t n); /* 2001:db8::n need not be asked for */
void desk6_udp(struct desk *d, uint8_t n, const char *src, uint16_t sport, const char *dst,
	       uint16_t dport, const void *data, size_t len);
bool desk6_sent(struct desk *d, struct packet6 *pk);
bool desk6_sent_on(struct desk *d, unsigned port, struct packet6 *pk);
struct sock_addr name6(const char *text, uint16_t port);
struct socket *socket6(struct desk *d, int type, int protocol);

#endif
