"""Floods, reflections, guesses and scans of less usual kinds: fixed ports, errors and later fragments alone, tunnels, pulses."""
import struct

from lib import case
from lib.packets import Capture, RAW, ETHERNET, fragments, icmp, ip, name, public_address, tcp, udp, udp_whole
from families.calm_machines import conversation
from families.calm_models import web

SERVER = "203.0.113.80"


def talk(rng, capture, begin, client, server, sport, dport, words, **options):
    """A TCP connection whose words follow one another at once."""
    conversation(rng, capture, begin, client, server, sport, dport, [(0.02, *word) for word in words], **options)


def hostile(title, label, causes, vectors="", link=ETHERNET, snaplen=262144, note=""):
    def register(fill):
        def build(work):
            capture = Capture(link, snaplen)
            fill(work.rng, capture)
            capture.write(work.path("capture.pcap"))
            return ["capture.pcap"]
        case.add(f"unusual-{title}", label, causes, build, vectors, note or fill.__doc__.strip())
        return fill
    return register


def times(rng, rate, begin, seconds):
    at = begin
    while (at := at + rng.expovariate(rate)) < begin + seconds:
        yield at


def visitors(rng, capture, seconds, hosts=5):
    for _ in range(hosts):
        web(rng, capture, 0, seconds, 0.7, f"203.0.113.{rng.randrange(20, 60)}")


@hostile("ack-fixed-port", "attack", "tcp-flag-flood")
def ack_fixed(rng, capture):
    """One source floods with ACK from one port to one port; the server resets."""
    for at in times(rng, 4000, 0, 4):
        seq = rng.getrandbits(32)
        capture.add(at, tcp("45.9.1.7", SERVER, 2222, 443, "A", seq, rng.getrandbits(32), window=512, ttl=52))
        capture.add(at + 3e-5, tcp(SERVER, "45.9.1.7", 443, 2222, "R", rng.getrandbits(32), ttl=64, window=0))


@hostile("udp-fixed-sockets", "attack", "udp-flood", snaplen=96)
def udp_sockets(rng, capture):
    """Two hundred bots, one socket each, random filler; only what comes in."""
    bots = [(public_address(rng), rng.randrange(1024, 65536)) for _ in range(200)]
    for at in times(rng, 15000, 0, 3):
        source, port = rng.choice(bots)
        capture.add(at, udp(source, SERVER, port, 9987, rng.randbytes(1000), ttl=50))


@hostile("memcached-later-fragments", "attack", "amplification,fragment-flood,udp-flood", snaplen=128)
def memcached_tail(rng, capture):
    """Answers of caches: a router on the way drops the first fragments."""
    sources = [public_address(rng) for _ in range(60)]
    for at in times(rng, 300, 0, 3):
        for i, piece in enumerate(list(fragments(rng.choice(sources), SERVER, 17, udp_whole(11211, 443, bytes(8) + rng.randbytes(8000)), rng.randrange(65536)))[1:]):
            capture.add(at + i * 1e-5, piece)


@hostile("netbios-short", "attack", "amplification", "netbios")
def netbios(rng, capture):
    """Name tables of Windows hosts, for a third of a second."""
    sources = [public_address(rng) for _ in range(900)]
    for at in times(rng, 5000, 0, 0.35):
        table = rng.randbytes(2) + b"\x84\0\0\0\0\1\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\1\0\0\0\0\0\x9b\6" + b"WORKGROUP      \0\x84\0" * 6
        capture.add(at, udp(rng.choice(sources), SERVER, 137, rng.choice((80, 443, 53)), table, ttl=rng.randrange(100, 125)))


