/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lists: stat, ss, addr, route, neigh. Rows come from the image one by one; long lists go in
 * parts, {"rows": [...], "next": cursor}. Called by control.c.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/cidr.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/control.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/request.h"
#include "upcall/kmod/sandwire_uapi.h"

#define ROWS 200u /* in one answer */

static const char *port_text(struct net *net, uint32_t index)
{
	for (unsigned i = 0; i < net->n_ports; i++)
		if (net->ports[i].index == (int)index)
			return net->ports[i].spec->text;
	return "?";
}

static json_t *route_json(struct net *net, const void *row)
{
	const struct route_row *r = row;
	char dst[CIDR_TEXT], via[CIDR_TEXT] = "";

	if (r->gateway.family)
		cidr_addr_text(&r->gateway, via, sizeof(via));
	return json_pack("{s:s,s:s,s:s,s:i}", "dst", cidr_text(&r->dst, dst, sizeof(dst)), "via",
			 via, "port", port_text(net, r->port_index), "metric", (int)r->metric);
}

static json_t *neigh_json(struct net *net, const void *row)
{
	static const char *const states[] = {
		"NONE",
		[NEIGH_INCOMPLETE] = "INCOMPLETE",
		[NEIGH_REACHABLE] = "REACHABLE",
		[NEIGH_STALE] = "STALE",
		[NEIGH_DELAY] = "DELAY",
		[NEIGH_PROBE] = "PROBE",
		[NEIGH_FAILED] = "FAILED",
	};
	const struct neigh_row *r = row;
	char addr[CIDR_TEXT], mac[CIDR_TEXT];

	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:i}", "addr",
			 cidr_addr_text(&r->addr, addr, sizeof(addr)), "port",
			 port_text(net, r->port_index), "mac",
			 cidr_mac_text(r->mac, mac, sizeof(mac)), "state",
			 r->state < sizeof(states) / sizeof(states[0]) ? states[r->state] : "?",
			 "age_ms", (json_int_t)r->age_ms, "queued", (int)r->queued);
}

static const char *sock_state(const struct sock_row *r)
{
	static const char *const tcp[] = {
		"-",	     "ESTAB",  "SYN-SENT",   "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2",
		"TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN",     "CLOSING",
	};
	static const uint8_t nowhere[16];

	if (r->protocol == IPPROTO_TCP)
		return r->tcp_state < sizeof(tcp) / sizeof(tcp[0]) ? tcp[r->tcp_state] : "?";
	return r->remote_port || memcmp(r->remote.bytes, nowhere, 16) ? "ESTAB" : "UNCONN";
}

static json_t *sock_json(struct net *net, const void *row)
{
	const struct sock_row *r = row;
	const struct client *c = r->client < SEG_CLIENT_MAX ? net->clients[r->client] : NULL;
	char local[CIDR_TEXT], remote[CIDR_TEXT];
	json_t *j = json_pack(
		"{s:s,s:s,s:I,s:I,s:s,s:i,s:s,s:i,s:I,s:i}", "proto",
		r->protocol == IPPROTO_TCP   ? "tcp"
		: r->protocol == IPPROTO_UDP ? "udp"
					     : "icmp",
		"state", sock_state(r), "recv_q", (json_int_t)r->recv_q, "send_q",
		(json_int_t)r->send_q, "local_addr",
		cidr_addr_text(&r->local, local, sizeof(local)), "local_port", (int)r->local_port,
		"remote_addr", cidr_addr_text(&r->remote, remote, sizeof(remote)), "remote_port",
		(int)r->remote_port, "id", (json_int_t)r->id, "client", (int)r->client);

	json_object_set_new(j, "path", json_string(config_mode_name(net->mode)));
	if (r->protocol == IPPROTO_TCP) {
		json_object_set_new(j, "rtt_us", json_integer(r->rtt_us));
		json_object_set_new(j, "cwnd", json_integer(r->cwnd));
		json_object_set_new(j, "mss", json_integer(r->mss));
		json_object_set_new(j, "retrans", json_integer(r->retrans));
	}
	if (c) {
		json_object_set_new(j, "pid", json_integer(c->pid));
		json_object_set_new(j, "comm", json_string(c->comm));
		json_object_set_new(j, "exe", json_string(c->exe));
	}
	return j;
}

