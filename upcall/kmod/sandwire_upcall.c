// SPDX-License-Identifier: GPL-2.0-only
/*
 * The upcall: how a thread enters the sandbox, what happens to it meanwhile (page faults, signals,
 * death: the kernel calls probes at tracepoints), and every way in which it can leave.
 *
 *   in   SW_SEEK_ENTER -> sw_enter -> crossing_begin
 *        SW_IOC_NET_ADOPT -> sw_adopt -> (task work) crossing_begin with an orphan's registers
 *        an interrupt -> sw_interrupt -> (task work) crossing_begin, in whoever was interrupted
 *   out  SW_SEEK_EXIT, or a write to the exit page -> crossing_exit
 *        killed -> abandon: the upcall goes on as an orphan
 *        stopped, traced or frozen -> surrender, in sched_out: an orphan too; the thread finds its
 *        own registers and -EINTR when it runs again
 *        off the CPU while others wait for its lock -> steal: likewise, seen in sched_in
 *        image bug -> (task work) the net fails, -ENETDOWN
 *
 * What the kernel would do in the thread's name meanwhile, with the sandbox open, is turned off:
 * signals are blocked (except those the CPU raises, and SIGKILL), restartable sequences, the
 * robust list and clear_child_tid are put aside, and threads with io_uring or a tracer are refused.
 */
#define pr_fmt(fmt) "sandwire: " fmt

#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/nospec.h>
#include <linux/sched/task_stack.h>
#include <linux/task_work.h>
#include <linux/tracepoint.h>
#include <asm/special_insns.h>
#include "sandwire.h"

enum act {
	ACT_QUEUED,	 /* the task work is on its way */
	ACT_EXIT,	 /* the exit page was written */
	ACT_FAULT,	 /* the CPU raised a signal */
	ACT_SURRENDERED, /* no longer in the upcall: unhook and go on */
	ACT_ADOPT,	 /* begin */
	ACT_INTERRUPT,	 /* likewise, unless the daemon was told to see to it */
};

/* Of the thread: whose the upcall is while it is off the CPU. */
enum place {
	KEPT,	/* the thread's: it runs, or sleeps where nobody can go on for it */
	OFF,	/* the thread's, and `regs` is where it is */
	STOLEN, /* an orphan, or finished */
};

#define STEAL_AFTER NSEC_PER_MSEC /* more than a lock is held for, less than a time slice */

struct sw_crossing {
	refcount_t ref; /* the upcall (running or orphan), its queued task work, a thief */
	unsigned long acts;
	bool in, adopting, moved; /* moved: was off the CPU since it began */
	bool told, again;	  /* of an interrupt: the daemon heard of it; it came once more */
	bool healed; /* the fault being handled came with the official root: try again */

	/* the upcall; moves to whoever adopts it */
	struct sw_net *net;
	u32 ctx; /* net->running[ctx] is this, from ENTER to EXIT or to the adoption */
	struct sw_client *client;
	struct pt_regs regs; /* where it begins; where an orphan goes on; at OFF already */
	struct llist_node orphan;
	atomic_t place; /* enum place: sched_out and sched_in against steal */
	u64 off_since;	/* when it first was, since it began or last waited for a lock; 0: never */
	const struct sw_net_irq *irq; /* whose upcall it is; the thread sees nothing of it */
	u64 until;		      /* no more of that after this time */
	unsigned long fault_ip;	      /* of the last page fault: may be in the kernel for it */

	/* the thread that runs it */
	struct sw_view *view;
	struct mm_struct *mm;
	struct file *file; /* keeps the module */
	sigset_t oldmask, raised;
	bool ignored[2]; /* SIGSEGV, SIGBUS: what raising them would undo */
	struct preempt_notifier pn;
	struct callback_head work;
	int __user *clear_child_tid;
	struct robust_list_head __user *robust_list;
	u32 pkru;
	struct pt_regs saved; /* from here on written before it is read: not cleared */
	sw_rseq rseq;
};

/* The crossing of the thread that runs on this CPU, NULL where that is not in an upcall. */
static DEFINE_PER_CPU(struct sw_crossing *, sw_cur);
static DEFINE_PER_CPU(struct sw_crossing *, sw_spare); /* the next one, without the allocator */
static struct kmem_cache *crossings;
static sigset_t upcall_mask; /* all but what the CPU raises, and SIGKILL */
static struct preempt_ops sched_ops;
static const int ignorable[] = {SIGSEGV, SIGBUS};

