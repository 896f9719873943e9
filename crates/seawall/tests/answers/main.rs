//! What the kernel answers in place of the DNS edge is, byte for byte, what the edge would have
//! answered; and garbage gets no other answer. Needs root and a kernel that takes the program;
//! elsewhere each test says in one line that it is skipped.

mod lab;

use lab::{Lab, TABLE, frame_of, question};
use seawall_dns_edge::exist::transfer::Soa;
use seawall_dns_edge::exist::zone::Builder;
use seawall_dns_edge::exist::{Existence, Zones};
use seawall_dns_edge::message::{Key, Query, code, flag, name, write};
use seawall_kernel::forge::Forged;
use seawall_kernel::{Kind, KnownNames, Moment, Names, Rule, Said, WHOLE_SHARE};
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;
use std::sync::Arc;

/// Same questions of one network that each processor answers in a second.
const LIMIT: u64 = 5;
const V4: [&str; 2] = ["192.0.2.7", "192.0.2.1"];
const V6: [&str; 2] = ["2001:db8::7", "2001:db8::1"];

#[test]
fn the_kernel_answers_as_the_edge_does() {
    let Some(mut lab) = Lab::new() else { return };
    for (name, kind, edns, bits) in TABLE {
        let asked = question(name, *kind, *edns, *bits);
        lab.publish(&asked);
        for ((addresses, tags), id) in [(V4, 0), (V6, 0), (V4, 1), (V6, 1)].into_iter().zip(1_u16..) {
            let mut asked = asked.clone();
            asked[..2].copy_from_slice(&id.to_be_bytes());
            // The case of letters is the asker's.
            asked[13] = asked[13].to_ascii_uppercase();
            let frame = frame_of(addresses, &vec![7; tags], &asked);
            let sent = lab.reply(&frame);
            let sent = sent.unwrap_or_else(|| panic!("{name} {kind} is answered, over {addresses:?}"));
            let wanted = lab.edge_says(&asked).expect("the edge answers from its cache");
            let [client, server] = addresses.map(|a| a.parse::<IpAddr>().expect("an address"));
            lab::check_frame(&sent, server, client, tags, &wanted);
        }
    }
    assert_eq!(lab.answers.totals().expect("totals").answers, 4 * TABLE.len() as u64);
}

#[test]
fn what_is_no_plain_question_for_a_kept_answer_is_passed_on() {
    let Some(mut lab) = Lab::new() else { return };
    let (name, kind, ..) = TABLE[0];
    let plain = question(name, kind, Some(0), 0);
    lab.publish(&plain);
    let is_answered = |lab: &mut Lab, message: &[u8]| lab.reply(&frame_of(V4, &[], message)).is_some();
    assert!(is_answered(&mut lab, &plain));
    let mut cookie = plain.clone();
    let end = cookie.len();
    cookie[end - 1] = 12;
    cookie.extend(b"\0\x0A\0\x08ABCDEFGH");
    let changed = |at: usize, to: u8| {
        let mut message = plain.clone();
        message[at] = to;
        message
    };
    let others = [
        ("a cookie", cookie),
        ("a response", changed(2, 0x80)),
        ("an update", changed(2, 0x28)),
        ("another type", question(name, 99, Some(0), 0)),
        ("another name", question("other.example.org", kind, Some(0), 0)),
        ("checking disabled", question(name, kind, Some(0), 0x0010)),
        ("DNSSEC wanted", question(name, kind, Some(0x8000), 0)),
        ("a later version of EDNS", changed(end - 5, 1)),
        ("two questions", changed(5, 2)),
        ("a byte too many", [&plain[..], &[0]].concat()),
        ("a byte too few", plain[..end - 1].to_vec()),
    ];
    for (what, message) in &others {
        assert!(!is_answered(&mut lab, message), "{what}");
    }
    for (what, addresses, port) in
        [("another host", ["192.0.2.7", "192.0.2.9"], lab::PORT), ("another port", V4, 5_355)]
    {
        let mut forged = Forged::udp(addresses[0].parse().expect("ip"), addresses[1].parse().expect("ip"));
        forged.ports = (40_000, port);
        forged.payload.clone_from(&plain);
        assert_eq!(lab.reply(&forged.frame()), None, "{what}");
    }
    lab.answers.turn(false).expect("off");
    assert!(!is_answered(&mut lab, &plain), "turned off");
}

