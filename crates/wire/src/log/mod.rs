//! Access logs and their kin, line by line, to observations.
//!
//! [`detect`] names the format of a sample by its content; a [`Parser`] then reads single lines.
//! A parser allocates nothing per line on the formats that busy servers write.
//!
//! Times are given as logged. Most servers log a request when it ends; where a format also says
//! when the request began (HAProxy's accept date, Amazon's creation time), that is taken.
//! Dates without a zone are UTC.

mod apache_error;
mod auth;
mod aws;
pub mod cdn;
mod common;
mod date;
mod delimited;
mod detect;
mod dns_log;
mod dns_servers;
mod draft;
mod envelope;
mod envoy;
mod haproxy;
mod haproxy_event;
mod json;
mod json_map;
mod kernel;
mod layout;
mod names;
mod nginx_error;
mod proxies;
mod scan;
mod sight;
mod target;
mod template;
mod w3c;
mod workers;

pub use delimited::Table;
pub use detect::{detect, lacks_dates};
pub use json_map::JsonMap;
pub use layout::Layout;
pub use template::{Template, TemplateError};
pub use w3c::W3c;

use date::Dates;
use draft::Draft;
use seawall_model::change::Change;
use seawall_model::observation::{Observation, Request};
use seawall_model::{Prefix, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Bytes of one line that are read; a longer line is an error.
pub const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// How the lines of a file are to be read. Lines that do not fit are still read if another format
/// shows by itself: error lines between access lines, servers up and down between requests.
#[derive(Clone, Debug)]
pub enum Format {
    /// Common or Combined Log Format, with what its [`Layout`] adds.
    Combined(Layout),
    /// As nginx's `log_format` or Apache's `LogFormat` says.
    Template(Template),
    /// JSON lines, or lines of `key=value`.
    Json(JsonMap),
    /// IIS and CloudFront.
    W3c(W3c),
    /// A table with a header line.
    Table(Table),
    /// HAProxy's HTTP and TCP logs, mixed with what it says of its servers.
    Haproxy,
    /// nginx-proxy-manager and other logs that begin with their date in brackets.
    ProxyManager,
    /// Envoy's default text format.
    Envoy,
    /// Amazon's Application Load Balancer.
    Alb,
    /// Amazon's Classic Load Balancer.
    ClassicElb,
    /// TLS listeners of Amazon's Network Load Balancer.
    Nlb,
    /// Squid's native format.
    Squid,
    /// Zoraxy's access log.
    Zoraxy,
    /// The access log of programs on Gin.
    Gin,
    /// uWSGI's log of requests.
    Uwsgi,
    /// Uvicorn's log of requests, behind a carrier that tells the date.
    Uvicorn,
    /// PHP-FPM's own log and its access log.
    PhpFpm,
    /// nginx's error log.
    NginxError,
    /// Apache's error log.
    ApacheError,
    /// Logins of sshd, vsftpd, Dovecot, Postfix and others.
    Auth,
    /// Packets logged by a Linux firewall, or by pf.
    Firewall,
    /// Query logs of BIND, Unbound, dnsdist, dnsmasq, CoreDNS, PowerDNS, Route 53.
    DnsQuery,
    /// Traefik's own log with the streams it handles.
    Traefik,
}

impl Format {
    /// Compiles nginx's format: its text, or the whole `log_format name '…';`.
    ///
    /// # Errors
    /// The text has no field for the time or the client, or two fields with nothing between.
    pub fn from_nginx(template: &str) -> Result<Self, TemplateError> {
        Template::nginx(template).map(Self::Template)
    }

    /// Compiles Apache's format: its text, the whole `LogFormat "…" name`, or one of the names
    /// `common`, `combined`, `combinedio`, `vhost_combined`.
    ///
    /// # Errors
    /// As [`Format::from_nginx`], and for a directive that ends early.
    pub fn from_apache(template: &str) -> Result<Self, TemplateError> {
        Template::apache(template).map(Self::Template)
    }

    /// Reads a field map for JSON lines: `meaning=key` pairs separated by commas or white space,
    /// keys inside objects joined by points: `time=ts, client=remote.ip, duration_ms=took`.
    ///
    /// # Errors
    /// A pair without `=`, an unknown meaning, or no key for the time or the client.
    pub fn from_json_fields(map: &str) -> Result<Self, TemplateError> {
        JsonMap::from_text(map).map(Self::Json)
    }

    /// A short name for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Combined(layout) => layout.name(),
            Self::Template(_) => "template",
            Self::Json(map) => map.name(),
            Self::W3c(state) => state.name(),
            Self::Table(_) => "table",
            Self::Haproxy => "haproxy",
            Self::ProxyManager => "nginx-proxy-manager",
            Self::Envoy => "envoy",
            Self::Alb => "aws-alb",
            Self::ClassicElb => "aws-elb",
            Self::Nlb => "aws-nlb",
            Self::Squid => "squid",
            Self::Zoraxy => "zoraxy",
            Self::Gin => "gin",
            Self::Uwsgi => "uwsgi",
            Self::Uvicorn => "uvicorn",
            Self::PhpFpm => "php-fpm",
            Self::NginxError => "nginx-error",
            Self::ApacheError => "apache-error",
            Self::Auth => "auth",
            Self::Firewall => "firewall",
            Self::DnsQuery => "dns-query",
            Self::Traefik => "traefik",
        }
    }

    /// Whether a line reads the same whatever lines came before it, so that parts of a file can
    /// be read apart from each other. Not so where directives name the columns, and where dates
    /// lack the year or stand only on some lines: those take what they lack from earlier lines.
    #[must_use]
    pub fn is_stateless(&self) -> bool {
        !matches!(self, Self::W3c(_) | Self::Haproxy | Self::Auth | Self::Firewall | Self::DnsQuery)
    }
}

