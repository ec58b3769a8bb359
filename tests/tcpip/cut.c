/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/cut.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

enum { FIN = 1, PSH = 8, CWR = 0x80 };

static uint32_t get16(const uint8_t *b)
{
	return (uint32_t)b[0] << 8 | b[1];
}

static void put16(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *b)
{
	return get16(b) << 16 | get16(b + 2);
}

static uint32_t sum_of(const uint8_t *b, uint32_t n, uint32_t sum)
{
	for (; n > 1; b += 2, n -= 2)
		sum += get16(b);
	return n ? sum + ((uint32_t)*b << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* Of the addresses and the protocol: all of the pseudo header but the length. */
static uint16_t pseudo(const uint8_t *ip)
{
	if (ip[0] >> 4 == 6)
		return fold(sum_of(ip + 8, 32, 6));
	return fold(sum_of(ip + 12, 8, 6));
}

static void finish_ip(uint8_t *ip, uint32_t hdr_len, uint32_t whole, uint32_t nth)
{
	if (ip[0] >> 4 == 6) {
		put16(ip + 4, whole - 40);
		return;
	}
	put16(ip + 2, whole);
	put16(ip + 4, get16(ip + 4) + nth);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~fold(sum_of(ip, hdr_len, 0)));
}

void cut_train(const struct pktbuf *train, uint32_t l3, cut_fn *fn, void *arg)
{
	const uint8_t *head = pktbuf_data(train);
	uint32_t l4 = train->csum_start, hdrs = train->len, at = 0, nth = 0;
	const struct pktbuf *p = train->more;
	uint8_t frame[PKTBUF_SIZE], *tcp = frame + l4;

	CHECK(train->flags & PKTBUF_TX_L4_CSUM && train->csum_offset == 16 && train->gso_size);
	CHECK(hdrs == l4 + (head[l4 + 12] >> 4) * 4u && p && p->more);
	CHECK(get16(head + l4 + 16) == pseudo(head + l3));
	CHECK(get16(head + l3 + (head[l3] >> 4 == 6 ? 4 : 2)) ==
	      pktbuf_total(train) - (head[l3] >> 4 == 6 ? l3 + 40 : l3));
	for (; p; p = p->more, nth++) {
		uint32_t len = hdrs + p->len, seq = get32(head + l4 + 4) + at;

		CHECK(p->len && (p->more ? p->len == train->gso_size : p->len <= train->gso_size));
		CHECK(len <= sizeof(frame) && p->off + p->len <= PKTBUF_SIZE);
		memcpy(frame, head, hdrs);
		memcpy(frame + hdrs, pktbuf_data(p), p->len);
		put16(tcp + 4, seq >> 16);
		put16(tcp + 6, seq & 0xffff);
		tcp[13] &= (uint8_t) ~((p->more ? FIN | PSH : 0) | (at ? CWR : 0));
		put16(tcp + 16, 0);
		put16(tcp + 16,
		      (uint16_t)~fold(sum_of(tcp, len - l4, pseudo(head + l3) + len - l4)));
		finish_ip(frame + l3, l4 - l3, len - l3, nth);
		fn(arg, frame, (uint16_t)len);
		at += p->len;
	}
}
