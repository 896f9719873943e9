//! Reads a zone transfer, whole (AXFR, RFC 5936) or as differences (IXFR, RFC 1995), and keeps of it
//! what existence needs.

use super::zone::{Builder, Misfit, Zone};
use crate::message::answer::skip_name;
use crate::message::name::{self, NAME_BYTES};
use crate::message::{CLASS_IN, HEADER_BYTES, be16, be32, flag, kind};

/// Compression pointers of one name that are followed.
const POINTERS: usize = 64;

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The server answered with this code.
    Refused(u16),
    /// A message is not as it should be.
    Broken,
    /// More names than may be kept.
    TooLarge,
    /// The transfer does not begin with the zone's SOA record.
    NoSoa,
    /// The differences are not to the zone as it is known.
    NotOurs,
}

impl std::fmt::Display for TransferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the server refused the transfer with code {code}"),
            Self::Broken => f.write_str("the server sent something that is no transfer"),
            Self::TooLarge => f.write_str("the zone has more names than zone-names allows"),
            Self::NoSoa => f.write_str("the transfer does not begin with a SOA record"),
            Self::NotOurs => f.write_str("the server's differences are not to the zone as it is known"),
        }
    }
}

impl From<Misfit> for TransferError {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::TooLarge => Self::TooLarge,
            Misfit::NotThere => Self::NotOurs,
        }
    }
}

/// What matters of a SOA record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Soa {
    pub serial: u32,
    pub refresh_s: u32,
    pub expire_s: u32,
    /// For how long absence may be remembered: the lesser of the record's time to live and its
    /// last field.
    pub absence_s: u32,
    /// The record's data, names uncompressed.
    data: Vec<u8>,
}

impl Soa {
    /// Reads the record whose type is at `start`.
    fn read(message: &[u8], start: usize) -> Option<Self> {
        let ttl = be32(message, start + 4)?;
        let length = usize::from(be16(message, start + 8)?);
        let end = start + 10 + length;
        let mut data = Vec::new();
        let after = unpacked(message, start + 10, &mut data)?;
        let fixed = unpacked(message, after, &mut data)?;
        let numbers = message.get(fixed..end).filter(|n| n.len() == 20)?;
        data.extend(numbers);
        Some(Self {
            serial: be32(numbers, 0)?,
            refresh_s: be32(numbers, 4)?,
            expire_s: be32(numbers, 12)?,
            absence_s: ttl.min(be32(numbers, 16)?),
            data,
        })
    }

    /// The record as it is put into an answer.
    #[must_use]
    pub fn record(&self, apex: &[u8]) -> Box<[u8]> {
        let mut record = apex.to_vec();
        record.extend(kind::SOA.to_be_bytes());
        record.extend(CLASS_IN.to_be_bytes());
        record.extend(self.absence_s.to_be_bytes());
        record.extend((self.data.len() as u16).to_be_bytes());
        record.extend(&self.data);
        record.into()
    }
}

/// The serial number that an answer to a question for the SOA record tells.
#[must_use]
pub fn serial(message: &[u8], apex: &[u8]) -> Option<u32> {
    let mut at = HEADER_BYTES + apex.len() + 4;
    for _ in 0..be16(message, 6)? {
        let start = skip_name(message, at).ok()?;
        if be16(message, start)? == kind::SOA {
            return Soa::read(message, start).map(|soa| soa.serial);
        }
        at = start + 10 + usize::from(be16(message, start + 8)?);
    }
    None
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has come yet.
    Start,
    /// The SOA record has come; what follows says whether these are differences.
    Begun,
    /// All records of the zone.
    Whole,
    /// Records that went, from the zone of this serial number.
    Removing(u32),
    /// Records that came, up to the zone of this serial number.
    Adding(u32),
    Over,
}

/// A transfer that is under way.
#[derive(Debug)]
pub struct Transfer {
    id: u16,
    apex: Box<[u8]>,
    builder: Builder,
    /// What differences are to, if they were asked for.
    known: Option<(u32, Builder)>,
    soa: Option<Soa>,
    stage: Stage,
    is_differences: bool,
}

