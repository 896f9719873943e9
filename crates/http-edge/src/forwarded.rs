//! Who asks, in the words of proxies: `X-Forwarded-For` with `X-Forwarded-Proto`, or `Forwarded`
//! (RFC 7239). One of the two is believed, from trusted proxies only: a proxy that writes one of
//! them passes the other on as its client wrote it. Both are written anew for the upstream.

use crate::client;
use std::io::Write;
use std::net::IpAddr;

/// Proxies of a chain that are looked at; no honest one is longer.
const CHAIN: usize = 16;

/// Which field trusted proxies name their clients in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedField {
    #[default]
    XForwardedFor,
    Forwarded,
}

/// Lines of one field that are read, from the last on: proxies that add a line of their own add it
/// at the end.
pub const LINES: usize = 4;

/// What a trusted proxy says of a request. Empty: nothing, or none is trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain<'a> {
    pub field: TrustedField,
    /// The values of the field's lines, in their order; empty ones do not count.
    lines: [&'a [u8]; LINES],
    /// Whether the client came to it over TLS, where it says so.
    pub secure: Option<bool>,
    /// The host and the port that the client asked for, where it says so; else empty.
    host: &'a [u8],
    port: &'a [u8],
}

/// Who asks, as the upstream is told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The real client.
    pub client: IpAddr,
    /// What a trusted proxy said, to be continued.
    pub chain: Chain<'a>,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Whether the peer's word is taken.
    pub is_trusted: bool,
    /// Whether the client came over TLS.
    pub secure: bool,
    /// The host that was asked for; empty: none was.
    pub host: &'a [u8],
}

impl<'a> Chain<'a> {
    /// Those of `X-Forwarded-For`, by `lines`, and of what stands beside it: `X-Forwarded-Proto`,
    /// `X-Forwarded-Host` and `X-Forwarded-Port`.
    #[must_use]
    pub fn listed(lines: [&'a [u8]; LINES], [proto, host, port]: [&'a [u8]; 3]) -> Self {
        let last = |list: &'a [u8]| list.rsplit(|b| *b == b',').next().unwrap_or_default().trim_ascii();
        Self {
            field: TrustedField::XForwardedFor,
            lines,
            secure: is_secure(last(proto)),
            host: if is_host(last(host)) { last(host) } else { b"" },
            port: if is_port(last(port)) { last(port) } else { b"" },
        }
    }

    /// Those of `Forwarded`, as far back from the nearest hop as it can be read: what is beyond an
    /// element that does not parse may be words of the client's in a hop's mouth, and is dropped.
    #[must_use]
    pub fn of_pairs(mut lines: [&'a [u8]; LINES]) -> Self {
        let nearest = lines.iter().rev().find_map(|line| elements(line).next()).unwrap_or_default();
        let mut is_cut = false;
        for line in lines.iter_mut().rev() {
            let read = if is_cut { &[][..] } else { readable(line) };
            is_cut |= !line[..line.len() - read.len()].iter().all(|b| b" \t,".contains(b));
            *line = read;
        }
        let host = parameter(nearest, b"host");
        Self {
            field: TrustedField::Forwarded,
            lines,
            secure: is_secure(parameter(nearest, b"proto")),
            host: if is_host(host) { host } else { b"" },
            port: b"",
        }
    }

    /// Who was asked by whom, from the nearest hop on: each as text that may be an address.
    pub fn nodes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let none = [&b""[..]; LINES];
        let (listed, pairs) = match self.field {
            TrustedField::XForwardedFor => (self.lines, none),
            TrustedField::Forwarded => (none, self.lines),
        };
        let listed = listed.into_iter().rev().filter(|line| !line.is_empty());
        let listed = listed.flat_map(|line| line.rsplit(|b| *b == b',').map(<[u8]>::trim_ascii));
        let named = pairs.into_iter().rev().flat_map(elements).map(|e| parameter(e, b"for"));
        listed.chain(named).take(CHAIN)
    }

    fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.is_empty())
    }

    /// The lines as one, to be continued.
    fn write(&self, out: &mut Vec<u8>) {
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            out.extend_from_slice(line);
            out.extend_from_slice(b", ");
        }
    }
}

