//! Writes answers of our own, and queries to back ends.
//!
//! The question is copied as the client sent it, so that the case of its letters is kept (the
//! "0x20" bits, by which resolvers tell forged answers from true ones).

use super::query::{Edns, Query, option};
use super::{CLASS_IN, HEADER_BYTES, PLAIN_UDP_BYTES, flag, kind};
use crate::exist::lesson::Signed;
use crate::exist::ranges::Denial;

/// Length of an OPT record without options.
pub const OPT_BYTES: usize = 11;
/// The largest datagram that we send or ask for: what passes everywhere unfragmented (DNS flag
/// day 2020).
pub const UDP_BYTES: u16 = 1232;
/// Answers are padded to a multiple of this (RFC 8467 section 4.1), where they can be.
const PADDED_BYTES: usize = 468;

/// What is said in the OPT record of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opt<'a> {
    /// The client's cookie and ours (RFC 7873).
    pub cookie: Option<&'a [u8]>,
    /// What the server said of the client's network (RFC 7871 section 7.2.1): for whom the answer is.
    pub subnet: Option<&'a [u8]>,
    /// Bits of the code above the header's four.
    pub code: u16,
    /// The answer's length is to tell little: it is padded (RFC 7830).
    pub is_padded: bool,
}

impl Opt<'_> {
    /// Bytes of the options, without padding.
    #[inline]
    fn options_bytes(&self) -> usize {
        self.cookie.map_or(0, |c| 4 + c.len()) + self.subnet.map_or(0, |s| 4 + s.len())
    }
}

/// The largest answer that a client takes in one datagram.
#[inline]
#[must_use]
pub fn room_bytes(query: &Query<'_>) -> usize {
    query.edns.map_or(PLAIN_UDP_BYTES, |e| usize::from(e.udp_bytes.clamp(PLAIN_UDP_BYTES as u16, UDP_BYTES)))
}

/// Writes an answer with a code and no records; `flags` are added to the header's.
pub fn short(out: &mut Vec<u8>, message: &[u8], query: &Query<'_>, code: u16, flags: u16, opt: &Opt<'_>) {
    let start = out.len();
    head(out, message, query, code, flags);
    finish(out, start, query, &Opt { code, ..*opt });
}

