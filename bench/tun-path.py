"""A network path between this network namespace and one of its own, through which every packet passes this program.

Two TUN devices are joined here: what enters one leaves the other after the delay, or never. The kernel's own TCP and
UDP run over it, so a lost packet costs them what it costs on a real path. Ends, and removes what it made, when its
standard input ends. Needs root, /dev/net/tun and ip.

  tun-path.py NAMESPACE HERE THERE DELAY_MS LOSS_PERCENT SEED
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

SET_INTERFACE = 0x400454CA
TUN_WITHOUT_HEADER = 0x0001 | 0x1000


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def open_device(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, SET_INTERFACE, struct.pack("16sH22x", name.encode(), TUN_WITHOUT_HEADER))
    return descriptor


def main():
    namespace, here, there = sys.argv[1:4]
    delay, loss, seed = float(sys.argv[4]) / 1000, float(sys.argv[5]) / 100, int(sys.argv[6])
    chance = random.Random(seed)
    names = (namespace + "a", namespace + "b")
    ip("netns", "add", namespace)
    try:
        ends = [open_device(name) for name in names]
        ip("addr", "add", here, "peer", there, "dev", names[0])
        ip("link", "set", names[0], "up")
        ip("link", "set", names[1], "netns", namespace)
        for arguments in (
            ("addr", "add", there, "peer", here, "dev", names[1]),
            ("link", "set", names[1], "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", namespace, *arguments)
        print(json.dumps({"ready": True}), flush=True)
        print(json.dumps(carry(ends, delay, lambda: chance.random() < loss)), flush=True)
    finally:
        ip("netns", "del", namespace)


def carry(ends, delay, is_lost):
    """Carries packets until standard input ends. Returns how many passed and how many were lost."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    counts = {"passed": 0, "lost": 0}
    on_the_way = []
    number = 0
    while True:
        now = time.monotonic()
        while on_the_way and on_the_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(on_the_way)
            try:
                os.write(end, packet)
            except OSError:
                pass
        wait = max(0, on_the_way[0][0] - now) if on_the_way else None
        readable, _, _ = select.select([*ends, sys.stdin], [], [], wait)
        if sys.stdin in readable and not os.read(sys.stdin.fileno(), 1024):
            return counts
        for end in readable:
            if end is sys.stdin:
                continue
            for _ in range(64):
                try:
                    packet = os.read(end, 65535)
                except BlockingIOError:
                    break
                if is_lost():
                    counts["lost"] += 1
                    continue
                counts["passed"] += 1
                number += 1
                heapq.heappush(on_the_way, (time.monotonic() + delay, number, other[end], packet))


main()
