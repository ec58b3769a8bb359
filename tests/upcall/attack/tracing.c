/* SPDX-License-Identifier: BSD-3-Clause */
/* A debugger of the same user: before an upcall, in its middle, and what it leaves behind. */
#include "tests/upcall/attack/attack.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "sandbox/ctx.h"

static struct together {
	atomic_int go, ready, tid;
	atomic_long result[8];
} * sh;

static bool in_slot(uint64_t addr)
{
	return addr - SEG_BASE < SEG_SLOT_SIZE;
}

static void await(atomic_int *word, int value)
{
	double end = now() + 20;

	while (atomic_load(word) < value && now() < end)
		usleep(1000);
}

static pid_t victim(void (*fn)(void))
{
	pid_t pid;

	sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (!pid) {
		fn();
		_exit(0);
	}
	return pid;
}

/* Everything a tracer can ask of a stopped thread: bytes of the segment, or its own registers. */
static unsigned pry(pid_t tid)
{
	struct user_regs_struct regs;
	unsigned got = 0;
	char buf[8], path[64];
	int mem;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		perror("# GETREGS");
	got += in_slot(regs.rip) + in_slot(regs.rsp) + in_slot(regs.rbp) + in_slot(regs.rax) +
	       in_slot(regs.rbx) + in_slot(regs.rcx) + in_slot(regs.rdi) + in_slot(regs.rsi) +
	       in_slot(regs.r8) + in_slot(regs.r12) + in_slot(regs.r15);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)tid);
	mem = open(path, O_RDWR);
	for (unsigned i = 0; i < part_count(); i++) {
		static const struct attacker nobody;
		uint64_t at = part_addr(&nobody, i);
		struct iovec l = {buf, 8}, r = {(void *)at, 8};

		errno = 0;
		ptrace(PTRACE_PEEKDATA, tid, at, 0);
		got += !errno;
		got += !ptrace(PTRACE_POKEDATA, tid, at, 1) + !ptrace(PTRACE_POKETEXT, tid, at, 1);
		got += pread(mem, buf, 8, (off_t)at) > 0;
		got += pwrite(mem, buf, 8, (off_t)at) > 0;
		got += process_vm_readv(tid, &l, 1, &r, 1, 0) > 0;
		got += process_vm_writev(tid, &l, 1, &r, 1, 0) > 0;
	}
	close(mem);
	return got;
}

static void parks(void)
{
	struct attacker *a = join();

	for (int i = 0; i < 4; i++) {
		struct park p;

		park(&p, a, i & 1 ? CALL_RECV : CALL_SEND);
		atomic_store(&sh->tid, atomic_load(&p.tid));
		atomic_store(&sh->ready, i + 1);
		await(&sh->go, i + 1);
		atomic_store(&sh->result[i], unpark(&p));
	}
	atomic_store(&sh->result[4], works(a));
	atomic_store(&sh->ready, 5);
}

static void in_mid_call(void)
{
	pid_t pid = victim(parks);
	unsigned got = 0, bad = 0;
	int st;

	for (int i = 0; i < 4; i++) {
		await(&sh->ready, i + 1);
		got += ({
			char buf[8];
			struct iovec l = {buf, 8}, r = {(void *)(SEG_BASE + SEG_HEAP_OFF), 8};
			process_vm_readv(pid, &l, 1, &r, 1, 0) > 0;
		});
		if (ptrace(PTRACE_SEIZE, sh->tid, 0, 0) ||
		    ptrace(PTRACE_INTERRUPT, sh->tid, 0, 0) || waitpid(sh->tid, &st, __WALL) < 0)
			expect(false, "a tracer attaches", "%s", strerror(errno));
		got += pry(sh->tid);
		if (i == 3) { /* on its way back, step by step */
			struct user_regs_struct r;

			atomic_store(&sh->go, 4);
			for (int k = 0; k < 300; k++) {
				if (ptrace(PTRACE_SINGLESTEP, sh->tid, 0, 0) ||
				    waitpid(sh->tid, &st, __WALL) < 0 || !WIFSTOPPED(st) ||
				    ptrace(PTRACE_GETREGS, sh->tid, 0, &r))
					break;
				got += in_slot(r.rip);
			}
		}
		ptrace(PTRACE_DETACH, sh->tid, 0, 0);
		atomic_store(&sh->go, i + 1);
	}
	await(&sh->ready, 5);
	for (int i = 0; i < 4; i++)
		bad += sh->result[i] != -EINTR;
	expect(!got, "a tracer in mid-call sees and changes nothing of the segment", "%u times",
	       got);
	expect(!bad && sh->result[4], "the call is EINTR, and the program goes on",
	       "%ld %ld %ld %ld, then %ld", sh->result[0], sh->result[1], sh->result[2],
	       sh->result[3], sh->result[4]);
	waitpid(pid, &st, 0);
}

/* Stopped outside an upcall, sent into the image by hand. */
static void catches(void)
{
	struct attacker *a = join();

	atomic_store(&sh->tid, (int)syscall(SYS_gettid));
	atomic_store(&sh->ready, 1);
	while (!atomic_load(&sh->go))
		call(a, a->fd, CALL_TURN, 0, 0, 0);
}

