//! What one thread counts: the names are those of the metrics, without `seawall_dns_` and `_total`.

seawall_model::counters! {
    /// messages from clients, before anything was done about them
    queries
    /// of them over TCP
    queries_tcp
    /// bytes of messages from clients over UDP
    query_bytes
    /// answers to clients
    answers
    /// bytes of answers to clients over UDP
    answer_bytes
    /// messages dropped because they are no queries
    malformed
    /// queries refused by policy: operations, transfers, signatures, classes
    refused
    /// questions for all types of a name
    any
    /// queries that showed a cookie of ours
    proven
    /// answers from the cache
    cached
    /// of them given by the kernel filter
    in_kernel
    /// answers from the cache after their time
    stale
    /// answers that a name does not exist, by the zone
    absent
    /// answers that a name or its type does not exist, by ranges of a signed zone (RFC 8198)
    denied
    /// queries passed to a back end because the name exists, by the zone
    existing
    /// queries passed to a back end because the name has answered before
    learnt
    /// queries passed to a back end for names of which nothing is known
    unknown
    /// questions for names that are absent or unknown that the kernel filter answered or dropped, by samples
    held_in_kernel
    /// queries for unknown names that had to wait in vain for room
    unknown_held_back
    /// clients told to show a cookie
    bad_cookie
    /// clients told to come over TCP
    truncated
    /// queries dropped without an answer
    dropped
    /// questions repeated by one network beyond repeats-per-network
    repeated
    /// queries that wait for an answer that is already asked for
    joined
    /// queries not passed on because too many wait
    outstanding_full
    /// messages sent to back ends
    backend_queries
    /// answers of back ends that were taken
    backend_answers
    /// messages on the ports of back ends that answer nothing that was asked
    backend_unmatched
    /// answers of back ends that cannot be read
    backend_broken
    /// queries that no back end answered in time
    backend_timeouts
    /// second attempts
    hedged
    /// second attempts not made because the budget was spent
    hedge_budget_spent
    /// second attempts that answered first
    hedge_won
    /// questions asked again over TCP
    backend_tcp
    /// back ends taken out because they did not answer
    ejected
    /// clients told that the servers failed
    failed
    /// TCP connections accepted
    connections
    /// TCP connections refused because there are too many, in all or of the source
    connections_refused
    /// TCP connections closed after idle-timeout or for making room
    connections_idle
    /// datagrams that the system did not take
    send_failed
    /// slots of a hundred milliseconds that were loud
    loud
    /// answers cut short so that no more goes out than came in
    outbound_held_back
}
