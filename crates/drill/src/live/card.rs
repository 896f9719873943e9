//! The score card of one drill: what was measured, and the bars it is held to.

use super::machine::Machine;
use super::peer::PeerScore;
use super::seen::{Moment, Second, Seen, Share};
use super::world::Trap;
use serde::{Deserialize, Serialize};

/// The schema's name and version.
pub const SCHEMA: &str = "seawall.drill/2";

/// The bars: seconds from the first request of the attack, and shares of people's requests.
const NOTICED_S: f64 = 1.0;
const NAMED_S: f64 = 5.0;
const TOLD_S: f64 = 60.0;
pub(super) const CONTAINED_S: f64 = 10.0;
pub(super) const ANSWERED: f64 = 0.99;
const WRONGLY_REFUSED: f64 = 0.001;

/// A wrong theory and the number that rules it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refutation {
    /// As the team put it.
    pub theory: String,
    pub cause: String,
    /// "page views per second: 140/s, expected 12/s"; `None`: nothing ruled it out.
    pub figures: Option<String>,
    pub reason: String,
}

/// One thing that is asked of a guard, and whether it held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    pub name: String,
    pub held: bool,
    /// What was measured and what was asked.
    pub text: String,
}

/// What a drill of one outage showed. Seconds are counted from the first request of the attack where
/// nothing else is said; `None` is "not seen".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub world: String,
    pub seed: u64,
    /// Requests of the attacked kind that the site manages in a second, as measured before.
    pub capacity_per_s: f64,
    pub attack_per_s: f64,
    pub length_s: f64,
    /// Names that are right.
    pub right: Vec<String>,
    pub noticed_s: Option<f64>,
    pub named_s: Option<f64>,
    /// A notice for users was written.
    pub told_s: Option<f64>,
    pub contained_s: Option<f64>,
    /// From the last request of the attack until the measures were gone.
    pub released_s: Option<f64>,
    /// All names given during the attack, in order.
    pub names: Vec<String>,
    /// Named at the same time as the last of them.
    pub beside: Vec<String>,
    /// The last of them was right.
    pub holds: bool,
    pub refutations: Vec<Refutation>,
    /// Measures that were in force, in the guard's words.
    pub measures: Vec<String>,
    /// Measures that were not taken, and why; where none was in force at the end of the attack.
    pub not_taken: Vec<String>,
    /// People's requests answered well within two seconds: from containment on (from 10 s on
    /// where there was none), and all through the attack.
    pub answered_after: Share,
    pub answered_during: Share,
    pub wrongly_refused: Share,
    /// Of these, parts of pages (styles, pictures) and not pages.
    pub refused_parts: u64,
    /// Median and 95th percentile of what people waited, in milliseconds: before, and from
    /// containment on.
    pub calm_ms: (f64, f64),
    pub after_ms: (f64, f64),
    /// How people fared, from ten seconds before the onset on.
    pub course: Vec<Second>,
    /// What the guard told.
    pub story: Vec<Moment>,
    /// Something was named, or measures taken, before there was an attack.
    pub false_alarms: u64,
    pub is_written_up: bool,
    /// The same attack without protection.
    pub answered_without: Option<Share>,
    pub course_without: Vec<Second>,
    /// The same attack with other programs in front.
    pub peers: Vec<PeerScore>,
    /// What the drill had of the machine during the attack.
    pub machine: Machine,
    /// What a lab adds; `None` on loopback.
    pub lab: Option<LabShare>,
    pub bars: Vec<Bar>,
}

/// What only a lab has: forged packets, and the kernel filter against them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabShare {
    /// The servers behind the guard, first to last.
    pub servers: Vec<String>,
    /// Packets from forged addresses that were sent a second beside the attack.
    pub forged_per_s: u32,
    /// What carries the guard's rules for packets, in its own words.
    pub carrier: String,
    /// Packets that it dropped until the end of the attack.
    pub dropped_packets: u64,
}

