//! The access logs of an existing server for the control loop, followed while they are written.

use seawall_detection::Window;
use seawall_model::change::Change;
use seawall_model::observation::Observation;
use seawall_sensor::follow::{Follower, Listener};
use seawall_wire::log::Format;
use std::path::PathBuf;

/// Bytes of one log that one look may read: what a tick can work through.
const MOST_BYTES: u64 = 16 << 20;
/// A look that leaves more than this unread is behind.
const BEHIND_BYTES: u64 = 1 << 20;

/// All logs that are followed.
pub struct Logs {
    followers: Vec<Follower>,
    told: Vec<String>,
    changes: Vec<Change>,
}

impl Logs {
    /// Follows these logs from their present end.
    #[must_use]
    pub fn follow(paths: &[PathBuf], format: Option<&Format>) -> Self {
        let followers = paths.iter().map(|path| Follower::new(path, format.cloned())).collect();
        Self { followers, told: Vec::new(), changes: Vec::new() }
    }

    /// What was written since the last call.
    pub fn take_window(&mut self) -> Window {
        let mut heard = Heard { window: Window::default(), changes: Vec::new() };
        for follower in &mut self.followers {
            let name = follower.path().display().to_string();
            match follower.poll(MOST_BYTES, &mut heard) {
                Ok(polled) => {
                    if polled.behind_bytes > BEHIND_BYTES {
                        self.told.push(format!("{name} is written faster than it is read"));
                    }
                    if polled.lines > 0 && !follower.is_recognised() {
                        self.told.push(format!("{name} is in no format that is known; give --log-format"));
                    }
                }
                Err(error) => self.told.push(format!("cannot read {name}: {error}")),
            }
        }
        self.changes.append(&mut heard.changes);
        heard.window
    }

    /// What logs have told of changes since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What went wrong since the last call.
    pub fn look_after(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

struct Heard {
    window: Window,
    changes: Vec<Change>,
}

impl Listener for Heard {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        self.window.observe(observation, priority);
    }

    fn change(&mut self, change: Change) {
        self.changes.push(change);
    }
}
