#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tap_native.sh [MODE...]: a net on a tap device, with the kernel of this machine at the other end of
# it, in a network namespace of its own. Root, no module, no emulated PC. Cleans up after itself.
set -u
SW_TOP=${SW_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
export PATH=${SW_BUILD:-$SW_TOP/build}/tools:$PATH
net=tapn$$ tap=swt$$ ns=swtap$$ tmp=$(mktemp -d) failed=0
here=10.79.0.1 peer=10.79.0.2

ok() { echo "ok $*"; }
fail() { failed=1; local what=$1; shift; echo "FAIL $what: $*"; }
check() { # NAME CMD...: CMD succeeds
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then ok "$name"; else fail "$name" "status $?: $(tail -n 3 <<<"$said" | tr '\n' ' ')"; fi
}
says() { # NAME STATUS PATTERN CMD...: status, and what it says on either output
	local name=$1 status=$2 pattern=$3 said got
	shift 3
	said=$("$@" 2>&1) && got=0 || got=$?
	if [ "$got" = "$status" ] && grep -qE -- "$pattern" <<<"$said"; then
		ok "$name"
	else
		fail "$name" "status $got: $(head -n 4 <<<"$said" | tr '\n' ' ')"
	fi
}
cleanup() {
	local p
	for p in $(jobs -p); do kill "$p" 2>/dev/null; done
	sandwire down $net >/dev/null 2>&1
	sandwire down ${net}b >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
[ "$(id -u)" = 0 ] && [ -e /dev/net/tun ] || { echo "skip tap: wants root and /dev/net/tun"; exit 0; }

wire() { # the kernel's end of the tap device
	ip netns del $ns 2>/dev/null
	ip netns add $ns && ip link set $tap netns $ns && ip -n $ns link set $tap up &&
		ip -n $ns addr add $peer/24 dev $tap
}
up() { # MODE [OPTION...]
	local mode=$1
	shift
	sandwire up $net --port tap:$tap --addr $here/24 --mode "$mode" --pages 4K --mem 64 "$@" 2>"$tmp/up.err"
}
pid() { cat /run/sandwire/$net/pid; }
ticks() { awk '{print $14 + $15}' "/proc/$(pid)/stat"; }
# BusyBox's ping is in tests/packages.
peer_ping() { ip netns exec $ns busybox ping -W 2 "$@"; }

one_mode() {
	local mode=$1 p t0 used
	up "$mode" && wire || { fail "$mode-up" "$(cat "$tmp/up.err")"; return; }
	ok "$mode-up"
	check "$mode-kernel-pings-stack" peer_ping -c 3 -i 0.2 $here
	check "$mode-stack-pings-kernel" sandwire ping --net $net -c 3 -i 0.2 $peer
	check "$mode-large-echo" sandwire ping --net $net -c 1 -s 1472 $peer
	check "$mode-kernel-large-echo" peer_ping -c 1 -s 1472 $here
	says "$mode-ping-unanswered" 1 '100% packet loss' sandwire ping --net $net -c 1 -W 0.3 10.79.0.99
	says "$mode-ping-no-route" 1 'no route' sandwire ping --net $net -c 1 192.0.2.1
	says "$mode-addr" 0 "inet $here/24" sandwire addr --net $net
	says "$mode-neigh" 0 "^$peer .*[0-9a-f:]{17} +[A-Z]+" sandwire neigh --net $net
	says "$mode-route" 0 "^10.79.0.0/24 dev tap:$tap" sandwire route --net $net
	says "$mode-stat" 0 'IcmpInEchos +4' sandwire stat --net $net
	for what in stat ss addr route neigh; do
		check "$mode-$what-json" bash -c "sandwire $what --net $net --json | python3 -m json.tool"
	done
	changes "$mode"
	captures "$mode"
	[ "$mode" != server ] || check "$mode-hostile-control" timeout 60 python3 "$(dirname "$0")/hostile_control.py" $net
	check "$mode-alive-after" peer_ping -c 1 $here
	refusals "$mode"
	sleep 0.5
	t0=$(ticks)
	sleep 3
	used=$(($(ticks) - t0))
	[ $used -le 2 ] && ok "$mode-idle ($used ticks of 10 ms in 3 s)" || fail "$mode-idle" "$used of 300 ticks"
	p=$(pid)
	check "$mode-down" sandwire down $net
	# Whoever inherited the process may leave it a zombie for a while: it holds nothing any more.
	[ ! -e /run/sandwire/$net ] && ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$p/status" && ! ip netns exec $ns ip link show $tap >/dev/null 2>&1 &&
		ok "$mode-nothing-left" || fail "$mode-nothing-left" "$(ls /run/sandwire/$net 2>&1) $(ip -n $ns -br link)"
}

changes() { # addresses and routes while it runs
	local mode=$1
	check "$mode-addr-add" sandwire addr add 10.80.0.1/24 --net $net
	ip -n $ns addr add 10.80.0.2/24 dev $tap
	check "$mode-new-addr-answers" peer_ping -c 1 10.80.0.1
	says "$mode-addr-add-twice" 1 'there already' sandwire addr add 10.80.0.1/24 --net $net
	check "$mode-addr-del" sandwire addr del 10.80.0.1/24 --net $net
	says "$mode-addr-gone" 1 '100% packet loss' peer_ping -c 1 -W 1 10.80.0.1
	says "$mode-addr-wrong" 2 '10.78.0.1/33' sandwire addr add 10.78.0.1/33 --net $net
	ip -n $ns addr add 192.0.2.1/32 dev $tap
	check "$mode-route-add" sandwire route add 192.0.2.0/24 via $peer --net $net
	check "$mode-route-works" sandwire ping --net $net -c 1 192.0.2.1
	check "$mode-route-del" sandwire route del 192.0.2.0/24 via $peer --net $net
	says "$mode-route-gone" 1 'no route' sandwire ping --net $net -c 1 192.0.2.1
	says "$mode-route-wrong" 2 'beyond its prefix' sandwire route add 192.0.2.1/24 via $peer --net $net
}

captures() {
	local mode=$1 d
	sandwire dump --net $net -w "$tmp/all.pcap" 2>"$tmp/all.err" &
	d=$!
	sandwire dump --net $net -c 4 'icmp[0] = 8' >"$tmp/text" 2>"$tmp/text.err" &
	local t=$!
	for _ in $(seq 50); do [ -s "$tmp/all.pcap" ] && break; sleep 0.1; done
	ip -n $ns neigh flush dev $tap
	peer_ping -c 2 -i 0.2 $here >/dev/null
	sandwire ping --net $net -c 2 -i 0.2 $peer >/dev/null
	wait $t && [ "$(grep -c 'ICMP echo request' "$tmp/text")" = 4 ] && ok "$mode-dump-text-filter-count" ||
		fail "$mode-dump-text-filter-count" "$(cat "$tmp/text" "$tmp/text.err")"
	kill -INT $d
	wait $d && grep -qE '^[0-9]+ packets captured, 0 dropped by the ring$' "$tmp/all.err" && ok "$mode-dump-ctrl-c" ||
		fail "$mode-dump-ctrl-c" "$(cat "$tmp/all.err")"
	tcpdump -vnr "$tmp/all.pcap" >"$tmp/read" 2>&1
	grep -q 'ARP,.* Request who-has' "$tmp/read" && [ "$(grep -c 'echo request' "$tmp/read")" = 4 ] &&
		[ "$(grep -c 'echo reply' "$tmp/read")" = 4 ] && ! grep -q 'bad cksum\|wrong' "$tmp/read" &&
		ok "$mode-dump-file" || fail "$mode-dump-file" "$(head -n 20 "$tmp/read")"
	# Not peer_ping, whose shell alone would be killed: the idle check comes soon.
	ip netns exec $ns busybox ping -c 50 -i 0.2 $here >/dev/null &
	t=$!
	[ "$(timeout 10 sandwire dump --net $net -w - -c 2 icmp 2>/dev/null | tcpdump -nr - 2>/dev/null | grep -c ICMP)" = 2 ] &&
		ok "$mode-dump-pipe" || fail "$mode-dump-pipe" "not two frames through the pipe"
	kill $t
	says "$mode-dump-broken-filter" 1 'filter: ' sandwire dump --net $net 'tcp prot 80 and'
	says "$mode-dump-unwritable" 1 '/proc/nosuch/file' sandwire dump --net $net -w /proc/nosuch/file
	says "$mode-dump-no-such-port" 1 'no such port' sandwire dump --net $net --port tap:other
}

refusals() {
	local mode=$1
	says "$mode-name-in-use" 1 "net $net: is up already" sandwire up $net --port null --addr 10.78.0.1/24
	says "$mode-port-in-use" 1 "the net '$net' has it" \
		sandwire up ${net}b --port tap:$tap --addr 10.78.0.1/24 --mode server --pages 4K
	says "$mode-mtu-not-for-null" 1 'up to 1500, not 9000' sandwire up ${net}b --port null --mtu 9000 --mode server --pages 4K
	[ -e /run/sandwire/${net}b ] && fail "$mode-half-done" "/run/sandwire/${net}b is there"
	if [ ! -e /dev/sandwire ]; then
		says "$mode-no-module" 1 'sandwire.ko' sandwire up ${net}b --port null --mode upcall
	fi
}

crash() { # MODE: what a killed daemon leaves does not hinder the next
	local mode=$1 d
	up "$mode" && wire || { fail "$mode-crash-up" "$(cat "$tmp/up.err")"; return; }
	rm -f "$tmp/crash.pcap"
	sandwire dump --net $net -w "$tmp/crash.pcap" 2>"$tmp/crash.err" &
	d=$!
	for _ in $(seq 50); do [ -s "$tmp/crash.pcap" ] && break; sleep 0.1; done
	kill -9 "$(pid)"
	wait $d
	[ $? = 1 ] && grep -q 'went down' "$tmp/crash.err" && ok "$mode-crash-ends-dump" || fail "$mode-crash-ends-dump" "$(cat "$tmp/crash.err")"
	[ -e /run/sandwire/$net/control ] && ok "$mode-crash-leaves-files" || fail "$mode-crash-leaves-files" "none there"
	says "$mode-crash-is-not-up" 1 'is not up' sandwire stat --net $net
	up "$mode" && ok "$mode-crash-up-again" || fail "$mode-crash-up-again" "$(cat "$tmp/up.err")"
	wire
	check "$mode-crash-alive" peer_ping -c 1 $here
	kill -TERM "$(pid)"
	for _ in $(seq 50); do [ -e /run/sandwire/$net ] || break; sleep 0.1; done
	[ ! -e /run/sandwire/$net ] && ok "$mode-sigterm" || fail "$mode-sigterm" "/run/sandwire/$net is there"
	up "$mode" && kill -9 "$(pid)"
	sleep 0.2
	check "$mode-down-clears-a-crash" sandwire down $net
	[ ! -e /run/sandwire/$net ] && ok "$mode-cleared" || fail "$mode-cleared" "/run/sandwire/$net is there"
}

namespace_gone() { # the tap device is deleted under the daemon
	up server && wire || { fail gone-up "$(cat "$tmp/up.err")"; return; }
	ip netns del $ns
	sleep 1.5
	says gone-link-down 0 '<UP>' sandwire addr --net $net
	local t0; t0=$(ticks)
	sleep 1
	[ $(($(ticks) - t0)) -le 1 ] && ok gone-idle || fail gone-idle "$(($(ticks) - t0)) ticks in a second"
	check gone-down sandwire down $net
}

in_a_vlan() { # the kernel's end is its own device for that VLAN
	local mode=$1
	sandwire up $net --port tap:$tap,vlan=7 --addr $here/24 --mode "$mode" --pages 4K --mem 64 2>"$tmp/up.err" &&
		ip netns add $ns && ip link set $tap netns $ns && ip -n $ns link set $tap up &&
		ip -n $ns link add link $tap name vlan7 type vlan id 7 && ip -n $ns link set vlan7 up &&
		ip -n $ns addr add $peer/24 dev vlan7 || { fail "$mode-vlan-up" "$(cat "$tmp/up.err")"; return; }
	says "$mode-vlan-shown" 0 ' vlan 7$' sandwire addr --net $net
	check "$mode-vlan-kernel-pings-stack" peer_ping -c 3 -i 0.2 -s 1472 $here
	check "$mode-vlan-stack-pings-kernel" sandwire ping --net $net -c 3 -i 0.2 -s 1472 $peer
	ip -n $ns addr del $peer/24 dev vlan7 && ip -n $ns addr add $peer/24 dev $tap
	says "$mode-vlan-untagged-is-nobody" 1 '100% packet loss' peer_ping -c 1 -W 1 $here
	check "$mode-vlan-down" sandwire down $net
	ip netns del $ns
}

[ $# -gt 0 ] || set -- server direct
for m in "$@"; do
	one_mode "$m"
	crash "$m"
	# This machine's own kernel may have no VLANs; the emulated PC's has.
	[ -z "${SW_VM:-}" ] || { ip netns del $ns 2>/dev/null; in_a_vlan "$m"; }
done
namespace_gone
exit $failed
