/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parse and build of all wire formats but TCP options' use; see wire.h. Called by every protocol
 * file; calls nothing. Ethernet II, RFC 826 (ARP), 791 (IPv4), 3376 (IGMP), 768 (UDP), 792 (ICMP),
 * 9293 3.1 (TCP) with the options of 7323, 2018 and 9293 3.2, checksum RFC 1071.
 */
#include "tcpip/wire.h"

#include <errno.h>
#include <string.h>

#define ARP_HTYPE_ETHER 1u
#define IP4_DF		0x4000u
#define IP4_MF		0x2000u
#define IP4_OFF_MASK	0x1fffu

#define IP4_OPT_END   0u
#define IP4_OPT_NOP   1u
#define IP4_OPT_LSRR  131u /* loose source and record route */
#define IP4_OPT_SSRR  137u /* strict */
#define IP4_OPT_ALERT 148u /* RFC 2113 2.1 */
#define IP4_ALERT_LEN 4u
#define IGMP_V3_QUERY 12u
#define IGMP_V1_MS    10000u /* RFC 3376 7.2.1: version 1 does not say */

#define OPT_END	     0u
#define OPT_NOP	     1u
#define OPT_MSS	     2u
#define OPT_WSCALE   3u
#define OPT_SACK_OK  4u
#define OPT_SACK     5u
#define OPT_TS	     8u
#define OPT_FO	     34u
#define OPT_EXP	     254u
#define EXP_FO	     0xf989u /* RFC 6994's number of the experiment, RFC 7413 appendix */
#define FO_HEAD(o)   ((o)->fo_exp ? 4u : 2u)
#define FO_ROOM(o)   ((FO_HEAD(o) + (o)->fo_len + 3u) & ~3u)
#define WSCALE_MAX   14u
#define TCP_OPT_ROOM 40u
#define TS_ALIGNED   0x0101080au /* NOP, NOP, timestamps, 10 bytes */
#define SACK_ROOM(n) (4u + 8u * (n))

void wire_put16(uint8_t *p, uint16_t host)
{
	p[0] = (uint8_t)(host >> 8);
	p[1] = (uint8_t)host;
}

void wire_put32(uint8_t *p, uint32_t host)
{
	wire_put16(p, (uint16_t)(host >> 16));
	wire_put16(p + 2, (uint16_t)host);
}

uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t wire_get32(const uint8_t *p)
{
	return (uint32_t)wire_get16(p) << 16 | wire_get16(p + 2);
}

static uint32_t get_addr(const uint8_t *p)
{
	uint32_t a;

	memcpy(&a, p, 4);
	return a;
}

/* ---- checksum ----------------------------------------------------------------------------- */

/*
 * One's complement sums do not care about byte order or word size (RFC 1071 2(B)), so eight bytes
 * are added at a time in the machine's order; the carries gather in the upper half. Pieces that
 * are summed one after another must have even lengths, but for the last.
 */
/*
 * All whole words of 8 bytes: one addition each, the carry kept in its flag, which no compiler can
 * be brought to do. Checksums are a quarter of what a segment costs with it, half without.
 */
