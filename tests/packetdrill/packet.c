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

/* ---- IP ---- */

static bool is6(const uint8_t *ip)
{
	return ip[0] >> 4 == 6;
}

/* No options, no extension headers. */
static size_t ip_len(const uint8_t *ip)
{
	return is6(ip) ? 40 : 20;
}

static uint8_t protocol(const uint8_t *ip)
{
	return is6(ip) ? ip[6] : ip[9];
}

static uint8_t traffic_class(const uint8_t *ip)
{
	return is6(ip) ? (uint8_t)(get16(ip) >> 4) : ip[1];
}

static const uint8_t *source(const uint8_t *ip)
{
	return ip + (is6(ip) ? 8 : 12);
}

static size_t addr_len(const uint8_t *ip)
{
	return is6(ip) ? 16 : 4;
}

static const uint8_t *destination(const uint8_t *ip)
{
	return source(ip) + addr_len(ip);
}

/* Of what the IP header is in front of, n bytes. */
static uint32_t l4_sum(const uint8_t *ip, size_t n)
{
	uint32_t sum = sum16(protocol(ip) + (uint32_t)n, source(ip), 2 * addr_len(ip));

	return sum16(sum, ip + ip_len(ip), n);
}

static bool ip_right(const uint8_t *ip, size_t n)
{
	if (is6(ip))
		return get16(ip + 4) + 40 == n;
	return get16(ip + 2) == n && sum16(0, ip, 20) == 0xffff;
}

