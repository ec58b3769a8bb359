/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocking TCP: transfers, vectors, flags, ends, time limits, names, options. See behave.h. */
#include <linux/sockios.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "behave.h"

static const char *echo_comes_back(void)
{
	char out[] = "hello, echo", in[sizeof(out)];
	int fd = dial(SERVICE_ECHO);

	NEED(fd >= 0);
	for (int i = 0; i < 50; i++) {
		out[0] = (char)('a' + i % 26);
		NEED(write(fd, out, sizeof(out)) == (ssize_t)sizeof(out));
		NEED(read_all(fd, in, sizeof(in)) == (ssize_t)sizeof(in));
		NEED(!memcmp(in, out, sizeof(in)));
	}
	NEED(close(fd) == 0);
	return NULL;
}

/* The first asks the server for a cookie, the second sends its data with the SYN. */
static const char *fast_open_sends_with_the_syn(void)
{
	struct sockaddr_in to = service(SERVICE_ECHO);
	struct tcp_info info = {0};
	char in[8];

	for (int i = 0; i < 2; i++) {
		socklen_t len = sizeof(info);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		NEED(fd >= 0);
		NEED(sendto(fd, "fastopen", 8, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)) ==
		     8);
		NEED(read_all(fd, in, 8) == 8 && !memcmp(in, "fastopen", 8));
		NEED(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
		close(fd);
	}
	/* Whether a kernel's listener gives cookies is its administrator's choice. */
	NEED(!getenv("BEHAVE_COOKIES") || info.tcpi_options & TCPI_OPT_SYN_DATA);
	return NULL;
}

/* No cookie is known yet. */
static const char *fast_open_does_not_wait_unless_asked_to(void)
{
	struct sockaddr_in to = service(SERVICE_NONE);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	NEED(fd >= 0);
	NEED(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)) == -1);
	NEED(errno == EINPROGRESS);
	NEED(poll(&p, 1, 5000) == 1);
	NEED(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == ECONNREFUSED);
	close(fd);
	return NULL;
}

/* Likewise: the first connect() asks for a cookie, the second returns before anything was sent. */
static const char *connect_may_wait_for_the_first_write(void)
{
	struct sockaddr_in to = service(SERVICE_ECHO);
	int one = 1;
	char in[8];

	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ret, value = 0;
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		struct tcp_info info = {0};
		socklen_t len = sizeof(info), vlen = sizeof(value);

		NEED(!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
		ret = connect(fd, (struct sockaddr *)&to, sizeof(to));
		NEED(!ret || errno == EINPROGRESS);
		NEED(!i || !getenv("BEHAVE_COOKIES") || !ret);
		NEED(poll(&p, 1, 5000) == 1 && p.revents == POLLOUT);
		NEED(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &vlen) && value == 0);
		NEED(!getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &value, &vlen) && value);
		NEED(write(fd, "fastopen", 8) == 8);
		NEED(fcntl(fd, F_SETFL, 0) == 0);
		NEED(read_all(fd, in, 8) == 8 && !memcmp(in, "fastopen", 8));
		NEED(!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
		NEED(ret || info.tcpi_options & TCPI_OPT_SYN_DATA);
		close(fd);
	}
	return NULL;
}

