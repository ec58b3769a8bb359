// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread in an upcall, as the kernel tells of it: off the CPU and back (a preempt notifier), page
 * faults, signals, death (probes at tracepoints). Most ask for sandwire_upcall.c's task work.
 */
#define pr_fmt(fmt) "sandwire: " fmt

#include <linux/tracepoint.h>
#include "sandwire.h"

static void crossing_sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);
	struct pt_regs *regs = task_pt_regs(current);

	if (t->irq) /* nobody knows when this thread goes on */
		sw_tell_daemon(t);
	if (!t->in)
		return;
	t->moved = true;
	if (READ_ONCE(current->__state) & (__TASK_STOPPED | __TASK_TRACED) || current->frozen) {
		/* It stops for an unknown time: surrender. The run queue is locked. */
		refcount_inc(&t->ref); /* for crossing_work; the other goes with the orphan */
		sw_orphan_make(t);
		sw_request(t, ACT_SURRENDERED);
		sw_orphan_push(t);
		return;
	}
	sw_view_close(t->view, t->mm);
	this_cpu_write(sw_cur, NULL);
	/*
	 * In a system call (ENTER, YIELD, EXIT) or a copy it holds no lock. In a page fault the
	 * kernel goes on to look at its registers. Else an interrupt came, and all that is left
	 * to do in the kernel is to return.
	 */
	if (t->adopting || t->acts || (long)regs->orig_ax != -1 || regs->ip == t->fault_ip ||
	    sw_in_copy(t, regs->ip))
		return;
	t->regs = *regs;
	if (!t->off_since) /* slivers of time between its waiters' looks do not count as running */
		t->off_since = ktime_get_mono_fast_ns();
	atomic_set_release(&t->place, SW_OFF);
}

static void crossing_sched_in(struct preempt_notifier *pn, int cpu)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);
	unsigned long flags;

	if (!t->in)
		return;
	if (atomic_xchg(&t->place, SW_KEPT) == SW_STOLEN) {
		sw_unhook(t, -EINTR);
		sw_request(t, ACT_SURRENDERED);
		return;
	}
	local_irq_save(flags);
	this_cpu_write(sw_cur, t);
	/* An exiting thread may have lost its mm, and with it the root to come back to. */
	if (current->mm == t->mm)
		sw_view_open(t->view);
	local_irq_restore(flags);
}

struct preempt_ops sw_sched_ops = {
	.sched_in = crossing_sched_in,
	.sched_out = crossing_sched_out,
};

/* ---- probes -------------------------------------------------------------------------------- */

/* The reserved mapping's fault handler asks: is there a reason to go on? */
bool sw_retry_fault(void)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	return t && (t->healed || t->acts);
}

/* Every page fault, before the kernel looks at it; interrupts off. */
static void on_fault(void *data, unsigned long addr, struct pt_regs *regs, unsigned long error)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);
	unsigned long flags, off;

	if (likely(!t) || in_nmi() || addr >= TASK_SIZE_MAX || current->mm != t->mm)
		return;
	local_irq_save(flags);
	/* Text patching in a system call, among others, puts the official root back. */
	t->fault_ip = regs->ip;
	t->healed = sw_view_open(t->view);
	if (t->healed)
		this_cpu_inc(sw_stats.heals);
	off = addr - t->view->slot_base;
	if (off >= SW_SLOT_SIZE && !t->adopting)
		sw_view_sync(t->view, t->mm, addr);
	else if (off >= SW_SLOT_SIZE && user_mode(regs))
		sw_request(t, ACT_FAULT);
	else if ((off & PAGE_MASK) == SW_EXIT_OFF && user_mode(regs))
		sw_request(t, ACT_EXIT);
	local_irq_restore(flags);
}

/*
 * A signal is being made. Those that the CPU raises for what this thread does come in its own
 * context, with a kernel code; nobody else can send such a one from here.
 */
static void on_generate(void *data, int sig, struct kernel_siginfo *info, struct task_struct *task,
			int group, int result)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (likely(!t) || task != current || !in_task() || (unsigned long)info <= 1 ||
	    info->si_code <= 0)
		return;
	if (sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE)
		return;
	sigaddset(&t->raised, sig);
	sw_request(t, ACT_FAULT);
}

/* The thread is about to act on a signal: it dies, or runs a handler. siglock held. */
static void on_deliver(void *data, int sig, struct kernel_siginfo *info, struct k_sigaction *ka)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (likely(!t))
		return;
	current->blocked = t->oldmask;
	recalc_sigpending();
	sw_abandon(t);
}

/* For deaths without a signal: seccomp, a kernel oops. */
static void on_exit(SW_EXIT_PROBE_ARGS)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (unlikely(t) && task == current)
		sw_abandon(t);
}

static struct probe {
	const char *name;
	void *func;
	struct tracepoint *tp;
} probes[] = {
	{"page_fault_user", on_fault},	  {"page_fault_kernel", on_fault},
	{"signal_generate", on_generate}, {"signal_deliver", on_deliver},
	{"sched_process_exit", on_exit},
};

/* Tracepoints are not exported one by one: found by name, as LTTng does. */
static void probe_match(struct tracepoint *tp, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i].name))
			probes[i].tp = tp;
}

static void probes_remove(int n)
{
	int cpu;

	while (n-- > 0)
		tracepoint_probe_unregister(probes[n].tp, probes[n].func, NULL);
	tracepoint_synchronize_unregister();
	for_each_possible_cpu(cpu)
		if (per_cpu(sw_spare, cpu))
			kmem_cache_free(sw_crossings, per_cpu(sw_spare, cpu));
	kmem_cache_destroy(sw_crossings);
}

int sw_upcall_init(void)
{
	int i, rc;

	sw_crossings = KMEM_CACHE(sw_crossing, SLAB_TYPESAFE_BY_RCU);
	if (!sw_crossings)
		return -ENOMEM;
	for_each_kernel_tracepoint(probe_match, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		rc = -EOPNOTSUPP;
		if (probes[i].tp)
			rc = tracepoint_probe_register(probes[i].tp, probes[i].func, NULL);
		if (rc) {
			pr_err("not loaded: this kernel has no tracepoint %s\n", probes[i].name);
			probes_remove(i);
			return rc;
		}
	}
	preempt_notifier_inc();
	return 0;
}

void sw_upcall_exit(void)
{
	preempt_notifier_dec();
	probes_remove(ARRAY_SIZE(probes));
}
