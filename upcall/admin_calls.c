/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only the daemon may ask of the sandbox: build it, ports, addresses, rows to show, captures,
 * serving a client's slot, the end. Called by entry.c for client 0 by plain call; pointers in the
 * arguments are the daemon's own memory and trusted. All of it in the daemon's context.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "drivers/capture.h"
#include "sandbox/clock.h"
#include "sandbox/ext_host.h"
#include "sandbox/lock.h"
#include "upcall/calls.h"
#include "upcall/entry.h"

#define MIB		(1ull << 20)
#define RINGS_MAX	(PORT_MAX * MIB) /* of the DMA part, kept back for descriptor rings */
#define SHUTDOWN_ROUNDS 200u

#define PTR(type, arg) ((type *)(uintptr_t)(arg))

struct admin_port {
	struct port port;
	void *priv; /* from the objects arena, which takes nothing back: used again */
	size_t priv_size;
	struct capture tap[SEG_CAPTURE_COUNT];
};

static struct admin_port ports[PORT_MAX];
static struct {
	struct capture_writer writer;
	bool on;
	uint64_t port; /* index, or >= PORT_MAX: all */
} captures[SEG_CAPTURE_COUNT];

/* ---- building ------------------------------------------------------------------------------ */

static void ops_set_now(void *stack, uint64_t now)
{
	stack_set_now(stack, now);
}

static void ops_input(void *stack, struct port *port, struct pktbuf **batch, unsigned n)
{
	stack_input(stack, port, batch, n);
}

static bool ops_timers(void *stack, unsigned budget)
{
	return stack_timers(stack, budget);
}

static void ops_output(void *stack)
{
	stack_output(stack);
}

static uint64_t ops_deadline(void *stack)
{
	return stack_deadline(stack);
}

static const struct turn_ops stack_ops = {
	.set_now = ops_set_now,
	.input = ops_input,
	.timers = ops_timers,
	.output = ops_output,
	.deadline = ops_deadline,
	.closed = call_closed,
};

static int make_pktbufs(struct sandbox *sb, uint32_t count)
{
	uint64_t rings = sb->dma.size / 4 < RINGS_MAX ? sb->dma.size / 4 : RINGS_MAX;
	struct pktbuf *headers;
	uint8_t *data;

	if (!count)
		count = (uint32_t)((sb->dma.size - rings) / PKTBUF_SIZE);
	headers = arena_take(&sb->objects, (size_t)count * sizeof(*headers), SEG_CACHE_LINE);
	data = arena_take(&sb->dma, (size_t)count * PKTBUF_SIZE, 4096);
	if (!headers || !data)
		return -ENOMEM;
	pktbuf_pool_init(&sb->pktbufs, headers, data, (uint64_t)(uintptr_t)data - SEG_BASE, count);
	return 0;
}

/* The daemon sends signals: the end of this turn calls it, and this it sees without a call. */
static void signal_owed(void *arg)
{
	struct sandbox *sb = arg;

	/* Release: who sees it (signals_taken, acquire) finds the socket in the stack's list. */
	__atomic_store_n(&sb->ks->signals_owed, 1, __ATOMIC_RELEASE);
	sb->kick_daemon = true;
}

/* As many sockets as fit, to an eighth, where the number was left to us. */
static int make_stack(struct sandbox *sb, const struct admin_init *init)
{
	struct stack_conf conf = {
		.env = {.ready = sock_ready_publish, .signal = signal_owed, .arg = sb},
		.pool = &sb->pktbufs,
		.now = turn_clock(sb),
		.quota = init->quota,
		.max_sockets = init->max_sockets ? init->max_sockets : SEG_SOCK_COUNT,
	};
	size_t mark = sb->objects.used;

	memcpy(conf.seed, init->seed, sizeof(conf.seed));
	for (;; conf.max_sockets -= conf.max_sockets / 8) {
		int ret = 0;

		sb->objects.used = mark;
		if (sb->hdr->mode == SEG_MODE_SERVER)
			ret = grants_init(&grants, &sb->objects, conf.max_sockets);
		sb->stack = ret ? NULL : stack_create(&sb->objects, &conf);
		if (sb->stack)
			return 0;
		if (init->max_sockets || conf.max_sockets <= 64)
			return -ENOMEM;
	}
}

