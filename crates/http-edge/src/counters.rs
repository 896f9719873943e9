//! What one thread counts: the names are those of the metrics, without `seawall_` and `_total`.

seawall_model::counters! {
    /// connections accepted
    connections
    /// connections that have ended
    connections_closed
    /// connections refused because the source has too many
    connections_per_source_refused
    /// connections refused because there are too many in all
    connections_refused
    /// requests, before anything was done about them
    requests
    /// requests that came over HTTP/2
    http2_requests
    /// answers of class 1xx, also of upgrades
    answers_1xx
    /// answers of class 2xx
    answers_2xx
    /// answers of class 3xx
    answers_3xx
    /// answers of class 4xx
    answers_4xx
    /// answers of class 5xx
    answers_5xx
    /// bytes of bodies from clients
    request_body_bytes
    /// bytes of bodies to clients
    response_body_bytes
    /// requests refused as malformed or ambiguous
    malformed
    /// requests answered from the cache, as a plan asks for
    served_stored
    /// answers of the cache in place of an upstream's failure or where there was no room
    served_instead
    /// heads cut at header-deadline
    header_deadline
    /// connections closed after idle-timeout
    idle_timeout
    /// TLS handshakes cut at handshake-deadline
    handshake_deadline
    /// TLS handshakes that failed
    handshake_failed
    /// bodies and answers cut because the client was slower than min-rate
    min_rate
    /// heads beyond head-bytes, target-bytes or fields
    head_limits
    /// connections ended after requests-per-connection
    requests_per_connection
    /// HTTP/2 connections cut for http2-resets
    http2_resets
    /// HTTP/2 requests that were reset before anything was done about them
    http2_reset_unserved
    /// HTTP/2 connections cut for http2-control-frames
    http2_control_frames
    /// HTTP/2 connections cut for http2-continuations
    http2_continuations
    /// HTTP/2 connections that broke the protocol
    http2_errors
    /// connections whose PROXY header was missing or wrong
    proxy_header_refused
    /// upgraded connections
    upgrades
    /// upgraded connections closed after tunnel-idle of silence
    tunnel_idle
    /// connections opened to upstreams
    upstream_connections
    /// connections to upstreams that failed
    upstream_connect_failed
    /// upstreams that did not answer in time
    upstream_timeouts
    /// answers of upstreams that were cut short or made no sense
    upstream_broken
    /// requests sent a second time, to another upstream or over a new connection
    retries
    /// requests not retried because the budget was spent
    retry_budget_spent
    /// requests that met no upstream that is up
    no_upstream
    /// clients that went away before their answer
    client_aborted
    /// requests refused by one of rate-limits
    rate_limits
    /// requests for a host that is none of the site's names
    misdirected
    /// requests refused by a rule
    rule_refused
    /// connections closed without an answer by a rule
    rule_closed
    /// requests answered with a challenge
    rule_challenged
    /// requests answered with the waiting room
    rule_waiting
    /// requests held back by a rule
    rule_delayed
    /// requests shed because the upstream was full
    rule_shed
    /// requests of clients that were known before the present trouble
    known_requests
    /// such requests that were answered without an error
    known_good
    /// such requests that a measure refused or put off
    known_refused
    /// pages that such clients were given
    known_pages
    /// parts of pages that such clients asked for
    known_parts
    /// requests of such clients who have looked at a page since the trouble began
    known_looking
    /// such requests that a measure refused or put off
    known_looking_refused
    /// lines of the access log that are lost because they could not be written, or not in time
    access_log_dropped
}
