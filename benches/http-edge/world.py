"""What the scripts beside this have in common: a site, clients of it, and a guard in front of it.

Every client comes over a connection with a PROXY header, so that it may have any address.
"""

import asyncio
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import tempfile
import time

BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 "
    "Edg/131.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile "
    "Safari/537.36",
]
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
# How long after a restart of the site its front may not know yet that it is there again.
NOTICED_S = 1.5
# Requests that the site works on at once; others wait for their turn.
WORKERS = 24


def allow_many_files():
    """As many connections as the machine allows, here and in the guard."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Site:
    """Pages, their parts, calls, exports, large files and uploads; it can be slow, and be restarted."""

    def __init__(self):
        self.port, self.server, self.slow_s, self.release = free_port(), None, 0.0, 1
        self.workers, self.open, self.back_at = asyncio.Semaphore(WORKERS), set(), 0.0

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1_024)

    async def restart(self, down_s, slow_s):
        """No new connections for some time, and none of the old; slow until its caches are warm."""
        self.back_at = time.monotonic() + down_s
        self.server.close()
        for writer in list(self.open):
            writer.close()
        await asyncio.sleep(down_s)
        self.slow_s = 0.15
        await self.start()
        await asyncio.sleep(slow_s)
        self.slow_s = 0.0

    def is_gone(self):
        return time.monotonic() < self.back_at + NOTICED_S

    def answer(self, method, path):
        """What a request takes in seconds, and is answered: status, type, bytes, and more fields."""
        html, more = "text/html; charset=utf-8", ""
        if path.startswith("/static/"):
            is_old = path.startswith("/static/r") and not path.startswith(f"/static/r{self.release}/")
            more = "Cache-Control: public, max-age=86400\r\n"
            return (0.001, "404 Not Found", html, 300, "") if is_old else (0.001, "200 OK", "text/css", 1_500, more)
        if path.startswith("/files/"):
            return 0.01, "200 OK", "image/jpeg", 300_000, ""
        if path.startswith("/dav/"):
            status = {"PROPFIND": "207 Multi-Status", "PUT": "201 Created"}.get(method, "200 OK")
            return 0.008, status, "application/xml", 900, ""
        if path.startswith("/api/"):
            slow_s, size = (0.12, 60_000) if path.startswith("/api/export") else (0.012, 700)
            return slow_s + self.slow_s, "200 OK", "application/json", size, ""
        if path.startswith(("/feed", "/sitemap")):
            return 0.01, "200 OK", "application/xml", 9_000, ""
        if path.startswith("/gone/"):
            return 0.005, "404 Not Found", html, 400, ""
        return (0.05 if path.startswith("/search") else 0.02) + self.slow_s, "200 OK", html, 3_000, ""

    async def serve(self, reader, writer):
        self.open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lower = head.lower()
                if b"\r\nexpect: 100-continue" in lower:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                if length := re.search(rb"\r\ncontent-length: *(\d+)", lower):
                    await self.take(reader, int(length[1]))
                method, path, _ = head.split(b"\r\n", 1)[0].decode("latin1").split(" ", 2)
                work_s, status, kind, size, more = self.answer(method, path)
                if work_s > 0.002:
                    async with self.workers:
                        await asyncio.sleep(work_s)
                if kind.startswith("text/html") and b"session=" not in lower:
                    more += f"Set-Cookie: session={os.urandom(8).hex()}; Path=/; HttpOnly\r\n"
                begin = f"HTTP/1.1 {status}\r\nX-Site: 1\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{more}\r\n"
                writer.write(begin.encode() + (b"" if method == "HEAD" else b"x" * size))
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    @staticmethod
    async def take(reader, length):
        while length > 0:
            piece = await reader.read(min(length, 1 << 16))
            if not piece:
                raise asyncio.IncompleteReadError(b"", length)
            length -= len(piece)


class Tally:
    """What became of a group's requests."""

    KINDS = ["asked", "good", "refused", "challenged", "put off", "down", "broken", "slow"]

    HARM = ("refused", "challenged", "put off")

    def __init__(self):
        self.counts, self.harmed = dict.fromkeys(self.KINDS, 0), []

    def add(self, kind, path=""):
        self.counts[kind] += 1
        if kind in self.HARM:
            self.harmed.append((time.monotonic(), kind, path))


