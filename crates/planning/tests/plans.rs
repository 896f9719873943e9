//! What the planner chooses for each cause, and what it refuses to choose.

mod fixture;

use fixture::Case;
use seawall_model::diagnosis::Hypothesis;
use seawall_model::finding::{Finding, Ranked};
use seawall_model::metric::Metric;
use seawall_model::plan::{Action, Measure, Plan, RateKey, Scope, Standing};
use seawall_model::signature::{Layer, ShareEstimate, Signature, Test};
use seawall_model::{Cause, Class, Prefix};

fn plan_for(case: &Case) -> Plan {
    case.plan().0.unwrap_or_else(|| panic!("no plan for {}", case.diagnosis.verdict.cause))
}

fn names(plan: &Plan) -> Vec<&'static str> {
    plan.measures.iter().map(|m| m.action.name()).collect()
}

fn denies(m: &Measure) -> bool {
    matches!(
        m.action,
        Action::Block { .. } | Action::DropInKernel | Action::FlowSpec { .. } | Action::Blackhole
    )
}

#[test]
fn only_attacks_and_abuse_are_denied() {
    for cause in Cause::ALL {
        let Some(plan) = Case::new(*cause).plan().0 else { continue };
        let may_deny = matches!(cause.class(), Class::Attack | Class::Abuse);
        assert!(may_deny || !plan.measures.iter().any(denies), "{cause}: {:?}", names(&plan));
    }
}

#[test]
fn forged_senders_are_never_named() {
    for cause in [
        Cause::Amplification,
        Cause::SynFlood,
        Cause::UdpFlood,
        Cause::IcmpFlood,
        Cause::FragmentFlood,
        Cause::TcpReflection,
        Cause::DnsFlood,
        Cause::DnsRandomSubdomain,
        Cause::DnsReflection,
    ] {
        let mut case = Case::new(cause);
        for s in &mut case.signatures {
            s.tests.insert(0, seawall_model::signature::Test::Source("198.51.100.0/24".parse().unwrap()));
        }
        let (plan, report) = case.plan();
        for m in plan.into_iter().flat_map(|p| p.measures) {
            assert!(!matches!(m.scope, Scope::Sources(_)), "{cause}");
            assert!(!matches!(&m.scope, Scope::Signature(s) if s.names_sources()), "{cause}");
        }
        assert!(report.alternatives.iter().any(|a| a.reason.contains("forged")), "{cause}");
    }
}

#[test]
fn each_cause_gets_its_measure() {
    for (cause, wanted) in [
        (Cause::Amplification, "drop-in-kernel"),
        (Cause::Amplification, "flowspec"),
        (Cause::SynFlood, "syn-cookies"),
        (Cause::SlowHttp, "header-deadline"),
        (Cause::HttpFlood, "block"),
        (Cause::CacheBusting, "serve-stale"),
        (Cause::DnsRandomSubdomain, "dns-truncate"),
        (Cause::FlashCrowd, "waiting-room"),
        (Cause::FlashCrowd, "scale-out"),
        (Cause::ReleaseFault, "roll-back"),
        (Cause::SlowBackend, "investigate"),
        (Cause::NetworkFault, "investigate"),
        (Cause::CredentialAbuse, "block"),
        (Cause::Scan, "block"),
    ] {
        let plan = plan_for(&Case::new(cause));
        assert!(names(&plan).contains(&wanted), "{cause}: {:?}", names(&plan));
    }
}

