//! The control loop: windows of all threads go to the engine once a second, and sooner while
//! something new is going on; what the engine says becomes a plan; the plan is checked, compiled,
//! put into force, watched, and withdrawn.
//!
//! It owns the engine and the plan. The edge owns the traffic, the admin socket what is shown.

use super::checks::Checks;
use super::hands::Hands;
use super::incident::{CutOff, FIRST_LOOKS_S, Incident, KEEP_EVERY_S, Told};
use super::nonsense;
use super::packets::Packets;
use super::plans::{holds_nobody, key, keys, live_input};
use super::store::{self, Store};
use super::telling::{Extent, is_telling};
use crate::pipeline;
use anyhow::ensure;
use seawall_detection::Window;
use seawall_engine::goodput::{self, Goodput, KnownSecond};
use seawall_engine::{Conclusion, Effect, Engine, Input, LastSecond};
use seawall_incident::{Actor, Event};
use seawall_model::change::Change;
use seawall_model::plan::{Outcome, Plan};
use seawall_model::policy::{Mode, Policy};
use seawall_model::report::TriageReport;
use seawall_model::signature::{Layer, Signature};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Class, Prefix, Timestamp};
use seawall_planning::Approved;

/// A plan is not replaced by another before this, so that its effect can be seen.
const PLAN_LEAST_S: f64 = 3.0;
/// Seconds of calm after which measures rest. They are back with the first second that is not calm,
/// so that pulses gain nothing; each time they had to come back they stay twice as long.
const REST_AFTER_S: f64 = 4.0;
const REST_AFTER_MOST_S: f64 = 32.0;
/// Seconds that measures act on a share before they act on all, if they do no harm.
const STAGE_S: f64 = 1.5;
/// Seconds between looks: each compares all that was seen. Before anything is done about it, every
/// tick is looked at, however late it is.
const GLANCE_EVERY_S: f64 = 0.15;
const GLANCE_AT_ONCE_S: f64 = 0.05;
/// Whoever gives orders at the admin socket, which only its owner can.
const OPERATOR: &str = "operator";
/// Told where an attacker has visited before.
const STRAYS: &str = "clients known from before ask for far more pages than they did, and for nothing that those are \
     made of: what is refused to them is not counted as harm";
/// Measures withdrawn for harm that are remembered; more is no plan at all.
const MOST_VETOED: usize = 64;

mod kept;

pub use kept::Kept;

/// The loop's state.
pub struct Control {
    hands: Hands,
    engine: Engine,
    policy: Policy,
    /// Clients that were protected since the start, by order.
    protected: Vec<Prefix>,
    store: Option<Store>,
    goodput: Goodput,
    known: KnownSecond,
    rest_after_s: f64,
    generation: u64,
    /// Measures that did harm in this incident.
    vetoed: Vec<String>,
    /// Somebody has undone the measures: none until the incident is over.
    suspended: bool,
    incident: Option<Incident>,
    second: Option<Timestamp>,
    /// When a second under way was looked at last.
    glanced: Option<Timestamp>,
    gathered: Window,
    /// What was seen in the second that ends now.
    last_second: LastSecond,
    /// Requests of the second under way that the engine has been given.
    requests: u64,
    requests_per_s: f64,
    told: Vec<Told>,
    cut_off: CutOff,
    nonsense: nonsense::Telling,
    /// The last failure that was told.
    failed: Option<String>,
}

impl Control {
    #[must_use]
    pub fn new(hands: Hands, policy: Policy, store: Option<Store>) -> Self {
        Self {
            engine: Engine::new(policy.clone(), None),
            hands,
            policy,
            protected: Vec::new(),
            store,
            goodput: Goodput::default(),
            known: KnownSecond::default(),
            rest_after_s: REST_AFTER_S,
            generation: 0,
            vetoed: Vec::new(),
            suspended: false,
            incident: None,
            second: None,
            glanced: None,
            gathered: Window::default(),
            last_second: LastSecond::default(),
            requests: 0,
            requests_per_s: 0.0,
            told: Vec::new(),
            cut_off: CutOff { names: Vec::new(), began: Timestamp(0) },
            nonsense: nonsense::Telling::default(),
            failed: None,
        }
    }

