//! Sampled requests with what measures ask of each. Most of a look at a window is reading texts, so that
//! each is read once, and those of a reference once for all looks.

use super::client::LITTLE_BYTES;
use crate::feature::classify::{self, AgentKind, PathKind};
use crate::feature::http::HttpWindow;
use seawall_model::record::RequestRecord;
use seawall_model::{hash, text};
use std::collections::BTreeMap;
use std::ops::Deref;

/// The sampled requests of a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    pub all: Vec<Sampled>,
    /// Some of them again, once they were answered.
    late: Vec<Sampled>,
}

impl Requests {
    pub fn of(http: &HttpWindow) -> Self {
        Self { all: sampled(http.records()), late: sampled(http.late_records()) }
    }

    /// Those whose time is known: also those that had none when they were counted.
    pub fn answered(&self) -> Vec<&Sampled> {
        self.all.iter().filter(|r| r.duration_us.is_some()).chain(&self.late).collect()
    }
}

/// A sampled request, and what its texts say.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    record: RequestRecord,
    pub kind: PathKind,
    /// Method, and path but for its varying parts: requests of one kind.
    pub class: u64,
    /// What is asked for: path and query.
    pub url: u64,
    /// The query without what links carry for their senders; `None` where nothing is left.
    pub own_query: Option<u64>,
    /// Whether a parameter looks machine-random.
    pub has_random_query: bool,
    /// Whether the last part of the path or a parameter does.
    pub has_random_text: bool,
    pub agent: Agent,
}

impl Deref for Sampled {
    type Target = RequestRecord;

    fn deref(&self) -> &RequestRecord {
        &self.record
    }
}

/// Works out what the texts of requests say.
pub(super) fn sampled(records: Vec<RequestRecord>) -> Vec<Sampled> {
    let mut agents = BTreeMap::new();
    let mut of = |record: RequestRecord| {
        let name = record.user_agent.as_bytes();
        let agent = *agents.entry(hash::bytes(name)).or_insert_with(|| Agent::of(name));
        Sampled::of(record, agent)
    };
    records.into_iter().map(&mut of).collect()
}

impl Sampled {
    fn of(record: RequestRecord, agent: Agent) -> Self {
        let path = record.path.as_bytes();
        let own = record.query.as_deref().map(text::without_tracking).filter(|q| !q.is_empty());
        let own_query = own.as_ref().map(|q| hash::bytes(q.as_bytes()));
        let has_random_query = own.as_deref().is_some_and(is_random_query);
        let template = hash::bytes(text::path_template(&record.path).as_bytes());
        Self {
            kind: classify::request_kind(record.method, path, record.status),
            class: hash::combine(record.method as u64, template),
            url: hash::combine(hash::bytes(path), own_query.unwrap_or(0)),
            own_query,
            has_random_query,
            has_random_text: classify::ends_in_random(path) || has_random_query,
            agent,
            record,
        }
    }

    /// Whether it is no file that a page brings along.
    pub fn is_asked(&self) -> bool {
        self.kind != PathKind::Asset
    }

    /// Files are fetched along with pages, but not by the thousand each under a random query of its own. What
    /// has hardly a byte is there to be counted, as the picture is that tells that a letter was opened.
    pub fn is_past_the_cache(&self) -> bool {
        let is_mark = match self.status {
            200 => (1..=LITTLE_BYTES).contains(&self.response_bytes),
            204 => true,
            _ => false,
        };
        self.kind == PathKind::Asset && self.has_random_query && !is_mark
    }

    /// What a program that is neither browser nor crawler is known by. An application by its name, whatever
    /// its version; what many use, such as a library, by its name and what it asks for.
    pub fn program(&self) -> Option<u64> {
        let Agent { kind, application, letters, is_hostile, .. } = self.agent;
        match kind {
            _ if application.is_some() => application,
            AgentKind::Application | AgentKind::Service => Some(letters),
            AgentKind::Tool if !is_hostile => Some(hash::combine(letters, self.class)),
            _ => None,
        }
    }
}

fn is_random_query(query: &str) -> bool {
    /// A number of so many digits that stands alone is none that a page would have.
    const DIGITS: usize = 6;
    // Who wants to get past caches may ask for a page under ever other numbers.
    let is_bare_number = query.len() >= DIGITS && query.bytes().all(|b| b.is_ascii_digit());
    is_bare_number
        || query.split('&').any(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            text::is_random_word(name) || text::is_random_word(value)
        })
}

/// What a user agent says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agent {
    pub hash: u64,
    pub kind: AgentKind,
    pub is_hostile: bool,
    pub is_monitor: bool,
    /// The name of an application, where it is one.
    application: Option<u64>,
    /// Its letters without those of versions.
    pub letters: u64,
}

impl Agent {
    fn of(name: &[u8]) -> Self {
        let hash = hash::bytes(name);
        let (kind, is_hostile) = classify::agent_class(name, hash);
        Self {
            hash,
            kind,
            is_hostile,
            is_monitor: classify::is_monitor(name),
            application: classify::application_name(name).map(hash::bytes),
            letters: hash::bytes(&letters(name)),
        }
    }
}

fn letters(agent: &[u8]) -> Vec<u8> {
    let mut in_version = false;
    let is_of_name = |byte: &u8| {
        // A version may be a hash, of letters too.
        in_version = match byte {
            b'/' => true,
            b' ' | b';' | b'(' | b')' | b',' => false,
            _ => in_version,
        };
        !in_version && byte.is_ascii_alphabetic()
    };
    agent.iter().copied().filter(is_of_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: a flood of pages under ever other bare numbers was normal, where it was there from the beginning.
    #[test]
    fn a_long_number_alone_is_a_random_query() {
        assert!(is_random_query("7193421") && is_random_query("q=xkjqvzpw"));
        assert!(!is_random_query("4711") && !is_random_query("page=7193421") && !is_random_query("2"));
    }
}
