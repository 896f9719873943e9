//! The host's part in SYN cookies: how its own sockets would answer, the setting that has them take
//! cookies, and whether those that come back reach them.

use crate::clock::Moment;
use crate::error::KernelError;
use crate::layout::Totals;
use crate::rule::{Cookies, WHOLE_SHARE};
use seawall_model::Timestamp;
use seawall_model::time::SECOND_NS;
use std::process::{Child, Command, Stdio};

/// 0: no cookies; 1: when a socket's queue is full; 2: always. Of this network namespace, for IPv4
/// and IPv6.
const SETTING: &str = "/proc/sys/net/ipv4/tcp_syncookies";
const ALWAYS: &str = "2";
/// Place of the errors of sending among an interface's numbers in /proc/net/dev; drops follow.
const TX_ERRORS_AT: usize = 10;
/// Timestamps without an offset that only the host knows.
const PLAIN_TIMESTAMPS: &str = "2";
/// What every link carries (RFC 8200), where the interface does not tell.
const LEAST_MTU_BYTES: u16 = 1_280;
/// IP and TCP headers without options.
const V4_HEADERS_BYTES: u16 = 40;
const V6_HEADERS_BYTES: u16 = 60;
/// Part of all flows that is answered until answers have been seen to arrive. The host answers the
/// others meanwhile: they are what it is held against, and they open whatever becomes of the trial.
const TRIAL_SHARE: u16 = WHOLE_SHARE / 2;
/// Flows that must have come back before the host's count of them tells anything, and the least part
/// of them that it must have counted.
const LEAST_GOOD: u64 = 5;
const LEAST_RECEIVED: f64 = 0.2;
/// Openings answered from which on what the interface lost tells anything, and the part of them that
/// it must not have lost.
const LEAST_SENT: u64 = 20;
const MOST_LOST: f64 = 0.75;
/// Flows that came back to the host, and those of the program that should have come back meanwhile,
/// from which on their absence tells anything; and the part of these that is as good as none.
const LEAST_LEFT_GOOD: u64 = 3;
const LEAST_EXPECTED: f64 = 4.0;
const AS_GOOD_AS_NONE: f64 = 0.01;
/// What is counted tells of so long at most: what worked for hours may fail from one moment to the
/// next.
const WINDOW_NS: i64 = 10 * SECOND_NS;

impl Cookies {
    /// How this host would answer on that interface.
    pub(crate) fn as_host(&self, interface: &str) -> Self {
        let mtu = read(&format!("/sys/class/net/{interface}/mtu")).and_then(|text| text.parse().ok());
        let mtu: u16 = mtu.map_or(LEAST_MTU_BYTES, |mtu: u32| mtu.min(u32::from(u16::MAX)) as u16);
        Self {
            segment_v4_bytes: mtu.saturating_sub(V4_HEADERS_BYTES),
            segment_v6_bytes: mtu.saturating_sub(V6_HEADERS_BYTES),
            timestamps: read("/proc/sys/net/ipv4/tcp_timestamps").as_deref() == Some(PLAIN_TIMESTAMPS)
                && read("/proc/sys/net/ipv4/tcp_window_scaling").as_deref() == Some("1")
                && read("/proc/sys/net/ipv4/tcp_sack").as_deref() == Some("1"),
            window_scale: window_scale(
                read("/proc/sys/net/ipv4/tcp_rmem").as_deref(),
                read("/proc/sys/net/core/rmem_max").as_deref(),
            ),
            ..self.clone()
        }
    }
}

/// The scale that Linux announces for a socket whose buffer nobody has set
/// (`tcp_select_initial_window`).
fn window_scale(tcp_rmem: Option<&str>, rmem_max: Option<&str>) -> u8 {
    let largest = tcp_rmem.and_then(|text| text.split_whitespace().nth(2)?.parse::<u32>().ok());
    let space = largest.max(rmem_max.and_then(|text| text.parse().ok())).unwrap_or(0).max(1);
    space.ilog2().saturating_sub(15).min(14) as u8
}

