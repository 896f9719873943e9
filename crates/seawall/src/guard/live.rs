//! What the operator sees while the guard runs: a calm line that renews itself on a terminal, and
//! the story when something happens.

use super::control::Control;
use super::dns::DnsControl;
use super::events;
use super::incident::Told;
use crate::console::Console;
use crate::report::{self, moment, text, words};
use seawall_http_edge::Edge;
use seawall_model::plan::{Outcome, Plan};
use seawall_model::{Class, Timestamp};
use std::io::{self, Write};

/// Writes the story to one stream and the calm line to the other.
pub struct Live<'a> {
    pub console: Console,
    /// The story as JSON lines instead of text.
    pub json: bool,
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// A stir that is not told yet: when it was noticed, and since when it is.
    pub stir: Option<(Timestamp, Timestamp)>,
}

/// A stir that turns out to be nothing within so many seconds is not told of.
const STIR_S: f64 = 3.0;

impl Live<'_> {
    /// Renews the calm line, on a terminal only. Called every second.
    pub fn line(&mut self, control: &Control, edge: &Edge, dns: &[DnsControl], now: Timestamp) {
        if self.stir.is_some_and(|(noticed, _)| now.since_s(noticed) >= STIR_S) {
            // A guard whose terminal is gone guards on.
            let _ = self.tell_stir();
        }
        if !self.console.progress {
            return;
        }
        let reports = control.report().into_iter().chain(dns.iter().filter_map(DnsControl::report));
        let what = reports.map(|r| &r.verdict).find(|v| v.class != Class::Normal);
        let parts = [dns_part(dns), requests_part(control, edge, dns.is_empty())];
        let rates: String = parts.into_iter().flatten().map(|part| part + "  ").collect();
        let what = what.map_or_else(|| calm(edge), words::verdict);
        let line = format!("{}  {rates}{what}", time(now));
        let line = text::clip(&text::visible(&line), self.console.width);
        // A line that cannot be drawn is no reason to stop.
        let _ = write!(self.err, "\r\x1b[K{line}");
        let _ = self.err.flush();
    }

    /// Tells what has happened. A guard whose terminal is gone guards on.
    ///
    /// # Errors
    /// If a program reads it that is gone: it started the guard, and would leave it behind.
    pub fn tell(&mut self, told: &Told, now: Timestamp) -> io::Result<()> {
        let result = self.try_to_tell(told, now);
        if self.json { result } else { Ok(()) }
    }

    fn try_to_tell(&mut self, told: &Told, now: Timestamp) -> io::Result<()> {
        if self.console.progress {
            let _ = write!(self.err, "\r\x1b[K");
        }
        if self.json {
            writeln!(self.out, "{}", events::text(&events::told(told, now)))?;
            return self.out.flush();
        }
        let at = time(now);
        match told {
            Told::Opened(onset) => {
                self.stir = Some((now, *onset));
                return Ok(());
            }
            Told::Named(report) if report.verdict.class == Class::Normal && self.stir.take().is_some() => {
                return Ok(());
            }
            _ => self.tell_stir()?,
        }
        match told {
            Told::Opened(_) => Ok(()),
            Told::Named(report) if report.verdict.class == Class::Normal => {
                writeln!(self.out, "{at}  it looks normal")
            }
            Told::Named(report) => {
                let story = report::named(report, &self.console);
                writeln!(
                    self.out,
                    "{at}  named: {}\n\n{story}",
                    text::visible(&words::verdict(&report.verdict))
                )
            }
            Told::Notified { title, file } => {
                writeln!(self.out, "{at}  for the users: {} ({})", text::visible(title), file.display())
            }
            Told::Engaged { plan, observe, replaced } => {
                if !replaced.is_empty() {
                    writeln!(self.out, "{at}  other measures from now on; those before {}", did(replaced))?;
                }
                self.measures(&at, plan, *observe)
            }
            Told::Widened => writeln!(self.out, "{at}  no harm seen: measures act on all of it now"),
            Told::Withdrawn { why, outcomes } => {
                writeln!(self.out, "{at}  measures withdrawn: {why}; they {}", did(outcomes))
            }
            Told::Ended { report, folder: None } if report.verdict.class == Class::Normal => Ok(()),
            Told::Ended { report, folder } => {
                writeln!(self.out, "{at}  over: {}", text::visible(&words::verdict(&report.verdict)))?;
                match folder {
                    Some(folder) => writeln!(self.out, "          written up in {}", folder.display()),
                    None => Ok(()),
                }
            }
            Told::Noted(what) => writeln!(self.out, "{at}  {}", text::visible(what)),
            Told::Failed(what) => writeln!(self.err, "seawall: {}", text::visible(what)),
        }?;
        self.out.flush()
    }

    /// Tells of a stir that has not been told of.
    fn tell_stir(&mut self) -> io::Result<()> {
        let Some((noticed, onset)) = self.stir.take() else { return Ok(()) };
        writeln!(self.out, "{}  traffic is unlike before since {}", time(noticed), time(onset))?;
        self.out.flush()
    }

    fn measures(&mut self, at: &str, plan: &Plan, observe: bool) -> io::Result<()> {
        let head = if observe { "would do (observing only)" } else { "measures in force" };
        writeln!(self.out, "{at}  {head}:")?;
        for measure in &plan.measures {
            let what = words::action(&measure.action);
            let whom = words::scope(&measure.scope, measure.target.as_deref());
            writeln!(
                self.out,
                "          {} {}: {}{}",
                measure.id,
                text::visible(&what),
                text::visible(&whom),
                if measure.initial_share < 1.0 { first_share(measure.initial_share) } else { String::new() }
            )?;
        }
        Ok(())
    }
}

