//! The sections below the verdict, each silent where it has nothing to say.

use super::page::{Page, Span, Style};
use crate::report::story::{self, Story};
use crate::report::{figure, text, words};
use seawall_incident::remedy;
use seawall_model::cause::Class;
use seawall_model::diagnosis::{Direction, Evidence, Hypothesis};
use seawall_model::finding::{PROVEN_LISTED, Ranked};
use seawall_model::metric::Metric;
use seawall_model::plan::{Alternative, RenderedRule, Standing};
use seawall_model::report::{BYTES_UNREAD, InputReport, SignatureReport};

const EVIDENCE_LINES: usize = 4;
const COUNTER_LINES: usize = 2;
const RIVAL_LINES: usize = 4;
const DIMENSION_LINES: usize = 3;
const SIGNATURE_LINES: usize = 2;
const MEASURE_LINES: usize = 3;
const RULE_LINES: usize = 8;
const REMEDY_LINES: usize = 3;
const ALTERNATIVE_LINES: usize = 4;
const OTHER_LINES: usize = 3;
/// A rule only a little longer than the limit is not cut.
const RULE_LINES_OVER: usize = 2;
const INPUT_LINES: usize = 4;
const FIGURE_COLUMNS: usize = 12;
const LABEL_COLUMNS: usize = 20;
/// Where the names of the figures begin.
const FIGURES_INDENT: usize = 4 + 2 * FIGURE_COLUMNS + 2;

/// The measures with what they would do, then the rules to paste.
pub fn what_to_do(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let measures = story.measures();
    let remedies = remedy::corrective(story.report);
    if measures.is_empty() && (remedies.is_empty() || story.report.verdict.class == Class::Normal) {
        return;
    }
    page.heading("what to do now");
    let shown = limit(verbose, MEASURE_LINES);
    for (i, (measure, reason)) in measures.iter().take(shown).enumerate() {
        let aim =
            if words::has_aim(measure) { format!(" – on {}", story.aim(measure)) } else { String::new() };
        let action = format!("{}. {}", i + 1, words::action(&measure.action));
        page.wrapped(2, 5, &[Span::new(Style::Strong, action), Span::plain(aim)]);
        page.wrapped(5, 7, &[Span::plain(words::forecast(measure, story.report.plan.as_ref()))]);
        if let (true, Some(reason)) = (verbose, reason) {
            page.wrapped(5, 5, &[Span::faint(*reason)]);
        }
    }
    more(page, measures.len(), shown, "measures");
    if measures.is_empty() {
        if story.report.verdict.class.is_hostile() {
            page.wrapped(2, 2, &[Span::faint("no measure is sure enough to paste; for you to decide:")]);
        }
        for remedy in remedies.iter().take(limit(verbose, REMEDY_LINES)) {
            page.wrapped(2, 4, &[Span::plain(format!("- {remedy}"))]);
        }
    }
    rules(page, &story.report.rules, verbose);
    if verbose {
        alternatives(page, story);
    } else if story.report.verdict.class.is_hostile() && !measures.iter().any(|(m, _)| m.action.holds_back())
    {
        why_nothing_sharper(page, story);
    }
}

/// Who is attacked and reads of nothing that holds the attack back wants to know why.
fn why_nothing_sharper(page: &mut Page, story: &Story<'_>) {
    let sharper = |other: &&Alternative| other.standing == Standing::Rejected && other.action.holds_back();
    let rejected: Vec<&Alternative> = story.report.plan_report.alternatives.iter().filter(sharper).collect();
    if rejected.is_empty() {
        return;
    }
    page.wrapped(2, 4, &[Span::faint("why nothing sharper:")]);
    for other in rejected.iter().take(ALTERNATIVE_LINES) {
        let what = format!("- {}: ", words::action(&other.action));
        page.wrapped(4, 6, &[Span::plain(what), Span::faint(other.reason.clone())]);
    }
    more(page, rejected.len(), ALTERNATIVE_LINES, "alternatives");
}

