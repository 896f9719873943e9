//! What is said on one connection: HTTP/1, HTTP/2, TLS, DNS, a login, or something else.
//!
//! The first bytes decide. What is not understood costs nothing from then on.

use super::Sink;
use super::dns::Queries;
use super::http::{self, Arrival, Http, SLOW_AFTER_NS};
use super::login;
use super::stream::{Budget, Piece};
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{Login, Observation, Packet};
use seawall_wire::packet::http2::{Frames, PREFACE};
use seawall_wire::packet::tls::{self, HELLO_LIMIT_BYTES};
use seawall_wire::packet::{dns, http1};
use std::net::IpAddr;

/// Abuses of HTTP/2 told for one piece of a stream; more are told with the next.
const ABUSES_AT_ONCE: u64 = 64;
/// Bytes of a DNS message in a stream that are waited for.
const DNS_LIMIT_BYTES: usize = 4096;

/// What is needed to read a piece of a stream.
pub(super) struct Context<'c, S> {
    pub packet: &'c Packet<'c>,
    pub from_client: bool,
    pub client: IpAddr,
    pub server_port: u16,
    pub budget: &'c Budget,
    pub queries: &'c mut Queries,
    pub sink: &'c mut S,
}

/// What has just become known of a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct News {
    pub hello: bool,
    /// Streams and frames of HTTP/2 that were abuse.
    pub http2_abuses: u64,
}

/// What is said on one connection.
#[derive(Default)]
pub(super) struct Speech {
    talk: Talk,
    /// Hash of the JA4 fingerprint; 0: none.
    pub ja4: u64,
    /// The client has sent application data over TLS.
    pub application_data: bool,
    /// The client has said that it does not take what the server showed of itself.
    pub is_refused: bool,
    pub requests: u32,
    /// So many abuses of HTTP/2 were told.
    abuses_told: u64,
}

#[derive(Default)]
enum Talk {
    #[default]
    Silent,
    Http(Box<Http>),
    /// Bytes of the preface still to come, and the frames after it.
    Http2(Box<(usize, Frames)>),
    /// The beginning of a hello not yet complete.
    TlsHello(Vec<u8>),
    /// The hello is known; application data has not been seen.
    Tls,
    /// The beginning of a message, by direction.
    Dns(Box<[Vec<u8>; 2]>),
    /// A service with logins, and whether the client's last words were an attempt.
    Login(&'static str, bool),
    Other,
}

impl Speech {
    /// Whether nothing more is to be learnt from what is said.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.talk, Talk::Other)
    }

