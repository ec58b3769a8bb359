/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs share: see behave.h. */
#include <pthread.h>
#include <sys/mman.h>

#include "behave.h"

struct sockaddr_in behave_host;

const char *behave_why(const char *condition, int line)
{
	static char why[256];

	snprintf(why, sizeof(why), "line %d: %s (errno %d, %s)", line, condition, errno,
		 strerror(errno));
	return why;
}

struct sockaddr_in service(enum service s)
{
	struct sockaddr_in sin = behave_host;

	sin.sin_port = htons((uint16_t)(ntohs(sin.sin_port) + s));
	return sin;
}

int dial(enum service s)
{
	struct sockaddr_in sin = service(s);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		return -1;
	}
	return fd;
}

bool write_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			return false;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return true;
}

ssize_t read_all(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool run_case(const struct behave_case *c)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		const char *why;

		alarm(60);
		why = c->run();
		if (why)
			printf("FAIL %s: %s\n", c->name, why);
		else
			printf("ok %s\n", c->name);
		fflush(stdout);
		_exit(why ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status)) {
		printf("FAIL %s: %s\n", c->name,
		       WTERMSIG(status) == SIGALRM ? "hung" : strsignal(WTERMSIG(status)));
		return false;
	}
	return WEXITSTATUS(status) == 0;
}

static void *idler(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static volatile bool *stop_no_more; /* shared with the child */

pid_t stop_again_and_again(void)
{
	static pthread_t other;
	pid_t whom = getpid(), pid;

	if (!other) {
		pthread_create(&other, NULL, idler, NULL);
		stop_no_more =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	*stop_no_more = false;
	pid = fork();
	while (!pid && !*stop_no_more && getppid() == whom) {
		usleep(1000 + (unsigned)rand() % 3000);
		kill(whom, SIGSTOP);
		usleep(2000);
		kill(whom, SIGCONT);
	}
	if (!pid)
		_exit(0);
	return pid;
}

/* Not by SIGKILL: it could come between stop and continue. */
void stopping_ends(pid_t pid)
{
	*stop_no_more = true;
	waitpid(pid, NULL, 0);
}

int behave_main(int argc, char **argv, const struct behave_case *cases)
{
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s HOST PORT [CASE]\n", argv[0]);
		return 2;
	}
	behave_host.sin_family = AF_INET;
	behave_host.sin_port = htons((uint16_t)atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &behave_host.sin_addr) != 1) {
		fprintf(stderr, "%s: %s: not an address\n", argv[0], argv[1]);
		return 2;
	}
	for (; cases->name; cases++)
		if (argc < 4 || !strcmp(argv[3], cases->name))
			failed += !run_case(cases);
	return failed ? 1 : 0;
}
