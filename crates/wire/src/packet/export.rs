//! Flow exports, as collectors get them in UDP: NetFlow version 5, version 9 (RFC 3954), IPFIX
//! (RFC 7011) and sFlow version 5 (sflow.org).
//!
//! Versions 9 and IPFIX describe their records in templates that come now and then in the same
//! stream; what comes before its template is counted and lost. A datagram is an export only if its
//! parts fill it exactly: many things are sent to these ports.

use super::bytes::{be16, be32};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Templates of one stream that are remembered.
const TEMPLATE_LIMIT: usize = 256;
/// Fields of one template; more have no meaning here and too much work.
const FIELD_LIMIT: usize = 128;
/// Observation domains whose sampling is remembered.
const DOMAIN_LIMIT: usize = 64;
/// Records that are read from one datagram.
const RECORD_LIMIT: u32 = 4_096;
/// The length of a field that says its length itself (RFC 7011 section 7).
const VARIABLE: u16 = u16::MAX;

/// What an exporter saw of some packets with the same ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub source_port: u16,
    /// ICMP: type times 256 plus code.
    pub destination_port: u16,
    /// The flags of all its packets together.
    pub tcp_flags: u8,
    pub packets: u64,
    pub bytes: u64,
    /// One packet in so many was looked at.
    pub sampling: u32,
}

/// One thing that a datagram tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting<'a> {
    Flow(FlowRecord),
    /// The beginning of a packet, picked out of `sampling` packets.
    Packet {
        /// `LINKTYPE_…` of tcpdump.org.
        link: u16,
        data: &'a [u8],
        original_length_bytes: u32,
        sampling: u32,
    },
}

/// What came of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub told: u32,
    /// Sets of records whose template is not known (yet).
    pub without_template: u32,
}

/// Whether exports are sent to this port: the registered ones and those in common use.
#[inline]
#[must_use]
pub fn is_export_port(port: u16) -> bool {
    matches!(port, 2055 | 2056 | 4432 | 4739 | 6343 | 9025 | 9555 | 9995 | 9996)
}

#[derive(Clone, Copy, Debug)]
struct Field {
    element: u16,
    length_bytes: u16,
}

/// What one stream of exports has said of its records.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    templates: BTreeMap<(u32, u16), Vec<Field>>,
    sampling: BTreeMap<u32, u32>,
}

impl Exports {
    /// Reads a datagram. `None` if it is no export.
    pub fn read<'a>(&mut self, payload: &'a [u8], tell: &mut dyn FnMut(Sighting<'a>)) -> Option<Read> {
        match be16(payload, 0)? {
            5 => version_5(payload, tell),
            9 => self.sets(payload, 20, be32(payload, 16)?, tell),
            10 if usize::from(be16(payload, 2)?) == payload.len() => {
                self.sets(payload, 16, be32(payload, 12)?, tell)
            }
            0 if be32(payload, 0)? == 5 => sflow(payload, tell),
            _ => None,
        }
    }

    /// The sets of version 9 and IPFIX, which must fill the datagram.
    fn sets<'a>(
        &mut self,
        payload: &'a [u8],
        header_bytes: usize,
        domain: u32,
        tell: &mut dyn FnMut(Sighting<'a>),
    ) -> Option<Read> {
        let is_ipfix = header_bytes == 16;
        let mut sets = Vec::new();
        let mut at = header_bytes;
        // Some exporters fill their datagrams up with zeros.
        while payload[at.min(payload.len())..].iter().any(|&byte| byte != 0) {
            let length = usize::from(be16(payload, at + 2)?);
            let set = payload.get(at + 4..at + length.max(4)).filter(|_| length >= 4)?;
            sets.push((be16(payload, at)?, set));
            at += length;
        }
        if sets.is_empty() {
            return None;
        }
        let mut read = Read::default();
        for (id, set) in sets {
            match id {
                0 | 2 => self.learn(domain, set, 0, is_ipfix),
                1 if !is_ipfix => self.learn_options_9(domain, set),
                3 => self.learn(domain, set, 1, is_ipfix),
                256.. => self.data(domain, id, set, &mut read, tell),
                _ => {}
            }
        }
        Some(read)
    }

