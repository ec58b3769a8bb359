/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings from the command line and from an INI file (inih), one table for both and for --help.
 * Called by main.c. In the file the section is [net], the keys are the options without "--";
 * options given on the command line win, lists (port, addr) replace the file's.
 */
#include "tools/sandwired/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "drivers/port.h"
#include "tools/cidr.h"

enum kind { LIST_PORT, LIST_CIDR, ADDRESS, FLAG, NUMBER, CHOICE, PATH };

#define MODES  "auto|upcall|server|direct"
#define PAGES  "2M|1G|4K"
#define LEVELS "error|info|debug"
#define IPV6   "auto|on|off"

struct setting {
	const char *name, *arg; /* arg: as shown in help; of a CHOICE: the words, from 0 up */
	enum kind kind;
	size_t off;
	uint32_t def, min, max;
	const char *unit, *why;
};

#define AT(field) offsetof(struct config, field)
static const struct setting settings[] = {
	{"port", "PORT", LIST_PORT, 0, 0, 0, 0, "",
	 "where frames come from: pci:ADDRESS, tap:INTERFACE or null; may repeat"},
	{"addr", "CIDR", LIST_CIDR, 0, 0, 0, 0, "",
	 "address of the first port, with its prefix; may repeat"},
	{"gateway", "IP", ADDRESS, AT(gateway), 0, 0, 0, "",
	 "next hop of the default route; none: only what the prefixes cover is reached; twice: one "
	 "of IPv4, one of IPv6"},
	{"ipv6", IPV6, CHOICE, AT(ipv6), IPV6_AUTO, 0, 2, "",
	 "on: a link-local address, and what routers advertise (addresses, routes); auto: IPv6 "
	 "where a port is given an address of it, and routers are not believed"},
	{"dhcp", NULL, FLAG, AT(dhcp), 0, 0, 1, "",
	 "ask a DHCP server on the first port for address and gateway; up waits 20 s for it"},
	{"mtu", "N", NUMBER, AT(mtu), 1500, 576, PORT_MTU_MAX, "bytes",
	 "largest IP packet; above 1500 not with null ports; a tap device made here has the same"},
	{"mode", MODES, CHOICE, AT(mode), 0, 0, 3, "",
	 "how programs come in; auto: upcall where /dev/sandwire is there, else server"},
	{"pages", PAGES, CHOICE, AT(pages), PAGES_2M, 0, 2, "",
	 "pages of the heap; 4K needs none reserved, but costs TLB misses"},
	{"mem", "MIB", NUMBER, AT(mem), 128, 16, 65536, "MiB",
	 "the heap: packet buffers, sockets, descriptor rings"},
	{"quota", "PERCENT", NUMBER, AT(quota), 50, 1, 100, "percent",
	 "what one user, other than root, may take of all sockets, connections and packet buffers "
	 "while nobody else does; of several who want all, each gets that share of what is left; "
	 "100: no limit"},
	{"spin", "US", NUMBER, AT(spin), 20, 0, 1000, "us",
	 "server mode: how long to look for the next call before sleeping"},
	{"irq-frames", "N", NUMBER, AT(irq_frames), 64, 0, 65536, "frames",
	 "mode upcall: what an interrupt may receive in the program it interrupts; the rest is the "
	 "daemon's"},
	{"irq-time", "US", NUMBER, AT(irq_time), 1000, 10, 100000, "us",
	 "mode upcall: how long an interrupt may take in the program it interrupts"},
	{"log-level", LEVELS, CHOICE, AT(log_level), 1, 0, 2, "", "how much the log says"},
	{"config", "FILE", PATH, AT(file), 0, 0, 0, "", "read settings from an INI file, [net]"},
	{"foreground", NULL, FLAG, AT(foreground), 0, 0, 1, "",
	 "stay in the foreground and log to standard error as well"},
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static uint32_t *number_at(struct config *c, const struct setting *s)
{
	return (uint32_t *)((char *)c + s->off);
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	strcpy(c->name, "default");
	for (unsigned i = 0; i < SETTINGS; i++)
		if (settings[i].kind == NUMBER || settings[i].kind == CHOICE)
			*number_at(c, &settings[i]) = settings[i].def;
}

uint64_t config_page_size(const struct config *c)
{
	return c->pages == PAGES_1G ? 1ull << 30 : c->pages == PAGES_4K ? 4096 : 2ull << 20;
}

const char *config_mode_name(uint32_t mode)
{
	static const char *const names[] = {"auto", "upcall", "server", "direct"};

	return mode < 4 ? names[mode] : "?";
}

bool config_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > CONFIG_NAME_MAX || *name == '.' || *name == '-' || !strcmp(name, "bind"))
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

