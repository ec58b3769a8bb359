/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One upcall, as sandwire_upcall.c (in and out) and sandwire_probe.c (what happens meanwhile) see
 * it.
 *
 * While a thread is in an upcall its CPU's sw_cur names the crossing; it is NULL whenever another
 * thread runs. That makes the probes cheap, and is all that the rest of the module looks at.
 */
#ifndef SANDWIRE_CROSSING_H
#define SANDWIRE_CROSSING_H

#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <asm/ptrace.h>
#include "sandwire.h"

enum sw_act {
	ACT_QUEUED,	 /* the task work is on its way */
	ACT_EXIT,	 /* the exit page was written */
	ACT_FAULT,	 /* the CPU raised a signal */
	ACT_SURRENDERED, /* no longer in the upcall: unhook and go on */
	ACT_ADOPT,	 /* begin */
};

struct sw_crossing {
	refcount_t ref; /* the upcall (running or orphan), its queued task work */
	unsigned long acts;
	bool in, adopting, moved; /* moved: was off the CPU since it began */
	bool healed; /* the fault being handled came with the official root: try again */
	u32 ctx;

	/* the upcall; moves to whoever adopts it */
	struct sw_client *client;
	struct pt_regs regs; /* where an orphan goes on */
	struct llist_node orphan;

	/* the thread that runs it */
	struct sw_view *view;
	struct mm_struct *mm;
	struct file *file; /* keeps the module */
	struct pt_regs saved;
	sigset_t oldmask, raised;
	bool ignored[2]; /* SIGSEGV, SIGBUS: what raising them would undo */
	struct preempt_notifier pn;
	struct callback_head work;
	void __user *rseq;
	int __user *clear_child_tid;
	struct robust_list_head __user *robust_list;
	u32 pkru;
};

DECLARE_PER_CPU(struct sw_crossing *, sw_cur);
extern struct kmem_cache *sw_crossings;
extern sigset_t sw_upcall_mask;
/* clang-format off */
#define SW_IGNORABLE {SIGSEGV, SIGBUS}
/* clang-format on */

/* sandwire_upcall.c */
void sw_crossing_put(struct sw_crossing *t);
void sw_crossing_begin(struct sw_crossing *t, const struct pt_regs *go);
void sw_crossing_end(struct sw_crossing *t, long rc, u64 result);
long sw_crossing_exit(struct sw_crossing *t);
void sw_notifier_remove(struct sw_crossing *t);
void sw_orphan_push(struct sw_crossing *t);
void sw_abandon(struct sw_crossing *t);

/* sandwire_probe.c */
void sw_request(struct sw_crossing *t, enum sw_act act);

#endif
