//! dnstap: what a name server says of the messages it got and sent, as Protocol Buffers
//! (dnstap.proto of dnstap.info) in Frame Streams (the fstrm library).
//!
//! The [`Decoder`] does no I/O. Its caller keeps a buffer, calls [`Decoder::next`] with the bytes
//! not yet consumed, and reads more when told so. A frame that cannot be read is skipped by its
//! length and counted.

use super::bytes::be32;
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most bytes of one frame: two whole DNS messages with their ends and names fit many times.
/// Longer ones are passed over.
pub const FRAME_LIMIT_BYTES: usize = 1 << 18;
/// Most bytes of a control frame (fstrm's own limit).
const CONTROL_LIMIT_BYTES: usize = 512;
const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
const START: u32 = 2;
const FIELD_CONTENT_TYPE: u32 = 1;

/// A message that a server reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// Between the server and who asks it; otherwise what the server itself asked others.
    pub is_from_clients: bool,
    pub is_response: bool,
    pub over_tcp: bool,
    /// The side that asks. Servers may leave addresses out, for their clients' sake.
    pub client: Option<IpAddr>,
    pub server: Option<IpAddr>,
    pub client_port: u16,
    pub asked: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// The DNS message, as on the wire.
    pub message: &'a [u8],
}

impl Report<'_> {
    /// When the message itself was seen.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        if self.is_response { self.answered.or(self.asked) } else { self.asked }
    }

    /// From query to response, where the server told both.
    #[must_use]
    pub fn took_us(&self) -> Option<u64> {
        let (asked, answered) = self.asked.zip(self.answered)?;
        u64::try_from(answered.0.checked_sub(asked.0)?).ok().map(|ns| ns / 1_000)
    }
}

/// What the bytes at the start of the buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// No whole frame yet. At the end of the file these bytes are a cut frame.
    NeedMore,
    Report {
        report: Report<'a>,
        consumed: usize,
    },
    /// A control frame, or a part of a frame that is passed over.
    Skip {
        consumed: usize,
    },
    /// A frame that is no report.
    Broken {
        reason: &'static str,
        consumed: usize,
    },
}

impl Step<'_> {
    /// Bytes to drop from the front of the buffer before the next call.
    #[must_use]
    pub fn consumed(&self) -> usize {
        match *self {
            Self::NeedMore => 0,
            Self::Report { consumed, .. } | Self::Skip { consumed } | Self::Broken { consumed, .. } => {
                consumed
            }
        }
    }
}

/// Whether a file begins as a stream of dnstap frames does: with a control frame that says so.
#[must_use]
pub fn recognise(sample: &[u8]) -> bool {
    let Some(control) = control(sample) else { return false };
    let mut at = 4;
    while let (Some(kind), Some(length)) = (be32(control, at), be32(control, at + 4)) {
        let Some(value) = control.get(at + 8..).and_then(|rest| rest.get(..length as usize)) else { break };
        if kind == FIELD_CONTENT_TYPE && value == CONTENT_TYPE {
            return be32(control, 0) == Some(START);
        }
        at += 8 + value.len();
    }
    false
}

/// The body of the control frame that the bytes begin with.
fn control(bytes: &[u8]) -> Option<&[u8]> {
    let length = be32(bytes, 4).filter(|_| be32(bytes, 0) == Some(0))?;
    bytes.get(8..)?.get(..length as usize)
}

/// Reads one stream of frames.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// Bytes of a frame that is passed over, still to come.
    passing: usize,
}

