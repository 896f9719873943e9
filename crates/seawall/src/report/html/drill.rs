//! What drills showed as one self-contained page: the teams' hours beside Seawall's seconds, and the
//! story of each outage with its course.

use super::builder::Html;
use super::drawing::{HEIGHT, WIDTH, coordinate, line};
use super::{POLICY, STYLE};
use crate::report::terminal::{ground, lab, percent, released, ruled_out, seconds, starved};
use crate::report::text::{self, capitalised};
use seawall_drill::live::{Bar, Card, Moment, Outage, PeerScore, Second, Share, TrapCard, Worse, outage};
use seawall_model::math::ln;
use seawall_model::{Cause, Timestamp};

const DRILL_STYLE: &str = include_str!("drill.css");
/// The scale on which hours and seconds stand beside each other, and its marks.
const SHORTEST_S: f64 = 0.1;
const LONGEST_S: f64 = 86_400.0;
const MARKS: [(f64, &str); 6] =
    [(0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3_600.0, "1 h")];
/// Part of the width that the longest time takes; the rest is for its figure.
const RACE_WIDTH: f64 = 80.0;

/// Everything that a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct DrillReport<'a> {
    pub cards: &'a [Card],
    pub traps: &'a [TrapCard],
    pub worse: &'a [Worse],
    pub at: Timestamp,
    pub version: &'a str,
}

/// The page.
#[must_use]
pub fn drill_html(report: &DrillReport<'_>) -> String {
    let (held, all) = held(report);
    let mut html = Html::default();
    html.literal("<!doctype html>\n");
    html.within("html", &[("lang", "en")], |html| {
        html.within("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
            html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
            html.element("title", &[], &format!("Drill: {}", title(report.cards)));
            html.within("style", &[], |html| {
                html.literal(STYLE);
                html.literal(DRILL_STYLE);
            });
        });
        html.within("body", &[], |html| {
            let class = if held == all { "held" } else { "missed" };
            html.within("main", &[("class", class)], |html| body(html, report));
        });
    });
    html.literal("\n");
    html.finish()
}

fn body(html: &mut Html, report: &DrillReport<'_>) {
    html.within("header", &[], |html| summary(html, report));
    if !report.cards.is_empty() {
        race(html, report.cards);
        overview(html, report.cards);
    }
    warnings(html, report);
    for card in report.cards {
        html.within("section", &[("class", "outage")], |html| story(html, card));
    }
    alone(html, report.traps);
    html.within("footer", &[], |html| {
        let text = format!(
            "Site, people, attackers and guard share the processors of one machine. {} Seconds count from the first \
             request of the attack, those of \"released\" from its last. Answered: well, within 2 s, from containment \
             on; without Seawall all through the attack.",
            ground(report.cards)
        );
        html.text(&text);
    });
}

fn title(cards: &[Card]) -> String {
    let hours: f64 = cards.iter().filter_map(|c| outage(&c.world)).map(|t| t.hours).sum();
    match cards {
        [] => "wrong theories alone".to_owned(),
        [one] => format!("the outage “{}”, {hours} hours, rehearsed", one.world),
        all => format!("{} outages, {hours} hours, rehearsed", all.len()),
    }
}

fn held(report: &DrillReport<'_>) -> (usize, usize) {
    let bars: Vec<&Bar> =
        report.cards.iter().flat_map(|c| &c.bars).chain(report.traps.iter().flat_map(|t| &t.bars)).collect();
    (bars.iter().filter(|b| b.held).count(), bars.len())
}

