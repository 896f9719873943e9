//! The sections of the document, each left out where it has nothing to say.

use super::builder::Html;
use super::chart;
use crate::report::plot::Axis;
use crate::report::story::Story;
use crate::report::text::capitalised;
use crate::report::{account, figure, words};
use seawall_incident::postmortem::WrongTheory;
use seawall_incident::{Event, Postmortem};
use seawall_model::cause::Class;
use seawall_model::diagnosis::Evidence;
use seawall_model::finding::Ranked;
use seawall_model::report::SignatureReport;

/// Charts beyond this number are noise.
const MOST_CHARTS: usize = 6;
const MOST_RANKED: usize = 5;

/// Title, verdict and the figures at the head.
pub fn summary(html: &mut Html, postmortem: &Postmortem, story: &Story<'_>) {
    html.within("p", &[("class", "kicker")], |html| {
        html.element("span", &[("class", "badge")], words::label(postmortem.verdict.class));
        html.element(
            "span",
            &[],
            &format!("{} · {}", account::kind(postmortem), words::meaning(postmortem.verdict.class)),
        );
    });
    html.element("h1", &[], &account::title(postmortem));
    html.element("p", &[("class", "lead")], &account::summary(postmortem, story).join(" "));
    html.within("dl", &[("class", "figures")], |html| {
        for (label, value) in account::figures(postmortem, story) {
            html.within("div", &[], |html| {
                html.element("dt", &[], label);
                html.element("dd", &[], &value);
            });
        }
    });
}

/// The course of the rates, the one that shows the trouble best first.
pub fn charts(html: &mut Html, story: &Story<'_>) {
    let marks = story.marks();
    for (i, series) in story.series().into_iter().take(MOST_CHARTS).enumerate() {
        let axis = Axis::of(series);
        let usual = axis.metric().and_then(|m| story.finding(m)).and_then(|f| f.expected);
        chart::draw(html, &axis, &marks, usual, story.clock, i > 0);
    }
}

/// What the users felt.
pub fn impact(html: &mut Html, postmortem: &Postmortem) {
    if postmortem.impact.is_empty() || postmortem.verdict.class == Class::Normal {
        return;
    }
    heading(html, "Impact");
    html.within("table", &[], |html| {
        header(html, &["effect on the service", "normal", "during"]);
        html.within("tbody", &[], |html| {
            for row in &postmortem.impact {
                let (what, normal, during) = account::impact_row(row);
                html.within("tr", &[], |html| {
                    html.element("th", &[("scope", "row")], &capitalised(&what));
                    html.element("td", &[("class", "number")], &normal);
                    let class = if row.is_worse { "number worse" } else { "number" };
                    let mark = if row.is_worse { "worse: " } else { "" };
                    html.element("td", &[("class", class)], &format!("{mark}{during}"));
                });
            }
        });
    });
}

/// What happened when.
pub fn timeline(html: &mut Html, postmortem: &Postmortem, story: &Story<'_>) {
    if postmortem.timeline.is_empty() {
        return;
    }
    heading(html, "Timeline");
    html.within("ol", &[("class", "timeline")], |html| {
        for entry in &postmortem.timeline {
            let moment = account::moment(entry, story);
            html.within("li", &[("class", event_class(&entry.event))], |html| {
                html.element("time", &[("datetime", &entry.time.to_string())], &moment.time);
                html.text(&capitalised(&moment.what));
                html.element("span", &[("class", "soft small")], &format!(" · {}", moment.who));
            });
        }
    });
}

/// The evidence for the cause and against it.
pub fn root_cause(html: &mut Html, postmortem: &Postmortem) {
    let root = &postmortem.root_cause;
    if root.evidence.is_empty() && root.counter_evidence.is_empty() {
        return;
    }
    heading(html, account::evidence_heading(postmortem));
    html.element("p", &[], &account::evidence_lead(postmortem));
    let all = root.evidence.iter().chain(&root.counter_evidence);
    let heaviest = all.map(|e| e.weight).fold(f64::MIN_POSITIVE, f64::max);
    evidence_table(html, "Evidence for it", &root.evidence, heaviest, "for");
    evidence_table(html, "Evidence against it", &root.counter_evidence, heaviest, "against");
}

fn evidence_table(html: &mut Html, caption: &str, all: &[Evidence], heaviest: f64, class: &str) {
    if all.is_empty() {
        return;
    }
    html.within("table", &[("class", class)], |html| {
        html.element("caption", &[], caption);
        header(html, &["measurement", "measured", "normal", "weight"]);
        html.within("tbody", &[], |html| {
            for evidence in all {
                html.within("tr", &[], |html| evidence_row(html, evidence, heaviest));
            }
        });
    });
}

