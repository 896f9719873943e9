//! UDP services that answer more than they are asked, by port: the reflectors of amplification
//! attacks (US-CERT TA14-017A and later vendor advisories).

/// A service known to amplify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub port: u16,
    /// The vector's name in verdicts.
    pub name: &'static str,
}

macro_rules! services {
    ($($port:literal $name:literal)*) => {
        /// The services, by index.
        pub const SERVICES: &[Service] = &[$(Service { port: $port, name: $name },)*];
    };
}

services! {
    17 "qotd" 19 "chargen" 53 "dns" 69 "tftp" 111 "portmap" 123 "ntp" 137 "netbios" 161 "snmp" 177 "xdmcp"
    389 "cldap" 427 "slp" 443 "quic" 500 "ike" 520 "rip" 623 "ipmi" 1194 "openvpn" 1434 "mssql" 1604 "citrix" 1701 "l2tp"
    1900 "ssdp" 2362 "digiman" 3283 "ard" 3389 "rdp" 3391 "dtls" 3478 "stun" 3702 "wsd" 4433 "dtls" 4500 "ike" 5060 "sip" 5093 "sentinel"
    5351 "nat-pmp" 5353 "mdns" 5683 "coap" 5684 "dtls" 6881 "bittorrent" 7001 "afs" 8088 "mitel" 10001 "ubiquiti"
    10074 "tp240" 11211 "memcached" 17185 "vxworks" 20811 "vse" 26000 "quake" 27015 "source-engine"
    27960 "quake" 30120 "fivem" 30718 "lantronix" 32410 "plex" 32414 "plex" 33848 "jenkins" 37020 "sadp"
    37810 "dhdiscover" 41794 "crestron" 47808 "bacnet"
}

/// The UDP port of HTTP over QUIC.
pub const QUIC_PORT: u16 = 443;

/// Index into [`SERVICES`], or `None` for a port that is not known to amplify.
#[inline]
#[must_use]
pub fn index_of(port: u16) -> Option<usize> {
    SERVICES.binary_search_by_key(&port, |s| s.port).ok()
}

/// Index of the service that a datagram from a port is an answer of, if one is known to amplify: at the port of
/// QUIC, DTLS answers as well.
#[inline]
#[must_use]
pub fn answering(port: u16, payload: &[u8]) -> Option<usize> {
    let port = if port == QUIC_PORT && begins_dtls(payload) { DTLS_PORT } else { port };
    let answers =
        |_: &usize| !is_stream(port, payload) && !is_question(port, payload) && !is_no_answer(port, payload);
    index_of(port).filter(answers)
}

/// A UDP port of DTLS, which has several and none of its own.
const DTLS_PORT: u16 = 4433;

/// Whether a datagram is what a DTLS server answers a stranger with, before anything is encrypted: a record of
/// the handshake in the first epoch that asks for a cookie, or says hello (RFC 6347 sections 4.1 and 4.3.2).
fn begins_dtls(payload: &[u8]) -> bool {
    const KIND: usize = 13;
    let is_first = matches!(payload, [22, 0xfe, 0xfd | 0xff, 0, 0, ..]);
    is_first && payload.get(KIND).is_none_or(|kind| matches!(kind, 2 | 3 | 11 | 14))
}

/// Whether a port is a service's: system ports (RFC 6335) and services known to amplify.
#[inline]
#[must_use]
pub fn is_service_port(port: u16) -> bool {
    SERVICE_PORTS[usize::from(port >> 6)] >> (port & 63) & 1 == 1
}

/// A bit for each port: asked for every packet.
static SERVICE_PORTS: [u64; 1024] = {
    let mut bits = [0; 1024];
    let mut word = 0;
    while word < 1024 / 64 {
        bits[word] = u64::MAX;
        word += 1;
    }
    bits[0] &= !1;
    let mut index = 0;
    while index < SERVICES.len() {
        let port = SERVICES[index].port;
        bits[(port >> 6) as usize] |= 1 << (port & 63);
        index += 1;
    }
    bits
};