static uint64_t csum_words(uint64_t sum, const uint8_t *p, size_t len)
{
	size_t blocks = len / 64, words = len / 8 % 8;

	__asm__("testq %2, %2\n\t" /* clears the carry */
		"jz 2f\n"
		"1:\n\t"
		"adcq (%1), %0\n\t"
		"adcq 8(%1), %0\n\t"
		"adcq 16(%1), %0\n\t"
		"adcq 24(%1), %0\n\t"
		"adcq 32(%1), %0\n\t"
		"adcq 40(%1), %0\n\t"
		"adcq 48(%1), %0\n\t"
		"adcq 56(%1), %0\n\t"
		"leaq 64(%1), %1\n\t" /* neither this nor decq touches the carry */
		"decq %2\n\t"
		"jnz 1b\n"
		"2:\n\t"
		"adcq $0, %0\n\t"
		"testq %3, %3\n\t"
		"jz 4f\n"
		"3:\n\t"
		"adcq (%1), %0\n\t"
		"leaq 8(%1), %1\n\t"
		"decq %3\n\t"
		"jnz 3b\n"
		"4:\n\t"
		"adcq $0, %0"
		: "+r"(sum), "+r"(p), "+r"(blocks), "+r"(words)
		:
		: "cc", "memory");
	return sum;
}

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t tail = 0;
	uint32_t four;
	uint16_t two;

	sum = csum_words(sum, p, len);
	p += len & ~(size_t)7;
	if (len & 4) {
		memcpy(&four, p, 4);
		tail += four;
		p += 4;
	}
	if (len & 2) {
		memcpy(&two, p, 2);
		tail += two;
		p += 2;
	}
	if (len & 1)
		tail += *p; /* the first of two bytes, whose second is 0 */
	sum += tail;
	return sum + (sum < tail);
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	sum = (sum >> 16) + (uint16_t)sum;
	return (uint16_t)~sum;
}

uint64_t csum_pseudo4(uint32_t src, uint32_t dst, uint8_t protocol, uint16_t len)
{
	uint8_t tail[4] = {0, protocol, (uint8_t)(len >> 8), (uint8_t)len};

	return (uint64_t)src + dst + get_addr(tail);
}

/* ---- Ethernet and ARP --------------------------------------------------------------------- */

int eth_parse(struct eth_hdr *h, const uint8_t *data, size_t len)
{
	if (len < ETH_HDR_LEN)
		return -EBADMSG;
	memcpy(h->dst, data, 6);
	memcpy(h->src, data + 6, 6);
	h->type = wire_get16(data + 12);
	return 0;
}

void eth_build(uint8_t *data, const struct eth_hdr *h)
{
	memcpy(data, h->dst, 6);
	memcpy(data + 6, h->src, 6);
	wire_put16(data + 12, h->type);
}

int vlan_parse(struct vlan_tag *t, const uint8_t *data, size_t len)
{
	uint16_t tci;

	if (len < VLAN_TAG_LEN)
		return -EBADMSG;
	tci = wire_get16(data);
	t->vid = tci & 0xfff;
	t->pcp = (uint8_t)(tci >> 13);
	t->type = wire_get16(data + 2);
	return 0;
}

void vlan_build(uint8_t *data, const struct vlan_tag *t)
{
	wire_put16(data, (uint16_t)(t->pcp << 13 | t->vid));
	wire_put16(data + 2, t->type);
}

int arp_parse(struct arp_msg *m, const uint8_t *data, size_t len)
{
	if (len < ARP_LEN || wire_get16(data) != ARP_HTYPE_ETHER ||
	    wire_get16(data + 2) != ETH_TYPE_IP4 || data[4] != 6 || data[5] != 4)
		return -EBADMSG;
	m->op = wire_get16(data + 6);
	memcpy(m->sha, data + 8, 6);
	m->spa = get_addr(data + 14);
	memcpy(m->tha, data + 18, 6);
	m->tpa = get_addr(data + 24);
	return ip_is6(m->spa) || ip_is6(m->tpa) ? -EBADMSG : 0;
}

void arp_build(uint8_t *data, const struct arp_msg *m)
{
	wire_put16(data, ARP_HTYPE_ETHER);
	wire_put16(data + 2, ETH_TYPE_IP4);
	data[4] = 6;
	data[5] = 4;
	wire_put16(data + 6, m->op);
	memcpy(data + 8, m->sha, 6);
	memcpy(data + 14, &m->spa, 4);
	memcpy(data + 18, m->tha, 6);
	memcpy(data + 24, &m->tpa, 4);
}

/* ---- IPv4, UDP, ICMP ---------------------------------------------------------------------- */

