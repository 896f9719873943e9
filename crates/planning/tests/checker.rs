//! The independent checker against the planner: what the planner makes always passes, and every
//! seeded change that breaks a rule is refused.

mod fixture;

use fixture::{Case, NOW, share, signature};
use seawall_model::hash::mix;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope};
use seawall_model::policy::Policy;
use seawall_model::signature::{Layer, Test};
use seawall_model::{Cause, Prefix, Timestamp};
use seawall_planning::check::Rule;
use seawall_planning::{CheckContext, NormalTraffic, approve, check, render};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        (mix(self.0) % bound as u64) as usize
    }

    fn share(&mut self) -> f64 {
        self.below(10_001) as f64 / 10_000.0
    }
}

fn context(case: &Case) -> CheckContext<'_> {
    CheckContext {
        now: NOW,
        confidence: case.diagnosis.verdict.confidence,
        vectors: &case.diagnosis.verdict.vectors,
        proven_sources: &case.rankings.proven_sources,
    }
}

fn random_tests(random: &mut Random) -> (Layer, Vec<Test>) {
    let (layer, pool) = match random.below(3) {
        0 => (Layer::Packet, fixture::packet_tests()),
        1 => (Layer::Http, fixture::http_tests()),
        _ => (Layer::Dns, fixture::dns_tests()),
    };
    let mut tests: Vec<Test> = Vec::new();
    for _ in 0..1 + random.below(3) {
        let test = pool[random.below(pool.len())].clone();
        let kind = std::mem::discriminant(&test);
        // The miner's promise: one test of an attribute, and nothing that cannot exist.
        if !tests.iter().any(|t| std::mem::discriminant(t) == kind) && is_sound(&test) {
            tests.push(test);
        }
    }
    if !is_consistent(&tests) {
        tests.truncate(1);
    }
    (layer, tests)
}

fn is_sound(test: &Test) -> bool {
    match test {
        Test::PayloadPrefix(text) => text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'?'),
        _ => true,
    }
}

fn is_consistent(tests: &[Test]) -> bool {
    let transport = |t: &&Test| {
        !matches!(
            t,
            Test::Source(_) | Test::SourceCountry(_) | Test::SourceNetworkNumber(_) | Test::Destination(_)
        )
    };
    tests.iter().filter(transport).count() < 2
        || !tests.iter().any(|t| matches!(t, Test::Protocol(_) | Test::Fragment(_) | Test::IcmpType(_)))
}

/// A case in which everything is drawn: cause, confidence, signatures, normal traffic, policy.
fn random_case(random: &mut Random) -> Case {
    let mut case = Case::new(Cause::ALL[random.below(Cause::ALL.len())]);
    case.diagnosis.verdict.confidence = random.share();
    if random.below(4) == 0 {
        case.diagnosis.verdict.vectors.push("spoofed".into());
    }
    case.signatures = (0..random.below(5))
        .filter_map(|_| {
            let (layer, tests) = random_tests(random);
            if tests.is_empty() {
                return None;
            }
            let mut s = signature(layer, tests);
            s.attack = share(random.share());
            s.baseline = (random.below(3) > 0).then(|| share(random.share() * 0.02));
            Some(s)
        })
        .collect();
    if random.below(3) == 0 {
        case.normal = NormalTraffic::default();
    }
    if random.below(3) == 0 {
        case.rankings.proven_sources.clear();
    }
    if random.below(3) == 0 {
        case.findings.findings.clear();
        case.findings.changes.clear();
    }
    if random.below(4) == 0 {
        let also = Cause::ALL[random.below(Cause::ALL.len())];
        let verdict = &case.diagnosis.verdict;
        case.diagnosis.also =
            vec![seawall_model::diagnosis::Verdict { cause: also, class: also.class(), ..verdict.clone() }];
    }
    case.policy.max_baseline_share = [0.0, 0.001, 0.01, 0.05][random.below(4)];
    case.policy.measure_lifetime_s = [1, 60, 600, 86_400][random.below(4)];
    case.policy.allow_blackhole = random.below(2) == 0;
    case
}

#[test]
fn ten_thousand_plans_pass() {
    let mut random = Random(0x5EA);
    let mut plans = 0;
    for number in 0..10_000 {
        let case = random_case(&mut random);
        let (plan, report) = case.plan();
        assert!(report.alternatives.iter().all(|a| !a.reason.is_empty()));
        let Some(plan) = plan else { continue };
        plans += 1;
        assert_eq!(report.reasons.len(), plan.measures.len());
        if let Err(violations) = check(&plan, &case.policy, &context(&case)) {
            panic!("plan {number} for {}: {violations:?}\n{plan:#?}", plan.cause);
        }
    }
    assert!(plans > 8_000, "only {plans} plans");
}

