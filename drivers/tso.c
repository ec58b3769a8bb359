// SPDX-License-Identifier: BSD-3-Clause
/*
 * Frames for the device to cut into TCP segments: the check that all who handle one rely on, and
 * the cutting, for those who want to see segments. Called by drivers and by capture.c; calls
 * nothing. Follows RFC 791, RFC 8200 and RFC 9293 for the headers.
 */
#include "drivers/tso.h"

#include <string.h>

#define ETHERNET   14u
#define VLAN_TAG   4u
#define TYPE_VLAN  0x8100u
#define TYPE_IP4   0x0800u
#define TYPE_IP6   0x86ddu
#define IP4_MIN	   20u
#define IP6	   40u
#define TCP_MIN	   20u
#define IP_MAX	   65535u
#define PROTO_TCP  6u
#define TCP_CSUM   16u /* of the TCP header: its checksum */
#define TCP_FLAGS  13u
#define FLAG_FIN   0x01u
#define FLAG_SYN   0x02u
#define FLAG_RST   0x04u
#define FLAG_PSH   0x08u
#define FLAG_URG   0x20u
#define FLAG_CWR   0x80u
#define FLAGS_ONCE (FLAG_SYN | FLAG_RST | FLAG_URG) /* mean nothing in a row of segments */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* RFC 1071; len is even but for the last part of a packet. */
static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t len)
{
	for (; len > 1; at += 2, len -= 2)
		sum += get16(at);
	return len ? sum + ((uint32_t)at[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Headers that end where the frame does, TCP's where csum_start says. */
static bool find_headers(struct tso *t)
{
	const struct pktbuf *p = t->frame;
	const uint8_t *f = pktbuf_data(p), *ip;
	uint16_t type;

	if (p->len < ETHERNET + IP4_MIN + TCP_MIN)
		return false;
	type = get16(f + 12);
	t->ip = ETHERNET;
	if (type == TYPE_VLAN) {
		type = get16(f + ETHERNET + 2);
		t->ip += VLAN_TAG;
	}
	ip = f + t->ip;
	t->ip6 = type == TYPE_IP6;
	if (type == TYPE_IP4 && ip[0] >> 4 == 4 && (ip[0] & 15) >= 5 && ip[9] == PROTO_TCP)
		t->tcp = (uint16_t)(t->ip + (ip[0] & 15) * 4);
	else if (t->ip6 && ip[0] >> 4 == 6 && ip[6] == PROTO_TCP)
		t->tcp = (uint16_t)(t->ip + IP6);
	else
		return false;
	return p->csum_start == t->tcp && p->csum_offset == TCP_CSUM &&
	       t->tcp + TCP_MIN <= p->len && f[t->tcp + 12] >> 4 >= 5 &&
	       t->tcp + (f[t->tcp + 12] >> 4) * 4 == p->len &&
	       !(f[t->tcp + TCP_FLAGS] & FLAGS_ONCE);
}

static bool count_pieces(struct tso *t, unsigned max)
{
	uint16_t gso = t->frame->gso_size;

	t->segments = t->payload = 0;
	for (const struct pktbuf *piece = t->frame->more; piece; piece = piece->more) {
		if (t->segments == max || !piece->len || piece->len > gso ||
		    (piece->more && piece->len != gso))
			return false;
		t->segments++;
		t->payload += piece->len;
	}
	return t->segments > 0;
}

bool tso_parse(struct tso *t, const struct pktbuf *frame, unsigned max)
{
	const uint8_t both = PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM;

	t->frame = frame;
	return (frame->flags & both) == both && find_headers(t) && count_pieces(t, max) &&
	       frame->len + frame->gso_size <= (int)PKTBUF_SIZE &&
	       frame->len - t->ip + t->payload <= IP_MAX;
}

static void write_ip(const struct tso *t, uint32_t n, uint8_t *ip, uint32_t len)
{
	uint16_t header = (uint16_t)(t->tcp - t->ip);

	if (t->ip6) {
		put16(ip + 4, len - IP6);
		return;
	}
	put16(ip + 2, len);
	put16(ip + 4, get16(ip + 4) + n); /* the identification, modulo 2^16 */
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~fold(add(0, ip, header)));
}

static void write_tcp(const struct tso *t, uint32_t n, uint8_t *f, uint32_t len)
{
	uint8_t *tcp = f + t->tcp, *seq = tcp + 4;
	uint32_t at = ((uint32_t)get16(seq) << 16 | get16(seq + 2)) + n * t->frame->gso_size;
	uint32_t pseudo = PROTO_TCP + (len - t->tcp);

	put16(seq, at >> 16);
	put16(seq + 2, at);
	if (n)
		tcp[TCP_FLAGS] &= (uint8_t)~FLAG_CWR;
	if (n + 1 < t->segments)
		tcp[TCP_FLAGS] &= (uint8_t) ~(FLAG_FIN | FLAG_PSH);
	put16(tcp + TCP_CSUM, 0);
	pseudo = t->ip6 ? add(pseudo, f + t->ip + 8, 32) : add(pseudo, f + t->ip + 12, 8);
	put16(tcp + TCP_CSUM, (uint16_t)~fold(add(pseudo, tcp, len - t->tcp)));
}

uint16_t tso_segment(const struct tso *t, uint32_t n, const struct pktbuf *piece, uint8_t *to)
{
	uint16_t headers = t->frame->len, len = (uint16_t)(headers + piece->len);

	memcpy(to, pktbuf_data(t->frame), headers);
	memcpy(to + headers, pktbuf_data(piece), piece->len);
	write_ip(t, n, to + t->ip, len - t->ip);
	write_tcp(t, n, to, len);
	return len;
}
