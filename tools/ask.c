/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One question to a running net and its answer, over /run/sandwire/NET/control. Called by the
 * subcommands. The daemon is trusted, but it may die at any moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/sandwired/request.h"
#include "tools/sandwired/rundir.h"
#include "tools/sandwired/config.h"

#define ASK_TIMEOUT 10 /* s: the daemon answers at once or not at all */

int ask_connect(const char *net, struct failure *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {ASK_TIMEOUT, 0};
	char what[96];
	int fd, e;

	if (!config_name_ok(net))
		return misused(f, net, "not the name of a net");
	snprintf(what, sizeof(what), "net %s", net);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s/control", rundir_top(), net);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed_errno(f, "socket", errno);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return fd;
	}
	e = errno;
	close(fd);
	f->error = e;
	if (e == ENOENT || e == ECONNREFUSED || e == ENOTDIR) {
		failed(f, what, "is not up");
		failure_hint(f, "sandwire up %s --port PORT --addr CIDR", net);
	} else if (e == EACCES) {
		failed(f, what, "you may not use it");
		failure_hint(f, "join the group sandwire, or become root");
	} else {
		failed(f, what, "%s", strerror(e));
	}
	f->error = e;
	return -1;
}

static int take_fd(struct msghdr *msg)
{
	struct cmsghdr *h = CMSG_FIRSTHDR(msg);
	int fd;

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

static json_t *receive(int sock, int *fd, struct failure *f)
{
	char *data = malloc(ANSWER_MAX);
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {data, ANSWER_MAX};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	json_error_t err;
	json_t *answer = NULL;
	ssize_t n = data ? recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) : -1;

	*fd = n > 0 ? take_fd(&msg) : -1;
	if (!n || (n < 0 && errno == ECONNRESET)) {
		failed(f, "net", "went down");
		f->error = ECONNRESET;
	} else if (n < 0) {
		failed(f, "control", "%s",
		       errno == EAGAIN ? "the daemon does not answer" : strerror(errno));
	} else if (!(answer = json_loadb(data, (size_t)n, 0, &err))) {
		failed(f, "control", "the daemon's answer is broken: %s", err.text);
	}
	free(data);
	return answer;
}

json_t *ask(int sock, json_t *question, int *got_fd, struct failure *f)
{
	char *text = json_dumps(question, JSON_COMPACT);
	ssize_t n = text ? send(sock, text, strlen(text), MSG_NOSIGNAL) : -1;
	json_t *answer;
	int fd = -1, status;

	json_decref(question);
	free(text);
	if (n < 0) {
		failed(f, "net", "went down");
		return NULL;
	}
	answer = receive(sock, &fd, f);
	if (got_fd)
		*got_fd = fd;
	else if (fd >= 0)
		close(fd);
	if (!answer || json_is_true(json_object_get(answer, "ok")))
		return answer;
	status = (int)cli_number(answer, "status");
	failed(f, cli_text(answer, "what"), "%s", cli_text(answer, "why"));
	if (*cli_text(answer, "hint"))
		failure_hint(f, "%s", cli_text(answer, "hint"));
	f->status = status == 2 ? 2 : 1;
	f->error = (int)cli_number(answer, "errno");
	json_decref(answer);
	return NULL;
}

json_t *ask_rows(int sock, const char *cmd, struct failure *f)
{
	json_t *all = json_array();
	json_int_t cursor = 0;

	for (;;) {
		json_t *part =
			ask(sock, json_pack("{s:s,s:I}", "cmd", cmd, "cursor", cursor), NULL, f);
		json_t *next;

		if (!part) {
			json_decref(all);
			return NULL;
		}
		json_array_extend(all, json_object_get(part, "rows"));
		next = json_object_get(part, "next");
		cursor = json_integer_value(next);
		json_decref(part);
		if (!cursor)
			return all;
	}
}

json_t *ask_net(const char *net, json_t *question, struct failure *f)
{
	int sock = ask_connect(net, f);
	json_t *answer;

	if (sock < 0) {
		json_decref(question);
		return NULL;
	}
	answer = ask(sock, question, NULL, f);
	close(sock);
	return answer;
}

json_t *ask_net_rows(const char *net, const char *cmd, struct failure *f)
{
	int sock = ask_connect(net, f);
	json_t *rows;

	if (sock < 0)
		return NULL;
	rows = ask_rows(sock, cmd, f);
	close(sock);
	return rows;
}
