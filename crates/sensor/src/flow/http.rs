//! Requests and responses of HTTP/1 on one connection, matched in order.

use super::Sink;
use super::stream::Budget;
use seawall_model::Timestamp;
use seawall_model::observation::{HttpVersion, Method, Observation, Presence, Request};
use seawall_model::time::SECOND_NS;
use seawall_wire::packet::http1::{self, Body, BodyScan, HEAD_LIMIT_BYTES, RequestHead, Start};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Requests of one connection that wait for their responses; more are told unanswered.
const PENDING_LIMIT: usize = 16;
/// A request without an answer is told after this time.
const UNANSWERED_NS: i64 = 4 * SECOND_NS;
/// A response whose body still runs is told after this time.
const RUNNING_NS: i64 = SECOND_NS;
/// A body that arrives slower than this, by an average over [`SLOW_AFTER_NS`], is a trickle.
const TRICKLE_BYTES_PER_SECOND: u64 = 500;
/// A request incomplete after this time is slow.
pub(super) const SLOW_AFTER_NS: i64 = 5 * SECOND_NS;

/// A request that waits for its response.
struct Pending {
    head: Head,
    began: Timestamp,
    /// Told as unanswered already.
    told: bool,
}

/// A request's head, read once and kept until its answer is known.
struct Head {
    bytes: Box<[u8]>,
    method: Method,
    version: HttpVersion,
    host: Part,
    path: Part,
    query: Option<Part>,
    user_agent: Part,
    referrer: Part,
    cookie: Presence,
    accept_language: Presence,
    malformed: bool,
    header_order: u64,
}

/// Where in a head a text lies.
#[derive(Clone, Copy)]
struct Part {
    start: u16,
    length: u16,
}

impl Part {
    /// The path of a target that names none, which stands in no head (RFC 9112 section 3.2.1).
    const ROOT: Self = Self { start: u16::MAX, length: 1 };

    fn of(text: &[u8], head: &[u8]) -> Self {
        let start = (text.as_ptr() as usize).wrapping_sub(head.as_ptr() as usize);
        match (u16::try_from(start), u16::try_from(text.len())) {
            (Ok(start), Ok(length)) if usize::from(start) + text.len() <= head.len() => {
                Self { start, length }
            }
            _ if text.is_empty() => Self { start: 0, length: 0 },
            _ => Self::ROOT,
        }
    }

    fn within(self, head: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        head.get(start..start + usize::from(self.length)).unwrap_or(b"/")
    }
}

impl Head {
    /// Keeps a head that was read from the beginning of `source`.
    fn of(head: &RequestHead<'_>, source: &[u8]) -> Self {
        let bytes = &source[..head.head_bytes];
        let part = |text: &[u8]| Part::of(text, bytes);
        Self {
            bytes: bytes.into(),
            method: head.method,
            version: head.version,
            host: part(head.host),
            path: part(head.path),
            query: head.query.map(part),
            user_agent: part(head.user_agent),
            referrer: part(head.referrer),
            cookie: head.cookie,
            accept_language: head.accept_language,
            malformed: head.malformed,
            header_order: head.header_order,
        }
    }

    fn describe(&self, began: Timestamp, client: IpAddr) -> Request<'_> {
        let text = |part: Part| part.within(&self.bytes);
        Request {
            method: self.method,
            host: text(self.host),
            path: text(self.path),
            query: self.query.map(text),
            version: self.version,
            user_agent: text(self.user_agent),
            referrer: text(self.referrer),
            cookie: self.cookie,
            accept_language: self.accept_language,
            header_order: self.header_order,
            malformed: self.malformed,
            ..Request::new(began, client)
        }
    }
}

/// A response under way.
struct Answer {
    request: Pending,
    status: u16,
    answered: Timestamp,
    /// By its head, where that tells.
    length: Option<u64>,
    body_bytes: u64,
}

/// Less than this in so long a time is a trickle.
fn trickle_bytes(taken_ns: i64) -> u64 {
    taken_ns as u64 / SECOND_NS as u64 * TRICKLE_BYTES_PER_SECOND
}

/// Both directions of one connection.
#[derive(Default)]
pub(super) struct Http {
    /// The beginning of a head not yet complete, by direction.
    heads: [Vec<u8>; 2],
    request_began: Option<Timestamp>,
    request_body: Option<BodyScan>,
    request_body_bytes: u64,
    pending: VecDeque<Pending>,
    answer: Option<Answer>,
    response_body: Option<BodyScan>,
    /// Requests seen.
    pub requests: u32,
    /// Where the stream stands is not known until the next head.
    lost: [bool; 2],
    /// A request whose head was not captured whole, until it is answered.
    cut: Option<Cut>,
    /// Another protocol is spoken from here on.
    upgraded: bool,
}

