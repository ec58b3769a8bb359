/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of sandwire.ko share.
 *
 * Who keeps whom: a file keeps its net or client; a client keeps its net and its mm_struct; a
 * crossing keeps its client and the file it came by, and that file keeps the module. Orphans and
 * gone clients wait on lists of their net; the net file's release empties them. Being inside a net
 * keeps its memory: when the daemon is gone and nobody is inside, only the struct stays.
 *
 * Locks, outermost first: sw_net.map_lock, mmap_lock, then the spinlocks, none of which is held
 * while another is taken, except that waking is done under sw_net.wake_lock. Whatever the scheduler
 * or the signal code may call (sched_out, signal_deliver) takes no lock.
 */
#ifndef SANDWIRE_H
#define SANDWIRE_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "compat.h"
#include "sandwire_uapi.h"

#define SW_SLOT_SIZE (1ul << 39) /* one top-level entry; with LA57 one of the level below */
#define SW_STALE_MAX 32

/* Run in every crossing: kept together, as each switch of roots has the CPU look up pages anew. */
#define sw_hot __section(".text.hot")

/* A second page-table root. `mid` is the private P4D page with five-level paging, else NULL. */
struct sw_view {
	unsigned long *top, *mid, slot_base;
	raw_spinlock_t lock; /* entries of the user half, stale[] */
	unsigned int stale_count;
	struct page *stale[SW_STALE_MAX]; /* replaced tables that a CPU may still have cached */
	struct work_struct flush;
};

struct sw_net {
	refcount_t ref;	 /* of the struct; `inside` is one */
	atomic_t inside; /* users of tables and kshared: the net file, crossings, orphans, calls */
	struct sw_net_create cfg;
	struct mm_struct *mm; /* the daemon's, NULL when its file is closed */
	bool dead;	      /* the daemon is gone, or the image failed */
	struct work_struct free_work, strip_work, reap_work;
	struct sw_crossing **running; /* by context; NULL: free */
	struct sw_view bare;	      /* no app memory at all: for adopted upcalls */
	atomic_t share[SW_SHARES];    /* crossings, by share of their client */

	/* the sandbox's own page tables, shared by every view */
	struct mutex map_lock; /* map and unmap */
	spinlock_t pt_lock;    /* leaves of windows against their notifiers */
	unsigned long *pud;
	struct list_head windows, irqs;

	/* struct seg_kshared, mapped into the kernel; indices of our own, never read back */
	u8 *kshared;
	unsigned long kshared_size;
	spinlock_t wake_lock, closed_lock;
	u32 wake_tail, closed_head;
	struct sw_file **socks; /* under wake_lock */

	/* what the daemon must hear of */
	wait_queue_head_t wait;
	unsigned long events;	  /* bit = enum sw_event_type */
	u32 fault_client, wanted; /* the context for whose lock somebody waited last */
	struct llist_head orphans, gone;
	spinlock_t take_lock; /* takers of the two lists */
	struct irq_work kick; /* wakes `wait` from where waking is not allowed */
};

struct sw_client {
	refcount_t ref;
	atomic_t use; /* 1 while attached, plus crossings and orphans; at 0 the view goes */
	u32 id, share;
	unsigned long dead;	     /* bit 0 */
	bool reserved;		     /* the process holds a reserved mapping over the slot */
	bool quiet;		     /* no interrupt upcalls: the process, or */
	struct xarray quiet_threads; /* those threads, by number */
	struct sw_net *net;
	struct mm_struct *mm;
	struct sw_view view;
	struct hlist_node node;
	struct llist_node gone;
	struct rcu_head rcu;
};

/* Any file of ours: an open /dev/sandwire, fresh or a net's or a client's; or a socket. */
struct sw_file {
	unsigned long taken;  /* bit 0: has its role */
	struct mm_struct *mm; /* that opened it; NULL for a socket */
	struct sw_net *net;   /* of a net file or a socket */
	struct sw_client *client;
	u32 id; /* of a socket, else 0 */
	wait_queue_head_t wait;
};

enum sw_act {
	ACT_QUEUED,	 /* the task work is on its way */
	ACT_EXIT,	 /* the exit page was written */
	ACT_FAULT,	 /* the CPU raised a signal */
	ACT_SURRENDERED, /* no longer in the upcall: unhook and go on */
	ACT_ADOPT,	 /* begin */
	ACT_INTERRUPT,	 /* likewise, unless the daemon was told to see to it */
};

/* Of the thread: whose the upcall is while it is off the CPU. */
enum sw_place {
	SW_KEPT,   /* the thread's: it runs, or sleeps where nobody can go on for it */
	SW_OFF,	   /* the thread's, and `regs` is where it is */
	SW_STOLEN, /* an orphan, or finished */
};

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
	struct pt_regs regs; /* where it begins; where an orphan goes on; at SW_OFF already */
	struct llist_node orphan;
	atomic_t place; /* enum sw_place: sched_out and sched_in against steal */
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

