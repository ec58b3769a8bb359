/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wire formats of IPv6, as wire.h for the rest: the header (RFC 8200 3), the walk over extension
 * headers (4), ICMPv6's messages (RFC 4443) with their neighbour discovery (RFC 4861 4) and group
 * (RFC 3810 5) kinds. Addresses are 16 bytes in network byte order, all else in host byte order.
 * ICMPv6 has ICMP's header: struct icmp_hdr, icmp_parse, icmp_build.
 */
#ifndef TCPIP_WIRE6_H
#define TCPIP_WIRE6_H

#include "tcpip/wire.h"

#define IP6_HDR_LEN	40u
#define IP6_FRAG_LEN	8u
#define IP6_MTU_MIN	1280u /* RFC 8200 5 */
#define IP6_EXT_MAX	8u    /* extension headers of a packet */
#define IP6_EXT_LEN_MAX 512u  /* bytes of them all */
#define IP6_OPT_MAX	8u    /* options of one header, padding left out: RFC 8504 5.3 */
#define ND_PREFIX_MAX	4u
#define MLD_RECORD_LEN	20u /* without sources */
#define MLD_SOURCE_LEN	16u

enum ip6_next { /* RFC 8200 4.1, 4.7 */
		IP6_HOPOPTS = 0,
		IP6_TCP = 6,
		IP6_UDP = 17,
		IP6_ROUTING = 43,
		IP6_FRAGMENT = 44,
		IP6_ICMP = 58,
		IP6_NONE = 59,
		IP6_DSTOPTS = 60,
};

struct ip6_hdr {
	uint8_t tclass, next, hop_limit;
	uint32_t flow; /* 20 bits */
	uint16_t payload_len;
	uint8_t src[16], dst[16];
};

/* What the extension headers say. */
struct ip6_ext {
	uint8_t next;	    /* protocol of what follows them; the fragment's, in a fragment */
	uint16_t len;	    /* bytes of all of them, the fragment header included */
	bool fragment;	    /* a fragment header was there, and it ended the walk */
	bool router_alert;  /* RFC 2711 */
	bool more;	    /* M flag */
	uint16_t frag_off;  /* bytes */
	uint16_t next_at;   /* where, from the IPv6 header, the byte is that says `next` ... */
	uint16_t frag_next; /* ... and the one that says a fragment header follows */
	uint32_t frag_id;
	/* After -EPROTO: the "parameter problem" to answer (RFC 4443 3.4). */
	uint8_t problem;
	uint16_t problem_at;
};

enum icmp6_type {
	ICMP6_UNREACH = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME = 3,
	ICMP6_PARAM = 4,
	ICMP6_ECHO_ASK = 128,
	ICMP6_ECHO_ANSWER = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131, /* version 1 */
	ICMP6_MLD_DONE = 132,
	ICMP6_RS = 133,
	ICMP6_RA = 134,
	ICMP6_NS = 135,
	ICMP6_NA = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_MLD2_REPORT = 143,
};

enum icmp6_unreach_code {
	ICMP6_NO_ROUTE = 0,
	ICMP6_PROHIBITED = 1,
	ICMP6_BEYOND_SCOPE = 2,
	ICMP6_NO_ADDRESS = 3,
	ICMP6_NO_PORT = 4,
};

enum icmp6_problem { ICMP6_BAD_FIELD, ICMP6_BAD_NEXT, ICMP6_BAD_OPTION, ICMP6_BAD_CHAIN };

struct nd_prefix {
	uint8_t prefix[16];
	uint8_t len; /* bits, <= 128 */
	bool on_link, autonomous;
	uint32_t valid, preferred; /* seconds; all ones: for ever */
};

enum nd_na_flags { ND_NA_OVERRIDE = 0x20, ND_NA_SOLICITED = 0x40, ND_NA_ROUTER = 0x80 };

/* One struct for RS, RA, NS, NA, redirects; a field the type has not is 0. */
struct nd_msg {
	uint8_t type;
	uint8_t flags; /* NA: enum nd_na_flags */
	uint8_t target[16];
	uint8_t dst[16];    /* redirect: whose better first hop is the target */
	uint8_t hop_limit;  /* RA: 0: does not say */
	uint16_t lifetime;  /* RA: seconds as default router */
	uint32_t reachable; /* RA: ms; 0: does not say */
	uint32_t retrans;
	/* Options. */
	bool has_slla, has_tlla;
	uint8_t slla[6], tlla[6];
	uint32_t mtu; /* 0: none */
	uint8_t n_prefix;
	struct nd_prefix prefix[ND_PREFIX_MAX]; /* more of them are left out */
};

struct mld_query {
	uint8_t group[16];  /* all zero: general */
	uint32_t max_ms;    /* answer within */
	bool old;	    /* of version 1, RFC 3810 8.1 */
	uint16_t n_sources; /* they are there: mld_query_source */
};

/* Parsers: 0 or -EBADMSG; `len` is what is there. ip6_parse_quoted: cut short, as in an error. */
int ip6_parse(struct ip6_hdr *h, const uint8_t *data, size_t len);
int ip6_parse_quoted(struct ip6_hdr *h, const uint8_t *data, size_t len);
void ip6_build(uint8_t *data, const struct ip6_hdr *h); /* 40 bytes */
/* The fragment header, IP6_FRAG_LEN bytes; off: bytes, a multiple of 8. */
void ip6_frag_build(uint8_t *data, uint8_t next, uint16_t off, bool more, uint32_t id);
/*
 * Walks over the extension headers behind the IPv6 header; data and len are the whole packet's.
 * 0; -EBADMSG: drop it; -EPROTO: answer what e->problem says (not for e->problem_at, an offset).
 */
int ip6_walk(struct ip6_ext *e, const struct ip6_hdr *h, const uint8_t *data, size_t len);
/* Behind the fragment header that ended the walk: are all headers there, the transport's too, as a
 * first fragment must have them (RFC 7112 5)? */
bool ip6_chain_whole(const struct ip6_ext *e, const uint8_t *data, size_t len);
/* data: the ICMPv6 message from its type on; checks what RFC 4861 6.1 and 7.1 ask of lengths,
 * codes and options (the hop limit and addresses are the caller's). */
int nd_parse(struct nd_msg *m, const uint8_t *data, size_t len);
/* RS, NS and NA, for test peers RA and redirects too: its length; the checksum field is zero. */
unsigned nd_build(uint8_t *data, const struct nd_msg *m);
int mld_query_parse(struct mld_query *q, const uint8_t *data, size_t len);
const uint8_t *mld_query_source(const uint8_t *data, unsigned i);
/* Version 2 reports: the header, for n records; a record without sources; one more source at its
 * end. What was written is returned. */
unsigned mld_report_build(uint8_t *data, unsigned n);
unsigned mld_record_build(uint8_t *record, uint8_t type, const uint8_t group[16]);
unsigned mld_record_source(uint8_t *record, const uint8_t source[16]);
/* Version 1's report or "done": its length. */
unsigned mld1_build(uint8_t *data, uint8_t type, const uint8_t group[16]);
uint64_t csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t next, uint32_t len);

#endif
