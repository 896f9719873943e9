//! One request on its way, whatever its client speaks: who asks for what, what has come of it,
//! and how it is told of when it is over.

use crate::Request;
use crate::act::Page;
use crate::act::Standing;
use crate::acting::{Asked, Entry, Pass, Seen};
use crate::buffer::BUFFER_BYTES;
use crate::client;
use crate::counters::Counter;
use crate::exchange::{self, Asking, Download, Fault, Progress};
use crate::forwarded::{Chain, LINES, Told, TrustedField};
use crate::held_back::{self, BodyWait};
use crate::http1::head::{RequestHead, Span};
use crate::http1::write::{self, OwnAnswer};
use crate::http1::{Field, Refusal};
use crate::sense::{Outcome, SLOW_MS};
use crate::settings::ms;
use crate::stored::{self, Aim};
use crate::thread::{Sensing, Thread};
use seawall_model::observation::{ConnectionEvent, Ending, HttpVersion, Method};
use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use tokio::time::Instant;

/// Bytes of what was no request that are told.
const SAID_BYTES: usize = 256;

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Index of the site.
    pub site: usize,
    /// The other end, after any PROXY header.
    pub peer: IpAddr,
    pub local: IpAddr,
    pub secure: bool,
    /// All zero: none.
    pub ja4: [u8; 36],
}

impl Origin {
    #[must_use]
    pub fn ja4(&self) -> &[u8] {
        if self.ja4[0] == 0 { b"" } else { &self.ja4 }
    }
}

/// One request, as all that serve it see it.
#[derive(Debug)]
pub struct Job<'a> {
    pub thread: &'a Thread,
    pub origin: &'a Origin,
    pub head: &'a RequestHead,
    /// The head as text, which `head` and `fields` point into.
    bytes: &'a [u8],
    fields: &'a [Field],
    pub request: Request<'a>,
    /// What a trusted proxy says of it.
    chain: Chain<'a>,
    pub began: Instant,
    /// The connection is to stay open afterwards.
    pub keep_alive: bool,
    /// The client speaks HTTP/1.0.
    pub is_old: bool,
    pub progress: Progress,
    /// What is known of it, once that has been looked up.
    pub seen: Seen,
    /// It was refused or put off.
    denied: Cell<bool>,
    /// It was a measure that did so, and not want of room.
    by_rule: Cell<bool>,
    /// It was answered in place of the site: from the cache, or with a page of ours.
    in_place: Cell<bool>,
    /// It belongs to a page of ours, for a request that has been counted.
    is_part: Cell<bool>,
}

impl<'a> Job<'a> {
    #[must_use]
    pub fn new(
        thread: &'a Thread,
        origin: &'a Origin,
        head: &'a RequestHead,
        bytes: &'a [u8],
        fields: &'a [Field],
        version: HttpVersion,
    ) -> Self {
        let chain = chain(thread, origin, bytes, fields);
        let mut request = view(head, bytes, origin);
        request.client = client::real(&thread.settings.trusted_proxies, origin.peer, &chain);
        request.version = version;
        Self {
            thread,
            origin,
            head,
            bytes,
            fields,
            request,
            chain,
            began: Instant::now(),
            keep_alive: head.keep_alive,
            is_old: head.version == HttpVersion::Http10,
            progress: Progress::default(),
            seen: Seen::default(),
            denied: Cell::new(false),
            by_rule: Cell::new(false),
            in_place: Cell::new(false),
            is_part: Cell::new(false),
        }
    }

    /// Bytes of its body that must be there before it goes on; observing changes nothing.
    #[must_use]
    pub fn wanted_body_bytes(&self) -> usize {
        let thread = self.thread;
        let wanted = || held_back::wanted_bytes(self.head, thread.gate.is_slow_crowd());
        if self.has_no_body() || !thread.settings.enforce { 0 } else { wanted() }
    }

