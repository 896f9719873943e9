//! A window, beside a reference, as findings: what is observed, what was to be expected, and how
//! surprising that is. Also rankings, which say who and what in names.

mod asking;
mod backscatter;
mod client;
mod connections;
mod dns;
mod excess;
mod held;
mod hosts;
mod http;
mod logins;
mod net;
mod newcomers;
mod probing;
mod rank;
mod reflecting;
mod region;
mod sampled;
mod seeking;
mod senders;
mod stray;
mod times;
mod unanswered;
mod zones;

pub use rank::rankings;
pub use senders::last_of_abuse;

use crate::Window;
use crate::feature::http::HttpWindow;
use crate::feature::{LoginProfile, bits_as_count};
use sampled::Requests;
use seawall_model::finding::{Finding, Findings};
use seawall_model::math;
use seawall_model::metric::{Metric, Unit};
use seawall_model::signature::Layer;
use seawall_model::{Cause, Timestamp};

/// One measured value with the amount of data it stands on.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    pub metric: Metric,
    pub value: f64,
    pub support: f64,
}

/// What the measurement says besides numbers.
#[derive(Clone, Debug, Default)]
pub struct Structure {
    pub vectors: Vec<(Cause, String)>,
    pub targets: Vec<(Layer, String)>,
}

/// Measures `during` against `reference`. The reference is the quiet part of the same input or a
/// baseline; without one, nothing is expected and only structure can speak.
#[must_use]
pub fn findings(during: &Window, reference: Option<&Window>, onset: Option<Timestamp>) -> Findings {
    let expected = reference.map(Expected::of).unwrap_or_default();
    findings_with(during, reference, &expected, onset)
}

/// A reference measured, for whoever compares with the same one again and again.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    values: Vec<Value>,
    requests: Requests,
}

impl Expected {
    #[must_use]
    pub fn of(reference: &Window) -> Self {
        let requests = requests_of(reference);
        Self { values: values(reference, &requests, &mut Structure::default()), requests }
    }
}

/// As [`findings`], with what was measured of the reference before.
#[must_use]
pub fn findings_with(
    during: &Window,
    reference: Option<&Window>,
    expected: &Expected,
    onset: Option<Timestamp>,
) -> Findings {
    let reference = reference.filter(|r| !r.is_empty());
    let mut structure = Structure::default();
    let requests = requests_of(during);
    let observed = values(during, &requests, &mut structure);
    let mut findings = Findings {
        onset,
        duration_s: during.seconds(),
        reference_s: reference.map_or(0.0, Window::seconds),
        vectors: structure.vectors,
        targets: structure.targets,
        ..Findings::default()
    };
    for value in observed {
        let normal = expected.values.iter().find(|e| e.metric == value.metric);
        findings.insert(finding(value, normal, onset));
    }
    // Where nothing was seen, nothing is judged; time in which nobody sent anything was seen.
    if reference.is_none() && during.span.is_some() {
        let observed = during.seconds();
        let metric = Metric::JudgedTime;
        findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: 1.0, onset });
    }
    if let Some(reference) = reference {
        forget_what_grows_with_time(during, reference, &mut findings);
        http::expect_of_the_same_agent(&requests, &expected.requests, &mut findings);
        http::compare(during, &requests, reference, &expected.requests, &mut findings);
        log_hole(during, reference, &mut findings);
        net::compare(during, reference, &mut findings);
        missing_clients(during, reference, &mut findings);
        dns::compare(during, reference, &mut findings);
    }
    findings
}

/// What a client sends in all grows with the time that is looked at: where times differ much, the
/// shorter expects nothing of the longer.
fn forget_what_grows_with_time(during: &Window, reference: &Window, findings: &mut Findings) {
    const TIMES_LONGER: f64 = 3.0;
    if during.seconds() > TIMES_LONGER * reference.seconds() {
        for finding in findings.findings.iter_mut().filter(|f| f.metric == Metric::RequestsPerClient) {
            (finding.expected, finding.surprise) = (None, 0.0);
        }
    }
}

