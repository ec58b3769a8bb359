// SPDX-License-Identifier: BSD-3-Clause
/*
 * Native extensions: links the file for a free place (sandbox/ext_load.c), puts it into the
 * segment, shows it to threads in an upcall (module.c) and to the image, which calls it.
 * Direct-mode programs map it when they first call (control_ext.c, "ext-map"). Called by
 * control_ext.c.
 */
#include "tools/sandwired/extensions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/elf_file.h"
#include "sandbox/segment_map.h"
#include "tools/sandwired/image.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"

static uint64_t place_off(const struct net *net, const struct extension *e)
{
	return SEG_EXT_OFF + (uint64_t)(e - net->ext) * SEG_EXT_STRIDE;
}

static uint64_t resolve(const char *name)
{
	uint64_t addr = 0;

	image_admin(ADMIN_EXT_SYMBOL, IMAGE_PTR(name), IMAGE_PTR(&addr), 0, 0);
	return addr;
}

static void hide(struct net *net, const struct extension *e)
{
	uint64_t off = place_off(net, e);

	for (unsigned i = 0; i < EXT_PARTS; i++)
		if (e->plan.part[i].len)
			module_unmap(net, off + e->plan.part[i].off, e->plan.part[i].len);
}

static int show(struct net *net, const struct extension *e)
{
	int r = 0;

	for (unsigned i = 0; i < EXT_PARTS && !r; i++) {
		struct segment_region region = {.off = place_off(net, e) + e->plan.part[i].off,
						.len = e->plan.part[i].len,
						.prot = e->plan.part[i].prot,
						.use = SEGMENT_UPCALL};

		if (region.len)
			r = module_map(net, &region);
	}
	if (r)
		hide(net, e);
	return r;
}

/* Tells the image: from here on there are callers. */
static int introduce(struct net *net, const struct extension *e, struct failure *f)
{
	struct admin_ext a = {
		.place = (uint64_t)(e - net->ext),
		.gen = e->gen,
		.desc = &e->plan.desc,
		.pool = (void *)(uintptr_t)(SEG_BASE + place_off(net, e) + e->plan.pool_off),
		.pool_size = e->plan.pool_size,
	};
	int64_t r = image_admin(ADMIN_EXT_ADD, IMAGE_PTR(&a), 0, 0, 0);

	if (!r)
		return 0;
	if (r == -EEXIST && a.clash) {
		failed(f, a.clash,
		       "is loaded already, or another extension has a service of this name");
		return failure_hint(f, "sandwire ext list");
	}
	return failed(f, e->plan.desc.name, "its init fails: %s", strerror((int)-r));
}

static int install(struct net *net, struct extension *e, struct failure *f)
{
	int r;

	e->fd = ext_place(&e->plan, place_off(net, e));
	if (e->fd < 0)
		return failed_errno(f, e->plan.desc.name, -e->fd);
	r = show(net, e);
	if (r)
		failed_errno(f, e->plan.desc.name, -r);
	else if (!introduce(net, e, f))
		return 0;
	else
		hide(net, e);
	segment_unmap(place_off(net, e), SEG_EXT_STRIDE);
	close(e->fd);
	return -1;
}

static struct extension *free_place(struct net *net)
{
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++)
		if (!net->ext[i].file)
			return &net->ext[i];
	return NULL;
}

int extension_load(struct net *net, const char *file, struct failure *f)
{
	struct extension *e = free_place(net);
	struct segment_error err = {.what = ""};
	size_t size = 0;
	void *bytes;
	int r;

	if (!e)
		return failed(f, file, "%u extensions are loaded, no more fit", SEG_EXT_COUNT);
	bytes = elf_read_file(file, &size);
	if (!bytes)
		return failed(f, file, "%s",
			      errno == ENOEXEC ? "not a regular file of 1 byte to 64 MiB"
					       : strerror(errno));
	memset(e, 0, sizeof(*e));
	e->fd = -1;
	r = ext_link(bytes, size, SEG_BASE + place_off(net, e), resolve, &e->plan, &err);
	free(bytes);
	if (r)
		failed(f, file, "%s", err.why);
	e->gen = net->ext_gen + 1;
	if (!r) {
		memcpy(e->name, e->plan.desc.name, sizeof(e->name));
		e->file = strdup(file);
		r = e->file ? install(net, e, f) : failed_errno(f, file, ENOMEM);
	}
	ext_plan_free(&e->plan);
	if (r) {
		free(e->file);
		e->file = NULL;
		return -1;
	}
	net->ext_gen++;
	log_info("extension %s loaded from %s", e->name, file);
	return 0;
}

struct extension *extension_find(struct net *net, const char *name, struct failure *f)
{
	char there[256] = "";

	for (unsigned i = 0; i < SEG_EXT_COUNT; i++) {
		if (!net->ext[i].file)
			continue;
		if (!strcmp(net->ext[i].name, name))
			return &net->ext[i];
		if (strlen(there) + EXT_NAME + 2 < sizeof(there)) {
			strcat(there, *there ? ", " : "");
			strcat(there, net->ext[i].name);
		}
	}
	failed(f, name, "no such extension is loaded");
	f->error = ENOENT;
	if (*there)
		failure_hint(f, "loaded: %s", there);
	return NULL;
}

static void forget(struct net *net, struct extension *e)
{
	hide(net, e);
	segment_unmap(place_off(net, e), SEG_EXT_STRIDE);
	close(e->fd);
	free(e->file);
	memset(e, 0, sizeof(*e));
	net->ext_gen++;
}

int extension_unload(struct net *net, struct extension *e, struct conn *c, struct failure *f)
{
	int64_t inside;

	if (e->unloading && e->unloading != c) {
		failed(f, e->name, "is being unloaded already");
		return -1;
	}
	/* Whoever died in it has not left yet. */
	if (net->mode == SEG_MODE_UPCALL)
		module_adopt_all(net);
	inside = image_admin(ADMIN_EXT_CLOSE, (uint64_t)(e - net->ext), 0, 0, 0);
	if (inside < 0)
		return failed_errno(f, e->name, (int)-inside);
	e->unloading = inside ? c : NULL;
	if (inside)
		return (int)inside;
	log_info("extension %s unloaded", e->name);
	forget(net, e);
	return 0;
}

void extensions_conn_closed(struct conn *c)
{
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++) {
		struct extension *e = &c->net->ext[i];

		if (!e->file || e->unloading != c)
			continue;
		e->unloading = NULL;
		image_admin(ADMIN_EXT_REOPEN, i, 0, 0, 0);
		log_info("extension %s stays: its callers did not leave", e->name);
	}
}

void extensions_free(struct net *net)
{
	/* Its mappings go with the segment, and with the module's net when nobody is inside. */
	for (unsigned i = 0; i < SEG_EXT_COUNT; i++) {
		if (!net->ext[i].file)
			continue;
		close(net->ext[i].fd);
		free(net->ext[i].file);
		net->ext[i].file = NULL;
	}
}
