/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sandbox image of the module's tests: does what a request says and leaves. Called by
 * image_entry.S in an upcall; freestanding.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/upcall/kmod/image.h"
#include "upcall/kmod/sandwire_uapi.h"

void image_main(void *ctx, uint64_t client, uint64_t sock, uint64_t slot, uint64_t fd,
		uint64_t regs);
_Noreturn void image_leave(uint64_t fd, uint64_t result, uint64_t sock, uint64_t flags,
			   uint64_t how);
long image_yield(uint64_t fd, uint64_t owner);
long app_read(uint64_t addr);
long app_write(uint64_t addr, uint64_t byte);

#define DATA	((struct t_data *)(SEG_BASE + T_DATA_OFF))
#define REQS	((volatile struct t_req *)(SEG_BASE + T_REQ_OFF))
#define KSHARED ((struct seg_kshared *)(SEG_BASE + SEG_KSHARED_OFF))

static uint64_t add(uint64_t *p)
{
	return __atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST);
}

static uint64_t spin(uint64_t n)
{
	uint64_t r = 0;

	while (n--)
		r = add(&DATA->counter);
	return r;
}

static uint64_t section(uint64_t n)
{
	add(&DATA->begun);
	for (volatile uint64_t i = 0; i < n; i++)
		;
	return add(&DATA->done);
}

/* As the stack lock: sandbox/lock.c, sandbox_relax. */
static uint64_t locked(void *ctx, uint64_t n, uint64_t fd)
{
	uint64_t me = ((uint64_t)ctx - SEG_BASE - SEG_CTX_OFF) / SEG_CTX_STRIDE, free = 0, r;

	add(&DATA->begun);
	for (unsigned spins = 1; !__atomic_compare_exchange_n(&DATA->lock, &free, me, false,
							      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
	     spins++, free = 0)
		if (spins % 100 == 0)
			image_yield(fd, free);
	r = DATA->exact;
	for (volatile uint64_t i = 0; i < n; i++)
		;
	DATA->exact = ++r;
	__atomic_store_n(&DATA->lock, 0, __ATOMIC_RELEASE);
	add(&DATA->done);
	return r;
}

static uint64_t read_app(uint64_t addr, uint64_t len)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < len; i += 4096) {
		long b = app_read(addr + i);

		if (b < 0)
			return (uint64_t)b;
		sum += (uint64_t)b;
	}
	return sum;
}

static uint64_t write_app(uint64_t addr, uint64_t len, uint64_t byte)
{
	for (uint64_t i = 0; i < len; i += 4096) {
		long rc = app_write(addr + i, byte);

		if (rc)
			return (uint64_t)rc;
	}
	return 0;
}

static void wake(uint32_t id)
{
	uint32_t head = __atomic_load_n(&KSHARED->wake_head, __ATOMIC_RELAXED);

	__atomic_store_n(&KSHARED->wake[head % SEG_WAKE_ENTRIES], id, __ATOMIC_RELAXED);
	__atomic_store_n(&KSHARED->wake_head, head + 1, __ATOMIC_RELEASE);
}

static uint64_t ready(uint32_t id, uint32_t events)
{
	struct seg_ready *r = &KSHARED->ready[SEG_SOCK_INDEX(id)];

	__atomic_store_n(&r->events, events, __ATOMIC_SEQ_CST);
	if (!__atomic_exchange_n(&r->waiters, 0, __ATOMIC_SEQ_CST))
		return 0;
	wake(id);
	return 1;
}

static uint64_t closed(void)
{
	uint32_t tail = KSHARED->closed_tail, id;

	if (__atomic_load_n(&KSHARED->closed_head, __ATOMIC_ACQUIRE) == tail)
		return 0;
	id = KSHARED->closed[tail % SEG_SOCK_COUNT];
	__atomic_store_n(&KSHARED->closed_tail, tail + 1, __ATOMIC_RELEASE);
	return id;
}

/* Deeper than any stack: written so that no compiler sees a loop in it. */
static uint64_t deep(uint64_t n)
{
	volatile char room[1024];

	room[0] = (char)n;
	return n ? deep(n - 1) + (uint64_t)room[0] : 0;
}

void image_main(void *ctx, uint64_t client, uint64_t sock, uint64_t slot, uint64_t fd,
		uint64_t regs)
{
	volatile struct t_req *q = &REQS[(uint32_t)slot % T_REQ_COUNT];
	uint64_t op = q->op, a = q->a, b = q->b, c = q->c, r = 0;

	*(volatile uint64_t *)ctx = op;
	switch (op) {
	case T_INC:
		r = add(&DATA->counter);
		break;
	case T_SPIN:
		r = spin(a);
		break;
	case T_SECTION:
		r = section(a);
		break;
	case T_READ:
		r = read_app(a, b);
		break;
	case T_WRITE:
		r = write_app(a, b, c);
		break;
	case T_PEEK:
		r = *(volatile uint64_t *)a;
		break;
	case T_POKE32:
		*(volatile uint32_t *)a = (uint32_t)b;
		break;
	case T_TRAP:
		__builtin_trap();
	case T_STACK:
		r = deep(1000);
		break;
	case T_REGS:
		r = regs;
		break;
	case T_SOCK:
		image_leave(fd, 0, a, b, 0);
	case T_READY:
		r = ready((uint32_t)a, (uint32_t)b);
		break;
	case T_KICK:
		wake(SEG_WAKE_DAEMON);
		break;
	case T_CLOSED:
		r = closed();
		break;
	case T_WHO:
		r = client << 32 | sock;
		break;
	case T_NONBLOCK:
		r = !!(slot & SW_ENTER_NONBLOCK);
		break;
	case T_LOCKED:
		r = locked(ctx, a, fd);
		break;
	case T_YIELD:
		while (a--)
			r += !image_yield(fd, 0);
		break;
	case T_HOLD:
		while (!__atomic_load_n(&DATA->scratch[0], __ATOMIC_ACQUIRE))
			__asm__ volatile("syscall" /* nanosleep: there are many at once */
					 : "=a"(r)
					 : "a"(35), "D"((uint64_t[2]){0, 2000000}), "S"(0)
					 : "rcx", "r11", "memory");
		r = 1;
		break;
	case T_BYPAGE:
		image_leave(fd, spin(a), b, 0, 1);
	case T_BADEXIT:
		image_leave(a, spin(b), 0, 0, 0);
	case T_SYSWRITE:
		__asm__ volatile("syscall"
				 : "=a"(r)
				 : "a"(1), "D"(a), "S"(b), "d"(c)
				 : "rcx", "r11", "memory");
		break;
	default:
		break;
	}
	image_leave(fd, r, 0, 0, 0);
}
