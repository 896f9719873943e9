//! The planner: climbs the ladder of the cause and turns each rung into a measure or into an
//! alternative with the reason why not.

use crate::capacity::is_short;
use crate::flow_spec::projected;
use crate::forecast::{Forecast, forecast, normal_log_ins, of_those_hit};
use crate::ladder::{Ladder, Over, Rung, Step, When, ladder};
use crate::rate::{Limit, NormalTraffic, connections_per_source, limit, log_ins, mean_rate};
use crate::scope::{in_words, narrow_cover, scopes, target_prefix};
use seawall_model::cause::Class;
use seawall_model::diagnosis::{Diagnosis, Verdict};
use seawall_model::finding::{Findings, Rankings};
use seawall_model::metric::Metric;
use seawall_model::plan::{Action, Alternative, Measure, Plan, PlanReport, RateKey, Scope, Standing};
use seawall_model::policy::Policy;
use seawall_model::signature::{Layer, Signature, Test};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Prefix, Timestamp};

/// Everything that a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    pub diagnosis: &'a Diagnosis,
    pub findings: &'a Findings,
    /// Best first, of any layer.
    pub signatures: &'a [Signature],
    pub rankings: &'a Rankings,
    pub policy: &'a Policy,
    pub now: Timestamp,
    /// The plan that this one follows.
    pub previous: Option<&'a Plan>,
    pub normal: NormalTraffic,
}

/// Share of the attack from which narrow signatures are enough without blunter measures.
const ENOUGH_COVER: f64 = 0.9;
/// Share of the attack from which one sender is what it comes from.
const MOST_OF_IT: f64 = 0.5;
/// Least share of the unwanted traffic that a measure must stop.
const MIN_EFFECT: f64 = 0.02;
/// Confidence in the class from which a measure with measured harm applies to everything at once: which
/// of several attacks it is changes nothing for who is hit.
const SURE: f64 = 0.8;
/// Share of matching traffic that a measure applies to while its harm is not known.
const FIRST_STAGE: f64 = 0.1;
/// Seconds for a complete request header: slow telephones need a few; servers commonly leave ten or
/// more, which a measure must be below to measure anything.
const HEADER_SECONDS: u32 = 5;
/// Characters of a text in an action.
const MAX_TEXT_CHARS: usize = 500;
/// Share of requests that write from which a cache answers too little.
const MOSTLY_WRITES: f64 = 0.5;
/// A line is a page, for people to look at: where more than this is asked for by programs, hardly anybody
/// could stand in it.
const MOSTLY_PROGRAMS: f64 = 0.8;
/// Why a measure waits that is for a site that has too little for its visitors.
const BORNE: &str = "waits for the site to be short of capacity: it answers as it always does";
/// Seconds that a stale answer may serve.
const STALE_SECONDS: u32 = 60;

/// Chooses measures. `None`: nothing to do, and the report says why.
pub fn plan(input: &PlanInput<'_>) -> (Option<Plan>, PlanReport) {
    let mut draft = Draft { input, measures: Vec::new(), report: PlanReport::default(), harm: 0.0 };
    let verdict = &input.diagnosis.verdict;
    draft.climb(effective(verdict, input));
    if verdict.class == Class::Attack {
        for other in input.diagnosis.also.iter().filter(|v| v.class.is_hostile()) {
            draft.climb(effective(other, input));
        }
    }
    draft.finish()
}

/// A verdict below the policy's confidence is none.
fn effective(verdict: &Verdict, input: &PlanInput<'_>) -> Cause {
    let is_sure = input.diagnosis.sureness(verdict) >= input.policy.min_confidence;
    if is_sure || !verdict.class.is_named() { verdict.cause } else { Cause::Undecided }
}

struct Draft<'a> {
    input: &'a PlanInput<'a>,
    measures: Vec<Measure>,
    report: PlanReport,
    /// Share of normal traffic that the measures so far would deny, added up.
    harm: f64,
}

