// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/sandwire: nets, clients and what the daemon hears of them. Everything that user space calls
 * begins here, except waiting on a socket.
 */
#define pr_fmt(fmt) "sandwire: " fmt

#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/miscdevice.h>
#include <asm/hypervisor.h>
#include "sandwire.h"

DEFINE_PER_CPU(struct sw_stats, sw_stats);
struct workqueue_struct *sw_wq;
static const struct file_operations dev_fops;
static DEFINE_HASHTABLE(clients, 8); /* by mm */
static DEFINE_SPINLOCK(clients_lock);

/* ---- nets ---------------------------------------------------------------------------------- */

/* An event from where waking is allowed. */
void sw_net_raise(struct sw_net *net, enum sw_event_type event)
{
	set_bit(event, &net->events);
	wake_up(&net->wait);
}

/* Nothing more goes in; sleepers learn of it; what runs, runs to its end. */
static void net_die(struct sw_net *net)
{
	WRITE_ONCE(net->dead, true);
	sw_wake_all(net);
}

void sw_net_fail(struct sw_net *net, u32 client_id)
{
	WRITE_ONCE(net->fault_client, client_id);
	net_die(net);
	sw_net_raise(net, SW_EVENT_FAULT);
}

/* `best`, if it is there, else the first. */
struct llist_node *sw_take(struct sw_net *net, struct llist_head *list, struct llist_node *best)
{
	struct llist_node *n;

	spin_lock(&net->take_lock);
	for (n = best ? READ_ONCE(list->first) : NULL; n && n->next != best;)
		n = n->next;
	if (n)
		n->next = best->next;
	n = n ? best : llist_del_first(list);
	spin_unlock(&net->take_lock);
	return n;
}

/* Behind all that wait. */
void sw_put_last(struct sw_net *net, struct llist_node *last, struct llist_head *list)
{
	struct llist_node *n;

	last->next = NULL;
	spin_lock(&net->take_lock);
	for (n = READ_ONCE(list->first); n && n->next;)
		n = n->next;
	if (n)
		n->next = last;
	else
		llist_add(last, list);
	spin_unlock(&net->take_lock);
}

static void client_put(struct sw_client *client)
{
	if (!refcount_dec_and_test(&client->ref))
		return;
	sw_net_put(client->net);
	mmdrop(client->mm);
	xa_destroy(&client->quiet_threads);
	kfree_rcu(client, rcu);
}

/* Nobody is there to take orphans and gone clients any more. */
static void net_reap(struct work_struct *work)
{
	struct sw_net *net = container_of(work, struct sw_net, reap_work);
	struct llist_node *n;

	sw_orphans_drop(net);
	while ((n = sw_take(net, &net->gone, NULL)))
		client_put(llist_entry(n, struct sw_client, gone));
}

/* Runs in an interrupt soon after irq_work_queue(&net->kick). */
static void net_kick(struct irq_work *work)
{
	struct sw_net *net = container_of(work, struct sw_net, kick);

	wake_up(&net->wait);
	if (!READ_ONCE(net->mm))
		queue_work(sw_wq, &net->reap_work);
}

static void net_free(struct work_struct *work)
{
	struct sw_net *net = container_of(work, struct sw_net, free_work);

	irq_work_sync(&net->kick);
	cancel_work_sync(&net->reap_work);
	kvfree(net->running);
	kvfree(net->socks);
	kfree(net);
}

/* From a work item, so that it may end the other ones of the net. */
void sw_net_put(struct sw_net *net)
{
	if (refcount_dec_and_test(&net->ref))
		queue_work(sw_wq, &net->free_work);
}

/*
 * Nobody is inside and nobody will be: the memory goes back, whoever still holds descriptors.
 * Views of clients that live on keep an entry for the slot, and are never loaded again.
 */
static void net_strip(struct work_struct *work)
{
	struct sw_net *net = container_of(work, struct sw_net, strip_work);

	sw_view_destroy(&net->bare);
	vunmap(net->kshared);
	sw_tables_free(net);
	sw_net_put(net);
}

sw_hot bool sw_net_enter(struct sw_net *net)
{
	return atomic_inc_not_zero(&net->inside);
}

