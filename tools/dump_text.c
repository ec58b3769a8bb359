/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One captured frame as one line, in tcpdump's words, as far as this stack speaks the protocols.
 * Called by dump_pcap.c; calls tcpip/wire.c and wire6.c for the formats. A frame may be cut short
 * anywhere.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "tcpip/wire6.h"
#include "tools/cidr.h"
#include "tools/dump_pcap.h"

struct text {
	char *at;
	size_t room;
};

static __attribute__((format(printf, 2, 3))) void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, t->room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->room)
		n = t->room ? (int)t->room - 1 : 0;
	t->at += n;
	t->room -= (size_t)n;
}

/* Whose packet, in either family. */
struct ends {
	const char *ip; /* "IP", "IP6" */
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	unsigned size; /* bytes behind the IP header, were they all here */
};

static const char *ip_text(uint32_t addr, char *buf)
{
	struct in_addr in = {addr};

	return inet_ntop(AF_INET, &in, buf, INET_ADDRSTRLEN);
}

static void arp_text(struct text *t, const uint8_t *data, size_t len)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN], mac[CIDR_TEXT];
	struct arp_msg m;

	if (arp_parse(&m, data, len))
		say(t, "ARP, truncated or unknown, length %zu", len);
	else if (m.op == 1)
		say(t, "ARP, Request who-has %s tell %s, length %zu", ip_text(m.tpa, a),
		    ip_text(m.spa, b), len);
	else if (m.op == 2)
		say(t, "ARP, Reply %s is-at %s, length %zu", ip_text(m.spa, a),
		    cidr_mac_text(m.sha, mac, sizeof(mac)), len);
	else
		say(t, "ARP, operation %u, length %zu", m.op, len);
}

static void tcp_options_text(struct text *t, const struct tcp_opts *o)
{
	const char *comma = "";

	say(t, ", options [");
	if (o->has_mss) {
		say(t, "mss %u", o->mss);
		comma = ",";
	}
	if (o->sack_ok) {
		say(t, "%ssackOK", comma);
		comma = ",";
	}
	if (o->has_ts) {
		say(t, "%sTS val %u ecr %u", comma, o->ts_val, o->ts_ecr);
		comma = ",";
	}
	if (o->has_wscale) {
		say(t, "%swscale %u", comma, o->wscale);
		comma = ",";
	}
	for (unsigned i = 0; i < o->n_sack && i < 4; i++) {
		say(t, "%ssack {%u:%u}", comma, o->sack[i].start, o->sack[i].end);
		comma = ",";
	}
	say(t, "]");
}

static void tcp_text(struct text *t, const struct ends *e, const uint8_t *data, size_t len)
{
	static const char letters[] = "FSRP.UEW"; /* tcpdump's, by bit */
	char flags[9];
	unsigned n = 0, payload;
	struct tcp_hdr h;

	if (tcp_parse(&h, data, len)) {
		say(t, "%s %s > %s: TCP, truncated or broken", e->ip, e->src, e->dst);
		return;
	}
	for (unsigned bit = 0; bit < 8; bit++)
		if (h.flags & (1u << bit) && letters[bit] != '.')
			flags[n++] = letters[bit];
	if (h.flags & TCP_ACK)
		flags[n++] = '.';
	flags[n] = 0;
	payload = e->size - h.hdr_len;
	say(t, "%s %s.%u > %s.%u: Flags [%s]", e->ip, e->src, h.sport, e->dst, h.dport,
	    n ? flags : "none");
	if (payload)
		say(t, ", seq %u:%u", h.seq, h.seq + payload);
	else if (h.flags & (TCP_SYN | TCP_FIN | TCP_RST))
		say(t, ", seq %u", h.seq);
	if (h.flags & TCP_ACK)
		say(t, ", ack %u", h.ack);
	say(t, ", win %u", h.window);
	if (h.hdr_len > TCP_HDR_LEN)
		tcp_options_text(t, &h.opts);
	say(t, ", length %u", payload);
}

