/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6, private to tcpip/. Reading order: name6.c (handles), addr6.c (addresses, DAD), route6.c,
 * ip6.c, icmp6.c, nd.c, slaac.c, mld.c.
 *
 * Handles. TCP, UDP and the neighbour cache know an address by 32 bits: an IPv4 address as it is,
 * an IPv6 address by a handle, which looks like an address in 240.0.0.0/8 (reserved, RFC 1112 4;
 * ip4.c, arp_parse, route.c and socket.c refuse it, so none comes from outside). ip_is6() tells
 * them apart; name6.c turns one into the other. So the transports are the same for both families,
 * and cost IPv4 nothing. A handle that somebody holds (ip6_hold, ip_set) stays; one that nobody
 * holds stays good for the next NAME6_SPARE handles made, which is longer than any call or packet
 * takes.
 */
#ifndef TCPIP_IP6_H
#define TCPIP_IP6_H

#include "tcpip/stack.h"
#include "tcpip/wire6.h"

#define IP6_ADDR_MAX   64u
#define IP6_PORT_ADDRS 16u /* made from router advertisements, a port */
#define IP6_ROUTE_MAX  64u
#define IP6_ROUTER_MAX 4u  /* default routers, a port */
#define IP6_PREFIX_MAX 16u /* on-link prefixes from routers, all ports */
#define IP6_FOREVER    UINT64_MAX
#define NAME6_SPARE    512u

struct ip6_name {
	uint8_t addr[16];
	uint32_t scope; /* link-local addresses and groups: index of the port + 1; else 0 */
	uint32_t refs;
	uint64_t hash;	       /* keyed: the same for the same address, whatever the handle */
	uint32_t hash_next;    /* here and below: index + 1; 0: none */
	uint32_t older, newer; /* among those nobody holds */
	uint32_t pmtu;	       /* RFC 8201; 0: the link's */
	uint64_t pmtu_until;   /* ns */
};

enum ip6_addr_state { IP6_TENTATIVE = 1, IP6_VALID, IP6_DUPLICATE };
enum ip6_origin { IP6_STATIC = 1, IP6_LINK_LOCAL, IP6_AUTO };

/* An address of a port; slots stay where they are, timers lie in them. */
struct ip6_addr {
	struct port *port; /* NULL: free slot */
	uint32_t ip;	   /* handle, held */
	uint8_t bytes[16];
	uint8_t prefix, state, origin;
	bool joined;		   /* its solicited-node group */
	uint8_t probes;		   /* of DAD, sent */
	uint8_t dad_counter;	   /* RFC 7217 5 */
	uint64_t preferred, valid; /* ns; IP6_FOREVER */
	struct timer timer;	   /* DAD; then the end of `valid` */
};

struct ip6_route {
	struct port *port; /* NULL: free slot */
	uint8_t dst[16];
	uint8_t prefix;
	bool from_ra;
	uint32_t gateway; /* handle, held; 0: on-link */
	uint32_t metric;
	uint64_t rank;	/* gateway.c: the least goes first among those to one prefix */
	uint64_t until; /* ns; IP6_FOREVER */
};

/* IPv6 on one port. */
struct ip6_port {
	struct port *port; /* NULL: off */
	struct stack_ip6_conf conf;
	uint8_t hop_limit; /* from a router; 0: 64 */
	uint8_t solicits;  /* RS sent */
	uint16_t mtu;	   /* from a router; 0: the port's */
	/* RFC 4861 6.3.2, ms, from a router; 0: the default. */
	uint32_t base_reachable, retrans;
	uint64_t reachable, reachable_until; /* ns: made of the base, and how long it is good */
	struct timer rs;
};

struct ip6_table {
	struct ip6_name *name;
	uint32_t *bucket;
	uint32_t n_names, mask, high, spare; /* spare: nobody holds them */
	uint32_t oldest, newest;
	struct ip6_addr addr[IP6_ADDR_MAX];
	struct ip6_route route[IP6_ROUTE_MAX];
	struct ip6_port port[PORT_MAX];
	uint32_t n_addrs; /* high-water mark of slots */
	struct timer routes_timer;
};

extern const uint8_t ip6_all_nodes[16]; /* ff02::1 */

static inline bool ip6_is_multicast(const uint8_t a[16])
{
	return a[0] == 0xff;
}
static inline bool ip6_is_link_local(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}
bool ip6_is_unspecified(const uint8_t a[16]);
bool ip6_is_mapped(const uint8_t a[16]); /* ::ffff:a.b.c.d */
/* Addresses no packet on the wire may have: ::1, v4-mapped. */
bool ip6_is_martian(const uint8_t a[16]);
bool ip6_prefix_match(const uint8_t a[16], const uint8_t b[16], unsigned bits);
void ip6_solicited_node(uint8_t out[16], const uint8_t addr[16]);
void ip6_group_mac(uint8_t mac[6], const uint8_t group[16]);
bool ip6_of_link(const uint8_t a[16]); /* means something on one link only */
/* Scope for an address met on (or meant for) `port`. */
uint32_t ip6_scope(const uint8_t a[16], const struct port *port);

