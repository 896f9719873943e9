//! Replay: a recording's inputs through the engine again, under its policy or another.

use super::recording::{Ending, Recording};
use super::{Progress, ProgressSink, ReplayRequest, TriageError, run};
use seawall_engine::Engine;
use seawall_model::Timestamp;
use seawall_model::report::{InputReport, TriageReport};
use std::path::Path;

/// What a recording is called among the inputs of a report.
pub const RECORDING: &str = "recording";

/// Runs a recording again. Under the recorded policy the report is the one that was made then,
/// to the byte.
///
/// # Errors
/// If the recording cannot be read, or nothing of it is intact.
pub fn replay(request: &ReplayRequest, progress: ProgressSink<'_>) -> Result<TriageReport, TriageError> {
    let recording = Recording::open(&request.recording)?;
    let policy = request.policy.clone().unwrap_or_else(|| recording.policy.clone());
    let mut engine = Engine::new(policy.clone(), None);
    let mut last = Timestamp::MIN;
    let mut shown = Progress {
        path: request.recording.to_string_lossy().into_owned(),
        bytes_total: std::fs::metadata(&request.recording).ok().map(|m| m.len()),
        ..Progress::default()
    };
    let ending = recording.play(|now, input, position| {
        last = now;
        drop(engine.step(now, input));
        shown.bytes = position;
        shown.records += 1;
        progress(&shown);
    });
    if ending.steps == 0 {
        let reason = format!("nothing of it is intact ({})", ending.torn.as_deref().unwrap_or("it is empty"));
        return Err(TriageError::Content { path: request.recording.clone(), reason });
    }
    let inputs = inputs(&request.recording, ending, last);
    Ok(run::report(run::finish(&mut engine, last), &policy, inputs))
}

/// What was read then; and the recording itself, where a part of it is lost.
fn inputs(path: &Path, ending: Ending, last: Timestamp) -> Vec<InputReport> {
    let mut inputs = ending.inputs.unwrap_or_default();
    if let Some(why) = ending.torn {
        inputs.push(InputReport {
            path: path.to_string_lossy().into_owned(),
            kind: RECORDING.to_owned(),
            last: Some(last),
            records: ending.steps,
            cut_short: Some(why.to_string()),
            ..InputReport::default()
        });
    }
    inputs
}
