//! Published address ranges of content delivery networks and managed load balancers, as data, so
//! that a proxy's address in a log is not taken for the client. Facts as the operators publish
//! them; only ranges that have been stable for years. A range that is missing here costs the
//! distinction of clients behind it, a range that is wrong would let a client choose its address,
//! so when in doubt a range is left out.
//!
//! Sources: Cloudflare `https://www.cloudflare.com/ips/`; Fastly
//! `https://api.fastly.com/public-ip-list`; Amazon CloudFront
//! `https://ip-ranges.amazonaws.com/ip-ranges.json` (service CLOUDFRONT); Imperva
//! `https://my.imperva.com/api/integration/v1/ips`; Sucuri
//! `https://docs.sucuri.net/website-firewall/`; Google Cloud Load Balancing
//! `https://cloud.google.com/load-balancing/docs/https` (proxies and health checks).

use std::net::IpAddr;

/// The operator in whose published proxy ranges `address` lies.
#[must_use]
pub fn operator(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let after = V4.partition_point(|(_, base, _)| *base <= octets);
            let (name, base, length) = V4.get(after.checked_sub(1)?)?;
            let differing = u32::from(v4) ^ u32::from_be_bytes(*base);
            (differing.leading_zeros() >= u32::from(*length)).then_some(*name)
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            let high = |a: u16, b: u16| (u128::from(a) << 112) | (u128::from(b) << 96);
            let inside = |&&(_, a, b, length): &&(&str, u16, u16, u8)| {
                bits >> (128 - u32::from(length)) == high(a, b) >> (128 - u32::from(length))
            };
            V6.iter().find(inside).map(|range| range.0)
        }
    }
}

const CLOUDFLARE: &str = "Cloudflare";
const FASTLY: &str = "Fastly";
const CLOUDFRONT: &str = "CloudFront";
const IMPERVA: &str = "Imperva";
const SUCURI: &str = "Sucuri";
const GOOGLE: &str = "Google Cloud Load Balancing";

/// Operator, first address, prefix length; in the order of addresses, none overlapping.
const V4: &[(&str, [u8; 4], u8)] = &[
    (CLOUDFRONT, [13, 32, 0, 0], 15),
    (CLOUDFRONT, [13, 35, 0, 0], 16),
    (CLOUDFRONT, [13, 224, 0, 0], 14),
    (CLOUDFRONT, [13, 249, 0, 0], 16),
    (CLOUDFRONT, [18, 64, 0, 0], 14),
    (CLOUDFRONT, [18, 154, 0, 0], 15),
    (CLOUDFRONT, [18, 160, 0, 0], 15),
    (CLOUDFRONT, [18, 164, 0, 0], 15),
    (CLOUDFRONT, [18, 172, 0, 0], 15),
    (CLOUDFRONT, [18, 238, 0, 0], 15),
    (CLOUDFRONT, [18, 244, 0, 0], 15),
    (FASTLY, [23, 235, 32, 0], 20),
    (GOOGLE, [35, 191, 0, 0], 16),
    (FASTLY, [43, 249, 72, 0], 22),
    (IMPERVA, [45, 60, 0, 0], 16),
    (IMPERVA, [45, 64, 64, 0], 22),
    (IMPERVA, [45, 223, 0, 0], 16),
    (CLOUDFRONT, [52, 84, 0, 0], 15),
    (CLOUDFRONT, [52, 222, 128, 0], 17),
    (CLOUDFRONT, [54, 182, 0, 0], 16),
    (CLOUDFRONT, [54, 192, 0, 0], 16),
    (CLOUDFRONT, [54, 230, 0, 0], 17),
    (CLOUDFRONT, [54, 239, 128, 0], 18),
    (CLOUDFRONT, [54, 240, 128, 0], 18),
    (CLOUDFRONT, [64, 252, 64, 0], 18),
    (CLOUDFRONT, [64, 252, 128, 0], 18),
    (SUCURI, [66, 248, 200, 0], 22),
    (CLOUDFRONT, [70, 132, 0, 0], 18),
    (CLOUDFRONT, [71, 152, 0, 0], 17),
    (CLOUDFRONT, [99, 84, 0, 0], 16),
    (CLOUDFRONT, [99, 86, 0, 0], 16),
    (CLOUDFLARE, [103, 21, 244, 0], 22),
    (CLOUDFLARE, [103, 22, 200, 0], 22),
    (IMPERVA, [103, 28, 248, 0], 22),
    (CLOUDFLARE, [103, 31, 4, 0], 22),
    (FASTLY, [103, 244, 50, 0], 24),
    (FASTLY, [103, 245, 222, 0], 23),
    (FASTLY, [103, 245, 224, 0], 24),
    (CLOUDFLARE, [104, 16, 0, 0], 13),
    (CLOUDFLARE, [104, 24, 0, 0], 14),
    (FASTLY, [104, 156, 80, 0], 20),
    (IMPERVA, [107, 154, 0, 0], 16),
    (CLOUDFRONT, [108, 138, 0, 0], 15),
    (CLOUDFRONT, [108, 156, 0, 0], 14),
    (CLOUDFLARE, [108, 162, 192, 0], 18),
    (CLOUDFRONT, [130, 176, 0, 0], 17),
    (GOOGLE, [130, 211, 0, 0], 22),
    (CLOUDFLARE, [131, 0, 72, 0], 22),
    (FASTLY, [140, 248, 64, 0], 18),
    (FASTLY, [140, 248, 128, 0], 17),
    (CLOUDFLARE, [141, 101, 64, 0], 18),
    (CLOUDFRONT, [143, 204, 0, 0], 16),
    (FASTLY, [146, 75, 0, 0], 17),
    (IMPERVA, [149, 126, 72, 0], 21),
    (FASTLY, [151, 101, 0, 0], 16),
    (FASTLY, [157, 52, 64, 0], 18),
    (CLOUDFLARE, [162, 158, 0, 0], 15),
    (FASTLY, [167, 82, 0, 0], 17),
    (FASTLY, [167, 82, 128, 0], 20),
    (FASTLY, [167, 82, 160, 0], 20),
    (FASTLY, [167, 82, 224, 0], 20),
    (CLOUDFLARE, [172, 64, 0, 0], 13),
    (FASTLY, [172, 111, 64, 0], 18),
    (CLOUDFLARE, [173, 245, 48, 0], 20),
    (IMPERVA, [185, 11, 124, 0], 22),
    (FASTLY, [185, 31, 16, 0], 22),
    (SUCURI, [185, 93, 228, 0], 22),
    (CLOUDFLARE, [188, 114, 96, 0], 20),
    (CLOUDFLARE, [190, 93, 240, 0], 20),
    (SUCURI, [192, 88, 134, 0], 23),
    (IMPERVA, [192, 230, 64, 0], 18),
    (CLOUDFLARE, [197, 234, 240, 0], 22),
    (CLOUDFLARE, [198, 41, 128, 0], 17),
    (IMPERVA, [198, 143, 32, 0], 19),
    (FASTLY, [199, 27, 72, 0], 21),
    (IMPERVA, [199, 83, 128, 0], 21),
    (FASTLY, [199, 232, 0, 0], 16),
    (CLOUDFRONT, [204, 246, 164, 0], 22),
    (CLOUDFRONT, [204, 246, 168, 0], 22),
    (CLOUDFRONT, [205, 251, 200, 0], 21),
    (CLOUDFRONT, [205, 251, 208, 0], 20),
    (SUCURI, [208, 109, 0, 0], 22),
];