/// Writes `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Real-IP` and `Forwarded`, in place of whatever
/// the client said in them; `X-Forwarded-Host` and `X-Forwarded-Port` where a trusted proxy said them.
pub fn write(out: &mut Vec<u8>, told: &Told<'_>) {
    let mut peer = [0; LONGEST_ADDRESS];
    let peer = text_of(told.peer, &mut peer);
    out.extend_from_slice(b"X-Forwarded-For: ");
    match told.chain.field {
        _ if told.chain.is_empty() => {}
        TrustedField::XForwardedFor => told.chain.write(out),
        TrustedField::Forwarded => nodes_forward(told.chain, |node| {
            let _ = match node {
                Some(address) => write!(out, "{address}, "),
                None => write!(out, "unknown, "),
            };
        }),
    }
    out.extend_from_slice(peer);
    out.extend_from_slice(b"\r\nX-Real-IP: ");
    if told.client == told.peer {
        out.extend_from_slice(peer);
    } else {
        out.extend_from_slice(text_of(told.client, &mut [0; LONGEST_ADDRESS]));
    }
    let scheme: &[u8] = if told.secure { b"https" } else { b"http" };
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    out.extend_from_slice(scheme);
    let said =
        [(&b"\r\nX-Forwarded-Host: "[..], told.chain.host), (b"\r\nX-Forwarded-Port: ", told.chain.port)];
    for (name, value) in said.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\nForwarded: ");
    match told.chain.field {
        _ if told.chain.is_empty() => {}
        TrustedField::Forwarded => told.chain.write(out),
        TrustedField::XForwardedFor => nodes_forward(told.chain, |node| {
            let _ = match node {
                Some(IpAddr::V4(address)) => write!(out, "for={address}, "),
                Some(IpAddr::V6(address)) => write!(out, "for=\"[{address}]\", "),
                None => write!(out, "for=unknown, "),
            };
        }),
    }
    own_element(out, told, peer, scheme);
}

/// Bytes of the longest address as text.
const LONGEST_ADDRESS: usize = 45;

/// An address as text. Every request has one: that of IPv4 is written without the formatter, which takes ten
/// times as long.
fn text_of(address: IpAddr, text: &mut [u8; LONGEST_ADDRESS]) -> &[u8] {
    let length = match address {
        IpAddr::V4(v4) => {
            let mut length = 0;
            let mut put = |byte| {
                text[length] = byte;
                length += 1;
            };
            for (index, octet) in v4.octets().into_iter().enumerate() {
                if index > 0 {
                    put(b'.');
                }
                if octet >= 100 {
                    put(b'0' + octet / 100);
                }
                if octet >= 10 {
                    put(b'0' + octet / 10 % 10);
                }
                put(b'0' + octet % 10);
            }
            length
        }
        IpAddr::V6(v6) => {
            let mut rest = &mut text[..];
            // It fits: none is longer.
            let _ = write!(rest, "{v6}");
            LONGEST_ADDRESS - rest.len()
        }
    };
    &text[..length]
}

/// Our own part of `Forwarded`.
fn own_element(out: &mut Vec<u8>, told: &Told<'_>, peer: &[u8], scheme: &[u8]) {
    let (before, after): (&[u8], &[u8]) =
        if told.peer.is_ipv6() { (b"for=\"[", b"]\"") } else { (b"for=", b"") };
    for part in [before, peer, after, b";proto=", scheme] {
        out.extend_from_slice(part);
    }
    if !told.host.is_empty() {
        // What may be in a host needs no escaping between quotes.
        for part in [b";host=\"", told.host, b"\""] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The nodes in the order of the chain, at most as many as are looked at.
fn nodes_forward(chain: Chain<'_>, mut tell: impl FnMut(Option<IpAddr>)) {
    let mut all = [None; CHAIN];
    let mut count = 0;
    for (slot, node) in all.iter_mut().zip(chain.nodes()) {
        *slot = client::address(node);
        count += 1;
    }
    all[..count].iter().rev().for_each(|node| tell(*node));
}

fn is_secure(proto: &[u8]) -> Option<bool> {
    match proto {
        p if p.eq_ignore_ascii_case(b"https") => Some(true),
        p if p.eq_ignore_ascii_case(b"http") => Some(false),
        _ => None,
    }
}

/// A host as it stands in a request, with or without a port: nothing that would need escaping.
fn is_host(text: &[u8]) -> bool {
    text.len() <= 255 && text.iter().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(b))
}

fn is_port(text: &[u8]) -> bool {
    text.len() <= 5 && text.iter().all(u8::is_ascii_digit)
}

/// The end of a `Forwarded` value that can be read.
fn readable(value: &[u8]) -> &[u8] {
    let beyond = elements(value).last().map_or(value.len(), |first| {
        // Every element is a part of the value.
        first.as_ptr().addr() - value.as_ptr().addr()
    });
    &value[beyond..]
}

/// The elements of a `Forwarded` value from the right, without empty ones, up to the first that
/// does not parse. Proxies append, so that whatever a client wrote is read last.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    let each = std::iter::from_fn(move || {
        let left = rest?;
        let comma = last_comma(left);
        rest = comma.map(|at| &left[..at]);
        Some(left[comma.map_or(0, |at| at + 1)..].trim_ascii())
    });
    each.take_while(|e| is_element(e)).filter(|e| !e.is_empty())
}

