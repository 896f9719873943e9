//! HTTP/2 as the standards have it: for each section of RFC 9113 and RFC 7541 what a client may
//! do and what it may not, sent over a real connection. The cases are those that `h2spec` names,
//! by its numbers.

use crate::http2::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, get_block,
};
use crate::tls::{Authority, encrypted, handshake};
use seawall_http_edge::Edge;
use std::io::Write;

const PUSH_PROMISE: u8 = 5;
const ACK: u8 = 1;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const WHOLE: u8 = END_STREAM | END_HEADERS;

const PROTOCOL: u8 = 1;
const FLOW_CONTROL: u8 = 3;
const STREAM_CLOSED: u8 = 5;
const FRAME_SIZE: u8 = 6;
const REFUSED_STREAM: u8 = 7;
const COMPRESSION: u8 = 9;

/// What must come of a case.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// The connection ends, and the client is told why.
    Connection(u8),
    /// The stream is reset with this code, or the connection ends with it.
    Stream(u8),
    /// The first stream is answered with status 200, and ended.
    Answer,
    /// The connection goes on.
    Alive,
    /// Frames come with these kinds, flags, streams and lengths, among others and in this order.
    Frames(&'static [(u8, u8, u32, usize)]),
}
use Expect::{Alive, Answer, Connection, Frames, Stream};

/// Section and number, what is sent, and what must come of it.
type Case = (&'static str, fn(&mut Client), Expect);

fn get(path: &str) -> Vec<u8> {
    get_block(path)
}

fn post() -> Vec<u8> {
    let mut block = get_block("/echo");
    block[0] = 0x83;
    block
}

fn with(block: Vec<u8>, more: &[u8]) -> Vec<u8> {
    [&block[..], more].concat()
}

/// A field as a literal with a name of its own.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0, name.len() as u8];
    out.extend_from_slice(name.as_bytes());
    out.push(value.len() as u8);
    out.extend_from_slice(value.as_bytes());
    out
}

/// A field with a name of the static table.
fn named(index: u8, value: &str) -> Vec<u8> {
    let mut out = if index < 15 { vec![index] } else { vec![0x0F, index - 15] };
    out.push(value.len() as u8);
    out.extend_from_slice(value.as_bytes());
    out
}

fn put(client: &mut Client, kind: u8, flags: u8, stream: u32, content: &[u8]) {
    // The other end may have closed already, as it must.
    client.send(&frame(kind, flags, stream, content));
}

/// A whole request on the first stream that is answered only after a minute.
fn silent(client: &mut Client) {
    put(client, HEADERS, WHOLE, 1, &get("/silent"));
}

/// A request on the first stream whose body is still to come.
fn open(client: &mut Client) {
    put(client, HEADERS, END_HEADERS, 1, &post());
}

/// A request on the first stream that has been answered.
fn closed(client: &mut Client) {
    assert_eq!(client.get("/a").as_deref(), Some("/a"));
}

fn request(client: &mut Client, block: &[u8]) {
    put(client, HEADERS, WHOLE, 1, block);
}