static void set_registers(void)
{
	static const uint64_t into[] = {SEG_IMAGE_OFF, SEG_HEAP_OFF, SW_EXIT_OFF};
	struct user_regs_struct regs;
	pid_t pid = victim(catches);
	unsigned ran = 0;
	int st;

	await(&sh->ready, 1);
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, &st, __WALL) < 0 ||
	    ptrace(PTRACE_GETREGS, pid, 0, &regs)) {
		expect(false, "a tracer attaches", "%s", strerror(errno));
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		struct user_regs_struct r = regs;

		r.rip = SEG_BASE + into[i];
		r.rsp = SEG_BASE + SEG_STACK_OFF + 0x7000;
		r.orig_rax = (uint64_t)-1;
		ptrace(PTRACE_SETREGS, pid, 0, &r);
		ptrace(PTRACE_CONT, pid, 0, 0);
		waitpid(pid, &st, __WALL);
		ran += !WIFSTOPPED(st) || (WSTOPSIG(st) != SIGSEGV && WSTOPSIG(st) != SIGBUS);
	}
	expect(!ran, "SETREGS into the image is a fault at the first instruction", "%u ran, 0x%x",
	       ran, (unsigned)st);
	kill(pid, SIGKILL);
	waitpid(pid, &st, __WALL);
}

/* Every single step of a program that makes upcalls: it is refused them, and steps outside. */
static void counts(void)
{
	struct attacker *a = join();

	atomic_store(&sh->tid, (int)syscall(SYS_gettid));
	atomic_store(&sh->ready, 1);
	await(&sh->go, 1);
	for (int i = 0; i < 3; i++)
		atomic_store(&sh->result[i], call(a, a->fd, CALL_NULL, 0, 0, 0));
	atomic_store(&sh->ready, 2);
	for (;;)
		pause();
}

static void single_step(void)
{
	pid_t pid = victim(counts);
	struct user_regs_struct r;
	unsigned inside = 0, steps = 0;
	int st;

	await(&sh->ready, 1);
	ptrace(PTRACE_ATTACH, pid, 0, 0);
	waitpid(pid, &st, __WALL);
	atomic_store(&sh->go, 1);
	while (atomic_load(&sh->ready) < 2 && steps < 20000) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &st, __WALL) < 0 ||
		    ptrace(PTRACE_GETREGS, pid, 0, &r))
			break;
		inside += in_slot(r.rip);
		steps++;
	}
	expect(!inside && steps > 10 && sh->result[0] == -EPERM && sh->result[2] == -EPERM,
	       "single step: no upcall, no step inside", "%u of %u inside, result %ld", inside,
	       steps, sh->result[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &st, __WALL);
}

/* ---- hardware watchpoints, which outlive the tracer ------------------------------------------ */

static atomic_int traps;
static atomic_ulong trap_ip;

static void on_trap(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	atomic_fetch_add(&traps, 1);
	atomic_store(&trap_ip, (unsigned long)info->si_addr);
}

static void watched(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	struct attacker *a = join();

	sigaction(SIGTRAP, &sa, NULL);
	pin(0);
	atomic_store(&sh->result[5], (long)(SEG_CHANNEL_OFF + a->id * SEG_CHANNEL_STRIDE +
					    offsetof(struct channel, slot[my_slot_number()].nr)));
	atomic_store(&sh->tid, (int)syscall(SYS_gettid));
	for (int i = 0; i < 4; i++) {
		atomic_store(&sh->ready, i + 1);
		await(&sh->go, i + 1);
		for (int k = 0; k < 20; k++)
			atomic_store(&sh->result[i], call(a, a->fd, CALL_TURN, 0, 0, 0));
	}
	atomic_store(&sh->result[4], atomic_load(&traps));
	atomic_store(&sh->ready, 5);
}

static void watchpoints(void)
{
	/* Where every call comes by: its stack's top, its context, the header, its slot. */
	uint64_t watch[] = {SEG_STACK_OFF + 2 * SEG_STACK_STRIDE - 24,
			    SEG_CTX_OFF + SEG_CTX_STRIDE + offsetof(struct ctx, client),
			    offsetof(struct seg_header, failed), 0};
	pid_t pid = victim(watched);
	unsigned refused = 0;
	int st;

	for (int i = 0; i < 4; i++) {
		await(&sh->ready, i + 1);
		if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, &st, __WALL) < 0) {
			expect(false, "a tracer attaches", "%s", strerror(errno));
			break;
		}
		watch[3] = (uint64_t)sh->result[5];
		ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0);
		if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]),
			   SEG_BASE + (watch[i] & ~3ull)) ||
		    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0xf0001))
			refused++; /* four bytes, read or written */
		ptrace(PTRACE_DETACH, pid, 0, 0);
		atomic_store(&sh->go, i + 1);
	}
	await(&sh->ready, 5);
	printf("# %u watchpoints refused by ptrace, results %ld %ld %ld %ld\n", refused,
	       sh->result[0], sh->result[1], sh->result[2], sh->result[3]);
	expect(!sh->result[4] && !refused,
	       "watchpoints left behind by a tracer tell nothing of the sandbox", "%ld traps",
	       sh->result[4]);
	kill(pid, SIGKILL);
	waitpid(pid, &st, __WALL);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"tracing-mid-call", in_mid_call, 0},
					     {"tracing-setregs", set_registers, 0},
					     {"tracing-step", single_step, 0},
					     {"tracing-watchpoints", watchpoints, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
