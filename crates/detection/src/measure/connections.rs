//! Connections as values, and what single hosts do in them.

use super::net::UNIFORM_LEAST;
use super::probing::probing;
use super::{Value, push, push_share, spread};
use crate::feature::bits_as_count;
use crate::feature::net::{HostProfile, NetWindow};
use crate::feature::service;
use seawall_model::Prefix;
use seawall_model::hash;
use seawall_model::math;
use seawall_model::metric::Metric;
use seawall_model::observation::{ConnectionEvent, protocol};
use seawall_model::record::PacketRecord;
use std::net::IpAddr;

/// Packets back for each small message, up to which both count as in step: the page of a site is
/// some twenty kilobytes at most.
const ANSWERS_PER_MESSAGE: f64 = 16.0;
/// What few segments say is believed up to so many standard errors.
const BELIEVED_ERRORS: f64 = 2.0;
/// A client loses much if it says a quarter again, and does so more than once.
const SAID_AGAIN_LEAST: u32 = 2;
/// What fewer clients suffer may be their own trouble.
const ASKING_LEAST: u64 = 6;
/// TLS records before any message: the change of cipher, alerts, handshakes (RFC 8446 section 5.1).
const TLS_SETTING_UP: std::ops::RangeInclusive<u8> = 20..=22;
/// A source that fails on this many ports or hosts fans out.
const FAN_OUT_LEAST: f64 = 8.0;

pub(super) fn connections(net: &NetWindow, records: &[PacketRecord], seconds: f64, out: &mut Vec<Value>) {
    use ConnectionEvent::{
        CertificateRefused, Closed, Established, HalfOpenExpired, Http2Abuse, Idle, Refused, Reset, SlowRead,
        SlowRequest, TlsAbandoned, TlsHello,
    };
    let count = |event| net.event(event) as f64;
    let attempts = count(Established) + count(HalfOpenExpired) + count(Refused);
    push(out, Metric::HalfOpenCount, count(HalfOpenExpired), attempts.max(1.0));
    push(out, Metric::HalfOpenRate, count(HalfOpenExpired) / seconds, attempts.max(1.0));
    push_share(out, Metric::HandshakeCompletion, count(Established), attempts);
    push_share(out, Metric::RefusedShare, count(Refused), attempts);
    // Logs of proxies tell of connections only when they end.
    let opened = count(Established).max(count(Closed));
    push(out, Metric::ConnectionRate, opened / seconds, opened);
    push(out, Metric::ConnectionsPerHost, opened / seconds * to_the_busiest(records), opened);
    push(out, Metric::ConnectionCount, opened, opened);
    // What is held without a word carries as little as what ended without one.
    let little = net.short_connections as f64 + count(Idle);
    push_share(out, Metric::ShortConnectionShare, little, count(Closed) + count(Idle));
    push_share(out, Metric::ResetShare, count(Reset), count(Established));
    push_share(out, Metric::EmptyConnectionShare, net.empty_connections as f64, count(Closed));
    push(out, Metric::AdminLoginRate, net.admin_logins as f64 / seconds, opened);
    if let Some(median) = net.handshake_us.quantile(0.5) {
        push(out, Metric::HandshakeTime, median, net.handshake_us.count() as f64);
    }
    let slow = count(SlowRequest) + count(SlowRead);
    push(out, Metric::IdleConnections, count(Idle), count(Established).max(1.0));
    push(out, Metric::SlowConnections, slow, count(Established).max(1.0));
    push_share(out, Metric::SlowConnectionShare, slow.min(count(Established)), count(Established));
    let abandoned = count(TlsAbandoned) + count(CertificateRefused);
    let hellos = count(TlsHello).max(abandoned);
    push(out, Metric::TlsHelloRate, hellos / seconds, hellos);
    push_share(out, Metric::TlsAbandonedShare, abandoned, hellos);
    push_share(out, Metric::CertificateRefusedShare, count(CertificateRefused), abandoned);
    push(out, Metric::Http2AbuseEvents, count(Http2Abuse), 1.0);
    push(out, Metric::Http2AbuseRate, count(Http2Abuse) / seconds, 1.0);
}

