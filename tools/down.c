/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwire down: asks the daemon to stop and waits until its process is gone, so that everything
 * it held (huge pages, VFIO, tap devices) is free when the command returns.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/sandwired/config.h"
#include "tools/sandwired/rundir.h"
#include "tools/say.h"

#define DOWN_SECONDS 15

static const char usage[] = "sandwire down [NAME]\nStops the net NAME (default).\n";

/* The other end of the control socket, as a process to wait for. */
static int daemon_pidfd(int sock, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -1;
	*pid = cred.pid;
	return pidfd_open(cred.pid, 0);
}

static int wait_gone(int pidfd, pid_t pid, struct failure *f)
{
	struct pollfd p = {pidfd, POLLIN, 0};
	int r;

	do
		r = poll(&p, 1, DOWN_SECONDS * 1000);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	failed(f, "down", "sandwired (process %d) does not end", (int)pid);
	return failure_hint(f, "kill -9 %d; the next up clears what is left", (int)pid);
}

static int clear(const char *net)
{
	if (rundir_clear_stale(net))
		return -1;
	say_error(net, "was not running; cleared what a crash left");
	return 0;
}

static int stop(const char *net, struct failure *f)
{
	int sock = ask_connect(net, f), pidfd, r;
	json_t *answer;
	pid_t pid = 0;

	if (sock < 0)
		return f->error == ENOENT || f->error == ECONNREFUSED ? clear(net) : -1;
	pidfd = daemon_pidfd(sock, &pid);
	answer = ask(sock, json_pack("{s:s}", "cmd", "down"), NULL, f);
	r = answer || f->error == ECONNRESET ? 0 : -1;
	if (!r && pidfd >= 0)
		r = wait_gone(pidfd, pid, f);
	if (!r && !answer) /* it was being killed while we asked */
		clear(net);
	json_decref(answer);
	if (pidfd >= 0)
		close(pidfd);
	close(sock);
	return r;
}

int cmd_down(int argc, char **argv)
{
	struct failure f = {.status = 1};
	struct cli cli;
	int r = cli_options(&cli, argc, argv, usage);

	if (r)
		return r == CLI_HELP ? 0 : r;
	if (cli.argc > 1) {
		say_error(cli.argv[1], "one name is enough");
		return 2;
	}
	return stop(cli.argc ? cli.argv[0] : cli.net, &f) ? failure_say(&f) : 0;
}
