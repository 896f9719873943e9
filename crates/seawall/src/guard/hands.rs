//! What the control loop sees with and acts with: the edge for requests, the kernel for packets,
//! and servers that are already there, with their logs.

use super::checks::{Checks, Finding, Shown};
use super::logs::Logs;
use super::packets::Packets;
use super::servers::{Servers, Wanted};
use seawall_detection::Window;
use seawall_engine::goodput::KnownSecond;
use seawall_http_edge::{Counter, Edge, Nonsense};
use seawall_kernel::{Carrier, concerns_packets, is_about_questions};
use seawall_model::change::Change;
use seawall_model::plan::{Action, Measure, Outcome, Plan, RateKey, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, ShareEstimate};
use seawall_model::{Prefix, Timestamp};
use seawall_planning::{CheckContext, check};
use std::net::IpAddr;
use std::sync::Arc;

/// The measure against senders that a log has proven, beside those of a plan.
const SENDERS: &str = "senders";

/// The enforcers of one guard.
pub struct Hands {
    edge: Arc<Edge>,
    packets: Option<Packets>,
    logs: Option<Logs>,
    servers: Option<Servers>,
    checks: Option<Checks>,
    /// What is in force, and under which policy.
    plan: Option<(Plan, Policy)>,
    /// Senders that the kernel drops because a log has proven them.
    senders: Vec<Prefix>,
    /// Upstreams that could not be spoken to when that was told last.
    troubles: Vec<String>,
}

impl Hands {
    #[must_use]
    pub fn new(
        edge: Arc<Edge>,
        packets: Option<Packets>,
        logs: Option<Logs>,
        servers: Option<Servers>,
    ) -> Self {
        Self {
            edge,
            packets,
            logs,
            servers,
            checks: None,
            plan: None,
            senders: Vec::new(),
            troubles: Vec::new(),
        }
    }

    /// Checks what the service needs beside itself; those before are over.
    pub fn set_checks(&mut self, checks: Option<Checks>) {
        self.checks = checks;
    }

    /// What the checks have found last, by their names.
    #[must_use]
    pub fn checks(&self) -> Vec<(String, String)> {
        let all = self.checks.iter().flat_map(Checks::shown);
        all.map(|shown| (shown.name.clone(), in_words(&shown))).collect()
    }

    /// The kernel filter, where there is one.
    pub fn packets_mut(&mut self) -> Option<&mut Packets> {
        self.packets.as_mut()
    }

    /// What was seen since the last call.
    pub fn take_window(&mut self, now: Timestamp) -> Window {
        let mut window = self.edge.take_window();
        if let Some(checks) = &self.checks {
            window.merge(&checks.take_window());
        }
        if let Some(packets) = &mut self.packets {
            window.merge(&packets.take_window(now));
        }
        if let Some(logs) = &mut self.logs {
            window.merge(&logs.take_window(now));
        }
        window
    }

    /// What was refused since the last call for being no request.
    pub fn take_refused(&self) -> Nonsense {
        self.edge.take_refused()
    }

