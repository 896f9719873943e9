//! The report as JSON: the contract `seawall.triage/1`. Characters that would steer a terminal
//! are written as `\u` escapes, which mean the same to every reader of JSON.

use super::text;
use seawall_drill::live::{self, Card, TrapCard, Worse};
use seawall_model::report::TriageReport;
use serde_json::Value;

/// The report as indented JSON with a line break at its end.
///
/// # Errors
/// If a value cannot be serialised; no report built by Seawall is such.
pub fn json(report: &TriageReport) -> serde_json::Result<String> {
    let mut shown = harmless(&serde_json::to_string_pretty(report)?);
    shown.push('\n');
    Ok(shown)
}

/// What drills have measured: the contract `seawall.drill/2`.
#[must_use]
pub fn drill_json(seed: u64, cards: &[Card], traps: &[TrapCard], worse: &[Worse]) -> Value {
    serde_json::json!({ "schema": live::SCHEMA, "seed": seed, "cards": cards, "traps": traps, "worse": worse })
}

/// Outside of strings JSON has no hidden characters but the line breaks of its layout.
fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !text::is_hidden(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_mean_the_same() {
        let text = "a\x1b[2J\u{9b}1m\u{202e}\u{e0041}é\n";
        let json = harmless(&serde_json::to_string(text).expect("text"));
        assert!(json.chars().all(|c| !text::is_hidden(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).expect("valid"), text);
    }
}
