//! DNS answers from the kernel: which questions the XDP program answers by itself, and with what.
//!
//! An answer has a place of two halves. It is renewed in the half that is not in use, which is left
//! alone until no program can read it any more, and the index is changed by one word. The program
//! compares questions in full.

use crate::clock::Moment;
use crate::error::KernelError;
use crate::layout::{Writer, word};
use crate::tables::{failed, ring};
use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// The longest name on the wire that is answered (`DNS_NAME` in `bpf/dns.h`).
pub const DNS_NAME_BYTES: usize = 64;
/// The most bytes of records that an answer may have.
pub const DNS_RECORDS_BYTES: usize = 272;
/// Different ports of all listeners.
pub const DNS_PORTS: usize = 4;
/// A half is written again after so long at the earliest: a program that reads it has ended.
const SETTLED_NS: u64 = 100_000_000;
const WORDS: usize = 9;

type SettingsBytes = [u8; 40];
type ListenerBytes = [u8; 24];
type AnswerBytes = [u8; 368];
type TotalsBytes = [u8; 48];

/// Where one front of name servers listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsListener {
    pub address: IpAddr,
    pub port: u16,
    /// Tells its questions from those of others.
    pub front: u8,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsQuestion<'a> {
    pub front: u8,
    /// In wire form and lower case, with the root label.
    pub name: &'a [u8],
    pub kind: u16,
    /// Bits of the header that change an answer (RD, CD), and 1 where DNSSEC records are wanted.
    pub bits: u16,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsAnswer {
    /// Bytes 2 and 3 of the header, without RD and CD.
    pub flags: u16,
    /// Records in the answer, authority and additional sections, without OPT.
    pub counts: [u16; 3],
    /// Everything behind the question, without OPT; names may point into the question.
    pub records: Vec<u8>,
}

/// What all processors have answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsTotals {
    pub answers: u64,
    pub query_bytes: u64,
    pub answer_bytes: u64,
    /// Passed to the edge: repeated by one network, answers too long for their question, and frames
    /// that the driver could not make longer.
    pub repeated: u64,
    pub too_long: u64,
    pub no_room: u64,
}

/// One answer of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsSample {
    pub monotonic_ns: u64,
    pub client: IpAddr,
    pub client_port: u16,
    /// How many answers it stands for.
    pub one_in: u32,
    pub place: u32,
    pub query_bytes: u16,
    pub answer_bytes: u16,
}

/// How the program answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settings {
    keys: [u64; 2],
    samples_per_s: u64,
    repeats: u32,
    is_on: bool,
    ports: [u16; DNS_PORTS],
}

#[derive(Clone, Debug, Default)]
struct Place {
    hash: u64,
    words: [u64; WORDS],
    half: u32,
    /// When it was written last, or given back.
    touched_ns: u64,
}

/// The tables of answers. They are of use as long as the filter is.
pub struct DnsAnswers {
    settings_table: Array<MapData, SettingsBytes>,
    listeners_table: HashMap<MapData, ListenerBytes, u32>,
    index: HashMap<MapData, u64, u32>,
    answers: Array<MapData, AnswerBytes>,
    hits: PerCpuArray<MapData, u64>,
    totals: PerCpuArray<MapData, TotalsBytes>,
    samples: RingBuf<MapData>,
    settings: Settings,
    listeners: Vec<ListenerBytes>,
    places: Vec<Place>,
    free: VecDeque<u32>,
    by_hash: BTreeMap<u64, u32>,
}