/* Which of "a|b|c" is `value`? -1: none. */
static int choice_index(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (int i = 0;; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && !strncasecmp(words, value, n))
			return i;
		if (!words[n])
			return -1;
		words += n + 1;
	}
}

static int set_number(struct config *c, const struct setting *s, const char *value,
		      struct failure *f)
{
	char *end, what[96];
	unsigned long v;

	errno = 0;
	v = strtoul(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || v < s->min || v > s->max) {
		snprintf(what, sizeof(what), "--%s %s", s->name, value);
		return misused(f, what, "not a number from %u to %u %s", s->min, s->max, s->unit);
	}
	*number_at(c, s) = (uint32_t)v;
	return 0;
}

static int bad_address(struct failure *f, const char *name, const char *value, const char *form)
{
	char what[96];

	snprintf(what, sizeof(what), "--%s %s", name, value);
	return misused(f, what, "not %s", form);
}

static int set_one(struct config *c, const struct setting *s, const char *value, struct failure *f)
{
	struct ip_addr addr;
	char what[96];
	int r;

	switch (s->kind) {
	case LIST_PORT:
		if (c->n_ports == PORT_MAX)
			return misused(f, "--port", "a net has at most %u ports", PORT_MAX);
		if (port_spec_parse(value, &c->ports[c->n_ports], f))
			return -1;
		c->n_ports++;
		return 0;
	case LIST_CIDR:
		if (c->n_addrs == CONFIG_ADDR_MAX)
			return misused(f, "--addr", "at most %u; add more with 'sandwire addr add'",
				       CONFIG_ADDR_MAX);
		r = cidr_parse(value, &addr);
		if (r || !cidr_is_host(&addr))
			return bad_address(
				f, s->name, value,
				"the address of a host with its prefix, as 192.0.2.1/24");
		c->addrs[c->n_addrs++] = addr;
		return 0;
	case ADDRESS:
		r = cidr_parse_addr(value, &addr);
		if (r || !cidr_is_host(&addr))
			return bad_address(f, s->name, value, "the address of a host");
		if (addr.family == AF_INET6)
			c->gateway6 = addr;
		else
			memcpy((char *)c + s->off, &addr, sizeof(addr));
		return 0;
	case NUMBER:
		return set_number(c, s, value, f);
	case FLAG:
		r = choice_index("no|yes", value);
		if (r < 0)
			return misused(f, s->name, "'%s' is neither yes nor no", value);
		*number_at(c, s) = (uint32_t)r;
		return 0;
	case CHOICE:
		r = choice_index(s->arg, value);
		if (r < 0) {
			snprintf(what, sizeof(what), "--%s %s", s->name, value);
			return misused(f, what, "not one of %s", s->arg);
		}
		*number_at(c, s) = (uint32_t)r;
		return 0;
	case PATH:
		if (strlen(value) >= sizeof(c->file))
			return misused(f, "--config", "the path is too long");
		strcpy((char *)c + s->off, value);
		return 0;
	}
	return 0;
}

static const struct setting *setting_find(const char *name, size_t len)
{
	for (unsigned i = 0; i < SETTINGS; i++)
		if (strlen(settings[i].name) == len && !strncmp(settings[i].name, name, len))
			return &settings[i];
	return NULL;
}

