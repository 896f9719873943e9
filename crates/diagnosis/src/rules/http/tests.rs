//! What the table of requests says of whole sets of findings.

use crate::diagnose;
use seawall_model::Cause;
use seawall_model::finding::{Finding, Findings};
use seawall_model::metric::Metric;
use seawall_model::policy::Policy;

/// The verdict on metrics, each observed and, where one is given, expected.
fn verdict(metrics: &[(Metric, f64, Option<f64>)]) -> Cause {
    let mut findings = Findings { duration_s: 60.0, reference_s: 60.0, ..Findings::default() };
    for (metric, observed, expected) in metrics {
        findings.insert(Finding {
            metric: *metric,
            observed: *observed,
            expected: *expected,
            surprise: 0.0,
            support: 500.0,
            onset: None,
        });
    }
    diagnose(&findings, &Policy::default()).verdict.cause
}

#[test]
fn a_visitor_in_the_night_is_no_crowd() {
    let rise = |pages: f64, clients: f64| {
        verdict(&[
            (Metric::RequestCount, 400.0, Some(400.0)),
            (Metric::RequestRate, pages * 8.0, Some(0.4)),
            (Metric::PageRate, pages, Some(0.05)),
            (Metric::ClientCount, clients, Some(400.0)),
            (Metric::ClientRate, clients / 60.0, Some(0.007)),
            (Metric::AssetsPerPage, 7.0, Some(7.0)),
            (Metric::MachineClientShare, 0.0, Some(0.0)),
            (Metric::ReferenceTime, 60.0, None),
            (Metric::NewWorkerCount, 0.0, None),
        ])
    };
    assert_eq!(rise(0.4, 5.0), Cause::Normal);
    assert_eq!(rise(8.0, 120.0), Cause::FlashCrowd);
}

#[test]
fn what_does_no_harm_and_hides_nothing_is_no_flood() {
    let asked_by = |own: f64, per_s: f64, slower: f64, bare: f64| {
        verdict(&[
            (Metric::RequestCount, 3_000.0, Some(300.0)),
            (Metric::RequestRate, per_s, Some(2.0)),
            (Metric::PageRate, per_s, Some(1.0)),
            (Metric::AssetsPerPage, 0.3, Some(6.0)),
            (Metric::TopUserAgentShare, 0.7, Some(0.1)),
            (Metric::ToolShare, 0.7, Some(0.0)),
            (Metric::PeakRequestsPerClient, 2.0, Some(2.0)),
            (Metric::BareBrowserRate, bare, Some(0.0)),
            (Metric::ServiceTimeRatio, slower, Some(1.0)),
            (Metric::LoopShare, 0.0, None),
            (Metric::TopClientExcess, 0.0, None),
            (Metric::BatchExcess, 0.0, None),
            (Metric::OwnLoadShare, own, None),
            (Metric::InvitedShare, 0.0, None),
            (Metric::RequestTimeoutShare, 0.0, Some(0.0)),
            (Metric::BatchShare, 0.0, Some(0.0)),
            (Metric::WorkerShare, 0.0, Some(0.0)),
        ])
    };
    let asked = |per_s: f64, slower: f64, bare: f64| asked_by(0.0, per_s, slower, bare);
    assert_ne!(asked(12.0, 1.0, 0.0), Cause::HttpFlood, "a monitor from some places");
    assert_ne!(asked_by(0.9, 400.0, 1.0, 0.0), Cause::HttpFlood, "a load test of our own");
    assert_eq!(asked_by(0.9, 400.0, 6.0, 0.0), Cause::HttpFlood, "one that hurts");
    assert_eq!(asked(400.0, 1.0, 0.0), Cause::HttpFlood);
    assert_eq!(asked(30.0, 6.0, 28.0), Cause::HttpFlood, "few, and the service suffers");
}

