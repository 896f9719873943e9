//! The playbooks of `docs/operate/playbooks`, one for each cause, so that rehearsals and people
//! read the same text.

use seawall_model::Cause;

/// The parts that every playbook has, in their order.
pub const PARTS: [&str; 6] = [
    "How to recognise it",
    "What Seawall does",
    "What people do",
    "Whom to call",
    "What to tell users",
    "How it ends",
];

macro_rules! playbooks {
    ($($cause:ident $file:literal)*) => {
        /// The playbook of a cause as Markdown; none where nothing is the matter.
        #[must_use]
        pub fn playbook(cause: Cause) -> Option<&'static str> {
            match cause {
                $(Cause::$cause => Some(include_str!(concat!("../../../../docs/operate/playbooks/", $file, ".md"))),)*
                Cause::Normal => None,
            }
        }
    };
}

playbooks! {
    Amplification "amplification"
    UdpFlood "udp-flood"
    IcmpFlood "icmp-flood"
    FragmentFlood "fragment-flood"
    SynFlood "syn-flood"
    TcpFlagFlood "tcp-flag-flood"
    TcpReflection "tcp-reflection"
    ConnectionFlood "connection-flood"
    TlsFlood "tls-flood"
    SlowHttp "slow-http"
    HttpFlood "http-flood"
    CacheBusting "cache-busting"
    ExpensiveEndpoint "expensive-endpoint"
    Http2Abuse "http2-abuse"
    DnsFlood "dns-flood"
    DnsRandomSubdomain "dns-random-subdomain"
    DnsReflection "dns-reflection"
    Scan "scan"
    CredentialAbuse "credential-abuse"
    Scraping "scraping"
    DnsTunnel "dns-tunnel"
    ReleaseFault "release-fault"
    Misconfiguration "misconfiguration"
    SlowBackend "slow-backend"
    LoadBalancerFault "load-balancer-fault"
    NetworkFault "network-fault"
    ClientFault "client-fault"
    FlashCrowd "flash-crowd"
    Crawler "crawler"
    Undecided "undecided"
}

/// One part of a cause's playbook, without its heading.
#[must_use]
pub fn part(cause: Cause, heading: &str) -> Option<&'static str> {
    let text = playbook(cause)?;
    let begin = text.split(&format!("\n## {heading}\n")).nth(1)?;
    Some(begin.split("\n## ").next()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_playbook_with_all_its_parts() {
        for cause in Cause::ALL.iter().filter(|c| **c != Cause::Normal) {
            let text = playbook(*cause).expect("a playbook");
            assert!(text.contains(&format!("\n`{cause}`\n")), "{cause}");
            let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
            assert_eq!(headings, PARTS, "{cause}");
            for heading in PARTS {
                assert!(part(*cause, heading).is_some_and(|p| p.len() >= 8), "{cause}: {heading}");
            }
        }
    }

    #[test]
    fn what_is_no_attack_is_never_blocked_by_its_playbook() {
        use seawall_model::Class;
        for cause in Cause::ALL.iter().filter(|c| matches!(c.class(), Class::Fault | Class::Demand)) {
            let does = part(*cause, "What Seawall does").expect("a part");
            assert!(["blocks nobody", "never blocks"].iter().any(|w| does.contains(w)), "{cause}: {does}");
        }
    }
}
