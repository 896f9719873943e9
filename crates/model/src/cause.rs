//! Causes: the named hypotheses, with the class that says what an operator does next.

use crate::signature::Layer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an operator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Attack,
    /// Hostile, not a denial of service.
    Abuse,
    /// Ours or a supplier's.
    Fault,
    Demand,
    Normal,
    Undecided,
}

impl Class {
    /// Whether it says that something is unusual, and what: neither normal nor undecided.
    #[must_use]
    pub fn is_named(self) -> bool {
        !matches!(self, Self::Normal | Self::Undecided)
    }

    /// Whether it accuses somebody: an attack or abuse.
    #[must_use]
    pub fn is_hostile(self) -> bool {
        matches!(self, Self::Attack | Self::Abuse)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attack => "attack",
            Self::Abuse => "abuse",
            Self::Fault => "fault",
            Self::Demand => "demand",
            Self::Normal => "normal",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Declares the causes once: identifier, class, stable name, and what it is in a few words.
macro_rules! causes {
    ($($variant:ident $class:ident $name:literal $title:literal;)*) => {
        /// A named hypothesis. The names are stable: they are in output, policies and playbooks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Cause {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Cause {
            /// Every cause, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// The stable identifier, such as `syn-flood`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A noun phrase for people, such as "SYN flood".
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

causes! {
    Amplification Attack "amplification" "amplification attack through open services";
    UdpFlood Attack "udp-flood" "UDP flood";
    IcmpFlood Attack "icmp-flood" "ICMP flood";
    FragmentFlood Attack "fragment-flood" "flood of IP fragments";
    SynFlood Attack "syn-flood" "SYN flood";
    TcpFlagFlood Attack "tcp-flag-flood" "flood of stray TCP packets";
    TcpReflection Attack "tcp-reflection" "TCP reflection attack";
    ConnectionFlood Attack "connection-flood" "connection flood";
    TlsFlood Attack "tls-flood" "TLS handshake flood";
    SlowHttp Attack "slow-http" "slow HTTP attack";
    HttpFlood Attack "http-flood" "HTTP flood";
    CacheBusting Attack "cache-busting" "cache-busting HTTP flood";
    ExpensiveEndpoint Attack "expensive-endpoint" "flood of costly requests";
    Http2Abuse Attack "http2-abuse" "HTTP/2 abuse";
    DnsFlood Attack "dns-flood" "DNS query flood";
    DnsRandomSubdomain Attack "dns-random-subdomain" "random-subdomain DNS attack";
    DnsReflection Attack "dns-reflection" "DNS reflection through our servers";
    Scan Abuse "scan" "scan";
    CredentialAbuse Abuse "credential-abuse" "password guessing";
    Scraping Abuse "scraping" "scraping";
    DnsTunnel Abuse "dns-tunnel" "DNS tunnel";
    ReleaseFault Fault "release-fault" "broken release";
    Misconfiguration Fault "misconfiguration" "misconfiguration";
    SlowBackend Fault "slow-backend" "slow back end";
    LoadBalancerFault Fault "load-balancer-fault" "load-balancer fault";
    NetworkFault Fault "network-fault" "network fault";
    ClientFault Fault "client-fault" "looping client of our own";
    FlashCrowd Demand "flash-crowd" "flash crowd";
    Crawler Demand "crawler" "crawler";
    Normal Normal "normal" "normal traffic";
    Undecided Undecided "undecided" "undecided";
}

impl Cause {
    /// The kind of record that shows the cause best. Abuse shows on several: this is where it is
    /// looked for first.
    #[must_use]
    pub fn layer(self) -> Layer {
        match self {
            Self::Amplification
            | Self::UdpFlood
            | Self::IcmpFlood
            | Self::FragmentFlood
            | Self::SynFlood
            | Self::TcpFlagFlood
            | Self::TcpReflection
            | Self::ConnectionFlood
            | Self::TlsFlood
            | Self::Scan
            | Self::NetworkFault => Layer::Packet,
            Self::DnsFlood | Self::DnsRandomSubdomain | Self::DnsReflection | Self::DnsTunnel => Layer::Dns,
            _ => Layer::Http,
        }
    }

    /// Whether nothing in traffic of this cause proves that a sender's address is its own: no
    /// handshake is needed for it, or (undecided) it is not known whether one is.
    #[must_use]
    pub fn is_forgeable(self) -> bool {
        let needs_handshake =
            matches!(self, Self::ConnectionFlood | Self::TlsFlood | Self::Scan | Self::NetworkFault);
        self == Self::Undecided || (self.layer() != Layer::Http && !needs_handshake)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_serialise_as_printed() {
        let mut names: Vec<&str> = Cause::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        let total = names.len();
        names.dedup();
        assert_eq!(names.len(), total);
        assert_eq!(Cause::ALL.len(), total);
    }
}