/// What a line said.
#[allow(
    clippy::large_enum_variant,
    reason = "lives on the stack of one call; boxing would allocate per line"
)]
#[derive(Clone, Debug)]
pub enum Line<'a> {
    Observation(Observation<'a>),
    /// A reload or a scaling that the log itself tells of.
    Change(Change),
    /// Blank, a comment, a directive, or known chatter without meaning for traffic.
    Nothing,
}

/// Why a line could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    pub reason: &'static str,
    /// Where in the line reading stopped.
    pub at_byte: usize,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.at_byte)
    }
}

impl std::error::Error for LineError {}

/// Reads the lines of one file.
#[derive(Clone, Debug)]
pub struct Parser {
    format: Format,
    dates: Dates,
    scratch: json::Scratch,
    /// Text of the line at hand that had to be changed.
    changed: Vec<u8>,
    /// As `changed`, for lines of another format.
    spare: Vec<u8>,
}

impl Parser {
    #[must_use]
    pub fn new(format: Format) -> Self {
        let (changed, spare) = (Vec::new(), Vec::new());
        Self { format, dates: Dates::default(), scratch: json::Scratch::default(), changed, spare }
    }

    /// Believes these addresses when they say for whom they speak, beside private ones and known
    /// CDNs: the user's own proxies.
    #[must_use]
    pub fn with_proxies(mut self, proxies: Arc<[Prefix]>) -> Self {
        self.dates.trust(proxies);
        self
    }

    /// For stamps that lack the year (syslog): an instant near the file's beginning. A full date
    /// in the log overrules it; without either, such stamps lie in 1970. Readers of parts of a file
    /// give it to every part.
    #[must_use]
    pub fn near(mut self, time: Timestamp) -> Self {
        self.dates.saw(time);
        self
    }

    /// The date read last, if the log or [`Parser::near`] told its year.
    #[must_use]
    pub fn date_with_year(&self) -> Option<Timestamp> {
        self.dates.with_year()
    }

    /// Reads one line, with or without its line end.
    ///
    /// # Errors
    /// The line is not in this format, nor in any other that shows by itself.
    pub fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Line<'a>, LineError> {
        let line = trimmed(line);
        if line.is_empty() {
            return Ok(Line::Nothing);
        }
        if line.len() > LINE_LIMIT_BYTES {
            return Err(LineError { reason: "line too long", at_byte: LINE_LIMIT_BYTES });
        }
        let Self { format, dates, scratch, changed, spare } = self;
        let read = match format {
            Format::Combined(layout) => {
                let mut draft = Draft::new(dates);
                match common::read(&mut draft, dates, layout, line) {
                    Ok(()) => return Ok(request(draft.request)),
                    Err(error) => Err(error),
                }
            }
            Format::Template(template) => template.read(dates, line).map(request),
            Format::Json(map) => json::read(dates, map, scratch, line),
            Format::W3c(state) => w3c::read(state, dates, changed, line),
            Format::Table(table) => delimited::read(table, dates, line),
            Format::Haproxy => haproxy::read(dates, line),
            Format::Alb => aws::application(dates, line).map(request),
            _ => return sight::read(dates, spare, line).map(|(_, read)| read),
        };
        let error = match read {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        if line.first() == Some(&b'#') {
            return Ok(Line::Nothing);
        }
        sight::read(dates, spare, line).map(|(_, read)| read).map_err(|_| error)
    }
}

fn request(request: Request<'_>) -> Line<'_> {
    Line::Observation(Observation::Request(request))
}

/// Without byte order mark, line end and blanks at the end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let kept =
        line.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | b' ' | b'\t' | 0)).map_or(0, |at| at + 1);
    &line[..kept]
}