    /// Asks what is to be done with the request; `body` is waited for before it takes a place.
    pub async fn enter(&self, body: Option<BodyWait<'_>>) -> Entry<'a> {
        let thread = self.thread;
        let now = thread.clock.timestamp(self.began);
        let aim = Aim {
            site: self.origin.site,
            secure: self.is_told_secure(),
            host: self.head.host.of(self.bytes),
        };
        let variant = || stored::variant(&aim, self.bytes, self.fields).filter(|_| self.has_no_body());
        let asked =
            Asked { site: self.origin.site, began: self.began, request: &self.request, variant: &variant };
        let mut entry = pin!(thread.acting.enter(thread, &asked, now, &self.seen, body)).await;
        if let Entry::Stored(page) = &mut entry {
            stored::abridge(page, self.bytes, self.fields);
        }
        self.in_place.set(matches!(entry, Entry::Stored(_) | Entry::Own { .. }));
        self.is_part.set(matches!(entry, Entry::Own { is_part: true, .. }));
        let is_denied = matches!(entry, Entry::Answer(_) | Entry::Full(_) | Entry::Close);
        self.denied.set(is_denied);
        self.by_rule.set(is_denied && !matches!(entry, Entry::Full(_)));
        entry
    }

    /// Writes the head as the upstream gets it.
    pub fn write_head(&self, out: &mut Vec<u8>) {
        let told = Told {
            client: self.request.client,
            chain: self.chain,
            peer: self.origin.peer,
            is_trusted: is_behind_proxy(self.thread, self.origin),
            secure: self.is_told_secure(),
            host: self.head.host.of(self.bytes),
        };
        write::request(out, self.bytes, self.head, self.fields, &told);
    }

    /// Whether the upstream is told that it came over TLS.
    fn is_told_secure(&self) -> bool {
        self.chain.secure.unwrap_or(self.origin.secure)
    }

    /// What it asks of a connection to an upstream.
    #[must_use]
    pub fn asking(&self) -> Asking {
        Asking { site: self.origin.site, repeatable: self.is_repeatable(), upgrade: self.head.upgrade }
    }

    /// Whether it can be sent again without doing anything twice.
    fn is_repeatable(&self) -> bool {
        self.has_no_body() && exchange::is_idempotent(self.head.method)
    }

    /// The stored answer to give in place of a failure of the upstream's, if there is one and no
    /// answer has begun.
    #[must_use]
    pub fn instead_of(&self, fault: Fault) -> Option<Box<Page>> {
        let is_ours =
            matches!(fault.ending(), Ending::NoUpstream | Ending::UpstreamFailed | Ending::UpstreamTimedOut);
        if !is_ours || self.progress.status.get() != 0 {
            return None;
        }
        let page = self.seen.instead.take()?;
        self.thread.counters.add(Counter::served_instead, 1);
        Some(page)
    }

    fn has_no_body(&self) -> bool {
        self.head.framing.is_empty()
    }

    /// Counts the request as one that waits.
    pub fn count_slow(&self) {
        if !self.seen.is_repeat.get() {
            self.thread.arrival(&self.request, self.began);
        }
    }

    #[must_use]
    pub fn download<'d>(
        &'d self,
        count_slow: &'d dyn Fn(),
        on_head: &'d dyn Fn(&[Field], &[u8]),
        on_read: &'d dyn Fn(),
    ) -> Download<'d> {
        Download {
            method: self.head.method,
            limits: &self.thread.settings.limits,
            stock: &self.thread.stock,
            progress: &self.progress,
            slow_at: self.began + ms(SLOW_MS),
            count_slow,
            on_head,
            on_read,
            taking: &self.seen.taking,
            has_instead: self.seen.has_instead(),
            may_switch: self.head.upgrade,
        }
    }

    /// The upstream has answered in full, though the client has not taken all of it: others may have its
    /// place.
    pub fn read(&self, pass: &Pass<'_>) {
        let over = Instant::now();
        let progress = &self.progress;
        let first_byte = progress.first_byte.get().unwrap_or(over);
        let failed = progress.status.get() >= 500;
        pass.answered(first_byte, progress.asked.get(), failed, self.thread.clock.timestamp(over));
    }

    /// The request is over: counts and logs it.
    pub fn finish(&self, server: &str, fault: Option<Fault>, pass: Option<Pass<'_>>) {
        let progress = &self.progress;
        let status = progress.status.get();
        let failed = fault.is_some_and(|f| f.ending() != Ending::ClientAborted) || status >= 500;
        let over = Instant::now();
        let now = self.thread.clock.timestamp(over);
        if let Some(pass) = pass.filter(|_| status != 0) {
            if (200..400).contains(&status) && !exchange::is_safe(self.head.method) {
                self.thread.cache.borrow_mut().forget(&self.request);
            }
            pass.done(progress.first_byte.get().unwrap_or(over), progress.asked.get(), failed, now);
        }
        if let Some(taking) = self.seen.taking.take() {
            taking.finish(&mut self.thread.cache.borrow_mut(), now);
        }
        if self.seen.standing.get() >= Standing::Known {
            self.count_known(status);
        }
        if let Some(fault) = fault {
            self.thread.counters.add(fault.counter(), 1);
        }
        if fault == Some(Fault::ClientSlow) {
            // It was the answer that it took too slowly, if one had begun.
            let taking = progress.response_bytes.get() > 0;
            let event = if taking { ConnectionEvent::SlowRead } else { ConnectionEvent::SlowRequest };
            self.thread.connection(event, self.origin.peer, self.origin.local);
        }
        let well = if self.denied.get() { Ending::Denied } else { Ending::Normal };
        let ending = fault.map_or(well, Fault::ending);
        let outcome = Outcome {
            time: self.thread.clock.timestamp(self.began),
            status,
            response_bytes: progress.response_bytes.get(),
            request_bytes: progress.request_bytes.get(),
            duration_us: exchange::microseconds(over - self.began),
            upload_us: self.upload_us(),
            upstream_us: progress.first_byte.get().map(|at| exchange::microseconds(at - self.began)),
            server,
            ending,
            malformed: ending == Ending::ClientInvalid,
        };
        let sensing = if self.is_part.get() {
            Sensing::Apart
        } else if progress.counted.get() || self.seen.is_repeat.get() {
            Sensing::Answer
        } else if self.in_place.get() {
            Sensing::Asked
        } else {
            Sensing::Whole
        };
        self.thread.request(&self.request, &outcome, sensing);
    }
}

