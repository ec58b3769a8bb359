// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a thread while it is in an upcall: page faults, signals, death. The kernel calls
 * the probes, at tracepoints; what they cannot do where they are is left to task work, which runs
 * in the thread before it sees user mode or a signal again.
 */
#define pr_fmt(fmt) "sandwire: " fmt

#include <linux/tracepoint.h>
#include "sandwire_crossing.h"

static const int ignorable[] = SW_IGNORABLE;

static void crossing_work(struct callback_head *head);

/* Has crossing_work run before the thread sees user mode or a signal again; from anywhere. */
void sw_request(struct sw_crossing *t, enum sw_act act)
{
	set_bit(act, &t->acts);
	if (test_and_set_bit(ACT_QUEUED, &t->acts))
		return;
	refcount_inc(&t->ref);
	init_task_work(&t->work, crossing_work);
	if (task_work_add(current, &t->work, TWA_RESUME))
		refcount_dec(&t->ref); /* exiting: on_exit takes over */
}

/* ---- task work ----------------------------------------------------------------------------- */

/* The signals that the CPU raised are ours, whatever the process would do about them. */
static void take_raised(struct sw_crossing *t)
{
	struct k_sigaction *action;
	int i;
	struct sighand_struct *sighand = rcu_dereference_protected(current->sighand, 1);
	sigset_t others;

	if (sigisemptyset(&t->raised))
		return;
	spin_lock_irq(&sighand->siglock);
	sigfillset(&others);
	sigandnsets(&others, &others, &t->raised);
	while (sw_dequeue_signal(&others))
		;
	for (i = 0; i < ARRAY_SIZE(ignorable); i++) {
		action = &sighand->action[ignorable[i] - 1];
		if (t->ignored[i] && action->sa.sa_handler == SIG_DFL)
			action->sa.sa_handler = SIG_IGN;
	}
	recalc_sigpending();
	spin_unlock_irq(&sighand->siglock);
	sigemptyset(&t->raised);
}

static void fault_in_upcall(struct sw_crossing *t)
{
	struct pt_regs *regs = task_pt_regs(current);
	struct sw_net *net = t->client->net;
	const struct sw_net_create *cfg = &net->cfg;

	if (t->healed) {
		t->healed = false;
	} else if (regs->ip >= cfg->copy_start && regs->ip < cfg->copy_end && cfg->fault_fixup) {
		regs->ip = cfg->fault_fixup;
	} else {
		if (!READ_ONCE(net->dead))
			pr_err("%s: image fault at %lx, sp %lx, context %u, client %u: net failed\n",
			       cfg->name, regs->ip, regs->sp, t->ctx, t->client->id);
		sw_net_fail(net, t->client->id);
		sw_crossing_end(t, -ENETDOWN, 0);
	}
}

static void crossing_work(struct callback_head *head)
{
	struct sw_crossing *t = container_of(head, struct sw_crossing, work);
	unsigned long acts = xchg(&t->acts, 0);

	if (acts & BIT(ACT_SURRENDERED)) {
		sw_notifier_remove(t);
		sigprocmask(SIG_SETMASK, &t->oldmask, NULL);
		fput(t->file);
		sw_crossing_put(t);
	} else if (acts & BIT(ACT_ADOPT) && current->flags & PF_EXITING) {
		struct file *file = t->file;

		sw_orphan_push(t);
		fput(file);
	} else if (acts & BIT(ACT_ADOPT)) {
		this_cpu_inc(sw_stats.adopted);
		sw_crossing_begin(t, &t->regs);
	} else if (this_cpu_read(sw_cur) == t) {
		take_raised(t);
		if (acts & BIT(ACT_EXIT))
			sw_crossing_exit(t);
		else
			fault_in_upcall(t);
	}
	sw_crossing_put(t);
}

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
	unsigned long flags, base;

	if (likely(!t) || in_nmi() || addr >= TASK_SIZE_MAX || current->mm != t->mm)
		return;
	local_irq_save(flags);
	/* Text patching in a system call, among others, puts the official root back. */
	t->healed = sw_view_open(t->view);
	if (t->healed)
		this_cpu_inc(sw_stats.heals);
	base = t->client->net->cfg.slot_base;
	if (addr - base < SW_SLOT_SIZE) {
		if (user_mode(regs) && (addr - base) >> PAGE_SHIFT == SW_EXIT_OFF >> PAGE_SHIFT)
			sw_request(t, ACT_EXIT);
	} else if (t->adopting) {
		if (user_mode(regs))
			sw_request(t, ACT_FAULT);
	} else {
		sw_view_sync(t->view, t->mm, addr);
	}
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
	while (n-- > 0)
		tracepoint_probe_unregister(probes[n].tp, probes[n].func, NULL);
	tracepoint_synchronize_unregister();
}

int sw_upcall_init(void)
{
	int i, rc;

	sigfillset(&sw_upcall_mask);
	sigdelsetmask(&sw_upcall_mask, sigmask(SIGKILL) | sigmask(SIGSEGV) | sigmask(SIGBUS) |
					       sigmask(SIGILL) | sigmask(SIGFPE) |
					       sigmask(SIGTRAP) | sigmask(SIGSYS));
	sw_crossings = KMEM_CACHE(sw_crossing, 0);
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
			kmem_cache_destroy(sw_crossings);
			return rc;
		}
	}
	preempt_notifier_inc();
	return 0;
}

void sw_upcall_exit(void)
{
	probes_remove(ARRAY_SIZE(probes));
	preempt_notifier_dec();
	kmem_cache_destroy(sw_crossings);
}
