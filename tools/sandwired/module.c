/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The net file of sandwire.ko: what the module must know of the segment, and the events it has for
 * the daemon. Upcall mode only. Called by net_up.c, clients.c, turn.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sandbox/ctx.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "upcall/kmod/sandwire_uapi.h"

#define EVENTS 256u /* taken before the loop goes on with the rest */

int module_map(struct net *net, const struct segment_region *r)
{
	struct sw_net_map m = {.addr = SEG_BASE + r->off, .len = r->len, .prot = (uint32_t)r->prot};

	if (net->module.fd < 0 || !(r->use & SEGMENT_UPCALL))
		return 0;
	return ioctl(net->module.fd, SW_IOC_NET_MAP, &m) ? -errno : 0;
}

int module_unmap(struct net *net, uint64_t off, uint64_t len)
{
	struct sw_net_map m = {.addr = SEG_BASE + off, .len = len};

	if (net->module.fd < 0)
		return 0;
	return ioctl(net->module.fd, SW_IOC_NET_UNMAP, &m) ? -errno : 0;
}

int module_irq(struct net *net, int fd, int port)
{
	struct sw_net_irq irq = {
		.fd = fd,
		.cookie = (uint32_t)port,
		.frames = net->conf.irq_frames,
		.time_us = net->conf.irq_time,
	};

	if (net->module.fd < 0 || !net->conf.irq_frames)
		return -EOPNOTSUPP;
	return ioctl(net->module.fd, SW_IOC_NET_IRQ, &irq) ? -errno : 0;
}

void module_wake(struct net *net)
{
	const struct seg_kshared *ks = image_kshared();

	if (__atomic_load_n(&ks->wake_head, __ATOMIC_ACQUIRE) !=
		    __atomic_load_n(&ks->wake_tail, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&ks->wake_overflow, __ATOMIC_RELAXED))
		ioctl(net->module.fd, SW_IOC_NET_WAKE);
}

void module_adopt_all(struct net *net)
{
	for (unsigned i = 0; i < SEG_CTX_COUNT; i++) {
		if (ioctl(net->module.fd, SW_IOC_NET_ADOPT)) {
			if (errno == EAGAIN) /* waits for what another orphan holds */
				continue;
			if (errno != ENOENT)
				log_error("adopting an upcall: %s", strerror(errno));
			return;
		}
		net->adopted++;
	}
}

static void event(struct net *net, const struct sw_event *e)
{
	struct client *c;

	switch (e->type) {
	case SW_EVENT_ORPHAN:
		module_adopt_all(net);
		break;
	case SW_EVENT_CLIENT_GONE:
		c = e->id < SEG_CLIENT_MAX ? net->clients[e->id] : NULL;
		if (c)
			client_gone(c);
		break;
	case SW_EVENT_FAULT:
		log_error("the image faulted in an upcall of client %u: the net is down", e->id);
		image_give_up(); /* the stack lock may be lost with it */
		net->loop.stop = true;
		break;
	case SW_EVENT_IRQ:
		ports_fired(net);
		break;
	default: /* CLOSED, KICK: the turn that follows sees to it */
		break;
	}
}

static void module_ready(void *arg, uint32_t events)
{
	struct net *net = arg;
	struct sw_event e;

	(void)events;
	for (unsigned i = 0; i < EVENTS; i++) {
		if (ioctl(net->module.fd, SW_IOC_NET_EVENT, &e) || e.type == SW_EVENT_NONE)
			return;
		net->module_events++;
		event(net, &e);
	}
}

