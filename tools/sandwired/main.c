/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandwired: the control plane of one net. Started by `sandwire up` (or by an init system with
 * --foreground): reads its settings, goes into the background, brings the net up, runs the loop
 * until SIGTERM or `sandwire down`, and takes everything down again. Whoever started it waits
 * until the net is up or has failed, and gets that as the exit status.
 *
 * Reading order: config.c, net_up.c, loop.c, turn.c, then control.c and clients.c, serve.c,
 * pair_fd.c, owners.c, module.c, ports.c with port_pci.c and port_tap.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/sandwired/config.h"
#include "tools/sandwired/net.h"

static struct net net; /* large: tables of clients and ports */

/* Becomes a daemon. Returns the pipe on which to report (in the child); the parent does not return.
 */
static int go_background(void)
{
	unsigned char status = 1;
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) || (pid = fork()) < 0)
		return -1;
	if (!pid) {
		close(fd[0]);
		setsid();
		return fd[1];
	}
	close(fd[1]);
	if (read(fd[0], &status, 1) != 1)
		fprintf(stderr, "sandwire: sandwired: ended before the net was up\n");
	exit(status);
}

/* The shell that started us must not wait for our ends of its pipes. */
static void leave_terminal(int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned char ok = 0;

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	close(null);
	if (write(report, &ok, 1) != 1)
		exit(1);
	close(report);
}

int main(int argc, char **argv)
{
	struct failure f = {.status = 1};
	int report = -1, r;
	unsigned char status;

	if (argc == 3 && !strcmp(argv[1], "--man")) /* the build asks for its own manual page */
		return config_man(argv[2], stdout) ? 1 : 0;
	r = config_read(&net.conf, argc, argv, &f);
	if (r)
		return r < 0 ? failure_say(&f) : 0;
	close_range(3, ~0u, 0);
	if (!net.conf.foreground) {
		report = go_background();
		if (report < 0) {
			failed_errno(&f, "sandwired", errno);
			return failure_say(&f);
		}
	}
	if (chdir("/"))
		return 1;
	if (net_up(&net, &f)) {
		status = (unsigned char)failure_say(&f);
		if (report >= 0 && write(report, &status, 1) != 1)
			return 1;
		return status;
	}
	if (net.conf.dhcp && !dhcp_wait(&net)) {
		net_down(&net);
		return 1;
	}
	if (report >= 0)
		leave_terminal(report);
	loop_run(&net.loop);
	net_down(&net);
	return 0;
}
