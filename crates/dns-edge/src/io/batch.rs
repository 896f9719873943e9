//! Many datagrams with one system call: `recvmmsg` and `sendmmsg`, which neither the standard
//! library nor the safe wrappers in use offer with the destination address of each datagram.
//!
//! All `unsafe` of this crate is here. What the kernel reads and writes are the arrays of the two
//! types below, which own them on the heap, so that moving a value leaves the pointers right.

#![allow(unsafe_code, reason = "recvmmsg and sendmmsg take pointers; see the head of the file")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

/// Datagrams of one call.
pub const BATCH: usize = 64;
/// Room for the address that a datagram was sent to, or comes from, and for the length of parts.
const CONTROL_WORDS: usize = 8;
/// Bytes that are joined: what fits into one IP packet, with its headers.
const JOINED_BYTES: usize = 60_000;

type Control = [u64; CONTROL_WORDS];

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub from: SocketAddr,
    /// The address it was sent to, where the socket tells it.
    pub to: Option<IpAddr>,
    pub bytes: &'a [u8],
    /// It was longer than the buffer.
    pub is_cut: bool,
}

/// Buffers for receiving.
pub struct Receiver {
    bytes: Box<[u8]>,
    each: usize,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    /// Headers that the kernel may have written to since they were set, from the first: most calls take
    /// a datagram or two, and leave the others as they are.
    used: usize,
    /// Whether the headers have room for where datagrams were sent to.
    with_to: bool,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("each", &self.each).finish_non_exhaustive()
    }
}

// SAFETY: the pointers are null, or point into arrays that the value owns on the heap and never
// replaces, or (in a sender) at datagrams of a call that is over, which the next call sets anew before
// they are followed.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Send for Sender {}

impl Receiver {
    /// Buffers of `each` bytes.
    #[must_use]
    pub fn new(each: usize) -> Self {
        // SAFETY: all four are plain C structures (or arrays of numbers), for which zero is a
        // value: null pointers with lengths of zero.
        unsafe {
            Self {
                bytes: vec![0; each * BATCH].into(),
                each,
                names: Box::new(zeroed()),
                controls: Box::new(zeroed()),
                headers: Box::new(zeroed()),
                vectors: Box::new(zeroed()),
                used: BATCH,
                with_to: false,
            }
        }
    }

    /// Sets the headers that the last call used, or all, if they were for another kind of socket.
    fn set(&mut self, with_to: bool) {
        let used = if self.with_to == with_to { self.used } else { BATCH };
        self.with_to = with_to;
        for (i, header) in self.headers.iter_mut().enumerate().take(used) {
            let bytes = &mut self.bytes[i * self.each..(i + 1) * self.each];
            self.vectors[i] = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: self.each };
            let h = &mut header.msg_hdr;
            h.msg_name = (&raw mut self.names[i]).cast();
            h.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            h.msg_iov = &raw mut self.vectors[i];
            h.msg_iovlen = 1;
            h.msg_control = if with_to { self.controls[i].as_mut_ptr().cast() } else { std::ptr::null_mut() };
            h.msg_controllen = if with_to { size_of::<Control>() } else { 0 };
            h.msg_flags = 0;
        }
    }

    /// Takes what is there, up to a batch; 0 if nothing is. `with_to`: the socket tells where
    /// each datagram was sent to.
    ///
    /// # Errors
    /// If the socket has failed.
    pub fn receive(&mut self, socket: &UdpSocket, with_to: bool) -> io::Result<usize> {
        self.set(with_to);
        // SAFETY: `headers` holds BATCH headers, each of which points to buffers of the lengths
        // that it names, all borrowed mutably for this call and owned by `self`. The descriptor is
        // open as long as `socket` is borrowed. No timeout is given.
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(taken) = usize::try_from(taken) else {
            self.used = BATCH;
            return match io::Error::last_os_error() {
                e if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                e => Err(e),
            };
        };
        // The call may have begun with one more, which did not come.
        self.used = (taken + 1).min(BATCH);
        Ok(taken.min(BATCH))
    }

    /// A datagram of the last batch; `None` if its sender's address is none.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<Received<'_>> {
        let header = self.headers.get(i)?;
        let from = address(&self.names[i])?;
        let length = (header.msg_len as usize).min(self.each);
        let is_cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let bytes = &self.bytes[i * self.each..i * self.each + length];
        Some(Received { from, to: destination(&header.msg_hdr, &self.controls[i]), bytes, is_cut })
    }
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// `None`: to where the socket is connected.
    pub to: Option<SocketAddr>,
    /// The address it must come from.
    pub from: Option<IpAddr>,
    pub bytes: &'a [u8],
}

