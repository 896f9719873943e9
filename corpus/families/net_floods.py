"""Floods below HTTP, sent by hping3, t50, nping and masscan at a real server with visitors, as captures."""
from lib import case
from lib.lab import SERVICE, SERVICE6
from lib.packets import Capture, public_address, tcp, udp, icmp, fragments
from lib.scene import Scene

H = ("hping3", "-q", SERVICE)
# Name: programs at once, causes, vectors, how the capture is taken, held.
FLOODS = {
    "syn-spoofed": ([(*H, "-S", "-p", "443", "--rand-source", "-i", "u400")], "syn-flood", "spoofed", "", False),
    "syn-spoofed-in": ([(*H, "-S", "-p", "80", "--rand-source", "-i", "u150")], "syn-flood", "spoofed", "in", False),
    "syn-spoofed-alone": ([(*H, "-S", "-p", "25565", "--rand-source", "-i", "u200")], "syn-flood", "spoofed", "in alone snap64", True),
    "syn-single": ([(*H, "-S", "-p", "80", "-i", "u300")], "syn-flood", "single-source", "", False),
    "syn-single-alone": ([(*H, "-S", "-p", "80", "--faster")], "syn-flood", "single-source", "alone ng", True),
    "syn-closed-port": ([(*H, "-S", "-p", "6666", "--rand-source", "-i", "u300")], "syn-flood", "spoofed", "gz", False),
    "syn-data": ([(*H, "-S", "-p", "80", "-d", "900", "--rand-source", "-i", "u700")], "syn-flood", "spoofed", "", True),
    "syn-t50": ([("t50", SERVICE, "--flood", "--protocol", "TCP", "-S", "--dport", "443")], "syn-flood,tcp-flag-flood", "", "snap96", True),
    "ack": ([(*H, "-A", "-p", "443", "--rand-source", "-i", "u300")], "tcp-flag-flood", "spoofed", "", False),
    "ack-single": ([(*H, "-A", "-p", "80", "-i", "u250")], "tcp-flag-flood", "single-source", "in", True),
    "fin": ([(*H, "-F", "-p", "80", "--rand-source", "-i", "u400")], "tcp-flag-flood", "spoofed", "", True),
    "rst": ([(*H, "-R", "-p", "443", "--rand-source", "-i", "u350")], "tcp-flag-flood,tcp-reflection", "spoofed", "", False),
    "xmas": ([(*H, "-F", "-P", "-U", "-p", "80", "--rand-source", "-i", "u400")], "tcp-flag-flood", "spoofed", "", False),
    "null": ([(*H, "-p", "80", "--rand-source", "-i", "u400")], "tcp-flag-flood", "spoofed", "in", True),
    "psh-ack": ([(*H, "-P", "-A", "-p", "443", "-d", "512", "--rand-source", "-i", "u500")], "tcp-flag-flood", "spoofed", "", False),
    "syn-fin": ([(*H, "-S", "-F", "-p", "80", "--rand-source", "-i", "u400")], "tcp-flag-flood,syn-flood", "spoofed", "ng", True),
    "udp-one-port": ([(*H, "--udp", "-p", "53", "-d", "512", "--rand-source", "-i", "u300")], "udp-flood,dns-flood", "spoofed", "", False),
    "udp-single": ([(*H, "--udp", "-p", "443", "-d", "1300", "-i", "u250")], "udp-flood", "single-source", "", False),
    "udp-ports": ([(*H, "--udp", "-p", "++1", "-d", "64", "--rand-source", "-i", "u250")], "udp-flood", "spoofed", "in", True),
    "udp-empty": ([(*H, "--udp", "-p", "27015", "--rand-source", "-i", "u200")], "udp-flood", "spoofed", "alone", False),
    "udp-random-in-alone": ([(*H, "--udp", "-p", "9987", "-d", "1024", "--rand-source", "-i", "u250")], "udp-flood", "spoofed", "in alone snap96 gz", True),
    "icmp": ([(*H, "--icmp", "-d", "56", "--rand-source", "-i", "u250")], "icmp-flood", "spoofed", "", False),
    "icmp-single-large": ([(*H, "--icmp", "-d", "1400", "-i", "u250")], "icmp-flood", "single-source", "", True),
    "icmp-alone": ([("ping", "-f", "-q", "-s", "1000", SERVICE)], "icmp-flood", "single-source", "alone", False),
    "fragments": ([(*H, "--udp", "-p", "80", "-d", "3800", "-f", "-m", "1400", "--rand-source", "-i", "u900")], "fragment-flood,udp-flood", "", "", False),
    "fragments-icmp": ([("ping", "-f", "-q", "-s", "8000", SERVICE)], "fragment-flood,icmp-flood", "single-source", "", True),
    "mixed-syn-udp": ([(*H, "-S", "-p", "443", "--rand-source", "-i", "u400"), (*H, "--udp", "-p", "443", "-d", "900", "--rand-source", "-i", "u400")],
                      "syn-flood,udp-flood", "", "", False),
    "mixed-ack-icmp": ([(*H, "-A", "-p", "443", "--rand-source", "-i", "u500"), (*H, "--icmp", "-d", "600", "--rand-source", "-i", "u500")],
                       "tcp-flag-flood,icmp-flood", "", "any", True),
    "syn-small": ([(*H, "-S", "-p", "443", "--rand-source", "-i", "u4000")], "syn-flood", "spoofed", "", True),
}


