//! The program as its users meet it: arguments, streams, exit status.

mod fixtures;

use seawall::console::Console;
use seawall::{Status, report, run};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

#[test]
fn the_status_is_the_verdicts() {
    let folder = Folder::new("status");
    for (name, triage) in fixtures::all() {
        let path = folder.write(&format!("{name}.json"), &report::json(&triage).expect("plain data"));
        let said = seawall(&["incident", "show", &path]);
        let expected =
            if ["http-flood", "ntp-amplification"].contains(&name) { Status::Attack } else { Status::Quiet };
        assert_eq!(said.status, expected, "{name}");
        assert_eq!(said.out, report::terminal(&triage, &Console::PIPE, false));
        assert_eq!(said.err, "");
    }
    assert_eq!((Status::Quiet.code(), Status::Attack.code(), Status::CouldNotRun.code()), (0, 1, 2));
}

#[test]
fn a_file_given_to_the_wrong_command_is_told_what_it_is() {
    let folder = Folder::new("wrong-command");
    let report = folder.write("rep.json", &report::json(&fixtures::http_flood()).expect("plain data"));
    let recording = folder.write("x.swr", "seawall recording 1\n\u{0}\u{0}");
    let told = |arguments: &[&str], what: &str| {
        let said = seawall(arguments);
        assert_eq!(said.status, Status::CouldNotRun);
        assert!(said.err.contains(what), "{arguments:?}: {}", said.err);
    };
    told(&["triage", &report], "rep.json: is a report: `seawall incident show` reads it");
    told(&["triage", &recording], "x.swr: is a recording: `seawall replay` reads it");
    told(&["incident", "show", &recording], "x.swr is a recording: `seawall replay` reads it");
    told(&["replay", &report], "rep.json: is a report: `seawall incident show` reads it");
}

#[cfg(unix)]
#[test]
fn a_pipe_that_nobody_writes_to_is_waited_for_aloud() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let folder = Folder::new("silent-pipe");
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let mut triage = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["triage", &pipe])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let mut errors = BufReader::new(triage.stderr.take().expect("piped"));
    errors.read_line(&mut said).expect("it speaks");
    assert!(said.ends_with("pipe is a pipe: waiting for a program to write to it\n"), "{said}");
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).expect("it reads"));
    assert_eq!(triage.wait().expect("it ends").code(), Some(2), "there was nothing to read");
}

#[test]
fn an_attack_beside_another_cause_is_an_attack() {
    let folder = Folder::new("beside");
    let mut triage = fixtures::release_fault();
    triage.episodes[0].verdict = fixtures::http_flood().verdict;
    let path = folder.write("report.json", &report::json(&triage).expect("plain data"));
    assert_eq!(seawall(&["incident", "show", &path]).status, Status::Attack);
}

#[test]
fn the_postmortem_follows_the_name_of_its_file() {
    let folder = Folder::new("postmortem");
    let path = folder.write("report.json", &report::json(&fixtures::http_flood()).expect("plain data"));
    let (html, markdown) = (folder.path("out.html"), folder.path("out.md"));
    assert_eq!(seawall(&["incident", "postmortem", &path, "-o", &html]).status, Status::Quiet);
    assert_eq!(seawall(&["incident", "postmortem", &path, "-o", &markdown]).status, Status::Quiet);
    assert!(std::fs::read_to_string(html).expect("written").starts_with("<!doctype html>"));
    assert!(std::fs::read_to_string(&markdown).expect("written").starts_with("# Postmortem: HTTP flood"));
    let printed = seawall(&["incident", "postmortem", &path]).out;
    assert_eq!(printed, std::fs::read_to_string(markdown).expect("written"));
}

#[test]
fn notices_tell_users_what_they_need_and_attackers_nothing() {
    let folder = Folder::new("notices");
    let path = folder.write("report.json", &report::json(&fixtures::http_flood()).expect("plain data"));
    for stage in ["first", "update", "resolved"] {
        let said = seawall(&["incident", "status", &path, "--stage", stage]);
        assert_eq!(said.status, Status::Quiet);
        assert!(said.out.starts_with("Disturbance of shop.example"), "{}", said.out);
        for secret in ["/search", "Mozilla", "429", "limit each"] {
            assert!(!said.out.contains(secret), "{stage} tells {secret}");
        }
    }
    let first = seawall(&["incident", "status", &path]).out;
    assert!(first.contains("since 14:03 UTC on 2026-04-02"), "{first}");
}