impl DnsAnswers {
    /// Takes the tables of a loaded object with this many places. `secret`: what nobody outside can
    /// know.
    pub(crate) fn open(ebpf: &mut Ebpf, places: u32, secret: [u64; 2]) -> Result<Self, KernelError> {
        let mut take = |table: &'static str| {
            let missing = || KernelError::Table { table, reason: "it is not there".to_owned() };
            ebpf.take_map(table).ok_or_else(missing)
        };
        fn one<T: TryFrom<Map, Error = MapError>>(map: Map, table: &'static str) -> Result<T, KernelError> {
            T::try_from(map).map_err(|e| failed(table)(e))
        }
        let mut opened = Self {
            settings_table: one(take("dns_settings")?, "dns_settings")?,
            listeners_table: one(take("dns_listeners")?, "dns_listeners")?,
            index: one(take("dns_index")?, "dns_index")?,
            answers: one(take("dns_answers")?, "dns_answers")?,
            hits: one(take("dns_hits")?, "dns_hits")?,
            totals: one(take("dns_totals")?, "dns_totals")?,
            samples: ring(take("dns_samples")?)?,
            settings: Settings { keys: secret, ..Settings::default() },
            listeners: Vec::new(),
            places: vec![Place::default(); places as usize],
            free: (0..places).collect(),
            by_hash: BTreeMap::new(),
        };
        opened.write_settings()?;
        Ok(opened)
    }

    /// How many samples each processor may give out a second, and how often a second one network
    /// may ask the same on one processor before the rest is passed on.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn limit(&mut self, samples_per_s: u64, repeats: u32) -> Result<(), KernelError> {
        self.settings = Settings { samples_per_s, repeats, ..self.settings };
        self.write_settings()
    }

    /// Answers from now on, or passes everything on.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn turn(&mut self, is_on: bool) -> Result<(), KernelError> {
        if self.settings.is_on != is_on {
            self.settings.is_on = is_on;
            self.write_settings()?;
        }
        Ok(())
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.is_on
    }

    /// Answers questions to these addresses, and to no others any more. Of more than
    /// [`DNS_PORTS`] ports, those of the first listeners count.
    ///
    /// # Errors
    /// If a table cannot be written.
    pub fn listen(&mut self, listeners: &[DnsListener]) -> Result<(), KernelError> {
        let mut ports: Vec<u16> = Vec::new();
        let mut wanted = Vec::new();
        for listener in listeners {
            if !ports.contains(&listener.port) {
                if ports.len() == DNS_PORTS {
                    continue;
                }
                ports.push(listener.port);
            }
            wanted.push((listener_bytes(listener), u32::from(listener.front)));
        }
        for old in std::mem::take(&mut self.listeners) {
            if wanted.iter().all(|(bytes, _)| *bytes != old) {
                forgive_missing(self.listeners_table.remove(&old), "dns_listeners")?;
            }
        }
        for (bytes, front) in wanted {
            self.listeners_table.insert(bytes, front, 0).map_err(failed("dns_listeners"))?;
            self.listeners.push(bytes);
        }
        let mut all = [0; DNS_PORTS];
        all.iter_mut().zip(ports).for_each(|(to, port)| *to = port);
        if all != self.settings.ports {
            self.settings.ports = all;
            self.write_settings()?;
        }
        Ok(())
    }

    /// Gives this answer to the question until `expires_ns` by the monotonic clock. Returns its
    /// place; `None`: there is no room, it is too long, or another question has its hash.
    ///
    /// # Errors
    /// If a table cannot be written.
    pub fn put(
        &mut self,
        question: &DnsQuestion<'_>,
        answer: &DnsAnswer,
        expires_ns: u64,
        now: Moment,
    ) -> Result<Option<u32>, KernelError> {
        if question.name.len() > DNS_NAME_BYTES || answer.records.len() > DNS_RECORDS_BYTES {
            return Ok(None);
        }
        let words = question_words(question);
        let hash = hash(&words, self.settings.keys);
        let place = match self.by_hash.get(&hash) {
            Some(place) => *place,
            None => match self.free.front().copied().filter(|p| self.is_settled(*p, now)) {
                Some(place) => place,
                None => return Ok(None),
            },
        };
        let is_new = !self.by_hash.contains_key(&hash);
        let known = &self.places[place as usize];
        if !is_new && (known.words != words || !self.is_settled(place, now)) {
            return Ok(if known.words == words { Some(place) } else { None });
        }
        let half = known.half ^ 1;
        let at = place * 2 + half;
        self.answers.set(at, answer_bytes(&words, answer, expires_ns), 0).map_err(failed("dns_answers"))?;
        self.index.insert(hash, at, 0).map_err(failed("dns_index"))?;
        if is_new {
            self.free.pop_front();
            self.by_hash.insert(hash, place);
        }
        self.places[place as usize] = Place { hash, words, half, touched_ns: now.monotonic_ns };
        Ok(Some(place))
    }

    /// No longer answers from this place.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn remove(&mut self, place: u32, now: Moment) -> Result<(), KernelError> {
        let Some(known) = self.places.get_mut(place as usize) else { return Ok(()) };
        if self.by_hash.remove(&known.hash).is_some() {
            known.touched_ns = now.monotonic_ns;
            forgive_missing(self.index.remove(&known.hash), "dns_index")?;
            self.free.push_back(place);
        }
        Ok(())
    }

    /// How often a place was answered from, by whatever question had it.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn hits(&self, place: u32) -> Result<u64, KernelError> {
        let parts = self.hits.get(&place, 0).map_err(failed("dns_hits"))?;
        Ok(parts.iter().sum())
    }

    /// # Errors
    /// If the table cannot be read.
    pub fn totals(&self) -> Result<DnsTotals, KernelError> {
        let parts = self.totals.get(&0, 0).map_err(failed("dns_totals"))?;
        Ok(parts.iter().fold(DnsTotals::default(), |sum, bytes| DnsTotals {
            answers: sum.answers + word(bytes, 0),
            query_bytes: sum.query_bytes + word(bytes, 8),
            answer_bytes: sum.answer_bytes + word(bytes, 16),
            repeated: sum.repeated + word(bytes, 24),
            too_long: sum.too_long + word(bytes, 32),
            no_room: sum.no_room + word(bytes, 40),
        }))
    }

    /// The next sampled answer, if there is one.
    pub fn next_sample(&mut self) -> Option<DnsSample> {
        let item = self.samples.next()?;
        let octets: [u8; 16] = item.get(8..24)?.try_into().ok()?;
        let (rates, sizes) = (word(&item, 24), word(&item, 32));
        Some(DnsSample {
            monotonic_ns: word(&item, 0),
            client: IpAddr::from(Ipv6Addr::from(octets)).to_canonical(),
            one_in: rates as u32,
            place: (rates >> 32) as u32,
            client_port: sizes as u16,
            query_bytes: (sizes >> 16) as u16,
            answer_bytes: (sizes >> 32) as u16,
        })
    }

    /// Places in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    fn is_settled(&self, place: u32, now: Moment) -> bool {
        let touched_ns = self.places[place as usize].touched_ns;
        touched_ns == 0 || now.monotonic_ns >= touched_ns + SETTLED_NS
    }

    fn write_settings(&mut self) -> Result<(), KernelError> {
        let settings = &self.settings;
        let mut w = Writer::<{ size_of::<SettingsBytes>() }>::new();
        settings.keys.iter().for_each(|key| w.u64(*key));
        w.u64(settings.samples_per_s);
        w.u32(settings.repeats);
        w.u32(u32::from(settings.is_on));
        settings.ports.iter().for_each(|port| w.put(&port.to_be_bytes()));
        self.settings_table.set(0, w.done(), 0).map_err(failed("dns_settings"))
    }
}

