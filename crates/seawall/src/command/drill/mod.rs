//! `seawall drill`: rehearsals, live on loopback or simulated.

mod view;

use super::Status;
use crate::cli::{DrillArgs, DrillCommand, LiveArgs, ProbeArgs, TabletopArgs};
use crate::console::Console;
use crate::guard::clock;
use crate::pipeline::{self, SimulateRequest};
use crate::report::{self, DrillReport};
use anyhow::{Context, bail, ensure};
use seawall_drill::live::{
    self, Card, History, Options, Past, Progress, Target, Trap, TrapCard, WORLDS, World, Worse, lab,
};
use serde_json::json;
use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use view::View;

pub fn run(
    args: &DrillArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    match &args.command {
        None => {
            let status = rehearse(&args.live, console, out, err);
            if args.live.lab_of.is_some() {
                let code = status.as_ref().map_or(Status::CouldNotRun.code(), |s| s.code());
                // The outer process sees by our end that something went wrong.
                let _ = lab::report(code);
            }
            status
        }
        Some(DrillCommand::Probe(args)) => probe(args, console, out, err),
        Some(DrillCommand::History(args)) => {
            let history = History::open(&args.folder)
                .with_context(|| format!("cannot read the history in {}", args.folder.display()))?;
            let shown = args.folder.display();
            ensure!(
                history.unread == 0 || !history.past.is_empty(),
                "no line of drills.jsonl in {shown} is of this version and whole"
            );
            ensure!(
                !history.past.is_empty(),
                "{shown} holds no history of drills: name the folder that `seawall drill --state` was given"
            );
            write!(out, "{}", report::drill_history(&history, console))?;
            Ok(Status::Quiet)
        }
        Some(DrillCommand::Simulate(args)) => {
            let request = SimulateRequest { episodes: args.episodes, seed: args.seed, json: args.json };
            let score = pipeline::simulate(&request)?;
            writeln!(out, "{score}")?;
            Ok(Status::Quiet)
        }
        Some(DrillCommand::Tabletop(args)) => tabletop(args, console, out),
    }
}

fn tabletop(args: &TabletopArgs, console: &Console, out: &mut dyn Write) -> anyhow::Result<Status> {
    let Some(outage) = live::outage(&args.world) else {
        let known: Vec<&str> = live::OUTAGES.iter().map(|o| o.world).collect();
        bail!("there is no outage `{}`: known are {}", args.world, known.join(", "));
    };
    let debrief = live::tabletop(outage, args.seed, console.width, &mut io::stdin().lock(), out)?;
    // Told first, so that a file that cannot be written takes nothing from people who have talked.
    write!(out, "{debrief}")?;
    if let Some(path) = &args.output {
        std::fs::write(path, &debrief).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Status::Quiet)
}

fn probe(
    args: &ProbeArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let target = Target::parse(&args.target).map_err(|reason| anyhow::anyhow!("--target: {reason}"))?;
    let target = match &args.host {
        Some(host) => target.named(host).map_err(|reason| anyhow::anyhow!("--host: {reason}"))?,
        None => target,
    };
    let program = std::env::current_exe().context("cannot find this program again")?;
    let stop = stop_when_asked()?;
    let (keep, seed) = (args.state.as_deref(), args.seed);
    let options =
        Options { program: &program, seed, stop: &stop, pace: 1.0, keep, peers: &[], in_lab: false };
    let mut view = View::new(err, console, args.watch, live::PROBE_S);
    let probed = live::probe(&target, args.rate, options, &mut |progress| view.show(progress));
    view.end();
    let card = probed.map_err(ended)?;
    if args.json {
        writeln!(out, "{}", json!({ "schema": live::PROBE_SCHEMA, "probe": card }))?;
    } else {
        write!(out, "{}", report::probe(&card, console))?;
    }
    Ok(if card.holds() { Status::Quiet } else { Status::Attack })
}

