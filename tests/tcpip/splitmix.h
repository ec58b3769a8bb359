/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that look random and come again with the same seed. */
#ifndef TESTS_TCPIP_SPLITMIX_H
#define TESTS_TCPIP_SPLITMIX_H

#include <stdint.h>

static inline uint64_t splitmix64(uint64_t *rng)
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

#endif