    /// Has memory fetched that the next words will need.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        match &self.talk {
            Talk::Http(http) => http.peek(),
            _ => self.ja4 & 1,
        }
    }

    /// Whether segments that come early are worth waiting for.
    pub(super) fn is_patient(&self, from_client: bool) -> bool {
        match &self.talk {
            Talk::Silent | Talk::Dns(_) => true,
            Talk::Http(http) => http.is_in_head(from_client),
            Talk::TlsHello(_) => from_client,
            _ => false,
        }
    }

    /// Whether a request or hello is incomplete for too long, `age_ns` after the handshake.
    pub(super) fn is_slow(&self, now: Timestamp, age_ns: i64) -> bool {
        match &self.talk {
            Talk::TlsHello(_) => age_ns >= SLOW_AFTER_NS,
            Talk::Http(http) => http.is_slow(now),
            _ => false,
        }
    }

    /// Whether anything may come due by time alone.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(&self.talk, Talk::Http(http) if http.is_waiting())
    }

    /// Tells what has come due.
    pub(super) fn check(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        if let Talk::Http(http) = &mut self.talk {
            http.check(at, budget, sink);
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        match std::mem::replace(&mut self.talk, Talk::Other) {
            Talk::Http(mut http) => http.end(at, budget, sink),
            Talk::TlsHello(held) => budget.give_back(held.len()),
            Talk::Dns(held) => budget.give_back(held[0].len() + held[1].len()),
            _ => {}
        }
    }

    /// Hears one piece of one direction.
    pub(super) fn hear(&mut self, piece: Piece<'_>, cx: &mut Context<'_, impl Sink>) -> News {
        if matches!(self.talk, Talk::Silent) {
            self.talk = match &piece {
                Piece::Bytes(bytes) => first_words(bytes, cx),
                Piece::Unseen(_) => Talk::Other,
            };
        }
        let mut news = News::default();
        match (&mut self.talk, piece) {
            (Talk::Http(http), piece) => {
                let stays = hear_http(http, piece, cx);
                self.requests = http.requests;
                if !stays {
                    self.leave(cx);
                }
            }
            (Talk::Http2(talk), piece) if cx.from_client => {
                self.requests += hear_http2(talk, piece, cx);
                news.http2_abuses = talk.1.abuses().saturating_sub(self.abuses_told).min(ABUSES_AT_ONCE);
                self.abuses_told += news.http2_abuses;
                if talk.1.is_lost() {
                    self.leave(cx);
                }
            }
            (Talk::TlsHello(_), Piece::Bytes(bytes)) if cx.from_client => {
                news.hello = self.hear_hello(bytes, cx);
            }
            (Talk::Tls, Piece::Bytes(bytes)) if cx.from_client => match after_hello(bytes) {
                AfterHello::Settings => {}
                AfterHello::Data => {
                    self.application_data = true;
                    self.leave(cx);
                }
                AfterHello::Refusal => {
                    self.is_refused = true;
                    self.leave(cx);
                }
            },
            (Talk::Dns(held), piece) => {
                let stays = hear_dns(held, piece, cx);
                if !stays {
                    self.leave(cx);
                }
            }
            (Talk::Login(service, attempted), Piece::Bytes(bytes)) => {
                hear_login(service, attempted, bytes, cx);
            }
            // A hello or its answer that was not captured in full cannot be judged.
            (Talk::TlsHello(_) | Talk::Tls, Piece::Unseen(_)) if cx.from_client => {
                self.application_data = true;
                self.leave(cx);
            }
            _ => {}
        }
        news
    }

    /// Stops listening.
    fn leave(&mut self, cx: &mut Context<'_, impl Sink>) {
        let at = Arrival { time: cx.packet.time, client: cx.client, bytes: b"" };
        self.end(at, cx.budget, cx.sink);
    }

    fn hear_hello(&mut self, bytes: &[u8], cx: &mut Context<'_, impl Sink>) -> bool {
        let Talk::TlsHello(held) = &mut self.talk else { return false };
        let mut scratch = [0; HELLO_LIMIT_BYTES];
        if !held.is_empty() {
            let more = &bytes[..bytes.len().min(HELLO_LIMIT_BYTES - held.len().min(HELLO_LIMIT_BYTES))];
            if !cx.budget.take(more.len()) {
                self.leave(cx);
                return false;
            }
            held.extend_from_slice(more);
        }
        let source: &[u8] = if held.is_empty() { bytes } else { held };
        match tls::client_hello(source, &mut scratch) {
            tls::Start::Hello(hello) => {
                self.ja4 = hash::bytes(&hello.ja4) | 1;
                cx.budget.give_back(held.len());
                self.talk = Talk::Tls;
                true
            }
            tls::Start::Incomplete if source.len() < HELLO_LIMIT_BYTES => {
                if held.is_empty() && cx.budget.take(bytes.len()) {
                    held.extend_from_slice(bytes);
                }
                false
            }
            _ => {
                self.leave(cx);
                false
            }
        }
    }
}

/// What kind of talk some first bytes begin.
fn first_words(bytes: &[u8], cx: &Context<'_, impl Sink>) -> Talk {
    if cx.server_port == dns::PORT {
        return Talk::Dns(Box::default());
    }
    if let Some(service) = login::service(cx.server_port) {
        return Talk::Login(service, false);
    }
    if !cx.from_client {
        // A connection picked up in the middle, whose request was not captured.
        let http = bytes.starts_with(b"HTTP/1.");
        return if http { Talk::Http(Box::default()) } else { Talk::Other };
    }
    if bytes.starts_with(&PREFACE[..bytes.len().min(PREFACE.len())]) && bytes.len() >= 3 {
        Talk::Http2(Box::new((PREFACE.len(), Frames::default())))
    } else if http1::may_be_request(bytes) {
        Talk::Http(Box::default())
    } else if tls::begins(bytes) {
        Talk::TlsHello(Vec::new())
    } else {
        Talk::Other
    }
}

