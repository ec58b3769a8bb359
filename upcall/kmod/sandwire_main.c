// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/sandwire: nets, clients, and the ioctls that are not the upcall itself. sandwire_uapi.h says
 * what each call means; upcall/kmod/README.md what the module promises.
 */
#define pr_fmt(fmt) "sandwire: " fmt

#include <linux/init.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <asm/cpufeature.h>
#include <asm/hypervisor.h>
#include "sandwire.h"

#define SLOT_OF(cfg) ((cfg)->slot_base)

DEFINE_PER_CPU(struct sw_stats, sw_stats);
struct workqueue_struct *sw_wq;

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
	smp_mb(); /* orphan_push and client_gone: add, then load dead */
	sw_wake_all(net);
}

void sw_net_fail(struct sw_net *net, u32 client_id)
{
	WRITE_ONCE(net->fault_client, client_id);
	net_die(net);
	sw_net_raise(net, SW_EVENT_FAULT);
}

static struct sw_client *gone_take(struct sw_net *net)
{
	struct llist_node *n;

	spin_lock(&net->take_lock);
	n = llist_del_first(&net->gone);
	spin_unlock(&net->take_lock);
	return n ? llist_entry(n, struct sw_client, gone) : NULL;
}

/* Nobody is there to take orphans and gone clients any more. */
static void net_reap(struct sw_net *net)
{
	struct sw_client *client;

	sw_orphans_drop(net);
	while ((client = gone_take(net)))
		sw_client_put(client);
}

static void reap_work(struct work_struct *work)
{
	net_reap(container_of(work, struct sw_net, reap));
}

/* Runs in an interrupt soon after irq_work_queue(&net->kick). */
static void kick_work(struct irq_work *work)
{
	struct sw_net *net = container_of(work, struct sw_net, kick);

	wake_up(&net->wait);
	if (!net->mm) /* the net file is closed */
		queue_work(sw_wq, &net->reap);
}

static void net_free(struct work_struct *work)
{
	struct sw_net *net = container_of(work, struct sw_net, free_work);

	irq_work_sync(&net->kick);
	cancel_work_sync(&net->reap);
	free_percpu(net->ctx_hint);
	bitmap_free(net->ctx_map);
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

	sw_view_destroy(&net->bare, SLOT_OF(&net->cfg));
	if (net->kshared)
		vunmap(net->kshared);
	sw_tables_free(net);
	sw_net_put(net);
}

/* Keeps tables and kshared; false once they are gone or going. */
bool sw_net_enter(struct sw_net *net)
{
	return atomic_inc_not_zero(&net->inside);
}

void sw_net_leave(struct sw_net *net)
{
	if (atomic_dec_and_test(&net->inside))
		queue_work(sw_wq, &net->strip_work);
}

static bool in_slot(const struct sw_net_create *c, u64 addr, u64 len)
{
	return addr >= c->slot_base && len <= SW_SLOT_SIZE &&
	       addr - c->slot_base <= SW_SLOT_SIZE - len;
}

