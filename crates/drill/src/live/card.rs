//! The score card of one drill: what was measured, and the bars it is held to.

use super::guard::Event;
use super::outage::Outage;
use super::people::{Asked, IN_TIME};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// The schema's name and version.
pub const SCHEMA: &str = "seawall.drill/1";

/// The bars: seconds from the first request of the attack, and shares of people's requests.
const NOTICED_S: f64 = 1.0;
const NAMED_S: f64 = 5.0;
const CONTAINED_S: f64 = 10.0;
const ANSWERED: f64 = 0.99;
const WRONGLY_REFUSED: f64 = 0.001;
/// Steps in which the moment of containment is looked for.
const STEP_S: f64 = 0.5;
/// Fewer requests of people than this in a stretch say nothing about it.
const LEAST_REQUESTS: u64 = 20;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub part: u64,
    pub of: u64,
}

impl Share {
    /// 0 to 1; `None` of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.part as f64 / self.of as f64)
    }
}

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

/// What a drill of one outage showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub world: String,
    pub seed: u64,
    /// Requests of the attacked kind that the site manages in a second, as measured before.
    pub capacity_per_s: f64,
    pub attack_per_s: f64,
    /// Seconds from the first request of the attack. `None`: not seen.
    pub noticed_s: Option<f64>,
    pub named_s: Option<f64>,
    pub contained_s: Option<f64>,
    /// Seconds from the last request of the attack until the measures were gone.
    pub released_s: Option<f64>,
    /// All names given during the attack, in order.
    pub names: Vec<String>,
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
    /// Requests a second of people, answered and not, for charts: second after the onset first.
    pub course: Vec<Share>,
    /// Something was named, or measures taken, before there was an attack.
    pub false_alarms: u64,
    pub is_written_up: bool,
    /// The same attack without protection.
    pub answered_without: Option<Share>,
    pub bars: Vec<Bar>,
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
    pub bars: Vec<Bar>,
}

impl Card {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bars.iter().all(|b| b.held)
    }
}

impl TrapCard {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bars.iter().all(|b| b.held)
    }
}

/// What a stage saw, for the card.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) outage: &'a Outage,
    pub(crate) right: Vec<&'static str>,
    pub(crate) onset: Instant,
    pub(crate) end: Instant,
    pub(crate) asked: &'a [Asked],
    pub(crate) events: &'a [Event],
}

