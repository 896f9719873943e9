//! The program under test, its story, and its admin socket.

use seawall_ports::Running;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest that a test waits for anything: a machine may be busy, and who passes does not wait so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-guard-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One line of the story, and when it was read.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: Instant,
    pub text: String,
}

/// A running guard; killed when dropped.
pub struct Guard {
    child: Running,
    socket: PathBuf,
    pub addresses: Vec<SocketAddr>,
    story: Arc<Mutex<Vec<Line>>>,
}

impl Guard {
    /// Starts a guard before one upstream, with more arguments, and waits until it listens.
    pub fn start(folder: &Folder, upstreams: &str, more: &[&str]) -> Self {
        let site = format!("127.0.0.1:0={upstreams}");
        let args = [&["--http", &site], more].concat();
        Self::with(folder, &args)
    }

    pub fn with(folder: &Folder, args: &[&str]) -> Self {
        Self::in_place(folder, args, &[])
    }

    /// With variables of the environment.
    pub fn in_place(folder: &Folder, args: &[&str], variables: &[(&str, &Path)]) -> Self {
        let socket = folder.path().join("admin.sock");
        let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .arg("guard")
            .args(args)
            .arg("--admin-socket")
            .arg(&socket)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut addresses = Vec::new();
        let story = Arc::<Mutex<Vec<Line>>>::default();
        let mut line = String::new();
        while out.read_line(&mut line).expect("text") > 0 {
            let address: Option<SocketAddr> =
                line.split(' ').nth(1).and_then(|w| w.split("//").nth(1)?.parse().ok());
            addresses.extend(address);
            let done = line.starts_with("admin socket");
            story.lock().expect("no panic").push(Line { at: Instant::now(), text: line.clone() });
            line.clear();
            if done {
                break;
            }
        }
        let told = Arc::clone(&story);
        std::thread::spawn(move || {
            for text in out.lines().map_while(Result::ok) {
                told.lock().expect("no panic").push(Line { at: Instant::now(), text });
            }
        });
        Self { child: child.into(), socket, addresses, story }
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub fn story(&self) -> Vec<Line> {
        self.story.lock().expect("no panic").clone()
    }

    pub fn story_text(&self) -> String {
        self.story().iter().map(|l| l.text.trim_end().to_owned() + "\n").collect()
    }

    /// Lines that hold a text, from a moment on.
    pub fn lines_with(&self, text: &str, from: Instant) -> Vec<Line> {
        self.story().into_iter().filter(|l| l.at >= from && l.text.contains(text)).collect()
    }

    /// Waits for a line that holds a text.
    pub fn wait_for(&self, text: &str) -> Line {
        let from = Instant::now();
        loop {
            if let Some(line) = self.story().into_iter().find(|l| l.text.contains(text)) {
                return line;
            }
            assert!(from.elapsed() < PATIENCE, "no {text:?} in:\n{}", self.story_text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An order of the command line to this guard.
    pub fn order(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(words)
            .arg("--admin-socket")
            .arg(&self.socket)
            .output()
            .expect("the program")
    }

    /// Asks the admin socket.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).expect("the admin socket");
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.split_once("\r\n\r\n").expect("an answer").1.to_owned()
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> u64 {
        let metrics = self.ask("GET", "/metrics", "");
        let line = metrics.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a number")
    }

    /// Ends the program as a crash does.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits for the end and returns the exit status.
    pub fn wait(mut self) -> Option<i32> {
        let from = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(from.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Waits until there is something.
pub fn eventually<T>(what: &str, mut is_there: impl FnMut() -> Option<T>) -> T {
    let from = Instant::now();
    loop {
        if let Some(found) = is_there() {
            return found;
        }
        assert!(from.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
