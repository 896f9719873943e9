//! TLS ClientHello (RFC 8446 section 4.1.2) and its JA4 fingerprint, by FoxIO's published text
//! (JA4: TLS Client Fingerprinting, "JA4 Algorithm").

use super::bytes::{be16, be24};
use sha2::{Digest, Sha256};

/// Bytes of a hello that are read; browsers send less than 2 KiB.
pub const HELLO_LIMIT_BYTES: usize = 8192;
/// Length of the fingerprint.
pub const JA4_BYTES: usize = 36;

/// Record types (RFC 8446 section 5.1).
pub const RECORD_ALERT: u8 = 21;
pub const RECORD_HANDSHAKE: u8 = 22;
pub const RECORD_APPLICATION_DATA: u8 = 23;

/// Ciphers or extensions of one hello; more are no client's.
const LIST_LIMIT: usize = 512;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_SIGNATURE_ALGORITHMS: u16 = 13;
const EXTENSION_ALPN: u16 = 16;
const EXTENSION_SUPPORTED_VERSIONS: u16 = 43;

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// So far as it goes it may be a hello.
    Incomplete,
    Hello(ClientHello<'a>),
    NotTls,
}

/// What a ClientHello tells of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The fingerprint, 36 characters of ASCII.
    pub ja4: [u8; JA4_BYTES],
    /// The server name asked for; empty if none.
    pub server_name: &'a [u8],
}

/// Whether an alert of this description is about the certificate that was shown (RFC 8446 section 6.2).
#[must_use]
pub fn is_of_certificate(description: Option<&u8>) -> bool {
    /// From `bad_certificate` to `certificate_unknown`, and `unknown_ca`.
    const BAD: u8 = 42;
    const UNKNOWN: u8 = 46;
    const UNKNOWN_AUTHORITY: u8 = 48;
    description.is_some_and(|d| (BAD..=UNKNOWN).contains(d) || *d == UNKNOWN_AUTHORITY)
}

/// Whether the bytes begin a handshake record of TLS.
#[must_use]
pub fn begins(stream: &[u8]) -> bool {
    match stream {
        [RECORD_HANDSHAKE, 3, minor, ..] => *minor <= 4,
        [RECORD_HANDSHAKE, 3] | [RECORD_HANDSHAKE] => true,
        _ => false,
    }
}

/// Reads a ClientHello from the start of a client's stream. `scratch` is used where the hello is
/// spread over several records.
#[must_use]
pub fn client_hello<'a>(stream: &'a [u8], scratch: &'a mut [u8; HELLO_LIMIT_BYTES]) -> Start<'a> {
    if !begins(stream) {
        return if stream.is_empty() { Start::Incomplete } else { Start::NotTls };
    }
    let (Some(record), Some(length)) = (be16(stream, 3), be24(stream, 6)) else {
        return Start::Incomplete;
    };
    if stream[5] != 1 || length as usize > HELLO_LIMIT_BYTES - 4 {
        return Start::NotTls;
    }
    let end = 4 + length as usize;
    let handshake = if usize::from(record) >= end {
        match stream.get(5..5 + end) {
            Some(handshake) => handshake,
            None => return Start::Incomplete,
        }
    } else {
        match join(stream, end, scratch) {
            Ok(true) => &scratch[..end],
            Ok(false) => return Start::Incomplete,
            Err(NotTls) => return Start::NotTls,
        }
    };
    Hello::read(&handshake[4..]).map_or(Start::NotTls, |hello| {
        Start::Hello(ClientHello { ja4: hello.ja4(), server_name: hello.server_name })
    })
}

struct NotTls;

/// Joins a handshake message of `length` bytes out of its records.
fn join(stream: &[u8], length: usize, scratch: &mut [u8; HELLO_LIMIT_BYTES]) -> Result<bool, NotTls> {
    let mut at = 0;
    let mut filled = 0;
    while filled < length {
        let rest = stream.get(at..).unwrap_or_default();
        let Some(record) = be16(rest, 3) else {
            return if begins(rest) || rest.is_empty() { Ok(false) } else { Err(NotTls) };
        };
        if !begins(rest) || record == 0 {
            return Err(NotTls);
        }
        let wanted = usize::from(record).min(length - filled);
        let Some(piece) = rest.get(5..5 + wanted) else { return Ok(false) };
        scratch[filled..filled + wanted].copy_from_slice(piece);
        filled += wanted;
        at += 5 + usize::from(record);
    }
    Ok(true)
}

/// Numbers of a list without the random ones that clients mix in (RFC 8701).
struct List {
    numbers: [u16; LIST_LIMIT],
    length: usize,
}

