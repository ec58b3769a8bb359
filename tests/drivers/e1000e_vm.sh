#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# In the emulated PC: the e1000e driver on NIC 0 through VFIO against the kernel's NIC 1, in a
# namespace of its own, with each kind of interrupt. Result lines as tests/run counts them.
#   tests/vm/run -- tests/drivers/e1000e_vm.sh
set -u
[ -n "${SW_VM:-}" ] || { echo "skip e1000e_vm: not in the emulated PC"; exit 0; }
cd "$(dirname "$0")/../.." || exit 1
program=${SW_BUILD:-build}/tests/drivers/e1000e_vm
peer=$SW_NIC1 nic=$SW_NIC0 count=${1:-10000}

modprobe vfio-pci && modprobe e1000e || { echo "FAIL modules: modprobe failed"; exit 1; }
echo vfio-pci >"/sys/bus/pci/devices/$nic/driver_override"
[ ! -e "/sys/bus/pci/devices/$nic/driver" ] || echo "$nic" >"/sys/bus/pci/devices/$nic/driver/unbind"
echo "$nic" >/sys/bus/pci/drivers_probe
for _ in $(seq 100); do # it may be on its way back from another test's namespace
	dev=$(ls "/sys/bus/pci/devices/$peer/net" 2>/dev/null) && [ -n "$dev" ] && break
	sleep 0.1
done
[ -n "$dev" ] || { echo "FAIL peer: the kernel has no network device for $peer"; exit 1; }
ip netns add drv && ip link set "$dev" netns drv
ip -n drv addr add 10.78.0.2/24 dev "$dev"
ip -n drv link set "$dev" up
# The program asks by ARP but does not answer.
ip -n drv neigh add 10.78.0.1 lladdr 52:54:00:53:57:00 nud permanent dev "$dev"
for _ in $(seq 50); do
	ip -n drv link show "$dev" | grep -q LOWER_UP && break
	sleep 0.1
done

ip netns exec drv sleep 1000 &
watcher=$!
failed=0
for kind in msix msi intx; do
	"$program" "$nic" $kind "$count" 10.78.0.1 10.78.0.2 $watcher || failed=1
done
[ $failed = 0 ] || ip netns exec drv ethtool -S "$dev" | grep -v ': 0$'
kill $watcher
ip netns del drv
echo "$nic" >"/sys/bus/pci/devices/$nic/driver/unbind"
echo >"/sys/bus/pci/devices/$nic/driver_override"
echo "$nic" >/sys/bus/pci/drivers_probe # as it was found: the kernel's
exit $failed
