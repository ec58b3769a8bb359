// SPDX-License-Identifier: GPL-2.0-only
/*
 * The upcall: how a thread enters the sandbox, and every way in which it can leave. What the kernel
 * tells of it meanwhile is in sandwire_watch.c, what others do for it in sandwire_orphan.c.
 *
 *   in   SW_SEEK_ENTER -> sw_enter -> crossing_begin
 *        SW_IOC_NET_ADOPT -> sw_adopt -> (task work) crossing_begin with an orphan's registers
 *        an interrupt -> sw_interrupt -> (task work) crossing_begin, in whoever was interrupted
 *   out  SW_SEEK_EXIT, or a write to the exit page -> crossing_exit
 *        killed -> sw_abandon: the upcall goes on as an orphan
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

#include <linux/task_work.h>
#include <asm/special_insns.h>
#include "sandwire.h"

DEFINE_PER_CPU(struct sw_crossing *, sw_cur);
DEFINE_PER_CPU(struct sw_crossing *, sw_spare); /* the next one, without the allocator */
struct kmem_cache *sw_crossings;
/* All but what the CPU raises, and SIGKILL. */
static const sigset_t upcall_mask = {
	{~(sigmask(SIGKILL) | sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGILL) |
	   sigmask(SIGFPE) | sigmask(SIGTRAP) | sigmask(SIGSYS))}};
static const int ignorable[] = {SIGSEGV, SIGBUS};

sw_hot bool sw_in_upcall(void)
{
	return this_cpu_read(sw_cur);
}

sw_hot void sw_crossing_put(struct sw_crossing *t)
{
	if (refcount_dec_and_test(&t->ref) && this_cpu_cmpxchg(sw_spare, NULL, t))
		kmem_cache_free(sw_crossings, t);
}

static sw_hot void ctx_free(struct sw_net *net, struct sw_client *client, u32 ctx)
{
	smp_store_release(&net->running[ctx], NULL);
	atomic_dec(&net->share[client->share]);
}

/* What a crossing keeps of its client; the net's memory may go with it. */
sw_hot void sw_crossing_leave(struct sw_crossing *t)
{
	ctx_free(t->net, t->client, t->ctx);
	sw_net_leave(t->net);
	sw_client_unuse(t->client);
	sw_crossing_put(t);
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
		preempt_notifier_init(&t->pn, &sw_sched_ops);
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
sw_hot void sw_unhook(struct sw_crossing *t, long rc)
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

/* The upcall is over: in the thread's own context, outside locks. */
static sw_hot void crossing_end(struct sw_crossing *t, long rc, u64 result)
{
	sigset_t unused;

	sw_unhook(t, rc);
	sw_notifier_remove(t);
	if (t->again)
		sw_tell_daemon(t);
	if (!t->adopting && !t->irq)
		task_pt_regs(current)->dx = result;
	set_blocked(&t->oldmask, &unused);
	fput(t->file);
	sw_crossing_leave(t);
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
		sw_tell_daemon(t);
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

/* ---- the calls ----------------------------------------------------------------------------- */

/*
 * Threads for which the kernel does things in user memory or registers that an upcall must not see:
 * a tracer or watchpoints that one left, io_uring completions, dispatched system calls, no rdtsc or
 * cpuid, a shadow stack.
 */
sw_hot bool sw_unfit(void)
{
	return current->ptrace || current->thread.ptrace_dr7 || current->io_uring ||
	       test_thread_flag(TIF_NOTSC) || test_thread_flag(TIF_NOCPUID) ||
	       sw_has_shadow_stack() ||
	       current_thread_info()->syscall_work & SYSCALL_WORK_SYSCALL_USER_DISPATCH ||
	       task_pt_regs(current)->cs != __USER_CS;
}

sw_hot struct sw_crossing *sw_crossing_new(struct file *file, struct sw_net *net,
					   struct sw_view *view, gfp_t gfp)
{
	struct sw_crossing *t = this_cpu_xchg(sw_spare, NULL);

	if (!t)
		t = kmem_cache_alloc(sw_crossings, gfp);
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
	if (sw_unfit())
		ctx = -EPERM;
	else if (READ_ONCE(net->dead))
		ctx = -ENETDOWN;
	else if (!sw_reserved(client))
		ctx = -ENXIO;
	else if (fatal_signal_pending(current))
		ctx = -EINTR;
	else if (!(t = sw_crossing_new(file, net, &client->view, GFP_KERNEL)))
		ctx = -ENOMEM;
	if (!ctx)
		ctx = ctx_alloc(net, client, t);
	if (ctx < 0) {
		if (t) {
			fput(file);
			sw_crossing_put(t);
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

	if (pn->ops != &sw_sched_ops || t->irq != irq || t->told)
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

	if (sw_unfit())
		return false;
	t = sw_crossing_new(file, net, &client->view, GFP_NOWAIT | __GFP_NOWARN);
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
			preempt_notifier_init(&t->pn, &sw_sched_ops);
			preempt_notifier_register(&t->pn);
			sw_request(t, ACT_INTERRUPT);
			return true;
		}
		sw_net_leave(net);
	}
	if (ctx >= 0)
		ctx_free(net, client, ctx);
	fput(file);
	sw_crossing_put(t);
	return false;
}

sw_hot loff_t sw_exit(void)
{
	struct sw_crossing *t = this_cpu_read(sw_cur);

	if (t && t->adopting && (u32)task_pt_regs(current)->r10)
		return -ECANCELED; /* whom the socket is for has no descriptors here */
	return t ? crossing_exit(t) : -EPERM;
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
	if (healed || sw_copy_failed(t, regs))
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
		sw_tell_daemon(t);
	if (!t->told) {
		t->again = false;
		this_cpu_inc(sw_stats.enters);
		crossing_begin(t);
		return;
	}
	sw_notifier_remove(t);
	fput(t->file);
	sw_crossing_leave(t);
}

static void crossing_work(struct callback_head *head)
{
	struct sw_crossing *t = container_of(head, struct sw_crossing, work);
	unsigned long acts = xchg(&t->acts, 0);
	struct file *file = t->file;

	if (acts & BIT(ACT_SURRENDERED)) {
		sw_notifier_remove(t);
		sigprocmask(SIG_SETMASK, &t->oldmask, NULL);
		fput(file);
		sw_crossing_put(t);
	} else if (acts & BIT(ACT_INTERRUPT)) {
		interrupt_begin(t);
	} else if (acts & BIT(ACT_ADOPT) && current->flags & PF_EXITING) {
		sw_orphan_push(t);
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
	sw_crossing_put(t);
}

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
