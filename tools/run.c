/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `sandwire run`: a program with the shim preloaded. Where preloading cannot work (a static or
 * set-user-id program) it says so and runs the program all the same. Called by sandwire.c.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/run.h"
#include "tools/say.h"

#ifndef SHIM_INSTALLED_PATH
#define SHIM_INSTALLED_PATH "/usr/local/lib/x86_64-linux-gnu/libsandwire-shim.so"
#endif
#define SHIM_BUILD_PATH "../upcall/libsandwire-shim.so"

static const char usage[] =
	"sandwire run [--net NAME] [--strict] -- CMD...\n"
	"\n"
	"CMD with the shim: what the net NAME routes goes through it, the rest through the "
	"kernel.\n"
	"\n"
	"  --net NAME  the net (SANDWIRE_NET, default)\n"
	"  --strict    an Internet socket that would go to the kernel fails instead\n";

struct run {
	const char *net;
	bool strict;
	char **cmd;
};

/* -1: go on, else the exit status. */
static int options(struct run *run, int argc, char **argv)
{
	const char *env = getenv("SANDWIRE_NET");
	int i;

	run->net = env && *env ? env : "default";
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--strict")) {
			run->strict = true;
		} else if (!strncmp(argv[i], "--net=", 6)) {
			run->net = argv[i] + 6;
		} else if (!strcmp(argv[i], "--net") && i + 1 < argc) {
			run->net = argv[++i];
		} else {
			say_error("run", "%s: no such option, or its value is missing", argv[i]);
			say_hint("sandwire run [--net NAME] [--strict] -- CMD...");
			return 2;
		}
	}
	if (i >= argc) {
		say_error("run", "no command");
		say_hint("sandwire run [--net NAME] [--strict] -- CMD...");
		return 2;
	}
	run->cmd = argv + i;
	return -1;
}

bool run_find(const char *name, const char *path, char *found, size_t size)
{
	if (strchr(name, '/')) {
		snprintf(found, size, "%s", name);
		return true;
	}
	while (path && *path) {
		size_t len = strcspn(path, ":");
		struct stat st;

		snprintf(found, size, "%.*s%s%s", (int)len, path, len ? "/" : "", name);
		if (!stat(found, &st) && S_ISREG(st.st_mode) && !access(found, X_OK))
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* The interpreter of a script, from its first line. */
static bool script(const char *head, char *interpreter, size_t size)
{
	size_t len;

	if (strncmp(head, "#!", 2) != 0)
		return false;
	head += 2 + strspn(head + 2, " \t");
	len = strcspn(head, " \t\n");
	snprintf(interpreter, size, "%.*s", (int)len, head);
	return len > 0;
}

static const char *why_elf(int fd, const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return NULL; /* not a program we know: exec will say what is wrong with it */
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64)
		return "it is not an x86-64 program";
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		if (pread(fd, &ph, sizeof(ph), (off_t)(eh->e_phoff + i * sizeof(ph))) !=
		    (ssize_t)sizeof(ph))
			break;
		if (ph.p_type == PT_INTERP)
			return NULL;
	}
	return "it is statically linked";
}

const char *run_why_not(const char *file)
{
	char interpreter[PATH_MAX], value[64];
	union {
		Elf64_Ehdr elf;
		char text[256];
	} head;
	const char *why = NULL;
	struct stat st;

	memset(&head, 0, sizeof(head));
	for (int depth = 0; depth < 4; depth++) {
		int fd = open(file, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return NULL;
		if (pread(fd, &head, sizeof(head) - 1, 0) < 4)
			head.text[0] = 0;
		if (!script(head.text, interpreter, sizeof(interpreter))) {
			if (!fstat(fd, &st) && geteuid() != 0 && st.st_mode & (S_ISUID | S_ISGID))
				why = "it changes its user or group id at start";
			else if (geteuid() != 0 &&
				 fgetxattr(fd, "security.capability", value, sizeof(value)) > 0)
				why = "it has file capabilities";
			else
				why = why_elf(fd, &head.elf);
			close(fd);
			return why;
		}
		close(fd);
		file = interpreter;
	}
	return NULL;
}

/* Beside us in the build tree, else where it is installed. */
static bool find_shim(char *shim, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char beside[PATH_MAX + sizeof(SHIM_BUILD_PATH)];

	if (n > 0) {
		self[n] = 0;
		*strrchr(self, '/') = 0;
		snprintf(beside, sizeof(beside), "%s/" SHIM_BUILD_PATH, self);
		if (realpath(beside, self) && strlen(self) < size) {
			memcpy(shim, self, strlen(self) + 1);
			return true;
		}
	}
	snprintf(shim, size, "%s", SHIM_INSTALLED_PATH);
	return !access(shim, R_OK);
}

static void set_environment(const struct run *run, const char *shim)
{
	const char *others = getenv("LD_PRELOAD");
	char list[PATH_MAX + 4096];

	snprintf(list, sizeof(list), "%s%s%s", shim, others && *others ? ":" : "",
		 others ? others : "");
	setenv("LD_PRELOAD", list, 1);
	setenv("SANDWIRE_NET", run->net, 1);
	if (run->strict)
		setenv("SANDWIRE_STRICT", "1", 1);
	else
		unsetenv("SANDWIRE_STRICT");
}

int cmd_run(int argc, char **argv)
{
	struct run run = {0};
	struct failure f = {.status = 1};
	char shim[PATH_MAX], file[PATH_MAX];
	const char *why;
	int status = options(&run, argc, argv), fd;

	if (status >= 0)
		return status;
	fd = ask_connect(run.net, &f);
	if (fd < 0)
		return failure_say(&f);
	close(fd);
	if (!find_shim(shim, sizeof(shim))) {
		say_error("run", "%s is not there", shim);
		say_hint("meson install -C build");
		return 1;
	}
	if (!run_find(run.cmd[0], getenv("PATH"), file, sizeof(file))) {
		say_error(run.cmd[0], "%s", strerror(ENOENT));
		return 1;
	}
	why = run_why_not(file);
	if (why) {
		say_error(run.cmd[0], "not accelerated: %s", why);
		if (run.strict)
			return 1;
	}
	set_environment(&run, shim);
	execv(file, run.cmd);
	say_error(run.cmd[0], "%s", strerror(errno));
	return 1;
}
