/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: which MAC a next hop has, found by ARP or ND, kept true by RFC 4861 7.3's states.
 * Called by ip4.c on output, arp.c and nd.c on input; calls arp.c, nd.c, eth.c, icmp.c, gateway.c,
 * redirect.c.
 *
 *	   neigh_out		  answer		    30 s *
 *	(none) ---> INCOMPLETE ----------> REACHABLE --------------> STALE ---> (none) after 10 min
 *			|		       ^  ^		       | neigh_out
 *			| 3 x 1 s	answer |  '---- confirmed ---- DELAY
 *			v		       |		       | 5 s
 *		      FAILED <----------- PROBE <---------------------'
 *			    3 x 1 s
 *
 * (*) of IPv6, times as the link's routers say, and REACHABLE's 0.5 to 1.5 times that.
 * A gateway that FAILED is asked for again, once every 30 s, while another one does its work.
 *
 * What keeps a hostile wire out: entries are made by our own sending and by ARP requests for us
 * alone; the table is bounded and gives up STALE entries first; an entry queues 48 packets, all
 * together an eighth of the packet buffers, lest answers to who is not there take all of them.
 */
#include "tcpip/group.h"
#include "tcpip/ip6.h"
#include "tcpip/stack.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define NEIGH_MAX     1024u
#define NEIGH_BUCKETS 512u
#define NEIGH_QUEUE   48u /* packets an INCOMPLETE entry holds: a datagram of 64 KiB in fragments */
#define NEIGH_SHARE   8u  /* at most 1/8 of the packet buffers waits, with all of them */
#define NEIGH_SCAN    32u /* entries looked at for one to give up */
#define PROBES	      3u
#define SEC	      1000000000ull
#define RETRANS_NS    SEC /* IPv4; of IPv6 a router may set these two */
#define REACHABLE_NS  (30 * SEC)
#define DELAY_NS      (5 * SEC)
#define STALE_NS      (600 * SEC)
#define FAILED_NS     (10 * SEC) /* kept to be seen; the next packet asks anew */
#define GATEWAY_NS    (30 * SEC) /* until a dead gateway is asked for again */
#define LOCK_NS	      SEC	 /* a MAC just confirmed is not changed, as Linux's locktime */

struct neigh {
	struct timer timer;
	struct neigh *hash_next;
	struct port *port;
	uint32_t ip; /* network byte order; or a handle, held */
	uint8_t mac[6];
	uint8_t state; /* enum neigh_state; 0: not in use */
	uint8_t probes;
	uint64_t confirmed; /* ns: last proof of reachability */
	uint64_t updated;   /* ns: last change of state */
	uint64_t proved;    /* ns: last answer to a question of ours */
	/* Oldest first from `head`. Not linked by ->next: that may be in use by the sender. */
	uint8_t head, queued;
	uint8_t buffers[NEIGH_QUEUE]; /* of each, as it came: its sender may change what it keeps */
	struct pktbuf *queue[NEIGH_QUEUE];
};

struct neigh_table {
	struct pool pool;
	struct neigh *bucket[NEIGH_BUCKETS];
	struct neigh *last; /* found last: packets come in trains; NULL: none */
	uint32_t hand;	    /* where the search for one to give up goes on */
	uint32_t waiting;   /* buffers in all queues */
};

static struct neigh **bucket_of(struct stack *st, struct port *port, uint32_t ip)
{
	uint32_t key[2] = {ip, port->index};

	return &st->neigh->bucket[siphash24(st->secret, key, sizeof(key)) % NEIGH_BUCKETS];
}

static struct neigh *find(struct stack *st, struct port *port, uint32_t ip)
{
	struct neigh *n = st->neigh->last;

	if (n && n->ip == ip && n->port == port)
		return n;
	n = *bucket_of(st, port, ip);
	while (n && (n->ip != ip || n->port != port))
		n = n->hash_next;
	if (n)
		st->neigh->last = n;
	return n;
}