/// Whether what is missing is missing from the log: for a while not even the programs that always come were
/// written down, and in every other second there is as much as ever. What stops visitors on their way
/// stops some of them, and comes back with those who tried in vain.
fn log_hole(during: &Window, reference: &Window, findings: &mut Findings) {
    /// Of the seconds of a busy log, so many hold requests.
    const BUSY: f64 = 0.8;
    /// As much as ever.
    const USUAL: f64 = 0.7;
    let (Some(now), Some(before), None) = (&during.http, &reference.http, &during.net) else { return };
    let full = |http: &HttpWindow, window: &Window| http.active_ticks as f64 / window.seconds().max(1.0);
    let rate = |http: &HttpWindow| http.counters.requests as f64 / (http.active_ticks as f64).max(1.0);
    let (usual, found) = (full(before, reference), full(now, during));
    if usual >= BUSY && rate(now) >= USUAL * rate(before) {
        let (metric, onset) = (Metric::LogHoleShare, findings.onset);
        let observed = (1.0 - found / usual).max(0.0);
        findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: 1.0, onset });
    }
}

/// How many clients fewer there are than the reference lets expect, in standard errors of their
/// number, and how long that reference is. A fault of the way stops everybody; when one busy
/// client has finished its work, rates fall as much and hardly anybody is missing.
fn missing_clients(during: &Window, reference: &Window, findings: &mut Findings) {
    let clients = |w: &Window| match (&w.http, &w.net) {
        (Some(http), _) => http.clients.count(),
        (None, Some(net)) => net.sources.count(),
        (None, None) => 0.0,
    };
    // Clients that come back are counted once in either, so that a longer reference expects fewer.
    let expected = clients(reference) * (during.seconds() / reference.seconds().max(1.0)).min(1.0);
    let missing = (expected - clients(during)) / math::sqrt(expected.max(1.0));
    // Where little was seen before, and much after, the little was the exception.
    let (before_s, after_s) = (reference.seconds(), during.seconds());
    let missing = if before_s < BURST_S && after_s > BURST_PARTS * before_s { 0.0 } else { missing };
    for (metric, observed) in
        [(Metric::MissingClients, missing.max(0.0)), (Metric::ReferenceTime, reference.seconds())]
    {
        let onset = findings.onset;
        findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: 1.0, onset });
    }
}

/// A shorter reference may be a burst, if so many times as much time follows it.
const BURST_S: f64 = 40.0;
const BURST_PARTS: f64 = 8.0;

fn finding(value: Value, normal: Option<&Value>, onset: Option<Timestamp>) -> Finding {
    Finding {
        metric: value.metric,
        observed: value.value,
        expected: normal.map(|n| n.value),
        surprise: normal.map_or(0.0, |n| surprise(value, *n)),
        support: value.support,
        onset,
    }
}

/// Distance from expected in units of its spread: two-proportion z for shares, log ratio over a
/// usual spread of a third for quantities.
fn surprise(observed: Value, expected: Value) -> f64 {
    match observed.metric.unit() {
        Unit::Share | Unit::Entropy => {
            let pooled = (observed.value * observed.support + expected.value * expected.support)
                / (observed.support + expected.support).max(1.0);
            let variance =
                pooled * (1.0 - pooled) * (1.0 / observed.support.max(1.0) + 1.0 / expected.support.max(1.0));
            // all or nothing on both sides has no spread of its own
            ((observed.value - expected.value) / math::sqrt(variance.max(1e-9))).clamp(-1e3, 1e3)
        }
        _ => math::ln((observed.value + 1e-9) / (expected.value + 1e-9)).clamp(-20.0, 20.0) / 0.33,
    }
}

fn requests_of(window: &Window) -> Requests {
    window.http.as_deref().map(Requests::of).unwrap_or_default()
}

fn values(window: &Window, requests: &Requests, structure: &mut Structure) -> Vec<Value> {
    // A burst shorter than a second is not a higher rate than what it carried.
    let seconds = window.seconds().max(1.0);
    let mut out = Vec::with_capacity(96);
    if let Some(net) = &window.net {
        let requests = window.http.as_ref().map_or(0, |h| h.counters.requests);
        net::measure(net, requests, seconds, &mut out, structure);
    }
    if let Some(http) = &window.http {
        http::measure(http, requests, seconds, &mut out, structure);
    }
    if let Some(dns) = &window.dns {
        dns::measure(dns, seconds, &mut out, structure);
    }
    measure_logins(window, &mut out);
    measure_backends(window, &mut out);
    out
}