static void icmp_text(struct text *t, const struct ip4_hdr *ip, const uint8_t *data, size_t len)
{
	static const char *const unreachable[] = {"net", "host", "protocol", "port",
						  "need to frag"};
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	struct icmp_hdr h;
	unsigned size = (unsigned)(ip->total_len - ip->hdr_len);

	say(t, "IP %s > %s: ICMP ", ip_text(ip->src, a), ip_text(ip->dst, b));
	if (icmp_parse(&h, data, len))
		say(t, "truncated");
	else if (h.type == ICMP4_ECHO || h.type == ICMP4_ECHO_REPLY)
		say(t, "echo %s, id %u, seq %u", h.type == ICMP4_ECHO ? "request" : "reply",
		    h.rest >> 16, h.rest & 0xffff);
	else if (h.type == ICMP4_DEST_UNREACH && h.code < 5)
		say(t, "%s unreachable", unreachable[h.code]);
	else if (h.type == ICMP4_TIME_EXCEEDED)
		say(t, "time exceeded");
	else
		say(t, "type %u code %u", h.type, h.code);
	say(t, ", length %u", size);
}

static void icmp6_text(struct text *t, const struct ends *e, const uint8_t *data, size_t len)
{
	char target[INET6_ADDRSTRLEN];
	struct icmp_hdr h;
	struct nd_msg nd;

	say(t, "%s %s > %s: ICMP6, ", e->ip, e->src, e->dst);
	if (icmp_parse(&h, data, len))
		say(t, "truncated");
	else if (h.type == ICMP6_ECHO_ASK || h.type == ICMP6_ECHO_ANSWER)
		say(t, "echo %s, id %u, seq %u", h.type == ICMP6_ECHO_ASK ? "request" : "reply",
		    h.rest >> 16, h.rest & 0xffff);
	else if (h.type == ICMP6_UNREACH)
		say(t, "destination unreachable, code %u", h.code);
	else if (h.type == ICMP6_TOO_BIG)
		say(t, "packet too big, mtu %u", h.rest);
	else if (h.type == ICMP6_RS)
		say(t, "router solicitation");
	else if (h.type == ICMP6_RA)
		say(t, "router advertisement");
	else if ((h.type == ICMP6_NS || h.type == ICMP6_NA) && !nd_parse(&nd, data, len))
		say(t, "neighbor %s %s",
		    h.type == ICMP6_NS ? "solicitation, who has" : "advertisement, tgt is",
		    inet_ntop(AF_INET6, nd.target, target, sizeof(target)));
	else if (h.type == ICMP6_MLD_QUERY)
		say(t, "multicast listener query");
	else if (h.type == ICMP6_MLD2_REPORT)
		say(t, "multicast listener report v2");
	else
		say(t, "type %u code %u", h.type, h.code);
	say(t, ", length %u", e->size);
}

static void udp_text(struct text *t, const struct ends *e, const struct udp_hdr *udp)
{
	say(t, "%s %s.%u > %s.%u: UDP, length %u", e->ip, e->src, udp->sport, e->dst, udp->dport,
	    udp->len - UDP_HDR_LEN);
}

