/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/tcp_path.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/tcpip/tcp_check.h"

void path_begin(struct path *w, struct peer *p, uint32_t chunk, unsigned tries)
{
	w->p = p;
	w->chunk = chunk;
	w->tries = tries;
	memset(w->have, 0, sizeof(w->have));
	w->have[0] = 1; /* the SYN */
	w->next = 1;
}

void path_take(struct path *w, const struct segment *s)
{
	memset(w->have + s->seq, 1, s->len);
	while (w->have[w->next])
		w->next++;
	if (s->seq > w->next && w->p->sack)
		peer_sack(w->p, w->next, s->seq, s->seq + s->len);
	else
		peer_send(w->p, TCP_ACK, 1, w->next, 0);
}

static void receive(struct path *w, uint32_t most)
{
	struct segment s;

	while (peer_got(w->p, &s)) {
		if (s.len > most)
			continue;
		desk_pass(w->p->d, MS_NS);
		w->p->ts_val++;
		path_take(w, &s);
	}
}

void path_transfer(struct path *w, uint32_t len, uint32_t most)
{
	const struct tcp_pcb *pcb = w->p->so->tcp;
	uint32_t end = w->next + len, n;
	int64_t r;

	for (unsigned i = 0; w->next < end && i < w->tries; i++) {
		n = end - (pcb->snd_end - w->p->stack_iss);
		r = n ? peer_write(w->p, n < w->chunk ? n : w->chunk) : 0;
		ck_assert(r >= 0 || r == -EAGAIN);
		receive(w, most);
		desk_pass(w->p->d, w->p->rtt);
		ck_assert_ptr_null(tcp_check(pcb));
	}
	ck_assert_uint_eq(w->next, end);
}