fn summary(html: &mut Html, report: &DrillReport<'_>) {
    let (held, all) = held(report);
    let cards = report.cards;
    html.within("p", &[("class", "kicker")], |html| {
        html.element("span", &[("class", "badge")], &format!("{held} of {all} bars held"));
        let seed = cards.first().map(|c| c.seed).unwrap_or_default();
        html.element(
            "span",
            &[],
            &format!("Drill · {} · seed {seed} · Seawall {}", minute(report.at), report.version),
        );
    });
    html.element("h1", &[], &capitalised(&title(cards)));
    if cards.is_empty() {
        return;
    }
    let lead = "Each outage happened to a real team. It was played again on a small service that does real work, \
                with people who visit it: once with nothing in front, once behind Seawall, with the wrong theories \
                of the day going on in the same second.";
    html.element("p", &[("class", "lead")], lead);
    let latest = |of: fn(&Card) -> Option<f64>| -> String {
        let all: Option<Vec<f64>> = cards.iter().map(of).collect();
        seconds(all.and_then(|a| a.into_iter().max_by(f64::total_cmp)))
    };
    let worst = |of: fn(&Card) -> Share, least: bool| -> String {
        let by = |a: &Share, b: &Share| a.value().unwrap_or(0.0).total_cmp(&b.value().unwrap_or(0.0));
        let shares = cards.iter().map(of);
        let found = if least { shares.min_by(by) } else { shares.max_by(by) };
        found.map_or_else(|| "–".into(), percent)
    };
    let theories: usize = cards.iter().map(|c| c.refutations.len()).sum();
    let refuted = cards.iter().flat_map(|c| &c.refutations).filter(|r| r.figures.is_some()).count();
    let figures = [
        ("named, at the latest", latest(|c| c.named_s)),
        ("contained, at the latest", latest(|c| c.contained_s)),
        ("wrong theories ruled out", format!("{refuted} of {theories}")),
        ("people answered, at least", worst(|c| c.answered_after, true)),
        ("wrongly refused, at most", worst(|c| c.wrongly_refused, false)),
        ("without Seawall answered", worst(|c| c.answered_without.unwrap_or_default(), true)),
    ];
    html.within("dl", &[("class", "figures")], |html| {
        for (label, value) in figures {
            html.within("div", &[], |html| {
                html.element("dt", &[], label);
                html.element("dd", &[], &value);
            });
        }
    });
}

/// Hours beside seconds, on a scale on which each step is ten times as long.
fn race(html: &mut Html, cards: &[Card]) {
    html.within("figure", &[], |html| {
        html.within("figcaption", &[], |html| {
            html.text("From trouble to its right name, and to the end of it");
            html.element("span", &[], "the team: how long the outage lasted · Seawall: contained and named");
        });
        html.within("dl", &[("class", "race")], |html| {
            for card in cards {
                let Some(team) = outage(&card.world) else { continue };
                html.element("dt", &[], &card.world);
                html.within("dd", &[], |html| {
                    lane(html, "team", team.hours * 3_600.0, &format!("{} h", team.hours));
                    let both = card.named_s.zip(card.contained_s).map(|(n, c)| n.max(c));
                    lane(html, "ours", both.unwrap_or(LONGEST_S), &seconds(both));
                });
            }
            html.within("div", &[("class", "rule"), ("aria-hidden", "true")], |html| {
                for (s, label) in MARKS {
                    let style = format!("left:{}%", coordinate(100.0 * place_of(s)));
                    html.element("span", &[("style", &style)], label);
                }
            });
        });
    });
}

fn lane(html: &mut Html, class: &str, s: f64, label: &str) {
    html.within("div", &[("class", class)], |html| {
        let style = format!("width:{}%", coordinate(RACE_WIDTH * place_of(s)));
        html.element("i", &[("style", &style), ("aria-hidden", "true")], "");
        html.element("span", &[], label);
    });
}

/// Where a time stands on the scale, 0 to 1.
fn place_of(s: f64) -> f64 {
    (ln(s.clamp(SHORTEST_S, LONGEST_S) / SHORTEST_S) / ln(LONGEST_S / SHORTEST_S)).clamp(0.0, 1.0)
}

fn overview(html: &mut Html, cards: &[Card]) {
    heading(html, "All at once");
    html.within("div", &[("class", "wide")], |html| {
        html.within("table", &[], |html| {
            html.within("thead", &[], |html| {
                html.within("tr", &[], |html| {
                    html.element("td", &[], "");
                    for card in cards {
                        html.element("th", &[("scope", "col")], &card.world);
                    }
                });
            });
            html.within("tbody", &[], |html| overview_rows(html, cards));
        });
    });
}

