//! What a configuration only names must be there, and be what it is to be: files, folders, an
//! interface, certificates with their keys. It is looked for where it is written, whatever else is
//! wrong there, so that one mistake hides no other.

use super::guard::GuardConfig;
use super::{Config, Reader, check, dns, reroute};
use crate::report::text;
use seawall_http_edge::tls::{self, CertificateFiles};
use seawall_http_edge::upstream_tls::Trust;
use std::fs::File;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Looks for all that a file names.
pub(super) fn look(reader: &mut Reader<'_>, document: &DeTable<'_>, config: &Config) {
    for (key, value) in document {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("guard", DeValue::Table(table)) => of_guard(reader, table),
            (name @ ("site" | "dns" | "check"), DeValue::Array(list)) => {
                for table in list.iter().filter_map(|item| item.get_ref().as_table()) {
                    match name {
                        "site" => of_site(reader, table),
                        "dns" => of_front(reader, table),
                        _ => of_check(reader, table),
                    }
                }
            }
            _ => {}
        }
    }
    for (file, reason) in reroute::unusable(&config.guard.reroute) {
        let at = reader.source.find(&file.display().to_string()).unwrap_or(0);
        reader.mistake(at, reason);
    }
}

/// What a guard is told to use and is not there: a clause each, which begins with the argument that
/// names it on the command line.
#[must_use]
pub fn missing(guard: &GuardConfig) -> Vec<String> {
    let interface = guard.interface.as_deref().and_then(no_interface);
    let paths = [("admin-socket", &guard.admin_socket), ("access-log", &guard.access_log)];
    let folders = paths.into_iter().filter_map(|(key, path)| no_folder(key, path.as_deref()?));
    let nginx = guard.nginx.as_deref().and_then(no_nginx);
    let logs = guard.logs.iter().filter_map(|log| no_log(log));
    let logs = logs.map(|reason| reason.replacen("logs", "log", 1));
    interface.into_iter().chain(logs).chain(folders).chain(nginx).collect()
}

fn of_guard(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    let mut look = |key: &str, wrong: &dyn Fn(&str) -> Option<String>| {
        let value = table.get(key);
        let items = value.and_then(|v| v.get_ref().as_array()).map(|list| list.iter());
        for item in items.into_iter().flatten().chain(value) {
            // What is empty is a mistake of its own.
            let word = item.get_ref().as_str().filter(|word| !word.is_empty());
            if let Some(reason) = word.and_then(wrong) {
                reader.mistake(item.span().start, reason);
            }
        }
    };
    look("interface", &no_interface);
    look("logs", &|word| no_log(Path::new(word)));
    look("admin-socket", &|word| no_folder("admin-socket", Path::new(word)));
    look("access-log", &|word| no_folder("access-log", Path::new(word)));
    look("nginx", &|word| no_nginx(Path::new(word)));
}

fn of_site(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    certificates(reader, table);
    if let Some(pair) = table.get("upstream-certificate") {
        certificate(reader, "upstream-certificate", pair);
    }
    let is_tls =
        |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().is_some_and(|u| u.starts_with("https:"));
    let trust = |file: Option<&Path>| Trust::load(file, None, None).err().map(anyhow::Error::from);
    match (table.get("upstream-ca"), table.get("upstreams")) {
        (Some(value), _) => {
            let file = value.get_ref().as_str().filter(|word| !word.is_empty());
            if let Some(error) = file.and_then(|file| trust(Some(Path::new(file)))) {
                reader.mistake(value.span().start, format!("upstream-ca: {error:#}"));
            }
        }
        (None, Some(value)) if value.get_ref().as_array().is_some_and(|list| list.iter().any(is_tls)) => {
            if let Some(error) = trust(None) {
                reader.mistake(value.span().start, format!("upstreams: {error:#}"));
            }
        }
        _ => {}
    }
}

fn of_front(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    certificates(reader, table);
    let zones = table.get("zones").and_then(|zones| zones.get_ref().as_array());
    for zone in zones.into_iter().flat_map(|list| list.iter()).filter_map(|zone| zone.get_ref().as_table()) {
        let Some(value) = zone.get("key") else { continue };
        if let Some(Err(error)) = value.get_ref().as_str().map(|file| dns::key(Path::new(file))) {
            reader.mistake(value.span().start, format!("zones: {error:#}"));
        }
    }
}

fn of_check(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    let Some(value) = table.get("password-file") else { return };
    let file = value.get_ref().as_str().filter(|word| !word.is_empty());
    if let Some(reason) = file.and_then(|file| check::no_password(Path::new(file))) {
        reader.mistake(value.span().start, reason);
    }
}

fn certificates(reader: &mut Reader<'_>, table: &DeTable<'_>) {
    let list = table.get("certificates").and_then(|value| value.get_ref().as_array());
    for pair in list.into_iter().flat_map(|list| list.iter()) {
        certificate(reader, "certificates", pair);
    }
}

