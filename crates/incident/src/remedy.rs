//! What helps against each cause: corrective measures end this disturbance, preventive ones make
//! the next one shorter or impossible. One table, read by the report, the playbook and the
//! postmortem. Texts are commands to a person, without a full stop.

use seawall_model::Cause;
use seawall_model::report::TriageReport;

/// Both lists for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedies {
    pub corrective: &'static [&'static str],
    pub preventive: &'static [&'static str],
}

/// What ends it now. Where nothing could be read, nothing is to be ended.
#[must_use]
pub fn corrective(report: &TriageReport) -> &'static [&'static str] {
    let is_unread = !report.inputs.is_empty() && report.inputs.iter().all(|input| input.records == 0);
    if is_unread { &[READ_MORE] } else { remedies(report.verdict.cause).corrective }
}

/// What to have in place before the next time.
#[must_use]
pub fn preventive(cause: Cause) -> &'static [&'static str] {
    remedies(cause).preventive
}

/// The row of the table.
#[must_use]
pub fn remedies(cause: Cause) -> Remedies {
    match cause {
        Cause::Amplification | Cause::TcpReflection => REFLECTED,
        Cause::UdpFlood | Cause::IcmpFlood | Cause::FragmentFlood => VOLUME,
        Cause::SynFlood | Cause::TcpFlagFlood => SYN,
        Cause::ConnectionFlood | Cause::TlsFlood | Cause::SlowHttp | Cause::Http2Abuse => CONNECTIONS,
        Cause::HttpFlood | Cause::ExpensiveEndpoint => REQUESTS,
        Cause::CacheBusting => CACHE_BUSTING,
        Cause::DnsFlood | Cause::DnsRandomSubdomain => DNS,
        Cause::DnsReflection => REFLECTOR,
        Cause::Scan => SCAN,
        Cause::CredentialAbuse => CREDENTIALS,
        Cause::Scraping => SCRAPING,
        Cause::DnsTunnel => TUNNEL,
        Cause::ReleaseFault => RELEASE,
        Cause::Misconfiguration => CONFIGURATION,
        Cause::SlowBackend => BACKEND,
        Cause::LoadBalancerFault => BALANCER,
        Cause::NetworkFault => NETWORK,
        Cause::ClientFault => CLIENT,
        Cause::FlashCrowd => CROWD,
        Cause::Crawler => CRAWLER,
        Cause::Normal => Remedies { corrective: &[], preventive: &[] },
        Cause::Undecided => UNDECIDED,
    }
}

const REFLECTED: Remedies = Remedies {
    corrective: &[
        "drop the unasked answers by source port, length and direction, never by address: the \
         reflectors are other people's servers",
        "send the evidence to the upstream network and ask for a FlowSpec rule or a filter",
        "move what can be moved behind a scrubbing service or a CDN while the line is full",
    ],
    preventive: &[
        "agree with the upstream network beforehand who to call and which filters they install",
        "allow inbound UDP only from the resolvers and time servers that are really used",
        "keep spare line capacity, or a tested switch to a scrubbing service",
    ],
};

const VOLUME: Remedies = Remedies {
    corrective: &[
        "drop the traffic at the first instruction by its signature: protocol, port, length, fragment",
        "if the line itself is full, ask the upstream network to filter; nothing behind the line helps",
    ],
    preventive: &[
        "close every inbound protocol and port that no service uses, at the border",
        "agree with the upstream network beforehand on filters and contacts",
        "rehearse the switch to a scrubbing service",
    ],
};

const SYN: Remedies = Remedies {
    corrective: &[
        "switch SYN cookies on, on every machine that accepts connections",
        "drop what the signature matches before connection tracking sees it",
        "do not block by address while handshakes do not complete: the sources are likely forged",
    ],
    preventive: &[
        "keep SYN cookies on, with a backlog sized for the peak",
        "keep connection tracking out of the way of public services",
        "alert on connection attempts that do not complete",
    ],
};

const CONNECTIONS: Remedies = Remedies {
    corrective: &[
        "close connections that have no complete request in time",
        "limit connections per source, and streams per connection for HTTP/2",
        "block sources only once they completed a handshake and are over the limit",
    ],
    preventive: &[
        "put a proxy with header and body deadlines in front of every server that has none",
        "set limits on connections, streams and resets per source, and watch them",
        "size the number of open connections by measurement",
    ],
};

const REQUESTS: Remedies = Remedies {
    corrective: &[
        "limit or challenge what the signature matches, at the proxy, before the application",
        "shed what is dear (search, reports, exports) for clients not seen before",
        "serve from cache what may be stale, so that known visitors keep an answer",
        "do not answer an attack with more servers",
    ],
    preventive: &[
        "have a rate limit per source and in total on every public path, in place and tested",
        "make the dear paths cheaper or put them behind a cache or a log-in",
        "keep a baseline of normal traffic, so that new clients can be told from known ones",
        "rehearse the response, with the escalation to the provider",
    ],
};

const CACHE_BUSTING: Remedies = Remedies {
    corrective: &[
        "leave unknown query parameters out of the cache key, or refuse them",
        "limit or challenge requests with the signature's query shape",
        "serve stale while the origin is busy",
    ],
    preventive: &[
        "list the query parameters that each path knows, and let the cache drop all others",
        "collapse simultaneous requests for one page into one",
        "limit requests that miss the cache, per source and in total",
    ],
};

const DNS: Remedies = Remedies {
    corrective: &[
        "limit queries per suffix and per source network; answer truncated above the limit",
        "answer for names that cannot exist from the edge (aggressive use of NSEC, or a list of names)",
        "do not block resolvers: their users are real",
    ],
    preventive: &[
        "spread the zone over name servers in several networks and regions",
        "keep a second provider for the zone, tested and current",
        "limit response rates, and alert on answers that a name does not exist",
    ],
};

