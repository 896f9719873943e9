//! TLS: certificates, protocols, and what is done about handshakes that come to nothing.

use crate::harness::{Origin, PATIENCE, connect, counted, eventually, read_to_end, settings, start};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use seawall_http_edge::tls::{CertificateFiles, Certificates};
use seawall_http_edge::{Counter, Edge, Limits, Settings};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// Certificates of our own in a folder that goes with the test.
pub struct Authority {
    folder: PathBuf,
    pub roots: RootCertStore,
}

impl Authority {
    pub fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("seawall-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self { folder, roots: RootCertStore::empty() }
    }

    /// Writes a new certificate for a name.
    pub fn issue(&mut self, name: &str) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let files = CertificateFiles {
            chain: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.chain, made.cert.pem()).expect("written");
        std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        self.roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("a root");
        files
    }

    /// Writes a new authority's own certificate, and one that it has signed for a name.
    pub fn issue_signed(&mut self, name: &str) -> (PathBuf, CertificateFiles) {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let root = self.folder.join("authority.pem");
        std::fs::write(&root, params.self_signed(&key).expect("a certificate").pem()).expect("written");
        let issuer = rcgen::Issuer::new(params, key);
        let own = rcgen::KeyPair::generate().expect("a key");
        let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let signed = leaf.signed_by(&own, &issuer).expect("a certificate");
        let files =
            CertificateFiles { chain: self.folder.join("signed.pem"), key: self.folder.join("signed.key") };
        std::fs::write(&files.chain, signed.pem()).expect("written");
        std::fs::write(&files.key, own.serialize_pem()).expect("written");
        (root, files)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// An edge with TLS for `shop.example`, before an origin.
pub fn encrypted(change: impl FnOnce(&mut Limits)) -> (Edge, Origin, Authority) {
    encrypted_with(|settings| change(&mut settings.limits))
}

pub fn encrypted_with(change: impl FnOnce(&mut Settings)) -> (Edge, Origin, Authority) {
    let mut authority = Authority::new();
    let files = authority.issue("shop.example");
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    settings.sites[0].tls = Some(Certificates::load(vec![files]).expect("certificates"));
    change(&mut settings);
    (start(settings), origin, authority)
}

/// A connection with a finished handshake.
pub fn handshake(edge: &Edge, authority: &Authority, name: &str, protocols: &[&str]) -> Encrypted {
    try_handshake(edge, authority, name, protocols).expect("a handshake")
}

fn try_handshake(
    edge: &Edge,
    authority: &Authority,
    name: &str,
    protocols: &[&str],
) -> std::io::Result<Encrypted> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(authority.roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut tcp = connect(edge);
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}

#[test]
fn a_request_passes_and_the_upstream_knows_that_it_was_encrypted() {
    let (edge, origin, authority) = encrypted(|_| {});
    let mut client = handshake(&edge, &authority, "shop.example", &["http/1.1"]);
    client.write_all(b"GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("text");
    assert!(answer.ends_with("/a"), "{answer}");
    assert!(origin.seen().concat().contains("X-Forwarded-Proto: https\r\n"), "{:?}", origin.seen());
}

#[test]
fn certificates_are_chosen_by_name_and_reloaded() {
    let mut authority = Authority::new();
    let files = vec![authority.issue("shop.example"), authority.issue("blog.example")];
    let origin = Origin::start();
    let mut settings = settings(&[origin.address]);
    let certificates = Certificates::load(files).expect("certificates");
    settings.sites[0].tls = Some(certificates.clone());
    let edge = start(settings);
    handshake(&edge, &authority, "shop.example", &[]);
    handshake(&edge, &authority, "blog.example", &[]);
    let before = std::mem::replace(&mut authority.roots, RootCertStore::empty());
    authority.issue("blog.example");
    certificates.reload().expect("the new one");
    handshake(&edge, &authority, "blog.example", &[]);
    authority.roots = before;
    assert!(try_handshake(&edge, &authority, "blog.example", &[]).is_err());
    handshake(&edge, &authority, "shop.example", &[]);
    std::fs::write(authority.folder.join("blog.example.pem"), "nonsense").expect("written");
    assert!(certificates.reload().is_err());
    handshake(&edge, &authority, "shop.example", &[]);
}

#[test]
fn a_handshake_that_does_not_come_is_cut_at_its_deadline() {
    let (edge, _origin, _authority) = encrypted(|l| l.handshake_deadline_ms = 200);
    let mut silent = connect(&edge);
    assert_eq!(read_to_end(&mut silent), "");
    let mut half = connect(&edge);
    // The head of a record, and no more.
    half.write_all(&[22, 3, 1, 2, 0, 1, 0]).expect("sent");
    assert_eq!(read_to_end(&mut half), "");
    counted(&edge, Counter::handshake_deadline, 2);
}

#[test]
fn what_is_no_handshake_is_closed_at_once() {
    let (edge, origin, _authority) = encrypted(|_| {});
    let mut plain = connect(&edge);
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    read_to_end(&mut plain);
    eventually("it is counted", || edge.count(Counter::handshake_failed) == 1);
    assert!(origin.seen().is_empty());
}

#[test]
fn renegotiation_is_refused() {
    let (edge, origin, authority) = encrypted(|_| {});
    let mut client = handshake(&edge, &authority, "shop.example", &["http/1.1"]);
    // A handshake record that the session's keys do not cover.
    client.sock.write_all(&[22, 3, 3, 0, 4, 1, 0, 0, 0]).expect("sent");
    client.sock.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let ended = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").and_then(|()| {
        let mut rest = Vec::new();
        client.read_to_end(&mut rest)
    });
    assert!(!matches!(ended, Ok(n) if n > 0), "{ended:?}");
    assert!(origin.seen().is_empty());
    eventually("it is closed", || edge.open_connections() == 0);
}
