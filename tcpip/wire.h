/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wire formats in one place: parse packet bytes into plain structs, build bytes from them. No other
 * file casts packet bytes. Every length is checked here, once. Unless said otherwise, addresses are
 * in network byte order as uint32_t and everything else in host byte order.
 */
#ifndef TCPIP_WIRE_H
#define TCPIP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETH_HDR_LEN	14u
#define ETH_TYPE_IP4	0x0800u
#define ETH_TYPE_ARP	0x0806u
#define ETH_TYPE_VLAN	0x8100u
#define ETH_TYPE_IP6	0x86ddu
#define IP4_HDR_LEN	20u
#define UDP_HDR_LEN	8u
#define TCP_HDR_LEN	20u
#define ICMP_HDR_LEN	8u
#define ARP_LEN		28u
#define IGMP_LEN	8u
#define IGMP_RECORD_LEN 8u /* of version 3's report, without sources */
#define IGMP_SOURCE_LEN 4u

#define IP4_ALERT_HDR_LEN 24u /* with the router alert option, RFC 2113 */

/* First byte of the addresses that are handles inside (ip6.h); from the wire they are refused. */
#define IP6_HANDLE_NET 240u
static inline bool ip_is6(uint32_t ip) /* network byte order, on a little-endian machine */
{
	return (ip & 0xff) == IP6_HANDLE_NET;
}

/* a.b.c.d in network byte order. */
static inline uint32_t wire_addr4(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return a | b << 8 | c << 16 | d << 24;
}

struct eth_hdr {
	uint8_t dst[6], src[6];
	uint16_t type;
};

/* IEEE 802.1Q 9.6: between the addresses and the type. */
#define VLAN_TAG_LEN 4u
struct vlan_tag {
	uint16_t vid;  /* 0: a priority alone */
	uint8_t pcp;   /* 0..7 */
	uint16_t type; /* of what follows */
};

struct arp_msg {
	uint16_t op; /* 1 request, 2 reply */
	uint8_t sha[6], tha[6];
	uint32_t spa, tpa;
};

struct ip4_hdr {
	uint8_t hdr_len; /* bytes, 20..60 */
	uint8_t tos, ttl, protocol;
	uint16_t total_len, id, frag_off; /* frag_off: bytes */
	bool df, mf;
	uint16_t checksum;
	uint32_t src, dst;
};

struct udp_hdr {
	uint16_t sport, dport, len, checksum;
};

struct icmp_hdr {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t
		rest; /* host byte order: identifier << 16 | sequence for echo, MTU for "too big" */
};

enum icmp_type { /* RFC 792; not <netinet/ip_icmp.h>'s names, those are macros */
		 ICMP4_ECHO_REPLY = 0,
		 ICMP4_DEST_UNREACH = 3,
		 ICMP4_REDIRECT = 5,
		 ICMP4_ECHO = 8,
		 ICMP4_TIME_EXCEEDED = 11,
		 ICMP4_PARAM_PROBLEM = 12,
};

enum icmp_unreach_code {
	ICMP4_NET_UNREACH = 0,
	ICMP4_HOST_UNREACH = 1,
	ICMP4_PROT_UNREACH = 2,
	ICMP4_PORT_UNREACH = 3,
	ICMP4_FRAG_NEEDED = 4,
	/* Never on the wire: what ICMPv6 alone can say, for the transports. */
	ICMP4_PROHIBITED6 = 16,
};

enum igmp_type {
	IGMP_QUERY = 0x11,
	IGMP_V1_REPORT = 0x12,
	IGMP_V2_REPORT = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_V3_REPORT = 0x22,
};

struct igmp_query {
	uint8_t version;    /* 1..3, of who asks: RFC 3376 7.1 */
	uint32_t group;	    /* network byte order; 0: general */
	uint32_t max_ms;    /* answer within */
	uint16_t n_sources; /* they are there: igmp_query_source */
};

enum icmp_redirect_code { /* of a net or a host, of one TOS or all */
			  ICMP4_REDIRECT_LAST = 3,
};

enum icmp_time_code { ICMP4_REASS_TIME = 1 };

/* The low bits of TOS, RFC 3168 5. */
enum ip_ecn { IP_NOT_ECT, IP_ECT1, IP_ECT0, IP_CE };

enum tcp_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
	TCP_ECE = 64,
	TCP_CWR = 128,
};

#define TCP_TS_ROOM 12u /* of the timestamp option with two NOPs before it, or SACK-permitted */
#define TCP_FO_MAX  16u /* bytes of a Fast Open cookie, RFC 7413 2 */

struct tcp_sack_block {
	uint32_t start, end;
};

