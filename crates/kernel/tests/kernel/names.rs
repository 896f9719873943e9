//! Questions for names that are not known: the program takes, answers and leaves alone as its model
//! does, byte for byte.

use crate::from_env;
use crate::peer::{Peer, inside};
use crate::random::Dice;
use seawall_kernel::forge::Forged;
use seawall_kernel::model::{Model, Outcome};
use seawall_kernel::{
    Act, Conjunction, DnsAnswers, DnsListener, KernelFilter, Kind, KnownNames, Moment, Names, Rule, Said,
    Settings, WHOLE_SHARE, XdpFilter, running,
};
use seawall_model::hash;
use seawall_model::policy::Policy;
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;
use std::sync::Arc;

/// Rule sets, and frames for each.
const ROUNDS: u64 = 40;
const FRAMES: u64 = 400;
const SERVERS: [&str; 2] = ["192.0.2.53", "2001:db8::53"];
const PORT: u16 = 53;
const SUFFIXES: [&str; 4] =
    ["example.org", "deep.example.org", "org", "a.very.long.name.of.many.labels.example"];
const LABELS: [&str; 8] = ["www", "mail", "deep", "a", "x1", "made-up", "example", "org"];

fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|l| !l.is_empty());
    let mut wire: Vec<u8> = labels.flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    wire.push(0);
    wire
}

/// A name and its parents up to the suffix, as a set has them.
fn add(known: &mut KnownNames, suffix: &str, below: &[&str], is_open: bool) {
    let mut at = suffix.split('.').rev().fold(known.seed, |at, label| hash::child_name(at, label.as_bytes()));
    for (depth, label) in (1..).zip(below.iter().rev()) {
        at = hash::child_name(at, label.as_bytes());
        known.names.push((at, is_open && depth == below.len()));
    }
}

fn rules(dice: &mut Dice, now: Moment) -> Vec<Rule> {
    let count = 1 + dice.below(4);
    let mut suffixes = SUFFIXES.to_vec();
    (0..count)
        .map(|n| {
            let suffix = suffixes.swap_remove(dice.below(suffixes.len() as u64) as usize);
            let mut known = KnownNames { seed: dice.word(), names: Vec::new(), lower_bits: 24 };
            for _ in 0..dice.below(6) {
                let below: Vec<&str> = (0..=dice.below(3)).map(|_| dice.pick(&LABELS)).collect();
                add(&mut known, suffix, &below, dice.one_in(4));
            }
            // So slow that a run of the test sees no packet's worth of time pass.
            let said = dice.pick(&[
                Said::NoSuchName,
                Said::Nothing,
                Said::Truncated { passed_per_s: 0.001, recurses: true },
            ]);
            let names = Names {
                front: u8::from(dice.one_in(6)),
                asked_at: (SERVERS[0].parse::<IpAddr>().expect("an address"), PORT).into(),
                suffix: wire(suffix).into(),
                known: Arc::new(known),
                said,
                is_signed: dice.one_in(3),
                answers_per_s: if dice.one_in(3) { 0.001 } else { 1e9 },
            };
            Rule {
                measure: format!("n{n}-{}", dice.word()),
                words: String::new(),
                kind: Kind::Names(names),
                expires: now.wall.plus_ns(if dice.one_in(8) { -1 } else { 3_600 * SECOND_NS }),
                share: dice.pick(&[WHOLE_SHARE, WHOLE_SHARE, 512]),
                enforce: !dice.one_in(6),
            }
        })
        .collect()
}

/// A name as it may be asked for: mostly below a suffix, of any length and depth.
fn name(dice: &mut Dice) -> Vec<u8> {
    let mut wire = Vec::new();
    match dice.below(8) {
        0 => (0..dice.below(128)).for_each(|_| wire.extend([1, b'a'])),
        1 => (0..dice.below(5)).for_each(|_| {
            let label = vec![b'l'; 1 + dice.below(63) as usize];
            wire.extend([&[label.len() as u8], &label[..]].concat());
        }),
        _ => {
            let below: Vec<&str> = (0..dice.below(4)).map(|_| dice.pick(&LABELS)).collect();
            wire.extend(self::wire(&below.join(".")));
            wire.pop();
        }
    }
    if !dice.one_in(8) {
        wire.extend(self::wire(dice.pick(&SUFFIXES)));
    } else {
        wire.push(0);
    }
    if dice.one_in(3) {
        wire.iter_mut()
            .filter(|b| dice.one_in(2) && b.is_ascii_lowercase())
            .for_each(|b| b.make_ascii_uppercase());
    }
    wire
}

