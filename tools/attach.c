// SPDX-License-Identifier: BSD-3-Clause
/* A subcommand that is itself a program of the net attaches. Called by ping.c and call.c. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "upcall/sandwire.h"

int cli_attach(const char *net, struct failure *f)
{
	const char *name = net ? net : getenv("SANDWIRE_NET"), *why, *colon;
	int r = sandwire_attach(net);
	char what[96];

	if (!r)
		return 0;
	why = sandwire_why();
	colon = strstr(why, ": ");
	snprintf(what, sizeof(what), "net %s", name && *name ? name : "default");
	return failed(f, what, "%s", colon ? colon + 2 : strerror(-r));
}