impl Job<'_> {
    /// How long a body was waited for that went to the upstream as it came.
    fn upload_us(&self) -> u64 {
        let progress = &self.progress;
        let is_long = progress.request_bytes.get() > BUFFER_BYTES as u64;
        let sent = progress.asked.get().filter(|_| is_long);
        sent.map_or(0, |sent| exchange::microseconds(sent.saturating_duration_since(self.began)))
    }

    /// Counts what a client has met with that was known before the trouble.
    fn count_known(&self, status: u16) {
        let counters = &self.thread.counters;
        let is_good = (200..400).contains(&status) && !self.denied.get();
        let (is_refused, is_looking) = (self.by_rule.get(), self.seen.is_looking.get());
        counters.add(Counter::known_requests, 1);
        counters.add(Counter::known_good, u64::from(is_good));
        counters.add(Counter::known_pages, u64::from(is_good && self.seen.is_page.get()));
        counters.add(Counter::known_refused, u64::from(is_refused));
        counters.add(Counter::known_looking, u64::from(is_looking));
        counters.add(Counter::known_looking_refused, u64::from(is_looking && is_refused));
    }
}

/// What a client is answered whose request was not carried through.
#[must_use]
pub fn fault_answer(fault: Fault) -> OwnAnswer<'static> {
    let retry: &[(&str, &str)] = &[("Retry-After", "5")];
    OwnAnswer {
        status: fault.status(),
        fields: if fault == Fault::NoUpstream { retry } else { &[] },
        body: write::reason(fault.status()).as_bytes(),
    }
}

