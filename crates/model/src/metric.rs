//! Metrics: the quantities that findings are about. One table names each metric once, with its
//! evidence group, its unit and what it is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Groups of evidence. No single group may decide a diagnosis, so each is capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// How much.
    Rate,
    /// Who sends it.
    Who,
    /// What it asks for or consists of.
    What,
    /// What it does to the service.
    Capacity,
    /// What was changed shortly before.
    Change,
    /// What probes and counterparts see.
    Probe,
}

impl Group {
    pub const ALL: [Self; 6] = [Self::Rate, Self::Who, Self::What, Self::Capacity, Self::Change, Self::Probe];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Who => "who",
            Self::What => "what",
            Self::Capacity => "capacity",
            Self::Change => "change",
            Self::Probe => "probe",
        }
    }
}

/// How a metric's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Per second.
    PerSecond,
    BitsPerSecond,
    /// A fraction of one, shown as a percentage.
    Share,
    /// A number of things.
    Count,
    /// Dimensionless, such as requests per client.
    Ratio,
    Microseconds,
    Seconds,
    Bytes,
    /// Normalised entropy, 0 (all the same) to 1 (all different).
    Entropy,
}

macro_rules! metrics {
    ($($variant:ident $group:ident $unit:ident $name:literal $title:literal;)*) => {
        /// A quantity that findings are about. Names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Metric {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }

            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)* }
            }

            /// The stable identifier, such as `request-rate`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is, for people: "requests per second".
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

