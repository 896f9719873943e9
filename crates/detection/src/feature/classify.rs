//! What a request is, by its text alone: page or asset, login attempt, scanner's probe; what a
//! user agent says it is. Coarse on purpose: it must be right for sites nobody here has seen.

use super::http::SWITCHED;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use seawall_model::observation::Method;
use seawall_model::{hash, text};
use std::cell::RefCell;
use std::sync::LazyLock;

/// What part of a page a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Something a browser shows or an application answers.
    Page,
    /// Something a browser fetches on its own to show a page.
    Asset,
    /// An interface for programs.
    Api,
}

const ASSET_EXTENSIONS: [&[u8]; 32] = [
    b"css",
    b"js",
    b"mjs",
    b"png",
    b"jpg",
    b"jpeg",
    b"gif",
    b"svg",
    b"ico",
    b"webp",
    b"avif",
    b"woff",
    b"woff2",
    b"ttf",
    b"eot",
    b"otf",
    b"map",
    b"bmp",
    b"xbm",
    b"swf",
    b"webmanifest",
    b"mp4",
    b"webm",
    b"mp3",
    b"m4s",
    b"ts",
    b"m3u8",
    b"mpd",
    b"m4a",
    b"aac",
    b"vtt",
    b"wasm",
];

/// Tells pages from what they are made of, by the extension.
#[must_use]
pub fn path_kind(path: &[u8]) -> PathKind {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    if let Some(dot) = name.iter().rposition(|&b| b == b'.') {
        let extension = &name[dot + 1..];
        if extension.len() <= 11 && ASSET_EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(extension)) {
            return PathKind::Asset;
        }
    }
    if is_api(path) { PathKind::Api } else { PathKind::Page }
}

/// Whether a path names a file that backups and archives consist of.
#[must_use]
pub fn is_archive(path: &[u8]) -> bool {
    const EXTENSIONS: [&[u8]; 20] = [
        b"zip", b"gz", b"tgz", b"xz", b"bz2", b"zst", b"7z", b"rar", b"tar", b"iso", b"img", b"bak", b"vbk",
        b"vib", b"qcow2", b"vmdk", b"vhdx", b"dump", b"parquet", b"aes",
    ];
    has_extension(path, &EXTENSIONS)
}

/// Whether a path ends in one of these, in either case, after a dot.
pub(crate) fn has_extension(path: &[u8], known: &[&[u8]]) -> bool {
    let extension = path.rsplit(|&b| b == b'.').next().filter(|e| e.len() < path.len()).unwrap_or(b"");
    known.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// What a request is for. The methods of WebDAV and its like are spoken by programs alone, whatever the path
/// (RFC 4918, RFC 4791); and a page opens its socket itself, whatever that is called.
#[must_use]
pub fn request_kind(method: Method, path: &[u8], status: u16) -> PathKind {
    let is_of_programs = matches!(method, Method::Propfind | Method::Other) || status == SWITCHED;
    if is_of_programs { PathKind::Api } else { path_kind(path) }
}

/// What interfaces for programs are usually called, near a path's beginning, by the letter after the slash.
fn api_words(letter: u8) -> &'static [&'static [u8]] {
    match letter.to_ascii_lowercase() {
        b'a' => &[b"/api/", b"/ajax/"],
        b'b' => &[b"/bulk/"],
        b'e' => &[b"/export/"],
        b'g' => &[b"/graphql", b"/grpc"],
        b'h' => &[b"/hooks/", b"/healthz"],
        b'i' => &[b"/internal/", b"/import/", b"/ingest"],
        b'j' => &[b"/jsonrpc"],
        b'l' => &[b"/livez"],
        b'm' => &[b"/metrics"],
        b'r' => &[b"/rpc/", b"/rest/", b"/readyz"],
        b's' => &[b"/socket.io", b"/sync/"],
        b't' => &[b"/telemetry"],
        b'v' => &[b"/v1/", b"/v2/", b"/v3/"],
        b'w' => &[b"/webhook", b"/ws/", b"/websocket"],
        _ => &[],
    }
}

fn is_api(path: &[u8]) -> bool {
    has_api_word(&path[..path.len().min(16)]) || path == b"/ws" || path.ends_with(b".json")
}

/// Whether any of the words stands in a few bytes: most paths are ruled out by the letters after
/// their slashes, which costs less than an automaton.
fn has_api_word(head: &[u8]) -> bool {
    head.windows(2).enumerate().filter(|(_, pair)| pair[0] == b'/').any(|(at, pair)| {
        let rest = &head[at..];
        let begins = |word: &&[u8]| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word);
        api_words(pair[1]).iter().any(begins)
    })
}

