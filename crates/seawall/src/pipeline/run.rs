//! Triage: reads the inputs, drives the engine, plans, and assembles the report.

use super::addresses;
use super::doubt;
use super::geo::Databases;
use super::learn::{Baseline, Part};
use super::recording::{Recorder, Writer};
use super::{Addresses, Progress, ProgressSink, Reading, TriageError, TriageRequest};
use seawall_detection::Window;
use seawall_engine::{Conclusion, Effect, Engine, Input};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::math::round_significant;
use seawall_model::observation::{Observation, Packet};
use seawall_model::plan::PlanReport;
use seawall_model::policy::Policy;
use seawall_model::report::{InputReport, SCHEMA, SignatureReport, TimelineEntry, TriageReport};
use seawall_model::signature::Signature;
use seawall_planning::{Approved, CheckContext, PlanInput, approve, render};
use seawall_sensor::{Options, Tally};
use seawall_wire::log::Format;
use seawall_wire::packet::frame::Oddity;
use std::path::{Path, PathBuf};

/// Reads the files and says what happened.
///
/// # Errors
/// If a file cannot be read or holds nothing that Seawall knows.
pub fn triage(request: &TriageRequest, progress: ProgressSink<'_>) -> Result<TriageReport, TriageError> {
    if matches!(request.reading.addresses, Addresses::Encrypted(_)) && !request.geo.is_empty() {
        return Err(TriageError::EncryptedPlaces);
    }
    let databases = Databases::open(&request.geo)?;
    let baseline = Baseline::read(&request.baseline, &request.reading, progress)?;
    let mut driver = Driver::begin(request, baseline)?;
    for change in changes(request.changes.as_deref())? {
        driver.step(Input::Change(change));
    }
    let mut pending: Vec<Change> = Vec::new();
    let inputs = read(
        &request.files,
        &request.reading,
        &mut |tick, window| driver.window(tick, window),
        &mut |change| pending.push(change),
        progress,
    )?;
    for change in pending {
        driver.step(Input::Change(change));
    }
    let conclusion = driver.finish(&inputs, &databases)?;
    Ok(report(conclusion, &request.policy, inputs))
}

/// Hands inputs to the engine, tells it what is normal at each hour, and records both.
struct Driver {
    engine: Engine,
    baseline: Baseline,
    /// Parts of the week seen so far, the present one last.
    parts: Vec<Part>,
    recorder: Option<Recorder>,
    /// Why recording failed; told at the end, because the reader cannot be stopped.
    failed: Option<TriageError>,
    now: Timestamp,
}

impl Driver {
    fn begin(request: &TriageRequest, baseline: Baseline) -> Result<Self, TriageError> {
        let recorder = request
            .record
            .as_deref()
            .map(|path| Recorder::begin(path, &request.policy, Writer::Reader))
            .transpose()?;
        let engine = Engine::new(request.policy.clone(), None);
        Ok(Self { engine, baseline, parts: Vec::new(), recorder, failed: None, now: Timestamp::MIN })
    }

    fn step(&mut self, input: Input) {
        if let Some(recorder) = self.recorder.as_mut()
            && let Err(error) = recorder.step(self.now, &input)
        {
            self.failed = Some(error);
            self.recorder = None;
        }
        drop(self.engine.step(self.now, input));
    }

    fn window(&mut self, tick: Timestamp, window: Window) {
        self.now = self.now.max(tick);
        let part = Part::of(self.now);
        if self.parts.last() != Some(&part) {
            self.parts.retain(|p| *p != part);
            self.parts.push(part);
            if let Some(normal) = self.baseline.at(part) {
                self.step(Input::Baseline(Box::new(normal)));
            }
        }
        self.step(Input::Window { tick, window: Box::new(window) });
    }

    /// The input as a whole is compared with all hours that it covers.
    fn finish(mut self, inputs: &[InputReport], databases: &Databases) -> Result<Conclusion, TriageError> {
        if self.parts.is_empty()
            && let Some((first, last)) = silence(inputs)
        {
            self.window(first, Window::of_silence(first, last));
        }
        if self.parts.len() > 1
            && let Some(normal) = self.baseline.over(&self.parts)
        {
            self.step(Input::Baseline(Box::new(normal)));
        }
        if !databases.is_empty() {
            let places = databases.places(&self.engine.addresses())?;
            self.step(Input::Places(places));
        }
        if let Some(recorder) = self.recorder.take() {
            recorder.finish(inputs)?;
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok(finish(&mut self.engine, self.now)),
        }
    }
}

