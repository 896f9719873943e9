//! Captures, frames and what packets carry.

use seawall_model::Timestamp;
use seawall_wire::packet::capture::{Decoder, Kind, Step};
use seawall_wire::packet::dns::{self, Framed, NameBuffer};
use seawall_wire::packet::dnstap;
use seawall_wire::packet::export::{Exports, Sighting};
use seawall_wire::packet::frame;
use seawall_wire::packet::http1::{self, BodyScan};
use seawall_wire::packet::http2::Frames;
use seawall_wire::packet::tls::{self, HELLO_LIMIT_BYTES};

/// Steps without any byte consumed that a decoder may take: one, to change its state.
const IDLE_STEPS: u32 = 2;

/// A whole capture file, record by record, each packet down to its transport.
pub fn capture(bytes: &[u8]) {
    let _ = Kind::recognise(bytes);
    let mut decoder = Decoder::new();
    let mut rest = bytes;
    let mut idle = 0;
    loop {
        let step = decoder.next(rest);
        let consumed = step.consumed();
        assert!(consumed <= rest.len(), "consumed {consumed} of {} bytes", rest.len());
        match step {
            Step::NeedMore => break,
            Step::Packet { time, link, original_length_bytes, data, .. } => {
                if let Ok(frame) = frame::decode(link, data, original_length_bytes, time) {
                    let _ = frame::quoted(&frame.packet);
                }
            }
            Step::Skip { .. } | Step::Broken { .. } => {}
        }
        idle = if consumed == 0 { idle + 1 } else { 0 };
        assert!(idle <= IDLE_STEPS, "no progress at {} bytes before the end", rest.len());
        rest = &rest[consumed..];
        if rest.is_empty() {
            break;
        }
    }
}

/// A stream of dnstap frames, and what each of them reports.
pub fn dnstap(bytes: &[u8]) {
    let _ = dnstap::recognise(bytes);
    let (mut decoder, mut rest) = (dnstap::Decoder::default(), bytes);
    let mut name = NameBuffer::default();
    while !rest.is_empty() {
        let step = decoder.next(rest);
        assert!(step.consumed() <= rest.len(), "consumed {} of {} bytes", step.consumed(), rest.len());
        if let dnstap::Step::Report { report, .. } = step {
            let _ = (report.time(), report.took_us());
            let _ = dns::decode(report.message, true, &mut name);
        }
        if step == dnstap::Step::NeedMore {
            break;
        }
        assert!(step.consumed() > 0, "no progress at {} bytes before the end", rest.len());
        rest = &rest[step.consumed()..];
    }
}

/// Link types that the first byte of an input chooses from.
const LINKS: [u16; 12] = [0, 1, 12, 101, 108, 113, 228, 229, 276, 9, 127, 147];

/// One frame; the first byte chooses its link type.
pub fn frame(bytes: &[u8]) {
    let Some((choice, data)) = bytes.split_first() else { return };
    let link = LINKS[usize::from(*choice) % LINKS.len()];
    let _ = frame::link_name(link);
    if let Ok(frame) = frame::decode(link, data, data.len() as u32, Timestamp(0)) {
        assert!(frame.packet.payload.len() <= data.len());
        let _ = frame::quoted(&frame.packet);
    }
}

/// A DNS message, as a datagram and as a TCP stream.
pub fn dns(bytes: &[u8]) {
    let mut name = NameBuffer::default();
    for whole in [true, false] {
        if dns::decode(bytes, whole, &mut name).is_some() {
            assert!(name.as_bytes().iter().all(|b| (0x21..=0x7E).contains(b)), "a name is printable");
        }
    }
    let mut stream = bytes;
    while let Framed::Message { message, consumed } = dns::framed(stream) {
        assert!(consumed >= 2 && consumed <= stream.len());
        let _ = dns::decode(message, true, &mut name);
        stream = &stream[consumed..];
    }
}

/// A datagram of flow records, twice: the templates of the first reading serve the second.
pub fn export(bytes: &[u8]) {
    let mut exports = Exports::default();
    for _ in 0..2 {
        let mut told = 0;
        let read = exports.read(bytes, &mut |sighting| {
            told += 1;
            if let Sighting::Packet { data, .. } = sighting {
                assert!(data.len() < bytes.len());
            }
        });
        assert_eq!(read.map_or(0, |read| read.told), told);
        assert!(told as usize <= bytes.len());
    }
}

/// A ClientHello.
pub fn tls(bytes: &[u8]) {
    let mut scratch = [0; HELLO_LIMIT_BYTES];
    if let tls::Start::Hello(hello) = tls::client_hello(bytes, &mut scratch) {
        assert!(hello.ja4.is_ascii());
    }
}

/// Requests and responses one after another, with their bodies.
pub fn http1(bytes: &[u8]) {
    let mut rest = bytes;
    while let http1::Start::Head(head) = http1::request(rest) {
        assert!(head.head_bytes > 0 && head.head_bytes <= rest.len());
        rest = after_body(&rest[head.head_bytes..], head.body);
    }
    rest = bytes;
    while let http1::Start::Head(head) = http1::response(rest) {
        assert!(head.head_bytes > 0 && head.head_bytes <= rest.len());
        rest = after_body(&rest[head.head_bytes..], head.body);
    }
}

fn after_body(rest: &[u8], body: http1::Body) -> &[u8] {
    let mut scan = BodyScan::new(body);
    let passed = scan.pass(rest);
    assert!(passed <= rest.len());
    let _ = scan.pass_unseen(rest.len() as u64);
    &rest[passed..]
}

/// Frames of a client, in pieces whose size the first byte chooses.
pub fn http2(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    let mut frames = Frames::default();
    for piece in rest.chunks(usize::from(*size).max(1)) {
        frames.pass(piece, &mut |_| {});
    }
    frames.pass_unseen(u64::from(*size));
    let _ = (frames.counts(), frames.is_abuse(), frames.is_lost());
}
