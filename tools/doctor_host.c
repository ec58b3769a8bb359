// SPDX-License-Identifier: BSD-3-Clause
/*
 * The doctor looks at the host: kernel, sandwire.ko and what would make it refuse (DESIGN:
 * page-table isolation, Xen PV, Hyper-V's TLB flush), clock, huge pages, permissions. Called by
 * doctor.c.
 */
#include <cpuid.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/doctor.h"
#include "vfio/vfio.h"

#define KERNEL_OLDEST_MAJOR 6 /* that the module is tested with */
#define KERNEL_OLDEST_MINOR 1

static const char other_kernel[] =
	"boot a distribution's kernel: apt-get install linux-image-amd64; or look at it all in an "
	"emulated PC: tests/vm/run";

/* Is `name` in one of the lists depmod makes? "kernel/drivers/vfio/pci/vfio-pci.ko.xz: ...". */
static bool list_has_module(const char *release, const char *list, const char *name)
{
	char path[PATH_MAX], line[4096];
	size_t len = strlen(name);
	bool found = false;
	FILE *f;

	if (host_path(path, sizeof(path), "/lib/modules/%s/%s", release, list))
		return false;
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		char *base, *end = strchr(line, ':');
		if (end)
			*end = '\0';
		base = strrchr(line, '/');
		base = base ? base + 1 : line;
		/* modprobe takes - and _ for the same. */
		for (size_t i = 0; i < len; i++)
			if (base[i] == '-')
				base[i] = '_';
		found = strlen(base) > len && !strncmp(base, name, len) &&
			!strncmp(base + len, ".ko", 3);
	}
	if (f)
		fclose(f);
	return found;
}

bool doctor_has_module(const struct doctor *d, const char *name)
{
	char under[64];

	snprintf(under, sizeof(under), "%s", name);
	for (char *c = under; *c; c++)
		if (*c == '-')
			*c = '_';
	return host_exists("/sys/module/%s", under) ||
	       list_has_module(d->release, "modules.builtin", under) ||
	       (d->kernel_loads && list_has_module(d->release, "modules.dep", under));
}

static void look_at_kernel(struct doctor *d)
{
	int major = 0, minor = 0;

	host_read(d->release, sizeof(d->release), "/proc/sys/kernel/osrelease");
	sscanf(d->release, "%d.%d", &major, &minor);
	d->kernel_loads = host_exists("/proc/modules") &&
			  host_number(0, "/proc/sys/kernel/modules_disabled") == 0;

	if (major < KERNEL_OLDEST_MAJOR ||
	    (major == KERNEL_OLDEST_MAJOR && minor < KERNEL_OLDEST_MINOR)) {
		doctor_add(d, FINDING_WARN, "kernel", "%s is older than any we test (%d.%d)",
			   d->release, KERNEL_OLDEST_MAJOR, KERNEL_OLDEST_MINOR);
		doctor_fix(d, "apt-get install linux-image-amd64");
	} else {
		doctor_add(d, FINDING_OK, "kernel", "Linux %s, x86-64", d->release);
	}
	if (d->kernel_loads)
		return;
	if (host_exists("/proc/modules")) {
		doctor_add(d, FINDING_MISSING, "modules",
			   "loading modules is switched off until the next boot "
			   "(kernel.modules_disabled)");
		doctor_fix(d, "restart without kernel.modules_disabled=1 in /etc/sysctl.d");
	} else {
		doctor_add(d, FINDING_MISSING, "modules",
			   "this kernel cannot load modules: neither sandwire.ko nor vfio-pci can "
			   "be added to it");
		doctor_fix(d, "%s", other_kernel);
	}
}

