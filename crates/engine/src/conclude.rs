//! The conclusion: of all episodes and the input as a whole, what matters most, in full.

use crate::engine::Engine;
use crate::episode::Concluded;
use crate::normal::normal_traffic;
use crate::origin;
use seawall_detection::feature::classify::is_login_path;
use seawall_detection::feature::service::is_login_port;
use seawall_detection::{Window, measure};
use seawall_diagnosis::diagnose;
use seawall_model::cause::Class;
use seawall_model::change::Change;
use seawall_model::diagnosis::{Diagnosis, Direction, Verdict};
use seawall_model::finding::{Findings, Rankings};
use seawall_model::metric::Metric;
use seawall_model::place::Places;
use seawall_model::record::RequestRecord;
use seawall_model::report::{Episode as EpisodeReport, Series, TimelineEntry};
use seawall_model::signature::{Layer, RecordRef, Signature};
use seawall_model::{Cause, Timestamp};
use seawall_planning::NormalTraffic;
use seawall_signature::{Contrast, Limits, NetworkLookup, Sample, matches};

/// So many of an episode's likeliest causes may be what the whole input names.
const CONSIDERED: usize = 2;
/// A comparison with less quiet traffic than this, in seconds, does not overrule the whole.
const COMPARED_S: f64 = 15.0;
/// An undecided episode shorter than this part of a normal input is not its verdict.
const LEAST_PART: f64 = 0.02;

/// More than usual for no longer than this, in seconds, and this part of the input, is a moment.
const BLIP_S: f64 = 60.0;
const BLIP_PART: f64 = 0.05;

/// Where so many requests for log-ins were seen, what guesses passwords consists of them for so large a part.
const LOGINS_LEAST: usize = 10;
const GUESSING_PART: f64 = 0.5;

/// Where so much of the usual clients belongs to networks that are silent, clients are missing.
const GONE_NETWORKS: f64 = 0.2;

/// Everything that an input amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    pub findings: Findings,
    pub diagnosis: Diagnosis,
    pub rankings: Rankings,
    pub signatures: Vec<Signature>,
    pub timeline: Vec<TimelineEntry>,
    pub series: Vec<Series>,
    pub changes: Vec<Change>,
    /// What the reference does, for the numbers of limits.
    pub normal: NormalTraffic,
    /// Other episodes that have a name.
    pub episodes: Vec<EpisodeReport>,
}

/// Concludes everything that the engine has seen.
pub(crate) fn conclude(engine: &mut Engine) -> Conclusion {
    // Where no calm second followed, it was the input that ended, and not the trouble.
    let calm_followed = engine.episode.as_ref().is_some_and(|e| !e.tail.is_empty());
    engine.close_episode(calm_followed, &mut Vec::new());
    for (_, window) in std::mem::take(&mut engine.ring) {
        engine.add_quiet(&window);
    }
    let mut episodes = std::mem::take(&mut engine.concluded);
    let chosen = match episodes.first() {
        Some(best) if best.is_named() && !is_blip(engine, &episodes) => match all_along(engine, &episodes) {
            Some(whole) => whole,
            None => episodes.remove(0),
        },
        _ => whole(engine, &mut episodes),
    };
    let found = if chosen.is_named() { None } else { in_hindsight(engine) };
    let mut conclusion = match found {
        Some((stretch, quiet)) => amounts_to(engine, stretch, Some(&quiet), &episodes),
        None => amounts_to(engine, chosen, engine.reference(), &episodes),
    };
    conclusion.diagnosis.missing.extend(engine.silences.not_known());
    conclusion
}

/// The whole input, where abuse went on all the time, also well apart from the best episode: that is no alarm, and
/// what moved for a moment is a piece of it, or some more demand beside it.
fn all_along(engine: &Engine, episodes: &[Concluded]) -> Option<Concluded> {
    let best = &episodes.first()?.diagnosis.verdict;
    if engine.baseline.is_some() || !matches!(best.class, Class::Abuse | Class::Demand) {
        return None;
    }
    let alone = |window: Window| {
        let onset = window.span.map(|s| s.first);
        judged(engine, measure::findings(&window, None, onset), window)
    };
    let apart = alone(engine.parts.well_apart_from(best.onset?, best.end)).diagnosis.verdict;
    let is_piece = apart.class == Class::Abuse && (apart.cause == best.cause || best.class == Class::Demand);
    let whole = is_piece.then(|| alone(everything(engine, episodes)))?;
    (whole.diagnosis.verdict.cause == apart.cause).then_some(whole)
}

