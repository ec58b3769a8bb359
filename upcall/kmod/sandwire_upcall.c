// SPDX-License-Identifier: GPL-2.0-only
/*
 * The upcall: how a thread enters the sandbox and every way in which it can leave.
 *
 *   in   SW_IOC_ENTER -> sw_enter -> sw_crossing_begin
 *        SW_IOC_NET_ADOPT -> sw_adopt -> (task work) sw_crossing_begin with an orphan's registers
 *   out  SW_IOC_EXIT, or a write to the exit page -> sw_crossing_exit
 *        killed -> sw_abandon: the upcall goes on as an orphan
 *        stopped, traced or frozen -> surrender, in sched_out: an orphan too; the thread finds its
 *        own registers and -EINTR when it runs again
 *        image bug -> (task work) the net fails, -ENETDOWN
 *
 * What the kernel would do in the thread's name meanwhile, with the sandbox open, is turned off:
 * signals are blocked (except those the CPU raises, and SIGKILL), restartable sequences, the
 * robust list and clear_child_tid are put aside, and threads with io_uring or a tracer are refused.
 */
#include <linux/hrtimer.h>
#include <asm/special_insns.h>
#include "sandwire_crossing.h"

DEFINE_PER_CPU(struct sw_crossing *, sw_cur);
struct kmem_cache *sw_crossings;
sigset_t sw_upcall_mask; /* all but what the CPU raises, and SIGKILL */
static struct preempt_ops sched_ops;
static const int ignorable[] = SW_IGNORABLE;

bool sw_in_upcall(void)
{
	return this_cpu_read(sw_cur);
}

void sw_crossing_put(struct sw_crossing *t)
{
	if (refcount_dec_and_test(&t->ref))
		kmem_cache_free(sw_crossings, t);
}

/* ---- contexts ------------------------------------------------------------------------------ */

/* The one this CPU used last, if it is free: its stack is in the cache. */
static int ctx_alloc(struct sw_net *net)
{
	u32 *hint = raw_cpu_ptr(net->ctx_hint), n = net->cfg.ctx_count, i = READ_ONCE(*hint), tries;

	for (tries = 0; tries < 2 * n; tries++) {
		if (i < n && !test_and_set_bit_lock(i, net->ctx_map)) {
			WRITE_ONCE(*hint, i);
			return i;
		}
		i = find_next_zero_bit(net->ctx_map, n, i + 1);
		if (i >= n)
			i = find_first_zero_bit(net->ctx_map, n);
		if (i >= n)
			break;
	}
	return -EAGAIN;
}

static void ctx_free(struct sw_net *net, u32 ctx)
{
	clear_bit_unlock(ctx, net->ctx_map);
}

/* ---- in and out ---------------------------------------------------------------------------- */

/* Starts or resumes an upcall in the current thread, whose user registers become *go. */
void sw_crossing_begin(struct sw_crossing *t, const struct pt_regs *go)
{
	struct pt_regs *regs = task_pt_regs(current);
	struct sighand_struct *sighand = rcu_dereference_protected(current->sighand, 1);
	int i;

	for (i = 0; i < ARRAY_SIZE(ignorable); i++)
		t->ignored[i] = sighand->action[ignorable[i] - 1].sa.sa_handler == SIG_IGN;
	sigprocmask(SIG_SETMASK, &sw_upcall_mask, &t->oldmask);
	t->saved = *regs;
	*regs = *go;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	regs->flags = X86_EFLAGS_IF | X86_EFLAGS_FIXED |
		      (go->flags & (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |
				    X86_EFLAGS_SF | X86_EFLAGS_OF | X86_EFLAGS_DF));
	regs->orig_ax = -1;
	t->rseq = sw_rseq_off();
	t->clear_child_tid = current->clear_child_tid;
	current->clear_child_tid = NULL;
	t->robust_list = current->robust_list;
	current->robust_list = NULL;

	preempt_disable();
	preempt_notifier_init(&t->pn, &sched_ops);
	preempt_notifier_register(&t->pn);
	local_irq_disable();
	/* The sandbox's pages have protection key 0: an app may have shut that for itself. */
	if (cpu_feature_enabled(X86_FEATURE_OSPKE)) {
		t->pkru = rdpkru();
		if (t->pkru & 3)
			wrpkru(t->pkru & ~3u);
	}
	t->in = true;
	this_cpu_write(sw_cur, t);
	sw_view_open(t->view);
	local_irq_enable();
	preempt_enable();
}

/*
 * The thread has its own registers, root and books again, and -errno or 0 in rax. Takes no lock;
 * interrupts may be off and the run queue locked.
 */
