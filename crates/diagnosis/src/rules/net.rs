//! Floods of packets and connections.
//!
//! Sources of the traits: US-CERT TA14-017A (amplification ports and factors); RFC 4987 (SYN
//! flooding); Rossow, "Amplification Hell" (NDSS 2014); Kührer et al., "Hell of a Handshake"
//! (WOOT 2014) for TCP reflection; RFC 9411 and vendor reports for rates.

use super::{CauseRules, causes};
use crate::shape::Shape::{Above, AboveUnexpected, Below, Exceeds, Falls, Flat, Rises};

pub const TABLE: &[CauseRules] = causes! {
    Amplification prior -2.0
        needs [ReflectedCount Above(8.0, 60.0)]
        needs [ReflectedRate Above(4.0, 40.0)]
        needs [ReflectedNetworkCount Below(60.0, 12.0), ReflectorCount Above(10.0, 50.0)]
    {
        ReflectedRate Above(30.0, 500.0), 3.0 "no service sends this many answers that nobody asked for";
        ReflectedRate Rises(3.0, 20.0), 2.0 "such answers were rare before";
        ReflectorPortShare Above(0.15, 0.6), 3.0 "most bytes come from one kind of service that amplifies";
        ReflectedBytes Above(100.0, 350.0), 1.5 "the answers are large";
        ReflectorCount Above(3.0, 25.0), 2.5 "many servers answer at once";
        ReflectedNetworkCount Above(8.0, 50.0), -5.0 "they go to everybody, as those of a server of ours do";
        ReflectorCount Below(3.0, 1.0), -5.0 "a single server may just be captured from one side";
        TwoWayShare Below(0.6, 0.2), 1.0 "hardly any of it belongs to a conversation";
        ReflectedBitRate Below(6e4, 2.5e4), -6.0 "no line is filled by so little";
        FragmentShare Above(0.05, 0.3), 1.0 "large answers arrive in fragments";
    }
    Amplification prior -2.0
        needs [ReflectingRate Above(10.0, 60.0)]
    {
        ReflectingRate Above(15.0, 250.0), 3.5 "our services are asked in the name of others, each time the same, far more often than anybody needs";
        ReflectingRate Rises(3.0, 20.0), 1.5 "there was far less of it before";
        ReflectingRatio Above(2.5, 12.0), 3.0 "what our services send back is many times as large";
        ReflectingShare Above(0.2, 0.8), 1.5 "hardly anybody else asks them";
    }
    UdpFlood prior -2.0
        needs [UnansweredUdpShare Above(0.1, 0.4), OddProtocolShare Above(0.1, 0.4), DhcpRequestRate Above(10.0, 50.0), UnansweredUdpRate Rises(5.0, 20.0)]
        needs [UnreflectedUdpRate Above(30.0, 150.0), OddProtocolRate Above(15.0, 80.0), DhcpRequestRate Above(10.0, 50.0)]
    {
        UnansweredUdpRate Above(50.0, 1000.0), 3.0 "many packets a second that nobody asked for";
        UnansweredUdpRate Above(15.0, 80.0), 1.0 "more than stray packets make";
        UnansweredUdpRate Rises(3.0, 20.0), 2.0 "there was far less of it before";
        UnansweredUdpShare Above(0.3, 0.8), 2.5 "nobody answers them";
        UnansweredUdpShare Below(0.2, 0.05), -2.0 "nearly all UDP belongs to conversations, which begin unanswered";
        UdpNewShare Above(0.15, 0.6), 2.0 "they belong to no stream: each is the first between its ports";
        UniformPayloadShare Above(0.5, 0.95), 4.0 "they all carry the same, as tools fill their packets";
        UdpNewShare Below(0.08, 0.008), -8.5 "long streams look like a capture of one direction";
        RandomPayloadShare Above(0.5, 0.85), 2.5 "they begin with random bytes, as tools fill their packets";
        TopDestinationNetworkShare Below(0.15, 0.04), -5.0 "they go to hosts of all networks";
        UnansweredUdpRate Above(8000.0, 60000.0), 2.5 "few networks carry so much";
        UnansweredUdpBytes Above(150.0, 700.0), 1.0 "they are large, as filler is and questions are not";
        DhcpRequestRate Above(15.0, 80.0), 5.0 "machines ask for an address once";
        DhcpClientCount Above(20.0, 100.0), 2.5 "a new one asks each time, until no address is left";
        OddProtocolRate Above(50.0, 1000.0), 3.0 "no host here speaks such protocols";
        OddProtocolShare Above(0.3, 0.8), 3.5 "most packets are of protocols that nobody here speaks";
        TopSourcePortShare Above(0.5, 0.9), -1.0 "one source port, as answers of one service have";
        SourceCount Above(20.0, 300.0), 1.5 "it comes from many addresses";
        SourceCount Below(3.0, 1.0), -1.5 "one stream may just be captured from one side";
        PortFanOut Above(20.0, 60.0), -2.5 "one source tries port after port, as scanners do";
        ReflectorPortShare Above(0.3, 0.7), -5.0 "answers of known amplifiers explain it better";
        TwoWayShare Above(0.6, 0.95), -2.0 "most packets belong to conversations";
        DnsQueryRate Above(50.0, 400.0), -4.0 "they are DNS queries, which have names of their own";
    }
    IcmpFlood prior -2.0
        needs [IcmpRate Above(10.0, 40.0)]
        needs [IcmpShare Above(0.1, 0.4)]
        needs [IcmpPerHost Above(3.0, 20.0), IcmpUnansweredShare Above(0.2, 0.6)]
    {
        IcmpRate Above(25.0, 400.0), 3.5 "no diagnosis needs this much ICMP";
        IcmpRate Rises(3.0, 20.0), 2.0 "there was far less of it before";
        IcmpShare Above(0.3, 0.8), 3.0 "most packets are ICMP";
        IcmpShare Exceeds(0.15, 0.5), 1.5 "its share was far smaller before";
        IcmpUnansweredShare Above(0.3, 0.8), 1.0 "nobody answers it";
        IcmpUnansweredShare Below(0.1, 0.01), -1.0 "every echo is answered, as in a measurement";
        HostFanOut Above(15.0, 60.0), -5.0 "one source tries host after host, as scanners do";
        SourceCount Above(50.0, 1000.0), 1.0 "it comes from many addresses";
        ReflectorPortShare Above(0.2, 0.6), -3.0 "answers of known amplifiers explain it better";
        UnansweredUdpShare Above(0.2, 0.5), -4.0 "our hosts refuse UDP that nobody asked for";
        OddProtocolShare Above(0.2, 0.5), -4.0 "our hosts refuse protocols that they do not speak";
    }
    FragmentFlood prior -2.0
        needs [FragmentRate Above(15.0, 60.0)]
        needs [FragmentShare Above(0.15, 0.5)]
    {
        FragmentRate Above(25.0, 400.0), 3.0 "networks of today hardly fragment";
        FragmentRate Rises(3.0, 20.0), 2.0 "there were far fewer before";
        FragmentShare Above(0.3, 0.8), 4.0 "most packets are fragments";
        FragmentShare Exceeds(0.15, 0.5), 1.0 "their share was far smaller before";
        SourceCount Above(20.0, 300.0), 1.5 "they come from many addresses";
        ReflectorPortShare Above(0.15, 0.5), -4.0 "they belong to the large answers of known amplifiers";
        ConversationFragmentShare Above(0.4, 0.8), -6.0 "they belong to conversations";
        UdpNewShare Below(0.08, 0.008), -6.0 "long streams look like a capture of one direction";
        TwoWayShare Above(0.5, 0.9), -2.5 "most packets belong to conversations";
    }
    SynFlood prior -2.0
        needs [HalfOpenCount Above(10.0, 50.0), SynShare Above(0.4, 0.8), SynShare Exceeds(0.2, 0.5)]
        needs [HalfOpenRate Above(3.0, 25.0), SynRate Above(50.0, 400.0)]
        needs [HalfOpenPerHost Above(0.3, 3.0), SynRate Above(50.0, 400.0)]
        needs [OpeningsRepeatedShare Below(0.7, 0.45), SynRate Rises(20.0, 60.0), SynRate Above(1000.0, 5000.0)]
    {
        OpeningsRepeatedShare Above(0.1, 0.4), -4.0 "they are sent again, as systems do that wait for an answer";
        HalfOpenRate Above(20.0, 400.0), 3.0 "hundreds of connections a second are opened and left";
        HalfOpenRate Rises(3.0, 20.0), 1.5 "there were far fewer before";
        HandshakeCompletion Below(0.6, 0.15), 3.0 "people's connections complete";
        SynShare Above(0.3, 0.8), 2.0 "hardly anything but openings";
        SynShare Above(0.85, 0.98), 1.5 "nothing follows them";
        SynShare Exceeds(0.2, 0.6), 2.0 "openings used to be followed by what they were for";
        FilteredOpeningShare Above(0.7, 0.95), -8.0 "only openings were captured, and visitors' look like these";
        FailedOpenerCount Above(15.0, 200.0), 2.0 "they come from many addresses";
        FanOutShare Above(0.3, 0.9), -4.0 "the sources try port after port or host after host, as scanners do";
        SynRate Above(100.0, 2000.0), 2.0 "hundreds of openings a second";
        PortFanOut Above(20.0, 80.0), -1.5 "one source tries port after port, as scanners do";
        HostFanOut Above(20.0, 80.0), -1.0 "one source tries host after host, as scanners do";
        RefusedShare Above(0.3, 0.8), -1.5 "the attempts are refused, so nothing is held half open";
        FragmentShare Above(0.2, 0.6), -5.0 "no system sends its openings in fragments";
    }
    SynFlood prior -2.0
        needs [BackscatterRate Above(15.0, 60.0)]
        needs [StraySynAckShare Above(0.3, 0.6)]
    {
        BackscatterRate Above(20.0, 300.0), 4.0 "a server accepts connections for ever other addresses, as of forged openings that were not captured";
        BackscatterRate Rises(3.0, 15.0), 2.0 "it accepted far fewer before";
        StraySynAckShare Above(0.4, 0.9), 2.0 "it hears nothing of them again and sends nothing else";
        SourceCount Above(8.0, 60.0), -2.0 "many servers answer at once";
    }
    TcpFlagFlood prior -2.0
        needs [StrayTcpRate Above(10.0, 60.0)]
        needs [StrayTcpRate AboveUnexpected(10.0, 60.0), StrayTcpRate Rises(1.2, 1.8)]
        needs [StrayTcpShare Above(0.2, 0.6), ImpossibleFlagShare Above(0.1, 0.4), StrayNewRate Above(40.0, 250.0)]
    {
        StrayTcpRate Above(30.0, 600.0), 3.0 "many packets a second for connections that do not exist";
        StrayTcpRate Rises(3.0, 20.0), 2.0 "there were far fewer before";
        StrayTcpShare AboveUnexpected(0.4, 0.9), 2.0 "most TCP belongs to no connection";
        StrayTcpShare Exceeds(0.1, 0.4), 2.5 "TCP used to belong to connections";
        StrayNewShare Above(0.2, 0.7), 2.0 "each packet claims another connection";
        StrayNewShare Below(0.15, 0.04), -5.0 "long one-sided connections look like a capture of one direction";
        ImpossibleFlagShare Above(0.1, 0.5), 3.0 "no system sends such flags";
        SourceCount Above(50.0, 1000.0), 1.5 "it comes from many addresses";
        StraySynAckShare Above(0.2, 0.6), -3.5 "they accept connections, so somebody else was asked";
        PortFanOut Above(20.0, 80.0), -5.0 "one source tries port after port, as scanners do";
        StrayAnswerShare Above(0.3, 0.7), -5.0 "web servers and middleboxes answer, so somebody else asked them";
        TopDestinationNetworkShare Below(0.15, 0.04), -5.0 "they go to hosts of all networks, and a flood goes to somebody";
    }
    TcpReflection prior -2.0
        needs [StrayTcpRate Above(8.0, 40.0)]
        needs [StrayAnswerShare Above(0.2, 0.5)]
    {
        StrayTcpRate Above(20.0, 400.0), 3.0 "many answers that nobody asked for";
        StrayTcpRate Rises(3.0, 20.0), 2.0 "there were far fewer before";
        StrayAnswerShare Above(0.3, 0.8), 4.0 "web servers and middleboxes answer what we never asked";
        SourceCount Above(5.0, 60.0), 1.5 "many of them answer at once";
        StrayNewShare Below(0.1, 0.02), -3.0 "long one-sided connections look like a capture of one direction";
        TopDestinationNetworkShare Below(0.15, 0.04), -5.0 "they go to hosts of all networks, as those of a server of ours do";
    }
    TcpReflection prior -2.0
        needs [StrayTcpRate Above(8.0, 40.0)]
        needs [SynAckStrayShare Above(0.1, 0.4)]
        needs [StraySynAckShare Above(0.05, 0.3)]
    {
        StrayTcpRate Above(20.0, 400.0), 3.0 "many answers that nobody asked for";
        StrayTcpRate Rises(3.0, 20.0), 2.0 "there were far fewer before";
        SynAckStrayShare Above(0.3, 0.8), 3.0 "they accept or refuse connections that we never opened";
        SynAckStrayShare Exceeds(0.15, 0.4), 1.5 "such answers were rare before";
        StraySynAckShare Above(0.3, 0.8), 1.5 "most accept a connection";
        SourceCount Above(5.0, 60.0), 1.5 "many servers answer at once";
        TopSourcePortShare Above(0.3, 0.8), 1.0 "they are all one kind of server";
        StrayNewShare Below(0.1, 0.02), -3.0 "long one-sided connections look like a capture of one direction";
        TopDestinationNetworkShare Below(0.15, 0.04), -5.0 "they go to hosts of all networks, as those of a server of ours do";
        BackscatterRate Above(15.0, 60.0), -5.0 "few servers answer ever other addresses, so it is they who are asked";
    }
    ConnectionFlood prior -2.0
        needs [ConnectionCount Above(40.0, 200.0), IdleConnections Above(40.0, 200.0)]
        needs [ConnectionsPerHost Above(4.0, 15.0), ConnectionRate Above(60.0, 300.0), IdlePerClient Above(8.0, 50.0)]
        needs [ShortConnectionShare Above(0.3, 0.7), IdleConnections Above(10.0, 60.0), ConnectionsPerClient Above(60.0, 600.0)]
    {
        ConnectionRate Above(10.0, 200.0), 3.0 "many new connections a second";
        ConnectionRate Rises(3.0, 15.0), 2.0 "there were far fewer before";
        ConnectionRate Flat(1.3), -3.5 "as many connections as ever";
        EmptyConnectionShare Above(0.4, 0.9), 3.0 "they carry nothing";
        ShortConnectionShare Above(0.5, 0.9), 1.5 "they carry little";
        ShortConnectionShare Exceeds(0.2, 0.6), 1.5 "connections used to carry something";
        IdlePerClient Above(8.0, 60.0), 2.0 "one client holds many of them";
        SlowConnectionShare Above(0.1, 0.5), -5.0 "requests are begun on them";
        IdleConnections Above(10.0, 150.0), 3.5 "they are held open and nothing is said on them";
        ConnectionsPerClient Above(20.0, 200.0), 1.5 "nobody opens so many";
        ConnectionsPerClient Rises(3.0, 15.0), 1.0 "no client opened so many before";
        SourceCount Above(100.0, 1000.0), 1.0 "they come from many addresses";
        ShortConnectionShare Below(0.35, 0.1), -3.0 "they carry requests";
        TlsHelloRate Above(5.0, 50.0), -2.0 "they begin TLS";
        LoginConnections Above(8.0, 30.0), -2.5 "they go to a service that asks for a password";
        AdminLoginRate Above(0.5, 4.0), -3.0 "they go to a service that asks for a password, and something is said";
        PortFanOut Above(15.0, 60.0), -3.0 "they go to port after port, as scans do";
    }
    TlsFlood prior -2.0
        needs [TlsHelloRate Above(2.0, 8.0)]
        needs [TlsAbandonedShare Above(0.25, 0.6)]
    {
        TlsHelloRate Above(2.0, 40.0), 3.0 "many handshakes a second";
        TlsHelloRate Below(8.0, 3.0), -1.0 "checks of balancers and monitors are as many";
        TlsHelloRate Rises(3.0, 15.0), 2.0 "there were far fewer before";
        TlsAbandonedShare Above(0.4, 0.9), 4.0 "no request follows the handshake";
        TlsAbandonedShare Exceeds(0.2, 0.6), 1.0 "requests used to follow the handshake";
        CertificateRefusedShare Above(0.3, 0.7), -6.0 "they refuse our certificate, and say so";
        PageRate Falls(0.3, 0.1), -2.0 "it is the visitors who get no further";
        ConnectionsPerClient Above(15.0, 150.0), 1.5 "nobody opens so many";
        SourceCount Above(100.0, 1000.0), 1.0 "they come from many addresses";
    }
    Misconfiguration prior -2.5
        needs [TlsAbandonedShare Above(0.4, 0.8)]
        needs [TlsHelloRate Above(0.2, 1.0)]
        needs [PageRate Falls(0.6, 0.3), CertificateRefusedShare Above(0.3, 0.7)]
    {
        TlsAbandonedShare Above(0.4, 0.9), 2.5 "clients come and get no further than the handshake";
        CertificateRefusedShare Above(0.3, 0.7), 5.0 "they refuse our certificate, and say so";
        PageRate Falls(0.6, 0.15), 3.0 "requests stopped arriving";
        TlsHelloRate Rises(2.0, 8.0), 1.0 "handshakes used to succeed";
        ConnectionsPerClient Above(15.0, 100.0), -3.0 "nobody tries so often";
        TlsHelloRate Above(100.0, 1000.0), -3.0 "visitors are not so many";
    }
    Misconfiguration prior -2.5
        needs [RefusedShare Exceeds(0.2, 0.5)]
        needs [FailedOpenerCount Above(8.0, 30.0)]
        needs [FanOutShare Below(0.5, 0.2)]
        needs [DestinationPortEntropy Below(0.6, 0.3)]
    {
        RefusedShare Exceeds(0.2, 0.6), 3.0 "connections are refused where they used to be accepted";
        RefusedShare Above(0.5, 0.9), 2.0 "hardly a visitor gets in";
        FailedOpenerCount Above(10.0, 60.0), 2.0 "many visitors try, each in vain";
        DestinationPortEntropy Below(0.3, 0.1), 1.0 "they come to the service that they always came to";
        PortFanOut Above(15.0, 60.0), -4.0 "one source tries port after port, as scanners do";
        HostFanOut Above(15.0, 60.0), -4.0 "one source tries host after host, as scanners do";
        ConnectionsPerClient Above(40.0, 300.0), -3.0 "nobody tries so often";
        SynRate Above(300.0, 3000.0), -3.0 "visitors are not so many";
        HalfOpenRate Above(20.0, 200.0), -3.0 "connections are opened and left";
    }
    Http2Abuse prior -2.0
        needs [Http2AbuseEvents Above(2.0, 20.0)]
        needs [Http2AbuseRate Above(0.5, 5.0)]
    {
        Http2AbuseEvents Above(3.0, 100.0), 4.0 "streams are reset at once or control frames flood";
        Http2AbuseEvents Rises(2.0, 8.0), 1.0 "people who leave a page reset far fewer";
        Http2AbuseRate Above(2.0, 30.0), 3.0 "people who leave a page reset far fewer";
        Http2AbuseRate Rises(3.0, 15.0), 2.0 "there were far fewer before";
        ConnectionsPerClient Above(3.0, 100.0), 1.0 "one client keeps coming back";
        RequestRate Above(20.0, 400.0), 1.5 "no browser sends so many requests";
        PacketRate Above(50.0, 1000.0), 1.0 "the connection never rests";
    }
    Http2Abuse prior -2.5
        needs [UnheardRate Above(40.0, 200.0)]
        needs [UnheardPerClient Above(15.0, 60.0)]
    {
        UnheardRate Above(60.0, 500.0), 3.0 "many small messages a second that are hardly answered, as of streams that are given up";
        UnheardRate Rises(3.0, 15.0), 1.0 "there were far fewer before";
        UnheardPerClient Above(15.0, 60.0), 3.0 "no browser says so much without an answer";
        PacketRate Above(50.0, 1000.0), 1.0 "the connection never rests";
        SlowConnections Above(8.0, 60.0), -6.0 "requests are begun and never finished";
    }
    Scan prior -2.0
        needs [PortFanOut Above(8.0, 30.0), HostFanOut Above(8.0, 30.0), SilentHostCount Above(25.0, 80.0), ProberShare Above(0.02, 0.1), ProbePathShare Above(0.05, 0.3), SeekerRequests Above(80.0, 300.0)]
    {
        PortFanOut Above(10.0, 60.0), 4.0 "one source tries port after port";
        HostFanOut Above(10.0, 60.0), 4.0 "one source tries host after host";
        SilentHostCount Above(25.0, 100.0), 3.5 "host after host is tried where nobody answers, each now and then";
        HalfOpenPerHost Below(2.0, 0.3), 2.0 "no host is tried so often that it would suffer";
        FanOutShare Above(0.3, 0.9), 3.0 "most of what is begun is begun by such sources";
        SynShare Above(0.6, 0.95), 1.5 "openings and nothing after them";
        DestinationPortEntropy Above(0.7, 0.95), 1.5 "hardly a port is tried twice";
        ImpossibleFlagShare Above(0.1, 0.5), 2.0 "flags that no system sends, to see how it answers";
        RefusedShare Above(0.2, 0.7), 2.0 "what it tries is mostly closed";
        HandshakeCompletion Below(0.5, 0.1), 1.0 "it does not want to talk";
        TopSourceShare Above(0.2, 0.5), 1.0 "one source does it";
        TopSourceShare Below(0.05, 0.005), -3.0 "no single source does it";
        ProberShare Above(0.05, 0.5), 3.5 "its clients ask for what only scanners ask for";
        SeekerRequests Above(80.0, 500.0), 4.0 "one client asks for ever other things that are not there";
        SeekerCount Above(0.0, 1.0), 2.0 "some clients do nothing else";
        ProberRequests Below(20.0, 8.0), -2.0 "a handful of such requests, as old links and tools bring";
        ProberRequests Above(15.0, 150.0), 1.5 "hundreds of such requests";
        ProberCount Above(0.0, 1.0), 1.0 "some clients do nothing else";
        ProbePathShare Above(0.05, 0.4), 2.0 "files that no page of the site names";
        NotFoundShare Above(0.25, 0.7), 1.5 "most of it is not there";
        ToolShare Above(0.3, 0.9), 1.0 "a program asks";
        TopClientShare Above(0.3, 0.8), 1.0 "one client does it";
        RandomTextShare Above(0.5, 0.9), -2.5 "random names find nothing; scanners try known ones";
        SynRate Above(4000.0, 20000.0), -4.0 "far faster than any scan needs";
        UnansweredUdpBytes Above(200.0, 800.0), -5.0 "such large packets ask nothing";
        UniformPayloadShare Above(0.6, 0.95), -4.0 "the same bytes for every port ask nothing";
        UnansweredUdpRate Above(1500.0, 8000.0), -3.0 "far faster than any scan needs";
        BrokenShare Above(0.1, 0.4), -3.0 "what visitors usually ask for fails too";
    }
};

