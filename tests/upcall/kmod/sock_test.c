/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket files are real descriptors: waiting, waking, dup, fork, exec, passing, last close. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "tests/upcall/kmod/harness.h"

static uint32_t ids = 1;

/* A fresh id with a generation above the index bits, as the image would make it. */
static uint32_t new_id(void)
{
	ids++;
	return SEG_SOCK_COUNT * ids + ids % SEG_SOCK_COUNT;
}

static int sock(int fd, uint32_t id, int flags)
{
	up(fd, T_READY, id, 0, 0);
	return (int)up(fd, T_SOCK, id, (uint64_t)flags, 0);
}

static uint32_t closed(int fd)
{
	return (uint32_t)up(fd, T_CLOSED, 0, 0, 0);
}

static int revents(int s, int ms)
{
	struct pollfd p = {s, POLLIN | POLLOUT | POLLRDHUP, 0};

	return poll(&p, 1, ms) < 0 ? -errno : p.revents;
}

static int basics(void *unused)
{
	int fd = attach();
	uint32_t id = new_id();
	int s = sock(fd, id, O_CLOEXEC), d;
	struct sw_sock_info info = {0};
	struct stat st;

	CHECK("an upcall makes a descriptor",
	      s >= 0 && !fstat(s, &st) && fcntl(s, F_GETFD) == FD_CLOEXEC &&
		      fcntl(s, F_GETFL) == O_RDWR,
	      "%d flags %x %x", s, fcntl(s, F_GETFD), fcntl(s, F_GETFL));
	ioctl(s, SW_IOC_SOCK_INFO, &info);
	long who = up(s, T_WHO, 0, 0, 0);
	CHECK("an upcall by it brings its id and the client's",
	      info.sock_id == id && info.client_id && !strcmp(info.net, "test") &&
		      (uint32_t)who == id && (uint32_t)(who >> 32) == info.client_id,
	      "%lx %x %x", who, info.sock_id, id);
	d = fcntl(s, F_SETFL, O_NONBLOCK);
	CHECK("O_NONBLOCK of the file is passed on",
	      !d && up(s, T_NONBLOCK, 0, 0, 0) == 1 && up(fd, T_NONBLOCK, 0, 0, 0) == 0, "no");
	CHECK("an id that has a descriptor gets no second one",
	      sock(fd, id, 0) == -EBUSY && closed(fd) == 0, "no");
	d = dup(s);
	close(s);
	CHECK("closing one of two descriptors is not the end", closed(fd) == 0, "yes");
	pid_t pid = fork();
	if (!pid) {
		usleep(100000);
		_exit(0);
	}
	close(d);
	CHECK("nor while a forked child holds one", closed(fd) == 0, "yes");
	waitpid(pid, NULL, 0);
	usleep(20000);
	CHECK("the last close is, even a process's end", closed(fd) == id && closed(fd) == 0, "no");
	s = sock(fd, new_id(), O_NONBLOCK);
	CHECK("flags are those asked for", fcntl(s, F_GETFD) == 0 && fcntl(s, F_GETFL) & O_NONBLOCK,
	      "%x %x", fcntl(s, F_GETFD), fcntl(s, F_GETFL));
	close(s);
	closed(fd);
	struct rlimit rl = {8, 8}, old;

	getrlimit(RLIMIT_NOFILE, &old);
	rl.rlim_max = old.rlim_max;
	while (dup(0) >= 0 && rl.rlim_cur < 4)
		;
	rl.rlim_cur = (rlim_t)dup(0);
	setrlimit(RLIMIT_NOFILE, &rl);
	id = new_id();
	s = sock(fd, id, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK("with no descriptor free it is EMFILE and the id comes back",
	      s == -EMFILE && closed(fd) == id, "%d", s);
	return 0;
}

struct waker {
	int fd;
	uint32_t id, events;
};

static void *wake_later(void *arg)
{
	struct waker *w = arg;

	usleep(30000);
	up(w->fd, T_READY, w->id, w->events, 0);
	return NULL;
}

static int waiting(void *unused)
{
	int fd = attach(), rc;
	struct waker w = {fd, new_id(), POLLIN | POLLRDHUP};
	int s = sock(fd, w.id, 0), ep = epoll_create1(0);
	struct epoll_event e = {EPOLLIN, {.u32 = 7}}, got = {0};
	pthread_t t;
	double t0;

	CHECK("nothing is ready at first", revents(s, 0) == 0, "%x", revents(s, 0));
	t0 = now();
	pthread_create(&t, NULL, wake_later, &w);
	rc = revents(s, 5000);
	pthread_join(t, NULL);
	CHECK("poll sleeps and wakes",
	      rc == (POLLIN | POLLRDHUP) && now() - t0 > 0.02 && now() - t0 < 3, "%x after %f", rc,
	      now() - t0);
	up(fd, T_READY, w.id, POLLOUT, 0);
	CHECK("readiness is a word read, not a call", revents(s, 0) == POLLOUT, "%x",
	      revents(s, 0));
	up(fd, T_READY, w.id, 0, 0);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &e);
	CHECK("epoll has nothing", epoll_wait(ep, &got, 1, 0) == 0, "something");
	w.events = POLLIN;
	pthread_create(&t, NULL, wake_later, &w);
	rc = epoll_wait(ep, &got, 1, 5000);
	pthread_join(t, NULL);
	CHECK("epoll sleeps and wakes", rc == 1 && got.events == EPOLLIN && got.data.u32 == 7,
	      "%d %x", rc, got.events);
	/* Edge-triggered: one report an edge. */
	e.events = EPOLLIN | EPOLLET;
	epoll_ctl(ep, EPOLL_CTL_MOD, s, &e);
	epoll_wait(ep, &got, 1, 0);
	rc = epoll_wait(ep, &got, 1, 0);
	up(fd, T_READY, w.id, 0, 0);
	revents(s, 0); /* waiters again */
	up(fd, T_READY, w.id, POLLIN, 0);
	CHECK("edge-triggered epoll sees each edge once",
	      rc == 0 && epoll_wait(ep, &got, 1, 1000) == 1, "%d", rc);
	return 0;
}

