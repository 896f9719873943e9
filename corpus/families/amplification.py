"""Reflected answers arriving at a victim, by protocol and vantage, and the same services used honestly."""
import struct

from lib import case
from lib.packets import Capture, RAW, ETHERNET, fragments, icmp, name, public_address, udp, udp_whole

VICTIM = "203.0.113.77"


def dns_any(rng, domain="example.gov"):
    """An answer to ANY with many records: keys, text, addresses."""
    answers = b""
    count = rng.randrange(10, 22)
    for i in range(count):
        kind, data = ((16, b"\xff" + rng.randbytes(255)), (48, rng.randbytes(132)), (46, rng.randbytes(158)),
                      (1, rng.randbytes(4)))[i % 4]
        answers += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 3600, len(data)) + data
    return (struct.pack("!HHHHHH", rng.randrange(65536), 0x8180, 1, count, 0, 1) + name(domain)
            + struct.pack("!HH", 255, 1) + answers + b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0))


def ntp_monlist(rng):
    items = b"".join(rng.randbytes(8) + bytes(8) + rng.randbytes(4) + bytes(52) for _ in range(6))
    return struct.pack("!BBBBHH", 0xD7, rng.randrange(0x80), 3, 0x2A, 6, 72) + items


def ntp_readvar(rng):
    text = (b'version="ntpd 4.2.6p5@1.2349-o Mon Jan 25 14:25:13 UTC 2016 (1)",processor="x86_64",system="Linux/3.10.0",'
            b'leap=0,stratum=3,precision=-23,rootdelay=12.203,rootdisp=48.1,refid=10.1.1.1,reftime=0x%s,clock=0x%s'
            % (rng.randbytes(8).hex().encode(), rng.randbytes(8).hex().encode()))
    return struct.pack("!BBHHHHH", 0x16, 0x82, 1, 0, 0, 0, len(text)) + text


def snmp_bulk(rng):
    """GetResponse of a GetBulk: a large sequence of variables (lengths in BER long form)."""
    items = b""
    for i in range(rng.randrange(20, 40)):
        oid = b"\x2b\x06\x01\x02\x01\x02\x02\x01" + bytes([1 + i % 20, 1 + i % 60])
        value = b"\x04\x16" + rng.randbytes(22)
        inner = b"\x06" + bytes([len(oid)]) + oid + value
        items += b"\x30" + bytes([len(inner)]) + inner
    pdu = b"\x02\x04" + rng.randbytes(4) + b"\x02\x01\0\x02\x01\0\x30\x82" + struct.pack("!H", len(items)) + items
    body = b"\x02\x01\x01\x04\x06public\xa2\x82" + struct.pack("!H", len(pdu)) + pdu
    return b"\x30\x82" + struct.pack("!H", len(body)) + body


def ssdp(rng):
    target = rng.choice(("upnp:rootdevice", "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
                         "urn:schemas-upnp-org:service:WANIPConnection:1", "uuid:%s" % rng.randbytes(8).hex()))
    return (f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {target}\r\nUSN: uuid:{rng.randbytes(16).hex()}::"
            f"{target}\r\nEXT:\r\nSERVER: Linux/3.14 UPnP/1.0 MiniUPnPd/1.9\r\nLOCATION: http://192.168.1.1:"
            f"{rng.randrange(1024, 60000)}/rootDesc.xml\r\nOPT: \"http://schemas.upnp.org/upnp/1/0/\"; ns=01\r\n\r\n").encode()


def cldap(rng):
    text = b"".join(b"\x30\x22\x04\x10" + rng.choice((b"currentTime     ", b"dnsHostName     ", b"supportedControl"))
                    + b"1\x0c\x04\x0a" + rng.randbytes(10) for _ in range(rng.randrange(50, 80)))
    body = b"\x02\x01\x07\x64\x84" + struct.pack("!I", len(text)) + text
    return b"\x30\x84" + struct.pack("!I", len(body)) + body


def memcached(rng, part=[0]):
    part[0] += 1
    return struct.pack("!HHHH", 0, part[0] % 700, 700, 0) + b"VALUE a 0 1048576\r\n" * (part[0] % 700 == 0) + b"a" * 1392