/// Broke: visitors of a sale were put into the waiting room while the site answered all of them as fast as
/// ever.
#[test]
fn a_crowd_that_the_site_bears_is_left_alone() {
    let crowd = |figures: &[(Metric, f64)]| {
        let mut case = Case::new(Cause::FlashCrowd);
        figures.iter().for_each(|(metric, observed)| case.observe(*metric, *observed));
        case.plan().0.is_some_and(|plan| names(&plan).contains(&"waiting-room"))
    };
    let (ratio, p95) = (Metric::ServiceTimeRatio, Metric::DurationP95);
    assert!(crowd(&[]), "nothing is known of its times");
    assert!(!crowd(&[(ratio, 1.1), (p95, 220_000.0)]));
    assert!(!crowd(&[(ratio, 4.0), (p95, 30_000.0)]), "nobody notices");
    assert!(crowd(&[(ratio, 4.0), (p95, 900_000.0)]));
    assert!(crowd(&[(ratio, 1.1), (p95, 220_000.0), (Metric::ServerErrorShare, 0.2)]));
}

/// Broke: a crowd of an interface's programs was to be put in line, which is a page.
#[test]
fn programs_are_not_put_in_line() {
    let crowd = |programs: f64| {
        let mut case = Case::new(Cause::FlashCrowd);
        case.observe(Metric::WorkerShare, programs);
        names(&plan_for(&case)).contains(&"waiting-room")
    };
    assert!(crowd(0.1) && !crowd(0.97));
}

/// Broke: in the first second of password guessing its measure asked for a cookie at `/media/*`, where the
/// visitors' pictures are, and not at the log-in.
#[test]
fn guessing_is_held_back_where_it_rises_and_not_where_most_is_asked_for() {
    let mut case = Case::new(Cause::CredentialAbuse);
    case.signatures.clear();
    let ranked = |name: &str, share: f64, before: f64| Ranked {
        name: name.into(),
        share,
        baseline_share: Some(before),
    };
    let paths = vec![ranked("/media/*", 0.4, 0.45), ranked("/session/new", 0.3, 0.01), ranked("/", 0.2, 0.2)];
    case.rankings.dimensions = vec![("path".into(), paths)];
    let plan = plan_for(&case);
    let scopes: Vec<String> = plan.measures.iter().map(|m| format!("{:?}", m.scope)).collect();
    assert!(scopes.iter().any(|s| s.contains("/session/new")), "{scopes:?}");
    assert!(!scopes.iter().any(|s| s.contains("/media")), "{scopes:?}");
}

#[test]
fn a_flood_without_signature_gets_challenge_and_limits() {
    let mut case = Case::new(Cause::HttpFlood);
    case.signatures.clear();
    let plan = plan_for(&case);
    assert!(names(&plan).contains(&"challenge"), "{:?}", names(&plan));
    assert!(!plan.measures.iter().any(denies));
}

/// Broke: under a rapid reset, whose streams never become requests, people were challenged, and some
/// refused by what they had in common.
#[test]
fn abuse_of_connections_is_not_answered_by_what_requests_have_in_common() {
    let mut case = Case::new(Cause::Http2Abuse);
    assert!(!case.signatures.is_empty());
    for _ in 0..2 {
        let plan = plan_for(&case);
        assert!(
            !names(&plan).contains(&"challenge") && !plan.measures.iter().any(denies),
            "{:?}",
            names(&plan)
        );
        assert!(names(&plan).contains(&"investigate"));
        case.signatures.clear();
    }
}

/// Broke: a flood of requests inside TLS from one address was answered by a challenge for everybody.
#[test]
fn who_sends_requests_that_nobody_could_read_is_dropped_by_packets() {
    let mut case = Case::new(Cause::HttpFlood);
    let sender = case.rankings.proven_sources[0];
    case.signatures =
        vec![fixture::signature(Layer::Packet, vec![Test::Protocol(6), Test::Source(Prefix::host(sender))])];
    let plan = plan_for(&case);
    let blocked = plan.measures.iter().find(|m| denies(m)).map(|m| (&m.action, &m.scope));
    assert_eq!(blocked, Some((&Action::Block { status: 0 }, &Scope::Signature(case.signatures[0].clone()))));
    assert!(!names(&plan).contains(&"challenge"), "{:?}", names(&plan));
}