    /// What followed logs tell of changes.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.logs.as_mut().map(Logs::take_changes).unwrap_or_default()
    }

    /// Whether one of them carries a measure out.
    #[must_use]
    pub fn carries(&self, plan: &Plan, measure: &Measure) -> bool {
        self.edge_carries(plan, measure)
            || self.kernel_carries(plan, measure)
            || self.servers.as_ref().is_some_and(|s| s.carries(plan, measure))
            || self.kernel_carries_by_sender(measure)
    }

    /// Puts a plan in force: each measure where it is carried out first. Sources that the edge has
    /// proven are dropped by the kernel as well.
    ///
    /// # Errors
    /// Why a part of it cannot be in force.
    pub fn enforce(&mut self, plan: &Plan, policy: &Policy, now: Timestamp) -> Result<(), String> {
        let part = |keep: &dyn Fn(&Measure) -> bool| {
            let mut part = plan.clone();
            part.measures.retain(keep);
            part
        };
        let of_edge = part(&|m| self.edge_carries(plan, m));
        let of_servers = part(&|m| self.servers.as_ref().is_some_and(|s| s.carries(plan, m)));
        if of_edge.measures.is_empty() {
            self.edge.lift(policy);
        } else {
            self.edge.enforce(&of_edge, policy, now).map_err(|errors| errors.to_string())?;
        }
        if let Some(servers) = &self.servers {
            let plan = (policy.mode == Mode::Enforce).then_some(of_servers);
            servers.want(Wanted { plan, protected: policy.protected_clients.clone() });
        }
        if let Some(logs) = &mut self.logs {
            logs.plan(Some(plan));
        }
        self.plan = Some((plan.clone(), policy.clone()));
        self.enforce_in_kernel(now)
    }

    /// The kernel's part of the plan in force, and the senders that a log has proven.
    fn enforce_in_kernel(&mut self, now: Timestamp) -> Result<(), String> {
        let Some((plan, policy)) = self.plan.clone() else { return Ok(()) };
        let mut part = plan.clone();
        part.measures.retain(|m| self.kernel_carries(&plan, m));
        part.measures.extend(against_senders(&plan, &self.senders, &policy, now));
        match &mut self.packets {
            Some(packets) => packets.enforce(&part, &policy),
            None => Ok(()),
        }
    }

    /// What the measures in force held back since the last call.
    pub fn take_outcomes(&mut self) -> Vec<Outcome> {
        let mut outcomes = self.edge.take_outcomes();
        outcomes.extend(self.packets.iter_mut().flat_map(Packets::take_outcomes));
        outcomes
    }

    /// Takes all measures away.
    ///
    /// # Errors
    /// Why the kernel keeps some until they expire.
    pub fn lift(&mut self, policy: &Policy) -> Result<(), String> {
        self.edge.lift(policy);
        if let Some(servers) = &self.servers {
            servers.want(Wanted::default());
        }
        if let Some(logs) = &mut self.logs {
            logs.plan(None);
        }
        self.plan = None;
        self.senders.clear();
        self.packets.as_mut().map_or(Ok(()), Packets::lift)
    }

    /// Trouble began then, or is over.
    pub fn trouble(&mut self, onset: Option<Timestamp>) {
        self.edge.trouble(onset);
        if let Some(logs) = &mut self.logs {
            logs.trouble(onset);
        }
    }

    /// See [`Edge::bear`].
    pub fn bear(&self, is_borne: bool) {
        self.edge.bear(is_borne);
    }

    /// What clients that were known before the onset have met with, in all.
    #[must_use]
    pub fn known(&self) -> KnownSecond {
        let logged = self.logs.as_ref().map(Logs::known).unwrap_or_default();
        KnownSecond {
            requests: self.edge.count(Counter::known_requests) + logged.requests,
            good: self.edge.count(Counter::known_good) + logged.good,
            refused: self.edge.count(Counter::known_refused) + logged.refused,
            pages: self.edge.count(Counter::known_pages) + logged.pages,
            parts: self.edge.count(Counter::known_parts) + logged.parts,
            looking: self.edge.count(Counter::known_looking) + logged.looking,
            looking_refused: self.edge.count(Counter::known_looking_refused) + logged.looking_refused,
        }
    }

    /// Once a second: what is in force is compared with what should be. Returns what was wrong.
    pub fn look_after(&mut self, now: Timestamp) -> Vec<String> {
        let senders = self.look_at_senders(now).err();
        let packets = self.packets.as_mut().map(Packets::look_after).unwrap_or_default();
        let logs = self.logs.as_mut().map(Logs::look_after).unwrap_or_default();
        let servers = self.servers.as_ref().map(Servers::told).unwrap_or_default();
        let upstreams = self.new_troubles();
        packets.into_iter().chain(logs).chain(servers).chain(senders).chain(upstreams).collect()
    }

    /// Upstreams that cannot be spoken to, and checks that can say nothing, each told once until they
    /// can.
    fn new_troubles(&mut self) -> Vec<String> {
        let all = self.edge.troubles().into_iter().map(|(_, name, why)| format!("upstream {name}: {why}"));
        let useless = self.checks.iter().flat_map(Checks::never_good).map(|shown| {
            let found = in_words(&shown);
            format!("check {}: it {found}; until it has been good once it is no evidence", shown.name)
        });
        let before = std::mem::replace(&mut self.troubles, all.chain(useless).collect());
        self.troubles.iter().filter(|trouble| !before.contains(trouble)).cloned().collect()
    }

    /// Raises the shares of the kernel's measures where they have shown no harm.
    pub fn raise(&mut self) {
        if let Some(packets) = &mut self.packets {
            packets.raise_early();
        }
    }

    /// Hands senders that a log has newly proven over to the kernel.
    fn look_at_senders(&mut self, now: Timestamp) -> Result<(), String> {
        let (Some(logs), Some((_, policy)), Some(_)) = (&self.logs, &self.plan, &self.packets) else {
            return Ok(());
        };
        let senders = logs.senders(policy);
        if senders == self.senders {
            return Ok(());
        }
        self.senders = senders;
        self.enforce_in_kernel(now)
    }

    /// Whether the kernel dropped anything in the last second: what it drops by address never
    /// reaches the edge, and silence there is then no calm.
    #[must_use]
    pub fn is_dropping(&self) -> bool {
        self.packets.as_ref().is_some_and(Packets::is_dropping)
    }

    /// Whether measures go to servers that are already there.
    pub fn has_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// What carries rules for packets, and how many packets these have dropped; `None` where nothing
    /// does.
    #[must_use]
    pub fn packets(&self) -> Option<(String, u64)> {
        let name = |carrier: &Carrier| match carrier {
            Carrier::Xdp { .. } => "xdp".to_owned(),
            Carrier::Nftables(_) => "nftables".to_owned(),
        };
        self.packets.as_ref().map(|p| (name(p.carrier()), p.dropped_in_all()))
    }

    /// Whether a measure is not the kernel's, which raises the shares of its own.
    #[must_use]
    pub fn is_about_requests(&self, plan: &Plan, measure: &Measure) -> bool {
        self.carries(plan, measure) && !self.kernel_carries(plan, measure)
    }

    fn edge_carries(&self, plan: &Plan, measure: &Measure) -> bool {
        let is_about_requests = !concerns_packets(plan, measure) || is_listed_block(measure);
        !self.edge.settings().sites.is_empty() && is_about_requests && is_for_edge(&measure.action)
    }

    /// Requests are nothing to the kernel, but a log proves who goes on sending what is refused.
    fn kernel_carries_by_sender(&self, measure: &Measure) -> bool {
        self.packets.is_some() && self.logs.is_some() && proves_senders(measure)
    }

    /// Behind a proxy the sender of a packet is not the client.
    fn kernel_carries(&self, plan: &Plan, measure: &Measure) -> bool {
        let is_behind_proxy = !self.edge.settings().trusted_proxies.is_empty() && is_listed_block(measure);
        let Some(packets) = &self.packets else { return false };
        concerns_packets(plan, measure)
            && !is_behind_proxy
            && (packets.takes_questions() || !is_about_questions(measure))
    }
}

