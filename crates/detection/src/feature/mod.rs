//! The window: what one target saw in one tick, as mergeable counters, sketches and samples.
//! Nothing in it depends on the order in which observations or windows came.

pub mod classify;
mod codec;
pub mod dns;
pub mod http;
mod link;
pub mod net;
pub mod service;

use dns::DnsWindow;
use http::HttpWindow;
use net::NetWindow;
use seawall_model::hash;
use seawall_model::observation::{BackendEvent, BackendEventKind, Dns, Login, Observation, Packet, Request};
use seawall_model::time::{SECOND_NS, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

use crate::sketch::{Profile, Profiles};

/// Back-end events that a window keeps in words; more are only counted.
const EVENTS_KEPT: usize = 32;

/// A mergeable summary of what one target saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub http: Option<Box<HttpWindow>>,
    pub net: Option<Box<NetWindow>>,
    pub dns: Option<Box<DnsWindow>>,
    pub logins: Option<Box<LoginWindow>>,
    pub backends: Option<Box<BackendWindow>>,
    pub span: Option<Span>,
}

/// The time that a window covers, as its observations tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub first: Timestamp,
    pub last: Timestamp,
    /// No observation had a fraction of a second, as in most logs.
    pub whole_seconds: bool,
}

impl Span {
    fn of(time: Timestamp) -> Self {
        Self { first: time, last: time, whole_seconds: time.0 % SECOND_NS == 0 }
    }

    fn join(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            whole_seconds: self.whole_seconds && other.whole_seconds,
        }
    }

    /// Length in seconds, counting the resolution of the clock: never zero.
    #[must_use]
    pub fn seconds(self) -> f64 {
        let resolution_s = if self.whole_seconds { 1.0 } else { 0.001 };
        self.last.since_s(self.first) + resolution_s
    }
}

impl Window {
    /// A time that was watched, and in which nothing came that counts.
    #[must_use]
    pub fn of_silence(first: Timestamp, last: Timestamp) -> Self {
        Self { span: Some(Span::of(first).join(Span::of(last))), ..Self::default() }
    }

    /// Takes the times of a window that is counted at `tick`, and that lie further than a day from it, for
    /// mistakes: one line with a wrong year would stretch everything that is said per second.
    pub fn doubt_times_far_from(&mut self, tick: Timestamp) {
        const DAY_NS: i64 = 86_400_000_000_000;
        if let Some(span) = &mut self.span {
            let (earliest, latest) = (tick.plus_ns(-DAY_NS), tick.plus_ns(DAY_NS));
            let near = |time: Timestamp| if time < earliest || time > latest { tick } else { time };
            (span.first, span.last) = (near(span.first), near(span.last));
        }
    }

