//! What drills showed, for a terminal: one table with a column for each outage (the team's day, the
//! same with Seawall, without it, behind other programs), then what ruled each wrong theory out, and
//! every bar that was missed.

use super::page::{Page, Span, Style};
use crate::console::Console;
use crate::report::text;
use seawall_drill::live::{
    Bar, Card, History, Machine, Outage, Past, ProbeCard, Share, TrapCard, Worse, outage,
};

const LABELS: usize = 20;
const LEAST_COLUMN: usize = 12;

/// One of the figures of a drill that is over.
type Of<T> = fn(&Past) -> Option<T>;

/// Table, theories and bars. `rounds`: how many drills of each world the cards sum up.
#[must_use]
pub fn drill(cards: &[Card], traps: &[TrapCard], worse: &[Worse], rounds: u32, console: &Console) -> String {
    let mut page = Page::new(console);
    if !cards.is_empty() {
        outages(&mut page, cards, rounds);
        for card in cards {
            account(&mut page, card);
        }
    }
    if !traps.is_empty() {
        alone(&mut page, traps);
    }
    bars(&mut page, cards, traps);
    machine(&mut page, cards, traps);
    for worse in worse {
        let text = format!(" {}: {}", worse.world, worse.text);
        page.wrapped(2, 4, &[Span::new(Style::Alarm, "WORSE"), Span::plain(text)]);
    }
    page.finish()
}

/// What a probe of a team's own service showed.
#[must_use]
pub fn probe(probe: &ProbeCard, console: &Console) -> String {
    let (mut page, card) = (Page::new(console), &probe.card);
    let found = format!(
        ": {} pages and {} parts found, a page takes {:.0} ms; then {:.0} requests a second, each for a page with a query \
         of its own, from thousands of addresses",
        probe.pages, probe.parts, probe.page_ms, card.attack_per_s
    );
    page.wrapped(0, 2, &[Span::new(Style::Strong, probe.target.clone()), Span::plain(found)]);
    page.blank();
    let without = card.answered_without.unwrap_or_default();
    let is_down = without.value().is_none_or(|v| v < 0.99);
    let style = |is_bad: bool| if is_bad { Style::Alarm } else { Style::Plain };
    row(
        &mut page,
        "people answered",
        [("without".into(), Style::Plain), ("with Seawall".into(), Style::Plain)],
    );
    row(
        &mut page,
        "",
        [(percent(without), style(is_down)), (percent(card.answered_after), style(!probe.holds()))],
    );
    page.blank();
    let verdict = match (is_down, probe.holds()) {
        (true, true) => {
            "As it stands, this service would have failed people. Behind Seawall they would have been answered."
        }
        (true, false) => "As it stands, this service would have failed people, and behind Seawall too.",
        (false, true) => "The service takes this rate as it stands; --rate tries another.",
        (false, false) => "The service takes this rate as it stands, and people fared worse behind Seawall.",
    };
    page.wrapped(0, 2, &[Span::new(Style::Strong, verdict)]);
    for (label, value) in [
        ("noticed", seconds(card.noticed_s)),
        ("named", format!("{}{}", seconds(card.named_s), called(card))),
        ("contained", seconds(card.contained_s)),
        ("wrongly refused", percent(card.wrongly_refused)),
        ("released", released(card)),
        ("rules acted on", format!("{} requests", probe.interfered)),
    ] {
        page.cut(0, &[Span::faint(fill(&format!("  {label}"), LABELS)), Span::plain(value)]);
    }
    what_was_done(&mut page, card);
    machine(&mut page, std::slice::from_ref(card), &[]);
    page.finish()
}

