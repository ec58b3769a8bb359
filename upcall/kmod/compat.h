/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, in one place. The rest of the module has no version
 * #if. Tests run on 6.1, 6.12 (both also RT) and 7.2: tests/run kernels.
 */
#ifndef SANDWIRE_COMPAT_H
#define SANDWIRE_COMPAT_H

#include <linux/mm.h>
#include <linux/rseq.h>
#include <linux/sched/signal.h>
#include <linux/version.h>

#if !defined(CONFIG_X86_64) || !defined(CONFIG_PREEMPT_NOTIFIERS)
#error "sandwire needs x86-64 and CONFIG_PREEMPT_NOTIFIERS (select KVM)"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define sw_vm_flags_set vm_flags_set
#else
#define sw_vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define sw_dequeue_signal dequeue_signal
static inline int sw_follow_pfn(struct vm_area_struct *vma, unsigned long addr, unsigned long *pfn)
{
	struct follow_pfnmap_args args = {.vma = vma, .address = addr};
	int rc = follow_pfnmap_start(&args);

	if (!rc) {
		*pfn = args.pfn;
		follow_pfnmap_end(&args);
	}
	return rc;
}
#else
#define sw_dequeue_signal(mask, info, type) dequeue_signal(current, mask, info, type)
#define sw_follow_pfn			    follow_pfn
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define SW_EXIT_PROBE_ARGS void *data, struct task_struct *task, bool group_dead
#else
#define SW_EXIT_PROBE_ARGS void *data, struct task_struct *task
#endif

/*
 * What the kernel knows of the thread's restartable sequences is put away during an upcall; if the
 * thread was scheduled meanwhile (`moved`), the kernel writes the CPU number again and acts on a
 * sequence under way. Neither takes a lock: `show` may run with the run queue locked.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
typedef struct rseq_data sw_rseq;
static inline void sw_rseq_hide(sw_rseq *saved)
{
	unsigned long flags;

	local_irq_save(flags);
	*saved = current->rseq;
	current->rseq = (struct rseq_data){.ids.cpu_id = RSEQ_CPU_ID_UNINITIALIZED};
	local_irq_restore(flags);
}
static inline void sw_rseq_show(const sw_rseq *saved, bool moved)
{
	unsigned long flags;

	local_irq_save(flags);
	current->rseq = *saved;
	if (moved)
		rseq_force_update();
	local_irq_restore(flags);
}
#else
typedef struct rseq __user *sw_rseq;
static inline void sw_rseq_hide(sw_rseq *saved)
{
	*saved = current->rseq;
	current->rseq = NULL;
}
static inline void sw_rseq_show(const sw_rseq *saved, bool moved)
{
	current->rseq = *saved;
	if (*saved && moved) {
		set_bit(RSEQ_EVENT_PREEMPT_BIT, &current->rseq_event_mask);
		set_bit(RSEQ_EVENT_MIGRATE_BIT, &current->rseq_event_mask);
		set_tsk_thread_flag(current, TIF_NOTIFY_RESUME);
	}
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 2, 0)
#define sw_robust_list futex.robust_list
#else
#define sw_robust_list robust_list
#endif

/* A user shadow stack: calls of the image would write app memory under locks. */
#ifdef CONFIG_X86_USER_SHADOW_STACK
#define sw_has_shadow_stack() (current->thread.features & 1) /* ARCH_SHSTK_SHSTK */
#else
#define sw_has_shadow_stack() false
#endif

#endif
