//! The parsers of the hot path against the `domain` crate: on seeded changes of real messages both
//! say the same.

use domain::base::iana::{OptionCode, Rtype};
use domain::base::opt::UnknownOptData;
use domain::base::{Message, ToName};
use seawall_dns_edge::message::{Answer, Query};
use seawall_model::hash::mix;

/// Messages per test; `SEAWALL_FUZZ_RUNS` asks for more.
fn runs() -> u64 {
    std::env::var("SEAWALL_FUZZ_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000)
}

/// Size, version, DO, cookie, and whether a network is named.
type Opt = (u16, u8, bool, Option<Vec<u8>>, bool);

/// What of a query matters, as each parser says it.
#[derive(Debug, PartialEq)]
struct Seen {
    id: u16,
    name: Vec<u8>,
    qtype: u16,
    qclass: u16,
    opt: Option<Opt>,
    is_signed: bool,
}

fn ours(message: &[u8]) -> Option<Seen> {
    let q = Query::parse(message).ok()?;
    Some(Seen {
        id: q.id,
        name: q.name.to_vec(),
        qtype: q.qtype,
        qclass: q.qclass,
        opt: q.edns.map(|e| {
            (e.udp_bytes, e.version, e.dnssec_ok, e.cookie.map(<[u8]>::to_vec), e.has_client_subnet)
        }),
        is_signed: q.is_signed,
    })
}

/// The same by `domain`, with the rules that are ours: one question with an uncompressed name, no
/// records but one OPT at the root and a signature at the end, nothing behind it.
fn theirs(bytes: &[u8]) -> Option<Seen> {
    let message = Message::from_octets(bytes).ok()?;
    let (header, counts) = (message.header(), message.header_counts());
    if header.qr()
        || counts.qdcount() != 1
        || (counts.ancount(), counts.nscount()) != (0, 0)
        || counts.arcount() > 2
    {
        return None;
    }
    let question = message.sole_question().ok()?;
    let name = question.qname().to_vec().as_slice().to_vec();
    let mut seen = Seen {
        id: header.id(),
        qtype: question.qtype().to_int(),
        qclass: question.qclass().to_int(),
        opt: None,
        is_signed: false,
        name,
    };
    let mut section = message.additional().ok()?;
    let mut end = 12 + seen.name.len() + 4;
    if bytes.get(12..12 + seen.name.len()) != Some(&seen.name) {
        return None;
    }
    for number in 0..counts.arcount() {
        let record = section.next()?.ok()?;
        let owner = record.owner().to_vec();
        match record.rtype() {
            Rtype::OPT if seen.opt.is_none() && owner.is_root() && bytes[end] == 0 => {
                seen.opt = Some(opt(&message)?);
            }
            Rtype::TSIG | Rtype::SIG if number + 1 == counts.arcount() => seen.is_signed = true,
            _ => return None,
        }
        if bytes.get(end..end + owner.as_slice().len()) != Some(owner.as_slice()) {
            return None;
        }
        end += owner.as_slice().len() + 10 + usize::from(record.rdlen());
    }
    (end == bytes.len()).then_some(seen)
}

fn opt(message: &Message<&[u8]>) -> Option<Opt> {
    let record = message.opt()?;
    let (mut cookie, mut has_subnet) = (None, false);
    for option in record.opt().iter::<UnknownOptData<_>>() {
        let option = option.ok()?;
        match option.code() {
            OptionCode::COOKIE if cookie.is_none() => cookie = Some(option.as_slice().to_vec()),
            OptionCode::CLIENT_SUBNET => has_subnet = true,
            _ => {}
        }
    }
    Some((record.udp_payload_size(), record.version(), record.dnssec_ok(), cookie, has_subnet))
}

fn queries() -> Vec<Vec<u8>> {
    let head = |count: u8| vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, count];
    let question = b"\x03wWw\x07Example\x04test\x00\x00\x1C\x00\x01";
    let opt = |options: &[u8]| {
        [b"\0\0\x29\x04\xD0\0\0\x80\0", &(options.len() as u16).to_be_bytes()[..], options].concat()
    };
    let cookie = b"\0\x0A\0\x08ABCDEFGH";
    let subnet = b"\0\x08\0\x07\0\x01\x18\0\xC0\0\x02";
    let tsig = b"\x03key\0\0\xFA\0\xFF\0\0\0\0\0\x03abc";
    vec![
        [&head(0)[..], question].concat(),
        [&head(1)[..], question, &opt(b"")].concat(),
        [&head(1)[..], question, &opt(cookie)].concat(),
        [&head(1)[..], question, &opt(&[&subnet[..], cookie, b"\0\x0C\0\x02\0\0"].concat())].concat(),
        [&head(2)[..], question, &opt(cookie), tsig].concat(),
        [&head(1)[..], question, tsig].concat(),
        [&head(0)[..], b"\0\0\x02\0\x01"].concat(),
    ]
}