impl Seen<'_> {
    fn since_onset(&self, event: &Event) -> f64 {
        Instant::from_std(event.at).saturating_duration_since(self.onset).as_secs_f64()
    }

    fn after(&self, event: &Event) -> bool {
        Instant::from_std(event.at) >= self.onset
    }

    fn during(&self) -> impl Iterator<Item = &Event> {
        let end = self.end;
        self.events.iter().filter(move |e| self.after(e) && Instant::from_std(e.at) <= end)
    }

    /// Fills in everything that people and events tell.
    pub(crate) fn card(&self, world: &str, seed: u64) -> Card {
        let named: Vec<&Event> = self.during().filter(|e| e.cause().is_some()).collect();
        let is_right = |e: &&&Event| e.cause().is_some_and(|c| self.right.contains(&c));
        let first_right = named.iter().find(is_right);
        let length_s = (self.end - self.onset).as_secs_f64();
        let contained_s = contained(&self.course(STEP_S, length_s)).map(|step| step as f64 * STEP_S);
        let from_s = contained_s.unwrap_or(CONTAINED_S).min(CONTAINED_S);
        let after = |a: &&Asked| self.at_s(a).is_some_and(|s| s >= from_s && s < length_s);
        let attacked = |a: &&Asked| self.at_s(a).is_some_and(|s| s < length_s);
        let mut card = Card {
            world: world.to_owned(),
            seed,
            capacity_per_s: 0.0,
            attack_per_s: 0.0,
            noticed_s: self
                .during()
                .find(|e| e.is("opened") || e.cause().is_some())
                .map(|e| self.since_onset(e)),
            named_s: first_right.map(|e| self.since_onset(e)),
            contained_s,
            released_s: self.released_s(),
            names: named.iter().filter_map(|e| e.cause()).map(str::to_owned).collect(),
            refutations: self.refutations(first_right.copied()),
            measures: self.measures(),
            not_taken: Vec::new(),
            answered_after: self.share(after, Asked::is_good),
            answered_during: self.share(attacked, Asked::is_good),
            wrongly_refused: self.share(attacked, Asked::is_refused),
            refused_parts: self.share(attacked, |a| a.is_part && a.is_refused()).part,
            calm_ms: waited_ms(self.asked.iter().filter(|a| a.at < self.onset)),
            after_ms: waited_ms(self.asked.iter().filter(|a| after(a))),
            course: self.course(1.0, length_s),
            false_alarms: self.events.iter().filter(|e| !self.after(e) && is_alarm(e)).count() as u64,
            is_written_up: self.events.iter().any(is_written_up),
            answered_without: None,
            bars: Vec::new(),
        };
        card.bars = card.judge(&self.right);
        card
    }

    fn at_s(&self, asked: &Asked) -> Option<f64> {
        Some(asked.at.checked_duration_since(self.onset)?.as_secs_f64())
    }

    fn share(&self, among: impl Fn(&&Asked) -> bool, has: impl Fn(&Asked) -> bool) -> Share {
        let mut share = Share::default();
        for asked in self.asked.iter().filter(among) {
            share.of += 1;
            share.part += u64::from(has(asked));
        }
        share
    }

    /// Good answers by the step in which they were asked for.
    fn course(&self, step_s: f64, length_s: f64) -> Vec<Share> {
        let mut steps = vec![Share::default(); (length_s / step_s).ceil() as usize];
        for asked in self.asked {
            let within = self.at_s(asked).filter(|s| *s < length_s);
            let Some(step) = within.map(|s| (s / step_s) as usize) else { continue };
            let Some(share) = steps.get_mut(step) else { continue };
            share.of += 1;
            share.part += u64::from(asked.is_good());
        }
        steps
    }

    /// `None` while measures are in force, or where there were none.
    fn released_s(&self) -> Option<f64> {
        let last = self.events.iter().rfind(|e| e.is("measures") || e.is("withdrawn"))?;
        let after = Instant::from_std(last.at).saturating_duration_since(self.end).as_secs_f64();
        last.is("withdrawn").then_some(after)
    }

    fn measures(&self) -> Vec<String> {
        let mut all = Vec::new();
        let engaged = self.during().filter(|e| e.is("measures"));
        for measure in engaged.filter_map(|e| e.value["measures"].as_array()).flatten() {
            let text = measure["text"].as_str().unwrap_or_default();
            let shown = format!("{text}: {}", measure["scope"].as_str().unwrap_or_default());
            if !all.contains(&shown) {
                all.push(shown);
            }
        }
        all
    }

    fn refutations(&self, named: Option<&Event>) -> Vec<Refutation> {
        let rows = named.and_then(|e| e.value["refuted"].as_array()).cloned().unwrap_or_default();
        let all = self.outage.theories.iter().map(|theory| {
            let row = rows.iter().find(|r| r["cause"] == theory.cause.as_str());
            let text = |key: &str| row.and_then(|r| r[key].as_str()).map(str::to_owned);
            Refutation {
                theory: theory.name.to_owned(),
                cause: theory.cause.as_str().to_owned(),
                figures: text("figures"),
                reason: text("reason").unwrap_or_default(),
            }
        });
        all.collect()
    }
}

