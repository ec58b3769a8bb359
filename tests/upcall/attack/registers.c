/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Enters with registers as no compiler leaves them: flags, control words, segment bases. The
 * sandbox must count right, and give all of it back with nothing of its own in between.
 */
#include "tests/upcall/attack/attack.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/rseq.h>

#include "upcall/raw.h"

#define XSAVE_SIZE 4096u

struct all_registers { /* enter_all.S */
	uint64_t gpr[16], flags, spare[7];
	uint8_t xsave[XSAVE_SIZE] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct all_registers, xsave) == 192, "enter_all.S: XSAVE");
void enter_all(const struct all_registers *in, struct all_registers *out, uint64_t mask);

enum { RAX = 0, RDX = 2, RSI = 4, RDI = 5 };
static const int kept[] = {1, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15}; /* a system call keeps these */

#define F_TF   0x100ul
#define F_DF   0x400ul
#define F_NT   0x4000ul
#define F_AC   0x40000ul
#define F_ID   0x200000ul
#define F_SEEN (0xcd5ul | F_NT | F_AC | F_ID) /* what a program sees of its flags, but TF */

static uint64_t random64(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* x87, SSE, AVX, AVX-512, as far as they are there. */
static uint64_t vector_state(void)
{
	uint32_t a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return a & 0xe7;
}

static void fill(struct all_registers *r, int fd, uint64_t flags, uint16_t fcw, uint32_t mxcsr)
{
	uint64_t mask = vector_state();

	for (int i = 0; i < 16; i++)
		r->gpr[i] = random64();
	r->gpr[RDI] = (uint64_t)fd;
	r->gpr[RSI] = SW_SEEK_ENTER | my_slot_number();
	r->flags = flags | 0x202;
	for (unsigned i = 0; i < XSAVE_SIZE; i += 8)
		memcpy(r->xsave + i, &(uint64_t){random64()}, 8);
	memset(r->xsave, 0, 32);
	memcpy(r->xsave, &fcw, 2);
	r->xsave[4] = 0xff; /* all x87 registers in use */
	memcpy(r->xsave + 24, &mxcsr, 4);
	for (unsigned i = 0; i < 8; i++) /* 80 bits each */
		memset(r->xsave + 32 + 16 * i + 10, 0, 6);
	memset(r->xsave + 416, 0, 160);
	memcpy(r->xsave + 512, &mask, 8); /* XSTATE_BV */
}

/* The part of the program's registers that is not as it was, or NULL. */
static const char *changed(const struct all_registers *in, const struct all_registers *out)
{
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (out->gpr[kept[i]] != in->gpr[kept[i]])
			return "a general register";
	if ((in->flags ^ out->flags) & F_SEEN)
		return "the flags";
	if (memcmp(in->xsave, out->xsave, 2) || memcmp(in->xsave + 24, out->xsave + 24, 4))
		return "a control word";
	if (memcmp(in->xsave + 32, out->xsave + 32, 128))
		return "an x87 register";
	if (memcmp(in->xsave + 160, out->xsave + 160, 256))
		return "an xmm register";
	for (unsigned i = 2; i < 8; i++) {
		unsigned size = 0, at = 0, c, d;

		__cpuid_count(0xd, i, size, at, c, d);
		if (vector_state() >> i & 1 && memcmp(in->xsave + at, out->xsave + at, size))
			return "a longer vector register";
	}
	return NULL;
}

/* As call(): the block is in its slot. */
static int64_t enter_with(struct attacker *a, const struct all_registers *in,
			  struct all_registers *out, uint32_t nr, uint64_t a1, uint64_t a2)
{
	struct call_slot *s = my_slot(a);

	for (int tries = 0; tries < 100; tries++) {
		int64_t rax, result;

		s->nr = nr;
		s->arg[0] = 0;
		s->arg[1] = a1;
		s->arg[2] = a2;
		__atomic_store_n(&s->state, CALL_POSTED, __ATOMIC_RELEASE);
		enter_all(in, out, vector_state());
		rax = (int64_t)out->gpr[RAX];
		result = (int64_t)out->gpr[RDX];
		if (rax == -EINTR && !finished_elsewhere(s, &result))
			continue;
		return rax == SW_CROSSED || rax == -EINTR ? result : rax;
	}
	return -EINTR;
}

static atomic_ulong traps, inside;

static void on_trap(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	atomic_fetch_add(&traps, 1);
	atomic_fetch_add(&inside, (uint64_t)info->si_addr - SEG_BASE < SEG_SLOT_SIZE);
}

static void all_of_them(void)
{
	static const uint64_t flags[] = {
		0, F_DF, F_AC, F_NT, F_ID, 0x8d5ul, F_DF | F_AC | F_NT | F_ID | 0x8d5ul, F_TF};
	static const struct {
		uint16_t fcw;
		uint32_t mxcsr;
	} control[] = {{0x37f, 0x1f80}, {0x300, 0}, {0xc7f, 0xffc0}};
	static struct all_registers in, out;
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	struct attacker *a = join();
	uint8_t sent[600], got[600];
	unsigned wrong = 0, n = 0;
	const char *what = NULL;
	int fd = udp_socket(a);
	struct call_iov *iov;

	sigaction(SIGTRAP, &sa, NULL);
	udp_bind_any(a, fd, 7002);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]) * 3 * 8; i++, n++) {
		for (unsigned k = 0; k < sizeof(sent); k++)
			sent[k] = (uint8_t)random64();
		memset(got, 0, sizeof(got));
		fill(&in, fd, flags[i % 8], control[i / 8 % 3].fcw, control[i / 8 % 3].mxcsr);
		/* At odd addresses: what AC is about. */
		iov = io_to(a, net_ip, 7002)->iov;
		*iov = (struct call_iov){(uint64_t)(uintptr_t)sent + 1, 597};
		wrong += enter_with(a, &in, &out, CALL_SEND, 1, 1) != 597;
		what = what ? what : changed(&in, &out);
		io_to(a, 0, 0);
		*iov = (struct call_iov){(uint64_t)(uintptr_t)got + 1, 599};
		wrong += enter_with(a, &in, &out, CALL_RECV, 1, 0) != 597;
		what = what ? what : changed(&in, &out);
		wrong += memcmp(sent + 1, got + 1, 597) != 0 || got[0] || got[598] || got[599];
	}
	expect(!wrong, "odd flags and control words: the sandbox counts right", "%u of %u", wrong,
	       2 * n);
	expect(!what, "after an upcall every register is the program's own", "%s", what);
	expect(atomic_load(&traps) > 100 && !atomic_load(&inside),
	       "a program that traps at each instruction does so outside only",
	       "%lu traps, %lu inside", atomic_load(&traps), atomic_load(&inside));
	expect(works(a), "and the program goes on", "a call failed");
}

