//! The families of episodes: for each cause one or more generators, and their benign twins.
//!
//! Families declared with `held` are for evaluation only: they differ in structure from the
//! others, and nothing may be tuned on them.

mod dns;
mod http_abuse;
mod http_base;
mod http_demand;
mod http_fault;
mod http_flood;
mod http_normal;
mod logins;
mod packet_base;
mod packet_flood;
mod packet_normal;
mod packet_session;

use crate::episode::{Draft, Family};
use seawall_model::Cause;

const fn open(name: &'static str, cause: Cause, build: fn(u64) -> Draft) -> Family {
    Family { name, cause, evaluation_only: false, build }
}

const fn held(name: &'static str, cause: Cause, build: fn(u64) -> Draft) -> Family {
    Family { name, cause, evaluation_only: true, build }
}

static CATALOGUE: &[Family] = &[
    // attacks by HTTP
    open("http-flood-loud", Cause::HttpFlood, http_flood::loud),
    open("http-flood-rotating", Cause::HttpFlood, http_flood::rotating),
    open("http-flood-one-each", Cause::HttpFlood, http_flood::one_each),
    open("http-flood-mimic", Cause::HttpFlood, http_flood::mimic),
    held("http-flood-headless", Cause::HttpFlood, http_flood::headless),
    held("http-flood-within-a-crowd", Cause::HttpFlood, http_flood::within_a_crowd),
    open("http-flood-posts", Cause::HttpFlood, http_flood::posts),
    open("http-flood-random-paths", Cause::HttpFlood, http_flood::random_paths),
    open("http-flood-garbage", Cause::HttpFlood, http_flood::garbage),
    open("http-flood-pulses", Cause::HttpFlood, http_flood::pulses),
    open("http-flood-slow-ramp", Cause::HttpFlood, http_flood::slow_ramp),
    open("http-flood-on-an-api", Cause::HttpFlood, http_flood::on_an_api),
    open("cache-busting", Cause::CacheBusting, http_flood::cache_busting),
    held("cache-busting-everywhere", Cause::CacheBusting, http_flood::cache_busting_everywhere),
    open("expensive-endpoint", Cause::ExpensiveEndpoint, http_flood::expensive),
    open("slow-requests-log", Cause::SlowHttp, http_flood::slow_requests),
    open("slow-requests-packets", Cause::SlowHttp, packet_session::trickles),
    open("slow-reads-packets", Cause::SlowHttp, packet_session::sips),
    open("http2-resets", Cause::Http2Abuse, http_flood::http2_resets),
    // attacks by packets
    open("connection-flood", Cause::ConnectionFlood, packet_session::connections),
    open("tls-flood", Cause::TlsFlood, packet_session::tls),
    open("syn-flood-spoofed", Cause::SynFlood, packet_flood::syn_spoofed),
    open("syn-flood-single", Cause::SynFlood, packet_flood::syn_single),
    open("syn-flood-botnet", Cause::SynFlood, packet_flood::syn_botnet),
    held("syn-flood-carpet", Cause::SynFlood, packet_flood::syn_carpet),
    open("tcp-flags", Cause::TcpFlagFlood, packet_flood::flags),
    open("tcp-reflection", Cause::TcpReflection, packet_flood::tcp_reflection),
    open("udp-flood", Cause::UdpFlood, packet_flood::udp),
    open("udp-flood-pulses", Cause::UdpFlood, packet_flood::udp_pulses),
    held("udp-flood-carpet-pulses", Cause::UdpFlood, packet_flood::udp_carpet_pulses),
    open("icmp-flood", Cause::IcmpFlood, packet_flood::icmp),
    open("fragment-flood", Cause::FragmentFlood, packet_flood::fragments),
    open("amplification", Cause::Amplification, packet_flood::amplification),
    open("amplification-carpet", Cause::Amplification, packet_flood::amplification_carpet),
    held("amplification-mixed", Cause::Amplification, packet_flood::amplification_mixed),
    // attacks by DNS
    open("dns-random-subdomain", Cause::DnsRandomSubdomain, dns::random_subdomain),
    held("dns-coined-subdomain", Cause::DnsRandomSubdomain, dns::coined_subdomain),
    open("dns-query-flood", Cause::DnsFlood, dns::query_flood),
    open("dns-reflection", Cause::DnsReflection, dns::reflection),
    // abuse
    open("guessing-http", Cause::CredentialAbuse, http_abuse::guessing_single),
    open("stuffing-http", Cause::CredentialAbuse, http_abuse::stuffing),
    open("guessing-packets", Cause::CredentialAbuse, packet_session::guessing),
    open("guessing-log", Cause::CredentialAbuse, logins::guessing),
    open("scan-web", Cause::Scan, http_abuse::probing),
    open("scan-ports", Cause::Scan, packet_session::port_scan),
    open("scan-hosts", Cause::Scan, packet_session::host_sweep),
    open("scraping", Cause::Scraping, http_abuse::scraping),
    held("scraping-spread", Cause::Scraping, http_abuse::scraping_spread),
    open("dns-tunnel", Cause::DnsTunnel, dns::tunnel),
    // faults
    open("release-fault", Cause::ReleaseFault, http_fault::release),
    held("release-fault-retries", Cause::ReleaseFault, http_fault::release_with_retries),
    open("misconfiguration", Cause::Misconfiguration, http_fault::misconfiguration),
    open("slow-backend", Cause::SlowBackend, http_fault::slow_backend),
    held("slow-backend-stalls", Cause::SlowBackend, http_fault::stalling_backend),
    open("dns-retry-storm", Cause::SlowBackend, dns::retry_storm),
    open("load-balancer-fault", Cause::LoadBalancerFault, http_fault::load_balancer),
    held("load-balancer-flapping", Cause::LoadBalancerFault, http_fault::flapping_server),
    open("network-fault-http", Cause::NetworkFault, http_fault::network),
    open("network-fault-packets", Cause::NetworkFault, packet_normal::lossy),
    open("client-loop", Cause::ClientFault, http_fault::client_loop),
    // demand
    open("crowd-referred", Cause::FlashCrowd, http_demand::referred),
    open("crowd-mailing", Cause::FlashCrowd, http_demand::mailing),
    open("crowd-broadcast", Cause::FlashCrowd, http_demand::broadcast),
    open("crowd-news", Cause::FlashCrowd, http_demand::news),
    open("crowd-notification", Cause::FlashCrowd, http_demand::notification),
    held("crowd-tickets", Cause::FlashCrowd, http_demand::tickets),
    open("dns-new-zone", Cause::FlashCrowd, dns::new_zone),
    open("crawler", Cause::Crawler, http_demand::crawler),
    open("crawler-rude", Cause::Crawler, http_demand::crawler_rude),
    held("crawlers-together", Cause::Crawler, http_demand::crawlers_together),
    // nothing is the matter
    open("http-normal", Cause::Normal, http_normal::site),
    open("http-normal-api", Cause::Normal, http_normal::api),
    open("http-morning", Cause::Normal, http_normal::morning),
    open("http-monitored", Cause::Normal, http_normal::monitored),
    open("http-import", Cause::Normal, http_normal::import),
    open("http-page-load", Cause::Normal, http_normal::page_load),
    held("http-behind-a-proxy", Cause::Normal, http_normal::behind_a_proxy),
    open("packet-normal", Cause::Normal, packet_normal::mixed),
    open("packet-calls", Cause::Normal, packet_normal::calls),
    open("packet-quic", Cause::Normal, packet_normal::quic),
    open("packet-transfers", Cause::Normal, packet_normal::transfers),
    open("packet-page-burst", Cause::Normal, packet_normal::page_burst),
    open("packet-busy-questions", Cause::Normal, packet_normal::busy_questions),
    held("packet-one-sided", Cause::Normal, packet_normal::one_sided),
    open("dns-normal", Cause::Normal, dns::normal),
    open("dns-hashed-names", Cause::Normal, dns::hashed_names),
    held("dns-mail-lookups", Cause::Normal, dns::mail_lookups),
    open("logins-normal", Cause::Normal, logins::normal),
];

/// Every family of episodes, in a fixed order.
#[must_use]
pub fn catalogue() -> &'static [Family] {
    CATALOGUE
}
