//! The configuration file: read raw, checked whole, returned as the values that are used.
//!
//! ```toml
//! [policy]
//! mode = "observe"
//! protected-clients = ["192.0.2.10", "2001:db8::/48"]
//! max-baseline-share = 0.01
//!
//! [guard]
//! state-folder = "/var/lib/seawall"
//!
//! [limits]
//! header-deadline-ms = 10000
//!
//! [[site]]
//! listen = "0.0.0.0:443"
//! upstreams = ["http://10.0.0.5:3000", "http://10.0.0.6:3000"]
//! certificates = [{ chain = "/etc/seawall/shop.pem", key = "/etc/seawall/shop.key" }]
//!
//! [[dns]]
//! listen = ["0.0.0.0:53"]
//! servers = ["10.0.0.53", { address = "10.0.1.53", tier = 1 }]
//! ```

mod check;
pub mod dns;
mod guard;
mod named;
mod rate_limits;
pub mod reroute;

use crate::pipeline::TriageError;
use crate::report::text;
use anyhow::Context;
pub use check::{CheckConfig, CheckKind, PostgresLogin};
pub use guard::{GuardConfig, SiteConfig, conflicts, site};
pub use named::missing;
use seawall_http_edge::files;
use seawall_model::Prefix;
use seawall_model::address::is_private;
use seawall_model::policy::{Mode, Policy};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::LazyLock;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A configuration is a page or two; more is some other file.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// A file with more mistakes than this is hardly a configuration at all.
const MISTAKES_SHOWN: usize = 200;
/// A name is meant for another that differs by a slip or a few, and by no more than one in three letters.
const MOST_SLIPS: usize = 3;
const LETTERS_PER_SLIP: usize = 3;
/// Lengths of the widest prefixes that can be protected, for IPv4 and IPv6: wider than what any one
/// network was ever given.
const WIDEST_PROTECTED_BITS: (u8, u8) = (8, 16);

/// All of IPv4 within IPv6: `::ffff:0:0/96`.
static MAPPED_IPV4: LazyLock<Prefix> = LazyLock::new(|| {
    let first = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
    Prefix::new(first.into(), 96).unwrap_or(Prefix::host(first.into()))
});

/// A valid configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub policy: Policy,
    /// The file says which mode; otherwise `seawall guard` enforces, and the rest observes.
    pub is_mode_given: bool,
    pub guard: GuardConfig,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// 0: none, since it is one of the command line.
    pub line: usize,
    /// What is wrong and what would be right, as a clause.
    pub text: String,
}

/// All mistakes of a file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// One line for each, as many as anybody reads.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |m: &Mistake| match m.line {
            0 => m.text.clone(),
            line => format!("line {line}: {}", m.text),
        };
        let shown = self.0.iter().take(MISTAKES_SHOWN).map(line);
        let more = self.0.len().saturating_sub(MISTAKES_SHOWN);
        shown.chain((more > 0).then(|| format!("and {more} more"))).collect()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl std::error::Error for Mistakes {}

/// Reads and checks a file, and looks for all that it names.
///
/// # Errors
/// If it cannot be read, or with all its mistakes.
pub fn load(path: &Path) -> anyhow::Result<Config> {
    let bytes = files::read(path, LARGEST_FILE_BYTES + 1)
        .map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
    readable(&bytes)
        .and_then(|source| examined(source, true))
        .with_context(|| format!("{} is not valid", path.display()))
}

/// Checks the text of a configuration; what it names need not be there.
///
/// # Errors
/// With all mistakes at once.
pub fn parse(source: &str) -> Result<Config, Mistakes> {
    examined(source, false)
}

/// The text of a file, if it can be a configuration's.
fn readable(bytes: &[u8]) -> Result<&str, Mistakes> {
    let mistake = |at: usize, text: &str| {
        let line = 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
        Mistakes(vec![Mistake { line, text: text.to_owned() }])
    };
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(mistake(0, "no configuration is larger than 1 MiB: is this another file?"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let text = "a byte here is no UTF-8, which TOML is written in: save the file as UTF-8";
        mistake(error.valid_up_to(), text)
    })
}