static void unhook(struct sw_crossing *t, long rc)
{
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long flags;

	local_irq_save(flags);
	sw_view_close(t->view, t->mm);
	this_cpu_write(sw_cur, NULL);
	t->in = false;
	if (cpu_feature_enabled(X86_FEATURE_OSPKE) && t->pkru & 3)
		wrpkru(t->pkru);
	local_irq_restore(flags);
	sw_rseq_on(t->rseq, t->moved);
	current->clear_child_tid = t->clear_child_tid;
	current->robust_list = t->robust_list;
	*regs = t->saved;
	regs->ax = rc;
	regs->orig_ax = -1; /* no restart */
}

void sw_notifier_remove(struct sw_crossing *t)
{
	preempt_disable();
	preempt_notifier_unregister(&t->pn);
	preempt_enable();
}

/* What a crossing keeps of its client; the net's memory may go with it. */
static void crossing_leave(struct sw_crossing *t)
{
	sw_net_leave(t->client->net);
	sw_client_unuse(t->client);
}

/* The upcall is over: in the thread's own context, outside locks. */
void sw_crossing_end(struct sw_crossing *t, long rc, u64 result)
{
	unhook(t, rc);
	sw_notifier_remove(t);
	if (!t->adopting)
		task_pt_regs(current)->dx = result;
	sigprocmask(SIG_SETMASK, &t->oldmask, NULL);
	fput(t->file);
	crossing_leave(t);
	sw_crossing_put(t);
}

/* The ordinary way out; result, socket id and flags are in the registers. */
long sw_crossing_exit(struct sw_crossing *t)
{
	struct pt_regs *regs = task_pt_regs(current);
	u64 result = regs->dx;
	u32 sock = regs->r10, flags = regs->r8;
	struct sw_net *net = t->client->net;
	bool adopting = t->adopting;

	atomic_inc(&net->inside);
	ctx_free(net, t->ctx);
	sw_crossing_end(t, 0, result);
	this_cpu_inc(sw_stats.exits);
	sw_wake_drain(net);
	if (sock && adopting)
		sw_closed_push(net, sock); /* its process is dead */
	else if (sock)
		task_pt_regs(current)->dx = sw_sock_fd(net, sock, flags);
	sw_net_leave(net);
	return 0;
}

/*
 * What is left of the upcall becomes an orphan, resumable at the thread's present registers. A
 * system call that was not made yet is made again; a copy from or to app memory fails instead.
 * No locks, no waking: see unhook.
 */
static void orphan_regs(struct sw_crossing *t)
{
	const struct sw_net_create *cfg = &t->client->net->cfg;

	t->regs = *task_pt_regs(current);
	if ((long)t->regs.orig_ax >= 0 && (long)t->regs.ax == -ENOSYS) {
		t->regs.ip -= 2;
		t->regs.ax = t->regs.orig_ax;
	}
	if (t->regs.ip >= cfg->copy_start && t->regs.ip < cfg->copy_end && cfg->fault_fixup)
		t->regs.ip = cfg->fault_fixup;
}

void sw_orphan_push(struct sw_crossing *t)
{
	struct sw_net *net = t->client->net;

	this_cpu_inc(sw_stats.orphans);
	llist_add(&t->orphan, &net->orphans);
	irq_work_queue(&net->kick);
}

/* The thread dies; its upcall goes on without it. */
void sw_abandon(struct sw_crossing *t)
{
	struct file *file = t->file;

	orphan_regs(t);
	unhook(t, -EINTR);
	sw_notifier_remove(t);
	sw_orphan_push(t); /* t may be gone from here on */
	fput(file);
}

/* The thread stops for an unknown time: in sched_out, run queue locked. */
static void surrender(struct sw_crossing *t)
{
	refcount_inc(&t->ref); /* for crossing_work; the other goes with the orphan */
	orphan_regs(t);
	unhook(t, -EINTR);
	sw_request(t, ACT_SURRENDERED);
	sw_orphan_push(t);
}

static void crossing_sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);

	if (!t->in)
		return;
	t->moved = true;
	if (READ_ONCE(current->__state) & (__TASK_STOPPED | __TASK_TRACED) || current->frozen) {
		surrender(t);
		return;
	}
	sw_view_close(t->view, t->mm);
	this_cpu_write(sw_cur, NULL);
}

static void crossing_sched_in(struct preempt_notifier *pn, int cpu)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);
	unsigned long flags;

	if (!t->in)
		return;
	local_irq_save(flags);
	this_cpu_write(sw_cur, t);
	/* An exiting thread may have lost its mm, and with it the root to come back to. */
	if (current->mm == t->mm)
		sw_view_open(t->view);
	local_irq_restore(flags);
}

static struct preempt_ops sched_ops = {
	.sched_in = crossing_sched_in,
	.sched_out = crossing_sched_out,
};

/* ---- the calls ----------------------------------------------------------------------------- */

/*
 * Threads for which the kernel does things in user memory or registers that an upcall must not see:
 * a tracer, io_uring completions, dispatched system calls, no rdtsc or cpuid, a shadow stack.
 */
