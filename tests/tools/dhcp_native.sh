#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dhcp_native.sh: `sandwire up --dhcp` on a tap device, with BusyBox's server behind it in a network
# namespace: the lease, what comes with it, renewal, loss and return. Root, no module, no emulated PC.
set -u
SW_TOP=${SW_TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
export PATH=${SW_BUILD:-$SW_TOP/build}/tools:$PATH
net=dhcp$$ tap=swd$$ ns=swdhcp$$ tmp=$(mktemp -d) failed=0 server=
peer=10.81.0.1

ok() { echo "ok $*"; }
fail() { failed=1; local what=$1; shift; echo "FAIL $what: $*"; }
is() { # NAME CMD...: within 15 s
	local name=$1 i said
	shift
	for i in $(seq 75); do said=$("$@" 2>&1) && ok "$name" && return; sleep 0.2; done
	fail "$name" "$(tail -n 3 <<<"$said" | tr '\n' ' ')"
}
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	sandwire down $net >/dev/null 2>&1
	ip netns del $ns 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
[ "$(id -u)" = 0 ] && [ -e /dev/net/tun ] || { echo "skip dhcp: wants root and /dev/net/tun"; exit 0; }

cat >"$tmp/conf" <<C
start 10.81.0.50
end 10.81.0.50
interface $tap
lease_file $tmp/leases
min_lease 8
opt subnet 255.255.255.0
opt router $peer
opt dns 9.9.9.9 10.81.0.1
opt domain lan.test
opt lease 8
C
touch "$tmp/leases"
serve() { (exec ip netns exec $ns busybox udhcpd -f "$tmp/conf") >"$tmp/udhcpd" 2>&1 & server=$!; }
addr() { sandwire addr --net $net | grep -E "$1"; }
binds() { [ "$(sandwire stat --net $net | awk '$1 == "DhcpBinds" { print $2 }')" -ge "$1" ]; }

sandwire up $net --port tap:$tap --dhcp --mode server --pages 4K --mem 64 2>"$tmp/up.err" & up=$!
for i in $(seq 50); do [ -e /sys/class/net/$tap ] && break; sleep 0.1; done
ip netns add $ns && ip link set $tap netns $ns && ip -n $ns link set $tap up && ip -n $ns addr add $peer/24 dev $tap ||
	{ fail dhcp-wire "no $tap"; exit 1; }
serve
wait $up && ok dhcp-up || fail dhcp-up "$(cat "$tmp/up.err")"
is dhcp-address addr '^ +inet 10\.81\.0\.50/24'
is dhcp-lease addr "dhcp bound from $peer for [0-9]+ s more dns 9.9.9.9,10.81.0.1 domain lan.test"
is dhcp-gateway bash -c "sandwire route --net $net | grep -E '^(default|0.0.0.0/0) via $peer'"
is dhcp-kernel-pings-stack ip netns exec $ns busybox ping -c 1 -W 2 10.81.0.50
is dhcp-stack-pings-kernel sandwire ping --net $net -c 1 $peer
is dhcp-renewed binds 3
is dhcp-json bash -c "sandwire addr --net $net --json | python3 -c 'import json,sys; r=json.load(sys.stdin)[0]; sys.exit(r[\"dhcp\"][\"lease_s\"] != 8)'"
kill $server
wait $server 2>/dev/null
is dhcp-lost addr 'dhcp (waiting|selecting)$'
[ -z "$(addr 10.81.0.50)" ] && ok dhcp-address-gone || fail dhcp-address-gone "$(addr .)"
serve
is dhcp-comes-back addr '^ +inet 10\.81\.0\.50/24'
sandwire down $net && ok dhcp-down || fail dhcp-down "status $?"
grep -q . "$tmp/udhcpd" || fail dhcp-server "it said nothing"
exit $failed