/// Whether a datagram from a service's port is part of a stream (a tunnel, a relayed call, a game),
/// as its first bytes tell, and no answer to a question: reflectors only answer questions.
#[must_use]
pub fn is_stream(port: u16, payload: &[u8]) -> bool {
    match (port, payload) {
        // RFC 3948: a key exchange beside ESP begins with four zeros, and older ones with their
        // cookies, the version, the kind and the length (RFC 2408 3.1, RFC 7296 3.1).
        (4500, [0, 0, 0, 0, ..]) => false,
        (4500, bytes) => {
            let exchange = bytes
                .get(17..26)
                .is_some_and(|b| matches!(b[0], 0x10 | 0x20) && b[1] < 64 && b[7..9] == [0, 0]);
            bytes.len() >= 26 && !exchange
        }
        // OpenVPN: data packets of either version.
        (1194, [head, ..]) => matches!(head >> 3, 6 | 9),
        // RFC 7983: first bytes of DTLS, channels of TURN, and RTP; those of STUN are 0 to 3.
        (3478, [head, ..]) => *head >= 20,
        (443, bytes) => !begins_quic(bytes),
        (3391 | 4433 | 5684, bytes) => !begins_dtls(bytes),
        // Servers of these games answer to strangers under a header of ones.
        (27015 | 27960 | 30120, [a, 255, 255, 255, ..]) => *a < 254,
        (27015 | 27960 | 30120, bytes) => bytes.len() >= 4,
        _ => false,
    }
}

/// Whether a datagram is of the beginning of a QUIC connection, as all are that a server sends to an address
/// that was forged: a long header, and a version that exists or the list of those that do (RFC 9000 sections
/// 17.2 and 17.2.1, RFC 9369, RFC 8999).
pub(crate) fn begins_quic(payload: &[u8]) -> bool {
    let [first @ 0x80..=0xff, a, b, c, d, ..] = *payload else { return false };
    match [a, b, c, d] {
        [0, 0, 0, 0] => true,
        [0, 0, 0, 1] | [0x6b, 0x33, 0x43, 0xcf] | [0xff, 0, 0, _] => first & 0x40 != 0,
        [version @ (b'Q' | b'T'), b'0', ..] => version != 0,
        _ => false,
    }
}

/// Whether a datagram from a service's port asks, as its first bytes tell: two servers may speak
/// from port to port, and forgers use such ports as well. SIP (RFC 3261 section 7.1), DNS (RFC 1035
/// section 4.1.1), NTP (RFC 5905 section 7.3), IKE (RFC 7296 sections 3.1 and 3.4: four bytes of zero before
/// the header on port 4500, and a flag that tells answers).
#[must_use]
pub fn is_question(port: u16, payload: &[u8]) -> bool {
    match (port, payload) {
        (5060, [first, ..]) => first.is_ascii_uppercase() && !payload.starts_with(b"SIP/"),
        (53, [_, _, flags, ..]) => flags & 0x80 == 0,
        (123, [mode, ..]) => matches!(mode & 7, 1 | 3),
        (500, header) => asks_by_ike(header),
        (4500, [0, 0, 0, 0, header @ ..]) => asks_by_ike(header),
        _ => false,
    }
}

/// Whether both ports are of one service, which may have several.
#[must_use]
pub fn are_of_one(a: u16, b: u16) -> bool {
    let name = |port| index_of(port).map(|at| SERVICES[at].name);
    a == b || (name(a).is_some() && name(a) == name(b))
}

/// Whether an IKE header is of version 2 and of a request.
fn asks_by_ike(header: &[u8]) -> bool {
    const VERSION: usize = 17;
    const FLAGS: usize = 19;
    const ANSWERS: u8 = 0x20;
    header.get(VERSION).is_some_and(|v| v >> 4 == 2) && header.get(FLAGS).is_some_and(|f| f & ANSWERS == 0)
}