fn answers() -> Vec<Vec<u8>> {
    let a: &[u8] = b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01";
    let cname: &[u8] = b"\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x06\x01b\xC0\x0E\x01c";
    let soa: &[u8] =
        b"\xC0\x0E\0\x06\0\x01\0\0\x0E\x10\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C";
    let opt: &[u8] = b"\0\0\x29\x04\xD0\0\0\0\0\0\0";
    let head = |code: u8, counts: [u8; 3]| {
        let mut m = vec![0, 1, 0x84, code, 0, 1, 0, counts[0], 0, counts[1], 0, counts[2]];
        m.extend(b"\x01a\x04test\0\0\x01\0\x01");
        m
    };
    vec![
        [&head(0, [1, 0, 1])[..], a, opt].concat(),
        [&head(0, [2, 1, 0])[..], cname, a, soa].concat(),
        [&head(3, [0, 1, 1])[..], soa, opt].concat(),
    ]
}

/// Some changes of one of the samples: bytes set, cut, doubled or put in.
fn changed(samples: &[Vec<u8>], run: u64) -> Vec<u8> {
    let mut random = mix(run);
    let mut message = samples[random as usize % samples.len()].clone();
    for _ in 0..random >> 8 & 3 {
        random = mix(random);
        let at = (random >> 8) as usize % message.len().max(1);
        let byte = [0, 1, 0x0C, 0x29, 0x3F, 0x40, 0xC0, 0xFF][(random >> 40) as usize % 8];
        match random & 7 {
            0..=2 if !message.is_empty() => message[at] = byte,
            3 if !message.is_empty() => message[at] ^= 1 << (random >> 40 & 7),
            4 => message.truncate(at),
            5 => message.insert(at, byte),
            6 => message.extend_from_within(at..),
            _ => message.push(byte),
        }
    }
    message
}

#[test]
fn queries_are_read_as_domain_reads_them() {
    let samples = queries();
    let (mut good, mut bad) = (0, 0);
    for run in 0..runs() {
        let message = changed(&samples, run);
        // Of other operations only header and question are read.
        if message.get(2).is_none_or(|b| b & 0x78 != 0) {
            continue;
        }
        let (ours, theirs) = (ours(&message), theirs(&message));
        assert_eq!(ours, theirs, "run {run}: {message:02X?}");
        *if ours.is_some() { &mut good } else { &mut bad } += 1;
    }
    assert!(good > runs() / 10 && bad > runs() / 10, "{good} and {bad}: both kinds are tried");
}

#[test]
fn answers_are_read_as_domain_reads_them() {
    let samples = answers();
    let (mut good, mut bad) = (0, 0);
    for run in 0..runs() {
        let bytes = changed(&samples, run);
        // The edge compares the question, byte by byte, before it reads on.
        const END: usize = 12 + 12;
        if bytes.get(4..6) != Some(&[0, 1]) || bytes.get(12..END) != Some(&samples[0][12..END]) {
            continue;
        }
        let Ok(answer) = Answer::parse(&bytes, END) else {
            bad += 1;
            continue;
        };
        let message = Message::from_octets(&bytes[..]).expect("as long as a header");
        let counts = message.header_counts();
        let all: usize =
            [counts.ancount(), counts.nscount(), counts.arcount()].iter().map(|n| usize::from(*n)).sum();
        assert_eq!(usize::from(answer.records), all.min(65_535));
        let mut ttls = Vec::new();
        for record in message.iter().map_while(Result::ok) {
            let (record, _) = record;
            if record.rtype() != Rtype::OPT {
                ttls.push(record.ttl().as_secs());
            }
        }
        // `domain` follows pointers, which may lead nowhere; as far as it reads, the times to live
        // are where we found them.
        let found = answer.ttls.iter().map(|at| usize::from(*at));
        let read: Vec<u32> =
            found.map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"))).collect();
        assert!(read.starts_with(&ttls) || answer.ttls.len() < ttls.len(), "run {run}: {bytes:02X?}");
        good += 1;
    }
    assert!(good > runs() / 20 && bad > runs() / 20, "{good} and {bad}");
}
