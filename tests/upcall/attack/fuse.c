/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer in a file of a file system of the attacker's own, which answers when it likes. To mount
 * it takes a user namespace, or, where there are none (in a chroot), the right that `run` gives.
 */
#include "tests/upcall/attack/attack.h"

#include <linux/capability.h>
#include <linux/fuse.h>
#include <sys/mount.h>

static atomic_int fuse_reads;
static atomic_bool fuse_go;
static int fuse_fd = -1;

static void reply(uint64_t unique, int error, const void *data, size_t len)
{
	static char buf[8192];
	struct fuse_out_header *h = (void *)buf;

	*h = (struct fuse_out_header){(uint32_t)(sizeof(*h) + len), error, unique};
	if (len)
		memcpy(h + 1, data, len);
	if (write(fuse_fd, buf, h->len) < 0 && errno != ENOENT)
		perror("# fuse");
}

/* One file, "f" below the root, of one page that is read when the attacker says so. */
static void serve(const struct fuse_in_header *in)
{
	struct fuse_attr attr = {.ino = in->nodeid,
				 .size = 4096,
				 .mode = in->nodeid == 1 ? S_IFDIR | 0755 : S_IFREG | 0666,
				 .nlink = 1,
				 .uid = getuid(),
				 .gid = getgid()};
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
				     .minor = 31,
				     .max_write = 4096,
				     .max_readahead = 4096};
	struct fuse_attr_out at = {.attr = attr};
	struct fuse_entry_out entry = {.nodeid = 2, .attr = attr};
	struct fuse_open_out open_out = {.fh = 1};
	static char zero[4096];

	entry.attr.ino = 2;
	entry.attr.mode = S_IFREG | 0666;
	switch (in->opcode) {
	case FUSE_INIT:
		reply(in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		reply(in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		reply(in->unique, 0, &at, sizeof(at));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		reply(in->unique, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_READ:
		atomic_fetch_add(&fuse_reads, 1);
		while (!atomic_load(&fuse_go))
			usleep(2000);
		reply(in->unique, 0, zero, sizeof(zero));
		break;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_ACCESS:
	case FUSE_WRITE:
		reply(in->unique, 0, NULL, 0);
		break;
	default:
		reply(in->unique, -ENOSYS, NULL, 0);
	}
}

static void *fuse_server(void *unused)
{
	static char buf[16384];

	(void)unused;
	while (read(fuse_fd, buf, sizeof(buf)) > 0)
		serve((void *)buf);
	return NULL;
}

static void put(const char *file, const char *fmt, int a, int b)
{
	char text[64];
	int fd = open(file, O_WRONLY), n = snprintf(text, sizeof(text), fmt, a, b);

	if (write(fd, text, (size_t)n) != n)
		perror(file);
	close(fd);
}

struct fuse_call {
	struct attacker *a;
	int sock;
	char *page;
	int64_t result;
};

static void *fuse_send(void *arg)
{
	struct fuse_call *c = arg;

	c->result = udp_io(c->a, c->sock, CALL_SEND, (uint64_t)(uintptr_t)c->page, 100, peer_ip, 9);
	return NULL;
}

static void fuse(void)
{
	struct attacker *a = join();
	int uid = (int)getuid(), gid = (int)getgid(), fd, waited = 0;
	char options[128];
	struct fuse_call c = {.a = a};
	pthread_t server, caller;

	fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (!unshare(CLONE_NEWUSER | CLONE_NEWNS)) {
		put("/proc/self/setgroups", "deny", 0, 0);
		put("/proc/self/uid_map", "%d %d 1", uid, uid);
		put("/proc/self/gid_map", "%d %d 1", gid, gid);
	} else if (unshare(CLONE_NEWNS)) {
		printf("skip a file system that does not answer: %s\n", strerror(errno));
		return;
	}
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fuse_fd,
		 uid, gid);
	if (mount("sw", "/mnt", "fuse", MS_NOSUID | MS_NODEV, options)) {
		printf("skip a file system that does not answer: mount: %s\n", strerror(errno));
		return;
	}
	syscall(SYS_capset, &(struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 0},
		(struct __user_cap_data_struct[2]){0});
	pthread_create(&server, NULL, fuse_server, NULL);
	fd = open("/mnt/f", O_RDWR);
	c.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	c.sock = udp_socket(a);
	pthread_create(&caller, NULL, fuse_send, &c);
	while (!atomic_load(&fuse_reads) && waited++ < 2000)
		usleep(2000);
	expect(atomic_load(&fuse_reads) > 0, "a call waits for a file system of the attacker's",
	       "open %s", fd < 0 ? "failed" : "worked");
	bystander("a page fault that a file system does not answer keeps nobody waiting");
	atomic_store(&fuse_go, true);
	pthread_join(caller, NULL);
	expect(c.result == 100, "and the call goes on when it does", "%ld", (long)c.result);
	munmap(c.page, 4096); /* while there is somebody to answer */
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"fuse-buffer", fuse, 0}, {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