fn setting(client: &mut Client, name: u16, value: u32) {
    put(client, SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
}

fn update(client: &mut Client, stream: u32, by: u32) {
    put(client, WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
}

fn priority(client: &mut Client, stream: u32, on: u32, weight: u8) {
    put(client, PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[weight]].concat());
}

fn check(edge: &Edge, authority: &Authority, (section, send, expect): &Case) -> Result<(), String> {
    let mut client = Client::new(edge, authority);
    send(&mut client);
    client.send(&frame(PING, 0, 0, b"are you "));
    let (mut seen, mut wanted) = (Vec::new(), 0);
    loop {
        let Some((kind, flags, stream, content)) = client.read() else {
            return Err(format!("{section}: the connection ended after {seen:?}, wanted {expect:?}"));
        };
        let code = match kind {
            RST_STREAM => content.get(3).copied(),
            GOAWAY => content.get(7).copied(),
            _ => None,
        };
        seen.push((kind, flags, stream, content.len(), code));
        let is_alive = kind == PING && flags & ACK != 0 && content == b"are you ";
        let is_met = match expect {
            Connection(wanted) => {
                let is_told = kind == GOAWAY && code == Some(*wanted);
                is_told && std::iter::from_fn(|| client.read()).all(|f| f.0 != GOAWAY)
            }
            Stream(wanted) => matches!(kind, RST_STREAM | GOAWAY) && code == Some(*wanted),
            Answer => (kind == DATA || kind == HEADERS) && stream == 1 && flags & END_STREAM != 0,
            Alive => is_alive,
            Frames(all) => {
                wanted += usize::from(all[wanted] == (kind, flags, stream, content.len()));
                wanted == all.len()
            }
        };
        let is_answer = kind == HEADERS && stream == 1;
        if is_answer && matches!(expect, Answer) && content.first() != Some(&0x88) {
            return Err(format!("{section}: answered with {content:x?}"));
        }
        if is_met {
            return Ok(());
        }
        if kind == GOAWAY {
            return Err(format!("{section}: {seen:?}, wanted {expect:?}"));
        }
    }
}

fn hold(cases: &[Case]) {
    let (edge, _origin, authority) = encrypted(|l| (l.http2_streams, l.header_deadline_ms) = (50, 3_000));
    let failed: Vec<String> = cases.iter().filter_map(|case| check(&edge, &authority, case).err()).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert_eq!(Client::new(&edge, &authority).get("/after").as_deref(), Some("/after"));
}

#[test]
fn what_any_client_may_do() {
    hold(&[
        ("generic 1/1", |_| {}, Frames(&[(SETTINGS, 0, 0, 12), (SETTINGS, ACK, 0, 0)])),
        ("generic 2/1", |c| (priority(c, 1, 0, 10), closed(c)).1, Alive),
        ("generic 2/2", |c| (request(c, &get("/a")), update(c, 1, 100)).1, Answer),
        ("generic 2/3", |c| (request(c, &get("/a")), priority(c, 1, 0, 10)).1, Answer),
        ("generic 2/4", |c| (silent(c), put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8])).1, Alive),
        ("generic 2/5", |c| (closed(c), priority(c, 1, 0, 10)).1, Alive),
        ("generic 3.1/1", |c| (open(c), put(c, DATA, END_STREAM, 1, b"test")).1, Answer),
        (
            "generic 3.1/2",
            |c| (open(c), put(c, DATA, 0, 1, b"te"), put(c, DATA, END_STREAM, 1, b"st")).2,
            Answer,
        ),
        ("generic 3.1/3", |c| (open(c), put(c, DATA, END_STREAM | PADDED, 1, b"\x03test\0\0\0")).1, Answer),
        ("generic 3.2/1", |c| request(c, &get("/a")), Answer),
        (
            "generic 3.2/2",
            |c| put(c, HEADERS, WHOLE | PADDED, 1, &[&[2][..], &get("/a"), &[0, 0]].concat()),
            Answer,
        ),
        (
            "generic 3.2/3",
            |c| put(c, HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 0, 255][..], &get("/a")].concat()),
            Answer,
        ),
        ("generic 3.3/1", |c| (priority(c, 1, 0, 0), request(c, &get("/a"))).1, Answer),
        ("generic 3.3/2", |c| (priority(c, 1, 0, 255), request(c, &get("/a"))).1, Answer),
        ("generic 3.3/3", |c| (priority(c, 3, 1, 255), request(c, &get("/a"))).1, Answer),
        ("generic 3.3/4", |c| (priority(c, 3, 1 << 31 | 1, 255), request(c, &get("/a"))).1, Answer),
        ("generic 3.3/5", |c| (priority(c, 5, 0, 255), request(c, &get("/a"))).1, Answer),
        ("generic 3.4/1", |c| (open(c), put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8])).1, Alive),
        ("generic 3.5/1", |c| setting(c, 3, 100), Frames(&[(SETTINGS, ACK, 0, 0), (SETTINGS, ACK, 0, 0)])),
        ("generic 3.7/1", |c| put(c, PING, 0, 0, &[7; 8]), Frames(&[(PING, ACK, 0, 8), (PING, ACK, 0, 8)])),
        ("generic 3.9/1", |c| (update(c, 0, 1), request(c, &get("/a"))).1, Answer),
        ("generic 3.9/2", |c| (open(c), update(c, 1, 1), put(c, DATA, END_STREAM, 1, b"")).2, Answer),
        (
            "generic 3.10/1",
            |c| {
                (
                    put(c, HEADERS, END_STREAM, 1, &get("/a")[..3]),
                    put(c, CONTINUATION, END_HEADERS, 1, &get("/a")[3..]),
                )
                    .1
            },
            Answer,
        ),
        (
            "generic 3.10/2",
            |c| {
                put(c, HEADERS, END_STREAM, 1, &get("/a")[..3]);
                put(c, CONTINUATION, 0, 1, &get("/a")[3..6]);
                put(c, CONTINUATION, END_HEADERS, 1, &get("/a")[6..]);
            },
            Answer,
        ),
        ("generic 4/1", |c| request(c, &get("/a")), Answer),
        ("generic 4/2", |c| request(c, &[&[2, 4][..], b"HEAD", &get("/a")[1..]].concat()), Answer),
        ("generic 4/3", |c| (open(c), put(c, DATA, END_STREAM, 1, b"test")).1, Answer),
        (
            "generic 4/4",
            |c| (open(c), put(c, DATA, 0, 1, b"test"), put(c, HEADERS, WHOLE, 1, &literal("x-test", "ok"))).2,
            Answer,
        ),
    ]);
}