/// Checks the text of a configuration and, with `is_looked_for`, what it names.
fn examined(source: &str, is_looked_for: bool) -> Result<Config, Mistakes> {
    let (document, syntax) = DeTable::parse_recoverable(source);
    let mut reader = Reader { source, mistakes: Vec::new(), broken_from: usize::MAX };
    for error in syntax {
        let at = error.span().map_or(0, |s| s.start);
        let line = source.as_bytes()[..at].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        reader.broken_from = reader.broken_from.min(line);
        reader.mistake(at, error.message().to_lowercase());
    }
    let mut config = Config::default();
    for (key, value) in document.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("policy", DeValue::Table(table)) => {
                config.is_mode_given = table.contains_key("mode");
                reader.table(table, &mut config.policy, &POLICY);
            }
            ("guard", DeValue::Table(table)) => reader.table(table, &mut config.guard, &guard::GUARD),
            ("limits", DeValue::Table(table)) => guard::limits(&mut reader, table, &mut config.guard),
            ("site", DeValue::Array(list)) => guard::sites(&mut reader, list, &mut config.guard),
            ("dns", DeValue::Array(list)) => dns::fronts(&mut reader, list, &mut config.guard.dns),
            ("check", DeValue::Array(list)) => check::checks(&mut reader, list, &mut config.guard.checks),
            ("check", _) => reader.misplaced(key.span().start, "checks are a list: write [[check]]".into()),
            ("reroute", DeValue::Array(list)) => reroute::zones(&mut reader, list, &mut config.guard.reroute),
            ("reroute", _) => {
                reader.misplaced(key.span().start, "zones to reroute are a list: write [[reroute]]".into());
            }
            ("dns", _) => reader.misplaced(key.span().start, "fronts are a list: write [[dns]]".into()),
            ("site", _) => reader.misplaced(key.span().start, "sites are a list: write [[site]]".into()),
            (name @ ("policy" | "guard" | "limits"), _) => {
                reader.misplaced(key.span().start, format!("{name} is a table: write [{name}]"));
            }
            (name, _) => reader.unknown(
                key.span().start,
                name,
                &["policy", "guard", "limits", "site", "dns", "check", "reroute"],
            ),
        }
    }
    if config.guard.trusted_proxies.is_empty() && config.guard.sites.iter().any(|s| s.proxy_protocol) {
        let text =
            "proxy-protocol: only trusted proxies may name clients; list them in [guard] trusted-proxies";
        reader.mistake(source.find("proxy-protocol").unwrap_or(0), text.into());
    }
    if is_looked_for {
        named::look(&mut reader, document.get_ref(), &config);
    }
    reader.mistakes.sort_by_key(|m| m.line);
    if reader.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(reader.mistakes)) }
}

/// Sets one value, or says what it should have been; a list, in a line for each of its mistakes.
type Setter<T> = fn(&mut T, &DeValue<'_>) -> Result<(), String>;

const POLICY: [(&str, Setter<Policy>); 9] = [
    ("mode", |p, v| set(&mut p.mode, mode(v))),
    ("protected-clients", |p, v| set(&mut p.protected_clients, words(v, protected))),
    ("owned-prefixes", |p, v| set(&mut p.owned_prefixes, prefixes(v))),
    ("min-confidence", |p, v| set(&mut p.min_confidence, share(v))),
    ("max-baseline-share", |p, v| set(&mut p.max_baseline_share, share(v))),
    ("min-prefix-bits", |p, v| set(&mut p.min_prefix_bits, prefix_bits(v))),
    ("max-address-rules", |p, v| set(&mut p.max_address_rules, whole(v, 0, 1_000_000).map(|n| n as usize))),
    ("measure-lifetime-s", |p, v| set(&mut p.measure_lifetime_s, whole(v, 1, 86_400).map(|n| n as u32))),
    ("allow-blackhole", |p, v| {
        set(&mut p.allow_blackhole, v.as_bool().ok_or_else(|| "true or false is expected".into()))
    }),
];

struct Reader<'a> {
    source: &'a str,
    mistakes: Vec<Mistake>,
    /// Where the first line begins that is no TOML: from there on nobody can say which table a key is
    /// meant for.
    broken_from: usize,
}

