/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A counter that all processes of a net share, and what each of them added. Texts in and out:
 *
 *	add N		"TOTAL OWN\n": after it, of everybody and of the caller; exactly once
 *	stats [FROM]	"total T adds A\nlive N sum S\ndead N sum S\n", then "client ID SUM ADDS\n"
 *			for each live client from FROM on while they fit, then "more FROM\n" if
 *			some do not
 *
 * live sum + dead sum == total, always: all of an addition is one hold of the lock.
 */
#include <errno.h>

#include "sandbox/ext.h"

struct share {
	uint64_t sum, adds;
};

static struct {
	uint64_t total, adds, dead_sum, dead;
} counter;

/* ---- texts --------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *at, *end;
};

static int word(struct reader *r, const char *w)
{
	const uint8_t *p = r->at;

	while (*w && p < r->end && *p == (uint8_t)*w)
		p++, w++;
	if (*w || (p < r->end && *p != ' ' && *p != '\n'))
		return 0;
	while (p < r->end && (*p == ' ' || *p == '\n'))
		p++;
	r->at = p;
	return 1;
}

/* A number and nothing behind it: 0, or -EINVAL. */
static int last_number(struct reader *r, uint64_t *n)
{
	const uint8_t *first = r->at;

	for (*n = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
		if (__builtin_mul_overflow(*n, 10, n) ||
		    __builtin_add_overflow(*n, *r->at - '0', n))
			return -EINVAL;
	if (r->at == first || (r->at < r->end && *r->at != '\n' && *r->at))
		return -EINVAL;
	return 0;
}

/* Writes what fits; `len` goes on counting. */
struct writer {
	uint8_t *at;
	uint64_t len, room;
};

static void put(struct writer *w, const char *text)
{
	for (; *text; text++, w->len++)
		if (w->len < w->room)
			w->at[w->len] = (uint8_t)*text;
}

static void put_number(struct writer *w, const char *before, uint64_t n)
{
	char digits[21];
	unsigned i = sizeof(digits) - 1;

	put(w, before);
	digits[i] = 0;
	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	put(w, digits + i);
}

/* ---- the service --------------------------------------------------------------------------- */

#define ADD_ROOM 42u /* two numbers, a blank, a newline */

static int64_t add(struct ext_call *call, uint64_t n)
{
	struct writer w = {.at = call->block, .room = EXT_BLOCK_MAX};
	struct share *own, after = {0};
	uint64_t total = 0;

	/* Nothing is added whose outcome could not be told. */
	if (call->room < ADD_ROOM)
		return -EMSGSIZE;
	ext_lock(call);
	own = ext_client(call->ext, call->client);
	if (own && !__builtin_add_overflow(counter.total, n, &total)) {
		counter.total = total;
		counter.adds++;
		own->sum += n;
		own->adds++;
		after = *own;
	}
	ext_unlock(call);
	if (!own)
		return -ENOMEM;
	if (!after.adds)
		return -ERANGE;
	put_number(&w, "", total);
	put_number(&w, " ", after.sum);
	put(&w, "\n");
	return (int64_t)w.len;
}

#define MORE_ROOM 12u

static void put_clients(struct ext_call *call, struct writer *w, uint32_t from)
{
	for (uint32_t id = from; id < EXT_CLIENTS; id++) {
		const struct share *share = ext_client_find(call->ext, id);
		uint64_t before = w->len;

		if (!share)
			continue;
		put_number(w, "client ", id);
		put_number(w, " ", share->sum);
		put_number(w, " ", share->adds);
		put(w, "\n");
		if (w->len + MORE_ROOM <= w->room)
			continue;
		w->len = before;
		put_number(w, "more ", id);
		put(w, "\n");
		return;
	}
}

static int64_t stats(struct ext_call *call, uint32_t from)
{
	struct writer w = {.at = call->block, .room = call->room};
	uint64_t sum = 0, live = 0;

	ext_lock(call);
	for (uint32_t id = 1; id < EXT_CLIENTS; id++) {
		const struct share *share = ext_client_find(call->ext, id);

		if (!share)
			continue;
		live++;
		sum += share->sum;
	}
	put_number(&w, "total ", counter.total);
	put_number(&w, " adds ", counter.adds);
	put_number(&w, "\nlive ", live);
	put_number(&w, " sum ", sum);
	put_number(&w, "\ndead ", counter.dead);
	put_number(&w, " sum ", counter.dead_sum);
	put(&w, "\n");
	if (w.len + MORE_ROOM <= w.room)
		put_clients(call, &w, from);
	ext_unlock(call);
	return (int64_t)w.len;
}

static int64_t run(struct ext_call *call)
{
	struct reader r = {call->block, call->block + call->size};
	uint64_t n = 0;

	if (word(&r, "add"))
		return last_number(&r, &n) ? -EINVAL : add(call, n);
	if (!word(&r, "stats"))
		return -EINVAL;
	if (r.at < r.end && last_number(&r, &n))
		return -EINVAL;
	return stats(call, n < EXT_CLIENTS ? (uint32_t)n : EXT_CLIENTS);
}

static void gone(struct ext *ext, uint32_t client, const void *data)
{
	const struct share *share = data;

	if (!share)
		return;
	counter.dead++;
	counter.dead_sum += share->sum;
}

SANDWIRE_EXTENSION(.name = "counter", .client_size = sizeof(struct share), .client_gone = gone,
		   .service = {{"counter", run}});