fn overview_rows(html: &mut Html, cards: &[Card]) {
    let team = |card: &Card, of: fn(&Outage) -> String| outage(&card.world).map_or_else(String::new, of);
    group(html, cards, "the team's own day");
    row(html, cards, "outage", "", |c| team(c, |t| format!("{} h", t.hours)));
    row(html, cards, "users hit", "", |c| team(c, |t| format!("{:.0} %", 100.0 * t.users_hit)));
    row(html, cards, "wrong theories", "", |c| team(c, |t| t.theories.len().to_string()));
    group(html, cards, "with Seawall");
    row(html, cards, "noticed", "noticed", |c| seconds(c.noticed_s));
    row(html, cards, "named", "named", |c| seconds(c.named_s));
    row(html, cards, "theories ruled out", "theories refuted", ruled_out);
    row(html, cards, "users told", "users told", |c| seconds(c.told_s));
    row(html, cards, "contained", "contained", |c| seconds(c.contained_s));
    row(html, cards, "people answered", "people answered", |c| percent(c.answered_after));
    row(html, cards, "wrongly refused", "wrongly refused", |c| percent(c.wrongly_refused));
    row(html, cards, "released", "", released);
    group(html, cards, "without");
    row(html, cards, "people answered", "", |c| c.answered_without.map_or_else(|| "–".into(), percent));
    let mut names: Vec<&str> = cards.iter().flat_map(|c| &c.peers).map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |c: &Card, of: fn(&PeerScore) -> Share| match c.peers.iter().find(|p| p.name == name) {
            Some(peer) if peer.skipped.is_some() => "skipped".to_owned(),
            Some(peer) => percent(of(peer)),
            None => "–".into(),
        };
        group(html, cards, &format!("with {name}"));
        row(html, cards, "people answered", "", |c| of(c, |p| p.answered));
        row(html, cards, "wrongly refused", "", |c| of(c, |p| p.refused));
    }
}

fn group(html: &mut Html, cards: &[Card], title: &str) {
    let span = (cards.len() + 1).to_string();
    html.within("tr", &[("class", "group")], |html| {
        html.element("th", &[("scope", "colgroup"), ("colspan", &span)], title);
    });
}

fn row(html: &mut Html, cards: &[Card], label: &str, bar: &str, of: impl Fn(&Card) -> String) {
    html.within("tr", &[], |html| {
        html.element("th", &[("scope", "row")], label);
        for card in cards {
            let is_missed = card.bars.iter().any(|b| b.name == bar && !b.held);
            let class = if is_missed { "worse" } else { "" };
            let mark = if is_missed { "✗ " } else { "" };
            html.element("td", &[("class", class)], &format!("{mark}{}", of(card)));
        }
    });
}

/// What is worse than before, and where the machine had no time.
fn warnings(html: &mut Html, report: &DrillReport<'_>) {
    let starved = starved(report.cards, report.traps);
    if starved.is_none() && report.worse.is_empty() {
        return;
    }
    html.within("div", &[("class", "note")], |html| {
        for worse in report.worse {
            html.element("p", &[], &format!("Worse than before, {}: {}.", worse.world, worse.text));
        }
        if let Some(starved) = starved {
            let text = format!(
                "The machine had little time for {starved}. What these drills show, good or bad, is not the guard's \
                 alone; drill again when it is quiet."
            );
            html.element("p", &[], &text);
        }
    });
}