impl Reader<'_> {
    fn table<T: Default, const N: usize>(
        &mut self,
        table: &DeTable<'_>,
        values: &mut T,
        setters: &[(&str, Setter<T>); N],
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match setters.iter().find(|(known, _)| *known == name) {
                None => self.unknown(key.span().start, name, &setters.map(|(known, _)| known)),
                // What stands there is no value, which has been told.
                Some(_) if value.span().is_empty() => {}
                Some((_, setter)) => {
                    if let Err(reasons) = setter(values, value.get_ref()) {
                        let mut found = of_items(value.get_ref(), *setter);
                        if found.is_empty() {
                            found.push((value.span().start, reasons));
                        }
                        for (at, reasons) in found {
                            reasons.lines().for_each(|reason| self.mistake(at, format!("{name}: {reason}")));
                        }
                    }
                }
            }
        }
    }

    /// Tells of keys that a table must have and has not: each with a clause. One that a mistake since
    /// `before` says was meant is not told of twice. Returns whether the table is without mistakes.
    fn is_whole(
        &mut self,
        (table, at, before): (&DeTable<'_>, usize, usize),
        wanted: &[(&str, &str)],
    ) -> bool {
        let missing = || wanted.iter().filter(|(key, _)| !table.contains_key(*key));
        for (key, question) in missing() {
            let meant = format!("did you mean `{key}`?");
            if !self.mistakes[before..].iter().any(|m| m.text.contains(&meant)) {
                self.misplaced(at, format!("{key} is missing: {question}"));
            }
        }
        self.mistakes.len() == before && missing().next().is_none()
    }

    fn unknown(&mut self, at: usize, name: &str, known: &[&str]) {
        let nearest = known.iter().map(|k| (distance(name, k), k)).min();
        let hint = match nearest {
            Some((d, k)) if d <= MOST_SLIPS.min(name.len().max(k.len()) / LETTERS_PER_SLIP) => {
                format!("did you mean `{k}`?")
            }
            _ => format!("known here: {}", known.join(", ")),
        };
        self.misplaced(at, format!("unknown key `{}`, {hint}", text::clip(name, 40)));
    }

    /// A mistake that goes by the table that a key is in.
    fn misplaced(&mut self, at: usize, text: String) {
        if at < self.broken_from {
            self.mistake(at, text);
        }
    }

    fn mistake(&mut self, at: usize, text: String) {
        let before = self.source.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        self.mistakes.push(Mistake { line, text });
    }
}

fn set<T>(slot: &mut T, value: Result<T, String>) -> Result<(), String> {
    *slot = value?;
    Ok(())
}

/// What is wrong with each item of a list by itself, and where it stands.
fn of_items<T: Default>(value: &DeValue<'_>, setter: Setter<T>) -> Vec<(usize, String)> {
    let DeValue::Array(list) = value else { return Vec::new() };
    let alone = |item: &Spanned<DeValue<'_>>| {
        let mut list = DeArray::new();
        list.push(item.clone());
        setter(&mut T::default(), &DeValue::Array(list)).err().map(|reasons| (item.span().start, reasons))
    };
    list.iter().filter_map(alone).collect()
}

fn mode(value: &DeValue<'_>) -> Result<Mode, String> {
    match value.as_str() {
        Some("observe") => Ok(Mode::Observe),
        Some("enforce") => Ok(Mode::Enforce),
        _ => Err("\"observe\" or \"enforce\" is expected".into()),
    }
}

fn prefixes(value: &DeValue<'_>) -> Result<Vec<Prefix>, String> {
    words(value, prefix)
}

fn words(value: &DeValue<'_>, read: fn(&str) -> Result<Prefix, String>) -> Result<Vec<Prefix>, String> {
    let list = value.as_array().ok_or("a list of addresses or prefixes is expected")?;
    each(list.iter(), |item| {
        item.get_ref().as_str().ok_or_else(|| "quotes are missing".into()).and_then(read)
    })
}

/// A path on a server.
fn url_path(word: &str) -> Result<String, String> {
    let is_path = word.starts_with('/') && word.bytes().all(|b| b.is_ascii_graphic());
    is_path.then(|| word.to_owned()).ok_or_else(|| "a path that begins with `/` is expected".into())
}

/// All values of a list, or all of its mistakes, in a line each.
fn each<I, T>(
    items: impl Iterator<Item = I>,
    read: impl FnMut(I) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (mut values, mut mistakes) = (Vec::new(), Vec::new());
    for result in items.map(read) {
        match result {
            Ok(value) => values.push(value),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes.join("\n")) }
}

/// Clients that are never refused: an address or a prefix, but neither everybody nor a large part of the
/// Internet.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn protected(word: &str) -> Result<Prefix, String> {
    let found = prefix(word)?;
    if found.covers(*MAPPED_IPV4) {
        return Err(format!("`{word}` holds every IPv4 address; mode = \"observe\" refuses nobody"));
    }
    let found = unmapped(found);
    let least_bits =
        if found.address().is_ipv4() { WIDEST_PROTECTED_BITS.0 } else { WIDEST_PROTECTED_BITS.1 };
    match found.length_bits() {
        0 => Err(format!("`{word}` is everybody; mode = \"observe\" refuses nobody")),
        bits if bits < least_bits && !is_private(found.address()) => Err(format!(
            "`{word}` is so much of the Internet that most attacks could not be stopped: name at most a \
             /{least_bits}, or mode = \"observe\" to refuse nobody"
        )),
        _ => Ok(found),
    }
}

