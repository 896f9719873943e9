//! Names are chosen by attackers: none may steer a terminal, become markup, or hide.

mod fixtures;

use seawall::console::Console;
use seawall::report;
use seawall_model::report::TriageReport;

/// Escape sequences, C1 controls, line breaks, bidirectional and invisible marks, markup of every
/// form, and a great length.
fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]8;;https://evil.example\x1b\\click",
        "\u{9b}31m\u{9d}0;x\u{9c}",
        "a\r\nATTACK  all is well\n\u{85}\u{2028}\u{2029}",
        "\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{ad}\u{e0041}",
        "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'",
        "[click](javascript:alert(1)) ![](https://evil.example/x.png) <https://evil.example>",
        "| a | b |\n|---|---|\n```\n# heading\n- item",
        "https://evil.example www.evil.example mail@evil.example",
        "&lt;script&gt; &#60; &amp;",
        "\0\x01\x08\x7f",
    ]
    .map(String::from)
    .to_vec();
    names.push("e\u{301}\u{302}\u{303}".repeat(400));
    names.push("\u{301}".repeat(3_000));
    names.push("x".repeat(100_000));
    names
}

/// A report in which every text that can come from the input is hostile.
fn poisoned(name: &str) -> TriageReport {
    let mut report = fixtures::http_flood();
    let name = name.to_owned();
    report.verdict.target = Some(name.clone());
    report.verdict.vectors = vec![name.clone()];
    report.also = vec![report.verdict.clone()];
    for (dimension, values) in &mut report.rankings.dimensions {
        values.iter_mut().for_each(|v| v.name.clone_from(&name));
        dimension.push_str(&name);
    }
    for signature in &mut report.signatures {
        signature.expression.clone_from(&name);
        signature.signature.examples = vec![name.clone()];
    }
    report.hypotheses.iter_mut().flat_map(|h| &mut h.evidence).for_each(|e| e.reason.clone_from(&name));
    report.plan.iter_mut().flat_map(|p| &mut p.measures).for_each(|m| m.target = Some(name.clone()));
    for rule in &mut report.rules {
        (rule.program, rule.place) = (name.clone(), name.clone());
        rule.text = format!("deny {name}\n");
    }
    report.timeline.iter_mut().for_each(|e| e.text.clone_from(&name));
    report.changes.iter_mut().for_each(|c| c.text.clone_from(&name));
    report.series.iter_mut().for_each(|s| s.metric.clone_from(&name));
    report.plan_report.reasons = vec![("m1".into(), name.clone())];
    report.missing = vec![name.clone()];
    for input in &mut report.inputs {
        (input.path, input.kind) = (name.clone(), name.clone());
        input.malformed_samples = vec![name.clone()];
        input.oddities = [(name.clone(), 1)].into();
    }
    report
}

/// Every form of a report.
fn forms(report: &TriageReport) -> Vec<(&'static str, String)> {
    let postmortem = seawall_incident::postmortem(report, None);
    let narrow = Console { width: 40, ..Console::PIPE };
    vec![
        ("terminal", report::terminal(report, &Console::PIPE, true)),
        ("narrow terminal", report::terminal(report, &narrow, false)),
        ("ascii terminal", report::terminal(report, &Console { unicode: false, ..Console::PIPE }, true)),
        ("markdown", report::markdown(report)),
        ("json", report::json(report).expect("plain data")),
        ("postmortem markdown", report::postmortem_markdown(&postmortem, report)),
        ("postmortem html", report::postmortem_html(&postmortem, report)),
    ]
}

#[test]
fn no_form_passes_a_control_or_hidden_character() {
    for name in hostile_names() {
        for (form, text) in forms(&poisoned(&name)) {
            let hidden = text.chars().find(|c| *c != '\n' && report::text::is_hidden(*c));
            assert_eq!(hidden, None, "{form} with {:?}", &name[..name.len().min(40)]);
        }
    }
}

#[test]
fn colour_sequences_are_only_those_of_the_program() {
    let console = Console { color: true, ..Console::PIPE };
    for name in hostile_names() {
        let text = report::terminal(&poisoned(&name), &console, true);
        for sequence in text.split('\x1b').skip(1) {
            let (codes, _) = sequence.split_once('m').expect("an SGR sequence");
            let codes = codes.strip_prefix('[').expect("a control sequence");
            assert!(codes.chars().all(|c| c.is_ascii_digit() || c == ';'), "{codes:?}");
        }
    }
}

#[test]
fn an_ascii_terminal_gets_only_ascii() {
    for name in hostile_names() {
        let console = Console { unicode: false, ..Console::PIPE };
        assert!(report::terminal(&poisoned(&name), &console, true).is_ascii());
    }
}

