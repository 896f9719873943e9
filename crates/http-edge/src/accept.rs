//! From a listener to a served connection: room, PROXY header, TLS, and which HTTP it is.

use crate::alarm::{Alarm, TooLate};
use crate::buffer::Buffer;
use crate::client;
use crate::counters::Counter;
use crate::crew::Crew;
use crate::gate::Full;
use crate::job::Origin;
use crate::proxy_protocol;
use crate::serve1::Connection;
use crate::settings::ms;
use crate::stream::{self, Begun, Stream};
use crate::thread::Thread;
use crate::tls::Certificates;
use crate::waiting::{SILENT_MS, Silence, Unheard};
use seawall_model::observation::ConnectionEvent;
use seawall_wire::packet::tls::{HELLO_LIMIT_BYTES, Start, client_hello};
use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Pause after the system refused a connection for want of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// A connection that was let in.
pub struct Accepted {
    place: Place,
    origin: Origin,
    tcp: TcpStream,
}

/// Accepts connections of a site for as long as the thread runs.
pub async fn accept<W: AsyncFn(Accepted) + 'static>(
    thread: Rc<Thread>,
    crew: Rc<Crew<Accepted, W>>,
    site: usize,
    listener: TcpListener,
) {
    let local = listener.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |a| client::plain(a.ip()));
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let peer = client::plain(peer.ip());
                let counts = !client::is_trusted(&thread.settings.trusted_proxies, peer);
                let Some(place) = Place::take(&thread, peer, counts) else { continue };
                let origin = Origin { site, peer, local, secure: false, ja4: [0; 36] };
                crew.give(Accepted { place, origin, tcp });
            }
            Err(_) => tokio::time::sleep(EXHAUSTED_PAUSE).await,
        }
    }
}

/// A connection's place among all; given back when it ends, however it ends.
struct Place {
    thread: Rc<Thread>,
    peer: IpAddr,
    counts: bool,
}

impl Place {
    fn take(thread: &Rc<Thread>, peer: IpAddr, counts: bool) -> Option<Self> {
        match thread.gate.enter(peer, counts) {
            Ok(()) => {
                thread.counters.add(Counter::connections, 1);
                Some(Self { thread: Rc::clone(thread), peer, counts })
            }
            Err(_) if thread.acting.is_protected(peer) => {
                thread.gate.enter_anyway();
                thread.counters.add(Counter::connections, 1);
                Some(Self { thread: Rc::clone(thread), peer, counts: false })
            }
            Err(full) => {
                refused(thread, full);
                None
            }
        }
    }

    /// A balancer's connection turns out to be this client's: it counts for the client from now on. False: the
    /// client has too many.
    fn belongs_to(&mut self, client: IpAddr) -> bool {
        let thread = &self.thread;
        if client::is_trusted(&thread.settings.trusted_proxies, client) {
            return true;
        }
        match thread.gate.count(client) {
            Ok(()) => (self.peer, self.counts) = (client, true),
            Err(_) if thread.acting.is_protected(client) => {}
            Err(full) => {
                refused(thread, full);
                return false;
            }
        }
        true
    }
}

fn refused(thread: &Thread, full: Full) {
    if full == Full::Source {
        thread.turned_away();
    }
    let counter = match full {
        Full::Source => Counter::connections_per_source_refused,
        Full::Total => Counter::connections_refused,
    };
    thread.counters.add(counter, 1);
}

impl Drop for Place {
    fn drop(&mut self) {
        self.thread.gate.leave(self.peer, self.counts);
        self.thread.counters.add(Counter::connections_closed, 1);
    }
}

/// Serves a connection to its end.
pub async fn connection(accepted: Accepted) {
    let Accepted { mut place, origin, tcp } = accepted;
    pin!(serve(&mut place, origin, tcp)).await;
}

async fn serve(place: &mut Place, mut origin: Origin, mut tcp: TcpStream) {
    let thread = &Rc::clone(&place.thread);
    let site = &thread.settings.sites[origin.site];
    let mut input = Buffer::default();
    if site.proxy_protocol {
        match proxied(thread, &origin, &mut tcp, &mut input).await {
            Some(client) if !place.belongs_to(client) => return,
            Some(client) => origin.peer = client,
            None => return thread.counters.add(Counter::proxy_header_refused, 1),
        }
    }
    match &site.tls {
        None => pin!(Connection::new(Rc::clone(thread), origin, Stream::Plain(tcp), input).serve()).await,
        // Apart, because it is larger, and each connection would be as large.
        Some(certificates) => Box::pin(encrypted(thread, origin, tcp, input, certificates)).await,
    }
}

