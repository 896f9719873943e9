//! The pages that Seawall itself answers with: the challenge, the place in line, and what they
//! are made of. Small, without anything from elsewhere, readable without colours, scripts or
//! eyes, in the visitor's language.
//!
//! Both pages link one style sheet by an address that carries a ticket. A browser fetches it to
//! show the page, and is given the ticket as a cookie with it; so the cookie itself shows that the
//! page was taken as a browser takes pages, with or without a script.

mod words;

use super::gate::{Gate, NotPassed, TIMED_S};
use super::token::TokenText;
use crate::Request;
use crate::http1::write;
use bytes::Bytes;
use seawall_model::{Timestamp, hash};
use std::fmt::Write;

/// All addresses of our own begin so; none of them reaches the upstream.
pub const OWN_PREFIX: &[u8] = b"/.seawall/";
/// How work that was done is answered.
pub const PASSED: u16 = 204;
/// Longest address that a visitor is led back to.
const MAX_RETURN_BYTES: usize = 2_048;
/// Seconds after which the page in line asks again.
const ASK_AGAIN_S: u32 = 1;
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub status: u16,
    /// 0: the field is not sent.
    pub retry_after_s: u32,
    pub content_type: &'static str,
    pub cache_control: &'static str,
    /// Value of `Content-Security-Policy`; empty: not sent.
    pub content_security_policy: &'static str,
    pub set_cookie: Option<String>,
    pub location: Option<String>,
    /// All fields of an answer of the site's; the ones above are not sent with these.
    pub fields: Vec<(String, String)>,
    pub body: Bytes,
}

