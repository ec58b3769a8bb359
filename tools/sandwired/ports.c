/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports of the net, each through its kind's ops. Called by net_up.c and turn.c; calls port_pci.c,
 * port_tap.c, and the image's ADMIN_PORT_ calls.
 */
#include "tools/sandwired/ports.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"

static const struct net_port_ops *const kinds[] = {
	[PORT_PCI] = &port_pci,
	[PORT_TAP] = &port_tap,
	[PORT_NULL] = &port_null,
};

static void fill_conf(struct net_port *p)
{
	const struct port_spec *s = p->spec;
	struct port_conf *c = &p->conf;

	snprintf(c->kind, sizeof(c->kind), "%s", port_kind_name(s->kind));
	snprintf(c->name, sizeof(c->name), "%s", s->name);
	c->rx_ring = c->tx_ring = s->ring;
	c->mtu = (uint16_t)p->net->conf.mtu;
	c->vlan = s->vlan;
	c->offload = s->offload;
	c->no_tso = s->no_tso;
	memcpy(c->mac, s->mac, sizeof(c->mac));
	if (!s->has_mac && getrandom(c->mac, sizeof(c->mac), 0) == (ssize_t)sizeof(c->mac))
		c->mac[0] = (uint8_t)((c->mac[0] & 0xfc) | 2); /* locally administered, unicast */
}

static int refused_by_driver(struct net_port *p, int64_t r, struct failure *f)
{
	if (r == -ENODEV || r == -ENOENT)
		return failed(f, p->spec->text, "no driver for this device (%04x:%04x)",
			      p->conf.pci_vendor, p->conf.pci_device);
	if (r == -ENOMEM) {
		failed(f, p->spec->text, "no memory left for its rings");
		return failure_hint(f, "a larger --mem, or a smaller ring=");
	}
	if (r == -EMSGSIZE)
		return failed(f, p->spec->text, "takes an MTU of up to %u, not %u", PORT_MTU_WHOLE,
			      p->conf.mtu);
	return failed(f, p->spec->text, "the driver cannot start it: %s", strerror((int)-r));
}

static int port_open(struct net_port *p, struct failure *f)
{
	int64_t r;

	fill_conf(p);
	if (p->ops->open(p, f)) {
		p->ops->close(p);
		return -1;
	}
	r = image_admin(ADMIN_PORT_ADD, IMAGE_PTR(&p->conf), 0, 0, 0);
	if (r < 0) {
		refused_by_driver(p, r, f);
		p->ops->close(p);
		return -1;
	}
	p->index = (int)r;
	if (!p->ops->started || !p->ops->started(p, f))
		return 0;
	image_admin(ADMIN_PORT_DEL, (uint64_t)p->index, 0, 0, 0);
	p->ops->close(p);
	return -1;
}

int ports_open(struct net *net, struct failure *f)
{
	for (unsigned i = 0; i < net->conf.n_ports; i++) {
		struct net_port *p = &net->ports[i];

		p->net = net;
		p->spec = &net->conf.ports[i];
		p->ops = kinds[p->spec->kind];
		p->index = -1;
		p->tap.fd = p->rings_fd = -1;
		if (port_open(p, f)) {
			ports_close(net);
			return -1;
		}
		net->n_ports++;
		log_info("port %d: %s", p->index, p->spec->text);
	}
	return 0;
}

void ports_close(struct net *net)
{
	while (net->n_ports) {
		struct net_port *p = &net->ports[--net->n_ports];

		if (p->ops->give)
			p->ops->give(p);
		image_admin(ADMIN_PORT_DEL, (uint64_t)p->index, 0, 0, 0);
		p->ops->close(p);
	}
}

unsigned ports_take(struct net *net)
{
	unsigned n = 0;

	for (unsigned i = 0; i < net->n_ports; i++)
		if (net->ports[i].ops->take)
			n += net->ports[i].ops->take(&net->ports[i]);
	return n;
}

unsigned ports_give(struct net *net)
{
	unsigned n = 0;

	for (unsigned i = 0; i < net->n_ports; i++)
		if (net->ports[i].ops->give)
			n += net->ports[i].ops->give(&net->ports[i]);
	return n;
}

bool ports_arm(struct net *net)
{
	bool any = false;

	for (unsigned i = 0; i < net->n_ports; i++)
		if (net->ports[i].ops->arm)
			any |= net->ports[i].ops->arm(&net->ports[i]);
	return any;
}

void ports_fired(struct net *net)
{
	for (unsigned i = 0; i < net->n_ports; i++)
		net->ports[i].fired = true;
}

struct net_port *ports_find(struct net *net, const char *name, struct failure *f)
{
	for (unsigned i = 0; i < net->n_ports; i++) {
		struct net_port *p = &net->ports[i];
		char index[16];

		snprintf(index, sizeof(index), "%d", p->index);
		if (!name || !strcmp(name, index) || !strcmp(name, p->spec->text) ||
		    !strcmp(name, p->spec->name))
			return p;
	}
	failed(f, name ? name : "port", "the net has no such port");
	f->error = ENODEV;
	return NULL;
}

/* null: the driver does everything. */
static int null_open(struct net_port *p, struct failure *f)
{
	(void)p;
	(void)f;
	return 0;
}

static void null_close(struct net_port *p)
{
	(void)p;
}

const struct net_port_ops port_null = {
	.open = null_open,
	.close = null_close,
};
