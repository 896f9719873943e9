"""UDP services: reflected answers among a network's own traffic, and the honest use of the same services, also where the capture
shows one direction only.

Each kind comes in variants whose parameters are drawn at random; every other variant is held.
"""
import struct

from lib import case
from lib.packets import Capture, RAW, ETHERNET, address, fragments, icmp, name, public_address, udp, udp_whole
from families.calm_models import stream, web

VARIANTS = 4
HOME = "203.0.113.77"


def random_bytes(head, low, high):
    return lambda rng: head + rng.randbytes(rng.randrange(low, high))


def mdns(rng):
    answer = b"\xc0\x0c\0\x0c\0\x01\0\0\x11\x94\0\x1b\x18" + rng.randbytes(12).hex().encode() + b"\xc0\x0c"
    return b"\0\0\x84\0\0\0\0\x09\0\0\0\0" + name("_services._dns-sd._udp.local") + b"\0\x0c\0\x01" + answer * rng.randrange(4, 12)


def dns_answer(rng):
    """What a resolver gets for what it asked: one or two addresses."""
    host = name(f"www.{rng.randbytes(3).hex()}.example")
    return rng.randbytes(2) + b"\x81\x80\0\x01\0\x02\0\0\0\x01" + host + b"\0\x01\0\x01" + (b"\xc0\x0c\0\x01\0\x01\0\0\1\x2c\0\x04" + rng.randbytes(4)) * 2 + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def sadp(rng):
    return (b'<?xml version="1.0" encoding="UTF-8" ?>\n<ProbeMatch>\n<Uuid>' + rng.randbytes(16).hex().encode() + b"</Uuid>\n<Types>inquiry</Types>\n<DeviceType>139520</DeviceType>\n"
            b"<CommandPort>8000</CommandPort>\n<HttpPort>80</HttpPort>\n<MAC>" + rng.randbytes(6).hex("-").encode() + b"</MAC>\n<IPv4Address>192.168.1.64</IPv4Address>\n</ProbeMatch>")


# Service port of the reflectors (None: any), answer.
REFLECTED = {
    "mdns": (5353, mdns), "sadp": (37020, sadp), "slp": (427, random_bytes(b"\x02\x02\0\0", 200, 900)), "ipmi": (623, random_bytes(b"\x06\0\xff\x07", 30, 60)),
    "dtls": (443, random_bytes(b"\x16\xfe\xff\0\0\0\0\0\0\0\0\x04", 600, 1300)), "quic": (443, random_bytes(b"\xc3\0\0\0\x01\0\x08", 1180, 1200)),
    "l2tp": (1701, random_bytes(b"\xc8\x02\0\x8f", 100, 130)), "citrix": (1604, random_bytes(b"\x30\0\x02\x31\x02\xfd\xa8\xe3", 40, 1000)),
    "torrent": (None, random_bytes(b"d1:rd2:id20:", 150, 330)), "nat-pmp": (5351, random_bytes(b"\0\x80\0\0", 8, 12)), "turn": (3478, random_bytes(b"\x01\x13\0\x54\x21\x12\xa4\x42", 84, 100)),
    "vse": (27015, random_bytes(b"\xff\xff\xff\xffE\x40", 300, 1200)), "crestron": (41794, random_bytes(b"\x15\0\0\0", 180, 400)), "afs": (7001, random_bytes(b"\0\0\0\0", 60, 200)),
}


def reflection(work, kind, variant):
    rng = work.rng
    port, answer = REFLECTED[kind]
    capture = Capture(rng.choice((ETHERNET, ETHERNET, RAW)), rng.choice((262144, 262144, 128)))
    sources = [(public_address(rng), port or rng.randrange(1024, 65536)) for _ in range(rng.randrange(80, 3000))]
    rate, span = rng.lognormvariate(7.2, 0.7), rng.uniform(1, 12)
    begin = 0 if variant in (0, 3) else 12
    own_port = rng.choice((80, 443, rng.randrange(1024, 65536), None))
    if begin:
        for host in range(6):
            web(rng, capture, 0, begin + span + 3, 0.6, f"203.0.113.{host + 20}")
    for _ in range(int(rate * span)):
        at, (source, sport) = begin + rng.uniform(0, span), rng.choice(sources)
        dport = own_port or rng.randrange(1024, 65536)
        for i, piece in enumerate(fragments(source, HOME, 17, udp_whole(sport, dport, answer(rng)), rng.randrange(65536), ttl=rng.randrange(38, 120))):
            capture.add(at + i * 2e-5, piece)
        if variant == 2 and rng.random() < 0.1:
            capture.add(at + 1e-4, icmp(HOME, source, 3, 3, bytes(4) + rng.randbytes(28), ttl=64))
    capture.write(work.path("capture.pcap"))
    return ["capture.pcap"]