impl Page {
    /// A status and nothing else.
    #[must_use]
    pub fn bare(status: u16) -> Self {
        Self {
            status,
            retry_after_s: 0,
            content_type: "text/plain; charset=utf-8",
            cache_control: "no-store",
            content_security_policy: "",
            set_cookie: None,
            location: None,
            fields: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// What a request is refused with: no byte of it is made for the request.
    #[must_use]
    pub fn refusal(status: u16, retry_after_s: u32) -> Self {
        let body = Bytes::from_static(write::reason(status).as_bytes());
        Self { retry_after_s, body, ..Self::bare(status) }
    }

    /// An answer of the site's from the cache.
    #[must_use]
    pub fn stored(status: u16, fields: Vec<(String, String)>, body: Bytes) -> Self {
        Self { fields, body, ..Self::bare(status) }
    }
}

/// The challenge, in place of what `request` asks for. `ticket` is the ticket that its style sheet
/// gives.
#[must_use]
pub fn challenge(request: &Request<'_>, puzzle: &TokenText, level: u8, ticket: &TokenText) -> Page {
    let words = words::best(request.accept_language);
    let mut body = head(words, ticket);
    let puzzle = puzzle.as_str();
    let back = escaped(request);
    let seconds = TIMED_S + 1;
    let without_script = words.without_script.replacen("{}", &seconds.to_string(), 1);
    // Writing to a String cannot fail.
    let _ = write!(
        body,
        "<noscript><meta http-equiv=\"refresh\" content=\"{seconds};url=/.seawall/wait?ticket={puzzle}&amp;to={back}\"></noscript>\n\
         <script src=\"/.seawall/work.js\" defer></script>\n</head>\n<body>\n\
         <main data-puzzle=\"{puzzle}\" data-level=\"{level}\" data-done=\"{}\" data-failed=\"{}\">\n\
         <h1>{}</h1>\n<p role=\"status\">{}</p>\n\
         <progress max=\"8\" value=\"0\" aria-label=\"{}\"></progress>\n\
         <noscript><p class=\"soft\">{without_script} <a href=\"/.seawall/wait?ticket={puzzle}&amp;to={back}\">{}</a></p></noscript>\n\
         </main>\n</body>\n</html>\n",
        words.done, words.failed, words.heading, words.checking, words.heading, words.go_on,
    );
    html(body, TIMED_S)
}

/// A place in line, in place of what `request` asks for. `ahead` is 0 where nobody knows.
#[must_use]
pub fn waiting(request: &Request<'_>, ticket: &TokenText, ahead: u64) -> Page {
    let words = words::best(request.accept_language);
    let mut body = head(words, ticket);
    let _ = write!(
        body,
        "<meta http-equiv=\"refresh\" content=\"{ASK_AGAIN_S}\">\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p role=\"status\">{}</p>\n",
        words.heading, words.in_line,
    );
    if ahead > 0 {
        let _ = writeln!(body, "<p>{}</p>", words.ahead.replacen("{}", &ahead.to_string(), 1));
    }
    let _ = write!(
        body,
        "<p class=\"soft\"><a href=\"/.seawall/wait?ticket={}&amp;to={}\">{}</a></p>\n</main>\n</body>\n</html>\n",
        ticket.as_str(),
        escaped(request),
        words.go_on,
    );
    html(body, ASK_AGAIN_S)
}

/// What brings a request for an address of our own about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// A page of ours that its client was given: the hash of the token on it, which the request shows.
    ByPage(u64),
    /// A page of ours, or none: browsers keep the script, which therefore shows no token.
    ByScript,
    /// No page of ours.
    ByNothing,
}

/// Answers a request for an address of our own; `None` where it is not one.
#[must_use]
pub fn own(gate: &Gate, request: &Request<'_>, now: Timestamp) -> Option<(Page, Brought)> {
    let name = request.path.strip_prefix(OWN_PREFIX)?;
    let query = request.query.unwrap_or(b"");
    Some(match name {
        b"work.js" => {
            let script = include_str!("page/work.js");
            (file("text/javascript; charset=utf-8", "public, max-age=3600", script), Brought::ByScript)
        }
        b"look.css" => look(gate, request, query, now),
        b"pass" => pass(gate, request, query, now),
        b"wait" => wait(gate, request, query, now),
        _ => (Page::bare(404), Brought::ByNothing),
    })
}

fn by_page(token: &[u8], is_good: bool) -> Brought {
    if is_good { Brought::ByPage(hash::bytes(token)) } else { Brought::ByNothing }
}

/// The style sheet. With a good ticket it gives the ticket as a cookie; without, only the style.
fn look(gate: &Gate, request: &Request<'_>, query: &[u8], now: Timestamp) -> (Page, Brought) {
    let mut page = file("text/css; charset=utf-8", "no-store", include_str!("page/look.css"));
    let ticket = parameter(query, b"ticket").unwrap_or(b"");
    let is_good = gate.place(request, ticket, now).is_ok();
    if is_good {
        page.set_cookie = Some(cookie(&String::from_utf8_lossy(ticket), request));
    }
    (page, by_page(ticket, is_good))
}

fn pass(gate: &Gate, request: &Request<'_>, query: &[u8], now: Timestamp) -> (Page, Brought) {
    let puzzle = parameter(query, b"puzzle").unwrap_or(b"");
    let solution = parameter(query, b"solution").unwrap_or(b"");
    let redeemed = gate.redeem(request, puzzle, solution, now);
    let brought = by_page(puzzle, !matches!(redeemed, Err(NotPassed::Token(_))));
    let page = match redeemed {
        Ok(pass) => Page { set_cookie: Some(cookie(pass.as_str(), request)), ..Page::bare(PASSED) },
        Err(_) => Page::bare(403),
    };
    (page, brought)
}

/// Leads back to where the visitor wanted to go, with a pass for who sat out a challenge and with
/// the ticket for who waits in line.
fn wait(gate: &Gate, request: &Request<'_>, query: &[u8], now: Timestamp) -> (Page, Brought) {
    let Some(back) = parameter(query, b"to").and_then(unescaped) else {
        return (Page::bare(400), Brought::ByNothing);
    };
    let text = parameter(query, b"ticket").unwrap_or(b"");
    let (earned, is_good) = match gate.sit_out(request, text, now) {
        Ok(pass) => (Some(pass.as_str().to_owned()), true),
        // Too early, expired, or of another kind: whoever holds a ticket keeps it, and all others
        // are led back without, and challenged anew.
        Err(NotPassed::TooEarly) => (None, true),
        Err(_) => {
            let is_ticket = gate.place(request, text, now).is_ok();
            (is_ticket.then(|| String::from_utf8_lossy(text).into_owned()), is_ticket)
        }
    };
    let set_cookie = earned.map(|text| cookie(&text, request));
    (Page { set_cookie, location: Some(back), ..Page::bare(303) }, by_page(text, is_good))
}

fn head(words: &words::Words, ticket: &TokenText) -> String {
    let mut head = String::with_capacity(3_072);
    let _ = write!(
        head,
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"/.seawall/look.css?ticket={}\">\n",
        words.tag,
        words.heading,
        ticket.as_str(),
    );
    head
}

/// Crawlers and caches must take neither page for the site's: a 503 is not kept (RFC 9110 section
/// 15.6.4).
fn html(body: String, retry_after_s: u32) -> Page {
    Page {
        retry_after_s,
        content_type: "text/html; charset=utf-8",
        content_security_policy: POLICY,
        body: body.into(),
        ..Page::bare(503)
    }
}

fn file(content_type: &'static str, cache_control: &'static str, text: &'static str) -> Page {
    Page { content_type, cache_control, body: Bytes::from_static(text.as_bytes()), ..Page::bare(200) }
}

fn cookie(value: &str, request: &Request<'_>) -> String {
    let secure = if request.secure { "; Secure" } else { "" };
    format!(
        "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        super::gate::COOKIE,
        super::gate::PASS_LIFETIME_S
    )
}

fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

/// The request's own address for a link to it, percent-encoded; `%2F` where it is too long.
fn escaped(request: &Request<'_>) -> String {
    let query = request.query.unwrap_or(b"");
    if request.path.len() + query.len() >= MAX_RETURN_BYTES {
        return "%2F".to_owned();
    }
    let mark: &[u8] = if request.query.is_some() { b"?" } else { b"" };
    let mut text = String::with_capacity(request.path.len() * 2);
    for byte in request.path.iter().chain(mark).chain(query) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The address on this site that a parameter names. `None` for anything that a browser might read
/// as another site's, or that does not belong in a header field.
fn unescaped(text: &[u8]) -> Option<String> {
    if text.len() > 3 * MAX_RETURN_BYTES {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (high, low) = (digit(*after.first()?)?, digit(*after.get(1)?)?);
            bytes.push(high << 4 | low);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let is_plain = bytes.iter().all(|b| (0x21..=0x7E).contains(b) && *b != b'\\');
    let is_here = bytes.first() == Some(&b'/') && bytes.get(1) != Some(&b'/');
    let is_ours = bytes.starts_with(OWN_PREFIX);
    (is_plain && is_here && !is_ours).then(|| String::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::gate::{COOKIE, solved};
    use crate::act::memory::Clearance;
    use crate::act::token::{TokenKeys, TokenSecrets};
    use std::net::IpAddr;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn at(ms: i64) -> Timestamp {
        START.plus_ns(ms * 1_000_000)
    }

    fn gate() -> Gate {
        Gate::new(TokenKeys::new(&TokenSecrets::new([3; 32], START)))
    }

    fn visitor() -> Request<'static> {
        Request {
            user_agent: b"Mozilla/5.0",
            accept: b"text/html",
            accept_language: b"fr",
            path: b"/a\"<b>/item",
            query: Some(b"x=1&y=/z"),
            ..Request::new(IpAddr::from([192, 0, 2, 1]))
        }
    }

    fn text(page: &Page) -> &str {
        std::str::from_utf8(&page.body).unwrap()
    }

    /// What a page puts between two texts.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
        let start = text.find(before).unwrap() + before.len();
        &text[start..start + text[start..].find(after).unwrap()]
    }

    fn get(path_and_query: &str, now: Timestamp) -> Page {
        let (path, query) = path_and_query.split_once('?').unwrap();
        let request = Request { path: path.as_bytes(), query: Some(query.as_bytes()), ..visitor() };
        own(&gate(), &request, now).unwrap().0
    }

    fn clearance(page: &Page, now: Timestamp) -> Clearance {
        let set = page.set_cookie.as_deref().unwrap();
        let cookie = set.split(';').next().unwrap();
        gate().clearance(&Request { cookie: cookie.as_bytes(), ..visitor() }, now)
    }

    fn challenged() -> Page {
        let (gate, visitor) = (gate(), visitor());
        let puzzle = gate.pose(&visitor, 5, 77, START);
        challenge(&visitor, &puzzle, 5, &gate.ticket(&visitor, 9, START))
    }

    #[test]
    fn the_challenge_leads_to_a_pass_with_a_script() {
        let page = challenged();
        assert_eq!((page.status, page.cache_control), (503, "no-store"));
        assert!(text(&page).contains("<html lang=\"fr\">"));
        let puzzle = between(text(&page), "data-puzzle=\"", "\"").to_owned();
        let solution = solved(puzzle.as_bytes(), 5);
        let passed = get(&format!("/.seawall/pass?puzzle={puzzle}&solution={solution}"), at(400));
        assert_eq!(passed.status, 204);
        assert_eq!(clearance(&passed, at(500)), Clearance::Worked(77));
        let cheated = get(&format!("/.seawall/pass?puzzle={puzzle}&solution=1-2-3"), at(400));
        assert_eq!((cheated.status, cheated.set_cookie), (403, None));
    }

    #[test]
    fn the_challenge_leads_to_a_pass_without_a_script() {
        let page = challenged();
        let link = between(text(&page), "url=", "\"").replace("&amp;", "&");
        let early = get(&link, at(1_000));
        assert_eq!((early.status, early.set_cookie), (303, None));
        let passed = get(&link, at(5_000));
        assert_eq!(passed.location.as_deref(), Some("/a\"<b>/item?x=1&y=/z"));
        assert_eq!(clearance(&passed, at(5_100)), Clearance::SatOut(77));
    }

    #[test]
    fn the_style_sheet_gives_the_ticket() {
        let (gate, visitor) = (gate(), visitor());
        let page = waiting(&visitor, &gate.ticket(&visitor, 9, START), 12);
        assert!(text(&page).contains("content=\"1\"") && text(&page).contains("12"));
        assert_eq!(page.set_cookie, None, "the page itself must not give it");
        let style = get(between(text(&page), "stylesheet\" href=\"", "\""), at(100));
        assert_eq!(style.status, 200);
        assert_eq!(clearance(&style, at(1_100)), Clearance::Ticket(9));
        let forged = get("/.seawall/look.css?ticket=AAAA", at(100));
        assert_eq!((forged.status, forged.set_cookie), (200, None));
    }

    #[test]
    fn text_browsers_keep_their_place_by_the_link() {
        let (gate, visitor) = (gate(), visitor());
        let page = waiting(&visitor, &gate.ticket(&visitor, 9, START), 0);
        let link = between(text(&page), "<a href=\"", "\"").replace("&amp;", "&");
        let back = get(&link, at(2_000));
        assert_eq!(back.status, 303);
        assert_eq!(clearance(&back, at(2_100)), Clearance::Ticket(9));
    }

    #[test]
    fn nothing_of_the_request_gets_into_the_page_as_markup() {
        let body = challenged().body;
        let page = std::str::from_utf8(&body).unwrap();
        assert!(!page.contains("<b>"));
        assert!(page.contains("%2Fa%22%3Cb%3E%2Fitem%3Fx%3D1%26y%3D%2Fz"));
    }

    #[test]
    fn nobody_is_led_to_another_site() {
        for bad in [
            "//evil.example/",
            "%2F%2Fevil.example",
            "%2F%5Cevil.example",
            "https:%2F%2Fevil.example",
            "%2Fa%0D%0ASet-Cookie:x=1",
            "%2F%0",
            "%2F%C3%A9",
            "",
            "evil",
            "%2F.seawall%2Fwait",
        ] {
            assert_eq!(get(&format!("/.seawall/wait?to={bad}"), START).status, 400, "{bad}");
        }
        assert_eq!(get("/.seawall/wait?to=%2F", START).location.as_deref(), Some("/"));
    }

    #[test]
    fn cookies_are_for_us_alone() {
        let (gate, visitor) = (gate(), visitor());
        let ticket = gate.ticket(&visitor, 9, START);
        let query = format!("ticket={}", ticket.as_str());
        let request =
            Request { secure: true, path: b"/.seawall/look.css", query: Some(query.as_bytes()), ..visitor };
        let set = own(&gate, &request, START).unwrap().0.set_cookie.unwrap();
        assert!(set.starts_with(&format!("{COOKIE}=")));
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=1800"] {
            assert!(set.contains(part), "{set}");
        }
    }

    #[test]
    fn only_addresses_of_our_own_are_answered() {
        assert_eq!(own(&gate(), &visitor(), START), None);
        let unknown = Request { path: b"/.seawall/x", ..visitor() };
        assert_eq!(own(&gate(), &unknown, START).unwrap().0.status, 404);
    }

    #[test]
    fn pages_are_small() {
        assert!(challenged().body.len() < 3_072);
        assert!(include_str!("page/work.js").len() < 4_096 && include_str!("page/look.css").len() < 2_048);
    }
}
