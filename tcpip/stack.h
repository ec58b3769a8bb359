/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stack instance, private to tcpip/. One instance is one shard: flows of other shards would
 * live in other instances, nothing in here is global.
 */
#ifndef TCPIP_STACK_H
#define TCPIP_STACK_H

#include <netinet/in.h>
#include <string.h>

#include "sandbox/layout.h"
#include "tcpip/tcpip.h"
#include "tcpip/timer.h"
#include "tcpip/wire.h"

#define STACK_ADDR_MAX	64u
#define STACK_ROUTE_MAX 128u
#define STACK_IP_IDS	256u
#define STACK_PMTUS	256u
#define STACK_REDIRECTS 128u
#define STACK_ICMP_DSTS 1024u

/* X-macro: one counter each; names as in RFC 4293 (IP), 4022 (TCP), 4113 (UDP), Linux's TcpExt. */
#define STACK_COUNTERS(X)                                                                          \
	X(EthInFrames)                                                                             \
	X(EthInErrors)                                                                             \
	X(EthInUnknown)                                                                            \
	X(ArpInRequests)                                                                           \
	X(ArpInReplies)                                                                            \
	X(ArpOutRequests)                                                                          \
	X(ArpOutReplies)                                                                           \
	X(ArpInErrors)                                                                             \
	X(ArpConflicts)                                                                            \
	X(NeighQueueDrops)                                                                         \
	X(NeighTableFull)                                                                          \
	X(NeighFailed)                                                                             \
	X(IpInReceives)                                                                            \
	X(IpInHdrErrors)                                                                           \
	X(IpInAddrErrors)                                                                          \
	X(IpInCsumErrors)                                                                          \
	X(IpInSourceRoutes)                                                                        \
	X(IpReasmReqds)                                                                            \
	X(IpReasmOKs)                                                                              \
	X(IpReasmFails)                                                                            \
	X(IpReasmTimeout)                                                                          \
	X(IpFragOKs)                                                                               \
	X(IpFragFails)                                                                             \
	X(IpFragCreates)                                                                           \
	X(IpReasmOverlaps)                                                                         \
	X(IpInUnknownProtos)                                                                       \
	X(IpInDelivers)                                                                            \
	X(IpOutRequests)                                                                           \
	X(IpOutNoRoutes)                                                                           \
	X(IpOutDiscards)                                                                           \
	X(IcmpInMsgs)                                                                              \
	X(IcmpInErrors)                                                                            \
	X(IcmpInEchos)                                                                             \
	X(IcmpInEchoReps)                                                                          \
	X(IcmpInDestUnreachs)                                                                      \
	X(IcmpInRedirects)                                                                         \
	X(IcmpOutMsgs)                                                                             \
	X(IcmpOutEchoReps)                                                                         \
	X(IcmpOutDestUnreachs)                                                                     \
	X(IcmpOutRateLimited)                                                                      \
	X(UdpInDatagrams)                                                                          \
	X(UdpNoPorts)                                                                              \
	X(UdpInErrors)                                                                             \
	X(UdpInCsumErrors)                                                                         \
	X(UdpRcvbufErrors)                                                                         \
	X(UdpOutDatagrams)                                                                         \
	X(TcpActiveOpens)                                                                          \
	X(TcpPassiveOpens)                                                                         \
	X(TcpAttemptFails)                                                                         \
	X(TcpEstabResets)                                                                          \
	X(TcpInSegs)                                                                               \
	X(TcpTrains)                                                                               \
	X(TcpInErrs)                                                                               \
	X(TcpInCsumErrors)                                                                         \
	X(TcpOutSegs)                                                                              \
	X(TcpOutRsts)                                                                              \
	X(TcpRetransSegs)                                                                          \
	X(TcpFastRetrans)                                                                          \
	X(TcpRecoveryProbes)                                                                       \
	X(TcpTimeouts)                                                                             \
	X(TcpOfoQueue)                                                                             \
	X(TcpOfoDrops)                                                                             \
	X(TcpDupSegs)                                                                              \
	X(TcpPawsDrops)                                                                            \
	X(TcpChallengeAcks)                                                                        \
	X(TcpDelayedAcks)                                                                          \
	X(TcpZeroWindowProbes)                                                                     \
	X(TcpBlackHoles)                                                                           \
	X(TcpMtuProbes)                                                                            \
	X(TcpMtuProbesLost)                                                                        \
	X(TcpKeepalives)                                                                           \
	X(TcpListenDrops)                                                                          \
	X(TcpListenOverflows)                                                                      \
	X(TcpSyncookiesSent)                                                                       \
	X(TcpSyncookiesRecv)                                                                       \
	X(TcpSyncookiesFailed)                                                                     \
	X(TcpFastOpenActive)                                                                       \
	X(TcpFastOpenActiveFail)                                                                   \
	X(TcpFastOpenPassive)                                                                      \
	X(TcpFastOpenPassiveFail)                                                                  \
	X(TcpTimeWaits)                                                                            \
	X(TcpRcvQDrops)                                                                            \
	X(TcpMemoryPressure)                                                                       \
	X(DhcpInMsgs)                                                                              \
	X(DhcpInErrors)                                                                            \
	X(DhcpOutMsgs)                                                                             \
	X(DhcpBinds)                                                                               \
	X(DhcpNaks)                                                                                \
	X(DhcpDeclines)                                                                            \
	X(DhcpExpired)                                                                             \
	X(QuotaSockets)                                                                            \
	X(QuotaPcbs)                                                                               \
	X(QuotaPktbufs)                                                                            \
	X(QuotaMembers)                                                                            \
	X(Ip6InReceives)                                                                           \
	X(Ip6InHdrErrors)                                                                          \
	X(Ip6InAddrErrors)                                                                         \
	X(Ip6InUnknownProtos)                                                                      \
	X(Ip6InFragments)                                                                          \
	X(Ip6ReasmReqds)                                                                           \
	X(Ip6ReasmOKs)                                                                             \
	X(Ip6ReasmFails)                                                                           \
	X(Ip6ReasmTimeout)                                                                         \
	X(Ip6ReasmOverlaps)                                                                        \
	X(Ip6FragOKs)                                                                              \
	X(Ip6FragFails)                                                                            \
	X(Ip6FragCreates)                                                                          \
	X(Ip6InDelivers)                                                                           \
	X(Ip6OutRequests)                                                                          \
	X(Ip6OutNoRoutes)                                                                          \
	X(Ip6OutDiscards)                                                                          \
	X(Ip6DadFailed)                                                                            \
	X(Icmp6InMsgs)                                                                             \
	X(Icmp6InErrors)                                                                           \
	X(Icmp6InEchos)                                                                            \
	X(Icmp6OutMsgs)                                                                            \
	X(Icmp6OutEchoReps)                                                                        \
	X(NdInSolicits)                                                                            \
	X(NdInAdverts)                                                                             \
	X(NdInRouterAdverts)                                                                       \
	X(NdInRedirects)                                                                           \
	X(NdInErrors)                                                                              \
	X(NdOutSolicits)                                                                           \
	X(NdOutAdverts)                                                                            \
	X(IgmpInQueries)                                                                           \
	X(IgmpInErrors)                                                                            \
	X(IgmpOutReports)                                                                          \
	X(MldInQueries)                                                                            \
	X(MldInErrors)                                                                             \
	X(MldOutReports)                                                                           \
	X(SockOpened)                                                                              \
	X(SockClosed)

