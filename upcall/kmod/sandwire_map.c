// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox's own page tables: what a thread sees in the slot while it is in an upcall. Called by
 * the daemon's SW_IOC_NET_MAP and SW_IOC_NET_UNMAP.
 *
 * Memory is pinned for good (FOLL_LONGTERM) and the page tables are the only record of it: a leaf
 * without SW_WINDOW stands for pins, one per 4 KiB. Device registers (VM_PFNMAP areas of vfio) have
 * no pages to pin: an interval notifier takes the leaves away when the daemon's mapping goes.
 * Table pages stay until nobody is inside, so only leaves ever change under a running thread.
 */
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include "sandwire.h"

#define SW_WINDOW _PAGE_SPECIAL /* ignored by the CPU */
#define BATCH	  512u		/* pages handled at once: one table, one large page */

struct sw_window {
	struct mmu_interval_notifier mni;
	struct sw_net *net;
	unsigned long addr, len;
	struct list_head node;
};

/* The entry for addr, in the lowest table or (large) the one above; NULL if there is no table. */
static unsigned long *entry_of(struct sw_net *net, unsigned long addr, bool large, bool alloc)
{
	unsigned long *table = net->pud, *e, page;
	int shift;

	for (shift = PUD_SHIFT;; shift -= 9) {
		e = &table[(addr >> shift) & 511];
		if (shift == (large ? PMD_SHIFT : PAGE_SHIFT) ||
		    (*e & _PAGE_PSE && shift == PMD_SHIFT))
			return e;
		if (!*e) {
			page = alloc ? get_zeroed_page(GFP_KERNEL_ACCOUNT) : 0;
			if (!page)
				return NULL;
			WRITE_ONCE(*e, _PAGE_TABLE | __pa(page));
		}
		table = __va(*e & PTE_PFN_MASK);
	}
}

/* In a small leaf the same bit selects a cache mode; only windows use it there. */
static bool is_large(unsigned long leaf)
{
	return (leaf & (_PAGE_PSE | SW_WINDOW)) == _PAGE_PSE;
}

static struct page *leaf_page(unsigned long leaf)
{
	return pfn_to_page((leaf & PTE_PFN_MASK) >> PAGE_SHIFT);
}

static void unpin_leaf(unsigned long leaf)
{
	if (leaf && !(leaf & SW_WINDOW))
		unpin_user_page_range_dirty_lock(leaf_page(leaf), is_large(leaf) ? BATCH : 1,
						 leaf & _PAGE_RW);
}

/* The first leaf in use at or after *addr and before end, or NULL; *addr moves behind it. */
static unsigned long *next_leaf(struct sw_net *net, unsigned long *addr, unsigned long end)
{
	unsigned long *e;

	while (*addr < end) {
		e = entry_of(net, *addr, false, false);
		*addr = !e || is_large(*e) ? ALIGN(*addr + 1, PMD_SIZE) : *addr + PAGE_SIZE;
		if (e && *e)
			return e;
	}
	return NULL;
}

/* Clears [addr, end), flushes, and then gives the pages back. A large leaf goes whole. */
static void zap(struct sw_net *net, unsigned long addr, unsigned long end)
{
	unsigned long *leaves, *e, n;

	leaves = (unsigned long *)__get_free_page(GFP_KERNEL | __GFP_NOFAIL);
	do {
		for (n = 0; n < BATCH && (e = next_leaf(net, &addr, end));)
			leaves[n++] = xchg(e, 0);
		if (n)
			sw_flush_everywhere();
		while (n)
			unpin_leaf(leaves[--n]);
		cond_resched();
	} while (addr < end);
	free_page((unsigned long)leaves);
}

static unsigned long leaf_bits(u32 prot)
{
	unsigned long bits = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_ENC;

	/* Dirty without writable would mean a shadow stack on some CPUs. */
	if (prot & PROT_WRITE)
		bits |= _PAGE_RW | _PAGE_DIRTY;
	if (!(prot & PROT_EXEC))
		bits |= _PAGE_NX & __supported_pte_mask;
	return bits;
}

/* Enters n pinned pages at addr: one large leaf if they make one, else n small ones. */
static int enter_pages(struct sw_net *net, unsigned long addr, struct page **pages, unsigned int n,
		       unsigned long bits)
{
	unsigned long pfn = page_to_pfn(pages[0]), *e;
	bool large = n == BATCH && IS_ALIGNED(addr, PMD_SIZE) && IS_ALIGNED(pfn, BATCH);
	unsigned int i;

	for (i = 1; large && i < n; i++)
		large = page_to_pfn(pages[i]) == pfn + i;
	e = entry_of(net, addr, large, true);
	if (large && e && *e) { /* a table, of small leaves that were here before */
		large = false;
		e = entry_of(net, addr, false, true);
	}
	if (!e)
		return -ENOMEM;
	if (large)
		WRITE_ONCE(*e, pfn << PAGE_SHIFT | bits | _PAGE_PSE);
	for (i = 0; !large && i < n; i++)
		WRITE_ONCE(e[i], page_to_pfn(pages[i]) << PAGE_SHIFT | bits);
	return 0;
}