    /// Templates; those of options have so many counts more in front.
    fn learn(&mut self, domain: u32, mut set: &[u8], more_counts: usize, is_ipfix: bool) {
        while let (Some(id), Some(count)) = (be16(set, 0), be16(set, 2)) {
            let mut at = 4 + 2 * more_counts;
            let mut fields = Vec::new();
            for _ in 0..usize::from(count).min(FIELD_LIMIT + 1) {
                let (Some(element), Some(length_bytes)) = (be16(set, at), be16(set, at + 2)) else { return };
                let is_enterprise = is_ipfix && element & 0x8000 != 0;
                // Elements of enterprises have numbers of their own: none is read.
                fields.push(Field { element: if is_enterprise { 0 } else { element }, length_bytes });
                at += if is_enterprise { 8 } else { 4 };
            }
            if id < 256 || fields.is_empty() {
                return;
            }
            self.remember(domain, id, fields);
            set = set.get(at..).unwrap_or(&[]);
        }
    }

    /// Options templates of version 9, whose counts are lengths.
    fn learn_options_9(&mut self, domain: u32, set: &[u8]) {
        let (Some(id), Some(scope), Some(options)) = (be16(set, 0), be16(set, 2), be16(set, 4)) else {
            return;
        };
        let mut fields = Vec::new();
        for index in 0..(usize::from(scope) + usize::from(options)) / 4 {
            let at = 6 + 4 * index;
            let (Some(element), Some(length_bytes)) = (be16(set, at), be16(set, at + 2)) else { return };
            let is_scope = 4 * index < usize::from(scope);
            fields.push(Field { element: if is_scope { 0 } else { element }, length_bytes });
        }
        if id >= 256 && !fields.is_empty() {
            self.remember(domain, id, fields);
        }
    }

    fn remember(&mut self, domain: u32, id: u16, fields: Vec<Field>) {
        let is_known = self.templates.contains_key(&(domain, id));
        if fields.len() <= FIELD_LIMIT && (is_known || self.templates.len() < TEMPLATE_LIMIT) {
            self.templates.insert((domain, id), fields);
        }
    }

    fn data<'a>(
        &mut self,
        domain: u32,
        id: u16,
        mut set: &'a [u8],
        read: &mut Read,
        tell: &mut dyn FnMut(Sighting<'a>),
    ) {
        let Some(fields) = self.templates.get(&(domain, id)) else {
            read.without_template += 1;
            return;
        };
        let usual = self.sampling.get(&domain).copied().unwrap_or(1);
        while let Some((record, used)) = record(fields, set).filter(|(_, used)| *used > 0) {
            set = set.get(used..).unwrap_or(&[]);
            match record.flow(usual) {
                Some(flow) if read.told < RECORD_LIMIT => {
                    read.told += 1;
                    tell(Sighting::Flow(flow));
                }
                Some(_) => return,
                None => {
                    if let Some(rate) = record.sampling.filter(|_| self.sampling.len() < DOMAIN_LIMIT) {
                        self.sampling.insert(domain, rate);
                    }
                }
            }
        }
    }
}

/// The fields of a record that mean something here.
#[derive(Default)]
struct Record {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: u8,
    ports: (u16, u16),
    icmp: u16,
    tcp_flags: u8,
    packets: u64,
    bytes: u64,
    sampling: Option<u32>,
}

impl Record {
    fn flow(&self, usual_sampling: u32) -> Option<FlowRecord> {
        let icmp = matches!(self.protocol, 1 | 58) && self.icmp != 0;
        Some(FlowRecord {
            source: self.source?,
            destination: self.destination?,
            protocol: self.protocol,
            source_port: self.ports.0,
            destination_port: if icmp { self.icmp } else { self.ports.1 },
            tcp_flags: self.tcp_flags,
            packets: self.packets.max(1),
            bytes: self.bytes,
            sampling: self.sampling.unwrap_or(usual_sampling).max(1),
        })
    }

    /// Takes a field by its number in the IANA registry of IPFIX elements.
    fn take(&mut self, element: u16, value: &[u8]) {
        let number = || value.iter().take(8).fold(0u64, |sum, &b| sum << 8 | u64::from(b));
        match element {
            1 | 85 => self.bytes = number(),
            2 | 86 => self.packets = number(),
            // Counted on the way out, or of the opener: where there is no other count.
            23 | 231 if self.bytes == 0 => self.bytes = number(),
            24 | 298 if self.packets == 0 => self.packets = number(),
            4 => self.protocol = number() as u8,
            6 => self.tcp_flags = number() as u8,
            7 => self.ports.0 = number() as u16,
            11 => self.ports.1 = number() as u16,
            8 | 27 => self.source = address(value).or(self.source),
            12 | 28 => self.destination = address(value).or(self.destination),
            32 | 139 => self.icmp = number() as u16,
            34 | 50 | 305 => self.sampling = u32::try_from(number()).ok().filter(|&rate| rate > 0),
            _ => {}
        }
    }
}