def build(work, commands, how):
    with Scene(work, how) as scene:
        scene.quiet(0.2 if "alone" in how else 4)
        scene.together(commands, work.rng.choice((2.5, 3.5, 5)))
        scene.quiet(0.2 if "alone" in how else 2)
    return scene.files


for name, (commands, causes, vectors, how, held) in FLOODS.items():
    case.add(f"net-{name}", "attack", causes, lambda work, c=commands, h=how: build(work, c, h), vectors, held=held,
             note=f"{commands[0][0]}, capture: {how or 'both ways'}")


def model(name, causes, vectors, make, note="", held=False):
    """A flood of frames from a model: `make(rng, capture)` fills the capture."""
    def build_model(work):
        capture = Capture()
        make(work.rng, capture)
        file = work.rng.choice(("capture.pcap", "capture.pcap.gz"))
        capture.write(work.path(file))
        return [file]
    case.add(f"net-{name}", "attack", causes, build_model, vectors, note, held)


def syn_options(rng):
    return b"\x02\x04\x05\xb4" + (b"\x04\x02\x08\x0a" + rng.randbytes(4) + bytes(4) + b"\x01\x03\x03\x07" if rng.random() < 0.7 else b"")


def syn_subnet(rng, capture):
    for _ in range(6000):
        capture.add(rng.uniform(0, 5), tcp(f"45.148.10.{rng.randrange(256)}", SERVICE, rng.randrange(1024, 65536), 443, "S", rng.getrandbits(32),
                                           tcp_options=syn_options(rng), ttl=52))


def syn_six(rng, capture):
    for _ in range(6000):
        source = f"2a02:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}::{rng.getrandbits(16):x}"
        at, port, seq = rng.uniform(0, 4), rng.randrange(1024, 65536), rng.getrandbits(32)
        capture.add(at, tcp(source, SERVICE6, port, 443, "S", seq, tcp_options=syn_options(rng), ttl=55))
        if rng.random() < 0.4:
            capture.add(at + 1e-4, tcp(SERVICE6, source, 443, port, "SA", rng.getrandbits(32), seq + 1, tcp_options=b"\x02\x04\x05\xa0", ttl=64))


