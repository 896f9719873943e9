//! Connections to upstreams: plain, over TLS with a certificate that is checked, or one exchange of
//! many on a connection of HTTP/2. Whatever it is, what is written to it and read from it is the
//! text of HTTP/1.

use crate::addresses::Addresses;
use crate::settings::{Site, Speaks, Upstream};
use crate::stream::stream_of;
use crate::upstream_tls::{self, Trust};
use crate::upstream2::{self, Sender};
use rustls::pki_types::ServerName;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What carries one exchange after the other, or one of HTTP/2.
#[derive(Debug)]
pub enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Http2(DuplexStream),
}

/// What has come of connecting.
#[derive(Debug)]
pub enum Connected {
    Link(Link),
    /// A connection that carries many exchanges at once.
    Http2(Sender),
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Trouble {
    /// The address takes none.
    Refused,
    /// It does, but cannot be spoken to: a clause for the operator.
    Unfit(String),
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Way {
    addresses: Arc<Addresses>,
    speaks: Speaks,
    /// Whom its certificate is for, and who may have signed it.
    trusted: Option<(Trust, ServerName<'static>)>,
}

impl Way {
    #[must_use]
    pub fn new(site: &Site, upstream: &Upstream, addresses: &Arc<Addresses>) -> Self {
        let named = || upstream_tls::server_name(upstream.host());
        let trusted = site.upstream_trust.clone().and_then(|trust| {
            let name = trust.name().cloned().or_else(named)?;
            Some((trust, name))
        });
        Self { addresses: Arc::clone(addresses), speaks: upstream.speaks, trusted }
    }

    /// Whether what goes over it is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.speaks == Speaks::Tls
    }

    /// Whether many exchanges may share a connection.
    #[must_use]
    pub fn may_share(&self) -> bool {
        self.speaks != Speaks::Http1
    }

    /// Connects. `for_upgrade`: the connection is to become another protocol, which HTTP/2 does not
    /// do, so that it is not asked for.
    ///
    /// # Errors
    /// If the server cannot be reached, or not be spoken to.
    pub async fn connect(&self, for_upgrade: bool) -> Result<Connected, Trouble> {
        let tcp = self.addresses.connect().await.map_err(|_| Trouble::Refused)?;
        // Only latency is lost where it fails.
        let _ = tcp.set_nodelay(true);
        match self.speaks {
            Speaks::Http1 => Ok(Connected::Link(Link::Plain(tcp))),
            Speaks::Http2 => shared(tcp).await,
            Speaks::Tls => {
                let Some((trust, name)) = &self.trusted else {
                    return Err(Trouble::Unfit(
                        "it has no name that a certificate could be for: give upstream-name".to_owned(),
                    ));
                };
                let tls = upstream_tls::handshake(trust, name, tcp, for_upgrade).await?;
                if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return shared(tls).await;
                }
                Ok(Connected::Link(Link::Tls(Box::new(tls))))
            }
        }
    }
}

impl Link {
    /// Whether it is open, and nothing has come that nobody asked for.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Http2(_) => return false,
        };
        // Anything to read on an idle connection is its end, or no answer to us.
        tcp.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

async fn shared<S>(stream: S) -> Result<Connected, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    upstream2::begin(stream)
        .await
        .map(Connected::Http2)
        .map_err(|error| Trouble::Unfit(format!("it does not speak HTTP/2: {error}")))
}

stream_of!(Link: Plain Tls Http2);
