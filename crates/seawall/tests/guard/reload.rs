//! New settings and new programs under load: no request may be lost by either.

use super::guard::{Folder, Guard, PATIENCE, eventually};
use super::orders::{attacked_at, hammer, site};
use socket2::SockRef;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

/// Clients that ask one thing after the other until they are dropped.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Half of the clients keep their connection for as long as the guard does.
    fn on(address: SocketAddr) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |number: usize| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let (mut kept, mut lost) = (None, Vec::new());
                while !stop.load(Relaxed) {
                    match ask(address, &mut kept, number.is_multiple_of(2)) {
                        Ok(()) => drop(answered.fetch_add(1, Relaxed)),
                        Err(error) => lost.push(error),
                    }
                }
                lost
            })
        };
        let clients = (0..4).map(client).collect();
        Self { stop, answered, clients }
    }

    /// Waits for some more answers.
    fn go_on(&self) {
        let wanted = self.answered.load(Relaxed) + 40;
        eventually("requests go on", || (self.answered.load(Relaxed) >= wanted).then_some(()));
    }

    fn lost(self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        self.clients.into_iter().flat_map(|c| c.join().expect("no panic")).collect()
    }
}

/// One request; over the kept connection if there is one.
fn ask(address: SocketAddr, kept: &mut Option<TcpStream>, keeps: bool) -> Result<(), String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).map_err(|e| format!("connect: {e}"))?,
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    let connection = if keeps { "keep-alive" } else { "close" };
    let text = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(text.as_bytes()).map_err(|e| format!("write: {e}"))?;
    let mut answer = Vec::new();
    let mut part = [0; 1_024];
    while !answer.ends_with(b"\r\n\r\nok") {
        match stream.read(&mut part) {
            Ok(n) if n > 0 => answer.extend_from_slice(&part[..n]),
            other => return Err(format!("{other:?} after {:?}", String::from_utf8_lossy(&answer))),
        }
    }
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    if !answer.starts_with("http/1.1 200") {
        return Err(answer);
    }
    if keeps && !answer.contains("connection: close") {
        *kept = Some(stream);
    }
    Ok(())
}

/// Where nobody listens at the moment.
fn free() -> SocketAddr {
    seawall_ports::free().expect("a port")
}

/// Everybody here is one client, whose many requests are no attack.
fn write(path: &Path, more: &str, sites: &[SocketAddr], upstream: SocketAddr) {
    let mut text = format!("{more}\n[policy]\nprotected-clients = [\"127.0.0.1\"]\n");
    for listen in sites {
        text += &format!("[[site]]\nlisten = \"{listen}\"\nupstreams = [\"http://{upstream}\"]\n");
    }
    std::fs::write(path, text).expect("written");
}

fn configured(folder: &Folder) -> (std::path::PathBuf, SocketAddr, SocketAddr, Guard) {
    let (path, listen, upstream) = (folder.path().join("seawall.toml"), free(), site());
    write(&path, "[guard]\nthreads = 2", &[listen], upstream);
    let state = folder.path().join("state");
    let words = ["--config", path.to_str().expect("plain"), "--state", state.to_str().expect("plain")];
    let guard = Guard::with(folder, &words);
    (path, listen, upstream, guard)
}

#[test]
fn many_reloads_under_load_lose_no_request_and_count_all() {
    let folder = Folder::new("reloads");
    let (path, listen, upstream, guard) = configured(&folder);
    let second = free();
    let load = Load::on(listen);
    for round in 0..24 {
        let threads = 1 + round % 3;
        let sites = if round % 2 == 0 { vec![listen, second] } else { vec![listen] };
        write(
            &path,
            &format!("[guard]\nthreads = {threads}\n[limits]\nfields = 5{round:02}"),
            &sites,
            upstream,
        );
        let answer = guard.ask("POST", "/v1/reload", "");
        assert!(answer.contains("notes"), "{answer}");
        load.go_on();
        if round % 2 == 0 {
            assert_eq!(ask(second, &mut None, false), Ok(()), "{round}");
        } else {
            // Threads of before end when they have answered what they have.
            eventually("nobody answers there", || ask(second, &mut None, false).err());
        }
    }
    let answered = load.answered.load(Relaxed);
    assert_eq!(load.lost(), Vec::<String>::new());
    eventually("no count is lost with its threads", || {
        (guard.metric("seawall_requests_total") >= answered).then_some(())
    });
}

