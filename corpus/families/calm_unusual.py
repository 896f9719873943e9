"""Captures without an attack of less usual kinds: one direction of loud streams, backups, storms of retries, collectors, file servers."""
import struct

from lib import case
from lib.packets import Capture, RAW, ETHERNET, fragments, icmp, ip, name, public_address, tcp, udp, udp_whole
from families.calm_machines import conversation
from families.calm_models import stream, web

HOST = "192.168.1.20"


def talk(rng, capture, begin, client, server, sport, dport, words, **options):
    """A TCP connection whose words follow one another at once."""
    conversation(rng, capture, begin, client, server, sport, dport, [(0.02, *word) for word in words], **options)


def peaceful(title, label="normal", causes="normal", link=ETHERNET, snaplen=262144):
    def register(fill):
        def build(work):
            capture = Capture(link, snaplen)
            fill(work.rng, capture)
            capture.write(work.path("capture.pcap"))
            return ["capture.pcap"]
        case.add(f"usual-{title}", label, causes, build, note=fill.__doc__.strip())
        return fill
    return register


def bulk(rng, capture, begin, seconds, rate, source, target, sport, dport, acks=True, data=True, size=1400):
    """One way of a connection under way, with or without what comes back."""
    at, seq, ack = begin, rng.getrandbits(31), rng.getrandbits(31)
    while at < begin + seconds:
        at += rng.expovariate(rate)
        if data:
            capture.add(at, tcp(source, target, sport, dport, "A", seq, ack, payload=rng.randbytes(size), ttl=57))
        seq += size
        if acks and rng.random() < 0.5:
            capture.add(at + 2e-4, tcp(target, source, dport, sport, "A", ack, seq, ttl=64))


@peaceful("video-peer-in", snaplen=128)
def video_peer(rng, capture):
    """A loud call between two homes, only what comes in."""
    stream(rng, capture, 0, 12, "84.3.2.1", HOST, 51234, 60111, 0.02, 120, b"\x80\x6f")
    stream(rng, capture, 0, 12, "84.3.2.1", HOST, 51234, 60111, 0.002, 1100, b"\x80\x60")


@peaceful("conference-in", snaplen=96)
def conference(rng, capture):
    """A server of conferences receives sound and pictures of 120 people, only what comes in."""
    for _ in range(120):
        peer, port = public_address(rng), rng.randrange(1024, 65536)
        stream(rng, capture, rng.uniform(0, 3), 9, peer, "203.0.113.40", port, 10000, 0.02, 110, b"\x80\x6f")
        stream(rng, capture, rng.uniform(0, 3), 9, peer, "203.0.113.40", port, 10000, 0.02, 900, b"\x80\x60")


@peaceful("page-burst")
def page_burst(rng, capture):
    """One page opens ninety connections to thirty servers within a quarter of a second."""
    for n in range(90):
        words = [(True, b"\x16\x03\x01\x02\0\x01" + rng.randbytes(510)), (False, b"\x16\x03\x03\0\x7a\x02" + rng.randbytes(2800)), (True, b"\x14\x03\x03\0\x01\x01\x17\x03\x03" + rng.randbytes(300)), (False, b"\x17\x03\x03" + rng.randbytes(9000))]
        talk(rng, capture, rng.uniform(0, 0.25), HOST, f"151.101.{n % 30}.{n % 7 + 1}", 50000 + n, 443, words, rtt=0.03)


@peaceful("speed-test-under-way", snaplen=64, link=RAW)
def speed_test(rng, capture):
    """Sixteen downloads at full speed; the capture begins in their midst and holds three seconds."""
    for n in range(16):
        bulk(rng, capture, 0, 3, 700, "185.9.9.9", HOST, 8080, 52000 + n)


@peaceful("speed-test-acks", snaplen=64)
def speed_acks(rng, capture):
    """The same, only what goes out: bare acknowledgements."""
    for n in range(16):
        bulk(rng, capture, 0, 3, 1200, "185.9.9.9", HOST, 8080, 52000 + n, data=False)


