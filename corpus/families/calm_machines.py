"""Captures without an attack, of machines among themselves: monitors, exporters, tunnels, films, measurements, telemetry."""
import struct

from lib import case
from lib.packets import Capture, icmp, ip, name, public_address, tcp, udp
from families.calm_models import calm, stream, web

HOST = "203.0.113.10"


def conversation(rng, capture, begin, client, server, sport, dport, words, rtt=0.02, opened=True, ends=True):
    """A TCP connection; `words` are (seconds to wait, from the client?, bytes)."""
    seq, ack, t = rng.getrandbits(31), rng.getrandbits(31), begin

    def say(from_client, flags, data=b""):
        nonlocal seq, ack
        if from_client:
            capture.add(t, tcp(client, server, sport, dport, flags, seq, ack, payload=data, ttl=58))
            seq += len(data) + ("S" in flags or "F" in flags)
        else:
            capture.add(t, tcp(server, client, dport, sport, flags, ack, seq, payload=data, ttl=64))
            ack += len(data) + ("S" in flags or "F" in flags)
    if opened:
        say(True, "S")
        t += rtt / 2
        say(False, "SA")
        t += rtt / 2
        say(True, "A")
    for wait, from_client, data in words:
        t += wait
        for at in range(0, len(data), 1400):
            say(from_client, "PA", data[at:at + 1400])
            t += 0.0002
        say(not from_client, "A")
    if ends:
        t += rtt
        say(True, "FA")
        say(False, "FA")
        say(True, "A")


def tls_record(rng, length):
    return b"\x17\x03\x03" + struct.pack("!H", length) + rng.randbytes(length)


@calm("ping-monitor", note="a monitor pings two hundred hosts every two seconds, and all answer")
def ping_monitor(rng, capture):
    for turn in range(12):
        for host in range(200):
            at, target = turn * 2 + host * 0.008, f"10.20.{host // 100}.{host % 100 + 1}"
            body = struct.pack("!HH", 7, turn) + bytes(56)
            capture.add(at, icmp("10.20.9.9", target, 8, 0, body, ttl=64))
            capture.add(at + rng.uniform(0.0003, 0.02), icmp(target, "10.20.9.9", 0, 0, body, ttl=60))


@calm("exporters", note="a collector of NetFlow, sFlow and syslog, which answers nobody")
def exporters(rng, capture):
    for router in range(14):
        source = f"10.40.{router}.1"
        for port, gap, size in ((2055, 0.05, 1380), (6343, 0.08, 1200), (514, 0.03, 180)):
            stream(rng, capture, rng.random(), 18, source, "10.1.1.5", 49000 + router, port, gap, size)


@calm("ipsec", note="an office's tunnel: ESP in UDP both ways")
def ipsec(rng, capture):
    ends = ("198.51.100.7", "203.0.113.1")
    stream(rng, capture, 0, 15, ends[0], ends[1], 4500, 4500, 0.0025, 1150, b"\xc1\x22\x33\x44")
    stream(rng, capture, 0, 15, ends[1], ends[0], 4500, 4500, 0.006, 300, b"\xc5\x66\x77\x88")


@calm("esp-in", note="a tunnel without UDP, only what comes in")
def esp_in(rng, capture):
    at = 0.0
    while at < 12:
        at += rng.expovariate(500)
        capture.add(at, ip("198.51.100.7", "203.0.113.1", 50, rng.randbytes(rng.choice((120, 600, 1400))), ttl=55))


@calm("iptv", note="three films by multicast, and the group reports of the sets")
def iptv(rng, capture):
    for channel in range(3):
        stream(rng, capture, 0.1 * channel, 15, f"10.30.0.{channel + 1}", f"239.1.1.{channel + 1}", 40000, 5000, 0.0025, 1250, b"\x80\x21")
    for second in range(15):
        capture.add(second, ip("10.30.5.9", "239.1.1.2", 2, b"\x16\0\xfa\0\xef\1\1\2", ttl=1))


@calm("resolver", note="a resolver of a provider: customers ask, it asks the world, some names do not exist")
def resolver(rng, capture):
    sites, servers = [f"www.site{i}.example" for i in range(400)], [public_address(rng) for _ in range(120)]
    at = 0.0
    while at < 25:
        at += rng.expovariate(160)
        client, number = f"100.64.{rng.randrange(8)}.{rng.randrange(1, 250)}", rng.randrange(65536)
        asked = sites[min(399, int(rng.paretovariate(0.7)) - 1)] if rng.random() < 0.93 else f"wpad.home{rng.randrange(99)}.example"
        fails = asked.startswith("wpad")
        question = name(asked) + struct.pack("!HH", rng.choice((1, 1, 28, 65)), 1)

        def message(flags, answers=0):
            body = b"" if not answers else b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4" + rng.randbytes(4)
            return struct.pack("!HHHHHH", number, flags, 1, answers, 0, 0) + question + body
        port, t = rng.randrange(20000, 60000), at
        capture.add(t, udp(client, "203.0.113.53", port, 53, message(0x0100)))
        if rng.random() < 0.25:
            server, own = rng.choice(servers), rng.randrange(20000, 60000)
            capture.add(t + 0.0004, udp("203.0.113.53", server, own, 53, message(0x0000)))
            t += rng.uniform(0.004, 0.09)
            capture.add(t, udp(server, "203.0.113.53", 53, own, message(0x8403 if fails else 0x8400, 0 if fails else 1)))
        capture.add(t + 0.0008, udp("203.0.113.53", client, 53, port, message(0x8183 if fails else 0x8180, 0 if fails else 1)))


