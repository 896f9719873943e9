//! The kernel filter, loaded and on no interface, beside the core of an edge with the same answers.

use seawall_dns_edge::core::reply::From;
use seawall_dns_edge::core::{Asker, Common, Core, Now, Outbox, Shared, Via};
use seawall_dns_edge::hot;
use seawall_dns_edge::message::name;
use seawall_dns_edge::{Backend, Limits, Pool, Settings};
use seawall_kernel::forge::Forged;
use seawall_kernel::model::Outcome;
use seawall_kernel::{DnsAnswer, DnsAnswers, DnsListener, DnsQuestion, Moment, XdpFilter};
use seawall_model::{Timestamp, hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub const PORT: u16 = 53;
/// The port that questions leave by.
const SOCKET: u32 = 77;
/// When all of it happens, so that times to live have aged.
const AT_US: u64 = 5_000_000;

/// Name, type, flags of an OPT record if there is one, bits of the header: names and records of
/// even and odd lengths, with and without data.
pub const TABLE: &[(&str, u16, Option<u16>, u16)] = &[
    ("www.example.org", 1, Some(0), 0x0100),
    ("www.example.org", 1, None, 0x0100),
    ("ww.example.org", 1, Some(0), 0),
    ("ww.example.org", 1, Some(0x8000), 0x0110),
    ("w.example.org", 16, None, 0),
    ("ww.example.org", 16, Some(0x8000), 0),
    ("absent.example.org", 1, Some(0), 0x0010),
    ("absents.example.org", 28, None, 0x0100),
    ("a-name-of-many-letters-that-fits-jus.in-two-labels.example.org", 1, Some(0), 0),
    ("x", 1, Some(0), 0),
];

pub struct Lab {
    pub filter: XdpFilter,
    pub answers: DnsAnswers,
    common: Common,
    core: Core,
    out: Outbox,
}

impl Lab {
    /// `None` where this machine does not allow it.
    pub fn new() -> Option<Self> {
        let mut filter = match XdpFilter::load_with_dns(64, [3, 5]) {
            Ok(filter) => filter,
            Err(error) if std::env::var_os("SEAWALL_KERNEL_TESTS").is_some() => {
                panic!("asked for, and not possible: {error}")
            }
            Err(error) => {
                eprintln!("skipped: {error}");
                return None;
            }
        };
        let mut answers = filter.take_dns().expect("tables");
        let listener =
            |ip: &str| DnsListener { address: ip.parse().expect("an address"), port: PORT, front: 0 };
        answers.listen(&["192.0.2.1", "2001:db8::1"].map(listener)).expect("listeners");
        answers.limit(0, 1_000_000).expect("limits");
        answers.turn(true).expect("on");
        let backend = Backend {
            name: "ns".to_owned(),
            address: ([127, 0, 0, 1], 5300).into(),
            weight: 1,
            tier: 0,
            proxy_protocol: false,
        };
        let settings = Settings {
            listeners: Vec::new(),
            tls: None,
            pools: vec![Pool { suffix: Box::new([0]), backends: vec![backend] }],
            zones: Vec::new(),
            limits: Limits { loud_bytes_per_s: 1 << 40, ..Limits::default() },
            threads: 1,
            enforce: true,
        };
        let common = Common::new(Arc::new(settings), &[9; 32]);
        common.hot.want(true);
        let mut core = Core::new(&common, Arc::<Shared>::default(), 0);
        core.begin(now(1_000_000), SOCKET);
        Some(Self { filter, answers, common, core, out: Outbox::default() })
    }

    /// Has the edge learn the answer, and gives it to the kernel by the edge's word.
    pub fn publish(&mut self, asked: &[u8]) {
        self.core.begin(now(1_000_000), SOCKET);
        self.core.query(&asker(), asked, &mut self.out);
        let passed = self.out.backends.first().map(|to| to.range.start as usize..to.range.end as usize);
        // With and without EDNS it is one question to the cache.
        if let Some(passed) = passed.map(|range| self.out.bytes[range].to_vec()) {
            let from = From { backend: 0, socket: SOCKET, over_tcp: false };
            self.core.answer(from, &answer(&passed), &mut self.out);
        }
        self.out.clear();
        self.core.begin(now(AT_US), SOCKET);
        for _ in 0..3 {
            assert!(self.edge_says(asked).is_some(), "it is kept");
        }
        let hot = self.common.hot.take(1).pop().expect("asked three times, it is hot");
        let good = hot::answer(&self.common.cache, &hot, AT_US).expect("an answer");
        assert!(good.good_for_us > 0);
        let question = DnsQuestion { front: 0, name: &hot.name, kind: hot.asked.qtype, bits: hot.asked.bits };
        let given = DnsAnswer { flags: good.flags, counts: good.counts, records: good.records };
        let now = Moment::now();
        let place = self.answers.put(&question, &given, now.monotonic_ns + 600_000_000_000, now);
        place.expect("it is written").expect("there is room");
    }

    /// The frame that the kernel sends back, if it does.
    pub fn reply(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        match self.filter.outcome(frame).expect("a run") {
            Outcome::Reply(sent) => Some(sent),
            Outcome::Pass | Outcome::Drop => None,
        }
    }

    /// What the edge answers at once.
    pub fn edge_says(&mut self, asked: &[u8]) -> Option<Vec<u8>> {
        self.core.query(&asker(), asked, &mut self.out);
        let said = self.out.clients.first().map(|to| to.range.start as usize..to.range.end as usize);
        let said = said.map(|range| self.out.bytes[range].to_vec());
        self.out.clear();
        said
    }
}

fn now(us: u64) -> Now {
    Now { us, wall: Timestamp::from_seconds(1_700_000_000).plus_ns(us as i64 * 1_000) }
}

fn asker() -> Asker {
    let address = SocketAddr::new([192, 0, 2, 7].into(), 40_000);
    Asker { address, via: Via::Udp { listener: 0, local: None } }
}

pub fn question(text: &str, kind: u16, opt_flags: Option<u16>, bits: u16) -> Vec<u8> {
    let mut m = vec![0xAA, 0xBB];
    m.extend(bits.to_be_bytes());
    m.extend([0, 1, 0, 0, 0, 0, 0, u8::from(opt_flags.is_some())]);
    m.extend(name::parse(text).expect("a name"));
    m.extend(kind.to_be_bytes());
    m.extend([0, 1]);
    if let Some(flags) = opt_flags {
        m.extend([0, 0, 0x29, 4, 0xD0, 0, 0]);
        m.extend(flags.to_be_bytes());
        m.extend([0, 0]);
    }
    m
}

/// What a name server says: an address, a text of odd length, or that there is no such name.
fn answer(asked: &[u8]) -> Vec<u8> {
    let end = 12 + asked[12..].iter().position(|b| *b == 0).expect("a name") + 5;
    let is_absent = asked[13] == b'a' && asked[14] == b'b';
    let is_text = asked[end - 3] == 16;
    let mut m = asked[..end].to_vec();
    m[2] |= 0x84;
    m[3] = m[3] & 0x10 | if is_absent { 3 } else { 0 };
    m[4..12].copy_from_slice(&[0, 1, 0, u8::from(!is_absent), 0, u8::from(is_absent), 0, 1]);
    if is_absent {
        m.extend(
            b"\xC0\x0C\0\x06\0\x01\0\0\0\x3C\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C",
        );
    } else if is_text {
        m.extend(b"\xC0\x0C\0\x10\0\x01\0\0\x01\x2C\0\x05\x04text");
    } else {
        m.extend(b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01");
    }
    m.extend(b"\0\0\x29\x04\xD0\0\0\0\0\0\0");
    m
}

pub fn frame_of(addresses: [&str; 2], tags: &[u16], message: &[u8]) -> Vec<u8> {
    let [source, destination]: [IpAddr; 2] = addresses.map(|a| a.parse().expect("an address"));
    let mut forged = Forged::udp(source, destination);
    forged.tags = tags.to_vec();
    forged.ports = (40_000, PORT);
    forged.payload = message.to_vec();
    forged.frame()
}

/// Holds a frame to what it must be: from `source` to `destination`, with this message and right
/// sums.
pub fn check_frame(frame: &[u8], source: IpAddr, destination: IpAddr, tags: usize, message: &[u8]) {
    let ip = &frame[14 + 4 * tags..];
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let (addresses, udp) = match source {
        IpAddr::V4(_) => {
            assert_eq!(sum(&ip[..20]), 0xFFFF, "the header's sum");
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), ip.len());
            (&ip[12..20], &ip[20..])
        }
        IpAddr::V6(_) => {
            assert_eq!(usize::from(u16::from_be_bytes([ip[4], ip[5]])), ip.len() - 40);
            (&ip[8..40], &ip[40..])
        }
    };
    assert_eq!(addresses, [octets(source), octets(destination)].concat());
    assert_eq!(udp[..4], [&PORT.to_be_bytes()[..], &40_000_u16.to_be_bytes()].concat());
    assert_eq!(udp[4..6], (udp.len() as u16).to_be_bytes());
    assert_eq!(&udp[8..], message);
    let mut all = [addresses, &[0, 17], &(udp.len() as u16).to_be_bytes()].concat();
    all.extend(udp);
    assert_eq!(sum(&all), 0xFFFF, "the message's sum");
}

fn sum(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum
}

pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        (hash::mix(self.0) % n as u64) as usize
    }
}