@peaceful("torrent-table")
def torrent_table(rng, capture):
    """A node of the table of torrents asks thousands of peers, of which half are gone."""
    for n in range(6000):
        at, peer, port = rng.uniform(0, 60), public_address(rng), rng.randrange(1024, 65536)
        capture.add(at, udp(HOST, peer, 51413, port, b"d1:ad2:id20:" + rng.randbytes(20) + b"6:target20:" + rng.randbytes(20) + b"e1:q9:find_node1:t2:aa1:y1:qe"))
        if rng.random() < 0.5:
            capture.add(at + 0.08, udp(peer, HOST, port, 51413, b"d1:rd2:id20:" + rng.randbytes(20) + b"5:nodes208:" + rng.randbytes(208) + b"e1:t2:aa1:y1:re", ttl=110))


@peaceful("lan-noise")
def lan_noise(rng, capture):
    """Four hundred hosts of a LAN announce themselves: mDNS, SSDP, NetBIOS, LLMNR, DHCP, IGMP."""
    hosts = [f"10.20.{rng.randrange(4)}.{rng.randrange(1, 255)}" for _ in range(400)]
    for _ in range(9000):
        at, host = rng.uniform(0, 60), rng.choice(hosts)
        kind = rng.randrange(6)
        if kind == 0:
            capture.add(at, udp(host, "224.0.0.251", 5353, 5353, bytes(4) + b"\0\1\0\0\0\0\0\0" + name("_airplay._tcp.local") + b"\0\x0c\0\1", ttl=255))
        elif kind == 1:
            capture.add(at, udp(host, "239.255.255.250", rng.randrange(49152, 65536), 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\nST: ssdp:all\r\n\r\n", ttl=4))
        elif kind == 2:
            capture.add(at, udp(host, "10.20.3.255", 137, 137, rng.randbytes(2) + b"\x29\x10\0\1\0\0\0\0\0\1\x20" + b"FHFAEBEECNFGDBFAEOCACACACACACAAA" + b"\0\0\x20\0\1", ttl=128))
        elif kind == 3:
            capture.add(at, udp(host, "224.0.0.252", rng.randrange(49152, 65536), 5355, rng.randbytes(2) + b"\0\0\0\1\0\0\0\0\0\0" + name("wpad") + b"\0\1\0\1", ttl=1))
        elif kind == 4:
            capture.add(at, ip(host, "224.0.0.22", 2, b"\x22\0\xf9\x02\0\0\0\1\4\0\0\0\xef\xff\xff\xfa", ttl=1))
        else:
            capture.add(at, udp(host, "255.255.255.255", 17500, 17500, b'{"host_int": 1234, "version": [2, 0], "displayname": "", "port": 17500}'))


@peaceful("server-gone", "fault,normal", "network-fault,slow-backend,load-balancer-fault,misconfiguration,normal")
def server_gone(rng, capture):
    """A server stops; its clients open again and again, a second, three and seven later."""
    for _ in range(150):
        client, begin = public_address(rng), rng.uniform(0, 20)
        talk(rng, capture, begin, client, "203.0.113.80", rng.randrange(1024, 65536), 443, [(True, b"\x17\x03\x03" + rng.randbytes(400)), (False, b"\x17\x03\x03" + rng.randbytes(5000))])
    for _ in range(250):
        client, begin, port, seq = public_address(rng), rng.uniform(21, 50), rng.randrange(1024, 65536), rng.getrandbits(32)
        for later in (0, 1, 3, 7):
            capture.add(begin + later, tcp(client, "203.0.113.80", port, 443, "S", seq, tcp_options=b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x07", ttl=rng.choice((50, 113))))


@peaceful("resolver-out", snaplen=128)
def resolver_out(rng, capture):
    """A busy resolver asks the world, only what goes out."""
    for _ in range(9000):
        question = rng.randbytes(2) + b"\0\x10\0\1\0\0\0\0\0\1" + name(f"{rng.choice(('www', 'mail', 'ns1', 'api'))}.{rng.choice('abcdefghijklmnop')}{rng.randrange(2000)}.example") + b"\0\1\0\1\0\0\x29\x04\xd0\0\0\x80\0\0\0"
        capture.add(rng.uniform(0, 20), udp("203.0.113.53", public_address(rng), rng.randrange(1024, 65536), 53, question, ttl=64))


@peaceful("collector")
def collector(rng, capture):
    """Three hundred devices report to a collector: syslog, counters, flows, traps."""
    devices = [f"10.{rng.randrange(8)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(300)]
    for _ in range(20000):
        at, device = rng.uniform(0, 15), rng.choice(devices)
        port, body = rng.choice(((514, b"<134>Sep 21 14:13:20 sw1 %LINK-3-UPDOWN: Interface Gi0/1, changed state to up"), (8125, b"api.requests:1|c\napi.time:320|ms"), (9995, b"\0\x09\0\x14" + rng.randbytes(1300)), (162, b"\x30\x82\1\2\2\1\1\4\6public\xa7" + rng.randbytes(240))))
        sport = rng.randrange(1024, 65536) if port == 8125 else 40000 + int(device.split(".")[3])
        capture.add(at, udp(device, "10.0.0.5", sport, port, body, ttl=62))


@peaceful("iptv-unicast", snaplen=200)
def iptv(rng, capture):
    """Television over RTP to one box, only what comes in."""
    stream(rng, capture, 0, 8, "195.70.1.9", HOST, 5000, 5000, 0.0011, 1316, b"\x80\x21")


@peaceful("backup-under-way", snaplen=96)
def backup(rng, capture):
    """A disk is copied over the network; the capture holds four seconds of one direction."""
    bulk(rng, capture, 0, 4, 6000, "10.0.0.7", "10.0.0.8", 49152, 3260, acks=False)


@peaceful("health-half-open")
def health_half(rng, capture):
    """A balancer looks at twelve servers three times a second: it opens, and resets before it completes."""
    for n in range(12):
        at = rng.uniform(0, 0.3)
        while at < 40:
            port, seq = rng.randrange(1024, 65536), rng.getrandbits(32)
            capture.add(at, tcp("10.0.0.2", f"10.0.1.{n + 1}", port, 8080, "S", seq, tcp_options=b"\x02\x04\x05\xb4"))
            capture.add(at + 2e-4, tcp(f"10.0.1.{n + 1}", "10.0.0.2", 8080, port, "SA", 5, seq + 1))
            capture.add(at + 3e-4, tcp("10.0.0.2", f"10.0.1.{n + 1}", port, 8080, "R", seq + 1, 0, window=0))
            at += 0.33


@peaceful("ping-monitor-losses")
def ping_losses(rng, capture):
    """A monitor pings four hundred hosts each ten seconds, of which a tenth is down."""
    for n in range(400):
        down = n % 10 == 3
        for turn in range(6):
            at, target = turn * 10 + n * 0.02, f"10.{n % 9}.{n // 9}.7"
            for again in range(3 if down else 1):
                rest = struct.pack("!HH", 77, turn) + bytes(56)
                capture.add(at + again, icmp("10.0.0.9", target, 8, 0, rest))
                if not down:
                    capture.add(at + 0.02, icmp(target, "10.0.0.9", 0, 0, rest, ttl=60))


@peaceful("mqtt-reconnect", "normal,demand,fault", "normal,flash-crowd,client-fault,network-fault,slow-backend")
def mqtt(rng, capture):
    """Eight hundred sensors come back to their broker, which was restarted."""
    for n in range(800):
        words = [(True, b"\x10\x1e\0\4MQTT\4\2\0\x3c\0\x12sensor-" + f"{n:011d}".encode()), (False, b"\x20\2\0\0"), (True, b"\x30\x20\0\6temp/1" + rng.randbytes(24)), (True, b"\xc0\0"), (False, b"\xd0\0")]
        talk(rng, capture, 10 + rng.expovariate(0.4), public_address(rng), "203.0.113.80", rng.randrange(1024, 65536), 1883, words, ends=False)


@peaceful("coap-notices")
def coap(rng, capture):
    """Six hundred sensors send notices that were asked for yesterday (RFC 7641)."""
    sensors = [f"10.{rng.randrange(30)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(600)]
    for _ in range(3000):
        at, sensor = rng.uniform(0, 60), rng.choice(sensors)
        capture.add(at, udp(sensor, "10.0.0.5", 5683, 49500, b"\x54\x45" + rng.randbytes(6) + b"\x61" + rng.randbytes(1) + b"\xff{\"t\":" + str(rng.randrange(30)).encode() + b"}", ttl=62))


@peaceful("nfs-over-udp")
def nfs(rng, capture):
    """Files of a server by NFS over UDP, in fragments."""
    for n in range(1200):
        at, call = n * 0.012, rng.randbytes(4)
        capture.add(at, udp("10.0.0.21", "10.0.0.5", 812, 2049, call + bytes(3) + b"\0\0\0\0\2\0\1\x86\xa3\0\0\0\3\0\0\0\6" + rng.randbytes(100)))
        for i, piece in enumerate(fragments("10.0.0.5", "10.0.0.21", 17, udp_whole(2049, 812, call + b"\0\0\0\1" + rng.randbytes(8192)), n)):
            capture.add(at + 1e-3 + i * 1e-5, piece)


@peaceful("studio-fragments", snaplen=128)
def studio(rng, capture):
    """A camera of a studio sends large datagrams in fragments, only what comes in."""
    for n in range(1500):
        for i, piece in enumerate(fragments("10.5.0.9", "10.5.0.20", 17, udp_whole(50004, 50020, b"\x80\x60" + rng.randbytes(8000)), n)):
            capture.add(n * 0.004 + i * 1e-5, piece)


@peaceful("netboot")
def netboot(rng, capture):
    """Forty machines start from the network: DHCP, TFTP."""
    for n in range(40):
        begin, host, sport, far = rng.uniform(0, 10), f"10.9.0.{n + 10}", rng.randrange(1024, 65536), rng.randrange(1024, 65536)
        mac = bytes([2, 0, 0, 0, 0, n])
        capture.add(begin, udp("0.0.0.0", "255.255.255.255", 68, 67, b"\1\1\6\0" + rng.randbytes(4) + bytes(20) + mac + bytes(202) + b"\x63\x82\x53\x63\x35\1\1\xff"))
        capture.add(begin + 0.5, udp(host, "10.9.0.1", sport, 69, b"\0\1pxelinux.0\0octet\0"))
        for block in range(1, 120):
            capture.add(begin + 0.5 + block * 2e-3, udp("10.9.0.1", host, far, sport, b"\0\3" + struct.pack("!H", block) + rng.randbytes(1400)))
            capture.add(begin + 0.501 + block * 2e-3, udp(host, "10.9.0.1", sport, far, b"\0\4" + struct.pack("!H", block)))


@peaceful("voice-rooms")
def voice(rng, capture):
    """Thirty players talk by a voice server, both ways."""
    for _ in range(30):
        peer, port, begin = public_address(rng), rng.randrange(1024, 65536), rng.uniform(0, 5)
        stream(rng, capture, begin, 10, peer, "203.0.113.40", port, 9987, 0.02, 90, b"\0\1")
        stream(rng, capture, begin, 10, "203.0.113.40", peer, 9987, port, 0.006, 95, b"\0\2")


@peaceful("carrier-nat", snaplen=80, link=RAW)
def carrier(rng, capture):
    """A network's exit: thousands of connections of many kinds behind one address."""
    for n in range(6):
        web(rng, capture, 0, 12, 30, "100.64.0.9")


@peaceful("ipv6-office")
def office6(rng, capture):
    """Machines of an office speak IPv6: neighbours, name lookups, pages."""
    for n in range(40):
        client = f"2001:db8:5::{n + 16:x}"
        for _ in range(12):
            at = rng.uniform(0, 40)
            question = rng.randbytes(2) + b"\1\0\0\1\0\0\0\0\0\0" + name(f"www{rng.randrange(50)}.example.com") + b"\0\x1c\0\1"
            port = rng.randrange(1024, 65536)
            capture.add(at, udp(client, "2001:db8:5::1", port, 53, question))
            capture.add(at + 0.01, udp("2001:db8:5::1", client, 53, port, question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + b"\xc0\x0c\0\x1c\0\1\0\0\1\x2c\0\x10" + rng.randbytes(16)))
            talk(rng, capture, at + 0.02, client, f"2606:4700::{rng.randrange(1, 999):x}", rng.randrange(1024, 65536), 443, [(True, b"\x17\x03\x03" + rng.randbytes(500)), (False, b"\x17\x03\x03" + rng.randbytes(6000))])