/// What a wrong theory alone showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrapCard {
    pub world: String,
    pub trap: String,
    pub seed: u64,
    pub named_s: Option<f64>,
    pub names: Vec<String>,
    /// Requests that the guard's rules refused, closed or challenged.
    pub interfered: u64,
    pub story: Vec<Moment>,
    pub machine: Machine,
    pub bars: Vec<Bar>,
}

impl Card {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bars.iter().all(|b| b.held)
    }

    /// Wrong theories, those that the same number rules out together, each group with that number.
    #[must_use]
    pub fn refuted_together(&self) -> Vec<(Vec<&str>, &Refutation)> {
        let mut groups: Vec<(Vec<&str>, &Refutation)> = Vec::new();
        for one in &self.refutations {
            let is_same = |other: &Refutation| (&other.figures, &other.reason) == (&one.figures, &one.reason);
            match groups.iter_mut().find(|(_, other)| is_same(other)) {
                Some((theories, _)) => theories.push(&one.theory),
                None => groups.push((vec![&one.theory], one)),
            }
        }
        groups
    }

    /// The card with its bars, by what it holds.
    #[must_use]
    pub(super) fn judged(mut self) -> Self {
        self.bars = self.judge();
        self
    }

    fn judge(&self) -> Vec<Bar> {
        let within = |name: &str, measured: Option<f64>, limit: f64| Bar {
            name: name.to_owned(),
            held: measured.is_some_and(|m| m <= limit),
            text: match measured {
                Some(m) => format!("{m:.2} s, at most {limit:.0} s"),
                None => format!("never, at most {limit:.0} s"),
            },
        };
        let refuted = self.refutations.iter().filter(|r| r.figures.is_some()).count();
        let last = self.names.last().map_or("nothing", String::as_str);
        let answered = self.answered_after.value().unwrap_or(0.0);
        let refused = self.wrongly_refused.value().unwrap_or(0.0);
        vec![
            Bar {
                name: "calm before".into(),
                held: self.false_alarms == 0,
                text: format!("{} false alarms, none allowed", self.false_alarms),
            },
            within("noticed", self.noticed_s, NOTICED_S),
            within("named", self.named_s, NAMED_S),
            Bar {
                name: "name holds".into(),
                held: self.holds,
                text: format!("called {last} at the end of the attack"),
            },
            Bar {
                name: "theories refuted".into(),
                held: refuted == self.refutations.len(),
                text: format!("{refuted} of {} by a number", self.refutations.len()),
            },
            within("contained", self.contained_s, CONTAINED_S),
            Bar {
                name: "people answered".into(),
                held: answered >= ANSWERED,
                text: format!("{:.1} % in time after containment, at least 99 %", 100.0 * answered),
            },
            Bar {
                name: "wrongly refused".into(),
                held: refused <= WRONGLY_REFUSED,
                text: format!(
                    "{:.2} % of people's requests ({} pages, {} parts of pages), at most 0.1 %",
                    100.0 * refused,
                    self.wrongly_refused.part - self.refused_parts,
                    self.refused_parts
                ),
            },
            within("users told", self.told_s, TOLD_S),
            Bar {
                name: "written up".into(),
                held: self.is_written_up,
                text: if self.is_written_up { "a postmortem" } else { "no postmortem" }.into(),
            },
        ]
    }
}

impl TrapCard {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bars.iter().all(|b| b.held)
    }

    /// The card of a wrong theory that is the truth.
    pub(super) fn new(
        world: &str,
        trap: Trap,
        seed: u64,
        seen: &Seen<'_>,
        interfered: u64,
        machine: Machine,
    ) -> Self {
        let (names, named_s) = seen.names();
        let last = names.last().map_or("nothing", String::as_str);
        let bars = vec![
            Bar {
                name: "named".into(),
                held: seen.right.contains(&last),
                text: format!("called {last}, it was {}", seen.right.join(" or ")),
            },
            Bar {
                name: "no block".into(),
                held: interfered == 0,
                text: format!("{interfered} requests refused or challenged, none allowed"),
            },
        ];
        let (world, trap) = (world.to_owned(), trap.name().to_owned());
        Self { world, trap, seed, named_s, names, interfered, story: seen.story(), machine, bars }
    }
}