enum stack_counter_id {
#define X(name) CNT_##name,
	STACK_COUNTERS(X)
#undef X
		CNT_COUNT
};

#define COUNT(st, name)	     ((st)->counters[CNT_##name]++)
#define COUNT_N(st, name, n) ((st)->counters[CNT_##name] += (n))

struct local_addr {
	struct ip_addr addr;
	struct port *port; /* NULL: free slot */
	uint64_t defended; /* acd.c, ns: when last */
};

/* Addresses and mask in network byte order. */
struct route {
	uint32_t net, mask;
	uint32_t gateway;  /* 0: on-link */
	uint32_t metric;   /* as it was told */
	uint64_t rank;	   /* gateway.c: the least goes first among those to one net */
	struct port *port; /* NULL: free slot */
	uint8_t prefix;
};

/* What the path to a host takes: pmtu.c. */
struct pmtu {
	uint32_t dst; /* network byte order; 0: free */
	uint16_t mtu;
	uint64_t until; /* ns */
};

/* To whom a host's packets go instead: redirect.c. Addresses or handles, held. */
struct redirect {
	uint32_t dst;	  /* 0: free */
	uint32_t from;	  /* the next hop that it has by the routes */
	uint32_t gateway; /* dst: it is on the link */
	struct port *port;
	uint64_t until; /* ns */
};