#[test]
fn a_slow_way_is_told_from_a_slow_service_by_what_needs_no_work() {
    let slow = |assets: f64| {
        verdict(&[
            (Metric::PageRate, 4.0, Some(10.0)),
            (Metric::ServiceTimeRatio, 20.0, Some(1.0)),
            (Metric::DurationMedian, 9e5, Some(2e4)),
            (Metric::AssetTimeRatio, assets, Some(1.0)),
            (Metric::ClientAbortShare, 0.3, Some(0.0)),
            (Metric::ClientCount, 60.0, Some(300.0)),
        ])
    };
    assert_eq!(slow(15.0), Cause::NetworkFault);
    assert_eq!(slow(1.0), Cause::SlowBackend);
}

#[test]
fn a_client_that_has_finished_its_work_is_no_fault_of_the_way() {
    let fallen = |missing: f64| {
        verdict(&[
            (Metric::PageRate, 0.5, Some(10.0)),
            (Metric::RequestRate, 0.6, Some(11.0)),
            (Metric::ClientCount, 16.0, Some(110.0)),
            (Metric::ServiceTimeRatio, 1.0, Some(1.0)),
            (Metric::MissingClients, missing, None),
            (Metric::MachineClientShare, 0.0, Some(0.0)),
        ])
    };
    assert_eq!(fallen(9.0), Cause::NetworkFault);
    assert_eq!(fallen(1.0), Cause::Normal);
}

#[test]
fn log_ins_that_fail_in_the_system_log_are_guesses() {
    let guesses = [
        (Metric::FailedLogins, 1_700.0, None),
        (Metric::LoginFailureRate, 0.05, None),
        (Metric::LoginGuesserShare, 0.97, None),
        (Metric::GuessedNames, 40.0, None),
    ];
    assert_eq!(verdict(&guesses), Cause::CredentialAbuse);
}

#[test]
fn servers_that_all_wait_are_told_from_one_that_is_down() {
    let failing = |down: f64, slow: f64| {
        verdict(&[
            (Metric::PageRate, 17.0, Some(18.0)),
            (Metric::ServerDownEvents, down, None),
            (Metric::UpstreamFailureEvents, slow, None),
            (Metric::BackendTroubleRate, 0.25, None),
            (Metric::UpstreamFailureShare, 0.5, Some(0.0)),
            (Metric::NoServerShare, if down > 0.0 { 0.5 } else { 0.0 }, Some(0.0)),
            (Metric::GatewayErrorShare, 0.5, Some(0.0)),
        ])
    };
    assert_eq!(failing(3.0, 0.0), Cause::LoadBalancerFault);
    assert_eq!(failing(0.0, 6.0), Cause::SlowBackend);
}

#[test]
fn servers_that_are_waited_for_are_no_fault_of_the_balancer() {
    let timing_out = |expected: Option<f64>, none: f64| {
        verdict(&[
            (Metric::PageRate, 8.0, expected.map(|_| 8.0)),
            (Metric::ServiceTimeRatio, 1.0, Some(1.0)),
            (Metric::ServerErrorShare, 0.5, expected),
            (Metric::GatewayErrorShare, 0.5, expected),
            (Metric::UpstreamFailureShare, 0.5, expected),
            (Metric::NoServerShare, none, expected.map(|_| 0.0)),
        ])
    };
    assert_eq!(timing_out(Some(0.0), 0.5), Cause::LoadBalancerFault);
    assert_ne!(timing_out(Some(0.0), 0.0), Cause::LoadBalancerFault, "504 only");
    assert_ne!(timing_out(Some(0.5), 0.0), Cause::LoadBalancerFault, "as it was before");
}