/// Medians and the worst of each world that a history holds, of drills that had the machine to
/// themselves.
#[must_use]
pub fn drill_history(history: &History, console: &Console) -> String {
    let mut page = Page::new(console);
    let mut names: Vec<&str> = history.past.iter().map(|p| p.world.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let fair = |name: &str| -> Vec<&Past> {
        history.past.iter().filter(|p| p.world == name && !p.is_starved).collect()
    };
    let worlds: Vec<Vec<&Past>> = names.iter().map(|n| fair(n)).collect();
    row(&mut page, "", names.iter().map(|n| ((*n).to_owned(), Style::Strong)));
    row(&mut page, "drills", worlds.iter().map(|w| (w.len().to_string(), Style::Plain)));
    page.cut(0, &[Span::faint("median / worst")]);
    let times: [(&str, Of<f64>); 5] = [
        ("noticed, s", |p| p.noticed_s),
        ("named, s", |p| p.named_s),
        ("users told, s", |p| p.told_s),
        ("contained, s", |p| p.contained_s),
        ("released, s", |p| p.released_s),
    ];
    for (label, of) in times {
        row(&mut page, label, worlds.iter().map(|w| (spread(w.iter().map(|p| of(p))), Style::Plain)));
    }
    let shares: [(&str, bool, Of<Share>); 3] = [
        ("answered, %", true, |p| Some(p.answered)),
        ("refused, %", false, |p| Some(p.refused)),
        ("without, %", true, |p| p.without),
    ];
    for (label, is_least, of) in shares {
        row(&mut page, label, worlds.iter().map(|w| (of_shares(w, is_least, of), Style::Plain)));
    }
    let held = |w: &Vec<&Past>| {
        let (missed, all) = w.iter().fold((0, 0), |(m, a), p| (m + p.missed.len(), a + p.bars));
        (format!("{}/{all}", all - missed), Style::Plain)
    };
    row(&mut page, "bars held", worlds.iter().map(held));
    let left_out = history.past.iter().filter(|p| p.is_starved).count();
    if left_out > 0 || history.unread > 0 {
        let text = format!(
            "left out: {left_out} on a starved machine, {} damaged or of another version",
            history.unread
        );
        page.wrapped(2, 2, &[Span::faint(text)]);
    }
    page.finish()
}

/// Median and longest of some times; what never came is the longest.
fn spread<'a>(times: impl Iterator<Item = Option<f64>> + 'a) -> String {
    let mut all: Vec<f64> = times.map(|s| s.unwrap_or(f64::INFINITY)).collect();
    all.sort_by(f64::total_cmp);
    let shown = |s: Option<&f64>| match s {
        Some(s) if s.is_finite() => format!("{s:.1}"),
        _ => "–".to_owned(),
    };
    format!("{}/{}", shown(all.get(all.len() / 2)), shown(all.last()))
}

/// Median and worst of some shares, in hundredths.
fn of_shares(all: &[&Past], is_least: bool, of: fn(&Past) -> Option<Share>) -> String {
    let mut values: Vec<f64> = all.iter().filter_map(|p| of(p)?.value()).collect();
    values.sort_by(f64::total_cmp);
    if is_least {
        values.reverse();
    }
    let shown = |v: Option<&f64>| {
        v.map_or_else(|| "–".to_owned(), |v| format!("{:.1}", (v * 1_000.0).floor() / 10.0))
    };
    format!("{}/{}", shown(values.get(values.len() / 2)), shown(values.last()))
}

/// A share, rounded down, so that none looks better than it was.
#[must_use]
pub fn percent(share: Share) -> String {
    share.value().map_or_else(|| "–".into(), |v| format!("{:.1} %", (v * 1_000.0).floor() / 10.0))
}

/// Seconds with a tenth.
#[must_use]
pub fn seconds(s: Option<f64>) -> String {
    s.map_or_else(|| "never".into(), |s| format!("{s:.1} s"))
}

/// How many theories a number ruled out.
#[must_use]
pub fn ruled_out(card: &Card) -> String {
    let by_number = card.refutations.iter().filter(|r| r.figures.is_some()).count();
    format!("{by_number} of {}", card.refutations.len())
}

/// When the measures were gone; a dash where none was taken, or none has to be withdrawn.
#[must_use]
pub fn released(card: &Card) -> String {
    // The DNS edge holds back by itself, as long as there is too much.
    if card.measures.is_empty() || card.world == "nameservers" {
        return "–".into();
    }
    seconds(card.released_s)
}

