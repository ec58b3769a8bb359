// SPDX-License-Identifier: BSD-3-Clause
/* sandwire ext: loads, lists and unloads native extensions of a net. Called by sandwire.c. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"

static const char usage[] = "sandwire ext [list] [--net NAME] [--json]\n"
			    "sandwire ext load FILE [--net NAME]\n"
			    "sandwire ext unload NAME [--net NAME]\n"
			    "Native extensions: services that programs of the net call\n"
			    "(sandwire call). Unloading waits for those inside.\n";

#define UNLOAD_SECONDS 5
#define UNLOAD_LOOK_MS 10

static void print_list(const json_t *rows)
{
	static const struct column columns[] = {{"NAME", COL_TEXT},
						{"CALLS", COL_NUMBER},
						{"KIB", COL_NUMBER},
						{"SERVICES", COL_TEXT},
						{"FILE", COL_TEXT}};
	struct table *t = table_new(columns, 5);
	const json_t *row, *service;
	char names[512];
	size_t i, k;

	json_array_foreach(rows, i, row)
	{
		names[0] = 0;
		json_array_foreach(json_object_get(row, "services"), k, service)
		{
			if (strlen(names) + 40 < sizeof(names)) {
				strcat(names, k ? "," : "");
				strcat(names, json_string_value(service));
			}
		}
		table_cell(t, "%s", cli_text(row, "name"));
		table_cell(t, "%lld", cli_number(row, "calls"));
		table_cell(t, "%lld", cli_number(row, "size") >> 10);
		table_cell(t, "%s", names);
		table_cell(t, "%s%s", cli_text(row, "file"),
			   json_is_true(json_object_get(row, "unloading")) ? " (being unloaded)"
									   : "");
	}
	table_print(t, stdout);
	table_free(t);
}

static int load(const struct cli *cli, struct failure *f)
{
	char path[PATH_MAX];
	json_t *answer;

	if (!realpath(cli->argv[1], path))
		return failed(f, cli->argv[1], "%s", strerror(errno));
	answer = ask_net(cli->net, json_pack("{s:s,s:s}", "cmd", "ext-load", "file", path), f);
	json_decref(answer);
	return answer ? 0 : -1;
}

/* The daemon waits for nobody, so the waiting is here; it lasts no longer than the connection. */
static int unload(const struct cli *cli, struct failure *f)
{
	const struct timespec look = {.tv_nsec = UNLOAD_LOOK_MS * 1000000l};
	int sock = ask_connect(cli->net, f);
	long long inside = 1;

	for (unsigned ms = 0; sock >= 0 && inside > 0; ms += UNLOAD_LOOK_MS) {
		json_t *answer =
			ask(sock, json_pack("{s:s,s:s}", "cmd", "ext-unload", "name", cli->argv[1]),
			    NULL, f);

		inside = answer ? cli_number(answer, "inside") : -1;
		json_decref(answer);
		if (inside > 0 && ms >= UNLOAD_SECONDS * 1000) {
			failed(f, cli->argv[1],
			       "%lld calls have not returned in %d s; it stays loaded", inside,
			       UNLOAD_SECONDS);
			failure_hint(f, "end their programs, or try again");
			break;
		}
		if (inside > 0)
			nanosleep(&look, NULL);
	}
	if (sock >= 0)
		close(sock);
	return inside ? -1 : 0;
}

int cmd_ext(int argc, char **argv)
{
	struct failure f = {.status = 1};
	struct cli cli;
	int r = cli_options(&cli, argc, argv, usage);

	if (r)
		return r == CLI_HELP ? 0 : r;
	if (!cli.argc || (cli.argc == 1 && !strcmp(cli.argv[0], "list")))
		return cli_show_rows(&cli, "ext", print_list);
	if (cli.argc == 2 && !strcmp(cli.argv[0], "load"))
		return load(&cli, &f) ? failure_say(&f) : 0;
	if (cli.argc == 2 && !strcmp(cli.argv[0], "unload"))
		return unload(&cli, &f) ? failure_say(&f) : 0;
	say_error(cli.argv[0], "ext can load FILE, list, and unload NAME");
	return 2;
}
