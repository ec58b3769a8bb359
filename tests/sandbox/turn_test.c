// SPDX-License-Identifier: BSD-3-Clause
/* sandbox/turn.c, ready.c, clock.c: a fake stack, a fake port, a clock that stands still. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/clock.h"
#include "sandbox/lock.h"
#include "sandbox/turn.h"

static struct seg_header hdr;
static struct seg_kshared *ks;
static struct sandbox sb;
static struct ctx daemon_ctx, app = {.id = 5, .kind = CTX_UPCALL};

/* What the fake stack saw, in order. */
static char trace[256];
static uint64_t now, deadline;
static unsigned frames_in;
static uint32_t last_closed;
static bool timers_left;

static void note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void fake_set_now(void *stack, uint64_t t)
{
	now = t;
	note("now ");
}

static void fake_input(void *stack, struct port *port, struct pktbuf **batch, unsigned n)
{
	ck_assert_uint_eq(stack_lock_owner(&sb), 5);
	frames_in += n;
	pktbuf_free_list(batch[0]);
	note("input ");
}

static bool fake_timers(void *stack, unsigned budget)
{
	note("timers ");
	return timers_left;
}

static void fake_output(void *stack)
{
	note("output ");
}

static uint64_t fake_deadline(void *stack)
{
	return deadline;
}

static void fake_closed(void *stack, uint32_t id)
{
	last_closed = id;
	note("closed ");
}

static const struct turn_ops ops = {
	.set_now = fake_set_now,
	.input = fake_input,
	.timers = fake_timers,
	.output = fake_output,
	.deadline = fake_deadline,
	.closed = fake_closed,
};

/* A port with as many one-frame batches as `waiting` says. */
static struct pktbuf frame;
static struct pktbuf_pool pool;
static unsigned waiting;
static bool kick;
static unsigned late; /* come in the moment before the interrupt is armed */

static int fake_start(struct port *port)
{
	return 0;
}

static void fake_stop(struct port *port)
{
}

static unsigned fake_rx(struct port *port, struct pktbuf **batch, unsigned max)
{
	if (!waiting)
		return 0;
	waiting--;
	batch[0] = pktbuf_alloc(port->pool);
	batch[0]->len = 60;
	return 1;
}

static unsigned fake_tx(struct port *port, struct pktbuf **batch, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pktbuf_free(batch[i]);
	note("tx ");
	port->kick = kick;
	return n;
}

static bool fake_pending(struct port *port)
{
	return waiting;
}

static bool fake_watch(struct port *port)
{
	return false;
}

static void fake_irq(struct port *port, bool on)
{
	note("irq ");
	waiting += late;
	late = 0;
}

static const struct port_ops fake_port_ops = {
	.name = "fake",
	.start = fake_start,
	.stop = fake_stop,
	.rx = fake_rx,
	.tx = fake_tx,
	.pending = fake_pending,
	.irq = fake_irq,
	.watch = fake_watch,
};
static struct port port;
static uint8_t data[PKTBUF_SIZE];

static void setup(void)
{
	memset(&hdr, 0, sizeof(hdr));
	hdr.clock.ns_base = 1000; /* mult 0: stands still */
	ks = aligned_alloc(SEG_CACHE_LINE, sizeof(*ks));
	memset(ks, 0, sizeof(*ks));
	pktbuf_pool_init(&pool, &frame, data, 0, 1);
	memset(&port, 0, sizeof(port));
	port.pool = &pool;
	sb = (struct sandbox){.hdr = &hdr, .ks = ks, .ops = &ops, .daemon_wakes_at = UINT64_MAX};
	ck_assert_int_eq(port_start(&port, &fake_port_ops, NULL), 0);
	sb.ports[3] = &port;
	sb.n_ports = 1;
	trace[0] = 0;
	deadline = UINT64_MAX;
	waiting = frames_in = late = 0;
	timers_left = kick = false;
	last_closed = 0;
}

static void teardown(void)
{
	free(ks);
}

static uint32_t wakes(void)
{
	return ks->wake_head - ks->wake_tail;
}

START_TEST(a_turn_does_things_in_order_under_the_lock)
{
	waiting = 1;
	turn_begin(&sb, &app);
	ck_assert_uint_eq(stack_lock_owner(&sb), 5);
	ck_assert(turn_pending(&sb));
	ck_assert_uint_eq(turn_poll(&sb), 1);
	ck_assert(!turn_pending(&sb));
	port_send(&port, pktbuf_alloc(&pool));
	turn_end(&sb, &app);
	ck_assert_str_eq(trace, "now input timers output tx ");
	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
	ck_assert_uint_eq(now, 1000);
	ck_assert_uint_eq(frames_in, 1);
	ck_assert_uint_eq(sb.frames_in, 1);
	ck_assert_uint_eq(sb.turns, 1);
	ck_assert_uint_eq(pool.avail, 1);
}
END_TEST

START_TEST(closed_sockets_are_closed_before_anything_else_happens)
{
	ks->closed[0] = 77;
	ks->closed[1] = 78;
	ks->closed_head = 2;
	turn_begin(&sb, &app);
	ck_assert_str_eq(trace, "now closed closed ");
	ck_assert_uint_eq(last_closed, 78);
	ck_assert_uint_eq(ks->closed_tail, 2);
	turn_end(&sb, &app);
}
END_TEST

