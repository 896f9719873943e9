//! Plans as text for the programs that people run, ready to paste.
//!
//! Each program's module renders what that program can express and says in a comment what it
//! cannot, rather than write a rule that matches something else. Everything that came from
//! traffic (user agents, paths, names) is hostile: it is escaped by the program's own rules, and
//! in comments anything but plain text becomes a dot.

pub mod dnsdist;
pub mod flowspec;
pub mod haproxy;
pub mod nftables;
pub mod nginx;
mod pattern;
pub mod runtime;
pub mod tcp_options;

use crate::approval::Approved;
use seawall_model::Prefix;
use seawall_model::plan::{Action, Measure, Plan, RenderedRule, Scope};
use seawall_model::signature::{Layer, Test};
use seawall_model::time::SECOND_NS;

/// Longest text of a comment line.
const MAX_COMMENT_CHARS: usize = 400;

/// The plan in every program that can express a part of it. Only a plan that the independent
/// checker let pass can be rendered. `protected` clients are exempt in
/// every rule.
#[must_use]
pub fn render(plan: &Approved, protected: &[Prefix]) -> Vec<RenderedRule> {
    [nftables::render, haproxy::render, nginx::render, dnsdist::render, flowspec::render]
        .into_iter()
        .flat_map(|render| render(plan.plan(), protected))
        .collect()
}

/// A complete minimal configuration around the rules of one program, such as its own checker
/// accepts. `None`: no program of that name is rendered for.
#[must_use]
pub fn check_file(program: &str, rules: &[RenderedRule]) -> Option<String> {
    let of_program: Vec<RenderedRule> = rules.iter().filter(|r| r.program == program).cloned().collect();
    match program {
        nftables::PROGRAM => Some(nftables::check_file(&of_program)),
        haproxy::PROGRAM => Some(haproxy::check_file(&of_program)),
        nginx::PROGRAM => Some(nginx::check_file(&of_program)),
        dnsdist::PROGRAM => Some(dnsdist::check_file(&of_program)),
        flowspec::PROGRAM => Some(flowspec::check_file(&of_program)),
        _ => None,
    }
}

/// The measures of a plan that one program is asked for, one after the other.
#[derive(Default)]
pub(crate) struct Taken {
    /// Identifiers of those that it can express.
    pub(crate) rendered: Vec<String>,
    /// Why the others are missing, as lines for a comment.
    pub(crate) notes: Vec<String>,
}

impl Taken {
    /// Hands every measure that `concerns` the program to `add`.
    pub(crate) fn of(
        plan: &Plan,
        concerns: impl Fn(&Measure) -> bool,
        mut add: impl FnMut(&Measure) -> Result<(), String>,
    ) -> Self {
        let mut taken = Self::default();
        for measure in plan.measures.iter().filter(|m| is_for_programs(&m.action) && concerns(m)) {
            match add(measure) {
                Ok(()) => taken.rendered.push(measure.id.clone()),
                Err(why) => taken.notes.push(format!(
                    "{}: {} is not in this file: {why}",
                    measure.id,
                    measure.action.name()
                )),
            }
        }
        taken
    }

    /// Whether the plan has nothing to say to the program.
    pub(crate) fn is_empty(&self) -> bool {
        self.rendered.is_empty() && self.notes.is_empty()
    }

    pub(crate) fn rule(&self, program: &str, place: &str, text: String) -> RenderedRule {
        RenderedRule { program: program.into(), place: place.into(), text, measures: self.rendered.clone() }
    }
}

/// The comment above every text: which plan, how it is undone, and what else is to be said.
pub(crate) fn heading(mark: &str, plan: &Plan, undo: &[&str], notes: &[String]) -> String {
    let created = plan.created.floor_to(SECOND_NS);
    let made = format!("seawall plan {} against {}, made {created}", plan.generation, plan.cause.title());
    let lines: Vec<String> = std::iter::once(made)
        .chain(undo.iter().map(|line| (*line).to_owned()))
        .chain(notes.iter().cloned())
        .collect();
    comments(mark, &lines)
}

/// The text that belongs to one place of a configuration.
pub(crate) fn at_place(rules: &[RenderedRule], place: &str) -> String {
    rules.iter().filter(|r| r.place == place).map(|r| r.text.as_str()).collect()
}

/// The kind of traffic that a measure is about: its signature's layer, else its cause's.
pub(crate) fn layer_of(plan: &Plan, measure: &Measure) -> Layer {
    match &measure.scope {
        Scope::Signature(s) => s.layer,
        Scope::All | Scope::Sources(_) => plan.cause.layer(),
    }
}

/// Whether a proxy for HTTP is the place for a measure.
pub(crate) fn is_http(plan: &Plan, measure: &Measure) -> bool {
    layer_of(plan, measure) == Layer::Http || matches!(measure.action, Action::HeaderDeadline { .. })
}

/// Whether a program could ever carry this action out; the others are for people and providers.
fn is_for_programs(action: &Action) -> bool {
    !matches!(
        action,
        Action::ProviderMode | Action::ScaleOut | Action::RollBack { .. } | Action::Investigate { .. }
    )
}