/* A header for n bytes of packet, from the script's side (in), or to it as the stack sends them. */
static size_t ip_header(const struct play *p, uint8_t *ip, size_t n, uint8_t proto, int ecn,
			bool in)
{
	const uint8_t *from = in ? p->c.remote_ip : p->c.local_ip;
	const uint8_t *to = in ? p->c.local_ip : p->c.remote_ip;

	if (p->version == IPV6) {
		memset(ip, 0, 8);
		put16(ip, 0x6000 | (ecn > 0 ? (uint32_t)ecn << 4 : 0));
		put16(ip + 4, (uint32_t)n - 40);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, to, 16);
		return 40;
	}
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = ecn > 0 ? (uint8_t)ecn : 0;
	put16(ip + 2, (uint32_t)n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	put16(ip + 10, ~sum16(0, ip, 20));
	return 20;
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
		case 254: /* the experiment's number comes first */
			out[n++] = (uint8_t)((o->kind == 34 ? 2 : 4) + strlen(o->hex) / 2);
			if (o->kind == 254) {
				put16(out + n, 0xf989);
				n += 2;
			}
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
	if (p->version == IPV6) {
		inet_pton(AF_INET6, LOCAL_IP6, c->local_ip);
		inet_pton(AF_INET6, REMOTE_IP6, c->remote_ip);
	} else {
		inet_pton(AF_INET, LOCAL_IP, c->local_ip);
		inet_pton(AF_INET, REMOTE_IP, c->remote_ip);
	}
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

/* Data on a SYN is behind it. */
static uint32_t first_byte(const struct packet_spec *s)
{
	return s->seq + ((s->flags & SYN) != 0);
}

static size_t tcp_in_bytes(const struct play *p, const struct packet_spec *s, uint8_t *ip)
{
	const struct conn *c = &p->c;
	size_t at = p->version == IPV6 ? 40 : 20, opts, hdr, i;
	uint8_t *tcp = ip + at;

	opts = options_bytes(c, s, true, tcp + 20);
	hdr = 20 + opts;
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
		tcp[hdr + i] = stream_byte(first_byte(s) + i - c->remote_first);
	ip_header(p, ip, at + hdr + s->len, 6, s->ecn, true);
	put16(tcp + 16, ~l4_sum(ip, hdr + s->len));
	return at + hdr + s->len;
}

/* ICMP's codes of "unreachable" by ICMPv6's, RFC 4443 3.1; frag_needed is "too big", of a link that
 * takes as much payload as IPv4's would. */
static void icmp_head(const struct play *p, const struct packet_spec *s, uint8_t *icmp)
{
	static const uint8_t codes6[] = {0, 3, 1, 4};

	memset(icmp, 0, 8);
	if (p->version != IPV6) {
		icmp[0] = 3;
		icmp[1] = s->icmp_code;
		put16(icmp + 6, s->mtu);
	} else if (s->icmp_code == 4) {
		icmp[0] = 2;
		put32(icmp + 4, s->mtu + 20);
	} else {
		icmp[0] = 1;
		icmp[1] = codes6[s->icmp_code];
	}
}

/* An error that quotes what the stack sent with these numbers. */
static size_t icmp_in_bytes(const struct play *p, const struct packet_spec *s, uint8_t *ip)
{
	size_t at = p->version == IPV6 ? 40 : 20, len = 8 + at + 20;
	uint8_t *icmp = ip + at, *quoted = icmp + 8, *tcp = quoted + at;

	icmp_head(p, s, icmp);
	ip_header(p, quoted, at + 20 + s->len, 6, -1, false);
	memset(tcp, 0, 20);
	put16(tcp, p->c.local_port);
	put16(tcp + 2, p->c.remote_port);
	put32(tcp + 4, s->seq + p->c.local_delta);
	tcp[12] = 5 << 4;
	ip_header(p, ip, at + len, p->version == IPV6 ? 58 : 1, -1, true);
	put16(icmp + 2, p->version == IPV6 ? ~l4_sum(ip, len) : ~sum16(0, icmp, len));
	return at + len;
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
		n = s->icmp ? icmp_in_bytes(p, s, ip) : tcp_in_bytes(p, s, ip);
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
	uint8_t ip[80];

	if (p->c.open && p->c.local_known)
		(void)p->t.netdev_send(p->t.userdata, ip, tcp_in_bytes(p, &s, ip));
}

/* ---- out ---- */

static void learn_active(struct play *p, const uint8_t *ip)
{
	struct conn *c = &p->c;

	memset(c, 0, sizeof(*c));
	c->open = true;
	memcpy(c->local_ip, source(ip), addr_len(ip));
	memcpy(c->remote_ip, destination(ip), addr_len(ip));
	c->local_port = (uint16_t)get16(ip + ip_len(ip));
	c->remote_port = p->connect_port;
}

bool packet_ours(struct play *p, const uint8_t *ip, size_t n)
{
	const uint8_t *tcp = ip + ip_len(ip);
	struct conn *c = &p->c;

	if (n < ip_len(ip) + 20 || is6(ip) != (p->version == IPV6) || protocol(ip) != 6)
		return false;
	if ((tcp[13] & (SYN | ACK)) == SYN && p->connect_port &&
	    get16(tcp + 2) == p->connect_port && (!c->open || c->local_port != get16(tcp)))
		learn_active(p, ip);
	return c->open && memcmp(source(ip), c->local_ip, addr_len(ip)) == 0 &&
	       memcmp(destination(ip), c->remote_ip, addr_len(ip)) == 0 &&
	       get16(tcp) == c->local_port && get16(tcp + 2) == c->remote_port;
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

/* ---- segments joined ---- */

size_t packet_payload(const uint8_t *ip, size_t n)
{
	size_t hdr = ip_len(ip) + (size_t)(ip[ip_len(ip) + 12] >> 4) * 4;

	return n > hdr ? n - hdr : 0;
}

static void set_len(uint8_t *ip, size_t n)
{
	uint8_t *tcp = ip + ip_len(ip);

	if (is6(ip)) {
		put16(ip + 4, (uint32_t)n - 40);
	} else {
		put16(ip + 2, (uint32_t)n);
		put16(ip + 10, 0);
		put16(ip + 10, ~sum16(0, ip, 20));
	}
	put16(tcp + 16, 0);
	put16(tcp + 16, ~l4_sum(ip, n - ip_len(ip)));
}

/* The length of all but the last, and what their headers say, is the same; PSH and FIN are the
 * last one's. */
const char *packet_join(uint8_t *ip, size_t *n, const uint8_t *next, size_t m, size_t mss)
{
	size_t len = packet_payload(next, m), sofar = packet_payload(ip, *n), hdr = *n - sofar;
	uint8_t *tcp = ip + ip_len(ip);
	const uint8_t *more = next + ip_len(next);

	if (m - len != hdr || traffic_class(ip) != traffic_class(next) ||
	    memcmp(tcp + 8, more + 8, 4) != 0 || memcmp(tcp + 14, more + 14, 2) != 0)
		return "header of a segment of it";
	if (get32(more + 4) != get32(tcp + 4) + sofar || sofar % mss || !len || len > mss)
		return "length of a segment of it";
	if (l4_sum(ip, *n - ip_len(ip)) != 0xffff || l4_sum(next, m - ip_len(next)) != 0xffff)
		return "checksum of a segment of it";
	if (*n + len > PACKET_MOST)
		return "length of all";
	memcpy(ip + *n, next + hdr, len);
	*n += len;
	tcp[13] = (uint8_t)((tcp[13] & ~(FIN | PSH)) | (more[13] & (FIN | PSH)));
	set_len(ip, *n);
	return NULL;
}

static const char *difference(const struct conn *c, const struct packet_spec *s, const uint8_t *ip,
			      size_t n)
{
	const uint8_t *tcp = ip + ip_len(ip);
	size_t hdr = (size_t)(tcp[12] >> 4) * 4, i, len = packet_payload(ip, n);

	if (!ip_right(ip, n))
		return "IP length or checksum";
	if (l4_sum(ip, n - ip_len(ip)) != 0xffff)
		return "checksum";
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
	if (s->ecn >= 0 && (traffic_class(ip) & 3) != s->ecn)
		return "ECN bits";
	for (i = 0; i < len; i++)
		if (tcp[hdr + i] != stream_byte(first_byte(s) + i - c->local_first))
			return "payload";
	return NULL;
}

void packet_out(struct play *p, const struct event *e, const uint8_t *ip, size_t n)
{
	const struct packet_spec *s = &e->packet;
	char got[256];
	const char *what;

	learn_numbers(&p->c, s, ip + ip_len(ip));
	what = difference(&p->c, s, ip, n);
	if (!what)
		return;
	describe(&p->c, ip + ip_len(ip), n - ip_len(ip), got, sizeof(got));
	play_fail(p, e->line, "%s differs: the stack sent %s", what, got);
}
