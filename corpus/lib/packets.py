"""Frames made by hand, and captures of them: for traffic that no packaged program sends."""
import gzip
import ipaddress
import struct

EPOCH = 1_790_000_000.0


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source, target, protocol, payload, ttl=57, ident=0, fragment=0):
    """An IPv4 or IPv6 packet; `fragment` is the 16-bit field of flags and offset (IPv4 only)."""
    source, target = address(source), address(target)
    if len(source) == 16:
        return struct.pack("!IHBB", 0x60000000, len(payload), protocol, ttl) + source + target + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident & 0xFFFF, fragment, ttl, protocol, 0)
    head += source + target
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source, target, sport, dport, payload, **options):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    pseudo = address(source) + address(target) + struct.pack("!BBH", 0, 17, 8 + len(payload))
    value = checksum(pseudo + head + payload) or 0xFFFF
    return ip(source, target, 17, head[:6] + struct.pack("!H", value) + payload, **options)


FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}


def tcp(source, target, sport, dport, flags, seq=0, ack=0, window=64240, tcp_options=b"", payload=b"", **options):
    bits = sum(FLAGS[letter] for letter in flags)
    padded = tcp_options + b"\0" * (-len(tcp_options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (20 + len(padded)) // 4 << 4, bits, window, 0, 0) + padded
    pseudo = address(source) + address(target) + struct.pack("!BBH", 0, 6, len(head) + len(payload))
    value = checksum(pseudo + head + payload)
    return ip(source, target, 6, head[:16] + struct.pack("!H", value) + head[18:] + payload, **options)


def icmp(source, target, kind, code, rest=b"", **options):
    body = struct.pack("!BBH", kind, code, 0) + rest
    return ip(source, target, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:], **options)


def fragments(source, target, protocol, payload, ident, mtu=1500, **options):
    """One IPv4 packet cut as a router of this MTU cuts it."""
    step = (mtu - 20) // 8 * 8
    for offset in range(0, len(payload), step):
        more = 0x2000 if offset + step < len(payload) else 0
        yield ip(source, target, protocol, payload[offset:offset + step], ident=ident,
                 fragment=more | offset // 8, **options)


def udp_whole(sport, dport, payload):
    """UDP header and payload, for `fragments`; the checksum is left out, which IPv4 allows."""
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def name(text):
    """A DNS name in wire form."""
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


ETHERNET, RAW = 1, 101


class Capture:
    """A pcap file under way; packets are given in any order and written by time."""

    def __init__(self, link=ETHERNET, snaplen=262144):
        self.link, self.snaplen, self.packets = link, snaplen, []

    def add(self, seconds, packet):
        self.packets.append((EPOCH + seconds, packet))

    def write(self, path):
        opener = gzip.open if str(path).endswith(".gz") else open
        with opener(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, self.snaplen, self.link))
            for when, packet in sorted(self.packets, key=lambda pair: pair[0]):
                frame = self._frame(packet)
                kept = frame[:self.snaplen]
                whole = int(when)
                out.write(struct.pack("<IIII", whole, int((when - whole) * 1e6), len(kept), len(frame)) + kept)

    def _frame(self, packet):
        if self.link == RAW:
            return packet
        kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        frame = b"\x52\x54\x00\x12\x34\x56\x52\x54\x00\x65\x43\x21" + struct.pack("!H", kind) + packet
        return frame.ljust(60, b"\0")


def public_address(rng):
    """An address as a host of the internet may have it."""
    while True:
        first = rng.choice((rng.randrange(1, 127), rng.randrange(128, 224)))
        if first not in (10, 127, 100, 172, 192, 198, 203):
            return f"{first}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
