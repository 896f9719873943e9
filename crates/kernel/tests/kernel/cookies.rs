//! Openings answered with cookies, on the wire: a service here, clients of all kinds there.

use crate::network::{plan, policy, start};
use crate::peer::{Peer, inside, run};
use seawall_kernel::{KernelFilter, Moment, Totals};
use seawall_model::Cause;
use seawall_model::plan::{Action, Scope};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};

const SETTING: &str = "/proc/sys/net/ipv4/tcp_syncookies";

/// Timestamps, selective acknowledgement and window scale in `tcpi_options`.
const ALL_OPTIONS: &str = "7";

/// Clients over there, told by lines: `open NAME ADDRESS`, `say NAME`, `options NAME`,
/// `stray ADDRESS`. Each is answered with a line. What a program sends back by a pair of virtual interfaces is read at the
/// other end only where a program is, too: two instructions, that let everything pass.
const CLIENTS: &str = r"
import ctypes, os, socket, struct, sys
call = ctypes.CDLL(None, use_errno=True).syscall
def bpf(command, attributes):
    number = call(321 if os.uname().machine == 'x86_64' else 280, command, ctypes.create_string_buffer(attributes.ljust(128, b'\0'), 128), 128)
    assert number >= 0, ctypes.get_errno()
    return number
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
            held[rest[0]] = socket.create_connection((rest[1], 8080), 2)
            held[rest[0]].settimeout(30)
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
    pub fn new(peer: &Peer) -> Self {
        let mut child = Command::new("nsenter")
            .args(["--net", "--target", &peer.child(), "python3", "-c", CLIENTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, input, output }
    }

    pub fn tell(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").expect("it listens");
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
    arm(&mut filter);
    assert_eq!(setting(), "2");
    clients.does("say old4");
    clients.does("say old6");
    // The host itself answers the first; the others come too soon after it.
    for n in 0..10 {
        clients.does(&format!("open new4-{n} 192.0.2.1"));
        clients.does(&format!("open new6-{n} 2001:db8::1"));
        clients.does(&format!("say new4-{n}"));
        clients.does(&format!("say new6-{n}"));
    }
    let found = totals(&filter);
    assert!(found.cookies_sent >= 10 && found.cookies_good >= 10, "{found:?}");
    assert_eq!(found.cookies_bad, 0);
    clients.does("stray 192.0.2.1");
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
        arm(&mut filter);
        clients.does(&format!("say before-{timestamps}"));
        // Of two at once, the host is left one at most.
        let sent = totals(&filter).cookies_sent;
        clients.does(&format!("open a-{timestamps} 192.0.2.1"));
        clients.does(&format!("open b-{timestamps} 192.0.2.1"));
        assert!(totals(&filter).cookies_sent > sent);
        assert_eq!(clients.tell(&format!("options b-{timestamps}")), bits);
        clients.does(&format!("say b-{timestamps}"));
        filter.undo(Moment::now()).expect("undone");
    }
}
