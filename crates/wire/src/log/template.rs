//! Formats as servers are told to write them: nginx's `log_format` and Apache's `LogFormat`,
//! compiled to literal text and fields.

use super::LineError;
use super::date::Dates;
use super::draft::{Draft, Field, Unit};
use super::names;
use memchr::memchr;
use seawall_model::observation::Request;
use std::fmt;

/// A format that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The part of the text that is wrong.
    pub part: String,
    pub reason: String,
}

impl TemplateError {
    pub(super) fn new(part: &str, reason: &str) -> Self {
        Self { part: part.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' {}", self.part, self.reason)
    }
}

impl std::error::Error for TemplateError {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Field(Field),
}

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Compiles nginx's format: the text itself or the whole `log_format name '…' '…';`.
    pub(super) fn nginx(text: &str) -> Result<Self, TemplateError> {
        let body = quoted_parts(text, "log_format");
        let mut builder = Builder::default();
        let mut rest = body.as_str();
        while let Some(at) = rest.find('$') {
            builder.literal(&rest.as_bytes()[..at]);
            rest = &rest[at + 1..];
            let braced = rest.strip_prefix('{').and_then(|r| r.split_once('}'));
            let (name, after) = braced.unwrap_or_else(|| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                rest.split_at(end)
            });
            if name.is_empty() {
                return Err(TemplateError::new("$", "is followed by no name of a variable"));
            }
            builder.field(nginx_field(name), name)?;
            rest = after;
        }
        builder.literal(rest.as_bytes());
        builder.finish(text)
    }

    /// Compiles Apache's format: the text itself, the whole `LogFormat "…" name`, or one of the
    /// names that Apache's own configuration gives.
    pub(super) fn apache(text: &str) -> Result<Self, TemplateError> {
        let named = match text.trim() {
            "common" => r#"%h %l %u %t "%r" %>s %b"#,
            "combined" => r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#,
            "combinedio" => r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O"#,
            "vhost_combined" => r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#,
            _ => text,
        };
        let body = quoted_parts(named, "LogFormat").replace("\\\"", "\"").replace("\\t", "\t");
        let mut builder = Builder::default();
        let mut rest = body.as_str();
        while let Some(at) = rest.find('%') {
            builder.literal(&rest.as_bytes()[..at]);
            rest = builder.apache_directive(&rest[at + 1..])?;
        }
        builder.literal(rest.as_bytes());
        builder.finish(text)
    }

    /// Reads one line.
    pub(super) fn read<'a>(&self, dates: &mut Dates, line: &'a [u8]) -> Result<Request<'a>, LineError> {
        let mut draft = Draft::new(dates);
        let mut at = 0;
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Literal(text) => {
                    // The end of a line may have been trimmed.
                    let rest = &line[at..];
                    if !(rest.starts_with(text) || pieces.peek().is_none() && text.starts_with(rest)) {
                        return Err(LineError { reason: "not as the given format says", at_byte: at });
                    }
                    at = (at + text.len()).min(line.len());
                }
                Piece::Field(field) => {
                    let end = match pieces.peek() {
                        Some(Piece::Literal(next)) => value_end(&line[at..], next, pieces.len() == 1),
                        _ => Some(line.len() - at),
                    };
                    let end = end.ok_or(LineError { reason: "not as the given format says", at_byte: at })?;
                    draft.set(*field, &line[at..at + end], dates);
                    at += end;
                }
            }
        }
        draft.finish()
    }
}

/// Where a value ends: at the literal that follows it. A quote that is escaped does not end a
/// quoted value, and a comma before a space does not end one of nginx's lists.
fn value_end(rest: &[u8], next: &[u8], is_last: bool) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = memchr(next[0], &rest[from..]) {
        let end = from + step;
        if !rest[end..].starts_with(next) {
            from = end + 1;
            continue;
        }
        let before = rest[..end].last();
        let escaped =
            next[0] == b'"' && rest[..end].iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1;
        let listed = next[0] == b' ' && (matches!(before, Some(b',')) || rest[end..].starts_with(b" : "));
        let listed = listed || next[0] == b' ' && rest[..end].ends_with(b" :");
        if !escaped && !listed {
            return Some(end);
        }
        from = end + 1;
    }
    // The closing literal of a line may have been cut off or trimmed.
    is_last.then(|| rest.len() - (0..next.len()).rev().find(|&n| rest.ends_with(&next[..n])).unwrap_or(0))
}

#[derive(Default)]
struct Builder {
    pieces: Vec<Piece>,
    given: Vec<Field>,
}

