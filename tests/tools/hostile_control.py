# SPDX-License-Identifier: BSD-3-Clause
"""hostile_control.py NET: does to a daemon's control socket what a hostile program might.

Ends with status 0 when the daemon refused what it must, still answers, and gave nothing away.
"""
import array
import json
import os
import random
import socket
import sys

PATH = f"/run/sandwire/{sys.argv[1]}/control"


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(PATH)
    s.settimeout(10)
    return s


def ask(s, request, fds=()):
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    answer, ancillary, _, _ = s.recvmsg(262144, socket.CMSG_SPACE(64 * 4))
    got = array.array("i")
    for _, _, raw in ancillary:
        got.frombytes(raw[:len(raw) - len(raw) % 4])
    return (json.loads(answer) if answer else None), list(got)


def refused(answer):
    assert answer is not None and "error" in answer and "ok" not in answer, answer


def hello():
    s = connect()
    answer, _ = ask(s, {"cmd": "hello"})
    assert answer["ok"], answer
    s.close()
    return answer


def garbage():
    random.seed(1)
    s = connect()
    for n in range(300):
        refused(ask(s, bytes(random.randrange(256) for _ in range(random.randrange(1, 200))))[0])
    for bad in (b"{}", b"[" * 4000, b"\0", b'{"cmd":"' + b"x" * 3000 + b'"}', b'{"cmd":"attach","abi":-1}',
                b'{"cmd":"attach","abi":1e400}', b'{"cmd":"sockfd"}', b'{"cmd":"nosuch"}'):
        refused(ask(s, bad)[0])
    refused(ask(s, b'{"cmd":"stat","x":"' + b"y" * 60000 + b'"}')[0])  # too long
    assert ask(s, {"cmd": "hello"})[0]["ok"]


def descriptors():
    """Any number of descriptors beside a request: none stays in the daemon."""
    pid = hello()["pid"]
    before = len(os.listdir(f"/proc/{pid}/fd"))
    s = connect()
    null = os.open("/dev/null", os.O_RDONLY)
    for n in (1, 2, 16, 60, 200):
        ask(s, {"cmd": "hello"}, [null] * n)
        ask(s, {"cmd": "prove"}, [null] * n)
    s.close()
    hello()
    after = len(os.listdir(f"/proc/{pid}/fd"))
    assert after <= before + 1, f"{before} descriptors before, {after} after"


def others_sockets():
    s = connect()
    refused(ask(s, {"cmd": "sockfd", "sock": 1})[0])  # not attached
    refused(ask(s, {"cmd": "prove"})[0])
    refused(ask(s, {"cmd": "urgent"})[0])
    refused(ask(s, {"cmd": "signals", "sock": 1})[0])
    answer, fds = ask(s, {"cmd": "attach", "abi": 1})
    assert answer["ok"] and len(fds) >= 2, answer
    refused(ask(s, {"cmd": "attach", "abi": 1})[0])  # twice
    for sock in list(range(70)) + [0x8000, 0x8001, 0xffffffff]:
        refused(ask(s, {"cmd": "sockfd", "sock": sock})[0])
        refused(ask(s, {"cmd": "signals", "sock": sock})[0])
    for sock in (-1, 1 << 32, 1 << 63, "1", None, [1], 1.5):
        refused(ask(s, {"cmd": "sockfd", "sock": sock})[0])
        refused(ask(s, {"cmd": "signals", "sock": sock})[0])
    a, b = socket.socketpair()
    refused(ask(s, {"cmd": "prove"}, [a.fileno()])[0])
    refused(ask(s, {"cmd": "urgent"}, [a.fileno()])[0])
    refused(ask(s, {"cmd": "urgent"})[0])
    refused(ask(s, {"cmd": "capture-stop", "slot": 0})[0])
    # The channel cannot be shrunk under the daemon's feet.
    try:
        os.ftruncate(fds[0], 0)
        raise AssertionError("the channel could be shrunk")
    except PermissionError:
        pass
    # Every slot posted, with rubbish in it.
    import mmap
    channel = mmap.mmap(fds[0], answer["channel_size"])
    random.seed(2)
    for _ in range(50):
        rubbish = bytes(random.randrange(256) for _ in range(4096))
        for off in range(4096, min(len(channel), 32768), 4096):
            channel[off:off + 4096] = rubbish
        channel[128:136] = b"\xff" * 8  # posted
        os.write(fds[1], (1).to_bytes(8, sys.byteorder))
        hello()
    for fd in fds:
        os.close(fd)


def never_reads():
    """A client that asks and never reads is dropped, and nobody waits for it."""
    s = connect()
    s.setblocking(False)
    request = json.dumps({"cmd": "routes"}).encode()
    for _ in range(100000):
        try:
            s.send(request)
        except BlockingIOError:
            hello()
            break
        except (BrokenPipeError, ConnectionResetError):
            break
    hello()
    s.close()


def many():
    crowd = [connect() for _ in range(300)]
    for s in crowd[::3]:
        ask(s, {"cmd": "attach", "abi": 1})
    hello()
    for s in crowd:
        s.close()
    hello()


def unprivileged():
    """What changes the net, or shows others' business, is for root."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            try:
                s = connect()
            except PermissionError:
                os._exit(0)
            for cmd in ("stat", "ss", "addr", "route", "neigh", "capture-start", "down", "addr-add", "route-del",
                        "log-level"):
                refused(ask(s, {"cmd": cmd})[0])
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.chmod(PATH, 0o666)  # as if it were in the group
    try:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.setresuid(65534, 65534, 65534)
                s = connect()
                for cmd in ("stat", "ss", "capture-start", "down", "addr-add", "route-del", "log-level"):
                    refused(ask(s, {"cmd": cmd})[0])
                assert ask(s, {"cmd": "attach", "abi": 1})[0]["ok"]
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        os.chmod(PATH, 0o660)


for test in (garbage, descriptors, others_sockets, never_reads, many, unprivileged):
    test()
    hello()
    print("ok", test.__name__)
