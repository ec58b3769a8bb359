/* SPDX-License-Identifier: BSD-3-Clause */
/* Not blocking: poll, select, epoll by level and by edge, connecting meanwhile. See behave.h. */
#include "behave.h"

#include <sys/mman.h>

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Connects without blocking: the socket, before the connection is there. */
static int dial_nonblocking(enum service s)
{
	struct sockaddr_in sin = service(s);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static int so_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

static const char *connecting_meanwhile(void)
{
	int fd = dial_nonblocking(SERVICE_ECHO);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	char c;

	NEED(fd >= 0);
	NEED(poll(&pfd, 1, 5000) == 1 && pfd.revents & POLLOUT);
	NEED(so_error(fd) == 0);
	NEED(read(fd, &c, 1) == -1 && errno == EAGAIN);
	NEED(write(fd, "z", 1) == 1);
	pfd.events = POLLIN;
	NEED(poll(&pfd, 1, 5000) == 1 && pfd.revents & POLLIN);
	NEED(read(fd, &c, 1) == 1 && c == 'z');
	NEED(poll(&pfd, 1, 20) == 0);
	close(fd);
	return NULL;
}

static const char *a_refused_connection_shows_in_poll(void)
{
	int fd = dial_nonblocking(SERVICE_NONE);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	if (fd < 0 && errno == ECONNREFUSED) /* quicker than we could look */
		return NULL;
	NEED(fd >= 0);
	NEED(poll(&pfd, 1, 5000) == 1);
	NEED(so_error(fd) == ECONNREFUSED);
	close(fd);
	return NULL;
}

static const char *select_sees_both_ways(void)
{
	int fd = dial(SERVICE_ECHO);
	fd_set r, w;
	struct timeval tv = {5, 0};
	char c;

	NEED(fd >= 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	NEED(select(fd + 1, &r, &w, NULL, &tv) == 1);
	NEED(FD_ISSET(fd, &w) && !FD_ISSET(fd, &r));
	NEED(write(fd, "s", 1) == 1);
	FD_ZERO(&r);
	FD_SET(fd, &r);
	NEED(select(fd + 1, &r, NULL, NULL, &tv) == 1 && FD_ISSET(fd, &r));
	NEED(read(fd, &c, 1) == 1);
	tv = (struct timeval){0, 50000};
	FD_ZERO(&r);
	FD_SET(fd, &r);
	NEED(select(fd + 1, &r, NULL, NULL, &tv) == 0 && !FD_ISSET(fd, &r));
	NEED(tv.tv_sec == 0 && tv.tv_usec == 0);
	close(fd);
	return NULL;
}

/* After poll said readable, a blocking read of all there is must not leave a stale "readable". */
static const char *poll_and_blocking_reads_agree(void)
{
	int fd = dial(SERVICE_ECHO);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char buf[16];

	NEED(fd >= 0);
	for (int i = 0; i < 30; i++) {
		NEED(write(fd, "12345678", 8) == 8);
		NEED(poll(&pfd, 1, 5000) == 1);
		NEED(read_all(fd, buf, 8) == 8);
		NEED(poll(&pfd, 1, 0) == 0);
	}
	close(fd);
	return NULL;
}

static const char *epoll_echo(uint32_t flags)
{
	int fd = dial(SERVICE_ECHO), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | flags, .data.u32 = 42}, got;
	char buf[4096];
	size_t seen = 0;

	NEED(fd >= 0);
	set_nonblocking(fd);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	NEED(epoll_wait(ep, &got, 1, 0) == 0);
	for (int round = 0; round < 20; round++) {
		memset(buf, round, 1000);
		NEED(write(fd, buf, 1000) == 1000);
		while (seen < (size_t)(round + 1) * 1000) {
			ssize_t n;

			NEED(epoll_wait(ep, &got, 1, 5000) == 1);
			NEED(got.data.u32 == 42 && got.events & EPOLLIN);
			while ((n = read(fd, buf, sizeof(buf))) > 0)
				seen += (size_t)n;
			NEED(n == -1 && errno == EAGAIN);
		}
		NEED(epoll_wait(ep, &got, 1, 0) == 0);
	}
	close(ep);
	close(fd);
	return NULL;
}

static const char *epoll_by_level(void)
{
	return epoll_echo(0);
}

static const char *epoll_by_edge(void)
{
	return epoll_echo(EPOLLET);
}

static const char *level_stays_until_read(void)
{
	int fd = dial(SERVICE_ECHO), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN}, got;
	char c;

	NEED(fd >= 0);
	set_nonblocking(fd);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	NEED(write(fd, "ab", 2) == 2);
	NEED(epoll_wait(ep, &got, 1, 5000) == 1);
	NEED(epoll_wait(ep, &got, 1, 0) == 1);
	NEED(read(fd, &c, 1) == 1);
	usleep(100000); /* both are here by now */
	NEED(epoll_wait(ep, &got, 1, 0) == 1);
	NEED(read(fd, &c, 1) == 1);
	NEED(epoll_wait(ep, &got, 1, 0) == 0);
	close(fd);
	close(ep);
	return NULL;
}

