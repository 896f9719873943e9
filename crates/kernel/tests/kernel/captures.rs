//! Packets of captures, as they are and with bits turned over, against rules that are made of what
//! the packets themselves are like. The folder is named by `SEAWALL_CAPTURES`; without it, a flood
//! forged here stands in.

use crate::from_env;
use crate::random::{Dice, asked_of, packet};
use seawall_kernel::model::{Facts, Model, Reading, Verdict, read};
use seawall_kernel::{Act, Conjunction, Kind, Moment, Rule, WHOLE_SHARE};
use seawall_model::Prefix;
use seawall_model::time::SECOND_NS;
use std::path::Path;

/// Frames that one round tries.
const FRAMES: u64 = 2_000;
/// Longest frame that the kernel lets one try.
const LONGEST_BYTES: usize = 3_000;

/// Ethernet frames of every classic capture (libpcap's format) under a folder.
fn captured(folder: &Path, frames: &mut Vec<Vec<u8>>) {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            captured(&path, frames);
        } else if path.extension().is_some_and(|e| e == "pcap") {
            frames.extend(frames_of(&std::fs::read(&path).expect("a file")));
        }
    }
}

fn frames_of(file: &[u8]) -> Vec<Vec<u8>> {
    const MAGIC: [u32; 2] = [0xA1B2_C3D4, 0xA1B2_3C4D];
    const ETHERNET: u32 = 1;
    let word = |at: usize, is_swapped: bool| {
        let bytes: Option<[u8; 4]> = file.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map(|b| if is_swapped { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    };
    let Some(is_swapped) =
        [false, true].into_iter().find(|s| word(0, *s).is_some_and(|m| MAGIC.contains(&m)))
    else {
        return Vec::new();
    };
    let mut frames = Vec::new();
    let mut at = if word(20, is_swapped) == Some(ETHERNET) { 24 } else { file.len() };
    while let Some(bytes) = word(at + 8, is_swapped).map(|b| b as usize) {
        let Some(frame) = file.get(at + 16..(at + 16).saturating_add(bytes)) else { break };
        if (14..=LONGEST_BYTES).contains(&bytes) {
            frames.push(frame.to_vec());
        }
        at += 16 + bytes;
    }
    frames
}

/// Some of what a packet shows.
fn conjunction_of(facts: &Facts<'_>, dice: &mut Dice) -> Conjunction {
    let mut c = Conjunction::default();
    for _ in 0..=dice.below(3) {
        match dice.below(12) {
            0 => c.source = Some(Prefix::network_of(facts.source)),
            1 => c.destination = Some(Prefix::host(facts.destination)),
            2 => c.protocol = Some(facts.protocol),
            3 => c.source_port = facts.ports.map(|p| (p.0, p.0)),
            4 => c.destination_port = facts.ports.map(|p| (p.1.saturating_sub(10), p.1)),
            5 => c.length_bytes = Some((facts.length_bytes, facts.length_bytes + 100)),
            6 => c.ttl = Some((facts.ttl.saturating_sub(8), facts.ttl)),
            7 => c.tcp_flags = facts.tcp.map(|t| t.flags),
            8 => c.tcp_options = facts.tcp.map(|t| t.options),
            9 => c.fragment = Some(facts.fragment),
            10 => c.icmp_type = facts.icmp_type,
            _ => {
                let first = facts.payload.len().min(1 + dice.below(16) as usize);
                c.payload = asked_of(&facts.payload[..first], dice);
            }
        }
    }
    c
}

fn rules(frames: &[Vec<u8>], dice: &mut Dice, now: Moment) -> Vec<Rule> {
    let mut rules = Vec::new();
    for n in 0..8 {
        let frame = &frames[dice.below(frames.len() as u64) as usize];
        let Reading::Packet(facts) = read(frame) else { continue };
        let kind = if dice.one_in(4) {
            Kind::Block(vec![Prefix::host(facts.source)])
        } else {
            Kind::Match(conjunction_of(&facts, dice), Act::Drop)
        };
        if matches!(&kind, Kind::Match(c, _) if c.is_empty()) {
            continue;
        }
        rules.push(Rule {
            measure: format!("m{n}-{}", dice.word()),
            words: String::new(),
            kind,
            expires: now.wall.plus_ns(3_600 * SECOND_NS),
            share: WHOLE_SHARE,
            enforce: true,
        });
    }
    rules
}

#[test]
fn the_program_decides_on_captured_packets_as_its_model() {
    let Some(mut filter) = crate::loaded() else { return };
    let mut dice = Dice::new(1);
    let mut frames = Vec::new();
    match std::env::var_os("SEAWALL_CAPTURES") {
        Some(folder) => captured(Path::new(&folder), &mut frames),
        None => frames.extend((0..500).map(|_| packet(&mut dice).frame())),
    }
    assert!(frames.len() >= 100, "{} frames", frames.len());
    let rounds = from_env("SEAWALL_CAPTURE_ROUNDS", 10);
    let (mut tried, mut dropped) = (0_u64, 0_u64);
    for round in 0..rounds {
        let now = Moment::now();
        let rules = rules(&frames, &mut dice, now);
        filter.apply(&rules, now).expect("rules");
        let mut model = Model::new(rules, Vec::new());
        for _ in 0..FRAMES {
            let mut frame = frames[dice.below(frames.len() as u64) as usize].clone();
            if dice.one_in(3) {
                let bit = dice.below(frame.len() as u64 * 8) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            let (is_dropped, _) = filter.try_frame(&frame, 1).expect("a run");
            let wanted = model.verdict(&frame, now.wall) == Verdict::Drop;
            assert_eq!(is_dropped, wanted, "round {round}: {frame:02x?}\n{model:#?}");
            tried += 1;
            dropped += u64::from(is_dropped);
        }
    }
    eprintln!("{tried} frames of {} captured, {dropped} dropped, all as the model says", frames.len());
    assert!(dropped > tried / 100 && dropped < tried, "both verdicts are met: {dropped} of {tried}");
}