/// What programs subscribe to: calendars, lists of news, packages of software and their lists.
const FEED_ENDS: [&[u8]; 21] = [
    b".ics",
    b".ical",
    b".rss",
    b".atom",
    b".rdf",
    b".xml",
    b"/feed",
    b"/feed/",
    b"/rss",
    b"/atom",
    b".deb",
    b".rpm",
    b".drpm",
    b".whl",
    b".jar",
    b".pom",
    b".tgz",
    b".apk",
    b".nupkg",
    b"/inrelease",
    b"/packages.gz",
];

/// Whether the last name of a path looks machine-random.
#[must_use]
pub fn ends_in_random(path: &[u8]) -> bool {
    let last = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    std::str::from_utf8(last).is_ok_and(text::is_random_word)
}

/// Whether a path is one that programs fetch from time to time to learn what is new.
#[must_use]
pub fn is_feed(path: &[u8]) -> bool {
    let ends =
        |end: &&[u8]| path.len() >= end.len() && path[path.len() - end.len()..].eq_ignore_ascii_case(end);
    FEED_ENDS.iter().any(ends)
}

const LOGIN_WORDS: [&[u8]; 28] = [
    b"login",
    b"signin",
    b"sign-in",
    b"sign_in",
    b"logon",
    b"xmlrpc.php",
    b"/auth",
    b"/session",
    b"oauth/token",
    b"j_security_check",
    b"password",
    b"/account/verify",
    // The same in other languages.
    b"anmeld",
    b"connexion",
    b"iniciar-sesion",
    b"accedi",
    b"inlog",
    b"zaloguj",
    b"logga-in",
    // Codes that are sent to a telephone or a mailbox, and asked for or tried out.
    b"/otp",
    b"one-time",
    b"passcode",
    b"/2fa",
    b"/mfa",
    b"verification",
    b"magic-link",
    b"send-code",
    b"/sms",
];

static LOGIN: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&LOGIN_WORDS));
static PROBE: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&PROBE_WORDS));
static CRAWLER: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&CRAWLER_WORDS));
static MONITOR: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&MONITOR_WORDS));
static SERVICE: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&SERVICE_WORDS));
static LOAD: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&LOAD_WORDS));
static TOOL: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&TOOL_WORDS));
static CONTACT: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&CONTACT_WORDS));
static HOSTILE: LazyLock<AhoCorasick> = LazyLock::new(|| matcher(&HOSTILE_WORDS));

/// Finds any of the words, ignoring ASCII case, in time linear in the text.
fn matcher(words: &[&[u8]]) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("a constant list of short words is far below the automaton's limits")
}

/// Whether a path looks like the place where log-ins are sent to.
#[must_use]
pub fn is_login_path(path: &[u8]) -> bool {
    LOGIN.is_match(path)
}

/// Text that people's browsers do not ask a site for, and scanners do.
const PROBE_WORDS: [&[u8]; 90] = [
    b"/.env",
    b"/.git",
    b"/.svn",
    b"/.hg/",
    b"/.aws",
    b"/.ssh",
    b"/.htaccess",
    b"/.htpasswd",
    b"/.ds_store",
    b"wp-config",
    b"phpmyadmin",
    b"/pma/",
    b"/adminer",
    b"/phpinfo",
    b"/cgi-bin/",
    b"../",
    b"..%2f",
    b"%2e%2e",
    b"/etc/passwd",
    b"/proc/self",
    b"/boaform",
    b"/hnap1",
    b"/solr/",
    b"/actuator",
    b"/jenkins",
    b"/manager/html",
    b"/console/",
    b"/vendor/phpunit",
    b"eval-stdin",
    b"/shell",
    b"/backup.",
    b".sql",
    b".bak",
    b".old",
    b"/config.",
    b"/setup.",
    b"/server-status",
    b"/owa/auth",
    b"/ecp/",
    b"/autodiscover",
    b"/telescope",
    b"/debug",
    b"jndi:",
    b"<script",
    b"union+select",
    b"union%20select",
    b"sleep(",
    b"' or ",
    b"%27%20or",
    b"/invoker/",
    b"/webdav",
    b"/struts",
    b"thinkphp",
    b"/luci/",
    b"/goform",
    b"w00tw00t",
    b"/sqlmap",
    b"/nmap",
    b"union%20all%20select",
    b"union+all+select",
    b"information_schema",
    b"pg_sleep(",
    b"waitfor%20delay",
    b"extractvalue(",
    b"xp_cmdshell",
    b"%3cscript",
    b"php://",
    b"wlwmanifest.xml",
    b"/.vscode",
    b"/.idea",
    b"/.bash",
    b"/.profile",
    b"/.history",
    b"/.config",
    b"/.cache",
    b"/.npmrc",
    b"/.docker",
    b"/.kube",
    b"etc/shadow",
    b"%2fetc%2fpasswd",
    b"%252e%252e",
    b"<svg",
    b"<img",
    b"<iframe",
    b"%3csvg",
    b"%3cimg",
    b"onerror=",
    b"alert(",
    b"prompt(",
    b"document.cookie",
];

