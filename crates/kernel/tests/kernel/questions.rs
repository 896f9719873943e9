//! Rules about what name servers are asked, by a plan's own signatures.

use seawall_kernel::forge::Forged;
use seawall_kernel::{Act, Kind, Moment, Rule, WHOLE_SHARE, XdpFilter, conjunction};
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::time::SECOND_NS;

fn rule(tests: Vec<Test>, now: Moment) -> Rule {
    let unknown = ShareEstimate { share: 0.5, low: 0.0, high: 1.0 };
    let signature = Signature {
        layer: Layer::Dns,
        tests,
        attack: unknown,
        baseline: None,
        baseline_clients: None,
        examples: Vec::new(),
    };
    Rule {
        measure: signature.to_string(),
        words: String::new(),
        kind: Kind::Match(conjunction(&signature).expect("the kernel can test it"), Act::Drop),
        expires: now.wall.plus_ns(60 * SECOND_NS),
        share: WHOLE_SHARE,
        enforce: true,
    }
}

fn is_dropped(filter: &mut XdpFilter, port: u16, flags: [u8; 2], name: &str, dns_type: u8) -> bool {
    let mut forged =
        Forged::udp("198.51.100.7".parse().expect("an address"), "192.0.2.53".parse().expect("an address"));
    forged.ports.1 = port;
    forged.payload = vec![0, 7, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|l| !l.is_empty()) {
        forged.payload.push(label.len() as u8);
        forged.payload.extend(label.bytes());
    }
    forged.payload.extend([0, 0, dns_type, 0, 1]);
    filter.try_frame(&forged.frame(), 1).expect("a run").0
}

#[test]
fn questions_for_names_below_a_suffix_are_dropped_and_no_others() {
    let Some(mut filter) = crate::loaded() else { return };
    let now = Moment::now();
    filter.apply(&[rule(vec![Test::DnsSuffix("shop.example.net".into())], now)], now).expect("a rule");
    let mut asked = |name: &str| is_dropped(&mut filter, 53, [1, 0], name, 1);
    assert!(asked("x7q2.shop.example.net") && asked("SHOP.Example.NET") && asked("a.b.c.shop.example.net"));
    let long = "a-long-label-of-some-forty-letters-in-all.".repeat(5);
    assert!(asked(&format!("{long}shop.example.net")));
    assert!(!asked("workshop.example.net") && !asked("example.net") && !asked("shop.example.net.org"));
    assert!(!asked("") && !asked("net"));
    assert!(!is_dropped(&mut filter, 5353, [1, 0], "shop.example.net", 1), "asked elsewhere");
    assert!(!is_dropped(&mut filter, 53, [0x81, 0x80], "shop.example.net", 1), "an answer");
}

#[test]
fn questions_are_told_by_type_and_flag_too() {
    let Some(mut filter) = crate::loaded() else { return };
    let now = Moment::now();
    let tests =
        vec![Test::DnsSuffix("example.net".into()), Test::DnsType(255), Test::DnsRecursionDesired(false)];
    filter.apply(&[rule(tests, now)], now).expect("a rule");
    let mut asked =
        |recursion: u8, dns_type: u8| is_dropped(&mut filter, 53, [recursion, 0], "a.example.net", dns_type);
    assert!(asked(0, 255));
    assert!(!asked(1, 255) && !asked(0, 1));
}
