//! `seawall guard` beside what is already there: on an interface, and on the log of a server.

mod log;
mod packets;
#[path = "../../../kernel/tests/kernel/peer.rs"]
mod peer;
mod servers;

use seawall_ports::Running;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running guard and its story so far; killed when dropped.
struct Guard {
    _child: Running,
    story: Arc<Mutex<String>>,
}

impl Guard {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .arg("guard")
            .args(arguments)
            .arg("--admin-socket")
            .arg(folder.join("admin.sock"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let story = Arc::<Mutex<String>>::default();
        let told = Arc::clone(&story);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                told.lock().expect("no panic").push_str(&(line + "\n"));
            }
        });
        let guard = Self { _child: child.into(), story };
        guard.wait_for("admin socket", || {});
        guard
    }

    fn story(&self) -> String {
        self.story.lock().expect("no panic").clone()
    }

    /// Waits for a text, doing something over and over meanwhile.
    fn wait_for(&self, text: &str, mut meanwhile: impl FnMut()) {
        self.wait_until(&format!("{text:?}"), || {
            let is_told = self.story().contains(text);
            if !is_told {
                meanwhile();
            }
            is_told
        });
    }

    /// Tries until something is so.
    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        #[allow(clippy::disallowed_methods, reason = "the guard lives by the wall's clock")]
        let from = Instant::now();
        while !is_so() {
            assert!(from.elapsed() < PATIENCE, "no {what} in:\n{}", self.story());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-beside-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
