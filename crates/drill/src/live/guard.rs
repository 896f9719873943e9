//! The guard under test: a process of its own, met through its command line, its events
//! (`seawall.guard-event/1` on standard output) and its admin socket, and through nothing else.

use super::address::Door;
use super::lab::{Ground, STREET};
use super::seen::since_s;
use super::site::upstream;
use super::world::Trap;
use rustix::process::{Pid, Signal, kill_process};
use seawall_model::Cause;
use seawall_ports::Running;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest for the guard to listen, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(60);
const ORDER_PATIENCE: Duration = Duration::from_secs(20);

/// One event, and when it was heard.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Instant,
    pub(crate) value: Value,
}

impl Event {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.value["event"] == name
    }

    /// The cause that a `named` event gives.
    pub(crate) fn cause(&self) -> Option<&str> {
        if self.is("named") { self.value["verdict"]["cause"].as_str() } else { None }
    }

    /// The causes that a `named` event tells of beside that one.
    pub(crate) fn beside(&self) -> impl Iterator<Item = Cause> {
        let all = self.value["also"].as_array().into_iter().flatten();
        all.filter_map(|v| serde_json::from_value(v["cause"].clone()).ok())
    }

    /// Seconds from a moment; negative where it was earlier.
    pub(crate) fn since_s(&self, from: tokio::time::Instant) -> f64 {
        since_s(tokio::time::Instant::from_std(self.at), from)
    }

    /// Whether it says that something is wrong, or does something about it.
    pub(crate) fn is_alarm(&self) -> bool {
        self.is("measures") || self.cause().is_some_and(|c| c != "normal" && c != "undecided")
    }

    /// Whether it says that an incident has ended, and the postmortem is there.
    pub(crate) fn is_written_up(&self) -> bool {
        let folder = self.value["folder"].as_str();
        self.is("ended") && folder.is_some_and(|f| Path::new(f).join("postmortem.md").is_file())
    }

    /// What it says, in a line; `None` where people need not know.
    pub(crate) fn words(&self) -> Option<String> {
        let value = &self.value;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(match value["event"].as_str()? {
            "opened" => "noticed: traffic is unlike before".to_owned(),
            "named" => {
                let cause: Cause = serde_json::from_value(value["verdict"]["cause"].clone()).ok()?;
                let sure = 100.0 * value["verdict"]["confidence"].as_f64().unwrap_or(0.0);
                let beside: Vec<&str> = self.beside().map(Cause::title).collect();
                let and =
                    if beside.is_empty() { String::new() } else { format!(", beside {}", beside.join(", ")) };
                format!("named: {}{and}, {sure:.0} % sure", cause.title())
            }
            "measures" => {
                let all = value["measures"].as_array()?;
                let one = |m: &Value| format!("{} ({})", text(&m["text"]), text(&m["scope"]));
                format!("measures: {}", all.iter().map(one).collect::<Vec<_>>().join("; "))
            }
            "widened" => "measures did no harm, and act on all of it".to_owned(),
            "withdrawn" => format!("measures withdrawn: {}", text(&value["why"])),
            "users" => format!("users are told: {}", text(&value["title"])),
            "ended" => "over, and written up".to_owned(),
            "failed" => format!("failed: {}", text(&value["what"])),
            _ => return None,
        })
    }
}

/// What the guard stands in front of.
#[derive(Clone, Debug)]
pub(crate) enum Front {
    Http(Door),
    /// A name server, and others with the same zone.
    Dns(Door, Vec<Door>),
}

impl Front {
    /// What the guard is told of it on its command line.
    fn arguments(&self, in_lab: bool) -> [String; 2] {
        let listen =
            |port| if in_lab { Ground::guard_at(port).to_string() } else { "127.0.0.1:0".to_owned() };
        match self {
            Self::Http(site) => ["--http".into(), format!("{}={}", listen(80), upstream(site.address()))],
            Self::Dns(first, others) => {
                let all = [first].into_iter().chain(others).map(|s| s.address().to_string());
                let all: Vec<String> = all.collect();
                ["--dns".into(), format!("{}={}", listen(53), all.join(","))]
            }
        }
    }

    /// The first door of what is behind it.
    fn behind(&self) -> Door {
        match self {
            Self::Http(door) | Self::Dns(door, _) => *door,
        }
    }
}