/// What findings amount to.
fn judged(engine: &Engine, findings: Findings, during: Window) -> Concluded {
    let diagnosis = diagnose(&findings, &engine.policy);
    Concluded { findings, diagnosis, beside: Vec::new(), named: None, during }
}

/// All that was seen.
fn everything(engine: &Engine, episodes: &[Concluded]) -> Window {
    let mut all = engine.quiet.clone();
    all.merge(&engine.dropped);
    episodes.iter().for_each(|episode| all.merge(&episode.during));
    all
}

/// Whether the most that can be told of an input is that for a moment some more came than usual: chance makes
/// such moments, and so does the beginning of a log, of which hardly anything is usual yet.
fn is_blip(engine: &Engine, episodes: &[Concluded]) -> bool {
    let quiet_s = engine.quiet.seconds() + engine.dropped.seconds();
    let all_s = episodes.iter().map(|e| e.during.seconds()).sum::<f64>() + quiet_s;
    let most = BLIP_S.min(BLIP_PART * all_s);
    let demand = episodes.iter().filter(|e| e.diagnosis.verdict.class == Class::Demand);
    demand.map(|e| e.during.seconds()).fold(0.0, f64::max) <= most
        && episodes.first().is_some_and(|e| e.diagnosis.verdict.class == Class::Demand)
}

/// What the open episode amounts to so far.
pub(crate) fn present(engine: &Engine) -> Option<Conclusion> {
    let episode = engine.episode.as_ref()?;
    let chosen = Concluded {
        findings: engine.episode_findings(episode),
        diagnosis: episode.diagnosis.clone()?,
        beside: episode.beside.over.clone(),
        named: episode.named,
        during: episode.glance.as_ref().unwrap_or(&episode.during).clone(),
    };
    Some(amounts_to(engine, chosen, engine.reference(), &episode.earlier))
}

fn amounts_to(
    engine: &Engine,
    chosen: Concluded,
    reference: Option<&Window>,
    others: &[Concluded],
) -> Conclusion {
    let reference = reference.filter(|_| chosen.findings.reference_s > 0.0);
    let mut rankings = measure::rankings(&chosen.during, reference);
    origin::rank(&mut rankings, &chosen.during, reference, &engine.places);
    Conclusion {
        rankings,
        signatures: signatures(&chosen, reference, &engine.places),
        timeline: timeline(engine, &chosen),
        series: engine.timeline.series(),
        changes: engine.changes.clone(),
        normal: reference.map(normal_traffic).unwrap_or_default(),
        episodes: episodes(&chosen, others),
        findings: chosen.findings,
        diagnosis: chosen.diagnosis,
    }
}

/// The whole input as one episode. Without a baseline nothing is expected, so that only the
/// structure of the traffic can speak. An undecided episode stands if the whole says nothing: what
/// stood out is not made normal by much quiet traffic around it.
fn whole(engine: &mut Engine, episodes: &mut Vec<Concluded>) -> Concluded {
    let during = everything(engine, episodes);
    let onset = during.span.map(|s| s.first);
    let mut findings = measure::findings(&during, engine.baseline.as_ref(), onset);
    findings.changes = onset.map(|o| engine.changes_near(o)).unwrap_or_default();
    let whole = judged(engine, findings, during);
    match episodes.first() {
        Some(episode) if !outweighs(&whole, episode) => episodes.remove(0),
        _ => whole,
    }
}

