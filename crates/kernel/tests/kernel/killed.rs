//! A filter killed at any point: what it installed goes with it, and connections stay.

use crate::cookies::{Clients, arm, serve, setting};
use crate::from_env;
use crate::network::{blocks, policy, start};
use crate::peer::{Peer, inside, run, wait_for};
use crate::random::Dice;
use seawall_kernel::Moment;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set in the process that is killed.
const CHURNING: &str = "SEAWALL_TEST_CHURNING";
/// Kills where nobody asks for more.
const KILLS: u64 = 3;
/// Within this time a filter puts plans in force and withdraws them more than once.
const LONGEST_MS: u64 = 300;

/// Not a test by itself: puts plans in force and withdraws them until it is killed.
#[test]
fn churn() {
    if std::env::var_os(CHURNING).is_none() {
        return;
    }
    let mut filter = start(&[]);
    loop {
        let (now, policy) = (Moment::now(), policy());
        filter.apply(&blocks(now, &policy), &policy, now).expect("the plan");
        arm(&mut filter);
        let _ = filter.audit(Moment::now());
        filter.undo(Moment::now()).expect("undone");
    }
}

#[test]
fn a_killed_filter_leaves_nothing_and_breaks_no_connection() {
    if inside("killed::a_killed_filter_leaves_nothing_and_breaks_no_connection") != Some(true) {
        return;
    }
    let peer = Peer::new();
    serve();
    let mut clients = Clients::new(&peer);
    // The plans block the other address from there: its connections would wait for TCP to try again.
    clients.does("open old 192.0.2.1 192.0.2.3");
    let mut dice = Dice::new(from_env("SEAWALL_SEED", 1));
    let former = setting();
    let mut caught = 0;
    let kills = from_env("SEAWALL_KILLS", KILLS);
    for round in 0..kills {
        let mut churning = Churning::begin();
        // One in three dies before it is on the interface, or while it gets there.
        if round % 3 > 0 {
            wait_for(|| is_attached().then_some(()));
        }
        std::thread::sleep(Duration::from_millis(dice.below(LONGEST_MS)));
        caught += u64::from(is_attached());
        clients.does("say old");
        assert!(churning.0.try_wait().expect("its state").is_none(), "it ended by itself");
        drop(churning);
        wait_for(|| (!is_attached()).then_some(()));
        wait_for(|| (setting() == former).then_some(()));
        assert!(peer.arrives("192.0.2.2"), "round {round}: who was blocked comes through");
        clients.does("say old");
        clients.does(&format!("open new{round} 192.0.2.1"));
        clients.does(&format!("say new{round}"));
    }
    assert!(caught >= kills / 2, "{caught} of {kills} were killed while they were on the interface");
}

/// A filter at work in a process of its own, killed where this ends.
struct Churning(Child);

impl Churning {
    fn begin() -> Self {
        let child = Command::new(std::env::current_exe().expect("the test's own path"))
            .args(["--exact", "killed::churn", "--test-threads=1"])
            .env(CHURNING, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("it runs"))
    }
}

impl Drop for Churning {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("gone");
    }
}

fn is_attached() -> bool {
    run("ip", &["-d", "link", "show", "near"]).contains("xdp")
}
