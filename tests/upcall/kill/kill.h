/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the processes of the kill campaign share: a row for each thread that ever lived, in which
 * everybody who took part in its work keeps his own count. Afterwards the counts are compared.
 */
#ifndef TESTS_UPCALL_KILL_H
#define TESTS_UPCALL_KILL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PORT	     6000
#define THREADS	     4u
#define INCARNATIONS 4096u /* of one campaign; the first two are never killed */
#define ROWS	     (INCARNATIONS * THREADS)
#define STALLS	     8u
#define BLOCK	     16384u
#define PATIENCE_MS  20000 /* for what a living peer must answer */

enum { CONTROL, SURVIVOR, FIRST_VICTIM }; /* incarnations */

/* Numbers that came: the highest, and a bit for each of the 64 up to it. */
struct seen {
	uint32_t highest;
	uint64_t below;
};

/* False: this one came before, or so late that nobody knows. */
static inline bool see(struct seen *s, uint32_t number, atomic_uint *overtaken)
{
	uint32_t by = number > s->highest ? number - s->highest : s->highest - number;

	if (number > s->highest) {
		s->below = by < 64 ? s->below << by | 1 : 1;
		s->highest = number;
		return true;
	}
	if (by >= 64 || s->below >> by & 1)
		return false;
	s->below |= 1ull << by;
	atomic_fetch_add(overtaken, 1);
	return true;
}

/* The seed makes all choices. */
static inline uint32_t roll(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % below;
}

/* Counts only grow. The thread writes "begun" before a call, "told" when it has returned. */
struct row {
	atomic_int tid;			     /* 0: not there, or not any more */
	atomic_uint calls_begun, calls_told; /* of the ledger, which numbers them */
	atomic_uint adds_begun, adds_told;   /* of the counter */
	atomic_uint streams_begun, streams_done;
	atomic_uint datagrams, port; /* port: of the socket they leave by */
	/* the peer's */
	atomic_uint peer_streams, peer_cut; /* whole, and ended early */
	struct seen peer_seen;		    /* datagrams */
};

struct stall {
	double ms, host_ms;
	char verb[16];
};

struct shared {
	atomic_bool stop, peer_ready;
	atomic_int failures;
	char failure[256]; /* the first */
	/* the peer's, but that clients too count what was overtaken */
	atomic_uint peer_open, peer_wrong, overtaken;
	atomic_ullong peer_bytes;
	/* the control client's */
	atomic_ulong timed;
	struct stall stalls[STALLS]; /* the longest, longest first */
	struct row row[ROWS];
};
extern struct shared *sh;

/* At the head of a stream, and a whole datagram: who sends, which one, and how much follows. */
struct head {
	uint32_t row, number, length;
};

/* Byte i of a stream: a part that is lost or comes twice moves the rest, and that shows. */
static inline uint8_t pattern(const struct head *h, uint32_t i)
{
	return (uint8_t)((i ^ i >> 8 ^ i >> 16) * 31 + h->row * 7 + h->number);
}

/* The ledger's argument; its result is a uint32_t. */
struct ledger_entry {
	uint32_t row, number;
};

void failure(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Each is a process's whole life, begun by fork. */
void client(uint32_t incarnation, uint64_t seed) __attribute__((noreturn));
void control(void) __attribute__((noreturn));

#endif
