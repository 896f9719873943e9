//! Which signatures a guard makes rules of by itself.

use seawall_detection::feature::classify::{AgentKind, agent_kind};
use seawall_model::signature::{Layer, Signature, Test};

/// Share of a site's clients that may have what is refused, at most, by all that was seen of them: the
/// upper end of the estimate, so that few clients, or few seconds of calm, say little.
const CLIENTS_MOST: f64 = 0.02;

/// Whether a rule may be made of it. What requests have in common that browsers send may be what one
/// browser's every first visit has: then only enough clients who are without it tell it apart. Senders,
/// tools and made-up queries are told apart by themselves.
pub fn is_telling(signature: &Signature) -> bool {
    let is_unlike_people = |test: &Test| match test {
        Test::UserAgent(agent) => agent_kind(agent.as_bytes()) != AgentKind::Browser,
        Test::QueryShape(shape) => shape.contains('?'),
        _ => false,
    };
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

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

    /// Broke: a guard that began six seconds before a flood refused the first visits of people,
    /// which had in common with it what browsers have.
    #[test]
    fn without_a_normal_only_senders_tools_and_made_up_queries_are_refused() {
        let is_told = |test| is_telling(&signature(test, None));
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
        assert!(!is_telling(&signature(agent(), none_of(0.11))));
        assert!(!is_telling(&signature(Test::HeaderOrder(7), none_of(0.11))));
        assert!(is_telling(&signature(agent(), none_of(0.01))));
    }
}
