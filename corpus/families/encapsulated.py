"""The same floods and calm traffic in other wrappings: VLAN, QinQ, PPPoE, MPLS, cooked, loopback, GRE, VXLAN; other file forms."""
import struct

from lib import case
from lib.lab import SERVICE
from lib.packets import EPOCH, fragments, ip, public_address, tcp, udp, udp_whole
from families.amplification import ntp_monlist
from families.calm_models import web
from lib.packets import Capture

MAC = b"\x52\x54\x00\x12\x34\x56\x52\x54\x00\x65\x43\x21"
OUTER = ("198.51.100.1", "198.51.100.2")


def vxlan(packet):
    inner = MAC + b"\x08\0" + packet
    return MAC + b"\x08\0" + udp(*OUTER, 50000, 4789, b"\x08\0\0\0\0\0\x2a\0" + inner)


# Name: link type, frame of a packet.
WRAPS = {
    "vlan": (1, lambda p: MAC + b"\x81\0\0\x0a\x08\0" + p), "qinq": (1, lambda p: MAC + b"\x88\xa8\0\x64\x81\0\0\x0a\x08\0" + p),
    "pppoe": (1, lambda p: MAC + b"\x88\x64\x11\0\0\x01" + struct.pack("!H", len(p) + 2) + b"\0\x21" + p),
    "mpls": (1, lambda p: MAC + b"\x88\x47\0\x01\x01\x40" + p),
    "sll": (113, lambda p: b"\0\0\0\x01\0\x06" + MAC[6:] + b"\0\0\x08\0" + p),
    "sll2": (276, lambda p: b"\x08\0\0\0\0\0\0\x02\0\x01\0\x06" + MAC[6:] + b"\0\0" + p),
    "loop": (0, lambda p: b"\x02\0\0\0" + p), "gre": (1, lambda p: MAC + b"\x08\0" + ip(*OUTER, 47, b"\0\0\x08\0" + p)),
    "ipip": (101, lambda p: ip(*OUTER, 4, p)), "vxlan": (1, vxlan),
}


def syns(rng):
    for _ in range(5000):
        yield rng.uniform(0, 3), tcp(public_address(rng), SERVICE, rng.randrange(1024, 65536), 443, "S", rng.getrandbits(32), tcp_options=b"\x02\x04\x05\xb4", ttl=rng.randrange(40, 120))


def answers(rng):
    servers = [public_address(rng) for _ in range(300)]
    for _ in range(4000):
        at = rng.uniform(0, 2)
        for piece in fragments(rng.choice(servers), SERVICE, 17, udp_whole(123, 80, ntp_monlist(rng)), 7, ttl=50):
            yield at, piece


def office(rng):
    capture = Capture()
    for i in range(6):
        web(rng, capture, 0, 20, 1.0, f"192.168.1.{20 + i}")
    return [(at - EPOCH, packet) for at, packet in capture.packets]


TRAFFIC = {"syn": (syns, "attack", "syn-flood", "spoofed"), "ntp": (answers, "attack", "amplification", "ntp"), "office": (office, "normal", "normal", "")}


def write(path, link, frames, form):
    """`form`: little, big, nano; the order of bytes and the unit of fractions."""
    order, unit = (">" if form == "big" else "<"), (1e9 if form == "nano" else 1e6)
    magic = 0xA1B23C4D if form == "nano" else 0xA1B2C3D4
    with open(path, "wb") as out:
        out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link))
        for at, frame in sorted(frames, key=lambda pair: pair[0]):
            when = EPOCH + at
            out.write(struct.pack(order + "IIII", int(when), int(when % 1 * unit), len(frame), len(frame)) + frame)


def register():
    forms = ("little", "big", "nano")
    for i, (wrap, (link, frame)) in enumerate(WRAPS.items()):
        for j, (traffic, (make, label, causes, vectors)) in enumerate(TRAFFIC.items()):
            def build(work, link=link, frame=frame, make=make, form=forms[(i + j) % 3]):
                write(work.path("capture.pcap"), link, [(at, frame(packet)) for at, packet in make(work.rng)], form)
                return ["capture.pcap"]
            case.add(f"wrap-{wrap}-{traffic}", label, causes, build, vectors, note=f"link type {link}, {forms[(i + j) % 3]}", held=(i + j) % 2 == 0)


register()