/// A running guard; killed when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Running,
    socket: PathBuf,
    door: Door,
    events: Arc<Mutex<Vec<Event>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Guard {
    /// Starts `program guard` before a site and waits until it listens; in a lab on its street, with
    /// the kernel filter.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        state: &Path,
        front: &Front,
        ground: Option<&Ground>,
    ) -> io::Result<Self> {
        let socket = folder.join("admin.sock");
        let complaints = File::create(folder.join("guard.err"))?;
        let mut command = ground.map_or_else(|| Command::new(program), |g| g.guard().command(program));
        command.args(["guard", "--json"]).args(front.arguments(ground.is_some()));
        if ground.is_some() {
            command.args(["--interface", STREET]);
        }
        let mut child = command
            .arg("--state")
            .arg(state)
            .arg("--admin-socket")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("the guard has no output"))?;
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let told = Arc::clone(&events);
        let reader = std::thread::Builder::new().name("events".into()).spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else { continue };
                let event = Event { at: Instant::now(), value };
                told.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        })?;
        let mut guard =
            Self { child: child.into(), socket, door: front.behind(), events, reader: Some(reader) };
        match guard.listening(front, ground) {
            Ok(door) => {
                guard.door = door;
                Ok(guard)
            }
            Err(error) => {
                let said = std::fs::read_to_string(folder.join("guard.err")).unwrap_or_default();
                Err(io::Error::other(format!("{error}: {}", said.trim())))
            }
        }
    }

    fn listening(&mut self, front: &Front, ground: Option<&Ground>) -> io::Result<Door> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(event) = self.events().iter().find(|e| e.is("listening")) {
                let address = match front {
                    Front::Http(_) => &event.value["sites"][0]["address"],
                    Front::Dns(..) => &event.value["dns"][0]["addresses"][0],
                };
                let address = address.as_str().and_then(|a| a.parse().ok());
                let address =
                    address.ok_or_else(|| io::Error::other("the guard does not say where it listens"))?;
                return match ground {
                    Some(ground) => ground.door(address),
                    None => Door::new(address).map_err(io::Error::other),
                };
            }
            if self.child.try_wait()?.is_some() {
                return Err(io::Error::other("the guard has ended"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::other("the guard does not listen"))
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has told so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells it of a change, as `seawall change` does.
    pub(crate) fn tell(&self, trap: Trap) -> io::Result<()> {
        let Some((kind, text)) = trap.told() else { return Ok(()) };
        self.ask("POST", "/v1/changes", &json!({ "kind": kind, "text": text }).to_string()).map(drop)
    }

    /// What the DNS edge held back by itself, as lines.
    pub(crate) fn held_back(&self) -> io::Result<Vec<String>> {
        const COUNTED: [(&str, &str); 6] = [
            ("unknown_held_back", "questions for unknown names held back"),
            ("truncated", "clients told to come over TCP"),
            ("bad_cookie", "clients told to show a cookie"),
            ("dropped", "questions dropped"),
            ("repeated", "repeated questions held back"),
            ("stale", "answers from the cache after their time"),
        ];
        let state: Value = serde_json::from_str(&self.ask("GET", "/v1/state", "")?)?;
        let count = |name: &str| state["dns"][0]["counters"][name].as_u64().unwrap_or(0);
        let all = COUNTED.iter().filter(|(name, _)| count(name) > 0);
        Ok(all.map(|(name, what)| format!("{} {what}", count(name))).collect())
    }

    /// What carries its rules for packets, and how many these have dropped.
    pub(crate) fn dropped_packets(&self) -> io::Result<(String, u64)> {
        let state: Value = serde_json::from_str(&self.ask("GET", "/v1/state", "")?)?;
        let packets = &state["packets"];
        let carrier = packets["carrier"].as_str().unwrap_or("nothing").to_owned();
        Ok((carrier, packets["dropped"].as_u64().unwrap_or(0)))
    }

    /// What it decided not to do, and why, as lines.
    pub(crate) fn not_taken(&self) -> io::Result<Vec<String>> {
        let plan: Value = serde_json::from_str(&self.ask("GET", "/v1/plan", "")?)?;
        if plan["plan"].is_object() {
            return Ok(Vec::new());
        }
        let all = plan["report"]["alternatives"].as_array().cloned().unwrap_or_default();
        let line = |a: &Value| {
            let name = a["action"].as_str().or(a["action"]["kind"].as_str()).unwrap_or("a measure");
            format!(
                "{name} ({}): {}",
                a["scope"].as_str().unwrap_or("all"),
                a["reason"].as_str().unwrap_or("")
            )
        };
        Ok(all.iter().map(line).collect())
    }

    /// Requests that its rules refused, closed or challenged so far.
    pub(crate) fn interfered(&self) -> io::Result<u64> {
        let metrics = self.ask("GET", "/metrics", "")?;
        let value = |name: &str| -> io::Result<u64> {
            let line = metrics.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|v| v.parse().ok()).ok_or_else(|| io::Error::other(format!("no metric {name}")))
        };
        Ok(value("seawall_rule_refused_total")?
            + value("seawall_rule_closed_total")?
            + value("seawall_rule_challenged_total")?)
    }

    /// Asks it to end, so that it writes up what is open, and hears it out.
    pub(crate) fn end(mut self) -> io::Result<Vec<Event>> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                self.child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok(self.events())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ORDER_PATIENCE))?;
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: drill\r\nContent-Length: {length}\r\n\r\n{body}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
            _ => Err(io::Error::other(format!("the guard refused {method} {path}"))),
        }
    }
}