static uint64_t retrans(struct stack *st, const struct neigh *n)
{
	return ip_is6(n->ip) ? slaac_retrans(st, n->port) : RETRANS_NS;
}

static uint64_t reachable_time(struct stack *st, const struct neigh *n)
{
	return ip_is6(n->ip) ? slaac_reachable(st, n->port) : REACHABLE_NS;
}

static void set_state(struct stack *st, struct neigh *n, uint8_t state, uint64_t timeout)
{
	n->state = state;
	n->updated = st->now;
	if (state == NEIGH_REACHABLE || state == NEIGH_STALE)
		gateway_lives(st, n->port, n->ip);
	timer_set(&st->timers, &n->timer, st->now + timeout);
}

static struct pktbuf *dequeue(struct stack *st, struct neigh *n)
{
	struct pktbuf *p;

	if (n->queued == 0)
		return NULL;
	p = n->queue[n->head];
	st->neigh->waiting -= n->buffers[n->head];
	n->head = (uint8_t)((n->head + 1) % NEIGH_QUEUE);
	n->queued--;
	return p;
}

static bool room_for(const struct stack *st, uint32_t buffers)
{
	return st->neigh->waiting + buffers <= st->pool->count / NEIGH_SHARE;
}

/* The oldest goes first: what was asked for last is what the user still waits for. */
static void enqueue(struct stack *st, struct neigh *n, struct pktbuf *p)
{
	uint32_t buffers = pktbuf_pieces(p);
	unsigned at;

	while (n->queued && (n->queued >= NEIGH_QUEUE || !room_for(st, buffers))) {
		COUNT(st, NeighQueueDrops);
		pktbuf_free(dequeue(st, n));
	}
	if (!room_for(st, buffers) || buffers > UINT8_MAX) {
		COUNT(st, NeighQueueDrops);
		pktbuf_free(p);
		return;
	}
	at = (n->head + n->queued++) % NEIGH_QUEUE;
	n->queue[at] = p;
	n->buffers[at] = (uint8_t)buffers;
	st->neigh->waiting += buffers;
}

static void drop_queue(struct stack *st, struct neigh *n)
{
	struct pktbuf *p;

	while ((p = dequeue(st, n)))
		pktbuf_free(p);
}

static void remove_entry(struct stack *st, struct neigh *n)
{
	struct neigh **at = bucket_of(st, n->port, n->ip);

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	if (st->neigh->last == n)
		st->neigh->last = NULL;
	timer_cancel(&st->timers, &n->timer);
	drop_queue(st, n);
	gateway_lives(st, n->port, n->ip); /* nobody would ask for it any more */
	n->state = 0;
	ip_set(st, &n->ip, 0);
	pool_put(&st->neigh->pool, n);
}

/* How gladly an entry is given up; 0: never. */
static int spare(const struct neigh *n)
{
	switch (n->state) {
	case NEIGH_FAILED:
		return 3;
	case NEIGH_STALE:
		return 2;
	case NEIGH_INCOMPLETE:
		return 1;
	default:
		return 0;
	}
}

/* The table is full: gives up the best of a few entries, going round like a clock's hand. */
static bool make_room(struct stack *st)
{
	struct neigh_table *t = st->neigh;
	struct neigh *n, *victim = NULL;
	unsigned i;

	for (i = 0; i < NEIGH_SCAN; i++) {
		n = pool_at(&t->pool, t->hand++ % t->pool.count);
		if (spare(n) > (victim ? spare(victim) : 0))
			victim = n;
	}
	if (!victim) {
		COUNT(st, NeighTableFull);
		return false;
	}
	remove_entry(st, victim);
	return true;
}

static void neigh_timer(struct stack *st, struct timer *t);

static struct neigh *create(struct stack *st, struct port *port, uint32_t ip)
{
	struct neigh **at = bucket_of(st, port, ip), *n;

