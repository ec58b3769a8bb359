/* SPDX-License-Identifier: BSD-3-Clause */
/* Has the kernel read and write the segment in the program's name, by whatever takes an address. */
#include "tests/upcall/attack/attack.h"

#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

static const uint64_t where[] = {SEG_HEADER_OFF,	 SEG_IMAGE_OFF,
				 SEG_KSHARED_OFF,	 SEG_CTX_OFF,
				 SEG_STACK_OFF + 0x4000, SEG_HEAP_OFF,
				 SEG_WINDOW_OFF,	 SEG_CHANNEL_OFF + SEG_CHANNEL_STRIDE};
#define WHERE (sizeof(where) / sizeof(where[0]))

static unsigned done;

static void check(const char *what, uint64_t off, long ret)
{
	if (ret < 0)
		return;
	done++;
	printf("# %s at +0x%llx: %ld\n", what, (unsigned long long)off, ret);
}

static void plain(char *at, uint64_t off)
{
	int zero = open("/dev/zero", O_RDWR), pipes[2], pair[2];
	struct iovec iov = {at, 64}, own = {&(char[64]){0}, 64};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int mem = open("/proc/self/mem", O_RDWR);
	struct timespec none = {0};

	if (pipe2(pipes, O_NONBLOCK) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return;
	check("read", off, read(zero, at, 64));
	check("readv", off, readv(zero, &iov, 1));
	check("write", off, write(pipes[1], at, 64));
	check("writev", off, writev(pipes[1], &iov, 1));
	check("vmsplice", off, vmsplice(pipes[1], &iov, 1, SPLICE_F_GIFT | SPLICE_F_NONBLOCK));
	check("send", off, send(pair[0], at, 64, 0));
	check("sendmsg", off, sendmsg(pair[0], &msg, 0));
	check("send to", off, sendto(pair[0], "x", 1, 0, (void *)at, 64));
	if (write(pair[1], "12345678", 8) != 8)
		return;
	check("recv", off, recv(pair[0], at, 8, 0));
	check("recvmsg", off, recvmsg(pair[0], &msg, 0));
	check("process_vm_readv", off, process_vm_readv(getpid(), &own, 1, &iov, 1, 0));
	check("process_vm_writev", off, process_vm_writev(getpid(), &own, 1, &iov, 1, 0));
	check("process_vm_readv into", off, process_vm_readv(getpid(), &iov, 1, &own, 1, 0));
	check("/proc/self/mem read", off, pread(mem, own.iov_base, 64, (off_t)(uintptr_t)at));
	check("/proc/self/mem write", off, pwrite(mem, own.iov_base, 64, (off_t)(uintptr_t)at));
	check("getrandom", off, getrandom(at, 64, 0));
	check("clock_gettime", off, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at));
	check("futex", off, syscall(SYS_futex, at, FUTEX_WAIT, 0, &none, NULL, 0));
	check("futex wake-op", off,
	      syscall(SYS_futex, &done, FUTEX_WAKE_OP, 1, 1, at, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)));
	check("open", off, open(at, O_RDONLY));
	check("stat", off, stat(at, (void *)own.iov_base));
	check("readlink", off, readlink("/proc/self/exe", at, 64));
	check("getcwd", off, syscall(SYS_getcwd, at, 64));
	check("execve", off, execve("/bin/true", (char **)at, NULL));
	check("memfd_create", off, (long)syscall(SYS_memfd_create, at, 0));
	check("add_key", off, syscall(SYS_add_key, "user", "x", at, 64, -2));
	check("SO_ATTACH_FILTER", off,
	      setsockopt(pair[0], SOL_SOCKET, 26, &(struct {
				 uint16_t n;
				 void *p;
			 }){1, at},
			 16));
	close(zero);
	close(mem);
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(pair[i]);
	}
}

static void system_calls(void)
{
	struct attacker *a = join();
	struct park p;
	unsigned n = 0;

	for (unsigned i = 0; i < WHERE; i++)
		plain((char *)SEG_BASE + where[i], where[i]);
	expect(!done, "no system call takes bytes from or puts any into the segment", "%u did",
	       done);
	park(&p, a, CALL_SEND);
	for (unsigned i = 0; i < WHERE; i++)
		plain((char *)SEG_BASE + where[i], where[i]);
	expect(!done, "nor while a sibling stands in mid-call", "%u did", done);
	expect(unpark(&p) == 100 && !probe_all(a, &n), "which changes nothing for either", "%ld",
	       (long)p.result);
}

