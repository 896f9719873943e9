//! Generations in the running kernel.

use seawall_kernel::forge::Forged;
use seawall_kernel::{Kind, Moment, Rule, WHOLE_SHARE, XdpFilter};
use seawall_model::Prefix;
use seawall_model::time::SECOND_NS;

fn block(prefixes: &[&str], now: Moment, seconds: i64) -> Rule {
    Rule {
        measure: "m1".to_owned(),
        words: String::new(),
        kind: Kind::Block(prefixes.iter().map(|p| p.parse::<Prefix>().expect("a prefix")).collect()),
        expires: now.wall.plus_ns(seconds * SECOND_NS),
        share: WHOLE_SHARE,
        enforce: true,
    }
}

fn is_dropped(filter: &mut XdpFilter, source: &str) -> bool {
    let source: std::net::IpAddr = source.parse().expect("an address");
    let destination = if source.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" };
    let frame = Forged::udp(source, destination.parse().expect("an address")).frame();
    filter.try_frame(&frame, 1).expect("a run").0
}

#[test]
fn a_blocked_source_is_dropped_until_its_time_and_others_pass() {
    let Some(mut filter) = crate::loaded() else { return };
    let now = Moment::now();
    assert!(!is_dropped(&mut filter, "198.51.100.7"));
    filter.apply(&[block(&["198.51.100.7/32", "2001:db8:7::/48"], now, 60)], now).expect("rules");
    assert!(is_dropped(&mut filter, "198.51.100.7"));
    assert!(is_dropped(&mut filter, "2001:db8:7::9"));
    assert!(!is_dropped(&mut filter, "198.51.100.8"));
    // As if the block had been made sixty seconds before its end, and nobody had come since: the
    // entry is there, and no longer counts.
    let past = Moment { monotonic_ns: now.monotonic_ns.saturating_sub(61 * SECOND_NS as u64), ..now };
    filter.apply(&[], now).expect("no rules");
    filter.apply(&[block(&["198.51.100.7/32"], now, 60)], past).expect("rules");
    assert!(!is_dropped(&mut filter, "198.51.100.7"));
}

#[test]
fn a_generation_takes_the_place_of_the_one_before_it() {
    let Some(mut filter) = crate::loaded() else { return };
    let now = Moment::now();
    filter.apply(&[block(&["198.51.100.0/24", "203.0.113.1"], now, 60)], now).expect("rules");
    filter.apply(&[block(&["198.51.100.0/24", "203.0.113.2"], now, 60)], now).expect("rules");
    assert!(is_dropped(&mut filter, "198.51.100.9"));
    assert!(!is_dropped(&mut filter, "203.0.113.1"));
    assert!(is_dropped(&mut filter, "203.0.113.2"));
    let counts = filter.counts().expect("counts");
    assert_eq!(counts[0].1.dropped_packets, 2);
    filter.protect(&["198.51.100.9".parse().expect("a prefix")]).expect("protected");
    assert!(!is_dropped(&mut filter, "198.51.100.9"));
    filter.apply(&[], now).expect("no rules");
    assert!(!is_dropped(&mut filter, "203.0.113.2"));
}

#[test]
fn many_blocks_are_all_found_and_nobody_else_is_met() {
    let Some(mut filter) = crate::loaded() else { return };
    let now = Moment::now();
    // As full as tables get: a power of two of buckets with eight keys each, or two of IPv6.
    let v4 = |n: u32| std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761)).to_string();
    let v6 = |n: u32| format!("2001:db8:{:x}:{:x}::{n:x}", n % 7, n >> 4);
    let all: Vec<String> = (0..16_384).map(v4).chain((0..8_192).map(v6)).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    filter.apply(&[block(&names, now, 60)], now).expect("rules");
    for name in &names {
        assert!(is_dropped(&mut filter, name), "{name}");
    }
    for name in (16_384..20_000).map(v4).chain((8_192..12_000).map(v6)) {
        assert!(!is_dropped(&mut filter, &name), "{name}");
    }
    // The next generation is in the other bank, and shares nothing with this one.
    let names: Vec<&str> = names.into_iter().step_by(2).collect();
    filter.apply(&[block(&names, now, 60)], now).expect("rules");
    for (number, name) in all.iter().enumerate() {
        assert_eq!(is_dropped(&mut filter, name), number % 2 == 0, "{name}");
    }
    assert_eq!(filter.audit().expect("an audit"), Vec::<String>::new());
}
