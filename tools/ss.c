/* SPDX-License-Identifier: BSD-3-Clause */
/* sandwire ss: the net's sockets with their owners and the way they come in, as `ss -tuanp`. */
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"

#include <string.h>

static const char usage[] = "sandwire ss [--net NAME] [--json]\n"
			    "Lists the net's sockets. PATH: the way their owner comes in.\n";

static void endpoint(struct table *t, const json_t *row, const char *addr, const char *port)
{
	long long number = cli_number(row, port);

	const char *text = cli_text(row, addr);
	bool six = strchr(text, ':');

	if (number)
		table_cell(t, "%s%s%s:%lld", six ? "[" : "", text, six ? "]" : "", number);
	else
		table_cell(t, "%s%s%s:*", six ? "[" : "", text, six ? "]" : "");
}

static void print_table(const json_t *rows)
{
	static const struct column columns[] = {
		{"PROTO", COL_TEXT},	{"STATE", COL_TEXT}, {"RECV-Q", COL_NUMBER},
		{"SEND-Q", COL_NUMBER}, {"LOCAL", COL_TEXT}, {"REMOTE", COL_TEXT},
		{"OWNER", COL_TEXT},	{"PATH", COL_TEXT},  {"INFO", COL_TEXT},
	};
	struct table *t = table_new(columns, 9);
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		table_cell(t, "%s", cli_text(row, "proto"));
		table_cell(t, "%s", cli_text(row, "state"));
		table_cell(t, "%lld", cli_number(row, "recv_q"));
		table_cell(t, "%lld", cli_number(row, "send_q"));
		endpoint(t, row, "local_addr", "local_port");
		endpoint(t, row, "remote_addr", "remote_port");
		if (cli_number(row, "pid"))
			table_cell(t, "%s(%lld)", cli_text(row, "comm"), cli_number(row, "pid"));
		else
			table_cell(t, "-");
		table_cell(t, "%s", cli_text(row, "path"));
		if (cli_number(row, "rtt_us"))
			table_cell(t, "rtt:%.3fms cwnd:%lld mss:%lld retrans:%lld",
				   (double)cli_number(row, "rtt_us") / 1000,
				   cli_number(row, "cwnd"), cli_number(row, "mss"),
				   cli_number(row, "retrans"));
		else
			table_cell(t, "%s", "");
	}
	table_print(t, stdout);
	table_free(t);
}

int cmd_ss(int argc, char **argv)
{
	struct cli cli;
	int r = cli_options(&cli, argc, argv, usage);

	if (r)
		return r == CLI_HELP ? 0 : r;
	if (cli.argc) {
		say_error(cli.argv[0], "ss takes no words");
		return 2;
	}
	return cli_show_rows(&cli, "ss", print_table);
}
