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

/// A query without what only says by which link somebody came: such parameters differ from reader to reader
/// and change nothing of the answer.
#[must_use]
pub fn without_tracking(query: &str) -> String {
    let is_own = |pair: &&str| !TRACKING.iter().any(|name| pair.starts_with(name));
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