/// Writes header and question. The records are to follow, and [`finish`].
pub fn head(out: &mut Vec<u8>, message: &[u8], query: &Query<'_>, code: u16, flags: u16) {
    out.extend(query.id.to_be_bytes());
    out.extend((flag::RESPONSE | kept(query.flags) | flags | code & flag::CODE).to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend(&message[HEADER_BYTES..query.question_end()]);
}

/// What an answer has of its question's flags: those of other operations mean something else, or nothing.
#[inline]
fn kept(flags: u16) -> u16 {
    let bits = if flags & flag::OPCODE == 0 { flag::RECURSION_DESIRED | flag::CHECKING_DISABLED } else { 0 };
    flags & (flag::OPCODE | bits)
}

/// Adds the OPT record, if the client speaks EDNS, to the answer that begins at `start`.
#[inline]
pub fn finish(out: &mut Vec<u8>, start: usize, query: &Query<'_>, opt: &Opt<'_>) {
    let Some(edns) = &query.edns else { return };
    add_opt(out, opt, edns.dnssec_ok);
    let count = u16::from_be_bytes([out[start + 10], out[start + 11]]).saturating_add(1);
    out[start + 10..start + 12].copy_from_slice(&count.to_be_bytes());
    if opt.is_padded {
        pad(out, start, opt_bytes(query, opt));
    }
}

/// Adds the padding option to the OPT record at the end, which has so many bytes, of the message
/// that begins at `start`.
fn pad(out: &mut Vec<u8>, start: usize, opt_bytes: usize) {
    let bytes = out.len() - start + 4;
    let padding = bytes.next_multiple_of(PADDED_BYTES) - bytes;
    if bytes + padding > usize::from(u16::MAX) {
        return;
    }
    let length_at = out.len() - opt_bytes + OPT_BYTES - 2;
    out.extend(option::PADDING.to_be_bytes());
    out.extend((padding as u16).to_be_bytes());
    out.resize(out.len() + padding, 0);
    let length = (opt_bytes - OPT_BYTES + 4 + padding) as u16;
    out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
}

/// Length of the OPT record that [`finish`] adds, without padding, which only answers over TLS have.
#[inline]
#[must_use]
pub fn opt_bytes(query: &Query<'_>, opt: &Opt<'_>) -> usize {
    if query.edns.is_none() {
        return 0;
    }
    OPT_BYTES + opt.options_bytes()
}

/// Writes the answer to what came with a whole header and is no query: the header alone, with a code.
pub fn malformed(out: &mut Vec<u8>, header: &[u8; HEADER_BYTES], code: u16) {
    let flags = u16::from_be_bytes([header[2], header[3]]);
    out.extend(&header[..2]);
    out.extend((flag::RESPONSE | kept(flags) | code).to_be_bytes());
    out.extend([0; 8]);
}

/// Writes the answer to a question for all types of a name (RFC 8482 section 4.2): one HINFO
/// record that says why there is no more; `flags` are added to the header's.
pub fn any(out: &mut Vec<u8>, message: &[u8], query: &Query<'_>, flags: u16, opt: &Opt<'_>) {
    const DATA: &[u8] = b"\x07RFC8482\x00";
    const TTL_S: u32 = 3_600;
    let start = out.len();
    head(out, message, query, super::code::NO_ERROR, flag::AUTHORITATIVE | flags);
    out[start + 7] = 1;
    out.extend([0xC0, HEADER_BYTES as u8]);
    out.extend(kind::HINFO.to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    out.extend(TTL_S.to_be_bytes());
    out.extend((DATA.len() as u16).to_be_bytes());
    out.extend(DATA);
    finish(out, start, query, opt);
}

/// Writes the answer that a name or its type does not exist, with proofs for who asks for them.
pub fn denied(out: &mut Vec<u8>, message: &[u8], query: &Query<'_>, denial: &Denial<'_>, opt: &Opt<'_>) {
    let start = out.len();
    let flags = if query.asks_for_checks() { denial.flags } else { denial.flags & !flag::AUTHENTIC };
    head(out, message, query, denial.code, flags);
    // The end of the question's name is the zone's.
    let apex_at = HEADER_BYTES + query.name.len() - denial.apex.len();
    let is_full = query.dnssec_ok();
    let sets = std::iter::once(denial.soa).chain(denial.proofs.into_iter().flatten().filter(|_| is_full));
    let mut count = 0;
    for set in sets {
        count += signed_set(out, start, apex_at, denial, set, is_full);
    }
    out[start + 8..start + 10].copy_from_slice(&count.to_be_bytes());
    finish(out, start, query, opt);
}

/// Writes a record set into the answer that begins at `start`; returns how many records it has.
fn signed_set(
    out: &mut Vec<u8>,
    start: usize,
    apex_at: usize,
    denial: &Denial<'_>,
    set: &Signed,
    is_full: bool,
) -> u16 {
    const COMPRESSED: usize = 0xC000;
    let labels = &set.owner[..set.owner.len().saturating_sub(denial.apex.len())];
    let mut pointer = COMPRESSED | apex_at;
    let mut rest = &set.bodies[..];
    let mut count = 0;
    while let Some(length) = rest.get(8..10).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]]))) {
        let at = out.len() - start;
        if count == 0 {
            out.extend_from_slice(labels);
        }
        out.extend((pointer as u16).to_be_bytes());
        if count == 0 && !labels.is_empty() {
            // Those that follow have the same owner.
            pointer = COMPRESSED | at;
        }
        let body = out.len();
        out.extend_from_slice(rest.get(..10 + length).unwrap_or(rest));
        out[body + 4..body + 8].copy_from_slice(&denial.ttl_s.to_be_bytes());
        rest = rest.get(10 + length..).unwrap_or_default();
        count += 1;
        if !is_full {
            break;
        }
    }
    count
}

/// Writes the query that a back end gets in place of the client's: the same question, those of its bits that
/// tell one answer from another, and an OPT record of ours. That an answer was checked is always asked for,
/// so that one answer serves who wants to know and who does not. Where the client names its network, its own
/// OPT record is passed on.
pub fn forwarded(out: &mut Vec<u8>, message: &[u8], query: &Query<'_>, id: u16) {
    out.extend(id.to_be_bytes());
    let kept = query.flags & (flag::RECURSION_DESIRED | flag::CHECKING_DISABLED);
    out.extend((kept | flag::AUTHENTIC).to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, 1]);
    out.extend(&message[HEADER_BYTES..query.question_end()]);
    match &query.edns {
        Some(Edns { has_client_subnet: true, .. }) => {
            // Other options than the subnet go along; a cookie of ours says nothing there.
            let opt = &message[query.question_end()..];
            copy_opt(out, opt);
        }
        edns => add_opt(out, &Opt::default(), edns.is_some_and(|e| e.dnssec_ok)),
    }
}

fn add_opt(out: &mut Vec<u8>, opt: &Opt<'_>, dnssec_ok: bool) {
    out.push(0);
    out.extend(kind::OPT.to_be_bytes());
    out.extend(UDP_BYTES.to_be_bytes());
    out.extend([(opt.code >> 4) as u8, 0, u8::from(dnssec_ok) << 7, 0]);
    out.extend((opt.options_bytes() as u16).to_be_bytes());
    if let Some(cookie) = opt.cookie {
        add_option(out, option::COOKIE, cookie);
    }
    if let Some(subnet) = opt.subnet {
        add_option(out, option::CLIENT_SUBNET, subnet);
    }
}

