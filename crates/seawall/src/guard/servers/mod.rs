//! Measures in a server that is already there: an nginx whose configuration includes files of ours,
//! an HAProxy whose maps its runtime API changes. The contract is in `docs/operate/beside.md`.
//!
//! A thread of its own does the work, since a reload may take seconds: the control loop says what
//! is wanted, and hears later what went wrong. What was put in place is compared with what is there
//! every other second, and put right. Everything carries its time, by the server's own clock.

mod haproxy;
mod nginx;

pub use haproxy::HaProxy;
pub use nginx::{Command, Nginx};

use seawall_model::Prefix;
use seawall_model::plan::{Measure, Plan};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often what is there is compared with what is wanted.
const AUDIT_EVERY: Duration = Duration::from_secs(2);
/// Failures that wait to be told; more is one too many to read.
const MOST_TOLD: usize = 16;

/// What a server is to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// `None`: nothing.
    pub plan: Option<Plan>,
    pub protected: Vec<Prefix>,
}

/// Says whether a kind of server can carry a measure of a plan out.
pub type Carries = fn(&Plan, &Measure) -> bool;

/// One server that is told.
pub trait Server: Send {
    /// What it is called in messages.
    fn name(&self) -> String;
    /// What it can carry out.
    fn carries(&self) -> Carries;
    /// Puts what is wanted in place of everything of ours.
    ///
    /// # Errors
    /// Why the server does not do it; it goes on as before.
    fn put(&mut self, wanted: &Wanted) -> Result<(), String>;
    /// Whether what was put is still there.
    ///
    /// # Errors
    /// If the server cannot be asked.
    fn is_there(&mut self, wanted: &Wanted) -> Result<bool, String>;
}

/// All servers that are told, and the thread that does it. What is in place goes with this value.
pub struct Servers {
    names: Vec<String>,
    carries: Vec<Carries>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Wanted,
    /// Counts what was wanted; the thread has done `done` of it.
    asked: u64,
    is_over: bool,
    told: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: String) {
        let mut state = self.state();
        if state.told.len() < MOST_TOLD {
            state.told.push(what);
        }
    }
}

impl Servers {
    /// Takes over: what an earlier guard may have left is cleared away first.
    ///
    /// # Errors
    /// If a server cannot be told anything.
    pub fn start(mut servers: Vec<Box<dyn Server>>) -> Result<Self, String> {
        for server in &mut servers {
            server.put(&Wanted::default()).map_err(|why| format!("{}: {why}", server.name()))?;
        }
        let names = servers.iter().map(|s| s.name()).collect();
        let carries = servers.iter().map(|s| s.carries()).collect();
        let shared = Arc::<Shared>::default();
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("servers".into())
            .spawn(move || work(&seen, &mut servers))
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        Ok(Self { names, carries, shared, thread: Some(thread) })
    }

    /// What they are called.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether one of them can carry a measure out.
    #[must_use]
    pub fn carries(&self, plan: &Plan, measure: &Measure) -> bool {
        self.carries.iter().any(|carries| carries(plan, measure))
    }

    /// Says what is wanted from now on.
    pub fn want(&self, wanted: Wanted) {
        let mut state = self.shared.state();
        if state.wanted != wanted {
            state.wanted = wanted;
            state.asked += 1;
            self.shared.changed.notify_one();
        }
    }

    /// What went wrong since the last call.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state().told)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.want(Wanted::default());
        self.shared.state().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends within the patience of one command for each server.
            let _ = thread.join();
        }
    }
}

/// Puts what is wanted in place, and looks after it, until it is over.
fn work(shared: &Shared, servers: &mut [Box<dyn Server>]) {
    let mut done = 0;
    loop {
        let state = shared.state();
        let is_idle = |s: &mut State| s.asked == done && !s.is_over;
        let (state, _) = shared
            .changed
            .wait_timeout_while(state, AUDIT_EVERY, is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (wanted, asked, is_over) = (state.wanted.clone(), state.asked, state.is_over);
        drop(state);
        let is_new = asked != done;
        done = asked;
        for server in servers.iter_mut() {
            if let Some(what) = attend(server.as_mut(), &wanted, is_new) {
                shared.tell(format!("{}: {what}", server.name()));
            }
        }
        if is_over && shared.state().asked == done {
            return;
        }
    }
}

/// One server's turn; says what was wrong.
fn attend(server: &mut dyn Server, wanted: &Wanted, is_new: bool) -> Option<String> {
    if is_new {
        return server.put(wanted).err();
    }
    match server.is_there(wanted) {
        Ok(true) => None,
        Ok(false) => Some(match server.put(wanted) {
            Ok(()) => "its measures were changed by somebody else, and are put right".to_owned(),
            Err(why) => why,
        }),
        Err(why) => Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Notes what it is asked to put; tells that it was changed until it is put again.
    struct Noting {
        put: SyncSender<Option<u64>>,
        is_there: bool,
    }

    impl Server for Noting {
        fn name(&self) -> String {
            "noting".to_owned()
        }

        fn carries(&self) -> Carries {
            |_, _| true
        }

        fn put(&mut self, wanted: &Wanted) -> Result<(), String> {
            self.is_there = true;
            self.put.send(wanted.plan.as_ref().map(|p| p.generation)).map_err(|e| e.to_string())
        }

        fn is_there(&mut self, _: &Wanted) -> Result<bool, String> {
            Ok(self.is_there)
        }
    }

    fn plan(generation: u64) -> Plan {
        Plan {
            generation,
            parent: None,
            cause: seawall_model::Cause::HttpFlood,
            created: seawall_model::Timestamp(0),
            expires: seawall_model::Timestamp(1),
            measures: Vec::new(),
        }
    }

    fn start() -> (Servers, Receiver<Option<u64>>) {
        let (put, seen) = sync_channel(16);
        (Servers::start(vec![Box::new(Noting { put, is_there: true })]).expect("started"), seen)
    }

    #[test]
    fn what_a_dead_guard_left_is_cleared_at_the_start_and_ours_at_the_end() {
        let (servers, seen) = start();
        assert_eq!(seen.recv(), Ok(None));
        servers.want(Wanted { plan: Some(plan(7)), protected: Vec::new() });
        assert_eq!(seen.recv(), Ok(Some(7)));
        drop(servers);
        assert_eq!(seen.iter().last(), Some(None), "nothing of ours is left");
    }

    #[test]
    fn what_was_changed_is_put_again_and_told() {
        let (put, seen) = sync_channel(16);
        let mut server = Noting { put, is_there: false };
        let wanted = Wanted { plan: Some(plan(3)), protected: Vec::new() };
        assert!(attend(&mut server, &wanted, false).is_some_and(|told| told.contains("somebody else")));
        assert_eq!(seen.try_recv(), Ok(Some(3)));
        assert_eq!(attend(&mut server, &wanted, false), None);
    }
}