/* A user's account: quota.c. */
struct quota_user {
	uint32_t uid;
	uint32_t clients, sockets, pcbs; /* now; buffers: pktbuf_pool.held */
	uint64_t refused;
};

/* A source that is no martian, an address of ours of that port: ip4.c; route.c forgets it. */
struct heard {
	uint32_t src, dst; /* network byte order */
	struct port *port; /* NULL: none */
};

struct ip6_table;   /* ip6.h */
struct neigh_table; /* neigh.c */
struct group_table; /* group.h */
struct acd;	    /* acd.h */
struct dhcp_client; /* dhcp4.c */
struct udp_table;   /* udp.c */
struct reass_table; /* reass.c */
struct tcp_table;   /* lookup.c: 4-tuples, listeners, bound ports */

struct stack {
	uint64_t now; /* ns */
	struct stack_env env;
	struct pktbuf_pool *pool;
	struct port *ports;
	struct timer_wheel timers;

	/* Dense: the first n_addrs and n_routes are in use, in no order. */
	struct local_addr addrs[STACK_ADDR_MAX];
	struct route routes[STACK_ROUTE_MAX];
	uint32_t n_addrs, n_routes;
	uint64_t gateway_deaths; /* gateway.c */
	uint32_t n_redirects;	 /* in use */
	uint32_t redirect_asked; /* and its place, or any with 0: redirect.c */
	struct redirect *redirect_place;
	struct redirect redirects[STACK_REDIRECTS];
	struct timer redirect_timer;
	struct heard heard; /* the last packet's */
	struct neigh_table *neigh;
	struct acd *acds;	  /* addresses being asked for */
	struct dhcp_client *dhcp; /* by index of the port */
	uint32_t dhcp_changes;
	struct ip6_table *ip6;
	struct group_table *groups;
	struct udp_table *udp;
	struct reass_table *reass;
	struct tcp_table *tcp;
	struct arena *arena;
	struct pktbuf_queue loop; /* ip4.c: packets to an address of ours, on their way back in */
	/* ip4.c, while TCP is given a segment piece by piece; it is no segment's otherwise. */
	struct {
		uint32_t of;  /* bytes of the segment's payload; 0: the segment is in one piece */
		bool follows; /* there is another piece of it */
	} piece;

	struct pool sockets;  /* struct socket; index = SEG_SOCK_INDEX(id) */
	uint16_t *sock_gen;   /* generation of each index, never 0 */
	struct pool tcp_pcbs; /* struct tcp_pcb */
	/* Whose owners are owed SIGURG, first come first; tail NULL: never was any. signal.c */
	struct socket *signals, **signals_tail;

	uint32_t ip_ids[STACK_IP_IDS]; /* ip_frag.c */
	struct pmtu pmtus[STACK_PMTUS];

	uint8_t secret[16]; /* SipHash key: ISNs, hash tables, ports */
	uint64_t rng[4];    /* xoshiro256++ for choices that need no secrecy; see random.c */
	/* Limits of ICMP errors, icmp.c. */
	uint32_t icmp_tokens;
	uint64_t icmp_refill;		     /* ns */
	uint64_t icmp_asked;		     /* how often chance was asked */
	uint64_t icmp_full[STACK_ICMP_DSTS]; /* ns: when a host has all of its credit again */
	uint32_t challenge_tokens;
	uint64_t challenge_refill;

	uint64_t counters[CNT_COUNT];

	/* quota.c: by owner; what is charged to nobody, and root's, is owner 0's. */
	struct quota_user users[PKTBUF_OWNERS];
	uint32_t quota;	    /* percent */
	uint32_t idle_pcbs; /* in TIME-WAIT without a socket: charged to nobody, as good as free */
	uint8_t client_owner[SEG_CLIENT_MAX];
};

