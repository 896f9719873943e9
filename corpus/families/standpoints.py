"""Captures by real tools from unusual places: at a reflector, behind a router, of one direction, of one packet in many, over IPv6, of a fraction of a second."""
import pathlib
import struct

from lib import case, servers
from lib.lab import SERVICE, SERVICE6, run, settle
from lib.packets import Capture, ETHERNET, RAW, address, fragments, icmp, public_address, tcp, udp, udp_whole
from lib.scene import Scene, client_address
from families.amplification import cldap, ntp_monlist, ssdp
from families.calm_models import web

CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"
CLEAR6 = f"http://[{SERVICE6}]"
H = ("hping3", "-q", SERVICE)


def website(scene):
    servers.app(scene.lab)
    servers.nginx(scene.lab, scene.tmp)


def nothing(scene):
    """Only the kernel answers."""


def files(scene):
    """An rsync daemon, and something to fetch."""
    (scene.tmp / "store").mkdir()
    for i in range(60):
        (scene.tmp / "store" / f"{i}.dat").write_bytes(scene.work.rng.randbytes(200_000))
    (scene.tmp / "rsyncd.conf").write_text(f"use chroot = no\nuid = root\ngid = root\nport = 873\naddress = {SERVICE}\n[store]\npath = {scene.tmp}/store\nread only = no\n")
    scene.lab.srv("rsync", "--daemon", "--no-detach", "--config", scene.tmp / "rsyncd.conf")
    settle(0.6)


def broker(scene):
    (scene.tmp / "m.conf").write_text(f"listener 1883 {SERVICE}\nallow_anonymous true\n")
    scene.lab.srv("mosquitto", "-c", scene.tmp / "m.conf")
    settle(0.8)


def measurer(scene):
    scene.lab.srv("iperf3", "-s", "-B", SERVICE)
    settle(0.5)


def memory(scene):
    scene.lab.srv("memcached", "-u", "root", "-l", SERVICE, "-U", "11211", "-p", "11211")
    settle(0.5)


def manager(scene):
    (scene.tmp / "snmpd.conf").write_text(f"agentaddress udp:{SERVICE}:161\nrocommunity public\n")
    scene.lab.srv("snmpd", "-f", "-Lo", "-C", "-c", scene.tmp / "snmpd.conf")
    settle(1)


def telephony(scene):
    scene.lab.srv("sipp", "-sn", "uas", "-i", SERVICE, "-p", "5060", "-nostdin")
    settle(0.8)


def sampled(path, one_in, rng):
    """Keeps one packet in so many of a capture, as routers mirror."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    kept, at = [data[:24]], 24
    while at + 16 <= len(data):
        length = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        if rng.randrange(one_in) == 0:
            kept.append(data[at:at + 16 + length])
        at += 16 + length
    path.write_bytes(b"".join(kept))


def real(key, kind, causes, prepare, act, how="", note="", vectors="", held=False, one_in=0, rate=4):
    def build(work):
        with Scene(work, how, rate=rate, prepare=prepare) as scene:
            scene.lab.client_source(client_address(work.rng))
            act(scene)
            settle(0.4)
        if one_in:
            sampled(pathlib.Path(work.path("capture.pcap")), one_in, work.rng)
        return scene.files
    case.add(f"stand-{key}", kind, causes, build, vectors, f"{note}; {how or 'both ways'}", held)


def at_once(*commands, seconds=5, before=0.3, after=0.5):
    """Programs side by side, for some seconds."""
    def act(scene):
        settle(before)
        scene.together([tuple(str(scene.tmp / word[1:]) if str(word).startswith("@") else word for word in command) for command in commands], seconds)
        settle(after)
    return act


def forged(question, port, gap_us, victims, seconds=5, extra=()):
    """One question in the names of victims, by hping3."""
    def act(scene):
        (scene.tmp / "question").write_bytes(question)
        base = ("hping3", "-q", "-2", "-p", port, "--file", scene.tmp / "question", "-d", len(question), "-i", f"u{gap_us}", *extra)
        settle(0.5)
        scene.together([(*base, "-a", client_address(scene.work.rng), SERVICE) for _ in range(victims)], seconds)
    return act


BULK = (b"\x30\x29\x02\x01\x01\x04\x06public\xa5\x1c\x02\x04\x12\x34\x56\x78\x02\x01\0\x02\x02\x08\xca\x30\x0d\x30\x0b\x06\x07\x2b\x06\x01\x02\x01\x01\x01\x05\0")
STATS = b"\0\x07\0\0\0\x01\0\0stats\r\n"
IN_OURS = "amplification,dns-reflection"

CACHE_CLIENT = """
import random, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 0)); s.settimeout(0.2); end = time.time() + 7; n = 0
while time.time() < end:
    n += 1; s.sendto(n.to_bytes(2, 'big') + b'\\0\\0\\0\\1\\0\\0get key%d\\r\\n' % random.randrange(500), (sys.argv[2], 11211))
    try: s.recv(2000)
    except OSError: pass
    time.sleep(0.01)