/// An address that is one: records of both families leave the other one empty.
fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    let any = v4.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from));
    any.ok().filter(|address| !address.is_unspecified())
}

/// The first record of a set, and how long it is. `None` where only padding is left.
fn record(fields: &[Field], set: &[u8]) -> Option<(Record, usize)> {
    let mut record = Record::default();
    let mut at = 0;
    for field in fields {
        let mut length = usize::from(field.length_bytes);
        if field.length_bytes == VARIABLE {
            length = usize::from(*set.get(at)?);
            at += 1;
            if length == 255 {
                length = usize::from(be16(set, at)?);
                at += 2;
            }
        }
        record.take(field.element, set.get(at..at + length)?);
        at += length;
    }
    Some((record, at))
}

fn version_5<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Sighting<'a>)) -> Option<Read> {
    const HEADER_BYTES: usize = 24;
    const RECORD_BYTES: usize = 48;
    let count = usize::from(be16(payload, 2)?);
    if !(1..=30).contains(&count) || payload.len() != HEADER_BYTES + count * RECORD_BYTES {
        return None;
    }
    // The upper two bits say how the one in so many is chosen.
    let sampling = u32::from(be16(payload, 22)? & 0x3FFF).max(1);
    for record in payload[HEADER_BYTES..].chunks_exact(RECORD_BYTES) {
        let v4 = |at| be32(record, at).map(|bits| IpAddr::V4(Ipv4Addr::from(bits)));
        tell(Sighting::Flow(FlowRecord {
            source: v4(0)?,
            destination: v4(4)?,
            protocol: record[38],
            source_port: be16(record, 32)?,
            destination_port: be16(record, 34)?,
            tcp_flags: record[37],
            packets: u64::from(be32(record, 16)?).max(1),
            bytes: u64::from(be32(record, 20)?),
            sampling,
        }));
    }
    Some(Read { told: count as u32, without_template: 0 })
}

/// sFlow: samples of packet headers; counters are passed over.
fn sflow<'a>(payload: &'a [u8], tell: &mut dyn FnMut(Sighting<'a>)) -> Option<Read> {
    let agent_bytes = match be32(payload, 4)? {
        1 => 4,
        2 => 16,
        _ => return None,
    };
    let mut at = 8 + agent_bytes + 12;
    let count = be32(payload, at)?;
    at += 4;
    let mut samples = Vec::new();
    for _ in 0..count.min(RECORD_LIMIT) {
        let (kind, sample) = (be32(payload, at)?, be32(payload, at + 4)? as usize);
        samples.push((kind, payload.get(at + 8..)?.get(..sample)?));
        at += 8 + sample;
    }
    if at != payload.len() {
        return None;
    }
    let mut read = Read::default();
    for (kind, sample) in samples {
        // Flow samples and expanded ones, which have longer numbers of interfaces.
        let (rate_at, records_at) = match kind {
            1 => (8, 28),
            3 => (12, 40),
            _ => continue,
        };
        let Some((rate, count)) = be32(sample, rate_at).zip(be32(sample, records_at)) else { continue };
        let mut rest = sample.get(records_at + 4..).unwrap_or(&[]);
        for _ in 0..count.min(RECORD_LIMIT) {
            let Some((kind, length)) = be32(rest, 0).zip(be32(rest, 4)) else { break };
            let Some(record) = rest.get(8..).and_then(|r| r.get(..length as usize)) else { break };
            rest = &rest[8 + length as usize..];
            if let Some(packet) = sampled(record, rate.max(1)).filter(|_| kind == 1) {
                read.told += 1;
                tell(packet);
            }
        }
    }
    Some(read)
}