fn evidence_row(html: &mut Html, evidence: &Evidence, heaviest: f64) {
    html.within("th", &[("scope", "row")], |html| {
        html.text(&capitalised(evidence.metric.title()));
        if !evidence.reason.is_empty() {
            html.element("span", &[("class", "why")], &evidence.reason);
        }
    });
    html.element("td", &[("class", "number")], &figure::value(evidence.metric, evidence.observed));
    let expected = evidence.expected.map_or_else(|| "–".into(), |x| figure::value(evidence.metric, x));
    html.element("td", &[("class", "number")], &expected);
    html.within("td", &[("class", "number")], |html| {
        html.text(&figure::weight(evidence.weight));
        bar(html, "bar", evidence.weight / heaviest);
    });
}

/// The signatures with their shares of the disturbance and of normal traffic.
pub fn in_common(html: &mut Html, postmortem: &Postmortem) {
    let signatures = &postmortem.root_cause.signatures;
    if signatures.is_empty() {
        return;
    }
    heading(html, "What it has in common");
    html.within("div", &[("class", "cards")], |html| {
        for (i, signature) in signatures.iter().enumerate() {
            html.within("div", &[("class", "card")], |html| signature_card(html, i + 1, signature));
        }
    });
}

fn signature_card(html: &mut Html, number: usize, signature: &SignatureReport) {
    html.element("h3", &[], &format!("Signature {number}"));
    html.within("p", &[], |html| html.element("code", &[], &signature.expression));
    html.within("dl", &[("class", "shares")], |html| {
        let attack = signature.signature.attack;
        share_row(html, "of the disturbance", "bar attacked", attack.share, &figure::estimate(attack));
        match signature.signature.baseline {
            Some(b) => share_row(html, "of normal traffic", "bar usual-share", b.share, &figure::estimate(b)),
            None => share_row(html, "of normal traffic", "bar usual-share", 0.0, "not known"),
        }
    });
    for example in signature.signature.examples.iter().take(2) {
        html.within("p", &[("class", "soft small")], |html| {
            html.text("for example ");
            html.element("code", &[], example);
        });
    }
}

fn share_row(html: &mut Html, label: &str, class: &str, share: f64, shown: &str) {
    html.element("dt", &[], label);
    html.within("dd", &[], |html| bar(html, class, share));
    html.element("dd", &[], shown);
}

/// The heaviest sources, networks, fingerprints; paths, ports, names.
pub fn who_and_what(html: &mut Html, story: &Story<'_>) {
    for (who, title) in [(true, "Who"), (false, "What")] {
        let dimensions = story.rankings(who);
        if dimensions.is_empty() {
            continue;
        }
        heading(html, title);
        html.within("div", &[("class", "columns")], |html| {
            for (name, values) in dimensions {
                html.within("div", &[], |html| ranking(html, name, &values));
            }
        });
    }
}

fn ranking(html: &mut Html, name: &str, values: &[&Ranked]) {
    html.within("table", &[], |html| {
        html.element("caption", &[], &capitalised(&words::dimension(name)));
        header(html, &["name", "share", "normal"]);
        html.within("tbody", &[], |html| {
            for value in values.iter().take(MOST_RANKED) {
                html.within("tr", &[], |html| {
                    let name = if value.name.is_empty() { "(none)" } else { &value.name };
                    html.element("td", &[], name);
                    html.element("td", &[("class", "number")], &figure::share(value.share));
                    let normal = value.baseline_share.map_or_else(|| "–".into(), figure::share);
                    html.element("td", &[("class", "number")], &normal);
                });
            }
        });
    });
}

/// What was done, or what is proposed, with the rules.
pub fn resolution(html: &mut Html, postmortem: &Postmortem, story: &Story<'_>) {
    let report = story.report;
    if postmortem.verdict.class == Class::Normal {
        return;
    }
    heading(html, "Resolution");
    html.element("p", &[], &account::resolution(postmortem, story.report));
    html.within("ol", &[("class", "measures")], |html| {
        for (measure, reason) in &postmortem.resolution.proposed {
            html.within("li", &[], |html| {
                html.element("strong", &[], &capitalised(&words::action(&measure.action)));
                if words::has_aim(measure) {
                    html.text(&format!(" – on {}", story.aim(measure)));
                }
                html.element(
                    "span",
                    &[("class", "why")],
                    &capitalised(&words::forecast(measure, report.plan.as_ref())),
                );
                if let Some(reason) = reason {
                    html.element("span", &[("class", "why")], &capitalised(reason));
                }
            });
        }
    });
    for rule in &report.rules {
        html.within("h3", &[], |html| {
            html.text(&rule.program);
            html.element("span", &[("class", "soft small")], &format!(" · {}", rule.place));
        });
        let label = format!("Rule for {}", rule.program);
        html.within("pre", &[("tabindex", "0"), ("role", "region"), ("aria-label", &label)], |html| {
            html.block(&rule.text)
        });
    }
}

