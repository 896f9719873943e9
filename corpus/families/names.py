"""Name servers: real authoritative and recursive ones under floods, at work, and as reflectors."""
from lib import case, servers
from lib.lab import SERVICE, settle
from lib.packets import Capture, name as wire_name, public_address, udp
from lib.scene import Scene, client_address

ZONE = """$ORIGIN example.org.
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
@ NS ns2
@ A 203.0.113.10
@ MX 10 mail
@ TXT "v=spf1 mx -all"
@ TXT "google-site-verification=rXOxyZounnZasA8Z7oaD3c14JdjS9aKSWvsR1EbUSIQ"
ns1 A 203.0.113.10
ns2 A 203.0.113.11
www A 203.0.113.10
www AAAA 2001:db8:5::10
mail A 203.0.113.12
{hosts}
{texts}
"""


def authority(scene):
    """Knot with one signed zone."""
    hosts = "\n".join(f"{word}{i} A 203.0.113.{i}" for word in ("app", "img", "api") for i in range(1, 60))
    texts = "\n".join(f"big TXT \"{'x' * 240}{i}\"" for i in range(14))
    (scene.tmp / "example.org.zone").write_text(ZONE.format(hosts=hosts, texts=texts))
    (scene.tmp / "db").mkdir()
    (scene.tmp / "knot.conf").write_text(
        f"server:\n  listen: {SERVICE}@53\n  rundir: {scene.tmp}\n  user: root:root\n  udp-workers: 1\n  tcp-workers: 1\n"
        f"database:\n  storage: {scene.tmp}/db\n"
        f"policy:\n  - id: short\n    algorithm: ecdsap256sha256\n"
        f"zone:\n  - domain: example.org\n    storage: {scene.tmp}\n    file: example.org.zone\n    dnssec-signing: on\n    dnssec-policy: short\n    zonefile-sync: -1\n")
    scene.lab.srv("knotd", "-c", scene.tmp / "knot.conf")
    servers.until(scene.lab, 53)
    settle(0.5)


def questions(scene, rows, file="questions.txt"):
    path = scene.tmp / file
    path.write_text("\n".join(rows) + "\n")
    return path


