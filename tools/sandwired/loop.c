/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll with nanosecond sleeps. Called by net.c; calls whatever is watched, then `after`.
 */
#include "tools/sandwired/loop.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define SLEPT_NS 50000u	  /* a wait as long as this gave others their turn */
#define AWAKE_NS 4000000u /* the most at a stretch, or what one event takes; then: */
#define NAP_PART 4u	  /* a nap of 1/4 of it */
#define NAP_MAX	 2000000u /* who waits for us to finish an upcall may wait 10 ms */

int loop_init(struct loop *l)
{
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->stop = false;
	l->realtime = false;
	l->awake_since = 0;
	l->n_batch = 0;
	return l->epoll_fd < 0 ? -errno : 0;
}

void loop_free(struct loop *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	l->epoll_fd = -1;
}

int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events,
	     void (*ready)(void *arg, uint32_t events), void *arg)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	w->fd = fd;
	w->ready = ready;
	w->arg = arg;
	if (!epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		return 0;
	w->fd = -1;
	return -errno;
}

int loop_change(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) ? -errno : 0;
}

void loop_del(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	/* An event of this batch may still name it, and its memory may go away. */
	for (int i = 0; i < l->n_batch; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/*
 * With real-time priority, programs that keep us busy would have this CPU idle for all others (and
 * the kernel stop us in the end: "RT throttling").
 */
static void share_cpu(struct loop *l)
{
	struct timespec nap = {0};
	uint64_t awake = now_ns() - l->awake_since, part = awake / NAP_PART;

	if (!l->realtime || awake < AWAKE_NS)
		return;
	nap.tv_nsec = (long)(part < NAP_MAX ? part : NAP_MAX);
	nanosleep(&nap, NULL);
	l->awake_since = now_ns();
}

/* The events that came while waiting for as long as `most`. Returns how many. */
static int dispatch(struct loop *l, const struct timespec *most)
{
	uint64_t before = l->realtime ? now_ns() : 0;
	int n = l->n_batch = epoll_pwait2(l->epoll_fd, l->batch, LOOP_BATCH, most, NULL);

	if (l->realtime && now_ns() - before >= SLEPT_NS)
		l->awake_since = now_ns();
	share_cpu(l);
	for (int i = 0; i < l->n_batch && !l->stop; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (!w)
			continue;
		w->ready(w->arg, l->batch[i].events);
		share_cpu(l);
	}
	l->n_batch = 0;
	return n;
}

void loop_poll(struct loop *l)
{
	const struct timespec none = {0};

	while (dispatch(l, &none) == LOOP_BATCH)
		;
}

void loop_run(struct loop *l)
{
	uint64_t sleep_ns = 0;

	while (!l->stop) {
		struct timespec ts = {(time_t)(sleep_ns / 1000000000),
				      (long)(sleep_ns % 1000000000)};

		dispatch(l, &ts);
		if (!l->stop)
			sleep_ns = l->after(l->arg);
	}
}