	if (st->neigh->pool.used == st->neigh->pool.count && !make_room(st))
		return NULL;
	n = pool_get(&st->neigh->pool);
	n->port = port;
	ip_set(st, &n->ip, ip);
	n->timer.fn = neigh_timer;
	n->hash_next = *at;
	*at = n;
	return n;
}

static void reachable(struct stack *st, struct neigh *n)
{
	n->confirmed = st->now;
	set_state(st, n, NEIGH_REACHABLE, reachable_time(st, n));
}

static void probe_again(struct stack *st, struct neigh *n);

/* ---- output ------------------------------------------------------------------------------- */

static uint16_t type_of(uint32_t ip)
{
	return ip_is6(ip) ? ETH_TYPE_IP6 : ETH_TYPE_IP4;
}

static void ask(struct stack *st, struct neigh *n, const uint8_t *mac)
{
	if (ip_is6(n->ip))
		nd_solicit(st, n->port, n->ip, mac);
	else
		arp_request(st, n->port, n->ip, mac);
}

static void resolve(struct stack *st, struct neigh *n)
{
	n->probes = 1;
	set_state(st, n, NEIGH_INCOMPLETE, retrans(st, n));
	ask(st, n, NULL);
}

/* Group addresses need no asking: RFC 1112 6.4, and all ones. False: `nh` is a host. */
static bool many_mac(struct stack *st, uint32_t nh, uint8_t mac[6])
{
	uint8_t group[16];

	if (!addr_to_many(st, nh))
		return false;
	if (ip_is6(nh)) {
		ip6_group_mac(mac, ip6_name(st, nh)->addr);
	} else if (addr_multicast4(nh)) {
		group_of4(group, nh);
		group_mac(mac, group);
	} else {
		memset(mac, 0xff, 6);
	}
	return true;
}

/* The present timer notices when it fires, so that progress costs no timer. */
static void confirm(struct stack *st, struct neigh *n)
{
	if (n->state == NEIGH_REACHABLE || n->state == NEIGH_DELAY)
		n->confirmed = st->now;
	else if (n->state == NEIGH_STALE || n->state == NEIGH_PROBE)
		reachable(st, n);
}

/* Whatever the age of what we know: it is asked now, and if it does not answer, others are. */
static void doubt(struct stack *st, struct neigh *n)
{
	if (n->state != NEIGH_REACHABLE && n->state != NEIGH_STALE && n->state != NEIGH_DELAY)
		return;
	n->state = NEIGH_PROBE;
	n->probes = 0;
	probe_again(st, n);
}

static void take_hint(struct stack *st, struct neigh *n, uint8_t flags)
{
	if (flags & PKTBUF_TX_REACHED)
		confirm(st, n);
	else
		doubt(st, n);
}

void neigh_out(struct stack *st, struct port *port, uint32_t nh, struct pktbuf *p)
{
	struct neigh *n;
	uint8_t mac[6];

	if (port->caps & PORT_CAP_RAW_IP) {
		eth_out(st, port, NULL, type_of(nh), p);
		return;
	}
	n = find(st, port, nh);
	if (!n && many_mac(st, nh, mac)) {
		eth_out(st, port, mac, type_of(nh), p);
		return;
	}
	if (!n)
		n = create(st, port, nh);
	if (!n) {
		pktbuf_free(p);
		return;
	}
	if (p->flags & (PKTBUF_TX_REACHED | PKTBUF_TX_DOUBTED))
		take_hint(st, n, p->flags);
	switch (n->state) {
	case 0:
	case NEIGH_FAILED:
		enqueue(st, n, p);
		resolve(st, n);
		return;
	case NEIGH_INCOMPLETE:
		enqueue(st, n, p);
		return;
	case NEIGH_STALE:
		set_state(st, n, NEIGH_DELAY, DELAY_NS);
		break;
	default:
		break;
	}
	eth_out(st, port, n->mac, type_of(nh), p);
}

/* ---- input -------------------------------------------------------------------------------- */

