/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing a net up, stage by stage, and taking it down in the reverse order; a stage that fails
 * undoes the ones before it. Called by main.c; what each stage takes is in net.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/image_load.h"
#include "tools/cidr.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/image_path.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "tools/say.h"
#include "upcall/kmod/sandwire_uapi.h"
#include "vfio/vfio.h"

/* ---- what can be refused before anything is taken ---- */

static int mode_up(struct net *net, struct failure *f)
{
	bool there = !access(SW_DEVICE, F_OK), usable = !access(SW_DEVICE, R_OK | W_OK);

	net->mode = net->conf.mode;
	if (!net->mode)
		net->mode = usable ? SEG_MODE_UPCALL : SEG_MODE_SERVER;
	if (net->mode != SEG_MODE_UPCALL || usable)
		return 0;
	failed(f, "mode upcall", "%s: %s", SW_DEVICE,
	       there ? "not permitted" : "the module sandwire.ko is not loaded");
	if (there)
		return failure_hint(f, "be root");
	return failure_hint(f, "modprobe sandwire, or --mode server, which needs no module");
}

/* The NUMA node of the first NIC; a NIC that is not there ends it here. */
static int find_node(struct net *net, int *node, struct failure *f)
{
	*node = -1;
	for (unsigned i = 0; i < net->conf.n_ports; i++) {
		const struct port_spec *p = &net->conf.ports[i];
		struct pci_device pci;
		struct vfio_error e;
		int r;

		if (p->kind != PORT_PCI)
			continue;
		r = pci_identify(&pci, p->name);
		if (r) {
			pci_identify_error(&e, p->name, r);
			failed(f, e.what, "%s", e.why);
			return failure_hint(f, "%s", e.hint);
		}
		if (*node < 0)
			*node = pci.numa_node;
	}
	return 0;
}

/* ---- the stages ---- */

static int dir_up(struct net *net, struct failure *f)
{
	return rundir_claim(&net->dir, net->conf.name, net->conf.ports, net->conf.n_ports, f);
}

static void dir_down(struct net *net)
{
	rundir_release(&net->dir);
}

static int log_up(struct net *net, struct failure *f)
{
	int fd = rundir_create(&net->dir, "log");

	if (fd < 0)
		return failed_errno(f, "log", -fd);
	log_open(fd, net->conf.foreground, (enum log_level)net->conf.log_level);
	return 0;
}

static void log_down(struct net *net)
{
	(void)net;
	log_close();
}

