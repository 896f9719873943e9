//! Reads a query in place: fixed offsets, no allocation, no name followed through a pointer.
//!
//! A real query is a header, one question, and at most an OPT record and a signature. What has
//! more, or ends elsewhere, is malformed.

use super::name::NAME_BYTES;
use super::{HEADER_BYTES, answer, be16, flag, kind};

/// Options of EDNS that matter here (IANA).
pub(crate) mod option {
    pub const CLIENT_SUBNET: u16 = 8;
    pub const COOKIE: u16 = 10;
    pub const PADDING: u16 = 12;
}

/// Why something is not a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than a header.
    Short,
    /// An answer, sent to where questions are asked.
    Response,
    /// Not one question, or records that no query has.
    Counts,
    /// A name that is too long, cut off or compressed.
    Name,
    /// A record that is cut off, or no OPT where one is due.
    Record,
    /// Bytes after the end.
    Trailing,
}

/// A query, borrowed from the datagram it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    pub id: u16,
    /// Bytes 2 and 3 of the header.
    pub flags: u16,
    /// As sent, in wire form with the root label.
    pub name: &'a [u8],
    pub qtype: u16,
    pub qclass: u16,
    pub edns: Option<Edns<'a>>,
    /// It ends in a signature (TSIG or SIG(0)), which only its receiver can check.
    pub is_signed: bool,
    /// Length of the whole message.
    pub bytes: usize,
}

/// What the OPT record of a query says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The largest datagram that the sender takes.
    pub udp_bytes: u16,
    pub version: u8,
    /// DNSSEC records are wanted (RFC 3225).
    pub dnssec_ok: bool,
    pub cookie: Option<&'a [u8]>,
    /// A network of a client is named (RFC 7871): the answer may be for that network only.
    pub has_client_subnet: bool,
    pub has_padding: bool,
}