fn message(dice: &mut Dice) -> Vec<u8> {
    let mut message =
        vec![dice.word() as u8, dice.word() as u8, dice.pick(&[0, 0, 0, 1, 1, 1, 1, 0x80, 0x28]), 0x10];
    let has_opt = dice.one_in(2);
    message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(has_opt)]);
    message.extend(name(dice));
    message.extend([0, dice.pick(&[1, 1, 1, 1, 28, 28, 255, 252, 0]), 0, 1]);
    if has_opt {
        let options: Vec<u8> = match dice.below(8) {
            0 => [&[0, 10, 0, 8][..], &[7; 8]].concat(),
            1 => [&[0, 12, 0, 40][..], &[0; 40]].concat(),
            2 => [0, 3, 0, 0].repeat(dice.below(10) as usize),
            _ => Vec::new(),
        };
        message.extend([0, 0, 41, 0x10, 0, 0, 0, dice.pick(&[0, 0x80]), 0]);
        message.extend((options.len() as u16).to_be_bytes());
        message.extend(options);
    }
    match dice.below(12) {
        0 => message.truncate(dice.below(message.len() as u64 + 1) as usize),
        1 => message.extend([0; 3]),
        2 => {
            let at = dice.below(message.len() as u64) as usize;
            message[at] = dice.word() as u8;
        }
        // A pointer in the question.
        3 => message[12] = 0xC0,
        _ => {}
    }
    message
}

fn frame(dice: &mut Dice) -> Vec<u8> {
    let is_v4 = dice.one_in(2);
    let source: IpAddr = match is_v4 {
        true => [198, dice.pick(&[18, 20, 22, 18]), dice.below(3) as u8, dice.below(9) as u8].into(),
        false => [0x2001, 0xdb8, dice.below(3) as u16, 0, 0, 0, 0, 9].into(),
    };
    let mut forged = Forged::udp(source, SERVERS[usize::from(!is_v4)].parse().expect("an address"));
    forged.tags = vec![7; dice.pick(&[0, 0, 0, 1, 1, 2])];
    forged.ports = (1_024 + dice.below(4) as u16, if dice.one_in(20) { 5_353 } else { PORT });
    forged.payload = message(dice);
    let mut frame = forged.frame();
    match dice.below(10) {
        0 => frame.truncate(14 + dice.below(frame.len() as u64 - 14) as usize),
        1 => {
            let bit = dice.below(frame.len() as u64 * 8) as usize;
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        2 => frame.resize(frame.len() + 9, 0),
        _ => {}
    }
    frame
}

pub fn listeners() -> Vec<DnsListener> {
    let listener =
        |address: &str| DnsListener { address: address.parse().expect("an address"), port: PORT, front: 0 };
    SERVERS.map(listener).to_vec()
}

/// The filter and its tables, listening.
fn loaded() -> Option<(XdpFilter, DnsAnswers)> {
    drop(crate::loaded()?);
    let mut filter = XdpFilter::load_with_dns(64, [7; 2]).expect("the kernel takes it");
    let mut answers = filter.take_dns().expect("tables");
    answers.listen(&listeners()).expect("listeners");
    Some((filter, answers))
}

#[test]
fn questions_are_taken_and_answered_as_by_the_model() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let (rounds, frames) = (from_env("SEAWALL_ROUNDS", ROUNDS), from_env("SEAWALL_FRAMES", FRAMES));
    let (mut answered, mut dropped) = (0_u64, 0_u64);
    for round in 0..rounds {
        let mut dice = Dice::new(round ^ 0xD15);
        let now = Moment::now();
        let mut rules = rules(&mut dice, now);
        rules.extend(crate::random::rules(&mut dice, now.wall.plus_ns(3_600 * SECOND_NS), false));
        let protected = ["198.20.1.0/24".parse().expect("a prefix")];
        filter.protect(&protected).expect("protected prefixes");
        filter.apply(&rules, now).expect("rules");
        let mut model = Model::new(rules, protected.to_vec());
        model.listeners = listeners();
        for number in 0..frames {
            let frame = frame(&mut dice);
            if frame.len() < 14 {
                continue;
            }
            let outcome = filter.outcome(&frame).expect("a run");
            let wanted = model.outcome(&frame, now.wall);
            assert_eq!(outcome, wanted, "round {round}, frame {number}: {frame:02x?}\n{:#?}", model.rules);
            match outcome {
                Outcome::Reply(sent) => {
                    answered += 1;
                    assert!(sent.len() <= frame.len(), "no longer than what came in");
                }
                Outcome::Drop => dropped += 1,
                Outcome::Pass => {}
            }
        }
    }
    eprintln!("{} frames, {answered} answered, {dropped} dropped, all as the model says", rounds * frames);
    assert!(answered * 100 > rounds * frames && dropped * 100 > rounds * frames, "all outcomes are met");
}