/// Broke: against password guessing everybody's log-in was refused, for so few of all requests are log-ins
/// that next to nothing of normal traffic would be hit.
#[test]
fn a_page_that_visitors_want_is_not_taken_from_them() {
    let blocked = |cause: Cause, baseline: f64, who: Option<Test>| {
        let mut case = Case::new(cause);
        let tests = [Test::Path("/login".into()), Test::Method(seawall_model::observation::Method::Post)];
        let mut signature = fixture::signature(Layer::Http, tests.into_iter().chain(who).collect());
        signature.baseline = Some(fixture::share(baseline));
        case.signatures = vec![signature];
        plan_for(&case).measures.iter().any(|m| denies(m) && matches!(m.scope, Scope::Signature(_)))
    };
    assert!(!blocked(Cause::CredentialAbuse, 0.0, None));
    assert!(!blocked(Cause::HttpFlood, 0.0005, None));
    assert!(blocked(Cause::HttpFlood, 0.0, None), "nobody else asks for it");
    assert!(blocked(Cause::CredentialAbuse, 0.0, Some(Test::UserAgent("tool/1.0".into()))));
}

/// Broke: against a botnet under the names of common browsers, visitors with these browsers were refused the
/// home page, for next to none of them were among normal traffic at that moment.
#[test]
fn a_browser_that_visitors_use_is_not_taken_from_them() {
    let blocked = |known: bool, more: Option<Test>| {
        let mut case = Case::new(Cause::HttpFlood);
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
        let tests = [Test::Path("/".into()), Test::UserAgent(agent.into())];
        case.signatures = vec![fixture::signature(Layer::Http, tests.into_iter().chain(more).collect())];
        let baseline_share = Some(if known { 0.06 } else { 0.0 });
        let ranked = seawall_model::finding::Ranked { name: agent.into(), share: 0.1, baseline_share };
        case.rankings.dimensions.push(("user agent".into(), vec![ranked]));
        plan_for(&case).measures.iter().any(|m| denies(m) && matches!(m.scope, Scope::Signature(_)))
    };
    assert!(!blocked(true, None) && !blocked(true, Some(Test::ReferrerOrigin(String::new()))));
    assert!(blocked(false, None), "no visitor has it");
    assert!(blocked(true, Some(Test::Ja4("t13d_other".into()))), "the program has a mark of its own");
}

/// Broke: against a flood over a whole network all UDP to it was dropped.
#[test]
fn a_network_is_not_cut_off_from_a_protocol() {
    let dropped = |destination: &str, more: Option<Test>| {
        let mut case = Case::new(Cause::UdpFlood);
        let ports = Test::DestinationPort { low: 741, high: 64_798 };
        let tests = [Test::Destination(destination.parse().expect("a prefix")), Test::Protocol(17), ports];
        case.signatures = vec![fixture::signature(Layer::Packet, tests.into_iter().chain(more).collect())];
        plan_for(&case).measures.iter().any(|m| denies(m) && matches!(m.scope, Scope::Signature(_)))
    };
    assert!(!dropped("192.0.2.0/24", None));
    assert!(dropped("192.0.2.0/24", Some(Test::PayloadPrefix("deadbeef".into()))));
}

#[test]
fn limits_come_from_normal_clients() {
    let mut case = Case::new(Cause::HttpFlood);
    let per_s = |case: &Case| {
        plan_for(case).measures.iter().find_map(|m| match m.action {
            Action::RateLimit { key: RateKey::Source, per_s, .. } => Some((per_s, m.initial_share)),
            _ => None,
        })
    };
    assert_eq!(per_s(&case), Some((6.0, 1.0)));
    case.normal.requests_per_client_p99 = None;
    assert_eq!(per_s(&case), Some((10.0, 0.1)), "a guess is staged");
}

