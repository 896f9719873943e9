//! What a thread has seen since the last tick: the same windows that log triage counts into,
//! without allocating for a request.

use crate::Request;
use crate::request::presence;
use seawall_detection::Window;
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{
    self, BackendEvent, BackendEventKind, Connection, ConnectionEvent, Ending, Observation,
};
use std::net::IpAddr;

/// An answer slower than this is told in two parts, so that the request is seen in time.
pub const SLOW_MS: u64 = 250;

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// When the request began.
    pub time: Timestamp,
    /// 0: none was sent.
    pub status: u16,
    pub response_bytes: u64,
    pub request_bytes: u64,
    pub duration_us: u64,
    /// For which a long body was waited for: its sender's time, and nobody's work.
    pub upload_us: u64,
    /// To the first byte from the upstream.
    pub upstream_us: Option<u64>,
    /// The server that answered; empty: none.
    pub server: &'a str,
    pub ending: Ending,
    pub malformed: bool,
}

/// Counts what one thread sees.
#[derive(Debug)]
pub struct Sense {
    window: Window,
    /// Makes sampling priorities unique over threads.
    thread: u64,
    counted: u64,
}

impl Sense {
    #[must_use]
    pub fn new(thread: u64) -> Self {
        Self { window: Window::default(), thread, counted: 0 }
    }

    /// Everything since the last call.
    pub fn take(&mut self) -> Window {
        std::mem::take(&mut self.window)
    }

    /// Counts a request with its answer.
    pub fn request(&mut self, request: &Request<'_>, outcome: &Outcome<'_>) {
        let priority = self.next();
        self.window.observe(&Observation::Request(told(request, outcome)), priority);
    }

    /// Counts a request that waits for its answer.
    pub fn arrival(&mut self, request: &Request<'_>, time: Timestamp) {
        let priority = self.next();
        self.window.observe_arrival(&described(request, time), priority);
    }

    /// Counts the answer to a request that was counted by [`Sense::arrival`].
    pub fn answer(&mut self, request: &Request<'_>, outcome: &Outcome<'_>) {
        let answered =
            outcome.time.plus_ns(i64::try_from(outcome.duration_us).unwrap_or(0).saturating_mul(1000));
        let priority = self.next();
        self.window.observe_answer(&told(request, outcome), answered, priority);
    }

    /// Counts an event of a connection.
    pub fn connection(&mut self, time: Timestamp, event: ConnectionEvent, client: IpAddr, server: IpAddr) {
        let seen = Connection {
            time,
            event,
            client,
            server,
            client_port: 0,
            server_port: 0,
            client_bytes: 0,
            server_bytes: 0,
            duration_us: 0,
            requests: 0,
            ja4: 0,
        };
        let priority = self.next();
        self.window.observe(&Observation::Connection(seen), priority);
    }

    /// Counts what slow clients hold, and what was kept from them; see [`Window::observe_held`].
    pub fn held(&mut self, time: Timestamp, slow_held: u32, turned_away: u32) {
        if slow_held > 0 || turned_away > 0 {
            self.window.observe_held(time, u64::from(slow_held), u64::from(turned_away));
        }
    }

    /// Counts what became of an upstream.
    pub fn backend(&mut self, time: Timestamp, kind: BackendEventKind, server: &str) {
        let text = match kind {
            BackendEventKind::ServerDown => format!("{server} is down"),
            BackendEventKind::ServerUp => format!("{server} is up"),
            BackendEventKind::PoolEmpty => "no upstream is up".to_owned(),
            BackendEventKind::ServerSlow => format!("{server} does not answer in time"),
            BackendEventKind::ConnectFailed => format!("cannot connect to {server}"),
            _ => format!("{server} did not answer in time"),
        };
        let event =
            BackendEvent { time, kind, backend: b"", server: server.as_bytes(), text: text.as_bytes() };
        let priority = self.next();
        self.window.observe(&Observation::Backend(event), priority);
    }

    fn next(&mut self) -> u64 {
        self.counted += 1;
        hash::combine(self.thread, self.counted)
    }
}

fn described<'a>(request: &Request<'a>, time: Timestamp) -> observation::Request<'a> {
    observation::Request {
        method: request.method,
        host: request.host,
        path: request.path,
        query: request.query,
        version: request.version,
        user_agent: request.user_agent,
        referrer: request.referrer,
        cookie: presence(request.has_cookies()),
        accept_language: presence(!request.accept_language.is_empty()),
        header_order: request.header_order,
        ja4: request.ja4,
        ..observation::Request::new(time, request.client)
    }
}

fn told<'a>(request: &Request<'a>, outcome: &Outcome<'a>) -> observation::Request<'a> {
    observation::Request {
        status: outcome.status,
        response_bytes: outcome.response_bytes,
        request_bytes: Some(outcome.request_bytes),
        duration_us: Some(outcome.duration_us.saturating_sub(outcome.upload_us)),
        upstream_us: outcome.upstream_us.map(|us| us.saturating_sub(outcome.upload_us)),
        server: outcome.server.as_bytes(),
        ending: outcome.ending,
        malformed: outcome.malformed,
        ..described(request, outcome.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: folders that are synchronised over WebDAV were a flood of costly requests, because each
    /// large file was as long under way as its sender's line is slow.
    #[test]
    fn an_upload_that_lasts_is_no_slow_answer() {
        let outcome = Outcome {
            time: Timestamp::from_seconds(1_700_000_000),
            status: 201,
            response_bytes: 0,
            request_bytes: 2_000_000,
            duration_us: 700_000,
            upload_us: 690_000,
            upstream_us: Some(698_000),
            server: "",
            ending: Ending::Normal,
            malformed: false,
        };
        let told = told(&Request::new(IpAddr::from([192, 0, 2, 1])), &outcome);
        assert_eq!((told.duration_us, told.upstream_us), (Some(10_000), Some(8_000)));
    }
}
