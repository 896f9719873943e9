//! Tests of the rule table: against the drill's own reading of signatures, and case by case.

use super::*;
use crate::act::decision::CompileFault;
use seawall_model::Cause;
use seawall_model::observation::{self, HttpVersion, Method, Observation, Presence};
use seawall_model::plan::{Action, Measure, Scope};
use seawall_model::policy::Mode;
use seawall_model::signature::{Layer, ShareEstimate, Signature};
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const CONTEXT: CompileContext = CompileContext { now: NOW, seed: 5 };
const NONE: ShareEstimate = ShareEstimate { share: 0.0, low: 0.0, high: 0.0 };

fn enforcing() -> Policy {
    Policy { mode: Mode::Enforce, ..Policy::default() }
}

fn measure(id: &str, action: Action, scope: Scope) -> Measure {
    Measure {
        id: id.into(),
        action,
        scope,
        target: None,
        predicted_effect: NONE,
        predicted_harm: Some(NONE),
        expires: NOW.plus_ns(600 * SECOND_NS),
        initial_share: 1.0,
    }
}

fn plan(measures: Vec<Measure>) -> Plan {
    Plan {
        generation: 3,
        parent: None,
        cause: Cause::HttpFlood,
        created: NOW,
        expires: NOW.plus_ns(600 * SECOND_NS),
        measures,
    }
}

fn signature(tests: Vec<Test>) -> Scope {
    Scope::Signature(Signature {
        layer: Layer::Http,
        tests,
        attack: NONE,
        baseline: None,
        baseline_clients: None,
        examples: Vec::new(),
    })
}

fn block(id: &str, scope: Scope) -> Measure {
    measure(id, Action::Block { status: 403 }, scope)
}

fn table(measures: Vec<Measure>) -> RuleTable {
    RuleTable::compile(&plan(measures), &enforcing(), &CONTEXT).unwrap()
}

fn page(client: [u8; 4]) -> Request<'static> {
    Request { accept: b"text/html", user_agent: b"Mozilla/5.0", ..Request::new(client.into()) }
}

/// Decides with tables of its own.
fn decided(table: &RuleTable, request: &Request<'_>) -> Decision {
    let limits = Limits::new(4_096, 1);
    table.decide(&limits, NOW, request, Standing::Unknown)
}

const REFUSED: Verdict = Verdict::Refuse { status: 403, retry_after_s: 0 };

/// One of a few values of everything, so that tests hold often.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = hash::mix(self.0.wrapping_add(1));
        self.0 % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn request(&mut self) -> Request<'static> {
        let last = self.below(6) as u8;
        let long: &[u8] = &[b'a'; 600];
        Request {
            method: self.pick(&[Method::Get, Method::Post]),
            version: self.pick(&[HttpVersion::Http11, HttpVersion::Http2]),
            host: self.pick(&[b"a.example".as_slice(), b"b.example"]),
            path: self.pick(&[b"/item/7".as_slice(), b"/item/8", b"/", b"/search", b"/item/"]),
            query: self.pick(&[None, Some(b"q=1".as_slice()), Some(b"83kd92jf"), Some(b"id=3&x=1")]),
            user_agent: self.pick(&[b"Mozilla/5.0".as_slice(), b"curl/8", b"", long]),
            referrer: self.pick(&[b"".as_slice(), b"https://a.example/x", b"https://news.example/"]),
            cookie: self.pick(&[b"".as_slice(), b"session=1"]),
            accept_language: self.pick(&[b"".as_slice(), b"de"]),
            header_order: self.below(3),
            ja4: self.pick(&[b"".as_slice(), b"t13d_a_b"]),
            ..Request::new(IpAddr::from([192, 0, 2, last]))
        }
    }

    fn test(&mut self) -> Test {
        let last = self.below(6) as u8;
        match self.below(13) {
            0 => Test::Source(Prefix::new(IpAddr::from([192, 0, 2, last]), 30 + (last % 3)).unwrap()),
            1 => Test::Method(self.pick(&[Method::Get, Method::Post])),
            2 => Test::Host(self.pick(&["a.example", "c.example"]).into()),
            3 => Test::Path(self.pick(&["/item/7", "/search"]).into()),
            4 => Test::PathTemplate(self.pick(&["/item/*", "/"]).into()),
            5 => Test::QueryShape(self.pick(&["", "q", "?", "id&x"]).into()),
            6 => Test::UserAgent(self.pick(&["Mozilla/5.0", "curl/8", ""]).into()),
            7 => Test::ReferrerOrigin(self.pick(&["", "https://a.example"]).into()),
            8 => Test::HttpVersion(self.pick(&[HttpVersion::Http11, HttpVersion::Http2])),
            9 => Test::Cookie(self.pick(&[Presence::Absent, Presence::Present])),
            10 => Test::AcceptLanguage(self.pick(&[Presence::Absent, Presence::Present])),
            11 => Test::HeaderOrder(self.below(3)),
            _ => Test::Ja4(self.pick(&["", "t13d_a_b"]).into()),
        }
    }
}

