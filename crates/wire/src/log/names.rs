//! Names that logs give to their fields, and the fields they mean.

use super::draft::{Field, Unit};

/// What a short name in `name=value` means.
pub(super) fn pair_field(name: &[u8]) -> Option<Field> {
    Some(match name {
        b"rt" | b"request_time" | b"req_time" | b"time" | b"dt" | b"duration" => {
            Field::Duration(Unit::Seconds)
        }
        b"urt" | b"upstream_response_time" | b"upstream_time" | b"ut" => Field::Upstream(Unit::Seconds),
        b"ua" | b"upstream_addr" | b"upstream" | b"us" => Field::Server,
        b"cs" | b"cache" | b"ucs" | b"upstream_cache_status" => Field::Cache,
        b"xff" | b"x_forwarded_for" | b"forwarded_for" | b"fwf" => Field::ForwardedFor,
        b"host" | b"h" | b"vhost" | b"sn" | b"server_name" => Field::Host,
        b"rl" | b"request_length" | b"req_len" => Field::RequestBytes,
        b"ja4" => Field::Ja4,
        _ => return None,
    })
}

/// Whether the text is `name=value` with a name of letters.
pub(super) fn is_pair(text: &[u8]) -> bool {
    let name = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    name > 0 && text[0].is_ascii_alphabetic() && text.get(name) == Some(&b'=')
}

/// Whether the text has the shape of a JA4 fingerprint: `t13d1516h2_8daaf6152771_02713d6af862`.
pub(super) fn is_ja4(text: &[u8]) -> bool {
    text.len() == 36
        && matches!(text[0], b't' | b'q' | b'd')
        && text[10] == b'_'
        && text[23] == b'_'
        && text[11..23].iter().chain(&text[24..]).all(u8::is_ascii_hexdigit)
}

/// The words of Seawall for fields, as an operator writes them in a field map.
pub(super) fn meaning(word: &str) -> Option<Field> {
    Some(match word {
        "time" => Field::Time,
        "start_time" => Field::StartTime,
        "client" => Field::Client,
        "peer" => Field::Peer,
        "forwarded_for" => Field::ForwardedFor,
        "real_address" => Field::RealAddress,
        "user" => Field::User,
        "request" => Field::RequestLine,
        "method" => Field::Method,
        "path" | "target" | "url" => Field::Target,
        "query" => Field::Query,
        "version" => Field::Version,
        "host" => Field::Host,
        "status" => Field::Status,
        "response_bytes" => Field::ResponseBytes,
        "request_bytes" => Field::RequestBytes,
        "user_agent" => Field::UserAgent,
        "referrer" | "referer" => Field::Referrer,
        "cookie" => Field::Cookie,
        "accept_language" => Field::AcceptLanguage,
        "backend" => Field::Backend,
        "server" => Field::Server,
        "cache" => Field::Cache,
        "open_connections" => Field::OpenConnections,
        "ja4" => Field::Ja4,
        "message" => Field::Message,
        spanned => {
            let (what, unit) = spanned.rsplit_once('_')?;
            let unit = match unit {
                "s" => Unit::Seconds,
                "ms" => Unit::Milliseconds,
                "us" => Unit::Microseconds,
                "ns" => Unit::Nanoseconds,
                _ => return None,
            };
            match what {
                "duration" => Field::Duration(unit),
                "upstream" => Field::Upstream(unit),
                "queue" => Field::Queue(unit),
                _ => return None,
            }
        }
    })
}

/// What a key of a JSON log means by its name, and how surely (0 is surest). Case, hyphens,
/// underscores and signs in front do not count; a key inside objects counts by its full path or
/// by its last names. A span whose unit the name does not tell has [`Unit::Written`].
pub(super) fn json_field(path: &[u8]) -> Option<(Field, u32)> {
    let name: Vec<u8> = path
        .iter()
        .filter(|b| b.is_ascii_alphanumeric() || **b == b'.')
        .map(u8::to_ascii_lowercase)
        .collect();
    if [&b"respheaders."[..], b"response.headers.", b"tls."].iter().any(|p| name.starts_with(p)) {
        return None;
    }
    let mut rest = name.as_slice();
    let mut depth = 0;
    loop {
        if let Some(rank) = KEYS.iter().position(|(known, _)| known.as_bytes() == rest) {
            return Some((KEYS[rank].1, rank as u32 + depth * 10_000));
        }
        rest = &rest[memchr::memchr(b'.', rest)? + 1..];
        depth += 1;
    }
}

const WRITTEN: Unit = Unit::Written;

