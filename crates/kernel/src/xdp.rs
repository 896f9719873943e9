//! The XDP back end: the program on an interface, and generations of rules in its tables.
//!
//! A generation is prepared beside the one in force: rules, masks and blocked prefixes in the other
//! bank, the few blocked prefixes of odd lengths in the same tries, tagged with the generation that
//! they begin with. One write of one word then puts it in force. Whatever fails before leaves the former in force.

mod answers;
mod audit;
mod blocks;
mod names;

pub use audit::Deviations;
pub(crate) use names::in_order as names_in_order;

use crate::buckets::TableChunk;
use crate::clock::Moment;
use crate::dns::DnsAnswers;
use crate::error::KernelError;
use crate::interface;
use crate::layout::{
    BANKS, CHUNKS, COUNTERS, CanaryBytes, Chunk, Control, CookieBytes, Counts, MasksBytes, RULES, RuleBytes,
    SAMPLE_BYTES, TermsBytes, Ticks, Totals, encode_cookies, encode_masks, encode_rule, word,
};
use crate::names::NamesBytes;
use crate::rule::{Kind, Rule};
use crate::slots::{self, Slots};
use crate::tables::{Label, Tables, failed, ring, stages};
use aya::maps::lpm_trie::Key as TrieKey;
use aya::maps::{MapData, ProgramArray, RingBuf};
use aya::programs::tc::TcAttachOptions;
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType, TestRun, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use blocks::{Placed, Room, Wanted};
use seawall_model::Prefix;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// The program, as `bpf/build` made it.
const OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/filter.o");
/// Names of its programs.
pub(crate) const FILTER: &str = "seawall";
/// The same, which gives DNS answers too (Linux 5.18).
pub(crate) const FILTER_WITH_DNS: &str = "seawall_dns";
pub(crate) const CANARY: &str = "seawall_canary";
const OUTGOING: &str = "seawall_out";
const COOKIES: &str = "seawall_cookies";
/// Its place among the programs that the filter hands packets on to.
const COOKIES_STAGE: u32 = 0;
/// Bytes of an Ethernet header: no shorter frame can be tried.
const SHORTEST_FRAME_BYTES: usize = 14;

/// How the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// By the driver, before the kernel makes anything of a packet.
    Native,
    /// By the kernel's generic path: the driver cannot do it. Costs more a packet.
    Generic,
    /// Loaded only, to be tried with packets.
    None,
}

/// A packet's head as the program sampled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// By the machine's monotonic clock.
    pub monotonic_ns: u64,
    /// How many packets it stands for.
    pub one_in: u32,
    pub wire_bytes: u32,
    pub is_dropped: bool,
    pub is_outgoing: bool,
    pub head: Vec<u8>,
}

/// What one bank holds.
#[derive(Clone, Default)]
struct Bank {
    rules: Vec<RuleBytes>,
    masks: Option<Box<MasksBytes>>,
    cookies: Option<Box<CookieBytes>>,
    names: Vec<NamesBytes>,
    /// The names that they know of.
    known: Vec<TableChunk>,
    filter: Vec<Chunk>,
    v4: Vec<TableChunk>,
    v6: Vec<TableChunk>,
    /// By counter.
    terms: Vec<(u8, TermsBytes)>,
}

/// The program with its tables.
pub struct XdpFilter {
    ebpf: Ebpf,
    tables: Tables,
    samples: RingBuf<MapData>,
    /// The programs behind the filter; empty places once this is gone.
    stages: ProgramArray<MapData>,
    control: Control,
    room: Room,
    /// What nobody outside knows of the hash of blocked prefixes.
    seed: u64,
    /// Blocked prefixes in the tries.
    rest: BTreeMap<Prefix, Placed>,
    rules: Vec<Rule>,
    /// What the bank in force holds, and what is prepared for the other one.
    banks: [Bank; BANKS as usize],
    protected: BTreeSet<Prefix>,
    slots: Slots,
    /// Counters that have words, whether or not a measure still has them.
    labelled: BTreeSet<u16>,
    /// Chunks of the tables that the last audits looked at.
    audited: usize,
    attachment: Attachment,
    /// The program that is attached and tried.
    name: &'static str,
    dns: Option<DnsAnswers>,
    held: Option<names::Held>,
}