impl Card {
    fn judge(&self, right: &[&str]) -> Vec<Bar> {
        let within = |name: &str, measured: Option<f64>, limit: f64| Bar {
            name: name.to_owned(),
            held: measured.is_some_and(|m| m <= limit),
            text: match measured {
                Some(m) => format!("{m:.1} s, at most {limit:.0} s"),
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
                held: right.contains(&last),
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
            Bar {
                name: "written up".into(),
                held: self.is_written_up,
                text: if self.is_written_up { "a postmortem" } else { "no postmortem" }.into(),
            },
        ]
    }
}

impl TrapCard {
    /// The card of a wrong theory that is the truth.
    pub(crate) fn new(
        world: &str,
        trap: super::world::Trap,
        seed: u64,
        seen: &Seen<'_>,
        interfered: u64,
    ) -> Self {
        let names: Vec<String> = seen.during().filter_map(Event::cause).map(str::to_owned).collect();
        let right = |c: &str| seen.right.contains(&c);
        let named_s = seen.during().find(|e| e.cause().is_some_and(right)).map(|e| seen.since_onset(e));
        let last = names.last().map_or("nothing", String::as_str);
        let bars = vec![
            Bar {
                name: "named".into(),
                held: right(last),
                text: format!("called {last}, it was {}", seen.right.join(" or ")),
            },
            Bar {
                name: "no block".into(),
                held: interfered == 0,
                text: format!("{interfered} requests refused or challenged, none allowed"),
            },
        ];
        Self { world: world.to_owned(), trap: trap.name().to_owned(), seed, named_s, names, interfered, bars }
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

/// The first step from which on enough was answered, to the end.
pub(super) fn contained(course: &[Share]) -> Option<usize> {
    let mut rest = Share::default();
    let mut found = None;
    for (step, share) in course.iter().enumerate().rev() {
        rest = Share { part: rest.part + share.part, of: rest.of + share.of };
        if rest.of >= LEAST_REQUESTS {
            if rest.value().is_some_and(|v| v >= ANSWERED) {
                found = Some(step);
            } else if rest.of >= 5 * LEAST_REQUESTS {
                // From here on more can only be added in front of what has failed.
                break;
            }
        }
    }
    found
}

fn waited_ms<'a>(asked: impl Iterator<Item = &'a Asked>) -> (f64, f64) {
    // Who got no answer waited at least for as long as helps.
    let longest = Duration::from_secs(12);
    let wait = |a: &Asked| match a.took {
        Some(took) if a.status != 0 => took,
        _ => longest.max(IN_TIME),
    };
    let mut all: Vec<f64> = asked.map(|a| wait(a).as_secs_f64() * 1e3).collect();
    all.sort_by(f64::total_cmp);
    let at = |q: f64| all.get((q * all.len() as f64) as usize).copied().unwrap_or(0.0);
    (at(0.5), at(0.95))
}

fn is_alarm(event: &Event) -> bool {
    event.is("measures") || event.cause().is_some_and(|c| c != "normal" && c != "undecided")
}

fn is_written_up(event: &Event) -> bool {
    let folder = event.value["folder"].as_str();
    event.is("ended") && folder.is_some_and(|f| std::path::Path::new(f).join("postmortem.md").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn share(part: u64, of: u64) -> Share {
        Share { part, of }
    }

    #[test]
    fn contained_is_from_when_on_it_is_good_to_the_end() {
        let course = |good: &[u64]| good.iter().map(|g| share(*g, 100)).collect::<Vec<_>>();
        assert_eq!(contained(&course(&[100, 40, 60, 100, 100, 100])), Some(3));
        assert_eq!(contained(&course(&[100, 100, 100])), Some(0));
        assert_eq!(contained(&course(&[100, 100, 50])), None);
        assert_eq!(contained(&[share(5, 5)]), None);
    }

    fn scene(asked: &[Asked], events: &[Event], onset: Instant) -> Card {
        let seen = Seen {
            outage: &crate::live::OUTAGES[0],
            right: vec!["http-flood"],
            onset,
            end: onset + Duration::from_secs(12),
            asked,
            events,
        };
        seen.card("library", 1)
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
            event(onset, 3_100, json!({ "event": "measures", "measures": [{ "text": "a", "scope": "b" }] })),
            event(onset, 16_000, json!({ "event": "withdrawn" })),
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
            "written up",
        ];
        assert_eq!(missed, expected);
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
