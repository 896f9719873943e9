//! `seawall kernel`: the filter as the kernel has it.

use super::Status;
use crate::report::text;
use seawall_kernel::{RuleStatus, Status as Filter, running};
use std::io::Write;

/// `seawall kernel status`: every filter that runs on this machine.
pub fn status(out: &mut dyn Write) -> anyhow::Result<Status> {
    let filters = running()?;
    if filters.is_empty() {
        writeln!(out, "no filter is loaded")?;
    }
    for filter in &filters {
        show(filter, out)?;
    }
    Ok(Status::Quiet)
}

fn show(filter: &Filter, out: &mut dyn Write) -> anyhow::Result<()> {
    let place = filter.interface.as_deref().unwrap_or("no interface of this network namespace");
    let t = &filter.totals;
    writeln!(out, "filter on {place}, generation {}", filter.generation)?;
    writeln!(out, "  packets in      {} ({} bytes)", t.packets, t.bytes)?;
    writeln!(
        out,
        "  dropped         {} by blocked address, {} by signature ({} bytes)",
        t.dropped_by_block, t.dropped_by_rule, t.dropped_bytes
    )?;
    writeln!(out, "  would drop      {}", t.would_drop)?;
    writeln!(out, "  protected       {} met a rule and passed", t.protected)?;
    if filter.cookies.is_some() || t.cookies_sent > 0 || t.cookies_bad > 0 {
        writeln!(
            out,
            "  cookies         {} openings answered, {} came back, {} packets of no connection dropped",
            t.cookies_sent, t.cookies_good, t.cookies_bad
        )?;
        writeln!(out, "  left to host    {} openings, {} came back", t.cookies_left, t.cookies_left_good)?;
    }
    if !filter.names.is_empty() || t.names_answered + t.names_dropped > 0 {
        writeln!(
            out,
            "  unknown names   {} questions answered, {} dropped",
            t.names_answered, t.names_dropped
        )?;
    }
    writeln!(out, "  samples         {}, {} lost", t.samples, t.samples_lost)?;
    writeln!(out, "  blocked         {} IPv4 and {} IPv6 prefixes", filter.blocked.0, filter.blocked.1)?;
    for rule in &filter.rules {
        writeln!(out, "  {}", in_words(rule))?;
    }
    if let Some(rule) = &filter.cookies {
        writeln!(out, "  {}", cookies_in_words(rule))?;
    }
    for rule in &filter.names {
        writeln!(out, "  {}", names_in_words(rule))?;
    }
    let all = || filter.rules.iter().chain(&filter.cookies).chain(&filter.names);
    let is_shown = |words: &String| all().any(|r| r.words == *words);
    for (words, counts) in filter.counts.iter().filter(|(words, _)| !is_shown(words)) {
        writeln!(
            out,
            "  {}: {} packets met, {} dropped",
            text::visible(words),
            counts.matched_packets,
            counts.dropped_packets
        )?;
    }
    Ok(())
}

fn in_words(rule: &RuleStatus) -> String {
    let does = match (rule.enforce, rule.is_limit) {
        (false, _) => "observed",
        (true, false) => "dropped",
        (true, true) => "limited",
    };
    let time = time_left(rule);
    format!(
        "{}: {does} for {} % of flows, {time}: {} packets met, {} dropped",
        text::visible(&rule.words),
        rule.per_mille / 10,
        rule.counts.matched_packets,
        rule.counts.dropped_packets
    )
}

fn time_left(rule: &RuleStatus) -> String {
    match rule.seconds_left {
        0 => "expired".to_owned(),
        seconds => format!("{seconds} s left"),
    }
}

fn cookies_in_words(rule: &RuleStatus) -> String {
    let does = if rule.enforce { "answered" } else { "observed" };
    let time = time_left(rule);
    format!("{}: openings {does} for {} % of flows, {time}", text::visible(&rule.words), rule.per_mille / 10)
}

fn names_in_words(rule: &RuleStatus) -> String {
    let does = if rule.enforce { "held back" } else { "observed" };
    let (time, counts) = (time_left(rule), &rule.counts);
    format!(
        "{}: {does} for {} % of flows, {time}: {} questions met, {} answered or dropped",
        text::visible(&rule.words),
        rule.per_mille / 10,
        counts.matched_packets,
        counts.dropped_packets
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_told_in_one_line() {
        let rule = RuleStatus {
            words: "m1 drop-in-kernel: ttl = 117".to_owned(),
            is_limit: false,
            enforce: true,
            per_mille: 250,
            seconds_left: 0,
            counts: seawall_kernel::Counts { matched_packets: 9, dropped_packets: 2, ..Default::default() },
        };
        assert_eq!(
            in_words(&rule),
            "m1 drop-in-kernel: ttl = 117: dropped for 25 % of flows, expired: 9 packets met, 2 dropped"
        );
        let rule = RuleStatus {
            words: "m1 syn-cookies: everything".to_owned(),
            per_mille: 500,
            seconds_left: 7,
            ..rule
        };
        assert_eq!(
            cookies_in_words(&rule),
            "m1 syn-cookies: everything: openings answered for 50 % of flows, 7 s left"
        );
        let rule = RuleStatus { words: "names below example.org".to_owned(), ..rule };
        assert_eq!(
            names_in_words(&rule),
            "names below example.org: held back for 50 % of flows, 7 s left: 9 questions met, 2 answered or dropped"
        );
    }
}