static const char *a_connection_without_a_write_ends_without_a_word(void)
{
	struct sockaddr_in to = service(SERVICE_ECHO);
	int one = 1, fd;

	for (int i = 0; i < 4; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		NEED(!setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
		NEED(!connect(fd, (struct sockaddr *)&to, sizeof(to)));
		NEED(i != 3 || shutdown(fd, SHUT_WR) == 0);
		NEED(close(fd) == 0);
	}
	return NULL;
}

#define UPLOAD (3 * 1000 * 1000 + 17)
static const char *a_big_upload_arrives_whole(void)
{
	static uint8_t data[UPLOAD];
	int fd = dial(SERVICE_COUNT);
	char line[64] = "", want[64];

	NEED(fd >= 0);
	for (uint64_t i = 0; i < UPLOAD; i++)
		data[i] = pattern(i);
	NEED(send(fd, data, UPLOAD, 0) == UPLOAD);
	NEED(shutdown(fd, SHUT_WR) == 0);
	NEED(read_all(fd, line, sizeof(line)) > 0);
	snprintf(want, sizeof(want), "%d 0\n", UPLOAD);
	NEED(!strcmp(line, want));
	close(fd);
	return NULL;
}

static const char *a_big_download_arrives_whole(void)
{
	uint8_t buf[70000];
	uint64_t done = 0;
	int fd = dial(SERVICE_SOURCE);
	ssize_t n;

	NEED(fd >= 0);
	NEED(write_all(fd, "5000000\n", 8));
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			NEED(buf[i] == pattern(done++));
	NEED(n == 0);
	NEED(done == 5000000);
	NEED(read(fd, buf, 1) == 0);
	close(fd);
	return NULL;
}

static const char *vectors_gather_and_scatter(void)
{
	char a[3] = "abc", b[5] = "defgh", c[1] = "i", x[4], y[5];
	struct iovec out[3] = {{a, 3}, {b, 5}, {c, 1}}, in[2] = {{x, 4}, {y, 5}};
	struct msghdr msg = {.msg_iov = out, .msg_iovlen = 3};
	int fd = dial(SERVICE_ECHO);

	NEED(fd >= 0);
	NEED(sendmsg(fd, &msg, 0) == 9);
	msg = (struct msghdr){.msg_iov = in, .msg_iovlen = 2};
	NEED(recvmsg(fd, &msg, MSG_WAITALL) == 9);
	NEED(!memcmp(x, "abcd", 4) && !memcmp(y, "efghi", 5));
	NEED(writev(fd, out, 3) == 9);
	NEED(recv(fd, x, 4, MSG_WAITALL) == 4);
	NEED(readv(fd, &in[1], 1) > 0);
	close(fd);
	return NULL;
}

static const char *peek_leaves_the_data(void)
{
	char buf[8] = "";
	int fd = dial(SERVICE_ECHO), n = 0;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	NEED(fd >= 0);
	NEED(write_all(fd, "peekme", 6));
	for (int i = 0; i < 100 && n < 6; i++) {
		NEED(poll(&pfd, 1, 5000) == 1);
		NEED(ioctl(fd, FIONREAD, &n) == 0);
	}
	NEED(n == 6);
	NEED(recv(fd, buf, 4, MSG_PEEK) == 4);
	NEED(!memcmp(buf, "peek", 4));
	NEED(ioctl(fd, FIONREAD, &n) == 0 && n == 6);
	NEED(recv(fd, buf, 8, 0) == 6);
	NEED(!memcmp(buf, "peekme", 6));
	NEED(ioctl(fd, FIONREAD, &n) == 0 && n == 0);
	NEED(recv(fd, buf, 8, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	NEED(poll(&pfd, 1, 0) == 0);
	close(fd);
	return NULL;
}

static const char *what_is_left_is_told_beside_the_data(void)
{
	char control[128], buf[8];
	struct iovec iov = {buf, 4};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, left = -1;
	struct sockaddr_in to = service(SERVICE_ECHO);
	bool timed = false;

	NEED(!setsockopt(fd, IPPROTO_TCP, TCP_INQ, &one, sizeof(one)));
	NEED(!setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)));
	NEED(!connect(fd, (struct sockaddr *)&to, sizeof(to)));
	NEED(write_all(fd, "tellme", 6));
	NEED(recv(fd, buf, 6, MSG_PEEK | MSG_WAITALL) == 6);
	msg.msg_controllen = sizeof(control);
	NEED(recvmsg(fd, &msg, 0) == 4 && !memcmp(buf, "tell", 4));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ)
			memcpy(&left, CMSG_DATA(c), sizeof(left));
		timed |= c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS;
	}
	NEED(left == 2 && timed);
	close(fd);
	return NULL;
}

static const char *the_mark_is_where_the_urgent_byte_was(void)
{
	int fd = dial(SERVICE_URGENT), n = -1;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char buf[8] = "";

	NEED(fd >= 0);
	NEED(poll(&pfd, 1, 5000) == 1);
	NEED(sockatmark(fd) == 0);
	NEED(ioctl(fd, FIONREAD, &n) == 0 && n == 3);
	NEED(read(fd, buf, 8) == 3 && !memcmp(buf, "abc", 3));
	NEED(sockatmark(fd) == 1);
	NEED(ioctl(fd, SIOCATMARK, &n) == 0 && n == 1);
	NEED(recv(fd, buf, 1, MSG_OOB) == 1 && buf[0] == 'd');
	NEED(write(fd, "x", 1) == 1);
	NEED(read_all(fd, buf, 2) == 2 && !memcmp(buf, "ef", 2));
	NEED(sockatmark(fd) == 0);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	NEED(ioctl(fd, SIOCATMARK, &n) == 0 && n == 0);
	close(fd);
	return NULL;
}