sw_hot void sw_net_leave(struct sw_net *net)
{
	if (atomic_dec_and_test(&net->inside))
		queue_work(sw_wq, &net->strip_work);
}

bool sw_in_slot(unsigned long base, u64 addr, u64 len)
{
	return addr >= base && len <= SW_SLOT_SIZE && addr - base <= SW_SLOT_SIZE - len;
}

/* The bytes of seg_kshared that are used (at most), or 0 if the description makes no sense. */
static unsigned long check_create(const struct sw_net_create *c)
{
	const u32 offs[] = {c->wake_head_off, c->wake_tail_off,	  c->wake_overflow_off,
			    c->wake_off,      c->closed_head_off, c->closed_tail_off,
			    c->closed_off,    c->ready_off};
	unsigned long base = c->slot_base, size = c->wake_off + 4ul * c->wake_entries;
	unsigned int i;

	if (!sw_slot_valid(base) || !sw_in_slot(base, c->entry, 1) || c->copy_start > c->copy_end ||
	    (c->fault_fixup && !sw_in_slot(base, c->fault_fixup, 1)) || !c->ctx_count ||
	    c->ctx_count > 4096 || c->ctx_stride > SZ_1M || c->stack_stride > SZ_1M ||
	    (c->stack_addr | c->stack_stride) & 15 ||
	    !sw_in_slot(base, c->ctx_addr, c->ctx_count * c->ctx_stride) ||
	    !sw_in_slot(base, c->stack_addr, c->ctx_count * c->stack_stride) ||
	    !is_power_of_2(c->sock_count) || c->sock_count > SZ_1M ||
	    !is_power_of_2(c->wake_entries) || c->wake_entries > SZ_1M ||
	    !sw_in_slot(base, c->kshared_addr, SZ_64M) || !PAGE_ALIGNED(c->kshared_addr) ||
	    strnlen(c->name, sizeof(c->name)) == sizeof(c->name))
		return 0;
	size = max3(size, c->closed_off + 4ul * c->sock_count, c->ready_off + 8ul * c->sock_count);
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		if (offs[i] & 3 || offs[i] > SZ_16M)
			return 0;
		size = max(size, offs[i] + 4ul);
	}
	return size;
}

static long net_create(struct sw_file *f, const struct sw_net_create __user *arg)
{
	struct sw_net *net;
	int rc;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	net = kzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);
	if (!net)
		return -ENOMEM;
	rc = -EFAULT;
	if (copy_from_user(&net->cfg, arg, sizeof(net->cfg)))
		goto free;
	rc = -EINVAL;
	net->kshared_size = check_create(&net->cfg);
	if (!net->kshared_size)
		goto free;
	refcount_set(&net->ref, 1);
	atomic_set(&net->inside, 1);
	INIT_WORK(&net->free_work, net_free);
	INIT_WORK(&net->strip_work, net_strip);
	INIT_WORK(&net->reap_work, net_reap);
	init_irq_work(&net->kick, net_kick);
	mutex_init(&net->map_lock);
	spin_lock_init(&net->pt_lock);
	spin_lock_init(&net->wake_lock);
	spin_lock_init(&net->closed_lock);
	spin_lock_init(&net->take_lock);
	init_waitqueue_head(&net->wait);
	INIT_LIST_HEAD(&net->windows);
	INIT_LIST_HEAD(&net->irqs);
	net->mm = f->mm;
	rc = -ENOMEM;
	net->running = kvcalloc(net->cfg.ctx_count, sizeof(*net->running), GFP_KERNEL_ACCOUNT);
	net->socks = kvcalloc(net->cfg.sock_count, sizeof(*net->socks), GFP_KERNEL_ACCOUNT);
	net->pud = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!net->running || !net->socks || !net->pud ||
	    sw_view_init(&net->bare, net->cfg.slot_base, net->pud))
		goto free;
	rc = 0;
	if (f->mm != current->mm || test_and_set_bit(0, &f->taken)) {
		rc = -EBUSY;
		sw_net_leave(net);
	} else {
		smp_store_release(&f->net, net);
	}
	return rc;
free:
	free_page((unsigned long)net->pud);
	kvfree(net->socks);
	kvfree(net->running);
	kfree(net);
	return rc;
}