impl Decoder {
    /// Takes the first frame off the buffer.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        if self.passing > 0 {
            let consumed = self.passing.min(bytes.len());
            self.passing -= consumed;
            return if consumed > 0 { Step::Skip { consumed } } else { Step::NeedMore };
        }
        let Some(length) = be32(bytes, 0) else { return Step::NeedMore };
        if length == 0 {
            return self.control(bytes);
        }
        if length as usize > FRAME_LIMIT_BYTES {
            return self.pass(4, length as usize, "a frame that is longer than any message");
        }
        let end = 4 + length as usize;
        let Some(frame) = bytes.get(4..end) else { return Step::NeedMore };
        match report(frame) {
            Ok(Some(report)) => Step::Report { report, consumed: end },
            Ok(None) => Step::Skip { consumed: end },
            Err(Bad(reason)) => Step::Broken { reason, consumed: end },
        }
    }

    fn control(&mut self, bytes: &[u8]) -> Step<'static> {
        let Some(length) = be32(bytes, 4) else { return Step::NeedMore };
        if length as usize > CONTROL_LIMIT_BYTES {
            return self.pass(8, length as usize, "a control frame that is longer than any");
        }
        match control(bytes) {
            Some(body) => Step::Skip { consumed: 8 + body.len() },
            None => Step::NeedMore,
        }
    }

    fn pass(&mut self, head: usize, length: usize, reason: &'static str) -> Step<'static> {
        self.passing = length;
        Step::Broken { reason, consumed: head }
    }
}

/// Why a frame is no report.
struct Bad(&'static str);

/// A field of a Protocol Buffers message.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, one after the other.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the end.
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Bad> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(self.take(8)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Number(self.take(4)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))),
            _ => return Err(Bad("a field of a kind that is not in use")),
        };
        Ok(Some((key >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, Bad> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(CUT)?;
            // What is beyond 64 bits is dropped, as Protocol Buffers have it.
            number |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Bad("a number without an end"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }
}

const CUT: Bad = Bad("a field that ends after its frame");

/// Reads a `Dnstap`; `None` if it is of a type other than MESSAGE, or has no DNS message in it.
fn report(frame: &[u8]) -> Result<Option<Report<'_>>, Bad> {
    let mut fields = Fields { rest: frame };
    let (mut message, mut is_message) = (None, true);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (14, Value::Bytes(bytes)) => message = Some(bytes),
            (15, Value::Number(kind)) => is_message = kind == 1,
            _ => {}
        }
    }
    message.filter(|_| is_message).map_or(Ok(None), read_message)
}

/// A point in time as two fields have it.
#[derive(Clone, Copy, Default)]
struct Moment {
    seconds: Option<u64>,
    nanoseconds: u64,
}

impl Moment {
    fn time(self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.seconds?).ok()?;
        let part = i64::try_from(self.nanoseconds).ok().filter(|ns| *ns < SECOND_NS)?;
        seconds.checked_mul(SECOND_NS)?.checked_add(part).map(Timestamp)
    }
}

