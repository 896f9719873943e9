//! Forecasts: what a measure would stop, and what it would cost normal traffic.

use crate::ladder::{Ladder, Step};
use crate::planner::PlanInput;
use crate::rate::{Limit, stopped_share};
use seawall_model::Cause;
use seawall_model::finding::Ranked;
use seawall_model::metric::Metric;
use seawall_model::plan::{RateKey, Scope};
use seawall_model::signature::{Layer, ShareEstimate};

/// Effect on the unwanted traffic, harm to the normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) effect: ShareEstimate,
    pub(crate) harm: Option<ShareEstimate>,
}

const NONE: ShareEstimate = ShareEstimate { share: 0.0, low: 0.0, high: 0.0 };
const UNKNOWN: ShareEstimate = ShareEstimate { share: 0.5, low: 0.0, high: 1.0 };
/// Normal clients above a limit that stands at twice their 99th percentile.
const ABOVE_LIMIT: ShareEstimate = ShareEstimate { share: 0.002, low: 0.0, high: 0.01 };

/// What a step over a scope would do.
pub(crate) fn forecast(
    step: Step,
    scope: &Scope,
    limit: Option<&Limit>,
    ladder: &Ladder,
    input: &PlanInput<'_>,
) -> Forecast {
    let layer = ladder.layer;
    let found = match (step, limit) {
        (Step::Limit(key), Some(limit)) => of_limit(key, limit, scope, layer, input),
        (Step::Block | Step::Drop | Step::FlowSpec | Step::Truncate, _) => of_scope(scope, layer, input),
        (Step::Challenge, _) => of_challenge(scope, input),
        (Step::Blackhole, _) => Forecast {
            effect: ShareEstimate { share: 1.0, low: 1.0, high: 1.0 },
            harm: Some(ShareEstimate { share: 1.0, low: 1.0, high: 1.0 }),
        },
        (Step::Investigate(_), _) => Forecast { effect: NONE, harm: Some(NONE) },
        (Step::RollBack, _) => {
            let likely = input.diagnosis.verdict.confidence.clamp(0.0, 1.0);
            Forecast { effect: ShareEstimate { share: likely, low: 0.0, high: 1.0 }, harm: Some(NONE) }
        }
        _ => Forecast { effect: UNKNOWN, harm: Some(NONE) },
    };
    Forecast { harm: found.harm.map(|harm| of_those_hit(harm, scope, ladder, input)), ..found }
}

/// A share of normal traffic as one of its log-ins, where it is log-ins that are refused.
pub(crate) fn of_those_hit(
    harm: ShareEstimate,
    scope: &Scope,
    ladder: &Ladder,
    input: &PlanInput<'_>,
) -> ShareEstimate {
    normal_log_ins(scope, ladder, input).map_or(harm, |log_ins| part_of(harm, log_ins))
}

/// Share of normal traffic that log-ins are, where what is refused are log-ins of whoever comes: few among all
/// requests, they are all that a visitor wants who cannot get in.
pub(crate) fn normal_log_ins(scope: &Scope, ladder: &Ladder, input: &PlanInput<'_>) -> Option<f64> {
    let is_of_anybody = matches!(scope, Scope::Signature(s) if !s.names_sources());
    let usual = input.findings.get(Metric::LoginAttemptShare)?.expected;
    usual.filter(|s| {
        *s > 0.0 && is_of_anybody && ladder.cause == Cause::CredentialAbuse && ladder.layer == Layer::Http
    })
}

fn part_of(share: ShareEstimate, whole: f64) -> ShareEstimate {
    let part = |share: f64| (share / whole).min(1.0);
    ShareEstimate { share: part(share.share), low: part(share.low), high: part(share.high) }
}

/// The challenge is a cookie that a redirect sets: it stops what keeps no cookies, and how much of
/// the unwanted traffic that is, no log says. People's browsers pass; programs, feeds and monitors
/// mostly do not, and how much of normal traffic they are was measured.
fn of_challenge(scope: &Scope, input: &PlanInput<'_>) -> Forecast {
    let reached = of_scope(scope, Layer::Http, input);
    let effect = ShareEstimate { share: 0.5 * reached.effect.share, low: 0.0, high: reached.effect.high };
    let programs = input.normal.program_share;
    let inside = if *scope == Scope::All { Some(1.0) } else { reached.harm.map(|h| h.high) };
    let harm = inside.zip(programs).map(|(inside, programs)| {
        let most = inside.min(programs);
        ShareEstimate { share: most, low: 0.0, high: most }
    });
    Forecast { effect, harm }
}

/// What is refused outright in a scope.
fn of_scope(scope: &Scope, layer: Layer, input: &PlanInput<'_>) -> Forecast {
    match scope {
        Scope::All => Forecast { effect: ShareEstimate { share: 1.0, low: 0.9, high: 1.0 }, harm: None },
        Scope::Signature(s) => Forecast { effect: s.attack, harm: s.baseline },
        Scope::Sources(prefixes) => {
            let ranked: Vec<&Ranked> = input
                .rankings
                .senders(layer)
                .iter()
                .filter(|r| r.name.parse().is_ok_and(|a| prefixes.iter().any(|p| p.contains(a))))
                .collect();
            let share = ranked.iter().map(|r| r.share).sum::<f64>().min(1.0);
            let normal: Option<f64> = ranked.iter().map(|r| r.baseline_share).sum();
            Forecast { effect: exact(share), harm: normal.map(|n| exact(n.min(1.0))) }
        }
    }
}

fn of_limit(key: RateKey, limit: &Limit, scope: &Scope, layer: Layer, input: &PlanInput<'_>) -> Forecast {
    let inside = of_scope(scope, layer, input);
    let all = || stopped_share(key, limit.per_s, layer, input.findings, input.rankings);
    let stopped = limit.stops.unwrap_or_else(all);
    let share = stopped.min(inside.effect.high);
    let effect = ShareEstimate { share, low: 0.5 * share, high: (1.5 * share).min(1.0) };
    let per_sender = matches!(key, RateKey::Source | RateKey::Network);
    let harm = match (per_sender, limit.is_measured) {
        // Only senders above their normal rate are touched, and only inside the scope.
        (true, true) => Some(inside.harm.filter(|h| h.share < ABOVE_LIMIT.share).unwrap_or(ABOVE_LIMIT)),
        (true, false) => None,
        // A common limit refuses whatever comes too late, wanted or not.
        (false, _) => inside.harm.map(|h| ShareEstimate {
            share: h.share * stopped,
            low: h.low * stopped,
            high: h.high,
        }),
    };
    Forecast { effect, harm }
}

/// A share that was counted, and not estimated.
pub(crate) fn exact(share: f64) -> ShareEstimate {
    ShareEstimate { share, low: share, high: share }
}
