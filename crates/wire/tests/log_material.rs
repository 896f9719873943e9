//! Real logs, where the folder of material lies beside the checkout: how they are recognised and
//! how many of their lines read.

use seawall_model::observation::Observation;
use seawall_wire::log::{Line, Parser, detect};
use std::path::PathBuf;

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    requests: usize,
    others: usize,
    nothing: usize,
    errors: usize,
}

fn material() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material"));
    if !folder.is_dir() {
        println!("skipped: no folder of material beside the checkout");
        return None;
    }
    Some(folder)
}

fn read(bytes: &[u8]) -> Option<(&'static str, Counts)> {
    let format = detect(&bytes[..bytes.len().min(256 * 1024)])?;
    let name = format.name();
    let mut parser = Parser::new(format);
    let mut counts = Counts::default();
    for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        match parser.parse(line) {
            Ok(Line::Observation(Observation::Request(_))) => counts.requests += 1,
            Ok(Line::Observation(_) | Line::Change(_)) => counts.others += 1,
            Ok(Line::Nothing) => counts.nothing += 1,
            Err(_) => counts.errors += 1,
        }
    }
    Some((name, counts))
}

#[test]
fn whole_files_are_read_line_by_line() {
    let Some(folder) = material() else { return };
    // File, format, requests, other observations, lines without meaning, lines that do not read.
    let expected = [
        ("http-benign/semicomplete-apache-10k.log", "combined", 10_000, 0, 0, 0),
        ("http-benign/nasa-1995-07-01-first-4000.log", "common", 4_000, 0, 0, 0),
        // The publisher of this one broke 44 lines in two.
        ("http-benign/nasa-1995-08-01-first-1930.log", "common", 1_842, 0, 0, 88),
        ("http-benign/nasa-1995-08-01-full-day.tsv", "table", 30_969, 0, 1, 0),
        ("http-benign/plaso-apache-access-edge.log", "combined", 15, 0, 0, 0),
        ("http-benign/plaso-aws-elb.log", "aws-alb", 12, 4, 0, 0),
        ("http-benign/iis/iis10.log", "iis-w3c", 1, 0, 4, 0),
        ("http-benign/iis/iis10_edge_cases.log", "iis-w3c", 15, 0, 4, 0),
        ("http-benign/iis/iis6.log", "iis-w3c", 12, 0, 4, 0),
        ("http-benign/iis/iis7_owa.log", "iis-w3c", 3, 0, 2, 0),
        ("http-benign/iis/iis7_sqli.log", "iis-w3c", 2, 0, 4, 0),
        ("http-benign/iis/iis_without_date.log", "iis-w3c", 11, 0, 4, 0),
        ("http-attack/cs-dos-bypass-cache.log", "combined", 356, 0, 0, 0),
        ("http-attack/cs-dos-random-uri.log", "combined", 66, 0, 0, 0),
        ("http-attack/cs-dos-switching-ua.log", "combined", 15, 0, 0, 0),
        ("http-attack/cs-dos-invalid-http-versions.log", "combined", 6, 0, 0, 0),
        ("http-attack/cs-tcpudp-flood-traefik.log", "traefik", 0, 1_226, 0, 0),
    ];
    for (path, format, requests, others, nothing, errors) in expected {
        let bytes = std::fs::read(folder.join(path)).expect(path);
        let counts = Counts { requests, others, nothing, errors };
        assert_eq!(read(&bytes), Some((format, counts)), "{path}");
    }
}

/// Files of the test folders whose every line is an access record, and the format they are in.
#[test]
fn access_logs_of_many_servers_read_in_full() {
    let Some(folder) = material() else { return };
    let expected = [
        ("nginx-http-malformed", "combined"),
        ("nginx-http-open-proxy", "combined"),
        ("nginx-proxy-manager-malformed", "combined"),
        ("nginx-cve-2021-41773", "combined"),
        ("apache2-malformed", "combined"),
        ("apache-http-probing", "common"),
        ("http-bf-wordpress-bf", "combined"),
        ("litespeed-http-sensitive-files", "combined"),
        ("bunkerweb-http-malformed", "combined"),
        ("caddy-basic-auth-bf", "caddy-json"),
        ("caddy-logs", "caddy-json"),
        ("envoy-logs", "envoy-json"),
        ("envoy-http-crawl-non_statics", "envoy-json"),
        ("haproxy-logs", "haproxy"),
        ("haproxy-nextcloud-whitelist", "haproxy"),
        ("traefik_clf", "traefik-clf"),
        ("traefik_base-http-scenario", "traefik-json"),
        ("aws-alb-logs", "aws-alb"),
        ("aws-alb-http-bad-user-agent", "aws-alb"),
        ("zoraxy-http-logs", "zoraxy"),
        ("nginx_http-catch-npm", "nginx-proxy-manager"),
        ("nginx-proxy-manager-logs", "nginx-proxy-manager"),
        ("base-upsun-httplog-logs", "json-carrier"),
        ("bind9-syslog", "dns-query"),
        ("iptables-scan-multi-port", "firewall"),
        ("proxmox-iptables-logs", "firewall"),
        ("litespeed-admin-bf", "auth"),
    ];
    for (name, format) in expected {
        let inside = folder.join("http-attack/crowdsec-tests").join(name);
        let files = std::fs::read_dir(&inside).expect(name).filter_map(Result::ok).map(|entry| entry.path());
        let logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
        assert!(!logs.is_empty(), "{name} holds a log");
        for log in logs {
            let bytes = std::fs::read(&log).expect(name);
            let (found, counts) = read(&bytes).unwrap_or_else(|| panic!("{name} is recognised"));
            assert_eq!((found, counts.errors), (format, 0), "{name}: {counts:?}");
            assert!(counts.requests + counts.others > 0, "{name}: {counts:?}");
        }
    }
}

#[test]
fn files_that_are_no_logs_are_not_recognised() {
    let Some(folder) = material() else { return };
    for path in ["dns/opendns-top-domains.txt", "README.md", "pcap-attack/cic2019-synflood.pcap"] {
        let bytes = std::fs::read(folder.join(path)).expect(path);
        let format = detect(&bytes[..bytes.len().min(256 * 1024)]);
        assert!(format.is_none(), "{path}: {format:?}");
    }
}
