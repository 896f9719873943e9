//! A core on a bench: a clock that is turned by hand, back ends that answer as told.

use seawall_dns_edge::core::reply::From;
use seawall_dns_edge::core::{Asker, Common, Core, Now, Outbox, Shared, Via};
use seawall_dns_edge::exist::Zones;
use seawall_dns_edge::exist::transfer::Transfer;
use seawall_dns_edge::message::name;
use seawall_dns_edge::{Backend, Counter, Limits, Pool, Settings, ZoneSource};
use seawall_model::Timestamp;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub const PORT: u32 = 77;

/// A datagram or message that the core sent to a client.
#[derive(Clone, Debug)]
pub struct Sent {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub fn code(&self) -> u8 {
        self.bytes[3] & 15
    }

    pub fn is_truncated(&self) -> bool {
        self.bytes[2] & 2 != 0
    }

    pub fn answers(&self) -> u16 {
        u16::from_be_bytes([self.bytes[6], self.bytes[7]])
    }
}

/// A question that the core sent to a back end.
#[derive(Clone, Debug)]
pub struct Passed {
    pub backend: u16,
    pub over_tcp: bool,
    pub stream: u32,
    pub header_bytes: u16,
    pub bytes: Vec<u8>,
}

pub struct Bench {
    pub core: Core,
    pub shared: Arc<Shared>,
    pub common: Common,
    pub us: u64,
    /// Questions over TCP that have no answer.
    pub unanswered: usize,
    out: Outbox,
}

/// What a bench is set up with.
pub struct Setup {
    pub backends: usize,
    pub limits: Limits,
    /// Owners and types of the zone `example.org`; `None`: it is not known.
    pub zone: Option<Vec<(&'static str, u16)>>,
    /// Where zones would be transferred from.
    pub sources: Vec<ZoneSource>,
    pub enforce: bool,
    /// Back ends are told of clients.
    pub proxy_protocol: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            backends: 1,
            limits: Limits::default(),
            zone: None,
            sources: Vec::new(),
            enforce: true,
            proxy_protocol: false,
        }
    }
}

impl Setup {
    pub fn settings(&self) -> Settings {
        let backend = |i: usize| Backend {
            name: format!("ns{i}"),
            address: ([127, 0, 0, 1], 5300 + i as u16).into(),
            weight: 1,
            tier: 0,
            proxy_protocol: self.proxy_protocol,
        };
        let backends: Vec<_> = (0..self.backends).map(backend).collect();
        Settings {
            listeners: vec![([192, 0, 2, 53], 53).into()],
            tls: None,
            pools: vec![Pool { suffix: Box::new([0]), backends }],
            zones: self.sources.clone(),
            limits: self.limits,
            threads: 1,
            enforce: self.enforce,
        }
    }

    pub fn bench(self) -> Bench {
        let common = Common::new(Arc::new(self.settings()), &[9; 32]);
        if let Some(records) = &self.zone {
            common.zones.set(Zones::new([Arc::new(transferred(records))]));
        }
        let shared = Arc::<Shared>::default();
        let core = Core::new(&common, Arc::clone(&shared), 0);
        let mut bench = Bench { core, shared, common, us: 0, unanswered: 0, out: Outbox::default() };
        bench.at_us(1_000);
        bench
    }
}

/// The zone `example.org` with these records, as a transfer brings it.
fn transferred(records: &[(&str, u16)]) -> seawall_dns_edge::exist::Zone {
    let apex = name::parse("example.org").expect("a name");
    let soa = b"\x01n\0\x01a\0\0\0\0\x07\0\0\x0E\x10\0\0\x02\x58\0\x01\x51\x80\0\0\0\x3C";
    let mut all = vec![record("example.org", 6, soa)];
    all.extend(records.iter().map(|(owner, kind)| record(owner, *kind, b"x")));
    all.push(record("example.org", 6, soa));
    let mut message = vec![0, 3, 0x84, 0, 0, 0];
    message.extend((all.len() as u16).to_be_bytes());
    message.extend([0; 4]);
    all.iter().for_each(|r| message.extend(r));
    let mut transfer = Transfer::new(3, &apex, 5, 1_000);
    assert_eq!(transfer.take(&message), Ok(true));
    transfer.finish().expect("complete")
}

/// A record of class IN that lives for 300 seconds.
pub fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = name::parse(owner).expect("a name").to_vec();
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 1, 0x2C]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// A query for addresses with an OPT record that holds these options.
pub fn query(name: &str, options: &[u8]) -> Vec<u8> {
    query_of(name, 1, options)
}