impl List {
    fn new() -> Self {
        Self { numbers: [0; LIST_LIMIT], length: 0 }
    }

    fn push(&mut self, number: u16) {
        let is_grease = number & 0x0F0F == 0x0A0A && number >> 8 == number & 0xFF;
        if let Some(place) = self.numbers.get_mut(self.length).filter(|_| !is_grease) {
            *place = number;
            self.length += 1;
        }
    }

    fn as_slice(&self) -> &[u16] {
        &self.numbers[..self.length]
    }

    fn sort(&mut self) {
        self.numbers[..self.length].sort_unstable();
    }
}

/// The parts of a hello that the fingerprint is made of.
struct Hello<'a> {
    version: u16,
    ciphers: List,
    extensions: List,
    signatures: List,
    server_name: &'a [u8],
    has_server_name: bool,
    alpn: &'a [u8],
}

impl<'a> Hello<'a> {
    /// Reads the body of a ClientHello.
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut hello = Self {
            version: be16(body, 0)?,
            ciphers: List::new(),
            extensions: List::new(),
            signatures: List::new(),
            server_name: b"",
            has_server_name: false,
            alpn: b"",
        };
        let session = 35 + usize::from(*body.get(34)?);
        let ciphers_end = session + 2 + usize::from(be16(body, session)?);
        for pair in body.get(session + 2..ciphers_end)?.chunks_exact(2) {
            hello.ciphers.push(u16::from_be_bytes([pair[0], pair[1]]));
        }
        let extensions = ciphers_end + 1 + usize::from(*body.get(ciphers_end)?);
        // Hellos of old clients end here.
        let Some(length) = be16(body, extensions) else { return Some(hello) };
        let mut rest = body.get(extensions + 2..extensions + 2 + usize::from(length))?;
        while let (Some(kind), Some(length)) = (be16(rest, 0), be16(rest, 2)) {
            let data = rest.get(4..4 + usize::from(length))?;
            hello.extensions.push(kind);
            hello.extension(kind, data);
            rest = &rest[4 + data.len()..];
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, data: &'a [u8]) {
        match kind {
            EXTENSION_SERVER_NAME => {
                self.has_server_name = true;
                let length = usize::from(be16(data, 3).unwrap_or(0));
                self.server_name = data.get(5..5 + length).unwrap_or_default();
            }
            EXTENSION_SIGNATURE_ALGORITHMS => {
                for pair in data.get(2..).unwrap_or_default().chunks_exact(2) {
                    self.signatures.push(u16::from_be_bytes([pair[0], pair[1]]));
                }
            }
            EXTENSION_ALPN => {
                let length = usize::from(data.get(2).copied().unwrap_or(0));
                self.alpn = data.get(3..3 + length).unwrap_or_default();
            }
            EXTENSION_SUPPORTED_VERSIONS => {
                let mut versions = List::new();
                for pair in data.get(1..).unwrap_or_default().chunks_exact(2) {
                    versions.push(u16::from_be_bytes([pair[0], pair[1]]));
                }
                self.version = versions.as_slice().iter().copied().max().unwrap_or(self.version);
            }
            _ => {}
        }
    }

    fn ja4(&self) -> [u8; JA4_BYTES] {
        let mut text = [b'_'; JA4_BYTES];
        text[0] = b't';
        text[1..3].copy_from_slice(version_text(self.version));
        text[3] = if self.has_server_name { b'd' } else { b'i' };
        text[4..6].copy_from_slice(&two_digits(self.ciphers.length));
        text[6..8].copy_from_slice(&two_digits(self.extensions.length));
        text[8..10].copy_from_slice(&alpn_text(self.alpn));
        let mut ciphers = List { ..self.ciphers };
        ciphers.sort();
        text[11..23].copy_from_slice(&short_hash(ciphers.as_slice(), &[]));
        let mut extensions = List::new();
        for &kind in self.extensions.as_slice() {
            if kind != EXTENSION_SERVER_NAME && kind != EXTENSION_ALPN {
                extensions.push(kind);
            }
        }
        extensions.sort();
        text[24..36].copy_from_slice(&short_hash(extensions.as_slice(), self.signatures.as_slice()));
        text
    }
}

fn version_text(version: u16) -> &'static [u8; 2] {
    match version {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        _ => b"00",
    }
}

fn two_digits(count: usize) -> [u8; 2] {
    let count = count.min(99) as u8;
    [b'0' + count / 10, b'0' + count % 10]
}

