/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6's wire formats: RFC 8200 (header, extension headers), 4443 (ICMPv6), 4861 4 (neighbour
 * discovery), 3810 5 (MLDv2). Called by ip6.c, icmp6.c, nd.c, slaac.c and mld.c. Pure functions.
 */
#include "tcpip/wire6.h"

#include <errno.h>
#include <string.h>

/* ---- the header --------------------------------------------------------------------------- */

int ip6_parse_quoted(struct ip6_hdr *h, const uint8_t *data, size_t len)
{
	if (len < IP6_HDR_LEN || data[0] >> 4 != 6)
		return -EBADMSG;
	h->tclass = (uint8_t)(data[0] << 4 | data[1] >> 4);
	h->flow = wire_get32(data) & 0xfffff;
	h->payload_len = wire_get16(data + 4);
	h->next = data[6];
	h->hop_limit = data[7];
	memcpy(h->src, data + 8, 16);
	memcpy(h->dst, data + 24, 16);
	return 0;
}

/* A jumbogram (RFC 2675) has length 0 and fails in the walk: its option is unknown here. */
int ip6_parse(struct ip6_hdr *h, const uint8_t *data, size_t len)
{
	if (ip6_parse_quoted(h, data, len) < 0 || h->payload_len + IP6_HDR_LEN > len)
		return -EBADMSG;
	return 0;
}

void ip6_build(uint8_t *data, const struct ip6_hdr *h)
{
	wire_put32(data, 6u << 28 | (uint32_t)h->tclass << 20 | (h->flow & 0xfffff));
	wire_put16(data + 4, h->payload_len);
	data[6] = h->next;
	data[7] = h->hop_limit;
	memcpy(data + 8, h->src, 16);
	memcpy(data + 24, h->dst, 16);
}

uint64_t csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t next, uint32_t len)
{
	uint8_t tail[8] = {0};

	wire_put32(tail, len);
	tail[7] = next;
	return csum_add(csum_add(csum_add(0, src, 16), dst, 16), tail, 8);
}

/* ---- extension headers -------------------------------------------------------------------- */

static int problem(struct ip6_ext *e, uint8_t code, size_t at)
{
	e->problem = code;
	e->problem_at = (uint16_t)at;
	return -EPROTO;
}

/* RFC 8200 4.2: the two high bits of an unknown option say what becomes of the packet. */
static int unknown_option(struct ip6_ext *e, const struct ip6_hdr *h, uint8_t type, size_t at)
{
	switch (type >> 6) {
	case 0:
		return 0;
	case 1:
		return -EBADMSG;
	case 2:
		return problem(e, ICMP6_BAD_OPTION, at);
	default: /* 3: not to who asked many */
		return h->dst[0] == 0xff ? -EBADMSG : problem(e, ICMP6_BAD_OPTION, at);
	}
}

/* The options of one header, from `at` to `end`. */
static int walk_options(struct ip6_ext *e, const struct ip6_hdr *h, const uint8_t *data, size_t at,
			size_t end)
{
	unsigned count = 0, pad = 0;
	int r;

	while (at < end) {
		uint8_t type = data[at];

		if (type == 0) { /* Pad1 */
			if (++pad > 7)
				return -EBADMSG;
			at++;
			continue;
		}
		if (at + 2 > end || at + 2 + data[at + 1] > end)
			return -EBADMSG;
		if (type == 1) { /* PadN: RFC 8504 5.3 allows 7 bytes in a row */
			pad += 2u + data[at + 1];
			if (pad > 7)
				return -EBADMSG;
		} else {
			pad = 0;
			if (++count > IP6_OPT_MAX)
				return -EBADMSG;
			if (type == 5 && data[at + 1] == 2) {
				e->router_alert = true;
			} else {
				r = unknown_option(e, h, type, at);
				if (r < 0)
					return r;
			}
		}
		at += 2u + data[at + 1];
	}
	return 0;
}

/* Fragment header, RFC 8200 4.5. What follows is the fragment, not another header. */
static void take_fragment(struct ip6_ext *e, const uint8_t *f, size_t at)
{
	uint16_t v = wire_get16(f + 2);

	e->fragment = true;
	e->frag_next = e->next_at;
	e->more = v & 1;
	e->frag_off = v & 0xfff8;
	e->frag_id = wire_get32(f + 4);
	e->next = f[0];
	e->next_at = (uint16_t)at;
}

