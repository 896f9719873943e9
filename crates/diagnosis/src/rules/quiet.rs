//! Normal traffic, which is a hypothesis like any other: it must be able to win.

use super::{CauseRules, causes};
use crate::shape::Shape::{Above, Below, Exceeds, Flat};

pub const TABLE: &[CauseRules] = causes! {
    Normal prior 1.0 {
        RequestRate Flat(1.6), 1.5 "as many requests as ever";
        RequestRate Below(20.0, 2.0), 1.5 "few requests a second";
        PacketRate Flat(1.6), 1.5 "as many packets as ever";
        PacketRate Below(2000.0, 100.0), 0.75 "few packets a second";
        TwoWayShare Above(0.5, 0.9), 2.5 "packets belong to conversations";
        AssetsPerPage Above(0.4, 1.5), 1.5 "browsers fetch pages with their assets";
        AssetsPerPage Flat(1.5), 1.0 "browsers behave as ever";
        MachineClientShare Below(0.2, 0.0), 1.0 "no client behaves like a program in a hurry";
        MachineClientShare Above(0.4, 0.9), -1.5 "most requests come from programs";
        PeakRequestsPerClient Above(10.0, 60.0), -1.5 "no person asks for so many pages in one second";
        ServerErrorShare Above(0.15, 0.5), -2.5 "many requests fail";
        ServerErrorShare Exceeds(0.03, 0.2), -2.5 "requests fail that used to succeed";
        ClientErrorShare Exceeds(0.1, 0.4), -1.5 "requests are refused that used to succeed";
        ServerErrorShare Below(0.05, 0.0), 0.5 "the service answers";
        HandshakeCompletion Above(0.7, 0.95), 1.0 "connections complete";
        HalfOpenRate Above(10.0, 200.0), -2.5 "connections are opened and left";
        UnansweredUdpRate Below(300.0, 20.0), 0.5 "little that nobody answers";
        DnsQueryRate Below(100.0, 5.0), 1.0 "few queries a second";
        DnsFailureShare Below(0.5, 0.1), 0.75 "names exist";
        DnsDistinctNameShare Below(0.9, 0.4), 0.5 "names repeat";
        FailedLogins Above(5.0, 20.0), -2.0 "log-in after log-in fails";
    }
};