static void crossing_work(struct callback_head *head);

sw_hot bool sw_in_upcall(void)
{
	return this_cpu_read(sw_cur);
}

static sw_hot void crossing_put(struct sw_crossing *t)
{
	if (refcount_dec_and_test(&t->ref) && this_cpu_cmpxchg(sw_spare, NULL, t))
		kmem_cache_free(crossings, t);
}

static sw_hot void ctx_free(struct sw_net *net, struct sw_client *client, u32 ctx)
{
	smp_store_release(&net->running[ctx], NULL);
	atomic_dec(&net->share[client->share]);
}

/* What a crossing keeps of its client; the net's memory may go with it. */
static sw_hot void crossing_leave(struct sw_crossing *t)
{
	ctx_free(t->net, t->client, t->ctx);
	sw_net_leave(t->net);
	sw_client_unuse(t->client);
	crossing_put(t);
}

/* Has crossing_work run before the thread sees user mode or a signal again; from anywhere. */
static void request(struct sw_crossing *t, enum act act)
{
	set_bit(act, &t->acts);
	if (test_and_set_bit(ACT_QUEUED, &t->acts))
		return;
	refcount_inc(&t->ref);
	init_task_work(&t->work, crossing_work);
	if (task_work_add(current, &t->work, TWA_RESUME))
		refcount_dec(&t->ref); /* exiting: on_exit takes over */
}

/*
 * One user's threads may all stand still, waiting for pages of their own: they leave half. Each CPU
 * has a part of its own, where it takes the first: that stack is in its cache.
 */
static sw_hot int ctx_alloc(struct sw_net *net, struct sw_client *client, struct sw_crossing *t)
{
	u32 n = net->cfg.ctx_count, i = raw_smp_processor_id() * n / nr_cpu_ids, tries = 0;
	/* Inside are the net's file and this crossing, too. */
	int free = (int)n + 2 - atomic_read(&net->inside);

	if (atomic_inc_return(&net->share[client->share]) > max(free, 1))
		tries = n;
	for (; tries < n; tries++, i = i + 1 < n ? i + 1 : 0)
		if (!READ_ONCE(net->running[i]) && !cmpxchg(&net->running[i], NULL, t))
			return i;
	atomic_dec(&net->share[client->share]);
	return -EAGAIN;
}

/* ---- in and out ---------------------------------------------------------------------------- */

/* A thread's own does not go while it runs. */
static struct sighand_struct *own_sighand(void)
{
	return rcu_dereference_raw(current->sighand);
}

/* sigprocmask without its calls, where no signal is pending. */
static sw_hot void set_blocked(const sigset_t *set, sigset_t *old)
{
	bool pending;

	spin_lock_irq(&own_sighand()->siglock);
	pending = !sigisemptyset(&current->pending.signal) ||
		  !sigisemptyset(&current->signal->shared_pending.signal);
	if (!pending) {
		*old = current->blocked;
		current->blocked = *set;
	}
	spin_unlock_irq(&own_sighand()->siglock);
	if (pending)
		sigprocmask(SIG_SETMASK, (sigset_t *)set, old);
}

static sw_hot void load(const struct pt_regs *go)
{
	struct pt_regs *regs = task_pt_regs(current);

	*regs = *go;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	regs->flags = X86_EFLAGS_IF | X86_EFLAGS_FIXED |
		      (go->flags & (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |
				    X86_EFLAGS_SF | X86_EFLAGS_OF | X86_EFLAGS_DF));
}

