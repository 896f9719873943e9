//! Sockets, made as a name server needs them.

use super::batch;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Connections that wait to be accepted, per listener and thread.
const BACKLOG: i32 = 1_024;
/// Bytes that wait to be received; a burst that finds no room is lost.
const RECEIVE_BYTES: usize = 4 << 20;
const SEND_BYTES: usize = 2 << 20;

/// Nobody listens on an address yet, over TCP or, `with_udp`, over UDP.
///
/// # Errors
/// If somebody does, or the address is not ours.
pub fn is_free(address: SocketAddr, with_udp: bool) -> io::Result<()> {
    let udp = with_udp.then_some((Type::DGRAM, Protocol::UDP));
    for (kind, protocol) in udp.into_iter().chain([(Type::STREAM, Protocol::TCP)]) {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        // Connections that have ended hold up nobody; over UDP it would share the port.
        socket.set_reuse_address(kind == Type::STREAM)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
    }
    Ok(())
}

/// A UDP socket for clients. One that listens on all addresses tells each datagram's.
///
/// # Errors
/// If the address cannot be bound.
pub fn listener(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM, Protocol::UDP)?;
    // More than the system allows is cut to what it does.
    let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
    let _ = socket.set_send_buffer_size(SEND_BYTES);
    if address.ip().is_unspecified() {
        batch::tell_destination(&socket, address.is_ipv4())?;
    }
    batch::ignore_path_mtu(&socket, address.is_ipv4());
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A TCP socket for clients.
///
/// # Errors
/// If the address cannot be bound.
pub fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM, Protocol::TCP)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A UDP socket to a back end, on a port that the system draws.
///
/// # Errors
/// If there are no sockets or ports left.
pub fn to_backend(backend: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if backend.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    // Only what comes from the back end's address and port is received.
    socket.connect(backend)?;
    socket.set_nonblocking(true)?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BYTES);
    Ok(socket)
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