def lookups(rng, capture, seconds, per_second, ask, missing):
    """One server asks its resolver; a part of the names does not exist."""
    at = 0.0
    while at < seconds:
        at += rng.expovariate(per_second)
        text, kind = ask()
        number, port, fails = rng.randrange(65536), rng.randrange(20000, 60000), rng.random() < missing
        question = name(text) + struct.pack("!HH", kind, 1)
        capture.add(at, udp("10.1.1.25", "10.1.1.53", port, 53, struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question))
        body = b"" if fails else b"\xc0\x0c" + struct.pack("!HHI", 1, 1, 300) + b"\0\4\x7f\0\0\2"
        head = struct.pack("!HHHHHH", number, 0x8183 if fails else 0x8180, 1, not fails, 0, 0)
        capture.add(at + rng.uniform(0.002, 0.06), udp("10.1.1.53", "10.1.1.25", 53, port, head + question + body))


@calm("block-lists", note="a mail server asks block lists for every sender: unique names, most of which do not exist")
def block_lists(rng, capture):
    def ask():
        return ".".join(str(rng.randrange(256)) for _ in range(4)) + rng.choice((".zen.spamhaus.org", ".bl.spamcop.net")), 1
    lookups(rng, capture, 60, 8, ask, 0.85)


@calm("reverse-names", note="a log analyser asks for the names of thousands of addresses")
def reverse_names(rng, capture):
    lookups(rng, capture, 40, 25, lambda: (".".join(str(rng.randrange(256)) for _ in range(4)) + ".in-addr.arpa", 12), 0.4)


@calm("virus-lookups", note="a virus scanner asks its maker for hashes of files by DNS")
def virus_lookups(rng, capture):
    lookups(rng, capture, 60, 4, lambda: (rng.randbytes(16).hex() + ".hash.scanner.example", 1), 0.3)


@calm("telemetry", note="three hundred devices report over long TLS connections, each report of one length and acknowledged")
def telemetry(rng, capture):
    for device in range(300):
        words, at = [], 0.0
        while at < 20:
            words += [(rng.uniform(3.5, 4.5), True, tls_record(rng, 190)), (0.01, False, tls_record(rng, 40))]
            at += 4
        conversation(rng, capture, rng.random() * 4, f"100.70.{device // 200}.{device % 200 + 1}", HOST, rng.randrange(20000, 60000), 443, words,
                     opened=False, ends=False)


@calm("health-checks", note="balancers open and close connections to see whether a server lives, among visitors")
def health_checks(rng, capture):
    web(rng, capture, 0, 30, 3)
    for balancer in range(4):
        for check in range(20):
            conversation(rng, capture, 0.3 * balancer + 1.5 * check, f"10.0.0.{balancer + 2}", HOST, rng.randrange(20000, 60000), 443, [], rtt=0.001)


@calm("h2-download", note="a program downloads over HTTP/2 and asks for more with each window")
def h2_download(rng, capture):
    words = [(0.01, True, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(300)), (0.02, False, b"\x16\x03\x03" + rng.randbytes(900)),
             (0.01, True, tls_record(rng, 120))]
    for _ in range(2500):
        words += [(0.002, False, tls_record(rng, 4100)), (0.001, True, tls_record(rng, 30))]
    conversation(rng, capture, 0.5, "198.51.100.30", HOST, 40123, 443, words)


@case.case("guess-rdp-models", "abuse", "credential-abuse", note="one address at remote desktops: TLS, a refused log-in, again")
def guess_rdp(work):
    return guesses(work, 3389, [(0.02, True, b"\x03\0\0\x13" + bytes(15)), (0.02, False, b"\x03\0\0\x13" + bytes(15)), (0.02, True, bytes(320)),
                                (0.03, False, bytes(1150)), (0.05, True, bytes(700)), (0.4, False, bytes(90))], 60, 0.8)


@case.case("guess-smb-models", "abuse", "credential-abuse", note="one address at a file server: negotiation, a refused session, again")
def guess_smb(work):
    return guesses(work, 445, [(0.01, True, b"\0\0\0\x90\xfeSMB" + bytes(140)), (0.01, False, b"\0\0\1\4\xfeSMB" + bytes(256)),
                               (0.01, True, b"\0\0\0\xa6\xfeSMB" + bytes(160)), (0.01, False, b"\0\0\1\x20\xfeSMB" + bytes(280)),
                               (0.01, True, b"\0\0\2\0\xfeSMB" + bytes(500)), (0.05, False, b"\0\0\0\x49\xfeSMB\x40\0\0\0\x6d\0\0\xc0" + bytes(60))], 150, 0.15)


def guesses(work, port, words, times, gap):
    capture, rng = Capture(), work.rng
    web(rng, capture, 0, times * gap, 2)
    for turn in range(times):
        conversation(rng, capture, turn * gap * rng.uniform(0.95, 1.05), "185.156.73.4", "203.0.113.20", 30000 + turn, port, words)
    capture.write(work.path("capture.pcap"))
    return ["capture.pcap"]
