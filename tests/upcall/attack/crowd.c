/* SPDX-License-Identifier: BSD-3-Clause */
/* A thousand attaches at once: by processes, by threads of one, and their end. */
#include "tests/upcall/attack/attack.h"

#define CROWD 1000

static struct tally {
	atomic_uint in, refused, unclear, works;
	char why[200];
} * tally;

static void count(struct attacker *b, int ret)
{
	if (!ret) {
		atomic_fetch_add(&tally->in, 1);
		atomic_fetch_add(&tally->works, works(b));
	} else {
		atomic_fetch_add(&tally->refused, 1);
		/* No descriptors left is an answer too; else the daemon says why. */
		if (!b->why[0] && ret != -EMFILE && ret != -ENFILE && ret != -EBUSY)
			atomic_fetch_add(&tally->unclear, 1);
		else if (b->why[0] && !tally->why[0])
			memcpy(tally->why, b->why, sizeof(tally->why));
	}
}

static void say(const char *what, struct attacker *a)
{
	printf("# %s: %u in, %u refused: %s\n", what, tally->in, tally->refused, tally->why);
	expect(tally->in + tally->refused == CROWD && !tally->unclear &&
		       tally->works == tally->in && works(a),
	       what, "%u in, %u of them serve, %u refused, %u without a reason", tally->in,
	       tally->works, tally->refused, tally->unclear);
}

static int gate[2]; /* nobody goes before its end is closed, and then all do */

static void pass_gate(void)
{
	char byte;

	close(gate[1]);
	if (read(gate[0], &byte, 1))
		perror("# gate");
}

static void tally_new(void)
{
	if (pipe(gate))
		perror("# gate");
	tally = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void processes(void)
{
	static pid_t pid[CROWD];
	struct attacker *a = join();
	double end;

	tally_new();
	for (int i = 0; i < CROWD; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		struct attacker b = {0};

		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
		pass_gate();
		count(&b, join_net(&b, true));
		for (;;)
			pause();
	}
	close(gate[1]);
	end = now() + 60;
	while (tally->in + tally->refused < CROWD && now() < end)
		usleep(10000);
	say("1,000 processes attach at once", a);
	bystander("the crowd keeps nobody waiting");
	for (int i = 0; i < CROWD; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < CROWD; i++)
		waitpid(pid[i], NULL, 0);
}

static struct attacker *own;

static void *attaches(void *unused)
{
	struct attacker b = {0};

	for (int i = 0; i < CROWD / 20; i++) {
		int ret = join_net(&b, false); /* the reservation is there */

		count(&b, ret);
		close(b.fd);
		close(b.control);
		if (!ret)
			munmap(b.channel, 4096);
	}
	return unused;
}

static void threads(void)
{
	pthread_t t[20];

	own = join();
	tally_new();
	for (int i = 0; i < 20; i++)
		pthread_create(&t[i], NULL, attaches, NULL);
	for (int i = 0; i < 20; i++)
		pthread_join(t[i], NULL);
	say("1,000 attaches by a process that is attached", own);
}

/* After them there is room again, at once: nobody's place is held by the dead. */
static void afterwards(void)
{
	struct attacker a;
	int ret = -EAGAIN;

	for (int i = 0; i < 200 && ret; i++) {
		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
		ret = join_net(&a, true);
		if (ret)
			usleep(50000);
	}
	expect(!ret && works(&a), "when they are dead there is room again", "%d %s", ret, a.why);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"crowd-processes", processes, 0},
					     {"crowd-threads", threads, 0},
					     {"crowd-after", afterwards, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