/// The last comma that is not between quotes, read from the right.
fn last_comma(value: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in value.iter().enumerate().rev() {
        match byte {
            // A quote behind an odd number of backslashes is a part of the text.
            b'"' if is_quoted => {
                let slashes = value[..at].iter().rev().take_while(|b| **b == b'\\').count();
                is_quoted = slashes % 2 == 1;
            }
            b'"' => is_quoted = true,
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether these are pairs of a name and a value (RFC 7239 section 4). Values without quotes may
/// have the colons and brackets of addresses, which many proxies write so.
fn is_element(text: &[u8]) -> bool {
    pieces(text, b';').map(<[u8]>::trim_ascii).filter(|p| !p.is_empty()).all(|pair| {
        let Some(at) = pair.iter().position(|b| *b == b'=') else { return false };
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        let is_plain = |b: &u8| b.is_ascii_graphic() && !b"\"\\,;".contains(b);
        !name.is_empty() && name.iter().all(is_plain) && (value.iter().all(is_plain) || is_quoted(value))
    })
}

/// Whether this is one quoted text, which ends where it seems to.
fn is_quoted(value: &[u8]) -> bool {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else { return false };
    let mut is_escaped = false;
    let has_ended = inner.iter().any(|byte| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        is_escaped = *byte == b'\\' && !was_escaped;
        *byte == b'"' && !was_escaped
    });
    !has_ended && !is_escaped
}

/// The value of a parameter of an element, without its quotes; empty: there is none.
fn parameter<'a>(element: &'a [u8], name: &[u8]) -> &'a [u8] {
    let find = |pair: &'a [u8]| {
        let at = pair.iter().position(|b| *b == b'=')?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(name).then(|| pair[at + 1..].trim_ascii())
    };
    let value = pieces(element, b';').find_map(find).unwrap_or_default();
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

