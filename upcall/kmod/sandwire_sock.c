// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket files and the two rings shared with the image. A socket file is something to wait on with
 * an id: what the id means is the image's business. Called by the kernel's file layer, and by
 * sandwire_upcall.c when an upcall ends.
 *
 * No index read from shared memory is trusted: ours live in struct sw_net and are only published.
 * Whoever touches kshared is inside the net.
 */
#include <linux/anon_inodes.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/seq_file.h>
#include "sandwire.h"

#define POLL_EVENTS                                                                                \
	(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLRDBAND |         \
	 EPOLLWRNORM | EPOLLWRBAND | EPOLLRDHUP)

/* A word of seg_kshared; offsets were checked when the net was made. */
static u32 *shared(struct sw_net *net, u32 off)
{
	return (u32 *)(net->kshared + off);
}

static u32 sock_index(struct sw_net *net, u32 id)
{
	return id & (net->cfg.sock_count - 1);
}

static u32 *ready_events(struct sw_net *net, u32 id)
{
	return shared(net, net->cfg.ready_off + 8 * sock_index(net, id));
}

void sw_wake_all(struct sw_net *net)
{
	u32 i;

	spin_lock(&net->wake_lock);
	for (i = 0; i < net->cfg.sock_count; i++)
		if (net->socks[i])
			wake_up_all(&net->socks[i]->wait);
	spin_unlock(&net->wake_lock);
}

/*
 * Takes what the image put into the wake ring. The image publishes wake_head with a release store
 * after the entries (wake_push); the acquire load here pairs with it.
 */
sw_hot void sw_wake_drain(struct sw_net *net)
{
	const struct sw_net_create *c = &net->cfg;
	bool daemon = false, overflow;
	u32 head, tail, id, *flag;
	struct sw_file *s;

	if (!smp_load_acquire(&net->kshared))
		return;
	flag = shared(net, c->wake_overflow_off);
	overflow = READ_ONCE(*flag) && xchg(flag, 0);
	if (READ_ONCE(net->wake_tail) == READ_ONCE(*shared(net, c->wake_head_off)) && !overflow)
		return;
	spin_lock(&net->wake_lock);
	head = smp_load_acquire(shared(net, c->wake_head_off));
	tail = net->wake_tail;
	if (head - tail > c->wake_entries) {
		overflow = true;
		tail = head;
	}
	for (; tail != head; tail++) {
		id = READ_ONCE(*shared(net, c->wake_off + 4 * (tail & (c->wake_entries - 1))));
		daemon |= id == U32_MAX;
		s = net->socks[sock_index(net, id)];
		if (s && s->id == id && wq_has_sleeper(&s->wait))
			wake_up_poll(&s->wait, (__force __poll_t)READ_ONCE(*ready_events(net, id)) |
						       EPOLLERR | EPOLLHUP);
	}
	WRITE_ONCE(net->wake_tail, head);
	/* Pairs with the image's acquire load of wake_tail before it fills an entry again. */
	smp_store_release(shared(net, c->wake_tail_off), head);
	spin_unlock(&net->wake_lock);
	if (overflow)
		sw_wake_all(net);
	if (daemon || overflow)
		sw_net_raise(net, SW_EVENT_KICK);
}

/* The image's acquire load of closed_head (closed_take) pairs with the release store here. */
void sw_closed_push(struct sw_net *net, u32 id)
{
	if (!sw_net_enter(net))
		return;
	spin_lock(&net->closed_lock);
	WRITE_ONCE(*shared(net, net->cfg.closed_off + 4 * sock_index(net, net->closed_head)), id);
	smp_store_release(shared(net, net->cfg.closed_head_off), ++net->closed_head);
	spin_unlock(&net->closed_lock);
	sw_net_raise(net, SW_EVENT_CLOSED);
	sw_net_leave(net);
}

/*
 * Sleep against wake: here `waiters` is stored, then `events` loaded; the image stores `events`,
 * then takes `waiters` (sock_ready_publish). With a full barrier on each side one sees the other.
 */
static __poll_t sock_poll(struct file *file, poll_table *pt)
{
	struct sw_file *s = file->private_data;
	u32 *ready, events;

	poll_wait(file, &s->wait, pt);
	if (READ_ONCE(s->net->dead) || !sw_net_enter(s->net))
		return EPOLLERR | EPOLLHUP;
	ready = ready_events(s->net, s->id);
	WRITE_ONCE(ready[1], 1);
	smp_mb();
	events = READ_ONCE(ready[0]);
	sw_net_leave(s->net);
	return (__force __poll_t)events & POLL_EVENTS;
}

static bool sock_place(struct sw_net *net, u32 id, struct sw_file *old, struct sw_file *new)
{
	struct sw_file **place = &net->socks[sock_index(net, id)];
	bool done;

	spin_lock(&net->wake_lock);
	done = *place == old;
	if (done)
		*place = new;
	spin_unlock(&net->wake_lock);
	return done;
}

static int sock_release(struct inode *inode, struct file *file)
{
	struct sw_file *s = file->private_data;

	sock_place(s->net, s->id, s, NULL);
	sw_closed_push(s->net, s->id);
	sw_net_put(s->net);
	kfree(s);
	return 0;
}

static void sock_fdinfo(struct seq_file *m, struct file *file)
{
	struct sw_file *s = file->private_data;

	seq_printf(m, "sandwire-net:\t%s\nsandwire-socket:\t%u\n", s->net->cfg.name, s->id);
}

static const struct file_operations sock_fops = {
	.owner = THIS_MODULE,
	.release = sock_release,
	.poll = sock_poll,
	.llseek = sw_llseek,
	.unlocked_ioctl = sw_ioctl,
	.show_fdinfo = sock_fdinfo,
};

/* A new descriptor for the id, or -errno and the id is in the closed ring (it has no other one). */
long sw_sock_fd(struct sw_net *net, u32 id, unsigned int flags)
{
	struct sw_file *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	struct file *file;
	int fd = -ENOMEM;

	if (!s)
		goto closed;
	s->net = net;
	s->id = id;
	init_waitqueue_head(&s->wait);
	if (!sock_place(net, id, NULL, s)) {
		kfree(s);
		return -EBUSY;
	}
	fd = get_unused_fd_flags(flags & O_CLOEXEC);
	if (fd < 0)
		goto free;
	file = anon_inode_getfile("[sandwire]", &sock_fops, s, O_RDWR | (flags & O_NONBLOCK));
	if (!IS_ERR(file)) {
		refcount_inc(&net->ref);
		this_cpu_inc(sw_stats.sockets);
		fd_install(fd, file);
		return fd;
	}
	put_unused_fd(fd);
	fd = PTR_ERR(file);
free:
	sock_place(net, id, s, NULL);
	kfree(s);
closed:
	sw_closed_push(net, id);
	return fd;
}
