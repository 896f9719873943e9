//! Plans at random, absurd ones too, past the checker: none locks out whom the policy protects, nor
//! whoever operates the machine.

use crate::from_env;
use crate::random::{Dice, packet, prefix};
use seawall_kernel::model::{Model, Verdict};
use seawall_kernel::{Kind, Moment, compile};
use seawall_model::observation::Fragment;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::policy::{Mode, Policy};
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::time::SECOND_NS;
use seawall_model::{Cause, Prefix};
use std::net::IpAddr;

/// Plans that are tried where nobody asks for more.
const PLANS: u64 = 300;
/// Packets of each protected source that each plan is tried with.
const PACKETS: usize = 3;

fn test(dice: &mut Dice) -> Test {
    match dice.below(12) {
        0 => Test::Source(prefix(dice)),
        1 => Test::Destination(prefix(dice)),
        2 => Test::Protocol(dice.pick(&[1, 6, 17, 58])),
        3 => Test::SourcePort { low: 0, high: dice.word() as u16 },
        4 => Test::DestinationPort { low: dice.word() as u16, high: u16::MAX },
        5 => Test::LengthBytes { low: 0, high: dice.below(2_000) as u32 },
        6 => Test::Ttl { low: 0, high: dice.word() as u8 },
        7 => Test::TcpFlags(dice.below(64) as u8),
        8 => Test::TcpOptions(0),
        9 => Test::Fragment(dice.pick(&[Fragment::Whole, Fragment::First])),
        10 => Test::PayloadPrefix(dice.pick(&["17", "zz", "1700032a", "????032a", ""]).to_owned()),
        _ => Test::SourceNetworkNumber(64_496),
    }
}

fn scope(dice: &mut Dice, protected: &[Prefix]) -> Scope {
    let unknown = ShareEstimate { share: 0.5, low: 0.0, high: 1.0 };
    match dice.below(4) {
        0 => Scope::All,
        1 => {
            let mut prefixes: Vec<Prefix> = (0..=dice.below(4)).map(|_| prefix(dice)).collect();
            prefixes.push(dice.pick(protected));
            if dice.one_in(3) {
                prefixes.push("0.0.0.0/0".parse().expect("a prefix"));
            }
            prefixes.drain(..dice.below(prefixes.len() as u64) as usize);
            Scope::Sources(prefixes)
        }
        _ => Scope::Signature(Signature {
            layer: if dice.one_in(8) { Layer::Http } else { Layer::Packet },
            tests: (0..dice.below(4)).map(|_| test(dice)).collect(),
            attack: unknown,
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        }),
    }
}

fn action(dice: &mut Dice) -> Action {
    match dice.below(6) {
        0 => Action::Block { status: 0 },
        1 => Action::SynCookies,
        2 => Action::RateLimit {
            key: dice.pick(&[
                RateKey::Source,
                RateKey::Network,
                RateKey::Destination,
                RateKey::Total,
                RateKey::Path,
            ]),
            per_s: dice.pick(&[0.0, 1e-300, 0.001, f64::NAN, f64::INFINITY, -1.0]),
            burst: dice.pick(&[0.0, 1.0, f64::NAN, -5.0]),
        },
        _ => Action::DropInKernel,
    }
}

fn plan(dice: &mut Dice, protected: &[Prefix], now: Moment) -> Plan {
    let expires = now.wall.plus_ns(60 * SECOND_NS);
    let unknown = ShareEstimate { share: 0.5, low: 0.0, high: 1.0 };
    let measures = (0..=dice.below(6))
        .map(|n| Measure {
            id: format!("m{n}"),
            action: action(dice),
            scope: scope(dice, protected),
            target: dice.pick(&[None, Some("198.18.0.1:80".to_owned()), Some("nonsense".to_owned())]),
            predicted_effect: unknown,
            predicted_harm: None,
            expires: if dice.one_in(5) { now.wall } else { expires },
            initial_share: dice.pick(&[1.0, 1.0, 0.1, f64::NAN, -3.0, 7.0]),
        })
        .collect();
    let cause = dice.pick(&[Cause::SynFlood, Cause::UdpFlood, Cause::HttpFlood]);
    Plan { generation: 1, parent: None, cause, created: now.wall, expires, measures }
}

#[test]
fn no_plan_locks_out_whom_the_policy_protects_or_the_operator() {
    let Some(mut filter) = crate::loaded() else { return };
    let plans = from_env("SEAWALL_PLANS", PLANS);
    let session: IpAddr = "198.18.1.7".parse().expect("an address");
    let (mut blocked, mut rules_tried) = (0_u64, 0_usize);
    for round in 0..plans {
        let mut dice = Dice::new(round);
        let now = Moment::now();
        let narrow = |p: &Prefix| p.length_bits() >= 24;
        let mut protected: Vec<Prefix> = (0..3).map(|_| prefix(&mut dice)).filter(narrow).collect();
        protected.push(Prefix::host(session));
        let policy =
            Policy { mode: Mode::Enforce, protected_clients: protected.clone(), ..Policy::default() };
        let plan = plan(&mut dice, &protected, now);
        let (rules, _) = compile(&plan, &policy);
        for rule in &rules {
            if let Kind::Block(prefixes) = &rule.kind {
                let touches = |p: &Prefix| protected.iter().any(|own| p.covers(*own) || own.covers(*p));
                assert!(!prefixes.iter().any(touches), "plan {round} blocks the protected: {rule:?}");
            }
        }
        filter.protect(&protected).expect("protected prefixes");
        filter.apply(&rules, now).expect("rules");
        let mut model = Model::new(rules.clone(), protected.clone());
        for source in protected.iter().map(|p| p.address()) {
            for _ in 0..PACKETS {
                let mut forged = packet(&mut dice);
                forged.destination =
                    if source.is_ipv4() { "198.18.0.1" } else { "2001:db8::1" }.parse().expect("an address");
                forged.source = source;
                let frame = forged.frame();
                assert_eq!(model.verdict(&frame, now.wall), Verdict::Pass, "plan {round}: {plan:?}");
                assert!(!filter.try_frame(&frame, 1).expect("a run").0, "plan {round}: {forged:?}\n{plan:?}");
            }
        }
        let stranger = packet(&mut dice).frame();
        blocked += u64::from(filter.try_frame(&stranger, 1).expect("a run").0);
        rules_tried += rules.len();
    }
    eprintln!("{plans} plans, {rules_tried} rules, {blocked} strangers dropped, nobody locked out");
    assert!(blocked > plans / 50 && rules_tried as u64 > plans / 2, "plans that do nothing prove nothing");
}
