/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets that change hands: dup, fork, exec, spawn, messages. See behave.h. */
#include <spawn.h>

#include "behave.h"

extern char **environ;
static char *program;

static const char *echo_once(int fd, const char *word)
{
	char in[32];
	size_t len = strlen(word);

	NEED(write_all(fd, word, len));
	NEED(read_all(fd, in, len) == (ssize_t)len);
	NEED(!memcmp(in, word, len));
	return NULL;
}

/* True: the child ended with status 0. */
static bool child_ok(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static const char *a_dup_is_the_same_socket(void)
{
	int fd = dial(SERVICE_ECHO), twin = dup(fd), third;

	NEED(fd >= 0 && twin >= 0);
	NEED(!echo_once(twin, "twin"));
	third = fcntl(fd, F_DUPFD_CLOEXEC, 50);
	NEED(third >= 50);
	NEED(close(fd) == 0);
	NEED(!echo_once(third, "third"));
	NEED(dup2(twin, 60) == 60);
	NEED(close(twin) == 0 && close(third) == 0);
	NEED(!echo_once(60, "sixty"));
	close(60);
	return NULL;
}

static const char *dup2_over_a_socket_closes_it(void)
{
	int fd = dial(SERVICE_COUNT), other = dial(SERVICE_ECHO);

	NEED(fd >= 0 && other >= 0);
	NEED(dup2(other, fd) == fd);
	NEED(!echo_once(fd, "over"));
	close(fd);
	NEED(!echo_once(other, "still"));
	close(other);
	return NULL;
}

static const char *a_child_uses_what_it_inherits(void)
{
	int fd = dial(SERVICE_ECHO);
	pid_t pid;

	NEED(fd >= 0);
	NEED(!echo_once(fd, "before"));
	pid = fork();
	if (pid == 0)
		_exit(echo_once(fd, "child") ? 1 : 0);
	NEED(child_ok(pid));
	NEED(!echo_once(fd, "after"));
	close(fd);
	return NULL;
}

static const char *a_child_makes_sockets_of_its_own(void)
{
	int fd = dial(SERVICE_ECHO);
	pid_t pids[4];

	NEED(fd >= 0);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int own = dial(SERVICE_ECHO);

			_exit(own < 0 || echo_once(own, "own") ? 1 : 0);
		}
	}
	for (int i = 0; i < 4; i++)
		NEED(child_ok(pids[i]));
	NEED(!echo_once(fd, "parent"));
	close(fd);
	return NULL;
}

/* As nginx does it, in the parent of its workers. */
static const char *a_cleared_environment_changes_nothing(void)
{
	pid_t pid;

	NEED(clearenv() == 0);
	pid = fork();
	if (pid == 0) {
		int own = dial(SERVICE_ECHO);

		_exit(own < 0 || echo_once(own, "bare") ? 1 : 0);
	}
	NEED(child_ok(pid));
	return NULL;
}

static const char *the_connection_outlives_the_parents_close(void)
{
	int fd = dial(SERVICE_COUNT), gate[2];
	char c, line[32] = "";
	pid_t pid;

	NEED(fd >= 0 && pipe(gate) == 0);
	pid = fork();
	if (pid == 0) {
		bool ok = read(gate[0], &c, 1) == 1 && write(fd, "", 1) == 1 &&
			  shutdown(fd, SHUT_WR) == 0 && read_all(fd, line, sizeof(line)) > 0;

		_exit(ok && !strcmp(line, "1 0\n") ? 0 : 1);
	}
	NEED(close(fd) == 0);
	NEED(write(gate[1], "g", 1) == 1);
	NEED(child_ok(pid));
	return NULL;
}

/* This program again, to use descriptor FD: "echo FD". */
static char *const *again(int fd)
{
	static char number[16], host[32], port[16];
	static char *args[6];

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(host, sizeof(host), "%s", inet_ntoa(behave_host.sin_addr));
	snprintf(port, sizeof(port), "%d", ntohs(behave_host.sin_port));
	args[0] = program;
	args[1] = host;
	args[2] = port;
	args[3] = "--echo";
	args[4] = number;
	return args;
}

static const char *a_new_program_uses_what_it_inherits(void)
{
	int fd = dial(SERVICE_ECHO);
	pid_t pid;

	NEED(fd >= 0);
	pid = fork();
	if (pid == 0) {
		execv(program, again(fd));
		_exit(9);
	}
	NEED(child_ok(pid));
	NEED(!echo_once(fd, "after"));
	close(fd);
	return NULL;
}

