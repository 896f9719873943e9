//! How long the same requests take, now and before, and where the added time goes: to the service, or to the
//! way between it and its clients.
//!
//! Innocent look-alikes: another mix of requests makes the median longer and no request slower, so only kinds
//! that both periods have are compared; large answers and slow readers take time that is theirs.

use super::held;
use super::http::part_class;
use super::sampled::Sampled;
use crate::feature::http::LARGE_ANSWER_BYTES;
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::observation::Method;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Added to times before they are compared: what a timer of milliseconds cannot tell is no change.
const TIMER_US: u64 = 2_000;
/// Sampled requests that prove how long a kind takes.
const TIMED_LEAST: f64 = 5.0;
/// So many requests of the same kinds must stand behind a statement about all.
const SAME_REQUESTS_LEAST: f64 = 20.0;
/// Where what takes work has slowed so many times as much, what takes none only waits behind it: it is not the
/// way that is slow.
const WORK_SLOWER: f64 = 20.0;
/// So many requests must stand behind a statement about the way.
const OF_WAY_LEAST: f64 = 20.0;
/// The way is judged where a request takes so many times as long, and so much longer in the mean.
const SLOWER: f64 = 1.5;
const SLOWER_BY_US: f64 = 30_000.0;
/// Who lost a packet waits at least so much longer (RFC 6298; Linux sends again after 200 ms), and who lost none at
/// most so much.
const SENT_AGAIN_US: u64 = 190_000;
const AS_EVER_US: u64 = 30_000;
/// Requests that say whether packets are lost; the share of them that comes as ever; and how many may be late by other
/// times, for each that lost one: what is slow for want of room is late by anything, and what is slow by itself always.
const OF_LOSS_LEAST: usize = 15;
const AS_EVER_LEAST: f64 = 0.1;
const SLOW_MOST: f64 = 0.2;
/// Who waits so long in a queue waits for it.
const QUEUED_US: f64 = 100_000.0;

/// How long a request took, as far as that is not the transfer of a large answer.
fn taken_us(r: &Sampled) -> Option<u64> {
    let is_readers = r.response_bytes > LARGE_ANSWER_BYTES || held::is_read_slowly(r);
    let work = !is_readers && !held::is_held_open(r);
    r.duration_us.filter(|_| work).map(|us| us.max(1))
}

/// How long a request kept the service at work, as far as its time tells. Where the log says when the answer to
/// what a client sends was there, the time before is that of sending it.
pub(super) fn work_us(r: &Sampled) -> Option<u64> {
    taken_us(r).map(|taken| r.upstream_us.filter(|_| sends(r)).map_or(taken, |us| us.clamp(1, taken)))
}

/// Whether its client sends more than a question.
fn sends(r: &Sampled) -> bool {
    matches!(r.method, Method::Post | Method::Put | Method::Patch)
}

/// Time that requests of the same kinds take in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    now_us: f64,
    before_us: f64,
    /// Requests that stand behind it.
    pub support: f64,
}

impl Times {
    pub fn ratio(&self) -> f64 {
        self.now_us / self.before_us
    }

    fn added_us(&self) -> f64 {
        self.now_us - self.before_us
    }
}

/// What the requests of kinds that both periods have cost now, and what the same requests cost before. Weighing
/// by cost lets the slow kinds speak: a site's many assets stay fast. They also take long where lines are slow,
/// so that pages speak for themselves where they have slowed more than all together.
pub(super) fn service_times(now: &[&Sampled], before: &[&Sampled]) -> Option<Times> {
    let all = same_requests(now, before, work_us)?;
    let pages = same_requests(&of(now, Sampled::is_asked), &of(before, Sampled::is_asked), work_us);
    let speaks = |pages: &Times| pages.support >= SAME_REQUESTS_LEAST && pages.ratio() > all.ratio();
    Some(pages.filter(speaks).unwrap_or(all))
}

