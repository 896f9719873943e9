//! What signed answers prove is used for other names (RFC 8198): Knot signs, the edge answers, and
//! Unbound checks the answers against the zone's key.

use crate::lab::{Lab, Server, ask_udp, code, patient, query_with_proof, try_message, until};
use domain::base::{Message, ParsedName};
use domain::rdata::AllRecordData;
use seawall_dns_edge::message::{Answer, Query, kind};
use seawall_dns_edge::{Counter, Limits};
use std::net::SocketAddr;

/// What is proven holds for longer than the test takes on any machine.
const NAMES: &str = "$ORIGIN example.org.
$TTL 3600
@ IN SOA ns1 admin 7 3600 600 86400 3600
@ NS ns1
ns1 A 127.0.0.1
www A 192.0.2.1
mail A 192.0.2.2
*.wild A 192.0.2.7
a.ent A 192.0.2.8
sub NS ns.elsewhere.test.
";

/// Limits under which answers with proofs to one address alone are no reflection.
fn quiet() -> Limits {
    Limits { loud_bytes_per_s: 1 << 30, ..patient() }
}

/// Knot that signs the zone, with NSEC or with NSEC3. `None`: not installed.
fn signer(nsec3: &str) -> Option<Server> {
    let server = Server::start_with("knotd", NAMES, |folder, port| {
        format!(
            "server:\n  listen: 127.0.0.1@{port}\n  rundir: \"{folder}\"\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: \"{folder}\"\n\
             policy:\n  - id: once\n    single-type-signing: on\n    {nsec3}\n\
             zone:\n  - domain: example.org\n    file: \"{folder}/zone\"\n    \
             zonefile-load: difference\n    zonefile-sync: -1\n    dnssec-signing: on\n    dnssec-policy: once\n"
        )
    })?;
    until("it is signed", || {
        ask(server.address, "nope.example.org", 1).is_some_and(|a| kinds(&a).contains(&kind::RRSIG))
    });
    Some(server)
}

fn ask(server: SocketAddr, name: &str, qtype: u16) -> Option<Vec<u8>> {
    try_message(server, &query_with_proof(name, qtype))
}

/// The types of all records of the authority section.
fn kinds(answer: &[u8]) -> Vec<u16> {
    records(answer).into_iter().map(|(_, kind, _)| kind).collect()
}

/// Owner, type and data of all records of the authority section, sorted, as a reader of other origin
/// sees them.
fn records(answer: &[u8]) -> Vec<(String, u16, String)> {
    let message = Message::from_octets(answer).expect("a message");
    let mut all = Vec::new();
    for record in message.authority().expect("a section") {
        let record = record.expect("a record");
        let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().expect("data");
        let owner = record.owner().to_string().to_ascii_lowercase();
        all.push((owner, record.rtype().to_int(), record.data().to_string()));
    }
    all.sort();
    all
}

#[test]
fn names_are_denied_from_ranges_with_the_servers_own_proofs() {
    for nsec3 in ["nsec3: off", "nsec3: on\n    nsec3-iterations: 0", "nsec3: on\n    nsec3-iterations: 5"] {
        let Some(server) = signer(nsec3) else { return };
        let lab = Lab::start(&[&server], None, quiet());
        let names = |n: u32| {
            let kinds = ["", "www.", "deep.mail.", "ent.", "b.a.ent."];
            format!("r{n}x.{}example.org", kinds[n as usize % kinds.len()])
        };
        for n in 0..400 {
            assert!(ask(lab.address, &names(n), 1).is_some_and(|a| code(&a) == 3), "{nsec3}: {}", names(n));
        }
        let before = (lab.edge.count(Counter::backend_queries), lab.edge.count(Counter::denied));
        for n in 400..600 {
            let name = names(n);
            let ours = ask(lab.address, &name, 1).expect("an answer");
            let theirs = ask(server.address, &name, 1).expect("an answer");
            assert_eq!((code(&ours), ours[2] & 4), (3, 4), "{name}");
            assert_eq!(records(&ours), records(&theirs), "{nsec3}: {name}");
            let end = Query::parse(&query_with_proof(&name, 1)).expect("a query").question_end();
            let read = Answer::parse(&ours, end).expect("an answer");
            assert!(read.can_be_cached && read.least_ttl_s.is_some_and(|ttl| ttl <= 3_600), "{read:?}");
            assert!(ours.len() <= theirs.len() + 60, "{} and {}", ours.len(), theirs.len());
            // Who does not ask for proofs gets the SOA record alone.
            let plain = ask_udp(lab.address, &format!("p{name}"), 1);
            assert_eq!((code(&plain), kinds(&plain)), (3, vec![kind::SOA]));
        }
        let after = (lab.edge.count(Counter::backend_queries), lab.edge.count(Counter::denied));
        assert!(after.0 - before.0 <= 4, "{nsec3}: {} questions for what is proven", after.0 - before.0);
        assert!(after.1 - before.1 >= 396, "{nsec3}: {}", after.1 - before.1);
        for (name, qtype, wanted) in [
            ("www.example.org", 1, 0),
            ("x.wild.example.org", 1, 0),
            ("ent.example.org", 1, 0),
            ("x.sub.example.org", 1, 0),
        ] {
            let ours = ask(lab.address, name, qtype).expect("an answer");
            assert_eq!(code(&ours), wanted, "{nsec3}: {name}");
            let theirs = ask(server.address, name, qtype).expect("an answer");
            assert_eq!(ours[6..10], theirs[6..10], "{nsec3}: {name}");
        }
    }
}

/// A validating resolver that asks the edge for the zone. `None`: not installed.
fn validator(edge: SocketAddr, ds: &str) -> Option<Server> {
    Server::start_with("unbound", "", |folder, port| {
        std::fs::write(format!("{folder}/anchor"), ds).expect("an anchor");
        format!(
            "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  \
             directory: \"{folder}\"\n  pidfile: \"{folder}/pid\"\n  use-syslog: no\n  num-threads: 1\n  \
             do-not-query-localhost: no\n  aggressive-nsec: no\n  harden-below-nxdomain: no\n  qname-minimisation: no\n  \
             module-config: \"validator iterator\"\n  trust-anchor-file: \"{folder}/anchor\"\n\
             stub-zone:\n  name: example.org\n  stub-addr: 127.0.0.1@{}\n",
            edge.port()
        )
    })
}

#[test]
fn a_validating_resolver_believes_what_is_denied_from_ranges() {
    for nsec3 in ["nsec3: off", "nsec3: on\n    nsec3-iterations: 0"] {
        let Some(server) = signer(nsec3) else { return };
        let lab = Lab::start(&[&server], None, quiet());
        let Some(resolver) = validator(lab.address, &server.knot_says("keymgr", &["example.org", "ds"]))
        else {
            return;
        };
        let mut secure = 0;
        for n in 0..300 {
            let name = format!("v{n}.{}example.org", ["", "www.", "q.mail."][n % 3]);
            let answer = ask(resolver.address, &name, 1).expect("an answer");
            assert_eq!(code(&answer), 3, "{nsec3}: {name}");
            secure += usize::from(answer[3] & 0x20 != 0);
        }
        let nodata = ask(resolver.address, "www.example.org", 16).expect("an answer");
        assert_eq!((code(&nodata), nodata[3] & 0x20), (0, 0x20));
        assert_eq!(secure, 300, "{nsec3}: authentic by the resolver's own check");
        assert!(lab.edge.count(Counter::denied) >= 280, "{nsec3}: {}", lab.edge.count(Counter::denied));
    }
}
