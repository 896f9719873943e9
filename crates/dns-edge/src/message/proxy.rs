//! The PROXY protocol, version 2: what a back end is told of the client, before its question
//! (HAProxy's `proxy-protocol.txt`, section 2.2; over UDP before each datagram, as dnsdist and Knot
//! take it).

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 and its two commands.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// Families and transports.
const V4: u8 = 0x10;
const V6: u8 = 0x20;
const TCP: u8 = 1;
const UDP: u8 = 2;

/// Writes that a question is a client's: who asked, and where. `over_tcp`: how the client came.
pub fn write(out: &mut Vec<u8>, over_tcp: bool, from: SocketAddr, to: SocketAddr) {
    let transport = if over_tcp { TCP } else { UDP };
    out.extend_from_slice(SIGNATURE);
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend([PROXY, V4 | transport, 0, 12]);
            out.extend(source.octets());
            out.extend(destination.octets());
        }
        (source, destination) => {
            out.extend([PROXY, V6 | transport, 0, 36]);
            for ip in [source, destination] {
                let octets = match ip {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                out.extend(octets);
            }
        }
    }
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
}

/// Writes that a question is our own: nobody asked for it.
pub fn write_local(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    out.extend([LOCAL, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(over_tcp: bool, from: &str, to: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, over_tcp, from.parse().expect("an address"), to.parse().expect("an address"));
        out
    }

    #[test]
    fn a_client_is_told_of_as_the_protocol_says() {
        let four = written(false, "192.0.2.1:4660", "198.51.100.2:53");
        assert_eq!(four[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0C");
        assert_eq!(four[16..], [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0, 53]);
        let six = written(true, "[2001:db8::1]:4660", "[2001:db8::2]:53");
        assert_eq!((six[13], six[15], six.len()), (0x21, 36, 52));
        let mapped = written(true, "[::ffff:192.0.2.1]:4660", "198.51.100.2:53");
        assert_eq!((mapped[13], mapped.len()), (0x11, 28), "an IPv4 client of an IPv6 socket");
        let mixed = written(false, "192.0.2.1:4660", "[2001:db8::2]:53");
        assert_eq!((mixed[13], mixed.len(), &mixed[26..32]), (0x22, 52, &[0xFF, 0xFF, 192, 0, 2, 1][..]));
        let mut own = Vec::new();
        write_local(&mut own);
        assert_eq!(own[12..], [0x20, 0, 0, 0]);
    }
}
