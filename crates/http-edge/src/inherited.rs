//! Listening sockets that this process was given at its start, by a service manager or by the
//! program that it takes over from.

#![allow(unsafe_code, reason = "a descriptor that was inherited is only a number; see `adopt`")]

use socket2::{Socket, Type};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptors of these numbers, once in the life of a process; those that are no
/// listening TCP sockets are closed. Call it before anything else opens a file.
#[must_use]
pub fn listeners(numbers: &[RawFd]) -> Vec<TcpListener> {
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    let distinct = numbers.iter().enumerate().filter(|(at, n)| **n > 2 && !numbers[..*at].contains(n));
    distinct.filter_map(|(_, number)| listener(adopt(*number)?)).collect()
}

fn listener(fd: OwnedFd) -> Option<TcpListener> {
    let socket = Socket::from(fd);
    let is_stream = socket.r#type().is_ok_and(|t| t == Type::STREAM);
    let is_internet = socket.local_addr().is_ok_and(|a| a.as_socket().is_some());
    if !(is_stream && is_internet && socket.is_listener().unwrap_or(false)) {
        return None;
    }
    // Programs that we start have no use for it. Where it cannot be set they hold it in vain.
    let _ = socket.set_cloexec(true);
    Some(socket.into())
}

/// Owns a descriptor that is open, if it is.
fn adopt(number: RawFd) -> Option<OwnedFd> {
    let is_open = std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    // SAFETY: the descriptor is open, and nobody in this process owns it: it was open when the
    // process began, whoever started it said that it is ours, and `listeners` takes each number
    // once, before the program has opened descriptors of its own.
    is_open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::IntoRawFd;

    #[test]
    fn what_is_given_is_taken_once_and_only_if_it_listens() {
        let given = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = given.local_addr().expect("an address");
        let other = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let numbers = [given.into_raw_fd(), other.into_raw_fd()];
        let taken = listeners(&[numbers[0], numbers[0], numbers[1], 1, 99_999]);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].local_addr().expect("an address"), address);
        assert!(listeners(&[5, 6]).is_empty(), "only once");
    }
}
