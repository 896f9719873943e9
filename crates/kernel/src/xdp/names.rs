//! Rules about questions for names: in a bank, with the set of names that are known.

use super::{Bank, XdpFilter, chain, program};
use crate::buckets::TableChunk;
use crate::clock::Moment;
use crate::error::KernelError;
use crate::layout::BANKS;
use crate::names::{NAMES_LIMIT, NameSample, NameTable, Names, encode_names};
use crate::rule::{Kind, Rule};
use crate::tables::{failed, ring};
use aya::maps::{Array, MapData, RingBuf};

/// Names of the programs: what the filter hands questions on to, and what a rule is tried with.
pub(super) const STAGE: &str = "seawall_names";
pub(super) const CANARY: &str = "names_canary";
/// Its place among the programs that the filter hands packets on to.
const STAGE_NUMBER: u32 = 1;

/// What holds questions back.
pub(super) struct Held {
    known: Array<MapData, TableChunk>,
    samples: RingBuf<MapData>,
    chunks: u32,
    /// Chunks of the set that the last audits looked at.
    audited: usize,
}

impl Held {
    /// Takes the tables of a filter whose programs are loaded, and puts the stage in its place.
    pub(super) fn open(filter: &mut XdpFilter, chunks: u32) -> Result<Self, KernelError> {
        let missing = |table| KernelError::Table { table, reason: "it is not there".to_owned() };
        let known = filter.ebpf.take_map("names_known").ok_or_else(|| missing("names_known"))?;
        let samples = filter.ebpf.take_map("names_samples").ok_or_else(|| missing("names_samples"))?;
        let number =
            program(&mut filter.ebpf, STAGE)?.fd().map_err(|e| KernelError::Load(chain(&e)))?.try_clone();
        let number = number.map_err(|e| KernelError::Load(e.to_string()))?;
        filter.stages.set(STAGE_NUMBER, &number, 0).map_err(failed("stages"))?;
        let known = Array::try_from(known).map_err(failed("names_known"))?;
        Ok(Self { known, samples: ring(samples)?, chunks, audited: 0 })
    }
}

/// Rules about names with what they hold, in the order in which the program tries them.
pub(crate) fn in_order(rules: &[Rule]) -> Vec<(&Rule, &Names)> {
    fn names(rule: &Rule) -> Option<(&Rule, &Names)> {
        match &rule.kind {
            Kind::Names(names) => Some((rule, names)),
            _ => None,
        }
    }
    let mut all: Vec<(&Rule, &Names)> = rules.iter().filter_map(names).collect();
    all.sort_by_key(|(_, names)| std::cmp::Reverse(names.suffix.len()));
    all
}

impl XdpFilter {
    /// Names that rules may know of together; 0: this filter answers no questions for names.
    #[must_use]
    pub fn names_room(&self) -> usize {
        self.held.as_ref().map_or(0, |held| NameTable::room(held.chunks))
    }

    /// The next sampled question that was held back, if there is one.
    pub fn next_name_sample(&mut self) -> Option<NameSample> {
        NameSample::decode(&self.held.as_mut()?.samples.next()?)
    }

    /// Which rule about names of the prepared generation takes a frame, in the order of
    /// [`in_order`].
    ///
    /// # Errors
    /// If the kernel does not run the program.
    pub(crate) fn names_canary(&mut self, frame: &[u8]) -> Result<Option<usize>, KernelError> {
        Ok((self.run(CANARY, frame, 1)?.0 as usize).checked_sub(1))
    }

    /// The set of all names that the rules know.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn name_table(&self, rules: &[Rule]) -> Result<NameTable, KernelError> {
        let all = in_order(rules);
        let known = || all.iter().map(|(_, names)| &names.known);
        let count = known().map(|known| known.names.len()).sum();
        if count > self.names_room() {
            return Err(KernelError::Full { what: "names that are known", limit: self.names_room() });
        }
        let lower_bits = known().filter(|k| !k.names.is_empty()).map(|k| k.lower_bits).min().unwrap_or(24);
        let chunks = self.held.as_ref().map_or(0, |held| held.chunks);
        let mut table = NameTable::with_room_for(count, lower_bits, chunks);
        known().for_each(|known| table.add(known));
        Ok(table)
    }

    /// Puts rules about names into a bank's image. Returns how many there are, and the mask of the
    /// set.
    pub(super) fn fill_names(
        &self,
        rules: &[Rule],
        image: &mut Bank,
        now: Moment,
    ) -> Result<(u32, u32), KernelError> {
        let all = in_order(rules);
        if all.is_empty() {
            return Ok((0, 0));
        }
        if all.len() > NAMES_LIMIT {
            return Err(KernelError::Full { what: "rules about names", limit: NAMES_LIMIT });
        }
        let table = self.name_table(rules)?;
        for (rule, names) in &all {
            let expires_ns = now.monotonic_at(rule.expires);
            image.names.push(encode_names(rule, names, expires_ns, self.slots.of(rule)));
        }
        image.known = table.chunks().collect();
        Ok((all.len() as u32, table.mask()))
    }

    pub(super) fn write_names(&mut self, bank: u32, image: &Bank) -> Result<(), KernelError> {
        for (index, rule) in (bank * NAMES_LIMIT as u32..).zip(&image.names) {
            self.tables.names.set(index, rule, 0).map_err(failed("names_rules"))?;
        }
        let Some(held) = &mut self.held else { return Ok(()) };
        for (number, chunk) in (0..).zip(&image.known) {
            held.known.set(number * BANKS + bank, chunk, 0).map_err(failed("names_known"))?;
        }
        Ok(())
    }

    /// How many rules and parts of the set differ from what was written. The set is looked at in
    /// turns.
    pub(super) fn audit_names(&mut self, bank: u32, image: &Bank) -> Result<usize, KernelError> {
        const CHUNKS_PER_AUDIT: usize = 256;
        let mut changed = 0;
        for (index, rule) in (bank * NAMES_LIMIT as u32..).zip(&image.names) {
            let fact = self.tables.names.get(&index, 0).map_err(failed("names_rules"))?;
            changed += usize::from(fact != *rule);
        }
        let Some(held) = &mut self.held else { return Ok(changed) };
        let from = if held.audited < image.known.len() { held.audited } else { 0 };
        held.audited = (from + CHUNKS_PER_AUDIT).min(image.known.len());
        for (number, chunk) in image.known.iter().enumerate().take(held.audited).skip(from) {
            let index = number as u32 * BANKS + bank;
            let fact = held.known.get(&index, 0).map_err(failed("names_known"))?;
            changed += usize::from(fact != *chunk);
        }
        Ok(changed)
    }
}
