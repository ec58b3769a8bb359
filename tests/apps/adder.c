// SPDX-License-Identifier: BSD-3-Clause
/*
 * adder ROUNDS THREADS: calls "counter", "add 1" from some threads (ROUNDS 0: until killed), and
 * sees that nothing is lost or done twice: for a thread totals only grow, and all that this process
 * was told of its own is each number once.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upcall/sandwire.h"

static unsigned long rounds;
static _Atomic unsigned long long told, calls, highest;

static void *run(void *arg)
{
	unsigned long long total, own, before = 0;
	char text[65];

	for (unsigned long i = 0; !rounds || i < rounds; i++) {
		ssize_t n = sandwire_call("counter", "add 1", 5, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = 0;
		if (sscanf(text, "%llu %llu", &total, &own) != 2 || total <= before) {
			fprintf(stderr, "adder: %zd, \"%s\" after %llu%s\n", n, text, before,
				n < 0 ? strerror((int)-n) : "");
			exit(1);
		}
		before = total;
		atomic_fetch_add(&told, own);
		atomic_fetch_add(&calls, 1);
		for (unsigned long long h = highest;
		     own > h && !atomic_compare_exchange_weak(&highest, &h, own);)
			;
	}
	return arg;
}

int main(int argc, char **argv)
{
	unsigned threads = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	pthread_t t[16];

	if (!threads || threads > 16 || sandwire_attach(NULL)) {
		fprintf(stderr, "adder ROUNDS THREADS (1 to 16): %s\n", sandwire_why());
		return 2;
	}
	rounds = strtoul(argv[1], NULL, 10);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, run, NULL);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%llu calls, own %llu\n", calls, highest);
	/* 1 + 2 + ... + calls, or a number came twice or not at all. */
	return highest == calls && told == calls * (calls + 1) / 2 ? 0 : 1;
}