/* Rows of one kind from `cursor` on. */
static json_t *rows(struct conn *c, const json_t *req, uint32_t nr, void *row,
		    json_t *(*to_json)(struct net *net, const void *row), struct failure *f)
{
	json_t *list, *answer;
	uint64_t first;
	uint32_t cursor;
	unsigned n = 0;
	bool more = true;

	if (request_number_or(req, "cursor", 0, UINT32_MAX, &first, f))
		return NULL;
	cursor = (uint32_t)first;
	list = json_array();
	while (n < ROWS &&
	       (more = image_admin(nr, IMAGE_PTR(&cursor), IMAGE_PTR(row), 0, 0) == 1)) {
		json_array_append_new(list, to_json(c->net, row));
		n++;
	}
	answer = json_pack("{s:b,s:o}", "ok", 1, "rows", list);
	if (more)
		json_object_set_new(answer, "next", json_integer(cursor));
	return answer;
}

static json_t *show_route(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct route_row row;

	(void)out;
	return rows(c, req, ADMIN_ROUTE_ROW, &row, route_json, f);
}

static json_t *show_neigh(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct neigh_row row;

	(void)out;
	return rows(c, req, ADMIN_NEIGH_ROW, &row, neigh_json, f);
}

static json_t *show_ss(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct sock_row row;

	(void)out;
	return rows(c, req, ADMIN_SOCK_ROW, &row, sock_json, f);
}

/* What `ip addr` says of an address behind it; "" of most. */
static const char *addr_note(const struct addr_row *r)
{
	return r->duplicate   ? "dadfailed"
	       : r->tentative ? "tentative"
	       : r->dynamic   ? "dynamic"
			      : "";
}

