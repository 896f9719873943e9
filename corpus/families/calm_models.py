"""Captures without an attack, from models: calls, games, torrents, tunnels, QUIC, chatter of a LAN."""
import struct

from lib import case
from lib.lab import SERVICE
from lib.packets import Capture, RAW, ip, public_address, tcp, udp


def calm(name, held=False, note="", link=1, snaplen=262144, label="normal", causes="normal"):
    def register(fill):
        def build(work):
            capture = Capture(link, snaplen)
            fill(work.rng, capture)
            file = "capture.pcap.gz" if work.rng.random() < 0.2 else "capture.pcap"
            capture.write(work.path(file))
            return [file]
        case.add(f"calm-{name}", label, causes, build, note=note, held=held)
        return fill
    return register


def stream(rng, capture, begin, seconds, source, target, sport, dport, gap, size, head=b"", jitter=0.15):
    """One way of a steady flow of datagrams."""
    at, number = begin, rng.randrange(60000)
    while at < begin + seconds:
        at += gap * rng.uniform(1 - jitter, 1 + jitter)
        number += 1
        length = max(20, int(rng.gauss(size, size * 0.15)))
        capture.add(at, udp(source, target, sport, dport, head + struct.pack("!H", number & 0xFFFF) + rng.randbytes(min(1300, length)), ttl=58))


def rtp_call(rng, capture, begin, seconds, client, server, loud):
    """Voice and video both ways, over one pair of ports."""
    sport, dport = rng.randrange(40000, 60000), rng.choice((3478, 8801, 19305, rng.randrange(10000, 20000)))
    stream(rng, capture, begin, seconds, client, server, sport, dport, 0.02, 120, b"\x80\x6f")
    stream(rng, capture, begin, seconds, server, client, dport, sport, 0.02, 120, b"\x80\x6f")
    video = 0.0025 if loud else 0.009
    stream(rng, capture, begin, seconds, server, client, dport, sport, video, 1050, b"\x80\x60")
    stream(rng, capture, begin, seconds, client, server, sport, dport, video * 2, 1000, b"\x80\x60")


@calm("call-quiet", note="one call with video")
def call_quiet(rng, capture):
    rtp_call(rng, capture, 0, 25, "192.168.1.20", "52.112.9.9", False)


@calm("call-loud", held=True, note="a conference in high definition, full rate from the first packet")
def call_loud(rng, capture):
    for i in range(4):
        rtp_call(rng, capture, i * 0.5, 14, "192.168.1.20", f"52.112.9.{i + 4}", True)


@calm("call-starts", note="quiet network, then three loud calls begin")
def call_starts(rng, capture):
    web(rng, capture, 0, 40, 2)
    for i in range(3):
        rtp_call(rng, capture, 20, 18, f"192.168.1.{20 + i}", "52.112.9.9", True)


@calm("call-in-only", held=True, note="a call, only what comes in", snaplen=96)
def call_in(rng, capture):
    stream(rng, capture, 0, 12, "142.250.82.9", "192.168.1.20", 19305, 50211, 0.0022, 1100, b"\x90\x60")


def web(rng, capture, begin, seconds, per_second, host="192.168.1.20"):
    """TLS-like exchanges of TCP with whole handshakes and ends."""
    at = begin
    while at < begin + seconds:
        at += rng.expovariate(per_second)
        server, port, seq, ack, t = public_address(rng), rng.randrange(1024, 65536), rng.getrandbits(31), rng.getrandbits(31), at
        rtt = rng.uniform(0.008, 0.12)

        def out(flags, data=b"", **options):
            capture.add(t, tcp(host, server, port, 443, flags, seq, ack if "A" in flags else 0, payload=data, ttl=64, **options))

        def back(flags, data=b"", **options):
            capture.add(t, tcp(server, host, 443, port, flags, ack, seq, payload=data, ttl=55, **options))
        out("S", tcp_options=b"\x02\x04\x05\xb4\x01\x03\x03\x08")
        seq += 1
        t += rtt
        back("SA", tcp_options=b"\x02\x04\x05\xb4\x01\x03\x03\x07")
        ack += 1
        out("A")
        for _ in range(rng.randrange(1, 5)):
            data = b"\x17\x03\x03" + rng.randbytes(rng.randrange(200, 600))
            out("PA", data)
            seq += len(data)
            t += rtt
            for _ in range(rng.randrange(1, 14)):
                data = b"\x17\x03\x03" + rng.randbytes(1400)
                back("A", data)
                ack += len(data)
                t += 0.0003
                out("A")
            t += rng.expovariate(2)
        out("FA")
        seq += 1
        t += rtt
        back("FA")
        ack += 1
        out("A")


