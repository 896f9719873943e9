//! Openings answered with cookies, on the wire: a service here, clients of all kinds there.

use crate::network::{plan, policy, start};
use crate::peer::{Peer, inside, run, wait_for};
use seawall_kernel::{KernelFilter, Moment, Totals, running};
use seawall_model::Cause;
use seawall_model::plan::{Action, Scope};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Clients at once, for a trial.
const MANY: u64 = 200;
const SETTING: &str = "/proc/sys/net/ipv4/tcp_syncookies";

/// Timestamps, selective acknowledgement and window scale in `tcpi_options`.
const ALL_OPTIONS: &str = "7";

/// Clients over there, told by lines: `open NAME ADDRESS [SOURCE]`, `say NAME`, `options NAME`,
/// `stray ADDRESS`, `rush COUNT ADDRESS` (so many at once; how many of them are open within
/// half a minute). Each is answered with a line. What a program sends back by a pair of virtual interfaces
/// is read at the other end only where a program is, too: with the argument `program`, two
/// instructions are there that let everything pass.
const CLIENTS: &str = r"
import ctypes, os, select, socket, struct, sys, time
call = ctypes.CDLL(None, use_errno=True).syscall
def bpf(command, attributes):
    number = call(321 if os.uname().machine == 'x86_64' else 280, command, ctypes.create_string_buffer(attributes.ljust(128, b'\0'), 128), 128)
    assert number >= 0, ctypes.get_errno()
    return number
if sys.argv[1] == 'program':
    code = ctypes.create_string_buffer(bytes.fromhex('b700000002000000' '9500000000000000'), 16)
    words = ctypes.create_string_buffer(b'GPL')
    where = [ctypes.addressof(code), ctypes.addressof(words)]
    program = bpf(5, struct.pack('IIQQ', 6, 2, *where).ljust(68, b'\0') + struct.pack('I', 37))
    link = bpf(28, struct.pack('IIII', program, socket.if_nametoindex('far'), 37, 4))
held = {}
for line in sys.stdin:
    verb, *rest = line.split()
    try:
        if verb == 'open':
            held[rest[0]] = socket.create_connection((rest[1], 8080), 30, (rest[2], 0) if rest[2:] else None)
            held[rest[0]].settimeout(30)
        elif verb == 'rush':
            waiting = {}
            poll = select.poll()
            for n in range(int(rest[0])):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex((rest[1], 8080))
                waiting[one.fileno()] = one
                poll.register(one, select.POLLOUT)
            is_open = 0
            until = time.monotonic() + 30
            while waiting and time.monotonic() < until:
                for number, _ in poll.poll(100):
                    poll.unregister(number)
                    one = waiting.pop(number)
                    is_open += one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                    one.close()
            for one in waiting.values():
                one.close()
            print(is_open, flush=True)
            continue
        elif verb == 'say':
            held[rest[0]].sendall(b'x' * 5000)
            got = 0
            while got < 5000:
                part = held[rest[0]].recv(5000)
                assert part
                got += len(part)
        elif verb == 'options':
            print(held[rest[0]].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5], flush=True)
            continue
        elif verb == 'stray':
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
            raw.bind(('192.0.2.3', 0))
            head = bytes([0x9c, 0x40, 0x1f, 0x90]) + bytes([1, 2, 3, 4, 5, 6, 7, 8]) + bytes([0x50, 0x10, 4, 0, 0, 0, 0, 0])
            raw.sendto(head, (rest[0], 0))
        print('done', flush=True)
    except Exception as error:
        print('failed', type(error).__name__, error, flush=True)
";

pub struct Clients {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Clients {
    /// Clients whose side takes what a program sends.
    pub fn new(peer: &Peer) -> Self {
        Self::with(peer, "program")
    }

    /// Clients whose side loses what a program sends.
    fn deaf(peer: &Peer) -> Self {
        Self::with(peer, "nothing")
    }

    fn with(peer: &Peer, what: &str) -> Self {
        let mut child = Command::new("nsenter")
            .args(["--net", "--target", &peer.child(), "python3", "-c", CLIENTS, what])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, input, output }
    }

    pub fn tell(&mut self, what: &str) -> String {
        self.begin(what);
        self.end()
    }

    fn begin(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("it listens");
    }

    fn end(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        line.trim().to_owned()
    }

    pub fn does(&mut self, what: &str) {
        assert_eq!(self.tell(what), "done", "{what}");
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}

pub fn serve() {
    let listener = TcpListener::bind("[::]:8080").expect("a listening socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo(stream));
        }
    });
}

