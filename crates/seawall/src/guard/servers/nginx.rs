//! nginx: two files that its configuration includes, and a reload.
//!
//! The files are tried by nginx before it is told to read them; if it refuses them, the former ones
//! come back. They are written so that at every moment the configuration on disk is a valid one:
//! decisions are taken away first and come back last, since they use what the other file defines.

use super::{Carries, Server, Wanted};
use seawall_model::plan::{Measure, Plan};
use seawall_planning::render::nginx::{Includes, includes};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// File names in the folder; the configuration includes them by pattern, so that they may be
/// missing.
const HTTP_FILE: &str = "seawall.http.conf";
const SERVER_FILE: &str = "seawall.server.conf";
/// Longest that nginx may take to try or to reload.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Bytes of a command's words that are read.
const MOST_SAID_BYTES: u64 = 16 << 20;

/// A program with its arguments, without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// Reads words separated by spaces.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            Err("a program with its arguments is expected".to_owned())
        } else {
            Ok(Self(words))
        }
    }

    /// Runs it. Returns what it said on its standard output.
    fn run(&self) -> Result<String, String> {
        let (program, arguments) = self.0.split_first().ok_or("no program is named")?;
        let mut child = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot run `{program}`: {e}"))?;
        // Both ends are read while it runs: a full pipe would stop it.
        let out = child.stdout.take().map(|pipe| std::thread::spawn(|| said(pipe)));
        let err = child.stderr.take().map(|pipe| std::thread::spawn(|| said(pipe)));
        let ended = wait(&mut child);
        let text = |reader: Option<std::thread::JoinHandle<String>>| {
            reader.and_then(|r| r.join().ok()).unwrap_or_default()
        };
        let (out, err) = (text(out), text(err));
        match ended {
            Some(true) => Ok(out),
            Some(false) => {
                let why = err.lines().chain(out.lines()).find(|l| l.contains("[emerg]"));
                Err(why.or_else(|| err.lines().next()).unwrap_or("it failed without a word").to_owned())
            }
            None => Err(format!("`{program}` did not end within {} s", PATIENCE.as_secs())),
        }
    }
}

fn said(pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What could be read until then is enough for a message.
    let _ = pipe.take(MOST_SAID_BYTES).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether it ended well; `None`: it had to be killed.
fn wait(child: &mut Child) -> Option<bool> {
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            Err(_) => break,
        }
    }
    // It may have ended in between.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The folder that an nginx includes, and how it is told.
#[derive(Clone, Debug)]
pub struct Nginx {
    pub folder: PathBuf,
    /// Says whether the configuration is right; `nginx -T` also prints it, which shows whether the
    /// folder is included.
    pub test: Command,
    pub reload: Command,
}

impl Nginx {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn on_disk(&self) -> Result<[Option<String>; 2], String> {
        Ok([read(&self.path(HTTP_FILE))?, read(&self.path(SERVER_FILE))?])
    }

    /// Writes both files; no text: no file.
    fn write(&self, [http, server]: &[Option<String>; 2]) -> Result<(), String> {
        place(&self.path(SERVER_FILE), None)?;
        place(&self.path(HTTP_FILE), http.as_deref())?;
        place(&self.path(SERVER_FILE), server.as_deref())
    }

    /// Whether nginx takes the configuration, and includes the files that are there.
    fn try_out(&self, files: &[Option<String>; 2]) -> Result<(), String> {
        let printed = self.test.run()?;
        let marks = printed.contains("# configuration file ");
        for (name, _) in
            [HTTP_FILE, SERVER_FILE].iter().zip(files).filter(|(_, text)| text.is_some() && marks)
        {
            if !printed.contains(&format!("{name}:")) {
                let path = self.path(name);
                return Err(format!("its configuration does not include {}", path.display()));
            }
        }
        Ok(())
    }
}

impl Server for Nginx {
    fn name(&self) -> String {
        format!("nginx ({})", self.folder.display())
    }

    fn carries(&self) -> Carries {
        |plan, measure| includes(&alone(plan, measure), &[]).measures.contains(&measure.id)
    }

    fn put(&mut self, wanted: &Wanted) -> Result<(), String> {
        let files = files(wanted);
        let former = self.on_disk()?;
        if files == former {
            return Ok(());
        }
        let is_taken = self.write(&files).and_then(|()| self.try_out(&files));
        if let Err(why) = is_taken {
            self.write(&former)?;
            return Err(format!("{why}; its configuration stays as it was"));
        }
        self.reload.run().map(|_| ())
    }

    fn is_there(&mut self, wanted: &Wanted) -> Result<bool, String> {
        Ok(self.on_disk()? == files(wanted))
    }
}

/// The plan with this measure only.
pub(super) fn alone(plan: &Plan, measure: &Measure) -> Plan {
    Plan { measures: vec![measure.clone()], ..plan.clone() }
}

fn files(wanted: &Wanted) -> [Option<String>; 2] {
    let Includes { http, server, .. } =
        wanted.plan.as_ref().map(|plan| includes(plan, &wanted.protected)).unwrap_or_default();
    [http, server].map(|text| (!text.is_empty()).then_some(text))
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("cannot read {}: {e}", path.display())),
    }
}

/// Makes a file have this text, whole or not at all; no text: takes it away.
fn place(path: &Path, text: Option<&str>) -> Result<(), String> {
    // No pattern of the configuration takes this name.
    let beside = path.with_extension("new");
    let write = || match text {
        Some(text) => {
            let mut file = File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        }
        None => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        },
    };
    write().map_err(|e| format!("cannot write {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_words_and_its_failure_is_what_it_said() {
        assert!(Command::parse("  ").is_err());
        let echo = Command::parse("echo a  b").expect("words");
        assert_eq!(echo.run().as_deref(), Ok("a b\n"));
        let missing = Command::parse("/no/such/program").expect("a word");
        assert!(missing.run().is_err_and(|why| why.contains("/no/such/program")));
        assert!(Command::parse("false").expect("a word").run().is_err());
    }
}
