/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tap device: the stack at one end, this machine's kernel at the other. The driver in the image
 * (drivers/ring_port.c) sees two rings of frames in the port's window; here they are pumped to and
 * from the device. Called through port_tap's ops by ports.c. Frames come whole and with checksums:
 * no virtio header, no offloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/segment_map.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/ports.h"

#define PUMP_BATCH 64u

static uint64_t rings_off(const struct net_port *p)
{
	return SEG_WINDOW_OFF + (uint64_t)(p - p->net->ports) * SEG_WINDOW_STRIDE;
}

static uint32_t ring_count(const struct net_port *p)
{
	return p->spec->ring ? p->spec->ring : FRAME_RING_COUNT;
}

static uint64_t rings_size(const struct net_port *p)
{
	return (frame_rings_size(ring_count(p), frame_slot_size(p->conf.mtu)) + 4095) & ~4095ull;
}

/* Memory for the rings, in the port's window, shown to whoever runs the stack. */
static int make_rings(struct net_port *p)
{
	uint32_t count = ring_count(p), slot_size = frame_slot_size(p->conf.mtu);
	uint64_t size = rings_size(p);
	struct segment_region r = {.off = rings_off(p),
				   .len = size,
				   .prot = PROT_READ | PROT_WRITE,
				   .use = SEGMENT_UPCALL | SEGMENT_DIRECT,
				   .name = "frames"};
	int e;

	if (size > SEG_WINDOW_STRIDE)
		return -EFBIG;
	p->rings_fd = memfd_create("sandwire-frames", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (p->rings_fd < 0 || ftruncate(p->rings_fd, (off_t)size))
		return -errno;
	if (fcntl(p->rings_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	e = segment_map(r.off, size, r.prot, p->rings_fd, 0);
	if (e)
		return e;
	r.fd = p->rings_fd;
	e = segment_region_add(&p->net->seg, &r);
	if (e)
		return e;
	p->rings = (struct frame_rings *)(uintptr_t)(SEG_BASE + r.off);
	/* Every page is touched: the module's threads must not fault on them. */
	memset(p->rings, 0, size);
	e = frame_rings_init(p->rings, count, slot_size);
	if (e)
		return e;
	p->rx = frame_rings_rx(p->rings, count, slot_size);
	p->tx = frame_rings_tx(p->rings, count, slot_size);
	p->conf.shared = p->rings;
	return module_map(p->net, &r);
}

static void tap_readable(void *arg, uint32_t events)
{
	struct net_port *p = arg;

	(void)events;
	p->tap_ready = true;
}

/* A device that was made here is as wide as the net; one that was there is its owner's. */
static int set_mtu(const struct net_port *p)
{
	struct ifreq ifr = {.ifr_mtu = p->conf.mtu};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), e = 0;

	strcpy(ifr.ifr_name, p->spec->name);
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &ifr))
		e = -errno;
	if (fd >= 0)
		close(fd);
	return e;
}

static int open_device(struct net_port *p, struct failure *f)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	bool there = if_nametoindex(p->spec->name) != 0;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), e;

	if (fd < 0) {
		failed(f, p->spec->text, "/dev/net/tun: %s", strerror(errno));
		return failure_hint(f, "modprobe tun");
	}
	strcpy(ifr.ifr_name, p->spec->name);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		e = errno;
		close(fd);
		if (e == EBUSY)
			return failed(f, p->spec->text, "another program has this tap device");
		if (e == EINVAL)
			return failed(f, p->spec->text,
				      "there is an interface of that name that is no tap device");
		return failed(f, p->spec->text, "%s", strerror(e));
	}
	e = there ? 0 : set_mtu(p);
	if (!e)
		e = loop_add(&p->net->loop, &p->tap, fd, EPOLLIN | EPOLLET, tap_readable, p);
	if (!e)
		return 0;
	close(fd);
	return failed(f, p->spec->text, "%s", strerror(-e));
}

static int tap_open(struct net_port *p, struct failure *f)
{
	int e = make_rings(p);

	if (e == -EFBIG)
		return failed(f, p->spec->text,
			      "a smaller ring=: %u frames of %u bytes are too many", ring_count(p),
			      p->conf.mtu);
	if (e)
		return failed(f, p->spec->text, "memory for its frames: %s", strerror(-e));
	return open_device(p, f);
}

static void tap_close(struct net_port *p)
{
	int fd = p->tap.fd;

	loop_del(&p->net->loop, &p->tap);
	if (fd >= 0)
		close(fd);
	if (p->rings) {
		module_unmap(p->net, rings_off(p), rings_size(p));
		p->rings = NULL;
	}
	segment_region_del(&p->net->seg, rings_off(p));
	if (p->rings_fd >= 0)
		close(p->rings_fd);
	p->rings_fd = -1;
}

/* The device was deleted (its network namespace went away): the link is down for good. */
static void device_gone(struct net_port *p)
{
	int fd = p->tap.fd;

	log_error("%s: the device was taken away", p->spec->text);
	loop_del(&p->net->loop, &p->tap);
	close(fd);
	p->tap_gone = true;
	__atomic_store_n(&p->rings->link_up, 0, __ATOMIC_RELAXED);
}

static unsigned tap_take(struct net_port *p)
{
	unsigned n = 0;

	frame_rings_awake(p->rings);
	while (p->tap_ready && !p->tap_gone && n < PUMP_BATCH) {
		uint8_t *to = frame_ring_room(&p->rx);
		ssize_t len;

		if (!to) /* the stack has the next turn, the device its own queue */
			break;
		len = read(p->tap.fd, to, frame_ring_most(&p->rx));
		if (len > 0) {
			frame_ring_commit(&p->rx, (uint32_t)len);
			n++;
			continue;
		}
		p->tap_ready = false;
		if (len < 0 && errno == EBADFD)
			device_gone(p);
	}
	return n;
}

static unsigned tap_give(struct net_port *p)
{
	const uint8_t *frame;
	unsigned n;
	int len;

	for (n = 0; n < 4 * PUMP_BATCH; n++) {
		len = frame_ring_peek(&p->tx, &frame);
		if (!len || len == -EPROTO)
			break;
		/* EIO: the interface is down. A wire that is not there loses frames, too. */
		if (len < 0 || p->tap_gone || write(p->tap.fd, frame, (size_t)len) < 0) {
			p->net->tap_drops++;
			if (len > 0 && !p->tap_gone && errno == EBADFD)
				device_gone(p);
		}
		frame_ring_drop(&p->tx);
	}
	return n;
}

static bool tap_arm(struct net_port *p)
{
	/* Edge-triggered: what is not read out now is not announced again. */
	if (p->tap_ready && !p->tap_gone && frame_ring_room(&p->rx))
		return true;
	return !frame_rings_sleep(p->rings, &p->tx);
}

const struct net_port_ops port_tap = {
	.open = tap_open,
	.close = tap_close,
	.take = tap_take,
	.give = tap_give,
	.arm = tap_arm,
};