#[test]
fn errors_say_where_and_why_in_one_line() {
    let folder = Folder::new("errors");
    let missing = folder.path("missing.json");
    let said = seawall(&["incident", "show", &missing]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.starts_with(&format!("seawall: {missing}: no such file")), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1);

    let garbage = folder.write("garbage\x1b[31m.json", "{\"schema\": 1");
    let said = seawall(&["incident", "show", &garbage]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("is no report of `seawall triage --format json`"), "{}", said.err);
    assert!(!said.err.contains('\x1b'));

    let old = folder.write(
        "old.json",
        &report::json(&fixtures::undecided()).expect("plain data").replace("triage/1", "triage/0"),
    );
    let said = seawall(&["incident", "show", &old]);
    assert!(said.err.contains("has schema seawall.triage/0"), "{}", said.err);
}

#[test]
fn wrong_usage_could_not_run_and_help_is_no_failure() {
    assert_eq!(seawall(&["triage"]).status, Status::CouldNotRun);
    assert_eq!(seawall(&["flood"]).status, Status::CouldNotRun);
    let help = seawall(&["triage", "--help"]);
    assert_eq!((help.status, help.err.as_str()), (Status::Quiet, ""));
    assert!(help.out.contains("--baseline") && help.out.contains("Exit status"), "{}", help.out);
    assert_eq!(seawall(&["--version"]).status, Status::Quiet);
}

/// Broke: help was a hundred columns wide.
#[test]
fn help_fits_a_terminal() {
    for command in
        [vec!["--help"], vec!["triage", "--help"], vec!["guard", "--help"], vec!["drill", "live", "--help"]]
    {
        let help = seawall(&command).out;
        let widest = help.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!((40..=80).contains(&widest), "{command:?}: {widest}");
    }
}