/// From when to when captures hold frames that were read and none of which is IP, as on a line that
/// only ARP or IPX crosses. A storm of them is no silence, and what could not be read is none either.
fn silence(inputs: &[InputReport]) -> Option<(Timestamp, Timestamp)> {
    const STORM_PER_S: f64 = 1000.0;
    let frames = |input: &InputReport| -> u64 {
        [Oddity::Arp, Oddity::NotIp].iter().filter_map(|o| input.oddities.get(o.name())).sum()
    };
    if inputs.is_empty() || inputs.iter().any(|i| i.records == 0 || frames(i) < i.records) {
        return None;
    }
    let first = inputs.iter().filter_map(|i| i.first).min()?;
    let last = inputs.iter().filter_map(|i| i.last).max()?;
    let per_s = inputs.iter().map(frames).sum::<u64>() as f64 / last.since_s(first).max(1.0);
    (per_s < STORM_PER_S).then_some((first, last))
}

pub(super) fn finish(engine: &mut Engine, now: Timestamp) -> Conclusion {
    let mut effects = engine.step(now, Input::Finish);
    match effects.pop() {
        Some(Effect::Concluded(conclusion)) => *conclusion,
        other => unreachable!("finishing ends with a conclusion, not {other:?}"),
    }
}

/// Counts into a window, with addresses as they may be told.
struct Counted<'a> {
    window: Window,
    addresses: &'a Addresses,
}

impl Tally for Counted<'_> {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        if self.addresses.are_full() {
            self.window.observe(observation, priority);
        } else {
            self.window.observe(&self.addresses.of(observation), priority);
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, priority: u64) {
        if self.addresses.are_full() {
            self.window.observe_packet(packet, priority);
        } else {
            self.observe(&Observation::Packet(*packet), priority);
        }
    }

    fn merge(&mut self, other: Self) {
        self.window.merge(&other.window);
    }

    fn is_empty(&self) -> bool {
        self.window.is_empty()
    }
}

/// Reads files into windows, in order of time.
pub(super) fn read(
    files: &[PathBuf],
    reading: &Reading,
    on_window: &mut dyn FnMut(Timestamp, Window),
    on_change: &mut dyn FnMut(Change),
    progress: ProgressSink<'_>,
) -> Result<Vec<InputReport>, TriageError> {
    let paths: Vec<String> = files.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = reading.threads.map_or_else(cores, usize::from);
    let formats = reading.log_format.as_deref().map(given_format).transpose()?.into_iter().collect();
    let proxies = reading.proxies.iter().copied().collect();
    let options = Options { threads, formats, proxies, ..Options::default() };
    let mut inputs = seawall_sensor::read(
        &paths,
        &options,
        || Counted { window: Window::default(), addresses: &reading.addresses },
        &mut |tick, _, counted: Counted<'_>| on_window(tick, counted.window),
        on_change,
        &mut |p| {
            progress(&Progress {
                path: p.path.to_owned(),
                bytes: p.position_bytes,
                bytes_total: p.size_bytes,
                records: p.records,
            });
        },
    )
    .map_err(|error| TriageError::Sensor { source: error })?;
    reading.addresses.clean(&mut inputs);
    Ok(inputs)
}

/// A format as the user's server has it: nginx writes variables with `$`, Apache with `%`, and
/// anything else maps JSON fields.
pub(crate) fn given_format(text: &str) -> Result<Format, TriageError> {
    let format = if text.contains('$') {
        Format::from_nginx(text)
    } else if text.contains('%') {
        Format::from_apache(text)
    } else {
        Format::from_json_fields(text)
    };
    format.map_err(|source| TriageError::LogFormat { source })
}

