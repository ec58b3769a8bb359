#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two ends that talk: talk.py serve tcp|udp ADDRESS (says its port, serves one peer, ends);
talk.py ask tcp|udp ADDRESS PORT (300,000 bytes there and back, compared; for udp 20 datagrams,
from one that fits a packet to one of 22 fragments);
talk.py advertise INTERFACE PREFIX (one router advertisement by a packet socket)."""
import random
import socket
import struct
import sys

SIZE = 300000
DATAGRAMS = 20


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def data():
    return random.Random(6).randbytes(SIZE)


def serve(how, address):
    s = socket.socket(family(address), socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM)
    s.bind((address, random.randint(20000, 30000)))
    if how == "tcp":
        s.listen(5)
    s.settimeout(20)
    print(s.getsockname()[1], flush=True)
    if how == "udp":
        for _ in range(DATAGRAMS):
            got, peer = s.recvfrom(65536)
            s.sendto(got, peer)
        return
    c, _ = s.accept()
    c.settimeout(20)
    while True:
        got = c.recv(65536)
        if not got:
            break
        c.sendall(got)


def ask(how, address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM if how == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect((address, port))
    whole, back = data(), b""
    if how == "udp":
        for i in range(DATAGRAMS):
            piece = whole[i * 1200:i * 2800 + 1200]
            s.send(piece)
            assert s.recv(65536) == piece, f"datagram {i} of {len(piece)} bytes"
        return
    # In pieces, so that neither end's buffers fill while both only write.
    for at in range(0, SIZE, 30000):
        s.sendall(whole[at:at + 30000])
        while len(back) < min(at + 30000, SIZE):
            got = s.recv(65536)
            assert got, f"ended after {len(back)}"
            back += got
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b"" and back == whole, "other bytes"


def checksum(b):
    total = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def advertise(interface, prefix):
    mac = bytes.fromhex(open(f"/sys/class/net/{interface}/address").read().strip().replace(":", ""))
    src, dst = socket.inet_pton(socket.AF_INET6, "fe80::fe"), socket.inet_pton(socket.AF_INET6, "ff02::1")
    ra = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + struct.pack("!BB", 1, 1) + mac
    ra += struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 7200, 3600, 0) + socket.inet_pton(socket.AF_INET6, prefix)
    sum_ = checksum(src + dst + struct.pack("!II", len(ra), 58) + ra)
    ra = ra[:2] + struct.pack("!H", sum_) + ra[4:]
    ip = struct.pack("!IHBB", 6 << 28, len(ra), 58, 255) + src + dst
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    s.send(bytes.fromhex("333300000001") + mac + struct.pack("!H", 0x86dd) + ip + ra)


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "ask":
    ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    advertise(sys.argv[2], sys.argv[3])
