//! An HTTP/1.1 message as the small clients and servers of a drill need it: its head as text, and its
//! body, whichever way its length is told (RFC 9112, section 6.3).

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Reads a head and its body, each of at most so many bytes. `None`: the other side has gone, or
/// tells of more.
pub(super) async fn read_message(
    read: &mut (impl AsyncBufRead + Unpin),
    most_bytes: usize,
) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length, mut is_chunked) = (String::new(), None, false);
    loop {
        let from = head.len();
        if read.read_line(&mut head).await.ok()? == 0 || head.len() > most_bytes {
            return None;
        }
        let line = head[from..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = Some(value.trim().parse().ok().filter(|l| *l <= most_bytes)?);
        }
        is_chunked |= line.strip_prefix("transfer-encoding:").is_some_and(|v| v.contains("chunked"));
        if line == "\r\n" {
            break;
        }
    }
    let body = match length {
        _ if is_chunked => chunks(read, most_bytes).await?,
        Some(length) => exactly(read, length).await?,
        None if ends_with_connection(&head) => {
            let mut body = Vec::new();
            read.take(most_bytes as u64 + 1).read_to_end(&mut body).await.ok()?;
            (body.len() <= most_bytes).then_some(body)?
        }
        None => Vec::new(),
    };
    Some((head, body))
}

/// Whether an answer that tells no length has a body at all: it then ends with its connection.
fn ends_with_connection(head: &str) -> bool {
    let status = head.strip_prefix("HTTP/").and_then(|h| h.split(' ').nth(1));
    status.is_some_and(|s| !s.starts_with('1') && s != "204" && s != "304")
}

async fn exactly(read: &mut (impl AsyncBufRead + Unpin), length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn chunks(read: &mut (impl AsyncBufRead + Unpin), most_bytes: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        read.take(128).read_line(&mut line).await.ok()?;
        let size = line.trim_end().split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|s| body.len() + s <= most_bytes)?;
        body.extend(exactly(read, size).await?);
        if size > 0 {
            // The line's end after the data.
            exactly(read, 2).await?;
            continue;
        }
        // Trailers, up to an empty line.
        let mut seen_bytes = 0;
        loop {
            line.clear();
            seen_bytes += read.take(most_bytes as u64).read_line(&mut line).await.ok()?;
            if line == "\r\n" {
                return Some(body);
            }
            if line.is_empty() || seen_bytes > most_bytes {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(read_message(&mut text.as_bytes(), 1_000))
    }

    fn body(text: &str) -> Option<String> {
        read(text).map(|(_, body)| String::from_utf8(body).expect("text"))
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", Some("abc")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
                Some("abcde"),
            ),
            ("HTTP/1.1 200 OK\r\n\r\nall of it", Some("all of it")),
            ("HTTP/1.1 304 Not Modified\r\n\r\nnext", Some("")),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nnext", Some("")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\nabc", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(body(text).as_deref(), expected, "{text}");
        }
    }
}
