/* SPDX-License-Identifier: BSD-3-Clause */
/* Only a thread in an upcall reaches the sandbox, and only by its entry point. */
#include <asm/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include "tests/upcall/kmod/harness.h"

static const uint64_t places[] = {T_TEXT_OFF,
				  T_DATA_OFF,
				  SEG_KSHARED_OFF,
				  SEG_CTX_OFF,
				  SEG_STACK_OFF + 0x4000,
				  T_HEAP_OFF,
				  T_REQ_OFF,
				  SW_EXIT_OFF,
				  0};

static int outside(void *unused)
{
	int fd = attach(), bad = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		uint64_t a = SEG_BASE + places[i];

		up(fd, T_INC, 0, 0, 0);
		bad += !probe_read(a) + !probe_write(a) + !probe_exec(a);
	}
	CHECK("outside an upcall nothing can be read, written or run", !bad,
	      "%d probes got through", bad);

	char buf[8];
	struct iovec l = {buf, 8}, r = {(void *)(SEG_BASE + T_DATA_OFF), 8};
	int mem = open("/proc/self/mem", O_RDWR);
	ssize_t a = process_vm_readv(getpid(), &l, 1, &r, 1, 0),
		b = process_vm_writev(getpid(), &l, 1, &r, 1, 0),
		c = pread(mem, buf, 8, (off_t)(SEG_BASE + T_DATA_OFF)),
		d = pwrite(mem, buf, 8, (off_t)(SEG_BASE + T_DATA_OFF));

	CHECK("process_vm_readv and /proc/self/mem find nothing", a < 0 && b < 0 && c < 0 && d < 0,
	      "%zd %zd %zd %zd", a, b, c, d);
	CHECK("system calls cannot write there",
	      read(open("/dev/zero", O_RDONLY), (void *)(SEG_BASE + T_DATA_OFF), 8) < 0 &&
		      errno == EFAULT,
	      "%s", strerror(errno));
	return 0;
}

static atomic_int spin_done;

static void *spinner(void *arg)
{
	up(*(int *)arg, T_SPIN, 30000000, 0, 0);
	atomic_store(&spin_done, 1);
	return NULL;
}

static int siblings(void *unused)
{
	int fd = attach(), caught = 0, leaked = 0;
	pthread_t t;

	pthread_create(&t, NULL, spinner, &fd);
	usleep(20000);
	while (!atomic_load(&spin_done)) {
		int sig = caught & 1 ? probe_read(SEG_BASE + T_DATA_OFF)
				     : probe_write(SEG_BASE + T_DATA_OFF);

		if (sig)
			caught++;
		else
			leaked++;
	}
	pthread_join(t, NULL);
	printf("# %d probes by a sibling\n", caught + leaked);
	CHECK("a sibling is caught while a thread spins in an upcall", caught > 100 && !leaked,
	      "caught %d leaked %d", caught, leaked);
	return 0;
}