#[test]
fn what_any_header_block_may_hold() {
    hold(&[
        ("generic 5/1", |c| request(c, &with(get("/a"), &[0x90])), Answer),
        ("generic 5/2", |c| request(c, &with(get("/a"), b"\x7a\x04test")), Answer),
        ("generic 5/3", |c| request(c, &with(get("/a"), b"\x7a\x83\x49\x50\x9f")), Answer),
        ("generic 5/4", |c| request(c, &with(get("/a"), b"\x40\x01x\x04test")), Answer),
        ("generic 5/5", |c| request(c, &with(get("/a"), b"\x40\x81\xf3\x04test")), Answer),
        ("generic 5/6", |c| request(c, &with(get("/a"), b"\x0f\x2b\x04test")), Answer),
        ("generic 5/7", |c| request(c, &with(get("/a"), b"\x0f\x2b\x83\x49\x50\x9f")), Answer),
        ("generic 5/8", |c| request(c, &with(get("/a"), b"\x00\x01x\x04test")), Answer),
        ("generic 5/9", |c| request(c, &with(get("/a"), b"\x00\x81\xf3\x04test")), Answer),
        ("generic 5/10", |c| request(c, &with(get("/a"), b"\x1f\x2b\x04test")), Answer),
        ("generic 5/11", |c| request(c, &with(get("/a"), b"\x1f\x2b\x83\x49\x50\x9f")), Answer),
        ("generic 5/12", |c| request(c, &with(get("/a"), b"\x10\x01x\x04test")), Answer),
        ("generic 5/13", |c| request(c, &with(get("/a"), b"\x10\x81\xf3\x04test")), Answer),
        ("generic 5/14", |c| request(c, &with(vec![0x21], &get("/a"))), Answer),
        ("generic 5/15", |c| request(c, &with(vec![0x20, 0x3F, 0xE1, 0x1F], &get("/a"))), Answer),
    ]);
}

#[test]
fn the_start_and_the_frames_of_sections_3_and_4() {
    hold(&[
        ("3.5/1", |_| {}, Alive),
        ("4.1/1", |c| put(c, 0x16, 0, 0, &[0; 8]), Alive),
        ("4.1/2", |c| put(c, PING, 0x16, 0, &[0; 8]), Alive),
        ("4.1/3", |c| put(c, PING, 0, 1 << 31, &[0; 8]), Alive),
        ("4.2/1", |c| (open(c), put(c, DATA, END_STREAM, 1, &[b'x'; 16_384])).1, Answer),
        ("4.2/2", |c| (open(c), put(c, DATA, END_STREAM, 1, &[b'x'; 16_385])).1, Stream(FRAME_SIZE)),
        ("4.2/3", |c| request(c, &with(get("/a"), &vec![0x90; 16_384])), Connection(FRAME_SIZE)),
        ("4.3/1", |c| request(c, &with(get("/a"), b"\x40\x01")), Connection(COMPRESSION)),
        (
            "4.3/2",
            |c| (put(c, HEADERS, END_STREAM, 1, &get("/a")), priority(c, 1, 0, 1)).1,
            Connection(PROTOCOL),
        ),
        (
            "4.3/3",
            |c| (put(c, HEADERS, END_STREAM, 1, &get("/a")), put(c, HEADERS, WHOLE, 3, &get("/a"))).1,
            Connection(PROTOCOL),
        ),
    ]);
}

