//! Senders that a followed log proves: who goes on sending what a plan refuses or limits. A request
//! that was logged completed a handshake, so its sender is not forged, and the kernel may drop it.
//!
//! A sender is listed when it has sent enough, within ten seconds, of which nearly all is unwanted;
//! people who share an address with it are the reason for both. Evaded by senders of few requests
//! each, and by those that mix in what nobody refuses: the server's own measures are for these.
//! Nobody who was a client before the trouble is listed.

use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::signature::Signature;
use seawall_model::{Prefix, Timestamp};
use seawall_signature::{RequestView, holds_for_request};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Senders that are counted at a time; more are not looked at until the next period.
const MOST_SENDERS: usize = 1 << 16;
/// Counts are kept for this long, and as long again.
const PERIOD_S: f64 = 5.0;
/// Unwanted requests from which a sender is listed, and in a hundred of its requests.
const LEAST_UNWANTED: u32 = 5;
const LEAST_PER_CENT: u32 = 90;
/// What a limit allows in both periods is exceeded so many times over before it proves anything.
const TIMES_LIMIT: f64 = 2.0;

/// Who sends what in the present period and the one before.
#[derive(Default)]
pub struct Senders {
    refused: Vec<Signature>,
    /// Requests in both periods that a limit allows, and what it is about; `None`: everything.
    limits: Vec<(f64, Option<Signature>)>,
    present: BTreeMap<IpAddr, Sent>,
    before: BTreeMap<IpAddr, Sent>,
    period: Option<Timestamp>,
    listed: BTreeSet<IpAddr>,
}

#[derive(Clone, Copy, Default)]
struct Sent {
    requests: u32,
    refused: u32,
    limited: u32,
}

impl Senders {
    /// A plan is in force, or another, or none any more; then nobody is listed.
    pub fn follow(&mut self, plan: Option<&Plan>) {
        let Some(plan) = plan else {
            *self = Self::default();
            return;
        };
        let signature = |m: &Measure| match &m.scope {
            Scope::Signature(signature) => Some(signature.clone()),
            Scope::All | Scope::Sources(_) => None,
        };
        let is_refusal = |m: &&Measure| matches!(m.action, Action::Block { .. });
        self.refused = plan.measures.iter().filter(is_refusal).filter_map(signature).collect();
        let limit = |m: &Measure| match m.action {
            Action::RateLimit { key: RateKey::Source, per_s, burst } => {
                Some((TIMES_LIMIT * (2.0 * PERIOD_S * per_s + burst), signature(m)))
            }
            _ => None,
        };
        self.limits = plan.measures.iter().filter_map(limit).collect();
    }

    /// A request that was logged. `is_known`: its client was one before the trouble.
    pub fn observe(&mut self, request: &RequestView<'_>, is_known: bool, now: Timestamp) {
        if self.refused.is_empty() && self.limits.is_empty() {
            return;
        }
        if self.period.is_none_or(|since| now.since_s(since) >= PERIOD_S) {
            self.before = std::mem::take(&mut self.present);
            self.period = Some(now);
        }
        if is_known || (self.present.len() >= MOST_SENDERS && !self.present.contains_key(&request.client)) {
            return;
        }
        let is_refused = self.refused.iter().any(|s| holds(s, request));
        let mut allowed = f64::INFINITY;
        for (count, signature) in &self.limits {
            if signature.as_ref().is_none_or(|s| holds(s, request)) {
                allowed = allowed.min(*count);
            }
        }
        let before = self.before.get(&request.client).copied().unwrap_or_default();
        let sent = self.present.entry(request.client).or_default();
        sent.requests = sent.requests.saturating_add(1);
        sent.refused = sent.refused.saturating_add(u32::from(is_refused));
        sent.limited = sent.limited.saturating_add(u32::from(allowed.is_finite()));
        let requests = sent.requests.saturating_add(before.requests);
        let refused = sent.refused.saturating_add(before.refused);
        let limited = sent.limited.saturating_add(before.limited);
        let is_mostly = |part: u32| u64::from(part) * 100 >= u64::from(requests) * u64::from(LEAST_PER_CENT);
        let is_unwanted = refused >= LEAST_UNWANTED && is_mostly(refused);
        if is_unwanted || (f64::from(limited) > allowed && is_mostly(limited)) {
            self.listed.insert(request.client);
        }
    }