/// IPv4 prefixes can be written as IPv6 ones (RFC 4291 section 2.5.5.2), and are meant as what they are.
fn unmapped(prefix: Prefix) -> Prefix {
    let IpAddr::V6(address) = prefix.address() else { return prefix };
    let ipv4 = address.to_ipv4_mapped().zip(prefix.length_bits().checked_sub(MAPPED_IPV4.length_bits()));
    ipv4.and_then(|(address, bits)| Prefix::new(address.into(), bits)).unwrap_or(prefix)
}

/// An address stands for itself alone. One inside a network is refused: whichever of the two was meant,
/// the other would be somebody else.
fn prefix(word: &str) -> Result<Prefix, String> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Prefix::host(address));
    }
    let none = || format!("`{}` is no address or prefix", text::clip(word, 50));
    let found: Prefix = word.parse().map_err(|_| none())?;
    let address: IpAddr = word.split('/').next().unwrap_or_default().parse().map_err(|_| none())?;
    if address != found.address() {
        return Err(format!(
            "`{word}` is an address in a network: write {found} or {}",
            Prefix::host(address)
        ));
    }
    Ok(found)
}

fn prefix_bits(value: &DeValue<'_>) -> Result<(u8, u8), String> {
    let expected = "two lengths are expected, for IPv4 and IPv6: [16, 32]";
    let list = value.as_array().filter(|list| list.len() == 2).ok_or(expected)?;
    let bits = |i: usize, most| {
        let item = list.get(i).ok_or(expected)?;
        whole(item.get_ref(), 1, most).map(|n| n as u8)
    };
    Ok((bits(0, 32)?, bits(1, 128)?))
}

fn share(value: &DeValue<'_>) -> Result<f64, String> {
    let expected = || "a fraction from 0 to 1 is expected".to_owned();
    let number = match value {
        DeValue::Float(x) => x.as_str().replace('_', "").parse::<f64>().map_err(|_| expected())?,
        value => whole(value, 0, 1).map_err(|_| expected())? as f64,
    };
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err(expected()) }
}

fn whole(value: &DeValue<'_>, least: i64, most: i64) -> Result<i64, String> {
    value
        .as_integer()
        .and_then(|n| i64::from_str_radix(&n.as_str().replace('_', ""), n.radix()).ok())
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("a whole number from {least} to {most} is expected"))
}

