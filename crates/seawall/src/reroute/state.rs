//! What is remembered of rerouting, in the state folder: what was proven of each provider's copy,
//! for when the primary cannot be asked, and who was delegated to before a switch.

use anyhow::Context;
use seawall_model::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A provider's copy, as it was last found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub at: Timestamp,
    /// Record sets that were asked for, and comparisons that failed.
    pub sets: usize,
    pub differing: usize,
    /// How long resolvers keep the zone's own NS records.
    pub apex_ns_ttl_s: u32,
}

/// A switch that was made and not taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    pub at: Timestamp,
    pub provider: String,
    /// Names of the servers that were delegated to before.
    pub before: Vec<String>,
    /// When the last resolver has moved.
    pub settled_at: Timestamp,
}

/// The folder, for one zone.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
    zone: String,
}

impl State {
    #[must_use]
    pub fn of(state_folder: &Path, zone: &str) -> Self {
        // Names of zones may have any byte; those of files not.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
        let zone = zone.chars().map(plain).collect();
        Self { folder: state_folder.join("reroute"), zone }
    }

    /// What was last found of a provider's copy.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn proof(&self, provider: &str) -> anyhow::Result<Option<Proof>> {
        read(&self.proof_file(provider))
    }

    /// # Errors
    /// If it cannot be written.
    pub fn keep_proof(&self, provider: &str, proof: &Proof) -> anyhow::Result<()> {
        write(&self.proof_file(provider), proof)
    }

    /// The switch that is in force.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn switched(&self) -> anyhow::Result<Option<Switched>> {
        read(&self.switch_file())
    }

    /// # Errors
    /// If it cannot be written.
    pub fn keep_switched(&self, switched: &Switched) -> anyhow::Result<()> {
        write(&self.switch_file(), switched)
    }

    /// The switch was taken back.
    ///
    /// # Errors
    /// If it cannot be forgotten.
    pub fn forget_switched(&self) -> anyhow::Result<()> {
        let file = self.switch_file();
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    fn proof_file(&self, provider: &str) -> PathBuf {
        self.folder.join(format!("{}.{provider}.proof.json", self.zone))
    }

    fn switch_file(&self) -> PathBuf {
        self.folder.join(format!("{}.switch.json", self.zone))
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<Option<T>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let value = serde_json::from_str(&text);
    value.map(Some).with_context(|| format!("{} is not what this program wrote", file.display()))
}

/// In place of what is there, whole or not at all.
fn write(file: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let put = || {
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        let beside = file.with_extension(format!("{}.new", std::process::id()));
        let mut new = fs::File::create(&beside)?;
        new.write_all(&serde_json::to_vec_pretty(value)?)?;
        new.sync_all()?;
        fs::rename(&beside, file)
    };
    put().with_context(|| format!("cannot write {}", file.display()))
}