/// Operator, first two groups of the first address, prefix length (at most 32).
const V6: &[(&str, u16, u16, u8)] = &[
    (CLOUDFLARE, 0x2400, 0xcb00, 32),
    (CLOUDFLARE, 0x2606, 0x4700, 32),
    (CLOUDFLARE, 0x2803, 0xf800, 32),
    (CLOUDFLARE, 0x2405, 0xb500, 32),
    (CLOUDFLARE, 0x2405, 0x8100, 32),
    (CLOUDFLARE, 0x2a06, 0x98c0, 29),
    (CLOUDFLARE, 0x2c0f, 0xf248, 32),
    (FASTLY, 0x2a04, 0x4e40, 32),
    (FASTLY, 0x2a04, 0x4e42, 32),
    (CLOUDFRONT, 0x2600, 0x9000, 28),
    (IMPERVA, 0x2a02, 0xe980, 29),
    (SUCURI, 0x2a02, 0xfe80, 29),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_ends_and_no_more() {
        for (text, expected) in [
            ("104.16.0.0", Some(CLOUDFLARE)),
            ("104.27.255.255", Some(CLOUDFLARE)),
            ("104.28.0.0", None),
            ("172.71.255.255", Some(CLOUDFLARE)),
            ("172.72.0.0", None),
            ("151.101.1.69", Some(FASTLY)),
            ("203.0.113.9", None),
            ("2a06:98c7::1", Some(CLOUDFLARE)),
            ("2a06:98c8::1", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(operator(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn every_range_is_aligned_and_public() {
        for &(name, base, length) in V4 {
            let bits = u32::from_be_bytes(base);
            assert_eq!(bits & (u32::MAX >> length), 0, "{name} {base:?}/{length}");
            assert!(seawall_model::address::is_public(IpAddr::from(base)), "{name} {base:?}");
        }
        for pair in V4.windows(2) {
            let last = u32::from_be_bytes(pair[0].1) | (u32::MAX >> pair[0].2);
            assert!(last < u32::from_be_bytes(pair[1].1), "{:?} overlaps {:?}", pair[0], pair[1]);
        }
    }
}
