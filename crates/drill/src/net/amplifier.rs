//! Services that answer more than they are asked, with the sizes that their answers have on the
//! wire (US-CERT alert TA14-017A; C. Rossow, "Amplification hell", NDSS 2014; vendors' reports on
//! the later ones).

/// One way to amplify.
#[derive(Clone, Copy, Debug)]
pub struct Amplifier {
    /// The vector's name in verdicts.
    pub name: &'static str,
    pub port: u16,
    /// Range of UDP payload lengths of answers; longer than a frame comes in fragments.
    pub bytes: (u32, u32),
    /// Answers to one query come as so many packets of the same size.
    pub packets: u32,
    pub payload: &'static [u8],
}

const fn amplifier(
    name: &'static str,
    port: u16,
    bytes: (u32, u32),
    packets: u32,
    payload: &'static [u8],
) -> Amplifier {
    Amplifier { name, port, bytes, packets, payload }
}

/// All of them.
pub const AMPLIFIERS: &[Amplifier] = &[
    amplifier(
        "dns",
        53,
        (900, 4_096),
        1,
        &[0x11, 0x22, 0x81, 0x80, 0x00, 0x01, 0x00, 0x1A, 0x00, 0x00, 0x00, 0x01],
    ),
    amplifier("ntp", 123, (440, 440), 100, &[0xD7, 0x00, 0x03, 0x2A, 0x00, 0x06, 0x00, 0x48]),
    amplifier(
        "snmp",
        161,
        (400, 3_000),
        1,
        &[0x30, 0x82, 0x04, 0x1A, 0x02, 0x01, 0x01, 0x04, 0x06, b'p', b'u', b'b'],
    ),
    amplifier("ssdp", 1_900, (260, 360), 8, b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"),
    amplifier("cldap", 389, (1_400, 3_000), 1, &[0x30, 0x84, 0x00, 0x00, 0x0B, 0x53, 0x02, 0x01, 0x01, 0x64]),
    amplifier(
        "memcached",
        11_211,
        (1_400, 1_400),
        40,
        &[0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, b'V', b'A', b'L', b'U', b'E'],
    ),
    amplifier("ike", 500, (170, 400), 3, &[0x9C, 0x21, 0x5B, 0x10, 0x00, 0x00, 0x00, 0x00, 0x55, 0x10]),
    amplifier("bacnet", 47_808, (100, 480), 1, &[0x81, 0x0A, 0x01, 0x10, 0x01, 0x00, 0x30, 0x00]),
    amplifier("dhdiscover", 37_810, (500, 900), 1, &[0x20, 0x00, 0x00, 0x00, b'D', b'H', b'I', b'P']),
    amplifier("chargen", 19, (800, 1_460), 1, b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEF"),
    amplifier("coap", 5_683, (300, 1_200), 1, &[0x60, 0x45, 0x13, 0x37, 0xC1, 0x28, 0xFF, 0x3C, 0x2F]),
    amplifier("wsd", 3_702, (600, 2_200), 1, b"<?xml version=\"1.0\" encoding=\"utf-8\"?><SOAP-ENV:Envelope"),
    amplifier("ard", 3_283, (1_006, 1_048), 1, &[0x00, 0x01, 0x03, 0xEA, 0x00, 0x01, 0x00, 0x00]),
    amplifier("tftp", 69, (516, 516), 4, &[0x00, 0x03, 0x00, 0x01, 0x23, 0x20]),
    amplifier("qotd", 17, (100, 510), 1, b"\"We want a few mad people now.\""),
    amplifier("stun", 3_478, (60, 150), 1, &[0x01, 0x01, 0x00, 0x44, 0x21, 0x12, 0xA4, 0x42]),
    amplifier("portmap", 111, (200, 600), 1, &[0x65, 0x72, 0x0A, 0x37, 0x00, 0x00, 0x00, 0x01]),
    amplifier("netbios", 137, (150, 300), 1, &[0x80, 0xF0, 0x84, 0x00, 0x00, 0x00, 0x00, 0x01]),
    amplifier("rip", 520, (504, 504), 3, &[0x02, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00]),
    amplifier("mssql", 1_434, (250, 700), 1, &[0x05, 0x9C, 0x01, b'S', b'e', b'r', b'v', b'e', b'r']),
    amplifier("sip", 5_060, (400, 800), 1, b"SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP "),
    amplifier("slp", 427, (500, 1_400), 1, &[0x02, 0x02, 0x00, 0x01, 0x5E, 0x00, 0x00, 0x00]),
    amplifier("openvpn", 1_194, (42, 60), 5, &[0x40, 0x11, 0x8A, 0x20, 0xE1, 0x77, 0x01, 0x00]),
    amplifier("mdns", 5_353, (150, 500), 1, &[0x00, 0x00, 0x84, 0x00, 0x00, 0x01, 0x00, 0x04]),
    amplifier("ubiquiti", 10_001, (140, 220), 1, &[0x01, 0x00, 0x00, 0x9A, 0x02, 0x00, 0x0A]),
    amplifier("source-engine", 27_015, (200, 1_300), 1, &[0xFF, 0xFF, 0xFF, 0xFF, 0x49, 0x11]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_unique_and_sizes_possible() {
        for (i, a) in AMPLIFIERS.iter().enumerate() {
            assert!(a.bytes.0 <= a.bytes.1 && a.bytes.1 < 65_507, "{}", a.name);
            for b in &AMPLIFIERS[..i] {
                assert!(a.name != b.name && a.port != b.port, "{}", a.name);
            }
        }
    }
}