/// Share of the openings that go to one host; all of them, where no opening was sampled. Who looks whether many
/// services are up opens as many connections as a flood does, and a few of them to each.
fn to_the_busiest(records: &[PacketRecord]) -> f64 {
    let opened = records.iter().filter(|r| r.opens());
    let hosts = spread(opened.map(|r| hash::address(r.destination)).collect());
    if hosts.total == 0 { 1.0 } else { hosts.top }
}

/// What the busiest of the sampled sources do.
pub(super) fn hosts(net: &NetWindow, out: &mut Vec<Value>) {
    let sorted = net.hosts.sorted();
    let hosts = || sorted.iter().map(|(_, h)| h);
    let n = hosts().count() as f64;
    let most = |f: &dyn Fn(&HostProfile) -> f64| hosts().map(f).fold(0.0, f64::max);
    let top = most(&|h| f64::from(h.packets));
    push_share(out, Metric::TopSourceShare, top, net.volumes.all.packets as f64);
    let opening = |h: &HostProfile| h.established + h.refused + h.half_open;
    push(out, Metric::ConnectionsPerClient, most(&|h| f64::from(h.established)), n);
    push(out, Metric::PortFanOut, most(&|h| if probing(h) { bits_as_count(h.ports) } else { 0.0 }), n);
    push(out, Metric::HostFanOut, most(&|h| if probing(h) { bits_as_count(h.hosts) } else { 0.0 }), n);
    push(out, Metric::SlowPerClient, most(&|h| f64::from(h.slow)), n);
    push(out, Metric::IdlePerClient, most(&|h| f64::from(h.idle)), n);
    openers(net, &sorted, out);
    let logins = most(&|h| if opening(h) > 0 { f64::from(h.logins) } else { 0.0 });
    push(out, Metric::LoginConnections, logins, n);
}

/// Sources whose attempts fail, and how much of what is begun are one source's tries at many places.
fn openers(net: &NetWindow, sorted: &[&(u64, HostProfile)], out: &mut Vec<Value>) {
    let hosts = || sorted.iter().map(|(_, h)| h);
    let n = hosts().count() as f64;
    let failed = |h: &HostProfile| h.half_open + h.refused;
    let fans_out =
        |h: &HostProfile| probing(h) && bits_as_count(h.ports).max(bits_as_count(h.hosts)) >= FAN_OUT_LEAST;
    let begun = |of: &dyn Fn(&HostProfile) -> bool| {
        hosts().filter(|h| of(h)).map(|h| f64::from(h.flows)).sum::<f64>()
    };
    push_share(out, Metric::FanOutShare, begun(&fans_out), begun(&|_| true));
    // The profiles are a sample of the sources.
    let all = |of: &dyn Fn(&HostProfile) -> bool| {
        let kept = hosts().filter(|h| of(h)).count() as f64;
        if n > 0.0 { kept / n * net.sources.count().max(n) } else { 0.0 }
    };
    push(out, Metric::FailedOpenerCount, all(&|h| failed(h) > h.established), n);
    push(
        out,
        Metric::AdminClientCount,
        all(&|h| h.admin_logins > 0 && h.established <= h.admin_logins + 1),
        n,
    );
}