    /// Counts one observation. `priority` decides whether the samples take it: a hash of its
    /// position in the input, unique to it.
    #[inline]
    pub fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        self.stretch(observation.time());
        match observation {
            Observation::Request(r) => self.http.get_or_insert_default().observe(r, priority),
            Observation::Packet(p) => self.count_packet(p, priority),
            Observation::Connection(c) => self.net.get_or_insert_default().observe_connection(c),
            Observation::Dns(d) => self.dns.get_or_insert_default().observe(d, priority, 1),
            Observation::Login(l) => self.logins.get_or_insert_default().observe(l),
            Observation::Backend(b) => self.backends.get_or_insert_default().observe(b),
        }
    }

    /// Counts one packet, as [`Window::observe`] does: of what is observed they are most.
    #[inline]
    pub fn observe_packet(&mut self, packet: &Packet<'_>, priority: u64) {
        self.stretch(packet.time);
        self.count_packet(packet, priority);
    }

    #[inline]
    fn count_packet(&mut self, packet: &Packet<'_>, priority: u64) {
        self.net.get_or_insert_default().observe(packet, priority);
    }

    /// Counts a DNS message that stands for `times` alike, as a sampling sensor tells of it.
    pub fn observe_dns(&mut self, message: &Dns<'_>, priority: u64, times: u32) {
        self.stretch(message.time);
        self.dns.get_or_insert_default().observe(message, priority, times);
    }

    /// Counts a request whose answer is not there yet: who asks for what. A live sensor tells of
    /// it when an answer takes long, so that a flood is seen before it is answered.
    pub fn observe_arrival(&mut self, request: &Request<'_>, priority: u64) {
        self.stretch(request.time);
        self.http.get_or_insert_default().observe_arrival(request, priority);
    }

    /// Counts the answer to a request that was counted by [`Window::observe_arrival`], in
    /// whatever window. `answered` is when; what each client was answered is not counted.
    pub fn observe_answer(&mut self, request: &Request<'_>, answered: Timestamp, priority: u64) {
        self.stretch(answered);
        self.http.get_or_insert_default().observe_answer(request, priority);
    }

    /// Counts what slow clients hold, and what was kept from them: the most that were slow at once, and
    /// connections that were not let in.
    pub fn observe_held(&mut self, time: Timestamp, slow_held: u64, turned_away: u64) {
        self.stretch(time);
        let net = self.net.get_or_insert_default();
        net.slow_held = net.slow_held.max(slow_held);
        net.turned_away += turned_away;
    }

    #[inline]
    fn stretch(&mut self, time: Timestamp) {
        if let Some(span) = &mut self.span
            && !span.whole_seconds
        {
            // Whether this one has a fraction need not be known any more.
            span.first = span.first.min(time);
            span.last = span.last.max(time);
            return;
        }
        let now = Span::of(time);
        self.span = Some(self.span.map_or(now, |s| s.join(now)));
    }

    /// Closes a tick of `width_s`: what can only be said of a whole tick (the busiest second of a
    /// client) is computed now. Call once, after the last merge of parts of the same tick.
    pub fn seal(&mut self, width_s: f64) {
        if let Some(http) = &mut self.http {
            http.seal(width_s);
        }
        if let Some(net) = &mut self.net {
            net.seal(width_s);
        }
        if let Some(dns) = &mut self.dns {
            dns.seal(width_s);
        }
    }

    /// Adds what another window counted.
    pub fn merge(&mut self, other: &Self) {
        merge_part(&mut self.http, &other.http, HttpWindow::merge);
        merge_part(&mut self.net, &other.net, NetWindow::merge);
        merge_part(&mut self.dns, &other.dns, DnsWindow::merge);
        merge_part(&mut self.logins, &other.logins, LoginWindow::merge);
        merge_part(&mut self.backends, &other.backends, BackendWindow::merge);
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some(a.join(b)),
            (a, b) => a.or(b),
        };
    }

    /// Seconds from the first to the last observation; 0 for an empty window.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.span.map_or(0.0, Span::seconds)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.http.is_none()
            && self.net.is_none()
            && self.dns.is_none()
            && self.logins.is_none()
            && self.backends.is_none()
    }
}

fn merge_part<T: Clone>(mine: &mut Option<Box<T>>, theirs: &Option<Box<T>>, merge: fn(&mut T, &T)) {
    match (mine.as_mut(), theirs) {
        (Some(mine), Some(theirs)) => merge(mine, theirs),
        (None, Some(_)) => mine.clone_from(theirs),
        (_, None) => {}
    }
}

/// Log-in attempts told by logs other than HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoginWindow {
    pub attempts: u64,
    pub failures: u64,
    pub clients: Profiles<LoginProfile>,
}

/// One client's log-in attempts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoginProfile {
    pub client: Option<std::net::IpAddr>,
    pub attempts: u32,
    pub failures: u32,
    /// Attempts that were asked to prove themselves first, as everybody's are.
    pub challenges: u32,
    /// Bitmap of hashed user names.
    pub users: u64,
}

impl Profile for LoginProfile {
    fn merge(&mut self, other: &Self) {
        self.client = self.client.or(other.client);
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.challenges += other.challenges;
        self.users |= other.users;
    }
}

