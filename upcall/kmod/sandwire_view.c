// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second page-table root of a process, and the reserved mapping that covers the slot in the
 * first. sandwire_upcall.c and sandwire_watch.c open and close views; the fault handler of the
 * mapping is called by the kernel.
 *
 * A view shares every lower table with the process's own root, so app memory is what it always is.
 * Entries of the user half are copied when a fault asks for them, with a page reference on the
 * table they point to: a sibling's munmap may free a table that the copy still points to, and it
 * must then stay an empty table. loaded_mm stays the process's: flush interrupts keep coming, and
 * flush what is in use because the address-space tag (PCID) is kept too.
 */
#include <asm/special_insns.h>
#include "sandwire.h"

static unsigned int slot_index(unsigned long addr)
{
	return (addr >> 39) & 511;
}

/* Entry 0 has the program in it, entry 255 the stack. */
bool sw_slot_valid(unsigned long base)
{
	return !(base & (SW_SLOT_SIZE - 1)) && base >= SW_SLOT_SIZE && base < 255 * SW_SLOT_SIZE;
}

static struct page *table_page(unsigned long entry)
{
	return pfn_to_page((entry & PTE_PFN_MASK) >> PAGE_SHIFT);
}

static void drop_stale(struct work_struct *work)
{
	struct sw_view *view = container_of(work, struct sw_view, flush);
	struct page *stale[SW_STALE_MAX];
	unsigned int n;

	raw_spin_lock_irq(&view->lock);
	n = view->stale_count;
	memcpy(stale, view->stale, sizeof(stale));
	view->stale_count = 0;
	raw_spin_unlock_irq(&view->lock);
	if (n)
		sw_flush_everywhere();
	while (n)
		put_page(stale[--n]);
}

int sw_view_init(struct sw_view *view, unsigned long slot_base, unsigned long *pud)
{
	unsigned long *table;

	raw_spin_lock_init(&view->lock);
	INIT_WORK(&view->flush, drop_stale);
	view->slot_base = slot_base;
	table = view->top = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (table && pgtable_l5_enabled())
		table = view->mid = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!table) {
		free_page((unsigned long)view->top);
		return -ENOMEM;
	}
	if (view->mid)
		view->top[0] = _PAGE_TABLE | __pa(view->mid);
	table[slot_index(slot_base)] = _PAGE_TABLE | __pa(pud);
	/* The kernel half is one for all. */
	memcpy(view->top + 256, (unsigned long *)current->mm->pgd + 256, PAGE_SIZE / 2);
	return 0;
}

/* Drops what the first n entries point to, except where that is ours. */
static void free_root(unsigned long *table, unsigned int n, unsigned int skip)
{
	unsigned int i;

	for (i = 0; table && i < n; i++)
		if (table[i] && i != skip)
			put_page(table_page(table[i]));
	free_page((unsigned long)table);
}

/* Nobody is in an upcall through this view, and every CPU that was has flushed since. */
void sw_view_destroy(struct sw_view *view)
{
	cancel_work_sync(&view->flush);
	drop_stale(&view->flush);
	free_root(view->top, 256, view->mid ? 0 : slot_index(view->slot_base));
	free_root(view->mid, 512, slot_index(view->slot_base));
}

/* CR3 with another root: tag and LAM bits stay, bit 63 is clear so that the switch flushes. */
static void load_root(unsigned long cr3, void *root)
{
	native_write_cr3((cr3 & ~CR3_ADDR_MASK) | __pa(root));
}

/* Interrupts off. True if the view was not the one in use. */
sw_hot bool sw_view_open(struct sw_view *view)
{
	unsigned long cr3 = __native_read_cr3();

	if ((cr3 & CR3_ADDR_MASK) == __pa(view->top))
		return false;
	load_root(cr3, view->top);
	return true;
}