static void flush_queue(struct stack *st, struct neigh *n)
{
	struct pktbuf *p;

	if (n->queued && n->state == NEIGH_STALE)
		set_state(st, n, NEIGH_DELAY, DELAY_NS);
	while ((p = dequeue(st, n)))
		eth_out(st, n->port, n->mac, type_of(n->ip), p);
}

/* Who answered just now has not moved: another MAC is more likely a forger's, or one of two who
 * fight. Progress of upper layers does not count: whoever takes an address over announces it while
 * the other one's last ACK is fresh. */
static bool locked(const struct stack *st, const struct neigh *n, bool solicited)
{
	if (n->state == NEIGH_INCOMPLETE || n->state == NEIGH_FAILED ||
	    (n->state == NEIGH_PROBE && solicited))
		return false;
	return n->proved && n->proved + LOCK_NS > st->now;
}

static void proved(struct stack *st, struct neigh *n)
{
	n->proved = st->now;
	reachable(st, n);
}

/* Another MAC was named that is not taken: the one that we have must prove itself at its next use.
 */
static void suspect(struct stack *st, struct neigh *n)
{
	if (n->state == NEIGH_REACHABLE)
		set_state(st, n, NEIGH_STALE, STALE_NS);
}

/*
 * RFC 4861 7.2.5 in ARP's terms. A solicited answer proves reachability both ways; anything else
 * only says what the MAC is, and a changed MAC must be proved again (STALE).
 */
void neigh_learn(struct stack *st, struct port *port, uint32_t ip, const uint8_t mac[6],
		 bool solicited, bool create_new)
{
	struct neigh *n = find(st, port, ip);
	bool changed, waiting;

	if (!n && create_new)
		n = create(st, port, ip);
	if (!n)
		return;
	changed = memcmp(n->mac, mac, 6) != 0;
	waiting = n->state == NEIGH_INCOMPLETE || n->state == NEIGH_PROBE;
	if (changed && locked(st, n, solicited)) {
		suspect(st, n);
		return;
	}
	memcpy(n->mac, mac, 6);
	if (solicited && waiting)
		proved(st, n);
	else if (n->state == 0 || n->state == NEIGH_INCOMPLETE || n->state == NEIGH_FAILED ||
		 changed)
		set_state(st, n, NEIGH_STALE, STALE_NS);
	flush_queue(st, n);
}

/*
 * RFC 4861 7.2.5, word for word: what an advertisement may change; but for a second after proof of
 * another MAC none overrides it. Who has no entry here is not somebody we asked for. Whose default
 * route we have was a router: that it is none any more need not be compared with a flag.
 */
void neigh_advert(struct stack *st, struct port *port, uint32_t ip, const uint8_t *mac,
		  uint8_t flags)
{
	struct neigh *n = find(st, port, ip);
	bool changed;

	if (!n || n->state == NEIGH_FAILED)
		return;
	changed = mac && memcmp(n->mac, mac, 6) != 0;
	if (n->state == NEIGH_INCOMPLETE) {
		if (!mac)
			return;
	} else if (changed &&
		   (!(flags & ND_NA_OVERRIDE) || locked(st, n, flags & ND_NA_SOLICITED))) {
		suspect(st, n);
		return;
	}
	if (mac)
		memcpy(n->mac, mac, 6);
	if (flags & ND_NA_SOLICITED)
		proved(st, n);
	else if (changed || n->state == NEIGH_INCOMPLETE)
		set_state(st, n, NEIGH_STALE, STALE_NS);
	if (!(flags & ND_NA_ROUTER))
		gateway_resigned(st, port, ip);
	flush_queue(st, n);
}

/* ---- time --------------------------------------------------------------------------------- */

/* Nobody answered: what waited takes another way, or its sender hears it (RFC 1122 2.3.2.2,
 * 3.3.1.6). */
