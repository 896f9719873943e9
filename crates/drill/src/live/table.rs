//! The cards as one table for a terminal: what each team lived through, beside what was measured
//! with Seawall and without.

use super::card::{Bar, Card, Share, TrapCard};
use super::outage::outage;
use std::fmt::Write as _;

/// The table, what rules each wrong theory out, and every bar that was missed.
#[must_use]
pub fn table(cards: &[Card], traps: &[TrapCard]) -> String {
    let mut out = String::new();
    if !cards.is_empty() {
        outages(&mut out, cards);
        for card in cards {
            theories(&mut out, card);
        }
    }
    if !traps.is_empty() {
        alone(&mut out, traps);
    }
    bars(&mut out, cards, traps);
    out
}

fn outages(out: &mut String, cards: &[Card]) {
    let head = [
        "outage",
        "hours",
        "users hit",
        "noticed",
        "named",
        "contained",
        "released",
        "answered",
        "refused",
        "answered",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut hours = 0.0;
    for card in cards {
        let team = outage(&card.world);
        hours += team.map_or(0.0, |t| t.hours);
        rows.push(vec![
            card.world.clone(),
            team.map_or_else(String::new, |t| format!("{} h", t.hours)),
            team.map_or_else(String::new, |t| format!("{:.0} %", 100.0 * t.users_hit)),
            seconds(card.noticed_s),
            seconds(card.named_s),
            seconds(card.contained_s),
            if card.measures.is_empty() || card.world == "nameservers" {
                "–".into()
            } else {
                seconds(card.released_s)
            },
            percent(card.answered_after),
            percent(card.wrongly_refused),
            card.answered_without.map_or_else(|| "–".into(), percent),
        ]);
    }
    let widths = widths(&rows);
    let span = |from: usize, to: usize| -> usize { widths[from..to].iter().map(|w| w + 2).sum() };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:first$}{:team$}{:with$}without",
        "",
        "the team",
        "with Seawall",
        first = span(0, 1),
        team = span(1, 3),
        with = span(3, 9)
    );
    aligned(out, &rows, &widths);
    let _ = writeln!(
        out,
        "\n  {hours} hours of outage. Times are seconds from the first request of the attack, of \"released\" from its\n  \
         last one. \"answered\": requests of people answered well within 2 s, from containment on; \"refused\":\n  \
         requests of people that were turned away in the end, all through the attack. Sources are addresses of\n  \
         127.0.0.0/8; the kernel filter takes no part."
    );
}

fn theories(out: &mut String, card: &Card) {
    let name = card.names.last().map_or("nothing", String::as_str);
    let _ = writeln!(
        out,
        "\n{}: {name}, {:.0} requests/s at a site that manages {:.0}/s",
        card.world, card.attack_per_s, card.capacity_per_s
    );
    for refutation in &card.refutations {
        let figures = refutation.figures.as_deref().unwrap_or("nothing rules it out");
        let reason =
            if refutation.reason.is_empty() { String::new() } else { format!(" – {}", refutation.reason) };
        let _ = writeln!(out, "  not \"{}\": {figures}{reason}", refutation.theory);
    }
    for measure in &card.measures {
        let _ = writeln!(out, "  measure: {measure}");
    }
    for reason in &card.not_taken {
        let _ = writeln!(out, "  not taken: {reason}");
    }
}

fn alone(out: &mut String, traps: &[TrapCard]) {
    let head = ["the wrong theory alone", "world", "named", "as", "turned away"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for trap in traps {
        rows.push(vec![
            trap.trap.clone(),
            trap.world.clone(),
            seconds(trap.named_s),
            trap.names.last().cloned().unwrap_or_else(|| "nothing".into()),
            trap.interfered.to_string(),
        ]);
    }
    out.push('\n');
    aligned(out, &rows, &widths(&rows));
}

fn bars(out: &mut String, cards: &[Card], traps: &[TrapCard]) {
    let of_cards = cards.iter().map(|c| (c.world.clone(), &c.bars));
    let of_traps = traps.iter().map(|t| (format!("{} alone ({})", t.trap, t.world), &t.bars));
    let all: Vec<(String, &Vec<Bar>)> = of_cards.chain(of_traps).collect();
    let total: usize = all.iter().map(|(_, bars)| bars.len()).sum();
    let missed: Vec<(&str, &Bar)> = all
        .iter()
        .flat_map(|(n, bars)| bars.iter().filter(|b| !b.held).map(move |b| (n.as_str(), b)))
        .collect();
    let _ = writeln!(out, "\n{} of {total} bars held", total - missed.len());
    for (name, bar) in missed {
        let _ = writeln!(out, "  MISSED {name}, {}: {}", bar.name, bar.text);
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect()
}

fn aligned(out: &mut String, rows: &[Vec<String>], widths: &[usize]) {
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
}

fn seconds(s: Option<f64>) -> String {
    s.map_or_else(|| "never".into(), |s| format!("{s:.1} s"))
}

/// Rounded down, so that no share looks better than it was.
pub(super) fn percent(share: Share) -> String {
    match share.value() {
        None => "–".into(),
        Some(v) => format!("{:.1} %", (v * 1_000.0).floor() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_up() {
        assert_eq!(percent(Share { part: 9_999, of: 10_000 }), "99.9 %");
        assert_eq!(percent(Share { part: 0, of: 0 }), "–");
    }

    #[test]
    fn what_was_missed_is_said() {
        let trap = TrapCard {
            world: "library".into(),
            trap: "release".into(),
            seed: 1,
            named_s: None,
            names: Vec::new(),
            interfered: 3,
            bars: vec![
                Bar { name: "named".into(), held: true, text: String::new() },
                Bar { name: "no block".into(), held: false, text: "3 requests refused".into() },
            ],
        };
        let shown = table(&[], &[trap]);
        assert!(shown.contains("1 of 2 bars held"), "{shown}");
        assert!(shown.contains("MISSED release alone (library), no block: 3 requests refused"));
    }
}
