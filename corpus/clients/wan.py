"""One end of a long way: packets leave this namespace late, and some never.

Two of these, one per namespace, make a path of the internet: each reads a tun device, waits as long as the
client's distance says, and hands the packet to the other end over a socket.
"""
import argparse
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--own", required=True, help="socket that the other end sends to")
    parser.add_argument("--other", required=True, help="socket of the other end")
    parser.add_argument("--client-at", type=int, choices=(12, 16), required=True,
                        help="where the client's address is in the packets that this end sends")
    parser.add_argument("--loss", type=float, default=0.0, help="share of packets lost")
    parser.add_argument("--ready", required=True, help="file to make when the device is there")
    return parser.parse_args()


def distance(address):
    """Seconds one way: most clients are near, some are far; an address stays where it is."""
    draw = random.Random(address)
    return min(0.16, 0.003 + draw.expovariate(1 / 0.022))


def main():
    options = arguments()
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"wan0", IFF_TUN | IFF_NO_PI))
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
    end.bind(options.own)
    end.setblocking(False)
    open(options.ready, "w").close()
    carry(tun, end, options)


def carry(tun, end, options):
    rng, waiting, number, far = random.Random(5), [], 0, {}
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            packet = heapq.heappop(waiting)[2]
            try:
                end.sendto(packet, options.other)
            except OSError:
                # The other end is not there yet, or full: lost, as on any way.
                pass
        patience = max(0.0, waiting[0][0] - now) if waiting else 1.0
        ready, _, _ = select.select([tun, end], [], [], patience)
        if end in ready:
            for packet in burst(lambda: end.recv(65536)):
                os.write(tun, packet)
        if tun in ready:
            for packet in burst(lambda: os.read(tun, 65536)):
                if rng.random() < options.loss:
                    continue
                client = packet[options.client_at:options.client_at + 4]
                if client not in far:
                    far[client] = distance(client)
                number += 1
                when = time.monotonic() + far[client] + rng.expovariate(2000)
                heapq.heappush(waiting, (when, number, packet))


def burst(read, most=64):
    for _ in range(most):
        try:
            yield read()
        except BlockingIOError:
            return


main()
