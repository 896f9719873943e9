//! Reads a zone transfer (AXFR, RFC 5936) and keeps of it what existence needs.

use super::zone::{Builder, TooLarge, Zone};
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
}

impl std::fmt::Display for TransferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the server refused the transfer with code {code}"),
            Self::Broken => f.write_str("the server sent something that is no transfer"),
            Self::TooLarge => f.write_str("the zone has more names than zone-names allows"),
            Self::NoSoa => f.write_str("the transfer does not begin with a SOA record"),
        }
    }
}

impl From<TooLarge> for TransferError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
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

/// Writes a query without EDNS.
#[must_use]
pub fn question(id: u16, name: &[u8], qtype: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(name);
    message.extend(qtype.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
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

/// A transfer that is under way.
#[derive(Debug)]
pub struct Transfer {
    id: u16,
    apex: Box<[u8]>,
    builder: Builder,
    soa: Option<Soa>,
    is_over: bool,
}

impl Transfer {
    #[must_use]
    pub fn new(id: u16, apex: &[u8], seed: u64, most_names: usize) -> Self {
        let builder = Builder::new(apex, seed, most_names);
        Self { id, apex: apex.into(), builder, soa: None, is_over: false }
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
            if self.is_over {
                return Err(TransferError::Broken);
            }
            at = self.take_record(message, at).ok_or(TransferError::Broken)??;
        }
        Ok(self.is_over)
    }

    /// The zone, once the transfer is complete.
    #[must_use]
    pub fn finish(self) -> Option<Zone> {
        let soa = self.soa.filter(|_| self.is_over)?;
        Some(self.builder.finish(&soa))
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
        let is_soa = kind == kind::SOA && *owner == *self.apex;
        match &self.soa {
            None if is_soa => self.soa = Some(Soa::read(message, start)?),
            None => return Some(Err(TransferError::NoSoa)),
            // The same record again ends the transfer.
            Some(_) if is_soa => self.is_over = true,
            Some(_) => {}
        }
        Some(self.builder.add(&owner, kind).map(|()| end).map_err(Into::into))
    }
}

/// Writes the name at `at` without compression; returns where the bytes after it begin.
fn unpacked(message: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
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
        let mut soa = SOA.to_vec();
        soa[11] = (SOA.len() - 12) as u8;
        soa
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