fn observed<'a>(r: &Request<'a>) -> Observation<'a> {
    Observation::Request(observation::Request {
        method: r.method,
        version: r.version,
        host: r.host,
        path: r.path,
        query: r.query,
        user_agent: r.user_agent,
        referrer: r.referrer,
        cookie: presence(r.has_cookies()),
        accept_language: presence(!r.accept_language.is_empty()),
        header_order: r.header_order,
        ja4: r.ja4,
        ..observation::Request::new(NOW, r.client)
    })
}

#[test]
fn the_table_blocks_what_the_drill_says_a_signature_matches() {
    let mut dice = Dice(7);
    let mut blocked = 0;
    for _ in 0..400 {
        let scopes: Vec<Vec<Test>> =
            (0..1 + dice.below(4)).map(|_| (0..1 + dice.below(3)).map(|_| dice.test()).collect()).collect();
        let measures = scopes.iter().enumerate().map(|(i, t)| block(&format!("m{i}"), signature(t.clone())));
        let table = table(measures.collect());
        for _ in 0..40 {
            let request = dice.request();
            let hits: Vec<String> = scopes
                .iter()
                .enumerate()
                .filter(|(_, tests)| {
                    let Scope::Signature(s) = signature((*tests).clone()) else { return false };
                    seawall_drill::matches(&s, &observed(&request))
                })
                .map(|(i, _)| format!("m{i}"))
                .collect();
            let decision = decided(&table, &request);
            assert_eq!(decision.verdict == REFUSED, !hits.is_empty(), "{scopes:?} {request:?}");
            if let Some(rule) = decision.rule {
                assert_eq!(table.measure(rule), hits.first().map(String::as_str));
                blocked += 1;
            }
        }
    }
    assert!(blocked > 1_000, "{blocked}");
}

#[test]
fn text_that_no_record_keeps_whole_still_matches_its_record() {
    let long = "a".repeat(600);
    let path = [b"/\xFF/".as_slice(), long.as_bytes()].concat();
    let request = Request { path: &path, ..page([192, 0, 2, 1]) };
    let Observation::Request(observed) = observed(&request) else { panic!() };
    let kept = seawall_model::record::RequestRecord::from(&observed).path;
    assert_eq!(
        decided(&table(vec![block("m1", signature(vec![Test::Path(kept)]))]), &request).verdict,
        REFUSED
    );
}

#[test]
fn protected_clients_pass_first() {
    let policy = Policy { protected_clients: vec!["192.0.2.0/24".parse().unwrap()], ..enforcing() };
    let everything = Scope::Sources(vec!["192.0.0.0/16".parse().unwrap()]);
    let table = RuleTable::compile(&plan(vec![block("m1", everything)]), &policy, &CONTEXT).unwrap();
    assert_eq!(decided(&table, &page([192, 0, 2, 1])).verdict, Verdict::Pass);
    assert_eq!(decided(&table, &page([192, 0, 3, 1])).verdict, REFUSED);
}