fn story(html: &mut Html, card: &Card) {
    html.element("h2", &[], &capitalised(&card.world));
    if let Some(team) = outage(&card.world) {
        html.element("p", &[("class", "soft")], &day(team));
    }
    let names = card.names.last().into_iter().chain(&card.beside);
    let called = match names.map(|n| title_of(n)).collect::<Vec<_>>().as_slice() {
        [] => "nothing".to_owned(),
        all => text::list(all),
    };
    let text = format!(
        "Here {:.0} requests a second came to a service that manages {:.0}. Seawall called it {called}{}. Of people's \
         requests {} were answered well; with nothing in front, {}.",
        card.attack_per_s,
        card.capacity_per_s,
        card.named_s.map(|s| format!(" after {s:.1} s")).unwrap_or_default(),
        percent(card.answered_after),
        card.answered_without.map_or_else(|| "–".into(), percent),
    );
    html.element("p", &[], &text);
    if let Some(lab) = lab(card) {
        html.element("p", &[("class", "soft")], &format!("{}.", capitalised(&lab)));
    }
    course(html, card);
    html.within("ul", &[("class", "chips")], |html| {
        for bar in &card.bars {
            let class = if bar.held { "held" } else { "missed" };
            html.element("li", &[("class", class)], &format!("{}: {}", bar.name, bar.text));
        }
    });
    theories(html, card);
    html.within("div", &[("class", "columns")], |html| {
        html.within("div", &[], |html| told(html, card));
        html.within("div", &[], |html| done(html, card));
    });
}

fn day(team: &Outage) -> String {
    let theories: Vec<&str> = team.theories.iter().map(|t| t.name).collect();
    format!(
        "The team: {}. {} hours, {:.0} % of users hit. First sign: {}. Taken for: {}. Named by {}; ended by {}.",
        team.service,
        team.hours,
        100.0 * team.users_hit,
        team.first_signal,
        theories.join(", "),
        team.named_by,
        team.ended_by
    )
}

/// How people fared, second by second.
fn course(html: &mut Html, card: &Card) {
    let from = card.course.first().map_or(-10, |s| s.at_s);
    let to = card.course.last().map_or(20, |s| s.at_s + 1);
    let span = f64::from((to - from).max(1));
    let place = |s: f64| ((s - f64::from(from)) / span).clamp(0.0, 1.0);
    html.within("figure", &[], |html| {
        html.within("figcaption", &[], |html| {
            html.text("People's requests answered well");
            html.element("span", &[], "of those asked in each second · shaded: the attack");
        });
        html.within("div", &[("class", "plot")], |html| {
            let view = format!("0 0 {WIDTH} {HEIGHT}");
            let attributes = [("viewBox", view.as_str()), ("preserveAspectRatio", "none"), ("role", "img")];
            html.within("svg", &attributes, |html| {
                html.element("title", &[], "Share of people's requests answered well, second by second");
                html.element("desc", &[], &in_words(card));
                for y in [0.0, 50.0] {
                    line(html, "grid", (0.0, y), (WIDTH, y));
                }
                let with = curve(&card.course, place);
                let floor = format!("{with}V{HEIGHT}H0Z");
                html.element("path", &[("class", "area"), ("d", &floor)], "");
                let (x, width) = (WIDTH * place(0.0), WIDTH * (place(card.length_s) - place(0.0)));
                let (x, width) = (coordinate(x), coordinate(width));
                let wash = [("class", "wash"), ("x", &*x), ("y", "0"), ("width", &*width), ("height", "100")];
                html.element("rect", &wash, "");
                html.element("path", &[("class", "curve"), ("d", &with)], "");
                html.element("path", &[("class", "without"), ("d", &curve(&card.course_without, place))], "");
                for (class, at) in marks(card) {
                    line(html, class, (WIDTH * place(at), 0.0), (WIDTH * place(at), HEIGHT));
                }
            });
            labels(html, card, (from, to), place);
        });
        legend(html);
    });
}

fn marks(card: &Card) -> Vec<(&'static str, f64)> {
    let named = card.named_s.map(|s| ("named", s));
    let contained = card.contained_s.map(|s| ("good", s));
    [Some(("mark", 0.0)), named, contained].into_iter().flatten().collect()
}