/* A thread that sleeps in poll while another process wakes it, over and over: none is lost. */
static int ping_side(void *arg)
{
	int fd = attach(), n = 3000, lost = 0;
	uint32_t mine = ((uint32_t *)arg)[0], other = ((uint32_t *)arg)[1];
	int s = sock(fd, mine, 0);

	atomic_fetch_add(&sh->words[10], 1);
	while (atomic_load(&sh->words[10]) < 2)
		sched_yield();
	for (int i = 0; i < n && !lost; i++) {
		if (mine < other || i)
			up(fd, T_READY, other, POLLIN, 0);
		lost = revents(s, 3000) != POLLIN;
		up(fd, T_READY, mine, 0, 0);
	}
	if (mine > other)
		up(fd, T_READY, other, POLLIN, 0);
	return lost;
}

static void no_lost_wake(void)
{
	uint32_t a = new_id(), b = new_id(), p[2][2] = {{a, b}, {b, a}};
	double t = now();
	pid_t x = child(ping_side, p[0]), y = child(ping_side, p[1]);
	int st = wait_child(x) | wait_child(y);

	printf("# 6000 wakes in %.1f s\n", now() - t);
	CHECK("two processes wake each other 3000 times, none lost", !st, "status %x", st);
}

static int passing(void *unused)
{
	int fd = attach(), sv[2], st, s = sock(fd, new_id(), 0);
	char byte = 0, ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct sw_sock_info info;
	pid_t pid;

	ioctl(s, SW_IOC_SOCK_INFO, &info);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return 1;
	pid = fork();
	if (!pid) {
		int got;
		long r1, r2;

		recvmsg(sv[1], &m, 0);
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
		r1 = up(got, T_WHO, 0, 0, 0); /* not attached yet */
		attach();
		r2 = up(got, T_WHO, 0, 0, 0);
		_exit(r1 != -ENOTCONN || (uint32_t)r2 != info.sock_id ||
		      (uint32_t)(r2 >> 32) == info.client_id || r2 < 0);
	}
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &s, sizeof(int));
	sendmsg(sv[0], &m, 0);
	waitpid(pid, &st, 0);
	CHECK("a passed descriptor works in a process that attaches for itself", !st, "status %x",
	      st);
	close(s);
	return !closed(fd);
}

static int kick(void *unused)
{
	return up(attach(), T_KICK, 0, 0, 0) != 0;
}

static bool kicked(void)
{
	return atomic_load(&events[SW_EVENT_KICK]);
}

static int fill_closed(void *unused)
{
	int fd = attach();

	while (closed(fd))
		;
	for (int i = 0; i < 500; i++) {
		uint32_t id = new_id();

		close(sock(fd, id, 0));
		if (closed(fd) != id)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned before;

	net_up(argv[1]);
	run_case(basics, NULL);
	run_case(waiting, NULL);
	no_lost_wake();
	run_case(passing, NULL);
	run_case(kick, NULL);
	CHECK("the image can call the daemon", eventually(kicked, 2), "no event");
	before = events[SW_EVENT_CLOSED];
	run_case(fill_closed, NULL);
	CHECK("closed sockets are reported to the daemon", events[SW_EVENT_CLOSED] > before,
	      "no event");
	net_down();
	return atomic_load(&sh->failed) != 0;
}
