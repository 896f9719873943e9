//! A client's byte stream, with or without TLS, and halves of it for one task.

use crate::buffer::Buffer;
use bytes::BufMut;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What a client is connected by.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<Begun>>),
}

/// Reading from and writing to whichever stream an enumeration holds.
macro_rules! stream_of {
    ($name:ident: $($variant:ident)*) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                out: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(stream) => Pin::new(stream).poll_read(context, out),)* }
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() { $(Self::$variant(stream) => Pin::new(stream).poll_write(context, bytes),)* }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_write_vectored(context, pieces),)*
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(stream) => Pin::new(stream).poll_flush(context),)* }
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(stream) => Pin::new(stream).poll_shutdown(context),)* }
            }
        }
    };
}
pub(crate) use stream_of;

stream_of!(Stream: Plain Tls);

/// A TCP stream whose first bytes have been read already.
#[derive(Debug)]
pub struct Begun {
    pub first: Buffer,
    pub stream: TcpStream,
}

impl AsyncRead for Begun {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, out);
        }
        let n = this.first.filled().len().min(out.remaining());
        out.put_slice(&this.first.filled()[..n]);
        this.first.consume(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// One side of a stream that two futures of one task use, one reading and one writing.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a, S>(pub &'a RefCell<S>);

impl<S: AsyncRead + Unpin> AsyncRead for Half<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Half<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(context)
    }
}

/// Reads once into a buffer of at most `limit` bytes. 0: the stream has ended, or the buffer is
/// full.
///
/// # Errors
/// If the stream fails.
pub async fn fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Buffer,
    limit: usize,
) -> io::Result<usize> {
    match buffer.room(limit) {
        Some((bytes, free)) => stream.read_buf(&mut bytes.limit(free)).await,
        None => Ok(0),
    }
}

/// Writes two pieces after each other, in one system call where it can be.
///
/// # Errors
/// If the stream fails.
pub async fn write_two<S: AsyncWrite + Unpin>(stream: &mut S, first: &[u8], second: &[u8]) -> io::Result<()> {
    let total = first.len() + second.len();
    let mut done = 0;
    poll_fn(|context| {
        while done < total {
            let (a, b) = if done < first.len() {
                (&first[done..], second)
            } else {
                (&second[done - first.len()..], &[][..])
            };
            let written = if b.is_empty() {
                ready!(Pin::new(&mut *stream).poll_write(context, a))?
            } else {
                ready!(
                    Pin::new(&mut *stream).poll_write_vectored(context, &[IoSlice::new(a), IoSlice::new(b)])
                )?
            };
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero)));
            }
            done += written;
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pieces_arrive_in_order_through_a_narrow_pipe() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(3);
            let write = write_two(&mut near, b"abcd", b"efghij");
            let mut seen = [0; 10];
            let (written, read) = tokio::join!(write, far.read_exact(&mut seen));
            assert!(written.is_ok() && read.is_ok());
            assert_eq!(&seen, b"abcdefghij");
        });
    }
}