static int check_create(const struct sw_net_create *c)
{
	const u32 offs[] = {c->wake_head_off, c->wake_tail_off,	  c->wake_overflow_off,
			    c->wake_off,      c->closed_head_off, c->closed_tail_off,
			    c->closed_off,    c->ready_off};
	unsigned int i;

	if (!sw_slot_valid(c->slot_base) || !in_slot(c, c->entry, 1))
		return -EINVAL;
	if (c->copy_start > c->copy_end || (c->fault_fixup && !in_slot(c, c->fault_fixup, 1)))
		return -EINVAL;
	if (!c->ctx_count || c->ctx_count > 4096 || c->ctx_stride > SZ_1M ||
	    c->stack_stride > SZ_1M || (c->stack_addr | c->stack_stride) & 15)
		return -EINVAL;
	if (!in_slot(c, c->ctx_addr, c->ctx_count * c->ctx_stride) ||
	    !in_slot(c, c->stack_addr, c->ctx_count * c->stack_stride))
		return -EINVAL;
	if (!is_power_of_2(c->sock_count) || c->sock_count > SZ_1M ||
	    !is_power_of_2(c->wake_entries) || c->wake_entries > SZ_1M)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(offs); i++)
		if (offs[i] & 3 || offs[i] > SZ_16M)
			return -EINVAL;
	if (!in_slot(c, c->kshared_addr, SZ_64M) || !PAGE_ALIGNED(c->kshared_addr))
		return -EINVAL;
	return strnlen(c->name, sizeof(c->name)) < sizeof(c->name) ? 0 : -EINVAL;
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
	rc = check_create(&net->cfg);
	if (rc)
		goto free;
	refcount_set(&net->ref, 1);
	atomic_set(&net->inside, 1);
	INIT_WORK(&net->free_work, net_free);
	INIT_WORK(&net->strip_work, net_strip);
	INIT_WORK(&net->reap, reap_work);
	init_irq_work(&net->kick, kick_work);
	mutex_init(&net->map_lock);
	spin_lock_init(&net->pt_lock);
	spin_lock_init(&net->wake_lock);
	spin_lock_init(&net->closed_lock);
	spin_lock_init(&net->take_lock);
	init_waitqueue_head(&net->wait);
	init_llist_head(&net->orphans);
	init_llist_head(&net->gone);
	INIT_LIST_HEAD(&net->windows);
	net->mm = f->mm;
	rc = -ENOMEM;
	net->ctx_map = bitmap_zalloc(net->cfg.ctx_count, GFP_KERNEL_ACCOUNT);
	net->ctx_hint = alloc_percpu(u32);
	net->socks = kvcalloc(net->cfg.sock_count, sizeof(*net->socks), GFP_KERNEL_ACCOUNT);
	net->pud = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!net->ctx_map || !net->ctx_hint || !net->socks || !net->pud)
		goto free_parts;
	rc = sw_view_init(&net->bare, SLOT_OF(&net->cfg), net->pud);
	if (rc)
		goto free_parts;
	mutex_lock(&f->lock);
	if (f->net || f->client || f->mm != current->mm)
		rc = -EBUSY;
	else
		smp_store_release(&f->net, net);
	mutex_unlock(&f->lock);
	if (rc)
		sw_net_leave(net);
	return rc;
free_parts:
	sw_tables_free(net);
	kvfree(net->socks);
	free_percpu(net->ctx_hint);
	bitmap_free(net->ctx_map);
free:
	kfree(net);
	return rc;
}

static void net_release(struct sw_net *net)
{
	net_die(net);
	sw_windows_close(net);
	WRITE_ONCE(net->mm, NULL);
	smp_mb(); /* kick_work: what was added before is seen below, what comes after is reaped */
	net_reap(net);
	refcount_inc(&net->ref);
	sw_net_leave(net);
	flush_work(&net->strip_work); /* whoever waits for the daemon's end finds the memory free */
	sw_net_put(net);
}

/* Orphans and gone clients stay reported for as long as there are any. */
static long net_event(struct sw_net *net, struct sw_event __user *to)
{
	struct sw_event e = {.type = SW_EVENT_NONE};
	struct sw_client *client = NULL;

	if (!llist_empty(&net->orphans)) {
		e.type = SW_EVENT_ORPHAN;
	} else if ((client = gone_take(net))) {
		e.type = SW_EVENT_CLIENT_GONE;
		e.id = client->id;
	} else if (test_and_clear_bit(SW_EVENT_FAULT, &net->events)) {
		e.type = SW_EVENT_FAULT;
		e.id = READ_ONCE(net->fault_client);
	} else if (test_and_clear_bit(SW_EVENT_CLOSED, &net->events)) {
		e.type = SW_EVENT_CLOSED;
	} else if (test_and_clear_bit(SW_EVENT_KICK, &net->events)) {
		e.type = SW_EVENT_KICK;
	}
	if (client)
		sw_client_put(client);
	return copy_to_user(to, &e, sizeof(e)) ? -EFAULT : 0;
}

