/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening: the peer's SERVICE_DIAL connects back to us. See behave.h. */
#include "behave.h"

static int listener(int type, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&sin, &len))
		return -1;
	*port = ntohs(sin.sin_port);
	return fd;
}

/* Asks the peer to connect `count` times; the socket on which it will say how it went. */
static int order(uint16_t port, int count)
{
	char line[32];
	int fd = dial(SERVICE_DIAL), n;

	n = snprintf(line, sizeof(line), "%d %d\n", port, count);
	if (fd >= 0 && !write_all(fd, line, (size_t)n))
		return -1;
	return fd;
}

static bool satisfied(int fd)
{
	char line[64] = "";

	return read_all(fd, line, sizeof(line)) > 0 && !strcmp(line, "ok\n");
}

static bool echo_until_end(int fd)
{
	char buf[256];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (!write_all(fd, buf, (size_t)n))
			return false;
	return n == 0;
}

static const char *connections_are_accepted_one_by_one(void)
{
	struct sockaddr_in peer;
	socklen_t len;
	uint16_t port;
	int lis = listener(SOCK_STREAM, &port), asked;

	NEED(lis >= 0);
	asked = order(port, 10);
	NEED(asked >= 0);
	for (int i = 0; i < 10; i++) {
		int fd;

		len = sizeof(peer);
		fd = accept(lis, (struct sockaddr *)&peer, &len);
		NEED(fd >= 0);
		NEED(len == sizeof(peer) && peer.sin_addr.s_addr == behave_host.sin_addr.s_addr);
		NEED(echo_until_end(fd));
		close(fd);
	}
	NEED(satisfied(asked));
	close(lis);
	return NULL;
}

/* A stop has no EINTR for a program without handlers, and accept loses nobody. */
static const char *stops_cost_no_connection(void)
{
	enum { N = 60 };
	uint16_t port;
	int lis = listener(SOCK_STREAM, &port), asked;
	pid_t pid;

	NEED(lis >= 0);
	asked = order(port, N);
	NEED(asked >= 0);
	pid = stop_again_and_again();
	for (int i = 0; i < N; i++) {
		int fd = accept(lis, NULL, NULL), extra = socket(AF_INET, SOCK_STREAM, 0);

		NEED(fd >= 0 && extra >= 0);
		NEED(echo_until_end(fd));
		close(fd);
		close(extra);
	}
	stopping_ends(pid);
	NEED(satisfied(asked));
	close(lis);
	return NULL;
}

static const char *an_event_loop_serves_many(void)
{
	uint16_t port;
	int lis = listener(SOCK_STREAM | SOCK_NONBLOCK, &port), ep = epoll_create1(0), asked[4];
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = lis}, got[8];
	int ended = 0;

	NEED(lis >= 0);
	NEED(accept(lis, NULL, NULL) == -1 && errno == EAGAIN);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, lis, &ev) == 0);
	for (int i = 0; i < 4; i++)
		NEED((asked[i] = order(port, 5)) >= 0);
	while (ended < 20) {
		int n = epoll_wait(ep, got, 8, 10000);

		NEED(n > 0);
		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;
			char buf[256];
			ssize_t r;

			if (fd == lis) {
				while ((fd = accept4(lis, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					ev = (struct epoll_event){.events = EPOLLIN | EPOLLET,
								  .data.fd = fd};
					NEED(fcntl(fd, F_GETFL) & O_NONBLOCK);
					NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
				}
				NEED(errno == EAGAIN);
				continue;
			}
			while ((r = read(fd, buf, sizeof(buf))) > 0)
				NEED(write_all(fd, buf, (size_t)r));
			if (r == 0) {
				close(fd);
				ended++;
			} else {
				NEED(errno == EAGAIN);
			}
		}
	}
	for (int i = 0; i < 4; i++)
		NEED(satisfied(asked[i]));
	close(lis);
	return NULL;
}

static const char *children_share_a_listener(void)
{
	uint16_t port;
	int lis = listener(SOCK_STREAM, &port), asked;
	pid_t pids[2];

	NEED(lis >= 0);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			for (;;) {
				int fd = accept(lis, NULL, NULL);

				if (fd < 0 || !echo_until_end(fd))
					_exit(1);
				close(fd);
			}
		}
	}
	asked = order(port, 10);
	NEED(asked >= 0);
	NEED(satisfied(asked));
	for (int i = 0; i < 2; i++) {
		int status;

		kill(pids[i], SIGKILL);
		NEED(waitpid(pids[i], &status, 0) == pids[i] && WIFSIGNALED(status));
	}
	close(lis);
	return NULL;
}

/* Often: without a module the daemon hears of the close and of the second bind in any order. */
static const char *a_taken_port_is_refused(void)
{
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET};
		uint16_t port;
		int lis = listener(SOCK_STREAM, &port), fd = socket(AF_INET, SOCK_STREAM, 0);

		NEED(lis >= 0);
		sin.sin_port = htons(port);
		NEED(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 && errno == EADDRINUSE);
		close(lis);
		NEED(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
		close(fd);
	}
	return NULL;
}

static const char *a_closed_listener_refuses(void)
{
	char line[64] = "";
	uint16_t port;
	int lis = listener(SOCK_STREAM, &port), asked;

	NEED(lis >= 0);
	close(lis);
	asked = order(port, 1);
	NEED(asked >= 0);
	NEED(read_all(asked, line, sizeof(line)) > 0);
	NEED(!strcmp(line, "connect\n"));
	return NULL;
}

static const struct behave_case cases[] = {
	{"connections_are_accepted_one_by_one", connections_are_accepted_one_by_one},
	{"stops_cost_no_connection", stops_cost_no_connection},
	{"an_event_loop_serves_many", an_event_loop_serves_many},
	{"children_share_a_listener", children_share_a_listener},
	{"a_taken_port_is_refused", a_taken_port_is_refused},
	{"a_closed_listener_refuses", a_closed_listener_refuses},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return behave_main(argc, argv, cases);
}