/* Interrupts off. Does nothing where something put the official root back already. */
sw_hot void sw_view_close(struct sw_view *view, struct mm_struct *mm)
{
	unsigned long cr3 = __native_read_cr3();

	if ((cr3 & CR3_ADDR_MASK) == __pa(view->top))
		load_root(cr3, mm->pgd);
}

/*
 * Interrupts off, not in an NMI: as in the kernel's fast page walks, a table that the process's
 * root points to is not freed meanwhile, because freeing waits for this CPU.
 */
void sw_view_sync(struct sw_view *view, struct mm_struct *mm, unsigned long addr)
{
	unsigned long *src = (unsigned long *)mm->pgd, *dst = view->top, old, now;
	unsigned int i = slot_index(addr);

	if (view->mid && addr >> 48) {
		i = addr >> 48;
	} else if (view->mid) {
		if (!(READ_ONCE(src[0]) & _PAGE_PRESENT))
			return;
		src = __va(READ_ONCE(src[0]) & PTE_PFN_MASK);
		dst = view->mid;
	}
	raw_spin_lock(&view->lock);
	old = dst[i];
	now = READ_ONCE(src[i]);
	if (!(now & _PAGE_PRESENT))
		now = 0;
	/* No room for the old one: the thread faults again until the flush has run. */
	if (!((old ^ now) & (PTE_PFN_MASK | _PAGE_PRESENT)) ||
	    (old && view->stale_count == SW_STALE_MAX) ||
	    (now && !get_page_unless_zero(table_page(now))))
		goto out;
	WRITE_ONCE(dst[i], now);
	if (old) {
		view->stale[view->stale_count++] = table_page(old);
		queue_work(sw_wq, &view->flush);
	}
	this_cpu_inc(sw_stats.resyncs);
out:
	raw_spin_unlock(&view->lock);
}

static void flush_here(void *unused)
{
	native_write_cr3(__native_read_cr3());
}

void sw_flush_everywhere(void)
{
	on_each_cpu(flush_here, NULL, 1);
}

/* ---- the reserved mapping ------------------------------------------------------------------ */

static vm_fault_t reserve_fault(struct vm_fault *vmf)
{
	return sw_retry_fault() ? VM_FAULT_NOPAGE : VM_FAULT_SIGBUS;
}

static void reserve_close(struct vm_area_struct *vma)
{
	sw_reserve_gone(vma->vm_mm, vma->vm_start);
}

/* All or nothing: no splitting, no new rights, no move. */
static int reserve_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int reserve_mprotect(struct vm_area_struct *vma, unsigned long start, unsigned long end,
			    unsigned long flags)
{
	return -EPERM;
}

static int reserve_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

/* No `access`: ptrace, /proc/PID/mem and process_vm_readv find nothing here. */
static const struct vm_operations_struct reserve_ops = {
	.fault = reserve_fault,
	.close = reserve_close,
	.may_split = reserve_may_split,
	.mprotect = reserve_mprotect,
	.mremap = reserve_mremap,
};

int sw_reserve_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct sw_file *f = file->private_data;

	if (f->mm != vma->vm_mm)
		return -ESTALE;
	if (!sw_slot_valid(vma->vm_start) || vma->vm_end - vma->vm_start != SW_SLOT_SIZE ||
	    vma->vm_pgoff)
		return -EINVAL;
	sw_vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTCOPY | VM_DONTDUMP | VM_DONTEXPAND);
	vma->vm_ops = &reserve_ops;
	return 0;
}

/* Looked up under mmap_lock, so that a removal either is seen here or finds the client. */
sw_hot bool sw_reserved(struct sw_client *client)
{
	struct vm_area_struct *vma;

	if (READ_ONCE(client->reserved))
		return true;
	mmap_read_lock(client->mm);
	vma = find_vma(client->mm, client->view.slot_base);
	if (vma && vma->vm_ops == &reserve_ops && vma->vm_start == client->view.slot_base)
		WRITE_ONCE(client->reserved, true);
	mmap_read_unlock(client->mm);
	return client->reserved;
}
