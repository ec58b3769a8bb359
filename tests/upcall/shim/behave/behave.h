/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that use sockets as programs do, and check what comes of it. They know nothing of
 * Sandwire: run plainly they test the kernel, run with the shim they test that it behaves alike.
 *
 *	peer PORT			the other end, always the kernel's (peer.c)
 *	stream|waiting|inherit|datagram|server HOST PORT
 *
 * Each case is a function that returns NULL or what was wrong, and runs in a process of its own,
 * with a time limit. Prints "ok NAME" or "FAIL NAME: WHY"; exit status 1 if one failed.
 */
#ifndef BEHAVE_H
#define BEHAVE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The peer's services, as offsets from its port. */
enum service {
	SERVICE_ECHO = 0,    /* TCP */
	SERVICE_UDP = 1,     /* UDP echo; "twice" is answered twice */
	SERVICE_COUNT = 2,   /* reads to the end, answers "BYTES SUM\n" */
	SERVICE_SOURCE = 3,  /* reads "N\n", sends N bytes of pattern(), closes */
	SERVICE_RESET = 4,   /* reads a byte, resets */
	SERVICE_SILENT = 5,  /* reads nothing, sends nothing */
	SERVICE_DIAL = 6,    /* reads "PORT COUNT\n", connects back so many times */
	SERVICE_NONE = 7,    /* nobody there */
	SERVICE_LATE = 8,    /* reads nothing while more comes; then as SERVICE_COUNT */
	SERVICE_HALF = 9,    /* ends its own sending at once, then as SERVICE_LATE */
	SERVICE_URGENT = 10, /* sends "abcd", of which the d is urgent, and, asked, "ef" */
	SERVICE_ALARM = 11,  /* sends an urgent byte back for each that it reads */
};

static inline uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

extern struct sockaddr_in behave_host; /* port: the peer's first */
struct sockaddr_in service(enum service s);
/* A socket connected to the service, or -1. */
int dial(enum service s);
bool write_all(int fd, const void *data, size_t len);
/* Reads to the end or until len bytes: bytes, or -1. */
ssize_t read_all(int fd, void *data, size_t len);
uint64_t now_ms(void);

struct behave_case {
	const char *name;
	const char *(*run)(void);
};
int behave_main(int argc, char **argv, const struct behave_case *cases);

/* Ends a case. */
#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return behave_why(#condition, __LINE__);                                   \
	} while (0)
const char *behave_why(const char *condition, int line);

/* A child that stops and continues this process until stopping_ends(). A second thread takes the
 * signal, so the first is stopped anywhere. */
pid_t stop_again_and_again(void);
void stopping_ends(pid_t pid);

#endif