/// Broke: a limit stood at twice the parts that a page has, and let floods of a few requests a second from each
/// source pass.
#[test]
fn a_limit_for_a_source_stands_on_what_visitors_do_all_the_time() {
    let mut case = Case::new(Cause::HttpFlood);
    case.normal.sustained_per_client_p99 = Some(0.6);
    case.normal.at_once_per_client_p99 = Some(12.0);
    case.observe(Metric::ActiveRequestRate, 2.4);
    let limit = plan_for(&case).measures.into_iter().find_map(|m| match m.action {
        Action::RateLimit { key: RateKey::Source, per_s, burst } => {
            Some((per_s, burst, m.predicted_effect.share))
        }
        _ => None,
    });
    let (per_s, burst, stopped) = limit.expect("a limit");
    assert_eq!((per_s, burst), (1.2, 24.0));
    assert!((stopped - 0.5).abs() < 1e-9, "{stopped}");
}

#[test]
fn doubt_leaves_only_what_can_be_undone() {
    let mut case = Case::new(Cause::HttpFlood);
    case.diagnosis.verdict.confidence = 0.4;
    let plan = plan_for(&case);
    assert_eq!(plan.cause, Cause::Undecided);
    assert!(!plan.measures.iter().any(denies), "{:?}", names(&plan));
    assert!(!names(&plan).contains(&"rate-limit"));
}

/// Broke: on a site that answered as always, a rise that nobody could name was answered from the cache.
#[test]
fn what_has_no_name_changes_nothing_on_a_site_that_answers_as_always() {
    let mut case = Case::new(Cause::HttpFlood);
    case.diagnosis.verdict.confidence = 0.4;
    case.observe(Metric::ServerErrorShare, 0.0);
    for (times_slower, serves_stale) in [(1.1, false), (6.0, true)] {
        case.observe(Metric::ServiceTimeRatio, times_slower);
        assert_eq!(names(&plan_for(&case)).contains(&"serve-stale"), serves_stale, "{times_slower}");
    }
}

/// Broke: a flood in a sale, of which it was sure that it was one and not of which kind, was answered from the
/// cache and by nothing else.
#[test]
fn a_sure_attack_of_an_unsure_kind_is_acted_against() {
    let mut case = Case::new(Cause::CacheBusting);
    let likely = |cause, confidence| Hypothesis {
        cause,
        vectors: Vec::new(),
        score: 0.0,
        confidence,
        evidence: Vec::new(),
    };
    case.diagnosis.verdict.confidence = 0.51;
    case.diagnosis.hypotheses = vec![likely(Cause::CacheBusting, 0.51), likely(Cause::HttpFlood, 0.45)];
    assert!(plan_for(&case).measures.iter().any(denies));
    case.diagnosis.hypotheses[1] = likely(Cause::FlashCrowd, 0.45);
    assert!(!plan_for(&case).measures.iter().any(denies));
}

#[test]
fn a_sure_attack_beside_an_unsure_one_is_what_the_plan_is_against() {
    let mut case = Case::new(Cause::UdpFlood);
    let beside = Case::new(Cause::HttpFlood).diagnosis.verdict;
    case.diagnosis.verdict.confidence = 0.4;
    case.diagnosis.also.push(beside);
    let plan = plan_for(&case);
    assert_eq!(plan.cause, Cause::HttpFlood);
    assert!(plan.measures.iter().any(denies), "{:?}", names(&plan));
}

/// Broke: in a flood within a sale the sale's own page was refused to everybody, for nobody had asked for it before.
#[test]
fn the_page_that_a_crowd_came_for_is_not_refused() {
    let mut case = Case::new(Cause::HttpFlood);
    let page = fixture::signature(Layer::Http, vec![Test::Path("/sale".into())]);
    case.signatures =
        vec![Signature { baseline: Some(ShareEstimate { share: 0.0, low: 0.0, high: 0.001 }), ..page }];
    assert!(plan_for(&case).measures.iter().any(denies));
    case.diagnosis.also.push(Case::new(Cause::FlashCrowd).diagnosis.verdict);
    assert!(!plan_for(&case).measures.iter().any(denies));
}