/// Findings about the time to answer, against before: of all requests, of assets, and how much of what was added
/// is the way's.
pub(super) fn compare(
    service: Option<Times>,
    now: &[&Sampled],
    before: &[&Sampled],
    findings: &mut Findings,
) {
    expect_median_of_same_requests(findings, service);
    let Some(service) = service else { return };
    let onset = findings.onset;
    let queued = findings.observed(Metric::QueueTime);
    let mut add = |metric, observed, expected, support| {
        findings.insert(Finding { metric, observed, expected, surprise: 0.0, support, onset });
    };
    add(Metric::ServiceTimeRatio, service.ratio(), Some(1.0), service.support);
    // Where requests wait for a free server, it is not the way that they wait for.
    let queued_us = queued.unwrap_or_default();
    let assets = same_requests(&of(now, is_asset), &of(before, is_asset), work_us);
    if let Some(assets) = assets.filter(|a| a.support >= OF_WAY_LEAST && queued_us < QUEUED_US)
        && service.ratio() < WORK_SLOWER * assets.ratio()
    {
        add(Metric::AssetTimeRatio, assets.ratio(), Some(1.0), assets.support);
    }
    if let Some((share, usual, support)) = loss_stalls(&of(now, is_asset), &of(before, is_asset)) {
        add(Metric::LossStallShare, share, Some(usual), support);
    }
    let Some((now, before)) = both_times(now, before) else { return };
    if let Some((share, support)) = way_excess(&now, &before) {
        add(Metric::WayExcess, share, None, support);
    }
    if let Some((share, support)) = slow_way_share(&now, &before) {
        add(Metric::SlowWayShare, share, None, support);
    }
}

/// Requests that were late by at least the wait for a lost packet, now and before, where such are: of whatever part of
/// the site, others come as ever, and hardly any in between.
fn loss_stalls(now: &[&Sampled], before: &[&Sampled]) -> Option<(f64, f64, f64)> {
    let times = |of: &[&Sampled]| {
        let mut times: Vec<_> = of.iter().filter_map(|r| Some((part_class(r), taken_us(r)?))).collect();
        times.sort_unstable();
        times
    };
    let (now, before) = (times(now), times(before));
    if now.len().min(before.len()) < OF_LOSS_LEAST {
        return None;
    }
    let mut usual: Vec<u64> = before.iter().map(|(_, us)| *us).collect();
    usual.sort_unstable();
    let usual_us = *usual.get(usual.len() * 9 / 10)?;
    let count = |of: &[(u64, u64)], least_us: u64| {
        of.iter().filter(|(_, us)| *us >= usual_us + least_us).count() as f64
    };
    let (mut lost, mut slow) = (0.0, 0.0);
    for part in now.chunk_by(|a, b| a.0 == b.0) {
        let (late, later) = (count(part, AS_EVER_US), count(part, SENT_AGAIN_US));
        let is_mixed = late <= (1.0 - AS_EVER_LEAST) * part.len() as f64;
        lost += if is_mixed { later } else { 0.0 };
        slow += if is_mixed { late - later } else { late };
    }
    let share = |count: f64, of: &[(u64, u64)]| count / of.len() as f64;
    let usual = share(count(&before, SENT_AGAIN_US), &before);
    (slow <= SLOW_MOST * lost).then(|| (share(lost, &now), usual, now.len() as f64))
}

/// Clients whose answers take longer on their way than those of nearly all clients did before: where that is
/// everybody, it is our end of the way; a crowd on telephones leaves the others as fast as they were.
fn slow_way_share(now: &[&Sampled], before: &[&Sampled]) -> Option<(f64, f64)> {
    let way_us = |r: &&Sampled| r.duration_us.unwrap_or_default() - r.upstream_us.unwrap_or_default();
    let mut usual: Vec<u64> = before.iter().map(way_us).collect();
    usual.sort_unstable();
    let slow_us = SLOWER * *usual.get(usual.len() * 9 / 10)? as f64 + SLOWER_BY_US;
    let mut ways: Vec<(IpAddr, u64)> = now.iter().map(|r| (r.client, way_us(r))).collect();
    ways.sort_unstable();
    let (mut slow, mut all) = (0.0, 0.0);
    for client in ways.chunk_by(|a, b| a.0 == b.0) {
        all += 1.0;
        slow += f64::from(u8::from(client[client.len() / 2].1 as f64 > slow_us));
    }
    (all >= OF_WAY_LEAST).then(|| (slow / all, all))
}

/// Of the time that requests take longer than before, what passed after their answers had begun.
fn way_excess(now: &[&Sampled], before: &[&Sampled]) -> Option<(f64, f64)> {
    let all = same_requests(now, before, taken_us)?;
    let service = same_requests(now, before, |r| taken_us(r).and(r.upstream_us))?;
    let is_slower = all.ratio() >= SLOWER && all.added_us() >= SLOWER_BY_US * all.support;
    let share = 1.0 - service.added_us() / all.added_us();
    (is_slower && all.support >= OF_WAY_LEAST).then_some((share.clamp(0.0, 1.0), all.support))
}

