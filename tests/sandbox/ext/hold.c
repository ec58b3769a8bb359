/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An extension whose callers stay inside, for tests of unloading: "hold MS" returns when "release"
 * was called, or after so many milliseconds. Sleeps in system calls, outside the lock.
 */
#include <errno.h>

#include "sandbox/ext.h"

#define SYS_NANOSLEEP 35
#define HOLD_MS	      20000

static uint64_t releases, inside;

static int64_t hold(struct ext_call *call)
{
	/* struct timespec. Not often: whoever loses the CPU in the lock while others wait for it
	 * loses the call to the daemon, who would stand here in his place. */
	static const long a_while[2] = {0, 50000000};
	uint64_t until, mine, limit = 0;

	for (uint32_t i = 0; i < call->size; i++)
		limit = limit * 10 + (uint64_t)(call->block[i] - '0');
	ext_lock(call);
	mine = releases;
	until = ext_now(call->ext) + (limit ? limit : HOLD_MS) * 1000000;
	inside++;
	ext_unlock(call);
	for (;;) {
		uint64_t now, done;

		ext_lock(call);
		now = ext_now(call->ext);
		done = releases != mine;
		if (done || now >= until)
			inside--;
		ext_unlock(call);
		if (done || now >= until)
			return done ? 0 : -ETIMEDOUT;
		ext_syscall(SYS_NANOSLEEP, (long)a_while, 0, 0, 0, 0, 0);
	}
}

static int64_t release(struct ext_call *call)
{
	ext_lock(call);
	releases++;
	ext_unlock(call);
	return 0;
}

/* How many are inside, as a digit. */
static int64_t held(struct ext_call *call)
{
	ext_lock(call);
	call->block[0] = (uint8_t)('0' + inside % 10);
	ext_unlock(call);
	return 1;
}

SANDWIRE_EXTENSION(.name = "hold",
		   .service = {{"hold", hold}, {"release", release}, {"held", held}});