/// What it was not, each with the number that rules it out.
pub fn theories(html: &mut Html, postmortem: &Postmortem) {
    if postmortem.wrong_theories.is_empty() {
        return;
    }
    let (title, lead) = account::theories_lead(postmortem);
    heading(html, title);
    html.element("p", &[], lead);
    html.within("div", &[("class", "cards")], |html| {
        for theory in &postmortem.wrong_theories {
            html.within("div", &[("class", "card")], |html| theory_card(html, theory));
        }
    });
}

fn theory_card(html: &mut Html, theory: &WrongTheory) {
    html.within("h3", &[], |html| {
        html.text(&capitalised(theory.cause.title()));
        html.element("span", &[], &format!("{} left", account::left_to(theory)));
    });
    if let Some(heaviest) = theory.refuted_by.first() {
        html.element("p", &[("class", "small")], &capitalised(heaviest.metric.title()));
        html.within("dl", &[("class", "number-line")], |html| {
            html.element("dt", &[], "measured");
            html.element("dd", &[], &figure::value(heaviest.metric, heaviest.observed));
            if let Some(expected) = heaviest.expected {
                html.element("dt", &[], "expected");
                html.element("dd", &[], &figure::value(heaviest.metric, expected));
            }
        });
    }
    html.within("ul", &[], |html| {
        if let Some(heaviest) = theory.refuted_by.first().filter(|e| !e.reason.is_empty()) {
            html.element(
                "li",
                &[],
                &format!("{} (weight {})", capitalised(&heaviest.reason), figure::weight(heaviest.weight)),
            );
        }
        for line in account::refutation(theory).into_iter().skip(theory.refuted_by.len().min(1)) {
            html.element("li", &[], &capitalised(&line));
        }
    });
    if let Some(evidence) = theory.supported_by.first() {
        html.element(
            "p",
            &[("class", "soft small")],
            &format!("Plausible because: {}", account::weighed(evidence)),
        );
    }
    if let Some(cost) = &theory.cost {
        html.element("p", &[("class", "soft small")], &capitalised(&account::cost(cost)));
    }
}

/// What ends it and what prevents the next one.
pub fn measures(html: &mut Html, postmortem: &Postmortem) {
    if postmortem.corrective.is_empty() && postmortem.preventive.is_empty() {
        return;
    }
    html.within("div", &[("class", "columns")], |html| {
        for (title, list) in
            [("Corrective measures", postmortem.corrective), ("Preventive measures", postmortem.preventive)]
        {
            html.within("section", &[], |html| {
                heading(html, title);
                bullets(html, list.iter().copied());
            });
        }
    });
}

/// What would have helped.
pub fn not_known(html: &mut Html, postmortem: &Postmortem) {
    if !postmortem.missing.is_empty() {
        heading(html, "Not known");
        bullets(html, postmortem.missing.iter().map(String::as_str));
    }
}

/// The inputs as they were read.
pub fn data(html: &mut Html, story: &Story<'_>) {
    heading(html, "Data");
    html.within("table", &[], |html| {
        header(html, &["file", "records", "not understood"]);
        html.within("tbody", &[], |html| {
            for input in &story.report.inputs {
                html.within("tr", &[], |html| {
                    html.within("th", &[("scope", "row")], |html| {
                        html.text(words::input(&input.path));
                        html.element("span", &[("class", "why")], &input.kind);
                        if let (Some(first), Some(last)) = (input.first, input.last) {
                            let span = format!("{} to {}", story.clock.full(first), story.clock.full(last));
                            html.element("span", &[("class", "why")], &span);
                        }
                    });
                    html.element("td", &[("class", "number")], &figure::whole(input.records));
                    html.element("td", &[("class", "number")], &figure::whole(input.malformed));
                });
            }
        });
    });
}

fn heading(html: &mut Html, title: &str) {
    html.element("h2", &[], title);
}

/// The first column holds names, the others figures.
fn header(html: &mut Html, columns: &[&str]) {
    html.within("thead", &[], |html| {
        html.within("tr", &[], |html| {
            for (i, column) in columns.iter().enumerate() {
                let class = if i == 0 { "" } else { "number" };
                html.element("th", &[("scope", "col"), ("class", class)], column);
            }
        });
    });
}

fn bullets<'a>(html: &mut Html, items: impl IntoIterator<Item = &'a str>) {
    html.within("ul", &[], |html| {
        for item in items {
            html.element("li", &[], &capitalised(item));
        }
    });
}

/// A bar that only repeats the number beside it.
fn bar(html: &mut Html, class: &str, share: f64) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let style = format!("width:{:.1}%", share * 100.0);
    html.within("span", &[("class", class), ("aria-hidden", "true")], |html| {
        html.element("span", &[("style", &style)], "");
    });
}

fn event_class(event: &Event) -> &'static str {
    match event {
        Event::Onset { .. } => "onset",
        Event::Detected | Event::Named { .. } => "named",
        Event::Applied { .. } => "applied",
        Event::Changed { .. } => "changed",
        Event::Ended { .. } => "ended",
        Event::Closed { .. } => "closed",
        _ => "other",
    }
}