impl XdpFilter {
    /// Loads the program, with nothing in force.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn load() -> Result<Self, KernelError> {
        Self::load_object(OBJECT, &[FILTER, CANARY])
    }

    /// Loads these programs of another object that has the same tables: benchmarks wrap the
    /// program to draw their packets.
    ///
    /// # Errors
    /// If the kernel refuses one, or a table is of another shape.
    pub fn load_object(object: &[u8], programs: &[&str]) -> Result<Self, KernelError> {
        Self::load_by(&mut EbpfLoader::new(), object, programs)
    }

    fn load_by(loader: &mut EbpfLoader<'_>, object: &[u8], programs: &[&str]) -> Result<Self, KernelError> {
        let room = Room::here();
        // Without what it thinks of each instruction, which takes it seconds to write down where it
        // refuses, and nobody to read.
        loader.verifier_log_level(VerifierLogLevel::STATS);
        loader.map_max_entries("v4_blocks", room.v4_entries());
        loader.map_max_entries("v6_blocks", room.v6_entries());
        let mut ebpf = loader.load(object).map_err(|e| KernelError::Load(chain(&e)))?;
        for name in programs {
            program(&mut ebpf, name)?.load().map_err(|e| KernelError::Load(chain(&e)))?;
        }
        let tables = Tables::open(&mut |name| ebpf.take_map(name))?;
        let missing = |table| KernelError::Table { table, reason: "it is not there".to_owned() };
        let samples = ring(ebpf.take_map("samples").ok_or_else(|| missing("samples"))?)?;
        let stages = stages(ebpf.take_map("stages").ok_or_else(|| missing("stages"))?)?;
        let mut filter = Self {
            ebpf,
            tables,
            samples,
            stages,
            control: Control {
                generation: 0,
                bank: 0,
                samples_per_s: 0,
                ticks: Ticks::default(),
                interface: 0,
            },
            room,
            seed: RandomState::new().hash_one(OBJECT.len()),
            rest: BTreeMap::new(),
            rules: Vec::new(),
            banks: Default::default(),
            protected: BTreeSet::new(),
            slots: Slots::default(),
            labelled: BTreeSet::new(),
            audited: 0,
            attachment: Attachment::None,
            name: FILTER,
            dns: None,
            held: None,
        };
        filter.control.ticks.tick_ns = filter.measure_tick()?;
        filter.write_control(filter.control)?;
        Ok(filter)
    }

    /// Attaches the program: natively, or generically where the driver cannot.
    ///
    /// It goes with this value, however the process ends.
    ///
    /// # Errors
    /// If there is no such interface, or another program is on it.
    pub fn attach(&mut self, interface: &str) -> Result<Attachment, KernelError> {
        let failed = |reason: String| KernelError::Attach { interface: interface.to_owned(), reason };
        if interface == "lo" {
            return Err(failed("the machine talks to itself there".to_owned()));
        }
        if interface.contains('\0') {
            return Err(failed("that is no name".to_owned()));
        }
        let xdp = program(&mut self.ebpf, self.name)?;
        let native = xdp.attach(interface, XdpMode::Driver).map(|_| Attachment::Native);
        let attached = match native {
            Ok(attachment) => Ok(attachment),
            Err(first) => match xdp.attach(interface, XdpMode::Skb) {
                Ok(_) => Ok(Attachment::Generic),
                Err(_) => Err(failed(chain(&first))),
            },
        };
        self.attachment = attached?;
        let number = interface::number(interface).unwrap_or(0);
        self.write_control(Control { interface: number, ..self.control })?;
        Ok(self.attachment)
    }

    /// Samples what leaves by the interface too. It needs Linux 6.6: what earlier kernels offer
    /// would stay behind if this process were killed.
    ///
    /// # Errors
    /// If the kernel does not offer it.
    pub fn attach_outgoing(&mut self, interface: &str) -> Result<(), KernelError> {
        let failed = |reason: String| KernelError::Attach { interface: interface.to_owned(), reason };
        let missing = || KernelError::Load(format!("the object has no program {OUTGOING}"));
        let program = self.ebpf.program_mut(OUTGOING).ok_or_else(missing)?;
        let program: &mut SchedClassifier = program.try_into().map_err(|_| missing())?;
        program.load().map_err(|e| KernelError::Load(chain(&e)))?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        program
            .attach_with_options(interface, TcAttachType::Egress, options)
            .map(|_| ())
            .map_err(|e| failed(chain(&e)))
    }

    /// Loads what answers openings with cookies. It needs Linux 6.0.
    ///
    /// # Errors
    /// If the kernel refuses it: rules with cookies have no effect then.
    pub fn load_cookies(&mut self) -> Result<(), KernelError> {
        let program = program(&mut self.ebpf, COOKIES)?;
        if program.fd().is_ok() {
            return Ok(());
        }
        program.load().map_err(|e| KernelError::Load(chain(&e)))?;
        let number = program.fd().map_err(|e| KernelError::Load(chain(&e)))?;
        self.stages.set(COOKIES_STAGE, number, 0).map_err(failed("stages"))
    }

    /// How the program is attached.
    #[must_use]
    pub fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// Samples that each processor may take a second; 0: none.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn sample(&mut self, per_s: u64) -> Result<(), KernelError> {
        self.write_control(Control { samples_per_s: per_s, ..self.control })
    }

    /// Lets these sources pass, whatever rules say, and no others any more.
    ///
    /// # Errors
    /// If the table cannot be written. Those added before stay.
    pub fn protect(&mut self, prefixes: &[Prefix]) -> Result<(), KernelError> {
        self.protect_also(prefixes)?;
        let wanted: BTreeSet<Prefix> = prefixes.iter().copied().collect();
        for prefix in self.protected.clone().difference(&wanted) {
            let bits = u32::from(prefix.length_bits());
            match prefix.address() {
                IpAddr::V4(v4) => self.tables.v4_protected.remove(&TrieKey::new(bits, v4.octets())),
                IpAddr::V6(v6) => self.tables.v6_protected.remove(&TrieKey::new(bits, v6.octets())),
            }
            .map_err(failed("protected"))?;
            self.protected.remove(prefix);
        }
        self.write_guards()
    }

    /// Puts these rules in force in place of all others, at once.
    ///
    /// # Errors
    /// If there are too many, or a table cannot be written. The former rules stay in force.
    pub fn apply(&mut self, rules: &[Rule], now: Moment) -> Result<(), KernelError> {
        self.prepare(rules, now)?;
        self.engage(rules)
    }

    /// Writes these rules beside those in force.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn prepare(&mut self, rules: &[Rule], now: Moment) -> Result<(), KernelError> {
        let names = rules.iter().map(slots::name);
        let full = KernelError::Full { what: "measures", limit: COUNTERS as usize };
        for (counter, name) in self.slots.assign(names).ok_or(full)? {
            let rule = rules.iter().find(|r| slots::name(r) == name);
            self.begin_counter(counter, rule.map_or("", |r| &r.words))?;
        }
        let wanted = self.wanted_blocks(rules, now)?;
        self.write_rest(&wanted, now)?;
        self.write_bank(rules, &wanted, now)
    }

    /// Puts what was prepared in force, and clears away what no longer is.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub(crate) fn engage(&mut self, rules: &[Rule]) -> Result<(), KernelError> {
        let next = Control {
            generation: self.control.generation + 1,
            bank: (self.control.bank + 1) % BANKS,
            ..self.control
        };
        let former = self.control.bank;
        self.write_control(next)?;
        self.rules = rules.to_vec();
        self.forget_labels()?;
        self.forget_rest()?;
        self.banks[former as usize] = Bank::default();
        Ok(())
    }

    /// Which rules of the prepared generation hold for a frame, one bit each in order.
    ///
    /// # Errors
    /// If the kernel does not run the program.
    pub(crate) fn canary(&mut self, frame: &[u8]) -> Result<u64, KernelError> {
        Ok(word(&self.ask_canary(frame)?, 0))
    }

    fn ask_canary(&mut self, frame: &[u8]) -> Result<CanaryBytes, KernelError> {
        self.run(CANARY, frame, 1)?;
        self.tables.canaries.get(&0, 0).map_err(failed("canaries"))
    }

    /// The kernel's tick and clock at this instant.
    fn tick(&mut self) -> Result<(u64, u64), KernelError> {
        let answer = self.ask_canary(&[0; SHORTEST_FRAME_BYTES])?;
        Ok((word(&answer, 8), word(&answer, 16)))
    }

    /// The length of a tick in nanoseconds: that of the usual rate nearest to what is measured.
    fn measure_tick(&mut self) -> Result<u64, KernelError> {
        /// Values that the kernel's configuration offers (CONFIG_HZ), on any architecture.
        const RATES_HZ: [u64; 9] = [24, 48, 100, 128, 250, 300, 500, 1_000, 1_024];
        const MEASURED: std::time::Duration = std::time::Duration::from_millis(60);
        let (ticks, ns) = self.tick()?;
        std::thread::sleep(MEASURED);
        let (ticks_after, ns_after) = self.tick()?;
        let hz = (ticks_after - ticks) * 1_000_000_000 / (ns_after - ns).max(1);
        let nearest = RATES_HZ.iter().min_by_key(|rate| rate.abs_diff(hz)).unwrap_or(&RATES_HZ[4]);
        Ok(1_000_000_000 / nearest)
    }

    /// Runs the program on a frame `repeat` times, as if it had come in, and tells whether it is
    /// dropped, and how long one run took on average, in nanoseconds. It counts like any other.
    ///
    /// # Errors
    /// If the kernel does not run the program: it wants 14 bytes at least.
    pub fn try_frame(&mut self, frame: &[u8], repeat: u32) -> Result<(bool, u64), KernelError> {
        const XDP_DROP: u32 = 1;
        let (returned, took_ns) = self.run(self.name, frame, repeat)?;
        Ok((returned == XDP_DROP, took_ns))
    }

    /// Runs one of the loaded programs on a frame `repeat` times, and tells what it returned the
    /// last time, and how long one run took on average, in nanoseconds.
    ///
    /// # Errors
    /// If the kernel does not run the program: it wants 14 bytes at least.
    pub fn run(&mut self, name: &str, frame: &[u8], repeat: u32) -> Result<(u32, u64), KernelError> {
        let failed = |reason| KernelError::Load(format!("it cannot be tried: {reason}"));
        if frame.len() < SHORTEST_FRAME_BYTES {
            return Err(failed("the frame has no Ethernet header".to_owned()));
        }
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = program(&mut self.ebpf, name)?.test_run(options).map_err(|e| failed(chain(&e)))?;
        Ok((result.return_value, result.duration.as_nanos() as u64))
    }

    /// What each measure has met, by name.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn counts(&self) -> Result<Vec<(String, Counts)>, KernelError> {
        self.slots.iter().map(|(name, slot)| Ok((name.to_owned(), self.count(slot)?))).collect()
    }

    fn count(&self, slot: u16) -> Result<Counts, KernelError> {
        let parts = self.tables.counters.get(&u32::from(slot), 0).map_err(failed("counters"))?;
        Ok(Counts::sum(parts.iter()))
    }

    /// What came in, and what became of it; or what left.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn totals(&self, is_outgoing: bool) -> Result<Totals, KernelError> {
        let parts = self.tables.totals.get(&u32::from(is_outgoing), 0).map_err(failed("totals"))?;
        Ok(Totals::sum(parts.iter()))
    }

    /// The next sample, if there is one.
    pub fn next_sample(&mut self) -> Option<Sample> {
        let item = self.samples.next()?;
        decode_sample(&item)
    }

    /// The generation in force; each [`Self::apply`] makes a new one.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.control.generation
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Writes the word that puts a generation in force, with the clocks set anew.
    fn write_control(&mut self, mut control: Control) -> Result<(), KernelError> {
        (control.ticks.base_jiffies, control.ticks.base_ns) = self.tick()?;
        self.tables.control.set(0, control.encode(), 0).map_err(failed("control"))?;
        self.control = control;
        Ok(())
    }

    /// Lets these sources pass too.
    pub(crate) fn protect_also(&mut self, prefixes: &[Prefix]) -> Result<(), KernelError> {
        for prefix in prefixes {
            if !self.protected.contains(prefix) {
                self.write_protected(*prefix)?;
                self.protected.insert(*prefix);
            }
        }
        self.write_guards()
    }

    fn write_protected(&mut self, prefix: Prefix) -> Result<(), KernelError> {
        let bits = u32::from(prefix.length_bits());
        match prefix.address() {
            IpAddr::V4(v4) => self.tables.v4_protected.insert(&TrieKey::new(bits, v4.octets()), 1, 0),
            IpAddr::V6(v6) => self.tables.v6_protected.insert(&TrieKey::new(bits, v6.octets()), 1, 0),
        }
        .map_err(failed("protected"))
    }

    /// Marks where protected prefixes may be, so that a packet from elsewhere need not be looked up.
    fn write_guards(&mut self) -> Result<(), KernelError> {
        let mut guards = [Box::new([0_u64; 1024]), Box::new([0_u64; 1024])];
        for prefix in &self.protected {
            let (family, first) = match prefix.address() {
                IpAddr::V4(v4) => (0, (u32::from(v4) >> 16) as usize),
                IpAddr::V6(v6) => (1, usize::from(v6.segments()[0])),
            };
            let count = 1_usize << 16_u8.saturating_sub(prefix.length_bits());
            for place in first..(first + count).min(1 << 16) {
                guards[family][place / 64] |= 1 << (place % 64);
            }
        }
        for (family, guard) in guards.into_iter().enumerate() {
            self.tables.guards.set(family as u32, *guard, 0).map_err(failed("guards"))?;
        }
        Ok(())
    }

    fn begin_counter(&mut self, counter: u16, words: &str) -> Result<(), KernelError> {
        let slot = u32::from(counter);
        let processors = self.tables.counters.get(&slot, 0).map_err(failed("counters"))?.len();
        let zero = aya::maps::PerCpuValues::try_from(vec![[0; 32]; processors])
            .map_err(|e| KernelError::Table { table: "counters", reason: e.to_string() })?;
        self.tables.counters.set(slot, zero, 0).map_err(failed("counters"))?;
        let mut label: Label = [0; 128];
        for (place, byte) in label.iter_mut().zip(words.bytes()) {
            *place = byte;
        }
        self.labelled.insert(counter);
        self.tables.labels.set(slot, label, 0).map_err(failed("labels"))
    }

    /// Clears the words of counters that no measure has any more.
    fn forget_labels(&mut self) -> Result<(), KernelError> {
        let lent: BTreeSet<u16> = self.slots.iter().map(|(_, counter)| counter).collect();
        let idle: Vec<u16> = self.labelled.difference(&lent).copied().collect();
        for counter in idle {
            self.tables.labels.set(u32::from(counter), [0; 128], 0).map_err(failed("labels"))?;
            self.labelled.remove(&counter);
        }
        Ok(())
    }

    /// Writes rules, masks and blocked prefixes into the bank that is not in force.
    fn write_bank(&mut self, rules: &[Rule], wanted: &Wanted, now: Moment) -> Result<(), KernelError> {
        let bank = (self.control.bank + 1) % BANKS;
        let mut image = Bank::default();
        let mut shape = self.fill_bank(wanted, &mut image)?;
        (shape.names, shape.names_mask) = self.fill_names(rules, &mut image, now)?;
        let matches: Vec<&Rule> = rules.iter().filter(|r| matches!(r.kind, Kind::Match(..))).collect();
        if matches.len() > RULES as usize {
            return Err(KernelError::Full { what: "signatures", limit: RULES as usize });
        }
        for rule in &matches {
            let Kind::Match(conjunction, act) = &rule.kind else { continue };
            let slot = self.slots.of(rule);
            image.rules.push(encode_rule(rule, conjunction, *act, now.monotonic_at(rule.expires), slot));
        }
        for rule in rules {
            let Kind::Cookies(cookies) = &rule.kind else { continue };
            let slot = self.slots.of(rule);
            image.cookies = Some(encode_cookies(rule, cookies, now.monotonic_at(rule.expires), slot));
        }
        image.masks = Some(encode_masks(&matches, shape, image.cookies.is_some()));
        self.write_image(bank, &image)?;
        self.banks[bank as usize] = image;
        Ok(())
    }

    fn write_image(&mut self, bank: u32, image: &Bank) -> Result<(), KernelError> {
        for (index, chunk) in (bank * CHUNKS..).zip(&image.filter) {
            self.tables.filter.set(index, chunk, 0).map_err(failed("filter"))?;
        }
        self.write_blocks(bank, image)?;
        self.write_names(bank, image)?;
        for (index, rule) in (bank * RULES..).zip(&image.rules) {
            self.tables.rules.set(index, rule, 0).map_err(failed("rules"))?;
        }
        if let Some(cookies) = &image.cookies {
            self.tables.cookies.set(bank, cookies.as_ref(), 0).map_err(failed("cookie_rules"))?;
        }
        match &image.masks {
            Some(masks) => self.tables.masks.set(bank, masks.as_ref(), 0).map_err(failed("rule_masks")),
            None => Ok(()),
        }
    }
}

