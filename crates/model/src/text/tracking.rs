//! Parameters that letters, advertisements and social networks append to links.

/// Beginnings of the names of such parameters: those of analytics, advertisements and senders of letters.
const TRACKING: [&str; 22] = [
    "utm_",
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "fbclid",
    "msclkid",
    "yclid",
    "ttclid",
    "twclid",
    "igsh",
    "li_fat_id",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "_hsenc",
    "_hsmi",
    "vero_id",
    "epik",
    "srsltid",
    "_gl",
    "oly_",
];

/// Whether a parameter (`name=value`) only says by which link somebody came.
#[must_use]
pub fn is_tracking(parameter: &[u8]) -> bool {
    TRACKING.iter().any(|name| parameter.starts_with(name.as_bytes()))
}

/// A query without what only says by which link somebody came: such parameters differ from reader to reader
/// and change nothing of the answer.
#[must_use]
pub fn without_tracking(query: &str) -> String {
    let is_own = |pair: &&str| !is_tracking(pair.as_bytes());
    query.split('&').filter(is_own).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_letters_ask_for_one_page() {
        assert_eq!(without_tracking("id=7&utm_source=letter&mc_eid=4f2a9c01d3"), "id=7");
        assert_eq!(without_tracking("utm_medium=email&gclid=Cj0KCQ"), "");
        assert_eq!(without_tracking("q=shoes&page=2"), "q=shoes&page=2");
    }
}
