// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sandbox's own page tables: what a thread sees in the slot while it is in an upcall. Called by
 * the daemon's SW_IOC_NET_MAP and SW_IOC_NET_UNMAP.
 *
 * Memory is pinned for good (FOLL_LONGTERM) and the page tables are the only record of it: a leaf
 * without SW_WINDOW stands for pins, one per 4 KiB. Device registers (VM_PFNMAP areas of vfio) have
 * no pages to pin: an interval notifier takes the leaves away when the daemon's mapping goes.
 * Table pages stay until the net is freed, so only leaves ever change under a running thread.
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

static void unpin_leaf(unsigned long leaf)
{
	if (leaf & _PAGE_PRESENT && !(leaf & SW_WINDOW))
		unpin_user_page_range_dirty_lock(pfn_to_page((leaf & PTE_PFN_MASK) >> PAGE_SHIFT),
						 is_large(leaf) ? BATCH : 1, leaf & _PAGE_RW);
}

/*
 * Clears [addr, addr + len), flushes, and then gives the pages back. A large leaf goes whole: the
 * caller checked the edges.
 */
static void zap(struct sw_net *net, unsigned long addr, unsigned long len)
{
	unsigned long end = addr + len, *leaves, *e, n, i;

	leaves = (unsigned long *)__get_free_page(GFP_KERNEL | __GFP_NOFAIL);
	while (addr < end) {
		for (n = 0; n < BATCH && addr < end;) {
			e = entry_of(net, addr, false, false);
			if (!e || is_large(*e))
				addr = ALIGN(addr + 1, PMD_SIZE);
			else
				addr += PAGE_SIZE;
			if (e && *e)
				leaves[n++] = xchg(e, 0);
		}
		cond_resched();
		if (!n)
			continue;
		sw_flush_everywhere();
		for (i = 0; i < n; i++)
			unpin_leaf(leaves[i]);
	}
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
	unsigned int i;
	bool large = n == BATCH && IS_ALIGNED(addr, PMD_SIZE) && IS_ALIGNED(pfn, BATCH);

	for (i = 1; large && i < n; i++)
		large = page_to_pfn(pages[i]) == pfn + i;
	if (large) {
		e = entry_of(net, addr, true, true);
		if (!e)
			return -ENOMEM;
		if (!*e) {
			WRITE_ONCE(*e, pfn << PAGE_SHIFT | bits | _PAGE_PSE);
			return 0;
		}
	}
	e = entry_of(net, addr, false, true);
	if (!e)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		WRITE_ONCE(e[i], page_to_pfn(pages[i]) << PAGE_SHIFT | bits);
	return 0;
}

static int map_memory(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long addr = m->addr, end = m->addr + m->len;
	unsigned int flags = FOLL_LONGTERM | (m->prot & PROT_WRITE ? FOLL_WRITE : 0);
	unsigned int want, got;
	struct page **pages;
	int rc = 0, n;

	pages = kvmalloc_array(BATCH, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	while (addr < end) {
		/* Up to the end of the table that addr is in. */
		want = min_t(unsigned long, end - addr, PMD_SIZE - (addr & ~PMD_MASK)) >>
		       PAGE_SHIFT;
		for (got = 0; got < want; got += n) {
			n = pin_user_pages_fast(addr + got * PAGE_SIZE, want - got, flags,
						pages + got);
			if (n <= 0) {
				rc = n ?: -EFAULT;
				break;
			}
		}
		rc = rc ?: enter_pages(net, addr, pages, want, leaf_bits(m->prot));
		if (rc) {
			unpin_user_pages(pages, got);
			break;
		}
		addr += want * PAGE_SIZE;
		if (fatal_signal_pending(current))
			rc = -EINTR;
		if (rc)
			break;
		cond_resched();
	}
	kvfree(pages);
	if (rc)
		zap(net, m->addr, addr - m->addr);
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
	for (; addr < end; addr += PAGE_SIZE) {
		e = entry_of(w->net, addr, false, false);
		if (e)
			WRITE_ONCE(*e, 0);
	}
	spin_unlock(&w->net->pt_lock);
	sw_flush_everywhere();
	return true;
}

static const struct mmu_interval_notifier_ops window_ops = {.invalidate = window_invalidate};

/* The frames behind a window, faulted in without touching a register; mmap_lock is taken. */
static int window_frames(struct sw_window *w, u32 prot, unsigned long *frames, unsigned long *bits)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	unsigned long i, addr;
	int rc = -EFAULT;

	mmap_read_lock(mm);
	vma = find_vma(mm, w->addr);
	if (!vma || vma->vm_start > w->addr || vma->vm_end < w->addr + w->len ||
	    !(vma->vm_flags & VM_PFNMAP) || (prot & PROT_WRITE && !(vma->vm_flags & VM_WRITE)))
		goto out;
	*bits = (leaf_bits(prot) & ~_PAGE_ENC) | SW_WINDOW |
		(pgprot_val(vma->vm_page_prot) & (_PAGE_CACHE_MASK | _PAGE_ENC));
	for (i = 0; i < w->len >> PAGE_SHIFT; i++) {
		addr = w->addr + i * PAGE_SIZE;
		rc = sw_follow_pfn(vma, addr, &frames[i]);
		if (rc) {
			rc = fixup_user_fault(mm, addr, prot & PROT_WRITE ? FAULT_FLAG_WRITE : 0,
					      NULL);
			rc = rc ?: sw_follow_pfn(vma, addr, &frames[i]);
		}
		if (rc)
			break;
	}
out:
	mmap_read_unlock(mm);
	return rc;
}