#[test]
fn harm_beyond_the_policy_is_rejected_with_its_number() {
    let mut case = Case::new(Cause::HttpFlood);
    for s in &mut case.signatures {
        s.baseline = Some(fixture::share(0.2));
    }
    let (plan, report) = case.plan();
    assert!(!plan.unwrap().measures.iter().any(denies));
    assert!(
        report.alternatives.iter().any(|a| a.standing == Standing::Rejected && a.reason.contains("20.0 %"))
    );
}

/// Broke: of a load that one protected client made, everybody else was to be challenged.
#[test]
fn what_a_protected_client_sends_holds_nobody_else_back() {
    let mut case = Case::new(Cause::HttpFlood);
    let partner = "198.51.100.7/32".parse().unwrap();
    case.signatures =
        vec![fixture::signature(seawall_model::signature::Layer::Http, vec![Test::Source(partner)])];
    case.policy.protected_clients = vec!["198.51.100.0/24".parse().unwrap()];
    let (plan, report) = case.plan();
    let names = plan.as_ref().map(names).unwrap_or_default();
    assert!(names.iter().all(|n| matches!(*n, "serve-stale" | "scale-out")), "{names:?}");
    assert!(report.alternatives.iter().any(|a| a.reason.contains("which the policy protects")));
}

/// Broke: three tenths of a second into a flood, a visitor who had just fetched a page and its parts
/// was a twentieth of it, and was blocked.
#[test]
fn a_visitor_in_the_first_second_of_a_flood_is_not_blocked() {
    let named = |duration_s| {
        let mut case = Case::new(Cause::HttpFlood);
        case.findings.duration_s = duration_s;
        let visitor = seawall_model::signature::Test::Source("198.51.100.7/32".parse().unwrap());
        case.signatures = vec![fixture::signature(seawall_model::signature::Layer::Http, vec![visitor])];
        case.signatures[0].attack = fixture::share(0.05);
        case.rankings.dimensions[0].1.iter_mut().for_each(|r| r.share = 0.05);
        let names = |m: &Measure| match &m.scope {
            Scope::Signature(s) => s.names_sources(),
            Scope::Sources(_) => true,
            Scope::All => false,
        };
        plan_for(&case).measures.iter().any(names)
    };
    assert!(!named(0.1));
    assert!(named(60.0));
}

/// Broke: the senders of requests are ranked under another name than those of packets, so that no limit
/// counted how loud they were, and none was proposed against a few loud clients among many.
#[test]
fn a_limit_counts_what_the_loudest_clients_send() {
    let limits = |dimension: &str| {
        let mut case = Case::new(Cause::HttpFlood);
        case.signatures.clear();
        let loud = Ranked { name: "198.51.100.7".into(), share: 0.6, baseline_share: Some(0.0) };
        case.rankings.dimensions = vec![(dimension.to_owned(), vec![loud])];
        case.findings.findings.retain(|f| f.metric != Metric::ClientCount);
        case.plan().0.is_some_and(|plan| {
            plan.measures.iter().any(|m| matches!(m.action, Action::RateLimit { key: RateKey::Source, .. }))
        })
    };
    assert!(limits("client"));
    assert!(!limits("source"), "packets say nothing of requests");
}

/// Broke: a limit on log-ins allowed twice what a browser fetches of pages and their parts, which is more
/// than any guesser needs.
#[test]
fn a_limit_on_log_ins_is_of_log_ins() {
    let mut case = Case::new(Cause::CredentialAbuse);
    case.rankings.dimensions =
        vec![("path".into(), vec![Ranked { name: "/login".into(), share: 0.9, baseline_share: Some(0.0) }])];
    case.observe(Metric::LoginAttemptRate, 20.0);
    case.observe(Metric::GuesserCount, 10.0);
    let limit = |m: &Measure| match m.action {
        Action::RateLimit { key: RateKey::Source, per_s, burst } => Some((per_s, burst)),
        _ => None,
    };
    let found = plan_for(&case).measures.iter().find_map(limit).expect("a limit");
    assert!(found.0 < 1.0 && found.1 >= 10.0, "{found:?}");
}