fn in_words(check: &Shown) -> String {
    match &check.finding {
        None => "not made yet".to_owned(),
        Some(Finding::Good) => "good".to_owned(),
        Some(Finding::Refused) => "takes no connection".to_owned(),
        Some(Finding::Late) => "does not answer in time".to_owned(),
        Some(Finding::Bad(words)) => format!("answered {words}"),
    }
}

/// The measure that drops these senders; none where the checker lets it not pass. The plan's verdict
/// passed when the plan did.
fn against_senders(plan: &Plan, senders: &[Prefix], policy: &Policy, now: Timestamp) -> Option<Measure> {
    if senders.is_empty() {
        return None;
    }
    let unknown = ShareEstimate { share: 0.0, low: 0.0, high: 1.0 };
    let measure = Measure {
        id: SENDERS.to_owned(),
        action: Action::Block { status: 0 },
        scope: Scope::Sources(senders.to_vec()),
        target: None,
        predicted_effect: unknown,
        // None was a client before the trouble.
        predicted_harm: Some(ShareEstimate { share: 0.0, low: 0.0, high: policy.max_baseline_share }),
        expires: plan.expires,
        initial_share: 1.0,
    };
    let proven: Vec<IpAddr> = senders.iter().map(|p| p.address()).collect();
    let context =
        CheckContext { now, confidence: policy.min_confidence, vectors: &[], proven_sources: &proven };
    let alone = Plan { measures: vec![measure.clone()], created: now, ..plan.clone() };
    check(&alone, policy, &context).is_ok().then_some(measure)
}

/// Whether its requests prove who sends them.
fn proves_senders(measure: &Measure) -> bool {
    match (&measure.action, &measure.scope) {
        (Action::Block { .. }, Scope::Signature(signature)) => signature.layer == Layer::Http,
        (Action::RateLimit { key: RateKey::Source, .. }, _) => true,
        _ => false,
    }
}

fn is_listed_block(measure: &Measure) -> bool {
    matches!((&measure.action, &measure.scope), (Action::Block { .. }, Scope::Sources(_)))
}

fn is_for_edge(action: &Action) -> bool {
    matches!(
        action,
        Action::WaitingRoom { .. }
            | Action::ServeStale { .. }
            | Action::Shed { .. }
            | Action::RateLimit { .. }
            | Action::Challenge
            | Action::HeaderDeadline { .. }
            | Action::Block { .. }
    )
}
