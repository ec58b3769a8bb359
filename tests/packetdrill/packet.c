/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of a script: built and injected, and those the stack sent compared, byte by byte where it
 * matters. Written without the stack's own wire formats, which are what is tested. Called by
 * drive.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/packetdrill/drive.h"

#define REMOTE_IP  "192.0.2.1"
#define LOCAL_IP   "192.168.0.1"
#define LISTEN_AT  8080
#define REMOTE_ISS 0xfffffe00u /* soon goes through zero */

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		sum += get16(p);
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t l4_sum(const uint8_t *ip, size_t n)
{
	return sum16(sum16(ip[9] + (uint32_t)n, ip + 12, 8), ip + 20, n);
}

/* ---- options ---- */

/* As bytes; `in`: of a packet to the stack. Returns the length, 0 with a failure when unaligned. */
static size_t options_bytes(const struct conn *c, const struct packet_spec *s, bool in,
			    uint8_t *out)
{
	size_t n = 0, i, k;

	for (i = 0; i < s->n_opts; i++) {
		const struct opt *o = &s->opts[i];

		out[n++] = o->kind;
		switch (o->kind) {
		case 2:
			out[n++] = 4;
			put16(out + n, o->a);
			n += 2;
			break;
		case 3:
			out[n++] = 3;
			out[n++] = (uint8_t)o->a;
			break;
		case 4:
			out[n++] = 2;
			break;
		case 5:
			out[n++] = (uint8_t)(2 + 8 * o->n);
			for (k = 0; k < 2u * o->n; k++, n += 4)
				put32(out + n,
				      o->sack[k] + (in ? c->local_delta : c->remote_delta));
			break;
		case 8: /* the stack's clock is mapped, the script's is used as it is */
			out[n++] = 10;
			put32(out + n, o->a + (in ? 0 : c->ts_delta));
			put32(out + n + 4, o->b + (in && o->b ? c->ts_delta : 0));
			n += 8;
			break;
		case 34:
			out[n++] = (uint8_t)(2 + strlen(o->hex) / 2);
			for (k = 0; o->hex[k]; k += 2)
				out[n++] = (uint8_t)strtoul((char[]){o->hex[k], o->hex[k + 1], 0},
							    NULL, 16);
			break;
		default:
			break;
		}
	}
	return n;
}

/* ---- in ---- */

static void new_passive(struct play *p, const struct packet_spec *s)
{
	struct conn *c = &p->c;

	memset(c, 0, sizeof(*c));
	c->open = c->passive = true;
	inet_pton(AF_INET, LOCAL_IP, &c->local_ip);
	inet_pton(AF_INET, REMOTE_IP, &c->remote_ip);
	c->local_port = LISTEN_AT;
	c->remote_port = p->next_port++;
	c->remote_delta = REMOTE_ISS - s->seq;
	c->remote_first = s->seq + 1;
}

/* A SYN begins another connection, unless it is the one of before again, or answers ours. */
static void prepare(struct play *p, const struct packet_spec *s)
{
	struct conn *c = &p->c;

	if ((s->flags & (SYN | RST)) != SYN)
		return;
	if (!c->open && !(s->flags & ACK)) {
		new_passive(p, s);
	} else if (c->passive && c->answered && !(s->flags & ACK) &&
		   s->seq + 1 == c->remote_first && p->under_test < 0) {
		new_passive(p, s);
	} else if (!c->passive && !c->remote_first) {
		c->remote_delta = REMOTE_ISS - s->seq;
		c->remote_first = s->seq + 1;
	}
}

static size_t ip_header(const struct conn *c, uint8_t *ip, size_t n, uint8_t protocol, int ecn)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = ecn > 0 ? (uint8_t)ecn : 0;
	put16(ip + 2, (uint32_t)n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, &c->remote_ip, 4);
	memcpy(ip + 16, &c->local_ip, 4);
	put16(ip + 10, ~sum16(0, ip, 20));
	return 20;
}

static size_t tcp_in_bytes(const struct conn *c, const struct packet_spec *s, uint8_t *ip)
{
	uint8_t *tcp = ip + 20;
	size_t opts = options_bytes(c, s, true, tcp + 20), hdr = 20 + opts, i;

	memset(tcp, 0, 20);
	put16(tcp, c->remote_port);
	put16(tcp + 2, c->local_port);
	put32(tcp + 4, s->seq + c->remote_delta);
	put32(tcp + 8, s->has_ack ? s->ack + c->local_delta : 0);
	tcp[12] = (uint8_t)(hdr / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 14, s->win);
	put16(tcp + 18, s->urg);
	for (i = 0; i < s->len; i++)
		tcp[hdr + i] = stream_byte(s->seq + i - c->remote_first);
	ip_header(c, ip, 20 + hdr + s->len, 6, s->ecn);
	put16(tcp + 16, ~l4_sum(ip, hdr + s->len));
	return 20 + hdr + s->len;
}

