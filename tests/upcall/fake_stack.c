// SPDX-License-Identifier: BSD-3-Clause
/* See fake_stack.h. */
#include "tests/upcall/fake_stack.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "sandbox/lock.h"
#include "upcall/app_copy.h"

struct fake_stack fake;

static void locked(void)
{
	ck_assert_msg(stack_lock_owner(fake.sb) != UINT32_MAX, "a verb without the stack lock");
}

void fake_stack_init(struct sandbox *sb)
{
	memset(&fake, 0, sizeof(fake));
	fake.sb = sb;
	pktbuf_pool_init(&fake.pool, fake.headers, fake.data, 0, 16);
}

/* ---- application memory -------------------------------------------------------------------- */

static const struct ctx *inside;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (rip < (uintptr_t)app_copy_start || rip >= (uintptr_t)app_copy_end ||
	    stack_lock_owner(fake.sb) != UINT32_MAX || inside->in_ext)
		abort();
	fake.faults++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)app_fault_fixup;
}

void fake_faults(const struct ctx *app)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	inside = app;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* ---- struct turn_ops ----------------------------------------------------------------------- */

static void set_now(void *stack, uint64_t now)
{
	locked();
	fake.turns++;
}

static bool timers(void *stack, unsigned budget)
{
	return false;
}

static void output(void *stack)
{
	locked();
}

static uint64_t deadline(void *stack)
{
	return UINT64_MAX;
}

static void closed(void *stack, uint32_t id)
{
}

const struct turn_ops fake_ops = {
	.set_now = set_now,
	.timers = timers,
	.output = output,
	.deadline = deadline,
	.closed = closed,
};

/* ---- verbs --------------------------------------------------------------------------------- */

int sock_create(struct stack *st, int domain, int type, int protocol, uint32_t client,
		struct socket **out)
{
	locked();
	if (fake.answer)
		return (int)fake.answer;
	for (unsigned i = 0; i < FAKE_SOCKETS; i++) {
		if (fake.so[i].open)
			continue;
		fake.so[i] = (struct socket){.id = FAKE_ID(i), .client = client, .open = true};
		*out = &fake.so[i];
		return 0;
	}
	return -ENFILE;
}

struct socket *sock_get(struct stack *st, uint32_t id)
{
	struct socket *so = &fake.so[SEG_SOCK_INDEX(id) % FAKE_SOCKETS];

	locked();
	return so->open && so->id == id ? so : NULL;
}

uint32_t sock_id(const struct socket *so)
{
	return so->id;
}

void sock_close(struct socket *so)
{
	locked();
	so->open = false;
}

static int answer(struct socket *so, const struct sock_addr *addr)
{
	locked();
	if (addr)
		so->to = *addr;
	return (int)fake.answer;
}

int sock_bind(struct socket *so, const struct sock_addr *addr)
{
	return answer(so, addr);
}

int sock_listen(struct socket *so, int backlog)
{
	so->backlog = backlog;
	return answer(so, NULL);
}

int sock_connect(struct socket *so, const struct sock_addr *addr)
{
	return answer(so, addr);
}

int sock_accept(struct socket *so, struct socket **out, struct sock_addr *peer)
{
	*peer = so->peer;
	return sock_create(NULL, 0, 0, 0, so->client, out);
}

int sock_unaccept(struct socket *listener, struct socket *so)
{
	return -EINVAL;
}

int sock_shutdown(struct socket *so, int how)
{
	return answer(so, NULL);
}

int sock_name(struct socket *so, struct sock_addr *local)
{
	*local = so->to;
	return answer(so, NULL);
}

int sock_peer(struct socket *so, struct sock_addr *remote)
{
	*remote = so->peer;
	return answer(so, NULL);
}

int sock_setopt(struct socket *so, int level, int name, const void *value, uint32_t len)
{
	memcpy(so->opt, value, len);
	so->opt_len = len;
	return answer(so, NULL);
}

int sock_getopt(struct socket *so, int level, int name, void *value, uint32_t *len)
{
	for (uint32_t i = 0; fake.echo && i < *len; i++)
		so->opt[i] = ((uint8_t *)value)[i] + 1;
	if (fake.echo)
		so->opt_len = *len;
	if (*len > so->opt_len)
		*len = so->opt_len;
	memcpy(value, so->opt, *len);
	return answer(so, NULL);
}

int64_t sock_readable(struct socket *so)
{
	locked();
	return (int64_t)so->n_queue;
}

