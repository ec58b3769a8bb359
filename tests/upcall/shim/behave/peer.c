/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end for the programs of behave.h: services on ports PORT, PORT+1, ... A process a
 * connection. Prints "ready" when all listen; ends with its parent.
 */
#include <sys/prctl.h>

#include "behave.h"

static void serve_echo(int fd)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 && write_all(fd, buf, (size_t)n))
		;
}

static void serve_count(int fd)
{
	uint8_t buf[65536];
	uint64_t bytes = 0, wrong = 0;
	char line[64];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			wrong += buf[i] != pattern(bytes++);
	}
	n = snprintf(line, sizeof(line), "%llu %llu\n", (unsigned long long)bytes,
		     (unsigned long long)wrong);
	write_all(fd, line, (size_t)n);
}

static bool read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = 0;
	return n > 0;
}

static void serve_source(int fd)
{
	uint8_t buf[65536];
	char line[32];
	uint64_t total, done = 0;

	if (!read_line(fd, line, sizeof(line)))
		return;
	total = strtoull(line, NULL, 10);
	while (done < total) {
		size_t n = total - done < sizeof(buf) ? (size_t)(total - done) : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(done + i);
		if (!write_all(fd, buf, n))
			return;
		done += n;
	}
}

static void serve_reset(int fd)
{
	struct linger now = {1, 0};
	char c;

	if (read(fd, &c, 1) == 1)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* Until the other side closes; its data stays unread. */
static void serve_silent(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

	poll(&pfd, 1, 60000);
}

/* Connects back; each connection says "hello I\n" and wants it back. */
static const char *dial_back(const struct sockaddr_in *to, int i)
{
	char out[32], in[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0), n;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		return "connect";
	n = snprintf(out, sizeof(out), "hello %d\n", i);
	if (!write_all(fd, out, (size_t)n))
		return "write";
	if (read_all(fd, in, (size_t)n) != n || memcmp(in, out, (size_t)n) != 0)
		return "read";
	close(fd);
	return NULL;
}

static void serve_dial(int fd)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	char line[64];
	const char *why = NULL;
	int port, count;

	if (!read_line(fd, line, sizeof(line)) || sscanf(line, "%d %d", &port, &count) != 2 ||
	    getpeername(fd, (struct sockaddr *)&to, &len))
		return;
	to.sin_port = htons((uint16_t)port);
	for (int i = 0; i < count && !why; i++)
		why = dial_back(&to, i);
	dprintf(fd, "%s\n", why ? why : "ok");
}

static void serve_late(int fd)
{
	int now = 0, before;

	for (int i = 0; i < 10; i++) {
		before = now;
		usleep(500000);
		if (ioctl(fd, FIONREAD, &now) || (now && now == before))
			break;
	}
	serve_count(fd);
}

static void serve_half(int fd)
{
	shutdown(fd, SHUT_WR);
	serve_late(fd);
}

static void serve_urgent(int fd)
{
	char c;

	if (send(fd, "abcd", 4, MSG_OOB) == 4 && read(fd, &c, 1) == 1)
		write_all(fd, "ef", 2);
	serve_silent(fd);
}

static void serve_alarm(int fd)
{
	char c;

	while (read(fd, &c, 1) == 1 && send(fd, &c, 1, MSG_OOB) == 1)
		;
}

static void (*const services[])(int) = {
	[SERVICE_ECHO] = serve_echo,	 [SERVICE_COUNT] = serve_count,
	[SERVICE_SOURCE] = serve_source, [SERVICE_RESET] = serve_reset,
	[SERVICE_SILENT] = serve_silent, [SERVICE_DIAL] = serve_dial,
	[SERVICE_LATE] = serve_late,	 [SERVICE_HALF] = serve_half,
	[SERVICE_URGENT] = serve_urgent, [SERVICE_ALARM] = serve_alarm,
};
#define N_SERVICES (sizeof(services) / sizeof(services[0]))

static void udp_echo(int fd)
{
	static char buf[65536];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

	if (n < 0)
		return;
	sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	if (n == 5 && !memcmp(buf, "twice", 5))
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static int open_service(unsigned s, int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + s))};
	int fd = socket(AF_INET, s == SERVICE_UDP ? SOCK_DGRAM : SOCK_STREAM, 0), one = 1,
	    fast = 16;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s == SERVICE_ECHO)
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &fast, sizeof(fast));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    (s != SERVICE_UDP && listen(fd, 128))) {
		perror("peer");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd pfds[N_SERVICES] = {0};

	if (argc < 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned s = 0; s < N_SERVICES; s++) {
		pfds[s].fd = s == SERVICE_UDP || services[s] ? open_service(s, atoi(argv[1])) : -1;
		pfds[s].events = POLLIN;
	}
	puts("ready");
	fflush(stdout);
	while (poll(pfds, N_SERVICES, -1) > 0 || errno == EINTR) {
		for (unsigned s = 0; s < N_SERVICES; s++) {
			int fd;

			if (!(pfds[s].revents & POLLIN))
				continue;
			if (s == SERVICE_UDP) {
				udp_echo(pfds[s].fd);
				continue;
			}
			fd = accept(pfds[s].fd, NULL, NULL);
			if (fd >= 0 && fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGTERM);
				services[s](fd);
				_exit(0);
			}
			close(fd);
		}
	}
	return 1;
}
