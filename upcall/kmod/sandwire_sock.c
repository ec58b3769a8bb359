// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket files and the two rings shared with the image. A socket file is something to wait on with
 * an id: what the id means is the image's business. Called by the kernel's file layer, and by
 * sandwire_upcall.c when an upcall ends.
 *
 * No index read from shared memory is trusted: ours live in struct sw_net and are only published.
 */
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/seq_file.h>
#include "sandwire.h"

#define READY_EVENTS(net, idx)	sw_kshared(net, (net)->cfg.ready_off + 8 * (idx))
#define READY_WAITERS(net, idx) sw_kshared(net, (net)->cfg.ready_off + 8 * (idx) + 4)

static u32 sock_index(struct sw_net *net, u32 id)
{
	return id & (net->cfg.sock_count - 1);
}

static void sock_wake(struct sw_sock *s, bool all)
{
	__poll_t mask =
		(__force __poll_t)READ_ONCE(*READY_EVENTS(s->net, sock_index(s->net, s->id)));

	if (all)
		wake_up_all(&s->wait);
	else if (wq_has_sleeper(&s->wait))
		wake_up_poll(&s->wait, mask | EPOLLERR | EPOLLHUP);
}

void sw_wake_all(struct sw_net *net)
{
	u32 i;

	spin_lock(&net->wake_lock);
	for (i = 0; net->kshared && i < net->cfg.sock_count; i++)
		if (net->socks[i])
			sock_wake(net->socks[i], true);
	spin_unlock(&net->wake_lock);
}

/*
 * Takes what the image put into the wake ring. The image publishes wake_head with a release store
 * after the entries (wake_push); the acquire load here pairs with it.
 */
void sw_wake_drain(struct sw_net *net)
{
	u32 head, tail, id, mask = net->cfg.wake_entries - 1;
	bool daemon = false, overflow;
	struct sw_sock *s;

	if (!smp_load_acquire(&net->kshared))
		return;
	overflow = READ_ONCE(*sw_kshared(net, net->cfg.wake_overflow_off)) &&
		   xchg(sw_kshared(net, net->cfg.wake_overflow_off), 0);
	if (READ_ONCE(net->wake_tail) == READ_ONCE(*sw_kshared(net, net->cfg.wake_head_off)) &&
	    !overflow)
		return;
	spin_lock(&net->wake_lock);
	head = smp_load_acquire(sw_kshared(net, net->cfg.wake_head_off));
	tail = net->wake_tail;
	if (head - tail > net->cfg.wake_entries) {
		overflow = true;
		tail = head;
	}
	for (; tail != head; tail++) {
		id = READ_ONCE(*sw_kshared(net, net->cfg.wake_off + 4 * (tail & mask)));
		if (id == U32_MAX) {
			daemon = true;
			continue;
		}
		s = net->socks[sock_index(net, id)];
		if (s && s->id == id)
			sock_wake(s, false);
	}
	WRITE_ONCE(net->wake_tail, head);
	/* Pairs with the image's acquire load of wake_tail before it fills an entry again. */
	smp_store_release(sw_kshared(net, net->cfg.wake_tail_off), head);
	spin_unlock(&net->wake_lock);
	if (overflow)
		sw_wake_all(net);
	if (daemon || overflow)
		sw_net_raise(net, SW_EVENT_KICK);
}

/* The image's acquire load of closed_head (closed_take) pairs with the release store here. */
void sw_closed_push(struct sw_net *net, u32 id)
{
	u32 mask = net->cfg.sock_count - 1;

	if (!sw_net_enter(net))
		return;
	spin_lock(&net->closed_lock);
	WRITE_ONCE(*sw_kshared(net, net->cfg.closed_off + 4 * (net->closed_head & mask)), id);
	smp_store_release(sw_kshared(net, net->cfg.closed_head_off), ++net->closed_head);
	spin_unlock(&net->closed_lock);
	sw_net_leave(net);
	sw_net_raise(net, SW_EVENT_CLOSED);
}

/*
 * Sleep against wake: here `waiters` is stored, then `events` loaded; the image stores `events`,
 * then takes `waiters` (sock_ready_publish). With a full barrier on each side one sees the other.
 */
