//! Captures in pcap, Ethernet and IPv4: floods, and conversations as a site has them.

use super::hello::client_hello;
use super::{Random, nth_address};
use seawall_model::hash;
use std::io::{self, Write};

const START_S: u64 = 1_765_000_000;
const SERVER: u32 = 0xC633_6401;
/// Conversations that go on at the same time.
const AT_A_TIME: usize = 2_000;
const SEGMENT_BYTES: usize = 1_400;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const FIN: u8 = 0x11;

/// A million SYNs a second.
pub fn syn_flood(packets: u64, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    for n in 0..packets {
        let random = hash::mix(n);
        let ports = ((random >> 32) as u16, 443);
        tcp(out, n, (random as u32, SERVER), ports, SYN, ((random >> 16) as u32, 0), &[])?;
    }
    Ok(())
}

/// A million answers of time servers a second, which nobody asked for.
pub fn udp_flood(packets: u64, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    for n in 0..packets {
        let random = hash::mix(n);
        udp(out, n, (random as u32, SERVER), (123, (random >> 32) as u16), &[0x17; 440])?;
    }
    Ok(())
}

/// Each packet from another address, of all kinds of a flood, a million a second.
pub fn sources(packets: u64, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    for n in 0..packets {
        let random = hash::mix(n);
        let ends = (nth_address(n), SERVER);
        let port = 1_024 | (random >> 32) as u16;
        match random % 3 {
            0 => tcp(out, n, ends, (port, 443), SYN, (random as u32, 0), &[])?,
            1 => udp(out, n, ends, (port, (random >> 48) as u16), &[7; 64])?,
            _ => tcp(out, n, ends, (port, 443), ACK, (random as u32, 1), &[])?,
        }
    }
    Ok(())
}

/// Conversations of browsers with a site and its name server, 200,000 packets a second.
pub fn mixed(packets: u64, out: &mut dyn Write) -> io::Result<()> {
    begin(out)?;
    let mut random = Random::new(2);
    let mut begun = 0;
    let mut talks: Vec<Talk> = Vec::new();
    for n in 0..packets {
        let at = random.below(AT_A_TIME as u64) as usize;
        if at >= talks.len() || talks[at].is_over() {
            let talk = Talk::new(begun, &mut random);
            begun += 1;
            match talks.get_mut(at) {
                Some(place) => *place = talk,
                None => talks.push(talk),
            }
        }
        let at = at.min(talks.len() - 1);
        talks[at].say(n * 5, out)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Protocol {
    Http,
    Tls,
    Dns,
    Stream,
}

/// One conversation on its way.
struct Talk {
    protocol: Protocol,
    number: u64,
    client: u32,
    port: u16,
    /// Requests of HTTP, packets of a stream.
    rounds: u64,
    /// Segments of each answer.
    segments: u64,
    step: u64,
    up: u32,
    down: u32,
}

impl Talk {
    fn new(number: u64, random: &mut Random) -> Self {
        let protocol = match random.below(100) {
            0..=39 => Protocol::Http,
            40..=64 => Protocol::Tls,
            65..=95 => Protocol::Dns,
            _ => Protocol::Stream,
        };
        let client = 0x0B00_0000 | nth_address(random.ranked(30_000)) >> 8;
        let port = 1_024 + (number % 60_000) as u16;
        let rounds =
            if matches!(protocol, Protocol::Stream) { 40 + random.below(100) } else { 1 + random.below(4) };
        Self {
            protocol,
            number,
            client,
            port,
            rounds,
            segments: 1 + random.ranked(12),
            step: 0,
            up: 100,
            down: 900,
        }
    }

    /// Packets of one request, its answer and the acknowledgements.
    fn round_steps(&self) -> u64 {
        2 + self.segments + self.segments.div_ceil(2)
    }

    fn is_over(&self) -> bool {
        self.step
            >= match self.protocol {
                Protocol::Dns => 2,
                Protocol::Stream => self.rounds,
                Protocol::Http | Protocol::Tls => 3 + self.rounds * self.round_steps() + 3,
            }
    }

    fn say(&mut self, microseconds: u64, out: &mut dyn Write) -> io::Result<()> {
        let step = self.step;
        self.step += 1;
        match self.protocol {
            Protocol::Dns => {
                let message = dns_message(self.number, step == 1);
                self.datagram(microseconds, step == 0, 53, &message, out)
            }
            Protocol::Stream => {
                let upward = step.is_multiple_of(3);
                self.datagram(microseconds, upward, 4_500, &[0x40; 900][..if upward { 60 } else { 900 }], out)
            }
            Protocol::Http | Protocol::Tls => self.tcp_step(step, microseconds, out),
        }
    }

    fn tcp_step(&mut self, step: u64, at: u64, out: &mut dyn Write) -> io::Result<()> {
        let steps = self.round_steps();
        match step {
            0 => return self.segment(at, true, SYN, &[], out),
            1 => return self.segment(at, false, SYN_ACK, &[], out),
            2 => return self.segment(at, true, ACK, &[], out),
            _ => {}
        }
        let (round, within) = ((step - 3) / steps, (step - 3) % steps);
        if round >= self.rounds {
            return match within {
                0 => self.segment(at, true, FIN, &[], out),
                1 => self.segment(at, false, FIN, &[], out),
                _ => self.segment(at, true, ACK, &[], out),
            };
        }
        if within == 0 {
            let question = self.question(round);
            return self.segment(at, true, PUSH, &question, out);
        }
        match within - 1 {
            0 => self.segment(at, false, ACK, &[], out),
            n if n <= self.segments => {
                let answer = self.answer(n);
                self.segment(at, false, PUSH, &answer, out)
            }
            _ => self.segment(at, true, ACK, &[], out),
        }
    }

    fn question(&self, round: u64) -> Vec<u8> {
        match self.protocol {
            Protocol::Tls if round == 0 => client_hello("shop.example", self.number),
            Protocol::Tls => [&[23, 3, 3, 1, 44], [0x5A; 300].as_slice()].concat(),
            _ => format!(
                "GET /shop/item-{} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; \
                 rv:{}.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,image/webp,*/*;q=0.8\r\n\
                 Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
                 Connection: keep-alive\r\nCookie: session={:016x}\r\n\r\n",
                hash::combine(self.number, round) % 4_000,
                110 + self.number % 20,
                hash::mix(self.number)
            )
            .into_bytes(),
        }
    }

    /// The n-th segment of an answer, from 1.
    fn answer(&self, n: u64) -> Vec<u8> {
        match (self.protocol, n) {
            (Protocol::Http, 1) => {
                let body = (self.segments - 1) * SEGMENT_BYTES as u64;
                format!(
                    "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html; charset=utf-8\r\n\
                     Content-Length: {body}\r\nCache-Control: max-age=60\r\n\r\n"
                )
                .into_bytes()
            }
            (Protocol::Tls, 1) => [&[23, 3, 3, 5, 115], [0xA5; SEGMENT_BYTES - 5].as_slice()].concat(),
            _ => vec![b'x'; SEGMENT_BYTES],
        }
    }

    fn segment(
        &mut self,
        at: u64,
        upward: bool,
        flags: u8,
        payload: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let service = if matches!(self.protocol, Protocol::Tls) { 443 } else { 80 };
        let advance = payload.len() as u32 + u32::from(flags & 3 != 0);
        if upward {
            tcp(out, at, (self.client, SERVER), (self.port, service), flags, (self.up, self.down), payload)?;
            self.up += advance;
        } else {
            tcp(out, at, (SERVER, self.client), (service, self.port), flags, (self.down, self.up), payload)?;
            self.down += advance;
        }
        Ok(())
    }

    fn datagram(
        &self,
        at: u64,
        upward: bool,
        service: u16,
        payload: &[u8],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if upward {
            udp(out, at, (self.client, SERVER), (self.port, service), payload)
        } else {
            udp(out, at, (SERVER, self.client), (service, self.port), payload)
        }
    }
}

/// A question for one of some thousand names, or the answer to it.
fn dns_message(number: u64, answer: bool) -> Vec<u8> {
    let id = number as u16;
    let flags: u16 = if answer { 0x8180 } else { 0x0100 };
    let mut message: Vec<u8> =
        [id, flags, 1, u16::from(answer), 0, 0].iter().flat_map(|w| w.to_be_bytes()).collect();
    for label in [format!("host-{}", hash::mix(number) % 3_000), "shop".to_owned(), "example".to_owned()] {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    if answer {
        message.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, number as u8]);
    }
    message
}

fn begin(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])
}