fn outages(page: &mut Page, cards: &[Card], rounds: u32) {
    let names: Vec<String> = cards.iter().map(|c| c.world.clone()).collect();
    row(page, "", names.iter().map(|n| (n.clone(), Style::Strong)));
    let teams: Vec<Option<&Outage>> = cards.iter().map(|c| outage(&c.world)).collect();
    let of_team = |of: &dyn Fn(&Outage) -> String| -> Vec<(String, Style)> {
        teams.iter().map(|t| (t.map_or_else(String::new, of), Style::Plain)).collect()
    };
    page.cut(0, &[Span::faint("the team's own day")]);
    row(page, "outage", of_team(&|t| format!("{} h", t.hours)));
    row(page, "users hit", of_team(&|t| format!("{:.0} %", 100.0 * t.users_hit)));
    row(page, "wrong theories", of_team(&|t| t.theories.len().to_string()));
    page.cut(0, &[Span::faint("with Seawall")]);
    let mut judged = |label: &str, bar: &str, of: fn(&Card) -> String| {
        row(page, label, cards.iter().map(|c| (of(c), style(c, bar))));
    };
    judged("noticed", "noticed", |c| seconds(c.noticed_s));
    judged("named", "named", |c| seconds(c.named_s));
    judged("theories ruled out", "theories refuted", ruled_out);
    judged("users told", "users told", |c| seconds(c.told_s));
    judged("contained", "contained", |c| seconds(c.contained_s));
    judged("people answered", "people answered", |c| percent(c.answered_after));
    judged("wrongly refused", "wrongly refused", |c| percent(c.wrongly_refused));
    judged("released", "", released);
    page.cut(0, &[Span::faint("without")]);
    let without = |c: &Card| c.answered_without.map_or_else(|| "–".into(), percent);
    row(page, "people answered", cards.iter().map(|c| (without(c), Style::Plain)));
    peers(page, cards);
    notes(page, cards, rounds);
}

/// Where the drills were played, and what that leaves out.
#[must_use]
pub fn ground(cards: &[Card]) -> &'static str {
    if cards.iter().any(|c| c.lab.is_some()) {
        "Played in a lab: real servers, clients in 10.0.0.0/8, the kernel filter in force."
    } else {
        "Clients are addresses of 127.0.0.0/8; the kernel filter takes no part."
    }
}

/// What stands behind the guard in a lab, and what met the kernel filter.
#[must_use]
pub fn lab(card: &Card) -> Option<String> {
    let lab = card.lab.as_ref()?;
    let servers = format!("behind the guard: {}", lab.servers.join(", "));
    if lab.forged_per_s == 0 {
        return Some(servers);
    }
    Some(format!(
        "{servers}; beside the attack {} forged packets/s, of which the kernel filter ({}) dropped {} in all",
        lab.forged_per_s, lab.carrier, lab.dropped_packets
    ))
}

/// The same attack behind other programs, a group of rows for each.
fn peers(page: &mut Page, cards: &[Card]) {
    let mut names: Vec<&str> = cards.iter().flat_map(|c| &c.peers).map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |card: &Card| card.peers.iter().find(|p| p.name == name).cloned();
        let scores: Vec<_> = cards.iter().map(of).collect();
        page.cut(0, &[Span::faint(format!("with {name}"))]);
        if let Some(why) = scores.iter().flatten().find_map(|s| s.skipped.as_ref()) {
            page.cut(2, &[Span::plain(format!("skipped: {why}"))]);
            continue;
        }
        let share = |of: fn(&seawall_drill::live::PeerScore) -> Share| -> Vec<(String, Style)> {
            let cell =
                |s: &Option<_>| (s.as_ref().map_or_else(|| "–".into(), |s| percent(of(s))), Style::Plain);
            scores.iter().map(cell).collect()
        };
        row(page, "people answered", share(|s| s.answered));
        row(page, "wrongly refused", share(|s| s.refused));
    }
}

