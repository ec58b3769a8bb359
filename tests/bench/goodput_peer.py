#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""goodput_peer.py serve PORT: takes streams to their end and says so. goodput_peer.py send HOST PORT BYTES [FLOWS]: sends
so much by each of the flows at once and prints a line for each, the bits a second until the other end has all of it, as
its application sees it."""
import socket
import sys
import threading
import time

BLOCK = 65536


def take(conn):
    n = 0
    with conn:
        while data := conn.recv(4 * BLOCK):
            n += len(data)
        conn.sendall(b"%d\n" % n)


def serve(port):
    with socket.create_server(("", port)) as s:
        while True:
            threading.Thread(target=take, args=(s.accept()[0],), daemon=True).start()


def send(host, port, size):
    try:
        print(stream(host, port, size), flush=True)
    except OSError as e:
        print(f"goodput: {e}", file=sys.stderr)
        print(0, flush=True)


def stream(host, port, size):
    block = bytes(BLOCK)
    began = time.monotonic()
    with socket.create_connection((host, port), timeout=120) as s:
        left = size
        while left:
            left -= s.send(block[:left])
        s.shutdown(socket.SHUT_WR)
        got = b""
        while not got.endswith(b"\n"):
            part = s.recv(64)
            if not part:
                break
            got += part
    if int(got or 0) != size:
        raise OSError(f"{size} bytes sent, {got!r} arrived")
    return int(size * 8 / (time.monotonic() - began))


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    flows = [threading.Thread(target=send, args=(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
             for _ in range(int(sys.argv[5]) if len(sys.argv) > 5 else 1)]
    for flow in flows:
        flow.start()
    for flow in flows:
        flow.join()
