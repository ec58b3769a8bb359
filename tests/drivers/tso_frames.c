// SPDX-License-Identifier: BSD-3-Clause
/* Frames to be cut up, and their segments: all fields, both checksums, every byte of payload. */
#include "tests/drivers/tso_frames.h"

#include <check.h>
#include <string.h>

#define ID  0xfffeu	/* wraps at the third segment */
#define SEQ 0xfffff000u /* wraps within the first few */

const struct tso_shape tso_shapes[TSO_SHAPES] = {
	{.gso = 1460, .last = 1460, .segments = 2, .flags = TSO_ACK},
	{.gso = 1448, .last = 1, .segments = 16, .tcp_options = 12, .flags = TSO_ACK | TSO_PSH},
	{.gso = 1460, .last = 731, .segments = 9, .vlan = true, .flags = TSO_ACK | TSO_FIN},
	{.gso = 1380, .last = 3, .segments = 4, .ip_options = 40, .tcp_options = 40, .vlan = true},
	{.gso = 17, .last = 5, .segments = 16, .flags = TSO_ACK | TSO_PSH},
	{.gso = 1001, .last = 1001, .segments = 1, .flags = TSO_ACK | TSO_FIN},
	{.gso = 4000 / 3, .last = 2, .segments = 1, .flags = TSO_ACK},
	{.gso = 1440, .last = 1440, .segments = 16, .ip6 = true, .flags = TSO_ACK},
	{.gso = 1428, .last = 77, .segments = 5, .ip6 = true, .vlan = true, .tcp_options = 12},
	{.gso = 535, .last = 4, .segments = 7, .ip6 = true, .flags = TSO_ACK | TSO_PSH | TSO_FIN},
};

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint16_t sum16(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 31);
}

static uint16_t ip_at(const struct tso_shape *s)
{
	return s->vlan ? 18 : 14;
}

static uint16_t tcp_at(const struct tso_shape *s)
{
	return (uint16_t)(ip_at(s) + (s->ip6 ? 40 : 20 + s->ip_options));
}

uint16_t tso_headers(const struct tso_shape *s)
{
	return (uint16_t)(tcp_at(s) + 20 + s->tcp_options);
}

static uint16_t pseudo(const struct tso_shape *s, const uint8_t *f, uint32_t len)
{
	const uint8_t *ip = f + ip_at(s);

	return s->ip6 ? sum16(ip + 8, 32, 6 + len) : sum16(ip + 12, 8, 6 + len);
}

static void write_headers(const struct tso_shape *s, uint8_t *f, uint32_t total)
{
	uint8_t *ip = f + ip_at(s), *tcp = f + tcp_at(s);

	memset(f, 1, tso_headers(s)); /* options: no-operations */
	memcpy(f, (const uint8_t[]){2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1}, 12);
	if (s->vlan)
		memcpy(f + 12, (const uint8_t[]){0x81, 0, 0, 7}, 4);
	put16(ip - 2, s->ip6 ? 0x86dd : 0x0800);
	for (unsigned i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(0x20 + i); /* addresses */
	if (s->ip6) {
		memcpy(ip, (const uint8_t[]){0x60, 2, 0, 3, 0, 0, 6, 64}, 8);
		put16(ip + 4, total - ip_at(s) - 40);
	} else {
		memset(ip + 20, 1, s->ip_options);
		memcpy(ip,
		       (const uint8_t[]){(uint8_t)(0x45 + s->ip_options / 4), 2, 0, 0, 0, 0, 0x40,
					 0, 64, 6, 0, 0},
		       12);
		put16(ip + 2, total - ip_at(s));
		put16(ip + 4, ID);
		put16(ip + 10, (uint16_t)~sum16(ip, 20u + s->ip_options, 0));
	}
	put16(tcp + 4, SEQ >> 16);
	put16(tcp + 6, SEQ);
	tcp[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 16, pseudo(s, f, 0));
}

struct pktbuf *tso_frame(struct pktbuf_pool *pool, const struct tso_shape *s)
{
	struct pktbuf *head = pktbuf_alloc(pool), **at;
	uint32_t done = 0;

	if (!head)
		return NULL;
	at = &head->more;
	for (unsigned i = 0; i < s->segments; i++) {
		struct pktbuf *piece = pktbuf_alloc(pool);

		if (!piece) {
			pktbuf_free(head);
			return NULL;
		}
		piece->off += (uint16_t)(i % 3); /* payload is not aligned */
		piece->len = i + 1 < s->segments ? s->gso : s->last;
		for (unsigned k = 0; k < piece->len; k++)
			pktbuf_data(piece)[k] = byte_at(done + k);
		done += piece->len;
		*at = piece;
		at = &piece->more;
	}
	head->len = tso_headers(s);
	write_headers(s, pktbuf_data(head), head->len + done);
	head->flags = PKTBUF_TX_TSO | PKTBUF_TX_L4_CSUM;
	head->gso_size = s->gso;
	head->csum_start = tcp_at(s);
	head->csum_offset = 16;
	return head;
}

void tso_expect(const struct tso_shape *s, unsigned n, const uint8_t *f, size_t len)
{
	const uint8_t *ip = f + ip_at(s), *tcp = f + tcp_at(s);
	uint32_t at = n * s->gso;
	uint8_t want[PKTBUF_SIZE], flags = s->flags;

	ck_assert_uint_lt(n, s->segments);
	ck_assert_uint_eq(len, tso_headers(s) + (n + 1u < s->segments ? s->gso : s->last));
	if (n + 1 < s->segments)
		flags &= (uint8_t) ~(TSO_FIN | TSO_PSH);
	ck_assert_uint_eq(tcp[13], flags);
	ck_assert_uint_eq(get16(tcp + 4) << 16 | get16(tcp + 6), SEQ + at);
	if (s->ip6) {
		ck_assert_uint_eq(get16(ip + 4), len - ip_at(s) - 40);
	} else {
		ck_assert_uint_eq(get16(ip + 2), len - ip_at(s));
		ck_assert_uint_eq(get16(ip + 4), (ID + n) & 0xffff);
		ck_assert_uint_eq(sum16(ip, 20u + s->ip_options, 0), 0xffff);
	}
	ck_assert_uint_eq(sum16(tcp, len - tcp_at(s), pseudo(s, f, (uint32_t)(len - tcp_at(s)))),
			  0xffff);
	for (size_t i = tso_headers(s); i < len; i++)
		want[i] = byte_at(at + (uint32_t)i - tso_headers(s));
	/* All else is as in the frame. */
	write_headers(s, want, (uint32_t)len);
	if (!s->ip6)
		memcpy(want + ip_at(s) + 4, ip + 4, 2);
	if (!s->ip6)
		memcpy(want + ip_at(s) + 10, ip + 10, 2);
	memcpy(want + tcp_at(s) + 4, tcp + 4, 4);
	want[tcp_at(s) + 13] = tcp[13];
	memcpy(want + tcp_at(s) + 16, tcp + 16, 2);
	ck_assert_mem_eq(f, want, len);
}