static void ip6_text(struct text *t, const uint8_t *data, size_t len)
{
	struct ends e = {.ip = "IP6"};
	struct udp_hdr udp;
	struct ip6_ext ext;
	struct ip6_hdr h;

	if (ip6_parse_quoted(&h, data, len)) {
		say(t, "IP6, truncated or broken, length %zu", len);
		return;
	}
	inet_ntop(AF_INET6, h.src, e.src, sizeof(e.src));
	inet_ntop(AF_INET6, h.dst, e.dst, sizeof(e.dst));
	if (len > IP6_HDR_LEN + (size_t)h.payload_len)
		len = IP6_HDR_LEN + h.payload_len;
	if (ip6_walk(&ext, &h, data, len) || ext.len > h.payload_len) {
		say(t, "IP6 %s > %s: headers truncated or broken, length %u", e.src, e.dst,
		    h.payload_len);
		return;
	}
	e.size = (unsigned)(h.payload_len - ext.len);
	data += IP6_HDR_LEN + ext.len;
	len -= IP6_HDR_LEN + ext.len;
	if (ext.fragment && ext.frag_off)
		say(t, "IP6 %s > %s: fragment at %u, proto %u", e.src, e.dst, ext.frag_off,
		    ext.next);
	else if (ext.next == IP6_TCP)
		tcp_text(t, &e, data, len);
	else if (ext.next == IP6_ICMP)
		icmp6_text(t, &e, data, len);
	else if (ext.next == IP6_UDP && !udp_parse(&udp, data, len))
		udp_text(t, &e, &udp);
	else
		say(t, "IP6 %s > %s: proto %u, length %u", e.src, e.dst, ext.next, e.size);
}

static void ip4_text(struct text *t, const uint8_t *data, size_t len)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	const uint8_t *payload;
	struct ip4_hdr ip;
	struct ends e = {.ip = "IP"};
	struct udp_hdr udp;
	size_t rest;

	if (ip4_parse_quoted(&ip, data, len) || ip.total_len < ip.hdr_len || len < ip.hdr_len) {
		say(t, "IP, truncated or broken, length %zu", len);
		return;
	}
	payload = data + ip.hdr_len;
	ip_text(ip.src, e.src);
	ip_text(ip.dst, e.dst);
	e.size = (unsigned)(ip.total_len - ip.hdr_len);
	rest = (len < ip.total_len ? len : ip.total_len) - ip.hdr_len;
	if (ip.frag_off)
		say(t, "IP %s > %s: fragment at %u, proto %u", ip_text(ip.src, a),
		    ip_text(ip.dst, b), ip.frag_off, ip.protocol);
	else if (ip.protocol == IPPROTO_TCP)
		tcp_text(t, &e, payload, rest);
	else if (ip.protocol == IPPROTO_ICMP)
		icmp_text(t, &ip, payload, rest);
	else if (ip.protocol == IPPROTO_UDP && !udp_parse(&udp, payload, rest))
		udp_text(t, &e, &udp);
	else
		say(t, "IP %s > %s: proto %u, length %u", ip_text(ip.src, a), ip_text(ip.dst, b),
		    ip.protocol, ip.total_len - ip.hdr_len);
}

void dump_text(char *line, size_t size, const struct pcap_pkthdr *h, bool incoming,
	       const uint8_t *data)
{
	struct text t = {line, size};
	char src[CIDR_TEXT], dst[CIDR_TEXT];
	struct eth_hdr eth;
	struct tm tm;

	localtime_r(&h->ts.tv_sec, &tm);
	say(&t, "%02d:%02d:%02d.%06ld %s ", tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (long)(h->ts.tv_usec / 1000), incoming ? "In " : "Out");
	if (eth_parse(&eth, data, h->caplen)) {
		say(&t, "truncated frame, length %u", h->len);
		return;
	}
	data += ETH_HDR_LEN;
	if (eth.type == ETH_TYPE_ARP)
		arp_text(&t, data, h->caplen - ETH_HDR_LEN);
	else if (eth.type == ETH_TYPE_IP4)
		ip4_text(&t, data, h->caplen - ETH_HDR_LEN);
	else if (eth.type == ETH_TYPE_IP6)
		ip6_text(&t, data, h->caplen - ETH_HDR_LEN);
	else
		say(&t, "%s > %s, ethertype 0x%04x, length %u",
		    cidr_mac_text(eth.src, src, sizeof(src)),
		    cidr_mac_text(eth.dst, dst, sizeof(dst)), eth.type, h->len);
}