/* ---- calls between the files of tcpip/, in packet order ----------------------------------- */

/* random.c */
uint64_t siphash24(const uint8_t key[16], const void *data, size_t len);
uint32_t stack_random(struct stack *st); /* not secret */
void stack_random_seed(struct stack *st, const uint8_t seed[32]);

/* quota.c: how many of a pool with `left` free an owner that has `used` may still take. */
uint32_t quota_left(const struct stack *st, uint8_t owner, uint32_t used, uint32_t left);
/* May it have one more? False is counted. */
bool quota_socket(struct stack *st, uint8_t owner);
bool quota_pcb(struct stack *st, uint8_t owner);
bool quota_pktbuf(struct stack *st, uint8_t owner);
/* Of memberships, which member.c counts. */
bool quota_member(struct stack *st, uint8_t owner, uint32_t used, uint32_t left);
/* The same without counting; at packet rate. */
static inline bool quota_pktbufs_out(const struct stack *st, uint8_t owner)
{
	return owner && (uint64_t)st->pool->held[owner] * (100 - st->quota) >=
				(uint64_t)st->pool->avail * st->quota;
}

/* stack.c: by the number that applications know it by (its index + 1); NULL. */
struct port *stack_port(const struct stack *st, uint32_t scope);

/* eth.c: takes over the frame. eth_out: prepends the Ethernet header; takes over one reference. */
void eth_in(struct stack *st, struct port *port, struct pktbuf *p);
void eth_out(struct stack *st, struct port *port, const uint8_t dst[6], uint16_t type,
	     struct pktbuf *p);

/* arp.c */
void arp_in(struct stack *st, struct port *port, struct pktbuf *p);
void arp_request(struct stack *st, struct port *port, uint32_t target, const uint8_t *dst_mac);
/* RFC 5227: does anybody have it? It is mine. */
void arp_probe(struct stack *st, struct port *port, uint32_t addr);
void arp_announce(struct stack *st, struct port *port, uint32_t addr);

/* neigh.c: sends the IP packet to next hop `nh` (network byte order) on port, now or when its
 * MAC is known; takes over one reference. PKTBUF_TX_REACHED: upper layers saw forward progress (RFC
 * 4861 7.3.1); PKTBUF_TX_DOUBTED: they have given up seeing any (RFC 1122 4.2.3.5, R1). */
void neigh_out(struct stack *st, struct port *port, uint32_t nh, struct pktbuf *p);
void nd_solicit(struct stack *st, struct port *port, uint32_t target,
		const uint8_t *dst_mac); /* nd.c */
/* RFC 4861 7.2.5; mac NULL: it was not said; flags: enum nd_na_flags. */
void neigh_advert(struct stack *st, struct port *port, uint32_t ip, const uint8_t *mac,
		  uint8_t flags);
void neigh_learn(struct stack *st, struct port *port, uint32_t ip, const uint8_t mac[6],
		 bool solicited, bool create);
int neigh_create(struct stack *st);
void neigh_flush_port(struct stack *st, struct port *port);
const struct pool *neigh_pool(const struct stack *st);
bool neigh_row(struct stack *st, uint32_t *cursor, struct neigh_row *row);

/*
 * gateway.c, for neigh.c: the neighbour `ip` (an address or a handle) did not answer, or there is
 * no doubt of it any more, which is so of every gateway without an entry. gateway_dead: true:
 * another gateway, not dead, takes over. gateway_resend: takes over packet p (data at its IP
 * header), which waited for that gateway, if the routes now have another way for it.
 * gateway_resigned: it is a host, RFC 4861 7.2.5.
 */
#define GATEWAY_DEAD (1ull << 32) /* more than any metric */
bool gateway_dead(struct stack *st, struct port *port, uint32_t ip);
void gateway_lives(struct stack *st, const struct port *port, uint32_t ip);
bool gateway_is_dead(const struct stack *st, const struct port *port, uint32_t ip);
bool gateway_resend(struct stack *st, struct port *port, uint32_t ip, struct pktbuf *p);
void gateway_resigned(struct stack *st, const struct port *port, uint32_t ip);

