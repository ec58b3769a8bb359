// SPDX-License-Identifier: BSD-3-Clause
/*
 * The real sandbox image in a real segment of 4 KiB pages, called as the daemon and programs call
 * it, with no rights and no NIC: sockets that talk to the net's own address. The clock stands still
 * unless a case moves it.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "drivers/capture_ring.h"
#include "sandbox/channel.h"
#include "sandbox/image_load.h"
#include "sandbox/segment.h"
#include "sandbox/segment_map.h"
#include "tcpip/tcpip.h"
#include "upcall/image_call.h"
#include "upcall/kmod/sandwire_uapi.h"

static const char *image_path;
static struct segment seg;
static struct seg_kshared *ks;
static struct call_slot slot;

static int64_t admin(uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct call_slot s = {.nr = nr, .arg = {a0, a1, a2, a3}};

	return image_call(ctx_at(0), 0, &s);
}
#define P(p) ((uint64_t)(uintptr_t)(p))

static void up(enum seg_mode mode)
{
	struct segment_conf conf = {
		.size = 32 << 20, .page_size = 4096, .numa_node = -1, .mode = mode, .net = "test"};
	struct ip_addr addr = {.family = AF_INET, .prefix = 24, .bytes = {10, 9, 0, 1}};
	struct admin_init init = {.seed = {1, 2, 3}, .max_sockets = 256};
	struct port_conf port = {.kind = "null", .name = "none"};
	struct segment_error err;

	ck_assert_msg(!segment_create(&seg, &conf, &err), "%s: %s", err.what, err.why);
	ck_assert_msg(!image_load(&seg, image_path, &err), "%s: %s", err.what, err.why);
	ks = (struct seg_kshared *)(uintptr_t)(SEG_BASE + SEG_KSHARED_OFF);
	seg.hdr->clock.ns_base = 1000000000;
	ck_assert_int_eq(admin(ADMIN_TURN, 0, 0, 0, 0), -ENETDOWN); /* not yet */
	ck_assert_int_eq(admin(ADMIN_INIT, P(&init), 0, 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_INIT, P(&init), 0, 0, 0), -EEXIST);
	ck_assert_int_eq(admin(ADMIN_PORT_ADD, P(&port), 0, 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_ADDR_ADD, 0, P(&addr), 0, 0), 0);
	memset(&slot, 0, sizeof(slot));
}

static void direct(void)
{
	up(SEG_MODE_DIRECT);
}

static void down(void)
{
	segment_destroy(&seg);
}

/* ---- a program in direct mode -------------------------------------------------------------- */

static int64_t call_in(struct ctx *ctx, struct call_slot *s, uint32_t nr, uint32_t sock)
{
	s->nr = nr;
	s->sock = sock;
	return image_call(ctx, 1, s);
}

static int64_t call(uint32_t nr, uint32_t sock)
{
	return call_in(ctx_at(1), &slot, nr, sock);
}

static uint32_t new_socket(int type)
{
	slot.arg[0] = AF_INET;
	slot.arg[1] = (uint64_t)type;
	slot.arg[2] = 0;
	ck_assert_int_eq(call(CALL_SOCKET, 0), 0);
	ck_assert_uint_ne(slot.sock, 0);
	return slot.sock;
}

static struct call_addr own(uint16_t port)
{
	return (struct call_addr){.family = AF_INET, .port = port, .addr = {10, 9, 0, 1}};
}

static int64_t with_addr(uint32_t nr, uint32_t sock, uint16_t port)
{
	struct call_addr a = own(port);

	memcpy(slot.inl, &a, sizeof(a));
	return call(nr, sock);
}

static struct call_io *io(void)
{
	return (struct call_io *)slot.inl;
}

static int64_t transfer_with(uint32_t nr, uint32_t sock, const void *p, uint64_t n, int flags)
{
	slot.arg[0] = (uint64_t)flags;
	slot.arg[1] = 1;
	slot.arg[2] = 0;
	memset(slot.inl, 0, sizeof(slot.inl));
	io()->iov[0] = (struct call_iov){.base = P(p), .len = n};
	return call(nr, sock);
}

static int64_t transfer(uint32_t nr, uint32_t sock, const void *p, uint64_t n)
{
	return transfer_with(nr, sock, p, n, 0);
}