START_TEST(the_closed_ring_wraps)
{
	ks->closed_head = ks->closed_tail = UINT32_MAX;
	ks->closed[SEG_SOCK_COUNT - 1] = 41;
	ks->closed[0] = 42;
	ks->closed_head += 2;
	turn_begin(&sb, &app);
	ck_assert_uint_eq(last_closed, 42);
	ck_assert_uint_eq(ks->closed_tail, 1);
	turn_end(&sb, &app);
}
END_TEST

START_TEST(a_timer_due_before_the_daemon_wakes_kicks_it_once)
{
	deadline = 50000000;
	turn_begin(&sb, &app);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 1);
	ck_assert_uint_eq(ks->wake[0], SEG_WAKE_DAEMON);
	ck_assert_uint_eq(sb.daemon_wakes_at, deadline);
	turn_begin(&sb, &app);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 1);
	deadline = 90000000; /* later than it wakes anyway */
	turn_begin(&sb, &app);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 1);
	deadline = 49900000; /* so little earlier that it may be late */
	turn_begin(&sb, &app);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 1);
}
END_TEST

START_TEST(the_daemon_does_not_kick_itself)
{
	deadline = 50000000;
	turn_begin(&sb, &daemon_ctx);
	turn_end(&sb, &daemon_ctx);
	ck_assert_uint_eq(wakes(), 0);
}
END_TEST

START_TEST(timers_left_over_and_a_sleeping_pump_kick_the_daemon)
{
	timers_left = true;
	turn_begin(&sb, &app);
	turn_poll(&sb);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 1);
	timers_left = false;
	kick = true;
	turn_begin(&sb, &app);
	port_send(&port, pktbuf_alloc(&pool));
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 2);
	turn_begin(&sb, &app);
	turn_end(&sb, &app);
	ck_assert_uint_eq(wakes(), 2);
}
END_TEST

START_TEST(a_due_timer_is_something_to_do)
{
	deadline = 1000;
	turn_begin(&sb, &app);
	ck_assert(turn_pending(&sb));
	deadline = 1001;
	ck_assert(!turn_pending(&sb));
	ks->closed_head++;
	ck_assert(turn_pending(&sb));
	ks->closed_head--;
	turn_end(&sb, &app);
}
END_TEST

/* ---- interrupts ---------------------------------------------------------------------------- */

START_TEST(an_interrupt_takes_what_came_and_is_armed_after_what_was_sent)
{
	port_send(&port, pktbuf_alloc(&pool));
	ck_assert(turn_interrupt(&sb, &app, 3, 64, 1000));
	ck_assert_str_eq(trace, "now timers output tx irq timers output ");
	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
	ck_assert_uint_eq(sb.interrupts, 1);
}
END_TEST

START_TEST(an_interrupt_misses_nothing_that_came_before_it_was_armed)
{
	waiting = 2;
	late = 3;
	ck_assert(turn_interrupt(&sb, &app, 3, 64, 1000));
	ck_assert_uint_eq(frames_in, 5);
	ck_assert_ptr_eq(strstr(strstr(trace, "irq ") + 1, "irq "), NULL);
}
END_TEST

START_TEST(an_interrupt_stops_at_its_frames_and_leaves_the_rest_unarmed)
{
	waiting = 5;
	ck_assert(!turn_interrupt(&sb, &app, 3, 2, 1000));
	ck_assert_uint_eq(frames_in, 2);
	ck_assert_ptr_eq(strstr(trace, "irq "), NULL);
	ck_assert_uint_eq(stack_lock_owner(&sb), UINT32_MAX);
}
END_TEST

START_TEST(an_interrupt_stops_when_its_time_is_up)
{
	hdr.clock.mult = UINT32_MAX; /* runs so fast that any time is up at the second look */
	hdr.clock.tsc_base = __builtin_ia32_rdtsc();
	waiting = 5;
	ck_assert(!turn_interrupt(&sb, &app, 3, 64, 1000));
	ck_assert_uint_eq(frames_in, 1);
	ck_assert_ptr_eq(strstr(trace, "irq "), NULL);
}
END_TEST

START_TEST(an_interrupt_waits_for_the_lock_but_not_longer_than_it_may)
{
	waiting = 1;
	hdr.clock.mult = UINT32_MAX;
	hdr.clock.tsc_base = __builtin_ia32_rdtsc();
	turn_begin(&sb, &daemon_ctx);
	ck_assert(!turn_interrupt(&sb, &app, 3, 64, 1000));
	ck_assert_uint_eq(frames_in, 0);
	ck_assert_uint_eq(stack_lock_owner(&sb), 0);
	turn_end(&sb, &daemon_ctx);
}
END_TEST

START_TEST(an_interrupt_of_a_port_that_is_gone_is_done)
{
	ck_assert(turn_interrupt(&sb, &app, 4, 64, 1000));
}
END_TEST

/* ---- readiness ----------------------------------------------------------------------------- */