@hostile("chargen-visitors", "attack", "amplification", "chargen")
def chargen(rng, capture):
    """Rows of letters among visitors."""
    visitors(rng, capture, 16)
    sources = [public_address(rng) for _ in range(150)]
    rows = b"".join(bytes(32 + (i + j) % 95 for j in range(72)) + b"\r\n" for i in range(13))
    for at in times(rng, 2500, 8, 6):
        capture.add(at, udp(rng.choice(sources), SERVER, 19, rng.randrange(1024, 65536), rows[:rng.randrange(100, 960)], ttl=50))


@hostile("middlebox-pages", "attack", "tcp-reflection,tcp-flag-flood", note="middleboxes send their pages of refusal to whom never asked")
def middlebox(rng, capture):
    """Pages of refusal."""
    boxes = [public_address(rng) for _ in range(300)]
    page = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>" + b"This site is blocked by order. " * 25
    for at in times(rng, 3000, 0, 3):
        box, port = rng.choice(boxes), rng.randrange(1024, 65536)
        capture.add(at, tcp(box, SERVER, 80, port, "PA", rng.getrandbits(32), rng.getrandbits(32), payload=page, ttl=rng.randrange(40, 60)))
        if rng.random() < 0.6:
            capture.add(at + 1e-4, tcp(box, SERVER, 80, port, "RA", rng.getrandbits(32), rng.getrandbits(32), ttl=rng.randrange(40, 60)))


@hostile("dhdiscover", "attack", "amplification", "dhdiscover", link=RAW)
def dhdiscover(rng, capture):
    """Video recorders describe themselves."""
    sources = [public_address(rng) for _ in range(400)]
    body = b'{"mac":"00:11:22:33:44:55","method":"client.notifyDevInfo","params":{"deviceInfo":{"AlarmInputChannels":0,"DeviceClass":"HCVR"}}}'
    for at in times(rng, 3000, 0, 4):
        capture.add(at, udp(rng.choice(sources), SERVER, 37810, 30120, b"\x20\0\0\0DHIP" + bytes(24) + body * rng.randrange(2, 6), ttl=45))


@hostile("tftp-any-port", "attack", "amplification,udp-flood")
def tftp(rng, capture):
    """Blocks of files, each from a port of its own, as TFTP answers."""
    sources = [public_address(rng) for _ in range(500)]
    for at in times(rng, 3000, 0, 4):
        capture.add(at, udp(rng.choice(sources), SERVER, rng.randrange(1024, 65536), 80, b"\0\3\0\1" + bytes([65 + rng.randrange(20)]) * 512, ttl=50))


@hostile("smurf", "attack", "icmp-flood,amplification")
def smurf(rng, capture):
    """Echo replies of a whole network that nobody asked."""
    visitors(rng, capture, 12)
    for at in times(rng, 4000, 6, 4):
        capture.add(at, icmp(f"131.7.{rng.randrange(8)}.{rng.randrange(1, 255)}", SERVER, 0, 0, struct.pack("!HH", 7, 7) + b"\0" * 512, ttl=110))


@hostile("gre-inner-random", "attack", "udp-flood,fragment-flood,tcp-flag-flood,icmp-flood", link=RAW)
def gre(rng, capture):
    """Bots send GRE around UDP between random addresses, as Mirai's greip does."""
    bots = [public_address(rng) for _ in range(300)]
    for at in times(rng, 8000, 0, 2):
        inner = udp(public_address(rng), public_address(rng), rng.randrange(65536), rng.randrange(65536), rng.randbytes(512), ttl=64)
        capture.add(at, ip(rng.choice(bots), SERVER, 47, b"\0\0\x08\0" + inner, ttl=55))


@hostile("vxlan-syn", "attack", "syn-flood", "spoofed")
def vxlan_syn(rng, capture):
    """A SYN flood inside VXLAN, between office traffic that is not."""
    visitors(rng, capture, 10)
    for at in times(rng, 6000, 4, 4):
        syn = tcp(public_address(rng), "10.8.0.4", rng.randrange(1024, 65536), 443, "S", rng.getrandbits(32), tcp_options=b"\x02\x04\x05\xb4", ttl=rng.randrange(40, 120))
        inner = b"\x52\x54\0\1\2\3\x52\x54\0\3\2\1\x08\0" + syn
        capture.add(at, udp("10.0.0.9", "10.0.0.10", rng.randrange(49152, 65536), 4789, b"\x08\0\0\0\0\0\x2a\0" + inner))


