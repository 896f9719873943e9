//! UDP services that answer more than they are asked, by port: the reflectors of amplification
//! attacks (US-CERT TA14-017A and later vendor advisories).

/// A service known to amplify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub port: u16,
    /// The vector's name in verdicts.
    pub name: &'static str,
}

macro_rules! services {
    ($($port:literal $name:literal)*) => {
        /// The services, by index.
        pub const SERVICES: &[Service] = &[$(Service { port: $port, name: $name },)*];
    };
}

services! {
    17 "qotd" 19 "chargen" 53 "dns" 69 "tftp" 111 "portmap" 123 "ntp" 137 "netbios" 161 "snmp" 177 "xdmcp"
    389 "cldap" 427 "slp" 500 "ike" 520 "rip" 623 "ipmi" 1194 "openvpn" 1434 "mssql" 1604 "citrix" 1701 "l2tp"
    1900 "ssdp" 2362 "digiman" 3283 "ard" 3389 "rdp" 3478 "stun" 3702 "wsd" 4500 "ike" 5060 "sip" 5093 "sentinel"
    5351 "nat-pmp" 5353 "mdns" 5683 "coap" 6881 "bittorrent" 7001 "afs" 8088 "mitel" 10001 "ubiquiti"
    10074 "tp240" 11211 "memcached" 17185 "vxworks" 20811 "vse" 26000 "quake" 27015 "source-engine"
    27960 "quake" 30120 "fivem" 30718 "lantronix" 32410 "plex" 32414 "plex" 33848 "jenkins" 37020 "sadp"
    37810 "dhdiscover" 41794 "crestron" 47808 "bacnet"
}

/// Index into [`SERVICES`], or `None` for a port that is not known to amplify.
#[inline]
#[must_use]
pub fn index_of(port: u16) -> Option<usize> {
    SERVICES.binary_search_by_key(&port, |s| s.port).ok()
}

/// Whether a port is a service's: system ports (RFC 6335) and services known to amplify.
#[inline]
#[must_use]
pub fn is_service_port(port: u16) -> bool {
    (port != 0 && port < 1024) || index_of(port).is_some()
}

/// UDP ports to which hosts send without ever being answered: SNMP traps, syslog, NetFlow, IPFIX,
/// sFlow, statsd, Graylog, collectd.
#[must_use]
pub fn is_collector_port(port: u16) -> bool {
    matches!(port, 162 | 514 | 2055 | 4739 | 6343 | 8125 | 9995 | 9996 | 12201 | 25826)
}

/// TCP ports on which web servers and interfaces for programs answer.
#[must_use]
pub fn is_web_port(port: u16) -> bool {
    matches!(port, 80 | 443 | 8000 | 8080 | 8443 | 8888)
}

/// TCP ports of services that ask for a password where nobody can read the answer. In the clear
/// text of others a sensor reads it; and to mail servers and databases brief visits are usual.
#[must_use]
pub fn is_login_port(port: u16) -> bool {
    is_admin_port(port) || matches!(port, 445 | 465 | 587 | 993 | 995)
}

/// TCP ports of services whose few users stay connected: files, terminals, desktops. Many brief
/// visits are guesses.
#[must_use]
pub fn is_admin_port(port: u16) -> bool {
    matches!(port, 21 | 22 | 23 | 2222 | 2323 | 3389 | 5900 | 5985)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_sorted_so_that_search_finds_them() {
        assert!(SERVICES.windows(2).all(|w| w[0].port < w[1].port));
        assert_eq!(index_of(123).map(|i| SERVICES[i].name), Some("ntp"));
        assert_eq!(index_of(124), None);
    }
}
