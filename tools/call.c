// SPDX-License-Identifier: BSD-3-Clause
/*
 * sandwire call: calls a service of an extension, as any program of the net may. Called by
 * sandwire.c; attaches with libsandwire.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/say.h"
#include "upcall/sandwire.h"

static const char usage[] =
	"sandwire call [--net NAME] [--raw] SERVICE [ARG...]\n"
	"Calls SERVICE with the ARGs, a blank between them, as its argument block\n"
	"(\"-\" alone: standard input). Prints the result and, unless --raw, a\n"
	"newline if it does not end in one.\n";

struct request {
	const char *net, *service;
	bool raw;
	size_t len;
	char block[SANDWIRE_BLOCK_MAX];
};

/* Options stand before the service: what follows is the service's. 0, 1 (help was printed), -1. */
static int options(struct request *r, int argc, char **argv, int *rest, struct failure *f)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return 1;
		}
		if (!strcmp(argv[i], "--raw"))
			r->raw = true;
		else if (!strncmp(argv[i], "--net=", 6))
			r->net = argv[i] + 6;
		else if (strcmp(argv[i], "--net") != 0)
			return misused(f, argv[i], "there is no such option");
		else if (++i == argc)
			return misused(f, "--net", "wants a name");
		else
			r->net = argv[i];
	}
	if (i == argc) {
		misused(f, "call", "no service given");
		return failure_hint(f, "sandwire call --help");
	}
	r->service = argv[i];
	*rest = i + 1;
	return 0;
}

static int too_long(struct failure *f)
{
	return failed(f, "call", "an argument block has at most %d bytes", SANDWIRE_BLOCK_MAX);
}

static int read_block(struct request *r, struct failure *f)
{
	char one_more;
	size_t n = fread(r->block, 1, sizeof(r->block), stdin);

	if (ferror(stdin))
		return failed(f, "standard input", "%s", strerror(errno));
	r->len = n;
	return n == sizeof(r->block) && fread(&one_more, 1, 1, stdin) ? too_long(f) : 0;
}

static int join(struct request *r, char **args, int n, struct failure *f)
{
	for (int i = 0; i < n; i++) {
		size_t len = strlen(args[i]);

		if (len + 1 > sizeof(r->block) - r->len)
			return too_long(f);
		if (i)
			r->block[r->len++] = ' ';
		memcpy(r->block + r->len, args[i], len);
		r->len += len;
	}
	return 0;
}

/* The service's own answer, or that there is none: then which there are. */
static int explain(const char *service, int error, struct failure *f)
{
	char name[SANDWIRE_SERVICE_NAME], there[200] = "";
	bool known = false;

	for (unsigned i = 0; !sandwire_service(i, name); i++) {
		known |= !strcmp(name, service);
		if (strlen(there) + sizeof(name) + 2 < sizeof(there)) {
			strcat(there, *there ? ", " : "");
			strcat(there, name);
		}
	}
	if (error == ESHUTDOWN)
		return failed(f, service, "its extension is being unloaded");
	if (error != ENOENT || known)
		return failed(f, service, "%s", strerror(error));
	failed(f, service, "no such service");
	return *there ? failure_hint(f, "there are: %s", there)
		      : failure_hint(f, "no extension is loaded: sandwire ext load FILE");
}

static int call(struct request *r, struct failure *f)
{
	char result[SANDWIRE_BLOCK_MAX];
	ssize_t n = sandwire_call(r->service, r->block, r->len, result, sizeof(result));

	if (n < 0)
		return explain(r->service, (int)-n, f);
	fwrite(result, 1, (size_t)n, stdout);
	if (!r->raw && n && result[n - 1] != '\n')
		putchar('\n');
	return fflush(stdout) ? failed(f, "standard output", "%s", strerror(errno)) : 0;
}

int cmd_call(int argc, char **argv)
{
	struct request r = {.net = NULL};
	struct failure f = {.status = 1};
	int rest = 0, ret = options(&r, argc, argv, &rest, &f);

	if (ret > 0)
		return 0;
	if (!ret && rest + 1 == argc && !strcmp(argv[rest], "-"))
		ret = read_block(&r, &f);
	else if (!ret)
		ret = join(&r, argv + rest, argc - rest, &f);
	if (!ret)
		ret = cli_attach(r.net, &f);
	if (!ret)
		ret = call(&r, &f);
	return ret ? failure_say(&f) : 0;
}