/// One way to break a plan, with the rule that must refuse it. `None`: does not apply here.
type Break = fn(&mut Plan, &mut Random) -> Option<fn(&Rule) -> bool>;

fn measure_with(action: Action, scope: Scope) -> Measure {
    Measure {
        id: "broken".into(),
        action,
        scope,
        target: Some("192.0.2.10 tcp/443".into()),
        predicted_effect: share(0.5),
        predicted_harm: Some(share(0.0)),
        expires: Timestamp::from_seconds(NOW.seconds() + 1),
        initial_share: 0.1,
    }
}

fn add(plan: &mut Plan, action: Action, scope: Scope) {
    plan.measures.push(measure_with(action, scope));
}

fn of_test(layer: Layer, test: Test) -> Scope {
    Scope::Signature(signature(layer, vec![test]))
}

fn one<'a>(plan: &'a mut Plan, random: &mut Random) -> &'a mut Measure {
    let index = random.below(plan.measures.len());
    &mut plan.measures[index]
}

const EXPIRY: [Break; 4] = [
    |p, r| {
        one(p, r).expires = NOW;
        Some(|rule| matches!(rule, Rule::NoExpiry))
    },
    |p, r| {
        one(p, r).expires = Timestamp::MAX;
        Some(|rule| matches!(rule, Rule::ExpiryTooFar { .. }))
    },
    |p, _| {
        p.expires = p.created;
        Some(|rule| matches!(rule, Rule::NoExpiry))
    },
    |p, _| {
        p.expires = Timestamp(p.created.0 + 1);
        Some(|rule| matches!(rule, Rule::OutlivesPlan))
    },
];

const NUMBERS: [Break; 9] = [
    |p, r| {
        one(p, r).initial_share = [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY][r.below(5)];
        Some(|rule| matches!(rule, Rule::BadInitialShare(_)))
    },
    |p, r| {
        one(p, r).predicted_effect.share = [f64::NAN, 2.0, -0.1][r.below(3)];
        Some(|rule| matches!(rule, Rule::BadShare))
    },
    |p, r| {
        let per_s = [0.0, -1.0, f64::NAN, f64::INFINITY][r.below(4)];
        add(p, Action::RateLimit { key: RateKey::Source, per_s, burst: 1.0 }, Scope::All);
        Some(|rule| matches!(rule, Rule::BadNumber(_)))
    },
    |p, r| {
        let burst = [0.0, -1.0, f64::NAN, f64::INFINITY][r.below(4)];
        add(p, Action::RateLimit { key: RateKey::Source, per_s: 1.0, burst }, Scope::All);
        Some(|rule| matches!(rule, Rule::BadNumber(_)))
    },
    |p, _| {
        add(p, Action::HeaderDeadline { seconds: 0, connections_per_source: 9 }, Scope::All);
        Some(|rule| matches!(rule, Rule::BadNumber(_)))
    },
    |p, _| {
        let copy = p.measures[0].clone();
        p.measures.push(copy);
        Some(|rule| matches!(rule, Rule::DuplicateId))
    },
    |p, r| {
        one(p, r).id.clear();
        Some(|rule| matches!(rule, Rule::EmptyId))
    },
    |p, _| {
        p.measures.clear();
        Some(|rule| matches!(rule, Rule::Empty))
    },
    |p, _| {
        let mut m =
            measure_with(Action::RateLimit { key: RateKey::Total, per_s: 1.0, burst: 1.0 }, Scope::All);
        m.predicted_harm = Some(share(0.4));
        p.measures.push(m);
        Some(|rule| matches!(rule, Rule::TooMuchHarm { .. }))
    },
];

