/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "tcpip/stack.h"
#include "tests/tcpip/cases.h"

START_TEST(siphash_gives_the_reference_vectors)
{
	/* Aumasson and Bernstein 2012, appendix A, and its reference code's first vectors. */
	static const uint64_t want[] = {
		0x726fdb47dd0e0e31ull, 0x74f839c593dc67fdull, 0x0d6c8009d9a94f5aull,
		0x85676696d7fb7e2dull, 0xcf2794e0277187b7ull, 0x18765564cd99a68dull,
		0xcbc9466e58fee3ceull, 0xab0200f58b01d137ull, 0x93f5f5799a932462ull};
	uint8_t key[16], data[16];

	for (unsigned i = 0; i < 16; i++)
		key[i] = data[i] = (uint8_t)i;
	for (unsigned len = 0; len < 9; len++)
		ck_assert_uint_eq(siphash24(key, data, len), want[len]);
	ck_assert_uint_eq(siphash24(key, data, 15), 0xa129ca6149be45e5ull);
}
END_TEST

START_TEST(a_seed_replays_and_another_differs)
{
	static struct stack a, b, c;
	uint8_t seed[32] = {1};

	stack_random_seed(&a, seed);
	stack_random_seed(&b, seed);
	seed[31] = 1;
	stack_random_seed(&c, seed);
	for (int i = 0; i < 100; i++) {
		uint32_t x = stack_random(&a);

		ck_assert_uint_eq(x, stack_random(&b));
		ck_assert_uint_ne(x, stack_random(&c));
	}
}
END_TEST

START_TEST(a_zero_seed_still_gives_numbers)
{
	static struct stack a;
	uint8_t seed[32] = {0};
	uint32_t all = 0;

	stack_random_seed(&a, seed);
	for (int i = 0; i < 64; i++)
		all |= stack_random(&a);
	ck_assert_uint_eq(all, 0xffffffffu);
}
END_TEST

int main(void)
{
	return run_cases("random",
			 CASES(siphash_gives_the_reference_vectors,
			       a_seed_replays_and_another_differs, a_zero_seed_still_gives_numbers),
			 NULL, NULL);
}
