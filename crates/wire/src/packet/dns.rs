//! DNS messages (RFC 1035, EDNS by RFC 6891), in datagrams and in TCP streams.
//!
//! Only the question and the counts matter to a verdict, so records are walked and not kept. The
//! walk is bounded by the message's own length: each record is at least eleven bytes.

use super::bytes::{be16, be32};
use seawall_model::Timestamp;
use seawall_model::observation::Dns;
use std::net::IpAddr;

/// The port of DNS servers. Multicast DNS (5353) and LLMNR (5355) are neighbourhood talk.
pub const PORT: u16 = 53;
/// Length of the message header.
pub const HEADER_BYTES: usize = 12;

/// Bytes of a name on the wire (RFC 1035 section 3.1).
const WIRE_NAME_BYTES: usize = 255;
/// The same in presentation form, every byte written as `\DDD`.
const TEXT_NAME_BYTES: usize = WIRE_NAME_BYTES * 4;
/// Compression pointers of one name that are followed.
const POINTER_LIMIT: usize = 32;
const OPT: u16 = 41;

/// Room for one name in presentation form.
#[derive(Clone, Debug)]
pub struct NameBuffer {
    bytes: [u8; TEXT_NAME_BYTES],
    length: usize,
}

impl Default for NameBuffer {
    fn default() -> Self {
        Self { bytes: [0; TEXT_NAME_BYTES], length: 0 }
    }
}

impl NameBuffer {
    /// The name: lower case, no final dot, empty for the root.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Appends a label, with what would be misread escaped (RFC 4343 section 2.1).
    fn label(&mut self, label: &[u8]) {
        if self.length > 0 {
            self.push(b'.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => {
                    self.push(b'\\');
                    self.push(byte);
                }
                0x21..=0x7E => self.push(byte.to_ascii_lowercase()),
                _ => {
                    self.push(b'\\');
                    self.push(b'0' + byte / 100);
                    self.push(b'0' + byte / 10 % 10);
                    self.push(b'0' + byte % 10);
                }
            }
        }
    }
}

/// What a message says, apart from the name of its question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub id: u16,
    pub is_response: bool,
    pub opcode: u8,
    pub authoritative: bool,
    pub truncated: bool,
    pub recursion_desired: bool,
    /// With the upper bits that EDNS adds, at most 255.
    pub response_code: u8,
    pub questions: u16,
    pub query_type: u16,
    pub query_class: u16,
    /// Records in answer, authority and additional sections by the header's counts.
    pub records: u16,
    /// The largest datagram that the sender takes, if it speaks EDNS.
    pub edns_udp_bytes: Option<u16>,
    /// The message ends too early, loops, or is otherwise not as RFC 1035 has it.
    pub malformed: bool,
}

impl Message {
    /// The message as an observation.
    #[must_use]
    pub fn observation<'n>(&self, time: Timestamp, ends: Ends, name: &'n NameBuffer) -> Dns<'n> {
        Dns {
            time,
            client: ends.client,
            server: ends.server,
            client_port: ends.client_port,
            is_response: self.is_response,
            over_tcp: ends.over_tcp,
            name: name.as_bytes(),
            query_type: self.query_type,
            opcode: self.opcode,
            response_code: self.response_code,
            authoritative: self.authoritative,
            truncated: self.truncated,
            recursion_desired: self.recursion_desired,
            records: self.records,
            message_bytes: ends.message_bytes,
            unsolicited: false,
            response_us: None,
            malformed: self.malformed,
        }
    }
}

/// Who talks, over what.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: IpAddr,
    pub server: IpAddr,
    pub client_port: u16,
    pub over_tcp: bool,
    pub message_bytes: u32,
}

/// Decodes a message, and writes the name of its first question into `name`. `whole`: the bytes
/// are all of the message, not cut by a snap length. `None`: fewer bytes than a header.
#[must_use]
pub fn decode(message: &[u8], whole: bool, name: &mut NameBuffer) -> Option<Message> {
    name.clear();
    let header = message.first_chunk::<HEADER_BYTES>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let questions = count(4);
    let mut decoded = Message {
        id: count(0),
        is_response: header[2] & 0x80 != 0,
        opcode: header[2] >> 3 & 15,
        authoritative: header[2] & 4 != 0,
        truncated: header[2] & 2 != 0,
        recursion_desired: header[2] & 1 != 0,
        response_code: header[3] & 15,
        questions,
        records: count(6).saturating_add(count(8)).saturating_add(count(10)),
        malformed: questions > 1,
        ..Message::default()
    };
    if body(message, &mut decoded, name).is_err() {
        // A truncated answer, or one cut by the capture, may end anywhere.
        decoded.malformed |= whole && !decoded.truncated;
    }
    Some(decoded)
}

/// What a stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// More bytes are needed.
    Incomplete,
    Message {
        message: &'a [u8],
        consumed: usize,
    },
}

/// Takes the first message off a TCP stream (RFC 1035 section 4.2.2).
#[must_use]
pub fn framed(stream: &[u8]) -> Framed<'_> {
    let message = be16(stream, 0).and_then(|length| stream.get(2..2 + usize::from(length)));
    match message {
        Some(message) => Framed::Message { message, consumed: 2 + message.len() },
        None => Framed::Incomplete,
    }
}

/// The message ends too early or its name is not one.
struct Bad;

