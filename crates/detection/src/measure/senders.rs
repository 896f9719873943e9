//! Who sends what came on top: one sender or many; and who only fetches large files.
//!
//! Stands on the busiest senders of the excess, which a sample of requests names however many clients there
//! are. Cold start: without a reference nothing came on top. Evaded by sending from many addresses, which is
//! then said. Innocent look-alikes: many visitors behind one address are no single sender.

use super::sampled::Sampled;
use super::{Structure, client, spread};
use crate::feature::http::{ClientProfile, HttpWindow};
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::{Cause, Timestamp, hash};
use std::net::IpAddr;

/// Of what came on top, so much is what it comes from.
const MOST: f64 = 0.7;
/// More clients than these that fetch large files at once are a crowd.
const TRANSFERS_MOST: usize = 12;

/// Findings about the senders of the excess, given with their shares of it, busiest first. `of_rise`: how much
/// of what there is more than before a client accounts for, as visitors come and go.
pub(super) fn compare(
    busiest: &[(IpAddr, f64)],
    of_rise: &dyn Fn(IpAddr) -> f64,
    now: &HttpWindow,
    findings: &mut Findings,
) {
    let Some((first, most)) = busiest.first().copied() else { return };
    let profiles = now.profiles.sorted();
    let is_office = profiles.iter().any(|(_, p)| p.client == Some(first) && client::is_shared(p));
    let onset = findings.onset;
    let (metric, observed) =
        if is_office { (Metric::OfficeExcess, of_rise(first)) } else { (Metric::TopClientExcess, most) };
    let support = now.counters.requests as f64;
    findings.insert(Finding { metric, observed, expected: None, surprise: 0.0, support, onset });
    let is_single = most >= MOST && !is_office;
    for (_, name) in
        findings.vectors.iter_mut().filter(|(cause, _)| is_single && SPREAD_CAUSES.contains(cause))
    {
        "single-source".clone_into(name);
    }
}

/// Requests of clients that fetch file after file, all large; none where these are so many that they are a
/// crowd.
pub(super) fn transfers(sorted: &[&(u64, ClientProfile)]) -> f64 {
    let fetching: Vec<_> = sorted.iter().map(|(_, p)| p).filter(|p| client::is_transfer(p)).collect();
    if fetching.len() > TRANSFERS_MOST {
        return 0.0;
    }
    fetching.iter().map(|p| f64::from(p.requests)).sum()
}

/// The busiest client's share of the requests. On a large site it may have no profile, but is sampled.
pub(super) fn top_share(http: &HttpWindow, records: &[Sampled]) -> f64 {
    let busiest = http.profiles.sorted().iter().map(|(_, p)| p.requests).max().unwrap_or(0);
    let profiled = f64::from(busiest) / (http.counters.requests as f64).max(1.0);
    spread(records.iter().map(|r| hash::address(r.client)).collect()).top.max(profiled)
}

/// What tells the clients that an abuse consists of.
fn abuses(cause: Cause) -> Option<fn(&ClientProfile) -> bool> {
    match cause {
        Cause::Scan => Some(client::is_prober),
        Cause::CredentialAbuse => Some(client::is_guesser),
        Cause::Scraping => Some(|p| client::walks(p) || client::is_copier(p)),
        _ => None,
    }
}

/// The clients that an abuse consists of, if these make it up. Guesses that come from everywhere are nobody's
/// habit.
fn abusers<'a>(
    profiles: impl Iterator<Item = &'a ClientProfile>,
    cause: Cause,
) -> Option<Vec<&'a ClientProfile>> {
    const REQUESTS_LEAST: u32 = 10;
    let abuses = abuses(cause)?;
    let is_beside = |p: &ClientProfile| cause == Cause::CredentialAbuse && client::loses_logins(p);
    let (mut abusers, mut others) = (Vec::new(), 0);
    for profile in profiles {
        if abuses(profile) {
            abusers.push(profile);
        } else if is_beside(profile) {
            others += profile.no_assets();
        }
    }
    let theirs: u32 = abusers.iter().map(|p| p.no_assets()).sum();
    (theirs >= REQUESTS_LEAST.max(others)).then_some(abusers)
}

/// When the clients that abuse consists of were last seen, if a few of them make it up: what is watched by the
/// second takes longer to come back. Guesses that come from everywhere have no such time.
#[must_use]
pub fn last_of_abuse(http: &HttpWindow, cause: Cause) -> Option<Timestamp> {
    let profiles = http.profiles.sorted();
    abusers(profiles.iter().map(|(_, p)| p), cause)?.iter().map(|p| p.last).max()
}

/// From how many sources something comes: `all` of them, of which the busiest sends a part.
fn spread_of(all: f64, busiest: f64) -> &'static str {
    const FEW: f64 = 2.0;
    const MANY: f64 = 20.0;
    if all <= FEW || busiest > MOST {
        "single-source"
    } else if all >= MANY {
        "distributed"
    } else {
        "few-sources"
    }
}