fn rehearse(
    args: &LiveArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let worlds = chosen(&args.world)?;
    args.report.as_deref().map(pipeline::try_to_write).transpose()?;
    let program = std::env::current_exe().context("cannot find this program again")?;
    let stop = stop_when_asked()?;
    match (&args.lab_of, args.lab) {
        (Some(outside), _) => lab::settle(outside, &stop).context("this is no lab")?,
        (None, true) => return in_lab(&worlds, &program, &stop),
        (None, false) => {}
    }
    let mut history = args.state.as_deref().map(open_history).transpose()?;
    let options = Options {
        program: &program,
        seed: args.seed,
        stop: &stop,
        pace: 1.0,
        keep: args.state.as_deref(),
        peers: &args.peer,
        in_lab: args.lab,
    };
    let expected_s = live::expected_s(worlds.len(), options) * f64::from(args.repeat);
    let mut view = View::new(err, console, args.watch, expected_s);
    view.greet(&worlds.iter().filter_map(|w| live::outage(w.name)).collect::<Vec<_>>());
    let played = play(args, &worlds, options, &mut view);
    view.end();
    let (cards, traps) = played.map_err(ended)?;
    let (worse, kept) = history.as_mut().map_or((Vec::new(), Ok(())), |h| remember(h, &cards));
    let shown = if args.repeat > 1 { summed(&worlds, &cards) } else { cards.clone() };
    if args.json {
        writeln!(out, "{}", report::drill_json(args.seed, &cards, &traps, &worse))?;
    } else {
        write!(out, "{}", report::drill(&shown, &traps, &worse, args.repeat, console))?;
    }
    if let Some(path) = &args.report {
        let (at, version) = (clock::now(), env!("CARGO_PKG_VERSION"));
        let report = DrillReport { cards: &shown, traps: &traps, worse: &worse, at, version };
        std::fs::write(path, report::drill_html(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Said last, so that a full disk takes no minutes of drills with it.
    kept?;
    let holds = cards.iter().all(Card::holds) && traps.iter().all(TrapCard::holds) && worse.is_empty();
    Ok(if holds { Status::Quiet } else { Status::Attack })
}

/// Plays the drill in a process of its own, inside of a lab.
fn in_lab(worlds: &[&World], program: &Path, stop: &AtomicBool) -> anyhow::Result<Status> {
    if let Some(what) = lab::missing(worlds) {
        bail!(what);
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let code = lab::begin(program, &arguments, stop).context("the drill in the lab did not end well")?;
    // What went wrong inside was said there.
    Ok(Status::of_code(code))
}

/// Plays all rounds of all worlds, and the wrong theories alone where they are asked for.
fn play(
    args: &LiveArgs,
    worlds: &[&World],
    options: Options<'_>,
    view: &mut View<'_>,
) -> io::Result<(Vec<Card>, Vec<TrapCard>)> {
    // Two things are told of one view.
    let view = RefCell::new(view);
    let mut tell = |progress: &Progress| view.borrow_mut().show(progress);
    let (mut cards, mut traps) = (Vec::new(), Vec::new());
    for round in 0..args.repeat {
        let options = Options { seed: args.seed.wrapping_add(u64::from(round)), ..options };
        let mut done = |card: &Card| view.borrow_mut().done(card);
        cards.extend(live::play_all(worlds, options, &mut tell, &mut done)?);
        if args.traps {
            let alone: Vec<(&World, Trap)> =
                worlds.iter().flat_map(|w| w.alone.iter().map(move |t| (*w, *t))).collect();
            let mut done = |card: &TrapCard| view.borrow_mut().done_alone(card);
            traps.extend(live::play_traps(&alone, options, &mut tell, &mut done)?);
        }
    }
    Ok((cards, traps))
}

fn open_history(folder: &Path) -> anyhow::Result<History> {
    std::fs::create_dir_all(folder)
        .and_then(|()| History::open(folder))
        .with_context(|| format!("cannot use the state folder {}", folder.display()))
}

/// Adds these drills to the history. Returns what is worse than before, and whether they could be kept.
fn remember(history: &mut History, cards: &[Card]) -> (Vec<Worse>, anyhow::Result<()>) {
    let at = clock::now();
    let all: Vec<Past> = cards.iter().map(|c| Past::of(c, at, env!("CARGO_PKG_VERSION"))).collect();
    // Drills of one command are not compared with each other.
    let worse = all.iter().flat_map(|p| history.worse(p)).collect();
    let kept = all.into_iter().try_for_each(|past| history.add(past));
    (worse, kept.context("the drills are not in the history: cannot write it"))
}

/// The worlds of a word of the command line.
fn chosen(word: &str) -> anyhow::Result<Vec<&'static World>> {
    if word == "all" {
        return Ok(WORLDS.iter().collect());
    }
    match live::world(word) {
        Some(world) => Ok(vec![world]),
        None => {
            let known: Vec<&str> = WORLDS.iter().map(|w| w.name).collect();
            bail!("there is no world `{word}`: known are {} and all", known.join(", "))
        }
    }
}

/// One card for each world, of all its rounds.
fn summed(worlds: &[&World], cards: &[Card]) -> Vec<Card> {
    let of = |world: &&World| {
        let its: Vec<Card> = cards.iter().filter(|c| c.world == world.name).cloned().collect();
        live::median_cards(&its)
    };
    worlds.iter().filter_map(of).collect()
}

/// A first Ctrl-C, or a terminal that goes away, ends the drill and cleans up; a second one ends the
/// program at once.
fn stop_when_asked() -> anyhow::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let stop = Arc::<AtomicBool>::default();
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 2, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

fn ended(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => anyhow::anyhow!("the drill was stopped; nothing of it is left"),
        _ => anyhow::Error::new(error).context("the drill could not be played"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_found_by_name_and_others_are_refused_with_what_to_do() {
        assert_eq!(chosen("all").expect("worlds").len(), WORLDS.len());
        assert_eq!(chosen("shop").expect("a world")[0].name, "shop");
        assert!(chosen("harbour").expect_err("unknown").to_string().contains("known are library"));
    }
}