impl Draft<'_> {
    fn climb(&mut self, cause: Cause) {
        let of_cause = ladder(cause);
        let cover = narrow_cover(&self.suited(of_cause, Over::Signatures), self.input);
        for rung in of_cause.rungs {
            let ladder = self.suited(of_cause, rung.over);
            match rung.when {
                When::Never(why) => self.reject(rung, &ladder, why.to_owned()),
                When::Reserve(why) => self.hold(rung, why, &ladder),
                When::NothingNarrow if cover >= ENOUGH_COVER => self.wait(
                    self.action_name(rung.step, &ladder),
                    "everything to the target".to_owned(),
                    format!("narrow signatures already cover {:.0} % of the attack", cover * 100.0),
                ),
                When::Short if is_short(self.input.findings) == Some(false) => {
                    self.hold(rung, BORNE, &ladder)
                }
                When::NothingNarrow | When::Always | When::Short => self.try_rung(rung, &ladder),
            }
        }
    }

    fn try_rung(&mut self, rung: &Rung, ladder: &Ladder) {
        if rung.step == Step::Blackhole || rung.step == Step::ProviderMode {
            return self.hold(rung, "waits for the closer measures to fail", ladder);
        }
        // What the policy protects is let through, so that all else would be held back in its place.
        if touches_traffic(rung.step)
            && let Some(sender) = self.protected_sender()
        {
            let why = format!("most of it comes from {sender}, which the policy protects: talk to its owner");
            return self.reject(rung, ladder, why);
        }
        for scope in scopes(rung.over, ladder, self.input) {
            match scope {
                Ok(scope) => self.try_measure(rung, scope, ladder),
                Err(why) => self.reject(rung, ladder, why),
            }
        }
    }

    /// The protected client that most of it comes from.
    fn protected_sender(&self) -> Option<Prefix> {
        // One protected client in a network of attackers does not protect them.
        let is_theirs =
            |prefix: &Prefix| self.input.policy.protected_clients.iter().any(|p| p.covers(*prefix));
        let most = self.input.signatures.iter().filter(|s| s.attack.share >= MOST_OF_IT);
        most.flat_map(|s| &s.tests).find_map(|test| match test {
            Test::Source(prefix) if is_theirs(prefix) => Some(*prefix),
            _ => None,
        })
    }

    fn try_measure(&mut self, rung: &Rung, scope: Scope, ladder: &Ladder) {
        let words = in_words(&scope);
        let placed = match self.action(rung.step, &scope, ladder) {
            Ok(placed) => placed,
            Err(why) => return self.report_rejected(self.action_name(rung.step, ladder), words, why),
        };
        let scope = placed.scope.clone().unwrap_or(scope);
        let forecast = forecast(rung.step, &scope, placed.limit.as_ref(), ladder, self.input);
        let whom = self.whom(&scope, ladder);
        if let Err(why) = self.is_worth(rung.step, &forecast, placed.limit.as_ref(), ladder.layer, whom) {
            return self.report_rejected(placed.action, words, why);
        }
        if rung.step == Step::FlowSpec && self.first_share(rung.step, &forecast) < 1.0 {
            let why =
                "it cannot be tried on a part; waits until the closer drop has shown no harm".to_owned();
            return self.wait(placed.action, words, why);
        }
        if self.measures.iter().any(|m| m.action.name() == placed.action.name() && m.scope == scope) {
            return;
        }
        self.add(placed, scope, forecast, rung.step);
    }

    /// Abuse shows on several layers, and so do the senders of requests that nobody could read: what was
    /// mined, or else what was seen at all, says on which. Rates and challenges of requests are never of
    /// packets.
    fn suited(&self, ladder: Ladder, over: Over) -> Ladder {
        let is_of_several =
            ladder.cause.class() == Class::Abuse || (ladder.layer == Layer::Http && over == Over::Signatures);
        let signatures = self.input.signatures;
        let is_seen = |layer| !self.input.rankings.senders(layer).is_empty();
        let seen = match signatures.first() {
            Some(first) if signatures.iter().all(|s| s.layer != ladder.layer) => first.layer,
            None if !is_seen(Layer::Http) && is_seen(Layer::Packet) => Layer::Packet,
            _ => ladder.layer,
        };
        if is_of_several && !ladder.forgeable && seen != Layer::Dns {
            return Ladder { layer: seen, ..ladder };
        }
        ladder
    }

    /// Whether it would stop something, and within what the policy allows to be hit.
    fn is_worth(
        &self,
        step: Step,
        f: &Forecast,
        limit: Option<&Limit>,
        layer: Layer,
        whom: &str,
    ) -> Result<(), String> {
        if let (Step::Limit(_), Some(limit)) = (step, limit)
            && f.effect.share < MIN_EFFECT
        {
            let sent = match mean_rate(layer, self.input.findings) {
                _ if limit.stops.is_some() => "those who guess stay below it".to_owned(),
                Some(mean) => format!("the mean sender sends {mean:.2}/s"),
                None => "no sender is known to exceed it".to_owned(),
            };
            return Err(format!("the limit would be {:.1}/s ({}), and {sent}", limit.per_s, limit.origin));
        }
        if is_denial(step) && f.effect.share < MIN_EFFECT {
            return Err(format!(
                "it would stop only {:.1} % of the unwanted traffic",
                f.effect.share * 100.0
            ));
        }
        let harm = self.spends(step, f);
        let allowed = self.input.policy.max_baseline_share;
        if self.harm + harm > allowed {
            let above = if self.harm > 0.0 {
                format!(", with the measures above it {:.2} %", (self.harm + harm) * 100.0)
            } else {
                String::new()
            };
            return Err(format!(
                "it would hit {:.2} % of {whom}{above}, and the policy allows {:.2} %",
                harm * 100.0,
                allowed * 100.0
            ));
        }
        Ok(())
    }

    fn add(&mut self, placed: Placed, scope: Scope, forecast: Forecast, step: Step) {
        let id = measure_id(self.measures.len());
        self.harm += self.spends(step, &forecast);
        let verdict = &self.input.diagnosis.verdict;
        self.report.reasons.push((id.clone(), placed.reason));
        self.measures.push(Measure {
            id,
            action: placed.action,
            scope,
            target: verdict.target.clone(),
            predicted_effect: forecast.effect,
            predicted_harm: forecast.harm,
            expires: self.expiry(),
            initial_share: self.first_share(step, &forecast),
        });
    }

    /// What a measure takes of the share of normal traffic that the policy lets be hit. A
    /// challenge refuses nobody for good, so only the share that it begins with counts.
    fn spends(&self, step: Step, f: &Forecast) -> f64 {
        let harm = f.harm.map_or(0.0, |h| h.share);
        match step {
            Step::Challenge => harm * self.first_share(step, f),
            step if denies_or_limits(step) => harm,
            _ => 0.0,
        }
    }

    fn first_share(&self, step: Step, forecast: &Forecast) -> f64 {
        let is_known = forecast.harm.is_some_and(|h| h.share <= self.input.policy.max_baseline_share);
        let is_sure = self.input.diagnosis.class_confidence() >= SURE;
        if !touches_traffic(step) || (is_known && is_sure) { 1.0 } else { FIRST_STAGE }
    }

    fn expiry(&self) -> Timestamp {
        self.input.now.plus_ns(i64::from(self.input.policy.measure_lifetime_s.max(1)) * SECOND_NS)
    }

    /// What a step becomes with the numbers of the case, or why it cannot.
    fn action(&self, step: Step, scope: &Scope, ladder: &Ladder) -> Result<Placed, String> {
        let plain = |action: Action, reason: &str| {
            Ok(Placed { action, reason: reason.to_owned(), limit: None, scope: None })
        };
        match step {
            Step::Limit(key) => {
                let found = self
                    .limit(key, ladder)
                    .ok_or("no normal rate was measured, and a guess would cut off the service")?;
                Ok(Placed {
                    action: Action::RateLimit { key, per_s: found.per_s, burst: found.burst },
                    reason: format!("limit: {}", found.origin),
                    limit: Some(found),
                    scope: None,
                })
            }
            Step::HeaderDeadline => {
                let (connections_per_source, origin) = connections_per_source(&self.input.normal);
                let action = Action::HeaderDeadline { seconds: HEADER_SECONDS, connections_per_source };
                plain(action, &format!("connections per source: {origin}"))
            }
            Step::WaitingRoom => self.waiting_room(),
            Step::RollBack => self.roll_back(ladder.cause),
            Step::FlowSpec => self.flow_spec(scope, ladder),
            Step::Investigate(what) => plain(
                Action::Investigate { what: self.look_at(what, ladder.cause) },
                "only a person can repair this",
            ),
            Step::Block => {
                let status = if ladder.layer == Layer::Http { 403 } else { 0 };
                plain(Action::Block { status }, &self.why_denied(scope, ladder))
            }
            Step::Drop => plain(Action::DropInKernel, &self.why_denied(scope, ladder)),
            Step::Truncate => {
                plain(Action::DnsTruncate, "real resolvers come back over TCP, forged senders do not")
            }
            Step::SynCookies => plain(Action::SynCookies, "no state is kept until the handshake completes"),
            Step::Challenge => plain(
                Action::Challenge,
                "no narrow signature; browsers pass, and so does a bot that keeps cookies",
            ),
            Step::ServeStale => {
                self.may_be_cached()?;
                plain(Action::ServeStale { seconds: STALE_SECONDS }, "what is cached need not be made again")
            }
            Step::ScaleOut => plain(Action::ScaleOut, "the demand is real"),
            Step::Shed | Step::Blackhole | Step::ProviderMode => Err("held in reserve".to_owned()),
        }
    }

    fn limit(&self, key: RateKey, ladder: &Ladder) -> Option<Limit> {
        match (ladder.cause, key) {
            (Cause::CredentialAbuse, RateKey::Source) => Some(log_ins(self.input.findings)),
            _ => limit(key, ladder.layer, &self.input.normal, self.input.findings),
        }
    }

    /// Whether answers may come from a cache: those to readers may.
    fn may_be_cached(&self) -> Result<(), String> {
        let findings = self.input.findings;
        let requests = findings.get(Metric::RequestRate).or_else(|| findings.get(Metric::PageRate));
        if requests.is_none() && findings.get(Metric::MessageRate).is_none() {
            return Err("no requests were seen that a cache could answer".to_owned());
        }
        match findings.observed(Metric::WriteShare) {
            Some(writes) if writes > MOSTLY_WRITES => Err(format!(
                "{:.0} % of the requests change something, which no cache answers",
                writes * 100.0
            )),
            _ => Ok(()),
        }
    }

    fn waiting_room(&self) -> Result<Placed, String> {
        if let Some(programs) =
            self.input.findings.observed(Metric::WorkerShare).filter(|s| *s > MOSTLY_PROGRAMS)
        {
            return Err(format!(
                "{:.0} % of the requests are of programs, which wait in no line: they are told when to come back",
                programs * 100.0
            ));
        }
        let found = limit(RateKey::Total, Layer::Http, &self.input.normal, self.input.findings)
            .ok_or("how many visitors the service can take was never measured")?;
        Ok(Placed {
            action: Action::WaitingRoom { admitted_per_s: found.per_s },
            reason: format!("admitted: {}", found.origin),
            limit: None,
            scope: None,
        })
    }

    fn roll_back(&self, cause: Cause) -> Result<Placed, String> {
        let change = self.input.findings.changes.first().ok_or("no change is known near the onset")?;
        let reason = match self.input.findings.onset {
            Some(onset) => format!("the trouble began {:.0} s after it", onset.since_s(change.time)),
            None => format!("it is the nearest change to the {}", cause.title()),
        };
        let action = Action::RollBack { change: limited(format!("{} ({})", change.text, change.time)) };
        Ok(Placed { action, reason, limit: None, scope: None })
    }

    fn flow_spec(&self, scope: &Scope, ladder: &Ladder) -> Result<Placed, String> {
        let Scope::Signature(signature) = scope else {
            return Err("the neighbouring network tests packets, not senders".to_owned());
        };
        let signature = projected(signature, target_prefix(self.input))?;
        let destination = signature
            .tests
            .iter()
            .find_map(|t| match t {
                Test::Destination(p) => Some(*p),
                _ => None,
            })
            .ok_or("no destination is known")?;
        if !self.input.policy.owned_prefixes.iter().any(|p| p.covers(destination)) {
            return Err(format!("{destination} is in none of the prefixes that the policy says we own"));
        }
        let scope = Scope::Signature(signature);
        Ok(Placed {
            action: Action::FlowSpec { limit_bytes_per_s: None },
            reason: format!("keeps it off our link; {}", self.why_denied(&scope, ladder)),
            limit: None,
            scope: Some(scope),
        })
    }

    /// Of whom a measure's harm is a share.
    fn whom(&self, scope: &Scope, ladder: &Ladder) -> &'static str {
        let is_of_log_ins = normal_log_ins(scope, ladder, self.input).is_some();
        if is_of_log_ins { "normal log-ins" } else { "normal traffic" }
    }

    fn why_denied(&self, scope: &Scope, ladder: &Ladder) -> String {
        match scope {
            Scope::Signature(s) => {
                let whom = self.whom(scope, ladder);
                let measured = s.baseline.map(|b| of_those_hit(b, scope, ladder, self.input));
                let harm = measured.map_or("normal traffic was not measured".to_owned(), |b| {
                    format!("{:.2} % of {whom} (at most {:.2} %)", b.share * 100.0, b.high * 100.0)
                });
                format!("holds {:.0} % of the attack and {harm}", s.attack.share * 100.0)
            }
            other => format!("{} proved to be real senders of it", in_words(other)),
        }
    }

    fn look_at(&self, what: &str, cause: Cause) -> String {
        if cause == Cause::Undecided && !self.input.diagnosis.missing.is_empty() {
            return limited(format!("{what}: {}", self.input.diagnosis.missing.join("; ")));
        }
        what.to_owned()
    }

    fn hold(&mut self, rung: &Rung, why: &str, ladder: &Ladder) {
        let action = self.action_name(rung.step, ladder);
        if rung.step == Step::Blackhole && !self.input.policy.allow_blackhole {
            let why = "the policy forbids it: it gives up the victim to save the rest".to_owned();
            return self.report_rejected(action, "the victim's address".to_owned(), why);
        }
        self.wait(action, over_in_words(rung.over).to_owned(), why.to_owned());
    }

    fn reject(&mut self, rung: &Rung, ladder: &Ladder, why: String) {
        let action = self.action_name(rung.step, ladder);
        self.report_rejected(action, over_in_words(rung.over).to_owned(), why);
    }

    /// The action as it would be, for the report; numbers that are not known are zero.
    fn action_name(&self, step: Step, ladder: &Ladder) -> Action {
        if let Ok(placed) = self.action(step, &Scope::All, ladder) {
            return placed.action;
        }
        match step {
            Step::Limit(key) => Action::RateLimit { key, per_s: 0.0, burst: 0.0 },
            Step::FlowSpec => Action::FlowSpec { limit_bytes_per_s: None },
            Step::Blackhole => Action::Blackhole,
            Step::ProviderMode => Action::ProviderMode,
            Step::WaitingRoom => Action::WaitingRoom { admitted_per_s: 0.0 },
            Step::RollBack => Action::RollBack { change: String::new() },
            _ => Action::Shed { max_concurrency: self.concurrency() },
        }
    }

    fn concurrency(&self) -> u32 {
        self.input
            .normal
            .concurrency_peak
            .filter(|c| c.is_finite() && *c > 0.0)
            .map_or(0, |c| (2.0 * c).min(1e6) as u32)
    }

    fn report_rejected(&mut self, action: Action, scope: String, reason: String) {
        self.report.alternatives.push(Alternative { action, scope, standing: Standing::Rejected, reason });
    }

    fn wait(&mut self, action: Action, scope: String, reason: String) {
        self.report.alternatives.push(Alternative { action, scope, standing: Standing::Waiting, reason });
    }

    fn finish(mut self) -> (Option<Plan>, PlanReport) {
        if self.measures.is_empty() {
            return (None, self.report);
        }
        self.put_the_stronger_first();
        let generation = self.input.previous.map_or(1, |p| p.generation.saturating_add(1));
        let plan = Plan {
            generation,
            parent: self.input.previous.map(|p| p.generation),
            cause: self.cause(),
            created: self.input.now,
            expires: self.expiry(),
            measures: self.measures,
        };
        (Some(plan), self.report)
    }

    /// A refusal that stops more than the limit above it, and hits no more of normal traffic, goes first.
    fn put_the_stronger_first(&mut self) {
        let measures = &mut self.measures;
        let reasons = &mut self.report.reasons;
        for end in 1..measures.len() {
            let mut at = end;
            while at > 0 && outdoes(&measures[at], &measures[at - 1]) {
                measures.swap(at, at - 1);
                reasons.swap(at, at - 1);
                at -= 1;
            }
        }
        for (number, (measure, (of, _))) in measures.iter_mut().zip(reasons).enumerate() {
            measure.id = measure_id(number);
            of.clone_from(&measure.id);
        }
    }

    fn cause(&self) -> Cause {
        effective(self.input.diagnosis.acted_on(self.input.policy.min_confidence), self.input)
    }
}