/// In short form the pieces of the first program share a number of lines, without their comments:
/// what each rule does is said above.
fn rules(page: &mut Page, rules: &[RenderedRule], verbose: bool) {
    // A file of nothing but reasons why a measure is not in it is for those who ask for all.
    let pastable = |rule: &&RenderedRule| words::has_rules(&rule.text);
    let Some(first) = rules.iter().find(pastable).or(rules.first()).map(|rule| rule.program.as_str()) else {
        return;
    };
    let (mut left, mut cut) = (limit(verbose, RULE_LINES), 0);
    for rule in rules.iter().filter(|rule| verbose || rule.program == first) {
        let lines: Vec<&str> =
            rule.text.trim_end().lines().filter(|line| verbose || words::is_rule(line)).collect();
        // Rather a little longer than cut for the sake of a line or two.
        let kept = if lines.len() <= left.saturating_add(RULE_LINES_OVER) { lines.len() } else { left };
        left = left.saturating_sub(kept);
        cut += lines.len() - kept;
        if kept > 0 {
            let place = Span::faint(format!(", {}:", rule.place));
            page.wrapped(2, 4, &[Span::new(Style::Name, rule.program.clone()), place]);
            page.verbatim(4, &lines[..kept].join("\n"));
        }
    }
    more(page, cut, 0, "lines");
    let mut others: Vec<String> =
        rules.iter().filter(pastable).map(|rule| rule.program.clone()).filter(|p| p != first).collect();
    others.sort_unstable();
    others.dedup();
    if !verbose && !others.is_empty() {
        page.wrapped(
            4,
            4,
            &[Span::faint(format!("--verbose shows the rules for {} too", text::list(&others)))],
        );
    }
}

fn alternatives(page: &mut Page, story: &Story<'_>) {
    for other in &story.report.plan_report.alternatives {
        let standing = words::standing(&other.standing);
        let what = format!(": {} ({}): ", words::action(&other.action), other.scope);
        page.wrapped(
            2,
            4,
            &[Span::new(Style::Caution, standing), Span::plain(what), Span::faint(other.reason.clone())],
        );
    }
}

/// The evidence for the verdict, then what speaks against it.
pub fn why(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let class = story.report.verdict.class;
    let Some(leading) = story.leading().filter(|l| !l.evidence.is_empty()) else {
        return looked_at(page, story, verbose);
    };
    let title = match class {
        Class::Normal => "what was looked at",
        Class::Undecided => "the most likely cause",
        _ => "why",
    };
    page.section(title, "+ speaks for it, - against it");
    header(page);
    for (direction, most, what) in
        [(Direction::For, EVIDENCE_LINES, "for it"), (Direction::Against, COUNTER_LINES, "against it")]
    {
        let all =
            if verbose { story::sorted(leading, direction) } else { story::sorted_once(leading, direction) };
        let shown = limit(verbose, most);
        for evidence in all.iter().take(shown) {
            row(page, evidence, verbose);
        }
        more(page, all.len(), shown, what);
    }
}

/// Without hypotheses the findings alone tell what was measured.
fn looked_at(page: &mut Page, story: &Story<'_>, verbose: bool) {
    if story.report.findings.is_empty() {
        return;
    }
    page.heading("what was looked at");
    header(page);
    for finding in story.report.findings.iter().take(limit(verbose, EVIDENCE_LINES + COUNTER_LINES)) {
        figures(page, "\u{a0}", (finding.metric, finding.observed, finding.expected), "");
    }
}

fn header(page: &mut Page) {
    page.cut(4, &[Span::faint(format!("{}{}", right("measured"), right("normal")))]);
}

/// A line with its sign. The reason stays away where it would need a line of its own, unless all
/// is asked for.
fn row(page: &mut Page, evidence: &Evidence, verbose: bool) {
    let mut reason = evidence.reason.clone();
    if verbose {
        reason.push_str(&format!(
            " [{}, weight {}]",
            evidence.group.as_str(),
            figure::weight(evidence.weight)
        ));
    }
    let taken = FIGURES_INDENT + text::columns(evidence.metric.title()) + " – ".chars().count();
    if !verbose && taken + text::columns(&reason) > page.width() {
        reason.clear();
    }
    let sign = if evidence.direction == Direction::For { "+" } else { "-" };
    figures(page, sign, (evidence.metric, evidence.observed, evidence.expected), &reason);
}

