// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt upcalls: a device's interrupt runs the sandbox's receive work in the thread that it
 * interrupted, where that belongs to a client; else the daemon hears of it. Called by the wait
 * queue of the file that VFIO signals; calls sw_interrupt (sandwire_upcall.c).
 *
 * Only a thread that is in no system call is taken: interrupted in user mode, or where the kernel
 * handles another interrupt or a fault of it. It will be back in user mode soon, and has nothing
 * else to restore than its user registers: nothing to restart, no signal mask to put back. Nor one
 * that has a preempt notifier: an upcall of its own is not quite over.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include "sandwire.h"

struct sw_irq {
	struct list_head node; /* net->irqs */
	struct sw_net *net;
	struct sw_net_irq cfg;
	struct file *source;
	struct file *pin; /* an upcall's reference keeps the module until its thread has left it */
	wait_queue_entry_t wait;
	wait_queue_head_t *head;
	poll_table table;
};

/* The current thread's, for quiet_threads: numbers of threads come again. */
static void *mark(void)
{
	return xa_mk_value(current->start_time & LONG_MAX);
}

static bool quiet(struct sw_client *client)
{
	return READ_ONCE(client->quiet) || xa_load(&client->quiet_threads, current->pid) == mark();
}

/* The thread on this CPU takes it. Interrupts are off. */
static bool give_to_current(struct sw_irq *irq)
{
	struct sw_client *client;
	bool given;

	/* On PREEMPT_RT, or with threadirqs, it is not here that the interrupt came. */
	if (!in_hardirq() || READ_ONCE(irq->net->dead) || !current->mm ||
	    current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_EXITING) ||
	    (long)task_pt_regs(current)->orig_ax != -1 || need_resched() || signal_pending(current))
		return false;
	if (!hlist_empty(&current->preempt_notifiers))
		return sw_interrupted_upcall(&irq->cfg);
	rcu_read_lock();
	client = sw_client_of(current->mm, irq->net);
	given = client && READ_ONCE(client->reserved) && !quiet(client) &&
		sw_interrupt(client, irq->pin, &irq->cfg);
	rcu_read_unlock();
	return given;
}

static int irq_fired(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct sw_irq *irq = container_of(wait, struct sw_irq, wait);

	if (key_to_poll(key) & EPOLLIN && !give_to_current(irq))
		sw_net_raise(irq->net, SW_EVENT_IRQ);
	return 0;
}

static void irq_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct sw_irq *irq = container_of(table, struct sw_irq, table);

	if (irq->head)
		return;
	irq->head = head;
	add_wait_queue(head, &irq->wait);
}

static int irq_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static const struct file_operations irq_fops = {
	.owner = THIS_MODULE,
	.release = irq_release,
};

long sw_irq_add(struct sw_net *net, const struct sw_net_irq __user *arg)
{
	struct sw_irq *irq = kzalloc(sizeof(*irq), GFP_KERNEL_ACCOUNT);
	long rc = -EFAULT;

	if (!irq)
		return -ENOMEM;
	if (copy_from_user(&irq->cfg, arg, sizeof(irq->cfg)))
		goto free;
	irq->net = net;
	init_waitqueue_func_entry(&irq->wait, irq_fired);
	init_poll_funcptr(&irq->table, irq_queue);
	rc = -EBADF;
	irq->source = fget(irq->cfg.fd);
	if (!irq->source)
		goto free;
	irq->pin = anon_inode_getfile("[sandwire-irq]", &irq_fops, irq, O_RDONLY);
	rc = PTR_ERR_OR_ZERO(irq->pin);
	if (rc)
		goto put;
	if (vfs_poll(irq->source, &irq->table) & EPOLLIN)
		sw_net_raise(net, SW_EVENT_IRQ);
	mutex_lock(&net->map_lock);
	list_add(&irq->node, &net->irqs);
	mutex_unlock(&net->map_lock);
	return 0;
put:
	fput(irq->source);
free:
	kfree(irq);
	return rc;
}

/* No interrupt begins an upcall after this; those that did end as any other. */
void sw_irqs_remove(struct sw_net *net)
{
	struct sw_irq *irq, *next;

	list_for_each_entry_safe(irq, next, &net->irqs, node) {
		if (irq->head)
			remove_wait_queue(irq->head, &irq->wait);
		fput(irq->source);
		fput(irq->pin); /* irq may go with it */
	}
}

long sw_quiet(struct sw_client *client, unsigned long how)
{
	if (how == SW_INTERRUPTS_NEVER)
		WRITE_ONCE(client->quiet, true);
	else if (how == SW_INTERRUPTS_OFF)
		return xa_err(
			xa_store(&client->quiet_threads, current->pid, mark(), GFP_KERNEL_ACCOUNT));
	else if (how == SW_INTERRUPTS_ON)
		xa_erase(&client->quiet_threads, current->pid);
	else
		return -EINVAL;
	return 0;
}
