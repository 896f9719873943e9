//! Every folder of `scenarios`: the verdict is the expected one, the report is the golden text to
//! the byte, and every attack has its benign twin. `SEAWALL_BLESS=1` writes the texts anew.

use seawall::console::Console;
use seawall::pipeline::{TriageRequest, triage};
use seawall::{config, report};
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use seawall_model::{Cause, Class};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Scenario {
    title: String,
    class: Class,
    cause: Cause,
    /// Folder of the scenario that looks alike and is harmless.
    twin: Option<String>,
    made_by: String,
    inputs: Vec<String>,
    changes: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// Name and content of every scenario, by name.
fn scenarios() -> Vec<(String, Scenario)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root()).expect("the folder of scenarios") {
        let path = entry.expect("a folder").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(path.join("scenario.toml")) else { continue };
        found.push((name.clone(), toml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn report_of(name: &str, scenario: &Scenario) -> TriageReport {
    let folder = root().join(name);
    let policy = config::load(&folder.join("policy.toml")).expect("a valid policy").policy;
    report_under(policy, name, scenario)
}

fn report_under(policy: Policy, name: &str, scenario: &Scenario) -> TriageReport {
    let folder = root().join(name);
    let request = TriageRequest {
        files: scenario.inputs.iter().map(|file| folder.join(file)).collect(),
        changes: scenario.changes.as_ref().map(|file| folder.join(file)),
        policy,
        ..TriageRequest::default()
    };
    let mut report = triage(&request, &mut |_| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
    // As someone sees it who stands in the root of the project.
    for (input, file) in report.inputs.iter_mut().zip(&scenario.inputs) {
        input.path = format!("scenarios/{name}/{file}");
    }
    report
}

#[test]
fn verdicts_are_the_expected_ones_and_reports_the_golden_texts() {
    let bless = std::env::var_os("SEAWALL_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, scenario) in scenarios() {
        let report = report_of(&name, &scenario);
        let verdict = &report.verdict;
        if (verdict.class, verdict.cause) != (scenario.class, scenario.cause) {
            wrong.push(format!(
                "{name} ({}) is {} ({}), not {} ({})",
                scenario.title, scenario.cause, scenario.class, verdict.cause, verdict.class
            ));
        }
        let text = report::terminal(&report, &Console::PIPE, false);
        let golden = root().join(&name).join("report.txt");
        if bless {
            std::fs::write(&golden, text).expect("the folder is writable");
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
            wrong.push(format!("{name}: the report is not the golden text any more; it is now:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The scenario that the README's first command reads.
const FIRST: &str = "cache-busting";

#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let path = root().join("../README.md");
    let readme = std::fs::read_to_string(&path).expect("a README");
    let (_, scenario) = scenarios().into_iter().find(|(name, _)| name == FIRST).expect("the first scenario");
    let report = report_under(Policy::default(), FIRST, &scenario);
    let text = report::terminal(&report, &Console::PIPE, false);
    let command = format!("cargo run --release -- triage scenarios/{FIRST}/access.log.gz");
    let after = readme.find(&command).expect("the first command") + command.len();
    let begin = readme[after..].find("```\n").map(|at| after + at + 4).expect("the command's block ends");
    let begin = readme[begin..].find("```\n").map(|at| begin + at + 4).expect("a block with its output");
    let end = readme[begin..].find("```").map(|at| begin + at).expect("the output's block ends");
    if std::env::var_os("SEAWALL_BLESS").is_some() {
        let blessed = format!("{}{}\n{}", &readme[..begin], text.trim_end(), &readme[end..]);
        std::fs::write(&path, blessed).expect("the README is writable");
        return;
    }
    assert_eq!(readme[begin..end].trim_end(), text.trim_end(), "the README shows another report");
}

#[test]
fn every_attack_and_abuse_has_a_benign_twin() {
    let all = scenarios();
    assert!(all.len() >= 10);
    for (name, scenario) in &all {
        assert!(!scenario.title.is_empty() && !scenario.made_by.is_empty(), "{name}");
        if !matches!(scenario.class, Class::Attack | Class::Abuse) {
            continue;
        }
        let twin = scenario.twin.as_ref().unwrap_or_else(|| panic!("{name} has no benign twin"));
        let (_, twin) = all.iter().find(|(n, _)| n == twin).unwrap_or_else(|| panic!("{name}: no {twin}"));
        assert!(!matches!(twin.class, Class::Attack | Class::Abuse), "the twin of {name} is hostile");
    }
}
