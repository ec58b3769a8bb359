/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bystander of the attacks: an honest client that sends data to an echo on the peer and
 * compares what comes back, over and over; beside it, one process after the other attaches, does
 *the same once, and ends. canary serve PORT is that echo, on the kernel's own TCP. canary NET PEER
 *PORT FILE	writes struct canary into FILE; ends with SIGTERM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/attack/canary.h"
#include "upcall/sandwire.h"

#define SIZE 65536

static uint8_t out[SIZE], in[SIZE + 1];

/* Echoes until it has had SIZE bytes, then closes first: TIME-WAIT is the kernel's. */
static void echo(int fd)
{
	size_t got = 0;
	ssize_t n;

	while (got < SIZE && (n = read(fd, in, sizeof(in))) > 0) {
		got += (size_t)n;
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(fd, in + done, (size_t)(n - done))) <= 0)
				return;
	}
}

static int serve(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, c;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&sin, sizeof(sin)) || listen(fd, 64)) {
		perror("canary serve");
		return 1;
	}
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		struct timeval t = {.tv_sec = 30};

		setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		echo(c);
		close(c);
	}
	return 1;
}

static bool ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	struct timespec t = {.tv_sec = 15};

	return sandwire_poll(&p, 1, &t, NULL) == 1;
}

/* NULL, or what went wrong. */
static const char *transfer(const struct sockaddr_in *to)
{
	int fd = sandwire_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), r;
	size_t sent = 0, got = 0;
	const char *why = NULL;

	if (fd < 0)
		return "socket";
	r = sandwire_connect(fd, (void *)to, sizeof(*to));
	if (r && (r != -EINPROGRESS || !ready(fd, POLLOUT)))
		why = "connect";
	while (!why && got < SIZE) {
		ssize_t n = sent < SIZE ? sandwire_send(fd, out + sent, SIZE - sent, 0) : -EAGAIN;

		if (n > 0)
			sent += (size_t)n;
		else if (n != -EAGAIN && n != -EINTR)
			why = "send";
		n = sandwire_recv(fd, in + got, sizeof(in) - got, 0);
		if (n > 0)
			got += (size_t)n;
		else if (n != -EAGAIN && n != -EINTR)
			why = n ? "receive" : "end too early";
		else if (!ready(fd, (short)(POLLIN | (sent < SIZE ? POLLOUT : 0))))
			why = "no answer in 15 s";
	}
	if (!why && (got != SIZE || memcmp(in, out, SIZE)))
		why = "other bytes than were sent";
	while (!why && (r = (int)sandwire_recv(fd, in, 1, 0)) != 0)
		if (r != -EAGAIN || !ready(fd, POLLIN))
			why = "the end";
	close(fd);
	return why;
}

/* As the kernel has it that attaches belong to a process, each newcomer is one. */
static _Noreturn void newcomers(const char *net, const struct sockaddr_in *to, struct canary *c)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		pid_t pid = fork();
		const char *why = "no process";

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			why = sandwire_attach(net) ? sandwire_why() : transfer(to);
			if (why)
				fprintf(stderr, "canary: a newcomer: %s\n", why);
			_exit(why != NULL);
		}
		int st = 1;

		waitpid(pid, &st, 0);
		atomic_fetch_add(st ? &c->wrong : &c->newcomers, 1);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct canary *c;
	int fd;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve((uint16_t)atoi(argv[2]));
	if (argc != 5)
		return 2;
	sin.sin_addr.s_addr = inet_addr(argv[2]);
	sin.sin_port = htons((uint16_t)atoi(argv[3]));
	setpgid(0, 0); /* it and its newcomers are ended at once */
	fd = open(argv[4], O_RDWR);
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0 && c != MAP_FAILED && !fork())
		newcomers(argv[1], &sin, c);
	if (fd < 0 || c == MAP_FAILED || sandwire_attach(argv[1])) {
		fprintf(stderr, "canary: %s %s\n", strerror(errno), sandwire_why());
		return 1;
	}
	for (;;) {
		struct timespec a, b;
		const char *why;
		uint64_t us;

		if (getrandom(out, sizeof(out), 0) != (ssize_t)sizeof(out))
			return 1;
		clock_gettime(CLOCK_MONOTONIC, &a);
		why = transfer(&sin);
		clock_gettime(CLOCK_MONOTONIC, &b);
		if (why) {
			fprintf(stderr, "canary: %s\n", why);
			atomic_fetch_add(&c->wrong, 1);
		}
		us = (uint64_t)((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
		if (us > atomic_load(&c->longest_us))
			atomic_store(&c->longest_us, us);
		atomic_fetch_add(&c->rounds, 1);
	}
}