/// What was answered now and before, where the log tells both times. One time may be kept as both.
fn both_times<'a>(
    now: &[&'a Sampled],
    before: &[&'a Sampled],
) -> Option<(Vec<&'a Sampled>, Vec<&'a Sampled>)> {
    let (now, before) = (answered(now), answered(before));
    let tells_both = now.iter().chain(&before).any(|r| r.upstream_us < r.duration_us);
    tells_both.then_some((now, before))
}

/// What was answered, with when the answer was there and when its client had it. For small answers, and in a
/// log of milliseconds, that is often the same moment.
fn answered<'a>(records: &[&'a Sampled]) -> Vec<&'a Sampled> {
    let is_timed = |r: &&Sampled| r.upstream_us.is_some() && r.upstream_us <= r.duration_us;
    let is_answered = |r: &&Sampled| (200..400).contains(&r.status) && !sends(r);
    records.iter().copied().filter(is_answered).filter(is_timed).collect()
}

/// Whether an answer took the service some work: what fails at once says nothing of how fast it is.
fn worked(r: &&&Sampled) -> bool {
    r.status < 500 || r.status == 504
}

/// Medians by kind, weighed by how many requests of it both periods have.
fn same_requests(
    now: &[&Sampled],
    before: &[&Sampled],
    time_us: impl Fn(&Sampled) -> Option<u64>,
) -> Option<Times> {
    let kinds = |records: &[&Sampled]| records.iter().map(|r| r.class).collect::<BTreeSet<u64>>();
    let (kinds_now, kinds_before) = (kinds(now), kinds(before));
    let class_of = |r: &Sampled| {
        let is_shared = kinds_now.contains(&r.class) && kinds_before.contains(&r.class);
        if is_shared { r.class } else { part_class(r) }
    };
    let medians = |records: &[&Sampled]| {
        let mut timed: Vec<(u64, u64)> = records
            .iter()
            .filter(worked)
            .filter_map(|r| Some((class_of(r), time_us(r)? + TIMER_US)))
            .collect();
        timed.sort_unstable();
        timed
            .chunk_by(|a, b| a.0 == b.0)
            .map(|run| (run[0].0, run[run.len() / 2].1, run.len()))
            .collect::<Vec<_>>()
    };
    let (now, before) = (medians(now), medians(before));
    let mut times = Times { now_us: 0.0, before_us: 0.0, support: 0.0 };
    for (class, median_us, count) in &now {
        if let Ok(at) = before.binary_search_by_key(class, |b| b.0) {
            let weight = (*count).min(before[at].2) as f64;
            times.now_us += weight * *median_us as f64;
            times.before_us += weight * before[at].1 as f64;
            times.support += weight;
        }
    }
    (times.support >= TIMED_LEAST && times.before_us > 0.0).then_some(times)
}

fn of<'a>(records: &[&'a Sampled], wanted: fn(&Sampled) -> bool) -> Vec<&'a Sampled> {
    records.iter().copied().filter(|r| wanted(r)).collect()
}

fn is_asset(r: &Sampled) -> bool {
    !r.is_asked()
}