/// A record with the beginning of a packet.
fn sampled(record: &[u8], sampling: u32) -> Option<Sighting<'_>> {
    let link = match be32(record, 0)? {
        1 => 1,
        11 | 12 => 101,
        _ => return None,
    };
    let (frame_bytes, stripped, header_bytes) = (be32(record, 4)?, be32(record, 8)?, be32(record, 12)?);
    let data = record.get(16..)?.get(..header_bytes as usize)?;
    Some(Sighting::Packet {
        link,
        data,
        original_length_bytes: frame_bytes.saturating_sub(stripped),
        sampling,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(exports: &mut Exports, payload: &[u8]) -> Option<(Read, Vec<FlowRecord>)> {
        let mut flows = Vec::new();
        let read = exports.read(payload, &mut |s| match s {
            Sighting::Flow(flow) => flows.push(flow),
            Sighting::Packet { .. } => {}
        })?;
        Some((read, flows))
    }

    fn version_5_of(count: u16) -> Vec<u8> {
        let mut out = [&5u16.to_be_bytes()[..], &count.to_be_bytes(), &[0; 18], &[0x40, 100]].concat();
        for n in 0..count {
            let mut record = [0; 48];
            record[..8].copy_from_slice(&[198, 51, 100, n as u8, 203, 0, 113, 1]);
            record[16..24].copy_from_slice(&[0, 0, 0, 10, 0, 0, 0x12, 0x34]);
            record[32..39].copy_from_slice(&[0, 123, 0x30, 0x39, 0, 0, 17]);
            out.extend(record);
        }
        out
    }

    /// A template with an unknown field, a variable one and one of an enterprise, then a record.
    fn ipfix() -> Vec<u8> {
        let template = [
            &[1, 0, 0, 7][..],
            &[0, 27, 0, 16, 0, 28, 0, 16, 0, 4, 0, 1, 0, 7, 0, 2],
            &[0, 96, 0xFF, 0xFF],
            &[0x80, 5, 0, 2, 0, 0, 0, 9],
            &[0, 86, 0, 8],
        ]
        .concat();
        let address = |n| [&[0x20, 1, 0x0D, 0xB8][..], &[0; 11], &[n]].concat();
        let record = [
            address(1),
            address(2),
            vec![6, 1, 0xBB],
            vec![3, b'a', b'b', b'c', 7, 7],
            vec![0, 0, 0, 0, 0, 0, 1, 0],
        ]
        .concat();
        let set = |id: u16, content: &[u8]| {
            [&id.to_be_bytes()[..], &(content.len() as u16 + 4).to_be_bytes(), content].concat()
        };
        let sets = [set(2, &template), set(256, &record)].concat();
        let length = (sets.len() as u16 + 16).to_be_bytes();
        [&[0, 10][..], &length, &[0; 8], &[0, 0, 0, 1], &sets].concat()
    }

    #[test]
    fn version_5_with_its_sampling() {
        let (read, flows) = read(&mut Exports::default(), &version_5_of(3)).unwrap();
        assert_eq!((read.told, flows.len()), (3, 3));
        let flow = flows[2];
        assert_eq!(
            (flow.source.to_string(), flow.destination.to_string()),
            ("198.51.100.2".into(), "203.0.113.1".into())
        );
        assert_eq!((flow.protocol, flow.source_port, flow.destination_port), (17, 123, 12_345));
        assert_eq!((flow.packets, flow.bytes, flow.sampling), (10, 0x1234, 100));
    }

    #[test]
    fn ipfix_by_its_template_and_not_before() {
        let whole = ipfix();
        let mut exports = Exports::default();
        let (_, flows) = read(&mut exports, &whole).unwrap();
        assert_eq!(flows.len(), 1);
        assert_eq!(
            (flows[0].source.to_string(), flows[0].destination.to_string()),
            ("2001:db8::1".into(), "2001:db8::2".into())
        );
        assert_eq!((flows[0].protocol, flows[0].source_port, flows[0].packets), (6, 443, 256));
        let mut other_domain = whole.clone();
        other_domain[15] = 2;
        // The template is of another domain: without it nothing is told.
        let record = [&other_domain[..16], &other_domain[16 + 40..]].concat();
        let mut record = record;
        let length = (record.len() as u16).to_be_bytes();
        record[2..4].copy_from_slice(&length);
        assert_eq!(read(&mut exports, &record).map(|(r, f)| (r.without_template, f.len())), Some((1, 0)));
    }

    #[test]
    fn every_cut_and_flipped_bit_is_survived() {
        for whole in [version_5_of(2), ipfix()] {
            for cut in 0..whole.len() {
                assert_eq!(read(&mut Exports::default(), &whole[..cut]), None, "cut at {cut}");
            }
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let told = read(&mut Exports::default(), &flipped).map_or(0, |(read, _)| read.told);
                assert!(told <= 60, "bit {bit}: {told}");
            }
        }
    }

    #[test]
    fn templates_do_not_fill_the_memory() {
        let mut exports = Exports::default();
        let fields: Vec<u8> = std::iter::repeat_n([0, 8, 0, 4], 100).flatten().collect();
        for domain in 0..2_000u32 {
            let template = [&[1, 0, 0, 100][..], &fields].concat();
            let length = (template.len() as u16 + 4).to_be_bytes();
            let payload =
                [&[0, 9, 0, 1][..], &[0; 12], &domain.to_be_bytes(), &[0, 0], &length, &template].concat();
            assert!(read(&mut exports, &payload).is_some());
        }
        assert_eq!(exports.templates.len(), TEMPLATE_LIMIT);
    }
}