/// What was counted of openings and of what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    /// Openings that the program answered, and flows that came back to it.
    sent: u64,
    good: u64,
    /// Openings that it left to the host, and flows that came back to that.
    left: u64,
    left_good: u64,
    /// Cookies that the host's sockets took, whoever made them.
    received: u64,
    /// Frames that the interface did not send.
    lost: u64,
}

impl Counted {
    /// The program's counts are the earlier ones: what it counts reaches the sockets after.
    fn read(totals: &Totals, interface: &str) -> Self {
        Self {
            sent: totals.cookies_sent,
            good: totals.cookies_good,
            left: totals.cookies_left,
            left_good: totals.cookies_left_good,
            received: read("/proc/net/netstat").and_then(|text| parse_received(&text)).unwrap_or(0),
            lost: read("/proc/net/dev").and_then(|text| parse_lost(&text, interface)).unwrap_or(0),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(before.sent),
            good: self.good.saturating_sub(before.good),
            left: self.left.saturating_sub(before.left),
            left_good: self.left_good.saturating_sub(before.left_good),
            received: self.received.saturating_sub(before.received),
            lost: self.lost.saturating_sub(before.lost),
        }
    }
}

/// What speaks for and against the program's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Too little was seen.
    Undecided,
    /// People come back with its cookies, and the host's sockets take them.
    Arriving,
    /// They do more harm than good, and why.
    Unfit(&'static str),
}

/// The host's sockets take cookies while this lives. The former setting comes back with its end,
/// and where this process is killed as well: a shell that waits for nothing else sees to it.
pub(crate) struct Held {
    /// `None`: it was so already.
    keeper: Option<Child>,
    interface: String,
    since: Timestamp,
    before: Counted,
    /// Whether answers have been seen to arrive.
    is_proven: bool,
    /// The part of all flows that the plan wants answered.
    asked_share: u16,
}

impl Held {
    /// Has the host's sockets make and take cookies.
    ///
    /// # Errors
    /// If the setting cannot be read or written.
    pub(crate) fn hold(interface: &str, totals: &Totals, now: Moment) -> Result<Self, KernelError> {
        let failed = |e: std::io::Error| KernelError::Load(format!("{SETTING}: {e}"));
        let former = std::fs::read_to_string(SETTING).map_err(failed)?.trim().to_owned();
        let mut held = Self {
            keeper: None,
            interface: interface.to_owned(),
            since: now.wall,
            before: Counted::read(totals, interface),
            is_proven: false,
            asked_share: WHOLE_SHARE,
        };
        if former == ALWAYS {
            return Ok(held);
        }
        let script = "trap '' HUP INT TERM; while read -r _; do :; done; echo \"$1\" > \"$2\"";
        let keeper = Command::new("/bin/sh")
            .args(["-c", script, "seawall-keeper", &former, SETTING])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        held.keeper = Some(keeper);
        std::fs::write(SETTING, ALWAYS).map_err(failed)?;
        Ok(held)
    }

    /// The part of all flows to answer now, where a plan wants `asked`.
    pub(crate) fn allowed_share(&mut self, asked: u16) -> u16 {
        self.asked_share = asked;
        if self.is_proven { asked } else { asked.min(TRIAL_SHARE) }
    }

    /// The share to answer from now on, where answers have just been seen to arrive for the first time.
    pub(crate) fn prove(&mut self, totals: &Totals, now: Moment) -> Option<u16> {
        if self.is_proven {
            return None;
        }
        self.is_proven = true;
        self.begin_window(totals, now);
        Some(self.asked_share)
    }

    /// Whether the program's answers arrive.
    pub(crate) fn weigh(&mut self, totals: &Totals, now: Moment) -> Judgement {
        let judgement = judge(&Counted::read(totals, &self.interface).since(self.before));
        if self.is_proven && now.wall.since_ns(self.since) >= WINDOW_NS {
            self.begin_window(totals, now);
        }
        judgement
    }

    fn begin_window(&mut self, totals: &Totals, now: Moment) {
        self.before = Counted::read(totals, &self.interface);
        self.since = now.wall;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            // It has nobody to tell; the setting is put back by then or cannot be.
            let _ = keeper.wait();
        }
    }
}

