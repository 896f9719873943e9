//! Rules about questions for names, and the set of names that are known, as `bpf/names.h` has them.

use crate::buckets::TableChunk;
use crate::layout::{RuleBytes, Writer, encode_rule, word};
use crate::rule::{Act, Conjunction, Rule};
use crate::slots::Slot;
use seawall_model::hash;
use seawall_model::plan::RateKey;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Rules of one generation.
pub const NAMES_LIMIT: usize = 16;
/// Labels below a suffix that are looked at (`NAMES_DEPTH`).
pub(crate) const NAMES_DEPTH: usize = 40;
/// Words of a bucket, and buckets of a chunk.
const WORDS: usize = 8;
const CHUNK_BUCKETS: usize = 64;
/// Names to a bucket, on average, as long as there are buckets enough: one in eighty is full then. With more
/// names a made-up one passes more often: at twice as many, one in four.
const LOAD: usize = 3;
/// Bits of a hash that a word has, and what the lower ones say.
const TAG_SHIFT: u32 = 24;
const IS_HERE: u64 = 1;
const IS_OPEN: u64 = 2;
/// Answers that one network gets at once.
const BURST_S: f64 = 1.0;

pub(crate) type NamesBytes = [u8; 752];

/// Questions for names below a suffix, asked at one front of name servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    pub front: u8,
    /// An address of that front: where the rule is tried before it goes live.
    pub asked_at: SocketAddr,
    /// In wire form and lower case, with the root label.
    pub suffix: Box<[u8]>,
    pub known: Arc<KnownNames>,
    pub said: Said,
    /// Who asks for DNSSEC records is left to the front, which can prove what it says.
    pub is_signed: bool,
    /// Answers a second to one network (a /24, or a /48); who asks for more gets none.
    pub answers_per_s: f64,
}

/// What is said of a name that is not among those that are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Said {
    /// There is no such name: the set has all of its zone.
    NoSuchName,
    /// Come over TCP. So many such questions a second pass: the front has room for some. Where its servers
    /// recurse, the answer says so (RA): a stub resolver takes an empty one without for a server that does not
    /// know, and asks the next.
    Truncated { passed_per_s: f64, recurses: bool },
    /// Nothing: all names pass. For a zone below a suffix that another rule is about.
    Nothing,
}

impl Said {
    /// The answer's flags.
    pub(crate) fn flags(self) -> u16 {
        match self {
            Self::NoSuchName => 0x8403,
            Self::Truncated { recurses, .. } => 0x8200 | u16::from(recurses) << 7,
            Self::Nothing => 0,
        }
    }

    /// Whether a set that it goes with has all names of the zone.
    pub(crate) fn is_of_zone(self) -> bool {
        self == Self::NoSuchName
    }
}

/// Names that are known, as hashes by [`hash::child_name`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownNames {
    /// The hash of the root.
    pub seed: u64,
    /// Each with whether anything may exist below it. Of a whole zone every name and every parent of
    /// one is here.
    pub names: Vec<(u64, bool)>,
    /// How many of a hash's lower 24 bits count; the upper 40 always do.
    pub lower_bits: u32,
}

/// The labels of a name in wire form, without the root's.
pub(crate) fn labels(name: &[u8]) -> Vec<&[u8]> {
    let mut rest = name;
    let mut labels = Vec::new();
    while let Some((&length, after)) = rest.split_first()
        && length > 0
        && let Some((label, after)) = after.split_at_checked(usize::from(length))
    {
        labels.push(label);
        rest = after;
    }
    labels
}

/// A set of names as the program has it.
pub(crate) struct NameTable {
    words: Vec<[u64; WORDS]>,
}

impl NameTable {
    /// Names that so many chunks have room for: beyond, most buckets are full, and most names pass.
    pub(crate) fn room(chunks: u32) -> usize {
        chunks as usize * CHUNK_BUCKETS * WORDS
    }

    /// A table for so many names, in so many chunks at most. A full bucket says nothing, so that none of
    /// them is ever missing. `lower_bits`: what picks a bucket.
    pub(crate) fn with_room_for(names: usize, lower_bits: u32, chunks: u32) -> Self {
        let most = (1 << lower_bits.min(TAG_SHIFT)).min(chunks as usize * CHUNK_BUCKETS);
        let buckets = names.div_ceil(LOAD).next_power_of_two().max(CHUNK_BUCKETS).min(most);
        Self { words: vec![[0; WORDS]; buckets] }
    }