#[cfg(test)]
mod tests {
    use crate::diagnose;
    use seawall_model::Cause;
    use seawall_model::finding::{Finding, Findings};
    use seawall_model::metric::Metric::{self, *};
    use seawall_model::policy::Policy;

    fn verdict(values: &[(Metric, f64)]) -> Cause {
        verdict_beside(values.iter().map(|(metric, observed)| (*metric, *observed, None)))
    }

    /// The verdict on metrics, each observed and, where one is given, expected.
    fn verdict_beside(values: impl IntoIterator<Item = (Metric, f64, Option<f64>)>) -> Cause {
        let mut findings = Findings { duration_s: 60.0, ..Findings::default() };
        for (metric, observed, expected) in values {
            let (surprise, support, onset) = (0.0, 1_000.0, None);
            findings.insert(Finding { metric, observed, expected, surprise, support, onset });
        }
        diagnose(&findings, &Policy::default()).verdict.cause
    }

    /// Broke: what a firewall logs of a scan is nothing but openings, and stayed undecided.
    #[test]
    fn a_scan_that_only_a_firewall_saw_has_its_name() {
        let seen = |spread: f64, ports: f64| {
            verdict(&[
                (PortFanOut, ports),
                (TopSourceShare, 0.98),
                (SynShare, 1.0),
                (DestinationPortEntropy, spread),
                (PacketRate, 5.0),
            ])
        };
        assert_eq!(seen(0.99, 266.0), Cause::Scan);
        assert_ne!(seen(0.1, 1.0), Cause::Scan, "one port");
    }