/* name6.c. ip6_handle: 0 when the table is full of held ones. ip6_known: 0 when there is none. */
int ip6_create(struct stack *st, uint32_t holders);
uint32_t ip6_handle(struct stack *st, const uint8_t addr[16], uint32_t scope);
struct ip6_name *ip6_name(const struct stack *st, uint32_t ip);

/* addr6.c */
struct ip6_addr *addr6_of(struct stack *st, uint32_t ip); /* valid ones alone */
struct ip6_addr *addr6_find(struct stack *st, const struct port *port, const uint8_t bytes[16]);
int addr6_add(struct stack *st, struct port *port, const struct ip6_addr *like);
void addr6_remove(struct stack *st, struct ip6_addr *a);
/* RFC 6724 5 among the port's addresses: a handle, 0: none. */
uint32_t addr6_source(struct stack *st, const struct port *port, const uint8_t dst[16]);
/* Somebody else has it: RFC 4862 5.4.4, 5.4.5. */
void addr6_conflict(struct stack *st, struct ip6_addr *a);
void addr6_set_life(struct stack *st, struct ip6_addr *a, uint64_t preferred, uint64_t valid);

/* route6.c */
int route6_lookup(struct stack *st, uint32_t dst, struct route_hit *hit);
/* gateway 0: on-link. Refreshes `until` of one that exists. */
int route6_add(struct stack *st, const struct ip6_route *like);
struct ip6_route *route6_find(struct stack *st, const struct ip6_route *like);
void route6_remove(struct stack *st, struct ip6_route *r);
bool route6_on_link(struct stack *st, const struct port *port, uint32_t ip);
void ip6_flush_port(struct stack *st, struct port *port);

/* For stack_addr_* and stack_route_*. */
int ip6_addr_add(struct stack *st, struct port *port, const struct ip_addr *addr);
int ip6_addr_del(struct stack *st, struct port *port, const struct ip_addr *addr);
int ip6_route_add(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway,
		  struct port *port, uint32_t metric);
int ip6_route_del(struct stack *st, const struct ip_addr *dst, const struct ip_addr *gateway);
/* The first port that has IPv6: whose a link-local address without a scope is; NULL: none. */
struct port *ip6_only_port(const struct stack *st);
struct port *ip6_port_by_scope(const struct stack *st, uint32_t scope); /* 0: that one */

/* ip6.c. ip6_send: with a given source, on a given port, to a given MAC (NULL: the group's), for
 * nd.c and mld.c; p holds what follows the header; ICMPv6's checksum is filled in. */
void ip6_in(struct stack *st, struct port *port, struct pktbuf *p);
void ip6_loop_in(struct stack *st, struct pktbuf *p);
int ip6_out(struct stack *st, struct pktbuf *p, const struct ip4_args *args);
void ip6_send(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h,
	      const uint8_t mac[6]);
uint16_t ip6_mtu(struct stack *st, uint32_t dst);

/* icmp6.c: takes over p (data at the ICMPv6 header); `h` the header it came under, `ip` the same as
 * the transports see it. icmp6_error: data at the IPv6 header; port: that it came in on, NULL: not
 * known any more, and there is no answer. */
void icmp6_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h,
	      const struct ip4_hdr *ip);
void icmp6_error(struct stack *st, struct port *port, struct pktbuf *p, uint8_t type, uint8_t code,
		 uint32_t rest);
void icmp6_local_error(struct stack *st, struct pktbuf *p, uint8_t type, uint8_t code);

/* nd.c */
void nd_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip6_hdr *h);
void nd_probe(struct stack *st, struct ip6_addr *a); /* DAD's solicitation */
void nd_router_solicit(struct stack *st, struct port *port);
void nd_announce(struct stack *st, struct ip6_addr *a);

/* slaac.c */
struct ip6_port *ip6_port(struct stack *st, const struct port *port); /* NULL: off */
void slaac_ra(struct stack *st, struct port *port, const struct ip6_hdr *h, const struct nd_msg *m);
void slaac_link_ready(struct stack *st, struct port *port); /* the link-local address is valid */
/* Another address for the prefix, RFC 7217 5: dad_counter says which. */
void slaac_address(struct stack *st, const struct port *port, const uint8_t prefix[16],
		   uint8_t counter, uint8_t out[16]);
void slaac_port_down(struct stack *st, struct ip6_port *ip6);
/* ReachableTime and RetransTimer of a port, ns: RFC 4861 6.3.2. */
uint64_t slaac_reachable(struct stack *st, const struct port *port);
uint64_t slaac_retrans(struct stack *st, const struct port *port);

/* mld.c; what a port hears is group.h's. */
void mld_query_in(struct stack *st, struct port *port, const struct pktbuf *p,
		  const struct ip6_hdr *h);

#endif