/// Remembers the last answers by the hash of the text. Traffic repeats the same few agents and
/// paths, and a look here is twenty times cheaper than reading them again; a pure function stays
/// pure.
struct Memo<const N: usize>([(u64, u8); N]);

impl<const N: usize> Memo<N> {
    const fn new() -> Self {
        Self([(0, 0); N])
    }

    fn get(&mut self, hash: u64, compute: impl FnOnce() -> u8) -> u8 {
        let slot = &mut self.0[hash as usize % N];
        if slot.0 != hash {
            *slot = (hash, compute());
        }
        slot.1
    }
}

thread_local! {
    static AGENTS: RefCell<Memo<4096>> = const { RefCell::new(Memo::new()) };
    static AIMS: RefCell<Memo<2048>> = const { RefCell::new(Memo::new()) };
}

/// [`agent_kind`] of an agent and whether it names a program made to attack or to scan, by the hash of its
/// bytes.
#[must_use]
pub fn agent_class(user_agent: &[u8], hash: u64) -> (AgentKind, bool) {
    let class = AGENTS.with_borrow_mut(|memo| {
        memo.get(hash, || read_agent(user_agent) as u8 * 2 + u8::from(HOSTILE.is_match(user_agent)))
    });
    (AgentKind::ALL[usize::from(class / 2)], class % 2 == 1)
}

/// What a request is after, as far as its path and query tell.
pub(super) struct Aim {
    pub(super) is_probe: bool,
    pub(super) is_login: bool,
}

/// [`is_probe`] and [`is_login_path`], by the hash of path and query where they were seen lately.
pub(super) fn aim_hashed(path: &[u8], query: &[u8], hash: u64) -> Aim {
    let read = || u8::from(is_probe(path, query)) + 2 * u8::from(is_login_path(path));
    let aim = AIMS.with_borrow_mut(|memo| memo.get(hash, read));
    Aim { is_probe: aim & 1 != 0, is_login: aim & 2 != 0 }
}

/// Whether a path or query asks for what only scanners ask for.
#[must_use]
pub fn is_probe(path: &[u8], query: &[u8]) -> bool {
    (PROBE.is_match(path) && !watched_by_monitors(path)) || PROBE.is_match(query)
}

/// What frameworks offer their own monitors, under a name at which scanners try their luck too.
fn watched_by_monitors(path: &[u8]) -> bool {
    [&b"/actuator/health"[..], b"/actuator/prometheus"].iter().any(|watched| path.starts_with(watched))
}

/// What a user agent says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentKind {
    /// None was sent, or none was logged.
    Absent,
    Browser,
    /// Says that it is a crawler, and whose.
    Crawler,
    /// A library, a command-line tool, a load generator.
    Tool,
    /// A feed reader, an application of somebody's own.
    Application,
    /// A program of a known name whose work is to ask again and again: a monitor, a health check,
    /// a package manager, a webhook's sender, a cache in front.
    Service,
    /// A program made to put load on a server.
    LoadTool,
}

impl AgentKind {
    const ALL: [Self; 7] = [
        Self::Absent,
        Self::Browser,
        Self::Crawler,
        Self::Tool,
        Self::Application,
        Self::Service,
        Self::LoadTool,
    ];

    /// Whether it is a program that says so, and neither searches nor loads.
    #[must_use]
    pub fn is_program(self) -> bool {
        matches!(self, Self::Tool | Self::Application | Self::Service)
    }
}