/// Record header, Ethernet and IPv4; `length` is that of what follows.
fn head(out: &mut dyn Write, at: u64, ends: (u32, u32), protocol: u8, length: usize) -> io::Result<()> {
    let total = 20 + length;
    let frame = (14 + total) as u32;
    for word in [(START_S + at / 1_000_000) as u32, (at % 1_000_000) as u32, frame, frame] {
        out.write_all(&word.to_le_bytes())?;
    }
    out.write_all(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0])?;
    out.write_all(&(total as u16).to_be_bytes())?;
    out.write_all(&[0, 0, 0x40, 0, 64, protocol, 0, 0])?;
    out.write_all(&ends.0.to_be_bytes())?;
    out.write_all(&ends.1.to_be_bytes())
}

fn tcp(
    out: &mut dyn Write,
    at: u64,
    ends: (u32, u32),
    ports: (u16, u16),
    flags: u8,
    numbers: (u32, u32),
    payload: &[u8],
) -> io::Result<()> {
    const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let options: &[u8] = if flags & SYN != 0 { &SYN_OPTIONS } else { &[] };
    let header = 20 + options.len();
    head(out, at, ends, 6, header + payload.len())?;
    out.write_all(&ports.0.to_be_bytes())?;
    out.write_all(&ports.1.to_be_bytes())?;
    out.write_all(&numbers.0.to_be_bytes())?;
    out.write_all(&numbers.1.to_be_bytes())?;
    out.write_all(&[(header as u8) << 2, flags, 0xFF, 0xFF, 0, 0, 0, 0])?;
    out.write_all(options)?;
    out.write_all(payload)
}

fn udp(out: &mut dyn Write, at: u64, ends: (u32, u32), ports: (u16, u16), payload: &[u8]) -> io::Result<()> {
    head(out, at, ends, 17, 8 + payload.len())?;
    out.write_all(&ports.0.to_be_bytes())?;
    out.write_all(&ports.1.to_be_bytes())?;
    out.write_all(&((8 + payload.len()) as u16).to_be_bytes())?;
    out.write_all(&[0, 0])?;
    out.write_all(payload)
}
