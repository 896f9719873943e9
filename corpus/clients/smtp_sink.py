"""An SMTP server that takes every message and keeps none."""
import asyncio
import sys


async def serve(reader, writer):
    async def say(text):
        writer.write(text.encode() + b"\r\n")
        await writer.drain()
    try:
        await say("220 mail.example.org ESMTP")
        while line := (await reader.readline()).decode("latin-1").strip():
            verb = line.split(" ")[0].upper()
            if verb == "DATA":
                await say("354 go on")
                await reader.readuntil(b"\r\n.\r\n")
                await say("250 taken")
            elif verb == "QUIT":
                await say("221 bye")
                break
            else:
                await say("250 mail.example.org")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, sys.argv[1], 25)
    async with server:
        await server.serve_forever()


asyncio.run(main())