/// Whether a datagram from a service's port cannot be an answer of that service, as its first bytes
/// tell: floods use such ports as well. What was not captured is believed. DNS (RFC 1035 section
/// 4.1.1: an answer repeats at most one question), NTP (RFC 5905 section 7.3: modes), SNMP and LDAP
/// (a BER sequence), SSDP and SIP (text).
#[must_use]
pub fn is_no_answer(port: u16, payload: &[u8]) -> bool {
    match (port, payload) {
        (53, [_, _, flags, _, asked_high, asked, ..]) => {
            flags & 0x80 == 0 || flags & 0x78 > 0x28 || *asked_high > 0 || *asked > 1
        }
        (123, [mode, ..]) => matches!(mode & 7, 0 | 3) || (mode >> 3) & 7 == 0 && mode & 7 < 6,
        (161 | 389, [first, ..]) => *first != 0x30,
        (1900, [first, ..]) => !first.is_ascii_uppercase(),
        _ => false,
    }
}

/// Whether a datagram asks a name server as resolvers ask: without recursion (RFC 1035 section
/// 4.1.1). Who looks for open resolvers asks for it.
#[must_use]
pub fn is_resolvers_question(port: u16, payload: &[u8]) -> bool {
    matches!((port, payload), (53, [_, _, flags, ..]) if flags & 0x81 == 0)
}

/// Whether a datagram is a usual answer of a name or time server, not larger than what was asked
/// by much: a DNS response of an address or two (RFC 1035 4.1.1), an NTP packet of a server
/// (RFC 5905 7.3).
#[must_use]
pub fn is_small_answer(port: u16, payload: &[u8], length_bytes: u32) -> bool {
    match (port, payload) {
        (53, [_, _, flags, ..]) => flags & 0x80 != 0 && length_bytes <= 180,
        (123, [mode, ..]) => mode & 7 == 4 && length_bytes <= 120,
        _ => false,
    }
}

/// UDP ports to which hosts send without ever being answered: SNMP traps, syslog, NetFlow, IPFIX,
/// sFlow, statsd, Graylog, collectd.
#[must_use]
pub fn is_collector_port(port: u16) -> bool {
    matches!(port, 162 | 514 | 2055 | 4739 | 6343 | 8125 | 9995 | 9996 | 12201 | 25826)
}

/// Ports on which nobody begins with a small datagram: those of services over TCP alone, and those
/// of QUIC, of which the first packet fills 1,200 bytes (RFC 9000 section 14.1).
#[must_use]
pub fn takes_no_small_datagrams(port: u16) -> bool {
    matches!(port, 20..=23 | 25 | 80 | 110 | 143 | 443 | 445 | 465 | 587 | 993 | 995)
}

/// TCP ports on which web servers and interfaces for programs answer.
#[must_use]
pub fn is_web_port(port: u16) -> bool {
    matches!(port, 80 | 443 | 8000 | 8080 | 8443 | 8888)
}

/// TCP ports on which what is said is encrypted from the first word.
#[must_use]
pub fn is_https_port(port: u16) -> bool {
    matches!(port, 443 | 8443)
}

/// TCP ports of services that ask for a password where nobody can read the answer. In the clear
/// text of others a sensor reads it; and to mail servers and databases brief visits are usual.
#[must_use]
pub fn is_login_port(port: u16) -> bool {
    is_admin_port(port) || matches!(port, 445 | 465 | 587 | 993 | 995)
}