/* Options as read from or to be put on the wire; `has_*` says which. */
struct tcp_opts {
	bool has_mss, has_wscale, has_ts, sack_ok;
	uint16_t mss;
	uint8_t wscale;
	uint32_t ts_val, ts_ecr;
	/* RFC 7413's cookie, in the packet or wherever the sender keeps it; NULL: no such option,
	 * length 0: asked for. */
	const uint8_t *fo;
	uint8_t fo_len;
	bool fo_exp;	/* in the experimental option that came before: 254, RFC 6994's 0xf989 */
	uint8_t n_sack; /* 0..4 */
	struct tcp_sack_block sack[4];
};

struct tcp_hdr {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t hdr_len; /* bytes, 20..60 */
	uint8_t flags;	 /* enum tcp_flags */
	uint16_t window; /* as on the wire, unscaled */
	uint16_t checksum, urgent;
	struct tcp_opts opts;
};

/* Parsers: 0 or -EBADMSG. `len` is what is there. They check lengths, versions and (where the name
 * says so) nothing more: checksums are checked by the callers below with the pseudo header. */
int eth_parse(struct eth_hdr *h, const uint8_t *data, size_t len);
void eth_build(uint8_t *data, const struct eth_hdr *h);
/* data: behind the header whose type is ETH_TYPE_VLAN. */
int vlan_parse(struct vlan_tag *t, const uint8_t *data, size_t len);
void vlan_build(uint8_t *data, const struct vlan_tag *t);
int arp_parse(struct arp_msg *m, const uint8_t *data, size_t len);
void arp_build(uint8_t *data, const struct arp_msg *m);
int ip4_parse(struct ip4_hdr *h, const uint8_t *data, size_t len);
/* The packet an ICMP error quotes: cut short, so total_len may be more than there is. */
int ip4_parse_quoted(struct ip4_hdr *h, const uint8_t *data, size_t len);
void ip4_build(uint8_t *data, const struct ip4_hdr *h); /* 20 bytes, checksum included */
/* With the router alert option, IP4_ALERT_HDR_LEN bytes; and whether a header has it. */
void ip4_build_alert(uint8_t *data, const struct ip4_hdr *h);
bool ip4_router_alert(const uint8_t *data, uint8_t hdr_len);
/* May a header's options be skipped? 0; -EBADMSG: one has a length that cannot be; -EPERM: one is a
 * source route, RFC 7126 4.3 and 4.4. */
int ip4_options(const uint8_t *data, uint8_t hdr_len);
/* data: the message from its type on. Reports and leaves are built with a zero checksum: what was
 * written is returned. Version 3's report is its header, for n records, then each of them at its
 * place; a record begins without sources and grows by one at a time. Addresses: network byte order.
 */
int igmp_query_parse(struct igmp_query *q, const uint8_t *data, size_t len);
uint32_t igmp_query_source(const uint8_t *data, unsigned i);
unsigned igmp_report_build(uint8_t *data, unsigned n);
unsigned igmp_record_build(uint8_t *record, uint8_t type, uint32_t group);
unsigned igmp_record_source(uint8_t *record, uint32_t source);
unsigned igmp_old_build(uint8_t *data, uint8_t type, uint32_t group);
int udp_parse(struct udp_hdr *h, const uint8_t *data, size_t len);
void udp_build(uint8_t *data, const struct udp_hdr *h); /* checksum field as given */
int icmp_parse(struct icmp_hdr *h, const uint8_t *data, size_t len);
void icmp_build(uint8_t *data, const struct icmp_hdr *h);
int tcp_parse(struct tcp_hdr *h, const uint8_t *data, size_t len);
/*
 * Writes header and options, padded to 4; returns its length. The checksum field is zero. The order
 * is Linux's, scripts and fingerprints know it: mss,sackOK,TS,nop,wscale on a SYN, nop,nop,TS and
 * nop,nop,sack elsewhere. SACK blocks that do not fit beside the rest are left out.
 */
unsigned tcp_build(uint8_t *data, const struct tcp_hdr *h);
unsigned tcp_build_len(const struct tcp_hdr *h); /* without writing */

/* RFC 1071. csum_add gives an unfolded sum to go on with; csum_fold the value for the field. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);
uint16_t csum_fold(uint64_t sum); /* network byte order, ready to store */
uint64_t csum_pseudo4(uint32_t src, uint32_t dst, uint8_t protocol, uint16_t len);
void wire_put16(uint8_t *p, uint16_t host);
void wire_put32(uint8_t *p, uint32_t host);
uint16_t wire_get16(const uint8_t *p);
uint32_t wire_get32(const uint8_t *p);

#endif
