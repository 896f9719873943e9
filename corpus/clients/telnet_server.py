"""A telnet server of a small device: asks for name and password, and never lets anyone in."""
import asyncio
import sys


async def serve(reader, writer):
    try:
        writer.write(b"\xff\xfd\x18\xff\xfb\x01router login: ")
        for _ in range(3):
            # RFC 854: a line ends with CR LF or with CR NUL.
            await asyncio.wait_for(reader.readuntil(b"\r"), 20)
            writer.write(b"Password: ")
            await asyncio.wait_for(reader.readuntil(b"\r"), 20)
            await asyncio.sleep(0.3)
            writer.write(b"\r\nLogin incorrect\r\nrouter login: ")
            await writer.drain()
    except (ConnectionError, asyncio.TimeoutError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1], 23)
    async with server:
        await server.serve_forever()


asyncio.run(main())
