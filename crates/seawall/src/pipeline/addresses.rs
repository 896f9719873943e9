//! Addresses of clients as reports and recordings may hold them: in full, cut to their network, or
//! encrypted. They are changed before anything is counted, so that nothing later can tell them.
//!
//! Encryption is prefix-preserving (Xu, Fan, Ammar and Moon, "Prefix-Preserving IP Address
//! Anonymization", ICNP 2002): two addresses that share their first bits share as many bits
//! afterwards, so that networks stay networks and the verdict is the same. The pseudo-random
//! function is SHA-256 over key and prefix; one digest decides the 255 inner nodes of the tree that
//! a byte's bits span.

use super::TriageError;
use seawall_model::address::{self, Prefix};
use seawall_model::observation::Observation;
use seawall_model::plan::RenderedRule;
use seawall_model::report::InputReport;
use seawall_model::signature::{Signature, Test};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Leading bytes that stay, so that special ranges stay what they are.
const KEPT_V4_BYTES: usize = 1;
const KEPT_V6_BYTES: usize = 2;

/// The oddity of an input whose addresses are not told.
const CHANGED: &str = "addresses-changed";
const SHORTEST_SECRET_BYTES: usize = 16;
const LONGEST_SECRET_BYTES: u64 = 4_096;

/// How addresses are told.
#[derive(Clone, Debug, Default)]
pub enum Addresses {
    /// As they are.
    #[default]
    Full,
    /// Without their last part: the /24 of IPv4, the /48 of IPv6. Clients of a network become one.
    Cut,
    /// Prefix-preservingly encrypted under a key.
    Encrypted([u8; 32]),
}

impl Addresses {
    /// Encrypts under a key made of any bytes.
    #[must_use]
    pub fn encrypted(secret: &[u8]) -> Self {
        Self::Encrypted(Sha256::digest(secret).into())
    }

    /// Encrypts under the content of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or is too short to be a secret.
    pub fn from_key_file(path: &Path) -> Result<Self, TriageError> {
        let mut secret = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST_SECRET_BYTES).read_to_end(&mut secret))
            .map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
        if secret.len() < SHORTEST_SECRET_BYTES {
            let reason = format!(
                "is too short to keep addresses secret: {} bytes, at least {SHORTEST_SECRET_BYTES} are needed",
                secret.len()
            );
            return Err(TriageError::Content { path: path.to_owned(), reason });
        }
        Ok(Self::encrypted(&secret))
    }

    #[must_use]
    pub fn are_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// The address as it may be told. Addresses that are nobody's on the internet stay.
    #[must_use]
    pub fn told(&self, address: IpAddr) -> IpAddr {
        match self {
            Self::Full => address,
            _ if !address::is_public(address) => address,
            Self::Cut => Prefix::network_of(address).address(),
            Self::Encrypted(key) => encrypted(key, address),
        }
    }

    /// The observation with its addresses as they may be told; names of clients are left out.
    #[must_use]
    pub fn of<'a>(&self, observation: &Observation<'a>) -> Observation<'a> {
        let mut told = *observation;
        match &mut told {
            Observation::Packet(p) => {
                (p.source, p.destination) = (self.told(p.source), self.told(p.destination));
            }
            Observation::Connection(c) => (c.client, c.server) = (self.told(c.client), self.told(c.server)),
            Observation::Request(r) => {
                (r.client, r.peer) = (self.told(r.client), r.peer.map(|p| self.told(p)));
                r.client_name = b"";
            }
            Observation::Dns(d) => (d.client, d.server) = (self.told(d.client), self.told(d.server)),
            Observation::Login(l) => l.client = self.told(l.client),
            Observation::Backend(_) => {}
        }
        told
    }

    /// Takes out of the accounts of the inputs what quotes them, and marks them.
    pub fn clean(&self, inputs: &mut [InputReport]) {
        if self.are_full() {
            return;
        }
        for input in inputs {
            input.malformed_samples.clear();
            input.odd(CHANGED, 1);
        }
    }
}

/// A rule over addresses that are not the real ones would hit others: it is replaced by what to do.
pub fn clean_rules(rules: &mut [RenderedRule], inputs: &[InputReport]) {
    if !inputs.iter().any(|input| input.oddities.contains_key(CHANGED)) {
        return;
    }
    for rule in rules.iter_mut().filter(|rule| names_somebody(&rule.text)) {
        "# names addresses, which this report does not tell: run triage without --addresses to get it\n"
            .clone_into(&mut rule.text);
    }
}

/// What is told of addresses that were cut is told of their networks: no client has the address that is left.
pub fn widen(signatures: &mut [Signature], inputs: &[InputReport]) {
    let is_changed = inputs.iter().any(|input| input.oddities.contains_key(CHANGED));
    let mut sources: Vec<&mut Prefix> = signatures
        .iter_mut()
        .flat_map(|signature| &mut signature.tests)
        .filter_map(|test| match test {
            Test::Source(source) if address::is_public(source.address()) => Some(source),
            _ => None,
        })
        .collect();
    let are_cut = sources.iter().all(|s| Prefix::network_of(s.address()).address() == s.address());
    if is_changed && are_cut {
        for source in &mut sources {
            let network = Prefix::network_of(source.address());
            if source.length_bits() > network.length_bits() {
                **source = network;
            }
        }
    }
}

/// Whether a text names an address that may be somebody's.
fn names_somebody(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')))
        .filter_map(|word| word.parse().or_else(|_| word.trim_end_matches(['.', ':']).parse::<IpAddr>()).ok())
        .any(address::is_public)
}

