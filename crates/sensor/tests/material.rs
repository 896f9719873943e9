//! Real captures and logs: the counts published with them, and identical results on any number
//! of threads.

mod common;

use common::{Everything, material, read};

fn read_one(name: &str) -> Option<Everything> {
    let path = material(name)?;
    let everything = read(std::slice::from_ref(&path), 1).unwrap();
    for threads in [2, 3] {
        assert!(everything == read(std::slice::from_ref(&path), threads).unwrap(), "{name} on {threads}");
    }
    for pair in everything.ticks.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{name}: ticks out of order");
    }
    Some(everything)
}

#[test]
fn captures_hold_the_packets_that_are_published() {
    let cases = [
        ("pcap-attack/synflood-spoofed-minecraft.pcap", 37_841, 37_841),
        ("pcap-attack/amp-isakmp-4500.pcap", 3_984, 3_984),
        ("pcap-attack/amp-snmp-161.pcapng", 4_373, 4_373),
        ("pcap-attack/cic2019-synflood.pcap", 26_316, 26_316),
        ("pcap-edge/dhcp-flood-zeek.pcap", 500, 500),
        ("pcap-edge/ipv6-fragments.pcap", 92, 92),
        ("pcap-edge/ssh-guessing.pcap", 431, 431),
        ("pcap-edge/malformed-arp-oobr.pcap", 2_282, 0),
        ("pcap-edge/malformed-bgp-as-path-oobr.pcap", 4, 4),
        ("pcap-edge/malformed-isis-areaaddr-oobr-1.pcap", 1, 0),
        ("pcap-edge/malformed-dns_fwdptr.pcap", 1, 1),
        ("pcap-edge/malformed-ppp-invalid-lengths.pcap", 1, 0),
        ("pcap-edge/malformed-ipv6_jumbogram_1.pcap", 1, 1),
    ];
    for (name, records, packets) in cases {
        let Some(everything) = read_one(name) else { continue };
        let report = &everything.reports[0];
        assert_eq!(report.records, records, "{name}");
        assert_eq!(everything.total.packets, packets, "{name} {report:?}");
        let odd: u64 = report.oddities.values().sum();
        assert!(packets == records || odd > 0, "{name}: what is no packet is counted by name");
    }
}

#[test]
fn logs_hold_the_lines_that_are_published() {
    let cases = [
        ("http-attack/cs-dos-bypass-cache.log", 356),
        ("http-attack/cs-dos-random-uri.log", 66),
        ("http-benign/semicomplete-apache-10k.log", 10_000),
        ("http-benign/nasa-1995-07-01-first-4000.log", 4_000),
    ];
    for (name, lines) in cases {
        let Some(everything) = read_one(name) else { continue };
        let report = &everything.reports[0];
        assert_eq!(report.records + report.malformed, lines, "{name}");
        assert_eq!(everything.total.requests, report.records, "{name}");
    }
}