/// An action with its reason and, for limits, the number behind it.
struct Placed {
    action: Action,
    reason: String,
    limit: Option<Limit>,
    /// The scope, where the action can only have another than the rung's.
    scope: Option<Scope>,
}

/// Measures are called by their places, from the first.
fn measure_id(place: usize) -> String {
    format!("m{}", place + 1)
}

/// Texts from outside are cut before they stand in a plan.
fn limited(text: String) -> String {
    if text.chars().count() <= MAX_TEXT_CHARS { text } else { text.chars().take(MAX_TEXT_CHARS).collect() }
}

/// Whether a refusal is better than the limit before it.
fn outdoes(refusal: &Measure, limit: &Measure) -> bool {
    let refuses = matches!(refusal.action, Action::Block { .. } | Action::DropInKernel);
    let is_limit = matches!(limit.action, Action::RateLimit { .. });
    let harm = |m: &Measure| m.predicted_harm.map(|h| h.share);
    let is_harmless = harm(refusal).is_some_and(|share| harm(limit).is_none_or(|other| share <= other));
    refuses && is_limit && is_harmless && refusal.predicted_effect.share > limit.predicted_effect.share
}

fn is_denial(step: Step) -> bool {
    matches!(step, Step::Block | Step::Drop | Step::FlowSpec | Step::Blackhole)
}

