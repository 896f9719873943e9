//! What links carry that were sent out: the campaign that they belong to, and their reader's own key.

use seawall_model::text;

/// Whether a request shows a key that nobody could guess, as the links do by which letters are read, confirmed
/// and left: in a parameter, or as the last name of the path.
#[must_use]
pub fn shows_key(path: &[u8], query: Option<&[u8]>) -> bool {
    let last = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    let mut parameters = query.unwrap_or(b"").split(|&b| b == b'&').take(8);
    is_key(last) || parameters.any(|p| is_key(p.splitn(2, |&b| b == b'=').last().unwrap_or(p)))
}

fn is_key(word: &[u8]) -> bool {
    /// Fewer characters can be tried out, and are cheaper to read again than to copy.
    const KEY_BYTES: usize = 16;
    /// Keys consist of parts (RFC 7519 3), of which one at least is so long.
    const PART_BYTES: usize = 12;
    if word.len() < KEY_BYTES {
        return false;
    }
    let Ok(word) = std::str::from_utf8(word) else { return false };
    let mut parts = word.split(['.', '-', '_', '~', '%', '+', ':']).filter(|part| part.len() >= PART_BYTES);
    text::is_random_word(word) || parts.any(text::is_random_word)
}

/// Whether a query names the campaign by which its reader came (an advertisement, a letter).
#[must_use]
pub fn is_campaign(query: &[u8]) -> bool {
    query.split(|&b| b == b'&').take(8).any(text::is_tracking)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_what_pages_are_called() {
        for key in [
            "?u=f0aed98f7064089c21",
            "?id=Xk29dQpLr7vT0aYbW3",
            "?jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.x",
        ] {
            assert!(shows_key(b"/o", Some(&key.as_bytes()[1..])), "{key}");
        }
        assert!(shows_key(b"/leave/123e4567-e89b-12d3-a456-426614174000", None));
        for page in ["/a-history-of-lighthouses-in-portugal", "/news/2024-05-17-opening-hours", "/r/a1b2c3d4"]
        {
            assert!(!shows_key(page.as_bytes(), None), "{page}");
        }
        assert!(!shows_key(b"/search", Some(b"q=lighthouses+in+portugal&page=2")));
    }
}