class Client:
    """One program or browser: what it asks over a connection of its own, from an address of its own."""

    def __init__(self, tally, guard, source, agent, fields=""):
        self.tally, self.guard, self.source, self.agent, self.fields = tally, guard, source, agent, fields
        self.stream, self.cookie, self.release = None, "", 0

    async def open(self):
        is_v6 = ":" in self.source
        to = "2001:db8::1" if is_v6 else "192.0.2.1"
        self.stream = await asyncio.open_connection("127.0.0.1", self.guard.port)
        self.stream[1].write(f"PROXY TCP{6 if is_v6 else 4} {self.source} {to} 40000 443\r\n".encode())

    async def ask(self, path, referrer="", method="GET", body=b"", accept="*/*", piece_s=0.0):
        """Asks and takes the whole answer; returns the status, or 0. A body goes in pieces of 64 KiB."""
        self.tally.add("asked")
        fields = f"Host: shop.example\r\nUser-Agent: {self.agent}\r\nAccept: {accept}\r\n{self.fields}"
        fields += f"Referer: https://shop.example{referrer}\r\n" if referrer.startswith("/") else ""
        fields += f"Referer: {referrer}\r\n" if referrer.startswith("http") else ""
        fields += f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        fields += f"Content-Length: {len(body)}\r\n" if body or method in ("POST", "PUT") else ""
        began, is_kept = time.monotonic(), self.stream is not None
        try:
            answer = await self.exchange(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode(), body, method, piece_s)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            self.close()
            if is_kept and method == "GET":
                # A kept connection may be closed at any time; browsers ask once more.
                self.tally.counts["asked"] -= 1
                return await self.ask(path, referrer, method, body, accept, piece_s)
            self.tally.add("broken")
            return 0
        if time.monotonic() - began > 2 and not body:
            self.tally.add("slow")
        return self.judge(path, *answer)

    async def exchange(self, head, body, method, piece_s):
        if self.stream is None:
            await self.open()
        reader, writer = self.stream
        writer.write(head)
        for at in range(0, len(body), 1 << 16):
            writer.write(body[at : at + (1 << 16)])
            await writer.drain()
            await asyncio.sleep(piece_s)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        while head.startswith(b"HTTP/1.1 100"):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length, content = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I), b""
        if length and method != "HEAD":
            content = await asyncio.wait_for(reader.readexactly(int(length[1])), 60)
        if re.search(rb"\r\nconnection: *close", head, re.I):
            self.close()
        return head, content

    def judge(self, path, head, content):
        status = int(head.split(b" ", 2)[1])
        if b"\r\nx-site:" in head.lower():
            if given := re.search(rb"\r\nset-cookie: *(session=[^;]*)", head, re.I):
                self.cookie = given[1].decode()
            self.tally.add("good")
        elif status in (502, 504) or (status == 503 and self.guard.site.is_gone()):
            self.tally.add("down")
        elif b"data-puzzle" in content:
            self.tally.add("challenged", path)
        else:
            self.tally.add("put off" if status in (429, 503) else "refused", path)
        return status

    def close(self):
        if self.stream:
            self.stream[1].close()
        self.stream = None


class Guard:
    """`seawall guard` before a site, with a state folder of its own."""

    def __init__(self, site, limits="", keep=None):
        self.site, self.folder, self.port, self.keep = site, pathlib.Path(tempfile.mkdtemp()), free_port(), keep
        self.events, self.process, self.listening = [], None, None
        (self.folder / "seawall.toml").write_text(f"""[guard]
trusted-proxies = ["127.0.0.1/32"]
state-folder = "{self.folder}/state"
admin-socket = "{self.folder}/admin.sock"
[limits]
{limits}
[[site]]
listen = "127.0.0.1:{self.port}"
upstreams = ["http://127.0.0.1:{site.port}"]
proxy-protocol = true
""")

    async def start(self, hear):
        """Starts it; `hear` is called with each thing that it tells."""
        seawall = os.environ.get("SEAWALL", "target/release/seawall")
        words = ["guard", "--json", "--config", self.folder / "seawall.toml"]
        self.process = await asyncio.create_subprocess_exec(
            seawall, *words, stdout=asyncio.subprocess.PIPE, limit=1 << 24
        )
        if not await self.process.stdout.readline():
            raise SystemExit("the guard did not start")
        self.listening = asyncio.create_task(self.listen(hear))

    async def listen(self, hear):
        async for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            hear(event)

    async def order(self, method, target, body=b""):
        """Asks the admin socket."""
        reader, writer = await asyncio.open_unix_connection(self.folder / "admin.sock")
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        return answer.decode()

    def mib(self):
        """Its resident memory."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)

    def state_mib(self):
        """What its state folder takes on the disk."""
        files = [path for path in (self.folder / "state").rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / (1 << 20)

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
            await self.listening
        if self.keep:
            shutil.copytree(self.folder, self.keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
            (pathlib.Path(self.keep) / "events").write_text("".join(json.dumps(e) + "\n" for e in self.events))
        shutil.rmtree(self.folder, ignore_errors=True)


def count(metrics, name):
    """A counter of the guard's."""
    return int(re.search(rf"^seawall_{name}_total (\d+)", metrics, re.M)[1])