#[test]
fn one_network_that_repeats_itself_is_left_to_the_edge() {
    let Some(mut lab) = Lab::new() else { return };
    let (name, kind, ..) = TABLE[0];
    let asked = question(name, kind, None, 0);
    lab.publish(&asked);
    lab.answers.limit(0, LIMIT as u32).expect("limits");
    let frames = [1, 2].map(|last| frame_of([&format!("198.51.100.{last}"), V4[1]], &[], &asked));
    let begun = Moment::now();
    let (mut asked, mut answered) = (0, 0);
    // The second may turn, and the processor change, in between: that is what may be answered at most.
    let most = loop {
        for frame in &frames {
            asked += 1;
            answered += u64::from(lab.reply(frame).is_some());
        }
        let seconds = (Moment::now().monotonic_ns - begun.monotonic_ns) / 1_000_000_000 + 2;
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let most = LIMIT * seconds * processors;
        if asked >= 10 * most {
            break most;
        }
    };
    assert!((LIMIT..=most).contains(&answered), "{answered} of {asked}, at most {most}");
    assert_eq!(lab.answers.totals().expect("totals").repeated, asked - answered);
}

#[test]
fn garbage_is_answered_as_the_edge_would_or_not_at_all() {
    let Some(mut lab) = Lab::new() else { return };
    for (name, kind, edns, bits) in TABLE {
        lab.publish(&question(name, *kind, *edns, *bits));
    }
    let mut dice = lab::Dice(7);
    let (mut answered, rounds) = (0, 30_000);
    for _ in 0..rounds {
        let (name, kind, edns, bits) = TABLE[dice.below(TABLE.len())];
        let mut message = question(name, kind, edns, bits);
        for _ in 0..dice.below(3) {
            let at = dice.below(message.len());
            message[at] ^= 1 << dice.below(8);
        }
        match dice.below(8) {
            0 => message.truncate(dice.below(message.len() + 1)),
            1 => message.extend((0..dice.below(40)).map(|n| n as u8)),
            _ => {}
        }
        let mut frame = frame_of(if dice.below(2) == 0 { V4 } else { V6 }, &[], &message);
        if dice.below(4) == 0 {
            let at = dice.below(42.min(frame.len()));
            frame[at] ^= 1 << dice.below(8);
        }
        let Some(sent) = lab.reply(&frame) else { continue };
        answered += 1;
        let at = if frame[12] == 8 { 42 } else { 62 };
        let wanted = lab.edge_says(&frame[at..]).expect("the edge answers this from its cache too");
        assert_eq!(sent[at..], wanted, "{frame:02x?}");
    }
    assert!((rounds / 20..rounds).contains(&answered), "both are met: {answered}");
}

/// The zone of the lab, with one name, to be held by the kernel.
fn held(zones: &Zones) -> Rule {
    let zone = zones.known(&name::parse("example.org").expect("a name"), 100).expect("known");
    let names = Names {
        front: 0,
        asked_at: (V4[1].parse::<IpAddr>().expect("an address"), lab::PORT).into(),
        suffix: zone.apex,
        known: Arc::new(KnownNames { seed: zone.seed, names: zone.names, lower_bits: 24 }),
        said: Said::NoSuchName,
        is_signed: false,
        answers_per_s: 1e9,
    };
    Rule {
        measure: "names".to_owned(),
        words: String::new(),
        kind: Kind::Names(names),
        expires: Moment::now().wall.plus_ns(600 * SECOND_NS),
        share: WHOLE_SHARE,
        enforce: true,
    }
}

#[test]
fn made_up_names_are_denied_as_the_edge_denies_them_without_records() {
    let Some(mut lab) = Lab::new() else { return };
    let mut builder = Builder::new(&name::parse("example.org").expect("a name"), 7, 100);
    builder.add(&name::parse("a.b.example.org").expect("a name"), 1).expect("room");
    let zones = Zones::new([Arc::new(builder.finish(&Soa::default()))]);
    lab.filter.apply(&[held(&zones)], Moment::now()).expect("a rule");
    for text in
        ["example.org", "b.example.org", "a.b.example.org", "made-up.b.example.org", "Made-Up.example.org"]
    {
        for edns in [None, Some(0), Some(0x8000)] {
            let asked = question(text, 28, edns, 0x0110);
            let query = Query::parse(&asked).expect("a query");
            let is_absent = matches!(zones.look(&Key::of(query.name), 28), Existence::Absent(_));
            let mut wanted = Vec::new();
            let flags = flag::AUTHORITATIVE;
            write::short(&mut wanted, &asked, &query, code::NO_SUCH_NAME, flags, &write::Opt::default());
            for addresses in [V4, V6] {
                let sent = lab.reply(&frame_of(addresses, &[7], &asked));
                assert_eq!(sent.is_some(), is_absent, "{text}");
                let [client, server] = addresses.map(|a| a.parse::<IpAddr>().expect("an address"));
                sent.iter().for_each(|sent| lab::check_frame(sent, server, client, 1, &wanted));
            }
        }
    }
}
