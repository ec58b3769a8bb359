/* SPDX-License-Identifier: BSD-3-Clause */
/* The smallest extension: a service that gives its argument back. For measurements, and to copy. */
#include "sandbox/ext.h"

static int64_t echo(struct ext_call *call)
{
	return call->size;
}

SANDWIRE_EXTENSION(.name = "echo", .service = {{"echo", echo}});
