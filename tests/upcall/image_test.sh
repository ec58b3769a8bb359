#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the sandbox image's bytes must be like, whatever compiler made it: tests/upcall/image_test.sh IMAGE
set -u -o pipefail
image=$1
bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # NAME OFFENDERS: ok when there are none
	if [ -s "$2" ]; then
		echo "FAIL $1:"
		head -n 5 "$2"
		bad=1
	else
		echo "ok $1"
	fi
}

objdump -d --no-show-raw-insn "$image" >"$work/code" || exit 1
grep -q '<image_entry>:' "$work/code" || { echo "FAIL no code in $image"; exit 1; }

nm --undefined-only "$image" >"$work/out"
check "no undefined symbols" "$work/out"
readelf -rW "$image" | grep -E '^[0-9a-f]{12,}' >"$work/out"
check "no relocations" "$work/out"
# %fs and %gs are the application's; vector and x87 registers too, nobody saves them.
grep -E '%[fg]s' "$work/code" >"$work/out"
check "no %fs or %gs" "$work/out"
grep -E '%[xyz]mm|%mm[0-7]|%st\b|%k[0-7]\b|\b(emms|fninit|fxsave|fxrstor|xsave|xrstor|ldmxcsr|stmxcsr)' "$work/code" >"$work/out"
check "no vector or x87 registers" "$work/out"
readelf -lW "$image" | grep -E '^ +LOAD' | grep 'RWE\|WE ' >"$work/out"
check "nothing writable and executable" "$work/out"
readelf -lW "$image" | grep -E 'INTERP|DYNAMIC|TLS' >"$work/out"
check "no dynamic linking, no thread-local data" "$work/out"
# The segment's place and size: SEG_BASE + SEG_IMAGE_OFF, SEG_IMAGE_MAX in sandbox/layout.h.
readelf -lW "$image" | awk '/^ +LOAD/ { print $3, $6 }' | while read -r at size; do
	if ((at < 0x600000200000 || at + size > 0x600000200000 + 0x800000)); then
		echo "$at $size"
	fi
done >"$work/out"
check "all of it in its place" "$work/out"
# System calls: leaving (entry.S, entry.c), yielding (entry.c); twice where the compiler copies one.
n=$(grep -cE '\bsyscall\b' "$work/code")
((n >= 2 && n <= 7)) || echo "$n of them" >"$work/out"
check "few system calls" "$work/out"
exit $bad
