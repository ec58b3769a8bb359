// SPDX-License-Identifier: BSD-3-Clause
/* Loading, listing and unloading extensions, and what direct-mode programs map of them. Called by
 * control.c; calls extensions.c. */
#include <errno.h>
#include <string.h>

#include "tools/sandwired/control.h"
#include "tools/sandwired/extensions.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/request.h"

static json_t *load(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	const char *file = request_text(req, "file");

	(void)out;
	/* The daemon's working folder is not the asker's. */
	if (!file || file[0] != '/') {
		misused(f, "ext load", "wants a file by its whole path");
		return NULL;
	}
	return extension_load(c->net, file, f) ? NULL : answer_ok();
}

static json_t *unload(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	const char *name = request_text(req, "name");
	struct extension *e = name ? extension_find(c->net, name, f) : NULL;
	int inside = e ? extension_unload(c->net, e, c, f) : -1;

	(void)out;
	if (!name)
		misused(f, "ext unload", "wants a name");
	return inside < 0 ? NULL : json_pack("{s:b,s:i}", "ok", 1, "inside", inside);
}

static json_t *one(const struct net *net, unsigned i)
{
	const struct extension *e = &net->ext[i];
	json_t *services = json_array();

	for (unsigned k = 0; k < EXT_SERVICES && e->plan.desc.service[k].name[0]; k++)
		json_array_append_new(services, json_string(e->plan.desc.service[k].name));
	return json_pack("{s:s,s:o,s:I,s:I,s:s,s:b}", "name", e->name, "services", services, "size",
			 (json_int_t)e->plan.size, "calls",
			 (json_int_t)image_admin(ADMIN_EXT_CALLS, i, 0, 0, 0), "file", e->file,
			 "unloading", e->unloading != NULL);
}

static json_t *list(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	json_t *rows = json_array();

	(void)req;
	(void)out;
	(void)f;
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++)
		if (c->net->ext[i].file)
			json_array_append_new(rows, one(c->net, i));
	return json_pack("{s:b,s:o,s:i}", "ok", 1, "rows", rows, "next", 0);
}

/* Direct mode: the extension in one place, and its memory. No regions: none is there. */
static json_t *map(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	const struct extension *e;
	json_t *regions;
	uint64_t place;

	if (c->net->mode != SEG_MODE_DIRECT || !c->client) {
		failed_errno(f, "ext-map", EOPNOTSUPP);
		return NULL;
	}
	if (request_number(req, "place", SEG_EXT_COUNT - 1, &place, f))
		return NULL;
	e = &c->net->ext[place];
	regions = json_array();
	for (unsigned i = 0; e->file && i < EXT_PARTS; i++)
		if (e->plan.part[i].len)
			json_array_append_new(
				regions,
				json_pack("{s:I,s:I,s:i,s:I}", "off",
					  (json_int_t)(SEG_EXT_OFF + place * SEG_EXT_STRIDE +
						       e->plan.part[i].off),
					  "len", (json_int_t)e->plan.part[i].len, "prot",
					  e->plan.part[i].prot, "fd_off",
					  (json_int_t)e->plan.part[i].off));
	if (e->file) {
		out->own[out->n_fds] = false;
		out->fds[out->n_fds++] = e->fd;
	}
	return json_pack("{s:b,s:I,s:o}", "ok", 1, "gen", (json_int_t)c->net->ext_gen, "regions",
			 regions);
}

const struct control_command control_ext_commands[] = {
	{"ext-load", true, load}, {"ext-unload", true, unload}, {"ext", true, list},
	{"ext-map", false, map},  {NULL, false, NULL},
};