/* ---- segment bases --------------------------------------------------------------------------- */

/* No TLS and no canary on the stack while FS leads elsewhere. */
__attribute__((no_stack_protector, noinline)) static unsigned
with_bases(int fd, unsigned slot, unsigned long own_fs, const uint64_t *to, unsigned n)
{
	unsigned bad = 0;
	int64_t result;

	for (unsigned i = 0; i < n; i++) {
		unsigned long fs = 0, gs = 0;

		RAW3(SYS_arch_prctl, ARCH_SET_FS, to[i], 0);
		RAW3(SYS_arch_prctl, ARCH_SET_GS, to[i] + 8, 0);
		bad += enter(fd, slot, &result) != 0 || result != 0;
		RAW3(SYS_arch_prctl, ARCH_GET_FS, &fs, 0);
		RAW3(SYS_arch_prctl, ARCH_GET_GS, &gs, 0);
		bad += fs != to[i] || gs != to[i] + 8;
	}
	RAW3(SYS_arch_prctl, ARCH_SET_FS, own_fs, 0);
	return bad;
}

static void bases(void)
{
	struct attacker *a = join();
	unsigned long fs = 0;
	uint64_t *to = calloc(part_count() + 3, sizeof(*to));
	unsigned n = part_count(), bad;

	for (unsigned i = 0; i < n; i++)
		to[i] = part_addr(a, i);
	to[n++] = 0x7fffffffe000; /* the last that there is */
	to[n++] = (uint64_t)(uintptr_t)to;
	to[n++] = 8;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
	my_slot(a)->nr = CALL_NULL;
	bad = with_bases(a->fd, my_slot_number(), fs, to, n);
	expect(!bad && works(a), "FS and GS may lead anywhere, and do so afterwards", "%u of %u",
	       bad, n);
}

/* ---- protection keys ------------------------------------------------------------------------- */

#define RSEQ_BYTES 32u /* as libc has registered it */

/* Key 0, which all memory here has, is shut at ENTER. The value found at EXIT. */
static uint32_t with_key_shut(int fd, unsigned slot, long *rax)
{
	register uint64_t shut __asm__("r8") = 0x55555557, own __asm__("r9") = 0,
			       found __asm__("r10");

	__asm__ volatile("xorl %%ecx, %%ecx\n\t.byte 0x0f, 0x01, 0xee\n\tmovl %%eax, %%r9d\n\t"
			 "movl %%r8d, %%eax\n\txorl %%edx, %%edx\n\t.byte 0x0f, 0x01, 0xef\n\t"
			 "movl $8, %%eax\n\txorl %%edx, %%edx\n\tsyscall\n\tmovq %%rax, %%rbx\n\t"
			 "xorl %%ecx, %%ecx\n\t.byte 0x0f, 0x01, 0xee\n\tmovl %%eax, %%r10d\n\t"
			 "movl %%r9d, %%eax\n\txorl %%edx, %%edx\n\t.byte 0x0f, 0x01, 0xef"
			 : "=b"(*rax), "+r"(own), "=r"(found)
			 : "r"(shut), "D"((long)fd), "S"(SW_SEEK_ENTER | slot)
			 : "rax", "rcx", "rdx", "r11", "memory");
	return (uint32_t)found;
}

static void keys(void)
{
	unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
	struct attacker *a = join();
	uint32_t found;
	long rax;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSPKE)) {
		puts("skip protection keys: this CPU has none");
		return;
	}
	/* The kernel kills a thread that it cannot tell that it was moved: not what is asked here.
	 */
	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, RSEQ_BYTES,
			RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	my_slot(a)->nr = CALL_NULL;
	found = with_key_shut(a->fd, my_slot_number(), &rax);
	expect(rax == SW_CROSSED && found == 0x55555557 && works(a),
	       "a shut protection key neither stops the sandbox nor is opened by it", "%ld, 0x%x",
	       rax, found);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"registers-all", all_of_them, 0},
					     {"registers-bases", bases, 0},
					     {"registers-keys", keys, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
