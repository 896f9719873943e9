//! Made-up names held back by the kernel: while somebody floods a front of name servers with them, the
//! kernel filter says what the front would say.
//!
//! Of a zone that the front knows, names that do not exist are denied; a changed zone is handed over
//! at once. Of any other, who asks for a name that has not answered before is told to come over TCP,
//! beyond twice as many as the front finds room for: it still chooses. That begins where the front
//! holds questions back itself, and the names that have answered are handed over anew each second.
//!
//! What the kernel answered is counted by sample as if the front had, so that the flood is seen to last
//! as long as it does. At first a quarter of the flows is answered; all are once the interface has
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
    /// The flooded one, in wire form.
    zone: Box<[u8]>,
    by: By,
    enforce: bool,
    share: u16,
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
        let wanted: Vec<Held> = wanted.filter_map(|(at, front)| self.wanted(at, front, share)).collect();
        let is_due = !wanted.is_empty() && now.monotonic_ns >= self.renewed_ns + RENEW_NS;
        if self.is_over || (wanted == self.held && !is_due) {
            return None;
        }
        self.renewed_ns = now.monotonic_ns;
        self.hand_over(wanted, fronts, packets, now)
    }

    /// Puts rules in force for what is wanted, as far as they can be: one that cannot be leaves its questions to
    /// its front, and the others as they are.
    fn hand_over(
        &mut self,
        wanted: Vec<Held>,
        fronts: &[DnsControl],
        packets: &mut Packets,
        now: Moment,
    ) -> Option<String> {
        let policy = fronts.first().map_or_else(Policy::default, |front| front.policy().clone());
        let mut room = packets.names_room();
        let (mut in_force, mut said) = (Vec::new(), Vec::new());
        for held in &wanted {
            let text = name::text(&held.zone);
            let left = |why: &str| format!("made-up names of {text} are left to the front: {why}");
            let Some((rule, names)) = rule(held, &fronts[held.front], room, now.wall) else {
                let why = format!("more than {room} names are known, or a wildcard answers for all");
                said.push(left(&why));
                continue;
            };
            let with = [&in_force[..], &[rule]].concat();
            match packets.hold_names(with.clone(), &policy) {
                Ok(()) => {
                    let answers = if held.enforce { "answers" } else { "would answer" };
                    said.push(format!("the kernel {answers} for made-up names of {text}"));
                    (in_force, room) = (with, room - names);
                }
                Err(why) => said.push(left(&why)),
            }
        }
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

    /// What a front wants to hand over.
    fn wanted(&self, at: usize, front: &DnsControl, share: u16) -> Option<Held> {
        let zone = name::parse(front.flooded_zone()?)?;
        let before = self.held.iter().find(|h| h.front == at && matches!(h.by, By::Answers { .. }));
        let by = if front.edge().knows_zone_of(&zone) {
            By::Zone { generation: front.edge().zones_generation() }
        } else {
            let pace = self.paces[at];
            if before.is_none() && pace.held_back_per_s < HELD_BACK_PER_S {
                return None;
            }
            let passed_per_s = (PASSED * pace.unknown_per_s).max(PASSED_LEAST_PER_S);
            By::Answers { passed_per_s, at_ns: pace.at_ns }
        };
        let enforce = front.policy().mode == Mode::Enforce;
        let share = if enforce { share } else { WHOLE_SHARE };
        Some(Held { front: at, zone, by, enforce, share })
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

/// The rule for what is handed over, and how many names it knows of, if its front knows enough, and no more than
/// there is `room` for.
fn rule(held: &Held, front: &DnsControl, room: usize, now: Timestamp) -> Option<(Rule, usize)> {
    let edge = front.edge();
    let asked_at = edge.addresses().first().map(|address| asked_at(*address))?;
    let (suffix, known, said, is_signed) = match held.by {
        By::Zone { .. } => {
            let zone = edge.known_zone(&held.zone, room)?;
            let known = KnownNames { seed: zone.seed, names: zone.names, lower_bits: 24 };
            (zone.apex, known, Said::NoSuchName, zone.is_signed)
        }
        By::Answers { passed_per_s, .. } => {
            let (seed, names, lower_bits) = edge.learnt_names(room)?;
            let names = names.into_iter().map(|hash| (hash, false)).collect();
            let said = Said::Truncated { passed_per_s: passed_per_s as f64 };
            (held.zone.clone(), KnownNames { seed, names, lower_bits }, said, false)
        }
    };
    let what = if said == Said::NoSuchName { "no such name" } else { "names that have not answered" };
    let count = known.names.len();
    let rule = Rule {
        measure: format!("names-{}", held.front),
        words: format!("{what} below {}, asked at front {}", name::text(&suffix), held.front),
        kind: Kind::Names(Names {
            front: u8::try_from(held.front).ok()?,
            asked_at,
            suffix,
            known: Arc::new(known),
            said,
            is_signed,
            answers_per_s: ANSWERS_PER_S,
        }),
        expires: now.plus_ns(HOLD_NS),
        share: held.share,
        enforce: held.enforce,
    };
    Some((rule, count))
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