impl LoginProfile {
    /// Attempts that succeeded.
    #[must_use]
    pub fn successes(&self) -> u32 {
        self.attempts.saturating_sub(self.failures + self.challenges)
    }

    /// Attempts in vain: failures, and of the challenges that no success followed each second, since
    /// a guess takes two steps.
    #[must_use]
    pub fn in_vain(&self) -> u32 {
        self.failures + self.challenges.saturating_sub(self.successes()) / 2
    }
}

impl LoginWindow {
    fn observe(&mut self, l: &Login<'_>) {
        let failed = !l.succeeded && !l.challenged;
        self.attempts += 1;
        self.failures += u64::from(failed);
        if let Some(profile) = self.clients.entry(hash::address(l.client)) {
            profile.client = Some(l.client);
            profile.attempts += 1;
            profile.failures += u32::from(failed);
            profile.challenges += u32::from(l.challenged);
            profile.users |= bit_of(hash::bytes(l.user));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.failures += other.failures;
        self.clients.merge(&other.clients);
    }
}

/// What proxies and servers said of their back ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendWindow {
    /// Indexed by [`BackendEventKind`] in its order.
    pub counts: [u64; 10],
    /// The earliest events, in order of time, kind and text.
    pub events: Vec<(Timestamp, BackendEventKind, String)>,
}

impl BackendWindow {
    #[must_use]
    pub fn count(&self, kind: BackendEventKind) -> u64 {
        self.counts[kind as usize]
    }

    fn observe(&mut self, b: &BackendEvent<'_>) {
        self.counts[b.kind as usize] += 1;
        let text = String::from_utf8_lossy(&b.text[..b.text.len().min(200)]).into_owned();
        self.events.push((b.time, b.kind, text));
        if self.events.len() >= 2 * EVENTS_KEPT {
            self.keep_earliest();
        }
    }

    fn keep_earliest(&mut self) {
        self.events.sort_unstable();
        self.events.truncate(EVENTS_KEPT);
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.events.extend_from_slice(&other.events);
        self.keep_earliest();
    }
}

/// The one bit of 64 that stands for a hash.
pub(crate) fn bit_of(hash: u64) -> u64 {
    1 << (hash >> 58)
}

/// How many distinct things a bitmap of 64 hashed bits stands for (linear counting).
pub(crate) fn bits_as_count(bits: u64) -> f64 {
    /// By the number of bits that are not set: profiles are counted by the hundred in every second.
    static COUNTS: LazyLock<[f64; 65]> = LazyLock::new(|| {
        std::array::from_fn(|zeros| 64.0 * seawall_model::math::ln(64.0 / zeros.max(1) as f64))
    });
    COUNTS[bits.count_zeros() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::Ending;

    #[test]
    fn a_request_told_in_two_parts_counts_as_told_in_one() {
        let time = Timestamp::from_seconds(1_000);
        let asked = Request { path: b"/a", ..Request::new(time, [192, 0, 2, 1].into()) };
        let failed = Ending::UpstreamTimedOut;
        let answered =
            Request { status: 504, duration_us: Some(2_000_000), ending: failed, server: b"s", ..asked };
        let mut whole = Window::default();
        whole.observe(&Observation::Request(answered), 1);
        let (mut first, mut second) = (Window::default(), Window::default());
        first.observe_arrival(&asked, 1);
        second.observe_answer(&answered, time.plus_ns(2 * SECOND_NS), 2);
        first.merge(&second);
        let (whole, parts) = (whole.http.expect("counted"), first.http.expect("counted"));
        assert_eq!(whole.counters, parts.counters);
        assert_eq!(whole.durations_us, parts.durations_us);
        assert_eq!(whole.servers, parts.servers);
        assert_eq!((whole.records(), parts.records().len()), (parts.late_records(), 1));
        assert_eq!((whole.clients, whole.urls), (parts.clients, parts.urls));
    }
}
