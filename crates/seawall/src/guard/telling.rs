//! Which signatures a guard makes rules of by itself.

use seawall_detection::feature::classify::{AgentKind, agent_kind};
use seawall_model::address::Prefix;
use seawall_model::finding::Findings;
use seawall_model::metric::Metric;
use seawall_model::signature::{Layer, Signature, Test};

/// Share of a site's clients that may have what is refused, at most, by all that was seen of them: the
/// upper end of the estimate, so that few clients, or few seconds of calm, say little.
const CLIENTS_MOST: f64 = 0.02;

/// A rule against one address is made where this many requests of it are sure (no page has so many
/// parts), and so many a second, or this share of all that is unwanted.
const SENDER_REQUESTS: f64 = 30.0;
const SENDER_RATE_PER_S: f64 = 5.0;
const SENDER_SHARE: f64 = 0.5;

/// How many requests a disturbance consists of, and how many came a second.
#[derive(Clone, Copy)]
pub struct Extent {
    requests: f64,
    rate_per_s: f64,
}

impl Extent {
    pub fn of(findings: &Findings) -> Self {
        let observed = |metric| findings.observed(metric).unwrap_or(0.0);
        Self { requests: observed(Metric::RequestCount), rate_per_s: observed(Metric::RequestRate) }
    }

    /// Whether what one address sends of it is no visitor's.
    fn is_senders(self, share: f64) -> bool {
        share * self.requests >= SENDER_REQUESTS
            && (share >= SENDER_SHARE || share * self.rate_per_s >= SENDER_RATE_PER_S)
    }
}

/// Whether a rule may be made of it. What requests have in common that browsers send may be what one
/// browser's every first visit has: then only enough clients who are without it tell it apart. Networks,
/// tools and made-up queries are told apart by themselves; an address by how much it sends.
pub fn is_telling(signature: &Signature, extent: Extent) -> bool {
    let is_unlike_people = |test: &Test| match test {
        Test::UserAgent(agent) => agent_kind(agent.as_bytes()) != AgentKind::Browser,
        Test::QueryShape(shape) => shape.contains('?'),
        _ => false,
    };
    let is_one = |prefix: &Prefix| prefix.length_bits() >= if prefix.address().is_ipv4() { 32 } else { 64 };
    let is_one_address = |test: &Test| matches!(test, Test::Source(prefix) if is_one(prefix));
    if signature.layer == Layer::Http && signature.tests.iter().any(is_one_address) {
        return extent.is_senders(signature.attack.low);
    }
    signature.layer != Layer::Http
        || signature.names_sources()
        || signature.tests.iter().any(is_unlike_people)
        || signature.baseline_clients.is_some_and(|clients| clients.high <= CLIENTS_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::signature::ShareEstimate;

    fn signature(test: Test, baseline_clients: Option<ShareEstimate>) -> Signature {
        let all = ShareEstimate { share: 0.7, low: 0.7, high: 0.7 };
        Signature {
            layer: Layer::Http,
            tests: vec![Test::PathTemplate("/item/*".to_owned()), test],
            attack: all,
            baseline: baseline_clients,
            baseline_clients,
            examples: Vec::new(),
        }
    }

    const FLOOD: Extent = Extent { requests: 4_000.0, rate_per_s: 2_000.0 };

    /// Broke: in the first second of password guessing by many, a visitor's page with all its parts was
    /// a seventh of what was new, and his address was refused.
    #[test]
    fn an_address_is_refused_for_more_than_one_page_takes() {
        let sender = |low| Signature {
            attack: ShareEstimate { share: low, low, high: 1.0 },
            ..signature(Test::Source("192.0.2.1/32".parse().expect("a prefix")), None)
        };
        let extent = |requests, rate_per_s| Extent { requests, rate_per_s };
        assert!(!is_telling(&sender(0.28), extent(90.0, 90.0)), "a page and its parts");
        assert!(!is_telling(&sender(0.04), extent(3_000.0, 50.0)), "a visitor of some minutes");
        assert!(is_telling(&sender(0.04), extent(3_000.0, 1_500.0)), "one of twenty that are loud");
        assert!(is_telling(&sender(0.8), extent(60.0, 3.0)), "a guesser who takes his time");
    }

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

    /// Broke: a guard that began six seconds before a flood refused the first visits of people,
    /// which had in common with it what browsers have.
    #[test]
    fn without_a_normal_only_senders_tools_and_made_up_queries_are_refused() {
        let is_told = |test| is_telling(&signature(test, None), FLOOD);
        assert!(!is_told(Test::HeaderOrder(7)));
        assert!(!is_told(Test::UserAgent(BROWSER.to_owned())));
        assert!(is_told(Test::UserAgent("python-requests/2.31".to_owned())));
        assert!(is_told(Test::QueryShape("?=?".to_owned())));
        assert!(is_told(Test::Source("192.0.2.1/32".parse().expect("a prefix"))));
    }

    /// Broke: thirty visitors before a flood were without the browser that it named, and everybody who
    /// came with that browser later was refused.
    #[test]
    fn what_one_browser_has_is_refused_only_where_many_clients_were_without_it() {
        let none_of = |high| Some(ShareEstimate { share: 0.0, low: 0.0, high });
        let agent = || Test::UserAgent(BROWSER.to_owned());
        assert!(!is_telling(&signature(agent(), none_of(0.11)), FLOOD));
        assert!(!is_telling(&signature(Test::HeaderOrder(7), none_of(0.11)), FLOOD));
        assert!(is_telling(&signature(agent(), none_of(0.01)), FLOOD));
    }
}
