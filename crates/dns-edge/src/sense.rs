//! What a thread has seen since the last tick: the same windows that triage counts DNS messages of
//! captures and logs into.

use crate::core::{Asker, Via};
use crate::hot::HotQuestion;
use crate::message::{Query, be16, flag, name};
use seawall_detection::Window;
use seawall_model::Timestamp;
use seawall_model::hash;
use seawall_model::observation::{BackendEvent, BackendEventKind, Dns, Observation};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An answer that was given in our place, as far as whoever gave it tells.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub time: Timestamp,
    pub client: SocketAddr,
    /// How many answers it stands for.
    pub times: u32,
    pub query_bytes: u16,
    pub answer_bytes: u16,
    pub question: &'a HotQuestion,
    /// Bytes 2 and 3 of the answer's header.
    pub flags: u16,
    /// Records of all sections.
    pub records: u16,
}

/// Counts a question that was answered in our place, and its answer. `priority`: unique to it.
pub fn elsewhere(window: &mut Window, seen: &Seen<'_>, priority: u64) {
    let asker = Asker { address: seen.client, via: Via::Udp { listener: 0, local: None } };
    let mut text = Vec::new();
    name::write_text(&seen.question.name, &mut text);
    let asked = Dns {
        name: &text,
        query_type: seen.question.asked.qtype,
        recursion_desired: seen.question.asked.bits & flag::RECURSION_DESIRED != 0,
        message_bytes: seen.query_bytes.into(),
        ..blank(seen.time, &asker)
    };
    let answered = Dns {
        is_response: true,
        response_code: (seen.flags & flag::CODE) as u8,
        authoritative: seen.flags & flag::AUTHORITATIVE != 0,
        records: seen.records,
        message_bytes: seen.answer_bytes.into(),
        response_us: Some(0),
        ..asked
    };
    window.observe_dns(&asked, hash::combine(priority, 0), seen.times);
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