/// What measures did in all, as a predicate.
fn did(outcomes: &[Outcome]) -> String {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum();
    words::held_back(sum(|o| o.requests), sum(|o| o.packets))
}

/// What comes to the fronts of name servers, and how many servers are up.
fn dns_part(dns: &[DnsControl]) -> Option<String> {
    let queries: f64 = dns.iter().map(DnsControl::queries_per_s).sum();
    let (up, all) = count_up(dns.iter().flat_map(|d| d.edge().backends()).map(|(_, is_up)| is_up));
    (!dns.is_empty()).then(|| format!("{queries:.0} queries/s  {up}/{all} name servers up"))
}

/// The same of sites; nothing of them where there are only name servers.
fn requests_part(control: &Control, edge: &Edge, is_alone: bool) -> Option<String> {
    let (up, all) = count_up(edge.upstreams().into_iter().map(|(.., is_up)| is_up));
    let (requests, connections) = (control.requests_per_s(), edge.open_connections());
    (is_alone || all > 0)
        .then(|| format!("{requests:.0} requests/s  {connections} connections  {up}/{all} upstreams up"))
}

/// What there is to say while nothing is named.
fn calm(edge: &Edge) -> String {
    match count_up(edge.upstreams().into_iter().map(|(.., is_up)| is_up)) {
        (up, all) if up == all => "normal".to_owned(),
        (0, _) => "no upstream is up".to_owned(),
        (up, all) => format!("{} of {all} upstreams down", all - up),
    }
}

fn count_up(all: impl Iterator<Item = bool>) -> (u32, u32) {
    all.fold((0, 0), |(up, all), is_up| (up + u32::from(is_up), all + 1))
}

fn first_share(share: f64) -> String {
    format!(", first on {:.0} % of it", 100.0 * share)
}

fn time(t: Timestamp) -> String {
    moment::Clock::for_times(&[]).short(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::report::TriageReport;

    /// Broke: whoever watched calm traffic read every few minutes that it is unlike before, and that
    /// it looks normal.
    #[test]
    fn a_stir_that_is_nothing_is_not_told_and_one_that_is_something_is_told_first() {
        let told = |report: &str| {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let (console, stir) = (Console::PIPE, None);
            let mut live = Live { console, json: false, out: &mut out, err: &mut err, stir };
            let now = Timestamp::from_seconds(1_000);
            let report: TriageReport = serde_json::from_str(report).expect("a report");
            for event in [Told::Opened(now), Told::Named(Box::new(report))] {
                live.tell(&event, now).expect("told");
            }
            String::from_utf8(out).expect("text")
        };
        assert_eq!(told(include_str!("../../tests/golden/benign-day.json")), "");
        let flood = told(include_str!("../../tests/golden/http-flood.json"));
        let (first, rest) = flood.split_once('\n').expect("lines");
        assert!(first.contains("unlike before") && rest.contains("HTTP flood"), "{flood}");
    }
}