/* Starts or resumes an upcall in the current thread, whose user registers become t->regs. */
static sw_hot void crossing_begin(struct sw_crossing *t)
{
	for (int i = 0; i < ARRAY_SIZE(ignorable); i++)
		t->ignored[i] = own_sighand()->action[ignorable[i] - 1].sa.sa_handler == SIG_IGN;
	set_blocked(&upcall_mask, &t->oldmask);
	t->saved = *task_pt_regs(current);
	load(&t->regs);
	/* The kernel would go on at an abort address of the app's choosing, in the sandbox. */
	sw_rseq_hide(&t->rseq);
	t->clear_child_tid = current->clear_child_tid;
	current->clear_child_tid = NULL;
	t->robust_list = current->sw_robust_list;
	current->sw_robust_list = NULL;

	preempt_disable();
	local_irq_disable(); /* sw_interrupt registers as well */
	if (!t->irq) {
		preempt_notifier_init(&t->pn, &sched_ops);
		preempt_notifier_register(&t->pn);
	}
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
 * The thread has its own registers, root and books again, and rc in rax. Takes no lock;
 * interrupts may be off and the run queue locked.
 */
static sw_hot void unhook(struct sw_crossing *t, long rc)
{
	struct pt_regs *regs = task_pt_regs(current);
	unsigned long flags;

	local_irq_save(flags);
	if (this_cpu_read(sw_cur) == t) /* else it was stolen, and its view may be gone */
		sw_view_close(t->view, t->mm);
	this_cpu_write(sw_cur, NULL);
	t->in = false;
	if (cpu_feature_enabled(X86_FEATURE_OSPKE) && t->pkru & 3)
		wrpkru(t->pkru);
	local_irq_restore(flags);
	/* Nobody came into a sequence under way, but it is simplest to say that one did. */
	sw_rseq_show(&t->rseq, t->moved || t->irq);
	current->clear_child_tid = t->clear_child_tid;
	current->sw_robust_list = t->robust_list;
	*regs = t->saved;
	if (t->irq)
		return;
	regs->ax = rc;
	regs->orig_ax = -1; /* no restart */
}

static sw_hot void notifier_remove(struct sw_crossing *t)
{
	preempt_disable();
	preempt_notifier_unregister(&t->pn);
	preempt_enable();
}

/* The interrupt is the daemon's, or its too. No locks, no waking: see unhook. */
static void tell_daemon(struct sw_crossing *t)
{
	if (t->told)
		return;
	t->told = true;
	set_bit(SW_EVENT_IRQ, &t->net->events);
	irq_work_queue(&t->net->kick);
}

/* The upcall is over: in the thread's own context, outside locks. */
static sw_hot void crossing_end(struct sw_crossing *t, long rc, u64 result)
{
	sigset_t unused;

	unhook(t, rc);
	notifier_remove(t);
	if (t->again)
		tell_daemon(t);
	if (!t->adopting && !t->irq)
		task_pt_regs(current)->dx = result;
	set_blocked(&t->oldmask, &unused);
	fput(t->file);
	crossing_leave(t);
}

/* The upcall gets a context, and with it a stack. */
static sw_hot void settle(struct sw_crossing *t, u32 ctx)
{
	const struct sw_net_create *cfg = &t->net->cfg;

	t->ctx = ctx;
	t->regs.ip = cfg->entry;
	t->regs.sp = cfg->stack_addr + (ctx + 1) * cfg->stack_stride - 8;
	t->regs.di = cfg->ctx_addr + ctx * cfg->ctx_stride;
	t->regs.si = t->client->id;
}

/* Another interrupt came before the upcall was over: in the same go, if there is time. */
static bool once_more(struct sw_crossing *t, struct pt_regs *regs)
{
	if (!t->again || t->told || regs->r9 || ktime_get_mono_fast_ns() > t->until)
		return false;
	t->again = false;
	load(&t->regs);
	return true;
}

/* The ordinary way out; result, socket id and flags are in the registers. */
static sw_hot loff_t crossing_exit(struct sw_crossing *t)
{
	struct pt_regs *regs = task_pt_regs(current);
	struct sw_net *net = t->client->net;
	u32 sock = regs->r10, flags = regs->r8;
	bool adopting = t->adopting;
	long rc = adopting ? 0 : SW_CROSSED;

	if (t->irq && once_more(t, regs))
		return 0;
	if (t->irq && regs->r9)
		tell_daemon(t);
	atomic_inc(&net->inside);
	crossing_end(t, rc, regs->r9);
	this_cpu_inc(sw_stats.exits);
	sw_wake_drain(net);
	if (sock && adopting)
		sw_closed_push(net, sock); /* its process is dead */
	else if (sock)
		regs->dx = sw_sock_fd(net, sock, flags);
	sw_net_leave(net);
	return rc;
}

static bool in_copy(const struct sw_crossing *t, unsigned long ip)
{
	return ip >= t->net->cfg.copy_start && ip < t->net->cfg.copy_end;
}

/* The code that may touch app memory fails with -EFAULT where its caller cannot wait for it. */
static bool copy_failed(struct sw_crossing *t, struct pt_regs *regs)
{
	if (!in_copy(t, regs->ip) || !t->net->cfg.fault_fixup)
		return false;
	regs->ip = t->net->cfg.fault_fixup;
	return true;
}

static void orphan_push(struct sw_crossing *t)
{
	struct sw_net *net = t->client->net;

	this_cpu_inc(sw_stats.orphans);
	llist_add(&t->orphan, &net->orphans);
	irq_work_queue(&net->kick);
}

/*
 * What is left of the upcall becomes an orphan, resumable at the thread's present registers. A
 * system call that was not made yet is made again; a copy from or to app memory fails instead.
 * No locks, no waking: see unhook.
 */
static void orphan_make(struct sw_crossing *t)
{
	t->regs = *task_pt_regs(current);
	if ((long)t->regs.orig_ax >= 0 && (long)t->regs.ax == -ENOSYS) {
		t->regs.ip -= 2;
		t->regs.ax = t->regs.orig_ax;
	}
	t->regs.orig_ax = -1;
	copy_failed(t, &t->regs);
	if (t->irq)
		tell_daemon(t);
	unhook(t, -EINTR);
}

/* The thread dies; its upcall goes on without it. */
static void abandon(struct sw_crossing *t)
{
	struct file *file = t->file;

	orphan_make(t);
	notifier_remove(t);
	orphan_push(t); /* t may be gone from here on */
	fput(file);
}

static void crossing_sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);
	struct pt_regs *regs = task_pt_regs(current);

	if (t->irq) /* nobody knows when this thread goes on */
		tell_daemon(t);
	if (!t->in)
		return;
	t->moved = true;
	if (READ_ONCE(current->__state) & (__TASK_STOPPED | __TASK_TRACED) || current->frozen) {
		/* It stops for an unknown time: surrender. The run queue is locked. */
		refcount_inc(&t->ref); /* for crossing_work; the other goes with the orphan */
		orphan_make(t);
		request(t, ACT_SURRENDERED);
		orphan_push(t);
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
	    in_copy(t, regs->ip))
		return;
	t->regs = *regs;
	if (!t->off_since) /* slivers of time between its waiters' looks do not count as running */
		t->off_since = ktime_get_mono_fast_ns();
	atomic_set_release(&t->place, OFF);
}

