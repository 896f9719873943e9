//! What frames do to a connection, without sockets. What a client sees of it is held to the
//! standard by `tests/edge/conformance.rs`.

use super::*;
use crate::http2::frame::{
    ACK, CONTENT_BYTES, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};

/// `POST /` of `a`, by the static table.
const POST: &[u8] = &[0x83, 0x87, 0x84, 0x01, 1, b'a'];

fn limits() -> Limits {
    Limits { http2_streams: 3, http2_resets: 5, http2_control_frames: 50, ..Default::default() }
}

/// A connection on which both sides have said their settings.
fn begun() -> (Connection, Instant) {
    let now = Instant::now();
    let mut connection = Connection::new(&limits(), Vec::new(), now);
    let mut start = PREFACE.to_vec();
    frame::head(&mut start, 0, SETTINGS, 0, 0);
    frame::head(&mut start, 0, SETTINGS, ACK, 0);
    assert_eq!(connection.receive(&start, now), Ok(start.len()));
    sent(&mut connection);
    (connection, now)
}

fn whole(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::whole(&mut out, kind, flags, stream, content);
    out
}

/// The frames that went out: kind, flags, stream, length.
fn sent(connection: &mut Connection) -> Vec<(u8, u8, u32, usize)> {
    let bytes = connection.outgoing().to_vec();
    connection.gone_out(bytes.len());
    let (mut rest, mut frames) = (&bytes[..], Vec::new());
    while let Some(head) = Head::read(rest) {
        frames.push((head.kind, head.flags, head.stream, head.length));
        rest = &rest[HEAD_BYTES + head.length..];
    }
    frames
}

fn woken(connection: &mut Connection) -> Vec<usize> {
    let mut woken = Vec::new();
    connection.streams.take_woken(&mut woken);
    woken
}

/// Opens a stream with a body to come, and takes its request up.
fn post(connection: &mut Connection, id: u32, now: Instant) -> usize {
    connection.receive(&whole(HEADERS, END_HEADERS, id, POST), now).expect("a request");
    let at = *woken(connection).last().expect("a stream");
    let mut head = Vec::new();
    assert_eq!(connection.take_up(at, &mut head), Some(Ok(())));
    assert!(head.starts_with(b"POST / HTTP/1.1\r\nhost: a\r\n"));
    at
}

#[test]
fn frames_mean_the_same_however_they_are_cut() {
    let (_, now) = begun();
    let block = [POST, &[0x40, 1, b'x', 3, b'a', b'b', b'c']].concat();
    let padded = [&[2][..], b"hello", &[0, 0]].concat();
    let bytes = [
        PREFACE.to_vec(),
        whole(SETTINGS, 0, 0, &[]),
        whole(HEADERS, 0, 1, &block[..2]),
        whole(CONTINUATION, END_HEADERS, 1, &block[2..]),
        whole(DATA, 8, 1, &padded),
        whole(DATA, END_STREAM, 1, b" world"),
        whole(PING, 0, 0, b"12345678"),
    ]
    .concat();
    let mut expected = None;
    for piece in 1..bytes.len() {
        let mut connection = Connection::new(&limits(), Vec::new(), now);
        let mut buffer = Vec::new();
        for part in bytes.chunks(piece) {
            buffer.extend_from_slice(part);
            let taken = connection.receive(&buffer, now).expect("no error");
            buffer.drain(..taken);
        }
        assert!(buffer.is_empty());
        let (mut head, mut body) = (Vec::new(), Vec::new());
        assert_eq!(connection.take_up(0, &mut head), Some(Ok(())));
        assert_eq!(connection.take_body(0, &mut body), Upload::Data);
        assert_eq!(connection.take_body(0, &mut Vec::new()), Upload::End);
        let out = connection.outgoing().to_vec();
        let all = (head, body, out);
        assert_eq!(expected.get_or_insert_with(|| all.clone()), &all, "pieces of {piece}");
    }
    assert!(expected.is_some_and(|(head, body, _)| head.ends_with(b"\r\n\r\n") && body == b"hello world"));
}

#[test]
fn a_body_is_taken_within_its_window_and_room_is_told_of() {
    let (mut connection, now) = begun();
    let at = post(&mut connection, 1, now);
    let data = whole(DATA, 0, 1, &vec![b'x'; CONTENT_BYTES]);
    for _ in 0..3 {
        connection.receive(&data, now).expect("within the window");
    }
    let mut body = Vec::new();
    assert_eq!((connection.take_body(at, &mut body), body.len()), (Upload::Data, 3 * CONTENT_BYTES));
    assert_eq!(sent(&mut connection), []);
    connection.carried(at, body.len());
    let updates = [(WINDOW_UPDATE, 0, 0, 4), (WINDOW_UPDATE, 0, 1, 4)];
    assert_eq!(sent(&mut connection), updates);
    // Without more room, the window is used up by the fourth frame after it.
    let refused = (0..5).find_map(|_| connection.receive(&data, now).err());
    assert_eq!(refused, Some(Code::FlowControl.into()));
}