static __poll_t sock_poll(struct file *file, poll_table *pt)
{
	struct sw_sock *s = file->private_data;
	struct sw_net *net = s->net;
	u32 idx = sock_index(net, s->id);
	__poll_t mask;

	poll_wait(file, &s->wait, pt);
	if (READ_ONCE(net->dead) || !sw_net_enter(net))
		return EPOLLERR | EPOLLHUP;
	WRITE_ONCE(*READY_WAITERS(net, idx), 1);
	smp_mb();
	mask = (__force __poll_t)READ_ONCE(*READY_EVENTS(net, idx));
	sw_net_leave(net);
	return mask & (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM |
		       EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP);
}

static int sock_release(struct inode *inode, struct file *file)
{
	struct sw_sock *s = file->private_data;
	struct sw_net *net = s->net;

	spin_lock(&net->wake_lock);
	net->socks[sock_index(net, s->id)] = NULL;
	spin_unlock(&net->wake_lock);
	sw_closed_push(net, s->id);
	sw_net_put(net);
	kfree(s);
	return 0;
}

static long sock_info(struct sw_sock *s, struct sw_sock_info __user *to)
{
	struct sw_client *client = sw_client_find(current->mm, s->net);
	struct sw_sock_info info = {.sock_id = s->id, .client_id = client ? client->id : 0};

	strscpy(info.net, s->net->cfg.name, sizeof(info.net));
	if (client)
		sw_client_unuse(client);
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static long sock_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct sw_sock *s = file->private_data;
	struct sw_client *client;

	switch (cmd) {
	case SW_IOC_EXIT:
		return sw_exit();
	case SW_IOC_YIELD:
		return sw_yield();
	}
	if (sw_in_upcall())
		return -EBUSY;
	switch (cmd) {
	case SW_IOC_ENTER:
		client = sw_client_find(current->mm, s->net);
		if (!client)
			return READ_ONCE(s->net->dead) ? -ENETDOWN : -ENOTCONN;
		return sw_enter(file, client, s->id, arg);
	case SW_IOC_SOCK_INFO:
		return sock_info(s, (void __user *)arg);
	}
	return -ENOTTY;
}

static void sock_fdinfo(struct seq_file *m, struct file *file)
{
	struct sw_sock *s = file->private_data;

	seq_printf(m, "sandwire-net:\t%s\nsandwire-socket:\t%u\n", s->net->cfg.name, s->id);
}

const struct file_operations sw_sock_fops = {
	.owner = THIS_MODULE,
	.release = sock_release,
	.poll = sock_poll,
	.unlocked_ioctl = sock_ioctl,
	.show_fdinfo = sock_fdinfo,
};

/* A new descriptor for the id, or -errno and the id is in the closed ring (it has no other one). */
long sw_sock_fd(struct sw_net *net, u32 id, unsigned int flags)
{
	struct sw_sock *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	u32 idx = sock_index(net, id);
	struct file *file;
	int fd, rc = -ENOMEM;

	if (!s)
		goto closed;
	s->net = net;
	s->id = id;
	init_waitqueue_head(&s->wait);
	fd = get_unused_fd_flags(flags & O_CLOEXEC);
	rc = fd;
	if (fd < 0)
		goto free;
	spin_lock(&net->wake_lock);
	rc = net->socks[idx] || !net->kshared ? -EBUSY : 0;
	if (!rc)
		net->socks[idx] = s;
	spin_unlock(&net->wake_lock);
	if (rc)
		goto put_fd;
	file = anon_inode_getfile("[sandwire]", &sw_sock_fops, s, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		spin_lock(&net->wake_lock);
		net->socks[idx] = NULL;
		spin_unlock(&net->wake_lock);
		goto put_fd;
	}
	refcount_inc(&net->ref);
	this_cpu_inc(sw_stats.sockets);
	fd_install(fd, file);
	return fd;
put_fd:
	put_unused_fd(fd);
free:
	kfree(s);
closed:
	if (rc != -EBUSY)
		sw_closed_push(net, id);
	return rc;
}