    /// Broke: a service that refused all its visitors after a restart was normal traffic.
    #[test]
    fn visitors_who_are_refused_where_they_got_in_before_are_met_by_a_fault() {
        let seen = |before: f64, spread: f64, fan_out: f64| {
            verdict_beside([
                (RefusedShare, 0.97, Some(before)),
                (FailedOpenerCount, 200.0, Some(0.0)),
                (FanOutShare, fan_out, Some(0.0)),
                (DestinationPortEntropy, spread, Some(0.0)),
                (PortFanOut, fan_out * 200.0, Some(0.0)),
                (TopSourceShare, 0.03, Some(0.03)),
                (PacketRate, 60.0, Some(400.0)),
                (TwoWayShare, 0.95, Some(0.97)),
            ])
        };
        assert_eq!(seen(0.0, 0.01, 0.0), Cause::Misconfiguration);
        assert_ne!(seen(0.96, 0.01, 0.0), Cause::Misconfiguration, "as ever");
        assert_ne!(seen(0.0, 0.98, 0.9), Cause::Misconfiguration, "a scan");
    }

    /// Broke: a server that closed the connections of all its clients at once was flooding somebody.
    #[test]
    fn stray_packets_to_hosts_of_all_networks_flood_nobody() {
        let seen = |to_one_network: f64| {
            verdict(&[
                (StrayTcpRate, 690.0),
                (StrayTcpShare, 1.0),
                (StrayNewShare, 1.0),
                (StrayNewRate, 690.0),
                (TopDestinationNetworkShare, to_one_network),
                (PacketRate, 900.0),
            ])
        };
        assert_eq!((seen(0.002), seen(0.9)), (Cause::Undecided, Cause::TcpFlagFlood));
    }

