/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwire stat: what the net counted: ports (RFC 2863 names), protocols (RFC 4293, 4022, 4113),
 * pools, users, the module.
 */
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"

#include <string.h>

static const char usage[] = "sandwire stat [--all] [--net NAME] [--json]\n"
			    "Prints the net's counters; those that are zero only with --all.\n";

static void print_counters(const char *title, const json_t *counters, bool all)
{
	const char *name;
	json_t *value;

	printf("%s\n", title);
	json_object_foreach((json_t *)counters, name, value)
	{
		if (json_is_integer(value) && (all || json_integer_value(value)))
			printf("    %-24s %lld\n", name, (long long)json_integer_value(value));
	}
}

static void print_pools(const json_t *pools)
{
	static const struct column columns[] = {{"POOL", COL_TEXT},
						{"USED", COL_NUMBER},
						{"HIGH", COL_NUMBER},
						{"COUNT", COL_NUMBER},
						{"BYTES", COL_NUMBER}};
	struct table *t = table_new(columns, 5);
	const json_t *row;
	size_t i;

	json_array_foreach(pools, i, row)
	{
		table_cell(t, "%s", cli_text(row, "name"));
		table_cell(t, "%lld", cli_number(row, "used"));
		table_cell(t, "%lld", cli_number(row, "high"));
		table_cell(t, "%lld", cli_number(row, "count"));
		table_cell(t, "%lld", cli_number(row, "size"));
	}
	table_print(t, stdout);
	table_free(t);
}

static void print_users(const json_t *users)
{
	static const char *const names[] = {"uid",  "clients", "sockets",
					    "pcbs", "pktbufs", "refused"};
	static const struct column columns[] = {{"USER", COL_NUMBER},	 {"CLIENTS", COL_NUMBER},
						{"SOCKETS", COL_NUMBER}, {"PCBS", COL_NUMBER},
						{"PKTBUFS", COL_NUMBER}, {"REFUSED", COL_NUMBER}};
	struct table *t;
	const json_t *row;
	size_t i;

	if (!json_array_size(users))
		return;
	t = table_new(columns, 6);
	json_array_foreach(users, i, row)
	{
		for (unsigned k = 0; k < 6; k++)
			table_cell(t, "%lld", cli_number(row, names[k]));
	}
	table_print(t, stdout);
	table_free(t);
}

static void print_all(const json_t *stat, bool all)
{
	const json_t *port;
	char title[96];
	size_t i;

	printf("net %s: mode %s, %lld clients, %lld MiB of %s pages, daemon %lld, up %llds\n",
	       cli_text(stat, "net"), cli_text(stat, "mode"), cli_number(stat, "clients"),
	       cli_number(stat, "mem_mib"), cli_text(stat, "pages"), cli_number(stat, "pid"),
	       cli_number(stat, "uptime_s"));
	json_array_foreach(json_object_get(stat, "ports"), i, port)
	{
		snprintf(title, sizeof(title), "port %lld: %s", cli_number(port, "index"),
			 cli_text(port, "port"));
		print_counters(title, json_object_get(port, "counters"), all);
	}
	print_counters("stack", json_object_get(stat, "counters"), all);
	if (json_object_get(stat, "module"))
		print_counters("module", json_object_get(stat, "module"), all);
	print_counters("daemon", json_object_get(stat, "daemon"), all);
	print_pools(json_object_get(stat, "pools"));
	print_users(json_object_get(stat, "users"));
}

int cmd_stat(int argc, char **argv)
{
	struct failure f = {.status = 1};
	struct cli cli;
	bool all = false;
	json_t *stat;
	int r, n = 1;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--all"))
			all = true;
		else
			argv[n++] = argv[i];
	}
	r = cli_options(&cli, n, argv, usage);
	if (r)
		return r == CLI_HELP ? 0 : r;
	if (cli.argc) {
		say_error(cli.argv[0], "stat takes no words");
		return 2;
	}
	stat = ask_net(cli.net, json_pack("{s:s}", "cmd", "stat"), &f);
	if (!stat)
		return failure_say(&f);
	json_object_del(stat, "ok");
	if (cli.json)
		cli_print_json(stat);
	else
		print_all(stat, all);
	json_decref(stat);
	return 0;
}