impl Builder {
    fn literal(&mut self, text: &[u8]) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(last)) => last.extend_from_slice(text),
            _ => self.pieces.push(Piece::Literal(text.to_vec())),
        }
    }

    fn field(&mut self, field: Field, name: &str) -> Result<(), TemplateError> {
        match self.pieces.last() {
            // A path and its query without anything between them are one target.
            Some(Piece::Field(Field::Target)) if field == Field::Query => return Ok(()),
            Some(Piece::Field(_)) => {
                return Err(TemplateError::new(name, "follows another field with nothing between them"));
            }
            _ => {}
        }
        let field =
            if field != Field::Ignored && self.given.contains(&field) { Field::Ignored } else { field };
        self.given.push(field);
        self.pieces.push(Piece::Field(field));
        Ok(())
    }

    fn finish(self, text: &str) -> Result<Template, TemplateError> {
        let has = |wanted: &[Field]| self.given.iter().any(|f| wanted.contains(f));
        if !has(&[Field::Time, Field::StartTime]) {
            return Err(TemplateError::new(text, "has no field for the time"));
        }
        if !has(&[Field::Peer, Field::Client, Field::ForwardedFor, Field::RealAddress]) {
            return Err(TemplateError::new(text, "has no field for the client"));
        }
        Ok(Template { pieces: self.pieces })
    }

    /// One directive after its `%`; gives the text after it.
    fn apache_directive<'t>(&mut self, text: &'t str) -> Result<&'t str, TemplateError> {
        let text =
            text.trim_start_matches(|c: char| matches!(c, '<' | '>' | '!' | ',') || c.is_ascii_digit());
        let (argument, rest) = match text.strip_prefix('{') {
            Some(inner) => inner
                .split_once('}')
                .ok_or_else(|| TemplateError::new(text, "has an opening brace that is never closed"))?,
            None => ("", text),
        };
        // `%^FB` and its kin have two letters.
        let length = if rest.starts_with('^') { 3 } else { rest.chars().next().map_or(0, char::len_utf8) };
        let (letter, after) = rest
            .split_at_checked(length)
            .filter(|(letter, _)| !letter.is_empty())
            .ok_or_else(|| TemplateError::new("%", "is followed by no directive"))?;
        match letter {
            "%" => self.literal(b"%"),
            "t" if argument.is_empty() => {
                self.literal(b"[");
                self.field(Field::Time, "%t")?;
                self.literal(b"]");
            }
            _ => self.field(apache_field(letter, argument), letter)?,
        }
        Ok(after)
    }
}

/// The text between the quotes of a whole directive joined, or the text itself.
fn quoted_parts(text: &str, directive: &str) -> String {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(directive) else { return text.to_owned() };
    let Some(quote) = rest.chars().find(|c| matches!(c, '\'' | '"')) else { return rest.trim().to_owned() };
    let mut parts = String::new();
    let mut inside = false;
    let mut escaped = false;
    for character in rest.chars() {
        if character == quote && !escaped {
            inside = !inside;
        } else if inside {
            parts.push(character);
        }
        escaped = character == '\\' && !escaped;
    }
    parts
}

/// What a variable of nginx means.
fn nginx_field(name: &str) -> Field {
    match name {
        "remote_addr" => Field::Peer,
        "realip_remote_addr" => Field::Ignored,
        "proxy_add_x_forwarded_for" => Field::ForwardedFor,
        "time_local" | "time_iso8601" | "msec" => Field::Time,
        "upstream_response_time" => Field::Upstream(Unit::Seconds),
        "connections_active" => Field::OpenConnections,
        "upstream_status" | "upstream_response_length" | "upstream_bytes_received" => Field::Ignored,
        "server_addr" | "server_port" | "pid" | "connection" | "request_id" => Field::Ignored,
        _ => match names::json_field(name.as_bytes()) {
            Some((Field::Duration(Unit::Written), _)) => Field::Duration(Unit::Seconds),
            Some((Field::Upstream(Unit::Written), _)) => Field::Upstream(Unit::Seconds),
            Some((Field::Message, _)) | None => Field::Ignored,
            Some((field, _)) => field,
        },
    }
}

/// What a directive of Apache means (mod_log_config).
fn apache_field(letter: &str, argument: &str) -> Field {
    match (letter, argument) {
        ("h", _) | ("a", "c") => Field::Peer,
        ("a", _) => Field::Client,
        ("u", _) => Field::User,
        ("t", _) => Field::Time,
        ("r", _) => Field::RequestLine,
        ("m", _) => Field::Method,
        ("U", _) => Field::Target,
        ("q", _) => Field::Query,
        ("H", _) => Field::Version,
        ("s", _) => Field::Status,
        ("b" | "B" | "O", _) => Field::ResponseBytes,
        ("I", _) => Field::RequestBytes,
        ("D", _) | ("T", "us") => Field::Duration(Unit::Microseconds),
        ("T", "ms") => Field::Duration(Unit::Milliseconds),
        ("T", _) => Field::Duration(Unit::Seconds),
        ("v" | "V", _) => Field::Host,
        ("C", _) => Field::Cookie,
        ("i", header) => header_field(header),
        _ => Field::Ignored,
    }
}