pub fn arm(filter: &mut KernelFilter) {
    let (now, policy) = (Moment::now(), policy());
    let plan = plan(now, &policy, Cause::SynFlood, vec![(Action::SynCookies, Scope::All)]);
    let applied = filter.apply(&plan, &policy, now).expect("the plan");
    assert_eq!((applied.measures, applied.refused), (vec!["m1".to_owned()], Vec::new()));
    assert_eq!(filter.take_notes(), Vec::<String>::new(), "this kernel has the helpers");
}

/// Cookies for everybody, once those for half of them have come back. `known`: an open connection.
fn arm_whole(filter: &mut KernelFilter, clients: &mut Clients, known: &str) {
    arm(filter);
    assert!(shows_answered(500), "half at first");
    clients.does(&format!("say {known}"));
    assert_eq!(clients.tell(&format!("rush {MANY} 192.0.2.1")), MANY.to_string());
    let found = totals(filter);
    assert!(found.cookies_left > 1 && found.cookies_left_good > 1, "half is the host's at first: {found:?}");
    wait_for(|| {
        filter.look_at_cookies(Moment::now()).expect("looked at");
        assert_eq!(filter.take_notes(), Vec::<String>::new());
        shows_answered(1_000).then_some(())
    });
}

/// Whether a filter of this machine has openings answered for that part of a thousand flows.
fn shows_answered(per_mille: u32) -> bool {
    let shown = running().expect("the status").into_iter().filter_map(|filter| filter.cookies);
    shown.into_iter().any(|rule| rule.enforce && rule.per_mille == per_mille && rule.seconds_left > 0)
}

fn totals(filter: &KernelFilter) -> Totals {
    filter.totals().expect("totals").expect("XDP tells")
}

pub fn setting() -> String {
    std::fs::read_to_string(SETTING).expect("the setting").trim().to_owned()
}

#[test]
fn cookies_begin_connections_and_break_none_when_they_come_and_go() {
    if inside("cookies::cookies_begin_connections_and_break_none_when_they_come_and_go") != Some(true) {
        return;
    }
    let peer = Peer::new();
    let there = |arguments: &[&str]| {
        run("nsenter", &[&["--net", "--target", peer.child().as_str()], arguments].concat());
    };
    there(&["ip", "address", "add", "2001:db8::2/64", "dev", "far", "nodad"]);
    run("ip", &["address", "add", "2001:db8::1/64", "dev", "near", "nodad"]);
    serve();
    let mut clients = Clients::new(&peer);
    let mut filter = start(&[]);
    for (name, address) in [("old4", "192.0.2.1"), ("old6", "2001:db8::1")] {
        clients.does(&format!("open {name} {address}"));
    }
    assert_eq!(setting(), "1");
    arm_whole(&mut filter, &mut clients, "old4");
    assert_eq!(setting(), "2");
    let begun = totals(&filter);
    clients.does("say old4");
    clients.does("say old6");
    for n in 0..10 {
        clients.does(&format!("open new4-{n} 192.0.2.1"));
        clients.does(&format!("open new6-{n} 2001:db8::1"));
        clients.does(&format!("say new4-{n}"));
        clients.does(&format!("say new6-{n}"));
    }
    // The host is left one in a tenth of a second. Whoever is not answered within a second asks again.
    assert_eq!(clients.tell(&format!("rush {MANY} 192.0.2.1")), MANY.to_string());
    let good = |found: &Totals| found.cookies_good - begun.cookies_good;
    let found = wait_for(|| Some(totals(&filter)).filter(|found| good(found) >= 10));
    let answered = found.cookies_sent - begun.cookies_sent;
    assert!((good(&found)..=2 * good(&found)).contains(&answered), "{found:?}");
    assert_eq!(found.cookies_bad, 0);
    clients.does("stray 192.0.2.1");
    wait_for(|| (totals(&filter).cookies_bad > 0).then_some(()));
    assert_eq!(totals(&filter).cookies_bad, 1, "an acknowledgement of nothing");
    assert_eq!(filter.audit(Moment::now()).expect("an audit"), Vec::<String>::new());
    filter.undo(Moment::now()).expect("undone");
    assert_eq!(setting(), "1");
    let after = totals(&filter);
    for name in ["old4", "old6", "new4-9", "new6-9"] {
        clients.does(&format!("say {name}"));
    }
    clients.does("open last 192.0.2.1");
    clients.does("say last");
    assert_eq!(totals(&filter).cookies_sent, after.cookies_sent, "nothing is answered any more");
}

