//! Orders to a running guard: `seawall undo`, `change`, `protect`, `reload` and `upgrade`.

use super::Status;
use crate::cli::{AdminArgs, ChangeArgs, ProtectArgs, UndoArgs};
use crate::guard::admin;
use crate::report::text;
use anyhow::{Context, bail, ensure};
use seawall_model::change::ChangeKind;
use std::io::Write;
use std::path::PathBuf;

/// `seawall reload`: lets a running guard read its configuration again.
pub fn reload(args: &AdminArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let answer = ask(args, "POST", "/v1/reload", "")?;
    writeln!(out, "reloaded; open connections are served to their end")?;
    for note in answer["notes"].as_array().into_iter().flatten().filter_map(|n| n.as_str()) {
        writeln!(out, "{}", text::visible(note))?;
    }
    Ok(Status::Quiet)
}

/// `seawall upgrade`: lets the program that is installed now take over.
pub fn upgrade(args: &AdminArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let answer = ask(args, "POST", "/v1/upgrade", "")?;
    writeln!(out, "process {} has taken over", answer["process"])?;
    Ok(Status::Quiet)
}

/// `seawall undo`: withdraws every measure of a running guard, or lets it take measures again.
pub fn undo(args: &UndoArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let answer = ask(&args.admin, if args.end { "DELETE" } else { "POST" }, "/v1/undo", "")?;
    let is_set = |name: &str| answer[name].as_bool().unwrap_or(false);
    if args.end {
        let ended = "measures are taken again where the trouble calls for them";
        writeln!(out, "{}", if is_set("ended") { ended } else { "no measures were held back by hand" })?;
        return Ok(Status::Quiet);
    }
    let undone = if is_set("withdrawn") { "all measures are withdrawn" } else { "no measures were in force" };
    let rest = if is_set("suspended") { "; none follow until the trouble is over" } else { "" };
    writeln!(out, "{undone}{rest}")?;
    Ok(Status::Quiet)
}

/// `seawall change`: tells a running guard of a change.
pub fn change(args: &ChangeArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    ensure!(!args.text.trim().is_empty(), admin::NO_TEXT);
    let first = args.text.split(' ').next().filter(|word| ChangeKind::named(word).is_some());
    let kind = args.kind.as_deref().or(first).unwrap_or_default();
    let body = serde_json::json!({ "kind": kind, "text": args.text }).to_string();
    ask(&args.admin, "POST", "/v1/changes", &body)?;
    writeln!(out, "noted")?;
    Ok(Status::Quiet)
}

/// `seawall protect`: lets a running guard refuse a client nothing from now on, or ends that.
pub fn protect(args: &ProtectArgs, out: &mut dyn Write) -> anyhow::Result<Status> {
    let body = serde_json::json!({ "prefix": args.prefix }).to_string();
    let answer = ask(&args.admin, if args.end { "DELETE" } else { "POST" }, "/v1/protected", &body)?;
    let prefix = [&answer["protected"], &answer["unprotected"]]
        .into_iter()
        .find_map(|p| p.as_str())
        .unwrap_or(&args.prefix);
    let now = if args.end { "is no longer protected" } else { "is protected: nothing is refused to it" };
    writeln!(out, "{} {now}", text::visible(prefix))?;
    Ok(Status::Quiet)
}

fn ask(args: &AdminArgs, method: &str, path: &str, body: &str) -> anyhow::Result<serde_json::Value> {
    let socket = args.admin_socket.clone().unwrap_or_else(default_socket);
    let (status, text) = admin::ask(&socket, method, path, body).with_context(|| {
        format!("no guard answers on {}; name its socket with --admin-socket", socket.display())
    })?;
    let answer: serde_json::Value =
        serde_json::from_str(&text).context("the guard's answer makes no sense")?;
    if status != 200 {
        bail!("the guard refused: {}", answer["error"].as_str().unwrap_or("it did not say why"));
    }
    Ok(answer)
}

/// Where guard and orders meet without being told: the user's runtime folder, root's, or the one for
/// temporary files.
pub fn default_socket() -> PathBuf {
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").filter(|f| !f.is_empty()).map(PathBuf::from);
    // Where anybody may write, anybody could answer in root's guard's place.
    let of_root =
        || rustix::process::geteuid().is_root().then(|| PathBuf::from("/run")).filter(|f| f.is_dir());
    of_user.or_else(of_root).unwrap_or_else(std::env::temp_dir).join("seawall.sock")
}
