//! Intent and fact: what the tables hold is compared with what was written, and put right.

use super::{Placed, XdpFilter, is_missing};
use crate::error::KernelError;
use crate::key::{self, Key};
use crate::layout::{BANKS, BlockBytes, CHUNKS, Control, RULES};
use crate::tables::failed;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key as TrieKey;
use seawall_model::Prefix;
use std::net::IpAddr;

/// Entries of the tables of blocked prefixes that one audit looks at; the next goes on from there.
const ENTRIES_PER_AUDIT: usize = 20_000;

/// What somebody else has changed, in words.
pub type Deviations = Vec<String>;

impl XdpFilter {
    /// Compares the tables with what was written, puts right what is not, and says what that was.
    /// Tables of up to 20,000 blocked prefixes are looked at whole; larger ones in turns.
    ///
    /// # Errors
    /// If a table cannot be read or written.
    pub fn audit(&mut self) -> Result<Deviations, KernelError> {
        let mut found = Vec::new();
        self.audit_control(&mut found)?;
        self.audit_bank(&mut found)?;
        self.audit_protected(&mut found)?;
        self.audit_blocks(&mut found)?;
        self.audit_strangers(&mut found)?;
        Ok(found)
    }

    fn audit_control(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let bytes = self.tables.control.get(&0, 0).map_err(failed("control"))?;
        let fact = Control::decode(&bytes);
        if fact != self.control {
            found.push(format!(
                "generation {} was in force in place of {}",
                fact.generation, self.control.generation
            ));
        }
        // Written in any case: the clocks drift.
        self.write_control(self.control)
    }

    fn audit_bank(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let bank = self.control.bank % BANKS;
        let image = self.banks[bank as usize].clone();
        let mut changed = 0;
        for (index, rule) in (bank * RULES..).zip(&image.rules) {
            changed += usize::from(self.tables.rules.get(&index, 0).map_err(failed("rules"))? != *rule);
        }
        if let Some(masks) = &image.masks {
            let fact = self.tables.masks.get(&bank, 0).map_err(failed("rule_masks"))?;
            changed += usize::from(fact != **masks);
        }
        if let Some(cookies) = &image.cookies {
            let fact = self.tables.cookies.get(&bank, 0).map_err(failed("cookie_rules"))?;
            changed += usize::from(fact != **cookies);
        }
        for (index, chunk) in (bank * CHUNKS..).zip(&image.filter) {
            changed += usize::from(self.tables.filter.get(&index, 0).map_err(failed("filter"))? != *chunk);
        }
        if changed > 0 {
            found.push(format!("{changed} rules or tables were changed"));
            self.write_image(bank, &image)?;
        }
        Ok(())
    }

    fn audit_protected(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        for prefix in self.protected.clone() {
            let bits = u32::from(prefix.length_bits());
            let fact = match prefix.address() {
                IpAddr::V4(v4) => self.tables.v4_protected.get(&TrieKey::new(bits, v4.octets()), 0),
                IpAddr::V6(v6) => self.tables.v6_protected.get(&TrieKey::new(bits, v6.octets()), 0),
            };
            if absent(fact, "protected")?.is_none() {
                found.push(format!("the protected {prefix} was missing"));
                self.write_protected(prefix)?;
            }
        }
        self.write_guards()
    }

    fn audit_blocks(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let from = self.audited.take();
        let range = self.blocks.range((
            from.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded),
            std::ops::Bound::Unbounded,
        ));
        let turn: Vec<(Key, Placed)> = range.take(ENTRIES_PER_AUDIT).map(|(k, p)| (*k, *p)).collect();
        if turn.len() == ENTRIES_PER_AUDIT {
            self.audited = turn.last().map(|(key, _)| *key);
        }
        let mut missing = 0;
        for (key, placed) in turn {
            if self.read_block(key)? != Some(placed.entry.encode()) {
                missing += 1;
                self.write_block(key, placed.entry)?;
            }
        }
        if missing > 0 {
            found.push(format!("{missing} blocked prefixes were missing or changed"));
        }
        Ok(())
    }

    fn read_block(&self, key: Key) -> Result<Option<BlockBytes>, KernelError> {
        let bits = |p: Prefix| u32::from(p.length_bits());
        let fact = match key {
            Key::Hashed(p) if p.address().is_ipv4() => self.tables.v4_blocks.get(&key::v4_bytes(p), 0),
            Key::Hashed(p) => self.tables.v6_blocks.get(&key::v6_bytes(p), 0),
            Key::Rest(p) => match p.address() {
                IpAddr::V4(v4) => self.tables.v4_rest.get(&TrieKey::new(bits(p), v4.octets()), 0),
                IpAddr::V6(v6) => self.tables.v6_rest.get(&TrieKey::new(bits(p), v6.octets()), 0),
            },
        };
        absent(fact, "blocks")
    }

    /// Removes entries that nobody of ours wrote: they would block people.
    fn audit_strangers(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let mut strangers = 0;
        let v4: Vec<_> =
            self.tables.v4_blocks.keys().take(ENTRIES_PER_AUDIT).filter_map(Result::ok).collect();
        for bytes in v4 {
            let is_ours =
                key::from_v4_bytes(&bytes).is_some_and(|p| self.blocks.contains_key(&Key::Hashed(p)));
            if !is_ours {
                strangers += 1;
                absent(self.tables.v4_blocks.remove(&bytes), "v4_blocks")?;
            }
        }
        let v6: Vec<_> =
            self.tables.v6_blocks.keys().take(ENTRIES_PER_AUDIT).filter_map(Result::ok).collect();
        for bytes in v6 {
            let is_ours =
                key::from_v6_bytes(&bytes).is_some_and(|p| self.blocks.contains_key(&Key::Hashed(p)));
            if !is_ours {
                strangers += 1;
                absent(self.tables.v6_blocks.remove(&bytes), "v6_blocks")?;
            }
        }
        if strangers > 0 {
            found.push(format!("{strangers} blocked prefixes were not ours"));
        }
        Ok(())
    }
}

/// `None` for what is not there.
fn absent<T>(result: Result<T, MapError>, table: &'static str) -> Result<Option<T>, KernelError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed(table)(error)),
    }
}
