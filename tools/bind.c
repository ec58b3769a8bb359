// SPDX-License-Identifier: BSD-3-Clause
/*
 * sandwire bind, sandwire unbind: moves a NIC between its kernel driver and vfio-pci, as driverctl
 * --nosave does (driver_override, unbind, drivers_probe), after asking whether the host can spare
 * it. What it did is remembered below /run until unbind; a restart of the machine forgets both.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bind.h"
#include "tools/commands.h"
#include "tools/netuse.h"
#include "tools/say.h"

#define VFIO_DRIVER "vfio-pci"

extern char **environ;

/* ---- The kernel's side ---- */

static int sysfs_write(const char *text, const char *path)
{
	return host_write(text, "%s", path);
}

static int modprobe(const char *module)
{
	char *argv[] = {"modprobe", "-q", (char *)module, NULL};
	posix_spawn_file_actions_t quiet;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, "modprobe", &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

int (*bind_sysfs_write)(const char *text, const char *path) = sysfs_write;
int (*bind_modprobe)(const char *module) = modprobe;

static int device_write(const char *addr, const char *file, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", addr, file);
	return bind_sysfs_write(text, path);
}

static int driver_write(const char *driver, const char *file, const char *addr)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, file);
	return bind_sysfs_write(addr, path);
}

static int probe(const char *addr)
{
	return bind_sysfs_write(addr, "/sys/bus/pci/drivers_probe");
}

/* An empty line is how sysfs is told to forget the override. */
static int set_override(const char *addr, const char *driver)
{
	return device_write(addr, "driver_override", driver[0] ? driver : "\n");
}

static int load_driver(const char *driver, const char *module, const char *addr,
		       struct vfio_error *err)
{
	if (host_exists("/sys/bus/pci/drivers/%s", driver))
		return 0;
	if (bind_modprobe(module) == 0 && host_exists("/sys/bus/pci/drivers/%s", driver))
		return 0;
	if (!host_exists("/proc/modules")) {
		vfio_fail(err, ENOENT, addr,
			  "the driver %s is not in this kernel, which loads no modules", driver);
		vfio_hint(err, "boot a distribution's kernel (apt-get install linux-image-amd64)");
	} else {
		vfio_fail(err, ENOENT, addr, "the driver %s cannot be loaded", driver);
		vfio_hint(err, "modprobe %s", module);
	}
	return -ENOENT;
}

static int fail(struct vfio_error *err, int code, const char *addr, const char *step)
{
	vfio_fail(err, -code, addr, "%s: %s", step, strerror(-code));
	if (code == -EACCES || code == -EPERM || code == -EROFS)
		vfio_hint(err, "run it as root");
	return code;
}

/* ---- What is remembered ---- */

static int state_path(char *buf, size_t size, const char *addr)
{
	return host_path(buf, size, BIND_STATE_DIR "/%s", addr);
}

static int make_dir(const char *dir)
{
	char path[PATH_MAX];
	int err = host_path(path, sizeof(path), "%s", dir);

	if (err)
		return err;
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int state_save(const char *addr, const struct bind_state *state)
{
	char path[PATH_MAX];
	FILE *f;
	int err = make_dir("/run/sandwire");

	if (err == 0)
		err = make_dir(BIND_STATE_DIR);
	if (err)
		return err;
	if (state_path(path, sizeof(path), addr))
		return -ENAMETOOLONG;
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fprintf(f, "driver=%s\nmodule=%s\nnetdev=%s\noverride=%s\n", state->driver, state->module,
		state->netdev, state->override);
	return fclose(f) ? -errno : 0;
}

static bool state_load(const char *addr, struct bind_state *state)
{
	char path[PATH_MAX], line[128];
	FILE *f = state_path(path, sizeof(path), addr) ? NULL : fopen(path, "re");

	memset(state, 0, sizeof(*state));
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char *value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		value[strcspn(value, "\n")] = '\0';
		if (!strcmp(line, "driver"))
			snprintf(state->driver, sizeof(state->driver), "%s", value);
		else if (!strcmp(line, "module"))
			snprintf(state->module, sizeof(state->module), "%s", value);
		else if (!strcmp(line, "netdev"))
			snprintf(state->netdev, sizeof(state->netdev), "%s", value);
		else if (!strcmp(line, "override"))
			snprintf(state->override, sizeof(state->override), "%s", value);
	}
	fclose(f);
	return true;
}