fn encrypted(key: &[u8; 32], address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mut octets = v4.octets();
            // Walking on from what is special ends where it is not, and can be walked back.
            loop {
                encrypt(key, &mut octets, KEPT_V4_BYTES);
                let told = IpAddr::V4(Ipv4Addr::from(octets));
                if address::is_public(told) {
                    return told;
                }
            }
        }
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            loop {
                encrypt(key, &mut octets, KEPT_V6_BYTES);
                let told = IpAddr::V6(Ipv6Addr::from(octets));
                if address::is_public(told) {
                    return told;
                }
            }
        }
    }
}

/// Encrypts the bytes after the first `kept`.
fn encrypt(key: &[u8; 32], octets: &mut [u8], kept: usize) {
    let plain: Vec<u8> = octets.to_vec();
    for at in kept..plain.len() {
        let mut hash = Sha256::new();
        hash.update(key);
        hash.update([at as u8]);
        hash.update(&plain[..at]);
        let flips = hash.finalize();
        let (mut node, mut out) = (1usize, 0u8);
        for shift in (0..8).rev() {
            let bit = plain[at] >> shift & 1;
            let flip = flips[node / 8] >> (node % 8) & 1;
            out = out << 1 | (bit ^ flip);
            node = node * 2 + usize::from(bit);
        }
        octets[at] = out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::signature::{Layer, ShareEstimate};
    use std::collections::BTreeSet;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn shared_bits(a: IpAddr, b: IpAddr) -> u32 {
        match (a, b) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
            _ => 0,
        }
    }

    #[test]
    fn encryption_keeps_what_is_shared_and_nothing_else() {
        let addresses = Addresses::encrypted(b"a key for a test");
        let all = [
            "81.2.69.142",
            "81.2.69.143",
            "81.2.68.1",
            "81.9.1.1",
            "2a00:1450:4001::1",
            "2a00:1450:4001::2",
            "2a00:99::1",
        ];
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (ip(a), ip(b)))) {
            assert_eq!(shared_bits(addresses.told(a), addresses.told(b)), shared_bits(a, b), "{a} {b}");
        }
        assert!(all.iter().all(|a| addresses.told(ip(a)) != ip(a)));
        let other = Addresses::encrypted(b"another key");
        assert!(all.iter().any(|a| addresses.told(ip(a)) != other.told(ip(a))));
    }

    #[test]
    fn no_two_addresses_become_one() {
        let addresses = Addresses::encrypted(b"a key for a test");
        // The /15 around 192.168.0.0/16, whose images may be private and are walked on from.
        let images: BTreeSet<IpAddr> = (0..=u16::MAX)
            .map(|n| addresses.told(IpAddr::from([192, 169, (n >> 8) as u8, n as u8])))
            .collect();
        assert_eq!(images.len(), 65_536);
        assert!(images.iter().all(|a| address::is_public(*a)));
    }

    #[test]
    fn cut_addresses_keep_their_network_and_private_ones_stay() {
        let cut = Addresses::Cut;
        assert_eq!(cut.told(ip("81.2.69.142")), ip("81.2.69.0"));
        assert_eq!(cut.told(ip("2a00:1450:4001:81b::200e")), ip("2a00:1450:4001::"));
        for addresses in [cut, Addresses::encrypted(b"a key for a test")] {
            for private in ["10.1.2.3", "192.168.7.8", "127.0.0.1", "fe80::1"] {
                assert_eq!(addresses.told(ip(private)), ip(private));
            }
        }
    }

    /// Broke: of cut addresses a signature named the one that was left, which no client has.
    #[test]
    fn signatures_of_cut_addresses_name_networks() {
        let source = |text: &str| Test::Source(text.parse().expect("a prefix"));
        let mut signatures = [Signature {
            tests: vec![source("81.2.69.0/32"), source("10.1.2.3/32"), source("2a00:1450:4001::/128")],
            ..signature_of_nothing()
        }];
        widen(&mut signatures, &[InputReport::default()]);
        assert_eq!(signatures[0].tests[0], source("81.2.69.0/32"), "addresses are told in full");
        let mut inputs = [InputReport::default()];
        Addresses::Cut.clean(&mut inputs);
        widen(&mut signatures, &inputs);
        let networks = [source("81.2.69.0/24"), source("10.1.2.3/32"), source("2a00:1450:4001::/48")];
        assert_eq!(signatures[0].tests, networks);
    }

    fn signature_of_nothing() -> Signature {
        Signature {
            layer: Layer::Http,
            tests: Vec::new(),
            attack: ShareEstimate { share: 1.0, low: 1.0, high: 1.0 },
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        }
    }

    #[test]
    fn rules_that_name_somebody_are_replaced() {
        let rule = |text: &str| RenderedRule {
            program: "nginx".into(),
            place: "http".into(),
            text: text.into(),
            measures: Vec::new(),
        };
        let mut rules = [
            rule("deny 81.2.69.142;"),
            rule("limit 10.0.0.1 at 08:20:58 to 2.00 %"),
            rule("drop { 2a00:1450::/32 }"),
        ];
        clean_rules(&mut rules, &[InputReport::default()]);
        assert!(rules.iter().all(|rule| !rule.text.starts_with('#')));
        let mut inputs = [InputReport::default()];
        Addresses::Cut.clean(&mut inputs);
        clean_rules(&mut rules, &inputs);
        assert!(
            rules[0].text.starts_with("# names addresses") && rules[2].text.starts_with("# names addresses")
        );
        assert!(rules[1].text.starts_with("limit"));
    }
}