/* The addresses as text, or what is to be said of each, in the same order. */
static json_t *port_addrs(uint32_t index, bool notes)
{
	json_t *list = json_array();
	struct addr_row row;
	uint32_t cursor = 0;
	char text[CIDR_TEXT];

	while (image_admin(ADMIN_ADDR_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1)
		if (row.port_index == index)
			json_array_append_new(list, json_string(notes ? addr_note(&row)
								      : cidr_text(&row.addr, text,
										  sizeof(text))));
	return list;
}

static json_t *port_json(struct net_port *p, const struct admin_port_row *r)
{
	char mac[CIDR_TEXT];

	return json_pack("{s:i,s:s,s:s,s:i,s:b,s:b,s:i,s:i}", "index", p->index, "port",
			 p->spec->text, "mac", cidr_mac_text(r->mac, mac, sizeof(mac)), "mtu",
			 (int)r->mtu, "link_up", r->link_up && !p->tap_gone, "running",
			 (int)r->running, "link_mbps", (int)r->link_mbps, "vlan",
			 (int)p->conf.vlan);
}

/* The lease of a port, NULL: it has no client. */
static json_t *port_dhcp(uint32_t index)
{
	static const char *const states[] = {"waiting", "selecting", "requesting", "probing",
					     "bound",	"renewing",  "rebinding"};
	struct dhcp_row row;
	uint32_t cursor = 0;
	char text[CIDR_TEXT];
	json_t *dns, *j;

	do {
		if (image_admin(ADMIN_DHCP_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) != 1)
			return NULL;
	} while (row.port_index != index);
	j = json_pack("{s:s}", "state", states[row.state]);
	if (!row.addr.family)
		return j;
	dns = json_array();
	for (uint32_t i = 0; i < row.n_dns; i++)
		json_array_append_new(dns,
				      json_string(cidr_addr_text(&row.dns[i], text, sizeof(text))));
	json_object_set_new(j, "server",
			    json_string(cidr_addr_text(&row.server, text, sizeof(text))));
	json_object_set_new(j, "lease_s", json_integer(row.lease_s));
	json_object_set_new(j, "left_s", json_integer(row.left_s));
	json_object_set_new(j, "dns", dns);
	json_object_set_new(j, "domain", json_string(row.domain));
	return j;
}

static json_t *show_addr(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	json_t *list = json_array();

	(void)req;
	(void)out;
	(void)f;
	for (unsigned i = 0; i < c->net->n_ports; i++) {
		struct net_port *p = &c->net->ports[i];
		struct admin_port_row row = {.kind = ""};
		json_t *j, *dhcp;

		image_admin(ADMIN_PORT_ROW, (uint64_t)p->index, IMAGE_PTR(&row), 0, 0);
		j = port_json(p, &row);
		json_object_set_new(j, "addrs", port_addrs((uint32_t)p->index, false));
		json_object_set_new(j, "addr_notes", port_addrs((uint32_t)p->index, true));
		dhcp = port_dhcp((uint32_t)p->index);
		if (dhcp)
			json_object_set_new(j, "dhcp", dhcp);
		json_array_append_new(list, j);
	}
	return json_pack("{s:b,s:o}", "ok", 1, "rows", list);
}

static json_t *stat_ports(struct net *net)
{
	static const char *const names[] = {
		"in_packets",  "in_octets",  "in_errors",    "in_no_buffer", "in_missed",
		"out_packets", "out_octets", "out_errors",   "out_dropped",  "interrupts",
		"tx_stalls",   "resets",     "link_changes",
	};
	json_t *list = json_array();

	for (unsigned i = 0; i < net->n_ports; i++) {
		struct net_port *p = &net->ports[i];
		struct admin_port_row row = {.kind = ""};
		json_t *j, *counters = json_object();

		image_admin(ADMIN_PORT_ROW, (uint64_t)p->index, IMAGE_PTR(&row), 0, 0);
		j = port_json(p, &row);
		for (unsigned k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			json_object_set_new(counters, names[k],
					    json_integer((json_int_t)row.stats[k]));
		json_object_set_new(j, "counters", counters);
		json_object_set_new(j, "rx_held", json_integer((json_int_t)row.rx_held));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *stat_counters(void)
{
	json_t *j = json_object();
	const char *name;
	uint64_t value;

	for (uint64_t i = 0;; i++) {
		name = NULL;
		if (image_admin(ADMIN_COUNTER, i, IMAGE_PTR(&name), IMAGE_PTR(&value), 0) < 0 ||
		    !name)
			return j;
		json_object_set_new(j, name, json_integer((json_int_t)value));
	}
}

static json_t *stat_pools(void)
{
	json_t *list = json_array();
	struct pool_row row;
	uint32_t cursor = 0;

	while (image_admin(ADMIN_POOL_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1)
		json_array_append_new(
			list, json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", row.name, "used",
					(json_int_t)row.used, "high", (json_int_t)row.high, "count",
					(json_int_t)row.count, "size", (json_int_t)row.size));
	return list;
}

static json_t *stat_users(void)
{
	json_t *list = json_array();
	struct user_row row;
	uint32_t cursor = 0;

	while (image_admin(ADMIN_USER_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1)
		json_array_append_new(
			list,
			json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "uid", (json_int_t)row.uid,
				  "clients", (json_int_t)row.clients, "sockets",
				  (json_int_t)row.sockets, "pcbs", (json_int_t)row.pcbs, "pktbufs",
				  (json_int_t)row.pktbufs, "refused", (json_int_t)row.refused));
	return list;
}

static json_t *stat_module(const struct net *net)
{
	struct sw_info i;

	if (net->module.fd < 0 || ioctl(net->module.fd, SW_IOC_INFO, &i))
		return NULL;
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "enters", (json_int_t)i.enters,
			 "exits", (json_int_t)i.exits, "orphans", (json_int_t)i.orphans, "adopted",
			 (json_int_t)i.adopted, "heals", (json_int_t)i.heals, "resyncs",
			 (json_int_t)i.resyncs, "sockets", (json_int_t)i.sockets, "clients",
			 (json_int_t)i.clients);
}

static json_t *show_stat(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	static const char *const pages[] = {"2M", "1G", "4K"};
	struct net *net = c->net;
	json_t *module = stat_module(net), *j;

	(void)req;
	(void)out;
	(void)f;
	j = json_pack("{s:b,s:s,s:s,s:i,s:i,s:i,s:s,s:i}", "ok", 1, "net", net->conf.name, "mode",
		      config_mode_name(net->mode), "pid", (int)getpid(), "clients",
		      (int)net->n_clients, "mem_mib", (int)(image_header()->heap_size >> 20),
		      "pages", pages[net->conf.pages], "uptime_s",
		      (int)((net_now(net) - net->started) / 1000000000));
	json_object_set_new(j, "ports", stat_ports(net));
	json_object_set_new(j, "counters", stat_counters());
	json_object_set_new(j, "pools", stat_pools());
	json_object_set_new(j, "users", stat_users());
	if (module)
		json_object_set_new(j, "module", module);
	json_object_set_new(
		j, "daemon",
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:i}", "turns", (json_int_t)net->turns,
			  "sleeps", (json_int_t)net->sleeps, "calls_served",
			  (json_int_t)net->served, "module_events", (json_int_t)net->module_events,
			  "upcalls_adopted", (json_int_t)net->adopted, "tap_drops",
			  (json_int_t)net->tap_drops, "descriptors", (int)net->pairs.count));
	return j;
}

const struct control_command control_show_commands[] = {
	{"stat", true, show_stat},   {"ss", true, show_ss},	  {"addr", true, show_addr},
	{"route", true, show_route}, {"neigh", true, show_neigh}, {NULL, false, NULL},
};