const CRAWLER_WORDS: [&[u8]; 16] = [
    b"bot",
    b"crawl",
    b"spider",
    b"slurp",
    b"mediapartners",
    b"facebookexternalhit",
    b"archiver",
    b"yandex",
    b"baidu",
    b"duckduck",
    b"bingpreview",
    b"feedfetcher",
    b"gptbot",
    b"semrush",
    b"ahrefs",
    b"lighthouse",
];
/// Programs that look whether a service is up.
const MONITOR_WORDS: [&[u8]; 34] = [
    b"kube-probe",
    b"prometheus",
    b"blackbox",
    b"uptime",
    b"pingdom",
    b"statuscake",
    b"healthcheck",
    b"health check",
    b"health-check",
    b"health probe",
    b"googlehc",
    b"zabbix",
    b"nagios",
    b"check_http",
    b"icinga",
    b"site24x7",
    b"datadog",
    b"newrelic",
    b"vm_promscrape",
    b"telegraf",
    b"grafana",
    b"monitoring",
    b"monitor/",
    b"synthetic",
    b"checkly",
    b"catchpoint",
    b"thousandeyes",
    b"dynatrace",
    b"hetrixtools",
    b"freshping",
    b"nodeping",
    b"updown.io",
    b"cronitor",
    b"speedcurve",
];
const SERVICE_WORDS: [&[u8]; 31] = [
    b"apt-http",
    b"pip/",
    b"docker/",
    b"containerd",
    b"git/",
    b"npm/",
    b"yarn/",
    b"maven",
    b"gradle",
    b"cargo/",
    b"composer/",
    b"bundler",
    b"conda/",
    b"libdnf",
    b"helm/",
    b"terraform",
    b"nuget",
    b"hook",
    b"event api",
    b"notification service",
    b"paypal ipn",
    b"twilioproxy",
    b"mailgun",
    b"sparkpost",
    b"imageproxy",
    b"cloudfront",
    b"fastly",
    b"akamai",
    b"bunnycdn",
    b"varnish",
    b"mirall/",
];
const LOAD_WORDS: [&[u8]; 18] = [
    b"apachebench",
    b"siege",
    b"wrk",
    b"hey/",
    b"vegeta",
    b"jmeter",
    b"k6/",
    b"h2load",
    b"httperf",
    b"locust",
    b"gatling",
    b"autocannon",
    b"bombardier",
    b"slowhttptest",
    b"goldeneye",
    b"tsung",
    b"artillery",
    b"loader.io",
];
const TOOL_WORDS: [&[u8]; 37] = [
    b"ms web services client",
    b"curl",
    b"wget",
    b"python",
    b"go-http-client",
    b"java/",
    b"libwww",
    b"perl",
    b"ruby",
    b"axios",
    b"node-fetch",
    b"httpclient",
    b"okhttp",
    b"guzzle",
    b"faraday",
    b"reactor-netty",
    b"aiohttp",
    b"rest-client",
    b"undici",
    b"lwp",
    b"winhttp",
    b"postmanruntime",
    b"insomnia",
    b"grpc-",
    b"dart:io",
    b"masscan",
    b"zgrab",
    b"nmap",
    b"nikto",
    b"sqlmap",
    b"scrapy",
    b"headless",
    b"phantomjs",
    b"gobuster",
    b"dirbuster",
    b"wpscan",
    b"hydra",
];

#[must_use]
pub fn agent_kind(user_agent: &[u8]) -> AgentKind {
    agent_class(user_agent, hash::bytes(user_agent)).0
}

fn read_agent(user_agent: &[u8]) -> AgentKind {
    if user_agent.is_empty() {
        return AgentKind::Absent;
    }
    if LOAD.is_match(user_agent) {
        return AgentKind::LoadTool;
    }
    if is_monitor(user_agent) || SERVICE.is_match(user_agent) {
        return AgentKind::Service;
    }
    if CRAWLER.is_match(user_agent) {
        return AgentKind::Crawler;
    }
    if let Some(named) = TOOL.find(user_agent) {
        let is_part = is_application(user_agent) && named.start() >= name_ends(user_agent);
        return if is_part { AgentKind::Application } else { AgentKind::Tool };
    }
    if CONTACT.is_match(user_agent) {
        return AgentKind::Crawler;
    }
    if user_agent.starts_with(b"Mozilla/") || user_agent.starts_with(b"Opera/") {
        AgentKind::Browser
    } else {
        AgentKind::Application
    }
}

/// Whether an agent begins with a name and a version of its own, and names its library after them.
fn is_application(user_agent: &[u8]) -> bool {
    let name = &user_agent[..name_ends(user_agent)];
    name.contains(&b'/') && name[0].is_ascii_alphabetic() && !name.starts_with(b"Mozilla/")
}

/// First words that applications of all makers begin with: those of their systems.
const SHARED_NAMES: [&[u8]; 4] = [b"Dalvik", b"AppleCoreMedia", b"CFNetwork", b"Darwin"];

/// The name of an application, whatever its version and the system that it runs on; `None` where the agent
/// is none, or does not say whose.
#[must_use]
pub fn application_name(user_agent: &[u8]) -> Option<&[u8]> {
    let name = &user_agent[..user_agent.iter().position(|&b| b == b'/')?];
    let is_application = agent_kind(user_agent) == AgentKind::Application;
    (is_application && !SHARED_NAMES.contains(&name)).then_some(name)
}

