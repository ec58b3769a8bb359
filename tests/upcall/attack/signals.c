/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals: a storm of all kinds, a signal stack inside the segment, forged frames to return by. */
#include "tests/upcall/attack/attack.h"

#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

#define STORM (thorough ? 20.0 : 2.0) /* s */

static bool in_slot(uint64_t addr)
{
	return addr - SEG_BASE < SEG_SLOT_SIZE;
}

/* ---- a storm --------------------------------------------------------------------------------- */

static atomic_ulong handled, seen_inside;
static atomic_bool *over; /* shared with children */
static atomic_int caller;

static void on_any(int sig, siginfo_t *info, void *uc)
{
	const greg_t *r = ((ucontext_t *)uc)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	for (int i = REG_R8; i <= REG_RIP; i++)
		if (in_slot((uint64_t)r[i]))
			atomic_fetch_add(&seen_inside, 1);
	atomic_fetch_add(&handled, 1);
}

static void handle_all(void)
{
	struct sigaction sa = {.sa_sigaction = on_any, .sa_flags = SA_SIGINFO | SA_RESTART};

	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != 32 && sig != 33)
			sigaction(sig, &sa, NULL); /* 32, 33: libc's own */
}

/* All signals that there are, but those that nobody can handle. */
static int nth_signal(unsigned n)
{
	int sig = 1 + (int)(n % 64);

	return sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33 ? SIGRTMIN : sig;
}

static void *sibling_sends(void *unused)
{
	for (unsigned n = 0; !atomic_load(over); n++) {
		syscall(SYS_tgkill, getpid(), atomic_load(&caller), nth_signal(n));
		if (n % 16 == 0)
			usleep(100); /* else the caller does nothing but handle them */
	}
	return unused;
}

/* It ends by itself: killed between a stop and its end it would leave us stopped. */
static pid_t child_sends(pid_t to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (unsigned n = 0; !atomic_load(over); n++) {
		if (n % 8 == 7) {
			kill(to, SIGSTOP);
			usleep(2000);
		}
		if (kill(to, n % 8 == 7 ? SIGCONT : nth_signal(n)))
			_exit(0);
		usleep(1000);
	}
	_exit(0);
}

/* Datagrams to itself: each call is made whole or not at all. */
static void storm(void)
{
	struct itimerval every = {{0, 1500}, {0, 1500}};
	struct attacker *a = join();
	int fd = udp_socket(a);
	unsigned long calls = 0, bad = 0, lost = 0;
	double end = now() + STORM;
	uint64_t out = 0, in;
	pthread_t t;
	pid_t pid;

	over = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	udp_bind_any(a, fd, 7001);
	handle_all();
	atomic_store(&caller, (int)syscall(SYS_gettid));
	pthread_create(&t, NULL, sibling_sends, NULL);
	pid = child_sends(getpid());
	setitimer(ITIMER_REAL, &every, NULL);
	for (; now() < end; calls++) {
		int64_t r;

		out++;
		r = udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)&out, 8, net_ip, 7001);
		bad += r != 8;
		do { /* what was sent once more, by a call cut off, comes twice */
			r = udp_io_once(a, fd, CALL_RECV, (uint64_t)(uintptr_t)&in, 8, 0, 0);
		} while (r == -EINTR || r == -EFAULT || (r == 8 && in < out));
		lost += r == -EAGAIN;
		bad += r != -EAGAIN && (r != 8 || in != out);
	}
	every = (struct itimerval){0};
	setitimer(ITIMER_REAL, &every, NULL);
	atomic_store(over, true);
	status_of(pid);
	pthread_join(t, NULL);
	printf("# %lu rounds under %lu signals\n", calls, atomic_load(&handled));
	expect(!bad && !lost && calls > 100 && atomic_load(&handled) > 1000,
	       "all signals there are leave calls as they were",
	       "%lu of %lu wrong, %lu lost, %lu signals", bad, calls, lost, atomic_load(&handled));
	expect(!atomic_load(&seen_inside), "no handler sees a register of the sandbox", "%lu times",
	       atomic_load(&seen_inside));
	expect(works(a), "and the program goes on", "a call failed");
}

/* ---- a signal that waits for an upcall's end --------------------------------------------------
 */

static struct pending {
	int uffd, tid;
	char *page;
	atomic_bool sent;
} pending;

static void *signals_in_mid_call(void *unused)
{
	if (uffd_wait(pending.uffd, 10000))
		syscall(SYS_tgkill, getpid(), pending.tid, SIGUSR1);
	atomic_store(&pending.sent, true);
	uffd_give(pending.uffd, pending.page);
	return unused;
}

/* SIGUSR1 comes while this thread is in an upcall, so its handler runs as soon as that is over. */
static int64_t signalled_in_call(struct attacker *a, int sock)
{
	pthread_t t;
	int64_t r;

	pending = (struct pending){.tid = (int)syscall(SYS_gettid)};
	pending.page = uffd_page(&pending.uffd);
	pthread_create(&t, NULL, signals_in_mid_call, NULL);
	do { /* again where the daemon took it over before it came to the page */
		r = udp_io_once(a, sock, CALL_SEND, (uint64_t)(uintptr_t)pending.page, 100, peer_ip,
				9);
	} while (r == -EINTR && !atomic_load(&pending.sent));
	pthread_join(t, NULL);
	close(pending.uffd);
	munmap(pending.page, 4096);
	return r;
}