fn labels(html: &mut Html, card: &Card, (from, to): (i32, i32), place: impl Fn(f64) -> f64) {
    for (top, label) in [("0%", "100 %"), ("50%", "50 %"), ("100%", "0")] {
        let style = format!("top:{top}");
        html.element("i", &[("class", "y"), ("style", &style), ("aria-hidden", "true")], label);
    }
    html.element("i", &[("class", "x first"), ("aria-hidden", "true")], &format!("{from} s"));
    html.element("i", &[("class", "x last"), ("aria-hidden", "true")], &format!("{to} s"));
    for (class, at) in marks(card) {
        let word = match class {
            "mark" => "attack".to_owned(),
            "named" => format!("named {at:.1} s"),
            _ => format!("contained {at:.1} s"),
        };
        let class = if class == "mark" { "left".to_owned() } else { format!("right {class}") };
        let style = format!("left:{}%", coordinate(100.0 * place(at)));
        html.element("b", &[("class", &class), ("style", &style), ("aria-hidden", "true")], &word);
    }
}

fn legend(html: &mut Html) {
    let entries =
        [("curve", "behind Seawall"), ("without", "the same attack with nothing in front, for some seconds")];
    html.within("ul", &[("class", "legend")], |html| {
        for (class, text) in entries {
            html.within("li", &[], |html| {
                html.within("svg", &[("viewBox", "0 0 16 6"), ("aria-hidden", "true")], |html| {
                    line(html, class, (0.0, 3.0), (16.0, 3.0));
                });
                html.text(text);
            });
        }
    });
}

/// The drawing for people who cannot see it.
fn in_words(card: &Card) -> String {
    format!(
        "The attack begins at 0 s and lasts {:.0} s. Named: {}; contained: {}. From then on {} answered; without \
         Seawall {}.",
        card.length_s,
        seconds(card.named_s),
        seconds(card.contained_s),
        percent(card.answered_after),
        card.answered_without.map_or_else(|| "unknown".into(), percent),
    )
}

/// Steps, one for each second; a second in which nobody asked is as the one before.
fn curve(course: &[Second], place: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut share = 1.0;
    for second in course.iter().filter(|s| s.at_s >= -10) {
        if second.asked > 0 {
            share = second.good as f64 / second.asked as f64;
        }
        let (from, to) = (place(f64::from(second.at_s)), place(f64::from(second.at_s + 1)));
        let begin = if path.is_empty() { 'M' } else { 'L' };
        let (from, to) = (coordinate(WIDTH * from), coordinate(WIDTH * to));
        path.push_str(&format!("{begin}{from} {}H{to}", coordinate(HEIGHT * (1.0 - share))));
    }
    path
}

fn theories(html: &mut Html, card: &Card) {
    if card.refutations.is_empty() {
        return;
    }
    html.within("table", &[], |html| {
        html.element("caption", &[], "What it was not");
        html.within("thead", &[], |html| {
            html.within("tr", &[], |html| {
                html.element("th", &[("scope", "col")], "what the team took it for");
                html.element("th", &[("scope", "col")], "the number that rules it out");
            });
        });
        html.within("tbody", &[], |html| {
            for (theories, refutation) in card.refuted_together() {
                html.within("tr", &[], |html| {
                    html.element("th", &[("scope", "row")], &capitalised(&theories.join(", ")));
                    html.within("td", &[], |html| {
                        html.text(&capitalised(
                            refutation.figures.as_deref().unwrap_or("nothing rules it out"),
                        ));
                        html.element("span", &[("class", "why")], &refutation.reason);
                    });
                });
            }
        });
    });
}

fn told(html: &mut Html, card: &Card) {
    html.element("h3", &[], "What the guard told");
    html.within("ol", &[("class", "timeline")], |html| {
        for moment in &card.story {
            html.within("li", &[("class", class_of(moment))], |html| {
                html.element("time", &[], &format!("{:.1} s", moment.at_s));
                html.text(&capitalised(&moment.text));
            });
        }
    });
}

fn class_of(moment: &Moment) -> &'static str {
    match moment.event.as_str() {
        "opened" => "onset",
        "named" => "named",
        "measures" | "widened" => "applied",
        "users" => "changed",
        "withdrawn" | "ended" => "ended",
        _ => "other",
    }
}