int ip4_parse_quoted(struct ip4_hdr *h, const uint8_t *data, size_t len)
{
	uint16_t frag;

	if (len < IP4_HDR_LEN || data[0] >> 4 != 4)
		return -EBADMSG;
	h->hdr_len = (uint8_t)((data[0] & 15) * 4);
	h->total_len = wire_get16(data + 2);
	if (h->hdr_len != IP4_HDR_LEN && (h->hdr_len < IP4_HDR_LEN || h->hdr_len > len))
		return -EBADMSG;
	if (h->total_len < h->hdr_len)
		return -EBADMSG;
	frag = wire_get16(data + 6);
	h->tos = data[1];
	h->id = wire_get16(data + 4);
	h->df = frag & IP4_DF;
	h->mf = frag & IP4_MF;
	h->frag_off = (uint16_t)((frag & IP4_OFF_MASK) * 8);
	h->ttl = data[8];
	h->protocol = data[9];
	h->checksum = wire_get16(data + 10);
	h->src = get_addr(data + 12);
	h->dst = get_addr(data + 16);
	return 0;
}

int ip4_parse(struct ip4_hdr *h, const uint8_t *data, size_t len)
{
	int r = ip4_parse_quoted(h, data, len);

	if (r == 0 && h->total_len > len)
		r = -EBADMSG;
	return r;
}

static inline void build_ip4(uint8_t *data, const struct ip4_hdr *h, uint8_t hdr_len)
{
	uint16_t sum;

	data[0] = (uint8_t)(4 << 4 | hdr_len / 4);
	data[1] = h->tos;
	wire_put16(data + 2, h->total_len);
	wire_put16(data + 4, h->id);
	wire_put16(data + 6,
		   (uint16_t)(h->frag_off / 8 | (h->df ? IP4_DF : 0) | (h->mf ? IP4_MF : 0)));
	data[8] = h->ttl;
	data[9] = h->protocol;
	wire_put16(data + 10, 0);
	memcpy(data + 12, &h->src, 4);
	memcpy(data + 16, &h->dst, 4);
	sum = csum_fold(csum_add(0, data, hdr_len));
	memcpy(data + 10, &sum, 2);
}

void ip4_build(uint8_t *data, const struct ip4_hdr *h)
{
	build_ip4(data, h, IP4_HDR_LEN);
}

void ip4_build_alert(uint8_t *data, const struct ip4_hdr *h)
{
	static const uint8_t alert[IP4_ALERT_LEN] = {IP4_OPT_ALERT, IP4_ALERT_LEN, 0, 0};

	memcpy(data + IP4_HDR_LEN, alert, IP4_ALERT_LEN);
	build_ip4(data, h, IP4_ALERT_HDR_LEN);
}

/* Bytes of the option at data[at]; 0: it ends the list; or -EBADMSG. */
static int ip4_option_len(const uint8_t *data, uint8_t hdr_len, unsigned at)
{
	if (at >= hdr_len || data[at] == IP4_OPT_END)
		return 0;
	if (data[at] == IP4_OPT_NOP)
		return 1;
	if (at + 1 >= hdr_len || data[at + 1] < 2 || at + data[at + 1] > hdr_len)
		return -EBADMSG;
	return data[at + 1];
}

bool ip4_router_alert(const uint8_t *data, uint8_t hdr_len)
{
	unsigned at = IP4_HDR_LEN;
	int len;

	for (; (len = ip4_option_len(data, hdr_len, at)) > 0; at += (unsigned)len)
		if (data[at] == IP4_OPT_ALERT)
			return len == IP4_ALERT_LEN;
	return false;
}

int ip4_options(const uint8_t *data, uint8_t hdr_len)
{
	unsigned at = IP4_HDR_LEN;
	int len;

	for (; (len = ip4_option_len(data, hdr_len, at)) > 0; at += (unsigned)len)
		if (data[at] == IP4_OPT_LSRR || data[at] == IP4_OPT_SSRR)
			return -EPERM;
	return len;
}