#[test]
fn cookies_carry_options_where_the_hosts_timestamps_can_be_foretold() {
    if inside("cookies::cookies_carry_options_where_the_hosts_timestamps_can_be_foretold") != Some(true) {
        return;
    }
    let peer = Peer::new();
    serve();
    let mut clients = Clients::new(&peer);
    let mut filter = start(&[]);
    for (timestamps, bits) in [("1", "0"), ("2", ALL_OPTIONS)] {
        std::fs::write("/proc/sys/net/ipv4/tcp_timestamps", timestamps).expect("the setting");
        clients.does(&format!("open before-{timestamps} 192.0.2.1"));
        arm_whole(&mut filter, &mut clients, &format!("before-{timestamps}"));
        clients.does(&format!("say before-{timestamps}"));
        // The host is left one in a tenth of a second: one that it was not left.
        let mut number = 0;
        let name = wait_for(|| {
            number += 1;
            let (name, sent) = (format!("new-{timestamps}-{number}"), totals(&filter).cookies_sent);
            clients.does(&format!("open {name} 192.0.2.1"));
            (totals(&filter).cookies_sent > sent).then_some(name)
        });
        assert_eq!(clients.tell(&format!("options {name}")), bits);
        clients.does(&format!("say {name}"));
        filter.undo(Moment::now()).expect("undone");
    }
}

/// Arms cookies whose answers do not arrive, lets many come, and returns why they were given up,
/// and how many of those connections are open within two seconds.
fn given_up(filter: &mut KernelFilter, clients: &mut Clients) -> (String, u64) {
    clients.does("open first 192.0.2.1");
    arm(filter);
    clients.does("say first");
    clients.begin(&format!("rush {MANY} 192.0.2.1"));
    let why = wait_for(|| {
        filter.look_at_cookies(Moment::now()).expect("looked at");
        filter.take_notes().pop()
    });
    let is_open = clients.end().parse().expect("a count");
    clients.does("say first");
    let before = totals(filter).cookies_sent;
    assert_eq!(clients.tell(&format!("rush {MANY} 192.0.2.1")), MANY.to_string());
    assert_eq!(totals(filter).cookies_sent, before, "nothing is answered any more");
    (why, is_open)
}

#[test]
fn cookies_that_the_interface_loses_are_given_up_before_anybody_is_turned_away() {
    if inside("cookies::cookies_that_the_interface_loses_are_given_up_before_anybody_is_turned_away")
        != Some(true)
    {
        return;
    }
    let peer = Peer::new();
    serve();
    let mut clients = Clients::deaf(&peer);
    let mut filter = start(&[]);
    let (why, is_open) = given_up(&mut filter, &mut clients);
    // By what the interface says that it has lost, or by who comes back, if that is seen first.
    assert!(why.contains("send what a program answers"), "{why}");
    assert_eq!(is_open, MANY, "who was not answered tries again after a second");
}

#[test]
fn cookies_that_get_lost_on_their_way_are_given_up_because_the_hosts_come_back() {
    if inside("cookies::cookies_that_get_lost_on_their_way_are_given_up_because_the_hosts_come_back")
        != Some(true)
    {
        return;
    }
    let peer = Peer::new();
    serve();
    let mut clients = Clients::new(&peer);
    let mut filter = start(&[]);
    // The filter's answers are told from the host's by their length: one option, not five.
    let lossy = "table inet lossy { chain in { type filter hook prerouting priority -300; tcp flags & (syn | ack) == syn | ack tcp doff 6 drop; }; }";
    run("nsenter", &["--net", "--target", &peer.child(), "nft", lossy]);
    let (why, is_open) = given_up(&mut filter, &mut clients);
    assert!(why.contains("nobody with those of the filter"), "{why}");
    assert_eq!(is_open, MANY);
}

#[test]
fn cookies_that_a_firewall_keeps_from_the_sockets_are_given_up() {
    if inside("cookies::cookies_that_a_firewall_keeps_from_the_sockets_are_given_up") != Some(true) {
        return;
    }
    let peer = Peer::new();
    serve();
    let mut clients = Clients::new(&peer);
    let mut filter = start(&[]);
    let strict = "table inet strict { chain in { type filter hook input priority 0; tcp flags & (fin | syn | rst | ack) != syn ct state { new, invalid } drop; }; }";
    run("nft", &[strict]);
    clients.does("open before 192.0.2.1");
    arm(&mut filter);
    clients.does("say before");
    // They have their answer, and take the connection for open.
    assert_eq!(clients.tell(&format!("rush {MANY} 192.0.2.1")), MANY.to_string());
    let why = wait_for(|| {
        filter.look_at_cookies(Moment::now()).expect("looked at");
        filter.take_notes().pop()
    });
    assert!(why.contains("(a firewall?)"), "{why}, {:?}", totals(&filter));
    for n in 0..10 {
        clients.does(&format!("open after-{n} 192.0.2.1"));
        clients.does(&format!("say after-{n}"));
    }
    clients.does("say before");
}
