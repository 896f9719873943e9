//! Every rendered rule is accepted by the program that it is for. Where a program is not
//! installed, its tests say so in one line and pass.

mod fixture;

use fixture::{Case, NASTY, NOW, dns_tests, http_tests, packet_tests, share, signature};
use seawall_model::plan::{Action, Measure, Plan, RateKey, RenderedRule, Scope};
use seawall_model::signature::{Layer, Test};
use seawall_model::{Cause, Prefix, Timestamp};
use seawall_planning::render;
use std::path::{Path, PathBuf};
use std::process::Command;

type Render = fn(&Plan, &[Prefix]) -> Vec<RenderedRule>;

/// A program with how to ask it whether a file is right.
struct Program {
    name: &'static str,
    binary: &'static str,
    render: Render,
    arguments: fn(&Path) -> Vec<String>,
    /// Statements before the file, such as where to keep a process id.
    preamble: &'static str,
}

const PROGRAMS: [Program; 5] = [
    Program {
        name: render::nftables::PROGRAM,
        binary: "nft",
        render: render::nftables::render,
        arguments: |file| vec!["-c".into(), "-f".into(), file.display().to_string()],
        preamble: "",
    },
    Program {
        name: render::haproxy::PROGRAM,
        binary: "haproxy",
        render: render::haproxy::render,
        arguments: |file| vec!["-c".into(), "-q".into(), "-f".into(), file.display().to_string()],
        preamble: "",
    },
    Program {
        name: render::nginx::PROGRAM,
        binary: "nginx",
        render: render::nginx::render,
        arguments: |file| vec!["-t".into(), "-q".into(), "-c".into(), file.display().to_string()],
        preamble: "error_log stderr;\npid nginx.pid;\n",
    },
    Program {
        name: render::dnsdist::PROGRAM,
        binary: "dnsdist",
        render: render::dnsdist::render,
        arguments: |file| vec!["--check-config".into(), "-C".into(), file.display().to_string()],
        preamble: "",
    },
    Program {
        name: render::flowspec::PROGRAM,
        binary: "exabgp",
        render: render::flowspec::render,
        arguments: |file| vec!["validate".into(), file.display().to_string()],
        preamble: "",
    },
];

impl Program {
    /// The binary, looked for on the search path and where system programs are.
    fn path(&self) -> Option<PathBuf> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&search)
            .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
            .map(|folder| folder.join(self.binary))
            .find(|path| path.exists())
    }

    /// Whether the program can judge anything here: it is installed and accepts an empty plan's
    /// file (some need rights that a test may lack).
    fn is_usable(&self) -> bool {
        let Some(path) = self.path() else {
            println!("skipped: {} is not installed", self.binary);
            return false;
        };
        let usable = self.judge(&path, &render::check_file(self.name, &[]).unwrap()).is_ok();
        if !usable {
            println!("skipped: {} does not run here", self.binary);
        }
        usable
    }

    fn judge(&self, path: &Path, text: &str) -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("seawall-real-programs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.{:?}.conf", self.name, std::thread::current().id()));
        std::fs::write(&file, format!("{}{text}", self.preamble)).unwrap();
        let output = Command::new(path).args((self.arguments)(&file)).current_dir(&folder).output().unwrap();
        std::fs::remove_file(&file).unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }

    fn accepts(&self, path: &Path, plan: &Plan, protected: &[Prefix]) -> usize {
        let rules = (self.render)(plan, protected);
        if rules.is_empty() {
            return 0;
        }
        let text = render::check_file(self.name, &rules).unwrap();
        if let Err(why) = self.judge(path, &text) {
            let lines: Vec<&str> = why.lines().take(12).collect();
            panic!("{} refuses:\n{}", self.binary, lines.join("\n"));
        }
        rules.first().map_or(0, |r| r.measures.len())
    }
}

fn protected() -> Vec<Prefix> {
    ["10.0.0.0/8", "10.1.0.0/16", "2001:db8:1::/48"].map(|p| p.parse().unwrap()).to_vec()
}