static const char *registered_before_connecting(void)
{
	struct sockaddr_in sin = service(SERVICE_ECHO);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = 7}, got;
	char c;
	bool connected = false;

	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	for (int i = 0; i < 10 && !connected; i++) {
		NEED(epoll_wait(ep, &got, 1, 5000) == 1 && got.data.u64 == 7);
		connected = got.events & EPOLLOUT && !(got.events & EPOLLHUP);
	}
	NEED(connected && so_error(fd) == 0);
	NEED(write(fd, "q", 1) == 1);
	do {
		NEED(epoll_wait(ep, &got, 1, 5000) == 1);
	} while (!(got.events & EPOLLIN));
	NEED(read(fd, &c, 1) == 1 && c == 'q');
	close(fd);
	close(ep);
	return NULL;
}

/* Fills the pipe to a peer that reads late, and waits for room by edge. */
static const char *room_comes_by_edge(void)
{
	static uint8_t data[1 << 20];
	int fd = dial(SERVICE_LATE), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET}, got;
	uint64_t done = 0, total = 6 << 20;
	char line[64] = "";
	bool waited = false;

	NEED(fd >= 0);
	set_nonblocking(fd);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	while (done < total) {
		size_t want = total - done < sizeof(data) ? (size_t)(total - done) : sizeof(data);
		ssize_t n;

		for (size_t i = 0; i < want; i++)
			data[i] = pattern(done + i);
		n = write(fd, data, want);
		if (n >= 0) {
			done += (uint64_t)n;
			continue;
		}
		NEED(errno == EAGAIN);
		waited = true;
		NEED(epoll_wait(ep, &got, 1, 20000) == 1 && got.events & EPOLLOUT);
	}
	NEED(waited);
	NEED(shutdown(fd, SHUT_WR) == 0);
	fcntl(fd, F_SETFL, 0);
	NEED(read_all(fd, line, sizeof(line)) > 0);
	NEED(!strcmp(line, "6291456 0\n"));
	close(fd);
	close(ep);
	return NULL;
}

/* The peer has nothing more to say but goes on listening. */
static const char *room_comes_after_the_peers_end(void)
{
	static uint8_t data[1 << 20];
	int fd = dial(SERVICE_HALF);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t done = 0;
	char c;

	NEED(fd >= 0);
	NEED(poll(&pfd, 1, 5000) == 1 && pfd.revents & POLLIN);
	NEED(read(fd, &c, 1) == 0);
	set_nonblocking(fd);
	pfd.events = POLLOUT;
	while (done < 6 * sizeof(data)) {
		ssize_t n = write(fd, data, sizeof(data));

		NEED(n > 0 || errno == EAGAIN);
		if (n > 0)
			done += (size_t)n;
		else
			NEED(poll(&pfd, 1, 10000) == 1 && pfd.revents == POLLOUT);
	}
	close(fd);
	return NULL;
}

static const char *a_full_socket_is_not_writable(void)
{
	static char data[1 << 20];
	int fd = dial(SERVICE_SILENT);
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	NEED(fd >= 0);
	set_nonblocking(fd);
	for (int i = 0; i < 3; i++) {
		while (write(fd, data, sizeof(data)) > 0)
			;
		NEED(errno == EAGAIN);
		usleep(200000);
	}
	NEED(poll(&pfd, 1, 0) == 0);
	close(fd);
	return NULL;
}

static const char *the_end_is_readable(void)
{
	int fd = dial(SERVICE_SOURCE), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET}, got;
	char buf[100];
	bool end = false;

	NEED(fd >= 0);
	set_nonblocking(fd);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	NEED(write(fd, "10\n", 3) == 3);
	for (int i = 0; i < 10 && !end; i++) {
		ssize_t n;

		NEED(epoll_wait(ep, &got, 1, 5000) == 1);
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			;
		end = n == 0;
	}
	NEED(end);
	close(fd);
	close(ep);
	return NULL;
}