/// What follows the beginning of a request in a capture of short packets.
#[derive(Clone, Copy)]
struct Cut {
    began: Timestamp,
    /// When the last of it came.
    last: Timestamp,
    bytes: u64,
}

/// Bytes of one direction and when they came.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub time: Timestamp,
    pub client: IpAddr,
    pub bytes: &'a [u8],
}

impl Http {
    /// Has memory fetched that the next bytes will need.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        u64::from(self.requests)
            + u64::from(self.lost[0])
            + u64::from(self.answer.is_some())
            + u64::from(self.response_body.is_some())
    }

    /// Whether bytes that come early are worth waiting for in this direction.
    pub(super) fn is_in_head(&self, from_client: bool) -> bool {
        let body = if from_client { self.request_body } else { self.response_body };
        !self.lost[usize::from(!from_client)] && body.is_none()
    }

    /// Whether a request has begun and is not complete, and comes too slowly.
    pub(super) fn is_slow(&self, now: Timestamp) -> bool {
        if let Some(cut) = self.cut {
            // What is one-way may have been answered unseen: whoever still talks was not.
            let talks = cut.last.since_ns(cut.began) >= SLOW_AFTER_NS;
            return talks && cut.bytes < trickle_bytes(now.since_ns(cut.began));
        }
        let Some(began) = self.request_began else { return false };
        let taken_ns = now.since_ns(began);
        if self.lost[0] || taken_ns < SLOW_AFTER_NS {
            return false;
        }
        match self.request_body {
            None => true,
            Some(_) => self.request_body_bytes < trickle_bytes(taken_ns) && self.answer.is_none(),
        }
    }

    /// Whether anything may come due by time alone.
    pub(super) fn is_waiting(&self) -> bool {
        self.request_began.is_some()
            || self.cut.is_some()
            || self.answer.as_ref().is_some_and(|answer| !answer.request.told)
            || self.pending.iter().any(|request| !request.told)
    }

    /// Reads what the client sent. `false`: it is not HTTP.
    pub(super) fn hear_client(
        &mut self,
        arrival: Arrival<'_>,
        budget: &Budget,
        sink: &mut impl Sink,
    ) -> bool {
        let mut bytes = arrival.bytes;
        if self.lost[0] && !self.upgraded && http1::may_be_request(bytes) {
            self.lost[0] = false;
            self.cut = None;
        }
        if let Some(cut) = &mut self.cut {
            (cut.last, cut.bytes) = (arrival.time, cut.bytes + bytes.len() as u64);
        }
        while !bytes.is_empty() && !self.lost[0] {
            if let Some(body) = &mut self.request_body {
                let passed = body.pass(bytes);
                self.request_body_bytes += passed as u64;
                bytes = &bytes[passed..];
                self.end_request_body();
                continue;
            }
            let began = *self.request_began.get_or_insert(arrival.time);
            let held = self.heads[0].len();
            let taken = self.request_head(arrival, began, bytes, budget, sink);
            match taken {
                Taken::All => return true,
                Taken::NotHttp => {
                    self.lose(0, budget);
                    return self.requests > 0;
                }
                Taken::Head(length) => bytes = &bytes[length.saturating_sub(held).min(bytes.len())..],
            }
        }
        true
    }

    /// Reads what the server sent.
    pub(super) fn hear_server(&mut self, arrival: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        let mut bytes = arrival.bytes;
        self.cut = None;
        if self.lost[1] && !self.upgraded && bytes.starts_with(b"HTTP/1.") {
            self.recover(arrival, budget, sink);
        }
        while !bytes.is_empty() && !self.lost[1] {
            if let Some(body) = &mut self.response_body {
                let passed = body.pass(bytes);
                bytes = &bytes[passed..];
                self.body_bytes(passed as u64);
                self.end_response_body(arrival, budget, sink);
                continue;
            }
            match self.response_head(arrival, bytes, budget, sink) {
                Taken::All => break,
                Taken::NotHttp => self.lose(1, budget),
                Taken::Head(length) => bytes = &bytes[length..],
            }
        }
        if let Some(answer) = &self.answer
            && arrival.time.since_ns(answer.answered) >= RUNNING_NS
        {
            self.tell_answer(arrival, false, sink);
        }
    }

    /// Passes over bytes that were not captured.
    pub(super) fn unseen(
        &mut self,
        from_client: bool,
        count: u64,
        at: Arrival<'_>,
        budget: &Budget,
        sink: &mut impl Sink,
    ) {
        let direction = usize::from(!from_client);
        match &mut self.cut {
            Some(cut) if from_client => cut.bytes += count,
            _ if !from_client => self.cut = None,
            _ => {}
        }
        if self.is_in_head(from_client) {
            self.cut_head(from_client, at, budget, sink);
            return;
        }
        let body = if from_client { &mut self.request_body } else { &mut self.response_body };
        let follows = body.as_mut().is_some_and(|body| body.pass_unseen(count));
        if !follows {
            self.lose(direction, budget);
        } else if from_client {
            self.request_body_bytes += count;
            self.end_request_body();
        } else {
            self.body_bytes(count);
            self.end_response_body(at, budget, sink);
        }
    }

    /// Tells what has come due by `at.time`.
    pub(super) fn check(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        if self.answer.as_ref().is_some_and(|answer| at.time.since_ns(answer.answered) >= RUNNING_NS) {
            self.tell_answer(at, false, sink);
        }
        for request in &mut self.pending {
            if !request.told && at.time.since_ns(request.began) >= UNANSWERED_NS {
                tell(request, at.client, None, sink);
                request.told = true;
            }
        }
        while self.pending.front().is_some_and(|request| request.told)
            && self.pending.len() > PENDING_LIMIT / 2
        {
            self.drop_front(budget);
        }
    }

    /// The connection has ended: tells what was not told, and frees everything.
    pub(super) fn end(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        // A body that runs until the end of the connection is complete with it.
        let complete = self.response_body.is_some_and(|mut body| body.pass_unseen(u64::MAX));
        self.tell_answer(at, complete, sink);
        if let Some(answer) = self.answer.take() {
            budget.give_back(answer.request.head.bytes.len());
        }
        while let Some(mut request) = self.pending.pop_front() {
            if !request.told {
                tell(&request, at.client, None, sink);
                request.told = true;
            }
            budget.give_back(request.head.bytes.len());
        }
        self.lose(0, budget);
        self.lose(1, budget);
    }

    fn request_head(
        &mut self,
        arrival: Arrival<'_>,
        began: Timestamp,
        bytes: &[u8],
        budget: &Budget,
        sink: &mut impl Sink,
    ) -> Taken {
        let Self { heads: [held, _], pending, .. } = self;
        if !held.is_empty() {
            let room = HEAD_LIMIT_BYTES + 1 - held.len().min(HEAD_LIMIT_BYTES);
            let more = &bytes[..bytes.len().min(room)];
            if !budget.take(more.len()) {
                return Taken::NotHttp;
            }
            held.extend_from_slice(more);
        }
        let source: &[u8] = if held.is_empty() { bytes } else { held };
        match http1::request(source) {
            Start::NotHttp => Taken::NotHttp,
            Start::Incomplete => {
                if held.is_empty() {
                    if !budget.take(bytes.len()) {
                        return Taken::NotHttp;
                    }
                    held.extend_from_slice(bytes);
                }
                Taken::All
            }
            Start::Head(head) => {
                let (length, body, upgrade) = (head.head_bytes, head.body, head.upgrade);
                let request = Pending { head: Head::of(&head, source), began, told: false };
                if pending.len() < PENDING_LIMIT && budget.take(length) {
                    pending.push_back(request);
                } else {
                    tell(&request, arrival.client, None, sink);
                }
                budget.give_back(held.len());
                self.heads[0] = Vec::new();
                self.requests += 1;
                self.request_body = Some(BodyScan::new(body));
                self.request_body_bytes = 0;
                self.end_request_body();
                if upgrade {
                    self.lost[0] = true;
                    self.upgraded = true;
                }
                Taken::Head(length)
            }
        }
    }

    /// The rest of a head was not captured: what there is of it is taken for all.
    fn cut_head(&mut self, from_client: bool, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        let direction = usize::from(!from_client);
        let has_line = memchr::memchr(b'\n', &self.heads[direction]).is_some();
        if has_line && from_client {
            let began = self.request_began.unwrap_or(at.time);
            self.request_head(at, began, b"\n\n", budget, sink);
            self.cut = Some(Cut { began, last: at.time, bytes: 0 });
        } else if has_line {
            self.response_head(at, b"\n\n", budget, sink);
        }
        self.lose(direction, budget);
    }

    /// A head begins after bytes were lost: only the newest request can be what it answers.
    fn recover(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        self.tell_answer(at, false, sink);
        if let Some(answer) = self.answer.take() {
            budget.give_back(answer.request.head.bytes.len());
        }
        while self.pending.len() > 1 {
            if let Some(request) = self.pending.front().filter(|request| !request.told) {
                tell(request, at.client, None, sink);
            }
            self.drop_front(budget);
        }
        self.lost[1] = false;
    }

    fn end_request_body(&mut self) {
        if self.request_body.is_some_and(|body| body.is_done()) {
            self.request_body = None;
            self.request_began = None;
        }
    }

    fn response_head(
        &mut self,
        arrival: Arrival<'_>,
        bytes: &[u8],
        budget: &Budget,
        sink: &mut impl Sink,
    ) -> Taken {
        let held = &mut self.heads[1];
        let before = held.len();
        if before > 0 {
            let room = HEAD_LIMIT_BYTES + 1 - before.min(HEAD_LIMIT_BYTES);
            let more = &bytes[..bytes.len().min(room)];
            if !budget.take(more.len()) {
                return Taken::NotHttp;
            }
            held.extend_from_slice(more);
        }
        let source: &[u8] = if before == 0 { bytes } else { held };
        let head = match http1::response(source) {
            Start::NotHttp => return Taken::NotHttp,
            Start::Incomplete => {
                if before == 0 {
                    if !budget.take(bytes.len()) {
                        return Taken::NotHttp;
                    }
                    held.extend_from_slice(bytes);
                }
                return Taken::All;
            }
            Start::Head(head) => head,
        };
        budget.give_back(held.len());
        self.heads[1] = Vec::new();
        let taken = Taken::Head((head.head_bytes - before.min(head.head_bytes)).min(bytes.len()));
        // 1xx announce another response; after 101 the stream is another protocol's.
        if head.status < 200 {
            if head.status == 101 {
                self.answer_with(101, Body::None, arrival, budget, sink);
                self.lost = [true, true];
                self.upgraded = true;
            }
            return taken;
        }
        self.answer_with(head.status, head.body, arrival, budget, sink);
        taken
    }

    /// A final response has begun to the oldest request that waits.
    fn answer_with(
        &mut self,
        status: u16,
        body: Body,
        at: Arrival<'_>,
        budget: &Budget,
        sink: &mut impl Sink,
    ) {
        let request = self.pending.pop_front();
        let is_head = request.as_ref().is_some_and(|request| request.head.bytes.starts_with(b"HEAD "));
        let body = if is_head { Body::None } else { body };
        self.response_body = Some(BodyScan::new(body));
        if let Some(request) = request {
            let length = match body {
                Body::Length(length) => Some(length),
                Body::None => Some(0),
                Body::Chunked | Body::ToEnd => None,
            };
            self.answer = Some(Answer { request, status, answered: at.time, length, body_bytes: 0 });
        }
        self.end_response_body(at, budget, sink);
    }

    fn body_bytes(&mut self, count: u64) {
        if let Some(answer) = &mut self.answer {
            answer.body_bytes += count;
        }
    }

    fn end_response_body(&mut self, at: Arrival<'_>, budget: &Budget, sink: &mut impl Sink) {
        if self.response_body.is_some_and(|body| body.is_done()) {
            self.response_body = None;
            self.tell_answer(at, true, sink);
            if let Some(answer) = self.answer.take() {
                budget.give_back(answer.request.head.bytes.len());
            }
        }
    }

    /// Tells of the request being answered, once.
    fn tell_answer(&mut self, at: Arrival<'_>, complete: bool, sink: &mut impl Sink) {
        if let Some(answer) = &mut self.answer
            && !answer.request.told
        {
            tell(&answer.request, at.client, Some((answer, at.time, complete)), sink);
            answer.request.told = true;
        }
    }

    /// Gives up a direction.
    fn lose(&mut self, direction: usize, budget: &Budget) {
        self.lost[direction] = true;
        budget.give_back(self.heads[direction].len());
        self.heads[direction] = Vec::new();
        if direction == 0 {
            self.request_began = None;
            self.request_body = None;
        } else {
            self.response_body = None;
        }
    }

    fn drop_front(&mut self, budget: &Budget) {
        if let Some(request) = self.pending.pop_front() {
            budget.give_back(request.head.bytes.len());
        }
    }
}

/// How much of some bytes a head was.
enum Taken {
    /// All, and the head is not complete.
    All,
    Head(usize),
    NotHttp,
}

/// Tells of one request; with its answer, the time now and whether that is complete.
fn tell(request: &Pending, client: IpAddr, answer: Option<(&Answer, Timestamp, bool)>, sink: &mut impl Sink) {
    let mut told = request.head.describe(request.began, client);
    if let Some((answer, now, complete)) = answer {
        let microseconds = |until: Timestamp| until.since_ns(request.began).max(0) as u64 / 1_000;
        told.status = answer.status;
        told.response_bytes = answer.length.unwrap_or(answer.body_bytes);
        told.upstream_us = Some(microseconds(answer.answered));
        told.duration_us = complete.then(|| microseconds(now));
    }
    sink.observe(&Observation::Request(told));
}

/// Tells of a request on an HTTP/2 stream, of which only method and path may be known.
pub(super) fn tell_stream(
    time: Timestamp,
    client: IpAddr,
    method: Method,
    path: &'static [u8],
    sink: &mut impl Sink,
) {
    let told = Request { method, path, version: HttpVersion::Http2, ..Request::new(time, client) };
    sink.observe(&Observation::Request(told));
}
