/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that computes, attached to a net, while interrupts borrow its threads; `run` makes the
 * traffic. It looks all the time whether it can notice.
 *
 *   irq_test registers SECONDS	  general, vector, x87, flags, FS, GS, PKRU, red zone, errno, mask
 *   irq_test rseq SECONDS	  two threads on one CPU count without a lock
 *   irq_test calls SECONDS	  system calls that sleep, under signals
 *   irq_test answer PORT	  until it is killed: sends back the datagrams that come there
 *   irq_test compute [quiet]	  until it is killed; says "ready" first. quiet: without interrupts
 *
 * Ends with status 0 and one line, or says what differed and ends with 1.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <linux/rseq.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/upcall/pc_test.h"
#include "upcall/sandwire.h"

#define XSAVE_SIZE 832u /* legacy area, header, upper halves of ymm */
#define R15	   14
#define FLAGS_ALL  0x240cd7u /* CF PF AF ZF SF DF OF, AC, ID, and the bit that is always 1 */

struct registers { /* registers.S */
	uint64_t gpr[15], flags, red_zone[16];
	uint8_t xsave[XSAVE_SIZE] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct registers, xsave) == 256, "registers.S: XSAVE");
void registers_spin(const struct registers *in, struct registers *out, uint64_t loops);

static void die(const char *what, long value)
{
	printf("%s: %ld (%s)\n", what, value, sandwire_why());
	exit(1);
}

static uint64_t random64(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* ---- registers ----------------------------------------------------------------------------- */

static void fill(struct registers *r)
{
	uint64_t *words = (uint64_t *)r->xsave;
	uint16_t fcw = 0x37f;
	uint32_t mxcsr = 0x1f80 | (uint32_t)(random64() & 0x6000); /* a rounding mode */

	for (size_t i = 0; i < sizeof(*r) / 8; i++)
		((uint64_t *)r)[i] = random64();
	r->flags = (r->flags & FLAGS_ALL) | 0x202;
	memset(r->xsave, 0, 32);
	memcpy(r->xsave, &fcw, 2);
	r->xsave[4] = 0xff; /* all x87 registers in use */
	memcpy(r->xsave + 24, &mxcsr, 4);
	memset(r->xsave + 416, 0, 160);
	for (unsigned i = 0; i < 8; i++) /* 80 bits each */
		memset(r->xsave + 32 + 16 * i + 10, 0, 6);
	words[512 / 8] = 7; /* XSTATE_BV */
}

static const char *differs(const struct registers *a, const struct registers *b, uint64_t loops)
{
	for (unsigned i = 0; i < 15; i++)
		if (i != 2 && b->gpr[i] != a->gpr[i] + (i == R15 ? loops : 0))
			return "a general register";
	if ((a->flags ^ b->flags) & FLAGS_ALL)
		return "the flags";
	if (memcmp(a->red_zone, b->red_zone, sizeof(a->red_zone)))
		return "the red zone";
	if (memcmp(a->xsave, b->xsave, 2) || a->xsave[4] != b->xsave[4] ||
	    memcmp(a->xsave + 24, b->xsave + 24, 4))
		return "a control word";
	if (memcmp(a->xsave + 32, b->xsave + 32, 128))
		return "an x87 register";
	if (memcmp(a->xsave + 160, b->xsave + 160, 256))
		return "an xmm register";
	if (memcmp(a->xsave + 576, b->xsave + 576, 256))
		return "a ymm register";
	return NULL;
}

static unsigned long base(int which)
{
	unsigned long value = 0;

	syscall(SYS_arch_prctl, which, &value);
	return value;
}

static bool has_pku(void)
{
	unsigned a = 0, b = 0, c = 0, d = 0;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & bit_OSPKE;
}

static uint32_t rdpkru(void)
{
	uint32_t a, d;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static void wrpkru(uint32_t v)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" ::"a"(v), "c"(0), "d"(0) : "memory");
}

static int registers(double seconds)
{
	static struct registers in, out;
	unsigned long fs = base(ARCH_GET_FS), gs = (unsigned long)&in + 8;
	double end = now() + seconds;
	sigset_t odd, mask;
	uint64_t loops = 200000;
	unsigned rounds = 0;
	bool pku = has_pku();

	syscall(SYS_arch_prctl, ARCH_SET_GS, gs);
	sigemptyset(&odd);
	sigaddset(&odd, SIGUSR1);
	sigaddset(&odd, SIGRTMIN + 3);
	sigprocmask(SIG_SETMASK, &odd, NULL);
	if (pku)
		wrpkru(0x12345670u);
	for (; now() < end; rounds++) {
		const char *what;

		fill(&in);
		errno = 1234;
		registers_spin(&in, &out, loops);
		if (errno != 1234)
			die("errno", errno);
		what = differs(&in, &out, loops);
		if (what)
			die(what, rounds);
		if (base(ARCH_GET_FS) != fs || base(ARCH_GET_GS) != gs)
			die("a segment base", rounds);
		if (pku && rdpkru() != 0x12345670u)
			die("PKRU", rdpkru());
		sigprocmask(SIG_SETMASK, NULL, &mask);
		for (int i = 1; i < SIGRTMAX; i++)
			if (sigismember(&mask, i) != sigismember(&odd, i))
				die("the signal mask", i);
	}
	printf("%u rounds\n", rounds);
	return 0;
}

/* ---- restartable sequences ----------------------------------------------------------------- */

static uint64_t counter;
static atomic_bool stop;

/* Adds 1 to the counter, in a sequence that starts anew when the other thread ran meanwhile. */
static void add_restartable(void)
{
	struct rseq *rs = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

again:
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n"
		     ".balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     ".popsection\n"
		     "	leaq 3b(%%rip), %%rax\n"
		     "	movq %%rax, %[cs]\n"
		     "1:	movq %[v], %%rcx\n"
		     "	movl $2000, %%edx\n"
		     "5:	decl %%edx\n"
		     "	jnz 5b\n"
		     "	incq %%rcx\n"
		     "	movq %%rcx, %[v]\n"
		     "2:\n"
		     ".pushsection .text.unlikely\n"
		     "	.byte 0x0f, 0xb9, 0x3d\n"
		     "	.long 0x53053053\n"
		     "4:	jmp %l[abort]\n"
		     ".popsection\n"
		     :
		     : [cs] "m"(rs->rseq_cs), [v] "m"(counter)
		     : "rax", "rcx", "rdx", "memory", "cc"
		     : abort);
	return;
abort:
	goto again;
}

