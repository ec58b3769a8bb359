/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, in one place. The rest of the module has no version
 * #if. Written for 6.1; the branches for later kernels follow their headers.
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

/* A user shadow stack: calls of the image would write app memory under locks. */
#ifdef CONFIG_X86_USER_SHADOW_STACK
#define sw_has_shadow_stack() (current->thread.features & 1) /* ARCH_SHSTK_SHSTK */
#else
#define sw_has_shadow_stack() false
#endif

#endif