#[test]
fn html_has_no_element_or_attribute_of_the_input() {
    const KNOWN: &str = " !doctype html head body main header footer section meta title style h1 h2 h3 p span b i \
                         strong code pre ul ol li dl dt dd div figure figcaption svg desc rect line path table \
                         caption thead tbody tr th td time ";
    const ATTRIBUTES: &str = " html lang charset http-equiv content name class style tabindex role aria-label \
                              aria-hidden scope datetime viewBox preserveAspectRatio d x y x1 y1 x2 y2 width height ";
    for name in hostile_names() {
        let report = poisoned(&name);
        let html = report::postmortem_html(&seawall_incident::postmortem(&report, None), &report);
        for tag in html.split('<').skip(1) {
            let tag = tag.strip_prefix('/').unwrap_or(tag);
            let element: String =
                tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '!').collect();
            assert!(KNOWN.contains(&format!(" {element} ")), "<{element}");
            let inside = tag.split_once('>').map_or(tag, |(inside, _)| inside);
            // Every second piece between quotes is a value; values may say anything.
            let names = inside.split('"').step_by(2).collect::<String>();
            for attribute in names.split_whitespace().skip(1).map(|a| a.trim_end_matches('=')) {
                assert!(ATTRIBUTES.contains(&format!(" {attribute} ")), "{attribute} in {inside}");
            }
        }
    }
}

#[test]
fn markdown_tables_keep_their_columns_and_links_stay_text() {
    for name in hostile_names() {
        let text = report::markdown(&poisoned(&name));
        let outside_code = without_code(&text);
        assert!(!outside_code.contains("https://evil"), "{name:?}");
        for (at, c) in outside_code.char_indices() {
            let is_escaped = at > 0 && outside_code.as_bytes()[at - 1] == b'\\';
            assert!(is_escaped || !matches!(c, '<' | '[' | ']' | '`'), "{c} in {name:?}");
        }
        let mut columns = None;
        for line in outside_code.lines() {
            let is_row = line.starts_with("| ");
            let count = line.replace("\\|", "").matches('|').count();
            if let (true, Some(expected)) = (is_row, columns) {
                assert_eq!(count, expected, "{line}");
            }
            columns = is_row.then_some(count);
        }
    }
}

/// The document without its fenced blocks.
fn without_code(markdown: &str) -> String {
    let mut outside = String::new();
    let mut fence: Option<&str> = None;
    for line in markdown.lines() {
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if line.starts_with("```") => fence = Some(line),
            None => outside.push_str(&format!("{line}\n")),
        }
    }
    assert_eq!(fence, None, "a block is left open");
    outside
}

#[test]
fn very_long_names_do_not_make_very_long_documents() {
    let long = poisoned(&"x".repeat(100_000));
    for (form, text) in forms(&long) {
        let is_whole = form == "json" || form == "terminal" || form == "ascii terminal";
        // Rules are there to be pasted and JSON to be read by programs; neither is cut.
        let pasted = long.rules.iter().map(|r| r.text.len()).sum::<usize>();
        assert!(is_whole || text.len() < pasted + 200_000, "{form}: {}", text.len());
    }
}

#[test]
fn values_that_are_no_numbers_are_said_to_be_unknown() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, -0.0] {
        let mut report = fixtures::http_flood();
        report.verdict.confidence = odd;
        report.findings.iter_mut().for_each(|f| (f.observed, f.expected) = (odd, Some(odd)));
        report.series.iter_mut().for_each(|s| s.values.fill(odd));
        report
            .hypotheses
            .iter_mut()
            .flat_map(|h| &mut h.evidence)
            .for_each(|e| (e.observed, e.weight) = (odd, odd));
        let postmortem = seawall_incident::postmortem(&report, None);
        for text in [
            report::terminal(&report, &Console::PIPE, true),
            report::postmortem_html(&postmortem, &report),
            report::markdown(&report),
        ] {
            assert!(!text.contains("NaN") && !text.contains("inf ") && !text.contains("inf%"), "{odd}");
        }
    }
}

#[test]
fn empty_reports_are_told_too() {
    let report = fixtures::report(seawall_model::Cause::Normal, &[], 0.9, None, None);
    for (form, text) in forms(&report) {
        assert!(!text.trim().is_empty(), "{form}");
    }
}

#[test]
fn instants_at_the_ends_of_time_do_not_panic() {
    use seawall_model::Timestamp;
    for t in [Timestamp::MIN, Timestamp::MAX, Timestamp(0)] {
        let mut report = fixtures::http_flood();
        (report.verdict.onset, report.verdict.end) = (Some(t), Some(Timestamp::MAX));
        report.series.iter_mut().for_each(|s| (s.start, s.step_ns) = (t, i64::MAX));
        report.inputs.iter_mut().for_each(|i| (i.first, i.last) = (Some(Timestamp::MIN), Some(t)));
        assert!(forms(&report).iter().all(|(_, text)| !text.is_empty()));
    }
}