/// Broke: what a limit on log-ins stops was worked out from all requests of all clients.
#[test]
fn what_a_limit_on_log_ins_stops_is_worked_out_from_log_ins() {
    let stopped = |log_ins_per_s: f64, guessers: f64| {
        let mut case = Case::new(Cause::CredentialAbuse);
        let path = Ranked { name: "/login".into(), share: 0.9, baseline_share: Some(0.0) };
        case.rankings.dimensions = vec![("path".into(), vec![path])];
        for (metric, observed) in
            [(Metric::LoginAttemptRate, log_ins_per_s), (Metric::GuesserCount, guessers)]
        {
            let finding = Finding { metric, observed, ..case.findings.findings[0].clone() };
            case.findings.insert(finding);
        }
        let limits = |m: &&Measure| matches!(m.action, Action::RateLimit { .. });
        plan_for(&case).measures.iter().find(limits).map(|m| m.predicted_effect.share)
    };
    // Each of them tries 120 times in a minute, of which 20 at once and 12 more are let through.
    assert!((stopped(20.0, 10.0).expect("a limit") - (1.0 - 32.0 / 120.0)).abs() < 1e-9);
    assert_eq!(stopped(1.0, 10.0), None, "each of them is below it");
    // Broke: the limit was said to stop half of what came from sources that tried twice each.
    assert_eq!(stopped(20.0, 0.0), None, "nobody tries often enough to be counted");
}

/// Broke: a refusal of log-ins under a browser's name was said to hit as few as log-ins are among all requests.
#[test]
fn what_a_refusal_of_log_ins_hits_is_a_share_of_log_ins() {
    let refused = |tests: Vec<Test>| {
        let mut case = Case::new(Cause::CredentialAbuse);
        let mut signature = fixture::signature(Layer::Http, tests);
        signature.baseline = Some(ShareEstimate { share: 0.002, low: 0.001, high: 0.004 });
        case.signatures = vec![signature];
        let share = Finding {
            metric: Metric::LoginAttemptShare,
            expected: Some(0.02),
            ..case.findings.findings[0].clone()
        };
        case.findings.insert(share);
        let blocks = |m: &&Measure| matches!(m.action, Action::Block { .. });
        plan_for(&case).measures.iter().find(blocks).and_then(|m| m.predicted_harm).map(|h| h.share)
    };
    let of_agent = || vec![Test::Path("/login".into()), Test::UserAgent("Mozilla/5.0 (X11)".into())];
    assert_eq!(refused(of_agent()), None, "a tenth of those who log in could not");
    let of_one = [of_agent(), vec![Test::Source("192.0.2.7/32".parse().unwrap())]].concat();
    assert_eq!(refused(of_one), Some(0.002), "one address is nobody else's");
}

/// Broke: one protected address in a network of attackers had everything rejected that holds them back.
#[test]
fn a_protected_client_does_not_protect_its_network() {
    let mut case = Case::new(Cause::HttpFlood);
    case.signatures =
        vec![fixture::signature(Layer::Http, vec![Test::Source("10.1.0.0/15".parse().unwrap())])];
    case.policy.protected_clients = vec!["10.1.2.3".parse().unwrap()];
    let (plan, report) = case.plan();
    assert!(!report.alternatives.iter().any(|a| a.reason.contains("talk to its owner")));
    assert!(plan.is_some_and(|p| p.measures.iter().any(|m| m.action == Action::Challenge)));
}