/// A chain and its key: each must be there, and they must fit.
fn certificate(reader: &mut Reader<'_>, key: &str, pair: &Spanned<DeValue<'_>>) {
    let Some(table) = pair.get_ref().as_table() else { return };
    let before = reader.mistakes.len();
    let mut file = |name: &str| {
        let value = table.get(name)?;
        let path = Path::new(value.get_ref().as_str().filter(|word| !word.is_empty())?);
        if let Err(error) = File::open(path) {
            reader.mistake(value.span().start, format!("{key}: cannot read {}: {error}", shown(path)));
        }
        Some(path.to_owned())
    };
    let (Some(chain), Some(own)) = (file("chain"), file("key")) else { return };
    if reader.mistakes.len() > before {
        return;
    }
    if let Err(error) = tls::read(&CertificateFiles { chain, key: own }) {
        reader.mistake(pair.span().start, format!("{key}: {:#}", anyhow::Error::from(error)));
    }
}

/// Asked of the kernel: `/sys` may show the interfaces of another network namespace.
fn no_interface(name: &str) -> Option<String> {
    let is_one = seawall_kernel::interface_number(name).is_some();
    (!is_one).then(|| format!("interface: this machine has none called `{}`", text::clip(name, 40)))
}

fn no_log(log: &Path) -> Option<String> {
    let reason = match File::open(log).and_then(|file| file.metadata()) {
        Ok(meta) if meta.is_dir() => "it is a folder, and a log is a file".to_owned(),
        Ok(_) => return None,
        Err(error) => format!("{error}: name the log that the server writes"),
    };
    Some(format!("logs: cannot read {}: {reason}", shown(log)))
}

/// What is made there needs a folder to be made in.
fn no_folder(key: &str, path: &Path) -> Option<String> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir())?;
    Some(format!("{key}: there is no folder {}", shown(folder)))
}

fn no_nginx(folder: &Path) -> Option<String> {
    let reason =
        || format!("nginx: there is no folder {}: make it, and have nginx include it", shown(folder));
    (!folder.is_dir()).then(reason)
}

fn shown(path: &Path) -> String {
    text::clip(&path.display().to_string(), 80)
}

#[cfg(test)]
mod tests {
    use crate::config::{Mistakes, examined};

    fn told(source: &str) -> Vec<(usize, String)> {
        match examined(source, true) {
            Ok(_) => Vec::new(),
            Err(Mistakes(mistakes)) => mistakes.into_iter().map(|m| (m.line, m.text)).collect(),
        }
    }

    fn lines(told: &[(usize, String)]) -> Vec<usize> {
        told.iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn what_is_named_and_not_there_is_told_with_its_line() {
        let source = "[guard]\ninterface = \"nope0\"\nlogs = [\"/nope\", \"/\"]\nadmin-socket = \"/nope/a.sock\"\n\
                      access-log = \"/nope/b.log\"\nnginx = \"/nope/c\"\n\
                      [[check]]\nkind = \"postgresql\"\naddress = \"127.0.0.1:1\"\nuser = \"a\"\n\
                      password-file = \"/nope/d\"\n";
        let all = told(source);
        assert_eq!(lines(&all), [2, 3, 3, 4, 5, 6, 11], "{all:?}");
        assert!(all[6].1.contains("password-file: cannot read /nope/d"), "{all:?}");
        assert_eq!(told("[guard]\ninterface = \"lo\"\nadmin-socket = \"seawall.sock\"\n"), []);
    }

    #[test]
    fn certificates_that_are_not_there_are_all_told_with_their_lines() {
        let source = "[[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"127.0.0.1:2\"]\ncertificates = [\n\
                      { chain = \"/nowhere/a.pem\", key = \"/nowhere/a.key\" },\n\
                      { chain = \"/nowhere/b.pem\", key = \"/nowhere/b.key\" }]\n";
        let all = told(source);
        assert_eq!(lines(&all), [5, 5, 6, 6], "{all:?}");
        assert!(all[3].1.contains("/nowhere/b.key"), "{all:?}");
    }

    /// Broke: a file that is not there was told of only when all that is written was right.
    #[test]
    fn mistakes_hide_no_missing_files_and_no_certificates() {
        let source = "[guard]\nthreads = 0\nlogs = [\"\", \"/nope\"]\n[[site]]\nlisten = \"8080\"\n\
                      certificates = [{ chain = \"/nope/a\" }, { chain = \"/nope/b\", key = \"/nope/b\" }]\n\
                      [[check]]\nkind = \"oracle\"\npassword-file = \"/nope/c\"\n\
                      [[site]]\nlisten = \"127.0.0.1:1\"\nupstreams = [\"http://127.0.0.1:2\"]\n\
                      upstream-ca = \"/nope/b\"\nunknown = 1\n";
        let all = told(source);
        assert_eq!(lines(&all), [2, 3, 3, 4, 5, 6, 6, 6, 6, 7, 8, 9, 13, 14], "{all:?}");
    }
}
