#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs of tests/tcpip/interop, the same on the net (through the shim) and on its peer.

interop_peer.py serve PORT [both]        half-closed answers: reads to the end, sends a digest and as much back; both: of IPv6 as well;
                                         datagrams come back as they are
interop_peer.py told                     does what each line of its input says, "ID ask HOST PORT BYTES N" (N such exchanges) or
                                         "ID datagrams HOST PORT N..." (of so many bytes, each must come back); answers "ID ok" or why not
interop_peer.py resets HOST PORT N       N connections, each reset at another moment
interop_peer.py ecn HOST PORT BYTES      an exchange whose both ends agreed on ECN; tells how much was delivered under a mark, "ce=N"
interop_peer.py cookies NET HOST PORT    SYNs of hosts in NET (10.77.0) that do not exist fill a queue; who connects meanwhile is served
interop_peer.py scan SRC HOST OPEN       SYN, FIN, NULL, Xmas and UDP scan by raw packets; OPEN is open
interop_peer.py noise SRC HOST N SEED    N random IP packets, of either family
"""
import fcntl
import hashlib
import random
import select
import socket
import struct
import sys
import termios
import threading
import time


def pattern(n, seed):
    return random.Random(seed).randbytes(n)


# ---- struct tcp_info ----

def tcp_info(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 280)


def ecn(s):
    return tcp_info(s)[5] & 8  # TCPI_OPT_ECN


def tell_marks(s):
    """Once all that was sent is acknowledged: segments that were delivered under a mark."""
    for _ in range(100):
        if struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"\0" * 4))[0] == 0:
            break
        time.sleep(0.05)
    print(f"ce={struct.unpack_from('I', tcp_info(s), 196)[0]}", flush=True)  # tcpi_delivered_ce


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
            if ecn(c):
                tell_marks(c)
            c.close()
        except OSError:
            c.close()

    while True:
        try:
            c, _ = s.accept()
        except OSError:
            return  # the net went down
        threading.Thread(target=one, args=(c,), daemon=True).start()


def exchange(host, port, data):
    """The socket, after its peer had all of it and gave back what it shall."""
    s = socket.create_connection((host, port), timeout=60)

    def send():
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)

    t = threading.Thread(target=send)
    t.start()
    back = b""
    try:
        while part := s.recv(65536):
            back += part
        t.join()
        if back != hashlib.sha256(data).digest() + data[::-1]:
            sys.exit(f"{len(back)} bytes back, or not the right ones")
    except (OSError, SystemExit):
        s.close()
        raise
    return s


def ask(host, port, size, times):
    for i in range(times):
        exchange(host, port, pattern(size, i)).close()


def ask_ecn(host, port, size):
    with exchange(host, port, pattern(size, 0)) as s:
        if not ecn(s):
            sys.exit("the two did not agree on ECN")
        tell_marks(s)


def datagrams(host, port, *sizes):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((host, port))
        for size in sizes:
            data = pattern(size, size)
            s.send(data)
            if s.recv(65536) != data:
                sys.exit(f"{size} bytes came back otherwise")


def told():
    for line in sys.stdin:
        name, what, host, *numbers = line.split()
        try:
            {"ask": ask, "datagrams": datagrams}[what](host, *map(int, numbers))
            print(name, "ok", flush=True)
        except (OSError, SystemExit) as e:
            print(name, str(e) or type(e).__name__, flush=True)


def resets(host, port, n):
    for i in range(n):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
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


def packed(addr):
    return socket.inet_pton(socket.AF_INET6 if ":" in addr else socket.AF_INET, addr)


def segment(src, dst, sport, dport, flags, seq=1000):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 5 << 4, flags, 1024, 0, 0)
    pseudo = packed(src) + packed(dst) + struct.pack("!BBH", 0, 6, len(head))
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


def packet4(src, dst, r):
    opts = r.randbytes(4 * r.choice([0, 0, 0, 1, 3, 10]))
    body = r.randbytes(r.randrange(0, 1400))
    proto = r.choice([1, 2, 6, 6, 6, 17, 17, r.randrange(256)])
    if proto == 6 and len(body) > 20 and r.random() < 0.7:
        body = segment(src, dst, r.randrange(65536), r.choice([8080, 80, 9]), r.randrange(256)) + body[20:]
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | (5 + len(opts) // 4), r.randrange(256), 0, r.randrange(8),
                       r.choice([0, 0, 0x4000, 0x2000, r.randrange(65536)]), r.randrange(1, 256), proto, 0,
                       packed(src), packed(dst))
    return head + opts + body


def headers6(r, proto):
    """Up to four extension headers in any order, which may lie about their lengths; the first one's number"""
    chain = b""
    for _ in range(r.choice([0, 0, 0, 1, 2, 4])):
        kind = r.choice([0, 43, 44, 60, 60, 135])
        size = 8 if kind == 44 else 8 * r.choice([1, 1, 2, 5])
        said = size // 8 - 1 if r.random() < 0.8 else r.randrange(256)
        rest = r.choice([r.randbytes(size - 2), bytes(size - 2), b"\1" + bytes([size - 4]) + bytes(size - 4)])
        chain = bytes([proto, 0 if kind == 44 else said]) + rest + chain
        proto = kind
    return proto, chain


