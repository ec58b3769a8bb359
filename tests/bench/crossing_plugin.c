/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin of QEMU's software emulation: writes down what CPU 0 executes and touches between two
 * upcalls. Used by tests/bench/crossing.
 *
 *	-plugin crossing_plugin.so,entry=ADDRESS,skip=N,out=FILE
 *
 * When `entry` was executed N times, FILE gets what follows until the next time, a line each: `T`
 * and the address of a translated block that begins, `X` of an instruction, `R` or `W` of the
 * memory it reads or writes. QEMU's header of the interface (docs/devel/tcg-plugins) is not in
 * Debian's packages, hence the declarations.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
enum { QEMU_PLUGIN_CB_NO_REGS = 0 };
enum { QEMU_PLUGIN_MEM_RW = 3 };
typedef void (*vcpu_fn)(unsigned cpu, void *arg);
typedef void (*mem_fn)(unsigned cpu, qemu_plugin_meminfo_t what, uint64_t addr, void *arg);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t what);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*fn)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, vcpu_fn fn, int regs,
					  void *arg);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_fn fn, int regs,
					    void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_fn fn, int regs, int rw,
				      void *arg);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
__attribute__((visibility("default"))) int
qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

static uint64_t entry;
static unsigned long skip = 1000, seen;
static const char *out_name;
static FILE *out; /* open while the one crossing goes on */

static void on_entry(unsigned cpu, void *arg)
{
	if (cpu)
		return;
	seen++;
	if (seen == skip)
		out = fopen(out_name, "w");
	else if (seen == skip + 1 && out) {
		fclose(out);
		out = NULL;
	}
}

static void on_block(unsigned cpu, void *arg)
{
	if (out && !cpu)
		fprintf(out, "T %" PRIx64 "\n", (uint64_t)(uintptr_t)arg);
}

static void on_insn(unsigned cpu, void *arg)
{
	if (out && !cpu)
		fprintf(out, "X %" PRIx64 "\n", (uint64_t)(uintptr_t)arg);
}

static void on_memory(unsigned cpu, qemu_plugin_meminfo_t what, uint64_t addr, void *arg)
{
	if (out && !cpu)
		fprintf(out, "%c %" PRIx64 "\n", qemu_plugin_mem_is_store(what) ? 'W' : 'R', addr);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS,
					     (void *)(uintptr_t)qemu_plugin_tb_vaddr(tb));
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t addr = qemu_plugin_insn_vaddr(insn);

		if (addr == entry)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_insn, QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)addr);
		qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, NULL);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "entry=", 6))
			entry = strtoull(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "skip=", 5))
			skip = strtoul(argv[i] + 5, NULL, 0);
		else if (!strncmp(argv[i], "out=", 4))
			out_name = strdup(argv[i] + 4);
	}
	if (!entry || !out_name)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
