//! Clients that look for what is not there, however slowly: a scan that asks now and then, all day long, is a
//! small share of everything and yet hundreds of requests for ever other things that nobody has.
//!
//! Stands on the sampled requests, each of which counts for as many as it was drawn from. Cold start: a short
//! log holds no long search. Evaded by searching from many addresses. Innocent look-alikes: a program that
//! looks up numbers or codes, which are kinds of one thing; a crawler that says which it is and knows old pages;
//! visitors of a site that has lost a part, who find others.

use super::sampled::Sampled;
use super::{Value, push};
use crate::feature::classify::{AgentKind, PathKind};
use seawall_model::metric::Metric;
use seawall_model::observation::Method;
use std::collections::BTreeSet;

/// Fewer sampled requests say nothing of what a client looks for.
const SAMPLED_LEAST: usize = 6;
/// So much of what it asks for is not there, and so much of that is different.
const NOT_THERE: f64 = 0.75;
const DIFFERENT: f64 = 0.7;
/// Names that are made up find nothing: they are sent to be answered, not to learn.
const MADE_UP: f64 = 0.5;

/// Measures how many requests the most patient of such clients sent, and how many there are. `all`: how many
/// requests the sampled ones stand for.
pub(super) fn measure(records: &[Sampled], all: f64, out: &mut Vec<Value>) {
    let asked = records.iter().filter(|r| r.is_asked() && !is_told_old_pages(r));
    let mut by_client: Vec<&Sampled> = asked.collect();
    by_client.sort_by_key(|r| r.client);
    let seekers: Vec<usize> =
        by_client.chunk_by(|a, b| a.client == b.client).filter(seeks).map(<[_]>::len).collect();
    let times = all / records.len().max(1) as f64;
    let most = seekers.iter().max().copied().unwrap_or(0) as f64 * times;
    push(out, Metric::SeekerRequests, most, all);
    push(out, Metric::SeekerCount, seekers.len() as f64, all);
}

/// Those who say which they are ask for what was there once.
fn is_told_old_pages(r: &Sampled) -> bool {
    matches!(r.agent.kind, AgentKind::Crawler | AgentKind::Service)
}

fn seeks(run: &&[&Sampled]) -> bool {
    let missing: Vec<&&Sampled> = run.iter().filter(|r| is_missing(r)).collect();
    let kinds: BTreeSet<u64> = missing.iter().map(|r| r.class).collect();
    let part = |count: usize, of: usize| count as f64 / of.max(1) as f64;
    run.len() >= SAMPLED_LEAST
        && part(missing.len(), run.len()) >= NOT_THERE
        && part(kinds.len(), missing.len()) >= DIFFERENT
        && part(missing.iter().filter(|r| r.has_random_text).count(), missing.len()) < MADE_UP
}

fn is_missing(r: &Sampled) -> bool {
    // By its method a folder is asked for as by a program, wherever it is.
    let is_call = r.kind == PathKind::Api && r.method != Method::Propfind;
    matches!(r.status, 400 | 403 | 404 | 405 | 410) && !is_call
}

#[cfg(test)]
mod tests {
    use super::super::sampled::sampled;
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::Request;
    use seawall_model::record::RequestRecord;

    const NAMES: [&str; 12] = [
        "admin", "backup", "old", "test", "config", "panel", "upload", "shell", "setup", "private", "data",
        "logs",
    ];

    /// A day of visitors, beside a client that asks for `path`, as a sample of so many times as many requests.
    fn most(agent: &str, status: u16, path: impl Fn(usize) -> String) -> f64 {
        let record = |client: [u8; 4], path: &str, status| {
            let mut request = Request::new(Timestamp(0), client.into());
            (request.path, request.user_agent, request.status) = (path.as_bytes(), agent.as_bytes(), status);
            RequestRecord::from(&request)
        };
        let visits = (0..900).map(|n| record([24, 7, (n / 200) as u8, n as u8], "/item/7", 200));
        let sought = (0..12).map(|n| record([45, 155, 205, 99], &path(n), status));
        let records = sampled(visits.chain(sought).collect());
        let mut out = Vec::new();
        measure(&records, 200.0 * records.len() as f64, &mut out);
        out[0].value
    }

    /// Broke: a scan of one request in eight seconds was normal, since it was one request in a hundred.
    #[test]
    fn a_scan_that_takes_all_day_is_no_smaller_for_it() {
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let name = |n: usize| format!("/{}", NAMES[n]);
        assert_eq!(most(browser, 404, name), 2_400.0);
        assert_eq!(most(browser, 200, name), 0.0, "it is there");
        assert_eq!(most(browser, 404, |n| format!("/item/{}", 90_000 + n)), 0.0, "numbers are looked up");
        assert_eq!(most("Mozilla/5.0 (compatible; Googlebot/2.1)", 404, name), 0.0, "old pages");
    }
}