static const char *ppoll_lets_a_signal_in(void);
static void on_user(int sig)
{
}

static const char *ppoll_lets_a_signal_in(void)
{
	int fd = dial(SERVICE_SILENT);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	struct timespec long_time = {10, 0};
	sigset_t block, open;

	NEED(fd >= 0);
	signal(SIGUSR1, on_user);
	sigemptyset(&open);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	kill(getpid(), SIGUSR1);
	NEED(ppoll(&pfd, 1, &long_time, &open) == -1 && errno == EINTR);
	close(fd);
	return NULL;
}

static const char *pipes_and_sockets_wait_together(void)
{
	int fd = dial(SERVICE_ECHO), p[2];
	struct pollfd pfd[2];
	char c;

	NEED(fd >= 0 && pipe(p) == 0);
	pfd[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = p[0], .events = POLLIN};
	NEED(write(p[1], "p", 1) == 1);
	NEED(poll(pfd, 2, 5000) == 1 && pfd[1].revents == POLLIN && !pfd[0].revents);
	NEED(read(p[0], &c, 1) == 1);
	NEED(write(fd, "n", 1) == 1);
	NEED(poll(pfd, 2, 5000) == 1 && pfd[0].revents == POLLIN && !pfd[1].revents);
	close(fd);
	NEED(poll(NULL, 0, 0) == 0);
	return NULL;
}

/* ---- urgent data: "abc", then a d that is urgent, and "ef" when asked ----------------------- */

static int polled(int fd, short events, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return poll(&pfd, 1, ms) < 0 ? -1 : pfd.revents;
}

/* Connected, the urgent byte here, and what is before it read. */
static int dial_urgent(void)
{
	int fd = dial(SERVICE_URGENT);
	char buf[8];

	if (fd < 0 || polled(fd, POLLPRI, 5000) != POLLPRI || read_all(fd, buf, 3) != 3)
		return -1;
	return fd;
}

static const char *urgent_data_is_polled_until_it_is_taken(void)
{
	int fd = dial_urgent();
	char buf[8];

	NEED(fd >= 0);
	/* It alone is nothing to read. */
	NEED(polled(fd, POLLIN | POLLPRI | POLLOUT, 1000) == (POLLPRI | POLLOUT));
	NEED(recv(fd, buf, 1, MSG_OOB | MSG_PEEK) == 1 && buf[0] == 'd');
	NEED(polled(fd, POLLIN | POLLPRI, 1000) == POLLPRI);
	NEED(recv(fd, buf, 1, MSG_OOB) == 1 && buf[0] == 'd');
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	NEED(write(fd, "x", 1) == 1);
	NEED(polled(fd, POLLIN | POLLPRI, 5000) == POLLIN);
	NEED(read_all(fd, buf, 2) == 2 && !memcmp(buf, "ef", 2));
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	close(fd);
	return NULL;
}

static const char *urgent_data_that_is_passed_is_polled_no_more(void)
{
	int fd = dial_urgent();
	char buf[8];

	NEED(fd >= 0);
	NEED(write(fd, "x", 1) == 1);
	NEED(read_all(fd, buf, 1) == 1 && buf[0] == 'e');
	NEED(polled(fd, POLLIN | POLLPRI, 1000) == POLLIN);
	NEED(read_all(fd, buf, 1) == 1 && buf[0] == 'f');
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	close(fd);
	return NULL;
}