static void crossing_sched_in(struct preempt_notifier *pn, int cpu)
{
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);
	unsigned long flags;

	if (!t->in)
		return;
	if (atomic_xchg(&t->place, KEPT) == STOLEN) {
		unhook(t, -EINTR);
		request(t, ACT_SURRENDERED);
		return;
	}
	local_irq_save(flags);
	this_cpu_write(sw_cur, t);
	/* An exiting thread may have lost its mm, and with it the root to come back to. */
	if (current->mm == t->mm)
		sw_view_open(t->view);
	local_irq_restore(flags);
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
	if (t->net == net && t->ctx == owner && atomic_read_acquire(&t->place) == OFF &&
	    ktime_get_mono_fast_ns() - t->off_since > STEAL_AFTER &&
	    atomic_cmpxchg(&t->place, OFF, STOLEN) == OFF)
		orphan_push(t);
	else
		crossing_put(t);
}

static struct preempt_ops sched_ops = {
	.sched_in = crossing_sched_in,
	.sched_out = crossing_sched_out,
};

/* ---- the calls ----------------------------------------------------------------------------- */

/*
 * Threads for which the kernel does things in user memory or registers that an upcall must not see:
 * a tracer or watchpoints that one left, io_uring completions, dispatched system calls, no rdtsc or
 * cpuid, a shadow stack.
 */
static sw_hot bool unfit(void)
{
	return current->ptrace || current->thread.ptrace_dr7 || current->io_uring ||
	       test_thread_flag(TIF_NOTSC) || test_thread_flag(TIF_NOCPUID) ||
	       sw_has_shadow_stack() ||
	       current_thread_info()->syscall_work & SYSCALL_WORK_SYSCALL_USER_DISPATCH ||
	       task_pt_regs(current)->cs != __USER_CS;
}

static sw_hot struct sw_crossing *crossing_new(struct file *file, struct sw_net *net,
					       struct sw_view *view, gfp_t gfp)
{
	struct sw_crossing *t = this_cpu_xchg(sw_spare, NULL);

	if (!t)
		t = kmem_cache_alloc(crossings, gfp);
	if (!t)
		return NULL;
	memset(t, 0, offsetof(struct sw_crossing, saved));
	t->net = net;
	t->view = view;
	t->mm = current->mm;
	t->file = get_file(file);
	refcount_set(&t->ref, 1); /* last: a thief with an old pointer may look from here on */
	return t;
}