static int64_t admin_init(struct ctx *ctx, struct call_slot *s)
{
	const struct admin_init *init = PTR(const struct admin_init, s->arg[0]);
	struct sandbox *sb = &sandbox;
	int ret;

	if (sb->stack)
		return -EEXIST;
	memset(sb, 0, sizeof(*sb));
	sb->hdr = PTR(struct seg_header, SEG_BASE);
	sb->ks = PTR(struct seg_kshared, SEG_BASE + SEG_KSHARED_OFF);
	sb->relax = sandbox_relax;
	sb->ops = &stack_ops;
	sb->daemon_wakes_at = UINT64_MAX;
	sb->objects.base = PTR(uint8_t, SEG_BASE + SEG_HEAP_OFF);
	sb->objects.size = sb->hdr->dma_off - SEG_HEAP_OFF;
	sb->dma.base = PTR(uint8_t, SEG_BASE + sb->hdr->dma_off);
	sb->dma.size = sb->hdr->dma_size;
	ret = make_pktbufs(sb, init->pktbufs);
	if (!ret)
		ret = make_stack(sb, init);
	if (!ret)
		sb->hdr->stack = (uint64_t)(uintptr_t)sb->stack;
	return ret;
}

/* ---- ports --------------------------------------------------------------------------------- */

static struct port *port_at(uint64_t index)
{
	return index < PORT_MAX ? sandbox.ports[index] : NULL;
}

static struct dma_mem port_dma_alloc(void *arg, size_t size)
{
	struct dma_mem m = {.size = (size + 4095) & ~(size_t)4095};

	m.va = arena_take(&sandbox.dma, m.size, 4096);
	m.iova = (uint64_t)(uintptr_t)m.va - SEG_BASE;
	return m;
}

static uint64_t port_clock_ns(void)
{
	return clock_read(&sandbox.hdr->clock);
}

static void capture_port(unsigned slot, struct port *port)
{
	struct capture *tap = &ports[port->index].tap[slot];

	if (captures[slot].port < PORT_MAX && captures[slot].port != port->index)
		return;
	capture_tap_init(tap, &captures[slot].writer);
	capture_attach(port, tap);
}

static int64_t start_port(struct admin_port *ap, unsigned index, const struct port_conf *conf)
{
	const struct port_ops *ops = conf->pci_vendor
					     ? port_driver_pci(conf->pci_vendor, conf->pci_device)
					     : port_driver_kind(conf->kind);
	int ret;

	if (!ops)
		return -ENODEV;
	if (ap->priv_size < ops->priv_size) {
		ap->priv = arena_take(&sandbox.objects, ops->priv_size, SEG_CACHE_LINE);
		ap->priv_size = ap->priv ? ops->priv_size : 0;
	}
	if (ops->priv_size && !ap->priv)
		return -ENOMEM;
	if (ops->priv_size)
		memset(ap->priv, 0, ops->priv_size);
	memset(&ap->port, 0, sizeof(ap->port));
	ap->port.conf = *conf;
	ap->port.index = index;
	ap->port.pool = &sandbox.pktbufs;
	ap->port.dma_alloc = port_dma_alloc;
	ap->port.clock_ns = port_clock_ns;
	ret = port_start(&ap->port, ops, ap->priv);
	if (ret)
		return ret;
	sandbox.ports[index] = &ap->port;
	sandbox.n_ports++;
	stack_port_add(sandbox.stack, &ap->port);
	for (unsigned i = 0; i < SEG_CAPTURE_COUNT; i++)
		if (captures[i].on)
			capture_port(i, &ap->port);
	return index;
}

/* Under the lock, though a start can take long: it fills rings from the common pool. */
static int64_t admin_port_add(struct ctx *ctx, struct call_slot *s)
{
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (!sandbox.ports[i])
			return start_port(&ports[i], i, PTR(const struct port_conf, s->arg[0]));
	return -ENOSPC;
}