impl Transfer {
    /// A whole transfer.
    #[must_use]
    pub fn new(id: u16, apex: &[u8], seed: u64, most_names: usize) -> Self {
        let builder = Builder::new(apex, seed, most_names);
        Self {
            id,
            apex: apex.into(),
            builder,
            known: None,
            soa: None,
            stage: Stage::Start,
            is_differences: false,
        }
    }

    /// The differences to a zone, in place of which the server may send all of it.
    #[must_use]
    pub fn since(zone: &Zone, id: u16, seed: u64, most_names: usize) -> Self {
        let known = Some((zone.serial, zone.builder(most_names)));
        Self { known, ..Self::new(id, &zone.apex, seed, most_names) }
    }

    /// Takes the next message of the stream; true when the transfer is complete.
    ///
    /// # Errors
    /// If the server refuses or makes no sense.
    pub fn take(&mut self, message: &[u8]) -> Result<bool, TransferError> {
        let header = message.first_chunk::<HEADER_BYTES>().ok_or(TransferError::Broken)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if word(0) != self.id || word(2) & flag::RESPONSE == 0 {
            return Err(TransferError::Broken);
        }
        if word(2) & flag::CODE != 0 {
            return Err(TransferError::Refused(word(2) & flag::CODE));
        }
        let mut at = HEADER_BYTES;
        for _ in 0..word(4) {
            at = skip_name(message, at).map_err(|_| TransferError::Broken)? + 4;
        }
        for _ in 0..word(6) {
            if self.stage == Stage::Over {
                return Err(TransferError::Broken);
            }
            at = self.take_record(message, at).ok_or(TransferError::Broken)??;
        }
        // Whoever has no differences sends the SOA record alone: nothing is new, or all of the zone
        // is to be asked for.
        if self.stage == Stage::Begun && self.known.is_some() {
            let is_same =
                self.known.as_ref().map(|(serial, _)| *serial) == self.soa.as_ref().map(|s| s.serial);
            self.take_known(is_same)?;
            self.stage = Stage::Over;
        }
        Ok(self.stage == Stage::Over)
    }

    /// The server sent differences to the zone as it was known.
    #[must_use]
    pub fn is_differences(&self) -> bool {
        self.is_differences
    }

    /// The zone, once the transfer is complete.
    #[must_use]
    pub fn finish(self) -> Option<Zone> {
        let soa = self.soa.filter(|_| self.stage == Stage::Over)?;
        Some(self.builder.finish(&soa))
    }

    /// Goes on from the zone that is known.
    fn take_known(&mut self, is_it: bool) -> Result<(), TransferError> {
        let (_, builder) = self.known.take().filter(|_| is_it).ok_or(TransferError::NotOurs)?;
        self.builder = builder;
        self.is_differences = true;
        Ok(())
    }

    /// Takes the record at `at`; returns where it ends. The outer `None`: it is cut off.
    fn take_record(&mut self, message: &[u8], at: usize) -> Option<Result<usize, TransferError>> {
        let mut owner = Vec::new();
        let start = unpacked(message, at, &mut owner)?;
        let kind = be16(message, start)?;
        let end = start + 10 + usize::from(be16(message, start + 8)?);
        if end > message.len() {
            return None;
        }
        owner.make_ascii_lowercase();
        let taken = if kind == kind::SOA && *owner == *self.apex {
            self.take_soa(Soa::read(message, start)?)
        } else {
            self.take_other(&owner, kind)
        };
        Some(taken.map(|()| end))
    }

    /// SOA records part a transfer into its pieces (RFC 1995 section 4).
    fn take_soa(&mut self, soa: Soa) -> Result<(), TransferError> {
        let last = self.soa.as_ref().map(|s| s.serial);
        let known = self.known.as_ref().map(|(serial, _)| *serial);
        self.stage = match self.stage {
            Stage::Start => {
                self.soa = Some(soa);
                Stage::Begun
            }
            Stage::Begun if known.is_some() && last != Some(soa.serial) => {
                self.take_known(known == Some(soa.serial))?;
                Stage::Removing(soa.serial)
            }
            Stage::Removing(_) => Stage::Adding(soa.serial),
            Stage::Adding(to) if to != soa.serial => return Err(TransferError::Broken),
            Stage::Adding(to) if last != Some(to) => Stage::Removing(to),
            // The same record again ends the transfer.
            Stage::Begun | Stage::Whole | Stage::Adding(_) => Stage::Over,
            Stage::Over => return Err(TransferError::Broken),
        };
        Ok(())
    }

