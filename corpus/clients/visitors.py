"""People on a website: each binds to an address of its own, loads pages with their parts, pauses, leaves.

`--rate` visits a second; `--ramp` makes it grow to that rate; `--entry` fixes the first page, as a link does.
"""
import argparse
import asyncio
import random
import re
import ssl
import time

NETS = (5, 24, 31, 37, 46, 51, 62, 71, 77, 80, 81, 84, 87, 89, 91, 93, 98, 109, 121, 145, 178, 188, 201, 213)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="203.0.113.10")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=3)
    parser.add_argument("--ramp", action="store_true")
    parser.add_argument("--entry", default="")
    parser.add_argument("--referrer", default="")
    parser.add_argument("--pause", type=float, default=1.5)
    parser.add_argument("--app", type=float, default=0.0, help="share of pages that the backend makes")
    parser.add_argument("--one-source", default="", help="everyone behind this address")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


class Visitor:
    def __init__(self, options, rng):
        self.options, self.rng = options, rng
        self.source = options.one_source or f"{rng.choice(NETS)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        self.agent = rng.choice(AGENTS).format(v=rng.randrange(118, 132))
        self.seen, self.end = set(), 0
        self.context = None
        if options.tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    async def visit(self):
        page = self.options.entry or self.rng.choice(["/"] + [f"/page{i}.html" for i in range(1, 40)])
        referrer = self.options.referrer
        for _ in range(1 + int(self.rng.expovariate(0.7))):
            if self.rng.random() < self.options.app:
                page = self.rng.choice(("/app/catalog", "/app/search?q=garden", "/app/account", "/app/api/items"))
            try:
                text = await asyncio.wait_for(self.page(page, referrer), 25)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ssl.SSLError):
                return
            referrer = "http://www.example.org" + page
            del text
            await asyncio.sleep(self.rng.expovariate(1 / self.options.pause))
            page = f"/page{self.rng.randrange(1, 40)}.html"

    async def page(self, path, referrer):
        connection = await self.open()
        try:
            body = await self.get(connection, path, referrer)
            parts = [part for part in re.findall(rb'(?:href|src)="([^"]+)"', body) if part not in self.seen]
            self.seen.update(parts)
            half = len(parts) // 2
            own = "http://www.example.org" + path
            more = asyncio.create_task(self.fetch(parts[half:], own)) if half else None
            for part in parts[:half]:
                await self.get(connection, part.decode(), own)
            if more:
                await more
            return body
        finally:
            connection[1].close()

    async def fetch(self, parts, referrer):
        connection = await self.open()
        try:
            for part in parts:
                await self.get(connection, part.decode(), referrer)
        finally:
            connection[1].close()

    def open(self):
        return asyncio.open_connection(self.options.host, self.options.port, local_addr=(self.source, 0), ssl=self.context)

    async def get(self, connection, path, referrer):
        reader, writer = connection
        lines = [f"GET {path} HTTP/1.1", "Host: www.example.org", f"User-Agent: {self.agent}", "Accept: */*",
                 "Accept-Language: en-GB,en;q=0.8", "Accept-Encoding: identity"] + ([f"Referer: {referrer}"] if referrer else [])
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return await reader.readexactly(int(length.group(1)) if length else 0)


async def main():
    options = arguments()
    rng, begun, tasks = random.Random(options.seed), time.monotonic(), set()
    while (now := time.monotonic() - begun) < options.seconds:
        rate = options.rate * (max(0.05, now / options.seconds) if options.ramp else 1)
        await asyncio.sleep(min(rng.expovariate(rate), options.seconds))
        task = asyncio.create_task(Visitor(options, rng).visit())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in list(tasks):
        task.cancel()


asyncio.run(main())