/// Edits that turn one word into the other (Levenshtein); words are keys, so short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_file_gives_the_policy_that_is_used() {
        let source = "[policy]\nmode = \"enforce\"\nprotected-clients = [\"192.0.2.10\", \"2001:db8::/48\"]\n\
                      max-baseline-share = 0.002\nmin-prefix-bits = [20, 48]\nmeasure-lifetime-s = 1_200\n";
        let policy = parse(source).expect("valid").policy;
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.protected_clients.len(), 2);
        assert_eq!((policy.max_baseline_share, policy.min_prefix_bits), (0.002, (20, 48)));
        assert_eq!(policy.measure_lifetime_s, 1_200);
        assert_eq!(policy.min_confidence, Policy::default().min_confidence);
    }

    #[test]
    fn a_pipe_in_place_of_a_file_is_told_and_not_waited_for() {
        let path = std::env::temp_dir().join(format!("seawall-config-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let error = format!("{:#}", load(&path).expect_err("no file"));
        std::fs::remove_file(&path).expect("it is there");
        assert!(error.contains("a file is expected"), "{error}");
    }

    #[test]
    fn every_key_of_the_policy_can_be_set() {
        let json = serde_json::to_value(Policy::default()).expect("plain data");
        let keys: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut known: Vec<&str> = POLICY.iter().map(|(k, _)| *k).collect();
        known.sort_unstable();
        assert_eq!(keys, known);
    }

    #[test]
    fn all_mistakes_are_reported_with_their_lines() {
        let source = "polcy = 1\n[policy]\nmode = \"on\"\nmin-confidense = 0.5\nmax-baseline-share = 3\n\
                      owned-prefixes = [\"10.0.0.0/33\"]\n";
        let Mistakes(mistakes) = parse(source).expect_err("five mistakes");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
        assert!(mistakes[0].text.contains("did you mean `policy`?"));
        assert!(mistakes[2].text.contains("did you mean `min-confidence`?"));
        assert_eq!(mistakes[4].text, "owned-prefixes: `10.0.0.0/33` is no address or prefix");
    }

    #[test]
    fn each_mistake_of_a_list_is_told() {
        let source = "[policy]\nprotected-clients = [\"a\", \"192.0.2.1\", \"b\", 7]\n";
        let Mistakes(mistakes) = parse(source).expect_err("three mistakes");
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [2, 2, 2], "{mistakes:?}");
        assert!(mistakes[1].text.contains("`b` is no address"), "{mistakes:?}");
    }

    /// Broke: what was wrong with one upstream of many was told of the line where their list begins.
    #[test]
    fn an_item_of_a_list_is_told_with_its_own_line() {
        let source = "[[site]]\nlisten = \"127.0.0.1:80\"\nupstreams = [\n  \"http://127.0.0.1:1\",\n  \"ftp://a\",\n]\n";
        let Mistakes(mistakes) = parse(source).expect_err("one mistake");
        assert_eq!((mistakes[0].line, mistakes.len()), (5, 1), "{mistakes:?}");
        let Mistakes(empty) =
            parse("[[site]]\nlisten = \"127.0.0.1:80\"\nupstreams = []\n").expect_err("none");
        assert_eq!(empty[0].line, 3, "{empty:?}");
    }

    /// Broke: `key` was taken for `dns`, of which it has not one letter.
    #[test]
    fn what_is_nothing_like_a_name_is_not_meant_for_it() {
        let told = |source: &str| parse(source).expect_err("a mistake").0[0].text.clone();
        for far in ["key = 1\n", "[guard]\nlevel = 1\n", "[[site]]\nname = 1\n"] {
            assert!(!told(far).contains("did you mean"), "{}", told(far));
        }
        for near in ["[[sites]]\n", "dn = 1\n", "[guard]\nstatefolder = \"/\"\n"] {
            assert!(told(near).contains("did you mean"), "{}", told(near));
        }
    }

    /// Broke: below a line that is no TOML, keys were called unknown that were right where they stood.
    #[test]
    fn a_line_that_is_no_toml_makes_no_other_key_a_mistake() {
        let lines = |source: &str| {
            let Mistakes(mistakes) = parse(source).expect_err("mistakes");
            mistakes.into_iter().map(|m| m.line).collect::<Vec<_>>()
        };
        let site = "listen = \"127.0.0.1:80\"\nupstreams = [\"http://127.0.0.1:1\"]\n";
        assert_eq!(lines(&format!("[guard\nthreads = 2\n[[site]]\n{site}")), [1]);
        assert_eq!(lines(&format!("[[site]\n{site}[limits]\nconnections = 7\n")), [1]);
        assert_eq!(lines("threads = 2 [guard]\n[guard]\nthreads = 2\n"), [1]);
        assert_eq!(lines("[guard]\nthread = 2\nlogs = \n[policy]\nmode = \"on\"\n"), [2, 3, 5]);
    }

    /// Broke: `/1` could be protected, and an address inside a network was widened to the whole of it.
    #[test]
    fn a_protected_prefix_is_one_networks_at_most() {
        let is_taken = |word: &str| protected(word).is_ok();
        assert!(is_taken("17.0.0.0/8") && is_taken("fc00::/7") && is_taken("2001:db8::/32"));
        assert!(!is_taken("128.0.0.0/1") && !is_taken("2000::/3") && !is_taken("127.0.0.9/8"));
        // Broke: all of IPv4 could be protected as a part of IPv6.
        assert!(!is_taken("::ffff:0:0/96") && !is_taken("::/64") && !is_taken("::ffff:128.0.0.0/97"));
        assert_eq!(protected("::ffff:192.0.2.0/120").map(|p| p.to_string()).as_deref(), Ok("192.0.2.0/24"));
    }

    /// Broke: a byte that is no UTF-8 was told of without file and line.
    #[test]
    fn what_is_no_utf_8_is_told_with_its_line() {
        let Mistakes(mistakes) = readable(b"[guard]\nthreads = 1 # \xe4\n").expect_err("Latin 1");
        assert_eq!((mistakes[0].line, mistakes[0].text.contains("UTF-8")), (2, true));
        assert!(readable(&vec![b'#'; 2 << 20]).is_err());
    }

    #[test]
    fn broken_syntax_is_a_mistake_and_no_panic() {
        for source in ["[policy", "mode = = 2", "\u{0}", "a = \"\\u{110000}\"", "[[policy]]\nmode=1"] {
            assert!(parse(source).is_err(), "{source:?}");
        }
        assert_eq!(parse("").expect("empty is valid"), Config::default());
    }
}