static int64_t admin_port_del(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	if (!port)
		return -ENODEV;
	for (unsigned i = 0; i < SEG_CAPTURE_COUNT; i++)
		capture_detach(port, &ports[port->index].tap[i]);
	stack_port_del(sandbox.stack, port);
	port_stop(port);
	sandbox.ports[port->index] = NULL;
	sandbox.n_ports--;
	return 0;
}

static int64_t admin_port_irq(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	if (!port)
		return -ENODEV;
	if (port->running && port->ops->irq)
		port->ops->irq(port, s->arg[1]);
	return 0;
}

static int64_t admin_port_row(struct ctx *ctx, struct call_slot *s)
{
	struct admin_port_row *row = PTR(struct admin_port_row, s->arg[1]);
	struct port *port = port_at(s->arg[0]);

	_Static_assert(sizeof(port->stats) <= sizeof(row->stats), "all counters fit");
	if (!port)
		return -ENODEV;
	memset(row, 0, sizeof(*row));
	memcpy(row->kind, port->conf.kind, sizeof(row->kind));
	memcpy(row->name, port->conf.name, sizeof(row->name));
	memcpy(row->mac, port->mac, sizeof(row->mac));
	row->mtu = port->mtu;
	row->caps = port->caps;
	row->link_mbps = port->link_mbps;
	row->rx_held = port->rx_held;
	row->link_up = port->link_up;
	row->running = port->running;
	memcpy(row->stats, &port->stats, sizeof(port->stats));
	return 0;
}

/* ---- addresses, routes, rows --------------------------------------------------------------- */

static int64_t admin_ip6_up(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	return port ? stack_ip6_up(sandbox.stack, port, PTR(const struct stack_ip6_conf, s->arg[1]))
		    : -ENODEV;
}

static int64_t admin_addr_add(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	return port ? stack_addr_add(sandbox.stack, port, PTR(const struct ip_addr, s->arg[1]))
		    : -ENODEV;
}

static int64_t admin_addr_del(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	return port ? stack_addr_del(sandbox.stack, port, PTR(const struct ip_addr, s->arg[1]))
		    : -ENODEV;
}

static int64_t admin_route_add(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[2]);

	if (!port)
		return -ENODEV;
	return stack_route_add(sandbox.stack, PTR(const struct ip_addr, s->arg[0]),
			       PTR(const struct ip_addr, s->arg[1]), port, (uint32_t)s->arg[3]);
}

static int64_t admin_route_del(struct ctx *ctx, struct call_slot *s)
{
	return stack_route_del(sandbox.stack, PTR(const struct ip_addr, s->arg[0]),
			       PTR(const struct ip_addr, s->arg[1]));
}

static int64_t admin_addr_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_addr_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			      PTR(struct addr_row, s->arg[1]));
}

static int64_t admin_route_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_route_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			       PTR(struct route_row, s->arg[1]));
}

static int64_t admin_neigh_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_neigh_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			       PTR(struct neigh_row, s->arg[1]));
}

static int64_t admin_sock_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_sock_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			      PTR(struct sock_row, s->arg[1]));
}

static int64_t admin_pool_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_pool_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			      PTR(struct pool_row, s->arg[1]));
}

static int64_t admin_user_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_user_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			      PTR(struct user_row, s->arg[1]));
}

static int64_t admin_dhcp_start(struct ctx *ctx, struct call_slot *s)
{
	struct port *port = port_at(s->arg[0]);

	return port ? stack_dhcp_start(sandbox.stack, port) : -ENODEV;
}

static int64_t admin_dhcp_row(struct ctx *ctx, struct call_slot *s)
{
	return stack_dhcp_row(sandbox.stack, PTR(uint32_t, s->arg[0]),
			      PTR(struct dhcp_row, s->arg[1]));
}

