//! The simulation: episodes of every kind, each watched by an engine of its own, and scored.

use super::subject::EngineSubject;
use super::{SimulateRequest, TriageError};
use seawall_drill::{Options, Selection};
use seawall_model::policy::Policy;
use std::path::PathBuf;

/// Generates episodes and scores the verdicts; returns the score as text.
///
/// # Errors
/// If the score cannot be written as JSON.
pub fn simulate(request: &SimulateRequest) -> Result<String, TriageError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        episodes: request.episodes as usize,
        seed: request.seed,
        threads,
        families: Selection::All,
    };
    let summary = seawall_drill::simulate(options, || Box::new(EngineSubject::new(Policy::default())));
    if !request.json {
        return Ok(summary.to_string());
    }
    summary
        .to_json()
        .map_err(|e| TriageError::Content { path: PathBuf::from("simulation"), reason: e.to_string() })
}