const SCOPES: [Break; 12] = [
    |p, _| {
        add(p, Action::DropInKernel, Scope::Signature(signature(Layer::Packet, Vec::new())));
        Some(|rule| matches!(rule, Rule::EmptySignature))
    },
    |p, _| {
        add(p, Action::DropInKernel, Scope::All);
        Some(|rule| matches!(rule, Rule::DenialOfEverything))
    },
    |p, _| {
        add(p, Action::Block { status: 403 }, Scope::Sources(vec!["0.0.0.0/0".parse().unwrap()]));
        Some(|rule| matches!(rule, Rule::PrefixTooWide { .. }))
    },
    |p, _| {
        add(p, Action::Block { status: 403 }, of_test(Layer::Http, Test::Source("::/0".parse().unwrap())));
        Some(|rule| matches!(rule, Rule::PrefixTooWide { .. }))
    },
    |p, _| {
        add(p, Action::Block { status: 403 }, Scope::Sources(vec!["10.1.2.3".parse().unwrap()]));
        Some(|rule| matches!(rule, Rule::ProtectedClient(_)))
    },
    |p, _| {
        add(p, Action::Block { status: 403 }, Scope::Sources(vec!["203.0.113.9".parse().unwrap()]));
        Some(|rule| matches!(rule, Rule::UnprovenSource(_)))
    },
    |p, _| {
        add(p, Action::Block { status: 403 }, Scope::Sources(Vec::new()));
        Some(|rule| matches!(rule, Rule::EmptySources))
    },
    |p, _| {
        let many = (0..20_000u32).map(|n| Prefix::host(std::net::Ipv4Addr::from(0x5000_0000 + n).into()));
        add(p, Action::Block { status: 403 }, Scope::Sources(many.collect()));
        Some(|rule| matches!(rule, Rule::TooManyAddresses { .. }))
    },
    |p, _| {
        let wide = (0..32u32)
            .map(|n| Prefix::new(std::net::Ipv4Addr::from((80 << 24) + (n << 16)).into(), 16).unwrap());
        add(p, Action::Block { status: 403 }, Scope::Sources(wide.collect()));
        Some(|rule| matches!(rule, Rule::TooMuchSpace(_)))
    },
    |p, _| {
        add(p, Action::DropInKernel, of_test(Layer::Packet, Test::Ttl { low: 0, high: 255 }));
        Some(|rule| matches!(rule, Rule::MatchesEverything))
    },
    |p, _| {
        add(p, Action::DropInKernel, of_test(Layer::Packet, Test::UserAgent("x".into())));
        Some(|rule| matches!(rule, Rule::MixedLayers))
    },
    |p, _| {
        add(
            p,
            Action::Block { status: 403 },
            of_test(Layer::Dns, Test::Source("198.51.100.7".parse().unwrap())),
        );
        Some(|rule| matches!(rule, Rule::ForgeableSources))
    },
];

