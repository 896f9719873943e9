//! Log-ins by what follows them, and whether anybody still gets in.
//!
//! Whoever guesses is refused beside visitors who get in as ever. Where a change breaks the log-in, nobody gets
//! in any more, and everybody tries some times. So those who used to get in are counted, by time.
//!
//! Stands on the sampled clients of both sides. Cold start: without a reference, or where too few used to get
//! in for their absence to mean anything, nothing is said. Evaded by guessing at a site where hardly anybody
//! logs in. Innocent look-alike: a service that refuses log-ins with the status of success, of which nothing is
//! said either.

use super::client;
use super::{Value, push, push_share};
use crate::feature::http::{ClientProfile, HttpWindow};
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;

/// Fewer log-ins without a next page are those of some visitors who have just sent theirs, however many
/// that makes a second of a trouble that has just begun.
const LOST_LEAST: f64 = 6.0;
/// So many would have got in meanwhile, if it means anything that none does.
const EXPECTED_LEAST: f64 = 3.0;
/// So much of what got in is missing, if nobody gets in any more.
const BARRED: f64 = 0.6;
/// Nobody who has a password is refused more often in a row.
const TRIES_MOST: u32 = 10;
/// What else is said of refused log-ins, which means nothing where all are refused.
const OF_REFUSALS: [Metric; 9] = [
    Metric::FailedLogins,
    Metric::LoginFailureRate,
    Metric::LostLoginRate,
    Metric::EnteredShare,
    Metric::GuesserRequests,
    Metric::GuesserCount,
    Metric::GuesserShare,
    Metric::UnauthorisedShare,
    Metric::LoginAttemptShare,
];
/// The same, where it is said that nothing is broken.
const UNBROKEN: f64 = 0.04;

/// Measures log-ins. `per_s` makes a rate of the sampled ones.
pub(super) fn entries(sorted: &[&(u64, ClientProfile)], per_s: f64, requests: f64, out: &mut Vec<Value>) {
    let logins_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        sorted.iter().map(|(_, p)| p).filter(|p| wanted(p)).map(|p| f64::from(p.logins)).sum()
    };
    let lost = logins_of(&client::loses_logins);
    let rate = if lost < LOST_LEAST { 0.0 } else { lost * per_s };
    push(out, Metric::LostLoginRate, rate, requests);
    push_share(out, Metric::EnteredShare, logins_of(&client::enters), logins_of(&|_| true));
    let inside = sorted.iter().map(|(_, p)| p).filter(|p| client::gets_in(p));
    let known: f64 = sorted.iter().map(|(_, p)| f64::from(p.requests)).sum();
    push_share(out, Metric::InsideShare, inside.map(|p| f64::from(p.requests)).sum(), known);
}

/// Findings about who used to get in, of both sides with their seconds.
pub(super) fn compare(now: (&HttpWindow, f64), before: (&HttpWindow, f64), findings: &mut Findings) {
    let expected = let_in(before.0) / before.1.max(1.0) * now.1;
    if expected < EXPECTED_LEAST {
        return;
    }
    // One more of each: that few are missing proves little.
    let observed = (1.0 - (let_in(now.0) + 1.0) / (expected + 1.0)).max(0.0);
    let (metric, onset) = (Metric::BarredShare, findings.onset);
    findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: expected, onset });
    if observed < BARRED || are_persistent(now.0) {
        return;
    }
    findings.findings.retain(|f| {
        let is_unbroken = f.metric == Metric::BrokenShare && f.observed < UNBROKEN;
        !OF_REFUSALS.contains(&f.metric) && !is_unbroken
    });
}

/// Log-ins that were not refused.
fn let_in(http: &HttpWindow) -> f64 {
    let profiles = http.profiles.sorted();
    let known: f64 = profiles.iter().map(|(_, p)| f64::from(p.requests)).sum();
    let in_of = |p: &ClientProfile| p.logins.saturating_sub(p.unauthorised.saturating_add(p.server_errors));
    let let_in: f64 = profiles.iter().map(|(_, p)| f64::from(in_of(p))).sum();
    let_in * http.counters.requests as f64 / known.max(1.0)
}

/// Whether most refusals are of clients that go on however often they are refused.
fn are_persistent(http: &HttpWindow) -> bool {
    let refused = |p: &ClientProfile| p.logins.min(p.unauthorised);
    let (mut persistent, mut all) = (0, 0);
    for (_, profile) in http.profiles.sorted() {
        all += refused(profile);
        persistent += if refused(profile) > TRIES_MOST { refused(profile) } else { 0 };
    }
    persistent * 2 > all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use seawall_model::Timestamp;
    use seawall_model::observation::{Method, Observation, Request};

    /// A minute of log-ins, each by a client, with a status.
    fn minute(logins: impl Iterator<Item = (u8, u16)>) -> HttpWindow {
        let mut window = Window::default();
        for (n, (client, status)) in logins.enumerate() {
            let second = Timestamp::from_seconds(n as i64 % 60);
            let request = Request {
                method: Method::Post,
                path: b"/login",
                user_agent: b"Mozilla/5.0 Firefox/128.0",
                status,
                ..Request::new(second, [24, 8, 7, client].into())
            };
            window.observe(&Observation::Request(request), n as u64);
        }
        *window.http.expect("requests")
    }

    /// What is said of failures, and of who no longer gets in.
    fn said(now: &HttpWindow) -> (bool, f64) {
        let before = minute((0..20).map(|n| (n, 302)));
        let mut findings = Findings::default();
        let (metric, observed) = (Metric::FailedLogins, 60.0);
        let onset = None;
        findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support: 1.0, onset });
        compare((now, 60.0), (&before, 60.0), &mut findings);
        let barred = findings.observed(Metric::BarredShare).unwrap_or_default();
        (findings.get(Metric::FailedLogins).is_some(), barred)
    }

    /// Broke: a release after which nobody could log in was called password guessing.
    #[test]
    fn where_nobody_gets_in_any_more_those_who_try_are_no_guessers() {
        let (told, barred) = said(&minute((0..60).map(|n| (n % 20, 401))));
        assert!(!told && barred > 0.9);
    }

    #[test]
    fn guesses_beside_visitors_who_get_in_are_guesses() {
        let guessed = (0..60).map(|n| (100 + n % 20, 401)).chain((0..20).map(|n| (n, 302)));
        assert_eq!(said(&minute(guessed)), (true, 0.0));
        let (told, barred) = said(&minute((0..60).map(|n| (100 + n % 2, 401))));
        assert!(told && barred > 0.9, "two that go on and on, while nobody else is there");
    }
}