/// Requests that cannot be read show as small segments to a web port, each with an answer of its
/// own. Only an exchange in step counts: downloads have many packets back for each, uploads few.
/// Floods send the same request again, so that their messages have one length.
pub(super) fn messages(net: &NetWindow, records: &[PacketRecord], seconds: f64, out: &mut Vec<Value>) {
    let peak_per_client =
        net.hosts.sorted().iter().map(|(_, h)| f64::from(h.peak_messages_per_s)).fold(0.0, f64::max);
    let (asked, answered) = (net.volumes.messages.packets as f64, net.volumes.message_answers.packets as f64);
    let in_step = answered <= ANSWERS_PER_MESSAGE * asked && asked <= 4.0 * answered;
    let factor = if in_step && !go_out(records) { 1.0 } else { 0.0 };
    push(out, Metric::PeakMessagesPerClient, factor * peak_per_client, asked);
    push(out, Metric::MessageRate, factor * asked / seconds, asked);
    let is_message = |r: &&PacketRecord| {
        r.protocol == protocol::TCP
            && r.two_way
            && r.payload().first().is_some_and(|first| !TLS_SETTING_UP.contains(first))
            && service::is_web_port(r.destination_port)
    };
    unheard(records, net.volumes.all.packets as f64 / records.len().max(1) as f64 / seconds, out);
    let lengths: Vec<u64> = records.iter().filter(is_message).map(|r| u64::from(r.length_bytes)).collect();
    if lengths.len() >= UNIFORM_LEAST {
        let (n, top) = (lengths.len() as f64, spread(lengths).top);
        push(out, Metric::UniformMessageShare, top, n);
    }
}

/// Whether messages are those of a few clients to many networks of servers, as of a proxy that a whole office
/// goes out through, or of a crawler: however many they are, they are spread over those who answer them.
fn go_out(records: &[PacketRecord]) -> bool {
    /// So many networks at least, each the goal of few; so many times more than there are clients.
    const NETWORKS_LEAST: usize = 20;
    const TOP_MOST: f64 = 0.2;
    const PER_CLIENT: usize = 4;
    let is_asked = |r: &&PacketRecord| {
        r.protocol == protocol::TCP
            && r.two_way
            && !r.payload().is_empty()
            && service::is_web_port(r.destination_port)
    };
    let asked = || records.iter().filter(is_asked);
    let network = |r: &PacketRecord| hash::address(Prefix::network_of(r.destination).address());
    let goals = spread(asked().map(network).collect());
    let clients = spread(asked().map(|r| hash::address(r.source)).collect());
    goals.distinct >= NETWORKS_LEAST
        && goals.top <= TOP_MOST
        && clients.distinct * PER_CLIENT <= goals.distinct
}

/// Clients of services behind TLS that say one thing again and again and hardly hear anything: so it looks when
/// streams are opened and given up at once (CVE-2023-44487). `per_s`: what a sampled packet stands for. Uploads
/// are of large segments, and talk is of all lengths.
fn unheard(records: &[PacketRecord], per_s: f64, out: &mut Vec<Value>) {
    /// Sampled messages that tell how a client talks; of one length for so large a part, each client hears
    /// less than one answer for so many.
    const LEAST: usize = 8;
    const UNIFORM: f64 = 0.5;
    const MESSAGES_PER_ANSWER: usize = 4;
    let talk = records.iter().filter(|r| r.protocol == protocol::TCP && r.two_way && !r.payload().is_empty());
    let says = |r: &PacketRecord| {
        let told = service::is_https_port(r.destination_port) && r.length_bytes <= UNHEARD_BYTES;
        told && r.payload().first().is_some_and(|first| !TLS_SETTING_UP.contains(first))
    };
    let mut said: Vec<(IpAddr, u64)> = Vec::new();
    let mut heard: Vec<IpAddr> = Vec::new();
    for r in talk {
        if says(r) {
            said.push((r.source, u64::from(r.length_bytes / LIKE_BYTES)));
        } else if service::is_https_port(r.source_port) {
            heard.push(r.destination);
        }
    }
    said.sort_unstable();
    let unheard = said.chunk_by(|a, b| a.0 == b.0).filter(|run| {
        let answers = heard.iter().filter(|client| **client == run[0].0).count();
        run.len() >= LEAST.max(MESSAGES_PER_ANSWER * answers)
            && spread(run.iter().map(|(_, length)| *length).collect()).top >= UNIFORM
    });
    let (most, all) = unheard.fold((0, 0), |(most, all), run| (run.len().max(most), all + run.len()));
    push(out, Metric::UnheardPerClient, most as f64 * per_s, said.len() as f64);
    push(out, Metric::UnheardRate, all as f64 * per_s, said.len() as f64);
}