static void state_forget(const char *addr)
{
	char path[PATH_MAX];

	if (state_path(path, sizeof(path), addr) == 0)
		(void)unlink(path);
	/* The folder goes with its last entry. */
	if (host_path(path, sizeof(path), BIND_STATE_DIR) == 0)
		(void)rmdir(path);
}

static struct bind_state state_now(const struct pci_device *pci)
{
	struct bind_state state = {0};

	memcpy(state.driver, pci->driver, sizeof(state.driver));
	memcpy(state.netdev, pci->netdev, sizeof(state.netdev));
	if (pci->driver[0])
		host_link(state.module, sizeof(state.module), "/sys/bus/pci/drivers/%s/module",
			  pci->driver);
	host_read(state.override, sizeof(state.override), "/sys/bus/pci/devices/%s/driver_override",
		  pci->addr);
	if (!strcmp(state.override, "(null)"))
		state.override[0] = '\0';
	return state;
}

/* ---- May we? ---- */

static int refuse_in_use(const struct pci_device *pci, struct vfio_error *err)
{
	struct netuse use;
	int code;

	if (!pci->netdev[0])
		return 0;
	code = netuse_find(pci->netdev, &use);
	if (code < 0) {
		vfio_fail(err, -code, pci->addr, "cannot tell what %s carries: %s", pci->netdev,
			  strerror(-code));
		vfio_hint(err, "--force binds it anyway");
		return code;
	}
	if (use.default_route) {
		bool stacked = strcmp(use.route_dev, pci->netdev) != 0;
		vfio_fail(err, EBUSY, pci->addr, "%s carries a default route%s%s", pci->netdev,
			  stacked ? " through " : "", stacked ? use.route_dev : "");
		vfio_hint(err, "take another NIC, or --force if this host can do without it");
		return -EBUSY;
	}
	if (use.connections) {
		vfio_fail(err, EBUSY, pci->addr, "%s carries %u established connection%s: %s",
			  pci->netdev, use.connections, use.connections > 1 ? "s, one is" : "",
			  use.example);
		vfio_hint(err, "take another NIC, or --force if they may break");
		return -EBUSY;
	}
	return 0;
}

int bind_refusal(const struct pci_device *pci, struct vfio_error *err)
{
	char names[160];

	if (pci->iommu_group < 0) {
		vfio_fail(err, ENOTSUP, pci->addr,
			  "no IOMMU protects memory from it: vfio-pci would not take it");
		vfio_hint(err, "switch on VT-d or AMD-Vi in the firmware and boot with "
			       "intel_iommu=on iommu=pt (Intel) or iommu=pt (AMD)");
		return -ENOTSUP;
	}
	if (pci->vfs > 0) {
		vfio_fail(err, EBUSY, pci->addr, "%d virtual functions hang on it", pci->vfs);
		vfio_hint(err, "bind one of those instead, or --force to lose them");
		return -EBUSY;
	}
	if (pci_group_blockers(pci, names, sizeof(names)) > 0) {
		vfio_fail(err, EBUSY, pci->addr,
			  "IOMMU group %d also holds %s: all of a group must leave their drivers "
			  "before one can be used",
			  pci->iommu_group, names);
		vfio_hint(err, "bind each of the group with --force");
		return -EBUSY;
	}
	return refuse_in_use(pci, err);
}

/* ---- Doing it ---- */