fn forgive_missing(result: Result<(), MapError>, table: &'static str) -> Result<(), KernelError> {
    match result {
        Err(error) if crate::xdp::is_missing(&error) => Ok(()),
        other => other.map_err(failed(table)),
    }
}

fn listener_bytes(listener: &DnsListener) -> ListenerBytes {
    let mut w = Writer::<{ size_of::<ListenerBytes>() }>::new();
    w.put(&crate::layout::octets(listener.address));
    w.put(&listener.port.to_be_bytes());
    w.put(&[0; 6]);
    w.done()
}

/// The question as the program has it: the name filled up with zeroes, then the rest.
fn question_words(question: &DnsQuestion<'_>) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (to, from) in words.iter_mut().zip(question.name.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..from.len()].copy_from_slice(from);
        *to = u64::from_le_bytes(bytes);
    }
    words[WORDS - 1] = u64::from(question.kind)
        | u64::from(question.bits) << 16
        | u64::from(question.front) << 32
        | (question.name.len() as u64) << 48;
    words
}

/// The program's hash of a question.
fn hash(words: &[u64; WORDS], keys: [u64; 2]) -> u64 {
    let name_bytes = (words[WORDS - 1] >> 48) as usize;
    let mut hash = keys[0];
    for word in words.iter().take(name_bytes.div_ceil(8)) {
        hash = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
    }
    hash = (hash ^ words[WORDS - 1] ^ keys[1]).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash = (hash ^ hash >> 32).wrapping_mul(0xA076_1D64_78BD_642F);
    hash ^ hash >> 29
}

fn answer_bytes(words: &[u64; WORDS], answer: &DnsAnswer, expires_ns: u64) -> AnswerBytes {
    let mut w = Writer::<{ size_of::<AnswerBytes>() }>::new();
    w.u64(expires_ns);
    words.iter().for_each(|word| w.u64(*word));
    w.put(&answer.flags.to_be_bytes());
    answer.counts.iter().for_each(|count| w.put(&count.to_be_bytes()));
    w.u16(answer.records.len() as u16);
    w.u16(sum(&answer.records));
    w.u32(0);
    let mut records = [0; DNS_RECORDS_BYTES];
    records[..answer.records.len()].copy_from_slice(&answer.records);
    w.put(&records);
    w.done()
}

/// One's complement sum of bytes that begin at an even place (RFC 1071), in the machine's order.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
