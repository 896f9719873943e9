//! HTTP/2 to upstreams. Each exchange is a task that reads the text of a request from a pipe and
//! writes the text of its answer to it, so that all that is known of carrying an exchange is known
//! once, for HTTP/1. That costs more than speaking it directly: upstreams are few, near and
//! trusted, and most are spoken to in HTTP/1.
//!
//! Framing is the `h2` crate's: what makes it dear for clients (0011) is little here, and nobody
//! floods us from behind.

use crate::http1::body::{Framing, welcome_trailers};
use crate::http1::head::{self, RequestHead, Scanner};
use crate::http1::write::chunk_size;
use crate::http1::{Body, Field, HeadLimits, Kind, Step};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use seawall_model::observation::Method;
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

/// Asks for streams on a connection.
pub type Sender = SendRequest<Bytes>;

/// Bytes that wait between an exchange and its stream, each way.
const PIPE_BYTES: usize = 32 * 1024;
/// What an upstream may send ahead, of one answer and of all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// What is taken of an answer's head, as over HTTP/1.
const HEAD_BYTES: u32 = 65_536;
/// How long the first settings are waited for.
const GREETING: Duration = Duration::from_millis(100);
/// Streams that are opened before an upstream has said how many it takes.
const FIRST_STREAMS: usize = 1;
/// Requests have been held to their limits before.
const LIMITS: HeadLimits = HeadLimits { head_bytes: 1 << 20, target_bytes: 1 << 20, fields: 2_000 };

/// What is answered to a request that HTTP/2 has no words for, such as one with a strange host. An end without an
/// answer would be the upstream's failure, and any client could make it fail.
const NO_WORDS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// Begins a connection, whose frames are a task of this thread's until it ends.
///
/// # Errors
/// If what answers is no HTTP/2.
pub async fn begin<S>(stream: S) -> Result<Sender, h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (sender, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES)
        .initial_max_send_streams(FIRST_STREAMS)
        .handshake(stream)
        .await?;
    // Settings come first of all (RFC 9113 section 3.4): one that sends none speaks something else.
    let early = poll_fn(|context| match Pin::new(&mut connection).poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if connection.max_concurrent_send_streams() != FIRST_STREAMS => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    // One that says nothing within that time is found out with the first exchange.
    if let Ok(Some(Err(error))) = tokio::time::timeout(GREETING, early).await {
        return Err(error);
    }
    tokio::task::spawn_local(async move {
        // Each exchange sees for itself how its stream ended.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Whether a connection takes exchanges still.
pub fn is_open(sender: &mut Sender) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    !matches!(sender.poll_ready(&mut context), Poll::Ready(Err(_)))
}

/// Begins an exchange: the pipe takes a request as text, and gives its answer.
#[must_use]
pub fn exchange(sender: Sender, is_secure: bool) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    tokio::task::spawn_local(async move {
        // Where it fails the pipe ends, which says so.
        let _ = serve(sender, is_secure, far).await;
    });
    near
}

async fn serve(sender: Sender, is_secure: bool, pipe: DuplexStream) -> Option<()> {
    let (mut from, mut to) = tokio::io::split(pipe);
    let (mut text, mut fields) = (Vec::new(), Vec::new());
    let head = read_head(&mut from, &mut text, &mut fields).await?;
    let Some(request) = as_request(&head, &text, &fields, is_secure) else {
        return to.write_all(NO_WORDS).await.ok();
    };
    text.drain(..head.bytes);
    let is_end = head.framing.is_empty();
    let mut sender = sender.ready().await.ok()?;
    let (response, body) = sender.send_request(request, is_end).ok()?;
    let mut download = pin!(download(response, head.method, &mut to));
    let mut upload = pin!(upload(from, text, head.framing, body));
    tokio::select! {
        biased;
        done = &mut download => done,
        // Nobody waits for the answer any more: the stream is reset as it is dropped.
        () = &mut upload => None,
    }
}

async fn read_head(
    from: &mut ReadHalf<DuplexStream>,
    text: &mut Vec<u8>,
    fields: &mut Vec<Field>,
) -> Option<RequestHead> {
    let mut scanner = Scanner::default();
    loop {
        if let Some(end) = scanner.find_end(text, &LIMITS).ok()? {
            return head::request(text, end, &LIMITS, fields).ok();
        }
        if from.read_buf(text).await.ok()? == 0 {
            return None;
        }
    }
}

fn as_request(head: &RequestHead, text: &[u8], fields: &[Field], is_secure: bool) -> Option<Request<()>> {
    let part = |bytes| std::str::from_utf8(bytes).ok();
    let target = part(head.target.of(text))?;
    let uri = http::Uri::builder()
        .scheme(if is_secure { "https" } else { "http" })
        .authority(part(head.host.of(text))?)
        .path_and_query(if target == "*" { "*" } else { target })
        .build()
        .ok()?;
    let mut request = Request::builder()
        .method(head.method_text.of(text))
        .uri(uri)
        .version(http::Version::HTTP_2)
        .body(())
        .ok()?;
    for field in fields {
        let is_hops = matches!(
            field.kind,
            Kind::Host
                | Kind::Connection
                | Kind::HopByHop
                | Kind::TransferEncoding
                | Kind::Upgrade
                | Kind::Te
        );
        if !is_hops {
            let name = HeaderName::from_bytes(field.name(text)).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(field.value(text)).ok()?);
        }
    }
    if head.takes_trailers {
        request.headers_mut().insert(http::header::TE, HeaderValue::from_static("trailers"));
    }
    Some(request)
}