#[test]
fn the_room_of_a_body_that_nobody_takes_is_given_back() {
    let (mut connection, now) = begun();
    for id in (1..200).step_by(2) {
        let at = post(&mut connection, id, now);
        connection.receive(&whole(DATA, END_STREAM, id, &[b'x'; 10_000]), now).expect("room");
        woken(&mut connection);
        assert!(connection.answer(at, true, |_| {}));
        connection.release(at);
    }
    let frames = sent(&mut connection);
    assert!(frames.iter().filter(|f| **f == (WINDOW_UPDATE, 0, 0, 4)).count() >= 20, "{frames:?}");
    assert!(frames.iter().all(|f| f.0 != RST_STREAM), "they were whole");
}

#[test]
fn an_answer_waits_for_its_window_and_for_room_to_go_out() {
    let (mut connection, now) = begun();
    let at = post(&mut connection, 1, now);
    assert!(connection.answer(at, false, |out| hpack::encode_status(out, 200)));
    assert_eq!(connection.room(at, 1 << 20), Some(OUT_BYTES - connection.out.len()));
    connection.data(at, &[0; 60_500], false);
    assert_eq!(connection.room(at, 6_000), Some(0));
    sent(&mut connection);
    assert_eq!(woken(&mut connection), [at], "there is room to go out");
    assert_eq!(connection.room(at, 6_000), Some(5_035), "of the window");
    connection.data(at, &[0; 5_035], false);
    sent(&mut connection);
    assert_eq!(connection.room(at, 1), Some(0));
    connection.receive(&whole(WINDOW_UPDATE, 0, 1, &10_u32.to_be_bytes()), now).expect("no error");
    assert_eq!((woken(&mut connection), connection.room(at, 1)), (vec![at], Some(0)));
    connection.receive(&whole(WINDOW_UPDATE, 0, 0, &7_u32.to_be_bytes()), now).expect("no error");
    assert_eq!((woken(&mut connection), connection.room(at, 99)), (vec![at], Some(7)));
    connection.data(at, &[0; 7], true);
    assert_eq!(sent(&mut connection), [(DATA, END_STREAM, 1, 7)]);
    assert_eq!(connection.room(at, 1), None, "it has ended");
}

#[test]
fn a_request_that_is_reset_at_once_is_never_taken_up() {
    let (mut connection, now) = begun();
    let both = [whole(HEADERS, END_HEADERS | END_STREAM, 1, POST), whole(RST_STREAM, 0, 1, &[0; 4])].concat();
    connection.receive(&both, now).expect("no error");
    assert_eq!((connection.take_unserved(), connection.streams.open()), (1, 0));
    assert_eq!(connection.take_up(0, &mut Vec::new()), None);
}

#[test]
fn resets_by_our_own_hand_are_counted_as_the_clients() {
    let (mut connection, now) = begun();
    let mut bad = |id| connection.receive(&whole(HEADERS, END_HEADERS | END_STREAM, id, &[0x83]), now);
    assert!((0..5).all(|n| bad(2 * n + 1).is_ok()));
    assert_eq!(bad(11), Err(Counter::http2_resets.into()));
}

#[test]
fn streams_beyond_their_number_are_refused_until_others_end() {
    let (mut connection, now) = begun();
    let slots: Vec<usize> = (0..3).map(|n| post(&mut connection, 2 * n + 1, now)).collect();
    connection.receive(&whole(HEADERS, END_HEADERS | END_STREAM, 7, POST), now).expect("no error");
    assert_eq!(sent(&mut connection), [(RST_STREAM, 0, 7, 4)]);
    connection.abort(slots[1], Code::Internal);
    connection.release(slots[1]);
    assert_eq!(post(&mut connection, 9, now), slots[1]);
}

#[test]
fn an_end_is_announced_before_streams_are_left_unserved() {
    let (mut connection, now) = begun();
    connection.leave();
    assert_eq!(sent(&mut connection), [(GOAWAY, 0, 0, 8), (PING, 0, 0, 8)]);
    let at = post(&mut connection, 1, now);
    connection.receive(&whole(PING, ACK, 0, LAST_PING), now).expect("no error");
    assert_eq!(sent(&mut connection), [(GOAWAY, 0, 0, 8)]);
    connection.receive(&whole(HEADERS, END_HEADERS | END_STREAM, 3, POST), now).expect("no error");
    assert_eq!((woken(&mut connection), connection.is_over()), (vec![], false));
    assert!(connection.answer(at, true, |_| {}));
    connection.release(at);
    sent(&mut connection);
    assert!(connection.is_over());
}

#[test]
fn an_early_answer_tells_the_client_to_stop_without_blame() {
    let (mut connection, now) = begun();
    let at = post(&mut connection, 1, now);
    assert!(connection.answer(at, true, |_| {}));
    connection.release(at);
    let [_, (RST_STREAM, 0, 1, 4)] = sent(&mut connection)[..] else { panic!("no reset") };
    // What is on its way meanwhile is no error.
    connection.receive(&whole(DATA, END_STREAM, 1, b"late"), now).expect("no error");
    assert_eq!(sent(&mut connection), []);
}

#[test]
fn a_client_that_makes_its_table_smaller_is_told_that_none_is_used() {
    let (mut connection, now) = begun();
    let at = post(&mut connection, 1, now);
    connection.receive(&whole(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]), now).expect("no error");
    sent(&mut connection);
    assert!(connection.answer(at, true, |out| hpack::encode_status(out, 200)));
    assert_eq!(connection.outgoing()[HEAD_BYTES..], [0x20, 0x88]);
}