@hostile("esp-spoofed", "attack", "udp-flood,tcp-flag-flood,fragment-flood")
def esp(rng, capture):
    """Packets of ESP from forged addresses to a web server."""
    visitors(rng, capture, 10)
    for at in times(rng, 9000, 4, 3):
        capture.add(at, ip(public_address(rng), SERVER, 50, rng.randbytes(300), ttl=rng.randrange(40, 120)))


@hostile("hulk-in-only", "attack", "http-flood,cache-busting", snaplen=262144)
def hulk_in(rng, capture):
    """Requests with random queries by 40 sources, only what comes in."""
    sources = [public_address(rng) for _ in range(40)]
    for at in times(rng, 400, 0, 6):
        source, port, seq, ack = rng.choice(sources), rng.randrange(1024, 65536), rng.getrandbits(31), rng.getrandbits(31)
        word = lambda n: "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(n))
        request = f"GET /?{word(6)}={word(8)} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; {word(4)})\r\nReferer: http://www.google.com/?q={word(7)}\r\nCache-Control: no-cache\r\nKeep-Alive: {rng.randrange(110, 120)}\r\nConnection: keep-alive\r\n\r\n"
        capture.add(at, tcp(source, SERVER, port, 80, "S", seq, tcp_options=b"\x02\x04\x05\xb4", ttl=50))
        capture.add(at + 0.03, tcp(source, SERVER, port, 80, "A", seq + 1, ack, ttl=50))
        capture.add(at + 0.031, tcp(source, SERVER, port, 80, "PA", seq + 1, ack, payload=request.encode(), ttl=50))
        capture.add(at + 0.1, tcp(source, SERVER, port, 80, "A", seq + 1 + len(request), ack + 600, ttl=50))


@hostile("ssh-guesses-in-v6", "abuse", "credential-abuse")
def ssh_in(rng, capture):
    """One address guesses at SSH over IPv6, only what comes in."""
    at = 0.0
    for n in range(60):
        port, seq, ack = 40000 + n, rng.getrandbits(31), rng.getrandbits(31)
        def out(flags, data=b"", gap=0.03):
            nonlocal at, seq
            capture.add(at, tcp("2001:db8:7::9", "2001:db8:1::80", port, 22, flags, seq, ack, payload=data, ttl=52))
            seq += len(data) + ("S" in flags) + ("F" in flags)
            at += gap
        out("S")
        out("A")
        out("PA", b"SSH-2.0-libssh2_1.10.0\r\n")
        for length in (900, 48, 16, 44, 68, 148, 148):
            out("PA", rng.randbytes(length))
            out("A", gap=0.06)
        out("FA")
        at += 0.2


def text_guesses(capture, rng, port, dialogue, attempts, gap):
    for n in range(attempts):
        words = [(side == "c", line.encode() + b"\r\n") for side, line in dialogue(n)]
        talk(rng, capture, n * gap, "45.155.9.4", SERVER, 30000 + n, port, words)


@hostile("smtp-guesses", "abuse", "credential-abuse")
def smtp_guesses(rng, capture):
    """AUTH LOGIN at a mail server, again and again."""
    def dialogue(n):
        return [("s", "220 mail.example.org ESMTP"), ("c", "EHLO WIN-7"), ("s", "250-mail.example.org\r\n250 AUTH LOGIN PLAIN"), ("c", "AUTH LOGIN"), ("s", "334 VXNlcm5hbWU6"),
                ("c", f"aW5mb{n:04d}"), ("s", "334 UGFzc3dvcmQ6"), ("c", f"cGFzc3{n:05d}"), ("s", "535 5.7.8 Error: authentication failed"), ("c", "QUIT"), ("s", "221 bye")]
    text_guesses(capture, rng, 25, dialogue, 90, 0.7)