int64_t sock_unsent(struct socket *so)
{
	locked();
	return (int64_t)so->n_sent;
}

int64_t sock_not_sent(struct socket *so)
{
	locked();
	return fake.answer;
}

int sock_at_mark(const struct socket *so)
{
	locked();
	return so->at_mark;
}

bool sock_signal_ask(struct socket *so, uint32_t client, bool on)
{
	locked();
	so->signal_client = on ? client : 0;
	return on && !so->plain;
}

uint32_t sock_events(struct socket *so)
{
	locked();
	return so->events;
}

/* ---- data ---------------------------------------------------------------------------------- */

int64_t sock_send_reserve(struct socket *so, uint64_t len, const struct sock_addr *to, int flags,
			  struct pktbuf **out)
{
	struct pktbuf **tail = out;
	uint64_t got = 0;

	locked();
	if (fake.answer)
		return fake.answer;
	fake.reserved++;
	do {
		struct pktbuf *p = pktbuf_alloc(&fake.pool);

		if (!p)
			break;
		p->len = (uint16_t)(len - got < FAKE_SEG ? len - got : FAKE_SEG);
		got += p->len;
		p->next = NULL;
		*tail = p;
		tail = &p->next;
	} while (got < len);
	if (fake.close_between)
		so->open = false;
	return (int64_t)got;
}

void sock_recv_note(struct socket *so, const struct pktbuf *p, int flags, struct sock_note *note)
{
	locked();
	*note = so->note;
}

int64_t sock_send_noted(struct socket *so, struct pktbuf *list, uint64_t len,
			const struct sock_addr *to, int flags, const struct sock_note *note)
{
	locked();
	so->note = note ? *note : (struct sock_note){.have = 0};
	fake.committed++;
	so->flags = flags;
	so->had_to = to;
	if (to)
		so->to = *to;
	for (struct pktbuf *p = list; p; p = p->next) {
		memcpy(so->sent + so->n_sent, pktbuf_data(p), p->len);
		so->n_sent += p->len;
	}
	pktbuf_free_list(list);
	return (int64_t)len;
}

int64_t sock_recv_take(struct socket *so, uint64_t max, int flags, struct sock_slice *slices,
		       unsigned *n_slices, struct sock_addr *from, uint64_t *full)
{
	uint64_t got = 0;

	locked();
	*n_slices = 0;
	if (fake.answer)
		return fake.answer;
	if (!so->n_queue)
		return -EAGAIN;
	fake.taken++;
	so->flags = flags;
	*from = so->peer;
	while (got < so->n_queue && got < max) {
		struct sock_slice *sl = &slices[(*n_slices)++];
		uint64_t n = so->n_queue - got;

		n = n < FAKE_SEG ? n : FAKE_SEG;
		n = n < max - got ? n : max - got;
		sl->buf = pktbuf_alloc(&fake.pool);
		memcpy(pktbuf_data(sl->buf), so->queue + got, n);
		sl->data = pktbuf_data(sl->buf);
		sl->len = (uint32_t)n;
		got += n;
	}
	so->n_queue -= got;
	memmove(so->queue, so->queue + got, so->n_queue);
	*full = fake.full ? fake.full : got;
	if (fake.close_between)
		so->open = false;
	return (int64_t)got;
}

void sock_recv_done(struct socket *so, struct sock_slice *slices, unsigned n)
{
	locked();
	fake.done++;
	for (unsigned i = 0; i < n; i++)
		pktbuf_free(slices[i].buf);
}

void sock_recv_undo(struct socket *so, int flags, struct sock_slice *slices, unsigned n)
{
	locked();
	fake.undone++;
	ck_assert_int_eq(flags, so->flags);
	while (n--) {
		memmove(so->queue + slices[n].len, so->queue, so->n_queue);
		memcpy(so->queue, slices[n].data, slices[n].len);
		so->n_queue += slices[n].len;
		pktbuf_free(slices[n].buf);
	}
}

/* ---- the net ------------------------------------------------------------------------------- */

int stack_route_lookup(struct stack *st, const struct ip_addr *dst, struct ip_addr *src)
{
	locked();
	if (dst->family != 2 || dst->bytes[0] != 10)
		return -ENETUNREACH;
	*src = *dst;
	src->bytes[3] = 1;
	return 0;
}

bool stack_addr_is_local(struct stack *st, const struct ip_addr *addr)
{
	locked();
	return addr->bytes[3] == 1;
}
