/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwire up: becomes sandwired, which knows the options, and which returns to the shell when the
 * net is ready or says why not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/say.h"

int cmd_up(int argc, char **argv)
{
	char self[512], path[600];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	(void)argc;
	argv[0] = "sandwired";
	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
		*slash = 0;
		snprintf(path, sizeof(path), "%s/sandwired", self);
		execv(path, argv);
	}
	execv(SANDWIRED_PATH, argv);
	say_error("sandwired", "%s: %s", SANDWIRED_PATH, strerror(errno));
	return 1;
}