/// Whether the whole input says more than its undecided episode, or than a moment of some more demand, which abuse
/// that goes on all the time does. A name that the structure alone suggests does not hold if the comparison with
/// the quiet part hardly considered it, unless that finds no difference at all; and an undecided moment of a long
/// normal input is no news.
fn outweighs(whole: &Concluded, episode: &Concluded) -> bool {
    if episode.is_named() {
        return matches!(whole.diagnosis.verdict.class, Class::Normal | Class::Abuse);
    }
    if whole.is_named() {
        let mut likely = episode.diagnosis.hypotheses.iter().take(CONSIDERED);
        let as_before = episode.diagnosis.hypotheses.first().is_some_and(|h| h.cause == Cause::Normal);
        return as_before
            || episode.findings.reference_s < COMPARED_S
            || likely.any(|h| h.cause == whole.diagnosis.verdict.cause);
    }
    let seconds = |c: &Concluded| c.during.seconds();
    whole.diagnosis.verdict.class == Class::Normal && seconds(episode) < LEAST_PART * seconds(whole)
}

/// A stretch that passed every alarm, and has a name when it is compared with what was quiet.
fn in_hindsight(engine: &Engine) -> Option<(Concluded, Window)> {
    if engine.baseline.is_some() {
        return None;
    }
    let stretches = engine.parts.stretches();
    stretches.iter().find_map(|stretch| {
        let begins = stretch.parts.start == 0;
        let (during, quiet) = engine.parts.windows(stretch);
        let found = compared(engine, &during, &quiet, begins)?;
        // What was there from the beginning is no crowd if what came later is a fault beside it.
        let is_crowd = begins && found.diagnosis.verdict.class == Class::Demand;
        let later = if is_crowd { compared(engine, &quiet, &during, false) } else { None };
        match later.filter(|later| later.diagnosis.verdict.class == Class::Fault) {
            Some(later) => Some((later, during)),
            None => Some((found, quiet)),
        }
    })
}

/// One stretch beside the quiet part, if that gives it a name. `begins`: the input begins with it.
fn compared(engine: &Engine, during: &Window, quiet: &Window, begins: bool) -> Option<Concluded> {
    let span = during.span?;
    let mut findings = measure::findings(during, Some(quiet), Some(span.first));
    findings.end = Some(span.last);
    // Whole networks do not go to bed while others stay up.
    let gone = findings.observed(Metric::GoneNetworkShare).is_some_and(|share| share >= GONE_NETWORKS);
    if begins || (engine.parts.went_out_before(span.first, during) && !gone) {
        // Who has not come yet is not missing, nor who has gone to bed.
        findings.findings.retain(|f| f.metric != Metric::MissingClients);
    }
    findings.changes = engine.changes_near(span.first);
    let concluded = judged(engine, findings, during.clone());
    concluded.is_named().then_some(concluded)
}

/// What else there was: before and after what was chosen, and on top of any.
fn episodes(chosen: &Concluded, others: &[Concluded]) -> Vec<EpisodeReport> {
    let beside = std::iter::once(chosen).chain(others).flat_map(|episode| &episode.beside);
    let is_told = |verdict: &Verdict| chosen.diagnosis.also.iter().any(|v| v.cause == verdict.cause);
    let beside = beside.filter(|verdict| !is_told(verdict));
    let beside = beside.map(|verdict| EpisodeReport { verdict: verdict.clone(), findings: Vec::new() });
    others.iter().filter(|e| e.is_named()).map(as_report).chain(beside).collect()
}

fn as_report(episode: &Concluded) -> EpisodeReport {
    EpisodeReport {
        verdict: episode.diagnosis.verdict.clone(),
        findings: episode.findings.findings.iter().filter(|f| f.surprise.abs() > 3.0).cloned().collect(),
    }
}

/// Figures of packets that abuse is told by, which may as well be told by requests.
const ABUSE_ON_PACKETS: [Metric; 7] = [
    Metric::PortFanOut,
    Metric::HostFanOut,
    Metric::SilentHostCount,
    Metric::FanOutShare,
    Metric::RefusedShare,
    Metric::LoginConnections,
    Metric::AdminLoginRate,
];

