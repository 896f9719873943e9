//! Which signatures a guard makes rules of by itself.

use seawall_detection::feature::classify::{AgentKind, agent_kind};
use seawall_model::signature::{Layer, Signature, Test};

/// Whether a rule may be made of it. Of requests whose normal was never seen, what they have in
/// common may be what every first visit has; then only senders, tools and made-up queries are told
/// apart by it.
pub fn is_telling(signature: &Signature) -> bool {
    let is_unlike_people = |test: &Test| match test {
        Test::UserAgent(agent) => agent_kind(agent.as_bytes()) != AgentKind::Browser,
        Test::QueryShape(shape) => shape.contains('?'),
        _ => false,
    };
    let is_known = signature.layer != Layer::Http || signature.baseline.is_some();
    is_known || signature.names_sources() || signature.tests.iter().any(is_unlike_people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::signature::ShareEstimate;

    /// Broke: a guard that began six seconds before a flood refused the first visits of people,
    /// which had in common with it what browsers have.
    #[test]
    fn without_a_normal_only_senders_tools_and_made_up_queries_are_refused() {
        let share = |share| ShareEstimate { share, low: share, high: share };
        let signature = |test: Test| Signature {
            layer: Layer::Http,
            tests: vec![Test::PathTemplate("/item/*".to_owned()), test],
            attack: share(0.7),
            baseline: None,
            baseline_clients: None,
            examples: Vec::new(),
        };
        let shared = signature(Test::HeaderOrder(7));
        assert!(!is_telling(&shared));
        assert!(is_telling(&Signature { baseline: Some(share(0.0)), ..shared }));
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert!(!is_telling(&signature(Test::UserAgent(browser.to_owned()))));
        assert!(is_telling(&signature(Test::UserAgent("python-requests/2.31".to_owned()))));
        assert!(is_telling(&signature(Test::QueryShape("?=?".to_owned()))));
        assert!(is_telling(&signature(Test::Source("192.0.2.1/32".parse().expect("a prefix")))));
    }
}