int ip6_walk(struct ip6_ext *e, const struct ip6_hdr *h, const uint8_t *data, size_t len)
{
	size_t at = IP6_HDR_LEN, size;
	unsigned n;
	int r;

	memset(e, 0, sizeof(*e));
	e->next = h->next;
	e->next_at = 6;
	for (n = 0;; n++) {
		if (e->next == IP6_HOPOPTS && n > 0) /* only ever the first: RFC 8200 4.1 */
			return problem(e, ICMP6_BAD_NEXT, e->next_at);
		if (e->next != IP6_HOPOPTS && e->next != IP6_DSTOPTS && e->next != IP6_ROUTING &&
		    e->next != IP6_FRAGMENT)
			break;
		if (n >= IP6_EXT_MAX || at + 8 > len)
			return -EBADMSG;
		if (e->next == IP6_FRAGMENT) {
			take_fragment(e, data + at, at);
			at += 8;
			break;
		}
		size = (data[at + 1] + 1u) * 8;
		if (at + size > len || at + size > IP6_HDR_LEN + IP6_EXT_LEN_MAX)
			return -EBADMSG;
		if (e->next == IP6_ROUTING) {
			if (data[at + 3] != 0) /* segments left, of a type not known: 4.4 */
				return problem(e, ICMP6_BAD_FIELD, at + 2);
		} else {
			r = walk_options(e, h, data, at + 2, at + size);
			if (r < 0)
				return r;
		}
		e->next = data[at];
		e->next_at = (uint16_t)at;
		at += size;
	}
	e->len = (uint16_t)(at - IP6_HDR_LEN);
	return 0;
}

static size_t transport_len(uint8_t next)
{
	return next == IP6_TCP	  ? TCP_HDR_LEN
	       : next == IP6_UDP  ? UDP_HDR_LEN
	       : next == IP6_ICMP ? ICMP_HDR_LEN
				  : 0;
}

bool ip6_chain_whole(const struct ip6_ext *e, const uint8_t *data, size_t len)
{
	size_t at = IP6_HDR_LEN + e->len;
	uint8_t next = e->next;

	while (next == IP6_HOPOPTS || next == IP6_DSTOPTS || next == IP6_ROUTING) {
		if (at + 8 > len)
			return false;
		next = data[at];
		at += (data[at + 1] + 1u) * 8;
	}
	return at + transport_len(next) <= len;
}

void ip6_frag_build(uint8_t *data, uint8_t next, uint16_t off, bool more, uint32_t id)
{
	data[0] = next;
	data[1] = 0;
	wire_put16(data + 2, (uint16_t)(off | more));
	wire_put32(data + 4, id);
}

/* ---- neighbour discovery ------------------------------------------------------------------ */

enum nd_option { ND_SLLA = 1, ND_TLLA = 2, ND_PREFIX = 3, ND_MTU = 5 };

/* Bytes in front of the options. */
static unsigned fixed_len(uint8_t type)
{
	switch (type) {
	case ICMP6_RS:
		return 8;
	case ICMP6_RA:
		return 16;
	case ICMP6_NS:
	case ICMP6_NA:
		return 24;
	case ICMP6_REDIRECT:
		return 40;
	default:
		return 0;
	}
}

static void take_prefix(struct nd_msg *m, const uint8_t *o)
{
	struct nd_prefix *p;

	if (m->n_prefix == ND_PREFIX_MAX || o[2] > 128)
		return;
	p = &m->prefix[m->n_prefix++];
	p->len = o[2];
	p->on_link = o[3] & 0x80;
	p->autonomous = o[3] & 0x40;
	p->valid = wire_get32(o + 4);
	p->preferred = wire_get32(o + 8);
	memcpy(p->prefix, o + 16, 16);
}

static void take_option(struct nd_msg *m, const uint8_t *o, size_t size)
{
	switch (o[0]) {
	case ND_SLLA:
		if (size == 8 && m->type != ICMP6_NA && m->type != ICMP6_REDIRECT) {
			m->has_slla = true;
			memcpy(m->slla, o + 2, 6);
		}
		break;
	case ND_TLLA:
		if (size == 8 && (m->type == ICMP6_NA || m->type == ICMP6_REDIRECT)) {
			m->has_tlla = true;
			memcpy(m->tlla, o + 2, 6);
		}
		break;
	case ND_PREFIX:
		if (size == 32 && m->type == ICMP6_RA)
			take_prefix(m, o);
		break;
	case ND_MTU:
		if (size == 8 && m->type == ICMP6_RA)
			m->mtu = wire_get32(o + 4);
		break;
	default: /* RFC 4861 4.6: unknown ones are skipped */
		break;
	}
}

int nd_parse(struct nd_msg *m, const uint8_t *data, size_t len)
{
	size_t at, size;

	memset(m, 0, sizeof(*m));
	if (len < 8)
		return -EBADMSG;
	m->type = data[0];
	at = fixed_len(m->type);
	if (at == 0 || len < at || data[1] != 0)
		return -EBADMSG;
	if (m->type == ICMP6_RA) {
		m->hop_limit = data[4];
		m->lifetime = wire_get16(data + 6);
		m->reachable = wire_get32(data + 8);
		m->retrans = wire_get32(data + 12);
	} else if (m->type != ICMP6_RS) {
		m->flags = m->type == ICMP6_NA ? data[4] & 0xe0 : 0;
		memcpy(m->target, data + 8, 16);
		if (m->type == ICMP6_REDIRECT)
			memcpy(m->dst, data + 24, 16);
		if (m->target[0] == 0xff || m->dst[0] == 0xff)
			return -EBADMSG;
	}
	for (; at < len; at += size) {
		if (at + 2 > len)
			return -EBADMSG;
		size = data[at + 1] * 8u;
		if (size == 0 || at + size > len)
			return -EBADMSG;
		take_option(m, data + at, size);
	}
	return 0;
}