/// Which kind of record to look for signatures in; `None`: nothing is unwanted, or the fault is
/// our own. Abuse and floods of requests show on several: requests say most, where there are any and
/// not packets alone tell of it.
fn layer(diagnosis: &Diagnosis, during: &Window) -> Option<Layer> {
    let cause = diagnosis.verdict.cause;
    let has_requests = during.http.as_ref().is_some_and(|h| h.counters.requests > 0);
    let by_records = if has_requests { Layer::Http } else { Layer::Packet };
    match (cause.class(), cause.layer()) {
        (Class::Attack, Layer::Http) => Some(by_records),
        (Class::Attack, layer) => Some(layer),
        (Class::Abuse, Layer::Dns) => Some(Layer::Dns),
        (Class::Abuse, _) if is_told_by_packets(diagnosis) => Some(Layer::Packet),
        (Class::Abuse, _) => Some(by_records),
        _ => (cause == Cause::ClientFault).then_some(Layer::Http),
    }
}

/// Whether what speaks most for abuse was seen on packets: visitors whose requests are in the same capture
/// have nothing to do with it.
fn is_told_by_packets(diagnosis: &Diagnosis) -> bool {
    let cause = diagnosis.verdict.cause;
    let hypothesis = diagnosis.hypotheses.iter().find(|h| h.cause == cause);
    let heaviest = hypothesis.and_then(|h| h.heaviest(Direction::For));
    heaviest.is_some_and(|e| ABUSE_ON_PACKETS.contains(&e.metric))
}

/// Signatures of the unwanted part of the chosen episode.
fn signatures(chosen: &Concluded, reference: Option<&Window>, places: &Places) -> Vec<Signature> {
    let cause = chosen.diagnosis.verdict.cause;
    let Some(layer) = layer(&chosen.diagnosis, &chosen.during) else { return Vec::new() };
    // Requests that never end are in no sample of requests: those are the visitors'.
    if cause == Cause::SlowHttp && chosen.findings.observed(Metric::SlowPerClient).is_some_and(|n| n > 0.0) {
        return Vec::new();
    }
    let normal_share = normal_share(layer, &chosen.during, reference);
    let contrast = |unwanted: Sample<'_>, normal: Sample<'_>| {
        let networks = (!places.is_empty()).then_some(places as &dyn NetworkLookup);
        let contrast = Contrast { unwanted, normal, normal_share, cause, networks };
        seawall_signature::mine(&contrast, &Limits::default())
    };
    match layer {
        Layer::Http => {
            let records = |w: &Window| w.http.as_ref().map(|h| h.records()).unwrap_or_default();
            let (now, before) = (records(&chosen.during), reference.map(records).unwrap_or_default());
            let mut found = contrast(Sample::Requests(&now), Sample::Requests(&before));
            found.retain(|s| is_of_cause(s, cause, &now));
            found
        }
        Layer::Packet => {
            let records = |w: &Window| w.net.as_ref().map(|n| n.records()).unwrap_or_default();
            let (mut now, before) = (records(&chosen.during), reference.map(records).unwrap_or_default());
            if cause == Cause::CredentialAbuse {
                now.retain(|p| is_login_port(p.destination_port));
            }
            let mut found = contrast(Sample::Packets(&now), Sample::Packets(&before));
            // A packet is a piece of a connection: only whole senders of encrypted requests go.
            found.retain(|s| cause.layer() != Layer::Http || s.names_sources());
            found
        }
        Layer::Dns => {
            let records = |w: &Window| w.dns.as_ref().map(|d| d.asked_records()).unwrap_or_default();
            let (now, before) = (records(&chosen.during), reference.map(records).unwrap_or_default());
            contrast(Sample::Dns(&now), Sample::Dns(&before))
        }
    }
}

/// Whether a signature holds what the cause is named for. Others may be new at the same time as password
/// guessing, and try no password.
fn is_of_cause(signature: &Signature, cause: Cause, requests: &[RequestRecord]) -> bool {
    let is_login = |r: &&RequestRecord| is_login_path(r.path.as_bytes());
    if cause != Cause::CredentialAbuse || requests.iter().filter(is_login).count() < LOGINS_LEAST {
        return true;
    }
    let matched: Vec<&RequestRecord> =
        requests.iter().filter(|r| matches(signature, RecordRef::Request(r))).collect();
    let logins = matched.iter().copied().filter(is_login).count();
    logins as f64 >= GUESSING_PART * matched.len() as f64
}

