//! What the control loop sees with and acts with: the edge for requests, the kernel for packets.

use super::logs::Logs;
use super::packets::Packets;
use seawall_detection::Window;
use seawall_engine::goodput::KnownSecond;
use seawall_http_edge::{Counter, Edge};
use seawall_kernel::concerns_packets;
use seawall_model::Timestamp;
use seawall_model::change::Change;
use seawall_model::plan::{Action, Measure, Plan, Scope};
use seawall_model::policy::Policy;
use std::sync::Arc;

/// The enforcers of one guard.
pub struct Hands {
    edge: Arc<Edge>,
    packets: Option<Packets>,
    logs: Option<Logs>,
}

impl Hands {
    #[must_use]
    pub fn new(edge: Arc<Edge>, packets: Option<Packets>, logs: Option<Logs>) -> Self {
        Self { edge, packets, logs }
    }

    /// What was seen since the last call.
    pub fn take_window(&mut self, now: Timestamp) -> Window {
        let mut window = self.edge.take_window();
        if let Some(packets) = &mut self.packets {
            window.merge(&packets.take_window(now));
        }
        if let Some(logs) = &mut self.logs {
            window.merge(&logs.take_window());
        }
        window
    }

    /// What followed logs tell of changes.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.logs.as_mut().map(Logs::take_changes).unwrap_or_default()
    }

    /// Whether one of them carries a measure out.
    #[must_use]
    pub fn carries(&self, plan: &Plan, measure: &Measure) -> bool {
        self.edge_carries(plan, measure) || self.kernel_carries(plan, measure)
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
        let of_kernel = part(&|m| self.kernel_carries(plan, m));
        if of_edge.measures.is_empty() {
            self.edge.lift(policy);
        } else {
            self.edge.enforce(&of_edge, policy, now).map_err(|errors| errors.to_string())?;
        }
        match &mut self.packets {
            Some(packets) => packets.enforce(&of_kernel, policy),
            None => Ok(()),
        }
    }

    /// Takes all measures away.
    ///
    /// # Errors
    /// Why the kernel keeps some until they expire.
    pub fn lift(&mut self, policy: &Policy) -> Result<(), String> {
        self.edge.lift(policy);
        self.packets.as_mut().map_or(Ok(()), Packets::lift)
    }

    /// Trouble began then, or is over.
    pub fn trouble(&mut self, onset: Option<Timestamp>) {
        self.edge.trouble(onset);
    }

    /// What clients that were known before the onset have met with, in all.
    #[must_use]
    pub fn known(&self) -> KnownSecond {
        KnownSecond {
            requests: self.edge.count(Counter::known_requests),
            good: self.edge.count(Counter::known_good),
            refused: self.edge.count(Counter::known_refused),
        }
    }

    /// Once a second: what is in force is compared with what should be. Returns what was wrong.
    pub fn look_after(&mut self) -> Vec<String> {
        let packets = self.packets.as_mut().map(Packets::look_after).unwrap_or_default();
        let logs = self.logs.as_mut().map(Logs::look_after).unwrap_or_default();
        packets.into_iter().chain(logs).collect()
    }

    /// Whether the kernel dropped anything in the last second: what it drops by address never
    /// reaches the edge, and silence there is then no calm.
    #[must_use]
    pub fn is_dropping(&self) -> bool {
        self.packets.as_ref().is_some_and(Packets::is_dropping)
    }

    /// Whether a measure is the edge's alone: the kernel raises the shares of its own.
    #[must_use]
    pub fn is_of_edge(&self, plan: &Plan, measure: &Measure) -> bool {
        self.edge_carries(plan, measure) && !self.kernel_carries(plan, measure)
    }

    fn edge_carries(&self, plan: &Plan, measure: &Measure) -> bool {
        let is_about_requests = !concerns_packets(plan, measure) || is_listed_block(measure);
        !self.edge.settings().sites.is_empty() && is_about_requests && is_for_edge(&measure.action)
    }

    /// Behind a proxy the sender of a packet is not the client.
    fn kernel_carries(&self, plan: &Plan, measure: &Measure) -> bool {
        let is_behind_proxy = !self.edge.settings().trusted_proxies.is_empty() && is_listed_block(measure);
        self.packets.is_some() && concerns_packets(plan, measure) && !is_behind_proxy
    }
}

fn is_listed_block(measure: &Measure) -> bool {
    matches!((&measure.action, &measure.scope), (Action::Block { .. }, Scope::Sources(_)))
}

fn is_for_edge(action: &Action) -> bool {
    matches!(
        action,
        Action::WaitingRoom { .. }
            | Action::Shed { .. }
            | Action::RateLimit { .. }
            | Action::Challenge
            | Action::HeaderDeadline { .. }
            | Action::Block { .. }
    )
}
