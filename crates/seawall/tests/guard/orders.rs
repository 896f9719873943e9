//! What the operator can do with a running guard.

use super::guard::{Folder, Guard, eventually};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

/// A site that answers everything at once.
pub fn site() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut part = [0; 4_096];
                // A request comes in one piece here; the end of the connection ends the loop.
                while stream.read(&mut part).is_ok_and(|n| n > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Requests over one connection, as fast as they are answered, until one is not; how many of them
/// the site has answered.
pub fn hammer(guard: &Guard, requests: u32) -> usize {
    let mut stream = BufReader::new(TcpStream::connect(guard.address()).expect("a connection"));
    (0..requests).map_while(|_| ask(&mut stream)).filter(|is_served| *is_served).count()
}

/// Whether a request is served; `None`: it has no whole answer.
fn ask(stream: &mut BufReader<TcpStream>) -> Option<bool> {
    stream.get_mut().write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.lines().next()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head.starts_with("http/1.1 200 ") && body == b"ok")
}

pub fn attacked(folder: &Folder) -> Guard {
    attacked_at(folder, SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// A guard that listens there, with measures in force.
pub fn attacked_at(folder: &Folder, listen: SocketAddr) -> Guard {
    let state = folder.path().join("state");
    let site = format!("{listen}=http://{}", site());
    let guard = Guard::with(folder, &["--http", &site, "--state", state.to_str().expect("a plain path")]);
    eventually("measures in force", || {
        hammer(&guard, 500);
        guard.story_text().contains("measures in force").then_some(())
    });
    guard
}

#[test]
fn measures_are_undone_in_one_order_and_stay_away() {
    let folder = Folder::new("undo");
    let guard = attacked(&folder);
    let undone = guard.order(&["undo"]);
    assert_eq!(
        String::from_utf8_lossy(&undone.stdout),
        "all measures are withdrawn; none follow until the trouble is over\n"
    );
    guard.wait_for("measures withdrawn: undone by hand");
    assert_eq!(hammer(&guard, 300), 300);
    assert!(guard.ask("GET", "/v1/plan", "").contains("\"plan\":null"));
    let again = guard.order(&["undo"]);
    assert_eq!(
        String::from_utf8_lossy(&again.stdout),
        "no measures were in force; none follow until the trouble is over\n"
    );
    // Broke: there was no way back before the incident was over.
    let ended = guard.order(&["undo", "--end"]);
    assert_eq!(
        String::from_utf8_lossy(&ended.stdout),
        "measures are taken again where the trouble calls for them\n"
    );
    let from = Instant::now();
    eventually("measures are in force again", || {
        hammer(&guard, 500);
        (!guard.lines_with("measures in force", from).is_empty()).then_some(())
    });
    // Who did what stays in the write-up.
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
    let folders = std::fs::read_dir(folder.path().join("state/incidents")).expect("incidents");
    let all: String = folders
        .flatten()
        .map(|entry| std::fs::read_to_string(entry.path().join("postmortem.md")).unwrap_or_default())
        .collect();
    assert!(all.contains("undone by hand") && all.contains("operator"), "{all}");
    assert!(all.contains("measures may be taken again"), "{all}");
}

#[test]
fn a_change_that_says_nothing_is_refused() {
    let folder = Folder::new("empty-change");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let told = guard.order(&["change", " "]);
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stderr).contains("say what was changed"), "{told:?}");
    let answer = guard.ask("POST", "/v1/changes", r#"{"kind":"deploy","text":""}"#);
    assert!(answer.contains("say what was changed"), "{answer}");
}

/// Broke: what followed a crash in an attack was an incident of its own, that had begun with the restart
/// and said so in its write-up.
#[test]
fn an_incident_survives_a_crash_and_goes_on_at_the_next_start() {
    let folder = Folder::new("crash");
    let guard = attacked(&folder);
    let incidents = folder.path().join("state/incidents");
    let report = || {
        // An incident without an attack would end, and be written up.
        hammer(&guard, 100);
        let entry = std::fs::read_dir(&incidents).ok()?.flatten().next()?.path();
        entry.join("report.json").exists().then_some(entry)
    };
    let incident = eventually("a report is kept", report);
    assert!(!incident.join("postmortem.md").exists());
    // Written down beside everything else, for the first time when an incident opens.
    let known = folder.path().join("state/known");
    eventually("it is written down", || known.exists().then_some(()));
    guard.kill();
    let upstream = format!("http://{}", site());
    let state = folder.path().join("state");
    let guard = Guard::start(&folder, &upstream, &["--state", state.to_str().expect("a plain path")]);
    let name = incident.file_name().expect("a name").to_string_lossy().into_owned();
    guard.wait_for(&format!("going on with incident {name}, which was cut off"));
    // Broke: what went on with it was in force and not told.
    guard.wait_for("measures in force");
    assert!(!guard.ask("GET", "/v1/plan", "").contains("\"plan\":null"), "what was in force is in force");
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
    let postmortem = std::fs::read_to_string(incident.join("postmortem.md")).expect("a postmortem");
    assert!(postmortem.contains("HTTP flood") && postmortem.contains("restarted"), "{postmortem}");
    assert_eq!(std::fs::read_dir(&incidents).expect("incidents").count(), 1);
    // What was known is gone: it can only be written up.
    for file in ["postmortem.md", "../../known"] {
        std::fs::remove_file(incident.join(file)).expect("removed");
    }
    let guard = Guard::start(&folder, &upstream, &["--state", state.to_str().expect("a plain path")]);
    guard.wait_for(&format!("incident {name} was cut off"));
    assert!(incident.join("postmortem.md").exists());
    assert!(guard.ask("GET", "/v1/incidents", "").contains(&name));
}

/// Broke: a guard that was ended and started again in an attack told of another, without a word of the
/// first.
#[test]
fn an_attack_that_a_restart_ended_is_told_as_maybe_the_same() {
    let folder = Folder::new("restart");
    let guard = attacked(&folder);
    let known = folder.path().join("state/known");
    eventually("it is written down", || known.exists().then_some(()));
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
    let guard = attacked(&folder);
    assert!(guard.story_text().contains("this may have begun before, as incident"), "{}", guard.story_text());
}

#[test]
fn protecting_a_client_spares_it_at_once() {
    let folder = Folder::new("protect");
    let guard = attacked(&folder);
    let answer = guard.ask("POST", "/v1/protected", r#"{"prefix":"127.0.0.1"}"#);
    assert!(answer.contains("127.0.0.1/32"), "{answer}");
    let refused = guard.metric("seawall_rule_refused_total");
    assert_eq!(hammer(&guard, 300), 300);
    assert_eq!(guard.metric("seawall_rule_refused_total"), refused);
    assert!(guard.ask("POST", "/v1/protected", "{}").contains("is expected"));
}

/// Broke: who was protected by order stayed so while the guard ran, and `/1` was taken, which leaves
/// nobody to refuse.
#[test]
fn a_client_that_is_protected_by_order_can_be_given_up() {
    let folder = Folder::new("unprotect");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let said = |arguments: &[&str]| {
        let done = guard.order(arguments);
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    assert_eq!(said(&["protect", "192.0.2.7"]), "192.0.2.7/32 is protected: nothing is refused to it\n");
    assert_eq!(said(&["protect", "--end", "192.0.2.7"]), "192.0.2.7/32 is no longer protected\n");
    assert!(guard.ask("GET", "/v1/protected", "").contains("\"protected\":[]"));
    assert!(said(&["protect", "--end", "192.0.2.7"]).contains("was not protected by an order"));
    assert!(said(&["protect", "128.0.0.0/1"]).contains("most attacks could not be stopped"));
    assert!(said(&["protect", "192.0.2.9/24"]).contains("write 192.0.2.0/24 or 192.0.2.9/32"));
}

/// Broke: whoever was protected by order was so until the program ended, killed or not.
#[test]
fn who_is_protected_by_order_stays_so_over_a_restart() {
    let folder = Folder::new("protected-kept");
    let state = folder.path().join("state");
    let state = state.to_str().expect("a plain path");
    let upstream = format!("http://{}", site());
    let start = || Guard::start(&folder, &upstream, &["--state", state]);
    let guard = start();
    for prefix in ["192.0.2.7", "2001:db8::/32"] {
        assert!(guard.order(&["protect", prefix]).status.success());
    }
    guard.kill();
    let guard = start();
    guard.wait_for("protected by order, as before: 192.0.2.7/32, 2001:db8::/32");
    assert!(guard.ask("GET", "/v1/protected", "").contains(r#"["192.0.2.7/32","2001:db8::/32"]"#));
    assert!(guard.order(&["protect", "--end", "192.0.2.7"]).status.success(), "it is an order still");
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
    let guard = start();
    eventually("what is left is protected", || {
        guard.ask("GET", "/v1/protected", "").contains(r#"["2001:db8::/32"]"#).then_some(())
    });
}

/// Broke: each order waited for the next tick, so that three thousand changes took five minutes to tell.
#[test]
fn orders_are_carried_out_as_they_come() {
    let folder = Folder::new("changes");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let from = std::time::Instant::now();
    for n in 0..200 {
        let body = format!(r#"{{"kind":"deploy","text":"deploy {n}"}}"#);
        assert!(guard.ask("POST", "/v1/changes", &body).contains("noted"));
    }
    // A tick each would be 20 s.
    assert!(from.elapsed().as_secs() < 10, "{:?}", from.elapsed());
}

#[test]
fn orders_are_taken_while_other_clients_of_the_socket_are_silent() {
    let folder = Folder::new("silent");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let socket = folder.path().join("admin.sock");
    // One after the other they would be waited for longer than an order waits.
    let silent: Vec<_> =
        (0..30).map(|_| std::os::unix::net::UnixStream::connect(&socket).expect("connected")).collect();
    let undone = guard.order(&["undo"]);
    assert!(undone.status.success(), "{undone:?}");
    drop(silent);
}

#[test]
fn observing_proposes_and_refuses_nobody() {
    let folder = Folder::new("observe");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &["--observe"]);
    let from = std::time::Instant::now();
    while guard.lines_with("would do (observing only)", from).is_empty() {
        assert!(from.elapsed() < super::guard::PATIENCE, "nothing proposed:\n{}", guard.story_text());
        assert_eq!(hammer(&guard, 300), 300);
    }
    assert_eq!(guard.metric("seawall_rule_refused_total"), 0);
    assert_eq!(guard.metric("seawall_answers_4xx_total"), 0);
    let undone = guard.order(&["undo"]);
    assert_eq!(
        String::from_utf8_lossy(&undone.stdout),
        "no measures were in force; none follow until the trouble is over\n"
    );
    assert!(!guard.story_text().contains("withdrawn"), "{}", guard.story_text());
}

#[test]
fn a_service_manager_is_told_of_start_and_end() {
    let folder = Folder::new("notify");
    let path = folder.path().join("notify.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(super::guard::PATIENCE)).expect("a timeout");
    let told = || {
        let mut text = [0; 64];
        let n = socket.recv(&mut text).expect("a word");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    let site = format!("127.0.0.1:0=http://{}", site());
    let guard = Guard::in_place(&folder, &["--http", &site], &[("NOTIFY_SOCKET", &path)]);
    assert_eq!(told(), "READY=1");
    guard.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(guard.wait(), Some(0));
}

/// Broke: a signal that came while the guard served already, and had not said all that it says at its start,
/// killed it.
#[test]
fn a_term_signal_drains_and_ends_well() {
    let folder = Folder::new("term");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    assert_eq!(hammer(&guard, 3), 3);
    guard.signal("TERM");
    assert_eq!(guard.wait(), Some(0));
}

#[test]
fn a_crowd_of_silent_clients_of_the_socket_delays_no_order() {
    let folder = Folder::new("silent-crowd");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let socket = folder.path().join("admin.sock");
    let connect = |_| std::os::unix::net::UnixStream::connect(&socket).expect("a connection");
    let _silent: Vec<_> = (0..200).map(connect).collect();
    let undone = guard.order(&["undo"]);
    assert_eq!(String::from_utf8_lossy(&undone.stdout), "no measures were in force\n");
}

#[test]
fn a_change_that_is_too_long_is_refused_with_the_reason() {
    let folder = Folder::new("long-change");
    let guard = Guard::start(&folder, &format!("http://{}", site()), &[]);
    let told = guard.order(&["change", &"x".repeat(100_000)]);
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("shorten the text"), "{told}");
    assert!(guard.order(&["change", "deploy 1.4.2"]).status.success());
}