/// Tells of each cause from how many sources it comes: an abuse from those whose habit it is, all else from all.
pub(super) fn vectors(
    http: &HttpWindow,
    sorted: &[&(u64, ClientProfile)],
    top: f64,
    structure: &mut Structure,
) {
    let clients = http.clients.count();
    for cause in SPREAD_CAUSES {
        let own = abusers(sorted.iter().map(|(_, p)| p), cause).map(|abusers| {
            let requests = abusers.iter().map(|p| f64::from(p.requests));
            let busiest = requests.clone().fold(0.0, f64::max) / requests.sum::<f64>().max(1.0);
            spread_of(abusers.len() as f64 * clients / sorted.len().max(1) as f64, busiest)
        });
        structure.vectors.push((cause, own.unwrap_or(spread_of(clients, top)).to_owned()));
    }
}

/// Causes that are refined by how many sources take part.
const SPREAD_CAUSES: [Cause; 7] = [
    Cause::HttpFlood,
    Cause::CacheBusting,
    Cause::ExpensiveEndpoint,
    Cause::SlowHttp,
    Cause::CredentialAbuse,
    Cause::Scan,
    Cause::Scraping,
];

/// Share of what is asked for by clients that keep to a question or two.
pub(super) fn kept(sorted: &[&(u64, ClientProfile)]) -> f64 {
    let asked_of = |wanted: &dyn Fn(&ClientProfile) -> bool| -> f64 {
        sorted.iter().map(|(_, p)| p).filter(|p| wanted(p)).map(ClientProfile::asked).sum()
    };
    asked_of(&client::keeps_its_question) / asked_of(&|_| true).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use seawall_model::observation::{Observation, Request};

    fn vector(busiest: &[(IpAddr, f64)]) -> String {
        let vectors = vec![(Cause::HttpFlood, "distributed".to_owned())];
        let mut findings = Findings { vectors, ..Findings::default() };
        compare(busiest, &|_| 0.0, &HttpWindow::default(), &mut findings);
        findings.vectors[0].1.clone()
    }

    /// Broke: one sender beside some hundred visitors was called a distributed flood.
    #[test]
    fn one_sender_beside_visitors_is_not_distributed() {
        let sender = |n: u8, share: f64| (IpAddr::from([203, 0, 113, n]), share);
        assert_eq!(vector(&[sender(1, 0.97), sender(2, 0.01)]), "single-source");
        let many: Vec<_> = (0..20).map(|n| sender(n, 0.05)).collect();
        assert_eq!((vector(&many), vector(&[])), ("distributed".to_owned(), "distributed".to_owned()));
    }

    /// Broke: guesses of one address beside some hundred visitors were called distributed.
    #[test]
    fn an_abuse_comes_from_those_whose_habit_it_is() {
        let visitor = |_| ClientProfile { requests: 3, pages: 3, ..ClientProfile::default() };
        let guesser = |_| ClientProfile { requests: 40, logins: 40, pages: 40, ..ClientProfile::default() };
        let vector = |guessers: u64| {
            let mut http = HttpWindow::default();
            (0..200 + guessers).for_each(|n| http.clients.insert(hash::mix(n)));
            let all: Vec<(u64, ClientProfile)> =
                (0..200).map(visitor).chain((0..guessers).map(guesser)).map(|p| (0, p)).collect();
            let mut structure = Structure::default();
            vectors(&http, &all.iter().collect::<Vec<_>>(), 0.1, &mut structure);
            let of =
                |wanted| structure.vectors.iter().find(|(cause, _)| *cause == wanted).map(|(_, v)| v.clone());
            (of(Cause::CredentialAbuse).expect("told"), of(Cause::HttpFlood).expect("told"))
        };
        assert_eq!(vector(1), ("single-source".to_owned(), "distributed".to_owned()));
        assert_eq!(vector(8).0, "few-sources");
        assert_eq!(vector(60).0, "distributed");
    }

    /// Broke: the end of a scan was told some twenty seconds late.
    #[test]
    fn a_scan_ends_with_its_last_request() {
        let mut window = Window::default();
        let mut ask = |at: i64, client: u8, path: &str, status: u16| {
            let time = Timestamp::from_seconds(at);
            let request =
                Request { path: path.as_bytes(), status, ..Request::new(time, [24, 1, 2, client].into()) };
            window.observe(&Observation::Request(request), hash::mix(at as u64 * 300 + u64::from(client)));
        };
        for at in 0..60 {
            ask(at, at as u8 % 20, "/news", 200);
        }
        let names = ["admin", "backup", "old", "test", "config", "panel", "upload", "shell", "setup", "logs"];
        for at in 5..35_usize {
            ask(at as i64, 99, &format!("/{}/{}.zip", names[at % 10], names[at / 10]), 404);
        }
        let http = window.http.as_deref().expect("requests");
        assert_eq!(last_of_abuse(http, Cause::Scan), Some(Timestamp::from_seconds(34)));
        assert_eq!(last_of_abuse(http, Cause::CredentialAbuse), None);
        assert_eq!(last_of_abuse(http, Cause::HttpFlood), None);
    }
}