"""

# At a reflector: our own servers answer what victims never asked.
real("reflect-memcached", "attack", IN_OURS, memory, forged(STATS, 11211, 1200, 1), "alone", "a cache of ours answers for one victim", "memcached")
real("reflect-snmp", "attack", IN_OURS, manager, forged(BULK, 161, 4000, 4), "alone snap128", "a device of ours answers for four victims", "snmp", held=True)
real("reflect-handshakes", "attack", "syn-flood,tcp-reflection", website,
     lambda scene: (settle(4), scene.together([(*H, "-S", "-p", "443", "-a", client_address(scene.work.rng), "-i", "u2500") for _ in range(2)], 6), settle(1)), "",
     "our web server sends its half-open answers to two victims")
real("backscatter-out", "attack", "syn-flood,tcp-reflection", website, at_once((*H, "-S", "-p", "443", "--rand-source", "-i", "u400"), before=3, seconds=5), "out",
     "a flood of openings, of which only our answers are seen", held=True)

# Floods.
real("icmp6", "attack", "icmp-flood", website, at_once(*[("ping", "-6", "-f", "-q", "-s", "1200", SERVICE6)] * 3, before=3, seconds=4), "", "echoes over IPv6", "single-source")
real("udp6", "attack", "udp-flood", nothing, at_once(("nping", "-6", "--udp", "-p", "9000-9500", "--rate", "2500", "-c", "12000", "--data-length", "700", "-q", SERVICE6), seconds=5),
     "alone", "datagrams over IPv6", held=True)
real("syn-fixed-port", "attack", "syn-flood", website, at_once((*H, "-S", "-s", "53", "-k", "-p", "443", "--rand-source", "-i", "u500"), before=4), "wan",
     "openings all from port 53", "spoofed")
real("syn-land", "attack", "syn-flood,tcp-flag-flood", website, at_once((*H, "-S", "-s", "80", "-k", "-p", "80", "-a", SERVICE, "-i", "u300"), before=2), "in",
     "openings from our own address", held=True)
real("syn-sampled", "attack", "syn-flood", website, at_once((*H, "-S", "-p", "443", "--rand-source", "-i", "u60"), before=4, seconds=6), "", "one packet in 64", "spoofed", one_in=64, rate=15)
real("udp-sampled", "attack", "udp-flood", website, at_once((*H, "-2", "-p", "443", "-d", "1100", "--rand-source", "-i", "u80"), before=4, seconds=6), "", "one packet in 32", held=True,
     one_in=32, rate=15)
real("udp-weak", "attack", "udp-flood", website, at_once((*H, "-2", "-p", "27015", "-d", "40", "--rand-source", "-i", "u7000"), before=6, seconds=9), "", "140 datagrams a second", held=True)
real("fragments-in", "attack", "fragment-flood,icmp-flood", website, at_once((*H, "-1", "-d", "2600", "--rand-source", "-i", "u900"), before=2), "in snap64", "echoes in pieces")
real("connect6", "attack", "connection-flood", website, at_once(*[("nping", "-6", "--tcp-connect", "-p", "80", "--rate", "250", "-c", "2000", "-q", SERVICE6)] * 2, before=2, seconds=6), "",
     "connections that say nothing, over IPv6", held=True)
real("handshakes", "attack", "tls-flood,connection-flood", website,
     at_once(*[("openssl", "s_time", "-connect", f"{SERVICE}:443", "-new", "-time", "7")] * 6, before=3, seconds=8), "tls", "handshake after handshake, and no request")
real("siege", "attack", "http-flood,connection-flood", website, at_once(("siege", "-b", "-q", "-c", "60", "-t", "6S", CLEAR + "/page3.html"), before=4, seconds=7), "wan", "siege", held=True)
real("h2-requests", "attack", "http-flood,http2-abuse", website, at_once(("h2load", "-n", "60000", "-c", "20", "-m", "60", "-D", "5", SECURE + "/"), before=3, seconds=6), "tls snap128",
     "HTTP/2, unreadable")
real("h1-keepalive6", "attack", "http-flood", website, at_once(("ab", "-q", "-k", "-n", "60000", "-c", "40", CLEAR6 + "/page1.html"), before=2, seconds=5), "", "over IPv6, kept alive", held=True)
real("wrk-tls-in", "attack", "http-flood", website, at_once(("wrk", "-t1", "-c50", "-d5s", SECURE + "/page2.html"), before=3, seconds=6), "tls in snap96", "unreadable, one direction")
real("slow-body-tls", "attack", "slow-http", website, at_once(("slowhttptest", "-c", "250", "-B", "-i", "4", "-r", "60", "-s", "8192", "-l", "24", "-u", SECURE + "/app/form", "-x", "10"), seconds=25),
     "alone snap96", "bodies by the byte, over TLS", held=True)
real("slow-headers-out", "attack", "slow-http,connection-flood", website, at_once(("slowhttptest", "-c", "300", "-H", "-i", "5", "-r", "80", "-l", "22", "-u", CLEAR + "/", "-x", "8"), seconds=23),
     "alone out", "slow headers, of which only our side is seen")
real("invites", "attack,abuse", "udp-flood,http-flood,credential-abuse,scan", telephony, at_once(("sipp", "-sn", "uac", "-r", "900", "-l", "4000", "-d", "0", "-nostdin", f"{SERVICE}:5060"), seconds=6),
     "alone", "calls without end from one address", held=True)

# Scans and guesses.
real("scan6", "abuse", "scan", website, at_once(("nmap", "-6", "-n", "-Pn", "-sS", "-p1-1200", "--max-rate", "400", SERVICE6), before=3, seconds=7), "", "ports over IPv6")
real("scan-in", "abuse", "scan", nothing, at_once(("masscan", SERVICE, "-p1-20000", "--rate", "2500", "--wait", "1", "-e", "eth0"), seconds=9), "alone in snap64", "one direction", held=True)
real("scan-sampled", "abuse,undecided", "scan,undecided", website, at_once(("nmap", "-n", "-Pn", "-sS", "-p-", "--min-rate", "3000", "--max-rate", "4000", SERVICE), before=2, seconds=9), "",
     "one packet in 20", one_in=20)

# Calm.
real("backup", "normal", "normal", files, at_once(("rsync", "-a", "--timeout", "20", f"rsync://{SERVICE}/store/", "@copy/"), seconds=9), "alone wan snap96", "a backup is fetched")
real("backup-up", "normal", "normal", files, lambda scene: (run(["cp", "-r", str(scene.tmp / "store"), str(scene.tmp / "mine")]),
                                                           scene.together([("rsync", "-aW", "--ignore-times", f"{scene.tmp}/mine/", f"rsync://{SERVICE}/store/")], 9)), "alone wan in",
     "a backup is sent, one direction", held=True)
real("speed-test-udp", "normal", "normal", measurer, at_once(("iperf3", "-c", SERVICE, "-u", "-b", "25M", "-t", "7"), seconds=9), "alone", "a measurement with datagrams")
real("speed-test-udp-in", "normal,undecided", "normal,undecided", measurer, at_once(("iperf3", "-c", SERVICE, "-u", "-b", "12M", "-l", "1200", "-t", "7"), seconds=9), "alone in snap96",
     "the same, one direction", held=True)
real("speed-test-many", "normal,fault", "normal,network-fault", measurer, at_once(("iperf3", "-c", SERVICE, "-P", "8", "-t", "5", "-b", "8M"), seconds=7), "alone lossy", "eight streams")
real("devices", "normal", "normal", broker, lambda scene: scene.together(
    [("mosquitto_sub", "-h", SERVICE, "-t", "#")] + [("sh", "-c", f"for i in $(seq 40); do mosquitto_pub -h {SERVICE} -t d/{n} -m $i; sleep 0.3; done") for n in range(14)], 12),
    "alone wan", "devices that connect for each message", held=True)
real("downloads", "normal", "normal", website, at_once(("curl", "-s", "-Z", "--parallel-max", "40", *[word for i in range(40) for word in ("-o", "/dev/null", f"{CLEAR}/img/{i}.jpg")],
                                                       "-o", "/dev/null", CLEAR + "/large.bin"), seconds=6), "alone wan", "forty pictures of a page at once")
real("calls", "normal", "normal", telephony, at_once(("sipp", "-sn", "uac", "-r", "12", "-l", "300", "-d", "2000", "-nostdin", f"{SERVICE}:5060"), seconds=9), "alone", "twelve calls a second", held=True)
real("counters", "normal", "normal", manager, lambda scene: scene.together([("sh", "-c", f"for i in 1 2 3 4 5 6; do snmpbulkwalk -v2c -c public -Cr40 {SERVICE} .1.3.6.1.2.1; done")], 9), "alone",
     "a manager reads all counters, again and again")
real("cache-clients", "normal", "normal", memory, lambda scene: (
    scene.together([("python3", "-c", CACHE_CLIENT, client_address(scene.work.rng), SERVICE) for _ in range(3)], 8)), "alone", "three programs use a cache by datagrams", held=True)
real("pings", "normal", "normal", nothing, at_once(("fping", "-l", "-q", "-p", "500", *[f"203.0.113.{i}" for i in range(1, 120)]), seconds=9), "alone", "a monitor of 119 hosts")
real("busy-sampled", "normal", "normal", website, lambda scene: settle(16), "wan", "a busy site, one packet in 16", held=True, one_in=16, rate=25)
real("reload-burst", "normal,demand", "normal,flash-crowd", website, at_once(("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--virtual-time-budget=9000",
                                                            "--user-data-dir=@profile", "--dump-dom", SECURE + "/page5.html"), seconds=12), "alone wan tls", "a browser opens one page")

def modelled(key, kind, causes, fill, note="", vectors="", held=False, link=ETHERNET, snaplen=262144):
    def build(work):
        capture = Capture(link, snaplen)
        fill(work.rng, capture)
        capture.write(work.path("capture.pcap"))
        return ["capture.pcap"]
    case.add(f"stand-{key}", kind, causes, build, vectors, note or (fill.__doc__ or "").strip(), held)


def through_us(port, question, answer, rate, span, victims, unreachable=0.0, own=SERVICE, out_only=False, each=1):
    """Questions in the names of victims, and the answers of ours."""
    def fill(rng, capture):
        chosen = [victims(rng) for _ in range(6)]
        for _ in range(int(rate * span)):
            at, victim, sport = rng.uniform(0, span), rng.choice(chosen), rng.choice((80, 443, rng.randrange(1024, 65536)))
            if not out_only:
                capture.add(at, udp(victim, own, sport, port, question(rng), ttl=rng.choice((241, 242, 243))))
            for n in range(each):
                for i, piece in enumerate(fragments(own, victim, 17, udp_whole(port, sport, answer(rng)), rng.randrange(65536), ttl=64)):
                    capture.add(at + 2e-4 + n * 1e-4 + i * 1e-5, piece)
            if rng.random() < unreachable:
                capture.add(at + 0.04, icmp(victim, own, 3, 3, bytes(4) + rng.randbytes(28), ttl=50))
    return fill


def with_time_clients(fill):
    """Beside it, people ask for the time."""
    def both(rng, capture):
        fill(rng, capture)
        for _ in range(1500):
            at, client, port = rng.uniform(0, 9), public_address(rng), rng.choice((123, rng.randrange(1024, 65536)))
            capture.add(at, udp(client, SERVICE, port, 123, b"\x23\0\x06\xec" + bytes(36) + rng.randbytes(8), ttl=50))
            capture.add(at + 1e-4, udp(SERVICE, client, 123, port, b"\x24\x02\x06\xe8" + rng.randbytes(44), ttl=64))
    return both


def monlist_question(rng):
    return b"\x17\0\x03\x2a" + bytes(4)


modelled("reflect-ntp", "attack", IN_OURS, with_time_clients(through_us(123, monlist_question, ntp_monlist, 260, 9, public_address)), "our time server tells victims whom it knows", "ntp")
modelled("reflect-ntp-out", "attack", IN_OURS, through_us(123, monlist_question, ntp_monlist, 900, 4, public_address, out_only=True), "the same, only what goes out", "ntp", held=True)
modelled("reflect-directory", "attack", IN_OURS, through_us(389, lambda rng: b"0%\x02\x01\x07c \x04\0\n\x01\0\n\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x0bobjectclass0\0", cldap, 180, 12, public_address, 0.2),
         "a directory of ours answers anybody, and victims refuse", "cldap", held=True, link=RAW, snaplen=128)
modelled("reflect-camera", "attack", IN_OURS, through_us(1900, lambda rng: b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n", ssdp, 220, 6,
                                                        public_address, own="198.51.100.23", each=6), "a device of ours that can be asked from the internet", "ssdp")


def reflected_in_flash(rng, capture):
    """A fifth of a second at a victim: answers of name servers at a high rate."""
    servers_ = [public_address(rng) for _ in range(700)]
    for _ in range(2600):
        for i, piece in enumerate(fragments(rng.choice(servers_), SERVICE, 17, udp_whole(53, 80, b"\x12\x34\x81\x80\0\x01\0\x10\0\0\0\x01" + rng.randbytes(2900)), rng.randrange(65536), ttl=55)):
            capture.add(rng.uniform(0, 0.2) + i * 1e-5, piece)


def short_syns(rng, capture):
    """A fifth of a second of forged openings."""
    for _ in range(3500):
        capture.add(rng.uniform(0, 0.2), tcp(public_address(rng), SERVICE, rng.randrange(1024, 65536), 443, "S", rng.getrandbits(32), tcp_options=b"\x02\x04\x05\xb4", ttl=rng.randrange(40, 120)))


def video_call(rng, capture):
    """A loud call between two offices: sound and pictures both ways at 6 Mbit/s, beside browsing."""
    for i in range(3):
        web(rng, capture, 0, 20, 0.5, f"203.0.113.{30 + i}")
    for out in (True, False):
        ends = (SERVICE, "198.51.100.77", 50002, 40010) if out else ("198.51.100.77", SERVICE, 40010, 50002)
        sequence, at = rng.randrange(65536), 0.5
        while at < 20:
            at += rng.expovariate(650)
            sequence = (sequence + 1) & 0xFFFF
            capture.add(at, udp(*ends, b"\x90\x60" + sequence.to_bytes(2, "big") + rng.randbytes(rng.randrange(500, 1150)), ttl=58))


def camera_in(rng, capture):
    """Cameras send their pictures to a recorder; one direction was captured."""
    for camera in range(12):
        sequence, at, own = rng.randrange(65536), rng.uniform(0, 0.1), rng.randrange(30000, 60000)
        while at < 12:
            at += rng.expovariate(180)
            sequence = (sequence + 1) & 0xFFFF
            capture.add(at, udp(f"192.168.8.{20 + camera}", "192.168.8.5", own, 5004 + 2 * camera, b"\x80\x60" + sequence.to_bytes(2, "big") + rng.randbytes(1100), ttl=64))


def meeting_of_peers(rng, capture):
    """A program joins a network of peers: thousands of small questions to strangers, a third of whom answer."""
    for _ in range(5000):
        at, peer, port = rng.uniform(0, 40), public_address(rng), rng.choice((6881, 51413, rng.randrange(1024, 65536)))
        ident = rng.randbytes(2)
        capture.add(at, udp("192.168.1.33", peer, 51413, port, b"d1:ad2:id20:" + rng.randbytes(20) + b"6:target20:" + rng.randbytes(20) + b"e1:q9:find_node1:t2:" + ident + b"1:y1:qe", ttl=64))
        if rng.random() < 0.35:
            capture.add(at + rng.uniform(0.02, 0.4), udp(peer, "192.168.1.33", port, 51413, b"d1:rd2:id20:" + rng.randbytes(20) + b"5:nodes208:" + rng.randbytes(208) + b"e1:t2:" + ident + b"1:y1:re", ttl=48))


def routers_talk(rng, capture):
    """What routers and switches say among themselves, and a discovery service in every desktop."""
    for second in range(120):
        for router, protocol, group in (("10.0.0.2", 89, "224.0.0.5"), ("10.0.0.3", 89, "224.0.0.5"), ("10.0.0.2", 112, "224.0.0.18"), ("10.0.0.3", 103, "224.0.0.13")):
            head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 60, rng.randrange(65536), 0, 1, protocol, 0) + address(router) + address(group)
            capture.add(second + rng.uniform(0, 0.2), head + rng.randbytes(40))
        for host in range(rng.randrange(2, 14)):
            capture.add(second + rng.uniform(0, 1), udp(f"10.0.1.{host + 10}", "224.0.0.251", 5353, 5353, b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_ipps\x04_tcp\x05local\0\0\x0c\0\x01", ttl=255))
            capture.add(second + rng.uniform(0, 1), udp(f"10.0.1.{host + 10}", "239.255.255.250", 50000 + host, 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", ttl=2))


def database_guesses(port, greeting, refusal):
    def fill(rng, capture):
        """One address tries passwords at a database, five times a second."""
        client = public_address(rng)
        for i in range(300):
            t, sport, seq, ack = i * 0.2 + rng.uniform(0, 0.05), rng.randrange(1024, 65536), rng.getrandbits(31), rng.getrandbits(31)
            capture.add(t, tcp(client, SERVICE, sport, port, "S", seq, tcp_options=b"\x02\x04\x05\xb4", ttl=50))
            capture.add(t + 1e-4, tcp(SERVICE, client, port, sport, "SA", ack, seq + 1, tcp_options=b"\x02\x04\x05\xb4", ttl=64))
            seq, ack = seq + 1, ack + 1
            capture.add(t + 0.02, tcp(client, SERVICE, sport, port, "A", seq, ack, ttl=50))
            for outward, data in ((False, greeting), (True, rng.randbytes(90)), (False, refusal)):
                if not data:
                    continue
                if outward and port == 3306:
                    data = b"\x56\0\0\x01" + data
                t += 0.03
                ends = (client, SERVICE, sport, port, "PA", seq, ack) if outward else (SERVICE, client, port, sport, "PA", ack, seq)
                capture.add(t, tcp(*ends, payload=data, ttl=50 if outward else 64))
                seq, ack = (seq + len(data), ack) if outward else (seq, ack + len(data))
            capture.add(t + 0.01, tcp(SERVICE, client, port, sport, "FA", ack, seq, ttl=64))
            capture.add(t + 0.04, tcp(client, SERVICE, sport, port, "FA", seq, ack + 1, ttl=50))
            capture.add(t + 0.0401, tcp(SERVICE, client, port, sport, "A", ack + 1, seq + 1, ttl=64))
    return fill


MYSQL = b"\x4a\0\0\0\x0a8.0.36\0\x10\0\0\0" + bytes(60)
MYSQL_NO = b"\x4c\0\0\x02\xff\x15\x04#28000Access denied for user 'root'@'x' (using password: YES)"
POSTGRES_NO = b"E\0\0\0\x64SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"postgres\"\0\0"
modelled("flash-dns", "attack", "amplification", reflected_in_flash, vectors="dns")
modelled("flash-syn", "attack", "syn-flood", short_syns, vectors="spoofed", held=True, link=RAW, snaplen=64)
modelled("video-call", "normal", "normal", video_call)
modelled("cameras-in", "normal", "normal", camera_in, held=True, snaplen=96)
modelled("peers", "normal", "normal", meeting_of_peers)
modelled("routers", "normal", "normal", routers_talk, held=True)
modelled("guess-mysql", "abuse", "credential-abuse", database_guesses(3306, MYSQL, MYSQL_NO), "one address guesses at MySQL, five times a second")
modelled("guess-postgres", "abuse", "credential-abuse", database_guesses(5432, b"", POSTGRES_NO), "one address guesses at PostgreSQL, five times a second", held=True)
modelled("guess-desktop", "abuse", "credential-abuse", database_guesses(5900, b"RFB 003.008\n", b"\0\0\0\x01\0\0\0\x16Authentication failure"), "one address guesses at VNC, five times a second", held=True)