struct sw_stats { /* as in sw_info */
	u64 enters, exits, orphans, adopted, heals, resyncs, sockets, clients;
};
DECLARE_PER_CPU(struct sw_stats, sw_stats);
/* The crossing of the thread that runs on this CPU, NULL where that is not in an upcall. */
DECLARE_PER_CPU(struct sw_crossing *, sw_cur);

/* sandwire_main.c */
extern struct workqueue_struct *sw_wq;
loff_t sw_llseek(struct file *file, loff_t offset, int whence);
long sw_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
void sw_net_put(struct sw_net *net);
bool sw_net_enter(struct sw_net *net); /* false once the memory is gone or going */
void sw_net_leave(struct sw_net *net);
bool sw_in_slot(unsigned long base, u64 addr, u64 len);
void sw_net_fail(struct sw_net *net, u32 client_id);
void sw_net_raise(struct sw_net *net, enum sw_event_type event);
struct llist_node *sw_take(struct sw_net *net, struct llist_head *list, struct llist_node *best);
void sw_put_last(struct sw_net *net, struct llist_node *last, struct llist_head *list);
struct sw_client *sw_client_of(struct mm_struct *mm, struct sw_net *net); /* under RCU */
void sw_client_unuse(struct sw_client *client);
void sw_reserve_gone(struct mm_struct *mm, unsigned long base);

/* sandwire_view.c */
bool sw_slot_valid(unsigned long base);
int sw_view_init(struct sw_view *view, unsigned long slot_base, unsigned long *pud);
void sw_view_destroy(struct sw_view *view);
bool sw_view_open(struct sw_view *view);
void sw_view_close(struct sw_view *view, struct mm_struct *mm);
void sw_view_sync(struct sw_view *view, struct mm_struct *mm, unsigned long addr);
void sw_flush_everywhere(void);
int sw_reserve_mmap(struct file *file, struct vm_area_struct *vma);
bool sw_reserved(struct sw_client *client);

/* sandwire_map.c */
int sw_net_map(struct sw_net *net, const struct sw_net_map *m);
int sw_net_unmap(struct sw_net *net, const struct sw_net_map *m);
void sw_windows_close(struct sw_net *net);
void sw_tables_free(struct sw_net *net);

/* sandwire_sock.c */
long sw_sock_fd(struct sw_net *net, u32 id, unsigned int flags);
void sw_closed_push(struct sw_net *net, u32 id);
void sw_wake_drain(struct sw_net *net);
void sw_wake_all(struct sw_net *net);

/* sandwire_upcall.c */
extern struct kmem_cache *sw_crossings;
DECLARE_PER_CPU(struct sw_crossing *, sw_spare);
bool sw_in_upcall(void);
long sw_enter(struct file *file, struct sw_client *client, u32 sock_id, u32 slot);
bool sw_interrupted_upcall(const struct sw_net_irq *irq);
bool sw_interrupt(struct sw_client *client, struct file *file, const struct sw_net_irq *irq);
loff_t sw_exit(void);
void sw_request(struct sw_crossing *t, enum sw_act act);
bool sw_unfit(void);
struct sw_crossing *sw_crossing_new(struct file *file, struct sw_net *net, struct sw_view *view,
				    gfp_t gfp);
void sw_unhook(struct sw_crossing *t, long rc);
void sw_crossing_leave(struct sw_crossing *t);
void sw_crossing_put(struct sw_crossing *t);

/* sandwire_watch.c */
extern struct preempt_ops sw_sched_ops;
bool sw_retry_fault(void);
int sw_upcall_init(void);
void sw_upcall_exit(void);

/* sandwire_orphan.c */
bool sw_copy_failed(struct sw_crossing *t, struct pt_regs *regs);
void sw_orphan_push(struct sw_crossing *t);
void sw_orphan_make(struct sw_crossing *t);
void sw_abandon(struct sw_crossing *t);
long sw_yield(unsigned long owner);
long sw_adopt(struct file *file, struct sw_net *net, unsigned long owner);
void sw_orphans_drop(struct sw_net *net);

/* sandwire_irq.c */
long sw_irq_add(struct sw_net *net, const struct sw_net_irq __user *arg);
void sw_irqs_remove(struct sw_net *net);
long sw_quiet(struct sw_client *client, unsigned long how);

static inline void sw_notifier_remove(struct sw_crossing *t)
{
	preempt_disable();
	preempt_notifier_unregister(&t->pn);
	preempt_enable();
}

/* The interrupt is the daemon's, or its too. No locks, no waking: see sw_unhook. */
static inline void sw_tell_daemon(struct sw_crossing *t)
{
	if (t->told)
		return;
	t->told = true;
	set_bit(SW_EVENT_IRQ, &t->net->events);
	irq_work_queue(&t->net->kick);
}

static inline bool sw_in_copy(const struct sw_crossing *t, unsigned long ip)
{
	return ip >= t->net->cfg.copy_start && ip < t->net->cfg.copy_end;
}

#endif
