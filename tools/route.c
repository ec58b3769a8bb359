/* SPDX-License-Identifier: BSD-3-Clause */
/* sandwire route: where the net sends what, as `ip route`; add and del. */
#include "tools/cli.h"
#include "tools/commands.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"sandwire route [show] [--net NAME] [--json]\n"
	"sandwire route add DST [via GATEWAY] [dev PORT] [metric N] [--net NAME]\n"
	"sandwire route del DST [via GATEWAY] [--net NAME]\n"
	"DST: a CIDR, or default. PORT: number or name as `addr` shows it.\n";

static void print_routes(const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *dst = cli_text(row, "dst"), *via = cli_text(row, "via");

		printf("%s", strcmp(dst, "0.0.0.0/0") && strcmp(dst, "::/0") ? dst : "default");
		if (*via)
			printf(" via %s", via);
		printf(" dev %s", cli_text(row, "port"));
		if (!*via)
			printf(" scope link");
		if (cli_number(row, "metric"))
			printf(" metric %lld", cli_number(row, "metric"));
		putchar('\n');
	}
}

static int change(const struct cli *cli, struct failure *f)
{
	json_t *q = json_object(), *answer;
	char cmd[16], *end;

	snprintf(cmd, sizeof(cmd), "route-%s", cli->argv[0]);
	json_object_set_new(q, "cmd", json_string(cmd));
	if (cli->argc < 2 || cli->argc % 2)
		goto misuse;
	json_object_set_new(q, "dst", json_string(cli->argv[1]));
	for (int i = 2; i < cli->argc; i += 2) {
		const char *key = cli->argv[i], *value = cli->argv[i + 1];

		if (!strcmp(key, "via")) {
			json_object_set_new(q, "via", json_string(value));
		} else if (!strcmp(key, "dev")) {
			json_object_set_new(q, "port", json_string(value));
		} else if (!strcmp(key, "metric")) {
			json_object_set_new(q, "metric", json_integer(strtol(value, &end, 10)));
			if (*end || end == value)
				goto misuse;
		} else {
			goto misuse;
		}
	}
	answer = ask_net(cli->net, q, f);
	json_decref(answer);
	return answer ? 0 : -1;
misuse:
	json_decref(q);
	return misused(f, "route", "wants: route %s DST [via GATEWAY] [dev PORT] [metric N]",
		       cli->argv[0]);
}

int cmd_route(int argc, char **argv)
{
	return cli_show_or_change(argc, argv, usage, print_routes, change);
}