fn done(html: &mut Html, card: &Card) {
    if !card.measures.is_empty() {
        html.element("h3", &[], "Measures");
        list(html, &card.measures);
    }
    if !card.not_taken.is_empty() {
        html.element("h3", &[], "Not taken, and why");
        list(html, &card.not_taken);
    }
    html.element("h3", &[], "People");
    let rows = [
        format!("answered in {:.0} ms before (95 of 100 in {:.0} ms)", card.calm_ms.0, card.calm_ms.1),
        format!(
            "answered in {:.0} ms from containment on (95 of 100 in {:.0} ms)",
            card.after_ms.0, card.after_ms.1
        ),
        format!(
            "{} of {} requests during the attack wrongly refused",
            card.wrongly_refused.part, card.wrongly_refused.of
        ),
        format!(
            "the guard used {:.1} s of processor time in {:.0} s",
            card.machine.guard_cpu_s, card.length_s
        ),
    ];
    list(html, &rows.map(|r| capitalised(&r)));
}

fn alone(html: &mut Html, traps: &[TrapCard]) {
    if traps.is_empty() {
        return;
    }
    heading(html, "Each wrong theory alone, as the truth");
    html.within("table", &[], |html| {
        html.within("thead", &[], |html| {
            html.within("tr", &[], |html| {
                for title in ["what was wrong", "in", "named", "called", "turned away"] {
                    html.element("th", &[("scope", "col")], title);
                }
            });
        });
        html.within("tbody", &[], |html| {
            for trap in traps {
                let class = if trap.holds() { "" } else { "worse" };
                html.within("tr", &[], |html| {
                    html.element("th", &[("scope", "row")], &trap.trap);
                    html.element("td", &[], &trap.world);
                    html.element("td", &[("class", "number")], &seconds(trap.named_s));
                    let called = trap.names.last().map_or_else(|| "nothing".to_owned(), |n| title_of(n));
                    html.element("td", &[("class", class)], &called);
                    html.element("td", &[("class", "number")], &trap.interfered.to_string());
                });
            }
        });
    });
}

fn heading(html: &mut Html, title: &str) {
    html.element("h2", &[], title);
}

fn list(html: &mut Html, items: &[String]) {
    html.within("ul", &[], |html| {
        for item in items {
            html.element("li", &[], item);
        }
    });
}

/// The title of a cause that a card has by its name.
fn title_of(name: &str) -> String {
    let cause = Cause::ALL.iter().find(|c| c.as_str() == name);
    cause.map_or_else(|| name.to_owned(), |c| c.title().to_owned())
}

/// `2026-11-21 19:40 UTC`.
fn minute(t: Timestamp) -> String {
    let c = t.civil();
    format!("{:04}-{:02}-{:02} {:02}:{:02} UTC", c.year, c.month, c.day, c.hour, c.minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at_s: i32, asked: u64, good: u64) -> Second {
        Second { at_s, asked, good, refused: 0, wait_ms: None }
    }

    #[test]
    fn a_course_is_drawn_in_steps_and_a_silent_second_is_as_the_one_before() {
        let course = [second(0, 10, 5), second(1, 0, 0), second(2, 4, 4)];
        assert_eq!(curve(&course, |s| s / 3.0), "M0 50H333.33L333.33 50H666.67L666.67 0H1000");
    }

    #[test]
    fn a_scale_of_times_begins_and_ends_where_it_says() {
        assert_eq!((place_of(0.0), place_of(0.1), place_of(1e9)), (0.0, 0.0, 1.0));
        let ten_times = place_of(10.0) - place_of(1.0);
        assert!((place_of(1_000.0) - place_of(100.0) - ten_times).abs() < 1e-9);
    }

    #[test]
    fn whatever_a_guard_tells_is_text_on_the_page() {
        let card = Card {
            world: "library".into(),
            names: vec!["http-flood".into()],
            measures: vec!["<script>alert(1)</script>".into()],
            course: vec![second(-1, 3, 3), second(0, 3, 1)],
            ..Card::default()
        };
        let at = Timestamp::from_seconds(1_700_000_000);
        let report = DrillReport { cards: &[card], traps: &[], worse: &[], at, version: "0.1.0" };
        let page = drill_html(&report);
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
        assert!(page.contains("2023-11-14 22:13 UTC"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    }
}
