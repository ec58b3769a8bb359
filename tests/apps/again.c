// SPDX-License-Identifier: BSD-3-Clause
/* again: calls "counter", "add 1" as it is, as a child after fork, and attached a second time;
 * prints the totals. Each of them is a client of its own, which must find the extension for itself.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "upcall/sandwire.h"

static void add(void)
{
	char text[64];
	ssize_t n = sandwire_call("counter", "add 1", 5, text, sizeof(text));

	printf("%.*s", n > 0 ? (int)n : 0, text);
	if (n < 0)
		printf("%zd %s\n", n, sandwire_why());
	fflush(stdout);
}

int main(void)
{
	pid_t child;

	add();
	child = fork();
	if (!child) {
		add();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	if (sandwire_detach())
		return 1;
	add();
	return 0;
}