/* The stack's counters, then the sandbox's own. */
static int64_t admin_counter(struct ctx *ctx, struct call_slot *s)
{
	const struct {
		const char *name;
		uint64_t value;
	} own[] = {
		{"SandboxTurns", sandbox.turns},
		{"SandboxFramesIn", sandbox.frames_in},
		{"SandboxLockContended", sandbox.lock_contended},
		{"SandboxDaemonKicks", sandbox.kicks},
		{"SandboxInterruptUpcalls", sandbox.interrupts},
	};
	const char **name = PTR(const char *, s->arg[1]);
	uint64_t *value = PTR(uint64_t, s->arg[2]);
	uint32_t first = 0, i = (uint32_t)s->arg[0];

	*name = stack_counter(sandbox.stack, i, value);
	if (*name)
		return 0;
	while (stack_counter(sandbox.stack, first, value))
		first++;
	*value = 0;
	if (i - first >= sizeof(own) / sizeof(own[0]))
		return 0;
	*name = own[i - first].name;
	*value = own[i - first].value;
	return 0;
}

/* ---- captures ------------------------------------------------------------------------------ */

static int64_t admin_capture_stop(struct ctx *ctx, struct call_slot *s)
{
	if (s->arg[0] >= SEG_CAPTURE_COUNT)
		return -EINVAL;
	captures[s->arg[0]].on = false;
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (sandbox.ports[i])
			capture_detach(sandbox.ports[i], &ports[i].tap[s->arg[0]]);
	return 0;
}

static int64_t start_capture(unsigned slot, uint64_t port, uint32_t snaplen)
{
	uint8_t *ring = PTR(uint8_t, SEG_BASE + SEG_CAPTURE_OFF + slot * SEG_CAPTURE_SIZE);
	int ret;

	if (port < PORT_MAX && !port_at(port))
		return -ENODEV;
	ret = capture_writer_init(&captures[slot].writer, ring, SEG_CAPTURE_SIZE, snaplen);
	if (ret)
		return ret;
	captures[slot].on = true;
	captures[slot].port = port;
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (sandbox.ports[i])
			capture_port(slot, sandbox.ports[i]);
	return 0;
}

static int64_t admin_capture_start(struct ctx *ctx, struct call_slot *s)
{
	int64_t ret;

	if (s->arg[0] >= SEG_CAPTURE_COUNT || captures[s->arg[0]].on)
		return -EINVAL;
	/* Without the lock: its pages may come into being only now (segment.c). */
	memset(PTR(uint8_t, SEG_BASE + SEG_CAPTURE_OFF + s->arg[0] * SEG_CAPTURE_SIZE), 0,
	       SEG_CAPTURE_SIZE);
	turn_begin(&sandbox, ctx);
	ret = start_capture((unsigned)s->arg[0], s->arg[1], (uint32_t)s->arg[2]);
	turn_end(&sandbox, ctx);
	return ret;
}

/* ---- turns, clients, the end --------------------------------------------------------------- */

static int64_t admin_turn(struct ctx *ctx, struct call_slot *s)
{
	int64_t frames = turn_poll(&sandbox);

	/* Output may set timers, and turn_end would come too late to ask for them. */
	stack_output(sandbox.stack);
	sandbox.daemon_wakes_at = stack_deadline(sandbox.stack);
	sandbox.kick_daemon = false; /* it is here */
	if (s->arg[0])
		*PTR(uint64_t, s->arg[0]) = sandbox.daemon_wakes_at;
	return frames;
}

/* Without the lock, as the call in the slot takes it. */
static int64_t admin_serve(struct ctx *ctx, struct call_slot *s)
{
	struct channel *ch = PTR(struct channel, s->arg[1]);
	struct call c = {.ctx = ctx, .client = (uint32_t)s->arg[0], .where = CALL_DATA_STAGED};
	uint64_t n = s->arg[2];

	if (n >= CHANNEL_SLOTS || !c.client || c.client >= SEG_CLIENT_MAX)
		return -EINVAL;
	c.area = (uint8_t *)ch + CHANNEL_DATA_OFF(n);
	c.sock = call_take(&c, &ch->slot[n]);
	call_run(&c);
	call_give(&c, &ch->slot[n]);
	s->ret2 = c.made;
	return 0;
}

static int64_t admin_grant(struct ctx *ctx, struct call_slot *s)
{
	if (!sock_get(sandbox.stack, (uint32_t)s->arg[1]))
		return -EBADF;
	grants_add(&grants, (uint32_t)s->arg[0], (uint32_t)s->arg[1]);
	return 0;
}

