//! Real captures and logs: the counts published with them, and identical results on any number
//! of threads.

use super::common::{Everything, material, read};
use seawall_model::observation::ConnectionEvent;

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

#[test]
fn handshakes_are_followed() {
    let cases = [
        // Eleven attempts to log in, each over its own connection.
        ("pcap-edge/ssh-guessing.pcap", [0, 11, 0, 11]),
        // One host floods another, which refuses some: no handshake is completed.
        ("pcap-attack/cic2019-synflood.pcap", [5_612, 0, 3_769, 0]),
        // The answers are not in the capture.
        ("pcap-attack/synflood-spoofed-minecraft.pcap", [37_669, 0, 0, 0]),
    ];
    for (name, counts) in cases {
        let Some(everything) = read_one(name) else { continue };
        let of = |event| everything.total.events.get(&event).copied().unwrap_or(0);
        let got = [
            of(ConnectionEvent::HalfOpenExpired),
            of(ConnectionEvent::Established),
            of(ConnectionEvent::Refused),
            of(ConnectionEvent::Closed),
        ];
        assert_eq!(got, counts, "{name}");
    }
}

/// The numbers are those that tshark counts on the same files.
#[test]
fn dns_messages_are_all_found() {
    let cases = [
        ("dns/dnscap/dns.pcap", 82),
        ("dns/dnscap/dns.pcap.gz", 82),
        ("dns/dnscap/dns.pcap.xz", 82),
        ("dns/dnscap/dns.pcap.zst", 82),
        ("dns/dnscap/dns.pcap.lz4", 82),
        ("dns/dnscap/vlan11.pcap", 82),
        ("dns/dnscap/sll2.pcap", 2),
        ("dns/dnscap/edns.pcap", 14),
        ("dns/dnscap/1qtcpnosyn.pcap", 2),
    ];
    for (name, messages) in cases {
        let Some(everything) = read_one(name) else { continue };
        assert_eq!(everything.total.dns, messages, "{name}");
    }
}

#[test]
fn everything_benign_is_read_without_a_broken_record() {
    let Some(folder) = material("pcap-benign") else { return };
    let mut paths = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng") {
                paths.push(path.to_string_lossy().into_owned());
            }
        }
    }
    assert!(paths.len() > 50, "{}", paths.len());
    for path in paths {
        let everything = read(std::slice::from_ref(&path), 1).unwrap();
        assert_eq!(everything.reports[0].malformed, 0, "{path}");
        assert!(everything.reports[0].records > 0, "{path}");
    }
}

/// The file that BIND's own tests read: eight reports of each kind, of which its text names the
/// two letters.
#[test]
fn every_report_of_a_dnstap_file_is_read_and_those_of_clients_are_counted() {
    let Some(everything) = read_one("dns/bind9-dnstap.saved") else { return };
    let report = &everything.reports[0];
    assert_eq!((report.kind.as_str(), report.malformed), ("dnstap", 0));
    assert_eq!((everything.total.dns, report.oddities["asked-by-the-server-itself"]), (32, 64));
}
