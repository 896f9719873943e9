//! Which sources try doors: scanners, told from monitors, streams and health checks.

use crate::feature::bits_as_count;
use crate::feature::net::{HostProfile, NetWindow};
use seawall_model::finding::Findings;
use seawall_model::metric::Metric;

/// A source this fast does not wait for what it might learn: random ports are those of a flood.
const SCAN_PACKETS_PER_S: f64 = 4_000.0;
/// Those of one program that keeps its own port are the probes of a scanner, which reads what comes
/// back to that port.
const SCANNER_PORTS: f64 = 3.0;
/// Doors (ports by hosts) of one source that bitmaps still tell apart, and how often a check comes back
/// to each.
const FEW_DOORS: f64 = 50.0;
const KNOCKS_AT_EACH: f64 = 6.0;
/// Hosts and ports that a program of peers tries at least.
const PEERS_LEAST: f64 = 8.0;
/// Packets of a source from which on its habits are known.
const KNOWN_PACKETS: u32 = 20;

/// Opens much in vain: most attempts unanswered or refused, at a rate that leaves time to listen.
pub(super) fn probing(h: &HostProfile) -> bool {
    let failed = h.refused + h.half_open;
    let opened = h.established + h.refused + h.half_open;
    let one_way_only = h.established == 0 && (h.two_way + h.answered) * 4 < h.packets;
    let listens = h.syn.saturating_mul(2) >= h.packets && bits_as_count(h.source_ports) < SCANNER_PORTS;
    let hurried = f64::from(h.peak_per_s) >= SCAN_PACKETS_PER_S && !listens;
    !hurried
        && !meets_peers(h)
        && !goes_on(h)
        && !comes_back(h)
        && (one_way_only || (opened > 0 && failed * 2 >= opened))
}

/// Knocks at the same few doors again and again, as the health checks of balancers do that close before
/// the handshake is complete.
fn comes_back(h: &HostProfile) -> bool {
    let doors = bits_as_count(h.ports) * bits_as_count(h.hosts);
    let opened = h.established + h.refused + h.half_open;
    doors <= FEW_DOORS && f64::from(opened) >= KNOCKS_AT_EACH * doors
}

/// Calls on others at ports of their own choice, and talks at length with those that are there, as
/// programs do that meet without servers. Scanners find few doors open and say little at them.
fn meets_peers(h: &HostProfile) -> bool {
    let opened = h.established + h.refused + h.half_open;
    let wide = bits_as_count(h.ports).min(bits_as_count(h.hosts)) >= PEERS_LEAST;
    wide && h.established * 5 >= opened.max(1) && u64::from(h.two_way) * 2 >= u64::from(h.packets)
}

/// Sends packet after packet in each flow that it begins, as streams do of which one direction was
/// captured; a probe is sent once, or some times more for want of an answer.
pub(super) fn goes_on(h: &HostProfile) -> bool {
    u64::from(h.continued) * 4 > u64::from(h.packets) * 3
}

/// Whoever was answered by most at other times does what it always does: the turn of a monitor, seen
/// alone, looks like a sweep.
pub(super) fn routine_probers(now: &NetWindow, before: &NetWindow, findings: &mut Findings) {
    let is_routine =
        |h: &HostProfile| h.packets >= KNOWN_PACKETS && (h.two_way + h.answered) * 2 >= h.packets;
    let known = before.hosts.sorted();
    let routine: Vec<u64> =
        known.iter().filter(|(_, h)| is_routine(h) && !probing(h)).map(|(hash, _)| *hash).collect();
    if routine.is_empty() {
        return;
    }
    let sorted = now.hosts.sorted();
    let others: Vec<&(u64, HostProfile)> =
        sorted.into_iter().filter(|(hash, _)| routine.binary_search(hash).is_err()).collect();
    let most = |f: &dyn Fn(&HostProfile) -> u64| {
        others.iter().filter(|(_, h)| probing(h)).map(|(_, h)| bits_as_count(f(h))).fold(0.0, f64::max)
    };
    let fan_outs = [(Metric::PortFanOut, most(&|h| h.ports)), (Metric::HostFanOut, most(&|h| h.hosts))];
    for (metric, left) in fan_outs {
        if let Some(mut finding) = findings.get(metric).cloned().filter(|f| f.observed > left) {
            finding.observed = left;
            findings.insert(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_peers_is_no_scan() {
        let host = |established: u32, two_way: u32| HostProfile {
            packets: 1_000,
            two_way,
            established,
            half_open: 60 - established,
            ports: 0xFF_FFFF,
            hosts: 0xFF_FFFF,
            ..HostProfile::default()
        };
        assert!(!probing(&host(20, 900)), "it finds many that talk");
        assert!(probing(&host(3, 900)), "hardly anybody is there");
        assert!(probing(&host(20, 100)), "it says nothing to those that are there");
    }

    #[test]
    fn health_checks_that_close_early_are_no_scan() {
        let seen = |doors: u8, knocks: u32| HostProfile {
            packets: 3 * knocks,
            syn: knocks,
            half_open: knocks,
            ports: 1,
            hosts: (1_u64 << doors) - 1,
            ..HostProfile::default()
        };
        assert!(!probing(&seen(12, 400)));
        assert!(probing(&seen(30, 30)));
    }
}
