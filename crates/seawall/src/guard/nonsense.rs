//! Telling of those who send what is no request.

use super::incident::Told;
use seawall_http_edge::Nonsense;
use seawall_model::Timestamp;

/// So many in a minute are told of; the next ones within an hour from ten times as many on.
const LEAST: u64 = 20;
const MORE: u64 = 10;
const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3_600.0;
/// Senders that are named.
const NAMED: usize = 3;

/// What has been refused in this minute, and what was told of it.
#[derive(Debug, Default)]
pub struct Telling {
    began: Option<Timestamp>,
    minute: Nonsense,
    told: Option<(Timestamp, u64)>,
}

impl Telling {
    /// Takes what was refused since the last call, and says what is to be told.
    pub fn add(&mut self, refused: &Nonsense, now: Timestamp) -> Option<Told> {
        if self.began.is_none_or(|began| now.since_s(began) >= MINUTE_S) {
            (self.began, self.minute) = (Some(now), Nonsense::default());
        }
        self.minute.merge(refused);
        let recent = self.told.filter(|(at, _)| now.since_s(*at) < HOUR_S);
        if self.minute.requests < recent.map_or(LEAST, |(_, count)| count.saturating_mul(MORE)) {
            return None;
        }
        self.told = Some((now, self.minute.requests));
        let named = |(sender, count): &(std::net::IpAddr, u64)| format!("{count} from {sender}");
        let senders: Vec<String> = self.minute.loudest(NAMED).iter().map(named).collect();
        Some(Told::Noted(format!(
            "{} malformed or oversized requests were refused within a minute: {}",
            self.minute.requests,
            senders.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn who_sends_only_garbage_is_told_of_once() {
        let mut telling = Telling::default();
        let mut told = Vec::new();
        for second in 0..7_200 {
            let mut refused = Nonsense::default();
            (0..second % 3).for_each(|_| refused.add(IpAddr::from([192, 0, 2, 7])));
            told.extend(telling.add(&refused, Timestamp::from_seconds(second)));
        }
        let [Told::Noted(first), Told::Noted(_)] = &told[..] else { panic!("once an hour: {told:?}") };
        assert!(first.ends_with("21 from 192.0.2.7") || first.ends_with("20 from 192.0.2.7"), "{first}");
        let mut flood = Nonsense::default();
        (0..500).for_each(|_| flood.add(IpAddr::from([192, 0, 2, 9])));
        assert!(telling.add(&flood, Timestamp::from_seconds(7_201)).is_some(), "ten times as many");
    }
}