static int registers(void *unused)
{
	int fd = attach();
	uint64_t r = (uint64_t)up(fd, T_REGS, 0, 0, 0), bad = 0;
	uint32_t slot = my_slot();
	/* Everything at entry set by the app: it must not arrive, and must come back. */
	uint64_t out[15], in[15], *from = in, *to = out, whence = SEEK_SET;

	for (int i = 0; i < 15; i++)
		in[i] = 0x1111111111111111ull * (uint64_t)(i + 1);
	reqs[slot] = (struct t_req){.op = T_REGS};
	__asm__ volatile("pushq %%rbp\n\tpushq %%rbx\n\tpushq %[out]\n\t"
			 "movq 0(%[in]),%%rbx; movq 8(%[in]),%%rbp; movq 16(%[in]),%%r8; movq "
			 "24(%[in]),%%r9;"
			 "movq 32(%[in]),%%r10; movq 40(%[in]),%%r12; movq 48(%[in]),%%r13;"
			 "movq 56(%[in]),%%r14; movq 64(%[in]),%%r15;"
			 "pushfq; orq $0x40400,(%%rsp); popfq;" /* AC and DF */
			 "movl $8,%%eax; syscall\n\t"
			 "pushfq; popq %%rcx; cld; pushq %%rcx; andq $~0x40000,(%%rsp); popfq;"
			 "popq %%r11;"
			 "movq %%rbx,0(%%r11); movq %%rbp,8(%%r11); movq %%r8,16(%%r11); movq "
			 "%%r9,24(%%r11);"
			 "movq %%r10,32(%%r11); movq %%r12,40(%%r11); movq %%r13,48(%%r11);"
			 "movq %%r14,56(%%r11); movq %%r15,64(%%r11); movq %%rdx,72(%%r11);"
			 "movq %%rcx,80(%%r11); movq %%rax,88(%%r11); cld;"
			 "popq %%rbx\n\tpopq %%rbp"
			 : [in] "+a"(from), [out] "+c"(to), "+d"(whence)
			 : "D"((long)fd), "S"(SW_SEEK_ENTER | slot)
			 : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
	for (int i = 0; i < 9; i++)
		bad += out[i] != in[i];
	CHECK("no register of the app reaches the image", r == 0 && out[9] == 0, "%lx %lx", r,
	      out[9]);
	CHECK("the app's registers and flags come back",
	      !bad && out[11] == SW_CROSSED && (out[10] & 0x40400) == 0x40400,
	      "%lu differ, rax %lx, flags %lx", bad, out[11], out[10]);
	return 0;
}

static int keys(void *unused)
{
	int fd = attach();
	uint32_t slot = my_slot(), a = 0, b = 0, c = 0, d = 0;
	long rc, rdx;
	uint32_t pkru;

	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
	if (!(c & 16)) {
		printf("# no protection keys on this CPU\n");
		return 0;
	}
	reqs[slot] = (struct t_req){.op = T_INC};
	/* The kernel itself kills a thread whose rseq area it cannot write. */
	syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1, 0x53053053);
	/* Key 0 shut from before the system call until after it. */
	__asm__ volatile(
		"xorl %%ecx,%%ecx; rdpkru; movl %%eax,%%r12d; orl $3,%%eax; xorl %%edx,%%edx;"
		"wrpkru; movl $8,%%eax; xorl %%edx,%%edx; syscall\n\t"
		"movq %%rax,%%r13; movq %%rdx,%%r14; xorl %%ecx,%%ecx; rdpkru;"
		"movl %%eax,%%r15d; movl %%r12d,%%eax; xorl %%edx,%%edx; xorl %%ecx,%%ecx; wrpkru;"
		"movq %%r13,%[rc]; movq %%r14,%[rdx]; movl %%r15d,%[pkru]"
		: [rc] "=r"(rc), [rdx] "=r"(rdx), [pkru] "=r"(pkru)
		: "D"((long)fd), "S"(SW_SEEK_ENTER | slot)
		: "rax", "rcx", "rdx", "r11", "r12", "r13", "r14", "r15", "memory");
	CHECK("a shut protection key does not stop the image",
	      rc == SW_CROSSED && rdx > 0 && (pkru & 3) == 3, "rc %ld result %ld pkru %x", rc, rdx,
	      pkru);
	return 0;
}

/* A restartable sequence around the image whose abort address is app code. */
__asm__(".pushsection .text\n.long 0x53053053\nrseq_abort: ud2\n.popsection");
extern char rseq_abort[];

