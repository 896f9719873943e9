//! Normal traffic, which is a hypothesis like any other: it must be able to win.

use super::{CauseRules, causes};
use crate::shape::Shape::{Above, AboveUnexpected, Below, Exceeds, Falls, Flat, Rises, Shifts};

pub const TABLE: &[CauseRules] = causes! {
    Normal prior 1.0 {
        PageRate Flat(1.6), 1.5 "as many requests as ever";
        RequestRate Below(20.0, 2.0), 1.5 "few requests a second";
        PageRate Below(0.8, 0.2), 1.5 "few pages a second, however many there were before";
        PacketRate Flat(1.6), 1.5 "as many packets as ever";
        PacketRate Below(2000.0, 100.0), 0.75 "few packets a second";
        TwoWayShare Above(0.5, 0.9), 2.5 "packets belong to conversations";
        AssetsPerPage Above(0.4, 1.5), 1.5 "browsers fetch pages with their assets";
        AssetsPerPage Flat(1.5), 1.0 "browsers behave as ever";
        MachineClientShare Below(0.2, 0.0), 1.0 "no client behaves like a program in a hurry";
        MachineClientShare AboveUnexpected(0.5, 0.95), -1.5 "most requests come from programs";
        MachineClientShare Exceeds(0.2, 0.6), -1.5 "far more requests come from programs than before";
        PeakRequestsPerClient AboveUnexpected(15.0, 80.0), -1.5 "no person asks for so many pages in one second";
        ServerErrorShare Above(0.15, 0.5), -2.5 "many requests fail";
        ServerErrorShare Exceeds(0.03, 0.2), -2.5 "requests fail that used to succeed";
        ServerErrorShare Shifts(3.0, 8.0), -2.5 "requests fail that used to succeed";
        ClientErrorShare Shifts(4.0, 9.0), -3.0 "requests are refused that used to succeed";
        ServiceTimeRatio Above(1.6, 4.0), -3.0 "the same requests take longer than before";
        CostPathRise Above(2.0, 6.0), -1.5 "the costliest path is asked for far more often";
        GuesserRequests Above(8.0, 40.0), -2.5 "log-in after log-in by clients that do nothing else";
        WalkerRequests Above(25.0, 150.0), -2.0 "a client takes item after item, in order";
        ServerErrorShare Below(0.05, 0.0), 0.5 "the service answers";
        HandshakeCompletion Above(0.7, 0.95), 1.0 "connections complete";
        HalfOpenRate Above(10.0, 200.0), -2.5 "connections are opened and left";
        UnansweredUdpRate Below(300.0, 20.0), 0.5 "little that nobody answers";
        DnsQueryRate Below(100.0, 5.0), 1.0 "few queries a second";
        DnsFailureShare Below(0.5, 0.1), 0.75 "names exist";
        DnsUnansweredShare Above(0.15, 0.5), -2.5 "queries stay unanswered";
        DnsDistinctNameShare Below(0.9, 0.4), 0.5 "names repeat";
        SlowConnections Above(10.0, 60.0), -3.0 "connections are held open by requests that never end";
        RequestTimeoutShare Above(0.1, 0.4), -2.0 "requests are begun and never finished";
        LoginConnections Above(4.0, 14.0), -3.5 "short connections to a log-in service, again and again";
        PortFanOut Above(15.0, 60.0), -2.0 "port after port is tried";
        HostFanOut Above(15.0, 60.0), -2.0 "host after host is tried";
        ProberShare Above(0.1, 0.5), -2.5 "clients ask for what only scanners ask for";
        GuesserShare Above(0.3, 0.8), -2.0 "clients do nothing but log in";
        SequentialWalkShare Above(0.3, 0.8), -1.5 "clients take item after item";
        DurationMedian Rises(1.6, 4.0), -2.0 "answers take longer than before";
        GatewayErrorShare Above(0.05, 0.3), -2.0 "the proxy finds no server to answer";
        ServerDownEvents Above(0.2, 2.0), -3.0 "servers are reported down";
        UpstreamFailureShare Above(0.05, 0.3), -2.0 "servers do not answer";
        PageRate Rises(1.6, 4.0), -2.5 "far more requests than before";
        PageRate Falls(0.5, 0.15), -1.5 "far fewer requests than before";
        PacketRate Rises(3.0, 10.0), -1.5 "far more packets than before";
        ReflectedRate Above(50.0, 500.0), -2.0 "answers arrive that nobody asked for";
        FragmentShare Above(0.3, 0.8), -1.5 "most packets are fragments";
        IcmpShare Above(0.4, 0.9), -1.5 "most packets are ICMP";
        OddProtocolShare Above(0.2, 0.7), -2.0 "most packets are of protocols that nobody here speaks";
        ImpossibleFlagShare Above(0.1, 0.5), -2.0 "no system sends such flags";
        Http2AbuseRate Above(2.0, 30.0), -2.0 "streams are reset as soon as they are opened";
        IdleConnections Above(20.0, 150.0), -2.0 "connections are held open and nothing is said on them";
        ConnectionRate Rises(3.0, 10.0), -1.0 "far more connections than before";
        StrayTcpRate Above(60.0, 1000.0), -1.0 "packets of connections that do not exist";
        ConnectionRate Above(60.0, 500.0), -1.0 "connections are opened at a high rate";
        TlsAbandonedShare Above(0.4, 0.9), -1.0 "handshakes are abandoned";
        RetransmissionShare Above(0.05, 0.15), -2.0 "much has to be sent again";
        DnsRandomNameShare Above(0.4, 0.8), -1.5 "names are drawn at random";
        DnsAmplifyingShare Above(0.4, 0.9), -1.5 "queries ask for the largest answers there are";
        DnsLabelBytes Above(28.0, 50.0), -2.5 "names carry data";
        FailedLogins Above(5.0, 20.0), -2.0 "log-in after log-in fails";
    }
};
