//! Made-up names held back by the kernel: while somebody floods a front of name servers with them, the
//! kernel filter says what the front would say.
//!
//! Of a zone that the front knows, names that do not exist are denied; a changed zone is handed over
//! at once. Of any other, who asks for a name that has not answered before is told to come over TCP,
//! beyond twice as many as the front finds room for: it still chooses. That begins where the front
//! holds questions back itself, and the names that have answered are handed over anew each second.
//!
//! What the kernel answered is counted by sample as if the front had, so that the flood is seen to last
//! as long as it does. At first a quarter of the questions is answered; all are once the interface has
//! shown that it sends what XDP answers.

use super::dns::DnsControl;
use super::local;
use super::packets::Packets;
use seawall_dns_edge::Counter;
use seawall_dns_edge::message::{flag, name};
use seawall_dns_edge::sense::{Seen, SeenAnswer};
use seawall_kernel::{Kind, KnownNames, Moment, NameSample, Names, Rule, Said, WHOLE_SHARE};
use seawall_model::Timestamp;
use seawall_model::policy::{Mode, Policy};
use seawall_model::time::SECOND_NS;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Answers a second to one network (a /24, or a /48).
const ANSWERS_PER_S: f64 = 20_000.0;
/// A rule holds for so long, and is renewed after so long.
const HOLD_NS: i64 = 60 * SECOND_NS;
const RENEW_NS: u64 = 20 * SECOND_NS as u64;
/// Samples that are read at once.
const MOST_SAMPLES: usize = 20_000;
/// The share at first, and the answers after which the interface has shown that it sends them: more
/// than fit into the queue of a virtual interface whose other end takes nothing.
const TRIAL_SHARE: u16 = WHOLE_SHARE / 4;
const TRIAL_ANSWERS: u64 = 400;
/// Questions a second that a front holds back itself before the kernel does so for it.
const HELD_BACK_PER_S: u64 = 500;
/// Unknown names pass at so many times the rate that the front finds room for, and at this at least.
const PASSED: u64 = 2;
const PASSED_LEAST_PER_S: u64 = 100;
const PACE_NS: u64 = SECOND_NS as u64;

/// What is held back, for all fronts.
#[derive(Default)]
pub struct HeldNames {
    held: Vec<Held>,
    /// By front.
    paces: Vec<Pace>,
    renewed_ns: u64,
    answered: u64,
    /// The interface's counter of frames that were not sent.
    drops: Option<u64>,
    is_proven: bool,
    /// Nothing is handed over any more, by the interface's fault.
    is_over: bool,
    /// What was said last, so that it is said once.
    told: Option<String>,
}

/// One zone that was handed over.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    front: usize,
    /// In wire form.
    zone: Box<[u8]>,
    by: By,
    enforce: bool,
    share: u16,
}

impl Held {
    fn is_by_answers(&self) -> bool {
        matches!(self.by, By::Answers { .. })
    }

    /// The rule for it. Of a front each zone has its own, with its own limits and counters.
    fn rule(&self, words: &str, names: Names, now: Timestamp) -> Rule {
        let zone = name::text(&names.suffix);
        Rule {
            measure: format!("names-{}-{zone}", self.front),
            words: format!("{words} below {zone}, asked at front {}", self.front),
            kind: Kind::Names(names),
            expires: now.plus_ns(HOLD_NS),
            share: self.share,
            enforce: self.enforce,
        }
    }
}

/// What names are told apart by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    /// By the zone, and which set of zones is known.
    Zone { generation: u64 },
    /// By whether they have answered before, as far as was known at that time.
    Answers { passed_per_s: u64, at_ns: u64 },
}

/// What became of unknown names at a front, by its counters.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    at_ns: u64,
    unknown: u64,
    held_back: u64,
    unknown_per_s: u64,
    held_back_per_s: u64,
}