fn header_field(header: &str) -> Field {
    match header.to_ascii_lowercase().as_str() {
        "referer" => Field::Referrer,
        "user-agent" => Field::UserAgent,
        "host" => Field::Host,
        "cookie" => Field::Cookie,
        "accept-language" => Field::AcceptLanguage,
        "x-forwarded-for" | "forwarded" => Field::ForwardedFor,
        "x-real-ip" | "cf-connecting-ip" | "true-client-ip" | "x-client-ip" => Field::RealAddress,
        _ => Field::Ignored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::observation::Presence;

    #[test]
    fn an_nginx_format_with_every_field() {
        let template = Template::nginx(
            "log_format main escape=default '$remote_addr [$time_iso8601] \"$request\" $status $body_bytes_sent '\n  '$request_time $upstream_response_time $upstream_addr \"$http_user_agent\" \"$http_x_forwarded_for\" $host ${request_length} \"$http_cookie\"';",
        )
        .unwrap();
        let line = r#"10.0.0.1 [2024-05-01T10:00:00+02:00] "GET /a?b HTTP/1.1" 502 17 1.250 0.100, 0.050 : 0.001 10.0.0.5:80, 10.0.0.6:80 "Mozilla \"x\" y" "198.51.100.7, 10.0.0.9" shop.example 333 "id=1""#;
        let r = template.read(&mut Dates::default(), line.as_bytes()).unwrap();
        assert_eq!(
            (r.time.to_string(), r.client.to_string()),
            ("2024-05-01T08:00:00Z".into(), "198.51.100.7".into())
        );
        assert_eq!(r.peer.map(|p| p.to_string()).as_deref(), Some("10.0.0.1"));
        assert_eq!((r.path, r.query, r.status, r.response_bytes), (&b"/a"[..], Some(&b"b"[..]), 502, 17));
        assert_eq!((r.duration_us, r.upstream_us), (Some(1_250_000), Some(151_000)));
        assert_eq!((r.user_agent, r.host), (&br#"Mozilla \"x\" y"#[..], &b"shop.example"[..]));
        assert_eq!((r.request_bytes, r.cookie), (Some(333), Presence::Present));
    }

    #[test]
    fn an_nginx_format_that_is_json() {
        let template = Template::nginx(
            r#"{"t":"$msec","ip":"$remote_addr","r":"$request","s":$status,"ua":"$http_user_agent"}"#,
        );
        let line =
            r#"{"t":"1714557600.250","ip":"198.51.100.7","r":"GET /x HTTP/1.1","s":200,"ua":"a \"b\""}"#;
        let r = template
            .unwrap()
            .read(&mut Dates::default(), line.as_bytes())
            .map(|r| (r.status, r.time.to_string()));
        assert_eq!(r, Ok((200, "2024-05-01T10:00:00.250Z".into())));
    }

    #[test]
    fn an_apache_format_with_every_field() {
        let template = Template::apache(
            r#"LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D %{X-Forwarded-For}i %I" name"#,
        )
        .unwrap();
        let line = r#"shop.example:443 198.51.100.7 - anna [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 17 "-" "Mozilla \"x\"" 1250 - 99"#;
        let r = template.read(&mut Dates::default(), line.as_bytes()).unwrap();
        assert_eq!((r.host, r.user, r.status), (&b"shop.example"[..], &b"anna"[..], 200));
        assert_eq!(
            (r.duration_us, r.request_bytes, r.user_agent),
            (Some(1_250), Some(99), &br#"Mozilla \"x\""#[..])
        );
        let r = Template::apache(r#"%{%Y-%m-%dT%H:%M:%S}t %a "%m %U%q %H" %s %{ms}T"#).unwrap();
        let line = br#"2015-05-17T10:05:03 198.51.100.7 "GET /a?b HTTP/1.1" 200 12"#;
        let r = r.read(&mut Dates::default(), line).unwrap();
        assert_eq!((r.path, r.query, r.duration_us), (&b"/a"[..], Some(&b"b"[..]), Some(12_000)));
    }

    #[test]
    fn named_formats_of_apache_read_their_lines() {
        for (name, line) in [
            ("common", r#"198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1"#),
            ("combined", r#"198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
            (
                "vhost_combined",
                r#"a:80 198.51.100.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
            ),
        ] {
            let r = Template::apache(name).unwrap();
            assert_eq!(r.read(&mut Dates::default(), line.as_bytes()).map(|r| r.status), Ok(200), "{name}");
        }
    }

    #[test]
    fn formats_that_cannot_work_say_why() {
        let nginx = |text: &str| Template::nginx(text).unwrap_err().to_string();
        assert_eq!(nginx("$remote_addr $status"), "'$remote_addr $status' has no field for the time");
        assert_eq!(nginx("$msec $status"), "'$msec $status' has no field for the client");
        assert_eq!(
            nginx("$msec$remote_addr"),
            "'remote_addr' follows another field with nothing between them"
        );
        assert_eq!(nginx("$msec $"), "'$' is followed by no name of a variable");
        let apache = |text: &str| Template::apache(text).unwrap_err().to_string();
        assert_eq!(apache("%h %{Refereri"), "'{Refereri' has an opening brace that is never closed");
        assert_eq!(apache("%h %"), "'%' is followed by no directive");
        assert_eq!(apache("%t %>s"), "'%t %>s' has no field for the client");
    }

    #[test]
    fn other_lines_are_errors() {
        let template = Template::apache("combined").unwrap();
        for line in ["", "x", "1.2.3.4 - - [", r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] GET"#] {
            assert!(template.read(&mut Dates::default(), line.as_bytes()).is_err(), "{line}");
        }
    }
}