static void fail(struct stack *st, struct neigh *n)
{
	struct pktbuf *waiting[NEIGH_QUEUE];
	struct port *port = n->port;
	uint32_t ip = n->ip;
	unsigned i, count = 0;
	bool lost = redirect_lost(st, port, ip, false);
	bool another = gateway_dead(st, port, ip) || lost;

	COUNT(st, NeighFailed);
	set_state(st, n, NEIGH_FAILED, gateway_is_dead(st, port, ip) ? GATEWAY_NS : FAILED_NS);
	while (n->queued)
		waiting[count++] = dequeue(st, n);
	/* From here on n may be gone: the error can make a socket send again. */
	for (i = 0; i < count; i++) {
		if (another && gateway_resend(st, port, ip, waiting[i]))
			continue;
		icmp_local_error(st, waiting[i], ICMP4_DEST_UNREACH, ICMP4_HOST_UNREACH);
		pktbuf_free(waiting[i]);
	}
}

static void probe_again(struct stack *st, struct neigh *n)
{
	if (n->probes >= PROBES) {
		fail(st, n);
		return;
	}
	n->probes++;
	set_state(st, n, n->state, retrans(st, n));
	ask(st, n, n->state == NEIGH_PROBE ? n->mac : NULL);
}

static void ask_gateway(struct stack *st, struct neigh *n)
{
	n->probes = PROBES;
	set_state(st, n, NEIGH_INCOMPLETE, retrans(st, n));
	ask(st, n, NULL);
}

static void neigh_timer(struct stack *st, struct timer *t)
{
	struct neigh *n = (struct neigh *)((uint8_t *)t - offsetof(struct neigh, timer));

	switch (n->state) {
	case NEIGH_REACHABLE:
		if (n->confirmed + reachable_time(st, n) > st->now)
			timer_set(&st->timers, t, n->confirmed + reachable_time(st, n));
		else
			set_state(st, n, NEIGH_STALE, STALE_NS);
		break;
	case NEIGH_DELAY:
		if (n->confirmed >= n->updated) {
			set_state(st, n, NEIGH_REACHABLE, reachable_time(st, n));
		} else {
			n->state = NEIGH_PROBE;
			n->probes = 0;
			probe_again(st, n);
		}
		break;
	case NEIGH_INCOMPLETE:
	case NEIGH_PROBE:
		probe_again(st, n);
		break;
	default:
		if (n->state == NEIGH_FAILED && gateway_is_dead(st, n->port, n->ip))
			ask_gateway(st, n);
		else
			remove_entry(st, n);
	}
}

/* ---- the table ---------------------------------------------------------------------------- */

int neigh_create(struct stack *st)
{
	st->neigh = arena_take(st->arena, sizeof(*st->neigh), 64);
	if (!st->neigh)
		return -ENOMEM;
	return pool_init(&st->neigh->pool, st->arena, "neighbours", sizeof(struct neigh),
			 NEIGH_MAX);
}

void neigh_flush_port(struct stack *st, struct port *port)
{
	uint32_t i;
	struct neigh *n;

	for (i = 0; i < st->neigh->pool.high; i++) {
		n = pool_at(&st->neigh->pool, i);
		if (n->state && n->port == port)
			remove_entry(st, n);
	}
}

const struct pool *neigh_pool(const struct stack *st)
{
	return &st->neigh->pool;
}

bool neigh_row(struct stack *st, uint32_t *cursor, struct neigh_row *row)
{
	struct neigh *n;

	while (*cursor < st->neigh->pool.high) {
		n = pool_at(&st->neigh->pool, (*cursor)++);
		if (!n->state)
			continue;
		memset(row, 0, sizeof(*row));
		row->addr = addr_out(st, n->ip, AF_INET);
		memcpy(row->mac, n->mac, 6);
		row->state = n->state;
		row->port_index = n->port->index;
		row->age_ms = (uint32_t)((st->now - n->updated) / 1000000);
		row->queued = n->queued;
		return true;
	}
	return false;
}
