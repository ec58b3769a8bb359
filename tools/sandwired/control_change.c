/* SPDX-License-Identifier: BSD-3-Clause */
/* What changes the net: addresses, routes, the log's level, down. Called by control.c. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/cidr.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/control.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/request.h"

/* An image call that changes something: the answer. */
static json_t *changed(struct net *net, int64_t r, const char *what, struct failure *f)
{
	if (r < 0) {
		failed(f, what, "%s",
		       r == -EEXIST					    ? "is there already"
		       : r == -ESRCH || r == -ENOENT || r == -EADDRNOTAVAIL ? "is not there"
		       : r == -ENOSPC					    ? "the table is full"
		       : r == -EAFNOSUPPORT ? "the net has --ipv6 off"
					    : strerror((int)-r));
		f->error = (int)-r;
		return NULL;
	}
	clients_routes_changed(net);
	return answer_ok();
}

static json_t *change_addr(struct conn *c, const json_t *req, uint32_t nr, struct failure *f)
{
	const char *text = request_text(req, "addr");
	struct net_port *p = ports_find(c->net, request_text(req, "port"), f);
	struct ip_addr addr;
	int r = text ? cidr_parse(text, &addr) : -EINVAL;

	if (r || !cidr_is_host(&addr)) {
		misused(f, text ? text : "addr",
			"not the address of a host with its prefix, as 192.0.2.1/24");
		return NULL;
	}
	if (!p)
		return NULL;
	return changed(c->net,
		       nr == ADMIN_ADDR_ADD
			       ? net_addr_add(c->net, p->index, &addr)
			       : image_admin(nr, (uint64_t)p->index, IMAGE_PTR(&addr), 0, 0),
		       text, f);
}

static json_t *addr_add(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	(void)out;
	return change_addr(c, req, ADMIN_ADDR_ADD, f);
}

static json_t *addr_del(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	(void)out;
	return change_addr(c, req, ADMIN_ADDR_DEL, f);
}

/* dst and, where given, via. 0 or -1. */
static int route_args(const json_t *req, struct ip_addr *dst, struct ip_addr *via,
		      struct failure *f)
{
	const char *d = request_text(req, "dst"), *v = request_text(req, "via");
	int r = d ? cidr_parse_dst(d, dst) : -EINVAL;

	via->family = 0;
	if (r == -EDOM)
		return misused(f, d, "has bits set beyond its prefix");
	if (r)
		return misused(f, d ? d : "dst", "not a destination, as 192.0.2.0/24 or default");
	if (!v)
		return 0;
	r = cidr_parse_addr(v, via);
	if (r || !cidr_is_host(via))
		return misused(f, v, "not the address of a host");
	if (via->family == AF_INET6 && !strcmp(d, "default"))
		*dst = (struct ip_addr){.family = AF_INET6};
	return via->family == dst->family ? 0 : misused(f, v, "not of the destination's family");
}

/* The port whose prefix holds the gateway; else the first. */
static struct net_port *gateway_port(struct net *net, const struct ip_addr *via)
{
	struct addr_row row;
	uint32_t cursor = 0;

	while (via->family &&
	       image_admin(ADMIN_ADDR_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1)
		if (cidr_holds(&row.addr, via))
			for (unsigned i = 0; i < net->n_ports; i++)
				if (net->ports[i].index == (int)row.port_index)
					return &net->ports[i];
	return &net->ports[0];
}

static json_t *route_add(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct ip_addr dst, via;
	struct net_port *p;
	uint64_t metric;

	(void)out;
	if (route_args(req, &dst, &via, f) ||
	    request_number_or(req, "metric", 0, UINT32_MAX, &metric, f))
		return NULL;
	p = request_text(req, "port") ? ports_find(c->net, request_text(req, "port"), f)
				      : gateway_port(c->net, &via);
	if (!p)
		return NULL;
	return changed(c->net,
		       image_admin(ADMIN_ROUTE_ADD, IMAGE_PTR(&dst),
				   via.family ? IMAGE_PTR(&via) : 0, (uint64_t)p->index, metric),
		       request_text(req, "dst"), f);
}

static json_t *route_del(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct ip_addr dst, via;

	(void)out;
	if (route_args(req, &dst, &via, f))
		return NULL;
	return changed(c->net,
		       image_admin(ADMIN_ROUTE_DEL, IMAGE_PTR(&dst),
				   via.family ? IMAGE_PTR(&via) : 0, 0, 0),
		       request_text(req, "dst"), f);
}

static json_t *log_level(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	const char *level = request_text(req, "level");

	(void)out;
	if (!level || config_set(&c->net->conf, "log-level", level, f)) {
		misused(f, "log-level", "error, info or debug");
		return NULL;
	}
	log_set_level((enum log_level)c->net->conf.log_level);
	return answer_ok();
}

static json_t *down(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	(void)req;
	(void)out;
	(void)f;
	log_info("asked to go down by process %d", (int)c->pid);
	c->net->loop.stop = true;
	return answer_ok();
}

const struct control_command control_change_commands[] = {
	{"addr-add", true, addr_add},
	{"addr-del", true, addr_del},
	{"route-add", true, route_add},
	{"route-del", true, route_del},
	{"log-level", true, log_level},
	{"down", true, down},
	{NULL, false, NULL},
};