#[test]
fn dear_requests_that_one_client_waits_for_many_of_are_an_attack_without_a_before() {
    let dear = |held: f64| {
        verdict(&[
            (Metric::RequestCount, 1_400.0, None),
            (Metric::PageRate, 9.0, None),
            (Metric::CostConcentration, 0.99, None),
            (Metric::CostPathHold, held, None),
            (Metric::DurationMedian, 3e7, None),
            (Metric::ServerErrorShare, 0.6, None),
            (Metric::GatewayErrorShare, 0.5, None),
            (Metric::UpstreamFailureShare, 0.5, None),
            (Metric::NoServerShare, 0.0, None),
            (Metric::RequestTimeoutShare, 0.0, None),
            (Metric::LoginAttemptShare, 0.0, None),
            (Metric::BatchExcess, 0.0, None),
            (Metric::BatchShare, 0.0, None),
            (Metric::WorkerShare, 0.0, None),
            (Metric::TypingShare, 0.0, None),
        ])
    };
    assert_eq!(dear(9.0), Cause::ExpensiveEndpoint);
    assert_ne!(dear(1.0).class(), seawall_model::Class::Attack, "each waits for its answer");
}

/// Broke: at an hour when feeds are fetched, a nightly export that slowed nobody was a flood of costly
/// requests, and refused.
#[test]
fn an_export_beside_feed_readers_is_no_flood_while_nobody_waits_for_it() {
    let export = verdict(&[
        (Metric::RequestCount, 250.0, Some(740.0)),
        (Metric::RequestRate, 41.0, Some(11.0)),
        (Metric::PageRate, 34.0, Some(5.0)),
        (Metric::NewClientShare, 0.87, None),
        (Metric::AssetlessClientShare, 0.83, Some(0.0)),
        (Metric::TopPathShare, 0.4, Some(0.2)),
        (Metric::CostPathRise, 1_400.0, Some(1.0)),
        (Metric::CostPathWeight, 7.4, None),
        (Metric::CostPathHold, 1.2, None),
        (Metric::CostConcentration, 0.88, Some(0.59)),
        (Metric::DurationP95, 123_000.0, Some(53_000.0)),
        (Metric::ServiceTimeRatio, 1.0, Some(1.0)),
        (Metric::ServerErrorShare, 0.0, Some(0.0)),
        (Metric::RequestTimeoutShare, 0.0, Some(0.0)),
        (Metric::LoginAttemptShare, 0.0, Some(0.0)),
        (Metric::MachineClientShare, 0.0, Some(0.0)),
        (Metric::BatchExcess, 0.95, None),
        (Metric::BatchShare, 0.31, Some(0.0)),
        (Metric::WorkerShare, 0.62, Some(0.2)),
        (Metric::TypingShare, 0.03, Some(0.0)),
    ]);
    assert!(!export.class().is_hostile(), "{export:?}");
}

/// Broke: ten thousand who voted on a page of few parts, and probes that were set up at noon, were floods.
#[test]
fn clients_that_browse_and_monitors_that_look_are_no_flood() {
    let risen = |browsing: f64, watch: f64| {
        verdict(&[
            (Metric::RequestCount, 20_000.0, Some(6_000.0)),
            (Metric::RequestRate, 150.0, Some(6.0)),
            (Metric::PageRate, 87.0, Some(1.0)),
            (Metric::ClientRate, 4.0, Some(2.0)),
            (Metric::ClientCount, 5_000.0, Some(300.0)),
            (Metric::NewClientShare, 0.99, None),
            (Metric::AssetsPerPage, 0.7, Some(5.0)),
            (Metric::BrowsingShare, browsing, Some(0.98)),
            (Metric::WatchExcess, watch, None),
            (Metric::MachineClientShare, 0.0, Some(0.0)),
            (Metric::TopPathShare, 0.67, Some(0.12)),
            (Metric::PeakRequestsPerClient, 4.0, Some(2.0)),
            (Metric::BareBrowserRate, 30.0, Some(0.0)),
            (Metric::TopClientExcess, 0.0, None),
            (Metric::BatchExcess, 0.0, None),
            (Metric::LoopShare, 0.0, None),
            (Metric::OwnLoadShare, 0.0, None),
            (Metric::InvitedShare, 0.0, None),
            (Metric::RequestTimeoutShare, 0.0, Some(0.0)),
            (Metric::BatchShare, 0.0, Some(0.0)),
            (Metric::WorkerShare, 0.0, Some(0.0)),
        ])
    };
    assert_eq!(risen(0.1, 0.0), Cause::HttpFlood);
    assert_ne!(risen(0.98, 0.0), Cause::HttpFlood);
    assert_ne!(risen(0.1, 0.98), Cause::HttpFlood);
}