/// `3.5/2`, which has no handshake like the others'.
#[test]
fn another_preface_ends_the_connection() {
    let (edge, _origin, authority) = encrypted(|_| {});
    let mut stream = handshake(&edge, &authority, "shop.example", &["h2"]);
    stream.write_all(b"INVALID CONNECTION PREFACE\r\n\r\n").expect("sent");
    let mut client = Client::over(stream);
    let frames: Vec<_> = std::iter::from_fn(|| client.read()).collect();
    assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [SETTINGS, GOAWAY]);
    assert_eq!(frames[1].3[7], PROTOCOL);
}

#[test]
fn the_states_of_streams_of_section_5() {
    hold(&[
        ("5.1/1", |c| put(c, DATA, END_STREAM, 1, b"test"), Connection(PROTOCOL)),
        ("5.1/2", |c| put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8]), Connection(PROTOCOL)),
        ("5.1/3", |c| update(c, 1, 100), Connection(PROTOCOL)),
        ("5.1/4", |c| put(c, CONTINUATION, END_HEADERS, 1, &get("/a")), Connection(PROTOCOL)),
        ("5.1/5", |c| (silent(c), put(c, DATA, END_STREAM, 1, b"test")).1, Stream(STREAM_CLOSED)),
        ("5.1/6", |c| (silent(c), request(c, &get("/a"))).1, Stream(STREAM_CLOSED)),
        ("5.1/7", |c| (silent(c), put(c, CONTINUATION, END_HEADERS, 1, &get("/a"))).1, Connection(PROTOCOL)),
        (
            "5.1/8",
            |c| (open(c), put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8]), put(c, DATA, END_STREAM, 1, b"test")).2,
            Stream(STREAM_CLOSED),
        ),
        (
            "5.1/9",
            |c| (open(c), put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8]), request(c, &get("/a"))).2,
            Stream(STREAM_CLOSED),
        ),
        (
            "5.1/10",
            |c| {
                open(c);
                put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8]);
                put(c, CONTINUATION, END_HEADERS, 1, &get("/a"));
            },
            Connection(PROTOCOL),
        ),
        ("5.1/11", |c| (closed(c), put(c, DATA, END_STREAM, 1, b"test")).1, Stream(STREAM_CLOSED)),
        ("5.1/12", |c| (closed(c), request(c, &get("/a"))).1, Connection(STREAM_CLOSED)),
        ("5.1/13", |c| (closed(c), put(c, CONTINUATION, END_HEADERS, 1, &get("/a"))).1, Connection(PROTOCOL)),
        ("5.1.1/1", |c| put(c, HEADERS, WHOLE, 2, &get("/a")), Connection(PROTOCOL)),
        (
            "5.1.1/2",
            |c| (put(c, HEADERS, WHOLE, 5, &get("/a")), put(c, HEADERS, WHOLE, 3, &get("/a"))).1,
            Connection(PROTOCOL),
        ),
        (
            "5.1.2/1",
            |c| (0..60).for_each(|n| put(c, HEADERS, WHOLE, 2 * n + 1, &get("/silent"))),
            Stream(REFUSED_STREAM),
        ),
        (
            "5.3.1/1",
            |c| put(c, HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 1, 255][..], &get("/a")].concat()),
            Stream(PROTOCOL),
        ),
        ("5.3.1/2", |c| priority(c, 1, 1, 255), Stream(PROTOCOL)),
        ("5.4.1/1", |c| put(c, PING, 0, 3, &[0; 8]), Connection(PROTOCOL)),
        ("5.4.1/2", |c| put(c, SETTINGS, 0, 3, &[]), Connection(PROTOCOL)),
        ("5.5/1", |c| put(c, 0xFF, 0xFF, 0, &[0; 8]), Alive),
        (
            "5.5/2",
            |c| (put(c, HEADERS, END_STREAM, 1, &get("/a")), put(c, 0xFF, 0, 1, &[])).1,
            Connection(PROTOCOL),
        ),
    ]);
}

