//! DNS: floods of queries, random names, reflection through our servers, tunnels.
//!
//! Sources of the traits: ICANN SSAC 065 and RFC 5358 (reflection); RFC 8198 and operators'
//! reports of random-subdomain ("water torture") attacks; Born and Gustafson 2010 for tunnels.

use super::{CauseRules, causes};
use crate::shape::Shape::{Above, AboveUnexpected, Below, Exceeds, Flat, Rises};

pub const TABLE: &[CauseRules] = causes! {
    DnsRandomSubdomain prior -2.0
        needs [DnsServerCount Below(40.0, 10.0)]
        needs [DnsLabelBytes Below(70.0, 45.0)]
        needs [DnsQueryCount Above(30.0, 100.0)]
        needs [DnsDistinctNameShare Above(0.3, 0.7)]
        needs [DnsFailureShare Above(0.1, 0.4), DnsRandomNameShare Above(0.2, 0.5)]
        needs [DnsAddressNameShare Below(0.7, 0.3), DnsUnansweredShare Above(0.1, 0.3)]
    {
        DnsDistinctNameShare Above(0.5, 0.9), 2.5 "hardly a name is asked for twice";
        DnsRandomNameShare Above(0.25, 0.7), 2.5 "the names are drawn at random";
        DnsFamiliarNameShare Above(0.08, 0.2), -4.0 "machine-made names are asked for again and again, so that they exist";
        DnsSuffixShare Above(0.3, 0.8), 1.5 "all under one zone";
        DnsFailureShare Above(0.2, 0.7), 2.0 "the names do not exist";
        DnsFailureShare Exceeds(0.15, 0.5), 1.0 "far more failures than before";
        DnsQueryRate Above(20.0, 400.0), 2.5 "many queries a second";
        DnsQueryRate Rises(2.0, 8.0), 1.5 "far more queries than before";
        DnsUnansweredShare Above(0.2, 0.7), 1.0 "the servers stop answering";
        DnsLabelBytes Above(28.0, 50.0), -3.0 "such long labels carry data";
        DnsFailureShare Below(0.2, 0.05), -5.0 "the names exist";
        DnsDataTypeShare Above(0.3, 0.8), -1.0 "types that carry data";
    }
    DnsFlood prior -2.0
        needs [DnsQueryCount Above(80.0, 300.0)]
        needs [DnsServerCount Below(40.0, 10.0)]
        needs [DnsQueryRate Above(10.0, 50.0)]
        needs [DnsQueryRate Rises(1.8, 4.0), DnsQueryRate Above(60.0, 400.0), DnsUnansweredShare Above(0.15, 0.4), DnsDirectShare AboveUnexpected(0.4, 0.8)]
    {
        DnsDirectShare AboveUnexpected(0.4, 0.9), 2.5 "machines of many networks ask our servers themselves, as if these were their resolver";
        DnsQueryRate Above(60.0, 1500.0), 3.0 "far more queries than any small zone gets";
        DnsQueryRate Below(200.0, 80.0), -1.0 "a small zone is asked as much";
        DnsRecursionShare Exceeds(0.2, 0.6), 2.5 "they ask as programs do, not as the resolvers that came before";
        DnsQueriesPerClient Below(1.6, 1.05), 1.5 "each address asks once, as forged ones do";
        DnsQueriesPerClient Rises(2.0, 8.0), 1.0 "each asks far more often than before";
        DnsQueryRate Rises(2.0, 8.0), 2.0 "far more queries than before";
        DnsUnansweredShare Above(0.2, 0.7), 2.0 "the servers stop answering";
        DnsUnansweredShare Below(0.05, 0.01), -1.0 "each is answered";
        DnsDistinctNameShare Below(0.3, 0.05), 1.5 "the same names again and again";
        DnsTopClientShare Above(0.3, 0.8), 1.0 "one client sends most";
        DnsClientCount Above(100.0, 3000.0), 1.5 "many clients at once";
        DnsDistinctNameShare Above(0.6, 0.95), -2.0 "hardly a name is asked for twice";
        DnsNewClientShare Above(0.6, 0.95), 1.0 "nearly all clients were never seen before";
        DnsNewClientShare Below(0.3, 0.05), -1.5 "the clients are those of before";
        DnsTopTypeShare Above(0.85, 1.0), 0.75 "all for one type, as programs in a loop ask";
        DnsTopTypeShare Below(0.65, 0.5), -1.5 "they ask for the mix of types that people's programs need";
        DnsRetryShare Above(0.3, 0.7), 1.0 "each asks the same again";
        DnsRecursionShare Below(0.3, 0.1), -2.5 "they ask as resolvers do";
        DnsRandomNameShare Above(0.3, 0.7), -2.0 "random names make it an attack on the zone";
        DnsAddressNameShare Above(0.5, 0.9), -2.5 "addresses are looked up in a list, as mail servers do";
        DnsAmplifyingShare Above(0.3, 0.7), -3.5 "queries for large answers make it reflection";
    }
    SlowBackend prior -2.5
        needs [DnsQueryCount Above(15.0, 50.0)]
        needs [DnsUnansweredShare Above(0.1, 0.4), DnsBrokenTime Above(3e5, 1.2e6), DnsAnswerTime AboveUnexpected(3e5, 7e5), DnsAnswerTime Rises(4.0, 12.0), ServerDownEvents Above(0.2, 1.5)]
    {
        DnsBrokenTime Above(3e5, 1.5e6), 2.0 "questions fail after waiting for others";
        DnsBrokenShare Above(0.1, 0.5), 2.5 "the servers fail what they are asked for";
        DnsAnswerTime AboveUnexpected(3e5, 8e5), 4.0 "answers take most of a second";
        DnsAnswerTime Rises(4.0, 15.0), 3.5 "answers take far longer than before";
        ServerDownEvents Above(0.2, 1.5), 3.5 "servers are reported down";
        DnsUnansweredShare Exceeds(0.1, 0.4), 3.5 "our name servers answered before and do not now";
        DnsUnansweredShare AboveUnexpected(0.12, 0.35), 3.5 "our name servers do not answer";
        DnsQueryRate Below(500.0, 80.0), 1.0 "a small zone is asked as much";
        DnsClientCount Flat(1.7), 1.5 "the same number of clients as ever";
        DnsClientCount Below(3.0, 1.0), -2.5 "a single client asks, and perhaps servers of others";
        DnsQueriesPerClient Rises(1.3, 3.0), 1.5 "each asks again, for want of an answer";
        DnsRetryShare Exceeds(0.1, 0.4), 2.0 "the same questions are asked again, for want of an answer";
        DnsNewClientShare Above(0.6, 0.95), -2.0 "nearly all clients were never seen before";
        DnsDistinctNameShare Below(0.6, 0.3), 1.0 "the usual names";
        DnsQueryRate Rises(6.0, 20.0), -3.0 "there are far more queries than retries would make";
        DnsRecursionShare Exceeds(0.2, 0.6), -2.5 "other programs ask than before";
        DnsQueriesPerClient Below(1.3, 1.05), -1.5 "each address asks once, as forged ones do";
        DnsRandomNameShare Above(0.3, 0.7), -2.0 "the names are drawn at random";
    }
    Misconfiguration prior -2.5
        needs [DnsQueryCount Above(15.0, 50.0)]
        needs [DnsBrokenShare Above(0.08, 0.3), ZoneTroubleEvents Above(1.0, 8.0)]
    {
        DnsBrokenShare Above(0.1, 0.5), 3.5 "the servers refuse or fail what they are asked for";
        DnsBrokenShare Exceeds(0.1, 0.4), 1.0 "they used to answer it";
        DnsBrokenTime Below(2e5, 4e4), 1.5 "they fail at once, as for a zone that has expired, is not trusted, or is not theirs";
        DnsBrokenTime Above(3e5, 1.2e6), -3.5 "they fail after waiting for others";
        DnsBrokenZoneShare Above(0.6, 0.95), 2.0 "all of it is about one zone";
        DnsDistinctNameShare Below(0.6, 0.3), 1.0 "the usual names";
        DnsRandomNameShare Above(0.3, 0.7), -3.0 "the names are drawn at random";
        DnsClientCount Above(2.0, 10.0), 1.0 "many clients meet it";
        ZoneTroubleEvents Above(1.0, 15.0), 4.0 "a name server says that it cannot serve or trust the zone";
        DnsUnansweredShare Above(0.2, 0.6), -2.0 "the servers do not answer at all";
        DnsAmplifyingShare Above(0.3, 0.7), -2.0 "queries for large answers make it reflection";
        DnsQueryRate Rises(3.0, 9.0), -4.0 "there are far more queries than such a fault would make";
        DnsQueryRate AboveUnexpected(400.0, 2000.0), -4.0 "a server that is flooded fails as well";
    }
    ClientFault prior -2.5
        needs [DnsQueryCount Above(50.0, 150.0)]
        needs [DnsLoopShare Above(0.2, 0.5)]
    {
        DnsLoopShare Above(0.25, 0.7), 3.0 "clients ask the same few names over and over, in vain";
        DnsFailureShare Above(0.25, 0.6), 1.0 "the names do not exist, or cannot be had";
        DnsFailureShare Exceeds(0.15, 0.5), 1.0 "far more failures than before";
        DnsDistinctNameShare Below(0.2, 0.03), 1.5 "the same names again and again";
        DnsQueryRate Rises(1.5, 5.0), 1.5 "more queries than before";
        DnsQueriesPerClient Rises(2.0, 8.0), 1.0 "each asks far more often than before";
        DnsClientCount Below(150.0, 30.0), 1.0 "few clients, as programs of one's own are";
        DnsNewClientShare Above(0.7, 0.98), -2.5 "nearly all clients were never seen before";
        DnsRandomNameShare Above(0.3, 0.7), -3.0 "the names are drawn at random";
        DnsUnansweredShare Above(0.2, 0.6), -2.0 "nobody answers: they only try again";
        DnsBrokenTime Above(3e5, 1.2e6), -2.0 "they fail after waiting for others";
        DnsQueryRate Above(800.0, 4000.0), -3.0 "no program in a loop asks so fast";
    }
    FlashCrowd prior -2.0
        needs [DnsQueryRate Rises(1.5, 3.0)]
        needs [DnsClientCount Rises(1.2, 2.5)]
        needs [DnsRecursionShare Below(0.5, 0.2), DnsTopTypeShare Below(0.65, 0.5)]
    {
        DnsTopTypeShare Below(0.65, 0.5), 1.5 "they ask for the mix of types that people's programs need";
        DnsQueryRate Rises(1.5, 5.0), 2.0 "far more queries than before";
        DnsClientCount Rises(1.3, 4.0), 2.0 "from far more resolvers than before";
        DnsRecursionShare Below(0.3, 0.1), 2.0 "they ask as resolvers do";
        DnsQueriesPerClient Below(4.0, 2.0), 0.75 "each asks little, as caches do";
        DnsUnansweredShare Below(0.1, 0.02), 1.0 "every one is answered";
        DnsUnansweredShare Above(0.2, 0.6), -2.0 "the servers stop answering";
        DnsFailureShare Exceeds(0.1, 0.4), -3.0 "far more of it fails than before";
        DnsRandomNameShare Above(0.3, 0.7), -3.0 "the names are drawn at random";
        DnsAmplifyingShare Above(0.3, 0.7), -3.0 "queries for large answers make it reflection";
        DnsLabelBytes Above(28.0, 50.0), -2.0 "such long labels carry data";
        DnsTopClientShare Above(0.3, 0.8), -2.0 "one client sends most";
    }
    DnsReflection prior -2.0
        needs [DnsServerCount Below(40.0, 10.0)]
        needs [DnsQueryCount Above(20.0, 60.0)]
        needs [DnsAmplifyingShare Above(0.2, 0.5)]
        needs [DnsAmplifyingNetworks Below(120.0, 40.0)]
        needs [DnsQueryRate Above(1.5, 10.0)]
    {
        DnsAmplifyingShare Above(0.3, 0.8), 3.0 "queries ask for the largest answers there are";
        DnsAmplifyingShare Exceeds(0.2, 0.6), 1.0 "such queries were rare before";
        DnsAmplifyingNetworks Above(40.0, 120.0), -5.0 "resolvers everywhere ask for them, as mail that is checked makes them";
        DnsOutboundRatio Above(5.0, 25.0), 2.5 "we send many times what we receive";
        DnsQueryRate Above(8.0, 150.0), 2.5 "many queries a second";
        DnsQueryRate Rises(2.0, 8.0), 1.0 "far more queries than before";
        DnsDistinctNameShare Below(0.4, 0.1), 1.0 "the same names again and again";
        DnsTopClientShare Above(0.2, 0.7), 1.0 "few addresses, which are the victims";
        DnsLabelBytes Above(28.0, 50.0), -3.0 "such long labels carry data";
        DnsDistinctNameShare Above(0.6, 0.95), -2.0 "every query asks for another name";
    }
    DnsTunnel prior -2.0
        needs [DnsQueryCount Above(15.0, 50.0)]
        needs [DnsLabelBytes Above(20.0, 35.0)]
        needs [DnsDistinctNameShare Above(0.2, 0.5)]
    {
        DnsLabelBytes Above(28.0, 60.0), 3.0 "labels are so long that they carry data";
        DnsLabelBytes Above(60.0, 120.0), 2.0 "names are as long as names can be";
        DnsDataTypeShare Below(0.15, 0.02), -3.0 "they ask for addresses, as for names of caches and lists";
        DnsDistinctNameShare Above(0.4, 0.9), 1.5 "hardly a name is asked for twice";
        DnsSuffixShare Above(0.3, 0.8), 1.5 "all under one zone";
        DnsFailureShare Below(0.3, 0.05), 1.5 "every one is answered";
        DnsDataTypeShare Above(0.2, 0.8), 2.5 "types that carry data";
        DnsSuffixTopClientShare Above(0.25, 0.7), 2.0 "one client sends them";
        DnsSuffixTopClientShare Below(0.2, 0.05), -2.0 "many clients send them, and a tunnel has few";
        DnsFailureShare Above(0.3, 0.8), -3.0 "the names do not exist";
        DnsQueryRate Above(300.0, 3000.0), -1.0 "faster than a tunnel needs";
        DnsQueryRate Flat(1.3), 0.5 "at a steady rate";
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
        let unexpected: Vec<_> = values.iter().map(|(metric, observed)| (*metric, *observed, None)).collect();
        verdict_beside(&unexpected)
    }

    /// The verdict on metrics, each observed and, where one is given, expected.
    fn verdict_beside(values: &[(Metric, f64, Option<f64>)]) -> Cause {
        let mut findings = Findings { duration_s: 60.0, ..Findings::default() };
        for (metric, observed, expected) in values.iter().copied() {
            let (surprise, support, onset) = (0.0, 1_000.0, None);
            findings.insert(Finding { metric, observed, expected, surprise, support, onset });
        }
        diagnose(&findings, &Policy::default()).verdict.cause
    }

    /// A zone that people ask for, of which this share cannot be answered.
    fn zone(broken: f64, took_us: f64, per_s: f64) -> [(Metric, f64); 8] {
        [
            (DnsQueryCount, 1_500.0),
            (DnsQueryRate, per_s),
            (DnsBrokenShare, broken),
            (DnsBrokenZoneShare, 1.0),
            (DnsBrokenTime, took_us),
            (DnsDistinctNameShare, 0.02),
            (DnsFailureShare, broken),
            (DnsClientCount, 40.0),
        ]
    }

    #[test]
    fn a_zone_that_nobody_serves_fails_at_once_and_a_dead_server_after_a_while() {
        assert_eq!(verdict(&zone(0.9, 400.0, 60.0)), Cause::Misconfiguration);
        assert_eq!(verdict(&zone(0.6, 1_800_000.0, 60.0)), Cause::SlowBackend);
        assert_eq!(verdict(&zone(0.0, 400.0, 60.0)), Cause::Normal);
    }

    #[test]
    fn a_server_that_says_that_a_zone_has_expired_is_believed() {
        let told =
            [(DnsQueryCount, 400.0), (DnsQueryRate, 20.0), (ZoneTroubleEvents, 60.0), (DnsBrokenShare, 0.3)];
        assert_eq!(verdict(&told), Cause::Misconfiguration);
    }

    /// Broke: a morning on which all machines of an office looked for their directory was a flood of queries.
    #[test]
    fn a_few_more_queries_that_are_all_answered_are_no_flood() {
        let seen = verdict_beside(&[
            (DnsQueryCount, 530.0, Some(19.0)),
            (DnsQueryRate, 13.0, Some(1.0)),
            (DnsUnansweredShare, 0.0, Some(0.0)),
            (DnsFailureShare, 0.0, Some(0.0)),
            (DnsDistinctNameShare, 0.002, Some(0.05)),
            (DnsQueriesPerClient, 1.4, Some(1.0)),
            (DnsClientCount, 380.0, Some(19.0)),
            (DnsNewClientShare, 0.97, None),
            (DnsTopTypeShare, 1.0, Some(1.0)),
            (TwoWayShare, 0.93, Some(0.92)),
            (PacketRate, 902.0, Some(67.0)),
            (ConnectionRate, 58.0, Some(4.3)),
            (HandshakeCompletion, 1.0, Some(1.0)),
        ]);
        assert!(!seen.class().is_hostile());
    }

    #[test]
    fn hosts_named_by_hashes_that_are_asked_for_all_the_time_are_no_attack() {
        let asked = |familiar: f64| {
            verdict(&[
                (DnsQueryCount, 60_000.0),
                (DnsQueryRate, 130.0),
                (DnsDistinctNameShare, 0.6),
                (DnsSuffixShare, 1.0),
                (DnsRandomNameShare, 0.9),
                (DnsFamiliarNameShare, familiar),
                (DnsAddressNameShare, 0.0),
                (DnsLabelBytes, 17.0),
                (DnsServerCount, 0.0),
            ])
        };
        assert_eq!((asked(0.3), asked(0.02)), (Cause::Normal, Cause::DnsRandomSubdomain));
    }

    #[test]
    fn our_own_programs_in_a_loop_are_no_flood() {
        let gone = [
            (DnsQueryCount, 5_000.0),
            (DnsQueryRate, 300.0),
            (DnsLoopShare, 0.8),
            (DnsFailureShare, 0.8),
            (DnsDistinctNameShare, 0.01),
            (DnsClientCount, 30.0),
        ];
        assert_eq!(verdict(&gone), Cause::ClientFault);
    }

    #[test]
    fn a_resolver_whose_servers_are_slow_has_a_slow_supplier() {
        let slow = [
            (DnsQueryCount, 900.0),
            (DnsQueryRate, 60.0),
            (DnsAnswerTime, 900_000.0),
            (DnsDistinctNameShare, 0.02),
        ];
        assert_eq!(verdict(&slow), Cause::SlowBackend);
    }
}