/// `false`: it is not HTTP.
fn hear_http(http: &mut Http, piece: Piece<'_>, cx: &mut Context<'_, impl Sink>) -> bool {
    let arrival = |bytes| Arrival { time: cx.packet.time, client: cx.client, bytes };
    match piece {
        Piece::Bytes(bytes) if cx.from_client => http.hear_client(arrival(bytes), cx.budget, cx.sink),
        Piece::Bytes(bytes) => {
            http.hear_server(arrival(bytes), cx.budget, cx.sink);
            true
        }
        Piece::Unseen(count) => {
            http.unseen(cx.from_client, count, arrival(b""), cx.budget, cx.sink);
            true
        }
    }
}

/// Returns the number of streams opened.
fn hear_http2(talk: &mut (usize, Frames), piece: Piece<'_>, cx: &mut Context<'_, impl Sink>) -> u32 {
    let (preface_left, frames) = talk;
    let mut opened = 0;
    match piece {
        Piece::Unseen(count) => frames.pass_unseen(count),
        Piece::Bytes(bytes) => {
            let skip = bytes.len().min(*preface_left);
            *preface_left -= skip;
            let (time, client) = (cx.packet.time, cx.client);
            frames.pass(&bytes[skip..], &mut |stream| {
                opened += 1;
                http::tell_stream(time, client, stream.method, stream.path, cx.sink);
            });
        }
    }
    opened
}

/// `false`: messages can no longer be told apart. After bytes that were not captured a segment
/// that begins with the length of a message is taken for the start of one.
fn hear_dns(held: &mut [Vec<u8>; 2], piece: Piece<'_>, cx: &mut Context<'_, impl Sink>) -> bool {
    let held = &mut held[usize::from(!cx.from_client)];
    let Piece::Bytes(mut bytes) = piece else {
        cx.budget.give_back(held.len());
        held.clear();
        return true;
    };
    let before = held.len();
    if before > 0 {
        if !cx.budget.take(bytes.len()) {
            return false;
        }
        held.extend_from_slice(bytes);
        bytes = held;
    }
    while let dns::Framed::Message { message, consumed } = dns::framed(bytes) {
        if message.len() >= dns::HEADER_BYTES {
            cx.queries.streamed(cx.packet, message, cx.sink);
        }
        bytes = &bytes[consumed..];
    }
    let rest = bytes.to_vec();
    cx.budget.give_back(held.len());
    held.clear();
    if rest.len() > DNS_LIMIT_BYTES || !cx.budget.take(rest.len()) {
        return false;
    }
    *held = rest;
    true
}

fn hear_login(service: &'static str, attempted: &mut bool, bytes: &[u8], cx: &mut Context<'_, impl Sink>) {
    if cx.from_client {
        *attempted = login::is_attempt(service, bytes);
        return;
    }
    if let Some(verdict) = login::verdict(service, *attempted, bytes) {
        *attempted = false;
        cx.sink.observe(&Observation::Login(Login {
            time: cx.packet.time,
            client: cx.client,
            succeeded: verdict.succeeded,
            challenged: false,
            service: verdict.service,
            user: b"",
        }));
    }
}

/// What a client says over TLS after its hello.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AfterHello {
    Settings,
    Data,
    Refusal,
}

/// What a segment after the hello says, seen from its beginning.
fn after_hello(segment: &[u8]) -> AfterHello {
    /// An alert as TLS 1.3 encrypts it: level, description, the kind of record, and the tag (RFC 8446, sections
    /// 5.2 and 6). Whoever goes on sends a longer record first, which ends the handshake.
    const ENCRYPTED_ALERT_BYTES: u16 = 2 + 1 + 16;
    let mut rest = segment;
    for _ in 0..8 {
        let [kind, 3, _, high, low, ..] = *rest else { break };
        let length = u16::from_be_bytes([high, low]);
        match (kind, length) {
            (tls::RECORD_APPLICATION_DATA, ENCRYPTED_ALERT_BYTES) => return AfterHello::Refusal,
            (tls::RECORD_APPLICATION_DATA, _) => return AfterHello::Data,
            (tls::RECORD_ALERT, 2) if tls::is_of_certificate(rest.get(6)) => return AfterHello::Refusal,
            _ => {}
        }
        let Some(next) = rest.get(5 + usize::from(length)..) else { break };
        rest = next;
    }
    AfterHello::Settings
}
