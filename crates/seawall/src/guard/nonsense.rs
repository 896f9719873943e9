//! Telling of those who send what is no request.

use super::incident::Told;
use seawall_http_edge::Nonsense;
use seawall_model::Timestamp;

/// So many in a minute are told of. While they go on, more of them are within an hour from ten times as
/// many on; what comes after ten minutes with fewer is told anew.
const LEAST: u64 = 20;
const MORE: u64 = 10;
const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3_600.0;
const QUIET_S: f64 = 600.0;
/// Senders that are named.
const NAMED: usize = 3;

/// What has been refused in this minute, and what was told of it.
#[derive(Debug, Default)]
pub struct Telling {
    began: Option<Timestamp>,
    minute: Nonsense,
    /// When there were enough to tell of last.
    many: Option<Timestamp>,
    told: Option<(Timestamp, u64)>,
}

impl Telling {
    /// Takes what was refused since the last call, and says what is to be told.
    pub fn add(&mut self, refused: &Nonsense, now: Timestamp) -> Option<Told> {
        if self.began.is_none_or(|began| now.since_s(began) >= MINUTE_S) {
            (self.began, self.minute) = (Some(now), Nonsense::default());
        }
        self.minute.merge(refused);
        if self.minute.requests < LEAST {
            return None;
        }
        let goes_on = self.many.replace(now).is_some_and(|last| now.since_s(last) < QUIET_S);
        let recent = self.told.filter(|(at, _)| goes_on && now.since_s(*at) < HOUR_S);
        if recent.is_some_and(|(_, count)| self.minute.requests < count.saturating_mul(MORE)) {
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

    /// Broke: of what came a quarter of an hour after the first, nobody was told.
    #[test]
    fn a_burst_after_quiet_minutes_is_told_of_again() {
        let mut telling = Telling::default();
        let mut is_told = |second, requests| {
            let mut refused = Nonsense::default();
            (0..requests).for_each(|_| refused.add(IpAddr::from([192, 0, 2, 7])));
            telling.add(&refused, Timestamp::from_seconds(second)).is_some()
        };
        assert!(is_told(0, 30));
        assert!(!is_told(300, 30), "it goes on");
        assert!(!(301..1_000).any(|second| is_told(second, u64::from(second % 60 == 0))));
        assert!(is_told(1_000, 30));
        assert!(!is_told(1_001, 30), "the same burst");
    }
}