/* Takes over the caller's use of the client. */
sw_hot long sw_enter(struct file *file, struct sw_client *client, u32 sock_id, u32 slot)
{
	struct sw_net *net = client->net;
	struct sw_crossing *t = NULL;
	struct pt_regs *go;
	int ctx = 0;

	if (!sw_net_enter(net)) {
		sw_client_unuse(client);
		return -ENETDOWN;
	}
	if (unfit())
		ctx = -EPERM;
	else if (READ_ONCE(net->dead))
		ctx = -ENETDOWN;
	else if (!sw_reserved(client))
		ctx = -ENXIO;
	else if (fatal_signal_pending(current))
		ctx = -EINTR;
	else if (!(t = crossing_new(file, net, &client->view, GFP_KERNEL)))
		ctx = -ENOMEM;
	if (!ctx)
		ctx = ctx_alloc(net, client, t);
	if (ctx < 0) {
		if (t) {
			fput(file);
			crossing_put(t);
		}
		sw_net_leave(net);
		sw_client_unuse(client);
		return ctx;
	}
	t->client = client;
	settle(t, ctx);
	/* rcx and r11 as SYSRET leaves them: else the kernel would take the slower IRET. */
	go = &t->regs;
	go->cx = net->cfg.entry;
	go->r11 = X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	go->orig_ax = __NR_lseek;
	go->dx = sock_id;
	go->r8 = (u32)task_pt_regs(current)->di;
	go->r9 = slot | (sock_id && file->f_flags & O_NONBLOCK ? SW_ENTER_NONBLOCK : 0);
	this_cpu_inc(sw_stats.enters);
	crossing_begin(t);
	return 0;
}

/*
 * From a hard interrupt, in a thread that has preempt notifiers: is an upcall for such an interrupt
 * under way or on its way, which does this one's work too? What is set here is seen by once_more
 * or, if that is over, where the notifier is gone.
 */
bool sw_interrupted_upcall(const struct sw_net_irq *irq)
{
	struct preempt_notifier *pn =
		hlist_entry(current->preempt_notifiers.first, struct preempt_notifier, link);
	struct sw_crossing *t = container_of(pn, struct sw_crossing, pn);

	if (pn->ops != &sched_ops || t->irq != irq || t->told)
		return false;
	t->again = true;
	return true;
}

/*
 * From a hard interrupt in a thread of that client's (kept by RCU), which is in no system call: on
 * its way back to user mode it makes an upcall first. False: it cannot. Nothing is taken that
 * could be the last of its kind when it is given back here.
 */
bool sw_interrupt(struct sw_client *client, struct file *file, const struct sw_net_irq *irq)
{
	struct sw_net *net = client->net;
	struct sw_crossing *t;
	int ctx;

	if (unfit())
		return false;
	t = crossing_new(file, net, &client->view, GFP_NOWAIT | __GFP_NOWARN);
	if (!t)
		return false;
	ctx = ctx_alloc(net, client, t);
	if (ctx >= 0 && sw_net_enter(net)) {
		if (atomic_inc_not_zero(&client->use)) {
			t->client = client;
			t->irq = irq;
			t->until = ktime_get_mono_fast_ns() + irq->time_us * 1000ull;
			settle(t, ctx);
			t->regs.orig_ax = -1;
			t->regs.dx = irq->frames | (u64)irq->time_us << 32;
			t->regs.r8 = U32_MAX;
			t->regs.r9 = irq->cookie | SW_ENTER_INTERRUPT;
			preempt_notifier_init(&t->pn, &sched_ops);
			preempt_notifier_register(&t->pn);
			request(t, ACT_INTERRUPT);
			return true;
		}
		sw_net_leave(net);
	}
	if (ctx >= 0)
		ctx_free(net, client, ctx);
	fput(file);
	crossing_put(t);
	return false;
}

sw_hot loff_t sw_exit(void)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (t && t->adopting && (u32)task_pt_regs(current)->r10)
		return -ECANCELED; /* whom the socket is for has no descriptors here */
	return t ? crossing_exit(t) : -EPERM;
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
	unhook(t, -EAGAIN);
	notifier_remove(t);
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
	if (unfit())
		return -EPERM;
	t = crossing_new(file, net, &net->bare, GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	steal(net, owner);
	orphan = orphan_take(net);
	if (!orphan) {
		fput(file);
		crossing_put(t);
		return -ENOENT;
	}
	t->adopting = true;
	t->client = orphan->client;
	t->ctx = orphan->ctx;
	t->regs = orphan->regs;
	smp_store_release(&net->running[t->ctx], t);
	crossing_put(orphan);
	request(t, ACT_ADOPT);
	return 0;
}