fn decode_sample(bytes: &[u8]) -> Option<Sample> {
    const HEADER_BYTES: usize = 24;
    const DROPPED: u8 = 1;
    let head = bytes.get(HEADER_BYTES..)?;
    let rates = word(bytes, 8);
    let captured = usize::from(u16::from_ne_bytes([bytes[16], bytes[17]]));
    Some(Sample {
        monotonic_ns: word(bytes, 0),
        one_in: rates as u32,
        wire_bytes: (rates >> 32) as u32,
        is_dropped: bytes[18] == DROPPED,
        is_outgoing: bytes[19] != 0,
        head: head[..captured.min(SAMPLE_BYTES).min(head.len())].to_vec(),
    })
}

fn program<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Xdp, KernelError> {
    let missing = || KernelError::Load(format!("the object has no program {name}"));
    ebpf.program_mut(name).ok_or_else(missing)?.try_into().map_err(|_| missing())
}

pub(crate) fn is_missing(error: &aya::maps::MapError) -> bool {
    use aya::maps::MapError;
    const NO_ENTRY: i32 = 2;
    match error {
        MapError::KeyNotFound | MapError::ElementNotFound => true,
        MapError::SyscallError(error) => error.io_error.raw_os_error() == Some(NO_ENTRY),
        _ => false,
    }
}