/// Reads the PROXY header, from a trusted proxy only, and says who its client is.
async fn proxied(
    thread: &Thread,
    origin: &Origin,
    tcp: &mut TcpStream,
    input: &mut Buffer,
) -> Option<IpAddr> {
    if !client::is_trusted(&thread.settings.trusted_proxies, origin.peer) {
        return None;
    }
    let deadline = Instant::now() + ms(thread.settings.limits.handshake_deadline_ms);
    let mut alarm = Alarm::new(deadline);
    loop {
        match proxy_protocol::read(input.filled()) {
            proxy_protocol::Start::Header { client, bytes } => {
                input.consume(bytes);
                return Some(client.unwrap_or(origin.peer));
            }
            proxy_protocol::Start::Wrong => return None,
            proxy_protocol::Start::Incomplete => {}
        }
        match alarm.guard(deadline, stream::fill(tcp, input, 4_096)).await {
            Ok(Ok(n)) if n > 0 => {}
            _ => return None,
        }
    }
}

/// Reads the ClientHello for its fingerprint, then completes the handshake, all before a deadline.
async fn encrypted(
    thread: &Rc<Thread>,
    mut origin: Origin,
    mut tcp: TcpStream,
    mut first: Buffer,
    certificates: &Certificates,
) {
    let deadline = Instant::now() + ms(thread.settings.limits.handshake_deadline_ms);
    let mut alarm = Alarm::new(deadline);
    let is_heard = Cell::new(false);
    let handshake = async {
        let ja4 = read_hello(&mut tcp, &mut first, &is_heard).await?;
        let acceptor = tokio_rustls::TlsAcceptor::from(certificates.config());
        let stream = acceptor.accept(Begun { first, stream: tcp }).await.ok()?;
        Some((ja4, stream))
    };
    let mut handshake = std::pin::pin!(handshake);
    let soon = Instant::now() + ms(SILENT_MS);
    let unheard = Unheard::begin(&thread.gate);
    let done = match alarm.guard(soon.min(deadline), handshake.as_mut()).await {
        Ok(done) => Ok(done),
        Err(TooLate) => {
            let _silence = (!is_heard.get()).then(|| Silence::begin(thread, &origin));
            alarm.guard(deadline, handshake).await
        }
    };
    drop(unheard);
    let failed = match done {
        Ok(Some((ja4, stream))) => {
            origin.ja4 = ja4;
            origin.secure = true;
            return serve_encrypted(thread, origin, stream).await;
        }
        Ok(None) => Counter::handshake_failed,
        Err(TooLate) => Counter::handshake_deadline,
    };
    thread.counters.add(failed, 1);
    thread.connection(ConnectionEvent::TlsAbandoned, origin.peer, origin.local);
}

async fn serve_encrypted(
    thread: &Rc<Thread>,
    origin: Origin,
    stream: tokio_rustls::server::TlsStream<Begun>,
) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if is_http2 {
        return crate::serve2::serve(Rc::clone(thread), origin, stream).await;
    }
    let stream = Stream::Tls(Box::new(stream));
    Connection::new(Rc::clone(thread), origin, stream, Buffer::default()).serve().await;
}

async fn read_hello(tcp: &mut TcpStream, first: &mut Buffer, is_heard: &Cell<bool>) -> Option<[u8; 36]> {
    let mut scratch = [0; HELLO_LIMIT_BYTES];
    loop {
        match client_hello(first.filled(), &mut scratch) {
            Start::Hello(hello) => return Some(hello.ja4),
            Start::NotTls => return None,
            Start::Incomplete => {}
        }
        match stream::fill(tcp, first, HELLO_LIMIT_BYTES).await {
            Ok(n) if n > 0 => is_heard.set(true),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_costs_little() {
        fn bytes_of<F: Future>(_: impl FnOnce(Accepted) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = bytes_of(connection);
        assert!(bytes <= 6_144, "{bytes} bytes");
    }
}