/* No daemon is left to adopt them; contexts stay taken, the net is dead. */
void sw_orphans_drop(struct sw_net *net)
{
	struct sw_crossing *t;

	while ((t = orphan_take(net)))
		crossing_leave(t);
}

/* ---- task work ----------------------------------------------------------------------------- */

/* The signals that the CPU raised are ours, whatever the process would do about them. */
static void take_raised(struct sw_crossing *t)
{
	struct sighand_struct *sighand = own_sighand();
	struct k_sigaction *action;
	kernel_siginfo_t info;
	enum pid_type type;
	sigset_t others;
	int i;

	if (sigisemptyset(&t->raised))
		return;
	spin_lock_irq(&sighand->siglock);
	sigfillset(&others);
	sigandnsets(&others, &others, &t->raised);
	while (sw_dequeue_signal(&others, &info, &type))
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
	bool healed = t->healed;

	t->healed = false;
	if (healed || copy_failed(t, regs))
		return;
	if (!READ_ONCE(net->dead))
		pr_err("%s: image fault at %lx, sp %lx, context %u, client %u: net failed\n",
		       net->cfg.name, regs->ip, regs->sp, t->ctx, t->client->id);
	sw_net_fail(net, t->client->id);
	crossing_end(t, -ENETDOWN, 0);
}

/* The interrupted thread is about to return to user mode, where it has no business but its own. */
static void interrupt_begin(struct sw_crossing *t)
{
	if (current->flags & PF_EXITING || signal_pending(current) || READ_ONCE(t->net->dead))
		tell_daemon(t);
	if (!t->told) {
		t->again = false;
		this_cpu_inc(sw_stats.enters);
		crossing_begin(t);
		return;
	}
	notifier_remove(t);
	fput(t->file);
	crossing_leave(t);
}

static void crossing_work(struct callback_head *head)
{
	struct sw_crossing *t = container_of(head, struct sw_crossing, work);
	unsigned long acts = xchg(&t->acts, 0);
	struct file *file = t->file;

	if (acts & BIT(ACT_SURRENDERED)) {
		notifier_remove(t);
		sigprocmask(SIG_SETMASK, &t->oldmask, NULL);
		fput(file);
		crossing_put(t);
	} else if (acts & BIT(ACT_INTERRUPT)) {
		interrupt_begin(t);
	} else if (acts & BIT(ACT_ADOPT) && current->flags & PF_EXITING) {
		orphan_push(t);
		fput(file);
	} else if (acts & BIT(ACT_ADOPT)) {
		this_cpu_inc(sw_stats.adopted);
		crossing_begin(t);
	} else if (this_cpu_read(sw_cur) == t) {
		take_raised(t);
		if (acts & BIT(ACT_EXIT))
			crossing_exit(t);
		else
			fault_in_upcall(t);
	}
	crossing_put(t);
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
		request(t, ACT_FAULT);
	else if ((off & PAGE_MASK) == SW_EXIT_OFF && user_mode(regs))
		request(t, ACT_EXIT);
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
	request(t, ACT_FAULT);
}

/* The thread is about to act on a signal: it dies, or runs a handler. siglock held. */
static void on_deliver(void *data, int sig, struct kernel_siginfo *info, struct k_sigaction *ka)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (likely(!t))
		return;
	current->blocked = t->oldmask;
	recalc_sigpending();
	abandon(t);
}

/* For deaths without a signal: seccomp, a kernel oops. */
static void on_exit(SW_EXIT_PROBE_ARGS)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (unlikely(t) && task == current)
		abandon(t);
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
			kmem_cache_free(crossings, per_cpu(sw_spare, cpu));
	kmem_cache_destroy(crossings);
}

int sw_upcall_init(void)
{
	int i, rc;

	siginitsetinv(&upcall_mask, sigmask(SIGKILL) | sigmask(SIGSEGV) | sigmask(SIGBUS) |
					    sigmask(SIGILL) | sigmask(SIGFPE) | sigmask(SIGTRAP) |
					    sigmask(SIGSYS));
	crossings = KMEM_CACHE(sw_crossing, SLAB_TYPESAFE_BY_RCU);
	if (!crossings)
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
