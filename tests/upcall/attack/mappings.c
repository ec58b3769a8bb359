/* SPDX-License-Identifier: BSD-3-Clause */
/* Moves memory about: the reserved range, and what a running upcall copies from and to. */
#include "tests/upcall/attack/attack.h"

#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/uio.h>

#define BASE ((char *)SEG_BASE)

static unsigned mapped_over(void)
{
	static const uint64_t at[] = {0, SEG_IMAGE_OFF, SEG_HEAP_OFF, SEG_SLOT_SIZE - 4096};
	unsigned done = 0;

	for (unsigned i = 0; i < 4; i++) {
		done += mmap(BASE + at[i], 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
		done += !munmap(BASE + at[i], 4096);
		done += !mprotect(BASE + at[i], 4096, PROT_READ);
		done += !mprotect(BASE, SEG_SLOT_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
		done += !syscall(SYS_pkey_mprotect, BASE + at[i], 4096, PROT_READ, 0);
		done += !syscall(SYS_remap_file_pages, BASE + at[i], 4096, 0, 1, 0);
		done += mremap(BASE + at[i], 4096, 8192, MREMAP_MAYMOVE) != MAP_FAILED;
		done += mremap(BASE + at[i], 0, 4096, MREMAP_MAYMOVE) != MAP_FAILED;
	}
	done += mremap(BASE, SEG_SLOT_SIZE, SEG_SLOT_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       NOWHERE) != MAP_FAILED;
	done += mremap(BASE, SEG_SLOT_SIZE, SEG_SLOT_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0) !=
		MAP_FAILED;
	done += mremap(BASE, SEG_SLOT_SIZE, 4096, 0) != MAP_FAILED;
	done += mremap(BASE, SEG_SLOT_SIZE, SEG_SLOT_SIZE + 4096, 0) != MAP_FAILED;
	return done;
}

/* What may say 0 here, but must show and change nothing. */
static void advised(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {SEG_BASE, SEG_SLOT_SIZE},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	static unsigned char vec[256];
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	for (int advice = 0; advice < 26; advice++) {
		madvise(BASE + SEG_HEAP_OFF, 4096, advice);
		madvise(BASE, SEG_SLOT_SIZE, advice);
	}
	mlock(BASE, 4096);
	munlock(BASE, 4096);
	msync(BASE, 4096, MS_SYNC | MS_INVALIDATE);
	mincore(BASE, sizeof(vec) * 4096, vec);
	syscall(SYS_mbind, BASE, SEG_SLOT_SIZE, MPOL_INTERLEAVE, NULL, 0, MPOL_MF_MOVE);
	ioctl(uffd, UFFDIO_API, &api);
	expect(uffd < 0 || ioctl(uffd, UFFDIO_REGISTER, &reg),
	       "userfaultfd does not take the range", "it did");
	close(uffd);
}

static void reserved_range(void)
{
	struct attacker *a = join();
	unsigned n = 0, done = mapped_over(), through;

	expect(!done, "the reserved range cannot be mapped over, cut, moved or given rights",
	       "%u calls worked", done);
	advised();
	through = probe_all(a, &n);
	expect(!through && works(a), "and is as closed as before, and serves", "%u probes",
	       through);
}

/* ---- under a running copy ------------------------------------------------------------------- */

static void unmap(char *p)
{
	munmap(p, 4096);
}
static void shut(char *p)
{
	mprotect(p, 4096, PROT_NONE);
}
static void shut_by_key(char *p)
{
	int key = (int)syscall(SYS_pkey_alloc, 0, 1 /* PKEY_DISABLE_ACCESS: this thread */);

	syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_WRITE, key < 0 ? 0 : key);
}
static void drop(char *p)
{
	madvise(p, 4096, MADV_DONTNEED);
}
static void move(char *p)
{
	if (mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, p + (1 << 30)) == MAP_FAILED)
		perror("# mremap");
}
static void replace(char *p)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	mmap(p, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	syscall(SYS_remap_file_pages, p, 4096, 0, 1, 0);
	close(fd);
}
static void replace_by_slot(char *p) /* a second reservation, where the buffer was */
{
	int fd = open(SW_DEVICE, O_RDWR);

	mmap(p, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
}

static void buffers(void)
{
	static void (*const how[])(char *) = {unmap, shut,    shut_by_key,    drop,
					      move,  replace, replace_by_slot};
	struct attacker *a = join();
	unsigned strange = 0;

	for (unsigned i = 0; i < 2 * sizeof(how) / sizeof(how[0]); i++) {
		struct park p;

		park(&p, a, i & 1 ? CALL_RECV : CALL_SEND);
		how[i / 2](p.page);
		unpark(&p);
		strange += p.result != -EFAULT && p.result != 100 && p.result != -EAGAIN &&
			   p.result != -EINTR;
		if (p.result != -EFAULT && p.result != 100 && p.result != -EAGAIN)
			printf("# %u: %ld\n", i, (long)p.result);
	}
	expect(!strange && works(a),
	       "a buffer taken away in mid-call is EFAULT, or the copy goes on", "%u other results",
	       strange);
}

static atomic_bool stop;

static void *churn(void *at)
{
	char *p = at;

	while (!atomic_load(&stop)) {
		if (mmap(p, 1 << 21, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		memset(p, 1, 4096);
		mprotect(p, 4096, PROT_READ);
		madvise(p, 4096, MADV_DONTNEED);
		munmap(p, 1 << 21);
	}
	return NULL;
}

/* The whole top-level slot of the buffer comes and goes: with it, its third-level table. */
static void tables(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a), got = 0, strange = 0;
	double end = now() + (thorough ? 60 : 2);
	unsigned n = 0, faults = 0, sent = 0;
	pthread_t t;

	pthread_create(&t, NULL, churn, (void *)NOWHERE);
	while (now() < end) {
		int64_t r = udp_io_once(a, fd, CALL_SEND, NOWHERE, 1000, peer_ip, 9);

		sent += r == 1000;
		faults += r == -EFAULT;
		strange += r != 1000 && r != -EFAULT && r != -EINTR && r != -EAGAIN;
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	got = (int)probe_all(a, &n);
	printf("# %u sent, %u faults\n", sent, faults);
	expect(!strange && faults && !got,
	       "a third-level table freed in mid-call gives EFAULT and opens nothing",
	       "%d strange, %u faults, %d probes", strange, faults, got);
}

/* Where nothing was when the upcall began there is memory now: a buffer like any other. */
static void new_slot(void)
{
	struct attacker *a = join();
	struct park p;
	char *late;
	int64_t r;

	park(&p, a, CALL_SEND);
	late = mmap((void *)NOWHERE, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memset(late, 7, 4096);
	/* The same upcall goes on there: the page it waits for is moved into the new slot's table.
	 */
	r = unpark(&p);
	expect(r == 100, "a new top-level slot in mid-call does no harm", "%ld", (long)r);
	for (int i = 0; i < 20; i++) {
		munmap(late, 4096);
		late = mmap((char *)NOWHERE + (uint64_t)i * SEG_SLOT_SIZE % (4 * SEG_SLOT_SIZE),
			    4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			    -1, 0);
		r = udp_io(a, p.sock = udp_socket(a), CALL_SEND, (uint64_t)(uintptr_t)late, 100,
			   peer_ip, 9);
		close(p.sock);
		if (r != 100)
			break;
	}
	expect(r == 100, "memory in slots that come and go is a buffer like any other", "%ld",
	       (long)r);
}

/* Two pages in one call: the second in a top-level slot that is born while the first is waited for.
 */
static struct attacker *two_a;
static char *two_first;
static int two_sock;

static void *two_pages(void *unused)
{
	struct call_io *io;
	int64_t r;

	(void)unused;
	do {
		io = io_to(two_a, peer_ip, 9);
		io->iov[0] = (struct call_iov){(uint64_t)(uintptr_t)two_first, 100};
		io->iov[1] = (struct call_iov){NOWHERE, 100};
		r = call(two_a, two_sock, CALL_SEND, 0, 2, 1);
	} while (r == -EINTR);
	return (void *)(intptr_t)r;
}

static void born_slot(void)
{
	void *result;
	pthread_t t;
	int uffd;

	two_a = join();
	two_sock = udp_socket(two_a);
	two_first = uffd_page(&uffd);
	pthread_create(&t, NULL, two_pages, NULL);
	expect(uffd_wait(uffd, 10000), "a call stands still", "it does not");
	mmap((void *)NOWHERE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
	*(volatile char *)NOWHERE = 1;
	uffd_give(uffd, two_first);
	pthread_join(t, &result);
	expect((intptr_t)result == 200, "a top-level slot born in mid-call is seen by the upcall",
	       "%ld", (long)(intptr_t)result);
}

static void reservation_gone(void)
{
	struct attacker *a = join();
	char *mine;
	struct park p;
	int64_t r;

	park(&p, a, CALL_SEND);
	munmap(BASE, SEG_SLOT_SIZE);
	mine = mmap(BASE + SEG_HEAP_OFF, 1 << 21, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	r = unpark(&p);
	expect(mine != MAP_FAILED && r == 100, "a call whose reservation goes ends as usual", "%ld",
	       (long)r);
	for (unsigned i = 0; i < 1 << 21; i++)
		r -= mine[i] != 0;
	expect(r == 100, "and writes nothing into what lies there now", "%ld bytes",
	       (long)(100 - r));
	expect(call(a, a->fd, CALL_NULL, 0, 0, 0) == -ENXIO, "the client is dead then",
	       "it is not");
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"mappings-reserved", reserved_range, 0},
					     {"mappings-buffers", buffers, 0},
					     {"mappings-tables", tables, 0},
					     {"mappings-new-slot", new_slot, 0},
					     {"mappings-born-slot", born_slot, 0},
					     {"mappings-reservation-gone", reservation_gone, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