@calm("web-office", note="an office browses")
def web_office(rng, capture):
    for i in range(12):
        web(rng, capture, 0, 40, 0.8, f"192.168.1.{20 + i}")


@calm("web-nat", held=True, note="an office behind one public address", link=RAW)
def web_nat(rng, capture):
    web(rng, capture, 0, 30, 14, "198.51.100.7")


@calm("quic", note="a film over QUIC: fast UDP from port 443 of one server")
def quic(rng, capture):
    stream(rng, capture, 0, 12, "142.250.180.14", "192.168.1.20", 443, 51111, 0.0011, 1240, b"\x40")
    stream(rng, capture, 0, 12, "192.168.1.20", "142.250.180.14", 51111, 443, 0.02, 60, b"\x41")


@calm("quic-burst-in", held=True, note="page loads over QUIC from many servers, only what comes in")
def quic_burst(rng, capture):
    for _ in range(60):
        begin = rng.uniform(0, 20)
        stream(rng, capture, begin, rng.uniform(0.1, 0.6), public_address(rng), "192.168.1.20", 443, rng.randrange(49152, 65535), 0.0008, 1240, b"\x40")


@calm("wireguard", note="a download in a WireGuard tunnel")
def wireguard(rng, capture):
    stream(rng, capture, 0, 10, "84.17.9.3", "192.168.1.20", 51820, 51820, 0.0009, 1280, b"\x04\0\0\0")
    stream(rng, capture, 0, 10, "192.168.1.20", "84.17.9.3", 51820, 51820, 0.004, 90, b"\x04\0\0\0")


@calm("wireguard-server", held=True, note="forty people in a tunnel server")
def wireguard_server(rng, capture):
    for _ in range(40):
        client, port, gap = public_address(rng), rng.randrange(1024, 65536), rng.uniform(0.01, 0.06)
        stream(rng, capture, rng.uniform(0, 3), 10, client, SERVICE, port, 51820, gap * 2, 200, b"\x04\0\0\0")
        stream(rng, capture, rng.uniform(0, 3), 10, SERVICE, client, 51820, port, gap, 900, b"\x04\0\0\0")


@calm("torrent", note="a torrent client: hundreds of peers over UDP, and its DHT")
def torrent(rng, capture):
    for _ in range(220):
        peer, port = public_address(rng), rng.randrange(1024, 65536)
        begin = rng.uniform(0, 20)
        capture.add(begin, udp("192.168.1.20", peer, 51413, port, b"d1:ad2:id20:" + rng.randbytes(20) + b"6:target20:" + rng.randbytes(20) + b"e1:q9:find_node1:t2:aa1:y1:qe"))
        capture.add(begin + 0.1, udp(peer, "192.168.1.20", port, 51413, b"d1:rd2:id20:" + rng.randbytes(20) + b"5:nodes208:" + rng.randbytes(208) + b"e1:t2:aa1:y1:re", ttl=110))
    for _ in range(45):
        peer, port, begin = public_address(rng), rng.randrange(1024, 65536), rng.uniform(0, 10)
        stream(rng, capture, begin, 10, peer, "192.168.1.20", port, 51413, 0.02, 1300, b"\x01\0")
        stream(rng, capture, begin, 10, "192.168.1.20", peer, 51413, port, 0.04, 20, b"\x21\0")


@calm("torrent-scrape", held=True, note="a busy seed: peers come and go, half of them answer", snaplen=128)
def torrent_seed(rng, capture):
    for _ in range(900):
        peer, port, at = public_address(rng), rng.randrange(1024, 65536), rng.uniform(0, 40)
        capture.add(at, udp(peer, SERVICE, port, 6881, b"A\0" + rng.randbytes(18), ttl=110))
        if rng.random() < 0.7:
            capture.add(at + 0.001, udp(SERVICE, peer, 6881, port, b"!\0" + rng.randbytes(18)))
            stream(rng, capture, at + 0.05, rng.uniform(0.2, 3), SERVICE, peer, 6881, port, 0.03, 1200, b"\x01\0")
            stream(rng, capture, at + 0.05, rng.uniform(0.2, 3), peer, SERVICE, port, 6881, 0.06, 24, b"\x21\0")


@calm("game-server", note="sixty players on a game server")
def game(rng, capture):
    for _ in range(60):
        player, port, begin = public_address(rng), rng.randrange(1024, 65536), rng.uniform(0, 6)
        stream(rng, capture, begin, 12, player, SERVICE, port, 27015, 0.033, 60)
        stream(rng, capture, begin, 12, SERVICE, player, 27015, port, 0.033, 210)