fn notes(page: &mut Page, cards: &[Card], rounds: u32) {
    let hours: f64 = cards.iter().filter_map(|c| outage(&c.world)).map(|t| t.hours).sum();
    page.blank();
    let sums = if rounds > 1 {
        format!("Medians of {rounds} drills each, and the worst of their shares. ")
    } else {
        String::new()
    };
    let text = format!(
        "{sums}{hours} hours of outage. Seconds count from the first request of the attack, those of \
         \"released\" from its last. Answered: well, within 2 s, from containment on; without Seawall all \
         through the attack. ! marks a bar that was missed. {}",
        ground(cards)
    );
    page.wrapped(2, 2, &[Span::faint(text)]);
}

/// What the trouble was called, what ruled the theories out, and what was done.
fn account(page: &mut Page, card: &Card) {
    page.blank();
    let name = names(card).unwrap_or_else(|| "nothing".to_owned());
    let rates = format!(
        "  called {name}; {:.0} requests/s at a service that manages {:.0}/s",
        card.attack_per_s, card.capacity_per_s
    );
    page.wrapped(0, 2, &[Span::new(Style::Strong, card.world.clone()), Span::plain(rates)]);
    if let Some(lab) = lab(card) {
        page.wrapped(2, 4, &[Span::faint(lab)]);
    }
    for (theories, refutation) in card.refuted_together() {
        let figures = refutation.figures.as_deref().unwrap_or("nothing rules it out");
        let reason = match refutation.reason.as_str() {
            "" => String::new(),
            reason => format!(" – {reason}"),
        };
        let theory = format!("not \"{}\": ", theories.join("\", nor \""));
        page.wrapped(2, 4, &[Span::plain(theory), Span::new(Style::Name, figures), Span::faint(reason)]);
    }
    what_was_done(page, card);
}

/// The last name that was given, after a comma.
fn called(card: &Card) -> String {
    names(card).map(|names| format!(", called {names}")).unwrap_or_default()
}

/// The last name that was given, and what was named beside it.
fn names(card: &Card) -> Option<String> {
    let all: Vec<String> = [card.names.last()?].into_iter().chain(&card.beside).cloned().collect();
    Some(text::list(&all))
}

fn what_was_done(page: &mut Page, card: &Card) {
    for measure in &card.measures {
        page.wrapped(2, 4, &[Span::plain(format!("measure: {measure}"))]);
    }
    for reason in &card.not_taken {
        page.wrapped(2, 4, &[Span::faint(format!("not taken: {reason}"))]);
    }
}

fn alone(page: &mut Page, traps: &[TrapCard]) {
    page.blank();
    page.cut(0, &[Span::faint("the wrong theory alone, and no attack")]);
    for trap in traps {
        let called = trap.names.last().map_or("nothing", String::as_str);
        let named = match trap.named_s {
            Some(s) => format!("{s:.1} s"),
            None => "never".into(),
        };
        let style = if trap.holds() { Style::Plain } else { Style::Alarm };
        let mark = if trap.holds() { "" } else { " !" };
        let label = fill(&format!("  {}", trap.trap), LABELS);
        let cells = format!("{named:>8}  called {called}, {} turned away{mark}", trap.interfered);
        page.cut(0, &[Span::plain(label), Span::new(style, cells)]);
    }
}

fn bars(page: &mut Page, cards: &[Card], traps: &[TrapCard]) {
    let of_cards = cards.iter().map(|c| (c.world.clone(), &c.bars));
    let of_traps = traps.iter().map(|t| (format!("{}: {} alone", t.world, t.trap), &t.bars));
    let all: Vec<(String, &Vec<Bar>)> = of_cards.chain(of_traps).collect();
    let total: usize = all.iter().map(|(_, bars)| bars.len()).sum();
    let is_missed = |bar: &&Bar| !bar.held;
    let missed: Vec<(&str, &Bar)> = all
        .iter()
        .flat_map(|(n, bars)| bars.iter().filter(is_missed).map(move |b| (n.as_str(), b)))
        .collect();
    page.blank();
    let style = if missed.is_empty() { Style::Good } else { Style::Alarm };
    page.cut(0, &[Span::new(style, format!("{} of {total} bars held", total - missed.len()))]);
    for (name, bar) in missed {
        let text = format!(" {name}, {}: {}", bar.name, bar.text);
        page.wrapped(2, 4, &[Span::new(Style::Alarm, "MISSED"), Span::plain(text)]);
    }
}