/// Splits at a separator that is not between quotes.
fn pieces(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |byte| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match *byte {
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b if b == separator => return !is_quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_formatter_writes_them() {
        let mut text = [0; LONGEST_ADDRESS];
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 255 - octet, octet / 3, 9]);
            assert_eq!(text_of(address, &mut text), address.to_string().as_bytes());
        }
        for longest in ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "::ffff:192.168.100.228"] {
            let address: IpAddr = longest.parse().unwrap();
            assert_eq!(text_of(address, &mut text), address.to_string().as_bytes());
        }
    }

    fn one(line: &[u8]) -> [&[u8]; LINES] {
        [b"", b"", b"", line]
    }

    fn told(chain: Chain<'_>) -> String {
        let peer = IpAddr::from([10, 0, 0, 1]);
        let trusted = ["10.0.0.0/8".parse().expect("a prefix")];
        let mut out = Vec::new();
        let secure = chain.secure.unwrap_or(false);
        let client = client::real(&trusted, peer, &chain);
        write(&mut out, &Told { client, chain, peer, is_trusted: true, secure, host: b"a:80" });
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn both_fields_say_the_same_whichever_came() {
        let listed = Chain::listed(one(b"2001:db8::7, nonsense, 192.0.2.1:4000"), [b"http, https", b"", b""]);
        assert_eq!(
            told(listed),
            "X-Forwarded-For: 2001:db8::7, nonsense, 192.0.2.1:4000, 10.0.0.1\r\nX-Real-IP: 192.0.2.1\r\n\
             X-Forwarded-Proto: https\r\nForwarded: for=\"[2001:db8::7]\", for=unknown, for=192.0.2.1, \
             for=10.0.0.1;proto=https;host=\"a:80\"\r\n"
        );
        let pairs = Chain::of_pairs(one(
            b"For=\"[2001:db8::7]:99\";by=_a, for=_hidden;host=\"x,y;z\", for=192.0.2.1 ; PROTO=https",
        ));
        assert_eq!(
            told(pairs),
            "X-Forwarded-For: 2001:db8::7, unknown, 192.0.2.1, 10.0.0.1\r\nX-Real-IP: 192.0.2.1\r\n\
             X-Forwarded-Proto: https\r\nForwarded: For=\"[2001:db8::7]:99\";by=_a, \
             for=_hidden;host=\"x,y;z\", for=192.0.2.1 ; PROTO=https, \
             for=10.0.0.1;proto=https;host=\"a:80\"\r\n"
        );
    }

    #[test]
    fn quotes_cannot_hide_a_hop() {
        let nodes = |value: &'static str| -> Vec<String> {
            let all = Chain::of_pairs(one(value.as_bytes())).nodes().map(String::from_utf8_lossy);
            all.map(|node| node.into_owned()).collect()
        };
        assert_eq!(nodes("for=a;x=\", for=b\", for=c"), ["c", "a"]);
        assert_eq!(nodes("for=a;x=\"\\\", for=b\", for=c"), ["c", "a"]);
        assert_eq!(nodes("for=a, x=\", for=c"), ["c"]);
        assert_eq!(nodes("for=a, x=\", for=\"c:1\";by=\"\\\\\""), ["c:1"]);
        assert_eq!(nodes("for=a, b, for=c"), ["c"]);
        assert_eq!(nodes("for=a, for=\"c"), Vec::<String>::new());
        assert_eq!(nodes(""), Vec::<String>::new());
        let long: String = (0..40).map(|n| format!("for=10.0.0.{n},")).collect();
        let chain = Chain::of_pairs(one(long.as_bytes()));
        assert_eq!(chain.nodes().count(), CHAIN);
        assert_eq!(chain.nodes().next(), Some(&b"10.0.0.39"[..]));
    }

    #[test]
    fn an_open_quote_of_a_client_hides_nobody_and_is_not_passed_on() {
        let ours = "X-Forwarded-For: 5.5.5.5, 10.0.0.1\r\nX-Real-IP: 5.5.5.5\r\nX-Forwarded-Proto: https\r\n\
             Forwarded: for=5.5.5.5;proto=https, for=10.0.0.1;proto=https;host=\"a:80\"\r\n";
        for open in ["for=\"6.6.6.6", "for=7.7.7.7, for=\"6.6.6.6", "x=\"\\", "for=6.6.6.6\"", "\""] {
            let value = format!("{open}, for=5.5.5.5;proto=https");
            assert_eq!(told(Chain::of_pairs(one(value.as_bytes()))), ours, "{value}");
        }
        assert!(
            told(Chain::of_pairs(one(b"for=\"6.6.6.6"))).contains("\r\nForwarded: for=10.0.0.1;proto=http;")
        );
    }

    #[test]
    fn lines_of_one_field_are_one_list() {
        let listed = [&b""[..], b"", b"192.0.2.1, 10.0.0.7", b"10.0.0.8"];
        let text = told(Chain::listed(listed, [b"https", b"a.example, shop.example:8443", b"8443"]));
        assert!(text.starts_with("X-Forwarded-For: 192.0.2.1, 10.0.0.7, 10.0.0.8, 10.0.0.1\r\n"), "{text}");
        assert!(text.contains("\r\nX-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"), "{text}");
        let said = "\r\nX-Forwarded-Host: shop.example:8443\r\nX-Forwarded-Port: 8443\r\n";
        assert!(text.contains(said), "{text}");
        let pairs =
            [&b""[..], b"for=6.6.6.6", b"for=192.0.2.1", b"for=10.0.0.8;proto=https;host=shop.example"];
        let text = told(Chain::of_pairs(pairs));
        assert!(text.contains("\r\nX-Real-IP: 192.0.2.1\r\n"), "{text}");
        assert!(text.contains("\r\nForwarded: for=6.6.6.6, for=192.0.2.1, for=10.0.0.8;"), "{text}");
        assert!(text.contains("\r\nX-Forwarded-Host: shop.example\r\n"), "{text}");
    }

    #[test]
    fn a_line_that_cannot_be_read_hides_those_before_it() {
        let text =
            told(Chain::of_pairs([b"for=6.6.6.6", b"for=\"7.7.7.7", b" , for=5.5.5.5", b"for=10.0.0.8"]));
        assert!(text.contains("\r\nX-Real-IP: 5.5.5.5\r\n") && !text.contains("6.6.6.6"), "{text}");
    }

    #[test]
    fn a_host_or_port_that_is_none_is_not_passed_on() {
        for (host, port) in [("a\"b", "80, 1x"), ("a b", "-1"), ("a/b", "123456")] {
            let text = told(Chain::listed(one(b"192.0.2.1"), [b"", host.as_bytes(), port.as_bytes()]));
            assert!(!text.contains("X-Forwarded-Host") && !text.contains("X-Forwarded-Port"), "{text}");
        }
    }
}