/* SIGURG within so many ms? It is blocked, so it waits for us. */
static bool signalled(int ms)
{
	struct timespec limit = {ms / 1000, ms % 1000 * 1000000l};
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	return sigtimedwait(&urg, NULL, &limit) == SIGURG;
}

static void block_urg(void)
{
	sigset_t urg;

	sigemptyset(&urg);
	sigaddset(&urg, SIGURG);
	sigprocmask(SIG_BLOCK, &urg, NULL);
}

/* Has the peer send an urgent byte, and takes it. */
static bool alarmed(int fd)
{
	uint64_t until = now_ms() + 5000;
	ssize_t n = -1;
	char c;

	if (write(fd, "!", 1) != 1)
		return false;
	while (n < 0 && now_ms() < until) {
		n = recv(fd, &c, 1, MSG_OOB);
		if (n < 0)
			usleep(500);
	}
	return n == 1 && c == '!';
}

static const char *urgent_data_signals_the_owner(void)
{
	int fd = dial(SERVICE_ALARM), who = -1;

	NEED(fd >= 0);
	block_urg();
	NEED(fcntl(fd, F_GETOWN) == 0);
	NEED(alarmed(fd) && !signalled(100));
	NEED(fcntl(fd, F_SETOWN, getpid()) == 0);
	NEED(fcntl(fd, F_GETOWN) == getpid());
	NEED(ioctl(fd, SIOCGPGRP, &who) == 0 && who == getpid());
	for (int i = 0; i < 300; i++)
		NEED(alarmed(fd) && signalled(5000));
	NEED(!signalled(100));
	NEED(fcntl(fd, F_SETOWN, 0) == 0);
	NEED(fcntl(fd, F_GETOWN) == 0);
	NEED(alarmed(fd) && !signalled(100));
	who = -getpgrp();
	NEED(ioctl(fd, FIOSETOWN, &who) == 0);
	who = 0;
	NEED(ioctl(fd, FIOGETOWN, &who) == 0 && who == -getpgrp());
	NEED(alarmed(fd) && signalled(5000));
	close(fd);
	return NULL;
}

static const char *an_owner_named_before_the_connection_is_signalled(void)
{
	struct sockaddr_in to = service(SERVICE_ALARM);
	int fd = socket(AF_INET, SOCK_STREAM, 0), me = getpid();

	block_urg();
	NEED(ioctl(fd, SIOCSPGRP, &me) == 0);
	NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	NEED(fcntl(fd, F_GETOWN) == me);
	NEED(alarmed(fd) && signalled(5000));
	close(fd);
	return NULL;
}

static const char *the_owner_stays_who_he_is_across_fork_and_dup(void)
{
	int fd = dial(SERVICE_ALARM), other, status;
	pid_t child;

	NEED(fd >= 0);
	block_urg();
	NEED(fcntl(fd, F_SETOWN, getpid()) == 0);
	other = dup(fd);
	close(fd);
	NEED(alarmed(other) && signalled(5000));
	child = fork();
	if (!child)
		_exit(!(alarmed(other) && !signalled(100)));
	NEED(waitpid(child, &status, 0) == child && status == 0);
	NEED(signalled(5000));
	/* The child's turn: the parent made the connection, the child names itself. */
	child = fork();
	if (!child)
		_exit(fcntl(other, F_SETOWN, getpid()) || !alarmed(other) || !signalled(5000));
	NEED(waitpid(child, &status, 0) == child && status == 0);
	NEED(!signalled(0));
	/* It is dead: nobody has a signal, and nobody's number is named. */
	NEED(fcntl(other, F_GETOWN) == 0);
	NEED(alarmed(other) && !signalled(100));
	NEED(fcntl(other, F_SETOWN, child) == -1 && errno == ESRCH);
	NEED(fcntl(other, F_SETOWN, INT32_MIN) == -1 && errno == EINVAL);
	close(other);
	return NULL;
}