/// One card for several: the median of each time and the worst of each share, with the bars that
/// did not hold every time. The cards must be of one world.
#[must_use]
pub fn median_cards(cards: &[Card]) -> Option<Card> {
    let mut middle = cards.first()?.clone();
    let median = |of: fn(&Card) -> Option<f64>| -> Option<f64> {
        let mut all: Vec<f64> = cards.iter().map(|c| of(c).unwrap_or(f64::INFINITY)).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().filter(|x| x.is_finite())
    };
    let worst = |of: fn(&Card) -> Share, least: bool| -> Share {
        let value = |s: &Share| s.value().unwrap_or(0.0);
        let all = cards.iter().map(of);
        let by = |a: &Share, b: &Share| value(a).total_cmp(&value(b));
        let found = if least { all.min_by(by) } else { all.max_by(by) };
        found.unwrap_or_default()
    };
    middle.noticed_s = median(|c| c.noticed_s);
    middle.named_s = median(|c| c.named_s);
    middle.told_s = median(|c| c.told_s);
    middle.contained_s = median(|c| c.contained_s);
    middle.released_s = median(|c| c.released_s);
    middle.answered_after = worst(|c| c.answered_after, true);
    middle.wrongly_refused = worst(|c| c.wrongly_refused, false);
    for bar in &mut middle.bars {
        let failed = cards.iter().flat_map(|c| &c.bars).filter(|b| b.name == bar.name && !b.held);
        let (mut times, mut example) = (0, None);
        for failure in failed {
            times += 1;
            example = Some(failure.text.clone());
        }
        bar.held = times == 0;
        if let Some(example) = example {
            bar.text = format!("missed {times} of {} times: {example}", cards.len());
        }
    }
    Some(middle)
}

#[cfg(test)]
mod tests {
    use super::super::guard::Event;
    use super::super::people::Asked;
    use super::*;
    use serde_json::json;
    use std::time::Duration;
    use tokio::time::Instant;

    fn share(part: u64, of: u64) -> Share {
        Share { part, of }
    }

    fn scene(asked: &[Asked], events: &[Event], onset: Instant) -> Card {
        let seen = Seen {
            theories: crate::live::OUTAGES[0].theories,
            right: vec!["http-flood"],
            forged: vec!["udp-flood"],
            onset,
            end: onset + Duration::from_secs(12),
            until: onset + Duration::from_secs(18),
            asked,
            events,
        };
        seen.card("library", 1).judged()
    }

    fn event(onset: Instant, at_ms: u64, value: serde_json::Value) -> Event {
        Event { at: (onset + Duration::from_millis(at_ms)).into_std(), value }
    }

    fn requests(onset: Instant, status: impl Fn(u64) -> u16) -> Vec<Asked> {
        let one = |n: u64| Asked {
            at: onset + Duration::from_millis(n * 10),
            took: Some(Duration::from_millis(30)),
            status: status(n),
            is_sites: true,
            is_part: false,
        };
        (0..1_200).map(one).collect()
    }

