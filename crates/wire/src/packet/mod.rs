//! Captures and packets: from the bytes of a capture file to the observations in them.
//!
//! ```text
//! capture (pcap, pcapng) → frame (Ethernet … TCP/UDP/ICMP) → dns · tls · http1 · http2
//! ```
//!
//! Beside them dnstap, in which a name server tells of DNS messages without packets around them.
//!
//! Everything here is total, allocates nothing per packet and keeps no state between packets;
//! what needs memory of earlier packets (flows, streams) lives in the sensor.

pub mod bytes;
pub mod capture;
pub mod dns;
pub mod dnstap;
pub mod export;
pub mod frame;
pub mod http1;
pub mod http2;
pub mod tls;