#[test]
fn a_bad_configuration_changes_nothing_and_tells_all_mistakes() {
    let folder = Folder::new("reload-bad");
    let (path, listen, upstream, guard) = configured(&folder);
    std::fs::write(&path, "[guard]\nthread = 1\n[limits]\nfields = 0\n").expect("written");
    let told = guard.order(&["reload"]);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("did you mean `threads`?") && told.contains("fields"), "{told}");
    guard.signal("HUP");
    let taken = free();
    let _held = TcpListener::bind(taken).expect("a port");
    write(&path, "", &[listen, taken], upstream);
    let told = guard.order(&["reload"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("cannot listen on"), "{told:?}");
    assert_eq!(ask(listen, &mut None, false), Ok(()));
    write(&path, "[guard]\nadmin-socket = \"/elsewhere\"", &[listen], upstream);
    let told = guard.order(&["reload"]);
    assert!(told.status.success(), "{told:?}");
}

#[test]
fn upgrades_under_load_lose_no_request() {
    let folder = Folder::new("upgrades");
    let (path, listen, upstream, guard) = configured(&folder);
    let load = Load::on(listen);
    let process = || -> Option<u64> {
        let state: serde_json::Value = serde_json::from_str(&guard.ask("GET", "/v1/state", "")).ok()?;
        state["process"].as_u64()
    };
    let mut last = eventually("a process answers", process);
    for round in 0..4 {
        let told = guard.order(&["upgrade"]);
        assert!(told.status.success(), "{round}: {told:?}");
        let next = eventually("another process answers", || process().filter(|p| *p != last));
        last = next;
        load.go_on();
    }
    // One that finds fault with its configuration does not take over.
    std::fs::write(&path, "[guard]\nthread = 1\n").expect("written");
    let told = guard.order(&["upgrade"]);
    assert!(!told.status.success(), "{told:?}");
    assert_eq!(process(), Some(last));
    write(&path, "", &[listen], upstream);
    load.go_on();
    assert_eq!(load.lost(), Vec::<String>::new());
    let killed = Command::new("kill").arg(last.to_string()).status().expect("kill");
    assert!(killed.success());
    assert_eq!(guard.wait(), Some(0), "the first one ended well");
}

#[test]
fn an_upgrade_in_the_middle_of_an_incident_goes_on_with_it() {
    let folder = Folder::new("upgrade-incident");
    let guard = attacked_at(&folder, free());
    let state =
        || -> Option<serde_json::Value> { serde_json::from_str(&guard.ask("GET", "/v1/state", "")).ok() };
    let before = eventually("measures are shown", || state().filter(|s| s["measures"] != 0));
    let told = guard.order(&["upgrade"]);
    assert!(told.status.success(), "{told:?}");
    let after =
        eventually("another process answers", || state().filter(|s| s["process"] != before["process"]));
    assert_eq!(after["verdict"]["cause"], before["verdict"]["cause"]);
    assert_eq!(after["measures"], before["measures"]);
    let acted = || -> u64 {
        let all = ["refused", "challenged", "closed", "delayed", "waiting", "shed"];
        all.iter().map(|what| guard.metric(&format!("seawall_rule_{what}_total"))).sum()
    };
    eventually("its measures act", || {
        hammer(&guard, 300);
        (acted() > 0).then_some(())
    });
    let incidents = guard.ask("GET", "/v1/incidents", "");
    assert_eq!(incidents.matches("\"name\"").count(), 1, "{incidents}");
    assert!(incidents.contains("\"ended\":false"), "{incidents}");
    let process = after["process"].as_u64().expect("a number").to_string();
    assert!(Command::new("kill").arg(process).status().expect("kill").success());
    assert_eq!(guard.wait(), Some(0), "the first one ended well");
}