def resolver(rng, add, span):
    """A resolver asks the world's name servers for a busy office."""
    servers = [public_address(rng) for _ in range(rng.randrange(40, 400))]
    for _ in range(int(span * rng.uniform(30, 250))):
        at, server, port = rng.uniform(0, span), rng.choice(servers), rng.randrange(1024, 65536)
        add(at, True, udp(HOME, server, port, 53, rng.randbytes(2) + b"\0\0\0\x01\0\0\0\0\0\x01" + name("www.example.com") + b"\0\x01\0\x01\0\0\x29\x10\0\0\0\x80\0\0\0"))
        add(at + rng.uniform(0.004, 0.2), False, udp(server, HOME, 53, port, dns_answer(rng), ttl=rng.randrange(40, 60)))


def forwarder(rng, add, span):
    """A cache of an office asks the two servers of its provider."""
    servers = ("1.1.1.1", "9.9.9.9")
    for _ in range(int(span * rng.uniform(30, 200))):
        at, server, port = rng.uniform(0, span), rng.choice(servers), rng.randrange(1024, 65536)
        add(at, True, udp(HOME, server, port, 53, rng.randbytes(2) + b"\1\0\0\x01\0\0\0\0\0\0" + name("www.example.com") + b"\0\x01\0\x01"))
        add(at + rng.uniform(0.004, 0.05), False, udp(server, HOME, 53, port, dns_answer(rng), ttl=57))


def time_pool(rng, add, span):
    """A server of the pool of time servers."""
    for _ in range(int(span * rng.uniform(50, 600))):
        at, client, port = rng.uniform(0, span), public_address(rng), rng.choice((123, rng.randrange(1024, 65536)))
        add(at, False, udp(client, HOME, port, 123, b"\x23\0\x06\xec" + bytes(36) + rng.randbytes(8), ttl=rng.randrange(40, 60)))
        add(at + 1e-4, True, udp(HOME, client, 123, port, b"\x24\x02\x06\xe8" + rng.randbytes(44)))