static void look_at_module(struct doctor *d)
{
	char lockdown[80];

	if (host_exists("/sys/module/sandwire")) {
		doctor_add(d, FINDING_OK, "sandwire.ko", "loaded");
	} else if (!d->kernel_loads) {
		doctor_add(d, FINDING_MISSING, "sandwire.ko",
			   "not loaded, and this kernel loads no modules: mode upcall needs it");
		doctor_fix(d, "a kernel that loads modules (see above); until then --mode server "
			      "or --mode direct");
		verdict_no(&d->upcall, "the kernel loads no modules");
	} else if (doctor_has_module(d, "sandwire")) {
		doctor_add(d, FINDING_MISSING, "sandwire.ko", "installed, not loaded");
		doctor_fix(d, "modprobe sandwire");
		verdict_no(&d->upcall, "sandwire.ko is not loaded");
	} else {
		doctor_add(d, FINDING_MISSING, "sandwire.ko", "not installed for %s", d->release);
		doctor_fix(d,
			   "apt-get install linux-headers-%s && meson setup -Dkmod=enabled "
			   "build-kmod && "
			   "meson install -C build-kmod && depmod && modprobe sandwire",
			   d->release);
		verdict_no(&d->upcall, "sandwire.ko is not installed");
	}
	if (d->kernel_loads && !host_exists("/sys/module/sandwire") &&
	    host_read(lockdown, sizeof(lockdown), "/sys/kernel/security/lockdown") > 0 &&
	    !strstr(lockdown, "[none]")) {
		doctor_add(d, FINDING_WARN, "lockdown", "the kernel loads signed modules only: %s",
			   lockdown);
		doctor_fix(d, "sign sandwire.ko with a key of yours (mokutil --import), or switch "
			      "Secure Boot off");
	}
}

static void cpuid_cpu(struct doctor_cpu *cpu)
{
	unsigned a, b, c, d, top;

	memset(cpu, 0, sizeof(*cpu));
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 31))
		return;
	__cpuid(0x40000000, top, b, c, d);
	memcpy(cpu->hypervisor, &b, 4);
	memcpy(cpu->hypervisor + 4, &c, 4);
	memcpy(cpu->hypervisor + 8, &d, 4);
	/* Hyper-V functional specification, 2.4.5: EAX bit 2 of leaf 0x40000004. */
	if (!strcmp(cpu->hypervisor, "Microsoft Hv") && top >= 0x40000004) {
		__cpuid(0x40000004, a, b, c, d);
		cpu->hv_remote_flush = a & 1u << 2;
	}
}

void (*doctor_cpu)(struct doctor_cpu *cpu) = cpuid_cpu;

static void look_at_cpu(struct doctor *d)
{
	char meltdown[80] = "", type[16] = "", guest[16] = "";
	struct doctor_cpu cpu;

	doctor_cpu(&cpu);
	host_read(meltdown, sizeof(meltdown), "/sys/devices/system/cpu/vulnerabilities/meltdown");
	host_read(type, sizeof(type), "/sys/hypervisor/type");
	host_read(guest, sizeof(guest), "/sys/hypervisor/guest_type");

	if (strstr(meltdown, "PTI")) {
		doctor_add(d, FINDING_MISSING, "cpu",
			   "page-table isolation (PTI) is on: sandwire.ko refuses");
		doctor_fix(d, "boot with pti=off if nobody untrusted runs here (it is the answer "
			      "to Meltdown), else --mode server");
		verdict_no(&d->upcall, "page-table isolation is on");
	} else if ((!strcmp(type, "xen") && !strcmp(guest, "PV")) || strstr(meltdown, "XEN PV")) {
		doctor_add(d, FINDING_MISSING, "cpu", "a Xen PV guest: sandwire.ko refuses");
		doctor_fix(d, "run it as a PVH or HVM guest, or --mode server");
		verdict_no(&d->upcall, "Xen PV");
	} else if (cpu.hv_remote_flush) {
		doctor_add(d, FINDING_MISSING, "cpu",
			   "Hyper-V flushes TLBs by address space: sandwire.ko refuses");
		doctor_fix(d, "another hypervisor or bare metal, or --mode server");
		verdict_no(&d->upcall, "Hyper-V's TLB flush");
	} else {
		doctor_add(d, FINDING_OK, "cpu", "%s%s: nothing here makes sandwire.ko refuse",
			   cpu.hypervisor[0] ? "virtual, by " : "",
			   cpu.hypervisor[0] ? cpu.hypervisor : "not virtual, or not saying so");
	}
}