/// An error with its causes; of what the verifier says the end, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    brief(&text)
}

/// The first line of a text and the last ones that say something, joined.
fn brief(text: &str) -> String {
    const LAST_LINES: usize = 3;
    // What the verifier counts of its own work tells nobody why it refused.
    let counts = ["processed ", "verification time ", "stack depth "];
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> =
        lines.filter(|l| !l.is_empty() && !counts.iter().any(|count| l.starts_with(count))).collect();
    let Some((first, rest)) = lines.split_first() else { return String::new() };
    let last = &rest[rest.len().saturating_sub(LAST_LINES)..];
    [&[*first], last].concat().join("; ")
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn of_what_the_verifier_says_the_end_is_told() {
        let pages: String = (0..2_000).map(|n| format!("{n}: (b7) r0 = 2\n")).collect();
        let why = "combined stack size of 3 calls is 544. Too large";
        let text = format!(
            "the BPF_PROG_LOAD syscall returned Permission denied. Verifier output: 0: R1=ctx()\n{pages}{why}\n\
             verification time 2108 usec\nstack depth 320+0+224\nprocessed 9 insns (limit 1000000)\n\n"
        );
        let brief = brief(&text);
        assert!(brief.starts_with("the BPF_PROG_LOAD syscall returned Permission denied"));
        assert!(brief.ends_with(why) && brief.len() < 300 && !brief.contains('\n'), "{brief}");
        assert_eq!(super::brief("no such device"), "no such device");
        assert_eq!(super::brief(""), "");
    }
}