/// Names in order of preference.
const KEYS: &[(&str, Field)] = &[
    ("timestamp", Field::Time),
    ("timeiso8601", Field::Time),
    ("timelocal", Field::Time),
    ("time", Field::Time),
    ("ts", Field::Time),
    ("msec", Field::Time),
    ("datetime", Field::Time),
    ("eventtime", Field::Time),
    ("edgeendtimestamp", Field::Time),
    ("realtimetimestamp", Field::Time),
    ("reqtimesec", Field::Time),
    ("date", Field::Time),
    ("logtime", Field::Time),
    ("asctime", Field::Time),
    ("timestampns", Field::Time),
    ("startutc", Field::StartTime),
    ("starttime", Field::StartTime),
    ("startedat", Field::StartTime),
    ("edgestarttimestamp", Field::StartTime),
    ("startlocal", Field::StartTime),
    ("request.clientip", Field::Client),
    ("clientip", Field::Client),
    ("cliip", Field::Client),
    ("clienthost", Field::Client),
    ("client.ip", Field::Client),
    ("realip", Field::RealAddress),
    ("xrealip", Field::RealAddress),
    ("cfconnectingip", Field::RealAddress),
    ("trueclientip", Field::RealAddress),
    ("remoteaddr", Field::Peer),
    ("remoteip", Field::Peer),
    ("downstreamremoteaddress", Field::Peer),
    ("clientaddr", Field::Peer),
    ("clientaddress", Field::Peer),
    ("remoteaddress", Field::Peer),
    ("remotehost", Field::Peer),
    ("source.ip", Field::Peer),
    ("source.address", Field::Peer),
    ("srcip", Field::Peer),
    ("sourceip", Field::Peer),
    ("peer", Field::Peer),
    ("ip", Field::Peer),
    ("client", Field::Peer),
    ("remote", Field::Peer),
    ("addr", Field::Peer),
    ("httpxforwardedfor", Field::ForwardedFor),
    ("xforwardedfor", Field::ForwardedFor),
    ("requestxforwardedfor", Field::ForwardedFor),
    ("forwardedfor", Field::ForwardedFor),
    ("xff", Field::ForwardedFor),
    ("fwd", Field::ForwardedFor),
    ("remoteuser", Field::User),
    ("clientusername", Field::User),
    ("userid", Field::User),
    ("username", Field::User),
    ("user.name", Field::User),
    ("request", Field::RequestLine),
    ("requestline", Field::RequestLine),
    ("requestmethod", Field::Method),
    ("clientrequestmethod", Field::Method),
    ("http.request.method", Field::Method),
    ("method", Field::Method),
    ("httpmethod", Field::Method),
    ("reqmethod", Field::Method),
    ("verb", Field::Method),
    ("requesturi", Field::Target),
    ("clientrequesturi", Field::Target),
    ("url.original", Field::Target),
    ("xenvoyoriginalpath", Field::Target),
    ("xenvoyoriginpath", Field::Target),
    ("uri", Field::Target),
    ("requestpath", Field::Target),
    ("reqpath", Field::Target),
    ("path", Field::Target),
    ("requesturl", Field::Target),
    ("url.path", Field::Target),
    ("url", Field::Target),
    ("clientrequestpath", Field::Target),
    ("querystring", Field::Query),
    ("querystr", Field::Query),
    ("args", Field::Query),
    ("url.query", Field::Query),
    ("query", Field::Query),
    ("serverprotocol", Field::Version),
    ("requestprotocol", Field::Version),
    ("clientrequestprotocol", Field::Version),
    ("http.version", Field::Version),
    ("protocol", Field::Version),
    ("proto", Field::Version),
    ("httpversion", Field::Version),
    ("httphost", Field::Host),
    ("requesthost", Field::Host),
    ("reqhost", Field::Host),
    ("clientrequesthost", Field::Host),
    ("authority", Field::Host),
    ("url.domain", Field::Host),
    ("vhost", Field::Host),
    ("virtualhost", Field::Host),
    ("host", Field::Host),
    ("servername", Field::Host),
    ("domain", Field::Host),
    ("requestaddr", Field::Host),
    ("downstreamstatus", Field::Status),
    ("edgeresponsestatus", Field::Status),
    ("http.response.statuscode", Field::Status),
    ("responsecode", Field::Status),
    ("statuscode", Field::Status),
    ("status", Field::Status),
    ("httpstatus", Field::Status),
    ("httpstatuscode", Field::Status),
    ("responsestatus", Field::Status),
    ("response", Field::Status),
    ("code", Field::Status),
    ("bodybytessent", Field::ResponseBytes),
    ("downstreamcontentsize", Field::ResponseBytes),
    ("edgeresponsebytes", Field::ResponseBytes),
    ("http.response.body.bytes", Field::ResponseBytes),
    ("bytessent", Field::ResponseBytes),
    ("sentbytes", Field::ResponseBytes),
    ("responsesize", Field::ResponseBytes),
    ("responsebytes", Field::ResponseBytes),
    ("size", Field::ResponseBytes),
    ("bytes", Field::ResponseBytes),
    ("contentlength", Field::ResponseBytes),
    ("requestlength", Field::RequestBytes),
    ("requestcontentsize", Field::RequestBytes),
    ("bytesreceived", Field::RequestBytes),
    ("receivedbytes", Field::RequestBytes),
    ("clientrequestbytes", Field::RequestBytes),
    ("bytesread", Field::RequestBytes),
    ("requestsize", Field::RequestBytes),
    ("requesttime", Field::Duration(Unit::Seconds)),
    ("durationms", Field::Duration(Unit::Milliseconds)),
    ("durationus", Field::Duration(Unit::Microseconds)),
    ("durationns", Field::Duration(Unit::Nanoseconds)),
    ("event.duration", Field::Duration(Unit::Nanoseconds)),
    ("latencyms", Field::Duration(Unit::Milliseconds)),
    ("elapsedms", Field::Duration(Unit::Milliseconds)),
    ("responsetimems", Field::Duration(Unit::Milliseconds)),
    ("tookms", Field::Duration(Unit::Milliseconds)),
    ("latencyns", Field::Duration(Unit::Nanoseconds)),
    ("latencyus", Field::Duration(Unit::Microseconds)),
    ("duration", Field::Duration(WRITTEN)),
    ("latency", Field::Duration(WRITTEN)),
    ("elapsed", Field::Duration(WRITTEN)),
    ("responsetime", Field::Duration(WRITTEN)),
    ("timetaken", Field::Duration(WRITTEN)),
    ("took", Field::Duration(WRITTEN)),
    ("elapsedtime", Field::Duration(WRITTEN)),
    ("service", Field::Duration(WRITTEN)),
    ("upstreamresponsetime", Field::Upstream(Unit::Seconds)),
    ("upstreamservicetime", Field::Upstream(Unit::Milliseconds)),
    ("xenvoyupstreamservicetime", Field::Upstream(Unit::Milliseconds)),
    ("originduration", Field::Upstream(WRITTEN)),
    ("edgetimetofirstbytems", Field::Upstream(Unit::Milliseconds)),
    ("turnaroundtimemsec", Field::Upstream(Unit::Milliseconds)),
    ("serverresponselatency", Field::Upstream(Unit::Seconds)),
    ("upstreamtime", Field::Upstream(WRITTEN)),
    ("httpuseragent", Field::UserAgent),
    ("useragent.original", Field::UserAgent),
    ("clientrequestuseragent", Field::UserAgent),
    ("requestuseragent", Field::UserAgent),
    ("useragent", Field::UserAgent),
    ("agent", Field::UserAgent),
    ("ua", Field::UserAgent),
    ("httpreferer", Field::Referrer),
    ("httpreferrer", Field::Referrer),
    ("clientrequestreferer", Field::Referrer),
    ("requestreferer", Field::Referrer),
    ("http.request.referrer", Field::Referrer),
    ("referer", Field::Referrer),
    ("referrer", Field::Referrer),
    ("httpcookie", Field::Cookie),
    ("requestcookie", Field::Cookie),
    ("cookie", Field::Cookie),
    ("httpacceptlanguage", Field::AcceptLanguage),
    ("acceptlanguage", Field::AcceptLanguage),
    ("requestacceptlanguage", Field::AcceptLanguage),
    ("servicename", Field::Backend),
    ("upstreamcluster", Field::Backend),
    ("proxyupstreamname", Field::Backend),
    ("upstreamname", Field::Backend),
    ("backend", Field::Backend),
    ("upstreamaddr", Field::Server),
    ("upstreamhost", Field::Server),
    ("serviceaddr", Field::Server),
    ("serverrouted", Field::Server),
    ("originip", Field::Server),
    ("upstream", Field::Server),
    ("upstreamcachestatus", Field::Cache),
    ("cachecachestatus", Field::Cache),
    ("cachestatus", Field::Cache),
    ("responseflags", Field::EnvoyFlags),
    ("ja4", Field::Ja4),
    ("message", Field::Message),
    ("msg", Field::Message),
    ("log", Field::Message),
    ("textpayload", Field::Message),
    ("event.original", Field::Message),
    ("line", Field::Message),
    ("raw", Field::Message),
    ("shortmessage", Field::Message),
];