fn add_option(out: &mut Vec<u8>, number: u16, value: &[u8]) {
    out.extend(number.to_be_bytes());
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
}

/// Copies an OPT record that was read before, without its cookie and padding and with our size.
fn copy_opt(out: &mut Vec<u8>, opt: &[u8]) {
    let start = out.len();
    out.extend(&opt[..OPT_BYTES]);
    out[start + 3..start + 5].copy_from_slice(&UDP_BYTES.to_be_bytes());
    let mut rest = &opt[OPT_BYTES..];
    let mut left = usize::from(u16::from_be_bytes([opt[9], opt[10]]));
    while left >= 4 {
        let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if !matches!(u16::from_be_bytes([rest[0], rest[1]]), option::COOKIE | option::PADDING) {
            out.extend(&rest[..length]);
        }
        rest = &rest[length..];
        left -= length;
    }
    let length = (out.len() - start - OPT_BYTES) as u16;
    out[start + 9..start + 11].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::code;

    fn query(options: &[u8]) -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 1];
        m.extend(b"\x03wWw\x07Example\x04test\x00\x00\xFF\x00\x01");
        m.extend(b"\x00\x00\x29\x10\x00\x00\x00\x80\x00");
        m.extend((options.len() as u16).to_be_bytes());
        m.extend(options);
        m
    }

    #[test]
    fn a_refusal_keeps_the_question_as_sent_and_is_no_longer_than_it() {
        let asked = query(b"");
        let q = Query::parse(&asked).expect("a query");
        let mut out = Vec::new();
        short(&mut out, &asked, &q, code::REFUSED, 0, &Opt::default());
        assert_eq!(out.len(), asked.len());
        assert_eq!(out[..4], [0x12, 0x34, 0x81, 0x15]);
        assert_eq!(out[12..q.question_end()], asked[12..q.question_end()]);
    }

    #[test]
    fn a_code_above_fifteen_is_in_the_opt_record() {
        let asked = query(b"");
        let q = Query::parse(&asked).expect("a query");
        let mut out = Vec::new();
        short(&mut out, &asked, &q, code::BAD_COOKIE, 0, &Opt { cookie: Some(&[7; 24]), ..Opt::default() });
        let answer = super::super::Answer::parse(&out, q.question_end()).expect("an answer");
        assert_eq!(answer.code, code::BAD_COOKIE);
        assert_eq!(out.len(), q.question_end() + OPT_BYTES + 4 + 24);
        assert_eq!(opt_bytes(&q, &Opt { cookie: Some(&[7; 24]), ..Opt::default() }), OPT_BYTES + 28);
    }

    #[test]
    fn a_question_for_everything_gets_one_record() {
        let asked = query(b"");
        let q = Query::parse(&asked).expect("a query");
        let mut out = Vec::new();
        any(&mut out, &asked, &q, 0, &Opt::default());
        let answer = super::super::Answer::parse(&out, q.question_end()).expect("an answer");
        assert_eq!((answer.answers, answer.code, answer.least_ttl_s), (1, 0, Some(3_600)));
    }

    #[test]
    fn a_padded_answer_is_a_multiple_long_and_still_an_answer() {
        let asked = query(b"");
        let q = Query::parse(&asked).expect("a query");
        for cookie in [None, Some(&[7; 24][..])] {
            let mut out = b"before".to_vec();
            short(&mut out, &asked, &q, code::REFUSED, 0, &Opt { cookie, is_padded: true, ..Opt::default() });
            let answer = super::super::Answer::parse(&out[6..], q.question_end()).expect("an answer");
            assert_eq!((out.len() - 6, answer.can_be_cached), (PADDED_BYTES, true));
            assert_eq!(answer.opt, Some((q.question_end(), PADDED_BYTES - q.question_end())));
        }
        let mut long = vec![0; 65_525];
        let before = long.len();
        pad(&mut long, 0, OPT_BYTES);
        assert_eq!(long.len(), before, "no longer than a message can be");
    }

    #[test]
    fn a_back_end_gets_the_clients_network_but_not_its_cookie() {
        let subnet = b"\0\x08\0\x07\0\x01\x18\0\xC0\0\x02";
        let asked = query(&[&b"\0\x0A\0\x08ABCDEFGH\0\x0C\0\x02\0\0"[..], subnet].concat());
        let q = Query::parse(&asked).expect("a query");
        let mut out = Vec::new();
        forwarded(&mut out, &asked, &q, 7);
        let sent = Query::parse(&out).expect("a query");
        let edns = sent.edns.expect("EDNS");
        assert!(edns.has_client_subnet && edns.dnssec_ok && edns.cookie.is_none() && !edns.has_padding);
        assert_eq!((sent.id, sent.name, edns.udp_bytes), (7, q.name, UDP_BYTES));
        assert!(out.ends_with(subnet));
    }
}