def chargen(rng):
    text = bytes(range(32, 127)) * 2
    start = rng.randrange(95)
    return b"".join(text[(start + i) % 95:][:72] + b"\r\n" for i in range(rng.randrange(3, 14)))


def coap(rng):
    links = b",".join(b'</%s>;rt="%s";ct=0' % (rng.randbytes(4).hex().encode(), rng.randbytes(5).hex().encode())
                      for _ in range(rng.randrange(8, 30)))
    return b"\x60\x45" + rng.randbytes(2) + b"\xc1\x28\xff" + links


def wsd(rng):
    return (f'<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
            f'xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" '
            f'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><SOAP-ENV:Header><wsa:MessageID>uuid:{rng.randbytes(16).hex()}'
            f'</wsa:MessageID></SOAP-ENV:Header><SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types>'
            f'<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/IPC-{rng.randrange(9999)}</d:Scopes>'
            f'<d:XAddrs>http://192.168.1.{rng.randrange(255)}/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches>'
            f'</SOAP-ENV:Body></SOAP-ENV:Envelope>').encode()


def dhdiscover(rng):
    return (b"\x20\0\0\0DHIP" + bytes(20) + b'{"mac":"%s","method":"client.notifyDevInfo","params":{"deviceInfo":{'
            b'"AlarmInputChannels":1,"DeviceClass":"HCVR","DeviceType":"DHI-XVR5108","HttpPort":80,"IPv4Address":{"DefaultGateway":'
            b'"192.168.1.1","DhcpEnable":false,"IPAddress":"192.168.1.%d","SubnetMask":"255.255.255.0"},"MachineName":"XVR",'
            b'"Port":37777,"SerialNo":"%s","Vendor":"Private","Version":"4.000.0000.2"}}}\n\0'
            % (rng.randbytes(6).hex(":").encode(), rng.randrange(255), rng.randbytes(8).hex().encode()))


def bacnet(rng):
    return b"\x81\x0a\x01\x8c\x01\x00\x30\x01\x0e\x0c\x02\x3f\xff\xff\x1e\x29\x4b\x4e" + rng.randbytes(rng.randrange(180, 380))


def ike(rng):
    return rng.randbytes(16) + b"\x01\x10\x02\0" + bytes(4) + struct.pack("!I", 108) + b"\0\0\0\x38" + rng.randbytes(76)


def fixed(head, low, high):
    return lambda rng: head + rng.randbytes(rng.randrange(low, high))


def sip(rng):
    return (f"SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 10.1.1.1:5060;branch=z9hG4bK-{rng.randbytes(6).hex()};received={VICTIM}\r\n"
            f"From: \"sipvicious\" <sip:100@1.1.1.1>;tag={rng.randbytes(12).hex()}\r\nTo: <sip:100@1.1.1.1>;tag=as{rng.randbytes(4).hex()}\r\n"
            f"Call-ID: {rng.randrange(10**12)}\r\nCSeq: 1 OPTIONS\r\nServer: Asterisk PBX 11.25.3\r\nAllow: INVITE, ACK, CANCEL\r\n"
            f"Content-Length: 0\r\n\r\n").encode()


def source_engine(rng):
    return (b"\xff\xff\xff\xffI\x11Counter-Strike " + rng.randbytes(4).hex().encode()
            + b"\0de_dust2\0cstrike\0Counter-Strike: Source\0\xf0\0\x10\x20\0dl\0\x01" + rng.randbytes(40))


