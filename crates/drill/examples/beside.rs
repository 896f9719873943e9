//! Plays a siege before one front and prints what it showed as a line of JSON.
//!
//! `beside SIEGE SEED usual|drawn CALM_S ATTACK_S FOLDER NAME TEMPLATE COMMAND… [-- ALSO…]`

use seawall_drill::live::{Contender, Setting, Siege, beside};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match played(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("beside: {error}");
            ExitCode::FAILURE
        }
    }
}

fn played(args: &[String]) -> Result<String, Box<dyn std::error::Error>> {
    let [siege, seed, force, calm_s, attack_s, folder, name, template, command @ ..] = args else {
        return Err(
            "beside SIEGE SEED usual|drawn CALM_S ATTACK_S FOLDER NAME TEMPLATE COMMAND… [-- ALSO…]".into()
        );
    };
    let siege = Siege::ALL.into_iter().find(|s| s.name() == siege).ok_or("there is no such siege")?;
    let end = command.iter().position(|w| w == "--").unwrap_or(command.len());
    let contender = Contender {
        name: name.clone(),
        template: std::fs::read_to_string(template)?,
        command: command[..end].to_vec(),
    };
    let setting = Setting {
        siege,
        seed: seed.parse()?,
        calm_s: calm_s.parse()?,
        attack_s: attack_s.parse()?,
        is_drawn: force == "drawn",
        folder: Path::new(folder),
        also: command[end..].iter().skip(1).cloned().collect(),
    };
    let showing = beside(&contender, &setting)?;
    Ok(serde_json::to_string(&showing)?)
}
