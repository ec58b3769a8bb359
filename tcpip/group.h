/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups, private to tcpip/: what a port hears (group.c), when routers are told of it and how
 * (group_report.c; igmp.c, mld.c), which sockets asked for it (member.c). Groups and sources are
 * known by 16 bytes: IPv6's address, or an IPv4 one in its mapped form (RFC 4291 2.5.5.2).
 *
 * A filter is a list of sources: it excludes them, or includes nobody else (RFC 3376 2). What a
 * port hears of a group is what somebody of this host wants: RFC 3376 3.2, RFC 3810 4.2.
 */
#ifndef TCPIP_GROUP_H
#define TCPIP_GROUP_H

#include "tcpip/stack.h"

#define GROUP_MEMBER_MAX 256u
#define GROUP_HOST_MAX	 96u /* this host's own: of its addresses, 64 and 2 a port */
#define GROUP_MAX	 (GROUP_MEMBER_MAX + GROUP_HOST_MAX)
#define GROUP_SOCK_MAX	 20u /* groups a socket may join, as Linux's igmp_max_memberships */
#define GROUP_FILTER_MAX 16u /* sources a membership may name, as Linux's igmp_max_msf (10) */
#define GROUP_SOURCE_MAX 64u /* of a group on a port: listed, to be told of, asked for */

enum group_family { GROUP_4, GROUP_6, GROUP_FAMILIES };
enum group_version { GROUP_V1, GROUP_V2, GROUP_V3 }; /* of the reports; MLD: 1 is V2, 2 is V3 */
/* RFC 3376 4.2.12 */
enum group_record {
	MODE_IS_INCLUDE = 1,
	MODE_IS_EXCLUDE = 2,
	CHANGE_TO_INCLUDE = 3,
	CHANGE_TO_EXCLUDE = 4,
	ALLOW_NEW_SOURCES = 5,
	BLOCK_OLD_SOURCES = 6,
};

/* A group of a port. Including nobody is the same as not hearing it: then it waits to be told. */
struct group {
	struct port *port; /* NULL: free slot */
	uint8_t addr[16];
	uint32_t refs;	 /* reasons of this host itself: everybody is heard */
	bool exclude;	 /* the listed sources, else all others */
	bool asked;	 /* a query wants to know all of it */
	uint8_t listed;	 /* sources */
	uint8_t reports; /* still to be sent with the whole list; then none of a source by itself */
};

/* Free while there is no reason to know it. */
struct group_source {
	uint8_t addr[16];
	bool listed;	 /* in the group's filter */
	bool asked;	 /* a query wants to know of it */
	uint8_t reports; /* still to be sent of its coming or going */
};

/* A socket's membership; a port that goes takes it along, the socket's count stays. */
struct group_member {
	struct port *port; /* NULL: free slot */
	uint32_t sock;
	uint8_t owner; /* whom it is charged to, quota.c */
	uint8_t group[16];
};

struct member_filter {
	bool exclude;
	uint8_t n;
	uint8_t source[GROUP_FILTER_MAX][16];
};

/* What a port has to tell routers of one family, and when (ns; 0: nothing). */
struct group_link {
	struct timer timer;
	struct port *port;
	uint64_t change_at, all_at, asked_at; /* changes; all groups; what has `asked` */
	uint64_t old_until[2];		      /* a router of V1, of V2 was heard */
};

struct group_table {
	struct group group[GROUP_MAX];
	struct group_member member[GROUP_MEMBER_MAX];
	struct group_link link[GROUP_FAMILIES][PORT_MAX];
	/* By the same index; apart, for each datagram to a group looks through what is above. */
	struct group_source source[GROUP_MAX][GROUP_SOURCE_MAX];
	struct member_filter filter[GROUP_MEMBER_MAX];
};

/* A router's question. */
struct group_query {
	enum group_version version; /* how the router talks */
	uint32_t within_ms;
	const uint8_t *group; /* NULL: all */
	unsigned n_sources;   /* 0: the whole group; as many as there are, also more than given */
	uint8_t source[GROUP_SOURCE_MAX][16];
};

/* How a family talks. */
struct group_ops {
	uint16_t headers; /* bytes of a packet before the first record */
	uint16_t record_len, source_len;
	/* Is the group worth a word, and can it be said on this port? */
	bool (*reported)(struct stack *st, const struct port *port, const uint8_t group[16]);
	/* A record, its next source: bytes written. */
	unsigned (*record)(uint8_t *record, uint8_t type, const uint8_t group[16]);
	unsigned (*source)(uint8_t *record, const uint8_t source[16]);
	/* V3: p's data has room for the header, then n records. Takes over p. */
	void (*send)(struct stack *st, struct port *port, struct pktbuf *p, unsigned n);
	/* V1 and V2: one message a group. */
	void (*send_old)(struct stack *st, struct port *port, enum group_version version,
			 uint8_t type, const uint8_t group[16]);
};
extern const struct group_ops igmp_groups, mld_groups;

static inline enum group_family group_family(const uint8_t group[16])
{
	return group[0] == 0xff ? GROUP_6 : GROUP_4;
}
void group_of4(uint8_t group[16], uint32_t addr);		       /* network byte order */
void group_of(const struct stack *st, uint8_t group[16], uint32_t ip); /* of a handle, too */
uint32_t group_addr4(const uint8_t group[16]);
/* RFC 1112 6.4, RFC 2464 7. */
void group_mac(uint8_t mac[6], const uint8_t group[16]);

/* group.c: for this host itself, counted: everybody is heard. 0 or -ENOBUFS. */
int group_create(struct stack *st);
int group_join(struct stack *st, struct port *port, const uint8_t group[16]);
void group_leave(struct stack *st, struct port *port, const uint8_t group[16]);
/* The filter of a membership came, changed or went. -ENOBUFS: too many groups, or sources of this
 * one; then nothing happened (fewer are never refused). */
int group_update(struct stack *st, struct port *port, const uint8_t group[16]);
bool member_filter_passes(const struct member_filter *f, const uint8_t source[16]);
/* From somebody; from this one. */
bool group_heard(const struct stack *st, const struct port *port, const uint8_t group[16]);
bool group_hears(const struct stack *st, const struct port *port, const uint8_t group[16],
		 const uint8_t source[16]);
static inline bool group_open(const struct group *g) /* is anybody heard? */
{
	return g->exclude || g->listed;
}
struct group *group_find(const struct stack *st, const struct port *port, const uint8_t group[16]);
struct group_source *group_sources(struct stack *st, const struct group *g); /* all slots */
/* The one with this address, if need be a free slot that becomes it; NULL: there is none. */
struct group_source *group_source_put(struct stack *st, const struct group *g,
				      const uint8_t addr[16]);
void group_settle(struct stack *st, struct group *g); /* frees the slot if nothing is left to do */
/* The port, or one family of it, goes away: nothing more is said. */
void group_flush(struct stack *st, struct port *port, enum group_family family);
/* What leaves to a group that this port hears comes back in, too: p (data at its IP header) is
 * copied onto st->loop, to come by `port`. */
void group_loop(struct stack *st, struct port *port, const struct pktbuf *p,
		const uint8_t group[16]);

/* group_report.c: the group's filter is not what routers were told: from now on they are. */
#define GROUP_ROBUSTNESS 2u /* how often, RFC 3376 8.1 */
void group_changed(struct stack *st, struct group *g);
void group_queried(struct stack *st, struct port *port, enum group_family family,
		   const struct group_query *q);
void group_quiet(struct stack *st, struct group_link *l); /* nothing more is said */

/* igmp.c, mld.c: routers' queries. igmp_in takes over p. */
void igmp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);

#endif