/* An error that quotes what the stack sent with these numbers. */
static size_t icmp_in_bytes(const struct conn *c, const struct packet_spec *s, uint8_t *ip)
{
	struct conn swapped = *c;
	uint8_t *icmp = ip + 20, *quoted = icmp + 8, *tcp = quoted + 20;

	swapped.local_ip = c->remote_ip;
	swapped.remote_ip = c->local_ip;
	memset(icmp, 0, 36);
	icmp[0] = 3;
	icmp[1] = s->icmp_code;
	put16(icmp + 6, s->mtu);
	ip_header(&swapped, quoted, 40 + s->len, 6, -1);
	memset(tcp, 0, 8);
	put16(tcp, c->local_port);
	put16(tcp + 2, c->remote_port);
	put32(tcp + 4, s->seq + c->local_delta);
	ip_header(c, ip, 56, 1, -1);
	put16(icmp + 2, ~sum16(0, icmp, 36));
	return 56;
}

void packet_in(struct play *p, const struct event *e)
{
	const struct packet_spec *s = &e->packet;
	uint8_t *ip = malloc(PACKET_MOST + 1);
	uint8_t trial[80];
	size_t n = 0;

	prepare(p, s);
	if (!ip || s->len > 60000 || options_bytes(&p->c, s, true, trial) % 4) {
		play_fail(p, e->line, "packet too long, or options not padded to 4");
	} else {
		n = s->icmp ? icmp_in_bytes(&p->c, s, ip) : tcp_in_bytes(&p->c, s, ip);
		if (p->t.netdev_send(p->t.userdata, ip, n) < 0)
			play_fail(p, e->line, "netdev_send refused the packet");
	}
	if ((s->flags & (SYN | ACK)) == ACK && p->c.local_known)
		p->c.answered = true;
	free(ip);
}

void packet_reset(struct play *p)
{
	struct packet_spec s = {.flags = RST, .ecn = -1, .seq = p->c.remote_first};
	uint8_t ip[64];

	if (p->c.open && p->c.local_known)
		(void)p->t.netdev_send(p->t.userdata, ip, tcp_in_bytes(&p->c, &s, ip));
}

/* ---- out ---- */

static void learn_active(struct play *p, const uint8_t *ip)
{
	struct conn *c = &p->c;

	memset(c, 0, sizeof(*c));
	c->open = true;
	memcpy(&c->local_ip, ip + 12, 4);
	memcpy(&c->remote_ip, ip + 16, 4);
	c->local_port = (uint16_t)get16(ip + 20);
	c->remote_port = p->connect_port;
}

bool packet_ours(struct play *p, const uint8_t *ip, size_t n)
{
	struct conn *c = &p->c;

	if (n < 40 || ip[0] != 0x45 || ip[9] != 6)
		return false;
	if ((ip[33] & (SYN | ACK)) == SYN && p->connect_port && get16(ip + 22) == p->connect_port &&
	    (!c->open || c->local_port != get16(ip + 20)))
		learn_active(p, ip);
	return c->open && memcmp(ip + 12, &c->local_ip, 4) == 0 &&
	       memcmp(ip + 16, &c->remote_ip, 4) == 0 && get16(ip + 20) == c->local_port &&
	       get16(ip + 22) == c->remote_port;
}

/* The first SYN tells the stack's initial sequence number, the first timestamp its clock. */
static void learn_numbers(struct conn *c, const struct packet_spec *s, const uint8_t *tcp)
{
	size_t i, at = 20, end = (size_t)(tcp[12] >> 4) * 4;

	if (!c->local_known) {
		c->local_known = true;
		c->local_delta = get32(tcp + 4) - s->seq;
		c->local_first = s->seq + ((s->flags & SYN) != 0);
	}
	for (i = 0; i < s->n_opts && s->opts[i].kind != 8; i++)
		;
	if (i == s->n_opts || c->ts_known)
		return;
	while (at + 1 < end && tcp[at] != 8)
		at += tcp[at] < 2 ? 1 : tcp[at + 1] ? tcp[at + 1] : 1;
	if (at + 10 <= end) {
		c->ts_known = true;
		c->ts_delta = get32(tcp + at + 2) - s->opts[i].a;
	}
}

/* Timestamp values may differ by as much as the times may. */
#define TS_TOLERANCE 4u

