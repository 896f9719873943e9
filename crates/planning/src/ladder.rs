//! The ladder: which measures each cause calls for, from mild to blunt, as data.
//!
//! A rung says what to do, to which traffic, and when it is right. What a rung becomes (a
//! measure, or an alternative that was rejected or waits) is decided by the planner with the
//! numbers of the case.

use seawall_model::Cause;
use seawall_model::plan::RateKey;
use seawall_model::signature::Layer;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    WaitingRoom,
    ServeStale,
    Shed,
    Limit(RateKey),
    Challenge,
    HeaderDeadline,
    Truncate,
    SynCookies,
    Block,
    Drop,
    FlowSpec,
    Blackhole,
    ProviderMode,
    ScaleOut,
    RollBack,
    /// The text says at what a person must look.
    Investigate(&'static str),
}

/// To which traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    All,
    /// The sender that nearly all of it comes from, or the path that most of it asks for while the site bears
    /// it, where there is one; else all.
    AllUnlessOne,
    /// One measure for each narrow signature.
    Signatures,
    /// What the cause consists of by definition, such as all UDP; not narrow.
    Kind,
    /// The heaviest sources that are proven to be real.
    Sources,
}

/// When a rung is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// No narrow signature sets most of the attack apart.
    NothingNarrow,
    /// The site is short of capacity, or nothing is known of that; until it is, it waits.
    Short,
    /// In reserve, whatever is known.
    Reserve(&'static str),
    /// Never for this cause; named so that the report says why.
    Never(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rung {
    pub(crate) step: Step,
    pub(crate) over: Over,
    pub(crate) when: When,
}

/// What a cause calls for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ladder {
    pub(crate) cause: Cause,
    /// The layer on which its signatures stand.
    pub(crate) layer: Layer,
    /// Whether the senders' addresses may be forged.
    pub(crate) forgeable: bool,
    pub(crate) rungs: &'static [Rung],
}

/// The ladder of a cause.
pub(crate) fn ladder(cause: Cause) -> Ladder {
    let rungs: &[Rung] = match cause {
        Cause::Amplification | Cause::UdpFlood | Cause::IcmpFlood | Cause::FragmentFlood => VOLUME,
        Cause::TcpFlagFlood | Cause::TcpReflection => STRAY_TCP,
        Cause::SynFlood => SYN,
        Cause::ConnectionFlood | Cause::TlsFlood => CONNECTIONS,
        Cause::SlowHttp => SLOW,
        Cause::HttpFlood => REQUESTS,
        Cause::Http2Abuse => STREAMS,
        Cause::CacheBusting => CACHE_BUSTING,
        Cause::ExpensiveEndpoint => COSTLY,
        Cause::DnsFlood => QUERIES,
        Cause::DnsRandomSubdomain => SUBDOMAINS,
        Cause::DnsReflection => REFLECTOR,
        Cause::DnsTunnel => TUNNEL,
        Cause::Scan => ABUSE,
        Cause::CredentialAbuse => GUESSING,
        Cause::Scraping => ABUSE,
        Cause::ReleaseFault => RELEASE,
        Cause::Misconfiguration => MISCONFIGURATION,
        Cause::SlowBackend => SLOW_BACKEND,
        Cause::LoadBalancerFault => BALANCER,
        Cause::NetworkFault => NETWORK,
        Cause::ClientFault => OWN_CLIENT,
        Cause::FlashCrowd => CROWD,
        Cause::Crawler => CRAWLER,
        Cause::Normal => &[],
        Cause::Undecided => UNDECIDED,
    };
    Ladder { cause, layer: cause.layer(), forgeable: cause.is_forgeable(), rungs }
}

const fn rung(step: Step, over: Over, when: When) -> Rung {
    Rung { step, over, when }
}

/// What sheds waits until there is too much to serve.
const SATURATED: When = When::Reserve("waits for saturation: refuses the surplus, unknown clients first");
const FORGED: When =
    When::Never("the senders' addresses may be forged; blocking them would hit the innocent");
const LINK_FULL: When = When::Reserve("waits for the link to fill up: closer measures do not help then");

const VOLUME: &[Rung] = &[
    rung(Step::Drop, Over::Signatures, When::Always),
    rung(Step::FlowSpec, Over::Signatures, When::Always),
    rung(Step::Limit(RateKey::Destination), Over::Kind, When::NothingNarrow),
    rung(Step::ProviderMode, Over::All, LINK_FULL),
    rung(Step::Blackhole, Over::All, LINK_FULL),
    rung(Step::Block, Over::Sources, FORGED),
];

const STRAY_TCP: &[Rung] = &[
    rung(Step::Drop, Over::Signatures, When::Always),
    rung(Step::FlowSpec, Over::Signatures, When::Always),
    rung(Step::Limit(RateKey::Destination), Over::Kind, When::NothingNarrow),
    rung(Step::ProviderMode, Over::All, LINK_FULL),
    rung(Step::Blackhole, Over::All, LINK_FULL),
    rung(Step::Block, Over::Sources, FORGED),
];

const SYN: &[Rung] = &[
    rung(Step::SynCookies, Over::All, When::Always),
    rung(Step::Drop, Over::Signatures, When::Always),
    rung(Step::FlowSpec, Over::Signatures, LINK_FULL),
    rung(Step::ProviderMode, Over::All, LINK_FULL),
    rung(Step::Blackhole, Over::All, LINK_FULL),
    rung(Step::Block, Over::Sources, FORGED),
];

const CONNECTIONS: &[Rung] = &[
    rung(Step::HeaderDeadline, Over::All, When::Always),
    rung(Step::Limit(RateKey::Source), Over::All, When::Always),
    rung(Step::Drop, Over::Signatures, When::Always),
    rung(
        Step::Block,
        Over::Sources,
        When::Reserve("waits for the limits: blocks only what goes on beyond them"),
    ),
    rung(Step::Shed, Over::All, When::Reserve("waits for the connection table to run full")),
    rung(Step::ProviderMode, Over::All, LINK_FULL),
];

const SLOW: &[Rung] = &[
    rung(Step::HeaderDeadline, Over::All, When::Always),
    rung(
        Step::Block,
        Over::Signatures,
        When::Reserve("waits for the deadline: slow connections cost nothing once closed in time"),
    ),
    rung(Step::Block, Over::Sources, When::Reserve("waits for the deadline: blocks only who comes back")),
    rung(
        Step::Challenge,
        Over::All,
        When::Never("a connection that never completes its request is never challenged"),
    ),
];

/// What is abused are connections. The requests that are seen meanwhile are other people's: what
/// these have in common, and who sends most of them, says nothing of the attack.
const STREAMS: &[Rung] = &[
    rung(Step::Limit(RateKey::Source), Over::All, When::Always),
    rung(
        Step::Investigate(
            "whether the web server ends connections that reset stream after stream (CVE-2023-44487): its version, and its limits on the streams and requests of a connection",
        ),
        Over::All,
        When::Always,
    ),
    rung(
        Step::Block,
        Over::Signatures,
        When::Never("streams that are reset are not among the requests that signatures are of"),
    ),
    rung(
        Step::Challenge,
        Over::All,
        When::Never("who resets a stream at once reads no answer; only visitors would have to solve it"),
    ),
    rung(Step::Shed, Over::All, SATURATED),
    rung(Step::ProviderMode, Over::All, When::Reserve("waits for the closer measures to fail")),
];

const REQUESTS: &[Rung] = &[
    rung(Step::Block, Over::Signatures, When::Always),
    rung(Step::Limit(RateKey::Source), Over::All, When::Always),
    rung(Step::Limit(RateKey::Network), Over::All, When::NothingNarrow),
    rung(Step::Challenge, Over::AllUnlessOne, When::NothingNarrow),
    rung(Step::ServeStale, Over::All, When::Always),
    rung(Step::Shed, Over::All, SATURATED),
    rung(
        Step::Limit(RateKey::Total),
        Over::All,
        When::Reserve("blunt: refuses visitors and attackers alike"),
    ),
    rung(Step::ProviderMode, Over::All, When::Reserve("waits for the closer measures to fail")),
    rung(
        Step::ScaleOut,
        Over::All,
        When::Reserve("pays for the attacker's requests; waits for the others to fail"),
    ),
];

const CACHE_BUSTING: &[Rung] = &[
    rung(Step::Block, Over::Signatures, When::Always),
    rung(Step::ServeStale, Over::All, When::Always),
    rung(Step::Limit(RateKey::Source), Over::All, When::Always),
    rung(Step::Limit(RateKey::Network), Over::All, When::NothingNarrow),
    rung(Step::Challenge, Over::AllUnlessOne, When::NothingNarrow),
    rung(Step::Shed, Over::All, SATURATED),
    rung(Step::ProviderMode, Over::All, When::Reserve("waits for the closer measures to fail")),
];

const COSTLY: &[Rung] = &[
    rung(Step::Block, Over::Signatures, When::Always),
    rung(Step::Challenge, Over::Kind, When::NothingNarrow),
    rung(Step::Limit(RateKey::Source), Over::Kind, When::Always),
    rung(Step::Limit(RateKey::Path), Over::Kind, When::NothingNarrow),
    rung(Step::ServeStale, Over::All, When::Always),
    rung(Step::Shed, Over::All, SATURATED),
];

const QUERIES: &[Rung] = &[
    rung(Step::Truncate, Over::Signatures, When::Always),
    rung(Step::Truncate, Over::All, When::NothingNarrow),
    rung(Step::Limit(RateKey::Network), Over::All, When::Always),
    rung(
        Step::Drop,
        Over::Signatures,
        When::Reserve("waits for truncation: real resolvers come back over TCP, forged ones do not"),
    ),
    rung(Step::ProviderMode, Over::All, LINK_FULL),
    rung(Step::Block, Over::Sources, FORGED),
];

const SUBDOMAINS: &[Rung] = &[
    rung(Step::Truncate, Over::Signatures, When::Always),
    rung(Step::Truncate, Over::Kind, When::NothingNarrow),
    rung(Step::Limit(RateKey::Total), Over::Signatures, When::Always),
    rung(Step::Limit(RateKey::Network), Over::All, When::NothingNarrow),
    rung(Step::Block, Over::Signatures, When::Never("names that exist under the suffix would go dark")),
    rung(Step::Block, Over::Sources, When::Never("the senders are resolvers with real users behind them")),
];

const REFLECTOR: &[Rung] = &[
    rung(Step::Truncate, Over::Signatures, When::Always),
    rung(Step::Truncate, Over::All, When::NothingNarrow),
    rung(Step::Limit(RateKey::Network), Over::All, When::Always),
    rung(
        Step::Investigate(
            "whether the server must answer strangers (recursion off, minimal-responses, ANY refused by RFC 8482)",
        ),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Sources, When::Never("the named senders are the victims of the attack")),
];

const TUNNEL: &[Rung] = &[
    rung(Step::Limit(RateKey::Source), Over::Signatures, When::Always),
    rung(
        Step::Investigate("which machine asks for the long names, and what runs on it"),
        Over::All,
        When::Always,
    ),
    rung(
        Step::Block,
        Over::Signatures,
        When::Reserve("waits for a person: some products answer by long names too"),
    ),
];

const ABUSE: &[Rung] = &[
    rung(Step::Limit(RateKey::Source), Over::Sources, When::Always),
    rung(Step::Block, Over::Sources, When::Always),
    rung(Step::Block, Over::Signatures, When::Always),
    rung(Step::Challenge, Over::All, When::Reserve("waits: the named sources are enough until others come")),
];

const GUESSING: &[Rung] = &[
    rung(Step::Limit(RateKey::Source), Over::Kind, When::Always),
    rung(Step::Block, Over::Sources, When::Always),
    rung(Step::Block, Over::Signatures, When::Always),
    rung(Step::Challenge, Over::Kind, When::NothingNarrow),
    rung(
        Step::Investigate("which of the accounts that logged in during the attack were guessed"),
        Over::All,
        When::Always,
    ),
];

const RELEASE: &[Rung] = &[
    rung(Step::RollBack, Over::All, When::Always),
    rung(Step::ServeStale, Over::All, When::Always),
    rung(
        Step::Investigate("the first errors after the change, in the application's log"),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Signatures, NO_ATTACK),
];

const NO_ATTACK: When = When::Never("these are our own visitors, and the fault is on our side");

const MISCONFIGURATION: &[Rung] = &[
    rung(Step::RollBack, Over::All, When::Always),
    rung(
        Step::Investigate(
            "the configuration of the failing host and path: the last reload, certificates, upstream names, permissions",
        ),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Signatures, NO_ATTACK),
];

const SLOW_BACKEND: &[Rung] = &[
    rung(Step::ServeStale, Over::All, When::Always),
    rung(
        Step::Investigate(
            "what the back end waits for: slow queries and locks in the database, a full connection pool, a slow supplier, disk and memory of its hosts",
        ),
        Over::All,
        When::Always,
    ),
    rung(
        Step::Shed,
        Over::All,
        When::Reserve("waits for the queue to grow: fewer requests at once are served faster"),
    ),
    rung(Step::ScaleOut, Over::All, When::Reserve("more front ends would press harder on what is slow")),
    rung(Step::Block, Over::Signatures, NO_ATTACK),
];

const BALANCER: &[Rung] = &[
    rung(Step::RollBack, Over::All, When::Always),
    rung(
        Step::Investigate(
            "the balancer itself: health checks, the state of each server, limits of connections and ports, a direct request to a server past the balancer",
        ),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Signatures, NO_ATTACK),
];

const NETWORK: &[Rung] = &[
    rung(
        Step::Investigate(
            "the path to us: interface errors and drops, a traceroute from outside, the supplier's status page, BGP announcements",
        ),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Signatures, NO_ATTACK),
];

const OWN_CLIENT: &[Rung] = &[
    rung(Step::Limit(RateKey::Source), Over::All, When::Always),
    rung(Step::RollBack, Over::All, When::Always),
    rung(
        Step::Investigate(
            "the client's retry loop: it needs back-off with jitter, and answers it can live with (429 with Retry-After)",
        ),
        Over::All,
        When::Always,
    ),
    rung(Step::Block, Over::Signatures, When::Never("these are our own users' installations")),
];

const CROWD: &[Rung] = &[
    rung(Step::ServeStale, Over::All, When::Short),
    rung(Step::WaitingRoom, Over::All, When::Short),
    rung(Step::ScaleOut, Over::All, When::Short),
    rung(Step::Block, Over::Signatures, When::Never("a crowd is people who were asked to come")),
    rung(
        Step::Limit(RateKey::Source),
        Over::All,
        When::Never("each visitor asks for no more than usual; there are more of them"),
    ),
];

const CRAWLER: &[Rung] = &[
    rung(
        Step::Limit(RateKey::Source),
        Over::All,
        When::Reserve(
            "waits for the crawl to slow visitors down; first ask for less by robots.txt or 503 with Retry-After",
        ),
    ),
    rung(Step::Block, Over::Signatures, When::Never("search engines that are blocked drop the site")),
];

const UNDECIDED: &[Rung] = &[
    rung(Step::ServeStale, Over::All, When::Short),
    rung(Step::Investigate("what is missing for a verdict"), Over::All, When::Always),
    rung(Step::Limit(RateKey::Source), Over::All, When::Reserve("waits for a verdict")),
    rung(Step::Block, Over::Signatures, When::Never("nothing is blocked on ambiguity")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Class;

    fn is_denial(step: Step) -> bool {
        matches!(step, Step::Block | Step::Drop | Step::FlowSpec | Step::Blackhole)
    }

    #[test]
    fn only_attacks_and_abuse_may_be_denied() {
        for cause in Cause::ALL {
            for rung in ladder(*cause).rungs {
                let is_open = !matches!(rung.when, When::Never(_));
                let may_deny = matches!(cause.class(), Class::Attack | Class::Abuse);
                assert!(may_deny || !is_denial(rung.step) || !is_open, "{cause}: {rung:?}");
            }
        }
    }

    #[test]
    fn forgeable_sources_are_never_a_scope() {
        for cause in Cause::ALL.iter().filter(|c| ladder(**c).forgeable) {
            for rung in ladder(*cause).rungs.iter().filter(|r| r.over == Over::Sources) {
                assert!(matches!(rung.when, When::Never(_)), "{cause}: {rung:?}");
            }
        }
    }

    #[test]
    fn every_trouble_calls_for_something() {
        for cause in Cause::ALL.iter().filter(|c| !matches!(c, Cause::Normal)) {
            assert!(!ladder(*cause).rungs.is_empty(), "{cause}");
        }
    }
}