static int map_memory(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long addr = m->addr, end = m->addr + m->len;
	unsigned int flags = FOLL_LONGTERM | (m->prot & PROT_WRITE ? FOLL_WRITE : 0), want, got;
	struct page **pages = kvmalloc_array(BATCH, sizeof(*pages), GFP_KERNEL);
	int rc = pages ? 0 : -ENOMEM, n;

	for (; !rc && addr < end; addr += want * PAGE_SIZE) {
		/* Up to the end of the table that addr is in. */
		want = (min(end, ALIGN(addr + 1, PMD_SIZE)) - addr) >> PAGE_SHIFT;
		for (got = 0; !rc && got < want; got += max(n, 0)) {
			n = pin_user_pages_fast(addr + got * PAGE_SIZE, want - got, flags,
						pages + got);
			rc = n > 0 ? 0 : n ?: -EFAULT;
		}
		rc = rc ?: enter_pages(net, addr, pages, want, leaf_bits(m->prot));
		if (rc) {
			unpin_user_pages(pages, got);
			break;
		}
		rc = fatal_signal_pending(current) ? -EINTR : 0;
		cond_resched();
	}
	kvfree(pages);
	if (rc)
		zap(net, m->addr, addr);
	return rc;
}

/* ---- device registers ---------------------------------------------------------------------- */

static bool window_invalidate(struct mmu_interval_notifier *mni, const struct mmu_notifier_range *r,
			      unsigned long seq)
{
	struct sw_window *w = container_of(mni, struct sw_window, mni);
	unsigned long addr = max(w->addr, r->start), end = min(w->addr + w->len, r->end), *e;

	spin_lock(&w->net->pt_lock);
	mmu_interval_set_seq(mni, seq);
	while ((e = next_leaf(w->net, &addr, end)))
		WRITE_ONCE(*e, 0);
	spin_unlock(&w->net->pt_lock);
	sw_flush_everywhere();
	return true;
}

static const struct mmu_interval_notifier_ops window_ops = {.invalidate = window_invalidate};

/* Enters the frames behind a window, faulted in without touching a register; mmap_lock held. */
static int enter_window(struct sw_window *w, u32 prot, struct vm_area_struct *vma)
{
	unsigned long addr, end = w->addr + w->len, seq, bits, pfn;
	unsigned int write = prot & PROT_WRITE ? FAULT_FLAG_WRITE : 0;
	bool stale = true;
	int rc = 0;

	if (vma->vm_end < end || (write && !(vma->vm_flags & VM_WRITE)))
		return -EFAULT;
	bits = (leaf_bits(prot) & ~_PAGE_ENC) | SW_WINDOW |
	       (pgprot_val(vma->vm_page_prot) & (_PAGE_CACHE_MASK | _PAGE_ENC));
	while (stale && !rc) {
		seq = mmu_interval_read_begin(&w->mni);
		for (addr = w->addr; !rc && addr < end; addr += PAGE_SIZE)
			if (sw_follow_pfn(vma, addr, &pfn))
				rc = fixup_user_fault(vma->vm_mm, addr, write, NULL);
		spin_lock(&w->net->pt_lock);
		stale = mmu_interval_read_retry(&w->mni, seq);
		for (addr = w->addr; !stale && !rc && addr < end; addr += PAGE_SIZE) {
			rc = sw_follow_pfn(vma, addr, &pfn);
			if (!rc)
				WRITE_ONCE(*entry_of(w->net, addr, false, false),
					   pfn << PAGE_SHIFT | bits);
		}
		spin_unlock(&w->net->pt_lock);
	}
	return rc;
}

static void window_close(struct sw_window *w)
{
	mmu_interval_notifier_remove(&w->mni);
	zap(w->net, w->addr, w->addr + w->len);
	list_del(&w->node);
	kfree(w);
}

static int map_window(struct sw_net *net, const struct sw_net_map *m)
{
	struct sw_window *w = kzalloc(sizeof(*w), GFP_KERNEL);
	struct vm_area_struct *vma;
	unsigned long i;
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->net = net;
	w->addr = m->addr;
	w->len = m->len;
	for (i = 0; !rc && i < m->len; i += PAGE_SIZE) /* every table before the spinlock */
		rc = entry_of(net, m->addr + i, false, true) ? 0 : -ENOMEM;
	rc = rc ?: mmu_interval_notifier_insert(&w->mni, net->mm, m->addr, m->len, &window_ops);
	if (rc) {
		kfree(w);
		return rc;
	}
	list_add(&w->node, &net->windows);
	mmap_read_lock(net->mm);
	vma = vma_lookup(net->mm, m->addr);
	rc = vma && vma->vm_flags & VM_PFNMAP ? enter_window(w, m->prot, vma) : -EFAULT;
	mmap_read_unlock(net->mm);
	if (rc)
		window_close(w);
	return rc;
}

