//! Messages to name servers: questions, and what dynamic updates and transfers put behind them.

use super::key::{Key, Signed};
use crate::message::{CLASS_IN, name, opcode};
use domain::base::iana::{Class, Opcode, Rtype};
use domain::base::message_builder::PushError;
use domain::base::name::{NameError, ParsedName};
use domain::base::rdata::{ParseAnyRecordData, UnknownRecordData};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{MessageBuilder, Name, Ttl};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;
use seawall_model::Timestamp;

/// What is taken in a datagram (RFC 9715 section 3).
const UDP_BYTES: u16 = 1_232;

/// A record with its names uncompressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// In lower case.
    pub owner: Box<[u8]>,
    pub kind: u16,
    pub class: u16,
    pub ttl_s: u32,
    pub data: Box<[u8]>,
}

impl Record {
    /// As a line of a zone file; data of types that are not known as RFC 3597 has it.
    #[must_use]
    pub fn line(&self) -> String {
        let kind = Rtype::from_int(self.kind);
        let data: &[u8] = &self.data;
        let mut parser = Parser::from_ref(data);
        let text = AllRecordData::<_, ParsedName<_>>::parse_any_rdata(kind, &mut parser)
            .map(|data| data.display_zonefile(DisplayKind::Simple).to_string())
            .unwrap_or_else(|_| format!("\\# {} {}", data.len(), hex(data)));
        let owner = name::text(&self.owner);
        format!("{owner}. {} IN {kind} {text}", self.ttl_s)
    }
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A message before it is written.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub id: u16,
    pub opcode: u8,
    /// Of the question, or of the zone of an update.
    pub name: &'a [u8],
    pub kind: u16,
    /// Answers, or the conditions of an update.
    pub answers: Vec<Record>,
    /// Authority, or what an update changes.
    pub authority: Vec<Record>,
    /// DNSSEC records are wanted.
    pub dnssec_ok: bool,
}

impl<'a> Request<'a> {
    /// A question.
    #[must_use]
    pub fn query(id: u16, name: &'a [u8], kind: u16) -> Self {
        let (answers, authority) = (Vec::new(), Vec::new());
        Self { id, opcode: opcode::QUERY, name, kind, answers, authority, dnssec_ok: false }
    }

    /// The message, and what its answers are checked with; `None` if its parts are no names, or
    /// too long for a message.
    #[must_use]
    pub fn write(&self, key: Option<&Key>, now: Timestamp) -> Option<(Vec<u8>, Signed)> {
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(self.id);
        message.header_mut().set_opcode(Opcode::from_int(self.opcode));
        let mut message = message.question();
        let name = Name::from_octets(self.name).ok()?;
        message.push((name, Rtype::from_int(self.kind), Class::from_int(CLASS_IN))).ok()?;
        let mut message = message.answer();
        self.answers.iter().try_for_each(|r| push(r, |record| message.push(record)))?;
        let mut message = message.authority();
        self.authority.iter().try_for_each(|r| push(r, |record| message.push(record)))?;
        let mut message = message.additional();
        if self.dnssec_ok {
            let opt = message.opt(|opt| {
                opt.set_udp_payload_size(UDP_BYTES);
                opt.set_dnssec_ok(true);
                Ok(())
            });
            opt.ok()?;
        }
        let signed = Signed::request(&mut message, key, now)?;
        Some((message.finish(), signed))
    }
}

type Whole<'r> = (Name<&'r [u8]>, Class, Ttl, UnknownRecordData<&'r [u8]>);

fn push<'r>(record: &'r Record, to: impl FnOnce(Whole<'r>) -> Result<(), PushError>) -> Option<()> {
    let owner: Result<_, NameError> = Name::from_octets(&*record.owner);
    let data = UnknownRecordData::from_octets(Rtype::from_int(record.kind), &*record.data).ok()?;
    to((owner.ok()?, Class::from_int(record.class), Ttl::from_secs(record.ttl_s), data)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_written_as_lines_of_a_zone_file() {
        let record = |kind, data: &[u8]| Record {
            owner: (*b"\x03www\x07example\0").into(),
            kind,
            class: CLASS_IN,
            ttl_s: 60,
            data: data.into(),
        };
        assert_eq!(record(1, &[192, 0, 2, 1]).line(), "www.example. 60 IN A 192.0.2.1");
        assert_eq!(record(15, b"\0\x0A\x01m\0").line(), "www.example. 60 IN MX 10 m.");
        assert_eq!(record(16, b"\x03a b").line(), "www.example. 60 IN TXT \"a b\"");
        assert_eq!(record(65_280, &[1, 255]).line(), "www.example. 60 IN TYPE65280 \\# 2 01 ff");
        assert_eq!(record(1, &[1]).line(), "www.example. 60 IN A \\# 1 01", "broken data stay what they are");
    }
}