def carpet(flags, pps, span=6):
    """Every host of the /24 under its own threshold."""
    def make(rng, capture):
        for _ in range(pps * span):
            target = f"203.0.113.{rng.randrange(1, 255)}"
            source = public_address(rng)
            at = rng.uniform(0, span)
            if flags:
                capture.add(at, tcp(source, target, rng.randrange(1024, 65536), rng.choice((80, 443)), flags, rng.getrandbits(32),
                                    tcp_options=syn_options(rng), ttl=rng.randrange(40, 120)))
            else:
                capture.add(at, udp(source, target, rng.randrange(1024, 65536), rng.randrange(1, 65536), rng.randbytes(rng.randrange(20, 1200)), ttl=rng.randrange(40, 120)))
    return make


def reflected(kind):
    """Answers of servers that somebody asked in our name."""
    def make(rng, capture):
        servers = [public_address(rng) for _ in range(1500)]
        for _ in range(7000):
            at, server = rng.uniform(0, 4), rng.choice(servers)
            sport, dport = rng.choice((80, 443, 443, 22, 25, 179)), rng.choice((80, 443, rng.randrange(1024, 65536)))
            for i in range(rng.choice((1, 1, 2, 4)) if kind == "SA" else 1):
                capture.add(at + i * rng.choice((1, 1.5)), tcp(server, SERVICE, sport, dport, kind, rng.getrandbits(32), rng.getrandbits(32),
                                                              tcp_options=b"\x02\x04\x05\xb4" if kind == "SA" else b"", ttl=rng.randrange(40, 62)))
    return make


def udp_pulse(rng, capture):
    for start in range(0, 60, 12):
        for _ in range(1500):
            capture.add(start + rng.uniform(0, 1.2), udp(public_address(rng), SERVICE, rng.randrange(1024, 65536), 443, rng.randbytes(1100), ttl=rng.randrange(40, 120)))
    for _ in range(300):
        capture.add(rng.uniform(0, 60), tcp("84.12.9.1", SERVICE, 50000, 443, "A", 1, 1, ttl=50))


def udp_botnet(rng, capture):
    """Some thousand real devices, each with its own source port, random payload."""
    bots = [(public_address(rng), rng.randrange(1024, 65536)) for _ in range(1200)]
    for _ in range(8000):
        source, port = rng.choice(bots)
        capture.add(rng.uniform(0, 3), udp(source, SERVICE, port, 80, b"\0" * 512, ttl=48 + hash(source) % 8))


def teardrop(rng, capture):
    """Last fragments only: nothing can be put together."""
    for _ in range(5000):
        pieces = list(fragments(public_address(rng), SERVICE, 17, rng.randbytes(2900), rng.randrange(65536), ttl=50))
        capture.add(rng.uniform(0, 3), pieces[-1])


def unreachable(rng, capture):
    """Backscatter-like ICMP errors that nobody caused."""
    for _ in range(6000):
        capture.add(rng.uniform(0, 4), icmp(public_address(rng), SERVICE, 3, rng.choice((1, 3, 13)), bytes(4) + rng.randbytes(28), ttl=50))


model("syn-subnet", "syn-flood", "", syn_subnet, "all SYNs from one /24")
model("syn-ipv6", "syn-flood", "spoofed", syn_six, "IPv6")
model("syn-carpet", "syn-flood", "carpet", carpet("S", 1500), "over a /24")
model("ack-carpet", "tcp-flag-flood", "carpet", carpet("A", 1200), "over a /24", held=True)
model("udp-carpet", "udp-flood", "carpet", carpet("", 1200), "over a /24", held=True)
model("synack-reflection", "tcp-reflection", "", reflected("SA"), "SYN-ACKs of many servers, with repeats")
model("rst-reflection", "tcp-reflection,tcp-flag-flood", "", reflected("RA"), "resets of many servers", held=True)
model("udp-pulse", "udp-flood", "pulse", udp_pulse, "a second in twelve", held=True)
model("udp-botnet", "udp-flood", "distributed", udp_botnet, "1,200 devices")
model("fragments-last", "fragment-flood", "", teardrop, "last fragments only", held=True)
model("icmp-unreachable", "icmp-flood", "", unreachable, "errors that nobody caused", held=True)