void sw_windows_close(struct sw_net *net)
{
	struct sw_window *w, *next;

	list_for_each_entry_safe(w, next, &net->windows, node)
		window_close(w);
}

/* ---- the two calls ------------------------------------------------------------------------- */

static bool good_range(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long exit_page = net->cfg.slot_base + SW_EXIT_OFF;

	return !m->flags && m->len && PAGE_ALIGNED(m->addr | m->len) &&
	       sw_in_slot(net->cfg.slot_base, m->addr, m->len) &&
	       (exit_page < m->addr || exit_page >= m->addr + m->len);
}

/* True if a large leaf sticks out over this edge of a range. */
static bool cuts_leaf(struct sw_net *net, unsigned long addr)
{
	unsigned long *e = entry_of(net, addr, true, false);

	return e && is_large(*e) && !IS_ALIGNED(addr, PMD_SIZE);
}

/* The kernel maps struct seg_kshared too, which must come in one call. */
static int attach_kshared(struct sw_net *net)
{
	unsigned long i, n = PAGE_ALIGN(net->kshared_size) >> PAGE_SHIFT, *e;
	unsigned long addr = net->cfg.kshared_addr;
	struct page **pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	u8 *p;

	for (i = 0; pages && i < n; i++, addr += PAGE_SIZE) {
		e = entry_of(net, addr, false, false);
		pages[i] = leaf_page(*e) + (is_large(*e) ? (addr & ~PMD_MASK) >> PAGE_SHIFT : 0);
	}
	p = pages ? vmap(pages, n, VM_MAP, PAGE_KERNEL) : NULL;
	kvfree(pages);
	if (!p)
		return -ENOMEM;
	net->wake_tail = READ_ONCE(*(u32 *)(p + net->cfg.wake_tail_off));
	net->closed_head = READ_ONCE(*(u32 *)(p + net->cfg.closed_head_off));
	smp_store_release(&net->kshared, p);
	return 0;
}

int sw_net_map(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long base = net->cfg.kshared_addr, addr = m->addr, end = addr + m->len;
	struct vm_area_struct *vma;
	bool window;
	int rc;

	if (!good_range(net, m) || !(m->prot & PROT_READ) ||
	    m->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    (m->prot & PROT_WRITE && m->prot & PROT_EXEC))
		return -EINVAL;
	if (current->mm != net->mm)
		return -ESTALE;
	mmap_read_lock(net->mm);
	vma = vma_lookup(net->mm, addr);
	window = vma && vma->vm_flags & VM_PFNMAP;
	mmap_read_unlock(net->mm);
	if (window && m->prot & PROT_EXEC)
		return -EINVAL;

	mutex_lock(&net->map_lock);
	if (next_leaf(net, &addr, end))
		rc = -EEXIST;
	else
		rc = window ? map_window(net, m) : map_memory(net, m);
	if (!rc && !window && !net->kshared && m->addr <= base && end >= base + net->kshared_size) {
		rc = attach_kshared(net);
		if (rc)
			zap(net, m->addr, end);
	}
	mutex_unlock(&net->map_lock);
	return rc;
}

int sw_net_unmap(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long base = net->cfg.kshared_addr, end = m->addr + m->len;
	struct sw_window *w, *next;
	int rc = 0;

	if (!good_range(net, m))
		return -EINVAL;
	mutex_lock(&net->map_lock);
	if (cuts_leaf(net, m->addr) || cuts_leaf(net, end))
		rc = -EINVAL;
	else if (net->kshared && m->addr < base + net->kshared_size && base < end)
		rc = -EBUSY; /* the kernel uses it until the end */
	list_for_each_entry_safe(w, next, &net->windows, node)
		if (w->addr == m->addr && w->len == m->len)
			window_close(w);
		else if (w->addr < end && m->addr < w->addr + w->len)
			rc = -EINVAL; /* windows go whole */
	if (!rc)
		zap(net, m->addr, end);
	mutex_unlock(&net->map_lock);
	return rc;
}

static void free_table(unsigned long *table, int shift)
{
	unsigned int i;

	for (i = 0; i < 512; i++)
		if (shift == PAGE_SHIFT || (shift == PMD_SHIFT && table[i] & _PAGE_PSE))
			unpin_leaf(table[i]);
		else if (table[i])
			free_table(__va(table[i] & PTE_PFN_MASK), shift - 9);
	free_page((unsigned long)table);
	cond_resched();
}

/* Nobody is inside the net any more. */
void sw_tables_free(struct sw_net *net)
{
	free_table(net->pud, PUD_SHIFT);
}
