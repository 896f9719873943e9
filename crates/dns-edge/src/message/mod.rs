//! DNS messages (RFC 1035, EDNS by RFC 6891) on the hot path: read in place, written once.
//!
//! Stricter than a server has to be: what no real client sends is not passed on.

pub mod answer;
pub mod name;
pub mod proxy;
pub mod query;
pub mod write;

pub use answer::Answer;
pub use name::Key;
pub use query::{Edns, Malformed, Query};

/// Length of the message header.
pub const HEADER_BYTES: usize = 12;
/// The largest datagram to a client that does not speak EDNS (RFC 1035 section 4.2.1).
pub const PLAIN_UDP_BYTES: usize = 512;

/// Bits of the flags in bytes 2 and 3 of the header.
pub mod flag {
    pub const RESPONSE: u16 = 0x8000;
    pub const OPCODE: u16 = 0x7800;
    pub const AUTHORITATIVE: u16 = 0x0400;
    pub const TRUNCATED: u16 = 0x0200;
    pub const RECURSION_DESIRED: u16 = 0x0100;
    pub const RECURSION_AVAILABLE: u16 = 0x0080;
    /// The answer was checked (RFC 4035).
    pub const AUTHENTIC: u16 = 0x0020;
    pub const CHECKING_DISABLED: u16 = 0x0010;
    pub const CODE: u16 = 0x000F;
}

/// Kinds of operation (RFC 1035, RFC 1996, RFC 2136).
pub mod opcode {
    pub const QUERY: u8 = 0;
    pub const NOTIFY: u8 = 4;
    pub const UPDATE: u8 = 5;
}

/// Types of records and questions, by their IANA numbers.
pub mod kind {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const HINFO: u16 = 13;
    pub const SIG: u16 = 24;
    pub const AAAA: u16 = 28;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const DNSKEY: u16 = 48;
    pub const NSEC3: u16 = 50;
    pub const NSEC3PARAM: u16 = 51;
    pub const CDS: u16 = 59;
    pub const CDNSKEY: u16 = 60;
    pub const ZONEMD: u16 = 63;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;

    /// Whether programs ask for this type. Nobody asks for one of the others but to have questions that no cache
    /// has an answer to: any name that exists has sixty thousand of them.
    #[must_use]
    pub fn is_usual(qtype: u16) -> bool {
        // In order: A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, RP, AFSDB, AAAA, LOC, SRV, NAPTR, KX, CERT, DNAME, APL, DS,
        // SSHFP, IPSECKEY, RRSIG, NSEC, DNSKEY, DHCID, NSEC3, NSEC3PARAM, TLSA, SMIMEA, HIP, CDS, CDNSKEY,
        // OPENPGPKEY, CSYNC, ZONEMD, SVCB, HTTPS, SPF, EUI48, EUI64, URI, CAA, DLV.
        matches!(
            qtype,
            1 | 2
                | 5
                | 6
                | 12
                | 13
                | 15..=18
                | 28
                | 29
                | 33
                | 35..=37
                | 39
                | 42..=53
                | 55
                | 59..=65
                | 99
                | 108
                | 109
                | 256
                | 257
                | 32_769
        )
    }
}

/// The internet's class, and those by which an update takes away (RFC 2136 section 1.3).
pub const CLASS_IN: u16 = 1;
pub const CLASS_ANY: u16 = 255;

/// Codes of answers, with the bits that EDNS adds.
pub mod code {
    pub const NO_ERROR: u16 = 0;
    pub const FORMAT_ERROR: u16 = 1;
    pub const SERVER_FAILURE: u16 = 2;
    pub const NO_SUCH_NAME: u16 = 3;
    pub const NOT_IMPLEMENTED: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const BAD_VERSION: u16 = 16;
    pub const BAD_COOKIE: u16 = 23;
}

/// Sixteen bits at `at`, if there are so many.
#[inline]
pub(crate) fn be16(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// Thirty-two bits at `at`, if there are so many.
#[inline]
pub(crate) fn be32(message: &[u8], at: usize) -> Option<u32> {
    message.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}
