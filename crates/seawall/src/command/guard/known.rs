//! What a guard before this one has left: what is normal, who is known, and how its last incident stood.

use super::parts::secret;
use crate::guard::handover::Predecessor;
use crate::guard::knowledge::{self, Knowledge};
use crate::guard::{clock, control, store};
use seawall_engine::Engine;
use seawall_http_edge::Kept;
use seawall_model::Timestamp;
use std::path::Path;

/// What an earlier guard left for us.
#[derive(Default)]
pub(super) struct Found {
    pub(super) known: Option<Knowledge>,
    /// The incident that ended with it.
    pub(super) just_ended: Option<String>,
    /// What is to be said of that.
    pub(super) told: Vec<String>,
}

/// What the edge goes on with, secrets at least, and what the rest does.
pub(super) fn parted(
    known: Option<Knowledge>,
    now: Timestamp,
) -> anyhow::Result<(Kept, Option<(Engine, control::Kept)>)> {
    Ok(match known {
        Some(Knowledge { edge, engine, control, .. }) => (edge, Some((engine, control))),
        None => (Kept::new(secret()?, secret()?, now), None),
    })
}

pub(super) fn known(predecessor: Option<&Predecessor>, folder: Option<&Path>, now: Timestamp) -> Found {
    let (path, is_handed_over) = match (predecessor.and_then(Predecessor::known), folder) {
        (Some(path), _) => (path.to_owned(), true),
        (None, Some(folder)) => (knowledge::file(folder), false),
        (None, None) => return Found::default(),
    };
    match Knowledge::read(&path) {
        Ok(Some(known)) if is_handed_over => {
            clock::go_on_from(known.saved);
            let name = known.control.incident().map(|name| format!("going on with incident {name}"));
            Found { known: Some(known), told: name.into_iter().collect(), just_ended: None }
        }
        Ok(known) => {
            let is_ended = |name: &str| folder.is_none_or(|folder| store::is_ended(folder, name));
            let just_ended = known.as_ref().and_then(|known| known.just_ended(now, is_ended));
            let known = known.and_then(|known| known.after_pause(now, is_ended));
            let name = known.as_ref().and_then(|known| known.control.incident());
            let told = name.map(|name| format!("going on with incident {name}, which was cut off"));
            Found { known, just_ended, told: told.into_iter().collect() }
        }
        Err(why) => {
            let told = vec![format!("what is normal is learnt anew: {} {why}", path.display())];
            Found { told, ..Found::default() }
        }
    }
}