static void describe(const struct net *net, struct sw_net_create *c)
{
	const struct seg_header *hdr = image_header();

	*c = (struct sw_net_create){
		.slot_base = SEG_BASE,
		.entry = hdr->entry,
		.fault_fixup = hdr->fault_fixup,
		.copy_start = hdr->copy_start,
		.copy_end = hdr->copy_end,
		/* All but context 0, which is the daemon's own. */
		.ctx_addr = SEG_BASE + SEG_CTX_OFF + SEG_CTX_STRIDE,
		.ctx_stride = SEG_CTX_STRIDE,
		.stack_addr = SEG_BASE + SEG_STACK_OFF + SEG_STACK_STRIDE,
		.stack_stride = SEG_STACK_STRIDE,
		.kshared_addr = SEG_BASE + SEG_KSHARED_OFF,
		.ctx_count = SEG_CTX_COUNT - 1,
		.sock_count = SEG_SOCK_COUNT,
		.wake_entries = SEG_WAKE_ENTRIES,
		.wake_head_off = offsetof(struct seg_kshared, wake_head),
		.wake_tail_off = offsetof(struct seg_kshared, wake_tail),
		.wake_overflow_off = offsetof(struct seg_kshared, wake_overflow),
		.wake_off = offsetof(struct seg_kshared, wake),
		.closed_head_off = offsetof(struct seg_kshared, closed_head),
		.closed_tail_off = offsetof(struct seg_kshared, closed_tail),
		.closed_off = offsetof(struct seg_kshared, closed),
		.ready_off = offsetof(struct seg_kshared, ready),
	};
	snprintf(c->name, sizeof(c->name), "%s", net->conf.name);
}

static int open_device(struct failure *f)
{
	struct sw_info info;
	int fd = open(SW_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		failed(f, "mode upcall", "%s: %s", SW_DEVICE,
		       errno == ENOENT ? "the module sandwire.ko is not loaded" : strerror(errno));
		failure_hint(f, "modprobe sandwire, or --mode server, which needs no module");
		return -1;
	}
	if (ioctl(fd, SW_IOC_INFO, &info) || info.abi_version != SW_ABI_VERSION) {
		failed(f, "mode upcall", "the loaded sandwire.ko is of another version");
		failure_hint(f, "rmmod sandwire; modprobe sandwire");
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Everybody waits for a lock that the daemon holds, and for an orphan that holds one, which only
 * the daemon can finish: no busy program may keep it from the CPU. In other modes no program waits
 * for it like that.
 */
static void become_realtime(struct net *net)
{
	struct sched_param p = {.sched_priority = 1};

	net->loop.realtime = !sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
	if (!net->loop.realtime)
		log_error("no real-time priority (%s): busy programs can delay the net",
			  strerror(errno));
}

static void fault_again(int sig)
{
	(void)sig;
}

/*
 * An adopted upcall leaves by a fault that only the module sees (entry.S); the kernel would log it
 * for a process without a handler. One that is ours comes again and finds none.
 */
static void expect_faults(void)
{
	struct sigaction sa = {.sa_handler = fault_again, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGSEGV, &sa, NULL);
}

int module_open(struct net *net, struct failure *f)
{
	struct sw_net_create create;
	int fd = open_device(f), r;

	net->module.fd = -1;
	if (fd < 0)
		return -1;
	describe(net, &create);
	if (ioctl(fd, SW_IOC_NET_CREATE, &create)) {
		failed(f, SW_DEVICE, "the module refuses the net: %s", strerror(errno));
		if (errno == EPERM)
			failure_hint(f, "be root (CAP_NET_ADMIN); dmesg may say more");
		else
			failure_hint(f, "dmesg says more");
		close(fd);
		return -1;
	}
	r = loop_add(&net->loop, &net->module, fd, EPOLLIN, module_ready, net);
	if (r) {
		close(fd);
		return failed_errno(f, SW_DEVICE, -r);
	}
	become_realtime(net);
	expect_faults();
	ctx_at(0)->fd = (uint32_t)fd; /* sandbox_relax adopts by it */
	for (unsigned i = 0; i < net->seg.n_regions; i++) {
		const struct segment_region *region = &net->seg.region[i];

		r = module_map(net, region);
		if (!r)
			continue;
		failed(f, SW_DEVICE, "the module refuses the region %s at 0x%llx: %s", region->name,
		       (unsigned long long)region->off, strerror(-r));
		module_close(net);
		return -1;
	}
	return 0;
}

void module_close(struct net *net)
{
	int fd = net->module.fd;

	if (fd < 0)
		return;
	ctx_at(0)->fd = 0;
	loop_del(&net->loop, &net->module);
	close(fd);
}