static int restart(void *unused)
{
	int fd = attach();
	struct rseq *rs = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	static struct rseq_cs cs __attribute__((aligned(32)));
	struct sw_info before = stats();
	pid_t other;
	long r;

	if (!__rseq_size) {
		printf("# no rseq\n");
		return 0;
	}
	pin(0);
	other = fork();
	if (!other)
		for (;;)
			;
	cs.start_ip = SEG_BASE + T_TEXT_OFF;
	cs.post_commit_offset = T_TEXT_SIZE;
	cs.abort_ip = (uint64_t)rseq_abort;
	rs->rseq_cs = (uint64_t)&cs;
	r = up(fd, T_SPIN, 3000000, 0, 0);
	rs->rseq_cs = 0;
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	CHECK("a restartable sequence over the image is not acted upon",
	      r > 0 && stats().exits > before.exits, "%ld", r);
	return 0;
}

static int traced(void *unused)
{
	int fd = attach();
	long r;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	r = up(fd, T_INC, 0, 0, 0);
	CHECK("a traced thread is refused", r == -EPERM, "%ld", r);
	return 0;
}

static int section_loop(void *arg)
{
	int fd = attach();

	sh->words[0] = 1;
	for (int i = 0; i < 1000; i++) {
		long r = up(fd, T_SECTION, (uint64_t)arg, 0, 0);

		if (r == -EINTR)
			sh->words[1]++;
		else if (r <= 0)
			return 3;
		sh->words[2]++;
		if (sh->words[3])
			break;
	}
	return 0;
}

static bool level(void)
{
	return DATA->begun == DATA->done;
}

static bool running(void)
{
	return DATA->begun > DATA->done;
}

static void attach_tracer(void)
{
	pid_t pid;
	int bad = 0, got = 0, st;
	unsigned long orphans = stats().orphans;

	sh->words[0] = sh->words[1] = sh->words[2] = sh->words[3] = 0;
	pid = child(section_loop, (void *)20000000);
	for (int i = 0; i < 5; i++) {
		struct user_regs_struct regs;

		eventually(running, 5);
		usleep(3000);
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0))
			break;
		waitpid(pid, &st, __WALL);
		if (!ptrace(PTRACE_GETREGS, pid, 0, &regs)) {
			got++;
			bad += regs.rip >> 39 == SEG_BASE >> 39 || regs.rsp >> 39 == SEG_BASE >> 39;
		}
		errno = 0;
		ptrace(PTRACE_PEEKDATA, pid, SEG_BASE + T_DATA_OFF, 0);
		bad += !errno;
		bad += !ptrace(PTRACE_POKEDATA, pid, SEG_BASE + T_DATA_OFF, 1);
		eventually(level, 5);
		bad += !level();
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
	sh->words[3] = 1;
	st = wait_child(pid);
	CHECK("a tracer that attaches in mid-upcall sees only the app's registers",
	      got == 5 && !bad && !st, "got %d bad %d status %x", got, bad, st);
	CHECK("the traced thread's upcall is finished by the daemon, once",
	      level() && stats().orphans > orphans && sh->words[1] > 0,
	      "begun %lu done %lu eintr %lu", DATA->begun, DATA->done, sh->words[1]);
}

static void *napping(void *unused)
{
	for (;;)
		pause();
	return NULL;
}

static int stopped_child(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, napping, NULL);
	return section_loop(arg);
}

/* Two threads: the sibling takes SIGSTOP for both. */
static void stop_in_upcall(void)
{
	pid_t pid;
	int st;

	sh->words[0] = sh->words[1] = sh->words[2] = sh->words[3] = 0;
	pid = child(stopped_child, (void *)60000000);
	eventually(running, 5);
	usleep(3000);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	CHECK("a stopped thread's upcall goes on without it",
	      WIFSTOPPED(st) && eventually(level, 5), "status %x begun %lu done %lu", st,
	      DATA->begun, DATA->done);
	sh->words[3] = 1;
	kill(pid, SIGCONT);
	st = wait_child(pid);
	CHECK("and it finds EINTR when it is continued", !st && sh->words[1] == 1,
	      "status %x eintr %lu", st, sh->words[1]);
}

static int put(const char *dir, const char *file, int value)
{
	char path[128], text[16];
	int fd, n, rc;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	n = snprintf(text, sizeof(text), "%d", value);
	fd = open(path, O_WRONLY);
	rc = fd < 0 || write(fd, text, (size_t)n) != n;
	close(fd);
	return rc;
}