#define ID ((9u << SEG_SOCK_BITS) | 12)

START_TEST(nobody_is_woken_who_does_not_sleep)
{
	sock_ready_publish(&sb, ID, POLLIN, true);
	ck_assert_uint_eq(ks->ready[12].events, POLLIN);
	ck_assert_uint_eq(wakes(), 0);
}
END_TEST

START_TEST(a_sleeper_is_woken_once_for_a_sleep)
{
	ks->ready[12].waiters = 1;
	sock_ready_publish(&sb, ID, POLLIN, true);
	sock_ready_publish(&sb, ID, POLLIN, true);
	ck_assert_uint_eq(wakes(), 1);
	ck_assert_uint_eq(ks->wake[0], ID);
	ck_assert_uint_eq(ks->ready[12].waiters, 0);
	ks->ready[12].waiters = 1;
	sock_ready_publish(&sb, ID, POLLIN, true); /* the same bits: an edge all the same */
	ck_assert_uint_eq(wakes(), 2);
}
END_TEST

START_TEST(new_bits_wake_also_when_nobody_says_so)
{
	ks->ready[12].waiters = 1;
	sock_ready_publish(&sb, ID, 0, false);
	ck_assert_uint_eq(wakes(), 0);
	sock_ready_publish(&sb, ID, POLLOUT, false);
	ck_assert_uint_eq(wakes(), 1);
	ks->ready[12].waiters = 1;
	sock_ready_publish(&sb, ID, 0, false); /* bits that go away do not */
	ck_assert_uint_eq(wakes(), 1);
}
END_TEST

START_TEST(a_full_wake_ring_says_so)
{
	for (uint32_t i = 0; i < SEG_WAKE_ENTRIES; i++)
		wake_push(&sb, i + 1);
	ck_assert_uint_eq(ks->wake_overflow, 0);
	wake_push(&sb, 1);
	ck_assert_uint_eq(ks->wake_overflow, 1);
	ck_assert_uint_eq(wakes(), SEG_WAKE_ENTRIES);
	ks->wake_tail++;
	wake_push(&sb, 4711);
	ck_assert_uint_eq(ks->wake[0], 4711);
}
END_TEST

/* ---- clock --------------------------------------------------------------------------------- */

START_TEST(the_clock_counts_ticks)
{
	struct seg_clock c = {.tsc_base = __builtin_ia32_rdtsc(), .ns_base = 5, .mult = 1};
	uint64_t a = clock_read(&c), b = clock_read(&c);

	ck_assert_uint_ge(a, 5);
	ck_assert_uint_ge(b, a);
	c.tsc_base += 1ull << 40; /* taken on a CPU that is ahead */
	ck_assert_uint_eq(clock_read(&c), 5);
	/* Half a century at 4 GHz, as if booted then: no overflow. */
	c = (struct seg_clock){.tsc_base = __builtin_ia32_rdtsc() - (4000000000ull * 1577880000ull),
			       .mult = 1u << 22,
			       .shift = 24};
	ck_assert_uint_ge(clock_read(&c), 1000000000ull * 1577880000ull);
}
END_TEST

START_TEST(a_new_calibration_does_not_turn_time_back)
{
	turn_begin(&sb, &app);
	hdr.clock.ns_base = 900;
	ck_assert_uint_eq(turn_clock(&sb), 1000);
	hdr.clock.ns_base = 1100;
	ck_assert_uint_eq(turn_clock(&sb), 1100);
	turn_end(&sb, &app);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("turn");
	TCase *c = tcase_create("turn");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_turn_does_things_in_order_under_the_lock);
	tcase_add_test(c, closed_sockets_are_closed_before_anything_else_happens);
	tcase_add_test(c, the_closed_ring_wraps);
	tcase_add_test(c, a_timer_due_before_the_daemon_wakes_kicks_it_once);
	tcase_add_test(c, the_daemon_does_not_kick_itself);
	tcase_add_test(c, timers_left_over_and_a_sleeping_pump_kick_the_daemon);
	tcase_add_test(c, a_due_timer_is_something_to_do);
	tcase_add_test(c, an_interrupt_takes_what_came_and_is_armed_after_what_was_sent);
	tcase_add_test(c, an_interrupt_misses_nothing_that_came_before_it_was_armed);
	tcase_add_test(c, an_interrupt_stops_at_its_frames_and_leaves_the_rest_unarmed);
	tcase_add_test(c, an_interrupt_stops_when_its_time_is_up);
	tcase_add_test(c, an_interrupt_waits_for_the_lock_but_not_longer_than_it_may);
	tcase_add_test(c, an_interrupt_of_a_port_that_is_gone_is_done);
	tcase_add_test(c, nobody_is_woken_who_does_not_sleep);
	tcase_add_test(c, a_sleeper_is_woken_once_for_a_sleep);
	tcase_add_test(c, new_bits_wake_also_when_nobody_says_so);
	tcase_add_test(c, a_full_wake_ring_says_so);
	tcase_add_test(c, the_clock_counts_ticks);
	tcase_add_test(c, a_new_calibration_does_not_turn_time_back);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
