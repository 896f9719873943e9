//! When certificates end: told beforehand, because visitors tell of it only afterwards.

use super::prometheus::{self, label};
use crate::config::GuardConfig;
use crate::report::text;
use seawall_http_edge::tls::{self, OwnCertificate};
use seawall_http_edge::validity::Validity;
use seawall_model::Timestamp;
use std::path::{Path, PathBuf};

/// Days before its end from which a certificate is told of. Who renews by machine does so earlier.
const SOON_DAYS: f64 = 14.0;
const DAY_S: f64 = 86_400.0;

/// The certificates of a configuration, as they were when it was read.
#[derive(Debug, Default)]
pub struct Expiries(Vec<Expiry>);

#[derive(Debug)]
struct Expiry {
    file: PathBuf,
    names: String,
    validity: Validity,
    /// What was told of it last.
    told: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    NotYet,
    Good,
    Soon,
    Over,
}

impl Expiries {
    /// Reads the certificates of sites and name servers, and those that are shown to upstreams. What
    /// cannot be read is told by whoever serves with it.
    #[must_use]
    pub fn of(guard: &GuardConfig) -> Self {
        let of_sites = guard.sites.iter().flat_map(|s| s.certificates.iter().chain(&s.upstream_certificate));
        let files = of_sites.chain(guard.dns.iter().flat_map(|front| &front.certificates));
        let mut all = Self::default();
        for file in files.map(|pair| &pair.chain) {
            if all.0.iter().all(|known| known.file != *file) {
                all.0.extend(Expiry::of(file));
            }
        }
        all
    }

    /// What is to be told now: of each certificate once that its end is near, and once that it is over.
    pub fn news(&mut self, now: Timestamp) -> Vec<String> {
        self.0.iter_mut().filter_map(|expiry| expiry.news(now)).collect()
    }

    /// When each ends, for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let ends = |Expiry { file, names, validity, .. }: &Expiry| {
            let [file, names] = [&file.to_string_lossy(), names.as_str()].map(label);
            (format!("{{file=\"{file}\",names=\"{names}\"}}"), validity.ends.seconds())
        };
        if !self.0.is_empty() {
            let metric = ("certificate_expires_timestamp_seconds", "gauge", "when a certificate ends");
            prometheus::add(&mut text, metric, self.0.iter().map(ends));
        }
        text
    }
}

impl Expiry {
    fn of(file: &Path) -> Option<Self> {
        let OwnCertificate { names, validity } = tls::own_certificate(file)?;
        Some(Self { file: file.to_owned(), names: names.join(", "), validity, told: Stage::Good })
    }

    fn news(&mut self, now: Timestamp) -> Option<String> {
        let Validity { begins, ends } = self.validity;
        let left_days = ends.since_s(now) / DAY_S;
        let stage = match left_days {
            _ if now < begins => Stage::NotYet,
            ..0.0 => Stage::Over,
            ..=SOON_DAYS => Stage::Soon,
            _ => Stage::Good,
        };
        if std::mem::replace(&mut self.told, stage) == stage {
            return None;
        }
        let names = if self.names.is_empty() { "no name" } else { &self.names };
        let which = format!("certificate {} ({names})", self.file.display());
        let which = text::visible(&text::clip(&which, 200));
        match stage {
            Stage::NotYet => {
                Some(format!("{which} is not valid before {begins}: clients refuse it until then"))
            }
            Stage::Soon => {
                Some(format!("{which} expires in {left_days:.1} days, at {ends}: renew it, and reload"))
            }
            Stage::Over => Some(format!("{which} has expired: clients refuse it since {ends}")),
            Stage::Good => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// Broke: a certificate expired, and the guard said nothing before or after.
    #[test]
    fn a_certificate_is_told_of_before_it_ends_and_when_it_has() {
        let validity = Validity { begins: at("2026-01-01T00:00:00Z"), ends: at("2026-04-01T00:00:00Z") };
        let (file, names) = ("/etc/ssl/\"a\".pem".into(), "shop.example".to_owned());
        let mut all = Expiries(vec![Expiry { file, names, validity, told: Stage::Good }]);
        let mut told = |time| all.news(at(time)).concat();
        assert!(told("2025-12-31T00:00:00Z").contains("is not valid before 2026-01-01T00:00:00Z"));
        assert_eq!(told("2026-03-17T23:00:00Z"), "");
        let soon = told("2026-03-18T12:00:00Z");
        assert!(soon.contains("(shop.example) expires in 13.5 days, at 2026-04-01T00:00:00Z"), "{soon}");
        assert_eq!(told("2026-03-30T00:00:00Z"), "", "once");
        assert!(told("2026-04-01T00:00:01Z").contains("has expired: clients refuse it since 2026-04-01"));
        assert_eq!(told("2026-05-01T00:00:00Z"), "", "once");
        let line = "seawall_certificate_expires_timestamp_seconds{file=\"/etc/ssl/\\\"a\\\".pem\",names=\"shop.example\"} 1775001600\n";
        assert!(all.metrics().ends_with(line), "{}", all.metrics());
    }
}