fn body(message: &[u8], decoded: &mut Message, name: &mut NameBuffer) -> Result<(), Bad> {
    let mut at = HEADER_BYTES;
    for number in 0..decoded.questions {
        if number == 0 {
            at = read_name(message, at, name)?;
            decoded.query_type = be16(message, at).ok_or(Bad)?;
            decoded.query_class = be16(message, at + 2).ok_or(Bad)?;
        } else {
            at = skip_name(message, at)?;
        }
        at += 4;
        if at > message.len() {
            return Err(Bad);
        }
    }
    for _ in 0..decoded.records {
        at = skip_name(message, at)?;
        let kind = be16(message, at).ok_or(Bad)?;
        let class = be16(message, at + 2).ok_or(Bad)?;
        let ttl = be32(message, at + 4).ok_or(Bad)?;
        let length = be16(message, at + 8).ok_or(Bad)?;
        at += 10 + usize::from(length);
        if at > message.len() {
            return Err(Bad);
        }
        if kind == OPT {
            decoded.edns_udp_bytes = Some(class);
            let upper = (ttl >> 24).min(15) as u8;
            decoded.response_code |= upper << 4;
        }
    }
    Ok(())
}

/// Writes the name at `at` and returns where the bytes after it begin.
fn read_name(message: &[u8], mut at: usize, name: &mut NameBuffer) -> Result<usize, Bad> {
    let mut after = None;
    let mut pointers = 0;
    let mut wire_bytes = 1;
    loop {
        let length = *message.get(at).ok_or(Bad)?;
        match length {
            0 => return Ok(after.unwrap_or(at + 1)),
            1..=63 => {
                let label = message.get(at + 1..at + 1 + usize::from(length)).ok_or(Bad)?;
                wire_bytes += label.len() + 1;
                if wire_bytes > WIRE_NAME_BYTES {
                    return Err(Bad);
                }
                name.label(label);
                at += 1 + label.len();
            }
            0xC0.. => {
                let target = usize::from(be16(message, at).ok_or(Bad)? & 0x3FFF);
                after.get_or_insert(at + 2);
                pointers += 1;
                // A pointer names a prior place (section 4.1.4): one that does not may loop.
                if target >= at || pointers > POINTER_LIMIT {
                    return Err(Bad);
                }
                at = target;
            }
            _ => return Err(Bad),
        }
    }
}

/// Where the bytes after the name at `at` begin.
#[inline]
fn skip_name(message: &[u8], mut at: usize) -> Result<usize, Bad> {
    let limit = at + WIRE_NAME_BYTES;
    while at < limit {
        match *message.get(at).ok_or(Bad)? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xC0.. => return Ok(at + 2),
            _ => return Err(Bad),
        }
    }
    Err(Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for `wWw.Example.test`, type A, with an EDNS record.
    fn query() -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        m.extend(b"\x03wWw\x07Example\x04test\x00\x00\x01\x00\x01");
        m.extend(b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x00");
        m
    }

    #[test]
    fn a_query_is_decoded_in_full() {
        let mut name = NameBuffer::default();
        let m = decode(&query(), true, &mut name).unwrap();
        assert_eq!(name.as_bytes(), b"www.example.test");
        assert_eq!((m.id, m.query_type, m.query_class), (0x1234, 1, 1));
        assert_eq!(m.edns_udp_bytes, Some(1232));
        assert!(m.recursion_desired && !m.is_response && !m.malformed);
    }

    #[test]
    fn names_are_followed_through_pointers_and_loops_end() {
        let mut name = NameBuffer::default();
        let mut m = vec![0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        m.extend(b"\x01a\xC0\x0C\x00\x01\x00\x01");
        assert!(decode(&m, true, &mut name).unwrap().malformed, "a pointer into its own name");
        let mut m = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        m.extend(b"\xC0\x0E\x00\x01\x00\x01");
        assert!(decode(&m, true, &mut name).unwrap().malformed, "a pointer ahead");
        let mut m = vec![3, b'a', b'.', 0xFF, 0, 1, 0, 0, 0, 0, 0, 0];
        m.extend(b"\x03a.\xFF\x00\x00\x0F\x00\x01");
        assert!(!decode(&m, true, &mut name).unwrap().malformed);
        assert_eq!(name.as_bytes(), b"a\\.\\255");
    }

    #[test]
    fn every_truncation_and_bit_flip_is_decoded() {
        let mut name = NameBuffer::default();
        let whole = query();
        for length in 0..whole.len() {
            let decoded = decode(&whole[..length], true, &mut name);
            assert_eq!(decoded.is_some(), length >= HEADER_BYTES);
            assert!(decoded.is_none_or(|m| m.malformed), "cut at {length}");
            assert!(decode(&whole[..length], false, &mut name).is_none_or(|m| !m.malformed));
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, true, &mut name).is_some());
            assert!(name.as_bytes().len() <= TEXT_NAME_BYTES);
        }
    }

    #[test]
    fn messages_are_taken_off_a_stream() {
        let mut stream = vec![0, 3, 1, 2, 3, 0, 0, 0, 9, 1];
        assert_eq!(framed(&stream), Framed::Message { message: &[1, 2, 3], consumed: 5 });
        stream.drain(..5);
        assert_eq!(framed(&stream), Framed::Message { message: &[], consumed: 2 });
        assert_eq!(framed(&stream[2..]), Framed::Incomplete);
        assert_eq!(framed(&[0]), Framed::Incomplete);
    }
}
