//! Candidates for HTTP requests.

use super::{Hashed, Pool, keyed};
use seawall_model::observation::{HttpVersion, Presence};
use seawall_model::record::{RequestRecord, TEXT_LIMIT_BYTES};
use seawall_model::signature::Test;
use seawall_model::text::{
    ANY_PARAMETER, ANY_SEGMENT, ANY_WORD, path_template, query_shape, referrer_origin,
};

/// Tries every attribute of a request. The answer is none of them: its status is known only after
/// the request was served, and what it is in trouble says nothing of what it was before.
pub(crate) fn collect(pool: &mut Pool<'_>, unwanted: &[RequestRecord], normal: &[RequestRecord]) {
    let mut exact = |key: &dyn Fn(&RequestRecord) -> Option<Test>| {
        pool.values(keyed(unwanted, key), keyed(normal, key), |t: &Test| Some(t.clone()));
    };
    exact(&|r| Some(Test::Method(r.method)));
    exact(&|r| (r.version != HttpVersion::Unknown).then_some(Test::HttpVersion(r.version)));
    exact(&|r| (r.cookie != Presence::Unknown).then_some(Test::Cookie(r.cookie)));
    exact(&|r| (r.accept_language != Presence::Unknown).then_some(Test::AcceptLanguage(r.accept_language)));
    exact(&|r| (r.header_order != 0).then_some(Test::HeaderOrder(r.header_order)));
    texts(pool, unwanted, normal);
    shapes(pool, unwanted);
}

fn texts(pool: &mut Pool<'_>, unwanted: &[RequestRecord], normal: &[RequestRecord]) {
    let mut exact = |key: &dyn Fn(&RequestRecord) -> Option<&str>, test: &dyn Fn(String) -> Test| {
        let hashed = |r| key(r).map(Hashed::new);
        pool.values(keyed(unwanted, hashed), keyed(normal, hashed), |h| Some(test(h.text.to_owned())));
    };
    exact(&|r| whole(&r.host).filter(|h| !h.is_empty()), &Test::Host);
    exact(&|r| whole(&r.path), &Test::Path);
    exact(&|r| whole(&r.ja4).filter(|j| !j.is_empty()), &Test::Ja4);
    // A log without these fields is no traffic without these headers.
    let logs_headers =
        unwanted.iter().chain(normal).any(|r| !r.user_agent.is_empty() || !r.referrer.is_empty());
    if logs_headers {
        exact(&|r| whole(&r.user_agent), &Test::UserAgent);
        exact(&|r| whole(&r.referrer).map(referrer_origin), &Test::ReferrerOrigin);
    }
}

fn shapes(pool: &mut Pool<'_>, unwanted: &[RequestRecord]) {
    let templates = keyed(unwanted, |r| {
        whole(&r.path).map(path_template).filter(|t| t.split('/').any(|s| s == ANY_SEGMENT))
    });
    pool.patterns(templates, |t| Some(Test::PathTemplate(t.to_owned())));
    let queries = keyed(unwanted, |r| match &r.query {
        Some(query) => whole(query).map(|q| query_shape(Some(q))),
        None => Some(String::new()),
    });
    pool.patterns(queries, |shape| {
        let is_plain = !shape.split('&').any(|part| part == ANY_WORD || part == ANY_PARAMETER);
        (is_plain || shape.len() <= MAX_SHAPE_BYTES).then(|| Test::QueryShape(shape.to_owned()))
    });
}

/// Longer shapes are no pattern that a person would read or a proxy should match.
const MAX_SHAPE_BYTES: usize = 200;

/// Text that is kept whole: cut or repaired text equals nothing on the wire.
fn whole(text: &str) -> Option<&str> {
    (text.len() < TEXT_LIMIT_BYTES && !text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
}
