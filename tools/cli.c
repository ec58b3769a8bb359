/* SPDX-License-Identifier: BSD-3-Clause */
/* What all asking subcommands have: options, showing a list. Called by stat.c, ss.c, addr.c,
 * route.c, neigh.c. */
#include "tools/cli.h"

#include <stdlib.h>
#include <string.h>

#include "tools/say.h"

int cli_options(struct cli *cli, int argc, char **argv, const char *usage)
{
	const char *env = getenv("SANDWIRE_NET");

	memset(cli, 0, sizeof(*cli));
	cli->net = env && *env ? env : "default";
	cli->argv = argv;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j")) {
			cli->json = true;
		} else if (!strncmp(argv[i], "--net=", 6)) {
			cli->net = argv[i] + 6;
		} else if (!strcmp(argv[i], "--net")) {
			if (++i == argc) {
				say_error("--net", "wants a name");
				return 2;
			}
			cli->net = argv[i];
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return CLI_HELP;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			say_error(argv[i], "there is no such option");
			say_hint("sandwire %s --help", argv[0]);
			return 2;
		} else {
			cli->argv[cli->argc++] = argv[i];
		}
	}
	return 0;
}

int cli_show_rows(const struct cli *cli, const char *cmd, void (*print)(const json_t *rows))
{
	struct failure f = {.status = 1};
	json_t *rows = ask_net_rows(cli->net, cmd, &f);

	if (!rows)
		return failure_say(&f);
	if (cli->json)
		cli_print_json(rows);
	else
		print(rows);
	json_decref(rows);
	return 0;
}

int cli_show_or_change(int argc, char **argv, const char *usage, void (*print)(const json_t *rows),
		       int (*change)(const struct cli *cli, struct failure *f))
{
	const char *what = argv[0];
	struct failure f = {.status = 1};
	struct cli cli;
	int r = cli_options(&cli, argc, argv, usage);

	if (r)
		return r == CLI_HELP ? 0 : r;
	if (cli.argc && (!strcmp(cli.argv[0], "add") || !strcmp(cli.argv[0], "del")))
		return change(&cli, &f) ? failure_say(&f) : 0;
	if (cli.argc && strcmp(cli.argv[0], "show")) {
		say_error(cli.argv[0], "%s can show, add and del", what);
		return 2;
	}
	return cli_show_rows(&cli, what, print);
}

const char *cli_text(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

long long cli_number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

void cli_print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(1) | JSON_ENCODE_ANY);
	putchar('\n');
}