pub fn query_of(name: &str, kind: u16, options: &[u8]) -> Vec<u8> {
    let mut m = vec![0xAA, 0xBB, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    m.extend(name::parse(name).expect("a name"));
    m.extend(kind.to_be_bytes());
    m.extend([0, 1, 0, 0, 0x29, 4, 0xD0, 0, 0, 0, 0]);
    m.extend((options.len() as u16).to_be_bytes());
    m.extend(options);
    m
}

/// An option with a cookie.
pub fn cookie_option(cookie: &[u8]) -> Vec<u8> {
    [&[0, 10, 0, cookie.len() as u8], cookie].concat()
}

/// The answer of a back end: one address, or a code with a SOA record that lives for 60 seconds.
pub fn answer(question: &[u8], code: u8) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).expect("a name") + 5;
    let mut m = question[..end].to_vec();
    m[2] |= 0x84;
    m[3] = code;
    let is_data = code == 0;
    m[4..12].copy_from_slice(&[0, 1, 0, u8::from(is_data), 0, u8::from(code == 3), 0, 1]);
    if is_data {
        m.extend(b"\xC0\x0C\0\x01\0\x01\0\0\x01\x2C\0\x04\x7F\0\0\x01");
    }
    if code == 3 {
        m.extend(
            b"\xC0\x0C\0\x06\0\x01\0\0\0\x3C\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C",
        );
    }
    m.extend(b"\0\0\x29\x04\xD0\0\0\0\0\0\0");
    m
}

pub fn udp(n: u32) -> Asker {
    let address = SocketAddr::new(IpAddr::from((0x0A00_0000 + n).to_be_bytes()), 4_000);
    Asker { address, via: Via::Udp { listener: 0, local: None } }
}

pub fn tcp(n: u32) -> Asker {
    let to = ([192, 0, 2, 53], 53).into();
    Asker { via: Via::Tcp { connection: n.into(), to, is_secret: false }, ..udp(n) }
}

impl Bench {
    /// Turns the clock.
    pub fn at_us(&mut self, us: u64) {
        self.us = us;
        let wall = Timestamp::from_seconds(1_700_000_000).plus_ns(us as i64 * 1_000);
        self.core.begin(Now { us, wall }, PORT);
    }

    pub fn pass_ms(&mut self, ms: u64) {
        self.at_us(self.us + ms * 1_000);
    }

    /// A client asks; what is sent to clients and to back ends.
    pub fn ask(&mut self, asker: &Asker, message: &[u8]) -> (Vec<Sent>, Vec<Passed>) {
        self.core.query(asker, message, &mut self.out);
        self.collect()
    }

    /// A back end says something, on the port that it was asked by.
    pub fn say(&mut self, backend: u16, message: &[u8]) -> (Vec<Sent>, Vec<Passed>) {
        self.say_from(From { backend, socket: PORT, over_tcp: false }, message)
    }

    pub fn say_from(&mut self, from: From, message: &[u8]) -> (Vec<Sent>, Vec<Passed>) {
        self.core.answer(from, message, &mut self.out);
        self.collect()
    }

    /// Timers run at the present time.
    pub fn expire(&mut self) -> (Vec<Sent>, Vec<Passed>) {
        self.core.expire(&mut self.out);
        self.collect()
    }

    /// A client asks, and the back end answers with a code; what the client gets.
    pub fn served(&mut self, asker: &Asker, message: &[u8], code: u8) -> Vec<Sent> {
        let (mut sent, passed) = self.ask(asker, message);
        for p in passed {
            self.pass_ms(1);
            sent.extend(self.say(p.backend, &answer(&p.bytes, code)).0);
        }
        sent
    }

    /// Goes on by other settings, on another port.
    pub fn change(&mut self, settings: Settings) -> (Vec<Sent>, Vec<Passed>) {
        self.common = self.common.with(settings);
        let now = self.core.now();
        self.core.begin(now, PORT + 1);
        self.core.change(&self.common, &mut self.out);
        self.collect()
    }

    pub fn count(&self, counter: Counter) -> u64 {
        self.shared.counters.get(counter)
    }

    fn collect(&mut self) -> (Vec<Sent>, Vec<Passed>) {
        let bytes = |r: &std::ops::Range<u32>| self.out.bytes[r.start as usize..r.end as usize].to_vec();
        let mut sent: Vec<Sent> =
            self.out.clients.iter().map(|c| Sent { to: c.to, bytes: bytes(&c.range) }).collect();
        let stream = |s: &seawall_dns_edge::core::outbox::ToStream| Sent {
            to: tcp(s.connection as u32).address,
            bytes: bytes(&s.range),
        };
        let (none, some): (Vec<_>, Vec<_>) = self.out.streams.iter().partition(|s| s.range.is_empty());
        sent.extend(some.into_iter().map(stream));
        self.unanswered += none.len();
        let passed = |b: &seawall_dns_edge::core::outbox::ToBackend| Passed {
            backend: b.backend,
            over_tcp: b.over_tcp,
            stream: b.stream,
            header_bytes: b.header_bytes,
            bytes: bytes(&b.range),
        };
        let passed = self.out.backends.iter().map(passed).collect();
        self.out.clear();
        (sent, passed)
    }
}