@hostile("pop3-guesses-slow", "abuse", "credential-abuse")
def pop_guesses(rng, capture):
    """A password every three seconds at POP3."""
    def dialogue(n):
        return [("s", "+OK ready"), ("c", f"USER info{n % 7}"), ("s", "+OK"), ("c", f"PASS hunter{n}"), ("s", "-ERR [AUTH] Authentication failed."), ("c", "QUIT"), ("s", "+OK bye")]
    text_guesses(capture, rng, 110, dialogue, 60, 3.0)


@hostile("mysql-guesses", "abuse", "credential-abuse")
def mysql_guesses(rng, capture):
    """root at a database, each time refused."""
    for n in range(120):
        greeting = b"\x4a\0\0\0\x0a5.7.42\0" + rng.randbytes(64)
        login = b"\x5c\0\0\x01\x85\xa6\x3f\0\0\0\0\x01\x08" + bytes(23) + b"root\0\x14" + rng.randbytes(20) + b"mysql_native_password\0"
        refusal = b"\x48\0\0\x02\xff\x15\x04#28000Access denied for user 'root'@'45.155.9.4' (using password: YES)"
        talk(rng, capture, n * 0.25, "45.155.9.4", SERVER, 31000 + n, 3306, [(False, greeting), (True, login), (False, refusal)])


@hostile("scan-slow", "abuse", "scan")
def scan_slow(rng, capture):
    """A port every six seconds, for a quarter of an hour, beside visitors."""
    visitors(rng, capture, 900, 1)
    ports = rng.sample(range(1, 10000), 150)
    for n, port in enumerate(ports):
        at, sport = n * 6 + rng.uniform(0, 2), rng.randrange(30000, 60000)
        capture.add(at, tcp("45.155.9.4", SERVER, sport, port, "S", rng.getrandbits(32), window=1024, tcp_options=b"\x02\x04\x05\xb4", ttl=48))
        capture.add(at + 1e-4, tcp(SERVER, "45.155.9.4", port, sport, "RA", 0, 0, ttl=64))


@hostile("scan-telnet-wide", "abuse", "scan")
def scan_wide(rng, capture):
    """Bots look for telnet in a network of which most is empty, beside visitors."""
    visitors(rng, capture, 30)
    bots = [public_address(rng) for _ in range(3)]
    for at in times(rng, 40, 0, 30):
        target = f"203.0.{rng.randrange(112, 116)}.{rng.randrange(256)}"
        capture.add(at, tcp(rng.choice(bots), target, rng.randrange(1024, 65536), rng.choice((23, 23, 2323)), "S", rng.getrandbits(32), window=rng.randrange(65536), ttl=48))


@hostile("syn-with-data", "attack", "syn-flood,tcp-flag-flood", "spoofed")
def syn_data(rng, capture):
    """Openings of a kilobyte from forged addresses."""
    for at in times(rng, 8000, 0, 3):
        capture.add(at, tcp(public_address(rng), SERVER, rng.randrange(1024, 65536), 80, "S", rng.getrandbits(32), payload=rng.randbytes(900), ttl=rng.randrange(40, 240)))


@hostile("syn-gentle", "attack", "syn-flood", "spoofed")
def syn_gentle(rng, capture):
    """Two hundred openings a second from forged addresses beside visitors: few for the line, too many for a small server."""
    visitors(rng, capture, 30, 8)
    for at in times(rng, 200, 10, 18):
        source, port = public_address(rng), rng.randrange(1024, 65536)
        capture.add(at, tcp(source, SERVER, port, 443, "S", rng.getrandbits(32), tcp_options=b"\x02\x04\x05\xb4", ttl=rng.randrange(40, 240)))
        capture.add(at + 5e-5, tcp(SERVER, source, 443, port, "SA", rng.getrandbits(32), 1, ttl=64))


