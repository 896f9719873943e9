//! Name servers under guard: the DNS edge holds back by itself what its servers cannot take; the
//! engine says what is wrong. One engine for each `--dns`.

use super::dns_addresses::LookUps;
use super::incident::{Incident, Told};
use super::plans::live_input;
use super::prometheus::{self, label};
use super::store::{self, Store};
use crate::pipeline;
use seawall_detection::Window;
use seawall_dns_edge::{Counter, Edge, Settings};
use seawall_engine::{Effect, Engine, Input, LastSecond};
use seawall_http_edge::tls::Certificates;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::policy::{Mode, Policy};
use seawall_model::report::TriageReport;
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;

/// What all fronts count, and whether their servers are up, for Prometheus.
#[must_use]
pub fn metrics(fronts: &[DnsControl]) -> String {
    let mut text = String::new();
    if fronts.is_empty() {
        return text;
    }
    for counter in Counter::ALL {
        let name = format!("dns_{}_total", counter.name());
        let count =
            |(number, of): (usize, &DnsControl)| (format!("{{front=\"{number}\"}}"), of.edge.count(*counter));
        let metric = (&*name, "counter", counter.help().trim());
        prometheus::add(&mut text, metric, fronts.iter().enumerate().map(count));
    }
    let up = |(number, of): (usize, &DnsControl)| -> Vec<(String, u8)> {
        let labels = |name| format!("{{front=\"{number}\",backend=\"{}\"}}", label(name));
        of.edge.backends().map(|(name, is_up)| (labels(name), u8::from(is_up))).collect()
    };
    let values = fronts.iter().enumerate().flat_map(up);
    prometheus::add(&mut text, ("dns_backend_up", "gauge", "whether the back end is up"), values);
    text
}

/// One DNS edge with its engine.
#[derive(Debug)]
pub struct DnsControl {
    edge: Edge,
    look_ups: LookUps,
    engine: Engine,
    policy: Policy,
    store: Option<Store>,
    /// What it shows to those who come over TLS.
    certificates: Option<Certificates>,
    incident: Option<Incident>,
    /// Somebody has undone the measures: nothing is held back before the incident is over.
    suspended: bool,
    second: Option<Timestamp>,
    gathered: Window,
    /// What was seen in the second that ends now.
    last_second: LastSecond,
    /// Queries of the second under way that the engine has been given.
    queries: u64,
    queries_per_s: f64,
    out: Out,
    told: Vec<Told>,
}

/// Name servers that are out, of whom the operator has been told.
#[derive(Debug, Default)]
struct Out(BTreeSet<String>);

impl Out {
    /// What is to be told of those that were up before.
    fn newly<'a>(&mut self, all: impl Iterator<Item = (&'a str, bool)>) -> Vec<String> {
        let now: BTreeSet<String> =
            all.filter(|(_, is_up)| !is_up).map(|(name, _)| name.to_owned()).collect();
        let line = |name: &String| {
            format!(
                "name server {name} is taken out: it is silent, fails, or answers otherwise than the others"
            )
        };
        let new = now.difference(&self.0).map(line).collect();
        self.0 = now;
        new
    }
}

impl DnsControl {
    #[must_use]
    pub fn new(edge: Edge, policy: Policy, store: Option<Store>, certificates: Option<Certificates>) -> Self {
        Self {
            edge,
            look_ups: LookUps::start(),
            engine: Engine::new(policy.clone(), None),
            policy,
            store,
            certificates,
            incident: None,
            suspended: false,
            second: None,
            gathered: Window::default(),
            last_second: LastSecond::default(),
            queries: 0,
            queries_per_s: 0.0,
            out: Out::default(),
            told: Vec::new(),
        }
    }