/* ---- clients ------------------------------------------------------------------------------- */

void sw_client_put(struct sw_client *client)
{
	if (!refcount_dec_and_test(&client->ref))
		return;
	sw_net_put(client->net);
	mmdrop(client->mm);
	kfree_rcu(client, rcu);
}

/* The last use: no thread is in an upcall through the view, none will be. */
void sw_client_unuse(struct sw_client *client)
{
	struct sw_net *net = client->net;

	if (!atomic_dec_and_test(&client->use))
		return;
	sw_view_destroy(&client->view, SLOT_OF(&net->cfg));
	refcount_inc(&net->ref); /* over the kick: a taker may drop the client at once */
	llist_add(&client->gone, &net->gone);
	irq_work_queue(&net->kick);
	sw_net_put(net);
}

/* No more ENTER for this client: its reservation or its last descriptor went away. */
void sw_client_kill(struct sw_client *client)
{
	if (test_and_set_bit(0, &client->dead))
		return;
	spin_lock(&clients_lock);
	hash_del_rcu(&client->node);
	spin_unlock(&clients_lock);
	sw_client_unuse(client);
}

/* The process's client in that net, with a use taken. */
struct sw_client *sw_client_find(struct mm_struct *mm, struct sw_net *net)
{
	struct sw_client *client;

	rcu_read_lock();
	hash_for_each_possible_rcu(clients, client, node, (unsigned long)mm)
		if (client->mm == mm && client->net == net && atomic_inc_not_zero(&client->use)) {
			rcu_read_unlock();
			return client;
		}
	rcu_read_unlock();
	return NULL;
}

/* The mapping over a slot was removed: every client of that process with that slot dies. */
void sw_reserve_gone(struct mm_struct *mm, unsigned long base)
{
	struct sw_client *client;

	for (;;) {
		bool found = false;

		rcu_read_lock();
		hash_for_each_possible_rcu(clients, client, node, (unsigned long)mm) {
			found = client->mm == mm && SLOT_OF(&client->net->cfg) == base &&
				refcount_inc_not_zero(&client->ref);
			if (found)
				break;
		}
		rcu_read_unlock();
		if (!found)
			return;
		sw_client_kill(client);
		sw_client_put(client);
	}
}

static long net_admit(struct sw_net *net, const struct sw_net_admit __user *arg)
{
	struct sw_client *client;
	struct sw_net_admit a;
	struct sw_file *f;
	struct file *file;
	int rc;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.client_id || READ_ONCE(net->dead) || !net->kshared)
		return -EINVAL;
	file = fget(a.client_fd);
	if (!file)
		return -EBADF;
	rc = -EINVAL;
	if (file->f_op != &sw_fops)
		goto put;
	f = file->private_data;
	rc = -ENOMEM;
	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client)
		goto put;
	rc = sw_view_init(&client->view, SLOT_OF(&net->cfg), net->pud);
	if (rc)
		goto free;
	refcount_set(&client->ref, 2); /* the file's, and that of being in use */
	atomic_set(&client->use, 1);
	client->id = a.client_id;
	client->net = net;
	client->mm = f->mm;
	mutex_lock(&f->lock);
	rc = f->net || f->client ? -EBUSY : 0;
	if (!rc) {
		mmgrab(client->mm);
		refcount_inc(&net->ref);
		spin_lock(&clients_lock);
		hash_add_rcu(clients, &client->node, (unsigned long)client->mm);
		spin_unlock(&clients_lock);
		smp_store_release(&f->client, client);
		this_cpu_inc(sw_stats.clients);
	}
	mutex_unlock(&f->lock);
	if (!rc)
		goto put;
	sw_view_destroy(&client->view, SLOT_OF(&net->cfg));
free:
	kfree(client);
