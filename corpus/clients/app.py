"""A dynamic backend: answers after its service time, and can grow slow or break at given times.

`--plan` is a list of `from:latency_ms:error_share:status` parted by commas; seconds count from the start.
`--workers` limits how many requests are served at once, as a pool of database connections does.
"""
import argparse
import asyncio
import random
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--plan", default="0:15:0:200")
    parser.add_argument("--workers", type=int, default=16)
    return parser.parse_args()


class App:
    def __init__(self, plan, workers):
        self.plan = [tuple(float(cell) for cell in entry.split(":")) for entry in plan.split(",")]
        self.begun, self.gate = time.monotonic(), asyncio.Semaphore(workers)

    def phase(self):
        now = time.monotonic() - self.begun
        return [entry for entry in self.plan if entry[0] <= now][-1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                keep = await self.answer(head, reader, writer)
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def answer(self, head, reader, writer):
        lines = head.decode("latin-1").split("\r\n")
        method, path, version = (lines[0].split(" ") + ["", ""])[:3]
        names = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:] if ":" in line}
        if names.get("content-length", "0").isdigit() and int(names.get("content-length", "0")):
            await reader.readexactly(int(names["content-length"]))
        _, latency, share, status = self.phase()
        cost = 4 if "search" in path else 1
        async with self.gate:
            await asyncio.sleep(random.lognormvariate(0, 0.35) * latency * cost / 1000)
        extra, code = "", 200
        if random.random() < share:
            code = int(status)
        elif "login" in path and method == "POST":
            code = 302 if random.random() < 0.01 else 401
        if code == 302:
            extra = "Location: /app/account\r\n"
        body = b"x" * random.randrange(900, 6000) if code == 200 else b"{}"
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body)
        await writer.drain()
        return names.get("connection", "").lower() != "close" and version != "HTTP/1.0"


async def main():
    options = arguments()
    app = App(options.plan, options.workers)
    server = await asyncio.start_server(app.serve, options.address, options.port, backlog=4096)
    async with server:
        await server.serve_forever()


asyncio.run(main())