#[test]
fn observing_counts_and_changes_nothing() {
    let policy = Policy { mode: Mode::Observe, ..Policy::default() };
    let stale = measure("m2", Action::ServeStale { seconds: 9 }, Scope::All);
    let measures = vec![block("m1", signature(vec![Test::Method(Method::Get)])), stale];
    let table = RuleTable::compile(&plan(measures), &policy, &CONTEXT).unwrap();
    let limits = Limits::new(4_096, 1);
    for _ in 0..5 {
        let decision = table.decide(&limits, NOW, &page([192, 0, 2, 1]), Standing::Unknown);
        assert_eq!((decision.verdict, decision.stale_s), (Verdict::Pass, 0));
        assert_eq!(decision.rule.and_then(|r| table.measure(r)), Some("m1"));
    }
    assert_eq!(table.take_hits().collect::<Vec<_>>(), [("m1", 5)]);
    assert_eq!(table.take_hits().map(|(_, hits)| hits).sum::<u64>(), 0);
}

#[test]
fn a_share_is_drawn_once_for_each_client() {
    let mut staged = block("m1", signature(vec![Test::Method(Method::Get)]));
    staged.initial_share = 0.1;
    let first = table(vec![staged.clone()]);
    staged.initial_share = 0.4;
    let second = table(vec![staged]);
    let client = |n: u32| page((0x0A00_0000 + n).to_be_bytes());
    let hit = |table: &RuleTable| -> Vec<u32> {
        (0..4_000).filter(|n| decided(table, &client(*n)).verdict == REFUSED).collect()
    };
    let (tenth, more) = (hit(&first), hit(&second));
    assert_eq!(tenth, hit(&first));
    assert!((300..500).contains(&tenth.len()), "{}", tenth.len());
    assert!((1_450..1_750).contains(&more.len()), "{}", more.len());
    assert!(tenth.iter().all(|n| more.contains(n)), "raising a share must let nobody out");
}

#[test]
fn a_measure_ends_at_its_expiry() {
    let table = table(vec![block("m1", signature(vec![Test::Method(Method::Get)]))]);
    let at = |s: i64| {
        let now = NOW.plus_ns(s * SECOND_NS);
        let limits = Limits::new(4_096, 1);
        table.decide(&limits, now, &page([192, 0, 2, 1]), Standing::Unknown).verdict
    };
    assert_eq!(at(599), REFUSED);
    assert_eq!(at(600), Verdict::Pass);
}

#[test]
fn a_limit_delays_a_little_and_then_refuses_with_the_time_to_wait() {
    let limit = Action::RateLimit { key: RateKey::Source, per_s: 10.0, burst: 2.0 };
    let table = table(vec![measure("m1", limit, Scope::All)]);
    let limits = Limits::new(4_096, 1);
    let decide = |client: u8, ms: i64| {
        let now = NOW.plus_ns(ms * MILLISECOND_NS);
        table.decide(&limits, now, &page([192, 0, 2, client]), Standing::Unknown).verdict
    };
    assert_eq!([decide(1, 0), decide(1, 0)], [Verdict::Pass, Verdict::Pass]);
    assert!(matches!(decide(1, 0), Verdict::Delay { ms: 99..=101 }));
    assert!(matches!(decide(1, 0), Verdict::Delay { ms: 199..=201 }));
    assert_eq!(decide(1, 0), Verdict::Refuse { status: 429, retry_after_s: 1 });
    assert_eq!(decide(2, 0), Verdict::Pass);
    assert_eq!(decide(1, 1_000), Verdict::Pass);
}

#[test]
fn a_share_of_a_total_limit_counts_everybody() {
    let mut total =
        measure("m1", Action::RateLimit { key: RateKey::Total, per_s: 1.0, burst: 50.0 }, Scope::All);
    total.initial_share = 0.25;
    let table = table(vec![total]);
    let limits = Limits::new(4_096, 1);
    let refused = (0..400_u32)
        .filter(|n| {
            let request = page((0x0A00_0000 + n).to_be_bytes());
            table.decide(&limits, NOW, &request, Standing::Unknown).verdict != Verdict::Pass
        })
        .count();
    assert!((60..=115).contains(&refused), "{refused} of 350 beyond the limit");
}

