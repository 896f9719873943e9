//! Field lines: what they are for, and which of them a proxy must not pass on.

use super::Refusal;

/// A field of a head, as places in the buffer that the head was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub kind: Kind,
    /// Start of the line.
    pub start: u32,
    pub name_end: u32,
    pub value_start: u32,
    pub value_end: u32,
    /// End of the line, after its CR LF.
    pub end: u32,
}

impl Field {
    #[must_use]
    pub fn name<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.start as usize..self.name_end as usize]
    }

    #[must_use]
    pub fn value<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        &buffer[self.value_start as usize..self.value_end as usize]
    }
}

/// Fields that the edge reads, sets or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    /// Belongs to one hop only (RFC 9110 section 7.6.1), or was named by `Connection`.
    HopByHop,
    Upgrade,
    Expect,
    Te,
    Trailer,
    /// Says who the client is: only ours to say (RFC 7239 and its forerunners).
    Forwarded,
    /// Names the client's address, as CDNs and balancers do that are not here: applications believe it.
    ClientAddress,
    /// Says something else of how the client came, which only a proxy can know.
    SaidByProxy,
    XForwardedFor,
    UserAgent,
    Referrer,
    Cookie,
    Accept,
    AcceptLanguage,
    Authorization,
    SetCookie,
}

impl Kind {
    /// What a name stands for. `_` counts as `-`, because servers that hand fields to CGI read
    /// them so.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let mut folded = [0; LONGEST_KNOWN];
        if fold_token(name, &mut folded) < name.len() {
            return Self::Other;
        }
        folded.get(..name.len()).map_or(Self::Other, Self::of_folded)
    }

    /// The same for a name as [`fold_token`] gives it.
    fn of_folded(name: &[u8]) -> Self {
        match name {
            b"host" => Self::Host,
            b"content-length" => Self::ContentLength,
            b"transfer-encoding" => Self::TransferEncoding,
            b"connection" => Self::Connection,
            b"keep-alive" | b"proxy-connection" | b"http2-settings" | b"proxy-authorization" => {
                Self::HopByHop
            }
            b"upgrade" => Self::Upgrade,
            b"expect" => Self::Expect,
            b"te" => Self::Te,
            b"trailer" => Self::Trailer,
            b"forwarded" | b"x-forwarded-host" | b"x-forwarded-proto" | b"x-forwarded-port"
            | b"x-real-ip" | b"x-forwarded" => Self::Forwarded,
            b"x-forwarded-for" => Self::XForwardedFor,
            b"user-agent" => Self::UserAgent,
            b"referer" => Self::Referrer,
            b"cookie" => Self::Cookie,
            b"accept" => Self::Accept,
            b"accept-language" => Self::AcceptLanguage,
            b"authorization" => Self::Authorization,
            b"set-cookie" => Self::SetCookie,
            word if word.starts_with(b"x-forwarded-") => Self::SaidByProxy,
            word if is_client_address(word) => Self::ClientAddress,
            _ => Self::Other,
        }
    }

    /// Whether a trailer of this kind would say something that belongs before the body.
    #[must_use]
    pub fn is_welcome_as_trailer(self) -> bool {
        self == Self::Other
    }
}

/// Fields in which CDNs, hosts and load balancers name the client's address, from their documentation.
/// An application that stands, or once stood, behind one of them believes it.
fn is_client_address(name: &[u8]) -> bool {
    matches!(
        name,
        b"ali-cdn-real-ip"
            | b"cdn-src-ip"
            | b"cf-connecting-ip"
            | b"cf-connecting-ipv6"
            | b"cf-pseudo-ipv4"
            | b"client-ip"
            | b"cloudfront-viewer-address"
            | b"do-connecting-ip"
            | b"fastly-client-ip"
            | b"fly-client-ip"
            | b"incap-client-ip"
            | b"proxy-client-ip"
            | b"true-client-ip"
            | b"wl-proxy-client-ip"
            | b"x-appengine-user-ip"
            | b"x-azure-clientip"
            | b"x-azure-socketip"
            | b"x-client-ip"
            | b"x-cluster-client-ip"
            | b"x-envoy-external-address"
            | b"x-nf-client-connection-ip"
            | b"x-original-forwarded-for"
            | b"x-originating-ip"
            | b"x-remote-addr"
            | b"x-remote-ip"
            | b"x-sucuri-clientip"
            | b"x-vercel-forwarded-for"
    )
}

