// SPDX-License-Identifier: GPL-2.0-only
/*
 * Orphans: what is left of an upcall whose thread died, stopped or got no CPU, and how others go on
 * with it: the daemon (sw_adopt), for those who wait for its locks (sw_yield).
 */
#include <linux/hrtimer.h>
#include <linux/nospec.h>
#include "sandwire.h"

#define STEAL_AFTER NSEC_PER_MSEC /* more than a lock is held for, less than a time slice */

/* The code that may touch app memory fails with -EFAULT where its caller cannot wait for it. */
bool sw_copy_failed(struct sw_crossing *t, struct pt_regs *regs)
{
	if (!sw_in_copy(t, regs->ip) || !t->net->cfg.fault_fixup)
		return false;
	regs->ip = t->net->cfg.fault_fixup;
	return true;
}

void sw_orphan_push(struct sw_crossing *t)
{
	struct sw_net *net = t->client->net;

	this_cpu_inc(sw_stats.orphans);
	llist_add(&t->orphan, &net->orphans);
	irq_work_queue(&net->kick);
}

/*
 * What is left of the upcall becomes an orphan, resumable at the thread's present registers. A
 * system call that was not made yet is made again; a copy from or to app memory fails instead.
 * No locks, no waking: see sw_unhook.
 */
void sw_orphan_make(struct sw_crossing *t)
{
	t->regs = *task_pt_regs(current);
	if ((long)t->regs.orig_ax >= 0 && (long)t->regs.ax == -ENOSYS) {
		t->regs.ip -= 2;
		t->regs.ax = t->regs.orig_ax;
	}
	t->regs.orig_ax = -1;
	sw_copy_failed(t, &t->regs);
	if (t->irq)
		sw_tell_daemon(t);
	sw_unhook(t, -EINTR);
}

/* The thread dies; its upcall goes on without it. */
void sw_abandon(struct sw_crossing *t)
{
	struct file *file = t->file;

	sw_orphan_make(t);
	sw_notifier_remove(t);
	sw_orphan_push(t); /* t may be gone from here on */
	fput(file);
}

/*
 * Somebody waits for a lock of the upcall in context number owner - 1. If its thread was off the
 * CPU for long, it gets no more of it now: the upcall becomes an orphan. The thread learns of it in
 * sched_in; the thief's reference is then its.
 */
static void steal(struct sw_net *net, unsigned long owner)
{
	struct sw_crossing *t;

	if (!owner || owner > net->cfg.ctx_count)
		return;
	owner = array_index_nospec(owner - 1, net->cfg.ctx_count);
	WRITE_ONCE(net->wanted, owner); /* if it is an orphan already, it is the next */
	rcu_read_lock();		/* the memory stays a crossing's */
	t = READ_ONCE(net->running[owner]);
	if (t && !refcount_inc_not_zero(&t->ref))
		t = NULL;
	rcu_read_unlock();
	if (!t)
		return;
	if (t->net == net && t->ctx == owner && atomic_read_acquire(&t->place) == SW_OFF &&
	    ktime_get_mono_fast_ns() - t->off_since > STEAL_AFTER &&
	    atomic_cmpxchg(&t->place, SW_OFF, SW_STOLEN) == SW_OFF)
		sw_orphan_push(t);
	else
		sw_crossing_put(t);
}

/*
 * An adopted upcall waits for a lock, and there are other orphans: one of them may hold it. So this
 * one goes back, behind them, and the adopter's ADOPT ends with -EAGAIN.
 */
static long requeue(struct sw_crossing *t)
{
	struct sw_net *net = t->client->net;
	struct file *file = t->file;

	t->regs = *task_pt_regs(current);
	t->regs.ax = 0; /* of YIELD */
	t->regs.orig_ax = -1;
	this_cpu_dec(sw_stats.adopted); /* it is not finished */
	sw_unhook(t, -EAGAIN);
	sw_notifier_remove(t);
	sigprocmask(SIG_SETMASK, &t->oldmask, NULL);
	sw_put_last(net, &t->orphan, &net->orphans); /* t may be gone from here on */
	irq_work_queue(&net->kick);
	fput(file);
	return -EAGAIN;
}

/* Long enough for the holder of a lock to be scheduled. Signals do not cut it short. */
long sw_yield(unsigned long owner)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);
	ktime_t wait = ns_to_ktime(50 * NSEC_PER_USEC);

	if (!t)
		return -EPERM;
	steal(t->net, owner);
	if (t->adopting && !llist_empty(&t->net->orphans))
		return requeue(t);
	t->off_since = 0; /* it waits: it has no lock yet */
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_hrtimeout(&wait, HRTIMER_MODE_REL);
	return 0;
}

static struct sw_crossing *orphan_take(struct sw_net *net)
{
	struct sw_crossing *best = READ_ONCE(net->running[READ_ONCE(net->wanted)]);
	struct llist_node *n = sw_take(net, &net->orphans, best ? &best->orphan : NULL);

	return n ? llist_entry(n, struct sw_crossing, orphan) : NULL;
}

/*
 * The daemon finishes an orphan on the net's bare view: app addresses mean nothing in its address
 * space, so a touch faults and the copy fails. An ioctl's result would overwrite rax: the registers
 * are put in place by task work.
 */
long sw_adopt(struct file *file, struct sw_net *net, unsigned long owner)
{
	struct sw_crossing *t, *orphan;

	if (current->mm != net->mm)
		return -ESTALE;
	if (sw_unfit())
		return -EPERM;
	t = sw_crossing_new(file, net, &net->bare, GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	steal(net, owner);
	orphan = orphan_take(net);
	if (!orphan) {
		fput(file);
		sw_crossing_put(t);
		return -ENOENT;
	}
	t->adopting = true;
	t->client = orphan->client;
	t->ctx = orphan->ctx;
	t->regs = orphan->regs;
	smp_store_release(&net->running[t->ctx], t);
	sw_crossing_put(orphan);
	sw_request(t, ACT_ADOPT);
	return 0;
}

/* No daemon is left to adopt them; contexts stay taken, the net is dead. */
void sw_orphans_drop(struct sw_net *net)
{
	struct sw_crossing *t;

	while ((t = orphan_take(net)))
		sw_crossing_leave(t);
}