    /// Called every tick. Returns what the operator is told.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Told> {
        if let Some(settings) = self.look_ups.moved(&self.edge) {
            self.go_on_by(settings);
        }
        let window = self.edge.take_window();
        self.last_second.add(now, &window);
        if !window.is_empty() {
            self.gathered.merge(&window);
        }
        self.told.extend(self.edge.take_said().into_iter().map(Told::Noted));
        let second = now.floor_to(SECOND_NS);
        match self.second {
            None => self.second = Some(second),
            Some(current) if current < second => {
                self.second = Some(second);
                self.hand_over(current);
                self.queries_per_s = std::mem::take(&mut self.queries) as f64;
                // The next second begins empty, which closes this one at once.
                self.step(second, Input::Window { tick: second, window: Box::default() });
                if let (Some(incident), Some(quiet_s)) = (&mut self.incident, self.engine.quiet_s()) {
                    incident.note_calm(quiet_s, now);
                }
                self.describe(now);
                self.told.extend(self.store.as_mut().map(Store::retry).unwrap_or_default());
                self.told.extend(self.out.newly(self.edge.backends()).into_iter().map(Told::Noted));
            }
            // Nobody waits for the end of a second that is unlike before already.
            Some(current) => self.glance(current, now),
        }
        std::mem::take(&mut self.told)
    }

    /// Nobody waits for the end of a second that is unlike before already.
    fn glance(&mut self, current: Timestamp, now: Timestamp) {
        let last_second = self.last_second.counts();
        if self.engine.is_rising(&self.gathered, &last_second) {
            self.hand_over(current);
            self.step(now, Input::Glance { last_second });
            self.describe(now);
        }
    }

    /// Goes on by another configuration, without losing a question.
    pub fn reload(&mut self, settings: Settings, policy: &Policy, now: Timestamp) {
        self.step(now, Input::Policy(Box::new(policy.clone())));
        if let Some(store) = &mut self.store {
            store.set_policy(policy.clone());
        }
        self.policy = policy.clone();
        self.go_on_by(settings);
        let text = "configuration of seawall reloaded".to_owned();
        self.change(Change { time: now, kind: ChangeKind::Configuration, text });
    }

    fn go_on_by(&mut self, settings: Settings) {
        self.edge.reload(settings);
        if self.suspended {
            self.edge.enforce(false);
        }
    }

    /// Certificates that are to be read again when the operator says so.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// A change that somebody tells of.
    pub fn change(&mut self, change: Change) {
        self.step(change.time, Input::Change(change));
    }

    /// Holds nothing back before the incident is over. Whether anything was.
    pub fn undo(&mut self) -> bool {
        let was_on = self.policy.mode == Mode::Enforce && !self.suspended;
        self.suspended = self.incident.is_some();
        if self.suspended {
            self.edge.enforce(false);
        }
        was_on && self.suspended
    }

    /// What was undone is done again where it is called for. Whether anything was undone.
    pub fn end_undo(&mut self) -> bool {
        let was_suspended = std::mem::take(&mut self.suspended);
        if was_suspended {
            self.edge.enforce(self.policy.mode == Mode::Enforce);
        }
        was_suspended
    }

    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// The end of the program: what is open is written down as it stands.
    pub fn finish(mut self, now: Timestamp) -> Vec<Told> {
        if self.incident.is_some() {
            self.close(now);
        }
        self.edge.stop();
        self.told
    }

    #[must_use]
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// What the incident under way is known as.
    #[must_use]
    pub fn report(&self) -> Option<&TriageReport> {
        self.incident.as_ref()?.report.as_deref()
    }

    /// The zone of which made-up names are asked for just now, unless somebody has undone measures.
    #[must_use]
    pub fn flooded_zone(&self) -> Option<&str> {
        let verdict = &self.report()?.verdict;
        let is_flooded = verdict.cause == Cause::DnsRandomSubdomain && !self.suspended;
        verdict.target.as_deref().filter(|_| is_flooded)?.strip_prefix("zone ")
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[must_use]
    pub fn queries_per_s(&self) -> f64 {
        self.queries_per_s
    }

    /// Its incidents in the state folder, and whether each has ended.
    #[must_use]
    pub fn incidents(&self) -> Vec<(String, bool)> {
        self.store.as_ref().map(Store::incidents).unwrap_or_default()
    }

    /// What the admin socket shows of it.
    #[must_use]
    pub fn shown(&self) -> serde_json::Value {
        let backends: Vec<_> =
            self.edge.backends().map(|(name, up)| json!({ "name": name, "up": up })).collect();
        let zones: Vec<_> = self
            .edge
            .zones()
            .into_iter()
            .map(|(name, serial, names)| json!({ "name": name, "serial": serial, "names": names }))
            .collect();
        let counters: serde_json::Map<_, _> =
            Counter::ALL.iter().map(|c| (c.name().to_owned(), self.edge.count(*c).into())).collect();
        json!({
            "listen": self.edge.addresses(),
            "verdict": self.report().map(|r| &r.verdict),
            "suspended": self.suspended,
            "queries_per_s": self.queries_per_s,
            "backends": backends,
            "zones": zones,
            "counters": counters,
        })
    }

    fn step(&mut self, now: Timestamp, input: Input) {
        for effect in store::recorded(&mut self.store, &mut self.engine, (now, input), &mut self.told) {
            match effect {
                Effect::Opened { onset } => {
                    self.incident = Some(Incident::open(onset));
                    self.told.push(Told::Opened(onset));
                }
                Effect::Closed { end } => self.close(end),
                // What is open is looked at every second.
                Effect::Diagnosed(_) | Effect::Concluded(_) => {}
            }
        }
    }

    /// Gives the engine what was gathered of the second under way.
    fn hand_over(&mut self, current: Timestamp) {
        let window = std::mem::take(&mut self.gathered);
        self.queries += window.dns.as_ref().map_or(0, |d| d.queries);
        self.step(current, Input::Window { tick: current, window: Box::new(window) });
    }

    fn describe(&mut self, now: Timestamp) {
        let (Some(conclusion), Some(incident)) = (self.engine.present(), &mut self.incident) else { return };
        if !incident.accepts(&conclusion.diagnosis.verdict, now) {
            return;
        }
        let inputs = vec![live_input("DNS messages through the edge", &conclusion, now)];
        let report = Box::new(pipeline::report(conclusion, &self.policy, inputs));
        if incident.describe(report.clone(), now) {
            self.told.push(Told::Named(report));
        }
        if let Some(store) = &mut self.store {
            self.told.extend(incident.keep(store, now));
        }
    }

    fn close(&mut self, end: Timestamp) {
        self.suspended = false;
        self.edge.enforce(self.policy.mode == Mode::Enforce);
        if let Some(incident) = self.incident.take() {
            self.told.extend(incident.finish(end, self.store.as_mut()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: who had named a wrong port was told nothing, while every question failed.
    #[test]
    fn that_a_name_server_is_out_is_told_once_each_time() {
        let mut out = Out::default();
        let mut told = |is_up: [bool; 2]| out.newly(["a", "b"].into_iter().zip(is_up)).len();
        let ups = [[true, true], [true, false], [true, false], [false, false], [true, true], [false, true]];
        assert_eq!(ups.map(&mut told), [0, 1, 0, 1, 0, 1]);
    }
}