static void *named_thread(void *fd)
{
	struct f_owner_ex me = {F_OWNER_TID, gettid()}, said = {0};

	block_urg();
	if (fcntl(*(int *)fd, F_SETOWN_EX, &me) || fcntl(*(int *)fd, F_GETOWN_EX, &said) ||
	    said.type != F_OWNER_TID || said.pid != me.pid)
		return NULL;
	return alarmed(*(int *)fd) && signalled(5000) ? fd : NULL;
}

static const char *a_thread_may_be_the_owner(void)
{
	int fd = dial(SERVICE_ALARM);
	pthread_t thread;
	void *ret;

	NEED(fd >= 0);
	block_urg();
	NEED(pthread_create(&thread, NULL, named_thread, &fd) == 0);
	NEED(pthread_join(thread, &ret) == 0 && ret == &fd);
	NEED(!signalled(0));
	close(fd);
	return NULL;
}

static const char *what_waits_to_be_sent_is_told(void)
{
	static char data[4 << 20];
	int fd = dial(SERVICE_SILENT), out = -1, unsent = -1;

	NEED(fd >= 0);
	NEED(ioctl(fd, SIOCOUTQ, &out) == 0 && out == 0);
	NEED(ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent == 0);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		usleep(1000);
	NEED(ioctl(fd, SIOCOUTQ, &out) == 0 && out > 0);
	NEED(ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0 && unsent <= out);
	close(fd);
	return NULL;
}

static const char *wild_pointers_in_questions_are_efault(void)
{
	static const unsigned long requests[] = {FIONREAD,  SIOCOUTQ,  SIOCOUTQNSD, SIOCATMARK,
						 FIOGETOWN, FIOSETOWN, SIOCGPGRP,   SIOCSPGRP};
	int fd = dial(SERVICE_SILENT), n = -1;

	NEED(fd >= 0);
	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		NEED(ioctl(fd, requests[i], NULL) == -1 && errno == EFAULT);
		NEED(ioctl(fd, requests[i], (void *)-4096l) == -1 && errno == EFAULT);
	}
	NEED(ioctl(fd, FIONREAD, &n) == 0 && n == 0);
	close(fd);
	return NULL;
}

static const char *waitall_fills_the_buffer(void)
{
	char buf[20000];
	int fd = dial(SERVICE_SOURCE);

	NEED(fd >= 0);
	NEED(write_all(fd, "30000\n", 6));
	NEED(recv(fd, buf, sizeof(buf), MSG_WAITALL) == (ssize_t)sizeof(buf));
	NEED(recv(fd, buf, sizeof(buf), MSG_WAITALL) == 10000);
	close(fd);
	return NULL;
}

static const char *half_a_close_leaves_the_other_half(void)
{
	char line[64] = "";
	int fd = dial(SERVICE_COUNT);

	NEED(fd >= 0);
	NEED(shutdown(fd, SHUT_WR) == 0);
	signal(SIGPIPE, SIG_IGN);
	NEED(write(fd, "x", 1) == -1 && errno == EPIPE);
	NEED(read_all(fd, line, sizeof(line)) == 4);
	NEED(!strcmp(line, "0 0\n"));
	close(fd);
	return NULL;
}

static _Atomic int pipes;
static void on_pipe(int sig)
{
	pipes++;
}