impl Pace {
    fn look(&mut self, front: &DnsControl, now_ns: u64) {
        let took_ns = now_ns.saturating_sub(self.at_ns);
        if took_ns < PACE_NS {
            return;
        }
        let [unknown, held_back] =
            [Counter::unknown, Counter::unknown_held_back].map(|counter| front.edge().count(counter));
        let per_s = |more: u64| (u128::from(more) * u128::from(PACE_NS) / u128::from(took_ns)) as u64;
        *self = Self {
            at_ns: now_ns,
            unknown,
            held_back,
            unknown_per_s: per_s(unknown - self.unknown),
            held_back_per_s: per_s(held_back - self.held_back),
        };
    }
}

impl HeldNames {
    /// Called every tick, with the fronts always in the same order. Returns what the operator should
    /// know.
    pub fn tick(&mut self, fronts: &[DnsControl], packets: &mut Packets, now: Moment) -> Option<String> {
        self.account(fronts, packets, now);
        if self.loses(packets) {
            self.is_over = true;
            self.held.clear();
            // If this fails as well, what is there ends with its time.
            let _ = packets.hold_names(Vec::new(), &Policy::default());
            return Some(
                "made-up names are left to the front: the interface does not send what XDP answers"
                    .to_owned(),
            );
        }
        let share = if self.is_proven { WHOLE_SHARE } else { TRIAL_SHARE };
        self.paces.resize(fronts.len(), Pace::default());
        self.paces.iter_mut().zip(fronts).for_each(|(pace, front)| pace.look(front, now.monotonic_ns));
        // While somebody has a front send answers to others, nobody answers in its place.
        let is_strict = fronts.iter().any(|front| front.edge().is_strict());
        let wanted = fronts.iter().enumerate().filter(|_| !is_strict);
        let wanted: Vec<Held> = wanted.flat_map(|(at, front)| self.wanted(at, front, share)).collect();
        let is_due = !wanted.is_empty() && now.monotonic_ns >= self.renewed_ns + RENEW_NS;
        if self.is_over || (wanted == self.held && !is_due) {
            return None;
        }
        self.renewed_ns = now.monotonic_ns;
        self.hand_over(wanted, fronts, packets, now)
    }

    /// Puts rules in force for what is wanted, as far as they can be.
    fn hand_over(
        &mut self,
        wanted: Vec<Held>,
        fronts: &[DnsControl],
        packets: &mut Packets,
        now: Moment,
    ) -> Option<String> {
        let policy = protecting_all(fronts.iter().map(DnsControl::policy));
        let mut room = packets.names_room();
        let mut make = |held: &Held| {
            let (rule, names) = rule(held, &fronts[held.front], room, now.wall)?;
            room -= names;
            Ok(rule)
        };
        let made = wanted.iter().map(|held| (held.clone(), make(held))).collect();
        let mut put = |rules: &[Rule]| packets.hold_names(rules.to_vec(), &policy);
        let (in_force, said) = put_in_force(made, now.wall, &mut put);
        if in_force.is_empty() {
            // What was there before would deny names that are known by now. If this fails, it ends with its time.
            let _ = packets.hold_names(Vec::new(), &policy);
        }
        self.held = wanted;
        let said = (!said.is_empty()).then(|| said.join("; "));
        let is_new = said != self.told;
        self.told.clone_from(&said);
        said.filter(|_| is_new)
    }

    /// What a front wants to hand over: the zone that is flooded, behind the known ones below it, whose
    /// names are theirs alone.
    fn wanted(&self, at: usize, front: &DnsControl, share: u16) -> Vec<Held> {
        let Some(zone) = front.flooded_zone().and_then(name::parse) else { return Vec::new() };
        let edge = front.edge();
        let enforce = front.policy().mode == Mode::Enforce;
        let share = if enforce { share } else { WHOLE_SHARE };
        let held = |zone: Box<[u8]>, by| Held { front: at, zone, by, enforce, share };
        let known = By::Zone { generation: edge.zones_generation() };
        let below = edge.known_zones_below(&zone).into_iter().map(|zone| held(zone, known));
        let by = if edge.knows_zone_of(&zone) { Some(known) } else { self.by_answers(at) };
        below.collect::<Vec<_>>().into_iter().chain(by.map(|by| held(zone, by))).collect()
    }