/// Broke: cards that were tried at a check-out, which takes its time, were called an attack on a costly page.
#[test]
fn what_is_tried_and_refused_is_guessed_however_long_it_takes() {
    let tried = |guessers: f64| {
        verdict(&[
            (Metric::RequestCount, 2_000.0, Some(600.0)),
            (Metric::PageRate, 3.8, Some(0.6)),
            (Metric::CostPathRise, 800.0, Some(1.0)),
            (Metric::CostConcentration, 0.97, Some(0.06)),
            (Metric::CostPathWeight, 17.0, None),
            (Metric::TopPathShare, 0.75, Some(0.08)),
            (Metric::DurationP95, 7.2e5, Some(9e4)),
            (Metric::ServiceTimeRatio, 1.0, None),
            (Metric::AssetlessClientShare, 0.2, Some(0.0)),
            (Metric::PeakRequestsPerClient, 1.0, Some(1.0)),
            (Metric::LoginAttemptShare, 0.0, Some(0.0)),
            (Metric::BatchExcess, 0.0, None),
            (Metric::BatchShare, 0.0, None),
            (Metric::WorkerShare, 0.0, None),
            (Metric::TypingShare, 0.0, None),
            (Metric::RequestTimeoutShare, 0.0, None),
            (Metric::GuesserShare, guessers, Some(0.0)),
            (Metric::GuesserCount, 40.0 * guessers, Some(0.0)),
            (Metric::GuesserRequests, 2_000.0 * guessers, Some(0.0)),
        ])
    };
    assert_eq!(tried(0.0), Cause::ExpensiveEndpoint);
    assert_eq!(tried(0.6), Cause::CredentialAbuse);
}

/// Broke: people who logged in in the morning, at 30 ms each, were a flood of costly requests.
#[test]
fn dear_requests_that_are_answered_at_once_wear_nobody_out() {
    let logins = |slowest_us: f64| {
        verdict(&[
            (Metric::RequestCount, 35.0, Some(300.0)),
            (Metric::RequestRate, 19.0, Some(6.2)),
            (Metric::PageRate, 3.2, Some(0.7)),
            (Metric::ClientRate, 3.2, Some(0.4)),
            (Metric::AssetsPerPage, 4.8, Some(8.0)),
            (Metric::AssetlessClientShare, 0.5, Some(0.0)),
            (Metric::CostPathRise, 160.0, Some(1.0)),
            (Metric::CostPathWeight, 13.9, None),
            (Metric::CostConcentration, 0.92, Some(0.43)),
            (Metric::DurationP95, slowest_us, Some(3_800.0)),
            (Metric::RequestTimeoutShare, 0.0, Some(0.0)),
            (Metric::LoginAttemptShare, 0.08, Some(0.0)),
            (Metric::MachineClientShare, 0.0, Some(0.0)),
            (Metric::ServerErrorShare, 0.0, Some(0.0)),
            (Metric::BatchExcess, 0.0, None),
            (Metric::BatchShare, 0.0, Some(0.0)),
            (Metric::WorkerShare, 0.0, Some(0.0)),
            (Metric::TypingShare, 0.0, Some(0.0)),
        ])
    };
    assert_ne!(logins(30_000.0), Cause::ExpensiveEndpoint);
    assert_eq!(logins(400_000.0), Cause::ExpensiveEndpoint);
}
