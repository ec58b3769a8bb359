/* SPDX-License-Identifier: BSD-3-Clause */
/* fork, vfork, clone, exec, exit_group and setuid by a sibling, while a thread stands in mid-call.
 */
#include "tests/upcall/attack/attack.h"

#include <linux/sched.h>
#include <sys/prctl.h>

#define ROUNDS (thorough ? 200 : 8)

static struct found {
	unsigned seen, probes;
	int64_t crossed, sock_crossed;
} * found;

/* What a child sees of the segment, and what the descriptors it was left do for it. */
static void look(const struct attacker *a, int sock)
{
	int64_t result;

	found->seen += probe_all(a, &found->probes);
	found->crossed = enter(a->fd, my_slot_number(), &result);
	found->sock_crossed = enter(sock, my_slot_number(), &result);
}

static bool nothing_seen(bool shares_memory)
{
	bool refused = found->crossed == -ESTALE && found->sock_crossed == -ENOTCONN;

	/* A process on the same memory is the same client, as its threads are. */
	return found->probes && !found->seen &&
	       (refused || (shares_memory && !found->crossed && !found->sock_crossed));
}

static struct attacker *me;
static int sock;

static int clone_child(void *unused)
{
	(void)unused;
	look(me, sock);
	syscall(SYS_exit, 0);
	return 0;
}

static pid_t clone_with(int flags)
{
	static char stack[65536] __attribute__((aligned(16)));

	return clone(clone_child, stack + sizeof(stack), flags | SIGCHLD, NULL);
}

static pid_t by_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		look(me, sock);
		_exit(0);
	}
	return pid;
}

static pid_t by_vfork(void)
{
	return clone_with(CLONE_VM | CLONE_VFORK);
}

static pid_t on_same_memory(void)
{
	return clone_with(CLONE_VM);
}

static pid_t on_same_memory_and_files(void)
{
	return clone_with(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND);
}

static pid_t on_same_files(void)
{
	return clone_with(CLONE_FILES);
}

static pid_t in_own_namespaces(void)
{
	return clone_with(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID);
}

static const struct {
	const char *name;
	pid_t (*birth)(void);
	bool shares_memory;
	int may_fail; /* errno, where the system does not let users do so */
} births[] = {
	{"fork", by_fork, false, 0},
	{"vfork", by_vfork, true, 0},
	{"clone on the same memory", on_same_memory, true, 0},
	{"clone on the same memory and files", on_same_memory_and_files, true, 0},
	{"clone with the same files", on_same_files, false, 0},
	{"clone into namespaces of its own", in_own_namespaces, false, EPERM},
};

static void children(void)
{
	me = join();
	sock = udp_socket(me);
	found = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	my_slot(me)->nr = CALL_NULL;
	for (unsigned i = 0; i < sizeof(births) / sizeof(births[0]); i++) {
		unsigned bad = 0, lost = 0;
		bool refused = false;
		char name[100];

		for (int k = 0; k < ROUNDS; k++) {
			struct park p;
			pid_t pid;

			memset(found, 0, sizeof(*found));
			park(&p, me, k & 1 ? CALL_RECV : CALL_SEND);
			my_slot(me)->nr = CALL_NULL;
			pid = births[i].birth();
			refused = pid < 0 && errno == births[i].may_fail;
			if (!refused)
				bad += pid < 0 || status_of(pid) ||
				       !nothing_seen(births[i].shares_memory);
			if (bad == 1)
				printf("# seen %u of %u, crossing %ld, by a socket %ld\n",
				       found->seen, found->probes, (long)found->crossed,
				       (long)found->sock_crossed);
			lost += unpark(&p) != 100;
		}
		snprintf(name, sizeof(name), "%s in mid-call: the child gets nothing",
			 births[i].name);
		if (refused)
			printf("skip %s: not allowed here\n", name);
		expect(!bad && !lost && works(me), name, "%u of %d children, %u calls lost", bad,
		       ROUNDS, lost);
	}
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void exec_away(void)
{
	/* The range is an ordinary one there; the descriptors were close-on-exec. */
	execl("/bin/sh", "sh", "-c",
	      "if grep ^6000 /proc/self/maps || ls -l /proc/self/fd/ | grep /dev/sandwire; then "
	      "exit 1; fi",
	      (char *)NULL);
	_exit(9);
}

static void exit_all(void)
{
	syscall(SYS_exit_group, 0);
}

static void *after_a_while(void *end)
{
	usleep(2000);
	((void (*)(void))(uintptr_t)end)();
	return NULL;
}

/* Threads that stand in mid-call, and one that ends them all. Those calls are the daemon's then. */
static void ended_by(struct attacker *a, const char *name, void (*end)(void))
{
	unsigned bad = 0;
	int st = 0;

	for (int k = 0; k < ROUNDS; k++) {
		pid_t pid = fork();

		if (!pid) {
			struct attacker *b;
			struct park p[3];
			pthread_t t;

			munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
			b = join();
			for (int i = 0; i < 3; i++)
				park(&p[i], b, i & 1 ? CALL_RECV : CALL_SEND);
			pthread_create(&t, NULL, after_a_while, (void *)(uintptr_t)end);
			for (;;)
				works(b);
		}
		st = status_of(pid);
		bad += st != 0;
	}
	expect(!bad && works(a), name, "%u of %d ended otherwise, the last with 0x%x", bad, ROUNDS,
	       (unsigned)st);
}

static void ends(void)
{
	struct attacker *a = join();

	ended_by(a, "exec by a sibling: the new program has nothing of the segment", exec_away);
	ended_by(a, "exit_group by a sibling in mid-call", exit_all);
}

/* ---- credentials ----------------------------------------------------------------------------- */

static void *release_later(void *p)
{
	usleep(50000);
	park_release(p);
	return NULL;
}

/* libc has each thread do it, by a signal that an upcall keeps waiting. */
static void other_user(void)
{
	struct attacker *a = join();
	unsigned bad = 0;

	for (int k = 0; k < ROUNDS; k++) {
		struct park p;
		pthread_t t;

		park(&p, a, k & 1 ? CALL_RECV : CALL_SEND);
		pthread_create(&t, NULL, release_later, &p);
		bad += setresuid(getuid(), getuid(), getuid()) || prctl(PR_SET_DUMPABLE, k & 1);
		pthread_join(t, NULL);
		bad += unpark(&p) != 100;
	}
	expect(!bad && works(a), "setuid by a sibling waits for the call's end", "%u of %d", bad,
	       ROUNDS);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"family-children", children, 0},
					     {"family-ends", ends, 0},
					     {"family-setuid", other_user, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
