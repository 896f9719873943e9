"""What a network hears and sends beside its own business: worms, telescopes, infected hosts, guesses at desktops."""
from lib import case
from lib.lab import SERVICE
from lib.packets import Capture, public_address, tcp, udp
from families.calm_models import web

OPTIONS = b"\x02\x04\x05\xb4\x04\x02"


def heard(name, label, causes, fill, held=False, note="", vectors=""):
    def build(work):
        capture = Capture()
        fill(work.rng, capture)
        capture.write(work.path("capture.pcap"))
        return ["capture.pcap"]
    case.add(f"wild-{name}", label, causes, build, vectors, note, held)


def telescope(rng, capture):
    """An unused /24: thousands of hosts of a worm knock on telnet of each address."""
    worms = [public_address(rng) for _ in range(2500)]
    for _ in range(6000):
        source, port = rng.choice(worms), rng.choice((23, 23, 23, 2323, 5555, 22, 8080, 445))
        capture.add(rng.uniform(0, 300), tcp(source, f"203.0.113.{rng.randrange(1, 255)}", rng.randrange(1024, 65536), port, "S", rng.getrandbits(32), tcp_options=OPTIONS, ttl=rng.randrange(40, 60)))


def backscatter(rng, capture):
    """Answers to a flood on others in whose packets our addresses were forged: SYN-ACKs and resets of one victim."""
    for _ in range(4000):
        capture.add(rng.uniform(0, 60), tcp("45.33.32.156", f"203.0.113.{rng.randrange(1, 255)}", 80, rng.randrange(1024, 65536), rng.choice(("SA", "SA", "RA")),
                                            rng.getrandbits(32), rng.getrandbits(32), tcp_options=b"\x02\x04\x05\xb4", ttl=50))


def infected(rng, capture):
    """One of our own hosts looks for telnet everywhere, amid the office's browsing."""
    for i in range(5):
        web(rng, capture, 0, 40, 0.7, f"192.168.1.{20 + i}")
    for _ in range(5000):
        at, target = rng.uniform(12, 40), public_address(rng)
        capture.add(at, tcp("192.168.1.66", target, 41000 + rng.randrange(4), rng.choice((23, 23, 2323)), "S", rng.getrandbits(32), tcp_options=OPTIONS, ttl=64))
        if rng.random() < 0.02:
            capture.add(at + 0.1, tcp(target, "192.168.1.66", 23, 41000, "RA", 0, 1, ttl=50))


def desktops(rng, capture):
    """Guesses at RDP: many short sessions of one source, each ends the same way."""
    for i in range(260):
        at, sport, seq, ack = i * 0.25 + rng.uniform(0, 0.1), rng.randrange(1024, 65536), rng.getrandbits(31), rng.getrandbits(31)
        client = "91.240.118.7"
        sizes = ((True, 47), (False, 19), (True, 200), (False, 1100), (True, 420), (False, 60), (True, 500), (False, 120))
        capture.add(at, tcp(client, SERVICE, sport, 3389, "S", seq, tcp_options=OPTIONS, ttl=118))
        capture.add(at + 0.0002, tcp(SERVICE, client, 3389, sport, "SA", ack, seq + 1, tcp_options=OPTIONS, ttl=128))
        seq, ack, t = seq + 1, ack + 1, at + 0.03
        capture.add(t, tcp(client, SERVICE, sport, 3389, "A", seq, ack, ttl=118))
        for outward, size in sizes:
            data = b"\x03\0" + size.to_bytes(2, "big") + rng.randbytes(size - 4)
            t += 0.03
            if outward:
                capture.add(t, tcp(client, SERVICE, sport, 3389, "PA", seq, ack, payload=data, ttl=118))
                seq += size
            else:
                capture.add(t, tcp(SERVICE, client, 3389, sport, "PA", ack, seq, payload=data, ttl=128))
                ack += size
        capture.add(t + 0.03, tcp(SERVICE, client, 3389, sport, "RA", ack, seq, ttl=128))


def sweep_slow(rng, capture):
    """One SYN a second and a half over a network, amid browsing."""
    for i in range(4):
        web(rng, capture, 0, 300, 0.25, f"203.0.113.{20 + i}")
    for i in range(200):
        capture.add(i * 1.5, tcp("91.240.118.7", f"203.0.113.{i + 1}", 54321, 3389, "S", 77, tcp_options=OPTIONS, ttl=240))


def sip_guesses(rng, capture):
    """REGISTER with one extension after the other."""
    for i in range(2500):
        at, tag = i * 0.02 + rng.uniform(0, 0.01), rng.randbytes(5).hex()
        head = f"Via: SIP/2.0/UDP 10.0.0.1:5071;branch=z9hG4bK-{tag};rport\r\nFrom: <sip:{100 + i % 900}@203.0.113.10>;tag={tag}\r\nTo: <sip:{100 + i % 900}@203.0.113.10>\r\nCall-ID: {tag}\r\nCSeq: 1 REGISTER\r\n"
        capture.add(at, udp("91.240.118.7", SERVICE, 5071, 5060, f"REGISTER sip:203.0.113.10 SIP/2.0\r\n{head}User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n".encode(), ttl=50))
        capture.add(at + 0.002, udp(SERVICE, "91.240.118.7", 5060, 5071, f"SIP/2.0 401 Unauthorized\r\n{head}WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"{tag}\"\r\nContent-Length: 0\r\n\r\n".encode(), ttl=64))


heard("telescope", "abuse", "scan", telescope, note="worms at an unused network", vectors="distributed")
heard("backscatter", "attack,abuse,normal,undecided", "tcp-reflection,scan,normal,undecided", backscatter, held=True, note="answers to a flood on somebody else")
heard("infected-host", "abuse", "scan", infected, note="our own host scans outwards")
heard("rdp-guesses", "abuse", "credential-abuse", desktops, held=True, note="four sessions a second")
heard("slow-sweep", "abuse", "scan", sweep_slow, held=True, note="one port of each address, slowly")
heard("sip-guesses", "abuse", "credential-abuse,scan", sip_guesses, note="extensions by the dozen")
