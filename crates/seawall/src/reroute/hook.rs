//! Programs of the operator's that speak to the API of a registrar or a provider. The contract is
//! in `docs/operate/reroute.md`: a verb and the zone as last arguments, what is wanted on standard
//! input, exit status 0 when it is done, why not on standard error.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that takes longer is stopped.
const PATIENCE_S: u32 = 60;
const STEPS_PER_S: u32 = 20;
/// What is read of its explanation.
const MOST_SAID_BYTES: u64 = 4_096;

/// Runs a program and waits for its end.
///
/// # Errors
/// Why it did not do it, in its own words if it has any.
pub fn run(words: &[String], verb: &str, zone: &str, input: &str) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .args([verb, zone])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let input = input.to_owned();
    // A program that does not read its input is within its rights.
    let writer =
        std::thread::spawn(move || stdin.is_some_and(|mut pipe| pipe.write_all(input.as_bytes()).is_ok()));
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.map(|pipe| pipe.take(MOST_SAID_BYTES).read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    });
    let Some(is_done) = wait(&mut child) else {
        return Err(format!("`{program} {verb}` did not end within {PATIENCE_S} s"));
    };
    let _ = writer.join();
    let said = reader.join().unwrap_or_default();
    if is_done {
        return Ok(());
    }
    let why = said.lines().map(str::trim).find(|line| !line.is_empty());
    Err(format!("`{program} {verb}`: {}", why.unwrap_or("it failed without a word")))
}

/// Whether it ended well; `None`: it had to be stopped.
fn wait(child: &mut Child) -> Option<bool> {
    for _ in 0..PATIENCE_S * STEPS_PER_S {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => std::thread::sleep(Duration::from_secs(1) / STEPS_PER_S),
            Err(_) => return Some(false),
        }
    }
    // It may have ended in this moment.
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script, "hook"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_program_gets_verb_zone_and_input_and_its_failure_is_told_in_its_words() {
        let checks = shell("read line; test \"$1 $2 $line\" = 'delegate example.org {}'");
        assert_eq!(run(&checks, "delegate", "example.org", "{}\n"), Ok(()));
        let told = run(&checks, "feed", "example.org", "{}\n").expect_err("another verb");
        assert_eq!(told, "`/bin/sh feed`: it failed without a word");
        let refuses = shell("echo >&2; echo 'the token has expired' >&2; exit 3");
        assert_eq!(
            run(&refuses, "feed", "example.org", &"x".repeat(1 << 20)),
            Err("`/bin/sh feed`: the token has expired".to_owned())
        );
        let absent = run(&["/nowhere/registrar".to_owned()], "feed", "a", "").expect_err("no such program");
        assert!(absent.starts_with("cannot run `/nowhere/registrar`: "), "{absent}");
    }
}