impl<'a> Query<'a> {
    /// Reads a datagram, or one message of a stream.
    ///
    /// # Errors
    /// Why it is not a query. For an opcode other than QUERY, only the header, the question and, where it can
    /// be found, the OPT record are read.
    #[inline]
    pub fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let header = message.first_chunk::<HEADER_BYTES>().ok_or(Malformed::Short)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let flags = word(2);
        if flags & flag::RESPONSE != 0 {
            return Err(Malformed::Response);
        }
        let is_plain = flags & flag::OPCODE == 0;
        let counts_fit = !is_plain || (word(6) == 0 && word(8) <= 1 && word(10) <= 2);
        if word(4) != 1 || !counts_fit {
            return Err(Malformed::Counts);
        }
        let end = name_end(message)?;
        let qtype = be16(message, end).ok_or(Malformed::Record)?;
        let qclass = be16(message, end + 2).ok_or(Malformed::Record)?;
        let mut query = Self {
            id: word(0),
            flags,
            name: &message[HEADER_BYTES..end],
            qtype,
            qclass,
            edns: None,
            is_signed: false,
            bytes: message.len(),
        };
        if is_plain {
            let at = match word(8) {
                0 => end + 4,
                // Who asks for differences says what it has (RFC 1995 section 3).
                _ if qtype == kind::IXFR => skip_record(message, end + 4)?,
                _ => return Err(Malformed::Counts),
            };
            query.read_additional(message, at, word(10))?;
        } else {
            query.read_other(message, end + 4, [word(6), word(8), word(10)]);
        }
        Ok(query)
    }

    #[inline]
    #[must_use]
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }

    #[inline]
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|e| e.dnssec_ok)
    }

    /// Whether the asker is told that the answer was checked: who asks for it, or for DNSSEC records
    /// (RFC 6840 section 5.8).
    #[inline]
    #[must_use]
    pub fn asks_for_checks(&self) -> bool {
        self.dnssec_ok() || self.flags & flag::AUTHENTIC != 0
    }

    /// Where the question ends.
    #[inline]
    #[must_use]
    pub fn question_end(&self) -> usize {
        HEADER_BYTES + self.name.len() + 4
    }

    /// Of another operation, whose records may be any: whoever sends an OPT record gets one back
    /// (RFC 6891 section 6.1.1).
    fn read_other(&mut self, message: &'a [u8], mut at: usize, counts: [u16; 3]) {
        for _ in 0..u32::from(counts[0]) + u32::from(counts[1]) {
            // Each is longer than nothing, and the message ends.
            let Ok(next) = skip_record(message, at) else { return };
            at = next;
        }
        // What cannot be read is refused all the same.
        let _ = self.read_additional(message, at, counts[2]);
    }

    fn read_additional(&mut self, message: &'a [u8], mut at: usize, count: u16) -> Result<(), Malformed> {
        for number in 0..count {
            // OPT is at the root. A signature comes last, and is named by its key.
            let is_root = message.get(at) == Some(&0);
            let start = skip_name(message, at)?;
            let kind = be16(message, start).ok_or(Malformed::Record)?;
            let length = be16(message, start + 8).ok_or(Malformed::Record)?;
            let data = start + 10;
            let end = data + usize::from(length);
            let body = message.get(data..end).ok_or(Malformed::Record)?;
            match kind {
                kind::OPT if is_root && self.edns.is_none() => {
                    let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
                    let mut edns = Edns {
                        udp_bytes: word(start + 2),
                        version: message[start + 5],
                        dnssec_ok: message[start + 6] & 0x80 != 0,
                        ..Edns::default()
                    };
                    edns.read_options(body)?;
                    self.edns = Some(edns);
                }
                kind::TSIG | kind::SIG if number + 1 == count => self.is_signed = true,
                _ => return Err(Malformed::Record),
            }
            at = end;
        }
        if at == message.len() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

impl<'a> Edns<'a> {
    fn read_options(&mut self, mut body: &'a [u8]) -> Result<(), Malformed> {
        while !body.is_empty() {
            let code = be16(body, 0).ok_or(Malformed::Record)?;
            let length = usize::from(be16(body, 2).ok_or(Malformed::Record)?);
            let value = body.get(4..4 + length).ok_or(Malformed::Record)?;
            match code {
                option::COOKIE if self.cookie.is_none() => self.cookie = Some(value),
                option::CLIENT_SUBNET => self.has_client_subnet = true,
                option::PADDING => self.has_padding = true,
                _ => {}
            }
            body = &body[4 + length..];
        }
        Ok(())
    }
}

/// Where the question's name ends, which must not be compressed.
#[inline]
fn name_end(message: &[u8]) -> Result<usize, Malformed> {
    let mut at = HEADER_BYTES;
    loop {
        match *message.get(at).ok_or(Malformed::Name)? {
            0 => break,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return Err(Malformed::Name),
        }
        if at >= HEADER_BYTES + NAME_BYTES {
            return Err(Malformed::Name);
        }
    }
    Ok(at + 1)
}

/// Where the bytes after the record at `at` begin, whose name may be compressed.
fn skip_record(message: &[u8], at: usize) -> Result<usize, Malformed> {
    let start = answer::skip_name(message, at).map_err(|_| Malformed::Record)?;
    let length = be16(message, start + 8).ok_or(Malformed::Record)?;
    Ok(start + 10 + usize::from(length))
}

/// Where the bytes after the name at `at` begin. The length of a signature's key is bounded.
#[inline]
fn skip_name(message: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let limit = at + NAME_BYTES;
    while at < limit {
        match *message.get(at).ok_or(Malformed::Record)? {
            0 => return Ok(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return Err(Malformed::Record),
        }
    }
    Err(Malformed::Record)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn sample() -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 1];
        m.extend(b"\x03wWw\x07Example\x04test\x00\x00\x1C\x00\x01");
        m.extend(b"\x00\x00\x29\x04\xD0\x00\x00\x80\x00\x00\x0C\x00\x0A\x00\x08ABCDEFGH");
        m
    }

    #[test]
    fn a_query_is_read_in_full() {
        let bytes = sample();
        let q = Query::parse(&bytes).expect("a query");
        assert_eq!((q.id, q.qtype, q.qclass, q.opcode()), (0x1234, 28, 1, 0));
        assert_eq!(q.name, b"\x03wWw\x07Example\x04test\0");
        assert_eq!(q.flags & flag::CHECKING_DISABLED, flag::CHECKING_DISABLED);
        let edns = q.edns.expect("EDNS");
        assert!(edns.dnssec_ok && !edns.has_client_subnet);
        assert_eq!((edns.udp_bytes, edns.cookie), (1232, Some(&b"ABCDEFGH"[..])));
    }

    #[test]
    fn what_no_client_sends_is_malformed() {
        let good = sample();
        let changed = |at: usize, to: u8| {
            let mut m = good.clone();
            m[at] = to;
            Query::parse(&m).err()
        };
        assert_eq!(changed(2, 0x81), Some(Malformed::Response));
        assert_eq!(changed(5, 2), Some(Malformed::Counts));
        assert_eq!(changed(7, 1), Some(Malformed::Counts));
        assert_eq!(changed(12, 0xC0), Some(Malformed::Name));
        assert_eq!(changed(good.len() - 9, 9), Some(Malformed::Record));
        assert_eq!(changed(11, 0), Some(Malformed::Trailing));
        for length in 0..good.len() {
            assert!(Query::parse(&good[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_is_one_and_256_are_not() {
        let with = |last: usize| {
            let mut m = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for length in [63, 63, 63, last] {
                m.push(length as u8);
                m.extend(vec![b'a'; length]);
            }
            m.extend([0, 0, 1, 0, 1]);
            Query::parse(&m).map(|q| q.name.len())
        };
        assert_eq!(with(61), Ok(255));
        assert_eq!(with(62), Err(Malformed::Name));
    }

    #[test]
    fn a_second_opt_record_is_malformed() {
        let mut m = sample();
        m[11] = 2;
        m.extend(b"\x00\x00\x29\x04\xD0\x00\x00\x80\x00\x00\x00");
        assert_eq!(Query::parse(&m), Err(Malformed::Record));
    }
}