/* What the module does at the last close. */
static void last_close(uint32_t sock)
{
	ks->closed[ks->closed_head++ % SEG_SOCK_COUNT] = sock;
}

static uint32_t pool_used(const char *name)
{
	struct pool_row row;
	uint32_t cursor = 0;

	while (admin(ADMIN_POOL_ROW, P(&cursor), P(&row), 0, 0) == 1)
		if (!strcmp(row.name, name))
			return row.used;
	ck_abort_msg("no pool named %s", name);
}

START_TEST(what_a_process_makes_is_its_users)
{
	uint32_t cursor = 0, id;
	struct user_row row;

	ck_assert_int_eq(admin(ADMIN_USER_ROW, P(&cursor), P(&row), 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_CLIENT_ADD, 1, 1000, 0, 0), 0);
	id = new_socket(SOCK_STREAM);
	ck_assert_int_eq(admin(ADMIN_CLIENT_GONE, 1, 0, 0, 0), 0);
	cursor = 0;
	ck_assert_int_eq(admin(ADMIN_USER_ROW, P(&cursor), P(&row), 0, 0), 1);
	ck_assert(row.uid == 1000 && !row.clients && row.sockets == 1 && row.pcbs == 1);
	ck_assert_int_eq(admin(ADMIN_USER_ROW, P(&cursor), P(&row), 0, 0), 0);
	last_close(id);
	call(CALL_TURN, 0);
	cursor = 0;
	ck_assert_int_eq(admin(ADMIN_USER_ROW, P(&cursor), P(&row), 0, 0), 0);
}
END_TEST

static uint64_t counter(const char *wanted)
{
	const char *name = "";
	uint64_t value;

	for (uint64_t i = 0; name; i++) {
		ck_assert_int_eq(admin(ADMIN_COUNTER, i, P(&name), P(&value), 0), 0);
		if (name && !strcmp(name, wanted))
			return value;
	}
	ck_abort_msg("no counter named %s", wanted);
}

START_TEST(a_datagram_to_the_own_address_arrives)
{
	uint32_t a = new_socket(SOCK_DGRAM), b = new_socket(SOCK_DGRAM);
	struct call_addr to = own(5000);
	char in[64];

	ck_assert_int_eq(with_addr(CALL_BIND, a, 5000), 0);
	ck_assert_int_eq(with_addr(CALL_BIND, b, 5001), 0);
	slot.arg[0] = 0;
	slot.arg[1] = 1;
	slot.arg[2] = 1;
	memset(slot.inl, 0, sizeof(slot.inl));
	io()->addr = to;
	io()->iov[0] = (struct call_iov){.base = P("over the wall"), .len = 13};
	ck_assert_int_eq(call(CALL_SEND, b), 13);
	ck_assert_int_eq(call(CALL_EVENTS, a) & POLLIN, POLLIN);
	ck_assert_uint_eq(ks->ready[SEG_SOCK_INDEX(a)].events & POLLIN, POLLIN);
	ck_assert_int_eq(transfer(CALL_RECV, a, in, 5), 5); /* cut */
	ck_assert_mem_eq(in, "over ", 5);
	ck_assert_uint_eq(io()->msg_flags, MSG_TRUNC);
	ck_assert_uint_eq(slot.ret2, 13);
	ck_assert_uint_eq(io()->addr.port, 5001);
	ck_assert_uint_eq(io()->addr.addr[0], 10);
	ck_assert_int_eq(transfer(CALL_RECV, a, in, 5), -EAGAIN);
	ck_assert_uint_eq(slot.events & POLLIN, 0);
	ck_assert_uint_eq(slot.events & CALL_EVENTS_KNOWN, CALL_EVENTS_KNOWN);
}
END_TEST

static void turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		seg.hdr->clock.ns_base += 50000000;
		admin(ADMIN_TURN, 0, 0, 0, 0);
	}
}

