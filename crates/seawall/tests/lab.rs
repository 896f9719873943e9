//! The lab of `seawall drill --lab`: that nothing of it is left when it is ended, by whatever hand.
//! As root, with the servers that it needs; elsewhere a line says what is missing.

#![allow(clippy::disallowed_methods, reason = "a lab happens in real time")]

use seawall_drill::live::{self, lab};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_seawall");
const PATIENCE: Duration = Duration::from_secs(60);

/// A lab whose guard runs already; `None` where none can be built here.
fn started() -> Option<Child> {
    let world = live::world("library").expect("a world");
    if let Some(what) = lab::missing(&[world]) {
        eprintln!("skipped: {what}");
        return None;
    }
    let mut child = Command::new(PROGRAM)
        .args(["drill", "library", "--lab", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("calm:") {
        line.clear();
        assert!(told.read_line(&mut line).expect("text") > 0, "it ended before it was calm");
    }
    child.stderr = Some(told.into_inner());
    Some(child)
}

/// Every process that came from this one.
fn family(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while let Some(parent) = all.get(at).copied() {
        at += 1;
        let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|n| n.parse::<u32>().ok()));
        }
    }
    all
}

fn is_alive(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name in brackets; whoever waits to be reaped is dead.
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn kill(signal: &str, process: u32) {
    let status = Command::new("kill").args([signal, &process.to_string()]).status().expect("it runs");
    assert!(status.success());
}

/// Waits until all of them are gone.
fn gone(processes: &[u32]) {
    let begun = Instant::now();
    while let Some(left) = processes.iter().find(|p| is_alive(**p)) {
        assert!(begun.elapsed() < PATIENCE, "process {left} is left");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn namespaces() -> Vec<String> {
    let all = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    all.filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.starts_with("drill")).collect()
}

fn ended(mut child: Child) -> (ExitStatus, String) {
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
    (child.wait().expect("it ends"), said)
}

#[test]
fn a_lab_that_is_stopped_cleans_up_and_says_so() {
    let Some(child) = started() else { return };
    let all = family(child.id());
    // The guard, nginx, PostgreSQL and their own children are among them.
    assert!(all.len() >= 8, "{all:?}");
    assert_eq!(namespaces(), Vec::<String>::new(), "a lab's namespaces are seen outside of it");
    kill("-INT", child.id());
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("nothing of it is left"), "{said}");
    gone(&all);
}

#[test]
fn a_lab_whose_parts_are_killed_leaves_nothing() {
    let Some(mut child) = started() else { return };
    let all = family(child.id());
    // The drill inside, which is the first process of its namespace.
    kill("-KILL", all[2]);
    let (status, said) = ended(child);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("it was killed; the system has removed what it had made"), "{said}");
    gone(&all);

    child = started().expect("a lab");
    let all = family(child.id());
    kill("-KILL", all[0]);
    assert_eq!(ended(child).0.code(), None);
    gone(&all);
    assert_eq!(namespaces(), Vec::<String>::new());
}
