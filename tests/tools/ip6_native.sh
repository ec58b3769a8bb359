#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ip6_native.sh [MODE...]: IPv6 between a net on a tap device and the kernel of this machine at the
# other end of it, in a network namespace: echo, TCP and UDP both ways, dual-stack sockets, addresses
# from a router. Root, no module, no emulated PC. Cleans up after itself.
set -u
SW_TOP=${SW_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
export PATH=${SW_BUILD:-$SW_TOP/build}/tools:$PATH
net=ip6n$$ tap=sw6$$ ns=swip6$$ tmp=$(mktemp -d) failed=0
here=2001:db8:79::1 peer=2001:db8:79::2 here4=10.89.0.1 peer4=10.89.0.2
talk=$(dirname "$0")/talk.py

ok() { echo "ok $*"; }
fail() { failed=1; local what=$1; shift; echo "FAIL $what: $*"; }
check() { # NAME CMD...: CMD succeeds
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then ok "$name"; else fail "$name" "status $?: $(tail -n 3 <<<"$said" | tr '\n' ' ')"; fi
}
says() { # NAME PATTERN CMD...
	local name=$1 pattern=$2 said
	shift 2
	said=$("$@" 2>&1)
	if grep -qE -- "$pattern" <<<"$said"; then ok "$name"; else fail "$name" "$(head -n 6 <<<"$said" | tr '\n' ' ')"; fi
}
cleanup() {
	local p
	for p in $(jobs -p); do kill "$p" 2>/dev/null; done
	sandwire down $net >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
[ "$(id -u)" = 0 ] && [ -e /dev/net/tun ] || { echo "skip ip6: wants root and /dev/net/tun"; exit 0; }
[ -e /proc/sys/net/ipv6 ] || { echo "skip ip6: this kernel has no IPv6"; exit 0; }

until_true() { # CMD...: waits until CMD succeeds, 15 s at most
	local i
	for i in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
	return 1
}
wire() {
	ip netns del $ns 2>/dev/null
	ip netns add $ns && ip link set $tap netns $ns && ip -n $ns link set $tap up && ip -n $ns link set lo up &&
		ip -n $ns addr add $peer/64 dev $tap nodad && ip -n $ns addr add $peer4/24 dev $tap
}
usable() { ! sandwire addr --net $net | grep -q tentative; }
there() { ip netns exec $ns "$@"; }
inside() { sandwire run --net $net -- "$@"; }

one_mode() {
	local mode=$1 s ll kll
	sandwire up $net --port tap:$tap --addr $here4/24 --addr $here/64 --mode "$mode" --pages 4K --mem 64 2>"$tmp/up.err" && wire ||
		{ fail "$mode-up" "$(cat "$tmp/up.err")"; return; }
	ok "$mode-up"
	check "$mode-addresses-become-usable" until_true usable
	says "$mode-addr" "inet6 $here/64" sandwire addr --net $net
	ll=$(sandwire addr --net $net | sed -n 's/.*inet6 \(fe80:[^/]*\).*/\1/p')
	kll=$(ip -n $ns -6 addr show dev $tap scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p')
	check "$mode-kernel-pings-stack" there busybox ping6 -c 3 -i 0.2 -W 2 $here
	check "$mode-kernel-pings-link-local" there busybox ping6 -c 1 -W 2 -I $tap "$ll"
	check "$mode-stack-pings-kernel" sandwire ping --net $net -c 3 -i 0.2 $peer
	check "$mode-stack-pings-link-local" sandwire ping --net $net -c 1 "$kll"
	check "$mode-large-echo" sandwire ping --net $net -c 1 -s 1452 $peer
	check "$mode-echo-in-fragments" sandwire ping --net $net -c 1 -s 20000 $peer
	check "$mode-kernel-pings-in-fragments" there busybox ping6 -c 1 -W 2 -s 20000 $here
	says "$mode-neigh" "^$peer .*[0-9a-f:]{17} +[A-Z]+" sandwire neigh --net $net
	says "$mode-route" '^2001:db8:79::/64 dev' sandwire route --net $net
	check "$mode-no-answer" bash -c "! sandwire ping --net $net -c 1 -W 0.3 2001:db8:79::99"
	transfers "$mode"
	routes "$mode"
	check "$mode-down" sandwire down $net
	routers "$mode"
}

# Whoever serves says its port when it listens; the other end sends 300,000 bytes and gets them back.
transfers() {
	local mode=$1 how port who
	for how in tcp udp; do
		for who in $here ::; do
			: >"$tmp/port"
			inside python3 "$talk" serve $how "$who" >"$tmp/port" 2>"$tmp/serve.err" &
			until_true test -s "$tmp/port" || { fail "$mode-$how-serve-$who" "$(cat "$tmp/serve.err")"; continue; }
			port=$(cat "$tmp/port")
			check "$mode-$how-kernel-to-stack-at-$who" there timeout 20 python3 "$talk" ask $how $here "$port"
			wait $! 2>/dev/null
		done
		: >"$tmp/port"
		inside python3 "$talk" serve $how :: >"$tmp/port" 2>"$tmp/serve.err" &
		until_true test -s "$tmp/port"
		check "$mode-$how-dual-stack-server-serves-ipv4" there timeout 20 python3 "$talk" ask $how $here4 "$(cat "$tmp/port")"
		wait $! 2>/dev/null
		: >"$tmp/port"
		there python3 "$talk" serve $how $peer >"$tmp/port" 2>"$tmp/serve.err" &
		until_true test -s "$tmp/port"
		check "$mode-$how-stack-to-kernel" inside timeout 20 python3 "$talk" ask $how $peer "$(cat "$tmp/port")"
		wait $! 2>/dev/null
		: >"$tmp/port"
		there python3 "$talk" serve $how $peer4 >"$tmp/port" 2>"$tmp/serve.err" &
		until_true test -s "$tmp/port"
		check "$mode-$how-mapped-address" inside timeout 20 python3 "$talk" ask $how ::ffff:$peer4 "$(cat "$tmp/port")"
		wait $! 2>/dev/null
	done
	says "$mode-refused" refused inside python3 "$talk" ask tcp $peer 9
	if command -v curl >/dev/null; then
		there python3 -m http.server --bind $peer --directory "$tmp" 8079 >/dev/null 2>&1 &
		until_true there curl -6 -s -o /dev/null "http://[$peer]:8079/"
		check "$mode-curl" inside curl -6 -fsS -m 10 -o /dev/null "http://[$peer]:8079/"
		kill $!
	fi
	says "$mode-stat" 'Ip6InDelivers +[1-9]' sandwire stat --net $net
	check "$mode-no-errors" bash -c "! sandwire stat --net $net | grep -E '(Ip6InHdrErrors|Icmp6InErrors|NdInErrors|MldInErrors|TcpInErrs|UdpInCsumErrors) +[1-9]'"
}

routes() {
	local mode=$1
	ip -n $ns addr add 2001:db8:80::9/128 dev $tap nodad
	check "$mode-route-add" sandwire route add 2001:db8:80::/48 via $peer --net $net
	check "$mode-route-works" sandwire ping --net $net -c 1 2001:db8:80::9
	check "$mode-route-del" sandwire route del 2001:db8:80::/48 via $peer --net $net
	check "$mode-default-add" sandwire route add default via $peer --net $net
	says "$mode-default-shown" "^default via $peer" sandwire route --net $net
	check "$mode-default-works" sandwire ping --net $net -c 1 2001:db8:80::9
	check "$mode-addr-add" sandwire addr add 2001:db8:81::1/64 --net $net
	check "$mode-addr-del" sandwire addr del 2001:db8:81::1/64 --net $net
}

# A router's advertisement, sent from the namespace by hand.
routers() {
	local mode=$1 a b
	sandwire up $net --port tap:$tap --addr $here4/24 --ipv6 on --mode "$mode" --pages 4K --mem 64 2>"$tmp/up.err" && wire ||
		{ fail "$mode-slaac-up" "$(cat "$tmp/up.err")"; return; }
	until_true usable
	there python3 "$talk" advertise $tap 2001:db8:90::
	until_true bash -c "sandwire addr --net $net | grep -q 'inet6 2001:db8:90:.*dynamic'"
	a=$(sandwire addr --net $net | sed -n 's/.*inet6 \(2001:db8:90:[^/]*\).*/\1/p')
	[ -n "$a" ] && ok "$mode-slaac-address" || fail "$mode-slaac-address" "$(sandwire addr --net $net)"
	says "$mode-slaac-default-route" '^default via fe80:' sandwire route --net $net
	ip -n $ns addr add 2001:db8:90::2/64 dev $tap nodad
	check "$mode-slaac-answers" there busybox ping6 -c 1 -W 2 "$a"
	sandwire down $net
	sandwire up $net --port tap:$tap --addr $here4/24 --ipv6 on --mode "$mode" --pages 4K --mem 64 2>/dev/null && wire
	until_true usable
	there python3 "$talk" advertise $tap 2001:db8:90::
	until_true bash -c "sandwire addr --net $net | grep -q 'inet6 2001:db8:90:.*dynamic'"
	b=$(sandwire addr --net $net | sed -n 's/.*inet6 \(2001:db8:90:[^/]*\).*/\1/p')
	if [ -e /etc/machine-id ]; then
		[ "$a" = "$b" ] && ok "$mode-same-address-at-the-next-start" || fail "$mode-same-address-at-the-next-start" "$a, then $b"
	else
		echo "skip $mode-same-address-at-the-next-start: no /etc/machine-id"
	fi
	sandwire down $net
}

[ $# -gt 0 ] || set -- server direct
for m in "$@"; do one_mode "$m"; done
exit $failed