static int64_t admin_client_add(struct ctx *ctx, struct call_slot *s)
{
	stack_client_add(sandbox.stack, (uint32_t)s->arg[0], (uint32_t)s->arg[1]);
	return 0;
}

static int64_t admin_client_gone(struct ctx *ctx, struct call_slot *s)
{
	stack_client_del(sandbox.stack, (uint32_t)s->arg[0]);
	grants_drop_client(&grants, (uint32_t)s->arg[0]);
	ext_client_gone((uint32_t)s->arg[0]);
	return 0;
}

/* ---- SIGURG -------------------------------------------------------------------------------- */

static int64_t admin_signal_on(struct ctx *ctx, struct call_slot *s)
{
	return stack_signal_start(sandbox.stack, (uint32_t)s->arg[1], (uint32_t)s->arg[0]);
}

static int64_t admin_signal_kept(struct ctx *ctx, struct call_slot *s)
{
	return stack_signal_kept(sandbox.stack, (uint32_t)s->arg[0]);
}

static int64_t admin_signal_take(struct ctx *ctx, struct call_slot *s)
{
	return stack_signal_take(sandbox.stack);
}

/* ---- extensions ---------------------------------------------------------------------------- */

static int64_t admin_ext_add(struct ctx *ctx, struct call_slot *s)
{
	struct admin_ext *a = PTR(struct admin_ext, s->arg[0]);

	return ext_add(&sandbox, (unsigned)a->place, a->desc, a->pool, a->pool_size, a->gen,
		       &a->clash);
}

static int64_t admin_ext_close(struct ctx *ctx, struct call_slot *s)
{
	return ext_close((unsigned)s->arg[0]);
}

static int64_t admin_ext_reopen(struct ctx *ctx, struct call_slot *s)
{
	ext_reopen((unsigned)s->arg[0]);
	return 0;
}

static int64_t admin_ext_calls(struct ctx *ctx, struct call_slot *s)
{
	return (int64_t)ext_calls((unsigned)s->arg[0]);
}

static int64_t admin_ext_symbol(struct ctx *ctx, struct call_slot *s)
{
	*PTR(uint64_t, s->arg[1]) = ext_symbol(PTR(const char, s->arg[0]));
	return 0;
}

static int64_t admin_clock(struct ctx *ctx, struct call_slot *s)
{
	sandbox.hdr->clock = *PTR(const struct seg_clock, s->arg[0]);
	return 0;
}