static void net_release(struct sw_net *net)
{
	net_die(net);
	sw_irqs_remove(net);
	sw_windows_close(net);
	WRITE_ONCE(net->mm, NULL);
	smp_mb(); /* net_kick: what was added before is seen below, what comes after is reaped */
	net_reap(&net->reap_work);
	refcount_inc(&net->ref);
	sw_net_leave(net);
	flush_work(&net->strip_work); /* whoever waits for the daemon's end finds the memory free */
	sw_net_put(net);
}

/* Orphans and gone clients stay reported for as long as there are any. */
static long net_event(struct sw_net *net, struct sw_event __user *to)
{
	static const u8 order[] = {SW_EVENT_FAULT, SW_EVENT_CLOSED, SW_EVENT_KICK, SW_EVENT_IRQ};
	struct sw_event e = {.type = SW_EVENT_NONE};
	struct sw_client *client;
	struct llist_node *n;
	int i;

	if (!llist_empty(&net->orphans)) {
		e.type = SW_EVENT_ORPHAN;
	} else if ((n = sw_take(net, &net->gone, NULL))) {
		client = llist_entry(n, struct sw_client, gone);
		e = (struct sw_event){SW_EVENT_CLIENT_GONE, client->id};
		client_put(client);
	} else {
		for (i = 0; !e.type && i < ARRAY_SIZE(order); i++)
			if (test_and_clear_bit(order[i], &net->events))
				e.type = order[i];
		e.id = e.type == SW_EVENT_FAULT ? READ_ONCE(net->fault_client) : 0;
	}
	return copy_to_user(to, &e, sizeof(e)) ? -EFAULT : 0;
}

/* ---- clients ------------------------------------------------------------------------------- */

/* The last use: no thread is in an upcall through the view, none will be. */
sw_hot void sw_client_unuse(struct sw_client *client)
{
	struct sw_net *net = client->net;

	if (!atomic_dec_and_test(&client->use))
		return;
	sw_view_destroy(&client->view);
	refcount_inc(&net->ref); /* over the kick: a taker may drop the client at once */
	llist_add(&client->gone, &net->gone);
	irq_work_queue(&net->kick);
	sw_net_put(net);
}

/* No more ENTER for this client: its reservation or its last descriptor went away. */
static void client_kill(struct sw_client *client)
{
	if (test_and_set_bit(0, &client->dead))
		return;
	spin_lock(&clients_lock);
	hash_del_rcu(&client->node);
	spin_unlock(&clients_lock);
	sw_client_unuse(client);
}

/* The process's client in that net; it may be going. */
struct sw_client *sw_client_of(struct mm_struct *mm, struct sw_net *net)
{
	struct sw_client *client;

	hash_for_each_possible_rcu(clients, client, node, (unsigned long)mm)
		if (client->mm == mm && client->net == net)
			return client;
	return NULL;
}

/* With a use taken. */
static struct sw_client *client_find(struct mm_struct *mm, struct sw_net *net)
{
	struct sw_client *client;

	rcu_read_lock();
	client = sw_client_of(mm, net);
	if (client && !atomic_inc_not_zero(&client->use))
		client = NULL;
	rcu_read_unlock();
	return client;
}

/* The mapping over a slot was removed: every client of that process with that slot dies. */
void sw_reserve_gone(struct mm_struct *mm, unsigned long base)
{
	struct sw_client *client;

again:
	rcu_read_lock();
	hash_for_each_possible_rcu(clients, client, node, (unsigned long)mm)
		if (client->mm == mm && client->view.slot_base == base &&
		    refcount_inc_not_zero(&client->ref)) {
			rcu_read_unlock();
			client_kill(client);
			client_put(client);
			goto again;
		}
	rcu_read_unlock();
}