    /// Who is listed, at most so many, without who is protected.
    #[must_use]
    pub fn listed(&self, protected: &[Prefix], most: usize) -> Vec<Prefix> {
        let is_free = |a: &&IpAddr| !protected.iter().any(|p| p.contains(**a));
        self.listed.iter().filter(is_free).take(most).map(|a| Prefix::host(*a)).collect()
    }
}

fn holds(signature: &Signature, request: &RequestView<'_>) -> bool {
    !signature.tests.is_empty() && signature.tests.iter().all(|t| holds_for_request(t, request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Cause;
    use seawall_model::observation::{HttpVersion, Method, Presence};
    use seawall_model::signature::{Layer, ShareEstimate, Test};

    fn plan(action: Action, scope: Scope) -> Plan {
        let expires = Timestamp::from_seconds(600);
        let share = ShareEstimate { share: 1.0, low: 1.0, high: 1.0 };
        let measure = Measure {
            id: "m1".into(),
            action,
            scope,
            target: None,
            predicted_effect: share,
            predicted_harm: None,
            expires,
            initial_share: 1.0,
        };
        let created = Timestamp::from_seconds(0);
        Plan {
            generation: 1,
            parent: None,
            cause: Cause::HttpFlood,
            created,
            expires,
            measures: vec![measure],
        }
    }

    fn agent(agent: &str) -> Scope {
        let share = ShareEstimate { share: 1.0, low: 1.0, high: 1.0 };
        Scope::Signature(Signature {
            layer: Layer::Http,
            tests: vec![Test::UserAgent(agent.into())],
            attack: share,
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        })
    }

    fn send(senders: &mut Senders, last: u8, agent: &str, count: u32, second: i64) {
        let request = RequestView {
            client: [203, 0, 113, last].into(),
            method: Method::Get,
            host: "",
            path: "/",
            query: None,
            version: HttpVersion::Http11,
            status: None,
            user_agent: agent,
            referrer: "",
            cookie: Presence::Unknown,
            accept_language: Presence::Unknown,
            header_order: 0,
            ja4: "",
        };
        for _ in 0..count {
            senders.observe(&request, last == 9, Timestamp::from_seconds(second));
        }
    }

    #[test]
    fn who_sends_nearly_nothing_else_is_listed_and_who_shares_an_address_is_not() {
        let mut senders = Senders::default();
        senders.follow(Some(&plan(Action::Block { status: 403 }, agent("bad"))));
        send(&mut senders, 1, "bad", 5, 0);
        send(&mut senders, 2, "good", 2, 0);
        send(&mut senders, 2, "bad", 10, 1);
        send(&mut senders, 3, "bad", 4, 1);
        send(&mut senders, 9, "bad", 50, 1);
        assert_eq!(senders.listed(&[], 10), ["203.0.113.1".parse().expect("an address")]);
        assert!(senders.listed(&["203.0.113.0/24".parse().expect("a prefix")], 10).is_empty());
        senders.follow(None);
        assert!(senders.listed(&[], 10).is_empty(), "without a plan nobody is");
    }

    #[test]
    fn a_limit_proves_somebody_only_far_beyond_it() {
        let mut senders = Senders::default();
        let limit = Action::RateLimit { key: RateKey::Source, per_s: 2.0, burst: 10.0 };
        senders.follow(Some(&plan(limit, Scope::All)));
        send(&mut senders, 1, "a", 60, 0);
        assert!(senders.listed(&[], 10).is_empty(), "twice what is allowed in ten seconds");
        send(&mut senders, 1, "a", 1, 6);
        assert_eq!(senders.listed(&[], 10).len(), 1, "what was sent five seconds before counts too");
    }
}
