//! Seeded populations for the mining tests: normal visitors, packets of ordinary sessions, and
//! the attacks' own traffic.

use seawall_model::Timestamp;
use seawall_model::hash::mix;
use seawall_model::observation::{Fragment, HttpVersion, Method, Presence, protocol, tcp_flags};
use seawall_model::record::{DnsRecord, PacketRecord, RequestRecord};
use std::net::{IpAddr, Ipv4Addr};

/// A small seeded generator.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed << 32)
    }

    pub fn next(&mut self) -> u64 {
        self.0 += 1;
        mix(self.0)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Small numbers more often than large ones.
    pub fn skewed(&mut self, bound: u64) -> u64 {
        let (a, b) = (self.below(bound), self.below(bound));
        a.min(b)
    }

    pub fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    pub fn address(&mut self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from((self.below(0xC000_0000) + 0x0B00_0000) as u32))
    }
}

/// Visitors of a site.
pub struct Normal {
    clients: Vec<IpAddr>,
    agents: Vec<String>,
}

impl Normal {
    pub fn new(random: &mut Random) -> Self {
        Self {
            clients: (0..600).map(|_| random.address()).collect(),
            agents: (0..40).map(|i| format!("Mozilla/5.0 (X11; like Gecko) Browser/{i}.0")).collect(),
        }
    }

    pub fn commonest_agent(&self) -> &str {
        &self.agents[0]
    }

    pub fn rare_agent(&self) -> &str {
        &self.agents[39]
    }

    pub fn request(&self, random: &mut Random) -> RequestRecord {
        let mut r = request(self.clients[random.skewed(600) as usize]);
        r.user_agent = self.agents[random.skewed(40) as usize].clone();
        r.path = match random.below(10) {
            0 | 1 => "/".into(),
            2..=5 => format!("/static/style{}.css", random.below(8)),
            6 | 7 => format!("/item/{}", random.below(5_000)),
            8 => "/search".into(),
            _ => "/about/team".into(),
        };
        r.query = (r.path == "/search").then(|| format!("q={}", random.letters(5)));
        r.referrer = match random.below(3) {
            0 => String::new(),
            1 => "https://www.search.example/".into(),
            _ => "https://shop.example/".into(),
        };
        r.version = if random.below(3) == 0 { HttpVersion::Http11 } else { HttpVersion::Http2 };
        r
    }
}

pub fn request(client: IpAddr) -> RequestRecord {
    RequestRecord {
        time: Timestamp(0),
        client,
        client_name: String::new(),
        method: Method::Get,
        host: "shop.example".into(),
        path: "/".into(),
        query: None,
        version: HttpVersion::Http11,
        status: 200,
        response_bytes: 1_000,
        duration_us: None,
        upstream_us: None,
        user_agent: String::new(),
        referrer: String::new(),
        cookie: Presence::Unknown,
        accept_language: Presence::Unknown,
        header_order: 0,
        ja4: String::new(),
        server: String::new(),
    }
}

pub fn tcp(source: IpAddr, flags: u8) -> PacketRecord {
    PacketRecord {
        time: Timestamp(0),
        source,
        destination: "192.0.2.10".parse().unwrap(),
        protocol: protocol::TCP,
        source_port: 40_000,
        destination_port: 443,
        length_bytes: 52,
        ttl: 52,
        fragment: Fragment::Whole,
        tcp_flags: flags,
        tcp_window: 501,
        tcp_options: 0xABCD,
        icmp_type: 0,
        payload_prefix: ([0; 16], 0),
        two_way: true,
    }
}

pub fn linux_first_packet(p: &mut PacketRecord, random: &mut Random) {
    p.source_port = 32_768 + random.below(28_000) as u16;
    p.length_bytes = 60;
    p.tcp_window = 64_240;
    p.tcp_options = 0x1111;
    p.ttl = 40 + random.below(24) as u8;
}

/// A packet of ordinary sessions with the service: first packets, acknowledgements, data.
pub fn session_packet(random: &mut Random) -> PacketRecord {
    let client = IpAddr::V4(Ipv4Addr::from(0x5000_0000 + random.below(400) as u32 * 7_919));
    let mut p = tcp(client, tcp_flags::ACK);
    p.source_port = 32_768 + random.below(28_000) as u16;
    p.ttl = 40 + random.below(24) as u8;
    match random.below(20) {
        0 => {
            p.tcp_flags = tcp_flags::SYN;
            linux_first_packet(&mut p, random);
        }
        1..=6 => {
            p.tcp_flags = tcp_flags::ACK | tcp_flags::PSH;
            p.length_bytes = 100 + random.below(1_300) as u32;
            p.payload_prefix = ([0x17, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
        }
        _ => p.tcp_window = 400 + random.below(200) as u16,
    }
    p
}

/// An answer of an open NTP server to a forged "monlist" (mode 7, request code 42).
pub fn monlist(random: &mut Random) -> PacketRecord {
    let mut p = tcp(random.address(), 0);
    p.protocol = protocol::UDP;
    p.tcp_window = 0;
    p.tcp_options = 0;
    p.source_port = 123;
    p.destination_port = random.below(60_000) as u16 + 1_024;
    p.length_bytes = 468;
    p.ttl = 40 + random.below(200) as u8;
    p.payload_prefix = ([0xD7, 0, 3, 0x2A, 0, 6, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    p.payload_prefix.0[1] = random.below(120) as u8;
    p.two_way = false;
    p
}

/// An answer of a name server: what a question for this name gets.
pub fn dns_answer(random: &mut Random, flags: u16, answers: u8, name: &[u8]) -> PacketRecord {
    let mut p = monlist(random);
    p.source_port = 53;
    p.length_bytes = 60 + random.below(1_400) as u32;
    let [id, id_low] = (random.below(65_536) as u16).to_be_bytes();
    let [high, low] = flags.to_be_bytes();
    let mut payload = [id, id_low, high, low, 0, 1, 0, answers, 0, 0, 0, 1, 0, 0, 0, 0];
    payload[12..].copy_from_slice(&name[..4]);
    p.payload_prefix = (payload, 16);
    p
}

pub fn query(random: &mut Random, name: impl Fn(&mut Random) -> String) -> DnsRecord {
    let name = name(random);
    DnsRecord {
        time: Timestamp(0),
        client: random.address(),
        is_response: false,
        query_type: if random.below(3) == 0 { 28 } else { 1 },
        response_code: 0,
        recursion_desired: random.below(10) != 0,
        message_bytes: 18 + name.len() as u32,
        name,
    }
}
