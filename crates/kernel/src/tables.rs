//! The program's maps by name and type.

use crate::buckets::TableChunk;
use crate::error::KernelError;
use crate::layout::{
    BlockBytes, CanaryBytes, Chunk, ControlBytes, CookieBytes, CountsBytes, Guard, MasksBytes, RuleBytes,
    TermsBytes, TotalsBytes,
};
use crate::names::NamesBytes;
use aya::maps::{Array, LpmTrie, Map, MapData, PerCpuArray, ProgramArray, RingBuf};

/// The name of a measure, filled up with zeroes.
pub(crate) type Label = [u8; 128];

/// Every table, open.
pub(crate) struct Tables {
    pub control: Array<MapData, ControlBytes>,
    pub masks: Array<MapData, MasksBytes>,
    pub rules: Array<MapData, RuleBytes>,
    pub filter: Array<MapData, Chunk>,
    pub v4_blocks: Array<MapData, TableChunk>,
    pub v6_blocks: Array<MapData, TableChunk>,
    pub terms: Array<MapData, TermsBytes>,
    pub v4_rest: LpmTrie<MapData, [u8; 4], BlockBytes>,
    pub v6_rest: LpmTrie<MapData, [u8; 16], BlockBytes>,
    pub v4_protected: LpmTrie<MapData, [u8; 4], u32>,
    pub v6_protected: LpmTrie<MapData, [u8; 16], u32>,
    pub counters: PerCpuArray<MapData, CountsBytes>,
    pub totals: PerCpuArray<MapData, TotalsBytes>,
    pub labels: Array<MapData, Label>,
    pub guards: Array<MapData, Guard>,
    pub canaries: Array<MapData, CanaryBytes>,
    pub cookies: Array<MapData, CookieBytes>,
    pub names: Array<MapData, NamesBytes>,
}

impl Tables {
    /// Takes each map from where it is.
    ///
    /// # Errors
    /// If one is missing or of another shape: the program is not the one of this version.
    pub(crate) fn open(take: &mut dyn FnMut(&str) -> Option<Map>) -> Result<Self, KernelError> {
        fn one<T: TryFrom<Map, Error = aya::maps::MapError>>(
            take: &mut dyn FnMut(&str) -> Option<Map>,
            table: &'static str,
        ) -> Result<T, KernelError> {
            let missing = || KernelError::Table { table, reason: "it is not there".to_owned() };
            T::try_from(take(table).ok_or_else(missing)?).map_err(|e| failed(table)(e))
        }
        Ok(Self {
            control: one(take, "control")?,
            masks: one(take, "rule_masks")?,
            rules: one(take, "rules")?,
            filter: one(take, "filter")?,
            v4_blocks: one(take, "v4_blocks")?,
            v6_blocks: one(take, "v6_blocks")?,
            terms: one(take, "block_terms")?,
            v4_rest: one(take, "v4_rest")?,
            v6_rest: one(take, "v6_rest")?,
            v4_protected: one(take, "v4_protected")?,
            v6_protected: one(take, "v6_protected")?,
            counters: one(take, "counters")?,
            totals: one(take, "totals")?,
            labels: one(take, "labels")?,
            guards: one(take, "guards")?,
            canaries: one(take, "canaries")?,
            cookies: one(take, "cookie_rules")?,
            names: one(take, "names_rules")?,
        })
    }
}

/// The ring of samples.
pub(crate) fn ring(map: Map) -> Result<RingBuf<MapData>, KernelError> {
    RingBuf::try_from(map).map_err(failed("samples"))
}

/// The programs that the filter hands packets on to.
pub(crate) fn stages(map: Map) -> Result<ProgramArray<MapData>, KernelError> {
    ProgramArray::try_from(map).map_err(failed("stages"))
}

/// An error of one table.
pub(crate) fn failed<E: std::error::Error>(table: &'static str) -> impl Fn(E) -> KernelError {
    move |error| {
        // The cause says what the system call said.
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            reason = format!("{reason}: {inner}");
            source = inner.source();
        }
        KernelError::Table { table, reason }
    }
}
