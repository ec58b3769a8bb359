#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# In the emulated PC: bind, doctor, vfio/ on a real vfio-pci, unbind; and what bind refuses.
# tests/vfio/vfio_vm.sh (SW_BUILD names the build folder; SW_SANDWIRE another sandwire than its own)
set -uo pipefail
build=${SW_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
sandwire=${SW_SANDWIRE:-$build/tools/sandwire}
[ -n "${SW_VM:-}" ] || { echo "skip vfio: only in the emulated PC (tests/vm/run)"; exit 0; }
addr=$SW_NIC0 sys=/sys/bus/pci/devices/$SW_NIC0
out=$(mktemp) bad=0
# The next test finds the NICs as this one did, whatever fails here.
trap 'rm -f "$out"; ip netns del far 2>/dev/null; ip addr flush dev "${netdev:-lo}" to 192.0.2.0/24 2>/dev/null' EXIT

driver() { basename "$(readlink "$sys/driver" || echo none)"; }
check() { # NAME STATUS PATTERN COMMAND...: status and a line of output as expected
	local name=$1 want=$2 pattern=$3 rc=0
	shift 3
	"$@" >"$out" 2>&1 || rc=$?
	if [ $rc = "$want" ] && grep -qE "$pattern" "$out"; then
		echo "ok $name"
	else
		echo "FAIL $name: status $rc, wanted $want and /$pattern/ from: $*"
		sed 's/^/    /' "$out"
		bad=1
	fi
}
is() { # NAME GOT WANTED
	if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: '$2', not '$3'"; bad=1; fi
}

modprobe -a e1000e 8021q
[ "$(driver)" != vfio-pci ] || "$sandwire" unbind "$addr" >/dev/null
[ "$(driver)" = none ] && echo "$addr" >/sys/bus/pci/drivers_probe
netdev=$(ls "$sys/net" | head -1)
is "the kernel has the NIC" "$(driver)" e1000e
check unbind-of-unbound 1 'not bound to vfio-pci, but to e1000e' "$sandwire" unbind "$addr"
check doctor-proposes-it 1 "sandwire bind $addr" "$sandwire" doctor

# What it carries protects it.
ip link set "$netdev" up
ip addr add 192.0.2.1/24 dev "$netdev"
ip route add default via 192.0.2.9 table 77
check refuses-default-route 1 "^sandwire: $addr: $netdev carries a default route\$" "$sandwire" bind "$netdev"
ip route del default table 77
ip link add link "$netdev" name vlan5 type vlan id 5
ip link set vlan5 up
ip -6 route add default dev vlan5
check refuses-default-route-of-a-vlan 1 "carries a default route through vlan5" "$sandwire" bind "$netdev"
ip link del vlan5
[ "$(driver)" = e1000e ] || exit 1

peer=$(ls "/sys/bus/pci/devices/$SW_NIC1/net" | head -1)
ip netns add far
ip link set "$peer" netns far
ip -n far addr add 192.0.2.2/24 dev "$peer"
ip -n far link set "$peer" up
ip netns exec far socat TCP-LISTEN:22,fork EXEC:cat & listener=$!
for _ in $(seq 100); do ip netns exec far ss -ltn | grep -q :22 && break; sleep 0.1; done
# Links take seconds to come up on a busy machine, and ARP gives up after three.
answers() { timeout 20 bash -c 'echo here >/dev/tcp/192.0.2.2/22' 2>/dev/null; }
for _ in $(seq 30); do answers && break; sleep 1; done
answers || { echo "FAIL peer: does not answer"; ip addr; ip -n far addr; ip neigh; exit 1; }
exec 3<>/dev/tcp/192.0.2.2/22
check refuses-a-connection 1 "carries 1 established connection: 192.0.2.1:[0-9]+ with 192.0.2.2:22" "$sandwire" bind "$addr"
exec 3>&-
kill $listener
is "and is left alone" "$(driver)" e1000e

check bind 0 "^undo: sandwire unbind $addr\$" "$sandwire" bind "${addr#0000:}" --force
is "vfio-pci has it" "$(driver)" vfio-pci
is "its driver is remembered" "$(sed -n 's/^driver=//p' "/run/sandwire/bind/$addr")" e1000e
check bind-again 0 'already' "$sandwire" bind "$addr"
"$sandwire" doctor >"$out" 2>&1 || :
is "doctor sees it ready" "$(grep -c "$addr.*IOMMU group [0-9]*, ready" "$out")" 1
"$build/tests/vfio/vfio_vm" "$addr" 2 || bad=1

# A holder of the group: unbind must refuse, not hang.
group=$(basename "$(readlink "$sys/iommu_group")")
exec 4<>"/dev/vfio/$group"
check unbind-in-use 1 'in use' timeout 20 "$sandwire" unbind "$addr"
exec 4>&-
check unbind 0 "vfio-pci -> e1000e" "$sandwire" unbind "$addr"
is "the kernel has it back" "$(driver)" e1000e
is "the override is gone" "$(cat "$sys/driver_override")" "(null)"
is "nothing is remembered" "$(ls /run/sandwire/bind 2>&1 | grep -c "^$addr")" 0
for _ in 1 2 3 4 5; do
	"$sandwire" bind "$addr" >/dev/null && "$sandwire" unbind "$addr" >/dev/null || { echo "FAIL back-and-forth"; bad=1; }
done
is "five times back and forth" "$(driver)" e1000e
ip netns del far
exit $bad
