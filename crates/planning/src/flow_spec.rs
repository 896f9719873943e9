//! What a FlowSpec rule can say of a signature (RFC 8955 section 4.2.2): addresses, protocol,
//! ports, length, ICMP type and fragments. It knows no TTL, window, options or payload.

use seawall_model::Prefix;
use seawall_model::observation::Fragment;
use seawall_model::signature::{ShareEstimate, Signature, Test};

/// Widest range of source ports that still names a service.
const MAX_SERVICE_PORTS: u16 = 16;

/// The signature with only the tests that FlowSpec has, towards one destination.
///
/// # Errors
/// Why what is left would be too wide.
pub(crate) fn projected(signature: &Signature, target: Option<Prefix>) -> Result<Signature, String> {
    let mut tests: Vec<Test> = signature.tests.iter().filter(|t| is_known(t)).cloned().collect();
    let left_out = signature.tests.len() - tests.len();
    if left_out > 0 && !tests.iter().any(is_telling) {
        return Err(format!("FlowSpec cannot express {left_out} of its tests, and the rest is too wide"));
    }
    if left_out > 0 && signature.baseline.is_some() {
        return Err(format!(
            "FlowSpec cannot express {left_out} of its tests, and what the rest would hit was not measured"
        ));
    }
    if !tests.iter().any(|t| matches!(t, Test::Destination(_))) {
        tests.extend(target.map(Test::Destination));
        tests.sort();
    }
    let attack =
        if left_out > 0 { ShareEstimate { high: 1.0, ..signature.attack } } else { signature.attack };
    Ok(Signature { tests, attack, ..signature.clone() })
}

fn is_known(test: &Test) -> bool {
    matches!(
        test,
        Test::Source(_)
            | Test::Destination(_)
            | Test::Protocol(_)
            | Test::SourcePort { .. }
            | Test::DestinationPort { .. }
            | Test::LengthBytes { .. }
            | Test::IcmpType(_)
            | Test::Fragment(Fragment::First | Fragment::Later)
    )
}

/// Narrow enough to stand with little else.
fn is_telling(test: &Test) -> bool {
    match test {
        Test::SourcePort { low, high } => high - low < MAX_SERVICE_PORTS,
        Test::Fragment(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::signature::Layer;

    fn signature(tests: Vec<Test>, baseline: Option<ShareEstimate>) -> Signature {
        let attack = ShareEstimate { share: 0.9, low: 0.8, high: 0.95 };
        Signature {
            layer: Layer::Packet,
            tests,
            attack,
            baseline,
            baseline_clients: None,
            examples: Vec::new(),
        }
    }

    #[test]
    fn narrow_rest_stands_and_wide_rest_does_not() {
        let port = Test::SourcePort { low: 123, high: 123 };
        let payload = Test::PayloadPrefix("d7".into());
        let target: Prefix = "192.0.2.1".parse().unwrap();
        let found = projected(&signature(vec![port.clone(), payload.clone()], None), Some(target)).unwrap();
        assert_eq!(found.tests, vec![Test::Destination(target), port.clone()]);
        let measured = ShareEstimate { share: 0.0, low: 0.0, high: 0.01 };
        assert!(projected(&signature(vec![port, payload.clone()], Some(measured)), Some(target)).is_err());
        assert!(projected(&signature(vec![Test::Protocol(17), payload], None), Some(target)).is_err());
    }
}