    pub(crate) fn add(&mut self, known: &KnownNames) {
        let mask = self.words.len() - 1;
        for (hash, is_open) in &known.names {
            let bucket = &mut self.words[*hash as usize & mask];
            let wanted = hash >> TAG_SHIFT;
            let place = bucket.iter_mut().find(|w| **w == 0 || **w >> TAG_SHIFT == wanted);
            if let Some(place) = place {
                *place |= wanted << TAG_SHIFT | IS_HERE | if *is_open { IS_OPEN } else { 0 };
            }
        }
    }

    /// Whether of some names nothing can be said.
    pub(crate) fn has_full_bucket(&self) -> bool {
        self.words.iter().any(|bucket| bucket.iter().all(|word| *word != 0))
    }

    /// What picks a bucket of a hash.
    pub(crate) fn mask(&self) -> u32 {
        self.words.len() as u32 - 1
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = TableChunk> {
        self.words.chunks(CHUNK_BUCKETS).map(|buckets| {
            let mut chunk = [0; size_of::<TableChunk>()];
            let (places, _) = chunk.as_chunks_mut::<8>();
            places.iter_mut().zip(buckets.as_flattened()).for_each(|(to, word)| *to = word.to_ne_bytes());
            chunk
        })
    }
}

/// The rule as the program reads it.
pub(crate) fn encode_names(rule: &Rule, names: &Names, expires_ns: u64, slot: Slot) -> NamesBytes {
    let limit = |key, per_s: f64| {
        let act = Act::Limit { key, per_s, burst: (per_s * BURST_S).max(1.0) };
        encode_rule(rule, &Conjunction::default(), act, expires_ns, slot)
    };
    let passes: RuleBytes = match names.said {
        Said::Truncated { passed_per_s, .. } => limit(RateKey::Total, passed_per_s),
        Said::NoSuchName | Said::Nothing => [0; size_of::<RuleBytes>()],
    };
    let mut suffix = [0; 256];
    suffix[..names.suffix.len()].copy_from_slice(&names.suffix);
    let mut w = Writer::<{ size_of::<NamesBytes>() }>::new();
    w.put(&limit(RateKey::Network, names.answers_per_s));
    w.put(&passes);
    w.u64(hash::dns_name(names.known.seed, &names.suffix));
    w.put(&suffix);
    w.put(&names.said.flags().to_be_bytes());
    let is_zone = u8::from(names.said.is_of_zone());
    w.put(&[names.front, names.suffix.len() as u8, is_zone, u8::from(names.is_signed), 0, 0]);
    w.done()
}

/// A question that the program took, as it sampled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSample {
    pub monotonic_ns: u64,
    pub client: SocketAddr,
    /// How many questions it stands for.
    pub one_in: u32,
    pub query_bytes: u16,
    /// `None`: it was dropped.
    pub answer_bytes: Option<u16>,
    pub kind: u16,
    /// Bytes 2 and 3 of the question's header, and of the answer's.
    pub asked_flags: u16,
    pub flags: u16,
    pub front: u8,
    /// In wire form and lower case.
    pub name: Box<[u8]>,
}

impl NameSample {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        const NAME_AT: usize = 48;
        let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
        let address = IpAddr::from(Ipv6Addr::from(octets)).to_canonical();
        let short = |at: usize| word(bytes, at / 8 * 8).wrapping_shr(at as u32 % 8 * 8) as u16;
        let [front, name_bytes] = short(40).to_le_bytes();
        Some(Self {
            monotonic_ns: word(bytes, 0),
            client: SocketAddr::new(address, short(28)),
            one_in: word(bytes, 24) as u32,
            query_bytes: short(30),
            answer_bytes: Some(short(32)).filter(|bytes| *bytes > 0),
            kind: short(34),
            asked_flags: short(36),
            flags: short(38),
            front,
            name: bytes.get(NAME_AT..NAME_AT + usize::from(name_bytes))?.into(),
        })
    }
}