@hostile("udp-v6", "attack", "udp-flood")
def udp_v6(rng, capture):
    """Filler over IPv6 from a network of a provider, each packet from another address."""
    for at in times(rng, 9000, 0, 3):
        source = f"2001:db8:77:{rng.randrange(65536):x}:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}"
        capture.add(at, udp(source, "2001:db8:1::80", rng.randrange(1024, 65536), rng.randrange(1, 65536), rng.randbytes(400)))


@hostile("udp-pulses", "attack", "udp-flood")
def pulses(rng, capture):
    """Four pulses of two seconds among the traffic of an office."""
    visitors(rng, capture, 40)
    for n in range(4):
        for at in times(rng, 3000, 6 + 9 * n, 2):
            capture.add(at, udp(public_address(rng), SERVER, rng.randrange(1024, 65536), 443, rng.randbytes(700), ttl=rng.randrange(40, 120)))


@hostile("quic-initials", "attack", "udp-flood")
def quic_initials(rng, capture):
    """First packets of QUIC from forged addresses; the server answers to some."""
    for at in times(rng, 5000, 0, 3):
        source, port = public_address(rng), rng.randrange(1024, 65536)
        capture.add(at, udp(source, SERVER, port, 443, b"\xc3\0\0\0\1\x08" + rng.randbytes(1194), ttl=rng.randrange(40, 120)))
        if rng.random() < 0.3:
            capture.add(at + 2e-4, udp(SERVER, source, 443, port, b"\xf0\0\0\0\1\0\x08" + rng.randbytes(80)))


@hostile("game-queries", "attack", "udp-flood")
def game_queries(rng, capture):
    """Questions about a game server from forged addresses; it answers what it can."""
    for at in times(rng, 6000, 0, 3):
        source, port = public_address(rng), rng.randrange(1024, 65536)
        capture.add(at, udp(source, SERVER, port, 27015, b"\xff\xff\xff\xffTSource Engine Query\0", ttl=rng.randrange(40, 240)))
        if rng.random() < 0.2:
            capture.add(at + 2e-4, udp(SERVER, source, 27015, port, b"\xff\xff\xff\xffA" + rng.randbytes(4)))


@hostile("sip-invites", "attack", "udp-flood,connection-flood")
def sip_invites(rng, capture):
    """Calls to nobody from forged addresses at an exchange."""
    for at in times(rng, 3000, 0, 4):
        source = public_address(rng)
        call = f"INVITE sip:{rng.randrange(10**6)}@203.0.113.80 SIP/2.0\r\nVia: SIP/2.0/UDP {source}:5060;branch=z9hG4bK{rng.getrandbits(40):x}\r\nFrom: <sip:a@{source}>;tag={rng.getrandbits(30):x}\r\nCall-ID: {rng.getrandbits(60):x}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        capture.add(at, udp(source, SERVER, rng.choice((5060, rng.randrange(1024, 65536))), 5060, call.encode(), ttl=50))


@hostile("dns-types-random", "attack", "dns-flood,udp-flood")
def dns_types(rng, capture):
    """Questions of random types for a zone, from forged addresses; a name server answers half."""
    for at in times(rng, 4000, 0, 4):
        source, port, kind = public_address(rng), rng.randrange(1024, 65536), rng.choice((1, 2, 6, 15, 16, 28, 255))
        question = rng.randbytes(2) + b"\0\0\0\1\0\0\0\0\0\0" + name("example.org") + struct.pack("!HH", kind, 1)
        capture.add(at, udp(source, SERVER, port, 53, question, ttl=rng.randrange(40, 240)))
        if rng.random() < 0.5:
            capture.add(at + 2e-4, udp(SERVER, source, 53, port, question[:2] + b"\x84\0" + question[4:] + rng.randbytes(40)))