impl Datagram<'_> {
    /// Datagrams of one way and length are handed over as one, which the system cuts.
    fn way(&self) -> (usize, Option<SocketAddr>, Option<IpAddr>) {
        (self.bytes.len(), self.to, self.from)
    }
}

/// Sends datagrams in batches. Those of the same length that go the same way pass through the
/// system as one, and are cut where they leave it (`UDP_SEGMENT`).
pub struct Sender {
    names: Box<[libc::sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    /// The system can cut.
    can_join: bool,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Default for Sender {
    fn default() -> Self {
        // SAFETY: plain C structures and numbers, for which zero is a value.
        unsafe {
            Self {
                names: Box::new(zeroed()),
                controls: Box::new(zeroed()),
                headers: Box::new(zeroed()),
                vectors: Box::new(zeroed()),
                can_join: true,
            }
        }
    }
}

impl Sender {
    /// Sends all, in any order; returns how many the system did not take. What it does not take is
    /// gone: a datagram that waits is worth less than the next.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        mut datagrams: impl Iterator<Item = Datagram<'a>>,
    ) -> usize {
        let mut batch = [Datagram { to: None, from: None, bytes: &[] }; BATCH];
        let mut failed = 0;
        loop {
            let mut filled = 0;
            for (place, datagram) in batch.iter_mut().zip(datagrams.by_ref()) {
                *place = datagram;
                filled += 1;
            }
            if filled == 0 {
                return failed;
            }
            failed += self.send_batch(socket, &mut batch[..filled]);
            if filled < BATCH {
                return failed;
            }
        }
    }

    fn send_batch(&mut self, socket: &UdpSocket, batch: &mut [Datagram<'_>]) -> usize {
        if self.can_join && batch.len() > 1 {
            batch.sort_unstable_by_key(Datagram::way);
        }
        let (mut at, mut failed) = (0, 0);
        while at < batch.len() {
            let rest = &batch[at..];
            let messages = self.fill(rest);
            let sent = self.send_filled(socket, messages);
            let done: usize = self.headers[..sent].iter().map(|h| h.msg_hdr.msg_iovlen).sum();
            at += done;
            if sent == messages {
                continue;
            }
            // The first that is left cannot be sent; those after it may be. One that was joined
            // is tried again in parts.
            let is_full = io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock;
            let parts = self.headers[sent].msg_hdr.msg_iovlen;
            let lost = if parts > 1 { self.send_apart(socket, &batch[at..at + parts]) } else { 1 };
            // Where none of the parts can be sent either, it is for where they go. That is their askers' choice,
            // who may give a port that nothing can be sent to.
            self.can_join &= parts == 1 || is_full || lost == parts;
            failed += lost;
            at += parts;
        }
        failed
    }

    /// Sends each on its own; returns how many the system did not take.
    fn send_apart(&mut self, socket: &UdpSocket, datagrams: &[Datagram<'_>]) -> usize {
        let mut lost = 0;
        for datagram in datagrams {
            let messages = self.fill(std::slice::from_ref(datagram));
            lost += messages - self.send_filled(socket, messages);
        }
        lost
    }

    /// Prepares messages for all datagrams; returns how many.
    fn fill(&mut self, batch: &[Datagram<'_>]) -> usize {
        let mut messages = 0;
        let mut rest = batch;
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|d| d.way() == first.way()).count();
            let most = (JOINED_BYTES / first.bytes.len().max(1)).max(1);
            let count = if self.can_join { same.min(most) } else { 1 };
            let (joined, after) = rest.split_at(count);
            let start = batch.len() - rest.len();
            for (vector, datagram) in self.vectors[start..].iter_mut().zip(joined) {
                *vector = libc::iovec {
                    // Only read by the kernel.
                    iov_base: datagram.bytes.as_ptr().cast_mut().cast(),
                    iov_len: datagram.bytes.len(),
                };
            }
            let h = &mut self.headers[messages].msg_hdr;
            h.msg_iov = &raw mut self.vectors[start];
            h.msg_iovlen = count;
            h.msg_namelen = first.to.map_or(0, |to| write_address(&mut self.names[messages], to));
            let control = &mut self.controls[messages];
            h.msg_controllen = first.from.map_or(0, |from| write_source(control, from));
            if count > 1 {
                h.msg_controllen += write_segment(control, h.msg_controllen, first.bytes.len());
            }
            messages += 1;
            rest = after;
        }
        messages
    }

    /// Sends as many of the prepared messages as the system takes; returns how many.
    fn send_filled(&mut self, socket: &UdpSocket, messages: usize) -> usize {
        for i in 0..messages {
            let h = &mut self.headers[i].msg_hdr;
            let has_name = h.msg_namelen > 0;
            h.msg_name = if has_name { (&raw mut self.names[i]).cast() } else { std::ptr::null_mut() };
            let has_control = h.msg_controllen > 0;
            h.msg_control =
                if has_control { self.controls[i].as_mut_ptr().cast() } else { std::ptr::null_mut() };
        }
        let mut at = 0;
        while at < messages {
            // SAFETY: `headers[at..messages]` point to names, controls and vectors of `self`, set
            // in `fill` and above, and the vectors to the bytes of datagrams that outlive this
            // call: `send_batch` borrows them. Each header names as many vectors as `fill` wrote
            // for it.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers[at..messages].as_mut_ptr(),
                    (messages - at) as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => at += sent,
                _ => break,
            }
        }
        at
    }
}

/// Has a socket tell where each datagram was sent to.
///
/// # Errors
/// If the system does not know how.
pub fn tell_destination(socket: &impl AsRawFd, is_ipv4: bool) -> io::Result<()> {
    let (level, option) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    };
    set_option(socket, level, option, 1)
}

