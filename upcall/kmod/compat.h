/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, in one place. The rest of the module has no version
 * #if. Written for 6.1; the branches for later kernels follow their headers.
 */
#ifndef SANDWIRE_COMPAT_H
#define SANDWIRE_COMPAT_H

#include <linux/version.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/rseq.h>
#include <asm/pgtable.h>

#ifndef CONFIG_X86_64
#error "sandwire needs x86-64"
#endif
#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "sandwire needs CONFIG_PREEMPT_NOTIFIERS (select KVM)"
#endif

static inline void sw_vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* Takes one pending signal that is not in `mask`; siglock held. */
static inline int sw_dequeue_signal(sigset_t *mask)
{
	kernel_siginfo_t info;
	enum pid_type type;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return dequeue_signal(mask, &info, &type);
#else
	return dequeue_signal(current, mask, &info, &type);
#endif
}

/* The page frame behind an address of a VM_PFNMAP area; mmap_lock held. */
static inline int sw_follow_pfn(struct vm_area_struct *vma, unsigned long addr, unsigned long *pfn)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args = {.vma = vma, .address = addr};
	int rc = follow_pfnmap_start(&args);

	if (!rc) {
		*pfn = args.pfn;
		follow_pfnmap_end(&args);
	}
	return rc;
#else
	return follow_pfn(vma, addr, pfn);
#endif
}

/*
 * Restartable sequences are off in an upcall: the kernel would let the thread go on at an abort
 * address of the app's choosing, with the sandbox open.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static inline void __user *sw_rseq_off(void)
{
	void __user *p = current->rseq.usrptr;

	current->rseq.usrptr = NULL;
	current->rseq.event.has_rseq = 0;
	return p;
}

static inline void sw_rseq_on(void __user *p, bool moved)
{
	current->rseq.usrptr = p;
	if (!p)
		return;
	current->rseq.event.has_rseq = 1;
	if (moved) {
		current->rseq.event.sched_switch = 1;
		current->rseq.event.ids_changed = 1;
		set_tsk_thread_flag(current, TIF_NOTIFY_RESUME);
	}
}
#else
static inline void __user *sw_rseq_off(void)
{
	void __user *p = current->rseq;

	current->rseq = NULL;
	return p;
}

/* If the thread was off the CPU meanwhile, has the kernel write the CPU number again. */
static inline void sw_rseq_on(void __user *p, bool moved)
{
	current->rseq = p;
	if (p && moved) {
		set_bit(RSEQ_EVENT_PREEMPT_BIT, &current->rseq_event_mask);
		set_bit(RSEQ_EVENT_MIGRATE_BIT, &current->rseq_event_mask);
		set_tsk_thread_flag(current, TIF_NOTIFY_RESUME);
	}
}
#endif

/* A user shadow stack: calls of the image would write app memory under locks. */
static inline bool sw_has_shadow_stack(void)
{
#ifdef CONFIG_X86_USER_SHADOW_STACK
	return current->thread.features & 1; /* ARCH_SHSTK_SHSTK */
#else
	return false;
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define SW_EXIT_PROBE_ARGS void *data, struct task_struct *task, bool group_dead
#else
#define SW_EXIT_PROBE_ARGS void *data, struct task_struct *task
#endif

#endif