/// TCP ports of services whose few users stay connected: files, terminals, desktops. Many brief
/// visits are guesses.
#[must_use]
pub fn is_admin_port(port: u16) -> bool {
    matches!(port, 21 | 22 | 23 | 2222 | 2323 | 3389 | 5900 | 5985)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_from_a_services_port_are_no_answers_of_it() {
        assert!(is_no_answer(53, &[0x5a; 16]), "filler");
        assert!(is_no_answer(53, &[7, 7, 1, 0, 0, 1, 0, 0]), "a question");
        assert!(!is_no_answer(53, &[7, 7, 0x81, 0x80, 0, 1, 0, 22, 0, 0, 0, 1]));
        assert!(!is_no_answer(53, &[7, 7]), "cut short");
        assert!(!is_no_answer(123, &[0xd7, 0, 3, 0x2a]));
        assert!(!is_no_answer(123, &[0x24, 2, 6]));
        assert!(is_no_answer(123, &[0x23, 0, 6]));
        assert!(!is_no_answer(161, &[0x30, 0x82]));
        assert!(is_no_answer(389, b"aaaa"));
        assert!(!is_no_answer(1900, b"HTTP/1.1 200 OK"));
        assert!(is_no_answer(1900, &[0; 16]));
    }

    /// Broke: clients that reconnect to a VPN all at once were called an amplification attack.
    #[test]
    fn who_begins_an_exchange_of_keys_asks() {
        let ike = |flags: u8| {
            let mut header = [0x11; 28];
            (header[17], header[19]) = (0x20, flags);
            header
        };
        assert!(is_question(500, &ike(0x08)) && !is_question(500, &ike(0x20)));
        assert!(is_question(4500, &[&[0; 4][..], &ike(0x08)].concat()));
        assert!(!is_question(4500, &ike(0x08)), "what is encrypted says nothing");
        assert!(are_of_one(500, 4500) && are_of_one(123, 123) && !are_of_one(123, 53));
    }

    #[test]
    fn services_are_sorted_so_that_search_finds_them() {
        assert!(SERVICES.windows(2).all(|w| w[0].port < w[1].port));
        assert_eq!(index_of(123).map(|i| SERVICES[i].name), Some("ntp"));
        assert_eq!(index_of(124), None);
        for port in 0..=u16::MAX {
            let expected = (1..1024).contains(&port) || index_of(port).is_some();
            assert_eq!(is_service_port(port), expected, "{port}");
        }
    }

    #[test]
    fn tunnels_and_calls_are_told_from_answers_by_their_first_bytes() {
        let esp = [&[0xc1, 0x22, 0x33, 0x44, 0, 0, 0, 9][..], &[0x5a; 40]].concat();
        let key_exchange = [[0; 4], [0xc9, 0x83, 0x2c, 0x40]].concat();
        let cookies = [&[7; 16][..], &[1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 108], &[0; 80]].concat();
        assert!(is_stream(4500, &esp));
        assert!(!is_stream(4500, &key_exchange));
        assert!(!is_stream(4500, &cookies));
        assert!(is_stream(1194, &[0x48, 0, 0, 1]));
        assert!(!is_stream(1194, &[0x40, 1, 2, 3]));
        assert!(is_stream(3478, &[0x40, 0x01, 0, 90]));
        assert!(!is_stream(3478, &[0x01, 0x01, 0, 68]));
        assert!(!is_stream(27015, &[255, 255, 255, 255, b'I']));
        assert!(!is_stream(53, &[1, 2, 3, 4]));
        assert!(!is_stream(443, &[0xc3, 0, 0, 0, 1, 8]), "QUIC begins");
        assert!(is_stream(443, &[0x43, 0, 0, 0, 1, 8]), "QUIC goes on");
        assert!(is_stream(443, &[0xc3, 7, 7, 7, 7, 8]), "filler");
        let asks_for_cookie = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 47, 3];
        let goes_on = [23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 47, 3];
        let name = |port, payload: &[u8]| answering(port, payload).map(|at| SERVICES[at].name);
        // Broke: what DTLS servers reflect was a flood of nobody's, and no rule named them.
        assert_eq!((name(443, &asks_for_cookie), name(3391, &asks_for_cookie)), (Some("dtls"), Some("dtls")));
        assert_eq!((name(443, &goes_on), name(4433, &goes_on)), (None, None));
        assert!(is_small_answer(53, &[7, 7, 0x81, 0x80], 107));
        assert!(!is_small_answer(53, &[7, 7, 0x81, 0x80], 3_000));
        assert!(!is_small_answer(53, &[7, 7, 0x01, 0x00], 70));
        assert!(is_small_answer(123, &[0x24, 2], 76));
        assert!(!is_small_answer(123, &[0xd7, 0], 480));
    }
}