/// How much of the disturbed traffic is the normal one going on, by rates.
fn normal_share(layer: Layer, during: &Window, reference: Option<&Window>) -> f64 {
    let rate = |w: &Window| {
        let count = match layer {
            Layer::Http => w.http.as_ref().map_or(0, |h| h.counters.requests),
            Layer::Packet => w.net.as_ref().map_or(0, |n| n.volumes.all.packets),
            Layer::Dns => w.dns.as_ref().map_or(0, |d| d.queries),
        };
        count as f64 / w.seconds().max(1.0)
    };
    match reference {
        Some(reference) if rate(during) > 0.0 => (rate(reference) / rate(during)).clamp(0.0, 0.98),
        _ => 0.0,
    }
}

fn timeline(engine: &Engine, chosen: &Concluded) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    let mut add = |time: Option<Timestamp>, kind: &str, text: String| {
        if let Some(time) = time {
            entries.push(TimelineEntry { time, kind: kind.to_owned(), text });
        }
    };
    let verdict = &chosen.diagnosis.verdict;
    let quiet = verdict.class == Class::Normal;
    let around = chosen.findings.onset.or(chosen.during.span.map(|s| s.first));
    for change in around.iter().flat_map(|onset| engine.changes_near(*onset)) {
        add(Some(change.time), "change", change.text);
    }
    if !quiet {
        add(chosen.findings.onset, "onset", "traffic begins to differ from before".to_owned());
        add(chosen.named, "named", format!("named: {}", verdict.cause.title()));
        add(chosen.findings.end, "end", "last disturbed second".to_owned());
    }
    for (time, _, text) in chosen.during.backends.iter().flat_map(|b| &b.events).take(20) {
        add(Some(*time), "backend", text.clone());
    }
    entries.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.kind.cmp(&b.kind)));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::finding::Finding;
    use seawall_model::observation::{Method, Observation, Request};
    use seawall_model::policy::Policy;
    use seawall_model::signature::{ShareEstimate, Test};
    use std::net::IpAddr;

    /// Broke: an app that was rolled out to a network while passwords were guessed was refused with the
    /// guessers, because it was as new as they.
    #[test]
    fn a_network_that_tries_no_password_is_no_signature_of_guessing() {
        let mut window = Window::default();
        for n in 0..60_u8 {
            let (third, path, method): (u8, &[u8], Method) =
                if n % 2 == 0 { (1, b"/login", Method::Post) } else { (2, b"/cart", Method::Get) };
            let request = Request {
                path,
                method,
                ..Request::new(Timestamp::from_seconds(7), IpAddr::from([10, 9, third, n]))
            };
            window.observe(&Observation::Request(request), u64::from(n));
        }
        let requests = window.http.as_ref().map(|h| h.records()).unwrap_or_default();
        let of = |network: &str| Signature {
            layer: Layer::Http,
            tests: vec![Test::Source(network.parse().expect("a network"))],
            attack: ShareEstimate { share: 0.5, low: 0.4, high: 0.6 },
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        };
        let guessing = |network| is_of_cause(&of(network), Cause::CredentialAbuse, &requests);
        assert!(guessing("10.9.1.0/24") && !guessing("10.9.2.0/24"));
        assert!(is_of_cause(&of("10.9.2.0/24"), Cause::HttpFlood, &requests));
    }

    /// Broke: a capture with a web server's visitors beside guesses at SSH gave signatures of the visitors.
    #[test]
    fn abuse_that_packets_tell_of_is_looked_for_among_packets() {
        let told_by = |metric: Metric| {
            let (observed, expected, surprise, support) = (500.0, Some(0.0), 50.0, 500.0);
            let finding = Finding { metric, observed, expected, surprise, support, onset: None };
            let findings = Findings { findings: vec![finding], duration_s: 60.0, ..Findings::default() };
            let mut diagnosis = diagnose(&findings, &Policy::default());
            diagnosis.verdict.cause = Cause::CredentialAbuse;
            diagnosis
        };
        let mut window = Window::default();
        let visit = Request::new(Timestamp::from_seconds(7), IpAddr::from([10, 9, 3, 1]));
        window.observe(&Observation::Request(visit), 1);
        assert_eq!(layer(&told_by(Metric::LoginConnections), &window), Some(Layer::Packet));
        assert_eq!(layer(&told_by(Metric::GuesserRequests), &window), Some(Layer::Http));
    }
}