    /// How names of a zone that is not known are told apart, once the front has begun to hold them back.
    fn by_answers(&self, at: usize) -> Option<By> {
        let pace = self.paces[at];
        let is_on = self.held.iter().any(|h| h.front == at && h.is_by_answers());
        let passed_per_s = (PASSED * pace.unknown_per_s).max(PASSED_LEAST_PER_S);
        let is_wanted = is_on || pace.held_back_per_s >= HELD_BACK_PER_S;
        is_wanted.then_some(By::Answers { passed_per_s, at_ns: pace.at_ns })
    }

    /// Counts what the kernel took since the last call as if the fronts had.
    fn account(&mut self, fronts: &[DnsControl], packets: &mut Packets, now: Moment) {
        for _ in 0..MOST_SAMPLES {
            let Some(sample) = packets.next_name_sample() else { break };
            let Some(front) = fronts.get(usize::from(sample.front)) else { continue };
            front.edge().saw_held(&seen(&sample, now));
        }
    }

    /// Whether the interface dropped about as much as the kernel answered.
    fn loses(&mut self, packets: &Packets) -> bool {
        if self.held.is_empty() {
            self.drops = None;
            return false;
        }
        let answered = packets.names_answered();
        let answers = answered.saturating_sub(std::mem::replace(&mut self.answered, answered));
        let drops = local::send_drops(packets.interface());
        let lost = self.drops.zip(drops).map_or(0, |(before, after)| after.saturating_sub(before));
        let was_counted = std::mem::replace(&mut self.drops, drops).is_some();
        self.is_proven |= answered >= TRIAL_ANSWERS;
        was_counted && answers >= 4 && lost * 2 >= answers
    }
}

/// The policy with everybody whom one of them protects: the kernel knows one list.
fn protecting_all<'p>(policies: impl Iterator<Item = &'p Policy>) -> Policy {
    let protected = policies.flat_map(|policy| &policy.protected_clients).copied();
    Policy { protected_clients: protected.collect(), ..Policy::default() }
}

/// Puts rules in force: all at once, or each that can be. One that cannot be leaves its questions to its
/// front, and the others as they are: of a known zone below another one that goes on, all names pass.
/// Returns what is in force, and what there is to say.
fn put_in_force(
    wanted: Vec<(Held, Result<Rule, String>)>,
    now: Timestamp,
    put: &mut dyn FnMut(&[Rule]) -> Result<(), String>,
) -> (Vec<Rule>, Vec<String>) {
    let in_kernel = |held: &Held| {
        let answers = if held.enforce { "answers" } else { "would answer" };
        format!("the kernel {answers} for made-up names of {}", name::text(&held.zone))
    };
    if let Ok(all) = wanted.iter().map(|(_, rule)| rule.clone()).collect::<Result<Vec<_>, _>>()
        && put(&all).is_ok()
    {
        return (all, wanted.iter().map(|(held, _)| in_kernel(held)).collect());
    }
    let (mut in_force, mut said) = (Vec::new(), Vec::new());
    // Fronts of which a zone could neither be handed over nor left alone.
    let mut is_closed = Vec::new();
    for (held, rule) in wanted {
        let rule = rule.and_then(|rule| match held.is_by_answers() && is_closed.contains(&held.front) {
            true => Err("of a zone below it, names that exist would be held back".to_owned()),
            false => Ok(rule),
        });
        let mut add = |rule: Rule| -> Result<(), String> {
            let with = [&in_force[..], &[rule]].concat();
            put(&with)?;
            in_force = with;
            Ok(())
        };
        match rule.and_then(&mut add) {
            Ok(()) => said.push(in_kernel(&held)),
            Err(why) => {
                said.push(format!(
                    "made-up names of {} are left to the front: {why}",
                    name::text(&held.zone)
                ));
                if !held.is_by_answers() && add(left_alone(&held, now)).is_err() {
                    is_closed.push(held.front);
                }
            }
        }
    }
    if in_force.iter().all(|rule| matches!(&rule.kind, Kind::Names(names) if names.said == Said::Nothing)) {
        in_force.clear();
    }
    (in_force, said)
}

/// The rule by which all names of a zone pass.
fn left_alone(held: &Held, now: Timestamp) -> Rule {
    let names = Names {
        front: held.front as u8,
        asked_at: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        suffix: held.zone.clone(),
        known: Arc::default(),
        said: Said::Nothing,
        is_signed: false,
        answers_per_s: ANSWERS_PER_S,
    };
    held.rule("nothing", names, now)
}