/// Reads the changes file: a JSON array of objects with `time` (RFC 3339), `kind` and `text`.
fn changes(path: Option<&Path>) -> Result<Vec<Change>, TriageError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let content = |reason: String| TriageError::Content { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
    let rows: Vec<ChangeRow> = serde_json::from_slice(&bytes)
        .map_err(|e| content(format!("not a JSON array of {{\"time\", \"kind\", \"text\"}}: {e}")))?;
    rows.into_iter()
        .map(|row| {
            let time = row.time.parse().map_err(content)?;
            Ok(Change { time, kind: ChangeKind::parse(&row.kind), text: row.text })
        })
        .collect()
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeRow {
    time: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    text: String,
}

/// Plans, and puts the report together.
pub(crate) fn report(mut conclusion: Conclusion, policy: &Policy, inputs: Vec<InputReport>) -> TriageReport {
    let now = inputs.iter().filter_map(|i| i.last).max().unwrap_or_default();
    addresses::widen(&mut conclusion.signatures, &inputs);
    let (plan, plan_report) = planned(&conclusion, &conclusion.signatures, policy, now);
    let mut rules =
        plan.as_ref().map(|plan| render::render(plan, &policy.protected_clients)).unwrap_or_default();
    addresses::clean_rules(&mut rules, &inputs);
    let Conclusion {
        findings, diagnosis, rankings, signatures, mut timeline, series, changes, episodes, ..
    } = conclusion;
    frame(&mut timeline, &inputs);
    let mut report = TriageReport {
        schema: SCHEMA.to_owned(),
        verdict: diagnosis.verdict,
        also: diagnosis.also,
        hypotheses: diagnosis.hypotheses,
        findings: findings.findings,
        rankings,
        signatures: signatures.into_iter().map(signature_report).collect(),
        plan: plan.map(Approved::into_plan),
        plan_report,
        rules,
        timeline,
        series,
        changes,
        episodes,
        missing: doubt::clauses(&inputs).into_iter().chain(diagnosis.missing).collect(),
        inputs,
    };
    round(&mut report);
    report
}

/// Plans on some of a conclusion's signatures, and has the plan checked by the program that did not
/// make it.
pub(crate) fn planned(
    conclusion: &Conclusion,
    signatures: &[Signature],
    policy: &Policy,
    now: Timestamp,
) -> (Option<Approved>, PlanReport) {
    let Conclusion { findings, diagnosis, rankings, normal, .. } = conclusion;
    if findings.findings.is_empty() {
        // Nothing was read: there is nothing to act on.
        return (None, PlanReport::default());
    }
    let (plan, report) = seawall_planning::plan(&PlanInput {
        diagnosis,
        findings,
        signatures,
        rankings,
        policy,
        now,
        previous: None,
        normal: *normal,
    });
    let Some(plan) = plan else { return (None, report) };
    let against = diagnosis.acted_on(policy.min_confidence);
    let context = CheckContext {
        now,
        confidence: diagnosis.sureness(against),
        vectors: &against.vectors,
        proven_sources: &rankings.proven_sources,
    };
    approve(plan, report, policy, &context)
}

fn signature_report(signature: Signature) -> SignatureReport {
    SignatureReport {
        expression: signature.to_string(),
        attack_share: round_significant(signature.attack.share),
        baseline_share: signature.baseline.map(|b| round_significant(b.share)),
        signature,
    }
}

/// Begins and ends the timeline with the first and last record.
fn frame(timeline: &mut Vec<TimelineEntry>, inputs: &[InputReport]) {
    let entry =
        |time, kind: &str, text: &str| TimelineEntry { time, kind: kind.to_owned(), text: text.to_owned() };
    if let Some(first) = inputs.iter().filter_map(|i| i.first).min() {
        timeline.insert(0, entry(first, "first-record", "the input begins"));
    }
    if let Some(last) = inputs.iter().filter_map(|i| i.last).max() {
        timeline.push(entry(last, "last-record", "the input ends"));
    }
}

/// Figures are estimates: four digits say all that they know, and are the same everywhere.
fn round(report: &mut TriageReport) {
    report.verdict.confidence = round_significant(report.verdict.confidence);
    for verdict in &mut report.also {
        verdict.confidence = round_significant(verdict.confidence);
    }
    for hypothesis in &mut report.hypotheses {
        hypothesis.score = round_significant(hypothesis.score);
        hypothesis.confidence = round_significant(hypothesis.confidence);
        for evidence in &mut hypothesis.evidence {
            evidence.observed = round_significant(evidence.observed);
            evidence.expected = evidence.expected.map(round_significant);
            evidence.weight = round_significant(evidence.weight);
        }
    }
    for finding in &mut report.findings {
        finding.observed = round_significant(finding.observed);
        finding.expected = finding.expected.map(round_significant);
        finding.surprise = round_significant(finding.surprise);
    }
}