fn measure(index: usize, action: Action, scope: Scope) -> Measure {
    Measure {
        id: format!("m{index}"),
        action,
        scope,
        target: Some("192.0.2.10 tcp/443".into()),
        predicted_effect: share(0.9),
        predicted_harm: None,
        expires: Timestamp::from_seconds(NOW.seconds() + 600),
        initial_share: if index.is_multiple_of(2) { 1.0 } else { 0.1 },
    }
}

fn plan_of(cause: Cause, measures: Vec<Measure>) -> Plan {
    Plan {
        generation: 7,
        parent: None,
        cause,
        created: NOW,
        expires: Timestamp::from_seconds(NOW.seconds() + 600),
        measures,
    }
}

/// Each test alone and with another, under every action that the layer knows.
fn plans_of_tests(layer: Layer, cause: Cause, tests: &[Test], actions: &[Action]) -> Vec<Plan> {
    let scopes: Vec<Scope> = tests
        .iter()
        .enumerate()
        .flat_map(|(i, test)| {
            let other = &tests[(i * 7 + 3) % tests.len()];
            let pair = vec![test.clone(), other.clone()];
            [signature(layer, vec![test.clone()]), signature(layer, pair)]
        })
        .map(Scope::Signature)
        .collect();
    actions
        .iter()
        .map(|action| {
            let measures =
                scopes.iter().enumerate().map(|(i, scope)| measure(i, action.clone(), scope.clone()));
            plan_of(cause, measures.collect())
        })
        .collect()
}

fn limits() -> Vec<Action> {
    [RateKey::Source, RateKey::Network, RateKey::Destination, RateKey::Path, RateKey::Total]
        .into_iter()
        .zip([(0.5, 1.0), (10.0, 100.0), (1e12, 1e12), (3.7, 1.5), (1e-9, 1e-9)])
        .map(|(key, (per_s, burst))| Action::RateLimit { key, per_s, burst })
        .collect()
}

fn check_all(program: &Program, plans: &[Plan], least: usize) {
    if !program.is_usable() {
        return;
    }
    let path = program.path().unwrap();
    let exempt = [protected(), Vec::new()];
    let measures: usize =
        plans.iter().enumerate().map(|(i, p)| program.accepts(&path, p, &exempt[i % 2])).sum();
    assert!(measures >= least, "{} rendered only {measures} measures", program.name);
}

#[test]
fn nftables_accepts_every_test() {
    let mut actions = vec![Action::DropInKernel, Action::SynCookies];
    actions.extend(limits());
    let plans = plans_of_tests(Layer::Packet, Cause::UdpFlood, &packet_tests(), &actions);
    check_all(&PROGRAMS[0], &plans, 150);
}

#[test]
fn a_storm_of_icmp_over_ipv6_is_filtered_and_neighbours_are_still_found() {
    let plan = |number| {
        let scope = Scope::Signature(signature(Layer::Packet, vec![Test::Protocol(number)]));
        plan_of(Cause::IcmpFlood, vec![measure(0, Action::DropInKernel, scope)])
    };
    let text = |number| render::nftables::render(&plan(number), &protected())[0].text.clone();
    assert!(text(58).contains("meta nfproto ipv6") && text(58).contains("meta l4proto 58"));
    assert!(text(58).contains("icmpv6 type 133-137 accept"));
    assert!(!text(1).contains("icmpv6"));
}

#[test]
fn exabgp_accepts_every_test() {
    let actions = [Action::FlowSpec { limit_bytes_per_s: Some(0.5) }, Action::DropInKernel];
    let plans = plans_of_tests(Layer::Packet, Cause::UdpFlood, &packet_tests(), &actions);
    check_all(&PROGRAMS[4], &plans, 20);
}

#[test]
fn haproxy_accepts_every_test() {
    let plans = plans_of_tests(
        Layer::Http,
        Cause::HttpFlood,
        &http_tests(),
        &[Action::Block { status: 403 }, Action::Block { status: 0 }, Action::Challenge],
    );
    check_all(&PROGRAMS[1], &plans, 400);
}