static const char *a_broken_pipe_is_signalled(void)
{
	int fd = dial(SERVICE_ECHO);

	NEED(fd >= 0);
	signal(SIGPIPE, on_pipe);
	NEED(shutdown(fd, SHUT_WR) == 0);
	NEED(send(fd, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	NEED(pipes == 0);
	NEED(send(fd, "x", 1, 0) == -1 && errno == EPIPE);
	NEED(pipes == 1);
	close(fd);
	return NULL;
}

static const char *a_reset_is_an_error_once(void)
{
	char c;
	int fd = dial(SERVICE_RESET);

	NEED(fd >= 0);
	NEED(write(fd, "xy", 2) == 2);
	NEED(read(fd, &c, 1) == -1 && errno == ECONNRESET);
	NEED(read(fd, &c, 1) == 0);
	close(fd);
	return NULL;
}

static const char *nobody_there_refuses(void)
{
	struct sockaddr_in sin = service(SERVICE_NONE);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1);
	NEED(errno == ECONNREFUSED);
	close(fd);
	return NULL;
}

static const char *a_receive_time_limit_holds(void)
{
	struct timeval tv = {0, 200000}, back = {0};
	socklen_t len = sizeof(back);
	int fd = dial(SERVICE_SILENT);
	uint64_t start = now_ms();
	char c;

	NEED(fd >= 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	NEED(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0);
	NEED(len == sizeof(back) && !back.tv_sec && back.tv_usec >= 190000);
	NEED(read(fd, &c, 1) == -1 && errno == EAGAIN);
	NEED(now_ms() - start >= 150 && now_ms() - start < 5000);
	close(fd);
	return NULL;
}

static const char *a_send_time_limit_holds(void)
{
	static char data[8 << 20];
	struct timeval tv = {0, 200000};
	int fd = dial(SERVICE_SILENT);
	ssize_t n, total = 0;

	NEED(fd >= 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	while ((n = send(fd, data, sizeof(data), 0)) > 0 && total < 64 << 20)
		total += n;
	NEED(n == -1 && errno == EAGAIN);
	NEED(total > 0);
	close(fd);
	return NULL;
}

static const char *names_are_told(void)
{
	struct sockaddr_in sin, want = service(SERVICE_ECHO);
	socklen_t len = sizeof(sin);
	int fd = dial(SERVICE_ECHO), value;

	NEED(fd >= 0);
	NEED(getpeername(fd, (struct sockaddr *)&sin, &len) == 0);
	NEED(len == sizeof(sin) && sin.sin_family == AF_INET);
	NEED(sin.sin_port == want.sin_port && sin.sin_addr.s_addr == want.sin_addr.s_addr);
	NEED(getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
	NEED(sin.sin_port && sin.sin_addr.s_addr);
	len = sizeof(value);
	NEED(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) == 0 && value == SOCK_STREAM);
	NEED(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len) == 0 && value == 0);
	NEED(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len) == 0 && value == AF_INET);
	NEED(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value == 0);
	close(fd);
	return NULL;
}

static const char *options_set_before_connecting_stay(void)
{
	struct sockaddr_in sin = service(SERVICE_ECHO);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, value = 0;
	socklen_t len = sizeof(value);

	NEED(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
	NEED(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	NEED(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len) == 0 && value == 1);
	value = 0;
	NEED(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len) == 0 && value == 1);
	close(fd);
	return NULL;
}

static const char *a_file_is_sent(void)
{
	char name[] = "/tmp/behave.XXXXXX", line[64] = "";
	uint8_t data[100000];
	int file = mkstemp(name), fd = dial(SERVICE_COUNT);
	off_t off = 0;

	NEED(fd >= 0 && file >= 0);
	unlink(name);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	NEED(write_all(file, data, sizeof(data)));
	while (off < (off_t)sizeof(data))
		NEED(sendfile(fd, file, &off, sizeof(data)) > 0);
	NEED(shutdown(fd, SHUT_WR) == 0);
	NEED(read_all(fd, line, sizeof(line)) > 0);
	NEED(!strcmp(line, "100000 0\n"));
	close(fd);
	return NULL;
}

static const char *streams_of_stdio_work(void)
{
	char line[64];
	int fd = dial(SERVICE_ECHO);
	FILE *in, *out;

	NEED(fd >= 0);
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	NEED(in && out && fileno(in) == fd);
	for (int i = 0; i < 5; i++) {
		fprintf(out, "line %d\n", i);
		NEED(fflush(out) == 0);
		NEED(fgets(line, sizeof(line), in));
		NEED(!strncmp(line, "line ", 5) && atoi(line + 5) == i);
	}
	NEED(dprintf(fd, "%s %d\n", "by", 7) == 5);
	NEED(fgets(line, sizeof(line), in) && !strcmp(line, "by 7\n"));
	NEED(fclose(out) == 0 && fclose(in) == 0);
	NEED(fcntl(fd, F_GETFD) == -1);
	return NULL;
}

static void on_alarm(int sig)
{
}

static const char *a_signal_interrupts_or_not(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval soon = {{0, 0}, {0, 100000}};
	int fd = dial(SERVICE_SILENT);
	char c;

	NEED(fd >= 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	NEED(read(fd, &c, 1) == -1 && errno == EINTR);
	close(fd);
	return NULL;
}

struct echoer {
	int fd, seed;
	const char *why;
};

static const char *many_echoes(int fd, int seed)
{
	char out[3000], in[3000];

	for (int i = 0; i < 50; i++) {
		memset(out, seed + i, sizeof(out));
		NEED(write_all(fd, out, sizeof(out)));
		NEED(read_all(fd, in, sizeof(in)) == (ssize_t)sizeof(in));
		NEED(!memcmp(in, out, sizeof(in)));
	}
	return NULL;
}

static void *echoer(void *arg)
{
	struct echoer *e = arg;

	e->fd = dial(SERVICE_ECHO);
	e->why = e->fd < 0 ? "dial" : many_echoes(e->fd, e->seed);
	close(e->fd);
	return NULL;
}

static const char *threads_do_not_disturb_each_other(void)
{
	pthread_t threads[6];
	struct echoer e[6];

	for (int i = 0; i < 6; i++) {
		e[i].seed = i * 40;
		pthread_create(&threads[i], NULL, echoer, &e[i]);
	}
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 6; i++)
		if (e[i].why)
			return e[i].why;
	return NULL;
}

/* Stopped anywhere: in the very copy too, where the buffer is not present. */
static const char *a_stop_in_the_middle_loses_nothing(void)
{
	size_t room = 64 * 4096;
	uint8_t *buf = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dial(SERVICE_SOURCE);
	uint64_t done = 0;
	pid_t pid;
	ssize_t n;

	NEED(fd >= 0 && buf != MAP_FAILED);
	NEED(write_all(fd, "2000000\n", 8));
	pid = stop_again_and_again();
	while ((n = read(fd, buf, room)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			NEED(buf[i] == pattern(done++));
		madvise(buf, room, MADV_DONTNEED);
	}
	stopping_ends(pid);
	NEED(n == 0);
	NEED(done == 2000000);
	close(fd);
	return NULL;
}

static const struct behave_case cases[] = {
	{"echo_comes_back", echo_comes_back},
	{"fast_open_does_not_wait_unless_asked_to", fast_open_does_not_wait_unless_asked_to},
	{"connect_may_wait_for_the_first_write", connect_may_wait_for_the_first_write},
	{"a_connection_without_a_write_ends_without_a_word",
	 a_connection_without_a_write_ends_without_a_word},
	{"fast_open_sends_with_the_syn", fast_open_sends_with_the_syn},
	{"a_big_upload_arrives_whole", a_big_upload_arrives_whole},
	{"a_big_download_arrives_whole", a_big_download_arrives_whole},
	{"vectors_gather_and_scatter", vectors_gather_and_scatter},
	{"peek_leaves_the_data", peek_leaves_the_data},
	{"what_is_left_is_told_beside_the_data", what_is_left_is_told_beside_the_data},
	{"the_mark_is_where_the_urgent_byte_was", the_mark_is_where_the_urgent_byte_was},
	{"urgent_data_signals_the_owner", urgent_data_signals_the_owner},
	{"an_owner_named_before_the_connection_is_signalled",
	 an_owner_named_before_the_connection_is_signalled},
	{"the_owner_stays_who_he_is_across_fork_and_dup",
	 the_owner_stays_who_he_is_across_fork_and_dup},
	{"a_thread_may_be_the_owner", a_thread_may_be_the_owner},
	{"what_waits_to_be_sent_is_told", what_waits_to_be_sent_is_told},
	{"wild_pointers_in_questions_are_efault", wild_pointers_in_questions_are_efault},
	{"waitall_fills_the_buffer", waitall_fills_the_buffer},
	{"half_a_close_leaves_the_other_half", half_a_close_leaves_the_other_half},
	{"a_broken_pipe_is_signalled", a_broken_pipe_is_signalled},
	{"a_reset_is_an_error_once", a_reset_is_an_error_once},
	{"nobody_there_refuses", nobody_there_refuses},
	{"a_receive_time_limit_holds", a_receive_time_limit_holds},
	{"a_send_time_limit_holds", a_send_time_limit_holds},
	{"names_are_told", names_are_told},
	{"options_set_before_connecting_stay", options_set_before_connecting_stay},
	{"a_file_is_sent", a_file_is_sent},
	{"streams_of_stdio_work", streams_of_stdio_work},
	{"a_signal_interrupts_or_not", a_signal_interrupts_or_not},
	{"threads_do_not_disturb_each_other", threads_do_not_disturb_each_other},
	{"a_stop_in_the_middle_loses_nothing", a_stop_in_the_middle_loses_nothing},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	return behave_main(argc, argv, cases);
}
