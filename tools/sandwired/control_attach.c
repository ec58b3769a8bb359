/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What programs ask: hello, attach, sockfd, prove, urgent, signals, routes. Everybody who may
 * connect may ask these, so they answer for the connection's own client only. Called by control.c.
 */
#include <errno.h>
#include <unistd.h>

#include "tools/cidr.h"
#include "tools/sandwired/clients.h"
#include "tools/sandwired/control.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/pair_fd.h"
#include "tools/sandwired/request.h"

#define ABI 1

/* Whoever asks after a close may rely on its being heard: see pair_await_closes(). */
static json_t *hello(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	(void)req;
	(void)out;
	(void)f;
	pairs_hear(c->net);
	return json_pack("{s:b,s:s,s:s,s:i,s:i}", "ok", 1, "mode", config_mode_name(c->net->mode),
			 "net", c->net->conf.name, "pid", (int)getpid(), "abi", ABI);
}

/* Direct mode: what the process shall map, as many descriptors a packet as it takes. */
static json_t *add_regions(struct conn *c, json_t *first, struct reply *out, struct failure *f)
{
	const struct segment *seg = &c->net->seg;
	json_t *list = json_array(), *answer = first;
	unsigned total = 0;

	for (unsigned i = 0; i < seg->n_regions; i++)
		total += !!(seg->region[i].use & SEGMENT_DIRECT);
	json_object_set_new(first, "n_regions", json_integer(total));
	for (unsigned i = 0; i < seg->n_regions; i++) {
		const struct segment_region *r = &seg->region[i];

		if (!(r->use & SEGMENT_DIRECT))
			continue;
		if (out->n_fds == CONTROL_FDS) {
			json_object_set_new(answer, "regions", list);
			if (control_send(c, answer, out->fds, out->n_fds)) {
				json_decref(answer);
				c->closing = true;
				failed_errno(f, "attach", EPIPE);
				return NULL;
			}
			for (unsigned k = 0; k < out->n_fds; k++)
				if (out->own[k])
					close(out->fds[k]);
			out->n_fds = 0;
			json_decref(answer);
			answer = answer_ok();
			list = json_array();
		}
		json_array_append_new(list,
				      json_pack("{s:I,s:I,s:i,s:I}", "off", (json_int_t)r->off,
						"len", (json_int_t)r->len, "prot", r->prot,
						"fd_off", (json_int_t)r->fd_off));
		out->own[out->n_fds] = false;
		out->fds[out->n_fds++] = r->fd;
	}
	json_object_set_new(answer, "regions", list);
	return answer;
}

static json_t *attach(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	struct client *client;
	json_t *answer;
	uint64_t abi;

	if (request_number(req, "abi", 1000, &abi, f))
		return NULL;
	if (abi != ABI) {
		failed(f, "attach", "the daemon speaks ABI %d, the program %llu", ABI,
		       (unsigned long long)abi);
		f->error = EPROTO;
		return NULL;
	}
	if (c->client) {
		failed_errno(f, "attach", EISCONN);
		return NULL;
	}
	if (c->net->mode == SEG_MODE_UPCALL && c->got_fd < 0) {
		failed(f, "attach", "mode upcall wants the program's own /dev/sandwire beside it");
		return NULL;
	}
	client = client_attach(c, c->got_fd, f);
	if (!client)
		return NULL;
	answer = json_pack("{s:b,s:s,s:i,s:i}", "ok", 1, "mode", config_mode_name(c->net->mode),
			   "client", (int)client->id, "channel_size", (int)client->memory.size);
	out->own[out->n_fds] = false;
	out->fds[out->n_fds++] = client->memory.fd;
	if (c->net->mode != SEG_MODE_UPCALL) {
		out->own[out->n_fds] = false;
		out->fds[out->n_fds++] = client->doorbell.fd;
	}
	return c->net->mode == SEG_MODE_DIRECT ? add_regions(c, answer, out, f) : answer;
}

static bool has_pairs(struct conn *c, struct failure *f)
{
	if (c->net->mode == SEG_MODE_UPCALL)
		failed_errno(f, "sockfd", EOPNOTSUPP);
	else if (!c->client)
		failed_errno(f, "sockfd", ENOTCONN);
	else
		return true;
	return false;
}

static json_t *sockfd(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	uint64_t sock;
	int a;

	if (!has_pairs(c, f) || request_number(req, "sock", UINT32_MAX, &sock, f))
		return NULL;
	a = pair_make(c->net, c->client->id, (uint32_t)sock, f);
	if (a < 0)
		return NULL;
	out->own[out->n_fds] = true;
	out->fds[out->n_fds++] = a;
	return answer_ok();
}

static json_t *prove(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	uint32_t sock;
	bool urgent;

	(void)req;
	(void)out;
	if (!has_pairs(c, f))
		return NULL;
	sock = c->got_fd >= 0 ? pair_prove(c->net, c->got_fd, &urgent) : 0;
	if (!sock) {
		failed_errno(f, "prove", ENOTSOCK);
		return NULL;
	}
	image_admin(ADMIN_GRANT, c->client->id, sock, 0, 0);
	return json_pack("{s:b,s:I,s:b}", "ok", 1, "sock", (json_int_t)sock, "urgent", (int)urgent);
}

/* Somebody will wait for POLLPRI on the descriptor. */
static json_t *urgent(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	(void)req;
	(void)out;
	if (!has_pairs(c, f))
		return NULL;
	if (c->got_fd >= 0 && pair_want_urgent(c->net, c->got_fd))
		return answer_ok();
	failed_errno(f, "urgent", ENOTSOCK);
	return NULL;
}

/* The end on which the program says who the owner is. */
static json_t *signals(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	uint64_t sock;
	int a;

	if (!c->client) {
		failed_errno(f, "signals", ENOTCONN);
		return NULL;
	}
	if (request_number(req, "sock", UINT32_MAX, &sock, f))
		return NULL;
	a = owners_make(c->net, c->client->id, c->uid, (uint32_t)sock, f);
	if (a < 0)
		return NULL;
	out->own[out->n_fds] = false;
	out->fds[out->n_fds++] = a;
	return answer_ok();
}

/* What the net routes, for programs that want to know without a crossing. */
static json_t *routes(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	json_t *list = json_array();
	uint32_t cursor = 0;
	struct route_row row;
	char text[CIDR_TEXT];

	(void)c;
	(void)req;
	(void)out;
	(void)f;
	while (image_admin(ADMIN_ROUTE_ROW, IMAGE_PTR(&cursor), IMAGE_PTR(&row), 0, 0) == 1)
		json_array_append_new(list, json_string(cidr_text(&row.dst, text, sizeof(text))));
	return json_pack("{s:b,s:o}", "ok", 1, "routes", list);
}

const struct control_command control_attach_commands[] = {
	{"hello", false, hello},   {"attach", false, attach}, {"sockfd", false, sockfd},
	{"prove", false, prove},   {"urgent", false, urgent}, {"signals", false, signals},
	{"routes", false, routes}, {NULL, false, NULL},
};