#[test]
fn the_frames_of_sections_6_1_to_6_4() {
    hold(&[
        ("6.1/1", |c| put(c, DATA, END_STREAM, 0, b"test"), Connection(PROTOCOL)),
        ("6.1/2", |c| (closed(c), put(c, DATA, END_STREAM, 1, b"test")).1, Stream(STREAM_CLOSED)),
        ("6.1/3", |c| (open(c), put(c, DATA, END_STREAM | PADDED, 1, b"\x06test\0")).1, Connection(PROTOCOL)),
        (
            "6.2/1",
            |c| (put(c, HEADERS, END_STREAM, 1, &get("/a")), priority(c, 1, 0, 1)).1,
            Connection(PROTOCOL),
        ),
        (
            "6.2/2",
            |c| (put(c, HEADERS, END_STREAM, 1, &get("/a")), put(c, HEADERS, WHOLE, 3, &get("/b"))).1,
            Connection(PROTOCOL),
        ),
        ("6.2/3", |c| put(c, HEADERS, WHOLE, 0, &get("/a")), Connection(PROTOCOL)),
        ("6.2/4", |c| put(c, HEADERS, WHOLE | PADDED, 1, &[9, 0x82, 0x87]), Connection(PROTOCOL)),
        ("6.3/1", |c| priority(c, 0, 1, 1), Connection(PROTOCOL)),
        ("6.3/2", |c| (open(c), put(c, PRIORITY, 0, 1, &[0; 4])).1, Stream(FRAME_SIZE)),
        ("6.4/1", |c| put(c, RST_STREAM, 0, 0, &[0, 0, 0, 8]), Connection(PROTOCOL)),
        ("6.4/2", |c| put(c, RST_STREAM, 0, 1, &[0, 0, 0, 8]), Connection(PROTOCOL)),
        ("6.4/3", |c| (open(c), put(c, RST_STREAM, 0, 1, &[0; 3])).1, Connection(FRAME_SIZE)),
    ]);
}

#[test]
fn settings_of_section_6_5() {
    hold(&[
        ("6.5/1", |c| put(c, SETTINGS, ACK, 0, &[0]), Connection(FRAME_SIZE)),
        ("6.5/2", |c| put(c, SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9]), Connection(PROTOCOL)),
        ("6.5/3", |c| put(c, SETTINGS, 0, 0, &[0, 3, 0]), Connection(FRAME_SIZE)),
        ("6.5.2/1", |c| setting(c, 2, 2), Connection(PROTOCOL)),
        ("6.5.2/2", |c| setting(c, 4, 1 << 31), Connection(FLOW_CONTROL)),
        ("6.5.2/3", |c| setting(c, 5, 16_383), Connection(PROTOCOL)),
        ("6.5.2/4", |c| setting(c, 5, 1 << 24), Connection(PROTOCOL)),
        ("6.5.2/5", |c| setting(c, 0xFF, 1), Alive),
        (
            "6.5.3/1",
            |c| {
                put(c, SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 100, 0, 4, 0, 0, 0, 1]);
                request(c, &get("/a"));
            },
            Frames(&[(DATA, 0, 1, 1)]),
        ),
        ("6.5.3/2", |c| setting(c, 3, 100), Frames(&[(SETTINGS, ACK, 0, 0), (SETTINGS, ACK, 0, 0)])),
    ]);
}