/// Expects of the median what it would be for the requests of now at the times of before: a program
/// that came or went changes the median and makes nothing slower.
///
/// Where hardly any are of the same kinds, nothing is expected.
fn expect_median_of_same_requests(findings: &mut Findings, service: Option<Times>) {
    let is_median = |f: &&mut Finding| f.metric == Metric::DurationMedian && f.expected.is_some();
    let Some(median) = findings.findings.iter_mut().find(is_median) else { return };
    match service {
        Some(times) if times.support >= SAME_REQUESTS_LEAST => {
            median.expected = Some(median.observed / times.ratio());
        }
        _ => (median.expected, median.surprise) = (None, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampled::sampled;
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::Request;
    use seawall_model::record::RequestRecord;

    fn requests(duration_us: u64, upstream_us: u64) -> Vec<Sampled> {
        let request = |n: u8| Request {
            path: b"/news/today",
            status: 200,
            response_bytes: 9_000,
            duration_us: Some(duration_us),
            upstream_us: Some(upstream_us),
            ..Request::new(Timestamp(0), IpAddr::from([192, 0, 2, n]))
        };
        sampled((0..60).map(|n| RequestRecord::from(&request(n))).collect())
    }

    /// Broke: a line that had become slow was undecided; a crowd on telephones must not become one.
    #[test]
    fn a_line_is_slow_where_it_is_slow_for_everybody() {
        let share = |now: &[Sampled]| {
            let before = requests(30_000, 20_000);
            let of = |records: &[Sampled]| {
                let (now, before) =
                    both_times(&records.iter().collect::<Vec<_>>(), &before.iter().collect::<Vec<_>>())?;
                slow_way_share(&now, &before).map(|(share, _)| share)
            };
            of(now)
        };
        let slow = requests(900_000, 20_000);
        assert_eq!(share(&slow), Some(1.0));
        let few: Vec<Sampled> =
            slow.into_iter().take(20).chain(requests(30_000, 20_000).into_iter().skip(20)).collect();
        assert!(share(&few).is_some_and(|s| s < 0.4));
    }

    /// Broke: where packets were lost between the proxy and its servers, one answer in two came as fast as ever, and
    /// all was called normal, or a slow service.
    #[test]
    fn answers_that_are_late_by_the_wait_for_a_packet_lost_it() {
        let before = requests(2_000, 1_000);
        let of = |late_ms: &dyn Fn(u64) -> u64| {
            let at = |ms: u64| requests(2_000 + 1_000 * ms, 1_000).into_iter().next();
            let now: Vec<Sampled> = (0..40).filter_map(|n| at(late_ms(n))).collect();
            loss_stalls(&now.iter().collect::<Vec<_>>(), &before.iter().collect::<Vec<_>>())
        };
        let stalls = |late_ms: &dyn Fn(u64) -> u64| of(&|n| if n % 5 < 2 { late_ms(n) } else { 0 });
        assert_eq!(stalls(&|n| if n % 2 == 0 { 200 } else { 600 }), Some((0.4, 0.0, 40.0)));
        assert_eq!(stalls(&|_| 0), Some((0.0, 0.0, 40.0)));
        assert_eq!(stalls(&|n| 15 * n), None, "late by anything, as where there is no room");
        assert_eq!(of(&|_| 400), None, "slow by itself");
    }

    fn way_of(now: &[Sampled]) -> Option<f64> {
        let before = requests(30_000, 20_000);
        let of = |records: &[Sampled]| {
            let (now, before) =
                both_times(&records.iter().collect::<Vec<_>>(), &before.iter().collect::<Vec<_>>())?;
            way_excess(&now, &before)
        };
        of(now).map(|(share, _)| share)
    }

    /// Broke: uploads over slow lines were called a flood of costly requests.
    #[test]
    fn the_time_that_an_upload_takes_is_not_the_services() {
        let upload = |upstream_us| {
            let request = Request {
                method: Method::Post,
                duration_us: Some(40_000_000),
                upstream_us,
                ..Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]))
            };
            work_us(&sampled(vec![RequestRecord::from(&request)])[0])
        };
        assert_eq!(upload(Some(50_000)), Some(50_000));
        assert_eq!(upload(None), Some(40_000_000));
    }

    /// Broke: pages took ten times as long, and all was called normal, since most requests were for pictures that
    /// came over lines as slow as ever.
    #[test]
    fn slow_pages_show_among_many_assets() {
        let request = |path: &'static [u8], duration_us| {
            RequestRecord::from(&Request {
                path,
                status: 200,
                duration_us: Some(duration_us),
                ..Request::new(Timestamp(0), IpAddr::from([192, 0, 2, 1]))
            })
        };
        let period = |page_us| {
            let assets = (0..600).map(|_| request(b"/media/cover.webp", 60_000));
            sampled(assets.chain((0..50).map(|_| request(b"/item/7", page_us))).collect())
        };
        let (now, before) = (period(90_000), period(7_000));
        let times = service_times(&now.iter().collect::<Vec<_>>(), &before.iter().collect::<Vec<_>>());
        assert!(times.is_some_and(|times| times.ratio() > 8.0), "{times:?}");
    }

    /// Broke: a line that loses packets was called a slow service, though the log said how fast that was.
    #[test]
    fn what_a_log_of_both_times_adds_is_the_services_or_the_ways() {
        assert!(way_of(&requests(400_000, 21_000)).is_some_and(|share| share > 0.99));
        assert!(way_of(&requests(400_000, 390_000)).is_some_and(|share| share < 0.01));
        assert_eq!(way_of(&requests(40_000, 20_000)), None, "hardly slower");
    }

    /// Broke: answers that were with their clients within the same millisecond were left out, so that the few
    /// that were not made a fast way look slow.
    #[test]
    fn answers_that_are_there_at_once_count_for_the_way_too() {
        let mut now = requests(20_000, 20_000);
        let tenth = now.len() / 10;
        now.splice(..tenth, requests(400_000, 21_000).into_iter().take(tenth));
        assert_eq!(way_of(&now), None);
        let one_time = requests(400_000, 400_000);
        assert!(way_of(&one_time).is_some_and(|share| share < 0.01), "the log tells both times elsewhere");
    }
}
