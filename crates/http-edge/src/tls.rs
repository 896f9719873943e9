//! TLS: certificates by server name, reloaded without dropping a connection.

use crate::files;
use crate::validity::Validity;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sessions kept for resumption where a client takes no tickets.
const SESSIONS: usize = 4_096;
/// Larger than all the authorities of a system together.
const LARGEST_FILE_BYTES: u64 = 16 << 20;

/// A certificate chain with its key, by the files that hold them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the server's own certificate first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// The certificates of a site. Connections that are open keep those that they began with.
#[derive(Clone)]
pub struct Certificates {
    files: Vec<CertificateFiles>,
    store: Arc<Store>,
    config: Arc<ServerConfig>,
}

/// Why certificates are not taken. Those in use stay.
#[derive(Debug)]
pub enum CertificateError {
    Read { path: PathBuf, source: rustls::pki_types::pem::Error },
    Empty { path: PathBuf },
    Mismatch { path: PathBuf, source: rustls::Error },
    Name { path: PathBuf },
    None,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Empty { path } => write!(f, "{} holds no certificate", path.display()),
            Self::Mismatch { path, source } => {
                write!(f, "the key {} does not serve its certificate: {source}", path.display())
            }
            Self::Name { path } => write!(f, "{} names no host", path.display()),
            Self::None => f.write_str("no certificate is named"),
        }
    }
}

impl std::error::Error for CertificateError {}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads certificates. The first is used where the client asks for a name that none has.
    ///
    /// # Errors
    /// With the first file that cannot be used.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, CertificateError> {
        let store = Arc::new(Store { loaded: ArcSwap::from_pointee(read_all(&files)?) });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&store) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| CertificateError::Mismatch { path: files[0].key.clone(), source })?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        // Without tickets there is still the store.
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Self { files, store, config: Arc::new(config) })
    }

    /// Reads the files again; new connections use what they hold now.
    ///
    /// # Errors
    /// With the first file that cannot be used; the certificates in use stay.
    pub fn reload(&self) -> Result<(), CertificateError> {
        self.store.loaded.store(Arc::new(read_all(&self.files)?));
        Ok(())
    }

    /// Files to watch for changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().flat_map(|f| [f.chain.as_path(), f.key.as_path()])
    }

    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

#[derive(Debug)]
struct Store {
    loaded: ArcSwap<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Lower case; `*.example.org` for a wildcard.
    by_name: BTreeMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let loaded = self.loaded.load();
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            loaded.by_name.get(&format!("*.{parent}"))
        };
        let found = loaded.by_name.get(&name).or_else(wildcard).unwrap_or(&loaded.first);
        Some(Arc::clone(found))
    }
}

fn read_all(files: &[CertificateFiles]) -> Result<Loaded, CertificateError> {
    let mut by_name = BTreeMap::new();
    let mut first = None;
    for pair in files {
        let key = Arc::new(read(pair)?);
        for name in key.cert.first().map(|der| names(der)).unwrap_or_default() {
            by_name.entry(name).or_insert_with(|| Arc::clone(&key));
        }
        first.get_or_insert(key);
    }
    Ok(Loaded { by_name, first: first.ok_or(CertificateError::None)? })
}

/// Reads a pair of files.
///
/// # Errors
/// If one cannot be used, or they do not belong together.
pub fn read(pair: &CertificateFiles) -> Result<CertifiedKey, CertificateError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Read { path, source }
    };
    let chain = certificates(&pair.chain).map_err(read(&pair.chain))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty { path: pair.chain.clone() });
    }
    let key = pem_text(&pair.key).and_then(|text| PrivateKeyDer::from_pem_slice(&text));
    let key = key.map_err(read(&pair.key))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|source| CertificateError::Mismatch { path: pair.key.clone(), source })
}

/// The certificates of a file, in its order.
///
/// # Errors
/// If it cannot be read, or holds what is none.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(&pem_text(path)?).collect()
}

/// What a server's own certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The hosts that it is for.
    pub names: Vec<String>,
    pub validity: Validity,
}

/// The first certificate of a file, which is the server's own; `None` where there is none to be read.
#[must_use]
pub fn own_certificate(chain: &Path) -> Option<OwnCertificate> {
    let all = certificates(chain).ok()?;
    let der = all.first()?;
    Some(OwnCertificate { names: names(der), validity: Validity::of(der)? })
}

fn pem_text(path: &Path) -> Result<Vec<u8>, pem::Error> {
    files::read(path, LARGEST_FILE_BYTES).map_err(pem::Error::Io)
}

/// The DNS names of a certificate (RFC 5280 section 4.2.1.6), in lower case: the entries of
/// `dNSName` (context tag 2) in its subjectAltName extension (OID 2.5.29.17).
fn names(der: &[u8]) -> Vec<String> {
    const OID: [u8; 5] = [0x06, 0x03, 0x55, 0x1D, 0x11];
    let Some(at) = der.windows(OID.len()).position(|w| w == OID) else { return Vec::new() };
    let mut rest = &der[at + OID.len()..];
    // An optional `critical` flag comes before the value.
    if let Some((0x01, _, after)) = element(rest) {
        rest = after;
    }
    let Some((0x04, value, _)) = element(rest) else { return Vec::new() };
    let Some((0x30, mut list, _)) = element(value) else { return Vec::new() };
    let mut names = Vec::new();
    while let Some((tag, name, after)) = element(list) {
        if tag == 0x82 {
            names.push(String::from_utf8_lossy(name).to_ascii_lowercase());
        }
        list = after;
    }
    names
}

/// Tag, content and rest of a DER element with a length of up to two bytes.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = match rest {
        [n @ 0..=0x7F, rest @ ..] => (usize::from(*n), rest),
        [0x81, n, rest @ ..] => (usize::from(*n), rest),
        [0x82, a, b, rest @ ..] => (usize::from(*a) << 8 | usize::from(*b), rest),
        _ => return None,
    };
    Some((*tag, rest.get(..length)?, &rest[length..]))
}
