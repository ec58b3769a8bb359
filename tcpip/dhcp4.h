/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DHCPv4 (RFC 2131, 2132, 3442): the message's format, and a client a port. Private to tcpip/;
 * its public face is stack_dhcp_*() in tcpip.h.
 */
#ifndef TCPIP_DHCP4_H
#define TCPIP_DHCP4_H

#include "tcpip/acd.h"
#include "tcpip/stack.h"

#define DHCP_SERVER_PORT 67u
#define DHCP_CLIENT_PORT 68u
#define DHCP_MSG_MIN	 240u /* the fixed part and the magic cookie */
#define DHCP_MSG_LEN	 300u /* what we send, padded as BOOTP's relays want it (RFC 1542 2.1) */
#define DHCP_ROUTES	 8u

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
};

struct dhcp_route {
	uint32_t dst, gateway; /* network byte order; gateway 0: on the link */
	uint8_t prefix;
};

/* What we send or look at; addresses network byte order, 0 where an option is not there. */
struct dhcp_msg {
	bool reply;
	uint8_t type; /* enum dhcp_type */
	uint32_t xid;
	uint16_t secs;
	uint32_t ciaddr, yiaddr;
	uint8_t chaddr[6];
	uint32_t server, requested, mask;
	uint32_t lease, t1, t2; /* s */
	uint16_t mtu;
	uint8_t n_dns, n_routes;
	uint32_t dns[DHCP_DNS_MAX];
	struct dhcp_route routes[DHCP_ROUTES]; /* of option 121, else the first router's */
	char domain[DHCP_DOMAIN_MAX];	       /* printable, or "" */
};

/* dhcp4_msg.c. 0 or -EBADMSG; options that make no sense are as if they were not there. */
int dhcp_parse(struct dhcp_msg *m, const uint8_t *data, size_t len);
/* A client's message: DHCP_MSG_LEN bytes. */
void dhcp_build(uint8_t *data, const struct dhcp_msg *m);

/* dhcp4.c: takes over p (data at the UDP header, checked) if a client waits for it, else false. */
bool dhcp4_in(struct stack *st, struct port *port, struct pktbuf *p);
/* A packet to an address that is not ours (yet): is it what a server sends to the one it offers? */
bool dhcp4_claims(const struct stack *st, const struct port *port, const struct pktbuf *p,
		  const struct ip4_hdr *ip);
int dhcp4_create(struct stack *st);
void dhcp4_flush_port(struct stack *st, struct port *port);

#endif
