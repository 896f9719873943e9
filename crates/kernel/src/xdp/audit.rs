//! Intent and fact: what the tables hold is compared with what was written, and put right.

use super::{Bank, XdpFilter, is_missing};
use crate::error::KernelError;
use crate::layout::{BANKS, CHUNKS, COUNTERS, Control, RULES};
use crate::tables::failed;
use aya::maps::MapError;
use aya::maps::lpm_trie::Key as TrieKey;
use std::net::IpAddr;

/// Chunks of the tables of blocked prefixes that one audit looks at; the next goes on from there.
const CHUNKS_PER_AUDIT: usize = 512;

/// What somebody else has changed, in words.
pub type Deviations = Vec<String>;

impl XdpFilter {
    /// Compares the tables with what was written, puts right what is not, and says what that was.
    /// Tables of more than 512 chunks (some 130,000 blocked prefixes) are looked at in turns.
    ///
    /// # Errors
    /// If a table cannot be read or written.
    pub fn audit(&mut self) -> Result<Deviations, KernelError> {
        let mut found = Vec::new();
        self.audit_control(&mut found)?;
        self.audit_bank(&mut found)?;
        self.audit_protected(&mut found)?;
        self.audit_blocks(&mut found)?;
        self.audit_rest(&mut found)?;
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
        let image = std::mem::take(&mut self.banks[bank as usize]);
        let result = self.audit_image(bank, &image);
        self.banks[bank as usize] = image;
        let changed = result?;
        if changed > 0 {
            found.push(format!("{changed} rules or tables were changed"));
        }
        Ok(())
    }

    /// Everything in a bank but the tables of blocked prefixes, which are not looked at whole.
    fn audit_image(&mut self, bank: u32, image: &Bank) -> Result<usize, KernelError> {
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
        changed += self.audit_names(bank, image)?;
        for (index, chunk) in (bank * CHUNKS..).zip(&image.filter) {
            changed += usize::from(self.tables.filter.get(&index, 0).map_err(failed("filter"))? != *chunk);
        }
        if changed > 0 {
            self.write_image(bank, image)?;
        }
        Ok(changed)
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

    /// The chunks of the tables of blocked prefixes, so many at a time.
    fn audit_blocks(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let bank = self.control.bank % BANKS;
        let image = std::mem::take(&mut self.banks[bank as usize]);
        let result = self.audit_tables(bank, &image);
        self.banks[bank as usize] = image;
        let changed = result?;
        if changed > 0 {
            found.push(format!("{changed} parts of the tables of blocked prefixes were changed"));
        }
        Ok(())
    }

    fn audit_tables(&mut self, bank: u32, image: &Bank) -> Result<usize, KernelError> {
        let mut changed = 0;
        for (counter, terms) in &image.terms {
            let index = bank * COUNTERS + u32::from(*counter);
            if self.tables.terms.get(&index, 0).map_err(failed("block_terms"))? != *terms {
                changed += 1;
                self.tables.terms.set(index, terms, 0).map_err(failed("block_terms"))?;
            }
        }
        let all = image.v4.len() + image.v6.len();
        let from = if self.audited < all { self.audited } else { 0 };
        self.audited = (from + CHUNKS_PER_AUDIT).min(all);
        for number in from..self.audited {
            let (table, chunk, at) = match number.checked_sub(image.v4.len()) {
                None => (&mut self.tables.v4_blocks, &image.v4[number], number),
                Some(at) => (&mut self.tables.v6_blocks, &image.v6[at], at),
            };
            let index = at as u32 * BANKS + bank;
            if table.get(&index, 0).map_err(failed("blocks"))? != *chunk {
                changed += 1;
                table.set(index, chunk, 0).map_err(failed("blocks"))?;
            }
        }
        Ok(changed)
    }

    fn audit_rest(&mut self, found: &mut Deviations) -> Result<(), KernelError> {
        let mut missing = 0;
        for (prefix, placed) in self.rest.clone() {
            if self.read_trie(prefix)? != Some(placed.entry.encode()) {
                missing += 1;
                self.write_trie(prefix, placed.entry)?;
            }
        }
        if missing > 0 {
            found.push(format!("{missing} blocked prefixes were missing or changed"));
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