/* ---- a signal stack in the segment ----------------------------------------------------------- */

static void nothing(int sig)
{
	(void)sig;
}

/* What `child` does in a process of its own that joined the net. */
static int in_child(void (*child)(struct attacker *a, unsigned i), unsigned i)
{
	pid_t pid = fork();

	if (!pid) {
		munmap((void *)SEG_BASE, SEG_SLOT_SIZE);
		child(join(), i);
		_exit(0);
	}
	return status_of(pid);
}

/* The kernel writes the frame to part `i`: at once, and at the end of an upcall. */
static void take_frame(struct attacker *a, unsigned i)
{
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = (void *)(part_addr(a, i) & ~4095ul), .ss_size = 65536};
	int sock = udp_socket(a);

	sigaction(SIGUSR1, &sa, NULL);
	if (sigaltstack(&stack, NULL))
		_exit(3);
	if (i & 1)
		signalled_in_call(a, sock);
	else
		raise(SIGUSR1);
}

static void signal_stack(void)
{
	struct attacker *a = join();
	unsigned lived = 0, n = 0;

	for (unsigned i = 0; i < part_count(); i += thorough ? 1 : 13, n++) {
		int st = in_child(take_frame, i);

		lived += !WIFSIGNALED(st) || WTERMSIG(st) != SIGSEGV;
	}
	expect(!lived && works(a), "a signal stack in the segment kills its owner, and no more",
	       "%u of %u lived", lived, n);
}

/* ---- forged frames --------------------------------------------------------------------------- */

enum forgery { RIP, RSP, FLAGS, SELECTOR, FPU, MASK, FORGERIES };
static struct {
	enum forgery what;
	uint64_t addr;
} forge;
static sigjmp_buf back;

/* Into the sandbox, with all that an upcall would have. */
static void forger(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *r = uc->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	switch (forge.what) {
	case RIP:
		r[REG_RIP] = (greg_t)forge.addr;
		r[REG_RSP] = SEG_BASE + SEG_STACK_OFF + 3 * SEG_STACK_STRIDE - 64;
		break;
	case RSP:
		r[REG_RSP] = (greg_t)forge.addr;
		r[REG_RIP] = 0x1000; /* and a fault, whose frame goes there */
		break;
	case FLAGS:
		r[REG_EFL] |= 0x3f7fd7; /* IOPL, NT, VM, RF, AC, TF, ... */
		r[REG_RIP] = (greg_t)forge.addr;
		break;
	case SELECTOR:
		r[REG_CSGSFS] = 0x10; /* the kernel's code */
		r[REG_RIP] = (greg_t)forge.addr;
		break;
	case FPU:
		uc->uc_mcontext.fpregs = (void *)(forge.addr & ~63ul);
		r[REG_RIP] = 0x1000;
		break;
	default:
		sigfillset(&uc->uc_sigmask);
		r[REG_RIP] = (greg_t)forge.addr;
	}
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	(void)info;
	(void)uc;
	siglongjmp(back, sig);
}

/* A program that takes its own faults, on a stack of its own. */
static void take_forged(struct attacker *a, unsigned what)
{
	struct sigaction usr = {.sa_sigaction = forger, .sa_flags = SA_SIGINFO | SA_ONSTACK},
			 fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	static char bytes[65536];
	stack_t stack = {.ss_sp = bytes, .ss_size = sizeof(bytes)};
	volatile unsigned i = 0;
	int sock = udp_socket(a);

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &usr, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGTRAP, &fault, NULL);
	for (; i < part_count(); i += thorough ? 1 : 7) {
		forge.what = (enum forgery)what;
		forge.addr = part_addr(a, i);
		if (sigsetjmp(back, 1))
			continue;
		if (i & 1)
			signalled_in_call(a, sock);
		else
			raise(SIGUSR1);
		_exit(3); /* it went on there */
	}
	_exit(works(a) ? 0 : 4);
}

static void forged_frames(void)
{
	struct attacker *a = join();

	for (unsigned what = 0; what < FORGERIES; what++) {
		static const char *const names[] = {
			"rip", "rsp", "flags", "a selector", "the FPU's state", "the mask"};
		int st = in_child(take_forged, what);
		char name[80];

		/* With all signals blocked, or another segment, the fault is the program's end. */
		snprintf(name, sizeof(name), "a frame with forged %s leads to a fault",
			 names[what]);
		expect(!st || (WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV), name, "status 0x%x",
		       (unsigned)st);
	}
	expect(works(a), "after forged frames others are whole", "a call failed");
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"signals-storm", storm, 0},
					     {"signals-stack", signal_stack, 0},
					     {"signals-frames", forged_frames, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