static void signal_came(void *arg, uint32_t events)
{
	struct net *net = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(net->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_info("signal %u, going down", info.ssi_signo);
	net->loop.stop = true;
}

static int loop_up(struct net *net, struct failure *f)
{
	struct rlimit files;
	sigset_t set;
	int fd, r = loop_init(&net->loop);

	if (r)
		return failed_errno(f, "epoll", -r);
	/* Each descriptor of server and direct mode is one of ours, too. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = fd < 0 ? -errno : loop_add(&net->loop, &net->signals, fd, EPOLLIN, signal_came, net);
	net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	net->loop.after = net_after;
	net->loop.arg = net;
	return r ? failed_errno(f, "signals", -r) : 0;
}

static void loop_down(struct net *net)
{
	int fd = net->signals.fd;

	loop_del(&net->loop, &net->signals);
	if (fd >= 0)
		close(fd);
	if (net->spare_fd >= 0)
		close(net->spare_fd);
	loop_free(&net->loop);
}

static int segment_failed(const struct segment_error *e, struct failure *f)
{
	failed(f, e->what, "%s", e->why);
	if (e->hint[0])
		failure_hint(f, "%s", e->hint);
	return -1;
}

static int segment_up(struct net *net, struct failure *f)
{
	struct segment_conf conf = {.size = (uint64_t)net->conf.mem << 20,
				    .page_size = config_page_size(&net->conf),
				    .mode = (enum seg_mode)net->mode,
				    .net = net->conf.name};
	struct segment_error e = {.what = ""};
	char path[512];

	if (find_node(net, &conf.numa_node, f) || image_path(path, sizeof(path), f))
		return -1;
	if (segment_create(&net->seg, &conf, &e))
		return segment_failed(&e, f);
	if (image_load(&net->seg, path, &e)) {
		segment_destroy(&net->seg);
		return segment_failed(&e, f);
	}
	if (net->seg.warn[0]) {
		log_info("%s", net->seg.warn);
		say_error("warning", "%s", net->seg.warn);
	}
	return 0;
}

static void segment_down(struct net *net)
{
	segment_destroy(&net->seg);
}

static int clock_up(struct net *net, struct failure *f)
{
	if (!clock_start(&net->clock))
		return failed(f, "clock", "this machine's time stamp counter does not run");
	image_header()->clock = net->clock.clock;
	net->started = net_now(net);
	return 0;
}

static int module_up(struct net *net, struct failure *f)
{
	net->module.fd = -1;
	return net->mode == SEG_MODE_UPCALL ? module_open(net, f) : 0;
}

static int image_up(struct net *net, struct failure *f)
{
	struct admin_init init = {.max_sockets = 0, .quota = net->conf.quota};
	int64_t r;

	if (getrandom(init.seed, sizeof(init.seed), 0) != (ssize_t)sizeof(init.seed))
		return failed_errno(f, "random numbers", errno);
	r = image_admin(ADMIN_INIT, IMAGE_PTR(&init), 0, 0, 0);
	memset(&init, 0, sizeof(init));
	if (r < 0) {
		failed(f, "stack", "%s", strerror((int)-r));
		return r == -ENOMEM ? failure_hint(f, "a larger --mem (%u MiB now)", net->conf.mem)
				    : -1;
	}
	return 0;
}

static void image_down(struct net *net)
{
	(void)net;
	/* Peers learn of it now (RST), programs from here on get ENETDOWN. */
	image_admin(ADMIN_SHUTDOWN, 0, 0, 0, 0);
}

static int pairs_up(struct net *net, struct failure *f)
{
	int r = pairs_init(net);

	return r ? failed_errno(f, "descriptors", -r) : 0;
}

static void ports_down(struct net *net)
{
	/* Before the ports go: what is left to say goes out, and nobody begins anything new. */
	clients_net_down(net);
	__atomic_store_n(&image_header()->failed, ENETDOWN, __ATOMIC_SEQ_CST);
	image_down(net);
	ports_close(net);
}

static int gateway_up(struct net *net, const struct ip_addr *gateway, struct failure *f)
{
	struct ip_addr any = {.family = gateway->family};
	int64_t r;

	if (!gateway->family)
		return 0;
	r = image_admin(ADMIN_ROUTE_ADD, IMAGE_PTR(&any), IMAGE_PTR(gateway),
			(uint64_t)net->ports[0].index, 0);
	return r < 0 ? failed(f, "gateway", "%s", strerror((int)-r)) : 0;
}

static int addrs_up(struct net *net, struct failure *f)
{
	char text[CIDR_TEXT];
	int64_t r;

	for (unsigned i = 0; net->conf.ipv6 == IPV6_ON && i < net->n_ports; i++) {
		r = net_ip6_up(net, net->ports[i].index);
		if (r < 0)
			return failed(f, "--ipv6 on", "%s",
				      r == -EINVAL ? "wants an MTU of 1280 or more"
						   : strerror((int)-r));
	}
	for (unsigned i = 0; i < net->conf.n_addrs; i++) {
		r = net_addr_add(net, net->ports[0].index, &net->conf.addrs[i]);
		if (r < 0)
			return failed(f, cidr_text(&net->conf.addrs[i], text, sizeof(text)), "%s",
				      strerror((int)-r));
	}
	if (net->conf.dhcp && dhcp_start(net, f))
		return -1;
	return gateway_up(net, &net->conf.gateway, f) ? -1
						      : gateway_up(net, &net->conf.gateway6, f);
}

static void nothing(struct net *net)
{
	(void)net;
}

static const struct stage {
	int (*up)(struct net *net, struct failure *f);
	void (*down)(struct net *net);
} stages[] = {
	{mode_up, nothing},	   {dir_up, dir_down},		{log_up, log_down},
	{loop_up, loop_down},	   {segment_up, segment_down},	{clock_up, nothing},
	{module_up, module_close}, {image_up, extensions_free}, {pairs_up, pairs_free},
	{ports_open, ports_down},  {addrs_up, owners_free},	{control_open, control_close},
};
#define STAGES (sizeof(stages) / sizeof(stages[0]))

int net_up(struct net *net, struct failure *f)
{
	net->signals.fd = net->module.fd = net->control.watch.fd = net->spare_fd = net->dir.fd = -1;
	for (unsigned i = 0; i < STAGES; i++) {
		if (!stages[i].up(net, f))
			continue;
		while (i-- > 0)
			stages[i].down(net);
		return -1;
	}
	log_info("net %s is up in mode %s", net->conf.name, config_mode_name(net->mode));
	return 0;
}

void net_down(struct net *net)
{
	log_info("net %s goes down", net->conf.name);
	for (unsigned i = STAGES; i-- > 0;)
		stages[i].down(net);
}

void net_spare_fd(struct net *net)
{
	int fd;

	close(net->spare_fd);
	fd = accept4(net->control.watch.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_error("no descriptors left, a program was refused");
}