static bool unfit(const struct pt_regs *regs)
{
	return current->ptrace || current->io_uring || test_thread_flag(TIF_NOTSC) ||
	       test_thread_flag(TIF_NOCPUID) || sw_has_shadow_stack() ||
	       current_thread_info()->syscall_work & SYSCALL_WORK_SYSCALL_USER_DISPATCH ||
	       regs->cs != __USER_CS;
}

static struct sw_crossing *crossing_new(struct file *file, struct sw_view *view)
{
	struct sw_crossing *t = kmem_cache_zalloc(sw_crossings, GFP_KERNEL);

	if (!t)
		return NULL;
	refcount_set(&t->ref, 1);
	t->view = view;
	t->mm = current->mm;
	t->file = get_file(file);
	return t;
}

static bool check_reserved(struct sw_client *client)
{
	if (READ_ONCE(client->reserved))
		return true;
	/* Under mmap_lock, so that a removal either is seen here or finds the client. */
	mmap_read_lock(client->mm);
	if (sw_reserved(client->mm, client->net->cfg.slot_base))
		WRITE_ONCE(client->reserved, true);
	mmap_read_unlock(client->mm);
	return client->reserved;
}

/* Takes over the caller's use of the client. */
long sw_enter(struct file *file, struct sw_client *client, u32 sock_id, u32 slot)
{
	const struct pt_regs *regs = task_pt_regs(current);
	struct sw_net *net = client->net;
	struct pt_regs go = {};
	struct sw_crossing *t;
	int ctx, rc;

	rc = -ENETDOWN;
	if (!sw_net_enter(net))
		goto unuse;
	rc = -EPERM;
	if (unfit(regs))
		goto leave;
	rc = -ENETDOWN;
	if (READ_ONCE(net->dead))
		goto leave;
	rc = -ENXIO;
	if (!check_reserved(client))
		goto leave;
	rc = -EINTR;
	if (fatal_signal_pending(current))
		goto leave;
	rc = ctx = ctx_alloc(net);
	if (ctx < 0)
		goto leave;
	rc = -ENOMEM;
	t = crossing_new(file, &client->view);
	if (!t)
		goto ctx;
	t->client = client;
	t->ctx = ctx;
	go.ip = net->cfg.entry;
	go.sp = net->cfg.stack_addr + (ctx + 1) * net->cfg.stack_stride - 8;
	go.di = net->cfg.ctx_addr + ctx * net->cfg.ctx_stride;
	go.si = client->id;
	go.dx = sock_id;
	go.cx = slot | (sock_id && file->f_flags & O_NONBLOCK ? SW_ENTER_NONBLOCK : 0);
	go.r8 = (u32)regs->di;
	this_cpu_inc(sw_stats.enters);
	sw_crossing_begin(t, &go);
	return 0;
ctx:
	ctx_free(net, ctx);
leave:
	sw_net_leave(net);
unuse:
	sw_client_unuse(client);
	return rc;
}

long sw_exit(void)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	return t ? sw_crossing_exit(t) : -EPERM;
}

/* Long enough for the holder of a lock to be scheduled. Signals do not cut it short. */
long sw_yield(void)
{
	ktime_t t = ns_to_ktime(50 * NSEC_PER_USEC);

	if (!sw_in_upcall())
		return -EPERM;
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_hrtimeout(&t, HRTIMER_MODE_REL);
	return 0;
}

static struct sw_crossing *orphan_take(struct sw_net *net)
{
	struct llist_node *n;

	spin_lock(&net->take_lock);
	n = llist_del_first(&net->orphans);
	spin_unlock(&net->take_lock);
	return n ? llist_entry(n, struct sw_crossing, orphan) : NULL;
}

/*
 * The daemon finishes an orphan on the net's bare view: app addresses mean nothing in its address
 * space, so a touch faults and the copy fails. An ioctl's result would overwrite rax: the registers
 * are put in place by task work.
 */
long sw_adopt(struct file *file, struct sw_net *net)
{
	struct sw_crossing *t, *orphan;

	if (current->mm != net->mm)
		return -ESTALE;
	if (unfit(task_pt_regs(current)))
		return -EPERM;
	t = crossing_new(file, &net->bare);
	if (!t)
		return -ENOMEM;
	orphan = orphan_take(net);
	if (!orphan) {
		fput(t->file);
		sw_crossing_put(t);
		return -ENOENT;
	}
	t->adopting = true;
	t->client = orphan->client;
	t->ctx = orphan->ctx;
	t->regs = orphan->regs;
	sw_crossing_put(orphan);
	sw_request(t, ACT_ADOPT);
	return 0;
}

/* No daemon is left to adopt them; contexts stay taken, the net is dead. */
void sw_orphans_drop(struct sw_net *net)
{
	struct sw_crossing *t;

	while ((t = orphan_take(net))) {
		crossing_leave(t);
		sw_crossing_put(t);
	}
}