/// The rule for a zone of so many names, `n0` and on, and their parent.
fn zone(names: u32, now: Moment) -> Rule {
    let mut known = KnownNames { seed: 7, names: Vec::new(), lower_bits: 24 };
    for n in 0..names {
        add(&mut known, "example.org", &[&format!("n{n}")], false);
    }
    let names = Names {
        front: 0,
        asked_at: (SERVERS[0].parse::<IpAddr>().expect("an address"), PORT).into(),
        suffix: wire("example.org").into(),
        known: Arc::new(known),
        said: Said::NoSuchName,
        is_signed: false,
        answers_per_s: 1e9,
    };
    Rule {
        measure: "names".to_owned(),
        words: "no such name below example.org".to_owned(),
        kind: Kind::Names(names),
        expires: now.wall.plus_ns(3_600 * SECOND_NS),
        share: WHOLE_SHARE,
        enforce: true,
    }
}

fn asked(name: &str) -> Vec<u8> {
    let mut forged = Forged::udp([198, 51, 100, 7].into(), SERVERS[0].parse().expect("an address"));
    forged.ports = (40_000, PORT);
    forged.payload = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &wire(name), &[0, 1, 0, 1]].concat();
    forged.frame()
}

#[test]
fn no_name_of_a_zone_is_taken_however_full_the_set_is() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let (now, room) = (Moment::now(), filter.names_room() as u32);
    // At three names to a bucket hardly one is full; with as many names as there are places, about half.
    for (count, least) in [(3_000, 950), (room / 8 * 3, 950), (room, 300)] {
        filter.apply(&[zone(count, now)], now).expect("rules");
        let mut outcome = |name: String| filter.outcome(&asked(&name)).expect("a run");
        for n in (0..count).step_by((count / 3_000) as usize) {
            assert_eq!(outcome(format!("n{n}.example.org")), Outcome::Pass, "{n} of {count}");
        }
        let made_up = (0..1_000).map(|n| outcome(format!("m{n}.example.org")));
        let taken = made_up.filter(|o| matches!(o, Outcome::Reply(_))).count();
        assert!(taken > least, "{taken} of 1000 with {count} names");
    }
    assert!(filter.apply(&[zone(room + 1, now)], now).is_err(), "too many");
    assert_eq!(
        filter.outcome(&asked("n1.example.org")).expect("a run"),
        Outcome::Pass,
        "the former rules stay"
    );
}

#[test]
fn rules_about_names_end_and_only_observe_where_they_are_told_to() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let now = Moment::now();
    let is_taken = |filter: &mut XdpFilter, rule: &Rule| {
        filter.apply(std::slice::from_ref(rule), now).expect("a rule");
        filter.outcome(&asked("made-up.example.org")).expect("a run") != Outcome::Pass
    };
    let rule = zone(9, now);
    assert!(is_taken(&mut filter, &rule));
    let would_drop = filter.totals(false).expect("totals").would_drop;
    assert!(!is_taken(&mut filter, &Rule { enforce: false, ..rule.clone() }));
    assert_eq!(filter.totals(false).expect("totals").would_drop, would_drop + 1);
    assert!(!is_taken(&mut filter, &Rule { expires: now.wall, ..rule.clone() }));
    assert!(is_taken(&mut filter, &rule));
    let shown: Vec<_> = running().expect("the status").into_iter().flat_map(|filter| filter.names).collect();
    assert!(
        shown.iter().any(|s| s.words == rule.words && s.enforce && s.counts.dropped_packets >= 1),
        "{shown:?}"
    );
    assert!(filter.audit().expect("an audit").is_empty(), "what is in force is what was written");
    filter.apply(&[], now).expect("nothing");
    assert_eq!(filter.outcome(&asked("made-up.example.org")).expect("a run"), Outcome::Pass);
}