fn denies_or_limits(step: Step) -> bool {
    is_denial(step) || matches!(step, Step::Limit(_))
}

/// Whether some request or packet is treated otherwise by it than without.
fn touches_traffic(step: Step) -> bool {
    denies_or_limits(step) || matches!(step, Step::Challenge | Step::Truncate)
}

fn over_in_words(over: Over) -> &'static str {
    match over {
        Over::All | Over::AllUnlessOne => "everything to the target",
        Over::Signatures => "what a signature matches",
        Over::Kind => "traffic of this kind",
        Over::Sources => "the heaviest senders",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::signature::ShareEstimate;

    /// Broke: a limit stood above a refusal that held more of the same traffic and hit no more of the normal one.
    #[test]
    fn a_refusal_goes_before_the_limit_that_it_outdoes() {
        let share = |share| ShareEstimate { share, low: share, high: share };
        let measure = |action, effect, harm: Option<f64>| Measure {
            id: String::new(),
            action,
            scope: Scope::All,
            target: None,
            predicted_effect: share(effect),
            predicted_harm: harm.map(share),
            expires: Timestamp(0),
            initial_share: 1.0,
        };
        let limit = |effect| {
            measure(Action::RateLimit { key: RateKey::Source, per_s: 1.0, burst: 5.0 }, effect, None)
        };
        let refusal = |effect, harm| measure(Action::Block { status: 403 }, effect, harm);
        assert!(outdoes(&refusal(0.9, Some(0.0)), &limit(0.4)));
        assert!(!outdoes(&refusal(0.1, Some(0.0)), &limit(0.4)), "it stops less");
        assert!(!outdoes(&refusal(0.9, None), &limit(0.4)), "nobody knows whom it hits");
        assert!(!outdoes(&limit(0.9), &refusal(0.4, Some(0.0))));
    }
}
