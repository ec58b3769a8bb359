/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claiming and leaving /run/sandwire/NAME. Called by net_up.c; `sandwire down` clears what a crash
 * left. The lock of a directory dies with its process, whatever kills it, so no pid is believed.
 */
#include "tools/sandwired/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/sandwired/config.h"

const char *rundir_top(void)
{
	const char *top = getenv("SANDWIRE_RUNDIR");

	return top && *top && geteuid() == getuid() ? top : RUNDIR_TOP;
}

static const char *const files[] = {"control", "pid", "ports", "log"};

static void remove_files(int dir)
{
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
}

/* The lock of all claims. The last net to leave removes the directory: then begin anew. */
static int lock_top(void)
{
	struct stat st;

	for (;;) {
		int fd, e;

		if (mkdir(rundir_top(), 0755) && errno != EEXIST)
			return -errno;
		fd = open(rundir_top(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) || fstat(fd, &st)) {
			e = errno;
			close(fd);
			return -e;
		}
		if (st.st_nlink)
			return fd;
		close(fd);
	}
}

/* Locks the directory of a net: fd, -EBUSY when its daemon lives, -errno. */
static int lock_net(int top, const char *name)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return -EBUSY;
}

/* Does the living net `name` hold a port of ours? */
static bool holds_port(int top, const char *name, const struct port_spec *ports, unsigned n,
		       const char **which)
{
	char path[300], line[80];
	FILE *f;
	int fd;
	bool found = false;

	snprintf(path, sizeof(path), "%s/ports", name);
	fd = openat(top, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		for (unsigned i = 0; i < n && !found; i++) {
			found = ports[i].kind != PORT_NULL && !strcmp(ports[i].text, line);
			*which = ports[i].text;
		}
	}
	fclose(f);
	return found;
}

static int check_ports(int top, const char *name, const struct port_spec *ports, unsigned n,
		       struct failure *f)
{
	DIR *d = fdopendir(dup(top));
	struct dirent *e;
	const char *which = "";
	int r = 0;

	if (!d)
		return failed(f, rundir_top(), "%s", strerror(errno));
	rewinddir(d);
	while (!r && (e = readdir(d))) {
		int fd;

		if (!config_name_ok(e->d_name) || !strcmp(e->d_name, name))
			continue;
		fd = lock_net(top, e->d_name);
		if (fd >= 0)
			close(fd);
		if (fd != -EBUSY || !holds_port(top, e->d_name, ports, n, &which))
			continue;
		r = failed(f, which, "the net '%s' has it already", e->d_name);
		failure_hint(f, "sandwire down %s", e->d_name);
	}
	closedir(d);
	return r;
}

static int write_file(struct rundir *r, const char *name, const char *text)
{
	int fd = rundir_create(r, name);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* Is somebody alive behind the control socket? A dying daemon still takes connections, but does
 * not answer; one that is busy is alive. */
static bool answers(const struct rundir *r)
{
	static const char hello[] = "{\"cmd\":\"hello\"}";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {fd, POLLIN, 0};
	char answer[16];
	bool yes;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", r->path);
	yes = fd >= 0 && (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EAGAIN);
	if (yes && send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) > 0 && poll(&p, 1, 500) > 0)
		yes = recv(fd, answer, sizeof(answer), 0) > 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* A daemon that was just killed keeps its lock until the kernel has taken it apart: wait for that.
 */
static int lock_own(const struct rundir *r, int top, const char *name)
{
	int fd = lock_net(top, name);

	for (unsigned i = 0; i < 100 && fd == -EBUSY && !answers(r); i++) {
		usleep(20000);
		fd = lock_net(top, name);
	}
	return fd;
}

static int claim_dir(struct rundir *r, int top, const char *name, struct failure *f)
{
	if (mkdirat(top, name, 0755) && errno != EEXIST)
		return failed(f, rundir_top(), "%s", strerror(errno));
	r->fd = lock_own(r, top, name);
	if (r->fd == -EBUSY) {
		char what[48];

		snprintf(what, sizeof(what), "net %s", name);
		failed(f, what, "is up already");
		return failure_hint(f, "sandwire down %s, or give another name", name);
	}
	if (r->fd < 0)
		return failed(f, r->path, "%s", strerror(-r->fd));
	remove_files(r->fd);
	return 0;
}

int rundir_claim(struct rundir *r, const char *name, const struct port_spec *ports, unsigned n,
		 struct failure *f)
{
	char text[PORT_MAX * sizeof(ports->text) + PORT_MAX + 1] = "", pid[16];
	int top = lock_top(), err;

	r->fd = -1;
	snprintf(r->path, sizeof(r->path), "%s/%s", rundir_top(), name);
	if (top < 0)
		return failed(f, rundir_top(), "%s", strerror(-top));
	for (unsigned i = 0; i < n; i++) {
		strcat(text, ports[i].text);
		strcat(text, "\n");
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (claim_dir(r, top, name, f))
		goto out;
	if (check_ports(top, name, ports, n, f))
		goto undo;
	err = write_file(r, "ports", text);
	if (!err)
		err = write_file(r, "pid", pid);
	if (err) {
		failed(f, r->path, "%s", strerror(-err));
		goto undo;
	}
	close(top);
	return 0;
undo:
	rundir_release(r);
out:
	close(top);
	return -1;
}

void rundir_release(struct rundir *r)
{
	if (r->fd < 0)
		return;
	remove_files(r->fd);
	rmdir(r->path);
	close(r->fd);
	r->fd = -1;
	rmdir(rundir_top()); /* the last net leaves nothing; fails when others are there */
}

void rundir_give_group(const char *path)
{
	struct group *g = getgrnam("sandwire");

	if (g && chown(path, (uid_t)-1, g->gr_gid)) {
		/* Only members of the group lose by it; root's programs get in anyway. */
	}
}

int rundir_create(struct rundir *r, const char *file)
{
	char path[160];
	int fd;

	unlinkat(r->fd, file, 0);
	fd = openat(r->fd, file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s", r->path, file);
	rundir_give_group(path);
	return fd;
}

int rundir_clear_stale(const char *name)
{
	struct rundir r;
	int top = open(rundir_top(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -errno;
	flock(top, LOCK_EX);
	r.fd = lock_net(top, name);
	if (r.fd >= 0) {
		snprintf(r.path, sizeof(r.path), "%s/%s", rundir_top(), name);
		rundir_release(&r);
		r.fd = 0;
	}
	close(top);
	return r.fd;
}