static void *count(void *arg)
{
	uint64_t *n = arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		add_restartable();
		++*n;
	}
	return NULL;
}

static int rseq(double seconds)
{
	pthread_t thread[2];
	uint64_t n[2] = {0, 0};

	if (!__rseq_size)
		die("libc has not registered rseq", 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, count, &n[i]);
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	if (counter != n[0] + n[1])
		die("additions lost", (long)(n[0] + n[1] - counter));
	printf("%lu additions by two threads\n", counter);
	return 0;
}

/* ---- system calls -------------------------------------------------------------------------- */

static atomic_ulong alarms;

static void on_alarm(int sig)
{
	atomic_fetch_add(&alarms, 1);
}

static void handle_alarms(int flags)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};

	sigaction(SIGALRM, &sa, NULL);
}

static void compute(double seconds)
{
	double end = now() + seconds;

	while (now() < end)
		for (volatile unsigned i = 0; i < 300000; i++) /* the clock may be a system call */
			;
}

static int asked[2], given[2]; /* pipes */

/* A byte for a byte, 20 ms later. */
static void *writer(void *arg)
{
	char c;

	while (read(asked[0], &c, 1) == 1 && !usleep(20000))
		if (write(given[1], &c, 1) != 1)
			break;
	return NULL;
}

static void ask(void)
{
	if (write(asked[1], "x", 1) != 1)
		die("pipe", errno);
}

/* A sleep of 20 ms, gone on with after each signal: at least 20 ms in all. */
static void sleep_on(void)
{
	struct timespec left = {0, 20000000};
	unsigned long before = alarms;
	double begun = now();

	for (; nanosleep(&left, &left); before = alarms)
		if (errno != EINTR || alarms == before)
			die("nanosleep without a signal", errno);
	if (now() - begun < 0.0199)
		die("nanosleep was short, us", (long)((now() - begun) * 1e6));
}

static int calls(double seconds)
{
	struct itimerval every = {{0, 3000}, {0, 3000}};
	double end = now() + seconds;
	unsigned rounds = 0, cut = 0;
	unsigned long before;
	pthread_t thread;
	sigset_t alrm;
	char c;

	sigemptyset(&alrm);
	sigaddset(&alrm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alrm, NULL);
	if (pipe(asked) || pipe(given) || pthread_create(&thread, NULL, writer, NULL))
		die("pipe", errno);
	pthread_sigmask(SIG_UNBLOCK, &alrm, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (; now() < end; rounds++) {
		handle_alarms(SA_RESTART);
		ask();
		if (read(given[0], &c, 1) != 1)
			die("read that restarts", errno);
		compute(0.015);
		handle_alarms(0);
		ask();
		for (before = alarms; read(given[0], &c, 1) != 1; before = alarms, cut++)
			if (errno != EINTR || alarms == before)
				die("read without a signal", errno);
		compute(0.015);
		sleep_on();
	}
	if (!cut || !alarms)
		die("signals that cut a read", cut);
	printf("%u rounds, %lu signals, %u reads cut short\n", rounds, alarms, cut);
	return 0;
}

static int answer(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}, from;
	int fd = sandwire_socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048];
	ssize_t n = fd;

	if (fd < 0 || sandwire_bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("socket", fd);
	while (n >= 0) {
		socklen_t len = sizeof(from);

		n = sandwire_recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n >= 0)
			n = sandwire_sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	die("answering", n);
	return 1;
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[2]) : 0;
	long ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = sandwire_attach(NULL);
	/* The first crossing: only then is the process known to have the sandbox's slot. */
	ret = ret ? ret : sandwire_null();
	if (ret)
		die("attaching", ret);
	if (argc > 2 && !strcmp(argv[1], "registers"))
		return registers(seconds);
	if (argc > 2 && !strcmp(argv[1], "rseq"))
		return rseq(seconds);
	if (argc > 2 && !strcmp(argv[1], "calls"))
		return calls(seconds);
	if (argc > 2 && !strcmp(argv[1], "answer"))
		return answer(atoi(argv[2]));
	if (argc < 2 || strcmp(argv[1], "compute"))
		return 2;
	if (argc > 2) {
		/* On again and off again: the last word counts. */
		ret = sandwire_interrupts(0);
		ret = ret ? ret : sandwire_interrupts(1);
		ret = ret ? ret : sandwire_interrupts(0);
		if (ret)
			die("sandwire_interrupts", ret);
	}
	puts("ready");
	for (;;)
		compute(1);
}