/// Lengths that differ by less are alike: the number of a stream, and padding, take some bytes.
const LIKE_BYTES: u32 = 32;
/// A larger packet is of an upload.
const UNHEARD_BYTES: u32 = 600;

/// Clients that must say again much of what they say: where a part of the clients suffers, shares of
/// all segments hide it.
pub(super) fn lossy_clients(net: &NetWindow, out: &mut Vec<Value>) {
    let lossy = |h: &&HostProfile| h.said_again >= SAID_AGAIN_LEAST && h.said_again * 4 >= h.said;
    let sorted = net.hosts.sorted();
    let asking = || sorted.iter().map(|(_, h)| h).filter(|h| h.said >= SAID_AGAIN_LEAST);
    let (some, all) = (asking().filter(lossy).count() as u64, asking().count() as u64);
    if all >= ASKING_LEAST {
        push(out, Metric::LossyClientShare, at_least(some, all), all as f64);
    }
}

/// The least share that is compatible with so many of so many (the lower end of Wilson's interval).
pub(super) fn at_least(hits: u64, trials: u64) -> f64 {
    let (n, z) = (trials.max(1) as f64, BELIEVED_ERRORS);
    let share = hits as f64 / n;
    let center = share + z * z / (2.0 * n);
    let reach = z * math::sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    ((center - reach) / (1.0 + z * z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use seawall_model::Timestamp;
    use seawall_model::observation::{Connection, FlowState, Fragment, Observation, Packet, tcp_flags};

    /// Broke: a monitor that looked at many services by opening a connection was called a flood of connections.
    #[test]
    fn a_monitor_opens_few_connections_to_each_host() {
        let opening = |to: u8| {
            let mut packet = Packet::unknown(Timestamp(0));
            (packet.source, packet.destination) = ([203, 0, 113, 5].into(), [203, 0, 113, to].into());
            (packet.protocol, packet.tcp_flags) = (protocol::TCP, tcp_flags::SYN);
            PacketRecord::from(&packet)
        };
        let openings = |hosts: u8| (0..120).map(|n| opening(n % hosts)).collect::<Vec<_>>();
        assert!(to_the_busiest(&openings(12)) < 0.1);
        assert_eq!((to_the_busiest(&openings(1)), to_the_busiest(&[])), (1.0, 1.0));
    }

    /// Broke: a morning on which everybody's machine fetched tickets from its directory was a flood of connections.
    #[test]
    fn who_is_served_in_few_bytes_has_no_short_connection() {
        let short = |server_bytes: u64| {
            let mut window = Window::default();
            let connection = Connection {
                time: Timestamp(0),
                event: ConnectionEvent::Closed,
                client: [10, 4, 4, 9].into(),
                server: [10, 4, 0, 2].into(),
                client_port: 50_000,
                server_port: 88,
                client_bytes: 228,
                server_bytes,
                duration_us: 9_000,
                requests: 0,
                ja4: 0,
            };
            window.observe(&Observation::Connection(connection), 1);
            window.net.is_some_and(|net| net.short_connections == 1)
        };
        assert!(!short(1_412), "a ticket");
        assert!(short(480), "a page by which a web server refuses");
    }

    /// Broke: beside visitors whose connections carried pages, hundreds that were held without a word seemed to
    /// carry requests.
    #[test]
    fn what_is_held_without_a_word_carries_little() {
        let mut window = Window::default();
        for n in 0..40_u16 {
            let (event, server_bytes) =
                if n % 4 == 0 { (ConnectionEvent::Closed, 30_000) } else { (ConnectionEvent::Idle, 0) };
            let (time, client, server) = (Timestamp(0), [45, 60, 1, 2].into(), [203, 0, 113, 10].into());
            let (client_port, server_port, client_bytes) = (2_000 + n, 80, 0);
            let (duration_us, requests, ja4) = (5_000_000, 0, 0);
            let connection = Connection {
                time,
                event,
                client,
                server,
                client_port,
                server_port,
                client_bytes,
                server_bytes,
                duration_us,
                requests,
                ja4,
            };
            window.observe(&Observation::Connection(connection), u64::from(n));
        }
        let (net, mut out) = (window.net.expect("connections"), Vec::new());
        connections(&net, &[], 1.0, &mut out);
        let share = out.iter().find(|v| v.metric == Metric::ShortConnectionShare).map(|v| v.value);
        assert_eq!(share, Some(0.75));
    }

    /// Broke: streams that were opened and given up at once inside TLS were normal traffic where hardly any
    /// answer was captured.
    #[test]
    fn who_says_one_thing_again_and_again_and_hears_nothing_is_told_from_who_talks() {
        let segment = |ms: i64, from: u8, ports: (u16, u16), bytes: u32| Packet {
            time: Timestamp(ms * 1_000_000),
            source: [10, 0, 0, from].into(),
            destination: [10, 0, 0, 250 - from].into(),
            protocol: protocol::TCP,
            source_port: ports.0,
            destination_port: ports.1,
            length_bytes: bytes,
            ttl: 60,
            fragment: Fragment::Whole,
            tcp_flags: tcp_flags::ACK | tcp_flags::PSH,
            tcp_window: 1_024,
            tcp_options: 0,
            icmp_type: 0,
            icmp_code: 0,
            payload: &[23, 3, 3, 0, 60],
            payload_bytes: bytes - 40,
            flow: FlowState::Asking,
            repeats: false,
            sampling: 1,
        };
        let unheard = |answered: bool, bytes: fn(i64) -> u32| {
            let mut window = Window::default();
            for n in 0..400 {
                let said = segment(n * 2, 7, (40_000, 443), bytes(n));
                window.observe(&Observation::Packet(said), hash::mix(n as u64));
                if answered {
                    let heard =
                        Packet { flow: FlowState::Answering, ..segment(n * 2, 243, (443, 40_000), 1_400) };
                    window.observe(&Observation::Packet(heard), hash::mix(1_000 + n as u64));
                }
            }
            window.seal(1.0);
            super::super::findings(&window, None, None).observed(Metric::UnheardPerClient)
        };
        assert!(unheard(false, |_| 140).is_some_and(|rate| rate > 300.0));
        assert_eq!(unheard(true, |_| 140), Some(0.0), "it is heard");
        assert_eq!(unheard(false, |n| 60 + (n as u32 * 37) % 500), Some(0.0), "a call is of all lengths");
    }

    /// Broke: the pages that an office fetched through its proxy were a flood of requests.
    #[test]
    fn messages_of_one_proxy_to_many_services_are_no_flood() {
        let rate = |server: fn(u16) -> [u8; 4]| {
            let mut window = Window::default();
            for n in 0..300_u16 {
                let asks = Packet {
                    time: Timestamp(i64::from(n) * 3_000_000),
                    source: [192, 0, 2, 77].into(),
                    destination: server(n).into(),
                    protocol: protocol::TCP,
                    source_port: 20_000 + n,
                    destination_port: 443,
                    length_bytes: 540,
                    tcp_flags: tcp_flags::ACK | tcp_flags::PSH,
                    payload: &[23, 3, 3, 1, 200],
                    payload_bytes: 500,
                    flow: FlowState::Asking,
                    ..Packet::unknown(Timestamp(0))
                };
                let says = Packet {
                    source: asks.destination,
                    destination: asks.source,
                    source_port: 443,
                    destination_port: asks.source_port,
                    flow: FlowState::Answering,
                    ..asks
                };
                window.observe(&Observation::Packet(asks), hash::mix(u64::from(n)));
                window.observe(&Observation::Packet(says), hash::mix(1_000 + u64::from(n)));
            }
            window.seal(1.0);
            super::super::findings(&window, None, None).observed(Metric::MessageRate)
        };
        assert_eq!(rate(|n| [31, (n / 7) as u8, n as u8, 9]), Some(0.0));
        assert!(rate(|n| [31, 7, 7, n as u8]).is_some_and(|rate| rate > 200.0), "one network's services");
    }
}