/// Seconds that a measure lives from when it is loaded.
pub(crate) fn lifetime_s(plan: &Plan, measure: &Measure) -> u64 {
    measure.expires.since_s(plan.created).clamp(1.0, 86_400.0) as u64
}

/// Parts in a thousand of the matching traffic.
pub(crate) fn per_mille(measure: &Measure) -> u32 {
    (measure.initial_share * 1_000.0).clamp(1.0, 1_000.0) as u32
}

/// Whether a refusal is about one client alone, so that a share of clients would be all or nothing: what is
/// drawn for it is a share of its requests.
pub(crate) fn is_drawn_by_request(measure: &Measure) -> bool {
    let is_one = |p: &Prefix| p.length_bits() >= if p.address().is_ipv4() { 32 } else { 64 };
    let names_one = match &measure.scope {
        Scope::All => false,
        Scope::Signature(s) => s.tests.iter().any(|t| matches!(t, Test::Source(p) if is_one(p))),
        Scope::Sources(prefixes) => matches!(prefixes.as_slice(), [one] if is_one(one)),
    };
    names_one && matches!(measure.action, Action::Block { .. })
}

/// Text that cannot end a comment or hide anything in it: printable ASCII without backslashes.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .take(MAX_COMMENT_CHARS)
        .map(|c| if (c.is_ascii_graphic() && c != '\\') || c == ' ' { c } else { '.' })
        .collect()
}

/// A measure's id as part of a name: letters, digits and underscores.
pub(crate) fn name(measure: &Measure) -> String {
    measure.id.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// What a measure does, in plain words, for the comment above its rule.
pub(crate) fn in_words(measure: &Measure) -> String {
    let scope = match &measure.scope {
        Scope::All => "everything to the target".to_owned(),
        Scope::Signature(s) => s.to_string(),
        Scope::Sources(prefixes) => format!("{} source addresses", prefixes.len()),
    };
    let harm = match measure.predicted_harm {
        Some(h) => format!("hits {:.2} % of normal traffic", h.share * 100.0),
        None => "harm to normal traffic not measured".to_owned(),
    };
    let e = measure.predicted_effect;
    let effect = if e.low <= 0.0 && e.high > 0.5 {
        "effect not known beforehand".to_owned()
    } else {
        format!("stops {:.0} % of the unwanted traffic", e.share * 100.0)
    };
    let stage = if per_mille(measure) < 1_000 {
        format!(
            "; on {} % of it at first, and so much less of both: raise that once its hits look right",
            per_mille(measure) / 10
        )
    } else {
        String::new()
    };
    plain(&format!("{}: {} for {scope}; {effect}, {harm}{stage}", measure.id, measure.action.name()))
}

/// A token that only this plan's measure hands out.
pub(crate) fn token(plan: &Plan, measure: &Measure) -> String {
    let seed = seawall_model::hash::combine(plan.created.0 as u64, plan.generation);
    format!("{:016x}", seawall_model::hash::combine(seed, seawall_model::hash::bytes(measure.id.as_bytes())))
}

/// Whole events per period, and the period's name: slow rates count by the minute.
pub(crate) fn whole_rate(per_s: f64) -> (u64, bool) {
    if per_s >= 1.0 {
        (per_s.ceil().min(1e9) as u64, false)
    } else {
        ((per_s * 60.0).ceil().max(1.0) as u64, true)
    }
}

/// Several lines as comments.
pub(crate) fn comments(mark: &str, lines: &[String]) -> String {
    lines.iter().map(|l| format!("{mark} {}\n", plain(l))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;
    use seawall_model::signature::ShareEstimate;

    #[test]
    fn comments_cannot_be_left() {
        assert_eq!(plain("a\nb\r\u{2028}c\\\n\0é"), "a.b..c....");
    }

    /// Broke: a rule about one address was to begin on a tenth of it, drawn by the address: it began on all
    /// of it or on nothing.
    #[test]
    fn what_is_about_one_client_is_drawn_by_request() {
        let by_request = |action: Action, source: &str| {
            is_drawn_by_request(&Measure {
                id: "m1".into(),
                action,
                scope: Scope::Sources(vec![source.parse().expect("a prefix")]),
                target: None,
                predicted_effect: ShareEstimate { share: 1.0, low: 1.0, high: 1.0 },
                predicted_harm: None,
                expires: Timestamp(1),
                initial_share: 0.1,
            })
        };
        let block = || Action::Block { status: 403 };
        assert!(by_request(block(), "198.51.100.7/32") && by_request(block(), "2001:db8::/64"));
        assert!(!by_request(block(), "198.51.100.0/24"));
        assert!(!by_request(Action::Challenge, "198.51.100.7/32"), "a cookie is asked for once");
    }

    #[test]
    fn slow_rates_count_by_the_minute() {
        assert_eq!(whole_rate(0.5), (30, true));
        assert_eq!(whole_rate(1.2), (2, false));
        assert_eq!(whole_rate(1e300), (1_000_000_000, false));
    }
}