    #[test]
    fn a_guard_that_holds_every_bar_is_seen_to() {
        let onset = Instant::now();
        let refuted = json!([
            { "cause": "misconfiguration", "figures": "x: 1", "reason": "r" },
            { "cause": "release-fault", "figures": "y: 2", "reason": "r" },
        ]);
        let folder = std::env::temp_dir().join(format!("seawall-card-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("postmortem.md"), "x").expect("a file");
        let events = [
            event(onset, 800, json!({ "event": "opened" })),
            event(
                onset,
                3_000,
                json!({ "event": "named", "verdict": { "cause": "http-flood" }, "refuted": refuted }),
            ),
            event(onset, 3_050, json!({ "event": "users", "title": "Disturbance" })),
            event(onset, 3_100, json!({ "event": "measures", "measures": [{ "text": "a", "scope": "b" }] })),
            event(onset, 16_000, json!({ "event": "withdrawn" })),
            event(onset, 18_500, json!({ "event": "measures" })),
            event(onset, 19_000, json!({ "event": "withdrawn" })),
            event(onset, 20_000, json!({ "event": "ended", "folder": folder })),
        ];
        let card = scene(&requests(onset, |n| if n < 400 { 503 } else { 200 }), &events, onset);
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!(card.holds(), "{:?}", card.bars);
        assert_eq!((card.noticed_s, card.named_s, card.contained_s), (Some(0.8), Some(3.0), Some(4.0)));
        assert_eq!(card.released_s, Some(4.0));
        assert_eq!(card.measures, ["a: b"]);
    }

    #[test]
    fn a_guard_that_does_nothing_misses_its_bars() {
        let onset = Instant::now();
        let card = scene(&requests(onset, |n| if n % 2 == 0 { 503 } else { 200 }), &[], onset);
        let missed: Vec<&str> = card.bars.iter().filter(|b| !b.held).map(|b| b.name.as_str()).collect();
        let expected = [
            "noticed",
            "named",
            "name holds",
            "theories refuted",
            "contained",
            "people answered",
            "users told",
            "written up",
        ];
        assert_eq!(missed, expected);
    }

    #[test]
    fn what_comes_beside_the_attack_is_no_name_for_it_alone() {
        let onset = Instant::now();
        let named = |at_ms, also: serde_json::Value| {
            let verdict = json!({ "cause": "udp-flood" });
            event(onset, at_ms, json!({ "event": "named", "verdict": verdict, "also": also }))
        };
        let alone = [named(200, json!([]))];
        let card = scene(&requests(onset, |_| 200), &alone, onset);
        assert_eq!((card.named_s, card.holds), (None, false));
        let both = [named(200, json!([])), named(700, json!([{ "cause": "http-flood" }]))];
        let card = scene(&requests(onset, |_| 200), &both, onset);
        assert_eq!((card.named_s, card.holds, card.beside), (Some(0.7), true, vec!["http-flood".to_owned()]));
    }

    #[test]
    fn a_refusal_of_the_guard_is_not_one_of_the_site() {
        let onset = Instant::now();
        let mut asked = requests(onset, |_| 200);
        asked[5].status = 503;
        asked[6] = Asked { status: 403, is_sites: false, ..asked[6] };
        assert_eq!(scene(&asked, &[], onset).wrongly_refused, share(1, 1_200));
    }

    #[test]
    fn an_alarm_in_calm_times_is_counted() {
        let onset = Instant::now() + Duration::from_secs(5);
        let early = Event {
            at: (onset - Duration::from_secs(2)).into_std(),
            value: json!({ "event": "named", "verdict": { "cause": "http-flood" } }),
        };
        let card = scene(&requests(onset, |_| 200), &[early], onset);
        assert_eq!(card.false_alarms, 1);
        assert_eq!(card.noticed_s, None);
    }

    #[test]
    fn theories_that_one_number_rules_out_are_told_together() {
        let refutation = |theory: &str, figures: Option<&str>| Refutation {
            theory: theory.into(),
            cause: String::new(),
            figures: figures.map(str::to_owned),
            reason: String::new(),
        };
        let refutations = vec![
            refutation("a bug", Some("failing: 0 %")),
            refutation("real demand", Some("new clients: 90 %")),
            refutation("misconfiguration", Some("failing: 0 %")),
        ];
        let card = Card { refutations, ..Card::default() };
        let told: Vec<Vec<&str>> = card.refuted_together().into_iter().map(|(t, _)| t).collect();
        assert_eq!(told, [vec!["a bug", "misconfiguration"], vec!["real demand"]]);
    }

    #[test]
    fn several_drills_are_told_by_their_median_and_their_worst() {
        let onset = Instant::now();
        let mut cards = vec![scene(&requests(onset, |_| 200), &[], onset); 3];
        for (card, s) in cards.iter_mut().zip([2.0, 9.0, 3.0]) {
            card.named_s = Some(s);
        }
        cards[1].answered_after = share(90, 100);
        let middle = median_cards(&cards).expect("cards");
        assert_eq!(middle.named_s, Some(3.0));
        assert_eq!(middle.answered_after, share(90, 100));
        assert!(middle.bars.iter().any(|b| b.text.starts_with("missed 3 of 3 times")));
    }
}