/// Where the machine had no time for a drill, that is said, whether a bar was missed or not.
fn machine(page: &mut Page, cards: &[Card], traps: &[TrapCard]) {
    let Some(starved) = starved(cards, traps) else { return };
    page.wrapped(2, 4, &[Span::new(Style::Caution, "STARVED"), Span::plain(format!(" {starved}"))]);
    let advice = "The machine had little time: what these drills show, good or bad, is not the guard's alone. Drill \
                  again when it is quiet.";
    page.wrapped(2, 2, &[Span::faint(advice)]);
}

/// The drills for which the machine had no time, in words.
#[must_use]
pub fn starved(cards: &[Card], traps: &[TrapCard]) -> Option<String> {
    let of_cards = cards.iter().map(|c| (c.world.as_str(), c.machine));
    let all: Vec<_> = of_cards.chain(traps.iter().map(|t| (t.trap.as_str(), t.machine))).collect();
    Machine::starved(&all)
}

/// One line of the table; what stands out bears a mark as well as a colour.
fn row(page: &mut Page, label: &str, cells: impl IntoIterator<Item = (String, Style)>) {
    let mut spans = vec![Span::plain(fill(&format!("  {label}"), LABELS))];
    for (text, style) in cells {
        // Before the figure, so that figures stand below each other.
        let text = if style == Style::Alarm { format!("! {text}") } else { text };
        let gap = LEAST_COLUMN.saturating_sub(text::columns(&text)).max(1);
        spans.push(Span::plain(" ".repeat(gap)));
        spans.push(Span::new(style, text));
    }
    page.cut(0, &spans);
}

fn style(card: &Card, bar: &str) -> Style {
    let is_missed = card.bars.iter().any(|b| b.name == bar && !b.held);
    if is_missed { Style::Alarm } else { Style::Plain }
}

fn fill(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text::columns(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(world: &str) -> Card {
        Card {
            world: world.into(),
            noticed_s: Some(0.64),
            answered_after: Share { part: 9_999, of: 10_000 },
            bars: vec![
                Bar { name: "noticed".into(), held: true, text: String::new() },
                Bar { name: "named".into(), held: false, text: "never, at most 5 s".into() },
            ],
            ..Card::default()
        }
    }

    #[test]
    fn shares_are_never_rounded_up() {
        assert_eq!(percent(Share { part: 9_999, of: 10_000 }), "99.9 %");
        assert_eq!(percent(Share { part: 0, of: 0 }), "–");
    }

    #[test]
    fn five_outages_fit_into_eighty_columns_and_what_was_missed_is_said() {
        let names = ["library", "phantom", "shop", "webapp", "nameservers"];
        let shown = drill(&names.map(card), &[], &[], 1, &Console::PIPE);
        assert!(shown.lines().all(|l| text::columns(l) <= 80), "{shown}");
        let named = shown.lines().find(|l| l.starts_with("  named")).expect("a row");
        assert_eq!(named.matches("! never").count(), 5);
        assert!(shown.contains("28 hours of outage"), "{shown}");
        assert!(shown.contains("5 of 10 bars held"), "{shown}");
        assert!(shown.contains("  MISSED library, named: never, at most 5 s"), "{shown}");
        assert!(!shown.contains("STARVED"));
    }

    #[test]
    fn a_machine_without_time_is_named_beside_what_was_missed() {
        let mut starved = card("shop");
        starved.machine.others = Some(0.9);
        let shown = drill(&[starved], &[], &[], 1, &Console::PIPE);
        assert!(shown.contains("STARVED shop: other programs used 90 % of the processors"), "{shown}");
    }
}
