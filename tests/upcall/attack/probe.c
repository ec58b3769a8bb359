/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads, writes and executes every part of the segment from where no upcall is. */
#include "tests/upcall/attack/attack.h"

static atomic_bool stop;

static void from_the_thread(void)
{
	struct attacker *a = join();
	unsigned n = 0, through = probe_all(a, &n);

	through += works(a) ? probe_all(a, &n) : 1;
	expect(!through && n > 1000, "the thread itself reaches no part", "%u of %u probes",
	       through, n);
}

static void *calls(void *arg)
{
	static char bytes[1400];
	struct attacker *a = arg;
	int fd = udp_socket(a);

	while (!atomic_load(&stop)) {
		call(a, a->fd, CALL_TURN, 0, 0, 0);
		udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)bytes, sizeof(bytes), peer_ip, 9);
	}
	close(fd);
	return NULL;
}

static void from_a_sibling(void)
{
	struct attacker *a = join();
	unsigned n = 0, through = 0;
	pthread_t t[2];
	struct park p;

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, calls, a);
	for (int i = 0; i < (thorough ? 200 : 3); i++)
		through += probe_all(a, &n);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	expect(!through, "a sibling reaches nothing while two threads are in upcalls",
	       "%u of %u probes", through, n);
	park(&p, a, CALL_SEND);
	n = through = 0;
	for (int cpu = 0; cpu < cpus(); cpu++) {
		pin(cpu);
		through += probe_all(a, &n);
	}
	expect(!through, "nor, on any CPU, while one stands in mid-call", "%u of %u probes",
	       through, n);
	expect(unpark(&p) == 100, "and that call ends as usual", "%ld", (long)p.result);
}

/* What the CPU may still have in its TLB. */
static void after_exit(void)
{
	struct attacker *a = join();
	unsigned n = 0, through = 0;

	for (unsigned i = 0; i < (thorough ? 100000u : 2000u); i++, n++) {
		uint64_t at = part_addr(a, i % part_count());

		call(a, a->fd, i & 1 ? CALL_TURN : CALL_NULL, 0, 0, 0);
		if (i % 32 == 0) /* slow */
			pin((int)(i / 32) % cpus());
		through += !probe(i & 4 ? PROBE_WRITE : PROBE_READ, at);
	}
	expect(!through, "nothing is left open behind an upcall, on its CPU and on the other",
	       "%u of %u probes", through, n);
}

static void by_a_stranger(void)
{
	struct attacker a = {.fd = open(SW_DEVICE, O_RDWR)};
	unsigned n = 0, through = probe_all(&a, &n);
	int64_t res;

	expect(!through, "who never attached reaches nothing", "%u of %u probes", through, n);
	expect(enter(a.fd, 0, &res) == -ENOTCONN, "and cannot enter", "%s", strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"probe-thread", from_the_thread, 0},
					     {"probe-sibling", from_a_sibling, 0},
					     {"probe-after-exit", after_exit, 0},
					     {"probe-stranger", by_a_stranger, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