def resolvers(scene, rate=60, seconds=60):
    """A handful of resolvers that ask what people want."""
    rng = scene.work.rng
    rows = [f"{rng.choice(('www', 'www', '@', 'mail', f'api{rng.randrange(1, 60)}', f'img{rng.randrange(1, 60)}', 'old'))}.example.org {rng.choice(('A', 'A', 'A', 'AAAA', 'MX'))}"
            .replace("@.", "") for _ in range(400)]
    path = questions(scene, rows)
    for i in range(5):
        scene.lab.cli("dnsperf", "-s", SERVICE, "-d", path, "-Q", max(1, rate // 5), "-l", seconds, "-a", client_address(rng), "-c", "1")


def dns_scene(work, how, act, seconds=7):
    with Scene(work, how + " alone", prepare=authority) as scene:
        if "bare" not in how:
            resolvers(scene)
            scene.quiet(6)
        act(scene, seconds)
        scene.quiet(1 if "bare" in how else 3)
    return scene.files


def performance(rows_of, rate, sources):
    """dnsperf with made-up questions from some addresses."""
    def act(scene, seconds):
        rng = scene.work.rng
        for i in range(sources):
            path = questions(scene, rows_of(rng), f"attack{i}.txt")
            scene.lab.cli("dnsperf", "-s", SERVICE, "-d", path, "-Q", rate // sources, "-l", seconds, "-a", client_address(rng), "-c", "4", "-q", "500", "-t", "1")
        settle(seconds)
    return act


def label(rng, low, high, letters="abcdefghijklmnopqrstuvwxyz0123456789"):
    return "".join(rng.choice(letters) for _ in range(rng.randrange(low, high)))


RANDOM = lambda rng: [f"{label(rng, 8, 14)}.example.org A" for _ in range(20000)]  # noqa: E731
RANDOM_WWW = lambda rng: [f"{label(rng, 6, 9)}.www.example.org A" for _ in range(20000)]  # noqa: E731
SAME = lambda rng: ["www.example.org A"] * 200  # noqa: E731
ANY = lambda rng: ["example.org ANY", "big.example.org TXT", "example.org DNSKEY"] * 50  # noqa: E731
WORDS = lambda rng: [f"{rng.choice(('mail', 'vpn', 'dev', 'test', 'admin', 'db', 'git', 'intranet', 'ftp', 'smtp'))}{rng.randrange(400)}.example.org A" for _ in range(5000)]  # noqa: E731

LIVE = {
    "random-subdomain": ("attack", "dns-random-subdomain", performance(RANDOM, 1500, 4), "", False),
    "random-subdomain-many": ("attack", "dns-random-subdomain", performance(RANDOM, 1500, 30), "ng", True),
    "random-below-www": ("attack", "dns-random-subdomain", performance(RANDOM_WWW, 900, 12), "", True),
    "random-bare": ("attack", "dns-random-subdomain", performance(RANDOM, 2000, 8), "bare", False),
    "flood-one-name": ("attack", "dns-flood", performance(SAME, 5000, 3), "", False),
    "flood-one-name-many": ("attack", "dns-flood", performance(SAME, 4000, 24), "in", True),
    "any-one-client": ("attack", "dns-reflection,dns-flood", performance(ANY, 1500, 1), "", False),
    "any-few-victims": ("attack", "dns-reflection,dns-flood", performance(ANY, 1500, 3), "snap128", True),
    "guess-names": ("abuse", "scan", performance(WORDS, 300, 1), "", True),
}
for key, (kind, causes, act, how, held) in LIVE.items():
    case.add(f"dns-{key}", kind, causes, lambda work, a=act, h=how: dns_scene(work, h, a), note=f"dnsperf at a signed zone, {how or 'both ways'}", held=held)

case.add("dns-quiet", "normal", "normal", lambda work: dns_scene(work, "", lambda scene, seconds: settle(seconds)), note="five resolvers at work")
case.add("dns-busy", "normal", "normal", lambda work: dns_scene(work, "bare", lambda scene, seconds: (resolvers(scene, 1200), settle(seconds))), held=True,
         note="five busy resolvers, 1,200 questions a second")


def message(rng, text, kind=1, answers=b"", count=0, code=0, response=False, edns=True, ident=None):
    ident = rng.randrange(65536) if ident is None else ident
    flags = (0x8400 if response else 0x0100) | code
    head = ident.to_bytes(2, "big") + flags.to_bytes(2, "big") + b"\0\x01" + count.to_bytes(2, "big") + b"\0\0" + (b"\0\x01" if edns else b"\0\0")
    return head + wire_name(text) + kind.to_bytes(2, "big") + b"\0\x01" + answers + (b"\0\0\x29\x04\xd0\0\0\0\0\0\0" if edns else b"")


def a_record(rng):
    return b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + rng.randbytes(4)


def exchange(rng, capture, at, client, server, text, kind=1, code=0, size=1, delay=0.0004, answered=True):
    ident, port = rng.randrange(65536), rng.randrange(1024, 65536)
    capture.add(at, udp(client, server, port, 53, message(rng, text, kind, ident=ident), ttl=rng.randrange(48, 62)))
    if answered:
        answers = b"".join(a_record(rng) for _ in range(size if not code else 0))
        capture.add(at + delay, udp(server, client, 53, port, message(rng, text, kind, answers, size if not code else 0, code, True, ident=ident), ttl=64))


def modelled(key, kind, causes, fill, held=False, note="", vectors=""):
    def build(work):
        capture = Capture()
        fill(work.rng, capture)
        capture.write(work.path("capture.pcap"))
        return ["capture.pcap"]
    case.add(f"dns-{key}", kind, causes, build, vectors, note, held)


POPULAR = ("google.com", "facebook.com", "netflix.com", "apple.com", "akadns.net", "wikipedia.org", "office.com", "spotify.com", "zoom.us", "github.com")


def resolver_day(rng, capture):
    """A resolver of an office: clients ask it, it asks the world."""
    for _ in range(9000):
        at, client = rng.uniform(0, 120), f"192.168.4.{rng.randrange(10, 200)}"
        text = rng.choice(("www.", "api.", "", "cdn.", "mail.")) + rng.choice(POPULAR)
        exchange(rng, capture, at, client, "192.168.4.2", text, rng.choice((1, 28, 65)), rng.choices((0, 3), (94, 6))[0], rng.randrange(1, 4), rng.uniform(0.0003, 0.04))


def cdn_names(rng, capture):
    """Hashed names of content networks: random to look at, and they exist."""
    for _ in range(7000):
        text = f"{label(rng, 24, 32, 'abcdef0123456789')}.{rng.choice(('cloudfront.net', 'edgecast.example', 'fastly-insights.example', 'googlevideo.example'))}"
        exchange(rng, capture, rng.uniform(0, 90), f"192.168.4.{rng.randrange(10, 90)}", "192.168.4.2", text, 1, 0, 2, rng.uniform(0.001, 0.03))


def blocklists(rng, capture):
    """A mail server that asks blocklists: reversed addresses, mostly NXDOMAIN."""
    for _ in range(5000):
        text = f"{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 224)}.{rng.choice(('zen.spamhaus.example', 'bl.spamcop.example', 'b.barracuda.example'))}"
        exchange(rng, capture, rng.uniform(0, 120), "192.168.4.25", "192.168.4.2", text, 1, rng.choices((3, 0), (80, 20))[0], 1, rng.uniform(0.002, 0.05))


def reverse_names(rng, capture):
    """A log analyser that looks up who its clients are."""
    for _ in range(4000):
        text = f"{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 224)}.in-addr.arpa"
        exchange(rng, capture, rng.uniform(0, 60), "192.168.4.31", "192.168.4.2", text, 12, rng.choices((3, 0), (45, 55))[0], 1, rng.uniform(0.004, 0.2))


def tunnel(kinds, rate, letters, suffix="t.badhost.example"):
    """Data in names, up and down, as iodine and dnscat carry it."""
    def fill(rng, capture):
        resolver_day(rng, capture)
        at = 30.0
        while at < 100:
            at += rng.expovariate(rate)
            text = ".".join(label(rng, 40, 60, letters) for _ in range(rng.randrange(2, 4))) + "." + suffix
            ident, port, kind = rng.randrange(65536), rng.randrange(1024, 65536), rng.choice(kinds)
            capture.add(at, udp("192.168.4.66", "192.168.4.2", port, 53, message(rng, text, kind, ident=ident)))
            data = rng.randbytes(rng.randrange(60, 220))
            answer = b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\x01\0\0\0\0" + (len(data) + 1).to_bytes(2, "big") + bytes([len(data)]) + data
            capture.add(at + 0.03, udp("192.168.4.2", "192.168.4.66", 53, port, message(rng, text, kind, answer, 1, 0, True, ident=ident)))
    return fill


def reflector(kind, size, victims):
    """Our server answers questions that a victim never asked, with large answers."""
    def fill(rng, capture):
        addresses = [public_address(rng) for _ in range(victims)]
        for _ in range(4000):
            at, victim = rng.uniform(0, 10), rng.choice(addresses)
            ident, port = rng.randrange(65536), rng.choice((80, 443, 53, rng.randrange(1024, 65536)))
            capture.add(at, udp(victim, SERVICE, port, 53, message(rng, "example.org", kind, ident=ident), ttl=rng.choice((237, 238, 239))))
            answer = (b"\xc0\x0c\0\x10\0\x01\0\0\x0e\x10\0\xff\xfe" + bytes(254)) * size
            capture.add(at + 2e-4, udp(SERVICE, victim, 53, port, message(rng, "example.org", kind, answer, size, 0, True, ident=ident)))
        for _ in range(1500):
            exchange(rng, capture, rng.uniform(0, 10), public_address(rng), SERVICE, "www.example.org")
    return fill


def water_torture(rng, capture):
    """Random names through thousands of open resolvers, seen at the authoritative server that gives up."""
    pool = [public_address(rng) for _ in range(2500)]
    for _ in range(2500):
        exchange(rng, capture, rng.uniform(0, 40), rng.choice(pool), SERVICE, rng.choice(("www", "mail", "api", "img1")) + ".example.org")
    for _ in range(12000):
        at = rng.uniform(15, 33)
        exchange(rng, capture, at, rng.choice(pool), SERVICE, f"{label(rng, 10, 16)}.example.org", 1, rng.choice((3, 3, 2)), answered=rng.random() < 0.6)


modelled("resolver-day", "normal", "normal", resolver_day, note="an office's resolver")
modelled("cdn-names", "normal", "normal", cdn_names, held=True, note="hashed names that exist")
modelled("blocklists", "normal", "normal", blocklists, note="a mail server asks blocklists")
modelled("reverse", "normal", "normal", reverse_names, held=True, note="PTR for a log")
modelled("tunnel-null", "abuse", "dns-tunnel", tunnel((10,), 40, "abcdefghijklmnopqrstuvwxyzABCDEFG0123456789"), note="iodine-like, NULL records")
modelled("tunnel-txt", "abuse", "dns-tunnel", tunnel((16, 5, 15), 12, "0123456789abcdef"), held=True, note="dnscat-like, TXT, CNAME, MX")
modelled("tunnel-slow", "abuse", "dns-tunnel", tunnel((16,), 3, "0123456789abcdef"), note="three a second")
modelled("reflector-any", "attack", "dns-reflection", reflector(255, 12, 1), note="one victim, ANY")
modelled("reflector-txt", "attack", "dns-reflection", reflector(16, 8, 6), held=True, note="six victims, TXT")
modelled("water-torture", "attack", "dns-random-subdomain", water_torture, held=True, note="by thousands of open resolvers")


def iodine(work):
    """A real tunnel: ping through iodine."""
    def prepare(scene):
        scene.lab.srv("iodined", "-f", "-c", "-P", "word", "-l", SERVICE, "10.53.0.1", "t.example.org")
        settle(1)
    with Scene(work, "alone", prepare=prepare) as scene:
        scene.lab.cli("iodine", "-f", "-r", "-P", "word", SERVICE, "t.example.org")
        settle(6)
        scene.attack("ping", "-i", "0.02", "-s", "600", "-c", "300", "10.53.0.1", seconds=9)
    return scene.files


case.add("dns-iodine", "abuse", "dns-tunnel", iodine, note="iodine carries a ping", held=True)
