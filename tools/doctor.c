// SPDX-License-Identifier: BSD-3-Clause
/*
 * sandwire doctor: what this host has of what Sandwire needs, and the command for each thing that
 * is missing. Collects the findings of doctor_host.c and doctor_nics.c, and prints them as lines or
 * as one JSON object. Changes nothing.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/doctor.h"
#include "tools/say.h"

static const char *const status_names[] = {"ok", "warn", "missing"};

void doctor_add(struct doctor *d, enum finding_status status, const char *topic, const char *text,
		...)
{
	/* On a host with very many NICs the last ones share a line: nothing is lost but them. */
	struct finding *f =
		&d->findings[d->count < DOCTOR_FINDINGS_MAX ? d->count++ : DOCTOR_FINDINGS_MAX - 1];
	va_list args;

	memset(f, 0, sizeof(*f));
	f->status = status;
	snprintf(f->topic, sizeof(f->topic), "%s", topic);
	va_start(args, text);
	vsnprintf(f->text, sizeof(f->text), text, args);
	va_end(args);
}

void doctor_fix(struct doctor *d, const char *fix, ...)
{
	struct finding *f = &d->findings[d->count - 1];
	va_list args;

	va_start(args, fix);
	vsnprintf(f->fix, sizeof(f->fix), fix, args);
	va_end(args);
}

void verdict_no(struct verdict *v, const char *why, ...)
{
	va_list args;

	if (!v->usable)
		return;
	v->usable = false;
	va_start(args, why);
	vsnprintf(v->why, sizeof(v->why), why, args);
	va_end(args);
}

unsigned doctor_count(const struct doctor *d, enum finding_status status)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->count; i++)
		n += d->findings[i].status == status;
	return n;
}

void doctor_examine(struct doctor *d)
{
	memset(d, 0, sizeof(*d));
	d->upcall = (struct verdict){.name = "upcall", .usable = true};
	d->server = (struct verdict){.name = "server", .usable = true};
	d->direct = (struct verdict){.name = "direct", .usable = true};
	d->pci = (struct verdict){.name = "pci", .usable = true};
	d->tap = (struct verdict){.name = "tap", .usable = true};
	doctor_host(d);
	doctor_nics(d);
}

static void print_verdict(const struct verdict *v, const char *group, FILE *to)
{
	fprintf(to, "%-9s%-8s %s%s%s\n", group, v->name, v->usable ? "works" : "does not work",
		v->why[0] ? ": " : "", v->why);
}

void doctor_print(const struct doctor *d, FILE *to)
{
	unsigned missing = doctor_count(d, FINDING_MISSING),
		 warnings = doctor_count(d, FINDING_WARN);

	for (unsigned i = 0; i < d->count; i++) {
		const struct finding *f = &d->findings[i];
		fprintf(to, "%-9s%-12s %s\n", status_names[f->status], f->topic, f->text);
		if (f->fix[0])
			fprintf(to, "         %-12s %s\n",
				f->status == FINDING_OK ? "  to take it:" : "  mend with:", f->fix);
	}
	fputc('\n', to);
	print_verdict(&d->upcall, "mode", to);
	print_verdict(&d->server, "mode", to);
	print_verdict(&d->direct, "mode", to);
	print_verdict(&d->pci, "port", to);
	print_verdict(&d->tap, "port", to);
	fputc('\n', to);
	if (missing || warnings)
		fprintf(to, "%u missing, %u warning%s\n", missing, warnings,
			warnings == 1 ? "" : "s");
	else
		fprintf(to, "nothing is missing\n");
}

static json_t *verdicts_json(const struct verdict *const *list, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *v =
			json_pack("{s:s, s:b}", "name", list[i]->name, "usable", list[i]->usable);
		if (list[i]->why[0])
			json_object_set_new(v, "why", json_string(list[i]->why));
		json_array_append_new(array, v);
	}
	return array;
}

int doctor_print_json(const struct doctor *d, FILE *to)
{
	const struct verdict *modes[] = {&d->upcall, &d->server, &d->direct};
	const struct verdict *ports[] = {&d->pci, &d->tap};
	json_t *findings = json_array(), *all;
	int err;

	for (unsigned i = 0; i < d->count; i++) {
		const struct finding *f = &d->findings[i];
		json_t *j = json_pack("{s:s, s:s, s:s}", "topic", f->topic, "status",
				      status_names[f->status], "text", f->text);
		if (f->fix[0])
			json_object_set_new(j, "fix", json_string(f->fix));
		json_array_append_new(findings, j);
	}
	all = json_pack("{s:b, s:o, s:o, s:o}", "ok", !doctor_count(d, FINDING_MISSING), "findings",
			findings, "modes", verdicts_json(modes, 3), "ports",
			verdicts_json(ports, 2));
	if (!all)
		return -1;
	err = json_dumpf(all, to, JSON_INDENT(2));
	fputc('\n', to);
	json_decref(all);
	return err;
}

static const char usage[] =
	"usage: sandwire doctor [--json]\n"
	"Says what this host has of what Sandwire needs, and how to get the rest.\n"
	"Exit status 1 if anything is missing.\n";

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct doctor d;
	bool json = false;
	int c;

	opterr = 0;
	optind = 0; /* glibc: start over, the front has parsed before */
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'j') {
			json = true;
		} else if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		} else {
			say_error(argv[0], "unknown option %s", argv[optind - 1]);
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc) {
		say_error(argv[0], "what is '%s'?", argv[optind]);
		fputs(usage, stderr);
		return 2;
	}
	doctor_examine(&d);
	if (!json)
		doctor_print(&d, stdout);
	else if (doctor_print_json(&d, stdout))
		say_error(argv[0], "cannot print it as JSON");
	return doctor_count(&d, FINDING_MISSING) ? 1 : 0;
}
