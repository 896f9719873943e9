//! TLS to upstreams: whose certificates are taken, for which name, and what is said where one is
//! not.
//!
//! A certificate is checked against the authorities of the machine, or against a file of the
//! operator's. One that stands in that file itself is taken as it is, whatever name and dates it
//! has: self-signed certificates are common between machines of one team, and whoever lists one has
//! said which server it is.

use crate::link::Trouble;
use crate::tls::{self, CertificateError as FilesError, CertificateFiles};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where systems keep the authorities that they trust: Debian and Alpine, Red Hat, SUSE, FreeBSD.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Whose word is taken for who an upstream is. Two that were made of the same words are equal.
#[derive(Clone)]
pub struct Trust {
    file: Option<PathBuf>,
    name: Option<ServerName<'static>>,
    /// The certificate that is shown to upstreams that ask for one.
    shown: Option<CertificateFiles>,
    any: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// Why upstreams cannot be trusted.
#[derive(Debug)]
pub enum TrustError {
    Read { path: PathBuf, source: rustls::pki_types::pem::Error },
    Empty { path: PathBuf },
    NoBundle,
    Name { name: String },
    Shown { source: FilesError },
    Unusable { source: Error },
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Empty { path } => write!(f, "{} holds no certificate", path.display()),
            Self::NoBundle => f.write_str(
                "this machine keeps no authorities where they are looked for: name a file with upstream-ca",
            ),
            Self::Name { name } => write!(f, "`{name}` is no name that a certificate could be for"),
            Self::Shown { source } => write!(f, "the certificate to show: {source}"),
            Self::Unusable { source } => write!(f, "these authorities cannot be used: {source}"),
        }
    }
}

impl std::error::Error for TrustError {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("file", &self.file)
            .field("name", &self.name)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Trusts the authorities of a file, or without one those of the machine, for certificates of
    /// `name`, or without one of the upstream's own. Upstreams that ask who comes are shown `shown`.
    ///
    /// # Errors
    /// If there are none, the name is none, or what is to be shown cannot be.
    pub fn load(
        file: Option<&Path>,
        name: Option<&str>,
        shown: Option<&CertificateFiles>,
    ) -> Result<Self, TrustError> {
        let name = name
            .map(|n| server_name(n).ok_or_else(|| TrustError::Name { name: n.to_owned() }))
            .transpose()?;
        let bundle = || BUNDLES.iter().map(Path::new).find(|p| p.exists()).ok_or(TrustError::NoBundle);
        let path = file.map_or_else(bundle, Ok)?;
        let read = |source| TrustError::Read { path: path.to_owned(), source };
        let all = tls::certificates(path).map_err(read)?;
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(all.iter().cloned());
        if taken == 0 {
            return Err(TrustError::Empty { path: path.to_owned() });
        }
        let listed = if file.is_some() { all } else { Vec::new() };
        let verifier = Arc::new(Verifier::new(roots, listed)?);
        let own = shown.map(tls::read).transpose().map_err(|source| TrustError::Shown { source })?;
        let own = own.map(|key| Arc::new(SingleCertAndKey::from(key)));
        let config = |protocols: &[&[u8]]| {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|source| TrustError::Unusable { source })?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
            let mut config = match &own {
                Some(own) => builder.with_client_cert_resolver(Arc::clone(own) as _),
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
            Ok::<_, TrustError>(Arc::new(config))
        };
        Ok(Self {
            file: file.map(Path::to_owned),
            name,
            shown: shown.cloned(),
            any: config(&[b"h2", b"http/1.1"])?,
            http1: config(&[b"http/1.1"])?,
        })
    }

    /// The name that certificates are to be for, where it is not the upstream's.
    #[must_use]
    pub fn name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }
}

/// A name or an address that a certificate can be for.
#[must_use]
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

/// # Errors
/// If the server's certificate is not to be trusted, or it does not speak TLS as we do.
pub async fn handshake(
    trust: &Trust,
    name: &ServerName<'static>,
    tcp: TcpStream,
    only_http1: bool,
) -> Result<TlsStream<TcpStream>, Trouble> {
    let config = if only_http1 { &trust.http1 } else { &trust.any };
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(name.clone(), tcp).await.map_err(|error| {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        Trouble::Unfit(inner.map_or_else(
            || format!("it ended the TLS handshake ({error}): is it a port for TLS?"),
            |error| in_words(error, name),
        ))
    })
}

/// What is wrong, and what the operator can do about it.
fn in_words(error: &Error, name: &ServerName<'_>) -> String {
    let words = match error {
        Error::InvalidCertificate(why) => return certificate_in_words(why, name),
        Error::InvalidMessage(_) => {
            "it does not speak TLS on this port: write http://, or name its port for TLS"
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks neither HTTP/1.1 nor HTTP/2 over TLS"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a certificate of ours, and there is none to show: name one with upstream-certificate"
        }
        other => return format!("the TLS handshake failed: {other}"),
    };
    words.to_owned()
}

/// The libraries' own words for these are names of their types, of no use to an operator.
fn certificate_in_words(why: &CertificateError, name: &ServerName<'_>) -> String {
    use CertificateError as Why;
    let words = match why {
        Why::UnknownIssuer | Why::BadSignature => {
            "its certificate is signed by nobody who is trusted here: name its authority, or the \
             certificate itself, with upstream-ca"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            let name = name.to_str();
            return format!("its certificate is not for `{name}`: say whom it is for with upstream-name");
        }
        Why::Expired | Why::ExpiredContext { .. } => "its certificate has expired: renew it there",
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "its certificate is not valid yet: one of the two clocks is wrong"
        }
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers: have one made with the purpose serverAuth"
        }
        Why::BadEncoding => "its certificate cannot be read: have it made anew there",
        Why::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "it is a certificate of an authority, mostly one that signed itself: list it under upstream-ca"
            }
            Some(webpki::Error::UnsupportedCertVersion) => {
                "its certificate is of an old version of X.509: have one of version 3 made there"
            }
            _ => UNFIT,
        },
        _ => UNFIT,
    };
    words.to_owned()
}

/// Of a certificate with a rarer fault.
const UNFIT: &str = "its certificate is not one that can be checked here: have it made anew there, for a \
                     server, with a key and a signature in common use";

/// The usual checks, but for certificates that the operator has listed themselves.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(roots: RootCertStore, listed: Vec<CertificateDer<'static>>) -> Result<Self, TrustError> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TrustError::Unusable { source: Error::General(error.to_string()) })?;
        Ok(Self { usual, listed })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.listed.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::OtherError;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words_never_as_a_type() {
        let name = server_name("shop.example").expect("a name");
        let other = |why: webpki::Error| CertificateError::Other(OtherError(Arc::new(why)));
        for (why, word) in [
            (CertificateError::UnknownIssuer, "upstream-ca"),
            (CertificateError::NotValidForName, "`shop.example`"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::InvalidPurpose, "serverAuth"),
            (CertificateError::BadEncoding, "cannot be read"),
            (other(webpki::Error::CaUsedAsEndEntity), "list it under upstream-ca"),
            (other(webpki::Error::UnsupportedCertVersion), "version 3"),
            (other(webpki::Error::PathLenConstraintViolated), "made anew"),
            (CertificateError::Revoked, "made anew"),
        ] {
            let type_name = format!("{why:?}");
            let said = in_words(&Error::InvalidCertificate(why), &name);
            assert!(said.contains(word) && !said.contains("Error"), "{said}");
            assert!(!said.contains(&type_name), "{said}");
        }
    }
}
