//! What a site needs beside itself, checked: a real PostgreSQL with a lock held, and a real Redis;
//! skipped where there is none.

use super::guard::{Folder, Guard, eventually};
use super::orders::site;
use seawall_ports::Running;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A guard with these checks, before a site that is well.
fn checked(folder: &Folder, checks: &str) -> Guard {
    let path = folder.path().join("seawall.toml");
    let text = format!("[[site]]\nlisten = \"127.0.0.1:0\"\nupstreams = [\"http://{}\"]\n{checks}", site());
    std::fs::write(&path, text).expect("written");
    Guard::with(folder, &["--config", path.to_str().expect("plain")])
}

fn wait_for(guard: &Guard, name: &str, wanted: &str) {
    let found = || -> Option<String> {
        let state: serde_json::Value = serde_json::from_str(&guard.ask("GET", "/v1/state", "")).ok()?;
        let row = state["checks"].as_array()?.iter().find(|c| c["name"] == name)?;
        Some(row["found"].as_str()?.to_owned())
    };
    eventually(&format!("{name} {wanted}"), || found().filter(|f| f.contains(wanted)));
}

/// A program of PostgreSQL's server, which is in no search path.
fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|v| v.path().join("bin").join(name)).find(|p| p.is_file())
}

/// PostgreSQL that asks for a password; it does not run as root.
fn postgres(folder: &Path, port: u16) -> Option<Running> {
    const NOBODY: u32 = 65_534;
    let (initdb, server) = (program("initdb")?, program("postgres")?);
    let (data, password) = (folder.join("data"), folder.join("password"));
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(&password, "pencil\n").expect("written");
    let is_root = chown(&data, Some(NOBODY), Some(NOBODY)).is_ok();
    let own = |path: &Path| {
        let mut command = Command::new(path);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(&data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let made = own(&initdb)
        .args(["--no-sync", "--locale=C", "--auth=scram-sha-256", "--username=watch", "--pwfile"])
        .arg(&password)
        .arg("-D")
        .arg(&data)
        .status();
    assert!(made.expect("initdb").success());
    let started = own(&server)
        .arg("-D")
        .arg(&data)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", "", "-p", &port.to_string()])
        .spawn();
    Some(started.expect("postgres").into())
}

fn psql(port: u16, text: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .args(["-h", "127.0.0.1", "-U", "watch", "-d", "postgres", "-p", &port.to_string(), "-c", text])
        .env("PGPASSWORD", "pencil")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_table_that_is_locked_is_seen_by_its_check() {
    let folder = Folder::new("postgres");
    let port = seawall_ports::free().expect("a port").port();
    let Some(mut server) = postgres(folder.path(), port) else {
        eprintln!("skipped: no PostgreSQL on this machine");
        return;
    };
    eventually("a table", || {
        psql(port, "create table if not exists orders (id int)").status().ok()?.success().then_some(())
    });
    let check = |name: &str, more: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nkind = \"postgresql\"\naddress = \"127.0.0.1:{port}\"\nwithin-ms = 3000\n{more}"
        )
    };
    let password = folder.path().join("password");
    let login = |query: &str, file: &Path| {
        format!(
            "user = \"watch\"\ndatabase = \"postgres\"\npassword-file = \"{}\"\nquery = \"{query}\"\n",
            file.display()
        )
    };
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "pen").expect("written");
    let guard = checked(
        &folder,
        &[
            check("orders", &login("select count(*) from orders", &password)),
            check("alive", ""),
            check("stranger", &login("select 1", &wrong)),
            check("nonsense", &login("select nothing from nowhere", &password)),
        ]
        .concat(),
    );
    wait_for(&guard, "orders", "good");
    wait_for(&guard, "alive", "good");
    wait_for(&guard, "stranger", "password authentication failed");
    wait_for(&guard, "nonsense", "nowhere");
    let lock = psql(port, "begin; lock table orders; select pg_sleep(600)").spawn().expect("psql");
    let mut lock = Running::from(lock);
    wait_for(&guard, "orders", "does not answer in time");
    wait_for(&guard, "alive", "good");
    lock.stop();
    server.stop();
    wait_for(&guard, "alive", "takes no connection");
}

#[test]
fn a_redis_that_is_gone_is_seen_by_its_check_also_after_a_reload() {
    let folder = Folder::new("redis");
    let port = seawall_ports::free().expect("a port").port();
    let started = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        eprintln!("skipped: no Redis on this machine");
        return;
    };
    let mut server = Running::from(child);
    let checks = format!("[[check]]\nname = \"cart\"\nkind = \"redis\"\naddress = \"127.0.0.1:{port}\"\n");
    let guard = checked(&folder, &checks);
    wait_for(&guard, "cart", "good");
    let path = folder.path().join("seawall.toml");
    let text = std::fs::read_to_string(&path).expect("there").replace("\"cart\"", "\"basket\"");
    std::fs::write(&path, text).expect("written");
    assert!(guard.order(&["reload"]).status.success());
    wait_for(&guard, "basket", "good");
    server.stop();
    wait_for(&guard, "basket", "takes no connection");
}