    /// Called every tick. Returns what the operator is told.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Told> {
        let window = self.hands.take_window(now);
        self.last_second.add(now, &window);
        if !window.is_empty() {
            self.gathered.merge(&window);
        }
        let second = now.floor_to(SECOND_NS);
        match self.second {
            None => self.second = Some(second),
            Some(current) if current < second => self.close_second(current, second, now),
            Some(current) => self.glance(current, now),
        }
        self.hands.raise();
        std::mem::take(&mut self.told)
    }

    fn close_second(&mut self, current: Timestamp, second: Timestamp, now: Timestamp) {
        let mut effects = self.hand_over(current);
        // The next second begins empty, which closes this one at once.
        effects.extend(self.step(second, Input::Window { tick: second, window: Box::default() }));
        self.second = Some(second);
        self.requests_per_s = std::mem::take(&mut self.requests) as f64;
        self.follow(effects);
        for change in self.hands.take_changes() {
            self.change(change);
        }
        self.told.extend(self.nonsense.add(&self.hands.take_refused(), now));
        self.read_outcomes();
        for what in self.hands.look_after(now) {
            self.tell_once(what);
        }
        self.look_at_plan(now);
    }

    /// Looks at the second under way where it is unlike before already, and while a trouble is
    /// young and has no name: nobody waits for its end.
    fn glance(&mut self, current: Timestamp, now: Timestamp) {
        if self.is_resting() && self.engine.is_loud_again(&self.gathered) {
            self.resume(now);
        }
        let last_second = self.last_second.counts();
        let patience_s = if self.plan().is_none() { GLANCE_AT_ONCE_S } else { GLANCE_EVERY_S };
        let is_wanted = match &self.incident {
            None => self.engine.is_rising(&self.gathered, &last_second),
            Some(_) if self.glanced.is_some_and(|at| now.since_s(at) < patience_s) => false,
            Some(incident) => incident.is_looked_at(self.gathered.net.is_some(), now),
        };
        if !is_wanted {
            return;
        }
        self.glanced = Some(now);
        let mut effects = self.hand_over(current);
        effects.extend(self.step(now, Input::Glance { last_second }));
        self.follow(effects);
        let has_name = self.engine.diagnosis().is_some_and(|d| d.verdict.class.is_named());
        if has_name && let Some(conclusion) = self.describe(now) {
            self.plan_as_found(&conclusion, now);
        }
    }

    /// Whether what helped waits for the trouble to begin again.
    fn is_resting(&self) -> bool {
        self.incident.as_ref().is_some_and(|incident| incident.stage.is_resting())
    }

    /// Gives the engine what was gathered of the second under way.
    fn hand_over(&mut self, current: Timestamp) -> Vec<Effect> {
        let window = std::mem::take(&mut self.gathered);
        self.requests += window.http.as_ref().map_or(0, |h| h.counters.requests);
        self.step(current, Input::Window { tick: current, window: Box::new(window) })
    }

    /// A change that somebody tells of.
    pub fn change(&mut self, change: Change) {
        let time = change.time;
        let effects = self.step(time, Input::Change(change));
        self.follow(effects);
    }

    /// Withdraws all measures, also those that rest; no others follow before the incident is over.
    /// Whether there were any.
    pub fn undo(&mut self, now: Timestamp) -> bool {
        self.suspended = self.incident.is_some();
        // What is only proposed was never on.
        let is_kept = self.plan().is_some() || self.is_resting();
        let was_on = is_kept && self.policy.mode == Mode::Enforce;
        if let Some(incident) = &mut self.incident {
            incident.stage.relapse();
        }
        if self.suspended && self.plan().is_none() {
            let text = "undone by hand: no measures follow until it is over";
            self.note(Actor::Person(OPERATOR.to_owned()), text, now);
        }
        self.withdraw_by(Actor::Person(OPERATOR.to_owned()), "undone by hand", now);
        was_on
    }

    /// Measures are taken again where the trouble calls for them. Whether they had been undone.
    pub fn end_undo(&mut self, now: Timestamp) -> bool {
        let was_suspended = std::mem::take(&mut self.suspended);
        if was_suspended {
            self.note(Actor::Person(OPERATOR.to_owned()), "measures may be taken again", now);
        }
        was_suspended
    }

    /// Tells of something that somebody did, and writes it down where an incident is open.
    fn note(&mut self, by: Actor, text: &str, now: Timestamp) {
        if let Some(incident) = &mut self.incident {
            incident.note(now, by, Event::Note { text: text.to_owned() });
        }
        self.told.push(Told::Noted(text.to_owned()));
    }

    /// Protects clients from now on; measures in force spare them at once.
    pub fn protect(&mut self, prefix: Prefix, now: Timestamp) {
        if !self.policy.protected_clients.contains(&prefix) {
            self.policy.protected_clients.push(prefix);
            self.protected.push(prefix);
        }
        self.keep_protected();
        self.write_down(format!("{prefix} is protected"), now);
        self.enforce_again(now);
    }

    /// Ends what [`Control::protect`] began.
    ///
    /// # Errors
    /// If nobody gave that order.
    pub fn unprotect(&mut self, prefix: Prefix, now: Timestamp) -> anyhow::Result<()> {
        let is_ordered = self.protected.contains(&prefix);
        let is_configured = !is_ordered && self.policy.protected_clients.contains(&prefix);
        ensure!(!is_configured, "{prefix} is protected by the configuration: take it out there, and reload");
        ensure!(is_ordered, "{prefix} was not protected by an order; see GET /v1/protected");
        self.protected.retain(|p| *p != prefix);
        self.policy.protected_clients.retain(|p| *p != prefix);
        self.keep_protected();
        self.write_down(format!("{prefix} is no longer protected"), now);
        self.enforce_again(now);
        Ok(())
    }

    /// Writes down what the operator did, where an incident is open.
    fn write_down(&mut self, text: String, now: Timestamp) {
        if let Some(incident) = &mut self.incident {
            incident.note(now, Actor::Person(OPERATOR.to_owned()), Event::Note { text });
        }
    }

    /// The policy has changed: what is in force is made anew by it.
    fn enforce_again(&mut self, now: Timestamp) {
        match self.plan().cloned() {
            Some(plan) => self.enforce(plan, now),
            None => self.lift(),
        }
    }

    /// Goes on under another policy; whoever was protected meanwhile stays so.
    pub fn set_policy(&mut self, mut policy: Policy, now: Timestamp) {
        let ordered = self.protected.len();
        self.protected.retain(|prefix| !policy.protected_clients.contains(prefix));
        if self.protected.len() < ordered {
            self.keep_protected();
        }
        policy.protected_clients.extend(&self.protected);
        let effects = self.step(now, Input::Policy(Box::new(policy.clone())));
        self.follow(effects);
        if let Some(store) = &mut self.store {
            store.set_policy(policy.clone());
        }
        self.policy = policy;
        self.enforce_again(now);
    }

    /// Gives the state folder up, for another program to go on with it.
    pub fn give_up_store(&mut self) -> Option<Store> {
        self.store.take()
    }

    /// Goes on with the state folder that was given up.
    pub fn take_store(&mut self, store: Option<Store>) {
        self.store = store;
    }

    /// The end of the program: what is open is written down as it stands.
    pub fn finish(&mut self, now: Timestamp) -> Vec<Told> {
        if self.incident.is_some() {
            self.close(now);
        }
        std::mem::take(&mut self.told)
    }

    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.incident.as_ref()?.stage.plan()
    }

    /// What the measures in force have done so far.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        self.incident.as_ref().map_or(&[], Incident::outcomes)
    }

    #[must_use]
    pub fn has_incident(&self) -> bool {
        self.incident.is_some()
    }

    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    #[must_use]
    pub fn report(&self) -> Option<&TriageReport> {
        self.incident.as_ref()?.report.as_deref()
    }

    #[must_use]
    pub fn requests_per_s(&self) -> f64 {
        self.requests_per_s
    }

    #[must_use]
    pub fn with_checks(mut self, checks: Option<Checks>) -> Self {
        self.set_checks(checks);
        self
    }

    /// Begins after a program whose incidents were cut off, and are written up.
    #[must_use]
    pub fn after(self, names: Vec<String>, began: Timestamp) -> Self {
        Self { cut_off: CutOff { names, began }, ..self }
    }

    /// Checks what the service needs beside itself; those before are over.
    pub fn set_checks(&mut self, checks: Option<Checks>) {
        self.hands.set_checks(checks);
    }

    /// What the checks have found last, by their names.
    #[must_use]
    pub fn checks(&self) -> Vec<serde_json::Value> {
        let row = |(name, found)| serde_json::json!({ "name": name, "found": found });
        self.hands.checks().into_iter().map(row).collect()
    }

    /// The kernel filter, where there is one.
    pub fn packets_mut(&mut self) -> Option<&mut Packets> {
        self.hands.packets_mut()
    }

    /// Whether measures go to servers that are already there.
    #[must_use]
    pub fn has_servers(&self) -> bool {
        self.hands.has_servers()
    }

    /// What carries rules for packets, and how many packets these have dropped.
    #[must_use]
    pub fn packets(&self) -> Option<(String, u64)> {
        self.hands.packets()
    }

    #[must_use]
    pub fn incidents(&self) -> Vec<(String, bool)> {
        self.store.as_ref().map(Store::incidents).unwrap_or_default()
    }

    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        store::recorded(&mut self.store, &mut self.engine, (now, input), &mut self.told)
    }

    fn follow(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Opened { onset } => {
                    self.hands.trouble(Some(onset));
                    let (incident, noted) = Incident::open_after(onset, &self.cut_off);
                    self.incident = Some(incident);
                    self.told.push(Told::Opened(onset));
                    self.told.extend(noted);
                }
                Effect::Closed { end } => self.close(end),
                // What is open is looked at every second.
                Effect::Diagnosed(_) | Effect::Concluded(_) => {}
            }
        }
    }

    /// Brings the report of the open incident up to date, and says what to plan for. `None` where
    /// there is no incident, or what is found now is not yet believed.
    fn describe(&mut self, now: Timestamp) -> Option<Conclusion> {
        let conclusion = self.engine.present()?;
        let verdict = &conclusion.diagnosis.verdict;
        let incident = self.incident.as_mut()?;
        if !incident.accepts(verdict, now) {
            // Whatever kind of attack it turns out to be, one that nothing is done about is not
            // waited with.
            let is_attack = verdict.cause.class().is_hostile()
                && incident.stage.cause().is_some_and(|cause| cause.class().is_hostile());
            return (is_attack && self.plan().is_none()).then_some(conclusion);
        }
        let mut report = pipeline::report(
            conclusion.clone(),
            &self.policy,
            vec![live_input("requests through the edge", &conclusion, now)],
        );
        let incident = self.incident.as_mut()?;
        if let Some(plan) = incident.stage.plan() {
            report.plan = Some(plan.clone());
        }
        let report = Box::new(report);
        let cause = report.verdict.cause;
        if incident.describe(report.clone(), now) {
            self.told.push(Told::Named(report));
            self.withdraw_if_innocent(cause, now);
        }
        Some(conclusion)
    }

    /// The name has changed to one that is nobody's attack: measures against an attack go.
    fn withdraw_if_innocent(&mut self, cause: Cause, now: Timestamp) {
        let was_hostile = self.plan().is_some_and(|p| p.cause.class().is_hostile());
        if was_hostile && !cause.class().is_hostile() {
            self.withdraw(&format!("it is no attack but {}", cause.title()), now);
        }
    }

    fn close(&mut self, end: Timestamp) {
        self.withdraw("the disturbance is over", end);
        self.rest_after_s = REST_AFTER_S;
        self.hands.trouble(None);
        self.goodput.released();
        self.vetoed.clear();
        self.suspended = false;
        if let Some(incident) = self.incident.take() {
            self.told.extend(incident.finish(end, self.store.as_mut()));
        }
    }

    /// Once a second: is the plan good, and should it be another?
    fn look_at_plan(&mut self, now: Timestamp) {
        let known = self.known_second();
        if self.incident.is_none() {
            self.goodput.calm_second(known);
        }
        match self.goodput.second(known) {
            goodput::Effect::Refuses { share } => self.veto(
                &format!(
                    "{:.0} % of the requests of clients known from before were refused",
                    100.0 * share
                ),
                now,
            ),
            goodput::Effect::Lowers { before_per_s, after_per_s } => self.veto(
                &format!(
                    "good answers to clients known from before fell from {before_per_s:.0} to {after_per_s:.0} a second"
                ),
                now,
            ),
            goodput::Effect::Open | goodput::Effect::Harmless => {}
        }
        if self.plan().is_some_and(|p| p.expires <= now) {
            self.withdraw("its time is over", now);
        }
        let conclusion = self.describe(now);
        let quiet_s = self.engine.quiet_s();
        if let Some(incident) = &mut self.incident {
            incident.note_calm(quiet_s.unwrap_or(0.0), now);
            let is_demand = incident.stage.cause().is_some_and(|cause| cause.class() == Class::Demand);
            self.hands.bear(is_demand && incident.stage.plan().is_none_or(holds_nobody));
        }
        self.keep(now);
        match quiet_s {
            Some(quiet_s) if quiet_s >= self.rest_after_s && !self.hands.is_dropping() => {
                self.rest(quiet_s, now);
            }
            Some(quiet_s) if quiet_s > 0.0 || self.suspended => {}
            _ => {
                self.resume(now);
                if let Some(conclusion) = conclusion {
                    self.plan_for(&conclusion, now);
                }
                self.widen(now);
            }
        }
    }

    /// A name was found before its second was over: what is done about it begins now.
    fn plan_as_found(&mut self, conclusion: &Conclusion, now: Timestamp) {
        if !self.suspended {
            self.plan_for(conclusion, now);
        }
    }

    /// Measures that began on a share and did no harm there act on all.
    fn widen(&mut self, now: Timestamp) {
        let Some(before) = self.plan().filter(|p| now.since_s(p.created) >= STAGE_S) else { return };
        let mut plan = before.clone();
        for measure in plan.measures.iter_mut().filter(|m| self.hands.is_about_requests(before, m)) {
            measure.initial_share = 1.0;
        }
        if plan == *before {
            return;
        }
        self.enforce(plan, now);
        // Harm is judged anew, against the time before all measures.
        self.watch(self.generation, now);
        if self.policy.mode == Mode::Enforce {
            if let Some(incident) = &mut self.incident {
                let text = "no harm seen: measures act on all of it".to_owned();
                incident.note(now, Actor::Seawall, Event::Note { text });
            }
            self.told.push(Told::Widened);
        }
    }

    /// It is calm: the measures rest, and are kept in case it begins again.
    fn rest(&mut self, calm_s: f64, now: Timestamp) {
        let Some(plan) = self.plan().cloned() else { return };
        self.withdraw(&format!("it has been calm for {calm_s:.0} s"), now);
        if let Some(incident) = &mut self.incident {
            incident.stage.calm(plan);
        }
    }

    /// It has begun again: what helped before is in force at once, for as long as a new plan.
    fn resume(&mut self, now: Timestamp) {
        let Some(mut plan) = self.incident.as_mut().and_then(|i| i.stage.relapse()) else { return };
        plan.created = now;
        plan.expires = now.plus_ns(i64::from(self.policy.measure_lifetime_s) * SECOND_NS);
        for measure in &mut plan.measures {
            measure.expires = plan.expires;
        }
        self.rest_after_s = (2.0 * self.rest_after_s).min(REST_AFTER_MOST_S);
        self.enforce(plan, now);
    }

    fn keep(&mut self, now: Timestamp) {
        let Some(store) = &mut self.store else { return };
        if now.0 / SECOND_NS % KEEP_EVERY_S == 0 {
            self.told.extend(store.retry());
        }
        if let Some(incident) = &mut self.incident {
            self.told.extend(incident.keep(store, now));
        }
    }

    /// What clients that were known before the onset met with since the last second.
    fn known_so_far(&self) -> KnownSecond {
        self.hands.known().since(&self.known)
    }

    /// The same, and the next second begins.
    fn known_second(&mut self) -> KnownSecond {
        let so_far = self.known_so_far();
        self.known = self.hands.known();
        so_far
    }

    /// What the measures in force did is added up.
    fn read_outcomes(&mut self) {
        let outcomes = self.hands.take_outcomes();
        if let Some(incident) = &mut self.incident {
            incident.add(outcomes);
        }
    }

    /// A plan is in force from now on, and its harm is watched.
    fn watch(&mut self, generation: u64, now: Timestamp) {
        let so_far = self.known_so_far();
        if self.goodput.engaged(generation, so_far, now) {
            self.note(Actor::Seawall, STRAYS, now);
        }
    }

    fn plan_for(&mut self, conclusion: &Conclusion, now: Timestamp) {
        let extent = Extent::of(&conclusion.findings);
        let signatures: Vec<Signature> =
            conclusion.signatures.iter().filter(|s| is_telling(s, extent)).cloned().collect();
        let (approved, _) = pipeline::planned(conclusion, &signatures, &self.policy, now);
        let Some(mut plan) = approved.map(Approved::into_plan) else { return };
        let all = plan.clone();
        plan.measures.retain(|m| self.hands.carries(&all, m) && !self.vetoed.contains(&key(m)));
        if plan.measures.is_empty() {
            return;
        }
        let proven = self.plan().into_iter().flat_map(|p| &p.measures).filter(|m| m.initial_share >= 1.0);
        let proven: Vec<String> = proven.map(key).collect();
        for measure in plan.measures.iter_mut().filter(|m| proven.contains(&key(m))) {
            measure.initial_share = 1.0;
        }
        if let Some(present) = self.plan() {
            // What is in force changes what is seen: doubt about an attack that is being held back
            // is no reason to let it in.
            if present.cause.class().is_hostile() && plan.cause == Cause::Undecided {
                return;
            }
            let is_same = keys(present) == keys(&plan);
            let is_first = plan.cause.layer() == Layer::Packet
                && self.incident.as_ref().is_some_and(|i| now.since_s(i.onset) < FIRST_LOOKS_S);
            let is_young = now.since_s(present.created) < PLAN_LEAST_S && !is_first;
            let is_fresh = present.expires.since_s(now) > f64::from(self.policy.measure_lifetime_s) / 2.0;
            if is_young || (is_same && is_fresh) {
                return;
            }
        }
        self.enforce(plan, now);
    }

    fn enforce(&mut self, mut plan: Plan, now: Timestamp) {
        let is_renewal = self.plan().is_some_and(|p| keys(p) == keys(&plan));
        self.generation += 1;
        plan.generation = self.generation;
        plan.parent = self.plan().map(|p| p.generation);
        self.read_outcomes();
        if let Err(errors) = self.hands.enforce(&plan, &self.policy, now) {
            self.tell_once(format!("a plan cannot be enforced: {errors}"));
            return;
        }
        if !is_renewal {
            self.watch(plan.generation, now);
            let observe = self.policy.mode == Mode::Observe;
            let replaced = self.incident.as_mut().map(|i| i.engaged(&plan, observe, now)).unwrap_or_default();
            self.told.push(Told::Engaged { plan: plan.clone(), observe, replaced });
        }
        if let Some(incident) = &mut self.incident {
            incident.stage.engage(plan);
        }
    }

    /// Tells of a failure that may repeat every second.
    fn tell_once(&mut self, what: String) {
        if self.failed.as_ref() != Some(&what) {
            self.told.push(Told::Failed(what.clone()));
            self.failed = Some(what);
        }
    }

    /// The present plan did harm: it goes, and its measures do not come back in this incident.
    fn veto(&mut self, why: &str, now: Timestamp) {
        let harmful: Vec<String> = self.plan().map(keys).unwrap_or_default();
        self.vetoed.extend(harmful);
        self.vetoed.truncate(MOST_VETOED);
        self.withdraw(why, now);
    }

    fn lift(&mut self) {
        if let Err(why) = self.hands.lift(&self.policy) {
            self.tell_once(why);
        }
    }

    fn withdraw(&mut self, why: &str, now: Timestamp) {
        self.withdraw_by(Actor::Seawall, why, now);
    }

    fn withdraw_by(&mut self, actor: Actor, why: &str, now: Timestamp) {
        self.read_outcomes();
        let Some(incident) = &mut self.incident else { return };
        let Some(plan) = incident.stage.withdraw() else { return };
        let observe = self.policy.mode == Mode::Observe;
        let outcomes = incident.withdrawn(&plan, observe, (actor, why), now);
        self.told.push(match observe {
            true => Told::Noted(format!("what was proposed is dropped: {why}")),
            false => Told::Withdrawn { why: why.to_owned(), outcomes },
        });
        self.lift();
        self.goodput.released();
    }
}
