/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of the control socket: accept, read a packet, find the command, answer. Never blocks
 * on the other side: a connection that does not read its answers is closed. Called by loop.c;
 * calls the handlers of the tables in control.h and clients.c when a connection ends.
 */
#include "tools/sandwired/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/sandwired/clients.h"
#include "tools/sandwired/extensions.h"
#include "tools/sandwired/log.h"
#include "tools/sandwired/net.h"
#include "tools/sandwired/request.h"

static const struct control_command *const tables[] = {
	control_attach_commands,  control_show_commands, control_change_commands,
	control_capture_commands, control_ext_commands,
};

static const struct control_command *find_command(const char *name)
{
	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct control_command *c = tables[t]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static void conn_close(struct conn *c)
{
	int fd = c->watch.fd;

	clients_conn_closed(c);
	capture_conn_closed(c);
	extensions_conn_closed(c);
	loop_del(&c->net->loop, &c->watch);
	close(fd);
	if (c->got_fd >= 0)
		close(c->got_fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->net->control.n_conns--;
	free(c);
}

int control_send(struct conn *c, const json_t *answer, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	char *text = json_dumps(answer, JSON_COMPACT);
	struct iovec iov = {text, text ? strlen(text) : 0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int r = 0;

	if (!text)
		return -ENOMEM;
	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), fds, n_fds * sizeof(int));
	}
	if (sendmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		r = -errno;
	free(text);
	return r;
}

static json_t *run_command(struct conn *c, const json_t *req, struct reply *out, struct failure *f)
{
	const struct control_command *cmd = find_command(request_cmd(req));

	if (!cmd) {
		failed(f, "control", "no command '%.40s'", request_cmd(req));
		return NULL;
	}
	if (cmd->admin && c->uid != 0 && c->uid != geteuid()) {
		failed(f, cmd->name, "not permitted: only root may");
		return NULL;
	}
	return cmd->run(c, req, out, f);
}

static void answer(struct conn *c, const char *data, size_t len)
{
	struct failure f = {.status = 1};
	struct reply out = {.n_fds = 0};
	json_t *req = request_parse(data, len, &f);
	json_t *ans = req ? run_command(c, req, &out, &f) : NULL;

	if (!ans)
		ans = answer_failure(&f);
	if (control_send(c, ans, out.fds, out.n_fds))
		c->closing = true;
	for (unsigned k = 0; k < out.n_fds; k++)
		if (out.own[k])
			close(out.fds[k]);
	json_decref(ans);
	json_decref(req);
}

/* Takes the descriptors of a message: the first is kept, the rest closed. */
static void take_fds(struct conn *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (c->got_fd < 0)
				c->got_fd = fd;
			else
				close(fd);
		}
	}
}

static void conn_ready(void *arg, uint32_t events)
{
	struct conn *c = arg;
	char data[REQUEST_MAX];
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = {data, sizeof(data)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (events & EPOLLERR)
			conn_close(c);
		return;
	}
	if (n <= 0) {
		conn_close(c);
		return;
	}
	take_fds(c, &msg);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		struct failure f;
		json_t *a;

		failed(&f, "control", "the request is longer than %u bytes or %u descriptors",
		       REQUEST_MAX, CONTROL_FDS);
		a = answer_failure(&f);
		c->closing = control_send(c, a, NULL, 0) != 0;
		json_decref(a);
	} else {
		answer(c, data, (size_t)n);
	}
	if (c->got_fd >= 0)
		close(c->got_fd);
	c->got_fd = -1;
	if (c->closing)
		conn_close(c);
}

/* One user must not use up what all share: connections, and the memory of channels. */
static bool may_come(const struct net *net, uid_t uid, struct failure *f)
{
	unsigned same = 0;

	f->error = EUSERS;
	if (net->control.n_conns >= CONTROL_MAX) {
		failed(f, "control", "the net has %u programs and takes no more; end some",
		       CONTROL_MAX);
		return false;
	}
	for (const struct conn *c = net->control.conns; uid && c; c = c->next)
		same += c->uid == uid;
	if (same >= CONTROL_UID)
		failed(f, "control", "user %u has %u programs here and may have no more; end some",
		       uid, CONTROL_UID);
	return same < CONTROL_UID;
}

/* Told before it asks: it reads that as the answer. */
static void refuse(int fd, const struct failure *f)
{
	json_t *answer = answer_failure(f);
	char *text = json_dumps(answer, JSON_COMPACT);

	if (text)
		send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
	json_decref(answer);
	close(fd);
}

static void accept_one(struct net *net, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct failure f = {.status = 1};
	struct conn *c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		close(fd);
		return;
	}
	if (!may_come(net, cred.uid, &f)) {
		refuse(fd, &f);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		goto refuse;
	c->net = net;
	c->pid = cred.pid;
	c->uid = cred.uid;
	c->got_fd = -1;
	if (loop_add(&net->loop, &c->watch, fd, EPOLLIN, conn_ready, c))
		goto refuse;
	c->link = &net->control.conns;
	c->next = net->control.conns;
	if (c->next)
		c->next->link = &c->next;
	net->control.conns = c;
	net->control.n_conns++;
	return;
refuse:
	free(c);
	close(fd);
}

static void accept_ready(void *arg, uint32_t events)
{
	struct net *net = arg;

	(void)events;
	for (unsigned i = 0; i < 16; i++) {
		int fd = accept4(net->control.watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		/* No descriptor left: leaving it in the queue would make this loop spin. */
		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			net_spare_fd(net);
		if (fd < 0)
			return;
		accept_one(net, fd);
	}
}

int control_open(struct net *net, struct failure *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	mode_t mask;

	net->control.watch.fd = -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control", net->dir.path);
	if (fd < 0)
		return failed(f, "control socket", "%s", strerror(errno));
	/* Programs may connect from its first moment on, so it must not be born too open. */
	mask = umask(0117);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	rundir_give_group(addr.sun_path);
	if (r || listen(fd, 128)) {
		failed(f, addr.sun_path, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	r = loop_add(&net->loop, &net->control.watch, fd, EPOLLIN, accept_ready, net);
	if (r) {
		close(fd);
		return failed(f, addr.sun_path, "%s", strerror(-r));
	}
	return 0;
}

void control_close(struct net *net)
{
	int fd = net->control.watch.fd;

	for (struct conn *c = net->control.conns, *next; c; c = next) {
		next = c->next;
		conn_close(c);
	}
	if (fd < 0)
		return;
	loop_del(&net->loop, &net->control.watch);
	close(fd);
}