fn judge(counted: &Counted) -> Judgement {
    let Counted { sent, good, left, left_good, received, lost } = *counted;
    let taken = received.saturating_sub(left_good);
    if good >= LEAST_GOOD && (taken as f64) < LEAST_RECEIVED * good as f64 {
        return Judgement::Unfit(
            "connections that begin with an acknowledgement do not reach its sockets (a firewall?)",
        );
    }
    if good == 0 && sent >= LEAST_SENT && lost as f64 >= MOST_LOST * sent as f64 {
        return Judgement::Unfit("the interface does not send what a program answers");
    }
    // Of those that either answered, as large a part should come back.
    let expected = left_good as f64 * sent as f64 / left.max(1) as f64;
    let is_none = good < left_good && (good as f64) < AS_GOOD_AS_NONE * expected;
    if left_good >= LEAST_LEFT_GOOD && expected >= LEAST_EXPECTED && is_none {
        return Judgement::Unfit(
            "people come back with its cookies, and nobody with those of the filter (does the driver send what a program answers?)",
        );
    }
    if good >= LEAST_GOOD { Judgement::Arriving } else { Judgement::Undecided }
}

fn parse_received(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|l| l.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "SyncookiesRecv")?;
    values.split(' ').nth(at)?.parse().ok()
}

/// Frames that an interface did not send: errors, and drops.
fn parse_lost(text: &str, interface: &str) -> Option<u64> {
    let rest = text.lines().find_map(|l| l.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let mut sent = rest.split_whitespace().skip(TX_ERRORS_AT).map_while(|n| n.parse::<u64>().ok());
    Some(sent.next()? + sent.next()?)
}

fn read(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_is_that_of_linux_for_its_default_buffers() {
        assert_eq!(window_scale(Some("4096\t131072\t6291456"), Some("212992")), 7);
        assert_eq!(window_scale(Some("4096 131072 6291456"), Some("67108864")), 11);
        assert_eq!(window_scale(None, None), 0);
    }

    #[test]
    fn cookies_that_never_arrive_are_noticed_and_those_that_do_are_kept() {
        let counted = |sent, good, left, left_good, received| Counted {
            sent,
            good,
            left,
            left_good,
            received,
            lost: 0,
        };
        let is_unfit = |counted: Counted, why: &str| match judge(&counted) {
            Judgement::Unfit(told) => told.contains(why),
            _ => false,
        };
        assert_eq!(judge(&counted(1_000_000, 500, 1_000_000, 480, 970)), Judgement::Arriving);
        assert!(is_unfit(counted(1_000_000, 500, 1_000_000, 480, 490), "firewall"));
        assert!(is_unfit(Counted { lost: 25, ..counted(30, 0, 30, 2, 2) }, "does not send"));
        assert_eq!(judge(&Counted { lost: 9, ..counted(30, 0, 30, 2, 2) }), Judgement::Undecided);
        // The few that the host is left come back, and none of the many others.
        assert!(is_unfit(counted(5_000, 0, 100, 4, 4), "nobody"));
        assert!(is_unfit(counted(10, 0, 10, 5, 5), "nobody"));
        assert_eq!(judge(&counted(3, 0, 10, 5, 5)), Judgement::Undecided, "one or two may have gone");
        assert_eq!(judge(&counted(1_000_000, 0, 100, 0, 0)), Judgement::Undecided, "nobody has come at all");
        // Under a flood, those left to the host by chance are people.
        assert_eq!(judge(&counted(10_000_000, 1_000, 100, 3, 1_003)), Judgement::Arriving);
    }

    #[test]
    fn what_an_interface_lost_is_found_by_its_name() {
        let text = "Inter-| Receive | Transmit\n face |bytes packets\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth01: 0\n";
        assert_eq!(parse_lost(text, "eth0"), Some(11 + 12));
        assert_eq!(parse_lost(text, "eth"), None);
    }

    #[test]
    fn the_hosts_count_is_found_by_name() {
        let text = "TcpExt: SyncookiesSent SyncookiesRecv X\nTcpExt: 5 7 9\nIpExt: A\nIpExt: 1\n";
        assert_eq!(parse_received(text), Some(7));
        assert_eq!(parse_received("TcpExt: A\nTcpExt: 1\n"), None);
    }
}