/// Counts and logs what was no request, or none that is taken; `said` is what came of it.
pub fn count_refused(thread: &Thread, origin: &Origin, refusal: Refusal, said: &[u8], answer_bytes: usize) {
    match refusal.status {
        408 => {}
        414 | 431 => thread.counters.add(Counter::head_limits, 1),
        _ => thread.counters.add(Counter::malformed, 1),
    }
    // Who is late is slow, which is a matter of its own. What is nonsense was asked of nobody.
    let is_late = refusal.status == 408;
    if !is_late {
        thread.refused.add(origin.peer);
    }
    let (ending, sensing) = match is_late {
        true => (Ending::ClientTimedOut, Sensing::Whole),
        false => (Ending::ClientInvalid, Sensing::Apart),
    };
    let outcome = Outcome {
        time: thread.clock.timestamp(Instant::now()),
        status: refusal.status,
        response_bytes: answer_bytes as u64,
        request_bytes: 0,
        duration_us: 0,
        upload_us: 0,
        upstream_us: None,
        server: "",
        ending,
        malformed: !is_late,
    };
    let request = as_said(said, origin);
    thread.request(&request, &outcome, sensing);
}

/// A request that is none, by what can be made out of its first line.
fn as_said<'a>(said: &'a [u8], origin: &'a Origin) -> Request<'a> {
    let said = &said[..said.len().min(SAID_BYTES)];
    let line = said.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let method = Method::parse(words.next().unwrap_or_default());
    let target = if method == Method::Other { line } else { words.next().unwrap_or_default() };
    let mut parts = target.splitn(2, |b| *b == b'?');
    Request {
        method,
        path: parts.next().unwrap_or_default(),
        query: parts.next(),
        secure: origin.secure,
        ja4: origin.ja4(),
        ..Request::new(origin.peer)
    }
}

/// Whether a proxy that is trusted is at the other end.
fn is_behind_proxy(thread: &Thread, origin: &Origin) -> bool {
    client::is_trusted(&thread.settings.trusted_proxies, origin.peer)
}

/// What a trusted proxy says of a request; nothing where none is trusted.
fn chain<'a>(thread: &Thread, origin: &Origin, bytes: &'a [u8], fields: &[Field]) -> Chain<'a> {
    let settings = &thread.settings;
    if !is_behind_proxy(thread, origin) {
        return Chain::default();
    }
    let lines = |name: &[u8]| {
        let is_it = |f: &&Field| f.name(bytes).eq_ignore_ascii_case(name) && !f.value(bytes).is_empty();
        let mut lines = [&b""[..]; LINES];
        for (line, field) in lines.iter_mut().rev().zip(fields.iter().rev().filter(is_it)) {
            *line = field.value(bytes);
        }
        lines
    };
    let last = |name: &[u8]| lines(name)[LINES - 1];
    match settings.trusted_field {
        TrustedField::XForwardedFor => {
            let beside = [last(b"x-forwarded-proto"), last(b"x-forwarded-host"), last(b"x-forwarded-port")];
            Chain::listed(lines(b"x-forwarded-for"), beside)
        }
        TrustedField::Forwarded => Chain::of_pairs(lines(b"forwarded")),
    }
}

fn view<'a>(head: &RequestHead, bytes: &'a [u8], origin: &'a Origin) -> Request<'a> {
    let text = |span: Span| span.of(bytes);
    let host = text(head.host);
    let port = host.iter().rposition(|b| *b == b':').filter(|at| !host[*at..].contains(&b']'));
    Request {
        method: head.method,
        version: head.version,
        host: &host[..port.unwrap_or(host.len())],
        path: text(head.path),
        query: head.query.map(text),
        user_agent: text(head.user_agent),
        referrer: text(head.referrer),
        cookie: text(head.cookie),
        accept: text(head.accept),
        accept_language: text(head.accept_language),
        authorization: text(head.authorization),
        header_order: head.header_order,
        ja4: origin.ja4(),
        secure: origin.secure,
        ..Request::new(origin.peer)
    }
}