    /// Broke: checks of balancers were a flood of empty connections.
    #[test]
    fn a_few_empty_connections_a_second_to_each_host_are_checks() {
        let seen = |per_host: f64| {
            verdict(&[
                (ConnectionCount, 2_300.0),
                (ConnectionRate, 37.0),
                (ConnectionsPerHost, per_host),
                (ConnectionsPerClient, 1_000.0),
                (EmptyConnectionShare, 0.95),
                (ShortConnectionShare, 0.95),
                (TwoWayShare, 0.8),
                (HandshakeCompletion, 1.0),
            ])
        };
        assert_eq!((seen(3.6), seen(37.0)), (Cause::Normal, Cause::ConnectionFlood));
    }

    /// Broke: a flood over all ports of a host was called a scan.
    #[test]
    fn the_same_bytes_for_every_port_are_no_scan() {
        let seen = |uniform: f64| {
            verdict(&[
                (PortFanOut, 266.0),
                (FanOutShare, 0.98),
                (DestinationPortEntropy, 0.99),
                (UnansweredUdpRate, 850.0),
                (UnreflectedUdpRate, 850.0),
                (UnansweredUdpShare, 0.8),
                (UdpNewShare, 1.0),
                (UnansweredUdpBytes, 46.0),
                (UniformPayloadShare, uniform),
            ])
        };
        assert_eq!((seen(1.0), seen(0.0)), (Cause::UdpFlood, Cause::Scan));
    }

