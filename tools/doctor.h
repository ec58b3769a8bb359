/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `sandwire doctor` finds: a list of findings, each with the command that mends it, and from
 * them which ways in and which kinds of port would work on this host.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#define DOCTOR_FINDINGS_MAX 96u
#define DOCTOR_NET_MIB	    128u /* what a net takes by default */

enum finding_status { FINDING_OK, FINDING_WARN, FINDING_MISSING };

struct finding {
	enum finding_status status;
	char topic[16];
	char text[256];
	char fix[320]; /* "": nothing to do */
};

/* A way in or a kind of port: usable, or why not. */
struct verdict {
	const char *name;
	bool usable;
	char why[128];
};

struct doctor {
	unsigned count;
	struct finding findings[DOCTOR_FINDINGS_MAX];
	bool kernel_loads; /* modules */
	char release[80];
	struct verdict upcall, server, direct; /* modes */
	struct verdict pci, tap;	       /* ports */
};

/* Adds a finding; the fix belongs to the last one added. */
void doctor_add(struct doctor *d, enum finding_status status, const char *topic, const char *text,
		...) __attribute__((format(printf, 4, 5)));
void doctor_fix(struct doctor *d, const char *fix, ...) __attribute__((format(printf, 2, 3)));
/* Marks it unusable, with the reason; the first reason stays. */
void verdict_no(struct verdict *v, const char *why, ...) __attribute__((format(printf, 2, 3)));

/* Looks at everything; `d` may be uninitialized. */
void doctor_examine(struct doctor *d);
unsigned doctor_count(const struct doctor *d, enum finding_status status);
void doctor_print(const struct doctor *d, FILE *to);
int doctor_print_json(const struct doctor *d, FILE *to);

/* doctor_host.c: kernel, module, CPU, clock, memory, permissions. */
void doctor_host(struct doctor *d);
/* Is this module loaded, built in, or installed for the running kernel? */
bool doctor_has_module(const struct doctor *d, const char *name);
/* doctor_nics.c: IOMMU, vfio-pci, each NIC, tap. */
void doctor_nics(struct doctor *d);

/* What the CPU says of a hypervisor; tests put their own here. */
struct doctor_cpu {
	char hypervisor[13];  /* CPUID's signature, "" on bare metal */
	bool hv_remote_flush; /* Hyper-V asks for TLB flushes by hypercall, by address space */
};
extern void (*doctor_cpu)(struct doctor_cpu *cpu);

#endif