/* Puts the device back under the driver it had; best effort, for a bind that failed halfway. */
static void restore(const char *addr, const struct bind_state *former)
{
	(void)set_override(addr, former->override);
	if (former->driver[0] && driver_write(former->driver, "bind", addr) < 0)
		(void)probe(addr);
}

static int move_to_vfio(const struct pci_device *pci, const struct bind_state *former,
			struct vfio_error *err)
{
	char driver[32];
	int code = set_override(pci->addr, VFIO_DRIVER);

	if (code < 0)
		return fail(err, code, pci->addr, "cannot set driver_override");
	if (pci->driver[0]) {
		code = driver_write(pci->driver, "unbind", pci->addr);
		if (code < 0) {
			(void)set_override(pci->addr, former->override);
			return fail(err, code, pci->addr, "its driver does not let go");
		}
	}
	code = probe(pci->addr);
	host_link(driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver", pci->addr);
	if (strcmp(driver, VFIO_DRIVER) != 0) {
		restore(pci->addr, former);
		return fail(err, code < 0 ? code : -ENODEV, pci->addr,
			    "vfio-pci does not take it, its driver has it back");
	}
	return 0;
}

int bind_device(struct pci_device *pci, const char *name, bool force, struct vfio_error *err)
{
	struct bind_state former;
	int code = pci_identify(pci, name);

	if (code < 0)
		return pci_identify_error(err, name, code);
	/* Not even by force: nobody wants to lose a disk to a slip of the pen. */
	if (!pci_is_nic(pci)) {
		vfio_fail(err, ENOTSUP, pci->addr, "not a network device (class 0x%06x)",
			  pci->class_code);
		vfio_hint(err, "sandwire doctor lists the NICs");
		return -ENOTSUP;
	}
	if (!strcmp(pci->driver, VFIO_DRIVER))
		return 1;
	code = force ? 0 : bind_refusal(pci, err);
	if (code < 0)
		return code;
	code = load_driver(VFIO_DRIVER, "vfio-pci", pci->addr, err);
	if (code < 0)
		return code;
	/* Usually vfio asks for it by itself, but later than a first user may come. */
	(void)bind_modprobe("vfio_iommu_type1");

	former = state_now(pci);
	code = state_save(pci->addr, &former);
	if (code < 0)
		return fail(err, code, pci->addr, "cannot remember its driver in " BIND_STATE_DIR);
	code = move_to_vfio(pci, &former, err);
	if (code < 0)
		state_forget(pci->addr);
	return code;
}

/* A write to unbind would wait until the last user is gone: look first. */
static int refuse_if_open(const struct pci_device *pci, struct vfio_error *err)
{
	char path[PATH_MAX];
	int fd;

	if (pci->iommu_group < 0 || host_path(path, sizeof(path), "/dev/vfio/%d", pci->iommu_group))
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY) {
		vfio_fail(err, EBUSY, pci->addr, "in use by a net or another program");
		vfio_hint(err, "sandwire down, or: fuser -v %s", path);
		return -EBUSY;
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

int unbind_device(struct pci_device *pci, const char *name, struct bind_state *former,
		  struct vfio_error *err)
{
	int code = pci_identify(pci, name);
	bool known;

	memset(former, 0, sizeof(*former));
	if (code < 0)
		return pci_identify_error(err, name, code);
	if (strcmp(pci->driver, VFIO_DRIVER) != 0) {
		state_forget(pci->addr);
		return vfio_fail(err, ENODEV, pci->addr, "not bound to vfio-pci, but to %s",
				 pci->driver[0] ? pci->driver : "no driver");
	}
	code = refuse_if_open(pci, err);
	if (code < 0)
		return code;
	known = state_load(pci->addr, former);
	if (former->driver[0]) {
		code = load_driver(former->driver,
				   former->module[0] ? former->module : former->driver, pci->addr,
				   err);
		if (code < 0)
			return code;
	}
	code = set_override(pci->addr, former->override);
	if (code < 0)
		return fail(err, code, pci->addr, "cannot clear driver_override");
	code = driver_write(VFIO_DRIVER, "unbind", pci->addr);
	if (code < 0) {
		(void)set_override(pci->addr, VFIO_DRIVER);
		return fail(err, code, pci->addr, "vfio-pci does not let go");
	}
	if (former->driver[0])
		code = driver_write(former->driver, "bind", pci->addr);
	else if (!known)
		/* Someone else bound it: let the kernel choose. It may find nothing. */
		(void)probe(pci->addr);
	state_forget(pci->addr);
	if (code < 0)
		return fail(err, code, pci->addr, "its former driver does not take it");
	return 0;
}

/* ---- The commands ---- */

static const char bind_usage[] = "usage: sandwire bind DEV [--force]\n"
				 "Gives the NIC DEV (PCI address or interface name) to vfio-pci.\n"
				 "  --force   also if this host would miss it\n";
static const char unbind_usage[] = "usage: sandwire unbind DEV\n"
				   "Gives the NIC DEV back to the driver it had.\n";

/* DEV, or NULL with *status set. */
static const char *parse_args(int argc, char **argv, const char *usage, bool *force, int *status)
{
	static const struct option options[] = {
		{"force", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
	int c;

	*status = 2;
	opterr = 0;
	optind = 0; /* glibc: start over, the front has parsed before */
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'f' && force) {
			*force = true;
		} else if (c == 'h') {
			fputs(usage, stdout);
			*status = 0;
			return NULL;
		} else {
			say_error(argv[0], "unknown option %s", argv[optind - 1]);
			fputs(usage, stderr);
			return NULL;
		}
	}
	if (optind + 1 != argc) {
		say_error(argv[0], optind == argc ? "which device?" : "one device at a time");
		fputs(usage, stderr);
		return NULL;
	}
	return argv[optind];
}

/* A word that cannot name a device is a misuse. */
static int report(const struct vfio_error *err, const struct pci_device *pci, int code)
{
	say_vfio_error(err);
	return code == -EINVAL && !pci->addr[0] ? 2 : 1;
}

static void print_device(const struct pci_device *pci, const char *netdev)
{
	printf("%s%s%s%s: ", pci->addr, netdev[0] ? " (" : "", netdev, netdev[0] ? ")" : "");
}

int cmd_bind(int argc, char **argv)
{
	struct vfio_error err = {0};
	struct pci_device pci;
	bool force = false;
	int status, code;
	const char *name = parse_args(argc, argv, bind_usage, &force, &status);

	if (!name)
		return status;
	code = bind_device(&pci, name, force, &err);
	if (code < 0)
		return report(&err, &pci, code);
	print_device(&pci, pci.netdev);
	if (code == 1)
		printf("is with vfio-pci already\n");
	else
		printf("%s -> vfio-pci\n", pci.driver[0] ? pci.driver : "no driver");
	printf("undo: sandwire unbind %s\n", pci.addr);
	if (code == 0 && pci_group_blockers(&pci, err.why, sizeof(err.why)) > 0)
		printf("not usable before the others of IOMMU group %d are bound too: %s\n",
		       pci.iommu_group, err.why);
	return 0;
}

int cmd_unbind(int argc, char **argv)
{
	struct vfio_error err = {0};
	struct bind_state former;
	struct pci_device pci;
	int status, code;
	const char *name = parse_args(argc, argv, unbind_usage, NULL, &status);

	if (!name)
		return status;
	code = unbind_device(&pci, name, &former, &err);
	if (code < 0)
		return report(&err, &pci, code);
	if (pci_identify(&pci, pci.addr) < 0)
		pci.driver[0] = pci.netdev[0] = '\0';
	print_device(&pci, pci.netdev);
	printf("vfio-pci -> %s\n", pci.driver[0] ? pci.driver : "no driver, as before");
	return 0;
}