/// First and last character of the first protocol offered; in hexadecimal if they are not
/// letters or digits.
fn alpn_text(protocol: &[u8]) -> [u8; 2] {
    match (protocol.first(), protocol.last()) {
        (Some(&first), Some(&last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [first, last]
        }
        (Some(&first), Some(&last)) => [hex_digit(first >> 4), hex_digit(last & 15)],
        _ => *b"00",
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

/// First twelve hexadecimal digits of the SHA-256 of the numbers written out.
fn short_hash(sorted: &[u16], in_order: &[u16]) -> [u8; 12] {
    if sorted.is_empty() && in_order.is_empty() {
        return [b'0'; 12];
    }
    let mut hash = Sha256::new();
    update(&mut hash, sorted);
    if !in_order.is_empty() {
        hash.update(b"_");
        update(&mut hash, in_order);
    }
    let mut text = [0; 12];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash.finalize()) {
        pair[0] = hex_digit(byte >> 4);
        pair[1] = hex_digit(byte & 15);
    }
    text
}

fn update(hash: &mut Sha256, numbers: &[u16]) {
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            hash.update(b",");
        }
        hash.update([12u8, 8, 4, 0].map(|shift| hex_digit((number >> shift) as u8)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Chrome hello of the published example, extensions in no particular order.
    fn hello() -> Vec<u8> {
        let ciphers: [u16; 16] = [
            0x1A1A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014,
            0x009C, 0x009D, 0x002F, 0x0035,
        ];
        let mut extensions = Vec::new();
        let mut add = |kind: u16, data: &[u8]| {
            extensions.extend(kind.to_be_bytes());
            extensions.extend((data.len() as u16).to_be_bytes());
            extensions.extend(data);
        };
        add(0x2A2A, b"");
        add(0, b"\x00\x0E\x00\x00\x0Bexample.com");
        for kind in [0x17, 0xFF01, 0x0A, 0x0B, 0x23] {
            add(kind, b"");
        }
        add(16, b"\x00\x0C\x02h2\x08http/1.1");
        add(5, b"");
        add(13, b"\x00\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01");
        for kind in [0x12, 0x33, 0x2D] {
            add(kind, b"");
        }
        add(43, b"\x06\x3A\x3A\x03\x04\x03\x03");
        for kind in [0x1B, 0x4469, 0x15] {
            add(kind, b"");
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend((ciphers.len() as u16 * 2).to_be_bytes());
        body.extend(ciphers.iter().flat_map(|c| c.to_be_bytes()));
        body.extend([1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut handshake = vec![1, 0];
        handshake.extend((body.len() as u16).to_be_bytes());
        handshake.extend(body);
        handshake
    }

    fn records(handshake: &[u8], size: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for piece in handshake.chunks(size) {
            stream.extend([22, 3, 1]);
            stream.extend((piece.len() as u16).to_be_bytes());
            stream.extend(piece);
        }
        stream
    }

    #[test]
    fn the_published_example_has_its_fingerprint() {
        let mut scratch = [0; HELLO_LIMIT_BYTES];
        for size in [16_384, 100, 7] {
            let stream = records(&hello(), size);
            let Start::Hello(hello) = client_hello(&stream, &mut scratch) else { panic!("{size}") };
            assert_eq!(&hello.ja4, b"t13d1516h2_8daaf6152771_e5627efa2ab1");
            assert_eq!(hello.server_name, b"example.com");
        }
    }

    #[test]
    fn truncations_wait_and_bit_flips_end() {
        let mut scratch = [0; HELLO_LIMIT_BYTES];
        let stream = records(&hello(), 200);
        for length in 0..stream.len() {
            assert_eq!(client_hello(&stream[..length], &mut scratch), Start::Incomplete, "{length}");
        }
        let mut hellos = 0;
        for bit in 0..stream.len() * 8 {
            let mut flipped = stream.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            hellos += usize::from(matches!(client_hello(&flipped, &mut scratch), Start::Hello(_)));
        }
        assert!(hellos > stream.len() * 4, "most flips leave a hello: {hellos}");
        assert_eq!(client_hello(b"GET / HTTP/1.1\r\n", &mut scratch), Start::NotTls);
    }

    #[test]
    fn odd_protocol_names_are_written_in_hexadecimal() {
        assert_eq!(&alpn_text(b"h2"), b"h2");
        assert_eq!(&alpn_text(b""), b"00");
        assert_eq!(&alpn_text(&[0xAB]), b"ab");
        assert_eq!(&alpn_text(&[0x30, 0xAB]), b"3b");
    }
}
