//! Signals of a running guard.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the operator asks for by signal.
pub struct Signals {
    pub stop: Arc<AtomicBool>,
    pub reload: Arc<AtomicBool>,
    /// The access log was moved away: SIGUSR1, as recipes of logrotate for other servers send it.
    pub reopen: Arc<AtomicBool>,
    /// SIGUSR2, by which other servers take a new program.
    pub upgrade: Arc<AtomicBool>,
}

impl Signals {
    /// From now on they are noticed, and end the program only at the second time.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn catch() -> anyhow::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
        let signals = Self {
            stop: Arc::default(),
            reload: Arc::default(),
            reopen: Arc::default(),
            upgrade: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            // The second one ends the program at once.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&signals.stop))?;
            signal_hook::flag::register(signal, Arc::clone(&signals.stop))?;
        }
        let others = [(SIGHUP, &signals.reload), (SIGUSR1, &signals.reopen), (SIGUSR2, &signals.upgrade)];
        for (signal, flag) in others {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
        }
        Ok(signals)
    }
}
