//! The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol", 2020-03-05): who the
//! client of the balancer in front of us is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, by its specification.
const LINE_BYTES: usize = 107;
/// Longest header of version 2 that is read: addresses and any usual extensions.
const BLOCK_BYTES: usize = 2_048;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Incomplete,
    /// `client` is `None` for the balancer's own connections (health checks).
    Header {
        client: Option<IpAddr>,
        bytes: usize,
    },
    /// No header, or none that makes sense.
    Wrong,
}

/// Reads the header at the start of a stream.
#[must_use]
pub fn read(stream: &[u8]) -> Start {
    let shared = stream.len().min(SIGNATURE.len());
    if stream[..shared] == SIGNATURE[..shared] {
        return if shared < SIGNATURE.len() { Start::Incomplete } else { block(stream) };
    }
    let shared = stream.len().min(6);
    if stream[..shared] == b"PROXY "[..shared] {
        return line(stream);
    }
    Start::Wrong
}

fn line(stream: &[u8]) -> Start {
    let head = &stream[..stream.len().min(LINE_BYTES)];
    let Some(end) = head.iter().position(|b| *b == b'\n') else {
        return if head.len() == LINE_BYTES { Start::Wrong } else { Start::Incomplete };
    };
    let Some(text) = head[..end].strip_suffix(b"\r").and_then(|l| std::str::from_utf8(l).ok()) else {
        return Start::Wrong;
    };
    let words: Vec<&str> = text.split(' ').collect();
    let bytes = end + 1;
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Start::Header { client: None, bytes },
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] if port.parse::<u16>().is_ok() => {
            match source.parse::<IpAddr>() {
                Ok(client) => Start::Header { client: Some(client.to_canonical()), bytes },
                Err(_) => Start::Wrong,
            }
        }
        _ => Start::Wrong,
    }
}

fn block(stream: &[u8]) -> Start {
    let Some(&[command, family, high, low]) = stream.get(12..16) else { return Start::Incomplete };
    let length = usize::from(high) << 8 | usize::from(low);
    if command >> 4 != 2 || command & 0xF > 1 || length > BLOCK_BYTES {
        return Start::Wrong;
    }
    let Some(addresses) = stream.get(16..16 + length) else { return Start::Incomplete };
    let client = match (command & 0xF, family >> 4) {
        (0, _) | (_, 0) => None,
        (_, 1) => match addresses.first_chunk::<4>() {
            Some(source) if length >= 12 => Some(IpAddr::from(Ipv4Addr::from(*source))),
            _ => return Start::Wrong,
        },
        (_, 2) => match addresses.first_chunk::<16>() {
            Some(source) if length >= 36 => Some(IpAddr::from(Ipv6Addr::from(*source)).to_canonical()),
            _ => return Start::Wrong,
        },
        _ => None,
    };
    Start::Header { client, bytes: 16 + length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_the_client() {
        let text = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET /";
        assert_eq!(read(text), Start::Header { client: Some(IpAddr::from([192, 0, 2, 7])), bytes: 45 });
        let mut block = SIGNATURE.to_vec();
        block.extend([0x21, 0x11, 0, 12, 192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 4, 1, 0xBB]);
        assert_eq!(read(&block), Start::Header { client: Some(IpAddr::from([192, 0, 2, 7])), bytes: 28 });
        block[12] = 0x20;
        assert_eq!(read(&block), Start::Header { client: None, bytes: 28 });
    }

    #[test]
    fn a_header_is_incomplete_until_its_last_byte_and_never_read_beyond() {
        let text = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n";
        let mut block = SIGNATURE.to_vec();
        block.extend([0x21, 0x21, 0, 36]);
        block.extend([0; 36]);
        for whole in [&text[..], &block] {
            for cut in 0..whole.len() {
                assert_eq!(read(&whole[..cut]), Start::Incomplete, "cut at {cut}");
            }
            assert!(matches!(read(whole), Start::Header { .. }));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 nonsense 198.51.100.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY UNIX\n",
            &[b'P'; 200],
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\0\0\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF",
        ] {
            assert_eq!(read(text), Start::Wrong, "{}", String::from_utf8_lossy(text));
        }
    }
}