static int map_window(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long *frames, bits, seq, i, n = m->len >> PAGE_SHIFT;
	bool stale = true;
	struct sw_window *w = kzalloc(sizeof(*w), GFP_KERNEL);
	int rc = -ENOMEM;

	frames = kvmalloc_array(n, sizeof(*frames), GFP_KERNEL);
	if (!w || !frames)
		goto free;
	w->net = net;
	w->addr = m->addr;
	w->len = m->len;
	for (i = 0; i < n; i++) /* every table before the spinlock */
		if (!entry_of(net, w->addr + i * PAGE_SIZE, false, true))
			goto free;
	rc = mmu_interval_notifier_insert(&w->mni, current->mm, w->addr, w->len, &window_ops);
	if (rc)
		goto free;
	while (stale && !rc) {
		seq = mmu_interval_read_begin(&w->mni);
		rc = window_frames(w, m->prot, frames, &bits);
		if (rc)
			break;
		spin_lock(&net->pt_lock);
		stale = mmu_interval_read_retry(&w->mni, seq);
		for (i = 0; !stale && i < n; i++)
			WRITE_ONCE(*entry_of(net, w->addr + i * PAGE_SIZE, false, false),
				   frames[i] << PAGE_SHIFT | bits);
		spin_unlock(&net->pt_lock);
	}
	if (rc) {
		mmu_interval_notifier_remove(&w->mni);
		goto free;
	}
	list_add(&w->node, &net->windows);
	w = NULL;
free:
	kvfree(frames);
	kfree(w);
	return rc;
}

static void window_close(struct sw_window *w)
{
	mmu_interval_notifier_remove(&w->mni);
	zap(w->net, w->addr, w->len);
	list_del(&w->node);
	kfree(w);
}

void sw_windows_close(struct sw_net *net)
{
	struct sw_window *w, *next;

	mutex_lock(&net->map_lock);
	list_for_each_entry_safe(w, next, &net->windows, node)
		window_close(w);
	mutex_unlock(&net->map_lock);
}

/* ---- the two calls ------------------------------------------------------------------------- */

static int check_range(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long base = net->cfg.slot_base;
	unsigned long exit_page = base + SW_EXIT_OFF;

	if (m->flags || m->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	if (!m->len || !PAGE_ALIGNED(m->addr | m->len) || m->addr < base || m->len > SW_SLOT_SIZE ||
	    m->addr - base > SW_SLOT_SIZE - m->len)
		return -EINVAL;
	if (m->addr <= exit_page && exit_page < m->addr + m->len)
		return -EINVAL;
	return 0;
}

/* Nonzero if a large leaf sticks out over an edge of the range. */
static bool edge_cuts_leaf(struct sw_net *net, unsigned long addr)
{
	unsigned long *e = entry_of(net, addr, true, false);

	return e && is_large(*e) && !IS_ALIGNED(addr, PMD_SIZE);
}

static bool range_used(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long addr = m->addr, end = m->addr + m->len, *e;

	while (addr < end) {
		e = entry_of(net, addr, false, false);
		if (e && *e)
			return true;
		/* No table: nothing until the next one. */
		addr = e ? addr + PAGE_SIZE : ALIGN(addr + 1, PMD_SIZE);
	}
	return false;
}

/* The area with struct seg_kshared must come in one call: the kernel maps it too. */
static int attach_kshared(struct sw_net *net, const struct sw_net_map *m, unsigned long size)
{
	unsigned long i, n = PAGE_ALIGN(size) >> PAGE_SHIFT, addr = net->cfg.kshared_addr, *e;
	struct page **pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL);
	u8 *p;

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < n; i++, addr += PAGE_SIZE) {
		e = entry_of(net, addr, false, false);
		pages[i] = pfn_to_page((*e & PTE_PFN_MASK) >> PAGE_SHIFT);
		if (is_large(*e))
			pages[i] += (addr & ~PMD_MASK) >> PAGE_SHIFT;
	}
	p = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!p)
		return -ENOMEM;
	net->wake_tail = READ_ONCE(*(u32 *)(p + net->cfg.wake_tail_off));
	net->closed_head = READ_ONCE(*(u32 *)(p + net->cfg.closed_head_off));
	smp_store_release(&net->kshared, p);
	return 0;
}