/* The cgroup freezer stops a thread without any signal. */
static void frozen_in_upcall(void)
{
	static const char dir[] = "/sys/fs/cgroup/sandwire-test";
	pid_t pid;
	int st;

	sh->words[0] = sh->words[1] = sh->words[2] = sh->words[3] = 0;
	pid = child(section_loop, (void *)60000000);
	mkdir(dir, 0755);
	st = put(dir, "cgroup.procs", pid);
	eventually(running, 5);
	usleep(3000);
	st |= put(dir, "cgroup.freeze", 1);
	CHECK("a frozen thread's upcall goes on without it", !st && eventually(level, 10),
	      "%x begun %lu done %lu", st, DATA->begun, DATA->done);
	sh->words[3] = 1;
	st = put(dir, "cgroup.freeze", 0) | wait_child(pid) | rmdir(dir);
	CHECK("and it finds EINTR when it is thawed", !st && sh->words[1] == 1,
	      "status %x eintr %lu", st, sh->words[1]);
}

static void on_segv(int sig)
{
	atomic_fetch_add(&sh->words[4], 1);
}

static int segv_child(void *arg)
{
	signal(SIGSEGV, on_segv);
	return section_loop(arg);
}

/* A fault's signal that somebody sends is no fault. */
static void sent_segv(void)
{
	unsigned faults = events[SW_EVENT_FAULT];
	pid_t pid;
	int st;

	sh->words[0] = sh->words[1] = sh->words[2] = sh->words[3] = sh->words[4] = 0;
	pid = child(segv_child, (void *)60000000);
	eventually(running, 5);
	usleep(3000);
	sh->words[3] = 1;
	kill(pid, SIGSEGV);
	st = wait_child(pid);
	CHECK("a SIGSEGV sent from outside runs the handler; the upcall is finished by the daemon",
	      !st && eventually(level, 5) && sh->words[4] == 1 && sh->words[1] == 1 &&
		      events[SW_EVENT_FAULT] == faults,
	      "status %x handled %lu eintr %lu", st, sh->words[4], sh->words[1]);
}

/* At its start: the kernel takes no notice of what is written elsewhere in such a file. */
static long schedstats(int fd, int file, const char *value)
{
	lseek(file, 0, SEEK_SET);
	return up(fd, T_SYSWRITE, (uint64_t)file, (uint64_t)value, 1);
}

/* Text patching in a system call of the image puts the official root back. */
static int heal(void *unused)
{
	int fd = attach(), f = open("/proc/sys/kernel/sched_schedstats", O_RDWR);
	struct sw_info before = stats();
	long r = 1;

	/* A thread that is preempted before it faults has the view opened by sched_in instead. */
	for (int i = 0; i < 100 && r == 1 && stats().heals == before.heals; i++)
		r = schedstats(fd, f, i % 2 ? "0" : "1");
	if (r == 1)
		r = schedstats(fd, f, "0");
	CHECK("a root put back by text patching is healed", r == 1 && stats().heals > before.heals,
	      "%ld, %lu heals", r, (unsigned long)(stats().heals - before.heals));
	return 0;
}

/* seccomp kills the thread at the image's own system call: a death without a signal. */
static void *seccomp_thread(void *arg)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(SW_SEEK_EXIT >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {4, f};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
	syscall(SYS_set_tid_address, (int *)(SEG_BASE + T_DATA_OFF)); /* counter */
	up(*(int *)arg, T_SECTION, 1000, 0, 0);
	return NULL;
}

static int seccomp_child(void *unused)
{
	int fd = attach();
	pthread_t t;

	pthread_create(&t, NULL, seccomp_thread, &fd);
	usleep(300000);
	return 0;
}

