//! The host's part in SYN cookies: how its own sockets would answer, the setting that has them take
//! cookies, and whether those that come back reach them.

use crate::clock::Moment;
use crate::error::KernelError;
use crate::layout::Totals;
use crate::rule::Cookies;
use seawall_model::time::SECOND_NS;
use std::process::{Child, Command, Stdio};

/// 0: no cookies; 1: when a socket's queue is full; 2: always. Of this network namespace, for IPv4
/// and IPv6.
const SETTING: &str = "/proc/sys/net/ipv4/tcp_syncookies";
const ALWAYS: &str = "2";
/// Timestamps without an offset that only the host knows.
const PLAIN_TIMESTAMPS: &str = "2";
/// What every link carries (RFC 8200), where the interface does not tell.
const LEAST_MTU_BYTES: u16 = 1_280;
/// IP and TCP headers without options.
const V4_HEADERS_BYTES: u16 = 40;
const V6_HEADERS_BYTES: u16 = 60;
/// Packets with good cookies that must have come before the host's count of them tells anything,
/// and the least part of them that it must have counted: a flow may bring several.
const LEAST_GOOD: u64 = 20;
const LEAST_RECEIVED: f64 = 0.2;
/// Openings answered, and the time, after which a single cookie should have come back.
const MANY_SENT: u64 = 1_000;
const LONG_WITHOUT_NS: i64 = 3 * SECOND_NS;

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

/// The host's sockets take cookies while this lives. The former setting comes back with its end,
/// and where this process is killed as well: a shell that waits for nothing else sees to it.
pub(crate) struct Held {
    /// `None`: it was so already.
    keeper: Option<Child>,
    since: Moment,
    before: Totals,
    received_before: u64,
}

impl Held {
    /// Has the host's sockets make and take cookies.
    ///
    /// # Errors
    /// If the setting cannot be read or written.
    pub(crate) fn hold(now: Moment, before: Totals) -> Result<Self, KernelError> {
        let failed = |e: std::io::Error| KernelError::Load(format!("{SETTING}: {e}"));
        let former = std::fs::read_to_string(SETTING).map_err(failed)?.trim().to_owned();
        let mut held = Self { keeper: None, since: now, before, received_before: received() };
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

    /// Why the filter's answers do more harm than good here; `None`: nothing speaks against them.
    pub(crate) fn unfit(&self, totals: &Totals, now: Moment) -> Option<&'static str> {
        let sent = totals.cookies_sent.saturating_sub(self.before.cookies_sent);
        let good = totals.cookies_good.saturating_sub(self.before.cookies_good);
        judge(sent, good, received().saturating_sub(self.received_before), now.wall.since_ns(self.since.wall))
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

fn judge(sent: u64, good: u64, received: u64, since_ns: i64) -> Option<&'static str> {
    if good >= LEAST_GOOD && (received as f64) < LEAST_RECEIVED * good as f64 {
        return Some("connections that begin with an acknowledgement do not reach its sockets (a firewall?)");
    }
    if sent >= MANY_SENT && good == 0 && since_ns >= LONG_WITHOUT_NS {
        return Some("nobody came back with a cookie (does the driver send what a program answers?)");
    }
    None
}

/// Cookies that the host's sockets took, since it started.
fn received() -> u64 {
    read("/proc/net/netstat").and_then(|text| parse_received(&text)).unwrap_or(0)
}

fn parse_received(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|l| l.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "SyncookiesRecv")?;
    values.split(' ').nth(at)?.parse().ok()
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
        assert_eq!(judge(1_000_000, 500, 450, SECOND_NS), None);
        assert_eq!(judge(1_000_000, 500, 200, SECOND_NS), None, "a flow may bring several");
        assert!(judge(1_000_000, 500, 10, SECOND_NS).is_some_and(|why| why.contains("firewall")));
        assert_eq!(judge(1_000_000, 0, 0, SECOND_NS), None, "too early to tell");
        assert!(judge(1_000_000, 0, 0, 4 * SECOND_NS).is_some_and(|why| why.contains("driver")));
        assert_eq!(judge(10, 0, 0, 60 * SECOND_NS), None, "nobody has come");
    }

    #[test]
    fn the_hosts_count_is_found_by_name() {
        let text = "TcpExt: SyncookiesSent SyncookiesRecv X\nTcpExt: 5 7 9\nIpExt: A\nIpExt: 1\n";
        assert_eq!(parse_received(text), Some(7));
        assert_eq!(parse_received("TcpExt: A\nTcpExt: 1\n"), None);
    }
}