/// Reads one field line without its line end. `start` is its place in the buffer.
///
/// # Errors
/// If it is no field, or would be read differently by different servers.
pub fn parse(line: &[u8], start: usize) -> Result<Field, Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::bad("folded-line"));
    }
    let mut folded = [0; LONGEST_KNOWN];
    let colon = fold_token(line, &mut folded);
    match line.get(colon) {
        Some(b':') if colon > 0 => {}
        None => return Err(Refusal::bad("no-colon")),
        Some(b' ' | b'\t') => return Err(Refusal::bad("space-before-colon")),
        Some(_) => return Err(Refusal::bad("field-name")),
    }
    let name = &line[..colon];
    let rest = &line[colon + 1..];
    if !is_value(rest) {
        return Err(Refusal::bad("field-value"));
    }
    let lead = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value_bytes = rest.len() - rest.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let value_start = start + colon + 1 + lead.min(value_bytes);
    let kind = folded.get(..colon).map_or(Kind::Other, Kind::of_folded);
    if matches!(kind, Kind::ContentLength | Kind::TransferEncoding | Kind::Host) && name.contains(&b'_') {
        return Err(Refusal::bad("underscored-name"));
    }
    Ok(Field {
        kind,
        start: start as u32,
        name_end: (start + colon) as u32,
        value_start: value_start as u32,
        value_end: (start + colon + 1 + value_bytes) as u32,
        end: (start + line.len() + 2) as u32,
    })
}

/// Length of names beyond which none is known.
const LONGEST_KNOWN: usize = 32;

/// Reads the token that `text` begins with, as far as it is kept in lower case and with `-` for `_`. Returns
/// its length.
fn fold_token(text: &[u8], folded: &mut [u8; LONGEST_KNOWN]) -> usize {
    for (at, byte) in text.iter().enumerate() {
        let fold = FOLDED[usize::from(*byte)];
        if fold == 0 {
            return at;
        }
        if let Some(slot) = folded.get_mut(at) {
            *slot = fold;
        }
    }
    text.len()
}

/// `tchar` of RFC 9110 section 5.6.2.
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    FOLDED[usize::from(byte)] != 0
}

/// Bytes of a token as they are compared; 0: not of a token.
const FOLDED: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = match b {
            b'_' => b'-',
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|'
            | b'~' => b,
            _ if b.is_ascii_alphanumeric() => b.to_ascii_lowercase(),
            _ => 0,
        };
        i += 1;
    }
    table
};

/// Whether all are bytes of a field value (RFC 9110 section 5.5): no controls but the tab. Nearly all values have
/// no tab either, so that eight bytes are looked at at once.
fn is_value(bytes: &[u8]) -> bool {
    let is_byte = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7F);
    let are_bytes = |eight: &[u8; 8]| !has_control(u64::from_le_bytes(*eight)) || eight.iter().all(is_byte);
    match bytes.last_chunk() {
        Some(last) => bytes.as_chunks().0.iter().all(are_bytes) && are_bytes(last),
        None => bytes.iter().all(is_byte),
    }
}

/// Whether one of eight bytes is a control: what is below `n` loses its highest bit's zero when `n` is taken away.
fn has_control(eight: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let is_below = |word: u64, n: u64| word.wrapping_sub(n * EACH) & !word & (0x80 * EACH) != 0;
    is_below(eight, 0x20) || is_below(eight ^ (0x7F * EACH), 1)
}

/// The words of a list (RFC 9110 section 5.6.1), without empty ones.
pub fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|w| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_trimmed_and_found_in_its_buffer() {
        let buffer = b"..Accept:\t text/html \r\n";
        let field = parse(&buffer[2..buffer.len() - 2], 2).expect("a field");
        assert_eq!((field.name(buffer), field.value(buffer)), (&b"Accept"[..], &b"text/html"[..]));
        assert_eq!(field.kind, Kind::Accept);
        assert_eq!(field.end as usize, buffer.len());
    }

    #[test]
    fn an_empty_value_stays_within_its_line() {
        let buffer = b"A:   \r\n";
        let field = parse(&buffer[..buffer.len() - 2], 0).expect("a field");
        assert_eq!(field.value(buffer), b"");
    }

    #[test]
    fn controls_are_refused_wherever_in_a_value_they_are() {
        for length in [1, 7, 8, 9, 15, 16, 40] {
            let mut line = b"A:".to_vec();
            line.resize(2 + length, b'x');
            assert!(parse(&line, 0).is_ok(), "{length}");
            for at in 2..line.len() {
                for (byte, is_taken) in
                    [(0x00, false), (0x1F, false), (0x7F, false), (b'\t', true), (0xFF, true)]
                {
                    line[at] = byte;
                    assert_eq!(parse(&line, 0).is_ok(), is_taken, "{byte} at {at} of {length}");
                }
                line[at] = b'x';
            }
        }
    }

    #[test]
    fn long_names_are_read_whole_and_stand_for_nothing() {
        let line = [&b"X-Forwarded-For-"[..], &[b'a'; 40], b": b"].concat();
        let field = parse(&line, 0).expect("a field");
        assert_eq!((field.kind, field.name(&line).len()), (Kind::Other, 56));
        assert_eq!(Kind::of(field.name(&line)), Kind::Other);
        assert_eq!(Kind::of(b"host:"), Kind::Other);
    }

    #[test]
    fn names_that_cgi_confuses_count_as_what_they_pose_as() {
        assert_eq!(Kind::of(b"X_Forwarded_For"), Kind::XForwardedFor);
        assert_eq!(Kind::of(b"CF_Connecting_IP"), Kind::ClientAddress);
        assert_eq!(parse(b"Content_Length: 5", 0), Err(Refusal::bad("underscored-name")));
    }
}