#[test]
fn keys_of_limits_tell_clients_apart_as_they_say() {
    let one = Request { cookie: b"s=1", ..page([192, 0, 2, 1]) };
    let neighbour = Request { client: [192, 0, 2, 9].into(), ..one };
    let stranger = Request { client: [198, 51, 100, 1].into(), ..one };
    let same = |key, a: &Request<'_>, b: &Request<'_>| key_of(key, a) == key_of(key, b);
    assert!(!same(LimitKey::Source, &one, &neighbour));
    assert!(same(LimitKey::Network, &one, &neighbour) && !same(LimitKey::Network, &one, &stranger));
    assert!(same(LimitKey::Total, &one, &stranger) && same(LimitKey::Host, &one, &stranger));
    assert!(!same(LimitKey::Path, &one, &Request { path: b"/x", ..one }));
    let v6 = |text: &str| Request { client: text.parse().unwrap(), ..one };
    assert!(same(LimitKey::Source, &v6("2001:db8::1"), &v6("2001:db8::2")));
    assert!(!same(LimitKey::Source, &v6("2001:db8::1"), &v6("2001:db8:0:1::1")));
}

#[test]
fn challenges_are_for_pages_of_strangers() {
    let table = table(vec![measure("m1", Action::Challenge, Scope::All)]);
    let limits = Limits::new(4_096, 1);
    let verdict = |request: &Request<'_>, standing| table.decide(&limits, NOW, request, standing).verdict;
    let page = page([192, 0, 2, 1]);
    let call = Request { path: b"/api/stock", accept: b"application/json", ..page };
    let part = Request { path: b"/app.css", accept: b"text/css", ..page };
    let form = Request { method: Method::Post, ..page };
    let later = Verdict::Refuse { status: 429, retry_after_s: 30 };
    assert_eq!(verdict(&page, Standing::Unknown), Verdict::Challenge);
    assert_eq!(verdict(&page, Standing::Visiting), Verdict::Challenge);
    assert_eq!(verdict(&part, Standing::Visiting), Verdict::Pass);
    assert_eq!([verdict(&call, Standing::Unknown), verdict(&form, Standing::Unknown)], [later, later]);
    for standing in [Standing::Patient, Standing::Known, Standing::Cleared, Standing::Protected] {
        assert_eq!(verdict(&page, standing), Verdict::Pass);
        assert_eq!(verdict(&call, standing), Verdict::Pass);
    }
}

#[test]
fn the_narrowest_limit_is_charged_first() {
    let total = Action::RateLimit { key: RateKey::Total, per_s: 1.0, burst: 100.0 };
    let each = Action::RateLimit { key: RateKey::Source, per_s: 1.0, burst: 3.0 };
    let table = table(vec![measure("all", total, Scope::All), measure("each", each, Scope::All)]);
    let limits = Limits::new(4_096, 1);
    for _ in 0..300 {
        let loud = table.decide(&limits, NOW, &page([192, 0, 2, 1]), Standing::Unknown);
        if loud.verdict != Verdict::Pass {
            assert_eq!(loud.rule.and_then(|r| table.measure(r)), Some("each"));
        }
    }
    let quiet = table.decide(&limits, NOW, &page([192, 0, 2, 2]), Standing::Unknown);
    assert_eq!(quiet.verdict, Verdict::Pass, "one loud source must not use up what is for all");
}

/// Broke: a flood that was told to do work first used up what its path may have, and then the people
/// who were known before it were refused.
#[test]
fn strangers_who_are_challenged_do_not_use_up_what_all_share() {
    let search = || signature(vec![Test::Path("/search".into())]);
    let limit = Action::RateLimit { key: RateKey::Path, per_s: 1.0, burst: 2.0 };
    let table = table(vec![measure("m1", limit, search()), measure("m2", Action::Challenge, search())]);
    let limits = Limits::new(4_096, 1);
    let asks = |last: u8, standing| {
        let request = Request { path: b"/search", ..page([192, 0, 2, last]) };
        table.decide(&limits, NOW, &request, standing).verdict
    };
    for last in 0..100 {
        assert_eq!(asks(last, Standing::Unknown), Verdict::Challenge);
    }
    let cleared: Vec<Verdict> = (100..110).map(|last| asks(last, Standing::Cleared)).collect();
    assert_eq!(cleared[..2], [Verdict::Pass; 2]);
    assert!(matches!(cleared[9], Verdict::Refuse { status: 429, .. }), "{cleared:?}");
    assert_eq!(asks(200, Standing::Known), Verdict::Pass, "whoever was there before the trouble");
}

