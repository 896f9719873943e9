//! The scenes: attacks that must be named, contained and let go; twins that must be named right
//! and never blocked.

use super::attack::Attack;
use super::scene::{Happening, Outcome, Script, play};
use super::site::PAGES_PER_S;

fn script(happening: Happening) -> Script {
    Script { happening, calm_s: 20, trouble_s: 15, after_s: 14, seed: 7 }
}

fn under(name: &str, attack: Attack) -> Outcome {
    let outcome = play(name, script(Happening::Attack(attack)));
    outcome.print(name);
    outcome
}

/// What every attack must show: named so within 5 s, people answered, let go within 10 s.
fn holds(outcome: &Outcome, names: &[&str], share: f64) {
    let named = outcome.names();
    let is_named = |n: &String| names.iter().any(|name| n.starts_with(name));
    assert!(named.iter().any(is_named), "named {named:?}");
    let named_s =
        names.iter().filter_map(|n| outcome.seconds_to(&format!("named: {n}"))).fold(f64::MAX, f64::min);
    assert!(named_s <= 5.0, "named after {named_s:.1} s");
    let answered = outcome.share_in_time(5.0, 15.0);
    assert!(answered >= share, "{:.1} % of people answered in time", 100.0 * answered);
    if outcome.guard.lines_with("measures in force", outcome.onset.into_std()).is_empty() {
        // Nothing was sure enough to act on, and there was room for people without.
        return;
    }
    let withdrawn = outcome.guard.lines_with("measures withdrawn", outcome.end.into_std());
    let released_s = withdrawn.first().map(|l| l.at.duration_since(outcome.end.into_std()).as_secs_f64());
    assert!(released_s.is_some_and(|s| s <= 10.0), "released after {released_s:?} s");
}

/// What every twin must show: its own name, and nobody blocked.
fn is_innocent(outcome: &Outcome, names: &[&str]) {
    let named = outcome.names();
    let is_named = |n: &String| names.iter().any(|name| n.starts_with(name));
    assert!(named.last().is_some_and(is_named), "named {named:?}");
    for metric in ["seawall_rule_refused_total", "seawall_rule_closed_total", "seawall_rule_challenged_total"]
    {
        assert_eq!(outcome.guard.metric(metric), 0, "{metric}");
    }
}

#[test]
fn a_flood_from_many_sources() {
    let outcome = under("distributed", Attack::Distributed { per_s: 5.0 * PAGES_PER_S });
    holds(&outcome, &["HTTP flood"], 0.95);
}

#[test]
fn pulses() {
    let attack = Attack::Pulses { per_s: 5.0 * PAGES_PER_S, on_s: 5, off_s: 10 };
    let outcome = play("pulses", Script { trouble_s: 35, ..script(Happening::Attack(attack)) });
    outcome.print("pulses");
    holds(&outcome, &["HTTP flood"], 0.95);
}

#[test]
fn a_few_loud_sources() {
    let outcome = under("loud", Attack::Loud { sources: 5, per_s_each: 200.0 });
    holds(&outcome, &["HTTP flood", "flood of costly requests"], 0.99);
}

#[test]
fn cache_busting() {
    let outcome = under("busting", Attack::CacheBusting { per_s: 3.0 * PAGES_PER_S });
    holds(&outcome, &["cache-busting HTTP flood", "HTTP flood"], 0.95);
}

#[test]
fn a_dear_search() {
    let outcome = under("search", Attack::DearSearch { per_s: 60.0 });
    holds(&outcome, &["flood of costly requests", "HTTP flood"], 0.95);
}

#[test]
fn slow_headers() {
    let outcome = under("slow", Attack::SlowHeaders { connections: 1_000 });
    holds(&outcome, &["slow HTTP attack"], 0.99);
}

#[test]
fn idle_connections() {
    let outcome = under("idle", Attack::Idle { connections: 1_500 });
    assert!(outcome.share_in_time(3.0, 15.0) >= 0.99);
}

#[test]
fn a_sale() {
    let outcome = play("sale", Script { trouble_s: 25, ..script(Happening::Sale(5.0)) });
    outcome.print("sale");
    is_innocent(&outcome, &["flash crowd"]);
}

#[test]
fn a_broken_release() {
    let outcome = play("release", script(Happening::BrokenRelease(60)));
    outcome.print("release");
    is_innocent(&outcome, &["broken release"]);
}

#[test]
fn a_slow_upstream() {
    let outcome = play("upstream", script(Happening::SlowUpstream(12)));
    outcome.print("upstream");
    is_innocent(&outcome, &["slow back end"]);
}

#[test]
fn calm() {
    let outcome = play("calm", script(Happening::Nothing));
    outcome.print("calm");
    assert_eq!(outcome.names(), Vec::<String>::new());
    assert!(outcome.share_in_time(0.0, 30.0) >= 0.999);
}