/// The rule for what is handed over, and how many names it knows of, if there is `room` for so many.
///
/// # Errors
/// Why there is none.
fn rule(held: &Held, front: &DnsControl, room: usize, now: Timestamp) -> Result<(Rule, usize), String> {
    let edge = front.edge();
    let asked_at = edge.addresses().first().map(|address| asked_at(*address)).ok_or("it does not listen")?;
    let many = || format!("more than {room} names are known");
    let (suffix, known, said, is_signed) = match held.by {
        By::Zone { .. } => {
            let zone = edge.known_zone(&held.zone, room);
            let zone = zone.ok_or_else(|| format!("{}, or a wildcard answers for all", many()))?;
            let known = KnownNames { seed: zone.seed, names: zone.names, lower_bits: 24 };
            (zone.apex, known, Said::NoSuchName, zone.is_signed)
        }
        By::Answers { passed_per_s, .. } => {
            let (seed, names, lower_bits) = edge.learnt_names(room).ok_or_else(many)?;
            let names = names.into_iter().map(|hash| (hash, false)).collect();
            let said = Said::Truncated { passed_per_s: passed_per_s as f64, recurses: edge.recurses() };
            (held.zone.clone(), KnownNames { seed, names, lower_bits }, said, false)
        }
    };
    let words = if said == Said::NoSuchName { "no such name" } else { "names that have not answered" };
    let (count, known) = (known.names.len(), Arc::new(known));
    let front = u8::try_from(held.front).map_err(|_| "there are too many fronts")?;
    let names = Names { front, asked_at, suffix, known, said, is_signed, answers_per_s: ANSWERS_PER_S };
    Ok((held.rule(words, names, now), count))
}

