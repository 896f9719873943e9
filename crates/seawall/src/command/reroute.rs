//! `seawall reroute`: a zone is rehearsed with, switched to, and taken back from a provider.

use super::Status;
use crate::cli::{ChangeArgs, RerouteArgs, RerouteCommand, RerouteToArgs};
use crate::config::{self, GuardConfig};
use crate::guard::clock;
use crate::report::text;
use crate::reroute::Plan;
use crate::reroute::state::State;
use crate::reroute::steps::{self, Rehearsal};
use anyhow::{Context, bail};
use seawall_dns_edge::message::name;
use seawall_dns_edge::reroute::delegation::{self, hosts_text};
use std::io::Write;

pub fn run(command: &RerouteCommand, out: &mut dyn Write) -> anyhow::Result<Status> {
    match command {
        RerouteCommand::Status(args) => status(args, out),
        RerouteCommand::Rehearse(args) => {
            let (guard, plan, number) = chosen(args)?;
            let state = guard.state_folder.as_deref().map(|f| State::of(f, &zone_text(&plan)));
            let rehearsal = steps::rehearse(&plan, number, state.as_ref(), &clock::now)?;
            tell(&rehearsal, &plan, number, out)?;
            Ok(if rehearsal.against.is_empty() { Status::Quiet } else { Status::CouldNotRun })
        }
        RerouteCommand::Switch(args) => switch(args, out),
        RerouteCommand::Back(args) => back(args, out),
    }
}

fn switch(args: &RerouteToArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let (guard, plan, number) = chosen(args)?;
    let state = state(&guard, &plan)?;
    let rehearsal = steps::rehearse(&plan, number, Some(&state), &clock::now)?;
    tell(&rehearsal, &plan, number, out)?;
    let switched = steps::switch(&plan, number, &rehearsal, &state, &clock::now)?;
    let (zone, provider) = (zone_text(&plan), &switched.provider);
    writeln!(out, "switched at {}; the last resolver has moved by {}", switched.at, switched.settled_at)?;
    let text =
        format!("{zone} rerouted to {provider}; the last resolver has moved by {}", switched.settled_at);
    announce(&args.common, &guard, &text, out)
}

fn back(args: &RerouteArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let (guard, plans) = load(args)?;
    let plan = only(plans, args.zone.as_deref())?;
    let (switched, settled_at) = steps::back(&plan, &state(&guard, &plan)?, &clock::now)?;
    let before = switched.before.join(", ");
    writeln!(out, "delegated to {before} again; the last resolver is back by {settled_at}")?;
    let text = format!(
        "{} taken back from {}; the last resolver is back by {settled_at}",
        zone_text(&plan),
        switched.provider
    );
    announce(args, &guard, &text, out)
}

fn status(args: &RerouteArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let (guard, plans) = load(args)?;
    let wanted = |p: &Plan| args.zone.as_ref().is_none_or(|z| zone_text(p).eq_ignore_ascii_case(z));
    for plan in plans.iter().filter(|p| wanted(p)) {
        let state = guard.state_folder.as_deref().map(|f| State::of(f, &zone_text(plan)));
        let delegated = match delegation::read(&plan.zone, clock::now()) {
            Ok(Ok(found)) => format!("delegated to {}", hosts_text(&found.hosts())),
            Ok(Err(why)) => why,
            Err(why) => why.to_string(),
        };
        writeln!(out, "{}: {}", zone_text(plan), text::visible(&delegated))?;
        if let Some(switched) = state.as_ref().map(State::switched).transpose()?.flatten() {
            let has_moved = if clock::now() < switched.settled_at { "will have moved" } else { "has moved" };
            writeln!(
                out,
                "  at {} since {}; the last resolver {has_moved} by {}",
                switched.provider, switched.at, switched.settled_at
            )?;
        }
        for provider in &plan.zone.providers {
            let proof = state.as_ref().map(|s| s.proof(&provider.name)).transpose()?.flatten();
            let line = match proof {
                Some(p) if p.differing == 0 => format!("{} record sets alike at {}", p.sets, p.at),
                Some(p) => format!("{} differences at {}", p.differing, p.at),
                None => "nothing is proven yet: rehearse it, or run the guard".to_owned(),
            };
            writeln!(out, "  {}: {line}", provider.name)?;
        }
    }
    Ok(Status::Quiet)
}

