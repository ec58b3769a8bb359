/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hash and random numbers of a stack instance, from the seed it was given: no entropy source
 * of its own, so that a seed replays. Called by everything that must not be guessed (siphash24:
 * ISNs, ports, hash tables) or merely must differ (stack_random: jitter, IP ids).
 * SipHash-2-4: Aumasson and Bernstein 2012. xoshiro256++: Blackman and Vigna.
 */
#include "tcpip/stack.h"

#include <string.h>

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* The algorithm is defined over little-endian words; so is every machine this runs on. */
uint64_t siphash24(const uint8_t key[16], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t k0, k1, m, v[4], last = (uint64_t)len << 56;
	int i;

	memcpy(&k0, key, 8);
	memcpy(&k1, key + 8, 8);
	v[0] = k0 ^ 0x736f6d6570736575ull;
	v[1] = k1 ^ 0x646f72616e646f6dull;
	v[2] = k0 ^ 0x6c7967656e657261ull;
	v[3] = k1 ^ 0x7465646279746573ull;
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	m = 0;
	memcpy(&m, p, len);
	last |= m;
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The generator's state comes through SipHash under the other half of the seed: who learns it
 * from what it shows on the wire learns nothing about st->secret. */
void stack_random_seed(struct stack *st, const uint8_t seed[32])
{
	uint64_t i;

	memcpy(st->secret, seed, sizeof(st->secret));
	for (i = 0; i < 4; i++)
		st->rng[i] = siphash24(seed + 16, &i, sizeof(i));
	st->rng[0] |= 1; /* all zero would stay zero */
}

uint32_t stack_random(struct stack *st)
{
	uint64_t *s = st->rng, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return (uint32_t)(result >> 32);
}
