/* SPDX-License-Identifier: BSD-3-Clause */
/* The module's descriptors where they do not belong: passed on, opened anew, overwritten, closed.
 */
#include "tests/upcall/attack/attack.h"

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/un.h>

static int pass(int to, int fd)
{
	char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = space,
			   .msg_controllen = sizeof(space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, 0) == 1 ? 0 : -errno;
}

static int take(int from)
{
	char byte, space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = space,
			   .msg_controllen = sizeof(space)};
	int fd = -1;

	if (recvmsg(from, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static long enter_by(int fd)
{
	int64_t result;

	return enter(fd, my_slot_number(), &result);
}

/* By somebody who is not that client: 0 if all is refused, else which was not. */
static int misuse(int client_fd, int sock, bool attached)
{
	struct attacker b;

	if (enter_by(client_fd) != -ESTALE)
		return 1;
	if (enter_by(sock) != (attached ? 0 : -ENOTCONN)) /* a socket serves whoever has it */
		return 2;
	if (mmap((void *)(SEG_BASE - 4096), 8192, PROT_READ, MAP_SHARED, client_fd, 0) !=
	    MAP_FAILED)
		return 3;
	if (lseek(client_fd, (off_t)SW_SEEK_EXIT, SEEK_SET) != -1)
		return 4;
	if (attached)
		return 0;
	return join_with(&b, client_fd) ? 0 : 5; /* the other's open file as one's own */
}

/* In a process of its own: takes both from `from`, tries; its exit status is misuse()'s. */
static pid_t taker(int from, bool attached)
{
	pid_t pid = fork();
	int got[2];

	if (pid)
		return pid;
	munmap((void *)SEG_BASE, SEG_SLOT_SIZE); /* if it is there */
	if (attached)
		my_slot(join())->nr = CALL_NULL;
	got[0] = take(from);
	got[1] = take(from);
	_exit(misuse(got[0], got[1], attached));
}

static void passed(void)
{
	int ends[2], own, st[2];
	struct attacker *a = join();
	int sock = udp_socket(a);

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	my_slot(a)->nr = CALL_NULL;
	for (int attached = 0; attached < 2; attached++) {
		pid_t pid = taker(ends[1], attached);

		pass(ends[0], a->fd);
		pass(ends[0], sock);
		st[attached] = status_of(pid);
	}
	expect(!st[0] && !st[1] && works(a), "a client's file is of no use to another process",
	       "stranger 0x%x, other client 0x%x", (unsigned)st[0], (unsigned)st[1]);
	/* Nobody holds it but a message in a queue. */
	own = dup(a->fd);
	pass(ends[0], own);
	close(own);
	close(a->fd);
	a->fd = take(ends[1]);
	expect(works(a), "and back from a queue it is its own again", "a call failed");
}

static struct sockaddr_un receiver_at(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/receiver", getenv("ATTACK_TMP"));
	return sun;
}

/* What `run` starts as another user: two descriptors in, the status of who tried them out. */
static int receive(void)
{
	struct sockaddr_un sun = receiver_at();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), c;

	umask(0);
	if (bind(fd, (void *)&sun, sizeof(sun)) || listen(fd, 1))
		return 2;
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		for (int attached = 0; attached < 2; attached++) {
			int st = status_of(taker(c, attached));

			if (write(c, &st, sizeof(st)) != sizeof(st))
				break;
		}
		close(c);
	}
	return 2;
}

static void passed_to_another_user(void)
{
	struct sockaddr_un sun = receiver_at();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), st[2] = {-1, -1};
	struct attacker *a = join();
	int sock = udp_socket(a);

	if (connect(fd, (void *)&sun, sizeof(sun)))
		expect(false, "a receiver of another user", "%s", strerror(errno));
	for (int attached = 0; attached < 2; attached++) {
		pass(fd, a->fd);
		pass(fd, sock);
		if (read(fd, &st[attached], sizeof(int)) != sizeof(int))
			break;
	}
	expect(!st[0] && !st[1] && works(a), "nor to a process of another user",
	       "stranger 0x%x, other client 0x%x", (unsigned)st[0], (unsigned)st[1]);
}

