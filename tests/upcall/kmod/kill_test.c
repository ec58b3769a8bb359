/* SPDX-License-Identifier: BSD-3-Clause */
/* Death in mid-upcall, in every way the kernel has: what was begun is finished, once. */
#include "tests/upcall/kmod/harness.h"

#define ROUNDS 40

static void *looper(void *arg)
{
	int fd = *(int *)arg;

	for (;;)
		up(fd, T_SECTION, 100000, 0, 0);
	return NULL;
}

static void *reader(void *arg)
{
	int fd = *(int *)arg;
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (;;) {
		madvise(p, 1 << 20, MADV_DONTNEED);
		up(fd, T_WRITE, (uint64_t)p, 1 << 20, 1);
	}
	return NULL;
}

static int victim(void *how)
{
	static int fd;
	pthread_t t;

	fd = attach();
	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, looper, &fd);
	pthread_create(&t, NULL, reader, &fd);
	atomic_fetch_add(&sh->words[0], 1);
	usleep(10000 + (unsigned)rand() % 30000);
	if (how == (void *)1)
		_exit(0); /* exit_group */
	if (how == (void *)2)
		execl("/bin/true", "true", NULL);
	if (how == (void *)3)
		syscall(SYS_exit, 0); /* this thread only; the others go on until they are killed */
	if (how == (void *)4)
		abort(); /* a core dump's kill of the siblings */
	for (;;)
		pause();
	return 0;
}

static bool quiet(void)
{
	struct sw_info i = stats();

	return DATA->begun == DATA->done && i.orphans == i.adopted && i.enters == i.exits;
}

static void round_of(const char *name, long how, int rounds, bool adopt_late)
{
	struct sw_info before = stats(), after;
	unsigned gone = events[SW_EVENT_CLIENT_GONE];

	atomic_store(&adopting, !adopt_late);
	for (int i = 0; i < rounds; i++) {
		unsigned long seen = sh->words[0];
		pid_t pid = child(victim, (void *)how);

		if (how == 0 || how == 3) {
			while (sh->words[0] == seen &&
			       i > 1) /* the first two: anywhere in attach */
				usleep(1000);
			usleep(20000 + (unsigned)rand() % 40000);
			kill(pid, SIGKILL);
		}
		wait_child(pid);
	}
	after = stats();
	if (adopt_late)
		printf("# left half done: %lu of %lu upcalls; begun - done = %ld\n",
		       (unsigned long)(after.orphans - before.orphans),
		       (unsigned long)(after.enters - before.enters),
		       (long)(DATA->begun - DATA->done));
	atomic_store(&adopting, true);
	eventually(quiet, 10);
	after = stats();
	CHECK(name, quiet() && after.orphans > before.orphans,
	      "begun %lu done %lu orphans %lu adopted %lu enters %lu exits %lu", DATA->begun,
	      DATA->done, (unsigned long)after.orphans, (unsigned long)after.adopted,
	      (unsigned long)after.enters, (unsigned long)after.exits);
	usleep(50000);
	gone = events[SW_EVENT_CLIENT_GONE] - gone;
	if (gone != (unsigned)(after.clients - before.clients))
		result("every dead client is reported once", false, "%u of %lu", gone,
		       (unsigned long)(after.clients - before.clients));
}

/*
 * All contexts must be free again: as many upcalls at once as there are contexts. A client holds no
 * more than are free (each client of this harness has a share of its own), so it takes eight: 128,
 * 64 .. 1.
 */
enum { HOLDERS = 8 };

static struct sw_info before_holders;

static unsigned long held(void)
{
	struct sw_info i = stats();

	return (i.enters - before_holders.enters) - (i.exits - before_holders.exits);
}

/* Again when it is refused: those who try at the same time stand in each other's way. */
static void *holder(void *arg)
{
	struct sched_param none = {0};

	/* So many that yield must not keep the one that counts them from running. */
	sched_setscheduler(0, SCHED_IDLE, &none);
	while (up(*(int *)arg, T_HOLD, 0, 0, 0) == -EAGAIN && !sh->words[2])
		usleep(2000);
	return NULL;
}

/* One thread more than get a context. */
static int hold_share(void *arg)
{
	static pthread_t t[SEG_CTX_COUNT];
	unsigned n = SEG_CTX_COUNT >> (1 + (unsigned)(uintptr_t)arg);
	int fd = attach();
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (unsigned i = 0; i <= n; i++)
		pthread_create(&t[i], &attr, holder, &fd);
	for (unsigned i = 0; i <= n; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static unsigned long to_hold;

static bool all_hold(void)
{
	return held() == to_hold;
}

static int one_more(void *unused)
{
	int fd = attach();

	sh->words[1] = (unsigned long)up(fd, T_NULL, 0, 0, 0);
	return 0;
}

static void all_contexts(void)
{
	pid_t pid[HOLDERS];

	before_holders = stats();
	sh->words[2] = 0;
	for (unsigned long i = 0; i < HOLDERS; i++) {
		to_hold = SEG_CTX_COUNT - (SEG_CTX_COUNT >> (i + 1));
		pid[i] = child(hold_share, (void *)i);
		eventually(all_hold, 30);
		usleep(20000); /* one thread goes on trying */
		if (!i)
			CHECK("one client holds half of the contexts", all_hold(), "%lu", held());
	}
	wait_child(child(one_more, NULL));
	CHECK("every context is free again, and one more is EAGAIN",
	      all_hold() && (long)sh->words[1] == -EAGAIN, "%lu got one, then %ld", held(),
	      (long)sh->words[1]);
	sh->words[2] = 1; /* let go */
	DATA->scratch[0] = 1;
	for (unsigned i = 0; i < HOLDERS; i++)
		wait_child(pid[i]);
}

int main(int argc, char **argv)
{
	srand(1);
	net_up(argv[1]);
	round_of("killed processes' upcalls are adopted as they die", 0, ROUNDS, false);
	round_of("or all at once, later", 0, 10, true);
	round_of("exit_group by a sibling", 1, 10, false);
	round_of("exec by a sibling", 2, 10, false);
	round_of("the main thread's end, then a kill", 3, 5, false);
	round_of("abort", 4, 5, false);
	all_contexts();
	net_down();
	return atomic_load(&sh->failed) != 0;
}