put:
	fput(file);
	return rc;
}

static long client_info(struct sw_client *client, struct sw_sock_info __user *to)
{
	struct sw_sock_info info = {.client_id = client->mm == current->mm ? client->id : 0};

	strscpy(info.net, client->net->cfg.name, sizeof(info.net));
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

/* ---- the file ------------------------------------------------------------------------------ */

static long info(struct sw_info __user *to)
{
	struct sw_info i = {.abi_version = SW_ABI_VERSION};
	int cpu;

	i.flags = (pgtable_l5_enabled() ? SW_INFO_LA57 : 0) |
		  (boot_cpu_has(X86_FEATURE_PCID) ? SW_INFO_PCID : 0);
	for_each_possible_cpu(cpu) {
		const struct sw_stats *s = per_cpu_ptr(&sw_stats, cpu);

		i.enters += s->enters;
		i.exits += s->exits;
		i.orphans += s->orphans;
		i.adopted += s->adopted;
		i.heals += s->heals;
		i.resyncs += s->resyncs;
		i.sockets += s->sockets;
		i.clients += s->clients;
	}
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
	case SW_IOC_NET_EVENT:
		return net_event(net, arg);
	case SW_IOC_NET_ADOPT:
		return sw_adopt(file, net);
	case SW_IOC_NET_WAKE:
		sw_wake_drain(net);
		return 0;
	}
	return -ENOTTY;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sw_file *f = file->private_data;
	void __user *uarg = (void __user *)arg;
	struct sw_client *client;
	struct sw_net *net;

	switch (cmd) {
	case SW_IOC_EXIT:
		return sw_exit();
	case SW_IOC_YIELD:
		return sw_yield();
	}
	/* In an upcall a user pointer could lead into the sandbox: nothing else is served. */
	if (sw_in_upcall())
		return -EBUSY;
	if (cmd == SW_IOC_INFO)
		return info(uarg);
	if (cmd == SW_IOC_NET_CREATE)
		return net_create(f, uarg);
	net = smp_load_acquire(&f->net);
	if (net)
		return net_ioctl(file, net, cmd, uarg);
	client = smp_load_acquire(&f->client);
	if (!client)
		return cmd == SW_IOC_ENTER ? -ENOTCONN : -ENOTTY;
	if (cmd == SW_IOC_SOCK_INFO)
		return client_info(client, uarg);
	if (cmd != SW_IOC_ENTER)
		return -ENOTTY;
	if (client->mm != current->mm)
		return -ESTALE;
	if (!atomic_inc_not_zero(&client->use))
		return -ENXIO;
	return sw_enter(file, client, 0, arg);
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
	struct sw_file *f;

	if (!current->mm)
		return -EINVAL;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	mutex_init(&f->lock);
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
		sw_client_kill(f->client);
		sw_client_put(f->client);
	}
	mmdrop(f->mm);
	kfree(f);
	return 0;
}

const struct file_operations sw_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.release = dev_release,
	.poll = dev_poll,
	.mmap = sw_reserve_mmap,
	.unlocked_ioctl = dev_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sandwire",
	.fops = &sw_fops,
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
	if (rc)
		goto wq;
	rc = sw_view_hotplug_init();
	if (rc)
		goto upcall;
	rc = misc_register(&device);
	if (rc)
		goto hotplug;
	return 0;
hotplug:
	sw_view_hotplug_exit();
upcall:
	sw_upcall_exit();
wq:
	destroy_workqueue(sw_wq);
	return rc;
}

/* Every file is closed, so no thread is in an upcall; what is left are work items. */
static void __exit sandwire_exit(void)
{
	misc_deregister(&device);
	sw_view_hotplug_exit();
	destroy_workqueue(sw_wq);
	sw_upcall_exit();
	rcu_barrier();
}

module_init(sandwire_init);
module_exit(sandwire_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Protected upcalls: opens a sandbox in user memory for one thread at a time");
MODULE_VERSION("0.1.0");