/* The sandbox reads the TSC itself and trusts it to be steady. */
static void look_at_clock(struct doctor *d)
{
	char source[32] = "unknown", cpuinfo[8192];
	bool steady;

	host_read(source, sizeof(source),
		  "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	host_read(cpuinfo, sizeof(cpuinfo), "/proc/cpuinfo");
	steady = strstr(cpuinfo, " constant_tsc") && strstr(cpuinfo, " nonstop_tsc");
	if (steady || !strcmp(source, "tsc")) {
		doctor_add(d, FINDING_OK, "clock", "%s; the TSC is steady", source);
		return;
	}
	doctor_add(d, FINDING_WARN, "clock",
		   "%s; the TSC may change its pace: timers and time stamps less exact", source);
}

/* Every mode wants huge pages, and does without at a price. */
static void only_small_pages(struct doctor *d)
{
	struct verdict *modes[] = {&d->upcall, &d->server, &d->direct};

	for (int i = 0; i < 3; i++)
		if (modes[i]->usable)
			snprintf(modes[i]->why, sizeof(modes[i]->why), "only with --pages 4K");
}

static void look_at_hugepages(struct doctor *d)
{
	static const char dir[] = "/sys/kernel/mm/hugepages/hugepages-";
	long long total2 = host_number(-1, "%s2048kB/nr_hugepages", dir);
	long long free2 = host_number(0, "%s2048kB/free_hugepages", dir);
	long long total1 = host_number(-1, "%s1048576kB/nr_hugepages", dir);
	long long free1 = host_number(0, "%s1048576kB/free_hugepages", dir);
	const long long want2 = DOCTOR_NET_MIB / 2;

	if (total2 < 0 && total1 < 0) {
		doctor_add(d, FINDING_MISSING, "huge pages", "this kernel has none");
		doctor_fix(d, "%s; until then --pages 4K", other_kernel);
		only_small_pages(d);
		return;
	}
	if (free2 >= want2) {
		doctor_add(d, FINDING_OK, "huge pages",
			   "2 MiB: %lld of %lld free, a net wants %lld", free2, total2, want2);
	} else {
		bool one = free1 > 0;
		doctor_add(d, one ? FINDING_WARN : FINDING_MISSING, "huge pages",
			   "2 MiB: %lld of %lld free, a net wants %lld (%u MiB)%s", free2,
			   total2 < 0 ? 0 : total2, want2, DOCTOR_NET_MIB,
			   one ? "; --pages 1G would do" : "");
		doctor_fix(d, "sysctl -w vm.nr_hugepages=%lld (or slower: --pages 4K)",
			   (total2 < 0 ? 0 : total2) - free2 + want2);
		if (!one)
			only_small_pages(d);
	}
	if (total1 > 0)
		doctor_add(d, FINDING_OK, "huge pages", "1 GiB: %lld of %lld free", free1, total1);
}

static bool group_exists(const char *name)
{
	char path[PATH_MAX];
	struct group *g = NULL;
	FILE *f;

	if (!host_root[0])
		return getgrnam(name) != NULL;
	if (host_path(path, sizeof(path), "/etc/group") || !(f = fopen(path, "re")))
		return false;
	while ((g = fgetgrent(f)) && strcmp(g->gr_name, name) != 0)
		;
	fclose(f);
	return g != NULL;
}

static bool may_use(const char *file)
{
	char path[PATH_MAX];
	return host_path(path, sizeof(path), "%s", file) == 0 && access(path, R_OK | W_OK) == 0;
}

static void look_at_permissions(struct doctor *d)
{
	struct rlimit limit = {0, 0};
	unsigned long long kib;

	if (!group_exists("sandwire")) {
		doctor_add(d, FINDING_WARN, "permissions",
			   "no group sandwire: only root can attach to a net");
		doctor_fix(d, "groupadd --system sandwire");
	}
	if (host_exists("/dev/sandwire") && !may_use("/dev/sandwire")) {
		doctor_add(d, FINDING_MISSING, "permissions", "you may not open /dev/sandwire");
		doctor_fix(d, "usermod -a -G sandwire $USER, and log in again");
		verdict_no(&d->upcall, "no permission for /dev/sandwire");
	}
	if (geteuid() == 0) {
		doctor_add(d, FINDING_OK, "permissions", "root");
		return;
	}
	doctor_add(d, FINDING_WARN, "permissions",
		   "not root: bind and up need it, and some of what follows is hidden");
	doctor_fix(d, "sudo sandwire doctor");
	getrlimit(RLIMIT_MEMLOCK, &limit);
	kib = limit.rlim_cur / 1024;
	if (limit.rlim_cur != RLIM_INFINITY && kib < DOCTOR_NET_MIB * 1024ull) {
		doctor_add(d, FINDING_WARN, "memlock",
			   "you may lock %llu KiB of memory, a net on a NIC wants %u", kib,
			   DOCTOR_NET_MIB * 1024);
		doctor_fix(d, "ulimit -l %u, as root (limits.conf(5) to keep it)",
			   DOCTOR_NET_MIB * 1024);
	}
}

void doctor_host(struct doctor *d)
{
	look_at_kernel(d);
	look_at_module(d);
	look_at_cpu(d);
	look_at_clock(d);
	look_at_hugepages(d);
	look_at_permissions(d);
}