static long net_admit(struct sw_net *net, const struct sw_net_admit __user *arg)
{
	struct sw_client *client = NULL;
	struct sw_net_admit a;
	struct sw_file *f;
	struct file *file;
	int rc = -EINVAL;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.client_id || a.share >= SW_SHARES || READ_ONCE(net->dead) || !net->kshared)
		return -EINVAL;
	file = fget(a.client_fd);
	if (!file)
		return -EBADF;
	if (file->f_op != &dev_fops)
		goto put;
	f = file->private_data;
	rc = -ENOMEM;
	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client || sw_view_init(&client->view, net->cfg.slot_base, net->pud))
		goto put;
	rc = -EBUSY;
	if (test_and_set_bit(0, &f->taken)) {
		sw_view_destroy(&client->view);
		goto put;
	}
	refcount_set(&client->ref, 2); /* the file's, and that of being in use */
	atomic_set(&client->use, 1);
	xa_init_flags(&client->quiet_threads, XA_FLAGS_ACCOUNT);
	client->id = a.client_id;
	client->share = a.share;
	client->net = net;
	client->mm = f->mm;
	mmgrab(client->mm);
	refcount_inc(&net->ref);
	spin_lock(&clients_lock);
	hash_add_rcu(clients, &client->node, (unsigned long)client->mm);
	spin_unlock(&clients_lock);
	smp_store_release(&f->client, client);
	this_cpu_inc(sw_stats.clients);
	client = NULL;
	rc = 0;
put:
	kfree(client);
	fput(file);
	return rc;
}

/* ---- the file ------------------------------------------------------------------------------ */

static long info(struct sw_info __user *to)
{
	struct sw_info i = {.abi_version = SW_ABI_VERSION};
	int cpu, n;

	i.flags = (pgtable_l5_enabled() ? SW_INFO_LA57 : 0) |
		  (boot_cpu_has(X86_FEATURE_PCID) ? SW_INFO_PCID : 0);
	for_each_possible_cpu(cpu)
		for (n = 0; n < sizeof(struct sw_stats) / sizeof(u64); n++)
			(&i.enters)[n] += (&per_cpu_ptr(&sw_stats, cpu)->enters)[n];
	return copy_to_user(to, &i, sizeof(i)) ? -EFAULT : 0;
}

static long net_ioctl(struct file *file, struct sw_net *net, unsigned int cmd, void __user *arg)
{
	struct sw_net_map m;

	switch (cmd) {
	case SW_IOC_NET_MAP:
	case SW_IOC_NET_UNMAP:
		if (copy_from_user(&m, arg, sizeof(m)))
			return -EFAULT;
		return cmd == SW_IOC_NET_MAP ? sw_net_map(net, &m) : sw_net_unmap(net, &m);
	case SW_IOC_NET_ADMIT:
		return net_admit(net, arg);
	case SW_IOC_NET_IRQ:
		return sw_irq_add(net, arg);
	case SW_IOC_NET_EVENT:
		return net_event(net, arg);
	case SW_IOC_NET_ADOPT:
		return sw_adopt(file, net, (unsigned long)arg);
	case SW_IOC_NET_WAKE:
		sw_wake_drain(net);
		return 0;
	}
	return -ENOTTY;
}

/* The caller's client, by a client file or a socket, with a use taken; NULL if there is none. */
static sw_hot struct sw_client *client_use(struct sw_client *own, struct sw_net *net)
{
	if (!own)
		return client_find(current->mm, net);
	return own->mm == current->mm && atomic_inc_not_zero(&own->use) ? own : NULL;
}

/* A crossing begins or ends: ENTER and EXIT. */
sw_hot loff_t sw_llseek(struct file *file, loff_t offset, int whence)
{
	struct sw_file *f = file->private_data;
	struct sw_client *own, *client;
	struct sw_net *net;

	if (whence == SEEK_SET && offset == (loff_t)SW_SEEK_EXIT)
		return sw_exit();
	if (whence != SEEK_SET || (offset & SW_SEEK_MASK) != (loff_t)SW_SEEK_ENTER)
		return -ESPIPE;
	if (sw_in_upcall())
		return -EBUSY;
	own = smp_load_acquire(&f->client);
	net = own ? own->net : f->id ? f->net : NULL;
	if (!net)
		return -ENOTCONN;
	if (own && own->mm != current->mm)
		return -ESTALE;
	client = client_use(own, net);
	if (client)
		return sw_enter(file, client, f->id, offset);
	return own ? -ENXIO : READ_ONCE(net->dead) ? -ENETDOWN : -ENOTCONN;
}