    fn take_other(&mut self, owner: &[u8], kind: u16) -> Result<(), TransferError> {
        match self.stage {
            Stage::Start | Stage::Over => return Err(TransferError::NoSoa),
            Stage::Begun => {
                self.known = None;
                self.stage = Stage::Whole;
            }
            Stage::Removing(_) => return Ok(self.builder.remove(owner, kind)?),
            Stage::Whole | Stage::Adding(_) => {}
        }
        Ok(self.builder.add(owner, kind)?)
    }
}

/// Writes the name at `at` without compression; returns where the bytes after it begin.
pub(super) fn unpacked(message: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let begin = out.len();
    let mut after = None;
    let mut pointers = 0;
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0 => {
                out.push(0);
                return (out.len() - begin <= NAME_BYTES).then(|| after.unwrap_or(at + 1));
            }
            1..=63 => {
                out.extend(message.get(at..=at + length)?);
                if out.len() - begin > NAME_BYTES {
                    return None;
                }
                at += 1 + length;
            }
            0xC0.. => {
                let target = usize::from(be16(message, at)? & 0x3FFF);
                after.get_or_insert(at + 2);
                pointers += 1;
                if target >= at || pointers > POINTERS {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
}

/// A zone's name, for messages.
#[must_use]
pub fn zone_text(apex: &[u8]) -> String {
    let text = name::text(apex);
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exist::{Existence, Zones};
    use crate::message::Key;
    use std::sync::Arc;

    const APEX: &[u8] = b"\x07example\x03org\0";
    const SOA: &[u8] =
        b"\xC0\x0C\0\x06\0\x01\0\0\x0E\x10\0\x18\x01n\xC0\x0C\0\0\0\0\x07\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x3C";

    fn message(records: &[&[u8]]) -> Vec<u8> {
        let mut m = vec![0, 9, 0x84, 0, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
        m.extend(APEX);
        m.extend(b"\0\xFC\0\x01");
        records.iter().for_each(|r| m.extend(*r));
        m
    }

    fn record(owner: &[u8], kind: u8) -> Vec<u8> {
        [owner, &[0xC0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, 1, 0]].concat()
    }

    /// The SOA record with its data's length set right.
    fn soa() -> Vec<u8> {
        soa_of(7)
    }

    fn soa_of(serial: u8) -> Vec<u8> {
        let mut soa = SOA.to_vec();
        soa[11] = (SOA.len() - 12) as u8;
        soa[20] = serial;
        soa
    }

    /// The zone of serial number 7, with names `a` and `b`.
    fn known() -> Zone {
        let mut transfer = Transfer::new(9, APEX, 7, 100);
        let whole = [&soa()[..], &record(b"\x01a", 1), &record(b"\x01b", 1), &soa()];
        assert_eq!(transfer.take(&message(&whole)), Ok(true));
        transfer.finish().expect("complete")
    }

    fn has(zone: &Zone, label: &[u8]) -> bool {
        let zones = Zones::new([Arc::new(zone.builder(100).finish(&Soa::default()))]);
        !matches!(zones.look(&Key::of(&[label, APEX].concat()), 1), Existence::Absent(_))
    }

    #[test]
    fn differences_over_two_versions_are_applied_in_order() {
        let mut transfer = Transfer::since(&known(), 9, 7, 100);
        let (a, b, c) = (record(b"\x01a", 1), record(b"\x01b", 1), record(b"\x01c", 1));
        let first = message(&[&soa_of(9), &soa_of(7), &a, &b, &soa_of(8), &c]);
        assert_eq!(transfer.take(&first), Ok(false));
        let last = message(&[&soa_of(8), &c, &soa_of(9), &b, &soa_of(9)]);
        assert_eq!(transfer.take(&last), Ok(true));
        let zone = transfer.finish().expect("complete");
        assert_eq!((zone.serial, zone.names()), (9, 2));
        assert_eq!([b"\x01a", b"\x01b", b"\x01c"].map(|n| has(&zone, n)), [false, true, false]);
    }

    #[test]
    fn a_server_without_differences_sends_the_whole_zone_or_says_that_nothing_is_new() {
        let mut transfer = Transfer::since(&known(), 9, 7, 100);
        assert_eq!(transfer.take(&message(&[&soa_of(9), &record(b"\x01c", 1), &soa_of(9)])), Ok(true));
        let zone = transfer.finish().expect("complete");
        assert_eq!((zone.serial, has(&zone, b"\x01a"), has(&zone, b"\x01c")), (9, false, true));
        let mut same = Transfer::since(&known(), 9, 7, 100);
        assert_eq!(same.take(&message(&[&soa()])), Ok(true));
        assert_eq!(same.finish().map(|z| z.names()), Some(3));
        let mut alone = Transfer::since(&known(), 9, 7, 100);
        assert_eq!(alone.take(&message(&[&soa_of(9)])), Err(TransferError::NotOurs));
    }

    #[test]
    fn differences_to_another_zone_are_refused() {
        let (a, c) = (record(b"\x01a", 1), record(b"\x01c", 1));
        let take = |records: &[&[u8]]| Transfer::since(&known(), 9, 7, 100).take(&message(records));
        assert_eq!(take(&[&soa_of(9), &soa_of(7), &c, &soa_of(9)]), Err(TransferError::NotOurs));
        assert_eq!(take(&[&soa_of(9), &soa_of(6), &a, &soa_of(9)]), Err(TransferError::NotOurs));
        assert_eq!(take(&[&soa_of(9), &soa_of(7), &soa_of(8), &soa_of(7)]), Err(TransferError::Broken));
    }

    #[test]
    fn a_transfer_in_two_messages_tells_what_exists() {
        let mut transfer = Transfer::new(9, APEX, 7, 100);
        let first = message(&[&soa(), &record(b"\x03WWW", 1)]);
        assert_eq!(transfer.take(&first), Ok(false));
        let last = message(&[&record(b"\x01*\x01w", 1), &soa()]);
        assert_eq!(transfer.take(&last), Ok(true));
        let zone = transfer.finish().expect("complete");
        assert_eq!((zone.serial, zone.expire_s, zone.names()), (7, 4, 4));
        let zones = Zones::new([Arc::new(zone)]);
        let possible =
            |name: &[u8]| !matches!(zones.look(&Key::of(&[name, APEX].concat()), 1), Existence::Absent(_));
        assert!(possible(b"\x03www") && possible(b"\x01x\x01w") && !possible(b"\x01x"));
    }

    #[test]
    fn what_is_no_transfer_is_refused() {
        let start = || Transfer::new(9, APEX, 7, 100);
        assert_eq!(start().take(&message(&[&record(b"\x03www", 1)])), Err(TransferError::NoSoa));
        let mut refused = message(&[]);
        refused[3] = 5;
        assert_eq!(start().take(&refused), Err(TransferError::Refused(5)));
        let good = message(&[&soa(), &record(b"\x03www", 1), &soa()]);
        for length in 0..good.len() {
            assert!(start().take(&good[..length]).is_err(), "cut at {length}");
        }
        let mut loops = message(&[&soa(), &record(b"\x03www", 1)]);
        let at = loops.len() - 13;
        loops[at + 1] = at as u8;
        assert_eq!(start().take(&loops), Err(TransferError::Broken));
        assert!(start().finish().is_none());
    }

    #[test]
    fn the_serial_number_is_read_from_an_answer() {
        assert_eq!(serial(&message(&[&soa()]), APEX), Some(7));
        assert_eq!(serial(&message(&[&record(b"\x03www", 1)]), APEX), None);
    }
}
