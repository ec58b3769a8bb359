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

/* Attached: three threads go in and out of upcalls; with `stands` one more stays in the middle. */
static _Noreturn void child(int ready, bool stands)
{
	struct attacker *a;
	struct park p;
	pthread_t t;

	munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
	prctl(PR_SET_DUMPABLE, 1);
	a = join();
	if (stands)
		park(&p, a, CALL_RECV);
	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, calls_on, a);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static pid_t attached_child(bool stands)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid)
		child(ready[1], stands);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		expect(false, "a process to dump", "it ended");
	close(ready[0]);
	return pid;
}

static void dumped(void)
{
	for (int in_call = 0; in_call < 2; in_call++) {
		pid_t pid = attached_child(in_call);
		unsigned loads;
		char path[100];
		long n;
		int st;

		kill(pid, SIGABRT);
		st = status_of(pid);
		snprintf(path, sizeof(path), "%s/core.%d", getenv("ATTACK_TMP"), (int)pid);
		n = bytes_of_segment(path, &loads);
		expect(WIFSIGNALED(st) && !n && loads > 5,
		       in_call ? "a core dump in mid-call has nothing of the segment"
			       : "a core dump has nothing of the segment",
		       "%ld bytes, %u parts, status 0x%x", n, loads, (unsigned)st);
		unlink(path);
	}
}

/* A tracer stops a thread when its upcall is over: one that stands still it would wait for. */
static void by_gcore(void)
{
	const char *dir = getenv("ATTACK_TMP");
	pid_t pid = attached_child(false);
	char line[200], path[100];
	unsigned loads;
	long n;
	int st;

	snprintf(line, sizeof(line), "timeout 60 gcore -o %s/gcore %d >%s/gcore.log 2>&1", dir,
		 (int)pid, dir);
	st = system(line);
	snprintf(path, sizeof(path), "%s/gcore.%d", dir, (int)pid);
	n = bytes_of_segment(path, &loads);
	if (WIFEXITED(st) && WEXITSTATUS(st) == 127)
		puts("skip gcore: gdb is not installed");
	else
		expect(!n && loads > 5, "gcore gets nothing of the segment",
		       "%ld bytes, %u parts, status 0x%x", n, loads, (unsigned)st);
	unlink(path);
	kill(pid, SIGKILL);
	status_of(pid);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {
		{"cores-dumped", dumped, 0}, {"cores-gcore", by_gcore, 0}, {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