static const char *a_spawned_program_gets_its_standard_descriptors(void)
{
	int fd = dial(SERVICE_ECHO);
	posix_spawn_file_actions_t actions;
	pid_t pid;

	NEED(fd >= 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 70);
	NEED(posix_spawn(&pid, program, &actions, NULL, again(70), environ) == 0);
	NEED(child_ok(pid));
	NEED(!echo_once(fd, "after"));
	close(fd);
	return NULL;
}

/* As inetd and many shells do it: the child moves descriptors about in its parent's memory. */
static const char *a_vfork_child_leaves_the_parent_alone(void)
{
	int fd = dial(SERVICE_ECHO), other = dial(SERVICE_ECHO), null = open("/dev/null", O_RDWR);
	pid_t pid;

	NEED(fd >= 0 && other >= 0 && null >= 0);
	NEED(!echo_once(other, "warm"));
	pid = vfork();
	if (pid == 0) {
		dup2(fd, 70);
		dup2(null, other);
		close(fd);
		execv(program, again(70));
		_exit(9);
	}
	NEED(child_ok(pid));
	NEED(!echo_once(fd, "after"));
	NEED(!echo_once(other, "other"));
	close(fd);
	close(other);
	return NULL;
}

static bool pass(int sock, int fd)
{
	char c = 'f';
	struct iovec iov = {&c, 1};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = {{0}};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = u.space,
			     .msg_controllen = sizeof(u.space)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1;
}

static int take(int sock)
{
	char c;
	struct iovec iov = {&c, 1};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = u.space,
			     .msg_controllen = sizeof(u.space)};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(sock, &msg, 0) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static const char *a_socket_travels_in_a_message(void)
{
	int pair[2], fd;
	pid_t pid;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid = fork();
	if (pid == 0) {
		int got = take(pair[1]);

		_exit(got < 0 || echo_once(got, "passed") ? 1 : 0);
	}
	fd = dial(SERVICE_ECHO);
	NEED(fd >= 0);
	NEED(pass(pair[0], fd));
	NEED(close(fd) == 0);
	NEED(child_ok(pid));
	return NULL;
}

static const char *closing_all_descriptors_is_survived(void)
{
	int fd = dial(SERVICE_ECHO);

	NEED(fd >= 0);
	for (int i = 3; i < 2000; i++)
		if (i != fd)
			close(i);
	NEED(!echo_once(fd, "survivor"));
	close(fd);
	NEED(dial(SERVICE_ECHO) >= 0);
	return NULL;
}

static const char *numbers_are_reused(void)
{
	for (int i = 0; i < 50; i++) {
		int fd = dial(SERVICE_ECHO), p[2];
		char c;

		NEED(fd >= 0);
		NEED(!echo_once(fd, "again"));
		NEED(close(fd) == 0);
		NEED(pipe(p) == 0 && p[0] == fd);
		NEED(write(p[1], "p", 1) == 1 && read(p[0], &c, 1) == 1 && c == 'p');
		close(p[0]);
		close(p[1]);
	}
	return NULL;
}

static const struct behave_case cases[] = {
	{"a_dup_is_the_same_socket", a_dup_is_the_same_socket},
	{"dup2_over_a_socket_closes_it", dup2_over_a_socket_closes_it},
	{"a_child_uses_what_it_inherits", a_child_uses_what_it_inherits},
	{"a_child_makes_sockets_of_its_own", a_child_makes_sockets_of_its_own},
	{"a_cleared_environment_changes_nothing", a_cleared_environment_changes_nothing},
	{"the_connection_outlives_the_parents_close", the_connection_outlives_the_parents_close},
	{"a_new_program_uses_what_it_inherits", a_new_program_uses_what_it_inherits},
	{"a_spawned_program_gets_its_standard_descriptors",
	 a_spawned_program_gets_its_standard_descriptors},
	{"a_vfork_child_leaves_the_parent_alone", a_vfork_child_leaves_the_parent_alone},
	{"a_socket_travels_in_a_message", a_socket_travels_in_a_message},
	{"closing_all_descriptors_is_survived", closing_all_descriptors_is_survived},
	{"numbers_are_reused", numbers_are_reused},
	{NULL, NULL},
};

int main(int argc, char **argv)
{
	program = argv[0];
	if (argc == 5 && !strcmp(argv[3], "--echo"))
		return echo_once(atoi(argv[4]), "exec") ? 1 : 0;
	return behave_main(argc, argv, cases);
}