/// An address that a listener answers at.
fn asked_at(listener: SocketAddr) -> SocketAddr {
    let is_local = |ip: &IpAddr| ip.is_ipv4() || listener.is_ipv6();
    let any = match listener.ip() {
        ip if !ip.is_unspecified() => return SocketAddr::new(ip.to_canonical(), listener.port()),
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(local::addresses().into_iter().find(is_local).unwrap_or(any), listener.port())
}

fn seen(sample: &NameSample, now: Moment) -> Seen<'_> {
    let age_ns = now.monotonic_ns.saturating_sub(sample.monotonic_ns);
    Seen {
        time: now.wall.plus_ns(-i64::try_from(age_ns).unwrap_or(0)),
        client: sample.client,
        times: sample.one_in,
        query_bytes: sample.query_bytes,
        name: &sample.name,
        kind: sample.kind,
        recursion_desired: sample.asked_flags & flag::RECURSION_DESIRED != 0,
        answer: sample.answer_bytes.map(|bytes| SeenAnswer { bytes, flags: sample.flags, records: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000 * SECOND_NS);

    const TRUNCATED: Said = Said::Truncated { passed_per_s: 1.0, recurses: false };

    fn held(front: usize, zone: &str, is_known: bool) -> Held {
        let by =
            if is_known { By::Zone { generation: 1 } } else { By::Answers { passed_per_s: 100, at_ns: 7 } };
        let zone = name::parse(zone).expect("a name");
        Held { front, zone, by, enforce: true, share: WHOLE_SHARE }
    }

    /// What is wanted, with a rule for each.
    fn wanted(all: &[(usize, &str, bool)]) -> Vec<(Held, Result<Rule, String>)> {
        let rule = |held: &Held| {
            let said = if held.is_by_answers() { TRUNCATED } else { Said::NoSuchName };
            let Kind::Names(names) = left_alone(held, NOW).kind else { unreachable!("it is about names") };
            held.rule("no such name", Names { said, ..names }, NOW)
        };
        all.iter()
            .map(|(front, zone, is_known)| held(*front, zone, *is_known))
            .map(|h| (h.clone(), Ok(rule(&h))))
            .collect()
    }

    /// What is in force with a kernel that takes what `is_taken` says of each rule: the measures and what is
    /// said of their names.
    fn in_force(
        wanted: Vec<(Held, Result<Rule, String>)>,
        is_taken: &dyn Fn(&Rule, &Names) -> bool,
    ) -> (Vec<(String, Said)>, String) {
        fn names(rule: &Rule) -> &Names {
            let Kind::Names(names) = &rule.kind else { unreachable!("it is about names") };
            names
        }
        let mut put = |rules: &[Rule]| match rules.iter().all(|rule| is_taken(rule, names(rule))) {
            true => Ok(()),
            false => Err("the kernel refuses".to_owned()),
        };
        let (rules, said) = put_in_force(wanted, NOW, &mut put);
        (rules.iter().map(|rule| (rule.measure.clone(), names(rule).said)).collect(), said.join("; "))
    }

    /// Broke: of a known zone below the one that the verdict names, names that exist were told to come
    /// over TCP.
    #[test]
    fn a_known_zone_below_has_its_own_rule_or_is_left_alone() {
        let all = || wanted(&[(0, "dyn.example.org", true), (0, "example.org", false)]);
        let (below, above) = ("names-0-dyn.example.org".to_owned(), "names-0-example.org".to_owned());
        let (rules, said) = in_force(all(), &|_, _| true);
        assert_eq!(rules, [(below.clone(), Said::NoSuchName), (above.clone(), TRUNCATED)]);
        assert!(said.contains("answers for made-up names of dyn.example.org"), "{said}");
        let (rules, said) = in_force(all(), &|_, names| names.said != Said::NoSuchName);
        assert_eq!(rules, [(below, Said::Nothing), (above, TRUNCATED)]);
        assert!(
            said.contains("names of dyn.example.org are left to the front: the kernel refuses"),
            "{said}"
        );
        let (rules, said) = in_force(all(), &|rule, _| !rule.words.contains("dyn"));
        assert_eq!(rules, []);
        assert!(said.ends_with("of a zone below it, names that exist would be held back"), "{said}");
    }

    /// A hand-over that fails: its front goes on alone, and nothing of it stays in force.
    #[test]
    fn a_rule_that_cannot_be_put_in_force_is_withdrawn_and_stops_no_other() {
        let all = || wanted(&[(0, "example.org", true), (1, "example.net", true)]);
        let (rules, said) = in_force(all(), &|_, names| names.front != 0 || names.said == Said::Nothing);
        let passing = ("names-0-example.org".to_owned(), Said::Nothing);
        assert_eq!(rules, [passing, ("names-1-example.net".to_owned(), Said::NoSuchName)]);
        assert!(said.starts_with("made-up names of example.org are left to the front"), "{said}");
        assert_eq!(in_force(all(), &|_, _| false).0, [], "what was there before is withdrawn");
        let mut too_large = all();
        too_large.truncate(1);
        too_large[0].1 = Err("more than 9 names are known".to_owned());
        let (rules, said) = in_force(too_large, &|_, _| true);
        assert_eq!(rules, []);
        assert!(said.ends_with("more than 9 names are known"), "{said}");
    }

    #[test]
    fn two_fronts_have_rules_and_counters_of_their_own() {
        let (rules, _) =
            in_force(wanted(&[(0, "example.org", true), (1, "example.org", false)]), &|_, _| true);
        let measures: Vec<_> = rules.into_iter().map(|(measure, _)| measure).collect();
        assert_eq!(measures, ["names-0-example.org", "names-1-example.org"]);
    }

    #[test]
    fn in_observe_mode_it_says_what_would_be() {
        let mut observed = wanted(&[(0, "example.org", true)]);
        observed[0].0.enforce = false;
        let (_, said) = in_force(observed, &|_, _| true);
        assert_eq!(said, "the kernel would answer for made-up names of example.org");
    }

    /// Broke: only the first front's protected clients were told to the kernel.
    #[test]
    fn who_is_protected_at_any_front_is_protected() {
        let policy = |prefix: &str| Policy {
            protected_clients: vec![prefix.parse().expect("a prefix")],
            ..Policy::default()
        };
        let both = [policy("192.0.2.0/24"), policy("2001:db8::/48")];
        assert_eq!(protecting_all(both.iter()).protected_clients.len(), 2);
    }
}