fn measure_logins(window: &Window, out: &mut Vec<Value>) {
    let Some(logins) = &window.logins else { return };
    let support = logins.attempts as f64;
    let clients = logins.clients.sorted();
    // Who is let in after all has only mistyped.
    let in_vain = |p: &LoginProfile| f64::from(p.in_vain().saturating_sub(p.successes()));
    let known: f64 = clients.iter().map(|(_, p)| f64::from(p.attempts)).sum();
    let failed = clients.iter().map(|(_, p)| in_vain(p)).sum::<f64>() * (support / known.max(1.0)).max(1.0);
    push(out, Metric::FailedLogins, failed, support);
    push(out, Metric::LoginFailureRate, failed / window.seconds().max(1.0), support);
    let failures = |of: &dyn Fn(&LoginProfile) -> bool| -> f64 {
        clients.iter().map(|(_, p)| p).filter(|p| of(p)).map(|p| f64::from(p.in_vain())).sum()
    };
    push_share(out, Metric::LoginGuesserShare, failures(&is_guesser), failures(&|_| true));
    let names = clients.iter().map(|(_, p)| p).filter(|p| is_guesser(p)).map(|p| bits_as_count(p.users));
    push(out, Metric::GuessedNames, names.fold(0.0, f64::max), support);
    push(out, Metric::LoginAttemptRate, support / window.seconds().max(1.0), support);
}

/// Fails again and again and hardly ever succeeds, as nobody does who knows the password.
pub(super) fn is_guesser(p: &LoginProfile) -> bool {
    const TRIES: u32 = 4;
    p.in_vain() >= TRIES && p.successes() * 5 <= p.in_vain()
}

fn measure_backends(window: &Window, out: &mut Vec<Value>) {
    use seawall_model::observation::BackendEventKind::{
        CheckFailed, ConnectFailed, Exhausted, PoolEmpty, ServerDown, ServerSlow, UpstreamTimedOut,
        ZoneBroken,
    };
    let Some(backends) = &window.backends else { return };
    // One slow server is its own trouble; where all of a pool are slow, they wait for the same.
    let (slow, emptied) = (backends.count(ServerSlow), backends.count(PoolEmpty));
    let common = slow > 0 && emptied > 0;
    let down = backends.count(ServerDown) + if common { 0 } else { slow + emptied };
    let slow = if common { slow } else { 0 };
    push(out, Metric::ServerDownEvents, down as f64, 1.0);
    let failed = backends.count(ConnectFailed) + backends.count(UpstreamTimedOut) + slow;
    push(out, Metric::UpstreamFailureEvents, failed as f64, 1.0);
    push(out, Metric::FailedChecks, backends.count(CheckFailed) as f64, 1.0);
    push(out, Metric::ZoneTroubleEvents, backends.count(ZoneBroken) as f64, 1.0);
    let trouble = down + failed + backends.count(Exhausted);
    push(out, Metric::BackendTroubleRate, trouble as f64 / window.seconds().max(1.0), 1.0);
}

/// Adds a value that is a number; a share of nothing is not measured.
pub(crate) fn push(out: &mut Vec<Value>, metric: Metric, value: f64, support: f64) {
    if value.is_finite() && support > 0.0 {
        match out.iter_mut().find(|v| v.metric == metric) {
            Some(existing) => *existing = Value { metric, value, support },
            None => out.push(Value { metric, value, support }),
        }
    }
}

/// Adds `part / whole` with the whole as support, where there is a whole.
pub(crate) fn push_share(out: &mut Vec<Value>, metric: Metric, part: f64, whole: f64) {
    if whole > 0.0 {
        push(out, metric, part / whole, whole);
    }
}

/// Counts equal keys: the largest count, and entropy normalised to the number of keys counted.
pub(crate) struct Spread {
    pub top: f64,
    pub entropy: f64,
    pub once: f64,
    pub distinct: usize,
    pub total: usize,
}

pub(crate) fn spread(mut keys: Vec<u64>) -> Spread {
    let total = keys.len();
    keys.sort_unstable();
    let (mut top, mut once, mut distinct, mut bits) = (0_usize, 0_usize, 0_usize, 0.0);
    for run in keys.chunk_by(|a, b| a == b) {
        top = top.max(run.len());
        once += usize::from(run.len() == 1);
        distinct += 1;
        let p = run.len() as f64 / total as f64;
        bits -= p * math::log2(p);
    }
    let whole = total.max(1) as f64;
    Spread {
        top: top as f64 / whole,
        entropy: if total > 1 { bits / math::log2(whole) } else { 0.0 },
        once: once as f64 / whole,
        distinct,
        total,
    }
}