/// Broke: files that were named after `--baseline` were taken as part of it, and the error did not say so.
#[test]
fn a_file_that_an_option_took_is_told_of() {
    let said = seawall(&["triage", "--baseline", "yesterday.log", "today.log"]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("--baseline takes every name that follows it"), "{}", said.err);
    assert!(!seawall(&["triage"]).err.contains("takes every name"));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let folder = Folder::new("pipe");
    let path = folder.write("report.json", &report::json(&fixtures::http_flood()).expect("plain data"));
    for arguments in [vec!["incident", "show", &path], vec!["incident", "status", &path], vec!["man"]] {
        let mut err = Vec::new();
        let status = run(words(&arguments), &Console::PIPE, &mut Closed, &mut err);
        assert_ne!(status, Status::CouldNotRun, "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&err), "");
    }
    let mut err = Vec::new();
    let status = run(words(&["incident", "show", &path]), &Console::PIPE, &mut Closed, &mut err);
    assert_eq!(status, Status::Attack);
}

#[test]
fn proxies_that_the_user_names_speak_for_their_clients() {
    let folder = Folder::new("proxies");
    let lines: String = (0..200)
        .map(|n| format!("203.0.113.7 - - [12/Mar/2026:10:00:{:02} +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" \"81.2.69.{}\"\n", n / 4, n % 50))
        .collect();
    let log = folder.write("access.log", &lines);
    let clients = |more: &[&str]| {
        let said = seawall(&[&["triage", &log, "--format", "json"], more].concat());
        let report: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        report["rankings"]["dimensions"][0][1].as_array().map_or(0, Vec::len)
    };
    assert_eq!((clients(&[]), clients(&["--trusted-proxy", "203.0.113.0/24"])), (1, 10));
}

#[test]
fn a_secret_for_addresses_is_asked_for_and_must_be_one() {
    let folder = Folder::new("secret");
    let (log, key) = (folder.write("access.log", ""), folder.write("key", "short"));
    let said = seawall(&["triage", &log, "--addresses", "encrypted"]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("--address-key"), "{}", said.err);
    let said = seawall(&["triage", &log, "--addresses", "encrypted", "--address-key", &key]);
    assert!(said.err.contains("is too short to keep addresses secret: 5 bytes"), "{}", said.err);
}

#[test]
fn manual_pages_and_completions_come_from_the_command_table() {
    let page = seawall(&["man"]).out;
    assert!(page.contains(".TH") && page.contains("triage"), "{page}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = seawall(&["completions", shell]).out;
        assert!(text.contains("seawall") && text.contains("baseline"), "{shell}");
    }
    let folder = Folder::new("man");
    assert_eq!(seawall(&["man", "--output", &folder.path("")]).status, Status::Quiet);
    assert!(std::fs::read_to_string(folder.path("seawall-triage.1")).expect("written").contains("baseline"));
}

/// Broke: who took `--record` for a switch, or named the log itself, lost a log.
#[test]
fn a_log_is_not_overwritten_by_what_is_made_of_it() {
    let folder = Folder::new("overwrite");
    let line = "192.0.2.1 - - [17/May/2023:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5120\n";
    let (log, other) = (folder.write("a.log", line), folder.write("b.log", line));
    for args in [["triage", &log, "--record", &other], ["learn", &log, "--output", &log]] {
        let said = seawall(&args);
        assert_eq!(said.status, Status::CouldNotRun, "{args:?}");
        assert!(said.err.contains("is there already"), "{}", said.err);
    }
    for kept in [&log, &other] {
        assert_eq!(std::fs::read_to_string(kept).expect("still there"), line);
    }
    let own = folder.path("a.swr");
    for _ in 0..2 {
        assert_ne!(seawall(&["triage", &log, "--record", &own]).status, Status::CouldNotRun);
    }
}

#[test]
fn check_config_reports_every_mistake() {
    let folder = Folder::new("config");
    let good = folder.write("good.toml", "[policy]\nmode = \"observe\"\n");
    let said = seawall(&["check-config", &good]);
    assert_eq!((said.status, said.out), (Status::Quiet, format!("{good}: valid\n")));
    let bad = folder.write("bad.toml", "[policy]\nmode = \"on\"\nmeasure-lifetime-s = 0\n");
    let said = seawall(&["check-config", &bad]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("line 2") && said.err.contains("line 3"), "{}", said.err);
}

struct Said {
    status: Status,
    out: String,
    err: String,
}

fn seawall(arguments: &[&str]) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(words(arguments), &Console::PIPE, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { status, out: text(out), err: text(err) }
}

fn words(arguments: &[&str]) -> Vec<OsString> {
    std::iter::once("seawall").chain(arguments.iter().copied()).map(OsString::from).collect()
}

/// A pipe whose reader is gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).expect("writable");
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind if it cannot be removed; nothing depends on it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_in_the_place_of_the_admin_socket_is_left_alone() {
    let folder = Folder::new("precious");
    let path = folder.write("precious.txt", "kept");
    let site = "127.0.0.1:0=http://127.0.0.1:9";
    let said = seawall(&["guard", "--http", site, "--admin-socket", &path]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("no socket"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "kept");
}

#[test]
fn an_empty_log_is_no_all_clear() {
    let folder = Folder::new("empty");
    let said = seawall(&["triage", &folder.write("empty.log", "")]);
    assert!(said.out.starts_with("UNDECIDED"), "{}", said.out);
    assert!(said.out.contains("nothing that could be read as traffic"), "{}", said.out);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("empty.log: there is nothing to read"), "{}", said.err);
}

/// A minute of three visitors, and of a flood in its second half if there is one.
fn minute(flood: bool) -> String {
    let browser = "Mozilla/5.0 (X11; Linux x86_64) Firefox/118.0";
    let mut lines = Vec::new();
    for s in 0..120 {
        let time = format!("17/May/2023:10:{:02}:{:02} +0000", s / 60, s % 60);
        for path in ["/", "/style.css", "/logo.png"] {
            let client = s / 5 + 1;
            lines.push(format!("198.51.100.{client} - - [{time}] \"GET {path} HTTP/1.1\" 200 512 \"https://shop.example/\" \"{browser}\""));
        }
        for n in 0..if flood && s >= 60 { 300 } else { 0 } {
            let (client, query) = (n % 100 + 1, s * 1_000 + n);
            lines.push(format!(
                "203.0.113.{client} - - [{time}] \"GET /?x={query} HTTP/1.1\" 200 512 \"-\" \"{browser}\""
            ));
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_flood_is_not_learnt_without_a_word() {
    let folder = Folder::new("learnt-flood");
    let learn = |name: &str, flood| {
        let log = folder.write(&format!("{name}.log"), &minute(flood));
        seawall(&["learn", &log, "--output", &folder.path(&format!("{name}.baseline"))])
    };
    // Broke: a minute or two passed for what is normal.
    let calm = learn("calm", false).err;
    assert!(calm.contains("too little to know what is normal") && !calm.contains("looks like"), "{calm}");
    let said = learn("flood", true);
    assert_eq!(said.status, Status::Quiet);
    assert!(said.err.contains("looks like") && said.err.contains("2023-05-17"), "{}", said.err);
}

#[test]
fn a_report_in_a_form_that_does_not_exist_is_refused_before_the_reading() {
    let folder = Folder::new("docx");
    let log = folder.write("access.log", &minute(false));
    for (name, why) in [("x.docx", "HTML or Markdown"), ("none/x.html", "folder does not exist")] {
        let said = seawall(&["triage", &log, "--report", &folder.path(name)]);
        assert_eq!((said.status, said.out.as_str()), (Status::CouldNotRun, ""), "{name}");
        assert!(said.err.contains(why), "{}", said.err);
        assert!(!std::path::Path::new(&folder.path(name)).exists(), "{name}");
    }
}

/// Broke: that a report had no place was found when the minutes of drills had been played.
#[test]
fn a_drill_whose_report_has_no_place_is_not_played() {
    let folder = Folder::new("no-place");
    let said = seawall(&["drill", "library", "--report", &folder.path("none/x.html")]);
    assert_eq!((said.status, said.out.as_str()), (Status::CouldNotRun, ""));
    assert!(said.err.contains("folder does not exist") && !said.err.contains("library"), "{}", said.err);
}

#[test]
fn a_cut_recording_is_no_all_clear() {
    let folder = Folder::new("cut");
    let (log, recording) = (folder.write("access.log", &minute(false)), folder.path("whole.swr"));
    assert_eq!(seawall(&["triage", &log, "--record", &recording]).status, Status::Quiet);
    assert_eq!(seawall(&["replay", &recording]).status, Status::Quiet);
    let bytes = std::fs::read(&recording).expect("recorded");
    let cut = folder.path("cut.swr");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("writable");
    let said = seawall(&["replay", &cut]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("is cut") && said.err.contains("at 2023-05-17T10:0"), "{}", said.err);
}

#[test]
fn one_wrong_year_stretches_nothing() {
    let folder = Folder::new("year");
    let mut text = minute(false);
    text.push_str(
        "198.51.100.9 - - [17/May/2003:10:00:00 +0000] \"GET / HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\"\n",
    );
    let said = seawall(&["triage", &folder.write("access.log", &text)]);
    assert!(!said.out.contains(" d "), "{}", said.out);
    assert!(said.out.contains("3 requests per second"), "{}", said.out);
}

/// A capture of link type 1 with `count` frames at steps of `step_us`.
fn capture_of(frame: &[u8], count: u32, step_us: u32) -> Vec<u8> {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0];
    let length = frame.len() as u32;
    for index in 0..count {
        let at_us = index * step_us;
        for field in [1_700_000_000 + at_us / 1_000_000, at_us % 1_000_000, length, length] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn a_capture_without_ip_was_read_and_is_normal_unless_it_is_a_storm() {
    let folder = Folder::new("no-ip");
    let mut arp = vec![0xFF; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1]);
    arp.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 2]);
    for (name, count, step_us, verdict) in [
        ("one.pcap", 1, 0, "NO ATTACK"),
        ("some.pcap", 60, 500_000, "NO ATTACK"),
        ("storm.pcap", 5000, 100, "UNDECIDED"),
    ] {
        let path = folder.path(name);
        std::fs::write(&path, capture_of(&arp, count, step_us)).expect("written");
        let said = seawall(&["triage", &path]);
        assert!(said.out.starts_with(verdict), "{name}: {}", said.out);
    }
}

#[test]
fn nothing_is_learnt_from_nothing() {
    let folder = Folder::new("nothing");
    let (empty, output) = (folder.write("empty.log", ""), folder.path("empty.baseline"));
    let said = seawall(&["learn", &empty, "--output", &output]);
    assert_eq!(said.status, Status::CouldNotRun);
    assert!(said.err.contains("nothing was learnt"), "{}", said.err);
    assert!(!std::path::Path::new(&output).exists());
}