    #[test]
    fn what_nothing_explains_accuses_nobody() {
        let burst = [
            (PacketRate, 250.0),
            (DnsQueryRate, 18.0),
            (DnsQueryCount, 95.0),
            (DnsUnansweredShare, 1.0),
            (DnsServerCount, 1.0),
        ];
        assert_ne!(verdict(&burst), Cause::DnsFlood);
        let hosts = [(HostFanOut, 44.0), (UnansweredUdpBytes, 1_378.0), (UnansweredUdpShare, 1.0)];
        assert_ne!(verdict(&hosts), Cause::Scan);
    }

    #[test]
    fn echoes_make_no_conversation_of_fragments() {
        let flood = [
            (FragmentShare, 0.97),
            (FragmentRate, 30_000.0),
            (TwoWayShare, 0.99),
            (IcmpPerHost, 3_000.0),
            (SourceCount, 30.0),
        ];
        assert_eq!(verdict(&flood), Cause::FragmentFlood);
        assert_eq!(verdict(&[&flood[..], &[(ConversationFragmentShare, 1.0)]].concat()), Cause::Normal);
    }

    #[test]
    fn fragments_of_openings_are_a_flood_of_fragments() {
        let seen = [
            (FragmentRate, 20_000.0),
            (FragmentShare, 0.93),
            (HalfOpenCount, 9_000.0),
            (HalfOpenRate, 1_800.0),
            (HandshakeCompletion, 0.0),
            (SynShare, 0.5),
            (SourceCount, 14_000.0),
        ];
        assert_eq!(verdict(&seen), Cause::FragmentFlood);
    }