/* Pages that the kernel pins and uses later. */
static void pinned(void)
{
	struct attacker *a = join();
	char file[200];
	aio_context_t aio = 0;
	int direct, tcp = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	void *page = NULL;

	snprintf(file, sizeof(file), "%s/direct", getenv("ATTACK_TMP") ?: "/tmp");
	direct = open(file, O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (direct < 0)
		direct = open(file, O_RDWR | O_CREAT, 0600);
	if (posix_memalign(&page, 4096, 4096) || write(direct, memset(page, 1, 4096), 4096) != 4096)
		perror("# a file");
	setsockopt(tcp, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	syscall(SYS_io_setup, 4, &aio);
	for (unsigned i = 0; i < WHERE; i++) {
		char *at = (char *)SEG_BASE + where[i];
		struct iocb cb = {.aio_fildes = (uint32_t)direct,
				  .aio_lio_opcode = IOCB_CMD_PWRITE,
				  .aio_buf = (uint64_t)(uintptr_t)at,
				  .aio_nbytes = 4096},
			    *cbs = &cb;
		struct io_event ev = {.res = -1};

		check("O_DIRECT write", where[i], pwrite(direct, at, 4096, 0));
		check("O_DIRECT read", where[i], pread(direct, at, 4096, 0));
		if (syscall(SYS_io_submit, aio, 1, &cbs) == 1) {
			syscall(SYS_io_getevents, aio, 1, 1, &ev, NULL);
			check("aio write", where[i], (long)ev.res);
		}
		check("MSG_ZEROCOPY", where[i], send(tcp, at, 4096, MSG_ZEROCOPY | MSG_NOSIGNAL));
	}
	close(direct);
	unlink(file);
	expect(!done && works(a), "nothing pins a page of it: O_DIRECT, aio, MSG_ZEROCOPY",
	       "%u did", done);
}

static int ring_register(int ring, char *at, size_t len)
{
	struct iovec iov = {at, len};

	return (int)syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

/* One request by hand on a fresh ring: its result. */
static int ring_one(int op, int fd, void *at, unsigned len)
{
	struct io_uring_params p = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p), res = -1;
	size_t size = p.sq_off.array + p.sq_entries * 4, cq = p.cq_off.cqes + p.cq_entries * 16;
	char *sq;
	struct io_uring_sqe *sqe;

	if (ring < 0)
		return -errno;
	sq = mmap(NULL, size > cq ? size : cq, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	*sqe = (struct io_uring_sqe){
		.opcode = (uint8_t)op, .fd = fd, .addr = (uint64_t)(uintptr_t)at, .len = len};
	*(uint32_t *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1)
		res = ((struct io_uring_cqe *)(sq + p.cq_off.cqes))->res;
	for (unsigned i = 0; i < WHERE; i++)
		check("io_uring fixed buffer", where[i],
		      ring_register(ring, (char *)SEG_BASE + where[i], 4096));
	munmap(sqe, 4096);
	munmap(sq, size > cq ? size : cq);
	close(ring);
	return res;
}

static void *ring_thread(void *unused)
{
	int zero = open("/dev/zero", O_RDWR), pipes[2];

	(void)unused;
	if (pipe2(pipes, O_NONBLOCK))
		return NULL;
	for (unsigned i = 0; i < WHERE; i++) {
		check("io_uring read", where[i],
		      ring_one(IORING_OP_READ, zero, (char *)SEG_BASE + where[i], 64));
		check("io_uring write", where[i],
		      ring_one(IORING_OP_WRITE, pipes[1], (char *)SEG_BASE + where[i], 64));
	}
	close(zero);
	return NULL;
}

static void rings(void)
{
	struct attacker *a = join();
	pthread_t t;
	struct park stand;
	int64_t r;

	if (syscall(SYS_io_uring_setup, 0, NULL) >= 0 || errno == ENOSYS || errno == EPERM) {
		printf("skip io_uring: %s\n", strerror(errno));
		return;
	}
	park(&stand, a, CALL_SEND);
	pthread_create(&t, NULL, ring_thread, NULL);
	pthread_join(t, NULL);
	expect(!done, "io_uring reads and writes nothing there, fixed buffers or not", "%u did",
	       done);
	unpark(&stand);
	ring_one(IORING_OP_NOP, 0, NULL, 0);
	r = call(a, a->fd, CALL_NULL, 0, 0, 0);
	expect(r == -EPERM, "a thread that has used io_uring may not enter", "%ld", (long)r);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"kernel-calls", system_calls, 0},
					     {"kernel-pinned", pinned, 0},
					     {"kernel-io-uring", rings, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