/// Broke: a network of 65,536 addresses was refused for eight of them.
#[test]
fn a_wide_network_is_not_refused_for_a_few_of_its_addresses() {
    let blocks = |senders: usize, share: f64| {
        let mut case = Case::new(Cause::HttpFlood);
        case.policy.min_prefix_bits = (16, 32);
        case.signatures =
            vec![fixture::signature(Layer::Http, vec![Test::Source("172.20.0.0/16".parse().unwrap())])];
        let ranked = |n| Ranked { name: format!("172.20.{n}.7"), share, baseline_share: Some(0.0) };
        case.rankings.dimensions = vec![("client".into(), (0..senders).map(ranked).collect())];
        plan_for(&case).measures.iter().any(|m| matches!(m.action, Action::Block { .. }))
    };
    assert!(!blocks(8, 0.12));
    assert!(blocks(10, 0.002), "the busiest of many");
}

/// Broke: a crowd that the site bears was answered with more servers.
#[test]
fn a_crowd_that_the_site_bears_waits_for_more_servers() {
    let adds = |times: f64| {
        let mut case = Case::new(Cause::FlashCrowd);
        case.findings.insert(Finding {
            metric: Metric::ServiceTimeRatio,
            observed: times,
            expected: Some(1.0),
            ..case.findings.findings[0].clone()
        });
        case.plan().0.is_some_and(|plan| plan.measures.iter().any(|m| m.action == Action::ScaleOut))
    };
    assert!(!adds(1.0) && adds(9.0));
}

/// Broke: guesses at SSH in a capture were to be refused with a status of HTTP.
#[test]
fn guesses_that_packets_tell_of_are_answered_on_packets() {
    let mut case = Case::new(Cause::CredentialAbuse);
    case.signatures.clear();
    case.rankings.dimensions.retain(|(name, _)| name == "source");
    let blocks: Vec<Action> =
        plan_for(&case).measures.into_iter().map(|m| m.action).filter(|a| a.name() == "block").collect();
    assert_eq!(blocks, [Action::Block { status: 0 }]);
}

#[test]
fn protected_sources_are_left_out() {
    for cause in [Cause::CredentialAbuse, Cause::Scraping, Cause::Scan] {
        let case = Case::new(cause);
        for m in plan_for(&case).measures {
            let Scope::Sources(prefixes) = m.scope else { continue };
            assert!(!prefixes.is_empty());
            for p in prefixes {
                assert!(!case.policy.protected_clients.iter().any(|c| c.covers(p)), "{cause}: {p}");
            }
        }
    }
}

#[test]
fn blackholes_wait_or_are_forbidden() {
    for (allowed, standing) in [(true, Standing::Waiting), (false, Standing::Rejected)] {
        let mut case = Case::new(Cause::Amplification);
        case.policy.allow_blackhole = allowed;
        let (plan, report) = case.plan();
        assert!(!names(&plan.unwrap()).contains(&"blackhole"));
        let found = report.alternatives.iter().find(|a| a.action == Action::Blackhole).unwrap();
        assert_eq!(found.standing, standing);
    }
}

#[test]
fn foreign_targets_are_not_announced() {
    let mut case = Case::new(Cause::Amplification);
    case.policy.owned_prefixes = vec!["203.0.113.0/24".parse().unwrap()];
    assert!(!names(&plan_for(&case)).contains(&"flowspec"));
}

#[test]
fn a_new_plan_follows_the_previous_one() {
    let case = Case::new(Cause::HttpFlood);
    let first = plan_for(&case);
    let mut input = case.input();
    input.previous = Some(&first);
    let second = seawall_planning::plan(&input).0.unwrap();
    assert_eq!((second.generation, second.parent), (2, Some(1)));
}

#[test]
fn normal_traffic_needs_no_plan() {
    assert!(Case::new(Cause::Normal).plan().0.is_none());
    assert!(Case::new(Cause::Crawler).plan().0.is_none());
}