    #[test]
    fn protocols_that_nobody_speaks_are_a_flood_and_our_refusals_are_not_the_cause() {
        let seen = [
            (OddProtocolRate, 4_000.0),
            (OddProtocolShare, 0.8),
            (UnansweredUdpRate, 0.0),
            (UnreflectedUdpRate, 0.0),
            (UnansweredUdpShare, 0.0),
            (IcmpRate, 800.0),
            (IcmpShare, 0.2),
            (SourceCount, 5_000.0),
        ];
        assert_eq!(verdict(&seen), Cause::UdpFlood);
    }

    #[test]
    fn held_connections_without_a_word_are_a_connection_flood() {
        let seen = [
            (ConnectionCount, 900.0),
            (ConnectionRate, 15.0),
            (ConnectionsPerHost, 15.0),
            (ShortConnectionShare, 0.97),
            (IdleConnections, 300.0),
            (ConnectionsPerClient, 120.0),
            (TwoWayShare, 0.85),
            (HandshakeCompletion, 0.97),
        ];
        assert_eq!(verdict(&seen), Cause::ConnectionFlood);
    }

    /// Broke: connections that were opened in a moment and held without a word got no name when they were given
    /// up, since by then none was opened any more.
    #[test]
    fn held_connections_are_a_flood_also_when_none_is_opened_any_more() {
        let seen = |idle: f64| {
            verdict(&[
                (ConnectionCount, 4.0),
                (IdleConnections, idle),
                (IdlePerClient, idle / 6.0),
                (TwoWayShare, 0.96),
                (HandshakeCompletion, 1.0),
                (AssetsPerPage, 4.0),
            ])
        };
        assert_eq!((seen(360.0), seen(18.0)), (Cause::ConnectionFlood, Cause::Normal));
    }

