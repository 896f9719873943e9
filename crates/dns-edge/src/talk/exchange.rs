//! One question and its answer, over UDP, or over TCP where that does not fit; and whole zones.
//!
//! These calls wait: they are for threads that do nothing else.

use super::key::{Key, Untrusted};
use super::request::{Record, Request};
use crate::message::{HEADER_BYTES, code, flag, kind};
use crate::random::Random;
use domain::base::message::RecordSection;
use domain::base::name::{ParsedName, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::base::{Message, Name};
use domain::rdata::AllRecordData;
use seawall_model::Timestamp;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// For one datagram, and for one piece of a stream.
const DATAGRAM_PATIENCE: Duration = Duration::from_secs(1);
const STREAM_PATIENCE: Duration = Duration::from_secs(5);
/// Datagrams that are sent in vain before the server is silent.
const ATTEMPTS: u32 = 3;
/// The longest datagram that is taken.
const DATAGRAM_BYTES: usize = 4_096;

/// A server, and the key that is shared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub key: Option<Key>,
}

/// An answer, its records with uncompressed names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// At most 15.
    pub code: u16,
    pub is_authoritative: bool,
    pub answers: Vec<Record>,
    pub authority: Vec<Record>,
    pub additional: Vec<Record>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    Io(io::Error),
    Untrusted(Untrusted),
    /// It answers, with this code.
    Code(u16),
    /// What came is not an answer to the question.
    Nonsense,
    /// More than is taken.
    TooLarge,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => f.write_str("it does not answer"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Untrusted(why) => write!(f, "{why}"),
            Self::Code(code) => f.write_str(match *code {
                code::FORMAT_ERROR => "it does not understand the message",
                code::SERVER_FAILURE => "it failed (SERVFAIL)",
                code::NOT_IMPLEMENTED => "it does not do that (NOTIMP)",
                code::REFUSED => "it refuses (REFUSED)",
                8 => "something is not as it is expected to be (NXRRSET)",
                9 => "it is no server of the zone, or does not take the key (NOTAUTH)",
                _ => return write!(f, "it answers with code {code}"),
            }),
            Self::Nonsense => f.write_str("what it sends is no answer to the question"),
            Self::TooLarge => f.write_str("it sends more records than are taken"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Untrusted> for Failure {
    fn from(why: Untrusted) -> Self {
        Self::Untrusted(why)
    }
}

/// Asks a server; the id of the request is replaced. `now`: for signatures.
///
/// # Errors
/// If it does not answer, or something else.
pub fn ask(peer: &Peer, request: &Request<'_>, now: Timestamp) -> Result<Reply, Failure> {
    let request = Request { id: Random::default().u16(), ..request.clone() };
    let (asked, signed) = request.write(peer.key.as_ref(), now).ok_or(Failure::TooLarge)?;
    let answer = match over_udp(peer.address, &asked)? {
        answer if answer[2] & (flag::TRUNCATED >> 8) as u8 == 0 => answer,
        _ => over_tcp(peer.address, &asked)?,
    };
    let mut checking = signed;
    let answer = checking.check(answer, now)?;
    checking.end()?;
    read(&answer)
}

/// Asks over TCP, as what is long or changes something is.
///
/// # Errors
/// If it does not answer, or something else.
pub fn ask_stream(peer: &Peer, request: &Request<'_>, now: Timestamp) -> Result<Reply, Failure> {
    let request = Request { id: Random::default().u16(), ..request.clone() };
    let (asked, mut signed) = request.write(peer.key.as_ref(), now).ok_or(Failure::TooLarge)?;
    let answer = signed.check(over_tcp(peer.address, &asked)?, now)?;
    signed.end()?;
    read(&answer)
}

/// All records of a zone (AXFR, RFC 5936), without the SOA record at the end.
///
/// # Errors
/// If the server does not give it, or it has more than `most` records.
pub fn zone(peer: &Peer, apex: &[u8], most: usize, now: Timestamp) -> Result<Vec<Record>, Failure> {
    let request = Request::query(Random::default().u16(), apex, kind::AXFR);
    let (asked, mut signed) = request.write(peer.key.as_ref(), now).ok_or(Failure::TooLarge)?;
    let mut stream = send(peer.address, &asked)?;
    let mut all: Vec<Record> = Vec::new();
    loop {
        let message = receive(&mut stream)?;
        if message.get(..2) != asked.get(..2) {
            return Err(Failure::Nonsense);
        }
        let reply = read(&signed.check(message, now)?)?;
        if reply.code != code::NO_ERROR {
            return Err(Failure::Code(reply.code));
        }
        for record in reply.answers {
            let is_soa = record.kind == kind::SOA && *record.owner == *apex;
            if is_soa != all.is_empty() && !is_soa {
                return Err(Failure::Nonsense);
            }
            if is_soa && !all.is_empty() {
                signed.end()?;
                return Ok(all);
            }
            all.push(record);
        }
        if all.len() > most {
            return Err(Failure::TooLarge);
        }
    }
}

/// Reads an answer whole.
///
/// # Errors
/// If it is broken.
pub fn read(message: &[u8]) -> Result<Reply, Failure> {
    let broken = |_| Failure::Nonsense;
    let flags = message.get(2..4).ok_or(Failure::Nonsense)?;
    let flags = u16::from_be_bytes([flags[0], flags[1]]);
    let message = Message::from_octets(message).map_err(|_| Failure::Nonsense)?;
    let (_, answers, authority, additional) = message.sections().map_err(broken)?;
    Ok(Reply {
        code: flags & flag::CODE,
        is_authoritative: flags & flag::AUTHORITATIVE != 0,
        answers: records(answers)?,
        authority: records(authority)?,
        additional: records(additional)?,
    })
}

fn records(section: RecordSection<'_, &[u8]>) -> Result<Vec<Record>, Failure> {
    let mut all = Vec::new();
    for parsed in section {
        let parsed = parsed.map_err(|_| Failure::Nonsense)?;
        let kind = parsed.rtype().to_int();
        if matches!(kind, kind::OPT | kind::TSIG) {
            continue;
        }
        let record =
            parsed.to_any_record::<AllRecordData<_, ParsedName<_>>>().map_err(|_| Failure::Nonsense)?;
        let mut owner: Name<Vec<u8>> = record.owner().to_vec();
        owner.make_canonical();
        let mut data = Vec::new();
        record.data().compose_canonical_rdata(&mut data).map_err(|_| Failure::Nonsense)?;
        all.push(Record {
            owner: owner.into_octets().into(),
            kind,
            class: record.class().to_int(),
            ttl_s: record.ttl().as_secs(),
            data: data.into(),
        });
    }
    Ok(all)
}

fn over_udp(server: SocketAddr, asked: &[u8]) -> Result<Vec<u8>, Failure> {
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let mut last = Failure::Nonsense;
    for _ in 0..ATTEMPTS {
        // Another port each time.
        let socket = UdpSocket::bind(local)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(DATAGRAM_PATIENCE))?;
        socket.send(asked)?;
        let mut answer = vec![0; DATAGRAM_BYTES];
        match socket.recv(&mut answer) {
            Ok(length) if is_answer(&answer[..length], asked) => {
                answer.truncate(length);
                return Ok(answer);
            }
            Ok(_) => {}
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn over_tcp(server: SocketAddr, asked: &[u8]) -> Result<Vec<u8>, Failure> {
    let answer = receive(&mut send(server, asked)?)?;
    is_answer(&answer, asked).then_some(answer).ok_or(Failure::Nonsense)
}

fn send(server: SocketAddr, asked: &[u8]) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect_timeout(&server, STREAM_PATIENCE)?;
    stream.set_read_timeout(Some(STREAM_PATIENCE))?;
    stream.set_write_timeout(Some(STREAM_PATIENCE))?;
    let length = u16::try_from(asked.len()).map_err(|_| Failure::TooLarge)?;
    stream.write_all(&[&length.to_be_bytes()[..], asked].concat())?;
    Ok(stream)
}

fn receive(stream: &mut TcpStream) -> Result<Vec<u8>, Failure> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Whether a message answers: the same id, and the same question, or none.
fn is_answer(answer: &[u8], asked: &[u8]) -> bool {
    let Some(header) = answer.first_chunk::<HEADER_BYTES>() else { return false };
    let question = asked.get(HEADER_BYTES..).unwrap_or_default();
    let name = question.iter().position(|b| *b == 0).map_or(0, |end| end + 5);
    let echoed = answer.get(HEADER_BYTES..HEADER_BYTES + name);
    let has_question = header[5] == 1;
    header[..2] == asked[..2]
        && header[2] & 0x80 != 0
        // Answers to updates may leave it out (RFC 2136 section 3.8).
        && (!has_question || echoed == question.get(..name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_with_whole_names_in_lower_case() {
        let mut m = b"\0\x07\x84\0\0\x01\0\x01\0\0\0\0\x03Www\x07example\0\0\x0F\0\x01".to_vec();
        m.extend(b"\xC0\x0C\0\x0F\0\x01\0\0\0\x3C\0\x09\0\x0A\x04MAIL\xC0\x10");
        let reply = read(&m).expect("an answer");
        let [record] = &reply.answers[..] else { panic!("one record") };
        assert_eq!(&*record.owner, b"\x03www\x07example\0");
        assert_eq!(&*record.data, b"\0\x0A\x04mail\x07example\0");
        assert_eq!((record.kind, record.ttl_s, reply.is_authoritative, reply.code), (15, 60, true, 0));
        for length in 0..m.len() {
            assert!(read(&m[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let asked = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        let mut answer = asked.to_vec();
        assert!(!is_answer(&answer, asked), "the question itself");
        answer[2] = 0x80;
        assert!(is_answer(&answer, asked));
        answer[13] = b'b';
        assert!(!is_answer(&answer, asked));
    }
}