static void seccomp_kill(void)
{
	uint64_t counter = DATA->counter = 77, done = DATA->done;
	unsigned long adopted = stats().adopted;
	int st = wait_child(child(seccomp_child, NULL));

	CHECK("a thread killed by seccomp at the way out leaves nothing behind",
	      !st && level() && DATA->done == done + 1 && DATA->counter == counter &&
		      stats().adopted == adopted + 1,
	      "status %x begun %lu done %lu counter %lu adopted %lu", st, DATA->begun, DATA->done,
	      DATA->counter, (unsigned long)stats().adopted - adopted);
}

static int reservation(void *unused)
{
	int fd = open_client();
	char *base = (char *)SEG_BASE;
	long before = up(fd, T_INC, 0, 0, 0), after;
	bool wrong = mmap(base, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED ||
		     mmap(base + 4096, SEG_SLOT_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) !=
			     MAP_FAILED;

	CHECK("no upcall without the reservation", before == -ENXIO, "%ld", before);
	CHECK("only the whole slot can be reserved", !wrong, "a part was mapped");
	if (reserve(fd) != base)
		return 1;
	bool held = mprotect(base, SEG_SLOT_SIZE, PROT_READ | PROT_EXEC) && munmap(base, 4096) &&
		    munmap(base + (1 << 30), 4096) && mprotect(base + 4096, 4096, PROT_READ) &&
		    mremap(base, SEG_SLOT_SIZE, SEG_SLOT_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)0x500000000000) == MAP_FAILED &&
		    mmap(base + (2 << 20), 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
		    madvise(base, SEG_SLOT_SIZE, MADV_DOFORK);

	after = up(fd, T_INC, 0, 0, 0);
	CHECK("the reservation cannot be cut, moved or changed", held && after > 0, "%d %ld", held,
	      after);
	munmap(base, SEG_SLOT_SIZE);
	after = up(fd, T_INC, 0, 0, 0);
	CHECK("without it the client is dead", after == -ENXIO, "%ld", after);
	reserve(fd);
	after = up(fd, T_INC, 0, 0, 0);
	CHECK("and stays dead", after == -ENXIO, "%ld", after);
	return 0;
}

static void *unmapper(void *unused)
{
	usleep(20000);
	munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
	mmap((void *)SEG_BASE, 1 << 21, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return NULL;
}

static int unmap_in_call(void *bypage)
{
	int fd = attach();
	pthread_t t;
	long r;

	pthread_create(&t, NULL, unmapper, NULL);
	r = up(fd, bypage ? T_BYPAGE : T_SPIN, 10000000, 0, 0);
	pthread_join(t, NULL);
	CHECK(bypage ? "unmapped in mid-call, the upcall leaves by the exit page"
		     : "unmapped in mid-call, the upcall ends as usual",
	      r > 0, "%ld", r);
	return 0;
}

static int forked(void *unused)
{
	int fd = attach(), st;
	pid_t pid = fork();

	if (!pid) {
		long r = up(fd, T_INC, 0, 0, 0);

		_exit(r != -ESTALE || !probe_read(SEG_BASE + T_DATA_OFF));
	}
	waitpid(pid, &st, 0);
	CHECK("a forked child has neither the client nor the mapping", !st, "status %x", st);
	CHECK("the parent goes on", up(fd, T_INC, 0, 0, 0) > 0, "no");
	return 0;
}

int main(int argc, char **argv)
{
	net_up(argv[1]);
	run_case(outside, NULL);
	run_case(siblings, NULL);
	run_case(registers, NULL);
	run_case(keys, NULL);
	run_case(restart, NULL);
	run_case(traced, NULL);
	attach_tracer();
	stop_in_upcall();
	frozen_in_upcall();
	sent_segv();
	run_case(heal, NULL);
	seccomp_kill();
	run_case(reservation, NULL);
	run_case(unmap_in_call, NULL);
	run_case(unmap_in_call, (void *)1);
	run_case(forked, NULL);
	net_down();
	return atomic_load(&sh->failed) != 0;
}
