/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups, private to tcpip/: what a port hears (group.c), how routers are told of it (igmp.c,
 * mld.c), which sockets asked for it (member.c). A group is known by 16 bytes: IPv6's address, or
 * an IPv4 one in its mapped form (RFC 4291 2.5.5.2).
 */
#ifndef TCPIP_GROUP_H
#define TCPIP_GROUP_H

#include "tcpip/stack.h"

#define GROUP_MAX	 256u
#define GROUP_MEMBER_MAX 256u
#define GROUP_SOCK_MAX	 20u /* groups a socket may join, as Linux's igmp_max_memberships */

enum group_family { GROUP_4, GROUP_6, GROUP_FAMILIES };
enum group_version { GROUP_V1, GROUP_V2, GROUP_V3 }; /* of the reports; MLD: 1 is V2, 2 is V3 */
enum group_record { MODE_IS_EXCLUDE = 2, CHANGE_TO_INCLUDE = 3, CHANGE_TO_EXCLUDE = 4 };

struct group {
	struct port *port; /* NULL: free slot */
	uint8_t addr[16];
	uint32_t refs;
	uint8_t reports; /* still to be sent of the change */
};

/* A socket's membership; a port that goes takes it along, the socket's count stays. */
struct group_member {
	struct port *port; /* NULL: free slot */
	uint32_t sock;
	uint8_t group[16];
};

/* What a port has to tell routers of one family. */
struct group_link {
	struct timer timer;
	struct port *port;
	bool all;	       /* a query asked for everything */
	uint64_t old_until[2]; /* ns: a router of V1, of V2 was heard */
};

struct group_table {
	struct group group[GROUP_MAX];
	struct group_member member[GROUP_MEMBER_MAX];
	struct group_link link[GROUP_FAMILIES][PORT_MAX];
};

/* How a family talks. */
struct group_ops {
	unsigned records; /* in a report */
	/* Is the group worth a word, and can it be said on this port? */
	bool (*reported)(struct stack *st, const struct port *port, const uint8_t group[16]);
	void (*record)(uint8_t *data, unsigned i, uint8_t type, const uint8_t group[16]);
	/* V3: p has n records. Takes over p. */
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
void group_of4(uint8_t group[16], uint32_t addr); /* network byte order */
uint32_t group_addr4(const uint8_t group[16]);
/* RFC 1112 6.4, RFC 2464 7. */
void group_mac(uint8_t mac[6], const uint8_t group[16]);

/* group.c: groups of a port, counted. 0 or -ENOBUFS. */
int group_create(struct stack *st);
int group_join(struct stack *st, struct port *port, const uint8_t group[16]);
void group_leave(struct stack *st, struct port *port, const uint8_t group[16]);
bool group_heard(const struct stack *st, const struct port *port, const uint8_t group[16]);
/* A router asked, for one group or (NULL) for all; `version`: how it talks. */
void group_query(struct stack *st, struct port *port, enum group_family family,
		 const uint8_t *group, enum group_version version, uint32_t within_ms);
/* The port, or one family of it, goes away: nothing more is said. */
void group_flush(struct stack *st, struct port *port, enum group_family family);
/* What leaves to a group that this port hears comes back in, too: p (data at its IP header) is
 * copied onto st->loop, to come by `port`. */
void group_loop(struct stack *st, struct port *port, const struct pktbuf *p,
		const uint8_t group[16]);

/* igmp.c, mld.c: routers' queries. igmp_in takes over p. */
void igmp_in(struct stack *st, struct port *port, struct pktbuf *p, const struct ip4_hdr *ip);

#endif