/// Carries the body of a request, then waits for the pipe to end.
async fn upload(
    mut from: ReadHalf<DuplexStream>,
    mut text: Vec<u8>,
    framing: Framing,
    mut out: SendStream<Bytes>,
) {
    if !framing.is_empty() {
        // Where the stream is closed for it, there is an answer already, or none will come: the other
        // direction says which.
        if carry(&mut from, &mut text, framing, &mut out).await.is_none() {
            out.send_reset(h2::Reason::CANCEL);
        }
    }
    let mut rest = [0; 64];
    while from.read(&mut rest).await.is_ok_and(|n| n > 0) {}
}

async fn carry(
    from: &mut ReadHalf<DuplexStream>,
    text: &mut Vec<u8>,
    framing: Framing,
    out: &mut SendStream<Bytes>,
) -> Option<()> {
    let mut body = Body::new(framing);
    loop {
        match body.step(text).ok()? {
            Step::Data { start, end } => {
                send(out, &text[start..end]).await?;
                text.drain(..end);
            }
            Step::End { trailers, consumed } => {
                let section = &text[trailers..consumed];
                let fields = as_map(welcome_trailers(section).map(|f| (f.name(section), f.value(section))))?;
                return if fields.is_empty() {
                    out.send_data(Bytes::new(), true).ok()
                } else {
                    out.send_trailers(fields).ok()
                };
            }
            Step::More { consumed } => {
                text.drain(..consumed);
                if from.read_buf(text).await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}

async fn send(out: &mut SendStream<Bytes>, data: &[u8]) -> Option<()> {
    let mut rest = data;
    while !rest.is_empty() {
        out.reserve_capacity(rest.len());
        let room = poll_fn(|context| out.poll_capacity(context)).await?.ok()?;
        let (piece, after) = rest.split_at(room.min(rest.len()));
        if !piece.is_empty() {
            out.send_data(Bytes::copy_from_slice(piece), false).ok()?;
        }
        rest = after;
    }
    Some(())
}

fn as_map<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(map)
}

async fn download(
    mut response: ResponseFuture,
    method: Method,
    to: &mut WriteHalf<DuplexStream>,
) -> Option<()> {
    let response = loop {
        let next = poll_fn(|context| match response.poll_informational(context) {
            Poll::Ready(Some(interim)) => Poll::Ready(Err(interim)),
            _ => Pin::new(&mut response).poll(context).map(Ok),
        });
        match next.await {
            Ok(response) => break response.ok()?,
            Err(interim) => {
                let mut text = Vec::new();
                status_and_fields(&mut text, &interim.ok()?);
                text.extend_from_slice(b"\r\n");
                to.write_all(&text).await.ok()?;
            }
        }
    };
    let is_chunked = write_head(&response, method, to).await?;
    answer_body(response.into_body(), is_chunked, to).await
}

/// Writes the head of an answer; whether its body comes in chunks.
async fn write_head(
    response: &Response<RecvStream>,
    method: Method,
    to: &mut WriteHalf<DuplexStream>,
) -> Option<bool> {
    let mut text = Vec::new();
    status_and_fields(&mut text, response);
    let says_length = response.headers().contains_key(http::header::CONTENT_LENGTH);
    let has_none = method == Method::Head || matches!(response.status().as_u16(), 204 | 304);
    let is_chunked = !says_length && !has_none && !response.body().is_end_stream();
    if is_chunked {
        text.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if !says_length && !has_none {
        text.extend_from_slice(b"Content-Length: 0\r\n");
    }
    text.extend_from_slice(b"\r\n");
    to.write_all(&text).await.ok()?;
    Some(is_chunked)
}

fn status_and_fields<T>(text: &mut Vec<u8>, response: &Response<T>) {
    // Writing to a Vec cannot fail.
    let _ = write!(text, "HTTP/1.1 {} \r\n", response.status().as_u16());
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
}

async fn answer_body(mut body: RecvStream, is_chunked: bool, to: &mut WriteHalf<DuplexStream>) -> Option<()> {
    let mut line = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        line.clear();
        if is_chunked && !data.is_empty() {
            chunk_size(&mut line, data.len());
            to.write_all(&line).await.ok()?;
        }
        to.write_all(&data).await.ok()?;
        if is_chunked && !data.is_empty() {
            to.write_all(b"\r\n").await.ok()?;
        }
        body.flow_control().release_capacity(data.len()).ok()?;
    }
    let trailers = body.trailers().await.ok()?;
    if is_chunked {
        line.clear();
        line.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().flatten() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                line.extend_from_slice(part);
            }
        }
        line.extend_from_slice(b"\r\n");
        to.write_all(&line).await.ok()?;
    }
    Some(())
}
