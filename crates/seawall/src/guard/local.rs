//! What this machine's network looks like, as the kernel shows it under `/proc`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of this machine, without those that it talks to itself by.
pub fn addresses() -> Vec<IpAddr> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = v4_addresses(&read("/proc/net/fib_trie"));
    all.extend(v6_addresses(&read("/proc/net/if_inet6")));
    all.sort_unstable();
    all.dedup();
    all
}

/// Frames that an interface was to send and did not; `None`: there is no such interface.
pub fn send_drops(interface: &str) -> Option<u64> {
    drops_of(&std::fs::read_to_string("/proc/net/dev").ok()?, interface)
}

/// Local addresses of `/proc/net/fib_trie`: a line with the address, and below it what it is.
fn v4_addresses(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last.filter(|a| !a.is_loopback()).map(IpAddr::from));
        }
    }
    found
}

/// Addresses of `/proc/net/if_inet6`: 32 hexadecimal digits begin each line.
fn v6_addresses(text: &str) -> Vec<IpAddr> {
    let read = |line: &str| u128::from_str_radix(line.split_whitespace().next()?, 16).ok();
    let all = text.lines().filter_map(read).map(Ipv6Addr::from);
    all.filter(|a| !a.is_loopback()).map(IpAddr::from).collect()
}

/// Columns of `/proc/net/dev` behind the name: eight of what came in, then bytes, packets, errors
/// and drops of what went out.
fn drops_of(text: &str, interface: &str) -> Option<u64> {
    const ERRORS: usize = 10;
    let line = text.lines().find_map(|l| l.trim().strip_prefix(interface)?.strip_prefix(':'))?;
    let column = |n: usize| line.split_whitespace().nth(n)?.parse::<u64>().ok();
    Some(column(ERRORS)? + column(ERRORS + 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_the_kernel_shows() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n\
                    Local:\n     |-- 10.0.0.2\n        /32 host LOCAL\n     |-- 10.0.0.255\n        \
                    /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(v4_addresses(trie), ["10.0.0.2".parse::<IpAddr>().expect("an address")]);
        let six = "20010db8000000000000000000000001 02 40 00 80     eth0\n\
                   00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(v6_addresses(six), ["2001:db8::1".parse::<IpAddr>().expect("an address")]);
    }

    #[test]
    fn drops_are_what_was_not_sent() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed \
                    multicast|bytes packets errs drop fifo colls carrier compressed\n  eth0: 1 2 3 4 0 0 0 0 \
                    5 6 7 8 0 0 0 0\n eth01: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(drops_of(text, "eth0"), Some(15));
        assert_eq!(drops_of(text, "eth1"), None);
    }
}
