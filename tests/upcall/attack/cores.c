/* SPDX-License-Identifier: BSD-3-Clause */
/* Core dumps, and gcore, of a process that is attached: in mid-call and not. */
#include "tests/upcall/attack/attack.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Bytes of the segment in a core file, by its program headers; -1: no such file. */
static long bytes_of_segment(const char *path, unsigned *loads)
{
	int fd = open(path, O_RDONLY);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	long n = 0;

	*loads = 0;
	if (fd < 0)
		return -1;
	if (read(fd, &eh, sizeof(eh)) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		n = -1;
	for (unsigned i = 0; n >= 0 && i < eh.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) !=
		    sizeof(ph)) {
			n = -1;
			break;
		}
		*loads += ph.p_type == PT_LOAD;
		if (ph.p_type == PT_LOAD && ph.p_filesz && ph.p_vaddr < SEG_BASE + SEG_SLOT_SIZE &&
		    ph.p_vaddr + ph.p_memsz > SEG_BASE)
			n += (long)ph.p_filesz;
	}
	close(fd);
	return n;
}

static void *calls_on(void *a)
{
	for (;;)
		works(a);
	return NULL;
}

/* Has the page that is waited for, in a process of its own, which the tracer does not stop. */
static _Noreturn void releaser(const struct park *p, int told)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(told, &byte, 1) == 1)
		uffd_give(p->uffd, p->page);
	_exit(0);
}

/*
 * Attached: three threads go in and out of upcalls; with `stands` one more stays in the middle
 * until `told` has a byte.
 */
static _Noreturn void child(int ready, int told, bool stands)
{
	struct attacker *a;
	struct park p;
	pthread_t t;

	munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
	a = join();
	if (stands) {
		park(&p, a, CALL_RECV);
		if (!fork())
			releaser(&p, told);
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, calls_on, a);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t attached_child(bool stands, int *tell)
{
	int ready[2], told[2];
	pid_t pid;
	char byte;

	if (pipe(ready) || pipe(told))
		return -1;
	pid = fork();
	if (!pid)
		child(ready[1], told[0], stands);
	close(ready[1]);
	close(told[0]);
	*tell = told[1];
	if (read(ready[0], &byte, 1) != 1)
		expect(false, "a process to dump", "it ended");
	close(ready[0]);
	return pid;
}

static void dumped(void)
{
	for (int in_call = 0; in_call < 2; in_call++) {
		int st, tell;
		pid_t pid = attached_child(in_call, &tell);
		unsigned loads;
		char path[100];
		long n;

		kill(pid, SIGABRT);
		st = status_of(pid);
		snprintf(path, sizeof(path), "%s/core.%d", getenv("ATTACK_TMP"), (int)pid);
		n = bytes_of_segment(path, &loads);
		expect(WIFSIGNALED(st) && !n && loads > 5,
		       in_call ? "a core dump in mid-call has nothing of the segment"
			       : "a core dump has nothing of the segment",
		       "%ld bytes, %u parts, status 0x%x", n, loads, (unsigned)st);
		unlink(path);
		close(tell);
	}
}

/* Has a tracer come to it, for as long as gdb may take to start? */
static bool traced(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	for (int i = 0; i < 500; i++) {
		if (proc_number(path, "TracerPid") > 0)
			return true;
		usleep(100000);
	}
	return false;
}

/*
 * A tracer stops a thread when its upcall is over: for one that stands still it waits, alone.
 */
static void by_gcore(void)
{
	const char *dir = getenv("ATTACK_TMP");
	char line[200], path[100];

	if (access("/usr/bin/gcore", X_OK)) {
		puts("skip gcore: gdb is not installed");
		return;
	}
	for (int in_call = 0; in_call < 2; in_call++) {
		int st, tell;
		pid_t pid = attached_child(in_call, &tell), gcore = fork();
		unsigned loads;
		long n;

		snprintf(line, sizeof(line),
			 "exec timeout 60 gcore -o %s/gcore %d >%s/gcore.log 2>&1", dir, (int)pid,
			 dir);
		if (!gcore) {
			execl("/bin/sh", "sh", "-c", line, NULL);
			_exit(127);
		}
		if (in_call) {
			expect(traced(pid), "gcore comes to who is in mid-call", "no tracer");
			sleep(1); /* it would be done if it had not to wait */
			expect(!waitpid(gcore, &st, WNOHANG), "and waits", "status 0x%x",
			       (unsigned)st);
			bystander("and nobody else does");
			if (write(tell, "", 1) != 1)
				expect(false, "the upcall goes on", "%s", strerror(errno));
		}
		st = status_of(gcore);
		snprintf(path, sizeof(path), "%s/gcore.%d", dir, (int)pid);
		n = bytes_of_segment(path, &loads);
		expect(!n && loads > 5,
		       in_call ? "and then gets nothing of the segment"
			       : "gcore gets nothing of the segment",
		       "%ld bytes, %u parts, status 0x%x", n, loads, (unsigned)st);
		unlink(path);
		kill(pid, SIGKILL);
		status_of(pid);
		close(tell);
	}
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {
		{"cores-dumped", dumped, 0}, {"cores-gcore", by_gcore, 0}, {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