/// The rule for a zone of which only these names are known, because they have answered.
fn answered(suffix: &str, names: &[&str], now: Moment) -> Rule {
    let mut rule = zone(0, now);
    let mut known = KnownNames { seed: 8, names: Vec::new(), lower_bits: 24 };
    for name in names {
        let below: Vec<&str> = name.split('.').collect();
        add(&mut known, suffix, &below, false);
        // Only the name itself has answered, and none of its parents.
        let own = known.names.len() - 1;
        known.names.drain(known.names.len() - below.len()..own);
    }
    let Kind::Names(held) = &mut rule.kind else { unreachable!("it is about names") };
    held.suffix = wire(suffix).into();
    held.known = Arc::new(known);
    held.said = Said::Truncated { passed_per_s: 0.001, recurses: false };
    rule.measure = format!("names-{suffix}");
    rule
}

/// Broke: a made-up name of many labels passed the rule and its limit.
#[test]
fn names_of_many_labels_are_taken_as_others_are() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let now = Moment::now();
    let name = |labels: usize| format!("{}example.org", "a.".repeat(labels));
    let real = "b.".repeat(32);
    filter.apply(&[answered("example.org", &[real.trim_end_matches('.')], now)], now).expect("a rule");
    let mut outcome = |name: &str| filter.outcome(&asked(name)).expect("a run");
    assert_eq!(outcome(&name(1)), Outcome::Pass, "the one that passes");
    for labels in [1, 16, 17, 33, 40, 41, 60, 120] {
        assert!(matches!(outcome(&name(labels)), Outcome::Reply(_)), "{labels} labels");
    }
    assert_eq!(outcome(&format!("{real}example.org")), Outcome::Pass, "as long as an address in IPv6");
    filter.apply(&[zone(9, now)], now).expect("a rule");
    assert!(matches!(filter.outcome(&asked(&name(120))).expect("a run"), Outcome::Reply(_)), "of a zone too");
}

/// Broke: of a known zone below the flooded one, names that exist were told to come over TCP.
#[test]
fn a_zone_below_is_judged_by_its_own_rule_or_left_alone() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let now = Moment::now();
    let above = answered("org", &["www"], now);
    let mut outcome = |rules: &[Rule], name: &str| {
        filter.apply(rules, now).expect("rules");
        // What passes of names that are not known is used up first.
        filter.outcome(&asked("used-up.org")).expect("a run");
        filter.outcome(&asked(name)).expect("a run")
    };
    let mut alone = zone(9, now);
    let Kind::Names(held) = &mut alone.kind else { unreachable!("it is about names") };
    held.said = Said::Nothing;
    for rules in [[above.clone(), zone(9, now)], [above.clone(), alone.clone()]] {
        assert_eq!(outcome(&rules, "n3.example.org"), Outcome::Pass, "it exists");
        assert!(matches!(outcome(&rules, "m3.org"), Outcome::Reply(_)), "the domain above");
    }
    assert!(matches!(outcome(&[above.clone(), zone(9, now)], "m3.example.org"), Outcome::Reply(_)));
    assert_eq!(outcome(&[above, alone], "m3.example.org"), Outcome::Pass, "left alone");
}

#[test]
fn fronts_have_rules_of_their_own() {
    let Some((mut filter, mut answers)) = loaded() else { return };
    let mut both = listeners();
    both[1].front = 1;
    answers.listen(&both).expect("listeners");
    let now = Moment::now();
    let (first, mut second) = (zone(9, now), answered("example.org", &["n3"], now));
    let Kind::Names(held) = &mut second.kind else { unreachable!("it is about names") };
    held.front = 1;
    filter.apply(&[first, second], now).expect("rules");
    let asked_at = |front: usize, name: &str| {
        let source: IpAddr =
            if front == 0 { [198, 51, 100, 7].into() } else { [0x2001, 0xdb8, 1, 0, 0, 0, 0, 9].into() };
        let mut forged = Forged::udp(source, SERVERS[front].parse().expect("an address"));
        forged.ports = (40_000, PORT);
        forged.payload = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &wire(name), &[0, 1, 0, 1]].concat();
        forged.frame()
    };
    let mut code = |front: usize, name: &str| match filter.outcome(&asked_at(front, name)).expect("a run") {
        Outcome::Reply(sent) => Some([sent[44], sent[45], sent[64], sent[65]]),
        _ => None,
    };
    code(1, "used-up.example.org");
    let denied = code(0, "m1.example.org").map(|flags| flags[1] & 15);
    let told_to_come = code(1, "m1.example.org").map(|flags| flags[2] & 2);
    assert_eq!((denied, told_to_come), (Some(3), Some(2)), "no such name, and TC");
    assert_eq!((code(0, "n3.example.org"), code(1, "n3.example.org")), (None, None));
    assert_eq!((code(0, "n4.example.org"), code(1, "n4.example.org").is_some()), (None, true));
}

