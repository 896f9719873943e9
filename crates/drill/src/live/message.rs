//! An HTTP/1.1 message as the small clients and servers of a drill need it: its head as text, and a
//! body of a told length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Reads a head and its body, each of at most so many bytes. `None`: the other side has gone, or
/// tells of more.
pub(super) async fn read_message(
    read: &mut (impl AsyncBufRead + Unpin),
    most_bytes: usize,
) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let from = head.len();
        if read.read_line(&mut head).await.ok()? == 0 || head.len() > most_bytes {
            return None;
        }
        let line = head[from..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok().filter(|l| *l <= most_bytes)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