# Port, answer, held back, vector as the table of causes names it.
PROTOCOLS = {
    "dns": (53, dns_any, False), "ntp": (123, ntp_monlist, False), "snmp": (161, snmp_bulk, False),
    "ssdp": (1900, ssdp, False), "cldap": (389, cldap, True), "memcached": (11211, memcached, False),
    "chargen": (19, chargen, True), "ike": (500, ike, False), "coap": (5683, coap, False),
    "wsd": (3702, wsd, True), "dhdiscover": (37810, dhdiscover, True), "bacnet": (47808, bacnet, False),
    "ntp-readvar": (123, ntp_readvar, True),
    # Services without a word of their own in the table of causes.
    "portmap": (111, fixed(b"\x65\x72\x0a\x37\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 200, 460), False),
    "netbios": (137, fixed(b"\x80\xf0\x84\0\0\0\0\x01\0\0\0\0\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0\x21\0\x01", 100, 180), True),
    "mssql": (1434, fixed(b"\x05\x80\x01ServerName;DB01;InstanceName;MSSQLSERVER;IsClustered;No;Version;10.50.1600.1;tcp;1433;;", 20, 400), False),
    "qotd": (17, fixed(b'"We have nothing to fear but fear itself." ', 40, 200), True),
    "tftp": (69, fixed(b"\0\x03\0\x01", 508, 509), True),
    "ard": (3283, fixed(b"\0\x01\x03\xea\x10\x01\x09\0", 998, 999), False),
    "rdp": (3389, fixed(b"\0\0\0\0\0\0\0\0", 1200, 1252), True),
    "sip": (5060, sip, True), "source": (27015, source_engine, False),
    "jenkins": (33848, fixed(b"<hudson><version>2.204.1</version><url>http://ci/</url><server-id>", 60, 90), True),
    "plex": (32414, fixed(b"HTTP/1.0 200 OK\r\nContent-Type: plex/media-server\r\nName: PMS\r\nPort: 32400\r\n", 90, 140), False),
    "stun": (3478, fixed(b"\x01\x01\0\x44\x21\x12\xa4\x42", 80, 81), True),
    "ubnt": (10001, fixed(b"\x01\0\0\x9a\x02\0\x0a", 130, 160), False),
    "openvpn": (1194, fixed(b"\x40", 13, 60), True),
    "quake": (27960, fixed(b"\xff\xff\xff\xffstatusResponse\n\\sv_hostname\\q3\\", 500, 1100), True),
    "rip": (520, fixed(b"\x02\x01\0\0", 480, 500), False),
    "xdmcp": (177, fixed(b"\0\x01\0\x05\0", 40, 60), True),
    "sentinel": (5093, fixed(b"\x7a\0\0\0\0", 1000, 1400), False),
}


def one_answer(rng, capture, when, protocol, victim, dport, source):
    """One reflected answer; what exceeds the path's MTU arrives as fragments, as in the wild."""
    port, answer, _ = PROTOCOLS[protocol]
    payload = answer(rng)
    ttl = rng.randrange(38, 62) if rng.random() < 0.8 else rng.randrange(100, 122)
    whole = udp_whole(port, dport, payload)
    for i, piece in enumerate(fragments(source, victim, 17, whole, rng.randrange(65536), ttl=ttl)):
        capture.add(when + i * 2e-5, piece)


def flood(rng, protocols, packets, seconds, reflectors, one_port=False, victim=None, link=ETHERNET, snaplen=262144):
    capture = Capture(link, snaplen)
    sources = {word: [public_address(rng) for _ in range(reflectors)] for word in protocols}
    port = rng.choice((80, 443, rng.randrange(1024, 65535)))
    for _ in range(packets):
        word = rng.choice(protocols)
        when = rng.uniform(0, seconds)
        dport = port if one_port else rng.randrange(1024, 65536)
        to = victim(rng) if victim else VICTIM
        one_answer(rng, capture, when, word, to, dport, rng.choice(sources[word]))
        if rng.random() < 0.03:
            # Some reflectors are behind closed ports by now.
            capture.add(when, icmp(rng.choice(sources[word]), to, 3, 3, bytes(4) + rng.randbytes(28), ttl=50))
    return capture


def register_floods():
    for i, (word, (_, _, held)) in enumerate(PROTOCOLS.items()):
        # Real captures of this kind are short: some thousand packets of one instant.
        size = (900, 2500, 5000)[i % 3]
        span = (0.08, 1.2, 6.0, 25.0)[i % 4]

        def build(work, word=word, size=size, span=span, i=i):
            made = flood(work.rng, [word], size, span, (60, 400, 2500)[i % 3], one_port=i % 2 == 0,
                         link=RAW if i % 5 == 4 else ETHERNET, snaplen=96 if i % 7 == 3 else 262144)
            file = "capture.pcap.gz" if i % 4 == 1 else "capture.pcap"
            made.write(work.path(file))
            return [file]
        vector = word.split("-")[0]
        causes = "amplification" if i < 13 else "amplification,udp-flood"
        case.add(f"amp-{word}", "attack", causes, build, vectors=vector if i < 13 else "",
                 note=f"{size} answers in {span} s, inbound only", held=held)


register_floods()


@case.case("amp-mixed-three", "attack", "amplification", "dns,ntp,ssdp", "three protocols at once")
def amp_mixed(work):
    flood(work.rng, ["dns", "ntp", "ssdp"], 6000, 4.0, 500).write(work.path("capture.pcap"))
    return ["capture.pcap"]


@case.case("amp-mixed-five-carpet", "attack", "amplification", "dns,cldap,memcached,snmp,wsd,carpet",
           "five protocols over a whole /24", held=True)
def amp_carpet(work):
    victim = lambda rng: f"203.0.113.{rng.randrange(1, 255)}"
    flood(work.rng, ["dns", "cldap", "memcached", "snmp", "wsd"], 8000, 5.0, 300, victim=victim).write(work.path("capture.pcap"))
    return ["capture.pcap"]


@case.case("amp-dns-carpet", "attack", "amplification", "dns,carpet", "DNS answers over a whole /24")
def amp_dns_carpet(work):
    victim = lambda rng: f"203.0.113.{rng.randrange(1, 255)}"
    flood(work.rng, ["dns"], 5000, 8.0, 700, victim=victim).write(work.path("capture.pcap"))
    return ["capture.pcap"]


def honest(rng, protocol, clients, exchanges, seconds, request, capture=None):
    """The same answers, but asked for: the request is in the capture, answers are moderate."""
    capture = capture or Capture()
    port, answer, _ = PROTOCOLS[protocol]
    servers = [public_address(rng) for _ in range(5)]
    for _ in range(exchanges):
        when, client, server = rng.uniform(0, seconds), rng.choice(clients), rng.choice(servers)
        sport = rng.randrange(1024, 65536)
        capture.add(when, udp(client, server, sport, port, request(rng), ttl=64))
        for piece in fragments(server, client, 17, udp_whole(port, sport, answer(rng)), rng.randrange(65536)):
            capture.add(when + 0.02, piece)
    return capture


HONEST = {
    "snmp-walk": ("snmp", lambda rng: b"\x30\x29\x02\x01\x01\x04\x06public\xa5\x1c\x02\x04" + rng.randbytes(4)
                  + b"\x02\x01\0\x02\x01\x0a\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x02\x02\x01\x05\0", 3000, 60, False),
    "ntp-control": ("ntp-readvar", lambda rng: b"\x16\x02\0\x01" + bytes(8), 400, 300, True),
    "memcached-gets": ("memcached", lambda rng: rng.randbytes(2) + b"\0\0\0\x01\0\0get a\r\n", 1500, 30, True),
    "dns-any-own": ("dns", lambda rng: rng.randbytes(2) + b"\x01\0\0\x01\0\0\0\0\0\0" + name("example.gov") + b"\0\xff\0\x01", 300, 120, False),
    "source-browser": ("source", lambda rng: b"\xff\xff\xff\xffTSource Engine Query\0", 2000, 40, False),
}


def register_honest():
    for word, (protocol, request, exchanges, seconds, held) in HONEST.items():
        def build(work, protocol=protocol, request=request, exchanges=exchanges, seconds=seconds):
            clients = [f"192.168.7.{i}" for i in range(10, 14)]
            honest(work.rng, protocol, clients, exchanges, seconds, request).write(work.path("capture.pcap"))
            return ["capture.pcap"]
        case.add(f"normal-{word}", "normal", "normal", build, note="large answers that were asked for", held=held)


register_honest()