/// Broke: SIGUSR1, which recipes of logrotate send, and SIGUSR2 killed the guard.
#[test]
fn signals_of_log_rotation_and_upgrades_kill_nobody() {
    let folder = Folder::new("signals");
    let (path, listen) = (folder.path().join("seawall.toml"), free());
    let (log, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    write(&path, &format!("[guard]\naccess-log = \"{}\"", log.display()), &[listen], site());
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    assert_eq!(ask(listen, &mut None, false), Ok(()));
    eventually("a line", || (lines(&log) == 1).then_some(()));
    std::fs::rename(&log, &moved).expect("moved");
    guard.signal("USR1");
    eventually("the log is opened anew", || log.exists().then_some(()));
    assert_eq!(ask(listen, &mut None, false), Ok(()));
    eventually("a line there", || (lines(&log) == 1).then_some(()));
    assert_eq!(lines(&moved), 1);
    guard.signal("USR2");
    guard.wait_for("`seawall upgrade` lets the program");
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
}

/// Broke: lines that a full disk lost were counted nowhere.
#[test]
fn lines_that_a_full_disk_loses_are_counted() {
    let folder = Folder::new("full-log");
    let (path, listen) = (folder.path().join("seawall.toml"), free());
    write(&path, "[guard]\naccess-log = \"/dev/full\"", &[listen], site());
    let guard = Guard::with(&folder, &["--config", path.to_str().expect("plain")]);
    for _ in 0..3 {
        assert_eq!(ask(listen, &mut None, false), Ok(()));
    }
    eventually("three are lost", || (guard.metric("seawall_access_log_dropped_total") == 3).then_some(()));
}

/// Broke: with hardly any descriptors a guard started, and refused its visitors in silence.
#[test]
fn a_guard_takes_what_descriptors_there_are_and_does_not_start_with_too_few() {
    let folder = Folder::new("descriptors");
    let started = |limit: &str| {
        let script = format!("{limit}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_seawall"), "guard", "--http"]);
        command.arg(format!("127.0.0.1:0=http://{}", site()));
        command.arg("--admin-socket").arg(folder.path().join("admin.sock"));
        command
    };
    let few = started("ulimit -n 300").output().expect("bash");
    let told = String::from_utf8_lossy(&few.stderr);
    assert!(!few.status.success() && told.contains("only 300 files may be open"), "{told}");
    let raised = started("ulimit -Sn 64; ulimit -Hn 1024").stdout(Stdio::piped()).spawn().expect("bash");
    let mut raised = seawall_ports::Running::from(raised);
    let lines = BufReader::new(raised.stdout.take().expect("its output")).lines();
    let room = lines.map_while(Result::ok).find(|line| line.contains("room for"));
    raised.kill().expect("killed");
    raised.wait().expect("ended");
    assert!(room.is_some_and(|line| line.contains("room for 384 connections at once and not for 16384")));
}

#[test]
fn sockets_of_a_service_manager_are_used() {
    let folder = Folder::new("activation");
    let given = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = given.local_addr().expect("an address");
    SockRef::from(&given).set_cloexec(false).expect("set");
    let site = format!("{address}=http://{}", site());
    let script = format!("LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&{}", given.as_raw_fd());
    let mut child = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_seawall"), "guard", "--http", &site, "--admin-socket"])
        .arg(folder.path().join("admin.sock"))
        .stdout(Stdio::null())
        .spawn()
        .expect("bash");
    drop(given);
    let answered = ask(address, &mut None, false);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(answered, Ok(()));
}

#[test]
fn one_state_folder_is_for_one_guard() {
    let folder = Folder::new("lock");
    let (path, listen, _, guard) = configured(&folder);
    let state = folder.path().join("state");
    let second = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["guard", "--config", path.to_str().expect("plain")])
        .args(["--state", state.to_str().expect("plain"), "--admin-socket"])
        .arg(folder.path().join("second.sock"))
        .output()
        .expect("the program");
    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2));
    assert!(told.contains("works with the state folder") && told.contains("process"), "{told}");
    assert_eq!(ask(listen, &mut None, false), Ok(()));
    drop(guard);
}
