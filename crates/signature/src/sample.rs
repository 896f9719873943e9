//! Samples: uniformly drawn records of one layer.

use seawall_model::record::{DnsRecord, PacketRecord, RequestRecord};
use seawall_model::signature::{Layer, RecordRef};
use std::net::IpAddr;

/// Uniformly drawn records of one layer.
#[derive(Clone, Copy, Debug)]
pub enum Sample<'a> {
    Requests(&'a [RequestRecord]),
    Packets(&'a [PacketRecord]),
    Dns(&'a [DnsRecord]),
}

impl<'a> Sample<'a> {
    #[must_use]
    pub fn layer(&self) -> Layer {
        match self {
            Self::Requests(_) => Layer::Http,
            Self::Packets(_) => Layer::Packet,
            Self::Dns(_) => Layer::Dns,
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Requests(r) => r.len(),
            Self::Packets(r) => r.len(),
            Self::Dns(r) => r.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record at `index`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> RecordRef<'a> {
        match self {
            Self::Requests(r) => RecordRef::Request(&r[index]),
            Self::Packets(r) => RecordRef::Packet(&r[index]),
            Self::Dns(r) => RecordRef::Dns(&r[index]),
        }
    }

    /// The first `limit` records; all of them where there are no more.
    #[must_use]
    pub(crate) fn first(self, limit: usize) -> Self {
        let n = self.len().min(limit);
        match self {
            Self::Requests(r) => Self::Requests(&r[..n]),
            Self::Packets(r) => Self::Packets(&r[..n]),
            Self::Dns(r) => Self::Dns(&r[..n]),
        }
    }

    pub(crate) fn records(self) -> impl Iterator<Item = RecordRef<'a>> {
        (0..self.len()).map(move |i| self.get(i))
    }

    pub(crate) fn clients(self) -> impl Iterator<Item = IpAddr> {
        self.records().map(|r| client(r))
    }
}

/// The side that sent a record.
pub(crate) fn client(record: RecordRef<'_>) -> IpAddr {
    match record {
        RecordRef::Request(r) => r.client,
        RecordRef::Packet(p) => p.source,
        RecordRef::Dns(d) => d.client,
    }
}
