//! Flow exports in captures: what they tell counts, and they themselves do not.

use super::common::{Everything, Folder, read};
use seawall_model::observation::ConnectionEvent;
use std::path::Path;

/// A capture of datagrams to a port, one each second.
fn capture(port: u16, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (second, payload) in payloads.iter().enumerate() {
        let length = payload.len() as u32 + 28;
        out.extend((1_700_000_000 + second as u32).to_le_bytes());
        out.extend([0; 4]);
        out.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        out.extend([0x45, 0]);
        out.extend((length as u16).to_be_bytes());
        out.extend([0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39]);
        out.extend(port.to_be_bytes());
        out.extend((payload.len() as u16 + 8).to_be_bytes());
        out.extend([0, 0]);
        out.extend(payload);
    }
    out
}

fn sample(name: &str) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/export");
    std::fs::read(corpus.join(name)).expect("the corpus")
}

fn seen(folder: &Folder, port: u16, payloads: &[Vec<u8>]) -> Everything {
    let path = folder.write("exports.pcap", &capture(port, payloads));
    let one = read(std::slice::from_ref(&path), 1).expect("readable");
    assert!(one == read(&[path], 2).expect("readable"), "two threads see the same");
    one
}

#[test]
fn every_kind_of_export_tells_of_its_packets() {
    let folder = Folder::new("exports");
    for (name, port, packets) in [("v5", 2055, 2), ("v9", 9995, 3), ("ipfix", 4739, 1), ("sflow", 6343, 2)] {
        let everything = seen(&folder, port, &vec![sample(name); 5]);
        assert_eq!(everything.total.packets, 5 * packets, "{name}");
        let report = &everything.reports[0];
        assert_eq!(report.oddities.get("flow-export-datagrams"), Some(&5), "{name}: {report:?}");
        assert_eq!((report.records, report.malformed), (5, 0), "{name}");
    }
}

/// Version 5 without sampling: an opening that was never answered, both sides of a connection, and
/// a refusal.
#[test]
fn flags_of_flows_tell_what_became_of_connections() {
    let flow = |ports: [u8; 4], flags: u8| {
        let mut record = [0; 48];
        record[..8].copy_from_slice(&[198, 51, 100, 7, 203, 0, 113, 1]);
        record[19] = 2;
        record[23] = 120;
        record[32..36].copy_from_slice(&ports);
        (record[37], record[38]) = (flags, 6);
        record
    };
    let (to_server, to_client) = ([0x9C, 0x40, 1, 0xBB], [1, 0xBB, 0x9C, 0x40]);
    let records = [flow(to_server, 2), flow(to_server, 0x1B), flow(to_client, 0x1B), flow(to_client, 0x14)];
    let mut payload = vec![0, 5, 0, 4];
    payload.resize(24, 0);
    payload.extend(records.concat());
    let everything = seen(&Folder::new("fate"), 2055, &[payload]);
    let event = |e| everything.total.events.get(&e).copied().unwrap_or(0);
    assert_eq!((event(ConnectionEvent::HalfOpenExpired), event(ConnectionEvent::Established)), (1, 1));
    assert_eq!((everything.total.packets, everything.total.events.len()), (4, 2));
}

#[test]
fn what_is_no_export_counts_as_itself() {
    let folder = Folder::new("no-exports");
    let not_its_port = seen(&folder, 5353, &[sample("v5")]);
    assert_eq!((not_its_port.total.packets, not_its_port.reports[0].oddities.len()), (1, 0));
    let mut cut = sample("v9");
    cut.pop();
    let damaged = seen(&folder, 9995, &[cut, b"syslog".to_vec(), Vec::new()]);
    assert_eq!((damaged.total.packets, damaged.reports[0].oddities.len()), (3, 0));
}