/* RFC 3376 4.1.1: a code of 128 and more is a floating point number; tenths of a second. */
static uint32_t max_response(uint8_t code)
{
	uint32_t tenths = code;

	if (code >= 0x80)
		tenths = ((code & 0xfu) | 0x10u) << (((code >> 4) & 7) + 3);
	return tenths * 100;
}

int igmp_query_parse(struct igmp_query *q, const uint8_t *data, size_t len)
{
	if (len < IGMP_LEN || (len > IGMP_LEN && len < IGMP_V3_QUERY) || data[0] != IGMP_QUERY)
		return -EBADMSG;
	q->group = get_addr(data + 4);
	q->version = len > IGMP_LEN ? 3 : data[1] ? 2 : 1;
	q->n_sources = q->version == 3 ? wire_get16(data + 10) : 0;
	if (q->n_sources && IGMP_V3_QUERY + q->n_sources * IGMP_SOURCE_LEN > len)
		return -EBADMSG;
	q->max_ms = q->version == 3   ? max_response(data[1])
		    : q->version == 2 ? data[1] * 100u
				      : IGMP_V1_MS;
	return 0;
}

uint32_t igmp_query_source(const uint8_t *data, unsigned i)
{
	return get_addr(data + IGMP_V3_QUERY + i * IGMP_SOURCE_LEN);
}

unsigned igmp_report_build(uint8_t *data, unsigned n)
{
	memset(data, 0, IGMP_LEN);
	data[0] = IGMP_V3_REPORT;
	wire_put16(data + 6, (uint16_t)n);
	return IGMP_LEN;
}

unsigned igmp_record_build(uint8_t *record, uint8_t type, uint32_t group)
{
	memset(record, 0, 4); /* no auxiliary data, no sources */
	record[0] = type;
	memcpy(record + 4, &group, 4);
	return IGMP_RECORD_LEN;
}

unsigned igmp_record_source(uint8_t *record, uint32_t source)
{
	uint16_t n = wire_get16(record + 2);

	memcpy(record + IGMP_RECORD_LEN + n * IGMP_SOURCE_LEN, &source, IGMP_SOURCE_LEN);
	wire_put16(record + 2, n + 1);
	return IGMP_SOURCE_LEN;
}

unsigned igmp_old_build(uint8_t *data, uint8_t type, uint32_t group)
{
	memset(data, 0, 4);
	data[0] = type;
	memcpy(data + 4, &group, 4);
	return IGMP_LEN;
}

int udp_parse(struct udp_hdr *h, const uint8_t *data, size_t len)
{
	if (len < UDP_HDR_LEN)
		return -EBADMSG;
	h->sport = wire_get16(data);
	h->dport = wire_get16(data + 2);
	h->len = wire_get16(data + 4);
	h->checksum = wire_get16(data + 6);
	return h->len < UDP_HDR_LEN || h->len > len ? -EBADMSG : 0;
}

void udp_build(uint8_t *data, const struct udp_hdr *h)
{
	wire_put16(data, h->sport);
	wire_put16(data + 2, h->dport);
	wire_put16(data + 4, h->len);
	wire_put16(data + 6, h->checksum);
}

int icmp_parse(struct icmp_hdr *h, const uint8_t *data, size_t len)
{
	if (len < ICMP_HDR_LEN)
		return -EBADMSG;
	h->type = data[0];
	h->code = data[1];
	h->checksum = wire_get16(data + 2);
	h->rest = wire_get32(data + 4);
	return 0;
}

void icmp_build(uint8_t *data, const struct icmp_hdr *h)
{
	data[0] = h->type;
	data[1] = h->code;
	wire_put16(data + 2, h->checksum);
	wire_put32(data + 4, h->rest);
}

/* ---- TCP ---------------------------------------------------------------------------------- */

