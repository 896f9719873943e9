//! HTTP/2 by frames written by hand: what a browser sends, and each flood that the protocol
//! allows for.

use crate::harness::{Origin, counted, enforce, eventually};
use crate::tls::{Authority, Encrypted, encrypted, handshake};
use seawall_http_edge::{Counter, Edge, Limits};
use seawall_model::Cause;
use seawall_model::plan::Action;
use std::io::{Read, Write};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub struct Client {
    pub stream: Encrypted,
    next: u32,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET path` in HPACK without tables beyond the static one.
pub fn get_block(path: &str) -> Vec<u8> {
    // :method GET, :scheme https, :path and :authority as literals.
    let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
    block.extend_from_slice(path.as_bytes());
    block.extend_from_slice(&[0x01, 12]);
    block.extend_from_slice(b"shop.example");
    block
}

impl Client {
    pub fn new(edge: &Edge, authority: &Authority) -> Self {
        Self::with_settings(edge, authority, &[])
    }

    pub fn with_settings(edge: &Edge, authority: &Authority, settings: &[u8]) -> Self {
        let mut client = Self::over(handshake(edge, authority, "shop.example", &["h2"]));
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        client.stream.write_all(&frame(SETTINGS, 0, 0, settings)).expect("sent");
        client
    }

    /// A connection on which nothing has been said yet.
    pub fn over(stream: Encrypted) -> Self {
        Self { stream, next: 1 }
    }

    /// Sends what may not be taken any more.
    pub fn send(&mut self, frames: &[u8]) -> bool {
        self.stream.write_all(frames).is_ok()
    }

    pub fn stream_number(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Reads a frame: kind, flags, stream, payload. `None`: the connection has ended.
    pub fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// The body of the answer to a GET; `None` where the stream or the connection is ended
    /// instead.
    pub fn get(&mut self, path: &str) -> Option<String> {
        let own = self.stream_number();
        let sent = frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block(path));
        if !self.send(&sent) {
            return None;
        }
        let mut body = Vec::new();
        loop {
            let (kind, flags, stream, payload) = self.read()?;
            if stream != own {
                continue;
            }
            match kind {
                DATA => body.extend_from_slice(&payload),
                RST_STREAM => return None,
                _ => {}
            }
            if flags & END_STREAM != 0 && (kind == DATA || kind == HEADERS) {
                return Some(String::from_utf8_lossy(&body).into_owned());
            }
        }
    }

    /// Reads on until the connection has ended.
    fn wait_for_end(&mut self) {
        while self.read().is_some() {}
    }
}

fn edge() -> (Edge, Origin, Authority) {
    encrypted(|_| {})
}

/// Sends frames until the edge ends the connection; the edge then serves others as before.
fn is_cut(change: impl FnOnce(&mut Limits), counter: Counter, flood: impl FnOnce(&mut Client)) {
    let (edge, _origin, authority) = encrypted(change);
    let mut client = Client::new(&edge, &authority);
    assert_eq!(client.get("/before").as_deref(), Some("/before"));
    flood(&mut client);
    client.wait_for_end();
    eventually("it is counted", || edge.count(counter) == 1);
    eventually("its place is free", || edge.open_connections() == 0);
    assert_eq!(Client::new(&edge, &authority).get("/after").as_deref(), Some("/after"));
}

#[test]
fn requests_pass() {
    let (edge, origin, authority) = edge();
    let mut client = Client::new(&edge, &authority);
    for path in ["/a", "/b", "/a/longer/path"] {
        assert_eq!(client.get(path).as_deref(), Some(path));
    }
    counted(&edge, Counter::http2_requests, 3);
    counted(&edge, Counter::upstream_connections, 1);
    assert!(origin.seen()[0].to_ascii_lowercase().contains("host: shop.example\r\n"), "{:?}", origin.seen());
}

#[test]
fn rapid_resets_are_cut_and_hardly_reach_the_upstream() {
    let (edge, origin, authority) = encrypted(|l| l.http2_resets = 50);
    let mut client = Client::new(&edge, &authority);
    for _ in 0..2_000 {
        let own = client.stream_number();
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block("/silent"));
        both.extend(frame(RST_STREAM, 0, own, &8_u32.to_be_bytes()));
        if !client.send(&both) {
            break;
        }
    }
    client.wait_for_end();
    eventually("it is counted", || edge.count(Counter::http2_resets) == 1);
    assert!(origin.seen().len() <= 60, "{} requests reached the upstream", origin.seen().len());
    assert_eq!(Client::new(&edge, &authority).get("/after").as_deref(), Some("/after"));
}

#[test]
fn resets_that_we_are_made_to_send_are_cut() {
    // A window update that overflows a stream's window makes us reset the stream (CVE-2025-8671).
    let (edge, origin, authority) = encrypted(|l| l.http2_resets = 50);
    let mut client = Client::new(&edge, &authority);
    for _ in 0..2_000 {
        let own = client.stream_number();
        let mut both = frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block("/silent"));
        both.extend(frame(WINDOW_UPDATE, 0, own, &0x7FFF_FFFF_u32.to_be_bytes()));
        if !client.send(&both) {
            break;
        }
    }
    client.wait_for_end();
    eventually("the connection has ended", || edge.open_connections() == 0);
    assert!(origin.seen().len() <= 120, "{} requests reached the upstream", origin.seen().len());
}

#[test]
fn a_flood_of_continuations_is_cut() {
    is_cut(
        |_| {},
        Counter::http2_continuations,
        |client| {
            let own = client.stream_number();
            client.send(&frame(HEADERS, END_STREAM, own, &get_block("/")));
            let more = frame(CONTINUATION, 0, own, b"\x00\x01a\x01b");
            while client.send(&more) && client.next < 1_000_000 {
                client.next += 2;
            }
        },
    );
}

#[test]
fn floods_of_frames_that_carry_nothing_are_cut() {
    let table = [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    ];
    for flood in table {
        is_cut(
            |l| l.http2_control_frames = 100,
            Counter::http2_control_frames,
            |client| {
                let many = flood.repeat(500);
                client.send(&many);
            },
        );
    }
}

#[test]
fn a_flood_of_empty_data_is_cut() {
    is_cut(
        |l| l.http2_control_frames = 100,
        Counter::http2_control_frames,
        |client| {
            let own = client.stream_number();
            let mut block = get_block("/echo");
            block[0] = 0x83;
            let mut frames = frame(HEADERS, END_HEADERS, own, &block);
            frames.extend(frame(DATA, 0, own, &[]).repeat(500));
            client.send(&frames);
        },
    );
}

#[test]
fn a_header_block_that_does_not_end_is_cut_at_the_deadline() {
    is_cut(
        |l| l.header_deadline_ms = 3_000,
        Counter::header_deadline,
        |client| {
            let own = client.stream_number();
            client.send(&frame(HEADERS, END_STREAM, own, &get_block("/")));
        },
    );
}

#[test]
fn a_bomb_of_compressed_headers_reaches_nobody() {
    let (edge, origin, authority) = edge();
    let mut client = Client::new(&edge, &authority);
    // A field of 3,900 bytes goes into the table once, and is named by one byte ever after.
    let mut block = get_block("/bomb");
    block.extend_from_slice(&[0x40, 1, b'x', 0x7F, 0xBD, 0x1D]);
    block.extend_from_slice(&[b'y'; 3_900]);
    block.extend_from_slice(&[0xBE; 4_000]);
    let own = client.stream_number();
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, own, &block));
    let mut answered = None;
    while let Some((kind, _, stream, payload)) = client.read() {
        if kind == GOAWAY || (stream == own && kind == RST_STREAM) {
            break;
        }
        if stream == own && kind == HEADERS {
            answered = payload.first().copied();
            break;
        }
    }
    // 0x88 is status 200.
    assert_ne!(answered, Some(0x88));
    assert!(origin.seen().is_empty());
    assert_eq!(Client::new(&edge, &authority).get("/after").as_deref(), Some("/after"));
}

#[test]
fn a_window_that_stays_shut_is_cut_below_the_least_rate() {
    let (edge, _origin, authority) =
        encrypted(|l| (l.rate_grace_ms, l.min_rate_bytes_per_s) = (300, 1_000_000));
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut client = Client::with_settings(&edge, &authority, &[0, 4, 0, 0, 0, 0]);
    let own = client.stream_number();
    client.send(&frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block("/big")));
    eventually("it is cut", || edge.count(Counter::min_rate) == 1);
    eventually("nothing is under way", || edge.active() == 0);
}

#[test]
fn a_body_that_is_held_back_reaches_nobody_before_it_is_whole() {
    let (edge, origin, authority) = edge();
    let mut client = Client::new(&edge, &authority);
    let own = client.stream_number();
    // :method POST, and a content-length (static table 28) of 4.
    let mut block = get_block("/held");
    block[0] = 0x83;
    block.extend_from_slice(&[0x0F, 0x0D, 1, b'4']);
    client.send(&frame(HEADERS, END_HEADERS, own, &block));
    client.send(&frame(DATA, 0, own, b"ab"));
    assert_eq!(client.get("/person").as_deref(), Some("/person"));
    assert!(origin.take_seen().iter().all(|head| !head.contains("/held")), "{:?}", origin.seen());
    client.send(&frame(DATA, END_STREAM, own, b"cd"));
    eventually("it is passed on whole", || origin.seen().iter().any(|head| head.contains("/held")));
}

/// Broke: over HTTP/2 a client that sent long bodies a byte at a time kept a place at the upstream for each of
/// them: a few connections took all places that there were.
#[test]
fn bodies_that_come_slowly_take_no_places() {
    let (edge, _origin, authority) = encrypted(|l| l.rate_grace_ms = 600_000);
    enforce(&edge, Cause::HttpFlood, Action::Shed { max_concurrency: 6 });
    let mut slow = Client::new(&edge, &authority);
    for _ in 0..6 {
        let own = slow.stream_number();
        let mut block = get_block("/slow");
        block[0] = 0x83;
        slow.send(&frame(HEADERS, END_HEADERS, own, &block));
        slow.send(&frame(DATA, 0, own, b"a"));
    }
    eventually("they are at the upstream", || edge.count(Counter::upstream_connections) == 6);
    let mut person = Client::new(&edge, &authority);
    eventually("a person is served", || person.get("/person").as_deref() == Some("/person"));
    eventually("and they go on", || edge.active() == 6);
}

/// Broke: a client that took no byte of its answers kept a place at the upstream for each of them, though the
/// upstream had long sent them.
#[test]
fn answers_that_nobody_takes_hold_no_places() {
    let (edge, origin, authority) = encrypted(|l| l.rate_grace_ms = 600_000);
    enforce(&edge, Cause::HttpFlood, Action::Shed { max_concurrency: 6 });
    // SETTINGS_INITIAL_WINDOW_SIZE is 4.
    let mut slow = Client::with_settings(&edge, &authority, &[0, 4, 0, 0, 0, 0]);
    for _ in 0..6 {
        let own = slow.stream_number();
        slow.send(&frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block("/slow")));
    }
    eventually("they have been answered", || origin.seen().len() == 6);
    let mut person = Client::new(&edge, &authority);
    eventually("a person is served", || person.get("/person").as_deref() == Some("/person"));
    assert_eq!(edge.active(), 6);
}

#[test]
fn a_body_that_is_held_back_is_asked_for_once() {
    let (edge, _origin, authority) = encrypted(|l| l.rate_grace_ms = 600_000);
    let mut client = Client::new(&edge, &authority);
    let mut post = |path: &str, more: &[u8], data: &[u8]| {
        let own = client.stream_number();
        let mut block = get_block(path);
        block[0] = 0x83;
        block.extend_from_slice(&[0x0F, 0x0D, 1, b'4']);
        block.extend_from_slice(more);
        client.send(&frame(HEADERS, END_HEADERS, own, &block));
        client.send(&frame(DATA, 0, own, data));
        own
    };
    (0..60).for_each(|_| _ = post("/held", b"", b"ab"));
    eventually("they are a crowd", || edge.take_window().net.is_some_and(|net| net.slow_held >= 60));
    // `expect` is 35 of the static table.
    let own = post("/echo", b"\x0F\x14\x0C100-continue", b"");
    let mut answers = std::iter::from_fn(|| client.read()).filter(|(_, _, stream, _)| *stream == own);
    assert_eq!(answers.next(), Some((HEADERS, END_HEADERS, own, b"\x08\x03100".to_vec())));
    drop(answers);
    client.send(&frame(DATA, END_STREAM, own, b"abcd"));
    let mut answers = std::iter::from_fn(|| client.read()).filter(|(_, _, stream, _)| *stream == own);
    let (kind, _, _, head) = answers.next().expect("an answer");
    assert_eq!((kind, head[0]), (HEADERS, 0x88), "status 200, and not another 100");
}

#[test]
fn streams_at_once_are_limited() {
    let (edge, origin, authority) = encrypted(|l| l.http2_streams = 5);
    let mut client = Client::new(&edge, &authority);
    let mut frames = Vec::new();
    for _ in 0..40 {
        let own = client.stream_number();
        frames.extend(frame(HEADERS, END_STREAM | END_HEADERS, own, &get_block("/silent")));
    }
    client.send(&frames);
    let refused = std::iter::from_fn(|| client.read()).take_while(|f| f.0 != GOAWAY);
    let refused = refused.filter(|(kind, ..)| *kind == RST_STREAM).take(35).count();
    assert_eq!(refused, 35);
    eventually("five are at the upstream", || origin.seen().len() == 5);
    assert_eq!(edge.active(), 5);
}

#[test]
fn what_is_no_http2_ends_the_connection_and_no_other() {
    let (edge, _origin, authority) = edge();
    let mut client = Client::new(&edge, &authority);
    assert_eq!(client.get("/a").as_deref(), Some("/a"));
    // A frame longer than allowed.
    client.send(&[0xFF, 0xFF, 0xFF, DATA, 0, 0, 0, 0, 1]);
    client.wait_for_end();
    eventually("it is counted", || edge.count(Counter::http2_errors) == 1);
    assert_eq!(Client::new(&edge, &authority).get("/b").as_deref(), Some("/b"));
}