/// Where the first word of an agent ends.
fn name_ends(user_agent: &[u8]) -> usize {
    user_agent.iter().position(|&b| b == b' ').unwrap_or(user_agent.len())
}

/// Whether an agent says that it looks whether a service is up: a health check, a monitor.
#[must_use]
pub fn is_monitor(user_agent: &[u8]) -> bool {
    MONITOR.is_match(user_agent)
}

/// How robots say where their owner is found. Libraries name their own makers so too, hence these are
/// known first.
const CONTACT_WORDS: [&[u8]; 3] = [b"+http", b"+mailto:", b"+www."];

const HOSTILE_WORDS: [&[u8]; 16] = [
    b"masscan",
    b"zgrab",
    b"nmap",
    b"nikto",
    b"sqlmap",
    b"gobuster",
    b"dirbuster",
    b"wpscan",
    b"hydra",
    b"nuclei",
    b"acunetix",
    b"nessus",
    b"openvas",
    b"feroxbuster",
    b"ffuf",
    b"w3af",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_kinds() {
        assert_eq!(path_kind(b"/"), PathKind::Page);
        assert_eq!(path_kind(b"/shuttle/countdown/count.gif"), PathKind::Asset);
        assert_eq!(path_kind(b"/static/APP.CSS"), PathKind::Asset);
        assert_eq!(path_kind(b"/api/items/7"), PathKind::Api);
        assert_eq!(path_kind(b"/shop/API/items"), PathKind::Api);
        assert_eq!(path_kind(b"/shop/items/4/api/"), PathKind::Page);
        assert_eq!(path_kind(b"/healthz"), PathKind::Api);
        assert_eq!(path_kind(b"/v4/"), PathKind::Page);
        assert_eq!(path_kind(b"/v1.2/changes.html"), PathKind::Page);
        assert_eq!(request_kind(Method::Propfind, b"/calendars/ann/team/", 207), PathKind::Api);
        assert_eq!(request_kind(Method::Get, b"/calendars/ann/team/", 200), PathKind::Page);
    }

    #[test]
    fn agents_say_what_they_are() {
        assert_eq!(agent_kind(b""), AgentKind::Absent);
        assert_eq!(agent_kind(b"Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0"), AgentKind::Browser);
        assert_eq!(agent_kind(b"Mozilla/5.0 (compatible; Googlebot/2.1)"), AgentKind::Crawler);
        assert_eq!(agent_kind(b"curl/8.5.0"), AgentKind::Tool);
        assert_eq!(agent_kind(b"ShopApp/4.2"), AgentKind::Application);
        assert_eq!(agent_kind(b"okhttp/4.12.0"), AgentKind::Tool);
        assert_eq!(agent_kind(b"LibraryApp/6.1 (Android 15) okhttp/4.12.0"), AgentKind::Application);
        assert_eq!(agent_kind(b"Apache-HttpClient/4.5.14 (Java/17.0.9)"), AgentKind::Tool);
        assert_eq!(agent_kind(b"Mozilla/5.0 (X11) HeadlessChrome/120.0"), AgentKind::Tool);
        assert_eq!(agent_kind(b"kube-probe/1.29"), AgentKind::Service);
        assert_eq!(agent_kind(b"SendGrid Event API"), AgentKind::Service);
        let monitor = b"Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)";
        assert_eq!(agent_kind(monitor), AgentKind::Service);
        assert_eq!(agent_kind(b"ApacheBench/2.3"), AgentKind::LoadTool);
        let archive = b"ExampleArchive/2.1 (+mailto:ops@example.org)";
        assert_eq!(agent_kind(archive), AgentKind::Crawler);
        assert_eq!(agent_kind(b"Scrapy/2.11 (+https://scrapy.org)"), AgentKind::Tool);
        assert_eq!(agent_class(b"hey/0.0.1", hash::bytes(b"hey/0.0.1")), (AgentKind::LoadTool, false));
    }

    #[test]
    fn probes_and_logins_are_known() {
        assert!(is_probe(b"/.ENV", b""));
        assert!(is_probe(b"/index.php", b"file=../../x"));
        assert!(!is_probe(b"/environment/", b"q=shoes"));
        assert!(is_probe(b"/actuator/env", b""));
        assert!(!is_probe(b"/actuator/health/readiness", b""));
        assert!(is_feed(b"/events/calendar.ICS") && is_feed(b"/feed/") && !is_feed(b"/feedback"));
        assert!(is_login_path(b"/wp-login.php"));
        assert!(!is_login_path(b"/catalog"));
    }
}