    /// Broke: seven handshakes a second from everywhere, none of which was gone on with, had no name.
    #[test]
    fn few_handshakes_that_nobody_goes_on_with_are_a_flood_if_they_are_no_checks() {
        let seen = |per_s: f64, sources: f64| {
            verdict(&[
                (TlsHelloRate, per_s),
                (TlsAbandonedShare, 0.998),
                (SourceCount, sources),
                (ConnectionsPerClient, 3.0),
                (TwoWayShare, 0.85),
                (HandshakeCompletion, 1.0),
                (PacketRate, 68.0),
                (UnansweredUdpRate, 0.0),
            ])
        };
        assert_eq!((seen(9.0, 440.0), seen(3.0, 5.0)), (Cause::TlsFlood, Cause::Normal));
    }

    #[test]
    fn openings_that_are_sent_again_are_those_of_a_broken_way() {
        let seen = [
            (HalfOpenCount, 140.0),
            (HalfOpenRate, 14.0),
            (HalfOpenPerHost, 14.0),
            (HandshakeCompletion, 0.1),
            (SynShare, 0.6),
            (FailedOpenerCount, 70.0),
            (TwoWayShare, 0.5),
            (RetransmissionShare, 0.3),
            (LossyClientShare, 0.6),
            (OpeningsRepeatedShare, 0.6),
        ];
        assert_eq!(verdict(&seen), Cause::NetworkFault);
        let forged = [&seen[..6], &[(OpeningsRepeatedShare, 0.0)]].concat();
        assert_eq!(verdict(&forged), Cause::SynFlood);
    }