fn tell(rehearsal: &Rehearsal, plan: &Plan, number: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{} to {}", zone_text(plan), plan.zone.providers[number].name)?;
    for (what, line) in &rehearsal.lines {
        writeln!(out, "  {what:<11} {}", text::visible(line))?;
    }
    match rehearsal.against.len() {
        0 => writeln!(out, "ready")?,
        n => writeln!(out, "not ready: {n} of these stand against it")?,
    }
    Ok(())
}

/// Tells a running guard, which writes it into its incident.
fn announce(
    args: &RerouteArgs,
    guard: &GuardConfig,
    text: &str,
    out: &mut dyn Write,
) -> anyhow::Result<Status> {
    let mut admin = args.admin.clone();
    // The guard of this file listens where the file says, unless its command line says otherwise.
    admin.admin_socket = admin.admin_socket.or_else(|| guard.admin_socket.clone());
    let kind = Some("network".to_owned());
    let told =
        super::orders::change(&ChangeArgs { text: text.to_owned(), kind, admin }, &mut std::io::sink());
    match told {
        Ok(_) => writeln!(out, "the guard has it in its incident")?,
        // The switch is made, guard or not.
        Err(error) => writeln!(out, "not told to a guard: {}", text::visible(&format!("{error:#}")))?,
    }
    Ok(Status::Quiet)
}

fn load(args: &RerouteArgs) -> anyhow::Result<(GuardConfig, Vec<Plan>)> {
    let guard = config::load(&args.config)?.guard;
    let plans = guard.reroute.iter().map(|r| r.plan()).collect::<anyhow::Result<Vec<_>>>()?;
    if plans.is_empty() {
        bail!("{} has no [[reroute]]: nothing was prepared", args.config.display());
    }
    Ok((guard, plans))
}

fn chosen(args: &RerouteToArgs) -> anyhow::Result<(GuardConfig, Plan, usize)> {
    let (guard, plans) = load(&args.common)?;
    let plan = only(plans, args.common.zone.as_deref())?;
    let names: Vec<&str> = plan.zone.providers.iter().map(|p| p.name.as_str()).collect();
    let number = match &args.to {
        Some(to) => names.iter().position(|n| n == to),
        None => (names.len() == 1).then_some(0),
    };
    let number = number.with_context(|| format!("say to whom with --to: {}", names.join(", ")))?;
    Ok((guard, plan, number))
}

/// The zone that is meant.
fn only(plans: Vec<Plan>, zone: Option<&str>) -> anyhow::Result<Plan> {
    let names: Vec<String> = plans.iter().map(zone_text).collect();
    let is_meant = |p: &Plan| zone.is_none_or(|z| zone_text(p).eq_ignore_ascii_case(z.trim_end_matches('.')));
    let mut meant = plans.into_iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(plan), None) => Ok(plan),
        _ => bail!("say which zone: {}", names.join(", ")),
    }
}

/// Without a state folder there would be no way back.
fn state(guard: &GuardConfig, plan: &Plan) -> anyhow::Result<State> {
    let folder = guard.state_folder.as_deref();
    let folder = folder.context("[guard] state-folder is missing: the way back is written down there")?;
    Ok(State::of(folder, &zone_text(plan)))
}

fn zone_text(plan: &Plan) -> String {
    name::text(&plan.zone.apex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::AdminArgs;

    #[test]
    fn a_switch_is_told_to_the_guard_on_the_socket_of_the_file_unless_another_is_named() {
        let guard = GuardConfig { admin_socket: Some("/nowhere/file.sock".into()), ..GuardConfig::default() };
        for (named, asked) in [(None, "/nowhere/file.sock"), (Some("/nowhere/own.sock"), "/nowhere/own.sock")]
        {
            let admin = AdminArgs { admin_socket: named.map(Into::into) };
            let args = RerouteArgs { zone: None, config: "seawall.toml".into(), admin };
            let mut out = Vec::new();
            announce(&args, &guard, "moved", &mut out).expect("told");
            let said = String::from_utf8(out).expect("text");
            assert!(said.contains(&format!("no guard answers on {asked}")), "{said}");
        }
    }
}
