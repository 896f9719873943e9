//! What the HTTP edge reads of its clients over HTTP/2.

use seawall_http_edge::Limits;
use seawall_http_edge::http1::{HeadLimits, head};
use seawall_http_edge::http2::{Connection, Upload, frame, hpack};
use tokio::time::Instant;

/// Bytes of an answer.
const ANSWER_BYTES: usize = 9_000;

/// A client's connection, in pieces whose size the first byte chooses; with an even one the
/// client begins as it must. Each request is taken up and answered.
pub fn http2(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let _ = hpack::Decoder::default().block(rest, &mut |name, value| {
        assert!(name.len() + value.len() <= 2 * rest.len() + hpack::TABLE_BYTES);
    });
    let mut stream = Vec::new();
    if choice % 2 == 0 {
        stream.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame::head(&mut stream, 0, frame::SETTINGS, 0, 0);
    }
    stream.extend_from_slice(rest);
    let limits = Limits { http2_streams: 4, ..Limits::default() };
    // The runtime's clock has not been started, so that it stands still.
    let now = Instant::now();
    let mut connection = Connection::new(&limits, Vec::new(), now);
    let mut buffer = Vec::new();
    for piece in stream.chunks(usize::from(*choice).max(1)) {
        buffer.extend_from_slice(piece);
        let Ok(taken) = connection.receive(&buffer, now) else {
            connection.end();
            return;
        };
        assert!(taken <= buffer.len(), "took {taken} of {} bytes", buffer.len());
        buffer.drain(..taken);
        assert!(buffer.len() < frame::HEAD_BYTES + frame::CONTENT_BYTES, "a whole frame was left");
        serve(&mut connection, &limits);
        assert!(connection.streams.open() <= 4);
    }
}

fn serve(connection: &mut Connection, limits: &Limits) {
    let (mut woken, mut text, mut body) = (Vec::new(), Vec::new(), Vec::new());
    connection.streams.take_woken(&mut woken);
    for at in woken {
        if connection.take_up(at, &mut text) == Some(Ok(())) {
            let head_limits = HeadLimits { head_bytes: usize::MAX, ..limits.head() };
            let ends = text.windows(4).filter(|w| w == b"\r\n\r\n").count();
            assert!(ends == 1 && text.ends_with(b"\r\n\r\n"), "not one head");
            let _ = head::request(&text, text.len(), &head_limits, &mut Vec::new());
        }
        while connection.take_body(at, &mut body) == Upload::Data {
            connection.carried(at, body.len());
        }
        // The body first, so that what follows it finds the stream open.
        if connection.take_body(at, &mut body) == Upload::Wait {
            continue;
        }
        if connection.answer(at, false, |out| hpack::encode_status(out, 200)) {
            let room = connection.room(at, ANSWER_BYTES).unwrap_or(0);
            connection.data(at, &[b'x'; ANSWER_BYTES][..room], room == ANSWER_BYTES);
        }
        connection.release(at);
    }
    let mut out = connection.outgoing();
    while let Some(head) = frame::Head::read(out) {
        assert!(head.length <= frame::CONTENT_BYTES);
        out = out.get(frame::HEAD_BYTES + head.length..).expect("a whole frame goes out");
    }
    assert!(out.is_empty(), "half a frame goes out");
    let bytes = connection.outgoing().len();
    connection.gone_out(bytes);
}