static const char *urgent_data_in_line_is_both(void)
{
	int fd = dial(SERVICE_URGENT), on = 1;
	char buf[8];

	NEED(fd >= 0);
	NEED(!setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	NEED(polled(fd, POLLPRI, 5000) == POLLPRI);
	NEED(read_all(fd, buf, 3) == 3);
	NEED(polled(fd, POLLIN | POLLPRI, 1000) == (POLLIN | POLLPRI));
	NEED(read(fd, buf, 8) == 1 && buf[0] == 'd');
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	close(fd);
	return NULL;
}

static const char *select_sees_urgent_data_as_exceptional(void)
{
	int fd = dial_urgent(), p[2];
	struct timeval tv = {5, 0}, none = {0, 0};
	fd_set r, w, e;
	char buf[8];

	NEED(fd >= 0 && pipe(p) == 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(fd, &r);
	FD_SET(p[0], &r);
	FD_SET(fd, &w);
	FD_SET(fd, &e);
	NEED(select(fd + 3, &r, &w, &e, &tv) == 2);
	NEED(FD_ISSET(fd, &e) && FD_ISSET(fd, &w) && !FD_ISSET(fd, &r) && !FD_ISSET(p[0], &r));
	NEED(recv(fd, buf, 1, MSG_OOB) == 1);
	FD_SET(fd, &r);
	NEED(select(fd + 1, &r, NULL, &e, &none) == 0);
	NEED(!FD_ISSET(fd, &e) && !FD_ISSET(fd, &r));
	close(fd);
	return NULL;
}

/* It may come with EPOLLIN: then a read says EAGAIN. */
static const char *epoll_urgent(uint32_t flags, bool before)
{
	struct sockaddr_in sin = service(SERVICE_URGENT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | flags}, got;
	size_t seen = 0;
	char buf[8];
	bool urgent = false;

	if (before)
		NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	NEED(!connect(fd, (struct sockaddr *)&sin, sizeof(sin)) || errno == EINPROGRESS);
	if (!before)
		NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	for (int i = 0; i < 20 && !(urgent && seen == 3); i++) {
		ssize_t n;

		NEED(epoll_wait(ep, &got, 1, 5000) == 1);
		if (got.events & EPOLLPRI && !urgent) {
			NEED(recv(fd, buf, 1, MSG_OOB) == 1 && buf[0] == 'd');
			urgent = true;
		}
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			seen += (size_t)n;
	}
	NEED(urgent && seen == 3);
	if (epoll_wait(ep, &got, 1, 50) == 1) /* it speaks of what is taken already, perhaps */
		NEED(read(fd, buf, sizeof(buf)) == -1 && errno == EAGAIN);
	NEED(epoll_wait(ep, &got, 1, 50) == 0);
	NEED(write(fd, "x", 1) == 1);
	NEED(epoll_wait(ep, &got, 1, 5000) == 1 && got.events == EPOLLIN);
	close(ep);
	close(fd);
	return NULL;
}

static const char *epoll_by_level_sees_urgent_data(void)
{
	return epoll_urgent(0, false);
}

static const char *epoll_by_edge_sees_urgent_data(void)
{
	return epoll_urgent(EPOLLET, false);
}

static const char *urgent_data_comes_to_a_watch_from_before_connecting(void)
{
	return epoll_urgent(EPOLLET, true);
}

/* Who did not ask for it is not even woken by it, and sits in no read that finds nothing. */
static const char *urgent_data_alone_is_not_readable(void)
{
	int fd = dial(SERVICE_URGENT);
	char buf[8];

	NEED(fd >= 0);
	NEED(polled(fd, POLLIN, 5000) == POLLIN);
	NEED(read_all(fd, buf, 3) == 3);
	NEED(polled(fd, POLLIN, 100) == 0);
	close(fd);
	return NULL;
}

static uint64_t used_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char *a_read_goes_past_urgent_data_and_sleeps(void)
{
	struct timeval limit = {1, 0};
	int fd = dial_urgent();
	uint64_t used;
	char c;

	NEED(fd >= 0);
	NEED(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	used = used_ms();
	NEED(read(fd, &c, 1) == -1 && errno == EAGAIN);
	NEED(used_ms() - used < 300);
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	close(fd);
	return NULL;
}

static const char *urgent_data_is_taken_by_a_child(void)
{
	int fd = dial_urgent(), status;
	pid_t pid;
	char c;

	NEED(fd >= 0);
	pid = fork();
	if (!pid)
		_exit(polled(fd, POLLPRI, 5000) != POLLPRI || recv(fd, &c, 1, MSG_OOB) != 1);
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	NEED(polled(fd, POLLIN | POLLPRI, 50) == 0);
	close(fd);
	return NULL;
}

static const char *urgent_data_signals_once_where_it_is_polled_too(void)
{
	struct timespec a_while = {0, 50000000};
	int fd = dial(SERVICE_ALARM);
	sigset_t urg;
	char c;

	NEED(fd >= 0);
	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigprocmask(SIG_BLOCK, &urg, NULL);
	NEED(fcntl(fd, F_SETOWN, getpid()) == 0);
	for (char i = 'a'; i < 'k'; i++) {
		NEED(write(fd, &i, 1) == 1);
		NEED(polled(fd, POLLPRI, 5000) == POLLPRI);
		NEED(sigtimedwait(&urg, NULL, &a_while) == SIGURG);
		NEED(recv(fd, &c, 1, MSG_OOB) == 1 && c == i);
		NEED(polled(fd, POLLPRI, 0) == 0);
		NEED(sigtimedwait(&urg, NULL, &a_while) == -1);
	}
	close(fd);
	return NULL;
}

/* AddressSanitizer stands before poll, and reads what it is given. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
static const char *wild_pointers_are_efault(void)
{
	long page = sysconf(_SC_PAGESIZE);
	struct timeval none = {0};
	struct timespec zero = {0};
	char *end =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dial(SERVICE_SILENT);
	struct pollfd *last;

	NEED(fd >= 0 && end != MAP_FAILED);
	end += page;
	NEED(mprotect(end, page, PROT_NONE) == 0);
	for (int i = 0; i < 2; i++) {
		void *wild = i ? end : NULL;

		NEED(poll(wild, 1, 0) == -1 && errno == EFAULT);
		NEED(ppoll(wild, 1, &zero, NULL) == -1 && errno == EFAULT);
	}
	for (int i = 0; i < 3; i++) {
		fd_set *set[3] = {0};

		set[i] = (fd_set *)end;
		NEED(select(fd + 1, set[0], set[1], set[2], &none) == -1 && errno == EFAULT);
		NEED(pselect(fd + 1, set[0], set[1], set[2], &zero, NULL) == -1 && errno == EFAULT);
	}
	last = (struct pollfd *)end - 1; /* the one before the edge may be read, the next not */
	*last = (struct pollfd){.fd = fd, .events = POLLIN | POLLPRI};
	NEED(poll(last, 2, 0) == -1 && errno == EFAULT);
	NEED(poll(last, 1, 0) == 0);
	NEED(poll(last, 1u << 30, 0) == -1 && errno == EINVAL);
	close(fd);
	return NULL;
}
#endif

static const struct behave_case cases[] = {
	{"connecting_meanwhile", connecting_meanwhile},
	{"a_refused_connection_shows_in_poll", a_refused_connection_shows_in_poll},
	{"select_sees_both_ways", select_sees_both_ways},
	{"poll_and_blocking_reads_agree", poll_and_blocking_reads_agree},
	{"epoll_by_level", epoll_by_level},
	{"epoll_by_edge", epoll_by_edge},
	{"level_stays_until_read", level_stays_until_read},
	{"registered_before_connecting", registered_before_connecting},
	{"room_comes_by_edge", room_comes_by_edge},
	{"room_comes_after_the_peers_end", room_comes_after_the_peers_end},
	{"a_full_socket_is_not_writable", a_full_socket_is_not_writable},
	{"the_end_is_readable", the_end_is_readable},
	{"ppoll_lets_a_signal_in", ppoll_lets_a_signal_in},
	{"pipes_and_sockets_wait_together", pipes_and_sockets_wait_together},
	{"urgent_data_is_polled_until_it_is_taken", urgent_data_is_polled_until_it_is_taken},
	{"urgent_data_that_is_passed_is_polled_no_more",
	 urgent_data_that_is_passed_is_polled_no_more},
	{"urgent_data_in_line_is_both", urgent_data_in_line_is_both},
	{"select_sees_urgent_data_as_exceptional", select_sees_urgent_data_as_exceptional},
	{"epoll_by_level_sees_urgent_data", epoll_by_level_sees_urgent_data},
	{"epoll_by_edge_sees_urgent_data", epoll_by_edge_sees_urgent_data},
	{"urgent_data_comes_to_a_watch_from_before_connecting",
	 urgent_data_comes_to_a_watch_from_before_connecting},
	{"urgent_data_alone_is_not_readable", urgent_data_alone_is_not_readable},
	{"a_read_goes_past_urgent_data_and_sleeps", a_read_goes_past_urgent_data_and_sleeps},
	{"urgent_data_is_taken_by_a_child", urgent_data_is_taken_by_a_child},
	{"urgent_data_signals_once_where_it_is_polled_too",
	 urgent_data_signals_once_where_it_is_polled_too},
#ifndef SANITIZED
	{"wild_pointers_are_efault", wild_pointers_are_efault},
#endif
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return behave_main(argc, argv, cases);
}