#[test]
fn the_frames_of_sections_6_7_to_6_9() {
    hold(&[
        ("6.7/1", |_| {}, Frames(&[(PING, ACK, 0, 8)])),
        ("6.7/2", |c| put(c, PING, ACK, 0, b"invalid."), Alive),
        ("6.7/3", |c| put(c, PING, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("6.7/4", |c| put(c, PING, 0, 0, &[0; 6]), Connection(FRAME_SIZE)),
        ("6.8/1", |c| put(c, GOAWAY, 0, 1, &[0; 8]), Connection(PROTOCOL)),
        ("6.9/1", |c| update(c, 0, 0), Connection(PROTOCOL)),
        ("6.9/2", |c| (open(c), update(c, 1, 0)).1, Stream(PROTOCOL)),
        ("6.9/3", |c| put(c, WINDOW_UPDATE, 0, 0, &[0, 0, 1]), Connection(FRAME_SIZE)),
        ("6.9.1/1", |c| (setting(c, 4, 1), request(c, &get("/a"))).1, Frames(&[(DATA, 0, 1, 1)])),
        ("6.9.1/2", |c| (update(c, 0, 0x7FFF_FFFF), update(c, 0, 0x7FFF_FFFF)).1, Connection(FLOW_CONTROL)),
        (
            "6.9.1/3",
            |c| (open(c), update(c, 1, 0x7FFF_FFFF), update(c, 1, 0x7FFF_FFFF)).2,
            Stream(FLOW_CONTROL),
        ),
        (
            "6.9.2/1",
            |c| (setting(c, 4, 0), request(c, &get("/a")), setting(c, 4, 1)).2,
            Frames(&[(DATA, 0, 1, 1)]),
        ),
        (
            "6.9.2/2",
            |c| {
                setting(c, 4, 3);
                request(c, &get("/abcdef"));
                // The window is used up, then three less than nothing, then one more than that.
                while c.read().is_some_and(|f| f.0 != DATA) {}
                setting(c, 4, 0);
                update(c, 1, 4);
            },
            Frames(&[(DATA, 0, 1, 1)]),
        ),
        ("6.9.2/3", |c| setting(c, 4, 1 << 31), Connection(FLOW_CONTROL)),
    ]);
}

#[test]
fn continuations_of_section_6_10_and_codes_of_section_7() {
    hold(&[
        (
            "6.10/1",
            |c| {
                put(c, HEADERS, END_STREAM, 1, &get("/a")[..2]);
                put(c, CONTINUATION, 0, 1, &get("/a")[2..4]);
                put(c, CONTINUATION, END_HEADERS, 1, &get("/a")[4..]);
            },
            Answer,
        ),
        (
            "6.10/2",
            |c| {
                put(c, HEADERS, 0, 1, &post()[..2]);
                put(c, CONTINUATION, 0, 1, &post()[2..]);
                put(c, DATA, END_STREAM, 1, b"test");
            },
            Connection(PROTOCOL),
        ),
        (
            "6.10/3",
            |c| (put(c, HEADERS, 0, 1, &get("/a")), put(c, CONTINUATION, END_HEADERS, 0, b"")).1,
            Connection(PROTOCOL),
        ),
        ("6.10/4", |c| (silent(c), put(c, CONTINUATION, END_HEADERS, 1, b"")).1, Connection(PROTOCOL)),
        (
            "6.10/5",
            |c| {
                put(c, HEADERS, END_STREAM, 1, &get("/silent")[..2]);
                put(c, CONTINUATION, END_HEADERS, 1, &get("/silent")[2..]);
                put(c, CONTINUATION, END_HEADERS, 1, b"");
            },
            Connection(PROTOCOL),
        ),
        (
            "6.10/6",
            |c| (open(c), put(c, DATA, 0, 1, b"test"), put(c, CONTINUATION, END_HEADERS, 1, b"")).2,
            Connection(PROTOCOL),
        ),
        ("7/1", |c| put(c, GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xFF]), Alive),
        ("7/2", |c| (silent(c), put(c, RST_STREAM, 0, 1, &[0, 0, 0, 0xFF])).1, Alive),
    ]);
}

#[test]
fn malformed_requests_of_section_8() {
    hold(&[
        ("8.1/1", |c| (open(c), put(c, HEADERS, END_HEADERS, 1, &literal("x", "y"))).1, Stream(PROTOCOL)),
        ("8.1.2/1", |c| request(c, &with(get("/a"), &literal("X-TEST", "ok"))), Stream(PROTOCOL)),
        ("8.1.2.1/1", |c| request(c, &with(get("/a"), &literal(":test", "ok"))), Stream(PROTOCOL)),
        ("8.1.2.1/2", |c| request(c, &with(get("/a"), &[0x88])), Stream(PROTOCOL)),
        (
            "8.1.2.1/3",
            |c| (open(c), put(c, DATA, 0, 1, b"test"), put(c, HEADERS, WHOLE, 1, &[0x82])).2,
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.1/4",
            |c| request(c, &[&get("/a")[..2], &literal("x", "y"), &get("/a")[2..]].concat()),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.2/1",
            |c| request(c, &with(get("/a"), &literal("connection", "keep-alive"))),
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.2/2",
            |c| request(c, &with(get("/a"), &literal("te", "trailers, deflate"))),
            Stream(PROTOCOL),
        ),
        ("8.1.2.3/1", |c| request(c, &with(vec![0x82, 0x87], &named(4, ""))), Stream(PROTOCOL)),
        ("8.1.2.3/2", |c| request(c, &get("/a")[1..]), Stream(PROTOCOL)),
        ("8.1.2.3/3", |c| request(c, &[&get("/a")[..1], &get("/a")[2..]].concat()), Stream(PROTOCOL)),
        ("8.1.2.3/4", |c| request(c, &with(vec![0x82, 0x87], &named(1, "a"))), Stream(PROTOCOL)),
        ("8.1.2.3/5", |c| request(c, &with(get("/a"), &[0x82])), Stream(PROTOCOL)),
        ("8.1.2.3/6", |c| request(c, &with(get("/a"), &[0x87])), Stream(PROTOCOL)),
        ("8.1.2.3/7", |c| request(c, &with(get("/a"), &[0x84])), Stream(PROTOCOL)),
        (
            "8.1.2.6/1",
            |c| {
                put(c, HEADERS, END_HEADERS, 1, &with(post(), &named(28, "1")));
                put(c, DATA, END_STREAM, 1, b"test");
            },
            Stream(PROTOCOL),
        ),
        (
            "8.1.2.6/2",
            |c| {
                put(c, HEADERS, END_HEADERS, 1, &with(post(), &named(28, "5")));
                put(c, DATA, 0, 1, b"te");
                put(c, DATA, END_STREAM, 1, b"st");
            },
            Stream(PROTOCOL),
        ),
        (
            "8.2/1",
            |c| put(c, PUSH_PROMISE, END_HEADERS, 1, &with(vec![0, 0, 0, 2], &get("/a"))),
            Connection(PROTOCOL),
        ),
    ]);
}

#[test]
fn malformed_header_blocks() {
    hold(&[
        ("hpack 2.3.3/1", |c| request(c, &with(get("/a"), &[0xFF, 0x7F])), Connection(COMPRESSION)),
        ("hpack 2.3.3/2", |c| request(c, &with(get("/a"), &[0x7F, 0x7F, 1, b'x'])), Connection(COMPRESSION)),
        ("hpack 4.2/1", |c| request(c, &with(get("/a"), &[0x21])), Connection(COMPRESSION)),
        ("hpack 5.2/1", |c| request(c, &with(get("/a"), b"\x00\x01x\x82\xf3\xff")), Connection(COMPRESSION)),
        ("hpack 5.2/2", |c| request(c, &with(get("/a"), b"\x00\x01x\x81\xf2")), Connection(COMPRESSION)),
        (
            "hpack 5.2/3",
            |c| request(c, &with(get("/a"), b"\x00\x01x\x84\xff\xff\xff\xff")),
            Connection(COMPRESSION),
        ),
        ("hpack 6.1/1", |c| request(c, &with(get("/a"), &[0x80])), Connection(COMPRESSION)),
        ("hpack 6.3/1", |c| request(c, &with(vec![0x3F, 0xE2, 0x1F], &get("/a"))), Connection(COMPRESSION)),
    ]);
}