/*
 * name6.c: who stores an address of either family holds it (ip6.h). ip_set stores `ip`, which may
 * be 0, in *slot, and lets go of what was there.
 */
void ip6_hold(struct stack *st, uint32_t ip);
void ip6_drop(struct stack *st, uint32_t ip);
static inline void ip_set(struct stack *st, uint32_t *slot, uint32_t ip)
{
	uint32_t old = *slot;

	if (ip_is6(ip))
		ip6_hold(st, ip);
	*slot = ip;
	if (ip_is6(old))
		ip6_drop(st, old);
}

/* What a wildcard stands for: bits of these. */
enum { FAMILY_4 = 1, FAMILY_6 = 2 };
static inline uint8_t ip_family(uint32_t ip)
{
	return ip_is6(ip) ? FAMILY_6 : FAMILY_4;
}
/* Those that a name can meet: of an address its own, of the wildcard those it was made for. */
static inline uint8_t ip_families(uint32_t ip, uint8_t wildcard)
{
	return ip ? ip_family(ip) : wildcard;
}

/* route.c */
struct route_hit {
	struct port *port;
	uint32_t next_hop; /* network byte order */
	uint32_t src;	   /* source address to use, network byte order; 0: none */
	uint8_t local;	   /* enum route_local */
};
/* LOCAL: an address of ours. Of a group, that is heard here, too: BOTH, and GROUP not on the wire.
 */
enum route_local { ROUTE_WIRE, ROUTE_LOCAL, ROUTE_BOTH, ROUTE_GROUP };
int route_lookup4(struct stack *st, uint32_t dst, struct route_hit *hit);
/* Is it a neighbour on that port, not somebody behind a gateway? */
bool route4_on_link(struct stack *st, const struct port *port, uint32_t addr);
/* To a group: by the port that has the address `via`, if not 0, else as the routes say. */
int route_group4(struct stack *st, uint32_t group, uint32_t via, struct route_hit *hit);
/* The address to speak from on a port when nobody is spoken to; network byte order, 0: none. */
uint32_t addr4_source(const struct stack *st, const struct port *port);
struct local_addr *addr_find4(struct stack *st, uint32_t addr); /* NULL: not ours */
/* Of either family, as are the next four. 0, -ENETUNREACH, -EADDRNOTAVAIL. */
int route_lookup(struct stack *st, uint32_t dst, struct route_hit *hit);
bool addr_local(struct stack *st, uint32_t addr);
bool addr_multicast(const struct stack *st, uint32_t addr);
bool addr_to_many(const struct stack *st, uint32_t addr); /* a broadcast, a group */
/* Text's form: family and bytes; a handle or an IPv4 address, 0 the wildcard of `family`. */
struct ip_addr addr_out(const struct stack *st, uint32_t addr, uint8_t family);
bool addr_local4(const struct stack *st, uint32_t addr);
/* The port holding `addr`, or NULL. */
struct port *addr_port4(const struct stack *st, uint32_t addr);
bool addr_broadcast4(const struct stack *st, uint32_t addr);
bool addr_multicast4(uint32_t addr);
void route_flush_port(struct stack *st, struct port *port);

/*
 * redirect.c: `from`, where packets for dst go now, says that they better go to `gateway`, a
 * neighbour on the port, or dst itself: RFC 1122 3.2.2.2, RFC 4861 8. False: it is not believed.
 * redirect_lost: gateway `ip` is dead, or (as_router) a host; true: something went by it.
 */
bool redirect_learn(struct stack *st, struct port *port, uint32_t dst, uint32_t from,
		    uint32_t gateway);
bool redirect_lost(struct stack *st, const struct port *port, uint32_t ip, bool as_router);
void redirect_flush_port(struct stack *st, const struct port *port);
/* For lookups, while n_redirects is not 0: of a next hop found by the routes. */
void redirect_apply(struct stack *st, uint32_t dst, struct route_hit *hit);

