//! Mining on real captures and logs. Skipped with one line where they are absent.

use seawall_model::Cause;
use seawall_model::observation::Observation;
use seawall_model::record::{PacketRecord, RequestRecord};
use seawall_model::signature::{RecordRef, Signature, Test};
use seawall_signature::{Contrast, Limits, Sample, matches, mine};
use seawall_wire::log::{Format, Line, Parser};
use seawall_wire::packet::{capture, frame};
use std::path::PathBuf;

const RECORDS: usize = 1_024;
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

fn material(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/material")).join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: {name} is not here");
    }
    bytes
}

/// Every n-th, so that at most `RECORDS` are left.
fn thinned<T: Clone>(all: &[T]) -> Vec<T> {
    all.iter().step_by(all.len().div_ceil(RECORDS).max(1)).cloned().collect()
}

fn packets(name: &str) -> Option<Vec<PacketRecord>> {
    let bytes = material(name)?;
    let mut decoder = capture::Decoder::new();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    loop {
        let step = decoder.next(rest);
        if let capture::Step::Packet { time, link, original_length_bytes, data, .. } = step
            && let Ok(frame) = frame::decode(link, data, original_length_bytes, time)
        {
            found.push(PacketRecord::from(&frame.packet));
        }
        if step.consumed() == 0 {
            return Some(found);
        }
        rest = &rest[step.consumed()..];
    }
}

fn requests(name: &str) -> Option<Vec<RequestRecord>> {
    let bytes = material(name)?;
    let mut parser = Parser::new(Format::from_nginx(COMBINED).unwrap());
    let mut found = Vec::new();
    for line in bytes.split(|b| *b == b'\n') {
        if let Ok(Line::Observation(Observation::Request(r))) = parser.parse(line) {
            found.push(RequestRecord::from(&r));
        }
    }
    Some(found)
}

fn of_packets(name: &str, cause: Cause) -> Option<Vec<Signature>> {
    let all = packets(name)?;
    let unwanted = thinned(&all);
    let contrast = Contrast {
        unwanted: Sample::Packets(&unwanted),
        normal: Sample::Packets(&[]),
        normal_share: 0.0,
        cause,
        networks: None,
    };
    Some(shown(name, mine(&contrast, &Limits::default())))
}

fn shown(name: &str, found: Vec<Signature>) -> Vec<Signature> {
    for s in &found {
        println!("{name}: {s} ({:.3}, normal {:?})", s.attack.share, s.baseline.map(|b| b.share));
    }
    found
}

fn names_port(signatures: &[Signature], port: u16) -> bool {
    let is_port = |t: &Test| matches!(t, Test::SourcePort { low, high } if *low == port && *high == port);
    signatures.iter().any(|s| s.tests.iter().any(is_port))
}

#[test]
fn reflection_is_told_by_its_service() {
    for (name, port) in
        [("pcap-attack/amp-snmp-161.pcapng", 161), ("pcap-attack/amp-isakmp-4500.pcap", 4_500)]
    {
        let Some(found) = of_packets(name, Cause::Amplification) else { return };
        assert!(names_port(&found, port), "{name}");
        assert!(found.iter().map(|s| s.attack.share).sum::<f64>() > 0.95, "{name}");
        assert!(!found.iter().any(Signature::names_sources));
    }
}

#[test]
fn syn_floods_are_never_told_by_address() {
    for name in ["pcap-attack/synflood-spoofed-minecraft.pcap", "pcap-attack/cic2019-synflood.pcap"] {
        let Some(found) = of_packets(name, Cause::SynFlood) else { return };
        assert!(!found.iter().any(Signature::names_sources), "{name}");
        assert!(found.iter().map(|s| s.attack.share).sum::<f64>() > 0.9, "{name}");
    }
}

#[test]
fn http_floods_are_told_apart_from_a_real_site() {
    let Some(site) = requests("http-benign/semicomplete-apache-10k.log") else { return };
    let reference: Vec<_> = site.iter().step_by(2).cloned().collect();
    let fresh: Vec<_> = site.iter().skip(1).step_by(2).cloned().collect();
    let normal = thinned(&reference);
    for (name, least) in
        [("http-attack/cs-dos-bypass-cache.log", 0.95), ("http-attack/cs-dos-random-uri.log", 0.9)]
    {
        let Some(flood) = requests(name) else { return };
        let flood = thinned(&flood);
        for normal_share in [0.0, 0.5] {
            let mut unwanted = flood.clone();
            if normal_share > 0.0 {
                unwanted.extend(fresh.iter().take(flood.len()).cloned());
            }
            let contrast = Contrast {
                unwanted: Sample::Requests(&unwanted),
                normal: Sample::Requests(&normal),
                normal_share,
                cause: Cause::HttpFlood,
                networks: None,
            };
            let found = shown(name, mine(&contrast, &Limits::default()));
            let any = |r: &RequestRecord| found.iter().any(|s| matches(s, RecordRef::Request(r)));
            let covered = flood.iter().filter(|r| any(r)).count() as f64 / flood.len() as f64;
            assert!(covered >= least, "{name} at {normal_share}: {covered}");
            let harmed = fresh.iter().filter(|r| any(r)).count() as f64 / fresh.len() as f64;
            assert!(harmed <= 0.01, "{name} at {normal_share}: {harmed}");
        }
    }
}

#[test]
fn half_of_a_site_is_not_told_from_the_other_half() {
    let Some(site) = requests("http-benign/semicomplete-apache-10k.log") else { return };
    let halves: [Vec<_>; 2] =
        [0, 1].map(|i| thinned(&site.iter().skip(i).step_by(2).cloned().collect::<Vec<_>>()));
    for normal_share in [0.0, 0.5, 0.9] {
        let contrast = Contrast {
            unwanted: Sample::Requests(&halves[0]),
            normal: Sample::Requests(&halves[1]),
            normal_share,
            cause: Cause::HttpFlood,
            networks: None,
        };
        let found = shown("semicomplete", mine(&contrast, &Limits::default()));
        assert!(found.is_empty(), "{normal_share}");
    }
}
