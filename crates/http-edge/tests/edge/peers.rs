//! Real servers behind the edge, where this machine has them: each passes on to an origin of the
//! tests, so that what it has understood can be read there.

use crate::harness::PATIENCE;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static FOLDERS: AtomicU32 = AtomicU32::new(0);
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin";

/// A running server; killed when dropped, and its folder removed.
pub struct Peer {
    child: Child,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A master tells its workers to end as well.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// nginx with these lines in its server; it listens on `address` as `how` says.
pub fn nginx(origin: SocketAddr, how: &str, lines: &str) -> Option<Peer> {
    let write = |folder: &Path, address: SocketAddr| {
        let here = folder.display();
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {here}/{name}; "))
            .concat();
        format!(
            "daemon off; worker_processes 1; pid {here}/pid; error_log {here}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; {temp}\n\
             map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
             server {{ listen {address} {how}; {lines}\n\
             location / {{ proxy_pass http://{origin}; proxy_http_version 1.1; proxy_buffering off;\n\
             proxy_request_buffering off; proxy_set_header Upgrade $http_upgrade;\n\
             proxy_set_header Connection $connection_upgrade; proxy_set_header Host $http_host; }} }} }}\n"
        )
    };
    let words = |file: &Path, folder: &Path| {
        let log = folder.join("error.log").display().to_string();
        ["-c".to_owned(), file.display().to_string(), "-e".to_owned(), log]
    };
    start("nginx", write, |file, folder| words(file, folder).to_vec())
}

pub fn haproxy(origin: SocketAddr) -> Option<Peer> {
    let write = |_: &Path, address: SocketAddr| {
        format!(
            "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 60s\n\
             frontend site\n bind {address}\n default_backend origin\nbackend origin\n server a {origin}\n"
        )
    };
    start("haproxy", write, |file, _| {
        ["-db", "-q", "-f", &file.display().to_string()].map(str::to_owned).to_vec()
    })
}

pub fn apache(origin: SocketAddr) -> Option<Peer> {
    let write = |folder: &Path, address: SocketAddr| {
        let here = folder.display();
        let modules: String = ["mpm_event", "authz_core", "proxy", "proxy_http"]
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .concat();
        format!(
            "{modules}ServerName localhost\nListen {address}\nPidFile {here}/pid\nErrorLog {here}/error.log\n\
             DefaultRuntimeDir {here}\nStartServers 1\nProxyPreserveHost On\n\
             ProxyPass / http://{origin}/\n"
        )
    };
    start("apache2", write, |file, _| {
        ["-D", "FOREGROUND", "-f", &file.display().to_string()].map(str::to_owned).to_vec()
    })
}

/// Starts a program on a port of its own and waits until it listens. `None`: there is no such
/// program on this machine.
fn start(
    program: &str,
    write: impl Fn(&Path, SocketAddr) -> String,
    words: impl Fn(&Path, &Path) -> Vec<String>,
) -> Option<Peer> {
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("seawall-peer-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, address) = (folder.join("configuration"), seawall_ports::free().expect("a port"));
    std::fs::write(&file, write(&folder, address)).expect("written");
    let started = Command::new(program)
        .env("PATH", PATH)
        .args(words(&file, &folder))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        eprintln!("skipped: no {program} on this machine");
        let _ = std::fs::remove_dir_all(&folder);
        return None;
    };
    let mut peer = Peer { child, folder, address };
    let from = Instant::now();
    while from.elapsed() < PATIENCE {
        if TcpStream::connect(address).is_ok() {
            return Some(peer);
        }
        let ended = peer.child.try_wait().expect("a child");
        let log = || std::fs::read_to_string(peer.folder.join("error.log")).unwrap_or_default();
        assert!(ended.is_none(), "{program} does not start: {ended:?} {}", log());
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{program} does not listen");
}