static long sock_info(struct sw_file *f, struct sw_sock_info __user *to)
{
	struct sw_client *own = smp_load_acquire(&f->client), *client;
	struct sw_net *net = own ? own->net : f->net;
	struct sw_sock_info info = {.sock_id = f->id};

	if (!net)
		return -ENOTTY;
	client = client_use(own, net);
	if (client) {
		info.client_id = client->id;
		sw_client_unuse(client);
	}
	strscpy(info.net, net->cfg.name, sizeof(info.net));
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

/* Of every file of ours. */
long sw_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sw_file *f = file->private_data;
	struct sw_net *net = f->id ? NULL : smp_load_acquire(&f->net);
	struct sw_client *client = smp_load_acquire(&f->client);

	if (cmd == SW_IOC_YIELD)
		return sw_yield(arg);
	/* In an upcall a user pointer could lead into the sandbox: nothing else is served. */
	if (sw_in_upcall())
		return -EBUSY;
	if (cmd == SW_IOC_INFO)
		return info((void __user *)arg);
	if (net)
		return net_ioctl(file, net, cmd, (void __user *)arg);
	if (cmd == SW_IOC_NET_CREATE && f->mm)
		return net_create(f, (void __user *)arg);
	if (cmd == SW_IOC_SOCK_INFO)
		return sock_info(f, (void __user *)arg);
	if (cmd == SW_IOC_INTERRUPTS && client && client->mm == current->mm)
		return sw_quiet(client, arg);
	return -ENOTTY;
}

static __poll_t dev_poll(struct file *file, poll_table *pt)
{
	struct sw_file *f = file->private_data;
	struct sw_net *net = smp_load_acquire(&f->net);

	if (!net)
		return EPOLLERR;
	poll_wait(file, &net->wait, pt);
	return READ_ONCE(net->events) || !llist_empty(&net->orphans) || !llist_empty(&net->gone)
		       ? EPOLLIN | EPOLLRDNORM
		       : 0;
}

static int dev_open(struct inode *inode, struct file *file)
{
	struct sw_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->mm = current->mm;
	mmgrab(f->mm);
	file->private_data = f;
	return 0;
}

static int dev_release(struct inode *inode, struct file *file)
{
	struct sw_file *f = file->private_data;

	if (f->net)
		net_release(f->net);
	if (f->client) {
		client_kill(f->client);
		client_put(f->client);
	}
	mmdrop(f->mm);
	kfree(f);
	return 0;
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.release = dev_release,
	.poll = dev_poll,
	.mmap = sw_reserve_mmap,
	.llseek = sw_llseek,
	.unlocked_ioctl = sw_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sandwire",
	.fops = &dev_fops,
	.mode = 0660,
};

/* ---- coming and going ---------------------------------------------------------------------- */

static const char *refusal(void)
{
	if (boot_cpu_has(X86_FEATURE_PTI))
		return "page-table isolation is on (nopti turns it off): the kernel has roots of its own";
	if (boot_cpu_has(X86_FEATURE_XENPV))
		return "a Xen PV guest may not load page-table roots";
	if (x86_hyper_type == X86_HYPER_MS_HYPERV)
		return "Hyper-V's TLB flush names an address space and would miss the sandbox's";
	return NULL;
}

static int __init sandwire_init(void)
{
	const char *why = refusal();
	int rc;

	if (why) {
		pr_err("not loaded: %s\n", why);
		return -EOPNOTSUPP;
	}
	sw_wq = alloc_workqueue("sandwire", WQ_UNBOUND, 0);
	if (!sw_wq)
		return -ENOMEM;
	rc = sw_upcall_init();
	if (!rc) {
		rc = misc_register(&device);
		if (rc)
			sw_upcall_exit();
	}
	if (rc)
		destroy_workqueue(sw_wq);
	return rc;
}

/* Every file is closed, so no thread is in an upcall; what is left are work items. */
static void __exit sandwire_exit(void)
{
	misc_deregister(&device);
	destroy_workqueue(sw_wq);
	sw_upcall_exit();
	rcu_barrier();
}

module_init(sandwire_init);
module_exit(sandwire_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Sandwire project");
MODULE_DESCRIPTION("Protected upcalls: opens a sandbox in user memory for one thread at a time");
MODULE_VERSION("0.1.0");
