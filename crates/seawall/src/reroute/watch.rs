//! Keeps providers ready while the guard runs: their copies are compared, record set by record
//! set, and brought up to date, by a thread of its own.

use super::state::State;
use super::{Plan, steps};
use crate::guard::clock;
use seawall_dns_edge::message::name;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// From the end of one comparison to the next.
const EVERY_STEPS: u32 = 600;
const STEP: Duration = Duration::from_millis(100);
/// Lines that wait to be told.
const MOST_SAID: usize = 100;
/// Differences that are told one by one.
const NAMED: usize = 3;

/// The thread; it ends with this value.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    /// Begins to compare. `state`: where proofs are kept.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn start(plans: Vec<Plan>, state: Option<&Path>) -> std::io::Result<Self> {
        let watch = Self { stop: Arc::default(), said: Arc::default() };
        let (stop, said) = (Arc::clone(&watch.stop), Arc::clone(&watch.said));
        let states: Vec<Option<State>> =
            plans.iter().map(|p| state.map(|folder| State::of(folder, &name::text(&p.zone.apex)))).collect();
        std::thread::Builder::new().name("reroute".into()).spawn(move || {
            let mut last = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                for (plan, state) in plans.iter().zip(&states) {
                    (0..plan.zone.providers.len()).for_each(|number| {
                        tell(&said, &mut last, plan, number, look(plan, number, state.as_ref()));
                    });
                }
                for _ in 0..EVERY_STEPS {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(STEP);
                }
            }
        })?;
        Ok(watch)
    }

    /// What an operator should know since the last call.
    #[must_use]
    pub fn take_said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What is found of one provider, in words that stay the same while nothing changes.
fn look(plan: &Plan, number: usize, state: Option<&State>) -> Vec<String> {
    match steps::prove(plan, number, state, &clock::now) {
        Ok((parity, mut notes)) => {
            notes.push(if parity.holds() {
                format!("ready: {} record sets are alike", parity.sets)
            } else {
                let first = parity.differences.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
                format!("not ready: {} differences, {first}", parity.differing)
            });
            notes
        }
        Err(error) => vec![format!("not known to be ready: {error:#}")],
    }
}

/// Tells what is new.
fn tell(
    said: &Mutex<Vec<String>>,
    last: &mut BTreeMap<String, String>,
    plan: &Plan,
    number: usize,
    mut lines: Vec<String>,
) {
    let who = format!("{} at {}", name::text(&plan.zone.apex), plan.zone.providers[number].name);
    let Some(now) = lines.pop() else { return };
    let is_new = last.insert(who.clone(), now.clone()).as_ref() != Some(&now);
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    for line in lines.into_iter().chain(is_new.then_some(now)) {
        if said.len() < MOST_SAID {
            said.push(format!("reroute: {who}: {line}"));
        }
    }
}
