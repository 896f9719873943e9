//! What a thread has seen since the last tick: the same windows that triage counts DNS messages of
//! captures and logs into.

use crate::core::{Asker, Via};
use crate::message::{Query, be16, flag, name};
use seawall_detection::Window;
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{BackendEvent, BackendEventKind, Dns, Observation};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A question that was taken in our place, as far as whoever took it tells.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub time: Timestamp,
    pub client: SocketAddr,
    /// How many questions it stands for.
    pub times: u32,
    pub query_bytes: u16,
    /// In wire form and lower case.
    pub name: &'a [u8],
    pub kind: u16,
    pub recursion_desired: bool,
    /// `None`: it was dropped.
    pub answer: Option<SeenAnswer>,
}

/// What was answered in our place.
#[derive(Clone, Copy, Debug)]
pub struct SeenAnswer {
    pub bytes: u16,
    /// Bytes 2 and 3 of its header.
    pub flags: u16,
    /// Records of all sections.
    pub records: u16,
}

/// Counts a question that was taken in our place, and its answer. `priority`: unique to it.
pub fn elsewhere(window: &mut Window, seen: &Seen<'_>, priority: u64) {
    let asker = Asker { address: seen.client, via: Via::Udp { listener: 0, local: None } };
    let mut text = Vec::new();
    name::write_text(seen.name, &mut text);
    let asked = Dns {
        name: &text,
        query_type: seen.kind,
        recursion_desired: seen.recursion_desired,
        message_bytes: seen.query_bytes.into(),
        ..blank(seen.time, &asker)
    };
    window.observe_dns(&asked, hash::combine(priority, 0), seen.times);
    let Some(answer) = seen.answer else { return };
    let answered = Dns {
        is_response: true,
        response_code: (answer.flags & flag::CODE) as u8,
        authoritative: answer.flags & flag::AUTHORITATIVE != 0,
        truncated: answer.flags & flag::TRUNCATED != 0,
        records: answer.records,
        message_bytes: answer.bytes.into(),
        response_us: Some(0),
        ..asked
    };
    window.observe_dns(&answered, hash::combine(priority, 1), seen.times);
}

/// Counts what one thread sees.
#[derive(Debug)]
pub struct Sense {
    window: Window,
    /// Makes sampling priorities unique over threads.
    thread: u64,
    counted: u64,
    text: Vec<u8>,
}

impl Sense {
    #[must_use]
    pub fn new(thread: u64) -> Self {
        Self { window: Window::default(), thread, counted: 0, text: Vec::with_capacity(256) }
    }

    /// Everything since the last call.
    pub fn take(&mut self) -> Window {
        std::mem::take(&mut self.window)
    }

    /// Counts a query.
    #[inline]
    pub fn query(&mut self, time: Timestamp, asker: &Asker, query: &Query<'_>) {
        name::write_text(query.name, &mut self.text);
        let dns = Dns {
            name: &self.text,
            query_type: query.qtype,
            opcode: query.opcode(),
            recursion_desired: query.flags & flag::RECURSION_DESIRED != 0,
            message_bytes: query.bytes as u32,
            ..blank(time, asker)
        };
        self.counted += 1;
        let priority = hash::combine(self.thread, self.counted);
        self.window.observe(&Observation::Dns(dns), priority);
    }

    /// Counts an answer to a client. `asked`: its name was counted just now.
    #[inline]
    pub fn answer(
        &mut self,
        time: Timestamp,
        asker: &Asker,
        query: &Query<'_>,
        answer: &[u8],
        took_us: Option<u64>,
    ) {
        if took_us.is_some() {
            name::write_text(query.name, &mut self.text);
        }
        let flags = be16(answer, 2).unwrap_or(0);
        let records = [6, 8, 10].iter().map(|at| be16(answer, *at).unwrap_or(0)).fold(0, u16::saturating_add);
        let dns = Dns {
            is_response: true,
            name: &self.text,
            query_type: query.qtype,
            opcode: query.opcode(),
            response_code: (flags & flag::CODE) as u8,
            authoritative: flags & flag::AUTHORITATIVE != 0,
            truncated: flags & flag::TRUNCATED != 0,
            recursion_desired: flags & flag::RECURSION_DESIRED != 0,
            records,
            message_bytes: answer.len() as u32,
            response_us: Some(took_us.unwrap_or(0)),
            ..blank(time, asker)
        };
        self.counted += 1;
        let priority = hash::combine(self.thread, self.counted);
        self.window.observe(&Observation::Dns(dns), priority);
    }

    /// Counts a message that is no query.
    pub fn malformed(&mut self, time: Timestamp, asker: &Asker, bytes: usize) {
        let dns = Dns { malformed: true, message_bytes: bytes as u32, ..blank(time, asker) };
        self.counted += 1;
        let priority = hash::combine(self.thread, self.counted);
        self.window.observe(&Observation::Dns(dns), priority);
    }

    /// Counts what became of a back end.
    pub fn backend(&mut self, time: Timestamp, kind: BackendEventKind, server: &str) {
        let text = match kind {
            BackendEventKind::ServerDown => format!("{server} is down"),
            BackendEventKind::ServerUp => format!("{server} is up"),
            BackendEventKind::PoolEmpty => "no name server is up".to_owned(),
            _ => format!("{server} did not answer in time"),
        };
        let event =
            BackendEvent { time, kind, backend: b"", server: server.as_bytes(), text: text.as_bytes() };
        self.counted += 1;
        let priority = hash::combine(self.thread, self.counted);
        self.window.observe(&Observation::Backend(event), priority);
    }
}

/// A message between a client and us of which nothing else is known.
fn blank(time: Timestamp, asker: &Asker) -> Dns<'static> {
    let server = match asker.via {
        Via::Udp { local: Some(local), .. } => local,
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    Dns {
        time,
        client: asker.address.ip(),
        server,
        client_port: asker.address.port(),
        is_response: false,
        over_tcp: matches!(asker.via, Via::Tcp { .. }),
        name: b"",
        query_type: 0,
        opcode: 0,
        response_code: 0,
        authoritative: false,
        truncated: false,
        recursion_desired: false,
        records: 0,
        message_bytes: 0,
        unsolicited: false,
        response_us: None,
        malformed: false,
    }
}