int config_set(struct config *c, const char *name, const char *value, struct failure *f)
{
	const struct setting *s = setting_find(name, strlen(name));

	if (!s)
		return misused(f, name, "there is no such setting");
	return set_one(c, s, value, f);
}

struct file_reader {
	struct config *c;
	struct failure *f;
	bool bad;
};

static int file_line(void *arg, const char *section, const char *name, const char *value)
{
	struct file_reader *r = arg;

	if (r->bad)
		return 1;
	if (strcmp(section, "net"))
		r->bad = misused(r->f, r->c->file, "section [%s]: there is only [net]", section);
	else if (!strcmp(name, "config"))
		r->bad = misused(r->f, r->c->file, "a file does not name another file");
	else
		r->bad = config_set(r->c, name, value, r->f);
	return 1;
}

static int read_file(struct config *c, struct failure *f)
{
	struct file_reader r = {c, f, false};
	int line = ini_parse(c->file, file_line, &r);

	if (line < 0)
		return failed(f, c->file, "%s", strerror(errno ? errno : EIO));
	if (r.bad)
		return -1;
	return line ? misused(f, c->file, "line %d is not 'key = value'", line) : 0;
}

/* The argument of option `s` at argv[*i], either "--x=v" or the next word. */
static const char *option_value(const struct setting *s, int argc, char **argv, int *i)
{
	const char *eq = strchr(argv[*i], '=');

	if (s->kind == FLAG)
		return eq ? eq + 1 : "yes";
	if (eq)
		return eq + 1;
	return *i + 1 < argc ? argv[++*i] : NULL;
}

/* One pass over the arguments; the first only looks for --config. */
static int read_args(struct config *c, int argc, char **argv, bool config_only, struct failure *f)
{
	bool named = false, ports = false, addrs = false;

	for (int i = 1; i < argc; i++) {
		const struct setting *s;
		const char *value;

		if (argv[i][0] != '-') {
			if (named)
				return misused(f, argv[i],
					       "one name is enough, '%s' was given before",
					       c->name);
			if (!config_name_ok(argv[i]))
				return misused(
					f, argv[i],
					"not a net's name: up to %u letters, digits, '.', '_', '-'",
					CONFIG_NAME_MAX);
			strcpy(c->name, argv[i]);
			named = true;
			continue;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			config_help(stdout);
			return 1;
		}
		s = strncmp(argv[i], "--", 2)
			    ? NULL
			    : setting_find(argv[i] + 2, strcspn(argv[i] + 2, "="));
		if (!s) {
			misused(f, argv[i], "there is no such option");
			return failure_hint(f, "sandwire up --help lists them");
		}
		value = option_value(s, argc, argv, &i);
		if (!value)
			return misused(f, argv[i], "wants a value");
		if (config_only != (s->kind == PATH))
			continue;
		if (s->kind == LIST_PORT && !ports) {
			ports = true;
			c->n_ports = 0;
		}
		if (s->kind == LIST_CIDR && !addrs) {
			addrs = true;
			c->n_addrs = 0;
		}
		if (set_one(c, s, value, f))
			return -1;
	}
	return 0;
}

static int check_gateway(const struct config *c, const struct ip_addr *gateway, struct failure *f)
{
	char text[CIDR_TEXT], what[96];

	if (!gateway->family)
		return 0;
	/* fe80::/10 is on every link. */
	if (gateway->family == AF_INET6 && c->ipv6 != IPV6_OFF && gateway->bytes[0] == 0xfe &&
	    (gateway->bytes[1] & 0xc0) == 0x80)
		return 0;
	for (unsigned i = 0; i < c->n_addrs; i++)
		if (cidr_holds(&c->addrs[i], gateway))
			return 0;
	snprintf(what, sizeof(what), "--gateway %s", cidr_addr_text(gateway, text, sizeof(text)));
	return misused(f, what, "not within the prefix of any --addr");
}