/*
 * ip4.c: ip4_out prepends the IP header (p's data starts at the transport header), finds the
 * route, sends. All addresses network byte order; src 0: the route's. Takes over one reference in
 * any case. 0 or -ENETUNREACH, -EMSGSIZE (too big, and df), -ENOBUFS. What is too big leaves as
 * fragments, so does what comes in pieces (pktbuf.h's `more`, each of an even length but the last)
 * where the port cannot send those.
 * It also fills in the checksum of TCP and UDP (or leaves it to the port): the caller builds the
 * header with a zero checksum field and no PKTBUF_TX_L4_CSUM.
 * Who keeps a reference finds its payload again as the last bytes of p's data; p->next stays its
 * own (nothing below links by it), off and len belong to the layers below.
 */
struct ip4_args {
	uint32_t src, dst;
	uint8_t protocol, ttl, tos; /* ttl 0: 64 */
	bool df : 1;
	bool no_loop : 1; /* to a group: not back in to those who hear it here */
};
void ip4_in(struct stack *st, struct port *port, struct pktbuf *p);
/* Bytes of a packet that came in pieces, data at its IP header; 0: they are not as pktbuf.h says.
 */
uint32_t ip_pieces_len(const struct pktbuf *p);
void ip4_loop(struct stack *st); /* feeds in what was sent to addresses of ours; bounded */
int ip4_out(struct stack *st, struct pktbuf *p, const struct ip4_args *args);
/* The same to a group of IPv4, by the route given; ttl 0: this host alone. */
int ip4_out_group(struct stack *st, struct pktbuf *p, const struct ip4_args *args,
		  struct route_hit *hit);
/* The same to a host whose path takes less than the link. */
int ip4_out_narrow(struct stack *st, struct pktbuf *p, const struct ip4_args *args, uint16_t mtu);
/*
 * ip_frag.c: a packet (data at the transport header, in one or more pieces) that does not fit goes
 * out as fragments of `mtu` bytes by the route given; takes over p. *h: its header but for what
 * differs in each. 0 or -ENOBUFS.
 */
struct ip6_hdr;
int ip4_frag_out(struct stack *st, struct pktbuf *p, struct ip4_hdr *h, uint16_t mtu,
		 const struct route_hit *hit);
int ip6_frag_out(struct stack *st, struct pktbuf *p, struct ip6_hdr *h, uint16_t mtu,
		 const struct route_hit *hit);
/* A packet with its IP header, of either family, takes the route that was found for it. */
int ip_send_by(struct stack *st, struct pktbuf *p, const struct route_hit *hit);
/* A segment in pieces (data at its header, checksum found good) to TCP, which answers the last. */
void ip_tcp_pieces(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);
/* Path MTU as known, bytes; with a handle, less the 20 bytes that IPv6's header is longer: who adds
 * 20 for IP gets what fits. ip4_out, too, takes handles. */
uint16_t ip4_mtu(struct stack *st, uint32_t dst);
/* The port that packets to dst leave by; NULL: none, as dst is ourselves or unreachable. */
struct port *ip4_port(struct stack *st, uint32_t dst);
/* The checksum at the transport's header, where p's data is and 0 stands; `seed`: the pseudo
 * header's sum. offload: the seed alone, as the port does the rest (virtio 1.2 5.1.6.2.1). */
static inline void ip_l4_checksum(struct pktbuf *p, uint8_t protocol, uint64_t seed, bool offload)
{
	uint16_t offset = protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2, sum;

	p->flags &= (uint8_t)~PKTBUF_TX_L4_CSUM;
	if (offload) {
		p->flags |= PKTBUF_TX_L4_CSUM;
		p->csum_start = 0;
		p->csum_offset = offset;
		sum = (uint16_t)~csum_fold(seed);
	} else {
		sum = csum_fold(csum_add(seed, pktbuf_data(p), p->len));
		if (sum == 0 && protocol == IPPROTO_UDP)
			sum = 0xffff; /* RFC 768: 0 would mean none */
	}
	memcpy(pktbuf_data(p) + offset, &sum, 2);
}
/* May this train (PKTBUF_TX_TSO) go this way, behind hdr_len bytes of an IP header? */
bool ip_train_fits(const struct pktbuf *p, const struct route_hit *hit, uint32_t hdr_len,
		   uint16_t mtu);