/// Broke: a challenge that one constant cookie answers promised to stop nine tenths of a flood,
/// and to cost a share of visitors that nobody had measured.
#[test]
fn a_challenge_promises_nothing_and_its_harm_is_measured() {
    let mut case = Case::new(Cause::HttpFlood);
    case.signatures.clear();
    let challenge = |case: &Case| {
        plan_for(case)
            .measures
            .iter()
            .find(|m| m.action == Action::Challenge)
            .map(|m| (m.predicted_effect.low, m.predicted_harm, m.initial_share))
    };
    assert_eq!(challenge(&case), Some((0.0, None, 0.1)), "harm that was not measured is not told");
    case.normal.program_share = Some(0.05);
    let (_, harm, share) = challenge(&case).unwrap();
    assert_eq!((harm.unwrap().share, share), (0.05, 0.1));
    case.normal.program_share = Some(0.5);
    assert_eq!(challenge(&case), None, "an interface for programs is not challenged");
}

/// Broke: a cache was the answer to a flood of uploads, and to a scan that only a firewall saw.
#[test]
fn a_cache_is_no_answer_where_it_has_none() {
    let serves = |writes: f64| {
        let mut case = Case::new(Cause::HttpFlood);
        case.observe(seawall_model::metric::Metric::WriteShare, writes);
        names(&plan_for(&case)).contains(&"serve-stale")
    };
    assert!(serves(0.1) && !serves(0.95));
}

/// Broke: one client that sent request upon request to a quiet site made everybody work out a challenge.
#[test]
fn a_flood_of_one_client_challenges_nobody_else() {
    let challenged = |share: f64| {
        let mut case = Case::new(Cause::HttpFlood);
        case.signatures.clear();
        let ranked = Ranked { name: "198.51.100.7".into(), share, baseline_share: None };
        case.rankings.dimensions = vec![("client".into(), vec![ranked])];
        case.rankings.proven_sources = vec!["198.51.100.7".parse().unwrap()];
        let plan = plan_for(&case);
        let challenge = plan.measures.iter().find(|m| m.action == Action::Challenge).expect("a challenge");
        challenge.scope.clone()
    };
    let own = Test::Source("198.51.100.7/32".parse().unwrap());
    assert!(matches!(challenged(0.97), Scope::Signature(s) if s.tests == [own.clone()]));
    assert_eq!(challenged(0.5), Scope::All);
}

/// Broke: while a crowd was at a sale, a flood past the cache on another page made all of the crowd work out
/// a challenge, though the site answered as ever.
#[test]
fn a_flood_on_one_path_that_the_site_bears_challenges_nobody_elsewhere() {
    let challenged = |share: f64, times: Option<f64>| {
        let mut case = Case::new(Cause::CacheBusting);
        case.signatures.clear();
        times.into_iter().for_each(|times| case.observe(Metric::ServiceTimeRatio, times));
        let ranked =
            |name: &str, share, before| Ranked { name: name.into(), share, baseline_share: Some(before) };
        case.rankings.dimensions = vec![(
            "path".into(),
            vec![
                ranked("/c/living", share, 0.02),
                ranked("/media/*", 0.4, 0.54),
                ranked("/c/sale", 0.03, 0.01),
            ],
        )];
        let measures = plan_for(&case).measures;
        measures.into_iter().find(|m| m.action == Action::Challenge).expect("a challenge").scope
    };
    let is_path = |scope: Scope| match scope {
        Scope::Signature(s) => s.tests == [Test::Path("/c/living".into())],
        _ => false,
    };
    assert!(is_path(challenged(0.34, Some(1.0))));
    assert_eq!(challenged(0.34, Some(4.0)), Scope::All, "the site is short");
    assert_eq!(challenged(0.34, None), Scope::All, "nothing is known of the site");
    assert_eq!(challenged(0.1, Some(1.0)), Scope::All, "most of it is elsewhere");
}