/// Reads a `Message`.
fn read_message(bytes: &[u8]) -> Result<Option<Report<'_>>, Bad> {
    let mut fields = Fields { rest: bytes };
    let (mut kind, mut protocol, mut port) = (0, 0, 0);
    let (mut client, mut server, mut query, mut response) = (None, None, None, None);
    let (mut asked, mut answered) = (Moment::default(), Moment::default());
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(n)) => kind = n,
            (3, Value::Number(n)) => protocol = n,
            (4, Value::Bytes(b)) => client = address(b),
            (5, Value::Bytes(b)) => server = address(b),
            (6, Value::Number(n)) => port = u16::try_from(n).unwrap_or(0),
            (8, Value::Number(n)) => asked.seconds = Some(n),
            (9, Value::Number(n)) => asked.nanoseconds = n,
            (10, Value::Bytes(b)) => query = Some(b),
            (12, Value::Number(n)) => answered.seconds = Some(n),
            (13, Value::Number(n)) => answered.nanoseconds = n,
            (14, Value::Bytes(b)) => response = Some(b),
            _ => {}
        }
    }
    if !(1..=14).contains(&kind) {
        return Err(Bad("a report of a kind that is not known"));
    }
    // Even kinds are responses. AUTH and CLIENT are between the server and who asks it, UPDATE as
    // well; the others are what it asks itself.
    let is_response = kind % 2 == 0;
    let message = if is_response { response } else { query };
    Ok(message.map(|message| Report {
        is_from_clients: matches!(kind, 1 | 2 | 5 | 6 | 13 | 14),
        is_response,
        // UDP, and DNSCrypt over it; everything else needs a handshake.
        over_tcp: !matches!(protocol, 0 | 1 | 5),
        client,
        server,
        client_port: port,
        asked: asked.time(),
        answered: answered.time(),
        message,
    }))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|b| Ipv4Addr::from(*b).into()),
        16 => bytes.first_chunk::<16>().map(|b| Ipv6Addr::from(*b).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &[u8] = b"\0\0\0\0\0\0\0\x22\0\0\0\x02\0\0\0\x01\0\0\0\x16protobuf:dnstap.Dnstap";

    fn number(field: u8, value: u64) -> Vec<u8> {
        let mut out = vec![field << 3];
        let mut rest = value;
        while rest > 0x7F {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        out
    }

    fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
        let mut out = number(field, value.len() as u64);
        out[0] |= 2;
        out.extend(value);
        out
    }

    /// A frame with an answer to a client, of 250 microseconds.
    fn answer(kind: u64) -> Vec<u8> {
        let mut m = number(1, kind);
        m.extend(number(2, 1));
        m.extend(number(3, 1));
        m.extend(bytes(4, &[192, 0, 2, 7]));
        m.extend(bytes(5, &[192, 0, 2, 53]));
        m.extend(number(6, 40_000));
        m.extend(number(8, 1_700_000_000));
        m.extend(b"\x4D\0\0\0\0");
        m.extend(number(12, 1_700_000_000));
        m.extend(b"\x6D\x90\xD0\x03\0");
        m.extend(bytes(14, b"the message"));
        let body = [bytes(1, b"ns1"), bytes(14, &m), number(15, 1)].concat();
        [&(body.len() as u32).to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn a_report_is_read_in_full() {
        let frame = answer(6);
        let Step::Report { report, consumed } = Decoder::default().next(&frame) else { panic!("a report") };
        assert_eq!(consumed, frame.len());
        assert!(report.is_from_clients && report.is_response && !report.over_tcp);
        assert_eq!(report.client, Some([192, 0, 2, 7].into()));
        assert_eq!((report.client_port, report.message), (40_000, &b"the message"[..]));
        assert_eq!(
            (report.time(), report.took_us()),
            (Some(Timestamp(1_700_000_000_000_250_000)), Some(250))
        );
        let asked_by_the_server = answer(4);
        let step = Decoder::default().next(&asked_by_the_server);
        assert!(matches!(step, Step::Report { report, .. } if !report.is_from_clients));
    }

    #[test]
    fn a_stream_is_known_by_its_first_frame() {
        assert!(recognise(BEGIN));
        assert!(!recognise(&BEGIN[..BEGIN.len() - 1]));
        let mut other = BEGIN.to_vec();
        other[30] ^= 1;
        assert!(!recognise(&other) && !recognise(&answer(6)) && !recognise(b""));
    }

    #[test]
    fn what_is_broken_is_passed_over_by_its_length() {
        let long =
            [&(FRAME_LIMIT_BYTES as u32 + 1).to_be_bytes()[..], &vec![7; FRAME_LIMIT_BYTES + 1]].concat();
        let stream = [BEGIN, &answer(99), &long, &answer(5), b"\0\0\0\0\0\0\0\x04\0\0\0\x03"].concat();
        let mut decoder = Decoder::default();
        let (mut rest, mut broken, mut reports) = (&stream[..], 0, 0);
        while !rest.is_empty() {
            let step = decoder.next(rest);
            assert_ne!(step, Step::NeedMore);
            broken += u32::from(matches!(step, Step::Broken { .. }));
            reports += u32::from(matches!(step, Step::Report { .. }));
            rest = &rest[step.consumed()..];
        }
        // A query of which only a response is told has nothing to tell.
        assert_eq!((broken, reports), (2, 0));
    }

    #[test]
    fn every_truncation_and_bit_flip_is_decoded() {
        let whole = answer(2);
        for length in 0..whole.len() {
            assert_eq!(Decoder::default().next(&whole[..length]), Step::NeedMore, "cut at {length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let step = Decoder::default().next(&flipped);
            assert!(step.consumed() <= flipped.len());
        }
    }
}
