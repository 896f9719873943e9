//! `seawall drill`: rehearsals, live on loopback or simulated.

use super::Status;
use crate::cli::{DrillArgs, DrillCommand, LiveArgs, TabletopArgs};
use crate::console::Console;
use crate::pipeline::{self, SimulateRequest};
use anyhow::{Context, bail};
use seawall_drill::live::{self, Card, Options, Progress, Trap, TrapCard, WORLDS, World};
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Traps are light; so many worlds at once do not slow each other.
const TRAPS_AT_ONCE: usize = 3;

pub fn run(
    args: &DrillArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    match &args.command {
        None => rehearse(&args.live, console, out, err),
        Some(DrillCommand::Simulate(args)) => {
            let request = SimulateRequest { episodes: args.episodes, seed: args.seed, json: args.json };
            let score = pipeline::simulate(&request)?;
            writeln!(out, "{score}")?;
            Ok(Status::Quiet)
        }
        Some(DrillCommand::Tabletop(args)) => tabletop(args, out),
    }
}

fn tabletop(args: &TabletopArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let Some(outage) = live::outage(&args.world) else {
        let known: Vec<&str> = live::OUTAGES.iter().map(|o| o.world).collect();
        bail!("there is no outage `{}`: known are {}", args.world, known.join(", "));
    };
    let debrief = live::tabletop(outage, args.seed, &mut io::stdin().lock(), out)?;
    if let Some(path) = &args.output {
        std::fs::write(path, &debrief).with_context(|| format!("cannot write {}", path.display()))?;
    }
    write!(out, "{debrief}")?;
    Ok(Status::Quiet)
}

fn rehearse(
    args: &LiveArgs,
    console: &Console,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Status> {
    let worlds = chosen(&args.world)?;
    let program = std::env::current_exe().context("cannot find this program again")?;
    let stop = stop_when_asked()?;
    let (mut cards, mut traps) = (Vec::new(), Vec::new());
    for round in 0..args.repeat {
        let seed = args.seed.wrapping_add(u64::from(round));
        let options = Options { program: &program, seed, stop: &stop, pace: 1.0 };
        for world in &worlds {
            let watch = args.watch;
            let mut tell = |progress: &Progress| show(progress, world.name, watch, console, err);
            cards.push(live::play(world, options, &mut tell).map_err(ended)?);
        }
        if args.traps {
            let alone: Vec<(&World, Trap)> =
                worlds.iter().flat_map(|w| w.alone.iter().map(move |t| (*w, *t))).collect();
            for some in alone.chunks(TRAPS_AT_ONCE) {
                let names: Vec<&str> = some.iter().map(|(_, t)| t.name()).collect();
                let said = Progress::Stage(format!("no attack, but {}", names.join(", ")));
                show(&said, "traps", args.watch, console, err);
                traps.extend(live::play_traps(some, options).map_err(ended)?);
            }
        }
    }
    if console.progress {
        // A line that cannot be wiped is no reason to fail.
        let _ = write!(err, "\r\x1b[K");
    }
    let shown = if args.repeat > 1 { summed(&worlds, &cards) } else { cards.clone() };
    if args.json {
        let all = json!({ "schema": live::SCHEMA, "seed": args.seed, "cards": cards, "traps": traps });
        writeln!(out, "{all}")?;
    } else {
        write!(out, "{}", live::table(&shown, &traps))?;
    }
    let holds = cards.iter().all(Card::holds) && traps.iter().all(TrapCard::holds);
    Ok(if holds { Status::Quiet } else { Status::Attack })
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

/// A first Ctrl-C ends the drill and cleans up; a second one ends the program at once.
fn stop_when_asked() -> anyhow::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM] {
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

/// The story line by line, or one line that renews itself on a terminal.
fn show(progress: &Progress, world: &str, watch: bool, console: &Console, err: &mut dyn Write) {
    let line = match progress {
        Progress::Stage(text) => format!("{world}: {text}"),
        Progress::Told { at_s, text } if at_s.is_finite() => format!("{world}: {at_s:6.1} s  {text}"),
        Progress::Told { text, .. } => format!("{world}:           {text}"),
    };
    let line = crate::report::text::visible(&line);
    // What cannot be drawn is no reason to stop.
    let _ = if watch {
        writeln!(err, "{line}")
    } else if console.progress {
        write!(err, "\r\x1b[K{}", crate::report::text::clip(&line, console.width))
    } else {
        Ok(())
    };
    let _ = err.flush();
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