fn figures(
    page: &mut Page,
    sign: &str,
    (metric, observed, expected): (Metric, f64, Option<f64>),
    reason: &str,
) {
    let expected = expected.map_or_else(|| "–".into(), |x| figure::value(metric, x));
    let reason = if reason.is_empty() { String::new() } else { format!(" – {reason}") };
    page.wrapped(
        2,
        FIGURES_INDENT,
        &[
            Span::plain(format!("{sign}\u{a0}")),
            Span::new(Style::Strong, right_kept(&figure::value(metric, observed))),
            Span::plain(right_kept(&expected)),
            Span::plain(format!("\u{a0}\u{a0}{}", metric.title())),
            Span::faint(reason),
        ],
    );
}

/// What rules out each rival; without a verdict, what else it could be.
pub fn why_not(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let rivals = story.rivals();
    if rivals.is_empty() {
        return;
    }
    let open = story.report.verdict.class == Class::Undecided;
    page.heading(if open { "what else it could be" } else { "why not" });
    let shown = limit(verbose, RIVAL_LINES);
    for rival in rivals.iter().take(shown) {
        let sure = figure::confidence(rival.hypothesis.confidence);
        let name = rival.hypothesis.cause.title();
        let name = if open || verbose { format!("{name} ({sure})") } else { name.to_owned() };
        if verbose {
            page.wrapped(2, 4, &[Span::new(Style::Strong, name)]);
            all_evidence(page, rival.hypothesis);
            continue;
        }
        let (number, reason) = match rival.refuted_by {
            Some(evidence) => (story::beside_expected(evidence), evidence.reason.as_str()),
            None if open => ("nothing speaks against it".into(), ""),
            None => ("nothing rules it out, but less speaks for it".into(), ""),
        };
        let reason = if reason.is_empty() { String::new() } else { format!(" – {reason}") };
        page.wrapped(
            2,
            4,
            &[Span::new(Style::Strong, name), Span::plain(format!(": {number}")), Span::faint(reason)],
        );
    }
    more(page, rivals.len(), shown, "causes");
}

fn all_evidence(page: &mut Page, hypothesis: &Hypothesis) {
    for (direction, mark) in [(Direction::Against, '-'), (Direction::For, '+')] {
        for evidence in story::sorted(hypothesis, direction) {
            let figures = format!("{mark} {}", story::beside_expected(evidence));
            let reason = format!(" – {} [{}]", evidence.reason, figure::weight(evidence.weight));
            page.wrapped(4, 6, &[Span::plain(figures), Span::faint(reason)]);
        }
    }
}

/// The heaviest sources, networks, fingerprints; paths, ports, names.
pub fn who_and_what(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let (who, what) = (story.rankings(true), story.rankings(false));
    if who.is_empty() && what.is_empty() {
        return;
    }
    let mut all: Vec<&(&str, Vec<&Ranked>)> = Vec::new();
    for side in [&who, &what] {
        all.extend(side.iter().take(limit(verbose, DIMENSION_LINES)));
    }
    let has_normal = all.iter().any(|(_, values)| values.iter().any(|v| v.baseline_share.is_some()));
    page.section("who and what", if has_normal { "in brackets: the share in normal traffic" } else { "" });
    let labels: Vec<String> =
        all.iter().map(|(name, _)| page.fitted(&words::dimension(name), LABEL_COLUMNS)).collect();
    let widest = labels.iter().map(|label| text::columns(label)).max().unwrap_or(0);
    for (label, (_, values)) in labels.iter().zip(&all) {
        let label = format!("{label}{}", " ".repeat(widest + 2 - text::columns(label)));
        if verbose { ranking_in_full(page, &label, values) } else { ranking_in_short(page, &label, values) }
    }
    let proven = &story.report.rankings.proven_sources;
    if !proven.is_empty() && story.report.verdict.class.is_hostile() {
        let least = if proven.len() < PROVEN_LISTED { "" } else { "at least " };
        let count = figure::count(proven.len() as f64);
        page.wrapped(
            2,
            4,
            &[Span::faint(format!(
                "{least}{count} {} real: forged addresses get no further than a first packet",
                if proven.len() == 1 { "source is" } else { "sources are" },
            ))],
        );
    }
}

