//! Triage: reads the inputs, drives the engine, plans, and assembles the report.

use super::{Progress, ProgressSink, TriageError, TriageRequest};
use seawall_detection::Window;
use seawall_engine::{Conclusion, Effect, Engine, Input};
use seawall_model::Timestamp;
use seawall_model::change::{Change, ChangeKind};
use seawall_model::math::round_significant;
use seawall_model::observation::Observation;
use seawall_model::policy::Policy;
use seawall_model::report::{InputReport, SCHEMA, SignatureReport, TimelineEntry, TriageReport};
use seawall_sensor::{Options, Tally};
use std::path::{Path, PathBuf};

/// Reads the files and says what happened.
///
/// # Errors
/// If a file cannot be read or holds nothing that Seawall knows.
pub fn triage(request: &TriageRequest, progress: ProgressSink<'_>) -> Result<TriageReport, TriageError> {
    let baseline = match request.baseline.as_slice() {
        [] => None,
        files => Some(total(files, progress)?),
    };
    let mut engine = Engine::new(request.policy.clone(), baseline);
    let mut now = Timestamp::MIN;
    for change in changes(request.changes.as_deref())? {
        drop(engine.step(now, Input::Change(change)));
    }
    let mut pending: Vec<Change> = Vec::new();
    let inputs = read(
        &request.files,
        &mut |tick, window| {
            now = now.max(tick);
            drop(engine.step(now, Input::Window { tick, window: Box::new(window) }));
        },
        &mut |change| pending.push(change),
        progress,
    )?;
    for change in pending {
        drop(engine.step(now, Input::Change(change)));
    }
    let conclusion = finish(&mut engine, now);
    Ok(report(conclusion, &request.policy, inputs))
}

fn finish(engine: &mut Engine, now: Timestamp) -> Conclusion {
    let mut effects = engine.step(now, Input::Finish);
    match effects.pop() {
        Some(Effect::Concluded(conclusion)) => *conclusion,
        other => unreachable!("finishing ends with a conclusion, not {other:?}"),
    }
}

/// Everything in some files as one window.
fn total(files: &[PathBuf], progress: ProgressSink<'_>) -> Result<Window, TriageError> {
    let mut sum = Window::default();
    let mut second: Option<(Timestamp, Window)> = None;
    let mut take = |tick: Timestamp, window: Window| {
        let at = tick.floor_to(seawall_model::time::SECOND_NS);
        match &mut second {
            Some((current, held)) if *current == at => held.merge(&window),
            slot => {
                if let Some((_, mut done)) = slot.replace((at, window)) {
                    done.seal(1.0);
                    sum.merge(&done);
                }
            }
        }
    };
    read(files, &mut take, &mut |_| {}, progress)?;
    if let Some((_, mut done)) = second {
        done.seal(1.0);
        sum.merge(&done);
    }
    Ok(sum)
}

struct Counted(Window);

impl Tally for Counted {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        self.0.observe(observation, priority);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(&other.0);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read(
    files: &[PathBuf],
    on_window: &mut dyn FnMut(Timestamp, Window),
    on_change: &mut dyn FnMut(Change),
    progress: ProgressSink<'_>,
) -> Result<Vec<InputReport>, TriageError> {
    let paths: Vec<String> = files.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options { threads, ..Options::default() };
    let reports = seawall_sensor::read(
        &paths,
        &options,
        || Counted(Window::default()),
        &mut |tick, _, counted: Counted| on_window(tick, counted.0),
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
    Ok(reports.into_iter().map(input_report).collect())
}

fn input_report(r: seawall_sensor::InputReport) -> InputReport {
    let mut oddities: Vec<(String, u64)> = r.oddities.into_iter().collect();
    if r.time_jumps > 0 {
        oddities.push(("time stamps far from their neighbours".to_owned(), r.time_jumps));
    }
    oddities.extend(r.cut_short.map(|reason| (format!("cut short: {reason}"), 1)));
    InputReport {
        path: r.path,
        kind: r.kind,
        records: r.records,
        malformed: r.malformed,
        first: r.first,
        last: r.last,
        malformed_samples: r.samples_of_malformed,
        oddities,
        out_of_order: r.out_of_order,
    }
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

fn report(conclusion: Conclusion, policy: &Policy, inputs: Vec<InputReport>) -> TriageReport {
    let Conclusion { findings, diagnosis, rankings, signatures, mut timeline, series, changes, episodes } =
        conclusion;
    let (plan, plan_report) = seawall_planning::plan(&seawall_planning::PlanInput {
        diagnosis: &diagnosis,
        findings: &findings,
        signatures: &signatures,
        rankings: &rankings,
        policy,
        now: diagnosis.verdict.end.or(findings.end).unwrap_or_default(),
        previous: None,
        normal: seawall_planning::NormalTraffic::default(),
    });
    let rules = plan
        .as_ref()
        .map(|plan| seawall_planning::render::render(plan, &policy.protected_clients))
        .unwrap_or_default();
    frame(&mut timeline, &inputs);
    let mut report = TriageReport {
        schema: SCHEMA.to_owned(),
        verdict: diagnosis.verdict,
        also: diagnosis.also,
        hypotheses: diagnosis.hypotheses,
        findings: findings.findings,
        rankings,
        signatures: signatures.into_iter().map(signature_report).collect(),
        plan,
        plan_report,
        rules,
        timeline,
        series,
        changes,
        episodes,
        missing: diagnosis.missing,
        inputs,
    };
    round(&mut report);
    report
}

fn signature_report(signature: seawall_model::signature::Signature) -> SignatureReport {
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
