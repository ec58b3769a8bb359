/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers whose pages do not come: threads that stand still, with what they hold. */
#include "tests/upcall/attack/attack.h"

static void many(void)
{
	enum { N = 40 };
	struct attacker *a = join();
	struct park p[N];
	unsigned bad = 0;

	for (int i = 0; i < N; i++)
		park(&p[i], a, i & 1 ? CALL_RECV : CALL_SEND);
	bystander("40 calls that stand still keep nobody waiting");
	expect(works(a), "not even their own process", "a call failed");
	for (int i = 0; i < N; i++)
		bad += unpark(&p[i]) != 100;
	expect(!bad, "and each ends when its page comes", "%u did not", bad);
}

/* Closed, and taken away, while others hold references to what it holds. */
static void closed(void)
{
	struct attacker *a = join();
	unsigned bad = 0;

	for (int i = 0; i < 20; i++) {
		struct park p;
		int64_t r;

		park(&p, a, i & 1 ? CALL_RECV : CALL_SEND);
		close(p.sock);
		usleep(1000);
		p.sock = -1;
		r = unpark(&p);
		bad += r != 100 && r != -EBADF;
	}
	expect(!bad && works(a), "a socket closed while a copy for it stands still", "%u strange",
	       bad);
}

static void *stand(void *arg)
{
	struct attacker *a = arg;
	int64_t fd;
	int uffd;
	char *page = uffd_page(&uffd);

	while ((fd = call(a, a->fd, CALL_SOCKET, AF_INET, SOCK_DGRAM, 0)) < 0)
		usleep(20000); /* -EAGAIN: no context is free */
	for (;; usleep(20000))
		udp_io_once(a, (int)fd, CALL_SEND, (uint64_t)(uintptr_t)page, 100, peer_ip, 9);
	return NULL;
}

/* More threads than there are upcall contexts, none of which will ever go on. */
static void all_contexts(void)
{
	enum { PROCESSES = 6, THREADS = 60 };
	struct attacker *a = join();
	pid_t pid[PROCESSES];
	int ready[2];
	bool good = false;
	char byte;

	if (pipe(ready))
		return;
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		struct attacker b;
		pthread_attr_t small;
		pthread_t t;

		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
		if (join_net(&b, true))
			_exit(1);
		pthread_attr_init(&small);
		pthread_attr_setstacksize(&small, 65536);
		for (int k = 0; k < THREADS; k++)
			pthread_create(&t, &small, stand, &b);
		usleep(300000);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		if (read(ready[0], &byte, 1) != 1)
			break;
	bystander("360 threads that stand still leave others a context");
	for (int i = 0; i < PROCESSES; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < PROCESSES; i++)
		waitpid(pid[i], NULL, 0);
	/* Their upcalls hold contexts until the daemon has finished them. */
	for (double end = now() + 2; !good && now() < end; usleep(1000))
		good = works(a);
	expect(good, "and the attacker too, when they are dead", "a call failed");
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"stalls-many", many, 0},
					     {"stalls-closed", closed, 0},
					     {"stalls-contexts", all_contexts, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
