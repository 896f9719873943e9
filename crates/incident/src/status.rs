//! What the users are told on the status page: short, honest, and nothing that helps an attacker.
//! Drafts for a person to send.

use crate::postmortem::Postmortem;
use seawall_model::Timestamp;
use seawall_model::cause::Class;

/// Which notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The trouble is known; sent before the cause is certain.
    First,
    /// The cause is known, measures are on the way.
    Update,
    /// The service is back.
    Resolved,
}

/// A notice as plain text. The target's name comes from the input and is not escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusText {
    pub title: String,
    pub body: String,
}

/// Drafts a notice.
#[must_use]
pub fn notice(kind: Notice, postmortem: &Postmortem) -> StatusText {
    let service = postmortem.verdict.target.as_deref().unwrap_or("the service");
    let (title, body) = match kind {
        _ if postmortem.verdict.class == Class::Normal => {
            (format!("No disturbance of {service}"), NOTHING_FOUND.to_owned())
        }
        Notice::First => (format!("Disturbance of {service}"), first(postmortem, service)),
        Notice::Update => (format!("Disturbance of {service}: cause found"), update(postmortem)),
        Notice::Resolved => (format!("Disturbance of {service}: resolved"), resolved(postmortem, service)),
    };
    StatusText { title, body }
}

const NOTHING_FOUND: &str = "We found no disturbance at our end and keep watching. \
     If something does not work for you, please write to us.";

fn first(postmortem: &Postmortem, service: &str) -> String {
    let since = postmortem.started.map(|t| format!(" since {}", minute(t))).unwrap_or_default();
    let what = match postmortem.verdict.class {
        Class::Abuse => format!("We see requests to {service} that no visitor sends{since}"),
        _ => format!("Some requests to {service} are slow or fail{since}. We see it"),
    };
    format!(
        "{what} and are working on it. \
         You need not do anything. We will write again within 30 minutes."
    )
}

fn update(postmortem: &Postmortem) -> String {
    let cause = match postmortem.verdict.class {
        Class::Attack => {
            "The cause is an attack: somebody tries to keep the service from answering. We are filtering \
             it out. Some of you may be asked to confirm that you are not a machine, or be slowed down for \
             a while."
        }
        Class::Abuse => {
            "The cause is abusive automated traffic. We are limiting it. If we find that accounts or data \
             were touched, we will tell those concerned directly."
        }
        Class::Fault => "The cause is a technical fault on our side. We are putting it right.",
        Class::Demand => {
            "Far more people than usual want to use the service at once. We are making room. Until then \
             you may have to wait."
        }
        Class::Normal | Class::Undecided => {
            "The cause is not certain yet. We are narrowing it down and keep what works stable."
        }
    };
    format!("{cause} We will write again within 30 minutes.")
}

fn resolved(postmortem: &Postmortem, service: &str) -> String {
    let span = match (postmortem.started, postmortem.ended) {
        (Some(start), Some(end)) => format!(" The disturbance {}.", lasted(start, end)),
        (Some(start), None) => format!(" The disturbance began at {}.", minute(start)),
        _ => String::new(),
    };
    let after = match postmortem.verdict.class {
        Class::Attack | Class::Abuse => " We keep watching for a repetition.",
        Class::Fault => " We are working on it not happening again.",
        _ => "",
    };
    format!("Requests to {service} are answered normally again.{span}{after} We are sorry for the trouble.")
}

/// `lasted from 14:03 to 14:17 UTC on 2026-04-02`.
fn lasted(start: Timestamp, end: Timestamp) -> String {
    let (from, to) = (start.civil(), end.civil());
    let clock = |c: &seawall_model::time::Civil| format!("{:02}:{:02}", c.hour, c.minute);
    let is_one_day = (from.year, from.month, from.day) == (to.year, to.month, to.day);
    match is_one_day {
        true if clock(&from) == clock(&to) => format!("lasted less than a minute, at {}", minute(start)),
        true => format!("lasted from {} to {}", clock(&from), minute(end)),
        false => format!("lasted from {} to {}", minute(start), minute(end)),
    }
}

/// `14:03 UTC on 2026-04-02`.
fn minute(t: Timestamp) -> String {
    let c = t.civil();
    format!("{:02}:{:02} UTC on {:04}-{:02}-{:02}", c.hour, c.minute, c.year, c.month, c.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: what lasted some seconds was told as from a minute to the same minute.
    #[test]
    fn how_long_it_lasted_is_told_without_saying_a_day_or_a_minute_twice() {
        let from = Timestamp::from_seconds(1_775_138_580);
        let after = |s: i64| lasted(from, Timestamp::from_seconds(1_775_138_580 + s));
        assert_eq!(after(20), "lasted less than a minute, at 14:03 UTC on 2026-04-02");
        assert_eq!(after(840), "lasted from 14:03 to 14:17 UTC on 2026-04-02");
        assert_eq!(after(86_400), "lasted from 14:03 UTC on 2026-04-02 to 14:03 UTC on 2026-04-03");
    }
}
