//! The hosts that were asked for, and which of them is told of.

use super::sampled::Sampled;
use seawall_model::finding::Findings;
use seawall_model::signature::Layer;

/// The host most asked for, or nothing where the log has no hosts.
pub(super) fn target(records: &[Sampled]) -> Option<String> {
    busiest(hosts(records))
}

/// Whoever asks may name any host: what is told of is one that was asked for before.
pub(super) fn forget_made_up(now: &[Sampled], before: &[Sampled], findings: &mut Findings) {
    let known = hosts(before);
    if known.is_empty() {
        return;
    }
    let asked = hosts(now).into_iter().filter(|host| known.binary_search(host).is_ok());
    findings.targets.retain(|(layer, _)| *layer != Layer::Http);
    findings.targets.extend(busiest(asked.collect()).map(|host| (Layer::Http, host)));
}

/// The hosts that were asked for, sorted, each as often as it was.
fn hosts(records: &[Sampled]) -> Vec<&str> {
    let mut hosts: Vec<&str> = records.iter().map(|r| r.host.as_str()).filter(|h| !h.is_empty()).collect();
    hosts.sort_unstable();
    hosts
}

/// What stands most often in a sorted list.
fn busiest(sorted: Vec<&str>) -> Option<String> {
    sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map(|run| run[0].to_owned())
}

#[cfg(test)]
mod tests {
    use crate::Window;
    use crate::measure::findings;
    use seawall_model::observation::{Observation, Request};
    use seawall_model::{Cause, Timestamp};
    use std::net::IpAddr;

    fn window(host: &str, count: u8) -> Window {
        let mut window = Window::default();
        for n in 0..count {
            let mut request =
                Request::new(Timestamp::from_seconds(i64::from(n)), IpAddr::from([24, 0, 0, n]));
            (request.host, request.path, request.status) = (host.as_bytes(), b"/", 200);
            window.observe(&Observation::Request(request), u64::from(n));
        }
        window
    }

    /// Broke: a flood chose the name under which the users of a site were told of it.
    #[test]
    fn a_host_that_nobody_asked_for_before_gives_a_disturbance_no_name() {
        let target = |now: &Window, before: Option<&Window>| {
            findings(now, before, None).target(Cause::HttpFlood).map(str::to_owned)
        };
        let usual = window("shop.example", 40);
        let mut now = window("made-up.example", 100);
        assert_eq!(target(&now, None).as_deref(), Some("made-up.example"));
        assert_eq!(target(&now, Some(&usual)), None);
        now.merge(&window("shop.example", 10));
        assert_eq!(target(&now, Some(&usual)).as_deref(), Some("shop.example"));
    }
}