static void parse_sack(struct tcp_opts *o, const uint8_t *body, unsigned body_len)
{
	unsigned i;

	if (body_len == 0 || body_len % 8 != 0 || body_len > 32)
		return;
	o->n_sack = (uint8_t)(body_len / 8);
	for (i = 0; i < o->n_sack; i++) {
		o->sack[i].start = wire_get32(body + 8 * i);
		o->sack[i].end = wire_get32(body + 8 * i + 4);
	}
}

/*
 * RFC 9293 MUST-7: an illegal length ends the list; what stood before it counts, as in Linux.
 * MSS, window scale and SACK-permitted mean something on a SYN alone (RFC 7323 2.2, 2018 2).
 */
static void parse_opts(struct tcp_opts *o, const uint8_t *p, unsigned len, bool syn)
{
	unsigned n;

	/* What nearly every segment has, in the form that nearly everybody sends. */
	if (len == TCP_TS_ROOM && wire_get32(p) == TS_ALIGNED) {
		o->has_ts = true;
		o->ts_val = wire_get32(p + 4);
		o->ts_ecr = wire_get32(p + 8);
		return;
	}
	for (; len > 0 && p[0] != OPT_END; p += n, len -= n) {
		if (p[0] == OPT_NOP) {
			n = 1;
			continue;
		}
		if (len < 2 || p[1] < 2 || p[1] > len)
			return;
		n = p[1];
		if (p[0] == OPT_MSS && n == 4 && syn) {
			o->mss = wire_get16(p + 2);
			o->has_mss = o->mss != 0;
		} else if (p[0] == OPT_WSCALE && n == 3 && syn) {
			o->has_wscale = true;
			o->wscale = p[2] < WSCALE_MAX ? p[2] : WSCALE_MAX;
		} else if (p[0] == OPT_SACK_OK && n == 2 && syn) {
			o->sack_ok = true;
		} else if (p[0] == OPT_TS && n == 10) {
			o->has_ts = true;
			o->ts_val = wire_get32(p + 2);
			o->ts_ecr = wire_get32(p + 6);
		} else if (p[0] == OPT_FO && syn && n <= 2 + TCP_FO_MAX && n % 2 == 0 && n != 4) {
			o->fo = p + 2;
			o->fo_len = (uint8_t)(n - 2);
			o->fo_exp = false;
		} else if (p[0] == OPT_EXP && syn && n >= 4 && n <= 4 + TCP_FO_MAX && n % 2 == 0 &&
			   n != 6 && wire_get16(p + 2) == EXP_FO) {
			o->fo = p + 4;
			o->fo_len = (uint8_t)(n - 4);
			o->fo_exp = true;
		} else if (p[0] == OPT_SACK && !syn) {
			parse_sack(o, p + 2, n - 2);
		}
	}
}

int tcp_parse(struct tcp_hdr *h, const uint8_t *data, size_t len)
{
	if (len < TCP_HDR_LEN)
		return -EBADMSG;
	h->hdr_len = (uint8_t)((data[12] >> 4) * 4);
	if (h->hdr_len < TCP_HDR_LEN || h->hdr_len > len)
		return -EBADMSG;
	h->sport = wire_get16(data);
	h->dport = wire_get16(data + 2);
	h->seq = wire_get32(data + 4);
	h->ack = wire_get32(data + 8);
	h->flags = data[13];
	h->window = wire_get16(data + 14);
	h->checksum = wire_get16(data + 16);
	h->urgent = wire_get16(data + 18);
	memset(&h->opts, 0, sizeof(h->opts));
	parse_opts(&h->opts, data + TCP_HDR_LEN, h->hdr_len - TCP_HDR_LEN, h->flags & TCP_SYN);
	return 0;
}

/* How many SACK blocks fit beside the other options. */
static unsigned sack_fit(const struct tcp_opts *o, unsigned used)
{
	unsigned n = o->n_sack < 4 ? o->n_sack : 4;

	while (n > 0 && used + SACK_ROOM(n) > TCP_OPT_ROOM)
		n--;
	return n;
}

