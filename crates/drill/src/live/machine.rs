//! How much of the machine a drill had: what other programs took of the processors, and how late
//! its own threads woke up. Both are measured beside the attack, so that a bar that is missed on a
//! machine that had no time for it is told from one that the guard missed.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Above this part of all processors, other programs had too much for a fair measurement.
const OTHERS_MOST: f64 = 0.5;
/// Waking up this late, once in a hundred times, moves what is measured here in tenths of a second.
const LATE_MOST_MS: f64 = 50.0;
/// How often the watch wakes up.
const STEP: Duration = Duration::from_millis(10);

/// What a drill had of the machine while the attack lasted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Part of all processors that other programs used, 0 to 1; `None` where the system does not say.
    pub others: Option<f64>,
    /// A thread that slept for ten milliseconds woke up so much too late in the worst of a hundred
    /// cases, in milliseconds.
    pub late_ms: f64,
    /// Processor time of the guard, in seconds.
    pub guard_cpu_s: f64,
}

impl Machine {
    /// Whether it had so little that times and shares say more of the machine than of the guard.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.others.is_some_and(|o| o >= OTHERS_MOST) || self.late_ms >= LATE_MOST_MS
    }

    /// Says in which of some drills the machine was starved, and by how much; `None` where in none.
    #[must_use]
    pub fn starved(drills: &[(&str, Self)]) -> Option<String> {
        let starved: Vec<&(&str, Self)> = drills.iter().filter(|(_, m)| m.is_starved()).collect();
        let names: Vec<&str> = starved.iter().map(|(name, _)| *name).collect();
        let whose = match names.len() {
            0 => return None,
            n if n == drills.len() && n > 2 => "all drills".to_owned(),
            _ => names.join(", "),
        };
        let others: Vec<f64> = starved.iter().filter_map(|(_, m)| m.others).collect();
        let (least, most) = others.iter().fold((f64::MAX, 0.0_f64), |(l, m), o| (l.min(*o), m.max(*o)));
        let (least, most) = ((100.0 * least).round(), (100.0 * most).round());
        let used = match others.len() {
            0 => String::new(),
            _ if least == most => format!("other programs used {most} % of the processors, "),
            _ => format!("other programs used {least} to {most} % of the processors, "),
        };
        let late_ms = starved.iter().map(|(_, m)| m.late_ms).fold(0.0, f64::max);
        Some(format!("{whose}: {used}threads woke up to {late_ms:.0} ms late"))
    }
}

/// Measures until it is finished.
#[derive(Debug)]
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<f64>>>,
    guard: u32,
    in_lab: bool,
    before: Option<Ticks>,
    guard_before: Option<u64>,
}

/// Processor time in the system's ticks, a hundredth of a second each: of everybody, of all
/// processors, and of the drill and its guard.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    busy: u64,
    all: u64,
    own: u64,
}

impl Watch {
    /// Begins; `guard` is the process that is tried. In a lab every process that can be seen is of the
    /// drill, and the kernel's work for packets is too.
    pub(super) fn start(guard: u32, in_lab: bool) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let ending = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || {
            let mut late_ms = Vec::new();
            while !ending.load(Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(STEP);
                late_ms.push(begun.elapsed().saturating_sub(STEP).as_secs_f64() * 1e3);
            }
            late_ms
        });
        let (before, guard_before) = (Ticks::now(guard, in_lab), of_process(guard));
        Self { stop, thread: thread.ok(), guard, in_lab, before, guard_before }
    }

    pub(super) fn finish(mut self) -> Machine {
        let guard_ticks = of_process(self.guard).zip(self.guard_before).map(|(now, b)| now.saturating_sub(b));
        let others = self.before.zip(Ticks::now(self.guard, self.in_lab)).and_then(|(before, now)| {
            let all = now.all.saturating_sub(before.all);
            let busy = now.busy.saturating_sub(before.busy);
            let own = now.own.saturating_sub(before.own);
            (all > 0).then(|| busy.saturating_sub(own) as f64 / all as f64)
        });
        let mut late_ms = self.joined();
        late_ms.sort_by(f64::total_cmp);
        let worst = late_ms.get(late_ms.len() * 99 / 100).copied().unwrap_or(0.0);
        Machine { others, late_ms: worst, guard_cpu_s: guard_ticks.unwrap_or(0) as f64 / 100.0 }
    }

    fn joined(&mut self) -> Vec<f64> {
        self.stop.store(true, Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.joined();
    }
}

impl Ticks {
    fn now(guard: u32, in_lab: bool) -> Option<Self> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let Machinewide { busy, all, of_packets } = of_machine(&text)?;
        let own = if in_lab {
            of_packets + of_everybody()?
        } else {
            of_process(std::process::id())? + of_process(guard)?
        };
        Some(Self { busy, all, own })
    }
}

/// Ticks of the machine as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machinewide {
    busy: u64,
    all: u64,
    /// In interrupts: for packets, almost all of it.
    of_packets: u64,
}

/// Ticks of all processes that can be seen from here.
fn of_everybody() -> Option<u64> {
    let numbers = std::fs::read_dir("/proc").ok()?.flatten();
    let numbers = numbers.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    Some(numbers.filter_map(of_process).sum())
}

/// What is in the first line of `/proc/stat` (proc_stat(5)): user, nice, system,
/// idle, waiting for devices, interrupts, soft interrupts, stolen.
fn of_machine(text: &str) -> Option<Machinewide> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let all: Vec<u64> = line.split_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
    let total: u64 = all.iter().sum();
    let idle = all.get(3)? + all.get(4)?;
    Some(Machinewide { busy: total - idle, all: total, of_packets: all.get(5)? + all.get(6)? })
}

/// Ticks of a process and of its threads: fields 14 and 15 of its `stat` (proc_pid_stat(5)).
fn of_process(id: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let rest = text.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_not_work() {
        let text = "cpu  100 20 30 800 40 0 10 0 5 0\ncpu0 1 2 3 4\n";
        assert_eq!(of_machine(text), Some(Machinewide { busy: 160, all: 1_000, of_packets: 10 }));
        assert_eq!(of_machine("nothing"), None);
    }

    #[test]
    fn this_process_has_used_time_and_one_that_is_not_there_has_not() {
        assert!(of_process(std::process::id()).is_some());
        assert_eq!(of_process(u32::MAX), None);
    }

    #[test]
    fn a_machine_is_starved_by_others_or_by_waiting() {
        let calm = Machine { others: Some(0.1), late_ms: 2.0, guard_cpu_s: 0.0 };
        assert!(!calm.is_starved());
        assert!(Machine { others: Some(0.6), ..calm }.is_starved());
        assert!(Machine { late_ms: 80.0, ..calm }.is_starved());
        assert!(!Machine { others: None, ..calm }.is_starved());
        let (busy, busier) = (Machine { others: Some(0.6), ..calm }, Machine { others: Some(0.9), ..calm });
        assert_eq!(Machine::starved(&[("a", calm)]), None);
        let said = Machine::starved(&[("a", calm), ("b", busy), ("c", busier)]).expect("starved");
        assert_eq!(
            said,
            "b, c: other programs used 60 to 90 % of the processors, threads woke up to 2 ms late"
        );
    }
}
