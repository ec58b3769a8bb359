// SPDX-License-Identifier: BSD-3-Clause
/*
 * The turn: under one hold of the stack lock, bring the time up to date, take in what the kernel
 * says was closed, poll the ports, run timers, send what has gathered, and say who is to be woken.
 * Called by upcall/calls.c and admin_calls.c; calls drivers/port.c and struct turn_ops.
 *
 * Everything is bounded, as others wait: a batch a port, TURN_TIMERS timers, TURN_CLOSED sockets.
 */
#include "sandbox/turn.h"

#include "sandbox/clock.h"
#include "sandbox/lock.h"

#define TURN_TIMERS 64u
#define TURN_CLOSED 1024u
#define TURN_STEP   16u	       /* frames between two looks at the clock, where time is short */
#define TURN_SLACK  1000000ull /* ns that a timer may be late rather than cost a wake-up */

uint64_t turn_clock(struct sandbox *sb)
{
	uint64_t now = clock_read(&sb->hdr->clock);

	if (now > sb->now)
		sb->now = now;
	return sb->now;
}

static bool closed_pending(const struct sandbox *sb)
{
	return __atomic_load_n(&sb->ks->closed_head, __ATOMIC_RELAXED) != sb->ks->closed_tail;
}

/* close() has returned in some process: the port must be free for its next bind(). */
static void drain_closed(struct sandbox *sb)
{
	struct seg_kshared *ks = sb->ks;
	/* Acquire: pairs with the release of closed_head by the module (sock_release). */
	uint32_t head = __atomic_load_n(&ks->closed_head, __ATOMIC_ACQUIRE);
	uint32_t tail = ks->closed_tail;

	for (unsigned n = 0; tail != head && n < TURN_CLOSED; n++, tail++)
		sb->ops->closed(sb->stack, ks->closed[tail % SEG_SOCK_COUNT]);
	__atomic_store_n(&ks->closed_tail, tail, __ATOMIC_RELEASE);
}

static void begin(struct sandbox *sb)
{
	sb->ops->set_now(sb->stack, turn_clock(sb));
	if (closed_pending(sb))
		drain_closed(sb);
}

void turn_begin(struct sandbox *sb, struct ctx *ctx)
{
	stack_lock(sb, ctx);
	begin(sb);
}

static unsigned poll(struct sandbox *sb, unsigned max)
{
	struct pktbuf *batch[PORT_BATCH];
	unsigned n, frames = 0;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct port *port = sb->ports[i];

		if (!port)
			continue;
		n = port_rx(port, batch, max);
		if (n)
			sb->ops->input(sb->stack, port, batch, n);
		frames += n;
		port_watch(port, sb->now);
	}
	/* More are due than a turn may run: the daemon goes on. */
	if (sb->ops->timers(sb->stack, TURN_TIMERS))
		sb->kick_daemon = true;
	sb->turns++;
	sb->frames_in += frames;
	return frames;
}

unsigned turn_poll(struct sandbox *sb)
{
	return poll(sb, PORT_BATCH);
}

bool turn_pending(struct sandbox *sb)
{
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (sb->ports[i] && port_pending(sb->ports[i]))
			return true;
	return closed_pending(sb) || sb->ops->deadline(sb->stack) <= sb->now;
}

/*
 * The daemon sleeps until daemon_wakes_at (ADMIN_TURN sets it). A timer set meanwhile that is due
 * earlier must end that sleep; one that is due later must not.
 */
static void kick(struct sandbox *sb, struct ctx *ctx)
{
	uint64_t deadline = sb->ops->deadline(sb->stack);

	if (ctx->kind == CTX_DAEMON) /* it asks for the deadline itself */
		return;
	if (deadline < sb->daemon_wakes_at && sb->daemon_wakes_at - deadline > TURN_SLACK) {
		sb->daemon_wakes_at = deadline;
		sb->kick_daemon = true;
	}
	if (!sb->kick_daemon)
		return;
	sb->kick_daemon = false;
	sb->kicks++;
	wake_push(sb, SEG_WAKE_DAEMON);
}

static void send(struct sandbox *sb)
{
	sb->ops->output(sb->stack);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		if (!sb->ports[i])
			continue;
		port_flush(sb->ports[i]);
		if (port_wants_kick(sb->ports[i]))
			sb->kick_daemon = true;
	}
}

void turn_end(struct sandbox *sb, struct ctx *ctx)
{
	send(sb);
	kick(sb, ctx);
	stack_unlock(sb, ctx);
}

bool turn_interrupt(struct sandbox *sb, struct ctx *ctx, uint32_t index, uint32_t frames,
		    uint64_t ns)
{
	uint64_t begun = clock_read(&sb->hdr->clock), until = begun + ns;
	bool armed = false, done = false;
	struct port *port;

	/* Not longer: its owner may be off the CPU. */
	while (!stack_trylock(sb, ctx)) {
		if (clock_read(&sb->hdr->clock) - begun >= ns / 2)
			return false;
		__builtin_ia32_pause();
	}
	begin(sb);
	sb->interrupts++;
	port = sb->ports[index];
	do {
		unsigned n = poll(sb, frames < TURN_STEP ? frames : TURN_STEP);

		frames -= n < frames ? n : frames;
		if (n)
			continue;
		done = armed || !port || !port->running || !port->ops->irq;
		if (done)
			break;
		/* Sent first, as frames that wait to be sent make interrupts too; then looked at
		 * again, as what came just before may make none. */
		send(sb);
		port->ops->irq(port, true);
		armed = true;
	} while (frames && turn_clock(sb) < until);
	turn_end(sb, ctx);
	return done;
}