    /// Broke: browsers that repeat their openings to a server that is gone were called a SYN flood.
    #[test]
    fn who_tries_to_reach_a_dead_server_does_not_flood_it() {
        let dead = |repeated: f64, syn_rate: f64| {
            verdict_beside([
                (HalfOpenCount, 4_600.0, Some(0.0)),
                (HalfOpenRate, 132.0, Some(0.0)),
                (HalfOpenPerHost, 132.0, None),
                (HandshakeCompletion, 0.001, Some(1.0)),
                (SynShare, 0.99, Some(0.11)),
                (SynRate, syn_rate, Some(20.0)),
                (FailedOpenerCount, 700.0, Some(0.0)),
                (OpeningsRepeatedShare, repeated, Some(0.0)),
                (LossyClientShare, 0.9, Some(0.0)),
                (PacketRate, 200.0, Some(180.0)),
            ])
        };
        assert_eq!(dead(0.73, 130.0).class(), seawall_model::cause::Class::Fault);
        assert_eq!(dead(0.0, 130.0), Cause::SynFlood);
        assert_eq!(dead(0.73, 9_000.0), Cause::SynFlood, "far more than any visitors send");
    }

    #[test]
    fn a_monitor_that_pings_many_hosts_floods_none() {
        let pings = |per_host: f64| {
            verdict(&[
                (IcmpRate, 200.0),
                (IcmpShare, 1.0),
                (IcmpPerHost, per_host),
                (IcmpUnansweredShare, 0.0),
                (SourceCount, 200.0),
                (TwoWayShare, 0.95),
                (PacketRate, 200.0),
            ])
        };
        assert_eq!(pings(0.5), Cause::Normal);
        assert_eq!(pings(100.0), Cause::IcmpFlood);
    }

    #[test]
    fn devices_that_report_on_long_connections_are_no_flood() {
        let reports = |per_client: f64, connections: f64| {
            verdict(&[
                (MessageRate, 120.0),
                (UniformMessageShare, 1.0),
                (PeakMessagesPerClient, per_client),
                (ConnectionRate, connections),
                (TwoWayShare, 0.95),
                (PacketRate, 400.0),
            ])
        };
        assert_eq!(reports(1.0, 0.0), Cause::Normal);
        assert_eq!(reports(60.0, 0.0), Cause::HttpFlood);
    }

    /// Broke: beside a video call or a speed test, as many sealed requests as ever were called a flood.
    #[test]
    fn sealed_requests_that_are_as_many_and_as_alike_as_ever_are_no_flood() {
        let beside_a_call = |messages: f64, per_client: f64| {
            verdict_beside([
                (MessageRate, messages, Some(245.0)),
                (UniformMessageShare, 0.8, Some(0.8)),
                (PeakMessagesPerClient, per_client, Some(6.0)),
                (ConnectionRate, 50.0, Some(51.0)),
                (PacketRate, 6_700.0, Some(1_200.0)),
            ])
        };
        assert_ne!(beside_a_call(247.0, 6.0), Cause::HttpFlood);
        assert_eq!(beside_a_call(2_470.0, 2_000.0), Cause::HttpFlood);
    }

    #[test]
    fn worms_that_knock_at_an_unused_network_are_no_flood() {
        let seen = [
            (HalfOpenCount, 6_000.0),
            (HalfOpenRate, 20.0),
            (HalfOpenPerHost, 0.17),
            (HandshakeCompletion, 0.0),
            (SynShare, 1.0),
            (FailedOpenerCount, 2_300.0),
            (SilentHostCount, 254.0),
            (TopSourceShare, 0.001),
            (PacketRate, 20.0),
        ];
        assert_eq!(verdict(&seen), Cause::Scan);
    }

    #[test]
    fn one_direction_of_long_streams_is_no_flood() {
        let udp = [
            (UnansweredUdpRate, 200.0),
            (UnreflectedUdpRate, 200.0),
            (UnansweredUdpShare, 0.95),
            (UdpNewShare, 0.0005),
            (SourceCount, 2.0),
            (PacketRate, 210.0),
        ];
        let tcp = [
            (StrayTcpRate, 900.0),
            (StrayTcpShare, 1.0),
            (StrayNewShare, 0.01),
            (SourceCount, 30.0),
            (PacketRate, 900.0),
        ];
        assert_ne!(verdict(&udp), Cause::UdpFlood);
        assert_ne!(verdict(&tcp), Cause::TcpFlagFlood);
    }
}