const IMPOSSIBLE: [Break; 6] = [
    |p, r| {
        let (low, high) = [(0, 19), (70_000, 80_000), (500, 400)][r.below(3)];
        add(p, Action::DropInKernel, of_test(Layer::Packet, Test::LengthBytes { low, high }));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
    |p, _| {
        let tests = vec![Test::Protocol(6), Test::LengthBytes { low: 20, high: 30 }];
        add(p, Action::DropInKernel, Scope::Signature(signature(Layer::Packet, tests)));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
    |p, _| {
        let tests = vec![Test::Protocol(17), Test::TcpFlags(2)];
        add(p, Action::DropInKernel, Scope::Signature(signature(Layer::Packet, tests)));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
    |p, _| {
        let tests = vec![Test::Protocol(1), Test::SourcePort { low: 53, high: 53 }];
        add(p, Action::DropInKernel, Scope::Signature(signature(Layer::Packet, tests)));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
    |p, _| {
        add(p, Action::DropInKernel, of_test(Layer::Packet, Test::SourcePort { low: 9, high: 8 }));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
    |p, _| {
        add(p, Action::DropInKernel, of_test(Layer::Packet, Test::PayloadPrefix("xyz".into())));
        Some(|rule| matches!(rule, Rule::Impossible(_)))
    },
];

const ROUTES: [Break; 3] = [
    |p, _| {
        let foreign = Test::Destination("203.0.113.1".parse().unwrap());
        add(p, Action::FlowSpec { limit_bytes_per_s: None }, of_test(Layer::Packet, foreign));
        Some(|rule| matches!(rule, Rule::ForeignAnnouncement))
    },
    |p, _| {
        let nowhere = Test::SourcePort { low: 123, high: 123 };
        add(p, Action::FlowSpec { limit_bytes_per_s: None }, of_test(Layer::Packet, nowhere));
        Some(|rule| matches!(rule, Rule::ForeignAnnouncement))
    },
    |p, _| {
        let mut m = measure_with(Action::Blackhole, Scope::All);
        m.target = Some("0.0.0.0/0".into());
        p.measures.push(m);
        Some(|rule| matches!(rule, Rule::ForeignAnnouncement))
    },
];

const BLIND: [Break; 2] = [
    |p, _| {
        let mut m = measure_with(Action::DropInKernel, of_test(Layer::Packet, Test::TcpWindow(7)));
        (m.predicted_harm, m.initial_share) = (None, 1.0);
        p.measures.push(m);
        Some(|rule| matches!(rule, Rule::BlindDenial { .. }))
    },
    |p, r| {
        let innocent =
            [Cause::FlashCrowd, Cause::Normal, Cause::Undecided, Cause::ReleaseFault, Cause::SlowBackend];
        p.cause = innocent[r.below(innocent.len())];
        add(p, Action::Block { status: 403 }, of_test(Layer::Http, Test::UserAgent("x".into())));
        Some(|rule| matches!(rule, Rule::DenialWithoutAttack(_)))
    },
];

#[test]
fn every_broken_plan_is_refused_for_its_reason() {
    let breaks: Vec<Break> = [&EXPIRY[..], &NUMBERS, &SCOPES, &IMPOSSIBLE, &ROUTES, &BLIND]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    let mut random = Random(0xB4D);
    let mut refused = 0;
    while refused < 10_000 {
        let mut case = random_case(&mut random);
        case.policy.measure_lifetime_s = 600;
        let Some(sound) = case.plan().0 else { continue };
        for make in &breaks {
            let mut plan = sound.clone();
            let Some(is_reason) = make(&mut plan, &mut random) else { continue };
            let violations = check(&plan, &case.policy, &context(&case)).expect_err("a broken plan passed");
            assert!(violations.iter().any(|v| is_reason(&v.rule)), "{violations:?}\n{plan:#?}");
            refused += 1;
        }
    }
}

#[test]
fn forged_senders_and_low_confidence_are_refused() {
    for cause in [Cause::SynFlood, Cause::Amplification, Cause::UdpFlood, Cause::DnsFlood] {
        let case = Case::new(cause);
        let mut plan = case.plan().0.unwrap();
        add(&mut plan, Action::DropInKernel, Scope::Sources(vec!["198.51.100.7".parse().unwrap()]));
        let violations = check(&plan, &case.policy, &context(&case)).unwrap_err();
        assert!(violations.iter().any(|v| v.rule == Rule::ForgeableSources), "{violations:?}");
    }
    let mut case = Case::new(Cause::HttpFlood);
    let plan = case.plan().0.unwrap();
    case.diagnosis.verdict.confidence = 0.3;
    let violations = check(&plan, &case.policy, &context(&case)).unwrap_err();
    assert!(violations.iter().any(|v| matches!(v.rule, Rule::LowConfidence { .. })), "{violations:?}");
}

/// Broke: the checker was a function that nothing called, so that whatever the planner said was
/// rendered.
#[test]
fn what_the_checker_refuses_is_never_rendered() {
    let case = Case::new(Cause::HttpFlood);
    let (plan, report) = case.plan();
    let mut plan = plan.unwrap();
    let good = plan.measures.len();
    let bad = Measure {
        id: "bad".into(),
        action: Action::Block { status: 403 },
        scope: Scope::All,
        ..plan.measures[0].clone()
    };
    plan.measures.push(bad);
    let (approved, told) = approve(plan.clone(), report.clone(), &case.policy, &context(&case));
    let approved = approved.unwrap();
    assert_eq!(approved.plan().measures.len(), good);
    assert!(told.alternatives.iter().any(|a| a.reason.contains("denies everything to the target")));
    let rules = render::render(&approved, &case.policy.protected_clients);
    assert!(!rules.is_empty() && rules.iter().all(|r| !r.measures.contains(&"bad".to_owned())));

    plan.measures.retain(|m| m.id == "bad");
    let (none, told) = approve(plan.clone(), report.clone(), &case.policy, &context(&case));
    assert_eq!(none, None);
    assert!(told.alternatives.iter().any(|a| a.reason.contains("denies everything to the target")));

    // A rule of the plan as a whole names no measure: then all of it goes.
    let (plan, _) = case.plan();
    let narrow = Policy { max_baseline_share: 0.0, ..case.policy.clone() };
    let (none, told) = approve(plan.unwrap(), report, &narrow, &context(&case));
    assert_eq!(none, None);
    assert!(told.alternatives.iter().any(|a| a.reason.contains("of normal traffic, the policy allows")));
}