static unsigned long kshared_size(struct sw_net *net)
{
	const struct sw_net_create *c = &net->cfg;
	unsigned long size = 0;

	size = max_t(unsigned long, size, c->wake_off + 4ul * c->wake_entries);
	size = max_t(unsigned long, size, c->closed_off + 4ul * c->sock_count);
	size = max_t(unsigned long, size, c->ready_off + 8ul * c->sock_count);
	size = max3(size, c->wake_head_off + 4ul, c->wake_tail_off + 4ul);
	return max3(size, c->wake_overflow_off + 4ul,
		    max(c->closed_head_off, c->closed_tail_off) + 4ul);
}

int sw_net_map(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long base = net->cfg.kshared_addr, size = kshared_size(net);
	struct vm_area_struct *vma;
	bool window, shared;
	int rc;

	rc = check_range(net, m);
	if (rc)
		return rc;
	if (!(m->prot & PROT_READ) || (m->prot & PROT_WRITE && m->prot & PROT_EXEC))
		return -EINVAL;
	if (current->mm != net->mm)
		return -ESTALE;
	mmap_read_lock(net->mm);
	vma = find_vma(net->mm, m->addr);
	window = vma && vma->vm_start <= m->addr && vma->vm_flags & VM_PFNMAP;
	mmap_read_unlock(net->mm);
	if (window && m->prot & PROT_EXEC)
		return -EINVAL;
	shared = !window && m->addr <= base && m->addr + m->len >= base + size;

	mutex_lock(&net->map_lock);
	if (range_used(net, m))
		rc = -EEXIST;
	else
		rc = window ? map_window(net, m) : map_memory(net, m);
	if (!rc && shared && !net->kshared) {
		rc = attach_kshared(net, m, size);
		if (rc)
			zap(net, m->addr, m->len);
	}
	mutex_unlock(&net->map_lock);
	return rc;
}

int sw_net_unmap(struct sw_net *net, const struct sw_net_map *m)
{
	unsigned long base = net->cfg.kshared_addr;
	struct sw_window *w, *next;
	int rc;

	rc = check_range(net, m);
	if (rc)
		return rc;
	mutex_lock(&net->map_lock);
	if (edge_cuts_leaf(net, m->addr) || edge_cuts_leaf(net, m->addr + m->len)) {
		rc = -EINVAL;
	} else if (net->kshared && m->addr < base + kshared_size(net) && base < m->addr + m->len) {
		rc = -EBUSY; /* the kernel uses it until the end */
	} else {
		list_for_each_entry(w, &net->windows, node)
			if (w->addr < m->addr + m->len && m->addr < w->addr + w->len &&
			    (w->addr != m->addr || w->len != m->len))
				rc = -EINVAL; /* windows go whole */
		list_for_each_entry_safe(w, next, &net->windows, node)
			if (!rc && w->addr == m->addr)
				window_close(w);
		if (!rc)
			zap(net, m->addr, m->len);
	}
	mutex_unlock(&net->map_lock);
	return rc;
}

static void free_table(unsigned long *table, int shift)
{
	unsigned int i;

	for (i = 0; i < 512; i++) {
		if (!table[i])
			continue;
		if (shift == PAGE_SHIFT || (shift == PMD_SHIFT && table[i] & _PAGE_PSE))
			unpin_leaf(table[i]);
		else
			free_table(__va(table[i] & PTE_PFN_MASK), shift - 9);
		cond_resched();
	}
	free_page((unsigned long)table);
}

/* The last user of the net is gone. */
void sw_tables_free(struct sw_net *net)
{
	if (net->pud)
		free_table(net->pud, PUD_SHIFT);
}
