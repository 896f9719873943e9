//! Profiles of the loudest clients, for certain.
//!
//! On a large site the profiles are a uniform sample of the clients: one that sends a third of all requests
//! is mostly not among them, and where it is it counts for many. Who is that loud shows in the sampled
//! requests, of which it sent as large a part; so its profile is made of those where it has none. Both then
//! count for as much as the client does beside all others.

use super::{ClientProfile, Hashes, HttpWindow, classify, hash};
use crate::feature::bits_as_count;
use seawall_model::record::RequestRecord;

/// Whoever sends this part of the requests is loud.
const LOUD: f64 = 0.05;
/// Sampled requests that make a profile, at least.
const RECORDS_LEAST: usize = 40;
/// Of sampled paths so many differ where most paths do, however many there are in all.
const MOSTLY_DIFFERENT: f64 = 0.5;

impl HttpWindow {
    /// Clients by rising hash, each for as much as it sent beside the others. `records`: the sampled
    /// requests of this window.
    #[must_use]
    pub fn weighed_profiles<'a>(
        &self,
        records: impl ExactSizeIterator<Item = &'a RequestRecord>,
    ) -> Vec<(u64, ClientProfile)> {
        let mut profiles: Vec<(u64, ClientProfile)> = self.profiles.sorted().into_iter().cloned().collect();
        let horizon = self.profiles.horizon();
        if horizon == u64::MAX {
            return profiles;
        }
        let seen_part = horizon as f64 / u64::MAX as f64;
        let all = records.len();
        let mut by_client: Vec<(u64, &RequestRecord)> =
            records.map(|r| (hash::address(r.client), r)).collect();
        by_client.sort_by_key(|(client, _)| *client);
        for run in by_client.chunk_by(|a, b| a.0 == b.0) {
            let part = run.len() as f64 / all as f64;
            if part < LOUD || run.len() < RECORDS_LEAST {
                continue;
            }
            match profiles.binary_search_by_key(&run[0].0, |(client, _)| *client) {
                Ok(at) => profiles[at].1.scale(seen_part),
                Err(at) => {
                    let requests = part * self.counters.requests as f64;
                    let profile = ClientProfile::of_sampled(run, requests, seen_part);
                    profiles.insert(at, (run[0].0, profile));
                }
            }
        }
        profiles
    }
}

impl ClientProfile {
    /// The profile of a client that sent so many `requests`, of which some were sampled.
    fn of_sampled(sampled: &[(u64, &RequestRecord)], requests: f64, seen_part: f64) -> Self {
        let mut profile = Self::default();
        for (_, record) in sampled {
            let request = record.as_request();
            let kind = classify::request_kind(record.method, request.path, record.status);
            let hashes = Hashes {
                agent: hash::bytes(request.user_agent),
                path: hash::bytes(request.path),
                query: request.query.map_or(0, hash::bytes),
            };
            profile.count(&request, kind, &hashes);
            profile.count_answer(&request);
        }
        let times = requests / sampled.len() as f64;
        let asked_per_s = profile.asked() * times / profile.last.since_s(profile.first).max(1.0);
        for seen in [&mut profile.paths, &mut profile.asked_paths, &mut profile.queries] {
            if bits_as_count(*seen) >= MOSTLY_DIFFERENT * sampled.len() as f64 {
                *seen = u64::MAX;
            }
        }
        profile.scale(times * seen_part);
        profile.peak_per_s = asked_per_s as f32;
        profile
    }

    /// Multiplies what is counted.
    fn scale(&mut self, by: f64) {
        for count in [
            &mut self.requests,
            &mut self.pages,
            &mut self.assets,
            &mut self.api,
            &mut self.feeds,
            &mut self.unauthorised,
            &mut self.not_found,
            &mut self.client_errors,
            &mut self.server_errors,
            &mut self.unanswered,
            &mut self.made_up,
            &mut self.writes,
            &mut self.logins,
            &mut self.doors,
            &mut self.tokens,
            &mut self.let_in,
            &mut self.probes,
            &mut self.referrers,
            &mut self.switched,
            &mut self.invited,
            &mut self.keyed,
            &mut self.numbered,
        ] {
            *count = (f64::from(*count) * by).round() as u32;
        }
        self.response_bytes = (self.response_bytes as f64 * by) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::observation::Request;
    use std::net::IpAddr;

    const CLIENTS: u32 = 4_000;

    /// Visitors who ask for three things each, and one client that sends a third of all requests.
    fn large_site(loud: IpAddr) -> HttpWindow {
        let mut window = HttpWindow::default();
        for n in 0..CLIENTS * 9 / 2 {
            let [_, b, c, d] = (n % CLIENTS).to_be_bytes();
            let (client, path) = match n % 3 {
                0 => (loud, format!("/search/{n}")),
                _ => (IpAddr::from([24, b, c, d]), format!("/page/{}", n % 40)),
            };
            let mut request = Request::new(Timestamp::from_seconds(i64::from(n / 100)), client);
            (request.path, request.status) = (path.as_bytes(), 200);
            window.observe(&request, hash::mix(u64::from(n)));
        }
        window
    }

    /// Broke: a client that sent a third of a large site's requests was mostly not seen at all.
    #[test]
    fn the_loudest_client_counts_for_what_it_sends_whoever_is_profiled() {
        for n in 0..40 {
            let loud = IpAddr::from([203, 0, 113, n]);
            let window = large_site(loud);
            let records = window.records();
            let profiles = window.weighed_profiles(records.iter());
            let all: f64 = profiles.iter().map(|(_, p)| f64::from(p.requests)).sum();
            let of_it = profiles.iter().find(|(_, p)| p.client == Some(loud)).expect("profiled");
            let share = f64::from(of_it.1.requests) / all;
            assert!((share - 1.0 / 3.0).abs() < 0.08, "{n}: {share}");
            assert!(bits_as_count(of_it.1.paths) > 100.0, "{n}");
        }
    }

    #[test]
    fn where_every_client_has_a_profile_nothing_is_weighed() {
        let mut window = HttpWindow::default();
        for n in 0..200_u8 {
            let mut request = Request::new(Timestamp(0), IpAddr::from([192, 0, 2, n % 4]));
            request.path = b"/";
            window.observe(&request, u64::from(n));
        }
        let records = window.records();
        let profiles = window.weighed_profiles(records.iter());
        assert!(profiles.len() == 4 && profiles.iter().all(|(_, p)| p.requests == 50));
    }
}
