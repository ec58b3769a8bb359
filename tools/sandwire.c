/* SPDX-License-Identifier: BSD-3-Clause */
/* The front of the command line: finds the subcommand. Each is a file of its own, commands.h. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{"doctor", cmd_doctor, "what is missing on this machine, and how to get it"},
	{"bind", cmd_bind, "give a NIC to vfio-pci"},
	{"unbind", cmd_unbind, "give it back to its driver"},
	{"up", cmd_up, "start a net"},
	{"down", cmd_down, "stop it; everything returns to how it was"},
	{"run", cmd_run, "run a program behind the shim"},
	{"dump", cmd_dump, "capture frames, both directions"},
	{"stat", cmd_stat, "counters"},
	{"ss", cmd_ss, "sockets"},
	{"addr", cmd_addr, "ports and addresses: list, add, del"},
	{"route", cmd_route, "routes: list, add, del"},
	{"neigh", cmd_neigh, "neighbours"},
	{"ping", cmd_ping, "echo requests with round-trip times"},
	{"ext", cmd_ext, "extensions: load, list, unload"},
	{"call", cmd_call, "call a service of an extension"},
	{"bench", cmd_bench, "side-by-side measurements"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *to)
{
	fputs("sandwire COMMAND [OPTION...]; sandwire COMMAND --help tells more\n\n", to);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		puts("sandwire " CLI_VERSION);
		return 0;
	}
	for (unsigned i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	say_error(argv[1], "there is no such command");
	say_hint("sandwire --help lists them");
	return 2;
}