metrics! {
    // HTTP: how much
    RequestRate Rate PerSecond "request-rate" "requests per second";
    PageRate Rate PerSecond "page-rate" "requests per second, not counting the images and scripts of pages";
    CostPathRise Rate Ratio "cost-path-rise" "requests for the costliest path against before";
    RequestCount Rate Count "request-count" "requests in all";
    HttpBitRate Rate BitsPerSecond "http-bit-rate" "bits of answers per second";
    ConnectionRate Rate PerSecond "connection-rate" "new connections per second";
    PollRise Rate Ratio "poll-rise" "requests per second of one page that is open, against before";
    PeakRequestRate Rate PerSecond "peak-request-rate" "requests in the busiest second";
    ClientRate Rate PerSecond "client-rate" "distinct clients per second of the episode";
    // HTTP: who
    ClientCount Who Count "client-count" "distinct clients";
    RequestsPerClient Who Ratio "requests-per-client" "requests per client";
    ActiveRequestRate Who PerSecond "active-request-rate" "requests per second of a client while it is there";
    PeakRequestsPerClient Who PerSecond "peak-requests-per-client" "requests per second of the busiest client";
    NewClientShare Who Share "new-client-share" "clients never seen before";
    TopClientShare Who Share "top-client-share" "requests of the busiest client";
    NewNetworkShare Who Share "new-network-share" "networks (/24, /48) never seen before";
    TopUserAgentShare Who Share "top-user-agent-share" "requests with the commonest user agent";
    UserAgentRotation Who Share "user-agent-rotation" "clients that change their user agent";
    TopFingerprintShare Who Share "top-fingerprint-share" "requests with the commonest TLS or header fingerprint";
    CrawlerShare Who Share "crawler-share" "requests of declared crawlers";
    ToolShare Who Share "tool-share" "requests of declared tools and libraries";
    EmptyUserAgentShare Who Share "empty-user-agent-share" "requests without a user agent";
    TopReferrerShare Who Share "top-referrer-share" "page views from the commonest outside referrer";
    ReferrerRotation Who Ratio "referrer-rotation" "distinct outside referrers per page view";
    OwnClientShare Who Share "own-client-share" "requests of the commonest program that is no browser";
    ReturningShare Who Share "returning-share" "requests of clients seen before";
    CadenceRegularity Who Share "cadence-regularity" "clients that send at a machine's rhythm";
    MachineClientShare Who Share "machine-client-share" "requests of clients that no person's browser behaves like";
    HiddenClientShare Who Share "hidden-client-share" "requests whose client is hidden behind one address";
    ServiceExcess Who Share "service-excess" "additional requests that declared services and load tools send";
    WatchExcess Who Share "watch-excess" "additional requests by which declared monitors look whether the service is up";
    OwnNetworkExcess Who Share "own-network-excess" "additional requests that come from private addresses, unlike visitors";
    OwnProgramExcess Who Share "own-program-excess" "additional requests that come from a program known here";
    NewAgentExcess Who Share "new-agent-excess" "additional requests whose user agent was never seen before";
    BatchExcess Who Share "batch-excess" "additional requests of programs that work through a list, or fetch what they subscribe to";
    CrawlerExcess Who Share "crawler-excess" "additional requests that declared crawlers send";
    OfficeExcess Who Share "office-excess" "additional requests that many visitors behind one address send";
    TopClientExcess Who Share "top-client-excess" "additional requests that one address sends";
    NewWorkerCount Who Count "new-worker-count" "declared programs at work that were never seen before, nor their name";
    CopierShare Who Share "copier-share" "requests of clients that read page after page and nothing else";
    WorkerShare Who Share "worker-share" "requests of declared programs that use an interface, and are served";
    BareBrowserRate Rate PerSecond "bare-browser-rate" "requests per second of browsers that fetch no assets and name no referrer";
    BareBrowserShare Who Share "bare-browser-share" "requests of browsers that fetch no assets and name no referrer";
    GuesserCount Who Count "guesser-count" "clients that only try to log in";
    SeekerCount Who Count "seeker-count" "clients that ask for ever other things that are not there";
    ProberCount Who Count "prober-count" "clients that probe for what is not there";
    WalkerCount Who Count "walker-count" "clients that take item after item of a range of numbers";
    OwnLoadShare Who Share "own-load-share" "requests that declared tools send from private addresses";
    // HTTP: what
    EventShare What Share "event-share" "requests of declared services that only write, and whose writing is taken";
    InvitedShare What Share "invited-share" "requests of clients that follow a link which was sent out, and look at little more";
    SlowWayShare Who Share "slow-way-share" "clients whose answers take longer on their way than any used to";
    InsideShare Who Share "inside-share" "requests of clients that log in and get in each time";
    EnteredShare What Share "entered-share" "log-ins of clients that get in and go on from there";
    PagelessScriptShare What Share "pageless-script-share" "requests as of pages' scripts, by new clients that loaded no page";
    LingererShare Who Share "lingerer-share" "requests of those who were here already, while no others come";
    GuesserRequests What Count "guesser-requests" "log-in attempts of such clients";
    SeekerRequests What Count "seeker-requests" "requests of one client for ever other things that are not there";
    ProberRequests What Count "prober-requests" "requests of such probers";
    WalkerRequests What Count "walker-requests" "requests of such walkers";
    CopierRequests What Count "copier-requests" "requests of clients that read page after page and nothing else";
    DisguisedRequests What Count "disguised-requests" "requests of clients that repeat one request under ever other user agents";
    PollShare What Share "poll-share" "requests by which open pages ask for news";
    FailingScriptShare What Share "failing-script-share" "requests of open pages whose calls mostly fail";
    SubscriberShare What Share "subscriber-share" "requests of declared programs that fetch a feed or a calendar";
    CopyExcess What Share "copy-excess" "additional requests for pages that are each read about once";
    SearchedExcess What Share "searched-excess" "additional searches: requests of a form that is filled in otherwise each time";
    OrderedShare What Share "ordered-share" "requests that take items in the order of their numbers, whoever sends them";
    LoopShare What Share "loop-share" "usual requests that used to succeed and now are sent elsewhere";
    PastTheCacheShare What Share "past-the-cache-share" "files asked for under a random query of their own";
    ReopenedShare What Share "reopened-share" "requests that open sockets and streams again, of visitors who each hold few";
    SlowReads Capacity Count "slow-reads" "answers read at a trickle at the same time";
    SlowReadsPerClient Who Count "slow-reads-per-client" "answers that one client reads at a trickle at the same time";
    LostPartsShare What Share "lost-parts-share" "parts of pages that are not there";
    TypingShare What Share "typing-share" "queries that grow letter by letter, as people type";
    BatchShare What Share "batch-share" "requests of programs that work through a list by an interface";
    WriteShare What Share "write-share" "requests that change something (neither GET nor HEAD)";
    TransferShare What Share "transfer-share" "requests of a few clients that fetch file after file, all large";
    RepeaterShare What Share "repeater-share" "requests of clients that ask for the same again and again";
    RepeatedExcess What Share "repeated-excess" "additional requests that repeat one request";
    FamiliarExcess What Share "familiar-excess" "additional requests of kinds that were asked for before";
    AssetsPerPage What Ratio "assets-per-page" "assets fetched per page";
    BrowsingShare What Share "browsing-share" "requests of clients that fetch the parts of pages too";
    AssetlessClientShare What Share "assetless-client-share" "clients that fetch pages and no assets";
    TopPathShare What Share "top-path-share" "requests for the commonest path";
    TopUrlShare What Share "top-url-share" "requests for the commonest path and query";
    PathEntropy What Entropy "path-entropy" "spread of requests over paths";
    DistinctQueryShare What Share "distinct-query-share" "requests whose query was never repeated";
    DistinctPathShare What Share "distinct-path-share" "requests whose path was never repeated";
    RandomTextShare What Share "random-text-share" "requests with machine-random path or query";
    UnauthorisedShare What Share "unauthorised-share" "answers 401, 403 and failed logins";
    LoginAttemptRate What PerSecond "login-attempt-rate" "login attempts per second";
    LoginAttemptShare What Share "login-attempt-share" "requests that try to log in";
    LostLoginRate Rate PerSecond "lost-login-rate" "log-ins per second of clients that do not go on from there";
    LoginFailureRate Rate PerSecond "login-failure-rate" "failed log-ins per second";
    FailedLogins What Count "failed-logins" "failed log-ins";
    NotFoundShare What Share "not-found-share" "answers 404";
    ProbePathShare What Share "probe-path-share" "requests for files that only scanners ask for";
    ProberShare What Share "prober-share" "requests of clients that probe for what is not there";
    GuesserShare What Share "guesser-share" "requests of clients that only try to log in";
    InvalidVersionShare What Share "invalid-version-share" "requests with an HTTP version that does not exist";
    SequentialWalkShare What Share "sequential-walk-share" "clients that take item after item of a range of numbers";
    InvalidRequestShare What Share "invalid-request-share" "requests that are no valid HTTP";
    ClientErrorShare What Share "client-error-share" "answers 4xx";
    MovedShare What Share "moved-share" "answers that send the client elsewhere (301, 302, 303, 307, 308)";
    PostShare What Share "post-share" "requests that are POST";
    CacheHitShare What Share "cache-hit-share" "answers from cache";
    ResponseBytes What Bytes "response-bytes" "median size of an answer";
    // HTTP: capacity
    ServerErrorShare Capacity Share "server-error-share" "answers 5xx";
    GatewayErrorShare Capacity Share "gateway-error-share" "answers 502, 503, 504 at the proxy";
    GoodputRate Capacity PerSecond "goodput-rate" "good answers per second";
    DurationMedian Capacity Microseconds "duration-median" "median time to answer";
    DurationP95 Capacity Microseconds "duration-p95" "95th percentile of time to answer";
    ServiceTimeRatio Capacity Ratio "service-time-ratio" "time to answer per kind of request against normal";
    AssetTimeRatio Capacity Ratio "asset-time-ratio" "time to answer requests for assets against normal";
    LossStallShare Capacity Share "loss-stall-share" "requests for assets that come late by the wait for a lost packet, and hardly any by less";
    WayExcess Capacity Share "way-excess" "added time that passes between servers and clients, not in the service";
    CostConcentration Capacity Share "cost-concentration" "one path's share of all time spent";
    CostPathWeight Capacity Ratio "cost-path-weight" "time that a request for the costliest path takes, against others";
    CostPathHold Who Count "cost-path-hold" "requests for the costliest path that one client waits for at once";
    TopCostPathRequestShare Capacity Share "top-cost-path-share" "requests for the path that takes the most time";
    AssetAbortShare What Share "asset-abort-share" "requests for assets whose client went away waiting";
    ClientAbortShare Capacity Share "client-abort-share" "clients that went away waiting";
    RequestTimeoutShare Capacity Share "request-timeout-share" "requests never finished by the client (408, cR)";
    QueueAlone Capacity Microseconds "queue-alone" "mean time in the proxy's queue, where servers answer as fast as ever";
    QueueTime Capacity Microseconds "queue-time" "mean time in the proxy's queue";
    UpstreamFailureShare Capacity Share "upstream-failure-share" "requests that no upstream answered";
    NoServerShare Capacity Share "no-server-share" "requests for which the proxy found no server that spoke, time-outs aside";
    BrokenShare Capacity Share "broken-share" "usual requests that used to succeed and now fail";
    BackendTimeSkew Capacity Ratio "backend-time-skew" "time that the slowest server of a pool takes against the others";
    BarredShare Capacity Share "barred-share" "log-ins that used to get in and no longer do";
    CheckErrorShare Capacity Share "check-error-share" "answers 5xx that only health checks get, while visitors are served";
    BackendSkew Capacity Share "backend-skew" "difference of failures between servers of a pool";
    ServerDownEvents Capacity Count "server-down-events" "servers reported down";
    UpstreamFailureEvents Capacity Count "upstream-failure-events" "log lines of failed or timed-out upstreams";
    DurationLead Capacity Seconds "duration-lead" "how long answers slowed before requests rose";
    ErrorPathConcentration Capacity Share "error-path-concentration" "errors on the commonest failing path";
    // changes
    ChangeDistance Change Seconds "change-distance" "time from the last change to the onset";
    // packets: how much
    PacketRate Rate PerSecond "packet-rate" "packets per second";
    PacketCount Rate Count "packet-count" "packets in all";
    BitRate Rate BitsPerSecond "bit-rate" "bits per second";
    SynRate Rate PerSecond "syn-rate" "connection attempts per second";
    HalfOpenRate Rate PerSecond "half-open-rate" "connection attempts per second that never completed";
    HalfOpenCount Rate Count "half-open-count" "connection attempts that never completed";
    UnansweredUdpRate Rate PerSecond "unanswered-udp-rate" "UDP packets per second that nobody answers or asked for";
    UnansweredUdpBitRate Rate BitsPerSecond "unanswered-udp-bit-rate" "bits per second of UDP that nobody answers or asked for";
    ReflectedRate Rate PerSecond "reflected-rate" "unasked answers per second from one service port";
    ReflectedBitRate Rate BitsPerSecond "reflected-bit-rate" "bits per second of unasked answers from one service port";
    ReflectedCount Rate Count "reflected-count" "unasked answers from one service port";
    OddProtocolRate Rate PerSecond "odd-protocol-rate" "packets per second of protocols that hosts here do not speak";
    MessageRate Rate PerSecond "message-rate" "small messages per second to web services";
    Http2AbuseRate Rate PerSecond "http2-abuse-rate" "HTTP/2 streams reset at once or control-frame floods, per second";
    StrayNewRate Rate PerSecond "stray-new-rate" "stray TCP packets per second that each claim another connection";
    HalfOpenPerHost Rate PerSecond "half-open-per-host" "connection attempts per second to the busiest host that never completed";
    StrayTcpRate Rate PerSecond "stray-tcp-rate" "TCP packets per second that belong to no connection";
    FragmentRate Rate PerSecond "fragment-rate" "fragments per second";
    IcmpRate Rate PerSecond "icmp-rate" "ICMP packets per second";
    IcmpPerHost Rate PerSecond "icmp-per-host" "ICMP packets per second to the busiest host, replies aside";
    ConnectionsPerHost Rate PerSecond "connections-per-host" "new connections per second to the busiest host";
    ConnectionCount Rate Count "connection-count" "connections opened";
    DhcpRequestRate Rate PerSecond "dhcp-request-rate" "requests for an address (DHCP) per second";
    FallOfFewKinds Rate Share "fall-of-few-kinds" "part of a fall that two kinds of requests explain";
    BackendTroubleRate Rate PerSecond "backend-trouble-rate" "log lines per second of servers and upstreams that fail";
    JudgedTime Rate Seconds "judged-time" "how long the traffic is that is judged by itself";
    ReferenceTime Rate Seconds "reference-time" "how long the traffic is that this is compared with";
    AdminLoginRate Rate PerSecond "admin-login-rate" "short connections per second to terminals and desktops";
    // packets: who
    LoginGuesserShare Who Share "login-guesser-share" "failed log-ins of clients that hardly ever succeed";
    GuessedNames Who Count "guessed-names" "user names that one such client tried";
    LossyClientShare Who Share "lossy-client-share" "clients that must send much of what they say again";
    GoneNetworkShare Probe Share "gone-network-share" "usual clients of networks from which hardly anybody comes any more";
    LogHoleShare Probe Share "log-hole-share" "time in which nothing was written, while what was written is as ever";
    MissingClients Who Ratio "missing-clients" "clients fewer than expected, in standard errors";
    ReflectorCount Who Count "reflector-count" "distinct sources of unasked answers";
    SourceCount Who Count "source-count" "distinct source addresses";
    PacketsPerSource Who Ratio "packets-per-source" "packets per source address";
    TopSourceShare Who Share "top-source-share" "packets of the busiest source";
    TopDestinationShare Who Share "top-destination-share" "packets to the busiest destination";
    TopDestinationNetworkShare Who Share "top-destination-network-share" "unanswered packets to the busiest network (/24, /48)";
    DestinationCount Who Count "destination-count" "distinct destinations";
    PeakMessagesPerClient Who PerSecond "peak-messages-per-client" "small messages per second of the busiest client to a web service";
    ReflectedNetworkCount Who Count "reflected-network-count" "networks (/24, /48) that unasked answers go to";
    DhcpClientCount Who Count "dhcp-client-count" "machines that ask for an address (DHCP)";
    FailedOpenerCount Who Count "failed-opener-count" "sources whose connection attempts come to nothing";
    AdminClientCount Who Count "admin-client-count" "clients that only make short connections to terminals and desktops";
    SlowPerClient Who Count "slow-per-client" "slow connections of one client";
    IdlePerClient Who Count "idle-per-client" "idle connections of one client";
    NewSourceShare Who Share "new-source-share" "source addresses never seen before";
    SourcePortEntropy Who Entropy "source-port-entropy" "spread of source ports";
    // packets: what
    TwoWayShare What Share "two-way-share" "packets of flows in which both sides speak";
    SilentHostCount What Count "silent-host-count" "destinations of traffic that hardly anybody answers";
    UnansweredUdpShare What Share "unanswered-udp-share" "UDP packets that nobody answers or asked for";
    UdpNewShare What Share "udp-new-share" "such UDP packets that are each the first between their ports";
    OddProtocolShare What Share "odd-protocol-share" "packets of protocols that hosts here do not speak";
    UdpShare What Share "udp-share" "packets that are UDP";
    IcmpShare What Share "icmp-share" "packets that are ICMP";
    FragmentShare What Share "fragment-share" "packets that are fragments";
    HandshakeCompletion What Share "handshake-completion" "connection attempts that completed";
    RefusedShare What Share "refused-share" "connection attempts that were refused";
    SynShare What Share "syn-share" "TCP packets that are bare SYN";
    FilteredOpeningShare What Share "filtered-opening-share" "openings as systems of many kinds send them, where nothing else of TCP was captured";
    StrayTcpShare What Share "stray-tcp-share" "TCP packets that belong to no connection";
    ImpossibleFlagShare What Share "impossible-flag-share" "TCP packets with flags that no system sends";
    IcmpUnansweredShare What Share "icmp-unanswered-share" "ICMP packets beyond echo requests and their replies";
    ReflectedBytes What Bytes "reflected-bytes" "mean size of unasked answers";
    DestinationPortEntropy What Entropy "destination-port-entropy" "spread of one-way packets over destination ports";
    StrayNewShare What Share "stray-new-share" "stray TCP packets that each claim another connection";
    BackscatterRate Rate PerSecond "backscatter-rate" "connections per second that few servers accept for ever other addresses";
    StraySynAckShare What Share "stray-syn-ack-part" "SYN-ACK among stray TCP packets";
    StrayAnswerShare What Share "stray-answer-share" "stray TCP that answers as many web servers and middleboxes do, to one network";
    TopSourcePortShare What Share "top-source-port-share" "one-way packets from the commonest source port";
    SynAckStrayShare What Share "stray-syn-ack-share" "unasked SYN-ACK or RST answers among TCP packets";
    ReflectorPortShare What Share "reflector-port-share" "bytes from ports of services known to amplify, unasked";
    MeanPacketBytes What Bytes "mean-packet-bytes" "mean packet length";
    PortFanOut Who Count "port-fan-out" "destination ports tried by the busiest prober";
    HostFanOut Who Count "host-fan-out" "destinations tried by the busiest prober";
    SlowConnections Capacity Count "slow-connections" "connections held open by unfinished requests or slow readers";
    SlowConnectionShare Capacity Share "slow-connection-share" "connections that are slow or idle";
    IdleConnections Capacity Count "idle-connections" "connections held open on which the client says nothing";
    TlsAbandonedShare What Share "tls-abandoned-share" "TLS handshakes without any request after";
    CertificateRefusedShare Probe Share "certificate-refused-share" "failed TLS handshakes in which the client refused our certificate";
    UnheardRate Rate PerSecond "unheard-rate" "small messages per second to web services that hardly answer";
    UnheardPerClient Who PerSecond "unheard-per-client" "such messages per second of the busiest client";
    TlsHelloRate Rate PerSecond "tls-hello-rate" "TLS handshakes per second";
    ShortConnectionShare What Share "short-connection-share" "connections that carried little or nothing";
    ConnectionsPerClient Who Ratio "connections-per-client" "connections per client";
    Http2AbuseEvents What Count "http2-abuse-events" "HTTP/2 streams reset at once or control-frame floods";
    LoginConnections What Count "login-connections" "short connections of one client to a log-in service";
    RetransmissionShare Probe Share "retransmission-share" "TCP segments sent again, of the direction that loses more";
    ResetShare Probe Share "reset-share" "connections reset by the side that was asked, before it answered";
    OpeningsRepeatedShare Probe Share "openings-repeated-share" "connection attempts sent again for want of an answer";
    HandshakeTime Capacity Microseconds "handshake-time" "median time to open a connection";
    EmptyConnectionShare What Share "empty-connection-share" "connections on which the client said nothing";
    FanOutShare What Share "fan-out-share" "flows begun by sources that try many ports or hosts";
    UniformMessageShare What Share "uniform-message-share" "small messages to web services of one and the same length";
    RandomPayloadShare What Share "random-payload-share" "unanswered UDP packets that begin with random bytes";
    ConversationFragmentShare What Share "conversation-fragment-share" "datagrams in fragments that belong to conversations";
    UniformPayloadShare What Share "uniform-payload-share" "unanswered UDP packets with one and the same payload";
    UnreflectedUdpRate Rate PerSecond "unreflected-udp-rate" "UDP packets a second that nobody answers or asked for, and that are no answers of services that amplify";
    UnansweredUdpBytes What Bytes "unanswered-udp-bytes" "mean length of UDP packets that nobody answers or asked for";
    // DNS
    DnsQueryRate Rate PerSecond "dns-query-rate" "DNS queries per second";
    DnsQueryCount Rate Count "dns-query-count" "DNS queries in all";
    DnsFailureShare What Share "dns-failure-share" "DNS answers NXDOMAIN or SERVFAIL";
    DnsDistinctNameShare What Share "dns-distinct-name-share" "queried names under the busiest suffix that occur once";
    DnsSuffixShare What Share "dns-suffix-share" "queries under the busiest suffix";
    DnsLabelBytes What Bytes "dns-label-bytes" "mean length of the first labels under the busiest suffix";
    DnsRandomNameShare What Share "dns-random-name-share" "queried names whose first label looks machine-made";
    DnsFamiliarNameShare What Share "dns-familiar-name-share" "queries for machine-made names under the busiest suffix that are asked for again and again";
    DnsAddressNameShare What Share "dns-address-name-share" "queried names under the busiest suffix that are addresses written backwards";
    DnsAmplifyingNetworks Who Count "dns-amplifying-networks" "networks that ask for texts and keys, as many as if each asked alike";
    DnsAmplifyingShare What Share "dns-amplifying-share" "queries of kinds that make large answers (ANY, TXT, DNSKEY)";
    DnsRecursionShare What Share "dns-recursion-share" "queries that ask for recursion";
    DnsDirectShare Who Share "dns-direct-share" "queries for one zone by machines of many networks that ask as if we were their resolver";
    DnsOutboundRatio What Ratio "dns-outbound-ratio" "bytes answered per byte asked";
    DnsUnansweredShare Capacity Share "dns-unanswered-share" "DNS queries without an answer";
    DnsClientCount Who Count "dns-client-count" "distinct DNS clients";
    DnsQueriesPerClient Who Ratio "dns-queries-per-client" "queries per DNS client";
    DnsTopClientShare Who Share "dns-top-client-share" "queries of the busiest DNS client";
    DnsSuffixTopClientShare Who Share "dns-suffix-top-client-share" "queries under the busiest suffix by its busiest client";
    DnsNewClientShare Who Share "dns-new-client-share" "DNS clients never seen before";
    DnsServerCount Who Count "dns-server-count" "DNS servers that answer unasked";
    DnsUnsolicitedShare What Share "dns-unsolicited-share" "DNS answers to no query that was seen";
    DnsTopTypeShare What Share "dns-top-type-share" "queries under the busiest suffix for the commonest type";
    DnsDataTypeShare What Share "dns-data-type-share" "queries under the busiest suffix for types that carry data (TXT, NULL, CNAME, MX)";
    DnsRetryShare What Share "dns-retry-share" "queries that their client had sent before";
    DnsBrokenShare Capacity Share "dns-broken-share" "DNS questions answered with SERVFAIL or, to resolvers, REFUSED";
    DnsBrokenZoneShare What Share "dns-broken-zone-share" "such answers that are about one zone";
    DnsBrokenTime Capacity Microseconds "dns-broken-time" "time to such an answer, of the slow ones (95th percentile)";
    DnsAnswerTime Capacity Microseconds "dns-answer-time" "time to answer a DNS question, of the slow ones (90th percentile)";
    DnsLoopShare Who Share "dns-loop-share" "questions of clients that ask the same few names over and over, in vain";
    FailedChecks Probe Count "failed-checks" "checks of what the service needs that failed";
    ZoneTroubleEvents Probe Count "zone-trouble-events" "lines of name servers about zones that they cannot serve or trust";
    // services of ours as reflectors
    ReflectingRate Rate PerSecond "reflecting-rate" "questions a second to services of ours, each asker always the same, for answers many times as large";
    ReflectingRatio What Ratio "reflecting-ratio" "bytes answered per byte of such questions";
    ReflectingShare What Share "reflecting-share" "such questions among all UDP questions to the same service";
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