unsigned tcp_build_len(const struct tcp_hdr *h)
{
	const struct tcp_opts *o = &h->opts;
	unsigned used = 0, n;

	if (o->has_mss)
		used += 4;
	if (o->has_ts)
		used += TCP_TS_ROOM;
	else if (o->sack_ok)
		used += 4;
	if (o->has_wscale)
		used += 4;
	if (o->fo)
		used += FO_ROOM(o);
	n = sack_fit(o, used);
	return TCP_HDR_LEN + used + (n ? SACK_ROOM(n) : 0);
}

static uint8_t *put_opt(uint8_t *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	p[0] = a;
	p[1] = b;
	p[2] = c;
	p[3] = d;
	return p + 4;
}

static uint8_t *build_fo(uint8_t *p, const struct tcp_opts *o)
{
	memset(p, OPT_NOP, FO_ROOM(o));
	p[0] = o->fo_exp ? OPT_EXP : OPT_FO;
	p[1] = (uint8_t)(FO_HEAD(o) + o->fo_len);
	if (o->fo_exp)
		wire_put16(p + 2, EXP_FO);
	memcpy(p + FO_HEAD(o), o->fo, o->fo_len);
	return p + FO_ROOM(o);
}

static uint8_t *put_times(uint8_t *p, const struct tcp_opts *o)
{
	wire_put32(p, o->ts_val);
	wire_put32(p + 4, o->ts_ecr);
	return p + 8;
}

static uint8_t *build_syn_opts(uint8_t *p, const struct tcp_opts *o)
{
	if (o->has_mss)
		p = put_opt(p, OPT_MSS, 4, (uint8_t)(o->mss >> 8), (uint8_t)o->mss);
	if (o->has_ts) {
		if (o->sack_ok)
			p = put_opt(p, OPT_SACK_OK, 2, OPT_TS, 10);
		else
			p = put_opt(p, OPT_NOP, OPT_NOP, OPT_TS, 10);
		p = put_times(p, o);
	} else if (o->sack_ok) {
		p = put_opt(p, OPT_NOP, OPT_NOP, OPT_SACK_OK, 2);
	}
	if (o->has_wscale)
		p = put_opt(p, OPT_NOP, OPT_WSCALE, 3, o->wscale);
	if (o->fo)
		p = build_fo(p, o);
	return p;
}

static uint8_t *build_sack(uint8_t *p, const struct tcp_opts *o, unsigned used)
{
	unsigned n = sack_fit(o, used), i;

	if (n > 0)
		p = put_opt(p, OPT_NOP, OPT_NOP, OPT_SACK, (uint8_t)(2 + 8 * n));
	for (i = 0; i < n; i++, p += 8) {
		wire_put32(p, o->sack[i].start);
		wire_put32(p + 4, o->sack[i].end);
	}
	return p;
}

/* Nearly every segment has timestamps, or nothing. */
static uint8_t *build_opts(uint8_t *p, const struct tcp_opts *o)
{
	const uint8_t *begin = p;

	if (o->has_mss | o->has_wscale | o->sack_ok || o->fo)
		p = build_syn_opts(p, o);
	else if (o->has_ts)
		p = put_times(put_opt(p, OPT_NOP, OPT_NOP, OPT_TS, 10), o);
	return o->n_sack ? build_sack(p, o, (unsigned)(p - begin)) : p;
}

unsigned tcp_build(uint8_t *data, const struct tcp_hdr *h)
{
	unsigned len = (unsigned)(build_opts(data + TCP_HDR_LEN, &h->opts) - data);

	wire_put16(data, h->sport);
	wire_put16(data + 2, h->dport);
	wire_put32(data + 4, h->seq);
	wire_put32(data + 8, h->ack);
	data[12] = (uint8_t)(len / 4 << 4);
	data[13] = h->flags;
	wire_put16(data + 14, h->window);
	wire_put16(data + 16, 0);
	wire_put16(data + 18, h->urgent);
	return len;
}