static void opened_anew(void)
{
	struct attacker *a = join();
	int sock = udp_socket(a), fds[2] = {a->fd, sock};
	unsigned bad = 0;

	for (int i = 0; i < 2; i++) {
		char path[40];
		int fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		fd = open(path, O_RDWR);
		/* A new client file, or none: a socket's cannot be opened. */
		bad += fd >= 0 && enter_by(fd) != -ENOTCONN;
		close(fd);
	}
	expect(!bad && works(a), "what is opened through /proc is nobody's client", "%u", bad);
}

/* ---- in mid-call ----------------------------------------------------------------------------- */

static void in_mid_call(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned bad = 0;

	for (int i = 0; i < 16; i++) {
		pid_t pid = fork();
		struct attacker *a;
		struct park p;
		int64_t r, keep;

		if (pid) {
			int st = status_of(pid);

			if (st)
				printf("# round %d: status 0x%x\n", i, (unsigned)st);
			bad += st != 0;
			continue;
		}
		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
		a = join();
		park(&p, a, i & 1 ? CALL_RECV : CALL_SEND);
		keep = i & 8 ? dup(a->fd) : -1;
		if (i & 2)
			dup2(null, a->fd);
		else
			close(a->fd);
		if (i & 4)
			dup2(null, p.sock);
		close(a->control); /* gone, as far as the daemon knows */
		usleep(3000);
		r = unpark(&p);
		if (r != 100 && r != -EBADF && r != -ENETDOWN && r != -ENXIO && r != -EPIPE &&
		    r != -EINTR)
			printf("# round %d: result %ld\n", i, (long)r);
		r = enter_by((int)(keep >= 0 ? keep : a->fd));
		_exit(r == 0 || r == -ENXIO || r == -ENOTTY || r == -EBADF ? 0 : 1);
	}
	expect(!bad, "descriptors closed and overwritten in mid-call end what they must",
	       "%u of 16", bad);
}

/* ---- what else files can be asked --------------------------------------------------------------
 */

static void asked_for_all(void)
{
	static const uint64_t offs[] = {0,
					1,
					SW_SEEK_ENTER,
					SW_SEEK_ENTER | 0xffffffff,
					SW_SEEK_EXIT,
					SW_SEEK_EXIT + 1,
					SW_SEEK_MASK,
					UINT64_MAX,
					1ull << 63};
	struct attacker *a = join();
	int sock = udp_socket(a), fds[2] = {a->fd, sock}, null = open("/dev/null", O_RDWR), ep;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	unsigned bad = 0;
	char bytes[64];

	for (int i = 0; i < 2; i++) {
		int fd = fds[i];

		for (int whence = 1; whence < 8; whence++)
			for (unsigned k = 0; k < sizeof(offs) / sizeof(offs[0]); k++)
				bad += lseek(fd, (off_t)offs[k], whence) != -1;
		bad += lseek(fd, (off_t)SW_SEEK_EXIT, SEEK_SET) != -1;
		bad += syscall(SYS_pread64, fd, bytes, 64, 0) != -1;
		bad += syscall(SYS_pwrite64, fd, bytes, 64, 0) != -1;
		bad += sendfile(null, fd, NULL, 64) > 0;
		bad += fallocate(fd, 0, 0, 4096) != -1 || ftruncate(fd, 4096) != -1;
		bad += mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
		bad += mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED;
		bad += mmap((void *)SEG_BASE, SEG_SLOT_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != MAP_FAILED;
		ep = epoll_create1(EPOLL_CLOEXEC);
		for (int k = 0; k < 100; k++) {
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
			epoll_wait(ep, &ev, 1, 0);
			epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev);
		}
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		fcntl(fd, F_SETOWN, getpid());
		fcntl(fd, F_SETFL, O_ASYNC | O_DIRECT | O_APPEND | O_NONBLOCK);
		fcntl(fd, F_SETLEASE, F_WRLCK);
		flock(fd, LOCK_EX | LOCK_NB);
	}
	expect(!bad && works(a), "a descriptor gives nothing but what it is for", "%u", bad);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"descriptors-passed", passed, 0},
					     {"descriptors-to-user", passed_to_another_user, 0},
					     {"descriptors-anew", opened_anew, 0},
					     {"descriptors-mid-call", in_mid_call, 0},
					     {"descriptors-asked", asked_for_all, 0},
					     {NULL, NULL, 0}};

	if (argc == 3 && !strcmp(argv[1], "receive")) {
		net = argv[2];
		return receive();
	}
	return attack_main(argc, argv, list);
}
