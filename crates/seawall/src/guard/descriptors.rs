//! How many files the program may have open, and so how many connections.

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Not for connections: listeners, upstreams that wait, files.
const SPARE: u64 = 256;
/// With fewer a guard would itself be what refuses visitors.
const LEAST: u64 = 512;
/// More is of no use, and programs that we start may go through all that there could be.
const MOST: u64 = 1 << 20;

/// Raises how many files the program may have open, as far as the system lets it.
///
/// # Errors
/// If there are too few for a guard.
pub fn raise() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(MOST).min(MOST);
    if limit.current.is_some_and(|now| now < most) {
        // Where it cannot be raised, what there is has to do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
    let open = allowed();
    ensure!(
        open >= LEAST,
        "only {open} files may be open at once, and a guard needs {LEAST}: raise the hard limit \
         (LimitNOFILE= in a unit, --ulimit nofile= of a container, ulimit -n in a shell)"
    );
    Ok(())
}

/// Connections for which there are descriptors: each may need another one to an upstream.
#[must_use]
pub fn connections() -> u64 {
    (allowed().saturating_sub(SPARE) / 2).max(1)
}

/// For how many connections at once there is room, where so many are `wanted`.
#[must_use]
pub fn told(wanted: u64) -> String {
    let (open, room) = (allowed(), connections());
    if room < wanted {
        return format!(
            "room for {room} connections at once and not for {wanted}: only {open} files may be open"
        );
    }
    format!("room for {wanted} connections at once")
}

fn allowed() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MOST)
}