/// Has a socket send without regard to what others say of the path's MTU: forged messages about it
/// would have answers fragmented, and fragments can be forged (RFC 9715).
pub fn ignore_path_mtu(socket: &impl AsRawFd, is_ipv4: bool) {
    let (level, option, omit) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)
    };
    // A kernel without it is no worse than before.
    let _ = set_option(socket, level, option, omit);
}

fn set_option(socket: &impl AsRawFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option's value is an integer that lives until the call returns, and its size is
    // given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a `sockaddr_in`, which is smaller
            // than the storage and has no greater alignment.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with `sockaddr_in6`.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Writes an address; returns its length.
fn write_address(name: &mut libc::sockaddr_storage, to: SocketAddr) -> u32 {
    match to {
        SocketAddr::V4(v4) => {
            // SAFETY: the storage is larger than a `sockaddr_in` and aligned for every address.
            let place = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in>() };
            place.sin_family = libc::AF_INET as u16;
            place.sin_port = v4.port().to_be();
            place.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above, with `sockaddr_in6`.
            let place = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in6>() };
            place.sin6_family = libc::AF_INET6 as u16;
            place.sin6_port = v6.port().to_be();
            place.sin6_flowinfo = 0;
            place.sin6_addr.s6_addr = v6.ip().octets();
            place.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

/// The address that a datagram was sent to, from its first control message.
fn destination(header: &libc::msghdr, control: &Control) -> Option<IpAddr> {
    let head = size_of::<libc::cmsghdr>();
    if header.msg_controllen < head {
        return None;
    }
    // SAFETY: the kernel wrote at least a `cmsghdr` into `control`, which is aligned for it.
    let first = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read() };
    // SAFETY: the data follows the head, which is a multiple of the alignment; `control` has room
    // for either structure behind it, and the lengths are checked before they are read.
    unsafe {
        let data = control.as_ptr().cast::<u8>().add(head);
        match (first.cmsg_level, first.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO)
                if first.cmsg_len >= head + size_of::<libc::in_pktinfo>() =>
            {
                let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr))))
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                if first.cmsg_len >= head + size_of::<libc::in6_pktinfo>() =>
            {
                let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

/// Writes the control message that sets a datagram's source; returns its length.
fn write_source(control: &mut Control, from: IpAddr) -> usize {
    let head = size_of::<libc::cmsghdr>();
    // SAFETY: `control` is larger than either message and aligned for its head; zero is a value of
    // all structures here.
    unsafe {
        let mut first: libc::cmsghdr = zeroed();
        let data = control.as_mut_ptr().cast::<u8>().add(head);
        let length = match from {
            IpAddr::V4(v4) => {
                let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                (first.cmsg_level, first.cmsg_type) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(v6) => {
                let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi6_addr.s6_addr = v6.octets();
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                (first.cmsg_level, first.cmsg_type) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
                size_of::<libc::in6_pktinfo>()
            }
        };
        first.cmsg_len = head + length;
        control.as_mut_ptr().cast::<libc::cmsghdr>().write(first);
        // Padded to a multiple of the word, as CMSG_SPACE has it.
        head + length.next_multiple_of(size_of::<usize>())
    }
}

/// Writes, after the first `at` bytes, the control message that has the system cut a message into
/// datagrams of `bytes`; returns its length.
fn write_segment(control: &mut Control, at: usize, bytes: usize) -> usize {
    let head = size_of::<libc::cmsghdr>();
    let all = head + size_of::<u64>();
    assert!(at + all <= size_of::<Control>(), "room for both messages was reserved");
    // SAFETY: what is written lies inside of `control` by the line above; `at` is 0 or the length
    // of a message padded to words, so that the head is aligned.
    unsafe {
        let mut first: libc::cmsghdr = zeroed();
        (first.cmsg_level, first.cmsg_type) = (libc::SOL_UDP, libc::UDP_SEGMENT);
        first.cmsg_len = head + size_of::<u16>();
        let place = control.as_mut_ptr().cast::<u8>().add(at);
        place.cast::<libc::cmsghdr>().write(first);
        place.add(head).cast::<u16>().write(bytes as u16);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::socket;

    /// Longest for datagrams over the loopback: nobody waits so long who is not kept from running.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

    /// What was received, on its own.
    #[derive(Debug)]
    struct Got {
        from: SocketAddr,
        to: Option<IpAddr>,
        bytes: Vec<u8>,
        is_cut: bool,
    }

    /// Receives so many at least, in as many calls as it takes.
    fn wait_for(socket: &UdpSocket, with_to: bool, wanted: usize) -> Vec<Got> {
        let (mut receiver, mut all) = (Receiver::new(64), Vec::new());
        #[allow(clippy::disallowed_methods, reason = "real sockets take real time")]
        let from = std::time::Instant::now();
        while all.len() < wanted {
            assert!(from.elapsed() < PATIENCE, "{} of {wanted} have come", all.len());
            for i in 0..receiver.receive(socket, with_to).expect("receives") {
                let Received { from, to, bytes, is_cut } = receiver.get(i).expect("a datagram");
                all.push(Got { from, to, bytes: bytes.to_vec(), is_cut });
            }
            std::thread::yield_now();
        }
        all
    }

    fn both_ways(listen: &str) {
        let listen: SocketAddr = listen.parse().expect("an address");
        let server = socket::listener(listen).expect("binds");
        let port = server.local_addr().expect("bound").port();
        let local: IpAddr = if listen.is_ipv4() { [127, 0, 0, 9].into() } else { Ipv6Addr::LOCALHOST.into() };
        let client = UdpSocket::bind(SocketAddr::new(
            if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { local },
            0,
        ))
        .expect("binds");
        let sent: Vec<Vec<u8>> = (0..70_u8).map(|i| vec![i; usize::from(i) + 1]).collect();
        let mut sender = Sender::default();
        let to = Some(SocketAddr::new(local, port));
        let datagrams = |range: std::ops::Range<usize>| {
            sent[range].iter().map(|bytes| Datagram { to, from: None, bytes })
        };
        assert_eq!(sender.send(&client, datagrams(0..70)), 0);
        let all = wait_for(&server, true, 70);
        assert_eq!(all.len(), 70);
        for (got, sent) in all.iter().zip(&sent) {
            assert_eq!((got.from, got.to), (client.local_addr().expect("bound"), Some(local)));
            assert_eq!((&got.bytes[..], got.is_cut), (&sent[..sent.len().min(64)], sent.len() > 64));
        }
        let (from, to) = (Some(local), Some(client.local_addr().expect("bound")));
        let answer = Datagram { to, from, bytes: b"answer" };
        assert_eq!(sender.send(&server, std::iter::once(answer)), 0);
        let [got] = &wait_for(&client, false, 1)[..] else { panic!("one was sent") };
        assert_eq!((got.from, &got.bytes[..]), (SocketAddr::new(local, port), &b"answer"[..]));
    }

    #[test]
    fn an_answer_comes_from_the_address_that_was_asked() {
        both_ways("0.0.0.0:0");
        both_ways("[::]:0");
    }

    /// Broke: two questions from port 0, to which nothing can be sent, had all answers sent one by one from then
    /// on.
    #[test]
    fn datagrams_that_cannot_be_sent_keep_no_others_from_being_joined() {
        let server = socket::listener("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let client = UdpSocket::bind("127.0.0.1:0").expect("binds");
        let nowhere = Datagram { to: Some(([127, 0, 0, 1], 0).into()), from: None, bytes: b"nobody" };
        let somewhere = Datagram { to: client.local_addr().ok(), from: None, bytes: b"answer" };
        let mut sender = Sender::default();
        let failed = sender.send(&server, [nowhere, somewhere, nowhere, somewhere].into_iter());
        assert_eq!((failed, sender.can_join), (2, true));
        assert!(wait_for(&client, false, 2).iter().all(|got| got.bytes == b"answer"));
    }

    #[test]
    fn datagrams_that_are_joined_arrive_apart() {
        for listen in ["0.0.0.0:0", "[::]:0"] {
            let listen: SocketAddr = listen.parse().expect("an address");
            let server = socket::listener(listen).expect("binds");
            let local: IpAddr =
                if listen.is_ipv4() { [127, 0, 0, 9].into() } else { Ipv6Addr::LOCALHOST.into() };
            let clients = [0; 2].map(|_| UdpSocket::bind((local, 0)).expect("binds"));
            let to = |n: usize| Some(clients[n % 2].local_addr().expect("bound"));
            let sent: Vec<Vec<u8>> = (0..60_u8).map(|i| vec![i; 40 + usize::from(i % 3)]).collect();
            let datagrams =
                sent.iter().enumerate().map(|(n, bytes)| Datagram { to: to(n), from: Some(local), bytes });
            let mut sender = Sender::default();
            assert_eq!(sender.send(&server, datagrams), 0);
            assert!(sender.can_join, "loopback cuts");
            for (number, client) in clients.iter().enumerate() {
                let mut got: Vec<Vec<u8>> =
                    wait_for(client, false, 30).into_iter().map(|got| got.bytes).collect();
                got.sort_unstable();
                let wanted: Vec<Vec<u8>> = sent.iter().skip(number).step_by(2).cloned().collect();
                assert_eq!(got, wanted);
            }
        }
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_next() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
        let good = socket.local_addr().expect("bound");
        let too_long = vec![0; 70_000];
        let mut sender = Sender::default();
        let datagrams =
            [&b"one"[..], &too_long, b"two"].map(|bytes| Datagram { to: Some(good), from: None, bytes });
        assert_eq!(sender.send(&socket, datagrams.into_iter()), 1);
        let [one, two] = &wait_for(&socket, false, 2)[..] else { panic!("two were sent") };
        assert_eq!((&one.bytes[..], &two.bytes[..]), (&b"one"[..], &b"two"[..]));
    }
}