/* May a packet in pieces, of `len` bytes with its header, go this way as one? */
bool ip_pieces_fit(const struct pktbuf *p, const struct route_hit *hit, uint32_t len, uint16_t mtu);
/* One buffer's data in a buffer of its own, at the same place; NULL: none is free. */
struct pktbuf *ip_copy(struct stack *st, const struct pktbuf *p);
/* Takes over p and a reference: onto st->loop. */
int ip_loop_put(struct stack *st, struct pktbuf *p);

struct fragment {
	uint32_t src, dst; /* addresses, or handles */
	uint32_t id;
	uint16_t off;	  /* bytes */
	uint8_t protocol; /* RFC 8200 4.5: 0 with IPv6 */
	uint8_t tos;
	bool last;
	/* Of the datagram. */
	bool ce;	/* congestion was met, RFC 3168 5.3 */
	uint32_t total; /* bytes */
};
/*
 * reass.c: takes over a fragment (which may be in pieces), its data what it brings of the datagram,
 * its headers before that from l3_off on. Once all is there, the datagram, its pieces linked by
 * `more`, every one of an even length but the last; the headers are the first fragment's. NULL
 * until then.
 */
struct pktbuf *reass_in(struct stack *st, struct pktbuf *p, struct fragment *f);
int reass_create(struct stack *st);
void reass_drop_all(struct stack *st);
const struct pool *reass_pool(const struct stack *st);
/* csum_add over all pieces. */
uint64_t csum_packet(uint64_t sum, const struct pktbuf *p);

/* icmp.c: icmp_in takes over p. icmp_error answers a bad packet p (data at its IP header), does
 * not take it over, obeys RFC 1122 3.2.2 (never about errors, broadcasts, fragments) and a limit;
 * port: icmp6_error's. */
void icmp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);
void icmp_error(struct stack *st, struct port *port, struct pktbuf *p, uint8_t type, uint8_t code,
		uint32_t rest);
/* That limit: may `dst`, an address or a handle, be sent an error now? False is counted. */
bool icmp_may_send(struct stack *st, uint32_t dst);
/* As if the net had answered packet p of ours (data at its IP header) with this error. */
void icmp_local_error(struct stack *st, struct pktbuf *p, uint8_t type, uint8_t code);
/* The errno an ICMP error stands for (positive, 0: none); hard: RFC 1122 4.2.3.9's sense. */
int icmp_errno(uint8_t type, uint8_t code, bool *hard);

/* udp.c and tcp_in.c take over p; p's data is the transport header on, trimmed to the IP length;
 * the IP header is at p->buf + p->l3_off. *_unreach: an ICMP error quoted this flow. */
void udp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);
void tcp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);
struct icmp_quote {
	const struct ip4_hdr *ip; /* of our packet */
	const uint8_t *l4;	  /* its transport header, 8 bytes at least */
	size_t l4_len;		  /* of it that there is */
	uint8_t type, code;	  /* as ICMP has it, for icmp_errno() */
	uint32_t rest;
	uint8_t wire_type, wire_code; /* as it came: ICMPv6 has others */
	uint32_t from;		      /* who says so; 0: this host */
};
/* False: no socket of ours sent that. */
bool udp_icmp_error(struct stack *st, const struct icmp_quote *q);
bool tcp_icmp_error(struct stack *st, const struct icmp_quote *q);
/* pmtu.c: what the path to a host of either family takes, bytes in ip4_mtu's measure; 0: the
 * link's. pmtu_learn: for ten minutes, or so many ns; false: it is not less than was known. */
uint16_t pmtu_of(const struct stack *st, uint32_t dst);
bool pmtu_learn(struct stack *st, uint32_t dst, uint32_t mtu);
bool pmtu_learn_for(struct stack *st, uint32_t dst, uint32_t mtu, uint64_t ns);
/* tcp_gro.c: what gathered goes up to its connections; whoever might notice calls it first. */
void tcp_gro_flush(struct stack *st);
/* tcp_out.c: sends the ACKs and data held back for the end of a batch (stack_output). */
void tcp_flush(struct stack *st);
int udp_create_table(struct stack *st);
int tcp_create_table(struct stack *st, uint32_t max_pcbs);

#endif
