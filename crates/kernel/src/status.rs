//! Running filters as the kernel has them, found without asking whoever started them.

use crate::buckets::{self, Family, TableChunk};
use crate::clock::Moment;
use crate::error::KernelError;
use crate::interface;
use crate::layout::{BANKS, BlockShape, Control, Counts, MasksBytes, RULES, RuleHead, Totals, word};
use crate::names::NAMES_LIMIT;
use crate::tables::{Tables, failed};
use crate::xdp::{CANARY, FILTER, FILTER_WITH_DNS};
use aya::maps::{Array, Map, MapData, MapInfo};
use aya::programs::loaded_programs;
use std::collections::BTreeMap;

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The interface that it is on; `None`: none, or one of another network namespace.
    pub interface: Option<String>,
    pub generation: u32,
    pub rules: Vec<RuleStatus>,
    /// The measure that has openings answered with cookies, if one does.
    pub cookies: Option<RuleStatus>,
    /// Rules about questions for names that are not known.
    pub names: Vec<RuleStatus>,
    /// Blocked prefixes of IPv4 and of IPv6, expired ones included. Lengths that the tables do not hold
    /// count as what they are split into.
    pub blocked: (usize, usize),
    /// Measures that have a counter, with what they have met: those of blocks too.
    pub counts: Vec<(String, Counts)>,
    pub totals: Totals,
}

/// One signature rule in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStatus {
    pub words: String,
    /// Drops what is beyond a rate, not everything.
    pub is_limit: bool,
    /// Drops; otherwise counts only.
    pub enforce: bool,
    /// Of flows, in parts of a thousand.
    pub per_mille: u32,
    /// 0: it no longer applies.
    pub seconds_left: u64,
    pub counts: Counts,
}

/// Every filter that runs on this machine.
///
/// # Errors
/// If the kernel does not let this process look: it takes root.
pub fn running() -> Result<Vec<Status>, KernelError> {
    let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut canaries = Vec::new();
    for program in loaded_programs() {
        let program = program.map_err(|e| KernelError::Load(e.to_string()))?;
        let maps = || program.map_ids().ok().flatten().unwrap_or_default();
        match program.name_as_str() {
            Some(FILTER | FILTER_WITH_DNS) => drop(found.insert(program.id(), maps())),
            Some(CANARY) => canaries.push(maps()),
            _ => {}
        }
    }
    found
        .into_values()
        .filter_map(|mut maps| {
            // Some tables only the canary of the same filter names: they share the others. A filter
            // without one is just being loaded or taken away.
            let sibling = canaries.iter().find(|c| c.iter().any(|id| maps.contains(id)))?;
            maps.extend(sibling);
            Some(read(&maps))
        })
        .collect()
}

fn read(ids: &[u32]) -> Result<Status, KernelError> {
    let mut by_name: BTreeMap<String, u32> = BTreeMap::new();
    for id in ids {
        let info = MapInfo::from_id(*id).map_err(failed("maps"))?;
        by_name.insert(info.name_as_str().unwrap_or_default().to_owned(), *id);
    }
    let tables = Tables::open(&mut |name| {
        let data = MapData::from_id(*by_name.get(name)?).ok()?;
        Map::from_map_data(data).ok()
    })?;
    let control = Control::decode(&tables.control.get(&0, 0).map_err(failed("control"))?);
    let now_ns = Moment::now().monotonic_ns;
    let mut status = Status {
        interface: interface::name(control.interface),
        generation: control.generation,
        rules: Vec::new(),
        cookies: None,
        names: Vec::new(),
        blocked: blocked(&tables, control.bank)?,
        counts: Vec::new(),
        totals: Totals::sum(tables.totals.get(&0, 0).map_err(failed("totals"))?.iter()),
    };
    let masks: Box<MasksBytes> = Box::new(tables.masks.get(&control.bank, 0).map_err(failed("rule_masks"))?);
    let in_force = word(&masks[..], 0).count_ones();
    for index in 0..in_force.min(RULES) {
        let bytes = tables.rules.get(&(control.bank % BANKS * RULES + index), 0).map_err(failed("rules"))?;
        let head = RuleHead::decode(&bytes);
        status.rules.push(rule(&tables, head, now_ns)?);
    }
    if BlockShape::has_cookies(&masks) {
        let bytes = tables.cookies.get(&control.bank, 0).map_err(failed("cookie_rules"))?;
        status.cookies = Some(rule(&tables, RuleHead::of_cookies(&bytes), now_ns)?);
    }
    for index in 0..BlockShape::names_of(&masks).min(NAMES_LIMIT as u32) {
        let place = control.bank % BANKS * NAMES_LIMIT as u32 + index;
        let bytes = tables.names.get(&place, 0).map_err(failed("names_rules"))?;
        status.names.push(rule(&tables, RuleHead::of_names(&bytes), now_ns)?);
    }
    for counter in 0..crate::layout::COUNTERS as u16 {
        let words = label(&tables, counter)?;
        if !words.is_empty() {
            status.counts.push((words, counts(&tables, counter)?));
        }
    }
    Ok(status)
}

fn rule(tables: &Tables, head: RuleHead, now_ns: u64) -> Result<RuleStatus, KernelError> {
    Ok(RuleStatus {
        words: label(tables, head.counter)?,
        is_limit: head.is_limit,
        enforce: head.enforce,
        per_mille: u32::from(head.share) * 1_000 / u32::from(crate::rule::WHOLE_SHARE),
        seconds_left: head.expires_ns.saturating_sub(now_ns) / 1_000_000_000,
        counts: counts(tables, head.counter)?,
    })
}

fn blocked(tables: &Tables, bank: u32) -> Result<(usize, usize), KernelError> {
    let masks: Box<MasksBytes> = Box::new(tables.masks.get(&bank, 0).map_err(failed("rule_masks"))?);
    let (v4_mask, v6_mask) = BlockShape::table_masks(&masks);
    let count = |table: &Array<MapData, TableChunk>, family, mask| {
        (0..buckets::chunks_of(mask)).try_fold(0, |sum, number| {
            let chunk = table.get(&(number * BANKS + bank), 0).map_err(failed("blocks"))?;
            Ok(sum + buckets::count(family, &chunk))
        })
    };
    Ok((
        count(&tables.v4_blocks, Family::V4, v4_mask)? + tables.v4_rest.keys().count(),
        count(&tables.v6_blocks, Family::V6, v6_mask)? + tables.v6_rest.keys().count(),
    ))
}

fn label(tables: &Tables, counter: u16) -> Result<String, KernelError> {
    let bytes = tables.labels.get(&u32::from(counter), 0).map_err(failed("labels"))?;
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn counts(tables: &Tables, counter: u16) -> Result<Counts, KernelError> {
    let parts = tables.counters.get(&u32::from(counter), 0).map_err(failed("counters"))?;
    Ok(Counts::sum(parts.iter()))
}