/* A connection from the net to itself: *client and the accepted end. */
static uint32_t connected(uint32_t listener, uint32_t *client)
{
	int64_t ret;

	*client = new_socket(SOCK_STREAM);
	ret = with_addr(CALL_CONNECT, *client, 8080);
	ck_assert_msg(ret == 0 || ret == -EINPROGRESS, "connect: %d", (int)ret);
	for (int i = 0; i < 20; i++) {
		slot.arg[0] = SOCK_CLOEXEC;
		ret = call(CALL_ACCEPT, listener);
		if (ret != -EAGAIN)
			break;
		turns(1);
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_ne(slot.sock, 0);
	return slot.sock;
}

static uint32_t listener_at(uint16_t port)
{
	uint32_t l = new_socket(SOCK_STREAM);

	ck_assert_int_eq(with_addr(CALL_BIND, l, port), 0);
	slot.arg[0] = 8;
	ck_assert_int_eq(call(CALL_LISTEN, l), 0);
	return l;
}

static uint8_t out[300000], in[300000];

/* From one end to the other, with as many calls and turns as that takes. */
static void pass(uint32_t from, uint32_t to, size_t n)
{
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(i * 131 + i / 257);
	memset(in, 0, n);
	for (unsigned rounds = 0; got < n; rounds++) {
		int64_t r = sent < n ? transfer(CALL_SEND, from, out + sent, n - sent) : 0;

		ck_assert_msg(r >= 0 || r == -EAGAIN, "send: %d", (int)r);
		sent += r > 0 ? (size_t)r : 0;
		r = transfer(CALL_RECV, to, in + got, n - got);
		ck_assert_msg(r > 0 || r == -EAGAIN, "recv: %d after %zu of %zu", (int)r, got, n);
		got += r > 0 ? (size_t)r : 0;
		if (r < 0)
			turns(1);
		ck_assert_uint_lt(rounds, 100000);
	}
	ck_assert_mem_eq(in, out, n);
}

START_TEST(a_connection_to_the_own_address_carries_bytes_both_ways)
{
	uint32_t buffers = pool_used("pktbufs"), sockets = pool_used("sockets");
	uint32_t l = listener_at(8080), a, b = connected(l, &a);

	pass(a, b, sizeof(out));
	pass(b, a, sizeof(out));
	slot.arg[0] = SHUT_WR;
	ck_assert_int_eq(call(CALL_SHUTDOWN, a), 0);
	turns(2);
	ck_assert_int_eq(transfer(CALL_RECV, b, in, 100), 0); /* end of stream */
	pass(b, a, 1000);				      /* half closed */
	last_close(a);
	last_close(b);
	last_close(l);
	turns(1);
	ck_assert_int_eq(call(CALL_EVENTS, a), -EBADF);
	turns(20 * 120); /* over TIME-WAIT */
	ck_assert_uint_eq(pool_used("pktbufs"), buffers);
	ck_assert_uint_eq(pool_used("sockets"), sockets);
	ck_assert_uint_eq(pool_used("tcp_pcbs"), 0);
}
END_TEST

START_TEST(a_sleeper_on_a_listener_is_woken_by_a_connection)
{
	uint32_t l = listener_at(8080), a;

	ks->ready[SEG_SOCK_INDEX(l)].waiters = 1;
	ks->wake_tail = ks->wake_head;
	a = new_socket(SOCK_STREAM);
	with_addr(CALL_CONNECT, a, 8080);
	turns(2);
	for (; ks->wake_tail != ks->wake_head; ks->wake_tail++)
		if (ks->wake[ks->wake_tail % SEG_WAKE_ENTRIES] == l)
			break;
	ck_assert_uint_ne(ks->wake_tail, ks->wake_head);
	ck_assert_uint_eq(ks->ready[SEG_SOCK_INDEX(l)].events & POLLIN, POLLIN);
}
END_TEST

START_TEST(an_owed_signal_is_seen_without_a_call)
{
	uint32_t l = listener_at(8080), a, b = connected(l, &a);

	slot.arg[0] = 1;
	ck_assert_int_eq(call(CALL_SIGNAL, b), b);
	ck_assert_int_eq(admin(ADMIN_SIGNAL_ON, 1, b, 0, 0), 0);
	ck_assert_int_eq(transfer(CALL_SEND, a, "x", 1), 1);
	turns(2);
	ck_assert_uint_eq(ks->signals_owed, 0);
	ck_assert_int_eq(transfer_with(CALL_SEND, a, "y", 1, MSG_OOB), 1);
	turns(2);
	ck_assert_uint_eq(ks->signals_owed, 1);
	ck_assert_int_eq(admin(ADMIN_SIGNAL_TAKE, 0, 0, 0, 0), b);
	ck_assert_int_eq(admin(ADMIN_SIGNAL_TAKE, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(the_stack_never_touches_itself_for_a_program)
{
	uint32_t a = new_socket(SOCK_DGRAM);
	const uint64_t places[] = {
		SEG_BASE,     SEG_BASE + SEG_HEAP_OFF,	    SEG_BASE + SEG_IMAGE_OFF,
		SEG_BASE - 4, SEG_BASE + SEG_SLOT_SIZE - 1, 0xffff888000000000};

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		ck_assert_int_eq(transfer(CALL_SEND, a, (void *)(uintptr_t)places[i], 8), -EFAULT);
		ck_assert_int_eq(transfer(CALL_RECV, a, (void *)(uintptr_t)places[i], 8), -EFAULT);
	}
}
END_TEST

/* ---- faults, and the way out --------------------------------------------------------------- */

static unsigned faults;
static sigjmp_buf out_of_it;
static greg_t left_with[NGREG];

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	if ((uint64_t)(uintptr_t)info->si_addr == SEG_BASE + SW_EXIT_OFF) {
		memcpy(left_with, regs, sizeof(left_with));
		siglongjmp(out_of_it, 1);
	}
	if (rip < seg.hdr->copy_start || rip >= seg.hdr->copy_end)
		abort();
	faults++;
	regs[REG_RIP] = (greg_t)seg.hdr->fault_fixup;
}

static void handle_faults(void)
{
	static uint8_t stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

START_TEST(missing_memory_is_efault_and_the_net_goes_on)
{
	uint32_t buffers = pool_used("pktbufs"), l = listener_at(8080), a, b = connected(l, &a);
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handle_faults();
	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(mprotect(p + 4096, 4096, PROT_NONE), 0);
	ck_assert_int_eq(transfer(CALL_SEND, a, p + 4000, 2000), -EFAULT);
	pass(a, b, 1000);
	ck_assert_int_eq(transfer(CALL_SEND, a, "again", 5), 5);
	ck_assert_int_eq(transfer(CALL_RECV, b, p + 4096, 2000), -EFAULT);
	ck_assert_uint_eq(faults, 2);
	ck_assert_int_eq(transfer(CALL_RECV, b, in, 100), 5);
	ck_assert_mem_eq(in, "again", 5);
	turns(4);
	ck_assert_uint_eq(pool_used("pktbufs"), buffers);
}
END_TEST

/* As the module enters: on the context's stack, registers as sandwire_uapi.h says. */
static void enter(struct ctx *ctx, uint32_t client, uint32_t sock, uint64_t n)
{
	uint64_t sp = SEG_BASE + SEG_STACK_OFF + (ctx->id + 1) * SEG_STACK_STRIDE - 8;
	register uint64_t slot __asm__("r9");

	if (sigsetjmp(out_of_it, 1))
		return;
	slot = n;
	__asm__ volatile("movq %%rax, %%rsp\n\tmovq %%rbx, %%r8\n\tjmp *%%rcx"
			 :
			 : "a"(sp), "D"(ctx), "S"((uint64_t)client), "d"((uint64_t)sock),
			   "c"(seg.hdr->entry), "b"(999999ll), "r"(slot)
			 : "memory", "r8");
	__builtin_unreachable();
}

START_TEST(an_upcall_leaves_with_its_result_and_the_new_socket)
{
	struct channel_memory mem;
	struct channel *ch;

	handle_faults();
	ck_assert_int_eq(channel_create(&mem, 7, CHANNEL_SIZE), 0);
	ch = mem.addr;
	ch->slot[63].nr = CALL_SOCKET;
	ch->slot[63].arg[0] = AF_INET;
	ch->slot[63].arg[1] = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	enter(ctx_at(200), 7, 0, 63 | SW_ENTER_NONBLOCK);
	ck_assert_int_eq(left_with[REG_R9], 0);
	ck_assert_uint_ne((uint32_t)left_with[REG_R10], 0);
	ck_assert_int_eq(left_with[REG_R10], ch->slot[63].sock);
	ck_assert_int_eq(left_with[REG_R8], SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_uint_eq(ctx_at(200)->kind, CTX_UPCALL);
	ck_assert_uint_eq(ctx_at(200)->client, 7);
	/* The socket is the module's word, not the slot's. */
	ch->slot[0].nr = CALL_GETSOCKNAME;
	ch->slot[0].sock = ch->slot[63].sock;
	enter(ctx_at(1), 7, 0, 0);
	ck_assert_int_eq(left_with[REG_R9], -EBADF);
	enter(ctx_at(1), 7, ch->slot[63].sock, 0);
	ck_assert_int_eq(left_with[REG_R9], 0);
	ck_assert_int_eq(left_with[REG_R10], 0);
	enter(ctx_at(1), 7, 0, 64);
	ck_assert_int_eq(left_with[REG_R9], -EINVAL);
	enter(ctx_at(1), 0, ch->slot[63].sock, 0);
	ck_assert_int_eq(left_with[REG_R9], -EPERM);
	/* ADMIN_ calls are for plain callers. */
	ch->slot[0].nr = ADMIN_SHUTDOWN;
	enter(ctx_at(1), 7, 0, 0);
	ck_assert_int_eq(left_with[REG_R9], -ENOSYS);
	channel_destroy(&mem);
}
END_TEST

/* ---- server mode --------------------------------------------------------------------------- */

static uint32_t made_last;

static int64_t serve(struct channel *ch, uint32_t client, uint32_t n)
{
	struct call_slot s = {.nr = ADMIN_SERVE, .arg = {client, P(ch), n}};

	ck_assert_int_eq(image_call(ctx_at(0), 0, &s), 0);
	made_last = (uint32_t)s.ret2;
	return ch->slot[n].ret;
}

START_TEST(served_clients_use_their_own_sockets_only)
{
	struct channel_memory mem;
	struct channel *ch;
	struct call_slot *s;
	uint32_t id;

	up(SEG_MODE_SERVER);
	ck_assert_int_eq(channel_create(&mem, 2, CHANNEL_SIZE_SERVER), 0);
	ch = mem.addr;
	s = &ch->slot[5];
	s->nr = CALL_SOCKET;
	s->arg[0] = AF_INET;
	s->arg[1] = SOCK_DGRAM;
	ck_assert_int_eq(serve(ch, 2, 5), 0);
	id = s->sock;
	ck_assert_uint_eq(made_last, id);
	*(struct call_addr *)s->inl = own(77);
	s->nr = CALL_BIND;
	ck_assert_int_eq(serve(ch, 3, 5), -EBADF); /* client 3 knows the number, no more */
	s->sock = id;
	ck_assert_int_eq(serve(ch, 2, 5), 0);
	ck_assert_uint_eq(made_last, 0);
	ck_assert_int_eq(admin(ADMIN_GRANT, 3, id + (1 << SEG_SOCK_BITS), 0, 0), -EBADF);
	ck_assert_int_eq(admin(ADMIN_GRANT, 3, id, 0, 0), 0);
	s->nr = CALL_SEND;
	s->sock = id;
	s->arg[0] = 0;
	s->arg[1] = 1;
	s->arg[2] = 1;
	memset(s->inl, 0, sizeof(s->inl));
	((struct call_io *)s->inl)->addr = own(77);
	((struct call_io *)s->inl)->iov[0] = (struct call_iov){.base = 100, .len = 5};
	memcpy((uint8_t *)ch + CHANNEL_DATA_OFF(5) + 100, "hello", 5);
	ck_assert_int_eq(serve(ch, 3, 5), 5);
	s->nr = CALL_RECV;
	s->sock = id;
	((struct call_io *)s->inl)->iov[0] = (struct call_iov){.base = 0, .len = CHANNEL_DATA_SIZE};
	ck_assert_int_eq(serve(ch, 2, 5), 5);
	ck_assert_mem_eq((uint8_t *)ch + CHANNEL_DATA_OFF(5), "hello", 5);
	ck_assert_int_eq(admin(ADMIN_CLIENT_GONE, 2, 0, 0, 0), 0);
	s->nr = CALL_EVENTS;
	s->sock = id;
	ck_assert_int_eq(serve(ch, 2, 5), -EBADF);
	s->sock = id;
	ck_assert_int_ge(serve(ch, 3, 5), 0);
	channel_destroy(&mem);
}
END_TEST

static uint64_t random_state = 0x5eed;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Small numbers find more than wild ones do. */
static uint64_t number(void)
{
	static const uint64_t some[] = {0, 1, 2, 3, 6, 16, 17, 64, 1500, 32768, 65536, UINT64_MAX};

	return rnd() % 3 ? some[rnd() % (sizeof(some) / sizeof(some[0]))] : rnd() >> rnd() % 64;
}

static void random_block(struct call_slot *s, const uint32_t *ids, unsigned n_ids)
{
	struct call_io *any = (struct call_io *)s->inl;

	s->nr = (uint32_t)(rnd() % (CALL_MAX + 1));
	s->sock = n_ids ? ids[rnd() % n_ids] : (uint32_t)rnd();
	for (unsigned i = 0; i < 6; i++)
		s->arg[i] = number();
	if (s->nr == CALL_SOCKET) {
		s->arg[0] = AF_INET;
		s->arg[1] = rnd() % 4;
		s->arg[2] = 0;
	}
	if (s->nr == CALL_SHUTDOWN && rnd() % 8)
		s->nr = CALL_RECV;
	for (unsigned i = 0; i < CHANNEL_INLINE; i++)
		s->inl[i] = (uint8_t)rnd();
	if (rnd() % 8)
		any->addr = own((uint16_t)(7000 + rnd() % 4));
	for (unsigned i = 0; i < CHANNEL_IOV_MAX; i++)
		any->iov[i] = (struct call_iov){.base = rnd() % 8192, .len = rnd() % 3000};
	if (!(rnd() % 8))
		any->iov[rnd() % CHANNEL_IOV_MAX].len = number();
}

START_TEST(random_call_blocks_do_no_harm)
{
	uint32_t ids[200], n_ids = 0, buffers, sockets;
	struct channel_memory mem;
	struct channel *ch;
	unsigned good = 0;

	up(SEG_MODE_SERVER);
	buffers = pool_used("pktbufs");
	sockets = pool_used("sockets");
	ck_assert_int_eq(channel_create(&mem, 2, CHANNEL_SIZE_SERVER), 0);
	ch = mem.addr;
	for (unsigned i = 0; i < 60000; i++) {
		random_block(&ch->slot[i % 64], ids, n_ids);
		good += serve(ch, 2, i % 64) >= 0;
		if (made_last && n_ids < 200)
			ids[n_ids++] = made_last;
		else if (made_last)
			last_close(made_last);
		if (n_ids > 20 && !(rnd() % 50))
			last_close(ids[--n_ids]);
		if (!(rnd() % 20))
			turns(1);
	}
	ck_assert_uint_gt(good, 1000);
	while (n_ids)
		last_close(ids[--n_ids]);
	turns(20 * 400);
	ck_assert_uint_eq(pool_used("pktbufs"), buffers);
	ck_assert_uint_eq(pool_used("sockets"), sockets);
	ck_assert_uint_eq(pool_used("tcp_pcbs"), 0);
	channel_destroy(&mem);
}
END_TEST

/* ---- the daemon's calls -------------------------------------------------------------------- */

START_TEST(ports_and_addresses_are_shown)
{
	struct admin_port_row row;
	struct addr_row addr;
	uint32_t cursor = 0;
	struct port_conf unknown = {.kind = "carrier-pigeon"};

	ck_assert_int_eq(admin(ADMIN_PORT_ROW, 0, P(&row), 0, 0), 0);
	ck_assert_str_eq(row.kind, "null");
	ck_assert_uint_eq(row.running, 1);
	ck_assert_int_eq(admin(ADMIN_PORT_ROW, 1, P(&row), 0, 0), -ENODEV);
	ck_assert_int_eq(admin(ADMIN_PORT_ROW, UINT64_MAX, P(&row), 0, 0), -ENODEV);
	ck_assert_int_eq(admin(ADMIN_PORT_ADD, P(&unknown), 0, 0, 0), -ENODEV);
	ck_assert_int_eq(admin(ADMIN_ADDR_ROW, P(&cursor), P(&addr), 0, 0), 1);
	ck_assert_uint_eq(addr.addr.bytes[1], 9);
	ck_assert_int_eq(admin(ADMIN_ADDR_ROW, P(&cursor), P(&addr), 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_MAX, 0, 0, 0, 0), -ENOSYS);
	ck_assert_uint_gt(counter("SandboxTurns") + 1, counter("EthInFrames"));
}
END_TEST

START_TEST(ports_come_and_go_and_leave_no_buffers)
{
	struct port_conf conf = {.kind = "null", .name = "second"};
	uint32_t buffers = pool_used("pktbufs");

	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(admin(ADMIN_PORT_ADD, P(&conf), 0, 0, 0), 1);
		ck_assert_int_eq(admin(ADMIN_PORT_DEL, 1, 0, 0, 0), 0);
		ck_assert_int_eq(admin(ADMIN_PORT_DEL, 1, 0, 0, 0), -ENODEV);
	}
	ck_assert_uint_eq(pool_used("pktbufs"), buffers);
}
END_TEST

START_TEST(a_capture_shows_what_is_sent)
{
	uint32_t a = new_socket(SOCK_DGRAM);
	struct capture_reader r;
	struct capture_record rec;
	uint8_t frame[CAPTURE_CAPLEN_MAX];

	ck_assert_int_eq(admin(ADMIN_CAPTURE_START, 1, (uint64_t)-1, 65535, 0), 0);
	ck_assert_int_eq(admin(ADMIN_CAPTURE_START, 1, 0, 65535, 0), -EINVAL);
	ck_assert_int_eq(admin(ADMIN_CAPTURE_START, 2, 9, 65535, 0), -ENODEV);
	ck_assert_int_eq(admin(ADMIN_CAPTURE_START, 4, 0, 65535, 0), -EINVAL);
	slot.arg[1] = 0;
	slot.arg[2] = 1;
	memset(slot.inl, 0, sizeof(slot.inl));
	io()->addr = (struct call_addr){.family = AF_INET, .port = 9, .addr = {10, 9, 0, 2}};
	ck_assert_int_eq(call(CALL_SEND, a), 0);
	ck_assert_int_eq(capture_reader_init(
				 &r,
				 (void *)(uintptr_t)(SEG_BASE + SEG_CAPTURE_OFF + SEG_CAPTURE_SIZE),
				 SEG_CAPTURE_SIZE),
			 0);
	ck_assert_int_eq(capture_next(&r, &rec, frame), 1); /* who has 10.9.0.2? */
	ck_assert_uint_eq(frame[12] << 8 | frame[13], 0x0806);
	ck_assert_uint_eq(rec.direction, CAPTURE_OUT);
	ck_assert_int_eq(admin(ADMIN_CAPTURE_STOP, 1, 0, 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_CAPTURE_STOP, 1, 0, 0, 0), 0);
	ck_assert_int_eq(admin(ADMIN_PORT_DEL, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(the_daemon_is_told_when_the_next_timer_is_due)
{
	struct seg_clock clock = seg.hdr->clock;
	uint64_t deadline = 0;
	uint32_t a = new_socket(SOCK_STREAM);
	struct call_addr far_away = {.family = AF_INET, .port = 80, .addr = {10, 9, 0, 2}};

	admin(ADMIN_TURN, P(&deadline), 0, 0, 0);
	ks->wake_tail = ks->wake_head;
	memcpy(slot.inl, &far_away, sizeof(far_away));
	ck_assert_int_eq(call(CALL_CONNECT, a), -EINPROGRESS);
	ck_assert_uint_eq(ks->wake_head - ks->wake_tail, 1);
	ck_assert_uint_eq(ks->wake[ks->wake_tail % SEG_WAKE_ENTRIES], SEG_WAKE_DAEMON);
	ck_assert_int_eq(call(CALL_EVENTS, a) & POLLIN, 0);
	ck_assert_uint_eq(ks->wake_head - ks->wake_tail, 1); /* once is enough */
	admin(ADMIN_TURN, P(&deadline), 0, 0, 0);
	ck_assert_uint_gt(deadline, clock.ns_base);
	ck_assert_uint_lt(deadline, clock.ns_base + 2000000000);
	clock.ns_base = deadline;
	ck_assert_int_eq(admin(ADMIN_CLOCK, P(&clock), 0, 0, 0), 0);
	ck_assert_uint_eq(seg.hdr->clock.ns_base, deadline);
}
END_TEST

START_TEST(shutdown_ends_everything)
{
	uint32_t l = listener_at(8080), a, b = connected(l, &a);

	ck_assert_int_eq(admin(ADMIN_SHUTDOWN, 0, 0, 0, 0), 0);
	ck_assert_uint_eq(seg.hdr->failed, ENETDOWN);
	ck_assert_int_eq(call(CALL_EVENTS, b), -ENETDOWN);
	ck_assert_int_eq(call(CALL_NULL, 0), -ENETDOWN);
	ck_assert_uint_eq(pool_used("sockets"), 0);
	ck_assert_uint_eq(pool_used("pktbufs"), 0);
	ck_assert_int_eq(admin(ADMIN_PORT_DEL, 0, 0, 0, 0), 0);
	ck_assert_int_ge(admin(ADMIN_TURN, 0, 0, 0, 0), 0);
}
END_TEST

/* ---- several at once ----------------------------------------------------------------------- */

#define ROUNDS 3000

static void *chatter(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct call_slot s = {.arg = {AF_INET, SOCK_DGRAM}};
	struct call_io *my = (struct call_io *)s.inl;
	struct ctx *ctx = ctx_at(10 + me);
	uint64_t value, failed = 0;
	uint32_t sock;

	failed += call_in(ctx, &s, CALL_SOCKET, 0) != 0;
	sock = s.sock;
	*(struct call_addr *)s.inl = own((uint16_t)(6000 + me));
	failed += call_in(ctx, &s, CALL_BIND, sock) != 0;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		memset(&s, 0, sizeof(s));
		value = i << 8 | me;
		s.arg[1] = s.arg[2] = 1;
		my->addr = own((uint16_t)(6000 + me));
		my->iov[0] = (struct call_iov){.base = P(&value), .len = sizeof(value)};
		failed += call_in(ctx, &s, CALL_SEND, sock) != sizeof(value);
		value = 0;
		failed += call_in(ctx, &s, CALL_RECV, sock) != sizeof(value);
		failed += value != (i << 8 | me);
	}
	return (void *)(uintptr_t)failed;
}

START_TEST(threads_share_the_sandbox)
{
	pthread_t t[3];
	void *failed;

	for (uintptr_t i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, chatter, (void *)i), 0);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(t[i], &failed);
		ck_assert_ptr_null(failed);
	}
	ck_assert_uint_ge(counter("SandboxTurns"), 0);
	ck_assert_uint_eq(pool_used("pktbufs"), 0);
}
END_TEST

int main(int argc, char **argv)
{
	TCase *c, *server;
	SRunner *r;
	Suite *s;
	int failed;

	if (argc != 2) {
		fprintf(stderr, "usage: image_test IMAGE\n");
		return 2;
	}
	image_path = argv[1];
	if (segment_reserve()) {
		printf("the segment's addresses are taken (AddressSanitizer has its heap there)\n");
		return 77;
	}
	segment_unreserve();
	s = suite_create("image");
	c = tcase_create("direct");
	server = tcase_create("server");
	r = srunner_create(s);
	tcase_add_checked_fixture(c, direct, down);
	tcase_add_test(c, what_a_process_makes_is_its_users);
	tcase_add_test(c, a_datagram_to_the_own_address_arrives);
	tcase_add_test(c, a_connection_to_the_own_address_carries_bytes_both_ways);
	tcase_add_test(c, a_sleeper_on_a_listener_is_woken_by_a_connection);
	tcase_add_test(c, an_owed_signal_is_seen_without_a_call);
	tcase_add_test(c, the_stack_never_touches_itself_for_a_program);
	tcase_add_test(c, missing_memory_is_efault_and_the_net_goes_on);
	tcase_add_test(c, an_upcall_leaves_with_its_result_and_the_new_socket);
	tcase_add_test(c, ports_and_addresses_are_shown);
	tcase_add_test(c, ports_come_and_go_and_leave_no_buffers);
	tcase_add_test(c, a_capture_shows_what_is_sent);
	tcase_add_test(c, the_daemon_is_told_when_the_next_timer_is_due);
	tcase_add_test(c, shutdown_ends_everything);
	tcase_add_test(c, threads_share_the_sandbox);
	tcase_add_checked_fixture(server, NULL, down);
	tcase_add_test(server, served_clients_use_their_own_sockets_only);
	tcase_add_test(server, random_call_blocks_do_no_harm);
	tcase_set_timeout(server, 60);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	suite_add_tcase(s, server);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