static unsigned put_lladdr(uint8_t *o, uint8_t type, const uint8_t mac[6])
{
	o[0] = type;
	o[1] = 1;
	memcpy(o + 2, mac, 6);
	return 8;
}

static unsigned put_prefix(uint8_t *o, const struct nd_prefix *p)
{
	memset(o, 0, 32);
	o[0] = ND_PREFIX;
	o[1] = 4;
	o[2] = p->len;
	o[3] = (uint8_t)((p->on_link ? 0x80 : 0) | (p->autonomous ? 0x40 : 0));
	wire_put32(o + 4, p->valid);
	wire_put32(o + 8, p->preferred);
	memcpy(o + 16, p->prefix, 16);
	return 32;
}

unsigned nd_build(uint8_t *data, const struct nd_msg *m)
{
	unsigned at = fixed_len(m->type), i;

	memset(data, 0, at);
	data[0] = m->type;
	if (m->type == ICMP6_RA) {
		data[4] = m->hop_limit;
		wire_put16(data + 6, m->lifetime);
		wire_put32(data + 8, m->reachable);
		wire_put32(data + 12, m->retrans);
	} else if (m->type != ICMP6_RS) {
		data[4] = m->flags;
		memcpy(data + 8, m->target, 16);
		if (m->type == ICMP6_REDIRECT)
			memcpy(data + 24, m->dst, 16);
	}
	if (m->has_slla)
		at += put_lladdr(data + at, ND_SLLA, m->slla);
	if (m->has_tlla)
		at += put_lladdr(data + at, ND_TLLA, m->tlla);
	if (m->mtu) {
		memset(data + at, 0, 8);
		data[at] = ND_MTU;
		data[at + 1] = 1;
		wire_put32(data + at + 4, m->mtu);
		at += 8;
	}
	for (i = 0; i < m->n_prefix; i++)
		at += put_prefix(data + at, &m->prefix[i]);
	return at;
}

/* ---- MLD ---------------------------------------------------------------------------------- */

#define MLD1_LEN   24u
#define MLD2_QUERY 28u /* without sources */
#define MLD2_LEN   8u

/* RFC 3810 5.1.3: a code of 15 bits and more is a floating point number. */
static uint32_t max_response(uint16_t code)
{
	if (code < 0x8000)
		return code;
	return ((code & 0xfffu) | 0x1000u) << (((code >> 12) & 7) + 3);
}

/* 24 bytes: version 1; 28 and more: version 2 (RFC 3810 8.1). */
int mld_query_parse(struct mld_query *q, const uint8_t *data, size_t len)
{
	if (len < MLD1_LEN || (len > MLD1_LEN && len < MLD2_QUERY) || data[0] != ICMP6_MLD_QUERY)
		return -EBADMSG;
	q->old = len == MLD1_LEN;
	q->max_ms = q->old ? wire_get16(data + 4) : max_response(wire_get16(data + 4));
	memcpy(q->group, data + 8, 16);
	q->n_sources = q->old ? 0 : wire_get16(data + 26);
	return MLD2_QUERY + q->n_sources * MLD_SOURCE_LEN > len && !q->old ? -EBADMSG : 0;
}

const uint8_t *mld_query_source(const uint8_t *data, unsigned i)
{
	return data + MLD2_QUERY + i * MLD_SOURCE_LEN;
}

unsigned mld_report_build(uint8_t *data, unsigned n)
{
	memset(data, 0, MLD2_LEN);
	data[0] = ICMP6_MLD2_REPORT;
	wire_put16(data + 6, (uint16_t)n);
	return MLD2_LEN;
}

unsigned mld_record_build(uint8_t *record, uint8_t type, const uint8_t group[16])
{
	memset(record, 0, 4); /* no auxiliary data, no sources */
	record[0] = type;
	memcpy(record + 4, group, 16);
	return MLD_RECORD_LEN;
}

unsigned mld_record_source(uint8_t *record, const uint8_t source[16])
{
	uint16_t n = wire_get16(record + 2);

	memcpy(record + MLD_RECORD_LEN + n * MLD_SOURCE_LEN, source, MLD_SOURCE_LEN);
	wire_put16(record + 2, n + 1);
	return MLD_SOURCE_LEN;
}

unsigned mld1_build(uint8_t *data, uint8_t type, const uint8_t group[16])
{
	memset(data, 0, 8);
	data[0] = type;
	memcpy(data + 8, group, 16);
	return MLD1_LEN;
}