/// As many as fit on a line, without those that are no more than usual, unless all are.
fn ranking_in_short(page: &mut Page, label: &str, values: &[&Ranked]) {
    let grown = values.iter().take_while(|v| story::growth(v) > 0.0).count();
    let values = if grown > 0 { &values[..grown] } else { values };
    let room = page.width().saturating_sub(2 + text::columns(label));
    let mut line = String::new();
    for value in values {
        let entry = ranked(page, value, (room / 2).min(36));
        let separator = if line.is_empty() { "" } else { " · " };
        if !line.is_empty() && text::columns(&line) + text::columns(&entry) + 3 > room {
            break;
        }
        line.push_str(separator);
        line.push_str(&entry);
    }
    page.cut(2, &[Span::faint(label), Span::plain(line)]);
}

fn ranking_in_full(page: &mut Page, label: &str, values: &[&Ranked]) {
    for (i, value) in values.iter().enumerate() {
        let shown = ranked(page, value, page.width());
        let label = if i == 0 { label.to_owned() } else { " ".repeat(text::columns(label)) };
        page.wrapped(
            2,
            2 + text::columns(&label),
            &[Span::faint(label.replace(' ', "\u{a0}")), Span::plain(shown)],
        );
    }
}

fn ranked(page: &Page, value: &Ranked, longest: usize) -> String {
    let usual = value.baseline_share.map(|s| format!(" ({})", figure::share(s))).unwrap_or_default();
    let name = if value.name.is_empty() { "(none)" } else { &value.name };
    format!("{} {}{usual}", page.fitted(name, longest), figure::share(value.share))
}

/// The signatures with their shares. Measures name them by their number.
pub fn in_common(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let signatures = &story.report.signatures;
    if signatures.is_empty() {
        return;
    }
    page.heading("what it has in common");
    let shown = limit(verbose, SIGNATURE_LINES);
    for (i, signature) in signatures.iter().take(shown).enumerate() {
        let expression = format!("signature {}: {}", i + 1, signature.expression);
        page.wrapped(2, 5, &[Span::new(Style::Strong, expression)]);
        page.wrapped(5, 7, &[Span::plain(shares(signature, i > 0))]);
        let examples = if verbose { signature.signature.examples.as_slice() } else { &[] };
        for example in examples {
            page.cut(5, &[Span::faint(format!("e.g. {example}"))]);
        }
    }
    more(page, signatures.len(), shown, "signatures");
}

/// `further`: others come before it, and its share is what they leave.
fn shares(signature: &SignatureReport, further: bool) -> String {
    let attack = figure::estimate(signature.signature.attack);
    let normal = signature.signature.baseline.map_or_else(
        || "normal traffic not known".into(),
        |b| format!("{} of normal traffic", figure::estimate(b)),
    );
    let further = if further { "another " } else { "" };
    format!("matches {further}{attack} of the disturbance, {normal}")
}

/// What happened when; the short form tells of changes beside the verdict.
pub fn course(page: &mut Page, story: &Story<'_>, verbose: bool) {
    if !verbose || story.report.timeline.is_empty() {
        return;
    }
    page.heading("when");
    for entry in &story.report.timeline {
        let time = story.clock.short(entry.time);
        page.wrapped(2, 4, &[Span::faint(format!("{time}  ")), Span::plain(entry.text.clone())]);
    }
}

