/* SPDX-License-Identifier: BSD-3-Clause */
/* sandwire neigh: who is where on the link, as `ip neigh`. */
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"

#include <string.h>

static const char usage[] = "sandwire neigh [show] [--net NAME] [--json]\n"
			    "Lists the neighbours the net has learnt.\n";

static void print_table(const json_t *rows)
{
	static const struct column columns[] = {{"ADDRESS", COL_TEXT}, {"PORT", COL_TEXT},
						{"MAC", COL_TEXT},     {"STATE", COL_TEXT},
						{"AGE", COL_NUMBER},   {"QUEUED", COL_NUMBER}};
	struct table *t = table_new(columns, 6);
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		table_cell(t, "%s", cli_text(row, "addr"));
		table_cell(t, "%s", cli_text(row, "port"));
		table_cell(t, "%s", cli_text(row, "mac"));
		table_cell(t, "%s", cli_text(row, "state"));
		table_cell(t, "%.1fs", (double)cli_number(row, "age_ms") / 1000);
		table_cell(t, "%lld", cli_number(row, "queued"));
	}
	table_print(t, stdout);
	table_free(t);
}

int cmd_neigh(int argc, char **argv)
{
	struct cli cli;
	int r = cli_options(&cli, argc, argv, usage);

	if (r)
		return r == CLI_HELP ? 0 : r;
	if (cli.argc && strcmp(cli.argv[0], "show")) {
		say_error(cli.argv[0], "neigh can only show");
		return 2;
	}
	return cli_show_rows(&cli, "neigh", print_table);
}