static void reset_all(void)
{
	const struct linger abort_it = {.l_onoff = 1, .l_linger = 0};
	uint32_t cursor = 0;
	struct sock_row row;

	while (stack_sock_row(sandbox.stack, &cursor, &row)) {
		struct socket *so = row.id ? sock_get(sandbox.stack, row.id) : NULL;

		if (!so)
			continue;
		sock_setopt(so, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
		sock_close(so);
	}
}

static int64_t admin_shutdown(struct ctx *ctx, struct call_slot *s)
{
	struct sandbox *sb = &sandbox;

	if (!sb->hdr->failed)
		sb->hdr->failed = ENETDOWN;
	turn_begin(sb, ctx);
	reset_all();
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (sb->ports[i])
			stack_dhcp_stop(sb->stack, sb->ports[i]);
	turn_end(sb, ctx);
	/* The device needs a moment to send what a stop would throw away. */
	for (unsigned i = 0; i < SHUTDOWN_ROUNDS; i++) {
		turn_begin(sb, ctx);
		turn_poll(sb);
		turn_end(sb, ctx);
		sb->relax(ctx);
	}
	turn_begin(sb, ctx);
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (sb->ports[i])
			port_stop(sb->ports[i]);
	turn_end(sb, ctx);
	return 0;
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* `locked`: between turn_begin and turn_end. */
static const struct {
	int64_t (*run)(struct ctx *ctx, struct call_slot *slot);
	bool locked;
} table[] = {
	[0] = {admin_init, false}, /* ADMIN_INIT */
	[ADMIN_PORT_ADD - ADMIN_INIT] = {admin_port_add, true},
	[ADMIN_PORT_DEL - ADMIN_INIT] = {admin_port_del, true},
	[ADMIN_PORT_IRQ - ADMIN_INIT] = {admin_port_irq, true},
	[ADMIN_PORT_ROW - ADMIN_INIT] = {admin_port_row, true},
	[ADMIN_ADDR_ADD - ADMIN_INIT] = {admin_addr_add, true},
	[ADMIN_ADDR_DEL - ADMIN_INIT] = {admin_addr_del, true},
	[ADMIN_IP6_UP - ADMIN_INIT] = {admin_ip6_up, true},
	[ADMIN_ROUTE_ADD - ADMIN_INIT] = {admin_route_add, true},
	[ADMIN_ROUTE_DEL - ADMIN_INIT] = {admin_route_del, true},
	[ADMIN_ADDR_ROW - ADMIN_INIT] = {admin_addr_row, true},
	[ADMIN_ROUTE_ROW - ADMIN_INIT] = {admin_route_row, true},
	[ADMIN_NEIGH_ROW - ADMIN_INIT] = {admin_neigh_row, true},
	[ADMIN_SOCK_ROW - ADMIN_INIT] = {admin_sock_row, true},
	[ADMIN_POOL_ROW - ADMIN_INIT] = {admin_pool_row, true},
	[ADMIN_USER_ROW - ADMIN_INIT] = {admin_user_row, true},
	[ADMIN_DHCP_START - ADMIN_INIT] = {admin_dhcp_start, true},
	[ADMIN_DHCP_ROW - ADMIN_INIT] = {admin_dhcp_row, true},
	[ADMIN_COUNTER - ADMIN_INIT] = {admin_counter, true},
	[ADMIN_CAPTURE_START - ADMIN_INIT] = {admin_capture_start, false},
	[ADMIN_CAPTURE_STOP - ADMIN_INIT] = {admin_capture_stop, true},
	[ADMIN_TURN - ADMIN_INIT] = {admin_turn, true},
	[ADMIN_SERVE - ADMIN_INIT] = {admin_serve, false},
	[ADMIN_GRANT - ADMIN_INIT] = {admin_grant, true},
	[ADMIN_CLIENT_ADD - ADMIN_INIT] = {admin_client_add, true},
	[ADMIN_CLIENT_GONE - ADMIN_INIT] = {admin_client_gone, true},
	[ADMIN_SIGNAL_ON - ADMIN_INIT] = {admin_signal_on, true},
	[ADMIN_SIGNAL_KEPT - ADMIN_INIT] = {admin_signal_kept, true},
	[ADMIN_SIGNAL_TAKE - ADMIN_INIT] = {admin_signal_take, true},
	[ADMIN_CLOCK - ADMIN_INIT] = {admin_clock, true},
	[ADMIN_SHUTDOWN - ADMIN_INIT] = {admin_shutdown, false},
	[ADMIN_EXT_ADD - ADMIN_INIT] = {admin_ext_add, true},
	[ADMIN_EXT_CLOSE - ADMIN_INIT] = {admin_ext_close, true},
	[ADMIN_EXT_REOPEN - ADMIN_INIT] = {admin_ext_reopen, true},
	[ADMIN_EXT_CALLS - ADMIN_INIT] = {admin_ext_calls, true},
	[ADMIN_EXT_SYMBOL - ADMIN_INIT] = {admin_ext_symbol, false},
};

int64_t admin_call(struct ctx *ctx, struct call_slot *slot)
{
	uint32_t i = slot->nr - ADMIN_INIT;
	int64_t ret;

	if (i >= sizeof(table) / sizeof(table[0]) || !table[i].run)
		return -ENOSYS;
	if (slot->nr != ADMIN_INIT && !sandbox.stack)
		return -ENETDOWN;
	if (!table[i].locked)
		return table[i].run(ctx, slot);
	turn_begin(&sandbox, ctx);
	ret = table[i].run(ctx, slot);
	turn_end(&sandbox, ctx);
	return ret;
}