def packet6(src, dst, r):
    body = r.randbytes(r.randrange(0, 1200))
    proto = r.choice([6, 6, 6, 17, 17, 58, 58, 58, 59, r.randrange(256)])
    hops = r.choice([64, 255, 255, 1, r.randrange(256)])
    if proto == 6 and len(body) > 20 and r.random() < 0.7:
        body = segment(src, dst, r.randrange(65536), r.choice([8080, 80, 9]), r.randrange(256)) + body[20:]
    if proto == 58 and len(body) > 4 and r.random() < 0.7:  # ICMPv6, mostly of the kinds that are looked into
        body = bytes([r.choice([1, 2, 3, 4, 128, 130, 131, 133, 134, 135, 136, 137, 143]), r.choice([0, 0, r.randrange(256)]), 0, 0]) + body[4:]
        body = body[:2] + struct.pack("!H", checksum(packed(src) + packed(dst) + struct.pack("!II", len(body), 58) + body)) + body[4:]
    first, chain = headers6(r, proto)
    said = len(chain) + len(body) if r.random() < 0.9 else r.randrange(65536)
    return struct.pack("!IHBB", 6 << 28 | r.randrange(1 << 28), said, first, hops) + packed(src) + packed(dst) + chain + body


def noise(src, dst, n, seed):
    """Like isic: any protocol, options, fragments, wrong lengths and checksums."""
    six = ":" in dst
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    r = random.Random(seed)
    sent = 0
    for _ in range(n):
        packet = packet6(src, dst, r) if six else packet4(src, dst, r)
        try:
            s.sendto(packet, (dst, 0))
            sent += 1
        except OSError:
            pass
    if sent < n // 2:
        sys.exit(f"only {sent} of {n} were sent")


def cookies(net, host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    flood = [(f"{net}.{3 + i % 200}", 1024 + i, 7919 * i) for i in range(600)]

    def send(flags, more):
        for i, (src, sport, seq) in enumerate(flood):
            head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 6, 0, packed(src), packed(host))
            s.sendto(head + segment(src, host, sport, port, flags, seq + more), (host, 0))
            if i % 50 == 49:
                time.sleep(0.01)

    send(2, 0)
    ask(host, port, 20000, 20)
    send(4, 1)  # the queue is empty again


if __name__ == "__main__":
    a = sys.argv
    if a[1] == "serve":
        serve(int(a[2]), *a[3:])
    elif a[1] == "told":
        told()
    elif a[1] == "resets":
        resets(a[2], int(a[3]), int(a[4]))
    elif a[1] == "ecn":
        ask_ecn(a[2], int(a[3]), int(a[4]))
    elif a[1] == "cookies":
        cookies(a[2], a[3], int(a[4]))
    elif a[1] == "scan":
        scan(a[2], a[3], int(a[4]))
    else:
        noise(a[2], a[3], int(a[4]), int(a[5]))
