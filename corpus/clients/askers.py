#!/usr/bin/env python3
"""Stub resolvers: ask a name server what people want, and again where no answer comes or it failed."""
import argparse
import heapq
import random
import select
import socket
import struct
import time

SERVFAIL = 2


def main():
    options = arguments()
    rng = random.Random(options.seed)
    rows = [line.split() for line in open(options.questions) if line.strip()]
    sockets = [bound(address) for address in options.sources.split(",")]
    poll = select.poll()
    for one in sockets:
        poll.register(one, select.POLLIN)
    by_number = {one.fileno(): one for one in sockets}
    waiting, due, end = {}, [], time.monotonic() + options.seconds
    begin = following = time.monotonic()
    while (now := time.monotonic()) < end:
        rate = options.rate * (options.surge if now - begin >= options.calm else 1)
        while following <= now:
            following += rng.expovariate(rate)
            ask(options, waiting, due, rng.choice(sockets), rng.choice(rows), rng, now, 1)
        while due and due[0][0] <= now:
            _, key, tries = heapq.heappop(due)
            if key in waiting and tries < options.tries:
                sender, row = waiting.pop(key)
                ask(options, waiting, due, sender, row, rng, now, tries + 1)
        for number, _ in poll.poll(max(0.0, min(following - now, due[0][0] - now if due else 1.0)) * 1000):
            hear(options, waiting, due, by_number[number], now)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--questions", required=True, help="file of lines `name type-number`")
    parser.add_argument("--sources", required=True, help="addresses to ask from, with commas")
    parser.add_argument("--rate", type=float, default=40, help="questions a second, of all together")
    parser.add_argument("--calm", type=float, default=0, help="seconds before the rate is multiplied")
    parser.add_argument("--surge", type=float, default=1, help="what it is multiplied with")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--patience", type=float, default=1, help="seconds until a question is repeated")
    parser.add_argument("--again", action="store_true", help="repeat what failed as well")
    parser.add_argument("--recursion", action="store_true")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def bound(address):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, 0))
    return one


def ask(options, waiting, due, sender, row, rng, now, tries):
    ident = rng.randrange(65536)
    name = b"".join(bytes([len(label)]) + label.encode() for label in row[0].split(".") if label) + b"\0"
    head = struct.pack("!HHHHHH", ident, 0x0100 if options.recursion else 0, 1, 0, 0, 1)
    message = head + name + struct.pack("!HH", int(row[1]), 1) + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    key = (sender.fileno(), ident)
    waiting[key] = (sender, row)
    heapq.heappush(due, (now + options.patience, key, tries))
    try:
        sender.sendto(message, (options.server, 53))
    except OSError:
        pass


def hear(options, waiting, due, sender, now):
    try:
        answer = sender.recv(4096)
    except OSError:
        return
    key = (sender.fileno(), int.from_bytes(answer[:2], "big"))
    failed = len(answer) > 3 and answer[3] & 15 == SERVFAIL
    if not (failed and options.again):
        waiting.pop(key, None)


if __name__ == "__main__":
    main()
