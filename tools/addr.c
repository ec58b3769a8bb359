/* SPDX-License-Identifier: BSD-3-Clause */
/* sandwire addr: the net's ports and their addresses, as `ip addr`; add and del. */
#include "tools/cli.h"
#include "tools/commands.h"

#include <stdint.h>
#include <string.h>

static const char usage[] =
	"sandwire addr [show] [--net NAME] [--json]\n"
	"sandwire addr add|del CIDR [dev PORT] [--net NAME]\n"
	"PORT: its number or name as `addr` shows it; the first port if not given.\n";

static void print_dhcp(const json_t *dhcp)
{
	const json_t *dns;
	size_t i;

	printf("    dhcp %s", cli_text(dhcp, "state"));
	if (json_object_get(dhcp, "server")) {
		printf(" from %s", cli_text(dhcp, "server"));
		if (cli_number(dhcp, "left_s") == UINT32_MAX)
			printf(" for ever");
		else
			printf(" for %lld s more", cli_number(dhcp, "left_s"));
		json_array_foreach(json_object_get(dhcp, "dns"), i, dns)
			printf("%s%s", i ? "," : " dns ", json_string_value(dns));
		if (*cli_text(dhcp, "domain"))
			printf(" domain %s", cli_text(dhcp, "domain"));
	}
	printf("\n");
}

static void print_ports(const json_t *rows)
{
	const json_t *row, *addr;
	size_t i, k;

	json_array_foreach(rows, i, row)
	{
		printf("%lld: %s: <%s%s> mtu %lld", cli_number(row, "index"), cli_text(row, "port"),
		       json_is_true(json_object_get(row, "running")) ? "UP" : "DOWN",
		       json_is_true(json_object_get(row, "link_up")) ? ",LOWER_UP" : "",
		       cli_number(row, "mtu"));
		if (cli_number(row, "link_mbps"))
			printf(" speed %lldMb/s", cli_number(row, "link_mbps"));
		if (cli_number(row, "vlan"))
			printf(" vlan %lld", cli_number(row, "vlan"));
		printf("\n    link/ether %s\n", cli_text(row, "mac"));
		json_array_foreach(json_object_get(row, "addrs"), k, addr)
		{
			const char *text = json_string_value(addr);
			const char *note = json_string_value(
				json_array_get(json_object_get(row, "addr_notes"), k));

			printf("    %s %s%s%s\n", strchr(text, ':') ? "inet6" : "inet", text,
			       note && *note ? " " : "", note ? note : "");
		}
		if (json_object_get(row, "dhcp"))
			print_dhcp(json_object_get(row, "dhcp"));
	}
}

/* add|del CIDR [dev PORT] */
static int change(const struct cli *cli, struct failure *f)
{
	char cmd[16];
	const char *dev = NULL;
	json_t *answer;

	snprintf(cmd, sizeof(cmd), "addr-%s", cli->argv[0]);
	if (cli->argc == 4 && !strcmp(cli->argv[2], "dev"))
		dev = cli->argv[3];
	else if (cli->argc != 2)
		return misused(f, "addr", "wants: addr %s CIDR [dev PORT]", cli->argv[0]);
	answer = ask_net(cli->net,
			 json_pack("{s:s,s:s,s:s?}", "cmd", cmd, "addr", cli->argv[1], "port", dev),
			 f);
	json_decref(answer);
	return answer ? 0 : -1;
}

int cmd_addr(int argc, char **argv)
{
	return cli_show_or_change(argc, argv, usage, print_ports, change);
}