@calm("game-server-in", held=True, note="a game server fills after an update, only what comes in")
def game_in(rng, capture):
    for i in range(120):
        stream(rng, capture, min(14, rng.expovariate(0.25)), 8, public_address(rng), SERVICE, rng.randrange(1024, 65536), 27015, 0.04, 70)


@calm("lan-chatter", note="mDNS, SSDP, DHCP, NetBIOS of a LAN")
def chatter(rng, capture):
    for i in range(40):
        host = f"192.168.1.{10 + i}"
        for _ in range(rng.randrange(4, 20)):
            capture.add(rng.uniform(0, 60), udp(host, "224.0.0.251", 5353, 5353, b"\0\0\0\0\0\x01\0\0\0\0\0\0\x0b_googlecast\x04_tcp\x05local\0\0\x0c\0\x01", ttl=255))
            capture.add(rng.uniform(0, 60), udp(host, "239.255.255.250", rng.randrange(49152, 65535), 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n", ttl=4))
            capture.add(rng.uniform(0, 60), udp(host, "192.168.1.255", 137, 137, rng.randbytes(2) + b"\x01\x10\0\x01\0\0\0\0\0\0\x20FHEPFCELEHFCEPFFFACACACACACACABO\0\0\x20\0\x01"))


@calm("ssdp-answers", held=True, note="one search and the answers of a house full of devices")
def ssdp_answers(rng, capture):
    for burst in range(6):
        at, port = burst * 8 + rng.random(), rng.randrange(49152, 65535)
        capture.add(at, udp("192.168.1.20", "239.255.255.250", port, 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n", ttl=4))
        for i in range(14):
            for _ in range(12):
                capture.add(at + rng.uniform(0.05, 2), udp(f"192.168.1.{100 + i}", "192.168.1.20", 1900, port, b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\n" + rng.randbytes(150).hex().encode()))


@calm("dhcp", note="a school starts its computers")
def dhcp(rng, capture):
    for i in range(150):
        at, mac = rng.uniform(0, 60), rng.randbytes(6)
        for step, kind in enumerate((1, 2, 3, 5)):
            body = struct.pack("!BBBB", 1 if kind in (1, 3) else 2, 1, 6, 0) + mac[:4] + bytes(20) + mac + bytes(202) + b"\x63\x82\x53\x63\x35\x01" + bytes([kind]) + b"\xff"
            one = udp("0.0.0.0", "255.255.255.255", 68, 67, body) if kind in (1, 3) else udp("192.168.1.1", f"192.168.1.{20 + i}", 67, 68, body)
            capture.add(at + step * 0.02, one)


@calm("ntp-server", note="a public time server: thousands of clients, one question each")
def ntp(rng, capture):
    for _ in range(7000):
        at, client, port = rng.uniform(0, 30), public_address(rng), rng.choice((123, rng.randrange(1024, 65536)))
        capture.add(at, udp(client, SERVICE, port, 123, b"\x23\0\x06\xec" + bytes(36) + rng.randbytes(8), ttl=rng.randrange(40, 60)))
        capture.add(at + 1e-4, udp(SERVICE, client, 123, port, b"\x24\x02\x06\xe8" + rng.randbytes(44)))


@calm("dns-server-in", held=True, note="an authoritative server, only what comes in")
def dns_in(rng, capture):
    pool = [public_address(rng) for _ in range(1500)]
    for _ in range(6000):
        host = rng.choice(("www", "mail", "api", "img1", "img2", "ns1", "cdn"))
        body = rng.randbytes(2) + b"\0\x10\0\x01\0\0\0\0\0\x01" + bytes([len(host)]) + host.encode() + b"\x07example\x03org\0" + rng.choice((b"\0\x01", b"\0\x1c")) + b"\0\x01\0\0\x29\x10\0\0\0\x80\0\0\0"
        capture.add(rng.uniform(0, 60), udp(rng.choice(pool), SERVICE, rng.randrange(1024, 65536), 53, body, ttl=rng.randrange(40, 60)))


@calm("stock-ticks", held=True, note="multicast of an exchange: thousands of small datagrams a second")
def ticks(rng, capture):
    for group in range(4):
        stream(rng, capture, 0, 5, "10.20.0.5", f"233.54.12.{group + 1}", 20000, 26400 + group, 0.0018, 240)


@calm("gre-tunnel", note="an office over GRE")
def gre(rng, capture):
    inside = Capture(RAW)
    web(rng, inside, 0, 20, 6)
    for at, packet in inside.packets:
        capture.packets.append((at, ip("198.51.100.1", "203.0.113.1", 47, b"\0\0\x08\0" + packet)))
