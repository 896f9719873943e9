//! Load for measuring DNS fronts side by side, over real sockets in a network namespace:
//!
//! ```text
//! dns_load backend ADDRESS PER_S           a server of example.org that answers so many a second
//! dns_load people SERVER SECONDS PER_S     real queries from 40 resolvers, and how they fared
//! dns_load flood SERVER SECONDS PER_S SEED random names from 100,000 forged addresses, a tenth of
//!                                          them those of the resolvers
//! dns_load spoof SERVER SECONDS PER_S SEED the same, all of them from the resolvers' addresses
//! dns_load garbage SERVER SECONDS PER_S    bytes that are no query, from 100,000 addresses
//! dns_load reflect SERVER SECONDS PER_S    TXT questions in the name of three victims
//! dns_load tcp SERVER SECONDS PER_S SEED   random names over 400 connections of 200 addresses
//! ```
//!
//! Names `hostN` exist. A query counts as served if its answer comes within a second, whole.

#![allow(clippy::disallowed_methods, reason = "a load generator lives in real time")]

use seawall_model::hash::mix;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Addresses of real resolvers: 10.9.0.1 and on.
const RESOLVERS: u32 = 40;
const FIRST_RESOLVER: u32 = 0x0A09_0001;
/// Names that exist and are asked for.
const NAMES: u64 = 400;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["backend", address, per_s] => backend(address.parse()?, per_s.parse()?),
        ["people", server, seconds, per_s] => people(server.parse()?, seconds.parse()?, per_s.parse()?),
        [kind @ ("flood" | "spoof"), server, seconds, per_s, seed] => {
            let kind = if kind == "flood" { Forged::Flood } else { Forged::Resolvers };
            forged(server.parse()?, seconds.parse()?, per_s.parse()?, kind, seed.parse()?)
        }
        ["garbage", server, seconds, per_s] => {
            forged(server.parse()?, seconds.parse()?, per_s.parse()?, Forged::Garbage, 0)
        }
        ["reflect", server, seconds, per_s] => {
            forged(server.parse()?, seconds.parse()?, per_s.parse()?, Forged::Reflection, 0)
        }
        ["tcp", server, seconds, per_s, seed] => {
            over_tcp(server.parse()?, seconds.parse()?, per_s.parse()?, seed.parse()?)
        }
        _ => Err("see the head of the file for what to say".into()),
    }
}

fn query(id: u16, host: &str, kind: u16) -> Vec<u8> {
    let mut m = id.to_be_bytes().to_vec();
    m.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 1, host.len() as u8]);
    m.extend(host.as_bytes());
    m.extend(b"\x07example\x03org\0");
    m.extend(kind.to_be_bytes());
    m.extend(b"\0\x01\0\0\x29\x04\xD0\0\0\0\0\0\0");
    m
}

/// Answers in order, each at its time; what does not fit into the socket's buffer is lost.
fn backend(address: SocketAddr, per_s: u64) -> Outcome {
    let socket = UdpSocket::bind(address)?;
    let each = Duration::from_nanos(1_000_000_000 / per_s);
    let mut free = Instant::now();
    let mut message = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut message)?;
        free = free.max(Instant::now()) + each;
        // Sleeping is coarse: short debts are run up, and paid together.
        let ahead = free.saturating_duration_since(Instant::now());
        if ahead > Duration::from_millis(1) {
            std::thread::sleep(ahead);
        }
        let Some(end) = message[12..length].iter().position(|b| *b == 0).map(|p| p + 17) else { continue };
        let exists = message[13..].starts_with(b"host") || message[13..].starts_with(b"HOST");
        let mut answer = message[..end.min(length)].to_vec();
        answer[2] |= 0x84;
        answer[3] = if exists { 0 } else { 3 };
        answer[4..12].copy_from_slice(&[0, 1, 0, u8::from(exists), 0, u8::from(!exists), 0, 0]);
        if exists {
            // Two seconds, so that the cache does not do all the work.
            answer.extend(b"\xC0\x0C\0\x01\0\x01\0\0\0\x02\0\x04\x7F\0\0\x01");
        } else {
            answer.extend(
                b"\xC0\x0C\0\x06\0\x01\0\0\0\x3C\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C",
            );
        }
        let _ = socket.send_to(&answer, from);
    }
}

/// One second of real queries.
#[derive(Clone, Default)]
struct Second {
    asked: u64,
    served: u64,
    cut: u64,
    failed: u64,
    took_us: Vec<u64>,
}