static bool options_same(const struct conn *c, const struct packet_spec *s, const uint8_t *tcp,
			 size_t len)
{
	uint8_t want[80];
	size_t n = options_bytes(c, s, false, want), at;

	if (n != len)
		return false;
	for (at = 0; at < n; at += want[at] < 2 ? 1 : want[at + 1]) {
		if (want[at] != tcp[20 + at])
			return false;
		if (want[at] < 2)
			continue;
		if (want[at] == 8) {
			if (get32(tcp + 20 + at + 2) - get32(want + at + 2) + TS_TOLERANCE >
				    2 * TS_TOLERANCE ||
			    memcmp(want + at + 6, tcp + 20 + at + 6, 4) != 0)
				return false;
		} else if (memcmp(want + at, tcp + 20 + at, want[at + 1]) != 0) {
			return false;
		}
	}
	return true;
}

static void describe(const struct conn *c, const uint8_t *tcp, size_t len, char *out, size_t room)
{
	static const char letters[] = "FSRP.UEW";
	size_t hdr = (size_t)(tcp[12] >> 4) * 4, i, n = 0;
	uint32_t seq = get32(tcp + 4) - c->local_delta;

	for (i = 0; i < 8; i++)
		if (tcp[13] & 1u << i)
			n += (size_t)snprintf(out + n, room - n, "%c", letters[i]);
	n += (size_t)snprintf(
		out + n, room - n, " %u:%u(%zu) ack %u win %u <", seq, seq + (uint32_t)(len - hdr),
		len - hdr, tcp[13] & ACK ? get32(tcp + 8) - c->remote_delta : 0, get16(tcp + 14));
	for (i = 20; i < hdr; i++)
		n += (size_t)snprintf(out + n, room - n, "%02x", tcp[i]);
	snprintf(out + n, room - n, ">");
}

static const char *difference(const struct conn *c, const struct packet_spec *s, const uint8_t *ip,
			      size_t n)
{
	const uint8_t *tcp = ip + 20;
	size_t hdr = (size_t)(tcp[12] >> 4) * 4, i, len = n - 20 - hdr;

	if (sum16(0, ip, 20) != 0xffff || l4_sum(ip, n - 20) != 0xffff)
		return "checksum";
	if (get16(ip + 2) != n)
		return "IP length";
	if (tcp[13] != s->flags)
		return "flags";
	if (get32(tcp + 4) - c->local_delta != s->seq)
		return "sequence number";
	if (len != s->len)
		return "length";
	if (s->has_ack && get32(tcp + 8) - c->remote_delta != s->ack)
		return "acknowledgment number";
	if (s->has_win && get16(tcp + 14) != s->win)
		return "window";
	if (get16(tcp + 18) != s->urg)
		return "urgent pointer";
	if (!s->any_opts && !options_same(c, s, tcp, hdr - 20))
		return "options";
	if (s->ecn >= 0 && (ip[1] & 3) != s->ecn)
		return "ECN bits";
	for (i = 0; i < len; i++)
		if (tcp[hdr + i] != stream_byte(s->seq + i - c->local_first))
			return "payload";
	return NULL;
}

/* ---- segments joined ---- */

size_t packet_payload(const uint8_t *ip, size_t n)
{
	size_t hdr = 20 + (size_t)(ip[32] >> 4) * 4;

	return n > hdr ? n - hdr : 0;
}

/* The length of all but the last, and what their headers say, is the same; PSH and FIN are the
 * last one's. */
const char *packet_join(uint8_t *ip, size_t *n, const uint8_t *next, size_t m, size_t mss)
{
	size_t len = packet_payload(next, m), sofar = packet_payload(ip, *n), hdr = *n - sofar;

	if (m - len != hdr || ip[1] != next[1] || memcmp(ip + 8, next + 8, 2) != 0 ||
	    memcmp(ip + 28, next + 28, 4) != 0 || memcmp(ip + 34, next + 34, 2) != 0)
		return "header of a segment of it";
	if (get32(next + 24) != get32(ip + 24) + sofar || sofar % mss || !len || len > mss)
		return "length of a segment of it";
	if (l4_sum(ip, *n - 20) != 0xffff || l4_sum(next, m - 20) != 0xffff)
		return "checksum of a segment of it";
	if (*n + len > PACKET_MOST)
		return "length of all";
	memcpy(ip + *n, next + hdr, len);
	*n += len;
	ip[33] = (uint8_t)((ip[33] & ~(FIN | PSH)) | (next[33] & (FIN | PSH)));
	put16(ip + 2, (uint32_t)*n);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum16(0, ip, 20));
	put16(ip + 36, 0);
	put16(ip + 36, ~l4_sum(ip, *n - 20));
	return NULL;
}

void packet_out(struct play *p, const struct event *e, const uint8_t *ip, size_t n)
{
	const struct packet_spec *s = &e->packet;
	char got[256];
	const char *what;

	learn_numbers(&p->c, s, ip + 20);
	what = difference(&p->c, s, ip, n);
	if (!what)
		return;
	describe(&p->c, ip + 20, n - 20, got, sizeof(got));
	play_fail(p, e->line, "%s differs: the stack sent %s", what, got);
}