int config_check(const struct config *c, struct failure *f)
{
	char text[CIDR_TEXT];

	if (!c->n_ports) {
		misused(f, "up", "no port given");
		return failure_hint(
			f, "as in: sandwire up --port pci:0000:00:03.0 --addr 192.0.2.10/24");
	}
	for (unsigned i = 0; i < c->n_ports; i++)
		for (unsigned j = 0; j < i; j++)
			if (c->ports[i].kind != PORT_NULL &&
			    !strcmp(c->ports[i].text, c->ports[j].text))
				return misused(f, c->ports[i].text, "given twice");
	for (unsigned i = 0; i < c->n_addrs; i++)
		for (unsigned j = 0; j < i; j++)
			if (!memcmp(c->addrs[i].bytes, c->addrs[j].bytes,
				    sizeof(c->addrs[i].bytes)))
				return misused(f, cidr_text(&c->addrs[i], text, sizeof(text)),
					       "given twice");
	if (c->ipv6 == IPV6_OFF)
		for (unsigned i = 0; i < c->n_addrs; i++)
			if (c->addrs[i].family == AF_INET6)
				return misused(f, cidr_text(&c->addrs[i], text, sizeof(text)),
					       "but --ipv6 off");
	if (check_gateway(c, &c->gateway, f))
		return -1;
	return check_gateway(c, &c->gateway6, f);
}

int config_read(struct config *c, int argc, char **argv, struct failure *f)
{
	int r;

	config_defaults(c);
	r = read_args(c, argc, argv, true, f);
	if (r)
		return r;
	if (c->file[0] && read_file(c, f))
		return -1;
	r = read_args(c, argc, argv, false, f);
	return r ? r : config_check(c, f);
}

/* The word of a CHOICE that is its default. */
static void default_word(const struct setting *s, char *buf, size_t size)
{
	const char *word = s->arg ? s->arg : "";

	for (uint32_t d = 0; d < s->def; d++) {
		word += strcspn(word, "|");
		if (*word)
			word++;
	}
	snprintf(buf, size, "%.*s", (int)strcspn(word, "|"), word);
}

/* "(576 to 1500 bytes; 1500)", or "". */
static const char *range_text(const struct setting *s, char *buf, size_t size)
{
	char word[32];

	buf[0] = 0;
	if (s->kind == NUMBER)
		snprintf(buf, size, " (%u to %u %s; %u)", s->min, s->max, s->unit, s->def);
	if (s->kind == CHOICE) {
		default_word(s, word, sizeof(word));
		snprintf(buf, size, " (%s)", word);
	}
	return buf;
}

void config_help(FILE *to)
{
	fprintf(to, "sandwire up [NAME] --port PORT... --addr CIDR...|--dhcp [OPTION...]\n"
		    "Starts the net NAME (default), returns when it is ready.\n\n");
	for (unsigned i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		char left[64], range[64];

		snprintf(left, sizeof(left), "--%s%s%s", s->name, s->arg ? " " : "",
			 s->arg ? s->arg : "");
		fprintf(to, "  %-32s %s%s\n", left, s->why, range_text(s, range, sizeof(range)));
	}
	fprintf(to, "\nPORT: KIND:NAME[,key=value...]; keys: ring=64..4096, offload=on|csum|off, "
		    "vlan=1..4094, "
		    "mac=XX:XX:XX:XX:XX:XX (software ports)\n");
}

int config_man(const char *template, FILE *to)
{
	FILE *in = fopen(template, "re");
	char line[512], range[64];

	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		if (strcmp(line, "@OPTIONS@\n")) {
			fputs(line, to);
			continue;
		}
		for (unsigned i = 0; i < SETTINGS; i++) {
			const struct setting *s = &settings[i];

			fprintf(to, ".TP\n.BI \\-\\-%s\\~ %s\n%s%s.\n", s->name,
				s->arg ? s->arg : "", s->why, range_text(s, range, sizeof(range)));
		}
	}
	fclose(in);
	return 0;
}