fn people(server: SocketAddr, seconds: u64, per_s: u64) -> Outcome {
    let sockets: Vec<UdpSocket> = (0..RESOLVERS)
        .map(|n| {
            let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::from(FIRST_RESOLVER + n), 0))?;
            socket.set_nonblocking(true)?;
            socket.connect(server)?;
            Ok(socket)
        })
        .collect::<std::io::Result<_>>()?;
    let start = Instant::now();
    let mut all = vec![Second::default(); seconds as usize];
    // By id: when it was asked, in which second, of whom.
    let mut waiting: Vec<Option<(Instant, usize)>> = vec![None; 1 << 16];
    let (mut sent, total) = (0_u64, seconds * per_s);
    let mut message = [0; 2_048];
    while start.elapsed() < Duration::from_secs(seconds + 1) {
        let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
        while sent < due.min(total) {
            let second = (sent / per_s) as usize;
            let id = sent as u16;
            let host = format!("host{}", mix(sent) % NAMES);
            waiting[usize::from(id)] = Some((Instant::now(), second));
            all[second].asked += 1;
            let _ = sockets[(sent % u64::from(RESOLVERS)) as usize].send(&query(id, &host, 1));
            sent += 1;
        }
        for socket in &sockets {
            while let Ok(length) = socket.recv(&mut message) {
                let id = u16::from_be_bytes([message[0], message[1]]);
                let Some((asked, second)) = waiting[usize::from(id)].take() else { continue };
                let took = asked.elapsed();
                if length < 12 || took > Duration::from_secs(1) {
                    continue;
                }
                let of = &mut all[second];
                match (message[2] & 2 != 0, message[3] & 15, message[7]) {
                    (true, ..) => of.cut += 1,
                    (_, 0, 1..) => {
                        of.served += 1;
                        of.took_us.push(took.as_micros() as u64);
                    }
                    _ => of.failed += 1,
                }
            }
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    for (number, second) in all.iter_mut().enumerate() {
        second.took_us.sort_unstable();
        let p99 = second.took_us.get(second.took_us.len() * 99 / 100).copied().unwrap_or(0);
        println!(
            "{number} asked {} served {} tcp {} failed {} p99_us {p99}",
            second.asked, second.served, second.cut, second.failed
        );
    }
    Ok(())
}

/// What comes from forged addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forged {
    /// Random names, a tenth of them from the addresses of resolvers.
    Flood,
    /// Random names from the addresses of resolvers.
    Resolvers,
    Garbage,
    /// Questions for a large record in the name of three victims.
    Reflection,
}

impl Forged {
    /// Source and payload of the packet with this number.
    fn draw(self, number: u64, random: u64) -> (u32, Vec<u8>) {
        let other = 0x0A64_0000 + (random >> 8) as u32 % 100_000;
        let resolver = FIRST_RESOLVER + (random >> 8) as u32 % RESOLVERS;
        let random_name = || query(random as u16, &format!("x{random:x}"), 1);
        match self {
            Self::Flood if random.is_multiple_of(10) => (resolver, random_name()),
            Self::Flood => (other, random_name()),
            Self::Resolvers => (resolver, random_name()),
            Self::Garbage => {
                let length = 8 + random as usize % 120;
                (other, (0..length as u64).map(|i| mix(random ^ i) as u8).collect())
            }
            Self::Reflection => (0x0A64_0000 + (number % 3) as u32 * 256, query(random as u16, "big", 16)),
        }
    }
}

/// Sends from forged addresses.
fn forged(server: SocketAddr, seconds: u64, per_s: u64, kind: Forged, seed: u64) -> Outcome {
    let IpAddr::V4(to) = server.ip() else { return Err("an IPv4 server is expected".into()) };
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    raw.set_header_included_v4(true)?;
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < Duration::from_secs(seconds) {
        let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
        while sent < due {
            let random = mix(sent ^ seed << 32);
            let (from, payload) = kind.draw(sent, random);
            let packet =
                packet(from, u32::from(to), 1_024 + (random >> 40) as u16 % 60_000, server.port(), &payload);
            let _ = raw.send_to(&packet, &SocketAddr::from((to, 0)).into());
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("sent {sent}");
    Ok(())
}

/// Connections of [`over_tcp`], and the addresses that they come from.
const CONNECTIONS: usize = 400;
const CONNECTED: u32 = 200;
/// The first of them: 10.8.0.1.
const FIRST_CONNECTED: u32 = 0x0A08_0001;

/// Random names over real connections; one that is closed is opened again.
fn over_tcp(server: SocketAddr, seconds: u64, per_s: u64, seed: u64) -> Outcome {
    let connect = |n: usize| -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        let from = Ipv4Addr::from(FIRST_CONNECTED + n as u32 % CONNECTED);
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&server.into(), Duration::from_millis(200))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let mut all: Vec<Option<Socket>> = (0..CONNECTIONS).map(|n| connect(n).ok()).collect();
    let start = Instant::now();
    let (mut sent, mut opened) = (0, CONNECTIONS);
    let mut waste = [std::mem::MaybeUninit::uninit(); 4_096];
    while start.elapsed() < Duration::from_secs(seconds) {
        let due = (start.elapsed().as_secs_f64() * per_s as f64) as u64;
        while sent < due {
            let n = sent as usize % CONNECTIONS;
            let random = mix(sent ^ seed << 32);
            sent += 1;
            if all[n].is_none() {
                all[n] = connect(n).ok();
                opened += 1;
            }
            let Some(socket) = &all[n] else { continue };
            let message = query(random as u16, &format!("x{random:x}"), 1);
            let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
            while socket.recv(&mut waste).is_ok_and(|n| n > 0) {}
            // A connection that takes only a part is one that is no longer in step.
            if socket.send(&framed).ok() != Some(framed.len()) {
                all[n] = None;
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("sent {sent} over {opened} connections");
    Ok(())
}

/// An IPv4 packet with a UDP datagram; the kernel fills in the checksum of the header, and zero is
/// none in UDP.
fn packet(from: u32, to: u32, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = 28 + payload.len() as u16;
    let mut p = vec![0x45, 0];
    p.extend(length.to_be_bytes());
    p.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    p.extend(from.to_be_bytes());
    p.extend(to.to_be_bytes());
    p.extend(from_port.to_be_bytes());
    p.extend(to_port.to_be_bytes());
    p.extend((length - 20).to_be_bytes());
    p.extend([0, 0]);
    p.extend(payload);
    p
}
