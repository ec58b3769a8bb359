#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs of tests/tcpip/interop, the same on the net (through the shim) and on its peer.

interop_peer.py serve PORT [both]        half-closed answers: reads to the end, sends a digest and as much back; both: of IPv6 as well;
                                         datagrams come back as they are
interop_peer.py ask HOST PORT BYTES [N]  N such exchanges; 1 if one is wrong
interop_peer.py datagrams HOST PORT N... datagrams of so many bytes, each must come back
interop_peer.py resets HOST PORT N       N connections, each reset at another moment
interop_peer.py scan SRC HOST OPEN       SYN, FIN, NULL, Xmas and UDP scan by raw packets; OPEN is open
interop_peer.py noise SRC HOST N         N random IP packets
"""
import hashlib
import random
import select
import socket
import struct
import sys
import threading
import time


def pattern(n, seed):
    return random.Random(seed).randbytes(n)


def echo_datagrams(port, both):
    s = socket.socket(socket.AF_INET6 if both else socket.AF_INET, socket.SOCK_DGRAM)
    if both:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::" if both else "0.0.0.0", port))
    while True:
        try:
            s.sendto(*s.recvfrom(65536))
        except OSError:
            return  # the net went down


def serve(port, both=None):
    threading.Thread(target=echo_datagrams, args=(port, both), daemon=True).start()
    s = socket.socket(socket.AF_INET6 if both else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if both:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::" if both else "0.0.0.0", port))
    s.listen(100)

    def one(c):
        try:
            data = b""
            while part := c.recv(65536):
                data += part
            c.sendall(hashlib.sha256(data).digest() + data[::-1])
            c.close()
        except OSError:
            c.close()

    while True:
        try:
            c, _ = s.accept()
        except OSError:
            return  # the net went down
        threading.Thread(target=one, args=(c,), daemon=True).start()


def ask(host, port, size, times):
    for i in range(times):
        data = pattern(size, i)
        s = socket.create_connection((host, port), timeout=60)

        def send():
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)

        t = threading.Thread(target=send)
        t.start()
        back = b""
        while part := s.recv(65536):
            back += part
        t.join()
        s.close()
        if back != hashlib.sha256(data).digest() + data[::-1]:
            sys.exit(f"exchange {i}: {len(back)} bytes back, or not the right ones")


def datagrams(host, port, *sizes):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((host, port))
    for size in sizes:
        data = pattern(size, size)
        s.send(data)
        if s.recv(65536) != data:
            sys.exit(f"{size} bytes came back otherwise")


def resets(host, port, n):
    for i in range(n):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.setblocking(i % 4 != 0)
        try:
            s.connect((host, port))
            if i % 4 > 1:
                s.send(b"x" * (i * 37 % 5000))
            if i % 4 > 2:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        s.close()


# ---- raw packets ----

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def segment(src, dst, sport, dport, flags):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1000, 0, 5 << 4, flags, 1024, 0, 0)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, 6, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def tcp_scan(src, dst, flags, ports, sport):
    """port -> flags of the answer"""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    seen = {}

    def collect(wait):
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0 and select.select([s], [], [], left)[0]:
            p, a = s.recvfrom(4096)
            ihl = (p[0] & 15) * 4
            sp, dp = struct.unpack("!HH", p[ihl:ihl + 4])
            if a[0] == dst and dp == sport:
                seen[sp] = p[ihl + 13]

    for i, port in enumerate(ports):
        s.sendto(segment(src, dst, sport, port, flags), (dst, 0))
        if i % 50 == 49:
            collect(0.02)
    for _ in range(40):
        before = len(seen)
        collect(0.25)
        if len(seen) == before:
            break
    return seen


def scan(src, dst, open_port):
    ports = sorted(set(range(1, 1025)) | {open_port})
    bad = []
    seen = tcp_scan(src, dst, 2, ports, 51001)
    if seen.get(open_port) != 0x12:
        bad.append(f"SYN to the open port: {seen.get(open_port)}")
    missing = [p for p in ports if p != open_port and seen.get(p) != 0x14]
    if missing:
        bad.append(f"SYN: {len(missing)} closed ports did not say RST-ACK, first {missing[:3]}")
    for name, flags in ("FIN", 1), ("NULL", 0), ("Xmas", 0x29):
        seen = tcp_scan(src, dst, flags, ports, 51002 + flags)
        if open_port in seen:
            bad.append(f"{name} to the open port was answered")
        missing = [p for p in ports if p != open_port and not seen.get(p, 0) & 4]
        if missing:
            bad.append(f"{name}: {len(missing)} closed ports did not reset, first {missing[:3]}")
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.connect((dst, 9))
    u.settimeout(5)
    u.send(b"x")
    try:
        u.recv(10)
        bad.append("UDP to a closed port was answered")
    except ConnectionRefusedError:
        pass
    except TimeoutError:
        bad.append("UDP to a closed port: no ICMP")
    if bad:
        sys.exit("; ".join(bad))


def noise(src, dst, n):
    """Like isic: any protocol, options, fragments, wrong lengths and checksums."""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    r = random.Random(7)
    sent = 0
    for _ in range(n):
        opts = r.randbytes(4 * r.choice([0, 0, 0, 1, 3, 10]))
        body = r.randbytes(r.randrange(0, 1400))
        proto = r.choice([1, 2, 6, 6, 6, 17, 17, r.randrange(256)])
        if proto == 6 and len(body) > 20 and r.random() < 0.7:
            body = segment(src, dst, r.randrange(65536), r.choice([8080, 80, 9]), r.randrange(256)) + body[20:]
        head = struct.pack("!BBHHHBBH4s4s", 0x40 | (5 + len(opts) // 4), r.randrange(256), 0, r.randrange(8),
                           r.choice([0, 0, 0x4000, 0x2000, r.randrange(65536)]), r.randrange(1, 256), proto, 0,
                           socket.inet_aton(src), socket.inet_aton(dst))
        try:
            s.sendto(head + opts + body, (dst, 0))
            sent += 1
        except OSError:
            pass
    if sent < n // 2:
        sys.exit(f"only {sent} of {n} were sent")


if __name__ == "__main__":
    a = sys.argv
    if a[1] == "serve":
        serve(int(a[2]), *a[3:])
    elif a[1] == "ask":
        ask(a[2], int(a[3]), int(a[4]), int(a[5]) if len(a) > 5 else 1)
    elif a[1] == "datagrams":
        datagrams(a[2], int(a[3]), *map(int, a[4:]))
    elif a[1] == "resets":
        resets(a[2], int(a[3]), int(a[4]))
    elif a[1] == "scan":
        scan(a[2], a[3], int(a[4]))
    else:
        noise(a[2], a[3], int(a[4]))