#[test]
fn a_cap_lets_in_so_many_at_once() {
    let dear = signature(vec![Test::Path("/search".into())]);
    let table = table(vec![measure("m1", Action::Shed { max_concurrency: 2 }, dear)]);
    let cap = decided(&table, &Request { path: b"/search", ..page([192, 0, 2, 1]) }).cap.unwrap();
    assert!(decided(&table, &page([192, 0, 2, 1])).cap.is_none());
    assert_eq!([table.enter(cap), table.enter(cap), table.enter(cap)], [true, true, false]);
    table.leave(cap);
    assert!(table.enter(cap));
}

#[test]
fn measures_of_the_site_are_told_apart_from_rules() {
    let table = table(vec![
        measure("m1", Action::Shed { max_concurrency: 64 }, Scope::All),
        measure("m2", Action::HeaderDeadline { seconds: 5, connections_per_source: 24 }, Scope::All),
        measure("m3", Action::ServeStale { seconds: 7 }, Scope::All),
        measure("m4", Action::DropInKernel, Scope::All),
    ]);
    let site =
        SiteMeasures { header_deadline: Some((5, 24)), shed_concurrency: Some(64), admitted_per_s: None };
    assert_eq!((table.site(), table.len()), (&site, 1));
    assert_eq!(decided(&table, &page([192, 0, 2, 1])).stale_s, 7);
}

#[test]
fn a_crowd_waits_and_is_never_blocked() {
    let crowd = |action, scope| Plan { cause: Cause::FlashCrowd, ..plan(vec![measure("m1", action, scope)]) };
    let wait = crowd(Action::WaitingRoom { admitted_per_s: 5.0 }, Scope::All);
    let table = RuleTable::compile(&wait, &enforcing(), &CONTEXT).unwrap();
    assert_eq!(decided(&table, &page([192, 0, 2, 1])).verdict, Verdict::Wait);
    let call = Request { accept: b"*/*", path: b"/api/x", ..page([192, 0, 2, 1]) };
    assert_eq!(decided(&table, &call).verdict, Verdict::Pass);
    for cause in
        [Cause::FlashCrowd, Cause::ReleaseFault, Cause::SlowBackend, Cause::Crawler, Cause::Undecided]
    {
        for action in [Action::Block { status: 403 }, Action::Challenge] {
            let scope = signature(vec![Test::Method(Method::Get)]);
            let plan = Plan { cause, ..crowd(action, scope) };
            let errors = RuleTable::compile(&plan, &enforcing(), &CONTEXT).unwrap_err();
            assert_eq!(errors.0[0].fault, CompileFault::DenialWithoutAttack, "{cause}");
        }
    }
}

#[test]
fn every_fault_of_a_plan_is_told_at_once() {
    let mut late = block("m2", signature(vec![Test::Status(404)]));
    late.expires = NOW;
    late.initial_share = 0.0;
    let faulty = plan(vec![
        block("m1", Scope::All),
        late,
        block("m3", Scope::Sources(vec!["10.0.0.0/8".parse().unwrap()])),
        measure("m4", Action::RateLimit { key: RateKey::Total, per_s: f64::NAN, burst: 1.0 }, Scope::All),
        block("m5", Scope::Sources(Vec::new())),
        measure("m6", Action::Block { status: 200 }, signature(vec![Test::Method(Method::Get)])),
    ]);
    let errors = RuleTable::compile(&faulty, &enforcing(), &CONTEXT).unwrap_err();
    let by: Vec<&str> = errors.0.iter().map(|e| e.measure.as_str()).collect();
    assert_eq!(by, ["m1", "m2", "m2", "m2", "m3", "m4", "m5", "m6"], "{errors}");
}

#[test]
fn too_many_addresses_are_refused() {
    let hosts = |n: u32| (0..n).map(|i| Prefix::host(IpAddr::from((0x0A00_0000 + i).to_be_bytes())));
    let policy = Policy { max_address_rules: 100, ..enforcing() };
    let of = |n| plan(vec![block("m1", Scope::Sources(hosts(n).collect()))]);
    assert!(RuleTable::compile(&of(100), &policy, &CONTEXT).is_ok());
    assert!(RuleTable::compile(&of(101), &policy, &CONTEXT).is_err());
}