#[test]
fn haproxy_accepts_every_limit_of_every_test() {
    let plans: Vec<Plan> = limits()
        .into_iter()
        .enumerate()
        .flat_map(|(i, action)| {
            http_tests().into_iter().skip(i).step_by(11).map(move |test| {
                let scope = Scope::Signature(signature(Layer::Http, vec![test]));
                plan_of(Cause::HttpFlood, vec![measure(i, action.clone(), scope)])
            })
        })
        .collect();
    check_all(&PROGRAMS[1], &plans, 25);
}

#[test]
fn nginx_accepts_every_test() {
    let mut actions = vec![Action::Block { status: 403 }, Action::Block { status: 0 }, Action::Challenge];
    actions.extend(limits());
    let plans = plans_of_tests(Layer::Http, Cause::HttpFlood, &http_tests(), &actions);
    check_all(&PROGRAMS[2], &plans, 400);
}

#[test]
fn dnsdist_accepts_every_test() {
    let mut actions = vec![Action::DnsTruncate, Action::DropInKernel, Action::Block { status: 403 }];
    actions.extend(limits());
    let plans = plans_of_tests(Layer::Dns, Cause::DnsFlood, &dns_tests(), &actions);
    check_all(&PROGRAMS[3], &plans, 20);
}

#[test]
fn every_program_accepts_every_action_over_everything_and_over_sources() {
    let sources: Vec<Prefix> =
        ["198.51.100.7", "198.51.100.0/24", "2001:db8:9::/64"].map(|p| p.parse().unwrap()).to_vec();
    let mut actions = vec![
        Action::WaitingRoom { admitted_per_s: 40.0 },
        Action::ServeStale { seconds: 60 },
        Action::Shed { max_concurrency: 500 },
        Action::Challenge,
        Action::HeaderDeadline { seconds: 10, connections_per_source: 16 },
        Action::DnsTruncate,
        Action::SynCookies,
        Action::Block { status: 403 },
        Action::DropInKernel,
        Action::FlowSpec { limit_bytes_per_s: Some(1e6) },
        Action::Blackhole,
        Action::ProviderMode,
        Action::ScaleOut,
        Action::RollBack { change: NASTY[1].into() },
        Action::Investigate { what: NASTY[3].into() },
    ];
    actions.extend(limits());
    let scopes = [Scope::All, Scope::Sources(sources)];
    let plans: Vec<Plan> = [Cause::UdpFlood, Cause::HttpFlood, Cause::DnsFlood, Cause::SlowHttp]
        .into_iter()
        .flat_map(|cause| actions.iter().flat_map(move |a| [(cause, a.clone(), 0), (cause, a.clone(), 1)]))
        .map(|(cause, action, scope)| plan_of(cause, vec![measure(scope, action, scopes[scope].clone())]))
        .collect();
    for program in &PROGRAMS {
        let least = if program.name == render::flowspec::PROGRAM { 1 } else { 10 };
        check_all(program, &plans, least);
    }
}

/// A word of more than 4,096 bytes makes nginx refuse the whole file, and the plan with it.
#[test]
fn texts_as_long_as_the_checker_allows_break_no_file() {
    let long = "(".repeat(2_048);
    let tests = [
        Test::UserAgent(long.clone()),
        Test::Path(format!("/{long}")),
        Test::Host(long.clone()),
        Test::QueryShape(long),
    ];
    let actions = [Action::Block { status: 403 }, Action::Challenge];
    let plans = plans_of_tests(Layer::Http, Cause::HttpFlood, &tests, &actions);
    check_all(&PROGRAMS[1], &plans, 8);
    check_all(&PROGRAMS[2], &plans, 0);
}

#[test]
fn every_program_accepts_the_plan_for_every_cause() {
    for program in PROGRAMS.iter().filter(|p| p.is_usable()) {
        let path = program.path().unwrap();
        for cause in Cause::ALL {
            let case = Case::new(*cause);
            if let (Some(plan), _) = case.plan() {
                program.accepts(&path, &plan, &case.policy.protected_clients);
            }
        }
    }
}