const REFLECTOR: Remedies = Remedies {
    corrective: &[
        "switch response rate limiting on, and refuse recursion to strangers",
        "answer ANY minimally (RFC 8482), and truncate large answers to forged victims",
    ],
    preventive: &[
        "let only own clients recurse",
        "keep answers small: fewer keys, short TXT records, UDP payload of 1232 bytes",
        "watch bytes sent against bytes received on port 53",
    ],
};

const SCAN: Remedies = Remedies {
    corrective: &[
        "look whether any probe was answered with other than an error",
        "slow or block the sources that completed a handshake, if they disturb",
    ],
    preventive: &["patch or close what the probes asked for", "expose only what must be public"],
};

const CREDENTIALS: Remedies = Remedies {
    corrective: &[
        "limit log-in attempts per source, per network and per account",
        "look for a success among the attempts, and reset those accounts",
        "challenge log-ins of clients not seen before",
    ],
    preventive: &[
        "require a second factor, or keys instead of passwords",
        "refuse passwords that are in published leaks",
        "slow every failed attempt down, per account and not only per address",
    ],
};

const SCRAPING: Remedies = Remedies {
    corrective: &[
        "limit item pages per source and per network to what a person reads",
        "challenge clients that fetch pages and no assets",
    ],
    preventive: &[
        "offer the data in bulk or by an interface with keys, where that is acceptable",
        "state limits in robots.txt and hold declared crawlers to them",
    ],
};

const TUNNEL: Remedies = Remedies {
    corrective: &[
        "find the machine behind the queries and take it off the network for examination",
        "refuse the suffix at the resolver",
    ],
    preventive: &[
        "let machines resolve names only through the own resolver",
        "alert on long, ever new names under one suffix",
    ],
};

const RELEASE: Remedies = Remedies {
    corrective: &[
        "roll the release back first, and look for the error afterwards",
        "block nobody: the clients are innocent",
    ],
    preventive: &[
        "release to a small share first, with automatic rollback on errors",
        "record every release where the monitoring sees it",
        "test the path that failed",
    ],
};

const CONFIGURATION: Remedies = Remedies {
    corrective: &[
        "take the last configuration change back",
        "compare what is running with what is in version control",
    ],
    preventive: &[
        "check configurations by machine before they are loaded",
        "keep configurations in version control, and change them in stages",
    ],
};

const BACKEND: Remedies = Remedies {
    corrective: &[
        "look at the slowest part first: locks, a missing index, a full disk, a supplier",
        "shed what waits on it, so that the rest of the service answers",
        "do not retry without a limit: retries are load",
    ],
    preventive: &[
        "set deadlines and concurrency limits towards every back end",
        "alert on waiting time of the back end, not on errors alone",
        "serve stale where the page allows",
    ],
};

const BALANCER: Remedies = Remedies {
    corrective: &[
        "ask the servers directly: if they answer, take the balancer's last change back",
        "take members with failures out of the pool, one at a time",
    ],
    preventive: &[
        "probe both through the balancer and around it",
        "check the balancer's configuration by machine, and keep a second balancer",
    ],
};

const NETWORK: Remedies = Remedies {
    corrective: &[
        "find the hop or the network where loss begins, and route around it",
        "call the network that it belongs to with times and addresses",
    ],
    preventive: &[
        "have two upstream networks, and probes from outside",
        "keep contacts and contract numbers of the networks at hand",
    ],
};

const CLIENT: Remedies = Remedies {
    corrective: &[
        "limit that client, and only that one",
        "take back its last release, or switch the feature off from the server",
    ],
    preventive: &[
        "retry with growing, random waits and a limit, in every own client",
        "let the server tell clients to wait (Retry-After), and test that they do",
    ],
};

const CROWD: Remedies = Remedies {
    corrective: &[
        "serve the page that all want from cache, stale if need be",
        "queue fairly when it is too much, and tell people how long they wait",
        "add servers: these are real visitors",
    ],
    preventive: &[
        "ask the people who plan campaigns for the date and the expected number",
        "measure how many visitors the service holds, before they come",
        "make the pages that campaigns point to cacheable",
    ],
};

const CRAWLER: Remedies = Remedies {
    corrective: &[
        "verify the crawler by its address, and limit what only claims to be one",
        "ask it to go slower in robots.txt or in its operator's console",
    ],
    preventive: &[
        "keep a sitemap with modification dates, so that crawlers fetch less",
        "keep endless paths (calendars, filters) away from crawlers",
    ],
};

const READ_MORE: &str = "collect what is missing, and run the triage again";

const UNDECIDED: Remedies = Remedies {
    corrective: &[
        "take only measures that can be undone: shed the surplus, serve stale, limit in total",
        READ_MORE,
    ],
    preventive: &[
        "keep a baseline of normal traffic",
        "log response times, hosts and the reason of errors",
        "record every change with its time",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_both_kinds_of_remedy() {
        for cause in Cause::ALL.iter().filter(|c| **c != Cause::Normal) {
            let Remedies { corrective, preventive } = remedies(*cause);
            assert!(corrective.len() >= 2 && preventive.len() >= 2, "{cause}");
            for text in corrective.iter().chain(preventive) {
                assert!(!text.ends_with('.') && !text.contains("  "), "{text}");
            }
        }
    }

    #[test]
    fn forgeable_sources_are_never_to_be_blocked_by_address() {
        for cause in [Cause::SynFlood, Cause::Amplification] {
            assert!(
                remedies(cause)
                    .corrective
                    .iter()
                    .any(|t| t.contains("never by address") || t.contains("do not block by address"))
            );
        }
    }
}
