/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server and direct mode: how a Sandwire socket looks like a descriptor without a kernel module.
 *
 * A socket's descriptor is end A of an AF_UNIX SOCK_STREAM socketpair that the daemon makes; it
 * keeps end B. No payload ever travels over the pair: the kernel's own readiness of A tells poll,
 * select and epoll, in whatever process holds A, what the Sandwire socket is ready for.
 *
 *	application, any process			sandwired
 *	  A  <---- one byte: "may be readable" ------  B	IN
 *	  A  <---- one urgent byte (MSG_OOB) --------  B	PRI, where it is asked for
 *	  A  ----- PAIR_FILL bytes: "send is full" -->  B	OUT: B drained; full: A filled
 *	  A  <---- shutdown(B, SHUT_WR) -------------	B	RDHUP, HUP, ERR: no more will come
 *	  A  ----- last close -----------------------> B	EOF/HUP on B: into the closed ring
 *
 * The daemon's part
 *  - Makes the pair with SOCK_CLOEXEC, B also SOCK_NONBLOCK; A takes O_NONBLOCK as the client asked
 *    (by itself: the library sets it). setsockopt(A, SO_SNDBUF, 1) - the kernel's least - so that
 *    one PAIR_FILL makes A unwritable. Remembers A's SO_COOKIE: "prove" finds the socket by it.
 *    Sends A by SCM_RIGHTS and closes its own copy at once: else B never sees the last close.
 *  - Is a permanent sleeper on every such socket: sets seg_ready.waiters when it makes the pair and
 *    again *before* it reads seg_ready.events each time it takes the id from the wake ring
 *    (the pairing of sock_ready_publish in sandbox/layout.h). A new pair counts as woken: an
 *    accepted socket may have data before its pair exists.
 *  - For each id it takes from the wake ring, with the bits it then reads in seg_ready.events:
 *	POLLIN		send(B, 1 byte, MSG_DONTWAIT|MSG_NOSIGNAL); EAGAIN is ignored: then there
 *			are bytes outstanding anyway. Written even if one is outstanding: the new
 *			byte is the edge that edge-triggered epoll waits for
 *	POLLPRI		see "Urgent data"; before the byte for POLLIN: who sees that alone may
 *			read on past the mark
 *	POLLOUT		recv(B, 64 KiB, MSG_DONTWAIT) until EAGAIN (at most 16 times)
 *	POLLRDHUP, or	after the byte and the draining: shutdown(B, SHUT_WR), once. A then has
 *	POLLERR|POLLHUP	IN|RDHUP for good. Streams only: a datagram socket's error (POLLERR, from an
 *			ICMP message) passes, it gets one byte and a drain. A fresh stream socket
 *			has POLLHUP alone, as in Linux: nothing to do
 *  - On wake overflow does that for every pair.
 *  - Never shuts B's reading side down: then EPOLLHUP|EPOLLRDHUP on B (the only events it waits
 *    for; EPOLLIN would fire on every fill) means one thing, the last A is closed.
 *
 * Urgent data
 *  - An urgent byte in A's queue is PRI, to poll, select and epoll of every process. But as it lies
 *    in the queue it is IN as well, until it is taken; and in TCP's the urgent byte is not. A
 *    program that waits for IN alone would be woken by its peer's urgent byte, and sit in a read
 *    that finds nothing. So the daemon sends one only where a program said that it will wait for
 *    PRI: "urgent", with A beside it, which proves it; for as long as the socket lives.
 *  - One at a time: it also is a SIGURG to A's owner, instead of that of tools/sandwired/owners.h.
 *    SIOCOUTQ of B tells the daemon whether it may lie there still: who takes it takes all bytes.
 *  - poll and select of the library and the shim take the IN that is not true off a result with
 *    PRI. epoll cannot: it does not say which descriptor it speaks of; a read says EAGAIN then.
 *
 * What differs from a kernel socket: an error shows as POLLIN|POLLOUT|POLLRDHUP, without POLLERR
 * and POLLHUP. SO_ERROR and the next call tell it as they should.
 *
 * The library's part (upcall/pair_fd.c)
 *  - recv or accept said EAGAIN: takes all bytes out of A, then makes the call once more. What came
 *    before the taking is found by the second call, what comes after leaves a new byte.
 *  - a recv or accept left the socket not readable (call_slot.events): takes all bytes out of A,
 *    and if there were any does CALL_EVENTS, a0 = POLLIN|POLLPRI: what came between is announced
 *    again. So a stale byte does not make a blocking read hang after poll.
 *  - a program waits for PRI (FD_URGENT says that it is known): asks for it, before it waits. From
 *    then on a receive that leaves nothing urgent takes the urgent byte out of A too, if it is
 *    there, with all others, and goes on as above. So does one that finds nothing: it has gone
 *    past the mark.
 *  - send said EAGAIN, connect EINPROGRESS: PAIR_FILL bytes into A, then CALL_EVENTS with
 *    a0 = POLLOUT: if room came between, the socket is put in the wake ring again and the daemon
 *    drains B.
 */
#ifndef UPCALL_PAIR_FD_H
#define UPCALL_PAIR_FD_H

#define PAIR_FILL 2048u

#endif