/// Other disturbances of the same input.
pub fn episodes(page: &mut Page, story: &Story<'_>) {
    if story.report.episodes.is_empty() {
        return;
    }
    page.heading("also in this input");
    for episode in &story.report.episodes {
        let since =
            episode.verdict.onset.map(|t| format!(", since {}", story.clock.short(t))).unwrap_or_default();
        let label = words::label(episode.verdict.class);
        page.wrapped(
            2,
            4,
            &[
                Span::new(Style::Strong, label),
                Span::plain(format!("  {}{since}", words::verdict(&episode.verdict))),
            ],
        );
    }
}

/// What Seawall does not know.
pub fn not_known(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let missing = &story.report.missing;
    if missing.is_empty() {
        return;
    }
    page.heading("not known");
    let shown = limit(verbose, OTHER_LINES);
    for clause in missing.iter().take(shown) {
        page.wrapped(2, 4, &[Span::plain(format!("- {clause}"))]);
    }
    more(page, missing.len(), shown, "gaps");
}

/// The inputs as they were read.
pub fn inputs(page: &mut Page, story: &Story<'_>, verbose: bool) {
    let inputs = &story.report.inputs;
    page.heading("read");
    let shown = limit(verbose, INPUT_LINES);
    for input in inputs.iter().take(shown) {
        input_line(page, story, input, verbose);
        if verbose {
            for (oddity, count) in &input.oddities {
                page.wrapped(4, 6, &[Span::faint(format!("{}: {oddity}", figure::whole(*count)))]);
            }
            if input.time_jumps > 0 {
                let times = figure::whole(input.time_jumps);
                page.wrapped(4, 6, &[Span::faint(format!("{times}: time stamps far from their neighbours"))]);
            }
            for sample in &input.malformed_samples {
                page.cut(4, &[Span::faint(format!("not understood: {sample}"))]);
            }
        }
    }
    more(page, inputs.len(), shown, "inputs");
}

fn input_line(page: &mut Page, story: &Story<'_>, input: &InputReport, verbose: bool) {
    let mut facts = vec![input.kind.clone(), format!("{} records", figure::whole(input.records))];
    if input.malformed > 0 {
        facts.push(format!("{} not understood", figure::whole(input.malformed)));
    }
    if let Some(bytes) = input.oddities.get(BYTES_UNREAD) {
        facts.push(format!("{} bytes passed over unread", figure::whole(*bytes)));
    }
    if input.out_of_order > 0 {
        facts.push(format!("{} too late", figure::whole(input.out_of_order)));
    }
    if let (true, Some(first), Some(last)) = (verbose, input.first, input.last) {
        facts.push(format!("{} to {}", story.clock.short(first), story.clock.short(last)));
    }
    facts.extend(input.cut_short.as_ref().map(|why| format!("cut short: {why}")));
    let name = if verbose { words::input(&input.path) } else { words::file_name(words::input(&input.path)) };
    let name = page.fitted(name, page.width() / 2);
    let spans = [Span::plain(name), Span::faint(format!(" · {}", facts.join(" · ")))];
    if verbose { page.wrapped(2, 4, &spans) } else { page.cut(2, &spans) }
}

fn limit(verbose: bool, short: usize) -> usize {
    if verbose { usize::MAX } else { short }
}

fn more(page: &mut Page, total: usize, shown: usize, what: &str) {
    if total > shown {
        let (left, in_full) = (total - shown, page.in_full);
        let what = if left == 1 { what.strip_suffix('s').unwrap_or(what) } else { what };
        page.wrapped(4, 4, &[Span::faint(format!("… {left} more {what}{in_full}"))]);
    }
}

fn right(text: &str) -> String {
    format!("{text:>FIGURE_COLUMNS$}")
}

/// Right-aligned with spaces at which no line is broken.
fn right_kept(shown: &str) -> String {
    // However wide a figure is, it does not run into the one before it.
    let pad = FIGURE_COLUMNS.saturating_sub(text::columns(shown)).max(1);
    format!("{}{shown}", text::NO_BREAK_SPACE.to_string().repeat(pad))
}