/// Broke: a flood of a single flow was outside of a share of flows for ever, or wholly inside.
#[test]
fn a_share_is_one_of_questions_whatever_flow_they_are_of() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let now = Moment::now();
    filter.apply(&[Rule { share: WHOLE_SHARE / 4, ..zone(9, now) }], now).expect("a rule");
    let mut taken = |frames: &mut dyn Iterator<Item = Vec<u8>>| {
        frames.filter(|frame| filter.outcome(frame).expect("a run") != Outcome::Pass).count()
    };
    let many = taken(&mut (0..1_000).map(|n| asked(&format!("m{n}.example.org"))));
    let again = taken(&mut (0..1_000_u16).map(|number| {
        let mut frame = asked("made-up.example.org");
        frame[42..44].copy_from_slice(&number.to_be_bytes());
        frame
    }));
    for taken in [many, again] {
        assert!((180..330).contains(&taken), "{taken} of 1000");
    }
}

/// Broke: what a signature dropped was sampled as passed while there were rules about names.
#[test]
fn samples_tell_what_became_of_a_question() {
    let Some((mut filter, _answers)) = loaded() else { return };
    let now = Moment::now();
    let conjunction =
        Conjunction { protocol: Some(17), destination_port: Some((PORT, PORT)), ..Conjunction::default() };
    let signature =
        Rule { kind: Kind::Match(conjunction, Act::Drop), measure: "all".to_owned(), ..zone(0, now) };
    filter.apply(&[signature, zone(9, now)], now).expect("rules");
    filter.sample(1_000_000).expect("a rate");
    let mut sampled = |name: &str| {
        let outcome = filter.outcome(&asked(name)).expect("a run");
        let samples: Vec<_> =
            std::iter::from_fn(|| filter.next_sample()).filter(|s| !s.is_outgoing).collect();
        (outcome == Outcome::Drop, samples.iter().map(|s| s.is_dropped).collect::<Vec<_>>())
    };
    assert_eq!(sampled("www.example.net"), (true, vec![true]), "by the signature");
    assert_eq!(sampled("n3.example.org"), (false, vec![false]), "known");
    assert_eq!(sampled("m3.example.org"), (false, vec![false]), "answered");
}

/// A set whose buckets are full says nothing: the rule takes no name, and that is no mistake of the program.
#[test]
fn a_rule_whose_set_is_full_goes_live_and_takes_nothing() {
    if inside("names::a_rule_whose_set_is_full_goes_live_and_takes_nothing") != Some(true) {
        return;
    }
    let _peer = Peer::new();
    let mut filter = KernelFilter::start(&Settings {
        interface: "near".to_owned(),
        session: Vec::new(),
        samples_per_s: 1_000,
        dns_answers: 64,
        secret: [7; 2],
    })
    .expect("the filter starts");
    let mut answers = filter.take_dns().expect("it answers").expect("tables");
    answers.listen(&listeners()).expect("listeners");
    let now = Moment::now();
    let mut full = zone(2_000, now);
    let Kind::Names(held) = &mut full.kind else { unreachable!("it is about names") };
    Arc::make_mut(&mut held.known).lower_bits = 6;
    let policy = Policy::default();
    filter.hold_names(vec![full], &policy, now).expect("it is put in force");
    filter.hold_names(vec![zone(9, now)], &policy, now).expect("and so is another");
    let mut unheard = zone(9, now);
    let Kind::Names(held) = &mut unheard.kind else { unreachable!("it is about names") };
    held.asked_at.set_port(5_353);
    let refused =
        filter.hold_names(vec![unheard], &policy, now).expect_err("nobody listens there").to_string();
    assert!(refused.starts_with("the rule \"no such name below example.org\" stays off"), "{refused}");
}
