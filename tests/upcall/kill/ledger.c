/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An extension that tells whether calls are made once: each row's calls carry the numbers 1, 2, 3,
 * and it keeps the last. "ledger": a struct ledger_entry; the number of calls of that row that were
 * not next in turn, a uint32_t. "ledger-read": a row; the last numbers from that one on.
 */
#include <errno.h>

#include "sandbox/ext.h"
#include "tests/upcall/kill/kill.h"

static uint32_t last[ROWS];
static uint8_t wrong[ROWS];

static int64_t enter(struct ext_call *call)
{
	struct ledger_entry e;
	uint32_t bad;

	if (call->size != sizeof(e))
		return -EINVAL;
	memcpy(&e, call->block, sizeof(e));
	if (e.row >= ROWS)
		return -EINVAL;
	ext_lock(call);
	if (e.number != last[e.row] + 1)
		wrong[e.row]++;
	else
		last[e.row] = e.number;
	bad = wrong[e.row];
	ext_unlock(call);
	memcpy(call->block, &bad, sizeof(bad));
	return sizeof(bad);
}

static int64_t show(struct ext_call *call)
{
	uint32_t row, n;

	if (call->size != sizeof(row))
		return -EINVAL;
	memcpy(&row, call->block, sizeof(row));
	if (row >= ROWS)
		return -EINVAL;
	ext_lock(call);
	/* A row in which a call came out of turn shows a number that no caller has. */
	for (n = 0; n < call->room / 4 && row + n < ROWS; n++) {
		uint32_t number = wrong[row + n] ? UINT32_MAX : last[row + n];

		memcpy(call->block + n * 4, &number, 4);
	}
	ext_unlock(call);
	return n * 4;
}

SANDWIRE_EXTENSION(.name = "ledger", .service = {{"ledger", enter}, {"ledger-read", show}});
