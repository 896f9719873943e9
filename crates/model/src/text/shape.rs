//! Shapes of request text: path templates, query shapes, referrer origins, and how a shape is
//! matched.
//!
//! A shape is made with heuristics (which segments vary?) but matched as a plain pattern, in
//! which a wildcard stands for *any* text of its place. So what is measured here is exactly what
//! a regular expression in a proxy will do, and the heuristics cannot make harm look smaller.

use super::random_word::{is_random_word, is_uuid};

/// Wildcard for one whole path segment.
pub const ANY_SEGMENT: &str = "*";
/// A bare word (no `=`) in a query.
pub const ANY_WORD: &str = "?";
/// A parameter of any name.
pub const ANY_PARAMETER: &str = "?=";

/// The path with each varying segment as `*`: `/item/8731/photos` becomes `/item/*/photos`.
/// Varying are numbers, hexadecimal text, UUIDs and random-looking words; a file extension does
/// not keep a segment from varying.
#[must_use]
pub fn path_template(path: &str) -> String {
    let mut template = String::with_capacity(path.len());
    for (i, segment) in path.split('/').enumerate() {
        if i > 0 {
            template.push('/');
        }
        template.push_str(if is_varying(segment) { ANY_SEGMENT } else { segment });
    }
    template
}

/// Whether a path fits a template: same number of segments, `*` stands for any that is not empty.
#[must_use]
pub fn fits_template(template: &str, path: &str) -> bool {
    let mut wanted = template.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(ANY_SEGMENT), Some(segment)) if !segment.is_empty() => {}
            (Some(w), Some(g)) if w == g => {}
            _ => return false,
        }
    }
}

/// Names of the query's parameters in order, joined by `&`: `id=7&page=2` becomes `id&page`. A
/// random-looking bare word becomes `?`, a parameter with a random-looking or empty name `?=`. Empty: no
/// query.
#[must_use]
pub fn query_shape(query: Option<&str>) -> String {
    let Some(query) = query.filter(|q| !q.is_empty()) else { return String::new() };
    let mut shape = String::new();
    for (i, part) in query.split('&').enumerate() {
        if i > 0 {
            shape.push('&');
        }
        match part.split_once('=') {
            Some((name, _)) if name.is_empty() || is_varying(name) => shape.push_str(ANY_PARAMETER),
            Some((name, _)) => shape.push_str(name),
            None if is_varying(part) => shape.push_str(ANY_WORD),
            None => shape.push_str(part),
        }
    }
    shape
}

/// Whether a query fits a shape, part by part in order.
#[must_use]
pub fn fits_query_shape(shape: &str, query: Option<&str>) -> bool {
    let query = query.unwrap_or("");
    if shape.is_empty() || query.is_empty() {
        return shape.is_empty() && query.is_empty();
    }
    let mut wanted = shape.split('&');
    let mut given = query.split('&');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(w), Some(g)) if fits_query_part(w, g) => {}
            _ => return false,
        }
    }
}

/// Scheme and host of a referrer: `https://www.example.net/a?b` becomes
/// `https://www.example.net`. Text without `//` is cut at its first `/`.
#[must_use]
pub fn referrer_origin(referrer: &str) -> &str {
    let host_start = referrer.find("//").map_or(0, |i| i + 2);
    let host_end = referrer[host_start..].find(['/', '?', '#']).map_or(referrer.len(), |i| host_start + i);
    &referrer[..host_end]
}

fn fits_query_part(wanted: &str, given: &str) -> bool {
    match given.split_once('=') {
        Some((name, _)) => wanted == ANY_PARAMETER || wanted == name,
        None => wanted == given || (wanted == ANY_WORD && !given.is_empty()),
    }
}

/// Whether a segment or name is one of many of its kind.
fn is_varying(segment: &str) -> bool {
    let stem = segment
        .rsplit_once('.')
        .map_or(segment, |(stem, extension)| if (1..=5).contains(&extension.len()) { stem } else { segment });
    if stem.is_empty() {
        return false;
    }
    let is_number = stem.bytes().all(|b| b.is_ascii_digit());
    let is_hex = stem.len() >= 8 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    is_number || is_hex || is_uuid(stem.as_bytes()) || is_random_word(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_replace_what_varies() {
        assert_eq!(path_template("/item/8731/photos"), "/item/*/photos");
        assert_eq!(path_template("/"), "/");
        assert_eq!(path_template("/NGUHGC"), "/*");
        assert_eq!(path_template("/img/9f86d081884c7d65.png"), "/img/*");
        assert_eq!(path_template("/about/team"), "/about/team");
    }

    #[test]
    fn templates_match_as_plain_patterns() {
        assert!(fits_template("/item/*/photos", "/item/x/photos"));
        assert!(!fits_template("/item/*/photos", "/item//photos"));
        assert!(!fits_template("/item/*", "/item/7/photos"));
        for path in ["/", "", "/a/b", "/NGUHGC", "//", "/*"] {
            assert!(fits_template(&path_template(path), path), "{path}");
        }
    }

    #[test]
    fn query_shapes_keep_names_and_match_their_maker() {
        assert_eq!(query_shape(None), "");
        assert_eq!(query_shape(Some("")), "");
        assert_eq!(query_shape(Some("8890121518")), "?");
        assert_eq!(query_shape(Some("UZQHZVX=NQXZ")), "?=");
        assert_eq!(query_shape(Some("id=7&page=2&edit")), "id&page&edit");
        for query in ["a=1", "8890121518", "UZQHZVX=NQXZ", "a&&b", "=", "?", "a=b=c&d", "&"] {
            assert!(fits_query_shape(&query_shape(Some(query)), Some(query)), "{query}");
        }
        assert!(!fits_query_shape("", Some("a")));
        assert!(!fits_query_shape("?", Some("a=b")));
        assert!(!fits_query_shape("a", None));
    }

    #[test]
    fn origins_end_before_the_path() {
        assert_eq!(referrer_origin("https://www.google.am/search?q=localhost/"), "https://www.google.am");
        assert_eq!(referrer_origin("http://shop.example?x"), "http://shop.example");
        assert_eq!(referrer_origin(""), "");
        assert_eq!(referrer_origin("android-app://com.example/"), "android-app://com.example");
    }
}