def poller(rng, add, span):
    """A manager of a network asks all its devices for their counters, in turn."""
    devices = [f"10.{rng.randrange(60)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(rng.randrange(30, 400))]
    port, turn = rng.randrange(30000, 60000), rng.choice((5, 10, 30))
    for start in range(0, int(span) + turn, turn):
        for device in devices:
            at = start + rng.uniform(0, turn * 0.8)
            for _ in range(rng.randrange(1, 6)):
                at += 0.03
                add(at, True, udp("10.1.1.9", device, port, 161, b"\x30\x29\x02\x01\x01\x04\x06public\xa5\x1c\x02\x04" + rng.randbytes(20)))
                add(at + 0.01, False, udp(device, "10.1.1.9", 161, port, b"\x30\x82\x03\x10\x02\x01\x01\x04\x06public\xa2\x82" + rng.randbytes(rng.randrange(200, 900)), ttl=61))


def tunnels(port, head):
    def make(rng, add, span):
        """Offices and people at home in a tunnel."""
        for _ in range(rng.randrange(1, 40)):
            peer, far, begin = public_address(rng), port if rng.random() < 0.5 else rng.randrange(1024, 65536), rng.uniform(0, span / 3)
            flow(rng, add, begin, span - begin, peer, far, port, rng.uniform(0.001, 0.02), rng.uniform(300, 1250), rng.uniform(0.002, 0.05), rng.uniform(80, 900), head)
    return make


def relayed_calls(rng, add, span):
    """Calls by a relay (TURN): sound and pictures of everybody from one or two ports."""
    relays = [(public_address(rng), rng.choice((3478, 3479, 3480, 3481, 19302, 8801))) for _ in range(rng.randrange(1, 4))]
    for _ in range(rng.randrange(2, 25)):
        relay, port = rng.choice(relays)
        own = rng.randrange(49152, 65536)
        flow(rng, add, rng.uniform(0, 2), span - 2, relay, port, own, rng.uniform(0.0015, 0.01), rng.uniform(700, 1150), rng.uniform(0.004, 0.02), rng.uniform(120, 1000),
             rng.choice((b"\x40\x01", b"\x80\x60", b"\x90\xe0")))


def downloads(rng, add, span):
    """Films and files over QUIC, of some servers each."""
    for _ in range(rng.randrange(1, 50)):
        server, begin = public_address(rng), rng.uniform(0, span * 0.8)
        flow(rng, add, begin, rng.uniform(0.3, span), server, 443, rng.randrange(49152, 65536), rng.uniform(0.0008, 0.01), 1240, 0.02, 50, b"\x40", span)


def seeding(rng, add, span):
    """A torrent is given away: hundreds of peers, many of them gone."""
    for _ in range(rng.randrange(100, 700)):
        peer, port, begin = public_address(rng), rng.choice((6881, 51413, rng.randrange(1024, 65536), rng.randrange(1024, 65536))), rng.uniform(0, span * 0.9)
        add(begin, False, udp(peer, HOME, port, 6881, b"A\0" + rng.randbytes(18), ttl=110))
        if rng.random() < 0.6:
            flow(rng, add, begin, rng.uniform(0.2, 6), peer, port, 6881, 0.06, 24, 0.02, 1200, b"!\0", span)


def players(rng, add, span):
    port = rng.choice((27015, 7777, 25565, 19132, 27960, 30120, 3074))
    for _ in range(rng.randrange(10, 120)):
        begin = rng.uniform(0, span / 2)
        flow(rng, add, begin, span - begin, public_address(rng), rng.randrange(1024, 65536), port, rng.choice((0.015, 0.033, 0.05)), 70, 0.033, rng.uniform(100, 500), b"")


def telephones(rng, add, span):
    """A telephone exchange: registrations by SIP, and sound by RTP on even ports."""
    for phone in range(rng.randrange(20, 150)):
        peer = public_address(rng)
        for at in range(0, int(span), 20):
            when = at + rng.uniform(0, 20)
            add(when, False, udp(peer, HOME, 5060, 5060, b"OPTIONS sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n" + bytes(300)))
            add(when + 0.01, True, udp(HOME, peer, 5060, 5060, b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n" + bytes(280)))
        if phone % 4 == 0:
            flow(rng, add, rng.uniform(0, span / 2), span / 2, peer, 2 * rng.randrange(5000, 15000), 2 * rng.randrange(5000, 10000), 0.02, 172, 0.02, 172, b"\x80\0")


def flow(rng, add, begin, seconds, peer, port, own, gap, size, back_gap, back_size, head, end=None):
    """A stream both ways between `peer` and us."""
    seconds = max(0.1, min(seconds, (end or begin + seconds) - begin))
    inward, outward = Capture(), Capture()
    stream(rng, inward, begin, seconds, peer, HOME, port, own, gap, size, head)
    stream(rng, outward, begin, seconds, HOME, peer, own, port, back_gap, back_size, head)
    for made, out in ((inward, False), (outward, True)):
        for at, packet in made.packets:
            add(at - 1_790_000_000.0, out, packet)


HONEST = {
    "resolver": resolver, "forwarder": forwarder, "time-pool": time_pool, "poller": poller, "wireguard": tunnels(51820, b"\x04\0\0\0"), "openvpn": tunnels(1194, b"\x48\0\0\1"),
    "ipsec": tunnels(4500, b"\xc1\x22\x33\x44\0\0"), "relayed-calls": relayed_calls, "quic-downloads": downloads, "seeding": seeding, "players": players, "telephones": telephones,
}


def honest(work, kind, variant):
    """Both directions, only what comes in (alone, and with what an office gets), or only what goes out."""
    rng, capture = work.rng, Capture()
    wanted = {0: (False, True), 1: (False,), 2: (False,), 3: (True,)}[variant] if variant else rng.choice(((False, True), (False, True), (True,)))

    def add(at, out, packet):
        if out in wanted:
            capture.add(at, packet)
    kind(rng, add, rng.uniform(8, 40))
    if variant == 2:
        office, host = Capture(), "203.0.113.21"
        web(rng, office, 0, 12, 3, host)
        capture.packets += [(at, packet) for at, packet in office.packets if packet[16:20] == address(host)]
    capture.packets = sorted(capture.packets)[:60_000]
    capture.write(work.path("capture.pcap"))
    return ["capture.pcap"]


def register():
    for name_, (_, _) in REFLECTED.items():
        for variant in range(VARIANTS):
            case.add(f"unasked-{name_}-{variant}", "attack", "amplification,udp-flood", lambda work, k=name_, v=variant: reflection(work, k, v), note="answers that nobody asked for",
                     held=variant % 2 == 1)
    for name_, kind in HONEST.items():
        for variant in range(VARIANTS):
            case.add(f"asked-{name_}-{variant}", "normal", "normal", lambda work, k=kind, v=variant: honest(work, k, v), note=(kind.__doc__ or name_).split("\n")[0],
                     held=variant % 2 == 1)


register()
